//! Calls: who owns them, and what is done about refusals.

mod actor;
mod call;
mod queues;
mod refusal;
mod submit;

pub(crate) use actor::lost_reply;
pub(crate) use actor::{Abort, Cancel, Halt, QueueMoved, Refused, Submit};
pub use actor::{ApiActor, InvokeRaw};
pub use call::CallPolicy;
pub(crate) use call::{Call, Permits};
pub use queues::Place;
pub(crate) use queues::{Queues, Turn};
pub(crate) use refusal::{Refusal, classify, plain};

//! Calls: who owns them, and what is done about refusals.

mod actor;
mod call;
mod refusal;

pub(crate) use actor::lost_reply;
pub(crate) use actor::{Abort, Cancel, Halt, Refused, Submit};
pub use actor::{ApiActor, InvokeRaw};
pub use call::CallPolicy;
pub(crate) use call::{Call, Permits};
pub(crate) use refusal::{Refusal, classify};

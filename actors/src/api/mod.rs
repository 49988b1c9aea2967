//! Calls: who owns them, and what is done about refusals.

mod actor;
mod call;
mod floods;
mod queues;
mod rates;
mod refusal;
mod submit;

pub(crate) use actor::lost_reply;
pub(crate) use actor::{Abort, Cancel, Halt, QueueMoved, Refused, Submit};
pub use actor::{ApiActor, InvokeRaw};
pub(crate) use call::{Call, Permits};
pub use call::{CallPolicy, Wrapper};
pub(crate) use floods::Floods;
pub use queues::Place;
pub(crate) use queues::{Queues, Turn};
pub(crate) use rates::{Limiter, Pace};
pub use rates::{Rate, Rates};
pub(crate) use refusal::{Refusal, classify, plain};
pub use submit::Answering;

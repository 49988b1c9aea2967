//! Updates: in order, once, and remembered as handled only when they are
//! (<https://core.telegram.org/api/updates>).
//!
//! [`UpdateStream`] is a state machine without IO: it is given what the datacenter sends and gives updates in order,
//! and requests for what is missing. A ledger remembers which of them have been handled. The actor around both is
//! [`UpdatesActor`](crate::sequencer::UpdatesActor).
//!
//! The common sequences `pts`, `qts` and `seq` are followed. Sequences of channels are not yet: their updates are passed
//! on as they come, each named by its channel and `pts`, without recovery of missing ones.

mod classify;
mod delivery;
mod short;
mod stream;

pub(crate) use delivery::Ledger;
pub use delivery::{DedupeId, DeliveredUpdate, Done, UpdateSink};
pub(crate) use short::sender_of_short;
pub use stream::{Delivery, Entities, Request, UpdateStream};

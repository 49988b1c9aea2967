//! Updates: in order, once, and remembered as handled only when they are
//! (<https://core.telegram.org/api/updates>).
//!
//! [`UpdateStream`] is a state machine without IO: it is given what the datacenter sends and gives updates in order,
//! and requests for what is missing. It follows `seq`, the common `pts` and `qts`, and takes out what belongs to channels:
//! each has a sequence of its own, a [`ChannelStream`]. A ledger remembers which updates have been handled. The actors around
//! them are [`UpdatesActor`](crate::sequencer::UpdatesActor) and [`ChannelActor`](crate::channels::ChannelActor).

mod channel_stream;
mod classify;
mod delivery;
mod gap;
mod passing;
mod retry;
mod room;
mod short;
mod stream;
mod unaccompanied;

pub use channel_stream::{ChannelDelivery, ChannelInput, ChannelRequest, ChannelStream};
pub(crate) use delivery::Ledger;
pub use delivery::{DedupeId, DeliveredUpdate, Done, Entities, UpdateSink};
pub(crate) use passing::MANY_QUERIES;
pub use passing::Passing;
pub(crate) use room::{FEW, Room};
pub use stream::{Delivery, Request, UpdateStream};
pub(crate) use unaccompanied::{unaccompanied, without_unknown};

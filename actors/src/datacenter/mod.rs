//! A datacenter: its addresses, its key, and the connection over which calls travel.

mod actor;
mod auth_key;
mod connection;
mod dialer;
mod migration;
mod options;
mod socket;

pub use actor::DatacenterActor;
pub(crate) use actor::{
    ConnectionLost, ConnectionWorked, Dial, KeyCreated, KeyUnknown, NewKey, WantKey,
};
pub use auth_key::AuthKeyActor;
pub(crate) use auth_key::CreateKey;
pub use connection::ConnectionActor;
pub(crate) use connection::{
    CancelCall, CloseConnection, LeaveSession, SendCall, StopConnection, UseKey,
};
pub(crate) use migration::move_to;
pub(crate) use options::Options;

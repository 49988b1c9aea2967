//! A datacenter: its addresses, its key, and the connection over which calls travel.

mod actor;
mod auth_key;
mod binding;
mod connection;
mod dialer;
mod migration;
mod options;
mod socket;
mod temporary_keys;

pub use actor::DatacenterActor;
pub(crate) use actor::{
    BindingEnded, ConnectionLost, ConnectionWorked, Dial, KeyCreated, KeyUnknown, NewKey,
    TemporaryKeyUseless, WantKey,
};
pub use auth_key::AuthKeyActor;
pub(crate) use auth_key::CreateKey;
pub(crate) use binding::LeaveSession;
pub use connection::ConnectionActor;
pub(crate) use connection::{CancelCall, CloseConnection, SendCall, StopConnection, UseKey};
pub(crate) use migration::move_to;
pub(crate) use options::Options;
pub(crate) use temporary_keys::{ForwardSecrecy, TemporaryKey, TemporaryKeys};

//! The RPC methods: one file per namespace, and the way from a call's bytes to its answer.

mod account;
mod auth;
mod bots;
mod call;
mod channel_view;
mod channels;
mod contacts;
mod dispatch;
mod errors;
mod faults;
mod help;
mod langpack;
mod messages;
mod password;
mod publish;
mod routes;
mod update_faults;
mod updates;
mod users;
mod view;

pub(crate) use auth::clean_name;
pub(crate) use call::Call;
pub use call::CallContext;
pub(crate) use channel_view::channel_access_hash;
pub(crate) use contacts::is_username;
pub(crate) use dispatch::Waiting;
pub(crate) use dispatch::invoke_as;
pub use dispatch::{OLDEST_LAYER, PREDECESSOR_PATIENCE};
pub use errors::RpcError;
pub use faults::{Counters, Delay, Faults, PushFault, RpcFault, When};
pub(crate) use messages::send::send_message;
pub(crate) use password::SrpServers;
pub use routes::BUILT;
pub use update_faults::{UpdateFaultRates, UpdateFaultScope};
pub(crate) use view::access_hash;

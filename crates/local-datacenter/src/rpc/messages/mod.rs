//! `messages.*`: private chats, groups and channels.

pub(in crate::rpc) mod album;
pub(in crate::rpc) mod callback;
pub(in crate::rpc) mod change;
pub(in crate::rpc) mod dialogs;
pub(in crate::rpc) mod groups;
pub(in crate::rpc) mod history;
pub(in crate::rpc) mod inline;
pub(in crate::rpc) mod invites;
pub(in crate::rpc) mod media;
pub(in crate::rpc) mod pins;
pub(in crate::rpc) mod reactions;
pub(in crate::rpc) mod read;
pub(in crate::rpc) mod send;
mod text;

use super::errors::RpcError;

/// A parameter of a built method that is not built.
pub(in crate::rpc) fn parameter_not_built(method: &str, parameter: &str) -> RpcError {
    RpcError::new(400, format!("PARAMETER_NOT_BUILT ({method} {parameter})"))
}

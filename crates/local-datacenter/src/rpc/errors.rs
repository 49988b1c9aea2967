//! RPC errors as Telegram documents them, see <https://core.telegram.org/api/errors>.

use std::borrow::Cow;

use actogram_tl::Writer;
use bytes::Bytes;

/// Constructor of `rpc_error`.
const RPC_ERROR: i32 = 0x2144_ca19;

/// An error a method answers.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code} {message}")]
pub struct RpcError {
    /// Class: 303, 400, 401, 403, 404, 406, 420, 500 or -503.
    pub code: i32,
    /// Name in capitals, with its parameter if it has one: `FLOOD_WAIT_3`.
    pub message: Cow<'static, str>,
}

impl RpcError {
    /// An error of any class.
    pub fn new(code: i32, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }

    /// The encoded `rpc_error`.
    pub fn to_bytes(&self) -> Bytes {
        let mut writer = Writer::new();
        writer.put_i32(RPC_ERROR);
        writer.put_i32(self.code);
        writer.put_bytes(self.message.as_bytes());
        writer.into_bytes()
    }
}

/// 400: the request is wrong.
pub(crate) const fn bad(message: &'static str) -> RpcError {
    RpcError {
        code: 400,
        message: Cow::Borrowed(message),
    }
}

/// 401: the key is not logged in.
pub(crate) const fn unauthorized(message: &'static str) -> RpcError {
    RpcError {
        code: 401,
        message: Cow::Borrowed(message),
    }
}

/// 403: not allowed.
pub(crate) const fn forbidden(message: &'static str) -> RpcError {
    RpcError {
        code: 403,
        message: Cow::Borrowed(message),
    }
}

/// 500: ours.
pub(crate) const fn internal(message: &'static str) -> RpcError {
    RpcError {
        code: 500,
        message: Cow::Borrowed(message),
    }
}

pub(crate) const PEER_ID_INVALID: RpcError = bad("PEER_ID_INVALID");
pub(crate) const CHANNEL_INVALID: RpcError = bad("CHANNEL_INVALID");
pub(crate) const CHANNEL_PRIVATE: RpcError = bad("CHANNEL_PRIVATE");
pub(crate) const USER_ID_INVALID: RpcError = bad("USER_ID_INVALID");
pub(crate) const CHAT_ID_INVALID: RpcError = bad("CHAT_ID_INVALID");
pub(crate) const MESSAGE_ID_INVALID: RpcError = bad("MESSAGE_ID_INVALID");

/// What every method returns.
pub(crate) type RpcResult<T> = Result<T, RpcError>;

//! How a datacenter takes back that a key speaks for somebody.

use serde::{Deserialize, Serialize};

/// Why a key no longer speaks for an account, as its calls are told; the key itself stays. See
/// <https://core.telegram.org/api/errors>.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Revocation {
    /// 401 `AUTH_KEY_UNREGISTERED`: it is logged in to nothing.
    AuthKeyUnregistered,
    /// 401 `AUTH_KEY_INVALID`, to every call.
    AuthKeyInvalid,
    /// 401 `SESSION_REVOKED`: another device ended all logins.
    SessionRevoked,
    /// 401 `SESSION_EXPIRED`.
    SessionExpired,
    /// 401 `USER_DEACTIVATED`: the account was deleted.
    UserDeactivated,
    /// 401 `USER_DEACTIVATED_BAN`: the account was banned.
    UserDeactivatedBan,
    /// 406 `AUTH_KEY_DUPLICATED`, to every call: it was used from two places at once.
    AuthKeyDuplicated,
}

impl Revocation {
    /// Code and message of the error.
    pub fn error(self) -> (i32, &'static str) {
        match self {
            Self::AuthKeyUnregistered => (401, "AUTH_KEY_UNREGISTERED"),
            Self::AuthKeyInvalid => (401, "AUTH_KEY_INVALID"),
            Self::SessionRevoked => (401, "SESSION_REVOKED"),
            Self::SessionExpired => (401, "SESSION_EXPIRED"),
            Self::UserDeactivated => (401, "USER_DEACTIVATED"),
            Self::UserDeactivatedBan => (401, "USER_DEACTIVATED_BAN"),
            Self::AuthKeyDuplicated => (406, "AUTH_KEY_DUPLICATED"),
        }
    }

    /// Whether the key may not even log in again.
    pub fn is_final(self) -> bool {
        matches!(self, Self::AuthKeyInvalid | Self::AuthKeyDuplicated)
    }
}

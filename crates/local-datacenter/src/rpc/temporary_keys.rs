//! Temporary keys that speak for permanent ones.
//!
//! See <https://core.telegram.org/api/pfs>.

use actogram_tl as tl;
use tl::functions;

use super::call::Call;
use super::errors::{RpcError, RpcResult, bad};
use crate::model::{AuthKeyId, Event};

/// A client reckons the end of its key by its own clock, from when the exchange ended there: so many seconds later than
/// here at most.
const LATER_END: i32 = 300;

/// Bytes of the envelope that its message key covers.
const BIND_HASHED: usize = 72;
/// Envelope around the inner data of `auth.bindTempAuthKey`, and the inner data's constructor.
const BIND_INNER: i32 = 0x75a3_f765;

impl Call<'_> {
    /// Removes temporary keys that have ended, and unbinds the oldest ones above the limit.
    fn make_room_for_key(&mut self, permanent: AuthKeyId, new: AuthKeyId) {
        let date = self.date();
        let state = &self.world.state;
        let has_ended = |key: &AuthKeyId| {
            let entry = state.keys.get(key);
            entry.is_some_and(|entry| entry.expires_at.is_some_and(|at| at <= date))
        };
        let bound = state.temporary_keys(permanent).iter();
        let (ended, mut kept): (Vec<AuthKeyId>, Vec<_>) = bound
            .filter(|key| **key != new)
            .partition(|key| has_ended(key));
        for key in ended {
            self.world.drop_key(key);
        }
        let most = self.world.config.limits.temporary_keys.max(1);
        kept.truncate((kept.len() + 1).saturating_sub(most));
        for temporary in kept {
            self.world.commit(Event::KeyUnbound { temporary });
        }
    }
}

/// `auth.bindTempAuthKey`, see <https://core.telegram.org/method/auth.bindTempAuthKey>.
pub(super) fn bind_temp_auth_key(
    call: &mut Call<'_>,
    request: functions::auth::BindTempAuthKey,
) -> RpcResult<bool> {
    let Some(session) = call.origin else {
        return Err(bad("TEMP_AUTH_KEY_EMPTY"));
    };
    let temporary = call
        .world
        .state
        .keys
        .get(&session.auth_key_id)
        .filter(|entry| entry.expires_at.is_some())
        .ok_or(bad("TEMP_AUTH_KEY_EMPTY"))?;
    if temporary
        .bound_to
        .is_some_and(|permanent| permanent != request.perm_auth_key_id)
    {
        return Err(bad("TEMP_AUTH_KEY_ALREADY_BOUND"));
    }
    let made_at = temporary.dc_id;
    let latest = temporary.expires_at.map(|at| at.saturating_add(LATER_END));
    if latest.is_none_or(|latest| request.expires_at > latest) || request.expires_at <= call.date()
    {
        return Err(bad("EXPIRES_AT_INVALID"));
    }
    let invalid = || -> RpcError { bad("ENCRYPTED_MESSAGE_INVALID") };
    let permanent = call
        .world
        .key(request.perm_auth_key_id)
        .filter(|record| record.expires_at.is_none() && record.dc_id == made_at)
        .ok_or_else(invalid)?;
    let inner =
        open_bind_envelope(&permanent.key, &request.encrypted_message).ok_or_else(invalid)?;
    let expected = BindInner {
        msg_id: call.msg_id,
        nonce: request.nonce,
        temporary: session.auth_key_id,
        permanent: request.perm_auth_key_id,
        session: session.session_id,
        expires_at: request.expires_at,
    };
    if inner != expected {
        return Err(invalid());
    }
    call.make_room_for_key(request.perm_auth_key_id, session.auth_key_id);
    call.world.commit(Event::KeyBound {
        temporary: session.auth_key_id,
        permanent: request.perm_auth_key_id,
    });
    Ok(true)
}

/// `auth.dropTempAuthKeys`: destroys the temporary keys of the account's logins but for those that are named.
pub(super) fn drop_temp_auth_keys(
    call: &mut Call<'_>,
    request: functions::auth::DropTempAuthKeys,
) -> RpcResult<bool> {
    let me = call.me()?;
    let state = &call.world.state;
    let logins = state.keys_of.get(&me).into_iter().flatten();
    let gone: Vec<_> = logins
        .flat_map(|login| state.temporary_keys(*login).iter().copied())
        .filter(|key| !request.except_auth_keys.contains(key))
        .collect();
    for key in gone {
        call.world.outcome.revoked_keys.push(key);
        call.world.drop_key(key);
    }
    Ok(true)
}

#[derive(Debug, PartialEq, Eq)]
struct BindInner {
    msg_id: i64,
    nonce: i64,
    temporary: i64,
    permanent: i64,
    session: i64,
    expires_at: i32,
}

/// Random 16, msg_id 8, seqno 4, length 4, then 40 bytes of inner data, and padding.
fn open_bind_envelope(key: &actogram_crypto::AuthKey, message: &[u8]) -> Option<BindInner> {
    let plain = actogram_crypto::message::decrypt_v1(key, message, BIND_HASHED).ok()?;
    let mut reader = tl::Reader::new(plain.into());
    for _ in 0..2 {
        reader.get_i64().ok()?;
    }
    let msg_id = reader.get_i64().ok()?;
    let (seq_no, length) = (reader.get_i32().ok()?, reader.get_i32().ok()?);
    if seq_no != 0 || length != 40 || reader.get_i32().ok()? != BIND_INNER {
        return None;
    }
    Some(BindInner {
        msg_id,
        nonce: reader.get_i64().ok()?,
        temporary: reader.get_i64().ok()?,
        permanent: reader.get_i64().ok()?,
        session: reader.get_i64().ok()?,
        expires_at: reader.get_i32().ok()?,
    })
}

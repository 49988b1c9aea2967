//! Exports of an account's data. See <https://core.telegram.org/api/takeout>.

use actogram_tl as tl;
use tl::{enums, functions, types};

use super::call::Call;
use super::errors::RpcResult;

/// `account.initTakeoutSession`, see <https://core.telegram.org/method/account.initTakeoutSession>. One that is under way ends.
pub(super) fn init_takeout_session(
    call: &mut Call<'_>,
    _: functions::account::InitTakeoutSession,
) -> RpcResult<enums::account::Takeout> {
    call.me()?;
    let id = actogram_crypto::random::i64(&mut *call.world.random);
    call.world.takeouts.insert(call.identity, id);
    Ok(types::account::Takeout { id }.into())
}

/// `account.finishTakeoutSession`, see <https://core.telegram.org/method/account.finishTakeoutSession>. It comes wrapped in the
/// takeout that it ends.
pub(super) fn finish_takeout_session(
    call: &mut Call<'_>,
    _: functions::account::FinishTakeoutSession,
) -> RpcResult<bool> {
    call.me()?;
    call.world.takeouts.remove(&call.identity);
    Ok(true)
}

//! An account that moves to another datacenter.

use std::sync::Arc;

use actogram_store::Write;

use super::{LeaveSession, actor::Moved};
use crate::{error::CallError, satellites::Purpose, shared::Shared};

/// Makes another datacenter the account's own. A login is taken along, if there is one
/// (<https://core.telegram.org/api/datacenter#authorization-transfer>): before anything else, so that at no moment, nor after a
/// kill, the account stands where nobody knows it.
///
/// # Errors
/// [`CallError::NoAddress`], [`CallError::Store`], and what carrying the login over met: the account stays where it is then.
pub(crate) async fn move_to(shared: Arc<Shared>, dc: i32) -> Result<(), CallError> {
    let _alone = shared.moving.lock().await;
    if dc == shared.dc() {
        // Another call was sent there, too, and was faster.
        return Ok(());
    }
    shared.locate(dc, Purpose::Calls).await?;
    if shared.me().is_some() {
        shared.log_in_at(dc).await?;
    }
    let written = shared.store.write_synced(vec![Write::MainDc(dc)]).await;
    written.map_err(|error| CallError::Store(error.to_string()))?;
    shared.set_dc(dc);
    if let Some(addresses) = shared.addresses() {
        addresses.connection.do_send(LeaveSession);
        addresses.datacenter.do_send(Moved(dc));
    }
    Ok(())
}

//! An account that moves to another datacenter.

use std::sync::Arc;

use actogram_store::Write;
use actogram_tl::{Decode as _, Encode as _, enums, functions};

use super::{LeaveSession, actor::Moved};
use crate::{api::CallPolicy, error::CallError, satellites::Purpose, shared::Shared};

/// Makes another datacenter the account's own. A login is taken along, if there is one
/// (<https://core.telegram.org/api/datacenter#authorization-transfer>).
///
/// # Errors
/// [`CallError::NoAddress`], [`CallError::Store`]: the account stays where it is then.
pub(crate) async fn move_to(shared: Arc<Shared>, dc: i32) -> Result<(), CallError> {
    let _alone = shared.moving.lock().await;
    if dc == shared.dc() {
        // Another call was sent there, too, and was faster.
        return Ok(());
    }
    shared.locate(dc, Purpose::Calls).await?;
    let login = match shared.me() {
        Some(_) => exported(&shared, dc).await,
        None => None,
    };
    let written = shared.store.write_synced(vec![Write::MainDc(dc)]).await;
    written.map_err(|error| CallError::Store(error.to_string()))?;
    shared.set_dc(dc);
    if let Some(addresses) = shared.addresses() {
        addresses.connection.do_send(LeaveSession);
        addresses.datacenter.do_send(Moved(dc));
    }
    if let Some(import) = login {
        let call = shared.invoke(import.to_bytes(), CallPolicy::default(), None);
        if let Err(error) = call.await {
            tracing::warn!(dc, %error, "the login could not be taken along");
        }
    }
    Ok(())
}

async fn exported(shared: &Arc<Shared>, dc: i32) -> Option<functions::auth::ImportAuthorization> {
    let export = functions::auth::ExportAuthorization { dc_id: dc };
    let call = shared.invoke(export.to_bytes(), CallPolicy::default(), None);
    let answer = call.await.inspect_err(|error| {
        tracing::warn!(dc, %error, "the datacenter gives no login to take along");
    });
    let exported = enums::auth::ExportedAuthorization::from_bytes(answer.ok()?).ok()?;
    let enums::auth::ExportedAuthorization::ExportedAuthorization(exported) = exported;
    Some(functions::auth::ImportAuthorization {
        id: exported.id,
        bytes: exported.bytes,
    })
}

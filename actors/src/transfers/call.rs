//! Calls of transfers.

use std::{sync::Arc, time::Duration};

use actogram_tl::{Decode as _, Function};
use bytes::Bytes;

use super::TransferError;
use crate::{
    api::{CallPolicy, Refusal, classify},
    error::CallError,
    satellites::{Purpose, Site},
    shared::Shared,
};

/// Waits longer than this end a transfer instead of being slept through.
const LONGEST_WAIT: Duration = Duration::from_secs(15 * 60);

/// Calls a method for a transfer, at this datacenter. Waits that the datacenter asks for are the transfer's to sleep, since
/// they are about all its parts. The call ends with its future.
pub(super) async fn call<F: Function>(
    shared: &Arc<Shared>,
    dc: i32,
    function: &F,
) -> Result<F::Response, TransferError> {
    let policy = CallPolicy {
        flood_wait_limit: Duration::ZERO,
        ..CallPolicy::default()
    };
    let body = function.to_bytes();
    let lane = shared.lanes.enter(dc, dc == shared.dc());
    let site = Site {
        dc,
        purpose: Purpose::Files(lane.number()),
    };
    let answer = shared.call_at(site, body, policy.cancel_on_drop()).await;
    lane.leave(answer.is_ok());
    decode::<F>(answer)
}

/// Reads an answer as the method's result.
pub(super) fn decode<F: Function>(
    answer: Result<Bytes, CallError>,
) -> Result<F::Response, TransferError> {
    let answer = answer.map_err(|source| TransferError::Call {
        method: F::NAME,
        source,
    })?;
    F::Response::from_bytes(answer).map_err(|source| TransferError::Answer {
        method: F::NAME,
        source,
    })
}

/// How long a refusal asks the transfer to wait, if it does and that can be waited for.
pub(super) fn wait_of(method: &str, code: i32, message: &str) -> Option<Duration> {
    match classify(method, code, message) {
        Refusal::Flood { wait, .. } if wait <= LONGEST_WAIT => Some(wait),
        _ => None,
    }
}

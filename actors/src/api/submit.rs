//! A call's way from whoever makes it to the actor that owns it.

use std::{future::Future, sync::Arc};

use actix::Addr;
use bytes::Bytes;

use super::{ApiActor, Call, CallPolicy, Cancel, Pace, Permits, Place, Submit, lost_reply};
use crate::{error::CallError, shared::Shared};

impl Shared {
    /// Makes a call; see [`Account::invoke_raw`](crate::Account::invoke_raw).
    pub(crate) fn invoke(
        self: &Arc<Self>,
        body: Bytes,
        policy: CallPolicy,
        place: Option<Place>,
    ) -> impl Future<Output = Result<Bytes, CallError>> + Send + 'static {
        let shared = self.clone();
        async move {
            let Some(api) = shared.addresses().map(|addresses| addresses.api.clone()) else {
                return Err(CallError::ShutDown { body });
            };
            // Before the permits: one that waits for its turn must not keep them from the one before.
            if let Some(place) = &place {
                place.turn().await;
            }
            if let Some(pace) = Pace::of(&body, shared.config.rates.as_ref())
                && let Err(ended) = pace.turn(&shared).await
            {
                return Err(ended.unwrap_or(CallError::ShutDown { body }));
            }
            let weight = shared.weight(&body);
            let permits = async {
                let call = shared.calls.clone().acquire_owned().await.ok()?;
                let bytes = shared.bytes.clone().acquire_many_owned(weight).await.ok()?;
                Some(Permits {
                    _call: call,
                    _bytes: bytes,
                })
            };
            let Some(permits) = permits.await else {
                return Err(CallError::ShutDown { body });
            };
            let cancel_on_drop = policy.cancel_on_drop;
            let queue = place.as_ref().map(|place| place.queue().clone());
            let (call, answer) = Call::new(&shared, body, policy, Some(permits), queue);
            let mut guard = CancelGuard {
                api: cancel_on_drop.then(|| (api.clone(), call.id)),
            };
            api.do_send(Submit(call));
            drop(place);
            let answer = answer.await;
            guard.api = None;
            answer.unwrap_or_else(|_| Err(lost_reply()))
        }
    }
}

/// Cancels its call unless it was disarmed.
struct CancelGuard {
    api: Option<(Addr<ApiActor>, u64)>,
}

impl Drop for CancelGuard {
    fn drop(&mut self) {
        if let Some((api, call)) = self.api.take() {
            api.do_send(Cancel(call));
        }
    }
}

//! A call's way from whoever makes it to the actor that owns it.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use actix::Addr;
use bytes::Bytes;
use tokio::sync::oneshot;

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
            let sent = shared.submit(api, body, policy, permits, place.as_ref());
            drop(place);
            sent.await
        }
    }

    /// Makes a call if nothing has to be waited for before it is sent; else gives it back.
    pub(crate) fn invoke_at_once(
        self: &Arc<Self>,
        body: Bytes,
        policy: CallPolicy,
    ) -> Result<Answering, (Bytes, CallPolicy)> {
        let Some(api) = self.addresses().map(|addresses| addresses.api.clone()) else {
            return Err((body, policy));
        };
        if Pace::of(&body, self.config.rates.as_ref()).is_some() {
            return Err((body, policy));
        }
        let call = self.calls.clone().try_acquire_owned();
        let bytes = self.bytes.clone();
        let bytes = bytes.try_acquire_many_owned(self.weight(&body));
        match (call, bytes) {
            (Ok(call), Ok(bytes)) => {
                let permits = Permits {
                    _call: call,
                    _bytes: bytes,
                };
                Ok(self.submit(api, body, policy, permits, None))
            }
            _ => Err((body, policy)),
        }
    }

    fn submit(
        self: &Arc<Self>,
        api: Addr<ApiActor>,
        body: Bytes,
        policy: CallPolicy,
        permits: Permits,
        place: Option<&Place>,
    ) -> Answering {
        let cancel_on_drop = policy.cancel_on_drop;
        let queue = place.map(|place| place.queue().clone());
        let (call, answer) = Call::new(self, body, policy, Some(permits), queue);
        let id = call.id;
        api.do_send(Submit(call));
        Answering {
            answer,
            guard: CancelGuard {
                api: cancel_on_drop.then_some((api, id)),
            },
        }
    }
}

/// The answer to a call that is with its actor. Dropping it leaves the call running, unless the call was made
/// [`cancel_on_drop`](CallPolicy::cancel_on_drop).
#[derive(Debug)]
#[must_use = "dropping it is not to care for the answer"]
pub struct Answering {
    answer: oneshot::Receiver<Result<Bytes, CallError>>,
    guard: CancelGuard,
}

impl Future for Answering {
    type Output = Result<Bytes, CallError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = ready!(Pin::new(&mut self.answer).poll(context));
        self.guard.api = None;
        Poll::Ready(answer.unwrap_or_else(|_| Err(lost_reply())))
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

impl fmt::Debug for CancelGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelGuard")
            .field("armed", &self.api.is_some())
            .finish()
    }
}

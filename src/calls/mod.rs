//! Calls as builders: nothing is sent until one is awaited or detached.

mod actions;
mod arguments;
mod chats;
mod click;
mod commands;
mod media;
mod members;
mod messages;
mod middleware;
mod queries;
mod raw;
mod sent;

use std::{future::Future, pin::Pin, time::Duration};

use actogram_actors::{CallError, CallPolicy, Place};
use tokio::task::AbortHandle;

pub use actions::{
    DeleteMessages, ForwardMessage, ForwardMessages, PinMessage, Reaction, SendReaction,
};
pub use chats::{ExportInvite, JoinChat, LeaveChat};
pub use click::{CallbackAnswer, ClickButton, Clicked};
pub use commands::SetCommands;
pub use media::{Media, SendMedia};
pub(crate) use media::{messages_in, to_input as media_to_send};
pub use members::{Demote, Promote, Restrict};
pub use messages::{EditMessage, SendMessage, SendParts};
pub(crate) use middleware::CallMiddlewares;
pub use middleware::{NextCall, OutgoingCall};
pub use queries::{AnswerCallback, AnswerInline};
pub(crate) use raw::decode;
pub use raw::{CallByName, Invoke};
pub(crate) use sent::sent_by_id;

use crate::{Api, Error, Result};

/// The future of a call. Dropping it leaves the call running, unless the call was made `cancel_on_drop`.
pub type Pending<T> = Pin<Box<dyn Future<Output = Result<T>> + Send>>;

/// What can be set for every call.
#[derive(Debug, Clone, Default)]
pub(crate) struct CallOptions {
    pub(crate) timeout: Option<Duration>,
    pub(crate) retries: Option<u32>,
    pub(crate) flood_wait_limit: Option<Duration>,
    pub(crate) cancel_on_drop: bool,
    pub(crate) queue: Option<String>,
}

/// How a call is made, and its place in a queue if it is to have one.
#[derive(Debug)]
pub(crate) struct Terms {
    pub(crate) policy: CallPolicy,
    pub(crate) place: Option<Result<Place, CallError>>,
}

impl CallOptions {
    /// From here on the call has its place in its queue.
    pub(crate) fn terms(&self, api: &Api) -> Terms {
        let queue = self.queue.as_deref();
        Terms {
            policy: self.policy(api.call_defaults()),
            place: queue.map(|queue| api.account().place_in_queue(queue)),
        }
    }

    fn policy(&self, defaults: &CallPolicy) -> CallPolicy {
        let mut policy = defaults.clone();
        if let Some(retries) = self.retries {
            policy.retries = retries;
        }
        if let Some(limit) = self.flood_wait_limit {
            policy.flood_wait_limit = limit;
        }
        policy.cancel_on_drop = self.cancel_on_drop;
        policy
    }
}

/// Starts `flow` on the account's runtime, so that it goes on when its waiter is dropped.
pub(crate) fn start<T: Send + 'static>(
    api: &Api,
    method: &'static str,
    options: &CallOptions,
    flow: impl Future<Output = Result<T>> + Send + 'static,
) -> Pending<T> {
    let runtime = api.runtime().clone();
    let (timeout, cancel_on_drop) = (options.timeout, options.cancel_on_drop);
    Box::pin(async move {
        let task = runtime.spawn(flow);
        let _guard = cancel_on_drop.then(|| AbortOnDrop(task.abort_handle()));
        let answer = async {
            task.await.unwrap_or_else(|error| {
                Err(Error::Engine(format!("{method} was given up: {error}")))
            })
        };
        within(timeout, method, answer).await
    })
}

/// Waits for an answer so long at most.
async fn within<T>(
    timeout: Option<Duration>,
    method: &str,
    answer: impl Future<Output = Result<T>>,
) -> Result<T> {
    let Some(limit) = timeout else {
        return answer.await;
    };
    let answered = tokio::time::timeout(limit, answer).await;
    answered.unwrap_or_else(|_| {
        Err(Error::Timeout {
            method: method.to_owned(),
            limit,
        })
    })
}

struct AbortOnDrop(AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The methods every call builder has. The type needs a field `options: CallOptions`, and `IntoFuture` where the last
/// brackets hold.
macro_rules! call_options {
    ([$($generics:tt)*] $call:ty, [$($bounds:tt)*]) => {
        impl<$($generics)*> $call {
            /// Stops waiting after this time, with [`Error::Timeout`](crate::Error::Timeout). The call itself goes
            /// on, unless [`cancel_on_drop`](Self::cancel_on_drop) is set too.
            pub fn timeout(mut self, limit: std::time::Duration) -> Self {
                self.options.timeout = Some(limit);
                self
            }

            /// How often errors of the datacenter's own (class 500) are tried again.
            pub fn retries(mut self, retries: u32) -> Self {
                self.options.retries = Some(retries);
                self
            }

            /// The longest flood wait that is slept through; a longer one is returned as an error.
            pub fn flood_wait_limit(mut self, limit: std::time::Duration) -> Self {
                self.options.flood_wait_limit = Some(limit);
                self
            }

            /// Cancels the call when its future is dropped. It may have been carried out by then.
            pub fn cancel_on_drop(mut self) -> Self {
                self.options.cancel_on_drop = true;
                self
            }

            /// Has the call carried out after every call that was given this queue's name before: by the datacenter
            /// itself, and whatever happens in between (flood waits, cuts, a lost session). Queues of different names
            /// know nothing of each other, and come and go with their calls. A call that fails lets the next one go on.
            ///
            /// The call takes its place when it is awaited, detached or made a future. Calls of a queue do not wait for
            /// each other's answers. As many may be in a queue as the setting `calls.queue` says; one more is
            /// [`CallError::QueueFull`](crate::CallError::QueueFull).
            ///
            /// ```no_run
            /// # fn act(api: actogram::Api) {
            /// for line in ["one", "two", "three"] {
            ///     api.send_message("me", line).queue("poem").detach();
            /// }
            /// # }
            /// ```
            pub fn queue(mut self, name: impl Into<String>) -> Self {
                self.options.queue = Some(name.into());
                self
            }

            /// Sends the call and gives its answer, in programs without async code: see [`blocking`](crate::blocking). The
            /// runtime on which the client was connected has to be running.
            ///
            /// # Errors
            /// Those of the call, and [`Error::InsideRuntime`](crate::Error::InsideRuntime) where it should be awaited
            /// instead; it is not sent then.
            pub fn wait(self) -> <Self as std::future::IntoFuture>::Output
            where
                $($bounds)*
            {
                let runtime = self.api.runtime().clone();
                crate::blocking::answer(&runtime, std::future::IntoFuture::into_future(self))
            }

            /// Starts the call without waiting for it. An error is logged and
            /// [counted](crate::Client::unawaited_errors), and never surfaces. Calls that are detached one after another
            /// may be carried out in any order, unless they share a [queue](Self::queue). A
            /// [shutdown](crate::Client::shutdown) waits for them, up to its deadline.
            pub fn detach(self)
            where
                $($bounds)*
            {
                let api = self.api.clone();
                let call = std::future::IntoFuture::into_future(self);
                api.clone().spawn_detached(async move {
                    if let Err(error) = call.await {
                        let failures = api.failures().with(actogram_runtime::Escalation::Report);
                        failures.report("a detached call", actogram_runtime::ExitReason::error(error));
                    }
                });
            }
        }
    };
    ($($call:ty),+) => {$(
        call_options!([] $call, []);
    )+};
}
pub(crate) use call_options;

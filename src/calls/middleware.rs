//! What programs put around every call.

use std::{
    fmt,
    future::Future,
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::{Arc, PoisonError, RwLock},
};

use bytes::Bytes;
use futures_util::FutureExt as _;

use crate::{Client, Error, Result};

type Answering = Pin<Box<dyn Future<Output = Result<Bytes>> + Send>>;
type Around = Arc<dyn Fn(OutgoingCall, NextCall) -> Answering + Send + Sync>;

impl Client {
    /// Puts this around every call of the client from now on, the first one outermost: it may look on, wait, refuse the call,
    /// or give another answer. Calls that the client makes for itself (a login, a username that is looked up) are among
    /// them; those by which it follows updates, and the parts of files, are not. What is called inside of a middleware passes it, too.
    ///
    /// The answer is the method's result, encoded (<https://core.telegram.org/mtproto/serialize>). A call that waits here
    /// keeps its place in its [queue](crate::SendMessage::queue); one that is refused gives it up. A panic costs that call
    /// only, which fails with [`Error::User`](crate::Error::User).
    ///
    /// ```no_run
    /// use actogram::{NextCall, OutgoingCall, prelude::*};
    ///
    /// # fn register(client: Client) {
    /// client.wrap_calls(|call: OutgoingCall, next: NextCall| async move {
    ///     if call.method().starts_with("payments.") {
    ///         return Err(Error::user("this bot does not spend"));
    ///     }
    ///     let answer = next.run().await;
    ///     println!("{}: {}", call.method(), if answer.is_ok() { "done" } else { "failed" });
    ///     answer
    /// });
    /// # }
    /// ```
    pub fn wrap_calls<A>(
        &self,
        middleware: impl Fn(OutgoingCall, NextCall) -> A + Send + Sync + 'static,
    ) where
        A: Future<Output = Result<Bytes>> + Send + 'static,
    {
        self.api().middlewares().add(middleware);
    }
}

/// A call on its way to the datacenter, as [middlewares](Client::wrap_calls) see it. What it says stays hidden: it may be
/// a code or a password.
#[derive(Debug, Clone)]
pub struct OutgoingCall {
    method: String,
    size: usize,
}

impl OutgoingCall {
    /// The method's name, as `messages.sendMessage`.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// How many bytes the encoded call takes.
    pub fn size(&self) -> usize {
        self.size
    }
}

/// What a [middleware](Client::wrap_calls) is around: the next one, or the call itself. Without [`run`](Self::run) the
/// call is not made.
#[must_use = "without `run` the call is not made"]
pub struct NextCall(Answering);

impl NextCall {
    /// Makes the call. Gives its result, encoded.
    ///
    /// # Errors
    /// Those of the call, and of further middlewares.
    pub async fn run(self) -> Result<Bytes> {
        self.0.await
    }
}

impl fmt::Debug for NextCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NextCall").finish_non_exhaustive()
    }
}

/// The middlewares of a client, the first outermost.
#[derive(Default)]
pub(crate) struct CallMiddlewares(RwLock<Arc<[Around]>>);

impl CallMiddlewares {
    pub(crate) fn add<A>(
        &self,
        around: impl Fn(OutgoingCall, NextCall) -> A + Send + Sync + 'static,
    ) where
        A: Future<Output = Result<Bytes>> + Send + 'static,
    {
        let around: Around = Arc::new(move |call, next| Box::pin(around(call, next)));
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        *all = all.iter().cloned().chain([around]).collect();
    }

    pub(crate) fn is_empty(&self) -> bool {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        all.is_empty()
    }

    /// Makes the call inside of all of them.
    pub(crate) async fn run(
        &self,
        method: &str,
        size: usize,
        call: impl Future<Output = Result<Bytes>> + Send + 'static,
    ) -> Result<Bytes> {
        let all = (self.0.read())
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        if all.is_empty() {
            return call.await;
        }
        let outgoing = OutgoingCall {
            method: method.to_owned(),
            size,
        };
        let first = Box::pin(call) as Answering;
        let whole = all.iter().rev().cloned().fold(first, |next, around| {
            let outgoing = outgoing.clone();
            Box::pin(async move {
                let method = outgoing.method.clone();
                // In the future: what a closure does before its first `await` may panic too.
                let answer = async move { around(outgoing, NextCall(next)).await };
                AssertUnwindSafe(answer)
                    .catch_unwind()
                    .await
                    .unwrap_or_else(|_| {
                        Err(Error::user(format!(
                            "a middleware around {method} panicked; the call may have been made"
                        )))
                    })
            }) as Answering
        });
        whole.await
    }
}

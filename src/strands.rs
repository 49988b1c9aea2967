//! Strands beside the one that started them: futures that run on by themselves, and where their errors go.
//!
//! How they are used is told in [`guide::forks`](crate::guide::forks).

use std::{error::Error as StdError, future::Future};

use actogram_runtime::{Escalation, Strand, call_fork_on};

use crate::{Client, Error};

impl Client {
    /// Runs a future as a strand of its own, beginning now: up to its first suspension before this returns.
    ///
    /// Its failure, an error or a panic, ends [`run`](Self::run) and [`run_until`](Self::run_until) with that error,
    /// whether or not anybody awaits the strand; who awaits it sees the failure too. A strand that may fail without ending
    /// the program is given [`Escalation::Report`] by [`call_fork_with`](Self::call_fork_with).
    ///
    /// ```no_run
    /// # use actogram::prelude::*;
    /// # async fn act(client: Client) -> Result<()> {
    /// let api = client.api();
    /// let greeting = client.call_fork(async move { api.send_message("@name", "hello").await });
    /// // Meanwhile, something else; then, if it matters:
    /// greeting.await?;
    /// # Ok(()) }
    /// ```
    #[track_caller]
    pub fn call_fork<F, T, E>(&self, future: F) -> Strand<T>
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
        T: Send + 'static,
        E: Into<Box<dyn StdError + Send + Sync>> + 'static,
    {
        self.call_fork_with(Escalation::Exit, future)
    }

    /// [`call_fork`](Self::call_fork), with what is to become of an error.
    #[track_caller]
    pub fn call_fork_with<F, T, E>(&self, escalation: Escalation, future: F) -> Strand<T>
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
        T: Send + 'static,
        E: Into<Box<dyn StdError + Send + Sync>> + 'static,
    {
        let runtime = self.api.runtime().clone();
        // The first part may start tasks of its own, wherever the caller is.
        let _entered = runtime.enter();
        let failures = self.failures.with(escalation);
        call_fork_on(&failures, future, |rest| drop(runtime.spawn(rest)))
    }

    /// As [`call_fork`](Self::call_fork), but nothing of it runs before this returns, and there is no result to wait for.
    #[track_caller]
    pub fn call_fork_defer<F, T, E>(&self, future: F)
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
        T: Send + 'static,
        E: Into<Box<dyn StdError + Send + Sync>> + 'static,
    {
        drop(self.call_fork(async move {
            tokio::task::yield_now().await;
            future.await
        }));
    }

    /// Waits for what would end [`run`](Self::run) with an error: the account's end, or an error of a loop or fork that
    /// nobody awaits and that must not be overlooked. For programs that have a main loop of their own, such as a web
    /// server's, and listen for signals themselves.
    ///
    /// ```no_run
    /// # use actogram::prelude::*;
    /// # async fn serve() -> Result<()> { Ok(()) }
    /// # async fn act(client: Client) -> Result<()> {
    /// client.start().await?;
    /// let outcome = tokio::select! {
    ///     served = serve() => served,
    ///     failed = client.failed() => Err(failed),
    /// };
    /// client.shutdown(std::time::Duration::from_secs(10)).await;
    /// outcome
    /// # }
    /// ```
    pub async fn failed(&self) -> Error {
        tokio::select! {
            ended = self.ended() => ended,
            failure = self.failures.surfaced() => {
                Error::Engine(format!("{} failed: {}", failure.who, failure.reason))
            }
        }
    }

    /// How many errors there were that nobody awaited: of detached calls, strands and loops.
    pub fn unawaited_errors(&self) -> u64 {
        self.failures.count()
    }
}

//! Strands that run beside the one that started them.
//!
//! What starts a strand decides two things: whether its first part runs before the starter goes on ([`call_fork`]) or after
//! ([`call_fork_defer`], [`detach`]), and by its [`Failures`] what becomes of an error that nobody awaits. A strand never
//! takes its starter or its thread along: a panic in a poll or in a destructor of its future is its result.

use std::{
    error::Error,
    future::Future,
    panic::Location,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use futures_util::FutureExt;
use tokio::sync::oneshot;

use crate::{Escalation, ExitReason, Failures, supervision::driver::guard};

/// The result of a forked strand, for those who want it. Dropping it changes nothing: the strand runs on.
#[derive(Debug)]
pub struct Strand<T> {
    result: oneshot::Receiver<Result<T, ExitReason>>,
}

impl<T> Future for Strand<T> {
    type Output = Result<T, ExitReason>;

    fn poll(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Self::Output> {
        self.result
            .poll_unpin(task)
            .map(|result| result.unwrap_or(Err(ExitReason::Killed)))
    }
}

fn settled<T, E>(result: Result<Result<T, E>, ExitReason>) -> Result<T, ExitReason>
where
    E: Into<Box<dyn Error + Send + Sync>>,
{
    result.and_then(|result| result.map_err(ExitReason::error))
}

/// A future whose panics, in its polls and in its drop, become its result.
struct Guarded<F>(Option<Pin<Box<F>>>);

impl<F: Future> Guarded<F> {
    fn new(future: F) -> Self {
        Self(Some(Box::pin(future)))
    }
}

impl<F: Future> Future for Guarded<F> {
    type Output = Result<F::Output, ExitReason>;

    fn poll(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(future) = &mut self.0 else {
            return Poll::Ready(Err(ExitReason::Killed));
        };
        let ended = match guard(|| future.as_mut().poll(task)) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(output)) => Ok(output),
            Err(reason) => Err(reason),
        };
        let future = self.0.take();
        let dropped = guard(|| drop(future));
        Poll::Ready(ended.and_then(|output| dropped.map(|()| output)))
    }
}

fn report<T>(failures: &Failures, place: &str, result: &Result<T, ExitReason>) {
    if let Err(reason) = result {
        failures.report(&format!("strand forked at {place}"), reason.clone());
    }
}

/// Runs a future as a strand of its own, beginning now: up to its first suspension before this returns.
///
/// Its failure (an error or a panic) is handed to `failures` with the place of this call, whether or not anybody awaits the
/// [`Strand`]; who awaits it sees the failure too.
///
/// ```
/// # use actogram_runtime::*; use std::{cell::Cell, rc::Rc};
/// # tokio::task::LocalSet::new().block_on(&tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap(), async {
/// let failures = Failures::new(Escalation::Exit);
/// let begun = Rc::new(Cell::new(false));
/// let flag = Rc::clone(&begun);
/// let strand = call_fork(&failures, async move {
///     flag.set(true);
///     sleep(1.0).await;
///     Err::<(), _>("it does not work out")
/// });
/// assert!(begun.get());                                     // its first part has run
/// let failure = failures.surfaced().await;                  // what a program's main loop waits for
/// assert!(failure.to_string().contains("it does not work out"));
/// assert!(strand.await.is_err());                           // and who awaits it sees it too
/// # });
/// ```
///
/// # Panics
/// Outside of a `LocalSet` or an arbiter.
#[track_caller]
pub fn call_fork<F, T, E>(failures: &Failures, future: F) -> Strand<T>
where
    F: Future<Output = Result<T, E>> + 'static,
    T: 'static,
    E: Into<Box<dyn Error + Send + Sync>> + 'static,
{
    let at = Location::caller().to_string();
    let (tx, rx) = oneshot::channel();
    let mut future = Guarded::new(future);
    // The task polls again at once with a waker of its own, so nothing is lost by this first poll having none.
    let begun = future.poll_unpin(&mut Context::from_waker(Waker::noop()));
    let failures = failures.clone();
    match begun {
        Poll::Pending => {
            tokio::task::spawn_local(async move {
                let result = settled(future.await);
                report(&failures, &at, &result);
                let _ = tx.send(result);
            });
        }
        Poll::Ready(ended) => {
            let result = settled(ended);
            report(&failures, &at, &result);
            let _ = tx.send(result);
        }
    }
    Strand { result: rx }
}

/// As [`call_fork`], for a future that may go to another thread: `spawn` is given what is left of it.
#[track_caller]
pub fn call_fork_on<F, T, E>(
    failures: &Failures,
    future: F,
    spawn: impl FnOnce(Pin<Box<dyn Future<Output = ()> + Send>>),
) -> Strand<T>
where
    F: Future<Output = Result<T, E>> + Send + 'static,
    T: Send + 'static,
    E: Into<Box<dyn Error + Send + Sync>> + 'static,
{
    let at = Location::caller().to_string();
    let (tx, rx) = oneshot::channel();
    let mut future = Guarded::new(future);
    let begun = future.poll_unpin(&mut Context::from_waker(Waker::noop()));
    let failures = failures.clone();
    match begun {
        Poll::Pending => spawn(Box::pin(async move {
            let result = settled(future.await);
            report(&failures, &at, &result);
            // Nobody may be waiting for it.
            let _ = tx.send(result);
        })),
        Poll::Ready(ended) => {
            let result = settled(ended);
            report(&failures, &at, &result);
            let _ = tx.send(result);
        }
    }
    Strand { result: rx }
}

/// As [`call_fork`], but begins in the arbiter's next turn, and there is no result to wait for.
///
/// ```
/// # use actogram_runtime::*; use std::{cell::Cell, rc::Rc};
/// # tokio::task::LocalSet::new().block_on(&tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap(), async {
/// let done = Rc::new(Cell::new(false));
/// let flag = Rc::clone(&done);
/// call_fork_defer(&Failures::default(), async move { Ok::<_, String>(flag.set(true)) });
/// assert!(!done.get());
/// tokio::task::yield_now().await;
/// assert!(done.get());
/// # });
/// ```
///
/// # Panics
/// Outside of a `LocalSet` or an arbiter.
#[track_caller]
pub fn call_fork_defer<F, T, E>(failures: &Failures, future: F)
where
    F: Future<Output = Result<T, E>> + 'static,
    T: 'static,
    E: Into<Box<dyn Error + Send + Sync>> + 'static,
{
    let at = Location::caller().to_string();
    let failures = failures.clone();
    tokio::task::spawn_local(async move {
        let result = settled(Guarded::new(future).await);
        report(&failures, &at, &result);
    });
}

/// Runs a future whose result is ignored: an error is logged and counted, it never surfaces.
///
/// ```
/// # use actogram_runtime::*;
/// # tokio::task::LocalSet::new().block_on(&tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap(), async {
/// let failures = Failures::new(Escalation::Exit);
/// detach(&failures, async { Err::<(), _>("nobody minds") });
/// tokio::task::yield_now().await;
/// assert_eq!(failures.count(), 1);
/// # });
/// ```
///
/// # Panics
/// Outside of a `LocalSet` or an arbiter.
#[track_caller]
pub fn detach<F, T, E>(failures: &Failures, future: F)
where
    F: Future<Output = Result<T, E>> + 'static,
    T: 'static,
    E: Into<Box<dyn Error + Send + Sync>> + 'static,
{
    call_fork_defer(&failures.with(Escalation::Report), future);
}

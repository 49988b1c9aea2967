//! Loops of an account: background work that can be paused, resumed, signalled and stopped by address.
//!
//! The machinery is [`actogram_runtime::loops`], which says what each handle and message does; here it is given the account's
//! [`Api`], its [`Failures`](runtime::Failures), and a thread for handlers and loops. How they are used is told in
//! [`guide::loops`](crate::guide::loops).

use std::{future::Future, time::Duration};

use actogram_runtime as runtime;
use runtime::{GenericLoop, IntoDone, IntoFlow, LoopBuilder, LoopError, PeriodicLoop};

use crate::{Api, Client};

/// What a loop's body is given: pauses, signals, its name, and by [`LoopApi::api`] the account's calls.
pub type LoopCx<S = bool> = runtime::LoopCx<S, Api>;

/// A running loop of an account.
pub type LoopHandle<L> = runtime::LoopHandle<L, Api>;

/// The actor of a [`SignalLoop`], for its address.
pub type LoopActor<L> = runtime::LoopActor<Bound<L>, Api>;

/// The account of a loop.
pub trait LoopApi {
    /// The account's calls.
    fn api(&self) -> &Api;
}

impl<S> LoopApi for LoopCx<S> {
    fn api(&self) -> &Api {
        self.env()
    }
}

/// A loop with typed signals.
///
/// ```no_run
/// use std::time::Duration;
/// use actogram::{prelude::*, runtime::{LoopError, Waited}};
///
/// #[derive(Clone)]
/// struct Cron { every: Option<Duration> }
///
/// impl SignalLoop for Cron {
///     type Signal = i64;
///     fn name(&self) -> String { "my cron signal loop".into() }
///     async fn run(&mut self, cx: &mut LoopCx<i64>) -> std::result::Result<(), LoopError> {
///         loop {
///             let nap = cx.pause(self.every);
///             match cx.wait_signal(nap).await? {
///                 Waited::Signal(s) if s <= 0 => return Ok(()),
///                 Waited::Signal(s) => self.every = Some(Duration::from_secs(s as u64)),
///                 Waited::Done(()) => {}
///             }
///             cx.api().send_message("me", "resumed").await?;
///         }
///     }
/// }
/// # async fn start(client: Client) {
/// let cron = client.spawn_loop(Cron { every: Some(Duration::from_secs(5)) });
/// cron.signal(7);
/// # }
/// ```
pub trait SignalLoop: 'static {
    /// What can be signalled to it.
    type Signal: Send + 'static;

    /// Its name in logs and snapshots.
    fn name(&self) -> String;

    /// The body. Its end is the loop's end.
    ///
    /// # Errors
    /// Whatever it cannot deal with itself: the loop starts again, with back-off, until that happens too often.
    fn run(&mut self, cx: &mut LoopCx<Self::Signal>)
    -> impl Future<Output = Result<(), LoopError>>;
}

/// A [`SignalLoop`] bound to an account: what the machinery of [`runtime`] takes.
#[derive(Debug, Clone)]
pub struct Bound<L>(L);

impl<L: SignalLoop> From<L> for Bound<L> {
    fn from(value: L) -> Self {
        Self(value)
    }
}

impl<L: SignalLoop> runtime::SignalLoop<Api> for Bound<L> {
    type Signal = L::Signal;

    fn name(&self) -> String {
        self.0.name()
    }

    fn run(&mut self, cx: &mut LoopCx<L::Signal>) -> impl Future<Output = Result<(), LoopError>> {
        self.0.run(cx)
    }
}

impl Client {
    /// Calls a closure again and again; its result says when: seconds, a `Duration`, a [`Flow`](runtime::Flow), or `()` to wait until
    /// resumed.
    ///
    /// ```no_run
    /// # use actogram::prelude::*;
    /// # async fn start(client: Client) {
    /// let hello = client.generic_loop("My super loop", async |cx: &mut LoopCx| {
    ///     cx.api().send_message("me", "Hi every 2 s").await?;
    ///     Ok(2.0)
    /// });
    /// hello.pause();
    /// # }
    /// ```
    pub fn generic_loop<F, R>(
        &self,
        name: impl Into<String>,
        turn: F,
    ) -> LoopHandle<GenericLoop<F, Api>>
    where
        F: AsyncFnMut(&mut LoopCx) -> R + Send + 'static,
        R: IntoFlow + 'static,
    {
        self.spawn_loop_from(runtime::loop_once(GenericLoop::new(name, turn), self.api()))
    }

    /// Calls a closure once per period, first at once, until it returns `true`.
    pub fn periodic_loop<F, R>(
        &self,
        name: impl Into<String>,
        period: Duration,
        turn: F,
    ) -> LoopHandle<PeriodicLoop<F, Api>>
    where
        F: AsyncFnMut(&mut LoopCx) -> R + Send + 'static,
        R: IntoDone + 'static,
    {
        self.spawn_loop_from(runtime::loop_once(
            PeriodicLoop::new(name, Some(period), turn),
            self.api(),
        ))
    }

    /// Starts a loop from a value. A restart after a failure begins with a copy of the value as it is now.
    pub fn spawn_loop<L: SignalLoop + Clone + Send>(&self, value: L) -> LoopHandle<Bound<L>> {
        self.spawn_loop_from(runtime::loop_of(Bound(value), self.api()))
    }

    /// Starts a loop from a factory, which makes a fresh value for every restart.
    pub fn spawn_loop_with<L: SignalLoop + Send>(
        &self,
        mut factory: impl FnMut() -> L + Send + 'static,
    ) -> LoopHandle<Bound<L>> {
        self.spawn_loop_from(runtime::loop_with(move || Bound(factory()), self.api()))
    }

    /// Starts a loop that was described with [`loop_of`](runtime::loop_of) and its kin, to choose what the other ways leave
    /// at their defaults: its [policy](LoopBuilder::policy) after failures, their [intensity](LoopBuilder::intensity) and
    /// [back-off](LoopBuilder::backoff), how many [signals](LoopBuilder::signal_capacity) are kept, or that it
    /// [waits to be started](LoopBuilder::idle). Where its failures go and its name in [`Client::loops`] are the client's.
    ///
    /// ```no_run
    /// use actogram::{prelude::*, runtime::{GenericLoop, RestartPolicy, loop_once}};
    /// # fn start(client: Client) {
    /// let turn = async |cx: &mut LoopCx| {
    ///     cx.api().send_message("me", "once").await?;
    ///     Ok(60.0)
    /// };
    /// // The first error ends the loop, and the program.
    /// let described = loop_once(GenericLoop::new("fragile", turn), client.api());
    /// let handle = client.spawn_loop_from(described.policy(RestartPolicy::Temporary));
    /// # }
    /// ```
    pub fn spawn_loop_from<L>(&self, builder: LoopBuilder<L, Api>) -> LoopHandle<L>
    where
        L: runtime::SignalLoop<Api> + Send,
    {
        let builder = builder
            .failures(&self.failures)
            .register_in(&self.loops)
            // So that a simulation's seed decides about the jitter of restarts, too.
            .seed(self.api.random_id().cast_unsigned());
        match self.engine().handler_arbiter() {
            Some(arbiter) => builder.spawn_in(&arbiter),
            None => builder.spawn(),
        }
    }
}

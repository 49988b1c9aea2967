//! The kinds of loops: the traits to implement, and the loops made of a closure.

use std::{convert::Infallible, future::Future, marker::PhantomData, time::Duration};

use super::{
    cx::{LoopCx, Waited},
    flow::{Flow, IntoDone, IntoFlow, LoopError},
};

/// The signal of loops that take none: there is no value of it.
pub type NoSignal = Infallible;

/// A background loop that can pause: the body runs once per start.
///
/// It has to be `Clone`; a value that cannot be is a [`SignalLoop`] whose signal is [`NoSignal`].
///
/// ```
/// # use actogram_runtime::*; use std::time::Duration;
/// #[derive(Clone)]
/// struct Heartbeat;
/// impl Loop for Heartbeat {
///     fn name(&self) -> String { "heartbeat".into() }
///     async fn run(&mut self, cx: &mut LoopCx<NoSignal>) -> Result<(), LoopError> {
///         for _ in 0..3 {
///             cx.pause(Duration::from_secs(5)).await;
///         }
///         Ok(())
///     }
/// }
/// # tokio::task::LocalSet::new().block_on(&tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap(), async {
/// let beat = loop_of(Heartbeat, ()).spawn();
/// beat.until_paused().await.unwrap();
/// assert_eq!(beat.resume().await, Ok(true));         // ends the first pause now
/// tokio::time::sleep(Duration::from_secs(11)).await;
/// assert!(!beat.is_running());
/// # });
/// ```
pub trait Loop<E = ()>: 'static {
    /// Its name in logs, snapshots and the registry.
    fn name(&self) -> String;

    /// The body. A normal end is final until it is started again; an error or a panic is answered by the restart policy.
    ///
    /// # Errors
    /// Whatever it cannot deal with itself.
    fn run(&mut self, cx: &mut LoopCx<NoSignal, E>) -> impl Future<Output = Result<(), LoopError>>;
}

/// A loop that can pause and takes signals of one type.
///
/// ```
/// # use actogram_runtime::*; use std::time::Duration;
/// #[derive(Clone)]
/// struct Cron { every: Option<Duration> }
/// impl SignalLoop for Cron {
///     type Signal = i64;
///     fn name(&self) -> String { "cron".into() }
///     async fn run(&mut self, cx: &mut LoopCx<i64>) -> Result<(), LoopError> {
///         loop {
///             let nap = cx.pause(self.every);                     // None: until resumed
///             match cx.wait_signal(nap).await? {
///                 Waited::Signal(s) if s <= 0 => return Ok(()),
///                 Waited::Signal(s) => self.every = Some(Duration::from_secs(s as u64)),
///                 Waited::Done(()) => { /* the period is over, or somebody resumed us: do the work */ }
///             }
///         }
///     }
/// }
/// # tokio::task::LocalSet::new().block_on(&tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap(), async {
/// let cron = loop_of(Cron { every: Some(Duration::from_secs(5)) }, ()).spawn();
/// assert_eq!(cron.addr().send(Signal(7)).await.unwrap(), SignalOutcome::Queued);  // it had not run yet
/// assert_eq!(cron.signal(0).await.unwrap(), SignalOutcome::Delivered);
/// tokio::task::yield_now().await;
/// assert!(!cron.is_running());
/// # });
/// ```
pub trait SignalLoop<E = ()>: 'static {
    /// What can be signalled to it.
    type Signal: Send + 'static;

    /// Its name in logs, snapshots and the registry.
    fn name(&self) -> String;

    /// The body, see [`Loop::run`].
    ///
    /// # Errors
    /// Whatever it cannot deal with itself; an error signal arrives as the error of `wait_signal`.
    fn run(
        &mut self,
        cx: &mut LoopCx<Self::Signal, E>,
    ) -> impl Future<Output = Result<(), LoopError>>;
}

// `Clone` is what tells these apart from the loops made of closures below, which are not.
impl<E: 'static, L: Loop<E> + Clone> SignalLoop<E> for L {
    type Signal = NoSignal;

    fn name(&self) -> String {
        Loop::name(self)
    }

    fn run(&mut self, cx: &mut LoopCx<NoSignal, E>) -> impl Future<Output = Result<(), LoopError>> {
        Loop::run(self, cx)
    }
}

/// A loop made of an async closure that is called again and again and says what follows, see [`IntoFlow`].
///
/// While it pauses, the signal `true` stops it, `false` runs it now, and an error signal ends it with that error.
pub struct GenericLoop<F, E = ()> {
    name: String,
    turn: F,
    env: PhantomData<fn(E)>,
}

impl<F, E> GenericLoop<F, E> {
    /// Names the closure.
    pub fn new(name: impl Into<String>, turn: F) -> Self {
        Self {
            name: name.into(),
            turn,
            env: PhantomData,
        }
    }
}

impl<F, E, R> SignalLoop<E> for GenericLoop<F, E>
where
    E: 'static,
    F: AsyncFnMut(&mut LoopCx<bool, E>) -> R + 'static,
    R: IntoFlow + 'static,
{
    type Signal = bool;

    fn name(&self) -> String {
        self.name.clone()
    }

    async fn run(&mut self, cx: &mut LoopCx<bool, E>) -> Result<(), LoopError> {
        loop {
            cx.turn();
            let flow = (self.turn)(cx).await.into_flow()?;
            let time = match flow {
                Flow::Stop => return Ok(()),
                Flow::Continue => {
                    // Others run in between, whatever the closure does.
                    tokio::task::yield_now().await;
                    Some(Duration::ZERO)
                }
                Flow::Pause => {
                    cx.report_pause(None);
                    None
                }
                Flow::Sleep(time) => {
                    cx.report_pause(Some(time));
                    Some(time)
                }
            };
            let nap = cx.pause(time);
            if let Waited::Signal(true) = cx.wait_signal(nap).await? {
                return Ok(());
            }
        }
    }
}

/// A loop that calls an async closure once per period until the closure says it is done, see [`IntoDone`].
///
/// The signal `true` stops it, `false` runs it now. Without a period it runs when it is resumed.
pub struct PeriodicLoop<F, E = ()> {
    name: String,
    period: Option<Duration>,
    wait_first: bool,
    turn: F,
    env: PhantomData<fn(E)>,
}

impl<F, E> PeriodicLoop<F, E> {
    /// Names the closure and sets its period; `None` is until resumed.
    pub fn new(name: impl Into<String>, period: Option<Duration>, turn: F) -> Self {
        Self {
            name: name.into(),
            period,
            wait_first: false,
            turn,
            env: PhantomData,
        }
    }

    /// Waits for one period before the first call. (Without this it calls first.)
    #[must_use]
    pub fn wait_first(mut self) -> Self {
        self.wait_first = true;
        self
    }
}

impl<F, E, R> SignalLoop<E> for PeriodicLoop<F, E>
where
    E: 'static,
    F: AsyncFnMut(&mut LoopCx<bool, E>) -> R + 'static,
    R: IntoDone + 'static,
{
    type Signal = bool;

    fn name(&self) -> String {
        self.name.clone()
    }

    async fn run(&mut self, cx: &mut LoopCx<bool, E>) -> Result<(), LoopError> {
        let mut wait = self.wait_first;
        loop {
            if wait {
                cx.report_pause(self.period);
                if self.period.is_some_and(|period| period.is_zero()) {
                    tokio::task::yield_now().await;
                }
                let nap = cx.pause(self.period);
                if let Waited::Signal(true) = cx.wait_signal(nap).await? {
                    tracing::debug!(name = %self.name, "got a signal, the loop ends");
                    return Ok(());
                }
            }
            wait = true;
            cx.turn();
            if (self.turn)(cx).await.into_done()? {
                return Ok(());
            }
        }
    }
}

//! What a loop's body sees: pause, signals, its environment.

use std::{
    collections::{BTreeMap, VecDeque},
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use serde::Serialize;
use tokio::time::{Instant, Sleep, sleep_until};

use super::flow::{IntoPause, LoopError};
use crate::{
    ExitReason,
    supervision::{
        driver::guard,
        link::{REASONS_KEPT, Shown},
    },
};

/// What [`LoopCx::wait_signal`] ended with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waited<T, S> {
    /// A signal came first.
    Signal(S),
    /// The awaited future was done first.
    Done(T),
}

/// What became of a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[must_use]
pub enum SignalOutcome {
    /// The loop was waiting for a signal and has this one.
    Delivered,
    /// It is kept for the next `wait_signal`.
    Queued,
    /// As many signals as the loop keeps are waiting already; this one was not taken.
    Full,
    /// The loop is not running; the signal was not taken.
    Stopped,
}

/// A loop at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct LoopStatus {
    /// Its name.
    pub name: String,
    /// It was started and has neither ended nor been stopped.
    pub running: bool,
    /// It is in a pause, or not running. (The body is not at work.)
    pub paused: bool,
    /// It failed and waits to be started again.
    pub backing_off: bool,
    /// Starts so far, restarts included.
    pub starts: u64,
    /// Ends so far, failures included.
    pub ends: u64,
    /// Restarts after failures.
    pub restarts: u64,
    /// Turns: of a generic or periodic loop its calls, of another what it counted with [`LoopCx::turn`].
    pub iterations: u64,
    /// Pauses it reported (a `Continue` and a `Stop` report none).
    pub pauses: u64,
    /// The last reported pause; `Some(None)` is until resumed.
    pub last_pause: Option<Option<Duration>>,
    /// Milliseconds left of the present pause or back-off, if it has an end.
    pub resumes_in_ms: Option<u64>,
    /// Signals kept for the next `wait_signal`.
    pub signals_queued: usize,
    /// Signals that were still kept when the loop ended.
    pub signals_dropped: u64,
    /// How it failed the last time.
    pub last_error: Option<String>,
    /// Why it was restarted the last times, the latest last; at most four.
    pub restart_reasons: Vec<String>,
}

/// What a loop's actor, its body and its handles share.
pub(crate) struct Board<S> {
    pub(super) name: Arc<str>,
    naps: Naps,
    /// Beside the counter above, where it takes no room.
    restarts: AtomicU32,
    inner: Mutex<Inner<S>>,
}

/// The pause that was begun last. Changed on the loop's own thread; not under the lock, since one that gives way to a
/// signal, which is what most do where signals are many, would need it for nothing else.
struct Naps(
    /// The state in the lowest two bits. Above them pauses are counted, so that a later one can tell that it took the place of
    /// an earlier.
    AtomicU32,
);

impl Naps {
    const NONE: u32 = 0;
    const PENDING: u32 = 1;
    const RESUMED: u32 = 2;
    const STATES: u32 = 3;

    fn begin(&self) -> u32 {
        let serial = (self.serial() | Self::STATES).wrapping_add(1);
        self.0.store(serial | Self::PENDING, Relaxed);
        serial
    }

    fn serial(&self) -> u32 {
        self.0.load(Relaxed) & !Self::STATES
    }

    fn state(&self) -> u32 {
        self.0.load(Relaxed) & Self::STATES
    }

    fn any(&self) -> bool {
        self.state() != Self::NONE
    }

    fn resume(&self) {
        self.0.store(self.serial() | Self::RESUMED, Relaxed);
    }

    fn end(&self) {
        self.0.store(self.serial() | Self::NONE, Relaxed);
    }
}

/// When a back-off or a pause ends.
#[derive(Clone, Copy)]
enum Deadline {
    Never,
    At(Instant),
    /// A pause of so many nanoseconds whose clock does not run yet, see [`LoopCx::pause`]. (A `Duration` would make each loop
    /// larger.)
    In(u64),
}

impl Deadline {
    fn after(time: Duration) -> Self {
        Instant::now()
            .checked_add(time)
            .map_or(Self::Never, Self::At)
    }

    fn left(self) -> Option<Duration> {
        match self {
            Self::Never => None,
            Self::At(until) => Some(until.saturating_duration_since(Instant::now())),
            Self::In(nanos) => Some(Duration::from_nanos(nanos)),
        }
    }
}

pub(super) enum Item<S> {
    Signal(S),
    Error(LoopError),
}

#[derive(Default)]
struct Troubles {
    last_error: Option<String>,
    restart_reasons: Vec<String>,
}

struct Inner<S> {
    starts: u64,
    ends: u64,
    iterations: u64,
    pauses: u64,
    last_pause: Option<Option<Duration>>,
    signals_dropped: u64,
    /// Only of loops that have failed.
    troubles: Option<Box<Troubles>>,
    /// Only of loops that were signalled.
    #[allow(clippy::box_collection)] // three words less for each loop without
    signals: Option<Box<VecDeque<Item<S>>>>,
    /// End of the back-off, or of the pause if there is one.
    deadline: Deadline,
    timer: Option<Pin<Box<Sleep>>>,
    waker: Option<Waker>,
    running: bool,
    paused: bool,
    backing_off: bool,
    /// Paused from outside: no timer ends a pause, only `resume`.
    hold: bool,
    stopping: bool,
    /// In the last poll the body came to rest where it may be ended.
    parked: bool,
    napping: bool,
    waiting: bool,
}

impl<S> Inner<S> {
    fn queued(&self) -> usize {
        self.signals.as_ref().map_or(0, |signals| signals.len())
    }

    fn fix_deadline(&mut self) {
        if let Deadline::In(nanos) = self.deadline {
            self.deadline = Deadline::after(Duration::from_nanos(nanos));
        }
    }

    /// The waker that takes the place of the one before, which is given back to be dropped without the lock.
    fn wake_with(&mut self, waker: &Waker) -> Option<Waker> {
        match &self.waker {
            Some(known) if known.will_wake(waker) => None,
            _ => self.waker.replace(waker.clone()),
        }
    }
}

impl<S> Board<S> {
    pub(super) fn new(name: Arc<str>) -> Self {
        Self {
            name,
            naps: Naps(AtomicU32::new(Naps::NONE)),
            restarts: AtomicU32::new(0),
            inner: Mutex::new(Inner {
                starts: 0,
                ends: 0,
                iterations: 0,
                pauses: 0,
                last_pause: None,
                signals_dropped: 0,
                troubles: None,
                signals: None,
                deadline: Deadline::Never,
                timer: None,
                waker: None,
                running: false,
                paused: true,
                backing_off: false,
                hold: false,
                stopping: false,
                parked: false,
                napping: false,
                waiting: false,
            }),
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner<S>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn read(&self) -> LoopStatus {
        let inner = self.inner();
        let troubles = inner.troubles.as_deref();
        let naps = inner.paused && inner.running && !inner.hold && self.naps.any();
        let left = (inner.backing_off || naps).then(|| inner.deadline.left());
        LoopStatus {
            name: self.name.to_string(),
            running: inner.running,
            paused: inner.paused,
            backing_off: inner.backing_off,
            starts: inner.starts,
            ends: inner.ends,
            restarts: self.restarts.load(Relaxed).into(),
            iterations: inner.iterations,
            pauses: inner.pauses,
            last_pause: inner.last_pause,
            resumes_in_ms: left
                .flatten()
                .map(|left| u64::try_from(left.as_millis()).unwrap_or(u64::MAX)),
            signals_queued: inner.queued(),
            signals_dropped: inner.signals_dropped,
            last_error: troubles.and_then(|troubles| troubles.last_error.clone()),
            restart_reasons: troubles
                .map(|troubles| troubles.restart_reasons.clone())
                .unwrap_or_default(),
        }
    }

    pub(super) fn is_running(&self) -> bool {
        self.inner().running
    }

    pub(super) fn is_paused(&self) -> bool {
        self.inner().paused
    }

    /// A new body begins.
    pub(super) fn begin(&self) {
        self.naps.end();
        let mut inner = self.inner();
        inner.starts += 1;
        inner.running = true;
        inner.backing_off = false;
        inner.paused = false;
        inner.stopping = false;
        // Before its first poll it may be ended just like in a pause.
        inner.parked = true;
        inner.waiting = false;
    }

    pub(super) fn before_poll(&self) {
        let mut inner = self.inner();
        inner.parked = false;
        inner.napping = false;
    }

    /// After a pending poll of the body: whether it is to be ended where it rests, and in which pause it is.
    pub(super) fn after_poll(&self) -> (bool, Option<u32>) {
        let mut inner = self.inner();
        inner.paused = inner.napping;
        if self.naps.any() {
            inner.fix_deadline();
        }
        (inner.stopping && inner.parked, self.nap_of(&inner))
    }

    fn nap_of(&self, inner: &Inner<S>) -> Option<u32> {
        (inner.napping && self.naps.any()).then(|| self.naps.serial())
    }

    /// Which pause it is in.
    pub(super) fn present_nap(&self) -> Option<u32> {
        self.nap_of(&self.inner())
    }

    /// The body is gone.
    pub(super) fn ended(&self, keep_signals: bool) {
        self.naps.end();
        let mut inner = self.inner();
        inner.ends += 1;
        let gone = inner.rest(keep_signals);
        drop(inner);
        gone.drop_apart();
    }

    /// It was not at work, and will not be until it is started.
    pub(super) fn given_up(&self) {
        let gone = self.inner().rest(false);
        gone.drop_apart();
    }

    pub(super) fn rests(&self) {
        let mut inner = self.inner();
        inner.running = false;
        inner.backing_off = false;
        inner.paused = true;
        inner.deadline = Deadline::Never;
    }

    pub(super) fn failed(&self, reason: &ExitReason) {
        let text = reason.to_string();
        self.inner().troubles.get_or_insert_default().last_error = Some(text);
    }

    pub(super) fn backs_off(&self, until: Instant, reason: &ExitReason) {
        let text = reason.to_string();
        let mut inner = self.inner();
        inner.backing_off = true;
        inner.paused = true;
        inner.deadline = Deadline::At(until);
        let reasons = &mut inner.troubles.get_or_insert_default().restart_reasons;
        if reasons.len() == REASONS_KEPT {
            reasons.remove(0);
        }
        reasons.push(text);
    }

    pub(super) fn restarted(&self) {
        self.restarts.fetch_add(1, Relaxed);
    }

    /// Asks the body to end at its next resting place; whether it rests at one now.
    pub(super) fn stop(&self) -> bool {
        let parked = {
            let mut inner = self.inner();
            inner.running = false;
            inner.stopping = true;
            inner.parked
        };
        if !parked {
            // Its pause may be one of several futures and not the one that was polled last.
            self.wake();
        }
        parked
    }

    fn wake(&self) {
        let waker = self.inner().waker.take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    pub(super) fn pause(&self) {
        self.inner().hold = true;
        self.wake();
    }

    /// Whether there was a pause to end.
    pub(super) fn resume(&self) -> bool {
        let mut inner = self.inner();
        let mut held = std::mem::take(&mut inner.hold);
        if self.nap_of(&inner).is_some() {
            self.naps.resume();
            held = true;
        }
        drop(inner);
        self.wake();
        held
    }

    pub(super) fn napping(&self) -> bool {
        self.present_nap().is_some()
    }

    pub(super) fn signal(&self, item: Item<S>, capacity: usize) -> SignalOutcome {
        let mut inner = self.inner();
        let queued = inner.queued();
        if queued >= capacity {
            drop(inner);
            drop(item);
            return SignalOutcome::Full;
        }
        inner
            .signals
            .get_or_insert_with(Box::default)
            .push_back(item);
        let outcome = if inner.waiting && queued == 0 {
            SignalOutcome::Delivered
        } else {
            SignalOutcome::Queued
        };
        drop(inner);
        // It was woken already for those before.
        if queued == 0 {
            self.wake();
        }
        outcome
    }
}

impl<S> Inner<S> {
    fn rest(&mut self, keep_signals: bool) -> Gone<S> {
        self.paused = true;
        self.waiting = false;
        self.stopping = false;
        self.timer = None;
        let mut signals = None;
        if !keep_signals {
            self.hold = false;
            signals = self.signals.take();
            self.signals_dropped += signals.as_ref().map_or(0, |signals| signals.len()) as u64;
        }
        Gone {
            signals,
            waker: self.waker.take(),
        }
    }
}

/// What is dropped once the lock is released: it may be code of the user.
struct Gone<S> {
    #[allow(clippy::box_collection)] // as it was kept
    signals: Option<Box<VecDeque<Item<S>>>>,
    waker: Option<Waker>,
}

impl<S> Gone<S> {
    /// Each apart: one that panics must not keep the others.
    fn drop_apart(self) {
        drop(self.waker);
        for signal in self.signals.into_iter().flat_map(|signals| *signals) {
            let _ = guard(|| drop(signal));
        }
    }
}

impl<S: Send> Shown for Board<S> {
    fn figures(&self) -> BTreeMap<&'static str, String> {
        self.read().figures()
    }

    fn loop_status(&self) -> Option<LoopStatus> {
        Some(self.read())
    }
}

impl LoopStatus {
    /// What it is at: `stopped`, `backing off`, `paused`, `working`.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match (self.running, self.backing_off, self.paused) {
            (false, ..) => "stopped",
            (true, true, _) => "backing off",
            (true, false, true) => "paused",
            (true, false, false) => "working",
        }
    }

    pub(crate) fn figures(&self) -> BTreeMap<&'static str, String> {
        let mut figures = BTreeMap::from([
            ("loop", self.word().to_owned()),
            ("iterations", self.iterations.to_string()),
            ("restarts", self.restarts.to_string()),
            ("signals queued", self.signals_queued.to_string()),
        ]);
        if let Some(ms) = self.resumes_in_ms {
            figures.insert("resumes in ms", ms.to_string());
        }
        if let Some(error) = &self.last_error {
            figures.insert("last error", error.clone());
        }
        figures
    }
}

/// The context of a loop's body: pauses, signals, and the environment `E` it was started with.
pub struct LoopCx<S, E = ()> {
    board: Arc<Board<S>>,
    env: E,
}

impl<S, E> std::fmt::Debug for LoopCx<S, E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LoopCx")
            .field("name", &self.board.name)
            .finish_non_exhaustive()
    }
}

impl<S, E> LoopCx<S, E> {
    pub(super) fn new(board: Arc<Board<S>>, env: E) -> Self {
        Self { board, env }
    }

    /// The environment the loop was started with.
    pub fn env(&self) -> &E {
        &self.env
    }

    /// The loop's name.
    #[must_use]
    pub fn name(&self) -> String {
        self.board.name.to_string()
    }

    /// How often this loop has been restarted after a failure.
    #[must_use]
    pub fn restarts(&self) -> u64 {
        self.board.restarts.load(Relaxed).into()
    }

    /// A pause: done after this time or when the loop is resumed, whichever is first. `None` is until resumed.
    ///
    /// The time counts from this call, or, if a signal is kept for the loop, from when this is first polled or the body next
    /// suspends: mostly the signal is taken instead, and the clock need not be read. Nothing or less does not suspend. A second pause replaces the time of one that is still
    /// pending. A loop that is stopped ends in its pause: the body is dropped there.
    pub fn pause(&self, time: impl IntoPause) -> Nap<S> {
        let time = time.into_pause();
        let serial = self.board.naps.begin();
        let mut inner = self.board.inner();
        inner.deadline = match time {
            None => Deadline::Never,
            Some(time) => match u64::try_from(time.as_nanos()) {
                Ok(nanos) if inner.queued() > 0 => Deadline::In(nanos),
                _ => Deadline::after(time),
            },
        };
        drop(inner);
        Nap {
            serial,
            board: Arc::clone(&self.board),
        }
    }

    /// Waits for a signal or for `future`, whichever is first. Signals that came while nobody waited come first, in order.
    ///
    /// A loop that is stopped ends here: the body is dropped.
    ///
    /// # Errors
    /// The error sent with `signal_error`.
    pub async fn wait_signal<F: Future>(
        &mut self,
        future: F,
    ) -> Result<Waited<F::Output, S>, LoopError> {
        struct Waiting<'a, S>(&'a Board<S>, bool);
        impl<S> Drop for Waiting<'_, S> {
            fn drop(&mut self) {
                if self.1 {
                    self.0.inner().waiting = false;
                }
            }
        }
        let mut waiting = Waiting(&self.board, false);
        let mut future = pin!(future);
        poll_fn(|task| {
            let board = waiting.0;
            let mut inner = board.inner();
            let before = inner.wake_with(task.waker());
            if inner.stopping {
                inner.parked = true;
                drop(inner);
                drop(before);
                return Poll::Pending;
            }
            let item = inner
                .signals
                .as_mut()
                .and_then(|signals| signals.pop_front());
            drop(inner);
            drop(before);
            match item {
                Some(Item::Signal(signal)) => return Poll::Ready(Ok(Waited::Signal(signal))),
                Some(Item::Error(error)) => return Poll::Ready(Err(error)),
                None => {}
            }
            if let Poll::Ready(done) = future.as_mut().poll(task) {
                return Poll::Ready(Ok(Waited::Done(done)));
            }
            let mut inner = board.inner();
            inner.parked = true;
            inner.waiting = true;
            drop(inner);
            waiting.1 = true;
            Poll::Pending
        })
        .await
    }

    /// Counts a turn, for [`LoopStatus::iterations`]. Generic and periodic loops do so themselves.
    pub fn turn(&self) {
        self.board.inner().iterations += 1;
    }

    pub(super) fn report_pause(&self, time: Option<Duration>) {
        {
            let mut inner = self.board.inner();
            inner.pauses += 1;
            inner.last_pause = Some(time);
        }
        let name = &self.board.name;
        match time {
            Some(time) => tracing::debug!(%name, "pausing loop for {time:?}"),
            None => tracing::debug!(%name, "pausing loop"),
        }
    }
}

/// A pause of a loop, made by [`LoopCx::pause`].
#[must_use = "a pause must be awaited"]
pub struct Nap<S> {
    board: Arc<Board<S>>,
    serial: u32,
}

impl<S> std::fmt::Debug for Nap<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Nap")
            .field("serial", &self.serial)
            .finish_non_exhaustive()
    }
}

impl<S> Future for Nap<S> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<()> {
        let mut inner = self.board.inner();
        let before = inner.wake_with(task.waker());
        let polled = inner.poll_nap(&self.board.naps, task);
        drop(inner);
        drop(before);
        polled
    }
}

impl<S> Inner<S> {
    fn poll_nap(&mut self, naps: &Naps, task: &mut Context<'_>) -> Poll<()> {
        if self.stopping {
            self.parked = true;
            self.napping = true;
            return Poll::Pending;
        }
        // A later pause took the place of this one; both end together.
        match naps.state() {
            Naps::NONE => return Poll::Ready(()),
            Naps::RESUMED => {
                naps.end();
                return Poll::Ready(());
            }
            _ => {}
        }
        self.fix_deadline();
        if let Deadline::At(deadline) = self.deadline
            && !self.hold
            && (deadline <= Instant::now() || self.sleep_until(deadline, task).is_ready())
        {
            naps.end();
            return Poll::Ready(());
        }
        self.parked = true;
        self.napping = true;
        Poll::Pending
    }

    /// One timer serves all pauses of a body.
    fn sleep_until(&mut self, deadline: Instant, task: &mut Context<'_>) -> Poll<()> {
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if timer.deadline() != deadline {
            timer.as_mut().reset(deadline);
        }
        timer.as_mut().poll(task)
    }
}

impl<S> Drop for Nap<S> {
    fn drop(&mut self) {
        let naps = &self.board.naps;
        if naps.serial() == self.serial {
            naps.end();
        }
    }
}

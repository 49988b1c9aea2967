//! What a loop's body sees: pause, signals, its environment.

use std::{
    cell::RefCell,
    collections::{BTreeMap, VecDeque},
    future::{Future, poll_fn},
    pin::{Pin, pin},
    rc::Rc,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};

use serde::Serialize;
use tokio::time::{Instant, Sleep, sleep_until};

use super::{
    actor::Slot,
    flow::{IntoPause, LoopError},
};
use crate::supervision::driver::guard;

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

/// The status, shared with handles on other threads.
#[derive(Default)]
pub(crate) struct Board {
    status: Mutex<LoopStatus>,
    until: Mutex<Option<Instant>>,
}

impl Board {
    pub(super) fn write(&self) -> MutexGuard<'_, LoopStatus> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn until(&self, until: Option<Instant>) {
        *self.until.lock().unwrap_or_else(PoisonError::into_inner) = until;
    }

    pub(crate) fn read(&self) -> LoopStatus {
        let mut status = self.write().clone();
        let until = *self.until.lock().unwrap_or_else(PoisonError::into_inner);
        status.resumes_in_ms = until.map(|until| {
            u64::try_from(until.saturating_duration_since(Instant::now()).as_millis())
                .unwrap_or(u64::MAX)
        });
        status
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

struct NapState {
    serial: u64,
    deadline: Option<Instant>,
    resumed: bool,
}

pub(super) enum Item<S> {
    Signal(S),
    Error(LoopError),
}

struct Inner<S> {
    nap: Option<NapState>,
    naps: u64,
    /// Paused from outside: no timer ends a pause, only `resume`.
    hold: bool,
    stopping: bool,
    /// In the last poll the body came to rest where it may be ended.
    parked: bool,
    napping: bool,
    waiting: bool,
    signals: VecDeque<Item<S>>,
    waker: Option<Waker>,
    until_paused: Vec<(Slot, Option<u64>)>,
}

/// What the actor and the body of one loop share; both live on one thread.
pub(super) struct Shared<S> {
    inner: RefCell<Inner<S>>,
    pub(super) board: Arc<Board>,
    capacity: usize,
}

impl<S> Shared<S> {
    pub(super) fn new(board: Arc<Board>, capacity: usize) -> Rc<Self> {
        Rc::new(Self {
            inner: RefCell::new(Inner {
                nap: None,
                naps: 0,
                hold: false,
                stopping: false,
                parked: false,
                napping: false,
                waiting: false,
                signals: VecDeque::new(),
                waker: None,
                until_paused: Vec::new(),
            }),
            board,
            capacity,
        })
    }

    /// A new body begins.
    pub(super) fn begin(&self) {
        let mut inner = self.inner.borrow_mut();
        inner.nap = None;
        inner.stopping = false;
        // Before its first poll it may be ended just like in a pause.
        inner.parked = true;
        inner.waiting = false;
        drop(inner);
        self.board.write().paused = false;
    }

    pub(super) fn before_poll(&self) {
        let mut inner = self.inner.borrow_mut();
        inner.parked = false;
        inner.napping = false;
    }

    /// After a pending poll of the body: whether it is to be ended where it rests.
    pub(super) fn after_poll(&self) -> bool {
        let mut inner = self.inner.borrow_mut();
        let napping = inner.napping;
        if napping {
            let now = inner.nap.as_ref().map(|nap| nap.serial);
            let waiting = std::mem::take(&mut inner.until_paused);
            for (slot, since) in waiting {
                if since == now {
                    inner.until_paused.push((slot, since));
                } else {
                    slot.answer(true);
                }
            }
        }
        let end = inner.stopping && inner.parked;
        let deadline = inner
            .nap
            .as_ref()
            .filter(|_| napping && !inner.hold)
            .and_then(|nap| nap.deadline);
        let queued = inner.signals.len();
        drop(inner);
        self.board.until(deadline);
        let mut status = self.board.write();
        status.paused = napping;
        status.signals_queued = queued;
        end
    }

    /// The body is gone.
    pub(super) fn ended(&self, keep_signals: bool) {
        let mut inner = self.inner.borrow_mut();
        inner.nap = None;
        inner.waiting = false;
        inner.stopping = false;
        let mut dropped = VecDeque::new();
        if !keep_signals {
            inner.hold = false;
            dropped = std::mem::take(&mut inner.signals);
        }
        drop(inner);
        self.board.until(None);
        let mut status = self.board.write();
        status.paused = true;
        if !keep_signals {
            status.signals_dropped += dropped.len() as u64;
            status.signals_queued = 0;
        }
        drop(status);
        for signal in dropped {
            let _ = guard(|| drop(signal));
        }
    }

    /// Asks the body to end at its next resting place; whether it rests at one now.
    pub(super) fn stop(&self) -> bool {
        let parked = {
            let mut inner = self.inner.borrow_mut();
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
        let waker = self.inner.borrow_mut().waker.take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    pub(super) fn pause(&self) {
        self.inner.borrow_mut().hold = true;
        self.wake();
    }

    /// Whether there was a pause to end.
    pub(super) fn resume(&self) -> bool {
        let mut inner = self.inner.borrow_mut();
        let mut held = std::mem::take(&mut inner.hold);
        if inner.napping
            && let Some(nap) = &mut inner.nap
        {
            nap.resumed = true;
            held = true;
        }
        drop(inner);
        self.wake();
        held
    }

    pub(super) fn napping(&self) -> bool {
        let inner = self.inner.borrow();
        inner.napping && inner.nap.is_some()
    }

    pub(super) fn signal(&self, item: Item<S>) -> SignalOutcome {
        let mut inner = self.inner.borrow_mut();
        if inner.signals.len() >= self.capacity {
            return SignalOutcome::Full;
        }
        inner.signals.push_back(item);
        let outcome = if inner.waiting && inner.signals.len() == 1 {
            SignalOutcome::Delivered
        } else {
            SignalOutcome::Queued
        };
        let queued = inner.signals.len();
        drop(inner);
        self.board.write().signals_queued = queued;
        self.wake();
        outcome
    }

    pub(super) fn until_paused(&self, slot: Slot) {
        let mut inner = self.inner.borrow_mut();
        inner.until_paused.retain(|(slot, _)| slot.is_awaited());
        let now = inner
            .nap
            .as_ref()
            .filter(|_| inner.napping)
            .map(|nap| nap.serial);
        inner.until_paused.push((slot, now));
    }
}

/// The context of a loop's body: pauses, signals, and the environment `E` it was started with.
pub struct LoopCx<S, E = ()> {
    shared: Rc<Shared<S>>,
    env: E,
}

impl<S, E> std::fmt::Debug for LoopCx<S, E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LoopCx")
            .field("name", &self.name())
            .finish_non_exhaustive()
    }
}

impl<S, E> LoopCx<S, E> {
    pub(super) fn new(shared: Rc<Shared<S>>, env: E) -> Self {
        Self { shared, env }
    }

    /// The environment the loop was started with.
    pub fn env(&self) -> &E {
        &self.env
    }

    /// The loop's name.
    #[must_use]
    pub fn name(&self) -> String {
        self.shared.board.write().name.clone()
    }

    /// How often this loop has been restarted after a failure.
    #[must_use]
    pub fn restarts(&self) -> u64 {
        self.shared.board.write().restarts
    }

    /// A pause: done after this time or when the loop is resumed, whichever is first. `None` is until resumed.
    ///
    /// The time counts from this call. Nothing or less does not suspend. A second pause replaces the time of one that is still
    /// pending. A loop that is stopped ends in its pause: the body is dropped there.
    pub fn pause(&self, time: impl IntoPause) -> Nap<S> {
        let mut inner = self.shared.inner.borrow_mut();
        inner.naps += 1;
        let serial = inner.naps;
        let now = Instant::now();
        let deadline = time.into_pause().and_then(|time| now.checked_add(time));
        inner.nap = Some(NapState {
            serial,
            deadline,
            resumed: false,
        });
        drop(inner);
        Nap {
            shared: Rc::clone(&self.shared),
            serial,
            timer: None,
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
        struct Waiting<'a, S>(&'a Shared<S>);
        impl<S> Drop for Waiting<'_, S> {
            fn drop(&mut self) {
                self.0.inner.borrow_mut().waiting = false;
            }
        }
        let waiting = Waiting(&self.shared);
        let mut future = pin!(future);
        poll_fn(|task| {
            let shared = waiting.0;
            let mut inner = shared.inner.borrow_mut();
            inner.waker = Some(task.waker().clone());
            if inner.stopping {
                inner.parked = true;
                return Poll::Pending;
            }
            if let Some(item) = inner.signals.pop_front() {
                return Poll::Ready(match item {
                    Item::Signal(signal) => Ok(Waited::Signal(signal)),
                    Item::Error(error) => Err(error),
                });
            }
            drop(inner);
            if let Poll::Ready(done) = future.as_mut().poll(task) {
                return Poll::Ready(Ok(Waited::Done(done)));
            }
            let mut inner = shared.inner.borrow_mut();
            inner.parked = true;
            inner.waiting = true;
            Poll::Pending
        })
        .await
    }

    /// Counts a turn, for [`LoopStatus::iterations`]. Generic and periodic loops do so themselves.
    pub fn turn(&self) {
        self.shared.board.write().iterations += 1;
    }

    pub(super) fn report_pause(&self, time: Option<Duration>) {
        let mut status = self.shared.board.write();
        status.pauses += 1;
        status.last_pause = Some(time);
        match time {
            Some(time) => tracing::debug!(name = %status.name, "pausing loop for {time:?}"),
            None => tracing::debug!(name = %status.name, "pausing loop"),
        }
    }
}

/// A pause of a loop, made by [`LoopCx::pause`].
#[must_use = "a pause must be awaited"]
pub struct Nap<S> {
    shared: Rc<Shared<S>>,
    serial: u64,
    timer: Option<(Instant, Pin<Box<Sleep>>)>,
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
        let this = self.get_mut();
        let mut inner = this.shared.inner.borrow_mut();
        inner.waker = Some(task.waker().clone());
        if inner.stopping {
            inner.parked = true;
            inner.napping = true;
            return Poll::Pending;
        }
        // A later pause took the place of this one; both end together.
        let (resumed, deadline) = match &inner.nap {
            None => return Poll::Ready(()),
            Some(nap) => (nap.resumed, nap.deadline.filter(|_| !inner.hold)),
        };
        if resumed {
            inner.nap = None;
            return Poll::Ready(());
        }
        if let Some(deadline) = deadline {
            if deadline <= Instant::now() {
                inner.nap = None;
                return Poll::Ready(());
            }
            if this.timer.as_ref().is_none_or(|(at, _)| *at != deadline) {
                this.timer = Some((deadline, Box::pin(sleep_until(deadline))));
            }
            if let Some((_, timer)) = &mut this.timer
                && timer.as_mut().poll(task).is_ready()
            {
                inner.nap = None;
                return Poll::Ready(());
            }
        }
        inner.parked = true;
        inner.napping = true;
        Poll::Pending
    }
}

impl<S> Drop for Nap<S> {
    fn drop(&mut self) {
        if let Ok(mut inner) = self.shared.inner.try_borrow_mut()
            && inner
                .nap
                .as_ref()
                .is_some_and(|nap| nap.serial == self.serial)
        {
            inner.nap = None;
        }
    }
}

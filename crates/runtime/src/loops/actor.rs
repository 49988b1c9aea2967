//! The actor around a loop's body.

use std::{
    borrow::Cow,
    cell::RefCell,
    future::Future,
    mem,
    pin::Pin,
    rc::Rc,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context as TaskContext, Poll},
    time::Duration,
};

use actix::{
    Actor, ActorFuture, AsyncContext, Handler, Message, SpawnHandle,
    dev::{MessageResponse, OneshotSender},
};
use tokio::time::{Instant, sleep};

use super::{
    cx::{Board, Item, LoopCx, LoopStatus, SignalOutcome},
    flow::LoopError,
    handle::SIGNAL_CAPACITY,
    kinds::SignalLoop,
};
use crate::{
    Backoff, Control, ControlMessage, ExitReason, Failures, RestartIntensity, RestartPolicy,
    SupervisedContext,
    supervision::{driver::guard, link::FAR, policy::Brake},
};

/// Starts a loop. True if it did; false (and logged) if it runs already. If it was stopped while its body was at work, the
/// answer comes after that body has ended.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "bool")]
pub struct Start;

/// Stops a loop until it is started again. True if it ran.
///
/// A paused body ends at once. One that is at work ends at its next pause or `wait_signal`, or when it returns; what it
/// returns is ignored.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "bool")]
pub struct Stop;

/// Holds a loop: its present pause, or else its next one, lasts until [`Resume`]. True if it runs.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "bool")]
pub struct Pause;

/// Ends a loop's pause. True if it was paused (several before it runs again count as one); false, and not remembered, if its
/// body is at work or it does not run.
#[derive(Debug, Clone, Copy, Default, Message)]
#[rtype(result = "bool")]
pub struct Resume {
    /// Only after everything that is queued on this arbiter now; a later postponed resume takes the place of this one.
    pub postpone: bool,
}

/// Asks for a loop's [`LoopStatus`].
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "LoopStatus")]
pub struct Status;

/// Answered (with true) when the loop pauses next (from a pause on: when it pauses again). If the loop's actor ends before,
/// the answer is `MailboxError::Closed`.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "bool")]
pub struct UntilPaused;

/// Answered (with true) when the body is not at work or paused any more, at once if it is not. If the loop's actor ends
/// before, the answer is `MailboxError::Closed`.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "bool")]
pub struct UntilEnded;

/// A signal for a loop; kept (up to the loop's capacity) if it is not waiting for one.
#[derive(Debug, Clone, Copy)]
pub struct Signal<S>(pub S);

impl<S: 'static> Message for Signal<S> {
    type Result = SignalOutcome;
}

/// An error to be raised where the loop waits for a signal.
#[derive(Debug, Clone, Message)]
#[rtype(result = "SignalOutcome")]
pub struct SignalError(pub LoopError);

macro_rules! control {
    ($($message:ty => $class:ident),*) => {
        $(impl ControlMessage for $message {
            const CLASS: Control = Control::$class;
            const STOPS_WHILE_DOWN: bool = false;
        })*
    };
}
// Start is of the class of Stop so that these two keep their order.
control!(Start => Stop, Stop => Stop, Pause => State, Resume => State, Status => State,
    UntilPaused => State, UntilEnded => State, SignalError => Signal);
impl<S: 'static> ControlMessage for Signal<S> {
    const CLASS: Control = Control::Signal;
}

/// Where the value for a fresh start comes from.
pub(super) enum Renew<L> {
    /// A copy of this one.
    Pristine(L, fn(&L) -> L),
    Factory(Box<dyn FnMut() -> L + Send>),
    /// There is only the one value; it goes on after failures.
    Keep,
}

#[derive(Clone, PartialEq)]
pub(super) struct Settings {
    pub(super) policy: RestartPolicy,
    pub(super) intensity: RestartIntensity,
    pub(super) backoff: Backoff,
    pub(super) seed: Option<u64>,
    pub(super) capacity: usize,
    pub(super) started: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            policy: RestartPolicy::default(),
            intensity: RestartIntensity::default(),
            backoff: Backoff::default(),
            seed: None,
            capacity: SIGNAL_CAPACITY,
            started: true,
        }
    }
}

/// What outlives the actor's own value.
pub(super) struct Core<L: SignalLoop<E>, E> {
    pub(super) board: Arc<Board<L::Signal>>,
    /// `None` is the usual ones.
    pub(super) settings: Option<Box<Settings>>,
    /// Where failures surface; `None` is the log.
    pub(super) failures: Option<Failures>,
    pub(super) store: Mutex<Store<L, E>>,
}

pub(super) struct Store<L, E> {
    pub(super) home: Option<L>,
    pub(super) renew: Renew<L>,
    pub(super) env: E,
}

impl<L: SignalLoop<E>, E> Core<L, E> {
    fn store(&self) -> MutexGuard<'_, Store<L, E>> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn settings(&self) -> Cow<'_, Settings> {
        self.settings
            .as_deref()
            .map_or_else(|| Cow::Owned(Settings::default()), Cow::Borrowed)
    }
}

/// The loop's value while its body has it; goes home when the body ends, however it ends.
struct Lease<L: SignalLoop<E>, E> {
    value: Option<L>,
    core: Arc<Core<L, E>>,
}

impl<L: SignalLoop<E>, E> Drop for Lease<L, E> {
    fn drop(&mut self) {
        self.core.store().home = self.value.take();
    }
}

type Body = Pin<Box<dyn Future<Output = Result<(), LoopError>>>>;

/// ```text
/// Idle --start--> Running --failure--> BackingOff --timer--> Running
///  ^                | |                    |
///  |  end, or stop  | | stop at work       | stop
///  +----------------+ v                    |
///  +------------- Leaving                  |
///  +---------------------------------------+
/// ```
enum Phase {
    Idle,
    Running,
    /// Stopped, but the body is still at work.
    Leaving,
    BackingOff(SpawnHandle),
}

/// A loop as an actor: send it [`Start`], [`Stop`], [`Pause`], [`Resume`], [`Signal`], [`SignalError`], [`Status`].
///
/// Its body runs inside the actor's turns, so each of these takes effect within one turn. Made by [`loop_of`](super::loop_of).
pub struct LoopActor<L: SignalLoop<E>, E = ()> {
    core: Arc<Core<L, E>>,
    brake: Brake,
    phase: Phase,
    body: Option<Body>,
    postponed: SpawnHandle,
    waiters: Option<Box<Waiters>>,
}

/// Who waits for something to happen to the loop.
#[derive(Default)]
struct Waiters {
    starters: Vec<Slot>,
    enders: Vec<Slot>,
    /// With the pause it was in when they asked.
    pausers: Vec<(Slot, Option<u32>)>,
}

// The body is boxed; nothing else is pinned.
impl<L: SignalLoop<E>, E> Unpin for LoopActor<L, E> {}

impl<L: SignalLoop<E>, E: Clone + 'static> Actor for LoopActor<L, E> {
    type Context = SupervisedContext<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.show(Arc::clone(self.board()) as _);
        ctx.set_main(Self::poll_body);
        if self.core.settings().started {
            self.launch(ctx);
        }
    }

    fn stopped(&mut self, _: &mut Self::Context) {
        if self.body.is_some() {
            let _ = guard(|| self.body = None);
            self.board().ended(false);
        }
        self.board().rests();
        self.tell_enders();
    }
}

enum Ended {
    Returned(Result<(), LoopError>),
    Panicked(Arc<str>),
    /// Dropped where it rested.
    Dropped,
}

impl<L: SignalLoop<E>, E: Clone + 'static> LoopActor<L, E> {
    pub(super) fn new(core: Arc<Core<L, E>>) -> Self {
        let brake = {
            let settings = core.settings();
            Brake::new(settings.intensity, settings.backoff, settings.seed)
        };
        Self {
            brake,
            phase: Phase::Idle,
            body: None,
            postponed: SpawnHandle::default(),
            waiters: None,
            core,
        }
    }

    fn board(&self) -> &Arc<Board<L::Signal>> {
        &self.core.board
    }

    fn name(&self) -> &str {
        &self.core.board.name
    }

    fn is_running(&self) -> bool {
        matches!(self.phase, Phase::Running | Phase::BackingOff(_))
    }

    fn poll_body(&mut self, ctx: &mut SupervisedContext<Self>, task: &mut TaskContext<'_>) {
        let Some(body) = self.body.as_mut() else {
            return;
        };
        self.core.board.before_poll();
        let ended = match guard(|| body.as_mut().poll(task)) {
            Ok(Poll::Pending) => {
                let (end, nap) = self.core.board.after_poll();
                if nap.is_some()
                    && let Some(waiters) = &mut self.waiters
                {
                    for (slot, since) in mem::take(&mut waiters.pausers) {
                        if since == nap {
                            waiters.pausers.push((slot, since));
                        } else {
                            slot.answer(true);
                        }
                    }
                }
                if !end {
                    return;
                }
                Ended::Dropped
            }
            Ok(Poll::Ready(result)) => Ended::Returned(result),
            Err(ExitReason::Panicked(message)) => Ended::Panicked(message),
            Err(other) => Ended::Panicked(Arc::from(other.to_string())),
        };
        self.body_ended(ended, ctx);
        if self.body.is_some() {
            // Started again at once.
            task.waker().wake_by_ref();
        }
    }

    fn value(&self) -> Result<L, ExitReason> {
        let mut store = self.core.store();
        if let Some(value) = store.home.take() {
            return Ok(value);
        }
        match &mut store.renew {
            Renew::Pristine(value, copy) => guard(|| copy(value)),
            Renew::Factory(factory) => guard(factory),
            Renew::Keep => Err(ExitReason::error("the loop's value was lost")),
        }
    }

    fn launch(&mut self, ctx: &mut SupervisedContext<Self>) {
        self.phase = Phase::Running;
        self.core.board.begin();
        tracing::info!(name = %self.name(), "loop started");
        let value = match self.value() {
            Ok(value) => value,
            Err(reason) => return self.failed(reason, ctx),
        };
        self.brake.alive();
        let mut lease = Lease {
            value: Some(value),
            core: Arc::clone(&self.core),
        };
        let env = self.core.store().env.clone();
        let mut cx = LoopCx::new(Arc::clone(self.board()), env);
        self.body = Some(Box::pin(async move {
            match lease.value.as_mut() {
                Some(value) => value.run(&mut cx).await,
                None => Ok(()),
            }
        }));
    }

    /// Tells those who wait for it that the body is gone. Only once everybody can see what follows from that.
    fn tell_enders(&mut self) {
        if let Some(waiters) = &mut self.waiters {
            for slot in waiters.enders.drain(..) {
                slot.answer(true);
            }
        }
    }

    fn body_ended(&mut self, ended: Ended, ctx: &mut SupervisedContext<Self>) {
        // Its value goes home here; a destructor that panics is the body's failure.
        let ended = match guard(|| self.body = None) {
            Err(ExitReason::Panicked(message)) => Ended::Panicked(message),
            _ => ended,
        };
        let reason = match ended {
            Ended::Dropped => ExitReason::Stopped,
            Ended::Returned(Ok(())) => ExitReason::Normal,
            Ended::Returned(Err(error)) => ExitReason::Error(error.shared()),
            Ended::Panicked(message) => ExitReason::Panicked(message),
        };
        if reason.is_panic() {
            // Half-updated, unless there is no other.
            self.discard_value();
        }
        if matches!(self.phase, Phase::Leaving) || matches!(reason, ExitReason::Stopped) {
            if reason.is_failure() {
                tracing::warn!(name = %self.name(), %reason, "the loop failed after it had been stopped");
                self.board().failed(&reason);
            }
            self.board().ended(false);
            self.rest(&ExitReason::Stopped);
            self.tell_enders();
            let waiters = self.waiters.as_mut();
            let starters = waiters.map_or_else(Vec::new, |w| mem::take(&mut w.starters));
            if !starters.is_empty() {
                self.launch(ctx);
                for (n, slot) in starters.into_iter().enumerate() {
                    slot.answer(n == 0);
                }
            }
        } else if self.core.settings().policy.restarts(&reason) || reason.is_failure() {
            self.failed(reason, ctx);
        } else {
            self.board().ended(false);
            self.rest(&reason);
            self.tell_enders();
        }
    }

    fn discard_value(&self) {
        let value = {
            let mut store = self.core.store();
            if matches!(store.renew, Renew::Keep) {
                return;
            }
            store.home.take()
        };
        let _ = guard(|| drop(value));
    }

    fn rest(&mut self, reason: &ExitReason) {
        self.phase = Phase::Idle;
        self.board().rests();
        tracing::info!(name = %self.name(), reason = reason.word(), "loop exited");
    }

    fn failed(&mut self, reason: ExitReason, ctx: &mut SupervisedContext<Self>) {
        if reason.is_failure() {
            tracing::warn!(name = %self.name(), %reason, "loop failed");
            self.board().failed(&reason);
        }
        let surfaced = if self.core.settings().policy.restarts(&reason) {
            self.brake
                .record(&self.core.board.name, &reason)
                .err()
                .map(ExitReason::error)
        } else {
            Some(reason.clone())
        };
        if let Some(surfaced) = surfaced {
            self.brake.reset();
            self.board().ended(false);
            self.rest(&reason);
            self.tell_enders();
            match &self.core.failures {
                Some(failures) => failures.report(self.name(), surfaced),
                None => Failures::default().report(self.name(), surfaced),
            }
            return;
        }
        // A restart begins with a pristine value.
        self.discard_value();
        self.board().ended(true);
        let delay = self.brake.delay();
        self.board()
            .backs_off(Instant::now() + delay.min(FAR), &reason);
        self.tell_enders();
        tracing::info!(name = %self.name(), ?delay, "loop will be restarted");
        let timer = ctx.spawn(Later(
            Box::pin(sleep(delay)),
            |act: &mut Self, ctx: &mut SupervisedContext<Self>| {
                act.board().restarted();
                act.launch(ctx);
            },
        ));
        self.phase = Phase::BackingOff(timer);
    }

    fn stop(&mut self, ctx: &mut SupervisedContext<Self>) -> bool {
        match self.phase {
            Phase::Idle | Phase::Leaving => return false,
            Phase::BackingOff(timer) => {
                ctx.cancel_future(timer);
                self.board().given_up();
                self.rest(&ExitReason::Stopped);
            }
            Phase::Running => {
                self.phase = Phase::Leaving;
                if self.board().stop() {
                    self.body_ended(Ended::Dropped, ctx);
                }
            }
        }
        true
    }

    fn signal(&mut self, item: Item<L::Signal>) -> SignalOutcome {
        if self.is_running() {
            let settings = self.core.settings.as_deref();
            let capacity = settings.map_or(SIGNAL_CAPACITY, |settings| settings.capacity);
            self.board().signal(item, capacity)
        } else {
            SignalOutcome::Stopped
        }
    }
}

/// A delay after which the actor does something.
struct Later<F>(Pin<Box<tokio::time::Sleep>>, F);

impl<F> Unpin for Later<F> {}

impl<A: Actor, F: FnMut(&mut A, &mut A::Context)> ActorFuture<A> for Later<F> {
    type Output = ();

    fn poll(
        self: Pin<&mut Self>,
        act: &mut A,
        ctx: &mut A::Context,
        task: &mut TaskContext<'_>,
    ) -> Poll<()> {
        let this = self.get_mut();
        if this.0.as_mut().poll(task).is_pending() {
            return Poll::Pending;
        }
        (this.1)(act, ctx);
        Poll::Ready(())
    }
}

/// A reply that may be given later.
#[derive(Clone, Default)]
struct Slot(Rc<RefCell<Option<OneshotSender<bool>>>>);

impl Slot {
    /// Whether anyone still waits for it.
    fn is_awaited(&self) -> bool {
        self.0.borrow().as_ref().is_some_and(|tx| !tx.is_closed())
    }

    fn answer(self, value: bool) {
        if let Some(tx) = self.0.borrow_mut().take() {
            let _ = tx.send(value);
        }
    }
}

/// The reply to [`Start`], [`UntilPaused`] and [`UntilEnded`], given now or later.
#[doc(hidden)]
pub enum LoopReply {
    Now(bool),
    #[allow(private_interfaces)]
    Later(Slot),
}

impl std::fmt::Debug for LoopReply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LoopReply")
    }
}

impl<L, E, M> MessageResponse<LoopActor<L, E>, M> for LoopReply
where
    L: SignalLoop<E>,
    E: Clone + 'static,
    M: Message<Result = bool>,
{
    fn handle(self, _: &mut SupervisedContext<LoopActor<L, E>>, tx: Option<OneshotSender<bool>>) {
        match (self, tx) {
            (Self::Now(started), Some(tx)) => {
                let _ = tx.send(started);
            }
            (Self::Later(slot), tx) => *slot.0.borrow_mut() = tx,
            (Self::Now(_), None) => {}
        }
    }
}

macro_rules! handler {
    ($message:ty, $result:ty, |$act:ident, $pattern:pat_param, $ctx:ident| $body:expr) => {
        impl<L: SignalLoop<E>, E: Clone + 'static> Handler<$message> for LoopActor<L, E> {
            type Result = $result;
            fn handle(&mut self, $pattern: $message, $ctx: &mut Self::Context) -> Self::Result {
                let $act = self;
                $body
            }
        }
    };
}

handler!(Start, LoopReply, |act, _, ctx| match act.phase {
    Phase::Idle => {
        act.launch(ctx);
        LoopReply::Now(true)
    }
    Phase::Leaving => {
        let slot = Slot::default();
        act.waiters
            .get_or_insert_default()
            .starters
            .push(slot.clone());
        LoopReply::Later(slot)
    }
    Phase::Running | Phase::BackingOff(_) => {
        tracing::error!(name = %act.name(), "loop not started: it runs already");
        LoopReply::Now(false)
    }
});
handler!(Stop, bool, |act, _, ctx| act.stop(ctx));
handler!(Pause, bool, |act, _, _ctx| {
    let running = act.is_running();
    if running {
        act.board().pause();
    }
    running
});
handler!(Resume, bool, |act, Resume { postpone }, ctx| {
    if !act.is_running() {
        return false;
    }
    if !postpone {
        return act.board().resume();
    }
    let paused = act.board().napping();
    if paused {
        ctx.cancel_future(act.postponed);
        // A timer of no length fires once everything that is queued now has had its turn.
        act.postponed = ctx.spawn(Later(
            Box::pin(sleep(Duration::from_nanos(1))),
            |act: &mut Self, _: &mut SupervisedContext<Self>| {
                act.board().resume();
            },
        ));
    }
    paused
});
handler!(Status, actix::MessageResult<Status>, |act, _, _ctx| {
    actix::MessageResult(act.board().read())
});
handler!(UntilPaused, LoopReply, |act, _, _ctx| {
    let slot = Slot::default();
    let since = act.board().present_nap();
    let pausers = &mut act.waiters.get_or_insert_default().pausers;
    pausers.retain(|(slot, _)| slot.is_awaited());
    pausers.push((slot.clone(), since));
    LoopReply::Later(slot)
});
handler!(UntilEnded, LoopReply, |act, _, _ctx| {
    if act.body.is_none() {
        return LoopReply::Now(true);
    }
    let slot = Slot::default();
    let enders = &mut act.waiters.get_or_insert_default().enders;
    enders.retain(Slot::is_awaited);
    enders.push(slot.clone());
    LoopReply::Later(slot)
});
handler!(
    SignalError,
    actix::MessageResult<SignalError>,
    |act, SignalError(error), _ctx| actix::MessageResult(act.signal(Item::Error(error)))
);

impl<L: SignalLoop<E>, E: Clone + 'static> Handler<Signal<L::Signal>> for LoopActor<L, E> {
    type Result = actix::MessageResult<Signal<L::Signal>>;

    fn handle(&mut self, Signal(signal): Signal<L::Signal>, _: &mut Self::Context) -> Self::Result {
        actix::MessageResult(self.signal(Item::Signal(signal)))
    }
}

//! The task behind a supervised actor.
//!
//! One turn: orders of the supervisor; futures given to `wait`; the mailbox is drained and sorted into control and data;
//! control messages by class; at most [`DATA_BUDGET`] data messages; spawned futures that were woken. If anything is left
//! the task wakes itself and returns, so that the arbiter's other tasks run in between.

use std::{
    any::TypeId,
    collections::VecDeque,
    future::Future,
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context as TaskContext, Poll},
    time::Duration,
};

use actix::{
    Actor, ActorState, Addr, Running,
    dev::{Envelope, EnvelopeProxy},
};
use tokio::time::{Instant, Sleep, sleep};

use super::{
    context::{Asked, Control, SupervisedContext, type_with_actor, type_without_actor},
    keeper::{Keeper, Next},
    link::{Link, Order},
    policy::{ExitReason, panic_message},
};
use crate::watchdog::turn_of;

/// Data messages handled in one turn.
pub const DATA_BUDGET: usize = 64;
/// Spawned futures polled in one turn.
const ITEM_BUDGET: usize = 256;
/// Messages taken out of the mailbox in one turn.
const DRAIN_BUDGET: usize = 1 << 16;

pub(super) type MakeError = Box<dyn std::error::Error + Send + Sync>;

/// A type of control message, its class, and whether it ends the actor between two lives.
pub(super) type Registered = (TypeId, Control, bool);

enum Phase {
    /// Make a value.
    Fresh,
    Running,
    BackingOff(Pin<Box<Sleep>>),
    Halted,
    Finished,
}

pub(super) struct Driver<A, F>
where
    A: Actor<Context = SupervisedContext<A>>,
{
    ctx: SupervisedContext<A>,
    value: Option<A>,
    make: F,
    phase: Phase,
    link: Arc<Link>,
    keeper: Keeper,
    controls: Vec<Registered>,
    control: [VecDeque<Envelope<A>>; 3],
    data: VecDeque<Envelope<A>>,
    /// A message that ends the actor even between two lives is among those in `control`.
    stop_queued: bool,
    /// Keeps permanent and transient actors alive when every other address is dropped.
    _anchor: Option<Addr<A>>,
}

// Nothing in it is pinned in place.
impl<A, F> Unpin for Driver<A, F> where A: Actor<Context = SupervisedContext<A>> {}

/// Runs a piece of user code; a panic becomes an exit reason.
pub(crate) fn guard<T>(f: impl FnOnce() -> T) -> Result<T, ExitReason> {
    catch_unwind(AssertUnwindSafe(f))
        .map_err(|payload| ExitReason::Panicked(panic_message(payload)))
}

/// Wakes this task once all others have had their turn and the runtime has looked at its timers and sockets; a plain
/// wake-up would let it run up to 61 times before that.
pub(super) fn come_back(task: &mut TaskContext<'_>) {
    let again = std::pin::pin!(tokio::task::yield_now());
    if again.poll(task).is_ready() {
        task.waker().wake_by_ref();
    }
}

/// Marks what is sent on this thread as sent by this actor.
#[cfg(debug_assertions)]
struct Mark(u64);

#[cfg(debug_assertions)]
impl Mark {
    fn of(id: u64) -> Self {
        Self(super::context::RUNNING.replace(id))
    }
}

#[cfg(debug_assertions)]
impl Drop for Mark {
    fn drop(&mut self) {
        super::context::RUNNING.set(self.0);
    }
}

enum Turn {
    /// Look again at once: the phase has changed.
    Again,
    /// Come back after the arbiter's other tasks.
    Yield,
    /// Sleep until woken.
    Sleep,
    Done,
}

impl<A, F> Driver<A, F>
where
    A: Actor<Context = SupervisedContext<A>>,
{
    fn drop_value(&mut self) -> Result<(), ExitReason> {
        self.ctx.state = ActorState::Stopped;
        self.ctx.asked = None;
        // What is shown of it is the actor's own code too.
        let mut ended = self.link.forget_details();
        // Each apart: one that panics must not keep the others.
        for future in mem::take(&mut self.ctx.waits) {
            ended = ended.and(guard(|| drop(future)));
        }
        for future in self.ctx.items.clear() {
            ended = ended.and(guard(|| drop(future)));
        }
        let value = self.value.take();
        ended = ended.and(guard(|| drop(value)));
        // A destructor may have spawned again.
        let _ = guard(|| {
            self.ctx.waits.clear();
            self.ctx.items.clear();
        });
        self.ctx.asked = None;
        ended
    }

    /// Drops what is still queued, so that those who wait for replies learn of it. Each apart: two messages that panic when
    /// dropped would abort the process if the mailbox dropped them.
    fn refuse_queued(&mut self) {
        while let Some(envelope) = self
            .ctx
            .poll_mailbox(&mut TaskContext::from_waker(std::task::Waker::noop()))
        {
            let _ = guard(|| drop(envelope));
        }
        let queues = self
            .control
            .iter_mut()
            .chain(std::iter::once(&mut self.data));
        for envelope in queues.flat_map(mem::take) {
            let _ = guard(|| drop(envelope));
        }
    }
}

impl<A, F> Driver<A, F>
where
    A: Actor<Context = SupervisedContext<A>>,
    F: FnMut(&mut SupervisedContext<A>) -> Result<A, MakeError> + 'static,
{
    pub(super) fn new(
        ctx: SupervisedContext<A>,
        make: F,
        keeper: Keeper,
        controls: Vec<Registered>,
        anchor: Option<Addr<A>>,
    ) -> Self {
        Self {
            link: Arc::clone(&ctx.link),
            ctx,
            value: None,
            make,
            phase: Phase::Fresh,
            keeper,
            controls,
            control: [VecDeque::new(), VecDeque::new(), VecDeque::new()],
            data: VecDeque::new(),
            stop_queued: false,
            _anchor: anchor,
        }
    }

    fn turn(&mut self, task: &mut TaskContext<'_>) -> Turn {
        if let Some(order) = self.link.take_order()
            && self.obey(order)
        {
            return Turn::Again;
        }
        match &mut self.phase {
            Phase::Fresh => self.begin(),
            Phase::Running => self.work(task),
            Phase::BackingOff(nap) => {
                if nap.as_mut().poll(task).is_ready() {
                    self.phase = Phase::Fresh;
                    return Turn::Again;
                }
                self.idle(task)
            }
            Phase::Halted => self.idle(task),
            Phase::Finished => Turn::Done,
        }
    }

    /// Whether anything changed.
    fn obey(&mut self, order: Order) -> bool {
        match order {
            Order::Stop => {
                self.end_on_order(true);
                self.finish(ExitReason::Stopped);
            }
            Order::Kill => {
                self.end_on_order(false);
                self.finish(ExitReason::Killed);
            }
            Order::Restart => {
                self.end_on_order(true);
                self.phase = Phase::Fresh;
            }
            Order::Halt | Order::HaltNow => {
                self.end_on_order(order == Order::Halt);
                self.phase = Phase::Halted;
                self.link.set_state(super::ChildState::Halted);
            }
            Order::Run { at_once } => {
                if !matches!(self.phase, Phase::Halted) {
                    return false;
                }
                if at_once {
                    self.phase = Phase::Fresh;
                } else {
                    let delay = self.keeper.delay();
                    self.back_off(delay);
                }
            }
        }
        true
    }

    fn end_on_order(&mut self, ask: bool) {
        let alive = self.value.is_some();
        let ended = if ask {
            self.end_value(true)
        } else {
            self.drop_value()
        };
        if let Err(reason) = ended {
            tracing::warn!(actor = %self.link.name, %reason, "failed while it was being stopped");
        }
        if alive {
            self.link.exited(&if ask {
                ExitReason::Stopped
            } else {
                ExitReason::Killed
            });
        }
    }

    fn begin(&mut self) -> Turn {
        self.link.next_generation();
        self.ctx.asked = None;
        self.ctx.hold = false;
        self.ctx.state = ActorState::Started;
        let (make, ctx) = (&mut self.make, &mut self.ctx);
        let made = match guard(|| make(ctx)) {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(ExitReason::Error(Arc::from(error))),
            Err(reason) => Err(reason),
        };
        match made {
            Ok(value) => {
                let value = self.value.insert(value);
                let ctx = &mut self.ctx;
                let started = guard(|| {
                    ctx.state = ActorState::Running;
                    value.started(ctx);
                });
                self.keeper.alive();
                self.phase = Phase::Running;
                match started {
                    Ok(()) => self.link.started(),
                    Err(reason) => self.failed(reason),
                }
            }
            Err(reason) => self.failed(reason),
        }
        // Not `Again`: an actor that ends as soon as it starts must not keep the arbiter to itself.
        Turn::Yield
    }

    /// A turn between two lives: messages are kept, a control message of class `Stop` ends it.
    fn idle(&mut self, task: &mut TaskContext<'_>) -> Turn {
        let mut drained = 0;
        while drained < DRAIN_BUDGET {
            let Some(envelope) = self.ctx.poll_mailbox(task) else {
                break;
            };
            drained += 1;
            if self.controls.is_empty() {
                self.data.push_back(envelope);
            } else if let Some((id, envelope)) = type_without_actor(envelope) {
                self.file(Some(id), envelope);
            }
        }
        self.note_depth();
        if self.stop_queued {
            self.finish(ExitReason::Stopped);
            return Turn::Again;
        }
        if drained == DRAIN_BUDGET {
            Turn::Yield
        } else {
            Turn::Sleep
        }
    }

    fn file(&mut self, id: Option<TypeId>, envelope: Envelope<A>) {
        let class = id.and_then(|id| self.controls.iter().find(|(known, ..)| *known == id));
        match class {
            Some((_, class, stops)) => {
                self.stop_queued |= *stops;
                self.control[*class as usize].push_back(envelope);
            }
            None => self.data.push_back(envelope),
        }
    }

    fn work(&mut self, task: &mut TaskContext<'_>) -> Turn {
        match self.try_work(task) {
            Ok(turn) => turn,
            Err(reason) => {
                self.failed(reason);
                Turn::Again
            }
        }
    }

    fn try_work(&mut self, task: &mut TaskContext<'_>) -> Result<Turn, ExitReason> {
        self.ctx.items.register(task.waker());
        let drained = self.drain(task);
        self.poll_waits(task)?;
        self.ctx.mark = Instant::now();

        if self.ctx.waits.is_empty() {
            self.handle_control()?;
            self.handle_data()?;
            self.poll_items()?;
        }
        self.note_depth();

        match self.ctx.asked.take() {
            None => {}
            Some(Asked::Stop) => return Ok(self.stopped_itself(false)),
            Some(Asked::Terminate) => return Ok(self.stopped_itself(true)),
            Some(Asked::Fail(reason)) => return Err(reason),
        }
        let nothing_left = self.ctx.items.is_empty()
            && self.ctx.waits.is_empty()
            && self.data.is_empty()
            && self.control.iter().all(VecDeque::is_empty);
        if nothing_left && !drained && !self.ctx.mailbox.connected() {
            return Ok(self.stopped_itself(false));
        }
        // A future given to `wait` in this turn has not been polled yet, so nothing would wake the task for it.
        let more = if self.ctx.waits.is_empty() {
            drained
                || (!self.data.is_empty() && !self.ctx.hold)
                || self.control.iter().any(|queue| !queue.is_empty())
                || self.ctx.items.any_woken()
        } else {
            self.poll_waits(task)?;
            self.ctx.waits.is_empty()
        };
        Ok(if more { Turn::Yield } else { Turn::Sleep })
    }

    /// Moves the mailbox into the queues; whether the budget was used up.
    fn drain(&mut self, task: &mut TaskContext<'_>) -> bool {
        let mut drained = 0;
        while drained < DRAIN_BUDGET {
            let Some(mut envelope) = self.ctx.poll_mailbox(task) else {
                break;
            };
            drained += 1;
            match &mut self.value {
                Some(value) if !self.controls.is_empty() || cfg!(debug_assertions) => {
                    let id = type_with_actor(&mut envelope, value, &mut self.ctx);
                    self.file(id, envelope);
                }
                _ => self.data.push_back(envelope),
            }
        }
        self.note_depth();
        if let Some(message) = self.ctx.own_request.take()
            && !self.ctx.waits.is_empty()
        {
            self.link.may_wait_for_itself(message);
        }
        drained == DRAIN_BUDGET
    }

    fn note_depth(&self) {
        self.link
            .stats
            .depth(self.data.len() + self.control.iter().map(VecDeque::len).sum::<usize>());
    }

    fn handle(&mut self, mut envelope: Envelope<A>) -> Result<(), ExitReason> {
        let Some(value) = &mut self.value else {
            return Ok(());
        };
        let ctx = &mut self.ctx;
        guard(|| envelope.handle(value, ctx))?;
        // Dropping a message is user code as well.
        guard(|| drop(envelope))
    }

    fn busy_elsewhere(&self) -> bool {
        !self.ctx.waits.is_empty() || self.ctx.asked.is_some()
    }

    fn handle_control(&mut self) -> Result<(), ExitReason> {
        for class in 0..self.control.len() {
            // Those that a handler adds to the mailbox meanwhile are for the next turn.
            while !self.busy_elsewhere() {
                let Some(envelope) = self.control[class].pop_front() else {
                    break;
                };
                self.handle(envelope)?;
            }
        }
        self.stop_queued &= self.control.iter().any(|queue| !queue.is_empty());
        Ok(())
    }

    fn handle_data(&mut self) -> Result<(), ExitReason> {
        for _ in 0..DATA_BUDGET {
            if self.ctx.hold || self.busy_elsewhere() {
                break;
            }
            let Some(envelope) = self.data.pop_front() else {
                break;
            };
            self.handle(envelope)?;
        }
        Ok(())
    }

    /// The futures given to `wait`, the latest first, as in actix.
    fn poll_waits(&mut self, task: &mut TaskContext<'_>) -> Result<(), ExitReason> {
        while self.ctx.asked.is_none() {
            let Some(mut future) = self.ctx.waits.pop() else {
                break;
            };
            let Some(value) = &mut self.value else { break };
            let before = self.ctx.waits.len();
            let ctx = &mut self.ctx;
            let polled = guard(|| future.as_mut().poll(value, ctx, task));
            match polled {
                Ok(Poll::Pending) => {
                    self.ctx.waits.insert(before, future);
                    // Another `wait` from inside goes first.
                    if self.ctx.waits.len() == before + 1 {
                        break;
                    }
                }
                Ok(Poll::Ready(())) => guard(|| drop(future))?,
                Err(reason) => {
                    let _ = guard(|| drop(future));
                    return Err(reason);
                }
            }
        }
        Ok(())
    }

    fn poll_items(&mut self) -> Result<(), ExitReason> {
        let woken = self.ctx.items.woken();
        for (n, &id) in woken.iter().enumerate() {
            if n == ITEM_BUDGET || self.busy_elsewhere() {
                self.ctx.items.unserved(&woken[n..]);
                break;
            }
            let Some(mut taken) = self.ctx.items.take(id) else {
                continue;
            };
            let Some(value) = &mut self.value else { break };
            let ctx = &mut self.ctx;
            let waker = taken.waker.clone();
            let polled = guard(|| {
                taken
                    .future
                    .as_mut()
                    .poll(value, ctx, &mut TaskContext::from_waker(&waker))
            });
            self.ctx.mark = Instant::now();
            match polled {
                Ok(Poll::Pending) => {
                    if let Some(cancelled) = self.ctx.items.put_back(taken) {
                        guard(|| drop(cancelled))?;
                    }
                }
                Ok(Poll::Ready(())) => {
                    self.ctx.items.done(&taken);
                    guard(|| drop(taken))?;
                }
                Err(reason) => {
                    self.ctx.items.done(&taken);
                    let _ = guard(|| drop(taken));
                    return Err(reason);
                }
            }
        }
        Ok(())
    }

    /// `ctx.stop()` or `ctx.terminate()`, or nobody is left.
    fn stopped_itself(&mut self, terminate: bool) -> Turn {
        if !terminate {
            let ctx = &mut self.ctx;
            if let Some(value) = &mut self.value {
                ctx.state = ActorState::Stopping;
                match guard(|| value.stopping(ctx)) {
                    Ok(Running::Continue) => {
                        self.ctx.asked = None;
                        self.ctx.state = ActorState::Running;
                        // It wants to go on although no address is left: it will be asked again when it is next woken.
                        return if self.ctx.mailbox.connected() {
                            Turn::Yield
                        } else {
                            Turn::Sleep
                        };
                    }
                    Ok(Running::Stop) => {}
                    Err(reason) => {
                        self.failed(reason);
                        return Turn::Again;
                    }
                }
            }
        }
        let reason = self.end_value(false).err().unwrap_or(ExitReason::Normal);
        self.exited(reason);
        Turn::Again
    }

    /// Ends the present value in order: `stopping` (if asked for), `stopped`, drop. A panic in any of these is the error.
    fn end_value(&mut self, stopping: bool) -> Result<(), ExitReason> {
        let ctx = &mut self.ctx;
        let mut ended = Ok(());
        if let Some(value) = &mut self.value {
            if stopping {
                ctx.state = ActorState::Stopping;
                // A veto does not count here: whoever orders a stop gets a stop.
                ended = guard(|| value.stopping(ctx)).map(drop);
            }
            ctx.state = ActorState::Stopped;
            let stopped = guard(|| value.stopped(ctx));
            ended = ended.and(stopped);
        }
        ended.and(self.drop_value())
    }

    /// A life ends with a failure.
    fn failed(&mut self, reason: ExitReason) {
        let after_error = matches!(reason, ExitReason::Error(_));
        // After a panic the value may be half-updated: `stopped` is for values that are whole.
        let ended = if after_error {
            self.end_value(false)
        } else {
            self.drop_value()
        };
        if let Err(second) = ended {
            tracing::warn!(actor = %self.link.name, reason = %second, "panicked again while being dropped");
        }
        self.exited(reason);
    }

    fn exited(&mut self, reason: ExitReason) {
        self.link.exited(&reason);
        match self.keeper.decide(&self.link, reason) {
            Next::Finish(reason) => self.finish(reason),
            Next::RestartIn(delay) => self.back_off(delay),
            Next::AskParent(reason) => {
                self.phase = Phase::Halted;
                self.link.ask_parent(reason);
            }
        }
    }

    fn back_off(&mut self, delay: Duration) {
        self.link.backing_off(delay);
        self.phase = if delay.is_zero() {
            Phase::Fresh
        } else {
            Phase::BackingOff(Box::pin(sleep(delay)))
        };
    }

    fn finish(&mut self, reason: ExitReason) {
        self.phase = Phase::Finished;
        self.refuse_queued();
        self.link.finish(reason);
    }
}

impl<A, F> Future for Driver<A, F>
where
    A: Actor<Context = SupervisedContext<A>>,
    F: FnMut(&mut SupervisedContext<A>) -> Result<A, MakeError> + 'static,
{
    type Output = ();

    fn poll(self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<()> {
        let this = self.get_mut();
        this.link.register(task.waker());
        let _turn = turn_of(&this.link);
        #[cfg(debug_assertions)]
        let _mark = Mark::of(this.link.id);
        loop {
            match this.turn(task) {
                Turn::Again => {}
                Turn::Yield => {
                    come_back(task);
                    return Poll::Pending;
                }
                Turn::Sleep => return Poll::Pending,
                Turn::Done => return Poll::Ready(()),
            }
        }
    }
}

impl<A, F> Drop for Driver<A, F>
where
    A: Actor<Context = SupervisedContext<A>>,
{
    fn drop(&mut self) {
        if matches!(self.phase, Phase::Finished) {
            return;
        }
        // The arbiter ends under a living actor. While unwinding only what cannot be avoided is run.
        if let Some(value) = &mut self.value
            && !std::thread::panicking()
        {
            let ctx = &mut self.ctx;
            ctx.state = ActorState::Stopped;
            let _ = guard(|| value.stopped(ctx));
        }
        let _ = self.drop_value();
        self.refuse_queued();
        self.link.finish(ExitReason::Killed);
    }
}

//! The task behind a supervised actor.
//!
//! One turn: orders of the supervisor; futures given to `wait`; the mailbox is drained and sorted into control and data;
//! control messages by class; at most [`DATA_BUDGET`] data messages; spawned futures that were woken. If anything is left
//! the task wakes itself and returns, so that the arbiter's other tasks run in between.

use std::{
    any::TypeId,
    future::Future,
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context as TaskContext, Poll},
    time::Duration,
};

use actix::{
    Actor, ActorState, AsyncContext, Running,
    dev::{Envelope, EnvelopeProxy},
};
use tokio::time::{Instant, Sleep, sleep};

use super::{
    context::{Asked, Control, SupervisedContext, type_with_actor, type_without_actor},
    controls::Controls,
    keeper::{Keeper, Next},
    link::Order,
    policy::{ExitReason, panic_message},
    queues::Queues,
};
use crate::watchdog::turn_of;

/// Data messages handled in one turn.
pub const DATA_BUDGET: usize = 64;
/// Spawned futures polled in one turn.
const ITEM_BUDGET: usize = 256;
/// Messages taken out of the mailbox in one turn.
const DRAIN_BUDGET: usize = 1 << 16;
/// Control messages of class `Signal` handled in one turn.
const SIGNAL_BUDGET: usize = 1024;
/// See [`Driver::come_again`].
const TURNS_BETWEEN_LOOKS: u32 = 16;
const TIME_BETWEEN_LOOKS: Duration = Duration::from_micros(200);

pub(super) type MakeError = Box<dyn std::error::Error + Send + Sync>;

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
    keeper: Keeper,
    controls: Controls,
    queues: Option<Box<Queues<A>>>,
    /// It lives on when every address is dropped: so do permanent and transient actors.
    keep: bool,
    registered: bool,
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
        let mut ended = self.ctx.link.forget_details();
        self.ctx.main = None;
        ended = ended.and(self.drop_extras());
        let value = self.value.take();
        ended = ended.and(guard(|| drop(value)));
        // A destructor may have spawned again.
        let _ = self.drop_extras();
        self.ctx.asked = None;
        ended
    }

    /// Each future apart: one that panics must not keep the others.
    fn drop_extras(&mut self) -> Result<(), ExitReason> {
        let Some(extras) = &mut self.ctx.extras else {
            return Ok(());
        };
        let waits = mem::take(&mut extras.waits);
        let mut ended = Ok(());
        for future in waits.into_iter().chain(extras.items.clear()) {
            ended = ended.and(guard(|| drop(future)));
        }
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
        let Some(queues) = self.queues.take() else {
            return;
        };
        let Queues { control, data, .. } = *queues;
        for envelope in control.into_iter().flatten().chain(data) {
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
        controls: Controls,
        keep: bool,
    ) -> Self {
        Self {
            ctx,
            value: None,
            make,
            phase: Phase::Fresh,
            keeper,
            controls,
            queues: None,
            keep,
            registered: false,
        }
    }

    fn turn(&mut self, task: &mut TaskContext<'_>) -> Turn {
        if let Some(order) = self.ctx.link.take_order()
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
                self.ctx.link.set_state(super::ChildState::Halted);
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
            tracing::warn!(actor = %self.ctx.link.name, %reason, "failed while it was being stopped");
        }
        if alive {
            self.ctx.link.exited(&if ask {
                ExitReason::Stopped
            } else {
                ExitReason::Killed
            });
        }
    }

    fn begin(&mut self) -> Turn {
        self.ctx.link.next_generation();
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
                    Ok(()) => self.ctx.link.started(),
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
            if !self.controls.any() {
                self.file(None, envelope);
            } else if let Some((id, envelope)) = type_without_actor(envelope) {
                self.file(Some(id), envelope);
            }
        }
        self.note_depth(0);
        if self
            .queues
            .as_ref()
            .is_some_and(|queues| queues.stop_queued)
        {
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
        let queues = self.queues.get_or_insert_with(Queues::new);
        match id.and_then(|id| self.controls.class(id)) {
            Some((class, stops)) => {
                queues.stop_queued |= stops;
                queues.control[class as usize].push_back(envelope);
            }
            None => queues.data.push_back(envelope),
        }
    }

    fn queued(&self) -> usize {
        self.queues.as_ref().map_or(0, |queues| queues.len())
    }

    fn note_depth(&self, handled: usize) {
        let queued = self.queued();
        self.ctx.link.stats.depth(queued, queued + handled);
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
        let mut drained = false;
        let mut handled = 0;
        if self.queues.is_none() && !self.ctx.hold && !self.ctx.waits_for_something() {
            // It keeps up: what is in the mailbox is handled straight from there.
            handled = self.handle_arriving(task)?;
        }
        if self.queues.is_some() || self.ctx.hold || self.ctx.waits_for_something() {
            drained = self.drain(task);
            self.poll_waits(task)?;
            if !self.ctx.waits_for_something() {
                self.handle_control()?;
                handled += self.handle_data(DATA_BUDGET.saturating_sub(handled))?;
            }
        }
        // Here, since a handler may have spawned the first.
        if let Some(extras) = &self.ctx.extras {
            extras.items.register(task.waker());
        }
        if !self.ctx.waiting() {
            self.poll_items()?;
            self.poll_main(task)?;
        }
        self.note_depth(handled);

        match self.ctx.asked.take().map(|asked| *asked) {
            None => {}
            Some(Asked::Stop) => return Ok(self.stopped_itself(false)),
            Some(Asked::Terminate) => return Ok(self.stopped_itself(true)),
            Some(Asked::Fail(reason)) => return Err(reason),
        }
        let extras_left = self.ctx.extras.as_ref();
        let extras_left =
            extras_left.is_some_and(|extras| !extras.items.is_empty() || !extras.waits.is_empty());
        let queued = self.queued();
        if !self.keep
            && !extras_left
            && self.ctx.main.is_none()
            && queued == 0
            && !drained
            && !self.ctx.mailbox.connected()
        {
            return Ok(self.stopped_itself(false));
        }
        self.let_go_of_queues();
        // A future given to `wait` in this turn has not been polled yet, so nothing would wake the task for it.
        let more = if self.ctx.waits_for_something() {
            self.poll_waits(task)?;
            !self.ctx.waits_for_something()
        } else {
            let queues = self.queues.as_ref();
            drained
                || handled >= DATA_BUDGET
                || queues.is_some_and(|queues| {
                    (!queues.data.is_empty() && !self.ctx.hold)
                        || queues.control.iter().any(|queue| !queue.is_empty())
                })
                || self.ctx.asked.is_some()
                || (self.ctx.extras.as_ref()).is_some_and(|extras| extras.items.any_woken())
        };
        Ok(if more { Turn::Yield } else { Turn::Sleep })
    }

    /// Handles what comes out of the mailbox as long as nothing has to be put in order; how many that were. Whatever cannot
    /// be handled at once is in the queues afterwards, or still in the mailbox, and then there are queues to move it to.
    fn handle_arriving(&mut self, task: &mut TaskContext<'_>) -> Result<usize, ExitReason> {
        for n in 0..DATA_BUDGET {
            let Some(mut envelope) = self.ctx.poll_mailbox(task) else {
                return Ok(n);
            };
            if self.controls.any() || cfg!(debug_assertions) {
                let id = self.type_of(&mut envelope);
                if self.controls.any() {
                    // Only one alone needs no putting in order.
                    if let Some(next) = self.ctx.poll_mailbox(task) {
                        self.file(id, envelope);
                        self.file_next(next);
                        return Ok(n);
                    }
                }
            }
            self.handle(envelope)?;
            if self.busy_elsewhere() || self.ctx.hold {
                // Drained now, so that it is seen what waits.
                self.queues.get_or_insert_with(Queues::new);
                return Ok(n + 1);
            }
        }
        self.queues.get_or_insert_with(Queues::new);
        Ok(DATA_BUDGET)
    }

    fn type_of(&mut self, envelope: &mut Envelope<A>) -> Option<TypeId> {
        let value = self.value.as_mut()?;
        type_with_actor(envelope, value, &mut self.ctx)
    }

    fn file_next(&mut self, mut envelope: Envelope<A>) {
        let id = if self.controls.any() || cfg!(debug_assertions) {
            self.type_of(&mut envelope)
        } else {
            None
        };
        self.file(id, envelope);
    }

    /// Moves the mailbox into the queues; whether the budget was used up.
    fn drain(&mut self, task: &mut TaskContext<'_>) -> bool {
        let mut drained = 0;
        while drained < DRAIN_BUDGET {
            let Some(envelope) = self.ctx.poll_mailbox(task) else {
                break;
            };
            drained += 1;
            self.file_next(envelope);
        }
        if let Some(message) = self.ctx.own_request.take()
            && self.ctx.waits_for_something()
        {
            self.ctx.link.may_wait_for_itself(message);
        }
        drained == DRAIN_BUDGET
    }

    /// What a flood has left behind is given back.
    fn let_go_of_queues(&mut self) {
        if self.queues.as_ref().is_some_and(|queues| queues.len() == 0) {
            self.queues = None;
        }
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
        self.ctx.waiting()
    }

    fn handle_control(&mut self) -> Result<(), ExitReason> {
        for class in [Control::Stop, Control::State, Control::Signal] {
            let budget = match class {
                Control::Signal => SIGNAL_BUDGET,
                Control::Stop | Control::State => usize::MAX,
            };
            // Those that a handler adds to the mailbox meanwhile are for the next turn.
            for _ in 0..budget {
                if self.busy_elsewhere() {
                    break;
                }
                let Some(queues) = &mut self.queues else {
                    break;
                };
                let Some(envelope) = queues.control[class as usize].pop_front() else {
                    break;
                };
                self.handle(envelope)?;
            }
        }
        if let Some(queues) = &mut self.queues {
            queues.stop_queued &= queues.control.iter().any(|queue| !queue.is_empty());
        }
        Ok(())
    }

    fn handle_data(&mut self, budget: usize) -> Result<usize, ExitReason> {
        for n in 0..budget {
            if self.ctx.hold || self.busy_elsewhere() {
                return Ok(n);
            }
            let next = self
                .queues
                .as_mut()
                .and_then(|queues| queues.data.pop_front());
            let Some(envelope) = next else {
                return Ok(n);
            };
            self.handle(envelope)?;
        }
        Ok(budget)
    }

    fn poll_main(&mut self, task: &mut TaskContext<'_>) -> Result<(), ExitReason> {
        match (self.ctx.main, &mut self.value) {
            (Some(main), Some(value)) => {
                let ctx = &mut self.ctx;
                guard(|| main(value, ctx, task))
            }
            _ => Ok(()),
        }
    }

    /// The futures given to `wait`, the latest first, as in actix.
    fn poll_waits(&mut self, task: &mut TaskContext<'_>) -> Result<(), ExitReason> {
        while self.ctx.asked.is_none() {
            let Some(extras) = &mut self.ctx.extras else {
                break;
            };
            let Some(mut future) = extras.waits.pop() else {
                break;
            };
            let before = extras.waits.len();
            let Some(value) = &mut self.value else { break };
            let ctx = &mut self.ctx;
            let polled = guard(|| future.as_mut().poll(value, ctx, task));
            match (polled, &mut self.ctx.extras) {
                (Ok(Poll::Pending), Some(extras)) => {
                    extras.waits.insert(before, future);
                    // Another `wait` from inside goes first.
                    if extras.waits.len() == before + 1 {
                        break;
                    }
                }
                (Ok(_), _) => guard(|| drop(future))?,
                (Err(reason), _) => {
                    let _ = guard(|| drop(future));
                    return Err(reason);
                }
            }
        }
        Ok(())
    }

    fn poll_items(&mut self) -> Result<(), ExitReason> {
        let Some(extras) = &mut self.ctx.extras else {
            return Ok(());
        };
        let woken = extras.items.woken();
        for (n, &id) in woken.iter().enumerate() {
            let busy = n == ITEM_BUDGET || self.busy_elsewhere();
            let Some(extras) = &mut self.ctx.extras else {
                break;
            };
            if busy {
                extras.items.unserved(&woken[n..]);
                break;
            }
            let Some(mut taken) = extras.items.take(id) else {
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
            let Some(extras) = &mut self.ctx.extras else {
                break;
            };
            match polled {
                Ok(Poll::Pending) => {
                    if let Some(cancelled) = extras.items.put_back(taken) {
                        guard(|| drop(cancelled))?;
                    }
                }
                Ok(Poll::Ready(())) => {
                    extras.items.done(&taken);
                    guard(|| drop(taken))?;
                }
                Err(reason) => {
                    extras.items.done(&taken);
                    let _ = guard(|| drop(taken));
                    return Err(reason);
                }
            }
        }
        Ok(())
    }

    /// After a turn that left something to do. The arbiter's other tasks come first; its timers and sockets after some turns
    /// or some time, since a look at them costs as much as several messages.
    fn come_again(&mut self, task: &mut TaskContext<'_>) {
        if let Some(queues) = &mut self.queues {
            queues.turns += 1;
            if queues.turns < TURNS_BETWEEN_LOOKS && queues.looked.elapsed() < TIME_BETWEEN_LOOKS {
                task.waker().wake_by_ref();
                return;
            }
            queues.turns = 0;
            queues.looked = Instant::now();
        }
        come_back(task);
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
            tracing::warn!(actor = %self.ctx.link.name, reason = %second, "panicked again while being dropped");
        }
        self.exited(reason);
    }

    fn exited(&mut self, reason: ExitReason) {
        self.ctx.link.exited(&reason);
        match self.keeper.decide(&self.ctx.link, reason) {
            Next::Finish(reason) => self.finish(reason),
            Next::RestartIn(delay) => self.back_off(delay),
            Next::AskParent(reason) => {
                self.phase = Phase::Halted;
                self.ctx.link.ask_parent(reason);
            }
        }
    }

    fn back_off(&mut self, delay: Duration) {
        self.ctx.link.backing_off(delay);
        self.phase = if delay.is_zero() {
            Phase::Fresh
        } else {
            Phase::BackingOff(Box::pin(sleep(delay)))
        };
    }

    fn finish(&mut self, reason: ExitReason) {
        self.phase = Phase::Finished;
        self.refuse_queued();
        self.ctx.link.finish(reason);
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
        if !this.registered {
            this.registered = true;
            this.ctx.link.register(task.waker());
        }
        let _turn = turn_of(&this.ctx.link);
        #[cfg(debug_assertions)]
        let _mark = Mark::of(this.ctx.link.id);
        loop {
            match this.turn(task) {
                Turn::Again => {}
                Turn::Yield => {
                    this.come_again(task);
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
        self.ctx.link.finish(ExitReason::Killed);
    }
}

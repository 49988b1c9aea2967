//! Supervision for actors that stay on [`actix::Context`].

use std::{
    any::type_name,
    future::Future,
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context as TaskContext, Poll},
    time::Duration,
};

use actix::{
    Actor, ActorContext, Addr, Context, Supervised, dev::ContextFut, dev::channel::channel,
};
use tokio::time::{Sleep, sleep};

use super::{
    driver::{come_back, guard},
    group::Supervisor,
    keeper::{Keeper, Next},
    link::{ChildHandle, ChildState, Link, Order},
    policy::{Backoff, ExitReason, RestartIntensity, RestartPolicy},
    supervise::{Child, Options, options},
};
use crate::watchdog::turn_of;

/// Supervises an actor on plain [`actix::Context`].
///
/// After a panic or an end it is restarted in place: same `Addr`, queued messages kept, spawned futures and timers dropped,
/// then [`Supervised::restarting`] and `started` are called **on the same value**, which may be half-updated by a panic:
/// rebuild it in `restarting`. `factory` is called again only as long as it has never succeeded.
///
/// What is lost against [`supervise`](super::supervise): a fresh value, control before data, the budget per turn (such an
/// actor can starve its arbiter), message figures, the validity of `SpawnHandle`s per life, errors told apart from a normal
/// end. A panic inside `stopping` or `stopped` is caught too.
///
/// Messages that are left when it ends are dropped by actix's mailbox and not one by one as under `supervise`: if one panics
/// when it is dropped, those behind it stay until the last address is dropped, and panic there, in the code of whoever
/// dropped it.
///
/// ```
/// # use actix::prelude::*; use actogram_runtime::supervise_plain;
/// #[derive(Default)]
/// struct Counter(u32);
/// impl Actor for Counter { type Context = Context<Self>; }
/// impl Supervised for Counter {
///     fn restarting(&mut self, _: &mut Context<Self>) { *self = Self::default(); }
/// }
/// # tokio::task::LocalSet::new().block_on(&tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap(), async {
/// let counter = supervise_plain(|_| Counter::default()).name("counter").spawn();
/// counter.stop();
/// assert!(matches!(counter.join().await, actogram_runtime::ExitReason::Stopped));
/// # });
/// ```
pub fn supervise_plain<A, F>(factory: F) -> SupervisePlain<A, F>
where
    A: Actor<Context = Context<A>> + Supervised,
    F: FnMut(&mut Context<A>) -> A + 'static,
{
    SupervisePlain {
        factory,
        options: Options::default(),
        actor: std::marker::PhantomData,
    }
}

/// A plain actor about to be started, see [`supervise_plain`].
#[must_use = "nothing runs before `start`"]
pub struct SupervisePlain<A, F> {
    factory: F,
    options: Options,
    actor: std::marker::PhantomData<fn() -> A>,
}

impl<A, F> SupervisePlain<A, F>
where
    A: Actor<Context = Context<A>> + Supervised,
    F: FnMut(&mut Context<A>) -> A + 'static,
{
    options!();

    /// Starts it on the current arbiter, or on the caller's `LocalSet`.
    ///
    /// # Panics
    /// Outside of both.
    #[track_caller]
    pub fn start(self) -> Addr<A> {
        self.spawn().addr().clone()
    }

    /// As [`start`](Self::start), for those who want to stop it, join it or watch it.
    #[track_caller]
    pub fn spawn(self) -> Child<A> {
        let keep = self.options.policy != RestartPolicy::Temporary;
        let (link, keeper) = self.options.enter(type_name::<A>);
        let (sender, receiver) = channel::<A>(0);
        let addr = Addr::new(sender);
        let driver = PlainDriver {
            factory: self.factory,
            body: Body::Unborn(Context::with_receiver(receiver)),
            phase: Phase::Fresh,
            link: Arc::clone(&link),
            keeper,
            _anchor: keep.then(|| addr.clone()),
        };
        tokio::task::spawn_local(driver);
        Child {
            addr,
            handle: ChildHandle { link },
        }
    }
}

enum Body<A: Actor<Context = Context<A>>> {
    Unborn(Context<A>),
    Born(Box<ContextFut<A, Context<A>>>),
    Gone,
}

enum Phase {
    Fresh,
    Running { announced: bool },
    BackingOff(Pin<Box<Sleep>>),
    Halted,
    Finished,
}

struct PlainDriver<A: Actor<Context = Context<A>>, F> {
    factory: F,
    body: Body<A>,
    phase: Phase,
    link: Arc<Link>,
    keeper: Keeper,
    _anchor: Option<Addr<A>>,
}

impl<A: Actor<Context = Context<A>>, F> Unpin for PlainDriver<A, F> {}

impl<A, F> PlainDriver<A, F>
where
    A: Actor<Context = Context<A>> + Supervised,
    F: FnMut(&mut Context<A>) -> A + 'static,
{
    fn begin(&mut self) {
        self.link.next_generation();
        let begun = match mem::replace(&mut self.body, Body::Gone) {
            Body::Unborn(mut ctx) => {
                let factory = &mut self.factory;
                match guard(|| factory(&mut ctx)) {
                    Ok(value) => {
                        self.body = Body::Born(Box::new(ctx.into_future(value)));
                        Ok(true)
                    }
                    Err(reason) => {
                        self.body = Body::Unborn(ctx);
                        Err(reason)
                    }
                }
            }
            Body::Born(mut fut) => {
                let restarted = guard(|| fut.restart());
                self.body = Body::Born(fut);
                restarted
            }
            Body::Gone => Ok(false),
        };
        match begun {
            Ok(true) => {
                self.keeper.alive();
                self.phase = Phase::Running { announced: false };
            }
            // Nobody holds an address any more.
            Ok(false) => self.finish(ExitReason::Normal),
            Err(reason) => self.exited(reason),
        }
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
        self.phase = Phase::BackingOff(Box::pin(sleep(delay)));
    }

    /// Lets the actor end in order: `stopping` (whose veto does not count) and `stopped`.
    fn end_value(&mut self, task: &mut TaskContext<'_>) {
        if let (Body::Born(fut), Phase::Running { .. }) = (&mut self.body, &self.phase) {
            let ended = guard(|| {
                fut.ctx().stop();
                if Pin::new(&mut **fut).poll(task).is_pending() {
                    fut.ctx().terminate();
                    let _ = Pin::new(&mut **fut).poll(task);
                }
            });
            if let Err(reason) = ended {
                tracing::warn!(actor = %self.link.name, %reason, "failed while it was being stopped");
            }
        }
    }

    fn finish(&mut self, reason: ExitReason) {
        self.phase = Phase::Finished;
        drop_body(mem::replace(&mut self.body, Body::Gone));
        self.link.finish(reason);
    }

    fn obey(&mut self, order: Order, task: &mut TaskContext<'_>) {
        match order {
            Order::Stop => {
                self.end_value(task);
                self.finish(ExitReason::Stopped);
            }
            Order::Kill => self.finish(ExitReason::Killed),
            Order::Restart => {
                self.end_value(task);
                self.phase = Phase::Fresh;
            }
            Order::Halt | Order::HaltNow => {
                if order == Order::Halt {
                    self.end_value(task);
                }
                self.phase = Phase::Halted;
                self.link.set_state(ChildState::Halted);
            }
            Order::Run { at_once } => {
                if matches!(self.phase, Phase::Halted) {
                    if at_once {
                        self.phase = Phase::Fresh;
                    } else {
                        let delay = self.keeper.delay();
                        self.back_off(delay);
                    }
                }
            }
        }
    }
}

/// Drops an actor that may have panicked: without `terminate`, dropping actix's future would run it once more.
fn drop_body<A: Actor<Context = Context<A>>>(body: Body<A>) {
    let dropped = guard(move || {
        let mut body = body;
        if let Body::Born(fut) = &mut body {
            fut.ctx().terminate();
        }
    });
    if let Err(reason) = dropped {
        tracing::warn!(%reason, "panicked while being dropped");
    }
}

impl<A, F> Future for PlainDriver<A, F>
where
    A: Actor<Context = Context<A>> + Supervised,
    F: FnMut(&mut Context<A>) -> A + 'static,
{
    type Output = ();

    fn poll(self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<()> {
        let this = self.get_mut();
        this.link.register(task.waker());
        let _turn = turn_of(&this.link);
        while let Some(order) = this.link.take_order() {
            this.obey(order, task);
        }
        match &mut this.phase {
            Phase::Fresh => {
                this.begin();
                // Also after a failure: the arbiter's other tasks run between two attempts.
                come_back(task);
                Poll::Pending
            }
            Phase::BackingOff(nap) => {
                if nap.as_mut().poll(task).is_ready() {
                    this.phase = Phase::Fresh;
                    come_back(task);
                }
                Poll::Pending
            }
            Phase::Halted => Poll::Pending,
            Phase::Finished => Poll::Ready(()),
            Phase::Running { announced } => {
                let first = !mem::replace(announced, true);
                let Body::Born(fut) = &mut this.body else {
                    return Poll::Pending;
                };
                let polled = guard(|| Pin::new(&mut **fut).poll(task));
                if first && polled.is_ok() {
                    this.link.started();
                }
                match polled {
                    Ok(Poll::Pending) => return Poll::Pending,
                    Ok(Poll::Ready(())) => this.exited(ExitReason::Normal),
                    Err(reason) => this.exited(reason),
                }
                come_back(task);
                Poll::Pending
            }
        }
    }
}

impl<A: Actor<Context = Context<A>>, F> Drop for PlainDriver<A, F> {
    fn drop(&mut self) {
        drop_body(mem::replace(&mut self.body, Body::Gone));
        self.link.finish(ExitReason::Killed);
    }
}

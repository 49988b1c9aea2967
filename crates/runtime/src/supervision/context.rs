//! The context of supervised actors, and the envelope their messages travel in.

use std::{
    any::{Any, TypeId},
    cell::{Cell, RefCell},
    collections::BTreeMap,
    error::Error,
    future::{Future, poll_fn},
    marker::PhantomData,
    pin::Pin,
    sync::Arc,
    task::{Context as TaskContext, Poll},
};

use actix::{
    Actor, ActorContext, ActorFuture, ActorState, Addr, AsyncContext, Handler, Message,
    SpawnHandle,
    dev::{
        Envelope, EnvelopeProxy, MessageResponse, OneshotSender, ToEnvelope,
        channel::AddressReceiver,
    },
};
use futures_util::Stream;
use tokio::{task::JoinHandle, time::Instant};

use super::{
    items::{BoxedItem, Items},
    link::{ChildHandle, Link, Shown},
    policy::{ExitReason, panic_message},
    snapshot::time_sent,
};
use crate::watchdog::turn_of;

/// The class of a control message. In each turn, control messages are handled before data, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Control {
    /// Asks the actor to end, or to begin; among themselves these keep their order.
    Stop,
    /// Changes how the actor works, or asks about it (pause, resume, status).
    State,
    /// Anything else that must not wait behind data.
    Signal,
}

/// A message that is handled before data. Register it with [`Supervise::control`](super::Supervise::control).
pub trait ControlMessage: Message + 'static {
    /// Its class.
    const CLASS: Control;

    /// Whether it ends the actor if it arrives while there is no value to handle it (between two lives): the actor then ends
    /// as [`ExitReason::Stopped`], and the sender's reply is `MailboxError::Closed`. By default so for class `Stop`.
    const STOPS_WHILE_DOWN: bool = matches!(Self::CLASS, Control::Stop);
}

/// What a context was asked to do with its actor.
pub(super) enum Asked {
    Stop,
    Terminate,
    Fail(ExitReason),
}

/// The context of a supervised actor: use it as `type Context = SupervisedContext<Self>`.
///
/// It does what [`actix::Context`] does (messages, `spawn`, `wait`, timers, streams) with these differences:
/// - the actor survives: same `Addr` and queued messages across restarts, a fresh value from the factory each time;
/// - control messages are handled before data, at most 64 data messages in one turn, then the arbiter's other tasks run;
/// - a [`SpawnHandle`] is valid for the life it was made in only; a later use cancels nothing;
/// - the mailbox is unbounded, so that the order of one sender's messages holds. Bound what is in flight by permits outside;
/// - a message whose sender no longer waits for the reply is handled all the same;
/// - while a future given to [`wait`](AsyncContext::wait) runs, all messages are held, control messages too; orders of the
///   supervisor are not.
///
/// # Deadlocks
/// An actor that [waits](AsyncContext::wait) for the reply to a message it sent to itself waits for ever, since the message is
/// held until the wait is over; the same goes for two actors that wait for each other. `spawn` the future instead, or put
/// [`timeout`](crate::timeout) around it. In builds with debug assertions the first case is noticed: an error is logged and
/// [`Lifecycle::MayWaitForItself`](super::Lifecycle::MayWaitForItself) is published.
pub struct SupervisedContext<A>
where
    A: Actor<Context = SupervisedContext<A>>,
{
    pub(super) mailbox: AddressReceiver<A>,
    /// What the actor has spawned and waits for; most have nothing.
    pub(super) extras: Option<Box<Extras<A>>>,
    pub(super) main: Option<Main<A>>,
    pub(super) asked: Option<Box<Asked>>,
    pub(super) link: Arc<Link>,
    pub(super) state: ActorState,
    pub(super) hold: bool,
    /// Envelopes are being sorted: a proxy answers its message's type in [`SORTED`] instead of handling it.
    pub(super) sorting: bool,
    /// A request of its own was found in its mailbox while sorting (debug assertions only).
    pub(super) own_request: Option<&'static str>,
}

/// A part of the actor itself that is polled in each turn with the task's own waker: cheaper than a spawned future.
pub(crate) type Main<A> = fn(&mut A, &mut SupervisedContext<A>, &mut TaskContext<'_>);

pub(super) struct Extras<A: Actor> {
    pub(super) items: Items<A>,
    pub(super) waits: Vec<BoxedItem<A>>,
    last_handle: SpawnHandle,
}

impl<A> SupervisedContext<A>
where
    A: Actor<Context = SupervisedContext<A>>,
{
    pub(super) fn new(mailbox: AddressReceiver<A>, link: Arc<Link>) -> Self {
        Self {
            mailbox,
            extras: None,
            main: None,
            asked: None,
            link,
            state: ActorState::Started,
            hold: false,
            sorting: false,
            own_request: None,
        }
    }

    fn extras(&mut self) -> &mut Extras<A> {
        self.extras.get_or_insert_with(|| {
            Box::new(Extras {
                items: Items::new(),
                waits: Vec::new(),
                last_handle: SpawnHandle::default(),
            })
        })
    }

    pub(super) fn waits_for_something(&self) -> bool {
        self.extras
            .as_ref()
            .is_some_and(|extras| !extras.waits.is_empty())
    }

    /// Has this part of the actor polled in each turn of the present life.
    pub(crate) fn set_main(&mut self, main: Main<A>) {
        self.main = Some(main);
    }

    /// Ends this life with an error. The supervisor decides what follows, see [`RestartPolicy`](super::RestartPolicy).
    /// `stopping` is not called, `stopped` is.
    pub fn fail(&mut self, error: impl Into<Box<dyn Error + Send + Sync>>) {
        self.end(Asked::Fail(ExitReason::error(error)));
    }

    fn end(&mut self, asked: Asked) {
        if matches!(self.asked.as_deref(), None | Some(Asked::Stop)) {
            self.asked = Some(Box::new(asked));
            self.state = ActorState::Stopping;
        }
    }

    /// Which life this is, counted from 1.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.link.generation()
    }

    /// The actor's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.link.name
    }

    /// A handle on this actor.
    #[must_use]
    pub fn handle(&self) -> ChildHandle {
        ChildHandle {
            link: Arc::clone(&self.link),
        }
    }

    /// While `hold` is true, data messages stay queued; control messages are handled. A restart ends it.
    pub fn hold_data(&mut self, hold: bool) {
        self.hold = hold;
    }

    /// Whether data messages are being held.
    #[must_use]
    pub fn holds_data(&self) -> bool {
        self.hold
    }

    /// Sets what the actor adds to its node of the [`Snapshot`](super::Snapshot). It is asked from other threads.
    pub fn report_details(
        &mut self,
        details: impl Fn() -> BTreeMap<&'static str, String> + Send + Sync + 'static,
    ) {
        struct Figures<F>(F);
        impl<F: Fn() -> BTreeMap<&'static str, String> + Send + Sync> Shown for Figures<F> {
            fn figures(&self) -> BTreeMap<&'static str, String> {
                (self.0)()
            }
        }
        self.link.show(Arc::new(Figures(details)));
    }

    pub(crate) fn show(&mut self, shown: Arc<dyn Shown>) {
        self.link.show(shown);
    }

    /// Runs an async body, such as a loop around a socket, as a task of its own on this arbiter.
    ///
    /// It does not borrow the actor, so it makes progress whatever the actor waits for, and its panic does not touch the
    /// actor's state: `done` is called with how it ended. The task is aborted when this life of the actor ends, or with
    /// [`cancel_future`](AsyncContext::cancel_future).
    ///
    /// ```
    /// # use actix::prelude::*; use actogram_runtime::{SupervisedContext, BodyError, supervise};
    /// struct Reader;
    /// impl Actor for Reader {
    ///     type Context = SupervisedContext<Self>;
    ///     fn started(&mut self, ctx: &mut Self::Context) {
    ///         ctx.spawn_body(async { std::io::Result::Ok(0usize) }, |_reader, ended, ctx| match ended {
    ///             Ok(Ok(_)) => ctx.stop(),
    ///             Ok(Err(error)) => ctx.fail(error),
    ///             Err(died) => ctx.fail(died),
    ///         });
    ///     }
    /// }
    /// # tokio::task::LocalSet::new().block_on(&tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap(), async {
    /// let reader = supervise(|_| Reader).name("reader").spawn();
    /// assert!(matches!(reader.join().await, actogram_runtime::ExitReason::Normal));
    /// # });
    /// ```
    pub fn spawn_body<F>(
        &mut self,
        body: F,
        done: impl FnOnce(&mut A, Result<F::Output, BodyError>, &mut Self) + 'static,
    ) -> SpawnHandle
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let link = Arc::clone(&self.link);
        // Boxed: an `async` block has room for what it captured and once more for where that is moved to.
        let mut body = Box::pin(body);
        let named = poll_fn(move |task| {
            let _turn = turn_of(&link);
            body.as_mut().poll(task)
        });
        self.spawn(Body::<F::Output, _> {
            task: tokio::task::spawn_local(named),
            done: Some(done),
        })
    }
}

/// How a body spawned by [`SupervisedContext::spawn_body`] failed.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum BodyError {
    /// It panicked with this message.
    #[error("the body panicked: {0}")]
    Panicked(Arc<str>),
    /// The arbiter is shutting down.
    #[error("the body was cancelled because its arbiter is ending")]
    Cancelled,
}

struct Body<T, D> {
    task: JoinHandle<T>,
    done: Option<D>,
}

impl<T, D> Unpin for Body<T, D> {}

impl<T, D> Drop for Body<T, D> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl<A, T, D> ActorFuture<A> for Body<T, D>
where
    A: Actor<Context = SupervisedContext<A>>,
    D: FnOnce(&mut A, Result<T, BodyError>, &mut SupervisedContext<A>),
{
    type Output = ();

    fn poll(
        self: Pin<&mut Self>,
        act: &mut A,
        ctx: &mut SupervisedContext<A>,
        task: &mut TaskContext<'_>,
    ) -> Poll<()> {
        let this = self.get_mut();
        let Poll::Ready(ended) = Pin::new(&mut this.task).poll(task) else {
            return Poll::Pending;
        };
        let ended = ended.map_err(|error| match error.try_into_panic() {
            Ok(payload) => BodyError::Panicked(panic_message(payload)),
            Err(_) => BodyError::Cancelled,
        });
        if let Some(done) = this.done.take() {
            done(act, ended, ctx);
        }
        Poll::Ready(())
    }
}

impl<A> ActorContext for SupervisedContext<A>
where
    A: Actor<Context = SupervisedContext<A>>,
{
    fn stop(&mut self) {
        if self.asked.is_none() {
            self.asked = Some(Box::new(Asked::Stop));
            self.state = ActorState::Stopping;
        }
    }

    fn terminate(&mut self) {
        self.end(Asked::Terminate);
        self.state = ActorState::Stopped;
    }

    fn state(&self) -> ActorState {
        self.state
    }
}

impl<A> AsyncContext<A> for SupervisedContext<A>
where
    A: Actor<Context = SupervisedContext<A>>,
{
    fn address(&self) -> Addr<A> {
        Addr::new(self.mailbox.sender())
    }

    fn spawn<F>(&mut self, fut: F) -> SpawnHandle
    where
        F: ActorFuture<A, Output = ()> + 'static,
    {
        let extras = self.extras();
        extras.last_handle = extras.last_handle.next();
        extras
            .items
            .add(extras.last_handle.into_usize(), Box::pin(fut));
        extras.last_handle
    }

    fn wait<F>(&mut self, fut: F)
    where
        F: ActorFuture<A, Output = ()> + 'static,
    {
        self.extras().waits.push(Box::pin(fut));
    }

    fn waiting(&self) -> bool {
        self.waits_for_something() || self.asked.is_some()
    }

    fn cancel_future(&mut self, handle: SpawnHandle) -> bool {
        let Some(extras) = &mut self.extras else {
            return false;
        };
        let (found, future) = extras.items.cancel(handle.into_usize());
        drop(future);
        found
    }
}

/// A message on its way, with the time it was sent.
struct Parcel<A, M>
where
    A: Actor<Context = SupervisedContext<A>> + Handler<M>,
    M: Message + Send + 'static,
    M::Result: Send,
{
    /// `None` if it is not timed.
    sent: Option<Instant>,
    message: Option<M>,
    reply: Option<OneshotSender<M::Result>>,
    #[cfg(debug_assertions)]
    sender: u64,
    actor: PhantomData<fn() -> A>,
}

#[cfg(debug_assertions)]
thread_local! {
    /// The actor whose code runs on this thread; 0 if none.
    pub(super) static RUNNING: Cell<u64> = const { Cell::new(0) };
}

impl<A, M> EnvelopeProxy<A> for Parcel<A, M>
where
    A: Actor<Context = SupervisedContext<A>> + Handler<M>,
    M: Message + Send + 'static,
    M::Result: Send,
{
    fn handle(&mut self, act: &mut A, ctx: &mut SupervisedContext<A>) {
        if ctx.sorting {
            SORTED.set(Some(TypeId::of::<M>()));
            #[cfg(debug_assertions)]
            if self.sender == ctx.link.id && self.reply.as_ref().is_some_and(|tx| !tx.is_closed()) {
                ctx.own_request = Some(std::any::type_name::<M>());
            }
            return;
        }
        let Some(message) = self.message.take() else {
            return;
        };
        let name = std::any::type_name::<M>();
        let span = tracing::trace_span!("message", actor = %ctx.link.name, message = name);
        let entered = span.enter();
        let begun = self.sent.map(|sent| (sent, Instant::now()));
        let response = <A as Handler<M>>::handle(act, message, ctx);
        response.handle(ctx, self.reply.take());
        drop(entered);
        ctx.link.stats.handled();
        if let Some((sent, begun)) = begun {
            let wait = begun.saturating_duration_since(sent);
            ctx.link.stats.timed(name, wait, begun.elapsed());
        }
    }
}

impl<A, M> ToEnvelope<A, M> for SupervisedContext<A>
where
    A: Actor<Context = SupervisedContext<A>> + Handler<M>,
    M: Message + Send + 'static,
    M::Result: Send,
{
    fn pack(message: M, reply: Option<OneshotSender<M::Result>>) -> Envelope<A> {
        Envelope::with_proxy(Box::new(Parcel::<A, M> {
            sent: time_sent(),
            message: Some(message),
            reply,
            #[cfg(debug_assertions)]
            sender: RUNNING.try_with(Cell::get).unwrap_or(0),
            actor: PhantomData,
        }))
    }
}

thread_local! {
    /// See [`type_with_actor`].
    static SORTED: Cell<Option<TypeId>> = const { Cell::new(None) };
    /// See [`type_without_actor`].
    static CATCH: RefCell<Catch> = const { RefCell::new(Catch::Off) };
}

enum Catch {
    Off,
    Waiting,
    Caught(TypeId, Box<dyn Any>),
}

impl<A, M> Drop for Parcel<A, M>
where
    A: Actor<Context = SupervisedContext<A>> + Handler<M>,
    M: Message + Send + 'static,
    M::Result: Send,
{
    fn drop(&mut self) {
        if self.message.is_none() {
            return;
        }
        // `try_with`: the thread may be ending, then the message is simply dropped.
        let _ = CATCH.try_with(|catch| {
            let Ok(mut catch) = catch.try_borrow_mut() else {
                return;
            };
            if matches!(*catch, Catch::Waiting) {
                let saved = Envelope::<A>::with_proxy(Box::new(Parcel::<A, M> {
                    sent: self.sent,
                    message: self.message.take(),
                    reply: self.reply.take(),
                    #[cfg(debug_assertions)]
                    sender: self.sender,
                    actor: PhantomData,
                }));
                *catch = Catch::Caught(TypeId::of::<M>(), Box::new(saved));
            }
        });
    }
}

/// The type of the message in an envelope while there is no actor value to ask with.
///
/// actix shows the inside of an envelope to nobody but `EnvelopeProxy::handle`, which wants an actor, and to `Drop`. Between
/// two lives there is no actor, so the envelope is dropped while this thread is set to catch what a dropped [`Parcel`] held.
pub(super) fn type_without_actor<A>(envelope: Envelope<A>) -> Option<(TypeId, Envelope<A>)>
where
    A: Actor<Context = SupervisedContext<A>>,
{
    CATCH.with(|catch| *catch.borrow_mut() = Catch::Waiting);
    drop(envelope);
    match CATCH.with(|catch| catch.replace(Catch::Off)) {
        Catch::Caught(id, saved) => saved
            .downcast::<Envelope<A>>()
            .ok()
            .map(|saved| (id, *saved)),
        Catch::Off | Catch::Waiting => None,
    }
}

/// The type of the message in an envelope.
pub(super) fn type_with_actor<A>(
    envelope: &mut Envelope<A>,
    act: &mut A,
    ctx: &mut SupervisedContext<A>,
) -> Option<TypeId>
where
    A: Actor<Context = SupervisedContext<A>>,
{
    ctx.sorting = true;
    envelope.handle(act, ctx);
    ctx.sorting = false;
    SORTED.take()
}

impl<A> SupervisedContext<A>
where
    A: Actor<Context = SupervisedContext<A>>,
{
    pub(super) fn poll_mailbox(&mut self, task: &mut TaskContext<'_>) -> Option<Envelope<A>> {
        match Pin::new(&mut self.mailbox).poll_next(task) {
            Poll::Ready(envelope) => envelope,
            Poll::Pending => None,
        }
    }
}

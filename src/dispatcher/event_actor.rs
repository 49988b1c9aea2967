//! The actor in which an [`EventHandler`] lives.

use std::{
    cell::Cell,
    ops::{AsyncFnOnce, Deref},
    rc::Rc,
    sync::{Arc, Mutex, PoisonError},
};

use actix::{Actor, Addr, AsyncContext, Handler, Message, WrapFuture};
use actogram_runtime::{Child, ChildHandle, ChildState, SupervisedContext, supervise_made};
use tokio::{sync::oneshot, task::spawn_local};
use tokio_util::sync::CancellationToken;

use super::{
    Cx, EventHandler, Failure, HandlerHandle, HandlerKind, LocalFuture, Propagation,
    handlers::{Handle, HandlerId, guarded, handled},
    register::StartFailed,
};
use crate::{Album, Client, Error, Result, Update};

/// The actor in which an [`EventHandler`] lives, supervised: it is given updates, and whatever else a program sends it.
///
/// Messages of your own reach the handler once there is a [`Handler`] for them. One that panics fails the actor, which is
/// started again on the same address; updates that are being handled meanwhile are handled to their end, and those that
/// come wait for the restart. An actor that fails too often ends, and [`Client::run`](crate::Client::run) with it.
///
/// ```
/// use std::cell::Cell;
///
/// use actix::{Handler, Message};
/// use actogram::prelude::*;
///
/// #[derive(Default)]
/// struct Counter(Cell<u32>);
///
/// impl EventHandler for Counter {
///     async fn on_message(&self, _cx: Cx, _message: Msg) -> Result<()> {
///         self.0.set(self.0.get() + 1);
///         Ok(())
///     }
/// }
///
/// #[derive(Message)]
/// #[rtype(result = "u32")]
/// struct Count;
///
/// impl Handler<Count> for EventActor<Counter> {
///     type Result = u32;
///
///     fn handle(&mut self, Count: Count, _: &mut Self::Context) -> u32 {
///         self.handler().0.get()
///     }
/// }
///
/// # async fn start(client: &Client) -> std::result::Result<(), actix::MailboxError> {
/// let counter = client.event_handler(Counter::default());
/// println!("{} so far", counter.addr().send(Count).await?);
/// # Ok(()) }
/// ```
pub struct EventActor<H> {
    handler: Rc<H>,
    cx: Cx,
    /// The registration whose start has been, if this is a later value than the one that was started by it.
    starts_anew: Option<HandlerId>,
}

impl<H: EventHandler> EventActor<H> {
    /// The handler.
    pub fn handler(&self) -> &Rc<H> {
        &self.handler
    }

    /// The account's calls, and its conversations.
    pub fn cx(&self) -> &Cx {
        &self.cx
    }
}

impl<H: EventHandler> Actor for EventActor<H> {
    type Context = SupervisedContext<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let Some(id) = self.starts_anew else { return };
        let (handler, cx) = (self.handler.clone(), self.cx.clone());
        let start = async move {
            if let Err(error) = guarded(async { handler.on_start(cx.clone()).await }).await {
                cx.dispatcher().do_send(StartFailed { id, error });
            }
        };
        // Nothing reaches the handler before it is through.
        ctx.wait(start.into_actor(self));
    }
}

/// Something to do with the handler. It goes on to its end even if the actor fails meanwhile.
#[derive(Message)]
#[rtype(result = "()")]
struct Task<H: EventHandler>(Begin<H>);

type Begin<H> = Box<dyn FnOnce(&EventActor<H>) -> LocalFuture<'static, ()> + Send>;

impl<H: EventHandler> Handler<Task<H>> for EventActor<H> {
    type Result = ();

    fn handle(&mut self, Task(begin): Task<H>, _: &mut Self::Context) {
        spawn_local(begin(self));
    }
}

/// Has `work` done with the handler, where it lives. `None`: the actor has ended.
async fn ask<H, T, W>(actor: &Child<EventActor<H>>, work: W) -> Option<Result<T>>
where
    H: EventHandler,
    T: Send + 'static,
    W: AsyncFnOnce(&H) -> Result<T> + Send + 'static,
{
    ask_actor(actor, move |actor| {
        let handler = actor.handler.clone();
        Box::pin(async move { work(&handler).await })
    })
    .await
}

async fn ask_actor<H: EventHandler, T: Send + 'static>(
    actor: &Child<EventActor<H>>,
    work: impl FnOnce(&EventActor<H>) -> LocalFuture<'static, Result<T>> + Send + 'static,
) -> Option<Result<T>> {
    let (told, answer) = oneshot::channel();
    let begin = move |actor: &EventActor<H>| -> LocalFuture<'static, ()> {
        let work = work(actor);
        Box::pin(async move {
            let done = guarded(work).await;
            // Who gave up waiting has no use for it.
            let _ = told.send(done);
        })
    };
    actor.addr().do_send(Task(Box::new(begin)));
    answer.await.ok()
}

/// An [`EventHandler`] among the handlers of an account. Its actor ends with it.
pub(super) struct Events<H: EventHandler> {
    actor: Child<EventActor<H>>,
    /// Known once it has started.
    takes_albums: Cell<bool>,
    removed: CancellationToken,
}

impl<H: EventHandler> Events<H> {
    fn new(actor: Child<EventActor<H>>) -> Self {
        Self {
            actor,
            takes_albums: Cell::new(false),
            removed: CancellationToken::new(),
        }
    }

    fn has_ended(&self) -> bool {
        self.actor.state() == ChildState::Finished
    }

    /// Has the handler do something about an update. Nothing is done by one that somebody has stopped. With one that failed
    /// too often the account ends, so an update stays unhandled then, and comes again to the next process.
    async fn work(&self, work: impl AsyncFnOnce(&H) -> Result<()> + Send + 'static) -> Result<()> {
        let done = ask(&self.actor, work).await;
        self.unless_ended(done).await
    }

    async fn unless_ended(&self, done: Option<Result<()>>) -> Result<()> {
        if let Some(done) = done {
            return done;
        }
        if self.actor.join().await.is_failure() {
            self.removed.cancelled().await;
        }
        Ok(())
    }
}

impl<H: EventHandler> Drop for Events<H> {
    fn drop(&mut self) {
        self.actor.stop();
    }
}

impl<H: EventHandler> Handle for Events<H> {
    fn kind(&self) -> HandlerKind {
        HandlerKind::Events
    }

    fn start<'a>(&'a self, _: Cx) -> LocalFuture<'a, Result<()>> {
        Box::pin(async move {
            let takes_albums = ask(&self.actor, async |handler: &H| Ok(handler.takes_albums()));
            self.takes_albums
                .set(takes_albums.await.transpose()?.unwrap_or(false));
            let started = ask_actor(&self.actor, |actor| {
                let (handler, cx) = (actor.handler.clone(), actor.cx.clone());
                let anew = actor.starts_anew.is_some();
                Box::pin(async move {
                    match anew {
                        true => Ok(()),
                        false => handler.on_start(cx).await,
                    }
                })
            });
            self.unless_ended(started.await).await
        })
    }

    fn handle<'a>(
        &'a self,
        cx: Cx,
        update: &Update,
    ) -> Option<LocalFuture<'a, Result<Propagation>>> {
        let in_album = || {
            let message = update.message();
            message
                .is_some_and(|it| !it.outgoing() && !it.is_edit() && it.raw().grouped_id.is_some())
        };
        if self.takes_albums.get() && in_album() {
            return None;
        }
        let update = update.clone();
        Some(handled(self.work(async move |handler: &H| {
            handler.on_any(cx, update).await
        })))
    }

    fn handle_album<'a>(
        &'a self,
        cx: Cx,
        album: &Album,
    ) -> Option<LocalFuture<'a, Result<Propagation>>> {
        let album = album.clone();
        let takes = self.takes_albums.get();
        takes
            .then(|| handled(self.work(async move |handler: &H| handler.on_album(cx, album).await)))
    }

    fn wants_albums(&self) -> bool {
        self.takes_albums.get()
    }

    fn failed<'a>(&'a self, cx: Cx, failure: &'a Failure) -> Option<LocalFuture<'a, ()>> {
        if self.has_ended() {
            return None;
        }
        Some(Box::pin(async move {
            let told = failure.clone();
            let telling = ask(&self.actor, async move |handler: &H| {
                handler.on_error(cx, told.update(), told.error()).await;
                Ok(())
            });
            match telling.await {
                Some(Ok(())) => {}
                None => failure.log(),
                Some(Err(error)) => {
                    failure.log();
                    tracing::error!(%error, "on_error failed");
                }
            }
        }))
    }

    fn removed(&self) {
        self.removed.cancel();
    }
}

/// The actors of an account's event handlers; clones are one list.
#[derive(Clone, Default)]
pub(crate) struct EventActors(Arc<Mutex<Vec<ChildHandle>>>);

impl EventActors {
    fn add(&self, actor: ChildHandle) {
        self.retained(|all| all.push(actor));
    }

    /// Those that have not ended.
    pub(crate) fn all(&self) -> Vec<ChildHandle> {
        self.retained(|all| all.clone())
    }

    fn retained<T>(&self, then: impl FnOnce(&mut Vec<ChildHandle>) -> T) -> T {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|one| one.state() != ChildState::Finished);
        then(&mut all)
    }
}

/// A registered [`EventHandler`]. Dropping it changes nothing.
pub struct EventHandlerHandle<H: EventHandler> {
    registered: HandlerHandle,
    actor: Child<EventActor<H>>,
    cx: Cx,
}

impl<H: EventHandler> EventHandlerHandle<H> {
    /// The actor's address: the same through all restarts.
    pub fn addr(&self) -> &Addr<EventActor<H>> {
        self.actor.addr()
    }

    /// To watch, restart or end the actor. One that was ended handles nothing any more; the account goes on without it.
    pub fn actor(&self) -> ChildHandle {
        self.actor.handle()
    }

    /// Does something with the handler, on its thread: between and beside updates, as its own methods are.
    ///
    /// ```no_run
    /// # use std::cell::Cell; use actogram::prelude::*;
    /// # #[derive(Default)] struct Bot { handled: Cell<u32> }
    /// # impl EventHandler for Bot {}
    /// # async fn start(client: &Client) -> Result<()> {
    /// let bot = client.event_handler(Bot::default());
    /// let handled = bot.run(async |bot: &Bot, _cx: Cx| Ok(bot.handled.get())).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Those of `work`; [`Error::Panicked`] if it panics; [`Error::Engine`] if the actor has ended.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl AsyncFnOnce(&H, Cx) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let cx = self.cx.clone();
        let done = ask(&self.actor, async move |handler: &H| {
            work(handler, cx).await
        })
        .await;
        done.unwrap_or_else(|| {
            let path = self.actor.path();
            Err(Error::Engine(format!(
                "the event handler {path} has ended, so nothing reaches it any more"
            )))
        })
    }
}

impl Client {
    /// Handles updates with a value that has a method for each kind, whoever else handles them. It lives in an actor of its own,
    /// see [`EventActor`], and is kept when that is restarted.
    pub fn event_handler<H: EventHandler + Send>(&self, handler: H) -> EventHandlerHandle<H> {
        let make = move || {
            let handler = Rc::new(handler);
            move || handler.clone()
        };
        self.handle_events(make, |_| false)
    }

    /// As [`event_handler`](Self::event_handler), with a fresh value for each life of the actor, as what a failure left behind may
    /// be no good. Each value's `on_start` runs before anything else reaches it.
    ///
    /// ```no_run
    /// # use std::cell::RefCell; use actogram::prelude::*;
    /// # #[derive(Default)] struct Bot { open: RefCell<Vec<i64>> }
    /// # impl EventHandler for Bot {}
    /// # fn start(client: &Client) {
    /// let bot = client.event_handler_with(Bot::default);
    /// # }
    /// ```
    pub fn event_handler_with<H: EventHandler>(
        &self,
        mut make: impl FnMut() -> H + Send + 'static,
    ) -> EventHandlerHandle<H> {
        self.handle_events(move || move || Rc::new(make()), |life| life > 1)
    }

    fn handle_events<H: EventHandler, F: FnMut() -> Rc<H> + 'static>(
        &self,
        make: impl FnOnce() -> F + Send + 'static,
        starts_anew: fn(u64) -> bool,
    ) -> EventHandlerHandle<H> {
        let id = HandlerId::next();
        let cx = Cx::new(self.api(), self.dispatcher.addr().clone());
        let given = cx.clone();
        let described = supervise_made(move || {
            let mut make = make();
            let mut lives = 0;
            move |_: &mut SupervisedContext<EventActor<H>>| {
                let handler = make();
                lives += 1;
                EventActor {
                    handler,
                    cx: given.clone(),
                    starts_anew: starts_anew(lives).then_some(id),
                }
            }
        })
        .name(short_name::<H>())
        // So that a simulation's seed decides about the jitter of restarts, too.
        .seed(self.api.random_id().cast_unsigned());
        let actor = match self.engine().handler_arbiter() {
            Some(arbiter) => described.spawn_in(&arbiter),
            None => described.spawn(),
        };
        self.event_actors.add(actor.handle());
        let (ending, failures) = (actor.handle(), self.failures.clone());
        self.api.runtime().spawn(async move {
            let reason = ending.join().await;
            if reason.is_failure() {
                failures.report(&ending.path(), reason);
            }
        });
        EventHandlerHandle {
            registered: self.register_events(id, Events::new(actor.clone())),
            actor,
            cx,
        }
    }
}

/// The type's name without its modules and parameters.
fn short_name<T>() -> &'static str {
    let name = std::any::type_name::<T>();
    let name = name.split_once('<').map_or(name, |(name, _)| name);
    name.rsplit_once("::").map_or(name, |(_, name)| name)
}

impl<H: EventHandler> Deref for EventHandlerHandle<H> {
    type Target = HandlerHandle;

    fn deref(&self) -> &HandlerHandle {
        &self.registered
    }
}

impl<H: EventHandler> Clone for EventHandlerHandle<H> {
    fn clone(&self) -> Self {
        Self {
            registered: self.registered.clone(),
            actor: self.actor.clone(),
            cx: self.cx.clone(),
        }
    }
}

impl<H: EventHandler> std::fmt::Debug for EventHandlerHandle<H> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.actor.fmt(f)
    }
}

//! How a client is given handlers, and how they are taken away again.

use std::{fmt, rc::Rc};

use actix::{Addr, AsyncContext as _, Handler, Message, Recipient};

use tokio::task::spawn_local;

use super::{
    Cx, DispatcherActor, EventHandler, Failure, Handlers, IntoPropagation, NewUpdate, Next, Poller,
    Router,
    event_actor::Events,
    failure,
    handlers::{HandlerId, HandlerKind, Listed, Registration},
    middleware,
};
use crate::{Album, Client, Error, Msg, PeerRef, Result, Update, filters::Matcher};

impl Client {
    /// Handles every update with a closure, whoever else handles it.
    pub fn on_update(
        &self,
        handler: impl AsyncFn(Cx, Update) -> Result<()> + Send + 'static,
    ) -> HandlerHandle {
        self.register(Registration::on_update(handler))
    }

    /// Handles every new message of somebody else with a closure, whoever else handles it.
    pub fn on_message(
        &self,
        handler: impl AsyncFn(Cx, Msg) -> Result<()> + Send + 'static,
    ) -> HandlerHandle {
        self.register(Registration::on_message(handler))
    }

    /// Handles albums of somebody else, as a whole: once no further message of one has come for a moment (0.7 s), or its ten
    /// are there. Their messages are handled one by one as well, as far as other handlers take them; what is put around the
    /// handling ([`wrap`](Self::wrap)) sees the first message once more, for the album. Across a kill an album comes again as
    /// long as it was not handled.
    ///
    /// ```no_run
    /// use actogram::{Album, prelude::*};
    ///
    /// # fn register(client: Client) {
    /// client.on_album(async |_cx: Cx, album: Album| {
    ///     let count = album.messages().len();
    ///     match album.reply(format!("{count} pictures; you call them {}", album.caption().as_str())) {
    ///         Some(reply) => reply.await.map(drop),
    ///         None => Ok(()),
    ///     }
    /// });
    /// # }
    /// ```
    pub fn on_album(
        &self,
        handler: impl AsyncFn(Cx, Album) -> Result<()> + Send + 'static,
    ) -> HandlerHandle {
        self.register(Registration::on_album(handler))
    }

    /// Handles what a filter passes with a closure, which is given what the filter gives: see
    /// [`filters`](crate::filters). Of several such handlers the first that an update fits handles it, unless it says
    /// otherwise by a [`Propagation`](crate::Propagation): see [`Router`], which has groups besides.
    ///
    /// ```no_run
    /// use actogram::{filters::*, prelude::*};
    ///
    /// # fn register(client: Client) {
    /// client.on(incoming() & private() & command("start"), async |_cx: Cx, command: Command| {
    ///     command.reply(format!("hello; you gave {:?}", command.args())).await
    /// });
    /// # }
    /// ```
    pub fn on<M: Matcher, R: IntoPropagation + 'static>(
        &self,
        filter: M,
        handler: impl AsyncFn(Cx, M::Output) -> Result<R> + Send + 'static,
    ) -> HandlerHandle {
        self.router(Router::new().on(filter, handler))
    }

    /// Adds the handlers of a router.
    pub fn router(&self, router: Router) -> HandlerHandle {
        self.register(Registration::router(router))
    }

    /// The handlers there are: in the order in which an update is offered to them, then those whose `on_start` is not through.
    ///
    /// # Errors
    /// [`Error::Engine`] if the client has ended.
    pub async fn handlers(&self) -> Result<Vec<HandlerInfo>> {
        let dispatcher = self.dispatcher.addr().clone();
        let listed = dispatcher.send(ListHandlers).await;
        listed.map_err(|error| Error::Engine(format!("handlers cannot be listed: {error}")))
    }

    /// Puts this around the handling of every update, inside of what was put there before. `next.run(cx, update)` hands
    /// the update to the handlers; without it none sees the update, which counts as handled.
    ///
    /// ```no_run
    /// use actogram::{PeerId, prelude::*};
    ///
    /// # fn register(client: Client, banned: Vec<PeerId>) {
    /// client.wrap(async move |cx: Cx, update: Update, next: Next| {
    ///     if update.peer().is_some_and(|peer| banned.contains(&peer)) {
    ///         return Ok(Propagation::Stop);
    ///     }
    ///     next.run(cx, update).await
    /// });
    /// # }
    /// ```
    pub fn wrap<R: IntoPropagation + 'static>(
        &self,
        middleware: impl AsyncFn(Cx, Update, Next) -> Result<R> + Send + 'static,
    ) {
        self.change(move |handlers| handlers.wrap(Rc::new(middleware::Closure::new(middleware))));
    }

    /// Is told of errors and panics of handlers, with the update they cost. Those of an [`EventHandler`] go to its own
    /// `on_error` instead. As long as there is no such closure they are logged.
    pub fn on_error(&self, handler: impl AsyncFn(Cx, Failure) + Send + 'static) {
        self.change(move |handlers| handlers.on_error(Rc::new(failure::Closure(handler))));
    }

    /// Sends errors and panics of all handlers to this chat, besides what becomes of them otherwise. The same error is
    /// sent once within a minute, and at most ten different ones; the next report says how many were left out. A report
    /// names the update, and says nothing of its content unless the error's text does.
    pub fn report_errors_to(&self, chat: impl Into<PeerRef>) {
        let chat = chat.into();
        self.change(move |handlers| handlers.reports.borrow_mut().send_to(chat));
    }

    /// Keeps updates for a program that asks for them, from here on. There is one queue: what one poller left, the next
    /// one finds.
    pub fn poller(&self) -> Poller {
        Poller::new(self.api())
    }

    /// Tells an actor of every update.
    pub fn subscribe(&self, recipient: Recipient<NewUpdate>) {
        self.change(move |handlers| handlers.subscribe(recipient));
    }

    pub(super) fn register_events<H: EventHandler>(
        &self,
        id: HandlerId,
        events: Events<H>,
    ) -> HandlerHandle {
        self.register(Registration::events(id, events))
    }

    pub(super) fn register(&self, registration: Registration) -> HandlerHandle {
        let id = registration.id;
        let dispatcher = self.dispatcher.addr().clone();
        dispatcher.do_send(Register(registration));
        HandlerHandle { id, dispatcher }
    }

    fn change(&self, change: impl FnOnce(&Handlers) + Send + 'static) {
        self.dispatcher.addr().do_send(Change(Box::new(change)));
    }
}

/// What was registered at once. Dropping it changes nothing.
#[derive(Clone)]
pub struct HandlerHandle {
    id: HandlerId,
    dispatcher: Addr<DispatcherActor>,
}

impl HandlerHandle {
    /// Takes the handlers away: they see no update any more that comes from here on. What they are at goes on to its
    /// end. Once they are gone it does nothing.
    pub fn remove(&self) {
        self.dispatcher.do_send(Unregister(self.id));
    }
}

/// A handler that a client has; see [`Client::handlers`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct HandlerInfo {
    /// Takes it away, with all that was registered at once with it.
    pub handle: HandlerHandle,
    /// What it was registered as.
    pub kind: HandlerKind,
    /// The group it stands in; see [`Router`].
    pub group: i32,
    /// Its `on_start` is not through: no update is offered to it yet.
    pub starting: bool,
}

/// Asks for the list.
#[derive(Message)]
#[rtype(result = "Vec<HandlerInfo>")]
struct ListHandlers;

impl Handler<ListHandlers> for DispatcherActor {
    type Result = Vec<HandlerInfo>;

    fn handle(&mut self, ListHandlers: ListHandlers, ctx: &mut Self::Context) -> Vec<HandlerInfo> {
        let dispatcher = ctx.address();
        let info = |it: Listed| HandlerInfo {
            handle: HandlerHandle {
                id: it.id,
                dispatcher: dispatcher.clone(),
            },
            kind: it.kind,
            group: it.group,
            starting: it.starting,
        };
        self.handlers.list().into_iter().map(info).collect()
    }
}

impl fmt::Debug for HandlerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("HandlerHandle").field(&self.id).finish()
    }
}

/// Handlers to add.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Register(Registration);

impl Handler<Register> for DispatcherActor {
    type Result = ();

    fn handle(&mut self, Register(registration): Register, ctx: &mut Self::Context) {
        let starts = registration.starts;
        let entries = registration.install();
        if !starts {
            return self.handlers.add(entries);
        }
        let (handlers, cx) = (self.handlers.clone(), self.cx(ctx));
        handlers.announce(&entries);
        // `on_start` comes before the first update, so nothing is handled until it is through.
        self.queues
            .before_others(async move { handlers.start_and_add(entries, cx).await });
    }
}

/// Handlers to take away.
#[derive(Message)]
#[rtype(result = "()")]
struct Unregister(HandlerId);

impl Handler<Unregister> for DispatcherActor {
    type Result = ();

    fn handle(&mut self, Unregister(id): Unregister, _: &mut Self::Context) {
        self.handlers.remove(id);
    }
}

/// The `on_start` of a handler that was made anew failed.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct StartFailed {
    pub(super) id: HandlerId,
    pub(super) error: Error,
}

impl Handler<StartFailed> for DispatcherActor {
    type Result = ();

    fn handle(&mut self, StartFailed { id, error }: StartFailed, ctx: &mut Self::Context) {
        let (handlers, cx) = (self.handlers.clone(), self.cx(ctx));
        let entry = handlers.find(id);
        spawn_local(async move { handlers.failed(entry.as_deref(), &cx, None, error).await });
    }
}

/// Anything else about the handlers.
#[derive(Message)]
#[rtype(result = "()")]
struct Change(Box<dyn FnOnce(&Handlers) + Send>);

impl Handler<Change> for DispatcherActor {
    type Result = ();

    fn handle(&mut self, Change(change): Change, _: &mut Self::Context) {
        change(&self.handlers);
    }
}

//! Hands updates to handlers: one after another within a chat, side by side across chats.

mod albums;
mod conversation;
mod cx;
mod dialogue;
mod event_actor;
mod event_handler;
mod failure;
mod handlers;
mod middleware;
mod order;
mod poller;
mod propagation;
mod register;
mod reports;
mod router;
mod waits;
#[cfg(feature = "http")]
mod webhook;

pub use conversation::{Ask, AskError};
pub use cx::Cx;
pub(crate) use dialogue::current as current_state;
pub use dialogue::{State, StateError};
pub(crate) use event_actor::EventActors;
pub use event_actor::{EventActor, EventHandlerHandle};
pub use event_handler::EventHandler;
pub use failure::Failure;
pub use handlers::HandlerKind;
pub(crate) use handlers::Handlers;
pub use middleware::Next;
pub use order::Order;
pub(crate) use order::Queues;
pub(crate) use poller::PollQueue;
pub use poller::{GetUpdates, PollError, PolledUpdate, Poller};
pub use propagation::{IntoPropagation, Propagation};
pub use register::{HandlerHandle, HandlerInfo};
pub use router::Router;
#[cfg(feature = "http")]
pub use webhook::{Webhook, WebhookError};

use std::{future::Future, pin::Pin, rc::Rc, sync::Arc};

use albums::{AlbumKey, Albums, Gathered};

use actix::{AsyncContext, Handler, Message};
use actogram_actors::{DeliveredUpdate, Done, UpdateSink};
use actogram_runtime::SupervisedContext;

use crate::{Api, Update};

type LocalFuture<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// A new update, as an actix message for any [`Recipient`](actix::Recipient); see
/// [`Client::subscribe`](crate::Client::subscribe).
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct NewUpdate(pub Update);

/// The actor that runs an account's handlers, on the engine's handler thread.
pub(crate) struct DispatcherActor {
    api: Api,
    handlers: Rc<Handlers>,
    queues: Rc<Queues>,
    albums: Albums,
}

impl DispatcherActor {
    pub(crate) fn new(api: Api, handlers: Rc<Handlers>, queues: Rc<Queues>) -> Self {
        Self {
            api,
            handlers,
            queues,
            albums: Albums::default(),
        }
    }
}

impl actix::Actor for DispatcherActor {
    type Context = SupervisedContext<Self>;
}

/// An update from the account's streams.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Deliver(pub(crate) DeliveredUpdate);

impl Handler<Deliver> for DispatcherActor {
    type Result = ();

    fn handle(&mut self, Deliver(delivered): Deliver, ctx: &mut Self::Context) {
        let update = Update::new(self.api.clone(), delivered.update, delivered.id);
        let done = Arc::new(delivered.done);
        self.api.poll_queue().push(&update, &done);
        if self.handlers.want_albums() {
            self.gather(&update, &done, ctx);
        }
        self.enqueue(update, done, false, ctx);
    }
}

impl DispatcherActor {
    /// Keeps messages of an album until it is whole. They are handled one by one all the same.
    fn gather(
        &mut self,
        update: &Update,
        done: &Arc<Done>,
        ctx: &mut <Self as actix::Actor>::Context,
    ) {
        match self.albums.add(update, done) {
            None => {}
            Some(albums::Next::Whole(key)) => self.handle_album(key, ctx),
            Some(albums::Next::Wait(key, so_far)) => {
                ctx.run_later(albums::QUIET, move |actor, ctx| {
                    if actor.albums.count(key) == so_far {
                        actor.handle_album(key, ctx);
                    }
                });
            }
        }
    }

    fn handle_album(&mut self, key: AlbumKey, ctx: &<Self as actix::Actor>::Context) {
        let Some(Gathered { album, first, held }) = self.albums.take(key) else {
            return;
        };
        let (handlers, cx) = (self.handlers.clone(), self.cx(ctx).at(&first));
        self.queues.push_album(key.0, async move {
            handlers.handle_album(&cx, album, first).await;
            drop(held);
        });
    }

    fn cx(&self, ctx: &<Self as actix::Actor>::Context) -> Cx {
        Cx::new(self.api.clone(), ctx.address())
    }

    /// Hands the update to handlers when it has its turn. One that a conversation gave back comes first, and is not told
    /// to subscribers again.
    fn enqueue(
        &mut self,
        update: Update,
        done: Arc<Done>,
        given_back: bool,
        ctx: &mut <Self as actix::Actor>::Context,
    ) {
        let (handlers, cx) = (self.handlers.clone(), self.cx(ctx).at(&update));
        let (handled, held) = (update.clone(), done.clone());
        let taken = self.queues.push(update, done, given_back, async move {
            if !given_back {
                handlers.tell(&handled);
            }
            handlers.handle(&cx, handled).await;
            // Only now may the stored position pass this update: a kill before this line brings it again.
            drop(held);
        });
        if let Some(answer) = taken
            && !given_back
        {
            self.handlers.tell(&answer);
        }
    }
}

/// The time to handle updates is over: those that wait are dropped.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Close;

impl Handler<Close> for DispatcherActor {
    type Result = ();

    fn handle(&mut self, Close: Close, _: &mut Self::Context) {
        self.queues.close();
    }
}

/// Where the account's streams put their updates.
pub(crate) struct DispatcherSink(pub(crate) actix::Addr<DispatcherActor>);

impl UpdateSink for DispatcherSink {
    fn deliver(&self, update: DeliveredUpdate) {
        // Bounded by the stream: it holds back once too many updates are not yet done.
        self.0.do_send(Deliver(update));
    }
}

//! Hands updates to handlers: one after another within a chat, side by side across chats.

mod cx;
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
#[cfg(feature = "http")]
mod webhook;

pub use cx::Cx;
pub use event_handler::EventHandler;
pub use failure::Failure;
pub(crate) use handlers::Handlers;
pub use middleware::Next;
pub use order::Order;
pub(crate) use order::Queues;
pub(crate) use poller::PollQueue;
pub use poller::{GetUpdates, PollError, PolledUpdate, Poller};
pub use propagation::{IntoPropagation, Propagation};
pub use register::HandlerHandle;
pub use router::Router;
#[cfg(feature = "http")]
pub use webhook::{Webhook, WebhookError};

use std::{future::Future, pin::Pin, rc::Rc, sync::Arc};

use actix::{Handler, Message};
use actogram_actors::{DeliveredUpdate, UpdateSink};
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
    cx: Cx,
    handlers: Rc<Handlers>,
    queues: Rc<Queues>,
}

impl DispatcherActor {
    pub(crate) fn new(api: Api, handlers: Rc<Handlers>, queues: Rc<Queues>) -> Self {
        Self {
            cx: Cx::new(api),
            handlers,
            queues,
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

    fn handle(&mut self, Deliver(delivered): Deliver, _: &mut Self::Context) {
        let update = Update::new(self.cx.api().clone(), delivered.update, delivered.id);
        let done = Arc::new(delivered.done);
        self.cx.api().poll_queue().push(&update, &done);
        let (handlers, cx) = (self.handlers.clone(), self.cx.clone());
        let chat = update.peer();
        self.queues.push(chat, async move {
            handlers.handle(&cx, update).await;
            // Only now may the stored position pass this update: a kill before this line brings it again.
            drop(done);
        });
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

//! Hands updates to handlers: one after another within a chat, side by side across chats.

mod cx;
mod event_handler;
mod handlers;
mod order;

pub use cx::Cx;
pub use event_handler::EventHandler;
pub(crate) use handlers::{Handlers, Registration};
pub use order::Order;
pub(crate) use order::Queues;

use std::rc::Rc;

use actix::{Handler, Message};
use actogram_actors::{DeliveredUpdate, UpdateSink};
use actogram_runtime::SupervisedContext;

use crate::{Api, Update};

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
        let (handlers, cx, done) = (self.handlers.clone(), self.cx.clone(), delivered.done);
        let chat = update.peer();
        self.queues.push(chat, async move {
            handlers.handle(&cx, update).await;
            // Only now may the stored position pass this update: a kill before this line brings it again.
            done.done();
        });
    }
}

/// A handler to add.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Register(pub(crate) Registration);

impl Handler<Register> for DispatcherActor {
    type Result = ();

    fn handle(&mut self, Register(registration): Register, _: &mut Self::Context) {
        let (handlers, cx) = (self.handlers.clone(), self.cx.clone());
        // `on_start` comes before the first update, so nothing is handled until it is through.
        self.queues
            .barrier(async move { handlers.register(registration, cx).await });
    }
}

/// A recipient to tell of every update.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Subscribe(pub(crate) actix::Recipient<NewUpdate>);

impl Handler<Subscribe> for DispatcherActor {
    type Result = ();

    fn handle(&mut self, Subscribe(recipient): Subscribe, _: &mut Self::Context) {
        self.handlers.subscribe(recipient);
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

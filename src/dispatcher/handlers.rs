//! The handlers an account has, of whatever form, behind one face.

use std::{any::Any, cell::RefCell, future::Future, panic::AssertUnwindSafe, pin::Pin, rc::Rc};

use actix::Recipient;
use futures_util::FutureExt;

use super::{Cx, EventHandler, NewUpdate};
use crate::{Error, Msg, Result, Update};

type LocalFuture<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// A handler, whatever it was registered as.
trait Handle {
    fn start<'a>(&'a self, _cx: Cx) -> LocalFuture<'a, Result<()>> {
        Box::pin(async { Ok(()) })
    }
    fn handle<'a>(&'a self, cx: Cx, update: Update) -> LocalFuture<'a, Result<()>>;
    fn failed<'a>(
        &'a self,
        _cx: Cx,
        update: Option<&'a Update>,
        error: &'a Error,
    ) -> LocalFuture<'a, ()> {
        Box::pin(async move {
            tracing::error!(%error, dedupe_id = ?update.map(Update::dedupe_id), "a handler failed");
        })
    }
}

struct OnUpdate<F>(F);

impl<F: AsyncFn(Cx, Update) -> Result<()>> Handle for OnUpdate<F> {
    fn handle<'a>(&'a self, cx: Cx, update: Update) -> LocalFuture<'a, Result<()>> {
        Box::pin((self.0)(cx, update))
    }
}

struct OnMessage<F>(F);

impl<F: AsyncFn(Cx, Msg) -> Result<()>> Handle for OnMessage<F> {
    fn handle<'a>(&'a self, cx: Cx, update: Update) -> LocalFuture<'a, Result<()>> {
        match update.message() {
            Some(message) if !message.outgoing() && !message.is_edit() => {
                Box::pin((self.0)(cx, message))
            }
            _ => Box::pin(async { Ok(()) }),
        }
    }
}

struct Events<H>(H);

impl<H: EventHandler> Handle for Events<H> {
    fn start<'a>(&'a self, cx: Cx) -> LocalFuture<'a, Result<()>> {
        Box::pin(self.0.on_start(cx))
    }
    fn handle<'a>(&'a self, cx: Cx, update: Update) -> LocalFuture<'a, Result<()>> {
        Box::pin(self.0.on_any(cx, update))
    }
    fn failed<'a>(
        &'a self,
        cx: Cx,
        update: Option<&'a Update>,
        error: &'a Error,
    ) -> LocalFuture<'a, ()> {
        Box::pin(self.0.on_error(cx, update, error))
    }
}

/// One registration, on its way to the thread where handlers run.
pub(crate) struct Registration(Box<dyn FnOnce() -> Rc<dyn Handle> + Send>);

impl Registration {
    pub(crate) fn on_update(
        handler: impl AsyncFn(Cx, Update) -> Result<()> + Send + 'static,
    ) -> Self {
        Self(Box::new(move || Rc::new(OnUpdate(handler))))
    }

    pub(crate) fn on_message(
        handler: impl AsyncFn(Cx, Msg) -> Result<()> + Send + 'static,
    ) -> Self {
        Self(Box::new(move || Rc::new(OnMessage(handler))))
    }

    pub(crate) fn events(handler: impl EventHandler + Send) -> Self {
        Self(Box::new(move || Rc::new(Events(handler))))
    }
}

/// The handlers and subscribers of one account. It lives on the handlers' thread and outlives restarts of its actor.
#[derive(Default)]
pub(crate) struct Handlers {
    handlers: RefCell<Vec<Rc<dyn Handle>>>,
    subscribers: RefCell<Vec<Recipient<NewUpdate>>>,
}

impl Handlers {
    pub(crate) async fn register(&self, registration: Registration, cx: Cx) {
        let handler = (registration.0)();
        if let Err(error) = guarded(async { handler.start(cx.clone()).await }).await {
            report(&*handler, cx, None, &error).await;
        }
        self.handlers.borrow_mut().push(handler);
    }

    pub(crate) fn subscribe(&self, recipient: Recipient<NewUpdate>) {
        self.subscribers.borrow_mut().push(recipient);
    }

    /// Hands the update to everyone, one after the other. A failure of one is reported to it and stops nobody.
    pub(crate) async fn handle(&self, cx: &Cx, update: Update) {
        self.subscribers
            .borrow_mut()
            .retain(|subscriber| subscriber.connected());
        let subscribers = self.subscribers.borrow().clone();
        for subscriber in subscribers {
            subscriber.do_send(NewUpdate(update.clone()));
        }
        let handlers = self.handlers.borrow().clone();
        for handler in handlers {
            if let Err(error) =
                guarded(async { handler.handle(cx.clone(), update.clone()).await }).await
            {
                report(&*handler, cx.clone(), Some(&update), &error).await;
            }
        }
    }
}

async fn report(handler: &dyn Handle, cx: Cx, update: Option<&Update>, error: &Error) {
    let reported = AssertUnwindSafe(handler.failed(cx, update, error))
        .catch_unwind()
        .await;
    if let Err(panic) = reported {
        tracing::error!(panic = panic_text(&*panic), "on_error panicked");
    }
}

async fn guarded(handling: impl Future<Output = Result<()>>) -> Result<()> {
    AssertUnwindSafe(handling)
        .catch_unwind()
        .await
        .unwrap_or_else(|panic| Err(Error::Panicked(panic_text(&*panic).to_owned())))
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic without a text")
}

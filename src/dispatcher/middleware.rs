//! What programs put around the handling of updates.

use std::{fmt, marker::PhantomData, rc::Rc};

use super::{Cx, IntoPropagation, LocalFuture, Propagation};
use crate::{Result, Update};

type Run = Box<dyn FnOnce(Cx, Update) -> LocalFuture<'static, Result<Propagation>>>;

/// What a middleware is around: the next middleware, or handlers. Without [`run`](Self::run) they do not see the update.
#[must_use = "without `run` nobody handles the update"]
pub struct Next(Run);

impl Next {
    pub(super) fn new(
        run: impl FnOnce(Cx, Update) -> LocalFuture<'static, Result<Propagation>> + 'static,
    ) -> Self {
        Self(Box::new(run))
    }

    /// Goes on with this context and this update, which need not be the ones that came.
    ///
    /// # Errors
    /// Around the handlers of a [`Router`](crate::Router): the handler's error. Around all handlers of a client: those
    /// of further middlewares; errors of handlers went to `on_error` by then.
    pub async fn run(self, cx: Cx, update: Update) -> Result<Propagation> {
        (self.0)(cx, update).await
    }
}

impl fmt::Debug for Next {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Next").finish_non_exhaustive()
    }
}

pub(super) trait Middleware {
    fn handle<'a>(
        &'a self,
        cx: Cx,
        update: Update,
        next: Next,
    ) -> LocalFuture<'a, Result<Propagation>>;
}

pub(super) struct Closure<F, R> {
    call: F,
    gives: PhantomData<fn() -> R>,
}

impl<F, R> Closure<F, R> {
    pub(super) fn new(call: F) -> Self {
        Self {
            call,
            gives: PhantomData,
        }
    }
}

impl<F: AsyncFn(Cx, Update, Next) -> Result<R>, R: IntoPropagation> Middleware for Closure<F, R> {
    fn handle<'a>(
        &'a self,
        cx: Cx,
        update: Update,
        next: Next,
    ) -> LocalFuture<'a, Result<Propagation>> {
        let handling = (self.call)(cx, update, next);
        Box::pin(async move { handling.await.map(IntoPropagation::into_propagation) })
    }
}

/// Runs `last` inside of these, the first outermost.
pub(super) fn run_inside(
    middlewares: &[Rc<dyn Middleware>],
    cx: Cx,
    update: Update,
    last: Next,
) -> LocalFuture<'static, Result<Propagation>> {
    let whole = middlewares
        .iter()
        .rev()
        .cloned()
        .fold(last, |next, middleware| {
            Next::new(move |cx, update| {
                Box::pin(async move { middleware.handle(cx, update, next).await })
            })
        });
    (whole.0)(cx, update)
}

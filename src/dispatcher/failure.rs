//! A handler that failed, and who is told.

use std::sync::Arc;

use super::{Cx, LocalFuture};
use crate::{Error, Update};

/// An error or a panic of a handler. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Failure {
    update: Option<Update>,
    error: Arc<Error>,
}

impl Failure {
    pub(super) fn new(update: Option<Update>, error: Error) -> Self {
        Self {
            update,
            error: Arc::new(error),
        }
    }

    /// The update it cost. `None` if it happened in [`on_start`](crate::EventHandler::on_start).
    pub fn update(&self) -> Option<&Update> {
        self.update.as_ref()
    }

    /// What happened; a panic is [`Error::Panicked`].
    pub fn error(&self) -> &Error {
        &self.error
    }

    pub(super) fn log(&self) {
        let dedupe_id = self.update().map(Update::dedupe_id);
        tracing::error!(error = %self.error, ?dedupe_id, "a handler failed");
    }
}

pub(super) trait OnError {
    fn call<'a>(&'a self, cx: Cx, failure: Failure) -> LocalFuture<'a, ()>;
}

pub(super) struct Closure<F>(pub(super) F);

impl<F: AsyncFn(Cx, Failure)> OnError for Closure<F> {
    fn call<'a>(&'a self, cx: Cx, failure: Failure) -> LocalFuture<'a, ()> {
        Box::pin((self.0)(cx, failure))
    }
}

//! Where errors go that nobody awaits.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use tokio::sync::Notify;

use crate::ExitReason;

/// What becomes of an error that nobody awaits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Escalation {
    /// It surfaces: whoever waits for [`Failures::surfaced`] (the program's main loop) gets the first one.
    Exit,
    /// It is logged and counted.
    #[default]
    Report,
}

/// An error that surfaced, and from where.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{who}: {reason}")]
#[non_exhaustive]
pub struct Failure {
    /// The loop, or the place where the strand was forked.
    pub who: String,
    /// What happened.
    pub reason: ExitReason,
}

#[derive(Default)]
struct Inner {
    first: Mutex<Option<Failure>>,
    count: AtomicU64,
    surfaced: Notify,
}

/// A collector of errors that nobody awaits; cheap to clone, all clones are one.
#[derive(Clone, Default)]
pub struct Failures {
    inner: Arc<Inner>,
    escalation: Escalation,
}

impl std::fmt::Debug for Failures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Failures")
            .field("escalation", &self.escalation)
            .field("count", &self.count())
            .finish()
    }
}

impl Failures {
    /// A collector with this policy.
    #[must_use]
    pub fn new(escalation: Escalation) -> Self {
        Self {
            inner: Arc::default(),
            escalation,
        }
    }

    /// The same collector under another policy: for one loop or call that differs from the rest.
    #[must_use]
    pub fn with(&self, escalation: Escalation) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
            escalation,
        }
    }

    /// Hands an error in.
    pub fn report(&self, who: &str, reason: ExitReason) {
        self.inner.count.fetch_add(1, Ordering::Relaxed);
        match self.escalation {
            Escalation::Report => tracing::error!(%who, %reason, "an error that nobody awaits"),
            Escalation::Exit => {
                tracing::error!(%who, %reason, "an error surfaces");
                self.inner
                    .first
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .get_or_insert_with(|| Failure {
                        who: who.to_owned(),
                        reason,
                    });
                self.inner.surfaced.notify_waiters();
            }
        }
    }

    /// Errors handed in so far, under either policy.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.inner.count.load(Ordering::Relaxed)
    }

    /// The first error that surfaces, taken out.
    pub async fn surfaced(&self) -> Failure {
        loop {
            let notified = self.inner.surfaced.notified();
            tokio::pin!(notified);
            notified.as_mut().enable();
            let first = self
                .inner
                .first
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take();
            if let Some(failure) = first {
                return failure;
            }
            notified.await;
        }
    }
}

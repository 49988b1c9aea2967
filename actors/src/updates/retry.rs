//! When a request that failed is made again.

use std::time::Duration;

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);

/// Pauses that double with each failure.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Retry {
    failures: u32,
    at: Option<Duration>,
}

impl Retry {
    pub(super) fn failed(&mut self, now: Duration) {
        let pause = (FIRST * 2_u32.pow(self.failures.min(8))).min(LONGEST);
        self.failures += 1;
        self.at = Some(now + pause);
    }

    /// It was answered.
    pub(super) fn over(&mut self) {
        *self = Self::default();
    }

    /// When the next one may be made, if there is a pause.
    pub(super) fn at(&self) -> Option<Duration> {
        self.at
    }

    pub(super) fn may(&self, now: Duration) -> bool {
        self.at.is_none_or(|at| at <= now)
    }
}

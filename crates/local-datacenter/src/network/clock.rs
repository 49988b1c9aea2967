//! The datacenter's clock, which tests may skew.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use actogram_mtproto::Now;
use tokio::time::Instant;

use crate::operator::UnixClock;

/// Unix time from the outside, monotonic time from tokio.
#[derive(Clone)]
pub struct Clock {
    unix: UnixClock,
    skew: Arc<AtomicI64>,
    origin: Instant,
}

impl Clock {
    pub(crate) fn new(unix: UnixClock) -> Self {
        Self {
            unix,
            skew: Arc::default(),
            origin: Instant::now(),
        }
    }

    /// Moves the wall clock by this many seconds from what the outside says.
    pub fn set_skew(&self, seconds: i64) {
        self.skew.store(seconds, Ordering::Relaxed);
    }

    pub(crate) fn unix(&self) -> Duration {
        let (outside, skew) = ((self.unix)(), self.skew.load(Ordering::Relaxed));
        let by = Duration::from_secs(skew.unsigned_abs());
        if skew < 0 {
            outside.saturating_sub(by)
        } else {
            outside + by
        }
    }

    pub(crate) fn now(&self) -> Now {
        Now {
            monotonic: self.origin.elapsed(),
            unix: self.unix(),
        }
    }

    /// The tokio instant of a point on the monotonic scale of [`Clock::now`].
    pub(crate) fn instant(&self, monotonic: Duration) -> Instant {
        self.origin + monotonic
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clock")
            .field("skew", &self.skew)
            .finish_non_exhaustive()
    }
}

//! Where the wall clock's time comes from.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A wall clock. It may be wrong and may jump: sessions follow the server's time and use this one for the start only.
pub trait Clock: Send + Sync + 'static {
    /// The time since 1970.
    fn unix(&self) -> Duration;
}

/// The system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn unix(&self) -> Duration {
        // Before 1970 is as wrong as 1970: the server's time corrects both.
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
    }
}

impl<F: Fn() -> Duration + Send + Sync + 'static> Clock for F {
    fn unix(&self) -> Duration {
        self()
    }
}

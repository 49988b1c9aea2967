//! The time, as the protocol needs it: handed in, never read.

use std::time::Duration;

/// One instant, seen by two clocks.
///
/// Timers and round trips are measured on [`monotonic`](Now::monotonic); message ids, salts and the
/// expiry of keys need [`unix`](Now::unix). The state machines of this crate never read a clock: the
/// caller reads both at the same moment and hands them to every `handle_*` and `poll_*` function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Time since an arbitrary but fixed origin; never runs backwards. Deadlines returned by
    /// `poll_timeout` are on this scale.
    pub monotonic: Duration,
    /// Time since 1970-01-01 00:00 UTC. May jump in either direction and may be plainly wrong: the
    /// difference to the server's time is learned in the key exchange.
    pub unix: Duration,
}

impl Now {
    /// Both clocks moved on by `by`.
    #[must_use]
    pub fn advanced(self, by: Duration) -> Self {
        Self {
            monotonic: self.monotonic.saturating_add(by),
            unix: self.unix.saturating_add(by),
        }
    }

    /// Whole seconds since 1970.
    #[must_use]
    pub fn unix_seconds(self) -> i64 {
        i64::try_from(self.unix.as_secs()).unwrap_or(i64::MAX)
    }
}

//! When and where to connect next: back-off, limits, and addresses in turn.

use std::{collections::VecDeque, time::Duration};

use crate::config::{ConnectLimits, DatacenterAddress};

/// The pause after the first failure, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Decides when the next attempt may begin, and where.
///
/// ```text
///             lost (it had worked): no pause, limits of `working`
///          ┌─────────────────────────────────────────────┐
///          ▼                                             │
///       Ready ──── begin ────► under way ── worked ───► Good
///          ▲                       │
///          └── failed: pause doubled, limits of `failing`, next address
/// ```
#[derive(Debug)]
pub(super) struct Dialer {
    limits: ConnectLimits,
    addresses: Vec<DatacenterAddress>,
    next: usize,
    /// Attempts in a row that led to nothing.
    failures: u32,
    /// When the present pause ends.
    paused_until: Duration,
    /// When attempts began, the latest last.
    attempts: VecDeque<Duration>,
}

impl Dialer {
    pub(super) fn new(addresses: Vec<DatacenterAddress>, limits: ConnectLimits) -> Self {
        Self {
            limits,
            addresses,
            next: 0,
            failures: 0,
            paused_until: Duration::ZERO,
            attempts: VecDeque::new(),
        }
    }

    /// When the next attempt may begin.
    pub(super) fn ready_at(&self) -> Duration {
        let limits = if self.failures == 0 {
            &self.limits.working
        } else {
            &self.limits.failing
        };
        limits
            .iter()
            .filter_map(|(count, span)| {
                let nth = self.attempts.len().checked_sub((*count).max(1))?;
                self.attempts.get(nth).map(|began| *began + *span)
            })
            .fold(self.paused_until, Duration::max)
    }

    /// An attempt begins: where. `None` if there is no address.
    pub(super) fn begin(&mut self, now: Duration) -> Option<DatacenterAddress> {
        let address = self
            .addresses
            .get(self.next % self.addresses.len().max(1))
            .cloned()?;
        self.attempts.push_back(now);
        let most = self
            .limits
            .failing
            .iter()
            .chain(&self.limits.working)
            .map(|(count, _)| *count)
            .max();
        while self.attempts.len() > most.unwrap_or(0) {
            self.attempts.pop_front();
        }
        Some(address)
    }

    /// The attempt led to nothing. `jitter` is between 0 and 1.
    pub(super) fn failed(&mut self, now: Duration, jitter: f64) {
        let doublings = self.failures.min(16);
        self.failures += 1;
        self.next = self.next.wrapping_add(1);
        let pause = (FIRST_PAUSE * 2_u32.pow(doublings)).min(LONGEST_PAUSE);
        self.paused_until = now + pause.mul_f64(0.8 + 0.4 * jitter.clamp(0.0, 1.0));
    }

    /// The other side has proven that it knows the key.
    pub(super) fn worked(&mut self) {
        self.failures = 0;
        self.paused_until = Duration::ZERO;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    fn dialer() -> Dialer {
        let addresses = vec![
            DatacenterAddress::new(2, "a", 1),
            DatacenterAddress::new(2, "b", 2),
        ];
        Dialer::new(addresses, ConnectLimits::default())
    }

    /// Begins as early as allowed; gives when.
    fn attempt(dialer: &mut Dialer, now: &mut Duration) -> Duration {
        *now = dialer.ready_at().max(*now);
        assert!(dialer.begin(*now).is_some());
        *now
    }

    #[test]
    fn failing_attempts_stay_within_tdlibs_limits() {
        let (mut dialer, mut now) = (dialer(), Duration::ZERO);
        let mut began = Vec::new();
        for _ in 0..40 {
            began.push(attempt(&mut dialer, &mut now));
            dialer.failed(now, 0.0);
        }
        for (count, span) in [(1, 1.0), (2, 4.0), (3, 8.0)] {
            // The first failure is not yet known when the first attempt begins.
            for window in began[1..].windows(count + 1) {
                assert!(
                    window[count] - window[0] >= seconds(span),
                    "{window:?} within {span}"
                );
            }
        }
        let last = began[39] - began[38];
        assert!(
            (seconds(24.0)..=seconds(36.0)).contains(&last),
            "the pause is capped: {last:?}"
        );
    }

    #[test]
    fn the_pause_doubles_and_has_jitter() {
        let mut dialer = Dialer::new(
            Vec::new(),
            ConnectLimits {
                failing: Vec::new(),
                working: Vec::new(),
            },
        );
        for (jitter, expected) in [(0.5, 0.25), (0.5, 0.5), (0.0, 0.8), (1.0, 2.4)] {
            dialer.failed(Duration::ZERO, jitter);
            assert_eq!(dialer.ready_at(), seconds(expected));
        }
        dialer.worked();
        assert_eq!(dialer.ready_at(), Duration::ZERO);
        assert_eq!(
            dialer.begin(Duration::ZERO).map(|address| address.port),
            None
        );
    }

    #[test]
    fn a_connection_that_worked_is_replaced_at_once_but_not_without_end() {
        let (mut dialer, mut now) = (dialer(), seconds(100.0));
        let mut began = Vec::new();
        for _ in 0..10 {
            began.push(attempt(&mut dialer, &mut now));
            dialer.worked();
        }
        assert_eq!(began[3], seconds(100.0), "four at once");
        for window in began.windows(6) {
            assert!(window[5] - window[0] >= seconds(5.0), "{window:?}");
        }
    }

    #[test]
    fn addresses_take_turns_while_they_fail() {
        let (mut dialer, mut now) = (dialer(), Duration::ZERO);
        let mut ports = Vec::new();
        for _ in 0..4 {
            now = dialer.ready_at().max(now);
            ports.extend(dialer.begin(now).map(|address| address.port));
            dialer.failed(now, 0.5);
        }
        assert_eq!(ports, [1, 2, 1, 2]);
        dialer.worked();
        ports.extend(dialer.begin(seconds(999.0)).map(|address| address.port));
        ports.extend(dialer.begin(seconds(999.0)).map(|address| address.port));
        assert_eq!(ports[4..], [1, 1], "one that works is kept");
    }
}

//! When and where to connect next: back-off, limits, and addresses in turn.

use std::{collections::VecDeque, time::Duration};

use actogram_mtproto::transport::Kind;

use crate::config::{ConnectLimits, DatacenterAddress};

/// The pause after the first failure, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// How often in a row each address must be reached in vain before another transport is tried.
const ROUNDS: u32 = 3;

/// How payloads are framed, and whether the stream is made to look random.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Way {
    pub(crate) transport: Kind,
    pub(crate) obfuscated: bool,
}

impl Way {
    /// What is tried in turn: what is asked for, then what looks like something else on the way. Nobody who wants to look
    /// random is made to look otherwise.
    pub(crate) fn all(transport: Kind, obfuscated: bool) -> Vec<Self> {
        let asked = Self {
            transport,
            obfuscated: obfuscated && transport.supports_obfuscation(),
        };
        let others = [Kind::PaddedIntermediate, Kind::Intermediate, Kind::Abridged];
        let others = others.map(|transport| Self {
            transport,
            obfuscated: true,
        });
        let others = others.into_iter().filter(|other| *other != asked);
        [asked].into_iter().chain(others).collect()
    }
}

/// Decides when the next attempt may begin, where, and how.
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
    ways: Vec<Way>,
    way: usize,
    /// Streams in a row over which nothing came of this way.
    in_vain: u32,
    /// Attempts in a row that led to nothing.
    failures: u32,
    /// When the present pause ends.
    paused_until: Duration,
    /// When attempts began, the latest last.
    attempts: VecDeque<Duration>,
}

impl Dialer {
    /// `ways` are tried in turn, of which there is one at least.
    pub(super) fn new(
        addresses: Vec<DatacenterAddress>,
        ways: Vec<Way>,
        limits: ConnectLimits,
    ) -> Self {
        Self {
            limits,
            addresses,
            next: 0,
            ways,
            way: 0,
            in_vain: 0,
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

    /// Other addresses are known now. The one in use stays so, if it is among them.
    pub(super) fn set_addresses(&mut self, addresses: Vec<DatacenterAddress>) {
        let present = self.next % self.addresses.len().max(1);
        let same = self.addresses.get(present).and_then(|present| {
            let same = |it: &DatacenterAddress| it.host == present.host && it.port == present.port;
            addresses.iter().position(same)
        });
        self.next = same.unwrap_or(0);
        self.addresses = addresses;
    }

    /// An attempt begins: where, and how. `None` if there is no address.
    pub(super) fn begin(&mut self, now: Duration) -> Option<(DatacenterAddress, Way)> {
        let address = self
            .addresses
            .get(self.next % self.addresses.len().max(1))
            .cloned()?;
        let way = *self.ways.get(self.way % self.ways.len().max(1))?;
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
        Some((address, way))
    }

    /// The attempt led to nothing. `jitter` is between 0 and 1.
    pub(super) fn failed(&mut self, now: Duration, jitter: f64) {
        let doublings = self.failures.min(16);
        self.failures += 1;
        self.next = self.next.wrapping_add(1);
        let pause = (FIRST_PAUSE * 2_u32.pow(doublings)).min(LONGEST_PAUSE);
        self.paused_until = now + pause.mul_f64(0.8 + 0.4 * jitter.clamp(0.0, 1.0));
    }

    /// The stream was there, and nothing that was said over it was understood, or let through.
    pub(super) fn was_mute(&mut self) {
        self.in_vain += 1;
        let enough = u32::try_from(self.addresses.len()).unwrap_or(u32::MAX);
        if self.in_vain >= enough.saturating_mul(ROUNDS) {
            self.in_vain = 0;
            self.way = self.way.wrapping_add(1);
        }
    }

    /// The other side has proven that it knows the key.
    pub(super) fn worked(&mut self) {
        self.failures = 0;
        self.in_vain = 0;
        self.paused_until = Duration::ZERO;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    fn ways() -> Vec<Way> {
        Way::all(Kind::Intermediate, true)
    }

    fn dialer() -> Dialer {
        let addresses = vec![
            DatacenterAddress::new(2, "a", 1),
            DatacenterAddress::new(2, "b", 2),
        ];
        Dialer::new(addresses, ways(), ConnectLimits::default())
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
            ways(),
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
            dialer
                .begin(Duration::ZERO)
                .map(|(address, _)| address.port),
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
            ports.extend(dialer.begin(now).map(|(address, _)| address.port));
            dialer.failed(now, 0.5);
        }
        assert_eq!(ports, [1, 2, 1, 2]);
        dialer.worked();
        ports.extend(
            dialer
                .begin(seconds(999.0))
                .map(|(address, _)| address.port),
        );
        ports.extend(
            dialer
                .begin(seconds(999.0))
                .map(|(address, _)| address.port),
        );
        assert_eq!(ports[4..], [1, 1], "one that works is kept");
    }

    #[test]
    fn transports_take_turns_where_nothing_comes_of_them_and_one_that_works_is_kept() {
        let (mut dialer, mut now) = (dialer(), Duration::ZERO);
        let mut tried = Vec::new();
        for _ in 0..14 {
            now = dialer.ready_at().max(now);
            tried.extend(dialer.begin(now).map(|(_, way)| way));
            dialer.failed(now, 0.5);
            dialer.was_mute();
        }
        let way = |transport| Way {
            transport,
            obfuscated: true,
        };
        assert_eq!(tried[..6], [way(Kind::Intermediate); 6], "each thrice");
        assert_eq!(tried[6..12], [way(Kind::PaddedIntermediate); 6]);
        assert_eq!(tried[12..], [way(Kind::Abridged); 2]);
        dialer.worked();
        // Five of six; and where nobody can be reached at all, no transport is at fault.
        for _ in 0..100 {
            dialer.failed(seconds(9999.0), 0.5);
        }
        for _ in 0..5 {
            let begun = dialer.begin(seconds(9999.0)).map(|(_, way)| way);
            assert_eq!(begun, Some(way(Kind::Abridged)));
            dialer.failed(seconds(9999.0), 0.5);
            dialer.was_mute();
        }
    }

    #[test]
    fn what_is_asked_for_comes_first_and_nothing_shows_more_than_that() {
        for transport in Kind::ALL {
            for obfuscated in [true, false] {
                let ways = Way::all(transport, obfuscated);
                let hidden = obfuscated && transport.supports_obfuscation();
                assert_eq!(ways[0].transport, transport);
                assert_eq!(ways[0].obfuscated, hidden);
                assert!(ways[1..].iter().all(|way| way.obfuscated));
                assert!(!ways[1..].contains(&ways[0]));
            }
        }
    }

    #[test]
    fn the_address_in_use_is_kept_when_others_are_told() {
        let (mut dialer, now) = (dialer(), Duration::ZERO);
        dialer.failed(now, 0.5);
        let address = |host: &str, port| DatacenterAddress::new(2, host, port);
        dialer.set_addresses(vec![address("c", 3), address("a", 1), address("b", 2)]);
        assert_eq!(dialer.begin(now).map(|(it, _)| it.port), Some(2));
        dialer.set_addresses(vec![address("d", 4), address("a", 1)]);
        assert_eq!(dialer.begin(now).map(|(it, _)| it.port), Some(4));
    }
}

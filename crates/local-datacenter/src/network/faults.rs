//! Faults on the wire, each ordered by name.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From client to datacenter.
    ToServer,
    /// From datacenter to client.
    ToClient,
}

/// What befalls one connection. Ordered faults are taken one each by the connections that open after the order.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum WireFault {
    /// The connection ends after this many bytes in one direction.
    CutAfter {
        /// The direction that is counted.
        direction: Direction,
        /// How many bytes pass before.
        bytes: u64,
    },
    /// The byte at this offset has its lowest bit flipped.
    Corrupt {
        /// The direction it travels in.
        direction: Direction,
        /// Its offset in that direction.
        offset: u64,
    },
    /// From this many bytes on nothing passes any more in one direction, and the connection stays open.
    BlackHole {
        /// The direction that falls silent.
        direction: Direction,
        /// How many bytes pass before.
        bytes: u64,
    },
    /// Bytes to the client pass at most this many at a time, with the pause between.
    Throttle {
        /// Bytes at a time, at least one.
        bytes: usize,
        /// The pause.
        pause: Duration,
    },
    /// The connection ends after this many payloads in one direction.
    CutAfterPayloads {
        /// The direction that is counted.
        direction: Direction,
        /// How many payloads pass before.
        payloads: u64,
    },
    /// Every payload in one direction arrives this much later, in order.
    Delay {
        /// The direction that is slow.
        direction: Direction,
        /// How much later.
        by: Duration,
    },
    /// One payload arrives twice.
    Duplicate {
        /// The direction it travels in.
        direction: Direction,
        /// Its place among the payloads of that direction, from 0.
        payload: u64,
    },
    /// One payload arrives after the one that follows it, or a second late if none does.
    Reorder {
        /// The direction it travels in.
        direction: Direction,
        /// Its place among the payloads of that direction, from 0.
        payload: u64,
    },
    /// One payload arrives again after some more have passed.
    Replay {
        /// The direction it travels in.
        direction: Direction,
        /// Its place among the payloads of that direction, from 0.
        payload: u64,
        /// How many others pass in between.
        after: u64,
    },
    /// The connection is closed as soon as it is accepted.
    Refuse,
    /// The first payload is answered with this transport error, and the connection ends: -429 for too many connections
    /// (<https://core.telegram.org/mtproto/mtproto-transports#transport-errors>).
    TransportError(i32),
}

impl WireFault {
    /// A fault chosen by a seed: the same seed gives the same fault. Offsets lie within the first 4 KiB or 32 payloads,
    /// delays below half a second. Those that leave a connection open and silent are not among them.
    pub fn from_seed(seed: u64) -> Self {
        let mut state = seed;
        let mut below = |limit: u64| next(&mut state) % limit;
        let direction = if below(2) == 0 {
            Direction::ToServer
        } else {
            Direction::ToClient
        };
        match below(7) {
            0 => Self::CutAfter {
                direction,
                bytes: below(4096),
            },
            1 => Self::Corrupt {
                direction,
                offset: below(4096),
            },
            2 => Self::CutAfterPayloads {
                direction,
                payloads: below(32),
            },
            3 => Self::Delay {
                direction,
                by: Duration::from_millis(below(500)),
            },
            4 => Self::Duplicate {
                direction,
                payload: below(32),
            },
            5 => Self::Reorder {
                direction,
                payload: below(32),
            },
            _ => Self::Replay {
                direction,
                payload: below(32),
                after: below(32),
            },
        }
    }
}

/// SplitMix64: spreads seeds that lie close together.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[derive(Debug, Default)]
struct Orders {
    next: VecDeque<WireFault>,
    refuse_all: bool,
}

/// Orders for connections to come; see also [`LocalDatacenter`](crate::LocalDatacenter) for those at hand.
#[derive(Debug, Clone, Default)]
pub struct WireFaults(Arc<Mutex<Orders>>);

impl WireFaults {
    fn orders(&self) -> MutexGuard<'_, Orders> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next connection that nobody has a fault for gets this one.
    pub fn order(&self, fault: WireFault) {
        self.orders().next.push_back(fault);
    }

    /// Orders as many faults as asked for, for one connection after another, chosen by a seed.
    pub fn order_from_seed(&self, seed: u64, count: usize) {
        let mut state = seed;
        let faults = std::iter::repeat_with(|| WireFault::from_seed(next(&mut state)));
        self.orders().next.extend(faults.take(count));
    }

    /// Takes back all orders that no connection has taken yet.
    pub fn clear(&self) {
        self.orders().next.clear();
    }

    /// Every connection is closed at once until this is taken back: the datacenter is down.
    pub fn refuse_all(&self, refuse: bool) {
        self.orders().refuse_all = refuse;
    }

    /// How many ordered faults no connection has taken yet.
    pub fn pending(&self) -> usize {
        self.orders().next.len()
    }

    pub(crate) fn take(&self) -> Option<WireFault> {
        let mut orders = self.orders();
        if orders.refuse_all {
            Some(WireFault::Refuse)
        } else {
            orders.next.pop_front()
        }
    }
}

/// A connection's fault at work: tells what of the bytes about to pass does pass.
#[derive(Debug, Default)]
pub(crate) struct Wire {
    fault: Option<WireFault>,
    to_server: u64,
    to_client: u64,
}

/// What a fault makes of some bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Passage {
    /// All of them pass.
    All,
    /// Only the first ones pass, then the connection ends.
    ThenCut(usize),
    /// Only the first ones pass, and nothing after them.
    ThenNothing(usize),
}

impl Wire {
    pub(crate) fn new(fault: Option<WireFault>) -> Self {
        Self {
            fault,
            ..Self::default()
        }
    }

    /// Bytes and pause at a time, if the connection is throttled.
    pub(crate) fn throttle(&self) -> Option<(usize, Duration)> {
        match &self.fault {
            Some(WireFault::Throttle { bytes, pause }) => Some(((*bytes).max(1), *pause)),
            _ => None,
        }
    }

    pub(crate) fn pass(&mut self, direction: Direction, bytes: &mut [u8]) -> Passage {
        let counter = match direction {
            Direction::ToServer => &mut self.to_server,
            Direction::ToClient => &mut self.to_client,
        };
        let before = *counter;
        let length = bytes.len() as u64;
        *counter += length;
        let left = |limit: u64| usize::try_from(limit.saturating_sub(before)).unwrap_or(usize::MAX);
        match &self.fault {
            Some(WireFault::CutAfter {
                direction: d,
                bytes,
            }) if *d == direction && before + length >= *bytes => Passage::ThenCut(left(*bytes)),
            Some(WireFault::BlackHole {
                direction: d,
                bytes,
            }) if *d == direction && before + length >= *bytes => {
                Passage::ThenNothing(left(*bytes))
            }
            Some(WireFault::Corrupt {
                direction: d,
                offset,
            }) if *d == direction && (before..before + length).contains(offset) => {
                bytes[left(*offset)] ^= 1;
                Passage::All
            }
            _ => Passage::All,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_lets_exactly_its_bytes_pass() {
        let mut wire = Wire::new(Some(WireFault::CutAfter {
            direction: Direction::ToServer,
            bytes: 10,
        }));
        assert_eq!(wire.pass(Direction::ToServer, &mut [0; 6]), Passage::All);
        assert_eq!(wire.pass(Direction::ToClient, &mut [0; 60]), Passage::All);
        assert_eq!(
            wire.pass(Direction::ToServer, &mut [0; 6]),
            Passage::ThenCut(4)
        );
    }

    #[test]
    fn corruption_hits_one_byte() {
        let mut wire = Wire::new(Some(WireFault::Corrupt {
            direction: Direction::ToClient,
            offset: 7,
        }));
        let (mut first, mut second) = ([0; 5], [0; 5]);
        wire.pass(Direction::ToClient, &mut first);
        wire.pass(Direction::ToClient, &mut second);
        assert_eq!((first, second), ([0; 5], [0, 0, 1, 0, 0]));
    }

    #[test]
    fn a_seed_always_gives_the_same_faults_and_different_seeds_different_ones() {
        let plan = |seed| {
            let faults = WireFaults::default();
            faults.order_from_seed(seed, 50);
            std::iter::from_fn(|| faults.take()).collect::<Vec<_>>()
        };
        assert_eq!(plan(1), plan(1));
        assert_eq!(plan(1).len(), 50);
        assert_ne!(plan(1), plan(2));
        let kinds: std::collections::HashSet<_> =
            plan(3).iter().map(std::mem::discriminant).collect();
        assert_eq!(kinds.len(), 7, "50 faults hold every kind");
    }

    #[test]
    fn orders_are_taken_once_and_refusal_until_taken_back() {
        let faults = WireFaults::default();
        assert_eq!(faults.take(), None);
        faults.order(WireFault::Refuse);
        assert_eq!(
            (faults.take(), faults.take()),
            (Some(WireFault::Refuse), None)
        );
        faults.refuse_all(true);
        assert_eq!(
            (faults.take(), faults.take()),
            (Some(WireFault::Refuse), Some(WireFault::Refuse))
        );
        faults.refuse_all(false);
        assert_eq!(faults.take(), None);
    }
}

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
    /// The connection is closed as soon as it is accepted.
    Refuse,
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

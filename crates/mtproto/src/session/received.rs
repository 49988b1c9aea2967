//! Which message ids have arrived: the guard against replays
//! (<https://core.telegram.org/mtproto/security_guidelines#checking-msg-id>).

use std::collections::BTreeSet;

use super::message_id::order;

/// How many ids are remembered.
pub(super) const REMEMBERED: usize = 2048;

/// What is known about an id that arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arrival {
    New,
    Duplicate,
    /// Lower than everything that is remembered: whether it arrived before can no longer be told.
    TooOld,
}

#[derive(Debug, Default)]
pub(super) struct Received {
    /// In the order of time, which the sign of an id says nothing about.
    ids: BTreeSet<u64>,
}

impl Received {
    pub(super) fn arrival(&self, id: i64) -> Arrival {
        let id = order(id);
        if self.ids.contains(&id) {
            Arrival::Duplicate
        } else if self.ids.len() >= REMEMBERED
            && self.ids.first().is_some_and(|lowest| id < *lowest)
        {
            Arrival::TooOld
        } else {
            Arrival::New
        }
    }

    /// Remembers an id; returns the one that had to go for it.
    pub(super) fn insert(&mut self, id: i64) -> Option<i64> {
        self.ids.insert(order(id));
        if self.ids.len() > REMEMBERED {
            self.ids.pop_first().map(|id| id as i64)
        } else {
            None
        }
    }

    pub(super) fn highest(&self) -> Option<i64> {
        self.ids.last().map(|id| *id as i64)
    }

    /// The lowest id that can still be told apart, once the memory is full.
    pub(super) fn lowest(&self) -> Option<i64> {
        if self.ids.len() < REMEMBERED {
            None
        } else {
            self.ids.first().map(|id| *id as i64)
        }
    }

    pub(super) fn clear(&mut self) {
        self.ids.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// S7: replays at every distance are seen, in whatever order ids came.
    #[test]
    fn s07_replays_at_every_distance_are_seen() {
        let mut received = Received::default();
        let count = REMEMBERED as i64 + 100;
        for id in (1..=count).map(|n| n * 4) {
            assert_eq!(received.arrival(id), Arrival::New);
            received.insert(id);
            for distance in [0, 1, 2, 999, REMEMBERED as i64 - 1] {
                let earlier = id - 4 * distance;
                if earlier > 0 {
                    assert_eq!(
                        received.arrival(earlier),
                        Arrival::Duplicate,
                        "distance {distance}"
                    );
                }
            }
            let forgotten = id - 4 * REMEMBERED as i64;
            if forgotten > 0 {
                assert_eq!(received.arrival(forgotten), Arrival::TooOld);
            }
        }
    }
}

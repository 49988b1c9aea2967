//! Which message ids have arrived: the guard against replays
//! (<https://core.telegram.org/mtproto/security_guidelines#checking-msg-id>).

use std::collections::BTreeSet;

use super::message_id::order;

/// How many ids a client remembers.
const REMEMBERED: usize = 2048;

/// How many ids a server remembers. There are clients that number a message first and queue for the socket then: with a thousand
/// calls in flight one comes after thousands of later ones.
pub(super) const REMEMBERED_BY_SERVER: usize = 16_384;

/// What is known about an id that arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arrival {
    New,
    Duplicate,
    /// Lower than everything that is remembered: whether it arrived before can no longer be told.
    TooOld,
}

#[derive(Debug)]
pub(super) struct Received {
    /// In the order of time, which the sign of an id says nothing about.
    ids: BTreeSet<u64>,
    most: usize,
}

impl Default for Received {
    fn default() -> Self {
        Self::remembering(REMEMBERED)
    }
}

impl Received {
    /// A memory of so many ids.
    pub(super) fn remembering(most: usize) -> Self {
        Self {
            ids: BTreeSet::new(),
            most,
        }
    }

    pub(super) fn arrival(&self, id: i64) -> Arrival {
        let id = order(id);
        if self.ids.contains(&id) {
            Arrival::Duplicate
        } else if self.ids.len() >= self.most && self.ids.first().is_some_and(|lowest| id < *lowest)
        {
            Arrival::TooOld
        } else {
            Arrival::New
        }
    }

    /// Remembers an id; returns the one that had to go for it.
    pub(super) fn insert(&mut self, id: i64) -> Option<i64> {
        self.ids.insert(order(id));
        if self.ids.len() > self.most {
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
        if self.ids.len() < self.most {
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
        for most in [REMEMBERED, REMEMBERED_BY_SERVER] {
            let mut received = Received::remembering(most);
            let most = most as i64;
            for id in (1..=most + 100).map(|n| n * 4) {
                assert_eq!(received.arrival(id), Arrival::New);
                received.insert(id);
                for distance in [0, 1, 2, 999, most - 1] {
                    let earlier = id - 4 * distance;
                    if earlier > 0 {
                        assert_eq!(
                            received.arrival(earlier),
                            Arrival::Duplicate,
                            "distance {distance}"
                        );
                    }
                }
                let forgotten = id - 4 * most;
                if forgotten > 0 {
                    assert_eq!(received.arrival(forgotten), Arrival::TooOld);
                }
            }
        }
    }

    #[test]
    fn what_queued_behind_thousands_is_new_to_a_server() {
        let mut received = Received::remembering(REMEMBERED_BY_SERVER);
        for id in (2..=10_000).map(|n| n * 4) {
            received.insert(id);
        }
        assert_eq!(received.arrival(4), Arrival::New);
    }
}

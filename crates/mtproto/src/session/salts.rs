//! Server salts, of both sides (<https://core.telegram.org/mtproto/description#server-salt>). They belong to the auth
//! key and not to a session.

use std::collections::VecDeque;

use actogram_crypto::random::{self, Random};
use actogram_tl::mtproto::types::FutureSalt;

use super::NEWEST;

/// Seconds a salt is current.
const LIFETIME: i64 = 30 * 60;

/// Seconds a salt is still taken after that.
const GRACE: i64 = 30 * 60;

/// How long after its start a client waits before it uses a promised salt; the one before is still taken then. A message
/// that is refused because its salt is not current yet, by a server whose clock is behind ours, would become acceptable
/// later: whoever kept a copy could have it carried out after it went out again under a new id.
const SURELY_CURRENT: i64 = NEWEST;

/// The most future salts that are kept or given out.
const MOST: usize = 64;

/// The salts a client knows.
#[derive(Debug, Clone)]
pub(super) struct ClientSalts {
    current: i64,
    future: VecDeque<FutureSalt>,
}

impl ClientSalts {
    pub(super) fn new(current: i64) -> Self {
        Self {
            current,
            future: VecDeque::new(),
        }
    }

    /// The salt to send with at this second of the server.
    pub(super) fn at(&mut self, second: i64) -> i64 {
        while let Some(next) = self
            .future
            .front()
            .filter(|next| i64::from(next.valid_since) + SURELY_CURRENT <= second)
        {
            if i64::from(next.valid_until) > second {
                self.current = next.salt;
            }
            self.future.pop_front();
        }
        self.current
    }

    /// The server says which salt is right now.
    pub(super) fn correct(&mut self, salt: i64) {
        self.current = salt;
        // What was promised before the correction may be what was wrong.
        self.future.clear();
    }

    pub(super) fn is_running_out(&self) -> bool {
        self.future.len() < 2
    }

    /// Takes the server's promise of salts to come: at most 64, each with an end after its start.
    pub(super) fn promise(&mut self, mut salts: Vec<FutureSalt>) {
        salts.retain(|salt| salt.valid_since < salt.valid_until);
        salts.sort_by_key(|salt| salt.valid_since);
        salts.truncate(MOST);
        self.future = salts.into();
    }
}

/// The salts of one auth key, at the server.
#[derive(Debug, Clone, Default)]
pub struct ServerSalts {
    /// Start and salt, in order; each is current until the next one starts.
    salts: VecDeque<(i64, i64)>,
}

impl ServerSalts {
    /// The salts of a new key, of which both sides know the first.
    pub fn new(second: i64, first: i64) -> Self {
        Self {
            salts: VecDeque::from([(second, first)]),
        }
    }

    /// The salt that is current at this second.
    pub fn current(&mut self, second: i64, random: &mut dyn Random) -> i64 {
        self.extend(second, 1, random);
        self.salts
            .iter()
            .rev()
            .find(|(since, _)| *since <= second)
            .map_or(0, |(_, salt)| *salt)
    }

    /// Whether a message with this salt is taken: the current one, and earlier ones for half an hour more.
    pub fn accepts(&mut self, second: i64, salt: i64, random: &mut dyn Random) -> bool {
        self.extend(second, 1, random);
        let ends = self
            .salts
            .iter()
            .skip(1)
            .map(|(since, _)| *since)
            .chain([i64::MAX]);
        self.salts.iter().zip(ends).any(|((since, known), until)| {
            *known == salt && *since <= second && second < until.saturating_add(GRACE)
        })
    }

    /// The next `count` salts, at least 1 and at most 64, beginning with the current one.
    pub fn future(
        &mut self,
        second: i64,
        count: usize,
        random: &mut dyn Random,
    ) -> Vec<FutureSalt> {
        let count = count.clamp(1, MOST);
        self.extend(second, count, random);
        let current = self
            .salts
            .iter()
            .rposition(|(since, _)| *since <= second)
            .unwrap_or(0);
        self.salts
            .iter()
            .skip(current)
            .take(count)
            .map(|(since, salt)| FutureSalt {
                valid_since: *since as i32,
                valid_until: (since + LIFETIME + GRACE) as i32,
                salt: *salt,
            })
            .collect()
    }

    /// Makes another salt current at once, as if half an hour had passed. Earlier ones stay good for their time.
    pub fn rotate(&mut self, second: i64, random: &mut dyn Random) {
        self.salts.retain(|(since, _)| *since <= second);
        self.salts.push_back((second, random::i64(random)));
    }

    /// Forgets all salts: whatever a client knows is wrong from now on.
    pub fn forget(&mut self) {
        self.salts.clear();
    }

    fn extend(&mut self, second: i64, count: usize, random: &mut dyn Random) {
        if self
            .salts
            .back()
            .is_none_or(|(since, _)| since + LIFETIME + GRACE < second)
        {
            // Nothing of what is known counts any more.
            self.salts.clear();
            self.salts.push_back((second, random::i64(random)));
        }
        if self.salts.front().is_some_and(|(since, _)| *since > second) {
            // The clock was set back to before the first one: without a salt nobody could speak.
            self.salts.push_front((second, random::i64(random)));
        }
        while let Some((since, _)) = self.salts.back().copied() {
            let ahead = self
                .salts
                .iter()
                .filter(|(since, _)| *since > second)
                .count();
            if ahead + 1 >= count && since + LIFETIME > second {
                break;
            }
            self.salts
                .push_back((since + LIFETIME, random::i64(random)));
        }
        while self
            .salts
            .get(1)
            .is_some_and(|(next, _)| next + GRACE < second)
        {
            self.salts.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::OLDEST;
    use actogram_crypto::random::SeededRandom;

    #[test]
    fn a_salt_is_current_for_half_an_hour_and_taken_for_another() {
        let random = &mut SeededRandom::from_seed(1);
        let mut salts = ServerSalts::new(1_000, 7);
        assert_eq!(salts.current(1_000 + LIFETIME - 1, random), 7);
        assert_ne!(salts.current(1_000 + LIFETIME, random), 7);
        assert!(salts.accepts(1_000 + LIFETIME + GRACE - 1, 7, random));
        assert!(!salts.accepts(1_000 + LIFETIME + GRACE, 7, random));
        assert!(!salts.accepts(2_000, 8, random));
    }

    #[test]
    fn a_client_moves_on_through_the_promised_salts() {
        let random = &mut SeededRandom::from_seed(2);
        let mut server = ServerSalts::new(0, 7);
        let mut client = ClientSalts::new(7);
        assert!(client.is_running_out());
        client.promise(server.future(10, 64, random));
        assert!(!client.is_running_out());
        for second in (40..64 * LIFETIME).step_by(10) {
            let salt = client.at(second);
            assert!(server.accepts(second, salt, random), "at {second}");
            // Whatever the difference of the clocks, as far as messages are taken at all.
            assert!(server.accepts(second - NEWEST, salt, random), "{second}");
            assert!(server.accepts(second + OLDEST, salt, random), "{second}");
            assert_eq!(salt, server.current(second - NEWEST, random));
        }
    }

    /// S18: what is promised is bounded, sorted and sane.
    #[test]
    fn s18_a_million_salts_are_cut_and_backward_ones_dropped() {
        let mut client = ClientSalts::new(7);
        let salt = |at: i32| FutureSalt {
            valid_since: at,
            valid_until: at + 1,
            salt: i64::from(at),
        };
        client.promise((0..1_000_000).rev().map(salt).collect());
        assert_eq!(client.future.len(), MOST);
        client.promise(vec![FutureSalt {
            valid_since: 5,
            valid_until: 5,
            salt: 1,
        }]);
        assert_eq!(client.at(10), 7);
    }

    #[test]
    fn there_is_a_salt_even_when_the_clock_was_set_back() {
        let random = &mut SeededRandom::from_seed(4);
        let mut salts = ServerSalts::new(100_000, 7);
        let current = salts.current(5_000, random);
        assert!(salts.accepts(5_000, current, random));
        assert_eq!(salts.current(5_000, random), current);
        assert!(!salts.accepts(5_000, 7, random));
    }

    #[test]
    fn forgetting_and_rotating_change_the_salt_at_once() {
        let random = &mut SeededRandom::from_seed(3);
        let mut salts = ServerSalts::new(0, 7);
        salts.rotate(10, random);
        assert_ne!(salts.current(10, random), 7);
        assert!(salts.accepts(10, 7, random));
        salts.forget();
        assert!(!salts.accepts(10, 7, random));
    }
}

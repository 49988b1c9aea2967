//! Message ids: about the unix time times 2^32, strictly increasing within a session
//! (<https://core.telegram.org/mtproto/description#message-identifier-msg-id>).

use std::time::Duration;

use actogram_crypto::random::{self, Random};

/// What the two low bits of an id say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    Client = 0,
    ServerAnswer = 1,
    ServerOther = 3,
}

#[derive(Debug, Default)]
pub(super) struct MessageIds {
    last: i64,
}

impl MessageIds {
    /// The next id at this time of the server. It grows even when the clock steps back.
    pub(super) fn next(
        &mut self,
        server_time: Duration,
        origin: Origin,
        random: &mut dyn Random,
    ) -> i64 {
        let noise = random::u32(random);
        // 22 random bits keep two processes of one account from choosing the same id.
        let fraction = (u64::from(server_time.subsec_nanos()) << 32) / 1_000_000_000;
        let time = (server_time.as_secs() << 32 | fraction) ^ u64::from(noise & 0x3f_ffff);
        let last = order(self.last) & !3;
        let mut id = time & !3;
        if id <= last {
            id = last.wrapping_add(8 * (1 + u64::from(noise % 1024)));
        }
        self.last = id as i64 | origin as i64;
        self.last
    }

    /// The last id that was given out; 0 before the first.
    pub(super) fn last(&self) -> i64 {
        self.last
    }
}

/// By which ids are compared: from 2038 on they are negative as signed numbers, and still later than all before.
pub(super) fn order(id: i64) -> u64 {
    id as u64
}

/// The time an id was made at, by its maker's clock. Its lowest bits are noise, about a millisecond's worth.
pub(super) fn time(id: i64) -> Duration {
    let fraction = ((order(id) & 0xffff_ffff) * 1_000_000_000) >> 32;
    Duration::new(order(id) >> 32, fraction as u32)
}

/// The second an id was made in, by its maker's clock.
pub(super) fn seconds(id: i64) -> i64 {
    (order(id) >> 32) as i64
}

#[cfg(test)]
mod tests {
    use super::*;
    use actogram_crypto::random::SeededRandom;
    use proptest::prelude::*;

    proptest! {
        /// Trap 5: ids grow whatever the clock does, and their low bits tell the origin.
        #[test]
        fn trap_05_ids_grow_whatever_the_clock_does(seed: u64, times in proptest::collection::vec(0u64..4_000_000_000_000, 1..200)) {
            let mut random = SeededRandom::from_seed(seed);
            let mut ids = MessageIds::default();
            let mut last = i64::MIN;
            for (at, milliseconds) in times.iter().enumerate() {
                let origin = [Origin::Client, Origin::ServerAnswer, Origin::ServerOther][at % 3];
                let before = ids.last;
                let id = ids.next(Duration::from_millis(*milliseconds % 2_000_000_000_000), origin, &mut random);
                prop_assert!(id > last, "{id} after {last}");
                prop_assert_eq!(id & 3, origin as i64);
                prop_assert!(id & !3 > before & !3 || before == 0);
                last = id;
            }
        }
    }

    #[test]
    fn an_id_tells_its_second() {
        let id = MessageIds::default().next(
            Duration::from_millis(1_700_000_000_999),
            Origin::Client,
            &mut SeededRandom::from_seed(1),
        );
        assert_eq!(seconds(id), 1_700_000_000);
        let error = time(id).abs_diff(Duration::from_millis(1_700_000_000_999));
        assert!(error < Duration::from_millis(2), "{error:?}");
    }

    #[test]
    fn ids_of_2039_are_negative_and_later_than_those_of_2037() {
        let mut ids = MessageIds::default();
        let random = &mut SeededRandom::from_seed(1);
        let early = ids.next(Duration::from_secs(2_140_000_000), Origin::Client, random);
        let late = ids.next(Duration::from_secs(2_180_000_000), Origin::Client, random);
        assert!(early > 0 && late < 0);
        assert!(order(early) < order(late));
        assert_eq!(seconds(late), 2_180_000_000);
    }
}

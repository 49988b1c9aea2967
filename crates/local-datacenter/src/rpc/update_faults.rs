//! Faults of pushed updates, drawn from a seed.

use std::time::Duration;

use actogram_crypto::sha::sha256;

use super::faults::PushFault;
use crate::model::{ChannelId, UserId};

/// Whose pushes suffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum UpdateFaultScope {
    /// Everybody's.
    All,
    /// Those of one account.
    Account(UserId),
    /// Those that tell of one channel.
    Channel(ChannelId),
}

/// How many of 1,000 pushes suffer what; what is left of the thousand passes untouched.
///
/// Only pushes of changes that a difference brings again suffer: those with a position in `pts` or `seq`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UpdateFaultRates {
    /// Not sent.
    pub withheld: u32,
    /// Sent twice.
    pub doubled: u32,
    /// Held until the account's next push and sent after it.
    pub reordered: u32,
    /// Sent late.
    pub delayed: u32,
    /// Not sent, together with up to seven that follow.
    pub gaps: u32,
    /// How late at most; at least a millisecond.
    pub longest_delay: Duration,
}

impl UpdateFaultRates {
    /// A little of everything: one push in two suffers.
    pub const STORM: Self = Self {
        withheld: 100,
        doubled: 100,
        reordered: 100,
        delayed: 150,
        gaps: 50,
        longest_delay: Duration::from_secs(3),
    };
}

/// Draws faults; the same seed draws the same ones.
#[derive(Debug)]
pub(super) struct UpdateFaultPlan {
    seed: u64,
    drawn: u64,
    rates: UpdateFaultRates,
    gap_left: u64,
}

impl UpdateFaultPlan {
    pub(super) fn new(seed: u64, rates: UpdateFaultRates) -> Self {
        Self {
            seed,
            drawn: 0,
            rates,
            gap_left: 0,
        }
    }

    fn number(&mut self) -> u64 {
        let mut input = [0; 16];
        input[..8].copy_from_slice(&self.seed.to_le_bytes());
        input[8..].copy_from_slice(&self.drawn.to_le_bytes());
        self.drawn += 1;
        let digest = sha256(&input);
        let mut number = [0; 8];
        number.copy_from_slice(&digest[..8]);
        u64::from_le_bytes(number)
    }

    /// What the next push suffers, if anything.
    pub(super) fn draw(&mut self) -> Option<PushFault> {
        if self.gap_left > 0 {
            self.gap_left -= 1;
            return Some(PushFault::Withhold);
        }
        let mut left = self.number() % 1000;
        let mut hit = |rate: u32| {
            let hit = left < u64::from(rate);
            left = left.saturating_sub(u64::from(rate));
            hit
        };
        let rates = self.rates;
        if hit(rates.withheld) {
            Some(PushFault::Withhold)
        } else if hit(rates.doubled) {
            Some(PushFault::Duplicate)
        } else if hit(rates.reordered) {
            Some(PushFault::Swap)
        } else if hit(rates.delayed) {
            let longest = u64::try_from(rates.longest_delay.as_millis()).unwrap_or(u64::MAX);
            let by = 1 + self.number() % longest.max(1);
            Some(PushFault::Delay(Duration::from_millis(by)))
        } else if hit(rates.gaps) {
            self.gap_left = self.number() % 8;
            Some(PushFault::Withhold)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{UpdateFaultPlan, UpdateFaultRates};
    use crate::rpc::PushFault;

    #[test]
    fn a_seed_always_draws_the_same_and_the_rates_hold() {
        let draw = |seed| {
            let mut plan = UpdateFaultPlan::new(seed, UpdateFaultRates::STORM);
            (0..4000).map(|_| plan.draw()).collect::<Vec<_>>()
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
        let drawn = draw(3);
        let doubled = drawn
            .iter()
            .filter(|f| **f == Some(PushFault::Duplicate))
            .count();
        let untouched = drawn.iter().filter(|f| f.is_none()).count();
        assert!((240..480).contains(&doubled), "{doubled}");
        assert!((1400..2000).contains(&untouched), "{untouched}");
    }

    #[test]
    fn a_rate_of_a_thousand_spares_nothing_and_none_spares_everything() {
        let mut all = UpdateFaultPlan::new(
            1,
            UpdateFaultRates {
                withheld: 1000,
                ..UpdateFaultRates::default()
            },
        );
        let mut none = UpdateFaultPlan::new(1, UpdateFaultRates::default());
        for _ in 0..100 {
            assert_eq!(all.draw(), Some(PushFault::Withhold));
            assert_eq!(none.draw(), None);
        }
    }
}

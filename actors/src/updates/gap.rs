//! Updates of one sequence of `pts` that wait for what comes before them.

use std::{collections::BTreeMap, time::Duration};

use actogram_tl::enums;

use super::delivery::Entities;

/// How long an update that is missing is waited for.
const WAIT: Duration = Duration::from_millis(500);

/// The longest pause between differences that do not bring what is missing.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Since when something is missing, and how often asking did not bring it.
///
/// A datacenter that shows an update from far ahead and then does not tell what comes before it is asked more and more
/// rarely.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Gap {
    since: Option<Duration>,
    fruitless: u32,
}

impl Gap {
    pub(super) fn open(&mut self, now: Duration) {
        self.since.get_or_insert(now);
    }

    /// It is being asked about.
    pub(super) fn asked(&mut self) {
        if self.since.take().is_some() {
            self.fruitless += 1;
        }
    }

    /// Nothing is missing.
    pub(super) fn close(&mut self) {
        *self = Self::default();
    }

    /// When to ask.
    pub(super) fn deadline(&self) -> Option<Duration> {
        let wait = (WAIT * 2_u32.pow(self.fruitless.min(8))).min(LONGEST_WAIT);
        self.since.map(|since| since + wait)
    }
}

/// What becomes of an update.
#[derive(Debug)]
pub(super) enum Offered {
    /// It is its turn; the position has moved.
    Now(enums::Update, Entities),
    /// It was seen before.
    Seen,
    /// It waits for what is missing.
    Held,
}

/// Updates above a gap, by where they begin: `pts - count` and `pts`.
#[derive(Debug, Default)]
pub(super) struct Held {
    updates: BTreeMap<(i32, i32), (enums::Update, Entities)>,
}

impl Held {
    pub(super) fn len(&self) -> usize {
        self.updates.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.updates.is_empty()
    }

    /// Offers an update to the sequence at `at`. At most `most` are held: beyond, a difference must bring them.
    pub(super) fn offer(
        &mut self,
        at: &mut i32,
        (pts, count): (i32, i32),
        (update, entities): (enums::Update, Entities),
        most: usize,
    ) -> Offered {
        let count = count.max(0);
        let begins = pts.saturating_sub(count);
        if count == 0 && pts <= *at {
            // It moves nothing, so it cannot be told from one that was seen; its effect is the same twice.
            Offered::Now(update, entities)
        } else if pts <= *at {
            tracing::trace!(pts, at, "an update came again");
            Offered::Seen
        } else if begins == *at {
            *at = pts;
            Offered::Now(update, entities)
        } else {
            // Missing ones come first, or it covers some that were seen: either way only a difference can tell.
            self.hold((pts, count), (update, entities), most);
            Offered::Held
        }
    }

    /// Keeps an update for later, unless there are `most` already. Tells whether it did.
    pub(super) fn hold(
        &mut self,
        (pts, count): (i32, i32),
        held: (enums::Update, Entities),
        most: usize,
    ) -> bool {
        let room = self.updates.len() < most;
        if room {
            let begins = pts.saturating_sub(count.max(0));
            self.updates.insert((begins, pts), held);
        }
        room
    }

    /// Where the first of them begins.
    pub(super) fn lowest(&self) -> Option<i32> {
        (self.updates.first_key_value()).map(|((begins, _), _)| *begins)
    }

    /// The next one whose turn it has become; the position has moved.
    pub(super) fn next(&mut self, at: &mut i32) -> Option<(enums::Update, Entities)> {
        while let Some((key, _)) = self.updates.first_key_value() {
            let (begins, pts) = *key;
            if begins > *at || (begins < *at && pts > *at) {
                return None;
            }
            let (_, held) = self.updates.pop_first()?;
            if pts > *at {
                *at = pts;
                return Some(held);
            }
        }
        None
    }

    /// All of them, with their `pts` and count, to be offered to another position.
    pub(super) fn take(
        &mut self,
    ) -> impl Iterator<Item = ((i32, i32), (enums::Update, Entities))> + use<> {
        std::mem::take(&mut self.updates)
            .into_iter()
            .map(|((begins, pts), held)| ((pts, pts.saturating_sub(begins)), held))
    }
}

//! Over which of several connections to a datacenter a part of a file goes.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Connections for files to one datacenter, at most.
const MOST_LANES: usize = 4;

/// Parts on one connection before another is opened.
const PARTS_PER_LANE: usize = 3;

/// The connections for files, and how many parts are on each. A connection is opened when all others are busy; those that
/// nobody uses end by themselves, since the first are chosen first.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lanes {
    sites: Arc<Mutex<BTreeMap<i32, Site>>>,
}

#[derive(Debug, Default)]
struct Site {
    /// There is a key, and a login: until then, one connection makes them for all.
    proven: bool,
    parts: Vec<usize>,
}

/// A part on its way.
#[derive(Debug)]
pub(super) struct Lane {
    lanes: Lanes,
    dc: i32,
    number: usize,
}

impl Lanes {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<i32, Site>> {
        self.sites.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Chooses a connection; `own` is the account's own datacenter, where there is a key in any case.
    pub(super) fn enter(&self, dc: i32, own: bool) -> Lane {
        let mut sites = self.lock();
        let site = sites.entry(dc).or_default();
        if site.parts.is_empty() {
            site.parts.push(0);
        }
        let quiet = site.parts.iter().position(|parts| *parts < PARTS_PER_LANE);
        let number = match quiet {
            Some(number) => number,
            None if (own || site.proven) && site.parts.len() < MOST_LANES => {
                site.parts.push(0);
                site.parts.len() - 1
            }
            None => {
                let least = site
                    .parts
                    .iter()
                    .enumerate()
                    .min_by_key(|(_, parts)| **parts);
                least.map_or(0, |(number, _)| number)
            }
        };
        if let Some(parts) = site.parts.get_mut(number) {
            *parts += 1;
        }
        Lane {
            lanes: self.clone(),
            dc,
            number,
        }
    }
}

impl Lane {
    pub(super) fn number(&self) -> u8 {
        u8::try_from(self.number).unwrap_or(u8::MAX)
    }

    /// The part has ended; `well`: there is a key and a login at its datacenter.
    pub(super) fn leave(self, well: bool) {
        if well && let Some(site) = self.lanes.lock().get_mut(&self.dc) {
            site.proven = true;
        }
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        let mut sites = self.lanes.lock();
        let site = sites.get_mut(&self.dc);
        if let Some(parts) = site.and_then(|site| site.parts.get_mut(self.number)) {
            *parts -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_opened_when_the_others_are_busy_and_one_makes_the_key() {
        let lanes = Lanes::default();
        let first: Vec<_> = (0..7).map(|_| lanes.enter(4, false)).collect();
        assert!(first.iter().all(|lane| lane.number() == 0));
        for lane in first {
            lane.leave(true);
        }
        let many: Vec<_> = (0..20).map(|_| lanes.enter(4, false)).collect();
        let of = |number: usize| many.iter().filter(|lane| lane.number == number).count();
        assert_eq!([of(0), of(1), of(2), of(3), of(4)], [5, 5, 5, 5, 0]);
        drop(many);
        assert_eq!(lanes.enter(4, false).number(), 0);
        let own: Vec<_> = (0..4).map(|_| lanes.enter(2, true)).collect();
        assert_eq!(own.last().map(Lane::number), Some(1));
    }
}

//! Until when the datacenter wants no calls: of a method, or to a chat.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{Call, refusal::FloodScope};
use crate::entities::ChatKey;

/// How far apart, on the average, those go that one flood wait put to sleep.
const APART: Duration = Duration::from_millis(50);

/// What a flood wait holds for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Key {
    Method(u32),
    Chat(ChatKey),
}

/// A flood wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Flood {
    key: Key,
    /// When it ends.
    pub(crate) until: Duration,
    /// What the datacenter calls it; the seconds follow.
    pub(crate) error: &'static str,
}

struct Entry {
    until: Duration,
    /// When the last of those that sleep through it goes.
    last: Option<Duration>,
}

/// The flood waits of an account. They outlive the actors.
#[derive(Default)]
pub(crate) struct Floods {
    by_key: Mutex<HashMap<Key, Entry>>,
}

impl Floods {
    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Entry>> {
        self.by_key.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of a refusal. `None`: it concerns no call but this one.
    pub(crate) fn note(&self, call: &Call, scope: FloodScope, until: Duration) -> Option<Flood> {
        let (key, error) = match scope {
            FloodScope::Call => return None,
            FloodScope::Method => (Key::Method(call.function?.id), "FLOOD_WAIT_"),
            FloodScope::Chat => (Key::Chat(call.chat?), "SLOWMODE_WAIT_"),
        };
        let mut floods = self.lock();
        let entry = floods.entry(key).or_insert(Entry { until, last: None });
        // Of several that were refused at a time, all are told of the same wait; a shorter one does not end it.
        if until > entry.until {
            *entry = Entry { until, last: None };
        }
        Some(Flood {
            key,
            until: entry.until,
            error,
        })
    }

    /// The flood wait this call has to sleep through; the longest, if there are several.
    pub(crate) fn of(&self, call: &Call, now: Duration) -> Option<Flood> {
        let floods = self.lock();
        let method = call
            .function
            .map(|function| (Key::Method(function.id), "FLOOD_WAIT_"));
        let chat = call.chat.map(|chat| (Key::Chat(chat), "SLOWMODE_WAIT_"));
        let waits = [method, chat].into_iter().flatten();
        waits
            .filter_map(|(key, error)| {
                let entry = floods.get(&key)?;
                let goes_on = entry.until.max(entry.last.unwrap_or_default()) > now;
                // Who has slept through this one goes, though others still do.
                let passes = entry.until <= now && call.slept_through >= Some(entry.until);
                (goes_on && !passes).then_some(Flood {
                    key,
                    until: entry.until,
                    error,
                })
            })
            .max_by_key(|flood| flood.until)
    }

    /// When this call goes on: the first one at the end of the wait, the others behind it. `jitter` is between 0 and 1.
    pub(crate) fn turn(&self, call: &mut Call, flood: &Flood, jitter: f64) -> Duration {
        call.slept_through = call.slept_through.max(Some(flood.until));
        let mut floods = self.lock();
        let Some(entry) = floods.get_mut(&flood.key) else {
            return flood.until;
        };
        let at = match entry.last {
            None => flood.until,
            Some(last) => last + APART.mul_f64(0.5 + jitter.clamp(0.0, 1.0)),
        };
        entry.last = Some(at);
        at
    }

    /// Forgets those that are over.
    pub(crate) fn forget_past(&self, now: Duration) {
        self.lock()
            .retain(|_, entry| entry.until.max(entry.last.unwrap_or_default()) > now);
    }
}

//! The sessions of all keys, and which connection each one listens on.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use actogram_mtproto::session::{ServerSalts, server::ServerSession};

/// Key id and session id.
pub(crate) type SessionId = (i64, i64);

/// Names a connection; never reused.
pub(crate) type ConnectionId = u64;

/// How many sessions of one key are kept. Beyond them the one that has been away longest is forgotten.
const MOST_PER_KEY: usize = 64;

/// How long a session waits for its client. Afterwards the client is told that it begins anew, and asks for what it
/// missed. Longer than clients take to find another network, or to wake up.
pub(crate) const KEPT: Duration = Duration::from_secs(15 * 60);

pub(crate) struct Entry {
    pub(crate) session: ServerSession,
    pub(crate) connection: Option<ConnectionId>,
    /// Since when no connection carries it, on the monotonic clock.
    pub(crate) away_since: Option<Duration>,
    /// Grows with every use: the lowest has been away longest.
    used: u64,
}

/// Sessions outlive connections; salts outlive sessions.
#[derive(Default)]
pub(crate) struct Sessions {
    entries: BTreeMap<SessionId, Entry>,
    salts: HashMap<i64, ServerSalts>,
    uses: u64,
}

impl Sessions {
    pub(crate) fn new_key(&mut self, key: i64, salts: ServerSalts) {
        self.salts.insert(key, salts);
    }

    /// The session, made by `make` if it is new, with its salts. Tells which session had to go for it.
    pub(crate) fn enter(
        &mut self,
        id: SessionId,
        make: impl FnOnce() -> ServerSession,
    ) -> (&mut Entry, &mut ServerSalts, Option<SessionId>) {
        self.uses += 1;
        let used = self.uses;
        let gone = if self.entries.contains_key(&id) {
            None
        } else {
            self.make_room(id.0)
        };
        let entry = self.entries.entry(id).or_insert_with(|| Entry {
            session: make(),
            connection: None,
            away_since: None,
            used,
        });
        entry.used = used;
        entry.away_since = None;
        (entry, self.salts.entry(id.0).or_default(), gone)
    }

    fn make_room(&mut self, key: i64) -> Option<SessionId> {
        let of_key = || self.entries.range((key, i64::MIN)..=(key, i64::MAX));
        if of_key().count() < MOST_PER_KEY {
            return None;
        }
        let oldest = of_key()
            .filter(|(_, entry)| entry.connection.is_none())
            .min_by_key(|(_, entry)| entry.used);
        let oldest = oldest
            .or_else(|| of_key().min_by_key(|(_, entry)| entry.used))
            .map(|(id, _)| *id)?;
        self.entries.remove(&oldest);
        Some(oldest)
    }

    /// When the next session has waited long enough.
    pub(crate) fn next_expiry(&self) -> Option<Duration> {
        let away = self.entries.values().filter_map(|entry| entry.away_since);
        away.min().map(|since| since + KEPT)
    }

    /// Forgets the sessions that have waited long enough by now.
    pub(crate) fn expire(&mut self, now: Duration) -> Vec<SessionId> {
        let mut gone = Vec::new();
        self.entries.retain(|id, entry| {
            let expired = entry.away_since.is_some_and(|since| since + KEPT <= now);
            if expired {
                gone.push(*id);
            }
            !expired
        });
        gone
    }

    pub(crate) fn both(&mut self, id: SessionId) -> Option<(&mut Entry, &mut ServerSalts)> {
        Some((
            self.entries.get_mut(&id)?,
            self.salts.entry(id.0).or_default(),
        ))
    }

    pub(crate) fn remove(&mut self, id: SessionId) -> bool {
        self.entries.remove(&id).is_some()
    }

    pub(crate) fn remove_key(&mut self, key: i64) -> Vec<SessionId> {
        let gone: Vec<_> = self
            .entries
            .range((key, i64::MIN)..=(key, i64::MAX))
            .map(|(id, _)| *id)
            .collect();
        for id in &gone {
            self.entries.remove(id);
        }
        self.salts.remove(&key);
        gone
    }

    pub(crate) fn clear(&mut self) -> Vec<SessionId> {
        std::mem::take(&mut self.entries).into_keys().collect()
    }

    pub(crate) fn forget_salts(&mut self) {
        for salts in self.salts.values_mut() {
            salts.forget();
        }
    }

    pub(crate) fn salts_mut(&mut self) -> impl Iterator<Item = &mut ServerSalts> {
        self.salts.values_mut()
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }
}

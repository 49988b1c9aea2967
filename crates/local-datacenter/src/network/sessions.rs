//! The sessions of all keys, and which connection each one listens on.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use actogram_mtproto::session::{ServerSalts, server::ServerSession};

use super::Clock;

/// Key id and session id.
pub(crate) type SessionId = (i64, i64);

/// Names a connection; never reused.
pub(crate) type ConnectionId = u64;

/// How many sessions of one key are kept. Beyond them the one that has been away longest is forgotten.
const MOST_PER_KEY: usize = 64;

/// How long a session waits for its client. Afterwards the client is told that it begins anew, and asks for what it
/// missed. Longer than clients take to find another network, or to wake up.
pub(crate) const KEPT: Duration = Duration::from_secs(15 * 60);

/// Messages older than this many seconds are refused whoever sends them
/// (<https://core.telegram.org/mtproto/description#message-identifier-msg-id>).
const OLDEST: i64 = 300;

/// How many forgotten sessions of one key are guarded against copies of their messages. Beyond them the key's salts are
/// forgotten, with which such copies were made.
const MOST_FORGOTTEN: usize = 1024;

pub(crate) struct Entry {
    pub(crate) session: ServerSession,
    pub(crate) connection: Option<ConnectionId>,
    /// Unix time at which its temporary key ends.
    pub(crate) expires_at: Option<i32>,
    /// Since when no connection carries it, on the monotonic clock.
    pub(crate) away_since: Option<Duration>,
    /// Grows with every use: the lowest has been away longest.
    used: u64,
}

/// Sessions outlive connections; salts outlive sessions.
pub(crate) struct Sessions {
    clock: Clock,
    entries: BTreeMap<SessionId, Entry>,
    /// The highest message id of sessions that are gone, for as long as a copy of it would be taken: whoever captured a
    /// packet could otherwise have it carried out again in a session that knows nothing of it.
    forgotten: BTreeMap<SessionId, i64>,
    salts: HashMap<i64, ServerSalts>,
    uses: u64,
}

impl Sessions {
    pub(crate) fn new(clock: Clock) -> Self {
        Self {
            clock,
            entries: BTreeMap::new(),
            forgotten: BTreeMap::new(),
            salts: HashMap::new(),
            uses: 0,
        }
    }

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
        let forgotten = self.forgotten.get(&id);
        let entry = self.entries.entry(id).or_insert_with(|| {
            let mut session = make();
            if let Some(msg_id) = forgotten {
                session.refuse_up_to(*msg_id);
            }
            Entry {
                session,
                connection: None,
                expires_at: None,
                away_since: None,
                used,
            }
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
        self.remove(oldest);
        Some(oldest)
    }

    /// When the next session has waited long enough.
    pub(crate) fn next_expiry(&self) -> Option<Duration> {
        let away = self.entries.values().filter_map(|entry| entry.away_since);
        away.min().map(|since| since + KEPT)
    }

    /// Forgets the sessions that have waited long enough by now.
    pub(crate) fn expire(&mut self, now: Duration) -> Vec<SessionId> {
        let expired = |entry: &Entry| entry.away_since.is_some_and(|since| since + KEPT <= now);
        let gone = self.entries.iter().filter(|(_, entry)| expired(entry));
        let gone: Vec<_> = gone.map(|(id, _)| *id).collect();
        self.remove_all(&gone);
        gone
    }

    pub(crate) fn both(&mut self, id: SessionId) -> Option<(&mut Entry, &mut ServerSalts)> {
        Some((
            self.entries.get_mut(&id)?,
            self.salts.entry(id.0).or_default(),
        ))
    }

    pub(crate) fn remove(&mut self, id: SessionId) -> bool {
        let existed = self.entries.contains_key(&id);
        self.remove_all(&[id]);
        existed
    }

    fn remove_all(&mut self, gone: &[SessionId]) {
        let second = self.clock.unix().as_secs() as i64;
        let could_come_again = |msg_id: &i64| second - (*msg_id as u64 >> 32) as i64 <= OLDEST;
        self.forgotten.retain(|_, msg_id| could_come_again(msg_id));
        for id in gone {
            let last = self.entries.remove(id);
            let last = last.and_then(|entry| entry.session.highest_msg_id());
            let Some(msg_id) = last.filter(could_come_again) else {
                continue;
            };
            let of_key = (id.0, i64::MIN)..=(id.0, i64::MAX);
            if self.forgotten.range(of_key).count() < MOST_FORGOTTEN {
                self.forgotten.insert(*id, msg_id);
            } else if let Some(salts) = self.salts.get_mut(&id.0) {
                salts.forget();
            }
        }
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
        self.forgotten.retain(|(of, _), _| *of != key);
        self.salts.remove(&key);
        gone
    }

    pub(crate) fn clear(&mut self) -> Vec<SessionId> {
        let gone: Vec<_> = self.entries.keys().copied().collect();
        self.remove_all(&gone);
        gone
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

//! What the datacenter remembers of each session that made a call: its layer and which calls succeeded.

use std::collections::BTreeMap;

use super::records::AuthKeyId;

/// How many finished calls of a session `invokeAfterMsg` can refer to.
const FINISHED_CALLS: usize = 1024;

/// A session within an authorization key, temporary or permanent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SessionKey {
    pub(crate) auth_key_id: AuthKeyId,
    pub(crate) session_id: i64,
}

/// One session.
#[derive(Debug, Default)]
pub(crate) struct SessionEntry {
    /// Layer of its last `invokeWithLayer`.
    pub(crate) layer: Option<i32>,
    /// It made a call outside `invokeWithoutUpdates`.
    pub(crate) wants_updates: bool,
    finished: BTreeMap<i64, bool>,
}

impl SessionEntry {
    /// Remembers how a call ended.
    pub(crate) fn finish(&mut self, msg_id: i64, succeeded: bool) {
        self.finished.insert(msg_id, succeeded);
        while self.finished.len() > FINISHED_CALLS {
            self.finished.pop_first();
        }
    }

    /// Whether the call ended, and if so, whether it succeeded.
    pub(crate) fn outcome(&self, msg_id: i64) -> Option<bool> {
        self.finished.get(&msg_id).copied()
    }
}

/// All sessions that made a call since the start.
#[derive(Debug, Default)]
pub(crate) struct Sessions(BTreeMap<SessionKey, SessionEntry>);

impl Sessions {
    pub(crate) fn entry(&mut self, key: SessionKey) -> &mut SessionEntry {
        self.0.entry(key).or_default()
    }

    pub(crate) fn get(&self, key: SessionKey) -> Option<&SessionEntry> {
        self.0.get(&key)
    }

    pub(crate) fn remove(&mut self, key: SessionKey) {
        self.0.remove(&key);
    }

    pub(crate) fn remove_key(&mut self, auth_key_id: AuthKeyId) {
        self.0.retain(|key, _| key.auth_key_id != auth_key_id);
    }

    /// Sessions under `auth_key_id` that take updates.
    pub(crate) fn listening(
        &self,
        auth_key_id: AuthKeyId,
    ) -> impl Iterator<Item = (SessionKey, &SessionEntry)> {
        let from = SessionKey {
            auth_key_id,
            session_id: i64::MIN,
        };
        let to = SessionKey {
            auth_key_id,
            session_id: i64::MAX,
        };
        self.0
            .range(from..=to)
            .filter(|(_, entry)| entry.wants_updates)
            .map(|(key, entry)| (*key, entry))
    }
}

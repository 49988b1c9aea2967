//! One account's messages, dialogs and record of updates.
//!
//! Private chats and basic groups share one `pts` sequence per account, and every account numbers its copies itself.
//! See <https://core.telegram.org/api/updates#common-updates-sequences>.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::channel::Member;
use super::hex::TlBytes;
use super::records::{Draft, MessageUid, PeerKey};

/// `pts` of an account nothing has happened to yet. Clients take 0 for "unknown".
pub const FIRST_PTS: i32 = 1;

/// One change in the `pts` sequence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BoxChange {
    /// A message arrived or was sent.
    New {
        /// Its id here.
        id: i32,
    },
    /// A message changed.
    Edited {
        /// Its id here.
        id: i32,
    },
    /// Messages were deleted.
    Deleted {
        /// Their ids here.
        ids: Vec<i32>,
    },
    /// Incoming messages were read.
    ReadInbox {
        /// The dialog.
        peer: PeerKey,
        /// Up to this id.
        max_id: i32,
        /// How many remained unread.
        still_unread: i32,
    },
    /// Outgoing messages were read.
    ReadOutbox {
        /// The dialog.
        peer: PeerKey,
        /// Up to this id.
        max_id: i32,
    },
    /// Messages were pinned or unpinned.
    Pinned {
        /// The dialog.
        peer: PeerKey,
        /// Their ids here.
        ids: Vec<i32>,
        /// Pinned, not unpinned.
        pinned: bool,
    },
}

/// A [`BoxChange`] with the number of steps it took; its position is the key it is recorded under.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoxEntry {
    /// `pts_count`.
    pub count: i32,
    /// What happened.
    pub change: BoxChange,
}

/// One change in the `seq` sequence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum SeqChange {
    /// Somebody's name or username changed.
    UserName {
        /// Who.
        user: i64,
    },
    /// A draft changed on another device.
    Draft {
        /// In which dialog.
        peer: PeerKey,
    },
    /// Somebody logged in to this account.
    NewAuthorization {
        /// The key.
        auth_key_id: i64,
    },
    /// What this account is in a channel changed, or the channel was deleted.
    Channel {
        /// Which.
        channel: i64,
    },
    /// A note from the service, shown to the person.
    Notification {
        /// Its kind, as `AUTH_KEY_DROP_DUPLICATE`.
        kind: String,
        /// Its text.
        text: String,
    },
}

/// One change in the `qts` sequence, which only bots have here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum QtsChange {
    /// Somebody changed their reaction.
    Reaction {
        /// To which message.
        message: MessageUid,
        /// Unix time.
        date: i32,
        /// Who.
        actor: i64,
        /// An encoded `Vector<Reaction>`, before.
        old: Option<TlBytes>,
        /// An encoded `Vector<Reaction>`, since.
        new: Option<TlBytes>,
    },
    /// What somebody is in a channel changed.
    Participant {
        /// Where.
        channel: i64,
        /// Unix time.
        date: i32,
        /// Who changed it.
        actor: i64,
        /// Whose standing it is.
        user: i64,
        /// What they were; nothing for strangers.
        old: Option<Box<Member>>,
        /// What they are.
        new: Box<Member>,
    },
    /// The reactions to a post changed, whose authors are not told.
    ReactionCounts {
        /// To which message.
        message: MessageUid,
        /// Unix time.
        date: i32,
    },
}

/// A [`SeqChange`] at its position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeqEntry {
    /// Position.
    pub seq: i32,
    /// Unix time; strictly growing, because a client's position in this sequence is told by date.
    pub date: i32,
    /// What happened.
    pub change: SeqChange,
}

/// One conversation of an account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dialog {
    /// Messages in it.
    pub ids: BTreeSet<i32>,
    /// Incoming messages that were not read.
    pub unread: BTreeSet<i32>,
    /// Incoming messages up to here are read.
    pub read_inbox_max: i32,
    /// Outgoing messages up to here were read by the other side.
    pub read_outbox_max: i32,
    /// Unsent text.
    pub draft: Option<Draft>,
    /// Pinned messages.
    pub pinned: BTreeSet<i32>,
}

/// One account's messages, dialogs and record of updates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mailbox {
    /// Position of the last change.
    pub pts: i32,
    /// Position of the last change outside `pts`.
    pub seq: i32,
    /// Unix time of the last change outside `pts`.
    pub seq_date: i32,
    /// Message by id.
    pub ids: BTreeMap<i32, MessageUid>,
    /// Dialogs by peer.
    pub dialogs: BTreeMap<PeerKey, Dialog>,
    /// Changes by `pts`.
    pub log: BTreeMap<i32, BoxEntry>,
    /// Positions before this one are no longer recorded.
    pub log_start: i32,
    /// Changes by `seq`.
    pub seq_log: Vec<SeqEntry>,
    /// Position of the last change in the `qts` sequence; 0 before the first.
    pub qts: i32,
    /// Changes by `qts`.
    pub qts_log: BTreeMap<i32, QtsChange>,
    last_id: i32,
}

impl Default for Mailbox {
    fn default() -> Self {
        Self {
            pts: FIRST_PTS,
            seq: 1,
            seq_date: 0,
            ids: BTreeMap::new(),
            dialogs: BTreeMap::new(),
            log: BTreeMap::new(),
            log_start: FIRST_PTS,
            seq_log: Vec::new(),
            qts: 0,
            qts_log: BTreeMap::new(),
            last_id: 0,
        }
    }
}

impl Mailbox {
    fn record(&mut self, count: i32, change: BoxChange) -> i32 {
        self.pts += count;
        self.log.insert(self.pts, BoxEntry { count, change });
        self.pts
    }

    /// Files a message under the next id; returns id and position.
    pub(super) fn add(&mut self, uid: MessageUid, peer: PeerKey, incoming: bool) -> (i32, i32) {
        self.last_id += 1;
        let id = self.last_id;
        self.ids.insert(id, uid);
        let dialog = self.dialogs.entry(peer).or_default();
        dialog.ids.insert(id);
        if incoming {
            dialog.unread.insert(id);
        }
        (id, self.record(1, BoxChange::New { id }))
    }

    /// Records an edit; returns its position.
    pub(super) fn edited(&mut self, id: i32) -> i32 {
        self.record(1, BoxChange::Edited { id })
    }

    /// Removes messages; returns the position, or nothing if none of them was here.
    pub(super) fn delete(&mut self, ids: &[i32]) -> Option<i32> {
        let gone: Vec<i32> = ids
            .iter()
            .copied()
            .filter(|id| self.ids.remove(id).is_some())
            .collect();
        if gone.is_empty() {
            return None;
        }
        for dialog in self.dialogs.values_mut() {
            for id in &gone {
                dialog.ids.remove(id);
                dialog.unread.remove(id);
                dialog.pinned.remove(id);
            }
        }
        let count = i32::try_from(gone.len()).unwrap_or(i32::MAX);
        Some(self.record(count, BoxChange::Deleted { ids: gone }))
    }

    /// Pins or unpins messages of a dialog; returns the position, or nothing if that changes nothing.
    pub(super) fn pin(&mut self, peer: PeerKey, ids: &[i32], pinned: bool) -> Option<i32> {
        let dialog = self.dialogs.get_mut(&peer)?;
        let mut changed = Vec::new();
        for id in ids {
            let news = if pinned {
                dialog.ids.contains(id) && dialog.pinned.insert(*id)
            } else {
                dialog.pinned.remove(id)
            };
            if news {
                changed.push(*id);
            }
        }
        let count = i32::try_from(changed.len()).unwrap_or(i32::MAX);
        (count > 0).then(|| {
            let ids = changed;
            self.record(count, BoxChange::Pinned { peer, ids, pinned })
        })
    }

    /// Marks incoming messages as read; returns the position, or nothing if that changes nothing.
    pub(super) fn read_inbox(&mut self, peer: PeerKey, max_id: i32) -> Option<i32> {
        let dialog = self.dialogs.get_mut(&peer)?;
        if max_id <= dialog.read_inbox_max {
            return None;
        }
        dialog.read_inbox_max = max_id;
        dialog.unread = dialog.unread.split_off(&(max_id + 1));
        let still_unread = i32::try_from(dialog.unread.len()).unwrap_or(i32::MAX);
        Some(self.record(
            1,
            BoxChange::ReadInbox {
                peer,
                max_id,
                still_unread,
            },
        ))
    }

    /// Marks outgoing messages as read by the other side; returns the position, or nothing if that changes nothing.
    pub(super) fn read_outbox(&mut self, peer: PeerKey, max_id: i32) -> Option<i32> {
        let dialog = self.dialogs.get_mut(&peer)?;
        if max_id <= dialog.read_outbox_max {
            return None;
        }
        dialog.read_outbox_max = max_id;
        Some(self.record(1, BoxChange::ReadOutbox { peer, max_id }))
    }

    /// Appends to the `seq` sequence; returns the position.
    pub(super) fn sequenced(&mut self, date: i32, change: SeqChange) -> i32 {
        self.seq += 1;
        self.seq_date = date.max(self.seq_date + 1);
        self.seq_log.push(SeqEntry {
            seq: self.seq,
            date: self.seq_date,
            change,
        });
        self.seq
    }

    /// Appends to the `qts` sequence.
    pub(super) fn recorded(&mut self, change: QtsChange) {
        self.qts += 1;
        self.qts_log.insert(self.qts, change);
    }

    /// Drops the record of past changes.
    pub(super) fn forget(&mut self) {
        self.log.clear();
        self.log_start = self.pts;
        self.seq_log.clear();
        self.qts_log.clear();
    }

    /// The date an answer or push at unix time `now` carries: no later than any change of the `seq` sequence still to
    /// come, so that a client that names it in `updates.getDifference` misses none of the same second and gets none
    /// twice.
    pub fn stream_date(&self, now: i32) -> i32 {
        self.seq_date.max(now.saturating_sub(1))
    }

    /// Unread incoming messages in all dialogs.
    pub fn unread_count(&self) -> usize {
        self.dialogs.values().map(|d| d.unread.len()).sum()
    }
}

//! Supergroups and broadcast channels: one numbering of messages and one `pts` sequence for all members.
//!
//! See <https://core.telegram.org/api/channel> and <https://core.telegram.org/api/updates#update-sequences>.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::hex::TlBytes;
use super::mailbox::FIRST_PTS;
use super::records::{ChannelId, MessageUid, UserId};

/// What a supergroup or broadcast channel is called and who made it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Channel {
    /// Unique id.
    pub id: ChannelId,
    /// Only administrators post, in the channel's name; otherwise it is a supergroup.
    pub broadcast: bool,
    /// Title, 1 to 255 characters.
    pub title: String,
    /// Text of the profile.
    pub about: String,
    /// Username without `@`: whoever knows it may read and join.
    pub username: Option<String>,
    /// Who made it.
    pub creator: UserId,
    /// Unix time of its creation.
    pub date: i32,
    /// Deleted channels are closed to everybody and keep their id.
    pub deleted: bool,
}

/// What somebody is in a channel. Whoever left or was banned keeps a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Who brought them in.
    pub inviter: UserId,
    /// Unix time of joining.
    pub date: i32,
    /// Not a member now.
    pub left: bool,
    /// Set for administrators.
    pub admin: Option<Admin>,
    /// Set for those whose rights were cut.
    pub ban: Option<Ban>,
}

/// What an administrator may do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Admin {
    /// An encoded `ChatAdminRights`.
    pub rights: TlBytes,
    /// Who appointed them.
    pub promoted_by: UserId,
    /// Shown beside the name.
    pub rank: Option<String>,
}

/// What a member may not do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ban {
    /// An encoded `ChatBannedRights`.
    pub rights: TlBytes,
    /// May not even look.
    pub kicked: bool,
    /// Who decided it.
    pub by: UserId,
    /// Unix time of the decision.
    pub date: i32,
    /// Unix time of its end; 0 and `i32::MAX` mean never.
    pub until: i32,
}

impl Ban {
    /// Whether it still holds at unix time `now`.
    pub fn holds(&self, now: i32) -> bool {
        self.until == 0 || self.until > now
    }
}

/// One change in a channel's `pts` sequence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChannelChange {
    /// A message was sent.
    New {
        /// Its id.
        id: i32,
    },
    /// A message changed.
    Edited {
        /// Its id.
        id: i32,
    },
    /// Messages were deleted.
    Deleted {
        /// Their ids.
        ids: Vec<i32>,
    },
    /// Messages were pinned or unpinned.
    Pinned {
        /// Their ids.
        ids: Vec<i32>,
        /// Pinned, not unpinned.
        pinned: bool,
    },
}

/// A [`ChannelChange`] with the number of steps it took; its position is the key it is recorded under.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelEntry {
    /// `pts_count`.
    pub count: i32,
    /// What happened.
    pub change: ChannelChange,
}

/// A channel with its members, messages and record of updates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelRoom {
    /// Title and the like.
    pub channel: Channel,
    /// Everybody who is or was in it.
    pub members: BTreeMap<UserId, Member>,
    /// Message by id.
    pub ids: BTreeMap<i32, MessageUid>,
    /// Pinned messages.
    pub pinned: BTreeSet<i32>,
    /// Position of the last change.
    pub pts: i32,
    /// Changes by `pts`.
    pub log: BTreeMap<i32, ChannelEntry>,
    /// Positions before this one are no longer recorded.
    pub log_start: i32,
    /// No member was told a date after this one before the last change.
    pub changed: i32,
    /// Up to which message each member has read.
    pub read_inbox: BTreeMap<UserId, i32>,
    /// Up to which of their own messages each author was read.
    pub read_outbox: BTreeMap<UserId, i32>,
    /// Id of the last message ever sent.
    pub last_id: i32,
}

impl ChannelRoom {
    pub(super) fn new(channel: Channel) -> Self {
        Self {
            channel,
            members: BTreeMap::new(),
            ids: BTreeMap::new(),
            pinned: BTreeSet::new(),
            pts: FIRST_PTS,
            log: BTreeMap::new(),
            log_start: FIRST_PTS,
            changed: 0,
            read_inbox: BTreeMap::new(),
            read_outbox: BTreeMap::new(),
            last_id: 0,
        }
    }

    fn record(&mut self, count: usize, change: ChannelChange) -> i32 {
        let count = i32::try_from(count).unwrap_or(i32::MAX);
        self.pts = self.pts.saturating_add(count);
        self.log.insert(self.pts, ChannelEntry { count, change });
        self.pts
    }

    pub(super) fn add(&mut self, id: i32, uid: MessageUid) -> i32 {
        self.last_id = self.last_id.max(id);
        self.ids.insert(id, uid);
        self.record(1, ChannelChange::New { id })
    }

    pub(super) fn edited(&mut self, id: i32) -> i32 {
        self.record(1, ChannelChange::Edited { id })
    }

    /// Removes messages; returns their identities, and the position if any of them was here.
    pub(super) fn delete(&mut self, ids: &[i32]) -> (Vec<MessageUid>, Option<i32>) {
        let mut gone = Vec::new();
        let mut uids = Vec::new();
        for id in ids {
            if let Some(uid) = self.ids.remove(id) {
                self.pinned.remove(id);
                gone.push(*id);
                uids.push(uid);
            }
        }
        if gone.is_empty() {
            return (uids, None);
        }
        let count = gone.len();
        let pts = self.record(count, ChannelChange::Deleted { ids: gone });
        (uids, Some(pts))
    }

    /// Pins or unpins messages; returns the position if that changed anything.
    pub(super) fn pin(&mut self, ids: &[i32], pinned: bool) -> Option<i32> {
        let changed: Vec<i32> = ids
            .iter()
            .copied()
            .filter(|id| self.ids.contains_key(id))
            .filter(|id| {
                if pinned {
                    self.pinned.insert(*id)
                } else {
                    self.pinned.remove(id)
                }
            })
            .collect();
        let change = ChannelChange::Pinned {
            ids: changed.clone(),
            pinned,
        };
        (!changed.is_empty()).then(|| self.record(changed.len(), change))
    }

    pub(super) fn forget(&mut self) {
        self.log.clear();
        self.log_start = self.pts;
    }

    /// The record of somebody who is a member now.
    pub fn member(&self, user: UserId) -> Option<&Member> {
        self.members.get(&user).filter(|member| !member.left)
    }

    /// Everybody who is a member now.
    pub fn current(&self) -> impl Iterator<Item = UserId> {
        self.members
            .iter()
            .filter(|(_, member)| !member.left)
            .map(|(user, _)| *user)
    }
}

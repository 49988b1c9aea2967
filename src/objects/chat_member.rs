//! Who is in a chat, and what they may do there.

use std::{fmt, sync::Arc};

use actogram_tl::{enums, types};

use crate::{Api, PeerId};

/// Somebody in a chat, or who was (<https://core.telegram.org/api/rights>).
#[derive(Clone)]
pub struct ChatMember {
    api: Api,
    chat: PeerId,
    user: PeerId,
    object: Option<Arc<types::User>>,
    status: MemberStatus,
    joined: Option<i32>,
    inviter: Option<PeerId>,
    rank: Option<String>,
}

/// What somebody is in a chat.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum MemberStatus {
    /// Made the chat, and may everything.
    Creator,
    /// Administrates it. In basic groups the rights are not told.
    Admin {
        /// What they may do.
        rights: Option<Box<types::ChatAdminRights>>,
        /// Whether this account may change that.
        can_edit: bool,
        /// Who appointed them.
        promoted_by: Option<PeerId>,
    },
    /// As most.
    Member,
    /// May not do all that others may.
    Restricted {
        /// What is forbidden, and until when.
        rights: Box<types::ChatBannedRights>,
        /// Who decided it.
        by: PeerId,
        /// Whether they are in the chat.
        left: bool,
    },
    /// May not even look.
    Banned {
        /// What is forbidden, and until when.
        rights: Box<types::ChatBannedRights>,
        /// Who decided it.
        by: PeerId,
    },
    /// Is not in the chat.
    Left,
}

impl ChatMember {
    pub(crate) fn of_channel(
        api: &Api,
        chat: PeerId,
        participant: &enums::ChannelParticipant,
        users: &[enums::User],
    ) -> Self {
        use enums::ChannelParticipant as P;
        let user = |id| PeerId::User(id);
        let (id, status, joined, inviter, rank) = match participant {
            P::ChannelParticipantCreator(it) => (
                user(it.user_id),
                MemberStatus::Creator,
                None,
                None,
                it.rank.clone(),
            ),
            P::ChannelParticipantAdmin(it) => {
                let enums::ChatAdminRights::ChatAdminRights(rights) = &it.admin_rights;
                let status = MemberStatus::Admin {
                    rights: Some(rights.clone()),
                    can_edit: it.can_edit,
                    promoted_by: Some(user(it.promoted_by)),
                };
                let inviter = it.inviter_id.map(user);
                (
                    user(it.user_id),
                    status,
                    Some(it.date),
                    inviter,
                    it.rank.clone(),
                )
            }
            P::ChannelParticipantBanned(it) => {
                let enums::ChatBannedRights::ChatBannedRights(rights) = &it.banned_rights;
                let (rights, by) = (rights.clone(), user(it.kicked_by));
                let status = if rights.view_messages {
                    MemberStatus::Banned { rights, by }
                } else {
                    let left = it.left;
                    MemberStatus::Restricted { rights, by, left }
                };
                (PeerId::from(&it.peer), status, None, None, it.rank.clone())
            }
            P::ChannelParticipantLeft(it) => {
                (PeerId::from(&it.peer), MemberStatus::Left, None, None, None)
            }
            P::ChannelParticipantSelf(it) => {
                let inviter = Some(user(it.inviter_id));
                let rank = it.rank.clone();
                (
                    user(it.user_id),
                    MemberStatus::Member,
                    Some(it.date),
                    inviter,
                    rank,
                )
            }
            P::ChannelParticipant(it) => (
                user(it.user_id),
                MemberStatus::Member,
                Some(it.date),
                None,
                it.rank.clone(),
            ),
        };
        Self {
            api: api.clone(),
            chat,
            user: id,
            object: find(id, users),
            status,
            joined,
            inviter,
            rank,
        }
    }

    pub(crate) fn of_chat(
        api: &Api,
        chat: PeerId,
        participant: &enums::ChatParticipant,
        users: &[enums::User],
    ) -> Self {
        use enums::ChatParticipant as P;
        let (id, status, joined, inviter, rank) = match participant {
            P::ChatParticipantCreator(it) => (
                it.user_id,
                MemberStatus::Creator,
                None,
                None,
                it.rank.clone(),
            ),
            P::ChatParticipantAdmin(it) => {
                let status = MemberStatus::Admin {
                    rights: None,
                    can_edit: false,
                    promoted_by: None,
                };
                (
                    it.user_id,
                    status,
                    Some(it.date),
                    Some(it.inviter_id),
                    it.rank.clone(),
                )
            }
            P::ChatParticipant(it) => {
                let rank = it.rank.clone();
                (
                    it.user_id,
                    MemberStatus::Member,
                    Some(it.date),
                    Some(it.inviter_id),
                    rank,
                )
            }
        };
        let id = PeerId::User(id);
        Self {
            api: api.clone(),
            chat,
            user: id,
            object: find(id, users),
            status,
            joined,
            inviter: inviter.map(PeerId::User),
            rank,
        }
    }

    /// Their id.
    pub fn id(&self) -> PeerId {
        self.user
    }

    /// The chat it is about.
    pub fn chat(&self) -> PeerId {
        self.chat
    }

    /// The user as the schema has it, where the datacenter sent it along.
    pub fn user(&self) -> Option<&types::User> {
        self.object.as_deref()
    }

    /// First and last name, as far as they are known.
    pub fn name(&self) -> String {
        let names = self.object.as_deref().map(|user| {
            let names = [user.first_name.as_deref(), user.last_name.as_deref()];
            names.into_iter().flatten().collect::<Vec<_>>().join(" ")
        });
        names.unwrap_or_default()
    }

    /// What they are in the chat.
    pub fn status(&self) -> &MemberStatus {
        &self.status
    }

    /// Whether they made the chat or administrate it.
    pub fn is_admin(&self) -> bool {
        matches!(
            self.status,
            MemberStatus::Creator | MemberStatus::Admin { .. }
        )
    }

    /// Whether they are in the chat now.
    pub fn is_in(&self) -> bool {
        match &self.status {
            MemberStatus::Banned { .. } | MemberStatus::Left => false,
            MemberStatus::Restricted { left, .. } => !left,
            _ => true,
        }
    }

    /// When they came, in seconds since 1970, where that is told.
    pub fn joined(&self) -> Option<i64> {
        self.joined.map(i64::from)
    }

    /// Who brought them in, where that is told.
    pub fn inviter(&self) -> Option<PeerId> {
        self.inviter
    }

    /// What stands beside their name.
    pub fn rank(&self) -> Option<&str> {
        self.rank.as_deref()
    }

    /// The account it belongs to.
    pub fn api(&self) -> &Api {
        &self.api
    }
}

fn find(id: PeerId, users: &[enums::User]) -> Option<Arc<types::User>> {
    users.iter().find_map(|user| match user {
        enums::User::User(user) if PeerId::User(user.id) == id => {
            Some(Arc::new(types::User::clone(user)))
        }
        _ => None,
    })
}

impl fmt::Debug for ChatMember {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChatMember")
            .field("chat", &self.chat)
            .field("user", &self.user)
            .field("status", &self.status)
            .field("joined", &self.joined)
            .field("inviter", &self.inviter)
            .field("rank", &self.rank)
            .finish_non_exhaustive()
    }
}

//! How an account sees supergroups and channels, and the people it meets there only.

use actogram_tl as tl;
use tl::{enums, types};

use super::view::{View, hash, peer, stored};
use crate::model::{
    ChannelChange, ChannelId, ChannelRoom, Member, Message, PeerKey, State, UserId,
};

/// The access hash under which `viewer` may name a channel.
pub(crate) fn channel_access_hash(state: &State, viewer: UserId, channel: ChannelId) -> i64 {
    hash(state, b"channel", viewer, channel)
}

/// Whether `viewer` may look into a channel: members, and for public ones everybody who is not banned.
pub(crate) fn is_open_to(room: &ChannelRoom, viewer: UserId, now: i32) -> bool {
    if room.channel.deleted {
        return false;
    }
    match room.members.get(&viewer) {
        Some(member)
            if member
                .ban
                .as_ref()
                .is_some_and(|b| b.kicked && b.holds(now)) =>
        {
            false
        }
        Some(member) if !member.left => true,
        _ => room.channel.username.is_some(),
    }
}

/// All an administrator can do.
pub(crate) fn all_rights() -> types::ChatAdminRights {
    let mut rights = types::ChatAdminRights::new();
    rights.change_info = true;
    rights.post_messages = true;
    rights.edit_messages = true;
    rights.delete_messages = true;
    rights.ban_users = true;
    rights.invite_users = true;
    rights.pin_messages = true;
    rights.add_admins = true;
    rights.other = true;
    rights
}

/// What `user` may do as an administrator; nothing if they are none.
pub(crate) fn admin_rights(room: &ChannelRoom, user: UserId) -> Option<types::ChatAdminRights> {
    let member = room.member(user)?;
    if room.channel.creator == user {
        return Some(all_rights());
    }
    let rights: enums::ChatAdminRights = stored(Some(&member.admin.as_ref()?.rights))?;
    let enums::ChatAdminRights::ChatAdminRights(rights) = rights;
    Some(*rights)
}

fn count(n: usize) -> i32 {
    i32::try_from(n).unwrap_or(i32::MAX)
}

impl View<'_> {
    /// A channel as the viewer sees it, with more or less in it according to what they are there.
    pub(crate) fn channel(&self, room: &ChannelRoom) -> enums::Chat {
        let channel = &room.channel;
        let (state, viewer) = (self.state(), self.viewer());
        let access_hash = channel_access_hash(state, viewer, channel.id);
        let member = room.members.get(&viewer);
        let kicked = member
            .and_then(|member| member.ban.as_ref())
            .filter(|ban| ban.kicked && ban.holds(self.now()));
        let known = member.is_some();
        if channel.deleted || kicked.is_some() {
            let mut object =
                types::ChannelForbidden::new(channel.id, access_hash, channel.title.clone());
            object.broadcast = channel.broadcast;
            object.megagroup = !channel.broadcast;
            object.until_date = kicked.map(|ban| ban.until).filter(|until| *until != 0);
            return object.into();
        }
        let mut object = types::Channel::new(
            channel.id,
            channel.title.clone(),
            enums::ChatPhoto::ChatPhotoEmpty,
            channel.date,
        );
        object.broadcast = channel.broadcast;
        object.megagroup = !channel.broadcast;
        object.username.clone_from(&channel.username);
        object.left = room.member(viewer).is_none();
        if !known && channel.username.is_none() {
            // Seen as the source of a forwarded post only.
            object.min = true;
            return object.into();
        }
        object.access_hash = Some(access_hash);
        object.creator = channel.creator == viewer && !object.left;
        object.admin_rights = admin_rights(room, viewer).map(Into::into);
        object.banned_rights = member
            .and_then(|member| member.ban.as_ref())
            .filter(|ban| ban.holds(self.now()))
            .and_then(|ban| stored(Some(&ban.rights)));
        if !channel.broadcast {
            object.default_banned_rights = Some(types::ChatBannedRights::new(i32::MAX).into());
        }
        object.participants_count = Some(count(room.current().count()));
        object.into()
    }

    /// Messages of others that the viewer has not read.
    pub(crate) fn channel_unread(&self, room: &ChannelRoom, viewer: UserId) -> i32 {
        let read = room.read_inbox.get(&viewer).copied().unwrap_or(0);
        let unread = room
            .ids
            .range(read.saturating_add(1)..)
            .filter(|(_, uid)| {
                let message = self.state().messages.get(uid);
                message.is_some_and(|message| message.from != viewer)
            })
            .count();
        count(unread)
    }

    /// Where a post came from: the channel for posts of broadcast channels, else the author.
    pub(crate) fn forward_header(&mut self, message: &Message) -> Option<enums::MessageFwdHeader> {
        let forward = message.forward?;
        let mut header = types::MessageFwdHeader::new(forward.date);
        match forward.post {
            Some((channel, id)) => {
                self.mention(PeerKey::Channel(channel));
                header.from_id = Some(peer(PeerKey::Channel(channel)));
                header.channel_post = Some(id);
            }
            None => {
                self.mention_author(message, forward.from);
                header.from_id = Some(peer(PeerKey::User(forward.from)));
            }
        }
        Some(header.into())
    }

    /// A recorded change of a channel as an update; nothing if its message is gone since.
    pub(crate) fn channel_update(&mut self, channel: ChannelId, pts: i32) -> Option<enums::Update> {
        let state = self.state();
        let room = state.channels.get(&channel)?;
        let entry = room.log.get(&pts)?;
        let pts_count = entry.count;
        self.mention(PeerKey::Channel(channel));
        Some(match &entry.change {
            ChannelChange::New { id } => types::UpdateNewChannelMessage {
                message: self.message_in(PeerKey::Channel(channel), *id)?,
                pts,
                pts_count,
            }
            .into(),
            ChannelChange::Edited { id } => types::UpdateEditChannelMessage {
                message: self.message_in(PeerKey::Channel(channel), *id)?,
                pts,
                pts_count,
            }
            .into(),
            ChannelChange::Deleted { ids } => types::UpdateDeleteChannelMessages {
                channel_id: channel,
                messages: ids.clone(),
                pts,
                pts_count,
            }
            .into(),
            ChannelChange::Pinned { ids, pinned } => types::UpdatePinnedChannelMessages {
                pinned: *pinned,
                channel_id: channel,
                messages: ids.clone(),
                pts,
                pts_count,
            }
            .into(),
        })
    }

    /// `updateChannel`: the channel itself comes along.
    pub(crate) fn channel_changed(&mut self, channel: ChannelId) -> enums::Update {
        self.mention(PeerKey::Channel(channel));
        types::UpdateChannel {
            channel_id: channel,
        }
        .into()
    }

    /// What somebody is in a channel.
    pub(crate) fn participant(
        &mut self,
        room: &ChannelRoom,
        user: UserId,
        member: &Member,
    ) -> enums::ChannelParticipant {
        self.mention(PeerKey::User(user));
        if let Some(ban) = member.ban.as_ref().filter(|ban| ban.holds(self.now()))
            && let Some(banned_rights) = stored(Some(&ban.rights))
        {
            self.mention(PeerKey::User(ban.by));
            return types::ChannelParticipantBanned {
                left: member.left,
                peer: peer(PeerKey::User(user)),
                kicked_by: ban.by,
                date: ban.date,
                banned_rights,
                rank: None,
            }
            .into();
        }
        if member.left {
            return types::ChannelParticipantLeft {
                peer: peer(PeerKey::User(user)),
            }
            .into();
        }
        if room.channel.creator == user {
            return types::ChannelParticipantCreator {
                user_id: user,
                admin_rights: all_rights().into(),
                rank: member.admin.as_ref().and_then(|admin| admin.rank.clone()),
            }
            .into();
        }
        if let Some(admin) = &member.admin
            && let Some(admin_rights) = stored(Some(&admin.rights))
        {
            self.mention(PeerKey::User(admin.promoted_by));
            let itself = user == self.viewer();
            return types::ChannelParticipantAdmin {
                can_edit: self.viewer() == room.channel.creator
                    || self.viewer() == admin.promoted_by,
                self_: itself,
                user_id: user,
                inviter_id: itself.then_some(member.inviter),
                promoted_by: admin.promoted_by,
                date: member.date,
                admin_rights,
                rank: admin.rank.clone(),
            }
            .into();
        }
        if user == self.viewer() {
            self.mention(PeerKey::User(member.inviter));
            return types::ChannelParticipantSelf {
                via_request: false,
                user_id: user,
                inviter_id: member.inviter,
                date: member.date,
                subscription_until_date: None,
                rank: None,
            }
            .into();
        }
        types::ChannelParticipant {
            user_id: user,
            date: member.date,
            subscription_until_date: None,
            rank: None,
        }
        .into()
    }
}

//! `channels.*`: supergroups and broadcast channels.
//!
//! See <https://core.telegram.org/api/channel> and <https://core.telegram.org/api/rights>.

pub(in crate::rpc) mod difference;
pub(in crate::rpc) mod manage;
pub(in crate::rpc) mod members;
pub(in crate::rpc) mod messages;
pub(in crate::rpc) mod rights;

use actogram_tl as tl;
use tl::{enums, types};

use super::call::Call;
use super::channel_view::admin_rights;
use super::errors::{CHANNEL_INVALID, RpcResult, bad};
use super::messages::send::Outgoing;
use crate::model::{
    Action, ChannelId, ChannelRoom, Event, Member, MessageUid, Place, QtsChange, SeqChange,
    Touched, UserId,
};

impl Call<'_> {
    /// A channel that was named before.
    pub(in crate::rpc) fn room(&self, id: ChannelId) -> RpcResult<&ChannelRoom> {
        self.world.state.channels.get(&id).ok_or(CHANNEL_INVALID)
    }

    /// Whether the caller has one of an administrator's rights.
    pub(in crate::rpc) fn has_right(
        &self,
        room: &ChannelRoom,
        right: impl Fn(&types::ChatAdminRights) -> bool,
    ) -> bool {
        self.user
            .and_then(|me| admin_rights(room, me))
            .is_some_and(|rights| right(&rights))
    }

    pub(in crate::rpc) fn require_right(
        &self,
        room: &ChannelRoom,
        right: impl Fn(&types::ChatAdminRights) -> bool,
    ) -> RpcResult<()> {
        if self.has_right(room, right) {
            Ok(())
        } else {
            Err(bad("CHAT_ADMIN_REQUIRED"))
        }
    }

    /// The id of the next message in a channel.
    pub(in crate::rpc) fn channel_place(&self, room: &ChannelRoom) -> Place {
        Place::Channel {
            id: room.channel.id,
            message: room.last_id.saturating_add(1),
        }
    }

    /// Changes what somebody is in a channel, and tells the bots that administrate it (and a bot that it is about).
    pub(in crate::rpc) fn put_member(&mut self, channel: ChannelId, user: UserId, member: Member) {
        let old = self
            .room(channel)
            .ok()
            .and_then(|room| room.members.get(&user))
            .cloned();
        self.world.commit(Event::ChannelMemberPut {
            channel,
            user,
            member: member.clone(),
        });
        let mut bots: Vec<UserId> = self
            .room(channel)
            .into_iter()
            .flat_map(|room| room.current().map(|bot| (bot, room.member(bot))))
            .filter(|(_, record)| record.is_some_and(|record| record.admin.is_some()))
            .map(|(bot, _)| bot)
            .chain([user])
            .filter(|bot| self.is_bot(*bot))
            .collect();
        bots.sort_unstable();
        bots.dedup();
        let (now, date) = (self.now, self.date());
        for bot in bots {
            let change = QtsChange::Participant {
                channel,
                date,
                actor: self.user.unwrap_or_default(),
                user,
                old: old.clone().map(Box::new),
                new: Box::new(member.clone()),
            };
            self.world.record_qts(now, bot, change);
        }
    }

    /// Tells somebody's sessions that what they are in a channel changed.
    pub(in crate::rpc) fn tell_standing(&mut self, channel: ChannelId, user: UserId) {
        let now = self.now;
        self.world
            .sequence(now, user, SeqChange::Channel { channel });
    }

    /// A service message in a channel.
    pub(in crate::rpc) fn announce_in(
        &mut self,
        channel: ChannelId,
        action: Action,
    ) -> RpcResult<Vec<Touched>> {
        Ok(self.service_message(channel, action, None)?.1)
    }

    fn service_message(
        &mut self,
        channel: ChannelId,
        action: Action,
        reply_to: Option<MessageUid>,
    ) -> RpcResult<(MessageUid, Vec<Touched>)> {
        let place = self.channel_place(self.room(channel)?);
        let outgoing = Outgoing {
            action: Some(action),
            reply_to,
            ..Outgoing::default()
        };
        self.deliver(place, Vec::new(), outgoing)
    }

    /// Publishes with `updateChannel` in front, for every member.
    fn publish_changed(&mut self, channel: ChannelId, touched: &[Touched]) -> enums::Updates {
        if !touched.is_empty() {
            return self.publish_with(touched, &|view, _| vec![view.channel_changed(channel)]);
        }
        let members: Vec<UserId> = self
            .room(channel)
            .map(|room| room.current().collect())
            .unwrap_or_default();
        let (date, origin) = (self.date(), self.origin);
        let container = |call: &Self, viewer| {
            call.view(viewer, |view| {
                let update = view.channel_changed(channel);
                view.container(vec![update], date, 0)
            })
        };
        for viewer in members {
            let told = container(self, viewer);
            self.world.push(viewer, origin, &told);
        }
        container(self, self.user.unwrap_or_default())
    }

    /// The caller's view of a channel that changed for them alone.
    pub(in crate::rpc) fn changed_for_me(&self, channel: ChannelId) -> RpcResult<enums::Updates> {
        let (me, date) = (self.me()?, self.date());
        Ok(self.view(me, |view| {
            let update = view.channel_changed(channel);
            view.container(vec![update], date, 0)
        }))
    }
}

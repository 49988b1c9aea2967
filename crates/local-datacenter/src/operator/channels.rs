//! Orders about supergroups and broadcast channels.

use actogram_tl as tl;
use tl::{enums, functions, types};

use super::{Operator, OperatorError, known};
use crate::model::{ChannelId, Event, UserId};
use crate::rpc::channel_access_hash;

impl Operator {
    /// Makes a supergroup (or a broadcast channel) in the name of `creator`, with these members besides; bots come
    /// into broadcast channels as administrators only, so they are refused there.
    ///
    /// # Errors
    /// [`OperatorError::Refused`] with the error a client would get; [`OperatorError::Unknown`].
    pub fn create_channel(
        &self,
        creator: UserId,
        members: &[UserId],
        title: &str,
        broadcast: bool,
    ) -> Result<ChannelId, OperatorError> {
        let mut users = Vec::with_capacity(members.len());
        for member in members {
            users.push(self.input_user(creator, *member)?);
        }
        let mut request = functions::channels::CreateChannel::new(title.to_owned(), String::new());
        request.broadcast = broadcast;
        request.megagroup = !broadcast;
        let made = match self.invoke_as(creator, &request)? {
            enums::Updates::Updates(container) => {
                container.chats.iter().find_map(|chat| match chat {
                    enums::Chat::Channel(channel) => Some(channel.id),
                    _ => None,
                })
            }
            _ => None,
        };
        let id = made.ok_or(OperatorError::Unknown { id: creator })?;
        if !users.is_empty() {
            let channel = self.input_channel(creator, id)?;
            self.invoke_as(
                creator,
                &functions::channels::InviteToChannel { channel, users },
            )?;
        }
        Ok(id)
    }

    /// How `viewer` names a channel in its calls.
    ///
    /// # Errors
    /// [`OperatorError::Unknown`].
    pub fn input_channel(
        &self,
        viewer: UserId,
        channel: ChannelId,
    ) -> Result<enums::InputChannel, OperatorError> {
        let world = self.lock();
        known(&world, viewer)?;
        let state = world.state();
        state
            .channel(channel)
            .ok_or(OperatorError::Unknown { id: channel })?;
        Ok(types::InputChannel {
            channel_id: channel,
            access_hash: channel_access_hash(state, viewer, channel),
        }
        .into())
    }

    /// Who is in a channel now.
    pub fn channel_members(&self, channel: ChannelId) -> Vec<UserId> {
        self.inspect(|world| {
            world
                .state()
                .channel(channel)
                .map(|room| room.current().collect())
                .unwrap_or_default()
        })
    }

    /// The position of a channel's last change.
    pub fn channel_pts(&self, channel: ChannelId) -> Option<i32> {
        self.inspect(|world| world.state().channel(channel).map(|room| room.pts))
    }

    /// Forgets the record of a channel's updates: whoever asks for a difference from before now gets
    /// `channelDifferenceTooLong`.
    ///
    /// # Errors
    /// [`OperatorError::Unknown`].
    pub fn forget_channel_updates(&self, channel: ChannelId) -> Result<(), OperatorError> {
        self.act(|world, _| {
            world
                .state()
                .channel(channel)
                .ok_or(OperatorError::Unknown { id: channel })?;
            world.commit(Event::ChannelUpdatesForgotten { channel });
            Ok(())
        })
    }

    /// Tells every member that it missed too much of a channel (`updateChannelTooLong`), with its position if
    /// `with_pts`.
    ///
    /// # Errors
    /// [`OperatorError::Unknown`].
    pub fn push_channel_too_long(
        &self,
        channel: ChannelId,
        with_pts: bool,
    ) -> Result<(), OperatorError> {
        self.act(|world, now| {
            let room = world
                .state()
                .channel(channel)
                .ok_or(OperatorError::Unknown { id: channel })?;
            let pts = with_pts.then_some(room.pts);
            let members: Vec<UserId> = room.current().collect();
            for member in members {
                let call = crate::rpc::Call::as_account(world, now, member);
                let date = call.date();
                let container = call.view(member, |view| {
                    view.mention(crate::model::PeerKey::Channel(channel));
                    let update = types::UpdateChannelTooLong {
                        channel_id: channel,
                        pts,
                    };
                    view.container(vec![update.into()], date, 0)
                });
                world.push(member, None, &container);
            }
            Ok(())
        })
    }
}

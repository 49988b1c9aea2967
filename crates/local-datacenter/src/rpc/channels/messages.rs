//! Messages of channels: fetching, deleting, reading, pinning.

use std::collections::BTreeMap;

use actogram_tl as tl;
use tl::{enums, functions, types};

use crate::model::{Action, ChannelId, Event, PeerKey, Touched, UserId};
use crate::rpc::call::Call;
use crate::rpc::errors::{MESSAGE_ID_INVALID, RpcResult, bad, forbidden};

/// At most so many messages in one answer.
const MAX_PAGE: usize = 100;

/// `channels.getMessages`: ids that do not exist come back as `messageEmpty`.
pub(in crate::rpc) fn get_messages(
    call: &mut Call<'_>,
    request: functions::channels::GetMessages,
) -> RpcResult<enums::messages::Messages> {
    let me = call.me()?;
    let room = call.input_channel(&request.channel)?;
    if request.id.is_empty() {
        return Err(bad("MESSAGE_IDS_EMPTY"));
    }
    let peer = PeerKey::Channel(room.channel.id);
    let state = call.world.state();
    call.view(me, |view| {
        let messages: Vec<enums::Message> = request
            .id
            .iter()
            .take(MAX_PAGE)
            .map(|input| {
                let (asked, id) = match input {
                    enums::InputMessage::InputMessageId(input) => (input.id, Some(input.id)),
                    enums::InputMessage::InputMessageReplyTo(input) => {
                        let replied = state
                            .message_in(me, peer, input.id)
                            .and_then(|message| state.messages.get(&message.reply_to?))
                            .and_then(|message| message.id_for(me));
                        (input.id, replied)
                    }
                    enums::InputMessage::InputMessagePinned => (0, room.pinned.last().copied()),
                    _ => (0, None),
                };
                id.and_then(|id| view.message_in(peer, id))
                    .unwrap_or_else(|| {
                        types::MessageEmpty {
                            id: asked,
                            peer_id: None,
                        }
                        .into()
                    })
            })
            .collect();
        view.mention(peer);
        let count = i32::try_from(messages.len()).unwrap_or(i32::MAX);
        Ok(types::messages::ChannelMessages {
            inexact: false,
            pts: room.pts,
            count,
            offset_id_offset: None,
            messages,
            topics: Vec::new(),
            chats: view.chats(),
            users: view.users(),
        }
        .into())
    })
}

/// A channel's position and how many steps some changes took.
fn affected(
    call: &Call<'_>,
    channel: ChannelId,
    touched: &[Touched],
) -> RpcResult<enums::messages::AffectedMessages> {
    let room = call.room(channel)?;
    let pts_count = touched
        .iter()
        .filter_map(|touched| room.log.get(&touched.pts))
        .map(|entry| entry.count)
        .sum();
    Ok(types::messages::AffectedMessages {
        pts: room.pts,
        pts_count,
    }
    .into())
}

/// `channels.deleteMessages`: one's own, or with the right to delete anybody's. Ids that do not exist are passed over.
pub(in crate::rpc) fn delete_messages(
    call: &mut Call<'_>,
    request: functions::channels::DeleteMessages,
) -> RpcResult<enums::messages::AffectedMessages> {
    let me = call.me()?;
    let room = call.input_channel(&request.channel)?;
    let channel = room.channel.id;
    let any = call.has_right(room, |rights| rights.delete_messages);
    let mut ids: Vec<i32> = Vec::new();
    for id in request.id {
        let message = call
            .world
            .state
            .message_in(me, PeerKey::Channel(channel), id);
        let Some(message) = message else { continue };
        let own = message.from == me && room.member(me).is_some();
        if !any && (!own || message.action.is_some()) {
            return Err(forbidden("MESSAGE_DELETE_FORBIDDEN"));
        }
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    let touched = call
        .world
        .commit(Event::ChannelMessagesDeleted { channel, ids });
    call.publish(&touched);
    affected(call, channel, &touched)
}

/// `channels.readHistory`: `max_id` 0 reads everything.
pub(in crate::rpc) fn read_history(
    call: &mut Call<'_>,
    request: functions::channels::ReadHistory,
) -> RpcResult<bool> {
    let me = call.me()?;
    let room = call.input_channel(&request.channel)?;
    if room.member(me).is_none() {
        return Err(crate::rpc::errors::CHANNEL_PRIVATE);
    }
    let channel = room.channel.id;
    let max_id = match request.max_id {
        id if id <= 0 => room.last_id,
        id => id.min(room.last_id),
    };
    if max_id <= room.read_inbox.get(&me).copied().unwrap_or(0) {
        return Ok(true);
    }
    let before: BTreeMap<UserId, i32> = room.read_outbox.clone();
    call.world.commit(Event::ChannelRead {
        channel,
        user: me,
        max_id,
    });
    let room = call.room(channel)?;
    let read: Vec<(UserId, i32)> = room
        .read_outbox
        .iter()
        .filter(|(author, id)| before.get(author) != Some(id))
        .filter(|(author, _)| room.member(**author).is_some() && !room.channel.broadcast)
        .map(|(author, id)| (*author, *id))
        .collect();
    let (date, origin, pts) = (call.date(), call.origin, room.pts);
    let mine = call.view(me, |view| {
        view.mention(PeerKey::Channel(channel));
        let still_unread = view.channel_unread(room, me);
        let update = types::UpdateReadChannelInbox::new(channel, max_id, still_unread, pts);
        view.container(vec![update.into()], date, 0)
    });
    call.world.push(me, origin, &mine);
    for (author, max_id) in read {
        let told = call.view(author, |view| {
            view.mention(PeerKey::Channel(channel));
            let update = types::UpdateReadChannelOutbox {
                channel_id: channel,
                max_id,
            };
            view.container(vec![update.into()], date, 0)
        });
        call.world.push(author, None, &told);
    }
    Ok(true)
}

/// `channels.readMessageContents`: texts have no contents to be read separately.
pub(in crate::rpc) fn read_message_contents(
    call: &mut Call<'_>,
    request: functions::channels::ReadMessageContents,
) -> RpcResult<bool> {
    call.input_channel(&request.channel)?;
    Ok(true)
}

/// `messages.updatePinnedMessage`, in supergroups and channels.
pub(in crate::rpc) fn pin(
    call: &mut Call<'_>,
    channel: ChannelId,
    id: i32,
    pinned: bool,
) -> RpcResult<enums::Updates> {
    let me = call.me()?;
    let room = call.room(channel)?;
    let broadcast = room.channel.broadcast;
    call.require_right(room, |rights| {
        if broadcast {
            rights.edit_messages
        } else {
            rights.pin_messages
        }
    })?;
    let message = call
        .world
        .state
        .message_in(me, PeerKey::Channel(channel), id)
        .filter(|message| message.action.is_none())
        .ok_or(MESSAGE_ID_INVALID)?;
    let uid = message.uid;
    let mut touched = call.world.commit(Event::ChannelMessagesPinned {
        channel,
        ids: vec![id],
        pinned,
    });
    if touched.is_empty() {
        return Err(bad("CHAT_NOT_MODIFIED"));
    }
    if pinned {
        let (_, told) = call.service_message(channel, Action::PinMessage, Some(uid))?;
        touched.extend(told);
    }
    Ok(call.publish(&touched))
}

//! Reading, and telling that one is typing.

use std::collections::BTreeMap;

use actogram_tl as tl;
use tl::{enums, functions, types};

use super::change::affected;
use crate::model::{Event, PeerKey, Place, UserId};
use crate::rpc::call::Call;
use crate::rpc::errors::{PEER_ID_INVALID, RpcResult};

/// `messages.readHistory`: `max_id` 0 reads everything.
pub(in crate::rpc) fn read_history(
    call: &mut Call<'_>,
    request: functions::messages::ReadHistory,
) -> RpcResult<enums::messages::AffectedMessages> {
    let me = call.me()?;
    let peer = call.input_peer(&request.peer)?;
    if matches!(peer, PeerKey::Channel(_)) {
        // That is channels.readHistory.
        return Err(PEER_ID_INVALID);
    }
    let mut touched = Vec::new();
    if let Some((max_id, read)) = newly_read(call, me, peer, request.max_id) {
        touched.extend(call.world.commit(Event::InboxRead {
            owner: me,
            peer,
            max_id,
        }));
        for (owner, max_id) in read {
            let peer = match peer {
                PeerKey::User(_) => PeerKey::User(me),
                other => other,
            };
            touched.extend(call.world.commit(Event::OutboxRead {
                owner,
                peer,
                max_id,
            }));
        }
    }
    call.publish(&touched);
    let (pts, pts_count) = affected(call, me, &touched);
    Ok(types::messages::AffectedMessages { pts, pts_count }.into())
}

/// The last id to be marked, and for every author the last of their messages that is read by it.
fn newly_read(
    call: &Call<'_>,
    me: UserId,
    peer: PeerKey,
    max_id: i32,
) -> Option<(i32, BTreeMap<UserId, i32>)> {
    let state = &call.world.state;
    let dialog = state.mailbox(me)?.dialogs.get(&peer)?;
    let last = *dialog.ids.last()?;
    let max_id = if max_id <= 0 { last } else { max_id.min(last) };
    let mut read: BTreeMap<UserId, i32> = BTreeMap::new();
    for id in dialog.unread.range(..=max_id) {
        let Some(message) = state.message(me, *id) else {
            continue;
        };
        if let Some(copy) = message.copies.get(&message.from) {
            let max = read.entry(message.from).or_default();
            *max = (*max).max(*copy);
        }
    }
    (max_id > dialog.read_inbox_max).then_some((max_id, read))
}

/// `messages.readMessageContents`: texts have no contents to be read separately.
pub(in crate::rpc) fn read_message_contents(
    call: &mut Call<'_>,
    _: functions::messages::ReadMessageContents,
) -> RpcResult<enums::messages::AffectedMessages> {
    let me = call.me()?;
    let (pts, pts_count) = affected(call, me, &[]);
    Ok(types::messages::AffectedMessages { pts, pts_count }.into())
}

/// `messages.receivedMessages`: a confirmation that needs no answer.
pub(in crate::rpc) fn received_messages(
    call: &mut Call<'_>,
    _: functions::messages::ReceivedMessages,
) -> RpcResult<Vec<enums::ReceivedNotifyMessage>> {
    call.me()?;
    Ok(Vec::new())
}

/// `messages.setTyping`: people are told, bots are not.
pub(in crate::rpc) fn set_typing(
    call: &mut Call<'_>,
    request: functions::messages::SetTyping,
) -> RpcResult<bool> {
    let me = call.me()?;
    let peer = call.input_peer(&request.peer)?;
    let place = call.writable(peer)?;
    let audience = match place {
        Place::Channel { id, .. } => call.room(id)?.current().collect(),
        _ => call.world.state.audience(me, place),
    };
    let others: Vec<UserId> = audience
        .into_iter()
        .filter(|user| *user != me && !call.is_bot(*user))
        .collect();
    let now = call.now;
    for user in others {
        let update: enums::Update = match peer {
            PeerKey::User(_) => types::UpdateUserTyping {
                user_id: me,
                top_msg_id: None,
                action: request.action.clone(),
            }
            .into(),
            PeerKey::Chat(chat_id) => types::UpdateChatUserTyping {
                chat_id,
                from_id: types::PeerUser { user_id: me }.into(),
                action: request.action.clone(),
            }
            .into(),
            PeerKey::Channel(channel_id) => types::UpdateChannelUserTyping {
                channel_id,
                top_msg_id: None,
                from_id: types::PeerUser { user_id: me }.into(),
                action: request.action.clone(),
            }
            .into(),
        };
        call.world.push_short(now, user, update);
    }
    Ok(true)
}

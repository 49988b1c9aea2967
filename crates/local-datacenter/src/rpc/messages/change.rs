//! Editing and deleting.

use actogram_tl as tl;
use tl::{enums, functions, types};

use super::{parameter_not_built, text};
use crate::model::{Event, Message, PeerKey, Place, Stream, Touched, UserId};
use crate::rpc::call::Call;
use crate::rpc::errors::{MESSAGE_ID_INVALID, PEER_ID_INVALID, RpcResult, bad, forbidden};
use crate::rpc::view;

/// `messages.editMessage`.
pub(in crate::rpc) fn edit_message(
    call: &mut Call<'_>,
    request: functions::messages::EditMessage,
) -> RpcResult<enums::Updates> {
    let me = call.me()?;
    for (given, parameter) in [
        (request.media.is_some(), "media"),
        (request.schedule_date.is_some(), "schedule_date"),
        (
            request.quick_reply_shortcut_id.is_some(),
            "quick_reply_shortcut_id",
        ),
        (request.rich_message.is_some(), "rich_message"),
    ] {
        if given {
            return Err(parameter_not_built("messages.editMessage", parameter));
        }
    }
    let peer = call.input_peer(&request.peer)?;
    let message = call
        .world
        .state
        .message_in(me, peer, request.id)
        .filter(|message| message.action.is_none())
        .ok_or(MESSAGE_ID_INVALID)?
        .clone();
    let posts = matches!(peer, PeerKey::Channel(id) if call.room(id).is_ok_and(|room| {
        room.channel.broadcast && call.has_right(room, |rights| rights.edit_messages)
    }));
    if (message.from != me && !posts) || message.forward.is_some() {
        return Err(forbidden("MESSAGE_AUTHOR_REQUIRED"));
    }
    if let PeerKey::Channel(id) = peer
        && call.room(id)?.member(me).is_none()
    {
        return Err(forbidden("CHAT_WRITE_FORBIDDEN"));
    }
    let saved = peer == PeerKey::User(me);
    let age = call.date().saturating_sub(message.date);
    if !saved && !call.is_bot(me) && age > call.world.config.limits.edit_seconds {
        return Err(bad("MESSAGE_EDIT_TIME_EXPIRED"));
    }
    let (new_text, entities) = match &request.message {
        Some(new) => {
            let ready = text::prepare(call, new, request.entities)?;
            let entities = (!ready.entities.is_empty()).then(|| view::to_store(&ready.entities));
            (ready.text, entities)
        }
        None => (message.text.clone(), message.entities.clone()),
    };
    if let Some(markup) = &request.reply_markup {
        super::callback::check_keyboard(markup)?;
    }
    let reply_markup = request
        .reply_markup
        .filter(|_| call.is_bot(me))
        .map(|markup| view::to_store(&markup));
    if new_text == message.text
        && entities == message.entities
        && reply_markup == message.reply_markup
    {
        return Err(bad("MESSAGE_NOT_MODIFIED"));
    }
    let date = call.date();
    let touched = call.world.commit(Event::MessageEdited {
        uid: message.uid,
        text: new_text,
        entities,
        reply_markup,
        edit_date: Some(date),
    });
    Ok(call.publish(&touched))
}

/// Whose copies the caller may delete.
fn deletable(call: &Call<'_>, me: UserId, message: &Message, revoke: bool) -> Vec<(UserId, i32)> {
    let everywhere = revoke
        && match message.place {
            // Either side may delete for both.
            Place::Private { .. } => true,
            Place::Channel { .. } => false,
            Place::Chat { id } => {
                message.from == me
                    || call.world.state.chats.get(&id).is_some_and(|chat| {
                        chat.participants
                            .get(&me)
                            .is_some_and(|member| member.admin)
                            || chat.creator == me
                    })
            }
        };
    message
        .copies
        .iter()
        .filter(|(owner, _)| everywhere || **owner == me)
        .map(|(owner, id)| (*owner, *id))
        .collect()
}

fn delete(call: &mut Call<'_>, me: UserId, ids: &[i32], revoke: bool) -> Vec<Touched> {
    let mut by_owner: std::collections::BTreeMap<UserId, Vec<i32>> =
        std::collections::BTreeMap::new();
    for id in ids {
        let Some(message) = call.world.state.message(me, *id) else {
            continue;
        };
        for (owner, id) in deletable(call, me, message, revoke) {
            let list = by_owner.entry(owner).or_default();
            if !list.contains(&id) {
                list.push(id);
            }
        }
    }
    if by_owner.is_empty() {
        return Vec::new();
    }
    call.world.commit(Event::CopiesDeleted {
        deleted: by_owner.into_iter().collect(),
    })
}

/// The caller's position after its own changes, and how many steps they took.
pub(in crate::rpc) fn affected(call: &Call<'_>, me: UserId, touched: &[Touched]) -> (i32, i32) {
    let Some(mailbox) = call.world.state.mailbox(me) else {
        return (crate::model::FIRST_PTS, 0);
    };
    let count = touched
        .iter()
        .filter(|touched| touched.stream == Stream::Account(me))
        .filter_map(|touched| mailbox.log.get(&touched.pts))
        .map(|entry| entry.count)
        .sum();
    (mailbox.pts, count)
}

/// `messages.deleteMessages`: ids the caller does not have are passed over.
pub(in crate::rpc) fn delete_messages(
    call: &mut Call<'_>,
    request: functions::messages::DeleteMessages,
) -> RpcResult<enums::messages::AffectedMessages> {
    let me = call.me()?;
    let revoke = request.revoke || call.is_bot(me);
    let touched = delete(call, me, &request.id, revoke);
    call.publish(&touched);
    let (pts, pts_count) = affected(call, me, &touched);
    Ok(types::messages::AffectedMessages { pts, pts_count }.into())
}

/// `messages.deleteHistory`: at once, without further slices.
pub(in crate::rpc) fn delete_history(
    call: &mut Call<'_>,
    request: functions::messages::DeleteHistory,
) -> RpcResult<enums::messages::AffectedHistory> {
    let me = call.me()?;
    let peer = call.input_peer(&request.peer)?;
    if matches!(peer, PeerKey::Channel(_)) {
        return Err(PEER_ID_INVALID);
    }
    let ids: Vec<i32> = call
        .world
        .state
        .mailbox(me)
        .and_then(|mailbox| mailbox.dialogs.get(&peer))
        .into_iter()
        .flat_map(|dialog| dialog.ids.iter().copied())
        .filter(|id| request.max_id == 0 || *id <= request.max_id)
        .filter(|id| {
            let date = call.world.state.message(me, *id).map_or(0, |m| m.date);
            request.min_date.is_none_or(|min| date >= min)
                && request.max_date.is_none_or(|max| date <= max)
        })
        .collect();
    let touched = delete(call, me, &ids, request.revoke);
    call.publish(&touched);
    let (pts, pts_count) = affected(call, me, &touched);
    Ok(types::messages::AffectedHistory {
        pts,
        pts_count,
        offset: 0,
    }
    .into())
}

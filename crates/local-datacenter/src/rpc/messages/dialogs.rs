//! The list of dialogs, and drafts.

use std::cmp::{Ordering, Reverse};

use actogram_tl as tl;
use tl::{enums, functions, types};

use super::text;
use crate::model::{Dialog, Draft, Event, PeerKey, SeqChange, UserId};
use crate::rpc::call::Call;
use crate::rpc::errors::{RpcResult, bad};
use crate::rpc::updates::state_of;
use crate::rpc::view::{self, View};

/// At most so many dialogs in one answer.
const MAX_PAGE: usize = 100;

fn count(n: usize) -> i32 {
    i32::try_from(n).unwrap_or(i32::MAX)
}

/// The newest message of a dialog.
fn top(call: &Call<'_>, key: PeerKey, dialog: &Dialog) -> Option<i32> {
    match key {
        PeerKey::Channel(id) => {
            let room = call.world.state.channels.get(&id)?;
            room.ids.keys().next_back().copied()
        }
        _ => dialog.ids.last().copied(),
    }
}

/// A dialog as the viewer sees it; without a record of its own it is an empty one.
pub(in crate::rpc) fn object(
    view: &mut View<'_>,
    key: PeerKey,
    dialog: Option<&Dialog>,
) -> enums::Dialog {
    let empty = Dialog::default();
    let dialog = dialog.unwrap_or(&empty);
    view.mention(key);
    let state = view.state();
    let viewer = view.viewer();
    let room = match key {
        PeerKey::Channel(id) => state.channels.get(&id),
        _ => None,
    };
    let (top_message, read_inbox_max_id, read_outbox_max_id, unread_count) = match room {
        Some(room) => (
            room.ids.keys().next_back().copied(),
            room.read_inbox.get(&viewer).copied().unwrap_or(0),
            room.read_outbox.get(&viewer).copied().unwrap_or(0),
            view.channel_unread(room, viewer),
        ),
        None => (
            dialog.ids.last().copied(),
            dialog.read_inbox_max,
            dialog.read_outbox_max,
            count(dialog.unread.len()),
        ),
    };
    let draft = dialog.draft.as_ref().map(|draft| view.draft(Some(draft)));
    types::Dialog {
        pinned: false,
        unread_mark: false,
        view_forum_as_messages: false,
        peer: view::peer(key),
        top_message: top_message.unwrap_or(0),
        read_inbox_max_id,
        read_outbox_max_id,
        unread_count,
        unread_mentions_count: 0,
        unread_reactions_count: 0,
        unread_poll_votes_count: 0,
        notify_settings: types::PeerNotifySettings::new().into(),
        pts: room.map(|room| room.pts),
        draft,
        folder_id: None,
        ttl_period: None,
    }
    .into()
}

/// Dialogs with messages: date and id of the newest one, newest first.
fn ordered(call: &Call<'_>, me: UserId) -> Vec<(i32, i32, PeerKey)> {
    let state = &call.world.state;
    let mut list: Vec<(i32, i32, PeerKey)> = state
        .mailbox(me)
        .into_iter()
        .flat_map(|mailbox| mailbox.dialogs.iter())
        .filter_map(|(key, dialog)| {
            let top = top(call, *key, dialog)?;
            Some((state.message_in(me, *key, top)?.date, top, *key))
        })
        .collect();
    list.sort_by_key(|(date, top, _)| Reverse((*date, *top)));
    list
}

/// `messages.getDialogs`.
pub(in crate::rpc) fn get_dialogs(
    call: &mut Call<'_>,
    request: functions::messages::GetDialogs,
) -> RpcResult<enums::messages::Dialogs> {
    let me = call.me()?;
    let all = match request.folder_id {
        None | Some(0) => ordered(call, me),
        // The archive: nothing can be archived here.
        Some(1) => Vec::new(),
        Some(_) => return Err(bad("FOLDER_ID_INVALID")),
    };
    let limit = usize::try_from(request.limit)
        .unwrap_or(0)
        .clamp(1, MAX_PAGE);
    let (offset_date, offset_id) = (request.offset_date, request.offset_id);
    let after = |entry: &&(i32, i32, PeerKey)| {
        let (date, top, _) = **entry;
        let older = offset_id <= 0 || top < offset_id;
        match date.cmp(&offset_date) {
            _ if offset_date <= 0 => older,
            Ordering::Less => true,
            Ordering::Equal => older,
            Ordering::Greater => false,
        }
    };
    // Channels count their messages by themselves: within one second only the peer tells where the former page ended.
    let last = call.input_peer(&request.offset_peer).ok();
    let last = last.and_then(|last| {
        let place = all.iter().position(|(_, _, key)| *key == last)?;
        let (date, top, _) = all.get(place)?;
        ((*date, *top) == (offset_date, offset_id)).then_some(place)
    });
    let page: Vec<PeerKey> = all
        .iter()
        .enumerate()
        .filter(|(place, entry)| match last {
            Some(last) => *place > last,
            None => after(entry),
        })
        .map(|(_, entry)| entry)
        .take(limit)
        .map(|(_, _, key)| *key)
        .collect();
    call.view(me, |view| {
        let mailbox = call.world.state.mailbox(me);
        let mut dialogs = Vec::with_capacity(page.len());
        let mut messages = Vec::with_capacity(page.len());
        for key in &page {
            let Some(dialog) = mailbox.and_then(|mailbox| mailbox.dialogs.get(key)) else {
                continue;
            };
            dialogs.push(object(view, *key, Some(dialog)));
            messages.extend(top(call, *key, dialog).and_then(|top| view.message_in(*key, top)));
        }
        let (users, chats) = (view.users(), view.chats());
        if dialogs.len() == all.len() {
            return Ok(types::messages::Dialogs {
                dialogs,
                messages,
                chats,
                users,
            }
            .into());
        }
        Ok(types::messages::DialogsSlice {
            count: count(all.len()),
            dialogs,
            messages,
            chats,
            users,
        }
        .into())
    })
}

fn peer_dialogs(call: &Call<'_>, me: UserId, keys: &[PeerKey]) -> enums::messages::PeerDialogs {
    let state = state_of(call, me);
    call.view(me, |view| {
        let mailbox = call.world.state.mailbox(me);
        let empty = Dialog::default();
        let mut dialogs = Vec::with_capacity(keys.len());
        let mut messages = Vec::new();
        for key in keys {
            let dialog = mailbox
                .and_then(|mailbox| mailbox.dialogs.get(key))
                .unwrap_or(&empty);
            dialogs.push(object(view, *key, Some(dialog)));
            messages.extend(top(call, *key, dialog).and_then(|top| view.message_in(*key, top)));
        }
        types::messages::PeerDialogs {
            dialogs,
            messages,
            chats: view.chats(),
            users: view.users(),
            state,
        }
        .into()
    })
}

/// `messages.getPeerDialogs`.
pub(in crate::rpc) fn get_peer_dialogs(
    call: &mut Call<'_>,
    request: functions::messages::GetPeerDialogs,
) -> RpcResult<enums::messages::PeerDialogs> {
    let me = call.me()?;
    if request.peers.is_empty() {
        return Err(bad("INPUT_PEERS_EMPTY"));
    }
    let mut keys = Vec::with_capacity(request.peers.len());
    for input in request.peers.iter().take(MAX_PAGE) {
        // A folder has no dialogs: none can be made.
        if let enums::InputDialogPeer::InputDialogPeer(input) = input {
            keys.push(call.input_peer(&input.peer)?);
        }
    }
    Ok(peer_dialogs(call, me, &keys))
}

/// `messages.getPinnedDialogs`: nothing can be pinned here.
pub(in crate::rpc) fn get_pinned_dialogs(
    call: &mut Call<'_>,
    _: functions::messages::GetPinnedDialogs,
) -> RpcResult<enums::messages::PeerDialogs> {
    let me = call.me()?;
    Ok(peer_dialogs(call, me, &[]))
}

/// `messages.getDialogFilters`: no folders can be made here.
pub(in crate::rpc) fn get_dialog_filters(
    call: &mut Call<'_>,
    _: functions::messages::GetDialogFilters,
) -> RpcResult<enums::messages::DialogFilters> {
    call.me()?;
    Ok(types::messages::DialogFilters {
        tags_enabled: false,
        filters: Vec::new(),
    }
    .into())
}

/// Saves or clears a draft and tells the account's other sessions.
pub(super) fn store_draft(call: &mut Call<'_>, me: UserId, peer: PeerKey, draft: Option<Draft>) {
    let old = call
        .world
        .state
        .mailbox(me)
        .and_then(|mailbox| mailbox.dialogs.get(&peer))
        .and_then(|dialog| dialog.draft.as_ref());
    if old == draft.as_ref() {
        return;
    }
    call.world.commit(Event::DraftPut {
        owner: me,
        peer,
        draft,
    });
    let now = call.now;
    call.world.sequence(now, me, SeqChange::Draft { peer });
}

/// `messages.saveDraft`: an empty text clears it.
pub(in crate::rpc) fn save_draft(
    call: &mut Call<'_>,
    request: functions::messages::SaveDraft,
) -> RpcResult<bool> {
    let me = call.me()?;
    let peer = call.input_peer(&request.peer)?;
    let reply_to = match &request.reply_to {
        Some(enums::InputReplyTo::InputReplyToMessage(reply)) => Some(reply.reply_to_msg_id),
        _ => None,
    };
    let draft = if request.message.trim().is_empty() {
        None
    } else {
        let ready = text::prepare(call, &request.message, request.entities)?;
        Some(Draft {
            text: ready.text,
            entities: (!ready.entities.is_empty()).then(|| view::to_store(&ready.entities)),
            reply_to,
            no_webpage: request.no_webpage,
            date: call.date(),
        })
    };
    store_draft(call, me, peer, draft);
    Ok(true)
}

/// `messages.getAllDrafts`.
pub(in crate::rpc) fn get_all_drafts(
    call: &mut Call<'_>,
    _: functions::messages::GetAllDrafts,
) -> RpcResult<enums::Updates> {
    let me = call.me()?;
    let peers: Vec<PeerKey> = call
        .world
        .state
        .mailbox(me)
        .into_iter()
        .flat_map(|mailbox| mailbox.dialogs.iter())
        .filter(|(_, dialog)| dialog.draft.is_some())
        .map(|(key, _)| *key)
        .collect();
    let date = call.date();
    call.view(me, |view| {
        let updates = peers
            .into_iter()
            .filter_map(|peer| view.seq_update(&SeqChange::Draft { peer }))
            .collect();
        Ok(view.container(updates, date, 0))
    })
}

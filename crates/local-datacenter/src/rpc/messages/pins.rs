//! Pinned messages.
//!
//! See <https://core.telegram.org/api/pin>.

use actogram_tl as tl;
use tl::{enums, functions};

use super::send::Outgoing;
use crate::model::{Action, Event, PeerKey, UserId};
use crate::rpc::call::Call;
use crate::rpc::channels;
use crate::rpc::errors::{MESSAGE_ID_INVALID, RpcResult, bad};

/// `messages.updatePinnedMessage`.
pub(in crate::rpc) fn update_pinned_message(
    call: &mut Call<'_>,
    request: functions::messages::UpdatePinnedMessage,
) -> RpcResult<enums::Updates> {
    let me = call.me()?;
    let peer = call.input_peer(&request.peer)?;
    if let PeerKey::Channel(channel) = peer {
        return channels::messages::pin(call, channel, request.id, !request.unpin);
    }
    if request.pm_oneside && call.is_bot(me) {
        return Err(bad("BOT_ONESIDE_NOT_AVAIL"));
    }
    // Every member of a group may pin: nothing can take that right away from all here.
    let place = call.writable(peer)?;
    let message = call
        .world
        .state
        .message_in(me, peer, request.id)
        .filter(|message| message.action.is_none())
        .ok_or(MESSAGE_ID_INVALID)?;
    let uid = message.uid;
    let one_side = request.pm_oneside && matches!(peer, PeerKey::User(_));
    let pinned: Vec<(UserId, PeerKey, Vec<i32>)> = message
        .copies
        .iter()
        .filter(|(owner, _)| !one_side || **owner == me)
        .map(|(owner, id)| (*owner, message.peer_for(*owner), vec![*id]))
        .collect();
    let mut touched = call.world.commit(Event::CopiesPinned {
        pinned,
        pin: !request.unpin,
    });
    if touched.is_empty() {
        return Err(bad("CHAT_NOT_MODIFIED"));
    }
    if !request.unpin && !one_side {
        let audience = call.world.state.audience(me, place);
        let outgoing = Outgoing {
            action: Some(Action::PinMessage),
            reply_to: Some(uid),
            silent: request.silent,
            ..Outgoing::default()
        };
        touched.extend(call.deliver(place, audience, outgoing)?.1);
    }
    Ok(call.publish(&touched))
}

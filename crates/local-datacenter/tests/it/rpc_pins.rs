//! Pinned messages of private chats and groups. Those of channels stand with the channels.
#![allow(clippy::unwrap_used)]

use crate::rpc_support::*;
use actogram_local_datacenter::model::PeerKey;
use actogram_tl as tl;
use tl::{enums, functions, types};

fn pin(peer: &enums::InputPeer, id: i32) -> functions::messages::UpdatePinnedMessage {
    functions::messages::UpdatePinnedMessage {
        silent: false,
        unpin: false,
        pm_oneside: false,
        peer: peer.clone(),
        id,
    }
}

fn pinned(pushes: &[enums::Updates]) -> Vec<(Vec<i32>, bool)> {
    let told = pushes.iter().flat_map(updates);
    told.filter_map(|update| match update {
        enums::Update::UpdatePinnedMessages(u) => Some((u.messages.clone(), u.pinned)),
        _ => None,
    })
    .collect()
}

fn full(p: &mut Pair) -> types::UserFull {
    let id = input_user(&p.to_alice);
    let enums::users::UserFull::UserFull(answer) = p
        .rig
        .call(&mut p.bob, &functions::users::GetFullUser { id })
        .unwrap();
    let enums::UserFull::UserFull(full) = answer.full_user;
    *full
}

#[test]
fn a_pin_is_seen_by_both_sides_and_told_in_the_chat() {
    let mut p = pair();
    // Ids differ between the two mailboxes.
    let note = send_message(&enums::InputPeer::InputPeerSelf, "note", 1);
    p.rig.call(&mut p.bob, &note).unwrap();
    p.rig
        .call(&mut p.alice, &send_message(&p.to_bob, "rules", 1))
        .unwrap();
    p.rig.take_pushes(&p.bob);
    p.rig.call(&mut p.alice, &pin(&p.to_bob, 1)).unwrap();
    let pushes = p.rig.take_pushes(&p.bob);
    assert_eq!(pinned(&pushes), [(vec![2], true)]);
    let service = pushes.iter().flat_map(updates).find_map(|u| match u {
        enums::Update::UpdateNewMessage(u) => match u.message {
            enums::Message::MessageService(message) => Some(message),
            _ => None,
        },
        _ => None,
    });
    let service = service.unwrap();
    assert_eq!(
        service.action,
        enums::MessageAction::MessageActionPinMessage
    );
    let Some(enums::MessageReplyHeader::MessageReplyHeader(header)) = &service.reply_to else {
        panic!("{service:?}")
    };
    assert_eq!(header.reply_to_msg_id, Some(2));
    assert_eq!(full(&mut p).pinned_msg_id, Some(2));
    let history = messages(p.rig.call(&mut p.bob, &get_history(&p.to_alice)).unwrap());
    assert!(message(&history[1]).pinned);
    assert_eq!(
        p.rig.error(&mut p.alice, &pin(&p.to_bob, 1)),
        "400 CHAT_NOT_MODIFIED"
    );
    for wrong in [9, 2, 0, -1] {
        // 2 is the service message.
        assert_eq!(
            p.rig.error(&mut p.alice, &pin(&p.to_bob, wrong)),
            "400 MESSAGE_ID_INVALID"
        );
    }

    let mut unpin = pin(&p.to_alice, 2);
    unpin.unpin = true;
    p.rig.call(&mut p.bob, &unpin).unwrap();
    assert_eq!(
        pinned(&p.rig.take_pushes(&p.alice)),
        [(vec![1], false)],
        "and nothing is written about it"
    );
    assert_eq!(full(&mut p).pinned_msg_id, None);
}

#[test]
fn people_may_pin_for_themselves_bots_may_not() {
    let mut p = pair();
    p.rig
        .call(&mut p.alice, &send_message(&p.to_bob, "mine", 1))
        .unwrap();
    p.rig.take_pushes(&p.bob);
    let mut mine = pin(&p.to_bob, 1);
    mine.pm_oneside = true;
    p.rig.call(&mut p.alice, &mine).unwrap();
    assert!(p.rig.take_pushes(&p.bob).is_empty());
    assert_eq!(full(&mut p).pinned_msg_id, None);

    let (mut bot, bot_id) = p.rig.bot("pin_bot");
    let (bob, to_bot) = (p.bob_id, PeerKey::User(bot_id));
    operate(&mut p.rig, |o| o.send_message(bob, to_bot, "hi")).unwrap();
    let to_bob = operate(&mut p.rig, |o| o.input_peer(bot_id, PeerKey::User(bob))).unwrap();
    let mut one_side = pin(&to_bob, 1);
    one_side.pm_oneside = true;
    assert_eq!(
        p.rig.error(&mut bot, &one_side),
        "400 BOT_ONESIDE_NOT_AVAIL"
    );
    p.rig.call(&mut bot, &pin(&to_bob, 1)).unwrap();
}

#[test]
fn members_of_a_group_pin_for_all_of_them() {
    let mut p = pair();
    let (alice, bob) = (p.alice_id, p.bob_id);
    let chat_id = operate(&mut p.rig, |o| o.create_chat(alice, &[bob], "Group")).unwrap();
    let group: enums::InputPeer = types::InputPeerChat { chat_id }.into();
    let sent = p
        .rig
        .call(&mut p.alice, &send_message(&group, "rules", 1))
        .unwrap();
    let id = updates(&sent)
        .iter()
        .find_map(|u| match u {
            enums::Update::UpdateMessageId(u) => Some(u.id),
            _ => None,
        })
        .unwrap();
    p.rig.take_pushes(&p.bob);
    p.rig.call(&mut p.alice, &pin(&group, id)).unwrap();
    assert_eq!(pinned(&p.rig.take_pushes(&p.bob)).len(), 1);
    let enums::messages::ChatFull::ChatFull(full) = p
        .rig
        .call(&mut p.alice, &functions::messages::GetFullChat { chat_id })
        .unwrap();
    let enums::ChatFull::ChatFull(full) = full.full_chat else {
        panic!("{full:?}")
    };
    assert_eq!(full.pinned_msg_id, Some(id));
    // A deleted message is pinned no more.
    let delete = functions::messages::DeleteMessages {
        revoke: true,
        id: vec![id],
    };
    p.rig.call(&mut p.alice, &delete).unwrap();
    let state = p.rig.world.state();
    assert_eq!(
        state
            .pinned(bob, PeerKey::Chat(chat_id))
            .map(|ids| ids.len()),
        Some(0)
    );
}

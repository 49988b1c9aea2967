//! Links by which people join groups and channels.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use crate::rpc_support::*;
use actogram_local_datacenter::model::PeerKey;
use actogram_tl as tl;
use tl::{enums, functions, types};

fn export(peer: &enums::InputPeer) -> functions::messages::ExportChatInvite {
    functions::messages::ExportChatInvite::new(peer.clone())
}

fn hash(invite: enums::ExportedChatInvite) -> String {
    match invite {
        enums::ExportedChatInvite::ChatInviteExported(invite) => invite
            .link
            .strip_prefix("https://t.me/+")
            .unwrap()
            .to_owned(),
        other => panic!("{other:?}"),
    }
}

fn check(hash: &str) -> functions::messages::CheckChatInvite {
    let hash = hash.to_owned();
    functions::messages::CheckChatInvite { hash }
}

fn import(hash: &str) -> functions::messages::ImportChatInvite {
    let hash = hash.to_owned();
    functions::messages::ImportChatInvite { hash }
}

/// A pair, and a supergroup of Alice's without Bob.
fn room(broadcast: bool) -> (Pair, i64, enums::InputPeer) {
    let mut p = pair();
    let alice = p.alice_id;
    let make = |o: &actogram_local_datacenter::operator::Operator| {
        let id = o.create_channel(alice, &[], "Room", broadcast).unwrap();
        (id, o.input_peer(alice, PeerKey::Channel(id)).unwrap())
    };
    let (id, peer) = operate(&mut p.rig, make);
    p.rig.take_pushes(&p.alice);
    p.rig.take_pushes(&p.bob);
    (p, id, peer)
}

#[test]
fn a_link_is_looked_at_and_joined_by() {
    for broadcast in [false, true] {
        let (mut p, id, peer) = room(broadcast);
        let link = hash(p.rig.call(&mut p.alice, &export(&peer)).unwrap());
        assert_eq!(link.len(), 16);
        match p.rig.call(&mut p.bob, &check(&link)).unwrap() {
            enums::ChatInvite::ChatInvite(invite) => {
                assert_eq!(
                    (invite.title.as_str(), invite.participants_count),
                    ("Room", 1)
                );
                assert!(invite.channel && !invite.public);
                assert_eq!(
                    (invite.broadcast, invite.megagroup),
                    (broadcast, !broadcast)
                );
            }
            other => panic!("{other:?}"),
        }
        match p.rig.call(&mut p.alice, &check(&link)).unwrap() {
            enums::ChatInvite::ChatInviteAlready(already) => match already.chat {
                enums::Chat::Channel(channel) => assert_eq!(channel.id, id),
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
        let joined = p.rig.call(&mut p.bob, &import(&link)).unwrap();
        let enums::messages::ChatInviteJoinResult::ChatInviteJoinResultOk(joined) = joined else {
            panic!("{joined:?}")
        };
        let enums::Updates::Updates(container) = joined.updates else {
            panic!()
        };
        assert_eq!(container.chats.len(), 1);
        let service = container.updates.iter().any(|update| {
            matches!(update, enums::Update::UpdateNewChannelMessage(update)
                if matches!(&update.message, enums::Message::MessageService(message)
                    if matches!(&message.action, enums::MessageAction::MessageActionChatJoinedByLink(action)
                        if action.inviter_id == p.alice_id)))
        });
        assert_eq!(service, !broadcast);
        let members = operate(&mut p.rig, |o| o.channel_members(id));
        assert_eq!(members.len(), 2);
        assert_eq!(
            p.rig.error(&mut p.bob, &import(&link)),
            "400 USER_ALREADY_PARTICIPANT"
        );
    }
}

#[test]
fn a_basic_group_is_joined_by_link() {
    let mut p = pair();
    let (alice, bob) = (p.alice_id, p.bob_id);
    let (mut carol, carol_id) = p.rig.person("Carol");
    let chat_id = operate(&mut p.rig, |o| o.create_chat(alice, &[bob], "Group")).unwrap();
    let group: enums::InputPeer = types::InputPeerChat { chat_id }.into();
    assert_eq!(
        p.rig.error(&mut p.bob, &export(&group)),
        "400 CHAT_ADMIN_REQUIRED"
    );
    let link = hash(p.rig.call(&mut p.alice, &export(&group)).unwrap());
    p.rig.take_pushes(&p.bob);
    p.rig.call(&mut carol, &import(&link)).unwrap();
    let members = operate(&mut p.rig, |o| o.members(chat_id));
    assert!(members.contains(&carol_id));
    let told = p.rig.take_pushes(&p.bob);
    assert!(told.iter().flat_map(updates).any(|update| {
        matches!(update, enums::Update::UpdateNewMessage(update)
            if matches!(update.message, enums::Message::MessageService(_)))
    }));
    // She can write there now.
    p.rig
        .call(&mut carol, &send_message(&group, "hi", 1))
        .unwrap();
}

#[test]
fn bad_links_are_refused_as_documented() {
    let (mut p, id, peer) = room(false);
    assert_eq!(p.rig.error(&mut p.bob, &check("")), "400 INVITE_HASH_EMPTY");
    for wrong in ["nothing", "\u{0}", &"x".repeat(10_000)] {
        assert_eq!(
            p.rig.error(&mut p.bob, &import(wrong)),
            "400 INVITE_HASH_INVALID"
        );
    }
    let to_bob = p.to_bob.clone();
    assert_eq!(
        p.rig.error(&mut p.alice, &export(&to_bob)),
        "400 PEER_ID_INVALID"
    );
    for limit in [0, -1, 100_000] {
        let mut limited = export(&peer);
        limited.usage_limit = Some(limit);
        assert_eq!(
            p.rig.error(&mut p.alice, &limited),
            "400 USAGE_LIMIT_INVALID"
        );
    }
    let now = i32::try_from(p.rig.now.as_secs()).unwrap();
    let mut short = export(&peer);
    short.expire_date = Some(now);
    assert_eq!(p.rig.error(&mut p.alice, &short), "400 EXPIRE_DATE_INVALID");
    short.expire_date = Some(now + 60);
    let short = hash(p.rig.call(&mut p.alice, &short).unwrap());
    p.rig.call(&mut p.bob, &check(&short)).unwrap();
    p.rig.now += Duration::from_secs(60);
    assert_eq!(
        p.rig.error(&mut p.bob, &import(&short)),
        "400 INVITE_HASH_EXPIRED"
    );

    let mut once = export(&peer);
    once.usage_limit = Some(1);
    let once = hash(p.rig.call(&mut p.alice, &once).unwrap());
    let (mut carol, carol_id) = p.rig.person("Carol");
    p.rig.call(&mut carol, &import(&once)).unwrap();
    assert_eq!(
        p.rig.error(&mut p.bob, &import(&once)),
        "400 INVITE_HASH_EXPIRED"
    );

    let mut asked = export(&peer);
    asked.request_needed = true;
    let asked = hash(p.rig.call(&mut p.alice, &asked).unwrap());
    for _ in 0..2 {
        assert_eq!(
            p.rig.error(&mut p.bob, &import(&asked)),
            "400 INVITE_REQUEST_SENT"
        );
    }
    assert_eq!(operate(&mut p.rig, |o| o.channel_members(id)).len(), 2);

    // Who was banned does not come back by a link.
    let link = hash(p.rig.call(&mut p.alice, &export(&peer)).unwrap());
    let alice = p.alice_id;
    let (channel, participant) = operate(&mut p.rig, |o| {
        let channel = o.input_channel(alice, id).unwrap();
        (
            channel,
            o.input_peer(alice, PeerKey::User(carol_id)).unwrap(),
        )
    });
    let mut rights = types::ChatBannedRights::new(0);
    rights.view_messages = true;
    let ban = functions::channels::EditBanned {
        channel,
        participant,
        banned_rights: rights.into(),
    };
    p.rig.call(&mut p.alice, &ban).unwrap();
    assert_eq!(
        p.rig.error(&mut carol, &import(&link)),
        "400 INVITE_HASH_EXPIRED"
    );
    p.rig.call(&mut p.bob, &import(&link)).unwrap();
}

#[test]
fn a_permanent_link_replaces_the_one_before() {
    let (mut p, _, peer) = room(false);
    let mut permanent = export(&peer);
    permanent.legacy_revoke_permanent = true;
    let first = hash(p.rig.call(&mut p.alice, &permanent).unwrap());
    let other = hash(p.rig.call(&mut p.alice, &export(&peer)).unwrap());
    let second = hash(p.rig.call(&mut p.alice, &permanent).unwrap());
    assert_eq!(
        p.rig.error(&mut p.bob, &check(&first)),
        "400 INVITE_HASH_EXPIRED"
    );
    for good in [other, second] {
        p.rig.call(&mut p.bob, &check(&good)).unwrap();
    }
    let (mut bot, _) = p.rig.bot("link_bot");
    assert_eq!(p.rig.error(&mut bot, &check("x")), "400 BOT_METHOD_INVALID");
}

//! Appointing, restricting and banning, and what members are then.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use crate::support::room::Room;
use actogram::{ChatMember, MemberFilter, MemberStatus, PeerId, prelude::*};

async fn member(room: &Room, id: i64) -> ChatMember {
    room.ann.api().get_member(room.channel(), id).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn administrators_are_appointed_with_rights_and_dismissed() {
    let room = Room::new(2301).await;
    let api = room.ann.api();
    let (bob, channel) = (room.bob_id, room.channel());
    assert_eq!(member(&room, bob).await.status(), &MemberStatus::Member);
    let promote = api.promote(channel, bob).delete_messages().pin_messages();
    promote.rank("order").await.unwrap();
    let bobs = member(&room, bob).await;
    assert_eq!(
        (bobs.rank(), bobs.name()),
        (Some("order"), "Ann Other".to_owned())
    );
    let MemberStatus::Admin {
        rights,
        can_edit,
        promoted_by,
    } = bobs.status()
    else {
        panic!("{bobs:?}")
    };
    let rights = rights.as_ref().unwrap();
    assert!(rights.delete_messages && rights.pin_messages && rights.other);
    assert!(!rights.ban_users && !rights.add_admins);
    assert_eq!(
        (*can_edit, *promoted_by),
        (true, Some(PeerId::User(room.ann_id)))
    );
    // He can do what he was appointed to, and no more.
    let message = api.send_message(channel, "rules").await.unwrap();
    room.bob
        .api()
        .pin_message(channel, message.id())
        .await
        .unwrap();
    room.bob
        .api()
        .delete_messages(channel, [message.id()])
        .await
        .unwrap();
    let error = room.bob.api().ban(channel, room.bot_id).await.unwrap_err();
    assert!(error.is("CHAT_ADMIN_REQUIRED"), "{error}");
    let admins = api.participants(channel).filter(MemberFilter::Admins);
    assert_eq!(admins.collect().await.unwrap().len(), 2);

    api.demote(channel, bob).await.unwrap();
    assert_eq!(member(&room, bob).await.status(), &MemberStatus::Member);
    let error = api
        .promote(channel, bob)
        .rank("x".repeat(17))
        .await
        .unwrap_err();
    assert!(error.is("ADMIN_RANK_INVALID"), "{error}");
    // A right by itself is that of being one.
    api.promote(channel, bob).await.unwrap();
    assert!(member(&room, bob).await.is_admin());
    let error = api.promote("me", bob).await.unwrap_err();
    assert!(matches!(error, Error::Peer(_)), "{error}");
    room.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_are_restricted_banned_and_let_back_in() {
    let room = Room::new(2302).await;
    let api = room.ann.api();
    let (bob, channel) = (room.bob_id, room.channel());
    let bobs = room.bob.api();
    api.restrict(channel, bob)
        .no_messages()
        .no_pins()
        .await
        .unwrap();
    let restricted = member(&room, bob).await;
    let MemberStatus::Restricted { rights, by, left } = restricted.status() else {
        panic!("{restricted:?}")
    };
    assert!(rights.send_messages && rights.pin_messages && !rights.send_polls);
    assert_eq!(
        (*by, *left, rights.until_date),
        (PeerId::User(room.ann_id), false, 0)
    );
    assert!(restricted.is_in());
    let error = bobs.send_message(channel, "muted").await.unwrap_err();
    assert!(error.is("USER_BANNED_IN_CHANNEL"), "{error}");
    let cut = api
        .participants(channel)
        .filter(MemberFilter::Restricted(String::new()));
    assert_eq!(cut.collect().await.unwrap().len(), 1);
    api.unban(channel, bob).await.unwrap();
    bobs.send_message(channel, "free").await.unwrap();

    let in_an_hour = Duration::from_secs(u64::try_from(message_date(&room).await).unwrap() + 3600);
    api.ban(channel, bob).until(in_an_hour).await.unwrap();
    let banned = member(&room, bob).await;
    let MemberStatus::Banned { rights, .. } = banned.status() else {
        panic!("{banned:?}")
    };
    assert!(rights.view_messages && !banned.is_in());
    assert_eq!(
        u64::try_from(rights.until_date).unwrap(),
        in_an_hour.as_secs()
    );
    let error = bobs.send_message(channel, "out").await.unwrap_err();
    assert!(error.is("CHANNEL_PRIVATE"), "{error}");
    let link = api.export_invite(channel).await.unwrap();
    let error = bobs.join(&link).await.unwrap_err();
    assert!(matches!(error, Error::Peer(_)), "{error}");
    api.unban(channel, bob).await.unwrap();
    bobs.join(&link).await.unwrap();
    assert_eq!(member(&room, bob).await.status(), &MemberStatus::Member);
    room.end().await;
}

/// When the newest message of Ann was written, by the datacenter's clock.
async fn message_date(room: &Room) -> i64 {
    let note = room.ann.api().send_message("me", "now").await.unwrap();
    note.date()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn basic_groups_have_administrators_and_remove_members() {
    let room = Room::new(2303).await;
    let api = room.ann.api();
    let operator = room.datacenter.operator();
    let people = [room.bob_id, room.bot_id];
    let group = operator.create_chat(room.ann_id, &people, "Group").unwrap();
    let chat = PeerId::Chat(group);
    api.promote(chat, room.bob_id).await.unwrap();
    let bob = api.get_member(chat, room.bob_id).await.unwrap();
    assert!(matches!(
        bob.status(),
        MemberStatus::Admin { rights: None, .. }
    ));
    assert_eq!(bob.inviter(), Some(PeerId::User(room.ann_id)));
    api.demote(chat, room.bob_id).await.unwrap();
    let bob = api.get_member(chat, room.bob_id).await.unwrap();
    assert_eq!(bob.status(), &MemberStatus::Member);
    let error = api
        .restrict(chat, room.bob_id)
        .no_polls()
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Argument { .. }), "{error}");
    api.ban(chat, room.bob_id).await.unwrap();
    assert!(!operator.members(group).contains(&room.bob_id));
    room.end().await;
}

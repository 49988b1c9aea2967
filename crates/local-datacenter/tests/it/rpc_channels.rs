//! Supergroups and broadcast channels at the level of methods.
#![allow(clippy::unwrap_used)]

use crate::channel_support::*;
use crate::rpc_support::*;
use actogram_local_datacenter::model::{World, WorldConfig};
use actogram_local_datacenter::storage::SqliteJournal;
use actogram_tl as tl;
use tl::{Constructor as _, enums, functions, types};

/// Alice's public supergroup, with Bob in it.
fn club(p: &mut Pair) -> (Named, Named) {
    let alices = create(&mut p.rig, &mut p.alice, "Club", false);
    publish(&mut p.rig, &mut p.alice, &alices, "our_club");
    let bobs = resolve(&mut p.rig, &mut p.bob, "our_club");
    join(&mut p.rig, &mut p.bob, &bobs);
    p.rig.pushed.clear();
    (alices, bobs)
}

fn delete(channel: &Named, ids: &[i32]) -> functions::channels::DeleteMessages {
    functions::channels::DeleteMessages {
        channel: channel.input(),
        id: ids.to_vec(),
    }
}

fn read(channel: &Named, max_id: i32) -> functions::channels::ReadHistory {
    functions::channels::ReadHistory {
        channel: channel.input(),
        max_id,
    }
}

fn pin(channel: &Named, id: i32, unpin: bool) -> functions::messages::UpdatePinnedMessage {
    functions::messages::UpdatePinnedMessage {
        silent: false,
        unpin,
        pm_oneside: false,
        peer: channel.peer(),
        id,
    }
}

fn ban(
    channel: &Named,
    who: &enums::InputPeer,
    rights: types::ChatBannedRights,
) -> functions::channels::EditBanned {
    functions::channels::EditBanned {
        channel: channel.input(),
        participant: who.clone(),
        banned_rights: rights.into(),
    }
}

#[test]
fn every_change_of_a_supergroup_takes_its_steps_in_the_channels_own_pts() {
    let mut p = pair();
    let (alices, bobs) = club(&mut p);
    // Creation and Bob's arrival took two steps after the first position.
    let mut pts = full(&mut p.rig, &mut p.alice, &alices).pts;
    assert_eq!(pts, 3);
    let common = p
        .rig
        .call(&mut p.bob, &functions::updates::GetState)
        .unwrap();
    for n in 1..=3 {
        p.rig
            .call(&mut p.alice, &send_message(&alices.peer(), "hello", n))
            .unwrap();
    }
    p.rig
        .call(&mut p.alice, &edit_message(&alices.peer(), 3, "edited"))
        .unwrap();
    p.rig.call(&mut p.alice, &pin(&alices, 4, false)).unwrap();
    let enums::messages::AffectedMessages::AffectedMessages(affected) = p
        .rig
        .call(&mut p.alice, &delete(&alices, &[4, 5, 999]))
        .unwrap();
    let seen = all_updates(&p.rig.take_pushes(&p.bob));
    assert_eq!(
        positions(&seen),
        [(4, 1), (5, 1), (6, 1), (7, 1), (8, 1), (9, 1), (11, 2)]
    );
    for update in &seen {
        if let Some((at, count)) = position(update) {
            assert_eq!(pts + count, at);
            pts = at;
        }
    }
    assert_eq!((affected.pts, affected.pts_count), (11, 2));
    assert!(seen.iter().any(|update| matches!(update,
        enums::Update::UpdatePinnedChannelMessages(u) if u.pinned && u.messages == [4])));
    assert!(seen.iter().any(|update| matches!(update,
        enums::Update::UpdateNewChannelMessage(u)
            if matches!(&u.message, enums::Message::MessageService(m)
                if matches!(m.action, enums::MessageAction::MessageActionPinMessage)))));
    assert!(
        !seen
            .iter()
            .any(|u| matches!(u, enums::Update::UpdateNewMessage(_))),
        "the common sequence has no part in it"
    );
    assert_eq!(
        p.rig
            .call(&mut p.bob, &functions::updates::GetState)
            .unwrap(),
        common
    );
    let answer = p.rig.call(&mut p.bob, &get_history(&bobs.peer())).unwrap();
    let enums::messages::Messages::ChannelMessages(history) = answer else {
        panic!("{answer:?}")
    };
    assert_eq!(history.pts, 11);
    assert_eq!(history.count, 4);
    assert_eq!(
        message(
            history
                .messages
                .iter()
                .find(|m| matches!(m, enums::Message::Message(m) if m.id == 3))
                .unwrap()
        )
        .message,
        "edited"
    );
    assert_eq!(
        p.rig.error(&mut p.bob, &delete(&bobs, &[3])),
        "403 MESSAGE_DELETE_FORBIDDEN"
    );
    assert_eq!(
        p.rig
            .error(&mut p.bob, &edit_message(&bobs.peer(), 3, "mine")),
        "403 MESSAGE_AUTHOR_REQUIRED"
    );
    assert_eq!(
        p.rig.error(&mut p.bob, &pin(&bobs, 3, false)),
        "400 CHAT_ADMIN_REQUIRED"
    );
    p.rig.call(&mut p.alice, &pin(&alices, 3, false)).unwrap();
    assert_eq!(full(&mut p.rig, &mut p.bob, &bobs).pinned_msg_id, Some(3));
    assert_eq!(
        p.rig.error(&mut p.alice, &pin(&alices, 3, false)),
        "400 CHAT_NOT_MODIFIED"
    );
}

#[test]
fn reading_a_supergroup_is_told_to_reader_and_author() {
    let mut p = pair();
    let (alices, bobs) = club(&mut p);
    let bobs_other = p.rig.second_login(p.bob_id);
    let mut bobs_other = bobs_other;
    p.rig
        .call(&mut bobs_other, &functions::updates::GetState)
        .unwrap();
    for n in 1..=2 {
        p.rig
            .call(&mut p.alice, &send_message(&alices.peer(), "news", n))
            .unwrap();
    }
    let dialog = |rig: &mut Rig, client: &mut Client| {
        let request = functions::messages::GetPeerDialogs {
            peers: vec![types::InputDialogPeer { peer: bobs.peer() }.into()],
        };
        let enums::messages::PeerDialogs::PeerDialogs(found) = rig.call(client, &request).unwrap();
        match &found.dialogs[0] {
            enums::Dialog::Dialog(dialog) => (dialog.unread_count, dialog.top_message, dialog.pts),
            other => panic!("{other:?}"),
        }
    };
    let pts = full(&mut p.rig, &mut p.bob, &bobs).pts;
    assert_eq!(dialog(&mut p.rig, &mut p.bob), (2, 4, Some(pts)));
    p.rig.pushed.clear();
    assert!(p.rig.call(&mut p.bob, &read(&bobs, 3)).unwrap());
    assert_eq!(dialog(&mut p.rig, &mut p.bob), (1, 4, Some(pts)));
    let told = all_updates(&p.rig.take_pushes(&p.alice));
    assert!(
        matches!(&told[..], [enums::Update::UpdateReadChannelOutbox(u)]
        if u.channel_id == alices.id && u.max_id == 3)
    );
    let told = all_updates(&p.rig.take_pushes(&bobs_other));
    assert!(
        matches!(&told[..], [enums::Update::UpdateReadChannelInbox(u)]
        if u.max_id == 3 && u.still_unread_count == 1 && u.pts == pts)
    );
    // Once more changes nothing and tells nobody.
    assert!(p.rig.call(&mut p.bob, &read(&bobs, 3)).unwrap());
    assert_eq!(p.rig.take_pushes(&p.alice).len(), 0);
    assert_eq!(
        p.rig.error(
            &mut p.bob,
            &functions::messages::ReadHistory {
                peer: bobs.peer(),
                max_id: 0
            }
        ),
        "400 PEER_ID_INVALID"
    );
    let request = functions::messages::GetDialogs {
        exclude_pinned: false,
        folder_id: None,
        offset_date: 0,
        offset_id: 0,
        offset_peer: enums::InputPeer::InputPeerEmpty,
        limit: 20,
        hash: 0,
    };
    let enums::messages::Dialogs::Dialogs(list) = p.rig.call(&mut p.bob, &request).unwrap() else {
        panic!("a slice")
    };
    assert!(list.dialogs.iter().any(|dialog| matches!(dialog,
        enums::Dialog::Dialog(d) if d.peer == types::PeerChannel { channel_id: bobs.id }.into())));
    assert!(
        list.chats
            .iter()
            .any(|chat| matches!(chat, enums::Chat::Channel(c) if c.id == bobs.id))
    );
}

#[test]
fn a_channels_access_hash_is_good_for_one_account_only() {
    let mut p = pair();
    let alices = create(&mut p.rig, &mut p.alice, "Secret", false);
    let (mut carol, _) = p.rig.person("Carol");
    for stranger in [&mut p.bob, &mut carol] {
        assert_eq!(
            p.rig.error(stranger, &send_message(&alices.peer(), "x", 1)),
            "400 CHANNEL_INVALID"
        );
        let zero = Named {
            id: alices.id,
            access_hash: 0,
        };
        assert_eq!(
            p.rig.error(stranger, &difference(&zero, 1, 10)),
            "400 CHANNEL_INVALID"
        );
    }
    let invite = functions::channels::InviteToChannel {
        channel: alices.input(),
        users: vec![input_user(&p.to_bob)],
    };
    p.rig.call(&mut p.alice, &invite).unwrap();
    let pushes = p.rig.take_pushes(&p.bob);
    assert!(
        matches!(&updates(&pushes[0])[..], [enums::Update::UpdateChannel(u)]
        if u.channel_id == alices.id)
    );
    let bobs = Named::of(&chats(&pushes[0])[0]);
    assert_ne!(bobs.access_hash, alices.access_hash);
    p.rig
        .call(&mut p.bob, &send_message(&bobs.peer(), "thanks", 1))
        .unwrap();
    p.rig
        .call(
            &mut p.bob,
            &functions::channels::LeaveChannel {
                channel: bobs.input(),
            },
        )
        .unwrap();
    for error in [
        p.rig.error(&mut p.bob, &difference(&bobs, 1, 10)),
        p.rig.error(&mut p.bob, &get_history(&bobs.peer())),
        p.rig
            .error(&mut p.bob, &send_message(&bobs.peer(), "back?", 2)),
    ] {
        assert_eq!(error, "400 CHANNEL_PRIVATE");
    }
}

#[test]
fn posts_of_a_broadcast_channel_are_the_channels_own() {
    let mut p = pair();
    let alices = create(&mut p.rig, &mut p.alice, "News", true);
    publish(&mut p.rig, &mut p.alice, &alices, "daily_news");
    let bobs = resolve(&mut p.rig, &mut p.bob, "daily_news");
    // Public: readable before joining, writable never.
    let history = p.rig.call(&mut p.bob, &get_history(&bobs.peer())).unwrap();
    assert!(matches!(
        history,
        enums::messages::Messages::ChannelMessages(_)
    ));
    assert_eq!(
        p.rig.error(&mut p.bob, &send_message(&bobs.peer(), "x", 1)),
        "403 CHAT_WRITE_FORBIDDEN"
    );
    join(&mut p.rig, &mut p.bob, &bobs);
    assert_eq!(
        p.rig.error(&mut p.bob, &send_message(&bobs.peer(), "x", 1)),
        "400 CHAT_ADMIN_REQUIRED"
    );
    p.rig.pushed.clear();
    p.rig
        .call(&mut p.alice, &send_message(&alices.peer(), "it rains", 1))
        .unwrap();
    let pushes = p.rig.take_pushes(&p.bob);
    let told = all_updates(&pushes);
    let [enums::Update::UpdateNewChannelMessage(new)] = &told[..] else {
        panic!("{told:?}")
    };
    let post = message(&new.message).clone();
    assert!(post.post && post.from_id.is_none() && !post.out);
    assert_eq!(users(&pushes[0]), []);
    // Forwarded to a private chat, it names the channel; a stranger to it gets the min form.
    let private = create(&mut p.rig, &mut p.alice, "Internal", true);
    p.rig
        .call(&mut p.alice, &send_message(&private.peer(), "hush", 2))
        .unwrap();
    let forward = functions::messages::ForwardMessages::new(
        private.peer(),
        vec![2],
        vec![77],
        p.to_bob.clone(),
    );
    p.rig.pushed.clear();
    p.rig.call(&mut p.alice, &forward).unwrap();
    let pushes = p.rig.take_pushes(&p.bob);
    let got = only_new_message(&pushes);
    let Some(enums::MessageFwdHeader::MessageFwdHeader(header)) = &got.fwd_from else {
        panic!("{got:?}")
    };
    assert_eq!(
        header.from_id,
        Some(
            types::PeerChannel {
                channel_id: private.id
            }
            .into()
        )
    );
    assert_eq!(header.channel_post, Some(2));
    assert!(matches!(&chats(&pushes[0])[..], [enums::Chat::Channel(c)]
        if c.min && c.access_hash.is_none() && c.title == "Internal"));
    let by_message: enums::InputPeer = types::InputPeerChannelFromMessage {
        peer: p.to_alice.clone(),
        msg_id: got.id,
        channel_id: private.id,
    }
    .into();
    assert_eq!(
        p.rig.error(&mut p.bob, &get_history(&by_message)),
        "400 CHANNEL_PRIVATE"
    );
}

#[test]
fn administrators_do_what_they_were_given_rights_for() {
    let mut p = pair();
    let (alices, bobs) = club(&mut p);
    let (mut carol, carol_id) = p.rig.person("Carol");
    p.rig.set_username(&mut carol, "carol");
    let carols = resolve(&mut p.rig, &mut carol, "our_club");
    join(&mut p.rig, &mut carol, &carols);
    p.rig
        .call(&mut carol, &send_message(&carols.peer(), "spam", 1))
        .unwrap();
    let to_carol = p.rig.input_peer(&mut p.bob, "carol");
    let mut mute = types::ChatBannedRights::new(0);
    mute.send_messages = true;
    let mut kick = mute.clone();
    kick.view_messages = true;
    assert_eq!(
        p.rig
            .error(&mut p.bob, &ban(&bobs, &to_carol, mute.clone())),
        "400 CHAT_ADMIN_REQUIRED"
    );
    let mut rights = types::ChatAdminRights::new();
    rights.ban_users = true;
    rights.delete_messages = true;
    rights.add_admins = true;
    let appoint =
        |channel: &Named, user, rights: &types::ChatAdminRights| functions::channels::EditAdmin {
            channel: channel.input(),
            user_id: user,
            admin_rights: rights.clone().into(),
            rank: Some("guard".into()),
        };
    p.rig.pushed.clear();
    p.rig
        .call(
            &mut p.alice,
            &appoint(&alices, input_user(&p.to_bob), &rights),
        )
        .unwrap();
    let told = p.rig.take_pushes(&p.bob);
    assert!(matches!(&chats(&told[0])[0], enums::Chat::Channel(c)
        if c.admin_rights == Some(rights.clone().into())));
    let mut more = rights.clone();
    more.change_info = true;
    assert_eq!(
        p.rig
            .error(&mut p.bob, &appoint(&bobs, input_user(&to_carol), &more)),
        "403 RIGHT_FORBIDDEN"
    );
    assert_eq!(
        p.rig.error(
            &mut p.bob,
            &appoint(&bobs, input_user(&p.to_alice), &rights)
        ),
        "400 USER_CREATOR"
    );
    assert_eq!(
        p.rig
            .error(&mut p.bob, &ban(&bobs, &p.to_alice, kick.clone())),
        "400 USER_ADMIN_INVALID"
    );
    p.rig.call(&mut p.bob, &delete(&bobs, &[3])).unwrap();
    p.rig
        .call(&mut p.bob, &ban(&bobs, &to_carol, mute))
        .unwrap();
    assert_eq!(
        p.rig
            .error(&mut carol, &send_message(&carols.peer(), "again", 2)),
        "400 USER_BANNED_IN_CHANNEL"
    );
    p.rig.pushed.clear();
    p.rig
        .call(&mut p.bob, &ban(&bobs, &to_carol, kick))
        .unwrap();
    let told = p.rig.take_pushes(&carol);
    assert!(matches!(&chats(&told[0])[0], enums::Chat::ChannelForbidden(c) if c.megagroup));
    assert_eq!(
        p.rig.error(&mut carol, &difference(&carols, 1, 10)),
        "400 CHANNEL_PRIVATE"
    );
    let list = |filter| functions::channels::GetParticipants {
        channel: alices.input(),
        filter,
        offset: 0,
        limit: 10,
        hash: 0,
    };
    let mut count = |filter| match p.rig.call(&mut p.alice, &list(filter)).unwrap() {
        enums::channels::ChannelParticipants::ChannelParticipants(found) => {
            (found.count, found.participants.clone())
        }
        other => panic!("{other:?}"),
    };
    let query = types::ChannelParticipantsKicked { q: String::new() };
    let (n, kicked) = count(query.into());
    assert_eq!(n, 1);
    assert!(
        matches!(&kicked[0], enums::ChannelParticipant::ChannelParticipantBanned(b)
        if b.left && b.peer == types::PeerUser { user_id: carol_id }.into())
    );
    assert_eq!(
        count(enums::ChannelParticipantsFilter::ChannelParticipantsAdmins).0,
        2
    );
    assert_eq!(
        count(enums::ChannelParticipantsFilter::ChannelParticipantsRecent).0,
        2
    );
    let mut one = |who: &enums::InputPeer| {
        let request = functions::channels::GetParticipant {
            channel: bobs.input(),
            participant: who.clone(),
        };
        p.rig.call(&mut p.bob, &request).map(|found| {
            let enums::channels::ChannelParticipant::ChannelParticipant(found) = found;
            found.participant.clone()
        })
    };
    assert!(matches!(
        one(&p.to_alice).unwrap(),
        enums::ChannelParticipant::ChannelParticipantCreator(_)
    ));
    assert!(matches!(one(&enums::InputPeer::InputPeerSelf).unwrap(),
        enums::ChannelParticipant::ChannelParticipantAdmin(a) if a.rank.as_deref() == Some("guard")));
    // Let in again, she may join and write.
    let free = types::ChatBannedRights::new(0);
    p.rig
        .call(&mut p.bob, &ban(&bobs, &to_carol, free))
        .unwrap();
    join(&mut p.rig, &mut carol, &carols);
    p.rig
        .call(&mut carol, &send_message(&carols.peer(), "sorry", 3))
        .unwrap();
}

#[test]
fn titles_names_and_the_end_of_a_channel() {
    let mut p = pair();
    let (alices, bobs) = club(&mut p);
    let rename = |channel: &Named, title: &str| functions::channels::EditTitle {
        channel: channel.input(),
        title: title.into(),
    };
    assert_eq!(
        p.rig.error(&mut p.bob, &rename(&bobs, "Bob's")),
        "400 CHAT_ADMIN_REQUIRED"
    );
    assert_eq!(
        p.rig.error(&mut p.alice, &rename(&alices, "Club")),
        "400 CHAT_NOT_MODIFIED"
    );
    p.rig
        .call(&mut p.alice, &rename(&alices, "Society"))
        .unwrap();
    let pushes = p.rig.take_pushes(&p.bob);
    assert!(matches!(&chats(&pushes[0])[0], enums::Chat::Channel(c) if c.title == "Society"));
    let check = |channel: enums::InputChannel, name: &str| functions::channels::CheckUsername {
        channel,
        username: name.into(),
    };
    let empty = enums::InputChannel::InputChannelEmpty;
    for taken in ["our_club", "Bob_Bob"] {
        assert_eq!(
            p.rig.error(&mut p.alice, &check(empty.clone(), taken)),
            "400 USERNAME_OCCUPIED"
        );
    }
    assert_eq!(
        p.rig.error(&mut p.alice, &check(empty.clone(), "x")),
        "400 USERNAME_INVALID"
    );
    assert!(
        p.rig
            .call(&mut p.alice, &check(empty, "free_name"))
            .unwrap()
    );
    let steal = functions::account::UpdateUsername {
        username: "our_club".into(),
    };
    assert_eq!(p.rig.error(&mut p.bob, &steal), "400 USERNAME_OCCUPIED");
    let end = |channel: &Named| functions::channels::DeleteChannel {
        channel: channel.input(),
    };
    assert_eq!(
        p.rig.error(&mut p.bob, &end(&bobs)),
        "400 CHAT_ADMIN_REQUIRED"
    );
    p.rig.pushed.clear();
    p.rig.call(&mut p.alice, &end(&alices)).unwrap();
    let pushes = p.rig.take_pushes(&p.bob);
    assert!(matches!(
        &chats(&pushes[0])[0],
        enums::Chat::ChannelForbidden(_)
    ));
    assert_eq!(
        p.rig.error(&mut p.bob, &get_history(&bobs.peer())),
        "400 CHANNEL_PRIVATE"
    );
    p.rig.call(&mut p.bob, &steal).unwrap();
}

#[test]
fn people_met_in_a_channel_only_come_in_the_min_form_and_are_named_by_message() {
    let mut p = pair();
    let (_, bobs) = club(&mut p);
    let (mut carol, carol_id) = p.rig.person("Carol");
    let carols = resolve(&mut p.rig, &mut carol, "our_club");
    join(&mut p.rig, &mut carol, &carols);
    p.rig.pushed.clear();
    p.rig
        .call(&mut carol, &send_message(&carols.peer(), "I am new", 1))
        .unwrap();
    let pushes = p.rig.take_pushes(&p.bob);
    let told = users(&pushes[0]);
    let stranger = user(&told[0]);
    assert!(stranger.min && stranger.id == carol_id && stranger.phone.is_none());
    let wrong: enums::InputPeer = types::InputPeerUser {
        user_id: carol_id,
        access_hash: stranger.access_hash.unwrap(),
    }
    .into();
    assert_eq!(
        p.rig.error(&mut p.bob, &send_message(&wrong, "hi", 1)),
        "400 PEER_ID_INVALID"
    );
    let by_message = |msg_id, user_id| -> enums::InputPeer {
        types::InputPeerUserFromMessage {
            peer: bobs.peer(),
            msg_id,
            user_id,
        }
        .into()
    };
    assert_eq!(
        p.rig
            .error(&mut p.bob, &send_message(&by_message(4, 12345), "hi", 1)),
        "400 USER_ID_INVALID"
    );
    assert_eq!(
        p.rig.error(
            &mut p.bob,
            &send_message(&by_message(999, carol_id), "hi", 1)
        ),
        "400 MSG_ID_INVALID"
    );
    p.rig
        .call(&mut p.bob, &send_message(&by_message(4, carol_id), "hi", 1))
        .unwrap();
    // Now they know each other: the full form.
    p.rig.pushed.clear();
    p.rig
        .call(&mut carol, &send_message(&carols.peer(), "again", 2))
        .unwrap();
    let pushes = p.rig.take_pushes(&p.bob);
    let told = users(&pushes[0]);
    assert!(!user(&told[0]).min);
}

#[test]
fn a_channel_is_pushed_in_the_layer_of_each_session() {
    let mut p = pair();
    let (alices, _) = club(&mut p);
    let mut login = p.rig.second_login(p.bob_id);
    login.layer = 227;
    login.initialized = false;
    p.rig
        .call(&mut login, &functions::help::GetNearestDc)
        .unwrap();
    p.rig.pushed.clear();
    p.rig
        .call(&mut p.alice, &send_message(&alices.peer(), "hello", 1))
        .unwrap();
    let contains = |client: &Client, id: u32| {
        p.rig.pushed[&(client.key, client.session)]
            .iter()
            .any(|body| body.windows(4).any(|word| word == id.to_le_bytes()))
    };
    let (new, former) = (types::Channel::ID, 0x1c32_b11c);
    assert!(contains(&p.bob, new) && !contains(&p.bob, former));
    assert!(contains(&login, former) && !contains(&login, new));
}

#[test]
fn a_restart_changes_nothing_in_channels() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("datacenter.sqlite");
    let open = || {
        World::open(
            WorldConfig::default(),
            Box::new(SqliteJournal::open(&path).unwrap()),
            Box::new(actogram_crypto::random::SeededRandom::from_seed(1)),
        )
        .unwrap()
    };
    let mut rig = Rig::around(open());
    let (mut alice, _) = rig.person("Alice");
    let (mut bob, _) = rig.person("Bob");
    let alices = create(&mut rig, &mut alice, "Club", false);
    publish(&mut rig, &mut alice, &alices, "our_club");
    let bobs = resolve(&mut rig, &mut bob, "our_club");
    join(&mut rig, &mut bob, &bobs);
    for n in 1..=4 {
        rig.call(&mut alice, &send_message(&alices.peer(), "text", n))
            .unwrap();
    }
    rig.call(&mut alice, &edit_message(&alices.peer(), 3, "new"))
        .unwrap();
    rig.call(&mut alice, &delete(&alices, &[4])).unwrap();
    rig.call(&mut alice, &pin(&alices, 3, false)).unwrap();
    rig.call(&mut bob, &read(&bobs, 5)).unwrap();
    let before = rig.call(&mut bob, &difference(&bobs, 1, 100)).unwrap();
    let Rig { world, now, .. } = rig;
    let shown = format!("{:?}", world.state().channel(alices.id));
    drop(world);
    let mut rig = Rig::around(open());
    rig.now = now;
    assert_eq!(format!("{:?}", rig.world.state().channel(alices.id)), shown);
    assert_eq!(
        rig.call(&mut bob, &difference(&bobs, 1, 100)).unwrap(),
        before
    );
    assert_eq!(
        rig.error(&mut alice, &send_message(&alices.peer(), "text", 4)),
        "500 RANDOM_ID_DUPLICATE"
    );
}

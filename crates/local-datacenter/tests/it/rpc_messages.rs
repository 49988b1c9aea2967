//! Private chats at the level of methods.
#![allow(clippy::unwrap_used)]

use crate::rpc_support::*;
use actogram_local_datacenter::model::WorldConfig;
use actogram_tl as tl;
use tl::{enums, functions, types};

fn short_sent(updates: enums::Updates) -> types::UpdateShortSentMessage {
    match updates {
        enums::Updates::UpdateShortSentMessage(short) => *short,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_message_arrives_with_its_sender() {
    let mut p = pair();
    let sent = p
        .rig
        .call(&mut p.alice, &send_message(&p.to_bob, "  hello Bob \n", 1))
        .unwrap();
    let sent = short_sent(sent);
    assert!(sent.out);
    assert_eq!((sent.id, sent.pts, sent.pts_count), (1, 2, 1));
    let pushes = p.rig.take_pushes(&p.bob);
    let got = only_new_message(&pushes);
    assert_eq!(got.message, "hello Bob");
    assert!(!got.out);
    assert_eq!(got.from_id, None);
    let enums::Peer::PeerUser(peer) = &got.peer_id else {
        panic!("{got:?}")
    };
    assert_eq!(peer.user_id, p.alice_id);
    let enums::Updates::Updates(container) = &pushes[0] else {
        panic!("{pushes:?}")
    };
    assert_eq!(container.seq, 0);
    let sender = container
        .users
        .iter()
        .map(user)
        .find(|user| user.id == p.alice_id)
        .unwrap();
    // The access hash in the push is the receiver's own and works.
    let answer: enums::InputPeer = types::InputPeerUser {
        user_id: sender.id,
        access_hash: sender.access_hash.unwrap(),
    }
    .into();
    p.rig
        .call(&mut p.bob, &send_message(&answer, "hello Alice", 1))
        .unwrap();
    assert_eq!(
        only_new_message(&p.rig.take_pushes(&p.alice)).message,
        "hello Alice"
    );
    let (mut carol, _) = p.rig.person("Carol");
    let stolen = send_message(&answer, "not my hash", 2);
    assert_eq!(p.rig.error(&mut carol, &stolen), "400 PEER_ID_INVALID");
}

#[test]
fn plain_texts_are_compact_if_so_configured() {
    let mut p = pair_with(WorldConfig {
        compact_updates: true,
        ..WorldConfig::default()
    });
    p.rig
        .call(&mut p.alice, &send_message(&p.to_bob, "see /help", 1))
        .unwrap();
    let pushes = p.rig.take_pushes(&p.bob);
    let [enums::Updates::UpdateShortMessage(short)] = &pushes[..] else {
        panic!("{pushes:?}")
    };
    assert_eq!(
        (short.user_id, short.message.as_str(), short.pts),
        (p.alice_id, "see /help", 2)
    );
    assert!(matches!(
        short.entities.as_deref(),
        Some([enums::MessageEntity::MessageEntityBotCommand(_)])
    ));
}

#[test]
fn bad_messages_are_refused_as_documented() {
    let mut p = pair();
    let invalid: enums::InputPeer = types::InputPeerUser {
        user_id: p.bob_id,
        access_hash: 1,
    }
    .into();
    for (request, expected) in [
        (send_message(&p.to_bob, "", 1), "400 MESSAGE_EMPTY"),
        (send_message(&p.to_bob, " \n\t ", 1), "400 MESSAGE_EMPTY"),
        (
            send_message(&p.to_bob, &"a".repeat(4097), 1),
            "400 MESSAGE_TOO_LONG",
        ),
        (
            send_message(&p.to_bob, &"\u{1f600}".repeat(2049), 1),
            "400 MESSAGE_TOO_LONG",
        ),
        (send_message(&p.to_bob, "x", 0), "400 RANDOM_ID_EMPTY"),
        (send_message(&invalid, "x", 1), "400 PEER_ID_INVALID"),
        (
            send_message(&enums::InputPeer::InputPeerEmpty, "x", 1),
            "400 PEER_ID_INVALID",
        ),
        (
            send_message(&types::InputPeerChat { chat_id: 1 }.into(), "x", 1),
            "400 PEER_ID_INVALID",
        ),
    ] {
        assert_eq!(p.rig.error(&mut p.alice, &request), expected);
    }
    let mut reply = send_message(&p.to_bob, "x", 1);
    reply.reply_to = Some(reply_to(99));
    assert_eq!(
        p.rig.error(&mut p.alice, &reply),
        "400 REPLY_MESSAGE_ID_INVALID"
    );
    let mut scheduled = send_message(&p.to_bob, "x", 1);
    scheduled.schedule_date = Some(2_000_000_000);
    assert_eq!(
        p.rig.error(&mut p.alice, &scheduled),
        "400 PARAMETER_NOT_BUILT (messages.sendMessage schedule_date)"
    );
    assert_eq!(p.rig.world.state().message_count(), 0);
    p.rig
        .call(&mut p.alice, &send_message(&p.to_bob, &"a".repeat(4096), 1))
        .unwrap();
}

#[test]
fn a_random_id_is_executed_once_forever() {
    let mut p = pair();
    let request = send_message(&p.to_bob, "once", 42);
    p.rig.call(&mut p.alice, &request).unwrap();
    assert_eq!(
        p.rig.error(&mut p.alice, &request),
        "500 RANDOM_ID_DUPLICATE"
    );
    let ids = vec![1];
    p.rig
        .call(
            &mut p.alice,
            &functions::messages::DeleteMessages {
                revoke: true,
                id: ids,
            },
        )
        .unwrap();
    assert_eq!(
        p.rig.error(&mut p.alice, &request),
        "500 RANDOM_ID_DUPLICATE"
    );
    // Another sender's ids are its own.
    p.rig
        .call(&mut p.bob, &send_message(&p.to_alice, "mine", 42))
        .unwrap();
}

#[test]
fn entities_are_checked_shifted_and_completed() {
    let mut p = pair();
    let mut request = send_message(&p.to_bob, "  \u{1f600} bold @alice_a #tag", 1);
    let bold = |offset, length| -> enums::MessageEntity {
        types::MessageEntityBold { offset, length }.into()
    };
    request.entities = Some(vec![
        bold(5, 4),
        types::InputMessageEntityMentionName {
            offset: 2,
            length: 2,
            user_id: input_user(&p.to_bob),
        }
        .into(),
    ]);
    let sent = short_sent(p.rig.call(&mut p.alice, &request).unwrap());
    let expected: Vec<enums::MessageEntity> = vec![
        types::MessageEntityMentionName {
            offset: 0,
            length: 2,
            user_id: p.bob_id,
        }
        .into(),
        bold(3, 4),
        types::MessageEntityMention {
            offset: 8,
            length: 8,
        }
        .into(),
        types::MessageEntityHashtag {
            offset: 17,
            length: 4,
        }
        .into(),
    ];
    assert_eq!(sent.entities, Some(expected.clone()));
    let got = only_new_message(&p.rig.take_pushes(&p.bob));
    assert_eq!(got.entities, Some(expected));
    assert!(got.mentioned);
    for (offset, length) in [(-1, 2), (0, 0), (0, 100), (i32::MAX, 2), (1, i32::MAX)] {
        let mut request = send_message(&p.to_bob, "text", 2);
        request.entities = Some(vec![bold(offset, length)]);
        assert_eq!(
            p.rig.error(&mut p.alice, &request),
            "400 ENTITY_BOUNDS_INVALID"
        );
    }
}

#[test]
fn replies_edits_and_deletions_reach_the_other_side() {
    let mut p = pair();
    // Ids differ between the two mailboxes.
    p.rig
        .call(
            &mut p.bob,
            &send_message(&enums::InputPeer::InputPeerSelf, "note", 1),
        )
        .unwrap();
    p.rig
        .call(&mut p.alice, &send_message(&p.to_bob, "one", 1))
        .unwrap();
    p.rig.take_pushes(&p.bob);
    let mut reply = send_message(&p.to_alice, "two", 2);
    reply.reply_to = Some(reply_to(2));
    p.rig.call(&mut p.bob, &reply).unwrap();
    let got = only_new_message(&p.rig.take_pushes(&p.alice));
    let Some(enums::MessageReplyHeader::MessageReplyHeader(header)) = &got.reply_to else {
        panic!("{got:?}")
    };
    assert_eq!(header.reply_to_msg_id, Some(1), "the reader's own id");

    assert_eq!(
        p.rig
            .error(&mut p.alice, &edit_message(&p.to_bob, 2, "not mine")),
        "403 MESSAGE_AUTHOR_REQUIRED"
    );
    assert_eq!(
        p.rig
            .error(&mut p.alice, &edit_message(&p.to_bob, 1, "one")),
        "400 MESSAGE_NOT_MODIFIED"
    );
    assert_eq!(
        p.rig
            .error(&mut p.alice, &edit_message(&p.to_bob, 9, "one")),
        "400 MESSAGE_ID_INVALID"
    );
    p.rig
        .call(&mut p.alice, &edit_message(&p.to_bob, 1, "uno"))
        .unwrap();
    let pushes = p.rig.take_pushes(&p.bob);
    let edited = pushes.iter().flat_map(updates).find_map(|u| match u {
        enums::Update::UpdateEditMessage(u) => Some((u.pts, message(&u.message).clone())),
        _ => None,
    });
    let (pts, edited) = edited.unwrap();
    assert_eq!((edited.id, edited.message.as_str()), (2, "uno"));
    assert_eq!(edited.edit_date, Some(edited.date));
    assert_eq!(pts, 5);
    p.rig.now += std::time::Duration::from_secs(172_801);
    assert_eq!(
        p.rig
            .error(&mut p.alice, &edit_message(&p.to_bob, 1, "late")),
        "400 MESSAGE_EDIT_TIME_EXPIRED"
    );

    let delete = |revoke, id| functions::messages::DeleteMessages { revoke, id };
    let enums::messages::AffectedMessages::AffectedMessages(affected) = p
        .rig
        .call(&mut p.alice, &delete(true, vec![1, 1, 77]))
        .unwrap();
    assert_eq!(affected.pts_count, 1);
    let pushes = p.rig.take_pushes(&p.bob);
    assert!(
        pushes
            .iter()
            .flat_map(updates)
            .any(|u| matches!(&u, enums::Update::UpdateDeleteMessages(u) if u.messages == [2])),
        "{pushes:?}"
    );
    let enums::messages::AffectedMessages::AffectedMessages(affected) =
        p.rig.call(&mut p.alice, &delete(false, vec![2])).unwrap();
    assert_eq!(affected.pts_count, 1);
    assert_eq!(p.rig.take_pushes(&p.bob).len(), 0, "only Alice's copy went");
    let left = messages(p.rig.call(&mut p.bob, &get_history(&p.to_alice)).unwrap());
    assert_eq!(left.len(), 1);
    assert_eq!(message(&left[0]).reply_to, None, "its target is gone");
}

#[test]
fn forwards_name_their_source() {
    let mut p = pair();
    p.rig
        .call(&mut p.alice, &send_message(&p.to_bob, "news", 1))
        .unwrap();
    p.rig.take_pushes(&p.bob);
    let forward = |id, random_id| functions::messages::ForwardMessages {
        silent: false,
        background: false,
        with_my_score: false,
        drop_author: false,
        drop_media_captions: false,
        noforwards: false,
        allow_paid_floodskip: false,
        from_ephemeral: false,
        from_peer: p.to_alice.clone(),
        id,
        random_id,
        to_peer: enums::InputPeer::InputPeerSelf,
        top_msg_id: None,
        reply_to: None,
        schedule_date: None,
        schedule_repeat_period: None,
        send_as: None,
        quick_reply_shortcut: None,
        effect: None,
        video_timestamp: None,
        allow_paid_stars: None,
        suggested_post: None,
    };
    for (ids, random_ids, expected) in [
        (vec![], vec![], "400 MESSAGE_IDS_EMPTY"),
        (vec![1], vec![], "400 RANDOM_ID_INVALID"),
        (vec![9], vec![5], "400 MESSAGE_ID_INVALID"),
        (vec![1, 1], vec![5, 5], "500 RANDOM_ID_DUPLICATE"),
    ] {
        let request = forward(ids, random_ids);
        assert_eq!(p.rig.error(&mut p.bob, &request), expected);
    }
    let result = p.rig.call(&mut p.bob, &forward(vec![1], vec![5])).unwrap();
    let list = updates(&result);
    assert!(matches!(&list[0], enums::Update::UpdateMessageId(u) if u.id == 2 && u.random_id == 5));
    let copy = only_new_message(&[result]);
    let Some(enums::MessageFwdHeader::MessageFwdHeader(header)) = &copy.fwd_from else {
        panic!("{copy:?}")
    };
    assert_eq!(
        header.from_id,
        Some(
            types::PeerUser {
                user_id: p.alice_id
            }
            .into()
        )
    );
}

#[test]
fn reading_and_typing_are_told() {
    let mut p = pair();
    for n in 1..=3 {
        p.rig
            .call(&mut p.alice, &send_message(&p.to_bob, &n.to_string(), n))
            .unwrap();
    }
    p.rig.take_pushes(&p.bob);
    let unread = |p: &mut Pair| {
        let dialogs = p.rig.call(&mut p.bob, &get_dialogs(10, 0, 0)).unwrap();
        dialog_list(&dialogs)[0].unread_count
    };
    assert_eq!(unread(&mut p), 3);
    let read = |max_id| functions::messages::ReadHistory {
        peer: p.to_alice.clone(),
        max_id,
    };
    let (read_two, read_all) = (read(2), read(0));
    let enums::messages::AffectedMessages::AffectedMessages(affected) =
        p.rig.call(&mut p.bob, &read_two).unwrap();
    assert_eq!(affected.pts_count, 1);
    assert_eq!(unread(&mut p), 1);
    let pushes = p.rig.take_pushes(&p.alice);
    assert!(
        pushes
            .iter()
            .flat_map(updates)
            .any(|u| matches!(&u, enums::Update::UpdateReadHistoryOutbox(u) if u.max_id == 2)),
        "{pushes:?}"
    );
    p.rig.call(&mut p.bob, &read_all).unwrap();
    assert_eq!(unread(&mut p), 0);
    let enums::messages::AffectedMessages::AffectedMessages(affected) =
        p.rig.call(&mut p.bob, &read_all).unwrap();
    assert_eq!(affected.pts_count, 0, "nothing was left to read");
    p.rig.take_pushes(&p.alice);
    let typing = functions::messages::SetTyping {
        peer: p.to_alice.clone(),
        top_msg_id: None,
        action: enums::SendMessageAction::SendMessageTypingAction,
    };
    assert!(p.rig.call(&mut p.bob, &typing).unwrap());
    let pushes = p.rig.take_pushes(&p.alice);
    let [enums::Updates::UpdateShort(short)] = &pushes[..] else {
        panic!("{pushes:?}")
    };
    assert!(matches!(&short.update, enums::Update::UpdateUserTyping(u) if u.user_id == p.bob_id));
}

fn get_dialogs(limit: i32, offset_date: i32, offset_id: i32) -> functions::messages::GetDialogs {
    functions::messages::GetDialogs {
        exclude_pinned: false,
        folder_id: None,
        offset_date,
        offset_id,
        offset_peer: enums::InputPeer::InputPeerEmpty,
        limit,
        hash: 0,
    }
}

fn dialog_list(dialogs: &enums::messages::Dialogs) -> Vec<types::Dialog> {
    let list = match dialogs {
        enums::messages::Dialogs::Dialogs(d) => &d.dialogs,
        enums::messages::Dialogs::DialogsSlice(d) => &d.dialogs,
        other => panic!("{other:?}"),
    };
    list.iter()
        .map(|dialog| match dialog {
            enums::Dialog::Dialog(dialog) => (**dialog).clone(),
            other => panic!("{other:?}"),
        })
        .collect()
}

#[test]
fn dialogs_are_paged_newest_first() {
    let mut rig = Rig::new();
    let (mut me, _) = rig.person("Me");
    for n in 0..7 {
        let (mut other, _) = rig.person("Other");
        rig.set_username(&mut other, &format!("other{n}"));
        let peer = rig.input_peer(&mut me, &format!("other{n}"));
        rig.call(&mut me, &send_message(&peer, "hi", n + 1))
            .unwrap();
        if n % 2 == 0 {
            rig.now += std::time::Duration::from_secs(1);
        }
    }
    let mut seen = Vec::new();
    let (mut date, mut id) = (0, 0);
    loop {
        let page = rig.call(&mut me, &get_dialogs(3, date, id)).unwrap();
        let list = dialog_list(&page);
        let enums::messages::Dialogs::DialogsSlice(slice) = &page else {
            panic!("{page:?}")
        };
        assert_eq!(slice.count, 7);
        if list.is_empty() {
            break;
        }
        seen.extend(list.iter().map(|d| d.top_message));
        let last = message(slice.messages.last().unwrap());
        (date, id) = (last.date, last.id);
    }
    assert_eq!(seen, [7, 6, 5, 4, 3, 2, 1]);
    let all = rig.call(&mut me, &get_dialogs(100, 0, 0)).unwrap();
    assert!(matches!(all, enums::messages::Dialogs::Dialogs(_)));
}

/// Private chats and channels in one second: numbers of messages say nothing of the order between them.
#[test]
fn dialogs_of_one_second_are_paged_by_their_peers() {
    let mut rig = Rig::new();
    let (mut me, my_id) = rig.person("Me");
    for n in 0..6 {
        let (mut other, _) = rig.person("Other");
        rig.set_username(&mut other, &format!("other{n}"));
        let peer = rig.input_peer(&mut me, &format!("other{n}"));
        rig.call(&mut me, &send_message(&peer, "hi", n + 1))
            .unwrap();
        let title = format!("channel {n}");
        operate(&mut rig, |operator| {
            operator.create_channel(my_id, &[], &title, false).unwrap()
        });
    }
    let (mut seen, mut request) = (Vec::new(), get_dialogs(4, 0, 0));
    loop {
        let page = rig.call(&mut me, &request).unwrap();
        let list = dialog_list(&page);
        let Some(last) = list.last() else {
            break;
        };
        seen.extend(list.iter().map(|dialog| dialog.peer.clone()));
        assert!(seen.len() <= 12, "no page comes again");
        let enums::messages::Dialogs::DialogsSlice(slice) = &page else {
            panic!("{page:?}")
        };
        request.offset_date = slice.messages.iter().map(date_of).next_back().unwrap();
        request.offset_id = last.top_message;
        request.offset_peer = match &last.peer {
            enums::Peer::PeerUser(peer) => {
                let user = slice.users.iter().find_map(|user| match user {
                    enums::User::User(user) if user.id == peer.user_id => user.access_hash,
                    _ => None,
                });
                types::InputPeerUser {
                    user_id: peer.user_id,
                    access_hash: user.unwrap(),
                }
                .into()
            }
            enums::Peer::PeerChannel(peer) => {
                let channel = slice.chats.iter().find_map(|chat| match chat {
                    enums::Chat::Channel(chat) if chat.id == peer.channel_id => chat.access_hash,
                    _ => None,
                });
                types::InputPeerChannel {
                    channel_id: peer.channel_id,
                    access_hash: channel.unwrap(),
                }
                .into()
            }
            other => panic!("{other:?}"),
        };
    }
    assert_eq!(seen.len(), 12);
    for (at, peer) in seen.iter().enumerate() {
        assert!(!seen[..at].contains(peer), "each once");
    }
}

fn date_of(message: &enums::Message) -> i32 {
    match message {
        enums::Message::Message(message) => message.date,
        enums::Message::MessageService(message) => message.date,
        other => panic!("{other:?}"),
    }
}

#[test]
fn drafts_go_to_the_other_sessions() {
    let mut p = pair();
    let mut other = p.alice.sibling(3);
    let id = p.rig.send(
        &mut other,
        tl::Encode::to_bytes(&functions::help::GetNearestDc),
    );
    p.rig.answer(id).unwrap();
    let draft = functions::messages::SaveDraft {
        no_webpage: false,
        invert_media: false,
        reply_to: None,
        peer: p.to_bob.clone(),
        message: "unfinished".into(),
        entities: None,
        media: None,
        effect: None,
        suggested_post: None,
        rich_message: None,
    };
    let before = match p
        .rig
        .call(&mut p.alice, &functions::updates::GetState)
        .unwrap()
    {
        enums::updates::State::State(state) => state.seq,
    };
    p.rig.call(&mut p.alice, &draft).unwrap();
    let pushes = p.rig.take_pushes(&other);
    let [enums::Updates::Updates(container)] = &pushes[..] else {
        panic!("{pushes:?}")
    };
    assert_eq!(container.seq, before + 1);
    assert!(matches!(
        container.updates[0],
        enums::Update::UpdateDraftMessage(_)
    ));
    let mut sent = send_message(&p.to_bob, "finished", 1);
    sent.clear_draft = true;
    p.rig.call(&mut p.alice, &sent).unwrap();
    let drafts = p
        .rig
        .call(&mut p.alice, &functions::messages::GetAllDrafts)
        .unwrap();
    assert_eq!(updates(&drafts).len(), 0);
}

#[test]
fn search_finds_texts_and_links() {
    let mut p = pair();
    for (n, text) in ["Alpha", "beta https://example.org", "ALPHABET"]
        .iter()
        .enumerate()
    {
        let request = send_message(&p.to_bob, text, n as i64 + 1);
        p.rig.call(&mut p.alice, &request).unwrap();
    }
    let search = |peer: &enums::InputPeer, q: &str, filter| functions::messages::Search {
        peer: peer.clone(),
        q: q.into(),
        from_id: None,
        saved_peer_id: None,
        saved_reaction: None,
        top_msg_id: None,
        filter,
        min_date: 0,
        max_date: 0,
        offset_id: 0,
        add_offset: 0,
        limit: 10,
        max_id: 0,
        min_id: 0,
        hash: 0,
    };
    let empty = enums::MessagesFilter::InputMessagesFilterEmpty;
    let url = enums::MessagesFilter::InputMessagesFilterUrl;
    let photos = enums::MessagesFilter::InputMessagesFilterPhotos;
    for (request, expected) in [
        (search(&p.to_alice, "alpha", empty.clone()), vec![3, 1]),
        (search(&enums::InputPeer::InputPeerEmpty, "", url), vec![2]),
        (search(&p.to_alice, "", photos), vec![]),
        (
            search(&enums::InputPeer::InputPeerSelf, "alpha", empty),
            vec![],
        ),
    ] {
        let found = messages(p.rig.call(&mut p.bob, &request).unwrap());
        let ids: Vec<i32> = found.iter().map(|m| message(m).id).collect();
        assert_eq!(ids, expected);
    }
}

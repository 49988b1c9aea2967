//! Whom a call is about: every way to say it, and what the account remembers of those it met.
#![allow(clippy::unwrap_used)]

use std::{path::Path, time::Duration};

use crate::support::{HANG, Prompts, datacenter, room::Room, until};
use actogram::{
    FullObject, PeerError, PeerId, PeerKind, PeerRef,
    prelude::*,
    tl::{Decode as _, Encode as _, enums, functions, types},
};
use actogram_local_datacenter::{LocalDatacenter, model::PeerKey};
use serde_json::json;

/// Calls that ask who somebody is.
const LOOKUPS: &[&str] = &[
    "contacts.resolveUsername",
    "contacts.resolvePhone",
    "users.getUsers",
    "channels.getChannels",
    "messages.getChats",
    "messages.checkChatInvite",
];

/// How many of those the datacenter has been asked, refused ones included.
fn lookups(datacenter: &LocalDatacenter) -> u64 {
    let counters = datacenter.operator().counters();
    let asked = LOOKUPS.iter();
    asked
        .map(|method| counters.executed(method) + counters.refused(method))
        .sum()
}

fn peer_error(error: Error) -> PeerError {
    match error {
        Error::Peer(error) => error,
        other => panic!("{other:?}"),
    }
}

async fn publish(room: &Room, name: &str) {
    let channel = room
        .datacenter
        .operator()
        .input_channel(room.ann_id, room.channel);
    let function = functions::channels::UpdateUsername {
        channel: channel.unwrap(),
        username: name.to_owned(),
    };
    room.ann.api().invoke(function).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s17_every_notation_reaches_its_chat() {
    let room = Room::new(2101).await;
    publish(&room, "the_room").await;
    let operator = room.datacenter.operator();
    operator
        .set_username(room.bob_id, Some("bob_name"))
        .unwrap();
    let (api, channel) = (room.ann.api(), room.channel);
    let link = api.export_invite(room.channel()).await.unwrap();
    let hash = link.rsplit('+').next().unwrap().to_owned();
    let to_room = [
        format!("{}", room.channel().to_bot_api()),
        format!("channel#{channel}"),
        format!("https://t.me/c/{channel}/1"),
        format!("tg://privatepost?channel={channel}&post=1"),
        "@the_room".to_owned(),
        "THE_ROOM".to_owned(),
        "t.me/the_room".to_owned(),
        "https://t.me/the_room/3".to_owned(),
        "the_room.t.me".to_owned(),
        "tg://resolve?domain=the_room".to_owned(),
        link.clone(),
        format!("t.me/joinchat/{hash}"),
        format!("tg://join?invite={hash}"),
    ];
    for notation in &to_room {
        assert_eq!(
            api.get_id(notation).await.unwrap(),
            room.channel(),
            "{notation}"
        );
        let sent = api.send_message(notation, notation.as_str()).no_preview();
        let sent = sent.await.unwrap();
        assert_eq!(sent.chat(), room.channel(), "{notation}");
    }
    assert_eq!(room.texts(), to_room);

    let bob = PeerId::User(room.bob_id);
    for notation in [
        room.bob_id.to_string(),
        format!("user#{}", room.bob_id),
        format!("tg://user?id={}", room.bob_id),
        "@bob_name".to_owned(),
        "+999 661-210-12".to_owned(),
        "https://t.me/+99966121012".to_owned(),
        "tg://resolve?phone=99966121012".to_owned(),
    ] {
        let sent = api.send_message(&notation, notation.as_str()).await;
        assert_eq!(sent.unwrap().chat(), bob, "{notation}");
        assert_eq!(room.bob_inbox.next().await.text(), notation);
    }
    for notation in ["me", "self"] {
        let sent = api.send_message(notation, "note").await.unwrap();
        assert_eq!(sent.chat(), PeerId::User(room.ann_id));
        let id = PeerId::User(room.ann_id);
        assert_eq!(api.get_id(notation).await.unwrap(), id);
    }
    room.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s17_objects_are_peers_in_rust_and_in_json() {
    let room = Room::new(2102).await;
    let api = room.bot.api();
    room.ann
        .api()
        .send_message(PeerId::User(room.bot_id), "hello")
        .await
        .unwrap();
    let message = room.bot_inbox.next().await;
    let ann = PeerId::User(room.ann_id);
    let info = api.get_info(&message).await.unwrap();
    let actogram::PeerObject::User(user) = &info.object else {
        panic!("{info:?}")
    };
    let raw = enums::Message::from(message.raw().clone());
    let update = types::UpdateNewMessage {
        message: raw.clone(),
        pts: 0,
        pts_count: 0,
    };
    let peers: Vec<PeerRef> = vec![
        (&message).into(),
        PeerRef::from(&**user),
        enums::User::User(user.clone()).into(),
        raw.clone().into(),
        (&message.raw().peer_id).into(),
        info.input.clone().into(),
    ];
    for (number, peer) in peers.into_iter().enumerate() {
        let sent = api.send_message(peer, number.to_string()).await.unwrap();
        assert_eq!(sent.chat(), ann);
        assert_eq!(room.ann_inbox.next().await.text(), number.to_string());
    }

    let as_json = |name: &str, bytes| actogram::tl::json::decode(name, bytes).unwrap();
    let in_json = [
        as_json("Peer", message.raw().peer_id.to_bytes()),
        as_json("User", enums::User::User(user.clone()).to_bytes()),
        as_json("Message", raw.to_bytes()),
        as_json("Update", enums::Update::from(update).to_bytes()),
        as_json("InputPeer", info.input.to_bytes()),
        json!(room.ann_id),
        json!(room.ann_id.to_string()),
    ];
    for (number, peer) in in_json.into_iter().enumerate() {
        let text = format!("json {number}");
        let arguments = json!({"peer": peer, "message": text});
        let answer = api.call("messages.sendMessage", arguments).await;
        answer.unwrap_or_else(|error| panic!("{peer}: {error}"));
        assert_eq!(room.ann_inbox.next().await.text(), text);
    }
    // A user where a user is asked for, and nowhere else.
    let users = json!({"id": [{"_": "peerUser", "user_id": room.ann_id}]});
    let users = api.call("users.getUsers", users).await.unwrap();
    assert_eq!(users[0]["first_name"], "Ann");
    let error = api
        .call("channels.getFullChannel", json!({"channel": room.ann_id}))
        .await
        .unwrap_err();
    assert_eq!(
        peer_error(error),
        PeerError::Kind {
            peer: ann,
            expected: "supergroup or channel"
        }
    );
    room.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s17_invite_links_are_joined_and_name_what_was_joined() {
    let room = Room::new(2103).await;
    let carol = crate::support::person(&room.datacenter, "9996621033").await;
    carol.start().await.unwrap();
    let link = room.ann.api().export_invite(room.channel());
    let link = link.usage_limit(2).title("few").await.unwrap();
    let error = carol
        .api()
        .send_message(&link, "too soon")
        .await
        .unwrap_err();
    let title = "Room".to_owned();
    assert_eq!(peer_error(error), PeerError::NotJoined { title });
    assert_eq!(carol.api().join(&link).await.unwrap(), room.channel());
    carol.api().send_message(&link, "here I am").await.unwrap();
    assert_eq!(room.texts(), ["here I am"]);
    let error = carol.api().join(&link).await.unwrap_err();
    assert!(error.is("USER_ALREADY_PARTICIPANT"), "{error}");
    carol.api().leave(&link).await.unwrap();
    let error = carol.api().send_message(&link, "gone").await.unwrap_err();
    assert!(matches!(peer_error(error), PeerError::NotJoined { .. }));

    for wrong in ["t.me/+abcdefghijklmnop", "t.me/joinchat/x"] {
        let hash = wrong.rsplit(['+', '/']).next().unwrap().to_owned();
        for error in [
            carol.api().send_message(wrong, "x").await.unwrap_err(),
            carol.api().join(wrong).await.unwrap_err(),
        ] {
            assert_eq!(peer_error(error), PeerError::InviteInvalid(hash.clone()));
        }
    }
    // A public one is joined by its name, and left by it.
    publish(&room, "open_room").await;
    assert_eq!(
        carol.api().join("@open_room").await.unwrap(),
        room.channel()
    );
    carol.api().leave("@open_room").await.unwrap();
    // A basic group.
    let operator = room.datacenter.operator();
    let group = operator
        .create_chat(room.ann_id, &[room.bob_id], "Group")
        .unwrap();
    let link = room
        .ann
        .api()
        .export_invite(PeerId::Chat(group))
        .await
        .unwrap();
    assert_eq!(carol.api().join(&link).await.unwrap(), PeerId::Chat(group));
    assert_eq!(
        carol.api().get_id(&link).await.unwrap(),
        PeerId::Chat(group)
    );
    carol.api().leave(PeerId::Chat(group)).await.unwrap();
    assert_eq!(operator.members(group).len(), 2);
    carol.shutdown(HANG).await;
    room.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s17_what_names_nobody_is_an_error_that_says_so() {
    let room = Room::new(2104).await;
    let api = room.ann.api();
    let before = lookups(&room.datacenter);
    for (notation, error) in [
        ("no such", PeerError::Notation("no such".to_owned())),
        (
            "t.me/addstickers/x",
            PeerError::NotAChat("t.me/addstickers/x".to_owned()),
        ),
        ("support", PeerError::Support),
        ("0", PeerError::Id(0)),
    ] {
        let refused = api.send_message(notation, "x").await.unwrap_err();
        assert_eq!(peer_error(refused), error);
    }
    assert_eq!(lookups(&room.datacenter), before, "nobody was asked");
    for (notation, error) in [
        (
            "@nobody_here",
            PeerError::NotOccupied("nobody_here".to_owned()),
        ),
        (
            "+4900000000",
            PeerError::NoSuchPhone("4900000000".to_owned()),
        ),
        ("987654321", PeerError::Unknown(PeerId::User(987_654_321))),
        ("-1000000000007", PeerError::Unknown(PeerId::Channel(7))),
    ] {
        let refused = api.send_message(notation, "x").await.unwrap_err();
        assert_eq!(peer_error(refused), error);
    }
    room.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn information_is_asked_for_and_full_information_kept_for_an_hour() {
    let room = Room::new(2105).await;
    publish(&room, "info_room").await;
    let api = room.ann.api();
    let info = api.get_info("@info_room").await.unwrap();
    assert_eq!((info.id, info.kind), (room.channel(), PeerKind::Supergroup));
    assert_eq!(
        (info.title.as_str(), info.usernames),
        ("Room", vec!["info_room".to_owned()])
    );
    let info = api.get_info(PeerId::User(room.bot_id)).await.unwrap();
    assert_eq!(
        (info.kind, info.title),
        (PeerKind::Bot, room.bot_name.clone())
    );
    let info = api.get_info("me").await.unwrap();
    assert_eq!(info.id, PeerId::User(room.ann_id));
    assert_eq!(
        (info.kind, info.title.as_str()),
        (PeerKind::Person, "Ann Other")
    );
    let operator = room.datacenter.operator();
    let group = operator
        .create_chat(room.ann_id, &[room.bob_id], "Group")
        .unwrap();
    let info = api.get_info(PeerId::Chat(group)).await.unwrap();
    assert_eq!((info.kind, info.title.as_str()), (PeerKind::Group, "Group"));

    let asked = |method: &str| operator.counters().executed(method);
    let full = api.get_full_info("@info_room").await.unwrap();
    assert_eq!((full.members(), full.about()), (Some(3), ""));
    assert!(matches!(full.full, FullObject::Channel(_)));
    let full = api.get_full_info(PeerId::Chat(group)).await.unwrap();
    assert_eq!((full.members(), full.pinned_message()), (Some(2), None));
    let profile = functions::account::UpdateProfile {
        first_name: None,
        last_name: None,
        about: Some("I am Bob.".to_owned()),
    };
    room.bob.api().invoke(profile.clone()).await.unwrap();
    let bob = PeerId::User(room.bob_id);
    let about = async |age: Duration| {
        let full = api.get_full_info_within(bob, age).await.unwrap();
        full.about().to_owned()
    };
    assert_eq!(api.get_full_info(bob).await.unwrap().about(), "I am Bob.");
    let mut changed = profile;
    changed.about = Some("Still Bob.".to_owned());
    room.bob.api().invoke(changed).await.unwrap();
    let before = asked("users.getFullUser");
    assert_eq!(api.get_full_info(bob).await.unwrap().about(), "I am Bob.");
    assert_eq!(about(Duration::from_secs(3600)).await, "I am Bob.");
    assert_eq!(asked("users.getFullUser"), before, "it was kept");
    assert_eq!(about(Duration::ZERO).await, "Still Bob.");
    assert_eq!(about(Duration::from_secs(3600)).await, "Still Bob.");
    assert_eq!(asked("users.getFullUser"), before + 1);
    room.end().await;
}

/// A person whose account lives in this file.
async fn person_in(
    datacenter: &LocalDatacenter,
    store: &actogram_store::Store,
    phone: &str,
) -> Client {
    let builder = Client::builder(":memory:")
        .store(store.clone())
        .account(phone)
        .local_datacenter(datacenter);
    let client = builder.connect().await.unwrap();
    let mut prompts = Prompts {
        phone: phone.to_owned(),
        codes: datacenter.operator().login_codes(),
    };
    client.log_in(&mut prompts).await.unwrap();
    client.start().await.unwrap();
    client
}

/// Opens a store that another client may be about to let go of.
async fn open(path: &Path) -> actogram_store::Store {
    let opened = async {
        loop {
            match actogram_store::Store::open(path) {
                Ok(store) => return store,
                Err(actogram_store::StoreError::Locked { .. }) => {}
                Err(error) => panic!("{error}"),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let opened = tokio::time::timeout(HANG, opened).await;
    opened.expect("the store stays locked")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peers_are_known_after_a_restart_without_asking() {
    let datacenter = datacenter().await;
    let operator = datacenter.operator();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let bob = operator.create_user("9996621061", "Bob").unwrap();
    operator.set_username(bob, Some("bob_restart")).unwrap();
    let store = open(&path).await;
    let ann = person_in(&datacenter, &store, "9996621062").await;
    let ann_id = ann.api().me_id().unwrap();
    let channel = operator
        .create_channel(ann_id, &[], "Channel", true)
        .unwrap();
    ann.api()
        .send_message("@bob_restart", "hello")
        .await
        .unwrap();
    let channel_of = async |client: &Client| client.api().get_id("@ann_channel").await;
    let update = functions::channels::UpdateUsername {
        channel: operator.input_channel(ann_id, channel).unwrap(),
        username: "ann_channel".to_owned(),
    };
    ann.api().invoke(update).await.unwrap();
    assert_eq!(channel_of(&ann).await.unwrap(), PeerId::Channel(channel));
    ann.shutdown(HANG).await;
    drop(store);

    let store = open(&path).await;
    let before = lookups(&datacenter);
    let ann = Client::builder(":memory:")
        .store(store.clone())
        .account("9996621062")
        .local_datacenter(&datacenter);
    let ann = ann.connect().await.unwrap();
    assert_eq!(ann.api().me_id(), Some(ann_id), "still logged in");
    for peer in [
        PeerRef::from("@bob_restart"),
        PeerRef::from("https://t.me/bob_restart"),
        PeerRef::from(bob),
        PeerRef::from("@ann_channel"),
        PeerRef::from(PeerId::Channel(channel)),
    ] {
        let known = ann.api().resolve(peer.clone()).await;
        known.unwrap_or_else(|error| panic!("{peer:?}: {error}"));
    }
    ann.api()
        .send_message("@bob_restart", "again")
        .await
        .unwrap();
    ann.api()
        .send_message("@ann_channel", "post")
        .await
        .unwrap();
    assert_eq!(lookups(&datacenter), before);
    let heard = crate::support::accounts::received(&datacenter, bob, ann_id);
    assert_eq!(heard, ["hello", "again"]);
    ann.shutdown(HANG).await;
    datacenter.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_changed_hands_leads_to_its_new_owner() {
    let room = Room::new(2107).await;
    let operator = room.datacenter.operator();
    let api = room.ann.api();
    operator
        .set_username(room.bob_id, Some("the_name"))
        .unwrap();
    api.send_message("@the_name", "to Bob").await.unwrap();
    operator
        .set_username(room.bob_id, Some("bobs_new_name"))
        .unwrap();
    let new = || api.get_id("@bobs_new_name");
    let heard = async {
        while lookups_free(&room, &new).await.is_none() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(HANG, heard)
        .await
        .expect("the new name is learned from the update");
    let error = api
        .send_message("@the_name", "to nobody")
        .await
        .unwrap_err();
    assert_eq!(
        peer_error(error),
        PeerError::NotOccupied("the_name".to_owned())
    );
    operator
        .set_username(room.bot_id, Some("the_name"))
        .unwrap();
    let sent = api.send_message("@the_name", "to the bot").await.unwrap();
    assert_eq!(sent.chat(), PeerId::User(room.bot_id));
    let sent = api.send_message("@bobs_new_name", "to Bob").await.unwrap();
    assert_eq!(sent.chat(), PeerId::User(room.bob_id));
    room.end().await;
}

/// What a lookup gives if it asks nobody.
async fn lookups_free<F: Future<Output = Result<PeerId>>>(
    room: &Room,
    look: &impl Fn() -> F,
) -> Option<PeerId> {
    let before = lookups(&room.datacenter);
    let found = look().await.ok();
    found.filter(|_| lookups(&room.datacenter) == before)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_seen_in_a_channel_only_is_named_by_the_message() {
    let datacenter = datacenter().await;
    let operator = datacenter.operator();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let store = open(&path).await;
    let ann = person_in(&datacenter, &store, "9996621081").await;
    let ann_id = ann.api().me_id().unwrap();
    let carol = operator.create_user("9996621082", "Carol").unwrap();
    let dan = operator.create_user("9996621083", "Dan").unwrap();
    let owner = operator.create_user("9996621084", "Owner").unwrap();
    let room = operator
        .create_channel(owner, &[ann_id, carol, dan], "Room", false)
        .unwrap();
    let said = operator
        .send_message(carol, PeerKey::Channel(room), "who am I?")
        .unwrap();
    let by_message = |peer: &enums::InputPeer| match peer {
        enums::InputPeer::InputPeerUserFromMessage(peer) => Some((peer.user_id, peer.msg_id)),
        _ => None,
    };
    let resolved = async |client: &Client, id| client.api().resolve(PeerId::User(id)).await;
    let seen = async {
        loop {
            match resolved(&ann, carol).await {
                // The message that told of her coming names her too.
                Ok(peer) if by_message(&peer) == Some((carol, said)) => return,
                Ok(_) | Err(Error::Peer(PeerError::Unknown(_))) => {}
                Err(other) => panic!("{other}"),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let seen = tokio::time::timeout(HANG, seen).await;
    seen.expect("Carol is seen");
    // Dan said nothing, but a message told that he came.
    let peer = resolved(&ann, dan).await.unwrap();
    assert!(by_message(&peer).is_some_and(|(id, message)| id == dan && message < said));
    let eve = operator.create_user("9996621085", "Eve").unwrap();
    let error = resolved(&ann, eve).await.unwrap_err();
    assert_eq!(peer_error(error), PeerError::Unknown(PeerId::User(eve)));
    ann.shutdown(HANG).await;
    drop(store);

    let store = open(&path).await;
    let ann = Client::builder(":memory:")
        .store(store.clone())
        .account("9996621081");
    let ann = ann.local_datacenter(&datacenter).connect().await.unwrap();
    let before = lookups(&datacenter);
    let peer = resolved(&ann, carol).await.unwrap();
    assert_eq!(
        by_message(&peer),
        Some((carol, said)),
        "after a restart as well"
    );
    assert_eq!(lookups(&datacenter), before);
    // It serves for calls, as a peer and as a user; and the answer brings the hash.
    ann.api()
        .send_message(PeerId::User(carol), "hello Carol")
        .await
        .unwrap();
    assert_eq!(
        crate::support::accounts::received(&datacenter, carol, ann_id),
        ["hello Carol"]
    );
    let info = ann.api().get_info(PeerId::User(carol)).await.unwrap();
    assert_eq!(info.title, "Carol");
    let peer = resolved(&ann, carol).await.unwrap();
    assert!(
        matches!(peer, enums::InputPeer::InputPeerUser(_)),
        "{peer:?}"
    );
    ann.shutdown(HANG).await;
    datacenter.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_channel_seen_as_a_source_only_is_named_by_the_message() {
    let room = Room::new(2111).await;
    let operator = room.datacenter.operator();
    let closed = operator
        .create_channel(room.bob_id, &[], "Closed", true)
        .unwrap();
    let post = operator
        .send_message(room.bob_id, PeerKey::Channel(closed), "post")
        .unwrap();
    room.bob.api().dialogs().collect().await.unwrap();
    let copies = room
        .bob
        .api()
        .forward_messages(PeerId::Channel(closed), [post], room.channel());
    let copy = copies.await.unwrap().pop().unwrap();
    room.ann
        .api()
        .history(room.channel())
        .collect()
        .await
        .unwrap();
    match room
        .ann
        .api()
        .resolve(PeerId::Channel(closed))
        .await
        .unwrap()
    {
        enums::InputPeer::InputPeerChannelFromMessage(peer) => {
            assert_eq!((peer.channel_id, peer.msg_id), (closed, copy.id()));
            let expected = room.ann.api().resolve(room.channel()).await.unwrap();
            assert_eq!(peer.peer, expected);
        }
        other => panic!("{other:?}"),
    }
    // It is closed to her all the same; and a bot cannot name it so.
    let error = room
        .ann
        .api()
        .history(PeerId::Channel(closed))
        .collect()
        .await
        .unwrap_err();
    assert!(error.is("CHANNEL_PRIVATE"), "{error}");
    let error = room
        .bot
        .api()
        .resolve(PeerId::Channel(closed))
        .await
        .unwrap_err();
    assert_eq!(
        peer_error(error),
        PeerError::Unknown(PeerId::Channel(closed))
    );
    room.end().await;
}

/// Makes an abbreviated object of a user in an answer to `users.getUsers`.
fn abbreviate(answer: bytes::Bytes, hash: Option<i64>, name: &str) -> bytes::Bytes {
    let users = Vec::<enums::User>::from_bytes(answer).unwrap();
    let users: Vec<enums::User> = users
        .into_iter()
        .map(|user| match user {
            enums::User::User(mut user) => {
                user.min = true;
                user.access_hash = hash;
                user.username = Some(name.to_owned());
                enums::User::User(user)
            }
            other => other,
        })
        .collect();
    users.to_bytes()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a11_an_abbreviated_object_never_replaces_what_is_known() {
    let room = Room::new(2109).await;
    let operator = room.datacenter.operator();
    operator
        .set_username(room.bob_id, Some("bob_hash"))
        .unwrap();
    let api = room.ann.api();
    let bob = PeerId::User(room.bob_id);
    let honest = api.resolve("@bob_hash").await.unwrap();
    let ask = async || {
        let enums::InputPeer::InputPeerUser(bob) = &honest else {
            panic!("{honest:?}")
        };
        let id = types::InputUser {
            user_id: bob.user_id,
            access_hash: bob.access_hash,
        };
        let id = vec![id.into()];
        api.invoke(functions::users::GetUsers { id }).await.unwrap()
    };
    for hash in [Some(0), Some(7), None] {
        operator.rewrite_answers("users.getUsers", 1, move |answer| {
            abbreviate(answer, hash, "mallory")
        });
        let told = ask().await;
        assert!(
            matches!(&told[0], enums::User::User(user) if user.min && user.access_hash == hash)
        );
        // What the answer taught is there once another call has gone the same way.
        ask().await;
        operator.rewrite_answers("users.getUsers", 1, move |answer| {
            abbreviate(answer, hash, "mallory")
        });
        ask().await;
        let before = lookups(&room.datacenter);
        assert_eq!(api.resolve(bob).await.unwrap(), honest, "{hash:?}");
        assert_eq!(api.resolve("@bob_hash").await.unwrap(), honest);
        assert_eq!(lookups(&room.datacenter), before, "and it is still known");
        let error = api.resolve("@mallory").await.unwrap_err();
        assert_eq!(
            peer_error(error),
            PeerError::NotOccupied("mallory".to_owned())
        );
    }
    api.send_message(bob, "still Bob").await.unwrap();
    assert_eq!(room.bob_inbox.next().await.text(), "still Bob");
    room.end().await;
}

/// What the test above would not notice if objects taught nothing at all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a11_twin_a_full_object_replaces_what_is_known() {
    let room = Room::new(2110).await;
    let operator = room.datacenter.operator();
    let api = room.ann.api();
    let bob = PeerId::User(room.bob_id);
    let id = vec![operator.input_user(room.ann_id, room.bob_id).unwrap()];
    api.invoke(functions::users::GetUsers { id: id.clone() })
        .await
        .unwrap();
    operator.rewrite_answers("users.getUsers", 1, |answer| {
        let mut users = Vec::<enums::User>::from_bytes(answer).unwrap();
        if let Some(enums::User::User(user)) = users.first_mut() {
            user.access_hash = Some(7);
        }
        users.to_bytes()
    });
    api.invoke(functions::users::GetUsers { id }).await.unwrap();
    let enums::InputPeer::InputPeerUser(peer) = api.resolve(bob).await.unwrap() else {
        panic!()
    };
    assert_eq!(peer.access_hash, 7);
    room.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a11_access_hashes_belong_to_their_account_alone() {
    let datacenter = datacenter().await;
    let operator = datacenter.operator();
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory.path().join("store")).await;
    let dan = operator.create_user("9996621101", "Dan").unwrap();
    operator.set_username(dan, Some("dan_name")).unwrap();
    let ann = person_in(&datacenter, &store, "9996621102").await;
    let bob = person_in(&datacenter, &store, "9996621103").await;
    let hash = async |client: &Client, peer: PeerRef| match client.api().resolve(peer).await {
        Ok(enums::InputPeer::InputPeerUser(peer)) => Ok(peer.access_hash),
        Ok(other) => panic!("{other:?}"),
        Err(error) => Err(error),
    };
    let anns = hash(&ann, "@dan_name".into()).await.unwrap();
    // Ann has met Dan; Bob has not, though their accounts share a file.
    let error = hash(&bob, dan.into()).await.unwrap_err();
    assert_eq!(peer_error(error), PeerError::Unknown(PeerId::User(dan)));
    let before = operator.counters().executed("contacts.resolveUsername");
    let bobs = hash(&bob, "@dan_name".into()).await.unwrap();
    let after = operator.counters().executed("contacts.resolveUsername");
    assert_eq!(after, before + 1, "Bob asked himself");
    assert_ne!(anns, bobs);
    assert_eq!(hash(&ann, dan.into()).await.unwrap(), anns);
    assert_eq!(hash(&bob, dan.into()).await.unwrap(), bobs);
    // Each hash serves its owner only.
    let with = |hash| types::InputPeerUser {
        user_id: dan,
        access_hash: hash,
    };
    ann.api().send_message(with(anns), "Ann").await.unwrap();
    let error = bob.api().send_message(with(anns), "Bob").await.unwrap_err();
    assert!(error.is("PEER_ID_INVALID"), "{error}");
    bob.api().send_message(with(bobs), "Bob").await.unwrap();
    until("both have been heard", || operator.dialogs(dan).len() == 2).await;
    for client in [ann, bob] {
        client.shutdown(HANG).await;
    }
    datacenter.shutdown().await;
}

//! Media that are sent again by reference, and calls by name with the arguments of others.
#![allow(clippy::unwrap_used)]

use crate::support::room::Room;
use actogram::{
    PeerId,
    prelude::*,
    tl::{Encode as _, enums, types},
};
use actogram_local_datacenter::model::PeerKey;
use serde_json::{Value, json};

fn file_name(message: &Msg) -> String {
    let Some(enums::MessageMedia::MessageMediaDocument(media)) = message.media() else {
        panic!("{message:?}")
    };
    let Some(enums::Document::Document(document)) = &media.document else {
        panic!("{message:?}")
    };
    let mut names = document.attributes.iter().filter_map(|it| match it {
        enums::DocumentAttribute::DocumentAttributeFilename(name) => Some(name.file_name.clone()),
        _ => None,
    });
    names.next().unwrap()
}

/// What Ann sends the bot, as the bot sees it.
async fn from_ann(room: &Room, media: impl Into<enums::InputMedia>) -> Msg {
    let sent = room
        .ann
        .api()
        .send_media(PeerId::User(room.bot_id), media.into());
    sent.await.unwrap();
    room.bot_inbox.next().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s18_media_of_a_message_or_an_update_are_sent_again() {
    let room = Room::new(2201).await;
    let operator = room.datacenter.operator();
    let bot = PeerKey::User(room.bot_id);
    operator
        .send_document(room.ann_id, bot, "book.txt", "text/plain", 1000)
        .unwrap();
    let got = room.bot_inbox.next().await;
    assert_eq!(file_name(&got), "book.txt");
    // The bot has a hash and a reference of its own; Ann's would not do.
    let api = room.bot.api();
    let sent = api.send_media(PeerId::User(room.bob_id), &got);
    let sent = sent.caption(html("a <b>book</b>")).silent().await.unwrap();
    assert_eq!(
        (file_name(&sent), sent.text()),
        ("book.txt".to_owned(), "a book")
    );
    let at_bob = room.bob_inbox.next().await;
    assert_eq!(file_name(&at_bob), "book.txt");
    assert_eq!(at_bob.formatted().to_html(), "a <b>book</b>");
    assert!(at_bob.raw().fwd_from.is_none(), "it is no forward");

    let nowhere = tempfile::tempdir().unwrap();
    let error = got.download(nowhere.path()).await.unwrap_err();
    assert!(error.is("LOCATION_INVALID"), "it has no bytes: {error}");

    // Of an update, in a handler.
    room.bot.on_update(async |cx: Cx, update: Update| {
        if update
            .message()
            .is_some_and(|it| !it.outgoing() && it.media().is_some())
        {
            let copy = cx.send_media(&update, &update);
            copy.caption("by the update").await?;
        }
        Ok(())
    });
    operator
        .send_document(room.ann_id, bot, "song.ogg", "audio/ogg", 10)
        .unwrap();
    let back = room.ann_inbox.next().await;
    assert_eq!(
        (file_name(&back), back.text()),
        ("song.ogg".to_owned(), "by the update")
    );
    room.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s18_a_reference_that_is_too_old_is_asked_for_anew() {
    let room = Room::new(2202).await;
    let operator = room.datacenter.operator();
    let bot = PeerKey::User(room.bot_id);
    operator
        .send_document(room.ann_id, bot, "book.txt", "text/plain", 1000)
        .unwrap();
    let got = room.bot_inbox.next().await;
    let api = room.bot.api();
    operator.expire_file_references().unwrap();
    let to_bob = PeerId::User(room.bob_id);
    let sent = api.send_media(to_bob, &got).await.unwrap();
    assert_eq!(file_name(&sent), "book.txt");
    assert_eq!(operator.counters().executed("messages.getMessages"), 1);
    // Of the schema, without the message it came with, there is nothing to ask for.
    operator.expire_file_references().unwrap();
    let bare = got.media().unwrap();
    let error = api.send_media(to_bob, bare).await.unwrap_err();
    assert!(error.is("FILE_REFERENCE_EXPIRED"), "{error}");
    // In a supergroup the message is asked for there.
    let channel = PeerKey::Channel(room.channel);
    let id = operator
        .send_document(room.bob_id, channel, "post.txt", "text/plain", 5)
        .unwrap();
    let peer = room.ann.api().resolve(room.channel()).await.unwrap();
    let input = match peer {
        enums::InputPeer::InputPeerChannel(it) => types::InputChannel {
            channel_id: it.channel_id,
            access_hash: it.access_hash,
        },
        other => panic!("{other:?}"),
    };
    let found = actogram::tl::functions::channels::GetMessages {
        channel: input.into(),
        id: vec![types::InputMessageId { id }.into()],
    };
    let found = room.ann.api().invoke(found).await.unwrap();
    let enums::messages::Messages::ChannelMessages(found) = found else {
        panic!()
    };
    assert_eq!(found.messages.len(), 1);
    let copies = room
        .ann
        .api()
        .forward_messages(room.channel(), [id], room.channel());
    let copy = copies.await.unwrap().pop().unwrap();
    operator.expire_file_references().unwrap();
    let before = operator.counters().executed("channels.getMessages");
    room.ann.api().send_media("me", &copy).await.unwrap();
    assert_eq!(
        operator.counters().executed("channels.getMessages"),
        before + 1
    );
    // If the message is gone, that is said.
    copy.delete().await.unwrap();
    operator.expire_file_references().unwrap();
    let error = room.ann.api().send_media("me", &copy).await.unwrap_err();
    assert!(matches!(error, Error::Argument { .. }), "{error}");
    room.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s18_places_contacts_and_dice_too_and_what_cannot_be_sent_says_so() {
    let room = Room::new(2203).await;
    let point = types::InputMediaGeoPoint {
        geo_point: types::InputGeoPoint::new(52.5, 13.4).into(),
    };
    let contact = types::InputMediaContact {
        phone_number: "4912345".to_owned(),
        first_name: "Eve".to_owned(),
        last_name: String::new(),
        vcard: String::new(),
    };
    let dice = types::InputMediaDice {
        emoticon: "🎲".to_owned(),
    };
    let media: [enums::InputMedia; 3] = [point.into(), contact.into(), dice.into()];
    for media in media {
        let got = from_ann(&room, media).await;
        got.api()
            .send_media(PeerId::User(room.bob_id), &got)
            .await
            .unwrap();
        let at_bob = room.bob_inbox.next().await;
        match (got.media().unwrap(), at_bob.media().unwrap()) {
            (
                enums::MessageMedia::MessageMediaDice(ours),
                enums::MessageMedia::MessageMediaDice(theirs),
            ) => assert_eq!(ours.emoticon, theirs.emoticon, "they are thrown anew"),
            (ours, theirs) => assert_eq!(ours, theirs),
        }
    }
    let text = room.ann.api().send_message("me", "text").await.unwrap();
    let error = room.ann.api().send_media("me", &text).await.unwrap_err();
    assert!(matches!(error, Error::Argument { .. }), "{error}");
    room.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s18_messages_are_media_in_json() {
    let room = Room::new(2204).await;
    let operator = room.datacenter.operator();
    let bot = PeerKey::User(room.bot_id);
    operator
        .send_document(room.ann_id, bot, "book.txt", "text/plain", 1000)
        .unwrap();
    let got = room.bot_inbox.next().await;
    let raw = enums::Message::from(got.raw().clone());
    let update: enums::Update = types::UpdateNewMessage {
        message: raw.clone(),
        pts: 0,
        pts_count: 0,
    }
    .into();
    let as_json = |name: &str, bytes| actogram::tl::json::decode(name, bytes).unwrap();
    for media in [
        as_json("Message", raw.to_bytes()),
        as_json("Update", update.to_bytes()),
        as_json("MessageMedia", got.media().unwrap().to_bytes()),
    ] {
        let arguments = json!({"chat_id": room.bob_id, "media": media, "message": ""});
        room.bot
            .api()
            .call("messages.sendMedia", arguments)
            .await
            .unwrap();
        assert_eq!(file_name(&room.bob_inbox.next().await), "book.txt");
    }
    let text = room.ann.api().send_message("me", "text").await.unwrap();
    let text = as_json(
        "Message",
        enums::Message::from(text.raw().clone()).to_bytes(),
    );
    let arguments = json!({"peer": "me", "media": text, "message": ""});
    let error = room.ann.api().call("messages.sendMedia", arguments).await;
    let error = error.unwrap_err();
    assert!(matches!(error, Error::Argument { .. }), "{error}");
    room.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s20_arguments_as_the_bot_api_names_them() {
    let room = Room::new(2205).await;
    let api = room.bot.api();
    let hello = room
        .ann
        .api()
        .send_message(PeerId::User(room.bot_id), "hello");
    hello.await.unwrap();
    let got = room.bot_inbox.next().await;
    let send = async |arguments: Value| api.call("messages.sendMessage", arguments).await;
    send(json!({
        "chat_id": room.ann_id,
        "text": "<b>quoting</b> https://t.me/",
        "parse_mode": "HTML",
        "disable_notification": true,
        "disable_web_page_preview": true,
        "reply_to_message_id": got.id(),
    }))
    .await
    .unwrap();
    let seen = room.ann_inbox.next().await;
    assert!(seen.text().starts_with("quoting ") && seen.raw().silent);
    assert!(seen.formatted().to_html().starts_with("<b>quoting</b>"));
    let history = room
        .datacenter
        .operator()
        .history(room.bot_id, PeerKey::User(room.ann_id));
    assert_eq!(history.last().unwrap().reply_to, Some(got.id()));
    // The older name of the schema does it too.
    let id = json!({"peer": room.ann_id, "message": "again", "reply_to_msg_id": got.id()});
    send(id).await.unwrap();
    assert!(room.ann_inbox.next().await.is_reply());

    let answered = json!({"_": "inputReplyToMessage", "reply_to_msg_id": got.id()});
    for wrong in [
        json!({"peer": "me", "message": "x", "reply_to": answered, "reply_to_msg_id": got.id()}),
        json!({"peer": "me", "message": "x", "reply_to": answered, "reply_to_message_id": 1}),
        json!({"peer": "me", "message": "x", "reply_to": answered, "top_msg_id": 1}),
        json!({"peer": room.ann_id, "chat_id": room.ann_id, "text": "x"}),
        json!({"peer": room.ann_id, "message": "x", "text": "x"}),
    ] {
        let stored = room.datacenter.operator().stored_messages();
        let error = send(wrong.clone()).await.unwrap_err();
        assert!(matches!(error, Error::Argument { .. }), "{wrong}: {error}");
        assert_eq!(room.datacenter.operator().stored_messages(), stored);
    }
    let sent = send(json!({"peer": room.ann_id, "message": "by itself", "reply_to": answered}));
    sent.await.unwrap();
    // Where a method has such a field of its own, it stays that.
    let operator = room.datacenter.operator();
    let chat = operator
        .create_chat(room.ann_id, &[room.bob_id], "Group")
        .unwrap();
    let full = room
        .ann
        .api()
        .call("messages.getFullChat", json!({"chat_id": chat}));
    assert_eq!(full.await.unwrap()["chats"][0]["title"], "Group");
    // Random numbers of several messages are made up, one for each.
    let ids: Vec<i32> = operator
        .history(room.ann_id, PeerKey::User(room.bot_id))
        .iter()
        .map(|message| message.id)
        .collect();
    let forward = json!({"from_peer": room.bot_id, "to_peer": "me", "id": ids});
    room.ann
        .api()
        .call("messages.forwardMessages", forward)
        .await
        .unwrap();
    let mine = operator.history(room.ann_id, PeerKey::User(room.ann_id));
    assert_eq!(mine.len(), ids.len());
    room.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s21_every_error_names_what_failed_and_why() {
    let room = Room::new(2206).await;
    let api = room.ann.api();
    // The datacenter's refusal: code, name and method.
    for refused in [
        api.edit_message("me", 99, "x").await.unwrap_err(),
        api.call(
            "messages.editMessage",
            json!({"peer": "me", "id": 99, "message": "x"}),
        )
        .await
        .unwrap_err(),
    ] {
        let rpc = refused.rpc().unwrap();
        assert_eq!((rpc.code, rpc.name.as_str()), (400, "MESSAGE_ID_INVALID"));
        assert_eq!(rpc.method, "messages.editMessage");
        assert!(refused.to_string().contains("messages.editMessage"));
    }
    // The library's own are of other kinds.
    let own = [
        api.send_message("no such", "x").await.unwrap_err(),
        api.call("messages.sendMesage", json!({}))
            .await
            .unwrap_err(),
        api.call("messages.sendMessage", json!({"peer": "me"}))
            .await
            .unwrap_err(),
    ];
    assert!(matches!(own[0], Error::Peer(_)));
    assert!(
        matches!(own[1], Error::Json(_)) && own[1].to_string().contains("messages.sendMessage")
    );
    assert!(matches!(own[2], Error::Json(_)) && own[2].to_string().contains("message"));
    assert!(own.iter().all(|error| error.rpc().is_none()));
    room.end().await;
}

const BEYOND: i64 = (1 << 53) + 1;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a12_numbers_beyond_2_to_53_pass_the_json_doors_exactly() {
    let room = Room::new(2207).await;
    let api = room.ann.api();
    for (random_id, text) in [
        (json!(BEYOND), "as a number"),
        (json!((BEYOND + 2).to_string()), "as a text"),
        (json!(i64::MAX), "the largest"),
        (json!(i64::MIN.to_string()), "the smallest"),
    ] {
        let arguments = json!({"peer": "me", "message": text, "random_id": random_id});
        let answer = api.call("messages.sendMessage", arguments).await.unwrap();
        let told = answer["updates"][0]["random_id"].as_str().unwrap();
        assert_eq!(told, random_id.to_string().trim_matches('"'), "{text}");
    }
    // Text from outside, as a webhook or a browser sends it.
    let outside: Value =
        serde_json::from_str(r#"{"peer": "me", "message": "x", "random_id": 9007199254740997}"#)
            .unwrap();
    let answer = api.call("messages.sendMessage", outside).await.unwrap();
    assert_eq!(answer["updates"][0]["random_id"], "9007199254740997");
    // The access hash of a peer is such a number: a rounded one opens nothing.
    let Ok(enums::InputPeer::InputPeerUser(bot)) = api.resolve(room.bot_id).await else {
        panic!()
    };
    let peer =
        |hash: Value| json!({"_": "inputPeerUser", "user_id": room.bot_id, "access_hash": hash});
    for hash in [json!(bot.access_hash), json!(bot.access_hash.to_string())] {
        let arguments = json!({"peer": peer(hash), "message": "exact"});
        api.call("messages.sendMessage", arguments).await.unwrap();
        assert_eq!(room.bot_inbox.next().await.text(), "exact");
    }
    // The attack: numbers that a reader has rounded, or that are none.
    for rounded in [
        json!(9_007_199_254_740_993.0_f64),
        json!(1e300),
        json!("9007199254740993.0"),
        json!("9223372036854775808"),
        json!(u64::MAX),
    ] {
        let arguments = json!({"peer": "me", "message": "never", "random_id": rounded});
        let error = api
            .call("messages.sendMessage", arguments)
            .await
            .unwrap_err();
        assert!(matches!(error, Error::Json(_)), "{rounded}: {error}");
        let refused = api.call(
            "messages.sendMessage",
            json!({"peer": rounded, "message": "never"}),
        );
        assert!(refused.await.is_err(), "{rounded}");
    }
    // Out of the door: an update as JSON.
    let update: enums::Update = types::UpdateMessageId {
        id: 7,
        random_id: BEYOND,
    }
    .into();
    let written = actogram::tl::json::decode("Update", update.to_bytes()).unwrap();
    assert_eq!(written["random_id"], BEYOND.to_string());
    assert_eq!(
        actogram::tl::json::encode("Update", &written).unwrap(),
        update.to_bytes()
    );
    room.end().await;
}

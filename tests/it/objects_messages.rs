//! What a message can do: in private chats and in supergroups.
#![allow(clippy::unwrap_used)]

use crate::support::{room::Room, until};
use actogram::{
    ButtonKind, Clicked, ForceReply, InlineKeyboard, KeyboardError, PeerId, RemoveKeyboard,
    ReplyKeyboard,
    prelude::*,
    tl::{enums, functions, types},
};
use actogram_local_datacenter::model::PeerKey;

/// The newest messages of a chat, newest first, as the client sees them.
async fn history(client: &Client, peer: PeerId) -> Vec<enums::Message> {
    let peer = client.api().resolve(peer).await.unwrap();
    let ask = functions::messages::GetHistory {
        peer,
        offset_id: 0,
        offset_date: 0,
        add_offset: 0,
        limit: 100,
        max_id: 0,
        min_id: 0,
        hash: 0,
    };
    match client.api().invoke(ask).await.unwrap() {
        enums::messages::Messages::ChannelMessages(found) => found.messages,
        enums::messages::Messages::Messages(found) => found.messages,
        enums::messages::Messages::MessagesSlice(found) => found.messages,
        other => panic!("{other:?}"),
    }
}

fn plain(message: &enums::Message) -> Option<&types::Message> {
    match message {
        enums::Message::Message(message) => Some(message),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_is_deleted_where_it_stands() {
    let room = Room::new(2001).await;
    let operator = room.datacenter.operator();
    // The ids of a channel are those of other messages in one's own mailbox.
    for number in 0..8 {
        let own = room.ann.api().send_message("me", number.to_string());
        own.await.unwrap();
    }
    let mine = || {
        operator
            .history(room.ann_id, PeerKey::User(room.ann_id))
            .len()
    };
    let mut sent = Vec::new();
    for text in ["one", "two", "three", "four"] {
        let message = room.ann.api().send_message(room.channel(), text);
        sent.push(message.await.unwrap());
    }
    sent[1].delete().await.unwrap();
    assert_eq!(room.texts(), ["one", "three", "four"]);
    assert_eq!(mine(), 8, "and nowhere else");
    assert_eq!(operator.counters().executed("messages.deleteMessages"), 0);

    // More than go into one call, some of which do not exist.
    let api = room.ann.api();
    let ids = (sent[2].id()..).take(250);
    api.delete_messages(room.channel(), ids).await.unwrap();
    assert_eq!(room.texts(), ["one"]);
    assert_eq!(operator.counters().executed("channels.deleteMessages"), 4);

    let error = sent[0].delete().only_for_me().await.unwrap_err();
    assert!(matches!(error, Error::Argument { .. }), "{error}");
    // Somebody else may not.
    let id = sent[0].id();
    let error = room.bob.api().delete_messages(room.channel(), [id]).await;
    assert!(error.unwrap_err().is("MESSAGE_DELETE_FORBIDDEN"));
    assert_eq!(room.texts(), ["one"]);

    let note = room.ann.api().send_message("me", "note").await.unwrap();
    note.delete().await.unwrap();
    let hello = api.send_message(PeerId::User(room.bot_id), "hello");
    let hello = hello.await.unwrap();
    hello.delete().only_for_me().await.unwrap();
    let to_bot = operator.history(room.ann_id, PeerKey::User(room.bot_id));
    let to_ann = operator.history(room.bot_id, PeerKey::User(room.ann_id));
    assert_eq!(to_bot.len() + 1, to_ann.len(), "the bot keeps its copy");
    assert_eq!(mine(), 8);
    room.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replies_and_edits_stand_in_the_supergroup() {
    let room = Room::new(2002).await;
    let api = room.ann.api();
    let first = api.send_message(room.channel(), "first").await.unwrap();
    assert_eq!(first.chat(), room.channel());
    let reply = first.reply("second").await.unwrap();
    assert_eq!(
        (reply.chat(), reply.reply_to()),
        (room.channel(), Some(first.id()))
    );
    let edited = reply.edit(html("<b>2nd</b>")).await.unwrap();
    assert_eq!((edited.id(), edited.text()), (reply.id(), "2nd"));
    assert_eq!(room.texts(), ["first", "2nd"]);
    let answer = edited.answer("third").await.unwrap();
    assert_eq!((answer.chat(), answer.reply_to()), (room.channel(), None));
    room.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_are_forwarded_to_and_from_anywhere() {
    let room = Room::new(2003).await;
    let api = room.ann.api();
    let mut ids = Vec::new();
    for number in 0..150 {
        let message = api.send_message("me", format!("m{number}"));
        ids.push(message.await.unwrap().id());
    }
    let copies = api.forward_messages("me", ids, room.channel());
    let copies = copies.await.unwrap();
    let expected: Vec<String> = (0..150).map(|number| format!("m{number}")).collect();
    assert_eq!(room.texts(), expected);
    let texts: Vec<_> = copies.iter().map(Msg::text).collect();
    assert_eq!(texts, expected, "in two calls, in order");
    let mut own_ids: Vec<i32> = copies.iter().map(Msg::id).collect();
    own_ids.dedup();
    assert_eq!(own_ids.len(), 150);
    assert!(copies.iter().all(|copy| copy.chat() == room.channel()));
    assert!(copies[0].raw().fwd_from.is_some());

    let copy = copies[149].forward(PeerId::User(room.bot_id));
    let copy = copy.without_author().silent().await.unwrap();
    assert_eq!(
        (copy.text(), copy.chat()),
        ("m149", PeerId::User(room.bot_id))
    );
    assert!(copy.raw().fwd_from.is_none() && copy.raw().silent);
    // Those of the group reach the bot, too, before or after this one.
    let mut got = room.bot_inbox.next().await;
    while got.chat() != PeerId::User(room.ann_id) {
        got = room.bot_inbox.next().await;
    }
    assert_eq!(got.text(), "m149");
    // The bot sends it back.
    let back = got.forward(got.chat()).await.unwrap();
    assert!(back.raw().fwd_from.is_some());

    let missing = api.forward_messages("me", [987_654], room.channel()).await;
    assert!(missing.unwrap_err().is("MESSAGE_ID_INVALID"));
    room.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reactions_and_pins_are_seen_by_the_others() {
    let room = Room::new(2004).await;
    let api = room.ann.api();
    let message = api.send_message(room.channel(), "rules").await.unwrap();
    let as_bob = async || {
        let found = history(&room.bob, room.channel()).await;
        let mut found = found.iter().filter_map(plain);
        found.find(|it| it.id == message.id()).cloned().unwrap()
    };
    message.react("👍").await.unwrap();
    let bobs = room
        .bob
        .api()
        .send_reaction(room.channel(), message.id(), "🔥");
    bobs.big().await.unwrap();
    let counts = |message: &types::Message| -> Vec<i32> {
        let Some(enums::MessageReactions::MessageReactions(reactions)) = &message.reactions else {
            return Vec::new();
        };
        let results = reactions.results.iter();
        results
            .map(|enums::ReactionCount::ReactionCount(count)| count.count)
            .collect()
    };
    assert_eq!(counts(&as_bob().await), [1, 1]);
    message.unreact().await.unwrap();
    assert_eq!(counts(&as_bob().await), [1]);
    assert!(
        message
            .unreact()
            .await
            .unwrap_err()
            .is("MESSAGE_NOT_MODIFIED")
    );
    assert!(
        message
            .react("abc")
            .await
            .unwrap_err()
            .is("REACTION_INVALID")
    );

    message.pin().silent().await.unwrap();
    assert!(as_bob().await.pinned);
    message.unpin().await.unwrap();
    assert!(!as_bob().await.pinned);
    let error = room.bob.api().pin_message(room.channel(), message.id());
    assert!(error.await.unwrap_err().is("CHAT_ADMIN_REQUIRED"));

    // In a private chat, by a bot.
    let hello = api.send_message(PeerId::User(room.bot_id), "hello");
    hello.await.unwrap();
    let got = room.bot_inbox.next().await;
    got.react("👍").await.unwrap();
    got.pin().await.unwrap();
    let pinned = history(&room.ann, PeerId::User(room.bot_id)).await;
    let pinned = pinned
        .iter()
        .filter_map(plain)
        .find(|it| it.message == "hello");
    assert!(pinned.unwrap().pinned);
    room.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn service_messages_are_answered_and_deleted() {
    let room = Room::new(2005).await;
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
    room.bot.on(
        actogram::filters::service(),
        async move |_cx: Cx, message: ServiceMsg| {
            let answer = message.reply("I saw that.").await?;
            let told = (message.clone(), answer);
            sender.send(told).map_err(|_| Error::user("nobody listens"))
        },
    );
    let hello = room
        .ann
        .api()
        .send_message(PeerId::User(room.bot_id), "hello");
    let hello = hello.await.unwrap();
    let got = room.bot_inbox.next().await;
    hello.pin().await.unwrap();
    let told = tokio::time::timeout(crate::support::HANG, receiver.recv()).await;
    let (service, answer) = told.unwrap().unwrap();
    assert_eq!(service.reply_to(), Some(got.id()), "what was pinned");
    assert_eq!(answer.reply_to(), Some(service.id()));
    service.delete().await.unwrap();
    let left = history(&room.ann, PeerId::User(room.bot_id)).await;
    assert!(left.iter().all(|message| plain(message).is_some()));
    room.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn downloads_say_what_is_missing() {
    let room = Room::new(2006).await;
    let message = room.ann.api().send_message("me", "text").await.unwrap();
    let error = message.download("/tmp").await.unwrap_err();
    assert!(matches!(error, Error::Argument { .. }), "{error}");
    assert!(message.media().is_none());
    room.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keyboards_are_sent_read_and_replaced() {
    let room = Room::new(2007).await;
    let keyboard = InlineKeyboard::new()
        .callback("Yes", "yes")
        .callback("No", "no")
        .row()
        .url("Rules", "https://rules.example");
    let offer = room
        .bot
        .api()
        .send_message(PeerId::User(room.ann_id), "Shall we?");
    let offer = offer.buttons(keyboard).await.unwrap();
    assert_eq!(offer.buttons().len(), 3);

    let seen = room.ann_inbox.next().await;
    let seen = seen
        .buttons()
        .into_iter()
        .map(|it| (it.row, it.column, it.text));
    let expected = [(0, 0, "Yes"), (0, 1, "No"), (1, 0, "Rules")];
    assert!(seen.eq(expected.map(|(row, column, text)| (row, column, text.to_owned()))));
    let found = history(&room.ann, PeerId::User(room.bot_id)).await;
    let id = plain(&found[0]).unwrap().id;

    room.bot
        .api()
        .send_message(PeerId::User(room.ann_id), "again")
        .await
        .unwrap();
    let pressing = room.ann_inbox.next().await;
    assert!(pressing.buttons().is_empty());
    let error = pressing.click(0).await.unwrap_err();
    assert!(matches!(error, Error::Argument { .. }), "{error}");

    offer
        .edit("Well?")
        .buttons(InlineKeyboard::new().callback("Maybe", [0_u8, 255]))
        .await
        .unwrap();
    let found = history(&room.ann, PeerId::User(room.bot_id)).await;
    let edited = found
        .iter()
        .filter_map(plain)
        .find(|it| it.id == id)
        .unwrap();
    let Some(enums::ReplyMarkup::ReplyInlineMarkup(markup)) = &edited.reply_markup else {
        panic!("{edited:?}")
    };
    assert_eq!(markup.rows.len(), 1);
    // Without buttons an edit takes them away.
    offer.edit("Over.").await.unwrap();
    let found = history(&room.ann, PeerId::User(room.bot_id)).await;
    let edited = found
        .iter()
        .filter_map(plain)
        .find(|it| it.id == id)
        .unwrap();
    assert!(edited.reply_markup.is_none());

    let long = InlineKeyboard::new().callback("Long", "x".repeat(65));
    let stored = room.datacenter.operator().stored_messages();
    let error = offer.reply("never").buttons(long).await.unwrap_err();
    assert!(
        matches!(
            error,
            Error::Keyboard(KeyboardError::Data { length: 65, .. })
        ),
        "{error}"
    );
    assert_eq!(room.datacenter.operator().stored_messages(), stored);
    room.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_press_what_bots_offer() {
    let room = Room::new(2008).await;
    room.bot.on(
        actogram::filters::callback_queries(),
        async |_cx: Cx, query: CallbackQuery| {
            let data = String::from_utf8_lossy(query.data()).into_owned();
            query.answer(format!("pressed {data}")).alert().await
        },
    );
    let ann = PeerId::User(room.ann_id);
    let keyboard = InlineKeyboard::new()
        .callback("Yes", "yes")
        .callback("No", "no")
        .row()
        .url("Rules", "https://rules.example")
        .copy("Code", "1234");
    let offer = room.bot.api().send_message(ann, "Shall we?");
    offer.buttons(keyboard).await.unwrap();
    let offer = room.ann_inbox.next().await;
    for (clicked, text) in [
        (offer.click("Yes").await.unwrap(), "pressed yes"),
        (offer.click((0, 1)).await.unwrap(), "pressed no"),
    ] {
        let Clicked::Answered(answer) = clicked else {
            panic!("{clicked:?}")
        };
        assert_eq!((answer.text.as_deref(), answer.alert), (Some(text), true));
    }
    let Clicked::Url(url) = offer.click(2).await.unwrap() else {
        panic!()
    };
    assert_eq!(url, "https://rules.example");
    let Clicked::Copy(text) = offer.click("Code").await.unwrap() else {
        panic!()
    };
    assert_eq!(text, "1234");

    let keyboard = ReplyKeyboard::new()
        .text("Later")
        .row()
        .request_contact("My number")
        .resize()
        .placeholder("When?");
    let offer = room.bot.api().send_message(ann, "When?").buttons(keyboard);
    offer.await.unwrap();
    let offer = room.ann_inbox.next().await;
    assert_eq!(offer.buttons()[1].kind, ButtonKind::RequestContact);
    let Clicked::Sent(sent) = offer.click("Later").await.unwrap() else {
        panic!()
    };
    assert_eq!(sent.text(), "Later");
    assert_eq!(room.bot_inbox.next().await.text(), "Later");
    let error = offer.click("My number").await.unwrap_err();
    assert!(matches!(error, Error::NotBuilt { .. }), "{error}");

    for (text, markup) in [
        ("gone", actogram::Markup::from(RemoveKeyboard::new())),
        ("name?", ForceReply::new().placeholder("Your name").into()),
    ] {
        room.bot
            .api()
            .send_message(ann, text)
            .buttons(markup)
            .await
            .unwrap();
        let got = room.ann_inbox.next().await;
        let markup = got.raw().reply_markup.clone();
        match (text, markup) {
            ("gone", Some(enums::ReplyMarkup::ReplyKeyboardHide(_))) => {}
            ("name?", Some(enums::ReplyMarkup::ReplyKeyboardForceReply(force))) => {
                assert_eq!(force.placeholder.as_deref(), Some("Your name"));
            }
            other => panic!("{other:?}"),
        }
    }
    // Below the last of the parts of a long text.
    let long = "x".repeat(5000);
    let sent = room.bot.api().send_message(ann, long);
    let sent = sent
        .buttons(InlineKeyboard::new().callback("a", "b"))
        .all()
        .await
        .unwrap();
    let counts: Vec<_> = sent.iter().map(|it| it.buttons().len()).collect();
    assert_eq!(counts, [0, 1]);
    until("all has come", || {
        room.datacenter
            .operator()
            .history(room.ann_id, PeerKey::User(room.bot_id))
            .len()
            >= 8
    })
    .await;
    room.end().await;
}

//! Which handler is given what: every filter, against everything that comes to a bot. Under virtual time.
#![allow(clippy::unwrap_used)]

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use crate::support::{bot_stage::BotStage, until, virtual_time::run};
use actogram::{
    PeerId,
    filters::*,
    prelude::*,
    tl::{enums, functions, types},
};
use actogram_local_datacenter::{model::PeerKey, operator::Operator};

/// What was seen of the update that is being handled, and whether it is through.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<(BTreeSet<String>, usize)>>);

impl Seen {
    fn note(&self, what: impl Into<String>) {
        self.0.lock().unwrap().0.insert(what.into());
    }

    /// What was seen of the next updates, so many.
    async fn next(&self, updates: usize) -> Vec<String> {
        until("the updates come", || self.0.lock().unwrap().1 >= updates).await;
        let (seen, handled) = std::mem::take(&mut *self.0.lock().unwrap());
        assert_eq!(handled, updates, "{seen:?}");
        seen.into_iter().collect()
    }
}

/// Handlers that note their name and let others see the update, too.
macro_rules! watch {
    ($client:expr, $seen:expr, $($name:literal: $filter:expr,)+) => {$({
        let seen = $seen.clone();
        $client.on($filter, async move |_cx: Cx, _found| {
            seen.note($name);
            Ok(Propagation::Continue)
        });
    })+};
}

/// Counts updates of the kinds that the test makes, when all others are through with them.
fn count(client: &Client, seen: &Seen) {
    let seen = seen.clone();
    client.on_update(async move |_cx: Cx, update: Update| {
        use enums::Update as U;
        if matches!(
            update.raw(),
            U::UpdateNewMessage(_)
                | U::UpdateEditMessage(_)
                | U::UpdateNewChannelMessage(_)
                | U::UpdateEditChannelMessage(_)
                | U::UpdateDeleteMessages(_)
                | U::UpdateDeleteChannelMessages(_)
                | U::UpdateBotCallbackQuery(_)
                | U::UpdateBotInlineQuery(_)
        ) {
            seen.0.lock().unwrap().1 += 1;
        }
        Ok(())
    });
}

fn send_media(
    operator: &Operator,
    from: i64,
    to: &enums::InputPeer,
    media: impl Into<enums::InputMedia>,
    random_id: i64,
) {
    let request =
        functions::messages::SendMedia::new(to.clone(), media.into(), String::new(), random_id);
    operator.invoke_as(from, &request).unwrap();
}

#[test]
fn messages_pass_the_filters_they_fit_and_no_others() {
    run(async {
        let BotStage {
            datacenter,
            bot,
            ann,
            client,
        } = BotStage::new(1).await;
        let seen = Seen::default();
        let annes = PeerId::User(ann);
        watch!(client, seen,
            "messages": messages(),
            "incoming": incoming() & messages(),
            "outgoing": outgoing::<Msg>(),
            "edited": edited(),
            "not edited": !edited(),
            "private": private::<Msg>(),
            "group": group(),
            "channel": channel(),
            "of ann": sender::<Msg>([annes]),
            "chat of ann": chat::<Msg>([annes]),
            "forwarded": forwarded(),
            "reply": reply(),
            "media": media(),
            "contact": contact(),
            "location": location(),
            "dice": dice(),
            "photo": photo(),
            "text": text::<Msg>("hello"),
            "starts": starts_with::<Msg>("hel"),
            "contains": contains::<Msg>("ell"),
            "regex": regex::<Msg>("^h.l+o$").unwrap(),
            "/start": command("start"),
            "!start": command_prefixed("!", "start"),
            "any command": any_command(),
            "short": filter(|message: &Msg| message.text().len() < 3),
            "number": extract(|message: &Msg| message.text().parse::<u8>().ok()),
            "service": service(),
            "deleted": deleted(),
            "update": updates(),
            "raw pin": filter(|update: &Update| {
                matches!(update.raw(), enums::Update::UpdatePinnedMessages(_))
            }),
        );
        count(&client, &seen);
        client.start().await.unwrap();
        let operator = datacenter.operator();
        let to_bot = PeerKey::User(bot.id);
        let peer = operator.input_peer(ann, to_bot).unwrap();
        let say = |text: &str| operator.send_message(ann, to_bot, text).unwrap();
        let whose = ["chat of ann", "of ann"];
        let incoming_private = ["incoming", "messages", "not edited", "private", "update"];
        let fits = |more: &[&str]| -> Vec<String> {
            let all: BTreeSet<_> = whose.iter().chain(&incoming_private).chain(more).collect();
            all.into_iter().map(|name| (*name).to_owned()).collect()
        };

        say("hello");
        assert_eq!(
            seen.next(1).await,
            fits(&["text", "starts", "contains", "regex"])
        );
        let hello = say("help");
        assert_eq!(seen.next(1).await, fits(&["starts"]));
        say("42");
        assert_eq!(seen.next(1).await, fits(&["number", "short"]));
        say("/start a");
        assert_eq!(seen.next(1).await, fits(&["/start", "any command"]));
        say("/START");
        assert_eq!(seen.next(1).await, fits(&["/start", "any command"]));
        say("/starting");
        assert_eq!(seen.next(1).await, fits(&["any command"]));
        say("/start@Daily_bot");
        assert_eq!(seen.next(1).await, fits(&["/start", "any command"]));
        say("/start@other_bot");
        assert_eq!(seen.next(1).await, fits(&[]), "addressed to another bot");
        say("!start");
        assert_eq!(seen.next(1).await, fits(&["!start"]));

        let mut edit = functions::messages::EditMessage::new(peer.clone(), hello);
        edit.message = Some("/start again".to_owned());
        operator.invoke_as(ann, &edit).unwrap();
        // An edit is shown to who names edits, and its command is not carried out.
        assert_eq!(seen.next(1).await, ["edited"]);

        let mut answer =
            functions::messages::SendMessage::new(peer.clone(), "to that".to_owned(), 5);
        answer.reply_to = Some(types::InputReplyToMessage::new(hello).into());
        operator.invoke_as(ann, &answer).unwrap();
        assert_eq!(seen.next(1).await, fits(&["reply"]));

        let forward = functions::messages::ForwardMessages::new(
            peer.clone(),
            vec![hello],
            vec![6],
            peer.clone(),
        );
        operator.invoke_as(ann, &forward).unwrap();
        // A forwarded command is a command.
        let forwarded = ["/start", "any command", "forwarded"];
        assert_eq!(seen.next(1).await, fits(&forwarded));

        let dice = types::InputMediaDice {
            emoticon: "🎲".to_owned(),
        };
        send_media(&operator, ann, &peer, dice, 7);
        assert_eq!(seen.next(1).await, fits(&["dice", "media", "short"]));
        let point = types::InputMediaGeoPoint {
            geo_point: types::InputGeoPoint::new(1.0, 2.0).into(),
        };
        send_media(&operator, ann, &peer, point, 8);
        assert_eq!(seen.next(1).await, fits(&["location", "media", "short"]));
        let card = types::InputMediaContact {
            phone_number: "15550".to_owned(),
            first_name: "A".to_owned(),
            last_name: "B".to_owned(),
            vcard: String::new(),
        };
        send_media(&operator, ann, &peer, card, 9);
        assert_eq!(seen.next(1).await, fits(&["contact", "media", "short"]));

        // What the bot says itself, by another session, is shown to who names it.
        operator
            .send_message(bot.id, PeerKey::User(ann), "hello")
            .unwrap();
        assert_eq!(seen.next(1).await, ["outgoing"]);

        let gone = functions::messages::DeleteMessages {
            revoke: true,
            id: vec![hello],
        };
        operator.invoke_as(ann, &gone).unwrap();
        assert_eq!(seen.next(1).await, ["deleted", "update"]);

        client.shutdown(crate::support::HANG).await;
        datacenter.shutdown().await;
    });
}

#[test]
fn groups_and_channels_are_told_apart() {
    run(async {
        let BotStage {
            datacenter,
            bot,
            ann,
            client,
        } = BotStage::new(2).await;
        let seen = Seen::default();
        watch!(client, seen,
            "private": private::<Msg>(),
            "group": group(),
            "channel": channel(),
            "service": service(),
            "service in a private chat": private::<ServiceMsg>(),
        );
        count(&client, &seen);
        client.start().await.unwrap();
        let operator = datacenter.operator();
        let chat = operator.create_chat(ann, &[bot.id], "A group").unwrap();
        assert_eq!(seen.next(1).await, ["service"]);
        operator
            .send_message(ann, PeerKey::Chat(chat), "/hello")
            .unwrap();
        assert_eq!(seen.next(1).await, ["group"]);
        let supergroup = operator
            .create_channel(ann, &[bot.id], "A supergroup", false)
            .unwrap();
        assert_eq!(seen.next(1).await, ["service"]);
        operator
            .send_message(ann, PeerKey::Channel(supergroup), "/hello")
            .unwrap();
        assert_eq!(seen.next(1).await, ["group"]);

        let broadcast = operator
            .create_channel(ann, &[], "A channel", true)
            .unwrap();
        let mut rights = types::ChatAdminRights::new();
        rights.post_messages = true;
        let appoint = functions::channels::EditAdmin {
            channel: operator.input_channel(ann, broadcast).unwrap(),
            user_id: operator.input_user(ann, bot.id).unwrap(),
            admin_rights: rights.into(),
            rank: None,
        };
        operator.invoke_as(ann, &appoint).unwrap();
        operator
            .send_message(ann, PeerKey::Channel(broadcast), "news")
            .unwrap();
        assert_eq!(seen.next(1).await, ["channel"]);
        client.shutdown(crate::support::HANG).await;
        datacenter.shutdown().await;
    });
}

#[test]
fn handlers_are_given_what_the_filters_found() {
    run(async {
        let BotStage {
            datacenter,
            bot,
            ann,
            client,
        } = BotStage::new(3).await;
        let seen = Seen::default();
        let note = || seen.clone();
        let seen_by = note();
        client.on(
            incoming() & private() & command("add"),
            async move |_cx: Cx, command: Command| {
                let words: Vec<_> = command.words().collect();
                seen_by.note(format!("{} {words:?} {:?}", command.name(), command.args()));
                command.reply("added").await
            },
        );
        let sum = regex(r"^(?<left>\d+) *\+ *(\d+)(!)?$").unwrap() & private();
        let seen_by = note();
        client.on(sum, async move |_cx: Cx, sum: Captures| {
            let groups = (
                sum.name("left"),
                sum.get(2),
                sum.get(3),
                sum.get(4),
                sum.name("x"),
            );
            seen_by.note(format!("{groups:?} of {}", sum.text()));
            Ok(())
        });
        let seen_by = note();
        let both = extract(|message: &Msg| message.text().parse::<i8>().ok())
            & extract(|message: &Msg| Some(message.text().len())).map(|length| length * 2);
        client.on(both, async move |_cx: Cx, (number, double): (i8, usize)| {
            seen_by.note(format!("{number} {double}"));
            Ok(())
        });
        let seen_by = note();
        let yes = callback_queries() & (text("yes") | starts_with("y:"));
        client.on(yes, async move |_cx: Cx, query: CallbackQuery| {
            seen_by.note(format!("yes of {:?} in {:?}", query.sender(), query.chat()));
            query.answer("noted").alert().await
        });
        let seen_by = note();
        let buy = regex(r"^buy:(\d+)$").unwrap();
        client.on(buy, async move |_cx: Cx, buy: Captures<CallbackQuery>| {
            seen_by.note(format!("buy {:?}", buy.get(1)));
            buy.edit("bought").unwrap().await?;
            buy.answer("").await
        });
        let seen_by = note();
        let asked = inline_queries() & !text("");
        client.on(asked, async move |_cx: Cx, query: InlineQuery| {
            seen_by.note(format!("asked {:?} by {:?}", query.text(), query.sender()));
            query
                .answer([actogram::article("1", "A title", query.text())])
                .await
        });
        count(&client, &seen);
        client.start().await.unwrap();
        let operator = datacenter.operator();
        let to_bot = PeerKey::User(bot.id);

        operator
            .send_message(ann, to_bot, "/Add  two  words")
            .unwrap();
        assert_eq!(seen.next(1).await, [r#"Add ["two", "words"] "two  words""#]);
        operator.send_message(ann, to_bot, "12 + 30").unwrap();
        assert_eq!(
            seen.next(1).await,
            [r#"(Some("12"), Some("30"), None, None, None) of 12 + 30"#]
        );
        operator.send_message(ann, to_bot, "-12").unwrap();
        assert_eq!(seen.next(1).await, ["-12 6"]);

        let keyboard = [&b"yes"[..], b"buy:7", b"no", b"\xff"].map(|data| {
            let data = types::InlineButtonTypeCallback::new(data.to_vec().into());
            let button = types::KeyboardInlineButton::new("press".to_owned(), data.into());
            let row = types::KeyboardInlineButtonRow {
                buttons: vec![button.into()],
            };
            row.into()
        });
        let peer = client.api().resolve(PeerId::User(ann)).await.unwrap();
        let mut offer = functions::messages::SendMessage::new(peer, "well?".to_owned(), 77);
        offer.reply_markup = Some(types::ReplyInlineMarkup::new(keyboard.to_vec()).into());
        client.api().invoke(offer).await.unwrap();
        assert!(seen.next(1).await.is_empty(), "of the account itself");
        let offered = operator.history(ann, to_bot).last().unwrap().id;
        let press = |data: &[u8]| operator.press_button(ann, to_bot, offered, data).unwrap();

        let yes = press(b"yes");
        let of_ann = format!("User({ann})");
        assert_eq!(
            seen.next(1).await,
            [format!("yes of {of_ann} in Some({of_ann})")]
        );
        let enums::messages::BotCallbackAnswer::BotCallbackAnswer(answer) =
            operator.callback_answer(yes).unwrap();
        assert!(answer.alert);
        assert_eq!(answer.message.as_deref(), Some("noted"));
        let bought = press(b"buy:7");
        assert_eq!(seen.next(2).await, [r#"buy Some("7")"#], "and the edit");
        until("the query is answered", || {
            operator.callback_answer(bought).is_some()
        })
        .await;
        let edited = operator.history(ann, to_bot).pop().unwrap();
        assert_eq!(edited.text, "bought");
        operator.set_inline(bot.id, Some("ask")).unwrap();
        for (query, expected) in [("", None), ("hats", Some("hats"))] {
            let ask = functions::messages::GetInlineBotResults::new(
                operator.input_user(ann, bot.id).unwrap(),
                enums::InputPeer::InputPeerEmpty,
                query.to_owned(),
                String::new(),
            );
            // The operator does not wait for the bot's answer.
            let _ = operator.invoke_as(ann, &ask);
            let expected = expected.map(|query| format!("asked {query:?} by {of_ann}"));
            assert_eq!(seen.next(1).await, Vec::from_iter(expected));
        }
        client.shutdown(crate::support::HANG).await;
        datacenter.shutdown().await;
    });
}

#[test]
fn a_malformed_expression_is_an_error_that_shows_where() {
    let error: Error = regex::<Msg>("a(b").unwrap_err().into();
    let shown = error.to_string();
    assert!(
        shown.contains("a(b") && shown.contains("unclosed group"),
        "{shown}"
    );
}

//! Handlers as the seed has them: a value with a method for each kind of update, and the bare closure. Under virtual time.
#![allow(clippy::unwrap_used)]

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use crate::support::{bot_stage::BotStage, virtual_time::run};
use actix::Actor;
use actogram::{
    PeerId,
    prelude::*,
    text::EntityKind,
    tl::{enums, functions, types},
};
use actogram_local_datacenter::{model::PeerKey, operator::Operator};
use tokio::time::{Instant, sleep};

#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<String>>>);

impl Notes {
    fn note(&self, what: impl Into<String>) -> Result<()> {
        self.0.lock().unwrap().push(what.into());
        Ok(())
    }

    /// What was noted, once nothing more happens.
    async fn settled(&self) -> Vec<String> {
        sleep(Duration::from_secs(30)).await;
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

fn say(stage: &BotStage, text: &str) -> i32 {
    let (operator, bot) = (stage.datacenter.operator(), PeerKey::User(stage.bot.id));
    operator.send_message(stage.ann, bot, text).unwrap()
}

/// What only some of the tests need to happen.
struct Doings<'a> {
    operator: Operator,
    stage: &'a BotStage,
    to_bot: enums::InputPeer,
}

impl<'a> Doings<'a> {
    fn of(stage: &'a BotStage) -> Self {
        let operator = stage.datacenter.operator();
        let to_bot = operator
            .input_peer(stage.ann, PeerKey::User(stage.bot.id))
            .unwrap();
        Self {
            operator,
            stage,
            to_bot,
        }
    }

    fn edit(&self, id: i32, text: &str) {
        let mut edit = functions::messages::EditMessage::new(self.to_bot.clone(), id);
        edit.message = Some(text.to_owned());
        self.operator.invoke_as(self.stage.ann, &edit).unwrap();
    }

    fn delete(&self, id: i32) {
        let delete = functions::messages::DeleteMessages {
            revoke: true,
            id: vec![id],
        };
        self.operator.invoke_as(self.stage.ann, &delete).unwrap();
    }

    fn read(&self, up_to: i32) {
        let read = functions::messages::ReadHistory {
            peer: self.to_bot.clone(),
            max_id: up_to,
        };
        self.operator.invoke_as(self.stage.ann, &read).unwrap();
    }

    fn ask(&self, query: &str) {
        let bot = self.stage.bot.id;
        self.operator.set_inline(bot, Some("ask")).unwrap();
        let ask = functions::messages::GetInlineBotResults::new(
            self.operator.input_user(self.stage.ann, bot).unwrap(),
            enums::InputPeer::InputPeerEmpty,
            query.to_owned(),
            String::new(),
        );
        // The operator does not wait for the bot's answer.
        let _ = self.operator.invoke_as(self.stage.ann, &ask);
    }

    async fn offer_and_press(&self, data: &[u8]) {
        let api = self.stage.client.api();
        let callback = types::InlineButtonTypeCallback::new(data.to_vec().into());
        let button = types::KeyboardInlineButton::new("Press".to_owned(), callback.into());
        let row = types::KeyboardInlineButtonRow {
            buttons: vec![button.into()],
        };
        let peer = api.resolve(PeerId::User(self.stage.ann)).await.unwrap();
        let mut offer = functions::messages::SendMessage::new(peer, "well?".to_owned(), 71);
        offer.reply_markup = Some(types::ReplyInlineMarkup::new(vec![row.into()]).into());
        api.invoke(offer).await.unwrap();
        let (ann, bot) = (self.stage.ann, PeerKey::User(self.stage.bot.id));
        let offered = self.operator.history(ann, bot).pop().unwrap().id;
        self.operator.press_button(ann, bot, offered, data).unwrap();
    }
}

struct Kinds(Notes);

impl EventHandler for Kinds {
    async fn on_message(&self, _cx: Cx, message: Msg) -> Result<()> {
        self.0.note(format!("message {}", message.text()))
    }

    async fn on_edited(&self, _cx: Cx, message: Msg) -> Result<()> {
        self.0.note(format!("edited {}", message.text()))
    }

    async fn on_deleted(&self, _cx: Cx, deleted: Deleted) -> Result<()> {
        self.0.note(format!(
            "deleted {} {:?}",
            deleted.ids.len(),
            deleted.channel
        ))
    }

    async fn on_service(&self, _cx: Cx, message: ServiceMsg) -> Result<()> {
        let made = matches!(
            message.action(),
            enums::MessageAction::MessageActionChatCreate(_)
        );
        self.0
            .note(format!("service {made} of {:?}", message.sender().unwrap()))
    }

    async fn on_callback_query(&self, _cx: Cx, query: CallbackQuery) -> Result<()> {
        self.0.note(format!("pressed {:?}", query.text()))
    }

    async fn on_inline_query(&self, _cx: Cx, query: InlineQuery) -> Result<()> {
        self.0
            .note(format!("asked {:?} {:?}", query.text(), query.offset()))
    }

    async fn on_other(&self, _cx: Cx, update: Update) -> Result<()> {
        self.0
            .note(format!("other {}", update.to_json()["_"].as_str().unwrap()))
    }
}

#[test]
fn s13_each_kind_has_its_method_and_the_rest_goes_to_on_other() {
    run(async {
        let stage = BotStage::new(31).await;
        let notes = Notes::default();
        stage.client.event_handler(Kinds(notes.clone()));
        stage.client.start().await.unwrap();
        let doings = Doings::of(&stage);
        let id = say(&stage, "a");
        assert_eq!(notes.settled().await, ["message a"]);
        doings.edit(id, "b");
        assert_eq!(notes.settled().await, ["edited b"]);
        doings.delete(id);
        assert_eq!(notes.settled().await, ["deleted 1 None"]);
        stage
            .client
            .api()
            .send_message(PeerId::User(stage.ann), "read me")
            .await
            .unwrap();
        doings.read(i32::MAX);
        assert_eq!(notes.settled().await, ["other updateReadHistoryOutbox"]);
        doings.offer_and_press(b"yes").await;
        // What the account's own calls change is told like anything else.
        assert_eq!(
            notes.settled().await,
            ["other updateMessageID", r#"pressed Some("yes")"#]
        );
        doings.ask("hats");
        assert_eq!(notes.settled().await, [r#"asked "hats" """#]);
        let operator = &doings.operator;
        operator
            .create_chat(stage.ann, &[stage.bot.id], "A group")
            .unwrap();
        let service = format!("service true of {:?}", PeerId::User(stage.ann));
        let seen = notes.settled().await;
        assert!(seen.contains(&service), "{seen:?}");
        assert!(
            seen.iter()
                .all(|it| *it == service || it.starts_with("other ")),
            "{seen:?}"
        );
        stage.end().await;
    });
}

/// Has its own counter, as plain values: it stays on one thread.
struct Any {
    notes: Notes,
    seen: Cell<u32>,
    by_kind: RefCell<BTreeMap<String, u32>>,
}

impl EventHandler for Any {
    async fn on_any(&self, _cx: Cx, update: Update) -> Result<()> {
        self.seen.set(self.seen.get() + 1);
        let kind = update.to_json()["_"].as_str().unwrap().to_owned();
        *self.by_kind.borrow_mut().entry(kind).or_default() += 1;
        self.notes
            .note(format!("{} {:?}", self.seen.get(), self.by_kind.borrow()))
    }

    async fn on_message(&self, _cx: Cx, _message: Msg) -> Result<()> {
        self.notes.note("never: who writes on_any takes over")
    }
}

#[test]
fn s13_on_any_sees_every_kind_of_update() {
    run(async {
        let stage = BotStage::new(32).await;
        let notes = Notes::default();
        stage.client.event_handler(Any {
            notes: notes.clone(),
            seen: Cell::new(0),
            by_kind: RefCell::default(),
        });
        stage.client.start().await.unwrap();
        let id = say(&stage, "a");
        sleep(Duration::from_secs(1)).await;
        let doings = Doings::of(&stage);
        stage
            .client
            .api()
            .send_message(PeerId::User(stage.ann), "read me")
            .await
            .unwrap();
        doings.read(i32::MAX);
        sleep(Duration::from_secs(1)).await;
        doings.edit(id, "b");
        assert_eq!(
            notes.settled().await,
            [
                r#"1 {"updateNewMessage": 1}"#,
                r#"2 {"updateNewMessage": 1, "updateReadHistoryOutbox": 1}"#,
                r#"3 {"updateEditMessage": 1, "updateNewMessage": 1, "updateReadHistoryOutbox": 1}"#,
            ]
        );
        stage.end().await;
    });
}

struct Slow {
    notes: Notes,
    begun: Instant,
    start_fails: bool,
}

impl Slow {
    fn note(&self, what: &str) -> Result<()> {
        self.notes
            .note(format!("{what} at {}", self.begun.elapsed().as_secs()))
    }
}

impl EventHandler for Slow {
    async fn on_start(&self, cx: Cx) -> Result<()> {
        sleep(Duration::from_secs(7)).await;
        // The handler's context is the account's API.
        let me = cx.get_me().await?;
        self.note(&format!("{} starts", me.username.unwrap_or_default()))?;
        match self.start_fails {
            true => Err(Error::user("cannot start")),
            false => Ok(()),
        }
    }

    async fn on_message(&self, _cx: Cx, message: Msg) -> Result<()> {
        sleep(Duration::from_secs(3)).await;
        assert!(message.text() != "panic", "as asked");
        if message.text() == "error" {
            return Err(Error::user("a failure"));
        }
        self.note(message.text())
    }

    async fn on_error(&self, _cx: Cx, update: Option<&Update>, error: &Error) {
        let text = update
            .and_then(Update::message)
            .map(|message| message.text().to_owned());
        self.note(&format!("{error}: {text:?}")).unwrap();
        assert!(text.as_deref() != Some("panic"), "even here");
    }
}

#[test]
fn s13_on_start_comes_first_and_what_came_meanwhile_follows() {
    run(async {
        let stage = BotStage::new(33).await;
        let notes = Notes::default();
        stage.client.start().await.unwrap();
        stage.client.event_handler(Slow {
            notes: notes.clone(),
            begun: Instant::now(),
            start_fails: true,
        });
        say(&stage, "a");
        say(&stage, "b");
        assert_eq!(
            notes.settled().await,
            [
                "daily_bot starts at 7",
                "cannot start: None at 7",
                "a at 10",
                "b at 13"
            ]
        );
        stage.end().await;
    });
}

#[test]
fn s13_updates_of_several_chats_are_handled_side_by_side_and_failures_stay_with_them() {
    run(async {
        let stage = BotStage::new(34).await;
        let operator = stage.datacenter.operator();
        let bob = operator.create_user("9996628889", "Bob").unwrap();
        let notes = Notes::default();
        stage.client.event_handler(Slow {
            notes: notes.clone(),
            begun: Instant::now(),
            start_fails: false,
        });
        stage.client.start().await.unwrap();
        assert_eq!(notes.settled().await, ["daily_bot starts at 7"]);
        say(&stage, "error");
        say(&stage, "panic");
        say(&stage, "after it");
        operator
            .send_message(bob, PeerKey::User(stage.bot.id), "of bob")
            .unwrap();
        let mut seen = notes.settled().await;
        seen[..2].sort();
        assert_eq!(
            seen,
            [
                r#"a failure: Some("error") at 33"#,
                "of bob at 33",
                r#"a handler panicked: as asked: Some("panic") at 36"#,
                "after it at 39",
            ]
        );
        stage.end().await;
    });
}

#[test]
fn s14_a_closure_handles_updates_and_may_take_its_time() {
    run(async {
        let stage = BotStage::new(35).await;
        let operator = stage.datacenter.operator();
        let bob = operator.create_user("9996628889", "Bob").unwrap();
        let begun = Instant::now();
        stage.client.on_update(async move |cx: Cx, update: Update| {
            let Some(message) = update.message().filter(|message| !message.outgoing()) else {
                return Ok(());
            };
            if message.text() == "fail" {
                return Err(Error::user("as asked"));
            }
            sleep(Duration::from_secs(3)).await;
            let text = format!("{} after {} s", message.text(), begun.elapsed().as_secs());
            cx.send_message(&update, text).await.map(drop)
        });
        stage.client.start().await.unwrap();
        let bot = PeerKey::User(stage.bot.id);
        for (who, text) in [
            (stage.ann, "ann"),
            (stage.ann, "fail"),
            (bob, "bob"),
            (stage.ann, "ann"),
        ] {
            operator.send_message(who, bot, text).unwrap();
        }
        sleep(Duration::from_secs(60)).await;
        let received =
            |who| crate::support::accounts::received(&stage.datacenter, who, stage.bot.id);
        assert_eq!(
            received(bob),
            ["bob after 3 s"],
            "nobody waits for other chats"
        );
        assert_eq!(received(stage.ann), ["ann after 3 s", "ann after 6 s"]);
        stage.end().await;
    });
}

#[test]
fn s17_an_update_a_message_and_every_notation_of_it_are_a_peer() {
    run(async {
        let stage = BotStage::new(36).await;
        let operator = stage.datacenter.operator();
        operator.set_username(stage.ann, Some("ann_name")).unwrap();
        stage.client.on_update(async move |cx: Cx, update: Update| {
            let Some(message) = update.message().filter(|message| !message.outgoing()) else {
                return Ok(());
            };
            let chat = message.chat();
            cx.send_message(&update, "by the update").await?;
            cx.send_message(&message, "by the message").await?;
            cx.send_message(chat, "by the id").await?;
            cx.send_message(chat.to_bot_api(), "by the number").await?;
            cx.send_message(chat.to_string(), "by its text").await?;
            if message.is_private() {
                cx.send_message("@ann_name", "by the name").await?;
                cx.send_message("ann_name", "by the bare name").await?;
            }
            Ok(())
        });
        stage.client.start().await.unwrap();
        say(&stage, "here");
        let group = operator
            .create_chat(stage.ann, &[stage.bot.id], "A group")
            .unwrap();
        let here = PeerKey::Chat(group);
        operator.send_message(stage.ann, here, "/here").unwrap();
        sleep(Duration::from_secs(30)).await;
        let ways = [
            "by the update",
            "by the message",
            "by the id",
            "by the number",
            "by its text",
        ];
        let private =
            crate::support::accounts::received(&stage.datacenter, stage.ann, stage.bot.id);
        assert_eq!(private[..5], ways);
        assert_eq!(private[5..], ["by the name", "by the bare name"]);
        let in_group = operator.history(stage.ann, here).into_iter();
        let in_group = in_group.filter(|message| message.from == stage.bot.id);
        assert_eq!(
            in_group.map(|message| message.text).collect::<Vec<_>>(),
            ways
        );
        stage.end().await;
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s19_s20_answers_are_formatted_and_quote_what_they_answer() {
    let datacenter = crate::support::datacenter().await;
    let (bot, _) = crate::support::bot(&datacenter, "format_bot").await;
    bot.on_message(async |cx: Cx, message: Msg| {
        let first = message
            .reply(html("<b>é😀</b> <code>&lt;x&gt;</code>"))
            .await?;
        cx.send_message(&message, "to my own")
            .reply_to(first.id())
            .await?;
        message.answer("<b>plain</b>").await.map(drop)
    });
    bot.start().await.unwrap();
    let ann = crate::support::person(&datacenter, "9996621113").await;
    let inbox = crate::support::Inbox::of(&ann);
    ann.start().await.unwrap();
    let api = ann.api();
    let sent = api.send_message("@format_bot", "hello").await.unwrap();
    let formatted = inbox.next().await;
    assert_eq!(formatted.text(), "é😀 <x>");
    assert_eq!(formatted.reply_to(), Some(sent.id()));
    let entities = formatted.formatted();
    let places: Vec<_> = entities
        .entities()
        .iter()
        .map(|entity| {
            let kind = match entity.kind {
                EntityKind::Bold => "bold",
                EntityKind::Code => "code",
                ref other => panic!("{other:?}"),
            };
            (kind, entity.offset, entity.length)
        })
        .collect();
    // Counted in UTF-16, where the smiley is two.
    assert_eq!(places, [("bold", 0, 3), ("code", 4, 3)]);
    let quoting = inbox.next().await;
    assert_eq!(quoting.text(), "to my own");
    assert_eq!(quoting.reply_to(), Some(formatted.id()));
    let plain = inbox.next().await;
    assert_eq!(plain.text(), "<b>plain</b>");
    assert_eq!(plain.reply_to(), None);
    assert!(plain.formatted().entities().is_empty());
    bot.shutdown(crate::support::HANG).await;
    ann.shutdown(crate::support::HANG).await;
    datacenter.shutdown().await;
}

#[test]
fn s21_a_refusal_is_caught_where_the_call_is_made() {
    run(async {
        let stage = BotStage::new(37).await;
        let notes = Notes::default();
        let noted = notes.clone();
        stage.client.on_message(async move |_cx: Cx, message: Msg| {
            match message.reply("an answer").await {
                Err(Error::Rpc(error)) if error.is("CHAT_WRITE_*") => {
                    noted.note(format!("{} {} {}", error.code, error.name, error.method))?;
                }
                other => drop(other?),
            }
            noted.note("and on")
        });
        stage.client.start().await.unwrap();
        let operator = stage.datacenter.operator();
        operator.fail("messages.sendMessage", 403, "CHAT_WRITE_FORBIDDEN", 1);
        say(&stage, "one");
        assert_eq!(
            notes.settled().await,
            ["403 CHAT_WRITE_FORBIDDEN messages.sendMessage", "and on"]
        );
        say(&stage, "two");
        assert_eq!(notes.settled().await, ["and on"]);
        stage.end().await;
    });
}

/// An actor that knows nothing of Telegram's handlers.
struct Listener(Notes);

impl Actor for Listener {
    type Context = actix::Context<Self>;
}

impl actix::Handler<NewUpdate> for Listener {
    type Result = ();

    fn handle(&mut self, NewUpdate(update): NewUpdate, context: &mut Self::Context) {
        let text = update.message().map(|message| message.text().to_owned());
        self.0.note(text.clone().unwrap_or_default()).unwrap();
        if text.as_deref() == Some("stop") {
            actix::ActorContext::stop(context);
        }
    }
}

#[test]
fn every_update_is_a_message_for_any_recipient_until_it_ends() {
    run(async {
        let stage = BotStage::new(38).await;
        let notes = Notes::default();
        let listener = Listener(notes.clone()).start();
        stage.client.subscribe(listener.clone().recipient());
        stage.client.start().await.unwrap();
        for text in ["one", "stop"] {
            say(&stage, text);
            assert_eq!(notes.settled().await, [text]);
        }
        say(&stage, "to nobody");
        assert!(notes.settled().await.is_empty());
        assert!(!listener.connected());
        stage.end().await;
    });
}

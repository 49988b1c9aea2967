//! Questions whose answers come back to the handler that asked. Under virtual time.
#![allow(clippy::unwrap_used)]

use std::{
    future::IntoFuture as _,
    sync::{Arc, Mutex},
    time::Duration,
};

use crate::support::{
    bot_stage::BotStage,
    until,
    virtual_time::{Stage, run},
};
use actogram::{AskError, PeerId, filters::*, prelude::*};
use actogram_local_datacenter::{LocalDatacenter, model::PeerKey};
use tokio::time::sleep;

#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<String>>>);

impl Notes {
    fn note(&self, what: impl Into<String>) {
        self.0.lock().unwrap().push(what.into());
    }

    /// What was noted, once nothing more happens for a while.
    async fn settled(&self) -> Vec<String> {
        sleep(Duration::from_secs(10)).await;
        std::mem::take(&mut *self.0.lock().unwrap())
    }

    /// Handles whatever no other handler did.
    fn rest(&self, client: &Client) {
        let notes = self.clone();
        client.router(
            Router::new().on(messages(), async move |_cx: Cx, message: Msg| {
                notes.note(format!("rest {}", message.text()));
                Ok(())
            }),
        );
    }

    fn outcome<T: std::fmt::Debug>(&self, name: &str, outcome: Result<T>) -> Result<()> {
        self.note(match outcome {
            Ok(value) => format!("{name} {value:?}"),
            Err(Error::Ask(error)) => format!("{name} {error:?}"),
            Err(error) => format!("{name} other error: {error}"),
        });
        Ok(())
    }
}

fn say(datacenter: &LocalDatacenter, who: i64, bot: i64, text: &str) {
    let operator = datacenter.operator();
    operator
        .send_message(who, PeerKey::User(bot), text)
        .unwrap();
}

struct Scene {
    stage: BotStage,
    bob: i64,
    notes: Notes,
}

impl Scene {
    async fn new(seed: u64) -> Self {
        let stage = BotStage::new(seed).await;
        let operator = stage.datacenter.operator();
        let bob = operator.create_user("9996628889", "Bob").unwrap();
        Self {
            stage,
            bob,
            notes: Notes::default(),
        }
    }

    fn client(&self) -> &Client {
        &self.stage.client
    }

    fn ann(&self, text: &str) {
        self.of(self.stage.ann, text);
    }

    fn of(&self, who: i64, text: &str) {
        say(&self.stage.datacenter, who, self.stage.bot.id, text);
    }

    fn got(&self, who: i64) -> Vec<String> {
        crate::support::accounts::received(&self.stage.datacenter, who, self.stage.bot.id)
    }

    async fn expect(&self, noted: &[&str]) {
        assert_eq!(self.notes.settled().await, noted);
    }

    /// `/start` asks this question.
    fn on_start<T: std::fmt::Debug + Send + 'static>(
        &self,
        ask: impl AsyncFn(Cx, Command) -> Result<T> + Send + 'static,
    ) {
        let notes = self.notes.clone();
        self.client()
            .on(command("start"), async move |cx: Cx, start: Command| {
                let outcome = ask(cx, start).await;
                notes.outcome("start", outcome)
            });
        self.notes.rest(self.client());
    }
}

#[test]
fn answers_come_to_who_asked_side_by_side_and_handlers_see_none_of_them() {
    run(async {
        let scene = Scene::new(51).await;
        scene.on_start(async |cx: Cx, start: Command| {
            let name = cx.ask(start.message(), "name?").text().await?;
            let age = cx.ask(start.message(), "age?").await?;
            Ok((name, age.text().to_owned()))
        });
        scene.client().start().await.unwrap();
        scene.ann("/start");
        scene.of(scene.bob, "/start");
        scene.expect(&[]).await;
        scene.of(scene.bob, "Bob");
        scene.ann("Ann");
        scene.expect(&[]).await;
        assert_eq!(scene.got(scene.stage.ann), ["name?", "age?"]);
        assert_eq!(scene.got(scene.bob), ["name?", "age?"]);
        scene.ann("31");
        scene.expect(&[r#"start ("Ann", "31")"#]).await;
        scene.of(scene.bob, "32");
        scene.ann("after it");
        scene
            .expect(&[r#"start ("Bob", "32")"#, "rest after it"])
            .await;
        scene.stage.end().await;
    });
}

#[test]
fn only_what_fits_and_was_said_after_the_question_is_an_answer_and_the_rest_keeps_its_order() {
    run(async {
        let scene = Scene::new(52).await;
        scene.on_start(async |cx: Cx, start: Command| {
            sleep(Duration::from_secs(3)).await;
            let number = extract(|message: &Msg| message.text().parse::<u32>().ok());
            cx.ask(start.message(), "how many?").matching(number).await
        });
        scene.client().start().await.unwrap();
        scene.ann("/start");
        // Both wait behind the handler when it asks.
        scene.ann("1");
        scene.ann("b");
        scene.expect(&[]).await;
        for text in ["c", "2", "3", "d"] {
            scene.ann(text);
        }
        let seen = ["start 2", "rest 1", "rest b", "rest c", "rest 3", "rest d"];
        scene.expect(&seen).await;
        scene.stage.end().await;
    });
}

#[test]
fn an_answer_that_is_faster_than_the_question_is_known_to_be_sent_is_an_answer() {
    run(async {
        let scene = Scene::new(53).await;
        let (ann, notes) = (scene.stage.ann, scene.notes.clone());
        // From the chat of somebody else: her chat's turn is free.
        scene.client().on(
            text("ask ann") & private(),
            async move |cx: Cx, _message: Msg| {
                let answer = cx.ask(PeerId::User(ann), "well?").text().await;
                notes.outcome("asked", answer)
            },
        );
        scene.notes.rest(scene.client());
        scene.client().start().await.unwrap();
        let operator = scene.stage.datacenter.operator();
        operator.delay_answers("messages.sendMessage", Duration::from_secs(5), 1);
        scene.of(scene.bob, "ask ann");
        sleep(Duration::from_secs(2)).await;
        assert_eq!(scene.got(ann), ["well?"]);
        scene.ann("yes");
        scene.ann("no");
        let mut seen = scene.notes.settled().await;
        seen.sort();
        assert_eq!(seen, [r#"asked "yes""#, "rest no"]);
        scene.stage.end().await;
    });
}

#[test]
fn what_was_asked_without_an_answer_ends_in_time_and_a_late_one_goes_to_handlers() {
    run(async {
        let scene = Scene::new(54).await;
        scene.on_start(async |cx: Cx, start: Command| {
            let asked = cx.ask(start.message(), "name?").text();
            asked.timeout(Duration::from_secs(60)).await
        });
        scene.client().start().await.unwrap();
        scene.ann("/start");
        sleep(Duration::from_secs(45)).await;
        scene.expect(&[]).await;
        scene.expect(&["start Timeout { limit: 60s }"]).await;
        scene.ann("too late");
        scene.expect(&["rest too late"]).await;
        scene.stage.end().await;
    });
}

#[test]
fn commands_that_cancel_end_the_conversation_and_are_handled() {
    run(async {
        let scene = Scene::new(55).await;
        scene.on_start(async |cx: Cx, start: Command| {
            let ask = cx.ask(start.message(), "name?").text();
            match start.args() {
                "any" => ask.cancelled_by(any_command().only_check()).await,
                "none" => ask.not_cancelled().await,
                _ => ask.await,
            }
        });
        scene.client().start().await.unwrap();
        scene.ann("/start");
        scene.expect(&[]).await;
        // The name is not known to be the bot's own before somebody uses it.
        scene.ann("/cancel@daily_bot");
        scene
            .expect(&["start Cancelled", "rest /cancel@daily_bot"])
            .await;
        scene.ann("/start");
        scene.expect(&[]).await;
        scene.ann("/cancel");
        scene.expect(&["start Cancelled", "rest /cancel"]).await;
        scene.ann("/start");
        scene.expect(&[]).await;
        scene.ann("/help");
        scene.expect(&[r#"start "/help""#]).await;
        scene.ann("/start any");
        scene.expect(&[]).await;
        scene.ann("/help");
        scene.expect(&["start Cancelled", "rest /help"]).await;
        scene.ann("/start none");
        scene.expect(&[]).await;
        scene.ann("/cancel");
        scene.expect(&[r#"start "/cancel""#]).await;
        scene.stage.end().await;
    });
}

#[test]
fn in_a_group_the_person_who_began_is_asked_unless_another_is_named() {
    run(async {
        let scene = Scene::new(56).await;
        let (ann, bob) = (scene.stage.ann, scene.bob);
        scene.on_start(async move |cx: Cx, start: Command| {
            let ask = cx.ask(start.message(), "well?").text();
            match start.args() {
                "bob" => ask.from(PeerId::User(bob)).await,
                "all" => ask.from_anybody().await,
                _ => ask.await,
            }
        });
        scene.client().start().await.unwrap();
        let operator = scene.stage.datacenter.operator();
        let group = operator
            .create_chat(ann, &[scene.stage.bot.id, bob], "A group")
            .unwrap();
        let write = |who, text: &str| {
            operator
                .send_message(who, PeerKey::Chat(group), text)
                .unwrap();
        };
        write(ann, "/start");
        scene.expect(&[]).await;
        write(bob, "not mine");
        scene.ann("nor this, elsewhere");
        scene.expect(&["rest nor this, elsewhere"]).await;
        write(ann, "mine");
        scene.expect(&[r#"start "mine""#, "rest not mine"]).await;
        write(ann, "/start bob");
        scene.expect(&[]).await;
        write(ann, "a");
        write(bob, "b");
        scene.expect(&[r#"start "b""#, "rest a"]).await;
        write(ann, "/start all");
        scene.expect(&[]).await;
        write(bob, "c");
        scene.expect(&[r#"start "c""#]).await;
        scene.stage.end().await;
    });
}

#[test]
fn an_answer_to_somebody_who_gave_up_waiting_goes_to_handlers() {
    run(async {
        let scene = Scene::new(57).await;
        scene.on_start(async |cx: Cx, start: Command| {
            tokio::select! {
                biased;
                () = sleep(Duration::from_secs(20)) => Ok(None),
                answer = cx.ask(start.message(), "name?").text() => answer.map(Some),
            }
        });
        scene.client().start().await.unwrap();
        scene.ann("/start");
        scene.expect(&[]).await;
        sleep(Duration::from_secs(1)).await;
        scene.expect(&["start None"]).await;
        scene.ann("here");
        scene.expect(&["rest here"]).await;
        scene.stage.end().await;
    });
}

#[test]
fn without_a_question_what_waits_already_may_be_the_answer_and_buttons_are_answers() {
    run(async {
        let scene = Scene::new(58).await;
        scene.on_start(async |cx: Cx, start: Command| {
            sleep(Duration::from_secs(3)).await;
            let what = text::<Msg>("b");
            let heard = cx.listen(start.message()).matching(what).await?;
            let press = cx.ask(start.message(), "press");
            let press = press.matching(callback_queries()).await?;
            press.answer("thanks").await?;
            Ok((heard.text().to_owned(), press.text().map(str::to_owned)))
        });
        scene.client().start().await.unwrap();
        let (ann, bot) = (scene.stage.ann, PeerKey::User(scene.stage.bot.id));
        let offered = offer(&scene).await;
        scene.ann("/start");
        scene.ann("a");
        scene.ann("b");
        scene.expect(&[]).await;
        assert_eq!(scene.got(ann), ["old", "press"]);
        let operator = scene.stage.datacenter.operator();
        // A button of an older message is no answer to this question.
        operator.press_button(ann, bot, offered, b"old").unwrap();
        scene.expect(&[]).await;
        let offered = offer(&scene).await;
        operator.press_button(ann, bot, offered, b"new").unwrap();
        scene
            .expect(&[r#"start ("b", Some("new"))"#, "rest a"])
            .await;
        scene.stage.end().await;
    });
}

/// The number, on Ann's side, of a message with buttons.
async fn offer(scene: &Scene) -> i32 {
    use actogram::tl::{functions, types};
    let api = scene.client().api();
    let button = |data: &'static [u8]| {
        let callback = types::InlineButtonTypeCallback::new(data.into());
        types::KeyboardInlineButton::new("Press".to_owned(), callback.into()).into()
    };
    let row = types::KeyboardInlineButtonRow {
        buttons: vec![button(b"old"), button(b"new")],
    };
    let peer = api.resolve(PeerId::User(scene.stage.ann)).await.unwrap();
    let id = scene.got(scene.stage.ann).len();
    let text = if id == 0 { "old" } else { "new" }.to_owned();
    let mut offer = functions::messages::SendMessage::new(peer, text, 71 + id as i64);
    offer.reply_markup = Some(types::ReplyInlineMarkup::new(vec![row.into()]).into());
    api.invoke(offer).await.unwrap();
    let operator = scene.stage.datacenter.operator();
    let bot = PeerKey::User(scene.stage.bot.id);
    operator.history(scene.stage.ann, bot).pop().unwrap().id
}

#[test]
fn a_conversation_ends_with_its_client_and_begins_anew_with_the_next() {
    run(async {
        let (stage, client) = Stage::new(59).await;
        let notes = Notes::default();
        let asking = |client: &Client, notes: &Notes| {
            let told = notes.clone();
            client.on(command("start"), async move |cx: Cx, start: Command| {
                let answer = cx.ask(start.message(), "name?").text().await;
                told.outcome("start", answer)
            });
            notes.rest(client);
        };
        asking(&client, &notes);
        client.start().await.unwrap();
        stage.say("/start");
        stage.say("waits");
        assert!(notes.settled().await.is_empty());
        let report = client.shutdown(Duration::from_secs(5)).await;
        assert_eq!(report.updates_unhandled, 2);
        drop(std::mem::take(&mut *notes.0.lock().unwrap()));

        let notes = Notes::default();
        let client = stage.another_client(1).await;
        asking(&client, &notes);
        client.start().await.unwrap();
        assert!(notes.settled().await.is_empty());
        assert_eq!(stage.answers(), ["name?", "name?"]);
        stage.say("Ann");
        assert_eq!(notes.settled().await, [r#"start "Ann""#, "rest waits"]);
        client.shutdown(crate::support::HANG).await;
        stage.datacenter.shutdown().await;
    });
}

/// With real time: the order is the builder's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_pass_by_whoever_waits_whatever_the_order() {
    let datacenter = crate::support::datacenter().await;
    let operator = datacenter.operator();
    let ann = operator.create_user("9996628890", "Ann").unwrap();
    let bob = operator.create_user("9996628891", "Bob").unwrap();
    let orders = [Order::Sequential, Order::Unordered(1), Order::PerChat];
    for (number, order) in orders.into_iter().enumerate() {
        let bot = operator
            .create_bot(&format!("order{number}_bot"), "Bot")
            .unwrap();
        let builder = crate::support::builder(&datacenter, &format!("bot {number}"));
        let client = builder.order(order).bot_token(bot.token.as_str());
        let client = client.connect().await.unwrap();
        let notes = Notes::default();
        let told = notes.clone();
        client.on(command("start"), async move |cx: Cx, start: Command| {
            let answer = cx.ask(start.message(), "name?").text().await;
            told.outcome("start", answer)
        });
        notes.rest(&client);
        client.start().await.unwrap();
        let noted = || notes.0.lock().unwrap().clone();
        let asked = |who| crate::support::accounts::received(&datacenter, who, bot.id) == ["name?"];
        say(&datacenter, ann, bot.id, "/start");
        until("she is asked", || asked(ann)).await;
        say(&datacenter, bob, bot.id, "of bob");
        say(&datacenter, ann, bot.id, "Ann");
        until("both are handled", || noted().len() == 2).await;
        let mut seen = noted();
        seen.sort();
        assert_eq!(seen, ["rest of bob", r#"start "Ann""#], "{order:?}");
        client.shutdown(crate::support::HANG).await;
    }
    datacenter.shutdown().await;
}

#[test]
fn an_error_of_a_conversation_can_be_told_apart() {
    let error = Error::from(AskError::Timeout {
        limit: Duration::from_secs(5),
    });
    assert_eq!(error.to_string(), "no answer came within 5s");
    assert!(matches!(error, Error::Ask(AskError::Timeout { .. })));
}

/// One more than there may be is told so at once; those that wait are not disturbed, and their places come back.
#[test]
fn one_conversation_too_many_is_refused_and_those_that_end_make_room() {
    const MOST: usize = 10_000;
    run(async {
        let scene = Scene::new(71).await;
        scene.on_start(async |cx: Cx, start: Command| {
            let mut waits = tokio::task::JoinSet::new();
            for _ in 0..=MOST {
                let wait = cx.listen(start.message()).timeout(Duration::from_secs(100));
                waits.spawn_local(wait.into_future());
            }
            let mut ends = Vec::new();
            while let Some(end) = waits.join_next().await {
                match end.unwrap() {
                    Err(Error::Ask(error)) => ends.push(error),
                    other => panic!("{other:?}"),
                }
            }
            assert_eq!(ends[0], AskError::TooMany { most: MOST });
            let late = |end: &AskError| matches!(end, AskError::Timeout { .. });
            assert_eq!(ends[1..].iter().filter(|end| late(end)).count(), MOST);
            cx.ask(start.message(), "again?").text().await
        });
        scene.client().start().await.unwrap();
        scene.ann("/start");
        sleep(Duration::from_secs(150)).await;
        assert_eq!(scene.got(scene.stage.ann), ["again?"]);
        scene.ann("yes");
        scene.expect(&["start \"yes\""]).await;
        scene.stage.end().await;
    });
}

/// A shutdown ends those that wait, and those that begin to wait after it.
#[test]
fn a_shutdown_tells_who_waits_that_no_answer_will_come() {
    run(async {
        let scene = Scene::new(72).await;
        let (notes, notes_later) = (scene.notes.clone(), scene.notes.clone());
        scene
            .client()
            .on(command("start"), async move |cx: Cx, start: Command| {
                let waiting = cx.ask(start.message(), "name?").timeout(MONTH).await;
                notes.outcome("waiting", waiting.map(drop))?;
                let later = cx.listen(start.message()).timeout(MONTH).await;
                notes.outcome("later", later.map(drop))
            });
        scene.client().start().await.unwrap();
        scene.ann("/start");
        sleep(Duration::from_secs(5)).await;
        let begun = tokio::time::Instant::now();
        scene.stage.end().await;
        assert_eq!(
            notes_later.settled().await,
            ["waiting Ended", "later Ended"]
        );
        assert!(begun.elapsed() < MONTH / 2);
    });
}

const MONTH: Duration = Duration::from_secs(30 * 86_400);

/// Counts how often it was started, and what it sees.
struct Late(Arc<Mutex<Vec<String>>>);

impl EventHandler for Late {
    async fn on_start(&self, _cx: Cx) -> Result<()> {
        self.0.lock().unwrap().push("started".to_owned());
        Ok(())
    }

    async fn on_message(&self, _cx: Cx, message: Msg) -> Result<()> {
        self.0.lock().unwrap().push(message.text().to_owned());
        Ok(())
    }
}

/// A conversation may last for hours: handlers that are added meanwhile start at once, and other chats go on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_that_is_added_does_not_wait_for_conversations() {
    let room = crate::support::room::Room::new(2310).await;
    room.bot.on(
        incoming() & command("talk"),
        async |cx: Cx, command: Command| {
            let asked = cx.ask(command.message().chat(), "and?");
            let answer = asked.timeout(Duration::from_secs(3600)).await?;
            answer.reply("so that is it").await.map(drop)
        },
    );
    let (ann, bob, bot) = (room.ann.api(), room.bob.api(), PeerId::User(room.bot_id));
    ann.send_message(bot, "/talk").await.unwrap();
    let ann_inbox = room.ann_inbox;
    assert_eq!(ann_inbox.next().await.text(), "and?");
    let seen = Arc::<Mutex<Vec<String>>>::default();
    room.bot.event_handler(Late(seen.clone()));
    until("it is started", || !seen.lock().unwrap().is_empty()).await;
    bob.send_message(bot, "meanwhile").await.unwrap();
    until("the other chat goes on", || seen.lock().unwrap().len() == 2).await;
    assert_eq!(*seen.lock().unwrap(), ["started", "meanwhile"]);
    ann.send_message(bot, "the end").await.unwrap();
    assert_eq!(ann_inbox.next().await.text(), "so that is it");
    room.bot.shutdown(crate::support::HANG).await;
}

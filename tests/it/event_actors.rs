//! Event handlers as actors: messages of one's own, restarts on the same address, and what becomes of updates meanwhile. Under
//! virtual time.
#![allow(clippy::unwrap_used)]

use std::{
    cell::Cell,
    sync::{Arc, Mutex},
    time::Duration,
};

use crate::support::{bot_stage::BotStage, virtual_time::run};
use actix::{Handler, Message};
use actogram::{prelude::*, runtime::ChildState};
use actogram_local_datacenter::model::PeerKey;
use tokio::time::sleep;

#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<String>>>);

impl Notes {
    fn note(&self, what: impl Into<String>) {
        self.0.lock().unwrap().push(what.into());
    }

    /// What was noted, once nothing more happens.
    async fn settled(&self) -> Vec<String> {
        sleep(Duration::from_secs(60)).await;
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

/// Notes what it is given; each message takes it five seconds.
#[derive(Default)]
struct Slow {
    notes: Notes,
    handled: Cell<u32>,
    start_fails: bool,
}

impl Slow {
    fn new(notes: &Notes) -> Self {
        Self {
            notes: notes.clone(),
            ..Self::default()
        }
    }
}

impl EventHandler for Slow {
    async fn on_start(&self, _cx: Cx) -> Result<()> {
        self.notes.note("start");
        match self.start_fails {
            true => Err(Error::user("no start")),
            false => Ok(()),
        }
    }

    async fn on_message(&self, _cx: Cx, message: Msg) -> Result<()> {
        self.notes.note(format!("begin {}", message.text()));
        sleep(Duration::from_secs(5)).await;
        self.handled.set(self.handled.get() + 1);
        self.notes.note(format!("end {}", message.text()));
        Ok(())
    }

    async fn on_error(&self, _cx: Cx, update: Option<&Update>, error: &Error) {
        self.notes
            .note(format!("error {error}, update {}", update.is_some()));
    }
}

#[derive(Message)]
#[rtype(result = "u32")]
enum Told {
    Count,
    Fail,
}

impl Handler<Told> for EventActor<Slow> {
    type Result = u32;

    fn handle(&mut self, told: Told, _: &mut Self::Context) -> u32 {
        match told {
            Told::Count => self.handler().handled.get(),
            Told::Fail => panic!("as asked"),
        }
    }
}

fn say(stage: &BotStage, text: &str) {
    let (operator, bot) = (stage.datacenter.operator(), PeerKey::User(stage.bot.id));
    operator.send_message(stage.ann, bot, text).unwrap();
}

#[test]
fn messages_of_ones_own_reach_the_handler_beside_updates() {
    run(async {
        let stage = BotStage::new(801).await;
        let notes = Notes::default();
        let bot = stage.client.event_handler(Slow::new(&notes));
        stage.client.start().await.unwrap();
        say(&stage, "a");
        assert_eq!(notes.settled().await, ["start", "begin a", "end a"]);
        say(&stage, "b");
        sleep(Duration::from_secs(2)).await;
        // While `b` is handled.
        assert_eq!(bot.addr().send(Told::Count).await.unwrap(), 1);
        assert_eq!(notes.settled().await, ["begin b", "end b"]);
        let handled = bot
            .run(async |bot: &Slow, cx: Cx| {
                cx.get_me().await?;
                Ok(bot.handled.get())
            })
            .await;
        assert_eq!(handled.unwrap(), 2);
        let panicked = bot
            .run(async |_: &Slow, _: Cx| -> Result<()> { panic!("within") })
            .await;
        assert!(matches!(panicked, Err(Error::Panicked(text)) if text == "within"));
        assert_eq!(bot.actor().restarts(), 0);
        let snapshot = stage.client.snapshot();
        assert!(snapshot.tree.root.find("Slow").is_some());
        stage.end().await;
    });
}

#[test]
fn a_panic_in_a_message_of_ones_own_costs_that_message_alone() {
    run(async {
        let stage = BotStage::new(802).await;
        let notes = Notes::default();
        let bot = stage.client.event_handler(Slow::new(&notes));
        stage.client.start().await.unwrap();
        notes.settled().await;
        say(&stage, "a");
        sleep(Duration::from_secs(2)).await;
        assert!(bot.addr().send(Told::Fail).await.is_err());
        say(&stage, "b");
        // What was under way went on, what came meanwhile was kept, the value is the same, and it was not started twice.
        assert_eq!(
            notes.settled().await,
            ["begin a", "end a", "begin b", "end b"]
        );
        assert_eq!(bot.addr().send(Told::Count).await.unwrap(), 2);
        assert_eq!(bot.actor().restarts(), 1);
        stage.end().await;
    });
}

#[test]
fn a_fresh_value_is_started_before_anything_else_reaches_it() {
    run(async {
        let stage = BotStage::new(803).await;
        let (notes, given) = (Notes::default(), Notes::default());
        let mut lives = 0;
        let made = given.clone();
        let bot = stage.client.event_handler_with(move || {
            lives += 1;
            Slow {
                start_fails: lives == 2,
                ..Slow::new(&made)
            }
        });
        stage.client.start().await.unwrap();
        say(&stage, "a");
        assert_eq!(given.settled().await, ["start", "begin a", "end a"]);
        assert!(bot.addr().send(Told::Fail).await.is_err());
        assert_eq!(bot.addr().send(Told::Count).await.unwrap(), 0);
        // A start that fails is told to the handler, as the first one's is.
        let noted = given.settled().await;
        assert_eq!(noted.len(), 2, "{noted:?}");
        assert_eq!(noted[0], "start");
        assert!(noted[1].contains("no start") && noted[1].ends_with("update false"));
        say(&stage, "b");
        assert_eq!(given.settled().await, ["begin b", "end b"]);
        assert!(notes.settled().await.is_empty());
        stage.end().await;
    });
}

#[test]
fn one_that_fails_too_often_ends_the_run_and_its_updates_stay_unhandled() {
    run(async {
        let BotStage {
            datacenter,
            bot,
            ann,
            client,
        } = BotStage::new(804).await;
        let notes = Notes::default();
        let handler = client.event_handler(Slow::new(&notes));
        let failing = handler.clone();
        let operator = datacenter.operator();
        let work = async move {
            while failing.actor().state() != ChildState::Finished {
                let _ = failing.addr().send(Told::Fail).await;
            }
            operator
                .send_message(ann, PeerKey::User(bot.id), "unhandled")
                .unwrap();
            std::future::pending::<Result<()>>().await
        };
        let ended = client.run_until(work).await.unwrap_err().to_string();
        assert!(
            ended.contains("Slow") && ended.contains("as asked"),
            "{ended}"
        );
        let refused = handler.run(async |_: &Slow, _: Cx| Ok(())).await;
        assert!(matches!(refused, Err(Error::Engine(text)) if text.contains("has ended")));
        assert_eq!(notes.settled().await, ["start"]);
        datacenter.shutdown().await;
    });
}

#[test]
fn one_that_failed_too_often_holds_its_updates_until_it_is_removed() {
    run(async {
        let stage = BotStage::new(805).await;
        let (notes, others) = (Notes::default(), Notes::default());
        let bot = stage.client.event_handler(Slow::new(&notes));
        let noted = others.clone();
        stage.client.on_message(async move |_cx: Cx, message: Msg| {
            noted.note(message.text());
            Ok(())
        });
        stage.client.start().await.unwrap();
        notes.settled().await;
        while bot.actor().state() != ChildState::Finished {
            let _ = bot.addr().send(Told::Fail).await;
        }
        say(&stage, "a");
        say(&stage, "b");
        // The closure is asked first, and then the chat waits.
        assert_eq!(others.settled().await, ["a"]);
        bot.remove();
        assert_eq!(others.settled().await, ["b"]);
        stage.end().await;
    });
}

#[test]
fn to_remove_a_handler_ends_its_actor_once_it_is_through() {
    run(async {
        let stage = BotStage::new(806).await;
        let notes = Notes::default();
        let bot = stage.client.event_handler(Slow::new(&notes));
        stage.client.start().await.unwrap();
        notes.settled().await;
        say(&stage, "a");
        sleep(Duration::from_secs(2)).await;
        bot.remove();
        say(&stage, "b");
        assert_eq!(notes.settled().await, ["begin a", "end a"]);
        assert_eq!(bot.actor().state(), ChildState::Finished);
        assert!(stage.client.snapshot().tree.root.find("Slow").is_none());
        stage.end().await;
    });
}

#[test]
fn one_that_was_stopped_by_hand_handles_nothing_and_stalls_nobody() {
    run(async {
        let stage = BotStage::new(807).await;
        let (notes, others) = (Notes::default(), Notes::default());
        let bot = stage.client.event_handler(Slow::new(&notes));
        let noted = others.clone();
        stage.client.on_message(async move |_cx: Cx, message: Msg| {
            noted.note(message.text());
            Ok(())
        });
        stage.client.start().await.unwrap();
        assert_eq!(notes.settled().await, ["start"]);
        bot.actor().stop();
        say(&stage, "a");
        assert_eq!(others.settled().await, ["a"]);
        assert!(notes.settled().await.is_empty());
        stage.end().await;
    });
}

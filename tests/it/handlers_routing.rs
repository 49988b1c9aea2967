//! Who sees an update, in which order, and who may keep it from others. Under virtual time.
#![allow(clippy::unwrap_used)]

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use crate::support::{bot_stage::BotStage, until, virtual_time::run};
use actogram::{HandlerHandle, PeerId, filters::*, prelude::*};
use actogram_local_datacenter::model::PeerKey;
use tokio::time::sleep;

/// What was noted, in order.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<String>>>);

impl Notes {
    fn note(&self, what: impl Into<String>) {
        self.0.lock().unwrap().push(what.into());
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }

    /// A handler that notes this and says that.
    fn says(
        &self,
        name: &'static str,
        says: Propagation,
    ) -> impl AsyncFn(Cx, Msg) -> Result<Propagation> + Send + 'static {
        let notes = self.clone();
        async move |_cx: Cx, _message: Msg| {
            notes.note(name);
            Ok(says)
        }
    }
}

struct Scene {
    stage: BotStage,
    notes: Notes,
}

impl Scene {
    async fn new(seed: u64) -> Self {
        Self {
            stage: BotStage::new(seed).await,
            notes: Notes::default(),
        }
    }

    fn client(&self) -> &Client {
        &self.stage.client
    }

    fn say(&self, text: &str) {
        let operator = self.stage.datacenter.operator();
        let bot = PeerKey::User(self.stage.bot.id);
        operator.send_message(self.stage.ann, bot, text).unwrap();
    }

    /// What is noted of a message, once nothing more happens.
    async fn of(&self, text: &str) -> Vec<String> {
        self.say(text);
        sleep(Duration::from_secs(5)).await;
        self.notes.take()
    }

    async fn end(self) {
        self.stage.end().await;
    }
}

#[test]
fn the_first_that_fits_handles_it_unless_it_says_otherwise() {
    use Propagation::{Continue, Handled, Stop};
    run(async {
        let scene = Scene::new(11).await;
        let (client, notes) = (scene.client(), &scene.notes);
        let router = |group| Router::new().group(group);
        // Registered in another order than they have their turn in.
        client.router(router(5).on(messages(), notes.says("last", Handled)));
        client.on(text("go on"), notes.says("continues", Continue));
        client.on(text("stop"), notes.says("stops", Stop));
        client.on(starts_with("x"), notes.says("x", Handled));
        client.on(starts_with("xx"), notes.says("xx", Handled));
        client.on(messages(), notes.says("any", Handled));
        client.router(
            router(-1)
                .on(text("first stops"), notes.says("first stops", Stop))
                .on(messages(), notes.says("first", Continue)),
        );
        let all = notes.clone();
        client.on_message(async move |_cx: Cx, _message: Msg| {
            all.note("sees all");
            Ok(())
        });
        client.start().await.unwrap();
        let expected = [
            ("else", vec!["first", "any", "sees all", "last"]),
            ("xx", vec!["first", "x", "sees all", "last"]),
            (
                "go on",
                vec!["first", "continues", "any", "sees all", "last"],
            ),
            ("stop", vec!["first", "stops", "sees all"]),
            ("first stops", vec!["first stops", "sees all"]),
        ];
        for (text, seen) in expected {
            assert_eq!(scene.of(text).await, seen, "{text}");
        }
        scene.end().await;
    });
}

#[test]
fn handlers_come_and_go_while_updates_come() {
    run(async {
        let scene = Scene::new(12).await;
        let (client, notes) = (scene.client(), &scene.notes);
        client.start().await.unwrap();
        assert!(scene.of("to nobody").await.is_empty());
        let first = client.on(messages(), notes.says("first", Propagation::Continue));
        let router = Router::new()
            .on(messages(), notes.says("of a router", Propagation::Continue))
            .group(1)
            .on(
                messages(),
                notes.says("of its group 1", Propagation::Continue),
            );
        let router = client.router(router);
        assert_eq!(
            scene.of("to all").await,
            ["first", "of a router", "of its group 1"]
        );
        router.remove();
        assert_eq!(scene.of("to the first").await, ["first"]);
        router.remove();
        first.remove();
        assert!(scene.of("to nobody").await.is_empty());

        // One that takes itself away is through with what it is at, and so is one that another takes away.
        let own: Arc<Mutex<Option<HandlerHandle>>> = Arc::default();
        let (handle, once) = (own.clone(), notes.clone());
        let handler = client.on(messages(), async move |_cx: Cx, message: Msg| {
            handle.lock().unwrap().as_ref().unwrap().remove();
            sleep(Duration::from_secs(1)).await;
            once.note(format!("once {}", message.text()));
            Ok(())
        });
        *own.lock().unwrap() = Some(handler);
        // The second waits behind the first, and by its turn the handler is gone.
        scene.say("one");
        assert_eq!(scene.of("two").await, ["once one"]);

        // One that is taken away by another does not see the update that both would have seen.
        let victim: Arc<Mutex<Option<HandlerHandle>>> = Arc::default();
        let handle = victim.clone();
        client.on(text("remove"), async move |_cx: Cx, _message: Msg| {
            handle.lock().unwrap().as_ref().unwrap().remove();
            // Until that has arrived.
            sleep(Duration::from_secs(1)).await;
            Ok(Propagation::Continue)
        });
        let removed = client.on(messages(), notes.says("removed", Propagation::Handled));
        *victim.lock().unwrap() = Some(removed);
        assert_eq!(scene.of("here").await, ["removed"]);
        assert!(scene.of("remove").await.is_empty());
        scene.end().await;
    });
}

struct Starts(Notes);

impl EventHandler for Starts {
    async fn on_start(&self, _cx: Cx) -> Result<()> {
        sleep(Duration::from_secs(2)).await;
        self.0.note("started");
        Ok(())
    }

    async fn on_message(&self, _cx: Cx, message: Msg) -> Result<()> {
        self.0.note(message.text());
        Ok(())
    }
}

#[test]
fn one_that_is_removed_while_it_starts_sees_nothing() {
    run(async {
        let scene = Scene::new(13).await;
        scene.client().start().await.unwrap();
        let stays = scene.client().event_handler(Starts(scene.notes.clone()));
        assert_eq!(scene.of("one").await, ["started", "one"]);
        stays.remove();
        let goes = scene.client().event_handler(Starts(scene.notes.clone()));
        sleep(Duration::from_secs(1)).await;
        goes.remove();
        assert_eq!(scene.of("two").await, ["started"]);
        scene.end().await;
    });
}

#[test]
fn routers_keep_what_they_show_and_are_wrapped_in_to_themselves() {
    run(async {
        let scene = Scene::new(14).await;
        let (client, notes) = (scene.client(), &scene.notes);
        let wrap = |name: &'static str| {
            let notes = notes.clone();
            async move |cx: Cx, update: Update, next: Next| {
                notes.note(format!("{name} begins"));
                let outcome = next.run(cx, update).await;
                notes.note(format!(
                    "{name} {}",
                    if outcome.is_ok() { "ends" } else { "fails" }
                ));
                outcome
            }
        };
        let fails = async |_cx: Cx, _message: Msg| -> Result<()> { Err(Error::user("as asked")) };
        let inner = Router::new()
            .only(contains::<Msg>("b"))
            .wrap(wrap("inner"))
            .on(text("abc"), notes.says("abc", Propagation::Handled))
            .on(text("b"), notes.says("never", Propagation::Handled))
            .on(text("abf"), fails);
        let outer = Router::new()
            .only(starts_with::<Msg>("a"))
            .wrap(wrap("outer"))
            .wrap(wrap("second"))
            .router(inner)
            .on(messages(), notes.says("outer any", Propagation::Handled))
            .on(callback_queries(), async |_cx: Cx, query: CallbackQuery| {
                query.answer("").await
            });
        client.router(outer);
        client.on(messages(), notes.says("outside", Propagation::Handled));
        let failed = notes.clone();
        client.on_error(async move |_cx: Cx, failure: actogram::Failure| {
            failed.note(format!("error: {}", failure.error()));
        });
        client.start().await.unwrap();
        assert_eq!(scene.of("b").await, ["outside"]);
        let around = |inside: &[&str]| -> Vec<String> {
            let begin = ["outer begins", "second begins"];
            let end = ["second ends", "outer ends"];
            let all = begin.iter().chain(inside).chain(&end);
            all.map(|line| (*line).to_owned()).collect()
        };
        assert_eq!(scene.of("a").await, around(&["outer any"]));
        assert_eq!(
            scene.of("abc").await,
            around(&["inner begins", "abc", "inner ends"])
        );
        let failing = [
            "outer begins",
            "second begins",
            "inner begins",
            "inner fails",
            "second fails",
            "outer fails",
            "error: as asked",
        ];
        assert_eq!(scene.of("abf").await, failing);
        scene.end().await;
    });
}

#[test]
fn what_is_around_the_client_sees_every_update_and_may_keep_or_change_it() {
    run(async {
        let scene = Scene::new(15).await;
        let (client, notes) = (scene.client(), &scene.notes);
        let log = notes.clone();
        client.wrap(async move |cx: Cx, update: Update, next: Next| {
            let Some(message) = update.message() else {
                return next.run(cx, update).await;
            };
            log.note(format!("in {}", message.text()));
            let outcome = next.run(cx, update).await?;
            log.note(format!("out {outcome:?}"));
            Ok(outcome)
        });
        let kept: Arc<Mutex<Option<Update>>> = Arc::default();
        client.wrap(async move |cx: Cx, update: Update, next: Next| {
            let text = update.message().map(|message| message.text().to_owned());
            let before = kept.lock().unwrap().replace(update.clone());
            match text.as_deref() {
                Some("banned") => Ok(Propagation::Stop),
                Some("panic") => panic!("as asked"),
                Some("the one before") => next.run(cx, before.unwrap()).await,
                _ => next.run(cx, update).await,
            }
        });
        let echo = notes.clone();
        client.on(!text("other"), async move |_cx: Cx, message: Msg| {
            echo.note(format!("handled {}", message.text()));
            Ok(())
        });
        let failed = notes.clone();
        client.on_error(async move |_cx: Cx, failure: actogram::Failure| {
            let update = failure.update().and_then(Update::message);
            failed.note(format!("{} at {}", failure.error(), update.unwrap().text()));
        });
        client.start().await.unwrap();
        assert_eq!(scene.of("hi").await, ["in hi", "handled hi", "out Handled"]);
        assert_eq!(scene.of("other").await, ["in other", "out Continue"]);
        assert_eq!(scene.of("banned").await, ["in banned", "out Stop"]);
        assert_eq!(
            scene.of("the one before").await,
            ["in the one before", "handled banned", "out Handled"]
        );
        // A panic of a middleware goes through those around it, and costs this update alone.
        assert_eq!(
            scene.of("panic").await,
            ["in panic", "a handler panicked: as asked at panic"]
        );
        assert_eq!(scene.of("hi").await, ["in hi", "handled hi", "out Handled"]);
        scene.end().await;
    });
}

#[test]
fn s27_errors_and_panics_cost_one_update_and_are_told_with_it() {
    run(async {
        let scene = Scene::new(16).await;
        let client = scene.client();
        let notes = scene.notes.clone();
        client.on_error(async move |_cx: Cx, failure: actogram::Failure| {
            let update = failure.update().and_then(Update::message);
            notes.note(format!("{} at {}", failure.error(), update.unwrap().text()));
            assert!(!failure.error().to_string().contains("worse"), "even here");
        });
        let bad = filter(|message: &Msg| {
            assert!(message.text() != "bad filter", "in a filter");
            false
        });
        client.on(bad, async |_cx: Cx, _message: Msg| Ok(()));
        client.on(
            text("error"),
            async |_cx: Cx, _message: Msg| -> Result<()> { Err(Error::user("a failure")) },
        );
        client.on(
            starts_with("panic"),
            async |_cx: Cx, message: Msg| -> Result<()> {
                sleep(Duration::from_millis(1)).await;
                panic!("{}", message.text());
            },
        );
        let notes = scene.notes.clone();
        client.on(messages(), async move |_cx: Cx, message: Msg| {
            notes.note(message.text());
            Ok(())
        });
        client.start().await.unwrap();
        for (text, seen) in [
            ("fine", "fine"),
            ("error", "a failure at error"),
            ("panic", "a handler panicked: panic at panic"),
            (
                "panic worse",
                "a handler panicked: panic worse at panic worse",
            ),
            (
                "bad filter",
                "a handler panicked: in a filter at bad filter",
            ),
            ("fine", "fine"),
        ] {
            assert_eq!(
                scene.of(text).await,
                [seen],
                "one that fails has handled it"
            );
        }
        scene.end().await;
    });
}

#[test]
fn s27_failures_are_reported_to_the_admins_but_not_again_and_again() {
    run(async {
        let scene = Scene::new(17).await;
        let client = scene.client();
        client.report_errors_to(PeerId::User(scene.stage.ann));
        client.on(
            starts_with("fail"),
            async |_cx: Cx, message: Msg| -> Result<()> {
                Err(Error::user(format!("cannot {}", message.text())))
            },
        );
        client.on_error(async |_cx: Cx, _failure: actogram::Failure| {});
        client.start().await.unwrap();
        let (ann, bot) = (scene.stage.ann, scene.stage.bot.id);
        let operator = scene.stage.datacenter.operator();
        let reports = || crate::support::accounts::received(&scene.stage.datacenter, ann, bot);
        let wait_for = async |count: usize| {
            until("the report comes", || reports().len() >= count).await;
            let all = reports();
            assert_eq!(all.len(), count, "{all:#?}");
            all.last().unwrap().clone()
        };
        scene.say("fail one");
        let first = wait_for(1).await;
        let number = operator
            .history(bot, PeerKey::User(ann))
            .iter()
            .rev()
            .find_map(|message| (message.text == "fail one").then_some(message.id));
        assert_eq!(
            first,
            format!(
                "A handler failed: cannot fail one\nAt updateNewMessage, message {}, chat {ann}",
                number.unwrap()
            )
        );
        for _ in 0..3 {
            scene.say("fail one");
        }
        sleep(Duration::from_secs(5)).await;
        scene.say("fail two");
        let second = wait_for(2).await;
        assert!(second.contains("cannot fail two"), "{second}");
        assert!(
            second.contains("3 failures before it were not reported"),
            "{second}"
        );
        // So many different ones, and then no more for a while.
        for number in 0..20 {
            scene.say(&format!("fail {number}"));
        }
        sleep(Duration::from_secs(5)).await;
        assert_eq!(reports().len(), 10);
        sleep(Duration::from_secs(60)).await;
        scene.say("fail one");
        let last = wait_for(11).await;
        assert!(
            last.contains("cannot fail one") && last.contains("12 failures"),
            "{last}"
        );
        scene.end().await;
    });
}

struct Broken;

impl EventHandler for Broken {
    async fn on_start(&self, _cx: Cx) -> Result<()> {
        panic!("no start");
    }

    async fn on_message(&self, _cx: Cx, message: Msg) -> Result<()> {
        Err(Error::user(format!("cannot handle {}", message.text())))
    }
}

#[test]
fn s27_failures_of_event_handlers_are_reported_as_well() {
    run(async {
        let scene = Scene::new(18).await;
        let client = scene.client();
        client.report_errors_to(PeerId::User(scene.stage.ann));
        client.event_handler(Broken);
        client.start().await.unwrap();
        scene.say("it");
        let (ann, bot) = (scene.stage.ann, scene.stage.bot.id);
        let reports = || crate::support::accounts::received(&scene.stage.datacenter, ann, bot);
        until("both are reported", || reports().len() == 2).await;
        // They go out side by side.
        let mut reports = reports();
        reports.sort_by_key(|report| !report.contains("on_start"));
        assert_eq!(
            reports[0],
            "A handler failed: a handler panicked: no start\nIn on_start"
        );
        assert!(
            reports[1].starts_with("A handler failed: cannot handle it\nAt updateNewMessage"),
            "{}",
            reports[1]
        );
        scene.end().await;
    });
}

/// Waits in its start until it is let go.
struct Slow(std::sync::Arc<tokio::sync::Semaphore>);

impl EventHandler for Slow {
    async fn on_start(&self, _cx: Cx) -> Result<()> {
        let _ = self.0.acquire().await;
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_handlers_there_are_can_be_listed_and_taken_away_by_the_list() {
    use actogram::HandlerKind as K;
    let datacenter = crate::support::datacenter().await;
    let (bot, _) = crate::support::bot(&datacenter, "listed_bot").await;
    let kinds = async || {
        let listed = bot.handlers().await.unwrap();
        let kinds = listed.iter().map(|it| (it.kind, it.group, it.starting));
        kinds.collect::<Vec<_>>()
    };
    assert_eq!(kinds().await, []);
    bot.on_message(async |_cx, _message| Ok(()));
    bot.on_update(async |_cx, _update| Ok(()));
    let handler = async |_cx: Cx, _message: Msg| Ok(());
    bot.router(
        Router::new()
            .group(5)
            .on(incoming(), handler)
            .on(private(), handler),
    );
    let gate = std::sync::Arc::new(tokio::sync::Semaphore::new(0));
    bot.event_handler(Slow(gate.clone()));
    let before = [
        (K::Message, 0, false),
        (K::Update, 0, false),
        (K::Filter, 5, false),
        (K::Filter, 5, false),
        (K::Events, 0, true),
    ];
    assert_eq!(kinds().await, before);
    gate.add_permits(1);
    while kinds().await.iter().any(|(_, _, starting)| *starting) {
        tokio::task::yield_now().await;
    }
    // By one of those that were registered at once, all of them go.
    let listed = bot.handlers().await.unwrap();
    let routed = listed.iter().find(|it| it.kind == K::Filter).unwrap();
    routed.handle.remove();
    let after = [
        (K::Message, 0, false),
        (K::Update, 0, false),
        (K::Events, 0, false),
    ];
    assert_eq!(kinds().await, after);
    bot.shutdown(crate::support::HANG).await;
}

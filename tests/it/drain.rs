//! Shutting down: step by step, and what each step does for those it concerns.
#![allow(clippy::unwrap_used)]

use std::{
    future::IntoFuture,
    sync::{Arc, Mutex},
    time::Duration,
};

use crate::support::virtual_time::{Stage, run};
use actogram::{
    AccountEvent, CallError, DedupeId, Error, ShutdownReport, ShutdownStep, prelude::*,
    runtime::Flow, tl::functions::help::GetConfig,
};
use tokio::{
    task::spawn_local,
    time::{Instant, sleep},
};

const SECOND: Duration = Duration::from_secs(1);

type Log = Arc<Mutex<Vec<(String, DedupeId)>>>;

/// Takes this long for each update, then answers it.
fn slow_echo(client: &Client, pause: Duration) -> Log {
    let log = Log::default();
    let seen = log.clone();
    client.on_update(async move |_cx: Cx, update: Update| {
        // In a difference, what the bot itself said comes too.
        let Some(message) = update.message().filter(|message| !message.outgoing()) else {
            return Ok(());
        };
        let entry = (message.text().to_owned(), *update.dedupe_id());
        seen.lock().unwrap().push(entry);
        sleep(pause).await;
        message.reply(message.text()).await.map(drop)
    });
    log
}

fn steps(events: &mut tokio::sync::broadcast::Receiver<AccountEvent>) -> Vec<ShutdownStep> {
    crate::support::events_so_far(events, |_| true)
        .into_iter()
        .filter_map(|event| match event {
            AccountEvent::ShuttingDown(step) => Some(step),
            _ => None,
        })
        .collect()
}

#[test]
fn a_handler_that_runs_may_answer_and_is_waited_for() {
    run(async {
        let (stage, client) = Stage::new(1).await;
        let log = slow_echo(&client, SECOND * 3);
        client.start().await.unwrap();
        for text in ["1", "2", "3"] {
            stage.say(text);
        }
        sleep(SECOND).await;
        let mut events = client.events();
        let begun = Instant::now();
        let report = client.shutdown(SECOND * 30).await;
        assert_eq!(report, ShutdownReport::default());
        assert!(report.is_clean());
        // All three, for they were with the handlers; and not longer.
        assert_eq!(stage.answers(), ["1", "2", "3"]);
        assert_eq!(begun.elapsed().as_secs(), 8);
        assert_eq!(log.lock().unwrap().len(), 3);
        assert_eq!(
            steps(&mut events),
            [
                ShutdownStep::Draining,
                ShutdownStep::Refusing,
                ShutdownStep::CallsEnded,
                ShutdownStep::ConnectionClosed,
                ShutdownStep::Stored,
            ]
        );
    });
}

/// What a handler could not finish was not handled: its call was refused, and must not count as answered.
#[test]
fn updates_that_were_not_handled_in_time_come_again_and_no_other() {
    run(async {
        let (stage, client) = Stage::new(2).await;
        let log = slow_echo(&client, SECOND * 3);
        client.start().await.unwrap();
        for text in ["1", "2", "3", "4"] {
            stage.say(text);
        }
        sleep(SECOND).await;
        let report = client.shutdown(SECOND * 4).await;
        assert_eq!(report.updates_unhandled, 3);
        assert!(!report.is_clean());
        // What is written meanwhile is for the next one.
        stage.say("5");
        sleep(SECOND * 20).await;
        assert_eq!(
            stage.answers(),
            ["1"],
            "nothing is handled behind one's back"
        );
        let before: Vec<_> = log.lock().unwrap().drain(..).collect();
        assert_eq!(before.len(), 2, "{before:?}");

        let next = stage.another_client(1).await;
        let log = slow_echo(&next, SECOND);
        next.start().await.unwrap();
        sleep(SECOND * 20).await;
        assert_eq!(stage.answers(), ["1", "2", "3", "4", "5"]);
        let again: Vec<_> = log.lock().unwrap().drain(..).collect();
        assert_eq!(
            again[0], before[1],
            "the same update, with the same dedupe id"
        );
        assert!(next.shutdown(SECOND).await.is_clean());
    });
}

#[test]
fn a_call_under_way_gets_its_answer_and_a_new_one_is_given_back() {
    run(async {
        let (stage, client) = Stage::new(3).await;
        client.start().await.unwrap();
        let operator = stage.datacenter.operator();
        operator.delay_answers("messages.sendMessage", SECOND * 5, 1);
        let (api, mut events) = (client.api(), client.events());
        let under_way = spawn_local(api.send_message(stage.ann, "under way").into_future());
        sleep(SECOND).await;
        let shutdown = spawn_local(client.shutdown(SECOND * 30));
        sleep(SECOND).await;
        assert_eq!(
            steps(&mut events),
            [ShutdownStep::Draining, ShutdownStep::Refusing]
        );
        match api.invoke(GetConfig {}).await {
            Err(Error::Call {
                source: CallError::ShutDown { body },
                ..
            }) => {
                use actogram::tl::Encode;
                assert_eq!(body, GetConfig {}.to_bytes(), "given back");
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(under_way.await.unwrap().unwrap().text(), "under way");
        assert!(shutdown.await.unwrap().is_clean());
    });
}

#[test]
fn calls_that_do_not_end_in_time_are_counted_and_each_is_told() {
    run(async {
        let (stage, client) = Stage::new(4).await;
        client.start().await.unwrap();
        let operator = stage.datacenter.operator();
        operator.delay_answers("messages.sendMessage", SECOND * 500, 1);
        operator.fail("help.getConfig", 420, "FLOOD_WAIT_20", 1);
        let api = client.api();
        let sent = spawn_local(api.send_message(stage.ann, "sent").into_future());
        let asleep = spawn_local(api.invoke(GetConfig {}).into_future());
        sleep(SECOND).await;
        let report = client.shutdown(SECOND * 5).await;
        assert_eq!(report.calls_given_up, 2);
        for ended in [
            sent.await.unwrap().map(drop),
            asleep.await.unwrap().map(drop),
        ] {
            assert!(
                matches!(
                    ended,
                    Err(Error::Call {
                        source: CallError::ShutDown { .. },
                        ..
                    })
                ),
                "{ended:?}"
            );
        }
    });
}

#[test]
fn loops_are_stopped_first_and_those_that_do_not_end_are_named() {
    run(async {
        let (stage, client) = Stage::new(5).await;
        client.start().await.unwrap();
        let ann = stage.ann;
        // In the middle of something that takes two seconds, after which it says so.
        let polite = client.generic_loop("polite", async move |cx: &mut LoopCx| {
            sleep(SECOND * 2).await;
            cx.api().send_message(ann, "polite").await?;
            Ok(1.0)
        });
        let paused = client.generic_loop("paused", async |_: &mut LoopCx| ());
        let deaf = client.generic_loop("deaf", async |_: &mut LoopCx| {
            std::future::pending::<()>().await;
        });
        let over = client.generic_loop("over", async |_: &mut LoopCx| Flow::Stop);
        sleep(SECOND).await;
        assert_eq!(client.loops().all().len(), 4);
        let report = client.shutdown(SECOND * 10).await;
        assert_eq!(report.loops_left, ["deaf"]);
        assert_eq!(
            (
                report.updates_unhandled,
                report.calls_given_up,
                report.store_failed
            ),
            (0, 0, None)
        );
        assert_eq!(stage.answers(), ["polite"], "its turn was finished, once");
        for handle in [polite.actor(), paused.actor(), deaf.actor(), over.actor()] {
            // Their actors have ended, too: nothing of a client is left behind.
            handle.join().await;
        }
    });
}

/// Nothing to wait for: nothing is waited for.
#[test]
fn an_idle_client_ends_at_once() {
    run(async {
        let (_stage, client) = Stage::new(6).await;
        client.start().await.unwrap();
        sleep(SECOND).await;
        let begun = Instant::now();
        assert!(client.shutdown(SECOND * 3600).await.is_clean());
        assert!(begun.elapsed() < SECOND, "{:?}", begun.elapsed());
    });
}

#[test]
fn a_deadline_may_be_as_long_as_a_duration_can_be() {
    run(async {
        let (_stage, client) = Stage::new(7).await;
        client.start().await.unwrap();
        assert!(client.shutdown(Duration::MAX).await.is_clean());
    });
}

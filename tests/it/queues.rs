//! Call queues: whatever happens on the way, the datacenter carries the calls of one out in the order they were made.
#![allow(clippy::unwrap_used)]

use std::{future::IntoFuture, time::Duration};

use crate::support::virtual_time::{Dice, Stage, run};
use actogram::{CallError, Error, Pending, prelude::*, tl};
use actogram_local_datacenter::{Direction, WireFault};
use tokio::{task::JoinSet, time::Instant};

const SEND: &str = "messages.sendMessage";

/// Sends texts to Ann, one after another, each before the answer to the one before.
struct Sender {
    api: actogram::Api,
    ann: i64,
    queue: Option<&'static str>,
    calls: JoinSet<(String, Result<Msg>)>,
}

impl Sender {
    fn new(stage: &Stage, client: &Client, queue: impl Into<Option<&'static str>>) -> Self {
        Self {
            api: client.api(),
            ann: stage.ann,
            queue: queue.into(),
            calls: JoinSet::new(),
        }
    }

    fn send(&mut self, text: impl Into<String>) {
        let text = text.into();
        let mut call = self
            .api
            .send_message(self.ann, text.as_str())
            .retries(3)
            .flood_wait_limit(Duration::from_secs(10_000));
        if let Some(queue) = self.queue {
            call = call.queue(queue);
        }
        let call: Pending<Msg> = call.into_future();
        self.calls.spawn_local(async move { (text, call.await) });
    }

    /// What succeeded, and what failed and how.
    async fn ends(self) -> (Vec<String>, Vec<(String, Error)>) {
        let (mut sent, mut failed) = (Vec::new(), Vec::new());
        for (text, end) in self.calls.join_all().await {
            match end {
                Ok(message) => {
                    assert_eq!(message.text(), text);
                    sent.push(text);
                }
                // An answer was lost with its session; the message was not.
                Err(error) if error.is("RANDOM_ID_DUPLICATE") => sent.push(text),
                Err(error) => failed.push((text, error)),
            }
        }
        sent.sort();
        (sent, failed)
    }
}

/// Everything that may come between two calls, at random.
async fn trouble(stage: &Stage, dice: &Dice) {
    let operator = stage.datacenter.operator();
    let times = 1 + u32::try_from(dice.below(3)).unwrap();
    match dice.below(8) {
        0 => operator.flood_wait(SEND, 1 + times * 3, times),
        1 => operator.fail(SEND, 420, "SLOWMODE_WAIT_4", times),
        2 => operator.fail(SEND, 500, "INTERDC_CALL_ERROR", times),
        3 => operator.fail(SEND, 400, "PEER_FLOOD", times),
        4 => operator.delay_answers(SEND, Duration::from_secs(2), times),
        5 => {
            stage.datacenter.cut_connections();
        }
        6 => stage.datacenter.forget_sessions(),
        _ => {
            let (direction, payload) = (Direction::ToServer, dice.below(6));
            stage
                .datacenter
                .faults()
                .order(WireFault::Reorder { direction, payload });
            stage.datacenter.cut_connections();
        }
    }
}

/// Whether the messages came in order; that they all came, once, is asserted.
async fn troubled(seed: u64, queue: Option<&'static str>) -> bool {
    let (stage, client) = Stage::new(seed).await;
    let dice = Dice::of(seed, 7);
    let mut sender = Sender::new(&stage, &client, queue);
    for number in 0..60 {
        if dice.below(4) == 0 {
            trouble(&stage, &dice).await;
        }
        sender.send(format!("{number:02}"));
        if dice.below(3) == 0 {
            tokio::time::sleep(Duration::from_millis(dice.below(1500))).await;
        }
    }
    let (sent, failed) = sender.ends().await;
    let mut doubtful = Vec::new();
    for (text, error) in failed {
        match error {
            Error::Call {
                source: CallError::UnknownOutcome,
                ..
            } => doubtful.push(text),
            error => assert!(
                error.is("PEER_FLOOD") || error.is("INTERDC_CALL_ERROR"),
                "seed {seed}: {text}: {error}"
            ),
        }
    }
    let mut received = stage.answers();
    let in_order = received.is_sorted();
    received.sort();
    received.retain(|text| !doubtful.contains(text));
    assert_eq!(
        received, sent,
        "seed {seed}: each message that was sent, once"
    );
    client.shutdown(Duration::from_secs(10)).await;
    in_order
}

/// S7.
#[test]
fn s07_a_queue_keeps_its_order_through_flood_waits_errors_cuts_and_lost_sessions() {
    let mut disorder = 0;
    for seed in 1..=40 {
        assert!(run(troubled(seed, Some("poem"))), "seed {seed}");
        disorder += u32::from(!run(troubled(seed, None)));
    }
    assert!(
        disorder > 10,
        "without a queue the order is lost: {disorder}"
    );
}

/// The answers take a second each; twenty of them take two, not twenty.
#[test]
fn s07_the_calls_of_a_queue_do_not_wait_for_each_others_answers() {
    run(async {
        let (stage, client) = Stage::new(1).await;
        let wire = Duration::from_millis(500);
        for direction in [Direction::ToServer, Direction::ToClient] {
            stage.datacenter.faults().order(WireFault::Delay {
                direction,
                by: wire,
            });
        }
        let mut sender = Sender::new(&stage, &client, "slow");
        sender.send("00");
        // Over the slow connection, for the other one has only heard of its end.
        stage.datacenter.cut_connections();
        let begun = Instant::now();
        for number in 1..20 {
            sender.send(format!("{number:02}"));
        }
        let (sent, failed) = sender.ends().await;
        assert!(failed.is_empty(), "{failed:?}");
        assert_eq!(stage.answers(), sent);
        assert!(begun.elapsed() < wire * 8, "{:?}", begun.elapsed());
    });
}

#[test]
fn queues_of_different_names_know_nothing_of_each_other() {
    run(async {
        let (stage, client) = Stage::new(2).await;
        let operator = stage.datacenter.operator();
        // A wait of the one call: slow mode would be the chat's, whatever the queue.
        operator.fail(SEND, 420, "FLOOD_PREMIUM_WAIT_60", 1);
        let begun = Instant::now();
        let (mut slow, mut quick) = (
            Sender::new(&stage, &client, "slow"),
            Sender::new(&stage, &client, "quick"),
        );
        slow.send("s0");
        tokio::time::sleep(Duration::from_secs(1)).await;
        slow.send("s1");
        quick.send("q0");
        quick.send("q1");
        let (sent, _) = quick.ends().await;
        assert_eq!(sent, ["q0", "q1"]);
        assert!(begun.elapsed() < Duration::from_secs(10));
        slow.ends().await;
        assert!(begun.elapsed() >= Duration::from_secs(60));
        assert_eq!(stage.answers(), ["q0", "q1", "s0", "s1"]);
    });
}

/// The place is taken when the call is made, though what it needs takes longer to find out than for those behind it.
#[test]
fn a_call_that_has_to_find_its_peer_first_keeps_its_place() {
    run(async {
        let (stage, client) = Stage::new(3).await;
        let operator = stage.datacenter.operator();
        operator
            .set_username(stage.ann, Some("ann_of_all"))
            .unwrap();
        operator.delay_answers("contacts.resolveUsername", Duration::from_secs(30), 1);
        let api = client.api();
        api.send_message("@ann_of_all", "0").queue("a").detach();
        // Given up before it was made: it leaves its place.
        drop(
            api.send_message(stage.ann, "dropped")
                .queue("a")
                .into_future(),
        );
        api.call(SEND, serde_json::json!({"peer": stage.ann, "message": "1"}))
            .queue("a")
            .detach();
        let last = api.send_message(stage.ann, "2").queue("a").await.unwrap();
        assert_eq!(last.text(), "2");
        assert_eq!(stage.answers(), ["0", "1", "2"]);
    });
}

/// Permits that calls behind it hold would never come to the one they wait for.
#[test]
fn a_queue_with_more_calls_than_may_be_in_flight_does_not_block_itself() {
    run(async {
        let (stage, client) = Stage::new(4).await;
        let operator = stage.datacenter.operator();
        operator
            .set_username(stage.ann, Some("ann_of_all"))
            .unwrap();
        let api = client.api();
        api.send_message("@ann_of_all", "0000").queue("a").detach();
        let mut sender = Sender::new(&stage, &client, "a");
        for number in 1..1024 {
            sender.send(format!("{number:04}"));
        }
        let full = api.send_message(stage.ann, "one more").queue("a").await;
        match full {
            Err(Error::Call {
                source: CallError::QueueFull { queue, limit },
                ..
            }) => assert_eq!((queue.as_str(), limit), ("a", 1024)),
            other => panic!("{other:?}"),
        }
        let elsewhere = api.send_message(stage.ann, "elsewhere").queue("b").await;
        elsewhere.unwrap();
        sender.ends().await;
        let mut received = stage.answers();
        received.retain(|text| text != "elsewhere");
        assert_eq!(received.len(), 1024);
        assert!(received.is_sorted());
        // There is room again.
        api.send_message(stage.ann, "more")
            .queue("a")
            .await
            .unwrap();
    });
}

/// S21: on the way the second packet is put before the first. The chain, not the transport, keeps the order.
#[test]
fn s21_packets_that_are_exchanged_on_the_way_do_not_exchange_calls_of_a_queue() {
    let exchanged = |queue: Option<&'static str>| {
        run(async move {
            let (stage, client) = Stage::new(5).await;
            let mut disorder = 0;
            for payload in 1..8 {
                let direction = Direction::ToServer;
                stage
                    .datacenter
                    .faults()
                    .order(WireFault::Reorder { direction, payload });
                stage.datacenter.cut_connections();
                let before = stage.answers().len();
                let mut sender = Sender::new(&stage, &client, queue);
                for number in 0..10 {
                    sender.send(format!("{number}"));
                    // Each in a packet of its own.
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                let (sent, failed) = sender.ends().await;
                assert!(failed.is_empty(), "{failed:?}");
                assert_eq!(sent.len(), 10);
                disorder += usize::from(!stage.answers()[before..].is_sorted());
            }
            disorder
        })
    };
    assert_eq!(exchanged(Some("a")), 0);
    assert!(exchanged(None) > 0, "the attack works");
}

/// Only the caller's own waiting ends; the call keeps its place and is carried out.
#[test]
fn a_call_whose_time_is_over_keeps_its_place() {
    run(async {
        let (stage, client) = Stage::new(6).await;
        let operator = stage.datacenter.operator();
        operator.fail(SEND, 420, "SLOWMODE_WAIT_10", 1);
        let api = client.api();
        let first = api
            .send_message(stage.ann, "0")
            .queue("a")
            .timeout(Duration::from_secs(1));
        assert!(matches!(first.await, Err(Error::Timeout { .. })));
        // One that is cancelled leaves its place.
        let cancelled = api
            .send_message(stage.ann, "cancelled")
            .queue("a")
            .cancel_on_drop()
            .timeout(Duration::from_secs(1));
        assert!(matches!(cancelled.await, Err(Error::Timeout { .. })));
        api.send_message(stage.ann, "1").queue("a").await.unwrap();
        assert_eq!(stage.answers(), ["0", "1"]);
        let me = tl::enums::InputUser::InputUserSelf;
        let asked = api.invoke(tl::functions::users::GetUsers { id: vec![me] });
        assert_eq!(asked.queue("a").await.unwrap().len(), 1);
    });
}

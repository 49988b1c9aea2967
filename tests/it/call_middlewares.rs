//! Middlewares around calls.
#![allow(clippy::unwrap_used)]

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use std::future::IntoFuture as _;

use crate::support::virtual_time::{Stage, run};
use actogram::{
    NextCall, OutgoingCall,
    prelude::*,
    tl::{Encode as _, functions::help::GetConfig},
};
use tokio::time::Instant;

const SEND: &str = "messages.sendMessage";
const CONFIG: &str = "help.getConfig";

#[test]
fn they_are_around_every_call_the_first_outermost() {
    run(async {
        let (stage, client) = Stage::new(1).await;
        // Whom it does not know it looks up first.
        client.api().send_message(stage.ann, "hm").await.unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        for name in ["outer", "inner"] {
            let log = log.clone();
            client.wrap_calls(move |call: OutgoingCall, next: NextCall| {
                let log = log.clone();
                async move {
                    let note = |what: &str| {
                        let line = format!("{name} {} {what}", call.method());
                        log.lock().unwrap().push(line);
                    };
                    assert!(call.size() >= 4);
                    note("begins");
                    let answer = next.run().await;
                    note(if answer.is_ok() { "is done" } else { "fails" });
                    answer
                }
            });
        }
        let expected = |method: &str, end: &str| {
            [
                format!("outer {method} begins"),
                format!("inner {method} begins"),
                format!("inner {method} {end}"),
                format!("outer {method} {end}"),
            ]
        };
        client.api().send_message(stage.ann, "hi").await.unwrap();
        assert_eq!(
            std::mem::take(&mut *log.lock().unwrap()),
            expected(SEND, "is done")
        );
        let operator = stage.datacenter.operator();
        operator.fail(CONFIG, 400, "NO_CONFIG", 1);
        let by_name = client.api().call(CONFIG, serde_json::json!({})).await;
        assert!(by_name.unwrap_err().is("NO_CONFIG"));
        assert_eq!(
            std::mem::take(&mut *log.lock().unwrap()),
            expected(CONFIG, "fails")
        );
        client.shutdown(Duration::from_secs(5)).await;
    });
}

#[test]
fn they_delay_and_refuse_calls_and_no_others() {
    run(async {
        let (stage, client) = Stage::new(2).await;
        client.wrap_calls(|call: OutgoingCall, next: NextCall| async move {
            match call.method() {
                SEND => tokio::time::sleep(Duration::from_secs(30)).await,
                "contacts.resolveUsername" => return Err(Error::user("nobody is looked up")),
                _ => {}
            }
            next.run().await
        });
        let begun = Instant::now();
        let sending = client.api().send_message(stage.ann, "late").into_future();
        let sending = tokio::task::spawn_local(sending);
        client.api().invoke(GetConfig {}).await.unwrap();
        assert!(begun.elapsed() < Duration::from_secs(5));
        sending.await.unwrap().unwrap();
        assert!(begun.elapsed() >= Duration::from_secs(30));

        let error = client.api().send_message("@nobody_knows", "?").await;
        assert!(
            error
                .unwrap_err()
                .to_string()
                .contains("nobody is looked up")
        );
        let counters = stage.datacenter.operator().counters();
        assert_eq!(counters.executed("contacts.resolveUsername"), 0);
        assert_eq!(counters.refused("contacts.resolveUsername"), 0);
        assert_eq!(stage.answers(), ["late"]);
        client.shutdown(Duration::from_secs(5)).await;
    });
}

#[test]
fn they_answer_in_the_datacenters_place() {
    run(async {
        let (stage, client) = Stage::new(3).await;
        let kept = client.api().invoke(GetConfig {}).await.unwrap();
        let kept = kept.to_bytes();
        client.wrap_calls(move |call: OutgoingCall, next: NextCall| {
            let kept = kept.clone();
            async move {
                match next.run().await {
                    Err(error) if call.method() == CONFIG && error.is("NO_CONFIG") => Ok(kept),
                    answer => answer,
                }
            }
        });
        stage
            .datacenter
            .operator()
            .fail(CONFIG, 400, "NO_CONFIG", 1);
        client.api().invoke(GetConfig {}).await.unwrap();
        client.shutdown(Duration::from_secs(5)).await;
    });
}

#[test]
fn a_panic_costs_its_call_only_and_a_refused_one_lets_its_queue_go_on() {
    run(async {
        let (stage, client) = Stage::new(4).await;
        let calls = Arc::new(Mutex::new(0));
        client.wrap_calls(move |call: OutgoingCall, next: NextCall| {
            let nth = {
                let mut calls = calls.lock().unwrap();
                *calls += usize::from(call.method() == SEND);
                *calls
            };
            assert!(nth != 1, "before the call");
            async move {
                let answer = next.run().await;
                assert!(nth != 2, "after the call");
                if nth == 3 {
                    return Err(Error::user("refused"));
                }
                answer
            }
        });
        let send = |text: &str| client.api().send_message(stage.ann, text).queue("one");
        let mut ends = Vec::new();
        for text in ["1", "2", "3", "4"] {
            ends.push(
                send(text)
                    .await
                    .map(drop)
                    .map_err(|error| error.to_string()),
            );
        }
        for (end, said) in ends.iter().zip(["panicked", "panicked", "refused"]) {
            assert!(end.as_ref().unwrap_err().contains(said), "{end:?}");
        }
        ends.pop().unwrap().unwrap();
        assert_eq!(stage.answers(), ["2", "3", "4"]);
        assert_eq!(client.snapshot().calls_in_flight, 0);
        client.shutdown(Duration::from_secs(5)).await;
    });
}

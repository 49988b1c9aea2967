//! What a datacenter says when it refuses a call is text from outside.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use crate::support::{World, call, config_call, virtual_time};
use actogram_actors::{CallError, CallPolicy};
use actogram_local_datacenter::rpc::{RpcError, RpcFault, When};
use actogram_tl::Encode as _;
use tokio::time::Instant;

const METHOD: &str = "help.getConfig";

/// A1: only a number that is one is waited for, never less than a second, and never more than the caller allows.
#[test]
fn a1_waits_that_are_no_numbers_or_too_long_are_surfaced() {
    virtual_time(|| async {
        let world = World::new().await;
        let operator = world.datacenter.operator();
        let surfaced = [
            "FLOOD_WAIT_-1",
            "FLOOD_WAIT_+1",
            "FLOOD_WAIT_",
            "FLOOD_WAIT_1x",
            "FLOOD_WAIT_ 1",
            "FLOOD_WAIT_1.5",
            "FLOOD_WAIT_18446744073709551616",
            "FLOOD_WAIT_31",
            "FLOOD_WAIT_2147483647",
            "FLOOD_WAIT_18446744073709551615",
        ];
        for (nth, name) in surfaced.into_iter().enumerate() {
            // An account of its own each: a wait that is believed holds for the method.
            let bot = world.bot(&format!("patient{nth}_bot")).await;
            let begun = Instant::now();
            operator.fail(METHOD, 420, name, 1);
            let error = call(&bot.account, &config_call()).await.unwrap_err();
            let CallError::Rpc { code, message } = error else {
                panic!("{name}: {error}")
            };
            assert_eq!((code, message.as_str()), (420, name));
            assert!(begun.elapsed() < Duration::from_secs(1), "{name}");
            bot.account.shutdown(Duration::from_secs(5)).await;
        }
        for (name, seconds) in [("FLOOD_WAIT_0", 1), ("FLOOD_WAIT_007", 7)] {
            let bot = world.bot(&format!("waits{seconds}_bot")).await;
            let begun = Instant::now();
            operator.fail(METHOD, 420, name, 1);
            call(&bot.account, &config_call()).await.unwrap();
            let waited = begun.elapsed().as_secs();
            assert!((seconds..seconds + 2).contains(&waited), "{name}: {waited}");
            bot.account.shutdown(Duration::from_secs(5)).await;
        }
    });
}

/// A2: it is escaped and cut off before anything sees it.
#[test]
fn a2_an_error_message_is_escaped_and_truncated() {
    virtual_time(|| async {
        let world = World::new().await;
        let bot = world.bot("curious_bot").await;
        let operator = world.datacenter.operator();
        let hostile = "NO\r\n2026-01-01 INFO all is well\x1b[2J\u{202e}{}%s\0".repeat(30_000);
        assert!(hostile.len() > 1 << 20);
        for code in [400, 420, 500] {
            operator.fail(METHOD, code, &hostile, 1);
            let policy = CallPolicy {
                retries: 0,
                ..CallPolicy::default()
            };
            let answer = bot.account.invoke_raw(config_call().to_bytes(), policy);
            let error = answer.await.unwrap_err();
            let CallError::Rpc { message, .. } = &error else {
                panic!("{code}")
            };
            assert!(message.len() < 4096, "{code}: {}", message.len());
            assert!(message.starts_with(r"NO\r\n2026"), "{message}");
            for text in [message.clone(), error.to_string()] {
                let plain = |c: char| c == '…' || c == ' ' || c.is_ascii_graphic();
                assert!(text.chars().all(plain), "{text}");
            }
        }
        // What a datacenter really says is left alone.
        for name in ["PEER_ID_INVALID", "Some words: 'quoted' \\ and {braces}"] {
            operator.fail(METHOD, 400, name, 1);
            let error = call(&bot.account, &config_call()).await.unwrap_err();
            assert!(matches!(error, CallError::Rpc { message, .. } if message == name));
        }
        bot.account.shutdown(Duration::from_secs(5)).await;
    });
}

/// R21: for half a minute everything fails. Each call is made again, at moments of its own, until it goes through; in
/// no second the datacenter sees a call more than twice.
#[test]
fn r21_errors_of_the_datacenter_for_everything_make_no_storm() {
    const CALLS: u64 = 300;
    for (code, message) in [(500, "INTERDC_1_CALL_ERROR"), (-503, "Timeout")] {
        virtual_time(|| async {
            let world = World::new().await;
            let bot = world.bot("patient_bot").await;
            let operator = world.datacenter.operator();
            operator.order_fault(RpcFault {
                method: None,
                user: None,
                error: RpcError::new(code, message.to_owned()),
                when: When::Before,
                skip: 0,
                times: u32::MAX,
            });
            let mut calls = tokio::task::JoinSet::new();
            for _ in 0..CALLS {
                let policy = CallPolicy {
                    retries: 10,
                    ..CallPolicy::default()
                };
                calls.spawn_local(bot.account.invoke_raw(config_call().to_bytes(), policy));
            }
            let mut refused = vec![0];
            for _ in 0..300 {
                tokio::time::sleep(Duration::from_millis(100)).await;
                refused.push(operator.counters().refused(METHOD));
            }
            let most = refused.windows(11).map(|w| w[10] - w[0]).max().unwrap();
            assert!(most <= CALLS * 2, "{code}: {most} in a second");
            // At 0, and after pauses of about 1, 2, 4, 8 and, for some, 16 seconds.
            let made = refused[300];
            assert!((CALLS * 5..=CALLS * 6).contains(&made), "{code}: {made}");
            // Those that began together do not come again together.
            let later = refused[100..]
                .windows(2)
                .map(|w| w[1] - w[0])
                .max()
                .unwrap();
            assert!(later < CALLS / 4, "{code}: {later} in a tenth of a second");
            operator.clear_faults();
            while let Some(end) = calls.join_next().await {
                end.unwrap().unwrap();
            }
            assert_eq!(operator.counters().executed(METHOD), CALLS);
            bot.account.shutdown(Duration::from_secs(5)).await;
        });
    }
}

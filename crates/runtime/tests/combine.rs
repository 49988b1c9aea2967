//! The async helpers by the cases S22 and S25–S35.
#![allow(clippy::unwrap_used)]

mod common;

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    future::{Future, ready},
    pin::Pin,
    rc::Rc,
    time::Duration,
};

use actogram_runtime::*;
use common::{MS, settle, virtual_time};
use tokio::time::Instant;

type Call = Pin<Box<dyn Future<Output = Result<u32, String>>>>;

/// A call that ends after so many milliseconds.
fn call(ms: u32, result: Result<u32, &'static str>) -> Call {
    Box::pin(async move {
        tokio::time::sleep(ms * MS).await;
        result.map_err(str::to_owned)
    })
}

fn deliberate(when: &str) -> Result<(), String> {
    panic!("deliberate: {when}")
}

#[test]
fn s22_sleep_takes_fractions_and_gives_nothing() {
    virtual_time(async {
        let from = Instant::now();
        let () = sleep(0.25).await;
        sleep(Duration::from_millis(50)).await;
        sleep(-1.0).await;
        assert!((300..303).contains(&from.elapsed().as_millis()));
        // Without a time it has no end.
        let hour = Duration::from_secs(3600);
        let endless = tokio::time::timeout(hour, sleep(None::<f64>));
        assert!(endless.await.is_err());
    });
}

#[test]
fn s25_call_fork_starts_now_runs_beside_and_surfaces_its_error() {
    virtual_time(async {
        let failures = Failures::new(Escalation::Exit);
        let began = Rc::new(Cell::new(0));
        let seen = Rc::clone(&began);
        let strand = call_fork(&failures, async move {
            seen.set(1);
            tokio::time::sleep(MS).await;
            seen.set(2);
            Ok::<_, String>(5)
        });
        assert_eq!(began.get(), 1, "up to its first suspension at once");
        assert_eq!(strand.await.unwrap(), 5);
        assert_eq!(failures.count(), 0);

        // Awaited and failing: seen in both places.
        let (strand, line) = (call_fork(&failures, call(1, Err("no"))), line!());
        assert_eq!(strand.await.unwrap_err().to_string(), "error: no");
        let failure = failures.surfaced().await;
        assert!(
            failure.who.ends_with(&format!("combine.rs:{line}:31")),
            "{failure}"
        );

        // Ignored: runs on, and surfaces.
        drop(call_fork(&failures, call(1, Err("later"))));
        assert_eq!(failures.surfaced().await.reason.to_string(), "error: later");

        // A panic, at once or later, is a failure as well.
        let strand = call_fork(&failures, async { deliberate("at once") });
        assert!(strand.await.unwrap_err().is_panic());
        let strand = call_fork(&failures, async {
            tokio::time::sleep(MS).await;
            deliberate("later")
        });
        assert!(strand.await.unwrap_err().is_panic());
        assert_eq!(failures.count(), 4);
    });
}

#[test]
fn s26_call_fork_defer_starts_in_the_next_turn() {
    virtual_time(async {
        let failures = Failures::new(Escalation::Exit);
        let began = Rc::new(Cell::new(false));
        let seen = Rc::clone(&began);
        call_fork_defer(&failures, async move {
            seen.set(true);
            Err::<(), _>("deferred")
        });
        assert!(!began.get());
        settle().await;
        assert!(began.get());
        assert_eq!(
            failures.surfaced().await.reason.to_string(),
            "error: deferred"
        );
    });
}

#[test]
fn s27_errors_surface_or_are_reported_by_policy() {
    virtual_time(async {
        let failures = Failures::new(Escalation::Report);
        drop(call_fork(&failures, call(1, Err("reported"))));
        let surfaced = tokio::time::timeout(Duration::from_secs(60), failures.surfaced()).await;
        assert!(surfaced.is_err());
        assert_eq!(failures.count(), 1);
        // One call of the same collector that does surface; only the first of several is kept.
        let exits = failures.with(Escalation::Exit);
        drop(call_fork(&exits, call(1, Err("one"))));
        drop(call_fork(&exits, call(2, Err("two"))));
        tokio::time::sleep(10 * MS).await;
        assert_eq!(failures.surfaced().await.reason.to_string(), "error: one");
        assert_eq!(failures.count(), 3);
    });
}

#[test]
fn s28_a_strand_can_deal_with_its_errors_itself() {
    virtual_time(async {
        let failures = Failures::new(Escalation::Exit);
        let strand = call_fork(&failures, async {
            Ok::<_, String>(match call(1, Err("no")).await {
                Ok(n) => n.to_string(),
                Err(e) => format!("dealt with {e}"),
            })
        });
        assert_eq!(strand.await.unwrap(), "dealt with no");
        assert_eq!(failures.count(), 0);
    });
}

#[test]
fn s6_an_ignored_call_runs_and_its_error_is_counted() {
    virtual_time(async {
        let failures = Failures::new(Escalation::Exit);
        let ran = Rc::new(RefCell::new(Vec::new()));
        for n in 0..3 {
            let ran = Rc::clone(&ran);
            detach(&failures, async move {
                tokio::time::sleep((3 - n) * MS).await;
                ran.borrow_mut().push(n);
                Err::<(), _>("ignored")
            });
        }
        tokio::time::sleep(10 * MS).await;
        assert_eq!(*ran.borrow(), [2, 1, 0]);
        assert_eq!(failures.count(), 3);
        let surfaced = tokio::time::timeout(MS, failures.surfaced()).await;
        assert!(surfaced.is_err(), "it never surfaces");
    });
}

#[test]
fn s29_all_keeps_keys_and_fails_at_once_with_the_first_failure() {
    virtual_time(async {
        let from = Instant::now();
        assert_eq!(
            all(vec![call(30, Ok(1)), call(10, Ok(2))]).await,
            Ok(vec![1, 2])
        );
        assert!((30..33).contains(&from.elapsed().as_millis()));
        let [a, b] = all([call(3, Ok(7)), call(1, Ok(8))]).await.unwrap();
        assert_eq!((a, b), (7, 8));
        assert_eq!(all(Vec::<Call>::new()).await, Ok(vec![]));
        let map = BTreeMap::from([("x", call(2, Ok(1))), ("y", call(1, Ok(2)))]);
        assert_eq!(
            all(map).await.unwrap(),
            BTreeMap::from([("x", 1), ("y", 2)])
        );
        // Plain values.
        assert_eq!(
            all([ready(Ok::<_, String>(1)), ready(Ok(2))]).await,
            Ok([1, 2])
        );

        let from = Instant::now();
        let failed = all([
            call(50, Err("slow")),
            call(10, Err("quick")),
            call(90, Ok(1)),
        ])
        .await;
        assert_eq!(failed, Err("quick".to_owned()));
        assert!(from.elapsed() < 13 * MS);
    });
}

#[test]
fn s29_others_keep_running_if_they_are_strands_of_their_own() {
    virtual_time(async {
        let done = Rc::new(Cell::new(false));
        let seen = Rc::clone(&done);
        let failures = Failures::default();
        let slow = call_fork(&failures, async move {
            tokio::time::sleep(20 * MS).await;
            seen.set(true);
            Ok::<u32, String>(1)
        });
        let quick = call_fork(&failures, call(1, Err("quick")));
        assert!(all([slow, quick]).await.is_err());
        assert!(!done.get());
        tokio::time::sleep(30 * MS).await;
        assert!(done.get());
    });
}

#[test]
fn s30_first_gives_the_first_success() {
    virtual_time(async {
        assert_eq!(
            first([call(5, Ok(1)), call(1, Err("no")), call(9, Ok(2))]).await,
            Ok(1)
        );
        let Err(CombineError::Failed(reasons)) =
            first([call(5, Err("a")), call(1, Err("b"))]).await
        else {
            panic!("both failed");
        };
        assert_eq!(
            reasons.0,
            BTreeMap::from([(0, "a".to_owned()), (1, "b".to_owned())])
        );
        assert_eq!(reasons.to_string(), "0: a; 1: b");
        let empty = first(Vec::<Call>::new()).await;
        assert_eq!(
            empty,
            Err(CombineError::TooFew {
                required: 1,
                given: 0
            })
        );
    });
}

#[test]
fn s31_any_never_fails_and_waits_for_all() {
    virtual_time(async {
        let from = Instant::now();
        let settled = any(BTreeMap::from([
            ("a", call(9, Ok(1))),
            ("b", call(1, Err("no"))),
        ]))
        .await;
        assert!(from.elapsed() >= 9 * MS);
        assert_eq!(settled.values, BTreeMap::from([("a", 1)]));
        assert_eq!(settled.errors, BTreeMap::from([("b", "no".to_owned())]));
        let settled = any(Vec::<Call>::new()).await;
        assert!(settled.values.is_empty() && settled.errors.is_empty());
    });
}

#[test]
fn s32_some_wants_that_many_successes() {
    virtual_time(async {
        let calls = || [call(1, Ok(1)), call(9, Err("no")), call(5, Ok(3))];
        let settled = some(calls(), 2).await.unwrap();
        assert_eq!((settled.values.len(), settled.errors.len()), (2, 1));
        let Err(CombineError::Failed(reasons)) = some(calls(), 3).await else {
            panic!("only two succeed");
        };
        assert_eq!(reasons.0, BTreeMap::from([(1, "no".to_owned())]));
        let error = some(calls(), 4).await.unwrap_err();
        assert_eq!(
            error,
            CombineError::TooFew {
                required: 4,
                given: 3
            }
        );
        assert!(some(Vec::<Call>::new(), 1).await.is_err());
        assert!(some(Vec::<Call>::new(), 0).await.is_ok());
    });
}

#[test]
fn s33_timeout_in_seconds_with_fractions() {
    virtual_time(async {
        assert_eq!(timeout(call(400, Ok(1)), 0.5).await, Ok(1));
        let failed = timeout(call(4, Err("no")), 0.5).await;
        assert_eq!(failed, Err(TimeoutError::Failed("no".to_owned())));
        let late = timeout(call(600, Ok(1)), 0.5).await;
        assert_eq!(late, Err(TimeoutError::Elapsed(Duration::from_millis(500))));
        assert_eq!(timeout_opt(call(600, Ok(1)), 0.5).await, Ok(None));
        assert_eq!(timeout_opt(call(6, Ok(1)), 0.5).await, Ok(Some(1)));
        assert_eq!(
            timeout_opt(call(6, Err("no")), 0.5).await,
            Err("no".to_owned())
        );
        assert_eq!(timeout(call(600_000, Ok(1)), None::<f64>).await, Ok(1));
    });
}

#[test]
fn s34_first_of_a_call_and_a_sleep() {
    virtual_time(async {
        let within = |call: Call| {
            let call: Pin<Box<dyn Future<Output = Result<Option<u32>, String>>>> =
                Box::pin(async { call.await.map(Some) });
            first([
                call,
                Box::pin(async {
                    sleep(2.0).await;
                    Ok(None)
                }),
            ])
        };
        assert_eq!(within(call(10, Ok(4))).await, Ok(Some(4)));
        assert_eq!(within(call(3000, Ok(4))).await, Ok(None));
        let from = Instant::now();
        assert_eq!(
            within(call(10, Err("no"))).await,
            Ok(None),
            "first ignores failures"
        );
        assert!(from.elapsed() >= Duration::from_secs(2));
    });
}

#[test]
fn s35_combinators_combine() {
    virtual_time(async {
        let pair = async {
            all([call(1, Ok(1)), call(2, Ok(2))])
                .await
                .map(|[a, b]| a + b)
        };
        let sum = timeout(pair, 1.0).await.unwrap();
        assert_eq!(sum, 3);
    });
}

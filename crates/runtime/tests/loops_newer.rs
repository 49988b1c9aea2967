//! The cases N1–N6 of the newer loop library. "One tick" there is "everything that can run has run" here.
#![allow(clippy::unwrap_used)]

mod common;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use actogram_runtime::*;
use common::{MS, settle, virtual_time};

struct Probe {
    flow: Mutex<Flow>,
    runs: AtomicU32,
    inited: AtomicBool,
    ran: AtomicBool,
    work: Duration,
    fails: bool,
}

fn probe(flow: Flow, work: Duration, fails: bool) -> Arc<Probe> {
    Arc::new(Probe {
        flow: Mutex::new(flow),
        runs: AtomicU32::new(0),
        inited: AtomicBool::new(false),
        ran: AtomicBool::new(false),
        work,
        fails,
    })
}

macro_rules! generic {
    ($probe:expr, $failures:expr) => {{
        let probe = Arc::clone($probe);
        loop_once(
            GenericLoop::new("PONY", async move |_: &mut LoopCx<bool>| {
                probe.inited.store(true, Relaxed);
                probe.runs.fetch_add(1, Relaxed);
                if !probe.work.is_zero() {
                    tokio::time::sleep(probe.work).await;
                }
                if probe.fails {
                    return Err(LoopError::msg("Threw exception!"));
                }
                probe.ran.store(true, Relaxed);
                Ok(*probe.flow.lock().unwrap())
            }),
            (),
        )
        .policy(RestartPolicy::Temporary)
        .failures($failures)
        .idle()
        .spawn()
    }};
}

fn counts<L: SignalLoop>(l: &LoopHandle<L>) -> (u64, u64) {
    let status = l.status();
    (status.starts, status.ends)
}

#[test]
fn n1_a_loop_runs_and_stops() {
    virtual_time(async {
        let probe = probe(Flow::Stop, 100 * MS, false);
        let l = generic!(&probe, &Failures::default());
        settle().await;
        assert_eq!(
            (l.name().as_str(), l.is_running(), l.is_paused()),
            ("PONY", false, true)
        );
        assert!(!probe.inited.load(Relaxed) && !probe.ran.load(Relaxed));
        assert_eq!(counts(&l), (0, 0));
        assert_eq!(l.start().await, Ok(true));
        settle().await;
        assert!(probe.inited.load(Relaxed) && !probe.ran.load(Relaxed));
        assert!(
            l.is_running() && !l.is_paused(),
            "not paused while the body runs"
        );
        assert_eq!(counts(&l), (1, 0));
        assert_eq!(l.start().await, Ok(false));
        tokio::time::sleep(110 * MS).await;
        assert!(probe.ran.load(Relaxed) && !l.is_running() && l.is_paused());
        assert_eq!(counts(&l), (1, 1));
    });
}

#[test]
fn n2_stop_from_outside_lets_the_body_finish_and_ignores_what_it_returns() {
    virtual_time(async {
        let probe = probe(Flow::Sleep(Duration::from_secs(1000)), 100 * MS, false);
        let l = generic!(&probe, &Failures::default());
        assert_eq!(l.start().await, Ok(true));
        settle().await;
        assert!(probe.inited.load(Relaxed) && l.is_running());
        assert_eq!(l.stop().await, Ok(true));
        assert!(!l.is_running());
        assert_eq!(l.stop().await, Ok(false));
        assert_eq!(counts(&l), (1, 0));
        tokio::time::sleep(110 * MS).await;
        assert!(probe.ran.load(Relaxed) && !l.is_running());
        assert_eq!(counts(&l), (1, 1));
    });
}

#[test]
fn n3_a_start_after_a_stop_waits_for_the_old_body() {
    virtual_time(async {
        let probe = probe(Flow::Sleep(Duration::from_secs(1000)), 100 * MS, false);
        let l = generic!(&probe, &Failures::default());
        assert_eq!(l.start().await, Ok(true));
        settle().await;
        let stopped = l.stop();
        let from = tokio::time::Instant::now();
        let (again, third) = (l.start(), l.start());
        assert_eq!(stopped.await, Ok(true));
        assert_eq!(again.await, Ok(true));
        assert!(from.elapsed() >= 99 * MS);
        assert_eq!(third.await, Ok(false));
        settle().await;
        assert!(l.is_running() && probe.ran.load(Relaxed));
        assert_eq!(counts(&l), (2, 1));
        assert_eq!(probe.runs.load(Relaxed), 2);
        assert_eq!(l.stop().await, Ok(true));
        tokio::time::sleep(110 * MS).await;
        assert_eq!(counts(&l), (2, 2));
    });
}

#[test]
fn n4_an_error_ends_the_loop_and_surfaces() {
    virtual_time(async {
        let failures = Failures::new(Escalation::Exit);
        let probe = probe(Flow::Stop, Duration::ZERO, true);
        let l = generic!(&probe, &failures);
        assert_eq!(l.start().await, Ok(true));
        settle().await;
        assert!(!l.is_running() && probe.inited.load(Relaxed) && !probe.ran.load(Relaxed));
        assert_eq!(counts(&l), (1, 1));
        assert_eq!(
            failures.surfaced().await.to_string(),
            "PONY: error: Threw exception!"
        );
    });
}

fn n5(stop_by_call: bool, work: Duration) {
    virtual_time(async move {
        let probe = probe(Flow::Pause, work, false);
        let l = generic!(&probe, &Failures::default());
        let set = |flow| *probe.flow.lock().unwrap() = flow;
        let tick = async || {
            settle().await;
            if !work.is_zero() {
                tokio::time::sleep(work + 2 * MS).await;
            }
        };
        let look = || {
            let status = l.status();
            (probe.runs.load(Relaxed), status.pauses, status.last_pause)
        };
        // 1
        settle().await;
        assert!(!l.is_running());
        assert_eq!((counts(&l), look()), ((0, 0), (0, 0, None)));
        // 2
        assert_eq!(l.start().await, Ok(true));
        tick().await;
        assert!(l.is_running() && l.is_paused());
        assert_eq!((counts(&l), look()), ((1, 0), (1, 1, Some(None))));
        // 3
        set(Flow::Sleep(100 * MS));
        assert_eq!(l.resume().await, Ok(true));
        tick().await;
        assert_eq!(look(), (2, 2, Some(Some(100 * MS))));
        assert!(l.is_paused());
        tokio::time::sleep(48 * MS).await;
        assert_eq!(look(), (2, 2, Some(Some(100 * MS))));
        tokio::time::sleep(60 * MS).await;
        assert_eq!(look(), (3, 3, Some(Some(100 * MS))));
        assert!(l.is_paused());
        // 4
        assert_eq!(l.resume().await, Ok(true));
        tick().await;
        assert_eq!(look(), (4, 4, Some(Some(100 * MS))));
        // 5
        let stop = async |runs: u32, pauses: u64, times: u64| {
            if stop_by_call {
                assert_eq!(l.stop().await, Ok(true));
            } else {
                set(Flow::Stop);
                assert_eq!(l.resume().await, Ok(true));
            }
            tick().await;
            let runs = if stop_by_call { runs } else { runs + 1 };
            let (now, reported, _) = look();
            assert_eq!((now, reported), (runs, pauses), "a stop is not reported");
            assert!(l.is_paused() && !l.is_running());
            assert_eq!(counts(&l), (times, times));
            assert_eq!((l.stop().await, l.resume().await), (Ok(false), Ok(false)));
            runs
        };
        let runs = stop(4, 4, 1).await;
        // 6
        set(Flow::Pause);
        assert_eq!(l.start().await, Ok(true));
        tick().await;
        assert_eq!((counts(&l), look()), ((2, 1), (runs + 1, 5, Some(None))));
        let runs = stop(runs + 1, 5, 2).await;
        // 7 and 8: stopped before the body ever ran
        for (n, flow) in [(3, Flow::Pause), (4, Flow::Sleep(Duration::from_secs(1)))] {
            set(flow);
            let (started, stopped) = (l.start(), l.stop());
            assert_eq!((started.await, stopped.await), (Ok(true), Ok(true)));
            tick().await;
            assert_eq!((counts(&l), look()), ((n, n), (runs, 5, Some(None))));
        }
        // 9: two resumes, one run
        set(Flow::Pause);
        assert_eq!(l.start().await, Ok(true));
        tick().await;
        assert_eq!((counts(&l), look()), ((5, 4), (runs + 1, 6, Some(None))));
        set(Flow::Stop);
        let (one, two) = (l.resume(), l.resume());
        assert_eq!((one.await, two.await), (Ok(true), Ok(true)));
        tick().await;
        assert_eq!(probe.runs.load(Relaxed), runs + 2);
        assert_eq!((counts(&l), l.is_running()), ((5, 5), false));
        // 10: two postponed resumes, one run, later
        set(Flow::Pause);
        assert_eq!(l.start().await, Ok(true));
        tick().await;
        assert_eq!((counts(&l), look()), ((6, 5), (runs + 3, 7, Some(None))));
        set(Flow::Stop);
        let (one, two) = (l.resume_later(), l.resume_later());
        assert_eq!((one.await, two.await), (Ok(true), Ok(true)));
        settle().await;
        assert_eq!(
            (probe.runs.load(Relaxed), counts(&l)),
            (runs + 3, (6, 5)),
            "not yet"
        );
        tokio::time::sleep(2 * MS).await;
        tick().await;
        assert_eq!((probe.runs.load(Relaxed), counts(&l)), (runs + 4, (6, 6)));
        assert!(l.is_paused());
    });
}

#[test]
fn n5_a_generic_loop_by_the_script() {
    for stop_by_call in [true, false] {
        for work in [Duration::ZERO, MS] {
            n5(stop_by_call, work);
        }
    }
}

fn n6(stop_by_call: bool) {
    virtual_time(async move {
        let done = Arc::new(AtomicBool::new(false));
        let runs = Arc::new(AtomicU32::new(0));
        let (ends, counted) = (Arc::clone(&done), Arc::clone(&runs));
        let l = loop_once(
            PeriodicLoop::new(
                "PONY",
                Some(100 * MS),
                async move |cx: &mut LoopCx<bool>| {
                    assert_eq!(cx.name(), "PONY");
                    counted.fetch_add(1, Relaxed);
                    ends.load(Relaxed)
                },
            ),
            (),
        )
        .policy(RestartPolicy::Temporary)
        .idle()
        .spawn();
        assert_eq!(
            (l.name().as_str(), l.is_running(), counts(&l)),
            ("PONY", false, (0, 0))
        );
        assert_eq!(runs.load(Relaxed), 0);
        assert_eq!(l.start().await, Ok(true));
        assert_eq!(l.status().starts, 1);
        settle().await;
        assert!(l.is_paused());
        assert_eq!(runs.load(Relaxed), 1);
        tokio::time::sleep(48 * MS).await;
        assert!(l.is_running() && l.is_paused());
        assert_eq!(runs.load(Relaxed), 1);
        tokio::time::sleep(60 * MS).await;
        assert_eq!(runs.load(Relaxed), 2);
        assert_eq!(l.resume().await, Ok(true));
        settle().await;
        assert!(l.is_paused());
        assert_eq!(runs.load(Relaxed), 3);
        if stop_by_call {
            assert_eq!(l.stop().await, Ok(true));
            settle().await;
            assert_eq!(runs.load(Relaxed), 3);
        } else {
            done.store(true, Relaxed);
            assert_eq!(l.resume().await, Ok(true));
            settle().await;
            assert_eq!(runs.load(Relaxed), 4);
        }
        assert!(l.is_paused() && !l.is_running());
        assert_eq!(counts(&l), (1, 1));
    });
}

#[test]
fn n6_a_periodic_loop_by_the_script() {
    n6(true);
    n6(false);
}

//! The cases O1–O9 of the older loop library, on which the described loops are built.
//!
//! They run under `Temporary` (the loop dies with its error). "Synchronously" there reads "after one acknowledged message" here.
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

#[derive(Clone, Default)]
struct Seen {
    inited: Arc<AtomicBool>,
    ran: Arc<AtomicBool>,
    failures: Failures,
}

impl Seen {
    fn surfacing() -> Self {
        Self {
            failures: Failures::new(Escalation::Exit),
            ..Self::default()
        }
    }
}

/// What the body does between `inited` and `ran`.
#[derive(Clone)]
enum Does {
    Sleeps(Duration),
    Fails,
    Pauses(Option<f64>),
}

#[derive(Clone)]
struct Plain(Seen, Does);
impl Loop for Plain {
    fn name(&self) -> String {
        "PONY".into()
    }
    async fn run(&mut self, cx: &mut LoopCx<NoSignal>) -> Result<(), LoopError> {
        self.0.inited.store(true, Relaxed);
        match self.1 {
            Does::Sleeps(time) => tokio::time::sleep(time).await,
            Does::Fails => return Err(LoopError::msg("Threw exception!")),
            Does::Pauses(time) => cx.pause(time).await,
        }
        self.0.ran.store(true, Relaxed);
        Ok(())
    }
}

#[derive(Clone)]
struct Signalled(Seen, Does);
impl SignalLoop for Signalled {
    type Signal = i64;
    fn name(&self) -> String {
        "PONY".into()
    }
    async fn run(&mut self, cx: &mut LoopCx<i64>) -> Result<(), LoopError> {
        self.0.inited.store(true, Relaxed);
        match self.1 {
            Does::Sleeps(time) => tokio::time::sleep(time).await,
            Does::Fails => return Err(LoopError::msg("Threw exception!")),
            Does::Pauses(time) => cx.pause(time).await,
        }
        self.0.ran.store(true, Relaxed);
        Ok(())
    }
}

fn idle<L: SignalLoop + Clone + Send>(value: L, seen: &Seen) -> LoopHandle<L> {
    loop_of(value, ())
        .policy(RestartPolicy::Temporary)
        .failures(&seen.failures)
        .idle()
        .spawn()
}

fn counts<L: SignalLoop>(l: &LoopHandle<L>) -> (u64, u64) {
    let status = l.status();
    (status.starts, status.ends)
}

fn pre<L: SignalLoop>(l: &LoopHandle<L>, seen: &Seen) {
    assert_eq!(l.name(), "PONY");
    assert!(!l.is_running());
    assert!(!seen.inited.load(Relaxed) && !seen.ran.load(Relaxed));
    assert_eq!(counts(l), (0, 0));
}

async fn after<L: SignalLoop>(l: &LoopHandle<L>, seen: &Seen) {
    assert!(seen.inited.load(Relaxed) && !seen.ran.load(Relaxed));
    assert!(l.is_running());
    assert_eq!(counts(l), (1, 0));
    assert_eq!(l.start().await, Ok(false), "started twice");
}

fn fin<L: SignalLoop>(l: &LoopHandle<L>, seen: &Seen) {
    assert!(seen.inited.load(Relaxed) && seen.ran.load(Relaxed));
    assert!(!l.is_running());
    assert_eq!(counts(l), (1, 1));
}

fn o1<L: SignalLoop + Clone + Send>(make: fn(Seen, Does) -> L) {
    virtual_time(async move {
        let seen = Seen::default();
        let l = idle(make(seen.clone(), Does::Sleeps(100 * MS)), &seen);
        pre(&l, &seen);
        assert_eq!(l.start().await, Ok(true));
        after(&l, &seen).await;
        tokio::time::sleep(110 * MS).await;
        fin(&l, &seen);
    });
}

#[test]
fn o1_a_loop_runs_once_per_start() {
    o1(Plain);
}
#[test]
fn o1_a_signal_loop_runs_once_per_start() {
    o1(Signalled);
}

fn o2<L: SignalLoop + Clone + Send>(make: fn(Seen, Does) -> L) {
    virtual_time(async move {
        let seen = Seen::surfacing();
        let l = idle(make(seen.clone(), Does::Fails), &seen);
        pre(&l, &seen);
        assert_eq!(l.start().await, Ok(true));
        settle().await;
        assert!(!l.is_running());
        assert!(seen.inited.load(Relaxed));
        assert_eq!(counts(&l), (1, 1));
        let failure = seen.failures.surfaced().await;
        assert_eq!(
            (failure.who.as_str(), failure.reason.to_string().as_str()),
            ("PONY", "error: Threw exception!")
        );
    });
}

#[test]
fn o2_an_error_ends_a_loop_and_surfaces() {
    o2(Plain);
}
#[test]
fn o2_an_error_ends_a_signal_loop_and_surfaces() {
    o2(Signalled);
}

fn o3<L: SignalLoop + Clone + Send>(make: fn(Seen, Does) -> L) {
    virtual_time(async move {
        let seen = Seen::default();
        let l = idle(make(seen.clone(), Does::Pauses(Some(0.1))), &seen);
        pre(&l, &seen);
        assert_eq!(l.resume().await, Ok(false));
        let paused = tokio::task::spawn_local(l.until_paused());
        settle().await;
        assert!(!paused.is_finished());
        assert_eq!(l.start().await, Ok(true));
        after(&l, &seen).await;
        tokio::time::sleep(10 * MS).await;
        assert!(paused.is_finished(), "it pauses");
        tokio::time::sleep(100 * MS).await;
        fin(&l, &seen);
    });
}

#[test]
fn o3_a_pause_is_ended_by_its_timer() {
    o3(Plain);
}
#[test]
fn o3_a_signal_loops_pause_is_ended_by_its_timer() {
    o3(Signalled);
}

fn o4<L: SignalLoop + Clone + Send>(make: fn(Seen, Does) -> L) {
    virtual_time(async move {
        let seen = Seen::default();
        let l = idle(make(seen.clone(), Does::Pauses(Some(-1.0))), &seen);
        pre(&l, &seen);
        let paused = tokio::task::spawn_local(l.until_paused());
        assert_eq!(l.start().await, Ok(true));
        tokio::time::sleep(MS).await;
        assert!(!paused.is_finished(), "it never paused");
        fin(&l, &seen);
        assert_eq!(l.start().await, Ok(true), "it can be started again");
    });
}

#[test]
fn o4_a_negative_pause_does_not_suspend() {
    o4(Plain);
}
#[test]
fn o4_a_signal_loops_negative_pause_does_not_suspend() {
    o4(Signalled);
}

fn o5<L: SignalLoop + Clone + Send>(make: fn(Seen, Does) -> L, interval: Option<f64>, later: bool) {
    virtual_time(async move {
        let seen = Seen::default();
        let l = idle(make(seen.clone(), Does::Pauses(interval)), &seen);
        pre(&l, &seen);
        let first = tokio::task::spawn_local(l.until_paused());
        if later {
            tokio::time::sleep(MS).await;
        }
        assert_eq!(l.start().await, Ok(true));
        after(&l, &seen).await;
        tokio::time::sleep(MS).await;
        assert!(first.is_finished(), "it did pause");
        let second = tokio::task::spawn_local(l.until_paused());
        settle().await;
        if later {
            assert_eq!(l.resume_later().await, Ok(true));
            after(&l, &seen).await;
        } else {
            assert_eq!(l.resume().await, Ok(true));
            settle().await;
            fin(&l, &seen);
        }
        tokio::time::sleep(2 * MS).await;
        fin(&l, &seen);
        assert!(!second.is_finished(), "it did not pause again");
    });
}

#[test]
fn o5_resume_ends_a_pause_before_its_time() {
    for interval in [Some(10.0), None] {
        for later in [false, true] {
            o5(Plain, interval, later);
            o5(Signalled, interval, later);
        }
    }
}

fn o6<L: SignalLoop + Clone + Send>(make: fn(Seen, Does) -> L) {
    virtual_time(async move {
        let seen = Seen::default();
        let l = idle(make(seen.clone(), Does::Pauses(Some(10.0))), &seen);
        pre(&l, &seen);
        let before = [l.until_paused(), l.until_paused()].map(tokio::task::spawn_local);
        assert_eq!(l.start().await, Ok(true));
        after(&l, &seen).await;
        tokio::time::sleep(MS).await;
        assert!(before.iter().all(|b| b.is_finished()));
        let again = [l.until_paused(), l.until_paused()].map(tokio::task::spawn_local);
        settle().await;
        let (one, two) = (l.resume_later(), l.resume_later());
        assert_eq!((one.await, two.await), (Ok(true), Ok(true)));
        after(&l, &seen).await;
        tokio::time::sleep(2 * MS).await;
        fin(&l, &seen);
        assert!(again.iter().all(|a| !a.is_finished()), "one resume only");
    });
}

#[test]
fn o6_postponed_resumes_count_once() {
    o6(Plain);
    o6(Signalled);
}

/// The signal of O7: anything; objects are compared by identity.
#[derive(Clone, Debug)]
enum Any {
    Bool(bool),
    Null,
    Text(&'static str),
    Object(Arc<Mutex<u8>>),
}
impl PartialEq for Any {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Object(a), Self::Object(b)) => Arc::ptr_eq(a, b),
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Text(a), Self::Text(b)) => a == b,
            (Self::Null, Self::Null) => true,
            _ => false,
        }
    }
}
#[derive(Clone, Debug, Default, PartialEq)]
enum Payload {
    #[default]
    Nothing,
    Got(Any),
    Timer,
}

#[derive(Clone, Default)]
struct Catcher {
    seen: Seen,
    payload: Arc<Mutex<Payload>>,
    caught: Arc<Mutex<Option<LoopError>>>,
    interval_ms: Arc<AtomicU32>,
    /// The inner future: a pause of the loop, or a foreign sleep.
    pauses: bool,
}
impl SignalLoop for Catcher {
    type Signal = Any;
    fn name(&self) -> String {
        "PONY".into()
    }
    async fn run(&mut self, cx: &mut LoopCx<Any>) -> Result<(), LoopError> {
        self.seen.inited.store(true, Relaxed);
        loop {
            let time = self.interval_ms.load(Relaxed) * MS;
            let nap = cx.pause(if self.pauses { time } else { Duration::ZERO });
            let waited = if self.pauses {
                cx.wait_signal(nap).await
            } else {
                drop(nap);
                cx.wait_signal(tokio::time::sleep(time)).await
            };
            match waited {
                Ok(Waited::Signal(s)) => *self.payload.lock().unwrap() = Payload::Got(s),
                Ok(Waited::Done(())) => *self.payload.lock().unwrap() = Payload::Timer,
                Err(e) => {
                    *self.caught.lock().unwrap() = Some(e);
                    break;
                }
            }
        }
        self.seen.ran.store(true, Relaxed);
        Ok(())
    }
}

fn o7(pauses: bool) {
    virtual_time(async move {
        let value = Catcher {
            pauses,
            interval_ms: Arc::new(AtomicU32::new(500)),
            ..Catcher::default()
        };
        let (seen, payload) = (value.seen.clone(), Arc::clone(&value.payload));
        let l = idle(value.clone(), &seen);
        pre(&l, &seen);
        assert_eq!(l.start().await, Ok(true));
        settle().await;
        after(&l, &seen).await;
        let object = Arc::new(Mutex::new(1));
        for signal in [
            Any::Bool(true),
            Any::Bool(false),
            Any::Null,
            Any::Text("test"),
            Any::Object(Arc::clone(&object)),
        ] {
            assert_eq!(l.signal(signal.clone()).await, Ok(SignalOutcome::Delivered));
            assert_eq!(*payload.lock().unwrap(), Payload::Got(signal));
            after(&l, &seen).await;
        }
        value.interval_ms.store(100, Relaxed);
        assert_eq!(
            l.signal(Any::Bool(true)).await,
            Ok(SignalOutcome::Delivered)
        );
        assert_eq!(*payload.lock().unwrap(), Payload::Got(Any::Bool(true)));
        after(&l, &seen).await;
        tokio::time::sleep(110 * MS).await;
        assert_eq!(*payload.lock().unwrap(), Payload::Timer);
        after(&l, &seen).await;
        let error = LoopError::msg("Test");
        let outcome = l.signal_error(error.clone()).await;
        assert_eq!(outcome, Ok(SignalOutcome::Delivered));
        settle().await;
        let caught = value.caught.lock().unwrap().take().unwrap();
        assert!(Arc::ptr_eq(&caught.shared(), &error.shared()), "{caught}");
        fin(&l, &seen);
    });
}

#[test]
fn o7_signals_arrive_as_sent_and_errors_are_raised() {
    o7(false);
}
#[test]
fn o7_signals_end_a_pause_too() {
    o7(true);
}

#[derive(Clone, Copy, Debug)]
enum Ways {
    Plain,
    Async,
    Ready,
}

async fn way(ways: Ways) {
    match ways {
        Ways::Plain => {}
        Ways::Async => tokio::time::sleep(Duration::from_micros(500)).await,
        Ways::Ready => std::future::ready(()).await,
    }
}

fn o8(ways: Ways, by_signal: bool) {
    virtual_time(async move {
        let flow = Arc::new(Mutex::new(Flow::Pause));
        let turns = Arc::new(AtomicU32::new(0));
        let (next, counted) = (Arc::clone(&flow), Arc::clone(&turns));
        let l = loop_once(
            GenericLoop::new("PONY", async move |cx: &mut LoopCx<bool>| {
                assert_eq!(cx.name(), "PONY");
                counted.fetch_add(1, Relaxed);
                way(ways).await;
                *next.lock().unwrap()
            }),
            (),
        )
        .policy(RestartPolicy::Temporary)
        .idle()
        .spawn();
        let look = || (turns.load(Relaxed), l.status().pauses);
        assert!(!l.is_running());
        assert_eq!(look(), (0, 0));
        assert_eq!(l.start().await, Ok(true));
        tokio::time::sleep(2 * MS).await;
        assert_eq!(look(), (1, 1));
        assert_eq!(l.status().last_pause, Some(None));
        *flow.lock().unwrap() = Flow::Sleep(100 * MS);
        assert_eq!(l.resume().await, Ok(true));
        tokio::time::sleep(2 * MS).await;
        assert_eq!(look(), (2, 2));
        assert_eq!(l.status().last_pause, Some(Some(100 * MS)));
        tokio::time::sleep(48 * MS).await;
        assert_eq!(look(), (2, 2));
        tokio::time::sleep(60 * MS).await;
        assert_eq!(look(), (3, 3));
        assert_eq!(l.resume().await, Ok(true));
        tokio::time::sleep(2 * MS).await;
        assert_eq!(look(), (4, 4));
        if by_signal {
            assert_eq!(l.signal(true).await, Ok(SignalOutcome::Delivered));
            settle().await;
            assert_eq!(look(), (4, 4));
        } else {
            *flow.lock().unwrap() = Flow::Stop;
            assert_eq!(l.resume().await, Ok(true));
            tokio::time::sleep(2 * MS).await;
            assert_eq!(look(), (5, 4), "a stop is not reported as a pause");
        }
        assert!(!l.is_running());
        assert_eq!(counts(&l), (1, 1));
    });
}

#[test]
fn o8_a_generic_loop_follows_what_its_closure_returns() {
    for ways in [Ways::Plain, Ways::Async, Ways::Ready] {
        o8(ways, true);
        o8(ways, false);
    }
}

fn o9(ways: Ways, by_signal: bool) {
    virtual_time(async move {
        let done = Arc::new(AtomicBool::new(false));
        let turns = Arc::new(AtomicU32::new(0));
        let (ends, counted) = (Arc::clone(&done), Arc::clone(&turns));
        let l = loop_once(
            PeriodicLoop::new("PONY", Some(100 * MS), async move |_: &mut LoopCx<bool>| {
                counted.fetch_add(1, Relaxed);
                way(ways).await;
                ends.load(Relaxed)
            }),
            (),
        )
        .policy(RestartPolicy::Temporary)
        .idle()
        .spawn();
        assert_eq!(l.start().await, Ok(true));
        tokio::time::sleep(2 * MS).await;
        assert_eq!(turns.load(Relaxed), 1, "runs first");
        tokio::time::sleep(48 * MS).await;
        assert_eq!(turns.load(Relaxed), 1);
        tokio::time::sleep(60 * MS).await;
        assert_eq!(turns.load(Relaxed), 2);
        assert_eq!(l.resume().await, Ok(true));
        tokio::time::sleep(2 * MS).await;
        assert_eq!(turns.load(Relaxed), 3);
        if by_signal {
            assert_eq!(l.signal(true).await, Ok(SignalOutcome::Delivered));
            settle().await;
            assert_eq!(turns.load(Relaxed), 3);
        } else {
            done.store(true, Relaxed);
            assert_eq!(l.resume().await, Ok(true));
            tokio::time::sleep(2 * MS).await;
            assert_eq!(turns.load(Relaxed), 4);
        }
        assert!(!l.is_running());
        assert_eq!(counts(&l), (1, 1));
    });
}

#[test]
fn o9_a_periodic_loop_runs_first_and_then_by_its_period() {
    for ways in [Ways::Plain, Ways::Async, Ways::Ready] {
        o9(ways, true);
        o9(ways, false);
    }
}

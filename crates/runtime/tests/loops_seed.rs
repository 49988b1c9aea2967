//! The loops as the seed describes them (cases S36–S42), and what deliberately differs.
#![allow(clippy::unwrap_used)]

mod common;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use actix::prelude::*;
use actogram_runtime::{Supervisor, *};
use common::{MS, settle, steady, virtual_time};
use tokio::time::Instant;

const S: Duration = Duration::from_secs(1);

type Log = Arc<Mutex<Vec<String>>>;

fn take(log: &Log) -> Vec<String> {
    std::mem::take(&mut log.lock().unwrap())
}

/// The seed's own example: a cron whose period can be changed by signals.
#[derive(Clone)]
struct Cron {
    every: Option<Duration>,
    log: Log,
    born: Instant,
}
impl SignalLoop<&'static str> for Cron {
    type Signal = i64;
    fn name(&self) -> String {
        "my cron signal loop".into()
    }
    async fn run(&mut self, cx: &mut LoopCx<i64, &'static str>) -> Result<(), LoopError> {
        loop {
            let nap = cx.pause(self.every);
            match cx.wait_signal(nap).await? {
                Waited::Signal(s) if s <= 0 => return Ok(()),
                Waited::Signal(s) => self.every = Some(Duration::from_secs(s.unsigned_abs())),
                Waited::Done(()) => {}
            }
            let at = self.born.elapsed().as_secs();
            self.log.lock().unwrap().push(format!("{} {at}", cx.env()));
        }
    }
}

fn cron(every: Option<Duration>) -> (Cron, Log) {
    let log = Log::default();
    (
        Cron {
            every,
            log: Arc::clone(&log),
            born: Instant::now(),
        },
        log,
    )
}

#[test]
fn s36_a_loop_runs_once_per_start_and_can_be_started_again_with_the_same_value() {
    #[derive(Clone)]
    struct Counting(u32, Log);
    impl Loop for Counting {
        fn name(&self) -> String {
            "counting".into()
        }
        async fn run(&mut self, cx: &mut LoopCx<NoSignal>) -> Result<(), LoopError> {
            self.0 += 1;
            self.1
                .lock()
                .unwrap()
                .push(format!("{} {}", cx.name(), self.0));
            Ok(())
        }
    }
    virtual_time(async {
        let log = Log::default();
        let l = loop_of(Counting(0, Arc::clone(&log)), ()).idle().spawn();
        for _ in 0..3 {
            assert_eq!(l.start().await, Ok(true));
            assert_eq!(l.until_ended().await, Ok(true));
        }
        assert_eq!(take(&log), ["counting 1", "counting 2", "counting 3"]);
    });
}

/// Nobody knows in what state a panic left it.
#[test]
fn s36_a_loop_that_panicked_is_started_again_with_a_pristine_value() {
    #[derive(Clone)]
    struct Counting(u32, Log);
    impl Loop for Counting {
        fn name(&self) -> String {
            "counting".into()
        }
        async fn run(&mut self, _: &mut LoopCx<NoSignal>) -> Result<(), LoopError> {
            self.0 += 1;
            self.1.lock().unwrap().push(self.0.to_string());
            assert!(self.0 != 2, "halfway");
            Ok(())
        }
    }
    virtual_time(async {
        let log = Log::default();
        let l = loop_of(Counting(0, Arc::clone(&log)), ())
            .policy(RestartPolicy::Temporary)
            .idle()
            .spawn();
        for _ in 0..4 {
            assert_eq!(l.start().await, Ok(true));
            assert_eq!(l.until_ended().await, Ok(true));
        }
        assert_eq!(take(&log), ["1", "2", "1", "2"]);
    });
}

#[test]
fn s37_a_second_pause_replaces_the_time_of_the_first() {
    #[derive(Clone)]
    struct Two(Log, Instant);
    impl Loop for Two {
        fn name(&self) -> String {
            "two".into()
        }
        async fn run(&mut self, cx: &mut LoopCx<NoSignal>) -> Result<(), LoopError> {
            let (first, second) = (cx.pause(S), cx.pause(5 * S));
            futures_util::future::join(first, second).await;
            self.0
                .lock()
                .unwrap()
                .push(format!("{}", self.1.elapsed().as_secs()));
            // Fractions, and a resume while it is not paused is not remembered.
            tokio::time::sleep(S).await;
            cx.pause(0.5).await;
            self.0
                .lock()
                .unwrap()
                .push(format!("{}", self.1.elapsed().as_millis() / 100));
            // A pause that another has replaced takes nothing with it when it is dropped.
            let (first, second) = (cx.pause(S), cx.pause(2 * S));
            drop(first);
            second.await;
            self.0
                .lock()
                .unwrap()
                .push(format!("{}", self.1.elapsed().as_millis() / 100));
            Ok(())
        }
    }
    virtual_time(async {
        let log = Log::default();
        let l = loop_of(Two(Arc::clone(&log), Instant::now()), ()).spawn();
        tokio::time::sleep(5500 * MS).await;
        assert_eq!(l.resume().await, Ok(false), "at work");
        tokio::time::sleep(10 * S).await;
        assert_eq!(take(&log), ["5", "65", "85"]);
    });
}

#[test]
fn s38_a_signal_ends_a_wait_and_an_error_is_raised_in_it() {
    virtual_time(async {
        let (value, log) = cron(None);
        let l = loop_of(value, "hi")
            .policy(RestartPolicy::Temporary)
            .spawn();
        settle().await;
        assert_eq!(l.signal(3).await, Ok(SignalOutcome::Delivered));
        tokio::time::sleep(100 * MS).await;
        assert_eq!(take(&log), ["hi 0"]);
        let error = std::io::Error::other("no tea");
        assert_eq!(l.signal_error(error).await, Ok(SignalOutcome::Delivered));
        settle().await;
        assert!(!l.is_running());
        assert_eq!(l.status().last_error.as_deref(), Some("error: no tea"));
    });
}

#[test]
fn s39_resume_a_new_period_and_a_signal_that_stops() {
    virtual_time(async {
        let (value, log) = cron(Some(5 * S));
        let l = loop_of(value, "tick").spawn();
        tokio::time::sleep(12 * S).await;
        assert_eq!(take(&log), ["tick 5", "tick 10"]);
        assert_eq!(l.resume().await, Ok(true));
        settle().await;
        assert_eq!(take(&log), ["tick 12"]);
        assert_eq!(l.signal(1).await, Ok(SignalOutcome::Delivered));
        tokio::time::sleep(2500 * MS).await;
        assert_eq!(take(&log), ["tick 12", "tick 13", "tick 14"]);
        assert_eq!(l.signal(0).await, Ok(SignalOutcome::Delivered));
        settle().await;
        assert!(!l.is_running());
        assert_eq!(l.signal(9).await, Ok(SignalOutcome::Stopped));
        // A manual start goes on with the same value: the period is still one second.
        assert_eq!(l.start().await, Ok(true));
        tokio::time::sleep(1100 * MS).await;
        assert_eq!(take(&log).len(), 1);
    });
}

#[test]
fn s40_a_generic_loop_takes_numbers_flows_and_nothing() {
    virtual_time(async {
        let log = Log::default();
        let born = Instant::now();
        let kept = Arc::clone(&log);
        let mut script = [0.5, 0.0, -3.0, 2.0, -1.0].into_iter();
        let l = loop_once(
            GenericLoop::new("numbers", async move |_: &mut LoopCx<bool>| {
                kept.lock()
                    .unwrap()
                    .push(format!("{}", born.elapsed().as_millis() / 100));
                Ok(script.next().unwrap_or(-1.0))
            }),
            (),
        )
        .spawn();
        tokio::time::sleep(10 * S).await;
        assert_eq!(take(&log), ["0", "5", "5", "5", "25"]);
        assert!(!l.is_running());
        assert_eq!((l.status().iterations, l.status().pauses), (5, 2));

        // Nothing returned: paused until resumed. A false signal runs it now, a true one stops it.
        let kept = Arc::clone(&log);
        let l = loop_once(
            GenericLoop::new("nothing", async move |_: &mut LoopCx<bool>| {
                kept.lock().unwrap().push("run".into());
            }),
            (),
        )
        .spawn();
        tokio::time::sleep(100 * S).await;
        assert_eq!(take(&log), ["run"]);
        let _ = l.signal(false).await;
        settle().await;
        assert_eq!(take(&log), ["run"]);
        let _ = l.signal(true).await;
        settle().await;
        assert_eq!((take(&log).len(), l.is_running()), (0, false));
    });
}

#[test]
fn s41_the_period_can_change_while_it_runs() {
    virtual_time(async {
        let (value, log) = cron(Some(100 * S));
        let l = loop_of(value, "t").spawn();
        tokio::time::sleep(S).await;
        for period in [1, 2, 4] {
            let _ = l.signal(period).await;
            tokio::time::sleep(4500 * MS).await;
            assert_eq!(take(&log).len(), 1 + 4 / usize::try_from(period).unwrap());
        }
    });
}

#[test]
fn s42_a_periodic_loop_can_wait_first() {
    virtual_time(async {
        let runs = Arc::new(AtomicU32::new(0));
        for (wait_first, expected) in [(true, 2), (false, 3)] {
            runs.store(0, Relaxed);
            let counted = Arc::clone(&runs);
            let body = PeriodicLoop::new("p", Some(S), async move |_: &mut LoopCx<bool>| {
                counted.fetch_add(1, Relaxed);
            });
            let body = if wait_first { body.wait_first() } else { body };
            let l = loop_once(body, ()).spawn();
            tokio::time::sleep(2500 * MS).await;
            assert_eq!(runs.load(Relaxed), expected);
            assert_eq!(l.status().iterations, u64::from(expected));
            assert_eq!(l.signal(true).await, Ok(SignalOutcome::Delivered));
            settle().await;
            assert!(!l.is_running());
        }
    });
}

// -- the three deliberate differences -----------------------------------------------------------------------------------

#[test]
fn difference_1_a_signal_while_nobody_waits_is_kept_up_to_a_bound() {
    // S38 says: dropped silently. Ours wins: kept, and the sender is told.
    #[derive(Clone)]
    struct Busy(Log);
    impl SignalLoop for Busy {
        type Signal = u32;
        fn name(&self) -> String {
            "busy".into()
        }
        async fn run(&mut self, cx: &mut LoopCx<u32>) -> Result<(), LoopError> {
            tokio::time::sleep(S).await;
            while let Waited::Signal(s) = cx.wait_signal(tokio::time::sleep(S)).await? {
                self.0.lock().unwrap().push(s.to_string());
            }
            Ok(())
        }
    }
    virtual_time(async {
        let log = Log::default();
        let l = loop_of(Busy(Arc::clone(&log)), ())
            .signal_capacity(3)
            .spawn();
        let mut told = Vec::new();
        for n in 0..5 {
            told.push(l.signal(n).await.unwrap());
        }
        use SignalOutcome::{Full, Queued, Stopped};
        assert_eq!(told, [Queued, Queued, Queued, Full, Full]);
        assert_eq!(l.status().signals_queued, 3);
        tokio::time::sleep(3 * S).await;
        assert_eq!(take(&log), ["0", "1", "2"]);
        assert_eq!(l.signal(9).await, Ok(Stopped));
    });
}

#[test]
fn difference_2_a_timeout_is_not_signal_zero() {
    // S39 says: a timeout gives null, which is <= 0, and the example ends. Ours wins: it goes on.
    virtual_time(async {
        let (value, log) = cron(Some(S));
        let l = loop_of(value, "t").spawn();
        tokio::time::sleep(3500 * MS).await;
        assert_eq!((take(&log).len(), l.is_running()), (3, true));
    });
}

#[derive(Clone)]
struct Flaky {
    left: Arc<AtomicU32>,
    runs: Arc<AtomicU32>,
    own: u32,
    panics: bool,
}
impl Loop for Flaky {
    fn name(&self) -> String {
        "flaky".into()
    }
    async fn run(&mut self, cx: &mut LoopCx<NoSignal>) -> Result<(), LoopError> {
        self.own += 1;
        assert_eq!(self.own, 1, "a restart begins with a pristine copy");
        self.runs.fetch_add(1, Relaxed);
        cx.pause(10 * MS).await;
        if self.left.load(Relaxed) > 0 {
            self.left.fetch_sub(1, Relaxed);
            assert!(!self.panics, "deliberate: flaky");
            return Err(LoopError::msg("flaky"));
        }
        Ok(())
    }
}
fn flaky(failures: u32, panics: bool) -> Flaky {
    Flaky {
        left: Arc::new(AtomicU32::new(failures)),
        runs: Arc::default(),
        own: 0,
        panics,
    }
}

#[test]
fn difference_3_errors_and_panics_restart_with_back_off_and_surface_beyond_the_intensity() {
    for panics in [false, true] {
        virtual_time(async move {
            let failures = Failures::new(Escalation::Exit);
            let value = flaky(2, panics);
            let l = loop_of(value.clone(), ())
                .backoff(steady())
                .failures(&failures)
                .spawn();
            let from = Instant::now();
            while l.status().starts == 0 || l.is_running() {
                tokio::time::sleep(MS).await;
            }
            // 10 + 100 + 10 + 200 + 10 ms
            assert!(
                (329..=340).contains(&from.elapsed().as_millis()),
                "{:?}",
                from.elapsed()
            );
            assert_eq!(value.runs.load(Relaxed), 3);
            assert_eq!((l.status().restarts, failures.count()), (2, 0));

            let l = loop_of(flaky(9, panics), ())
                .backoff(steady())
                .intensity(RestartIntensity::new(2, 60 * S))
                .failures(&failures)
                .spawn();
            let failure = failures.surfaced().await;
            let text = failure.to_string();
            assert!(text.contains("flaky failed 3 times"), "{text}");
            assert!(!l.is_running());
            assert_eq!(l.start().await, Ok(true), "it can be started again");
        });
    }
}

// -- control ------------------------------------------------------------------------------------------------------------

#[test]
fn stop_is_handled_within_one_turn_behind_ten_thousand_signals() {
    virtual_time(async {
        let (value, log) = cron(None);
        let l = loop_of(value, "t").signal_capacity(usize::MAX).spawn();
        settle().await;
        let sent: Vec<_> = (0..10_000).map(|_| l.signal(1)).collect();
        assert_eq!(l.stop().await, Ok(true));
        assert!(!l.is_running());
        settle().await;
        assert_eq!(take(&log).len(), 0);
        assert_eq!(l.status().ends, 1);
        // The stop overtook every one of them, and each sender was told.
        for told in sent {
            assert_eq!(told.await, Ok(SignalOutcome::Stopped));
        }
    });
}

#[test]
fn a_pause_lasts_as_long_whether_signals_are_kept_or_not() {
    #[derive(Clone)]
    struct Napper(Log);
    impl SignalLoop for Napper {
        type Signal = i64;
        fn name(&self) -> String {
            "napper".into()
        }
        async fn run(&mut self, cx: &mut LoopCx<i64>) -> Result<(), LoopError> {
            let say = |what: String, since: Instant| {
                let line = format!("{what} after {} s", since.elapsed().as_secs());
                self.0.lock().unwrap().push(line);
            };
            for kept in ["kept", "none"] {
                let since = Instant::now();
                let nap = cx.pause(5 * S);
                tokio::time::sleep(3 * S).await;
                nap.await;
                say(kept.to_owned(), since);
                while let Waited::Signal(_) = cx.wait_signal(async {}).await? {}
            }
            cx.pause(None::<Duration>).await;
            // One pause that goes on across signals.
            let since = Instant::now();
            let mut nap = std::pin::pin!(cx.pause(5 * S));
            while let Waited::Signal(n) = cx.wait_signal(nap.as_mut()).await? {
                say(format!("signal {n}"), since);
                tokio::time::sleep(S).await;
            }
            say("one pause".to_owned(), since);
            Ok(())
        }
    }
    virtual_time(async {
        let log = Log::default();
        let l = loop_of(Napper(Arc::clone(&log)), ()).spawn();
        let before = [l.signal(1), l.signal(2)];
        for ack in before {
            assert_eq!(ack.await, Ok(SignalOutcome::Queued));
        }
        tokio::time::sleep(4 * S).await;
        assert_eq!(l.status().resumes_in_ms, Some(1000));
        tokio::time::sleep(20 * S).await;
        assert_eq!(take(&log), ["kept after 5 s", "none after 5 s"]);

        let (woken, three, four) = (l.resume(), l.signal(3), l.signal(4));
        assert_eq!(woken.await, Ok(true));
        assert_eq!(three.await, Ok(SignalOutcome::Queued));
        assert_eq!(four.await, Ok(SignalOutcome::Queued));
        l.until_ended().await.unwrap();
        assert_eq!(
            take(&log),
            [
                "signal 3 after 0 s",
                "signal 4 after 1 s",
                "one pause after 5 s"
            ]
        );
    });
}

#[test]
fn pause_from_outside_holds_the_loop_until_resume_but_not_its_signals() {
    virtual_time(async {
        let (value, log) = cron(Some(S));
        let l = loop_of(value, "t").spawn();
        tokio::time::sleep(1500 * MS).await;
        assert_eq!(l.pause().await, Ok(true));
        tokio::time::sleep(100 * S).await;
        assert_eq!(take(&log).len(), 1);
        assert!(l.is_paused() && l.status().resumes_in_ms.is_none());
        assert_eq!(l.signal(2).await, Ok(SignalOutcome::Delivered));
        tokio::time::sleep(100 * S).await;
        assert_eq!(take(&log).len(), 1, "the signal, and no tick after it");
        assert_eq!(l.resume().await, Ok(true));
        tokio::time::sleep(2100 * MS).await;
        assert_eq!(take(&log).len(), 2);
        assert_eq!(l.stop().await, Ok(true));
        assert_eq!((l.pause().await, l.resume().await), (Ok(false), Ok(false)));
    });
}

#[test]
fn a_loop_that_backs_off_can_be_stopped_started_and_keeps_its_signals() {
    #[derive(Clone)]
    struct Once(Arc<AtomicU32>, Log);
    impl SignalLoop for Once {
        type Signal = u8;
        fn name(&self) -> String {
            "once".into()
        }
        async fn run(&mut self, cx: &mut LoopCx<u8>) -> Result<(), LoopError> {
            if self.0.fetch_add(1, Relaxed) == 0 {
                return Err(LoopError::msg("first"));
            }
            if let Waited::Signal(s) = cx.wait_signal(cx.pause(None::<f64>)).await? {
                self.1.lock().unwrap().push(s.to_string());
            }
            Ok(())
        }
    }
    virtual_time(async {
        let (runs, log) = (Arc::new(AtomicU32::new(0)), Log::default());
        let make = || {
            loop_of(Once(Arc::clone(&runs), Arc::clone(&log)), ())
                .backoff(Backoff::constant(60 * S))
        };
        let l = make().spawn();
        settle().await;
        assert!(l.status().backing_off && l.is_running());
        assert_eq!(l.start().await, Ok(false));
        assert_eq!(l.signal(7).await, Ok(SignalOutcome::Queued));
        tokio::time::sleep(61 * S).await;
        assert_eq!(take(&log), ["7"]);

        runs.store(0, Relaxed);
        let l = make().spawn();
        settle().await;
        let from = Instant::now();
        assert_eq!(l.stop().await, Ok(true));
        assert_eq!(l.stop().await, Ok(false));
        assert_eq!(l.start().await, Ok(true));
        settle().await;
        assert_eq!(l.signal(8).await, Ok(SignalOutcome::Delivered));
        assert_eq!(
            (take(&log), from.elapsed()),
            (vec!["8".to_owned()], Duration::ZERO)
        );
        tokio::time::sleep(100 * S).await;
        assert_eq!(l.status().starts, 2, "the old back-off timer is gone");
    });
}

#[test]
fn a_factory_that_panics_counts_as_a_failure() {
    virtual_time(async {
        let calls = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&calls);
        let l = loop_with(
            move || {
                assert!(counted.fetch_add(1, Relaxed) >= 2, "deliberate: factory");
                flaky(0, false)
            },
            (),
        )
        .backoff(steady())
        .spawn();
        tokio::time::sleep(S).await;
        assert_eq!(
            (l.name().as_str(), l.status().restarts, l.is_running()),
            ("Flaky", 1, false)
        );
    });
}

#[test]
fn loops_are_found_by_name_and_signalled_without_their_type() {
    virtual_time(async {
        let registry = LoopRegistry::default();
        let (value, log) = cron(None);
        let l = loop_of(value, "t").register_in(&registry).spawn();
        let flaky = loop_of(flaky(0, false), ())
            .register_in(&registry)
            .idle()
            .spawn();
        settle().await;
        let recipient: Recipient<Signal<i64>> = registry.signals("my cron signal loop").unwrap();
        assert_eq!(
            recipient.send(Signal(3)).await.unwrap(),
            SignalOutcome::Delivered
        );
        assert_eq!(take(&log).len(), 1);
        let error = registry.signals::<u8>("my cron signal loop").unwrap_err();
        assert!(
            error
                .to_string()
                .contains("takes signals of type i64, not u8")
        );
        let error = registry.get("my corn").err().unwrap();
        assert!(
            error
                .to_string()
                .contains("known: flaky, my cron signal loop"),
            "{error}"
        );
        let found = registry.get("my cron signal loop").unwrap();
        assert_eq!(found.stop().await, Ok(true));
        assert_eq!(registry.statuses().len(), 2);
        // One that shares its name replaces nobody: the name says nothing any more, until one of them is gone.
        let (value, _log) = cron(None);
        let other = loop_of(value, "t").register_in(&registry).spawn();
        let error = registry.get("my cron signal loop").err().unwrap();
        assert_eq!(
            error,
            RegistryError::Ambiguous {
                name: "my cron signal loop".into(),
                count: 2
            }
        );
        assert_eq!(registry.all().len(), 3);
        other.actor().stop();
        other.actor().join().await;
        assert!(registry.get("my cron signal loop").is_ok());
        flaky.actor().stop();
        flaky.actor().join().await;
        assert_eq!(registry.statuses().len(), 1);
        assert_eq!(flaky.start().await, Err(LoopGone("flaky".into())));
        drop(l);
    });
}

#[test]
fn a_loop_is_seen_in_the_tree_and_ends_with_it() {
    virtual_time(async {
        let root = Supervisor::root("root").start();
        let (value, log) = cron(Some(10 * S));
        let l = loop_of(value, "t").under(&root).spawn();
        // A dropped handle ends nothing.
        let actor = l.actor();
        drop(l);
        tokio::time::sleep(25 * S).await;
        assert_eq!(take(&log).len(), 2);
        let snapshot = root.snapshot();
        let node = snapshot.root.find("my cron signal loop").unwrap();
        assert_eq!(node.details["loop"], "paused");
        assert_eq!(node.details["resumes in ms"], "5000");
        root.stop();
        root.join().await;
        assert!(matches!(actor.join().await, ExitReason::Stopped));
        tokio::time::sleep(100 * S).await;
        assert_eq!(take(&log).len(), 0);
    });
}

#[test]
fn a_loop_restarted_a_thousand_times_still_works() {
    virtual_time(async {
        let value = flaky(1000, true);
        let l = loop_of(value.clone(), ())
            .backoff(Backoff::constant(MS))
            .intensity(RestartIntensity::UNLIMITED)
            .spawn();
        tokio::time::sleep(60 * S).await;
        assert_eq!((value.runs.load(Relaxed), l.is_running()), (1001, false));
        // The test's own, the pristine copy and the one that ended well; the thousand that panicked are gone.
        assert_eq!(Arc::strong_count(&value.runs), 3);
    });
}

#[test]
fn a_loop_can_live_on_another_arbiter() {
    System::new().block_on(async {
        let arbiter = Arbiter::new();
        let l = loop_of(
            Cron {
                every: None,
                log: Log::default(),
                born: Instant::now(),
            },
            "t",
        )
        .spawn_in(&arbiter.handle());
        // Not `until_paused`: it may have paused already, and then that waits for the next pause.
        while !(l.is_running() && l.is_paused()) {
            tokio::time::sleep(MS).await;
        }
        assert_eq!(l.stop().await, Ok(true));
        arbiter.stop();
        arbiter.join().unwrap();
        assert!(matches!(l.actor().join().await, ExitReason::Killed));
    });
}

// -- the order of pause, resume and signals -----------------------------------------------------------------------------

#[derive(Clone, Copy, Debug, PartialEq)]
enum Step {
    Pause,
    Resume,
    Signal(u8),
    Wait(u8),
    StopStart,
}

/// Records each signal and each time its pause ended otherwise.
#[derive(Clone)]
struct Recorder(Log);
impl SignalLoop for Recorder {
    type Signal = u8;
    fn name(&self) -> String {
        "recorder".into()
    }
    async fn run(&mut self, cx: &mut LoopCx<u8>) -> Result<(), LoopError> {
        loop {
            let waited = cx.wait_signal(cx.pause(100 * MS)).await?;
            let mut log = self.0.lock().unwrap();
            match waited {
                Waited::Signal(s) => log.push(format!("s{s}")),
                Waited::Done(()) => log.push("tick".into()),
            }
        }
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 200, failure_persistence: None, ..Default::default() })]
    #[test]
    fn pause_resume_and_signals_keep_to_the_model(steps in proptest::collection::vec(
        proptest::prop_oneof![
            proptest::prelude::Just(Step::Pause),
            proptest::prelude::Just(Step::Resume),
            (0u8..250).prop_map(Step::Signal),
            (1u8..40).prop_map(Step::Wait),
            proptest::prelude::Just(Step::StopStart),
        ], 0..40))
    {
        let (real, model) = virtual_time(async move {
            let log = Log::default();
            let l = loop_of(Recorder(Arc::clone(&log)), ()).spawn();
            settle().await;
            // The model: when the present pause began, and whether it is held.
            let (mut now, mut began, mut held, mut model) = (0u64, 0u64, false, Vec::new());
            for step in steps {
                match step {
                    Step::Pause => {
                        assert_eq!(l.pause().await, Ok(true));
                        held = true;
                    }
                    Step::Resume => {
                        assert_eq!(l.resume().await, Ok(true));
                        (held, began) = (false, now);
                        model.push("tick".to_owned());
                    }
                    Step::Signal(s) => {
                        assert_eq!(l.signal(s).await, Ok(SignalOutcome::Delivered));
                        began = now;
                        model.push(format!("s{s}"));
                    }
                    Step::Wait(tens) => {
                        // Always to the middle between two ticks of the model.
                        let end = now + u64::from(tens) * 10;
                        while !held && began + 100 <= end {
                            began += 100;
                            model.push("tick".to_owned());
                        }
                        now = end;
                        tokio::time::sleep(u32::from(tens) * 10 * MS).await;
                        settle().await;
                    }
                    Step::StopStart => {
                        let (stopped, started) = (l.stop(), l.start());
                        assert_eq!((stopped.await, started.await), (Ok(true), Ok(true)));
                        (held, began) = (false, now);
                    }
                }
                settle().await;
            }
            (take(&log), model)
        });
        proptest::prop_assert_eq!(real, model);
    }
}
use proptest::strategy::Strategy as _;

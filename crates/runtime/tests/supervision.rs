//! One supervised actor: what survives which failure, what ends it, what it costs its arbiter.
#![allow(clippy::unwrap_used)]

mod common;

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use actix::prelude::*;
use actogram_runtime::*;
use common::{MS, settle, steady, virtual_time};
use tokio::time::Instant;

/// Where the actor of these tests panics.
#[derive(Clone, Copy, PartialEq, Debug)]
enum At {
    Handler,
    AsyncHandler,
    SpawnedFuture,
    Timer,
    Interval,
    Started,
    Factory,
    Drop,
    Stopping,
    Stopped,
    WaitedFuture,
}

#[derive(Default)]
struct World {
    lives: Cell<u32>,
    log: RefCell<Vec<u32>>,
    fail_first: Cell<Option<At>>,
}

struct Subject {
    world: Rc<World>,
    life: u32,
    seen: u32,
}

impl Subject {
    fn boom(&self, at: At) {
        if self.world.fail_first.get() == Some(at) {
            self.world.fail_first.set(None);
            panic!("deliberate: {at:?}");
        }
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        self.boom(At::Drop);
    }
}

impl Actor for Subject {
    type Context = SupervisedContext<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.boom(At::Started);
        match self.world.fail_first.get() {
            Some(At::SpawnedFuture) => {
                ctx.spawn(
                    async {}
                        .into_actor(self)
                        .map(|(), act, _| act.boom(At::SpawnedFuture)),
                );
            }
            Some(At::Timer) => {
                ctx.run_later(5 * MS, |act, _| act.boom(At::Timer));
            }
            Some(At::Interval) => {
                ctx.run_interval(5 * MS, |act, _| act.boom(At::Interval));
            }
            Some(At::WaitedFuture) => {
                ctx.wait(
                    tokio::time::sleep(5 * MS)
                        .into_actor(self)
                        .map(|(), act, _| act.boom(At::WaitedFuture)),
                );
            }
            _ => {}
        }
    }

    fn stopping(&mut self, _: &mut Self::Context) -> Running {
        self.boom(At::Stopping);
        Running::Stop
    }

    fn stopped(&mut self, _: &mut Self::Context) {
        self.boom(At::Stopped);
    }
}

#[derive(Message)]
#[rtype(result = "(u32, u32)")]
struct Ping(u32);
impl Handler<Ping> for Subject {
    type Result = MessageResult<Ping>;
    fn handle(&mut self, Ping(n): Ping, _: &mut Self::Context) -> Self::Result {
        self.boom(At::Handler);
        self.seen += 1;
        self.world.log.borrow_mut().push(n);
        MessageResult((self.life, self.seen))
    }
}

#[derive(Message)]
#[rtype(result = "()")]
struct Later;
impl Handler<Later> for Subject {
    type Result = ResponseActFuture<Self, ()>;
    fn handle(&mut self, _: Later, _: &mut Self::Context) -> Self::Result {
        Box::pin(
            tokio::time::sleep(MS)
                .into_actor(self)
                .map(|(), act, _| act.boom(At::AsyncHandler)),
        )
    }
}

#[derive(Message)]
#[rtype(result = "()")]
struct Quit;
impl Handler<Quit> for Subject {
    type Result = ();
    fn handle(&mut self, _: Quit, ctx: &mut Self::Context) {
        ctx.stop();
    }
}

#[derive(Message)]
#[rtype(result = "()")]
struct Fail;
impl Handler<Fail> for Subject {
    type Result = ();
    fn handle(&mut self, _: Fail, ctx: &mut Self::Context) {
        ctx.fail("out of coffee");
    }
}

fn subject(world: &Rc<World>) -> impl FnMut(&mut SupervisedContext<Subject>) -> Subject + 'static {
    let world = Rc::clone(world);
    move |_| {
        world.lives.set(world.lives.get() + 1);
        if world.fail_first.get() == Some(At::Factory) {
            world.fail_first.set(None);
            panic!("deliberate: factory");
        }
        Subject {
            life: world.lives.get(),
            world: Rc::clone(&world),
            seen: 0,
        }
    }
}

/// Panics once at a place; then the same address answers from a fresh value, and messages queued meanwhile are handled.
fn survives(at: At) {
    virtual_time(async move {
        let world = Rc::<World>::default();
        world.fail_first.set(Some(at));
        let child = supervise(subject(&world)).backoff(steady()).spawn();
        let addr = child.addr().clone();
        match at {
            At::Handler => assert_eq!(addr.send(Ping(0)).await, Err(MailboxError::Closed)),
            At::AsyncHandler => assert_eq!(addr.send(Later).await, Err(MailboxError::Closed)),
            At::Drop | At::Stopping | At::Stopped => addr.do_send(Quit),
            _ => {}
        }
        // Before the back-off is over: queued.
        child
            .handle()
            .join_or_state(|s| matches!(s, ChildState::BackingOff { .. }))
            .await;
        let queued: Vec<_> = (1..=3).map(|n| addr.send(Ping(n))).collect();
        let asked = Instant::now();
        let answers = futures_util::future::join_all(queued).await;
        assert!(
            asked.elapsed() >= 99 * MS && asked.elapsed() <= 102 * MS,
            "{:?}",
            asked.elapsed()
        );
        let life = world.lives.get();
        assert_eq!(life, 2);
        assert_eq!(answers, [Ok((life, 1)), Ok((life, 2)), Ok((life, 3))]);
        assert_eq!(*world.log.borrow(), [1, 2, 3]);
        assert!(child.last_exit().unwrap().is_panic());
        assert_eq!(child.restarts(), 1);
    });
}

/// Polling helper: these tests watch states from outside.
trait Until {
    async fn join_or_state(&self, wanted: impl Fn(ChildState) -> bool);
}
impl Until for ChildHandle {
    async fn join_or_state(&self, wanted: impl Fn(ChildState) -> bool) {
        for _ in 0..100_000 {
            if wanted(self.state()) {
                return;
            }
            settle().await;
            tokio::time::sleep(Duration::from_micros(100)).await;
        }
        panic!("state never came, now {:?}", self.state());
    }
}

#[test]
fn a_panic_in_a_handler_is_survived() {
    survives(At::Handler);
}
#[test]
fn a_panic_in_an_async_handler_is_survived() {
    survives(At::AsyncHandler);
}
#[test]
fn a_panic_in_a_spawned_future_is_survived() {
    survives(At::SpawnedFuture);
}
#[test]
fn a_panic_in_a_timer_is_survived() {
    survives(At::Timer);
}
#[test]
fn a_panic_in_an_interval_is_survived() {
    survives(At::Interval);
}
#[test]
fn a_panic_in_a_waited_future_is_survived() {
    survives(At::WaitedFuture);
}
#[test]
fn a_panic_in_started_is_survived() {
    survives(At::Started);
}
#[test]
fn a_panic_in_the_factory_is_survived() {
    survives(At::Factory);
}
#[test]
fn a_panic_in_drop_is_survived() {
    survives(At::Drop);
}
#[test]
fn a_panic_in_stopping_is_survived() {
    survives(At::Stopping);
}
#[test]
fn a_panic_in_stopped_is_survived() {
    survives(At::Stopped);
}

#[test]
fn a_value_that_panics_in_a_handler_and_again_in_drop_does_not_abort() {
    struct Twice(Rc<Cell<u32>>);
    impl Drop for Twice {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
            if self.0.get() == 1 {
                panic!("deliberate: drop");
            }
        }
    }
    impl Actor for Twice {
        type Context = SupervisedContext<Self>;
    }
    impl Handler<Quit> for Twice {
        type Result = ();
        fn handle(&mut self, _: Quit, _: &mut Self::Context) {
            if self.0.get() == 0 {
                panic!("deliberate: handler");
            }
        }
    }
    virtual_time(async {
        let drops = Rc::new(Cell::new(0));
        let counted = Rc::clone(&drops);
        let child = supervise(move |_| Twice(Rc::clone(&counted)))
            .backoff(steady())
            .spawn();
        assert!(child.send(Quit).await.is_err());
        assert!(child.send(Quit).await.is_ok());
        assert_eq!((drops.get(), child.restarts()), (1, 1));
    });
}

#[test]
fn exits_are_told_apart() {
    virtual_time(async {
        let world = Rc::<World>::default();
        let temporary = || {
            supervise(subject(&world))
                .policy(RestartPolicy::Temporary)
                .spawn()
        };
        let child = temporary();
        child.send(Quit).await.unwrap();
        assert!(matches!(child.join().await, ExitReason::Normal));

        let child = temporary();
        child.send(Fail).await.unwrap();
        let reason = child.join().await;
        assert!(
            matches!(&reason, ExitReason::Error(e) if e.to_string() == "out of coffee"),
            "{reason}"
        );

        let child = temporary();
        world.fail_first.set(Some(At::Handler));
        let _ = child.send(Ping(1)).await;
        let reason = child.join().await;
        assert!(
            matches!(&reason, ExitReason::Panicked(m) if &**m == "deliberate: Handler"),
            "{reason}"
        );

        let child = temporary();
        child.stop();
        assert!(matches!(child.join().await, ExitReason::Stopped));

        let child = temporary();
        child.kill();
        assert!(matches!(child.join().await, ExitReason::Killed));
        assert!(!child.addr().connected());
        assert_eq!(child.send(Ping(1)).await, Err(MailboxError::Closed));
    });
}

#[test]
fn transient_ends_normally_for_good_and_permanent_does_not() {
    virtual_time(async {
        let world = Rc::<World>::default();
        let transient = supervise(subject(&world)).spawn();
        transient.send(Quit).await.unwrap();
        assert!(matches!(transient.join().await, ExitReason::Normal));

        let permanent = supervise(subject(&world))
            .policy(RestartPolicy::Permanent)
            .backoff(steady())
            .spawn();
        permanent.send(Quit).await.unwrap();
        assert_eq!(permanent.send(Ping(1)).await, Ok((3, 1)));
        permanent.stop();
        assert!(matches!(permanent.join().await, ExitReason::Stopped));
    });
}

#[test]
fn a_factory_that_fails_is_tried_again_and_then_surfaces() {
    virtual_time(async {
        let tries = Rc::new(Cell::new(0));
        let counted = Rc::clone(&tries);
        let child = try_supervise::<Subject, _, _>(move |_| {
            counted.set(counted.get() + 1);
            Err("no such file")
        })
        .name("opener")
        .intensity(RestartIntensity::new(2, Duration::from_secs(10)))
        .backoff(steady())
        .spawn();
        let reason = child.join().await;
        assert_eq!(tries.get(), 3);
        let ExitReason::Error(error) = reason else {
            panic!("{reason}")
        };
        let exhausted = error.downcast_ref::<RestartsExhausted>().unwrap();
        assert_eq!((exhausted.who.as_str(), exhausted.failures), ("opener", 3));
        assert!(exhausted.last.to_string().contains("no such file"));
    });
}

#[test]
fn dropped_handles_do_not_end_a_permanent_or_transient_actor() {
    struct Ticker(Arc<AtomicU32>);
    impl Actor for Ticker {
        type Context = SupervisedContext<Self>;
        fn started(&mut self, ctx: &mut Self::Context) {
            let weak = ctx.address().downgrade();
            tokio::task::spawn_local(async move {
                loop {
                    tokio::time::sleep(10 * MS).await;
                    let Some(addr) = weak.upgrade() else { break };
                    addr.do_send(Quit);
                }
            });
        }
    }
    impl Handler<Quit> for Ticker {
        type Result = ();
        fn handle(&mut self, _: Quit, _: &mut Self::Context) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    virtual_time(async {
        for (policy, alive) in [
            (RestartPolicy::Permanent, true),
            (RestartPolicy::Transient, true),
            (RestartPolicy::Temporary, false),
        ] {
            let ticks = Arc::new(AtomicU32::new(0));
            let counted = Arc::clone(&ticks);
            let child = supervise(move |_| Ticker(Arc::clone(&counted)))
                .policy(policy)
                .spawn();
            let handle = child.handle();
            drop(child);
            tokio::time::sleep(105 * MS).await;
            assert_eq!(
                ticks.load(Ordering::Relaxed),
                if alive { 10 } else { 0 },
                "{policy:?}"
            );
            assert_eq!(handle.state() == ChildState::Running, alive, "{policy:?}");
        }
    });
}

#[test]
fn back_off_grows_and_a_healthy_life_ends_the_row() {
    virtual_time(async {
        let world = Rc::<World>::default();
        let child = supervise(subject(&world))
            .backoff(Backoff {
                reset_after: Duration::from_secs(5),
                ..steady()
            })
            .intensity(RestartIntensity::UNLIMITED)
            .spawn();
        let mut delays = Vec::new();
        for n in 0..6 {
            if n == 5 {
                tokio::time::sleep(Duration::from_secs(6)).await;
            }
            let from = Instant::now();
            child.send(Fail).await.unwrap();
            child.send(Ping(n)).await.unwrap();
            delays.push(from.elapsed().as_millis());
        }
        let near = |a: u128, b: u128| a.abs_diff(b) <= 2;
        for (n, expected) in [100, 200, 400, 800, 1000, 100].into_iter().enumerate() {
            assert!(near(delays[n], expected), "{n}: {delays:?}");
        }
    });
}

async fn within_a_minute(child: &ChildHandle) -> ExitReason {
    tokio::time::timeout(Duration::from_secs(60), child.join())
        .await
        .unwrap()
}

#[test]
fn a_stop_is_not_undone_by_a_later_weaker_order() {
    virtual_time(async {
        let world = Rc::<World>::default();
        let child = supervise(subject(&world)).spawn();
        settle().await;
        child.stop();
        child.restart();
        assert!(matches!(within_a_minute(&child).await, ExitReason::Stopped));
        let child = supervise(subject(&world)).spawn();
        child.restart();
        child.kill();
        child.stop();
        assert!(matches!(within_a_minute(&child).await, ExitReason::Killed));
    });
}

#[test]
fn jitter_follows_the_seed() {
    let delays = |seed| {
        virtual_time(async move {
            let world = Rc::<World>::default();
            let child = supervise(subject(&world)).seed(seed).spawn();
            let mut events = child.events();
            for _ in 0..4 {
                child.send(Fail).await.unwrap();
                child.send(Ping(0)).await.unwrap();
            }
            let mut delays = Vec::new();
            while let Some(event) = events.try_next() {
                if let Lifecycle::Restarting { delay } = event.what {
                    delays.push(delay);
                }
            }
            delays
        })
    };
    assert_eq!(delays(1).len(), 4);
    assert_eq!(delays(1), delays(1));
    assert_ne!(delays(1), delays(2));
}

#[test]
fn stop_is_obeyed_during_back_off_and_waiting_senders_learn_of_it() {
    virtual_time(async {
        let world = Rc::<World>::default();
        let child = supervise(subject(&world))
            .backoff(Backoff::constant(Duration::from_secs(3600)))
            .spawn();
        child.send(Fail).await.unwrap();
        let waiting = child.send(Ping(1));
        settle().await;
        assert!(matches!(child.state(), ChildState::BackingOff { .. }));
        let from = Instant::now();
        child.stop();
        assert!(matches!(child.join().await, ExitReason::Stopped));
        assert_eq!(waiting.await, Err(MailboxError::Closed));
        assert_eq!(from.elapsed(), Duration::ZERO);
    });
}

// -- handles and bodies -------------------------------------------------------------------------------------------------

#[test]
fn a_spawn_handle_from_before_a_restart_cancels_nothing() {
    struct Timed {
        old: Rc<Cell<SpawnHandle>>,
        fired: Rc<Cell<u32>>,
    }
    impl Actor for Timed {
        type Context = SupervisedContext<Self>;
        fn started(&mut self, ctx: &mut Self::Context) {
            let handle = ctx.run_later(50 * MS, |act, _| act.fired.set(act.fired.get() + 1));
            if ctx.generation() == 1 {
                self.old.set(handle);
                ctx.fail("again");
            } else {
                assert!(!ctx.cancel_future(self.old.get()));
            }
        }
    }
    virtual_time(async {
        let (old, fired) = (
            Rc::new(Cell::new(SpawnHandle::default())),
            Rc::new(Cell::new(0)),
        );
        let (a, b) = (Rc::clone(&old), Rc::clone(&fired));
        let _child = supervise(move |_| Timed {
            old: Rc::clone(&a),
            fired: Rc::clone(&b),
        })
        .backoff(steady())
        .spawn();
        tokio::time::sleep(300 * MS).await;
        assert_eq!(
            fired.get(),
            1,
            "the timer of the second life, and only that"
        );
    });
}

#[test]
fn a_cancelled_future_does_not_run_and_waits_nest() {
    struct Nest(Rc<RefCell<Vec<&'static str>>>);
    impl Actor for Nest {
        type Context = SupervisedContext<Self>;
        fn started(&mut self, ctx: &mut Self::Context) {
            let handle = ctx.run_later(5 * MS, |act, _| act.0.borrow_mut().push("cancelled"));
            ctx.run_later(MS, move |_, ctx| {
                assert!(ctx.cancel_future(handle));
            });
        }
    }
    impl Handler<Quit> for Nest {
        type Result = ();
        fn handle(&mut self, _: Quit, ctx: &mut Self::Context) {
            self.0.borrow_mut().push("handled");
            ctx.wait(tokio::time::sleep(10 * MS).into_actor(self).map(
                |(), act: &mut Self, ctx: &mut SupervisedContext<Self>| {
                    act.0.borrow_mut().push("waited");
                    ctx.wait(
                        tokio::time::sleep(10 * MS)
                            .into_actor(act)
                            .map(|(), act: &mut Self, _| act.0.borrow_mut().push("nested")),
                    );
                },
            ));
        }
    }
    virtual_time(async {
        let log = Rc::<RefCell<Vec<&'static str>>>::default();
        let kept = Rc::clone(&log);
        let child = supervise(move |_| Nest(Rc::clone(&kept))).spawn();
        tokio::time::sleep(20 * MS).await;
        child.addr().do_send(Quit);
        child.addr().do_send(Quit);
        tokio::time::sleep(50 * MS).await;
        assert_eq!(
            *log.borrow(),
            ["handled", "waited", "nested", "handled", "waited", "nested"]
        );
    });
}

#[test]
fn a_body_is_isolated_and_ends_with_its_life() {
    struct Host {
        ended: Rc<RefCell<Vec<String>>>,
        beats: Rc<Cell<u32>>,
    }
    impl Actor for Host {
        type Context = SupervisedContext<Self>;
        fn started(&mut self, ctx: &mut Self::Context) {
            ctx.spawn_body(
                async { panic!("deliberate: body") },
                |act: &mut Self, ended: Result<(), _>, _| {
                    act.ended.borrow_mut().push(ended.unwrap_err().to_string());
                },
            );
            let beats = Rc::clone(&self.beats);
            ctx.spawn_body(
                async move {
                    loop {
                        tokio::time::sleep(10 * MS).await;
                        beats.set(beats.get() + 1);
                    }
                },
                |_, _, _| {},
            );
        }
    }
    virtual_time(async {
        let (ended, beats) = (Rc::default(), Rc::new(Cell::new(0)));
        let (a, b) = (Rc::clone(&ended), Rc::clone(&beats));
        let child = supervise(move |_| Host {
            ended: Rc::clone(&a),
            beats: Rc::clone(&b),
        })
        .spawn();
        tokio::time::sleep(55 * MS).await;
        assert_eq!(*ended.borrow(), ["the body panicked: deliberate: body"]);
        assert_eq!((beats.get(), child.restarts()), (5, 0));
        child.stop();
        child.join().await;
        tokio::time::sleep(100 * MS).await;
        assert_eq!(beats.get(), 5);
    });
}

// -- what can be seen ---------------------------------------------------------------------------------------------------

#[test]
fn messages_are_measured() {
    #[derive(Message)]
    #[rtype(result = "()")]
    struct Slow;
    struct Slowpoke;
    impl Actor for Slowpoke {
        type Context = SupervisedContext<Self>;
    }
    impl Handler<Slow> for Slowpoke {
        type Result = ();
        fn handle(&mut self, _: Slow, ctx: &mut Self::Context) {
            ctx.wait(
                tokio::time::sleep(40 * MS)
                    .into_actor(self)
                    .map(|(), _, _| ()),
            );
        }
    }
    virtual_time(async {
        let child = supervise(|_| Slowpoke).name("slow one").spawn();
        for _ in 0..3 {
            child.addr().do_send(Slow);
        }
        tokio::time::sleep(200 * MS).await;
        let snapshot = child.snapshot();
        let stats = &snapshot.root.messages;
        assert_eq!(stats.handled, 3);
        let ms = |ns: u64| ns / 1_000_000;
        assert!((79..=83).contains(&ms(stats.wait_max_ns)), "{stats:?}");
        assert!((118..=125).contains(&ms(stats.wait_total_ns)), "{stats:?}");
        assert!(stats.depth_max >= 2);
        assert_eq!(snapshot.kinds["Slowpoke"].handled, 3);
        assert_eq!(snapshot.root.name, "slow one");
    });
}

#[test]
fn events_tell_the_story() {
    virtual_time(async {
        let world = Rc::<World>::default();
        let child = supervise(subject(&world))
            .name("s")
            .backoff(steady())
            .spawn();
        let mut events = child.events();
        child.send(Fail).await.unwrap();
        child.send(Ping(1)).await.unwrap();
        child.stop();
        child.join().await;
        let mut story = Vec::new();
        while let Some(event) = events.try_next() {
            story.push(format!(
                "{} {} {:?}",
                event.name, event.generation, event.what
            ));
        }
        let expected = [
            "s 1 Started",
            "s 1 Exited(Error(\"out of coffee\"))",
            "s 1 Restarting { delay: 100ms }",
            "s 2 Started",
            "s 2 Exited(Stopped)",
            "s 2 Finished(Stopped)",
        ];
        assert_eq!(story, expected);
    });
}

#[test]
fn a_message_whose_sender_went_away_is_handled_all_the_same() {
    virtual_time(async {
        let world = Rc::<World>::default();
        let child = supervise(subject(&world)).spawn();
        drop(child.send(Ping(1)));
        assert_eq!(child.send(Ping(2)).await, Ok((1, 2)));
    });
}

#[test]
fn one_senders_messages_keep_their_order() {
    virtual_time(async {
        let world = Rc::<World>::default();
        let child = supervise(subject(&world)).spawn();
        let mut sent = Vec::new();
        for n in 0..300 {
            if n % 7 == 0 {
                child.addr().do_send(Ping(n));
            } else {
                sent.push(child.send(Ping(n)));
            }
        }
        futures_util::future::join_all(sent).await;
        assert_eq!(*world.log.borrow(), (0..300).collect::<Vec<_>>());
    });
}

//! Failures on top of failures: what panics while something else is being cleaned up, and what would not end.
#![allow(clippy::unwrap_used)]

mod common;

use std::{
    cell::Cell,
    future::Future,
    pin::Pin,
    rc::Rc,
    task::{Context as TaskContext, Poll},
    time::Duration,
};

use actix::prelude::*;
use actogram_runtime::{Supervisor, *};
use common::{MS, settle, steady, virtual_time};
use futures_util::{StreamExt, stream::FuturesUnordered};
use tokio::time::Instant;

const S: Duration = Duration::from_secs(1);

/// Panics when it is dropped.
struct Bomb;
impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("deliberate: bomb");
    }
}

/// Panics when it is polled and again when it is dropped.
struct DoubleBomb(#[allow(dead_code)] Bomb);
impl Future for DoubleBomb {
    type Output = Result<(), LoopError>;
    fn poll(self: Pin<&mut Self>, _: &mut TaskContext<'_>) -> Poll<Self::Output> {
        panic!("deliberate: polled");
    }
}

#[derive(Message)]
#[rtype(result = "u32")]
struct Ping;
#[derive(Message)]
#[rtype(result = "()")]
struct WaitForBomb;
#[derive(Message)]
#[rtype(result = "()")]
struct Carry(#[allow(dead_code)] Bomb);

struct Subject(Rc<Cell<u32>>);
impl Actor for Subject {
    type Context = SupervisedContext<Self>;
}
impl Handler<Ping> for Subject {
    type Result = u32;
    fn handle(&mut self, _: Ping, _: &mut Self::Context) -> u32 {
        self.0.get()
    }
}
impl Handler<WaitForBomb> for Subject {
    type Result = ();
    fn handle(&mut self, _: WaitForBomb, ctx: &mut Self::Context) {
        ctx.wait(DoubleBomb(Bomb).into_actor(self).map(|_, _, _| ()));
    }
}
impl Handler<Carry> for Subject {
    type Result = ();
    fn handle(&mut self, _: Carry, _: &mut Self::Context) {}
}

fn subject() -> Child<Subject> {
    let lives = Rc::new(Cell::new(0));
    supervise(move |_| {
        lives.set(lives.get() + 1);
        Subject(Rc::clone(&lives))
    })
    .name("subject")
    .backoff(steady())
    .spawn()
}

#[test]
fn a_waited_future_that_panics_twice_costs_one_life() {
    virtual_time(async {
        let child = subject();
        child.send(WaitForBomb).await.unwrap();
        assert_eq!(child.send(Ping).await, Ok(2));
        assert_eq!(child.restarts(), 1);
    });
}

#[test]
fn queued_messages_that_panic_when_dropped_do_not_abort() {
    virtual_time(async {
        let child = subject();
        settle().await;
        for _ in 0..3 {
            child.addr().do_send(Carry(Bomb));
        }
        child.stop();
        assert!(matches!(child.join().await, ExitReason::Stopped));
    });
}

struct Plain;
impl Actor for Plain {
    type Context = Context<Self>;
}
impl Supervised for Plain {}
impl Handler<Carry> for Plain {
    type Result = ();
    fn handle(&mut self, _: Carry, _: &mut Self::Context) {}
}

/// A plain actor that was killed with three bombs in its mailbox.
async fn killed_with_bombs() -> Child<Plain> {
    let child = supervise_plain(|_| Plain).spawn();
    settle().await;
    for _ in 0..3 {
        child.addr().do_send(Carry(Bomb));
    }
    child.kill();
    child
}

#[test]
fn messages_that_panic_when_dropped_in_a_plain_mailbox_do_not_abort() {
    virtual_time(async {
        let child = killed_with_bombs().await;
        let handle = child.handle();
        drop(child);
        assert!(matches!(handle.join().await, ExitReason::Killed));
        settle().await;
        assert_eq!(handle.state(), ChildState::Finished);
    });
}

#[test]
fn messages_that_panic_when_dropped_in_a_plain_mailbox_hit_who_drops_the_last_address() {
    virtual_time(async {
        let child = killed_with_bombs().await;
        assert!(matches!(child.join().await, ExitReason::Killed));
        let hit = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(child)));
        assert!(hit.is_err());
    });
}

#[test]
fn an_arbiter_that_ends_under_futures_that_panic_when_dropped_does_not_abort() {
    struct Keeper;
    impl Actor for Keeper {
        type Context = SupervisedContext<Self>;
        fn started(&mut self, ctx: &mut Self::Context) {
            for _ in 0..2 {
                let bomb = Bomb;
                ctx.spawn(
                    async move {
                        let _bomb = bomb;
                        std::future::pending::<()>().await;
                    }
                    .into_actor(self),
                );
            }
            let bomb = Bomb;
            ctx.report_details(move || {
                let _ = &bomb;
                std::collections::BTreeMap::new()
            });
        }
    }
    // The LocalSet ends with the closure, and with it everything on it.
    let child = virtual_time(async {
        let child = supervise(|_| Keeper).name("keeper").spawn();
        settle().await;
        child.handle()
    });
    assert!(matches!(child.last_exit(), Some(ExitReason::Killed)));
    assert_eq!(child.state(), ChildState::Finished);
}

#[test]
fn details_that_panic_when_dropped_cost_nothing() {
    struct Keeper;
    impl Actor for Keeper {
        type Context = SupervisedContext<Self>;
        fn started(&mut self, ctx: &mut Self::Context) {
            let bomb = Bomb;
            ctx.report_details(move || {
                let _ = &bomb;
                std::collections::BTreeMap::new()
            });
        }
    }
    virtual_time(async {
        let child = supervise(|_| Keeper).name("keeper").spawn();
        settle().await;
        child.restart();
        settle().await;
        assert_eq!(
            (child.generation(), child.state()),
            (2, ChildState::Running)
        );
        child.stop();
        assert!(matches!(child.join().await, ExitReason::Stopped));
    });
}

#[test]
fn a_strand_that_panics_twice_is_reported_once() {
    virtual_time(async {
        let failures = Failures::new(Escalation::Report);
        let strand = call_fork(&failures, DoubleBomb(Bomb));
        assert!(strand.await.unwrap_err().is_panic());
        call_fork_defer(&failures, DoubleBomb(Bomb));
        settle().await;
        assert_eq!(failures.count(), 2);
    });
}

#[test]
fn signals_that_panic_when_dropped_do_not_keep_a_loop_from_stopping() {
    #[derive(Clone)]
    struct Deaf;
    impl SignalLoop for Deaf {
        type Signal = Bomb;
        fn name(&self) -> String {
            "deaf".to_owned()
        }
        async fn run(&mut self, cx: &mut LoopCx<Bomb>) -> Result<(), LoopError> {
            cx.pause(None::<Duration>).await;
            Ok(())
        }
    }
    virtual_time(async {
        let l = loop_of(Deaf, ()).spawn();
        l.until_paused().await.unwrap();
        for _ in 0..3 {
            assert_eq!(l.signal(Bomb).await, Ok(SignalOutcome::Queued));
        }
        assert_eq!(l.stop().await, Ok(true));
        settle().await;
        assert!(!l.is_running());
        assert_eq!((l.actor().restarts(), l.status().signals_dropped), (0, 3));
        assert_eq!(l.start().await, Ok(true));
    });
}

#[test]
fn a_group_that_backs_off_obeys_a_stop_at_once() {
    struct Stillborn;
    impl Actor for Stillborn {
        type Context = SupervisedContext<Self>;
        fn started(&mut self, ctx: &mut Self::Context) {
            ctx.fail("no");
        }
    }
    virtual_time(async {
        let root = Supervisor::root("root").start();
        let inner = root
            .group("inner")
            .intensity(RestartIntensity::new(0, S))
            .backoff(Backoff::constant(3600 * S))
            .start();
        let _child = supervise(|_| Stillborn).under(&inner).spawn();
        settle().await;
        assert!(matches!(inner.state(), ChildState::BackingOff { .. }));
        let from = Instant::now();
        root.stop();
        assert!(matches!(root.join().await, ExitReason::Stopped));
        assert!(from.elapsed() < S, "{:?}", from.elapsed());
    });
}

#[test]
fn a_loop_whose_pause_is_one_of_several_futures_can_be_stopped() {
    #[derive(Clone)]
    struct Several;
    impl Loop for Several {
        fn name(&self) -> String {
            "several".to_owned()
        }
        async fn run(&mut self, cx: &mut LoopCx<NoSignal>) -> Result<(), LoopError> {
            let mut all = FuturesUnordered::<Pin<Box<dyn Future<Output = ()>>>>::new();
            all.push(Box::pin(cx.pause(None::<Duration>)));
            // Only this one is polled from its wake-up on.
            all.push(Box::pin(async {
                loop {
                    tokio::time::sleep(10 * MS).await;
                }
            }));
            all.next().await;
            Ok(())
        }
    }
    virtual_time(async {
        let l = loop_of(Several, ()).spawn();
        tokio::time::sleep(55 * MS).await;
        assert_eq!(l.stop().await, Ok(true));
        let ended = timeout(
            async { l.until_ended().await.map_err(LoopError::from) },
            1.0,
        )
        .await;
        assert!(ended.is_ok(), "{ended:?}");
        assert!(!l.is_running());
    });
}

#[test]
fn times_beyond_all_bounds_are_no_failure_of_the_supervisor() {
    let wild = [
        Backoff::constant(Duration::MAX),
        Backoff {
            jitter: f64::NAN,
            factor: f64::INFINITY,
            ..Backoff::default()
        },
        Backoff {
            initial: Duration::MAX,
            max: Duration::MAX,
            jitter: 1.0,
            ..Backoff::default()
        },
    ];
    for backoff in wild {
        virtual_time(async move {
            let child = supervise(|_| Subject(Rc::default()))
                .intensity(RestartIntensity::UNLIMITED)
                .backoff(backoff)
                .spawn();
            for _ in 0..3 {
                child.addr().do_send(WaitForBomb);
            }
            settle().await;
            assert!(
                matches!(child.state(), ChildState::BackingOff { .. }),
                "{:?}",
                child.state()
            );
            child.stop();
            assert!(matches!(child.join().await, ExitReason::Stopped));
        });
    }
}

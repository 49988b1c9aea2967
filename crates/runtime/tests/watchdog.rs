//! A blocked thread is noticed, and who blocks it is named. On the real clock: it watches real threads.
#![allow(clippy::unwrap_used)]

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use actix::prelude::*;
use actogram_runtime::{Supervisor, *};

const LIMIT: Duration = Duration::from_millis(100);
/// Far beyond what any machine needs.
const HANG: Duration = Duration::from_secs(60);

#[derive(Message)]
#[rtype(result = "()")]
struct Block;

#[derive(Message)]
#[rtype(result = "u32")]
struct Ping;

#[derive(Clone)]
struct Gate(Arc<AtomicBool>);
impl Gate {
    fn new() -> Self {
        Self(Arc::default())
    }
    fn open(&self) {
        self.0.store(true, Ordering::Release);
    }
    /// Blocks the thread until it is opened.
    fn block(&self) {
        let from = Instant::now();
        while !self.0.load(Ordering::Acquire) && from.elapsed() < HANG {
            thread::sleep(Duration::from_millis(5));
        }
    }
}

struct Server(Gate);
impl Actor for Server {
    type Context = SupervisedContext<Self>;
}
impl Handler<Block> for Server {
    type Result = ();
    fn handle(&mut self, _: Block, _: &mut Self::Context) {
        self.0.block();
    }
}
impl Handler<Ping> for Server {
    type Result = u32;
    fn handle(&mut self, _: Ping, _: &mut Self::Context) -> u32 {
        1
    }
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(HANG, future).await.unwrap()
}

#[test]
fn p7_a_handler_or_loop_that_blocks_its_thread_is_named_while_other_arbiters_go_on() {
    actix_rt::System::new().block_on(async {
        let watchdog = Watchdog::start(LIMIT);
        let mut blocked = watchdog.events();
        let handlers = actix_rt::Arbiter::new();
        let connections = actix_rt::Arbiter::new();
        watchdog.watch(&handlers.handle(), "handlers");
        watchdog.watch(&connections.handle(), "connections");
        let root = Supervisor::root("root").start();
        let mut lifecycle = root.events();

        // A handler.
        let gate = Gate::new();
        let held = gate.clone();
        let slow = supervise(move |_| Server(held.clone()))
            .name("slow")
            .under(&root)
            .spawn_in(&handlers.handle());
        let quick = supervise(|_| Server(Gate::new()))
            .name("quick")
            .under(&root)
            .spawn_in(&connections.handle());
        slow.addr().do_send(Block);
        let seen = soon(blocked.recv()).await.unwrap();
        assert_eq!(
            (seen.thread.as_str(), seen.who.as_deref()),
            ("handlers", Some("root/slow"))
        );
        assert!(!seen.over && seen.standing >= LIMIT, "{seen:?}");
        for _ in 0..100 {
            assert_eq!(soon(quick.send(Ping)).await, Ok(1));
        }
        assert!(root.snapshot().root.find("slow").unwrap().blocks_thread);
        gate.open();
        let seen = soon(blocked.recv()).await.unwrap();
        assert!(
            seen.over && seen.who.as_deref() == Some("root/slow"),
            "{seen:?}"
        );
        assert_eq!(soon(slow.send(Ping)).await, Ok(1));
        assert!(!root.snapshot().root.find("slow").unwrap().blocks_thread);

        // A loop's body.
        let gate = Gate::new();
        let held = gate.clone();
        let _greedy = loop_once(
            GenericLoop::new("greedy", async move |_: &mut LoopCx<bool>| held.block()),
            (),
        )
        .under(&root)
        .spawn_in(&handlers.handle());
        let seen = soon(blocked.recv()).await.unwrap();
        assert_eq!(
            (seen.who.as_deref(), seen.over),
            (Some("root/greedy"), false)
        );
        gate.open();
        assert!(soon(blocked.recv()).await.unwrap().over);

        // Something that is not supervised.
        let gate = Gate::new();
        let held = gate.clone();
        handlers.spawn_fn(move || held.block());
        let seen = soon(blocked.recv()).await.unwrap();
        assert_eq!((seen.thread.as_str(), seen.who), ("handlers", None));
        gate.open();
        assert!(soon(blocked.recv()).await.unwrap().over);
        assert_eq!(watchdog.count(), 3);

        let mut told = Vec::new();
        while let Some(event) = lifecycle.try_next() {
            match event.what {
                Lifecycle::Blocked(_) => told.push(format!("{} blocked", event.name)),
                Lifecycle::Unblocked(_) => told.push(format!("{} unblocked", event.name)),
                _ => {}
            }
        }
        assert_eq!(
            told,
            [
                "slow blocked",
                "slow unblocked",
                "greedy blocked",
                "greedy unblocked"
            ]
        );
        root.stop();
        soon(root.join()).await;
    });
}

#[test]
fn a_body_that_blocks_is_named_by_its_actor_and_a_quiet_arbiter_is_not_reported() {
    struct Reader(Gate);
    impl Actor for Reader {
        type Context = SupervisedContext<Self>;
        fn started(&mut self, ctx: &mut Self::Context) {
            let gate = self.0.clone();
            ctx.spawn_body(async move { gate.block() }, |_, _, _| {});
        }
    }
    actix_rt::System::new().block_on(async {
        let watchdog = Watchdog::start(LIMIT);
        let mut blocked = watchdog.events();
        watchdog.watch_here("main");
        // Idle for many times the limit: no report.
        tokio::time::sleep(10 * LIMIT).await;
        let arbiter = actix_rt::Arbiter::new();
        watchdog.watch(&arbiter.handle(), "readers");
        let gate = Gate::new();
        let held = gate.clone();
        let _reader = supervise(move |_| Reader(held.clone()))
            .name("reader")
            .spawn_in(&arbiter.handle());
        let seen = loop {
            let seen = soon(blocked.recv()).await.unwrap();
            // A noisy machine may hold up this thread as well.
            if seen.thread != "main" {
                break seen;
            }
        };
        assert_eq!(seen.who.as_deref(), Some("reader"));
        gate.open();
        assert!(soon(blocked.recv()).await.unwrap().over);
    });
}

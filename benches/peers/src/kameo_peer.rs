//! kameo.

use std::{convert::Infallible, time::Duration};

use futures_util::future::join_all;
use kameo::{
    actor::{Actor, ActorRef, Spawn},
    mailbox,
    message::{Context, Message},
    supervision::RestartPolicy,
};
use tokio::{task::JoinHandle, time::sleep};

use crate::measure::{BARRIER, Figure, HOUR, LOOPS, arrived, each, each_of, many, on_one_thread};

struct Add(u64);
struct Note(u64);
struct Die;

#[derive(Clone)]
struct Counter(u64);
impl Actor for Counter {
    type Args = Self;
    type Error = Infallible;
    async fn on_start(args: Self, _: ActorRef<Self>) -> Result<Self, Infallible> {
        Ok(args)
    }
}
impl Message<Add> for Counter {
    type Reply = u64;
    async fn handle(&mut self, Add(n): Add, _: &mut Context<Self, u64>) -> u64 {
        self.0 += n;
        self.0
    }
}
impl Message<Note> for Counter {
    type Reply = ();
    async fn handle(&mut self, Note(n): Note, _: &mut Context<Self, ()>) {
        self.0 += n;
    }
}
impl Message<Die> for Counter {
    type Reply = ();
    async fn handle(&mut self, _: Die, _: &mut Context<Self, ()>) {
        panic!("deliberate");
    }
}

fn counter() -> ActorRef<Counter> {
    Counter::spawn_with_mailbox(Counter(0), mailbox::unbounded())
}

struct Due;
struct Signal(i64);
struct Pause;
struct Resume;

struct Cron {
    timer: JoinHandle<()>,
    sum: i64,
}
fn arm(cron: ActorRef<Cron>) -> JoinHandle<()> {
    tokio::spawn(async move {
        sleep(HOUR).await;
        let _ = cron.tell(Due).await;
    })
}
impl Actor for Cron {
    type Args = ();
    type Error = Infallible;
    async fn on_start((): (), me: ActorRef<Self>) -> Result<Self, Infallible> {
        arrived();
        Ok(Self {
            timer: arm(me),
            sum: 0,
        })
    }
}
impl Message<Due> for Cron {
    type Reply = ();
    async fn handle(&mut self, _: Due, ctx: &mut Context<Self, ()>) {
        self.timer = arm(ctx.actor_ref().clone());
    }
}
impl Message<Signal> for Cron {
    type Reply = bool;
    async fn handle(&mut self, Signal(n): Signal, _: &mut Context<Self, bool>) -> bool {
        self.sum += n;
        true
    }
}
impl Message<Pause> for Cron {
    type Reply = bool;
    async fn handle(&mut self, _: Pause, _: &mut Context<Self, bool>) -> bool {
        self.timer.abort();
        true
    }
}
impl Message<Resume> for Cron {
    type Reply = bool;
    async fn handle(&mut self, _: Resume, ctx: &mut Context<Self, bool>) -> bool {
        self.timer = arm(ctx.actor_ref().clone());
        true
    }
}

fn cron() -> ActorRef<Cron> {
    Cron::spawn_with_mailbox((), mailbox::unbounded())
}

struct Keeper;
impl Actor for Keeper {
    type Args = ();
    type Error = Infallible;
    async fn on_start((): (), _: ActorRef<Self>) -> Result<Self, Infallible> {
        Ok(Self)
    }
}

pub fn measure(work: &str) -> Option<Figure> {
    Some(match work {
        "loops" => many(|| async { (0..LOOPS).map(|_| cron()).collect() }),
        "ask" => on_one_thread(async {
            let counter = counter();
            each(200_000, async |n| {
                counter.ask(Add(n as u64)).await.unwrap();
            })
            .await
        }),
        "ask64" => on_one_thread(async {
            let counter = counter();
            each_of(64, 500_000, async |n| {
                join_all((0..64).map(|_| async { counter.ask(Add(n as u64)).await.unwrap() }))
                    .await;
            })
            .await
        }),
        "tell" => on_one_thread(async {
            let counter = counter();
            each_of(BARRIER, 1_000_000, async |_| {
                for n in 1..BARRIER {
                    counter.tell(Note(n as u64)).await.unwrap();
                }
                counter.ask(Add(0)).await.unwrap();
            })
            .await
        }),
        "signal" => on_one_thread(async {
            let cron = cron();
            each_of(BARRIER, 1_000_000, async |_| {
                for n in 1..BARRIER {
                    cron.tell(Signal(n as i64)).await.unwrap();
                }
                cron.ask(Signal(1)).await.unwrap();
            })
            .await
        }),
        "cycle" => on_one_thread(async {
            let cron = cron();
            each(50_000, async |_| {
                assert!(cron.ask(Pause).await.unwrap());
                assert!(cron.ask(Signal(1)).await.unwrap());
                assert!(cron.ask(Resume).await.unwrap());
            })
            .await
        }),
        "restart" => on_one_thread(async {
            let keeper = Keeper::spawn(());
            let counter = Counter::supervise(&keeper, Counter(0))
                .restart_policy(RestartPolicy::Permanent)
                .restart_limit(u32::MAX, Duration::from_secs(3600))
                .spawn()
                .await;
            each(5_000, async |_| {
                let _ = counter.ask(Die).await;
                // Asks are refused until the next life has begun.
                while counter.ask(Add(1)).await.is_err() {
                    tokio::task::yield_now().await;
                }
            })
            .await
        }),
        _ => return None,
    })
}

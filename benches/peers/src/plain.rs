//! Plain actix, without supervision.

use actix::prelude::*;
use futures_util::future::join_all;

use crate::measure::{BARRIER, Figure, HOUR, LOOPS, arrived, each, each_of, many, on_one_thread};

#[derive(Message)]
#[rtype(result = "u64")]
struct Add(u64);

#[derive(Message)]
#[rtype(result = "()")]
struct Note(u64);

#[derive(Default)]
struct Counter(u64);
impl Actor for Counter {
    type Context = Context<Self>;
    fn started(&mut self, ctx: &mut Context<Self>) {
        ctx.set_mailbox_capacity(0);
    }
}
impl Handler<Add> for Counter {
    type Result = u64;
    fn handle(&mut self, Add(n): Add, _: &mut Context<Self>) -> u64 {
        self.0 += n;
        self.0
    }
}
impl Handler<Note> for Counter {
    type Result = ();
    fn handle(&mut self, Note(n): Note, _: &mut Context<Self>) {
        self.0 += n;
    }
}

#[derive(Message)]
#[rtype(result = "bool")]
struct Signal(i64);
#[derive(Message)]
#[rtype(result = "bool")]
struct Pause;
#[derive(Message)]
#[rtype(result = "bool")]
struct Resume;

#[derive(Default)]
struct Cron {
    timer: Option<SpawnHandle>,
    sum: i64,
}
impl Cron {
    fn arm(&mut self, ctx: &mut Context<Self>) {
        self.timer = Some(ctx.run_later(HOUR, |cron, ctx| cron.arm(ctx)));
    }
}
impl Actor for Cron {
    type Context = Context<Self>;
    fn started(&mut self, ctx: &mut Context<Self>) {
        ctx.set_mailbox_capacity(0);
        self.arm(ctx);
        arrived();
    }
}
impl Handler<Signal> for Cron {
    type Result = bool;
    fn handle(&mut self, Signal(n): Signal, _: &mut Context<Self>) -> bool {
        self.sum += n;
        true
    }
}
impl Handler<Pause> for Cron {
    type Result = bool;
    fn handle(&mut self, _: Pause, ctx: &mut Context<Self>) -> bool {
        self.timer
            .take()
            .is_some_and(|timer| ctx.cancel_future(timer))
    }
}
impl Handler<Resume> for Cron {
    type Result = bool;
    fn handle(&mut self, _: Resume, ctx: &mut Context<Self>) -> bool {
        self.arm(ctx);
        true
    }
}

pub fn measure(work: &str) -> Option<Figure> {
    Some(match work {
        "loops" => many(|| async { (0..LOOPS).map(|_| Cron::default().start()).collect() }),
        "ask" => on_one_thread(async {
            let counter = Counter::default().start();
            each(200_000, async |n| {
                counter.send(Add(n as u64)).await.unwrap();
            })
            .await
        }),
        "ask64" => on_one_thread(async {
            let counter = Counter::default().start();
            each_of(64, 1_000_000, async |n| {
                join_all((0..64).map(|_| counter.send(Add(n as u64)))).await;
            })
            .await
        }),
        "tell" => on_one_thread(async {
            let counter = Counter::default().start();
            each_of(BARRIER, 2_000_000, async |_| {
                for n in 1..BARRIER {
                    counter.do_send(Note(n as u64));
                }
                counter.send(Add(0)).await.unwrap();
            })
            .await
        }),
        "signal" => on_one_thread(async {
            let cron = Cron::default().start();
            each_of(BARRIER, 1_000_000, async |_| {
                for n in 1..BARRIER {
                    cron.do_send(Signal(n as i64));
                }
                cron.send(Signal(1)).await.unwrap();
            })
            .await
        }),
        "cycle" => on_one_thread(async {
            let cron = Cron::default().start();
            each(100_000, async |_| {
                assert!(cron.send(Pause).await.unwrap());
                assert!(cron.send(Signal(1)).await.unwrap());
                assert!(cron.send(Resume).await.unwrap());
            })
            .await
        }),
        // A panic ends a plain actor for good.
        _ => return None,
    })
}

//! actogram-runtime: supervised actors and loops.

use actix::prelude::*;
use actogram_runtime::{
    Backoff, LoopCx, LoopError, RestartIntensity, Signal, SignalLoop, SupervisedContext, Waited,
    loop_of, supervise,
};
use futures_util::future::join_all;

use crate::measure::{BARRIER, Figure, HOUR, LOOPS, arrived, each, each_of, many, on_one_thread};

#[derive(Message)]
#[rtype(result = "u64")]
struct Add(u64);

#[derive(Message)]
#[rtype(result = "()")]
struct Note(u64);

#[derive(Message)]
#[rtype(result = "()")]
struct Die;

#[derive(Default)]
struct Counter(u64);
impl Actor for Counter {
    type Context = SupervisedContext<Self>;
}
impl Handler<Add> for Counter {
    type Result = u64;
    fn handle(&mut self, Add(n): Add, _: &mut Self::Context) -> u64 {
        self.0 += n;
        self.0
    }
}
impl Handler<Note> for Counter {
    type Result = ();
    fn handle(&mut self, Note(n): Note, _: &mut Self::Context) {
        self.0 += n;
    }
}
impl Handler<Die> for Counter {
    type Result = ();
    fn handle(&mut self, _: Die, _: &mut Self::Context) {
        panic!("deliberate");
    }
}

#[derive(Clone, Default)]
struct Cron(i64);
impl SignalLoop for Cron {
    type Signal = i64;
    fn name(&self) -> String {
        "cron".to_owned()
    }
    async fn run(&mut self, cx: &mut LoopCx<i64>) -> Result<(), LoopError> {
        arrived();
        loop {
            let nap = cx.pause(HOUR);
            if let Waited::Signal(n) = cx.wait_signal(nap).await? {
                self.0 += n;
            }
        }
    }
}

pub fn measure(work: &str) -> Option<Figure> {
    let counter = || supervise(|_| Counter(0)).name("counter").start();
    Some(match work {
        "loops" => many(|| async { (0..LOOPS).map(|_| loop_of(Cron(0), ()).spawn()).collect() }),
        "ask" => on_one_thread(async move {
            let counter = counter();
            each(200_000, async |n| {
                counter.send(Add(n as u64)).await.unwrap();
            })
            .await
        }),
        "ask64" => on_one_thread(async move {
            let counter = counter();
            each_of(64, 1_000_000, async |n| {
                join_all((0..64).map(|_| counter.send(Add(n as u64)))).await;
            })
            .await
        }),
        "tell" => on_one_thread(async move {
            let counter = counter();
            each_of(BARRIER, 2_000_000, async |_| {
                for n in 1..BARRIER {
                    counter.do_send(Note(n as u64));
                }
                counter.send(Add(0)).await.unwrap();
            })
            .await
        }),
        "signal" => on_one_thread(async {
            let cron = loop_of(Cron(0), ()).signal_capacity(2 * BARRIER).spawn();
            let addr = cron.addr();
            each_of(BARRIER, 1_000_000, async |_| {
                for n in 1..BARRIER {
                    addr.do_send(Signal(n as i64));
                }
                let _ = addr.send(Signal(1)).await.unwrap();
            })
            .await
        }),
        "cycle" => on_one_thread(async {
            let cron = loop_of(Cron(0), ()).spawn();
            each(100_000, async |_| {
                assert!(cron.pause().await.unwrap());
                let _ = cron.signal(1).await.unwrap();
                assert!(cron.resume().await.unwrap());
            })
            .await
        }),
        "restart" => on_one_thread(async {
            let counter = supervise(|_| Counter(0))
                .backoff(Backoff::NONE)
                .intensity(RestartIntensity::UNLIMITED)
                .start();
            each(10_000, async |_| {
                assert!(counter.send(Die).await.is_err());
                assert_eq!(counter.send(Add(1)).await.unwrap(), 1);
            })
            .await
        }),
        _ => return None,
    })
}

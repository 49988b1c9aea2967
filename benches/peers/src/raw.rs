//! Raw tokio: a task, a channel, a sleep.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::{
    sync::{mpsc, oneshot},
    task::{JoinHandle, spawn_local},
    time::{Instant, sleep},
};

use crate::measure::{BARRIER, Figure, HOUR, LOOPS, arrived, each, each_of, many, on_one_thread};

enum Msg {
    Ask(u64, oneshot::Sender<u64>),
    Tell(u64),
}

enum Order {
    Signal(i64, oneshot::Sender<bool>),
    Tell(i64),
    Pause(oneshot::Sender<bool>),
    Resume(oneshot::Sender<bool>),
}

/// A loop that waits for its period or for an order.
async fn cron(mut orders: mpsc::Receiver<Order>, every: Duration) {
    arrived();
    let mut sum = 0;
    let mut held = false;
    let nap = sleep(every);
    tokio::pin!(nap);
    loop {
        tokio::select! {
            order = orders.recv() => match order {
                None => return,
                Some(Order::Tell(n)) => sum += n,
                Some(Order::Signal(n, tx)) => {
                    sum += n;
                    let _ = tx.send(sum > 0);
                }
                Some(Order::Pause(tx)) => {
                    held = true;
                    let _ = tx.send(true);
                }
                Some(Order::Resume(tx)) => {
                    held = false;
                    nap.as_mut().reset(Instant::now() + every);
                    let _ = tx.send(true);
                }
            },
            () = &mut nap, if !held => nap.as_mut().reset(Instant::now() + every),
        }
    }
}

fn server() -> mpsc::UnboundedSender<Msg> {
    let (tx, mut rx) = mpsc::unbounded_channel();
    spawn_local(async move {
        let mut sum = 0;
        while let Some(msg) = rx.recv().await {
            match msg {
                Msg::Ask(n, tx) => {
                    sum += n;
                    let _ = tx.send(sum);
                }
                Msg::Tell(n) => sum += n,
            }
        }
    });
    tx
}

async fn ask(server: &mpsc::UnboundedSender<Msg>, n: u64) -> u64 {
    let (tx, rx) = oneshot::channel();
    server.send(Msg::Ask(n, tx)).ok().unwrap();
    rx.await.unwrap()
}

async fn order(orders: &mpsc::Sender<Order>, make: impl FnOnce(oneshot::Sender<bool>) -> Order) {
    let (tx, rx) = oneshot::channel();
    orders.send(make(tx)).await.ok().unwrap();
    rx.await.unwrap();
}

pub fn measure(work: &str) -> Option<Figure> {
    Some(match work {
        "loops" => many(|| async {
            (0..LOOPS)
                .map(|_| {
                    let (tx, rx) = mpsc::channel(16);
                    spawn_local(cron(rx, HOUR));
                    tx
                })
                .collect()
        }),
        "ask" => on_one_thread(async {
            let server = server();
            each(200_000, async |n| {
                ask(&server, n as u64).await;
            })
            .await
        }),
        "ask64" => on_one_thread(async {
            let server = server();
            each_of(64, 1_000_000, async |n| {
                join_all((0..64).map(|_| ask(&server, n as u64))).await;
            })
            .await
        }),
        "tell" => on_one_thread(async {
            let server = server();
            each_of(BARRIER, 2_000_000, async |_| {
                for n in 1..BARRIER {
                    server.send(Msg::Tell(n as u64)).ok().unwrap();
                }
                ask(&server, 0).await;
            })
            .await
        }),
        "signal" => on_one_thread(async {
            let (orders, rx) = mpsc::channel(2 * BARRIER);
            spawn_local(cron(rx, HOUR));
            each_of(BARRIER, 1_000_000, async |_| {
                for n in 1..BARRIER {
                    orders.send(Order::Tell(n as i64)).await.ok().unwrap();
                }
                order(&orders, |tx| Order::Signal(1, tx)).await;
            })
            .await
        }),
        "cycle" => on_one_thread(async {
            let (orders, rx) = mpsc::channel(16);
            spawn_local(cron(rx, HOUR));
            each(100_000, async |_| {
                order(&orders, Order::Pause).await;
                order(&orders, |tx| Order::Signal(1, tx)).await;
                order(&orders, Order::Resume).await;
            })
            .await
        }),
        "restart" => on_one_thread(async {
            each(10_000, async |_| {
                let died: JoinHandle<()> = spawn_local(async { panic!("deliberate") });
                assert!(died.await.is_err());
                let server = server();
                ask(&server, 1).await;
            })
            .await
        }),
        _ => return None,
    })
}

//! ractor.

use futures_util::future::join_all;
use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort, SupervisionEvent};
use tokio::{sync::mpsc, task::JoinHandle, time::sleep};

use crate::measure::{
    BARRIER, Figure, HOUR, LOOPS, all_arrived, arrived, each, each_of, many, on_one_thread,
};

enum Msg {
    Add(u64, RpcReplyPort<u64>),
    Note(u64),
    Die,
}

struct Counter;
impl Actor for Counter {
    type Msg = Msg;
    type State = u64;
    type Arguments = ();
    async fn pre_start(&self, _: ActorRef<Msg>, (): ()) -> Result<u64, ActorProcessingErr> {
        Ok(0)
    }
    async fn handle(
        &self,
        _: ActorRef<Msg>,
        msg: Msg,
        sum: &mut u64,
    ) -> Result<(), ActorProcessingErr> {
        match msg {
            Msg::Add(n, reply) => {
                *sum += n;
                reply.send(*sum)?;
            }
            Msg::Note(n) => *sum += n,
            Msg::Die => panic!("deliberate"),
        }
        Ok(())
    }
}

async fn counter() -> ActorRef<Msg> {
    Actor::spawn(None, Counter, ()).await.unwrap().0
}

async fn ask(counter: &ActorRef<Msg>, n: u64) -> u64 {
    counter
        .call(|tx| Msg::Add(n, tx), None)
        .await
        .unwrap()
        .unwrap()
}

enum Order {
    Due,
    Signal(i64, RpcReplyPort<bool>),
    Tell(i64),
    Pause(RpcReplyPort<bool>),
    Resume(RpcReplyPort<bool>),
}

struct Cron;
struct CronState {
    timer: JoinHandle<()>,
    sum: i64,
}
fn arm(cron: ActorRef<Order>) -> JoinHandle<()> {
    tokio::spawn(async move {
        sleep(HOUR).await;
        let _ = cron.cast(Order::Due);
    })
}
impl Actor for Cron {
    type Msg = Order;
    type State = CronState;
    type Arguments = ();
    async fn pre_start(
        &self,
        me: ActorRef<Order>,
        (): (),
    ) -> Result<CronState, ActorProcessingErr> {
        Ok(CronState {
            timer: arm(me),
            sum: 0,
        })
    }
    async fn post_start(
        &self,
        _: ActorRef<Order>,
        _: &mut CronState,
    ) -> Result<(), ActorProcessingErr> {
        arrived();
        Ok(())
    }
    async fn handle(
        &self,
        me: ActorRef<Order>,
        order: Order,
        cron: &mut CronState,
    ) -> Result<(), ActorProcessingErr> {
        match order {
            Order::Due => cron.timer = arm(me),
            Order::Tell(n) => cron.sum += n,
            Order::Signal(n, reply) => {
                cron.sum += n;
                reply.send(true)?;
            }
            Order::Pause(reply) => {
                cron.timer.abort();
                reply.send(true)?;
            }
            Order::Resume(reply) => {
                cron.timer = arm(me);
                reply.send(true)?;
            }
        }
        Ok(())
    }
}

async fn cron() -> ActorRef<Order> {
    Actor::spawn(None, Cron, ()).await.unwrap().0
}

/// Starts the next life when one has panicked, as its users have to.
struct Keeper(mpsc::UnboundedSender<ActorRef<Msg>>);
impl Actor for Keeper {
    type Msg = ();
    type State = ();
    type Arguments = ();
    async fn pre_start(&self, me: ActorRef<()>, (): ()) -> Result<(), ActorProcessingErr> {
        let (child, _) = Actor::spawn_linked(None, Counter, (), me.get_cell()).await?;
        self.0.send(child)?;
        Ok(())
    }
    async fn handle_supervisor_evt(
        &self,
        me: ActorRef<()>,
        event: SupervisionEvent,
        (): &mut (),
    ) -> Result<(), ActorProcessingErr> {
        if let SupervisionEvent::ActorFailed(..) = event {
            let (child, _) = Actor::spawn_linked(None, Counter, (), me.get_cell()).await?;
            self.0.send(child)?;
        }
        Ok(())
    }
}

pub fn measure(work: &str) -> Option<Figure> {
    Some(match work {
        "loops" => many(|| async {
            let mut made = Vec::with_capacity(LOOPS);
            for n in 0..LOOPS {
                made.push(cron().await);
                all_arrived(n).await;
            }
            made
        }),
        "ask" => on_one_thread(async {
            let counter = counter().await;
            each(200_000, async |n| {
                ask(&counter, n as u64).await;
            })
            .await
        }),
        "ask64" => on_one_thread(async {
            let counter = counter().await;
            each_of(64, 500_000, async |n| {
                join_all((0..64).map(|_| ask(&counter, n as u64))).await;
            })
            .await
        }),
        "tell" => on_one_thread(async {
            let counter = counter().await;
            each_of(BARRIER, 1_000_000, async |_| {
                for n in 1..BARRIER {
                    counter.cast(Msg::Note(n as u64)).unwrap();
                }
                ask(&counter, 0).await;
            })
            .await
        }),
        "signal" => on_one_thread(async {
            let cron = cron().await;
            each_of(BARRIER, 1_000_000, async |_| {
                for n in 1..BARRIER {
                    cron.cast(Order::Tell(n as i64)).unwrap();
                }
                cron.call(|tx| Order::Signal(1, tx), None)
                    .await
                    .unwrap()
                    .unwrap();
            })
            .await
        }),
        "cycle" => on_one_thread(async {
            let cron = cron().await;
            each(50_000, async |_| {
                cron.call(Order::Pause, None).await.unwrap().unwrap();
                cron.call(|tx| Order::Signal(1, tx), None)
                    .await
                    .unwrap()
                    .unwrap();
                cron.call(Order::Resume, None).await.unwrap().unwrap();
            })
            .await
        }),
        "restart" => on_one_thread(async {
            let (tx, mut lives) = mpsc::unbounded_channel();
            let _keeper = Actor::spawn(None, Keeper(tx), ()).await.unwrap();
            let mut counter = lives.recv().await.unwrap();
            each(5_000, async |_| {
                counter.cast(Msg::Die).unwrap();
                counter = lives.recv().await.unwrap();
                assert_eq!(ask(&counter, 1).await, 1);
            })
            .await
        }),
        _ => return None,
    })
}

//! Where else a supervised actor can live: on a plain context, on another arbiter.
#![allow(clippy::unwrap_used)]

mod common;

use std::cell::Cell;

use actix::prelude::*;
use actogram_runtime::*;
use common::{MS, steady, virtual_time};
use tokio::time::Instant;

#[derive(Message)]
#[rtype(result = "(u32, u32)")]
struct Ping(u32);

#[test]
fn plain_actors_are_restarted_on_the_same_address() {
    #[derive(Default)]
    struct Plain(u32, u32);
    impl Actor for Plain {
        type Context = Context<Self>;
    }
    impl Supervised for Plain {
        fn restarting(&mut self, _: &mut Context<Self>) {
            *self = Self(0, self.1 + 1);
        }
    }
    impl Handler<Ping> for Plain {
        type Result = MessageResult<Ping>;
        fn handle(&mut self, Ping(n): Ping, ctx: &mut Self::Context) -> Self::Result {
            self.0 += 1;
            match n {
                666 => panic!("deliberate"),
                777 => ctx.stop(),
                _ => {}
            }
            MessageResult((self.1, self.0))
        }
    }
    virtual_time(async {
        let tries = Cell::new(0);
        let child = supervise_plain(move |_| {
            tries.set(tries.get() + 1);
            assert!(tries.get() > 1, "deliberate: the first try fails");
            Plain::default()
        })
        .backoff(steady())
        .spawn();
        assert_eq!(child.send(Ping(1)).await, Ok((0, 1)));
        let boom = child.send(Ping(666));
        let behind = child.send(Ping(1));
        let from = Instant::now();
        assert_eq!(boom.await, Err(MailboxError::Closed));
        assert_eq!(behind.await, Ok((1, 1)));
        assert!(from.elapsed() >= 199 * MS, "{:?}", from.elapsed());
        assert_eq!(child.restarts(), 2);
        child.send(Ping(777)).await.unwrap();
        assert!(matches!(child.join().await, ExitReason::Normal));
        assert!(!child.addr().connected());
    });
}

#[test]
fn an_actor_can_live_on_another_arbiter() {
    // Real threads: no virtual time here.
    System::new().block_on(async {
        let arbiter = Arbiter::new();
        #[derive(Message)]
        #[rtype(result = "usize")]
        struct Halt;
        struct Where;
        impl Actor for Where {
            type Context = SupervisedContext<Self>;
        }
        impl Handler<Halt> for Where {
            type Result = usize;
            fn handle(&mut self, _: Halt, ctx: &mut Self::Context) -> usize {
                ctx.stop();
                usize::from(
                    std::thread::current()
                        .name()
                        .is_some_and(|n| n.contains("arbiter")),
                )
            }
        }
        let child = supervise(|_| Where).spawn_in(&arbiter.handle());
        assert_eq!(child.send(Halt).await, Ok(1));
        assert!(matches!(child.join().await, ExitReason::Normal));
        arbiter.stop();
        arbiter.join().unwrap();
        let late = supervise(|_| Where).spawn_in(&Arbiter::current());
        late.kill();
        assert!(matches!(late.join().await, ExitReason::Killed));
    });
}

#[test]
fn handles_go_anywhere() {
    fn anywhere<T: Clone + Send + Sync + 'static>() {}
    #[derive(Clone)]
    struct NotSync(Cell<u8>);
    impl SignalLoop for NotSync {
        type Signal = Cell<u8>;
        fn name(&self) -> String {
            "not sync".into()
        }
        async fn run(&mut self, _: &mut LoopCx<Cell<u8>>) -> Result<(), LoopError> {
            self.0.set(1);
            Ok(())
        }
    }
    anywhere::<ChildHandle>();
    anywhere::<actogram_runtime::Supervisor>();
    anywhere::<Failures>();
    anywhere::<LoopRegistry>();
    anywhere::<LoopHandle<NotSync>>();
    anywhere::<Addr<LoopActor<NotSync>>>();
}

#[test]
fn who_waited_for_the_end_of_a_loop_elsewhere_sees_it_ended() {
    // Real threads: no virtual time here.
    System::new().block_on(async {
        let arbiter = Arbiter::new();
        let turn = async |cx: &mut LoopCx<bool>| {
            cx.pause(MS).await;
            Flow::Stop
        };
        let brief = loop_once(GenericLoop::new("brief", turn), ()).idle();
        let brief = brief.spawn_in(&arbiter.handle());
        for round in 1..=500 {
            assert_eq!(brief.start().await, Ok(true), "in round {round}");
            brief.until_ended().await.unwrap();
            let status = brief.status();
            assert!(!status.running && status.paused, "in round {round}");
            assert_eq!(status.ends, round);
        }
        arbiter.stop();
    });
}

//! Faults of the list in which a supervised actor or loop has to hold: overload, slow consumers, callers that go away,
//! actors that wait for themselves, hosts that stand still. (`groups.rs` has those about groups: P3, P4, P8, P9, P12, P13;
//! `watchdog.rs` P7, `abort.rs` P15, `leaks.rs` what is left behind, P10. P14, a stack overflow or running out of memory, ends any process: the module
//! `supervision` says so.)
#![allow(clippy::unwrap_used)]

mod common;

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::Duration,
};

use actix::prelude::*;
use actogram_runtime::*;
use common::{MS, settle, steady, virtual_time};
use tokio::time::Instant;

const S: Duration = Duration::from_secs(1);

#[derive(Message)]
#[rtype(result = "u32")]
struct Update(u32);

/// Handles updates; panics on those it is told to, and needs a time for each.
struct Consumer {
    handled: Rc<RefCell<Vec<u32>>>,
    poison: u32,
    needs: Duration,
}
impl Actor for Consumer {
    type Context = SupervisedContext<Self>;
}
impl Handler<Update> for Consumer {
    type Result = MessageResult<Update>;
    fn handle(&mut self, Update(n): Update, ctx: &mut Self::Context) -> Self::Result {
        assert!(n != self.poison, "deliberate: update {n}");
        self.handled.borrow_mut().push(n);
        if !self.needs.is_zero() {
            ctx.wait(tokio::time::sleep(self.needs).into_actor(self));
        }
        MessageResult(n)
    }
}

fn consumer(handled: &Rc<RefCell<Vec<u32>>>, poison: u32, needs: Duration) -> Child<Consumer> {
    let handled = Rc::clone(handled);
    supervise(move |_| Consumer {
        handled: Rc::clone(&handled),
        poison,
        needs,
    })
    .backoff(steady())
    .spawn()
}

#[test]
fn p1_a_panic_on_one_update_fails_that_one_and_those_after_it_are_handled() {
    virtual_time(async {
        let handled = Rc::default();
        let child = consumer(&handled, 5, Duration::ZERO);
        let replies = (0..10).map(|n| child.send(Update(n))).collect::<Vec<_>>();
        let replies = futures_util::future::join_all(replies).await;
        for (n, reply) in (0..10).zip(replies) {
            let expected = if n == 5 {
                Err(MailboxError::Closed)
            } else {
                Ok(n)
            };
            assert_eq!(reply, expected);
        }
        assert_eq!(*handled.borrow(), [0, 1, 2, 3, 4, 6, 7, 8, 9]);
        assert_eq!(
            child.last_exit().unwrap().to_string(),
            "panicked: deliberate: update 5"
        );
    });
}

#[derive(Clone)]
struct Sluggish;
impl SignalLoop for Sluggish {
    type Signal = u32;
    fn name(&self) -> String {
        "sluggish".to_owned()
    }
    async fn run(&mut self, cx: &mut LoopCx<u32>) -> Result<(), LoopError> {
        loop {
            let nap = cx.pause(None::<Duration>);
            let _ = cx.wait_signal(nap).await?;
            sleep(60.0).await;
        }
    }
}

#[test]
fn p5_a_flood_of_signals_is_bounded_each_sender_is_told_and_control_still_answers() {
    virtual_time(async {
        let l = loop_of(Sluggish, ()).signal_capacity(100).spawn();
        l.until_paused().await.unwrap();
        let mut told = [0u32; 4];
        for n in 0..100_000 {
            told[l.signal(n).await.unwrap() as usize] += 1;
        }
        // The first was taken; a hundred are kept; of the rest everyone knows.
        let [delivered, queued, full, stopped] = told;
        assert_eq!((delivered, queued, full, stopped), (1, 100, 99_899, 0));
        assert_eq!(l.status().signals_queued, 100);
        assert_eq!(l.pause().await, Ok(true));
        assert_eq!(l.stop().await, Ok(true));
    });
}

#[test]
fn p5_a_flood_of_messages_reaches_a_slow_actor_in_order_and_its_depth_is_shown() {
    virtual_time(async {
        let handled = Rc::default();
        let child = consumer(&handled, u32::MAX, MS);
        // What bounds an actor is the permit its callers hold until they are answered.
        let permits = Rc::new(tokio::sync::Semaphore::new(32));
        let callers = (0..1000).map(|n| {
            let permit = Rc::clone(&permits);
            let child = child.clone();
            tokio::task::spawn_local(async move {
                let _permit = permit.acquire().await.unwrap();
                (n, child.send(Update(n)).await)
            })
        });
        let callers: Vec<_> = callers.collect();
        tokio::time::sleep(2 * S).await;
        for caller in callers {
            let (n, answer) = caller.await.unwrap();
            assert_eq!(answer, Ok(n));
        }
        assert_eq!(*handled.borrow(), (0..1000).collect::<Vec<_>>());
        let messages = child.snapshot().root.messages;
        assert!((31..=32).contains(&messages.depth_max), "{messages:?}");
        assert_eq!(messages.depth, 0);
    });
}

#[test]
fn p6_a_handler_that_takes_a_minute_holds_up_nobody_but_its_own_actor() {
    virtual_time(async {
        let (slow_log, quick_log) = (Rc::default(), Rc::default());
        let slow = consumer(&slow_log, u32::MAX, 60 * S);
        let quick = consumer(&quick_log, u32::MAX, Duration::ZERO);
        slow.addr().do_send(Update(1));
        slow.addr().do_send(Update(2));
        settle().await;
        for n in 0..100 {
            let from = Instant::now();
            assert_eq!(quick.send(Update(n)).await, Ok(n));
            assert_eq!(from.elapsed(), Duration::ZERO);
        }
        assert_eq!(*slow_log.borrow(), [1]);
        tokio::time::sleep(61 * S).await;
        assert_eq!(*slow_log.borrow(), [1, 2]);
    });
}

#[test]
fn p10_messages_of_callers_that_went_away_are_handled() {
    virtual_time(async {
        let handled = Rc::default();
        let child = consumer(&handled, u32::MAX, Duration::ZERO);
        for n in 0..1000 {
            drop(child.send(Update(n)));
        }
        settle().await;
        assert_eq!(handled.borrow().len(), 1000);
    });
}

#[derive(Message)]
#[rtype(result = "u32")]
struct AskYourself;

struct Narcissus;
impl Actor for Narcissus {
    type Context = SupervisedContext<Self>;
}
impl Handler<Update> for Narcissus {
    type Result = u32;
    fn handle(&mut self, Update(n): Update, _: &mut Self::Context) -> u32 {
        n
    }
}
impl Handler<AskYourself> for Narcissus {
    type Result = AtomicResponse<Self, u32>;
    fn handle(&mut self, _: AskYourself, ctx: &mut Self::Context) -> Self::Result {
        let reply = ctx.address().send(Update(7));
        AtomicResponse::new(Box::pin(
            timeout(reply, 5.0)
                .into_actor(self)
                .map(|reply, _, _| reply.unwrap_or(0)),
        ))
    }
}

#[test]
fn p11_an_actor_that_waits_for_itself_is_noticed_and_a_timeout_frees_it() {
    virtual_time(async {
        let child = supervise(|_| Narcissus).name("narcissus").spawn();
        let mut events = child.events();
        assert_eq!(child.send(AskYourself).await, Ok(0));
        assert_eq!(child.send(Update(1)).await, Ok(1));
        let noticed = std::iter::from_fn(|| events.try_next())
            .filter(|event| matches!(event.what, Lifecycle::MayWaitForItself { message } if message.ends_with("Update")))
            .count();
        assert_eq!(noticed, usize::from(cfg!(debug_assertions)));
        assert_eq!(child.restarts(), 0);
    });
}

#[test]
fn p11_a_request_to_itself_that_it_does_not_wait_for_is_fine() {
    struct Calm(Rc<Cell<u32>>);
    impl Actor for Calm {
        type Context = SupervisedContext<Self>;
    }
    impl Handler<Update> for Calm {
        type Result = u32;
        fn handle(&mut self, Update(n): Update, _: &mut Self::Context) -> u32 {
            n
        }
    }
    impl Handler<AskYourself> for Calm {
        type Result = u32;
        fn handle(&mut self, _: AskYourself, ctx: &mut Self::Context) -> u32 {
            let reply = ctx.address().send(Update(7));
            ctx.spawn(
                reply
                    .into_actor(self)
                    .map(|reply, calm, _| calm.0.set(reply.unwrap())),
            );
            0
        }
    }
    virtual_time(async {
        let seen = Rc::new(Cell::new(0));
        let kept = Rc::clone(&seen);
        let child = supervise(move |_| Calm(Rc::clone(&kept))).spawn();
        let mut events = child.events();
        assert_eq!(child.send(AskYourself).await, Ok(0));
        settle().await;
        assert_eq!(seen.get(), 7);
        assert!(
            !std::iter::from_fn(|| events.try_next())
                .any(|event| matches!(event.what, Lifecycle::MayWaitForItself { .. }))
        );
    });
}

#[test]
fn r24_a_host_that_stands_still_for_ten_minutes_finds_no_burst_and_loses_nothing() {
    virtual_time(async {
        let periodic = {
            let counter = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
            let counted = std::sync::Arc::clone(&counter);
            let l = loop_once(
                PeriodicLoop::new(
                    "every 2 s",
                    Some(2 * S),
                    async move |_: &mut LoopCx<bool>| {
                        counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    },
                ),
                (),
            )
            .spawn();
            (l, counter)
        };
        let handled = Rc::<RefCell<Vec<u32>>>::default();
        let slow = consumer(&handled, 3, S);
        for n in 0..6 {
            slow.addr().do_send(Update(n));
        }
        tokio::time::sleep(500 * MS).await;
        let before = periodic.1.load(std::sync::atomic::Ordering::Relaxed);
        // All clocks have gone on when the process gets to run again.
        tokio::time::advance(600 * S).await;
        settle().await;
        let after = periodic.1.load(std::sync::atomic::Ordering::Relaxed);
        assert_eq!((before, after), (1, 2), "one turn, not three hundred");
        tokio::time::sleep(11 * S).await;
        assert_eq!(*handled.borrow(), [0, 1, 2, 4, 5]);
        assert_eq!(slow.restarts(), 1);
        assert_eq!(periodic.1.load(std::sync::atomic::Ordering::Relaxed), 7);
        assert!(periodic.0.is_running());
    });
}

#[test]
fn a_ticker_of_10_ms_keeps_ticking_under_a_flood_of_messages_and_signals() {
    struct Flooded(Rc<Cell<u32>>);
    impl Actor for Flooded {
        type Context = SupervisedContext<Self>;
    }
    impl Handler<Update> for Flooded {
        type Result = u32;
        fn handle(&mut self, Update(n): Update, ctx: &mut Self::Context) -> u32 {
            self.0.set(self.0.get() + 1);
            // It never runs out of messages.
            ctx.address().do_send(Update(n));
            n
        }
    }
    virtual_time(async {
        let ticks = Rc::new(Cell::new(0));
        let counted = Rc::clone(&ticks);
        tokio::task::spawn_local(async move {
            let mut ticker = tokio::time::interval(10 * MS);
            loop {
                ticker.tick().await;
                counted.set(counted.get() + 1);
            }
        });
        let flood = Rc::new(Cell::new(0));
        let kept = Rc::clone(&flood);
        let child = supervise(move |_| Flooded(Rc::clone(&kept))).spawn();
        for n in 0..1000 {
            child.addr().do_send(Update(n));
        }
        let l = loop_of(Sluggish, ()).signal_capacity(1).spawn();
        let signals = l.signals();
        for ms in 0..1000 {
            for n in 0..50 {
                signals.do_send(Signal(ms * 50 + n));
            }
            tokio::time::advance(MS).await;
        }
        assert!(flood.get() > 10_000, "{}", flood.get());
        assert!((95..=102).contains(&ticks.get()), "{}", ticks.get());
        child.stop();
        assert!(matches!(child.join().await, ExitReason::Stopped));
    });
}

//! One turn of a supervised actor: control before data, a budget, and the arbiter's other tasks.
#![allow(clippy::unwrap_used)]

mod common;

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::Duration,
};

use actix::prelude::*;
use actogram_runtime::*;
use common::{MS, next_turn, settle, steady, virtual_time};
use tokio::time::Instant;

// -- control before data ------------------------------------------------------------------------------------------------

#[derive(Message)]
#[rtype(result = "usize")]
struct Halt;
impl ControlMessage for Halt {
    const CLASS: Control = Control::Stop;
}
#[derive(Message)]
#[rtype(result = "()")]
struct Hold(bool);
impl ControlMessage for Hold {
    const CLASS: Control = Control::State;
}
#[derive(Message)]
#[rtype(result = "()")]
struct Poke(u32);
impl ControlMessage for Poke {
    const CLASS: Control = Control::Signal;
}
#[derive(Message)]
#[rtype(result = "()")]
struct Work(u32);

#[derive(Default)]
struct Worker(Rc<RefCell<Vec<String>>>);
impl Actor for Worker {
    type Context = SupervisedContext<Self>;
}
impl Handler<Halt> for Worker {
    type Result = usize;
    fn handle(&mut self, _: Halt, ctx: &mut Self::Context) -> usize {
        ctx.stop();
        self.0.borrow().len()
    }
}
impl Handler<Hold> for Worker {
    type Result = ();
    fn handle(&mut self, Hold(on): Hold, ctx: &mut Self::Context) {
        self.0.borrow_mut().push(format!("hold {on}"));
        ctx.hold_data(on);
    }
}
impl Handler<Poke> for Worker {
    type Result = ();
    fn handle(&mut self, Poke(n): Poke, _: &mut Self::Context) {
        self.0.borrow_mut().push(format!("poke {n}"));
    }
}
impl Handler<Work> for Worker {
    type Result = ();
    fn handle(&mut self, Work(n): Work, _: &mut Self::Context) {
        assert!(n != 666_666, "deliberate: {n}");
        self.0.borrow_mut().push(format!("work {n}"));
    }
}

fn worker(log: &Rc<RefCell<Vec<String>>>) -> Child<Worker> {
    let log = Rc::clone(log);
    supervise(move |_| Worker(Rc::clone(&log)))
        .control::<Halt>()
        .control::<Hold>()
        .control::<Poke>()
        .backoff(steady())
        .spawn()
}

#[test]
fn stop_behind_ten_thousand_messages_is_handled_within_one_turn() {
    virtual_time(async {
        let log = Rc::default();
        let child = worker(&log);
        settle().await;
        for n in 0..10_000 {
            child.addr().do_send(Work(n));
        }
        let handled_before = child.send(Halt).await.unwrap();
        assert_eq!(handled_before, 0);
        assert!(matches!(child.join().await, ExitReason::Normal));
        assert_eq!(log.borrow().len(), 0);
    });
}

#[test]
fn control_goes_by_class_and_hold_keeps_data_only() {
    virtual_time(async {
        let log = Rc::default();
        let child = worker(&log);
        settle().await;
        let addr = child.addr();
        addr.do_send(Work(1));
        addr.do_send(Poke(1));
        addr.do_send(Hold(true));
        addr.do_send(Work(2));
        settle().await;
        assert_eq!(*log.borrow(), ["hold true", "poke 1"]);
        addr.do_send(Poke(2));
        settle().await;
        addr.do_send(Hold(false));
        settle().await;
        assert_eq!(
            *log.borrow(),
            [
                "hold true",
                "poke 1",
                "poke 2",
                "hold false",
                "work 1",
                "work 2"
            ]
        );
    });
}

#[test]
fn control_is_read_during_back_off() {
    virtual_time(async {
        // Kept in order for the next value, before the data that came earlier.
        let log = Rc::default();
        let child = worker(&log);
        let _ = child.send(Work(666_666)).await;
        let addr = child.addr();
        addr.do_send(Work(1));
        addr.do_send(Poke(1));
        settle().await;
        assert!(matches!(child.state(), ChildState::BackingOff { .. }));
        assert!(log.borrow().is_empty());
        tokio::time::sleep(150 * MS).await;
        assert_eq!(*log.borrow(), ["poke 1", "work 1"]);

        // A stop ends the back-off at once.
        let _ = child.send(Work(666_666)).await;
        let from = Instant::now();
        let reply = child.send(Halt);
        assert!(matches!(child.join().await, ExitReason::Stopped));
        assert_eq!(reply.await, Err(MailboxError::Closed));
        assert_eq!(from.elapsed(), Duration::ZERO);
    });
}

#[test]
fn at_most_the_budget_of_data_is_handled_in_one_turn() {
    virtual_time(async {
        let log = Rc::<RefCell<Vec<String>>>::default();
        let child = worker(&log);
        settle().await;
        for n in 0..1000 {
            child.addr().do_send(Work(n));
        }
        let mut most = 0;
        let mut before = 0;
        while before < 1000 {
            next_turn().await;
            let now = log.borrow().len();
            most = most.max(now - before);
            before = now;
        }
        // tokio resumes tasks that yielded in changing order, so two turns may fall between two looks.
        assert!((DATA_BUDGET..=2 * DATA_BUDGET).contains(&most), "{most}");
    });
}

// -- the arbiter is never starved ---------------------------------------------------------------------------------------

fn ticks_while(run: impl AsyncFnOnce() + 'static) -> usize {
    virtual_time(async move {
        let ticks = Rc::new(Cell::new(0));
        let counted = Rc::clone(&ticks);
        tokio::task::spawn_local(async move {
            loop {
                next_turn().await;
                counted.set(counted.get() + 1);
            }
        });
        run().await;
        ticks.get()
    })
}

#[test]
fn a_restart_storm_leaves_the_other_tasks_alive() {
    struct Stillborn;
    impl Actor for Stillborn {
        type Context = SupervisedContext<Self>;
        fn started(&mut self, _: &mut Self::Context) {
            panic!("deliberate: stillborn");
        }
    }
    let ticks = ticks_while(async || {
        let child = supervise(|_| Stillborn)
            .backoff(Backoff::NONE)
            .intensity(RestartIntensity::UNLIMITED)
            .spawn();
        while child.restarts() < 500 {
            tokio::task::yield_now().await;
        }
        child.stop();
        assert!(matches!(child.join().await, ExitReason::Stopped));
    });
    assert!(ticks >= 240, "{ticks}");
}

#[test]
fn a_message_loop_leaves_the_other_tasks_alive() {
    struct Selfish(u32);
    impl Actor for Selfish {
        type Context = SupervisedContext<Self>;
        fn started(&mut self, ctx: &mut Self::Context) {
            ctx.address().do_send(Work(0));
            ctx.notify(Work(0));
        }
    }
    impl Handler<Work> for Selfish {
        type Result = ();
        fn handle(&mut self, Work(n): Work, ctx: &mut Self::Context) {
            self.0 += 1;
            if n % 2 == 0 {
                ctx.address().do_send(Work(n));
            } else {
                ctx.notify(Work(n));
            }
            if self.0 > 20_000 {
                ctx.stop();
            }
        }
    }
    let ticks = ticks_while(async || {
        let child = supervise(|_| Selfish(0)).spawn();
        child.join().await;
    });
    assert!(ticks >= 20_000 / DATA_BUDGET / 2, "{ticks}");
}

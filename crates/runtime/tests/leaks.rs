//! What is left allocated: nothing, whatever was restarted or abandoned. A test program of its own, since it replaces the
//! allocator by one that counts.
#![allow(clippy::unwrap_used)]

mod common;

use actix::prelude::*;
use actogram_runtime::{Supervisor, *};
use allocation_counter::measure;
use common::{settle, virtual_time};

/// Runs some work a thousand and three thousand times: the most that is allocated at one time must not grow by as much as
/// one byte for each.
fn leaves_nothing(work: impl AsyncFn(usize) + Copy + 'static) {
    let peak = |times| measure(|| virtual_time(async move { work(times).await })).bytes_max;
    peak(10);
    let (few, many) = (peak(1000), peak(3000));
    assert!(many < few + 2000, "{few} bytes at most, then {many}");
}

#[test]
fn the_measure_sees_a_byte_that_is_left_each_time() {
    let caught = std::panic::catch_unwind(|| {
        leaves_nothing(async |times| {
            for _ in 0..times {
                std::mem::forget(Box::new(0u8));
            }
        });
    });
    assert!(caught.is_err());
}

#[test]
fn a_loop_restarted_a_thousand_times_leaks_nothing() {
    leaves_nothing(async |times| {
        let root = Supervisor::root("root").start();
        let mut events = root.events();
        let mut turn = 0usize;
        let l = loop_once(
            GenericLoop::new("stumbling", async move |_: &mut LoopCx<bool>| {
                turn += 1;
                match turn {
                    n if n > times => Ok(Flow::Pause),
                    n if n % 2 == 0 => panic!("deliberate: turn {n}"),
                    n => Err(LoopError::msg(format!("turn {n}"))),
                }
            }),
            (),
        )
        .intensity(RestartIntensity::UNLIMITED)
        .under(&root)
        .spawn();
        l.until_paused().await.unwrap();
        assert_eq!(l.status().restarts, times as u64);
        while events.try_next().is_some() {}
        root.stop();
        root.join().await;
    });
}

#[test]
fn an_actor_restarted_a_thousand_times_leaks_nothing() {
    #[derive(Message)]
    #[rtype(result = "()")]
    struct Die;
    struct Mortal(Vec<u8>);
    impl Actor for Mortal {
        type Context = SupervisedContext<Self>;
        fn started(&mut self, ctx: &mut Self::Context) {
            ctx.run_interval(std::time::Duration::from_secs(1), |act, _| act.0.push(1));
            ctx.spawn_body(std::future::pending::<()>(), |_, _, _| {});
            ctx.report_details(std::collections::BTreeMap::new);
        }
    }
    impl Handler<Die> for Mortal {
        type Result = ();
        fn handle(&mut self, _: Die, _: &mut Self::Context) {
            panic!("deliberate: {}", self.0.len());
        }
    }
    leaves_nothing(async |times| {
        let child = supervise(|_| Mortal(vec![0; 1000]))
            .intensity(RestartIntensity::UNLIMITED)
            .spawn();
        for _ in 0..times {
            assert!(child.send(Die).await.is_err());
        }
        child.stop();
        child.join().await;
    });
}

#[test]
fn loops_and_actors_that_end_leave_nothing_in_their_group_or_registry() {
    leaves_nothing(async |times| {
        let root = Supervisor::root("root").start();
        let registry = LoopRegistry::default();
        for n in 0..times {
            let l = loop_once(
                GenericLoop::new(format!("loop {n}"), async |_: &mut LoopCx<bool>| {
                    Flow::Pause
                }),
                (),
            )
            .under(&root)
            .register_in(&registry)
            .spawn();
            l.until_paused().await.unwrap();
            l.actor().stop();
            l.actor().join().await;
            assert!(registry.get("none").is_err());
        }
        settle().await;
        assert!(root.children().is_empty());
    });
}

#[test]
fn p10_callers_that_went_away_leave_nothing_behind() {
    leaves_nothing(async |times| {
        let l = loop_once(
            GenericLoop::new("busy", async |_: &mut LoopCx<bool>| Flow::Pause),
            (),
        )
        .signal_capacity(4)
        .spawn();
        l.until_paused().await.unwrap();
        let failures = Failures::new(Escalation::Report);
        for _ in 0..times {
            // Until it pauses again, which it never does.
            drop(l.until_paused());
            drop(l.until_ended());
            drop(l.pause());
            drop(call_fork(&failures, async { Err::<(), _>("lost") }));
            drop(l.actor().events());
            tokio::task::yield_now().await;
        }
    });
}

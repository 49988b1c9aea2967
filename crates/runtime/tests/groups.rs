//! Groups: strategies, intensity, escalation, stop order, and the actor-level faults of the fault list.
#![allow(clippy::unwrap_used)]

mod common;

use std::{cell::RefCell, collections::HashMap, rc::Rc, time::Duration};

use actix::{dev::OneshotSender, prelude::*};
// By name: actix has a `Supervisor` of its own.
use actogram_runtime::Supervisor;
use actogram_runtime::*;
use common::{MS, settle, steady, virtual_time};
use tokio::time::Instant;

type Log = Rc<RefCell<Vec<String>>>;

struct Member {
    name: &'static str,
    log: Log,
    pending: Vec<OneshotSender<u32>>,
    hang_on_stop: bool,
}

impl Actor for Member {
    type Context = SupervisedContext<Self>;
    fn started(&mut self, _: &mut Self::Context) {
        self.log.borrow_mut().push(format!("+{}", self.name));
    }
    fn stopping(&mut self, _: &mut Self::Context) -> Running {
        // A veto does not keep a supervisor from stopping it.
        if self.hang_on_stop {
            Running::Continue
        } else {
            Running::Stop
        }
    }
    fn stopped(&mut self, _: &mut Self::Context) {
        self.log.borrow_mut().push(format!("-{}", self.name));
    }
}

#[derive(Message)]
#[rtype(result = "()")]
struct Fail;
impl Handler<Fail> for Member {
    type Result = ();
    fn handle(&mut self, _: Fail, _: &mut Self::Context) {
        panic!("deliberate: {}", self.name);
    }
}
#[derive(Message)]
#[rtype(result = "u32")]
struct Ask(u32);
impl Handler<Ask> for Member {
    type Result = u32;
    fn handle(&mut self, Ask(n): Ask, _: &mut Self::Context) -> u32 {
        n
    }
}
/// A question that is only answered by another message, or never.
#[derive(Message)]
#[rtype(result = "u32")]
struct Pend;
struct Deferred(Rc<RefCell<Option<OneshotSender<u32>>>>);
impl actix::dev::MessageResponse<Member, Pend> for Deferred {
    fn handle(self, _: &mut SupervisedContext<Member>, tx: Option<OneshotSender<u32>>) {
        *self.0.borrow_mut() = tx;
    }
}
impl Handler<Pend> for Member {
    type Result = Deferred;
    fn handle(&mut self, _: Pend, ctx: &mut Self::Context) -> Deferred {
        let slot = Rc::new(RefCell::new(None));
        let later = Rc::clone(&slot);
        ctx.spawn(async {}.into_actor(self).map(move |(), act, _| {
            act.pending.extend(later.borrow_mut().take());
        }));
        Deferred(slot)
    }
}

fn member(
    log: &Log,
    name: &'static str,
) -> impl FnMut(&mut SupervisedContext<Member>) -> Member + 'static {
    let log = Rc::clone(log);
    move |_| Member {
        name,
        log: Rc::clone(&log),
        pending: Vec::new(),
        hang_on_stop: name == "stubborn",
    }
}

fn take(log: &Log) -> Vec<String> {
    std::mem::take(&mut log.borrow_mut())
}

fn three(group: &Supervisor, log: &Log) -> HashMap<&'static str, Child<Member>> {
    ["a", "b", "c"]
        .into_iter()
        .map(|name| {
            let child = supervise(member(log, name))
                .name(name)
                .backoff(steady())
                .under(group)
                .spawn();
            (name, child)
        })
        .collect()
}

fn strategy(strategy: SupervisionStrategy) -> Vec<String> {
    virtual_time(async move {
        let log = Log::default();
        let group = Supervisor::root("group")
            .strategy(strategy)
            .backoff(steady())
            .start();
        let members = three(&group, &log);
        settle().await;
        assert_eq!(take(&log), ["+a", "+b", "+c"]);
        let _ = members["b"].send(Fail).await;
        // Sent to members that are down: queued on the same address.
        let answers: Vec<_> = members.values().map(|m| m.send(Ask(7))).collect();
        for answer in answers {
            assert_eq!(answer.await, Ok(7));
        }
        assert_eq!(group.state(), ChildState::Running);
        take(&log)
    })
}

#[test]
fn one_for_one_restarts_only_the_failed() {
    assert_eq!(strategy(SupervisionStrategy::OneForOne), ["+b"]);
}

#[test]
fn rest_for_one_restarts_those_started_after_it_too() {
    assert_eq!(
        strategy(SupervisionStrategy::RestForOne),
        ["-c", "+b", "+c"]
    );
}

#[test]
fn one_for_all_restarts_everyone_in_order() {
    assert_eq!(
        strategy(SupervisionStrategy::OneForAll),
        ["-c", "-a", "+a", "+b", "+c"]
    );
}

#[test]
fn temporary_members_are_not_restarted_with_the_others() {
    virtual_time(async {
        let log = Log::default();
        let group = Supervisor::root("group")
            .strategy(SupervisionStrategy::OneForAll)
            .backoff(steady())
            .start();
        let a = supervise(member(&log, "a")).under(&group).spawn();
        let t = supervise(member(&log, "t"))
            .policy(RestartPolicy::Temporary)
            .under(&group)
            .spawn();
        settle().await;
        let _ = a.send(Fail).await;
        assert!(matches!(t.join().await, ExitReason::Stopped));
        assert_eq!(a.send(Ask(1)).await, Ok(1));
        assert_eq!(take(&log), ["+a", "+t", "-t", "+a"]);
        assert_eq!(group.children().len(), 1);
    });
}

#[test]
fn intensity_escalates_to_the_group_above_and_out_of_the_root() {
    virtual_time(async {
        let log = Log::default();
        let root = Supervisor::root("root")
            .intensity(RestartIntensity::new(1, Duration::from_secs(600)))
            .backoff(steady())
            .start();
        let inner = root
            .group("inner")
            .intensity(RestartIntensity::new(2, Duration::from_secs(600)))
            .backoff(steady())
            .start();
        let bystander = supervise(member(&log, "by"))
            .name("by")
            .under(&root)
            .spawn();
        let a = supervise(member(&log, "a"))
            .name("a")
            .backoff(steady())
            .under(&inner)
            .spawn();
        settle().await;
        let mut events = root.events();
        // Twice within the inner intensity; the third stops the inner group, the root starts it again with fresh counters.
        for n in 0..3 {
            let _ = a.send(Fail).await;
            assert_eq!(a.send(Ask(n)).await, Ok(n));
        }
        assert_eq!((inner.generation(), bystander.generation()), (2, 1));
        // Three more: the root's own intensity (1) is exceeded.
        for _ in 0..3 {
            let _ = a.send(Fail).await;
            let _ = a.send(Ask(0)).await;
        }
        let reason = root.join().await;
        let ExitReason::Error(error) = &reason else {
            panic!("{reason}")
        };
        let exhausted = error.downcast_ref::<RestartsExhausted>().unwrap();
        assert_eq!((exhausted.who.as_str(), exhausted.failures), ("root", 2));
        let chain = reason.to_string();
        assert!(
            chain.contains("inner") && chain.contains("deliberate: a"),
            "{chain}"
        );
        assert!(!bystander.addr().connected() && !a.addr().connected());
        let mut escalated = Vec::new();
        while let Some(event) = events.try_next() {
            if matches!(event.what, Lifecycle::Escalated(_)) {
                escalated.push(event.path);
            }
        }
        assert_eq!(escalated, ["root/inner", "root/inner", "root"]);
    });
}

#[test]
fn a_child_with_its_own_intensity_restarts_itself_before_it_escalates() {
    virtual_time(async {
        let log = Log::default();
        let failures = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let seen = std::sync::Arc::clone(&failures);
        let root = Supervisor::root("root")
            .on_failure(move |name, reason| {
                seen.lock()
                    .unwrap()
                    .push(format!("{name} {}", reason.word()))
            })
            .start();
        let a = supervise(member(&log, "a"))
            .name("a")
            .backoff(steady())
            .intensity(RestartIntensity::new(2, Duration::from_secs(60)))
            .under(&root)
            .spawn();
        for _ in 0..3 {
            let _ = a.send(Fail).await;
            assert_eq!(a.send(Ask(1)).await, Ok(1));
        }
        assert_eq!(*failures.lock().unwrap(), ["a error"]);
        assert_eq!(a.restarts(), 3);
    });
}

#[test]
fn one_address_serves_a_thousand_restarts() {
    virtual_time(async {
        let log = Log::default();
        let root = Supervisor::root("root")
            .intensity(RestartIntensity::UNLIMITED)
            .start();
        let a = supervise(member(&log, "a"))
            .backoff(Backoff::NONE)
            .under(&root)
            .spawn();
        for n in 0..1000 {
            let _ = a.send(Fail).await;
            assert_eq!(a.send(Ask(n)).await, Ok(n));
        }
        assert_eq!(a.restarts(), 1000);
    });
}

#[test]
fn the_tree_can_be_seen_and_serialized() {
    virtual_time(async {
        let log = Log::default();
        let root = Supervisor::root("root").start();
        let inner = root.group("inner").start();
        let members = three(&inner, &log);
        settle().await;
        members["a"].send(Ask(1)).await.unwrap();
        let _ = members["c"].send(Fail).await;
        settle().await;
        let snapshot = root.snapshot();
        assert_eq!(snapshot.root.find("a").unwrap().messages.handled, 1);
        let c = snapshot.root.find("c").unwrap();
        assert_eq!(c.state, "backing_off");
        assert!((1..=100).contains(&c.resumes_in_ms.unwrap()));
        assert_eq!(c.last_exit.as_deref(), Some("panicked: deliberate: c"));
        assert_eq!(snapshot.kinds["Member"].handled, 1);
        assert_eq!(members["a"].path(), "root/inner/a");
        let json = serde_json::to_value(&snapshot).unwrap();
        assert_eq!(json["root"]["children"][0]["children"][2]["name"], "c");
    });
}

#[test]
fn a_child_added_to_an_ended_group_is_stopped() {
    virtual_time(async {
        let log = Log::default();
        let root = Supervisor::root("root").start();
        root.stop();
        root.join().await;
        let late = supervise(member(&log, "late")).under(&root).spawn();
        assert!(matches!(late.join().await, ExitReason::Stopped));
    });
}

// -- the list of actor-level faults -------------------------------------------------------------------------------------

#[test]
fn p3_a_panic_inside_an_internal_loop_restarts_that_child_only() {
    struct Reader(Log);
    impl Actor for Reader {
        type Context = SupervisedContext<Self>;
        fn started(&mut self, ctx: &mut Self::Context) {
            self.0
                .borrow_mut()
                .push(format!("reader {}", ctx.generation()));
            let first = ctx.generation() == 1;
            ctx.spawn_body(
                async move {
                    tokio::time::sleep(10 * MS).await;
                    assert!(!first, "deliberate: read loop");
                    std::future::pending::<()>().await;
                },
                |_, ended, ctx| match ended {
                    Ok(()) => ctx.stop(),
                    Err(died) => ctx.fail(died),
                },
            );
        }
    }
    virtual_time(async {
        let log = Log::default();
        let root = Supervisor::root("root").backoff(steady()).start();
        let members = three(&root, &log);
        let kept = Rc::clone(&log);
        let reader = supervise(move |_| Reader(Rc::clone(&kept)))
            .backoff(steady())
            .under(&root)
            .spawn();
        tokio::time::sleep(500 * MS).await;
        assert_eq!(take(&log), ["+a", "+b", "+c", "reader 1", "reader 2"]);
        assert!(members.values().all(|m| m.restarts() == 0));
        assert!(
            reader
                .last_exit()
                .unwrap()
                .to_string()
                .contains("deliberate: read loop")
        );
    });
}

#[test]
fn p4_a_panic_in_the_supervisor_itself_escalates_and_leaves_others_alone() {
    virtual_time(async {
        let log = Log::default();
        let other = Supervisor::root("other").start();
        let bystander = supervise(member(&log, "by")).under(&other).spawn();

        let root = Supervisor::root("root").backoff(steady()).start();
        let mut first = true;
        let inner = root
            .group("inner")
            .backoff(steady())
            .on_failure(move |_, _| {
                if std::mem::take(&mut first) {
                    panic!("deliberate: supervisor");
                }
            })
            .start();
        let a = supervise(member(&log, "a"))
            .name("a")
            .under(&inner)
            .backoff(steady())
            .spawn();
        let _ = a.send(Fail).await;
        // The group above starts the whole group again; the address still works.
        assert_eq!(a.send(Ask(1)).await, Ok(1));
        assert_eq!(inner.generation(), 2);
        assert!(
            inner
                .last_exit()
                .unwrap()
                .to_string()
                .contains("deliberate: supervisor")
        );

        // At the root there is nobody above: it ends with that error, the process lives.
        let lone = Supervisor::root("lone")
            .on_failure(|_, _| panic!("deliberate: root"))
            .start();
        let b = supervise(member(&log, "b")).under(&lone).spawn();
        let _ = b.send(Fail).await;
        let reason = lone.join().await;
        let ExitReason::Error(error) = &reason else {
            panic!("{reason}")
        };
        assert!(error.is::<SupervisorPanicked>());
        assert!(!b.addr().connected());
        assert_eq!(bystander.send(Ask(2)).await, Ok(2));
    });
}

#[test]
fn p8_a_restart_storm_backs_off_and_then_escalates() {
    struct Stillborn;
    impl Actor for Stillborn {
        type Context = SupervisedContext<Self>;
        fn started(&mut self, _: &mut Self::Context) {
            panic!("deliberate: at start");
        }
    }
    virtual_time(async {
        let root = Supervisor::root("root")
            .intensity(RestartIntensity::new(9, Duration::from_secs(3600)))
            .seed(11)
            .start();
        let child = supervise(|_| Stillborn)
            .name("stillborn")
            .under(&root)
            .spawn();
        let mut events = root.events();
        let from = Instant::now();
        let reason = root.join().await;
        assert!(matches!(reason, ExitReason::Error(_)), "{reason}");
        let mut delays = Vec::new();
        while let Some(event) = events.try_next() {
            if let Lifecycle::Restarting { delay } = event.what {
                delays.push(delay.as_secs_f64());
            }
        }
        assert_eq!(delays.len(), 9);
        for (n, delay) in delays.iter().enumerate() {
            let base = (0.2 * f64::from(1 << n)).min(30.0);
            assert!(*delay >= base * 0.8 && *delay <= base * 1.2, "{n}: {delay}");
        }
        assert!((from.elapsed().as_secs_f64() - delays.iter().sum::<f64>()).abs() < 0.1);
        assert_eq!(child.restarts(), 9);
    });
}

#[test]
fn p9_pending_replies_all_complete_with_an_error_when_the_actor_dies() {
    virtual_time(async {
        let log = Log::default();
        let child = supervise(member(&log, "a"))
            .backoff(Backoff::constant(Duration::from_secs(3600)))
            .spawn();
        let waiting: Vec<_> = (0..1000).map(|_| child.send(Pend)).collect();
        settle().await;
        let from = Instant::now();
        child.addr().do_send(Fail);
        let answers = futures_util::future::join_all(waiting).await;
        assert_eq!(answers.len(), 1000);
        assert!(answers.iter().all(|a| *a == Err(MailboxError::Closed)));
        assert!(from.elapsed() < Duration::from_secs(1));
    });
}

#[test]
fn p12_children_stop_in_reverse_order_with_deadlines_then_are_killed() {
    /// Its handler never lets go of the actor, but its thread is free.
    struct Hanging(Log);
    impl Actor for Hanging {
        type Context = SupervisedContext<Self>;
        fn stopped(&mut self, _: &mut Self::Context) {
            self.0.borrow_mut().push("-hanging".to_owned());
        }
    }
    virtual_time(async {
        let log = Log::default();
        let root = Supervisor::root("root").start();
        let inner = root.group("inner").start();
        let _members = three(&inner, &log);
        let _stubborn = supervise(member(&log, "stubborn")).under(&root).spawn();
        // A child that was handed to an arbiter that never gets round to it: it cannot stop in time.
        let kept = Rc::clone(&log);
        let blocked = supervise(move |_| Hanging(Rc::clone(&kept)))
            .name("blocked")
            .shutdown(Duration::from_secs(2))
            .under(&root);
        let blocked = common::never_polled(|| blocked.spawn());
        settle().await;
        take(&log);
        let from = Instant::now();
        root.stop();
        assert!(matches!(root.join().await, ExitReason::Stopped));
        assert_eq!(take(&log), ["-stubborn", "-c", "-b", "-a"]);
        let took = from.elapsed();
        assert!(
            took >= Duration::from_secs(2) && took < Duration::from_millis(2300),
            "{took:?}"
        );
        drop(blocked);
    });
}

#[test]
fn p13_messages_to_a_restarting_actor_are_queued_and_none_vanishes() {
    virtual_time(async {
        let log = Log::default();
        let child = supervise(member(&log, "a")).backoff(steady()).spawn();
        let mut answers = Vec::new();
        let mut while_down = 0;
        for round in 0..4 {
            child.addr().do_send(Fail);
            for n in 0..250 {
                while_down += u32::from(matches!(child.state(), ChildState::BackingOff { .. }));
                answers.push((round * 250 + n, child.send(Ask(round * 250 + n))));
                if n % 50 == 0 {
                    tokio::time::sleep(3 * MS).await;
                }
            }
        }
        for (n, answer) in answers {
            assert_eq!(answer.await, Ok(n));
        }
        // All but those that were sent before the first failure was handled.
        assert_eq!(while_down, 999);
        assert_eq!(child.restarts(), 4);
    });
}

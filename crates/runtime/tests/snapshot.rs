//! What the tree shows of itself, and when.
#![allow(clippy::unwrap_used)]

mod common;

use std::time::Duration;

use actix::prelude::*;
use actogram_runtime::{Supervisor, *};
use common::{MS, settle, steady, virtual_time};
use serde_json::json;

const S: Duration = Duration::from_secs(1);

#[derive(Message)]
#[rtype(result = "()")]
struct Nap(Duration);

#[derive(Message)]
#[rtype(result = "()")]
struct Fail(&'static str);

#[derive(Message)]
#[rtype(result = "()")]
struct Panic;

struct Member;
impl Actor for Member {
    type Context = SupervisedContext<Self>;
}
impl Handler<Nap> for Member {
    type Result = ();
    fn handle(&mut self, Nap(time): Nap, ctx: &mut Self::Context) {
        ctx.wait(tokio::time::sleep(time).into_actor(self).map(|(), _, _| ()));
    }
}
impl Handler<Fail> for Member {
    type Result = ();
    fn handle(&mut self, Fail(why): Fail, ctx: &mut Self::Context) {
        ctx.fail(why);
    }
}
impl Handler<Panic> for Member {
    type Result = ();
    fn handle(&mut self, _: Panic, _: &mut Self::Context) {
        panic!("deliberate: member");
    }
}

fn json_of(root: &Supervisor) -> serde_json::Value {
    serde_json::to_value(root.snapshot()).unwrap()
}

#[test]
fn restarts_are_shown_with_their_reasons_and_the_last_error_outlives_a_stop() {
    virtual_time(async {
        let root = Supervisor::root("root")
            .intensity(RestartIntensity::UNLIMITED)
            .start();
        let child = supervise(|_| Member)
            .name("m")
            .backoff(Backoff::constant(10 * MS))
            .under(&root)
            .spawn();
        for why in ["one", "two", "three", "four"] {
            child.send(Fail(why)).await.unwrap();
        }
        let _ = child.send(Panic).await;
        settle().await;
        let node = &json_of(&root)["root"]["children"][0];
        assert_eq!(node["state"], "backing_off");
        assert_eq!(
            node["restart_reasons"],
            json!(["error: one", "error: two", "error: three", "error: four"])
        );
        tokio::time::sleep(50 * MS).await;
        child.restart();
        settle().await;
        let node = &json_of(&root)["root"]["children"][0];
        assert_eq!(
            (&node["restarts"], &node["generation"]),
            (&json!(6), &json!(7))
        );
        assert_eq!(
            node["restart_reasons"],
            json!([
                "error: three",
                "error: four",
                "panicked: deliberate: member",
                "stopped"
            ])
        );
        assert_eq!(node["last_exit"], "stopped");
        assert_eq!(node["last_error"], "panicked: deliberate: member");
    });
}

#[test]
fn waits_and_depth_are_shown_per_actor_and_summed_per_kind() {
    virtual_time(async {
        let root = Supervisor::root("root").start();
        let members: Vec<_> = ["a", "b"]
            .into_iter()
            .map(|name| supervise(|_| Member).name(name).under(&root).spawn())
            .collect();
        for member in &members {
            for _ in 0..5 {
                member.addr().do_send(Nap(S));
            }
        }
        tokio::time::sleep(2500 * MS).await;
        // The first three of each have begun, after 0, 1 and 2 seconds; two wait.
        let snapshot = root.snapshot();
        let a = &snapshot.root.find("a").unwrap().messages;
        assert_eq!((a.handled, a.depth, a.depth_max), (3, 2, 5));
        let kind = &snapshot.kinds["Member"];
        assert_eq!((kind.handled, kind.depth), (6, 4));
        let seconds = |ns: u64| (ns + 500_000_000) / 1_000_000_000;
        assert_eq!((seconds(a.wait_total_ns), seconds(a.wait_max_ns)), (3, 2));
        assert_eq!(seconds(kind.wait_total_ns), 6);
        assert!((S..S + 10 * MS).contains(&a.wait_mean()), "{a:?}");
    });
}

#[test]
fn a_loop_shows_its_state_pause_turns_signals_restarts_and_last_error() {
    virtual_time(async {
        let root = Supervisor::root("root").start();
        let mut turn = 0;
        let l = loop_once(
            GenericLoop::new("hello", async move |_: &mut LoopCx<bool>| {
                turn += 1;
                match turn {
                    1 | 2 => Ok(10.0),
                    3 => Err(LoopError::msg("out of words")),
                    _ => Ok(3600.0),
                }
            }),
            (),
        )
        .backoff(steady())
        .under(&root)
        .spawn();
        tokio::time::sleep(13 * S).await;
        let shown = || json_of(&root)["root"]["children"][0]["loop"].clone();
        let now = shown();
        assert_eq!(
            (&now["running"], &now["paused"]),
            (&json!(true), &json!(true))
        );
        assert_eq!(
            (&now["iterations"], &now["restarts"]),
            (&json!(2), &json!(0))
        );
        assert_eq!(now["resumes_in_ms"], 7000);
        assert_eq!(now["last_error"], json!(null));

        tokio::time::sleep(7 * S + 50 * MS).await;
        let now = shown();
        assert_eq!(now["backing_off"], true);
        assert_eq!(now["resumes_in_ms"], 50);
        assert_eq!(now["restart_reasons"], json!(["error: out of words"]));
        let _ = l.signal(false).await.unwrap();
        assert_eq!(shown()["signals_queued"], 1);

        tokio::time::sleep(S).await;
        let now = shown();
        assert_eq!(
            (&now["starts"], &now["ends"], &now["restarts"]),
            (&json!(2), &json!(1), &json!(1))
        );
        assert_eq!(now["last_error"], "error: out of words");
        assert_eq!(
            (&now["iterations"], &now["signals_queued"]),
            (&json!(5), &json!(0))
        );
        assert_eq!(l.status().word(), "paused");
        assert!(l.stop().await.unwrap());
        assert_eq!(l.status().word(), "stopped");
        assert_eq!(shown()["resumes_in_ms"], json!(null));
    });
}

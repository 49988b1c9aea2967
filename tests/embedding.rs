//! Loops of an account, controlled over HTTP from inside a web service: on actix-web, and on axum under multi-threaded
//! tokio. The services are the examples `actix_web` and `axum`.
#![allow(
    clippy::duplicate_mod,
    clippy::unwrap_used,
    reason = "each example has what both share as a module of its own"
)]

#[path = "../examples/actix_web.rs"]
#[allow(dead_code, reason = "its `main` runs as a process below")]
mod on_actix_web;
#[path = "../examples/axum.rs"]
#[allow(dead_code, reason = "its `main` runs as a process below")]
mod on_axum;
mod support;

use std::{net::SocketAddr, time::Duration};

use actogram::prelude::*;
use actogram_local_datacenter::{LocalDatacenter, model::PeerKey};
use support::{
    datacenter,
    http::{get, post},
    person, until,
};

/// A person, and what they have in Saved Messages.
struct Stage {
    datacenter: LocalDatacenter,
    client: Client,
    me: i64,
}

impl Stage {
    async fn new(phone: &str) -> Self {
        let datacenter = datacenter().await;
        let client = person(&datacenter, phone).await;
        let me = client.api().me_id().unwrap();
        client.start().await.unwrap();
        Self {
            datacenter,
            client,
            me,
        }
    }

    fn saved(&self) -> Vec<String> {
        let saved = self.datacenter.operator();
        let saved = saved.history(self.me, PeerKey::User(self.me));
        saved.into_iter().map(|message| message.text).collect()
    }

    async fn end(self) {
        self.client.shutdown(Duration::from_secs(5)).await;
        self.datacenter.shutdown().await;
    }
}

/// The loop's status, asked over HTTP.
async fn ticker(server: SocketAddr) -> serde_json::Value {
    let answer = get(server, "/loops/ticker").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

async fn ticks(server: SocketAddr) -> u64 {
    ticker(server).await["iterations"].as_u64().unwrap()
}

/// Waits until the loop has made more turns than these.
async fn more_ticks_than(server: SocketAddr, turns: u64) {
    let waited = tokio::time::timeout(support::HANG, async {
        while ticks(server).await <= turns {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    waited.await.expect("the loop does not turn");
}

/// Everything that can be asked of the service.
async fn drive(server: SocketAddr, stage: &Stage) {
    let list = get(server, "/loops").await;
    assert_eq!(list.status, 200);
    let names: Vec<_> = list.json().as_array().unwrap().to_vec();
    let names: Vec<_> = names.iter().map(|status| &status["name"]).collect();
    assert_eq!(names, ["diary", "ticker"]);
    more_ticks_than(server, 2).await;

    // Paused: no turn more.
    let paused = post(server, "/loops/ticker/pause", "").await;
    assert_eq!((paused.status, paused.json()), (200, true.into()));
    let held = tokio::time::timeout(support::HANG, async {
        while ticker(server).await["paused"] != true {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    held.await.expect("it does not pause");
    let before = ticks(server).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(ticks(server).await, before, "ten periods, no turn");
    let resumed = post(server, "/loops/ticker/resume", "").await;
    assert_eq!((resumed.status, resumed.json()), (200, true.into()));
    more_ticks_than(server, before + 2).await;

    // Stopped until started.
    assert_eq!(
        post(server, "/loops/ticker/stop", "").await.json(),
        true,
        "it ran"
    );
    assert_eq!(ticker(server).await["running"], false);
    assert_eq!(post(server, "/loops/ticker/stop", "").await.json(), false);
    let before = ticks(server).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(ticks(server).await, before);
    assert_eq!(post(server, "/loops/ticker/start", "").await.json(), true);
    more_ticks_than(server, before).await;

    // Signalled, by name and by address.
    let signalled = post(server, "/loops/diary/signal", "by name, häh?").await;
    assert_eq!(signalled.status, 202, "{signalled:?}");
    until("the first is written", || stage.saved().len() == 1).await;
    assert_eq!(post(server, "/diary", "by address").await.status, 202);
    until("the second is written", || stage.saved().len() == 2).await;
    assert_eq!(stage.saved(), ["by name, häh?", "by address"]);

    // What cannot be done is said.
    let unknown = post(server, "/loops/nobody/pause", "").await;
    assert_eq!(unknown.status, 404);
    assert!(unknown.body.contains("diary, ticker"), "{unknown:?}");
    assert_eq!(post(server, "/loops/nobody/signal", "x").await.status, 404);
    assert_eq!(get(server, "/loops/nobody").await.status, 404);
    assert_eq!(post(server, "/loops/ticker/dance", "").await.status, 404);
    let other = post(server, "/loops/ticker/signal", "not a bool").await;
    assert_eq!(other.status, 422, "{other:?}");
    assert_eq!(post(server, "/loops/diary/stop", "").await.json(), true);
    for path in ["/loops/diary/signal", "/diary"] {
        let stopped = post(server, path, "too late").await;
        assert_eq!((stopped.status, stopped.json()), (409, "Stopped".into()));
    }
    assert_eq!(post(server, "/loops/diary/start", "").await.json(), true);
    assert_eq!(post(server, "/diary", "again").await.status, 202);
    until("the third is written", || stage.saved().len() == 3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn loops_are_controlled_from_actix_web() {
    let stage = Stage::new("9996627001").await;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let loops = on_actix_web::service::Loops::start(&stage.client);
    let server = on_actix_web::server(loops, listener).unwrap();
    let handle = server.handle();
    let served = tokio::spawn(server);
    drive(address, &stage).await;
    handle.stop(true).await;
    served.await.unwrap().unwrap();
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn loops_are_controlled_from_axum() {
    let stage = Stage::new("9996627002").await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let loops = on_axum::service::Loops::start(&stage.client);
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = axum::serve(listener, on_axum::routes(loops));
    let served = tokio::spawn(async move {
        let stopped = async move { drop(stopped.await) };
        server.with_graceful_shutdown(stopped).await
    });
    drive(address, &stage).await;
    stop.send(()).unwrap();
    served.await.unwrap().unwrap();
    stage.end().await;
}

#[cfg(unix)]
mod as_processes {
    use super::*;
    use support::processes::Running;

    /// Where the process says that it listens.
    fn address(process: &Running) -> SocketAddr {
        let line = process.line().expect("it ends at once");
        let address = line.strip_prefix("listening on http://");
        address.expect(&line).parse().unwrap()
    }

    async fn is_told_to_stop(example: &str) {
        let process = Running::example(example);
        let server = address(&process);
        more_ticks_than(server, 1).await;
        assert_eq!(post(server, "/diary", "hello").await.status, 202);
        process.terminate();
        let (lines, status, errors) = process.end();
        assert_eq!(lines, ["stopped in order"], "{errors}");
        assert!(status.success(), "{status}: {errors}");
        let gone = tokio::net::TcpStream::connect(server).await;
        gone.expect_err("nobody listens any more");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn actix_web_ends_in_order_when_it_is_told_to() {
        is_told_to_stop("actix_web").await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn axum_ends_in_order_when_it_is_told_to() {
        is_told_to_stop("axum").await;
    }
}

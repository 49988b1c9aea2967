//! Updates that are posted to a web server.
#![cfg(feature = "http")]
#![allow(clippy::unwrap_used)]

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use crate::support::until;
use actogram::{Webhook, WebhookError, prelude::*};
use actogram_local_datacenter::{LocalDatacenter, model::PeerKey};
use actogram_store::Store;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// A request, as far as a webhook's is of interest.
#[derive(Debug, Clone)]
struct Posted {
    head: String,
    body: Value,
}

impl Posted {
    fn text(&self) -> String {
        self.body["update"]["message"]["message"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    fn dedupe_id(&self) -> &str {
        self.body["dedupe_id"].as_str().unwrap()
    }
}

/// Answers with these statuses, then with 200.
struct Server {
    address: SocketAddr,
    posted: Arc<Mutex<Vec<Posted>>>,
    task: JoinHandle<()>,
}

impl Server {
    async fn start(at: SocketAddr, statuses: &[u16]) -> Self {
        let listener = TcpListener::bind(at).await.unwrap();
        let address = listener.local_addr().unwrap();
        let posted: Arc<Mutex<Vec<Posted>>> = Arc::default();
        let statuses = Arc::new(Mutex::new(VecDeque::from(statuses.to_vec())));
        let all = posted.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(Self::answer(stream, all.clone(), statuses.clone()));
            }
        });
        Self {
            address,
            posted,
            task,
        }
    }

    async fn answer(
        mut stream: TcpStream,
        posted: Arc<Mutex<Vec<Posted>>>,
        statuses: Arc<Mutex<VecDeque<u16>>>,
    ) {
        let mut bytes = Vec::new();
        loop {
            let read = stream.read_buf(&mut bytes).await.unwrap_or(0);
            if read == 0 {
                return;
            }
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let Some((head, body)) = text.split_once("\r\n\r\n") else {
                continue;
            };
            let head = head.to_lowercase();
            let length = head.split("content-length: ").nth(1).unwrap_or("0");
            let length: usize = length.split("\r\n").next().unwrap().parse().unwrap();
            if body.len() < length {
                continue;
            }
            if head.starts_with("get /login ") {
                let answer = b"HTTP/1.1 200 X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
                let _ = stream.write_all(answer).await;
                return;
            }
            let body = serde_json::from_str(body).unwrap();
            posted.lock().unwrap().push(Posted { head, body });
            let status = statuses.lock().unwrap().pop_front().unwrap_or(200);
            let answer = format!(
                "HTTP/1.1 {status} X\r\nlocation: /login\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            );
            let _ = stream.write_all(answer.as_bytes()).await;
            return;
        }
    }

    fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    async fn wait(&self, count: usize) -> Vec<Posted> {
        until("updates are posted", || {
            self.posted.lock().unwrap().len() >= count
        })
        .await;
        self.posted.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn anywhere() -> SocketAddr {
    ([127, 0, 0, 1], 0).into()
}

fn say(datacenter: &LocalDatacenter, ann: i64, bot: i64, texts: &[&str]) {
    for text in texts {
        let operator = datacenter.operator();
        operator
            .send_message(ann, PeerKey::User(bot), text)
            .unwrap();
    }
}

fn texts(posted: &[Posted]) -> Vec<String> {
    posted.iter().map(Posted::text).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn updates_are_posted_in_order_until_they_are_taken() {
    let datacenter = crate::support::datacenter().await;
    let ann = datacenter
        .operator()
        .create_user("9996621311", "Ann")
        .unwrap();
    let (client, bot) = crate::support::bot(&datacenter, "hook_bot").await;
    let server = Server::start(anywhere(), &[200, 500, 404]).await;
    let hook = client.webhook(Webhook::new(server.url()).secret("a secret"));
    client.start().await.unwrap();
    say(&datacenter, ann, bot, &["one", "two", "three"]);
    let posted = server.wait(5).await;
    assert_eq!(texts(&posted), ["one", "two", "two", "two", "three"]);
    assert_eq!(posted[1].dedupe_id(), posted[2].dedupe_id());
    assert_ne!(posted[0].dedupe_id(), posted[1].dedupe_id());
    for post in &posted {
        assert!(
            post.head.starts_with("post /hook http/1.1"),
            "{}",
            post.head
        );
        assert!(post.head.contains("content-type: application/json"));
        assert!(post.head.contains("x-actogram-secret-token: a secret"));
        assert_eq!(post.body["update"]["_"], "updateNewMessage");
    }
    hook.remove();
    say(&datacenter, ann, bot, &["to nobody"]);
    client.shutdown(Duration::from_secs(5)).await;
    assert_eq!(server.posted.lock().unwrap().len(), 5);
    datacenter.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_away_gets_the_updates_when_it_is_back() {
    let datacenter = crate::support::datacenter().await;
    let ann = datacenter
        .operator()
        .create_user("9996621312", "Ann")
        .unwrap();
    let (client, bot) = crate::support::bot(&datacenter, "away_bot").await;
    // The port stays this test's: nobody listens, so connections are refused.
    let reserved = tokio::net::TcpSocket::new_v4().unwrap();
    reserved.set_reuseaddr(true).unwrap();
    reserved.bind(anywhere()).unwrap();
    let address = reserved.local_addr().unwrap();
    client.webhook(Webhook::new(format!("http://{address}/hook")));
    client.start().await.unwrap();
    say(&datacenter, ann, bot, &["one", "two"]);
    tokio::time::sleep(Duration::from_millis(300)).await;
    drop(reserved);
    let server = Server::start(address, &[]).await;
    assert_eq!(texts(&server.wait(2).await), ["one", "two"]);
    client.shutdown(Duration::from_secs(5)).await;
    datacenter.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_not_taken_comes_again_after_a_restart() {
    let datacenter = crate::support::datacenter().await;
    let operator = datacenter.operator();
    let ann = operator.create_user("9996621315", "Ann").unwrap();
    let bot = operator.create_bot("again_bot", "Again").unwrap();
    let store = Store::memory();
    let connect = async || {
        let builder = crate::support::builder(&datacenter, "again_bot");
        let builder = builder.store(store.clone()).bot_token(bot.token.as_str());
        builder.connect().await.unwrap()
    };
    let refuses = Server::start(anywhere(), &[200, 500, 500, 500, 500]).await;
    let client = connect().await;
    client.webhook(Webhook::new(refuses.url()));
    client.start().await.unwrap();
    say(&datacenter, ann, bot.id, &["taken", "refused", "behind it"]);
    let before = refuses.wait(2).await;
    assert_eq!(texts(&before), ["taken", "refused"]);
    client.shutdown(Duration::from_millis(500)).await;
    drop(refuses);

    let takes = Server::start(anywhere(), &[]).await;
    let client = connect().await;
    client.webhook(Webhook::new(takes.url()));
    client.start().await.unwrap();
    let after = takes.wait(2).await;
    assert_eq!(texts(&after), ["refused", "behind it"]);
    assert_eq!(before[1].dedupe_id(), after[0].dedupe_id());
    client.shutdown(Duration::from_secs(5)).await;
    datacenter.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_is_given_up_is_told_and_the_next_goes_on() {
    let datacenter = crate::support::datacenter().await;
    let ann = datacenter
        .operator()
        .create_user("9996621313", "Ann")
        .unwrap();
    let (client, bot) = crate::support::bot(&datacenter, "given_up_bot").await;
    let failures: Arc<Mutex<Vec<String>>> = Arc::default();
    let noted = failures.clone();
    client.on_error(async move |_cx: Cx, failure: actogram::Failure| {
        if let Error::Webhook(error) = failure.error() {
            let kind = match error {
                WebhookError::Refused { status, attempts } => format!("{status} {attempts}"),
                WebhookError::Unreachable { attempts, .. } => format!("unreachable {attempts}"),
                WebhookError::Redirected { attempts } => format!("redirected {attempts}"),
                other => other.to_string(),
            };
            let text = failure.update().and_then(Update::message);
            noted
                .lock()
                .unwrap()
                .push(format!("{kind} {}", text.unwrap().text()));
        }
    });
    let server = Server::start(anywhere(), &[503, 503]).await;
    let hook = client.webhook(Webhook::new(server.url()).attempts(2));
    client.start().await.unwrap();
    say(&datacenter, ann, bot, &["one", "two"]);
    assert_eq!(texts(&server.wait(3).await), ["one", "one", "two"]);
    assert_eq!(*failures.lock().unwrap(), ["503 2 one"]);
    hook.remove();
    client.webhook(Webhook::new("no address"));
    say(&datacenter, ann, bot, &["three"]);
    until("it is told", || failures.lock().unwrap().len() == 2).await;
    assert_eq!(
        failures.lock().unwrap()[1],
        "unreachable 1 three",
        "at once"
    );
    client.shutdown(Duration::from_secs(5)).await;
    datacenter.shutdown().await;
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_example_posts_to_the_address_it_is_given() {
    let scene = crate::support::examples::Scene::new("webhook_bot", "9996621314").await;
    let server = Server::start(anywhere(), &[500]).await;
    let _running = scene.run("webhook_bot", &[server.url(), "of_the_example".to_owned()]);
    // What came while nobody was logged in is not an update of this login.
    until("an update is posted", || {
        scene.say("hello");
        !server.posted.lock().unwrap().is_empty()
    })
    .await;
    scene.say("last");
    until("the last update is posted", || {
        let posted = server.posted.lock().unwrap();
        posted.last().is_some_and(|post| post.text() == "last")
    })
    .await;
    let posted = server.posted.lock().unwrap().clone();
    assert_eq!(posted[0].dedupe_id(), posted[1].dedupe_id(), "refused once");
    let header = "x-actogram-secret-token: of_the_example";
    assert!(posted.iter().all(|post| post.head.contains(header)));
}

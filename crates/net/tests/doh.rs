//! DNS over HTTPS, against servers on loopback: well ones, sick ones, and none.
#![allow(clippy::unwrap_used)]

mod doh_server;

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::{Arc, Mutex},
    time::Duration,
};

use actogram_net::{DohResolver, NetworkError, Resolve, ResolveError, Resolving};
use doh_server::{DohServer, Manner};

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));
const ELSEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 9));
const SIX: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 7));

/// A resolver that is asked when the servers are of no use, and what it was asked.
#[derive(Clone, Default)]
struct Fallback(Arc<Mutex<Vec<String>>>);

impl Resolve for Fallback {
    fn resolve(&self, name: &str) -> Resolving {
        self.0.lock().unwrap().push(name.to_owned());
        let name = name.to_owned();
        Box::pin(async move {
            match name.as_str() {
                "nowhere.test.example" => Err(ResolveError::Failed {
                    name,
                    why: "nobody knows it".to_owned(),
                }),
                "dns.test.example" => Ok(vec![Ipv4Addr::LOCALHOST.into()]),
                _ => Ok(vec![ELSEWHERE]),
            }
        })
    }
}

impl Fallback {
    fn asked(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

fn by(servers: &[&DohServer]) -> (DohResolver, Fallback) {
    let fallback = Fallback::default();
    let urls = servers.iter().map(|server| server.url().parse().unwrap());
    let trusted: Vec<_> = servers
        .iter()
        .map(|server| server.certificate.clone())
        .collect();
    let resolver = DohResolver::new(urls.collect(), &trusted, Arc::new(fallback.clone()));
    (resolver.unwrap(), fallback)
}

#[tokio::test]
async fn addresses_come_from_the_server_and_are_asked_for_once() {
    let server = DohServer::start(Manner::Zone(
        [
            ("host.test.example".to_owned(), (vec![HERE, SIX], 3600)),
            ("moving.test.example".to_owned(), (vec![HERE], 0)),
        ]
        .into(),
    ))
    .await;
    let (resolver, fallback) = by(&[&server]);
    for _ in 0..3 {
        let mut found = resolver.resolve("host.test.example").await.unwrap();
        found.sort();
        assert_eq!(found, [HERE, SIX]);
    }
    assert_eq!(server.asked(), ["host.test.example"]);
    // What does not hold is not remembered.
    for _ in 0..3 {
        assert_eq!(
            resolver.resolve("moving.test.example").await.unwrap(),
            [HERE]
        );
    }
    assert_eq!(server.asked().len(), 4);
    assert!(fallback.asked().is_empty());
}

#[tokio::test]
async fn names_of_the_own_network_go_to_the_fallback_only() {
    let server = DohServer::of(&[]).await;
    let (resolver, fallback) = by(&[&server]);
    for name in ["printer", "nas.local", "db.internal"] {
        assert_eq!(resolver.resolve(name).await.unwrap(), [ELSEWHERE]);
    }
    assert_eq!(fallback.asked(), ["printer", "nas.local", "db.internal"]);
    assert!(server.asked().is_empty());
}

#[tokio::test]
async fn what_the_servers_do_not_know_the_fallback_may_and_neither_is_an_error_of_both() {
    let server = DohServer::of(&[("host.test.example", HERE)]).await;
    let (resolver, fallback) = by(&[&server]);
    assert_eq!(
        resolver.resolve("split.test.example").await.unwrap(),
        [ELSEWHERE]
    );
    let error = resolver
        .resolve("nowhere.test.example")
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("it has no address") && error.contains("nobody knows it"),
        "{error}"
    );
    assert_eq!(
        fallback.asked(),
        ["split.test.example", "nowhere.test.example"]
    );
    // That was an answer: the server is asked again.
    assert_eq!(resolver.resolve("host.test.example").await.unwrap(), [HERE]);
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_left_alone_for_a_while() {
    for manner in [
        Manner::ServFail,
        Manner::Garbage,
        Manner::Refuses,
        Manner::Silent,
    ] {
        let server = DohServer::start(manner).await;
        let (resolver, fallback) = by(&[&server]);
        for _ in 0..3 {
            assert_eq!(
                resolver.resolve("host.test.example").await.unwrap(),
                [ELSEWHERE]
            );
        }
        assert_eq!(fallback.asked().len(), 3);
        let asked = server.asked().len();
        assert!(asked > 0, "it was asked");
        server.behave(Manner::Zone(
            [("host.test.example".to_owned(), (vec![HERE], 60))].into(),
        ));
        assert_eq!(
            resolver.resolve("host.test.example").await.unwrap(),
            [ELSEWHERE]
        );
        assert_eq!(server.asked().len(), asked, "it rests");
        // Until its rest is over.
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(61)).await;
        tokio::time::resume();
        assert_eq!(resolver.resolve("host.test.example").await.unwrap(), [HERE]);
    }
}

#[tokio::test]
async fn the_second_server_answers_when_the_first_cannot() {
    let (dead, well) = (
        DohServer::start(Manner::Refuses).await,
        DohServer::of(&[("host.test.example", HERE)]).await,
    );
    let (resolver, fallback) = by(&[&dead, &well]);
    assert_eq!(resolver.resolve("host.test.example").await.unwrap(), [HERE]);
    assert!(fallback.asked().is_empty());
}

#[tokio::test]
async fn a_server_that_cannot_show_who_it_is_learns_nothing() {
    let server = DohServer::of(&[("host.test.example", HERE)]).await;
    let fallback = Fallback::default();
    let servers = vec![server.url().parse().unwrap()];
    let resolver = DohResolver::new(servers, &[], Arc::new(fallback.clone())).unwrap();
    assert_eq!(
        resolver.resolve("host.test.example").await.unwrap(),
        [ELSEWHERE]
    );
    assert!(server.asked().is_empty());
    // Nor one with another's certificate.
    let other = DohServer::of(&[]).await;
    let url = server
        .url()
        .replace("dns.test.example", "other.test.example");
    let trusted = [server.certificate.clone(), other.certificate.clone()];
    let resolver = DohResolver::new(vec![url.parse().unwrap()], &trusted, Arc::new(fallback));
    assert_eq!(
        resolver
            .unwrap()
            .resolve("host.test.example")
            .await
            .unwrap(),
        [ELSEWHERE]
    );
    assert!(server.asked().is_empty());
}

/// The server's own name is asked of the fallback: nothing asks itself.
#[tokio::test]
async fn the_servers_own_name_is_looked_up_elsewhere() {
    let server = DohServer::of(&[("host.test.example", HERE)]).await;
    let fallback = Fallback::default();
    let url = format!(
        "https://dns.test.example:{}/dns-query",
        server.address.port()
    );
    let trusted = [server.certificate.clone()];
    let resolver = DohResolver::new(
        vec![url.parse().unwrap()],
        &trusted,
        Arc::new(fallback.clone()),
    );
    assert_eq!(
        resolver
            .unwrap()
            .resolve("host.test.example")
            .await
            .unwrap(),
        [HERE]
    );
    assert_eq!(fallback.asked(), ["dns.test.example"]);
    let none = DohResolver::new(Vec::new(), &[], Arc::new(fallback));
    assert_eq!(none.err(), Some(NetworkError::NoDohServers));
}

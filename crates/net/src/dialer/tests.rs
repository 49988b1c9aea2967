//! The dialer in a model of a network, under virtual time.
#![allow(clippy::unwrap_used)]

use std::{collections::HashMap, io};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;
use crate::{ProxyError, ResolveError, resolve::Resolving, stream::Opening};

/// What listens at a port of the model.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Host {
    Dead,
    BlackHole,
    /// A SOCKS5 server that rejects credentials.
    Rejects,
    /// A SOCKS5 server that takes connections and says nothing.
    Silent,
    /// A SOCKS5 server whose tunnels echo.
    Good,
    /// Answers anything by a redirect.
    Portal,
    /// Echoes.
    Echo,
    /// Closes as soon as it was spoken to.
    Closes,
}

#[derive(Clone, Default)]
struct Model {
    hosts: Arc<Mutex<HashMap<u16, Host>>>,
    opened: Arc<Mutex<Vec<u16>>>,
}

impl Model {
    fn with<const N: usize>(hosts: [(u16, Host); N]) -> Self {
        let model = Self::default();
        for (port, host) in hosts {
            model.set(port, host);
        }
        model
    }

    fn set(&self, port: u16, host: Host) {
        self.hosts.lock().unwrap().insert(port, host);
    }

    /// The ports connections were opened to since it was asked last.
    fn opened(&self) -> Vec<u16> {
        std::mem::take(&mut self.opened.lock().unwrap())
    }

    fn dialer(&self, proxies: &[&str], order: ProxyOrder, refuse_http: bool) -> Dialer {
        let model = self.clone();
        let sockets = move |to: SocketAddr| -> Opening {
            model.opened.lock().unwrap().push(to.port());
            let host = model.hosts.lock().unwrap().get(&to.port()).copied();
            Box::pin(async move { open(host.unwrap_or(Host::Dead)).await })
        };
        Dialer::new(DialerConfig {
            proxies: proxies.iter().map(|proxy| proxy.parse().unwrap()).collect(),
            order,
            refuse_http,
            resolver: Arc::new(unknown_names),
            proxy_resolver: Arc::new(unknown_names),
            sockets: Arc::new(sockets),
            ..DialerConfig::default()
        })
        .unwrap()
    }
}

fn unknown_names(name: &str) -> Resolving {
    let name = name.to_owned();
    Box::pin(async move {
        Err(ResolveError::Failed {
            name,
            why: "no such name".to_owned(),
        })
    })
}

async fn open(host: Host) -> io::Result<BoxedStream> {
    match host {
        Host::Dead => return Err(io::ErrorKind::ConnectionRefused.into()),
        Host::BlackHole => std::future::pending::<()>().await,
        _ => {}
    }
    let (ours, mut theirs) = tokio::io::duplex(1024);
    tokio::spawn(async move {
        let mut chunk = [0; 256];
        let count = theirs.read(&mut chunk).await?;
        let answer: &[u8] = match host {
            Host::Silent => std::future::pending().await,
            Host::Rejects => &[5, 0xff],
            Host::Good => &[5, 0],
            Host::Portal => b"HTTP/1.1 302 Found\r\nLocation: http://portal/\r\n\r\n",
            Host::Closes => return Ok(()),
            _ => &chunk[..count],
        };
        // In two pieces, as a network may.
        let (first, second) = answer.split_at(answer.len() / 2);
        theirs.write_all(first).await?;
        tokio::task::yield_now().await;
        theirs.write_all(second).await?;
        if host == Host::Good {
            let _ = theirs.read(&mut [0; 256]).await?;
            theirs.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await?;
        }
        loop {
            let count = theirs.read(&mut chunk).await?;
            if count == 0 {
                return io::Result::Ok(());
            }
            theirs.write_all(&chunk[..count]).await?;
        }
    });
    Ok(Box::new(ours))
}

/// Says hello and expects to hear it.
async fn echo(mut connection: Connection) -> io::Result<()> {
    connection.write_all(b"hello").await?;
    let mut heard = [0; 5];
    connection.read_exact(&mut heard).await?;
    assert_eq!(&heard, b"hello");
    Ok(())
}

const FOUR: [&str; 4] = [
    "socks5://10.0.0.1:1",
    "socks5://zoe9:hunter2@10.0.0.1:2",
    "socks5://10.0.0.1:3",
    "socks5://10.0.0.1:4",
];

#[tokio::test(start_paused = true)]
async fn r19_dead_rejecting_slow_then_good_and_the_good_one_is_remembered() {
    let model = Model::with([
        (1, Host::Dead),
        (2, Host::Rejects),
        (3, Host::Silent),
        (4, Host::Good),
    ]);
    let dialer = model.dialer(&FOUR, ProxyOrder::ProxyOnly, true);
    let began = Instant::now();
    let connection = dialer.connect("dc.example", 443).await.unwrap();
    assert_eq!(connection.route().to_string(), "by socks5://10.0.0.1:4");
    assert_eq!(
        began.elapsed(),
        Duration::from_secs(5),
        "only the slow one costs"
    );
    assert_eq!(model.opened(), [1, 2, 3, 4]);
    echo(connection).await.unwrap();

    echo(dialer.connect("dc.example", 443).await.unwrap())
        .await
        .unwrap();
    assert_eq!(model.opened(), [4], "remembered");
    tokio::time::advance(Duration::from_secs(601)).await;
    model.set(1, Host::Good);
    echo(dialer.connect("dc.example", 443).await.unwrap())
        .await
        .unwrap();
    assert_eq!(model.opened(), [1], "the order holds again");
}

#[tokio::test(start_paused = true)]
async fn r19_all_dead_then_one_back() {
    let model = Model::default();
    let dialer = model.dialer(&FOUR, ProxyOrder::ProxyFirst, true);
    let error = dialer.connect("10.0.0.9", 443).await.unwrap_err();
    assert_eq!(error.attempts.len(), 5);
    assert!(
        error.attempts.iter().all(|attempt| matches!(
            attempt.failure,
            Failure::Unreachable {
                kind: io::ErrorKind::ConnectionRefused,
                ..
            }
        )),
        "{error}"
    );
    for _ in 0..20 {
        dialer.connect("10.0.0.9", 443).await.unwrap_err();
    }
    assert_eq!(model.opened().len(), 21 * 5);
    model.set(3, Host::Good);
    let connection = dialer.connect("10.0.0.9", 443).await.unwrap();
    echo(connection).await.unwrap();
    model.opened();
    echo(dialer.connect("10.0.0.9", 443).await.unwrap())
        .await
        .unwrap();
    assert_eq!(model.opened(), [3]);
}

#[tokio::test(start_paused = true)]
async fn t6_every_reason_is_typed_and_no_credentials_are_shown() {
    let model = Model::with([(2, Host::Rejects), (3, Host::Silent), (4, Host::Portal)]);
    let dialer = model.dialer(&FOUR, ProxyOrder::ProxyOnly, true);
    let error = dialer.connect("dc.example", 443).await.unwrap_err();
    let failures: Vec<_> = error
        .attempts
        .iter()
        .map(|attempt| &attempt.failure)
        .collect();
    assert!(matches!(failures[0], Failure::Unreachable { .. }));
    assert_eq!(
        *failures[1],
        Failure::Proxy(ProxyError::CredentialsRejected)
    );
    assert_eq!(
        *failures[2],
        Failure::TimedOut {
            limit: Duration::from_secs(5)
        }
    );
    assert_eq!(*failures[3], Failure::Proxy(ProxyError::WrongProtocol));
    let shown = format!("{error} {error:?} {dialer:?}");
    assert!(
        !shown.contains("hunter2") && !shown.contains("zoe9"),
        "{shown}"
    );
}

#[tokio::test(start_paused = true)]
async fn r20_a_captive_portal_is_named_and_the_next_connection_goes_another_way() {
    let model = Model::with([(443, Host::Portal), (4, Host::Good)]);
    let dialer = model.dialer(&FOUR[3..], ProxyOrder::DirectFirst, true);
    let connection = dialer.connect("10.0.0.9", 443).await.unwrap();
    assert_eq!(*connection.route(), Route::Direct);
    let error = echo(connection).await.unwrap_err().to_string();
    assert!(
        error.contains("302 Found") && error.contains("captive portal"),
        "{error}"
    );
    let connection = dialer.connect("10.0.0.9", 443).await.unwrap();
    assert_ne!(*connection.route(), Route::Direct);
    echo(connection).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_way_that_only_seems_to_work_is_left_for_another() {
    let model = Model::with([(443, Host::Closes), (4, Host::Good)]);
    let dialer = model.dialer(&FOUR[3..], ProxyOrder::DirectFirst, false);
    echo(dialer.connect("10.0.0.9", 443).await.unwrap())
        .await
        .unwrap_err();
    let connection = dialer.connect("10.0.0.9", 443).await.unwrap();
    assert_ne!(*connection.route(), Route::Direct);

    model.set(443, Host::Silent);
    let dialer = model.dialer(&FOUR[3..], ProxyOrder::DirectFirst, false);
    let mut connection = dialer.connect("10.0.0.9", 443).await.unwrap();
    drop(dialer.connect("10.0.0.9", 443).await.unwrap());
    let unused = dialer.connect("10.0.0.9", 443).await.unwrap();
    assert_eq!(
        *unused.route(),
        Route::Direct,
        "one nobody used says nothing"
    );
    connection.write_all(b"hello").await.unwrap();
    drop(connection);
    let connection = dialer.connect("10.0.0.9", 443).await.unwrap();
    assert_ne!(
        *connection.route(),
        Route::Direct,
        "one without an answer does"
    );
}

#[tokio::test(start_paused = true)]
async fn where_http_is_spoken_it_is_let_through() {
    let model = Model::with([(443, Host::Portal)]);
    let dialer = model.dialer(&[], ProxyOrder::DirectFirst, false);
    let mut connection = dialer.connect("10.0.0.9", 443).await.unwrap();
    connection
        .write_all(b"GET / HTTP/1.1\r\n\r\n")
        .await
        .unwrap();
    let mut heard = [0; 12];
    connection.read_exact(&mut heard).await.unwrap();
    assert_eq!(&heard, b"HTTP/1.1 302");
}

#[tokio::test(start_paused = true)]
async fn r20_names_that_do_not_resolve_and_black_holes_end_in_typed_errors() {
    let model = Model::with([(443, Host::BlackHole)]);
    let proxies = ["socks5://proxy.example:1080"];
    let dialer = model.dialer(&proxies, ProxyOrder::DirectFirst, true);
    let error = dialer.connect("dc.example", 443).await.unwrap_err();
    let named: Vec<_> = error
        .attempts
        .iter()
        .map(|attempt| attempt.failure.to_string())
        .collect();
    assert!(
        named[0].contains("dc.example") && named[1].contains("proxy.example"),
        "{named:?}"
    );
    let began = Instant::now();
    let error = dialer.connect("10.0.0.9", 443).await.unwrap_err();
    assert!(
        error
            .attempts
            .iter()
            .any(|attempt| matches!(attempt.failure, Failure::TimedOut { .. }))
    );
    assert!(began.elapsed() <= dialer.patience());
}

#[tokio::test(start_paused = true)]
async fn r20_a_name_with_an_ipv6_black_hole_is_reached_over_ipv4() {
    let dialer = Dialer::new(DialerConfig {
        prefer_ipv6: true,
        resolver: Arc::new(|_: &str| -> Resolving {
            Box::pin(async {
                Ok(vec![
                    "fd00::1".parse().unwrap(),
                    "10.0.0.1".parse().unwrap(),
                ])
            })
        }),
        sockets: Arc::new(|to: SocketAddr| -> Opening {
            Box::pin(open(if to.is_ipv6() {
                Host::BlackHole
            } else {
                Host::Echo
            }))
        }),
        ..DialerConfig::default()
    })
    .unwrap();
    let began = Instant::now();
    echo(dialer.connect("dc.example", 443).await.unwrap())
        .await
        .unwrap();
    assert_eq!(began.elapsed(), Duration::from_millis(250));
}

#[test]
fn only_proxies_and_none_given_is_refused() {
    let config = DialerConfig {
        order: ProxyOrder::ProxyOnly,
        ..DialerConfig::default()
    };
    assert_eq!(Dialer::new(config).unwrap_err(), NetworkError::NoProxies);
}

//! The HTTP client against servers and proxies on loopback.
#![allow(clippy::unwrap_used)]

use std::{
    future::IntoFuture as _,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use actogram_net::{
    Dialer, DialerConfig, NetworkError, ProxyOrder, ResolveError, Resolving, Route,
    http::{HttpClient, HttpError, HttpFailure, HttpRequest, reqwest::Method},
};
use futures_util::future::join_all;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;

const OK: &str = "HTTP/1.1 200 OK\r\nSet-Cookie: id=7\r\nContent-Length: 5\r\n\r\nhello";

type Heads = Arc<Mutex<Vec<String>>>;

async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    Some(String::from_utf8(head).unwrap())
}

/// Answers every request by this; an empty answer closes.
async fn answer(mut stream: impl AsyncRead + AsyncWrite + Unpin, with: &str, heads: Heads) {
    while let Some(head) = read_head(&mut stream).await {
        heads.lock().unwrap().push(head);
        if with.is_empty() || stream.write_all(with.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// A server and the heads of the requests it got.
async fn server(with: &'static str) -> (SocketAddr, Heads) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, heads) = (listener.local_addr().unwrap(), Heads::default());
    let seen = heads.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream, with, seen.clone()));
        }
    });
    (address, heads)
}

/// A `CONNECT` proxy that also forwards plain requests; every way leads to one place.
async fn proxy(leads_to: SocketAddr, rejects: bool) -> (String, Heads) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, heads) = (listener.local_addr().unwrap(), Heads::default());
    let seen = heads.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let seen = seen.clone();
            tokio::spawn(async move {
                let head = read_head(&mut stream).await?;
                seen.lock().unwrap().push(head.clone());
                if rejects {
                    let no = b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n";
                    return stream.write_all(no).await.ok();
                }
                let mut host = TcpStream::connect(leads_to).await.ok()?;
                if head.starts_with("CONNECT") {
                    stream.write_all(b"HTTP/1.1 200 Yes\r\n\r\n").await.ok()?;
                } else {
                    host.write_all(head.as_bytes()).await.ok()?;
                }
                tokio::io::copy_bidirectional(&mut stream, &mut host)
                    .await
                    .ok()?;
                Some(())
            });
        }
    });
    (format!("http://zoe9:hunter2@{address}"), heads)
}

async fn dead() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap()
}

fn config(proxies: &[&str], order: ProxyOrder) -> DialerConfig {
    let mut config = DialerConfig::default();
    config.proxies = proxies.iter().map(|proxy| proxy.parse().unwrap()).collect();
    config.order = order;
    config.connect_limit = Duration::from_secs(10);
    config
}

fn client(proxies: &[&str], order: ProxyOrder) -> HttpClient {
    HttpClient::new(&config(proxies, order), &[]).unwrap()
}

#[tokio::test]
async fn s23_one_jar_holds_the_cookies_of_all_ways() {
    let (address, heads) = server(OK).await;
    let (first, _) = proxy(address, false).await;
    let url = format!("http://{address}/");
    let http = client(&[&first], ProxyOrder::DirectFirst);
    assert_eq!(http.get_bytes(&url, 5).await.unwrap(), b"hello");
    http.clone().get(&url).await.unwrap();
    let seen = heads.lock().unwrap().clone();
    assert!(!seen[0].to_lowercase().contains("cookie: id=7"));
    assert!(
        seen[1].to_lowercase().contains("cookie: id=7"),
        "{}",
        seen[1]
    );
    let error = http.get_bytes(&url, 4).await.unwrap_err();
    assert_eq!(error, HttpError::TooLong { limit: 4 });
}

#[tokio::test]
async fn s23_proxies_are_used_only_if_a_direct_way_fails_and_in_their_order() {
    let (address, _) = server(OK).await;
    let (rejects, rejected) = proxy(address, true).await;
    let (good, used) = proxy(address, false).await;
    let gone = format!("socks5://zoe9:hunter2@{}", dead().await);
    let proxies = [gone.as_str(), &rejects, &good];
    let http = client(&proxies, ProxyOrder::DirectFirst);
    http.get(&format!("http://{address}/")).await.unwrap();
    assert!(rejected.lock().unwrap().is_empty() && used.lock().unwrap().is_empty());

    let elsewhere = format!("http://{}/", dead().await);
    let http = client(&proxies, ProxyOrder::DirectFirst);
    http.get(&elsewhere).await.unwrap();
    assert_eq!(
        (rejected.lock().unwrap().len(), used.lock().unwrap().len()),
        (1, 1)
    );
    http.get(&elsewhere).await.unwrap();
    assert_eq!(
        rejected.lock().unwrap().len(),
        1,
        "what worked is remembered"
    );
}

#[tokio::test]
async fn s23_a_dead_host_sends_no_other_host_by_the_proxies() {
    let (address, _) = server(OK).await;
    let (by, used) = proxy(address, false).await;
    let http = client(&[&by], ProxyOrder::DirectFirst);
    let (gone, there) = (dead().await, format!("http://{address}/"));
    http.get(&format!("http://{gone}/")).await.unwrap();
    assert_eq!(used.lock().unwrap().len(), 1);
    http.get(&there).await.unwrap();
    assert_eq!(used.lock().unwrap().len(), 1, "it is reached directly");
    // What led to the dead one is remembered for it.
    http.get(&format!("http://{gone}/")).await.unwrap();
}

/// One that sends a byte now and then is never silent, and would take for ever.
#[tokio::test]
async fn s23_a_server_that_drips_costs_the_limit_of_all_attempts_and_no_more() {
    let head: &[u8] = b"HTTP/1.1 200 OK\r\nX: ";
    let body: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n";
    let (works, worked) = server(OK).await;
    let (by, _) = proxy(works, false).await;
    let mut config = config(&[&by], ProxyOrder::DirectFirst);
    config.request_limit = Duration::from_millis(300);
    let http = HttpClient::new(&config, &[]).unwrap();
    let (url, ended) = (
        hostile(CONNECT, &[(HEAD, head)], Ending::Drips(b'a')).await,
        HttpRequest::into_future,
    );
    let error = tokio::time::timeout(LONG, ended(http.get(&url))).await;
    let error = error.expect("it hangs").unwrap_err();
    let HttpError::OutOfTime {
        limit, attempts, ..
    } = &error
    else {
        panic!("{error}")
    };
    assert_eq!((*limit, attempts.len()), (config.request_limit, 1));
    assert!(matches!(attempts[0].failure, HttpFailure::TimedOut(_)));
    assert!(worked.lock().unwrap().is_empty(), "no time was left");
    let http = HttpClient::new(&config, &[]).unwrap();
    let error = tokio::time::timeout(LONG, ended(http.post(&url))).await;
    let error = error.expect("it hangs").unwrap_err();
    assert!(matches!(error, HttpError::UnknownOutcome { .. }), "{error}");

    let url = hostile(CONNECT, &[(HEAD, body)], Ending::Drips(b'a')).await;
    let read = tokio::time::timeout(LONG, http.get_bytes(&url, 1 << 24)).await;
    let error = read.expect("it hangs").unwrap_err();
    assert!(matches!(error, HttpError::Body(_)), "{error}");
    let longer = http.get(&url).limit(Duration::from_secs(3600)).await;
    let mut answer = longer.unwrap();
    for _ in 0..20 {
        answer.chunk().await.unwrap().expect("it goes on");
    }
}

#[tokio::test]
async fn s23_a_password_may_be_empty() {
    let (address, _) = server(OK).await;
    let (by, heads) = proxy(address, false).await;
    let by = by.replace("hunter2", "");
    let http = client(&[&by], ProxyOrder::ProxyOnly);
    http.get(PLAIN_URL).await.unwrap();
    http.get(TLS_URL).await.unwrap_err();
    let dialer = Dialer::new(config(&[&by], ProxyOrder::ProxyOnly)).unwrap();
    dialer.connect("host.test", 443).await.unwrap();
    for head in heads.lock().unwrap().iter() {
        let head = head.to_lowercase();
        // `zoe9:` in base64.
        assert!(
            head.contains("proxy-authorization: basic em9loto="),
            "{head}"
        );
    }
    assert_eq!(heads.lock().unwrap().len(), 3);
}

#[tokio::test]
async fn s23_every_failure_is_told_and_no_secret_with_it() {
    let (rejects, _) = proxy(dead().await, true).await;
    let gone = format!("socks5://zoe9:hunter2@{}", dead().await);
    let http = client(&[&gone, &rejects], ProxyOrder::DirectFirst);
    let url = format!("http://{}/?token=hunter2", dead().await);
    let error = http.get(&url).await.unwrap_err();
    let HttpError::Unreachable { attempts, .. } = &error else {
        panic!("{error}")
    };
    let failures: Vec<_> = attempts.iter().map(|attempt| &attempt.failure).collect();
    assert_eq!(attempts[0].route, Route::Direct);
    assert!(matches!(failures[0], HttpFailure::Connect(_)), "{error}");
    assert!(matches!(failures[1], HttpFailure::Connect(_)), "{error}");
    assert_eq!(*failures[2], HttpFailure::ProxyCredentials);
    let shown = format!("{error} {error:?} {http:?}");
    assert!(
        !shown.contains("hunter2") && !shown.contains("zoe9"),
        "{shown}"
    );
}

#[tokio::test]
async fn what_must_not_happen_twice_is_not_made_again() {
    let (closes, closed) = server("").await;
    let (works, worked) = server(OK).await;
    let (by, _) = proxy(works, false).await;
    let url = format!("http://{closes}/");
    let http = client(&[&by], ProxyOrder::DirectFirst);
    let error = http.post(&url).await.unwrap_err();
    assert!(matches!(error, HttpError::UnknownOutcome { .. }), "{error}");
    assert_eq!(closed.lock().unwrap().len(), 1);
    assert!(worked.lock().unwrap().is_empty());

    let http = client(&[&by], ProxyOrder::DirectFirst);
    http.request(Method::PUT, &url).await.unwrap();
    assert_eq!(worked.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn proxies_are_told_names_and_only_their_own_are_resolved_here() {
    let (address, _) = server(OK).await;
    let (by, heads) = proxy(address, false).await;
    let asked = Heads::default();
    let names = asked.clone();
    let mut config = config(
        &[&by.replace("127.0.0.1", "proxy.test")],
        ProxyOrder::ProxyOnly,
    );
    let resolver = move |name: &str| -> Resolving {
        names.lock().unwrap().push(name.to_owned());
        Box::pin(async { Ok(vec!["127.0.0.1".parse().unwrap()]) })
    };
    config.proxy_resolver = Arc::new(resolver);
    config.resolver = Arc::new(|name: &str| -> Resolving {
        let name = name.to_owned();
        Box::pin(async {
            Err(ResolveError::Failed {
                name,
                why: "asked".to_owned(),
            })
        })
    });
    let http = HttpClient::new(&config, &[]).unwrap();
    http.get("http://host.test/").await.unwrap();
    assert_eq!(*asked.lock().unwrap(), ["proxy.test"]);
    assert!(heads.lock().unwrap()[0].contains("host.test"));

    config.order = ProxyOrder::DirectFirst;
    config.proxies.clear();
    let error = HttpClient::new(&config, &[])
        .unwrap()
        .get("http://host.test/")
        .await;
    let HttpError::Unreachable { attempts, .. } = error.unwrap_err() else {
        panic!()
    };
    assert!(matches!(&attempts[0].failure, HttpFailure::Name(why) if why.contains("asked")));
}

#[tokio::test]
async fn tls_is_checked_and_a_trusted_authority_can_be_added() {
    let signed = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let certificate = signed.cert.der().clone();
    let key =
        rustls::pki_types::PrivateKeyDer::try_from(signed.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            if let Ok(stream) = acceptor.accept(stream).await {
                tokio::spawn(answer(stream, OK, Heads::default()));
            }
        }
    });
    let url = format!("https://localhost:{}/", address.port());
    let (by, _) = proxy(address, false).await;
    for order in [ProxyOrder::DirectFirst, ProxyOrder::ProxyOnly] {
        let config = self::config(&[&by], order);
        let http = HttpClient::new(&config, &[certificate.to_vec()]).unwrap();
        assert_eq!(http.get_bytes(&url, 100).await.unwrap(), b"hello");
        let http = HttpClient::new(&config, &[]).unwrap();
        let error = http.get(&url).await.unwrap_err().to_string();
        assert!(error.contains("certificate"), "{error}");
    }
}

#[tokio::test]
async fn malformed_requests_and_configurations_are_refused() {
    let http = client(&[], ProxyOrder::DirectFirst);
    let error = http.get("no address").await.unwrap_err();
    assert!(matches!(error, HttpError::Request(_)), "{error}");
    let none = config(&[], ProxyOrder::ProxyOnly);
    assert_eq!(
        HttpClient::new(&none, &[]).unwrap_err(),
        NetworkError::NoProxies
    );
    assert_eq!(Dialer::new(none).unwrap_err(), NetworkError::NoProxies);
    let error = HttpClient::new(&config(&[], ProxyOrder::DirectFirst), &[vec![1]]);
    assert!(matches!(error, Err(NetworkError::Certificates(_))));
}

/// How a hostile proxy ends.
#[derive(Clone, Copy)]
enum Ending {
    Closes,
    Hangs,
    /// Sends this byte again and again, with a pause each time.
    Drips(u8),
    /// Sends this byte as fast as it can.
    Floods(u8),
}

/// A proxy that reads that many bytes, writes these, step by step, and then ends.
async fn hostile(scheme: &str, steps: &[(usize, &[u8])], ending: Ending) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let steps: Vec<_> = steps
        .iter()
        .map(|(count, bytes)| (*count, bytes.to_vec()))
        .collect();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let steps = steps.clone();
            tokio::spawn(async move {
                for (count, bytes) in steps {
                    stream.read_exact(&mut vec![0; count]).await.ok()?;
                    stream.write_all(&bytes).await.ok()?;
                }
                match ending {
                    Ending::Closes => {}
                    Ending::Hangs => std::future::pending().await,
                    Ending::Drips(byte) => loop {
                        stream.write_u8(byte).await.ok()?;
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    },
                    Ending::Floods(byte) => loop {
                        stream.write_all(&[byte; 4096]).await.ok()?;
                    },
                }
                Some(())
            });
        }
    });
    format!("{scheme}{address}")
}

/// What a request by this proxy alone fails of. It is a `POST`: a tunnel that was not opened has carried nothing out.
async fn fails(proxy: &str, url: &str, limit: Duration) -> HttpFailure {
    let mut config = config(&[proxy], ProxyOrder::ProxyOnly);
    config.connect_limit = limit;
    let http = HttpClient::new(&config, &[]).unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(120), http.post(url)).await;
    let error = ended.expect("it hangs").unwrap_err();
    let shown = format!("{error} {error:?}");
    assert!(!shown.contains("hunter2"), "{shown}");
    let HttpError::Unreachable { mut attempts, .. } = error else {
        panic!("{shown}")
    };
    assert_eq!(attempts.len(), 1, "{shown}");
    attempts.remove(0).failure
}

const SOCKS: &str = "socks5://";
const SOCKS_WITH_CREDENTIALS: &str = "socks5://zoe9:hunter2@";
const CONNECT: &str = "http://";

const PLAIN_URL: &str = "http://host.test/";
const TLS_URL: &str = "https://host.test/";

/// No time to wait for, as nothing hangs; a limit all the same.
const LONG: Duration = Duration::from_secs(60);

const GREETING: usize = 3;
/// `zoe9` and `hunter2`.
const PASSWORD: usize = 3 + 4 + 7;
/// A request by name for `host.test`.
const REQUEST: usize = 4 + 1 + 9 + 2;
/// The least that `CONNECT` takes.
const HEAD: usize = 20;

const OPENED: [u8; 10] = [5, 0, 0, 1, 127, 0, 0, 1, 1, 187];

#[tokio::test]
async fn t6_a_socks5_proxy_that_breaks_the_protocol_is_a_typed_failure() {
    for greeting in [[4, 0], [0, 0], *b"HT", [5, 1], [5, 2], [5, 3], [5, 0xff]] {
        let proxy = hostile(SOCKS, &[(GREETING, &greeting)], Ending::Closes).await;
        let failure = fails(&proxy, PLAIN_URL, LONG).await;
        let typed = matches!(
            failure,
            HttpFailure::Connect(_) | HttpFailure::ProxyCredentials
        );
        assert!(typed, "{greeting:?}: {failure:?}");
    }
    let refusals = (1..=9).chain([0x7f, 0xff]);
    let mut answers: Vec<Vec<u8>> = refusals
        .map(|code| [&[5, code][..], &OPENED[2..]].concat())
        .collect();
    answers.extend([0, 4, 6, b'H'].map(|version| [&[version][..], &OPENED[1..]].concat()));
    answers.extend([0, 2, 5, 0xff].map(|kind| [&[5, 0, 0, kind][..], &OPENED[4..]].concat()));
    answers.push(vec![5, 0, 0, 3, 2, 0xff, 0xfe, 1, 187]);
    for answer in answers {
        let steps = [(GREETING, &[5, 0][..]), (REQUEST, &answer)];
        let proxy = hostile(SOCKS, &steps, Ending::Closes).await;
        let failure = fails(&proxy, PLAIN_URL, LONG).await;
        let typed = matches!(failure, HttpFailure::Connect(_));
        assert!(typed, "{answer:?}: {failure:?}");
    }
}

#[tokio::test]
async fn t6_a_socks5_proxy_that_takes_no_credentials_is_a_typed_failure() {
    let cases: [&[(usize, &[u8])]; 4] = [
        &[(GREETING, &[5, 0xff])],
        &[(GREETING, &[5, 1])],
        &[(GREETING, &[5, 2]), (PASSWORD, &[1, 1])],
        &[(GREETING, &[5, 2]), (PASSWORD, &[0, 0])],
    ];
    for steps in cases {
        let proxy = hostile(SOCKS_WITH_CREDENTIALS, steps, Ending::Closes).await;
        let failure = fails(&proxy, PLAIN_URL, LONG).await;
        // Another version, or a method that was not offered, is no answer about credentials.
        let typed = match steps {
            [.., (_, [0, _] | [5, 1])] => matches!(failure, HttpFailure::Connect(_)),
            _ => failure == HttpFailure::ProxyCredentials,
        };
        assert!(typed, "{steps:?}: {failure:?}");
    }
    for wants in [2, 0xff] {
        let proxy = hostile(SOCKS, &[(GREETING, &[5, wants])], Ending::Closes).await;
        let failure = fails(&proxy, PLAIN_URL, LONG).await;
        assert_eq!(failure, HttpFailure::ProxyCredentials, "{wants}");
    }
}

/// Requests and connections to datacenters open their tunnels by code of two libraries. Where they do not agree is told at
/// [`HttpClient`].
#[tokio::test]
async fn t6_the_two_ways_through_socks5_agree_but_for_what_is_documented() {
    let bound = |kind: u8, address: &[u8]| [&[5, 0, 0, kind], address, &[1, 187]].concat();
    let reserved = [&[5, 0, 1][..], &OPENED[3..]].concat();
    // What it answers, and whether a connection and a request go by it.
    let answers = [
        (OPENED.to_vec(), true, true),
        (bound(4, &[0; 16]), true, true),
        (bound(3, b"\x02ab"), true, true),
        (bound(3, &[&[255][..], &[b'a'; 255]].concat()), true, true),
        (bound(3, b"\x00"), true, false),
        (bound(3, b"\x01\xff"), false, false),
        (reserved, false, false),
        (bound(2, &[0; 4]), false, false),
        ([&[5, 1][..], &OPENED[2..]].concat(), false, false),
        ([&[5, 9][..], &OPENED[2..]].concat(), false, false),
        ([&[4][..], &OPENED[1..]].concat(), false, false),
    ];
    for (answer, connects, requests) in answers {
        let steps = [(GREETING, &[5, 0][..]), (REQUEST, &answer)];
        let went = goes_by(&hostile(SOCKS, &steps, Ending::Closes).await).await;
        assert_eq!(went, (connects, requests), "{answer:?}");
    }
    // A connection offers one method more, and with it one byte.
    let cases: [(&[u8], &[u8], bool); 3] = [
        (&[5, 2], &[1, 0], true),
        (&[5, 2], &[9, 0], false),
        (&[5, 2], &[1, 1], false),
    ];
    for (greeting, password, goes) in cases {
        for (offer, by) in [(GREETING + 1, 0), (GREETING, 1)] {
            let steps = [(offer, greeting), (PASSWORD, password), (REQUEST, &OPENED)];
            let proxy = hostile(SOCKS_WITH_CREDENTIALS, &steps, Ending::Closes).await;
            let went = if by == 0 {
                connects(&proxy).await
            } else {
                requests(&proxy).await
            };
            assert_eq!(went, goes, "{password:?} {by}");
        }
    }
    let steps = [(GREETING, &[5, 0][..]), (REQUEST, &OPENED)];
    let wants_none = hostile(SOCKS_WITH_CREDENTIALS, &steps, Ending::Closes).await;
    assert!(!requests(&wants_none).await);
    let steps = [(GREETING + 1, &[5, 0][..]), (REQUEST, &OPENED)];
    let wants_none = hostile(SOCKS_WITH_CREDENTIALS, &steps, Ending::Closes).await;
    assert!(connects(&wants_none).await);
}

async fn goes_by(proxy: &str) -> (bool, bool) {
    (connects(proxy).await, requests(proxy).await)
}

async fn connects(proxy: &str) -> bool {
    let dialer = Dialer::new(config(&[proxy], ProxyOrder::ProxyOnly)).unwrap();
    let connected = tokio::time::timeout(LONG, dialer.connect("host.test", 80)).await;
    connected.expect("it hangs").is_ok()
}

/// Whether a request got as far as to be sent, by a proxy that closes then.
async fn requests(proxy: &str) -> bool {
    let failure = fails_somehow(proxy, PLAIN_URL).await;
    matches!(failure, HttpFailure::Exchange(_))
}

#[tokio::test]
async fn t6_a_connect_proxy_that_takes_no_credentials_is_a_typed_failure() {
    let (rejects, _) = proxy(dead().await, true).await;
    let without = rejects.replace("zoe9:hunter2@", "");
    for proxy in [rejects, without] {
        for url in [PLAIN_URL, TLS_URL] {
            let failure = fails(&proxy, url, LONG).await;
            assert_eq!(failure, HttpFailure::ProxyCredentials, "{url}");
        }
    }
}

/// A tunnel that a proxy does not open is the proxy's failure, whatever it says of the host.
#[tokio::test]
async fn t6_a_connect_proxy_that_cannot_reach_the_host_is_a_typed_failure() {
    for status in ["502 Bad Gateway", "503 No", "504 Gateway Timeout", "403 No"] {
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
        let proxy = hostile(CONNECT, &[(HEAD, answer.as_bytes())], Ending::Closes).await;
        let failure = fails(&proxy, TLS_URL, LONG).await;
        let typed = matches!(failure, HttpFailure::Connect(_));
        assert!(typed, "{status}: {failure:?}");
    }
}

#[tokio::test]
async fn t6_a_proxy_that_closes_is_a_typed_failure_at_every_byte() {
    let name: &[u8] = &[5, 0, 0, 3, 2, b'a', b'b', 1, 187];
    let v6 = [&[5, 0, 0, 4][..], &[0; 16], &[1, 187]].concat();
    let mut proxies = Vec::new();
    for length in 0..2 {
        let steps = [(GREETING, &[5, 0][..length])];
        proxies.push(hostile(SOCKS, &steps, Ending::Closes).await);
        let steps = [(GREETING, &[5, 2][..]), (PASSWORD, &[1, 0][..length])];
        proxies.push(hostile(SOCKS_WITH_CREDENTIALS, &steps, Ending::Closes).await);
    }
    for answer in [&OPENED[..], name, &v6] {
        for length in 0..answer.len() {
            let steps = [(GREETING, &[5, 0][..]), (REQUEST, &answer[..length])];
            proxies.push(hostile(SOCKS, &steps, Ending::Closes).await);
        }
    }
    for proxy in proxies {
        let failure = fails(&proxy, PLAIN_URL, LONG).await;
        let typed = matches!(failure, HttpFailure::Connect(_));
        assert!(typed, "{failure:?}");
    }
    let head = b"HTTP/1.1 200 OK\r\nVia: x\r\n\r\n";
    for length in 0..=head.len() {
        let proxy = hostile(CONNECT, &[(HEAD, &head[..length])], Ending::Closes).await;
        let failure = fails(&proxy, TLS_URL, LONG).await;
        let typed = matches!(failure, HttpFailure::Connect(_));
        assert!(typed, "{length}: {failure:?}");
    }
}

#[tokio::test]
async fn t6_a_proxy_whose_answer_does_not_end_is_a_typed_failure() {
    for byte in [0, 5, 0xff] {
        for steps in [
            &[][..],
            &[(GREETING, &[5][..])],
            &[(GREETING, &[5, 0]), (REQUEST, &[][..])],
            &[(GREETING, &[5, 0]), (REQUEST, &[5, 0, 0, 3])],
        ] {
            let proxy = hostile(SOCKS, steps, Ending::Floods(byte)).await;
            let failure = fails_somehow(&proxy, PLAIN_URL).await;
            assert!(!matches!(failure, HttpFailure::TimedOut(_)), "{failure:?}");
        }
    }
    for begin in [&b""[..], b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 403 "] {
        let proxy = hostile(CONNECT, &[(HEAD, begin)], Ending::Floods(b'a')).await;
        let failure = fails(&proxy, TLS_URL, LONG).await;
        let typed = matches!(failure, HttpFailure::Connect(_));
        assert!(typed, "{failure:?}");
    }
    let proxy = hostile(
        CONNECT,
        &[(HEAD, b"HTTP/1.1 200 OK\r\n\r\n")],
        Ending::Floods(0xff),
    );
    let failure = fails(&proxy.await, TLS_URL, LONG).await;
    assert!(matches!(failure, HttpFailure::Connect(_)), "{failure:?}");
}

/// As [`fails`], when noise may as well open the tunnel, and then be no answer.
async fn fails_somehow(proxy: &str, url: &str) -> HttpFailure {
    let http = client(&[proxy], ProxyOrder::ProxyOnly);
    let ended = tokio::time::timeout(LONG, http.get(url)).await;
    let error = ended.expect("it hangs").unwrap_err();
    let HttpError::Unreachable { mut attempts, .. } = error else {
        panic!("{error}")
    };
    attempts.remove(0).failure
}

#[tokio::test]
async fn t6_a_proxy_that_hangs_or_drips_costs_the_limit_and_no_more() {
    let limit = Duration::from_millis(500);
    let after_greeting: [(usize, &[u8]); 2] = [(GREETING, &[5, 0]), (REQUEST, &[5, 0, 0])];
    let in_a_name: [(usize, &[u8]); 2] = [(GREETING, &[5, 0]), (REQUEST, &[5, 0, 0, 3, 255])];
    let in_a_head: [(usize, &[u8]); 1] = [(HEAD, b"HTTP/1.1 200 OK\r\nX: ")];
    let opened: [(usize, &[u8]); 2] = [(GREETING, &[5, 0]), (REQUEST, &OPENED)];
    let tunnel: [(usize, &[u8]); 1] = [(HEAD, b"HTTP/1.1 200 OK\r\n\r\n")];
    type Case<'a> = (&'a str, &'a [(usize, &'a [u8])], Ending, &'a str);
    let cases: [Case<'_>; 11] = [
        (SOCKS, &[], Ending::Hangs, PLAIN_URL),
        (SOCKS, &[(GREETING, &[5])], Ending::Hangs, PLAIN_URL),
        (SOCKS, &[(GREETING, &[5, 0])], Ending::Hangs, PLAIN_URL),
        (
            SOCKS_WITH_CREDENTIALS,
            &[(GREETING, &[5, 2]), (PASSWORD, &[1])],
            Ending::Hangs,
            PLAIN_URL,
        ),
        (SOCKS, &after_greeting, Ending::Hangs, PLAIN_URL),
        (SOCKS, &in_a_name, Ending::Drips(b'a'), PLAIN_URL),
        (SOCKS, &opened, Ending::Hangs, TLS_URL),
        (CONNECT, &[], Ending::Hangs, TLS_URL),
        (CONNECT, &in_a_head, Ending::Hangs, TLS_URL),
        (CONNECT, &in_a_head, Ending::Drips(b'a'), TLS_URL),
        (CONNECT, &tunnel, Ending::Hangs, TLS_URL),
    ];
    let ended = cases.map(|(scheme, steps, ending, url)| async move {
        let proxy = hostile(scheme, steps, ending).await;
        fails(&proxy, url, limit).await
    });
    for (nth, failure) in join_all(ended).await.into_iter().enumerate() {
        let typed = matches!(failure, HttpFailure::TimedOut(_));
        assert!(typed, "{nth}: {failure:?}");
    }
}

#[tokio::test]
async fn r20_a_request_goes_past_every_hostile_proxy_to_the_one_that_works() {
    let (address, heads) = server(OK).await;
    let hostiles = [
        hostile(SOCKS, &[], Ending::Hangs).await,
        hostile(SOCKS, &[(GREETING, &[4, 0])], Ending::Closes).await,
        hostile(SOCKS, &[(GREETING, &[5, 0xff])], Ending::Closes).await,
        hostile(SOCKS, &[(GREETING, &[5, 0])], Ending::Closes).await,
        hostile(SOCKS, &[(GREETING, &[5])], Ending::Floods(0xff)).await,
    ];
    // Opens every tunnel, whatever is asked for.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let good = format!("{SOCKS}{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                stream.read_exact(&mut [0; GREETING]).await.ok()?;
                stream.write_all(&[5, 0]).await.ok()?;
                stream.read_exact(&mut [0; REQUEST]).await.ok()?;
                stream.write_all(&OPENED).await.ok()?;
                let mut host = TcpStream::connect(address).await.ok()?;
                let copied = tokio::io::copy_bidirectional(&mut stream, &mut host).await;
                copied.ok()
            });
        }
    });
    let mut proxies: Vec<&str> = hostiles.iter().map(String::as_str).collect();
    proxies.push(&good);
    let mut config = config(&proxies, ProxyOrder::ProxyOnly);
    config.connect_limit = Duration::from_secs(5);
    let http = HttpClient::new(&config, &[]).unwrap();
    let answer = http.post(PLAIN_URL).await.unwrap();
    assert_eq!(answer.text().await.unwrap(), "hello");
    assert_eq!(heads.lock().unwrap().len(), 1, "it was carried out once");
}

/// The answer sends on to where nobody is: the request was carried out, and must not be made again by the next way.
#[tokio::test]
async fn a_post_that_is_sent_on_to_nowhere_is_not_made_twice() {
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nowhere = gone.local_addr().unwrap();
    drop(gone);
    let answer = format!(
        "HTTP/1.1 303 See Other\r\nLocation: http://{nowhere}/\r\nContent-Length: 0\r\n\r\n"
    );
    let (address, heads) = server(answer.leak()).await;
    let (proxy, _) = proxy(address, false).await;
    let mut config = DialerConfig::default();
    config.proxies = vec![proxy.parse().unwrap()];
    config.order = ProxyOrder::DirectFirst;
    let client = HttpClient::new(&config, &[]).unwrap();
    let url = format!("http://{address}/");
    let error = client.post(&url).await.unwrap_err();
    assert!(matches!(error, HttpError::UnknownOutcome { .. }), "{error}");
    assert_eq!(heads.lock().unwrap().len(), 1, "carried out once");
}

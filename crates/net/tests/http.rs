//! The HTTP client against servers and proxies on loopback.
#![allow(clippy::unwrap_used)]

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use actogram_net::{
    Dialer, DialerConfig, NetworkError, ProxyOrder, ResolveError, Resolving, Route,
    http::{HttpClient, HttpError, HttpFailure, reqwest::Method},
};
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

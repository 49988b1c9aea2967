//! Names by DNS over HTTPS: of datacenters, and of what the HTTP client is asked for.
#![allow(clippy::unwrap_used)]

mod support;

#[path = "../crates/net/tests/doh_server/mod.rs"]
mod doh_server;

use std::{net::Ipv4Addr, path::Path};

use actogram::{Client, Error, Settings, net::ProxyOrder, tl::functions::help::GetConfig};
use doh_server::{DohServer, Manner};
use support::{
    HANG, datacenter,
    proxies::{Manner as ProxyManner, PASSWORD, TestProxy, USER},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

async fn finishes<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(HANG, what).await.expect("it hangs")
}

/// Settings that trust this server alone with names.
fn settings(server: &DohServer, directory: &Path) -> Settings {
    let pem = directory.join("dns.pem");
    std::fs::write(&pem, &server.pem).unwrap();
    let mut settings = Settings::default();
    settings.session = ":memory:".into();
    settings.network.doh = true;
    settings.network.doh_servers = vec![server.url().parse().unwrap()];
    settings.network.trusted_certificates = vec![pem];
    settings
}

/// S24.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s24_names_of_datacenters_and_of_http_come_from_the_server_and_proxies_names_do_not() {
    let directory = tempfile::tempdir().unwrap();
    let here = Ipv4Addr::LOCALHOST.into();
    let names = ["dc.test.example", "web.test.example", "proxy.test.example"];
    let dns = DohServer::of(&names.map(|name| (name, here))).await;
    let datacenter = datacenter().await;
    let to = datacenter.address().unwrap();
    let pem = datacenter.public_key_pem().unwrap();
    let web = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let page = format!(
        "http://web.test.example:{}/",
        web.local_addr().unwrap().port()
    );
    let serving = tokio::spawn(async move {
        let (mut stream, _) = web.accept().await.unwrap();
        let mut head = [0; 1024];
        assert!(stream.read(&mut head).await.unwrap() > 0);
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi";
        stream.write_all(answer).await.unwrap();
    });

    let client = async |settings: Settings, name: &str| {
        let bot = datacenter.operator().create_bot(name, name).unwrap();
        let at = format!("dc.test.example:{}", to.port());
        let builder = Client::from_settings(settings).bot_token(bot.token.as_str());
        let builder = builder.local_datacenter(&datacenter);
        let builder = builder.datacenter(datacenter.dc_id(), &at, &pem).unwrap();
        finishes(builder.connect()).await.unwrap()
    };
    let direct = client(settings(&dns, directory.path()), "doh_bot").await;
    finishes(direct.api().invoke(GetConfig {}).into_future())
        .await
        .unwrap();
    let got = finishes(direct.api().http().unwrap().get_bytes(&page, 64)).await;
    assert_eq!(got.unwrap(), b"hi");
    serving.await.unwrap();
    assert_eq!(dns.asked(), ["dc.test.example", "web.test.example"]);
    direct.shutdown(HANG).await;

    // By a proxy: it looks the host up itself, and its own name is the system's affair.
    let proxy = TestProxy::start(ProxyManner::Socks5, to).await;
    let mut by_proxy = settings(&dns, directory.path());
    by_proxy.network.proxy_order = ProxyOrder::ProxyOnly;
    let at = format!(
        "socks5://{USER}:{PASSWORD}@localhost:{}",
        proxy.address.port()
    );
    by_proxy.network.proxies = vec![at.parse().unwrap()];
    let client = client(by_proxy, "proxied_doh_bot").await;
    finishes(client.api().invoke(GetConfig {}).into_future())
        .await
        .unwrap();
    assert_eq!(dns.asked().len(), 2, "it was asked for nothing more");
    client.shutdown(HANG).await;
}

/// Servers that do not answer cost time once, and then the system is asked: what it knows is found, and what it does not
/// know is an error that tells of both.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s24_without_the_server_the_system_is_asked() {
    let directory = tempfile::tempdir().unwrap();
    let dns = DohServer::start(Manner::Refuses).await;
    let datacenter = datacenter().await;
    let settings = settings(&dns, directory.path());
    let bot = datacenter
        .operator()
        .create_bot("system_bot", "System")
        .unwrap();
    let pem = datacenter.public_key_pem().unwrap();
    let at = format!("localhost:{}", datacenter.address().unwrap().port());
    let builder = Client::from_settings(settings).local_datacenter(&datacenter);
    let builder = builder.datacenter(datacenter.dc_id(), &at, &pem).unwrap();
    let client = finishes(builder.bot_token(bot.token.as_str()).connect())
        .await
        .unwrap();
    let http = client.api().http().unwrap();
    let error = finishes(http.get_bytes("http://nowhere.test.example/", 64)).await;
    let error = error.unwrap_err().to_string();
    assert!(
        error.contains("by DNS over HTTPS:") && error.contains("otherwise:"),
        "{error}"
    );
    client.shutdown(HANG).await;
}

#[tokio::test]
async fn what_is_wrong_with_the_settings_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let dns = DohServer::of(&[]).await;
    let datacenter = datacenter().await;
    let connect = async |settings: Settings| {
        let connecting = Client::from_settings(settings)
            .local_datacenter(&datacenter)
            .connect();
        finishes(connecting).await.err().unwrap()
    };
    let mut none = settings(&dns, directory.path());
    none.network.doh_servers.clear();
    let error = connect(none).await.to_string();
    assert!(error.contains("`network.doh_servers`"), "{error}");
    let mut missing = settings(&dns, directory.path());
    missing.network.trusted_certificates = vec![directory.path().join("none.pem")];
    let error = connect(missing).await;
    assert!(
        matches!(&error, Error::Io { context, .. } if context.contains("none.pem")),
        "{error}"
    );
    let mut empty = settings(&dns, directory.path());
    let path = directory.path().join("empty.pem");
    std::fs::write(&path, "no certificate").unwrap();
    empty.network.trusted_certificates = vec![path];
    let error = connect(empty).await.to_string();
    assert!(
        error.contains("empty.pem") && error.contains("BEGIN CERTIFICATE"),
        "{error}"
    );
}

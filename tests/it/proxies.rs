//! A client that reaches its datacenter by proxies, over names, and past a captive portal.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use crate::support::{
    HANG, datacenter,
    proxies::{Manner, TestProxy, dead},
    until,
};
use actogram::{Client, Settings, net::ProxyOrder, tl::functions::help::GetConfig};
use actogram_local_datacenter::LocalDatacenter;

/// Logs a bot in by these proxies; `at` is where the client believes the datacenter to be.
async fn bot_by(
    datacenter: &LocalDatacenter,
    at: Option<&str>,
    proxies: &[String],
    order: ProxyOrder,
) -> Client {
    let mut settings = Settings::default();
    settings.network.proxies = proxies.iter().map(|proxy| proxy.parse().unwrap()).collect();
    settings.network.proxy_order = order;
    settings.network.connect_limit = 3;
    let name = match order {
        ProxyOrder::DirectFirst => "direct_bot",
        _ => "proxied_bot",
    };
    let bot = datacenter.operator().create_bot(name, name).unwrap();
    let mut builder = Client::from_settings(settings)
        .session(":memory:")
        .local_datacenter(datacenter)
        .bot_token(bot.token.as_str());
    if let Some(at) = at {
        let pem = datacenter.public_key_pem().unwrap();
        builder = builder.datacenter(datacenter.dc_id(), at, &pem).unwrap();
    }
    finishes(builder.connect()).await.unwrap()
}

async fn finishes<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(HANG, what).await.expect("it hangs")
}

async fn call(client: &Client) {
    finishes(client.api().invoke(GetConfig).into_future())
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r19_the_fourth_proxy_is_good_and_is_remembered() {
    let datacenter = datacenter().await;
    let to = datacenter.address().unwrap();
    let dead = format!("socks5://{}", dead().await);
    let rejects = TestProxy::start(Manner::Rejects, to).await;
    let slow = TestProxy::start(Manner::Silent, to).await;
    let good = TestProxy::start(Manner::Socks5, to).await;
    let proxies = [
        dead,
        rejects.url("socks5"),
        slow.url("socks5"),
        good.url("socks5"),
    ];
    let bot = bot_by(&datacenter, None, &proxies, ProxyOrder::ProxyOnly).await;
    assert_eq!((rejects.taken(), slow.taken()), (1, 1));
    let before = good.taken();
    assert!(before >= 1);

    datacenter.cut_connections();
    until("connected again", || good.taken() > before).await;
    call(&bot).await;
    assert_eq!((rejects.taken(), slow.taken()), (1, 1), "remembered");
    bot.shutdown(Duration::from_secs(5)).await;
    datacenter.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r19_all_proxies_dead_then_one_is_back() {
    let datacenter = datacenter().await;
    let to = datacenter.address().unwrap();
    let addresses = [dead().await, dead().await];
    let proxy = TestProxy::start_at(addresses[1], Manner::Connect, to).await;
    let proxies = [format!("socks5://{}", addresses[0]), proxy.url("http")];
    let bot = bot_by(&datacenter, None, &proxies, ProxyOrder::ProxyOnly).await;
    assert!(proxy.taken() >= 1);
    drop(proxy);
    datacenter.cut_connections();
    let api = bot.api();
    let waiting = tokio::spawn(async move { api.invoke(GetConfig).await });
    // Long enough for a round that fails; shorter is no error, the call just succeeds in the first.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let proxy = TestProxy::start_at(addresses[1], Manner::Connect, to).await;
    finishes(waiting).await.unwrap().unwrap();
    assert!(proxy.taken() >= 1);
    bot.shutdown(Duration::from_secs(5)).await;
    datacenter.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r20_past_a_captive_portal_by_a_proxy() {
    let datacenter = datacenter().await;
    let to = datacenter.address().unwrap();
    let portal = TestProxy::start(Manner::Portal, to).await;
    let proxy = TestProxy::start(Manner::Socks5, to).await;
    let at = portal.address.to_string();
    let proxies = [proxy.url("socks5")];
    let bot = bot_by(&datacenter, Some(&at), &proxies, ProxyOrder::DirectFirst).await;
    assert!(portal.taken() >= 1 && proxy.taken() >= 1);
    call(&bot).await;
    bot.shutdown(Duration::from_secs(5)).await;
    datacenter.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r20_a_name_that_does_not_resolve_is_reached_by_a_proxy_that_knows_it() {
    let datacenter = datacenter().await;
    let to = datacenter.address().unwrap();
    let proxy = TestProxy::start(Manner::Socks5, to).await;
    let proxies = [proxy.url("socks5")];
    let at = Some("dc.invalid:443");
    let bot = bot_by(&datacenter, at, &proxies, ProxyOrder::DirectFirst).await;
    call(&bot).await;
    assert!(proxy.taken() >= 1);
    bot.shutdown(Duration::from_secs(5)).await;
    datacenter.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn datacenters_and_proxies_may_be_names_and_a_direct_way_needs_no_proxy() {
    let datacenter = datacenter().await;
    let to = datacenter.address().unwrap();
    let proxy = TestProxy::start(Manner::Connect, to).await;
    let named = proxy.url("http").replace("127.0.0.1", "localhost");
    let at = format!("localhost:{}", to.port());
    let proxies = [named];
    let bot = bot_by(&datacenter, Some(&at), &proxies, ProxyOrder::DirectFirst).await;
    assert_eq!(proxy.taken(), 0);
    bot.shutdown(Duration::from_secs(5)).await;

    let bot = bot_by(&datacenter, Some(&at), &proxies, ProxyOrder::ProxyFirst).await;
    assert!(proxy.taken() >= 1);
    bot.shutdown(Duration::from_secs(5)).await;
    datacenter.shutdown().await;
}

#[cfg(feature = "http")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s23_an_accounts_http_client_uses_its_proxies_and_keeps_one_jar() {
    let datacenter = datacenter().await;
    let page = TestProxy::start(Manner::Portal, datacenter.address().unwrap()).await;
    let proxy = TestProxy::start(Manner::Socks5, page.address).await;
    let proxies = [proxy.url("socks5")];
    let bot = bot_by(&datacenter, None, &proxies, ProxyOrder::DirectFirst).await;
    let http = bot.api().http().unwrap();
    let cookie = "id=7; Path=/";
    let url = "http://page.invalid/";
    http.cookies().add_cookie_str(cookie, &url.parse().unwrap());
    let http = bot.api().http().unwrap();
    let kept = actogram::http::reqwest::cookie::CookieStore::cookies(
        http.cookies(),
        &url.parse().unwrap(),
    );
    assert_eq!(kept.unwrap(), "id=7", "the same jar each time");
    // The page sends elsewhere without end, so that is what comes of it; and it comes through the proxy.
    let error = finishes(http.get(url).into_future()).await.unwrap_err();
    assert!(
        matches!(error, actogram::http::HttpError::Redirects { .. }),
        "{error}"
    );
    assert!(proxy.taken() >= 1 && page.taken() >= 1);
    bot.shutdown(Duration::from_secs(5)).await;
    datacenter.shutdown().await;
}

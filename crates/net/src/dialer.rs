//! Streams to hosts, directly or by proxies, whichever works.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    connection::Connection,
    error::{Attempt, ConnectError, Failure, NetworkError, Route},
    happy_eyeballs,
    proxy::{Proxy, ProxyOrder},
    resolve::{Resolve, SystemResolver, addresses},
    routes::Routes,
    stream::{BoxedStream, Sockets, TcpSockets},
    tunnel,
};

/// What a [`Dialer`] is made of.
#[derive(Clone)]
#[non_exhaustive]
pub struct DialerConfig {
    /// The proxies, in the order in which they are tried.
    pub proxies: Vec<Proxy>,
    /// Whether, and when, a direct connection is tried.
    pub order: ProxyOrder,
    /// Whether IPv6 addresses of a name go before IPv4 ones. Default: no.
    pub prefer_ipv6: bool,
    /// How long one attempt may take once addresses are known: TCP, and what the proxy has to say. Default 5 s.
    pub connect_limit: Duration,
    /// How long an HTTP request may take in all: every attempt, and reading the answer. Default 10 min.
    pub request_limit: Duration,
    /// Whether a host that answers in HTTP is taken for a captive portal: reading then fails with
    /// [`AnsweredByHttp`](crate::AnsweredByHttp). Default: no.
    pub refuse_http: bool,
    /// Resolves the names of hosts that are connected to directly. Proxies resolve names themselves.
    pub resolver: Arc<dyn Resolve>,
    /// Resolves the names of proxies. It must not itself depend on a proxy.
    pub proxy_resolver: Arc<dyn Resolve>,
    /// Opens streams to addresses.
    pub sockets: Arc<dyn Sockets>,
}

impl Default for DialerConfig {
    fn default() -> Self {
        let system = Arc::new(SystemResolver::default());
        Self {
            proxies: Vec::new(),
            order: ProxyOrder::default(),
            prefer_ipv6: false,
            connect_limit: Duration::from_secs(5),
            request_limit: Duration::from_secs(600),
            refuse_http: false,
            resolver: system.clone(),
            proxy_resolver: system,
            sockets: Arc::new(TcpSockets),
        }
    }
}

/// Opens streams to hosts. Cheap to clone; clones share what they learn about the ways.
///
/// One way after the other is tried: the one that worked last (for ten minutes), then those of the order asked for,
/// then those that failed lately. The first that succeeds wins.
#[derive(Clone)]
pub struct Dialer {
    inner: Arc<Inner>,
}

struct Inner {
    config: DialerConfig,
    routes: Arc<Mutex<Routes>>,
}

impl Dialer {
    /// Without proxies; [`DialerConfig::refuse_http`] as given.
    pub fn direct(refuse_http: bool) -> Self {
        Self::of(DialerConfig {
            refuse_http,
            ..DialerConfig::default()
        })
    }

    /// A dialer that knows nothing yet.
    ///
    /// # Errors
    /// [`NetworkError::NoProxies`] if only proxies may be used and there are none.
    pub fn new(config: DialerConfig) -> Result<Self, NetworkError> {
        if config.order == ProxyOrder::ProxyOnly && config.proxies.is_empty() {
            return Err(NetworkError::NoProxies);
        }
        Ok(Self::of(config))
    }

    fn of(config: DialerConfig) -> Self {
        let routes = Routes::new(&config.proxies, config.order);
        Self {
            inner: Arc::new(Inner {
                routes: Arc::new(Mutex::new(routes)),
                config,
            }),
        }
    }

    /// The longest [`Dialer::connect`] takes, when every way fails as slowly as it can.
    pub fn patience(&self) -> Duration {
        let config = &self.inner.config;
        let resolve = config.resolver.limit().max(config.proxy_resolver.limit());
        let ways = u32::try_from(self.routes().len()).unwrap_or(u32::MAX);
        (resolve + config.connect_limit).saturating_mul(ways)
    }

    fn routes(&self) -> MutexGuard<'_, Routes> {
        let routes = self.inner.routes.lock();
        routes.unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a stream to a host: a name, an IPv4 or an IPv6 address (without brackets).
    ///
    /// # Errors
    /// [`ConnectError`], which tells of every attempt.
    pub async fn connect(&self, host: &str, port: u16) -> Result<Connection, ConnectError> {
        let plan = self.routes().plan(Instant::now());
        let mut attempts = Vec::new();
        for way in plan {
            let Some(route) = self.routes().route(way).cloned() else {
                continue;
            };
            match self.by(&route, host, port).await {
                Ok((stream, early)) => {
                    return Ok(Connection::new(
                        stream,
                        early,
                        (self.inner.routes.clone(), way),
                        route,
                        self.inner.config.refuse_http,
                    ));
                }
                Err(failure) => {
                    tracing::info!(host, port, %route, %failure, "a way to a host failed");
                    self.routes().failed(way, Instant::now());
                    attempts.push(Attempt { route, failure });
                }
            }
        }
        Err(ConnectError {
            host: host.to_owned(),
            port,
            attempts,
        })
    }

    async fn by(
        &self,
        route: &Route,
        host: &str,
        port: u16,
    ) -> Result<(BoxedStream, Vec<u8>), Failure> {
        let config = &self.inner.config;
        let limit = config.connect_limit;
        let timed_out = |_| Failure::TimedOut { limit };
        match route {
            Route::Direct => {
                let found = addresses(host, &*config.resolver).await?;
                let opening = self.open(found, port);
                let opened = tokio::time::timeout(limit, opening).await;
                Ok((opened.map_err(timed_out)??, Vec::new()))
            }
            Route::Proxy(proxy) => {
                let found = addresses(&proxy.host, &*config.proxy_resolver).await?;
                let tunnel = async {
                    let stream = self.open(found, proxy.port).await?;
                    Ok(tunnel::open(stream, proxy, host, port).await?)
                };
                let opened = tokio::time::timeout(limit, tunnel).await;
                opened.map_err(timed_out)?
            }
        }
    }

    async fn open(&self, found: Vec<IpAddr>, port: u16) -> Result<BoxedStream, Failure> {
        let config = &self.inner.config;
        let ordered: Vec<SocketAddr> = happy_eyeballs::order(found, config.prefer_ipv6)
            .into_iter()
            .map(|address| SocketAddr::new(address, port))
            .collect();
        happy_eyeballs::race(&ordered, |address| config.sockets.open(address))
            .await
            .map_err(|failed| {
                let kind = failed
                    .first()
                    .map_or(std::io::ErrorKind::NotFound, |(_, error)| error.kind());
                let told: Vec<_> = failed
                    .iter()
                    .map(|(address, error)| format!("{address}: {error}"))
                    .collect();
                let why = if told.is_empty() {
                    "there is no address".to_owned()
                } else {
                    told.join(", ")
                };
                Failure::Unreachable { kind, why }
            })
    }
}

impl std::fmt::Debug for Dialer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dialer")
            .field("proxies", &self.inner.config.proxies)
            .field("order", &self.inner.config.order)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

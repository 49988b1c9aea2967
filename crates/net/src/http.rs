//! An HTTP client that goes directly or by proxies, whichever works.

use std::{
    collections::{HashMap, HashSet},
    error::Error as _,
    fmt,
    future::{Future, IntoFuture},
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
pub use reqwest;
use reqwest::{
    Method, Response, StatusCode, Url,
    cookie::Jar,
    dns::{Addrs, Name, Resolve as Lookup, Resolving as LookingUp},
    redirect::Policy,
};
use tokio::time::Instant;
use zeroize::Zeroizing;

use crate::{
    dialer::DialerConfig,
    error::{NetworkError, Route},
    happy_eyeballs,
    proxy::{Proxy, ProxyOrder, ProxyScheme},
    resolve::Resolve,
    routes::Routes,
    tls,
};

/// How long a server may be silent.
const SILENCE_LIMIT: Duration = Duration::from_secs(30);

/// Of how many hosts it is remembered how the ways to them fared. The one asked for the longest ago is forgotten first.
const MOST_HOSTS: usize = 256;

/// Makes HTTP requests directly and by proxies, in the order of its configuration, with one jar for all cookies. Cheap
/// to clone; clones share cookies, connections, and what they learn about the ways.
///
/// A request whose way could not be opened is made by the next one. One that was sent and got no answer is made again
/// only if its method may be repeated (RFC 9110, 9.2.2). How a way fared is remembered for that host and port alone: a
/// dead host sends no other by the proxies, and a dead proxy is found out once by each.
///
/// An `https` request goes through an HTTP proxy by `CONNECT`: if the proxy opens no tunnel, whatever it says, the next
/// way is taken. A plain `http` request is forwarded by it: but for 407, what it says itself (502 or 504 if it cannot
/// reach the host) cannot be told from what the host says, and is the answer.
///
/// # SOCKS5, compared with connections to datacenters
/// Both speak RFC 1928 and 1929 and leave names to the proxy, but not by the same code. Of a proxy that keeps the rules
/// they differ in one thing: with credentials, a connection to a datacenter offers to go without them too, and an HTTP
/// request does not, so a proxy that wants none is [`HttpFailure::ProxyCredentials`] there. Of proxies that break the
/// rules an HTTP request refuses one that a connection takes: a bound address that is an empty name.
#[derive(Clone)]
pub struct HttpClient {
    inner: Arc<Inner>,
}

struct Inner {
    clients: Vec<reqwest::Client>,
    hosts: Mutex<Hosts>,
    limit: Duration,
    jar: Arc<Jar>,
    redirects: Redirects,
}

/// How the ways to each host fared.
struct Hosts {
    fresh: Routes,
    known: HashMap<Host, (Routes, Instant)>,
}

/// A host, and the port asked for.
type Host = (String, Option<u16>);

impl Hosts {
    fn of(&mut self, host: &Host, now: Instant) -> &mut Routes {
        if !self.known.contains_key(host) && self.known.len() >= MOST_HOSTS {
            let oldest = self.known.iter().min_by_key(|(_, (_, asked))| *asked);
            let oldest = oldest.map(|(host, _)| host.clone());
            oldest.and_then(|host| self.known.remove(&host));
        }
        let fresh = || (self.fresh.clone(), now);
        let (routes, asked) = self.known.entry(host.clone()).or_insert_with(fresh);
        *asked = now;
        routes
    }
}

/// The addresses of requests under way that were answered by another address. The library does not tell which request it
/// asks about, so two for the same address share an entry: at worst one that was not sent counts as sent.
type Redirects = Arc<Mutex<HashSet<Url>>>;

/// Why an attempt to make a request led to nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HttpFailure {
    /// A name has no address.
    #[error("{0}")]
    Name(String),
    /// There was no connection, or no answer, in time.
    #[error("it took too long: {0}")]
    TimedOut(String),
    /// There was no connection: the host, the proxy, or TLS.
    #[error("{0}")]
    Connect(String),
    /// The proxy takes no credentials, or not these.
    #[error("the proxy rejected the user name and password, or wants some")]
    ProxyCredentials,
    /// The request was sent, and the connection ended without an answer.
    #[error("the connection ended before there was an answer: {0}")]
    Exchange(String),
}

/// An attempt to make a request that led to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpAttempt {
    /// Which way.
    pub route: Route,
    /// Why.
    pub failure: HttpFailure,
}

/// Why a request has no answer. An answer that refuses (4xx, 5xx) is none of these.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HttpError {
    /// The request is malformed; nothing was sent.
    #[error("the request is malformed: {0}")]
    Request(String),
    /// No way led to an answer.
    #[error("{host} cannot be reached{}", told(.attempts))]
    Unreachable {
        /// The host.
        host: String,
        /// Every attempt, in the order they were made.
        attempts: Vec<HttpAttempt>,
    },
    /// The request was sent, there was no answer, and making it again might carry it out twice.
    #[error("{method} to {host} may or may not have been carried out{}", told(.attempts))]
    UnknownOutcome {
        /// The method.
        method: String,
        /// The host.
        host: String,
        /// Every attempt, in the order they were made.
        attempts: Vec<HttpAttempt>,
    },
    /// There was no answer within the limit for all attempts. Nothing that may not be repeated was sent.
    #[error("{host} gave no answer within {limit:?}{}", told(.attempts))]
    OutOfTime {
        /// The host.
        host: String,
        /// The limit.
        limit: Duration,
        /// Every attempt, in the order they were made; the time ended the last one.
        attempts: Vec<HttpAttempt>,
    },
    /// The answer sends from one address to the next without end.
    #[error("{host} redirects without end")]
    Redirects {
        /// The host.
        host: String,
    },
    /// The answer is longer than was asked for.
    #[error("the answer is longer than {limit} bytes")]
    TooLong {
        /// The most that was asked for.
        limit: usize,
    },
    /// The answer refuses.
    #[error("the answer is {0}")]
    Status(StatusCode),
    /// The answer broke off.
    #[error("the answer broke off: {0}")]
    Body(String),
}

fn told(attempts: &[HttpAttempt]) -> String {
    let told = attempts.iter().enumerate().map(|(nth, attempt)| {
        let sign = if nth == 0 { ":" } else { ";" };
        format!("{sign} {}: {}", attempt.route, attempt.failure)
    });
    told.collect()
}

impl HttpClient {
    /// A client with an empty jar, for the proxies, order, limits and resolvers of this configuration.
    ///
    /// `trusted`: further certificates (DER) of authorities that servers may be certified by, besides Mozilla's.
    ///
    /// # Errors
    /// [`NetworkError`] if only proxies may be used and there are none, or TLS cannot be set up.
    pub fn new(config: &DialerConfig, trusted: &[Vec<u8>]) -> Result<Self, NetworkError> {
        if config.order == ProxyOrder::ProxyOnly && config.proxies.is_empty() {
            return Err(NetworkError::NoProxies);
        }
        let routes = Routes::new(&config.proxies, config.order);
        let (jar, tls) = (Arc::new(Jar::default()), tls::config(trusted)?);
        let failed = |error: reqwest::Error| NetworkError::Tls(chain(error));
        let (mut clients, redirects) = (Vec::new(), Redirects::default());
        for route in (0..routes.len()).filter_map(|way| routes.route(way)) {
            let builder = reqwest::Client::builder()
                .tls_backend_preconfigured(tls.clone())
                .cookie_provider(jar.clone())
                .connect_timeout(config.connect_limit)
                .read_timeout(SILENCE_LIMIT)
                .user_agent(concat!("actogram/", env!("CARGO_PKG_VERSION")))
                .redirect(noting(redirects.clone()))
                .no_proxy();
            // By a proxy, the only name that is resolved here is the proxy's own.
            let (builder, resolver) = match route {
                Route::Direct => (builder, config.resolver.clone()),
                Route::Proxy(proxy) => (
                    builder.proxy(reqwest::Proxy::all(url(proxy).as_str()).map_err(failed)?),
                    config.proxy_resolver.clone(),
                ),
            };
            let lookup = Names {
                resolver,
                prefer_ipv6: config.prefer_ipv6,
            };
            clients.push(builder.dns_resolver(lookup).build().map_err(failed)?);
        }
        Ok(Self {
            inner: Arc::new(Inner {
                clients,
                hosts: Mutex::new(Hosts {
                    fresh: routes,
                    known: HashMap::new(),
                }),
                limit: config.request_limit,
                jar,
                redirects,
            }),
        })
    }

    /// The cookies.
    pub fn cookies(&self) -> &Jar {
        &self.inner.jar
    }

    /// Begins a `GET`.
    pub fn get(&self, url: &str) -> HttpRequest {
        self.request(Method::GET, url)
    }

    /// Begins a `POST`.
    pub fn post(&self, url: &str) -> HttpRequest {
        self.request(Method::POST, url)
    }

    /// Begins a request.
    pub fn request(&self, method: Method, url: &str) -> HttpRequest {
        HttpRequest {
            client: self.clone(),
            // There is at least one way, or there would be no client.
            builder: self
                .inner
                .clients
                .first()
                .map(|first| first.request(method, url)),
            limit: self.inner.limit,
        }
    }

    /// What is at an address: at most `limit` bytes of it.
    ///
    /// # Errors
    /// [`HttpError`]; an answer that refuses is [`HttpError::Status`].
    pub async fn get_bytes(&self, url: &str, limit: usize) -> Result<Vec<u8>, HttpError> {
        let mut answer = self.get(url).await?;
        if !answer.status().is_success() {
            return Err(HttpError::Status(answer.status()));
        }
        let mut bytes = Vec::new();
        let broken = |error: reqwest::Error| HttpError::Body(chain(error));
        while let Some(chunk) = answer.chunk().await.map_err(broken)? {
            if bytes.len() + chunk.len() > limit {
                return Err(HttpError::TooLong { limit });
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }

    fn hosts(&self) -> MutexGuard<'_, Hosts> {
        let hosts = self.inner.hosts.lock();
        hosts.unwrap_or_else(PoisonError::into_inner)
    }

    fn redirects(&self) -> MutexGuard<'_, HashSet<Url>> {
        let redirects = self.inner.redirects.lock();
        redirects.unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a request, within [`DialerConfig::request_limit`].
    ///
    /// # Errors
    /// [`HttpError`], which tells of every attempt.
    pub async fn execute(&self, request: reqwest::Request) -> Result<Response, HttpError> {
        self.execute_within(request, self.inner.limit).await
    }

    async fn execute_within(
        &self,
        request: reqwest::Request,
        limit: Duration,
    ) -> Result<Response, HttpError> {
        let (method, url) = (request.method().clone(), request.url().clone());
        let host = url.host_str().unwrap_or_default().to_owned();
        let key = (host.clone(), url.port_or_known_default());
        let _forget = Forget(self, &url);
        let began = Instant::now();
        let plan = self.hosts().of(&key, began).plan(began);
        let mut attempts = Vec::new();
        let mut request = Some(request);
        for way in plan {
            let (Some(client), Some(route)) = (
                self.inner.clients.get(way),
                self.hosts().fresh.route(way).cloned(),
            ) else {
                continue;
            };
            // A body that is a stream goes out once only.
            let attempt = request.as_ref().and_then(reqwest::Request::try_clone);
            let Some(mut attempt) = attempt.or_else(|| request.take()) else {
                break;
            };
            let left = limit.saturating_sub(began.elapsed());
            let own = attempt.timeout().copied().unwrap_or(left);
            *attempt.timeout_mut() = Some(own.min(left));
            let ended = client.execute(attempt).await;
            let (failure, sent) = match ended {
                Ok(answer)
                    if answer.status() == StatusCode::PROXY_AUTHENTICATION_REQUIRED
                        && route != Route::Direct =>
                {
                    (HttpFailure::ProxyCredentials, false)
                }
                Ok(answer) => {
                    let now = Instant::now();
                    self.hosts().of(&key, now).worked(way, now);
                    return Ok(answer);
                }
                Err(error) if error.is_redirect() => return Err(HttpError::Redirects { host }),
                Err(error) if error.is_builder() => return Err(HttpError::Request(chain(error))),
                Err(error) => {
                    // Where it was redirected to may not be there: the request itself was answered all the same.
                    let redirected = self.redirects().contains(&url);
                    let sent = redirected || !error.is_connect();
                    (failure(error), sent)
                }
            };
            tracing::info!(host, %route, %failure, "a way to a host failed");
            let now = Instant::now();
            self.hosts().of(&key, now).failed(way, now);
            attempts.push(HttpAttempt { route, failure });
            if sent && !method.is_idempotent() {
                let method = method.to_string();
                return Err(HttpError::UnknownOutcome {
                    method,
                    host,
                    attempts,
                });
            }
            if began.elapsed() >= limit {
                return Err(HttpError::OutOfTime {
                    host,
                    limit,
                    attempts,
                });
            }
        }
        Err(HttpError::Unreachable { host, attempts })
    }
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpClient").finish_non_exhaustive()
    }
}

/// A request that is made when it is awaited.
#[must_use = "a request does nothing until it is awaited"]
pub struct HttpRequest {
    client: HttpClient,
    builder: Option<reqwest::RequestBuilder>,
    limit: Duration,
}

impl HttpRequest {
    /// Adds to the request: headers, a body, JSON, a limit of time for each attempt.
    ///
    /// ```no_run
    /// # async fn act(http: actogram_net::http::HttpClient) -> Result<(), actogram_net::http::HttpError> {
    /// let answer = http
    ///     .post("https://host.example/form")
    ///     .with(|request| request.header("x-key", "value").body("text"))
    ///     .await?;
    /// # Ok(()) }
    /// ```
    pub fn with(
        mut self,
        change: impl FnOnce(reqwest::RequestBuilder) -> reqwest::RequestBuilder,
    ) -> Self {
        self.builder = self.builder.map(change);
        self
    }

    /// How long it may take in all: every attempt, and reading the answer. Default: the client's.
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }
}

impl IntoFuture for HttpRequest {
    type Output = Result<Response, HttpError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let Some(builder) = self.builder else {
                return Err(HttpError::Request("there is no way".to_owned()));
            };
            let request = builder
                .build()
                .map_err(|error| HttpError::Request(chain(error)))?;
            self.client.execute_within(request, self.limit).await
        })
    }
}

impl fmt::Debug for HttpRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpRequest").finish_non_exhaustive()
    }
}

/// What was noted about a request goes with it, however it ends.
struct Forget<'a>(&'a HttpClient, &'a Url);

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        self.0.redirects().remove(self.1);
    }
}

/// As many redirects as usual, each taken note of.
fn noting(redirects: Redirects) -> Policy {
    let usual = Policy::default();
    Policy::custom(move |attempt| {
        if let Some(first) = attempt.previous().first() {
            let mut noted = redirects.lock().unwrap_or_else(PoisonError::into_inner);
            noted.insert(first.clone());
        }
        usual.redirect(attempt)
    })
}

fn failure(error: reqwest::Error) -> HttpFailure {
    if error.is_dns() {
        HttpFailure::Name(chain(error))
    } else if error.is_timeout() {
        HttpFailure::TimedOut(chain(error))
    } else if is_about_credentials(&error) {
        HttpFailure::ProxyCredentials
    } else if error.is_connect() {
        HttpFailure::Connect(chain(error))
    } else {
        HttpFailure::Exchange(chain(error))
    }
}

/// What the HTTP library says of credentials that a proxy does not take. The types of these errors are private to it, so
/// its words have to do; a test fails if they change.
const ABOUT_CREDENTIALS: [&str; 4] = [
    "SOCKS error: server does not support user/pass authentication",
    "SOCKS error: server implements authentication incorrectly",
    "SOCKS error: credentials not accepted",
    "tunnel error: proxy authorization required",
];

fn is_about_credentials(error: &reqwest::Error) -> bool {
    let mut cause = error.source();
    while let Some(error) = cause {
        if ABOUT_CREDENTIALS.contains(&error.to_string().as_str()) {
            return true;
        }
        cause = error.source();
    }
    false
}

/// An error with all its causes, but without the address: it may hold secrets.
fn chain(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// The address of a proxy for the HTTP library. Names are left to the proxy.
fn url(proxy: &Proxy) -> Zeroizing<String> {
    let scheme = match proxy.scheme {
        ProxyScheme::Socks5 => "socks5h",
        ProxyScheme::Http => "http",
    };
    let credentials = proxy
        .credentials
        .as_ref()
        .map_or_else(Zeroizing::default, |credentials| {
            let encode = |text: &str| {
                Zeroizing::new(utf8_percent_encode(text, NON_ALPHANUMERIC).to_string())
            };
            let (user, password) = (encode(&credentials.user), encode(&credentials.password));
            Zeroizing::new(format!("{}:{}@", user.as_str(), password.as_str()))
        });
    let address = proxy.to_string();
    let address = address.split_once("://").map_or("", |(_, address)| address);
    Zeroizing::new(format!("{scheme}://{}{address}", credentials.as_str()))
}

/// Our resolvers, for the HTTP library.
struct Names {
    resolver: Arc<dyn Resolve>,
    prefer_ipv6: bool,
}

impl Lookup for Names {
    fn resolve(&self, name: Name) -> LookingUp {
        let (resolving, prefer_ipv6) = (self.resolver.resolve(name.as_str()), self.prefer_ipv6);
        Box::pin(async move {
            let found = happy_eyeballs::order(resolving.await?, prefer_ipv6);
            let found = found.into_iter().map(|address| SocketAddr::new(address, 0));
            Ok(Box::new(found) as Addrs)
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_host_asked_for_the_longest_ago_is_forgotten() {
        let now = Instant::now();
        let proxies = ["socks5://p:1080".parse().unwrap()];
        let mut hosts = Hosts {
            fresh: Routes::new(&proxies, ProxyOrder::DirectFirst),
            known: HashMap::new(),
        };
        let host = |nth: usize| (format!("host{nth}"), Some(443));
        for nth in 0..MOST_HOSTS {
            let now = now + Duration::from_millis(nth as u64);
            hosts.of(&host(nth), now).worked(1, now);
        }
        let later = now + Duration::from_secs(10);
        assert_eq!(hosts.of(&host(0), later).plan(later), [1, 0]);
        assert_eq!(hosts.of(&host(MOST_HOSTS), later).plan(later), [0, 1]);
        assert_eq!(hosts.known.len(), MOST_HOSTS);
        assert_eq!(hosts.of(&host(0), later).plan(later), [1, 0]);
        assert_eq!(hosts.of(&host(2), later).plan(later), [1, 0]);
        assert_eq!(hosts.of(&host(1), later).plan(later), [0, 1]);
    }
}

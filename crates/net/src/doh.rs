//! Addresses of names by DNS over HTTPS (RFC 8484).

use std::{
    fmt,
    net::IpAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use hickory_resolver::{
    TokioResolver,
    config::{
        ConnectionConfig, LookupIpStrategy, NameServerConfig, ProtocolConfig, ResolveHosts,
        ResolverConfig, ResolverOpts,
    },
    net::runtime::TokioRuntimeProvider,
};
use tokio::{sync::OnceCell, time::Instant};

use crate::{
    doh_server::DohServer,
    error::{NetworkError, ResolveError},
    resolve::{Resolve, Resolving, SystemResolver},
    tls,
};

/// How long the servers are waited for, all together.
const LIMIT: Duration = Duration::from_secs(4);

/// How long one server is waited for, each time it is asked.
const SERVER_LIMIT: Duration = Duration::from_millis(1500);

/// How long they are left alone after none of them answered.
const REST: Duration = Duration::from_secs(60);

/// The most answers that are remembered, each for as long as it says.
const MOST_ANSWERS: u64 = 512;

/// Asks servers of DNS over HTTPS, and another resolver when they give no address: the system's, say, which alone knows the
/// names of its own network. Answers are remembered for as long as they say. Cheap to clone; clones share what they know.
///
/// Names that mean nothing outside (of one label, `.local`, `.internal`, …) are asked of the other resolver only.
/// After none of the servers could be reached, they are left alone for a minute. The servers' own names are looked up by the
/// other resolver, and connections to them go directly: nothing asks itself.
#[derive(Clone)]
pub struct DohResolver {
    inner: Arc<Inner>,
}

struct Inner {
    servers: Vec<DohServer>,
    tls: rustls::ClientConfig,
    fallback: Arc<dyn Resolve>,
    /// One for each server that has an address: which is asked when another fails is decided here.
    resolvers: OnceCell<Vec<TokioResolver>>,
    /// The one that answered last.
    first: AtomicUsize,
    rests_until: Mutex<Option<Instant>>,
}

impl DohResolver {
    /// `trusted`: further certificates (DER) of authorities that the servers may be certified by, besides Mozilla's.
    ///
    /// # Errors
    /// [`NetworkError`] if there is no server or TLS cannot be set up.
    pub fn new(
        servers: Vec<DohServer>,
        trusted: &[Vec<u8>],
        fallback: Arc<dyn Resolve>,
    ) -> Result<Self, NetworkError> {
        if servers.is_empty() {
            return Err(NetworkError::NoDohServers);
        }
        Ok(Self {
            inner: Arc::new(Inner {
                servers,
                tls: tls::config(trusted)?,
                fallback,
                resolvers: OnceCell::new(),
                first: AtomicUsize::new(0),
                rests_until: Mutex::new(None),
            }),
        })
    }

    /// With the system's resolver behind it.
    ///
    /// # Errors
    /// As [`DohResolver::new`].
    pub fn with_system(servers: Vec<DohServer>, trusted: &[Vec<u8>]) -> Result<Self, NetworkError> {
        Self::new(servers, trusted, Arc::new(SystemResolver::default()))
    }
}

impl Inner {
    fn rests(&self) -> bool {
        let until = *self
            .rests_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        until.is_some_and(|until| Instant::now() < until)
    }

    fn rest(&self) {
        let until = Instant::now() + REST;
        *self
            .rests_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(until);
    }

    async fn ask(&self, name: &str) -> Result<Vec<IpAddr>, Unanswered> {
        let resolvers = self.resolvers.get_or_try_init(|| self.resolvers()).await?;
        // With the dot: no search domain is put behind it.
        let absolute = format!("{}.", name.trim_end_matches('.'));
        let mut whys = Vec::new();
        let first = self.first.load(Ordering::Relaxed);
        for number in (0..resolvers.len()).map(|nth| (first + nth) % resolvers.len()) {
            match resolvers[number].lookup_ip(absolute.as_str()).await {
                Ok(found) => {
                    self.first.store(number, Ordering::Relaxed);
                    return Ok(found.iter().collect());
                }
                Err(error) if error.is_no_records_found() => {
                    self.first.store(number, Ordering::Relaxed);
                    return Err(Unanswered {
                        why: "it has no address".to_owned(),
                        answered: true,
                    });
                }
                Err(error) => whys.push(error.to_string()),
            }
        }
        Err(Unanswered::silent(whys.join("; ")))
    }

    async fn resolvers(&self) -> Result<Vec<TokioResolver>, Unanswered> {
        let mut resolvers = Vec::new();
        for server in &self.servers {
            let addresses = match server.host().parse() {
                Ok(address) => vec![address],
                Err(_) => match self.fallback.resolve(server.host()).await {
                    Ok(addresses) => addresses,
                    Err(error) => {
                        tracing::info!(%server, %error, "a DNS server's own name has no address");
                        continue;
                    }
                },
            };
            let servers = addresses.into_iter().map(|address| {
                let mut connection = ConnectionConfig::new(ProtocolConfig::Https {
                    server_name: Arc::from(server.name()),
                    path: Arc::from(server.path()),
                });
                connection.port = server.port();
                NameServerConfig::new(address, true, vec![connection])
            });
            let mut options = ResolverOpts::default();
            options.timeout = SERVER_LIMIT;
            options.attempts = 1;
            options.cache_size = MOST_ANSWERS;
            options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
            options.use_hosts_file = ResolveHosts::Always;
            let resolver = TokioResolver::builder_with_config(
                ResolverConfig::from_name_servers(servers.collect()),
                TokioRuntimeProvider::default(),
            )
            .with_options(options)
            .with_tls_config(self.tls.clone())
            .build();
            resolvers.push(resolver.map_err(|error| Unanswered::silent(error.to_string()))?);
        }
        if resolvers.is_empty() {
            return Err(Unanswered::silent("no server has an address".to_owned()));
        }
        Ok(resolvers)
    }
}

/// Why the servers gave no address.
struct Unanswered {
    why: String,
    /// They said so themselves.
    answered: bool,
}

impl Unanswered {
    fn silent(why: String) -> Self {
        Self {
            why,
            answered: false,
        }
    }
}

/// Whether a name means something only to the network at hand (RFC 6761, RFC 6762, RFC 8375).
fn is_private(name: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let Some((_, last)) = name.rsplit_once('.') else {
        return true;
    };
    matches!(
        last,
        "local" | "localhost" | "internal" | "lan" | "onion" | "invalid"
    ) || name.ends_with(".home.arpa")
}

impl Resolve for DohResolver {
    fn resolve(&self, name: &str) -> Resolving {
        let (inner, name) = (self.inner.clone(), name.to_owned());
        Box::pin(async move {
            if is_private(&name) || inner.rests() {
                return inner.fallback.resolve(&name).await;
            }
            let asked = tokio::time::timeout(LIMIT, inner.ask(&name)).await;
            let unanswered = match asked {
                Ok(Ok(found)) => return Ok(found),
                Ok(Err(unanswered)) => unanswered,
                Err(_) => Unanswered::silent(format!("no answer within {LIMIT:?}")),
            };
            if !unanswered.answered {
                inner.rest();
                tracing::warn!(
                    name,
                    why = unanswered.why,
                    rest = ?REST,
                    "DNS over HTTPS does not answer; the fallback is asked meanwhile"
                );
            }
            let why = unanswered.why;
            inner
                .fallback
                .resolve(&name)
                .await
                .map_err(|error| ResolveError::Failed {
                    name: name.clone(),
                    why: format!("by DNS over HTTPS: {why}; otherwise: {error}"),
                })
        })
    }

    fn limit(&self) -> Duration {
        LIMIT + self.inner.fallback.limit()
    }
}

impl fmt::Debug for DohResolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let servers: Vec<_> = self.inner.servers.iter().map(ToString::to_string).collect();
        f.debug_struct("DohResolver")
            .field("servers", &servers)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn names_of_ones_own_network_are_told_to_nobody() {
        for private in [
            "printer",
            "nas.local",
            "a.b.internal.",
            "x.home.arpa",
            "LOCALHOST",
        ] {
            assert!(is_private(private), "{private}");
        }
        for public in ["telegram.org", "local.example", "internal.example."] {
            assert!(!is_private(public), "{public}");
        }
    }
}

//! Why a host could not be reached.

use std::{fmt, io, time::Duration};

use crate::proxy::Proxy;

/// Why a name has no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResolveError {
    /// Whoever was asked says that there is none, or could not be asked.
    #[error("the name {name} could not be resolved: {why}")]
    Failed {
        /// The name.
        name: String,
        /// What was said, for people.
        why: String,
    },
    /// There was no answer in time.
    #[error("the name {name} was not resolved within {limit:?}")]
    TimedOut {
        /// The name.
        name: String,
        /// How long was waited.
        limit: Duration,
    },
}

/// Why a proxy opened no tunnel, though it could be reached.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProxyError {
    /// It does not speak this protocol, or another version of it.
    #[error("it does not answer as a proxy of this scheme does; check the scheme and the port")]
    WrongProtocol,
    /// It wants a user name and a password, and has none.
    #[error("it wants a user name and a password, and none are set")]
    CredentialsWanted,
    /// It does not take the user name and password it was given.
    #[error("it rejected the user name and password")]
    CredentialsRejected,
    /// It could not reach the host itself.
    #[error("it could not reach the host: {0}")]
    HostUnreachable(String),
    /// It does not want to.
    #[error("it refused: {0}")]
    Refused(String),
    /// Its answer breaks the protocol.
    #[error("its answer is malformed: {0}")]
    Malformed(String),
    /// Its answer does not end.
    #[error("its answer is longer than {limit} bytes")]
    TooLong {
        /// The longest answer that is read.
        limit: usize,
    },
    /// It closed the connection, or the connection failed, before it answered.
    #[error("it ended the connection before it answered: {0}")]
    Closed(io::ErrorKind),
    /// The host's name cannot be told to a proxy: it is empty or longer than 255 bytes.
    #[error("the host's name cannot be told to a proxy; 1 to 255 bytes were expected")]
    HostName,
}

/// Why one attempt led to nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// The name of the host, or of the proxy, has no address.
    #[error(transparent)]
    Name(#[from] ResolveError),
    /// None of the addresses takes connections.
    #[error("{why}")]
    Unreachable {
        /// What the system said of the first address.
        kind: io::ErrorKind,
        /// What it said of each, for people.
        why: String,
    },
    /// There was no connection in time.
    #[error("no connection within {limit:?}")]
    TimedOut {
        /// How long was waited.
        limit: Duration,
    },
    /// The proxy was reached, but opened no tunnel.
    #[error(transparent)]
    Proxy(#[from] ProxyError),
}

/// A way to a host.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Route {
    /// Without a proxy.
    Direct,
    /// By this proxy.
    Proxy(Proxy),
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Direct => f.write_str("directly"),
            Self::Proxy(proxy) => write!(f, "by {proxy}"),
        }
    }
}

/// An attempt that led to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Which way.
    pub route: Route,
    /// Why.
    pub failure: Failure,
}

/// No way led to the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectError {
    /// The host: a name or an IP address.
    pub host: String,
    /// The port.
    pub port: u16,
    /// Every attempt, in the order they were made.
    pub attempts: Vec<Attempt>,
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} port {} cannot be reached", self.host, self.port)?;
        for (nth, attempt) in self.attempts.iter().enumerate() {
            let sign = if nth == 0 { ":" } else { ";" };
            write!(f, "{sign} {}: {}", attempt.route, attempt.failure)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConnectError {}

impl From<ConnectError> for io::Error {
    fn from(error: ConnectError) -> Self {
        let kind = match error.attempts.first().map(|attempt| &attempt.failure) {
            Some(Failure::Unreachable { kind, .. }) => *kind,
            Some(Failure::TimedOut { .. } | Failure::Name(ResolveError::TimedOut { .. })) => {
                io::ErrorKind::TimedOut
            }
            _ => io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}

/// A description of the network that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NetworkError {
    /// Only proxies may be used, and there are none.
    #[error("the order is `proxy_only`, but there are no proxies; give at least one")]
    NoProxies,
    /// The address of a DNS server is none.
    #[error(
        "{given:?} is no DNS over HTTPS server; https://host[:port]/path was expected, and #name behind it if the host is an address"
    )]
    DohServer {
        /// What was given.
        given: String,
    },
    /// Names are to be looked up by DNS over HTTPS, and there is no server.
    #[error("there is no DNS over HTTPS server; give at least one")]
    NoDohServers,
    /// A certificate could not be read.
    #[error("the trusted certificates cannot be used: {0}")]
    Certificates(String),
    /// The TLS library or the HTTP client could not be set up.
    #[error("TLS could not be set up: {0}")]
    Tls(String),
}

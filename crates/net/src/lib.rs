//! Ways to a host: directly or by SOCKS5 and HTTP proxies, names resolved by the system or, with the feature `doh`, by DNS
//! over HTTPS.
//!
//! ```no_run
//! # async fn connect() -> Result<(), Box<dyn std::error::Error>> {
//! use actogram_net::{Dialer, DialerConfig, ProxyOrder};
//!
//! let mut config = DialerConfig::default();
//! config.proxies = vec!["socks5://user:password@proxy.example:1080".parse()?];
//! config.order = ProxyOrder::DirectFirst;
//! let dialer = Dialer::new(config)?;
//! let connection = dialer.connect("host.example", 443).await?;
//! println!("connected {}", connection.route());
//! # Ok(()) }
//! ```

mod connection;
mod dialer;
#[cfg(feature = "doh")]
mod doh;
mod doh_server;
mod error;
mod happy_eyeballs;
#[cfg(feature = "http")]
pub mod http;
mod proxy;
mod resolve;
mod routes;
mod stream;
#[cfg(any(feature = "http", feature = "doh"))]
mod tls;
mod tunnel;

pub use connection::{AnsweredByHttp, Connection};
pub use dialer::{Dialer, DialerConfig};
#[cfg(feature = "doh")]
pub use doh::DohResolver;
pub use doh_server::DohServer;
pub use error::{Attempt, ConnectError, Failure, NetworkError, ProxyError, ResolveError, Route};
pub use proxy::{ParseProxyError, Proxy, ProxyOrder, ProxyScheme, UnknownProxyOrder};
pub use resolve::{Resolve, Resolving, SystemResolver};
pub use stream::{BoxedStream, Opening, Sockets, Stream, TcpSockets};
#[cfg(any(feature = "http", feature = "doh"))]
pub use tls::certificates;

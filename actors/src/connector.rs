//! Where byte streams to datacenters come from.

use std::{future::Future, io, pin::Pin, time::Duration};

use actogram_net::{Dialer, DialerConfig, NetworkError};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::config::DatacenterAddress;

/// A byte stream to a datacenter.
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Io for T {}

/// A stream being opened.
pub type Connecting = Pin<Box<dyn Future<Output = io::Result<Box<dyn Io>>> + Send>>;

/// Opens byte streams to datacenters. [`NetworkConnector`] by default; tests and simulations have their own.
pub trait Connector: Send + Sync + 'static {
    /// Opens a stream to this address. Whoever asks gives up after [`Connector::patience`] and drops the future.
    fn connect(&self, to: &DatacenterAddress) -> Connecting;

    /// How long a stream may take to open. Default 10 s.
    fn patience(&self) -> Duration {
        Duration::from_secs(10)
    }
}

/// TCP, directly or by proxies. Names of datacenters are resolved; one that answers in HTTP is taken for a captive
/// portal.
#[derive(Debug, Clone)]
pub struct NetworkConnector {
    dialer: Dialer,
}

impl NetworkConnector {
    /// Connects by the ways of this configuration.
    ///
    /// # Errors
    /// [`NetworkError::NoProxies`] if only proxies may be used and there are none.
    pub fn new(mut config: DialerConfig) -> Result<Self, NetworkError> {
        config.refuse_http = true;
        Ok(Self {
            dialer: Dialer::new(config)?,
        })
    }
}

impl Default for NetworkConnector {
    /// Directly, without proxies.
    fn default() -> Self {
        Self {
            dialer: Dialer::direct(true),
        }
    }
}

impl Connector for NetworkConnector {
    fn connect(&self, to: &DatacenterAddress) -> Connecting {
        let (dialer, host, port) = (self.dialer.clone(), to.host.clone(), to.port);
        Box::pin(async move {
            let connection = dialer.connect(&host, port).await?;
            Ok(Box::new(connection) as Box<dyn Io>)
        })
    }

    fn patience(&self) -> Duration {
        // The dialer keeps its own limits; this is for when it does not.
        self.dialer.patience() + Duration::from_secs(1)
    }
}

impl<F> Connector for F
where
    F: Fn(&DatacenterAddress) -> Connecting + Send + Sync + 'static,
{
    fn connect(&self, to: &DatacenterAddress) -> Connecting {
        self(to)
    }
}

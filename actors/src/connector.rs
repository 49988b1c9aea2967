//! Where byte streams to datacenters come from.

use std::{future::Future, io, pin::Pin};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};

use crate::config::DatacenterAddress;

/// A byte stream to a datacenter.
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Io for T {}

/// A stream being opened.
pub type Connecting = Pin<Box<dyn Future<Output = io::Result<Box<dyn Io>>> + Send>>;

/// Opens byte streams to datacenters. TCP by default; tests and simulations have their own.
pub trait Connector: Send + Sync + 'static {
    /// Opens a stream to this address. Whoever asks gives up after ten seconds and drops the future.
    fn connect(&self, to: &DatacenterAddress) -> Connecting;
}

/// TCP, without Nagle's delay.
#[derive(Debug, Clone, Copy, Default)]
pub struct TcpConnector;

impl Connector for TcpConnector {
    fn connect(&self, to: &DatacenterAddress) -> Connecting {
        let (host, port) = (to.host.clone(), to.port);
        Box::pin(async move {
            let stream = TcpStream::connect((host.as_str(), port)).await?;
            stream.set_nodelay(true)?;
            Ok(Box::new(stream) as Box<dyn Io>)
        })
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

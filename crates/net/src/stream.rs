//! Byte streams, and where they come from.

use std::{future::Future, io, net::SocketAddr, pin::Pin};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};

/// A byte stream in both directions.
pub trait Stream: AsyncRead + AsyncWrite + Send + Sync + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin + 'static> Stream for T {}

/// A stream of any kind.
pub type BoxedStream = Box<dyn Stream>;

/// A stream being opened.
pub type Opening = Pin<Box<dyn Future<Output = io::Result<BoxedStream>> + Send>>;

/// Opens streams to addresses. TCP by default; tests and simulations have their own.
pub trait Sockets: Send + Sync + 'static {
    /// Opens a stream to this address. Whoever asks has a limit of his own and drops the future.
    fn open(&self, to: SocketAddr) -> Opening;
}

/// TCP, without Nagle's delay.
#[derive(Debug, Clone, Copy, Default)]
pub struct TcpSockets;

impl Sockets for TcpSockets {
    fn open(&self, to: SocketAddr) -> Opening {
        Box::pin(async move {
            let stream = TcpStream::connect(to).await?;
            stream.set_nodelay(true)?;
            Ok(Box::new(stream) as BoxedStream)
        })
    }
}

impl<F> Sockets for F
where
    F: Fn(SocketAddr) -> Opening + Send + Sync + 'static,
{
    fn open(&self, to: SocketAddr) -> Opening {
        self(to)
    }
}

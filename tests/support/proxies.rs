//! Small proxies, good ones and others.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

pub const USER: &str = "zoe9";
pub const PASSWORD: &str = "hunter2";

/// What a proxy does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Manner {
    /// SOCKS5 with user name and password; the bound address in its answer is a name.
    Socks5,
    /// SOCKS5 that takes no password.
    Rejects,
    /// Takes connections and says nothing.
    Silent,
    /// `CONNECT` with user name and password.
    Connect,
    /// No proxy at all: a web page, whatever is asked.
    Portal,
}

/// A proxy. Every tunnel leads to one place, whatever was asked for.
pub struct TestProxy {
    pub address: SocketAddr,
    taken: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl TestProxy {
    pub async fn start(manner: Manner, leads_to: SocketAddr) -> Self {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        Self::start_at(any, manner, leads_to).await
    }

    pub async fn start_at(address: SocketAddr, manner: Manner, leads_to: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let taken = Arc::new(AtomicUsize::new(0));
        let count = taken.clone();
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::Relaxed);
                connections.spawn(serve(stream, manner, leads_to));
            }
        });
        Self {
            address,
            taken,
            task,
        }
    }

    /// How many connections came.
    pub fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    /// Its address, with credentials.
    pub fn url(&self, scheme: &str) -> String {
        format!("{scheme}://{USER}:{PASSWORD}@{}", self.address)
    }
}

impl Drop for TestProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// An address nobody listens at.
pub async fn dead() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap()
}

async fn serve(mut stream: TcpStream, manner: Manner, leads_to: SocketAddr) -> io::Result<()> {
    match manner {
        Manner::Silent => std::future::pending().await,
        Manner::Portal => {
            let _ = stream.read(&mut [0; 1024]).await?;
            let page = b"HTTP/1.1 302 Found\r\nLocation: http://portal.example/\r\n\r\n";
            return stream.write_all(page).await;
        }
        Manner::Connect => {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await?);
            }
            let head = String::from_utf8_lossy(&head).into_owned();
            // `Basic`, of USER:PASSWORD.
            if !head.contains("Proxy-Authorization: Basic em9lOTpodW50ZXIy\r\n") {
                return stream.write_all(b"HTTP/1.1 407 No\r\n\r\n").await;
            }
            let mut host = TcpStream::connect(leads_to).await?;
            stream.write_all(b"HTTP/1.1 200 Yes\r\n\r\n").await?;
            tokio::io::copy_bidirectional(&mut stream, &mut host).await?;
        }
        Manner::Socks5 | Manner::Rejects => {
            let _version = stream.read_u8().await?;
            let _methods = pascal(&mut stream).await?;
            stream.write_all(&[5, 2]).await?;
            let _version = stream.read_u8().await?;
            let (user, password) = (pascal(&mut stream).await?, pascal(&mut stream).await?);
            let known = user == USER.as_bytes() && password == PASSWORD.as_bytes();
            if manner == Manner::Rejects || !known {
                return stream.write_all(&[1, 1]).await;
            }
            stream.write_all(&[1, 0]).await?;
            let mut request = [0; 4];
            stream.read_exact(&mut request).await?;
            match request[3] {
                1 => drop(stream.read_exact(&mut [0; 4]).await?),
                3 => drop(pascal(&mut stream).await?),
                _ => drop(stream.read_exact(&mut [0; 16]).await?),
            }
            let _port = stream.read_u16().await?;
            let mut host = TcpStream::connect(leads_to).await?;
            stream
                .write_all(b"\x05\x00\x00\x03\x07p.local\x00\x01")
                .await?;
            tokio::io::copy_bidirectional(&mut stream, &mut host).await?;
        }
    }
    Ok(())
}

/// Bytes behind their length.
async fn pascal(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::from(stream.read_u8().await?)];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}

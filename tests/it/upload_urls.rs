//! Files of the web, uploaded as they come.
#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;

use actogram::{Error, http::HttpError, transfers::UploadFrom};
use bytes::Bytes;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
};

use crate::support::files::{Place, content, document};

/// Serves these bytes in every way there is, well and badly.
async fn serve(bytes: Bytes) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // Whoever asked may go away in the middle.
            tokio::spawn(answer(stream, bytes.clone()));
        }
    });
    address
}

async fn answer(stream: TcpStream, bytes: Bytes) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut head = String::new();
    while stream.read_line(&mut head).await? > 2 {}
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let length = bytes.len();
    let told = |status: &str, headers: &str| {
        format!("HTTP/1.1 {status}\r\nConnection: close\r\n{headers}\r\n")
    };
    match path.split('?').next().unwrap_or_default() {
        "/sized.bin" => {
            let head = told("200 OK", &format!("Content-Length: {length}\r\n"));
            stream.write_all(head.as_bytes()).await?;
            for part in bytes.chunks(70_001) {
                stream.write_all(part).await?;
            }
        }
        "/chunked.bin" => {
            let head = told("200 OK", "Transfer-Encoding: chunked\r\n");
            stream.write_all(head.as_bytes()).await?;
            for part in bytes.chunks(99_999) {
                let size = format!("{:x}\r\n", part.len());
                stream.write_all(size.as_bytes()).await?;
                stream.write_all(part).await?;
                stream.write_all(b"\r\n").await?;
            }
            stream.write_all(b"0\r\n\r\n").await?;
        }
        "/moved" => {
            let head = told("302 Found", "Location: /sized.bin\r\nContent-Length: 0\r\n");
            stream.write_all(head.as_bytes()).await?;
        }
        "/round" => {
            let head = told("302 Found", "Location: /round\r\nContent-Length: 0\r\n");
            stream.write_all(head.as_bytes()).await?;
        }
        "/cut.bin" => {
            let head = told("200 OK", &format!("Content-Length: {length}\r\n"));
            stream.write_all(head.as_bytes()).await?;
            stream.write_all(&bytes[..length / 2]).await?;
        }
        "/huge.bin" => {
            let head = told("200 OK", "Content-Length: 5000000000\r\n");
            stream.write_all(head.as_bytes()).await?;
        }
        "/empty.bin" => {
            let head = told("200 OK", "Content-Length: 0\r\n");
            stream.write_all(head.as_bytes()).await?;
        }
        _ => {
            let head = told("404 Not Found", "Content-Length: 0\r\n");
            stream.write_all(head.as_bytes()).await?;
        }
    }
    stream.flush().await?;
    stream.get_mut().shutdown().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_of_the_web_is_uploaded_as_it_comes() {
    let place = Place::new("9996630060").await;
    for length in [1, 600_000, 12 << 20] {
        let bytes = content(length);
        let server = serve(bytes.clone()).await;
        for (path, name) in [
            ("sized.bin?key=1", "sized.bin"),
            ("chunked.bin", "chunked.bin"),
            ("moved", "moved"),
        ] {
            let url = format!("http://{server}/{path}");
            let sent = place.api.send_file("me", UploadFrom::url(&url)).await;
            let sent = sent.unwrap_or_else(|error| panic!("{url}: {error}"));
            let held = document(&sent);
            assert_eq!(held.size, i64::try_from(length).unwrap());
            assert_eq!(
                place.operator().file_sha256(held.id).unwrap(),
                actogram_crypto::sha::sha256(&bytes)
            );
            let file = actogram::transfers::RemoteFile::from(&sent);
            assert_eq!(file.name(), name);
        }
    }
    place.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_there_or_breaks_off_is_an_error_and_nothing_is_sent() {
    let place = Place::new("9996630061").await;
    let server = serve(content(3 << 20)).await;
    let refused = |path: &str| {
        let from = UploadFrom::url(format!("http://{server}/{path}"));
        let sending = place.api.send_file("me", from);
        async move { sending.await.unwrap_err() }
    };
    let error = refused("nothing.bin").await;
    assert!(
        matches!(&error, Error::Http(HttpError::Status(status)) if status.as_u16() == 404),
        "{error}"
    );
    let error = refused("round").await;
    assert!(
        matches!(error, Error::Http(HttpError::Redirects { .. })),
        "{error}"
    );
    for path in ["cut.bin", "huge.bin", "empty.bin"] {
        let error = refused(path).await;
        assert!(matches!(error, Error::Transfer(_)), "{path}: {error}");
    }
    let nowhere = UploadFrom::url("http://127.0.0.1:9/x");
    let error = place.api.send_file("me", nowhere).await.unwrap_err();
    assert!(matches!(error, Error::Http(_)), "{error}");
    let no_address = UploadFrom::url("no address");
    let error = place.api.send_file("me", no_address).await.unwrap_err();
    assert!(matches!(error, Error::Http(_)), "{error}");
    assert_eq!(place.count("messages.sendMedia"), 0);
    place.end().await;
}

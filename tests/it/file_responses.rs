//! Files as answers of a web server: the example `download_links`, as the program it is.
#![cfg(feature = "web")]
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use actogram_local_datacenter::model::PeerKey;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::support::{HANG, examples::Scene, files::content};

/// Status, head in lower case, and body.
async fn ask(link: &str, method: &str, more: &str) -> (u16, String, Vec<u8>) {
    let (server, path) = link
        .strip_prefix("http://")
        .unwrap()
        .split_once('/')
        .unwrap();
    let request =
        format!("{method} /{path} HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\n{more}\r\n");
    let mut raw = Vec::new();
    let asked = tokio::time::timeout(HANG, async {
        let mut stream = TcpStream::connect(server).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        stream.read_to_end(&mut raw).await.unwrap();
    });
    asked.await.expect("the server does not answer");
    let end = raw.windows(4).position(|it| it == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(raw[..end].to_vec()).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head.to_ascii_lowercase(), raw[end + 4..].to_vec())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_leads_to_a_file_and_to_any_range_of_it() {
    let scene = Scene::new("links_bot", "9996621315").await;
    let _running = scene.run("download_links", &[]);
    let bytes = content((2 << 20) + 77);
    // What came while nobody was logged in is not an update of this login.
    let link = async {
        loop {
            let operator = scene.operator();
            operator
                .send_file(
                    scene.ann,
                    PeerKey::User(scene.bot),
                    "a \"b\".bin",
                    "video/mp4",
                    &bytes,
                )
                .unwrap();
            for _ in 0..40 {
                if let Some(link) = scene.answers().pop() {
                    return link;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    };
    let link = tokio::time::timeout(HANG, link).await.unwrap();

    let (status, head, body) = ask(&link, "GET", "").await;
    assert_eq!(status, 200);
    assert!(body == bytes);
    for line in [
        "content-type: video/mp4",
        "accept-ranges: bytes",
        "content-disposition: attachment; filename=\"a _b_.bin\"",
    ] {
        assert!(head.contains(line), "{head}");
    }
    let (status, head, body) = ask(&link, "HEAD", "").await;
    assert_eq!((status, body.len()), (200, 0));
    assert!(
        head.contains(&format!("content-length: {}", bytes.len())),
        "{head}"
    );
    let last = bytes.len() - 1;
    for (range, from, to) in [
        ("0-0".to_owned(), 0, 0),
        ("1048570-1048580".to_owned(), 1_048_570, 1_048_580),
        ("-5".to_owned(), last - 4, last),
        (format!("{}-", last - 9), last - 9, last),
    ] {
        let (status, head, body) = ask(&link, "GET", &format!("Range: bytes={range}\r\n")).await;
        assert_eq!(status, 206, "{range}");
        assert!(body == bytes[from..=to], "{range}");
        let said = format!("content-range: bytes {from}-{to}/{}", bytes.len());
        assert!(head.contains(&said), "{head}");
    }
    let (status, ..) = ask(&link, "GET", "Range: bytes=99999999-\r\n").await;
    assert_eq!(status, 416);
    let (status, ..) = ask(&format!("{link}0"), "GET", "").await;
    assert_eq!(status, 404);
}

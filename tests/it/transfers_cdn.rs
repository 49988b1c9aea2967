//! Files at a CDN, which is trusted with nothing.
#![allow(clippy::unwrap_used)]

use actogram::prelude::*;
use actogram_local_datacenter::{
    LocalDatacenter,
    model::{CdnLie, Endpoint},
};
use bytes::Bytes;

use crate::support::{
    HANG,
    files::{content, document},
    person, rsa_key,
};

const CDN: i32 = 203;

struct Served {
    datacenter: LocalDatacenter,
    client: Client,
    bytes: Bytes,
    message: Msg,
}

impl Served {
    async fn new(phone: &str, length: usize) -> Self {
        let datacenter = LocalDatacenter::builder()
            .rsa_key(rsa_key())
            .endpoint(Endpoint::cdn(CDN))
            .start()
            .await
            .unwrap();
        let client = person(&datacenter, phone).await;
        let bytes = content(length);
        let message = client.api().send_file("me", bytes.clone()).await.unwrap();
        let served = Self {
            datacenter,
            client,
            bytes,
            message,
        };
        served
            .datacenter
            .operator()
            .serve_by_cdn(document(&served.message).id, CDN)
            .unwrap();
        served
    }

    async fn download(&self) -> Bytes {
        self.client
            .api()
            .download(&self.message)
            .bytes()
            .await
            .unwrap()
    }

    fn count(&self, method: &str) -> u64 {
        self.datacenter.operator().counters().executed(method)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r4_a_file_comes_from_a_cdn_and_is_what_it_was() {
    for (phone, length) in [
        ("9996650001", 1),
        ("9996650002", 200_000),
        ("9996650003", (5 << 20) + 17),
    ] {
        let served = Served::new(phone, length).await;
        assert!(served.download().await == served.bytes, "{length}");
        let parts = served.count("upload.getCdnFile");
        assert!(
            parts as usize >= length.div_ceil(1 << 20),
            "{parts} parts of {length} came from the CDN"
        );
        assert!(
            served.count("upload.reuploadCdnFile") > 0,
            "it had to be brought there"
        );
        // The CDN forgets it, and its key.
        let id = document(&served.message).id;
        served.datacenter.operator().forget_at_cdn(id).unwrap();
        assert!(served.download().await == served.bytes);
        assert!(served.datacenter.lose_keys_of(CDN) > 0);
        assert!(served.download().await == served.bytes);
        assert!(served.count("upload.getCdnFile") > parts);
        served.client.shutdown(HANG).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a8_a_cdn_that_lies_is_left_and_its_bytes_go_nowhere() {
    let served = Served::new("9996650004", (3 << 20) + 5).await;
    let operator = served.datacenter.operator();
    let id = document(&served.message).id;
    for lie in [
        CdnLie::WrongBytes,
        CdnLie::ShortPart,
        CdnLie::LongPart,
        CdnLie::EndlessFile,
        CdnLie::WrongHash,
        CdnLie::NoHash,
        CdnLie::ShortKey,
        CdnLie::ShortIv,
        CdnLie::RedirectTo(2),
        CdnLie::RedirectTo(99),
    ] {
        operator.lie_about_cdn_file(id, lie, 1000).unwrap();
        // All that reaches the reader, piece by piece, is the file's.
        let mut stream = served
            .client
            .api()
            .download(&served.message)
            .stream()
            .await
            .unwrap();
        let mut got = Vec::new();
        while let Some(piece) = futures_util::StreamExt::next(&mut stream).await {
            got.extend_from_slice(&piece.unwrap());
            assert!(served.bytes.starts_with(&got), "{lie:?}");
        }
        assert!(got == served.bytes, "{lie:?}");
        operator.serve_by_cdn(id, CDN).unwrap();
    }
    // Errors about tokens lead back to the datacenter, too.
    operator.fail("upload.getCdnFile", 400, "FILE_TOKEN_INVALID", 1);
    assert!(served.download().await == served.bytes);
    operator.fail("upload.reuploadCdnFile", 400, "REQUEST_TOKEN_INVALID", 1);
    operator.forget_at_cdn(id).unwrap();
    assert!(served.download().await == served.bytes);
    operator.clear_faults();
    let before = served.count("upload.getCdnFile");
    assert!(served.download().await == served.bytes);
    assert!(
        served.count("upload.getCdnFile") > before,
        "the twin that does not lie serves it"
    );
    served.client.shutdown(HANG).await;
}

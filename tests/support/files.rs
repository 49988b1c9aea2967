//! Files for tests of transfers, and somebody who sends them.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "each test uses a part of it"
)]

use std::path::Path;

use actogram::{
    prelude::*,
    tl::{enums, types},
    transfers::{TransferHandle, TransferState},
};
use actogram_local_datacenter::{LocalDatacenter, model::PeerKey, operator::Operator};
use bytes::Bytes;

use super::{HANG, datacenter, person};

pub const PART: usize = 512 << 10;

pub fn content(length: usize) -> Bytes {
    let mut state = length as u64 | 1;
    let words = std::iter::repeat_with(|| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 32).to_le_bytes()
    });
    let mut bytes: Vec<u8> = words.take(length / 8 + 1).flatten().collect();
    bytes.truncate(length);
    bytes.into()
}

pub struct Place {
    pub datacenter: LocalDatacenter,
    pub client: Client,
    pub api: Api,
    pub me: i64,
}

impl Place {
    pub async fn new(phone: &str) -> Self {
        let datacenter = datacenter().await;
        let client = person(&datacenter, phone).await;
        let (api, me) = (client.api(), client.api().me_id().unwrap());
        Self {
            datacenter,
            client,
            api,
            me,
        }
    }

    pub fn operator(&self) -> Operator {
        self.datacenter.operator()
    }

    pub fn count(&self, method: &str) -> u64 {
        self.operator().counters().executed(method)
    }

    /// How often a method was called, once that has not changed for a while.
    pub async fn count_at_rest(&self, method: &str) -> u64 {
        let mut before = self.count(method);
        loop {
            tokio::time::sleep(std::time::Duration::from_millis(700)).await;
            let now = self.count(method);
            if now == before {
                return now;
            }
            before = now;
        }
    }

    /// A message in Saved Messages with a file of these bytes.
    pub async fn message(&self, name: &str, bytes: &[u8]) -> Msg {
        let operator = self.operator();
        let id = operator
            .send_file(self.me, PeerKey::User(self.me), name, "text/plain", bytes)
            .unwrap();
        self.api.get_messages("me", [id]).await.unwrap().remove(0)
    }

    pub async fn end(self) {
        let report = self.client.shutdown(HANG).await;
        assert!(report.is_clean(), "{report:?}");
    }
}

pub fn document(message: &Msg) -> types::Document {
    match message.media() {
        Some(enums::MessageMedia::MessageMediaDocument(media)) => match &media.document {
            Some(enums::Document::Document(document)) => (**document).clone(),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

pub fn parts_left_in(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(".part")).collect()
}

/// Waits until this much is written, and pauses there.
pub async fn pause_at(handle: &TransferHandle, bytes: u64) {
    let mut progress = handle.watch();
    let reached = progress.wait_for(|it| it.done >= bytes);
    tokio::time::timeout(HANG, reached).await.unwrap().unwrap();
    handle.pause();
    let paused = progress.wait_for(|it| it.state == TransferState::Paused);
    tokio::time::timeout(HANG, paused).await.unwrap().unwrap();
}

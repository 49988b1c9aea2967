//! A stage under virtual time together with its bot's client.
#![allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]

use actogram::prelude::*;
use actogram_local_datacenter::{LocalDatacenter, operator::BotAccount};

use super::virtual_time::Stage;

/// A datacenter, a bot of it with its client, connected, and a person who has written to the bot.
pub struct BotStage {
    pub datacenter: LocalDatacenter,
    pub bot: BotAccount,
    pub ann: i64,
    pub client: Client,
}

impl BotStage {
    /// Within [`run`](super::virtual_time::run).
    pub async fn new(seed: u64) -> Self {
        let (stage, client) = Stage::new(seed).await;
        let Stage {
            datacenter,
            bot,
            ann,
            ..
        } = stage;
        Self {
            datacenter,
            bot,
            ann,
            client,
        }
    }

    pub async fn end(self) {
        self.client.shutdown(super::HANG).await;
        self.datacenter.shutdown().await;
    }
}

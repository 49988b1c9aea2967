//! A supergroup and a private chat, with two people and a bot.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "each test uses a part of it"
)]

use actogram::{PeerId, prelude::*};
use actogram_local_datacenter::{LocalDatacenter, model::PeerKey};

use super::{HANG, Inbox, bot, datacenter, person};

/// Ann made a supergroup, with Bob and a bot in it. Both people have written to the bot.
pub struct Room {
    pub datacenter: LocalDatacenter,
    pub ann: Client,
    pub ann_id: i64,
    pub ann_inbox: Inbox,
    pub bob: Client,
    pub bob_id: i64,
    pub bob_inbox: Inbox,
    pub bot: Client,
    pub bot_id: i64,
    pub bot_inbox: Inbox,
    pub bot_name: String,
    pub channel: i64,
}

impl Room {
    /// `number`: four digits that no other test of the program uses.
    pub async fn new(number: u32) -> Self {
        let datacenter = datacenter().await;
        let bot_name = format!("room{number}_bot");
        let (bot, bot_id) = bot(&datacenter, &bot_name).await;
        let ann = person(&datacenter, &format!("999661{number}1")).await;
        let bob = person(&datacenter, &format!("999661{number}2")).await;
        let (ann_id, bob_id) = (ann.api().me_id().unwrap(), bob.api().me_id().unwrap());
        let operator = datacenter.operator();
        let channel = operator
            .create_channel(ann_id, &[bob_id, bot_id], "Room", false)
            .unwrap();
        for person in [ann_id, bob_id] {
            operator
                .send_message(person, PeerKey::User(bot_id), "/start")
                .unwrap();
        }
        let [ann_inbox, bob_inbox, bot_inbox] = [&ann, &bob, &bot].map(Inbox::of);
        for client in [&ann, &bob, &bot] {
            client.start().await.unwrap();
            // Teaches the account its peers, as opening an app does.
            if client.api().me_id() != Some(bot_id) {
                let dialogs = actogram::tl::functions::messages::GetDialogs {
                    exclude_pinned: false,
                    folder_id: None,
                    offset_date: 0,
                    offset_id: 0,
                    offset_peer: actogram::tl::enums::InputPeer::InputPeerEmpty,
                    limit: 100,
                    hash: 0,
                };
                client.api().invoke(dialogs).await.unwrap();
            }
        }
        for _ in [ann_id, bob_id] {
            assert_eq!(bot_inbox.next().await.text(), "/start");
        }
        Self {
            datacenter,
            ann,
            ann_id,
            ann_inbox,
            bob,
            bob_id,
            bob_inbox,
            bot,
            bot_id,
            bot_inbox,
            bot_name,
            channel,
        }
    }

    pub fn channel(&self) -> PeerId {
        PeerId::Channel(self.channel)
    }

    /// The texts of the supergroup, in order.
    pub fn texts(&self) -> Vec<String> {
        let history = self
            .datacenter
            .operator()
            .history(self.ann_id, PeerKey::Channel(self.channel));
        let texts = history.into_iter().map(|message| message.text);
        texts.filter(|text| !text.is_empty()).collect()
    }

    pub async fn end(self) {
        for client in [self.ann, self.bob, self.bot] {
            client.shutdown(HANG).await;
        }
        self.datacenter.shutdown().await;
    }
}

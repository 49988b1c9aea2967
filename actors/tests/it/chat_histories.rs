//! What handlers saw against what happened: a model of chat histories, over seeded runs in which updates are withheld,
//! doubled, delayed and reordered, connections cut, sessions lost, and the account killed and opened again.
#![allow(clippy::unwrap_used)]

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
    time::Duration,
};

use crate::support::{Inbox, World, virtual_time};
use actogram_actors::{Account, DedupeId, DeliveredUpdate};
use actogram_local_datacenter::{
    Lost,
    model::PeerKey,
    operator::Operator,
    rpc::{UpdateFaultRates, UpdateFaultScope},
};
use actogram_store::Store;
use actogram_tl::{enums, functions};

/// xorshift: chance that a seed decides.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % most
    }
}

/// A message, as chats name it: those outside of channels share the bot's numbering.
type Key = (Option<i64>, i32);

/// What one life of the account was told.
#[derive(Default)]
struct Life {
    seen: Vec<DedupeId>,
    /// Of each chat, the numbers of new messages in their order.
    chats: BTreeMap<i64, Vec<Key>>,
}

/// What all lives were told.
#[derive(Default)]
struct Log {
    lives: Vec<Life>,
    /// The last text of each message.
    texts: BTreeMap<Key, String>,
    deleted: BTreeSet<Key>,
}

fn chat_of(peer: &enums::Peer) -> (Option<i64>, i64) {
    match peer {
        enums::Peer::PeerUser(user) => (None, user.user_id),
        enums::Peer::PeerChat(chat) => (None, -chat.chat_id),
        enums::Peer::PeerChannel(channel) => (Some(channel.channel_id), -channel.channel_id * 10),
    }
}

impl Log {
    fn take(&mut self, update: &DeliveredUpdate) {
        let life = self.lives.last_mut().unwrap();
        if !matches!(update.id, DedupeId::Hash(_)) {
            assert!(!life.seen.contains(&update.id), "{} came twice", update.id);
            life.seen.push(update.id);
        }
        let (message, new) = match &update.update {
            enums::Update::UpdateNewMessage(it) => (&it.message, true),
            enums::Update::UpdateNewChannelMessage(it) => (&it.message, true),
            enums::Update::UpdateEditMessage(it) => (&it.message, false),
            enums::Update::UpdateEditChannelMessage(it) => (&it.message, false),
            enums::Update::UpdateDeleteMessages(it) => {
                self.deleted
                    .extend(it.messages.iter().map(|id| (None, *id)));
                return;
            }
            enums::Update::UpdateDeleteChannelMessages(it) => {
                let channel = Some(it.channel_id);
                self.deleted
                    .extend(it.messages.iter().map(|id| (channel, *id)));
                return;
            }
            _ => return,
        };
        let enums::Message::Message(message) = message else {
            return;
        };
        let (channel, chat) = chat_of(&message.peer_id);
        let key = (channel, message.id);
        if new {
            life.chats.entry(chat).or_default().push(key);
        }
        self.texts.insert(key, message.message.clone());
    }
}

/// A run: its datacenter, its people, and the account that is killed now and then.
struct Run {
    world: World,
    dice: Dice,
    store: Store,
    bot: i64,
    ann: i64,
    chats: Vec<PeerKey>,
    said: u32,
    log: Rc<RefCell<Log>>,
}

impl Run {
    fn operator(&self) -> Operator {
        self.world.datacenter.operator()
    }

    /// What Ann does next.
    fn happen(&mut self) {
        let operator = self.operator();
        let chats = u64::try_from(self.chats.len()).unwrap();
        let chat = self.chats[usize::try_from(self.dice.below(chats)).unwrap()];
        let own: Vec<i32> = operator
            .history(self.ann, chat)
            .iter()
            .filter(|message| message.from == self.ann && !message.service)
            .map(|message| message.id)
            .collect();
        let pick = self.dice.below(u64::try_from(own.len().max(1)).unwrap());
        let chosen = own.get(usize::try_from(pick).unwrap()).copied();
        match (self.dice.below(10), chosen) {
            (0..2, Some(id)) => {
                self.said += 1;
                let mut edit = functions::messages::EditMessage::new(
                    operator.input_peer(self.ann, chat).unwrap(),
                    id,
                );
                edit.message = Some(format!("edit {}", self.said));
                operator.invoke_as(self.ann, &edit).unwrap();
            }
            (2, Some(id)) => match chat {
                PeerKey::Channel(channel) => {
                    let delete = functions::channels::DeleteMessages {
                        channel: operator.input_channel(self.ann, channel).unwrap(),
                        id: vec![id],
                    };
                    operator.invoke_as(self.ann, &delete).unwrap();
                }
                _ => {
                    let delete = functions::messages::DeleteMessages {
                        revoke: true,
                        id: vec![id],
                    };
                    operator.invoke_as(self.ann, &delete).unwrap();
                }
            },
            _ => {
                self.said += 1;
                let text = format!("text {}", self.said);
                operator.send_message(self.ann, chat, &text).unwrap();
            }
        }
    }

    /// Opens the account with a handler that takes its time.
    async fn live(&mut self) -> (Account, Rc<Cell<bool>>) {
        self.log.borrow_mut().lives.push(Life::default());
        let account = self.world.open("model_bot", &self.store).await;
        let mut inbox = Inbox::of(&account);
        let log = self.log.clone();
        let mut dice = Dice(self.dice.below(u64::MAX) | 1);
        let killed = Rc::new(Cell::new(false));
        let is_killed = killed.clone();
        tokio::task::spawn_local(async move {
            while let Some(update) = inbox.try_next().await {
                log.borrow_mut().take(&update);
                let slow = Duration::from_millis(dice.below(2) * dice.below(400));
                let (done, is_killed) = (update.done, is_killed.clone());
                tokio::task::spawn_local(async move {
                    tokio::time::sleep(slow).await;
                    if is_killed.get() {
                        // The process is gone: it says nothing any more.
                        std::mem::forget(done);
                    }
                });
            }
        });
        account.start_updates().await.unwrap();
        (account, killed)
    }

    fn check(&self) {
        let log = self.log.borrow();
        let operator = self.operator();
        let mut kept = BTreeMap::new();
        for chat in &self.chats {
            // A private chat is Ann's with the bot, and the bot's with Ann.
            let of_bot = match chat {
                PeerKey::User(_) => PeerKey::User(self.ann),
                other => *other,
            };
            for message in operator.history(self.bot, of_bot) {
                // What came before the run is in no log, unless it was edited.
                if message.from == self.ann && !message.service && message.text != "hello" {
                    let channel = match chat {
                        PeerKey::Channel(id) => Some(*id),
                        _ => None,
                    };
                    let id = message.id;
                    kept.insert((channel, id), message.text.clone());
                }
            }
        }
        for (key, text) in &kept {
            assert_eq!(log.texts.get(key), Some(text), "{key:?}");
            assert!(!log.deleted.contains(key), "{key:?} is there");
        }
        for key in log.texts.keys() {
            assert!(
                kept.contains_key(key) || log.deleted.contains(key),
                "{key:?} is gone and nobody was told"
            );
        }
        for life in &log.lives {
            for (chat, keys) in &life.chats {
                assert!(keys.is_sorted(), "chat {chat}: {keys:?}");
            }
        }
    }
}

fn run(seed: u64, steps: u64, kills: bool) {
    virtual_time(|| async move {
        let world = World::new().await;
        let mut bot = world.bot("model_bot").await;
        let ann = world.person();
        let operator = world.datacenter.operator();
        let mut chats = vec![PeerKey::User(bot.id)];
        for title in ["one", "two"] {
            let channel = operator.create_channel(ann, &[bot.id], title, false);
            chats.push(PeerKey::Channel(channel.unwrap()));
        }
        let group = operator.create_chat(ann, &[bot.id], "group").unwrap();
        chats.push(PeerKey::Chat(group));
        for chat in &chats {
            operator.send_message(ann, *chat, "hello").unwrap();
        }
        while tokio::time::timeout(Duration::from_secs(2), bot.inbox.try_next())
            .await
            .is_ok()
        {}
        bot.account.shutdown(Duration::from_secs(5)).await;
        let mut run = Run {
            dice: Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
            store: bot.store,
            bot: bot.id,
            ann,
            chats,
            said: 0,
            log: Rc::default(),
            world,
        };
        operator.update_faults(UpdateFaultScope::All, seed, UpdateFaultRates::STORM);
        let (mut account, mut killed) = run.live().await;
        for _ in 0..steps {
            match run.dice.below(40) {
                0 => drop(run.world.datacenter.cut_connections()),
                1 => run.world.datacenter.restart(Lost {
                    sessions: true,
                    ..Lost::default()
                }),
                2 if kills => {
                    killed.set(true);
                    drop(account);
                    tokio::time::sleep(Duration::from_millis(run.dice.below(2000))).await;
                    for _ in 0..run.dice.below(5) {
                        run.happen();
                    }
                    (account, killed) = run.live().await;
                }
                3..12 => {
                    let nap = Duration::from_millis(run.dice.below(3000));
                    tokio::time::sleep(nap).await;
                }
                _ => run.happen(),
            }
        }
        operator.update_faults(UpdateFaultScope::All, seed, UpdateFaultRates::default());
        // Longer than the regular check is apart.
        tokio::time::sleep(Duration::from_secs(1000)).await;
        run.check();
        account.shutdown(Duration::from_secs(5)).await;
    });
}

#[test]
fn r15_handlers_see_what_happened_once_each_and_in_order() {
    for seed in seeds(60) {
        run(seed, 150, false);
    }
}

#[test]
fn r15_over_kills_of_the_account_too() {
    for seed in seeds(60) {
        run(1_000_000 + seed, 150, true);
    }
}

/// As many as that, or as the environment says.
fn seeds(usual: u64) -> std::ops::Range<u64> {
    let wanted = std::env::var("LONG_SEEDS").ok();
    let from = |name| std::env::var(name).ok().and_then(|from| from.parse().ok());
    let first = from("FIRST_SEED").unwrap_or(0);
    first
        ..first
            + wanted
                .and_then(|wanted| wanted.parse().ok())
                .unwrap_or(usual)
}

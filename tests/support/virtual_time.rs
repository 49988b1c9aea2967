//! Runs under virtual time: everything on one thread, chance from a seed, the clock that of tokio.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "each test uses a part of it"
)]

use std::{
    cell::Cell,
    rc::Rc,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use actogram::{ClientBuilder, Engine, prelude::*};
use actogram_crypto::random::{Random, SeededRandom};
use actogram_local_datacenter::{LocalDatacenter, model::PeerKey, operator::BotAccount};
use actogram_store::Store;
use tokio::{
    task::LocalSet,
    time::{Instant, sleep},
};

/// The second everything begins at.
const EPOCH: Duration = Duration::from_secs(1_800_000_000);

/// Runs this to its end, as fast as the machine can.
pub fn run<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    LocalSet::new().block_on(&runtime, work)
}

/// A datacenter, a bot of it, and a person who has written to the bot.
pub struct Stage {
    pub datacenter: LocalDatacenter,
    pub bot: BotAccount,
    pub ann: i64,
    store: Store,
    begun: Instant,
    seed: u64,
}

/// Sources of random bytes; `who` keeps those of one seed apart.
fn randoms(seed: u64, who: u64) -> impl Fn() -> Box<dyn Random> + Send + Sync + 'static {
    let drawn = AtomicU64::new(0);
    move || {
        let number = drawn.fetch_add(1, Ordering::Relaxed);
        let seed = (seed << 32) ^ (who << 48) ^ number;
        Box::new(SeededRandom::from_seed(seed))
    }
}

fn builder(
    datacenter: &LocalDatacenter,
    bot: &BotAccount,
    store: &Store,
    begun: Instant,
    seed: u64,
    who: u64,
) -> ClientBuilder {
    let builder = Client::builder(":memory:")
        .store(store.clone())
        .local_datacenter(datacenter)
        .engine(Engine::builder().random(randoms(seed, who)).on_local_set())
        .clock(move || EPOCH + begun.elapsed());
    builder.bot_token(bot.token.as_str())
}

impl Stage {
    /// Within [`run`]. With the bot's client, connected.
    pub async fn new(seed: u64) -> (Self, Client) {
        let begun = Instant::now();
        let datacenter = LocalDatacenter::builder()
            .without_listener()
            .inline_crypto()
            .rsa_key(super::rsa_key())
            .clock(move || EPOCH + begun.elapsed())
            .random(randoms(seed, 1))
            .start()
            .await
            .unwrap();
        let operator = datacenter.operator();
        let bot = operator.create_bot("daily_bot", "Daily").unwrap();
        let ann = operator.create_user("9996628888", "Ann").unwrap();
        operator
            .send_message(ann, PeerKey::User(bot.id), "hello")
            .unwrap();
        let store = Store::memory();
        let client = builder(&datacenter, &bot, &store, begun, seed, 2);
        let client = client.connect().await.unwrap();
        let stage = Self {
            datacenter,
            bot,
            ann,
            store,
            begun,
            seed,
        };
        (stage, client)
    }

    /// The client that follows after the first has ended, from the same store.
    pub async fn another_client(&self, number: u64) -> Client {
        self.client_with(number, |builder| builder).await
    }

    /// The same, built like this.
    pub async fn client_with(
        &self,
        number: u64,
        change: impl FnOnce(ClientBuilder) -> ClientBuilder,
    ) -> Client {
        let (bot, store) = (&self.bot, &self.store);
        let (begun, who) = (self.begun, 2 + number);
        let builder = builder(&self.datacenter, bot, store, begun, self.seed, who);
        change(builder).connect().await.unwrap()
    }

    /// Ann writes to the bot.
    pub fn say(&self, text: &str) {
        let operator = self.datacenter.operator();
        let bot = PeerKey::User(self.bot.id);
        operator.send_message(self.ann, bot, text).unwrap();
    }

    /// What Ann got from the bot.
    pub fn answers(&self) -> Vec<String> {
        super::accounts::received(&self.datacenter, self.ann, self.bot.id)
    }
}

/// xorshift: chance that a seed decides.
#[derive(Clone)]
pub struct Dice(Rc<Cell<u64>>);

impl Dice {
    pub fn of(seed: u64, who: u64) -> Self {
        Self(Rc::new(Cell::new(
            seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ who.wrapping_mul(0x2545_f491_4f6c_dd1d) | 1,
        )))
    }

    pub fn below(&self, most: u64) -> u64 {
        let mut x = self.0.get();
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        self.0.set(x);
        x % most
    }

    pub async fn nap(&self, seconds: std::ops::Range<u64>) {
        let most = (seconds.end - seconds.start) * 1000;
        sleep(Duration::from_millis(
            seconds.start * 1000 + self.below(most),
        ))
        .await;
    }
}

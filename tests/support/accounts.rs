//! Accounts below the façade, for tests of what it leaves at its defaults: connect limits, the clock, the store.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "each test uses a part of it"
)]

use std::time::Duration;

use actogram::tl::{Decode, Function, enums, functions, types};
use actogram_actors::{
    Account, AccountConfig, CallError, CallPolicy, ConnectLimits, DatacenterAddress, Engine,
    InitConnection,
};
use actogram_local_datacenter::{LocalDatacenter, model::PeerKey};
use actogram_store::Store;

use super::HANG;

/// What an account is opened with, but that it may connect and send as often as it likes: what the limits are is shown elsewhere,
/// here they would make hundreds of cuts take minutes.
pub fn config(datacenter: &LocalDatacenter, name: &str, store: &Store) -> AccountConfig {
    let address = DatacenterAddress::from((datacenter.dc_id(), datacenter.address().unwrap()));
    let key = datacenter.public_key().clone();
    let mut config = AccountConfig::new(name, store.clone(), address, key, InitConnection::new(1));
    config.rates = None;
    config.connect_limits = ConnectLimits {
        failing: Vec::new(),
        working: Vec::new(),
    };
    config
}

pub async fn open(config: AccountConfig) -> Account {
    Engine::shared().unwrap().open(config).await.unwrap()
}

/// The ids of the auth keys in the store.
pub async fn stored_keys(store: &Store, name: &str) -> Vec<i64> {
    let record = store.account(name).load().await.unwrap();
    record.auth_keys.iter().map(|key| key.key.id()).collect()
}

/// A bot, logged in, and a person it may write to, played by the operator.
pub struct Bot {
    pub account: Account,
    pub store: Store,
    pub id: i64,
    pub reader: i64,
}

impl Bot {
    pub async fn new(datacenter: &LocalDatacenter, name: &str) -> Self {
        let store = Store::memory();
        Self::with(datacenter, config(datacenter, name, &store)).await
    }

    pub async fn with(datacenter: &LocalDatacenter, config: AccountConfig) -> Self {
        let operator = datacenter.operator();
        let (name, store) = (config.name.clone(), config.store.clone());
        let bot = operator.create_bot(&name, &name).unwrap();
        let reader = reader(datacenter, bot.id);
        let account = open(config).await;
        let import = functions::auth::ImportBotAuthorization {
            flags: 0,
            api_id: 1,
            api_hash: "hash".to_owned(),
            bot_auth_token: bot.token,
        };
        let user = match call(&account, &import).await.unwrap() {
            enums::auth::Authorization::Authorization(done) => match done.user {
                enums::User::User(user) => user,
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        };
        account.logged_in(&user).await.unwrap();
        Self {
            account,
            store,
            id: bot.id,
            reader,
        }
    }

    /// Sends a text to the reader.
    pub async fn send(&self, text: &str) -> Result<(), CallError> {
        let function = message(self.reader, text, self.account.random_id());
        call(&self.account, &function).await.map(drop)
    }

    /// What the reader got from the bot, in order.
    pub fn received(&self, datacenter: &LocalDatacenter) -> Vec<String> {
        received(datacenter, self.reader, self.id)
    }

    pub async fn end(self) {
        self.account.shutdown(Duration::from_secs(5)).await;
    }
}

/// A person who has written to this bot.
pub fn reader(datacenter: &LocalDatacenter, bot: i64) -> i64 {
    let operator = datacenter.operator();
    let phone = format!("999{:07}", bot % 10_000_000);
    let reader = operator.create_user(&phone, "Reader").unwrap();
    operator
        .send_message(reader, PeerKey::User(bot), "hello")
        .unwrap();
    reader
}

/// What `owner` got from `other`, in order.
pub fn received(datacenter: &LocalDatacenter, owner: i64, other: i64) -> Vec<String> {
    let history = datacenter.operator().history(owner, PeerKey::User(other));
    let from_other = history.into_iter().filter(|message| message.from == other);
    from_other.map(|message| message.text).collect()
}

/// A message to a person who has written to the bot that sends it.
pub fn message(to: i64, text: &str, random_id: i64) -> functions::messages::SendMessage {
    let peer = types::InputPeerUser {
        user_id: to,
        access_hash: 0,
    };
    functions::messages::SendMessage::new(peer.into(), text.to_owned(), random_id)
}

pub async fn call<F: Function>(account: &Account, function: &F) -> Result<F::Response, CallError> {
    let answer = account.invoke_raw(function.to_bytes(), CallPolicy::default());
    let answer = tokio::time::timeout(HANG, answer).await;
    answer
        .expect("a call hangs")
        .map(|bytes| F::Response::from_bytes(bytes).unwrap())
}

//! What the end-to-end tests share: a datacenter, a bot, a person, an inbox.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "each test uses a part of it"
)]

pub mod accounts;
pub mod bot_stage;
pub mod examples;
pub mod files;
pub mod http;
pub mod lanes;
pub mod processes;
pub mod proxies;
pub mod room;
pub mod virtual_time;

use std::{
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

use actogram::{AccountEvent, Error, LoginPrompts, Secret, SentCode, prelude::*};
use actogram_crypto::{random::OsRandom, rsa::PrivateKey};
use actogram_local_datacenter::{LocalDatacenter, operator::LoginCodes};
use tokio::sync::{broadcast, mpsc};

/// No step of a test may take longer: a hang is a failure. Nothing is measured by it. A length that was damaged on its way may
/// be waited for 135 s, as long as bytes come.
pub const HANG: Duration = Duration::from_secs(240);

/// One key for all datacenters of a test program: making one takes longer than everything else about them.
pub fn rsa_key() -> Arc<PrivateKey> {
    static KEY: OnceLock<Arc<PrivateKey>> = OnceLock::new();
    KEY.get_or_init(|| Arc::new(PrivateKey::generate(&mut OsRandom).unwrap()))
        .clone()
}

pub async fn datacenter() -> LocalDatacenter {
    LocalDatacenter::builder()
        .rsa_key(rsa_key())
        .start()
        .await
        .unwrap()
}

/// Waits until this holds.
pub async fn until(what: &str, holds: impl Fn() -> bool) {
    let waited = tokio::time::timeout(HANG, async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    assert!(waited.await.is_ok(), "never: {what}");
}

/// The next event that fits; others are passed over.
pub async fn event(
    events: &mut broadcast::Receiver<AccountEvent>,
    fits: impl Fn(&AccountEvent) -> bool,
) -> AccountEvent {
    loop {
        let event = tokio::time::timeout(HANG, events.recv())
            .await
            .expect("the event does not come")
            .unwrap();
        if fits(&event) {
            return event;
        }
    }
}

/// The events so far that fit.
pub fn events_so_far(
    events: &mut broadcast::Receiver<AccountEvent>,
    fits: impl Fn(&AccountEvent) -> bool,
) -> Vec<AccountEvent> {
    std::iter::from_fn(|| events.try_recv().ok())
        .filter(|event| fits(event))
        .collect()
}

pub fn builder(datacenter: &LocalDatacenter, account: &str) -> ClientBuilder {
    Client::builder(":memory:")
        .account(account)
        .local_datacenter(datacenter)
}

/// A bot, logged in, and its id.
pub async fn bot(datacenter: &LocalDatacenter, username: &str) -> (Client, i64) {
    let bot = datacenter
        .operator()
        .create_bot(username, username)
        .unwrap();
    let client = builder(datacenter, username)
        .bot_token(bot.token.as_str())
        .connect()
        .await
        .unwrap();
    (client, bot.id)
}

/// A person who signs up with this phone.
pub async fn person(datacenter: &LocalDatacenter, phone: &str) -> Client {
    let client = builder(datacenter, phone).connect().await.unwrap();
    let mut prompts = Prompts {
        phone: phone.to_owned(),
        codes: datacenter.operator().login_codes(),
    };
    client.log_in(&mut prompts).await.unwrap();
    client
}

pub struct Prompts {
    pub phone: String,
    pub codes: LoginCodes,
}

impl LoginPrompts for Prompts {
    async fn phone(&mut self) -> Result<String> {
        Ok(self.phone.clone())
    }

    async fn code(&mut self, _sent: &SentCode, _wrong: bool) -> Result<String> {
        self.codes
            .next_for(&self.phone)
            .await
            .ok_or_else(|| Error::user("no code"))
    }

    async fn password(&mut self, _hint: Option<&str>, _wrong: bool) -> Result<Secret> {
        Err(Error::user("no password"))
    }

    async fn name(&mut self) -> Result<(String, String)> {
        Ok(("Ann".to_owned(), "Other".to_owned()))
    }
}

/// The new messages of others, in the order in which the client's handler saw them.
pub struct Inbox(tokio::sync::Mutex<mpsc::UnboundedReceiver<Msg>>);

impl Inbox {
    pub fn of(client: &Client) -> Self {
        let (sender, receiver) = mpsc::unbounded_channel();
        let sender = Mutex::new(sender);
        client.on_message(async move |_cx: Cx, message: Msg| {
            sender.lock().unwrap().send(message).map_err(Error::user)
        });
        Self(tokio::sync::Mutex::new(receiver))
    }

    pub async fn next(&self) -> Msg {
        let mut receiver = self.0.lock().await;
        tokio::time::timeout(HANG, receiver.recv())
            .await
            .expect("no message came")
            .unwrap()
    }

    /// Whether nothing more comes for a moment.
    pub async fn is_quiet(&self) -> bool {
        let mut receiver = self.0.lock().await;
        tokio::time::timeout(Duration::from_millis(300), receiver.recv())
            .await
            .is_err()
    }
}

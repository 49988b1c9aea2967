//! What the tests share: an account on the caller's `LocalSet`, under virtual time, over streams without sockets.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "each test uses a part of it"
)]

use std::{
    future::Future,
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use actogram_actors::{
    Account, AccountConfig, AccountEvent, CallError, CallPolicy, Connecting, DatacenterAddress,
    DedupeId, DeliveredUpdate, Done, Engine, InitConnection, Io,
};
use actogram_crypto::random::SeededRandom;
use actogram_local_datacenter::{LocalDatacenter, model::Role};
use actogram_store::Store;
use actogram_tl::{Decode, Function, enums, functions, types};
use tokio::{sync::mpsc, task::LocalSet, time::Instant};

/// No step may take longer, in virtual time.
pub const HANG: Duration = Duration::from_secs(1200);

/// The second everything begins at.
pub const EPOCH: u64 = 1_800_000_000;

/// Runs this under paused time: waiting costs nothing, and everything happens on one thread.
pub fn virtual_time<F: Future<Output = ()>>(test: impl FnOnce() -> F) {
    run(test(), true);
}

/// Runs this as time goes by, on one thread.
pub fn real_time<F: Future<Output = ()>>(test: impl FnOnce() -> F) {
    run(test(), false);
}

fn run(test: impl Future<Output = ()>, paused: bool) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(paused)
        .build()
        .unwrap();
    LocalSet::new().block_on(&runtime, async {
        tokio::time::timeout(HANG * 1000, test)
            .await
            .expect("the test hangs");
    });
}

/// A clock that follows virtual time, and that a test can set wrong.
#[derive(Clone)]
pub struct TestClock {
    origin: Instant,
    pub skew: Arc<AtomicI64>,
    /// How often it is still read before one reading panics; less than 1: never.
    pub panics_in: Arc<AtomicI64>,
}

impl TestClock {
    pub fn new() -> Self {
        Self {
            origin: Instant::now(),
            skew: Arc::default(),
            panics_in: Arc::default(),
        }
    }

    pub fn unix(&self) -> Duration {
        assert!(
            self.panics_in.fetch_sub(1, Ordering::Relaxed) != 1,
            "a clock that panics"
        );
        let seconds = i64::try_from(EPOCH).unwrap() + self.skew.load(Ordering::Relaxed);
        Duration::from_secs(u64::try_from(seconds).unwrap_or(0)) + self.origin.elapsed()
    }
}

/// A datacenter without sockets, and what its clients need.
pub struct World {
    pub datacenter: Arc<LocalDatacenter>,
    pub clock: TestClock,
    pub engine: Engine,
    /// New connections are refused while this is set.
    pub unreachable: Arc<AtomicBool>,
    pub connects: Arc<AtomicUsize>,
}

impl World {
    pub async fn new() -> Self {
        Self::with(|builder| builder).await
    }

    pub async fn with(
        change: impl FnOnce(actogram_local_datacenter::Builder) -> actogram_local_datacenter::Builder,
    ) -> Self {
        let clock = TestClock::new();
        let server_clock = clock.origin;
        let seed = AtomicUsize::new(1);
        let builder = LocalDatacenter::builder()
            .without_listener()
            .inline_crypto()
            .clock(move || Duration::from_secs(EPOCH) + server_clock.elapsed());
        let datacenter = change(builder).start().await.unwrap();
        let engine = Engine::builder()
            .random(move || {
                let seed = seed.fetch_add(1, Ordering::Relaxed);
                Box::new(SeededRandom::from_seed(u64::try_from(seed).unwrap()))
            })
            .on_local_set();
        Self {
            datacenter: Arc::new(datacenter),
            clock,
            engine,
            unreachable: Arc::default(),
            connects: Arc::default(),
        }
    }

    pub fn config(&self, name: &str, store: &Store) -> AccountConfig {
        let datacenter = self.datacenter.clone();
        let (unreachable, connects) = (self.unreachable.clone(), self.connects.clone());
        let clock = self.clock.clone();
        let address = DatacenterAddress::new(datacenter.dc_id(), "test", 1);
        let key = datacenter.public_key().clone();
        let mut config =
            AccountConfig::new(name, store.clone(), address, key, InitConnection::new(1));
        config.connector = Arc::new(move |to: &DatacenterAddress| -> Connecting {
            connects.fetch_add(1, Ordering::Relaxed);
            if unreachable.load(Ordering::Relaxed) {
                return Box::pin(async { Err(io::ErrorKind::ConnectionRefused.into()) });
            }
            let stream = match datacenter.connector_to(to.dc, Role::Cdn) {
                Some(connect) => connect(),
                None => datacenter.connect(),
            };
            Box::pin(async { Ok(Box::new(stream) as Box<dyn Io>) })
        });
        config.clock = Arc::new(move || clock.unix());
        // Those that are about rates set them.
        config.rates = None;
        config
    }

    pub async fn open(&self, name: &str, store: &Store) -> Account {
        self.engine.open(self.config(name, store)).await.unwrap()
    }

    /// A bot, logged in, with its inbox.
    pub async fn bot(&self, name: &str) -> Bot {
        let store = Store::memory();
        let bot = self.datacenter.operator().create_bot(name, name).unwrap();
        let account = self.open(name, &store).await;
        let inbox = Inbox::of(&account);
        let user = log_in_bot(&account, bot.token.as_str()).await.unwrap();
        account.logged_in(&user).await.unwrap();
        Bot {
            account,
            inbox,
            store,
            id: bot.id,
        }
    }

    /// A person, logged in by phone and code.
    pub async fn user(&self, phone: &str) -> Bot {
        let store = Store::memory();
        let operator = self.datacenter.operator();
        let id = operator.create_user(phone, "Ben").unwrap();
        let account = self.open(phone, &store).await;
        let inbox = Inbox::of(&account);
        let mut codes = operator.login_codes();
        let settings = types::CodeSettings::new().into();
        let send = functions::auth::SendCode {
            phone_number: phone.to_owned(),
            api_id: 1,
            api_hash: "hash".to_owned(),
            settings,
        };
        let sent = match call(&account, &send).await.unwrap() {
            enums::auth::SentCode::SentCode(sent) => sent.phone_code_hash,
            other => panic!("{other:?}"),
        };
        let mut sign_in = functions::auth::SignIn::new(phone.to_owned(), sent);
        sign_in.phone_code = codes.next_for(phone).await;
        let user = match call(&account, &sign_in).await.unwrap() {
            enums::auth::Authorization::Authorization(done) => match done.user {
                enums::User::User(user) => *user,
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        };
        account.logged_in(&user).await.unwrap();
        Bot {
            account,
            inbox,
            store,
            id,
        }
    }

    /// A person the operator plays.
    pub fn person(&self) -> i64 {
        self.datacenter
            .operator()
            .create_user("+9996612345", "Ann")
            .unwrap()
    }
}

pub struct Bot {
    pub account: Account,
    pub inbox: Inbox,
    pub store: Store,
    pub id: i64,
}

pub async fn log_in_bot(account: &Account, token: &str) -> Result<types::User, CallError> {
    let import = functions::auth::ImportBotAuthorization {
        flags: 0,
        api_id: 1,
        api_hash: "hash".to_owned(),
        bot_auth_token: token.to_owned(),
    };
    match call(account, &import).await? {
        enums::auth::Authorization::Authorization(done) => match done.user {
            enums::User::User(user) => Ok(*user),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

pub async fn call<F: Function>(account: &Account, function: &F) -> Result<F::Response, CallError> {
    call_with(account, function, CallPolicy::default()).await
}

pub async fn call_with<F: Function>(
    account: &Account,
    function: &F,
    policy: CallPolicy,
) -> Result<F::Response, CallError> {
    let answer = tokio::time::timeout(HANG, account.invoke_raw(function.to_bytes(), policy)).await;
    answer
        .expect("a call hangs")
        .map(|bytes| F::Response::from_bytes(bytes).unwrap())
}

pub fn config_call() -> functions::help::GetConfig {
    functions::help::GetConfig {}
}

/// A message to a user, with a fresh `random_id`.
pub fn message(account: &Account, to: i64, text: &str) -> functions::messages::SendMessage {
    let peer = types::InputPeerUser {
        user_id: to,
        access_hash: 0,
    }
    .into();
    functions::messages::SendMessage::new(peer, text.to_owned(), account.random_id())
}

/// The updates an account was handed, in their order.
pub struct Inbox {
    received: mpsc::UnboundedReceiver<DeliveredUpdate>,
}

impl Inbox {
    pub fn of(account: &Account) -> Self {
        let (sender, received) = mpsc::unbounded_channel();
        account.set_update_sink(Arc::new(move |update: DeliveredUpdate| {
            drop(sender.send(update))
        }));
        Self { received }
    }

    pub async fn next(&mut self) -> DeliveredUpdate {
        tokio::time::timeout(HANG, self.received.recv())
            .await
            .expect("no update comes")
            .unwrap()
    }

    /// The next update, however long it takes; `None` once the account has ended.
    pub async fn try_next(&mut self) -> Option<DeliveredUpdate> {
        self.received.recv().await
    }

    /// The text of the next new message of somebody else, with what names it.
    pub async fn next_text(&mut self) -> (String, DedupeId, Done) {
        loop {
            let next = self.next().await;
            if let Some(text) = text_of(&next.update) {
                return (text, next.id, next.done);
            }
        }
    }

    pub async fn texts(&mut self, count: usize) -> Vec<String> {
        let mut texts = Vec::new();
        while texts.len() < count {
            texts.push(self.next_text().await.0);
        }
        texts
    }

    /// Whether nothing comes for this long.
    pub async fn is_quiet(&mut self, for_long: Duration) -> bool {
        loop {
            match tokio::time::timeout(for_long, self.received.recv()).await {
                Err(_) => return true,
                Ok(Some(update)) if text_of(&update.update).is_none() => {}
                Ok(_) => return false,
            }
        }
    }
}

pub fn text_of(update: &enums::Update) -> Option<String> {
    match update {
        enums::Update::UpdateNewMessage(update) => match &update.message {
            enums::Message::Message(message) if !message.out => Some(message.message.clone()),
            _ => None,
        },
        _ => None,
    }
}

/// Collects events until one fits.
pub async fn event(
    events: &mut tokio::sync::broadcast::Receiver<AccountEvent>,
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

pub type Log = Arc<Mutex<Vec<String>>>;

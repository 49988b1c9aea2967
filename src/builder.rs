//! How a client is described and connected.

use std::{fmt, path::PathBuf, rc::Rc, sync::Arc, time::Duration};

use actogram_actors::{
    AccountConfig, CallPolicy, CatchUp, Clock, Connector, DatacenterAddress, Engine,
    InitConnection, Rates,
};
#[cfg(feature = "local")]
use actogram_actors::{Connecting, Io};
use actogram_crypto::rsa::PublicKey;
#[cfg(feature = "local")]
use actogram_local_datacenter::{LocalDatacenter, model::Role};
use actogram_runtime::{Child, Escalation, Failures, LoopRegistry, supervise};
use actogram_store::Store;
use tokio::runtime::Handle;

use crate::{
    Api, Client, Error, Order, Result, Secret, Settings,
    api::Credentials,
    dispatcher::{DispatcherActor, EventActors, Handlers, Queues},
};

/// Datacenters of this process are looked for up to this number.
#[cfg(feature = "local")]
const MOST_LOCAL: i32 = 5;

/// What stands for "nowhere" as a session file.
const MEMORY: &str = ":memory:";

/// A client that is not connected yet. Made by [`Client::builder`] and [`Client::from_env`].
#[must_use = "a client does nothing until it is connected"]
pub struct ClientBuilder {
    settings: Settings,
    engine: Option<Engine>,
    datacenter: Option<(DatacenterAddress, PublicKey)>,
    store: Option<Store>,
    order: Order,
    connector: Option<Arc<dyn Connector>>,
    clock: Option<Arc<dyn Clock>>,
    catch_up: CatchUp,
    rates: Option<Option<Rates>>,
    /// The datacenter is one of this process.
    local: bool,
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder")
            .field("settings", &self.settings)
            .field("order", &self.order)
            .finish_non_exhaustive()
    }
}

impl ClientBuilder {
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            settings,
            engine: None,
            datacenter: None,
            store: None,
            order: Order::default(),
            connector: None,
            clock: None,
            catch_up: CatchUp::default(),
            rates: None,
            local: false,
        }
    }

    /// Replaces all settings.
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// The file that keeps auth keys, peers and positions; `:memory:` keeps them for the process.
    pub fn session(mut self, path: impl Into<PathBuf>) -> Self {
        self.settings.session = path.into();
        self
    }

    /// Keeps the account in a store that other clients of this process use too.
    pub fn store(mut self, store: Store) -> Self {
        self.store = Some(store);
        self
    }

    /// Which of the accounts in the session this is.
    pub fn account(mut self, name: impl Into<String>) -> Self {
        self.settings.account = name.into();
        self
    }

    /// The application's number and hash, from <https://my.telegram.org/apps>.
    pub fn application(mut self, api_id: i32, api_hash: impl Into<Secret>) -> Self {
        self.settings.api_id = api_id;
        self.settings.api_hash = api_hash.into();
        self
    }

    /// Logs in as the bot with this token, if nobody is logged in yet.
    pub fn bot_token(mut self, token: impl Into<Secret>) -> Self {
        self.settings.bot_token = token.into();
        self
    }

    /// The datacenter to connect to: its number, `host:port`, and RSA key in PEM.
    ///
    /// # Errors
    /// [`Error::Settings`] if the address or the key cannot be read.
    pub fn datacenter(mut self, id: i32, address: &str, public_key: &str) -> Result<Self> {
        self.datacenter = Some((parse_address(id, address)?, parse_key(public_key)?));
        self.local = false;
        Ok(self)
    }

    /// Connects to a datacenter that runs in this process; to one without a listener through no socket.
    #[cfg(feature = "local")]
    pub fn local_datacenter(mut self, datacenter: &LocalDatacenter) -> Self {
        let address = match datacenter.address() {
            Some(address) => DatacenterAddress::from((datacenter.dc_id(), address)),
            // Without sockets: its connections are made here.
            None => {
                let connect = datacenter.connector();
                let others: std::collections::BTreeMap<i32, _> = (1..=MOST_LOCAL)
                    .filter_map(|dc| Some((dc, datacenter.connector_to(dc, Role::Main)?)))
                    .collect();
                self.connector = Some(Arc::new(move |address: &DatacenterAddress| -> Connecting {
                    let stream = others.get(&address.dc).map_or_else(&connect, |to| to());
                    Box::pin(async { Ok(Box::new(stream) as Box<dyn Io>) })
                }));
                DatacenterAddress::new(datacenter.dc_id(), "local", 1)
            }
        };
        self.datacenter = Some((address, datacenter.public_key().clone()));
        self.local = true;
        // A local datacenter takes any application, but like Telegram not none.
        if self.settings.api_id == 0 {
            self.settings.api_id = 1;
            self.settings.api_hash = Secret::from("local");
        }
        self
    }

    /// Connects in this way instead of by `network.*` of the settings.
    pub fn connector(mut self, connector: impl Connector) -> Self {
        self.connector = Some(Arc::new(connector));
        self
    }

    /// Takes the wall clock's time from here, instead of from the system: for tests under virtual time.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Some(Arc::new(clock));
        self
    }

    /// Uses this engine instead of the process's own.
    pub fn engine(mut self, engine: Engine) -> Self {
        self.engine = Some(engine);
        self
    }

    /// In which order handlers see updates; by default one after another within a chat.
    pub fn order(mut self, order: Order) -> Self {
        self.order = order;
        self
    }

    /// What becomes of updates that came while the client was not connected; by default, all of them come.
    pub fn catch_up(mut self, catch_up: CatchUp) -> Self {
        self.catch_up = catch_up;
        self
    }

    /// How often messages are sent and methods called, instead of what `calls.rates` of the settings says. `None`: as often
    /// as the program does, up to what the datacenter bears.
    pub fn rates(mut self, rates: impl Into<Option<Rates>>) -> Self {
        self.rates = Some(rates.into());
        self
    }

    /// Opens the account, agrees on an auth key if there is none, and logs in if a bot token is set.
    ///
    /// # Errors
    /// [`Error::Settings`] that names what is missing; [`Error::Engine`] if the session file cannot be opened; the
    /// datacenter's refusal of the login.
    pub async fn connect(mut self) -> Result<Client> {
        let embedded = self.embed().await?;
        if self.datacenter.is_none() {
            self.settings.require_credentials()?;
        }
        let (address, key) = match self.datacenter.take() {
            Some(known) => known,
            None => from_settings(&self.settings)?,
        };
        let engine = match self.engine.take() {
            Some(engine) => engine,
            None => Engine::shared().map_err(|error| Error::Engine(error.to_string()))?,
        };
        let store = match self.store.take() {
            Some(store) => store,
            None if self.settings.session.as_os_str() == MEMORY => Store::memory(),
            None => Store::open(&self.settings.session)?,
        };
        let init = InitConnection::new(self.settings.api_id);
        let mut config =
            AccountConfig::new(self.settings.account.clone(), store, address, key, init);
        config.connector = match self.connector.take() {
            Some(connector) => connector,
            None => Arc::new(self.settings.network.connector()?),
        };
        if let Some(clock) = self.clock.take() {
            config.clock = clock;
        }
        config.catch_up = self.catch_up;
        config.rates = match self.rates.take() {
            Some(rates) => rates,
            None => self.settings.calls.rates.rates(self.local),
        };
        config.obfuscated = self.settings.network.obfuscated;
        config.stays_on_this_machine = self.local;
        config.forward_secrecy = self.settings.network.forward_secrecy;
        config.limits.calls = self.settings.calls.in_flight.max(1);
        config.limits.queue = self.settings.calls.queue.max(1);
        let account = engine
            .open(config)
            .await
            .map_err(|error| Error::Engine(error.to_string()))?;

        let defaults = CallPolicy {
            flood_wait_limit: Duration::from_secs(self.settings.calls.flood_wait_limit),
            ..CallPolicy::default()
        };
        let credentials = Credentials {
            api_id: self.settings.api_id,
            api_hash: self.settings.api_hash.clone(),
        };
        let failures = Failures::new(Escalation::Exit);
        let api = Api::new(
            account,
            credentials,
            defaults,
            Handle::current(),
            failures.clone(),
            #[cfg(feature = "http")]
            self.settings.network.clone(),
        );
        let dispatcher = start_dispatcher(&engine, api.clone(), self.order).await?;
        let mut client = Client {
            api,
            engine,
            dispatcher,
            event_actors: EventActors::default(),
            failures,
            loops: LoopRegistry::default(),
            inspector: None,
            embedded,
        };
        if !self.settings.inspect.as_os_str().is_empty() {
            let path = &self.settings.inspect;
            client.inspector = Some(crate::inspect::start(path, client.viewer()).await?);
        }
        if !self.settings.bot_token.is_empty() {
            client.log_in_bot(&self.settings.bot_token).await?;
        }
        Ok(client)
    }

    /// Starts a datacenter inside the process if the settings ask for one, with a bot if no token is given.
    #[cfg(feature = "local")]
    async fn embed(&mut self) -> Result<Option<Embedded>> {
        if !self.settings.datacenter.embedded || self.datacenter.is_some() {
            return Ok(None);
        }
        let failed = |error: &dyn std::fmt::Display| {
            Error::Engine(format!("the embedded datacenter: {error}"))
        };
        let datacenter = LocalDatacenter::builder()
            .start()
            .await
            .map_err(|error| failed(&error))?;
        if self.settings.bot_token.is_empty() {
            let bot = datacenter
                .operator()
                .create_bot("local_bot", "Local bot")
                .map_err(|error| failed(&error))?;
            self.settings.bot_token = Secret::from(bot.token);
        }
        let builder = std::mem::replace(self, Self::new(self.settings.clone()));
        *self = builder.local_datacenter(&datacenter);
        tracing::info!(address = ?datacenter.address(), "an embedded datacenter was started");
        Ok(Some(datacenter))
    }

    #[cfg(not(feature = "local"))]
    async fn embed(&mut self) -> Result<Option<Embedded>> {
        if self.settings.datacenter.embedded {
            return Err(Error::Settings(
                "`datacenter.embedded` is set, but this program was built without the feature `local`".to_owned(),
            ));
        }
        Ok(None)
    }
}

/// The datacenter inside the process, which ends with its client.
#[cfg(feature = "local")]
pub(crate) type Embedded = LocalDatacenter;

/// Never there: the feature is off.
#[cfg(not(feature = "local"))]
#[derive(Debug)]
pub(crate) enum Embedded {}

#[cfg(not(feature = "local"))]
impl Embedded {
    pub(crate) async fn shutdown(self) {
        match self {}
    }
}

fn parse_address(id: i32, address: &str) -> Result<DatacenterAddress> {
    DatacenterAddress::parse(id, address).ok_or_else(|| {
        Error::Settings(format!(
            "`datacenter.address` is {address:?}; host:port was expected, such as 127.0.0.1:4430"
        ))
    })
}

fn parse_key(pem: &str) -> Result<PublicKey> {
    PublicKey::from_pem(pem)
        .map_err(|error| Error::Settings(format!("`datacenter.public_key`: {error}")))
}

fn from_settings(settings: &Settings) -> Result<(DatacenterAddress, PublicKey)> {
    let path = &settings.datacenter.public_key;
    let pem = std::fs::read_to_string(path).map_err(|error| {
        Error::io(
            format!("reading `datacenter.public_key` from {}", path.display()),
            error,
        )
    })?;
    Ok((
        parse_address(settings.datacenter.id, &settings.datacenter.address)?,
        parse_key(&pem)?,
    ))
}

/// Starts the actor that runs handlers, on the engine's handler thread or on the caller's.
async fn start_dispatcher(
    engine: &Engine,
    api: Api,
    order: Order,
) -> Result<Child<DispatcherActor>> {
    let make = move || {
        let (handlers, queues) = (Rc::new(Handlers::default()), Queues::new(order));
        supervise(move |_| DispatcherActor::new(api.clone(), handlers.clone(), queues.clone()))
            .name("dispatcher")
            .spawn()
    };
    let Some(arbiter) = engine.handler_arbiter() else {
        return Ok(make());
    };
    let (sender, receiver) = tokio::sync::oneshot::channel();
    arbiter.spawn_fn(move || {
        // Nobody waits any more only if the caller has gone, and then nobody needs it.
        let _ = sender.send(make());
    });
    receiver
        .await
        .map_err(|_| Error::Engine("the engine's handler thread has ended".to_owned()))
}

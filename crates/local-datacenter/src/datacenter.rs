//! A running datacenter, and how to start one.

use std::{
    collections::BTreeMap,
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use actogram_crypto::{
    random::Random,
    rsa::{KeyError, PrivateKey, PublicKey},
};
use actogram_mtproto::session::server::Strictness;
use tokio::{io::DuplexStream, time::Instant};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    model::{DatacenterAddress, Endpoint, Limits, Role, World, WorldConfig, WorldError},
    network::{
        Attacks, Clock, Hub, HubConfig, KeySharing, Listener, RandomSource, Site, WireFaults,
        accept, os_random, serve,
    },
    operator::{Operator, UnixClock},
    storage::{MemoryJournal, SqliteJournal, StorageError},
};

/// Why a datacenter did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}; is another program using the port?")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The RSA key cannot be read, written or made.
    #[error("the datacenter's RSA key: {0}")]
    Key(#[from] KeyError),
    /// The file with the RSA key cannot be read or written.
    #[error("the datacenter's RSA key file {path}: {source}")]
    KeyFile {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// No listener is there for accounts to log in.
    #[error(
        "there is no datacenter that has accounts; name at least one with `Builder::datacenters`"
    )]
    NoDatacenter,
    /// A datacenter has a number that the wire has no room for, or that is both a CDN's and another's.
    #[error(
        "{dc_id} cannot be the number of a datacenter: expected 1 to 9999, and a CDN's own for a CDN"
    )]
    DatacenterNumber {
        /// The number.
        dc_id: i32,
    },
    /// The state cannot be read.
    #[error(transparent)]
    State(#[from] WorldError),
    /// The state file cannot be opened.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// How a [`LocalDatacenter`] is to be. Made by [`LocalDatacenter::builder`].
pub struct Builder {
    listen: Option<SocketAddr>,
    endpoints: Vec<Endpoint>,
    state: Option<PathBuf>,
    key: Option<Arc<PrivateKey>>,
    cdn_keys: BTreeMap<i32, Arc<PrivateKey>>,
    clock: UnixClock,
    random: RandomSource,
    limits: Limits,
    compact_updates: bool,
    inline_crypto: bool,
}

impl Builder {
    fn new() -> Self {
        Self {
            listen: Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0)),
            endpoints: vec![Endpoint::main(2)],
            state: None,
            key: None,
            cdn_keys: BTreeMap::new(),
            clock: Arc::new(|| {
                SystemTime::now()
                    .duration_since(SystemTime::UNIX_EPOCH)
                    .unwrap_or_default()
            }),
            random: os_random(),
            limits: Limits::default(),
            compact_updates: false,
            inline_crypto: false,
        }
    }

    /// Where the first listener is; the others take the following ports, or any if the port is 0. By default any port of
    /// 127.0.0.1. An address that is not of this machine alone lets others in.
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.listen = Some(address);
        self
    }

    /// Opens no socket: clients come through [`LocalDatacenter::connect`].
    pub fn without_listener(mut self) -> Self {
        self.listen = None;
        self
    }

    /// The numbers of the datacenters, one port each, all with the same accounts. By default only 2, which then stands for
    /// all numbers from 1 to 5. Accounts are at home at the first one, unless they are made elsewhere
    /// ([`Operator::create_user_at`]) or moved ([`Operator::move_home`]). Replaces what was said before.
    pub fn datacenters(mut self, ids: impl IntoIterator<Item = i32>) -> Self {
        self.endpoints = ids.into_iter().map(Endpoint::main).collect();
        self
    }

    /// One more listener: of a CDN, or beside those of a datacenter for files, IPv6 or obfuscated connections alone.
    pub fn endpoint(mut self, endpoint: Endpoint) -> Self {
        self.endpoints.push(endpoint);
        self
    }

    /// Uses this RSA key for the CDN with this number instead of making one.
    pub fn cdn_rsa_key(mut self, dc_id: i32, key: Arc<PrivateKey>) -> Self {
        self.cdn_keys.insert(dc_id, key);
        self
    }

    /// Keeps the state in this SQLite file, and beside it the RSA key (`….key.pem`) and the bytes of files (`….files`, a
    /// directory in which what is not known is removed at the start). By default all is gone with the process.
    pub fn state_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.state = Some(path.into());
        self
    }

    /// Uses this RSA key instead of making one.
    pub fn rsa_key(mut self, key: Arc<PrivateKey>) -> Self {
        self.key = Some(key);
        self
    }

    /// Takes the unix time from here: for tests.
    pub fn clock(mut self, unix: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        self.clock = Arc::new(unix);
        self
    }

    /// Takes randomness from here, a generator for each caller: for simulations that repeat themselves.
    pub fn random(mut self, source: impl FnMut() -> Box<dyn Random> + Send + 'static) -> Self {
        self.random = Box::new(source);
        self
    }

    /// Sets limits other than Telegram's.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Pushes plain texts in their short form, as Telegram may do at any time.
    pub fn compact_updates(mut self) -> Self {
        self.compact_updates = true;
        self
    }

    /// Computes key exchanges where they arrive instead of on other threads: for virtual time, and for few clients.
    pub fn inline_crypto(mut self) -> Self {
        self.inline_crypto = true;
        self
    }

    /// Starts the datacenter on the current tokio runtime.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start(mut self) -> Result<LocalDatacenter, StartError> {
        check(&self.endpoints)?;
        let key = match (self.key.take(), &self.state) {
            (Some(key), _) => key,
            (None, Some(state)) => stored_key(state, ".key.pem", &mut *(self.random)())?,
            (None, None) => Arc::new(PrivateKey::generate(&mut *(self.random)())?),
        };
        for endpoint in &self.endpoints {
            let id = endpoint.dc_id;
            if endpoint.role == Role::Cdn && !self.cdn_keys.contains_key(&id) {
                let random = &mut *(self.random)();
                let made = match &self.state {
                    Some(state) => stored_key(state, &format!(".cdn{id}.key.pem"), random)?,
                    None => Arc::new(PrivateKey::generate(random)?),
                };
                self.cdn_keys.insert(id, made);
            }
        }
        let world_config = WorldConfig {
            limits: self.limits,
            compact_updates: self.compact_updates,
            files: self.state.as_deref().map(beside),
        };
        let world = match &self.state {
            None => World::open(world_config, Box::new(MemoryJournal), (self.random)())?,
            Some(path) => World::open(
                world_config,
                Box::new(SqliteJournal::open(path)?),
                (self.random)(),
            )?,
        };
        let world = Arc::new(Mutex::new(world));
        let clock = Clock::new(self.clock.clone());
        let hub = Hub::new(
            world.clone(),
            HubConfig {
                clock: clock.clone(),
                random: self.random,
                inline_crypto: self.inline_crypto,
            },
        );
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let mut sites: Sites = Vec::new();
        let mut known = Vec::new();
        for (at, endpoint) in self.endpoints.iter().enumerate() {
            let key_here = match self.cdn_keys.get(&endpoint.dc_id) {
                Some(own) if endpoint.role == Role::Cdn => own.clone(),
                _ => key.clone(),
            };
            let site = Arc::new(Site::new(*endpoint, key_here, &self.endpoints));
            let mut address = None;
            if let Some(first) = self.listen {
                let wanted = place(first, at, endpoint.ipv6);
                let failed = |source| StartError::Listen {
                    address: wanted,
                    source,
                };
                let listener = Listener::bind(wanted).await.map_err(failed)?;
                address = Some(listener.address().map_err(failed)?);
                let accepting = accept(
                    hub.clone(),
                    listener,
                    site.clone(),
                    tasks.clone(),
                    stop.clone(),
                );
                tasks.spawn(accepting);
            }
            let told = address.unwrap_or_else(|| place(NOWHERE, at, endpoint.ipv6));
            known.push(DatacenterAddress {
                endpoint: *endpoint,
                ip: told.ip(),
                port: told.port(),
            });
            sites.push((site, address));
        }
        let mut told = Vec::new();
        for (dc_id, key) in &self.cdn_keys {
            told.push((*dc_id, key.public().to_pem()?));
        }
        lock(&world).set_datacenters(known);
        lock(&world).set_cdn_keys(told);
        let (outbox, orders) = tokio::sync::mpsc::unbounded_channel();
        let unix = clock.clone();
        let operator = Operator::new(world, Arc::new(move || unix.unix()), outbox);
        tasks.spawn(tend(hub.clone(), orders, stop.clone()));
        tasks.close();
        let mut all = sites.iter().map(|(site, _)| site);
        let main = all.find(|site| site.endpoint.role == Role::Main);
        Ok(LocalDatacenter {
            main: main.ok_or(StartError::NoDatacenter)?.clone(),
            hub,
            operator,
            key,
            addresses: main_addresses(&sites),
            sites,
            clock,
            stop,
            tasks,
        })
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("listen", &self.listen)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

/// The directory of the files that belong to a state file.
fn beside(state: &Path) -> PathBuf {
    let mut name = state.as_os_str().to_owned();
    name.push(".files");
    name.into()
}

fn check(endpoints: &[Endpoint]) -> Result<(), StartError> {
    for endpoint in endpoints {
        let dc_id = endpoint.dc_id;
        let is_cdn = endpoint.role == Role::Cdn;
        let both = endpoints
            .iter()
            .any(|other| other.dc_id == dc_id && (other.role == Role::Cdn) != is_cdn);
        if both || !(1..=9999).contains(&dc_id) {
            return Err(StartError::DatacenterNumber { dc_id });
        }
    }
    Ok(())
}

/// What datacenters without sockets tell of where they are.
const NOWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 443);

/// Where the listener with this place in the order is.
fn place(first: SocketAddr, at: usize, ipv6: bool) -> SocketAddr {
    let mut address = first;
    if address.port() != 0 {
        address.set_port(address.port().saturating_add(at as u16));
    }
    match address.ip() {
        IpAddr::V4(ip) if ipv6 && ip.is_unspecified() => {
            address.set_ip(Ipv6Addr::UNSPECIFIED.into());
        }
        IpAddr::V4(_) if ipv6 => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    address
}

type Sites = Vec<(Arc<Site>, Option<SocketAddr>)>;

/// The first address of each datacenter that has accounts.
fn main_addresses(sites: &Sites) -> Vec<(i32, SocketAddr)> {
    let mut found: Vec<(i32, SocketAddr)> = Vec::new();
    for (site, address) in sites {
        let endpoint = site.endpoint;
        let is_new = found.iter().all(|(id, _)| *id != endpoint.dc_id);
        if endpoint.role == Role::Main && is_new {
            found.extend(address.map(|address| (endpoint.dc_id, address)));
        }
    }
    found
}

fn lock(world: &Mutex<World>) -> std::sync::MutexGuard<'_, World> {
    world
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Delivers what the operator orders and what the world does at its own time.
async fn tend(
    hub: Arc<Hub>,
    mut orders: tokio::sync::mpsc::UnboundedReceiver<crate::model::Outcome>,
    stop: CancellationToken,
) {
    loop {
        let due = lock(&hub.world).poll_timeout();
        let wait = due.map(|at| at.saturating_sub(hub.clock.unix()));
        let expiry = hub.next_expiry().map(|at| hub.clock.instant(at));
        tokio::select! {
            outcome = orders.recv() => match outcome {
                Some(outcome) => hub.deliver(outcome),
                None => return,
            },
            () = tokio::time::sleep(wait.unwrap_or_default()), if wait.is_some() => {
                let outcome = lock(&hub.world).handle_timeout(hub.clock.unix());
                hub.deliver(outcome);
            }
            () = tokio::time::sleep_until(expiry.unwrap_or_else(Instant::now)), if expiry.is_some() => {
                hub.expire_sessions();
            }
            () = hub.rescheduled.notified() => {}
            () = stop.cancelled() => return,
        }
    }
}

/// The key beside the state file, made at the first start. Only its owner may read it.
fn stored_key(
    state: &Path,
    ending: &str,
    random: &mut dyn Random,
) -> Result<Arc<PrivateKey>, StartError> {
    let mut name = state.as_os_str().to_owned();
    name.push(ending);
    let path = PathBuf::from(name);
    let failed = |source| StartError::KeyFile {
        path: path.clone(),
        source,
    };
    match std::fs::read_to_string(&path) {
        Ok(pem) => Ok(Arc::new(PrivateKey::from_pem(&zeroize::Zeroizing::new(
            pem,
        ))?)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let key = PrivateKey::generate(random)?;
            write_secret(&path, key.to_pem().as_bytes()).map_err(failed)?;
            Ok(Arc::new(key))
        }
        Err(error) => Err(failed(error)),
    }
}

/// Writes a whole file or none, readable by its owner alone.
fn write_secret(path: &Path, content: &[u8]) -> std::io::Result<()> {
    use std::io::Write;
    let mut partial = path.as_os_str().to_owned();
    partial.push(".part");
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&partial)?;
    file.write_all(content)?;
    file.sync_all()?;
    std::fs::rename(partial, path)
}

/// What [`LocalDatacenter::restart`] loses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lost {
    /// Sessions: clients get `new_session_created`, unanswered calls are not answered.
    pub sessions: bool,
    /// Salts: clients get `bad_server_salt`.
    pub salts: bool,
    /// Auth keys, and with them all logins: clients get -404.
    pub keys: bool,
}

/// A datacenter that runs in this process.
///
/// It ends with [`shutdown`](Self::shutdown) or when it is dropped.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use actogram_local_datacenter::LocalDatacenter;
///
/// let datacenter = LocalDatacenter::builder().start().await?;
/// let bot = datacenter.operator().create_bot("echo_bot", "Echo")?;
/// println!("a client connects to {:?} with the key\n{}", datacenter.address(), datacenter.public_key_pem()?);
/// datacenter.shutdown().await;
/// # Ok(()) }
/// ```
pub struct LocalDatacenter {
    hub: Arc<Hub>,
    operator: Operator,
    key: Arc<PrivateKey>,
    sites: Sites,
    main: Arc<Site>,
    addresses: Vec<(i32, SocketAddr)>,
    clock: Clock,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl LocalDatacenter {
    /// Starts describing a datacenter: number 2, any port of this machine, state in memory.
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// Where the first datacenter listens; `None` if it opened no socket.
    pub fn address(&self) -> Option<SocketAddr> {
        self.addresses.first().map(|(_, address)| *address)
    }

    /// The number and the first address of every datacenter that has accounts.
    pub fn addresses(&self) -> &[(i32, SocketAddr)] {
        &self.addresses
    }

    /// Every listener with its address; none if no socket was opened.
    pub fn endpoints(&self) -> impl Iterator<Item = (Endpoint, SocketAddr)> {
        let listening = self.sites.iter();
        listening.filter_map(|(site, address)| address.map(|address| (site.endpoint, address)))
    }

    /// The number of the datacenter at which accounts are at home of which nothing else is said.
    pub fn dc_id(&self) -> i32 {
        self.main.endpoint.dc_id
    }

    /// The key of a CDN, which clients learn by `help.getCdnConfig`.
    pub fn cdn_public_key(&self, dc_id: i32) -> Option<PublicKey> {
        let site = self.cdn_sites(dc_id).next()?;
        Some(site.key().public().clone())
    }

    fn cdn_sites(&self, dc_id: i32) -> impl Iterator<Item = &Arc<Site>> {
        let all = self.sites.iter().map(|(site, _)| site);
        all.filter(move |site| site.endpoint.role == Role::Cdn && site.endpoint.dc_id == dc_id)
    }

    /// Lets a CDN offer another RSA key from now on, as it may at any time. Clients that learned the one before ask
    /// `help.getCdnConfig` again. Tells whether there is such a CDN.
    ///
    /// # Errors
    /// [`KeyError`] if the key is one that PEM cannot hold.
    pub fn renew_cdn_key(&self, dc_id: i32, key: &Arc<PrivateKey>) -> Result<bool, KeyError> {
        let pem = key.public().to_pem()?;
        let known = lock(&self.hub.world).renew_cdn_key(dc_id, pem);
        for site in self.cdn_sites(dc_id) {
            site.set_key(key.clone());
        }
        Ok(known)
    }

    /// The key that clients must know.
    pub fn public_key(&self) -> &PublicKey {
        self.key.public()
    }

    /// The same in PEM, PKCS#1.
    ///
    /// # Errors
    /// [`KeyError`] if the key is one that PEM cannot hold.
    pub fn public_key_pem(&self) -> Result<String, KeyError> {
        self.key.public().to_pem()
    }

    /// Creates accounts, plays people, looks at what is stored, and orders errors of methods.
    pub fn operator(&self) -> Operator {
        self.operator.clone()
    }

    /// Orders faults for connections to come.
    pub fn faults(&self) -> WireFaults {
        self.hub.faults.clone()
    }

    /// Mounts attacks on clients: what a hostile server could send.
    pub fn attacks(&self) -> Attacks {
        self.hub.attacks.clone()
    }

    /// Cuts every connection and forgets what a restart of the datacenter may lose. Accounts and messages stay.
    pub fn restart(&self, lost: Lost) {
        self.hub.cut_all();
        if lost.sessions || lost.keys {
            self.hub.forget_sessions();
        }
        if lost.salts {
            self.hub.forget_salts();
        }
        if lost.keys {
            self.hub.lose_keys_where(|_| true);
        }
    }

    /// The datacenter's clock, to skew it.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Cuts every connection at hand; sessions stay. Tells how many there were.
    pub fn cut_connections(&self) -> usize {
        self.hub.cut_all()
    }

    /// Cuts the connections of one auth key.
    pub fn cut_connections_of(&self, auth_key_id: i64) -> usize {
        self.hub.cut_key(auth_key_id)
    }

    /// Forgets all sessions, as a restart does: unanswered calls and unread updates with them.
    pub fn forget_sessions(&self) {
        self.hub.forget_sessions();
    }

    /// Forgets all server salts: every client's next message has a wrong one.
    pub fn forget_salts(&self) {
        self.hub.forget_salts();
    }

    /// Makes new salts current now. The ones before stay good for half an hour.
    pub fn rotate_salts(&self) {
        self.hub.rotate_salts();
    }

    /// Loses an auth key and everything bound to it: its client gets -404.
    pub fn lose_key(&self, auth_key_id: i64) -> bool {
        self.hub.lose_key(auth_key_id)
    }

    /// Loses all temporary keys: their clients get -404 and bind new ones. Tells how many there were.
    pub fn lose_temporary_keys(&self) -> usize {
        self.hub.lose_keys_where(|key| key.expires_at.is_some())
    }

    /// Loses all keys of one datacenter, as a CDN may at any time. Tells how many there were.
    pub fn lose_keys_of(&self, dc_id: i32) -> usize {
        self.hub.lose_keys_where(|key| key.dc_id == Some(dc_id))
    }

    /// What is taken for a key that was copied, from now on; at first nothing is.
    pub fn set_key_sharing(&self, sharing: KeySharing) {
        self.hub.set_key_sharing(sharing);
    }

    /// How strict sessions that begin from now on are.
    pub fn set_strictness(&self, strictness: Strictness) {
        self.hub.set_strictness(strictness);
    }

    /// Connections and sessions at hand.
    pub fn counts(&self) -> (usize, usize) {
        self.hub.counts()
    }

    /// A connection that goes through no socket: for virtual time and simulations.
    pub fn connect(&self) -> DuplexStream {
        self.connector()()
    }

    /// What makes such connections, to be handed to clients.
    pub fn connector(&self) -> impl Fn() -> DuplexStream + Send + Sync + 'static {
        self.connector_at(self.main.clone())
    }

    /// What makes such connections to the first listener of this number and role; `None` if there is none.
    pub fn connector_to(
        &self,
        dc_id: i32,
        role: Role,
    ) -> Option<impl Fn() -> DuplexStream + Send + Sync + 'static> {
        let wanted = |site: &Site| site.endpoint.dc_id == dc_id && site.endpoint.role == role;
        let (site, _) = self.sites.iter().find(|(site, _)| wanted(site))?;
        Some(self.connector_at(site.clone()))
    }

    fn connector_at(
        &self,
        site: Arc<Site>,
    ) -> impl Fn() -> DuplexStream + Send + Sync + use<> + 'static {
        let (hub, stop, tasks) = (self.hub.clone(), self.stop.clone(), self.tasks.clone());
        move || {
            let (client, server) = tokio::io::duplex(64 * 1024);
            let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
            let serving = serve(hub.clone(), server, site.clone(), address, stop.clone());
            // The tracker is closed to say that it may be waited for; it takes tasks all the same.
            tasks.spawn(serving);
            client
        }
    }

    /// Says what is answered already, closes all connections and waits until everything has ended; 4 s at most.
    pub async fn shutdown(self) {
        self.stop.cancel();
        self.tasks.wait().await;
    }
}

impl Drop for LocalDatacenter {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl fmt::Debug for LocalDatacenter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalDatacenter")
            .field("addresses", &self.addresses)
            .finish_non_exhaustive()
    }
}

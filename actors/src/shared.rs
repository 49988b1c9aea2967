//! What the actors of one account share.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc, Mutex, OnceLock, PoisonError, Weak,
        atomic::{AtomicBool, AtomicI32, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use actix::Addr;
use actogram_crypto::random::{self, Random};
use actogram_mtproto::Now;
use actogram_store::{AccountStore, DcOption, KeyKind, SelfUser, Write};
use tokio::{
    runtime::Handle,
    sync::{Mutex as AsyncMutex, Notify, Semaphore, broadcast, watch},
    time::Instant,
};

use crate::{
    activity::Activity,
    api::{ApiActor, Floods, Halt, Limiter, Queues},
    channels::Channels,
    config::AccountConfig,
    crypto_pool::CryptoPool,
    datacenter::{ConnectionActor, DatacenterActor, Options, StopConnection, TemporaryKeys},
    error::CallError,
    events::{AccountEvent, ShutdownStep, StopReason},
    satellites::{Purpose, SatellitesActor, Site, Table},
    sequencer::UpdatesActor,
    transfers::{Lanes, TransfersActor, Uploads},
    updates::{MANY_QUERIES, Room, UpdateSink},
};

/// Makes sources of random bytes.
pub(crate) type RandomFactory = Arc<dyn Fn() -> Box<dyn Random> + Send + Sync>;

/// The pause between two reads while many queries wait.
const READ_PAUSE: Duration = Duration::from_millis(20);

/// How many events a slow listener may be behind.
const EVENTS: usize = 64;

/// The addresses of an account's actors. They are the same for the account's whole life.
pub(crate) struct Addresses {
    pub(crate) api: Addr<ApiActor>,
    pub(crate) datacenter: Addr<DatacenterActor>,
    pub(crate) connection: Addr<ConnectionActor>,
    pub(crate) updates: Addr<UpdatesActor>,
    pub(crate) transfers: Addr<TransfersActor>,
    pub(crate) satellites: Addr<SatellitesActor>,
}

/// What the actors of one account share, and its handles too.
pub(crate) struct Shared {
    pub(crate) config: AccountConfig,
    pub(crate) store: AccountStore,
    pub(crate) crypto: CryptoPool,
    pub(crate) calls: Arc<Semaphore>,
    pub(crate) bytes: Arc<Semaphore>,
    pub(crate) queues: Arc<Queues>,
    pub(crate) limiter: Limiter,
    /// Until when the datacenter wants no calls.
    pub(crate) floods: Floods,
    pub(crate) room: Arc<Room>,
    pub(crate) channels: Channels,
    pub(crate) satellites: Table,
    pub(crate) options: Options,
    /// One move at a time.
    pub(crate) moving: AsyncMutex<()>,
    pub(crate) lanes: Lanes,
    pub(crate) uploads: Uploads,
    /// A random number of this process's own.
    pub(crate) process: i64,
    temporary_keys: TemporaryKeys,
    /// The datacenter that calls go to.
    dc: AtomicI32,
    /// The account and what this is for, where it is a datacenter beside the account's own.
    beside: Option<(Weak<Self>, Site)>,
    /// One key is made for a datacenter, whoever wants one first.
    key_makers: Mutex<BTreeMap<i32, Arc<AsyncMutex<()>>>>,
    pub(crate) origin: Instant,
    random: RandomFactory,
    ids: Mutex<Box<dyn Random>>,
    addresses: OnceLock<Addresses>,
    /// There is none until somebody listens: it takes some KiB.
    events: OnceLock<broadcast::Sender<AccountEvent>>,
    stopped: watch::Sender<Option<StopReason>>,
    me: Mutex<Option<SelfUser>>,
    sink: Mutex<Option<Arc<dyn UpdateSink>>>,
    following: AtomicBool,
    ledger: AtomicU64,
    closing: AtomicBool,
    in_flight: AtomicUsize,
    shutdown: AtomicUsize,
    queries: AtomicUsize,
    drained: Notify,
    /// Never open; it is closed with the account.
    gate: Semaphore,
    runtime: Handle,
    next_call: AtomicU64,
    pub(crate) activity: Activity,
}

impl Shared {
    pub(crate) fn new(
        config: AccountConfig,
        crypto: CryptoPool,
        random: RandomFactory,
        me: Option<SelfUser>,
        channels: Channels,
        options: Vec<DcOption>,
    ) -> Self {
        let store = config.store.account(config.name.as_str());
        Self {
            calls: Arc::new(Semaphore::new(
                config.limits.calls.min(Semaphore::MAX_PERMITS),
            )),
            bytes: Arc::new(Semaphore::new(
                config.limits.bytes.min(Semaphore::MAX_PERMITS),
            )),
            queues: Arc::default(),
            limiter: Limiter::default(),
            floods: Floods::default(),
            gate: Semaphore::new(0),
            runtime: Handle::current(),
            room: Arc::default(),
            channels,
            satellites: Table::default(),
            options: Options::new(options),
            moving: AsyncMutex::default(),
            lanes: Lanes::default(),
            uploads: Uploads::default(),
            process: random::i64(&mut *random()),
            temporary_keys: TemporaryKeys::default(),
            dc: AtomicI32::new(config.main_dc),
            beside: None,
            key_makers: Mutex::default(),
            origin: Instant::now(),
            ids: Mutex::new(random()),
            random,
            addresses: OnceLock::new(),
            events: OnceLock::new(),
            stopped: watch::Sender::new(None),
            me: Mutex::new(me),
            sink: Mutex::new(None),
            following: AtomicBool::new(false),
            ledger: AtomicU64::new(0),
            closing: AtomicBool::new(false),
            in_flight: AtomicUsize::new(0),
            shutdown: AtomicUsize::new(0),
            queries: AtomicUsize::new(0),
            drained: Notify::new(),
            next_call: AtomicU64::new(1),
            activity: Activity::default(),
            config,
            store,
            crypto,
        }
    }

    /// For a datacenter beside the account's own: its calls and its connection, but not its updates.
    pub(crate) fn satellite(main: &Arc<Self>, site: Site, channels: Channels) -> Self {
        let mut config = main.config.clone();
        config.main_dc = site.dc;
        config.addresses = main.candidates(site.dc, site.purpose);
        if site.purpose == Purpose::Cdn {
            // A key of the one must never do for the other, and a CDN is told nothing.
            config.rsa_keys = main.options.cdn_keys(site.dc);
            config.init = config.init.anonymous();
        }
        let (crypto, random) = (main.crypto.clone(), main.random.clone());
        Self {
            beside: Some((Arc::downgrade(main), site)),
            temporary_keys: main.temporary_keys.clone(),
            ..Self::new(config, crypto, random, None, channels, Vec::new())
        }
    }

    /// Whether this is a datacenter beside the account's own.
    pub(crate) fn is_satellite(&self) -> bool {
        self.beside.is_some()
    }

    /// What this is for, where it is a datacenter beside the account's own.
    pub(crate) fn site(&self) -> Option<Site> {
        self.beside.as_ref().map(|(_, site)| *site)
    }

    /// Whether temporary keys stand for the permanent one. A CDN knows nobody for whom they could.
    pub(crate) fn has_forward_secrecy(&self) -> bool {
        self.config.forward_secrecy && self.key_kind() == KeyKind::Permanent
    }

    pub(crate) fn temporary_keys(&self) -> &TemporaryKeys {
        &self.temporary_keys
    }

    /// Whether the key is the account's own, which is not this one's to replace.
    pub(crate) fn has_accounts_key(&self) -> bool {
        let main = self.beside.as_ref().and_then(|(main, _)| main.upgrade());
        main.is_some_and(|main| main.dc() == self.dc())
    }

    /// What kind of key does here.
    pub(crate) fn key_kind(&self) -> KeyKind {
        match &self.beside {
            Some((_, site)) if site.purpose == Purpose::Cdn => KeyKind::Cdn,
            _ => KeyKind::Permanent,
        }
    }

    /// Whoever has it may read and make the key of this datacenter. `None`: nobody else does.
    pub(crate) fn key_maker(&self) -> Option<Arc<AsyncMutex<()>>> {
        let main = self.beside.as_ref().and_then(|(main, _)| main.upgrade())?;
        let mut makers = main
            .key_makers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        Some(makers.entry(self.dc()).or_default().clone())
    }

    /// The datacenter that calls go to.
    pub(crate) fn dc(&self) -> i32 {
        self.dc.load(Ordering::Acquire)
    }

    /// Calls go to this datacenter from now on.
    pub(crate) fn set_dc(&self, dc: i32) {
        self.dc.store(dc, Ordering::Release);
    }

    pub(crate) fn introduce(&self, addresses: Addresses) {
        // There is one assembly per account.
        let _ = self.addresses.set(addresses);
    }

    /// `None` only while the account is being put together.
    pub(crate) fn addresses(&self) -> Option<&Addresses> {
        self.addresses.get()
    }

    pub(crate) fn now(&self) -> Now {
        Now {
            monotonic: self.monotonic(),
            unix: self.config.clock.unix(),
        }
    }

    pub(crate) fn monotonic(&self) -> Duration {
        self.origin.elapsed()
    }

    /// The instant of a time on the monotonic clock.
    pub(crate) fn instant(&self, monotonic: Duration) -> Instant {
        self.origin + monotonic
    }

    pub(crate) fn random(&self) -> Box<dyn Random> {
        (self.random)()
    }

    pub(crate) fn random_id(&self) -> i64 {
        random::i64(&mut *self.ids.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Between 0 and 1.
    pub(crate) fn jitter(&self) -> f64 {
        let word = random::u32(&mut *self.ids.lock().unwrap_or_else(PoisonError::into_inner));
        f64::from(word) / f64::from(u32::MAX)
    }

    pub(crate) fn next_call(&self) -> u64 {
        self.next_call.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn emit(&self, event: AccountEvent) {
        if let Some((main, _)) = &self.beside {
            let own = matches!(
                event,
                AccountEvent::Stopped(_) | AccountEvent::LoggedOut { .. }
            );
            if let Some(main) = main.upgrade().filter(|_| !own) {
                main.emit(event);
            }
            return;
        }
        self.activity.note(self.monotonic(), &event);
        tracing::info!(account = %self.config.name, ?event, "account event");
        if let Some(events) = self.events.get() {
            // Nobody listens any more: so be it.
            let _ = events.send(event);
        }
    }

    pub(crate) fn listen(&self) -> broadcast::Receiver<AccountEvent> {
        let events = self.events.get_or_init(|| broadcast::Sender::new(EVENTS));
        events.subscribe()
    }

    /// Says that the account cannot go on. Only the first reason counts.
    pub(crate) fn stop(&self, reason: StopReason) {
        let first = self.stopped.send_if_modified(|stopped| {
            let first = stopped.is_none();
            stopped.get_or_insert_with(|| reason.clone());
            first
        });
        if first {
            self.emit(AccountEvent::Stopped(reason));
            // Whoever waits learns of it now, wherever the call is.
            if let Some(addresses) = self.addresses() {
                addresses.api.do_send(Halt);
                addresses.connection.do_send(StopConnection);
            }
        }
    }

    /// Takes back a reason that a new key removes.
    pub(crate) fn resume(&self) {
        self.stopped.send_if_modified(|stopped| {
            let healed = matches!(
                stopped,
                Some(StopReason::AuthKeyUnknown { .. } | StopReason::AuthKeyDuplicated)
            );
            if healed {
                *stopped = None;
            }
            healed
        });
    }

    pub(crate) fn stopped(&self) -> Option<StopReason> {
        self.stopped.borrow().clone()
    }

    pub(crate) fn watch_stopped(&self) -> watch::Receiver<Option<StopReason>> {
        self.stopped.subscribe()
    }

    pub(crate) fn me(&self) -> Option<SelfUser> {
        *self.me.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_me(&self, me: Option<SelfUser>) -> Option<SelfUser> {
        std::mem::replace(
            &mut *self.me.lock().unwrap_or_else(PoisonError::into_inner),
            me,
        )
    }

    /// The other side ended the login. Tells of it once, however many calls learn of it.
    pub(crate) fn logged_out(&self, why: &str) {
        if self.set_me(None).is_none() {
            return;
        }
        self.store.write(Write::SelfUser(None));
        self.emit(AccountEvent::LoggedOut {
            why: why.to_owned(),
        });
        if let Some(addresses) = self.addresses() {
            addresses.updates.do_send(crate::sequencer::LoggedOut);
        }
    }

    /// Where updates go. It outlives the lives of their actor.
    pub(crate) fn sink(&self) -> Option<Arc<dyn UpdateSink>> {
        self.sink
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn set_sink(&self, sink: Option<Arc<dyn UpdateSink>>) {
        *self.sink.lock().unwrap_or_else(PoisonError::into_inner) = sink;
    }

    /// Whether updates are to be followed, in the next life of their actor too.
    pub(crate) fn is_following(&self) -> bool {
        self.following.load(Ordering::Acquire)
    }

    pub(crate) fn set_following(&self, following: bool) {
        self.following.store(following, Ordering::Release);
    }

    /// A number for a new ledger. Those before it no longer say how far updates were handled.
    pub(crate) fn next_ledger(&self) -> u64 {
        self.ledger.fetch_add(1, Ordering::AcqRel) + 1
    }

    pub(crate) fn present_ledger(&self) -> u64 {
        self.ledger.load(Ordering::Acquire)
    }

    /// How many queries wait for handlers.
    pub(crate) fn note_queries(&self, waiting: usize) {
        self.queries.store(waiting, Ordering::Release);
    }

    /// How long to wait before more is read from the datacenter. Reading never ends: handlers may be waiting for answers.
    pub(crate) fn pause_between_reads(&self) -> Option<Duration> {
        let times = self.queries.load(Ordering::Acquire) / MANY_QUERIES;
        u32::try_from(times)
            .ok()
            .filter(|times| *times > 0)
            .map(|times| READ_PAUSE * times)
    }

    /// A step of the shutdown is reached; each is told of once.
    pub(crate) fn shutting_down(&self, step: ShutdownStep) {
        let reached = 1 + step as usize;
        if self.shutdown.fetch_max(reached, Ordering::AcqRel) < reached {
            self.emit(AccountEvent::ShuttingDown(step));
        }
    }

    pub(crate) fn close(&self) {
        let satellites = self.satellites.lock();
        for satellite in satellites.unwrap_or_else(PoisonError::into_inner).values() {
            satellite.shared.close();
        }
        self.closing.store(true, Ordering::Release);
        self.gate.close();
        self.calls.close();
        self.bytes.close();
    }

    /// Resolves when no call can be made any more. `None`: because the account is being shut down.
    pub(crate) async fn ended(&self) -> Option<CallError> {
        let mut stopped = self.watch_stopped();
        let why = async {
            match stopped.wait_for(Option::is_some).await {
                Ok(reason) => reason.clone().map(CallError::Stopped),
                Err(_) => None,
            }
        };
        tokio::select! {
            biased;
            _ = self.gate.acquire() => None,
            why = why => why,
        }
    }

    /// Resolves at this time on the monotonic clock, whatever polls it.
    pub(crate) fn sleep_until(&self, monotonic: Duration) -> tokio::time::Sleep {
        let _runtime = self.runtime.enter();
        tokio::time::sleep_until(self.instant(monotonic))
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    pub(crate) fn call_began(&self) {
        self.in_flight.fetch_add(1, Ordering::AcqRel);
    }

    pub(crate) fn call_ended(&self) {
        if self.in_flight.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.drained.notify_waiters();
        }
    }

    /// How many calls have not ended.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Acquire)
    }

    /// Resolves when no call is under way.
    pub(crate) async fn drained(&self) {
        loop {
            let drained = self.drained.notified();
            if self.in_flight() == 0 {
                return;
            }
            drained.await;
        }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl Shared {
    /// How many permits for bytes a call takes: its length, or all there are if it is longer than that.
    pub(crate) fn weight(&self, body: &bytes::Bytes) -> u32 {
        u32::try_from(body.len().clamp(1, self.config.limits.bytes.max(1))).unwrap_or(u32::MAX)
    }
}

//! Threads for accounts, handlers and cryptography, and the way accounts get onto them.

use std::{
    fmt, io,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread::JoinHandle,
    time::Duration,
};

use actix_rt::{ArbiterHandle, System};
use actogram_crypto::random::{self, Buffered, OsRandom, Random};
use actogram_runtime::{Blocked, Supervisor, Watchdog};
use actogram_store::StoreError;
use tokio::sync::{mpsc as tokio_mpsc, oneshot};

use crate::{
    account::Account, config::AccountConfig, crypto_pool::CryptoPool, shared::RandomFactory,
};

/// How many threads work on cryptography at most, unless the builder says otherwise.
const CRYPTO_THREADS: usize = 4;

/// How long one of the engine's threads may stand still before it is reported, unless the builder says otherwise.
const STANDSTILL: Duration = Duration::from_secs(1);

/// What runs accounts: threads for their actors, for handlers, and for cryptography. Cheap to clone; one is enough for
/// a process.
///
/// It needs neither an actix system nor a tokio runtime of its caller's, so it works under `#[tokio::main]` and
/// `#[actix::main]` alike. Its threads end when the last clone and the last account of it are gone.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

struct Inner {
    /// Empty: everything runs on the caller's `LocalSet`.
    arbiters: Vec<Worker>,
    handlers: Vec<Worker>,
    next_arbiter: AtomicUsize,
    next_handler: AtomicUsize,
    crypto: CryptoPool,
    random: RandomFactory,
    watchdog: Option<Watchdog>,
}

/// A thread with an actix system, so that it has an arbiter.
struct Worker {
    system: System,
    arbiter: ArbiterHandle,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Worker {
    fn start(name: String) -> io::Result<Self> {
        let (sender, receiver) = mpsc::channel();
        let thread = std::thread::Builder::new().name(name).spawn(move || {
            let runner = System::new();
            let system = System::current();
            // The receiver waits for exactly this.
            let _ = sender.send((system.clone(), system.arbiter().clone()));
            if let Err(error) = runner.run() {
                tracing::error!(%error, "a thread of the engine ended with an error");
            }
        })?;
        let (system, arbiter) = receiver
            .recv()
            .map_err(|_| io::Error::other("a thread of the engine did not start"))?;
        Ok(Self {
            system,
            arbiter,
            thread: Mutex::new(Some(thread)),
        })
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.system.stop();
        let thread = self
            .thread
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        // Joining could wait for a handler of the user's that blocks; the thread ends by itself.
        drop(thread);
    }
}

/// Describes an [`Engine`].
pub struct EngineBuilder {
    arbiters: usize,
    handler_arbiters: usize,
    crypto_threads: usize,
    random: RandomFactory,
    standstill: Duration,
}

impl Default for EngineBuilder {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            arbiters: 1,
            handler_arbiters: 1,
            crypto_threads: cores.min(CRYPTO_THREADS),
            random: Arc::new(|| Box::new(Buffered::new(OsRandom))),
            standstill: STANDSTILL,
        }
    }
}

impl EngineBuilder {
    /// How many threads the actors of accounts are spread over. All actors of one account share one. Default 1, which is
    /// enough for hundreds of accounts.
    pub fn arbiters(mut self, count: usize) -> Self {
        self.arbiters = count.max(1);
        self
    }

    /// How many threads handlers and loops run on. Default 1.
    pub fn handler_arbiters(mut self, count: usize) -> Self {
        self.handler_arbiters = count.max(1);
        self
    }

    /// How many threads work on cryptography. Default: one per core, at most four.
    pub fn crypto_threads(mut self, count: usize) -> Self {
        self.crypto_threads = count.max(1);
        self
    }

    /// Where random bytes come from: one source per connection. Only simulations have reason to change this.
    pub fn random(mut self, source: impl Fn() -> Box<dyn Random> + Send + Sync + 'static) -> Self {
        self.random = Arc::new(source);
        self
    }

    /// How long one of the engine's threads may stand still, because something on it blocks, before the log and
    /// [`Engine::blocked`] name what holds it. Default 1 s; zero watches nothing.
    pub fn standstill(mut self, limit: Duration) -> Self {
        self.standstill = limit;
        self
    }

    /// Starts the threads.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(self) -> io::Result<Engine> {
        let workers = |count, name: &str| -> io::Result<Vec<_>> {
            (0..count)
                .map(|number| Worker::start(format!("actogram-{name}-{number}")))
                .collect()
        };
        let arbiters = workers(self.arbiters, "accounts")?;
        let handlers = workers(self.handler_arbiters, "handlers")?;
        let watchdog = (!self.standstill.is_zero()).then(|| Watchdog::start(self.standstill));
        if let Some(watchdog) = &watchdog {
            for (kind, workers) in [("accounts", &arbiters), ("handlers", &handlers)] {
                for (number, worker) in workers.iter().enumerate() {
                    watchdog.watch(&worker.arbiter, format!("{kind}-{number}"));
                }
            }
        }
        Ok(Engine {
            inner: Arc::new(Inner {
                arbiters,
                handlers,
                next_arbiter: AtomicUsize::new(0),
                next_handler: AtomicUsize::new(0),
                crypto: CryptoPool::start(self.crypto_threads)?,
                random: self.random,
                watchdog,
            }),
        })
    }

    /// Starts nothing: everything runs on the caller's `LocalSet`, one thing at a time, cryptography included. For virtual
    /// time and simulations.
    pub fn on_local_set(self) -> Engine {
        Engine {
            inner: Arc::new(Inner {
                arbiters: Vec::new(),
                handlers: Vec::new(),
                next_arbiter: AtomicUsize::new(0),
                next_handler: AtomicUsize::new(0),
                crypto: CryptoPool::Inline,
                random: self.random,
                // It looks at the real clock, and here time is virtual.
                watchdog: None,
            }),
        }
    }
}

impl fmt::Debug for EngineBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EngineBuilder")
            .field("arbiters", &self.arbiters)
            .field("handler_arbiters", &self.handler_arbiters)
            .field("crypto_threads", &self.crypto_threads)
            .finish_non_exhaustive()
    }
}

/// Why an account could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Its record could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No address of its datacenter was given.
    #[error("no address of datacenter {dc} was given; add one to the configuration")]
    NoAddress {
        /// The datacenter the account lives in.
        dc: i32,
    },
    /// No RSA key was given, so no datacenter can be trusted.
    #[error("no RSA key of the datacenter was given; without one, no server can be trusted")]
    NoKey,
    /// The engine's threads have ended.
    #[error("the engine has ended; start another")]
    Ended,
}

impl Engine {
    /// Describes an engine.
    pub fn builder() -> EngineBuilder {
        EngineBuilder::default()
    }

    /// The engine on the caller's `LocalSet`; see [`EngineBuilder::on_local_set`].
    pub fn on_local_set() -> Self {
        Self::builder().on_local_set()
    }

    /// The engine of this process, started when it is first asked for.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn shared() -> io::Result<Self> {
        static SHARED: OnceLock<Mutex<Option<Engine>>> = OnceLock::new();
        let mut shared = SHARED
            .get_or_init(Mutex::default)
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(engine) = &*shared {
            return Ok(engine.clone());
        }
        let engine = Self::builder().start()?;
        *shared = Some(engine.clone());
        Ok(engine)
    }

    /// A thread for handlers and loops, each time the next one; `None` if everything runs on the caller's `LocalSet`.
    pub fn handler_arbiter(&self) -> Option<ArbiterHandle> {
        pick(&self.inner.handlers, &self.inner.next_handler)
    }

    /// Tells when something blocks one of the engine's threads for longer than
    /// [`standstill`](EngineBuilder::standstill) says: which loop or actor, where, and for how long. The accounts' own
    /// threads are apart from those of handlers and loops, so connections stay alive meanwhile. Nothing is told on a
    /// `LocalSet`.
    pub fn blocked(&self) -> tokio_mpsc::UnboundedReceiver<Blocked> {
        match &self.inner.watchdog {
            Some(watchdog) => watchdog.events(),
            None => tokio_mpsc::unbounded_channel().1,
        }
    }

    /// Starts the actors of an account. It connects at once, and makes an auth key if it has none.
    ///
    /// # Errors
    /// [`OpenError`]. A datacenter that cannot be reached is none: the account keeps trying.
    pub async fn open(&self, config: AccountConfig) -> Result<Account, OpenError> {
        let record = config.store.account(config.name.as_str()).load().await?;
        let mut config = config;
        config.main_dc = record.main_dc.unwrap_or(config.main_dc);
        let configured = config.addresses.iter().any(|it| it.dc == config.main_dc);
        let told = record.dc_options.iter().any(|it| it.dc == config.main_dc);
        if !configured && !told {
            return Err(OpenError::NoAddress { dc: config.main_dc });
        }
        if config.rsa_keys.is_empty() {
            return Err(OpenError::NoKey);
        }
        let engine = self.clone();
        let assemble = move || Account::assemble(engine, config, &record);
        match pick(&self.inner.arbiters, &self.inner.next_arbiter) {
            None => Ok(assemble()),
            Some(arbiter) => {
                let (sender, receiver) = oneshot::channel();
                arbiter.spawn_fn(move || {
                    // Whoever asked may have gone: then the account ends again at once.
                    drop(sender.send(assemble()));
                });
                receiver.await.map_err(|_| OpenError::Ended)
            }
        }
    }

    pub(crate) fn crypto(&self) -> CryptoPool {
        self.inner.crypto.clone()
    }

    pub(crate) fn random(&self) -> RandomFactory {
        self.inner.random.clone()
    }

    /// A supervisor for the actors of one account: what brings one account down leaves the others alone.
    pub(crate) fn supervisor(&self, name: &str) -> Supervisor {
        // So that a simulation's seed decides about the jitter of restarts, too.
        let seed = random::i64(&mut (self.inner.random)()).cast_unsigned();
        Supervisor::root(name).seed(seed).start()
    }
}

fn pick(workers: &[Worker], next: &AtomicUsize) -> Option<ArbiterHandle> {
    if workers.is_empty() {
        return None;
    }
    let number = next.fetch_add(1, Ordering::Relaxed);
    workers
        .get(number % workers.len())
        .map(|worker| worker.arbiter.clone())
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("arbiters", &self.inner.arbiters.len())
            .field("handler_arbiters", &self.inner.handlers.len())
            .field("crypto", &self.inner.crypto)
            .finish()
    }
}

//! The account in programs without async code: calls that wait for their answer.
//!
//! [`Client`] keeps a thread on which the account's work goes on while the program's own thread does something else, or
//! waits. Every call there is waits in one of three ways:
//!
//! - each builder has `wait()`, which sends the call and gives its answer;
//! - [`Client::wait`] is given an async closure, for what is more than one call, or is no builder;
//! - [`Runtime::wait`] waits for any future.
//!
//! ```
//! use std::time::Duration;
//! use actogram::{Settings, blocking::Client, tl::functions};
//!
//! # fn main() -> actogram::Result<()> {
//! let mut settings = Settings::default();
//! settings.session = ":memory:".into();
//! settings.datacenter.embedded = true;
//! let client = Client::connect(actogram::Client::from_settings(settings))?;
//!
//! let config = client.api().invoke(functions::help::GetConfig {}).wait()?;
//! let me = client.wait(async |api| api.get_me().await)?;
//! assert!(me.bot);
//! client.shutdown(Duration::from_secs(10))?;
//! # Ok(()) }
//! ```
//!
//! # Not inside an async runtime
//! To wait there would stop the thread that other tasks, and perhaps the awaited one itself, run on. Everything here that
//! waits is refused with [`Error::InsideRuntime`] on a thread that has a tokio runtime: in a task, in a handler or loop, on
//! a thread of `spawn_blocking`. There, await; a blocking thread of an async program has tokio's `Handle::block_on`, and a
//! thread of `std::thread` may wait here.

use std::{
    fmt,
    future::IntoFuture,
    sync::{Arc, mpsc},
    time::Duration,
};

use actogram_tl::types;
use tokio::runtime::Handle;

use crate::{Api, ClientBuilder, Error, LoginPrompts, Result, ShutdownReport, calls::Pending};

/// How long a client that is dropped waits for its calls and handlers to end by themselves.
const DROP_DEADLINE: Duration = Duration::from_secs(10);

/// An error on a thread that belongs to a runtime.
fn outside_of_a_runtime() -> Result<()> {
    match Handle::try_current() {
        Ok(_) => Err(Error::InsideRuntime),
        Err(_) => Ok(()),
    }
}

/// Waits for a call whose account lives on `runtime`.
pub(crate) fn answer<T: Send + 'static>(runtime: &Handle, call: Pending<T>) -> Result<T> {
    outside_of_a_runtime()?;
    // A task rather than `Handle::block_on`, which panics if the runtime ends meanwhile: a task is dropped.
    let (sender, answer) = mpsc::sync_channel(1);
    runtime.spawn(async move { sender.send(call.await) });
    answer.recv().unwrap_or_else(|_| {
        Err(Error::Engine(
            "the runtime on which the client was connected has ended".to_owned(),
        ))
    })
}

/// The thread on which accounts go on while nobody waits. Cheap to clone; it ends with its last clone and client.
#[derive(Debug, Clone)]
pub struct Runtime {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner(Option<tokio::runtime::Runtime>);

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            // Its own `drop` waits, which it may not do everywhere.
            runtime.shutdown_background();
        }
    }
}

impl Runtime {
    /// Starts the thread.
    ///
    /// # Errors
    /// [`Error::Io`] if the system gives none.
    pub fn new() -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("actogram-blocking")
            .enable_all()
            .build()
            .map_err(|error| Error::io("starting a thread for blocking calls", error))?;
        Ok(Self {
            inner: Arc::new(Inner(Some(runtime))),
        })
    }

    /// Waits for any future, or builder, on the calling thread. It may be awaited for ever: see
    /// [`timeout`](crate::timeout()).
    ///
    /// ```
    /// # fn main() -> actogram::Result<()> {
    /// let runtime = actogram::blocking::Runtime::new()?;
    /// let both = runtime.wait(actogram::all([std::future::ready(Ok::<_, String>(1)), std::future::ready(Ok(2))]))?;
    /// assert_eq!(both, Ok([1, 2]));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Error::InsideRuntime`] on a thread that belongs to a runtime; nothing of the future has run then.
    pub fn wait<F: IntoFuture>(&self, future: F) -> Result<F::Output> {
        outside_of_a_runtime()?;
        match &self.inner.0 {
            Some(runtime) => Ok(runtime.block_on(async { future.await })),
            None => Err(Error::Engine("the runtime has ended".to_owned())),
        }
    }

    /// [`ClientBuilder::connect`] for an account that goes on on this runtime.
    ///
    /// # Errors
    /// [`Error::InsideRuntime`], and those of [`ClientBuilder::connect`].
    pub fn connect(&self, builder: ClientBuilder) -> Result<Client> {
        Ok(Client {
            client: Some(self.wait(builder.connect())??),
            runtime: self.clone(),
        })
    }
}

/// One account, whose calls wait. See the [module](self).
///
/// Dropped without [`shutdown`](Self::shutdown) it shuts down too, waiting up to ten seconds for calls under way and for
/// handlers; inside an async runtime, where it may not wait, it does so on a thread of its own.
pub struct Client {
    /// There until it is shut down.
    client: Option<crate::Client>,
    runtime: Runtime,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("account", &self.as_async().api.account().name())
            .finish_non_exhaustive()
    }
}

impl Client {
    /// Connects, on a runtime of the client's own.
    ///
    /// # Errors
    /// [`Error::InsideRuntime`], and those of [`ClientBuilder::connect`].
    pub fn connect(builder: ClientBuilder) -> Result<Self> {
        outside_of_a_runtime()?;
        Runtime::new()?.connect(builder)
    }

    /// The account's calls: each builder has `wait()`, and `detach()` for one whose answer is not waited for.
    pub fn api(&self) -> Api {
        self.as_async().api()
    }

    /// The async client: for handlers, loops and strands, which are async in any program.
    pub fn as_async(&self) -> &crate::Client {
        match &self.client {
            Some(client) => client,
            None => unreachable!("taken only by what ends the value it was in"),
        }
    }

    /// The runtime it goes on on.
    pub fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// Does something async with the account, and waits for it.
    ///
    /// ```no_run
    /// # fn act(client: actogram::blocking::Client) -> actogram::Result<()> {
    /// let sent = client.wait(async |api| {
    ///     actogram::all(["one", "two"].map(|text| api.send_message("me", text))).await
    /// })?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Those of `work`, and [`Error::InsideRuntime`]; then nothing of it has run.
    pub fn wait<T>(&self, work: impl AsyncFnOnce(Api) -> Result<T>) -> Result<T> {
        self.runtime.wait(work(self.api()))?
    }

    /// [`Client::log_in`](crate::Client::log_in), waited for.
    ///
    /// # Errors
    /// Those of [`Client::log_in`](crate::Client::log_in), and [`Error::InsideRuntime`].
    pub fn log_in(&self, prompts: &mut impl LoginPrompts) -> Result<types::User> {
        self.runtime.wait(self.as_async().log_in(prompts))?
    }

    /// Begins to receive updates: [`Client::start`](crate::Client::start), waited for.
    ///
    /// # Errors
    /// Those of [`Client::start`](crate::Client::start), and [`Error::InsideRuntime`].
    pub fn start(&self) -> Result<()> {
        self.runtime.wait(self.as_async().start())?
    }

    /// Runs handlers and loops until SIGINT or SIGTERM: [`Client::run`](crate::Client::run), waited for.
    ///
    /// # Errors
    /// Those of [`Client::run`](crate::Client::run), and [`Error::InsideRuntime`].
    pub fn run(self) -> Result<()> {
        self.finish(async |client| client.run().await)
    }

    /// Runs handlers and loops until `work` is done: [`Client::run_until`](crate::Client::run_until), waited for.
    ///
    /// # Errors
    /// Those of [`Client::run_until`](crate::Client::run_until), and [`Error::InsideRuntime`].
    pub fn run_until<T>(self, work: impl AsyncFnOnce(Api) -> Result<T>) -> Result<Option<T>> {
        let work = work(self.api());
        self.finish(async |client| client.run_until(work).await)
    }

    /// Ends the account in order: [`Client::shutdown`](crate::Client::shutdown), waited for.
    ///
    /// # Errors
    /// [`Error::InsideRuntime`]; the account then ends as when it is dropped.
    pub fn shutdown(self, deadline: Duration) -> Result<ShutdownReport> {
        self.finish(async |client| Ok(client.shutdown(deadline).await))
    }

    /// Waits for something that ends the account.
    fn finish<T>(mut self, end: impl AsyncFnOnce(crate::Client) -> Result<T>) -> Result<T> {
        outside_of_a_runtime()?;
        match self.client.take() {
            Some(client) => self.runtime.wait(end(client))?,
            None => Err(Error::Engine("the client has been shut down".to_owned())),
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let Some(client) = self.client.take() else {
            return;
        };
        let runtime = self.runtime.clone();
        let end = move || {
            // On a thread without a runtime, so that nothing can refuse it.
            let _ = runtime.wait(async { client.shutdown(DROP_DEADLINE).await });
        };
        if outside_of_a_runtime().is_ok() {
            end();
        } else if let Err(error) = std::thread::Builder::new().spawn(end) {
            tracing::warn!(%error, "a client that was dropped inside a runtime could not be shut down");
        }
    }
}

//! One account: connected, logged in, with its handlers and loops.

use std::{future::Future, path::PathBuf, sync::Arc, time::Duration};

use actogram_actors::{Account, AccountEvent, Engine, ShutdownReport};
use actogram_runtime::{Child, Failures, LoopRegistry};
use actogram_tl::types;
use tokio::time::Instant;

use crate::{
    Api, ClientBuilder, Error, Result, Secret, Settings,
    dispatcher::{Close, DispatcherActor, DispatcherSink, EventActors},
    inspect::Inspector,
    login::{LoginError, LoginPrompts},
};

/// How long a shutdown waits for calls and handlers to end by themselves.
const SHUTDOWN_DEADLINE: Duration = Duration::from_secs(10);

/// A year: of what is longer, the end cannot be computed everywhere.
const LONGEST_SHUTDOWN: Duration = Duration::from_secs(365 * 86_400);

/// One account, attached to an [`Engine`](crate::Engine).
///
/// ```no_run
/// use actogram::prelude::*;
///
/// #[tokio::main]
/// async fn main() -> Result<()> {
///     let client = Client::from_env()?.connect().await?;
///     client.on_message(async |_cx: Cx, msg: Msg| msg.reply(msg.text()).await.map(drop));
///     client.run().await
/// }
/// ```
pub struct Client {
    pub(crate) api: Api,
    pub(crate) engine: Engine,
    pub(crate) dispatcher: Child<DispatcherActor>,
    pub(crate) event_actors: EventActors,
    /// Errors of loops and forks that nobody awaits; one that must not be overlooked ends [`Client::run`].
    pub(crate) failures: Failures,
    pub(crate) loops: LoopRegistry,
    /// Lets other processes look in, while it is there.
    pub(crate) inspector: Option<Inspector>,
    pub(crate) embedded: Option<crate::builder::Embedded>,
}

impl Client {
    /// Starts describing a client whose state lives in the file `session`.
    pub fn builder(session: impl Into<PathBuf>) -> ClientBuilder {
        ClientBuilder::new(Settings::default()).session(session)
    }

    /// Starts describing a client from settings.
    pub fn from_settings(settings: Settings) -> ClientBuilder {
        ClientBuilder::new(settings)
    }

    /// Reads the settings from `actogram.toml`, if it is there, and the environment (`ACTOGRAM_…`).
    ///
    /// # Errors
    /// [`Error::Settings`], naming the setting that is malformed or unknown.
    pub fn from_env() -> Result<ClientBuilder> {
        let file = std::path::Path::new("actogram.toml");
        Ok(ClientBuilder::new(Settings::load(
            file.exists().then_some(file),
        )?))
    }

    /// The account's calls.
    pub fn api(&self) -> Api {
        self.api.clone()
    }

    /// Whether somebody is logged in.
    pub fn is_logged_in(&self) -> bool {
        self.api.me_id().is_some()
    }

    /// Logs a user in, asking `prompts` for what is needed. Does nothing if somebody is logged in.
    ///
    /// # Errors
    /// The datacenter's refusal, or [`LoginError`].
    pub async fn log_in(&self, prompts: &mut impl LoginPrompts) -> Result<types::User> {
        if self.is_logged_in() {
            return self.api.get_me().await;
        }
        self.api.log_in_user(prompts).await
    }

    pub(crate) async fn log_in_bot(&self, token: &Secret) -> Result<()> {
        if !self.is_logged_in() {
            self.api.log_in_bot(token).await?;
        }
        Ok(())
    }

    /// What happens to the account itself: connections, flood waits, logouts.
    pub fn events(&self) -> tokio::sync::broadcast::Receiver<AccountEvent> {
        self.account().events()
    }

    /// The account's loops by name: to pause, resume, signal or stop one from where its handle is not.
    pub fn loops(&self) -> &LoopRegistry {
        &self.loops
    }

    fn account(&self) -> &Account {
        self.api.account()
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Begins to receive updates; what came while the account was away is caught up with. [`run`](Self::run) does it by
    /// itself.
    ///
    /// # Errors
    /// [`LoginError::NotLoggedIn`], or the datacenter's refusal.
    pub async fn start(&self) -> Result<()> {
        if !self.is_logged_in() {
            return Err(LoginError::NotLoggedIn.into());
        }
        // Not before: what came to an account whose handlers are not there yet would count as handled.
        self.account()
            .set_update_sink(Arc::new(DispatcherSink(self.dispatcher.addr().clone())));
        self.account()
            .start_updates()
            .await
            .map_err(|error| Error::from_call("updates.getDifference", error))
    }

    /// Runs until SIGINT or SIGTERM, then shuts down in order. A second signal ends at once.
    ///
    /// # Errors
    /// [`LoginError::NotLoggedIn`] at once; later what ended the account: a logout by the other side, or the
    /// supervisor giving up.
    pub async fn run(self) -> Result<()> {
        self.run_until(std::future::pending::<Result<()>>())
            .await
            .map(|_| ())
    }

    /// Runs until `work` is done, and gives its value; `None` if it was told to stop before, as [`run`](Self::run) is.
    ///
    /// ```no_run
    /// # use actogram::prelude::*;
    /// # async fn start(client: Client) -> Result<()> {
    /// let api = client.api();
    /// let sent = client.run_until(async move { api.send_message("me", "done").await }).await?;
    /// println!("{:?}", sent.map(|message| message.id()));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Those of `work`, and those of [`run`](Self::run).
    pub async fn run_until<T>(self, work: impl Future<Output = Result<T>>) -> Result<Option<T>> {
        // Before anything that takes time: a program that is told to stop while it catches up stops in order, too.
        let mut signals = StopSignals::listen()?;
        let outcome = tokio::select! {
            outcome = self.start_and_work(work) => outcome.map(Some),
            () = signals.next() => {
                tracing::info!("stopping; a second signal ends at once");
                Ok(None)
            }
        };
        tokio::select! {
            _ = self.shutdown(SHUTDOWN_DEADLINE) => {}
            () = signals.next() => tracing::warn!("stopped by a second signal before everything was done"),
        }
        outcome
    }

    async fn start_and_work<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        self.start().await?;
        tokio::select! {
            done = work => done,
            failed = self.failed() => Err(failed),
        }
    }

    pub(crate) async fn ended(&self) -> Error {
        let reason = self.account().ended().await;
        Error::Engine(format!("the account ended: {reason}"))
    }

    /// Ends everything in order, and tells what was left undone. Each step is logged, and is an
    /// [`AccountEvent::ShuttingDown`]:
    ///
    /// 1. loops are stopped, and no update is given to handlers any more; what runs, and what was detached, has until
    ///    `deadline`, and may call;
    /// 2. new calls are refused, and given back; those under way have what is left of the time;
    /// 3. what is on its way is written, and the connection closed;
    /// 4. positions, keys and peers are stored.
    ///
    /// Updates that were not handled in time come again at the next start, with the same dedupe id.
    pub async fn shutdown(self, deadline: Duration) -> ShutdownReport {
        let deadline = deadline.min(LONGEST_SHUTDOWN);
        let until = Instant::now() + deadline;
        let (loops_left, updates_unhandled, ()) = tokio::join!(
            stop_loops(&self.loops, until),
            self.account().settle_updates(deadline),
            self.api.settle_detached(deadline),
        );
        self.dispatcher.addr().do_send(Close);
        let rest = until.saturating_duration_since(Instant::now());
        let mut report = self.account().shutdown(rest).await;
        report.loops_left = loops_left;
        // Some of them may have ended since, to no avail.
        report.updates_unhandled = updates_unhandled;
        self.dispatcher.stop();
        for actor in self.event_actors.all() {
            actor.stop();
        }
        drop(self.inspector);
        if let Some(embedded) = self.embedded {
            embedded.shutdown().await;
        }
        report
    }
}

/// Asks every loop to end, and ends those that have not by then. Returns their names.
async fn stop_loops(loops: &LoopRegistry, until: Instant) -> Vec<String> {
    let stopping = loops.all().into_iter().map(|one| async move {
        let ended = async {
            // One that is gone has ended.
            let _ = one.stop().await;
            let _ = one.until_ended().await;
        };
        if tokio::time::timeout_at(until, ended).await.is_ok() {
            one.actor().stop();
            return None;
        }
        let name = one.status().name;
        tracing::warn!(name, "the loop did not end by the deadline of the shutdown");
        one.actor().kill();
        Some(name)
    });
    let left = futures_util::future::join_all(stopping).await;
    left.into_iter().flatten().collect()
}

/// The signals that ask a program to stop.
#[cfg(unix)]
struct StopSignals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl StopSignals {
    /// From here on such a signal no longer ends the process by itself.
    fn listen() -> Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let listen = |kind, name: &str| {
            signal(kind).map_err(|error| Error::io(format!("listening for {name}"), error))
        };
        Ok(Self {
            interrupt: listen(SignalKind::interrupt(), "SIGINT")?,
            terminate: listen(SignalKind::terminate(), "SIGTERM")?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// The signals that ask a program to stop.
#[cfg(windows)]
struct StopSignals(tokio::signal::windows::CtrlC);

#[cfg(windows)]
impl StopSignals {
    /// From here on such a signal no longer ends the process by itself.
    fn listen() -> Result<Self> {
        tokio::signal::windows::ctrl_c()
            .map(Self)
            .map_err(|error| Error::io("listening for Ctrl-C", error))
    }

    async fn next(&mut self) {
        self.0.recv().await;
    }
}

//! The handle to an account.

use std::{
    fmt,
    future::Future,
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use actix::Addr;
use actogram_runtime::{ExitReason, Snapshot, Supervisor, supervise};
use actogram_store::{
    AccountRecord, DialogueKey, DialogueState, PeerKind, SelfUser, StoreError, Write,
};
use actogram_tl::{enums, types};
use bytes::Bytes;
use tokio::{
    sync::{broadcast, oneshot},
    time::Instant,
};

use crate::{
    api::{Abort, Answering, ApiActor, CallPolicy, Place},
    channels::Channels,
    config::{AccountConfig, CatchUp},
    datacenter::{
        AuthKeyActor, CloseConnection, ConnectionActor, DatacenterActor, NewKey, StopConnection,
    },
    engine::Engine,
    entities,
    error::CallError,
    events::{AccountEvent, ShutdownReport, ShutdownStep, StopReason},
    satellites::SatellitesActor,
    sequencer::{CountUndone, LoggedOut, Settle, StartUpdates, UpdatesActor},
    shared::{Addresses, Shared},
    transfers::{
        BeginTransfer, Disk, DownloadJob, DownloadOptions, DownloadSource, FileSink, FileSource,
        Keeper, Sink, Source, Transfer, TransferError, TransfersActor, UploadJob, UploadOptions,
        UploadedFile, forget_upload,
    },
    updates::UpdateSink,
};

/// A year: of what is longer, the end cannot be computed everywhere.
const LONGEST_SHUTDOWN: Duration = Duration::from_secs(365 * 86_400);

/// How long a shutdown waits, after its deadline, for the last bytes to be written.
const LAST_BYTES: Duration = Duration::from_secs(1);

/// One account: its calls, its events, its updates. Cheap to clone, usable from any thread and any runtime.
///
/// The account ends with [`shutdown`](Self::shutdown), or when the last clone is dropped.
#[derive(Clone)]
pub struct Account {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    root: Supervisor,
    engine: Engine,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.shared.close();
        if self.shared.stopped().is_none() {
            self.shared.stop(StopReason::ShutDown);
        }
        self.root.handle().stop();
    }
}

impl Account {
    /// Starts the actors on the thread at hand.
    pub(crate) fn assemble(engine: Engine, config: AccountConfig, record: &AccountRecord) -> Self {
        let root = engine.supervisor(&config.name);
        let dc = config.main_dc;
        let skips = config.catch_up == CatchUp::Skip;
        let known = if skips { &[] } else { &record.channels[..] };
        let shared = Arc::new(Shared::new(
            config,
            engine.crypto(),
            engine.random(),
            record.self_user,
            Channels::new(root.group("channels").start(), known),
            record.dc_options.clone(),
        ));
        if skips {
            // A later life of an actor begins from the store.
            shared.store.write(Write::SelfUser(None));
            shared.store.write(Write::SelfUser(record.self_user));
        }
        // Without a login, a position is what a former one left.
        let position = record.self_user.and(record.position).filter(|_| !skips);

        let auth_key = {
            let shared = shared.clone();
            supervise(move |_| AuthKeyActor::new(shared.clone()))
                .name("auth key")
                .under(&root)
                .start()
        };
        let datacenter = {
            let shared = shared.clone();
            let make = move |_: &mut _| DatacenterActor::new(shared.clone(), dc, auth_key.clone());
            supervise(make)
                .name(format!("datacenter {dc}"))
                .under(&root)
                .start()
        };
        let updates = {
            let shared = shared.clone();
            let mut first = Some(position);
            // A later life begins from the store, which may be ahead of what was read at the start.
            let make = move |_: &mut _| UpdatesActor::new(shared.clone(), first.take());
            supervise(make).name("updates").under(&root).start()
        };
        let connection = {
            let shared = shared.clone();
            supervise(move |_| ConnectionActor::new(shared.clone()))
                .name("connection")
                .under(&root)
                .start()
        };
        let api = {
            let shared = shared.clone();
            supervise(move |_| ApiActor::new(shared.clone()))
                .name("api")
                .under(&root)
                .start()
        };
        let (watched, weak) = (root.handle(), Arc::downgrade(&shared));
        tokio::task::spawn_local(async move {
            let exit = watched.join().await;
            if let Some(shared) = weak.upgrade() {
                shared.close();
                shared.stop(match exit {
                    ExitReason::Normal | ExitReason::Stopped => StopReason::ShutDown,
                    failed => StopReason::Failed(failed.to_string()),
                });
            }
        });
        let transfers = {
            let group = root.clone();
            supervise(move |_| TransfersActor::new(group.clone()))
                .name("transfers")
                .under(&root)
                .start()
        };
        let satellites = {
            let (shared, group) = (shared.clone(), root.clone());
            supervise(move |_| SatellitesActor::new(shared.clone(), group.clone()))
                .name("satellites")
                .under(&root)
                .start()
        };
        // The actors' first turn comes after this one, so they find each other.
        shared.introduce(Addresses {
            api,
            datacenter,
            connection,
            updates,
            transfers,
            satellites,
        });
        Self {
            inner: Arc::new(Inner {
                shared,
                root,
                engine,
            }),
        }
    }

    fn shared(&self) -> &Arc<Shared> {
        &self.inner.shared
    }

    /// The account's name in the store.
    pub fn name(&self) -> &str {
        &self.shared().config.name
    }

    /// The engine it runs on.
    pub fn engine(&self) -> &Engine {
        &self.inner.engine
    }

    /// The actor that takes calls; see [`InvokeRaw`](crate::InvokeRaw).
    pub fn addr(&self) -> Addr<ApiActor> {
        self.addresses().api.clone()
    }

    fn addresses(&self) -> &Addresses {
        match self.shared().addresses() {
            Some(addresses) => addresses,
            None => unreachable!("an account is handed out only once it is put together"),
        }
    }

    /// Calls a method, encoded. Gives its result, encoded.
    ///
    /// Nothing happens before the future is polled. It then waits until the account's [`Rates`](crate::Rates) and limits let
    /// the call in. From then on,
    /// dropping the future leaves the call running, unless [`CallPolicy::cancel_on_drop`] is set.
    ///
    /// # Errors
    /// [`CallError`], classed by what the caller may do.
    pub fn invoke_raw(
        &self,
        body: Bytes,
        policy: CallPolicy,
    ) -> impl Future<Output = Result<Bytes, CallError>> + Send + 'static {
        self.shared().invoke(body, policy, None)
    }

    /// Calls a method as [`invoke_raw`](Self::invoke_raw) does, at once. Where the account's [`Rates`](crate::Rates) or limits
    /// do not let the call in yet, it is given back and nothing has happened.
    ///
    /// # Errors
    /// What was given.
    pub fn invoke_at_once(
        &self,
        body: Bytes,
        policy: CallPolicy,
    ) -> Result<Answering, (Bytes, CallPolicy)> {
        self.shared().invoke_at_once(body, policy)
    }

    /// Takes the place behind all others in the call queue of this name, for [`invoke_in_queue`](Self::invoke_in_queue).
    /// Queues come and go with the calls in them.
    ///
    /// # Errors
    /// [`CallError::QueueFull`] when as many calls are in the queue as [`Limits::queue`](crate::Limits::queue) says.
    pub fn place_in_queue(&self, queue: &str) -> Result<Place, CallError> {
        let limit = self.shared().config.limits.queue;
        let place = self.shared().queues.place(queue, limit);
        place.ok_or_else(|| CallError::QueueFull {
            queue: queue.to_owned(),
            limit,
        })
    }

    /// Calls a method as [`invoke_raw`](Self::invoke_raw) does, after all calls whose places in the queue were taken before:
    /// the datacenter carries it out after them. Those before may fail; it goes on without them.
    ///
    /// The calls of a queue are sent without waiting for each other's answers, chained by `invokeAfterMsg`
    /// (<https://core.telegram.org/api/invoking>). Over flood waits, cuts and lost sessions the order stays.
    ///
    /// # Errors
    /// As [`invoke_raw`](Self::invoke_raw).
    pub fn invoke_in_queue(
        &self,
        place: Place,
        body: Bytes,
        policy: CallPolicy,
    ) -> impl Future<Output = Result<Bytes, CallError>> + Send + 'static {
        self.shared().invoke(body, policy, Some(place))
    }

    /// Starts to download a file. It goes on when the transfer is dropped.
    ///
    /// # Errors
    /// [`TransferError::Lost`] if the account has ended.
    pub async fn download(
        &self,
        source: DownloadSource,
        sink: impl Sink,
        options: DownloadOptions,
    ) -> Result<Transfer<u64>, TransferError> {
        let job = DownloadJob::new(self.shared().clone(), source, options, Box::new(sink));
        self.begin(move |transfers| transfers.start("download", job))
            .await
    }

    /// Starts to upload a file. It goes on when the transfer is dropped.
    ///
    /// # Errors
    /// [`TransferError::TooLarge`] and [`TransferError::Empty`], where the source says so at once;
    /// [`TransferError::Lost`] if the account has ended.
    pub async fn upload(
        &self,
        source: impl Source,
        options: UploadOptions,
    ) -> Result<Transfer<UploadedFile>, TransferError> {
        let shared = self.shared();
        let keeper = match options.repair.is_some() || options.anew {
            true => None,
            false => Keeper::find(shared, source.identity(), source.size()).await,
        };
        let job = UploadJob::new(shared.clone(), options, Box::new(source), keeper)?;
        self.begin(move |transfers| transfers.start("upload", job))
            .await
    }

    /// A file that was uploaded was sent, which can be done once: the next upload of it begins anew.
    pub fn upload_was_sent(&self, file: &UploadedFile) {
        if let Some(path) = &file.path {
            forget_upload(self.shared(), path);
        }
    }

    async fn begin<T: Send + 'static>(
        &self,
        begin: impl FnOnce(&mut TransfersActor) -> Transfer<T> + Send + 'static,
    ) -> Result<Transfer<T>, TransferError> {
        let (told, transfer) = oneshot::channel();
        let begin = BeginTransfer(Box::new(move |transfers: &mut TransfersActor| {
            // Whoever asked may be gone; the transfer goes on.
            drop(told.send(begin(transfers)));
        }));
        self.addresses().transfers.do_send(begin);
        let lost = |_| TransferError::Lost("the account has ended".to_owned());
        transfer.await.map_err(lost)
    }

    /// A file that is to lie at `path` once it is whole. `identity` names the file that comes: what a former transfer of the
    /// same one has left beside `path` is gone on from.
    ///
    /// # Errors
    /// What the system says; [`ResourceBusy`](std::io::ErrorKind::ResourceBusy) if another transfer writes it.
    pub async fn file_sink(&self, path: PathBuf, identity: &str) -> io::Result<FileSink> {
        FileSink::open(Disk::beside(&self.shared().crypto), path, identity).await
    }

    /// A file of this machine to be uploaded.
    ///
    /// # Errors
    /// What the system says.
    pub async fn file_source(&self, path: &Path) -> io::Result<FileSource> {
        FileSource::open(Disk::beside(&self.shared().crypto), path).await
    }

    /// The account's own id, once it is logged in.
    pub fn me_id(&self) -> Option<i64> {
        self.shared().me().map(|me| me.id)
    }

    /// A random number for fields of that name, which keep a call from being carried out twice.
    pub fn random_id(&self) -> i64 {
        self.shared().random_id()
    }

    /// How calls name a peer the account has met: by its access hash, or, where no more than an abbreviated object was
    /// seen, by the message it was seen in (<https://core.telegram.org/api/min>). Bots cannot do the latter.
    ///
    /// # Errors
    /// [`CallError::Store`].
    pub async fn input_peer(
        &self,
        peer: &enums::Peer,
    ) -> Result<Option<enums::InputPeer>, CallError> {
        let key = entities::peer_key(peer);
        if key.kind == PeerKind::Chat {
            return Ok(entities::input_peer(key, None));
        }
        let Some(record) = self.shared().store.peer(key).await.map_err(store_error)? else {
            return Ok(None);
        };
        if !record.min {
            return Ok(entities::input_peer(key, record.access_hash));
        }
        let bot = self.shared().me().is_some_and(|me| me.bot);
        let Some(seen) = record.seen_in.filter(|_| !bot) else {
            return Ok(None);
        };
        let chat = self.shared().store.peer(seen.chat).await;
        let chat = chat.map_err(store_error)?.filter(|chat| !chat.min);
        let chat = entities::input_peer(seen.chat, chat.and_then(|chat| chat.access_hash));
        Ok(chat.and_then(|chat| entities::by_message(key, chat, seen.message)))
    }

    /// The peer with this username, if the account has met it.
    ///
    /// # Errors
    /// [`CallError::Store`].
    pub async fn peer_by_username(
        &self,
        username: &str,
    ) -> Result<Option<enums::InputPeer>, CallError> {
        let record = self
            .shared()
            .store
            .peer_by_username(username)
            .await
            .map_err(store_error)?;
        let record = record.filter(|record| !record.min);
        Ok(record.and_then(|record| entities::input_peer(record.key, record.access_hash)))
    }

    /// What is kept of a dialogue, if anything is.
    ///
    /// # Errors
    /// [`CallError::Store`].
    pub async fn dialogue(&self, key: DialogueKey) -> Result<Option<DialogueState>, CallError> {
        let state = self.shared().store.dialogue(key).await;
        state.map_err(store_error)
    }

    /// Keeps this of a dialogue; `None` forgets it. It is stored no later than the position of any update that is handled
    /// after this returns.
    pub fn keep_dialogue(&self, key: DialogueKey, state: Option<DialogueState>) {
        self.shared().store.write(Write::Dialogue { key, state });
    }

    /// Remembers who has logged in, and begins to follow updates from here.
    ///
    /// # Errors
    /// [`CallError::Store`], and what [`start_updates`](Self::start_updates) met.
    pub async fn logged_in(&self, user: &types::User) -> Result<(), CallError> {
        let me = SelfUser {
            id: user.id,
            bot: user.bot,
        };
        let peer = entities::user_record(&user.clone().into());
        // A position that a former login left must not outlive a kill between this commit and the first position.
        let fresh = self
            .shared()
            .me()
            .is_none()
            .then_some(Write::SelfUser(None));
        let writes = fresh
            .into_iter()
            .chain([Write::SelfUser(Some(me))])
            .chain(peer.map(Write::Peer))
            .collect();
        self.shared()
            .store
            .write_synced(writes)
            .await
            .map_err(store_error)?;
        self.shared().set_me(Some(me));
        self.start_updates().await
    }

    /// Follows updates from where the store says, or from now if it says nothing. Resolves when the datacenter has told what
    /// was missed, as far as it goes. Does nothing if it is done already.
    ///
    /// # Errors
    /// The refusal of `updates.getState` or `updates.getDifference`.
    pub async fn start_updates(&self) -> Result<(), CallError> {
        let (told, done) = oneshot::channel();
        self.addresses().updates.do_send(StartUpdates(told));
        done.await
            .unwrap_or_else(|_| Err(CallError::Retry("the actor of updates failed".to_owned())))
    }

    /// Where updates go. Until there is one, they are kept, up to a bound.
    pub fn set_update_sink(&self, sink: Arc<dyn UpdateSink>) {
        self.addresses()
            .updates
            .do_send(crate::sequencer::SetSink(sink));
    }

    /// Forgets everything about the account, its key too, and makes a new key: for after `auth.logOut`, or when the
    /// datacenter has lost the key.
    ///
    /// # Errors
    /// [`CallError::Store`]: nothing is forgotten then.
    pub async fn forget(&self) -> Result<(), CallError> {
        self.shared()
            .store
            .write_synced(vec![Write::Forget])
            .await
            .map_err(store_error)?;
        self.shared().set_me(None);
        let addresses = self.addresses();
        addresses.updates.do_send(LoggedOut);
        addresses.connection.do_send(StopConnection);
        self.shared().resume();
        addresses.datacenter.do_send(NewKey);
        Ok(())
    }

    /// What happens to the account itself.
    pub fn events(&self) -> broadcast::Receiver<AccountEvent> {
        self.shared().listen()
    }

    /// How many calls have not ended.
    pub fn calls_in_flight(&self) -> usize {
        self.shared().in_flight()
    }

    /// The account's actors and what they do, at this moment.
    pub fn snapshot(&self) -> Snapshot {
        self.inner.root.handle().snapshot()
    }

    /// The group its actors are in: to watch them, or to end a life of one.
    pub fn supervisor(&self) -> &Supervisor {
        &self.inner.root
    }

    /// Why the account cannot go on, if it cannot.
    pub fn stopped(&self) -> Option<StopReason> {
        self.shared().stopped()
    }

    /// Waits until the account cannot go on, and tells why.
    pub async fn ended(&self) -> StopReason {
        let mut stopped = self.shared().watch_stopped();
        let reason = stopped.wait_for(Option::is_some).await;
        reason
            .ok()
            .and_then(|reason| reason.clone())
            .unwrap_or(StopReason::ShutDown)
    }

    /// Gives handlers no further update, and waits until those that are with them have been handled, for so long. Calls
    /// are taken all the while. The first step of [`shutdown`](Self::shutdown), for those who have more to wait for.
    ///
    /// Returns how many updates were not handled in time. They are not counted as handled, whatever becomes of them, and
    /// come again when the account is next opened.
    pub async fn settle_updates(&self, deadline: Duration) -> usize {
        let shared = self.shared();
        shared.shutting_down(ShutdownStep::Draining);
        let (told, settled) = oneshot::channel();
        self.addresses().updates.do_send(Settle(told));
        match tokio::time::timeout(deadline, settled).await {
            // The actor may have failed: then there is nothing to wait for.
            Ok(_) => 0,
            Err(_) => {
                // From now on nothing that they say moves the position.
                shared.next_ledger();
                let (tell, undone) = oneshot::channel();
                self.addresses().updates.do_send(CountUndone(tell));
                undone.await.unwrap_or_default()
            }
        }
    }

    /// Ends the account in order, each step with an [`AccountEvent::ShuttingDown`]: no update is given to handlers any
    /// more, and those that are with them, and the calls they make, have until `deadline` to end; then new calls are given
    /// back, and those under way have what is left of the time; then the connection is closed, once everything that was
    /// said to it is written; then what is to be kept is stored.
    pub async fn shutdown(&self, deadline: Duration) -> ShutdownReport {
        let shared = self.shared();
        let addresses = self.addresses();
        let deadline = deadline.min(LONGEST_SHUTDOWN);
        let until = Instant::now() + deadline;
        let mut report = ShutdownReport {
            updates_unhandled: self.settle_updates(deadline).await,
            ..ShutdownReport::default()
        };
        shared.close();
        shared.shutting_down(ShutdownStep::Refusing);
        if tokio::time::timeout_at(until, shared.drained())
            .await
            .is_err()
        {
            report.calls_given_up = shared.in_flight();
        }
        addresses.api.do_send(Abort);
        let (told, closed) = oneshot::channel();
        addresses.connection.do_send(CloseConnection(told));
        // Those were the last to hold calls; each is answered when they are through with it.
        let last = async {
            shared.drained().await;
            shared.shutting_down(ShutdownStep::CallsEnded);
            // The sender goes, without a word, when the last bytes are written.
            let _ = closed.await;
            shared.shutting_down(ShutdownStep::ConnectionClosed);
        };
        let _ = tokio::time::timeout(LAST_BYTES, last).await;
        match shared.store.store().flush().await {
            Ok(()) => shared.shutting_down(ShutdownStep::Stored),
            Err(error) => {
                report.store_failed = Some(error.to_string());
                shared.emit(AccountEvent::StoreFailed {
                    why: error.to_string(),
                });
            }
        }
        if report.is_clean() {
            tracing::info!(account = self.name(), "shut down");
        } else {
            tracing::warn!(
                account = self.name(),
                ?report,
                "shut down, with something left undone"
            );
        }
        shared.stop(StopReason::ShutDown);
        self.inner.root.handle().stop();
        self.inner.root.handle().join().await;
        report
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account")
            .field("name", &self.name())
            .finish_non_exhaustive()
    }
}

fn store_error(error: StoreError) -> CallError {
    CallError::Store(error.to_string())
}

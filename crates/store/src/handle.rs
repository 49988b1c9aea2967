//! Handles to a store and to one account in it.

use std::{
    fmt,
    future::Future,
    path::Path,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use tokio::sync::oneshot;

#[cfg(feature = "failpoints")]
use crate::Failpoints;
use crate::{
    StoreError,
    memory::MemoryStorage,
    records::{AccountRecord, DialogueKey, DialogueState, PeerKey, PeerRecord, UploadRecord},
    sqlite::SqliteStorage,
    storage::{Durability, Storage, Write},
    writer::{Command, Writer},
};

/// How a store is opened.
#[derive(Debug, Clone, Default)]
pub struct StoreOptions {
    inline: bool,
    #[cfg(feature = "failpoints")]
    failpoints: Failpoints,
}

impl StoreOptions {
    /// A thread of its own does all reading and writing.
    pub fn new() -> Self {
        Self::default()
    }

    /// The caller's thread does it, at once. For simulations, whose time must not depend on another thread.
    pub fn inline(mut self) -> Self {
        self.inline = true;
        self
    }

    /// Writes fail as scripted.
    #[cfg(feature = "failpoints")]
    pub fn failpoints(mut self, failpoints: Failpoints) -> Self {
        self.failpoints = failpoints;
        self
    }

    /// Opens the SQLite file at this path, or creates it.
    ///
    /// # Errors
    /// Those of [`SqliteStorage::open`].
    pub fn open(self, path: impl AsRef<Path>) -> Result<Store, StoreError> {
        #[cfg(feature = "failpoints")]
        let storage = SqliteStorage::open_with_failpoints(path, self.failpoints)?;
        #[cfg(not(feature = "failpoints"))]
        let storage = SqliteStorage::open(path)?;
        let storage = Box::new(storage);
        Ok(if self.inline {
            Store::inline(storage)
        } else {
            Store::threaded(storage)?
        })
    }
}

/// A store of accounts. Cheap to clone; the last handle to go writes what is left and closes it.
#[derive(Clone)]
pub struct Store {
    shared: Arc<Shared>,
}

enum Shared {
    Inline(Mutex<Box<dyn Storage>>),
    Threaded(Writer),
}

/// What the store answers, once it has: a future, or [`wait`](Self::wait) without one.
#[must_use = "an answer that nobody waits for may be an error that nobody sees"]
pub struct Answer<T>(oneshot::Receiver<Result<T, StoreError>>);

impl<T> Answer<T> {
    fn ready(value: Result<T, StoreError>) -> Self {
        let (sender, receiver) = oneshot::channel();
        // The receiver is right here.
        let _ = sender.send(value);
        Self(receiver)
    }

    /// Blocks until the answer is there. Not from async code: there, await it. A store that works inline has it at
    /// once, so there it may be called anywhere.
    ///
    /// # Errors
    /// What the store met; [`StoreError::Closed`] if its thread has ended.
    pub fn wait(mut self) -> Result<T, StoreError> {
        match self.0.try_recv() {
            Ok(answer) => answer,
            Err(oneshot::error::TryRecvError::Closed) => Err(StoreError::Closed),
            Err(oneshot::error::TryRecvError::Empty) => {
                self.0.blocking_recv().unwrap_or(Err(StoreError::Closed))
            }
        }
    }
}

impl<T> Future for Answer<T> {
    type Output = Result<T, StoreError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0)
            .poll(cx)
            .map(|answer| answer.unwrap_or(Err(StoreError::Closed)))
    }
}

impl<T> fmt::Debug for Answer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Answer")
    }
}

impl Store {
    /// A store in memory, which works inline.
    pub fn memory() -> Self {
        Self::inline(Box::new(MemoryStorage::new()))
    }

    /// Opens the SQLite file at this path, or creates it, with a thread of its own.
    ///
    /// # Errors
    /// Those of [`SqliteStorage::open`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        StoreOptions::new().open(path)
    }

    /// A store of one's own kind that works on the caller's thread. Every write is committed at once.
    pub fn inline(storage: Box<dyn Storage>) -> Self {
        Self {
            shared: Arc::new(Shared::Inline(Mutex::new(storage))),
        }
    }

    /// A store of one's own kind with a thread of its own.
    ///
    /// # Errors
    /// [`StoreError::Io`] if there is no thread to be had.
    pub fn threaded(storage: Box<dyn Storage>) -> Result<Self, StoreError> {
        Ok(Self {
            shared: Arc::new(Shared::Threaded(Writer::start(storage)?)),
        })
    }

    /// One account, whether or not anything is stored of it yet.
    pub fn account(&self, name: impl Into<Arc<str>>) -> AccountStore {
        AccountStore {
            store: self.clone(),
            name: name.into(),
        }
    }

    /// The names of all accounts, sorted.
    pub fn accounts(&self) -> Answer<Vec<String>> {
        self.ask(|storage| storage.accounts())
    }

    /// Resolves once everything written before it is committed.
    pub fn flush(&self) -> Answer<()> {
        match &*self.shared {
            Shared::Inline(_) => Answer::ready(Ok(())),
            Shared::Threaded(writer) => {
                let (sender, receiver) = oneshot::channel();
                writer.send(Command::Flush(sender));
                Answer(receiver)
            }
        }
    }

    /// How many commits of written groups have failed in a row; they are tried again. 0 when all is well.
    pub fn trouble(&self) -> u64 {
        match &*self.shared {
            Shared::Inline(_) => 0,
            Shared::Threaded(writer) => writer.trouble(),
        }
    }

    fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut dyn Storage) -> Result<T, StoreError> + Send + 'static,
    ) -> Answer<T> {
        match &*self.shared {
            Shared::Inline(storage) => {
                let mut storage = storage.lock().unwrap_or_else(PoisonError::into_inner);
                Answer::ready(question(&mut **storage))
            }
            Shared::Threaded(writer) => {
                let (sender, receiver) = oneshot::channel();
                writer.send(Command::Ask(Box::new(move |storage| {
                    // Nobody waits any more: so be it.
                    let _ = sender.send(storage.and_then(question));
                })));
                Answer(receiver)
            }
        }
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &*self.shared {
            Shared::Inline(_) => "Store(inline)",
            Shared::Threaded(_) => "Store(threaded)",
        })
    }
}

/// One account in a store. Cheap to clone.
#[derive(Debug, Clone)]
pub struct AccountStore {
    store: Store,
    name: Arc<str>,
}

impl AccountStore {
    /// The account's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The store it is in.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The account's record; an empty one if there is none.
    pub fn load(&self) -> Answer<AccountRecord> {
        let name = self.name.clone();
        self.store.ask(move |storage| storage.load(&name))
    }

    /// A peer.
    pub fn peer(&self, key: PeerKey) -> Answer<Option<PeerRecord>> {
        let name = self.name.clone();
        self.store.ask(move |storage| storage.peer(&name, key))
    }

    /// The peer with this username, in any case, with or without `@`.
    pub fn peer_by_username(&self, username: &str) -> Answer<Option<PeerRecord>> {
        let name = self.name.clone();
        let username = username.trim_start_matches('@').to_owned();
        self.store
            .ask(move |storage| storage.peer_by_username(&name, &username))
    }

    /// The state of a dialogue, if it has one.
    pub fn dialogue(&self, key: DialogueKey) -> Answer<Option<DialogueState>> {
        let name = self.name.clone();
        self.store.ask(move |storage| storage.dialogue(&name, key))
    }

    /// What is known of the upload of the file at this path.
    pub fn upload(&self, path: Arc<str>) -> Answer<Option<UploadRecord>> {
        let name = self.name.clone();
        self.store.ask(move |storage| storage.upload(&name, &path))
    }

    /// Writes with the next group, at most [`GROUP_COMMIT`](crate::GROUP_COMMIT) from now. A later write of the same
    /// thing replaces it until then.
    pub fn write(&self, write: Write) {
        match &*self.store.shared {
            Shared::Inline(storage) => {
                let mut storage = storage.lock().unwrap_or_else(PoisonError::into_inner);
                if let Err(error) =
                    storage.commit(&[(self.name.clone(), write)], Durability::Process)
                {
                    tracing::error!(account = &*self.name, %error, "a write to the store failed");
                }
            }
            Shared::Threaded(writer) => writer.send(Command::Write(self.name.clone(), write)),
        }
    }

    /// Writes all of this, and everything before it, and resolves when a power cut can no longer undo it.
    pub fn write_synced(&self, writes: Vec<Write>) -> Answer<()> {
        match &*self.store.shared {
            Shared::Inline(storage) => {
                let mut storage = storage.lock().unwrap_or_else(PoisonError::into_inner);
                let writes: Vec<_> = writes
                    .into_iter()
                    .map(|write| (self.name.clone(), write))
                    .collect();
                Answer::ready(storage.commit(&writes, Durability::Synced))
            }
            Shared::Threaded(writer) => {
                let (sender, receiver) = oneshot::channel();
                writer.send(Command::WriteSynced(self.name.clone(), writes, sender));
                Answer(receiver)
            }
        }
    }
}

//! The thread that owns a storage.

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

use crate::{
    StoreError,
    pending::Pending,
    storage::{Durability, Storage, Write},
};

/// How long a write may wait for others to be committed with.
pub const GROUP_COMMIT: Duration = Duration::from_millis(50);

/// How long a group waits after its commit failed, at most.
const LONGEST_RETRY: Duration = Duration::from_secs(5);

type Question = Box<dyn FnOnce(Result<&mut dyn Storage, StoreError>) + Send>;

pub(crate) enum Command {
    Write(Arc<str>, Write),
    WriteSynced(
        Arc<str>,
        Vec<Write>,
        oneshot::Sender<Result<(), StoreError>>,
    ),
    Ask(Question),
    Flush(oneshot::Sender<Result<(), StoreError>>),
}

/// The handle to the thread. Dropping it writes what is left and waits for the end.
pub(crate) struct Writer {
    commands: Option<mpsc::Sender<Command>>,
    trouble: Arc<AtomicU64>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    pub(crate) fn start(storage: Box<dyn Storage>) -> Result<Self, StoreError> {
        let (commands, receiver) = mpsc::channel();
        let trouble = Arc::new(AtomicU64::new(0));
        let mut owner = Owner {
            storage,
            pending: Pending::default(),
            due: None,
            trouble: trouble.clone(),
        };
        let thread = std::thread::Builder::new()
            .name("actogram-store".to_owned())
            .spawn(move || owner.run(&receiver))
            .map_err(|source| StoreError::Io {
                path: "a thread".into(),
                action: "starting",
                source,
            })?;
        Ok(Self {
            commands: Some(commands),
            trouble,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// A command after the thread's end is dropped, and whoever waits for its answer is told so by that.
    pub(crate) fn send(&self, command: Command) {
        if let Some(commands) = &self.commands {
            let _ = commands.send(command);
        }
    }

    pub(crate) fn trouble(&self) -> u64 {
        self.trouble.load(Ordering::Relaxed)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.commands = None;
        let thread = self
            .thread
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread
            && thread.thread().id() != std::thread::current().id()
            && thread.join().is_err()
        {
            tracing::error!("the store's thread panicked");
        }
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer")
            .field("trouble", &self.trouble())
            .finish_non_exhaustive()
    }
}

struct Owner {
    storage: Box<dyn Storage>,
    pending: Pending,
    /// When the waiting group must be committed. The thread has no runtime, so the clock is the system's.
    due: Option<Instant>,
    trouble: Arc<AtomicU64>,
}

impl Owner {
    fn run(&mut self, commands: &mpsc::Receiver<Command>) {
        loop {
            let command = match self.due {
                None => commands
                    .recv()
                    .map_err(|_| mpsc::RecvTimeoutError::Disconnected),
                Some(due) => commands.recv_timeout(due.saturating_duration_since(Instant::now())),
            };
            match command {
                Ok(command) => self.handle(command),
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
            }
            if self.due.is_some_and(|due| due <= Instant::now()) {
                // A failure is kept, counted and tried again.
                let _ = self.commit();
            }
        }
        if let Err(error) = self.commit() {
            tracing::error!(%error, "the store was closed with writes that could not be made");
        }
    }

    fn handle(&mut self, command: Command) {
        match command {
            Command::Write(account, write) => {
                self.pending.push(account, write);
                self.due
                    .get_or_insert_with(|| Instant::now() + GROUP_COMMIT);
            }
            Command::WriteSynced(account, writes, answer) => {
                let outcome = self.write_synced(&account, writes);
                let _ = answer.send(outcome);
            }
            Command::Ask(question) => {
                // What was written must be seen. If it cannot be, the answer would be old: better none.
                let ready = self.commit();
                question(ready.map(|()| &mut *self.storage as &mut dyn Storage));
            }
            Command::Flush(answer) => {
                let _ = answer.send(self.commit());
            }
        }
    }

    fn write_synced(&mut self, account: &Arc<str>, writes: Vec<Write>) -> Result<(), StoreError> {
        let mut all = self.pending.writes().to_vec();
        all.extend(writes.into_iter().map(|write| (account.clone(), write)));
        self.storage.commit(&all, Durability::Synced)?;
        self.committed();
        Ok(())
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        if self.pending.is_empty() {
            self.due = None;
            return Ok(());
        }
        match self
            .storage
            .commit(self.pending.writes(), Durability::Process)
        {
            Ok(()) => {
                self.committed();
                Ok(())
            }
            Err(error) => {
                let failures = self.trouble.fetch_add(1, Ordering::Relaxed) + 1;
                let doublings = u32::try_from(failures.min(8)).unwrap_or(8);
                let delay = (GROUP_COMMIT * 2_u32.pow(doublings)).min(LONGEST_RETRY);
                self.due = Some(Instant::now() + delay);
                tracing::error!(%error, failures, "a group could not be committed; it is kept and tried again");
                Err(error)
            }
        }
    }

    fn committed(&mut self) {
        self.pending.clear();
        self.due = None;
        self.trouble.store(0, Ordering::Relaxed);
    }
}

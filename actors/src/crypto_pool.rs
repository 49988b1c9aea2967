//! Threads for work that takes CPU: milliseconds of a key exchange, and messages so large that small ones would wait for
//! them.

use std::{
    collections::VecDeque,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
};

use actogram_mtproto::session::{Opened, Refused, ToOpen, ToSeal};
use bytes::Bytes;
use tokio::sync::oneshot;

/// The most messages that are worked on side by side: more are not faster.
const WIDEST: usize = 8;

type Task = Box<dyn FnOnce() + Send>;

/// Runs work off the threads that serve connections, or in place where nothing else may run at the same time. Messages that
/// wait at the same time, of whatever connections and keys, are worked on side by side.
#[derive(Clone)]
pub(crate) enum CryptoPool {
    /// In place, for simulations.
    Inline,
    /// A bounded number of threads, which end with the last handle.
    Threads(Arc<Threads>),
}

/// What becomes of a message in the pool.
pub(crate) enum Outcome<T> {
    /// It was worked on in place.
    Ready(T),
    /// It comes here; an error says that the work panicked.
    Waiting(oneshot::Receiver<T>),
}

impl<T> Outcome<T> {
    /// Waits for it; `None` if the work panicked or the pool has ended.
    pub(crate) async fn get(self) -> Option<T> {
        match self {
            Self::Ready(value) => Some(value),
            Self::Waiting(receiver) => receiver.await.ok(),
        }
    }
}

impl CryptoPool {
    /// A pool of this many threads.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(crate) fn start(threads: usize) -> std::io::Result<Self> {
        // The threads hold what is inside, so that this ends with the last handle.
        let pool = Threads(Arc::default());
        for number in 0..threads.max(1) {
            let shared = pool.0.clone();
            std::thread::Builder::new()
                .name(format!("actogram-crypto-{number}"))
                .spawn(move || {
                    while let Some(work) = shared.next() {
                        // Whoever waits for what panicked finds its sender gone.
                        if catch_unwind(AssertUnwindSafe(|| work.run())).is_err() {
                            tracing::error!("a task of the crypto pool panicked");
                        }
                    }
                })?;
        }
        Ok(Self::Threads(Arc::new(pool)))
    }

    /// Runs this; `None` if it panicked or the pool has ended.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let Self::Threads(threads) = self else {
            return Some(work());
        };
        let (sender, receiver) = oneshot::channel();
        // Whoever waited may be gone by then.
        let task: Task = Box::new(move || drop(sender.send(work())));
        threads.0.add(|queues| queues.tasks.push_back(task));
        receiver.await.ok()
    }

    /// Decrypts a message.
    pub(crate) fn open(&self, message: ToOpen) -> Outcome<Result<Opened, Refused>> {
        let Self::Threads(threads) = self else {
            return Outcome::Ready(message.open());
        };
        let (sender, receiver) = oneshot::channel();
        threads
            .0
            .add(|queues| queues.to_open.push_back((message, sender)));
        Outcome::Waiting(receiver)
    }

    /// Encrypts a message.
    pub(crate) fn seal(&self, message: ToSeal) -> Outcome<Bytes> {
        let Self::Threads(threads) = self else {
            return Outcome::Ready(message.seal());
        };
        let (sender, receiver) = oneshot::channel();
        threads
            .0
            .add(|queues| queues.to_seal.push_back((message, sender)));
        Outcome::Waiting(receiver)
    }
}

/// The handle of the threads: they end with it.
pub(crate) struct Threads(Arc<Waiting>);

impl Drop for Threads {
    fn drop(&mut self) {
        self.0.queues().ended = true;
        self.0.more.notify_all();
    }
}

/// What waits for a thread.
#[derive(Default)]
struct Waiting {
    queues: Mutex<Queues>,
    more: Condvar,
}

#[derive(Default)]
struct Queues {
    tasks: VecDeque<Task>,
    to_open: VecDeque<Opening>,
    to_seal: VecDeque<Sealing>,
    /// Which of the three is looked at first, in turn.
    turn: u8,
    ended: bool,
}

type Opening = (ToOpen, oneshot::Sender<Result<Opened, Refused>>);
type Sealing = (ToSeal, oneshot::Sender<Bytes>);

/// What a thread does next.
enum Work {
    Task(Task),
    Open(Vec<Opening>),
    Seal(Vec<Sealing>),
}

impl Waiting {
    fn queues(&self) -> MutexGuard<'_, Queues> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, add: impl FnOnce(&mut Queues)) {
        add(&mut self.queues());
        self.more.notify_one();
    }

    /// Waits for work; `None` once the pool has ended and nothing is left to do.
    fn next(&self) -> Option<Work> {
        let mut queues = self.queues();
        loop {
            if let Some(work) = queues.take() {
                return Some(work);
            }
            if queues.ended {
                return None;
            }
            queues = self
                .more
                .wait(queues)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Queues {
    fn take(&mut self) -> Option<Work> {
        for _ in 0..3 {
            let turn = self.turn;
            self.turn = (turn + 1) % 3;
            let work = match turn {
                0 => self.tasks.pop_front().map(Work::Task),
                1 => batch(&mut self.to_open).map(Work::Open),
                _ => batch(&mut self.to_seal).map(Work::Seal),
            };
            if work.is_some() {
                return work;
            }
        }
        None
    }
}

fn batch<T>(queue: &mut VecDeque<T>) -> Option<Vec<T>> {
    let count = queue.len().min(WIDEST);
    (count > 0).then(|| queue.drain(..count).collect())
}

impl Work {
    fn run(self) {
        match self {
            Self::Task(task) => task(),
            Self::Open(batch) => {
                let (messages, waiting): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
                answer(waiting, ToOpen::open_all(messages));
            }
            Self::Seal(batch) => {
                let (messages, waiting): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
                answer(waiting, ToSeal::seal_all(messages));
            }
        }
    }
}

fn answer<T>(waiting: Vec<oneshot::Sender<T>>, outcomes: Vec<T>) {
    for (sender, outcome) in waiting.into_iter().zip(outcomes) {
        // Whoever waited may be gone by now.
        let _ = sender.send(outcome);
    }
}

impl fmt::Debug for CryptoPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Inline => "CryptoPool(inline)",
            Self::Threads(_) => "CryptoPool(threads)",
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::mpsc;

    use actogram_crypto::{
        AuthKey, Side,
        message::{self, HEADER},
    };
    use bytes::BytesMut;

    use super::*;

    fn key(number: u8) -> Arc<AuthKey> {
        Arc::new(AuthKey::new(std::array::from_fn(|at| at as u8 ^ number)))
    }

    /// A message of a session with this number, sealed with the key of that number.
    fn message(number: u8, body: usize) -> ToOpen {
        let padded = (32 + body + 12).next_multiple_of(16);
        let mut packet = vec![0; HEADER + padded];
        packet[HEADER + 8] = number;
        packet[HEADER + 28..HEADER + 32].copy_from_slice(&(body as u32).to_le_bytes());
        message::encrypt(&key(number), Side::Server, &mut packet);
        ToOpen::new(key(number), Side::Server, BytesMut::from(&packet[..]))
    }

    /// Keeps the only thread of a pool busy until the sender is dropped.
    async fn blocked() -> (CryptoPool, mpsc::Sender<()>) {
        let pool = CryptoPool::start(1).unwrap();
        let (release, wait) = mpsc::channel::<()>();
        let (begun, has_begun) = oneshot::channel();
        let busy = pool.clone();
        tokio::spawn(async move {
            busy.run(move || {
                begun.send(()).unwrap();
                let _ = wait.recv();
            })
            .await
        });
        has_begun.await.unwrap();
        (pool, release)
    }

    fn queued(pool: &CryptoPool) -> usize {
        let CryptoPool::Threads(threads) = pool else {
            panic!("{pool:?}");
        };
        threads.0.queues().to_open.len()
    }

    #[tokio::test]
    async fn what_waits_together_is_opened_together_and_each_gets_its_own() {
        let (pool, release) = blocked().await;
        let outcomes: Vec<_> = (0..11)
            .map(|number| pool.open(message(number, 20_000 + 400 * usize::from(number))))
            .collect();
        assert_eq!(queued(&pool), 11);
        let CryptoPool::Threads(threads) = &pool else {
            panic!("{pool:?}");
        };
        let Some(Work::Open(batch)) = threads.0.queues().take() else {
            panic!("eleven messages wait");
        };
        assert_eq!(batch.len(), WIDEST);
        Work::Open(batch).run();
        assert_eq!(queued(&pool), 3);
        drop(release);
        for (number, outcome) in outcomes.into_iter().enumerate() {
            let opened = outcome.get().await.unwrap().unwrap();
            assert_eq!(opened.session_id(), number as i64);
        }
    }

    #[tokio::test]
    async fn a_bad_message_spoils_no_other() {
        let (pool, release) = blocked().await;
        let good = pool.open(message(1, 20_000));
        let bad = ToOpen::new(key(2), Side::Server, BytesMut::zeroed(20_056));
        let bad = pool.open(bad);
        let good_too = pool.open(message(3, 30_000));
        drop(release);
        assert!(good.get().await.unwrap().is_ok());
        assert_eq!(bad.get().await.unwrap().err(), Some(Refused::Payload));
        assert!(good_too.get().await.unwrap().is_ok());
    }

    #[tokio::test]
    async fn a_panic_ends_its_task_and_not_the_thread() {
        let pool = CryptoPool::start(1).unwrap();
        let panicked: Option<()> = pool.run(|| panic!("deliberate")).await;
        assert_eq!(panicked, None);
        assert_eq!(pool.run(|| 7).await, Some(7));
    }

    /// Neither kind of work waits for ever behind another.
    #[tokio::test]
    async fn kinds_of_work_take_turns() {
        let (pool, release) = blocked().await;
        for number in 0..20 {
            drop(pool.open(message(number, 100)));
        }
        let CryptoPool::Threads(threads) = &pool else {
            panic!("{pool:?}");
        };
        threads
            .0
            .add(|queues| queues.tasks.push_back(Box::new(|| {})));
        let mut queues = threads.0.queues();
        let two = [queues.take(), queues.take()];
        assert!(two.iter().any(|work| matches!(work, Some(Work::Task(_)))));
        assert!(two.iter().any(|work| matches!(work, Some(Work::Open(_)))));
        drop(queues);
        drop(release);
    }

    #[tokio::test]
    async fn in_place_there_is_nothing_to_wait_for() {
        let outcome = CryptoPool::Inline.open(message(1, 20_000));
        assert!(matches!(outcome, Outcome::Ready(Ok(_))));
    }

    /// What was given to the pool is done even if nobody holds it any more, and then its threads end.
    #[tokio::test]
    async fn the_threads_end_with_the_last_handle() {
        let pool = CryptoPool::start(2).unwrap();
        let CryptoPool::Threads(threads) = &pool else {
            panic!("{pool:?}");
        };
        let shared = Arc::downgrade(&threads.0);
        let outcome = pool.open(message(1, 20_000));
        drop(pool);
        assert!(outcome.get().await.unwrap().is_ok());
        // They are threads of the system: only waiting tells.
        while shared.strong_count() > 0 {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    }
}

//! Threads for work that takes milliseconds of CPU.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, PoisonError, mpsc},
};

use tokio::sync::oneshot;

type Task = Box<dyn FnOnce() + Send>;

/// Runs work off the threads that serve connections, or in place where nothing else may run at the same time.
#[derive(Clone)]
pub(crate) enum CryptoPool {
    /// In place, for simulations.
    Inline,
    /// A bounded number of threads, which end with the last handle.
    Threads(mpsc::Sender<Task>),
}

impl CryptoPool {
    /// A pool of this many threads.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(crate) fn start(threads: usize) -> std::io::Result<Self> {
        let (sender, receiver) = mpsc::channel::<Task>();
        let receiver = Arc::new(Mutex::new(receiver));
        for number in 0..threads.max(1) {
            let receiver = receiver.clone();
            std::thread::Builder::new()
                .name(format!("actogram-crypto-{number}"))
                .spawn(move || {
                    loop {
                        let task = receiver
                            .lock()
                            .unwrap_or_else(PoisonError::into_inner)
                            .recv();
                        let Ok(task) = task else { return };
                        if catch_unwind(AssertUnwindSafe(task)).is_err() {
                            tracing::error!("a task of the crypto pool panicked");
                        }
                    }
                })?;
        }
        Ok(Self::Threads(sender))
    }

    /// Runs this; `None` if it panicked or the pool has ended.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        match self {
            Self::Inline => Some(work()),
            Self::Threads(tasks) => {
                let (sender, receiver) = oneshot::channel();
                // Whoever waited may be gone by then.
                let task: Task = Box::new(move || drop(sender.send(work())));
                tasks.send(task).ok()?;
                receiver.await.ok()
            }
        }
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

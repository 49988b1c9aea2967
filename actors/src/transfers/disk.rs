//! Work with files, off the threads that serve connections.

use std::io;

use crate::crypto_pool::CryptoPool;

/// Where work with files is done.
#[derive(Debug, Clone)]
pub(crate) struct Disk {
    inline: bool,
}

impl Disk {
    pub(crate) fn beside(pool: &CryptoPool) -> Self {
        Self {
            // Where time is simulated, nothing runs on other threads.
            inline: matches!(pool, CryptoPool::Inline),
        }
    }

    /// Does this, on a thread that may block.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        if self.inline {
            return work();
        }
        let panicked = |error| io::Error::other(format!("work with a file ended: {error}"));
        tokio::task::spawn_blocking(work)
            .await
            .unwrap_or_else(|error| Err(panicked(error)))
    }
}

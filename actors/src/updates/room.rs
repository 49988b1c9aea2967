//! How many updates may be with handlers.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Mutex, PoisonError},
};

/// How many updates may be with handlers at a time.
const MOST_OUT: usize = 512;

/// So few must be left before more are handed out.
pub(crate) const FEW: usize = MOST_OUT / 2;

/// How many updates are with handlers, of all sequences of an account, and who waits for there to be fewer.
///
/// The bound is the account's: thousands of channels share it.
#[derive(Default)]
pub(crate) struct Room {
    inner: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    updates: usize,
    /// Each with how few updates must be left.
    waiting: VecDeque<(usize, Wake)>,
}

/// Tells somebody that there is room. It may be called on any thread.
type Wake = Box<dyn FnOnce() + Send>;

impl Room {
    fn with<T>(&self, act: impl FnOnce(&mut Taken) -> T) -> T {
        act(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether another update may go to handlers.
    pub(crate) fn is_there(&self) -> bool {
        self.taken() < MOST_OUT
    }

    /// How many updates are with handlers.
    pub(crate) fn taken(&self) -> usize {
        self.with(|taken| taken.updates)
    }

    pub(super) fn take(&self) {
        self.with(|taken| taken.updates += 1);
    }

    /// Asks to be told once, when at most `few` updates are with handlers: [`FEW`] or none.
    pub(crate) fn wait(&self, few: usize, wake: impl FnOnce() + Send + 'static) {
        let now = self.with(|taken| {
            if taken.updates <= few {
                return Some(wake);
            }
            taken.waiting.push_back((few, Box::new(wake)));
            None
        });
        if let Some(wake) = now {
            wake();
        }
    }

    pub(super) fn give_back(&self) {
        let woken = self.with(|taken| {
            taken.updates = taken.updates.saturating_sub(1);
            if taken.updates != FEW && taken.updates != 0 {
                return VecDeque::new();
            }
            let waiting = std::mem::take(&mut taken.waiting);
            let (woken, asleep) = (waiting.into_iter()).partition(|(few, _)| taken.updates <= *few);
            taken.waiting = asleep;
            woken
        });
        for (_, wake) in woken {
            wake();
        }
    }
}

impl fmt::Debug for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.with(|taken| {
            f.debug_struct("Room")
                .field("updates", &taken.updates)
                .field("waiting", &taken.waiting.len())
                .finish()
        })
    }
}

//! Notices threads that stand still, and names what holds them.
//!
//! An arbiter runs one thing at a time: a handler or a loop's body that blocks its thread (a blocking call, an endless
//! computation) keeps everything else on it from running, and nobody on that thread can tell. The watchdog can: it is an
//! operating system's thread of its own that looks at a heartbeat of each watched thread. If one stays away for longer than
//! the limit, the supervised actor or loop that has the thread's turn is named in the log, in a [`Blocked`] event, in the
//! lifecycle events of its tree and in its node of the [`Snapshot`](crate::Snapshot).
//!
//! Nothing can be done about it from outside but to know: a thread cannot be interrupted. Move the blocking part to
//! `tokio::task::spawn_blocking`.
//!
//! It watches real threads, so it uses the real clock; start it in programs, not under paused time.
//!
//! ```
//! use actogram_runtime::{Watchdog, GenericLoop, LoopCx, loop_once};
//! use std::{time::Duration, thread};
//!
//! let system = actix_rt::System::new();
//! let watchdog = Watchdog::start(Duration::from_millis(50));
//! let mut blocked = watchdog.events();
//! let seen = system.block_on(async {
//!     let handlers = actix_rt::Arbiter::new();
//!     watchdog.watch(&handlers.handle(), "handlers");
//!     let _greedy = loop_once(
//!         GenericLoop::new("greedy", async |_: &mut LoopCx<bool>| {
//!             thread::sleep(Duration::from_millis(300));         // blocks the arbiter
//!         }),
//!         (),
//!     )
//!     .spawn_in(&handlers.handle());
//!     blocked.recv().await.unwrap()                              // this thread goes on
//! });
//! assert_eq!((seen.thread.as_str(), seen.who.as_deref()), ("handlers", Some("greedy")));
//! ```

use std::{
    cell::RefCell,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use actix_rt::ArbiterHandle;
use tokio::sync::mpsc;

use crate::supervision::link::Link;

/// A watched thread stood still for longer than the limit.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Blocked {
    /// The name the thread was watched under.
    pub thread: String,
    /// Path of the supervised actor or loop whose turn it is; `None` if it is none (a plain task or actor).
    pub who: Option<String>,
    /// How long the thread had stood still when it was noticed, or in all if it goes on again.
    pub standing: Duration,
    /// False when it is noticed, true when the thread goes on again.
    pub over: bool,
}

/// What a watched thread and the watchdog share.
struct Slot {
    name: String,
    beats: AtomicU64,
    /// Whose turn it is.
    turn: Mutex<Option<Arc<Link>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

thread_local! {
    static SLOT: RefCell<Option<Arc<Slot>>> = const { RefCell::new(None) };
}

/// Says whose turn it is on this thread until it is dropped.
pub(crate) struct TurnOf(Option<Arc<Slot>>);

/// Costs one look at a thread-local where nothing watches.
pub(crate) fn turn_of(link: &Arc<Link>) -> TurnOf {
    let slot = SLOT.try_with(|slot| slot.borrow().clone()).ok().flatten();
    if let Some(slot) = &slot {
        *lock(&slot.turn) = Some(Arc::clone(link));
    }
    TurnOf(slot)
}

impl Drop for TurnOf {
    fn drop(&mut self) {
        if let Some(slot) = &self.0 {
            *lock(&slot.turn) = None;
        }
    }
}

struct Watched {
    slot: Weak<Slot>,
    beats: u64,
    since: Instant,
    reported: Option<Option<Arc<Link>>>,
}

#[derive(Default)]
struct State {
    watched: Vec<Watched>,
    subscribers: Vec<mpsc::UnboundedSender<Blocked>>,
    ended: bool,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    blocked: AtomicU64,
}

/// Watches arbiters, see the [module](self). Dropping it ends its thread.
#[derive(Debug)]
pub struct Watchdog {
    shared: Arc<Shared>,
    limit: Duration,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl Watchdog {
    /// Starts its thread. A watched thread that stands still for longer than `limit` (at least a millisecond) is reported
    /// within half of that again.
    #[must_use]
    pub fn start(limit: Duration) -> Self {
        let limit = limit.max(Duration::from_millis(1));
        let shared = Arc::<Shared>::default();
        let watching = Arc::clone(&shared);
        let spawned = thread::Builder::new()
            .name("watchdog".to_owned())
            .spawn(move || watching.watch(limit));
        if let Err(error) = spawned {
            tracing::error!(%error, "no thread for the watchdog: blocked threads will not be noticed");
        }
        Self { shared, limit }
    }

    /// Watches an arbiter under a name. It ends with the arbiter.
    pub fn watch(&self, arbiter: &ArbiterHandle, name: impl Into<String>) {
        let beating = self.enter(name.into());
        arbiter.spawn_fn(move || beating.begin());
    }

    /// Watches the current thread under a name.
    ///
    /// # Panics
    /// Outside of a `LocalSet` or an arbiter.
    #[track_caller]
    pub fn watch_here(&self, name: impl Into<String>) {
        self.enter(name.into()).begin();
    }

    fn enter(&self, name: String) -> Beating {
        let slot = Arc::new(Slot {
            name,
            beats: AtomicU64::new(0),
            turn: Mutex::new(None),
        });
        lock(&self.shared.state).watched.push(Watched {
            slot: Arc::downgrade(&slot),
            beats: 0,
            since: Instant::now(),
            reported: None,
        });
        Beating {
            slot,
            shared: Arc::downgrade(&self.shared),
            each: self.limit / 4,
        }
    }

    /// A subscription to what is noticed from now on.
    #[must_use]
    pub fn events(&self) -> mpsc::UnboundedReceiver<Blocked> {
        let (tx, rx) = mpsc::unbounded_channel();
        lock(&self.shared.state).subscribers.push(tx);
        rx
    }

    /// How often a thread was found standing still.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.shared.blocked.load(Ordering::Relaxed)
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        lock(&self.shared.state).ended = true;
        self.shared.changed.notify_all();
    }
}

/// The heartbeat of a thread, on its way there.
struct Beating {
    slot: Arc<Slot>,
    shared: Weak<Shared>,
    each: Duration,
}

impl Beating {
    fn begin(self) {
        SLOT.with(|slot| *slot.borrow_mut() = Some(Arc::clone(&self.slot)));
        tokio::task::spawn_local(async move {
            // Ends with the watchdog.
            while self.shared.strong_count() > 0 {
                self.slot.beats.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(self.each).await;
            }
            SLOT.with(|slot| {
                let mut slot = slot.borrow_mut();
                if slot
                    .as_ref()
                    .is_some_and(|now| Arc::ptr_eq(now, &self.slot))
                {
                    *slot = None;
                }
            });
        });
    }
}

impl Shared {
    fn watch(&self, limit: Duration) {
        let mut state = lock(&self.state);
        while !state.ended {
            let (held, _) = self
                .changed
                .wait_timeout(state, limit / 2)
                .unwrap_or_else(PoisonError::into_inner);
            state = held;
            let mut seen = Vec::new();
            let now = Instant::now();
            state
                .watched
                .retain_mut(|watched| match watched.slot.upgrade() {
                    Some(slot) => {
                        seen.extend(watched.look(&slot, now, limit));
                        true
                    }
                    None => false,
                });
            for event in seen {
                if !event.over {
                    self.blocked.fetch_add(1, Ordering::Relaxed);
                }
                state
                    .subscribers
                    .retain(|subscriber| subscriber.send(event.clone()).is_ok());
            }
        }
    }
}

impl Watched {
    fn look(&mut self, slot: &Slot, now: Instant, limit: Duration) -> Option<Blocked> {
        let beats = slot.beats.load(Ordering::Relaxed);
        let standing = now.saturating_duration_since(self.since);
        if beats == self.beats {
            // Before the first beat it has not begun.
            if beats == 0 || standing < limit || self.reported.is_some() {
                return None;
            }
            let who = lock(&slot.turn).clone();
            let event = blocked(slot, who.as_deref(), standing, false);
            if let Some(link) = &who {
                link.blocked(standing);
            }
            match &event.who {
                Some(who) => {
                    tracing::error!(thread = %slot.name, %who, ?standing, "blocks its thread")
                }
                None => tracing::error!(
                    thread = %slot.name, ?standing, "something that is not supervised blocks its thread"
                ),
            }
            self.reported = Some(who);
            return Some(event);
        }
        self.beats = beats;
        self.since = now;
        let who = self.reported.take()?;
        if let Some(link) = &who {
            link.unblocked(standing);
        }
        let event = blocked(slot, who.as_deref(), standing, true);
        tracing::warn!(thread = %slot.name, who = ?event.who, ?standing, "the thread goes on again");
        Some(event)
    }
}

fn blocked(slot: &Slot, who: Option<&Link>, standing: Duration, over: bool) -> Blocked {
    Blocked {
        thread: slot.name.clone(),
        who: who.map(Link::path),
        standing,
        over,
    }
}

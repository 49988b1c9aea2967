//! The futures an actor has spawned in its context.
//!
//! Unlike actix's own list, a wake-up polls only the future it belongs to: the cost of a message does not grow with the
//! number of pending futures.

use std::{
    mem,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Wake, Waker},
};

use actix::{Actor, ActorFuture};
use futures_util::task::AtomicWaker;

pub(super) type BoxedItem<A> = Pin<Box<dyn ActorFuture<A, Output = ()>>>;

/// Futures that want to be polled, and the task that does it.
#[derive(Default)]
pub(super) struct Ready {
    woken: Mutex<Vec<(usize, usize)>>,
    task: AtomicWaker,
}

struct ItemWaker {
    slot: usize,
    key: usize,
    queued: AtomicBool,
    ready: Arc<Ready>,
}

impl Wake for ItemWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.queued.swap(true, Ordering::AcqRel) {
            self.ready
                .woken
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push((self.slot, self.key));
            self.ready.task.wake();
        }
    }
}

struct Item<A: Actor> {
    key: usize,
    /// `None` while it is being polled.
    future: Option<BoxedItem<A>>,
    waker: Arc<ItemWaker>,
}

pub(super) struct Items<A: Actor> {
    slots: Vec<Option<Item<A>>>,
    free: Vec<usize>,
    ready: Arc<Ready>,
    len: usize,
}

/// A future taken out to be polled.
pub(super) struct Taken<A: Actor> {
    slot: usize,
    key: usize,
    pub(super) future: BoxedItem<A>,
    pub(super) waker: Waker,
}

impl<A: Actor> Items<A> {
    pub(super) fn new() -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            ready: Arc::default(),
            len: 0,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(super) fn register(&self, waker: &Waker) {
        self.ready.task.register(waker);
    }

    /// Adds a future under a key that is never used twice; it is polled in the coming turn.
    pub(super) fn add(&mut self, key: usize, future: BoxedItem<A>) {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() - 1
        });
        let waker = Arc::new(ItemWaker {
            slot,
            key,
            queued: AtomicBool::new(false),
            ready: Arc::clone(&self.ready),
        });
        waker.wake_by_ref();
        self.slots[slot] = Some(Item {
            key,
            future: Some(future),
            waker,
        });
        self.len += 1;
    }

    /// Removes the future of this key and gives it back to be dropped; `None` if it is not there, or is the one being
    /// polled right now (then it is dropped after this poll).
    pub(super) fn cancel(&mut self, key: usize) -> (bool, Option<BoxedItem<A>>) {
        let found = self
            .slots
            .iter()
            .position(|slot| slot.as_ref().is_some_and(|item| item.key == key));
        match found {
            Some(slot) => {
                let item = self.release(slot);
                (true, item.and_then(|item| item.future))
            }
            None => (false, None),
        }
    }

    fn release(&mut self, slot: usize) -> Option<Item<A>> {
        let item = self.slots[slot].take();
        if item.is_some() {
            self.free.push(slot);
            self.len -= 1;
        }
        item
    }

    /// Those woken since the last call, in the order of their wake-ups.
    pub(super) fn woken(&self) -> Vec<(usize, usize)> {
        mem::take(
            &mut *self
                .ready
                .woken
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }

    pub(super) fn any_woken(&self) -> bool {
        !self
            .ready
            .woken
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_empty()
    }

    /// Puts wake-ups back that were not served.
    pub(super) fn unserved(&self, rest: &[(usize, usize)]) {
        let mut woken = self
            .ready
            .woken
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        woken.splice(0..0, rest.iter().copied());
    }

    pub(super) fn take(&mut self, (slot, key): (usize, usize)) -> Option<Taken<A>> {
        let item = self.slots.get_mut(slot)?.as_mut()?;
        if item.key != key {
            return None;
        }
        // Cleared before the poll: a wake-up during the poll must count.
        item.waker.queued.store(false, Ordering::Release);
        Some(Taken {
            slot,
            key,
            future: item.future.take()?,
            waker: Waker::from(Arc::clone(&item.waker)),
        })
    }

    /// After a poll that was pending; gives the future back if it was cancelled meanwhile.
    pub(super) fn put_back(&mut self, taken: Taken<A>) -> Option<BoxedItem<A>> {
        match self.slots.get_mut(taken.slot).and_then(Option::as_mut) {
            Some(item) if item.key == taken.key => {
                item.future = Some(taken.future);
                None
            }
            _ => Some(taken.future),
        }
    }

    /// After a poll that was ready.
    pub(super) fn done(&mut self, taken: &Taken<A>) {
        if self.slots[taken.slot]
            .as_ref()
            .is_some_and(|item| item.key == taken.key)
        {
            self.release(taken.slot);
        }
    }

    /// Takes all futures out, to be dropped by the caller. Handles given out before stay invalid: keys are never reused.
    pub(super) fn clear(&mut self) -> Vec<BoxedItem<A>> {
        self.ready
            .woken
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
        self.free.clear();
        self.len = 0;
        mem::take(&mut self.slots)
            .into_iter()
            .flatten()
            .filter_map(|item| item.future)
            .collect()
    }
}

//! What the account's actors are doing, for those who look in from other threads.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicIsize, AtomicUsize, Ordering},
    },
    time::Duration,
};

use crate::events::AccountEvent;

type Details = BTreeMap<&'static str, String>;

/// Written by the account's actors, read by snapshots.
#[derive(Default)]
pub(crate) struct Activity {
    inner: Mutex<Inner>,
    asleep: AtomicUsize,
    held: AtomicUsize,
    paced: AtomicIsize,
}

#[derive(Default)]
struct Inner {
    connection: String,
    /// Until when a method sleeps.
    floods: BTreeMap<&'static str, Duration>,
}

impl Activity {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of what an event says about the state of things.
    pub(crate) fn note(&self, now: Duration, event: &AccountEvent) {
        let mut inner = self.lock();
        match event {
            AccountEvent::Connected { dc } => {
                inner.connection = format!("connected to datacenter {dc}");
            }
            AccountEvent::Disconnected { why, .. } => {
                inner.connection = format!("not connected: {why}");
            }
            AccountEvent::ConnectFailed { address, why, .. } => {
                inner.connection = format!("not connected: {address}: {why}");
            }
            AccountEvent::FloodWait { method, wait } => {
                inner.floods.retain(|_, until| *until > now);
                let until = inner.floods.entry(*method).or_default();
                *until = (*until).max(now + *wait);
            }
            _ => {}
        }
    }

    /// How many calls sleep, and how many wait for one before them in their queue.
    pub(crate) fn note_calls(&self, asleep: usize, held: usize) {
        self.asleep.store(asleep, Ordering::Relaxed);
        self.held.store(held, Ordering::Relaxed);
    }

    /// So many more calls, or fewer, wait because of the account's rates.
    pub(crate) fn note_paced(&self, more: isize) {
        self.paced.fetch_add(more, Ordering::Relaxed);
    }

    pub(crate) fn of_connection(&self) -> Details {
        let connection = self.lock().connection.clone();
        let said = (!connection.is_empty()).then_some(("connection", connection));
        said.into_iter().collect()
    }

    pub(crate) fn of_calls(&self, now: Duration) -> Details {
        let floods: Vec<_> = (self.lock().floods.iter())
            .filter(|(_, until)| **until > now)
            .map(|(method, until)| {
                format!("{method} for {} s", (*until - now).as_secs_f32().ceil())
            })
            .collect();
        let mut details = Details::from([
            ("asleep", self.asleep.load(Ordering::Relaxed).to_string()),
            (
                "held_in_queues",
                self.held.load(Ordering::Relaxed).to_string(),
            ),
            (
                "rate_limited",
                self.paced.load(Ordering::Relaxed).to_string(),
            ),
        ]);
        if !floods.is_empty() {
            details.insert("flood_waits", floods.join(", "));
        }
        details
    }
}

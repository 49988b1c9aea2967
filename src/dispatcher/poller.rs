//! Updates that the program asks for, instead of being called.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use actogram_actors::Done;
use tokio::sync::Notify;

use crate::{Api, Error, Result, Update};

/// How long [`GetUpdates`] waits if nothing is said.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How many updates [`GetUpdates`] gives if nothing is said.
const LIMIT: usize = 100;

/// An update and its number among those that were polled.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PolledUpdate {
    /// Counts from 1 in each process. What names an update for good is its
    /// [`dedupe_id`](crate::Update::dedupe_id).
    pub id: i64,
    /// The update.
    pub update: Update,
}

/// Why updates could not be polled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PollError {
    /// Somebody else is polling already: two of them would take each other's updates.
    #[error("updates are being polled already; end that first, or share what it gives")]
    Busy,
    /// The polled mode was ended by [`Poller::close`].
    #[error("polling was ended by `close`; `Client::poller` begins anew")]
    Closed,
    /// The account has ended, and there are no more updates.
    #[error("the account has ended, so no updates will come")]
    Ended,
}

/// Waiting updates. Each counts as handled when it is taken away.
#[derive(Default)]
pub(crate) struct PollQueue {
    waiting: Mutex<Waiting>,
    came: Notify,
    busy: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Waiting {
    last: i64,
    updates: VecDeque<(PolledUpdate, Arc<Done>)>,
    on: bool,
}

impl Waiting {
    /// Takes away what `offset` says is done with, and gives what comes next.
    fn take(&mut self, offset: i64, limit: usize) -> (Vec<PolledUpdate>, Vec<Arc<Done>>) {
        let done = match usize::try_from(offset) {
            Ok(_) => self.updates.partition_point(|(it, _)| it.id < offset),
            Err(_) => {
                let keep = usize::try_from(offset.unsigned_abs()).unwrap_or(usize::MAX);
                self.updates.len().saturating_sub(keep)
            }
        };
        let done = self.updates.drain(..done).map(|(_, done)| done).collect();
        let next = self.updates.iter().take(limit.max(1));
        (next.map(|(update, _)| update.clone()).collect(), done)
    }
}

impl PollQueue {
    fn with<T>(&self, act: impl FnOnce(&mut Waiting) -> T) -> T {
        act(&mut self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes an update, if anybody polls. Bounded by the account: it hands out no more once too many updates are not
    /// handled.
    pub(super) fn push(&self, update: &Update, done: &Arc<Done>) {
        self.with(|waiting| {
            if waiting.on {
                waiting.last += 1;
                let polled = PolledUpdate {
                    id: waiting.last,
                    update: update.clone(),
                };
                waiting.updates.push_back((polled, done.clone()));
            }
        });
        self.came.notify_one();
    }

    /// As [`Waiting::take`]. What is done with is told so outside of the lock.
    fn take(&self, offset: i64, limit: usize) -> (Vec<PolledUpdate>, bool) {
        let (next, done, on) = self.with(|waiting| {
            let (next, done) = waiting.take(offset, limit);
            (next, done, waiting.on)
        });
        drop(done);
        (next, on)
    }

    pub(super) fn open(&self) {
        self.with(|waiting| waiting.on = true);
    }

    fn close(&self) {
        let given_up = self.with(|waiting| {
            waiting.on = false;
            std::mem::take(&mut waiting.updates)
        });
        drop(given_up);
        self.came.notify_one();
    }
}

/// Gives updates to a program that asks for them, beside any handlers. Made by
/// [`Client::poller`](crate::Client::poller), before the client is started.
///
/// An update counts as handled when a later call names a higher [`offset`](GetUpdates::offset): after a crash those come
/// again that were not acknowledged so. As long as too many are not, the account takes in no more; so poll on, or
/// [`close`](Self::close) it. A shutdown waits for them until its deadline.
///
/// ```no_run
/// use actogram::prelude::*;
///
/// # async fn poll(client: Client) -> Result<()> {
/// let poller = client.poller();
/// client.start().await?;
/// let mut offset = 0;
/// loop {
///     for polled in poller.get_updates().offset(offset).await? {
///         if let Some(message) = polled.update.message().filter(|message| !message.outgoing()) {
///             message.reply(message.text()).await?;
///         }
///         offset = polled.id + 1;
///     }
/// }
/// # }
/// ```
pub struct Poller {
    api: Api,
}

impl Poller {
    pub(super) fn new(api: Api) -> Self {
        api.poll_queue().open();
        Self { api }
    }

    /// The updates that wait, from the first that was not acknowledged.
    pub fn get_updates(&self) -> GetUpdates<'_> {
        GetUpdates {
            poller: self,
            offset: 0,
            limit: LIMIT,
            timeout: TIMEOUT,
        }
    }

    /// Ends the polled mode. Updates that were not acknowledged are given up: they count as handled. Dropping the
    /// poller does not do so: what comes waits for the next one of [`Client::poller`](crate::Client::poller).
    pub fn close(self) {
        self.api.poll_queue().close();
    }
}

impl fmt::Debug for Poller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let waiting = self.api.poll_queue().with(|waiting| waiting.updates.len());
        f.debug_struct("Poller")
            .field("waiting", &waiting)
            .finish_non_exhaustive()
    }
}

/// Asks for updates; see [`Poller::get_updates`].
#[derive(Debug)]
#[must_use = "updates are not asked for until this is awaited"]
pub struct GetUpdates<'a> {
    poller: &'a Poller,
    offset: i64,
    limit: usize,
    timeout: Duration,
}

impl GetUpdates<'_> {
    /// The number of the first update to give: those before it are acknowledged and never come again. A negative one
    /// counts from the end: -1 gives the last one that waits, and acknowledges all others. Default 0: whatever waits.
    pub fn offset(mut self, offset: i64) -> Self {
        self.offset = offset;
        self
    }

    /// How many to give at most; at least 1, default 100.
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// How long to wait if there are none; default 10 s. [`Duration::ZERO`] does not wait, [`Duration::MAX`] waits as
    /// long as it takes.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    async fn get(self) -> Result<Vec<PolledUpdate>> {
        let queue = self.poller.api.poll_queue();
        let _alone = queue.busy.try_lock().map_err(|_| PollError::Busy)?;
        let (first, _) = queue.take(self.offset, self.limit);
        if !first.is_empty() {
            return Ok(first);
        }
        // What is acknowledged is gone by now, and a negative offset must not throw away what comes while it waits.
        let offset = self.offset.max(0);
        let coming = async {
            loop {
                queue.came.notified().await;
                let (next, on) = queue.take(offset, self.limit);
                match (next.is_empty(), on) {
                    (false, _) => return Ok(next),
                    (true, false) => return Err(PollError::Closed),
                    (true, true) => {}
                }
            }
        };
        tokio::select! {
            biased;
            next = tokio::time::timeout(self.timeout, coming) => match next {
                Ok(next) => next.map_err(Error::from),
                Err(_) => Ok(Vec::new()),
            },
            _ = self.poller.api.account().ended() => Err(PollError::Ended.into()),
        }
    }
}

impl<'a> std::future::IntoFuture for GetUpdates<'a> {
    type Output = Result<Vec<PolledUpdate>>;
    type IntoFuture = std::pin::Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.get())
    }
}

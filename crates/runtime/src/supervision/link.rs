//! What a supervised actor (or group) and those who watch it share: its state, the orders given to it, its events.

use std::{
    collections::{BTreeMap, VecDeque},
    future::poll_fn,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Poll, Waker},
    time::Duration,
};

use tokio::{
    sync::{Notify, mpsc},
    time::Instant,
};

use super::{
    driver::guard,
    policy::{ExitReason, RestartPolicy, without_paths},
    snapshot::{Snapshot, SnapshotNode, Stats},
};
use crate::LoopStatus;

/// Where a supervised actor or group is in its life.
///
/// ```text
///            +-----------------------------+
///            v                             |
/// Starting --> Running --failure--> BackingOff
///    ^  |         |                        ^
///    |  |         +--failure--> Halted ----+   (Halted: the supervisor above decides)
///    |  |         |               |
///    |  v         v               v
///    +--+      Finished <---------+            (final)
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChildState {
    /// Its value is being made and started.
    Starting,
    /// It handles messages.
    Running,
    /// It failed and waits until this instant before the next life. Messages are kept.
    BackingOff {
        /// End of the delay.
        until: Instant,
    },
    /// It has no value and waits for its supervisor. Messages are kept.
    Halted,
    /// It has ended for good. Messages are refused.
    Finished,
}

/// A delay that never ends in practice, yet can be added to any instant.
pub(crate) const FAR: Duration = Duration::from_secs(86_400 * 365 * 30);

impl ChildState {
    fn word(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::BackingOff { .. } => "backing_off",
            Self::Halted => "halted",
            Self::Finished => "finished",
        }
    }
}

/// Something that happened to a supervised actor or group.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LifecycleEvent {
    /// Names from the root down to the one it happened to, joined by `/`.
    pub path: String,
    /// Its name.
    pub name: String,
    /// The life it happened in, counted from 1.
    pub generation: u64,
    /// When, on the tokio clock.
    pub at: Instant,
    /// What.
    pub what: Lifecycle,
}

/// The kinds of [`LifecycleEvent`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Lifecycle {
    /// `started` has returned; messages are handled from now on.
    Started,
    /// One life ended.
    Exited(ExitReason),
    /// It will be started again after this delay.
    Restarting {
        /// The delay, jitter included.
        delay: Duration,
    },
    /// It failed too often; the supervisor above (or, at the top, whoever joins it) has to deal with it.
    Escalated(ExitReason),
    /// It ended for good.
    Finished(ExitReason),
    /// It blocks its thread, noticed by a [`Watchdog`](crate::Watchdog) after this time.
    Blocked(Duration),
    /// It let go of its thread again after about this time.
    Unblocked(Duration),
    /// It holds its mailbox with `wait` while a request to itself is in there: if it waits for that reply, it waits for ever.
    /// Noticed with debug assertions only.
    MayWaitForItself {
        /// Type of the request.
        message: &'static str,
    },
}

/// How many events a subscriber may lag behind before further ones are lost to it (and counted).
const EVENT_BUFFER: usize = 1024;

struct Subscriber {
    tx: mpsc::Sender<LifecycleEvent>,
    missed: Arc<AtomicU64>,
}

#[derive(Default)]
pub(crate) struct EventBus {
    subscribers: Mutex<Vec<Subscriber>>,
}

impl EventBus {
    fn publish(&self, make: impl FnOnce() -> LifecycleEvent) {
        let mut subscribers = self
            .subscribers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if subscribers.is_empty() {
            return;
        }
        let event = make();
        subscribers.retain(|s| match s.tx.try_send(event.clone()) {
            Ok(()) => true,
            Err(mpsc::error::TrySendError::Full(_)) => {
                s.missed.fetch_add(1, Ordering::Relaxed);
                true
            }
            Err(mpsc::error::TrySendError::Closed(_)) => false,
        });
    }

    pub(crate) fn subscribe(&self) -> Events {
        let (tx, rx) = mpsc::channel(EVENT_BUFFER);
        let missed = Arc::new(AtomicU64::new(0));
        let mut subscribers = self
            .subscribers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // Where nothing happens, nothing else would find out that they are gone.
        subscribers.retain(|s| !s.tx.is_closed());
        subscribers.push(Subscriber {
            tx,
            missed: Arc::clone(&missed),
        });
        Events { rx, missed }
    }
}

/// A subscription to [`LifecycleEvent`]s, from the moment it was made.
///
/// A subscriber may lag 1,024 events behind; what comes beyond that is lost to it and counted in [`Events::missed`].
pub struct Events {
    rx: mpsc::Receiver<LifecycleEvent>,
    missed: Arc<AtomicU64>,
}

impl Events {
    /// The next event; `None` once nothing can happen any more.
    pub async fn next(&mut self) -> Option<LifecycleEvent> {
        self.rx.recv().await
    }

    /// The next event if there is one already.
    pub fn try_next(&mut self) -> Option<LifecycleEvent> {
        self.rx.try_recv().ok()
    }

    /// Events lost to this subscriber because it lagged.
    #[must_use]
    pub fn missed(&self) -> u64 {
        self.missed.load(Ordering::Relaxed)
    }
}

/// What a supervisor wants of a member. Orders replace each other, except that a weaker one never replaces a stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Order {
    /// Leave `Halted`: at once, or after the member's own back-off.
    Run {
        at_once: bool,
    },
    /// End the present life and begin the next at once.
    Restart,
    /// End the present life and wait.
    Halt,
    /// As `Halt`, without asking the actor.
    HaltNow,
    Stop,
    Kill,
}

struct Cell {
    state: ChildState,
    order: Option<Order>,
    generation: u64,
    waker: Option<Waker>,
    details: Option<Arc<dyn Shown>>,
    rare: Option<Box<Rare>>,
}

/// Restarts whose reasons are kept.
pub(crate) const REASONS_KEPT: usize = 4;

/// What most actors never need: most do not fail, are not joined, and are not subscribed to one by one.
#[derive(Default)]
struct Rare {
    last_exit: Option<ExitReason>,
    last_failure: Option<ExitReason>,
    reasons: VecDeque<ExitReason>,
    /// How long it had blocked its thread when that was noticed.
    blocked: Option<Duration>,
    changed: Option<Arc<Notify>>,
    events: Option<Arc<EventBus>>,
}

impl Cell {
    fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    fn changed(&self) -> Option<Arc<Notify>> {
        self.rare.as_ref()?.changed.clone()
    }
}

/// What a member's failure is reported to.
pub(crate) enum Report {
    /// It is halted and waits for an order.
    Failed { id: u64, reason: ExitReason },
    /// It has ended for good.
    Finished { id: u64 },
}

/// What an actor adds to its node of the snapshot; asked from other threads.
pub(crate) trait Shown: Send + Sync {
    fn figures(&self) -> BTreeMap<&'static str, String>;

    fn loop_status(&self) -> Option<LoopStatus> {
        None
    }
}

/// Gives the full name of an actor's type.
pub(crate) type Kind = fn() -> &'static str;

pub(crate) struct Link {
    pub(crate) id: u64,
    pub(crate) name: Arc<str>,
    kind: Kind,
    shutdown_ns: u64,
    pub(crate) stats: Stats,
    pub(crate) parent: Option<Weak<Link>>,
    pub(crate) reports: Option<mpsc::UnboundedSender<Report>>,
    /// Of a group only.
    children: OnceLock<Box<Mutex<Vec<Arc<Link>>>>>,
    cell: Mutex<Cell>,
    /// Whether `cell` holds an order: spares the lock in every turn.
    ordered: AtomicBool,
    pub(crate) policy: RestartPolicy,
}

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

pub(crate) struct NewLink {
    pub(crate) name: Arc<str>,
    pub(crate) kind: Kind,
    pub(crate) policy: RestartPolicy,
    pub(crate) shutdown: Duration,
    pub(crate) parent: Option<Arc<Link>>,
    pub(crate) reports: Option<mpsc::UnboundedSender<Report>>,
}

impl Link {
    pub(crate) fn new(new: NewLink) -> Arc<Self> {
        Arc::new(Self {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            name: new.name,
            kind: new.kind,
            policy: new.policy,
            shutdown_ns: u64::try_from(new.shutdown.as_nanos()).unwrap_or(u64::MAX),
            stats: Stats::default(),
            parent: new.parent.as_ref().map(Arc::downgrade),
            reports: new.reports,
            children: OnceLock::new(),
            cell: Mutex::new(Cell {
                state: ChildState::Starting,
                order: None,
                generation: 0,
                waker: None,
                details: None,
                rare: None,
            }),
            ordered: AtomicBool::new(false),
        })
    }

    fn cell(&self) -> MutexGuard<'_, Cell> {
        self.cell.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn kind(&self) -> String {
        without_paths((self.kind)())
    }

    /// How long its group waits for its orderly end.
    pub(crate) fn shutdown(&self) -> Duration {
        Duration::from_nanos(self.shutdown_ns)
    }

    /// The children of a group.
    pub(crate) fn children(&self) -> MutexGuard<'_, Vec<Arc<Link>>> {
        self.children
            .get_or_init(Box::default)
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn subscribe(self: &Arc<Self>) -> Events {
        let root = self.root();
        let bus = Arc::clone(root.cell().rare().events.get_or_insert_default());
        bus.subscribe()
    }

    fn root(self: &Arc<Self>) -> Arc<Self> {
        let mut root = Arc::clone(self);
        while let Some(above) = root.above() {
            root = above;
        }
        root
    }

    fn above(&self) -> Option<Arc<Self>> {
        self.parent.as_ref().and_then(Weak::upgrade)
    }

    /// Where what happens to it is published, if anyone ever subscribed.
    fn events(&self) -> Option<Arc<EventBus>> {
        let bus = |link: &Self| link.cell().rare.as_ref()?.events.clone();
        let mut root = self.above();
        while let Some(above) = root.as_ref().and_then(|link| link.above()) {
            root = Some(above);
        }
        root.map_or_else(|| bus(self), |root| bus(&root))
    }

    pub(crate) fn path(&self) -> String {
        let mut names = vec![self.name.to_string()];
        let mut above = self.above();
        while let Some(link) = above {
            names.push(link.name.to_string());
            above = link.above();
        }
        names.reverse();
        names.join("/")
    }

    pub(crate) fn show(&self, details: Arc<dyn Shown>) {
        let before = self.cell().details.replace(details);
        drop(before);
    }

    pub(crate) fn forget_details(&self) -> Result<(), ExitReason> {
        let details = self.cell().details.take();
        guard(|| drop(details))
    }

    /// Sets the task that is woken by an order; it keeps to it until another is set.
    pub(crate) fn register(&self, waker: &Waker) {
        let mut cell = self.cell();
        if cell
            .waker
            .as_ref()
            .is_none_or(|known| !known.will_wake(waker))
        {
            cell.waker = Some(waker.clone());
        }
    }

    /// Gives an order. Stop outranks whatever is not a stop, kill outranks all.
    pub(crate) fn order(&self, order: Order) {
        let waker = {
            let mut cell = self.cell();
            if cell.state == ChildState::Finished {
                return;
            }
            match cell.order {
                Some(held @ (Order::Stop | Order::Kill)) if held > order => return,
                _ => cell.order = Some(order),
            }
            self.ordered.store(true, Ordering::Release);
            cell.waker.clone()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    pub(crate) fn take_order(&self) -> Option<Order> {
        if !self.ordered.load(Ordering::Acquire) {
            return None;
        }
        let mut cell = self.cell();
        self.ordered.store(false, Ordering::Relaxed);
        cell.order.take()
    }

    /// For members that are tasks: waits for the next order.
    pub(crate) async fn next_order(&self) -> Order {
        poll_fn(|cx| {
            self.register(cx.waker());
            match self.take_order() {
                Some(order) => Poll::Ready(order),
                None => Poll::Pending,
            }
        })
        .await
    }

    pub(crate) fn state(&self) -> ChildState {
        self.cell().state
    }

    pub(crate) fn generation(&self) -> u64 {
        self.cell().generation
    }

    pub(crate) fn set_state(&self, state: ChildState) {
        let changed = {
            let mut cell = self.cell();
            if cell.state == ChildState::Finished {
                return;
            }
            cell.state = state;
            cell.changed()
        };
        if let Some(changed) = changed {
            changed.notify_waiters();
        }
    }

    fn emit(&self, what: Lifecycle) {
        tracing::debug!(
            actor = %self.name, kind = %self.kind(), generation = self.generation(), ?what, "lifecycle"
        );
        let Some(events) = self.events() else { return };
        events.publish(|| LifecycleEvent {
            path: self.path(),
            name: self.name.to_string(),
            generation: self.generation(),
            at: Instant::now(),
            what,
        });
    }

    pub(crate) fn next_generation(&self) -> u64 {
        let mut cell = self.cell();
        cell.generation += 1;
        if cell.generation > 1 {
            let rare = cell.rare();
            if let Some(reason) = rare.last_exit.clone() {
                if rare.reasons.len() == REASONS_KEPT {
                    rare.reasons.pop_front();
                }
                rare.reasons.push_back(reason);
            }
        }
        cell.state = ChildState::Starting;
        cell.generation
    }

    pub(crate) fn started(&self) {
        self.set_state(ChildState::Running);
        self.emit(Lifecycle::Started);
    }

    pub(crate) fn exited(&self, reason: &ExitReason) {
        {
            let mut cell = self.cell();
            let rare = cell.rare();
            rare.last_exit = Some(reason.clone());
            if reason.is_failure() {
                rare.last_failure = Some(reason.clone());
            }
        }
        if reason.is_failure() {
            tracing::warn!(actor = %self.name, kind = %self.kind(), %reason, "actor failed");
        }
        self.emit(Lifecycle::Exited(reason.clone()));
    }

    pub(crate) fn backing_off(&self, delay: Duration) {
        self.set_state(ChildState::BackingOff {
            until: Instant::now() + delay.min(FAR),
        });
        self.emit(Lifecycle::Restarting { delay });
    }

    pub(crate) fn may_wait_for_itself(&self, message: &'static str) {
        tracing::error!(
            actor = %self.name, kind = %self.kind(), message,
            "waits (`ctx.wait`) while a request to itself is in its mailbox: if it waits for that reply, it waits for ever; \
             use `ctx.spawn`"
        );
        self.emit(Lifecycle::MayWaitForItself { message });
    }

    /// Told by the watchdog's thread.
    pub(crate) fn blocked(&self, standing: Duration) {
        self.cell().rare().blocked = Some(standing);
        self.emit(Lifecycle::Blocked(standing));
    }

    pub(crate) fn unblocked(&self, stood: Duration) {
        self.cell().rare().blocked = None;
        self.emit(Lifecycle::Unblocked(stood));
    }

    pub(crate) fn escalated(&self, reason: &ExitReason) {
        tracing::error!(actor = %self.name, kind = %self.kind(), %reason, "escalates");
        self.cell().rare().last_exit = Some(reason.clone());
        self.emit(Lifecycle::Escalated(reason.clone()));
    }

    /// Waits above for an order after a failure.
    pub(crate) fn ask_parent(&self, reason: ExitReason) {
        self.set_state(ChildState::Halted);
        if let Some(reports) = &self.reports {
            // A group that is gone has given its children their last order already.
            let _ = reports.send(Report::Failed {
                id: self.id,
                reason,
            });
        }
    }

    pub(crate) fn finish(&self, reason: ExitReason) {
        let changed = {
            let mut cell = self.cell();
            if cell.state == ChildState::Finished {
                return;
            }
            cell.rare().last_exit = Some(reason.clone());
            cell.state = ChildState::Finished;
            cell.order = None;
            cell.waker = None;
            cell.changed()
        };
        self.emit(Lifecycle::Finished(reason));
        if let Some(changed) = changed {
            changed.notify_waiters();
        }
        if let Some(reports) = &self.reports {
            let _ = reports.send(Report::Finished { id: self.id });
        }
    }

    /// Waits until the state satisfies a condition.
    pub(crate) async fn until(&self, wanted: impl Fn(ChildState) -> bool) {
        loop {
            let changed = Arc::clone(self.cell().rare().changed.get_or_insert_default());
            let changed = changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if wanted(self.state()) {
                return;
            }
            changed.await;
        }
    }

    pub(crate) async fn join(&self) -> ExitReason {
        self.until(|state| state == ChildState::Finished).await;
        self.last_exit().unwrap_or(ExitReason::Killed)
    }

    pub(crate) fn last_exit(&self) -> Option<ExitReason> {
        self.cell().rare.as_ref()?.last_exit.clone()
    }

    pub(crate) fn restarts(&self) -> u64 {
        self.generation().saturating_sub(1)
    }

    pub(crate) fn snapshot_node(&self) -> SnapshotNode {
        let children = match self.children.get() {
            Some(_) => self.children().clone(),
            None => Vec::new(),
        };
        // Asked without the lock: it is the actor's own code.
        let shown = self.cell().details.clone();
        let details = shown.as_ref().map(|shown| shown.figures());
        let loop_status = shown.and_then(|shown| shown.loop_status());
        let children = children.iter().map(|child| child.snapshot_node()).collect();
        let cell = self.cell();
        let resumes_in_ms = match cell.state {
            ChildState::BackingOff { until } => Some(
                u64::try_from(until.saturating_duration_since(Instant::now()).as_millis())
                    .unwrap_or(u64::MAX),
            ),
            _ => None,
        };
        let rare = cell.rare.as_deref();
        SnapshotNode {
            name: self.name.to_string(),
            kind: self.kind(),
            state: cell.state.word().to_owned(),
            resumes_in_ms,
            generation: cell.generation,
            restarts: cell.generation.saturating_sub(1),
            restart_reasons: rare.map_or_else(Vec::new, |rare| {
                rare.reasons.iter().map(ToString::to_string).collect()
            }),
            last_exit: rare
                .and_then(|rare| rare.last_exit.as_ref())
                .map(ToString::to_string),
            last_error: rare
                .and_then(|rare| rare.last_failure.as_ref())
                .map(ToString::to_string),
            blocks_thread: rare.is_some_and(|rare| rare.blocked.is_some()),
            loop_status,
            messages: self.stats.read(),
            details: details.unwrap_or_default(),
            children,
        }
    }
}

/// A handle on one supervised actor, whatever its type. `Send + Sync`, cheap to clone; dropping it ends nothing.
#[derive(Clone)]
pub struct ChildHandle {
    pub(crate) link: Arc<Link>,
}

impl std::fmt::Debug for ChildHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChildHandle")
            .field("name", &self.link.name)
            .field("state", &self.state())
            .finish()
    }
}

impl ChildHandle {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.link.name
    }

    /// Names from the root down to it, joined by `/`.
    #[must_use]
    pub fn path(&self) -> String {
        self.link.path()
    }

    /// Where it is in its life.
    #[must_use]
    pub fn state(&self) -> ChildState {
        self.link.state()
    }

    /// Which life it is in, counted from 1; 0 before the first.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.link.generation()
    }

    /// Restarts so far.
    #[must_use]
    pub fn restarts(&self) -> u64 {
        self.link.restarts()
    }

    /// How its last life ended, if one has.
    #[must_use]
    pub fn last_exit(&self) -> Option<ExitReason> {
        self.link.last_exit()
    }

    /// Ends it for good, in its next turn: `stopping` and `stopped` are called, its veto (`Running::Continue`) is ignored,
    /// messages still queued are refused. Works during back-off too. [`join`](Self::join) tells when it is done.
    pub fn stop(&self) {
        self.link.order(Order::Stop);
    }

    /// Ends it for good without calling `stopping` or `stopped`.
    pub fn kill(&self) {
        self.link.order(Order::Kill);
    }

    /// Ends the present life and begins the next one at once, without counting towards the intensity.
    pub fn restart(&self) {
        self.link.order(Order::Restart);
    }

    /// Waits until it has ended for good and tells why.
    pub async fn join(&self) -> ExitReason {
        self.link.join().await
    }

    /// Subscribes to lifecycle events: of this actor if it stands alone, of its whole tree if it is part of one.
    #[must_use]
    pub fn events(&self) -> Events {
        self.link.subscribe()
    }

    /// This actor (with its children, if it is a group) at this moment.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::of(self.link.snapshot_node())
    }
}

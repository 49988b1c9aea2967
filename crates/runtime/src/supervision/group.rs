//! Groups of supervised actors: a tree whose inner nodes restart, stop and escalate.

use std::{
    ops::Deref,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::FutureExt;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until, timeout},
};

use super::{
    link::{ChildHandle, ChildState, FAR, Link, NewLink, Order, Report},
    policy::{
        Backoff, Brake, ExitReason, Jitter, RestartIntensity, RestartPolicy, SupervisionStrategy,
        panic_message, warn_if_ineffective,
    },
};

/// How long a killed member may take to let go before the group goes on without it (its thread may be blocked).
const KILL_GRACE: Duration = Duration::from_millis(100);

/// Something outside of the actors themselves went wrong in a group.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the supervisor {who} itself panicked: {message}")]
#[non_exhaustive]
pub struct SupervisorPanicked {
    /// Name of the group.
    pub who: String,
    /// The panic's message.
    pub message: Arc<str>,
}

type FailureHook = Box<dyn FnMut(&str, &ExitReason) + Send + Sync>;

/// A group about to be started.
#[must_use = "nothing runs before `start`"]
pub struct SupervisorBuilder {
    name: String,
    strategy: SupervisionStrategy,
    intensity: RestartIntensity,
    backoff: Backoff,
    shutdown: Duration,
    seed: Option<u64>,
    parent: Option<Supervisor>,
    hook: Option<FailureHook>,
}

impl SupervisorBuilder {
    fn new(name: String, parent: Option<Supervisor>) -> Self {
        Self {
            name,
            strategy: SupervisionStrategy::default(),
            intensity: RestartIntensity::default(),
            backoff: Backoff::default(),
            shutdown: Duration::from_secs(30),
            seed: None,
            parent,
            hook: None,
        }
    }

    /// Who is restarted when one child fails. Default: [`SupervisionStrategy::OneForOne`].
    pub fn strategy(mut self, strategy: SupervisionStrategy) -> Self {
        self.strategy = strategy;
        self
    }

    /// How many failures of its children it tolerates before it stops them all and escalates.
    pub fn intensity(mut self, intensity: RestartIntensity) -> Self {
        self.intensity = intensity;
        self
    }

    /// The delay before several children are started again together. Under `OneForOne` each child keeps its own.
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// How long a group above waits for this one to stop before it kills it. Default: 30 s.
    pub fn shutdown(mut self, within: Duration) -> Self {
        self.shutdown = within;
        self
    }

    /// Seeds the jitter of this group and of everything under it that has no seed of its own.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Called in the group's task for each failure reported to it, before it acts. A panic in it escalates the group.
    pub fn on_failure(
        mut self,
        hook: impl FnMut(&str, &ExitReason) + Send + Sync + 'static,
    ) -> Self {
        self.hook = Some(Box::new(hook));
        self
    }

    /// Starts the group's task on the current tokio runtime.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    #[track_caller]
    pub fn start(self) -> Supervisor {
        warn_if_ineffective();
        let (reports, rx) = mpsc::unbounded_channel();
        let mut jitter = match (self.seed, &self.parent) {
            (Some(seed), _) => Jitter::seeded(seed),
            (None, Some(parent)) => Jitter::seeded(parent.next_seed()),
            (None, None) => Jitter::from_process(),
        };
        let link = Link::new(NewLink {
            name: Arc::from(self.name),
            kind: || "supervisor",
            policy: RestartPolicy::Permanent,
            shutdown: self.shutdown,
            parent: self.parent.as_ref().map(Supervisor::link),
            reports: self.parent.as_ref().map(Supervisor::reports),
        });
        let own = jitter.next();
        if let Some(parent) = &self.parent {
            parent.enter(Arc::clone(&link));
        }
        let mut group = Group {
            link: Arc::clone(&link),
            rx,
            strategy: self.strategy,
            brake: Brake::new(self.intensity, self.backoff, Some(own)),
            hook: self.hook,
            pending: None,
            halted: false,
        };
        // Not `drive(self)`: the task would have room for the group twice.
        tokio::spawn(async move { group.drive().await });
        Supervisor {
            inner: Arc::new(Inner {
                handle: ChildHandle { link },
                reports,
                strategy: self.strategy,
                jitter: Mutex::new(jitter),
            }),
        }
    }
}

struct Inner {
    handle: ChildHandle,
    reports: mpsc::UnboundedSender<Report>,
    strategy: SupervisionStrategy,
    jitter: Mutex<Jitter>,
}

/// A group of supervised actors and groups. Cheap to clone; dropping it ends nothing.
///
/// Children start in the order they are added and stop in reverse. By `Deref` it is a [`ChildHandle`]: `stop`, `join`,
/// `events`, `snapshot` act on the whole tree below.
///
/// More failures than its [`RestartIntensity`] tolerates stop all children and escalate to the group above; at the root,
/// [`join`](ChildHandle::join) returns that error.
///
/// actix has a `Supervisor` too: besides `actix::prelude::*`, import this one by its name.
///
/// ```
/// # use actix::prelude::*; use actogram_runtime::{Supervisor, *};
/// # struct Store; impl Actor for Store { type Context = SupervisedContext<Self>; }
/// # struct Connection; impl Actor for Connection { type Context = SupervisedContext<Self>; }
/// # tokio::task::LocalSet::new().block_on(&tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap(), async {
/// let root = Supervisor::root("engine").start();
/// let session = root.group("session").strategy(SupervisionStrategy::RestForOne).start();
/// let store = supervise(|_| Store).name("store").under(&session).start();
/// let connection = supervise(|_| Connection).name("connection").under(&session).start();
/// tokio::task::yield_now().await;
/// assert!(root.snapshot().root.find("connection").is_some());
/// root.stop();
/// assert!(matches!(root.join().await, ExitReason::Stopped));
/// assert!(!store.connected() && !connection.connected());
/// # });
/// ```
#[derive(Clone)]
pub struct Supervisor {
    inner: Arc<Inner>,
}

impl std::fmt::Debug for Supervisor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Supervisor")
            .field("name", &self.name())
            .field("state", &self.state())
            .finish()
    }
}

impl Deref for Supervisor {
    type Target = ChildHandle;

    fn deref(&self) -> &ChildHandle {
        &self.inner.handle
    }
}

impl Supervisor {
    /// A group without a group above.
    pub fn root(name: impl Into<String>) -> SupervisorBuilder {
        SupervisorBuilder::new(name.into(), None)
    }

    /// A group inside this one.
    pub fn group(&self, name: impl Into<String>) -> SupervisorBuilder {
        SupervisorBuilder::new(name.into(), Some(self.clone()))
    }

    /// Its handle, as that of any child.
    #[must_use]
    pub fn handle(&self) -> ChildHandle {
        self.inner.handle.clone()
    }

    /// Handles of its present children, in start order.
    #[must_use]
    pub fn children(&self) -> Vec<ChildHandle> {
        let children = self.inner.handle.link.children();
        children
            .iter()
            .map(|link| ChildHandle {
                link: Arc::clone(link),
            })
            .collect()
    }

    pub(super) fn link(&self) -> Arc<Link> {
        Arc::clone(&self.inner.handle.link)
    }

    pub(super) fn reports(&self) -> mpsc::UnboundedSender<Report> {
        self.inner.reports.clone()
    }

    pub(super) fn strategy(&self) -> SupervisionStrategy {
        self.inner.strategy
    }

    /// The seed of a child's own generator.
    pub(super) fn next_seed(&self) -> u64 {
        self.inner
            .jitter
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .next()
    }

    /// Adds a child. One that comes too late is told to stop.
    pub(super) fn enter(&self, child: Arc<Link>) {
        let own = &self.inner.handle.link;
        let mut children = own.children();
        if own.state() == ChildState::Finished {
            drop(children);
            child.order(Order::Stop);
        } else {
            children.push(child);
        }
    }
}

struct Group {
    link: Arc<Link>,
    rx: mpsc::UnboundedReceiver<Report>,
    strategy: SupervisionStrategy,
    brake: Brake,
    hook: Option<FailureHook>,
    /// Members that are started again together at this time; `None` is the whole group after an escalation.
    pending: Option<(Instant, Option<Vec<u64>>)>,
    /// It waits for the group above.
    halted: bool,
}

enum Event {
    Order(Order),
    Report(Report),
    Due,
    Abandoned,
}

impl Drop for Group {
    fn drop(&mut self) {
        // The runtime ends under it: nobody will restart the children any more.
        self.link.finish(ExitReason::Killed);
    }
}

impl Group {
    async fn drive(&mut self) {
        self.link.next_generation();
        self.link.started();
        self.brake.alive();
        loop {
            let ended = AssertUnwindSafe(self.run()).catch_unwind().await;
            let reason = match ended {
                Ok(()) => return,
                Err(payload) => ExitReason::error(SupervisorPanicked {
                    who: self.link.name.to_string(),
                    message: panic_message(payload),
                }),
            };
            if self.escalate(reason).await {
                return;
            }
        }
    }

    async fn next(&mut self) -> Event {
        let due = self.pending.as_ref().map(|(at, _)| *at);
        tokio::select! {
            biased;
            order = self.link.next_order() => Event::Order(order),
            report = self.rx.recv() => report.map_or(Event::Abandoned, Event::Report),
            () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => Event::Due,
        }
    }

    /// Returns when the group has ended.
    async fn run(&mut self) {
        loop {
            match self.next().await {
                Event::Order(order) => {
                    if self.obey(order).await {
                        return;
                    }
                }
                Event::Report(Report::Finished { id }) => {
                    self.link.children().retain(|child| child.id != id);
                }
                Event::Report(Report::Failed { id, reason }) => {
                    if self.failed(id, reason).await {
                        return;
                    }
                }
                Event::Due => match self.pending.take() {
                    Some((_, Some(ids))) => self.start(&ids).await,
                    Some((_, None)) => self.restart_all().await,
                    None => {}
                },
                Event::Abandoned => {
                    // No handle and no child is left, and without either there will never be another child.
                    self.link.finish(ExitReason::Normal);
                    return;
                }
            }
        }
    }

    fn ids(&self) -> Vec<u64> {
        self.link.children().iter().map(|child| child.id).collect()
    }

    fn child(&self, id: u64) -> Option<Arc<Link>> {
        self.link
            .children()
            .iter()
            .find(|child| child.id == id)
            .cloned()
    }

    /// Whether the group has ended.
    async fn obey(&mut self, order: Order) -> bool {
        match order {
            Order::Stop | Order::Kill => {
                self.stop_all(order == Order::Kill).await;
                let reason = if order == Order::Kill {
                    ExitReason::Killed
                } else {
                    ExitReason::Stopped
                };
                self.end(reason);
                return true;
            }
            Order::Halt | Order::HaltNow => {
                self.pending = None;
                self.halted = true;
                self.halt(&self.ids()).await;
                self.link.set_state(ChildState::Halted);
            }
            Order::Run { at_once } if self.halted => {
                self.brake.reset();
                if at_once {
                    self.restart_all().await;
                } else {
                    let delay = self.brake.delay().min(FAR);
                    self.link.backing_off(delay);
                    self.pending = Some((Instant::now() + delay, None));
                }
            }
            Order::Run { .. } => {}
            Order::Restart => {
                self.halt(&self.ids()).await;
                self.brake.reset();
                self.restart_all().await;
            }
        }
        false
    }

    async fn restart_all(&mut self) {
        self.pending = None;
        self.halted = false;
        self.link.next_generation();
        self.brake.alive();
        self.start(&self.ids()).await;
        self.link.started();
    }

    /// Whether the group has ended.
    async fn failed(&mut self, id: u64, reason: ExitReason) -> bool {
        let Some(child) = self.child(id) else {
            return false;
        };
        let waits_already = self
            .pending
            .as_ref()
            .is_some_and(|(_, ids)| ids.as_ref().is_none_or(|ids| ids.contains(&id)));
        if self.halted || waits_already || child.state() != ChildState::Halted {
            return false;
        }
        if let Some(hook) = &mut self.hook {
            hook(&child.name, &reason);
        }
        if let Err(exhausted) = self.brake.record(&self.link.name, &reason) {
            return self.escalate(ExitReason::error(exhausted)).await;
        }
        if self.strategy == SupervisionStrategy::OneForOne {
            child.order(Order::Run { at_once: false });
            return false;
        }
        let all = self.ids();
        let from = match self.strategy {
            SupervisionStrategy::RestForOne => {
                all.iter().position(|other| *other == id).unwrap_or(0)
            }
            _ => 0,
        };
        let mut affected = all[from..].to_vec();
        if let Some((_, Some(waiting))) = &self.pending {
            // In start order, whoever came first.
            affected = all
                .iter()
                .copied()
                .filter(|id| affected.contains(id) || waiting.contains(id))
                .collect();
        }
        self.halt(&affected).await;
        let due = Instant::now() + self.brake.delay().min(FAR);
        self.pending = Some((due, Some(affected)));
        false
    }

    /// Halts members in reverse order; temporary ones, which are never restarted, are stopped.
    async fn halt(&self, ids: &[u64]) {
        for id in ids.iter().rev() {
            let Some(child) = self.child(*id) else {
                continue;
            };
            if child.policy == RestartPolicy::Temporary {
                Self::stop(&child, false).await;
                continue;
            }
            child.order(Order::Halt);
            let down = |state| matches!(state, ChildState::Halted | ChildState::Finished);
            if timeout(child.shutdown(), child.until(down)).await.is_err() {
                tracing::warn!(actor = %child.name, within = ?child.shutdown(), "did not halt in time, dropping it");
                child.order(Order::HaltNow);
                let _ = timeout(KILL_GRACE, child.until(down)).await;
            }
        }
    }

    /// Starts halted members in order, each after the one before has started (or failed to).
    async fn start(&self, ids: &[u64]) {
        for id in ids {
            let Some(child) = self.child(*id) else {
                continue;
            };
            let before = child.generation();
            child.order(Order::Run { at_once: true });
            let up = |state| {
                state == ChildState::Finished
                    || (child.generation() > before && state != ChildState::Starting)
            };
            if timeout(child.shutdown(), child.until(up)).await.is_err() {
                tracing::warn!(actor = %child.name, "takes long to start; its group goes on");
            }
        }
    }

    async fn stop(child: &Link, kill: bool) {
        if !kill {
            child.order(Order::Stop);
            if timeout(child.shutdown(), child.join()).await.is_ok() {
                return;
            }
            tracing::warn!(actor = %child.name, within = ?child.shutdown(), "did not stop in time, killing it");
        }
        child.order(Order::Kill);
        if timeout(KILL_GRACE, child.join()).await.is_err() {
            tracing::error!(actor = %child.name, "cannot be killed (its thread is blocked); going on without it");
        }
    }

    /// Stops all children in reverse order, those that are added meanwhile too.
    async fn stop_all(&mut self, kill: bool) {
        self.pending = None;
        loop {
            let last = self.link.children().last().cloned();
            let Some(child) = last else { return };
            Self::stop(&child, kill).await;
            self.link.children().retain(|other| other.id != child.id);
        }
    }

    /// Gives up; whether the group has ended (it has unless a group above may start it again).
    async fn escalate(&mut self, reason: ExitReason) -> bool {
        self.pending = None;
        if self.link.reports.is_some() {
            self.halted = true;
            self.halt(&self.ids()).await;
            self.link.escalated(&reason);
            self.link.ask_parent(reason);
            return false;
        }
        self.stop_all(false).await;
        self.link.escalated(&reason);
        self.end(reason);
        true
    }

    fn end(&self, reason: ExitReason) {
        self.link.finish(reason);
        // Whoever was added between the last stop and this.
        let late: Vec<_> = self.link.children().drain(..).collect();
        for child in late {
            child.order(Order::Stop);
        }
    }
}

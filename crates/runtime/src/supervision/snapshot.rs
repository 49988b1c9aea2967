//! What a tree of supervised actors looks like at one moment.

use std::{
    cell::Cell,
    collections::BTreeMap,
    sync::{
        Mutex, OnceLock, PoisonError,
        atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use serde::Serialize;
use tokio::time::Instant;

use crate::LoopStatus;

/// Counters of one actor, written by its driver alone and read by anyone.
#[derive(Debug, Default)]
pub(crate) struct Stats {
    handled: AtomicU64,
    depth: AtomicU32,
    depth_max: AtomicU32,
    /// Made when the first message is timed: many an actor never gets one.
    times: OnceLock<Box<Mutex<Times>>>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Times {
    timed: u64,
    wait_ns: u64,
    wait_max_ns: u64,
    busy_ns: u64,
    busy_max_ns: u64,
    slowest: &'static str,
}

fn nanos(d: Duration) -> u64 {
    u64::try_from(d.as_nanos()).unwrap_or(u64::MAX)
}

static ONE_IN: AtomicU32 = AtomicU32::new(17);

/// How many messages are sent for each that is timed, in the whole process. Default: 17, since reading the clock three times
/// costs as much as a message; every message is counted whatever this says. 0 times none, 1 times each one.
pub fn time_one_message_in(messages: u32) {
    ONE_IN.store(messages, Relaxed);
}

thread_local! {
    static UNTIL_NEXT: Cell<u32> = const { Cell::new(0) };
}

/// The time, if the message that is being sent is one of those that are timed.
pub(super) fn time_sent() -> Option<Instant> {
    let one_in = ONE_IN.load(Relaxed);
    let timed = UNTIL_NEXT
        .try_with(|left| {
            // A smaller share set meanwhile holds at once.
            match left.get().min(one_in) {
                0 | 1 => {
                    left.set(one_in);
                    one_in != 0
                }
                n => {
                    left.set(n - 1);
                    false
                }
            }
        })
        .unwrap_or(false);
    timed.then(Instant::now)
}

impl Stats {
    /// A message was handled.
    pub(crate) fn handled(&self) {
        self.handled
            .store(self.handled.load(Relaxed).wrapping_add(1), Relaxed);
    }

    /// A message was timed.
    pub(crate) fn timed(&self, name: &'static str, wait: Duration, busy: Duration) {
        let mut times = self
            .times
            .get_or_init(Box::default)
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let (wait, busy) = (nanos(wait), nanos(busy));
        times.timed += 1;
        times.wait_ns = times.wait_ns.saturating_add(wait);
        times.wait_max_ns = times.wait_max_ns.max(wait);
        times.busy_ns = times.busy_ns.saturating_add(busy);
        if busy > times.busy_max_ns {
            times.busy_max_ns = busy;
            times.slowest = name;
        }
    }

    /// Messages that wait, and the most that did in this turn.
    pub(crate) fn depth(&self, now: usize, most: usize) {
        let saturated = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        self.depth.store(saturated(now), Relaxed);
        let most = saturated(most.max(now));
        if most > self.depth_max.load(Relaxed) {
            self.depth_max.store(most, Relaxed);
        }
    }

    pub(crate) fn read(&self) -> MessageStats {
        let times = self
            .times
            .get()
            .map(|times| *times.lock().unwrap_or_else(PoisonError::into_inner))
            .unwrap_or_default();
        MessageStats {
            handled: self.handled.load(Relaxed),
            timed: times.timed,
            depth: self.depth.load(Relaxed).into(),
            depth_max: self.depth_max.load(Relaxed).into(),
            wait_total_ns: times.wait_ns,
            wait_max_ns: times.wait_max_ns,
            busy_total_ns: times.busy_ns,
            busy_max_ns: times.busy_max_ns,
            slowest: times.slowest.to_owned(),
        }
    }
}

/// Message figures of one actor, or summed over one kind of actor. Times in nanoseconds of the tokio clock.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct MessageStats {
    /// Messages handled.
    pub handled: u64,
    /// How many of them the times below were taken of, see [`time_one_message_in`].
    pub timed: u64,
    /// Messages waiting (as of the end of the actor's last turn).
    pub depth: u64,
    /// Most messages ever waiting at the start of a turn.
    pub depth_max: u64,
    /// Sum of the times between sending and handling, of those that were timed.
    pub wait_total_ns: u64,
    /// Longest such time.
    pub wait_max_ns: u64,
    /// Sum of the times spent in handlers, of those that were timed.
    pub busy_total_ns: u64,
    /// Longest such time.
    pub busy_max_ns: u64,
    /// Type name of the message that took longest to handle; empty if none took measurable time.
    pub slowest: String,
}

impl MessageStats {
    /// Mean time between sending and handling.
    #[must_use]
    pub fn wait_mean(&self) -> Duration {
        Duration::from_nanos(self.wait_total_ns.checked_div(self.timed).unwrap_or(0))
    }

    /// Mean time spent in a handler.
    #[must_use]
    pub fn busy_mean(&self) -> Duration {
        Duration::from_nanos(self.busy_total_ns.checked_div(self.timed).unwrap_or(0))
    }

    fn add(&mut self, other: &Self) {
        self.handled += other.handled;
        self.timed += other.timed;
        self.depth += other.depth;
        self.depth_max = self.depth_max.max(other.depth_max);
        self.wait_total_ns = self.wait_total_ns.saturating_add(other.wait_total_ns);
        self.wait_max_ns = self.wait_max_ns.max(other.wait_max_ns);
        self.busy_total_ns = self.busy_total_ns.saturating_add(other.busy_total_ns);
        if other.busy_max_ns > self.busy_max_ns {
            self.busy_max_ns = other.busy_max_ns;
            self.slowest.clone_from(&other.slowest);
        }
    }
}

/// One actor or group in a [`Snapshot`].
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct SnapshotNode {
    /// Name given at start.
    pub name: String,
    /// Type of the actor, or `supervisor`.
    pub kind: String,
    /// `starting`, `running`, `backing_off`, `halted`, `finished`.
    pub state: String,
    /// Milliseconds until the end of the back-off, if it is backing off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resumes_in_ms: Option<u64>,
    /// Which life it is in, counted from 1; 0 before the first.
    pub generation: u64,
    /// Restarts so far.
    pub restarts: u64,
    /// Why it was restarted the last times, the latest last; at most four.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub restart_reasons: Vec<String>,
    /// How its last life ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_exit: Option<String>,
    /// The last error or panic that ended a life of it, whatever came after.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// A [`Watchdog`](crate::Watchdog) found it blocking its thread, and it still does.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub blocks_thread: bool,
    /// The loop it carries, if it is a loop's actor: what restarts there is the loop's body, so see its own figures.
    #[serde(rename = "loop", skip_serializing_if = "Option::is_none")]
    pub loop_status: Option<LoopStatus>,
    /// Message figures.
    pub messages: MessageStats,
    /// What the actor itself reports (a loop: its state, iterations, pause).
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub details: BTreeMap<&'static str, String>,
    /// Children, in start order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub children: Vec<SnapshotNode>,
}

impl SnapshotNode {
    /// Depth-first search by name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&SnapshotNode> {
        if self.name == name {
            return Some(self);
        }
        self.children.iter().find_map(|child| child.find(name))
    }
}

/// A tree of supervised actors at one moment; serializable.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Snapshot {
    /// The tree.
    pub root: SnapshotNode,
    /// Message figures summed per kind of actor.
    pub kinds: BTreeMap<String, MessageStats>,
}

impl Snapshot {
    /// One tree of several, below a node that stands for nothing but their being together.
    #[must_use]
    pub fn joined(name: impl Into<String>, kind: impl Into<String>, parts: Vec<Self>) -> Self {
        Self::of(SnapshotNode {
            name: name.into(),
            kind: kind.into(),
            state: "running".to_owned(),
            resumes_in_ms: None,
            generation: 1,
            restarts: 0,
            restart_reasons: Vec::new(),
            last_exit: None,
            last_error: None,
            blocks_thread: false,
            loop_status: None,
            messages: MessageStats::default(),
            details: BTreeMap::new(),
            children: parts.into_iter().map(|part| part.root).collect(),
        })
    }

    pub(crate) fn of(root: SnapshotNode) -> Self {
        fn walk(node: &SnapshotNode, kinds: &mut BTreeMap<String, MessageStats>) {
            kinds
                .entry(node.kind.clone())
                .or_default()
                .add(&node.messages);
            for child in &node.children {
                walk(child, kinds);
            }
        }
        let mut kinds = BTreeMap::new();
        walk(&root, &mut kinds);
        Self { root, kinds }
    }
}

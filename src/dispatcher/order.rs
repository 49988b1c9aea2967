//! In which order handlers see updates.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, VecDeque},
    future::Future,
    panic::AssertUnwindSafe,
    pin::Pin,
    rc::Rc,
    sync::Arc,
};

use actogram_actors::Done;
use futures_util::FutureExt;
use tokio::{
    sync::{Mutex, Notify, Semaphore},
    task::spawn_local,
};

use super::waits::{Since, Verdict, Wait, WaitId, Waits};
use crate::{PeerId, Update};

type Job = Pin<Box<dyn Future<Output = ()>>>;

/// What may run side by side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Order {
    /// One update after another, over all chats.
    Sequential,
    /// One update after another within a chat; chats side by side. Updates of no chat count as one chat.
    #[default]
    PerChat,
    /// Up to this many at once, in no order. At least one.
    Unordered(usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Lane {
    All,
    Chat(Option<PeerId>),
    Own(u64),
}

struct Item {
    job: Job,
    /// What conversations may take away before its turn.
    update: Option<(Update, Arc<Done>)>,
}

/// What a lane does next.
enum Step {
    Run(Job),
    /// Whether its first is the answer to a question shows once that has been sent.
    Hold,
    End,
}

/// Jobs waiting for their turn. Each lane that has any has one task that runs them.
pub(crate) struct Queues {
    order: Order,
    lanes: RefCell<BTreeMap<Lane, VecDeque<Item>>>,
    next: RefCell<u64>,
    at_once: Semaphore,
    /// How many keep jobs from beginning.
    holds: Cell<usize>,
    released: Notify,
    /// Those that hold come one after another.
    holding: Mutex<()>,
    closed: Cell<bool>,
    waits: Waits,
}

/// Keeps jobs from beginning.
struct Hold(Rc<Queues>);

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.holds.set(self.0.holds.get() - 1);
        self.0.released.notify_waiters();
    }
}

impl Queues {
    pub(crate) fn new(order: Order) -> Rc<Self> {
        let at_once = match order {
            Order::Sequential => 1,
            Order::PerChat => Semaphore::MAX_PERMITS,
            Order::Unordered(most) => most.clamp(1, Semaphore::MAX_PERMITS),
        };
        Rc::new(Self {
            order,
            lanes: RefCell::default(),
            next: RefCell::new(0),
            at_once: Semaphore::new(at_once),
            holds: Cell::new(0),
            released: Notify::new(),
            holding: Mutex::new(()),
            closed: Cell::new(false),
            waits: Waits::default(),
        })
    }

    /// Runs `job` when its update's lane is free; before all that wait there if it is to be `first`. Gives the update back
    /// if a conversation has taken it instead.
    pub(crate) fn push(
        self: &Rc<Self>,
        update: Update,
        done: Arc<Done>,
        first: bool,
        job: impl Future<Output = ()> + 'static,
    ) -> Option<Update> {
        if !self.closed.get() && self.waits.offer(&update, &done) == Verdict::Taken {
            return Some(update);
        }
        let chat = update.peer();
        let item = Item {
            job: Box::pin(job),
            update: Some((update, done)),
        };
        self.push_item(chat, item, first);
        None
    }

    /// Runs `job` behind what waits in the chat. No conversation takes an album away.
    pub(super) fn push_album(
        self: &Rc<Self>,
        chat: PeerId,
        job: impl Future<Output = ()> + 'static,
    ) {
        let job = Box::pin(job);
        self.push_item(Some(chat), Item { job, update: None }, false);
    }

    fn push_item(self: &Rc<Self>, chat: Option<PeerId>, item: Item, first: bool) {
        if self.closed.get() {
            return;
        }
        let lane = match self.order {
            Order::Sequential => Lane::All,
            Order::PerChat => Lane::Chat(chat),
            Order::Unordered(_) => {
                let mut next = self.next.borrow_mut();
                *next += 1;
                Lane::Own(*next)
            }
        };
        let mut lanes = self.lanes.borrow_mut();
        match lanes.get_mut(&lane) {
            Some(waiting) if first => waiting.push_front(item),
            Some(waiting) => waiting.push_back(item),
            None => {
                lanes.insert(lane, VecDeque::from([item]));
                spawn_local(Self::run(self.clone(), lane));
            }
        }
    }

    /// A conversation begins to wait. Gives the update that was its answer, if that is there already.
    pub(super) fn expect(&self, wait: Wait) -> Option<Update> {
        if self.closed.get() {
            return None;
        }
        let (chat, asking) = (wait.chat, wait.since == Since::Asking);
        self.waits.add(wait);
        if asking { None } else { self.find_answer(chat) }
    }

    /// Its question has been sent. Gives the update that was its answer, if that is there already.
    pub(super) fn asked(&self, id: WaitId, question: i32) -> Option<Update> {
        let chat = self.waits.asked(id, question)?;
        self.find_answer(chat)
    }

    pub(super) fn forget(&self, id: WaitId) {
        self.waits.remove(id);
    }

    fn find_answer(&self, chat: PeerId) -> Option<Update> {
        let mut lanes = self.lanes.borrow_mut();
        let lanes = lanes.iter_mut().filter(|(lane, _)| match lane {
            Lane::Chat(of) => *of == Some(chat),
            Lane::All | Lane::Own(_) => true,
        });
        for (_, items) in lanes {
            for place in 0..items.len() {
                let Some((update, done)) = &items[place].update else {
                    continue;
                };
                let said = self.waits.offer(update, done);
                match said {
                    Verdict::Other => {}
                    Verdict::Ends => return None,
                    Verdict::Taken => {
                        let taken = items.remove(place).and_then(|item| item.update);
                        return taken.map(|(update, _)| update);
                    }
                }
            }
        }
        None
    }

    /// Runs `job` before everything that has not begun yet. What has goes on meanwhile: a conversation may last for hours.
    pub(crate) fn before_others(self: &Rc<Self>, job: impl Future<Output = ()> + 'static) {
        self.holds.set(self.holds.get() + 1);
        let hold = Hold(self.clone());
        spawn_local(async move {
            let _turn = hold.0.holding.lock().await;
            job.await;
        });
    }

    async fn released(&self) {
        loop {
            let released = self.released.notified();
            if self.holds.get() == 0 {
                return;
            }
            released.await;
        }
    }

    /// Begins no further job, and drops those that wait.
    pub(crate) fn close(&self) {
        self.closed.set(true);
        self.lanes.borrow_mut().clear();
        self.waits.clear();
    }

    async fn run(self: Rc<Self>, lane: Lane) {
        loop {
            let asked = self.waits.asked.notified();
            {
                // The semaphore is never closed, so this cannot fail.
                let _permit = self.at_once.acquire().await.ok();
                self.released().await;
                if self.closed.get() {
                    return;
                }
                // Only now: as long as it waits for its turn, a conversation may still take it.
                match self.next_of(lane) {
                    Step::End => return,
                    Step::Hold => {}
                    Step::Run(job) => {
                        if AssertUnwindSafe(job).catch_unwind().await.is_err() {
                            tracing::error!("handling an update panicked outside its handlers");
                        }
                        continue;
                    }
                }
            }
            asked.await;
        }
    }

    fn next_of(&self, lane: Lane) -> Step {
        let mut lanes = self.lanes.borrow_mut();
        let Some(items) = lanes.get_mut(&lane) else {
            return Step::End;
        };
        let Some(item) = items.pop_front() else {
            lanes.remove(&lane);
            return Step::End;
        };
        let update = item.update.as_ref().map(|(update, _)| update);
        if update.is_some_and(|update| self.waits.hold(update)) {
            items.push_front(item);
            return Step::Hold;
        }
        Step::Run(item.job)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::{task::LocalSet, time::sleep};

    impl Queues {
        fn push_job(
            self: &Rc<Self>,
            chat: Option<PeerId>,
            job: impl Future<Output = ()> + 'static,
        ) {
            let job = Box::pin(job);
            self.push_item(chat, Item { job, update: None }, false);
        }
    }

    /// Runs jobs of 1 s each and tells when each ended, in virtual seconds.
    async fn ends(order: Order, chats: &[i64]) -> Vec<(usize, u64)> {
        let queues = Queues::new(order);
        let log = Rc::new(RefCell::new(Vec::new()));
        let started = tokio::time::Instant::now();
        for (number, chat) in chats.iter().enumerate() {
            let log = log.clone();
            queues.push_job(Some(PeerId::User(*chat)), async move {
                sleep(Duration::from_secs(1)).await;
                log.borrow_mut().push((number, started.elapsed().as_secs()));
            });
        }
        sleep(Duration::from_secs(60)).await;
        assert!(
            queues.lanes.borrow().is_empty(),
            "lanes that are done are forgotten"
        );
        log.take()
    }

    #[tokio::test(start_paused = true)]
    async fn chats_run_side_by_side_and_each_in_order() {
        let ends = LocalSet::new()
            .run_until(ends(Order::PerChat, &[1, 1, 2, 1, 2]))
            .await;
        let of = |numbers: &[usize]| {
            ends.iter()
                .filter(|(n, _)| numbers.contains(n))
                .copied()
                .collect::<Vec<_>>()
        };
        assert_eq!(of(&[0, 1, 3]), [(0, 1), (1, 2), (3, 3)]);
        assert_eq!(of(&[2, 4]), [(2, 1), (4, 2)]);
    }

    #[tokio::test(start_paused = true)]
    async fn sequential_runs_one_at_a_time() {
        let ends = LocalSet::new()
            .run_until(ends(Order::Sequential, &[1, 2, 1]))
            .await;
        assert_eq!(ends, [(0, 1), (1, 2), (2, 3)]);
    }

    #[tokio::test(start_paused = true)]
    async fn unordered_is_bounded() {
        let ends = LocalSet::new()
            .run_until(ends(Order::Unordered(2), &[1, 1, 1, 1]))
            .await;
        assert_eq!(
            ends.iter().map(|(_, second)| *second).collect::<Vec<_>>(),
            [1, 1, 2, 2]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_before_others_waits_for_nobody_and_nothing_begins_meanwhile() {
        LocalSet::new()
            .run_until(async {
                let queues = Queues::new(Order::PerChat);
                let log = Rc::new(RefCell::new(Vec::new()));
                let started = tokio::time::Instant::now();
                let job = |name: &'static str, seconds| {
                    let log = log.clone();
                    async move {
                        sleep(Duration::from_secs(seconds)).await;
                        log.borrow_mut().push((name, started.elapsed().as_secs()));
                    }
                };
                // As a conversation, which waits for somebody.
                queues.push_job(None, job("long", 60));
                sleep(Duration::from_millis(1)).await;
                queues.before_others(job("first", 1));
                queues.before_others(job("second", 1));
                queues.before_others(async { panic!("in a start") });
                queues.push_job(Some(PeerId::User(1)), job("after", 1));
                queues.push_job(None, job("behind", 1));
                sleep(Duration::from_secs(100)).await;
                let expected = [("first", 1), ("second", 2), ("after", 3), ("long", 60)];
                assert_eq!(log.borrow()[..4], expected);
                assert_eq!(log.borrow()[4..], [("behind", 61)]);
            })
            .await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_panic_costs_one_job() {
        LocalSet::new()
            .run_until(async {
                let queues = Queues::new(Order::PerChat);
                let reached = Rc::new(RefCell::new(false));
                queues.push_job(None, async { panic!("boom") });
                let flag = reached.clone();
                queues.push_job(None, async move { *flag.borrow_mut() = true });
                sleep(Duration::from_secs(1)).await;
                assert!(reached.take());
            })
            .await;
    }
}

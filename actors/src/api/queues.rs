//! Queues of calls by name: each call is carried out after those before it.
//!
//! A call goes through two stretches. Up to [`ApiActor`](super::ApiActor) its [`Place`], taken when the call was made, keeps
//! the order, whatever the call still waits for (its peer, a permit). From there on it is the order of the calls here: one
//! goes to the session only while all those before it are there too, and is chained to the last of them by `invokeAfterMsg`.
//! A call that comes back from the session (a flood wait, say) brings back those behind it. So does one whose connection
//! died: those behind it may still be in that actor's mailbox, before it now, and are turned back there.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::oneshot;

/// The queues of one account that are not empty.
#[derive(Default)]
pub(crate) struct Queues {
    by_name: Mutex<HashMap<Arc<str>, Queue>>,
}

#[derive(Default)]
struct Queue {
    next: u64,
    /// Places whose calls have not been submitted, and how to tell each that it is the first.
    places: BTreeMap<u64, Option<oneshot::Sender<()>>>,
    /// Calls that have been submitted and have not ended, in order.
    calls: VecDeque<Queued>,
}

struct Queued {
    call: u64,
    at: Whereabouts,
}

/// How far a call has come.
///
/// ```text
///  Waiting ── its turn ──► Underway ── its turn ──► InSession
///     ▲                       │                         │
///     └────── turned back ────┴─ refused, actor died ───┘
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whereabouts {
    Waiting,
    /// In the mailbox of the connection.
    Underway,
    InSession,
}

/// What is to be done with a call of a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// It may go on, after this call if there is one.
    Go(Option<u64>),
    /// One before it is not as far.
    Wait,
}

impl Queues {
    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, Queue>> {
        self.by_name.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the place behind all others, unless there are `limit` calls in the queue.
    pub(crate) fn place(self: &Arc<Self>, name: &str, limit: usize) -> Option<Place> {
        let mut queues = self.lock();
        let name = match queues.get_key_value(name) {
            Some((name, queue)) if queue.len() >= limit => {
                tracing::debug!(queue = %name, limit, "a call queue is full");
                return None;
            }
            Some((name, _)) => name.clone(),
            None if limit == 0 => return None,
            None => Arc::from(name),
        };
        let queue = queues.entry(name.clone()).or_default();
        let number = queue.next;
        queue.next += 1;
        queue.places.insert(number, None);
        Some(Place {
            queues: self.clone(),
            name,
            number,
        })
    }

    /// A call begins, or begins another life: it is not with the session.
    pub(crate) fn enter(&self, name: &Arc<str>, call: u64) {
        let mut queues = self.lock();
        let queue = queues.entry(name.clone()).or_default();
        match queue.calls.iter_mut().find(|queued| queued.call == call) {
            Some(queued) => queued.at = Whereabouts::Waiting,
            None => queue.calls.push_back(Queued {
                call,
                at: Whereabouts::Waiting,
            }),
        }
    }

    /// Asks for a call whether it may go to the connection, and takes note that it does.
    pub(crate) fn depart(&self, name: &str, call: u64) -> Turn {
        self.turn(name, call, Whereabouts::Underway)
    }

    /// Asks for a call that has come to the connection whether it may go to the session, and takes note that it does. If
    /// not, it is to go back.
    pub(crate) fn arrive(&self, name: &str, call: u64) -> Turn {
        self.turn(name, call, Whereabouts::InSession)
    }

    fn turn(&self, name: &str, call: u64, to: Whereabouts) -> Turn {
        let mut queues = self.lock();
        let Some(queue) = queues.get_mut(name) else {
            return Turn::Go(None);
        };
        let Some(at) = queue.calls.iter().position(|queued| queued.call == call) else {
            return Turn::Go(None);
        };
        let as_far = |queued: &Queued| queued.at == Whereabouts::InSession || queued.at == to;
        if !queue.calls.iter().take(at).all(as_far) {
            queue.calls[at].at = Whereabouts::Waiting;
            return Turn::Wait;
        }
        queue.calls[at].at = to;
        Turn::Go(at.checked_sub(1).map(|before| queue.calls[before].call))
    }

    /// The call whose turn it would be next.
    pub(crate) fn first_waiting(&self, name: &str) -> Option<u64> {
        let queues = self.lock();
        let waiting = queues.get(name)?.calls.iter();
        waiting
            .skip_while(|queued| queued.at != Whereabouts::Waiting)
            .map(|queued| queued.call)
            .next()
    }

    /// A call has ended. Tells whether others wait that may have waited for it.
    pub(crate) fn leave(&self, name: &str, call: u64) -> bool {
        let mut queues = self.lock();
        let Some(queue) = queues.get_mut(name) else {
            return false;
        };
        queue.calls.retain(|queued| queued.call != call);
        let waiting = queue
            .calls
            .iter()
            .any(|queued| queued.at == Whereabouts::Waiting);
        if queue.len() == 0 {
            queues.remove(name);
        }
        waiting
    }

    /// Gives a place up, so that the next one is the first.
    fn pass(&self, name: &str, number: u64) {
        let mut queues = self.lock();
        let Some(queue) = queues.get_mut(name) else {
            return;
        };
        queue.places.remove(&number);
        if let Some(mut first) = queue.places.first_entry()
            && let Some(told) = first.get_mut().take()
        {
            // Whoever waited may have gone; then the place goes too.
            let _ = told.send(());
        }
        if queue.len() == 0 {
            queues.remove(name);
        }
    }
}

impl Queue {
    fn len(&self) -> usize {
        self.places.len() + self.calls.len()
    }
}

/// A call's place in a queue, from when the call is made until it is submitted. Dropping it gives it up.
///
/// See [`Account::place_in_queue`](crate::Account::place_in_queue).
pub struct Place {
    queues: Arc<Queues>,
    name: Arc<str>,
    number: u64,
}

impl Place {
    /// The queue's name.
    pub(crate) fn queue(&self) -> &Arc<str> {
        &self.name
    }

    /// Resolves when all those before have submitted their calls, or given up.
    pub(crate) async fn turn(&self) {
        let told = {
            let mut queues = self.queues.lock();
            let Some(queue) = queues.get_mut(&self.name) else {
                return;
            };
            if queue.places.keys().next() == Some(&self.number) {
                return;
            }
            let (tell, told) = oneshot::channel();
            queue.places.insert(self.number, Some(tell));
            told
        };
        // The sender stays as long as the place does.
        let _ = told.await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.queues.pass(&self.name, self.number);
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Place({} in {:?})", self.number, self.name)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const A: &str = "a";

    fn entered(calls: impl IntoIterator<Item = u64>) -> Arc<Queues> {
        let queues = Arc::new(Queues::default());
        for call in calls {
            queues.enter(&Arc::from(A), call);
        }
        queues
    }

    #[test]
    fn a_call_goes_when_all_before_it_are_with_the_session() {
        let queues = entered(1..=3);
        assert_eq!(queues.depart(A, 2), Turn::Wait);
        assert_eq!(queues.depart(A, 1), Turn::Go(None));
        assert_eq!(queues.first_waiting(A), Some(2));
        assert_eq!(queues.depart(A, 2), Turn::Go(Some(1)));
        assert_eq!(queues.arrive(A, 1), Turn::Go(None));
        assert_eq!(queues.arrive(A, 2), Turn::Go(Some(1)));
        // One comes back: those behind it wait, those before do not.
        queues.enter(&Arc::from(A), 1);
        assert_eq!(queues.depart(A, 2), Turn::Wait);
        assert_eq!(queues.depart(A, 3), Turn::Wait);
        assert!(queues.leave(A, 1));
        assert_eq!(queues.depart(A, 2), Turn::Go(None));
        assert_eq!(queues.depart(A, 3), Turn::Go(Some(2)));
        assert!(!queues.leave(A, 3));
        assert!(!queues.leave(A, 2));
        assert!(queues.lock().is_empty(), "an empty queue is forgotten");
    }

    /// The first was given to a session that is lost; the second was in the mailbox then, and is before it now.
    #[test]
    fn a_call_that_overtook_one_on_the_way_is_turned_back() {
        let queues = entered(1..=2);
        assert_eq!(queues.depart(A, 1), Turn::Go(None));
        assert_eq!(queues.depart(A, 2), Turn::Go(Some(1)));
        assert_eq!(queues.arrive(A, 1), Turn::Go(None));
        queues.enter(&Arc::from(A), 1);
        assert_eq!(queues.depart(A, 1), Turn::Go(None));
        assert_eq!(queues.arrive(A, 2), Turn::Wait);
        assert_eq!(queues.depart(A, 2), Turn::Go(Some(1)));
        assert_eq!(queues.arrive(A, 1), Turn::Go(None));
        assert_eq!(queues.arrive(A, 2), Turn::Go(Some(1)));
    }

    #[tokio::test]
    async fn places_pass_in_order_and_count_against_the_limit() {
        let queues = Arc::new(Queues::default());
        let places: Vec<_> = (0..3).map(|_| queues.place(A, 3).unwrap()).collect();
        assert!(queues.place(A, 3).is_none());
        assert!(queues.place("b", 3).is_some(), "another queue is not full");
        let [first, second, third] = <[Place; 3]>::try_from(places).unwrap();
        first.turn().await;
        let mut waits = Box::pin(third.turn());
        assert!(futures_pending(&mut waits));
        // Given up in the middle: the one behind waits for the first all the same.
        drop(second);
        assert!(futures_pending(&mut waits));
        drop(first);
        waits.await;
        drop(third);
        assert!(queues.lock().is_empty());
        assert!(queues.place(A, 0).is_none());
    }

    fn futures_pending(future: &mut (impl Future<Output = ()> + Unpin)) -> bool {
        let waker = std::task::Waker::noop();
        std::pin::Pin::new(future)
            .poll(&mut std::task::Context::from_waker(waker))
            .is_pending()
    }
}

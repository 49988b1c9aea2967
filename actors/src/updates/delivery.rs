//! Updates on their way to handlers, and how far they were handled.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use actogram_tl::enums;

use super::room::Room;

/// Users and chats that came with updates.
#[derive(Debug, Clone)]
pub struct Entities {
    /// The users.
    pub users: Arc<[enums::User]>,
    /// The chats.
    pub chats: Arc<[enums::Chat]>,
}

impl Entities {
    pub(super) fn new(users: Vec<enums::User>, chats: Vec<enums::Chat>) -> Self {
        Self {
            users: users.into(),
            chats: chats.into(),
        }
    }

    pub(super) fn none() -> Self {
        Self::new(Vec::new(), Vec::new())
    }
}

/// Where an account's updates go.
pub trait UpdateSink: Send + Sync + 'static {
    /// Takes an update. It must not block; at most as many updates as the account's bound are not yet done at a time.
    fn deliver(&self, update: DeliveredUpdate);
}

impl<F: Fn(DeliveredUpdate) + Send + Sync + 'static> UpdateSink for F {
    fn deliver(&self, update: DeliveredUpdate) {
        self(update);
    }
}

/// Names an update: the same when it comes again, live or in a difference, before or after a crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum DedupeId {
    /// A new message, by its number in the common box or in its channel.
    Message {
        /// The channel's bare id; `None` for private chats and basic groups.
        channel: Option<i64>,
        /// The message's number.
        id: i32,
    },
    /// By its place in the common sequence or in that of a channel.
    Pts {
        /// The channel's bare id; `None` for private chats and basic groups.
        channel: Option<i64>,
        /// Its `pts`.
        pts: i32,
    },
    /// By its place in the sequence of secret chats and events of bots.
    Qts(i32),
    /// A new message of a secret chat, by its random number.
    Encrypted(i64),
    /// By its content: it stands in no sequence. It is not recovered when it is lost.
    Hash(u64),
}

impl fmt::Display for DedupeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of =
            |channel: &Option<i64>| channel.map_or_else(String::new, |id| format!("channel {id} "));
        match self {
            Self::Message { channel, id } => write!(f, "{}message {id}", of(channel)),
            Self::Pts { channel, pts } => write!(f, "{}pts {pts}", of(channel)),
            Self::Qts(qts) => write!(f, "qts {qts}"),
            Self::Encrypted(id) => write!(f, "encrypted {id}"),
            Self::Hash(hash) => write!(f, "hash {hash:016x}"),
        }
    }
}

/// An update, with the people and chats that came with it.
#[derive(Debug)]
pub struct DeliveredUpdate {
    /// The update.
    pub update: enums::Update,
    /// Users that came with it, shared by all updates of one container.
    pub users: Arc<[enums::User]>,
    /// Chats that came with it.
    pub chats: Arc<[enums::Chat]>,
    /// What names it.
    pub id: DedupeId,
    /// To be used when it has been handled.
    pub done: Done,
}

/// Says that an update has been handled: by [`done`](Self::done), or by being dropped.
///
/// The stored position moves past an update only when it and all before it are done.
#[must_use = "dropping it says that the update has been handled"]
pub struct Done {
    number: u64,
    ledger: Arc<dyn HandledUpTo>,
}

impl Done {
    /// The update has been handled, or given up.
    pub fn done(self) {}
}

impl Drop for Done {
    fn drop(&mut self) {
        self.ledger.done(self.number);
    }
}

impl fmt::Debug for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Done({})", self.number)
    }
}

/// A ledger, whatever it counts in.
trait HandledUpTo: Send + Sync {
    fn done(&self, number: u64);
}

/// What is told when updates go out and when they are done: the new position, if it moved, and how many are still out.
pub(crate) type OnProgress<P> = Box<dyn Fn(Option<P>, usize) + Send + Sync>;

/// Which updates of a sequence are out, in their order, and the low-water mark below them.
pub(crate) struct Ledger<P> {
    entries: Mutex<Entries<P>>,
    room: Arc<Room>,
    on_progress: OnProgress<P>,
}

struct Entries<P> {
    /// The number of the first entry of `out`.
    first: u64,
    /// Each with the position that holds once it and all before it are done.
    out: VecDeque<(P, bool)>,
    undone: usize,
    mark: Option<P>,
}

impl<P: Copy + PartialEq + Send + 'static> Ledger<P> {
    pub(crate) fn new(room: Arc<Room>, mark: Option<P>, on_progress: OnProgress<P>) -> Arc<Self> {
        Arc::new(Self {
            entries: Mutex::new(Entries {
                first: 0,
                out: VecDeque::new(),
                undone: 0,
                mark,
            }),
            room,
            on_progress,
        })
    }

    fn with<T>(&self, act: impl FnOnce(&mut Entries<P>) -> T) -> T {
        act(&mut self.entries.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// An update goes out; `after` holds once it is done.
    pub(crate) fn out(self: &Arc<Self>, after: P) -> Done {
        self.room.take();
        let number = self.with(|entries| {
            entries.out.push_back((after, false));
            entries.undone += 1;
            entries.first + entries.out.len() as u64 - 1
        });
        Done {
            number,
            ledger: self.clone(),
        }
    }

    /// The position moved without an update.
    pub(crate) fn moved(&self, after: P) {
        let (mark, undone) = self.with(|entries| {
            entries.out.push_back((after, true));
            entries.advance()
        });
        (self.on_progress)(mark, undone);
    }

    /// How many updates are out and not done.
    pub(crate) fn undone(&self) -> usize {
        self.with(|entries| entries.undone)
    }

    /// What snapshots show; `show` writes a position.
    pub(crate) fn details(&self, show: impl Fn(P) -> String) -> BTreeMap<&'static str, String> {
        self.with(|entries| {
            let mut details = BTreeMap::from([("with_handlers", entries.undone.to_string())]);
            if let Some(at) = entries.mark {
                details.insert("handled_up_to", show(at));
            }
            details
        })
    }
}

impl<P: Copy + PartialEq + Send + 'static> HandledUpTo for Ledger<P> {
    fn done(&self, number: u64) {
        let (mark, undone) = self.with(|entries| {
            let entry = (number.checked_sub(entries.first))
                .and_then(|index| usize::try_from(index).ok())
                .and_then(|index| entries.out.get_mut(index));
            if let Some(entry) = entry {
                entry.1 = true;
                entries.undone -= 1;
            }
            entries.advance()
        });
        (self.on_progress)(mark, undone);
        self.room.give_back();
    }
}

impl<P: Copy + PartialEq> Entries<P> {
    /// Moves the mark past what is done; gives it if it moved, and how many are still out.
    fn advance(&mut self) -> (Option<P>, usize) {
        let mut mark = None;
        while let Some((after, true)) = self.out.front().copied() {
            self.out.pop_front();
            self.first += 1;
            mark = Some(after);
        }
        let moved = mark.filter(|mark| self.mark != Some(*mark));
        if moved.is_some() {
            self.mark = moved;
        }
        (moved, self.undone)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use actogram_store::Position;

    use super::*;

    fn at(pts: i32) -> Position {
        Position {
            pts,
            ..Position::default()
        }
    }

    #[test]
    fn the_mark_waits_for_the_slowest() {
        let marks = Arc::new(Mutex::new(Vec::new()));
        let seen = marks.clone();
        let progress = move |mark: Option<Position>, _: usize| {
            seen.lock().unwrap().extend(mark.map(|at| at.pts))
        };
        let ledger = Ledger::new(Arc::default(), None, Box::new(progress));
        let first = ledger.out(at(1));
        let second = ledger.out(at(2));
        let third = ledger.out(at(3));
        third.done();
        drop(second);
        assert!(marks.lock().unwrap().is_empty(), "the first is not done");
        assert_eq!(ledger.undone(), 1);
        let fourth = ledger.out(at(4));
        ledger.moved(at(5));
        first.done();
        assert_eq!(*marks.lock().unwrap(), [3]);
        fourth.done();
        assert_eq!(*marks.lock().unwrap(), [3, 5]);
        assert_eq!(ledger.undone(), 0);
    }
}

//! Updates on their way to handlers, and how far they were handled.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use actogram_store::Position;
use actogram_tl::enums;

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
    ledger: Arc<Ledger>,
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

/// What is told when updates are done: the new position, if it moved, and how many are still out.
pub(crate) type OnProgress = Box<dyn Fn(Option<Position>, usize) + Send + Sync>;

/// Which updates are out, in their order, and the low-water mark below them.
pub(crate) struct Ledger {
    entries: Mutex<Entries>,
    on_progress: OnProgress,
}

#[derive(Default)]
struct Entries {
    /// The number of the first entry of `out`.
    first: u64,
    /// Each with the position that holds once it and all before it are done.
    out: VecDeque<(Position, bool)>,
    undone: usize,
    mark: Option<Position>,
}

impl Ledger {
    pub(crate) fn new(mark: Option<Position>, on_progress: OnProgress) -> Arc<Self> {
        Arc::new(Self {
            entries: Mutex::new(Entries {
                mark,
                ..Entries::default()
            }),
            on_progress,
        })
    }

    fn with<T>(&self, act: impl FnOnce(&mut Entries) -> T) -> T {
        act(&mut self.entries.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// An update goes out; `after` holds once it is done.
    pub(crate) fn out(self: &Arc<Self>, after: Position) -> Done {
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
    pub(crate) fn moved(self: &Arc<Self>, after: Position) {
        self.out(after).done();
    }

    /// How many updates are out and not done.
    pub(crate) fn undone(&self) -> usize {
        self.with(|entries| entries.undone)
    }

    /// What snapshots show.
    pub(crate) fn details(&self) -> BTreeMap<&'static str, String> {
        self.with(|entries| {
            let mut details = BTreeMap::from([("with_handlers", entries.undone.to_string())]);
            if let Some(at) = entries.mark {
                details.insert("handled_up_to", format!("pts {} qts {}", at.pts, at.qts));
            }
            details
        })
    }

    fn done(&self, number: u64) {
        let (mark, undone) = self.with(|entries| {
            let Some(entry) = number
                .checked_sub(entries.first)
                .and_then(|index| {
                    entries
                        .out
                        .get_mut(usize::try_from(index).unwrap_or(usize::MAX))
                })
                .filter(|(_, done)| !done)
            else {
                return (None, entries.undone);
            };
            entry.1 = true;
            entries.undone -= 1;
            let mut mark = None;
            while let Some((after, true)) = entries.out.front().copied() {
                entries.out.pop_front();
                entries.first += 1;
                mark = Some(after);
            }
            let moved = mark.filter(|mark| entries.mark != Some(*mark));
            if moved.is_some() {
                entries.mark = moved;
            }
            (moved, entries.undone)
        });
        (self.on_progress)(mark, undone);
    }
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.with(|entries| {
            f.debug_struct("Ledger")
                .field("undone", &entries.undone)
                .field("mark", &entries.mark)
                .finish()
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

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
        let ledger = Ledger::new(None, Box::new(progress));
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

//! Conversations that wait for an update, and which update each takes.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use actogram_actors::Done;
use tokio::sync::Notify;

use super::{conversation::AskError, handlers::panic_text};
use crate::{CallbackQuery, Error, PeerId, Update, filters::Subject};

/// So many conversations may wait at a time.
pub(super) const MOST: usize = 10_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WaitId(u64);

impl WaitId {
    pub(super) fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// From where on updates count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Since {
    /// The question is on its way. Nobody can tell yet what comes after it.
    Asking,
    /// Messages above this number, and presses of buttons under it or above.
    Question(i32),
    /// Whatever no handler has begun with.
    Now,
}

/// What an update is to a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Other,
    /// It ends the conversation, and goes to handlers.
    Ends,
    /// The conversation has taken it.
    Taken,
}

/// The conversation's side.
pub(super) trait Take {
    fn offer(&mut self, update: &Update, done: &Arc<Done>) -> Verdict;
    fn fail(&mut self, error: Error);
    /// Nobody waits any more.
    fn is_gone(&self) -> bool;
}

pub(super) struct Wait {
    pub(super) id: WaitId,
    pub(super) chat: PeerId,
    /// `None`: anybody in the chat.
    pub(super) from: Option<PeerId>,
    pub(super) since: Since,
    pub(super) take: Box<dyn Take + Send>,
}

impl Wait {
    fn is_of(&self, sender: Option<PeerId>) -> bool {
        self.from.is_none() || self.from == sender
    }

    fn offer(&mut self, update: &Update, done: &Arc<Done>) -> Verdict {
        let since = match self.since {
            Since::Asking => false,
            Since::Now => true,
            Since::Question(question) => match (update.message(), CallbackQuery::of(update)) {
                (Some(message), _) => message.id() > question,
                (None, Some(query)) => query.message_id().is_some_and(|id| id >= question),
                (None, None) => true,
            },
        };
        if !since || self.take.is_gone() || !self.is_of(Subject::sender(update)) {
            return Verdict::Other;
        }
        // Filters are the program's own code.
        catch_unwind(AssertUnwindSafe(|| self.take.offer(update, done))).unwrap_or_else(|panic| {
            let text = panic_text(&*panic).to_owned();
            self.take.fail(Error::Panicked(text));
            Verdict::Ends
        })
    }
}

/// All conversations that wait, by chat, in the order in which they began to.
#[derive(Default)]
pub(super) struct Waits {
    by_chat: RefCell<BTreeMap<PeerId, Vec<Wait>>>,
    /// Some question has been asked, or given up.
    pub(super) asked: Notify,
}

impl Waits {
    pub(super) fn add(&self, mut wait: Wait) {
        let mut by_chat = self.by_chat.borrow_mut();
        if by_chat.values().map(Vec::len).sum::<usize>() >= MOST {
            return wait.take.fail(AskError::TooMany { most: MOST }.into());
        }
        by_chat.entry(wait.chat).or_default().push(wait);
    }

    pub(super) fn remove(&self, id: WaitId) {
        self.by_chat.borrow_mut().retain(|_, waits| {
            waits.retain(|wait| wait.id != id);
            !waits.is_empty()
        });
        self.asked.notify_waiters();
    }

    /// The question is there. Gives the chat it was asked in.
    pub(super) fn asked(&self, id: WaitId, question: i32) -> Option<PeerId> {
        let mut by_chat = self.by_chat.borrow_mut();
        let wait = by_chat.values_mut().flatten().find(|wait| wait.id == id)?;
        wait.since = Since::Question(question);
        let chat = wait.chat;
        self.asked.notify_waiters();
        Some(chat)
    }

    /// Offers the update to those that wait in its chat, one after the other.
    pub(super) fn offer(&self, update: &Update, done: &Arc<Done>) -> Verdict {
        let Some(chat) = update.peer() else {
            return Verdict::Other;
        };
        let Some(mut waits) = self.by_chat.borrow_mut().remove(&chat) else {
            return Verdict::Other;
        };
        let mut outcome = Verdict::Other;
        waits.retain_mut(|wait| {
            if outcome == Verdict::Taken {
                return true;
            }
            match wait.offer(update, done) {
                Verdict::Other => true,
                said => {
                    outcome = said;
                    false
                }
            }
        });
        if !waits.is_empty() {
            self.by_chat.borrow_mut().insert(chat, waits);
        }
        outcome
    }

    /// Whether it cannot be told yet if this is an answer.
    pub(super) fn hold(&self, update: &Update) -> bool {
        let by_chat = self.by_chat.borrow();
        let waits = update.peer().and_then(|chat| by_chat.get(&chat));
        waits.is_some_and(|waits| {
            waits.iter().any(|wait| {
                wait.since == Since::Asking
                    && !wait.take.is_gone()
                    && wait.is_of(Subject::sender(update))
            })
        })
    }

    pub(super) fn clear(&self) {
        self.by_chat.borrow_mut().clear();
        self.asked.notify_waiters();
    }
}

//! Where something stands, whom it is of, and what becomes of it.

use super::{Filter, Subject, algebra::Names};
use crate::{Msg, PeerId};

const OUTGOING: Names = Names {
    edits: false,
    outgoing: true,
    state: false,
};
const EDITS: Names = Names {
    edits: true,
    outgoing: false,
    state: false,
};

/// Of somebody else.
pub fn incoming<S: Subject>() -> Filter<S> {
    Filter::new(|subject: &S| !subject.outgoing()).naming(OUTGOING)
}

/// Of the account itself.
pub fn outgoing<S: Subject>() -> Filter<S> {
    Filter::new(S::outgoing).naming(OUTGOING)
}

/// Edited messages.
pub fn edited() -> Filter<Msg> {
    Filter::new(Msg::is_edit).naming(EDITS)
}

/// In a chat with one person.
pub fn private<S: Subject>() -> Filter<S> {
    Filter::new(|subject: &S| matches!(subject.chat(), Some(PeerId::User(_))))
}

/// In a basic group or a supergroup.
pub fn group() -> Filter<Msg> {
    Filter::new(|message: &Msg| match message.chat() {
        PeerId::Chat(_) => true,
        PeerId::Channel(_) => !message.raw().post,
        PeerId::User(_) => false,
    })
}

/// Posted in a channel, where subscribers only read.
pub fn channel() -> Filter<Msg> {
    Filter::new(|message: &Msg| message.raw().post)
}

/// In one of these chats.
pub fn chat<S: Subject>(chats: impl IntoIterator<Item = PeerId>) -> Filter<S> {
    let chats: Vec<_> = chats.into_iter().collect();
    Filter::new(move |subject: &S| subject.chat().is_some_and(|chat| chats.contains(&chat)))
}

/// Of one of these people, groups or channels.
pub fn sender<S: Subject>(senders: impl IntoIterator<Item = PeerId>) -> Filter<S> {
    let senders: Vec<_> = senders.into_iter().collect();
    Filter::new(move |subject: &S| {
        subject
            .sender()
            .is_some_and(|sender| senders.contains(&sender))
    })
}

/// Written by somebody else before, and forwarded here.
pub fn forwarded() -> Filter<Msg> {
    Filter::new(|message: &Msg| message.raw().fwd_from.is_some())
}

/// Answers another message or a story.
pub fn reply() -> Filter<Msg> {
    Filter::new(Msg::is_reply)
}

/// Names the account, or answers a message of it.
pub fn mentioned() -> Filter<Msg> {
    Filter::new(|message: &Msg| message.raw().mentioned)
}

/// Chosen from the results of an inline query.
pub fn via_bot() -> Filter<Msg> {
    Filter::new(|message: &Msg| message.raw().via_bot_id.is_some())
}

/// Pinned in its chat.
pub fn pinned() -> Filter<Msg> {
    Filter::new(|message: &Msg| message.raw().pinned)
}

/// Part of an album: several media sent as one. Each part is a message of its own.
pub fn album() -> Filter<Msg> {
    Filter::new(|message: &Msg| message.raw().grouped_id.is_some())
}

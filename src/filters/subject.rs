//! What filters are about.

use super::Filter;
use crate::{CallbackQuery, Deleted, InlineQuery, Msg, PeerId, ServiceMsg, Update};

/// What a filter looks at and a handler may be given. A program may add its own, for kinds of updates that have no type
/// here.
///
/// ```
/// use actogram::{PeerId, Update, filters::*, tl::enums};
///
/// #[derive(Clone)]
/// struct Typing(i64);
///
/// impl Subject for Typing {
///     fn of(update: &Update) -> Option<Self> {
///         match update.raw() {
///             enums::Update::UpdateUserTyping(typing) => Some(Typing(typing.user_id)),
///             _ => None,
///         }
///     }
///     fn chat(&self) -> Option<PeerId> {
///         Some(PeerId::User(self.0))
///     }
/// }
/// # let _ = private::<Typing>() & filter(|typing: &Typing| typing.0 > 5);
/// ```
pub trait Subject: Clone + 'static {
    /// The subject in this update, if it holds one.
    fn of(update: &Update) -> Option<Self>;

    /// The chat it stands in, if it is known to stand in one.
    fn chat(&self) -> Option<PeerId> {
        None
    }

    /// Who caused it, where that is known.
    fn sender(&self) -> Option<PeerId> {
        None
    }

    /// Whether it is a later state of something that was there before.
    fn is_edit(&self) -> bool {
        false
    }

    /// Whether the account itself caused it.
    fn outgoing(&self) -> bool {
        false
    }
}

/// A subject with a text in it, for [`text`](super::text) and its kin.
pub trait Textual: Subject {
    /// The text: that of a message, the data of a button, an inline query.
    fn text(&self) -> Option<&str>;
}

impl Subject for Update {
    fn of(update: &Update) -> Option<Self> {
        Some(update.clone())
    }

    fn chat(&self) -> Option<PeerId> {
        self.peer()
    }

    fn sender(&self) -> Option<PeerId> {
        if let Some(message) = self.message() {
            return message.sender();
        }
        if let Some(message) = ServiceMsg::of(self) {
            return message.sender();
        }
        match (CallbackQuery::of(self), InlineQuery::of(self)) {
            (Some(query), _) => Some(query.sender()),
            (None, query) => query.map(|query| query.sender()),
        }
    }

    fn is_edit(&self) -> bool {
        Update::is_edit(self)
    }

    fn outgoing(&self) -> bool {
        self.message().is_some_and(|message| message.outgoing())
    }
}

impl Subject for Msg {
    fn of(update: &Update) -> Option<Self> {
        update.message()
    }

    fn chat(&self) -> Option<PeerId> {
        Some(Msg::chat(self))
    }

    fn sender(&self) -> Option<PeerId> {
        Msg::sender(self)
    }

    fn is_edit(&self) -> bool {
        Msg::is_edit(self)
    }

    fn outgoing(&self) -> bool {
        Msg::outgoing(self)
    }
}

impl Textual for Msg {
    fn text(&self) -> Option<&str> {
        Some(Msg::text(self))
    }
}

impl Subject for ServiceMsg {
    fn of(update: &Update) -> Option<Self> {
        ServiceMsg::of(update)
    }

    fn chat(&self) -> Option<PeerId> {
        Some(ServiceMsg::chat(self))
    }

    fn sender(&self) -> Option<PeerId> {
        ServiceMsg::sender(self)
    }

    fn outgoing(&self) -> bool {
        ServiceMsg::outgoing(self)
    }
}

impl Subject for CallbackQuery {
    fn of(update: &Update) -> Option<Self> {
        CallbackQuery::of(update)
    }

    fn chat(&self) -> Option<PeerId> {
        CallbackQuery::chat(self)
    }

    fn sender(&self) -> Option<PeerId> {
        Some(CallbackQuery::sender(self))
    }
}

impl Textual for CallbackQuery {
    fn text(&self) -> Option<&str> {
        CallbackQuery::text(self)
    }
}

impl Subject for InlineQuery {
    fn of(update: &Update) -> Option<Self> {
        InlineQuery::of(update)
    }

    fn sender(&self) -> Option<PeerId> {
        Some(InlineQuery::sender(self))
    }
}

impl Textual for InlineQuery {
    fn text(&self) -> Option<&str> {
        Some(InlineQuery::text(self))
    }
}

impl Subject for Deleted {
    fn of(update: &Update) -> Option<Self> {
        Deleted::of(update)
    }

    fn chat(&self) -> Option<PeerId> {
        self.channel
    }
}

fn all<S: Subject>() -> Filter<S> {
    Filter::new(|_| true)
}

/// Every update that no message of the account itself and no edit is.
pub fn updates() -> Filter<Update> {
    all()
}

/// Every message: new ones of others, and more if more is named (see [`filters`](crate::filters)).
pub fn messages() -> Filter<Msg> {
    all()
}

/// Service messages of others: somebody joined, a title changed.
pub fn service() -> Filter<ServiceMsg> {
    all()
}

/// Pressed buttons.
pub fn callback_queries() -> Filter<CallbackQuery> {
    all()
}

/// Inline queries.
pub fn inline_queries() -> Filter<InlineQuery> {
    all()
}

/// Deleted messages.
pub fn deleted() -> Filter<Deleted> {
    all()
}

//! A message that knows its account and so can be answered, edited and deleted.

use std::{fmt, sync::Arc};

use actogram_tl::{enums, types};

use crate::{
    Api, PeerId, Text,
    calls::{DeleteMessages, EditMessage, SendMessage},
    text::from_schema,
};

/// A message (<https://core.telegram.org/constructor/message>). Cheap to clone.
#[derive(Clone)]
pub struct Msg {
    api: Api,
    raw: Arc<types::Message>,
    edited: bool,
}

impl Msg {
    /// `None` for service messages and for empty ones.
    pub(crate) fn of(api: Api, message: &enums::Message, edited: bool) -> Option<Self> {
        match message {
            enums::Message::Message(message) => Some(Self {
                api,
                raw: Arc::new(types::Message::clone(message)),
                edited,
            }),
            _ => None,
        }
    }

    /// The message as the schema has it.
    pub fn raw(&self) -> &types::Message {
        &self.raw
    }

    /// The message's number. Private chats and basic groups share one numbering per account.
    pub fn id(&self) -> i32 {
        self.raw.id
    }

    /// The text, without its formatting. Empty for media without a caption.
    pub fn text(&self) -> &str {
        &self.raw.message
    }

    /// The text with its formatting.
    pub fn formatted(&self) -> Text {
        from_schema(
            self.text(),
            self.raw.entities.as_deref().unwrap_or_default(),
        )
    }

    /// When it was sent, in seconds since 1970.
    pub fn date(&self) -> i64 {
        i64::from(self.raw.date)
    }

    /// The chat it stands in.
    pub fn chat(&self) -> PeerId {
        PeerId::from(&self.raw.peer_id)
    }

    /// Who wrote it, where Telegram says so.
    pub fn sender(&self) -> Option<PeerId> {
        match &self.raw.from_id {
            Some(peer) => Some(PeerId::from(peer)),
            // In a private chat the sender is left out: it is the other side, or the account itself.
            None if self.outgoing() => self.api.me_id().map(PeerId::User),
            None => Some(self.chat()),
        }
    }

    /// Whether the account itself wrote it.
    pub fn outgoing(&self) -> bool {
        self.raw.out
    }

    /// Whether it stands in a chat with one person.
    pub fn is_private(&self) -> bool {
        matches!(self.chat(), PeerId::User(_))
    }

    /// Whether this is a later state of a message that was edited.
    pub fn is_edit(&self) -> bool {
        self.edited
    }

    /// The number of the message this one answers.
    pub fn reply_to(&self) -> Option<i32> {
        match &self.raw.reply_to {
            Some(enums::MessageReplyHeader::MessageReplyHeader(header)) => header.reply_to_msg_id,
            _ => None,
        }
    }

    /// Whether it answers another message.
    pub fn is_reply(&self) -> bool {
        self.raw.reply_to.is_some()
    }

    /// The account it belongs to.
    pub fn api(&self) -> &Api {
        &self.api
    }

    /// Answers in the same chat, as a reply to this message.
    pub fn reply(&self, text: impl Into<Text>) -> SendMessage {
        self.api.send_message(self, text).reply_to(self.id())
    }

    /// Answers in the same chat, without quoting this message.
    pub fn answer(&self, text: impl Into<Text>) -> SendMessage {
        self.api.send_message(self, text)
    }

    /// Replaces the text. Only the account's own messages can be edited.
    pub fn edit(&self, text: impl Into<Text>) -> EditMessage {
        self.api.edit_message(self, self.id(), text)
    }

    /// Deletes it for everybody.
    pub fn delete(&self) -> DeleteMessages {
        self.api.delete_messages([self.id()])
    }
}

impl fmt::Debug for Msg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Msg").field(&self.raw).finish()
    }
}

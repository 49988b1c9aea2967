//! Messages that were sent together.

use crate::{Msg, PeerId, Text, calls::SendMessage};

/// Photos, videos or files that were sent as one album
/// (<https://core.telegram.org/api/files#albums-grouped-media>): two to ten messages of one chat, in order. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Album {
    id: i64,
    messages: Vec<Msg>,
}

impl Album {
    /// `None` without messages.
    pub(crate) fn of(mut messages: Vec<Msg>) -> Option<Self> {
        messages.sort_by_key(Msg::id);
        let id = messages.first()?.raw().grouped_id?;
        Some(Self { id, messages })
    }

    /// The number that its messages share.
    pub fn id(&self) -> i64 {
        self.id
    }

    /// Its messages, in the order of the chat.
    pub fn messages(&self) -> &[Msg] {
        &self.messages
    }

    /// The chat it stands in.
    pub fn chat(&self) -> Option<PeerId> {
        self.messages.first().map(Msg::chat)
    }

    /// The text that is shown below it: that of the first message which has one.
    pub fn caption(&self) -> Text {
        let mut messages = self.messages.iter();
        let captioned = messages.find(|message| !message.text().is_empty());
        captioned.map(Msg::formatted).unwrap_or_default()
    }

    /// Answers in the same chat, as a reply to its first message.
    pub fn reply(&self, text: impl Into<Text>) -> Option<SendMessage> {
        self.messages.first().map(|message| message.reply(text))
    }
}

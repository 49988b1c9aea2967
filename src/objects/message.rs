//! A message that knows its account and so can be answered, edited and deleted.

use std::{fmt, path::PathBuf, sync::Arc};

use actogram_tl::{enums, types};

use crate::{
    Api, Button, ButtonChoice, PeerId, PeerRef, Result, Text,
    calls::{
        ClickButton, DeleteMessages, EditMessage, ForwardMessage, PinMessage, Reaction,
        SendMessage, SendReaction,
    },
    keyboard,
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

    /// The message this one answers, asked for. Nothing if it answers none, or if that is gone or stands in another chat.
    ///
    /// # Errors
    /// The datacenter's refusal.
    pub async fn replied(&self) -> Result<Option<Msg>> {
        match self.reply_to() {
            Some(id) => Ok(self.api.get_messages(self, [id]).await?.pop()),
            None => Ok(None),
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
        self.api.delete_messages(self, [self.id()])
    }

    /// Forwards it to another chat; the answer is the copy.
    pub fn forward(&self, to: impl Into<PeerRef>) -> ForwardMessage {
        ForwardMessage::new(self, to.into())
    }

    /// Reacts to it, with an emoji or a custom one.
    pub fn react(&self, reaction: impl Into<Reaction>) -> SendReaction {
        self.api.send_reaction(self, self.id(), reaction)
    }

    /// Takes the account's reaction back.
    pub fn unreact(&self) -> SendReaction {
        self.api.remove_reaction(self, self.id())
    }

    /// Pins it, for all who see it.
    pub fn pin(&self) -> PinMessage {
        self.api.pin_message(self, self.id())
    }

    /// Unpins it.
    pub fn unpin(&self) -> PinMessage {
        self.api.unpin_message(self, self.id())
    }

    /// Whether it is pinned, as far as this state of it tells.
    pub fn is_pinned(&self) -> bool {
        self.raw.pinned
    }

    /// What goes with the text (<https://core.telegram.org/type/MessageMedia>): a photo, a file, a place, dice.
    pub fn media(&self) -> Option<&enums::MessageMedia> {
        let none = enums::MessageMedia::MessageMediaEmpty;
        self.raw.media.as_ref().filter(|media| **media != none)
    }

    /// Saves its photo or file: at this path, or, where that is a directory or ends in a slash, in there under the name its
    /// sender gave it. More can be said by [`Api::download`].
    ///
    /// # Errors
    /// [`Error::Argument`](crate::Error::Argument) if the message has neither; see [`Download::save`](crate::transfers::Download::save).
    pub async fn download(&self, path: impl Into<PathBuf>) -> Result<PathBuf> {
        self.api.download(self).save(path).await
    }

    /// Presses one of its buttons: by what is written on it, by its number, or by its row and place in it, from 0. For
    /// accounts of people.
    ///
    /// The bot has 15 s or so to answer; then it is `BOT_RESPONSE_TIMEOUT`.
    ///
    /// ```no_run
    /// # async fn act(message: actogram::Msg) -> actogram::Result<()> {
    /// use actogram::Clicked;
    ///
    /// if let Clicked::Answered(answer) = message.click("Yes").await? {
    ///     println!("{:?}", answer.text);
    /// }
    /// # Ok(()) }
    /// ```
    pub fn click(&self, button: impl Into<ButtonChoice>) -> ClickButton {
        ClickButton::new(self.clone(), button.into())
    }

    /// Its buttons, row by row: those below it, or those it puts in place of the reader's keyboard.
    pub fn buttons(&self) -> Vec<Button> {
        let markup = self.raw.reply_markup.as_ref();
        markup.map(keyboard::buttons).unwrap_or_default()
    }
}

impl fmt::Debug for Msg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Msg").field(&self.raw).finish()
    }
}

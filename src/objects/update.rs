//! An update and the people and chats it speaks of.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use actogram_actors::DedupeId;
use actogram_tl::{Encode, enums, json};

use crate::{Api, Msg, PeerId};

/// One thing that happened, as Telegram tells it (<https://core.telegram.org/type/Update>).
///
/// Cheap to clone.
#[derive(Clone)]
pub struct Update {
    api: Api,
    inner: Arc<Inner>,
    dedupe: DedupeId,
}

struct Inner {
    raw: enums::Update,
    /// Made when it is first asked for: filters ask often.
    message: OnceLock<Option<Msg>>,
}

impl Update {
    pub(crate) fn new(api: Api, raw: enums::Update, dedupe: DedupeId) -> Self {
        Self {
            api,
            inner: Arc::new(Inner {
                raw,
                message: OnceLock::new(),
            }),
            dedupe,
        }
    }

    /// The update as the schema has it.
    pub fn raw(&self) -> &enums::Update {
        &self.inner.raw
    }

    /// The account it came to.
    pub fn api(&self) -> &Api {
        &self.api
    }

    /// What names this update, the same when it is handled again after a crash.
    ///
    /// Across a kill only updates that were not yet handled come again; a handler whose effect must happen
    /// once keeps these and compares.
    pub fn dedupe_id(&self) -> &DedupeId {
        &self.dedupe
    }

    /// The new or edited message, if this update brings one.
    pub fn message(&self) -> Option<Msg> {
        let message = || Msg::of(self.api.clone(), self.raw_message()?, self.is_edit());
        self.inner.message.get_or_init(message).clone()
    }

    /// The chat this update belongs to, if it belongs to one.
    pub fn peer(&self) -> Option<PeerId> {
        peer_of(self.raw())
    }

    /// The update as JSON: `_` names the constructor, fields are snake_case, bytes are base64.
    pub fn to_json(&self) -> serde_json::Value {
        // What was decoded by the schema can be written by it.
        json::decode("Update", self.raw().to_bytes()).unwrap_or_default()
    }

    pub(crate) fn is_edit(&self) -> bool {
        matches!(
            self.raw(),
            enums::Update::UpdateEditMessage(_) | enums::Update::UpdateEditChannelMessage(_)
        )
    }

    pub(crate) fn raw_message(&self) -> Option<&enums::Message> {
        message_in(self.raw())
    }
}

fn message_in(update: &enums::Update) -> Option<&enums::Message> {
    use enums::Update as U;
    match update {
        U::UpdateNewMessage(update) => Some(&update.message),
        U::UpdateNewChannelMessage(update) => Some(&update.message),
        U::UpdateEditMessage(update) => Some(&update.message),
        U::UpdateEditChannelMessage(update) => Some(&update.message),
        _ => None,
    }
}

/// The chat an update belongs to, if it belongs to one.
pub(crate) fn peer_of(update: &enums::Update) -> Option<PeerId> {
    use enums::Update as U;
    if let Some(message) = message_in(update) {
        return message_peer(message);
    }
    Some(match update {
        U::UpdateUserTyping(update) => PeerId::User(update.user_id),
        U::UpdateChatUserTyping(update) => PeerId::Chat(update.chat_id),
        U::UpdateUserStatus(update) => PeerId::User(update.user_id),
        U::UpdateUserName(update) => PeerId::User(update.user_id),
        U::UpdateReadHistoryInbox(update) => PeerId::from(&update.peer),
        U::UpdateReadHistoryOutbox(update) => PeerId::from(&update.peer),
        U::UpdateChatParticipantAdd(update) => PeerId::Chat(update.chat_id),
        U::UpdateChatParticipantDelete(update) => PeerId::Chat(update.chat_id),
        U::UpdateReadChannelInbox(update) => PeerId::Channel(update.channel_id),
        U::UpdateDeleteChannelMessages(update) => PeerId::Channel(update.channel_id),
        U::UpdateBotCallbackQuery(update) => PeerId::from(&update.peer),
        U::UpdateInlineBotCallbackQuery(update) => PeerId::User(update.user_id),
        U::UpdateBotInlineQuery(update) => PeerId::User(update.user_id),
        _ => return None,
    })
}

fn message_peer(message: &enums::Message) -> Option<PeerId> {
    match message {
        enums::Message::Message(message) => Some(PeerId::from(&message.peer_id)),
        enums::Message::MessageService(message) => Some(PeerId::from(&message.peer_id)),
        enums::Message::MessageEmpty(message) => message.peer_id.as_ref().map(PeerId::from),
    }
}

impl fmt::Debug for Update {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Update")
            .field("dedupe_id", &self.dedupe)
            .field("raw", self.raw())
            .finish()
    }
}

//! Messages that Telegram itself writes into a chat: somebody joined, a title changed.

use std::{fmt, sync::Arc};

use actogram_tl::{enums, types};

use crate::{
    Api, PeerId, Text, Update,
    calls::{DeleteMessages, SendMessage},
};

/// A service message (<https://core.telegram.org/constructor/messageService>). Cheap to clone.
#[derive(Clone)]
pub struct ServiceMsg {
    api: Api,
    raw: Arc<types::MessageService>,
}

impl ServiceMsg {
    pub(crate) fn of(update: &Update) -> Option<Self> {
        match update.raw_message()? {
            enums::Message::MessageService(message) => Some(Self {
                api: update.api().clone(),
                raw: Arc::new(types::MessageService::clone(message)),
            }),
            _ => None,
        }
    }

    /// The message as the schema has it.
    pub fn raw(&self) -> &types::MessageService {
        &self.raw
    }

    /// What happened (<https://core.telegram.org/type/MessageAction>).
    pub fn action(&self) -> &enums::MessageAction {
        &self.raw.action
    }

    /// The message's number.
    pub fn id(&self) -> i32 {
        self.raw.id
    }

    /// The chat it stands in.
    pub fn chat(&self) -> PeerId {
        PeerId::from(&self.raw.peer_id)
    }

    /// Who did it, where Telegram says so.
    pub fn sender(&self) -> Option<PeerId> {
        match &self.raw.from_id {
            Some(peer) => Some(PeerId::from(peer)),
            None if self.outgoing() => self.api.me_id().map(PeerId::User),
            None => Some(self.chat()),
        }
    }

    /// Whether the account itself did it.
    pub fn outgoing(&self) -> bool {
        self.raw.out
    }

    /// The number of the message it is about: of the one that was pinned, say.
    pub fn reply_to(&self) -> Option<i32> {
        match &self.raw.reply_to {
            Some(enums::MessageReplyHeader::MessageReplyHeader(header)) => header.reply_to_msg_id,
            _ => None,
        }
    }

    /// Answers in the same chat, as a reply to this message.
    pub fn reply(&self, text: impl Into<Text>) -> SendMessage {
        self.api.send_message(self, text).reply_to(self.id())
    }

    /// Answers in the same chat, without quoting this message.
    pub fn answer(&self, text: impl Into<Text>) -> SendMessage {
        self.api.send_message(self, text)
    }

    /// Deletes it for everybody.
    pub fn delete(&self) -> DeleteMessages {
        self.api.delete_messages(self, [self.id()])
    }

    /// The account it belongs to.
    pub fn api(&self) -> &Api {
        &self.api
    }
}

impl fmt::Debug for ServiceMsg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ServiceMsg").field(&self.raw).finish()
    }
}

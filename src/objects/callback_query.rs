//! A pressed button.

use std::fmt;

use actogram_tl::enums;
use bytes::Bytes;

use crate::{
    Api, PeerId, Text, Update,
    calls::{AnswerCallback, EditMessage},
};

/// Somebody pressed a button under a message of the bot (<https://core.telegram.org/api/bots/buttons>).
///
/// The button shows that it waits until the query is [answered](Self::answer); after 30 s Telegram takes no answer any
/// more.
#[derive(Clone)]
pub struct CallbackQuery {
    api: Api,
    id: i64,
    user_id: i64,
    message: Option<(PeerId, i32)>,
    data: Option<Bytes>,
    game: Option<String>,
}

impl CallbackQuery {
    pub(crate) fn of(update: &Update) -> Option<Self> {
        let api = update.api().clone();
        match update.raw() {
            enums::Update::UpdateBotCallbackQuery(update) => Some(Self {
                api,
                id: update.query_id,
                user_id: update.user_id,
                message: Some((PeerId::from(&update.peer), update.msg_id)),
                data: update.data.clone(),
                game: update.game_short_name.clone(),
            }),
            enums::Update::UpdateInlineBotCallbackQuery(update) => Some(Self {
                api,
                id: update.query_id,
                user_id: update.user_id,
                message: None,
                data: update.data.clone(),
                game: update.game_short_name.clone(),
            }),
            _ => None,
        }
    }

    /// The query's number.
    pub fn id(&self) -> i64 {
        self.id
    }

    /// Who pressed the button.
    pub fn sender(&self) -> PeerId {
        PeerId::User(self.user_id)
    }

    /// The chat of the button's message. `None` if that was sent by way of the bot (inline mode): then the bot is not
    /// told.
    pub fn chat(&self) -> Option<PeerId> {
        self.message.map(|(chat, _)| chat)
    }

    /// The number of the button's message, where [`chat`](Self::chat) is known.
    pub fn message_id(&self) -> Option<i32> {
        self.message.map(|(_, id)| id)
    }

    /// What the button carries: at most 64 bytes. Empty for buttons of games. It comes from the presser's program, so it
    /// need not be what the bot put there.
    pub fn data(&self) -> &[u8] {
        self.data.as_deref().unwrap_or_default()
    }

    /// [`data`](Self::data) as text; `None` if it is none.
    pub fn text(&self) -> Option<&str> {
        std::str::from_utf8(self.data()).ok()
    }

    /// The short name of the game whose button was pressed.
    pub fn game(&self) -> Option<&str> {
        self.game.as_deref()
    }

    /// Answers: the button stops waiting, and a text, if there is one, shows for a moment.
    pub fn answer(&self, text: impl Into<String>) -> AnswerCallback {
        AnswerCallback::new(self.api.clone(), self.id, text.into())
    }

    /// Replaces the text of the button's message. `None` where the message is not [known](Self::message_id).
    pub fn edit(&self, text: impl Into<Text>) -> Option<EditMessage> {
        let (chat, id) = self.message?;
        Some(self.api.edit_message(chat, id, text))
    }

    /// The account it belongs to.
    pub fn api(&self) -> &Api {
        &self.api
    }
}

impl fmt::Debug for CallbackQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallbackQuery")
            .field("id", &self.id)
            .field("user_id", &self.user_id)
            .field("message", &self.message)
            .field("data", &self.data)
            .field("game", &self.game)
            .finish_non_exhaustive()
    }
}

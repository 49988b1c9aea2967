//! What people ask a bot from any chat.

use std::fmt;

use actogram_tl::{enums, types};

use crate::{Api, PeerId, Text, Update, calls::AnswerInline};

/// Somebody writes `@bot something` in a chat (<https://core.telegram.org/api/bots/inline>).
///
/// Comes only to bots whose inline mode is on; @BotFather does that. After 30 s Telegram takes no answer any more.
#[derive(Clone)]
pub struct InlineQuery {
    api: Api,
    raw: types::UpdateBotInlineQuery,
}

impl InlineQuery {
    pub(crate) fn of(update: &Update) -> Option<Self> {
        match update.raw() {
            enums::Update::UpdateBotInlineQuery(raw) => Some(Self {
                api: update.api().clone(),
                raw: types::UpdateBotInlineQuery::clone(raw),
            }),
            _ => None,
        }
    }

    /// The query as the schema has it.
    pub fn raw(&self) -> &types::UpdateBotInlineQuery {
        &self.raw
    }

    /// The query's number.
    pub fn id(&self) -> i64 {
        self.raw.query_id
    }

    /// Who asks.
    pub fn sender(&self) -> PeerId {
        PeerId::User(self.raw.user_id)
    }

    /// What was written after the bot's name, so far.
    pub fn text(&self) -> &str {
        &self.raw.query
    }

    /// Where the results are to go on: what the answer before gave as [`AnswerInline::next_offset`]. At first empty.
    pub fn offset(&self) -> &str {
        &self.raw.offset
    }

    /// Answers with these results, at most 50; [`article`] makes one.
    pub fn answer(
        &self,
        results: impl IntoIterator<Item = enums::InputBotInlineResult>,
    ) -> AnswerInline {
        AnswerInline::new(self.api.clone(), self.id(), results.into_iter().collect())
    }

    /// The account it belongs to.
    pub fn api(&self) -> &Api {
        &self.api
    }
}

impl fmt::Debug for InlineQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("InlineQuery").field(&self.raw).finish()
    }
}

/// A result that shows a title and sends a text. `id`: at most 64 bytes, another one for each result of an answer.
pub fn article(
    id: impl Into<String>,
    title: impl Into<String>,
    text: impl Into<Text>,
) -> enums::InputBotInlineResult {
    let text = text.into();
    let entities = crate::text::to_schema(&text);
    let mut send = types::InputBotInlineMessageText::new(text.as_str().to_owned());
    send.entities = (!entities.is_empty()).then_some(entities);
    let mut result = types::InputBotInlineResult::new(id.into(), "article".to_owned(), send.into());
    result.title = Some(title.into());
    result.into()
}

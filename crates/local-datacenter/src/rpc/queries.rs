//! Questions to bots that wait for their answer: pressed buttons and inline queries.

use std::collections::BTreeMap;
use std::time::Duration;

use actogram_tl as tl;
use tl::enums;

use super::call::CallContext;
use crate::model::UserId;

/// A bot has so long to answer a pressed button or an inline query.
pub const BOT_PATIENCE: Duration = Duration::from_secs(30);
/// Results of an inline query can be sent so long.
pub const INLINE_RESULTS_LIFETIME: Duration = Duration::from_secs(3600);

/// A call that waits for a bot.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asker {
    pub(crate) context: CallContext,
    pub(crate) layer: i32,
    pub(crate) method: &'static str,
}

/// What was asked.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Question {
    /// A button was pressed.
    Callback,
    /// An inline query.
    Inline {
        /// Its text.
        query: String,
    },
}

/// A question to a bot.
#[derive(Debug)]
pub(crate) struct Query {
    pub(crate) bot: UserId,
    pub(crate) user: UserId,
    pub(crate) question: Question,
    /// Nothing for the operator's questions.
    pub(crate) asker: Option<Asker>,
    pub(crate) deadline: Duration,
}

/// The results a bot gave, of which the asker may send one.
#[derive(Clone, Debug)]
pub(crate) struct InlineResults {
    pub(crate) user: UserId,
    pub(crate) bot: UserId,
    pub(crate) query: String,
    pub(crate) results: Vec<enums::InputBotInlineResult>,
    pub(crate) expires: Duration,
}

/// All questions since the start; none outlives the process.
#[derive(Debug, Default)]
pub(crate) struct Queries {
    pub(crate) open: BTreeMap<i64, Query>,
    pub(crate) results: BTreeMap<i64, InlineResults>,
    pub(crate) answers: BTreeMap<i64, enums::messages::BotCallbackAnswer>,
}

impl Queries {
    /// When the next question is given up.
    pub(crate) fn next_deadline(&self) -> Option<Duration> {
        self.open.values().map(|query| query.deadline).min()
    }

    /// Askers whose bot did not answer in time, and forgets results nobody may send any more.
    pub(crate) fn expire(&mut self, now: Duration) -> Vec<Asker> {
        self.results.retain(|_, results| results.expires > now);
        let mut due = Vec::new();
        self.open.retain(|_, query| {
            let over = query.deadline <= now;
            if over {
                due.extend(query.asker);
            }
            !over
        });
        due
    }
}

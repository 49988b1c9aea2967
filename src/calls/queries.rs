//! Answers of bots to pressed buttons and inline queries.

use std::{future::IntoFuture, time::Duration};

use actogram_tl::{enums, functions};

use super::{CallOptions, Pending, call_options, start};
use crate::{Api, Error, Result};

/// Answers a pressed button; see [`CallbackQuery::answer`](crate::CallbackQuery::answer).
#[must_use = "a query is not answered until the call is awaited or detached"]
pub struct AnswerCallback {
    pub(crate) api: Api,
    pub(crate) options: CallOptions,
    function: functions::messages::SetBotCallbackAnswer,
}

impl AnswerCallback {
    pub(crate) fn new(api: Api, query_id: i64, text: String) -> Self {
        Self {
            api,
            options: CallOptions::default(),
            function: functions::messages::SetBotCallbackAnswer {
                alert: false,
                query_id,
                message: (!text.is_empty()).then_some(text),
                url: None,
                cache_time: 0,
            },
        }
    }

    /// Shows the text in a window that must be closed, instead of for a moment.
    pub fn alert(mut self) -> Self {
        self.function.alert = true;
        self
    }

    /// Opens this address at the presser's: that of a game, or `t.me/<bot>?start=…`.
    pub fn url(mut self, url: impl Into<String>) -> Self {
        self.function.url = Some(url.into());
        self
    }

    /// So long may the presser's program keep the answer for further presses. Whole seconds; by default none.
    pub fn cache_for(mut self, time: Duration) -> Self {
        self.function.cache_time = i32::try_from(time.as_secs()).unwrap_or(i32::MAX);
        self
    }
}

impl IntoFuture for AnswerCallback {
    type Output = Result<()>;
    type IntoFuture = Pending<()>;

    fn into_future(self) -> Self::IntoFuture {
        const METHOD: &str = "messages.setBotCallbackAnswer";
        let terms = self.options.terms(&self.api);
        let (api, function) = (self.api.clone(), self.function);
        start(&self.api, METHOD, &self.options, async move {
            accepted(METHOD, api.invoke_with(&function, terms).await?)
        })
    }
}

/// Answers an inline query; see [`InlineQuery::answer`](crate::InlineQuery::answer).
#[must_use = "a query is not answered until the call is awaited or detached"]
pub struct AnswerInline {
    pub(crate) api: Api,
    pub(crate) options: CallOptions,
    function: functions::messages::SetInlineBotResults,
}

impl AnswerInline {
    pub(crate) fn new(api: Api, query_id: i64, results: Vec<enums::InputBotInlineResult>) -> Self {
        Self {
            api,
            options: CallOptions::default(),
            function: functions::messages::SetInlineBotResults {
                gallery: false,
                private: false,
                query_id,
                results,
                // What Telegram's own API for bots takes if nothing is said.
                cache_time: 300,
                next_offset: None,
                switch_pm: None,
                switch_webview: None,
            },
        }
    }

    /// So long may Telegram give the same answer to the same query by itself. Whole seconds; by default 300.
    pub fn cache_for(mut self, time: Duration) -> Self {
        self.function.cache_time = i32::try_from(time.as_secs()).unwrap_or(i32::MAX);
        self
    }

    /// The answer is for this asker alone, even while it is kept.
    pub fn private(mut self) -> Self {
        self.function.private = true;
        self
    }

    /// There is more: when the asker comes to the end, the query comes again with this
    /// [offset](crate::InlineQuery::offset), of at most 64 bytes.
    pub fn next_offset(mut self, offset: impl Into<String>) -> Self {
        self.function.next_offset = Some(offset.into());
        self
    }
}

impl IntoFuture for AnswerInline {
    type Output = Result<()>;
    type IntoFuture = Pending<()>;

    fn into_future(self) -> Self::IntoFuture {
        const METHOD: &str = "messages.setInlineBotResults";
        let terms = self.options.terms(&self.api);
        let (api, function) = (self.api.clone(), self.function);
        start(&self.api, METHOD, &self.options, async move {
            accepted(METHOD, api.invoke_with(&function, terms).await?)
        })
    }
}

/// Methods that answer yes or no: a no is not a success.
fn accepted(method: &str, yes: bool) -> Result<()> {
    yes.then_some(()).ok_or_else(|| Error::Incomplete {
        method: method.to_owned(),
        expected: "a yes",
    })
}

call_options!(AnswerCallback, AnswerInline);

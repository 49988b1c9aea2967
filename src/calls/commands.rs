//! The menu of a bot's commands.

use std::future::IntoFuture;

use actogram_tl::{enums, functions};

use super::{CallOptions, Pending, call_options, start};
use crate::Api;

/// Sets the menu of a bot's commands; see [`Api::set_my_commands`].
#[must_use = "nothing is set until the call is awaited or detached"]
pub struct SetCommands {
    pub(crate) api: Api,
    pub(crate) options: CallOptions,
    scope: enums::BotCommandScope,
    language: String,
    commands: Vec<enums::BotCommand>,
}

impl SetCommands {
    pub(crate) fn new(api: Api, commands: Vec<enums::BotCommand>) -> Self {
        Self {
            api,
            options: CallOptions::default(),
            scope: enums::BotCommandScope::BotCommandScopeDefault,
            language: String::new(),
            commands,
        }
    }

    /// Where they are shown (<https://core.telegram.org/type/BotCommandScope>); default: wherever no narrower scope has
    /// its own.
    pub fn scope(mut self, scope: impl Into<enums::BotCommandScope>) -> Self {
        self.scope = scope.into();
        self
    }

    /// For programs of this language (ISO 639-1, two letters); default: for all that have no menu of their own.
    pub fn language(mut self, code: impl Into<String>) -> Self {
        self.language = code.into();
        self
    }
}

impl IntoFuture for SetCommands {
    type Output = crate::Result<()>;
    type IntoFuture = Pending<()>;

    fn into_future(self) -> Self::IntoFuture {
        let Self {
            api,
            options,
            scope,
            language,
            commands,
        } = self;
        let terms = options.terms(&api);
        let function = functions::bots::SetBotCommands {
            scope,
            lang_code: language,
            commands,
        };
        let account = api.clone();
        start(&account, "bots.setBotCommands", &options, async move {
            api.invoke_with(&function, terms).await.map(drop)
        })
    }
}

call_options!(SetCommands);

impl Api {
    /// Shows these commands in the menu of the bot (<https://core.telegram.org/method/bots.setBotCommands>).
    ///
    /// # Errors
    /// The datacenter's refusal; only bots have a menu.
    pub fn set_my_commands<C: crate::commands::Commands>(&self) -> SetCommands {
        SetCommands::new(self.clone(), C::bot_commands())
    }
}

//! A bot's commands as an enum: parsed, explained and told to Telegram from one place.
//!
//! ```no_run
//! use actogram::{PeerRef, filters::*, prelude::*};
//!
//! #[derive(Commands)]
//! enum Task {
//!     #[command(description = "Begin; with a word, from there")]
//!     Start(String),
//!     #[command(description = "Ban somebody")]
//!     Ban { user: PeerRef, days: u32 },
//!     /// Show this help
//!     Help,
//! }
//!
//! # async fn register(client: Client) -> Result<()> {
//! client.api().set_my_commands::<Task>().await?;
//! client.on(command_of::<Task>(), async |_cx: Cx, given: Given<Task>| {
//!     let answer = match &given.parsed {
//!         Ok(Task::Start(from)) => format!("Welcome. {from}"),
//!         Ok(Task::Ban { days, .. }) => format!("Banned for {days} days."),
//!         Ok(Task::Help) => Task::help(),
//!         // "/ban: `days` is "many", u32 was expected: invalid digit found in string"
//!         Err(error) => error.to_string(),
//!     };
//!     given.reply(answer).await
//! });
//! # Ok(()) }
//! ```
//!
//! # Names
//! A variant's name in snake case, or that of `#[command(name = "…")]`. Both it and the description (or, without one, the
//! doc comment's summary) are checked at compile time against
//! [what Telegram takes](https://core.telegram.org/constructor/botCommand): 1 to 32 of `a-z`, `0-9` and `_`, and 1 to
//! 256 characters. Upper and lower case are the same when a command is given. `#[command(hidden)]` leaves one out of
//! help and menu.
//!
//! # Arguments
//! Each field is one word, read by its type's [`FromStr`]. A [`String`] at the end is all that is left, and may be empty;
//! an `Option` may be missing. Words too many are an error.

use std::{fmt, ops::Deref, str::FromStr};

pub use actogram_macros::Commands;
use actogram_tl::{enums, types};

use crate::{Msg, PeerRef, peers::PeerError};

/// An enum of commands. Derive it.
pub trait Commands: Sized + 'static {
    /// All of them, in the order of the enum.
    const COMMANDS: &'static [CommandInfo];

    /// Reads a command. `None`: there is none of this name, which stands without its `/`.
    fn parse(name: &str, args: &str) -> Option<Result<Self, CommandError>>;

    /// A line for each command that is not hidden: `/name <argument> – description`.
    fn help() -> String {
        let lines = Self::COMMANDS.iter().filter(|it| !it.hidden).map(|it| {
            let CommandInfo {
                name,
                usage,
                description,
                ..
            } = it;
            format!("/{name}{usage} – {description}")
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    /// As Telegram takes them, for the menu: those that are not hidden.
    fn bot_commands() -> Vec<enums::BotCommand> {
        let shown = Self::COMMANDS.iter().filter(|it| !it.hidden);
        shown
            .map(|it| types::BotCommand::new(it.name.to_owned(), it.description.to_owned()).into())
            .collect()
    }
}

/// What is known of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommandInfo {
    /// Without the `/`.
    pub name: &'static str,
    /// What follows it: `<…>` has to be there, `[…]` may. Empty, or with a space before it.
    pub usage: &'static str,
    /// What it does.
    pub description: &'static str,
    /// Whether it is left out of help and menu.
    pub hidden: bool,
}

/// What is wrong with a command's arguments. Its text may be shown to who gave the command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// An argument is not there.
    #[error("/{command}: `{argument}` is missing, {expected} was expected")]
    Missing {
        /// The command.
        command: &'static str,
        /// Its argument.
        argument: &'static str,
        /// The argument's type.
        expected: &'static str,
    },
    /// An argument is of another kind.
    #[error("/{command}: `{argument}` is {given:?}, {expected} was expected: {why}")]
    Invalid {
        /// The command.
        command: &'static str,
        /// Its argument.
        argument: &'static str,
        /// What stood there, at most 100 characters of it.
        given: String,
        /// The argument's type.
        expected: &'static str,
        /// What the type says to it.
        why: String,
    },
    /// There is more than the command takes.
    #[error("/{command}: {rest:?} is too much")]
    TooMany {
        /// The command.
        command: &'static str,
        /// What is left over, at most 100 characters of it.
        rest: String,
    },
}

/// A command that was given: see [`command_of`](crate::filters::command_of). All methods of the message are here, too.
#[derive(Clone)]
pub struct Given<C> {
    /// The command, or what is wrong with its arguments.
    pub parsed: Result<C, CommandError>,
    message: Msg,
}

impl<C> Given<C> {
    pub(crate) fn new(parsed: Result<C, CommandError>, message: Msg) -> Self {
        Self { parsed, message }
    }

    /// The message it stands in.
    pub fn message(&self) -> &Msg {
        &self.message
    }
}

impl<C> Deref for Given<C> {
    type Target = Msg;

    fn deref(&self) -> &Msg {
        &self.message
    }
}

impl<C: fmt::Debug> fmt::Debug for Given<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Given")
            .field("parsed", &self.parsed)
            .finish_non_exhaustive()
    }
}

/// Reads arguments one after another, for derived code.
#[doc(hidden)]
#[derive(Debug)]
pub struct Args<'a> {
    command: &'static str,
    rest: &'a str,
}

impl<'a> Args<'a> {
    pub fn new(command: &'static str, args: &'a str) -> Self {
        let rest = args.trim();
        Self { command, rest }
    }

    pub fn next<T>(
        &mut self,
        argument: &'static str,
        expected: &'static str,
    ) -> Result<T, CommandError>
    where
        T: FromStr<Err: fmt::Display>,
    {
        self.optional(argument, expected)?
            .ok_or(CommandError::Missing {
                command: self.command,
                argument,
                expected,
            })
    }

    pub fn optional<T>(
        &mut self,
        argument: &'static str,
        expected: &'static str,
    ) -> Result<Option<T>, CommandError>
    where
        T: FromStr<Err: fmt::Display>,
    {
        let Some(word) = self.rest.split_whitespace().next() else {
            return Ok(None);
        };
        let value = word
            .parse()
            .map_err(|error: T::Err| CommandError::Invalid {
                command: self.command,
                argument,
                given: shortened(word),
                expected,
                why: error.to_string(),
            })?;
        self.rest = self
            .rest
            .strip_prefix(word)
            .unwrap_or_default()
            .trim_start();
        Ok(Some(value))
    }

    pub fn rest(&mut self) -> String {
        std::mem::take(&mut self.rest).to_owned()
    }

    pub fn end(&self) -> Result<(), CommandError> {
        match self.rest {
            "" => Ok(()),
            rest => Err(CommandError::TooMany {
                command: self.command,
                rest: shortened(rest),
            }),
        }
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(100).collect()
}

/// Any notation of a peer, as one word.
impl FromStr for PeerRef {
    type Err = PeerError;

    fn from_str(notation: &str) -> Result<Self, PeerError> {
        match Self::from(notation) {
            Self::Invalid(error) => Err(error),
            peer => Ok(peer),
        }
    }
}

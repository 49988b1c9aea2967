//! What can go wrong, classed by what the caller may do about it.

use std::{fmt, time::Duration};

use actogram_actors::CallError;
use actogram_runtime::{ExitReason, LoopGone, RegistryError};

/// The result of everything in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting is missing, malformed or unknown. The text names it and how to give it.
    #[error("{0}")]
    Settings(String),
    /// The datacenter refused the call. The same call will be refused again unless something changes.
    #[error(transparent)]
    Rpc(#[from] RpcError),
    /// The call did not come to an answer: the connection, its limits, or a shutdown stood in the way.
    #[error("{method}: {source}")]
    Call {
        /// The method that was called.
        method: String,
        /// Why there is no answer.
        source: CallError,
    },
    /// The time given to the call passed. The call itself goes on unless it was made `cancel_on_drop`.
    #[error("{method} had no answer within {limit:?}; it may still be carried out")]
    Timeout {
        /// The method that was called.
        method: String,
        /// The time it was given.
        limit: Duration,
    },
    /// A peer could not be turned into something Telegram accepts.
    #[error("{0}")]
    Peer(#[from] crate::peers::PeerError),
    /// Login did not succeed.
    #[error("{0}")]
    Login(#[from] crate::login::LoginError),
    /// A call by name was malformed: an unknown method, field or type.
    #[error("{0}")]
    Json(#[from] actogram_tl::json::JsonError),
    /// The datacenter sent something that the schema does not allow.
    #[error("{method} was answered by something that is not its result: {source}")]
    Answer {
        /// The method that was called.
        method: String,
        /// What was wrong, where.
        source: actogram_tl::DecodeError,
    },
    /// The answer is well-formed but does not hold what the method promises.
    #[error("{method} was answered without {expected}")]
    Incomplete {
        /// The method that was called.
        method: String,
        /// What should have been there.
        expected: &'static str,
    },
    /// A source is not of its dialect of HTML or Markdown.
    #[error("{0}")]
    Text(#[from] actogram_text::ParseError),
    /// A text was too long for one message, and some of its parts were sent before this happened.
    #[error("of {parts} messages, {} were sent, the next was not: {source}", sent.len())]
    PartlySent {
        /// The ids of those that were sent, in order.
        sent: Vec<i32>,
        /// How many there would have been.
        parts: usize,
        /// Why the next one was not sent.
        source: Box<Error>,
    },
    /// A keyboard cannot be sent as it is.
    #[error("{0}")]
    Keyboard(#[from] crate::keyboard::KeyboardError),
    /// What was asked for contradicts itself, or Telegram does not offer it here. Nothing was sent.
    #[error("{method}: {why}")]
    Argument {
        /// What was called.
        method: String,
        /// What is wrong, and what to do instead.
        why: String,
    },
    /// This library does not do that yet.
    #[error("{what} is not built yet")]
    NotBuilt {
        /// What is missing.
        what: &'static str,
    },
    /// The session file could not be used.
    #[error("the session store: {0}")]
    Store(#[from] actogram_store::StoreError),
    /// Something that waits was called where async code runs. See [`blocking`](crate::blocking#not-inside-an-async-runtime).
    #[error(
        "a blocking call inside an async runtime would stop that runtime: await the call there, or wait for it on a thread of its own"
    )]
    InsideRuntime,
    /// The engine or an actor could not be started, or was ended by its supervisor.
    #[error("{0}")]
    Engine(String),
    /// A handler, loop or fork of the program itself failed.
    #[error("{0}")]
    User(Box<dyn std::error::Error + Send + Sync>),
    /// A filter could not be made.
    #[error("{0}")]
    Filter(#[from] crate::filters::FilterError),
    /// Updates could not be polled.
    #[error("{0}")]
    Poll(#[from] crate::dispatcher::PollError),
    /// A command's arguments are wrong.
    #[error("{0}")]
    Command(#[from] crate::commands::CommandError),
    /// The state of a dialogue could not be read or written.
    #[error("{0}")]
    State(#[from] crate::dispatcher::StateError),
    /// A file was not transferred.
    #[error("{0}")]
    Transfer(#[source] crate::transfers::TransferError),
    /// Somebody did not answer a question.
    #[error("{0}")]
    Ask(#[from] crate::dispatcher::AskError),
    /// A webhook was given up.
    #[cfg(feature = "http")]
    #[error("{0}")]
    Webhook(#[from] crate::dispatcher::WebhookError),
    /// A handler panicked. The text is the panic's.
    #[error("a handler panicked: {0}")]
    Panicked(String),
    /// An HTTP request has no answer.
    #[cfg(feature = "http")]
    #[error("{0}")]
    Http(#[from] crate::http::HttpError),
    /// Reading or writing failed outside the session.
    #[error("{context}: {source}")]
    Io {
        /// What was being done.
        context: String,
        /// What the system said.
        source: std::io::Error,
    },
}

/// How an awaited strand failed.
impl From<ExitReason> for Error {
    fn from(reason: ExitReason) -> Self {
        Self::user(reason)
    }
}

/// A loop could not be asked, since its actor has ended.
impl From<LoopGone> for Error {
    fn from(gone: LoopGone) -> Self {
        Self::user(gone)
    }
}

/// A loop could not be reached by its name.
impl From<RegistryError> for Error {
    fn from(error: RegistryError) -> Self {
        Self::user(error)
    }
}

impl Error {
    /// Wraps an error of the program itself, for handlers that fail with a type of their own.
    pub fn user(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::User(error.into())
    }

    pub(crate) fn argument(method: &str, why: impl Into<String>) -> Self {
        Self::Argument {
            method: method.to_owned(),
            why: why.into(),
        }
    }

    /// What supergroups and channels answer of strangers, for basic groups.
    pub(crate) fn not_participant(method: &str) -> Self {
        Self::Rpc(RpcError {
            code: 400,
            name: "USER_NOT_PARTICIPANT".to_owned(),
            method: method.to_owned(),
        })
    }

    pub(crate) fn io(context: impl Into<String>, source: std::io::Error) -> Self {
        Self::Io {
            context: context.into(),
            source,
        }
    }

    pub(crate) fn from_call(method: &str, error: CallError) -> Self {
        match error {
            CallError::Rpc { code, message } => Self::Rpc(RpcError {
                code,
                name: message,
                method: method.to_owned(),
            }),
            source => Self::Call {
                method: method.to_owned(),
                source,
            },
        }
    }

    /// The refusal of the datacenter, if that is what this is.
    pub fn rpc(&self) -> Option<&RpcError> {
        match self {
            Self::Rpc(error) => Some(error),
            _ => None,
        }
    }

    /// Whether the datacenter refused with this name; `*` at the end stands for anything.
    ///
    /// ```
    /// # fn act(error: actogram::Error) {
    /// if error.is("FLOOD_WAIT_*") { /* later */ }
    /// # }
    /// ```
    pub fn is(&self, name: &str) -> bool {
        self.rpc().is_some_and(|error| error.is(name))
    }
}

/// A refusal by the datacenter (<https://core.telegram.org/api/errors>).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RpcError {
    /// The class: 303, 400, 401, 403, 404, 406, 420, 500 and a few more.
    pub code: i32,
    /// The name, such as `PEER_ID_INVALID`. Text from outside: long or strange ones are shown shortened and escaped.
    pub name: String,
    /// The method that was refused.
    pub method: String,
}

impl RpcError {
    /// Whether this is the error `name`; `*` at the end stands for anything.
    pub fn is(&self, name: &str) -> bool {
        match name.strip_suffix('*') {
            Some(prefix) => self.name.starts_with(prefix),
            None => self.name == name,
        }
    }

    /// How long the datacenter asks to wait, for the errors that say so (`FLOOD_WAIT_X` and its kin).
    pub fn retry_after(&self) -> Option<Duration> {
        if self.code != 420 {
            return None;
        }
        let seconds = self.name.rsplit('_').next()?.parse().ok()?;
        Some(Duration::from_secs(seconds))
    }

    fn remedy(&self) -> Option<&'static str> {
        Some(match self.name.as_str() {
            "PEER_ID_INVALID" => {
                "this account has not met the peer yet: let it write first, or name it by @username"
            }
            "ACCESS_TOKEN_INVALID" | "ACCESS_TOKEN_EXPIRED" => {
                "ask @BotFather for the bot's present token"
            }
            "API_ID_INVALID" => {
                "api_id and api_hash must be the pair shown at https://my.telegram.org/apps"
            }
            "AUTH_KEY_UNREGISTERED" => "log in first",
            "CHAT_WRITE_FORBIDDEN" => "the account may not write in this chat",
            "MESSAGE_TOO_LONG" => "split the text; a message holds 4096 characters",
            "MESSAGE_EMPTY" => "give it some text",
            "PHONE_NUMBER_INVALID" => "write the number with its country code",
            "USER_IS_BLOCKED" => "the user has blocked this bot",
            "USERNAME_NOT_OCCUPIED" | "USERNAME_INVALID" => "check the spelling of the name",
            name if name.starts_with("FLOOD_WAIT_") => {
                "call less often; `calls.flood_wait_limit` sets what is slept through"
            }
            _ => return None,
        })
    }
}

impl fmt::Display for RpcError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The name comes from outside: control characters must not reach a terminal or forge a log line.
        let name: String = self
            .name
            .chars()
            .take(200)
            .flat_map(char::escape_debug)
            .collect();
        write!(f, "{} refused: {} ({})", self.method, name, self.code)?;
        match self.remedy() {
            Some(remedy) => write!(f, "; {remedy}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for RpcError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(code: i32, name: &str) -> RpcError {
        RpcError {
            code,
            name: name.to_owned(),
            method: "messages.sendMessage".to_owned(),
        }
    }

    #[test]
    fn names_match_with_and_without_a_wildcard() {
        assert!(error(420, "FLOOD_WAIT_5").is("FLOOD_WAIT_*"));
        assert!(!error(420, "FLOOD_WAIT_5").is("FLOOD_WAIT"));
        assert_eq!(
            error(420, "FLOOD_WAIT_5").retry_after(),
            Some(Duration::from_secs(5))
        );
        assert_eq!(error(420, "FLOOD_WAIT_-5").retry_after(), None);
        assert_eq!(error(400, "PHONE_CODE_5").retry_after(), None);
    }

    #[test]
    fn a_hostile_name_is_shortened_and_escaped() {
        let shown = error(400, &"\n\u{1b}[2J".repeat(100_000)).to_string();
        assert!(shown.len() < 2_000 && !shown.contains('\n') && !shown.contains('\u{1b}'));
    }

    #[test]
    fn method_error_and_remedy_are_named() {
        let shown = error(400, "PEER_ID_INVALID").to_string();
        assert!(
            shown.contains("messages.sendMessage")
                && shown.contains("PEER_ID_INVALID")
                && shown.contains("@username")
        );
    }
}

//! Commands: `/name arguments`.

use std::{fmt, ops::Deref};

use super::Extract;
use crate::{
    Msg,
    commands::{Commands, Given},
};

/// A command and what follows it: all methods of the message are here, too.
#[derive(Clone)]
pub struct Command {
    name: String,
    args: usize,
    message: Msg,
}

impl Command {
    /// The command without its prefix, as it was written.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Everything behind the command, without the space around it.
    pub fn args(&self) -> &str {
        self.message.text().get(self.args..).unwrap_or_default()
    }

    /// The words behind the command.
    pub fn words(&self) -> std::str::SplitWhitespace<'_> {
        self.args().split_whitespace()
    }

    /// The message it stands in.
    pub fn message(&self) -> &Msg {
        &self.message
    }
}

impl Deref for Command {
    type Target = Msg;

    fn deref(&self) -> &Msg {
        &self.message
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Command")
            .field("name", &self.name)
            .field("args", &self.args())
            .finish_non_exhaustive()
    }
}

/// `/name`, with or without arguments; upper and lower case are the same.
///
/// In groups people address one bot of several by `/name@bot` (<https://core.telegram.org/api/bots/commands>): a
/// command that is addressed to another bot does not pass.
pub fn command(name: impl Into<String>) -> Extract<Msg, Command> {
    command_prefixed("/", name)
}

/// As [`command`], with another prefix: for accounts of people, who have no menu of commands.
pub fn command_prefixed(
    prefix: impl Into<String>,
    name: impl Into<String>,
) -> Extract<Msg, Command> {
    let (prefix, name) = (prefix.into(), name.into());
    Extract::new(move |message: &Msg| {
        parse(message, &prefix).filter(|command| command.name.eq_ignore_ascii_case(&name))
    })
}

/// Any command, whatever its name: for an answer to those that no handler knows.
pub fn any_command() -> Extract<Msg, Command> {
    Extract::new(|message: &Msg| parse(message, "/"))
}

/// Any command of this enum: see [`commands`](crate::commands). One whose arguments are wrong passes, too, with the error
/// in [`parsed`](Given::parsed).
pub fn command_of<C: Commands>() -> Extract<Msg, Given<C>> {
    any_command().filter_map(|command| {
        let parsed = C::parse(command.name(), command.args())?;
        Some(Given::new(parsed, command.message))
    })
}

/// The parts of a text that begins with a command: its name, the bot it is addressed to, where the arguments begin.
fn split<'a>(text: &'a str, prefix: &str) -> Option<(&'a str, Option<&'a str>, usize)> {
    let rest = text.strip_prefix(prefix)?;
    let word = rest.split(char::is_whitespace).next()?;
    let (name, bot) = match word.split_once('@') {
        Some((name, bot)) => (name, Some(bot)),
        None => (word, None),
    };
    let behind = rest.get(word.len()..)?;
    let args = text.len() - behind.trim_start().len();
    (!name.is_empty()).then_some((name, bot, args))
}

/// The bot that a text addresses by `/name@bot`.
pub(crate) fn mentioned_bot(text: &str) -> Option<&str> {
    // Whatever the prefix: it holds no `@`, or the command is none.
    let word = text.split(char::is_whitespace).next()?;
    let (_, bot) = word.split_once('@')?;
    // https://core.telegram.org/method/account.checkUsername: no name is longer, or has other characters.
    let named = (1..=32).contains(&bot.len())
        && bot
            .chars()
            .all(|it| it.is_ascii_alphanumeric() || it == '_');
    named.then_some(bot)
}

fn parse(message: &Msg, prefix: &str) -> Option<Command> {
    let (name, bot, args) = split(message.text(), prefix)?;
    if bot.is_some_and(|bot| !message.api().is_called(bot)) {
        return None;
    }
    Some(Command {
        name: name.to_owned(),
        args,
        message: message.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn commands_are_taken_apart() {
        let parts = |text: &'static str| {
            split(text, "/").map(|(name, bot, args)| (name, bot, text.get(args..).unwrap_or("?")))
        };
        assert_eq!(parts("/start"), Some(("start", None, "")));
        assert_eq!(parts("/start a  b "), Some(("start", None, "a  b ")));
        assert_eq!(parts("/start\nb"), Some(("start", None, "b")));
        assert_eq!(
            parts("/start@some_bot x"),
            Some(("start", Some("some_bot"), "x"))
        );
        assert_eq!(parts("/é\u{2003}ü"), Some(("é", None, "ü")));
        for none in ["", "/", "/ start", "start", " /start", "/@bot"] {
            assert_eq!(parts(none), None, "{none:?}");
        }
        assert_eq!(split("!!go on", "!!"), Some(("go", None, 5)));
    }

    #[test]
    fn the_addressed_bot_is_found() {
        assert_eq!(mentioned_bot("/a@bot x"), Some("bot"));
        assert_eq!(mentioned_bot(".a@bot"), Some("bot"));
        for none in ["/a x@bot", "/a@", "", "a", "ann@mail.example", "/a@b@c"] {
            assert_eq!(mentioned_bot(none), None, "{none:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_taken_apart_at_whole_characters(text: String, prefix in "[/!.é]{0,2}") {
            if let Some((name, bot, args)) = split(&text, &prefix) {
                let head = format!("{prefix}{name}{}", bot.map(|bot| format!("@{bot}")).unwrap_or_default());
                prop_assert!(text.starts_with(&head));
                prop_assert!(text[head.len()..args].trim().is_empty());
            }
        }
    }
}

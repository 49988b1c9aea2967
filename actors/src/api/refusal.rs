//! What to do about an error of the datacenter (<https://core.telegram.org/api/errors>).

use std::time::Duration;

/// What to do about a refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Tell the caller.
    Final,
    /// Wait for this long.
    Flood {
        /// How long.
        wait: Duration,
        /// Who else must.
        scope: FloodScope,
    },
    /// Try again after a pause: the datacenter is at fault.
    Internal,
    /// Another datacenter is responsible.
    Migrate(i32),
    /// The login has ended.
    LoggedOut,
    /// The key was used from two places and is gone.
    Duplicated,
}

/// Which calls a flood wait is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FloodScope {
    /// The refused one only.
    Call,
    /// All of the method.
    Method,
    /// All that send messages to the chat: slow mode (<https://core.telegram.org/api/errors#420-flood>).
    Chat,
}

/// Waits longer than this are not believed.
const LONGEST_WAIT: u64 = 14 * 24 * 3600;

/// Errors that end the login. On the main datacenter they mean the account, not the call.
const LOGGED_OUT: [&str; 6] = [
    "AUTH_KEY_UNREGISTERED",
    "AUTH_KEY_INVALID",
    "SESSION_REVOKED",
    "SESSION_EXPIRED",
    "USER_DEACTIVATED",
    "USER_DEACTIVATED_BAN",
];

/// Methods to which -503 is a true answer: the bot that was asked did not answer.
const TIMES_OUT: [&str; 2] = [
    "messages.getBotCallbackAnswer",
    "messages.getInlineBotResults",
];

/// What to do about this refusal of this method.
pub(crate) fn classify(method: &str, code: i32, message: &str) -> Refusal {
    match code {
        303 => number_behind(message, "_MIGRATE_")
            .and_then(|dc| i32::try_from(dc).ok())
            .map_or(Refusal::Final, Refusal::Migrate),
        401 if LOGGED_OUT.contains(&message) => Refusal::LoggedOut,
        406 if message == "AUTH_KEY_DUPLICATED" => Refusal::Duplicated,
        420 => flood(message),
        // The first copy was carried out: no further try can end otherwise.
        500 if message == "RANDOM_ID_DUPLICATE" => Refusal::Final,
        -503 if TIMES_OUT.contains(&method) => Refusal::Final,
        code if code < 0 || (500..600).contains(&code) => Refusal::Internal,
        _ => Refusal::Final,
    }
}

fn flood(message: &str) -> Refusal {
    let seconds = number_behind(message, "_WAIT_").or_else(|| number_behind(message, "_DELAY_"));
    match seconds {
        Some(seconds) => Refusal::Flood {
            wait: Duration::from_secs(seconds.clamp(1, LONGEST_WAIT)),
            // FLOOD_PREMIUM_WAIT, for one, is about a transfer.
            scope: if message.starts_with("FLOOD_WAIT_") {
                FloodScope::Method
            } else if message.starts_with("SLOWMODE_WAIT_") {
                FloodScope::Chat
            } else {
                FloodScope::Call
            },
        },
        None if message == "FLOOD_SKIP_FAILED_WAIT" => Refusal::Flood {
            wait: Duration::from_secs(1),
            scope: FloodScope::Call,
        },
        None => Refusal::Final,
    }
}

fn number_behind(message: &str, mark: &str) -> Option<u64> {
    let (_, digits) = message.rsplit_once(mark)?;
    let digits = Some(digits).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
    digits?.parse().ok()
}

/// The most characters of an error's message that are kept. Names of errors are shorter by far.
const LONGEST_MESSAGE: usize = 256;

/// An error's message as anything may see it: a log, a terminal, a program. It is text from outside, and what is no plain
/// character in it is escaped.
pub(crate) fn plain(message: String) -> String {
    let is_plain = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
    if message.len() <= LONGEST_MESSAGE && message.bytes().all(is_plain) {
        return message;
    }
    let mut characters = message.chars();
    let kept = characters.by_ref().take(LONGEST_MESSAGE);
    let mut plain: String = kept.flat_map(char::escape_default).collect();
    if characters.next().is_some() {
        plain.push('…');
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_class_of_error_has_its_policy() {
        let of = |code, message| classify("messages.sendMessage", code, message);
        let wait = |seconds, scope| Refusal::Flood {
            wait: Duration::from_secs(seconds),
            scope,
        };
        assert_eq!(of(420, "FLOOD_WAIT_7"), wait(7, FloodScope::Method));
        assert_eq!(
            of(420, "FLOOD_WAIT_0"),
            wait(1, FloodScope::Method),
            "0 would be asked again at once"
        );
        assert_eq!(of(420, "SLOWMODE_WAIT_30"), wait(30, FloodScope::Chat));
        assert_eq!(of(420, "FLOOD_PREMIUM_WAIT_3"), wait(3, FloodScope::Call));
        assert_eq!(
            of(420, "2FA_CONFIRM_WAIT_604800"),
            wait(604_800, FloodScope::Call)
        );
        assert_eq!(of(420, "TAKEOUT_INIT_DELAY_9"), wait(9, FloodScope::Call));
        assert_eq!(of(420, "FLOOD_WAIT_99999999999999999999"), Refusal::Final);
        assert_eq!(
            of(420, "FLOOD_WAIT_18446744073709551615"),
            wait(LONGEST_WAIT, FloodScope::Method)
        );
        assert_eq!(of(420, "FLOOD_WAIT_+7"), Refusal::Final);
        assert_eq!(of(420, "FLOOD_WAIT_\u{661}"), Refusal::Final);
        assert_eq!(of(420, "FROZEN_METHOD_INVALID"), Refusal::Final);
        assert_eq!(of(303, "PHONE_MIGRATE_4"), Refusal::Migrate(4));
        assert_eq!(of(303, "NETWORK_MIGRATE_x"), Refusal::Final);
        assert_eq!(of(401, "SESSION_REVOKED"), Refusal::LoggedOut);
        assert_eq!(of(401, "SESSION_PASSWORD_NEEDED"), Refusal::Final);
        assert_eq!(of(406, "AUTH_KEY_DUPLICATED"), Refusal::Duplicated);
        assert_eq!(of(406, "PHONE_NUMBER_INVALID"), Refusal::Final);
        assert_eq!(of(500, "RPC_CALL_FAIL"), Refusal::Internal);
        assert_eq!(of(500, "RANDOM_ID_DUPLICATE"), Refusal::Final);
        assert_eq!(of(-503, "Timeout"), Refusal::Internal);
        assert_eq!(
            classify("messages.getBotCallbackAnswer", -503, "Timeout"),
            Refusal::Final
        );
        assert_eq!(of(400, "PEER_ID_INVALID"), Refusal::Final);
    }
}

//! Names, numbers and links, as people write them.

use super::{MAX_CHANNEL, MAX_CHAT, MAX_USER, MONOFORUM, PeerError, PeerId, PeerRef};

/// What stands behind `t.me/` and is no name (<https://core.telegram.org/api/links>).
const RESERVED: &[&str] = &[
    "addemoji",
    "addlist",
    "addstickers",
    "addstyle",
    "addtheme",
    "auction",
    "bg",
    "boost",
    "call",
    "confirmphone",
    "contact",
    "folder",
    "giftcode",
    "invoice",
    "iv",
    "login",
    "m",
    "nft",
    "proxy",
    "setlanguage",
    "share",
    "socks",
    "stargift",
    "stickers",
    "web",
];
/// Hosts of Telegram's links.
const HOSTS: &[&str] = &["t.me", "telegram.me", "telegram.dog"];

impl From<&str> for PeerRef {
    fn from(notation: &str) -> Self {
        let text = notation.trim();
        let invalid = || Self::Invalid(PeerError::Notation(notation.to_owned()));
        let lower = text.to_ascii_lowercase();
        match lower.as_str() {
            "me" | "@me" | "self" => return Self::Me,
            "support" => return Self::Invalid(PeerError::Support),
            _ => {}
        }
        if let Some(digits) = text.strip_prefix('+') {
            return phone(digits).map_or_else(invalid, Self::Phone);
        }
        if let Ok(id) = text.parse::<i64>() {
            return Self::from(id);
        }
        if let Some(id) = typed_id(text) {
            return id.map_or_else(Self::Invalid, Self::Id);
        }
        if let Some(rest) = after_scheme(&lower, text, "tg") {
            return deep_link(rest).unwrap_or_else(|| not_a_chat(notation));
        }
        if let Some(found) = web_link(&lower, text) {
            return found.unwrap_or_else(|| not_a_chat(notation));
        }
        username(text.strip_prefix('@').unwrap_or(text)).map_or_else(invalid, Self::Username)
    }
}

fn not_a_chat(notation: &str) -> PeerRef {
    PeerRef::Invalid(PeerError::NotAChat(notation.to_owned()))
}

/// <https://core.telegram.org/method/account.checkUsername>: letters, digits and underscores, a letter first.
fn username(name: &str) -> Option<String> {
    let named = name.len() <= 32
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    named.then(|| name.to_owned())
}

/// The digits of a phone number: at most fifteen, as ITU-T E.164 has it.
fn phone(written: &str) -> Option<String> {
    let separator = |c: char| matches!(c, ' ' | '-' | '.' | '(' | ')' | '\u{a0}');
    let digits: String = written.chars().filter(|c| !separator(*c)).collect();
    let good = (5..=15).contains(&digits.len()) && digits.bytes().all(|c| c.is_ascii_digit());
    good.then_some(digits)
}

/// `user#7`, `chat#7`, `channel#7`; nothing if it is none of these.
fn typed_id(text: &str) -> Option<Result<PeerId, PeerError>> {
    let (kind, number) = text.split_once('#')?;
    let made: fn(i64) -> Option<PeerId> = match kind {
        "user" => |id| (1..=MAX_USER).contains(&id).then_some(PeerId::User(id)),
        "chat" => |id| (1..=MAX_CHAT).contains(&id).then_some(PeerId::Chat(id)),
        "channel" => channel,
        _ => return None,
    };
    let wrong = || PeerError::Notation(text.to_owned());
    let id = number.parse::<i64>().ok().and_then(made);
    Some(id.ok_or_else(wrong))
}

fn channel(id: i64) -> Option<PeerId> {
    ((1..=MAX_CHANNEL).contains(&id) || MONOFORUM.contains(&id)).then_some(PeerId::Channel(id))
}

fn user(text: &str) -> Option<PeerRef> {
    let id = text.parse().ok().filter(|id| (1..=MAX_USER).contains(id))?;
    Some(PeerRef::Id(PeerId::User(id)))
}

fn invite(hash: &str) -> Option<PeerRef> {
    let good = (1..=64).contains(&hash.len())
        && hash
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    good.then(|| PeerRef::Invite(hash.to_owned()))
}

/// What stands behind `scheme:` or `scheme://`, in any case.
fn after_scheme<'a>(lower: &str, text: &'a str, scheme: &str) -> Option<&'a str> {
    let rest = lower.strip_prefix(scheme)?.strip_prefix(':')?;
    let rest = rest.strip_prefix("//").unwrap_or(rest);
    text.get(text.len() - rest.len()..)
}

/// The value of a parameter of a query. Names and numbers need no escapes; what has some names nobody.
fn parameter<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value)
}

/// What `tg://…` leads to.
fn deep_link(rest: &str) -> Option<PeerRef> {
    let rest = rest.split('#').next().unwrap_or(rest);
    let (path, query) = rest.split_once('?')?;
    let parameter = |name| parameter(query, name);
    match path.trim_end_matches('/') {
        "resolve" => match parameter("domain") {
            Some(domain) => username(domain).map(PeerRef::Username),
            None => phone(parameter("phone")?).map(PeerRef::Phone),
        },
        "join" => invite(parameter("invite")?),
        "privatepost" => channel(parameter("channel")?.parse().ok()?).map(PeerRef::Id),
        "user" => user(parameter("id")?),
        "openmessage" => match (parameter("user_id"), parameter("chat_id")) {
            (Some(id), _) => user(id),
            (None, Some(id)) => {
                let id = id.parse().ok().filter(|id| (1..=MAX_CHAT).contains(id))?;
                Some(PeerRef::Id(PeerId::Chat(id)))
            }
            (None, None) => None,
        },
        _ => None,
    }
}

/// What a link to one of Telegram's hosts leads to; nothing if it is no such link.
fn web_link(lower: &str, text: &str) -> Option<Option<PeerRef>> {
    let scheme = ["https", "http"]
        .iter()
        .find_map(|scheme| after_scheme(lower, text, scheme));
    let rest = scheme.unwrap_or(text);
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (host, path) = rest.split_at(end);
    let host = host.to_ascii_lowercase();
    let host = host.strip_prefix("www.").unwrap_or(&host);
    if HOSTS.contains(&host) {
        return Some(path_of_link(path));
    }
    if let Some(name) = host.strip_suffix(".t.me") {
        let name = (!RESERVED.contains(&name)).then(|| username(name));
        return Some(name.flatten().map(PeerRef::Username));
    }
    // Another host is no link of Telegram's; without a scheme it may still be a name.
    scheme.is_some().then_some(None)
}

fn path_of_link(path: &str) -> Option<PeerRef> {
    let path = path.split(['?', '#']).next().unwrap_or(path);
    let mut parts = path.split('/').filter(|part| !part.is_empty());
    let first = parts.next()?;
    if let Some(hash) = first
        .strip_prefix('+')
        .or_else(|| first.strip_prefix("%2B"))
    {
        // Digits only are a phone number.
        return match hash.bytes().all(|c| c.is_ascii_digit()) {
            true => phone(hash).map(PeerRef::Phone),
            false => invite(hash),
        };
    }
    match first.to_ascii_lowercase().as_str() {
        "joinchat" => invite(parts.next()?),
        "c" => channel(parts.next()?.parse().ok()?).map(PeerRef::Id),
        // The preview of a channel in the web.
        "s" => username(parts.next()?).map(PeerRef::Username),
        reserved if RESERVED.contains(&reserved) => None,
        _ => username(first.strip_prefix('@').unwrap_or(first)).map(PeerRef::Username),
    }
}

impl From<&String> for PeerRef {
    fn from(notation: &String) -> Self {
        Self::from(notation.as_str())
    }
}

impl From<String> for PeerRef {
    fn from(notation: String) -> Self {
        Self::from(notation.as_str())
    }
}

impl From<i64> for PeerRef {
    fn from(id: i64) -> Self {
        PeerId::from_bot_api(id).map_or_else(Self::Invalid, Self::Id)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name(name: &str) -> PeerRef {
        PeerRef::Username(name.to_owned())
    }

    fn invited(hash: &str) -> PeerRef {
        PeerRef::Invite(hash.to_owned())
    }

    #[test]
    fn s17_names_numbers_and_links() {
        let phone = |digits: &str| PeerRef::Phone(digits.to_owned());
        let channel = |id| PeerRef::Id(PeerId::Channel(id));
        let user = |id| PeerRef::Id(PeerId::User(id));
        for (written, read) in [
            ("@some_name", name("some_name")),
            ("some_name", name("some_name")),
            (" Some_Name\n", name("Some_Name")),
            ("me", PeerRef::Me),
            ("Me", PeerRef::Me),
            ("@me", PeerRef::Me),
            ("self", PeerRef::Me),
            ("42", user(42)),
            ("-7", PeerRef::Id(PeerId::Chat(7))),
            ("-1000000000007", channel(7)),
            ("user#42", user(42)),
            ("chat#7", PeerRef::Id(PeerId::Chat(7))),
            ("channel#7", channel(7)),
            ("+49 (160) 123-45.67", phone("491601234567")),
            ("t.me/name", name("name")),
            ("T.me/Name/", name("Name")),
            ("http://t.me/name", name("name")),
            ("https://t.me/name/123", name("name")),
            ("https://t.me/name/5/123?single&comment=7", name("name")),
            ("https://t.me/name_bot?start=abc", name("name_bot")),
            ("https://www.telegram.me/name#x", name("name")),
            ("https://telegram.dog/name", name("name")),
            ("https://t.me/s/name/5", name("name")),
            ("https://t.me/@name", name("name")),
            ("https://name.t.me/", name("name")),
            ("name.t.me/7", name("name")),
            ("https://t.me/c/1234567890/7", channel(1_234_567_890)),
            ("t.me/c/1234567890", channel(1_234_567_890)),
            ("https://t.me/+AbC-d_9", invited("AbC-d_9")),
            ("https://t.me/%2BAbC-d_9", invited("AbC-d_9")),
            ("t.me/joinchat/AbC-d_9", invited("AbC-d_9")),
            ("https://t.me/+491601234567", phone("491601234567")),
            ("tg://resolve?domain=name", name("name")),
            ("tg:resolve?start=x&domain=name", name("name")),
            ("TG://resolve?domain=name&post=5#x", name("name")),
            ("tg://resolve?phone=491601234567", phone("491601234567")),
            ("tg://join?invite=AbC-d_9", invited("AbC-d_9")),
            (
                "tg://privatepost?channel=1234567890&post=7",
                channel(1_234_567_890),
            ),
            ("tg://user?id=42", user(42)),
            ("tg://openmessage?user_id=42", user(42)),
            ("tg://openmessage?chat_id=7", PeerRef::Id(PeerId::Chat(7))),
        ] {
            assert_eq!(PeerRef::from(written), read, "{written}");
            assert_eq!(PeerRef::from(written.to_owned()), read);
        }
    }

    #[test]
    fn s17_what_names_nobody_says_so() {
        for written in [
            "",
            "@",
            "no such peer",
            "9name",
            "na-me",
            "naïve",
            "+",
            "+12",
            "+1234567890123456",
            "+12x45678",
            "user#0",
            "user#-1",
            "user#x",
            "channel#99999999999999",
            "ftp:name",
            "example.org/name",
        ] {
            let read = PeerRef::from(written);
            let expected = PeerRef::Invalid(PeerError::Notation(written.to_owned()));
            assert_eq!(read, expected, "{written}");
        }
        for written in [
            "https://t.me",
            "https://t.me/",
            "t.me/addstickers/Animals",
            "t.me/share/url?url=x",
            "t.me/proxy?server=x",
            "t.me/c/",
            "t.me/c/name/7",
            "t.me/joinchat",
            "t.me/joinchat/a.b",
            "t.me/+",
            "t.me/+a.b",
            "https://example.org/name",
            "tg://resolve",
            "tg://resolve?domain=a.b",
            "tg://join?invite=",
            "tg://settings",
            "tg://privatepost?post=7",
            "proxy.t.me",
        ] {
            let read = PeerRef::from(written);
            let expected = PeerRef::Invalid(PeerError::NotAChat(written.to_owned()));
            assert_eq!(read, expected, "{written}");
        }
        assert_eq!(
            PeerRef::from("Support"),
            PeerRef::Invalid(PeerError::Support)
        );
        for id in ["0", "-1000000000000", "9223372036854775807"] {
            let read = PeerRef::from(id);
            assert!(
                matches!(read, PeerRef::Invalid(PeerError::Id(_))),
                "{id}: {read:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn s17_any_text_is_read_or_refused(text in "\\PC{0,40}", prefix in "(https?://)?(t\\.me|tg:)?[/+?#@]{0,2}") {
            let read = PeerRef::from(format!("{prefix}{text}"));
            if let PeerRef::Username(name) = read {
                prop_assert!(name.len() <= 32 && name.is_ascii());
            }
        }
    }
}

//! The ways to name somebody, and how each becomes something Telegram accepts.

use std::fmt;

use actogram_tl::{enums, types};

/// The chats and channels of the Bot API's numbering (<https://core.telegram.org/api/bots/ids>).
const CHANNEL_BASE: i64 = 1_000_000_000_000;
const MAX_USER: i64 = 0xff_ffff_ffff;
const MAX_CHAT: i64 = 999_999_999_999;
const MAX_CHANNEL: i64 = 997_852_516_352;
const MONOFORUM: std::ops::RangeInclusive<i64> = 1_002_147_483_649..=3_000_000_000_000;

/// Whom a call is about, in any notation.
///
/// Made from `"@name"`, `"name"`, `"me"`, an id (the Bot API's numbering: users positive, basic groups
/// negative, channels below −10¹²) as number or text, an [`Update`](crate::Update), a [`Msg`](crate::Msg), or
/// an `InputPeer` of the schema.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum PeerRef {
    /// The account itself.
    Me,
    /// A public name, without the `@`.
    Username(String),
    /// An id known to this account.
    Id(PeerId),
    /// As the schema has it, with its access hash.
    Input(enums::InputPeer),
    /// A notation that names nobody; using it is an error that says why.
    Invalid(String),
}

/// An id and what kind of peer it is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PeerId {
    /// A user or bot.
    User(i64),
    /// A basic group.
    Chat(i64),
    /// A supergroup or channel.
    Channel(i64),
}

impl PeerId {
    /// Reads an id in the Bot API's numbering (<https://core.telegram.org/api/bots/ids>).
    ///
    /// # Errors
    /// [`PeerError::Id`] if it lies in no range.
    ///
    /// ```
    /// use actogram::PeerId;
    /// assert_eq!(PeerId::from_bot_api(-1_000_000_000_007)?, PeerId::Channel(7));
    /// # Ok::<(), actogram::PeerError>(())
    /// ```
    pub fn from_bot_api(id: i64) -> Result<Self, PeerError> {
        match id {
            1..=MAX_USER => Ok(Self::User(id)),
            id if (-MAX_CHAT..0).contains(&id) => Ok(Self::Chat(-id)),
            _ => match id.checked_add(CHANNEL_BASE).and_then(i64::checked_neg) {
                Some(channel)
                    if (1..=MAX_CHANNEL).contains(&channel) || MONOFORUM.contains(&channel) =>
                {
                    Ok(Self::Channel(channel))
                }
                _ => Err(PeerError::Id(id)),
            },
        }
    }

    /// The id in the Bot API's numbering.
    pub fn to_bot_api(self) -> i64 {
        match self {
            Self::User(id) => id,
            Self::Chat(id) => -id,
            Self::Channel(id) => -(CHANNEL_BASE + id),
        }
    }
}

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.to_bot_api())
    }
}

impl From<&enums::Peer> for PeerId {
    fn from(peer: &enums::Peer) -> Self {
        match peer {
            enums::Peer::PeerUser(user) => Self::User(user.user_id),
            enums::Peer::PeerChat(chat) => Self::Chat(chat.chat_id),
            enums::Peer::PeerChannel(channel) => Self::Channel(channel.channel_id),
        }
    }
}

/// Why a peer could not be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PeerError {
    /// The id lies outside every range.
    #[error("{0} is no id of a user, group or channel; see https://core.telegram.org/api/bots/ids")]
    Id(i64),
    /// The notation names nobody.
    #[error("{0:?} names nobody; write @name, an id, or \"me\"")]
    Notation(String),
    /// The account has never met this peer, so it has no access hash for it.
    #[error("peer {0} is not known to this account: let it write first, or name it by @username")]
    Unknown(PeerId),
    /// Nobody has this public name.
    #[error("nobody is called @{0}")]
    NotOccupied(String),
}

impl From<&str> for PeerRef {
    fn from(notation: &str) -> Self {
        let text = notation.trim();
        if text.eq_ignore_ascii_case("me") || text.eq_ignore_ascii_case("@me") {
            return Self::Me;
        }
        if let Ok(id) = text.parse::<i64>() {
            return Self::from(id);
        }
        let name = text.strip_prefix('@').unwrap_or(text);
        // https://core.telegram.org/method/account.checkUsername: letters, digits and underscores, a letter first.
        let named = name.len() <= 32
            && name.starts_with(|c: char| c.is_ascii_alphabetic())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if named {
            Self::Username(name.to_owned())
        } else {
            Self::Invalid(notation.to_owned())
        }
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
        PeerId::from_bot_api(id).map_or_else(|_| Self::Invalid(id.to_string()), Self::Id)
    }
}

impl From<PeerId> for PeerRef {
    fn from(id: PeerId) -> Self {
        Self::Id(id)
    }
}

impl From<enums::InputPeer> for PeerRef {
    fn from(peer: enums::InputPeer) -> Self {
        Self::Input(peer)
    }
}

impl From<types::InputPeerUser> for PeerRef {
    fn from(peer: types::InputPeerUser) -> Self {
        Self::Input(peer.into())
    }
}

impl From<&crate::Update> for PeerRef {
    fn from(update: &crate::Update) -> Self {
        match update.peer() {
            Some(id) => Self::Id(id),
            None => Self::Invalid("an update that belongs to no chat".to_owned()),
        }
    }
}

impl From<&crate::Msg> for PeerRef {
    fn from(message: &crate::Msg) -> Self {
        Self::Id(message.chat())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// The ids of `tests/vectors.json`, computed by an implementation that is not ours.
    #[test]
    fn bot_api_ids_match_the_vectors() {
        let vectors: serde_json::Value =
            serde_json::from_str(include_str!("../tests/vectors.json")).unwrap();
        let group = vectors["peer_ids"].as_object().unwrap();
        assert!(group.len() >= 11);
        for (name, id) in group {
            let id = id.as_i64().unwrap();
            let (kind, bare) = name.split_once(' ').unwrap();
            let read = PeerId::from_bot_api(id);
            let channel =
                |id: &str| PeerId::Channel(id.rsplit(' ').next().unwrap().parse().unwrap());
            match kind {
                "user" => assert!(
                    matches!(read, Ok(PeerId::User(user)) if user == id),
                    "{name}"
                ),
                "chat" => assert!(
                    matches!(read, Ok(PeerId::Chat(chat)) if chat == -id),
                    "{name}"
                ),
                "channel" | "monoforum" => assert_eq!(read, Ok(channel(bare)), "{name}"),
                _ => assert_eq!(
                    read,
                    Err(PeerError::Id(id)),
                    "{name}: secret chats are no cloud peers"
                ),
            }
            if let Ok(peer) = read {
                assert_eq!(peer.to_bot_api(), id, "{name}");
            }
        }
    }

    #[test]
    fn ids_outside_every_range_are_refused() {
        for id in [
            0,
            i64::MIN,
            i64::MAX,
            MAX_USER + 1,
            -MAX_CHAT - 1,
            -CHANNEL_BASE,
            -CHANNEL_BASE - MAX_CHANNEL - 1,
        ] {
            assert_eq!(PeerId::from_bot_api(id), Err(PeerError::Id(id)));
        }
    }

    #[test]
    fn notations() {
        assert_eq!(
            PeerRef::from("@some_name"),
            PeerRef::Username("some_name".into())
        );
        assert_eq!(
            PeerRef::from("some_name"),
            PeerRef::Username("some_name".into())
        );
        assert_eq!(PeerRef::from("me"), PeerRef::Me);
        assert_eq!(PeerRef::from("-7"), PeerRef::Id(PeerId::Chat(7)));
        assert!(matches!(PeerRef::from("no such peer"), PeerRef::Invalid(_)));
        assert!(matches!(PeerRef::from(""), PeerRef::Invalid(_)));
    }
}

//! The ways to name somebody, and how each becomes something Telegram accepts.

mod info;
mod input;
mod notation;
mod objects;
mod resolve;

use std::fmt;

use actogram_tl::enums;

pub use info::{FULL_INFO_AGE, FullObject, PeerFullInfo, PeerInfo, PeerKind, PeerObject};
pub(crate) use info::{FullInfoCache, title_of};
pub(crate) use input::{input_channel, input_peer, input_user};
pub(crate) use resolve::{chats_in, id_of, invite_error};

/// The chats and channels of the Bot API's numbering (<https://core.telegram.org/api/bots/ids>).
const CHANNEL_BASE: i64 = 1_000_000_000_000;
const MAX_USER: i64 = 0xff_ffff_ffff;
const MAX_CHAT: i64 = 999_999_999_999;
const MAX_CHANNEL: i64 = 997_852_516_352;
const MONOFORUM: std::ops::RangeInclusive<i64> = 1_002_147_483_649..=3_000_000_000_000;

/// Whom a call is about, in any notation.
///
/// | made from | names |
/// | --- | --- |
/// | `"me"` | the account itself |
/// | `"@name"`, `"name"` | who has this public name |
/// | `42`, `"42"`, `"-1001234567890"` | an id in the [Bot API's numbering](https://core.telegram.org/api/bots/ids): users positive, basic groups negative, channels below −10¹² |
/// | `"user#42"`, `"chat#42"`, `"channel#42"` | an id as the schema has it |
/// | `"+49 160 1234567"` | who has this phone number, as far as they let themselves be found |
/// | `"https://t.me/name"`, `"t.me/name/7"`, `"name.t.me"`, `"tg://resolve?domain=name"` | who has this public name |
/// | `"t.me/c/1234567890/7"`, `"tg://privatepost?channel=1234567890&post=7"` | a channel by its id |
/// | `"t.me/+hash"`, `"t.me/joinchat/hash"`, `"tg://join?invite=hash"` | a chat the account has joined by this invite link |
/// | [`PeerId`], [`Update`](crate::Update), [`Msg`](crate::Msg), [`ServiceMsg`](crate::ServiceMsg), [`CallbackQuery`](crate::CallbackQuery) | the chat it belongs to |
/// | `Peer`, `User`, `Chat`, `Message`, `InputPeer`, `InputUser`, `InputChannel` of the schema | that one; of a message, its chat |
///
/// Of ids the account needs to know the access hash: it does if it has met the peer
/// (<https://core.telegram.org/api/peers>).
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum PeerRef {
    /// The account itself.
    Me,
    /// A public name, without the `@`.
    Username(String),
    /// An id known to this account.
    Id(PeerId),
    /// A phone number: digits only, with the country's.
    Phone(String),
    /// What an invite link ends with.
    Invite(String),
    /// As the schema has it, with its access hash.
    Input(enums::InputPeer),
    /// A notation that names nobody; using it is this error.
    Invalid(PeerError),
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
            // Ids come from the wire too; one out of range has no such number, and is no reason to stop.
            Self::Chat(id) => id.wrapping_neg(),
            Self::Channel(id) => id.wrapping_add(CHANNEL_BASE).wrapping_neg(),
        }
    }
}

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.to_bot_api())
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
    #[error("{0:?} names nobody; write @name, an id, a t.me link, +phone, or \"me\"")]
    Notation(String),
    /// The link leads to something else than a chat.
    #[error("{0:?} is no link to a chat: it leads to something else of Telegram")]
    NotAChat(String),
    /// Telegram's support has no public name.
    #[error("\"support\" is no name: call help.getSupport, and use the user it answers")]
    Support,
    /// The object belongs to no chat.
    #[error("{0} belongs to no chat")]
    NoChat(&'static str),
    /// The account has never met this peer, so it has no access hash for it.
    #[error("peer {0} is not known to this account: let it write first, or name it by @username")]
    Unknown(PeerId),
    /// Nobody has this public name.
    #[error("nobody is called @{0}")]
    NotOccupied(String),
    /// Nobody has this phone number, or nobody who lets this account find them.
    #[error("nobody can be found by the phone number +{0}")]
    NoSuchPhone(String),
    /// The invite link is wrong, or no longer good.
    #[error("the invite link is wrong or no longer good: {0}")]
    InviteInvalid(String),
    /// The account has not joined the chat of this invite link.
    #[error("the account is not in {title:?}: join it first, with api.join(link)")]
    NotJoined {
        /// What the chat is called.
        title: String,
    },
    /// Something was asked for that this kind of peer does not have.
    #[error("{peer} is no {expected}")]
    Kind {
        /// Whom the notation names.
        peer: PeerId,
        /// What was needed.
        expected: &'static str,
    },
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn ids_out_of_range_stop_nobody() {
        for id in [i64::MIN, -1, 0, i64::MAX] {
            for peer in [PeerId::User(id), PeerId::Chat(id), PeerId::Channel(id)] {
                assert!(!peer.to_string().is_empty());
            }
        }
    }

    /// The ids of `tests/vectors.json`, computed by an implementation that is not ours.
    #[test]
    fn bot_api_ids_match_the_vectors() {
        let vectors: serde_json::Value =
            serde_json::from_str(include_str!("../../tests/vectors.json")).unwrap();
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
}

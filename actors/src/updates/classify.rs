//! Which sequence an update belongs to, and its name there.

use actogram_tl::{Encode as _, enums};
use enums::Update as U;

use super::delivery::DedupeId;

/// Where an update stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// In the common sequence, after `pts - count`.
    Common { pts: i32, count: i32 },
    /// In the sequence of `qts`.
    Secret { qts: i32 },
    /// In the sequence of a channel, after `pts - count`.
    Channel {
        channel_id: i64,
        pts: i32,
        count: i32,
    },
    /// Nowhere.
    Unordered,
}

/// The sequence an update belongs to.
pub(super) fn place(update: &U) -> Place {
    macro_rules! common {
        ($update:expr) => {
            Place::Common {
                pts: $update.pts,
                count: $update.pts_count,
            }
        };
    }
    macro_rules! secret {
        ($update:expr) => {
            Place::Secret { qts: $update.qts }
        };
    }
    let place = match update {
        U::UpdateNewMessage(update) => common!(update),
        U::UpdateDeleteMessages(update) => common!(update),
        U::UpdateReadHistoryInbox(update) => common!(update),
        U::UpdateReadHistoryOutbox(update) => common!(update),
        U::UpdateWebPage(update) => common!(update),
        U::UpdateReadMessagesContents(update) => common!(update),
        U::UpdateEditMessage(update) => common!(update),
        U::UpdateFolderPeers(update) => common!(update),
        U::UpdatePinnedMessages(update) => common!(update),
        U::UpdateNewEncryptedMessage(update) => secret!(update),
        U::UpdateMessagePollVote(update) => secret!(update),
        U::UpdateChatParticipant(update) => secret!(update),
        U::UpdateChannelParticipant(update) => secret!(update),
        U::UpdateBotStopped(update) => secret!(update),
        U::UpdateBotChatInviteRequester(update) => secret!(update),
        U::UpdateBotChatBoost(update) => secret!(update),
        U::UpdateBotMessageReaction(update) => secret!(update),
        U::UpdateBotMessageReactions(update) => secret!(update),
        U::UpdateBotBusinessConnect(update) => secret!(update),
        U::UpdateBotNewBusinessMessage(update) => secret!(update),
        U::UpdateBotEditBusinessMessage(update) => secret!(update),
        U::UpdateBotDeleteBusinessMessage(update) => secret!(update),
        U::UpdateBotPurchasedPaidMedia(update) => secret!(update),
        U::UpdateManagedBot(update) => secret!(update),
        U::UpdateBotGuestChatQuery(update) => secret!(update),
        U::UpdateBotStarsSubscription(update) => secret!(update),
        U::UpdateNewChannelMessage(update) => {
            channel(channel_of(&update.message), update.pts, update.pts_count)
        }
        U::UpdateEditChannelMessage(update) => {
            channel(channel_of(&update.message), update.pts, update.pts_count)
        }
        U::UpdateDeleteChannelMessages(update) => {
            channel(Some(update.channel_id), update.pts, update.pts_count)
        }
        U::UpdateChannelWebPage(update) => {
            channel(Some(update.channel_id), update.pts, update.pts_count)
        }
        U::UpdatePinnedChannelMessages(update) => {
            channel(Some(update.channel_id), update.pts, update.pts_count)
        }
        _ => Place::Unordered,
    };
    match place {
        // The datacenter's way of saying that the update stands in no sequence after all.
        Place::Common { pts: 0, .. } | Place::Secret { qts: 0 } | Place::Channel { pts: 0, .. } => {
            Place::Unordered
        }
        place => place,
    }
}

fn channel(channel_id: Option<i64>, pts: i32, count: i32) -> Place {
    channel_id.map_or(Place::Unordered, |channel_id| Place::Channel {
        channel_id,
        pts,
        count,
    })
}

fn channel_of(message: &enums::Message) -> Option<i64> {
    let peer = match message {
        enums::Message::Message(message) => Some(&message.peer_id),
        enums::Message::MessageService(message) => Some(&message.peer_id),
        enums::Message::MessageEmpty(message) => message.peer_id.as_ref(),
    };
    match peer {
        Some(enums::Peer::PeerChannel(peer)) => Some(peer.channel_id),
        _ => None,
    }
}

/// The number of a message in its chat.
pub(super) fn message_id(message: &enums::Message) -> i32 {
    match message {
        enums::Message::Message(message) => message.id,
        enums::Message::MessageService(message) => message.id,
        enums::Message::MessageEmpty(message) => message.id,
    }
}

/// When a message was sent; 0 if it is gone.
pub(super) fn message_date(message: &enums::Message) -> i32 {
    match message {
        enums::Message::Message(message) => message.date,
        enums::Message::MessageService(message) => message.date,
        enums::Message::MessageEmpty(_) => 0,
    }
}

/// What names an update, the same whichever way it comes.
pub(super) fn dedupe_id(update: &U) -> DedupeId {
    match (update, place(update)) {
        // A difference gives new messages without their pts, so they are named by what they have in both.
        (U::UpdateNewMessage(update), _) => DedupeId::Message {
            channel: None,
            id: message_id(&update.message),
        },
        (U::UpdateNewChannelMessage(update), Place::Channel { channel_id, .. }) => {
            DedupeId::Message {
                channel: Some(channel_id),
                id: message_id(&update.message),
            }
        }
        (U::UpdateNewEncryptedMessage(update), _) => DedupeId::Encrypted(match &update.message {
            enums::EncryptedMessage::EncryptedMessage(message) => message.random_id,
            enums::EncryptedMessage::EncryptedMessageService(message) => message.random_id,
        }),
        (_, Place::Common { pts, count }) if count > 0 => DedupeId::Pts { channel: None, pts },
        (
            _,
            Place::Channel {
                channel_id,
                pts,
                count,
            },
        ) if count > 0 => DedupeId::Pts {
            channel: Some(channel_id),
            pts,
        },
        (_, Place::Secret { qts }) => DedupeId::Qts(qts),
        _ => DedupeId::Hash(hash(&update.to_bytes())),
    }
}

/// FNV-1a, 64 bits: the same in every process and version.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// The payload of a variant, boxed or not.
pub(super) fn into_owned<T>(payload: impl Into<Box<T>>) -> T {
    *payload.into()
}

//! Updates that name people who did not come along with them: one that is not known makes the update a gap, since it
//! could not be answered (<https://core.telegram.org/api/updates>).

use std::collections::BTreeSet;

use actogram_store::{PeerKey, PeerKind};
use actogram_tl::{enums, types};

use super::classify::{Place, place};

/// Whom messages among these updates are from, or stand in, without being among their users and chats.
pub(crate) fn unaccompanied(updates: &enums::Updates) -> BTreeSet<PeerKey> {
    let (list, users, chats) = match updates {
        enums::Updates::UpdateShortMessage(short) => return [user(short.user_id)].into(),
        enums::Updates::UpdateShortChatMessage(short) => return [user(short.from_id)].into(),
        enums::Updates::UpdateShort(short) => {
            return named(&short.update).into_iter().flatten().collect();
        }
        enums::Updates::Updates(it) => (&it.updates, &it.users, &it.chats),
        enums::Updates::UpdatesCombined(it) => (&it.updates, &it.users, &it.chats),
        _ => return BTreeSet::new(),
    };
    let came = |peer: &PeerKey| match peer.kind {
        PeerKind::User => users.iter().any(|user| user_id(user) == peer.id),
        _ => chats.iter().any(|chat| chat_id(chat) == peer.id),
    };
    let named = list.iter().flat_map(named).flatten();
    named.filter(|peer| !came(peer)).collect()
}

/// Takes out messages of peers that are unknown. What brings them again, with their people: whether a common difference
/// is to be asked for; of channels, `updateChannelTooLong` stands in their place.
pub(crate) fn without_unknown(
    updates: enums::Updates,
    unknown: &BTreeSet<PeerKey>,
) -> (Option<enums::Updates>, bool) {
    let mut lost = false;
    let mut replace = |list: &mut Vec<enums::Update>| {
        list.retain_mut(|update| {
            if !named(update)
                .iter()
                .flatten()
                .any(|peer| unknown.contains(peer))
            {
                return true;
            }
            match place(update) {
                Place::Channel {
                    channel_id, pts, ..
                } => {
                    let pts = Some(pts);
                    *update = types::UpdateChannelTooLong { channel_id, pts }.into();
                    true
                }
                _ => {
                    lost = true;
                    false
                }
            }
        });
    };
    let left = match updates {
        enums::Updates::Updates(mut it) => {
            replace(&mut it.updates);
            Some((*it).into())
        }
        enums::Updates::UpdatesCombined(mut it) => {
            replace(&mut it.updates);
            Some((*it).into())
        }
        enums::Updates::UpdateShort(short) => {
            let mut list = vec![short.update.clone()];
            replace(&mut list);
            list.pop().map(|update| {
                let date = short.date;
                types::UpdateShort { update, date }.into()
            })
        }
        _ => {
            lost = true;
            None
        }
    };
    (left, lost)
}

/// Author and chat of a message, where they need an access hash.
fn named(update: &enums::Update) -> [Option<PeerKey>; 2] {
    let message = match update {
        enums::Update::UpdateNewMessage(it) => &it.message,
        enums::Update::UpdateEditMessage(it) => &it.message,
        enums::Update::UpdateNewChannelMessage(it) => &it.message,
        enums::Update::UpdateEditChannelMessage(it) => &it.message,
        _ => return [None, None],
    };
    match message {
        enums::Message::Message(it) => [it.from_id.as_ref().and_then(key), key(&it.peer_id)],
        enums::Message::MessageService(it) => [it.from_id.as_ref().and_then(key), key(&it.peer_id)],
        enums::Message::MessageEmpty(_) => [None, None],
    }
}

fn key(peer: &enums::Peer) -> Option<PeerKey> {
    match peer {
        enums::Peer::PeerUser(peer) => Some(user(peer.user_id)),
        enums::Peer::PeerChannel(peer) => Some(PeerKey {
            kind: PeerKind::Channel,
            id: peer.channel_id,
        }),
        // A basic group is addressed by its id alone.
        enums::Peer::PeerChat(_) => None,
    }
}

fn user(id: i64) -> PeerKey {
    PeerKey {
        kind: PeerKind::User,
        id,
    }
}

fn user_id(user: &enums::User) -> i64 {
    match user {
        enums::User::User(user) => user.id,
        enums::User::UserEmpty(user) => user.id,
    }
}

fn chat_id(chat: &enums::Chat) -> i64 {
    match chat {
        enums::Chat::Channel(channel) => channel.id,
        enums::Chat::ChannelForbidden(channel) => channel.id,
        _ => 0,
    }
}

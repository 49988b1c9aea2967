//! Peers as the schema's methods take them.

use actogram_tl::{enums, types};

use super::PeerId;

/// A peer with its access hash; basic groups have none.
pub(crate) fn input_peer(id: PeerId, access_hash: i64) -> enums::InputPeer {
    match id {
        PeerId::User(user_id) => types::InputPeerUser {
            user_id,
            access_hash,
        }
        .into(),
        PeerId::Chat(chat_id) => types::InputPeerChat { chat_id }.into(),
        PeerId::Channel(channel_id) => types::InputPeerChannel {
            channel_id,
            access_hash,
        }
        .into(),
    }
}

/// The peer where a user is asked for; nothing if it is none.
pub(crate) fn input_user(peer: &enums::InputPeer) -> Option<enums::InputUser> {
    Some(match peer {
        enums::InputPeer::InputPeerSelf => enums::InputUser::InputUserSelf,
        enums::InputPeer::InputPeerUser(user) => types::InputUser {
            user_id: user.user_id,
            access_hash: user.access_hash,
        }
        .into(),
        enums::InputPeer::InputPeerUserFromMessage(user) => types::InputUserFromMessage {
            peer: user.peer.clone(),
            msg_id: user.msg_id,
            user_id: user.user_id,
        }
        .into(),
        _ => return None,
    })
}

/// The peer where a channel is asked for; nothing if it is none.
pub(crate) fn input_channel(peer: &enums::InputPeer) -> Option<enums::InputChannel> {
    Some(match peer {
        enums::InputPeer::InputPeerChannel(channel) => types::InputChannel {
            channel_id: channel.channel_id,
            access_hash: channel.access_hash,
        }
        .into(),
        enums::InputPeer::InputPeerChannelFromMessage(channel) => types::InputChannelFromMessage {
            peer: channel.peer.clone(),
            msg_id: channel.msg_id,
            channel_id: channel.channel_id,
        }
        .into(),
        _ => return None,
    })
}

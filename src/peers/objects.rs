//! Objects that stand for a peer: those of this crate and those of the schema.

use actogram_tl::{enums, types};

use super::{PeerError, PeerId, PeerRef, input_peer};

impl From<&enums::Peer> for PeerId {
    fn from(peer: &enums::Peer) -> Self {
        match peer {
            enums::Peer::PeerUser(user) => Self::User(user.user_id),
            enums::Peer::PeerChat(chat) => Self::Chat(chat.chat_id),
            enums::Peer::PeerChannel(channel) => Self::Channel(channel.channel_id),
        }
    }
}

impl From<PeerId> for enums::Peer {
    fn from(id: PeerId) -> Self {
        match id {
            PeerId::User(user_id) => types::PeerUser { user_id }.into(),
            PeerId::Chat(chat_id) => types::PeerChat { chat_id }.into(),
            PeerId::Channel(channel_id) => types::PeerChannel { channel_id }.into(),
        }
    }
}

impl From<PeerId> for PeerRef {
    fn from(id: PeerId) -> Self {
        Self::Id(id)
    }
}

impl From<&enums::Peer> for PeerRef {
    fn from(peer: &enums::Peer) -> Self {
        Self::Id(peer.into())
    }
}

impl From<enums::Peer> for PeerRef {
    fn from(peer: enums::Peer) -> Self {
        Self::from(&peer)
    }
}

impl From<enums::InputPeer> for PeerRef {
    fn from(peer: enums::InputPeer) -> Self {
        match peer {
            enums::InputPeer::InputPeerSelf => Self::Me,
            enums::InputPeer::InputPeerEmpty => Self::Invalid(PeerError::NoChat("inputPeerEmpty")),
            peer => Self::Input(peer),
        }
    }
}

impl From<&enums::InputPeer> for PeerRef {
    fn from(peer: &enums::InputPeer) -> Self {
        Self::from(peer.clone())
    }
}

impl From<types::InputPeerUser> for PeerRef {
    fn from(peer: types::InputPeerUser) -> Self {
        Self::Input(peer.into())
    }
}

impl From<types::InputPeerChannel> for PeerRef {
    fn from(peer: types::InputPeerChannel) -> Self {
        Self::Input(peer.into())
    }
}

impl From<&enums::InputUser> for PeerRef {
    fn from(user: &enums::InputUser) -> Self {
        match user {
            enums::InputUser::InputUserSelf => Self::Me,
            enums::InputUser::InputUserEmpty => Self::Invalid(PeerError::NoChat("inputUserEmpty")),
            enums::InputUser::InputUser(user) => {
                Self::Input(input_peer(PeerId::User(user.user_id), user.access_hash))
            }
            enums::InputUser::InputUserFromMessage(user) => Self::Input(
                types::InputPeerUserFromMessage {
                    peer: user.peer.clone(),
                    msg_id: user.msg_id,
                    user_id: user.user_id,
                }
                .into(),
            ),
        }
    }
}

impl From<&enums::InputChannel> for PeerRef {
    fn from(channel: &enums::InputChannel) -> Self {
        match channel {
            enums::InputChannel::InputChannelEmpty => {
                Self::Invalid(PeerError::NoChat("inputChannelEmpty"))
            }
            enums::InputChannel::InputChannel(channel) => Self::Input(input_peer(
                PeerId::Channel(channel.channel_id),
                channel.access_hash,
            )),
            enums::InputChannel::InputChannelFromMessage(channel) => Self::Input(
                types::InputPeerChannelFromMessage {
                    peer: channel.peer.clone(),
                    msg_id: channel.msg_id,
                    channel_id: channel.channel_id,
                }
                .into(),
            ),
        }
    }
}

impl From<&types::User> for PeerRef {
    fn from(user: &types::User) -> Self {
        let id = PeerId::User(user.id);
        match user.access_hash {
            // The hash of an abbreviated object opens pictures only (https://core.telegram.org/api/min).
            Some(hash) if !user.min => Self::Input(input_peer(id, hash)),
            _ => Self::Id(id),
        }
    }
}

impl From<&enums::User> for PeerRef {
    fn from(user: &enums::User) -> Self {
        match user {
            enums::User::User(user) => Self::from(&**user),
            enums::User::UserEmpty(user) => Self::Id(PeerId::User(user.id)),
        }
    }
}

impl From<&enums::Chat> for PeerRef {
    fn from(chat: &enums::Chat) -> Self {
        let channel = |id, hash| Self::Input(input_peer(PeerId::Channel(id), hash));
        match chat {
            enums::Chat::ChatEmpty(chat) => Self::Id(PeerId::Chat(chat.id)),
            enums::Chat::Chat(chat) => Self::Id(PeerId::Chat(chat.id)),
            enums::Chat::ChatForbidden(chat) => Self::Id(PeerId::Chat(chat.id)),
            enums::Chat::Channel(object) => match object.access_hash {
                Some(hash) if !object.min => channel(object.id, hash),
                _ => Self::Id(PeerId::Channel(object.id)),
            },
            enums::Chat::ChannelForbidden(object) => channel(object.id, object.access_hash),
            _ => Self::Invalid(PeerError::NoChat("the object")),
        }
    }
}

impl From<&enums::Message> for PeerRef {
    fn from(message: &enums::Message) -> Self {
        let peer = match message {
            enums::Message::Message(message) => Some(&message.peer_id),
            enums::Message::MessageService(message) => Some(&message.peer_id),
            enums::Message::MessageEmpty(message) => message.peer_id.as_ref(),
        };
        match peer {
            Some(peer) => Self::from(peer),
            None => Self::Invalid(PeerError::NoChat("an empty message")),
        }
    }
}

impl From<&crate::Update> for PeerRef {
    fn from(update: &crate::Update) -> Self {
        match update.peer() {
            Some(id) => Self::Id(id),
            None => Self::Invalid(PeerError::NoChat("the update")),
        }
    }
}

impl From<&crate::Msg> for PeerRef {
    fn from(message: &crate::Msg) -> Self {
        Self::Id(message.chat())
    }
}

impl From<&crate::ServiceMsg> for PeerRef {
    fn from(message: &crate::ServiceMsg) -> Self {
        Self::Id(message.chat())
    }
}

impl From<&crate::CallbackQuery> for PeerRef {
    fn from(query: &crate::CallbackQuery) -> Self {
        match query.chat() {
            Some(id) => Self::Id(id),
            None => Self::Id(query.sender()),
        }
    }
}

macro_rules! by_value {
    ($($object:ty),+) => {$(
        impl From<$object> for PeerRef {
            fn from(object: $object) -> Self {
                Self::from(&object)
            }
        }
    )+};
}
by_value!(
    enums::InputUser,
    enums::InputChannel,
    types::User,
    enums::User,
    enums::Chat,
    enums::Message
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s17_objects_of_the_schema_are_peers() {
        let by_hash = |id| PeerRef::Input(input_peer(id, 9));
        let mut user = types::User::new(7);
        assert_eq!(PeerRef::from(&user), PeerRef::Id(PeerId::User(7)));
        user.access_hash = Some(9);
        assert_eq!(PeerRef::from(&user), by_hash(PeerId::User(7)));
        user.min = true;
        let user = enums::User::from(user);
        assert_eq!(
            PeerRef::from(user),
            PeerRef::Id(PeerId::User(7)),
            "that hash is for pictures"
        );

        let photo = enums::ChatPhoto::ChatPhotoEmpty;
        let mut channel = types::Channel::new(8, "t".to_owned(), photo, 0);
        channel.access_hash = Some(9);
        assert_eq!(
            PeerRef::from(enums::Chat::from(channel.clone())),
            by_hash(PeerId::Channel(8))
        );
        channel.min = true;
        let id = PeerRef::Id(PeerId::Channel(8));
        assert_eq!(PeerRef::from(enums::Chat::from(channel)), id);

        let peer: enums::Peer = PeerId::Channel(8).into();
        assert_eq!(PeerRef::from(&peer), id);
        let message = types::Message::new(3, peer, 0, String::new());
        assert_eq!(PeerRef::from(enums::Message::from(message)), id);
        for (input, read) in [
            (input_peer(PeerId::User(7), 9), by_hash(PeerId::User(7))),
            (enums::InputPeer::InputPeerSelf, PeerRef::Me),
            (
                enums::InputPeer::InputPeerEmpty,
                PeerRef::Invalid(PeerError::NoChat("inputPeerEmpty")),
            ),
        ] {
            assert_eq!(PeerRef::from(input), read);
        }
        let input = types::InputChannel {
            channel_id: 8,
            access_hash: 9,
        };
        let input = enums::InputChannel::from(input);
        assert_eq!(PeerRef::from(input), by_hash(PeerId::Channel(8)));
        assert_eq!(PeerRef::from(enums::InputUser::InputUserSelf), PeerRef::Me);
    }
}

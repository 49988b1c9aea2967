//! From a notation to what Telegram's methods take.

use actogram_tl::{enums, functions, types};

use super::{PeerError, PeerId, PeerRef, input_peer};
use crate::{Api, Error, Result};

impl Api {
    /// Turns any notation into what Telegram's methods take, from the session file where possible.
    ///
    /// A peer of which the account has seen no more than an abbreviated object
    /// (<https://core.telegram.org/api/min>) is named by the message it was seen in. Bots name it by its id.
    ///
    /// # Errors
    /// [`PeerError`] if the notation names nobody or the account has not met the peer.
    pub async fn resolve(&self, peer: impl Into<PeerRef>) -> Result<enums::InputPeer> {
        match peer.into() {
            PeerRef::Me => Ok(enums::InputPeer::InputPeerSelf),
            PeerRef::Input(input) => Ok(input),
            PeerRef::Invalid(error) => Err(error.into()),
            PeerRef::Id(id) => self.resolve_id(id).await,
            PeerRef::Username(name) => self.resolve_username(name).await,
            PeerRef::Phone(digits) => self.resolve_phone(digits).await,
            PeerRef::Invite(hash) => self.resolve_invite(hash).await,
        }
    }

    async fn resolve_id(&self, id: PeerId) -> Result<enums::InputPeer> {
        if let PeerId::Chat(chat_id) = id {
            return Ok(types::InputPeerChat { chat_id }.into());
        }
        let known = self.account().input_peer(&id.into()).await;
        if let Some(peer) = known.map_err(|error| Error::from_call("the session store", error))? {
            return Ok(peer);
        }
        // Bots may address whom they have to do with without a hash (core.telegram.org/api/peers).
        let found = match id {
            PeerId::User(user_id) => {
                let asked = types::InputUser {
                    user_id,
                    access_hash: 0,
                };
                let id = vec![asked.into()];
                let users = self.invoke(functions::users::GetUsers { id }).await;
                users.map(|users| users.iter().map(PeerRef::from).collect::<Vec<_>>())
            }
            PeerId::Channel(channel_id) => {
                let asked = types::InputChannel {
                    channel_id,
                    access_hash: 0,
                };
                let id = vec![asked.into()];
                let chats = self.invoke(functions::channels::GetChannels { id }).await;
                chats.map(|chats| chats_in(&chats).iter().map(PeerRef::from).collect())
            }
            PeerId::Chat(_) => Ok(Vec::new()),
        };
        match found {
            Ok(found) => found
                .into_iter()
                .find_map(|peer| match peer {
                    PeerRef::Input(peer) if id_of(&peer) == Some(id) => Some(peer),
                    _ => None,
                })
                .ok_or_else(|| PeerError::Unknown(id).into()),
            Err(Error::Rpc(error)) if error.code == 400 => Err(PeerError::Unknown(id).into()),
            Err(error) => Err(error),
        }
    }

    async fn resolve_username(&self, name: String) -> Result<enums::InputPeer> {
        let known = self.account().peer_by_username(&name).await;
        if let Some(peer) =
            known.map_err(|error| Error::from_call("contacts.resolveUsername", error))?
        {
            return Ok(peer);
        }
        match self
            .invoke(functions::contacts::ResolveUsername::new(name.clone()))
            .await
        {
            Ok(found) => resolved(found),
            Err(error) if error.is("USERNAME_NOT_OCCUPIED") || error.is("USERNAME_INVALID") => {
                Err(PeerError::NotOccupied(name).into())
            }
            Err(error) => Err(error),
        }
    }

    async fn resolve_phone(&self, phone: String) -> Result<enums::InputPeer> {
        let asked = functions::contacts::ResolvePhone {
            phone: phone.clone(),
        };
        match self.invoke(asked).await {
            Ok(found) => resolved(found),
            Err(error) if error.is("PHONE_NOT_OCCUPIED") => {
                Err(PeerError::NoSuchPhone(phone).into())
            }
            Err(error) => Err(error),
        }
    }

    async fn resolve_invite(&self, hash: String) -> Result<enums::InputPeer> {
        let invite = self.check_invite(&hash).await?;
        let chat = match &invite {
            enums::ChatInvite::ChatInviteAlready(already) => &already.chat,
            enums::ChatInvite::ChatInvitePeek(peek) => &peek.chat,
            enums::ChatInvite::ChatInvite(invite) => {
                let title = invite.title.clone();
                return Err(PeerError::NotJoined { title }.into());
            }
        };
        match PeerRef::from(chat) {
            PeerRef::Input(peer) => Ok(peer),
            PeerRef::Id(id) => self.resolve_id(id).await,
            _ => Err(PeerError::InviteInvalid(hash).into()),
        }
    }

    async fn check_invite(&self, hash: &str) -> Result<enums::ChatInvite> {
        let asked = functions::messages::CheckChatInvite {
            hash: hash.to_owned(),
        };
        let answer = self.invoke(asked).await;
        answer.map_err(|error| invite_error(hash, error))
    }

    /// The id of a peer, in any notation. Asks the datacenter only for names, phone numbers and invite links it has not
    /// met.
    ///
    /// # Errors
    /// As [`resolve`](Self::resolve); an id is not looked up.
    pub async fn get_id(&self, peer: impl Into<PeerRef>) -> Result<PeerId> {
        let peer = match peer.into() {
            PeerRef::Id(id) => return Ok(id),
            other => self.resolve(other).await?,
        };
        let me = || self.me_id().map(PeerId::User);
        id_of(&peer)
            .or_else(me)
            .ok_or_else(|| PeerError::Notation("me, before a login,".to_owned()).into())
    }
}

/// What the datacenter says of a link that leads nowhere.
pub(crate) fn invite_error(hash: &str, error: Error) -> Error {
    if error.is("INVITE_HASH_*") {
        PeerError::InviteInvalid(hash.to_owned()).into()
    } else {
        error
    }
}

/// The chats of an answer.
pub(crate) fn chats_in(answer: &enums::messages::Chats) -> &[enums::Chat] {
    match answer {
        enums::messages::Chats::Chats(chats) => &chats.chats,
        enums::messages::Chats::ChatsSlice(chats) => &chats.chats,
    }
}

/// The id of a peer; nothing for the account itself.
pub(crate) fn id_of(peer: &enums::InputPeer) -> Option<PeerId> {
    use enums::InputPeer as I;
    match peer {
        I::InputPeerUser(peer) => Some(PeerId::User(peer.user_id)),
        I::InputPeerChat(peer) => Some(PeerId::Chat(peer.chat_id)),
        I::InputPeerChannel(peer) => Some(PeerId::Channel(peer.channel_id)),
        I::InputPeerUserFromMessage(peer) => Some(PeerId::User(peer.user_id)),
        I::InputPeerChannelFromMessage(peer) => Some(PeerId::Channel(peer.channel_id)),
        I::InputPeerSelf | I::InputPeerEmpty => None,
    }
}

fn resolved(found: enums::contacts::ResolvedPeer) -> Result<enums::InputPeer> {
    let enums::contacts::ResolvedPeer::ResolvedPeer(found) = found;
    let id = PeerId::from(&found.peer);
    if matches!(id, PeerId::Chat(_)) {
        return Ok(input_peer(id, 0));
    }
    let users = found.users.iter().map(PeerRef::from);
    let objects = users.chain(found.chats.iter().map(PeerRef::from));
    let mut peers = objects.filter_map(|peer| match peer {
        PeerRef::Input(peer) => Some(peer),
        _ => None,
    });
    peers
        .find(|peer| id_of(peer) == Some(id))
        .ok_or_else(|| PeerError::Unknown(id).into())
}

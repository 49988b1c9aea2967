//! One call under way: who calls, and what they may refer to.

use std::net::IpAddr;
use std::time::Duration;

use actogram_tl as tl;
use tl::{Encode, enums};

use super::channel_view::{channel_access_hash, is_open_to};
use super::errors::{
    CHANNEL_INVALID, CHANNEL_PRIVATE, CHAT_ID_INVALID, PEER_ID_INVALID, RpcResult, USER_ID_INVALID,
    bad, unauthorized,
};
use super::queries::{Asker, BOT_PATIENCE, Query, Question};
use super::view;
use crate::model::world::unix;
use crate::model::{
    AuthKeyId, ChannelId, ChannelRoom, Chat, Message, PeerKey, Role, SessionKey, User, UserId,
    World,
};

/// What the network knows of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallContext {
    /// Unix time.
    pub now: Duration,
    /// The datacenter it came to.
    pub dc_id: i32,
    /// What the listener is for that it came to.
    pub role: Role,
    /// Where it came from.
    pub address: IpAddr,
    /// The key it was encrypted with, temporary or permanent.
    pub auth_key_id: AuthKeyId,
    /// The session it came in.
    pub session_id: i64,
    /// The message it came as.
    pub msg_id: i64,
}

impl CallContext {
    pub(crate) fn session(&self) -> SessionKey {
        SessionKey {
            auth_key_id: self.auth_key_id,
            session_id: self.session_id,
        }
    }
}

/// A call that passed the wrappers.
pub(crate) struct Call<'w> {
    pub(crate) world: &'w mut World,
    pub(crate) now: Duration,
    pub(crate) dc_id: i32,
    /// The permanent key; nothing when the operator acts for an account.
    pub(crate) identity: AuthKeyId,
    /// Where the answer goes: pushes go to the other sessions.
    pub(crate) origin: Option<SessionKey>,
    pub(crate) msg_id: i64,
    pub(crate) user: Option<UserId>,
    /// Where and how to answer later; nothing when the operator acts for an account.
    pub(crate) later: Option<(CallContext, i32)>,
    /// The call is answered later, unless its own answer is an error about the request.
    pub(crate) asked: Option<i64>,
}

impl<'w> Call<'w> {
    /// A call the operator makes in the name of an account.
    pub(crate) fn as_account(world: &'w mut World, now: Duration, user: UserId) -> Self {
        Self {
            dc_id: world.home(user),
            world,
            now,
            identity: 0,
            origin: None,
            msg_id: 0,
            user: Some(user),
            later: None,
            asked: None,
        }
    }

    pub(crate) fn date(&self) -> i32 {
        unix(self.now)
    }

    /// Puts a question to a bot. The call is answered by the bot, or after [`BOT_PATIENCE`] with what it returns.
    pub(crate) fn ask(&mut self, bot: UserId, question: Question, method: &'static str) -> i64 {
        let query_id = actogram_crypto::random::i64(&mut self.world.random) | 1;
        let deadline = self.now + BOT_PATIENCE;
        let asker = self.later.map(|(context, layer)| Asker {
            context,
            layer,
            method,
        });
        let query = Query {
            bot,
            user: self.user.unwrap_or_default(),
            question,
            asker,
            deadline,
        };
        self.world.queries.open.insert(query_id, query);
        self.asked = Some(query_id);
        query_id
    }

    /// An unanswered question to the calling bot: `QUERY_ID_INVALID`.
    pub(crate) fn own_query(
        &self,
        bot: UserId,
        query_id: i64,
        fits: impl Fn(&Question) -> bool,
    ) -> RpcResult<&Query> {
        self.world
            .queries
            .open
            .get(&query_id)
            .filter(|query| query.bot == bot && fits(&query.question))
            .ok_or(bad("QUERY_ID_INVALID"))
    }

    /// Answers the call that waits for a question; returns whether there is one.
    pub(crate) fn answer_query<T: Encode>(&mut self, query_id: i64, answer: &T) -> bool {
        let Some(query) = self.world.queries.open.remove(&query_id) else {
            return false;
        };
        let Some(asker) = query.asker else {
            return false;
        };
        let body = answer.to_bytes_for(asker.layer);
        self.world.counters.count_executed(asker.method);
        self.world
            .finish(&asker.context, asker.method, Ok(body), self.now);
        true
    }

    /// The account that calls.
    pub(crate) fn me(&self) -> RpcResult<UserId> {
        self.user.ok_or(unauthorized("AUTH_KEY_UNREGISTERED"))
    }

    pub(crate) fn is_bot(&self, user: UserId) -> bool {
        self.world
            .state
            .users
            .get(&user)
            .is_some_and(|user| user.bot.is_some())
    }

    fn known_user(&self, id: UserId, access_hash: i64) -> Option<&User> {
        let me = self.user?;
        let user = self.world.state.users.get(&id)?;
        let right = id == me || access_hash == view::access_hash(&self.world.state, me, id);
        // Bots may leave the hash out for people who talked to them.
        let lenient = access_hash == 0 && self.is_bot(me) && self.has_dialog(me, id);
        (right || lenient).then_some(user)
    }

    pub(crate) fn has_dialog(&self, owner: UserId, other: UserId) -> bool {
        self.world
            .state
            .mailboxes
            .get(&owner)
            .is_some_and(|mailbox| mailbox.dialogs.contains_key(&PeerKey::User(other)))
    }

    /// The user an `InputUser` names; the access hash is the caller's own.
    pub(crate) fn input_user(&self, input: &enums::InputUser) -> RpcResult<&User> {
        let me = self.me()?;
        let found = match input {
            enums::InputUser::InputUserSelf => self.world.state.users.get(&me),
            enums::InputUser::InputUser(user) => self.known_user(user.user_id, user.access_hash),
            enums::InputUser::InputUserFromMessage(user) => {
                Some(self.user_from_message(&user.peer, user.msg_id, user.user_id)?)
            }
            enums::InputUser::InputUserEmpty => None,
        };
        found.ok_or(USER_ID_INVALID)
    }

    /// The peer an `InputPeer` names. Groups must have the caller as a member or have had it.
    pub(crate) fn input_peer(&self, input: &enums::InputPeer) -> RpcResult<PeerKey> {
        let me = self.me()?;
        match input {
            enums::InputPeer::InputPeerSelf => Ok(PeerKey::User(me)),
            enums::InputPeer::InputPeerUser(user) => self
                .known_user(user.user_id, user.access_hash)
                .map(|user| PeerKey::User(user.id))
                .ok_or(PEER_ID_INVALID),
            enums::InputPeer::InputPeerChat(chat) => {
                let known = self.visible_chat(chat.chat_id).is_some();
                known
                    .then_some(PeerKey::Chat(chat.chat_id))
                    .ok_or(PEER_ID_INVALID)
            }
            enums::InputPeer::InputPeerChannel(channel) => {
                let room = self.known_channel(channel.channel_id, channel.access_hash)?;
                Ok(PeerKey::Channel(room.channel.id))
            }
            enums::InputPeer::InputPeerUserFromMessage(user) => self
                .user_from_message(&user.peer, user.msg_id, user.user_id)
                .map(|user| PeerKey::User(user.id)),
            enums::InputPeer::InputPeerChannelFromMessage(channel) => {
                let id = channel.channel_id;
                self.channel_from_message(&channel.peer, channel.msg_id, id)
                    .map(|room| PeerKey::Channel(room.channel.id))
            }
            enums::InputPeer::InputPeerEmpty => Err(PEER_ID_INVALID),
        }
    }

    /// The message by which somebody is named whose access hash is not known; people only.
    ///
    /// See <https://core.telegram.org/api/min>.
    fn context_message(&self, peer: &enums::InputPeer, id: i32) -> RpcResult<&Message> {
        let me = self.me()?;
        if self.is_bot(me) {
            return Err(bad("FROM_MESSAGE_BOT_DISABLED"));
        }
        // One message names a peer; chains of them are none of Telegram's.
        if matches!(
            peer,
            enums::InputPeer::InputPeerUserFromMessage(_)
                | enums::InputPeer::InputPeerChannelFromMessage(_)
        ) {
            return Err(PEER_ID_INVALID);
        }
        let peer = self.input_peer(peer)?;
        let message = self.world.state.message_in(me, peer, id);
        message.ok_or(bad("MSG_ID_INVALID"))
    }

    fn user_from_message(
        &self,
        peer: &enums::InputPeer,
        message: i32,
        user: UserId,
    ) -> RpcResult<&User> {
        let me = self.me()?;
        let message = self.context_message(peer, message)?;
        let named = self.view(me, |view| {
            view.set_brief();
            view.message(message, 0);
            view.mentions_user(user)
        });
        let found = self.world.state.users.get(&user).filter(|_| named);
        found.ok_or(USER_ID_INVALID)
    }

    fn channel_from_message(
        &self,
        peer: &enums::InputPeer,
        message: i32,
        channel: ChannelId,
    ) -> RpcResult<&ChannelRoom> {
        let message = self.context_message(peer, message)?;
        let named = matches!(message.forward, Some(forward)
            if forward.post.is_some_and(|(id, _)| id == channel));
        self.world
            .state
            .channels
            .get(&channel)
            .filter(|_| named)
            .ok_or(CHANNEL_INVALID)
            .and_then(|room| self.open_channel(room))
    }

    fn open_channel<'r>(&self, room: &'r ChannelRoom) -> RpcResult<&'r ChannelRoom> {
        if is_open_to(room, self.me()?, self.date()) {
            Ok(room)
        } else {
            Err(CHANNEL_PRIVATE)
        }
    }

    /// The channel with this access hash; it is the caller's own. Bots may leave it out where they are members.
    fn known_channel(&self, id: ChannelId, access_hash: i64) -> RpcResult<&ChannelRoom> {
        let me = self.me()?;
        let state = &self.world.state;
        let room = state.channels.get(&id).ok_or(CHANNEL_INVALID)?;
        let right = access_hash == channel_access_hash(state, me, id);
        let lenient = access_hash == 0 && self.is_bot(me) && room.member(me).is_some();
        if !right && !lenient {
            return Err(CHANNEL_INVALID);
        }
        self.open_channel(room)
    }

    /// The channel an `InputChannel` names, if the caller may look into it.
    pub(crate) fn input_channel(&self, input: &enums::InputChannel) -> RpcResult<&ChannelRoom> {
        match input {
            enums::InputChannel::InputChannel(channel) => {
                self.known_channel(channel.channel_id, channel.access_hash)
            }
            enums::InputChannel::InputChannelFromMessage(channel) => {
                self.channel_from_message(&channel.peer, channel.msg_id, channel.channel_id)
            }
            enums::InputChannel::InputChannelEmpty => Err(CHANNEL_INVALID),
        }
    }

    /// A group the caller is or was a member of.
    pub(crate) fn visible_chat(&self, id: i64) -> Option<&Chat> {
        let me = self.user?;
        let chat = self.world.state.chats.get(&id)?;
        let has_history = self
            .world
            .state
            .mailboxes
            .get(&me)
            .is_some_and(|mailbox| mailbox.dialogs.contains_key(&PeerKey::Chat(id)));
        (chat.participants.contains_key(&me) || has_history).then_some(chat)
    }

    /// A group the caller is a member of now.
    pub(crate) fn member_chat(&self, id: i64) -> RpcResult<&Chat> {
        let me = self.me()?;
        self.visible_chat(id)
            .filter(|chat| chat.participants.contains_key(&me))
            .ok_or(CHAT_ID_INVALID)
    }
}

//! Sending and forwarding.

use std::collections::BTreeMap;

use actogram_tl as tl;
use tl::{enums, functions, types};

use super::{parameter_not_built, text};
use crate::model::{
    Action, ChannelId, Event, Forward, Message, MessageUid, PeerKey, Place, Stream, TlBytes,
    Touched, UserId,
};
use crate::rpc::call::Call;
use crate::rpc::errors::{PEER_ID_INVALID, RpcResult, bad, forbidden, internal};
use crate::rpc::view;

/// What is about to be sent.
#[derive(Default)]
pub(in crate::rpc) struct Outgoing {
    pub(in crate::rpc) text: String,
    pub(in crate::rpc) entities: Option<TlBytes>,
    pub(in crate::rpc) reply_markup: Option<TlBytes>,
    pub(in crate::rpc) reply_to: Option<MessageUid>,
    pub(in crate::rpc) forward: Option<Forward>,
    pub(in crate::rpc) action: Option<Action>,
    pub(in crate::rpc) silent: bool,
    pub(in crate::rpc) noforwards: bool,
    pub(in crate::rpc) media: Option<TlBytes>,
    pub(in crate::rpc) via_bot: Option<UserId>,
    pub(in crate::rpc) grouped: Option<i64>,
    pub(in crate::rpc) random_id: Option<i64>,
}

impl Call<'_> {
    /// Where the caller may send to.
    pub(in crate::rpc) fn writable(&self, peer: PeerKey) -> RpcResult<Place> {
        let me = self.me()?;
        match peer {
            PeerKey::User(to) => {
                let user = self.world.state.users.get(&to).ok_or(PEER_ID_INVALID)?;
                if user.deleted {
                    return Err(bad("INPUT_USER_DEACTIVATED"));
                }
                if self.is_bot(me) {
                    if user.bot.is_some() {
                        return Err(bad("USER_IS_BOT"));
                    }
                    // Bots cannot begin a conversation.
                    if !self.has_dialog(me, to) {
                        return Err(PEER_ID_INVALID);
                    }
                }
                Ok(Place::Private { to })
            }
            PeerKey::Chat(id) => {
                let chat = self.visible_chat(id).ok_or(PEER_ID_INVALID)?;
                if chat.participants.contains_key(&me) {
                    Ok(Place::Chat { id })
                } else {
                    Err(forbidden("CHAT_WRITE_FORBIDDEN"))
                }
            }
            PeerKey::Channel(id) => {
                let room = self.room(id)?;
                let member = room.member(me).ok_or(forbidden("CHAT_WRITE_FORBIDDEN"))?;
                let posts = self.has_right(room, |rights| rights.post_messages);
                if room.channel.broadcast && !posts {
                    return Err(bad("CHAT_ADMIN_REQUIRED"));
                }
                let ban = member
                    .ban
                    .as_ref()
                    .filter(|ban| ban.holds(self.date()))
                    .and_then(|ban| view::stored(Some(&ban.rights)));
                if let Some(enums::ChatBannedRights::ChatBannedRights(rights)) = ban {
                    if rights.send_messages {
                        return Err(bad("USER_BANNED_IN_CHANNEL"));
                    }
                    if rights.send_plain {
                        return Err(forbidden("CHAT_SEND_PLAIN_FORBIDDEN"));
                    }
                }
                Ok(self.channel_place(room))
            }
        }
    }

    /// `RANDOM_ID_EMPTY`, or `RANDOM_ID_DUPLICATE` for a message that was sent before, however long ago.
    pub(in crate::rpc) fn check_random_id(&self, me: UserId, random_id: i64) -> RpcResult<()> {
        if random_id == 0 {
            return Err(bad("RANDOM_ID_EMPTY"));
        }
        if self.world.state.random_ids.contains_key(&(me, random_id)) {
            return Err(internal("RANDOM_ID_DUPLICATE"));
        }
        Ok(())
    }

    /// Stores a message in every mailbox of its audience.
    pub(in crate::rpc) fn deliver(
        &mut self,
        place: Place,
        audience: Vec<UserId>,
        outgoing: Outgoing,
    ) -> RpcResult<(MessageUid, Vec<Touched>)> {
        let from = self.me()?;
        let uid = self.world.state.last_uid + 1;
        let place = match place {
            // Several messages may be sent to one place.
            Place::Channel { id, .. } => self.channel_place(self.room(id)?),
            other => other,
        };
        let message = Message {
            uid,
            from,
            place,
            date: self.date(),
            edit_date: None,
            text: outgoing.text,
            entities: outgoing.entities,
            reply_markup: outgoing.reply_markup,
            reply_to: outgoing.reply_to,
            forward: outgoing.forward,
            action: outgoing.action,
            silent: outgoing.silent,
            noforwards: outgoing.noforwards,
            media: outgoing.media,
            via_bot: outgoing.via_bot,
            grouped: outgoing.grouped,
            reactions: BTreeMap::new(),
            copies: BTreeMap::new(),
        };
        let touched = self.world.commit(Event::MessageAdded {
            message,
            owners: audience,
            random_id: outgoing.random_id,
        });
        Ok((uid, touched))
    }

    pub(in crate::rpc) fn reply_target(
        &self,
        me: UserId,
        peer: PeerKey,
        reply: Option<&enums::InputReplyTo>,
    ) -> RpcResult<Option<MessageUid>> {
        let reply = match reply {
            None => return Ok(None),
            Some(enums::InputReplyTo::InputReplyToMessage(reply)) => reply,
            Some(_) => return Err(bad("REPLY_TO_INVALID")),
        };
        if reply.quote_text.is_some() {
            return Err(parameter_not_built("messages.sendMessage", "quote_text"));
        }
        let message = self
            .world
            .state
            .message_in(me, peer, reply.reply_to_msg_id)
            .ok_or(bad("REPLY_MESSAGE_ID_INVALID"))?;
        Ok(Some(message.uid))
    }
}

/// Puts `updateMessageID` in front of the sender's own container.
pub(in crate::rpc) fn with_message_ids(
    container: enums::Updates,
    sent: &[(i32, i64)],
) -> enums::Updates {
    match container {
        enums::Updates::Updates(mut updates) => {
            let ids = sent.iter().map(|(id, random_id)| {
                types::UpdateMessageId {
                    id: *id,
                    random_id: *random_id,
                }
                .into()
            });
            updates.updates.splice(0..0, ids);
            enums::Updates::Updates(updates)
        }
        other => other,
    }
}

/// `messages.sendMessage`.
pub(crate) fn send_message(
    call: &mut Call<'_>,
    request: functions::messages::SendMessage,
) -> RpcResult<enums::Updates> {
    let me = call.me()?;
    for (given, parameter) in [
        (request.schedule_date.is_some(), "schedule_date"),
        (
            request.quick_reply_shortcut.is_some(),
            "quick_reply_shortcut",
        ),
        (request.send_as.is_some(), "send_as"),
        (request.suggested_post.is_some(), "suggested_post"),
        (request.rich_message.is_some(), "rich_message"),
    ] {
        if given {
            return Err(parameter_not_built("messages.sendMessage", parameter));
        }
    }
    let peer = call.input_peer(&request.peer)?;
    let place = call.writable(peer)?;
    let ready = text::prepare(call, &request.message, request.entities)?;
    let reply_to = call.reply_target(me, peer, request.reply_to.as_ref())?;
    call.check_random_id(me, request.random_id)?;
    let entities = (!ready.entities.is_empty()).then_some(ready.entities);
    if let Some(markup) = &request.reply_markup {
        super::callback::check_keyboard(markup)?;
    }
    let reply_markup = request
        .reply_markup
        .filter(|_| call.is_bot(me))
        .map(|markup| view::to_store(&markup));
    let plain = reply_markup.is_none() && matches!(peer, PeerKey::User(to) if to != me);
    let outgoing = Outgoing {
        text: ready.text,
        entities: entities.as_ref().map(view::to_store),
        reply_markup,
        reply_to,
        silent: request.silent,
        noforwards: request.noforwards,
        random_id: Some(request.random_id),
        ..Outgoing::default()
    };
    let audience = call.world.state.audience(me, place);
    let (uid, touched) = call.deliver(place, audience, outgoing)?;
    if request.clear_draft {
        super::dialogs::store_draft(call, me, peer, None);
    }
    let container = call.publish(&touched);
    let id = call.own_copy(me, uid)?;
    if !plain {
        return Ok(with_message_ids(container, &[(id, request.random_id)]));
    }
    let pts = touched
        .iter()
        .find(|touched| touched.stream == Stream::Account(me))
        .map_or(0, |touched| touched.pts);
    let mut short = types::UpdateShortSentMessage::new(id, pts, 1, call.date());
    short.out = true;
    short.entities = entities;
    Ok(short.into())
}

impl Call<'_> {
    /// The caller's id of a message it just sent.
    pub(in crate::rpc) fn own_copy(&self, me: UserId, uid: MessageUid) -> RpcResult<i32> {
        self.world
            .state
            .messages
            .get(&uid)
            .and_then(|message| message.id_for(me))
            .ok_or(internal("MESSAGE_NOT_STORED"))
    }
}

impl Call<'_> {
    /// The broadcast channel a message was posted in, with its id there.
    fn post_source(&self, message: &Message) -> Option<(ChannelId, i32)> {
        match message.place {
            Place::Channel { id, message } => self
                .room(id)
                .is_ok_and(|room| room.channel.broadcast)
                .then_some((id, message)),
            _ => None,
        }
    }
}

/// `messages.forwardMessages`.
pub(in crate::rpc) fn forward_messages(
    call: &mut Call<'_>,
    request: functions::messages::ForwardMessages,
) -> RpcResult<enums::Updates> {
    let me = call.me()?;
    if request.schedule_date.is_some() {
        return Err(parameter_not_built(
            "messages.forwardMessages",
            "schedule_date",
        ));
    }
    if request.id.is_empty() {
        return Err(bad("MESSAGE_IDS_EMPTY"));
    }
    if request.id.len() != request.random_id.len() {
        return Err(bad("RANDOM_ID_INVALID"));
    }
    let from_peer = call.input_peer(&request.from_peer)?;
    let peer = call.input_peer(&request.to_peer)?;
    let place = call.writable(peer)?;
    let mut sources = Vec::with_capacity(request.id.len());
    for (id, random_id) in request.id.iter().zip(&request.random_id) {
        call.check_random_id(me, *random_id)?;
        let message = call
            .world
            .state
            .message_in(me, from_peer, *id)
            .filter(|message| message.action.is_none())
            .ok_or(bad("MESSAGE_ID_INVALID"))?;
        if message.noforwards {
            return Err(bad("CHAT_FORWARDS_RESTRICTED"));
        }
        sources.push((message.clone(), *random_id));
    }
    let mut distinct: Vec<i64> = request.random_id.clone();
    distinct.sort_unstable();
    distinct.dedup();
    if distinct.len() != request.random_id.len() {
        return Err(internal("RANDOM_ID_DUPLICATE"));
    }
    let audience = call.world.state.audience(me, place);
    let mut all = Vec::new();
    let mut sent = Vec::new();
    let mut groups = BTreeMap::new();
    for (source, random_id) in sources {
        // What stood together stands together there, too, but in an album of its own.
        let grouped = source
            .grouped
            .map(|id| *groups.entry(id).or_insert_with(|| call.new_group_id()));
        let forward = source.forward.unwrap_or(Forward {
            from: source.from,
            date: source.date,
            post: call.post_source(&source),
        });
        let outgoing = Outgoing {
            text: source.text,
            entities: source.entities,
            media: source.media,
            via_bot: source.via_bot,
            grouped,
            forward: (!request.drop_author).then_some(forward),
            silent: request.silent,
            noforwards: request.noforwards,
            random_id: Some(random_id),
            ..Outgoing::default()
        };
        let (uid, touched) = call.deliver(place, audience.clone(), outgoing)?;
        all.extend(touched);
        sent.push((call.own_copy(me, uid)?, random_id));
    }
    let container = call.publish(&all);
    Ok(with_message_ids(container, &sent))
}

/// `messages.startBot`: sends `/start` with its parameter.
pub(in crate::rpc) fn start_bot(
    call: &mut Call<'_>,
    request: functions::messages::StartBot,
) -> RpcResult<enums::Updates> {
    let me = call.me()?;
    let bot = call
        .input_user(&request.bot)
        .ok()
        .filter(|user| user.bot.is_some())
        .ok_or(bad("BOT_INVALID"))?
        .id;
    let valid = request.start_param.len() <= 64
        && request
            .start_param
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if !valid {
        return Err(bad("START_PARAM_INVALID"));
    }
    call.check_random_id(me, request.random_id)?;
    let text = format!("/start {}", request.start_param);
    let ready = text::prepare(call, &text, None)?;
    let place = Place::Private { to: bot };
    let outgoing = Outgoing {
        text: ready.text,
        entities: Some(view::to_store(&ready.entities)),
        random_id: Some(request.random_id),
        ..Outgoing::default()
    };
    let audience = call.world.state.audience(me, place);
    let (uid, touched) = call.deliver(place, audience, outgoing)?;
    let container = call.publish(&touched);
    let id = call.own_copy(me, uid)?;
    Ok(with_message_ids(container, &[(id, request.random_id)]))
}

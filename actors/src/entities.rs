//! The people and chats inside an answer, wherever they stand in it.

use std::{collections::HashMap, sync::OnceLock};

use actogram_store::{PeerKey, PeerKind, PeerRecord, SeenIn};
use actogram_tl::{
    Decode as _, DecodeError, Reader, enums,
    tables::{self, FieldInfo, FunctionInfo, Schema, Shape},
    types,
};
use bytes::Bytes;

/// What an answer's type says about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    /// Nothing that others must see first.
    Plain,
    /// It may hold users or chats.
    Entities,
    /// It is of type `Updates`.
    Updates,
    /// It moves `pts` of the common sequence: `messages.affectedMessages` and its kin.
    Affected,
}

/// The method a call ends up at: what wrappers such as `invokeWithoutUpdates` are wrapped around, with its encoding.
pub(crate) fn innermost(body: &Bytes) -> (Option<&'static FunctionInfo>, Bytes) {
    let mut body = body.clone();
    loop {
        let id = body.first_chunk().map(|id| u32::from_le_bytes(*id));
        let Some(function) = id.and_then(tables::function_by_id) else {
            return (None, body);
        };
        let Some((query, fields)) = function
            .fields
            .split_last()
            .filter(|(last, _)| last.shape == Shape::Raw)
        else {
            return (Some(function), body);
        };
        debug_assert!(query.flag.is_none(), "a query is never optional");
        let mut reader = Reader::new(body.clone());
        let skipped = reader.get_u32().and_then(|_| {
            skip_fields(
                &mut reader,
                tables::api(),
                fields,
                &mut Walk::over(&body, &mut |_, _| {}),
            )
        });
        if skipped.is_err() || reader.remaining() == body.len() {
            return (Some(function), body);
        }
        body = reader.rest();
    }
}

/// What the answer to this method is.
pub(crate) fn content_of(function: &FunctionInfo) -> Content {
    let Shape::Boxed(index) = function.response else {
        return if may_hold_entities(function.response) {
            Content::Entities
        } else {
            Content::Plain
        };
    };
    match tables::api()
        .types
        .get(usize::from(index))
        .map(|ty| ty.name)
    {
        Some("Updates") => Content::Updates,
        Some(
            "messages.AffectedMessages"
            | "messages.AffectedHistory"
            | "messages.AffectedFoundMessages",
        ) => Content::Affected,
        _ if may_hold_entities(function.response) => Content::Entities,
        _ => Content::Plain,
    }
}

/// The channel a call is about, if any: what its answer says of `pts` is then about the channel's sequence.
pub(crate) fn channel_of(body: &Bytes) -> Option<i64> {
    let (function, body) = innermost(body);
    let function = function?;
    let mut channel = None;
    let mut found = |name, value: Bytes| {
        if channel.is_none() {
            channel = channel_in(name, value);
        }
    };
    let mut reader = Reader::new(body.clone());
    let mut told = Walk::over(&body, &mut found);
    // A call of ours that cannot be read was refused long before.
    let _ = reader
        .get_u32()
        .and_then(|_| skip_fields(&mut reader, tables::api(), function.fields, &mut told));
    channel
}

fn channel_in(name: &str, value: Bytes) -> Option<i64> {
    match name {
        "InputPeer" => match enums::InputPeer::from_bytes(value).ok()? {
            enums::InputPeer::InputPeerChannel(peer) => Some(peer.channel_id),
            enums::InputPeer::InputPeerChannelFromMessage(peer) => Some(peer.channel_id),
            _ => None,
        },
        "InputChannel" => match enums::InputChannel::from_bytes(value).ok()? {
            enums::InputChannel::InputChannel(channel) => Some(channel.channel_id),
            enums::InputChannel::InputChannelFromMessage(channel) => Some(channel.channel_id),
            enums::InputChannel::InputChannelEmpty => None,
        },
        _ => None,
    }
}

/// A chat as a call names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum ChatKey {
    /// The account itself: its saved messages.
    Own,
    User(i64),
    Chat(i64),
    Channel(i64),
}

impl ChatKey {
    fn of(peer: &enums::InputPeer) -> Option<Self> {
        use enums::InputPeer as P;
        Some(match peer {
            P::InputPeerEmpty => return None,
            P::InputPeerSelf => Self::Own,
            P::InputPeerUser(peer) => Self::User(peer.user_id),
            P::InputPeerUserFromMessage(peer) => Self::User(peer.user_id),
            P::InputPeerChat(peer) => Self::Chat(peer.chat_id),
            P::InputPeerChannel(peer) => Self::Channel(peer.channel_id),
            P::InputPeerChannelFromMessage(peer) => Self::Channel(peer.channel_id),
        })
    }
}

/// What a call sends: how many messages, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sending {
    pub(crate) to: ChatKey,
    pub(crate) messages: u32,
}

/// What this [`innermost`] call sends, if it sends messages to a chat.
pub(crate) fn sending(function: &FunctionInfo, body: &Bytes) -> Option<Sending> {
    let mut reader = Reader::new(body.clone());
    // A call of ours that cannot be read was refused long before.
    sending_in(function.name, &mut reader).ok().flatten()
}

fn sending_in(method: &str, reader: &mut Reader) -> Result<Option<Sending>, DecodeError> {
    let (_, flags) = (reader.get_u32()?, reader.get_u32()?);
    let (to, messages) = match method {
        "messages.sendMessage" | "messages.sendMedia" | "messages.sendInlineBotResult" => {
            (enums::InputPeer::decode(reader)?, 1)
        }
        "messages.forwardMessages" => {
            enums::InputPeer::decode(reader)?;
            let ids = Vec::<i32>::decode(reader)?;
            Vec::<i64>::decode(reader)?;
            (enums::InputPeer::decode(reader)?, ids.len())
        }
        "messages.sendMultiMedia" => {
            let to = enums::InputPeer::decode(reader)?;
            if flags & 1 != 0 {
                enums::InputReplyTo::decode(reader)?;
            }
            (to, Vec::<enums::InputSingleMedia>::decode(reader)?.len())
        }
        _ => return Ok(None),
    };
    let messages = u32::try_from(messages).unwrap_or(u32::MAX);
    Ok(ChatKey::of(&to).map(|to| Sending { to, messages }))
}

/// The channels that updates say the account is no longer in (<https://core.telegram.org/constructor/updateChannel>).
pub(crate) fn left_channels(updates: &enums::Updates) -> Vec<i64> {
    let (updates, chats) = match updates {
        enums::Updates::Updates(it) => (&it.updates, &it.chats),
        enums::Updates::UpdatesCombined(it) => (&it.updates, &it.chats),
        _ => return Vec::new(),
    };
    let is_left = |id: i64| {
        chats.iter().any(|chat| match chat {
            enums::Chat::Channel(channel) => channel.id == id && channel.left,
            enums::Chat::ChannelForbidden(channel) => channel.id == id,
            _ => false,
        })
    };
    let changed = updates.iter().filter_map(|update| match update {
        enums::Update::UpdateChannel(update) => Some(update.channel_id),
        _ => None,
    });
    changed.filter(|id| is_left(*id)).collect()
}

/// For each boxed type, whether a `User` or `Chat` can stand somewhere in it.
fn reaching() -> &'static [bool] {
    static REACHING: OnceLock<Vec<bool>> = OnceLock::new();
    REACHING.get_or_init(|| {
        let schema = tables::api();
        let mut reaching: Vec<bool> = schema
            .types
            .iter()
            .map(|ty| matches!(ty.name, "User" | "Chat"))
            .collect();
        // To the fixed point: a few rounds over a few thousand constructors, once.
        loop {
            let mut changed = false;
            for constructor in schema.constructors {
                let index = usize::from(constructor.type_index);
                if !reaching[index]
                    && constructor
                        .fields
                        .iter()
                        .any(|field| reaches(schema, &reaching, field.shape))
                {
                    reaching[index] = true;
                    changed = true;
                }
            }
            if !changed {
                return reaching;
            }
        }
    })
}

fn reaches(schema: &Schema, reaching: &[bool], shape: Shape) -> bool {
    match shape {
        Shape::Boxed(index) => reaching[usize::from(index)],
        Shape::Bare(index) => {
            reaching[usize::from(schema.constructors[usize::from(index)].type_index)]
        }
        Shape::Vector(inner) | Shape::BareVector(inner) => reaches(schema, reaching, *inner),
        _ => false,
    }
}

fn may_hold_entities(shape: Shape) -> bool {
    reaches(tables::api(), reaching(), shape)
}

/// The peers in an answer to this method, or as many as could be read.
pub(crate) fn peers_in_answer(function: &FunctionInfo, answer: &Bytes) -> Vec<PeerRecord> {
    let mut peers = Vec::new();
    let mut messages = Vec::new();
    let mut found = |name, value| match name {
        "Message" => messages.push(value),
        _ => peers.extend(peer_in(name, value)),
    };
    let mut reader = Reader::new(answer.clone());
    // An answer that cannot be read is the caller's to complain about.
    let _ = walk(
        &mut reader,
        tables::api(),
        function.response,
        &mut Walk::over(answer, &mut found),
    );
    if peers.iter().any(|peer: &PeerRecord| peer.min) {
        let mut sightings = Sightings::default();
        let messages = messages.into_iter().map(enums::Message::from_bytes);
        messages.flatten().for_each(|it| sightings.note(&it));
        sightings.tell(&mut peers);
    }
    peers
}

fn peer_in(name: &str, value: Bytes) -> Option<PeerRecord> {
    match name {
        "User" => enums::User::from_bytes(value)
            .ok()
            .as_ref()
            .and_then(user_record),
        "Chat" => enums::Chat::from_bytes(value)
            .ok()
            .as_ref()
            .and_then(chat_record),
        _ => None,
    }
}

/// What updates teach about peers.
pub(crate) fn peers_in_updates(updates: &enums::Updates) -> Vec<PeerRecord> {
    let (updates, users, chats) = match updates {
        enums::Updates::Updates(it) => (&it.updates, &it.users, &it.chats),
        enums::Updates::UpdatesCombined(it) => (&it.updates, &it.users, &it.chats),
        _ => return Vec::new(),
    };
    let users = users.iter().filter_map(user_record);
    let mut peers: Vec<PeerRecord> = users.chain(chats.iter().filter_map(chat_record)).collect();
    if peers.iter().any(|peer| peer.min) {
        let mut sightings = Sightings::default();
        for update in updates {
            use enums::Update as U;
            match update {
                U::UpdateNewMessage(update) => sightings.note(&update.message),
                U::UpdateNewChannelMessage(update) => sightings.note(&update.message),
                U::UpdateEditMessage(update) => sightings.note(&update.message),
                U::UpdateEditChannelMessage(update) => sightings.note(&update.message),
                _ => {}
            }
        }
        sightings.tell(&mut peers);
    }
    peers
}

/// Usernames that changed, of peers that do not come along.
pub(crate) fn renamed(updates: &enums::Updates) -> Vec<(PeerKey, Vec<String>)> {
    let (list, users): (&[_], &[_]) = match updates {
        enums::Updates::Updates(it) => (&it.updates, &it.users),
        enums::Updates::UpdatesCombined(it) => (&it.updates, &it.users),
        enums::Updates::UpdateShort(it) => (std::slice::from_ref(&it.update), &[]),
        _ => return Vec::new(),
    };
    let comes_along = |id: i64| {
        users
            .iter()
            .any(|user| matches!(user, enums::User::User(user) if user.id == id && !user.min))
    };
    list.iter()
        .filter_map(|update| match update {
            enums::Update::UpdateUserName(update) if !comes_along(update.user_id) => {
                let key = PeerKey {
                    kind: PeerKind::User,
                    id: update.user_id,
                };
                Some((key, usernames(None, Some(&update.usernames))))
            }
            _ => None,
        })
        .collect()
}

/// In which message each peer was named.
#[derive(Default)]
struct Sightings(HashMap<PeerKey, SeenIn>);

impl Sightings {
    /// Notes whom a message names (<https://core.telegram.org/api/min>).
    fn note(&mut self, message: &enums::Message) {
        let (peer, id, from, forward) = match message {
            enums::Message::Message(it) => (
                &it.peer_id,
                it.id,
                it.from_id.as_ref(),
                it.fwd_from.as_ref(),
            ),
            enums::Message::MessageService(it) => (&it.peer_id, it.id, it.from_id.as_ref(), None),
            enums::Message::MessageEmpty(_) => return,
        };
        let seen = SeenIn {
            chat: peer_key(peer),
            message: id,
        };
        let mut named = |key: PeerKey| {
            if key != seen.chat {
                self.0.insert(key, seen);
            }
        };
        let user = |id| PeerKey {
            kind: PeerKind::User,
            id,
        };
        from.map(peer_key).map(&mut named);
        if let Some(enums::MessageFwdHeader::MessageFwdHeader(forward)) = forward {
            forward.from_id.as_ref().map(peer_key).map(&mut named);
        }
        match message {
            enums::Message::Message(it) => {
                it.via_bot_id.map(user).map(&mut named);
                for entity in it.entities.iter().flatten() {
                    if let enums::MessageEntity::MessageEntityMentionName(mention) = entity {
                        named(user(mention.user_id));
                    }
                }
            }
            enums::Message::MessageService(it) => match &it.action {
                enums::MessageAction::MessageActionChatAddUser(action) => {
                    action.users.iter().copied().map(user).for_each(named);
                }
                enums::MessageAction::MessageActionChatDeleteUser(action) => {
                    named(user(action.user_id));
                }
                _ => {}
            },
            enums::Message::MessageEmpty(_) => {}
        }
    }

    /// Tells abbreviated peers where they were seen.
    fn tell(&self, peers: &mut [PeerRecord]) {
        for peer in peers.iter_mut().filter(|peer| peer.min) {
            peer.seen_in = self.0.get(&peer.key).copied();
        }
    }
}

/// How the store names a peer.
pub(crate) fn peer_key(peer: &enums::Peer) -> PeerKey {
    let (kind, id) = match peer {
        enums::Peer::PeerUser(user) => (PeerKind::User, user.user_id),
        enums::Peer::PeerChat(chat) => (PeerKind::Chat, chat.chat_id),
        enums::Peer::PeerChannel(channel) => (PeerKind::Channel, channel.channel_id),
    };
    PeerKey { kind, id }
}

/// What is to be remembered of a user (<https://core.telegram.org/constructor/user>).
pub(crate) fn user_record(user: &enums::User) -> Option<PeerRecord> {
    let enums::User::User(user) = user else {
        return None;
    };
    Some(PeerRecord {
        key: PeerKey {
            kind: PeerKind::User,
            id: user.id,
        },
        access_hash: user.access_hash,
        min: user.min,
        usernames: usernames(user.username.as_ref(), user.usernames.as_deref()),
        seen_in: None,
    })
}

/// What is to be remembered of a chat or channel (<https://core.telegram.org/constructor/channel>).
pub(crate) fn chat_record(chat: &enums::Chat) -> Option<PeerRecord> {
    let (kind, id, access_hash, min, usernames) = match chat {
        enums::Chat::Chat(chat) => (PeerKind::Chat, chat.id, None, false, Vec::new()),
        enums::Chat::ChatForbidden(chat) => (PeerKind::Chat, chat.id, None, false, Vec::new()),
        enums::Chat::Channel(channel) => (
            PeerKind::Channel,
            channel.id,
            channel.access_hash,
            channel.min,
            usernames(channel.username.as_ref(), channel.usernames.as_deref()),
        ),
        enums::Chat::ChannelForbidden(channel) => (
            PeerKind::Channel,
            channel.id,
            Some(channel.access_hash),
            false,
            Vec::new(),
        ),
        _ => return None,
    };
    Some(PeerRecord {
        key: PeerKey { kind, id },
        access_hash,
        min,
        usernames,
        seen_in: None,
    })
}

/// How calls name a peer. Without a hash only basic groups can be named.
pub(crate) fn input_peer(key: PeerKey, access_hash: Option<i64>) -> Option<enums::InputPeer> {
    Some(match key.kind {
        PeerKind::User => types::InputPeerUser {
            user_id: key.id,
            access_hash: access_hash?,
        }
        .into(),
        PeerKind::Chat => types::InputPeerChat { chat_id: key.id }.into(),
        PeerKind::Channel => types::InputPeerChannel {
            channel_id: key.id,
            access_hash: access_hash?,
        }
        .into(),
    })
}

/// A peer by a message that names it.
pub(crate) fn by_message(
    key: PeerKey,
    peer: enums::InputPeer,
    msg_id: i32,
) -> Option<enums::InputPeer> {
    match key.kind {
        PeerKind::User => Some(
            types::InputPeerUserFromMessage {
                peer,
                msg_id,
                user_id: key.id,
            }
            .into(),
        ),
        PeerKind::Channel => Some(
            types::InputPeerChannelFromMessage {
                peer,
                msg_id,
                channel_id: key.id,
            }
            .into(),
        ),
        PeerKind::Chat => None,
    }
}

fn usernames(first: Option<&String>, more: Option<&[enums::Username]>) -> Vec<String> {
    let more = more
        .unwrap_or_default()
        .iter()
        .filter_map(|name| match name {
            enums::Username::Username(name) if name.active => Some(name.username.clone()),
            _ => None,
        });
    first.cloned().into_iter().chain(more).collect()
}

/// What is walked over, and who is told.
struct Walk<'a> {
    source: &'a Bytes,
    found: &'a mut dyn FnMut(&'static str, Bytes),
}

impl<'a> Walk<'a> {
    fn over(source: &'a Bytes, found: &'a mut dyn FnMut(&'static str, Bytes)) -> Self {
        Self { source, found }
    }
}

/// Reads over a value and tells of every user, chat, message and peer in it.
fn walk(
    reader: &mut Reader,
    schema: &'static Schema,
    shape: Shape,
    told: &mut Walk<'_>,
) -> Result<(), DecodeError> {
    match shape {
        Shape::Flags => drop(reader.get_u32()?),
        Shape::Int => drop(reader.get_i32()?),
        Shape::Long => drop(reader.get_i64()?),
        Shape::Double => drop(reader.get_f64()?),
        Shape::Int128 => drop(reader.get_array::<16>()?),
        Shape::Int256 => drop(reader.get_array::<32>()?),
        Shape::String | Shape::Bytes => drop(reader.get_bytes()?),
        Shape::Bool => drop(reader.get_bool()?),
        Shape::True => {}
        Shape::Raw => drop(reader.rest()),
        Shape::Boxed(index) => {
            let name = schema.types[usize::from(index)].name;
            let begins = reader.position();
            let id = reader.begin()?;
            match schema.constructor_by_id(id) {
                Some(constructor) if constructor.type_index == index => {
                    skip_fields(reader, schema, constructor.fields, told)?;
                }
                _ => return Err(reader.unexpected(id, name)),
            }
            reader.end();
            if matches!(
                name,
                "User" | "Chat" | "Message" | "InputPeer" | "InputChannel"
            ) {
                (told.found)(name, told.source.slice(begins..reader.position()));
            }
        }
        Shape::Bare(index) => {
            skip_fields(
                reader,
                schema,
                schema.constructors[usize::from(index)].fields,
                told,
            )?;
        }
        Shape::Function(index) => {
            reader.get_u32()?;
            skip_fields(
                reader,
                schema,
                schema.functions[usize::from(index)].fields,
                told,
            )?;
        }
        Shape::Vector(inner) => vector(reader, schema, true, *inner, told)?,
        Shape::BareVector(inner) => vector(reader, schema, false, *inner, told)?,
    }
    Ok(())
}

fn vector(
    reader: &mut Reader,
    schema: &'static Schema,
    boxed: bool,
    inner: Shape,
    told: &mut Walk<'_>,
) -> Result<(), DecodeError> {
    // Every element of the schema takes four bytes at least; the tables' own minimum is not public.
    let count = reader.vector_len(boxed, 4)?;
    for _ in 0..count {
        walk(reader, schema, inner, told)?;
    }
    Ok(())
}

fn skip_fields(
    reader: &mut Reader,
    schema: &'static Schema,
    fields: &'static [FieldInfo],
    told: &mut Walk<'_>,
) -> Result<(), DecodeError> {
    let mut words = Vec::new();
    for field in fields {
        if field.shape == Shape::Flags {
            words.push(reader.get_u32()?);
            continue;
        }
        let present = field.flag.is_none_or(|(word, bit)| {
            words
                .get(usize::from(word))
                .is_some_and(|flags| flags & (1 << bit) != 0)
        });
        if present {
            walk(reader, schema, field.shape, told)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use actogram_tl::{Encode as _, RawQuery, functions, types};

    use super::*;

    #[test]
    fn wrappers_are_looked_through() {
        let send = functions::messages::DeleteMessages {
            revoke: true,
            id: vec![1],
        };
        let wrapped = functions::InvokeWithLayer {
            layer: 230,
            query: RawQuery(
                functions::InvokeWithoutUpdates {
                    query: RawQuery(send.to_bytes()),
                }
                .to_bytes(),
            ),
        };
        let (function, body) = innermost(&wrapped.to_bytes());
        assert_eq!(function.unwrap().name, "messages.deleteMessages");
        assert_eq!(body, send.to_bytes());
        assert_eq!(
            innermost(&Bytes::from_static(b"abc")).0.map(|f| f.name),
            None
        );
    }

    #[test]
    fn types_are_known_by_what_they_hold() {
        let of = |name| content_of(tables::function_by_name(name).unwrap());
        assert_eq!(of("messages.sendMessage"), Content::Updates);
        assert_eq!(of("messages.deleteMessages"), Content::Affected);
        assert_eq!(of("users.getUsers"), Content::Entities);
        assert_eq!(of("messages.getDialogs"), Content::Entities);
        assert_eq!(of("help.getConfig"), Content::Plain);
        assert_eq!(of("help.getNearestDc"), Content::Plain);
    }

    #[test]
    fn peers_are_found_at_any_depth() {
        let mut user = types::User::new(7);
        user.access_hash = Some(-9);
        user.username = Some("Ann".to_owned());
        let mut min = types::User::new(8);
        min.min = true;
        let found = types::contacts::ResolvedPeer {
            peer: types::PeerUser { user_id: 7 }.into(),
            chats: vec![
                types::ChatForbidden {
                    id: 5,
                    title: "gone".to_owned(),
                }
                .into(),
            ],
            users: vec![user.into(), min.into()],
        };
        let answer = enums::contacts::ResolvedPeer::from(found).to_bytes();
        let function = tables::function_by_name("contacts.resolveUsername").unwrap();
        let peers = peers_in_answer(function, &answer);
        let mut seen: Vec<_> = peers
            .iter()
            .map(|peer| (peer.key.kind, peer.key.id, peer.access_hash, peer.min))
            .collect();
        seen.sort();
        assert_eq!(
            seen,
            [
                (PeerKind::User, 7, Some(-9), false),
                (PeerKind::User, 8, None, true),
                (PeerKind::Chat, 5, None, false)
            ]
        );
        assert!(peers.iter().any(|peer| peer.usernames == ["Ann"]));
        // Cut anywhere, it gives what came before the cut and never panics.
        for length in 0..answer.len() {
            assert!(peers_in_answer(function, &answer.slice(..length)).len() < 4);
        }
    }
    fn abbreviated(id: i64, hash: Option<i64>) -> enums::User {
        let mut user = types::User::new(id);
        user.min = true;
        user.access_hash = hash;
        user.into()
    }

    fn container(updates: Vec<enums::Update>, users: Vec<enums::User>) -> enums::Updates {
        types::Updates {
            updates,
            users,
            chats: Vec::new(),
            date: 0,
            seq: 0,
        }
        .into()
    }

    #[test]
    fn abbreviated_peers_are_known_by_the_message_that_names_them() {
        let channel: enums::Peer = types::PeerChannel { channel_id: 5 }.into();
        let user = |user_id| enums::Peer::from(types::PeerUser { user_id });
        let mut message = types::Message::new(77, channel.clone(), 0, "hi".to_owned());
        message.from_id = Some(user(1));
        message.via_bot_id = Some(2);
        let mut forward = types::MessageFwdHeader::new(0);
        forward.from_id = Some(user(3));
        message.fwd_from = Some(forward.into());
        let mention = types::MessageEntityMentionName {
            offset: 0,
            length: 2,
            user_id: 4,
        };
        message.entities = Some(vec![mention.into()]);
        let update = types::UpdateNewChannelMessage {
            message: message.into(),
            pts: 1,
            pts_count: 1,
        };
        let users: Vec<_> = (1..=5).map(|id| abbreviated(id, None)).collect();
        let update = enums::Update::from(update);
        let found = peers_in_updates(&container(vec![update], users));
        let seen = SeenIn {
            chat: peer_key(&channel),
            message: 77,
        };
        for peer in &found {
            let expected = (peer.key.id != 5).then_some(seen);
            assert_eq!(peer.seen_in, expected, "{}", peer.key.id);
        }
        assert_eq!(found.len(), 5);
    }

    #[test]
    fn a_new_name_is_told_even_if_its_bearer_does_not_come_along() {
        let name = |name: &str, active| {
            enums::Username::from(types::Username {
                editable: true,
                active,
                deletable: false,
                expired: false,
                username: name.to_owned(),
            })
        };
        let update = enums::Update::from(types::UpdateUserName {
            user_id: 7,
            first_name: String::new(),
            last_name: String::new(),
            usernames: vec![name("New", true), name("sold", false)],
        });
        let key = PeerKey {
            kind: PeerKind::User,
            id: 7,
        };
        let expected = vec![(key, vec!["New".to_owned()])];
        let short = types::UpdateShort {
            update: update.clone(),
            date: 0,
        };
        assert_eq!(renamed(&short.into()), expected);
        let with = |user| renamed(&container(vec![update.clone()], vec![user]));
        assert_eq!(with(abbreviated(7, Some(1))), expected);
        assert_eq!(with(types::User::new(7).into()), [], "the user says it all");
    }
}

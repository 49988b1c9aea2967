//! How an account sees the model: TL objects with that account's ids, access hashes and flags.

use std::collections::BTreeSet;

use actogram_crypto::sha::sha256;
use actogram_tl as tl;
use tl::{Decode, Encode, enums, types};

use crate::model::{
    Action, BoxChange, Chat, Draft, Message, PeerKey, Place, SeqChange, State, TlBytes, User,
    UserId,
};

/// The access hash under which `viewer` may name `target`; another viewer's hash does not open it.
pub(crate) fn access_hash(state: &State, viewer: UserId, target: UserId) -> i64 {
    hash(state, b"", viewer, target)
}

/// A number that only this world can tell, and tells to `viewer` only.
pub(in crate::rpc) fn hash(state: &State, domain: &[u8], viewer: UserId, target: i64) -> i64 {
    let mut input = Vec::with_capacity(56);
    if let Some(secret) = &state.secret {
        input.extend_from_slice(secret.expose());
    }
    input.extend_from_slice(&viewer.to_le_bytes());
    input.extend_from_slice(&target.to_le_bytes());
    input.extend_from_slice(domain);
    let digest = sha256(&input);
    let mut hash = [0; 8];
    hash.copy_from_slice(&digest[..8]);
    // 0 means "not known" to clients.
    i64::from_le_bytes(hash) | 1
}

/// A TL peer.
pub(crate) fn peer(key: PeerKey) -> enums::Peer {
    match key {
        PeerKey::User(user_id) => types::PeerUser { user_id }.into(),
        PeerKey::Chat(chat_id) => types::PeerChat { chat_id }.into(),
        PeerKey::Channel(channel_id) => types::PeerChannel { channel_id }.into(),
    }
}

/// A stored TL vector, or nothing.
pub(crate) fn stored<T: Decode>(bytes: Option<&TlBytes>) -> Option<T> {
    T::from_bytes(bytes?.0.clone()).ok()
}

/// A TL value to be stored.
pub(crate) fn to_store<T: Encode>(value: &T) -> TlBytes {
    TlBytes(value.to_bytes())
}

/// Builds objects for one viewer and collects whom they mention.
pub(crate) struct View<'s> {
    state: &'s State,
    viewer: UserId,
    users: BTreeSet<UserId>,
    /// Met in a channel only.
    distant: BTreeSet<UserId>,
    chats: BTreeSet<i64>,
    channels: BTreeSet<i64>,
    /// People met in channels only are shown with the `min` flag.
    brief: bool,
    now: i32,
    online: &'s dyn Fn(UserId) -> Option<i32>,
}

impl std::fmt::Debug for View<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("View")
            .field("viewer", &self.viewer)
            .finish_non_exhaustive()
    }
}

impl<'s> View<'s> {
    /// A view for `viewer`; `online` tells when a person was last online (unix time; in the future while online).
    pub(crate) fn new(
        state: &'s State,
        viewer: UserId,
        now: i32,
        online: &'s dyn Fn(UserId) -> Option<i32>,
    ) -> Self {
        Self {
            state,
            viewer,
            users: BTreeSet::new(),
            distant: BTreeSet::new(),
            chats: BTreeSet::new(),
            channels: BTreeSet::new(),
            brief: false,
            now,
            online,
        }
    }

    /// From now on people met in channels only are abbreviated, as Telegram does in updates; see
    /// <https://core.telegram.org/api/min>.
    pub(crate) fn set_brief(&mut self) {
        self.brief = true;
    }

    pub(in crate::rpc) fn state(&self) -> &'s State {
        self.state
    }

    pub(in crate::rpc) fn viewer(&self) -> UserId {
        self.viewer
    }

    /// Unix time of the view.
    pub(super) fn now(&self) -> i32 {
        self.now
    }

    /// Notes that a peer was mentioned.
    pub(crate) fn mention(&mut self, key: PeerKey) {
        match key {
            PeerKey::User(id) => {
                self.users.insert(id);
            }
            PeerKey::Chat(id) => {
                self.chats.insert(id);
            }
            PeerKey::Channel(id) => {
                self.channels.insert(id);
            }
        }
    }

    /// Notes that a message mentions somebody.
    pub(super) fn mention_author(&mut self, message: &Message, user: UserId) {
        if self.brief && matches!(message.place, Place::Channel { .. }) {
            self.distant.insert(user);
        } else {
            self.users.insert(user);
        }
    }

    /// Whether the viewer has to do with somebody outside channels. Bots get everybody in full.
    fn acquainted(&self, user: UserId) -> bool {
        let state = self.state;
        user == self.viewer
            || state
                .users
                .get(&self.viewer)
                .is_some_and(|me| me.bot.is_some())
            || state
                .contacts
                .get(&self.viewer)
                .is_some_and(|book| book.contains_key(&user))
            || state
                .mailbox(self.viewer)
                .is_some_and(|mailbox| mailbox.dialogs.contains_key(&PeerKey::User(user)))
    }

    /// Name and username only; the access hash opens nothing but pictures.
    fn min_user(&self, id: UserId) -> enums::User {
        let Some(user) = self.state.users.get(&id).filter(|user| !user.deleted) else {
            return self.user(id);
        };
        let mut object = types::User::new(user.id);
        object.min = true;
        object.access_hash = Some(hash(self.state, b"picture", self.viewer, id));
        object.first_name = Some(user.first_name.clone());
        object.last_name.clone_from(&user.last_name);
        object.username.clone_from(&user.username);
        object.bot = user.bot.is_some();
        object.bot_info_version = user.bot.as_ref().map(|bot| bot.info_version);
        object.into()
    }

    /// Whether somebody was mentioned.
    pub(super) fn mentions_user(&self, user: UserId) -> bool {
        self.users.contains(&user) || self.distant.contains(&user)
    }

    /// The users mentioned so far.
    pub(crate) fn users(&self) -> Vec<enums::User> {
        let mut users: Vec<enums::User> = self.users.iter().map(|id| self.user(*id)).collect();
        users.extend(self.distant.difference(&self.users).map(|id| {
            if self.acquainted(*id) {
                self.user(*id)
            } else {
                self.min_user(*id)
            }
        }));
        users
    }

    /// The groups and channels mentioned so far.
    pub(crate) fn chats(&self) -> Vec<enums::Chat> {
        self.chats
            .iter()
            .filter_map(|id| self.state.chats.get(id))
            .map(|chat| self.chat(chat))
            .chain(
                self.channels
                    .iter()
                    .filter_map(|id| self.state.channels.get(id))
                    .map(|room| self.channel(room)),
            )
            .collect()
    }

    /// A user, or `userEmpty`.
    pub(crate) fn user(&self, id: UserId) -> enums::User {
        self.state.users.get(&id).map_or_else(
            || types::UserEmpty { id }.into(),
            |user| self.full_user_object(user).into(),
        )
    }

    fn full_user_object(&self, user: &User) -> types::User {
        let me = user.id == self.viewer;
        let contact = self
            .state
            .contacts
            .get(&self.viewer)
            .and_then(|book| book.get(&user.id));
        let mutual = contact.is_some()
            && self
                .state
                .contacts
                .get(&user.id)
                .is_some_and(|book| book.contains_key(&self.viewer));
        let mut object = types::User::new(user.id);
        object.self_ = me;
        object.contact = contact.is_some();
        object.mutual_contact = mutual;
        object.deleted = user.deleted;
        object.premium = user.premium;
        object.access_hash = Some(access_hash(self.state, self.viewer, user.id));
        if user.deleted {
            return object;
        }
        object.first_name = Some(contact.map_or_else(
            || user.first_name.clone(),
            |contact| contact.first_name.clone(),
        ));
        object.last_name = match contact {
            Some(contact) => Some(contact.last_name.clone()).filter(|name| !name.is_empty()),
            None => user.last_name.clone(),
        };
        object.username.clone_from(&user.username);
        if me || contact.is_some() {
            object.phone.clone_from(&user.phone);
        }
        if let Some(bot) = &user.bot {
            object.bot = true;
            object.bot_info_version = Some(bot.info_version);
            object
                .bot_inline_placeholder
                .clone_from(&bot.inline_placeholder);
            // Every message of a group reaches its bots: privacy mode is off.
            object.bot_chat_history = true;
        } else {
            object.status = Some(self.status(user.id));
        }
        object
    }

    /// Whether a person is online.
    pub(crate) fn status(&self, id: UserId) -> enums::UserStatus {
        match (self.online)(id) {
            Some(until) if until > 0 => types::UserStatusOnline { expires: until }.into(),
            Some(was_online) => types::UserStatusOffline {
                was_online: was_online.saturating_neg(),
            }
            .into(),
            None => enums::UserStatus::UserStatusEmpty,
        }
    }

    /// A group.
    pub(crate) fn chat(&self, chat: &Chat) -> enums::Chat {
        let member = chat.participants.get(&self.viewer);
        let count = i32::try_from(chat.participants.len()).unwrap_or(i32::MAX);
        let mut object = types::Chat::new(
            chat.id,
            chat.title.clone(),
            enums::ChatPhoto::ChatPhotoEmpty,
            count,
            chat.date,
            chat.version,
        );
        object.creator = chat.creator == self.viewer;
        object.left = member.is_none();
        object.default_banned_rights = Some(types::ChatBannedRights::new(i32::MAX).into());
        object.into()
    }

    /// The members of a group.
    pub(crate) fn participants(&mut self, chat: &Chat) -> enums::ChatParticipants {
        let mut participants: Vec<enums::ChatParticipant> = Vec::new();
        for (user_id, member) in &chat.participants {
            self.users.insert(*user_id);
            participants.push(if *user_id == chat.creator {
                types::ChatParticipantCreator {
                    user_id: *user_id,
                    rank: None,
                }
                .into()
            } else if member.admin {
                types::ChatParticipantAdmin {
                    user_id: *user_id,
                    inviter_id: member.inviter,
                    date: member.date,
                    rank: None,
                }
                .into()
            } else {
                types::ChatParticipant {
                    user_id: *user_id,
                    inviter_id: member.inviter,
                    date: member.date,
                    rank: None,
                }
                .into()
            });
        }
        types::ChatParticipants {
            chat_id: chat.id,
            participants,
            version: chat.version,
        }
        .into()
    }

    /// The viewer's copy of a message.
    pub(crate) fn message(&mut self, message: &Message, id: i32) -> enums::Message {
        let out = message.from == self.viewer;
        let key = message.peer_for(self.viewer);
        self.mention(key);
        let post = matches!(key, PeerKey::Channel(id)
            if self.state.channels.get(&id).is_some_and(|room| room.channel.broadcast));
        if !post {
            self.mention_author(message, message.from);
        }
        // Incoming private messages leave the author out: it is the peer. So do posts, which are the channel's.
        let from_id = (!post && (out || !matches!(key, PeerKey::User(_))))
            .then(|| peer(PeerKey::User(message.from)));
        let reply_to = self.reply_header(message);
        if let Some(action) = &message.action {
            let action = self.action(message, action);
            let mut object = types::MessageService::new(id, peer(key), message.date, action);
            object.out = out;
            object.post = post;
            object.from_id = from_id;
            object.reply_to = reply_to;
            object.silent = message.silent;
            return object.into();
        }
        let mut object = types::Message::new(id, peer(key), message.date, message.text.clone());
        object.out = out;
        object.post = post;
        object.silent = message.silent;
        object.noforwards = message.noforwards;
        object.from_id = from_id;
        object.reply_to = reply_to;
        object.fwd_from = self.forward_header(message);
        object.pinned = self.is_pinned(key, id);
        object.media = self.media(message);
        object.reactions = self.reactions(message);
        object.grouped_id = message.grouped;
        if let Some(bot) = message.via_bot {
            self.mention_author(message, bot);
            object.via_bot_id = Some(bot);
        }
        object.entities = self.entities(message.entities.as_ref());
        object.mentioned = !out && self.mentions_viewer(&object.entities);
        object.reply_markup = stored(message.reply_markup.as_ref());
        object.edit_date = message.edit_date;
        object.into()
    }

    fn is_pinned(&self, key: PeerKey, id: i32) -> bool {
        let pinned = self.state.pinned(self.viewer, key);
        pinned.is_some_and(|pinned| pinned.contains(&id))
    }

    fn mentions_viewer(&self, entities: &Option<Vec<enums::MessageEntity>>) -> bool {
        entities.iter().flatten().any(|entity| {
            matches!(entity, enums::MessageEntity::MessageEntityMentionName(mention) if mention.user_id == self.viewer)
        })
    }

    pub(crate) fn entities(
        &mut self,
        bytes: Option<&TlBytes>,
    ) -> Option<Vec<enums::MessageEntity>> {
        let entities: Vec<enums::MessageEntity> = stored(bytes)?;
        for entity in &entities {
            if let enums::MessageEntity::MessageEntityMentionName(mention) = entity {
                self.users.insert(mention.user_id);
            }
        }
        Some(entities)
    }

    /// The viewer's id of the answered message; nothing if it holds no copy of it.
    pub(crate) fn reply_header(&self, message: &Message) -> Option<enums::MessageReplyHeader> {
        let replied = self.state.messages.get(&message.reply_to?)?;
        let mut header = types::MessageReplyHeader::new();
        header.reply_to_msg_id = Some(replied.id_for(self.viewer)?);
        Some(header.into())
    }

    fn action(&mut self, message: &Message, action: &Action) -> enums::MessageAction {
        match action {
            Action::ChatCreate { title, users } => {
                self.users.extend(users);
                types::MessageActionChatCreate {
                    title: title.clone(),
                    users: users.clone(),
                }
                .into()
            }
            Action::ChatAddUser { users } => {
                for user in users {
                    self.mention_author(message, *user);
                }
                types::MessageActionChatAddUser {
                    users: users.clone(),
                }
                .into()
            }
            Action::ChatDeleteUser { user } => {
                self.mention_author(message, *user);
                types::MessageActionChatDeleteUser { user_id: *user }.into()
            }
            Action::ChatEditTitle { title } => types::MessageActionChatEditTitle {
                title: title.clone(),
            }
            .into(),
            Action::ChannelCreate { title } => types::MessageActionChannelCreate {
                title: title.clone(),
            }
            .into(),
            Action::PinMessage => enums::MessageAction::MessageActionPinMessage,
            Action::JoinedByLink { inviter } => {
                self.mention_author(message, *inviter);
                types::MessageActionChatJoinedByLink {
                    inviter_id: *inviter,
                }
                .into()
            }
        }
    }

    /// The viewer's message with this id, or nothing.
    pub(crate) fn message_by_id(&mut self, id: i32) -> Option<enums::Message> {
        let state = self.state;
        let message = state.message(self.viewer, id)?;
        Some(self.message(message, id))
    }

    /// The message the viewer knows as `id` in a dialog, or nothing.
    pub(crate) fn message_in(&mut self, peer: PeerKey, id: i32) -> Option<enums::Message> {
        let state = self.state;
        let message = state.message_in(self.viewer, peer, id)?;
        Some(self.message(message, id))
    }

    /// A recorded change as an update; nothing if its message is gone since.
    pub(crate) fn update(&mut self, pts: i32) -> Option<enums::Update> {
        let state = self.state;
        let entry = state.mailbox(self.viewer)?.log.get(&pts)?;
        let pts_count = entry.count;
        Some(match &entry.change {
            BoxChange::New { id } => types::UpdateNewMessage {
                message: self.message_by_id(*id)?,
                pts,
                pts_count,
            }
            .into(),
            BoxChange::Edited { id } => types::UpdateEditMessage {
                message: self.message_by_id(*id)?,
                pts,
                pts_count,
            }
            .into(),
            BoxChange::Deleted { ids } => types::UpdateDeleteMessages {
                messages: ids.clone(),
                pts,
                pts_count,
            }
            .into(),
            BoxChange::ReadInbox {
                peer: key,
                max_id,
                still_unread,
            } => {
                self.mention(*key);
                types::UpdateReadHistoryInbox {
                    folder_id: None,
                    peer: peer(*key),
                    top_msg_id: None,
                    max_id: *max_id,
                    still_unread_count: *still_unread,
                    pts,
                    pts_count,
                }
                .into()
            }
            BoxChange::Pinned {
                peer: key,
                ids,
                pinned,
            } => {
                self.mention(*key);
                types::UpdatePinnedMessages {
                    pinned: *pinned,
                    peer: peer(*key),
                    messages: ids.clone(),
                    pts,
                    pts_count,
                }
                .into()
            }
            BoxChange::ReadOutbox { peer: key, max_id } => {
                self.mention(*key);
                types::UpdateReadHistoryOutbox {
                    peer: peer(*key),
                    max_id: *max_id,
                    pts,
                    pts_count,
                }
                .into()
            }
        })
    }

    /// A change of the `seq` sequence as an update.
    pub(crate) fn seq_update(&mut self, change: &SeqChange) -> Option<enums::Update> {
        let state = self.state;
        Some(match change {
            SeqChange::UserName { user } => {
                self.users.insert(*user);
                let user = state.users.get(user)?;
                types::UpdateUserName {
                    user_id: user.id,
                    first_name: user.first_name.clone(),
                    last_name: user.last_name.clone().unwrap_or_default(),
                    usernames: user
                        .username
                        .iter()
                        .map(|username| {
                            types::Username {
                                editable: true,
                                active: true,
                                deletable: false,
                                expired: false,
                                username: username.clone(),
                            }
                            .into()
                        })
                        .collect(),
                }
                .into()
            }
            SeqChange::Draft { peer: key } => {
                self.mention(*key);
                let draft = state.mailbox(self.viewer)?.dialogs.get(key)?.draft.as_ref();
                types::UpdateDraftMessage {
                    peer: peer(*key),
                    top_msg_id: None,
                    saved_peer_id: None,
                    draft: self.draft(draft),
                }
                .into()
            }
            SeqChange::Channel { channel } => self.channel_changed(*channel),
            SeqChange::NewAuthorization { auth_key_id } => {
                let info = state.clients.get(auth_key_id);
                types::UpdateNewAuthorization {
                    // One flag covers this field and the three optional ones.
                    unconfirmed: true,
                    hash: authorization_hash(*auth_key_id),
                    date: Some(state.authorizations.get(auth_key_id)?.created),
                    device: Some(
                        info.map(|info| info.device_model.clone())
                            .unwrap_or_default(),
                    ),
                    location: Some(String::new()),
                }
                .into()
            }
            SeqChange::Notification { kind, text } => types::UpdateServiceNotification {
                popup: true,
                invert_media: false,
                inbox_date: None,
                type_: kind.clone(),
                message: text.clone(),
                media: enums::MessageMedia::MessageMediaEmpty,
                entities: Vec::new(),
            }
            .into(),
        })
    }

    /// A draft, or its absence.
    pub(crate) fn draft(&mut self, draft: Option<&Draft>) -> enums::DraftMessage {
        let Some(draft) = draft else {
            return types::DraftMessageEmpty { date: None }.into();
        };
        let mut object = types::DraftMessage::new(draft.text.clone(), draft.date);
        object.no_webpage = draft.no_webpage;
        object.entities = self.entities(draft.entities.as_ref());
        object.reply_to = draft.reply_to.map(|id| {
            types::InputReplyToMessage {
                reply_to_msg_id: id,
                top_msg_id: None,
                reply_to_peer_id: None,
                quote_text: None,
                quote_entities: None,
                quote_offset: None,
                monoforum_peer_id: None,
                todo_item_id: None,
                poll_option: None,
            }
            .into()
        });
        object.into()
    }

    /// Updates with everyone they mention.
    pub(crate) fn container(
        &self,
        updates: Vec<enums::Update>,
        date: i32,
        seq: i32,
    ) -> enums::Updates {
        types::Updates {
            updates,
            users: self.users(),
            chats: self.chats(),
            date,
            seq,
        }
        .into()
    }
}

/// How `account.getAuthorizations` names a login: not by the key's id, which is nobody's business.
pub(crate) fn authorization_hash(auth_key_id: i64) -> i64 {
    let digest = sha256(&auth_key_id.to_le_bytes());
    let mut hash = [0; 8];
    hash.copy_from_slice(&digest[..8]);
    i64::from_le_bytes(hash) | 1
}

//! The state of the datacenter: a pure function of its journal.

use std::collections::{BTreeMap, BTreeSet};

use super::channel::{Channel, ChannelRoom, Member};
use super::event::Event;
use super::mailbox::Mailbox;
use super::records::{
    AuthKeyId, Authorization, ChannelId, Chat, ChatId, ClientInfo, Contact, Document, Invite,
    KeyEntry, Message, MessageUid, Password, PeerKey, Photo, Place, User, UserId,
};
use super::revocation::Revocation;
use super::secret::SecretBytes;
use crate::files::BlobName;

/// A sequence of updates that counts its positions in `pts`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stream {
    /// Private chats and basic groups of an account.
    Account(UserId),
    /// A supergroup or broadcast channel.
    Channel(ChannelId),
}

/// A position in a `pts` sequence that an event took.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Touched {
    /// Which sequence.
    pub stream: Stream,
    /// Position; its entry is in the sequence's log.
    pub pts: i32,
}

/// The first document's or photo's id.
const FIRST_FILE_ID: i64 = 5_000_000_000_000_000_001;

/// Everything that outlives a restart.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct State {
    pub(crate) secret: Option<SecretBytes>,
    pub(crate) users: BTreeMap<UserId, User>,
    pub(crate) chats: BTreeMap<ChatId, Chat>,
    pub(crate) channels: BTreeMap<ChannelId, ChannelRoom>,
    pub(crate) channel_usernames: BTreeMap<String, ChannelId>,
    pub(crate) messages: BTreeMap<MessageUid, Message>,
    pub(crate) mailboxes: BTreeMap<UserId, Mailbox>,
    pub(crate) usernames: BTreeMap<String, UserId>,
    pub(crate) phones: BTreeMap<String, UserId>,
    pub(crate) passwords: BTreeMap<UserId, Password>,
    pub(crate) contacts: BTreeMap<UserId, BTreeMap<UserId, Contact>>,
    pub(crate) documents: BTreeMap<i64, Document>,
    pub(crate) photos: BTreeMap<i64, Photo>,
    /// Where accounts are at home that are not at the first datacenter.
    pub(crate) homes: BTreeMap<UserId, i32>,
    /// Where channels' statistics are that are not at the first datacenter.
    pub(crate) stats_at: BTreeMap<ChannelId, i32>,
    /// How often all file references became void.
    pub(crate) reference_epoch: u32,
    pub(crate) invites: BTreeMap<String, Invite>,
    pub(crate) random_ids: BTreeMap<(UserId, i64), MessageUid>,
    pub(crate) keys: BTreeMap<AuthKeyId, KeyEntry>,
    /// By permanent key, in the order in which they were bound.
    pub(crate) temporary_of: BTreeMap<AuthKeyId, Vec<AuthKeyId>>,
    pub(crate) clients: BTreeMap<AuthKeyId, ClientInfo>,
    pub(crate) authorizations: BTreeMap<AuthKeyId, Authorization>,
    /// Keys whose calls are told why they speak for nobody.
    pub(crate) revoked: BTreeMap<AuthKeyId, Revocation>,
    pub(crate) keys_of: BTreeMap<UserId, BTreeSet<AuthKeyId>>,
    pub(crate) last_uid: MessageUid,
}

impl State {
    /// The files whose bytes are kept.
    pub(crate) fn kept_files(&self) -> BTreeSet<BlobName> {
        let mut names = BTreeSet::new();
        for document in self.documents.values().filter(|document| document.kept) {
            names.insert(BlobName::of(document.id));
            let thumbs = document.thumbs.iter();
            names.extend(thumbs.map(|thumb| BlobName::sized(document.id, &thumb.kind)));
        }
        for photo in self.photos.values() {
            let sizes = photo.sizes.iter();
            names.extend(sizes.map(|size| BlobName::sized(photo.id, &size.kind)));
        }
        names
    }

    /// An id that no document or photo has.
    pub(crate) fn next_file_id(&self) -> i64 {
        let last = |key: Option<&i64>| key.copied().unwrap_or(FIRST_FILE_ID - 1);
        let documents = last(self.documents.keys().next_back());
        let photos = last(self.photos.keys().next_back());
        documents.max(photos) + 1
    }

    /// Applies one journal entry; returns the positions it took, in order.
    pub fn apply(&mut self, event: &Event) -> Vec<Touched> {
        match event {
            Event::Founded { secret } => self.secret = Some(secret.clone()),
            Event::KeyAdded { id, entry } => {
                self.keys.insert(*id, entry.clone());
            }
            Event::KeyRemoved { id } => self.remove_key(*id),
            Event::KeyBound {
                temporary,
                permanent,
            } => self.bind_key(*temporary, *permanent),
            Event::KeyUnbound { temporary } => self.unbind_key(*temporary),
            Event::ClientInitialized { auth_key_id, info } => {
                self.clients.insert(*auth_key_id, info.clone());
            }
            Event::Authorized(authorization) => self.authorize(authorization),
            Event::Deauthorized { auth_key_id } => self.deauthorize(*auth_key_id),
            Event::Revoked { auth_key_id, why } => {
                self.deauthorize(*auth_key_id);
                self.revoked.insert(*auth_key_id, *why);
            }
            Event::UserPut(user) => self.put_user(user),
            Event::PasswordPut { user, password } => match password {
                Some(password) => {
                    self.passwords.insert(*user, password.clone());
                }
                None => {
                    self.passwords.remove(user);
                }
            },
            Event::ContactPut {
                owner,
                user,
                contact,
            } => {
                let book = self.contacts.entry(*owner).or_default();
                match contact {
                    Some(contact) => {
                        book.insert(*user, contact.clone());
                    }
                    None => {
                        book.remove(user);
                    }
                }
            }
            Event::ChatPut(chat) => {
                self.chats.insert(chat.id, chat.clone());
            }
            Event::MessageAdded {
                message,
                owners,
                random_id,
            } => return self.add_message(message, owners, *random_id),
            Event::MessageEdited {
                uid,
                text,
                entities,
                reply_markup,
                edit_date,
            } => {
                let Some(message) = self.messages.get_mut(uid) else {
                    return Vec::new();
                };
                message.text.clone_from(text);
                message.entities.clone_from(entities);
                message.reply_markup.clone_from(reply_markup);
                if edit_date.is_some() {
                    message.edit_date = *edit_date;
                }
                if let Place::Channel { id, message } = message.place {
                    let pts = self.channels.get_mut(&id).map(|room| room.edited(message));
                    return Self::touched(Stream::Channel(id), pts);
                }
                let copies = message.copies.clone();
                return copies
                    .into_iter()
                    .map(|(account, id)| Touched {
                        stream: Stream::Account(account),
                        pts: self.mailbox_mut(account).edited(id),
                    })
                    .collect();
            }
            Event::MessageReacted { uid, user, reacted } => {
                if let Some(message) = self.messages.get_mut(uid) {
                    match reacted {
                        Some(reacted) => {
                            message.reactions.insert(*user, reacted.clone());
                        }
                        None => {
                            message.reactions.remove(user);
                        }
                    }
                }
            }
            Event::QtsRecorded { owner, change } => {
                self.mailbox_mut(*owner).recorded(change.clone());
            }
            Event::CopiesDeleted { deleted } => return self.delete_copies(deleted),
            Event::CopiesPinned { pinned, pin } => {
                let mut touched = Vec::new();
                for (owner, peer, ids) in pinned {
                    let pts = self.mailbox_mut(*owner).pin(*peer, ids, *pin);
                    touched.extend(Self::touched(Stream::Account(*owner), pts));
                }
                return touched;
            }
            Event::InboxRead {
                owner,
                peer,
                max_id,
            } => {
                let pts = self.mailbox_mut(*owner).read_inbox(*peer, *max_id);
                return Self::touched(Stream::Account(*owner), pts);
            }
            Event::OutboxRead {
                owner,
                peer,
                max_id,
            } => {
                let pts = self.mailbox_mut(*owner).read_outbox(*peer, *max_id);
                return Self::touched(Stream::Account(*owner), pts);
            }
            Event::DraftPut { owner, peer, draft } => {
                let dialog = self.mailbox_mut(*owner).dialogs.entry(*peer).or_default();
                dialog.draft.clone_from(draft);
            }
            Event::Sequenced {
                owner,
                date,
                change,
            } => {
                self.mailbox_mut(*owner).sequenced(*date, change.clone());
            }
            Event::HomeMoved { user, dc_id } => {
                self.homes.insert(*user, *dc_id);
            }
            Event::StatsMoved { channel, dc_id } => {
                self.stats_at.insert(*channel, *dc_id);
            }
            Event::UpdatesForgotten { owner } => self.mailbox_mut(*owner).forget(),
            Event::DocumentPut(document) => {
                self.documents.insert(document.id, document.clone());
            }
            Event::PhotoPut(photo) => {
                self.photos.insert(photo.id, photo.clone());
            }
            Event::ReferencesExpired => self.reference_epoch += 1,
            Event::InvitePut(invite) => {
                self.invites.insert(invite.hash.clone(), invite.clone());
            }
            Event::ChannelPut(channel) => self.put_channel(channel),
            Event::ChannelMemberPut {
                channel,
                user,
                member,
            } => self.put_member(*channel, *user, member),
            Event::ChannelMessagesDeleted { channel, ids } => {
                let Some(room) = self.channels.get_mut(channel) else {
                    return Vec::new();
                };
                let (gone, pts) = room.delete(ids);
                for uid in gone {
                    self.messages.remove(&uid);
                }
                return Self::touched(Stream::Channel(*channel), pts);
            }
            Event::ChannelMessagesPinned {
                channel,
                ids,
                pinned,
            } => {
                let room = self.channels.get_mut(channel);
                let pts = room.and_then(|room| room.pin(ids, *pinned));
                return Self::touched(Stream::Channel(*channel), pts);
            }
            Event::ChannelRead {
                channel,
                user,
                max_id,
            } => self.read_channel(*channel, *user, *max_id),
            Event::ChannelChanged { channel, date } => {
                if let Some(room) = self.channels.get_mut(channel) {
                    room.changed = room.changed.max(*date);
                }
            }
            Event::ChannelUpdatesForgotten { channel } => {
                if let Some(room) = self.channels.get_mut(channel) {
                    room.forget();
                }
            }
            Event::HistoryRevoked { owner, chat } => {
                let peer = PeerKey::Chat(*chat);
                let ids: Vec<i32> = self
                    .mailbox_mut(*owner)
                    .dialogs
                    .get(&peer)
                    .map(|d| d.ids.iter().copied().collect())
                    .unwrap_or_default();
                return self.delete_copies(&[(*owner, ids)]);
            }
        }
        Vec::new()
    }

    fn touched(stream: Stream, pts: Option<i32>) -> Vec<Touched> {
        pts.map(|pts| Touched { stream, pts }).into_iter().collect()
    }

    fn mailbox_mut(&mut self, owner: UserId) -> &mut Mailbox {
        self.mailboxes.entry(owner).or_default()
    }

    fn put_user(&mut self, user: &User) {
        if let Some(old) = self.users.get(&user.id) {
            if let Some(name) = &old.username {
                self.usernames.remove(&name.to_lowercase());
            }
            if let Some(phone) = &old.phone {
                self.phones.remove(phone);
            }
        }
        if let Some(name) = &user.username {
            self.usernames.insert(name.to_lowercase(), user.id);
        }
        if let Some(phone) = &user.phone {
            self.phones.insert(phone.clone(), user.id);
        }
        self.mailboxes.entry(user.id).or_default();
        self.users.insert(user.id, user.clone());
    }

    fn add_message(
        &mut self,
        message: &Message,
        owners: &[UserId],
        random_id: Option<i64>,
    ) -> Vec<Touched> {
        let mut message = message.clone();
        let uid = message.uid;
        self.last_uid = self.last_uid.max(uid);
        let mut touched = Vec::with_capacity(owners.len());
        if let Place::Channel { id, message } = message.place {
            let pts = self
                .channels
                .get_mut(&id)
                .map(|room| room.add(message, uid));
            touched.extend(Self::touched(Stream::Channel(id), pts));
        }
        for owner in owners {
            let peer = message.peer_for(*owner);
            let incoming = *owner != message.from;
            let (id, pts) = self.mailbox_mut(*owner).add(uid, peer, incoming);
            message.copies.insert(*owner, id);
            touched.push(Touched {
                stream: Stream::Account(*owner),
                pts,
            });
        }
        if let Some(random_id) = random_id {
            self.random_ids.insert((message.from, random_id), uid);
        }
        self.messages.insert(uid, message);
        touched
    }

    fn delete_copies(&mut self, deleted: &[(UserId, Vec<i32>)]) -> Vec<Touched> {
        let mut touched = Vec::new();
        for (owner, ids) in deleted {
            for id in ids {
                let Some(uid) = self.mailbox_mut(*owner).ids.get(id).copied() else {
                    continue;
                };
                if let Some(message) = self.messages.get_mut(&uid) {
                    message.copies.remove(owner);
                    if message.copies.is_empty() {
                        self.messages.remove(&uid);
                    }
                }
            }
            let pts = self.mailbox_mut(*owner).delete(ids);
            touched.extend(Self::touched(Stream::Account(*owner), pts));
        }
        touched
    }

    fn put_channel(&mut self, channel: &Channel) {
        let room = self
            .channels
            .entry(channel.id)
            .or_insert_with(|| ChannelRoom::new(channel.clone()));
        if let Some(name) = &room.channel.username {
            self.channel_usernames.remove(&name.to_lowercase());
        }
        room.channel = channel.clone();
        let closed: Vec<UserId> = if channel.deleted {
            room.current().collect()
        } else {
            Vec::new()
        };
        if let Some(name) = &channel.username {
            self.channel_usernames
                .insert(name.to_lowercase(), channel.id);
        }
        for member in closed {
            let dialogs = &mut self.mailbox_mut(member).dialogs;
            dialogs.remove(&PeerKey::Channel(channel.id));
        }
    }

    /// A dialog begins with joining and ends with leaving; what was sent before counts as read.
    fn put_member(&mut self, channel: ChannelId, user: UserId, member: &Member) {
        let Some(room) = self.channels.get_mut(&channel) else {
            return;
        };
        let joins = !member.left && room.member(user).is_none();
        room.members.insert(user, member.clone());
        if joins {
            room.read_inbox.insert(user, room.last_id);
        }
        let dialogs = &mut self.mailbox_mut(user).dialogs;
        if member.left {
            dialogs.remove(&PeerKey::Channel(channel));
        } else {
            dialogs.entry(PeerKey::Channel(channel)).or_default();
        }
    }

    fn read_channel(&mut self, channel: ChannelId, user: UserId, max_id: i32) {
        let Some(room) = self.channels.get_mut(&channel) else {
            return;
        };
        let before = room.read_inbox.get(&user).copied().unwrap_or(0);
        if max_id <= before {
            return;
        }
        for (id, uid) in room.ids.range(before.saturating_add(1)..=max_id) {
            if let Some(message) = self.messages.get(uid)
                && message.from != user
            {
                let read = room.read_outbox.entry(message.from).or_default();
                *read = (*read).max(*id);
            }
        }
        room.read_inbox.insert(user, max_id);
    }

    fn authorize(&mut self, authorization: &Authorization) {
        let before = self.account_of(authorization.auth_key_id);
        if before.is_some_and(|before| before != authorization.user) {
            self.deauthorize(authorization.auth_key_id);
        }
        if let Some(main) = authorization.main {
            // What was brought from a login that is a copy now is a copy of the same.
            for login in self.authorizations.values_mut() {
                if login.main == Some(authorization.auth_key_id) {
                    login.main = Some(main);
                }
            }
        }
        self.revoked.remove(&authorization.auth_key_id);
        self.keys_of
            .entry(authorization.user)
            .or_default()
            .insert(authorization.auth_key_id);
        self.authorizations
            .insert(authorization.auth_key_id, authorization.clone());
    }

    /// The logins at other datacenters that were brought from this one.
    pub(crate) fn copies_of(&self, auth_key_id: AuthKeyId) -> Vec<Authorization> {
        let all = self.authorizations.values();
        all.filter(|login| login.main == Some(auth_key_id))
            .cloned()
            .collect()
    }

    /// A login ends with its copies.
    fn deauthorize(&mut self, auth_key_id: AuthKeyId) {
        for copy in self.copies_of(auth_key_id) {
            self.end_login(copy.auth_key_id);
        }
        self.end_login(auth_key_id);
    }

    fn end_login(&mut self, auth_key_id: AuthKeyId) {
        if let Some(old) = self.authorizations.remove(&auth_key_id)
            && let Some(keys) = self.keys_of.get_mut(&old.user)
        {
            keys.remove(&auth_key_id);
        }
    }

    fn remove_key(&mut self, id: AuthKeyId) {
        self.deauthorize(id);
        self.revoked.remove(&id);
        self.clients.remove(&id);
        self.unbind_key(id);
        self.keys.remove(&id);
        for temporary in self.temporary_of.remove(&id).into_iter().flatten() {
            self.keys.remove(&temporary);
            self.clients.remove(&temporary);
        }
    }

    /// The temporary keys that act for a permanent one, the oldest first.
    pub fn temporary_keys(&self, permanent: AuthKeyId) -> &[AuthKeyId] {
        self.temporary_of.get(&permanent).map_or(&[], Vec::as_slice)
    }

    /// The keys under which clients have introduced themselves by `initConnection`.
    pub fn introduced(&self) -> impl Iterator<Item = AuthKeyId> {
        self.clients.keys().copied()
    }

    fn unbind_key(&mut self, temporary: AuthKeyId) {
        let entry = self.keys.get_mut(&temporary);
        if let Some(permanent) = entry.and_then(|entry| entry.bound_to.take())
            && let Some(bound) = self.temporary_of.get_mut(&permanent)
        {
            bound.retain(|id| *id != temporary);
        }
    }

    fn bind_key(&mut self, temporary: AuthKeyId, permanent: AuthKeyId) {
        self.unbind_key(temporary);
        let bound = self.temporary_of.entry(permanent).or_default();
        bound.push(temporary);
        if let Some(entry) = self.keys.get_mut(&temporary) {
            entry.bound_to = Some(permanent);
        }
        // initConnection must be repeated after each binding.
        self.clients.remove(&temporary);
    }

    /// The permanent key that `auth_key_id` speaks for: itself, or the one a temporary key is bound to.
    pub fn identity(&self, auth_key_id: AuthKeyId) -> AuthKeyId {
        self.keys
            .get(&auth_key_id)
            .and_then(|entry| entry.bound_to)
            .unwrap_or(auth_key_id)
    }

    /// All logins.
    pub fn authorizations(&self) -> impl Iterator<Item = &Authorization> {
        self.authorizations.values()
    }

    /// The account that a permanent key is logged in to.
    pub fn account_of(&self, auth_key_id: AuthKeyId) -> Option<UserId> {
        self.authorizations.get(&auth_key_id).map(|a| a.user)
    }

    /// Everyone who takes part where `message` was sent, its author first.
    pub(crate) fn audience(&self, from: UserId, place: Place) -> Vec<UserId> {
        match place {
            Place::Private { to } if to == from => vec![from],
            Place::Private { to } => vec![from, to],
            // The one copy lies in the channel.
            Place::Channel { .. } => Vec::new(),
            Place::Chat { id } => {
                let mut owners = vec![from];
                if let Some(chat) = self.chats.get(&id) {
                    owners.extend(chat.participants.keys().copied().filter(|u| *u != from));
                }
                owners
            }
        }
    }

    /// A user by id.
    pub fn user(&self, id: UserId) -> Option<&User> {
        self.users.get(&id)
    }

    /// A user by `username`, without `@`, in any case.
    pub fn user_by_username(&self, username: &str) -> Option<&User> {
        let id = self.usernames.get(&username.to_lowercase())?;
        self.users.get(id)
    }

    /// A channel by `username`, without `@`, in any case.
    pub fn channel_by_username(&self, username: &str) -> Option<&ChannelRoom> {
        let id = self.channel_usernames.get(&username.to_lowercase())?;
        self.channels.get(id)
    }

    /// Whether a user or channel has this username.
    pub fn username_taken(&self, username: &str) -> bool {
        self.user_by_username(username).is_some() || self.channel_by_username(username).is_some()
    }

    /// A supergroup or broadcast channel by id.
    pub fn channel(&self, id: ChannelId) -> Option<&ChannelRoom> {
        self.channels.get(&id)
    }

    /// The ids of a dialog's messages, oldest first.
    pub fn ids_in(&self, viewer: UserId, peer: PeerKey) -> Vec<i32> {
        match peer {
            PeerKey::Channel(channel) => self
                .channels
                .get(&channel)
                .map(|room| room.ids.keys().copied().collect()),
            _ => self
                .mailbox(viewer)
                .and_then(|mailbox| mailbox.dialogs.get(&peer))
                .map(|dialog| dialog.ids.iter().copied().collect()),
        }
        .unwrap_or_default()
    }

    /// The messages that are pinned in a dialog of `viewer`.
    pub fn pinned(&self, viewer: UserId, peer: PeerKey) -> Option<&BTreeSet<i32>> {
        match peer {
            PeerKey::Channel(channel) => self.channels.get(&channel).map(|room| &room.pinned),
            _ => self
                .mailbox(viewer)
                .and_then(|mailbox| mailbox.dialogs.get(&peer))
                .map(|dialog| &dialog.pinned),
        }
    }

    /// The message that `viewer` knows as `id` in a dialog.
    pub fn message_in(&self, viewer: UserId, peer: PeerKey, id: i32) -> Option<&Message> {
        match peer {
            PeerKey::Channel(channel) => {
                let uid = self.channels.get(&channel)?.ids.get(&id)?;
                self.messages.get(uid)
            }
            _ => self
                .message(viewer, id)
                .filter(|message| message.peer_for(viewer) == peer),
        }
    }

    /// A user by phone number, digits only.
    pub fn user_by_phone(&self, phone: &str) -> Option<&User> {
        self.users.get(self.phones.get(phone)?)
    }

    /// A basic group by id.
    pub fn chat(&self, id: ChatId) -> Option<&Chat> {
        self.chats.get(&id)
    }

    /// An account's mailbox.
    pub fn mailbox(&self, owner: UserId) -> Option<&Mailbox> {
        self.mailboxes.get(&owner)
    }

    /// The message with id `id` in the mailbox of `owner`.
    pub fn message(&self, owner: UserId, id: i32) -> Option<&Message> {
        let uid = self.mailboxes.get(&owner)?.ids.get(&id)?;
        self.messages.get(uid)
    }

    /// How many messages exist, copies counted once.
    pub fn message_count(&self) -> usize {
        self.messages.len()
    }
}

//! The journal's entries: every change of state is one of these.

use serde::{Deserialize, Serialize};

use super::channel::{Channel, Member};
use super::hex::TlBytes;
use super::mailbox::{QtsChange, SeqChange};
use super::records::{
    AuthKeyId, Authorization, ChannelId, Chat, ChatId, ClientInfo, Contact, Document, Draft,
    Invite, KeyEntry, Message, MessageUid, Password, PeerKey, Photo, Reacted, User, UserId,
};
use super::revocation::Revocation;
use super::secret::SecretBytes;

/// A change of state. [`State::apply`](super::State::apply) is a pure function of these, so that a restart that
/// replays the journal arrives at the same ids, pts and dates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Event {
    /// The first entry of a journal.
    Founded {
        /// Seeds access hashes.
        secret: SecretBytes,
    },
    /// A handshake ended.
    KeyAdded {
        /// Its id.
        id: AuthKeyId,
        /// The key.
        entry: KeyEntry,
    },
    /// A key was destroyed, together with its authorization.
    KeyRemoved {
        /// Its id.
        id: AuthKeyId,
    },
    /// A temporary key no longer speaks for its permanent one.
    KeyUnbound {
        /// The temporary key.
        temporary: AuthKeyId,
    },
    /// A temporary key was bound to a permanent one.
    KeyBound {
        /// The temporary key.
        temporary: AuthKeyId,
        /// The permanent key.
        permanent: AuthKeyId,
    },
    /// `initConnection` with parameters that were not known yet.
    ClientInitialized {
        /// The key the call came with.
        auth_key_id: AuthKeyId,
        /// The parameters.
        info: ClientInfo,
    },
    /// A login.
    Authorized(Authorization),
    /// A logout.
    Deauthorized {
        /// The permanent key.
        auth_key_id: AuthKeyId,
    },
    /// A login was taken back; its key stays and is told why.
    Revoked {
        /// The permanent key.
        auth_key_id: AuthKeyId,
        /// What its calls are told.
        why: Revocation,
    },
    /// A new account, or new values of an old one.
    UserPut(User),
    /// An account is at home at another datacenter now.
    HomeMoved {
        /// Which account.
        user: UserId,
        /// Number of the datacenter.
        dc_id: i32,
    },
    /// A channel's statistics are at another datacenter now.
    StatsMoved {
        /// Which channel.
        channel: ChannelId,
        /// Number of the datacenter.
        dc_id: i32,
    },
    /// A new or changed two-step password, or none.
    PasswordPut {
        /// Whose.
        user: UserId,
        /// The verifier.
        password: Option<Password>,
    },
    /// A new or changed contact, or none.
    ContactPut {
        /// In whose book.
        owner: UserId,
        /// Who.
        user: UserId,
        /// The entry.
        contact: Option<Contact>,
    },
    /// A new basic group, or new values of an old one.
    ChatPut(Chat),
    /// A message was sent: a copy goes into every mailbox of `owners`, in this order.
    MessageAdded {
        /// Without copies yet.
        message: Message,
        /// Mailboxes that get one.
        owners: Vec<UserId>,
        /// The sender's `random_id`, if it gave one.
        random_id: Option<i64>,
    },
    /// A message was edited.
    MessageEdited {
        /// Which.
        uid: MessageUid,
        /// The new text.
        text: String,
        /// The new entities.
        entities: Option<TlBytes>,
        /// The new keyboard.
        reply_markup: Option<TlBytes>,
        /// Unix time; nothing for changes that do not show as an edit.
        edit_date: Option<i32>,
    },
    /// Somebody's reaction to a message, or none.
    MessageReacted {
        /// Which.
        uid: MessageUid,
        /// Who.
        user: UserId,
        /// The reaction.
        reacted: Option<Reacted>,
    },
    /// A change of the `qts` sequence.
    QtsRecorded {
        /// Whose.
        owner: UserId,
        /// What changed.
        change: QtsChange,
    },
    /// Copies were deleted.
    CopiesDeleted {
        /// Ids by mailbox.
        deleted: Vec<(UserId, Vec<i32>)>,
    },
    /// Copies were pinned or unpinned.
    CopiesPinned {
        /// Mailbox, dialog in it, and ids.
        pinned: Vec<(UserId, PeerKey, Vec<i32>)>,
        /// Pinned, not unpinned.
        pin: bool,
    },
    /// Incoming messages were read.
    InboxRead {
        /// Whose mailbox.
        owner: UserId,
        /// In which dialog.
        peer: PeerKey,
        /// Up to this id.
        max_id: i32,
    },
    /// The other side read outgoing messages.
    OutboxRead {
        /// Whose mailbox.
        owner: UserId,
        /// In which dialog.
        peer: PeerKey,
        /// Up to this id.
        max_id: i32,
    },
    /// A draft was saved or cleared.
    DraftPut {
        /// Whose.
        owner: UserId,
        /// For which dialog.
        peer: PeerKey,
        /// The draft.
        draft: Option<Draft>,
    },
    /// A change of the `seq` sequence.
    Sequenced {
        /// Whose.
        owner: UserId,
        /// Unix time.
        date: i32,
        /// What changed.
        change: SeqChange,
    },
    /// A new file.
    DocumentPut(Document),
    /// A new photo.
    PhotoPut(Photo),
    /// No file reference that was told is good any more.
    ReferencesExpired,
    /// A new invite link, or new values of an old one.
    InvitePut(Invite),
    /// The records of an account's past updates were thrown away: an older position gets `differenceTooLong`.
    UpdatesForgotten {
        /// Whose.
        owner: UserId,
    },
    /// A new supergroup or channel, or new values of an old one.
    ChannelPut(Channel),
    /// Somebody joined, left, was appointed or restricted.
    ChannelMemberPut {
        /// Where.
        channel: ChannelId,
        /// Who.
        user: UserId,
        /// What they are now.
        member: Member,
    },
    /// Messages of a channel were deleted, for everybody.
    ChannelMessagesDeleted {
        /// Where.
        channel: ChannelId,
        /// Which.
        ids: Vec<i32>,
    },
    /// Messages of a channel were pinned or unpinned.
    ChannelMessagesPinned {
        /// Where.
        channel: ChannelId,
        /// Which.
        ids: Vec<i32>,
        /// Pinned, not unpinned.
        pinned: bool,
    },
    /// A member read a channel.
    ChannelRead {
        /// Which.
        channel: ChannelId,
        /// Who.
        user: UserId,
        /// Up to this id.
        max_id: i32,
    },
    /// A channel changed: `updates.getDifference` from this date or before mentions it.
    ChannelChanged {
        /// Which.
        channel: ChannelId,
        /// Unix time, no earlier than any date a member was told.
        date: i32,
    },
    /// The record of a channel's past updates was thrown away.
    ChannelUpdatesForgotten {
        /// Which.
        channel: ChannelId,
    },
    /// A group's history was hidden from a former member that asked for it.
    HistoryRevoked {
        /// Whose mailbox.
        owner: UserId,
        /// Which group.
        chat: ChatId,
    },
}

//! What the datacenter knows: plain records without behaviour of their own.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::hex::TlBytes;
use super::secret::SecretBytes;

/// A user's id. People and bots share one space.
pub type UserId = i64;
/// A basic group's id.
pub type ChatId = i64;
/// The id of a supergroup or broadcast channel.
pub type ChannelId = i64;
/// The id of an authorization key: the low 64 bits of its SHA-1.
pub type AuthKeyId = i64;
/// Identity of a message across the mailboxes that hold a copy of it.
pub type MessageUid = u64;

/// Whom a dialog is with, from its owner's side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum PeerKey {
    /// A person or bot; one's own id stands for Saved Messages.
    User(UserId),
    /// A basic group.
    Chat(ChatId),
    /// A supergroup or broadcast channel.
    Channel(ChannelId),
}

/// A person or a bot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Unique id.
    pub id: UserId,
    /// First name; never empty.
    pub first_name: String,
    /// Last name, if any.
    pub last_name: Option<String>,
    /// Username without `@`, if any.
    pub username: Option<String>,
    /// Phone number, digits only; bots have none.
    pub phone: Option<String>,
    /// Text of the profile.
    pub about: String,
    /// Present for bots.
    pub bot: Option<Bot>,
    /// Deleted accounts keep their id.
    pub deleted: bool,
    /// Unix time of the registration.
    pub registered: i32,
    /// Pays for larger files.
    #[serde(default)]
    pub premium: bool,
}

/// What only bots have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bot {
    /// The token it logs in with.
    pub token: SecretBytes,
    /// Grows with every change of `commands`.
    pub info_version: i32,
    /// Set for bots that answer inline queries: what is shown before the query is typed.
    #[serde(default)]
    pub inline_placeholder: Option<String>,
    /// Commands by scope (an encoded `BotCommandScope` in hexadecimal) and language.
    pub commands: Vec<BotCommands>,
}

/// One list of commands of a bot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BotCommands {
    /// The encoded `BotCommandScope`.
    pub scope: TlBytes,
    /// Two-letter language, or empty for all.
    pub language: String,
    /// Command and description.
    pub commands: Vec<(String, String)>,
}

/// A basic group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chat {
    /// Unique id.
    pub id: ChatId,
    /// Title, 1 to 255 characters.
    pub title: String,
    /// Text of the profile.
    pub about: String,
    /// Who made it.
    pub creator: UserId,
    /// Unix time of its creation.
    pub date: i32,
    /// Grows with every change of the members or the title.
    pub version: i32,
    /// Members now.
    pub participants: BTreeMap<UserId, Participant>,
}

/// A member of a basic group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Participant {
    /// Who brought them in.
    pub inviter: UserId,
    /// Unix time of joining.
    pub date: i32,
    /// Administrators may rename the group and remove members.
    pub admin: bool,
}

/// Where a message was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Place {
    /// Between two users (both the same in Saved Messages).
    Private {
        /// The other end.
        to: UserId,
    },
    /// In a basic group.
    Chat {
        /// The group.
        id: ChatId,
    },
    /// In a supergroup or broadcast channel.
    Channel {
        /// The channel.
        id: ChannelId,
        /// The message's id there, the same for everybody.
        message: i32,
    },
}

/// What a service message tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// The group was created with these members.
    ChatCreate {
        /// Its first title.
        title: String,
        /// Members besides the creator.
        users: Vec<UserId>,
    },
    /// Members were added.
    ChatAddUser {
        /// The new members.
        users: Vec<UserId>,
    },
    /// A member left or was removed.
    ChatDeleteUser {
        /// The former member.
        user: UserId,
    },
    /// The title changed.
    ChatEditTitle {
        /// The new title.
        title: String,
    },
    /// A supergroup or channel was created.
    ChannelCreate {
        /// Its first title.
        title: String,
    },
    /// The answered message was pinned.
    PinMessage,
    /// The author joined by an invite link.
    JoinedByLink {
        /// Who made the link.
        inviter: UserId,
    },
}

/// A file that can be sent by reference. Its bytes are on the disk, if it has any.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Document {
    /// Unique id.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// Its kind, as `text/plain`.
    pub mime_type: String,
    /// How many bytes it has.
    pub size: i64,
    /// Unix time of its making.
    pub date: i32,
    /// The datacenter that has its bytes.
    #[serde(default = "first_datacenter")]
    pub dc: i32,
    /// Whether there are bytes behind it.
    #[serde(default)]
    pub kept: bool,
    /// An encoded `Vector<DocumentAttribute>`, the name not among them.
    #[serde(default)]
    pub attributes: Option<TlBytes>,
    /// Small pictures of it.
    #[serde(default)]
    pub thumbs: Vec<Picture>,
}

fn first_datacenter() -> i32 {
    2
}

/// A photo, in several sizes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Photo {
    /// Unique id; documents have ids of their own.
    pub id: i64,
    /// Unix time of its making.
    pub date: i32,
    /// The datacenter that has its bytes.
    pub dc: i32,
    /// From small to large.
    pub sizes: Vec<Picture>,
    /// The smallest one, as `photoStrippedSize` holds it.
    pub stripped: Option<TlBytes>,
}

/// One size of a picture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Picture {
    /// A letter; see <https://core.telegram.org/api/files#image-thumbnail-types>.
    pub kind: String,
    /// Width in pixels.
    pub width: i32,
    /// Height in pixels.
    pub height: i32,
    /// How many bytes it has.
    pub size: i32,
}

/// A link by which people join a group or channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invite {
    /// What the link ends with.
    pub hash: String,
    /// Where it leads to: a group or channel.
    pub chat: PeerKey,
    /// Who made it.
    pub admin: UserId,
    /// Unix time of its making.
    pub date: i32,
    /// Unix time of its end, if it has one.
    pub expires: Option<i32>,
    /// So many may join by it, if it is limited.
    pub usage_limit: Option<i32>,
    /// So many have joined by it.
    pub usage: i32,
    /// Whoever comes by it waits for an administrator.
    pub request_needed: bool,
    /// Who waits.
    pub requested: BTreeSet<UserId>,
    /// What administrators see it called.
    pub title: Option<String>,
    /// It replaced its maker's link before.
    pub permanent: bool,
    /// It is no longer good.
    pub revoked: bool,
}

/// Where a forwarded message came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forward {
    /// Its first author.
    pub from: UserId,
    /// Unix time of the original.
    pub date: i32,
    /// The broadcast channel it was posted in, with its id there: that is shown as its source.
    #[serde(default)]
    pub post: Option<(ChannelId, i32)>,
}

/// Somebody's reactions to a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reacted {
    /// Unix time of the last change.
    pub date: i32,
    /// An encoded `Vector<Reaction>`.
    pub reactions: TlBytes,
}

/// A message as it was sent, shared by every mailbox with a copy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Identity across mailboxes.
    pub uid: MessageUid,
    /// The author.
    pub from: UserId,
    /// Where it was sent.
    pub place: Place,
    /// Unix time of sending.
    pub date: i32,
    /// Unix time of the last edit.
    pub edit_date: Option<i32>,
    /// The text; empty in service messages.
    pub text: String,
    /// An encoded `Vector<MessageEntity>`.
    pub entities: Option<TlBytes>,
    /// An encoded `ReplyMarkup`; bots only.
    pub reply_markup: Option<TlBytes>,
    /// The message it answers.
    pub reply_to: Option<MessageUid>,
    /// Set on forwards that name their source.
    pub forward: Option<Forward>,
    /// Set on service messages.
    pub action: Option<Action>,
    /// Sent without a sound.
    pub silent: bool,
    /// May not be forwarded.
    pub noforwards: bool,
    /// An encoded `MessageMedia`, the same for everybody.
    #[serde(default)]
    pub media: Option<TlBytes>,
    /// The bot whose inline result this is.
    #[serde(default)]
    pub via_bot: Option<UserId>,
    /// The album it is part of.
    #[serde(default)]
    pub grouped: Option<i64>,
    /// How people reacted.
    #[serde(default)]
    pub reactions: BTreeMap<UserId, Reacted>,
    /// Its id in each mailbox that still holds it; empty in channels.
    pub copies: BTreeMap<UserId, i32>,
}

impl Message {
    /// The dialog this message belongs to in the mailbox of `viewer`.
    pub fn peer_for(&self, viewer: UserId) -> PeerKey {
        match self.place {
            Place::Chat { id } => PeerKey::Chat(id),
            Place::Channel { id, .. } => PeerKey::Channel(id),
            Place::Private { to } if viewer == self.from => PeerKey::User(to),
            Place::Private { .. } => PeerKey::User(self.from),
        }
    }

    /// The id under which `viewer` knows this message; nothing if it holds no copy.
    pub fn id_for(&self, viewer: UserId) -> Option<i32> {
        match self.place {
            Place::Channel { message, .. } => Some(message),
            _ => self.copies.get(&viewer).copied(),
        }
    }
}

/// An unsent text kept for all clients of an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Draft {
    /// The text.
    pub text: String,
    /// An encoded `Vector<MessageEntity>`.
    pub entities: Option<TlBytes>,
    /// Id of the answered message in the owner's mailbox.
    pub reply_to: Option<i32>,
    /// No link preview.
    pub no_webpage: bool,
    /// Unix time of saving.
    pub date: i32,
}

/// A login: an authorization key that speaks for an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Authorization {
    /// The permanent key.
    pub auth_key_id: AuthKeyId,
    /// Whom it speaks for.
    pub user: UserId,
    /// Unix time of the login.
    pub created: i32,
    /// The datacenter it is at; the first one if nothing is said.
    #[serde(default)]
    pub dc_id: Option<i32>,
    /// The login it was brought from by `auth.importAuthorization`: it takes no updates, those go to that one, and ends
    /// with it.
    #[serde(default)]
    pub main: Option<AuthKeyId>,
}

/// What `initConnection` told about a client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientInfo {
    /// Layer of `invokeWithLayer`.
    pub layer: i32,
    /// Identifier of the application.
    pub api_id: i32,
    /// Device.
    pub device_model: String,
    /// Operating system.
    pub system_version: String,
    /// Version of the application.
    pub app_version: String,
    /// Language of the system.
    pub lang_code: String,
}

/// An authorization key and what is known about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyEntry {
    /// The 256 bytes.
    pub key: SecretBytes,
    /// Unix time of its creation.
    pub created: i32,
    /// The datacenter that made it, where alone it is good; at all of them if nothing is said.
    #[serde(default)]
    pub dc_id: Option<i32>,
    /// Temporary keys end at this unix time.
    pub expires_at: Option<i32>,
    /// The permanent key that a temporary one acts for.
    pub bound_to: Option<AuthKeyId>,
}

/// A two-step password in the form that cannot be turned back into the password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Password {
    /// First salt.
    pub salt1: SecretBytes,
    /// Second salt.
    pub salt2: SecretBytes,
    /// `g^x mod p`, 256 bytes, big-endian.
    pub verifier: SecretBytes,
    /// Shown before the password is asked for.
    pub hint: String,
}

/// A contact in somebody's book.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    /// First name as the owner wrote it.
    pub first_name: String,
    /// Last name as the owner wrote it.
    pub last_name: String,
}

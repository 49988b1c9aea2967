//! What the store keeps of an account.

use std::{collections::BTreeMap, fmt, net::IpAddr, sync::Arc};

use actogram_crypto::AuthKey;
use zeroize::Zeroizing;

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum KeyKind {
    /// The permanent key of a datacenter. Temporary keys are never stored.
    Permanent,
    /// The key of a CDN datacenter.
    Cdn,
}

/// An authorization key and when it was made.
#[derive(Debug, Clone)]
pub struct AuthKeyRecord {
    /// The datacenter.
    pub dc: i32,
    /// What the key is for.
    pub kind: KeyKind,
    /// The key.
    pub key: Arc<AuthKey>,
    /// When it was made, in seconds since 1970.
    pub created: i64,
}

/// A server salt and when it is valid, in seconds since 1970 of the server's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SaltRecord {
    /// The first second.
    pub valid_since: i64,
    /// The last second.
    pub valid_until: i64,
    /// The salt.
    pub salt: i64,
}

/// Which sort of peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PeerKind {
    /// A person or a bot.
    User,
    /// A basic group. It needs no access hash.
    Chat,
    /// A channel or supergroup.
    Channel,
}

/// Names a peer. The id is the bare one of the schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PeerKey {
    /// Its sort.
    pub kind: PeerKind,
    /// Its id.
    pub id: i64,
}

/// Where a peer was seen of which no more than an abbreviated object is known: it is addressed by that
/// (<https://core.telegram.org/api/min>).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SeenIn {
    /// The chat the message stands in.
    pub chat: PeerKey,
    /// The message's number.
    pub message: i32,
}

/// Names a dialogue: what somebody does in some chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DialogueKey {
    /// Where.
    pub chat: PeerKey,
    /// Who.
    pub person: PeerKey,
}

/// What a program keeps of a dialogue: bytes of its own.
#[derive(Clone, PartialEq, Eq)]
pub struct DialogueState(pub Arc<[u8]>);

impl fmt::Debug for DialogueState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DialogueState({} bytes)", self.0.len())
    }
}

/// An upload that has not been sent: what the datacenter has of it already. Worth nothing after some hours
/// (<https://core.telegram.org/api/files#uploading-files>).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadRecord {
    /// The number its parts go under.
    pub file_id: i64,
    /// Bytes of the whole file.
    pub size: u64,
    /// When the file was last written to, in nanoseconds since 1970.
    pub modified: i64,
    /// When a part was last saved, in seconds since 1970.
    pub touched: i64,
    /// Which process has uploaded it: a random number.
    pub process: i64,
    /// A bit for each part that is saved; the lowest of the first byte is that of the first part.
    pub parts: Arc<[u8]>,
}

/// A peer, as far as addressing it needs (<https://core.telegram.org/api/peers>).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerRecord {
    /// Which peer.
    pub key: PeerKey,
    /// Its access hash. Each account has its own.
    pub access_hash: Option<i64>,
    /// The record comes from a `min` constructor: it never replaces one that does not
    /// (<https://core.telegram.org/api/min>).
    pub min: bool,
    /// Its usernames, without `@`. Compared without regard to case.
    pub usernames: Vec<String>,
    /// For `min` records: a message that names it. A `min` record without one keeps that of the `min` record before.
    pub seen_in: Option<SeenIn>,
}

/// The common update position (<https://core.telegram.org/api/updates>): every update up to it has been handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Position {
    /// Of private chats and basic groups.
    pub pts: i32,
    /// Of secret chats and some events of bots.
    pub qts: i32,
    /// Of the last update, in seconds since 1970.
    pub date: i32,
    /// Of the containers of updates.
    pub seq: i32,
}

/// The position in one channel's updates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChannelPosition {
    /// The channel's bare id.
    pub channel_id: i64,
    /// Every update up to it has been handled.
    pub pts: i32,
    /// Updates beyond it were given out and not handled yet. The datacenter announces only channels that changed since the
    /// account was last seen, so after a kill these must be asked about unannounced.
    pub behind: bool,
}

/// A sequence of updates with numbers of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stream {
    /// `pts` of private chats and basic groups.
    Common,
    /// `qts`.
    Secret,
    /// `pts` of this channel.
    Channel(i64),
}

/// A datacenter's address, as `help.getConfig` gives it (<https://core.telegram.org/constructor/dcOption>).
#[derive(Clone, PartialEq, Eq)]
pub struct DcOption {
    /// The datacenter.
    pub dc: i32,
    /// Where it listens.
    pub address: IpAddr,
    /// On which port.
    pub port: u16,
    /// Only for files.
    pub media_only: bool,
    /// Only with an obfuscated transport.
    pub tcpo_only: bool,
    /// A CDN datacenter.
    pub cdn: bool,
    /// To be preferred where no address has been proven.
    pub is_static: bool,
    /// No other port will do.
    pub this_port_only: bool,
    /// The secret of the obfuscation.
    pub secret: Option<Zeroizing<Vec<u8>>>,
}

impl fmt::Debug for DcOption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DcOption")
            .field("dc", &self.dc)
            .field("address", &self.address)
            .field("port", &self.port)
            .field("media_only", &self.media_only)
            .field("tcpo_only", &self.tcpo_only)
            .field("cdn", &self.cdn)
            .finish_non_exhaustive()
    }
}

/// Who the account is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SelfUser {
    /// The user's id.
    pub id: i64,
    /// Whether it is a bot.
    pub bot: bool,
}

/// All of an account but its peers, of which there may be many.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct AccountRecord {
    /// Its keys.
    pub auth_keys: Vec<AuthKeyRecord>,
    /// Server salts by datacenter, in the order of their validity.
    pub salts: BTreeMap<i32, Vec<SaltRecord>>,
    /// The clock of each datacenter less ours, in seconds.
    pub time_offsets: BTreeMap<i32, i64>,
    /// The common update position.
    pub position: Option<Position>,
    /// The positions in channels.
    pub channels: Vec<ChannelPosition>,
    /// Updates above the positions that have been handled all the same, by the number that names them.
    pub handled: Vec<(Stream, i32)>,
    /// Where datacenters are.
    pub dc_options: Vec<DcOption>,
    /// The datacenter the account lives in.
    pub main_dc: Option<i32>,
    /// Who the account is, once it has logged in.
    pub self_user: Option<SelfUser>,
}

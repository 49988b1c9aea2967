//! What a place to keep records must be able to do.

use std::sync::Arc;

use crate::{
    StoreError,
    records::{
        AccountRecord, AuthKeyRecord, ChannelPosition, DcOption, DialogueKey, DialogueState,
        KeyKind, PeerKey, PeerRecord, Position, SaltRecord, SelfUser, Stream, UploadRecord,
    },
};

/// One change of an account's record.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Write {
    /// Adds or replaces the key of this datacenter and kind.
    AuthKey(AuthKeyRecord),
    /// Removes a key.
    DropAuthKey {
        /// The datacenter.
        dc: i32,
        /// What the key was for.
        kind: KeyKind,
    },
    /// Replaces the salts of a datacenter.
    Salts {
        /// The datacenter.
        dc: i32,
        /// Its salts.
        salts: Vec<SaltRecord>,
    },
    /// The datacenter's clock less ours.
    TimeOffset {
        /// The datacenter.
        dc: i32,
        /// In seconds.
        seconds: i64,
    },
    /// Adds or replaces a peer; see [`PeerRecord::min`].
    Peer(PeerRecord),
    /// The usernames of a peer from now on, without `@`. Nothing if the peer is not known.
    Usernames {
        /// Whose.
        key: PeerKey,
        /// All of them.
        usernames: Vec<String>,
    },
    /// Every update up to here has been handled. Forgets [`Write::Handled`] at or below it.
    Position(Position),
    /// The same for a channel.
    ChannelPosition(ChannelPosition),
    /// The channel with this bare id is no longer followed: forgets its position.
    ForgetChannel(i64),
    /// One update above the position has been handled.
    Handled {
        /// The sequence it belongs to.
        stream: Stream,
        /// Its `pts` or `qts`.
        number: i32,
    },
    /// Replaces the state of a dialogue. It outlives logins, as peers do.
    Dialogue {
        /// Which dialogue.
        key: DialogueKey,
        /// Its state; `None` forgets it.
        state: Option<DialogueState>,
    },
    /// Replaces what is known of an upload. It ends with the login.
    Upload {
        /// The path of the file.
        path: Arc<str>,
        /// What is known; `None` forgets it.
        record: Option<UploadRecord>,
    },
    /// Replaces all addresses of datacenters.
    DcOptions(Vec<DcOption>),
    /// The datacenter the account lives in.
    MainDc(i32),
    /// Who the account is.
    /// `None` ends the positions of updates too: they are numbers of that login.
    SelfUser(Option<SelfUser>),
    /// Removes everything of the account.
    Forget,
}

/// Records of uploads that were touched so many seconds before the one that is written go with it: nobody goes on with them.
pub(crate) const WORTHLESS: i64 = 86_400;

/// When a commit may return.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Once a kill of the process cannot undo it. A power cut may.
    Process,
    /// Once a power cut cannot undo it.
    Synced,
}

/// A place to keep accounts. All methods block; [`Store`](crate::Store) decides on which thread.
pub trait Storage: Send {
    /// The names of all accounts, sorted.
    ///
    /// # Errors
    /// What reading met.
    fn accounts(&mut self) -> Result<Vec<String>, StoreError>;

    /// An account's record; an empty one if there is none.
    ///
    /// # Errors
    /// What reading met.
    fn load(&mut self, account: &str) -> Result<AccountRecord, StoreError>;

    /// A peer.
    ///
    /// # Errors
    /// What reading met.
    fn peer(&mut self, account: &str, key: PeerKey) -> Result<Option<PeerRecord>, StoreError>;

    /// The peer that has this username, without `@`, in any case.
    ///
    /// # Errors
    /// What reading met.
    fn peer_by_username(
        &mut self,
        account: &str,
        username: &str,
    ) -> Result<Option<PeerRecord>, StoreError>;

    /// The state of a dialogue, if it has one.
    ///
    /// # Errors
    /// What reading met.
    fn dialogue(
        &mut self,
        account: &str,
        key: DialogueKey,
    ) -> Result<Option<DialogueState>, StoreError>;

    /// What is known of the upload of the file at this path.
    ///
    /// # Errors
    /// What reading met.
    fn upload(&mut self, account: &str, path: &str) -> Result<Option<UploadRecord>, StoreError>;

    /// Makes all of these changes, in this order, or none.
    ///
    /// # Errors
    /// What writing met. Nothing has changed then.
    fn commit(
        &mut self,
        writes: &[(Arc<str>, Write)],
        durability: Durability,
    ) -> Result<(), StoreError>;
}

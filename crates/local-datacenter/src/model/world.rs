//! The one owner of all state: the journaled [`State`] and what does not outlive the process.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use actogram_crypto::AuthKey;
use actogram_crypto::random::Random;
use bytes::Bytes;

use super::cdn::Cdn;
use super::datacenters::{DatacenterAddress, Endpoint};
use super::event::Event;
use super::login::{IssuedCode, Logins};
use super::records::{AuthKeyId, KeyEntry, UserId};
use super::secret::SecretBytes;
use super::sessions::{SessionKey, Sessions};
use super::state::{State, Touched};
use crate::files::FileStore;
use crate::rpc::{Counters, Faults, Queries, SrpServers, Tickets, Waiting};
use crate::storage::{Journal, StorageError};

/// Limits that tests may lower; the defaults are Telegram's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// UTF-16 code units of a message.
    pub message_length: usize,
    /// Members of a basic group.
    pub chat_size: usize,
    /// Entries of one `updates.getDifference` slice.
    pub difference_slice: usize,
    /// Missed entries above which `updates.getDifference` answers `differenceTooLong`.
    pub difference_total: usize,
    /// Entries of one `updates.getChannelDifference` slice, whatever the client asks for.
    pub channel_difference_slice: usize,
    /// Missed entries above which `updates.getChannelDifference` answers `channelDifferenceTooLong`.
    pub channel_difference_total: usize,
    /// Seconds after which a client that shows a channel asks for its difference again.
    pub channel_difference_timeout: i32,
    /// Members of a supergroup or channel.
    pub channel_size: usize,
    /// Seconds after which a person can no longer edit a message.
    pub edit_seconds: i32,
    /// Temporary keys that act for one permanent key at a time; the oldest one is unbound for another. The method's page
    /// says one (<https://core.telegram.org/method/auth.bindTempAuthKey>), but clients in use bind one for each of their
    /// connection pools.
    pub temporary_keys: usize,
    /// Parts of an uploaded file.
    pub upload_parts: i32,
    /// Parts of a file that is uploaded by an account with premium.
    pub upload_parts_premium: i32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_length: 4096,
            chat_size: 200,
            difference_slice: 100,
            difference_total: 100_000,
            channel_difference_slice: 100,
            channel_difference_total: 10_000,
            channel_difference_timeout: 30,
            channel_size: 200_000,
            edit_seconds: 172_800,
            temporary_keys: 16,
            upload_parts: 4000,
            upload_parts_premium: 8000,
        }
    }
}

/// How a [`World`] behaves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WorldConfig {
    /// Limits.
    pub limits: Limits,
    /// Plain texts are pushed as `updateShortMessage` and `updateShortChatMessage`, which name their peers without
    /// access hashes, as Telegram may do; otherwise every push carries its users and chats.
    pub compact_updates: bool,
    /// Where the bytes of files are kept; by default they are gone with the process.
    pub files: Option<PathBuf>,
}

/// An answer to one call: the `result` of an `rpc_result`, an `rpc_error` included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The key the call came with.
    pub auth_key_id: AuthKeyId,
    /// The session it came in.
    pub session_id: i64,
    /// The message it came as.
    pub msg_id: i64,
    /// The encoded result.
    pub body: Bytes,
}

/// Updates for one session, encoded in its layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Push {
    /// The key of the session, temporary or permanent.
    pub auth_key_id: AuthKeyId,
    /// The session.
    pub session_id: i64,
    /// The encoded `Updates`.
    pub body: Bytes,
}

/// What is to be sent after a call or a timeout.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Answers, usually one.
    pub answers: Vec<Answer>,
    /// Updates for sessions, in order.
    pub pushes: Vec<Push>,
    /// Keys that no longer exist: their connections are to be closed.
    pub revoked_keys: Vec<AuthKeyId>,
}

/// An authorization key as the network needs it.
#[derive(Clone, Debug)]
pub struct KeyRecord {
    /// The key.
    pub key: Arc<AuthKey>,
    /// Unix time of its creation.
    pub created: i32,
    /// The datacenter that made it, where alone it is good; at all of them if nothing is said.
    pub dc_id: Option<i32>,
    /// Temporary keys end at this unix time.
    pub expires_at: Option<i32>,
    /// The permanent key that a temporary one acts for.
    pub bound_to: Option<AuthKeyId>,
}

/// Why a [`World`] cannot go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorldError {
    /// The journal failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The directory of the files cannot be used.
    #[error("the datacenter's files in {path} cannot be kept: {source}")]
    Files {
        /// The directory.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A key in the journal has the wrong size.
    #[error(
        "the journal holds an authorization key of {got} bytes, expected 256; the state file is damaged"
    )]
    BadKey {
        /// Its size.
        got: usize,
    },
}

/// Someone who is told login codes.
pub(crate) type CodeListener = Box<dyn FnMut(&IssuedCode) -> bool + Send>;

/// The one owner of all state of a datacenter, or of several that serve the same accounts.
///
/// Synchronous and free of clocks and sockets: [`World::handle`](crate::rpc) takes a decrypted call and the time,
/// and returns what is to be sent.
pub struct World {
    pub(crate) config: WorldConfig,
    pub(crate) state: State,
    pub(crate) random: Box<dyn Random>,
    pub(crate) files: FileStore,
    pub(crate) cdn: Cdn,
    pub(crate) datacenters: Vec<DatacenterAddress>,
    /// What clients are told instead, if it is ordered.
    pub(crate) advertised: Option<Vec<DatacenterAddress>>,
    pub(crate) sessions: Sessions,
    pub(crate) logins: Logins,
    pub(crate) srp: SrpServers,
    pub(crate) faults: Faults,
    pub(crate) counters: Counters,
    pub(crate) waiting: Vec<Waiting>,
    pub(crate) delayed: BTreeMap<(Duration, u64), Answer>,
    pub(crate) queries: Queries,
    pub(crate) delayed_pushes: BTreeMap<(Duration, u64), Push>,
    pub(crate) online: BTreeMap<UserId, i32>,
    pub(crate) exported: Tickets,
    /// The takeouts that have begun, by their logins.
    pub(crate) takeouts: BTreeMap<AuthKeyId, i64>,
    /// Where numbers without an account have to register, if it is ordered.
    pub(crate) new_phones_at: Option<i32>,
    pub(crate) held: Vec<(UserId, Push)>,
    pub(crate) outcome: Outcome,
    keys: BTreeMap<AuthKeyId, Arc<AuthKey>>,
    journal: Box<dyn Journal>,
    pending: Vec<Event>,
    listeners: Vec<CodeListener>,
    broken: bool,
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World")
            .field("users", &self.state.users.len())
            .field("chats", &self.state.chats.len())
            .field("messages", &self.state.messages.len())
            .field("broken", &self.broken)
            .finish_non_exhaustive()
    }
}

impl World {
    /// Replays the journal, or founds a new world on an empty one.
    ///
    /// # Errors
    /// [`WorldError`] if the journal cannot be read or written, or is damaged.
    pub fn open(
        config: WorldConfig,
        mut journal: Box<dyn Journal>,
        random: Box<dyn Random>,
    ) -> Result<Self, WorldError> {
        let mut state = State::default();
        for event in journal.replay()? {
            state.apply(&event);
        }
        let kept = config.files.as_deref();
        let files =
            FileStore::open(kept, &state.kept_files()).map_err(|source| WorldError::Files {
                path: kept.unwrap_or(Path::new("")).display().to_string(),
                source,
            })?;
        let mut keys = BTreeMap::new();
        for (id, entry) in &state.keys {
            keys.insert(*id, Arc::new(auth_key(&entry.key)?));
        }
        let mut world = Self {
            config,
            state,
            random,
            files,
            cdn: Cdn::default(),
            datacenters: vec![DatacenterAddress {
                endpoint: Endpoint::main(2),
                ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
                port: 443,
            }],
            advertised: None,
            sessions: Sessions::default(),
            logins: Logins::default(),
            srp: SrpServers::default(),
            faults: Faults::default(),
            counters: Counters::default(),
            waiting: Vec::new(),
            delayed: BTreeMap::new(),
            queries: Queries::default(),
            delayed_pushes: BTreeMap::new(),
            online: BTreeMap::new(),
            exported: Tickets::new(),
            takeouts: BTreeMap::new(),
            new_phones_at: None,
            held: Vec::new(),
            outcome: Outcome::default(),
            keys,
            journal,
            pending: Vec::new(),
            listeners: Vec::new(),
            broken: false,
        };
        if world.state.secret.is_none() {
            let mut secret = [0; 32];
            world.random.fill(&mut secret);
            world.commit(Event::Founded {
                secret: SecretBytes::new(secret),
            });
            world.flush()?;
        }
        Ok(world)
    }

    /// What outlives a restart.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Faults on demand.
    pub fn faults(&mut self) -> &mut Faults {
        &mut self.faults
    }

    /// How often each method ran.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Applies a change and remembers to journal it.
    pub(crate) fn commit(&mut self, event: Event) -> Vec<Touched> {
        let touched = self.state.apply(&event);
        self.pending.push(event);
        touched
    }

    /// Journals what was committed since the last time, in one transaction.
    ///
    /// After a failure memory is ahead of the journal; nothing is executed any more, because a restart would take
    /// back what clients were told.
    pub(crate) fn flush(&mut self) -> Result<(), StorageError> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let events = std::mem::take(&mut self.pending);
        self.journal.append(&events).inspect_err(|error| {
            tracing::error!(%error, "the journal failed; the datacenter answers 500 from now on");
            self.broken = true;
        })
    }

    /// Whether the journal failed.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken
    }

    /// Takes what is to be sent.
    pub(crate) fn take_outcome(&mut self) -> Outcome {
        std::mem::take(&mut self.outcome)
    }

    /// Stores a key that a handshake made at the datacenter `dc_id`, the only one where it is good. `expires_at` is given
    /// for temporary keys (unix time).
    ///
    /// # Errors
    /// [`WorldError::Storage`] if the journal cannot be written; the key must not be used then.
    pub fn add_key(
        &mut self,
        now: Duration,
        dc_id: i32,
        key: Arc<AuthKey>,
        expires_at: Option<i32>,
    ) -> Result<(), WorldError> {
        let id = key.id();
        self.commit(Event::KeyAdded {
            id,
            entry: KeyEntry {
                key: SecretBytes::new(key.as_bytes().to_vec()),
                created: unix(now),
                dc_id: Some(dc_id),
                expires_at,
                bound_to: None,
            },
        });
        self.keys.insert(id, key);
        Ok(self.flush()?)
    }

    /// A key by its id.
    pub fn key(&self, id: AuthKeyId) -> Option<KeyRecord> {
        let entry = self.state.keys.get(&id)?;
        Some(KeyRecord {
            key: Arc::clone(self.keys.get(&id)?),
            created: entry.created,
            dc_id: entry.dc_id,
            expires_at: entry.expires_at,
            bound_to: entry.bound_to,
        })
    }

    /// Destroys a key, its authorization and its sessions. Returns whether it existed.
    ///
    /// # Errors
    /// [`WorldError::Storage`] if the journal cannot be written.
    pub fn remove_key(&mut self, id: AuthKeyId) -> Result<bool, WorldError> {
        let existed = self.drop_key(id);
        self.flush()?;
        Ok(existed)
    }

    pub(crate) fn drop_key(&mut self, id: AuthKeyId) -> bool {
        if !self.state.keys.contains_key(&id) {
            return false;
        }
        let mut gone = self.state.temporary_keys(id).to_vec();
        gone.push(id);
        self.commit(Event::KeyRemoved { id });
        for gone in gone {
            self.keys.remove(&gone);
            self.sessions.remove_key(gone);
        }
        true
    }

    /// A session was destroyed or forgotten by the network.
    pub fn session_closed(&mut self, auth_key_id: AuthKeyId, session_id: i64) {
        self.sessions.remove(SessionKey {
            auth_key_id,
            session_id,
        });
    }

    /// Whether a session made a call after which it gets updates.
    pub(crate) fn takes_updates(&self, (auth_key_id, session_id): (AuthKeyId, i64)) -> bool {
        let key = SessionKey {
            auth_key_id,
            session_id,
        };
        (self.sessions.get(key)).is_some_and(|entry| entry.wants_updates)
    }

    /// The layer a session speaks, if it has said.
    pub fn session_layer(&self, auth_key_id: AuthKeyId, session_id: i64) -> Option<i32> {
        self.sessions
            .get(SessionKey {
                auth_key_id,
                session_id,
            })
            .and_then(|entry| entry.layer)
            .or_else(|| self.state.clients.get(&auth_key_id).map(|info| info.layer))
    }

    /// Calls `listener` with every login code from now on, until it returns false.
    pub fn on_login_code(&mut self, listener: impl FnMut(&IssuedCode) -> bool + Send + 'static) {
        self.listeners.push(Box::new(listener));
    }

    pub(crate) fn announce_code(&mut self, code: &IssuedCode) {
        self.listeners.retain_mut(|listener| listener(code));
    }
}

fn auth_key(secret: &SecretBytes) -> Result<AuthKey, WorldError> {
    let bytes: [u8; 256] = secret.expose().try_into().map_err(|_| WorldError::BadKey {
        got: secret.expose().len(),
    })?;
    Ok(AuthKey::new(bytes))
}

/// Whole seconds of unix time, as TL's `date` fields hold them.
pub(crate) fn unix(now: Duration) -> i32 {
    i32::try_from(now.as_secs()).unwrap_or(i32::MAX)
}

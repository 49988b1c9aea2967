//! Temporary keys, which make recorded traffic unreadable once they have expired (<https://core.telegram.org/api/pfs>).
//!
//! They are kept here and nowhere else: never on a disk, and a process that ends takes them along.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use actogram_crypto::AuthKey;
use actogram_mtproto::{handshake::client::CreatedKey, session::client::BindRequest};

use super::UseKey;
use crate::satellites::Site;

/// How long a temporary key is asked for, at most; up to an hour less, so that those of many accounts do not end together.
const LIFETIME: f64 = 86_400.0;
const LIFETIME_JITTER: f64 = 3_600.0;

/// So long before it expires another is made.
const RENEWAL: Duration = Duration::from_secs(3_600);

/// A key that is used instead of the permanent one.
#[derive(Clone)]
pub(crate) struct TemporaryKey {
    pub(crate) key: Arc<AuthKey>,
    salt: i64,
    time_offset: i64,
    /// The permanent key it is for.
    permanent: i64,
    dc: i32,
    /// In unix seconds of the datacenter.
    expires_at: i32,
    /// On the account's monotonic clock.
    pub(crate) made_at: Duration,
    bound: bool,
}

impl TemporaryKey {
    /// `None` if that is no temporary key.
    pub(crate) fn new(
        created: &CreatedKey,
        dc: i32,
        permanent: i64,
        now: Duration,
    ) -> Option<Self> {
        Some(Self {
            key: created.key.clone(),
            salt: created.salt,
            time_offset: created.time_offset,
            permanent,
            dc,
            expires_at: created.expires_at?,
            made_at: now,
            bound: false,
        })
    }

    /// For how many seconds one is asked for, with a number between 0 and 1.
    pub(crate) fn lifetime(jitter: f64) -> i32 {
        (LIFETIME - LIFETIME_JITTER * jitter) as i32
    }

    /// In how long another is to be made, `server` being the datacenter's time in unix seconds.
    pub(crate) fn renewal_in(&self, server: i64) -> Duration {
        let left = u64::try_from(i64::from(self.expires_at) - server).unwrap_or(0);
        Duration::from_secs(left).saturating_sub(RENEWAL)
    }

    /// As the connection is told to use it in place of `permanent`.
    pub(crate) fn instead_of(&self, permanent: &UseKey) -> UseKey {
        let bind = BindRequest {
            permanent: permanent.key.clone(),
            expires_at: self.expires_at,
        };
        UseKey {
            key: self.key.clone(),
            salt: self.salt,
            time_offset: self.time_offset,
            forward_secrecy: Some(ForwardSecrecy {
                bind,
                bound: self.bound,
            }),
        }
    }
}

impl fmt::Debug for TemporaryKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TemporaryKey")
            .field("key", &self.key)
            .field("dc", &self.dc)
            .field("expires_at", &self.expires_at)
            .field("bound", &self.bound)
            .finish_non_exhaustive()
    }
}

/// What makes a key a temporary one.
#[derive(Debug, Clone)]
pub(crate) struct ForwardSecrecy {
    pub(crate) bind: BindRequest,
    /// The datacenter knows already whom it speaks for.
    pub(crate) bound: bool,
}

/// The temporary keys of an account: its own connection's, and that of each connection beside it. They outlive the actors
/// that use them, so that a connection for files that comes and goes leaves no heap of keys at the datacenter.
#[derive(Debug, Clone, Default)]
pub(crate) struct TemporaryKeys(Arc<Mutex<BTreeMap<Option<Site>, TemporaryKey>>>);

impl TemporaryKeys {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Option<Site>, TemporaryKey>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The key for this place, if there is one that speaks for this permanent key and is to be used further.
    pub(crate) fn find(
        &self,
        place: Option<Site>,
        dc: i32,
        permanent: i64,
        server: i64,
    ) -> Option<TemporaryKey> {
        let keys = self.lock();
        let key = keys.get(&place)?;
        let useful = key.dc == dc && key.permanent == permanent;
        (useful && !key.renewal_in(server).is_zero()).then(|| key.clone())
    }

    pub(crate) fn put(&self, place: Option<Site>, key: TemporaryKey) {
        self.lock().insert(place, key);
    }

    /// Forgets the key with this id. Returns it, if it was there.
    pub(crate) fn drop_key(&self, place: Option<Site>, id: i64) -> Option<TemporaryKey> {
        let mut keys = self.lock();
        keys.get(&place).filter(|key| key.key.id() == id)?;
        keys.remove(&place)
    }

    /// The datacenter knows whom the key with this id speaks for.
    pub(crate) fn note_bound(&self, place: Option<Site>, id: i64) {
        if let Some(key) = self.lock().get_mut(&place)
            && key.key.id() == id
        {
            key.bound = true;
        }
    }

    /// Forgets them all: the permanent keys they speak for are forgotten.
    pub(crate) fn clear(&self) {
        self.lock().clear();
    }
}

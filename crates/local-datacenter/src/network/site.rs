//! What a connection finds where it came in.

use std::sync::{Arc, Mutex, PoisonError};

use actogram_crypto::rsa::PrivateKey;

use crate::model::{Endpoint, KNOWN_DATACENTERS, Role};

/// A listener's datacenter, role and RSA keys.
pub(crate) struct Site {
    pub(crate) endpoint: Endpoint,
    /// What key exchanges offer here, and nothing else.
    key: Mutex<Arc<PrivateKey>>,
    /// The datacenter numbers keys are made for.
    pub(crate) dcs: Vec<i32>,
}

impl Site {
    /// `all` are the listeners beside which it stands.
    pub(crate) fn new(endpoint: Endpoint, key: Arc<PrivateKey>, all: &[Endpoint]) -> Self {
        let own = endpoint.dc_id;
        let mut ids = vec![own];
        let mut with_accounts = all.iter().filter(|other| other.role == Role::Main);
        if endpoint.role != Role::Cdn && with_accounts.all(|other| other.dc_id == own) {
            // A lone datacenter stands for all of them.
            let taken = |id: &i32| all.iter().any(|other| other.dc_id == *id);
            ids.extend(KNOWN_DATACENTERS.filter(|id| !taken(id)));
        }
        // Test datacenters are other forms of the same number, and so are media connections, but not those of a CDN.
        let forms = ids.iter().flat_map(|id| match endpoint.role {
            Role::Main => vec![*id, -id, id + 10_000, -(id + 10_000)],
            Role::MediaOnly => vec![-id, -(id + 10_000)],
            Role::Cdn => vec![*id, id + 10_000],
        });
        Self {
            dcs: forms.collect(),
            endpoint,
            key: Mutex::new(key),
        }
    }

    pub(crate) fn key(&self) -> Arc<PrivateKey> {
        self.key
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Offers another key to connections that open from now on.
    pub(crate) fn set_key(&self, key: Arc<PrivateKey>) {
        *self.key.lock().unwrap_or_else(PoisonError::into_inner) = key;
    }
}

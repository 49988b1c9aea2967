//! The key that client and datacenter share.

use std::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::sha::sha1;

/// Who sends a message: the key derivation differs by direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// The client, `x = 0`.
    Client,
    /// The server, `x = 8`.
    Server,
}

impl Side {
    pub(crate) fn offset(self) -> usize {
        match self {
            Self::Client => 0,
            Self::Server => 8,
        }
    }
}

/// An authorization key: 2048 bits that only this client and this datacenter know
/// (<https://core.telegram.org/mtproto/auth_key>).
///
/// It is wiped when dropped, shows only its id, and cannot be cloned or compared: share it as an `Arc`, name it by
/// its [`id`](Self::id).
///
/// ```compile_fail,E0599
/// let key = actogram_crypto::AuthKey::new([7; 256]);
/// let copy = key.clone();
/// ```
pub struct AuthKey {
    // On the heap, so that moving the key leaves no copies of it on the stack.
    bytes: Box<[u8; 256]>,
    id: i64,
    aux_hash: i64,
}

impl AuthKey {
    /// The key of these bytes, big-endian, with its leading zeros.
    pub fn new(mut bytes: [u8; 256]) -> Self {
        let hash = sha1(&bytes);
        let (mut aux, mut id) = ([0; 8], [0; 8]);
        aux.copy_from_slice(&hash[..8]);
        id.copy_from_slice(&hash[12..]);
        let boxed = Box::new(bytes);
        bytes.zeroize();
        Self {
            bytes: boxed,
            id: i64::from_le_bytes(id),
            aux_hash: i64::from_le_bytes(aux),
        }
    }

    /// The key's name on the wire: the last 64 bits of its SHA-1, little-endian.
    pub fn id(&self) -> i64 {
        self.id
    }

    /// The first 64 bits of its SHA-1, little-endian: what `new_nonce_hash` and `retry_id` are made of.
    pub fn aux_hash(&self) -> i64 {
        self.aux_hash
    }

    /// The key itself. Take care where it goes.
    pub fn as_bytes(&self) -> &[u8; 256] {
        &self.bytes
    }
}

impl Drop for AuthKey {
    fn drop(&mut self) {
        self.bytes.zeroize();
        self.aux_hash.zeroize();
    }
}

impl ZeroizeOnDrop for AuthKey {}

impl fmt::Debug for AuthKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AuthKey(id={:016x})", self.id)
    }
}

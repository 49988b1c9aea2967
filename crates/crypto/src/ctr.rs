//! AES-256 in counter mode: the obfuscated transport and CDN files.

use std::fmt;

use cipher::{KeyIvInit, StreamCipher};

/// One key stream with a 128-bit big-endian counter; it goes on where the last call ended.
pub struct Ctr256(ctr::Ctr128BE<aes::Aes256>);

impl Ctr256 {
    /// The stream of this key, its counter starting at `iv`.
    pub fn new(key: &[u8; 32], iv: &[u8; 16]) -> Self {
        Self(ctr::Ctr128BE::new(&(*key).into(), &(*iv).into()))
    }

    /// Encrypts or decrypts in place: both are the same.
    pub fn apply(&mut self, data: &mut [u8]) {
        self.0.apply_keystream(data);
    }
}

impl fmt::Debug for Ctr256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ctr256")
    }
}

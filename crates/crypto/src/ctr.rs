//! AES-256 in counter mode: the obfuscated transport and CDN files.

use std::fmt;

use cipher::{KeyIvInit, StreamCipher};

/// One key stream with a 128-bit big-endian counter; it goes on where the last call ended.
pub struct Ctr256(ctr::Ctr128BE<aes::Aes256Enc>);

impl Ctr256 {
    /// The stream of this key, its counter starting at `iv`.
    pub fn new(key: &[u8; 32], iv: &[u8; 16]) -> Self {
        Self(ctr::Ctr128BE::new(key.into(), iv.into()))
    }

    /// The stream of a CDN file from its block `block` of 16 bytes on: the last four bytes of the IV are replaced by
    /// that number, big-endian (<https://core.telegram.org/cdn#decrypting-files>).
    pub fn at_cdn_block(key: &[u8; 32], iv: &[u8; 16], block: u32) -> Self {
        let mut iv = *iv;
        iv[12..].copy_from_slice(&block.to_be_bytes());
        Self::new(key, &iv)
    }

    /// Encrypts or decrypts in place: both are the same.
    pub fn apply(&mut self, data: &mut [u8]) {
        self.0.apply_keystream(data);
    }
}

impl fmt::Debug for Ctr256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ctr256(***)")
    }
}

//! AES-256 in IGE mode (<https://core.telegram.org/mtproto/description>).
//!
//! Blocks are handed to the `ige` crate as one slice: a loop over single blocks is four times slower.

use aes::{Aes256Dec, Aes256Enc};
use cipher::{Array, BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};

/// Encrypts in place.
///
/// # Panics
/// If the length is no multiple of 16: the caller pads, so this is a bug of the caller and never of the peer.
pub fn encrypt(key: &[u8; 32], iv: &[u8; 32], data: &mut [u8]) {
    let (blocks, rest) = Array::slice_as_chunks_mut(data);
    assert!(rest.is_empty(), "IGE works on whole blocks of 16 bytes");
    ige::Encryptor::<Aes256Enc>::new(key.into(), iv.into()).encrypt_blocks(blocks);
}

/// Decrypts in place.
///
/// # Panics
/// As [`encrypt`]: whoever takes the length from a peer checks it first.
pub fn decrypt(key: &[u8; 32], iv: &[u8; 32], data: &mut [u8]) {
    let (blocks, rest) = Array::slice_as_chunks_mut(data);
    assert!(rest.is_empty(), "IGE works on whole blocks of 16 bytes");
    ige::Decryptor::<Aes256Dec>::new(key.into(), iv.into()).decrypt_blocks(blocks);
}

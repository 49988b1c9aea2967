//! One message at a time, by the crate `ige`: on every processor.
//!
//! Blocks are handed to it as one slice: a loop over single blocks is four times slower.

use aes::{Aes256Dec, Aes256Enc};
use cipher::{Array, BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};

use super::Blocks;

/// Blocks between two looks at what is done: 4 KiB, which are still in the fastest cache then.
pub(super) const STEP: usize = 256;

pub(super) fn encrypt(key: &[u8; 32], iv: &[u8; 32], blocks: &mut Blocks) {
    ige::Encryptor::<Aes256Enc>::new(key.into(), iv.into())
        .encrypt_blocks(Array::cast_slice_from_core_mut(blocks));
}

pub(super) fn decrypt(
    key: &[u8; 32],
    iv: &[u8; 32],
    blocks: &mut Blocks,
    step: usize,
    mut done: impl FnMut(&[u8]),
) {
    let mut decryptor = ige::Decryptor::<Aes256Dec>::new(key.into(), iv.into());
    let mut at = 0;
    while at < blocks.len() {
        let end = at.saturating_add(step).min(blocks.len());
        decryptor.decrypt_blocks(Array::cast_slice_from_core_mut(&mut blocks[at..end]));
        at = end;
        done(blocks[..at].as_flattened());
    }
}

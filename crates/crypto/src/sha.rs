//! The hashes MTProto uses.

use sha1::{Digest, Sha1};
use sha2::{Sha256, block_api::compress256};

/// SHA-1.
pub fn sha1(data: &[u8]) -> [u8; 20] {
    Sha1::digest(data).into()
}

/// SHA-1 over the parts in a row.
pub(crate) fn sha1_of(parts: &[&[u8]]) -> [u8; 20] {
    let mut hash = Sha1::new();
    for part in parts {
        hash.update(part);
    }
    hash.finalize().into()
}

/// SHA-256.
pub fn sha256(data: &[u8]) -> [u8; 32] {
    Sha256::digest(data).into()
}

/// SHA-256 over the parts in a row.
pub(crate) fn sha256_of(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
    }
    hash.finalize().into()
}

/// The state SHA-256 begins with: FIPS 180-4, 5.3.3.
const INITIAL: [u32; 8] = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];

/// SHA-256 of 52 bytes in two parts. With its padding (FIPS 180-4, 5.1.1: a bit, zeros, the length in bits) that is
/// exactly one block, so no buffer is needed: every message needs this hash twice, and a short one feels it.
#[inline]
pub(crate) fn sha256_of_52(first: &[u8], second: &[u8]) -> [u8; 32] {
    let mut block = [0; 64];
    let (head, tail) = block[..52].split_at_mut(first.len());
    head.copy_from_slice(first);
    tail.copy_from_slice(second);
    block[52] = 0x80;
    block[56..].copy_from_slice(&(52u64 * 8).to_be_bytes());
    let mut state = INITIAL;
    compress256(&mut state, &[block]);
    to_digest(&state)
}

/// SHA-256 of `first`, which has 32 bytes, and then `data`, which is read where it lies instead of through a buffer.
#[inline]
pub(crate) fn sha256_after_32(first: &[u8], data: &[u8]) -> [u8; 32] {
    let Some((head, rest)) = data.split_first_chunk::<32>() else {
        return sha256_of(&[first, data]);
    };
    let mut state = INITIAL;
    let mut block = [0; 64];
    block[..32].copy_from_slice(first);
    block[32..].copy_from_slice(head);
    compress256(&mut state, &[block]);
    let (blocks, tail) = rest.as_chunks::<64>();
    if !blocks.is_empty() {
        compress256(&mut state, blocks);
    }
    // What is left, and the padding: a second block if the length does not fit into the first one any more.
    let mut last = [[0; 64]; 2];
    last[0][..tail.len()].copy_from_slice(tail);
    last[0][tail.len()] = 0x80;
    let end = usize::from(tail.len() >= 56);
    let bits = (32 + data.len() as u64) * 8;
    last[end][56..].copy_from_slice(&bits.to_be_bytes());
    compress256(&mut state, &last[..=end]);
    to_digest(&state)
}

#[inline]
fn to_digest(state: &[u32; 8]) -> [u8; 32] {
    let mut out = [0; 32];
    for (bytes, word) in out.chunks_exact_mut(4).zip(state) {
        bytes.copy_from_slice(&word.to_be_bytes());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_block_is_hashed_as_any_other() {
        let data: [u8; 52] = std::array::from_fn(|at| (at * 5) as u8);
        for cut in [0, 16, 36, 52] {
            let (first, second) = data.split_at(cut);
            assert_eq!(sha256_of_52(first, second), sha256(&data));
        }
    }

    #[test]
    fn data_after_32_bytes_is_hashed_as_any_other() {
        let data: Vec<u8> = (0..1000u32).map(|at| (at * 7 / 3) as u8).collect();
        for length in (0..400).chain([999, 968, 967]) {
            let (first, rest) = data.split_at(32);
            let rest = &rest[..length.min(rest.len())];
            let whole = &data[..32 + rest.len()];
            assert_eq!(sha256_after_32(first, rest), sha256(whole), "{length}");
        }
    }
}

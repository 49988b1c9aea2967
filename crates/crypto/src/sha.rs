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

/// SHA-256 of 32 bytes and then data, which is read where it lies instead of through a buffer, as much of it as there is
/// by then.
///
/// The 32 bytes stay with their owner: they are of a key.
pub(crate) struct Sha256After32<'a> {
    state: [u32; 8],
    first: &'a [u8],
    /// How much of the data is in `state`: nothing, or 32 bytes and whole blocks of 64.
    taken: usize,
}

impl<'a> Sha256After32<'a> {
    #[inline]
    pub(crate) fn new(first: &'a [u8]) -> Self {
        Self {
            state: INITIAL,
            first,
            taken: 0,
        }
    }

    /// Takes all that makes whole blocks: `data` is everything that is known, from the first byte on.
    #[inline]
    pub(crate) fn take(&mut self, data: &[u8]) {
        if self.taken == 0 {
            let Some(head) = data.first_chunk::<32>() else {
                return;
            };
            let mut block = [0; 64];
            block[..32].copy_from_slice(self.first);
            block[32..].copy_from_slice(head);
            compress256(&mut self.state, &[block]);
            self.taken = 32;
        }
        let (blocks, _) = data[self.taken..].as_chunks::<64>();
        if !blocks.is_empty() {
            compress256(&mut self.state, blocks);
            self.taken += 64 * blocks.len();
        }
    }

    /// The hash; `data` is everything.
    #[inline]
    pub(crate) fn finish(mut self, data: &[u8]) -> [u8; 32] {
        self.take(data);
        if self.taken == 0 {
            return sha256_of(&[self.first, data]);
        }
        let tail = &data[self.taken..];
        // What is left, and the padding: a second block if the length does not fit into the first one any more.
        let mut last = [[0; 64]; 2];
        last[0][..tail.len()].copy_from_slice(tail);
        last[0][tail.len()] = 0x80;
        let end = usize::from(tail.len() >= 56);
        let bits = (32 + data.len() as u64) * 8;
        last[end][56..].copy_from_slice(&bits.to_be_bytes());
        compress256(&mut self.state, &last[..=end]);
        to_digest(&self.state)
    }
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
            let at_once = Sha256After32::new(first).finish(rest);
            assert_eq!(at_once, sha256(whole), "{length}");
            for step in [1, 16, 31, 32, 64, 80, 200] {
                let mut hash = Sha256After32::new(first);
                for known in (0..rest.len()).step_by(step) {
                    hash.take(&rest[..known]);
                }
                assert_eq!(hash.finish(rest), sha256(whole), "{length} by {step}");
            }
        }
    }
}

//! Complete MTProto messages beside the bare sum of their parts, run in turns so that a busy machine disturbs both
//! alike: `cargo bench -p actogram-crypto --bench message_ratio`.
//!
//! The bare sum is what `ige` and `sha2` cost over the same bytes: SHA-256 of 32 bytes of key and the plaintext, two
//! SHA-256 of 52 bytes (the derivation), one key schedule and IGE over the plaintext. A ratio of 1 means that nothing
//! is lost beside it; the bar is 0.95.
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use actogram_crypto::{
    AuthKey, Side,
    message::{HEADER, decrypt, encrypt},
};
use aes::{Aes256Dec, Aes256Enc};
use cipher::{Array, BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use sha2::{Digest, Sha256};

const TURNS: usize = 61;

fn bare_hashes(key: &[u8; 32], plaintext: &[u8]) {
    black_box(
        Sha256::new()
            .chain_update(key)
            .chain_update(plaintext)
            .finalize(),
    );
    for _ in 0..2 {
        let (msg_key, part) = black_box(([3u8; 16], [4u8; 36]));
        black_box(
            Sha256::new()
                .chain_update(msg_key)
                .chain_update(part)
                .finalize(),
        );
    }
}

fn bare_encrypt(key: &[u8; 32], iv: &[u8; 32], plaintext: &mut [u8]) {
    bare_hashes(key, plaintext);
    let (blocks, _) = Array::slice_as_chunks_mut(plaintext);
    ige::Encryptor::<Aes256Enc>::new(key.into(), iv.into()).encrypt_blocks(blocks);
}

fn bare_decrypt(key: &[u8; 32], iv: &[u8; 32], ciphertext: &mut [u8]) {
    let (blocks, _) = Array::slice_as_chunks_mut(ciphertext);
    ige::Decryptor::<Aes256Dec>::new(key.into(), iv.into()).decrypt_blocks(blocks);
    bare_hashes(key, ciphertext);
}

/// The time of one call, the median over the turns, of both in turns.
fn medians(rounds: usize, mut ours: impl FnMut(), mut bare: impl FnMut()) -> (Duration, Duration) {
    let timed = |work: &mut dyn FnMut()| {
        let begun = Instant::now();
        for _ in 0..rounds {
            work();
        }
        begun.elapsed() / rounds as u32
    };
    let (mut left, mut right) = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        left.push(timed(&mut ours));
        right.push(timed(&mut bare));
    }
    left.sort();
    right.sort();
    (left[TURNS / 2], right[TURNS / 2])
}

fn main() {
    let key = AuthKey::new(std::array::from_fn(|i| (7 * i + 3) as u8));
    let (aes_key, iv) = (black_box([1; 32]), black_box([2; 32]));
    println!("body, bytes  direction  complete, us   bare sum, us   ratio");
    for body in [32, 208, 1024, 16 * 1024, 1024 * 1024] {
        let length = (32 + body + 12usize).next_multiple_of(16);
        let rounds = (4_000_000 / (length + 400)).max(1);
        let mut packet = vec![0; HEADER + length];
        let mut bare = vec![0; length];
        let encrypting = medians(
            rounds,
            || {
                let _ = black_box(encrypt(&key, Side::Client, &mut packet));
            },
            || bare_encrypt(&aes_key, &iv, &mut bare),
        );
        // The first turn opens an honest message; later ones fail after exactly the same work.
        let decrypting = medians(
            rounds,
            || {
                let _ = black_box(decrypt(&key, Side::Client, &mut packet));
            },
            || bare_decrypt(&aes_key, &iv, &mut bare),
        );
        for (direction, (ours, bare)) in [("encrypt", encrypting), ("decrypt", decrypting)] {
            let (ours, bare) = (ours.as_secs_f64() * 1e6, bare.as_secs_f64() * 1e6);
            println!(
                "{body:>11}  {direction:>9}  {ours:>12.3}  {bare:>13.3}  {:>6.3}",
                bare / ours
            );
        }
    }
}

//! Complete MTProto messages beside the bare sum of their parts, run in turns so that a busy machine disturbs both
//! alike: `cargo bench -p actogram-crypto --bench message_ratio`.
//!
//! The bare sum is what `ige` and `sha2` cost over the same bytes: SHA-256 of 32 bytes of key and the plaintext, two
//! SHA-256 of 52 bytes (the derivation), one key schedule and IGE over the plaintext, each waiting for the one it takes
//! its input from. A ratio of 1 means that nothing is lost beside it; the bar is 0.95. Decryption does better, since it hashes
//! while it decrypts: `benches/ciphers` has the bar for that.
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]

use std::{hint::black_box, time::Instant};

use actogram_crypto::{
    AuthKey, Side,
    message::{HEADER, decrypt, encrypt},
};
use aes::{Aes256Dec, Aes256Enc};
use cipher::{Array, BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use sha2::{Digest, Sha256};

const TURNS: usize = 61;

/// Two hashes of 52 bytes, of lengths known when this is compiled. Key and IV each take bytes of both, so that IGE
/// waits for both: with one hash for the key and the other for the IV, the second would run beside the key schedule,
/// which saves 20 ns that no message can save.
#[inline(always)]
fn derivation(msg_key: &[u8; 16], key: &[u8; 256]) -> [[u8; 32]; 2] {
    let (before, after): (&[u8; 36], &[u8; 36]) = (
        key[..36].try_into().unwrap(),
        key[40..76].try_into().unwrap(),
    );
    let a = Sha256::new().chain_update(msg_key).chain_update(before);
    let b = Sha256::new().chain_update(after).chain_update(msg_key);
    let (a, b): ([u8; 32], [u8; 32]) = (a.finalize().into(), b.finalize().into());
    let (mut aes_key, mut iv) = (a, b);
    aes_key[8..24].copy_from_slice(&b[8..24]);
    iv[8..24].copy_from_slice(&a[8..24]);
    [aes_key, iv]
}

#[inline(always)]
fn payload_hash(key: &[u8; 256], plaintext: &[u8]) -> [u8; 32] {
    let hash = Sha256::new()
        .chain_update(&key[88..120])
        .chain_update(plaintext);
    hash.finalize().into()
}

fn bare_encrypt(key: &[u8; 256], plaintext: &mut [u8]) {
    let large = payload_hash(key, plaintext);
    let [aes_key, iv] = derivation(large[8..24].try_into().unwrap(), key);
    let (blocks, _) = Array::slice_as_chunks_mut(plaintext);
    ige::Encryptor::<Aes256Enc>::new((&aes_key).into(), (&iv).into()).encrypt_blocks(blocks);
}

fn bare_decrypt(key: &[u8; 256], ciphertext: &mut [u8]) {
    let [aes_key, iv] = derivation(black_box(&[3; 16]), key);
    let (blocks, _) = Array::slice_as_chunks_mut(ciphertext);
    ige::Decryptor::<Aes256Dec>::new((&aes_key).into(), (&iv).into()).decrypt_blocks(blocks);
    black_box(payload_hash(key, ciphertext));
}

/// The time of one call of each, in microseconds: the best of the turns, which other work on the
/// machine disturbs least.
fn best(rounds: usize, works: &mut [&mut dyn FnMut(); 2]) -> [f64; 2] {
    let mut times = [const { Vec::new() }; 2];
    for _ in 0..TURNS {
        for (work, times) in works.iter_mut().zip(&mut times) {
            let begun = Instant::now();
            for _ in 0..rounds {
                work();
            }
            times.push(begun.elapsed().as_secs_f64() * 1e6 / rounds as f64);
        }
    }
    times.map(|times: Vec<f64>| times.into_iter().fold(f64::MAX, f64::min))
}

fn main() {
    let bytes = std::array::from_fn(|i| (7 * i + 3) as u8);
    let key = AuthKey::new(bytes);
    println!("body, bytes  direction  complete, us  bare sum, us  ratio");
    for body in [32, 208, 1024, 16 * 1024, 1024 * 1024] {
        let length = (32 + body + 12usize).next_multiple_of(16);
        let rounds = (4_000_000 / (length + 400)).max(1);
        let mut packet = vec![0; HEADER + length];
        let mut bare = vec![0; length];
        let encrypting = best(
            rounds,
            &mut [
                &mut || {
                    black_box(encrypt(&key, Side::Client, &mut packet));
                },
                &mut || bare_encrypt(&bytes, &mut bare),
            ],
        );
        // The first turn opens an honest message; later ones are refused after exactly the same work.
        let decrypting = best(
            rounds,
            &mut [
                &mut || {
                    let _ = black_box(decrypt(&key, Side::Client, &mut packet));
                },
                &mut || bare_decrypt(&bytes, &mut bare),
            ],
        );
        for (direction, times) in [("encrypt", encrypting), ("decrypt", decrypting)] {
            let [ours, bare] = times;
            println!(
                "{body:>11}  {direction:>9}  {ours:>12.3}  {bare:>12.3}  {:>5.3}",
                bare / ours
            );
        }
    }
}

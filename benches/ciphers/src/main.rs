//! AES-256-IGE and whole messages by actogram-crypto, by `ige` and `sha2`, and by OpenSSL, side by side in one run:
//! `cargo run --release` here. All works of a table are done in turns, so that a noisy moment of the machine hits all alike,
//! and the best turn of each counts. Below each table stands how it meets its bars; with `--check` a bar that is missed is an
//! error.
#![allow(clippy::unwrap_used)]

use std::{hint::black_box, process::ExitCode, time::Instant};

use actogram_crypto::{
    AuthKey, Side,
    ige::{self as ours, Job},
    message::{self, HEADER, Packet},
};
use aes::{Aes256Dec, Aes256Enc};
use cipher::{Array, BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use openssl::{
    aes::{AesKey, aes_ige},
    symm::Mode,
};
use sha2::{Digest, Sha256};

const MEBIBYTE: usize = 1 << 20;
const TURNS: usize = 25;

/// What a busy machine may take of a ratio before a bar counts as missed.
const TOLERANCE: f64 = 0.95;

struct Work<'a> {
    name: String,
    bytes: usize,
    run: Box<dyn FnMut() + 'a>,
}

impl<'a> Work<'a> {
    fn new(name: impl Into<String>, bytes: usize, run: impl FnMut() + 'a) -> Self {
        Self {
            name: name.into(),
            bytes,
            run: Box::new(run),
        }
    }
}

/// The speed of each in MB/s, by its best turn.
fn measure(title: &str, mut works: Vec<Work<'_>>) -> Vec<f64> {
    let mut best = vec![f64::MAX; works.len()];
    for _ in 0..TURNS {
        for (work, best) in works.iter_mut().zip(&mut best) {
            let begun = Instant::now();
            (work.run)();
            *best = best.min(begun.elapsed().as_secs_f64());
        }
    }
    println!("\n{title}");
    println!("  {:<44} {:>9} {:>10}", "", "MB/s", "x the first");
    let speeds: Vec<f64> = works
        .iter()
        .zip(best)
        .map(|(work, seconds)| work.bytes as f64 / seconds / 1e6)
        .collect();
    for (work, speed) in works.iter().zip(&speeds) {
        println!(
            "  {:<44} {speed:>9.0} {:>10.2}",
            work.name,
            speed / speeds[0]
        );
    }
    speeds
}

#[derive(Default)]
struct Bars {
    missed: usize,
}

impl Bars {
    fn judge(&mut self, what: &str, ratio: f64, bar: f64) {
        let met = ratio >= bar * TOLERANCE;
        println!(
            "  {}: {what}: {ratio:.2}, at least {bar} is wanted",
            if met { "met" } else { "MISSED" }
        );
        self.missed += usize::from(!met);
    }
}

fn keys(number: usize) -> ([u8; 32], [u8; 32]) {
    let number = number as u8;
    (
        std::array::from_fn(|at| at as u8 ^ (number * 5)),
        std::array::from_fn(|at| (at as u8 * 3) ^ number),
    )
}

fn jobs<'a>(data: &'a mut [Vec<u8>], keys: &'a [([u8; 32], [u8; 32])]) -> Vec<Job<'a>> {
    data.iter_mut()
        .zip(keys)
        .map(|(data, (key, iv))| Job { key, iv, data })
        .collect()
}

fn ige_alone(bars: &mut Bars, encrypting: bool) {
    let keys: Vec<_> = (0..16).map(keys).collect();
    let mut works = Vec::new();
    let (key, iv) = keys[0];
    let mut data = vec![1; MEBIBYTE];
    works.push(Work::new("one stream", MEBIBYTE, move || {
        if encrypting {
            ours::encrypt(&key, &iv, black_box(&mut data));
        } else {
            ours::decrypt(&key, &iv, black_box(&mut data));
        }
    }));
    for width in [1, 2, 4, 8, 16] {
        let (mut data, keys) = (vec![vec![1; MEBIBYTE]; width], keys.clone());
        let name = format!("{width} messages of different keys interleaved");
        works.push(Work::new(name, width * MEBIBYTE, move || {
            let mut jobs = jobs(black_box(&mut data), &keys);
            if encrypting {
                ours::encrypt_batch(&mut jobs);
            } else {
                ours::decrypt_batch(&mut jobs);
            }
        }));
    }
    let mut data = vec![1; MEBIBYTE];
    works.push(Work::new("the crate ige over aes", MEBIBYTE, move || {
        let (blocks, _) = Array::slice_as_chunks_mut(black_box(&mut data));
        if encrypting {
            ige::Encryptor::<Aes256Enc>::new((&key).into(), (&iv).into()).encrypt_blocks(blocks);
        } else {
            ige::Decryptor::<Aes256Dec>::new((&key).into(), (&iv).into()).decrypt_blocks(blocks);
        }
    }));
    let (input, mut output) = (vec![1; MEBIBYTE], vec![0; MEBIBYTE]);
    works.push(Work::new("AES_ige_encrypt of OpenSSL", MEBIBYTE, move || {
        let mut iv = iv;
        if encrypting {
            let key = AesKey::new_encrypt(&key).unwrap();
            aes_ige(&input, black_box(&mut output), &key, &mut iv, Mode::Encrypt);
        } else {
            let key = AesKey::new_decrypt(&key).unwrap();
            aes_ige(&input, black_box(&mut output), &key, &mut iv, Mode::Decrypt);
        }
    }));
    let direction = if encrypting { "encryption" } else { "decryption" };
    let speeds = measure(&format!("AES-256-IGE, {direction}, 1 MiB each"), works);
    bars.judge("4 messages against one stream", speeds[3] / speeds[0], 3.5);
    bars.judge("8 messages against one stream", speeds[4] / speeds[0], 5.0);
    bars.judge("one stream against ige", speeds[0] / speeds[6], 1.0);
}

fn auth_key(number: usize) -> AuthKey {
    AuthKey::new(std::array::from_fn(|at| (7 * at + 3 + number) as u8))
}

/// Both hashes of the derivation, key schedule, IGE, and then the hash, as `ige` and `sha2` are used by themselves.
fn unfused(auth_key: &AuthKey, msg_key: &[u8; 16], ciphertext: &mut [u8]) -> [u8; 32] {
    let key = auth_key.as_bytes();
    let a = Sha256::new().chain_update(msg_key).chain_update(&key[8..44]);
    let b = Sha256::new().chain_update(&key[48..84]).chain_update(msg_key);
    let (a, b): ([u8; 32], [u8; 32]) = (a.finalize().into(), b.finalize().into());
    let (mut aes_key, mut iv) = (a, b);
    aes_key[8..24].copy_from_slice(&b[8..24]);
    iv[8..24].copy_from_slice(&a[8..24]);
    let (blocks, _) = Array::slice_as_chunks_mut(ciphertext);
    ige::Decryptor::<Aes256Dec>::new((&aes_key).into(), (&iv).into()).decrypt_blocks(blocks);
    let hash = Sha256::new()
        .chain_update(&key[96..128])
        .chain_update(&ciphertext);
    hash.finalize().into()
}

fn messages(bars: &mut Bars, size: usize, title: &str) {
    let sealed = |number: usize| {
        let mut packet = vec![number as u8; HEADER + size];
        message::encrypt(&auth_key(number), Side::Server, &mut packet);
        packet
    };
    let repeat = (MEBIBYTE / size).max(1);
    let keys: Vec<_> = (0..8).map(auth_key).collect();
    let mut works = Vec::new();
    let (key, mut data) = (auth_key(0), sealed(0));
    works.push(Work::new("ige, then sha2", size * repeat, move || {
        for _ in 0..repeat {
            let data = black_box(&mut data[HEADER..]);
            black_box(unfused(&key, &[3; 16], data));
        }
    }));
    let (key, mut data) = (auth_key(0), sealed(0));
    works.push(Work::new("hashed while decrypted", size * repeat, move || {
        for _ in 0..repeat {
            // Only the first time it is an honest one; refusing takes the same work.
            let _ = black_box(message::decrypt(&key, Side::Server, black_box(&mut data)));
        }
    }));
    for width in [2, 4, 8] {
        let mut data: Vec<_> = (0..width).map(sealed).collect();
        let keys = &keys;
        let name = format!("the same, {width} messages of different keys");
        works.push(Work::new(name, width * size * repeat, move || {
            for _ in 0..repeat {
                let mut packets: Vec<_> = black_box(&mut data)
                    .iter_mut()
                    .zip(keys)
                    .map(|(packet, key)| Packet {
                        key,
                        from: Side::Server,
                        packet,
                    })
                    .collect();
                black_box(message::decrypt_batch(&mut packets));
            }
        }));
    }
    let speeds = measure(&format!("whole messages of {title}, decryption"), works);
    if size == MEBIBYTE {
        bars.judge("hashed while decrypted", speeds[1] / speeds[0], 1.25);
    }
}

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let check = match arguments.as_slice() {
        [] => false,
        [flag] if flag == "--check" => true,
        _ => {
            eprintln!("usage: ciphers [--check]");
            return ExitCode::FAILURE;
        }
    };
    println!("{}", openssl::version::version());
    let mut bars = Bars::default();
    ige_alone(&mut bars, true);
    ige_alone(&mut bars, false);
    messages(&mut bars, MEBIBYTE, "1 MiB");
    messages(&mut bars, 128 * 1024, "128 KiB");
    messages(&mut bars, 16 * 1024, "16 KiB");
    messages(&mut bars, 1024, "1 KiB");
    println!("\nbars missed: {}", bars.missed);
    if check && bars.missed > 0 {
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

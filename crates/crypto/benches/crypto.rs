//! What each piece of the cryptography costs: `cargo bench -p actogram-crypto --bench crypto`.
//!
//! A message of `n` bytes is a body of `n` bytes with its header of 32 and the least padding.
#![allow(clippy::unwrap_used, missing_docs)]

use actogram_crypto::{
    AuthKey, Side,
    dh::{KNOWN_PRIME, Secret, check_parameters},
    factor, ige, kdf,
    message::{HEADER, decrypt, encrypt, encrypt_v1},
    random::{OsRandom, SeededRandom},
    rsa::PrivateKey,
    sha::sha256,
    srp,
};
use divan::{Bencher, black_box, counter::BytesCount};

const SIZES: [usize; 5] = [32, 208, 1024, 16 * 1024, 1024 * 1024];

fn main() {
    divan::main();
}

fn auth_key() -> AuthKey {
    AuthKey::new(std::array::from_fn(|i| (7 * i + 3) as u8))
}

fn padded(body: usize) -> usize {
    (32 + body + 12).next_multiple_of(16)
}

#[divan::bench(args = SIZES)]
fn ige_encrypt(bencher: Bencher<'_, '_>, size: usize) {
    let mut data = vec![0; size.next_multiple_of(16)];
    bencher
        .counter(BytesCount::new(data.len()))
        .bench_local(|| ige::encrypt(&[1; 32], &[2; 32], black_box(&mut data)));
}

#[divan::bench(args = SIZES)]
fn ige_decrypt(bencher: Bencher<'_, '_>, size: usize) {
    let mut data = vec![0; size.next_multiple_of(16)];
    bencher
        .counter(BytesCount::new(data.len()))
        .bench_local(|| ige::decrypt(&[1; 32], &[2; 32], black_box(&mut data)));
}

#[divan::bench(args = SIZES)]
fn payload_sha256(bencher: Bencher<'_, '_>, size: usize) {
    let data = vec![0; padded(size) + 32];
    bencher
        .counter(BytesCount::new(data.len()))
        .bench_local(|| sha256(black_box(&data)));
}

#[divan::bench(args = SIZES)]
fn message_encrypt(bencher: Bencher<'_, '_>, size: usize) {
    let (key, mut packet) = (auth_key(), vec![0; HEADER + padded(size)]);
    bencher
        .counter(BytesCount::new(packet.len() - HEADER))
        .bench_local(|| encrypt(&key, Side::Client, black_box(&mut packet)));
}

#[divan::bench(args = SIZES)]
fn message_decrypt(bencher: Bencher<'_, '_>, size: usize) {
    let (key, mut honest) = (auth_key(), vec![0; HEADER + padded(size)]);
    encrypt(&key, Side::Server, &mut honest);
    bencher
        .counter(BytesCount::new(honest.len() - HEADER))
        .with_inputs(|| honest.clone())
        .bench_local_refs(|packet| decrypt(&key, Side::Server, packet).unwrap());
}

mod handshake {
    use super::*;

    #[divan::bench]
    fn pq_of_62_bits(bencher: Bencher<'_, '_>) {
        let mut random = SeededRandom::from_seed(1);
        let pq = 0x17ED_4894_1A08_F981_u64.to_be_bytes();
        bencher.bench_local(|| factor::factorize(black_box(&pq), &mut random).unwrap());
    }

    #[divan::bench]
    fn rsa_pad_by_the_client(bencher: Bencher<'_, '_>) {
        let key = PrivateKey::generate(&mut SeededRandom::from_seed(2)).unwrap();
        bencher.bench_local(|| {
            let data = black_box(&[7; 96]);
            key.public().encrypt_padded(data, &mut OsRandom).unwrap()
        });
    }

    #[divan::bench]
    fn rsa_private_operation(bencher: Bencher<'_, '_>) {
        let key = PrivateKey::generate(&mut SeededRandom::from_seed(2)).unwrap();
        let block = key
            .public()
            .encrypt_padded(&[7; 96], &mut OsRandom)
            .unwrap();
        bencher.bench_local(|| key.open(black_box(&block)));
    }

    #[divan::bench]
    fn check_of_the_known_group() {
        check_parameters(black_box(&KNOWN_PRIME), 3).unwrap();
    }

    /// Once only: a prime that passed is remembered.
    #[divan::bench(sample_count = 1, sample_size = 1)]
    fn first_check_of_a_foreign_prime(bencher: Bencher<'_, '_>) {
        let text = include_str!("../tests/support/rfc3526_group14.hex");
        let prime: Vec<u8> = (0..256)
            .map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap())
            .collect();
        bencher.bench_local(|| check_parameters(black_box(&prime), 2).unwrap());
    }

    #[divan::bench]
    fn dh_public_value(bencher: Bencher<'_, '_>) {
        let secret = Secret::generate(&mut OsRandom);
        bencher.bench_local(|| secret.public(black_box(&KNOWN_PRIME), 3));
    }

    #[divan::bench]
    fn dh_shared_key(bencher: Bencher<'_, '_>) {
        let secret = Secret::generate(&mut OsRandom);
        let public = Secret::generate(&mut OsRandom).public(&KNOWN_PRIME, 3);
        bencher.bench_local(|| secret.shared(&KNOWN_PRIME, black_box(&public)).unwrap());
    }

    #[divan::bench]
    fn temporary_aes_key() -> ([u8; 32], [u8; 32]) {
        kdf::tmp_aes(black_box(&[1; 32]), black_box(&[2; 16]))
    }

    #[divan::bench]
    fn bind_envelope(bencher: Bencher<'_, '_>) {
        let key = auth_key();
        bencher.bench_local(|| encrypt_v1(&key, black_box(&[1; 72]), &[2; 8]));
    }

    /// Everything a client computes for one key: pq, RSA_PAD, the group, two powers.
    #[divan::bench]
    fn whole_client_side(bencher: Bencher<'_, '_>) {
        let rsa = PrivateKey::generate(&mut SeededRandom::from_seed(2)).unwrap();
        let public = Secret::generate(&mut OsRandom).public(&KNOWN_PRIME, 3);
        let pq = 0x17ED_4894_1A08_F981_u64.to_be_bytes();
        bencher.bench_local(|| {
            factor::factorize(&pq, &mut OsRandom).unwrap();
            rsa.public()
                .encrypt_padded(&[7; 96], &mut OsRandom)
                .unwrap();
            check_parameters(&KNOWN_PRIME, 3).unwrap();
            let secret = Secret::generate(&mut OsRandom);
            secret.public(&KNOWN_PRIME, 3);
            AuthKey::new(*secret.shared(&KNOWN_PRIME, &public).unwrap())
        });
    }
}

#[divan::bench]
fn password_proof(bencher: Bencher<'_, '_>) {
    let parameters = srp::Parameters {
        salt1: &[1; 40],
        salt2: &[2; 16],
        g: 3,
        p: &KNOWN_PRIME,
    };
    let verifier = srp::verifier(b"secret", &parameters).unwrap();
    let server = srp::Server::new(&parameters, &verifier, &mut OsRandom).unwrap();
    bencher.bench_local(|| {
        srp::prove(b"secret", &parameters, server.public(), &mut OsRandom).unwrap()
    });
}

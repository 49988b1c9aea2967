//! Keys, both paddings, and KS1: what a hostile client may send as its encrypted block.
#![allow(clippy::unwrap_used)]

mod support;

use std::{
    sync::OnceLock,
    time::{Duration, Instant},
};

use actogram_crypto::{
    random::{OsRandom, Random, SeededRandom, array},
    rsa::{KeyError, MOST_DATA, PrivateKey, PublicKey, Rejected},
    sha::sha1,
};
use crypto_bigint::{
    Odd, U2048,
    modular::{FixedMontyForm, FixedMontyParams},
};
use proptest::prelude::*;
use support::{number, to_bytes};

fn key() -> &'static PrivateKey {
    static KEY: OnceLock<PrivateKey> = OnceLock::new();
    KEY.get_or_init(|| PrivateKey::generate(&mut SeededRandom::from_seed(2)).unwrap())
}

/// The public operation alone: a block with any content.
fn encrypt_raw(key: &PublicKey, block: &[u8; 256]) -> [u8; 256] {
    let odd = Odd::new(number(key.n_bytes())).into_option().unwrap();
    let parameters = FixedMontyParams::new_vartime(odd);
    let exponent = key
        .e_bytes()
        .iter()
        .fold(0u32, |e, b| e << 8 | u32::from(*b));
    let base = FixedMontyForm::new(&number(block), &parameters);
    to_bytes(&base.pow(&U2048::from(exponent)).retrieve())
}

/// The padding before `RSA_PAD`: zero byte, SHA-1, data, random bytes.
fn encrypt_legacy(data: &[u8], random: &mut dyn Random) -> [u8; 256] {
    let mut block = array::<256>(random);
    block[0] = 0;
    block[1..21].copy_from_slice(&sha1(data));
    block[21..21 + data.len()].copy_from_slice(data);
    encrypt_raw(key().public(), &block)
}

#[test]
fn keys_come_back_from_pem() {
    let pem = key().to_pem();
    assert!(pem.starts_with("-----BEGIN RSA PRIVATE KEY-----\n"));
    let again = PrivateKey::from_pem(&pem).unwrap();
    assert_eq!(again.public(), key().public());
    let public_pem = key().public().to_pem().unwrap();
    assert!(public_pem.starts_with("-----BEGIN RSA PUBLIC KEY-----\n"));
    let public = PublicKey::from_pem(&format!("\n  {public_pem}\n\n")).unwrap();
    assert_eq!(&public, key().public());
    assert_eq!(public.fingerprint(), key().public().fingerprint());
    assert_eq!(public.e_bytes(), [1, 0, 1]);
    let parts = PublicKey::from_parts(public.n_bytes(), &[0, 1, 0, 1]).unwrap();
    assert_eq!(parts, public);
}

#[test]
fn keys_are_read_from_pkcs8_too() {
    use rsa::pkcs1::{DecodeRsaPrivateKey, DecodeRsaPublicKey};
    use rsa::pkcs8::{EncodePrivateKey, EncodePublicKey, LineEnding};
    let private = rsa::RsaPrivateKey::from_pkcs1_pem(&key().to_pem()).unwrap();
    let pem = private.to_pkcs8_pem(LineEnding::CRLF).unwrap();
    assert!(pem.starts_with("-----BEGIN PRIVATE KEY-----"));
    assert_eq!(PrivateKey::from_pem(&pem).unwrap().public(), key().public());
    let public = rsa::RsaPublicKey::from_pkcs1_pem(&key().public().to_pem().unwrap()).unwrap();
    let pem = public.to_public_key_pem(LineEnding::LF).unwrap();
    assert!(pem.starts_with("-----BEGIN PUBLIC KEY-----"));
    assert_eq!(&PublicKey::from_pem(&pem).unwrap(), key().public());
}

#[test]
fn what_is_no_key_is_refused_by_name() {
    for text in [
        "",
        "no key",
        "-----BEGIN RSA PUBLIC KEY-----\nAAAA\n-----END RSA PUBLIC KEY-----\n",
    ] {
        assert!(matches!(PublicKey::from_pem(text), Err(KeyError::Pem(_))));
        assert!(matches!(PrivateKey::from_pem(text), Err(KeyError::Pem(_))));
    }
    let n = *key().public().n_bytes();
    let e = [1, 0, 1];
    assert_eq!(
        PublicKey::from_parts(&n[1..], &e),
        Err(KeyError::Size(2040 - n[1].leading_zeros() as usize))
    );
    let shorter = to_bytes(&number(&n).shr_vartime(1));
    assert_eq!(
        PublicKey::from_parts(&shorter, &e),
        Err(KeyError::Size(2047))
    );
    assert_eq!(PublicKey::from_parts(&[], &e), Err(KeyError::Size(0)));
    let mut even = n;
    even[255] &= 0xfe;
    assert_eq!(PublicKey::from_parts(&even, &e), Err(KeyError::Even));
    for e in [&[][..], &[0], &[1], &[2], &[1; 9]] {
        assert_eq!(PublicKey::from_parts(&n, e), Err(KeyError::Exponent));
    }
    let weak = rsa::RsaPrivateKey::new(&mut rsa::rand_core::OsRng, 1024).unwrap();
    let pem = rsa::pkcs1::EncodeRsaPrivateKey::to_pkcs1_pem(&weak, rsa::pkcs8::LineEnding::LF);
    assert_eq!(
        PrivateKey::from_pem(&pem.unwrap()).err(),
        Some(KeyError::Size(1024))
    );
}

#[test]
fn generated_keys_differ_by_their_randomness_only() {
    let again = PrivateKey::generate(&mut SeededRandom::from_seed(2)).unwrap();
    assert_eq!(again.public(), key().public());
    let other = PrivateKey::generate(&mut OsRandom).unwrap();
    assert_ne!(other.public().fingerprint(), key().public().fingerprint());
    let encrypted = key()
        .public()
        .encrypt_padded(b"data", &mut OsRandom)
        .unwrap();
    assert_eq!(other.decrypt_padded(&encrypted).err(), Some(Rejected));
}

#[test]
fn data_up_to_144_bytes_fits() {
    let data = [0x5a; MOST_DATA + 1];
    assert_eq!(
        key().public().encrypt_padded(&data, &mut OsRandom),
        Err(KeyError::DataTooLong(145))
    );
    let encrypted = key()
        .public()
        .encrypt_padded(&data[..MOST_DATA], &mut OsRandom)
        .unwrap();
    let padded = key().decrypt_padded(&encrypted).unwrap();
    assert_eq!(padded[..MOST_DATA], data[..MOST_DATA]);
}

/// A block above the modulus is made again with another temporary key, so every one that is made opens.
#[test]
fn every_padded_block_is_below_the_modulus() {
    let mut random = SeededRandom::from_seed(7);
    for _ in 0..64 {
        let encrypted = key().public().encrypt_padded(b"x", &mut random).unwrap();
        assert!(encrypted < *key().public().n_bytes());
        assert_eq!(key().decrypt_padded(&encrypted).unwrap()[0], b'x');
    }
}

/// The block's leading zero byte and a SHA-1 that begins with zeros are not lost with the number's leading zeros.
#[test]
fn old_padding_keeps_leading_zeros_of_the_hash() {
    let data = (0u32..)
        .map(|at| at.to_le_bytes().to_vec())
        .find(|data| sha1(data)[..2] == [0, 0])
        .unwrap();
    let encrypted = encrypt_legacy(&data, &mut OsRandom);
    let opened = key().decrypt_legacy(&encrypted, |_| Some(4)).unwrap();
    assert_eq!(*opened, data);
}

#[test]
fn one_private_operation_serves_both_paddings() {
    let padded = key()
        .public()
        .encrypt_padded(b"new", &mut OsRandom)
        .unwrap();
    let legacy = encrypt_legacy(b"old", &mut OsRandom);
    let (new, old) = (key().open(&padded), key().open(&legacy));
    assert_eq!(new.padded().unwrap()[..3], *b"new");
    assert_eq!(*old.legacy(|_| Some(3)).unwrap(), b"old");
    assert_eq!(new.legacy(|_| Some(3)).err(), Some(Rejected));
    assert_eq!(old.padded().err(), Some(Rejected));
}

/// Every block of KS1 that this key does not open.
fn hostile_blocks() -> Vec<(&'static str, Vec<u8>)> {
    let public = key().public();
    let n = number(public.n_bytes());
    let honest = public.encrypt_padded(b"data", &mut OsRandom).unwrap();
    let mut flipped = honest;
    flipped[255] ^= 1;
    // The number is right, the SHA-256 inside is not: any content but an honest one.
    let mut content = array::<256>(&mut OsRandom);
    content[0] = 0;
    vec![
        ("random bytes", {
            let mut bytes = array::<256>(&mut OsRandom).to_vec();
            bytes[0] &= 0x7f;
            bytes
        }),
        ("zero", vec![0; 256]),
        ("one", [&[0; 255][..], &[1]].concat()),
        ("the modulus", public.n_bytes().to_vec()),
        (
            "above the modulus",
            to_bytes(&n.wrapping_add(&U2048::ONE)).to_vec(),
        ),
        ("all ones", vec![0xff; 256]),
        ("wrong hash inside", encrypt_raw(public, &content).to_vec()),
        ("one bit flipped", flipped.to_vec()),
        ("empty", vec![]),
        ("255 bytes", honest[..255].to_vec()),
        ("257 bytes", [&[0][..], &honest].concat()),
        ("a kilobyte", vec![0x11; 1024]),
    ]
}

#[test]
fn ks1_every_hostile_block_gets_the_same_refusal() {
    for (name, block) in hostile_blocks() {
        assert_eq!(key().decrypt_padded(&block).err(), Some(Rejected), "{name}");
        for length in [
            None,
            Some(0),
            Some(96),
            Some(235),
            Some(236),
            Some(usize::MAX),
        ] {
            let refusal = key().decrypt_legacy(&block, |_| length).err();
            assert_eq!(refusal, Some(Rejected), "{name}, {length:?}");
        }
    }
}

/// The range check must not save the private operation: minima over several runs differ by far less than it costs.
#[test]
fn ks1_every_hostile_block_takes_comparable_time() {
    let cost = |block: &[u8]| {
        let once = || {
            let begun = Instant::now();
            let _ = key().decrypt_padded(block);
            begun.elapsed()
        };
        (0..9).map(|_| once()).min().unwrap()
    };
    let honest = key()
        .public()
        .encrypt_padded(b"data", &mut OsRandom)
        .unwrap();
    let honest = cost(&honest);
    let allowed = honest / 2..honest * 2;
    assert!(honest > Duration::from_micros(200), "it costs {honest:?}");
    for (name, block) in hostile_blocks() {
        let taken = cost(&block);
        assert!(
            allowed.contains(&taken),
            "{name}: {taken:?}, honest: {honest:?}"
        );
    }
}

#[test]
fn ks1_old_padding_with_a_wrong_hash_or_a_first_byte() {
    let mut block = [0; 256];
    block[1..21].copy_from_slice(&sha1(b"data"));
    block[21..25].copy_from_slice(b"data");
    let open =
        |block: &[u8; 256]| key().decrypt_legacy(&encrypt_raw(key().public(), block), |_| Some(4));
    assert_eq!(*open(&block).unwrap(), b"data");
    for at in 0..25 {
        let mut tampered = block;
        tampered[at] ^= 1;
        assert_eq!(open(&tampered).err(), Some(Rejected), "byte {at}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn padded_data_comes_back(data in prop::collection::vec(any::<u8>(), 0..=MOST_DATA), seed: u64) {
        let mut random = SeededRandom::from_seed(seed);
        let encrypted = key().public().encrypt_padded(&data, &mut random).unwrap();
        let opened = key().decrypt_padded(&encrypted).unwrap();
        prop_assert_eq!(&opened[..data.len()], &data[..]);
        let again = key().public().encrypt_padded(&data, &mut random).unwrap();
        prop_assert_ne!(again, encrypted);
    }

    #[test]
    fn old_padding_comes_back(data in prop::collection::vec(any::<u8>(), 0..=235), seed: u64) {
        let encrypted = encrypt_legacy(&data, &mut SeededRandom::from_seed(seed));
        let opened = key().decrypt_legacy(&encrypted, |rest| {
            assert_eq!(rest.len(), 235);
            assert_eq!(rest[..data.len()], data);
            Some(data.len())
        });
        prop_assert_eq!(&**opened.unwrap(), &data[..]);
    }
}

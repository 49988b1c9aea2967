//! K7 to K10: what a hostile datacenter may send as group and public value.
#![allow(clippy::unwrap_used)]

mod support;

use actogram_crypto::{
    AuthKey,
    dh::{DhError, KNOWN_PRIME, Secret, check_parameters, check_public},
    random::{OsRandom, SeededRandom},
};
use crypto_bigint::{Odd, U2048};
use crypto_primes::{
    Flavor,
    hazmat::{MillerRabin, Primality},
    is_prime,
};
use proptest::prelude::*;
use support::{hex, margin, number, to_bytes};

/// Group 14 of RFC 3526, a safe prime of 2048 bits that is not Telegram's.
const ANOTHER_SAFE_PRIME: &str = include_str!("support/rfc3526_group14.hex");

/// A prime whose half is composite.
const UNSAFE_PRIME: &str = include_str!("support/unsafe_prime.hex");

/// A product of three primes, made so that Miller–Rabin passes it for each prime base up to 37 (Arnault's method).
const STRONG_PSEUDOPRIME: &str = include_str!("support/strong_pseudoprime.hex");

fn prime(text: &str) -> [u8; 256] {
    hex(text.trim()).try_into().unwrap()
}

fn probable_prime_to_base(n: &[u8; 256], base: u32) -> bool {
    let odd = Odd::new(number(n)).into_option().unwrap();
    MillerRabin::new(odd).test(&U2048::from(base)) != Primality::Composite
}

#[test]
fn k7_twin_telegrams_prime_and_another_safe_prime_pass() {
    assert_eq!(check_parameters(&KNOWN_PRIME, 3), Ok(()));
    let another = prime(ANOTHER_SAFE_PRIME);
    assert_ne!(another, KNOWN_PRIME);
    // Its generator is 2: the prime is 7 modulo 8. The second time it is known.
    assert_eq!(check_parameters(&another, 2), Ok(()));
    assert_eq!(check_parameters(&another, 2), Ok(()));
}

/// The constant is trusted without a test, so it is tested here.
#[test]
fn k7_the_constant_is_a_safe_prime() {
    assert!(is_prime(Flavor::Safe, &number(&KNOWN_PRIME)));
}

#[test]
fn k7_composite_of_the_right_size() {
    let mut odd = KNOWN_PRIME;
    odd[255] ^= 0b10;
    let mut even = KNOWN_PRIME;
    even[255] ^= 1;
    // 2^1024 below and above the known prime: no small factor gives them away at once.
    let mut near = KNOWN_PRIME;
    near[127] ^= 1;
    for p in [odd, even, near, [0xff; 256]] {
        assert_eq!(check_parameters(&p, 4), Err(DhError::NotSafePrime));
    }
}

/// Known by value, never by a part of it.
#[test]
fn k7_known_primes_with_any_byte_changed() {
    let another = prime(ANOTHER_SAFE_PRIME);
    assert_eq!(check_parameters(&another, 4), Ok(()));
    for good in [KNOWN_PRIME, another] {
        for at in (1..256).step_by(15) {
            let mut p = good;
            p[at] ^= 0b100;
            assert_eq!(
                check_parameters(&p, 4),
                Err(DhError::NotSafePrime),
                "byte {at}"
            );
        }
    }
}

#[test]
fn k7_strong_pseudoprime_to_the_small_bases() {
    let p = prime(STRONG_PSEUDOPRIME);
    for base in [2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37] {
        assert!(
            probable_prime_to_base(&p, base),
            "it was to deceive base {base}"
        );
    }
    assert_eq!(check_parameters(&p, 4), Err(DhError::NotSafePrime));
}

#[test]
fn k7_prime_with_a_composite_half() {
    let p = prime(UNSAFE_PRIME);
    assert!(is_prime(Flavor::Any, &number(&p)));
    assert_eq!(check_parameters(&p, 4), Err(DhError::NotSafePrime));
}

#[test]
fn k7_other_sizes_and_a_leading_zero() {
    let known = number(&KNOWN_PRIME);
    let shorter = to_bytes(&known.shr_vartime(1));
    let with_zero = [&[0][..], &KNOWN_PRIME].concat();
    let longer = [&[1][..], &KNOWN_PRIME].concat();
    let cases: [(&[u8], usize); 7] = [
        (&shorter, 2047),
        (&longer, 2049),
        (&with_zero, 2048),
        (&KNOWN_PRIME[..255], 2040),
        (&[], 0),
        (&[0; 256], 0),
        (&[0xc7], 8),
    ];
    for (p, bits) in cases {
        assert_eq!(check_parameters(p, 4), Err(DhError::PrimeSize { bits }));
    }
}

#[test]
fn k8_generators_that_are_none() {
    for g in [0, 1, 8, -1, -3, 9, i32::MIN, i32::MAX, 0x0300_0000] {
        assert_eq!(
            check_parameters(&KNOWN_PRIME, g),
            Err(DhError::Generator { g })
        );
        let another = prime(ANOTHER_SAFE_PRIME);
        assert_eq!(check_parameters(&another, g), Err(DhError::Generator { g }));
    }
}

/// A generator is legal exactly if it is a quadratic residue, by Euler's criterion: g^((p-1)/2) = 1.
#[test]
fn k8_the_residue_rule_agrees_with_eulers_criterion() {
    for p in [KNOWN_PRIME, prime(ANOTHER_SAFE_PRIME)] {
        let half = Secret::from_bytes(to_bytes(&number(&p).shr_vartime(1)));
        for g in 2..=7 {
            let residue = number(&half.public(&p, g)) == U2048::ONE;
            assert_eq!(check_parameters(&p, g).is_ok(), residue, "g = {g}");
        }
    }
}

#[test]
fn k9_generators_are_checked_with_the_known_prime_too() {
    for g in [2, 5, 6] {
        assert_eq!(
            check_parameters(&KNOWN_PRIME, g),
            Err(DhError::Generator { g })
        );
    }
    for g in [3, 4, 7] {
        assert_eq!(check_parameters(&KNOWN_PRIME, g), Ok(()));
    }
    // And with one that was remembered. It has no illegal residues from 2 to 7, so what is left is the range.
    let another = prime(ANOTHER_SAFE_PRIME);
    assert_eq!(check_parameters(&another, 2), Ok(()));
    for g in [1, 8] {
        assert_eq!(check_parameters(&another, g), Err(DhError::Generator { g }));
    }
}

#[test]
fn k10_public_values_out_of_range() {
    let p = number(&KNOWN_PRIME);
    let one = U2048::ONE;
    let secret = Secret::generate(&mut OsRandom);
    let numbers = [
        U2048::ZERO,
        one,
        U2048::from(2u32),
        p.wrapping_sub(&one),
        p,
        p.wrapping_add(&one),
        U2048::MAX,
        margin().wrapping_sub(&one),
        p.wrapping_sub(&margin()).wrapping_add(&one),
    ];
    let honest = secret.public(&KNOWN_PRIME, 3);
    let mut values: Vec<Vec<u8>> = numbers.iter().map(|n| to_bytes(n).to_vec()).collect();
    values.extend([
        vec![],
        vec![1],
        [&[0][..], &honest].concat(),
        [&[1][..], &honest].concat(),
        vec![0xff; 4096],
    ]);
    for value in values {
        assert_eq!(
            check_public(&KNOWN_PRIME, &value),
            Err(DhError::PublicValue),
            "{value:?}"
        );
        assert_eq!(
            secret.shared(&KNOWN_PRIME, &value).err(),
            Some(DhError::PublicValue)
        );
    }
}

#[test]
fn k10_twin_values_at_the_edges_pass() {
    let p = number(&KNOWN_PRIME);
    let secret = Secret::generate(&mut OsRandom);
    for value in [margin(), p.wrapping_sub(&margin())] {
        let value = to_bytes(&value);
        assert_eq!(check_public(&KNOWN_PRIME, &value), Ok(()));
        assert!(secret.shared(&KNOWN_PRIME, &value).is_ok());
    }
    let honest = secret.public(&KNOWN_PRIME, 3);
    assert_eq!(check_public(&KNOWN_PRIME, &honest), Ok(()));
    // As TL sends it: without its leading zeros.
    let short = to_bytes(&margin());
    let zeros = short.iter().take_while(|byte| **byte == 0).count();
    assert_eq!(zeros, 7);
    assert_eq!(check_public(&KNOWN_PRIME, &short[zeros..]), Ok(()));
}

#[test]
fn k11_each_exponent_is_fresh() {
    let publics: std::collections::HashSet<[u8; 256]> = (0..4)
        .map(|_| Secret::generate(&mut OsRandom).public(&KNOWN_PRIME, 3))
        .collect();
    assert_eq!(publics.len(), 4);
}

/// A key is 256 bytes also if the number is shorter: the hash that names it covers its leading zeros.
#[test]
fn k18_shared_keys_keep_their_leading_zeros() {
    let mut one = [0; 256];
    one[255] = 1;
    let short = to_bytes(&margin());
    let shared = Secret::from_bytes(one)
        .shared(&KNOWN_PRIME, &short[7..])
        .unwrap();
    assert_eq!(*shared, short);
    let key = AuthKey::new(*shared);
    let named = &actogram_crypto::sha::sha1(&short)[12..];
    assert_eq!(key.id().to_le_bytes(), named);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn both_sides_agree(seed: u64) {
        let mut random = SeededRandom::from_seed(seed);
        let (a, b) = (Secret::generate(&mut random), Secret::generate(&mut random));
        let (g_a, g_b) = (a.public(&KNOWN_PRIME, 3), b.public(&KNOWN_PRIME, 3));
        prop_assert_ne!(g_a, g_b);
        let shared = a.shared(&KNOWN_PRIME, &g_b).unwrap();
        prop_assert_eq!(shared, b.shared(&KNOWN_PRIME, &g_a).unwrap());
    }
}

proptest! {
    /// Whatever comes, it is checked without a panic; only what lies in the band passes.
    #[test]
    fn any_public_value(value in prop::collection::vec(any::<u8>(), 0..300)) {
        let passes = check_public(&KNOWN_PRIME, &value).is_ok();
        let in_band = value.len() <= 256 && {
            let mut padded = [0; 256];
            padded[256 - value.len()..].copy_from_slice(&value);
            let n = number(&padded);
            n >= margin() && n <= number(&KNOWN_PRIME).wrapping_sub(&margin())
        };
        prop_assert_eq!(passes, in_band);
    }
}

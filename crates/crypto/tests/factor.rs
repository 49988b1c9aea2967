//! K4: what a hostile datacenter may send as `pq`.
#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};

use actogram_crypto::{
    factor::{BadPq, factorize},
    random::{OsRandom, Random, SeededRandom, array},
};
use proptest::prelude::*;

/// Trial division, as slow and plain as it gets.
fn is_small_prime(n: u64) -> bool {
    n > 1
        && (2..)
            .take_while(|d| d * d <= n)
            .all(|d| !n.is_multiple_of(d))
}

fn next_prime(mut n: u64) -> u64 {
    n |= 1;
    while !is_small_prime(n) {
        n += 2;
    }
    n
}

fn k4(pq: &[u8]) -> Result<(u64, u64), BadPq> {
    let begun = Instant::now();
    let result = factorize(pq, &mut SeededRandom::from_seed(4));
    assert!(begun.elapsed() < Duration::from_secs(20), "hangs on {pq:?}");
    result
}

/// The largest prime below 2^31, and others near it.
const P: u64 = 2_147_483_647;
const Q: u64 = 2_147_483_629;

#[test]
fn k4_twin_an_honest_pq_is_factored() {
    assert_eq!(k4(&(P * Q).to_be_bytes()), Ok((Q, P)));
    // The example of the protocol's documentation.
    let example = 0x17ED_4894_1A08_F981_u64;
    assert_eq!(k4(&example.to_be_bytes()), Ok((0x494C_553B, 0x5391_1073)));
    assert_eq!(k4(&15u64.to_be_bytes()), Ok((3, 5)));
    assert_eq!(k4(&[15]), Ok((3, 5)));
    assert_eq!(k4(&(3 * P).to_be_bytes()), Ok((3, P)));
}

#[test]
fn k4_zero_one_four_and_nothing() {
    for pq in [
        &[][..],
        &[0],
        &[1],
        &[4],
        &[0; 8],
        &[0, 0, 0, 0, 0, 0, 0, 1],
    ] {
        assert_eq!(k4(pq), Err(BadPq::TooSmall), "{pq:?}");
    }
}

#[test]
fn k4_even() {
    for pq in [2 * P, 2 * 2 * P, 1 << 62, (1 << 63) - 2] {
        assert_eq!(k4(&pq.to_be_bytes()), Err(BadPq::TooSmall), "{pq}");
    }
}

#[test]
fn k4_prime() {
    // 2^61 - 1, the largest prime below 2^63, and one just large enough to be looked at.
    for pq in [(1 << 61) - 1, 9_223_372_036_854_775_783, 17, P] {
        assert_eq!(k4(&u64::to_be_bytes(pq)), Err(BadPq::Prime), "{pq}");
    }
}

#[test]
fn k4_square_of_a_prime() {
    for p in [5, 65_537, Q, P, 3_037_000_493] {
        assert_eq!(k4(&(p * p).to_be_bytes()), Err(BadPq::Square), "{p}");
    }
}

#[test]
fn k4_above_two_to_the_63() {
    // The product of two 32-bit primes may lie there; a datacenter never sends one.
    for pq in [
        1 << 63,
        (1 << 63) + 15,
        u64::MAX,
        4_294_967_291 * 4_294_967_279,
    ] {
        assert_eq!(k4(&pq.to_be_bytes()), Err(BadPq::TooLarge), "{pq}");
    }
}

#[test]
fn k4_more_than_8_bytes() {
    assert_eq!(k4(&[0xff; 64]), Err(BadPq::TooLarge));
    assert_eq!(k4(&[0; 64]), Err(BadPq::TooLarge));
    let padded = [&[0; 56][..], &(P * Q).to_be_bytes()].concat();
    assert_eq!(k4(&padded), Err(BadPq::TooLarge));
    assert_eq!(k4(&[1, 0, 0, 0, 0, 0, 0, 0, 0]), Err(BadPq::TooLarge));
}

#[test]
fn k4_three_primes_and_prime_powers() {
    assert_eq!(
        k4(&(3u64 * 5 * 7).to_be_bytes()),
        Err(BadPq::TooManyFactors)
    );
    assert_eq!(
        k4(&(2_097_143u64 * 2_097_131 * 2_097_097).to_be_bytes()),
        Err(BadPq::TooManyFactors)
    );
    assert_eq!(k4(&27u64.to_be_bytes()), Err(BadPq::TooManyFactors));
    // A Carmichael number is no prime.
    assert_eq!(k4(&561u64.to_be_bytes()), Err(BadPq::TooManyFactors));
}

/// Random bytes that are none must not make the search endless.
#[test]
fn k4_the_work_is_bounded_whatever_the_randomness() {
    struct Constant(u8);
    impl Random for Constant {
        fn fill(&mut self, out: &mut [u8]) {
            out.fill(self.0);
        }
    }
    for byte in [0, 1, 0xff] {
        for pq in [P * Q, 15, 3 * 11, 9_223_372_036_854_775_807] {
            let begun = Instant::now();
            match factorize(&pq.to_be_bytes(), &mut Constant(byte)) {
                Ok((p, q)) => assert_eq!(p * q, pq),
                Err(error) => assert!(
                    matches!(error, BadPq::TooHard | BadPq::TooManyFactors),
                    "{error}"
                ),
            }
            assert!(begun.elapsed() < Duration::from_secs(20));
        }
    }
}

/// Every product of two odd primes below 100, in every length that is 8 bytes or less.
#[test]
fn k4_twin_small_products_are_factored() {
    let primes: Vec<u64> = (3..100).filter(|n| is_small_prime(*n)).collect();
    for (at, p) in primes.iter().enumerate() {
        for q in &primes[at + 1..] {
            let bytes = (p * q).to_be_bytes();
            let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
            for from in 0..=zeros {
                assert_eq!(factorize(&bytes[from..], &mut OsRandom), Ok((*p, *q)));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn products_of_two_primes_are_factored(a in 3u64..1 << 31, b in 3u64..1 << 31, seed: u64) {
        let (p, q) = (next_prime(a), next_prime(b));
        prop_assume!(p != q && p * q < 1 << 63);
        let found = factorize(&(p * q).to_be_bytes(), &mut SeededRandom::from_seed(seed));
        prop_assert_eq!(found, Ok((p.min(q), p.max(q))));
    }

    /// Whatever the number: two primes that make it, or an error.
    #[test]
    fn any_number_is_factored_or_refused(n in any::<u64>(), length in 0usize..12) {
        let bytes = [&[0; 4][..], &n.to_be_bytes()].concat();
        let given = &bytes[bytes.len() - length..];
        if let Ok((p, q)) = factorize(given, &mut OsRandom) {
            let value = given.iter().fold(0u64, |n, byte| n << 8 | u64::from(*byte));
            prop_assert_eq!(p * q, value);
            prop_assert!(p < q && p > 2);
        }
    }
}

#[test]
fn randomness_of_a_seed_repeats_itself() {
    let draw = |seed| array::<64>(&mut SeededRandom::from_seed(seed));
    assert_eq!(draw(1), draw(1));
    assert_ne!(draw(1), draw(2));
    assert_ne!(array::<64>(&mut OsRandom), array::<64>(&mut OsRandom));
    // Object safe, and itself a source through a reference or a box.
    let mut boxed: Box<dyn Random> = Box::new(SeededRandom::from_seed(1));
    assert_eq!(array::<64>(&mut boxed), draw(1));
}

//! Diffie–Hellman over 2048 bits, with every check a client owes itself
//! (<https://core.telegram.org/mtproto/security_guidelines#diffie-hellman-key-exchange>).

use std::{fmt, sync::Mutex};

use crypto_bigint::{
    Odd, U2048,
    modular::{FixedMontyForm, FixedMontyParams},
};
use crypto_primes::{
    Flavor,
    hazmat::{MillerRabin, Primality},
    is_prime,
};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::random::{self, OsRandom, Random};

/// Telegram's prime. It is compared by value, so that the costly test of another prime runs once per prime.
#[rustfmt::skip]
pub const KNOWN_PRIME: [u8; 256] = [
    0xc7, 0x1c, 0xae, 0xb9, 0xc6, 0xb1, 0xc9, 0x04, 0x8e, 0x6c, 0x52, 0x2f, 0x70, 0xf1, 0x3f, 0x73,
    0x98, 0x0d, 0x40, 0x23, 0x8e, 0x3e, 0x21, 0xc1, 0x49, 0x34, 0xd0, 0x37, 0x56, 0x3d, 0x93, 0x0f,
    0x48, 0x19, 0x8a, 0x0a, 0xa7, 0xc1, 0x40, 0x58, 0x22, 0x94, 0x93, 0xd2, 0x25, 0x30, 0xf4, 0xdb,
    0xfa, 0x33, 0x6f, 0x6e, 0x0a, 0xc9, 0x25, 0x13, 0x95, 0x43, 0xae, 0xd4, 0x4c, 0xce, 0x7c, 0x37,
    0x20, 0xfd, 0x51, 0xf6, 0x94, 0x58, 0x70, 0x5a, 0xc6, 0x8c, 0xd4, 0xfe, 0x6b, 0x6b, 0x13, 0xab,
    0xdc, 0x97, 0x46, 0x51, 0x29, 0x69, 0x32, 0x84, 0x54, 0xf1, 0x8f, 0xaf, 0x8c, 0x59, 0x5f, 0x64,
    0x24, 0x77, 0xfe, 0x96, 0xbb, 0x2a, 0x94, 0x1d, 0x5b, 0xcd, 0x1d, 0x4a, 0xc8, 0xcc, 0x49, 0x88,
    0x07, 0x08, 0xfa, 0x9b, 0x37, 0x8e, 0x3c, 0x4f, 0x3a, 0x90, 0x60, 0xbe, 0xe6, 0x7c, 0xf9, 0xa4,
    0xa4, 0xa6, 0x95, 0x81, 0x10, 0x51, 0x90, 0x7e, 0x16, 0x27, 0x53, 0xb5, 0x6b, 0x0f, 0x6b, 0x41,
    0x0d, 0xba, 0x74, 0xd8, 0xa8, 0x4b, 0x2a, 0x14, 0xb3, 0x14, 0x4e, 0x0e, 0xf1, 0x28, 0x47, 0x54,
    0xfd, 0x17, 0xed, 0x95, 0x0d, 0x59, 0x65, 0xb4, 0xb9, 0xdd, 0x46, 0x58, 0x2d, 0xb1, 0x17, 0x8d,
    0x16, 0x9c, 0x6b, 0xc4, 0x65, 0xb0, 0xd6, 0xff, 0x9c, 0xa3, 0x92, 0x8f, 0xef, 0x5b, 0x9a, 0xe4,
    0xe4, 0x18, 0xfc, 0x15, 0xe8, 0x3e, 0xbe, 0xa0, 0xf8, 0x7f, 0xa9, 0xff, 0x5e, 0xed, 0x70, 0x05,
    0x0d, 0xed, 0x28, 0x49, 0xf4, 0x7b, 0xf9, 0x59, 0xd9, 0x56, 0x85, 0x0c, 0xe9, 0x29, 0x85, 0x1f,
    0x0d, 0x81, 0x15, 0xf6, 0x35, 0xb1, 0x05, 0xee, 0x2e, 0x4e, 0x15, 0xd0, 0x4b, 0x24, 0x54, 0xbf,
    0x6f, 0x4f, 0xad, 0xf0, 0x34, 0xb1, 0x04, 0x03, 0x11, 0x9c, 0xd8, 0xe3, 0xb9, 0x2f, 0xcc, 0x5b,
];

/// Public values keep this distance, as a power of two, from 0 and from the prime.
const MARGIN_BITS: u32 = 2048 - 64;

/// How many foreign primes are remembered as good. A datacenter has one; more would be an attack on our memory.
const REMEMBERED: usize = 8;

/// Rounds of Miller–Rabin with random bases, for the prime and for its half each.
const ROUNDS: usize = 16;

static GOOD_PRIMES: Mutex<Vec<[u8; 256]>> = Mutex::new(Vec::new());

/// What is wrong with parameters or values of the other side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DhError {
    /// The prime has not exactly 2048 bits.
    #[error("the prime has {bits} bits where 2048 were expected; give the connection up")]
    PrimeSize {
        /// The bits it has.
        bits: usize,
    },
    /// The prime is composite, or its half is.
    #[error("the prime is no safe prime; give the connection up")]
    NotSafePrime,
    /// The generator does not generate the subgroup of prime order.
    #[error(
        "g = {g} does not fit the prime: 2 to 7 with its residue condition was expected; give the connection up"
    )]
    Generator {
        /// The generator that came.
        g: i32,
    },
    /// A public value is too near to 0 or to the prime.
    #[error("a public value lies outside 2^1984 to p - 2^1984; give the connection up")]
    PublicValue,
}

/// Checks the group: `p` a safe prime of 2048 bits, `g` a generator of its subgroup of prime order.
///
/// A prime other than [`KNOWN_PRIME`] costs some 200 ms the first time: run it where it blocks nobody. The bases of
/// that test come from the operating system and not from the caller: what they are decides nothing about a prime.
///
/// # Errors
/// [`DhError`] that says what is wrong.
pub fn check_parameters(p: &[u8], g: i32) -> Result<(), DhError> {
    let bits = bit_length(p);
    let prime = sized(p)
        .filter(|_| bits == 2048 && p.len() == 256)
        .ok_or(DhError::PrimeSize { bits })?;
    check_generator(&prime, g)?;
    if prime == KNOWN_PRIME || is_remembered(&prime) {
        return Ok(());
    }
    let number = U2048::from_be_slice(&prime);
    // Two tests that fail differently, each on p and on (p-1)/2. The first (small factors, base 2, Lucas) is cheap and
    // finds every composite that was not made against it; the second has bases that nobody can foresee.
    let passes = is_prime(Flavor::Safe, &number)
        && passes_random_bases(number)
        && passes_random_bases(number.shr_vartime(1));
    if !passes {
        return Err(DhError::NotSafePrime);
    }
    remember(prime);
    Ok(())
}

fn passes_random_bases(number: U2048) -> bool {
    let Some(odd) = Odd::new(number).into_option() else {
        return false;
    };
    let test = MillerRabin::new(odd);
    (0..ROUNDS).all(|_| {
        let base = U2048::from_be_slice(&random::array::<256>(&mut OsRandom));
        test.test(&base) != Primality::Composite
    })
}

/// The quadratic-residue rule, by which `g` generates the subgroup of order (p-1)/2.
fn check_generator(p: &[u8; 256], g: i32) -> Result<(), DhError> {
    let remainder = |m: u32| p.iter().fold(0, |r, byte| (r * 256 + u32::from(*byte)) % m);
    let fits = match g {
        2 => remainder(8) == 7,
        3 => remainder(3) == 2,
        4 => true,
        5 => matches!(remainder(5), 1 | 4),
        6 => matches!(remainder(24), 19 | 23),
        7 => matches!(remainder(7), 3 | 5 | 6),
        _ => false,
    };
    if fits {
        Ok(())
    } else {
        Err(DhError::Generator { g })
    }
}

/// Checks a public value of the other side, or our own: `2^1984 <= value <= p - 2^1984`, in at most 256 bytes.
///
/// # Errors
/// [`DhError::PublicValue`].
pub fn check_public(p: &[u8; 256], value: &[u8]) -> Result<(), DhError> {
    let value = sized(value)
        .filter(|_| value.len() <= 256)
        .ok_or(DhError::PublicValue)?;
    let (p, value) = (U2048::from_be_slice(p), U2048::from_be_slice(&value));
    let margin = U2048::ONE.shl_vartime(MARGIN_BITS);
    if value >= margin && value <= p.wrapping_sub(&margin) {
        Ok(())
    } else {
        Err(DhError::PublicValue)
    }
}

/// A secret exponent of 2048 bits. Wiped when dropped, never shown.
///
/// ```compile_fail,E0599
/// let secret = actogram_crypto::dh::Secret::from_bytes([7; 256]);
/// let copy = secret.clone();
/// ```
pub struct Secret(Box<[u8; 256]>);

impl Secret {
    /// A fresh exponent. Each exchange needs its own.
    pub fn generate(random: &mut (impl Random + ?Sized)) -> Self {
        let mut bytes = Box::new([0; 256]);
        random.fill(&mut bytes[..]);
        Self(bytes)
    }

    /// An exponent made elsewhere: for test vectors.
    pub fn from_bytes(mut bytes: [u8; 256]) -> Self {
        let secret = Self(Box::new(bytes));
        bytes.zeroize();
        secret
    }

    /// `g` to this exponent: what the other side gets.
    pub fn public(&self, p: &[u8; 256], g: i32) -> [u8; 256] {
        let mut base = [0; 256];
        base[252..].copy_from_slice(&g.to_be_bytes());
        power(&base, &self.0, p)
    }

    /// The other side's public value to this exponent, as exactly 256 bytes with its leading zeros.
    ///
    /// # Errors
    /// [`DhError::PublicValue`] if `public` does not pass [`check_public`].
    pub fn shared(&self, p: &[u8; 256], public: &[u8]) -> Result<Zeroizing<[u8; 256]>, DhError> {
        check_public(p, public)?;
        let base = sized(public).ok_or(DhError::PublicValue)?;
        Ok(Zeroizing::new(power(&base, &self.0, p)))
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl ZeroizeOnDrop for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

/// `base^exponent mod p` in constant time for the exponent. `p` must be odd, which every checked prime is.
pub(crate) fn power(base: &[u8; 256], exponent: &[u8; 256], p: &[u8; 256]) -> [u8; 256] {
    let modulus = U2048::from_be_slice(p);
    let Some(odd) = Odd::new(modulus).into_option() else {
        return [0; 256];
    };
    let parameters = FixedMontyParams::new_vartime(odd);
    let mut exponent = U2048::from_be_slice(exponent);
    let base = FixedMontyForm::new(&U2048::from_be_slice(base), &parameters);
    let mut result = base.pow(&exponent).retrieve();
    let out = to_array(&result);
    exponent.zeroize();
    result.zeroize();
    out
}

pub(crate) fn to_array(number: &U2048) -> [u8; 256] {
    let mut out = [0; 256];
    out.copy_from_slice(number.to_be_bytes().as_ref());
    out
}

/// Big-endian bytes of any length as exactly 256 of them; `None` if the number is larger.
pub(crate) fn sized(bytes: &[u8]) -> Option<[u8; 256]> {
    let significant = &bytes[bytes.iter().take_while(|byte| **byte == 0).count()..];
    let mut out = [0; 256];
    out[256usize.checked_sub(significant.len())?..].copy_from_slice(significant);
    Some(out)
}

pub(crate) fn bit_length(bytes: &[u8]) -> usize {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    match bytes.get(zeros) {
        None => 0,
        Some(first) => (bytes.len() - zeros) * 8 - first.leading_zeros() as usize,
    }
}

fn is_remembered(prime: &[u8; 256]) -> bool {
    let good = GOOD_PRIMES
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    good.contains(prime)
}

fn remember(prime: [u8; 256]) {
    let mut good = GOOD_PRIMES
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    if good.len() == REMEMBERED {
        good.remove(0);
    }
    good.push(prime);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The other test refuses it as well, so that this one is looked at alone.
    #[test]
    fn k7_random_bases_find_what_was_made_against_fixed_ones() {
        let pseudoprime = include_str!("../tests/support/strong_pseudoprime.hex").trim();
        assert!(!passes_random_bases(U2048::from_be_hex(pseudoprime)));
        let known = U2048::from_be_slice(&KNOWN_PRIME);
        assert!(passes_random_bases(known));
        assert!(passes_random_bases(known.shr_vartime(1)));
        assert!(!passes_random_bases(known.wrapping_add(&U2048::ONE)));
    }
}

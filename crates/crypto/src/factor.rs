//! The proof of work of the key exchange: factors of `pq`
//! (<https://core.telegram.org/mtproto/auth_key#proof-of-work>).

use crate::random::{self, Random};

/// Steps after which a number counts as too hard: some tenths of a second. Products of two 32-bit primes need 100,000.
const MOST_STEPS: u64 = 1 << 24;

/// Why `pq` was not factored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadPq {
    /// More than 8 bytes, or 2^63 and above.
    #[error("pq is 2^63 or more; a product of two 31-bit primes was expected")]
    TooLarge,
    /// Even, or below 15.
    #[error("pq is even or too small; a product of two odd primes was expected")]
    TooSmall,
    /// A prime: there is nothing to find.
    #[error("pq is prime; a product of two odd primes was expected")]
    Prime,
    /// The square of a prime.
    #[error("pq is a square; a product of two distinct primes was expected")]
    Square,
    /// The factors that were found are no primes, so there are more than two.
    #[error("pq has more than two prime factors")]
    TooManyFactors,
    /// Not found within the bound on work.
    #[error("pq could not be factored within the bound on work")]
    TooHard,
}

/// The prime factors of `pq`, the smaller one first.
///
/// # Errors
/// [`BadPq`] for anything that is not the product of two distinct odd primes below 2^63. The work is bounded.
pub fn factorize(pq: &[u8], random: &mut (impl Random + ?Sized)) -> Result<(u64, u64), BadPq> {
    if pq.len() > 8 {
        return Err(BadPq::TooLarge);
    }
    let significant = &pq[pq.iter().take_while(|byte| **byte == 0).count()..];
    let number = significant.iter().try_fold(0u64, |n, byte| {
        n.checked_mul(256).map(|n| n + u64::from(*byte))
    });
    let n = number.filter(|n| *n < 1 << 63).ok_or(BadPq::TooLarge)?;
    if n % 2 == 0 || n < 15 {
        return Err(BadPq::TooSmall);
    }
    if is_prime(n) {
        return Err(BadPq::Prime);
    }
    let root = n.isqrt();
    if root * root == n {
        return Err(BadPq::Square);
    }
    let montgomery = Montgomery::new(n);
    let mut steps = MOST_STEPS;
    while steps > 0 {
        if let Some(factor) = brent(&montgomery, random, &mut steps) {
            let other = n / factor;
            if !is_prime(factor) || !is_prime(other) {
                return Err(BadPq::TooManyFactors);
            }
            return Ok((factor.min(other), factor.max(other)));
        }
    }
    Err(BadPq::TooHard)
}

/// One run of Pollard's rho with Brent's cycle search. `None`: this start found only the trivial factor.
fn brent(m: &Montgomery, random: &mut (impl Random + ?Sized), steps: &mut u64) -> Option<u64> {
    const BATCH: u64 = 128;
    let draw = |random: &mut _| u64::from_le_bytes(random::array(random)) % m.n;
    let (c, mut y) = (draw(random).max(1), draw(random));
    let mut product = m.one();
    let mut length = 1;
    loop {
        let x = y;
        for _ in 0..length {
            y = m.step(y, c);
        }
        *steps = steps.saturating_sub(length);
        let mut done = 0;
        while done < length {
            let saved = y;
            for _ in 0..BATCH.min(length - done) {
                y = m.step(y, c);
                product = m.multiply(product, x.abs_diff(y));
            }
            *steps = steps.saturating_sub(BATCH);
            let factor = gcd(product, m.n);
            if factor == m.n || product == 0 {
                // Two factors fell into one batch: walk it again one by one.
                return walk(m, x, saved, c);
            }
            if factor > 1 {
                return Some(factor);
            }
            if *steps == 0 {
                return None;
            }
            done += BATCH;
        }
        length *= 2;
    }
}

fn walk(m: &Montgomery, x: u64, mut y: u64, c: u64) -> Option<u64> {
    loop {
        y = m.step(y, c);
        match gcd(x.abs_diff(y), m.n) {
            1 => {}
            factor if factor == m.n => return None,
            factor => return Some(factor),
        }
    }
}

fn gcd(mut a: u64, mut b: u64) -> u64 {
    while a != 0 {
        (a, b) = (b % a, a);
    }
    b
}

/// Arithmetic modulo an odd number below 2^63, in Montgomery form.
struct Montgomery {
    n: u64,
    /// -n⁻¹ mod 2^64
    negated_inverse: u64,
}

impl Montgomery {
    fn new(n: u64) -> Self {
        // Newton's iteration doubles the correct bits each time; n itself is right to 3.
        let mut inverse = n;
        for _ in 0..5 {
            inverse = inverse.wrapping_mul(2u64.wrapping_sub(n.wrapping_mul(inverse)));
        }
        Self {
            n,
            negated_inverse: inverse.wrapping_neg(),
        }
    }

    fn one(&self) -> u64 {
        ((1u128 << 64) % u128::from(self.n)) as u64
    }

    fn multiply(&self, a: u64, b: u64) -> u64 {
        let product = u128::from(a) * u128::from(b);
        let multiple = (product as u64).wrapping_mul(self.negated_inverse);
        let reduced = ((product + u128::from(multiple) * u128::from(self.n)) >> 64) as u64;
        if reduced >= self.n {
            reduced - self.n
        } else {
            reduced
        }
    }

    /// `x² + c`
    fn step(&self, x: u64, c: u64) -> u64 {
        let sum = self.multiply(x, x) + c;
        if sum >= self.n { sum - self.n } else { sum }
    }
}

/// Miller–Rabin with bases that decide every 64-bit number.
fn is_prime(n: u64) -> bool {
    const BASES: [u64; 12] = [2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37];
    if n < 2
        || BASES
            .iter()
            .any(|base| n != *base && n.is_multiple_of(*base))
    {
        return false;
    }
    if BASES.contains(&n) {
        return true;
    }
    let times = |a: u64, b: u64| (u128::from(a) * u128::from(b) % u128::from(n)) as u64;
    let power = |base: u64, mut exponent: u64| {
        let (mut result, mut base) = (1, base % n);
        while exponent > 0 {
            if exponent & 1 == 1 {
                result = times(result, base);
            }
            base = times(base, base);
            exponent >>= 1;
        }
        result
    };
    let twos = (n - 1).trailing_zeros();
    BASES.iter().all(|base| {
        let mut x = power(*base, (n - 1) >> twos);
        if x == 1 || x == n - 1 {
            return true;
        }
        (1..twos).any(|_| {
            x = times(x, x);
            x == n - 1
        })
    })
}

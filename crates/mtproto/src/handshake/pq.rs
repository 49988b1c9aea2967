//! The proof of work a server sets its clients: a product of two primes.

use actogram_crypto::random::Random;

/// Two distinct primes of 31 bits, `p < q`.
pub(super) struct Pq {
    p: u32,
    q: u32,
}

impl Pq {
    pub(super) fn generate(random: &mut dyn Random) -> Self {
        let first = prime(random);
        loop {
            let second = prime(random);
            if second != first {
                return Self {
                    p: first.min(second),
                    q: first.max(second),
                };
            }
        }
    }

    pub(super) fn product_bytes(&self) -> Vec<u8> {
        (u64::from(self.p) * u64::from(self.q))
            .to_be_bytes()
            .to_vec()
    }

    pub(super) fn p_bytes(&self) -> Vec<u8> {
        self.p.to_be_bytes().to_vec()
    }

    pub(super) fn q_bytes(&self) -> Vec<u8> {
        self.q.to_be_bytes().to_vec()
    }
}

/// A random prime with exactly 31 bits, so that the product has 61 or 62 and fills 8 bytes.
fn prime(random: &mut dyn Random) -> u32 {
    loop {
        let mut bytes = [0; 4];
        random.fill(&mut bytes);
        let candidate = u32::from_le_bytes(bytes) & 0x3fff_ffff | 0x4000_0001;
        if is_prime(candidate) {
            return candidate;
        }
    }
}

/// Miller–Rabin with bases that decide every odd number between 7 and 3,215,031,751.
fn is_prime(n: u32) -> bool {
    let n = u64::from(n);
    let odd = (n - 1) >> (n - 1).trailing_zeros();
    [2u64, 3, 5, 7].into_iter().all(|base| {
        let mut exponent = odd;
        let mut x = power(base, odd, n);
        if x == 1 || x == n - 1 {
            return true;
        }
        while exponent < (n - 1) / 2 {
            exponent *= 2;
            x = x * x % n;
            if x == n - 1 {
                return true;
            }
        }
        false
    })
}

fn power(mut base: u64, mut exponent: u64, n: u64) -> u64 {
    let mut result = 1;
    while exponent > 0 {
        if exponent & 1 == 1 {
            result = result * base % n;
        }
        base = base * base % n;
        exponent >>= 1;
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn primes_are_told_from_composites() {
        let by_division = |n: u32| {
            (2..n)
                .take_while(|d| d * d <= n)
                .all(|d| !n.is_multiple_of(d))
        };
        for n in (11..20_000).step_by(2) {
            assert_eq!(is_prime(n), by_division(n), "{n}");
        }
        for n in (0x4000_0001..0x4000_0401u32).step_by(2) {
            assert_eq!(is_prime(n), by_division(n), "{n}");
        }
        // Strong pseudoprimes to base 2; to 2 and 3; to 2, 3 and 5.
        for composite in [2_047, 1_373_653, 25_326_001, 1_530_787] {
            assert!(!is_prime(composite), "{composite}");
        }
        assert!(is_prime(2_147_483_647));
    }
}

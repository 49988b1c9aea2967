//! Where random bytes come from.

use std::fmt;

use zeroize::{Zeroize as _, Zeroizing};

/// A source of random bytes. Object safe.
pub trait Random: Send {
    /// Fills `out` with random bytes.
    fn fill(&mut self, out: &mut [u8]);
}

impl<R: Random + ?Sized> Random for &mut R {
    fn fill(&mut self, out: &mut [u8]) {
        (**self).fill(out);
    }
}

impl<R: Random + ?Sized> Random for Box<R> {
    fn fill(&mut self, out: &mut [u8]) {
        (**self).fill(out);
    }
}

/// `N` random bytes.
pub fn array<const N: usize>(random: &mut (impl Random + ?Sized)) -> [u8; N] {
    let mut out = [0; N];
    random.fill(&mut out);
    out
}

/// A random 64-bit number.
pub fn i64(random: &mut (impl Random + ?Sized)) -> i64 {
    i64::from_le_bytes(array(random))
}

/// A random 32-bit number.
pub fn u32(random: &mut (impl Random + ?Sized)) -> u32 {
    u32::from_le_bytes(array(random))
}

/// The operating system's generator: what production uses.
#[derive(Debug, Clone, Copy, Default)]
pub struct OsRandom;

impl Random for OsRandom {
    /// # Panics
    /// If the operating system has no random bytes: nothing secret can be made then, and going on would be worse.
    fn fill(&mut self, out: &mut [u8]) {
        if let Err(error) = getrandom::fill(out) {
            panic!("the operating system gives no random bytes: {error}");
        }
    }
}

/// How many bytes [`Buffered`] asks its source for at once.
const PORTION: usize = 256;

/// From this length on, bytes come from the source itself.
const LONG: usize = 32;

/// Takes from another source some hundred bytes at once, for those who want a few at a time and often: asking the operating
/// system costs the same for 4 as for 256.
///
/// What was given out is wiped, and so is the rest when it is dropped. Do not use one on both sides of a `fork`: they would
/// give the same.
pub struct Buffered<R> {
    source: R,
    /// Empty until it is needed. The first `given` are out.
    bytes: Zeroizing<Vec<u8>>,
    given: usize,
}

impl<R: Random> Buffered<R> {
    /// In front of this source.
    pub fn new(source: R) -> Self {
        Self {
            source,
            bytes: Zeroizing::default(),
            given: 0,
        }
    }
}

impl<R: Random> Random for Buffered<R> {
    fn fill(&mut self, out: &mut [u8]) {
        if out.len() >= LONG {
            return self.source.fill(out);
        }
        if self.bytes.len() - self.given < out.len() {
            self.bytes.resize(PORTION, 0);
            self.source.fill(&mut self.bytes);
            self.given = 0;
        }
        let next = &mut self.bytes[self.given..self.given + out.len()];
        out.copy_from_slice(next);
        next.zeroize();
        self.given += out.len();
    }
}

impl<R> fmt::Debug for Buffered<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Buffered")
    }
}

/// A generator that repeats itself for the same seed, for tests and simulations only.
#[cfg(feature = "testing")]
pub struct SeededRandom(rand_chacha::ChaCha8Rng);

#[cfg(feature = "testing")]
impl SeededRandom {
    /// The generator of this seed.
    pub fn from_seed(seed: u64) -> Self {
        use rand_core::SeedableRng;
        Self(rand_chacha::ChaCha8Rng::seed_from_u64(seed))
    }
}

#[cfg(feature = "testing")]
impl Random for SeededRandom {
    fn fill(&mut self, out: &mut [u8]) {
        use rand_core::Rng;
        self.0.fill_bytes(out);
    }
}

#[cfg(feature = "testing")]
impl fmt::Debug for SeededRandom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SeededRandom")
    }
}

impl fmt::Debug for dyn Random {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Random")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts up, and how often it is asked.
    #[derive(Default)]
    struct Counting {
        next: u8,
        asked: usize,
    }

    impl Random for Counting {
        fn fill(&mut self, out: &mut [u8]) {
            self.asked += 1;
            for byte in out {
                *byte = self.next;
                self.next = self.next.wrapping_add(1);
            }
        }
    }

    #[test]
    fn no_byte_is_given_out_twice_and_the_source_is_asked_seldom() {
        let mut random = Buffered::new(Counting::default());
        let given: Vec<u8> = (0..1000).flat_map(|_| array::<4>(&mut random)).collect();
        let expected: Vec<u8> = (0..4000).map(|number| number as u8).collect();
        assert_eq!(given, expected);
        assert_eq!(random.source.asked, 4000usize.div_ceil(PORTION));
    }

    #[test]
    fn what_does_not_fit_the_rest_begins_a_new_portion_and_long_ones_come_from_the_source() {
        let mut random = Buffered::new(Counting::default());
        let _ = array::<3>(&mut random);
        let asked = random.source.asked;
        assert_eq!(array::<256>(&mut random).len(), 256);
        assert_eq!(random.source.asked, asked + 1);
        for _ in 0..100 {
            let bytes = array::<31>(&mut random);
            assert!(
                bytes
                    .windows(2)
                    .all(|pair| pair[1] == pair[0].wrapping_add(1))
            );
        }
    }

    #[test]
    fn what_was_given_out_is_not_kept() {
        let mut random = Buffered::new(Counting { next: 1, asked: 0 });
        assert_eq!(array::<8>(&mut random), [1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(random.bytes[..9], [0, 0, 0, 0, 0, 0, 0, 0, 9]);
    }
}

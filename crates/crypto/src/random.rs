//! Where random bytes come from.

use std::fmt;

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

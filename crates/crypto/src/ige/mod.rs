//! AES-256 in IGE mode (<https://core.telegram.org/mtproto/description>).
//!
//! Each block waits for the one before it, in both directions: one message takes as long as the processor needs for one
//! block, times their number, and most of the processor idles meanwhile. So messages that do not depend on each other are
//! better handed in together: they go through it side by side, each with its own key.

mod portable;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
#[cfg(target_arch = "x86_64")]
mod x86;

/// Blocks of one message.
type Blocks = [[u8; 16]];

/// One message of a batch.
pub struct Job<'a> {
    /// Its key.
    pub key: &'a [u8; 32],
    /// Its initialization vector.
    pub iv: &'a [u8; 32],
    /// What is encrypted or decrypted in place; whole blocks of 16 bytes.
    pub data: &'a mut [u8],
}

impl std::fmt::Debug for Job<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Job")
            .field("length", &self.data.len())
            .finish_non_exhaustive()
    }
}

/// Encrypts in place.
///
/// # Panics
/// If the length is no multiple of 16: the caller pads, so this is a bug of the caller and never of the peer.
pub fn encrypt(key: &[u8; 32], iv: &[u8; 32], data: &mut [u8]) {
    let blocks = whole_blocks(data);
    #[cfg(target_arch = "x86_64")]
    if let Some(processor) = x86::Processor::detect() {
        return processor.single::<true>(key, iv, blocks, usize::MAX, |_| {});
    }
    portable::encrypt(key, iv, blocks);
}

/// Decrypts in place.
///
/// # Panics
/// As [`encrypt`]: whoever takes the length from a peer checks it first.
pub fn decrypt(key: &[u8; 32], iv: &[u8; 32], data: &mut [u8]) {
    let blocks = whole_blocks(data);
    #[cfg(target_arch = "x86_64")]
    if let Some(processor) = x86::Processor::detect() {
        return processor.single::<false>(key, iv, blocks, usize::MAX, |_| {});
    }
    portable::decrypt(key, iv, blocks, usize::MAX, |_| {});
}

/// Encrypts independent messages, each in place: several at a time where the processor can. Any number of any lengths.
///
/// # Panics
/// As [`encrypt`], for any of them; then some may be encrypted and others not.
pub fn encrypt_batch(jobs: &mut [Job<'_>]) {
    #[cfg(target_arch = "x86_64")]
    if jobs.len() > 1
        && let Some(processor) = x86::Processor::detect()
    {
        return processor.batch::<true>(jobs, usize::MAX, |_, _| {});
    }
    for job in jobs {
        encrypt(job.key, job.iv, job.data);
    }
}

/// Decrypts independent messages, each in place: several at a time where the processor can. Any number of any lengths.
///
/// # Panics
/// As [`encrypt_batch`].
pub fn decrypt_batch(jobs: &mut [Job<'_>]) {
    #[cfg(target_arch = "x86_64")]
    if jobs.len() > 1
        && let Some(processor) = x86::Processor::detect()
    {
        return processor.batch::<false>(jobs, usize::MAX, |_, _| {});
    }
    for job in jobs {
        decrypt(job.key, job.iv, job.data);
    }
}

/// As [`decrypt`]; meanwhile `done` is shown what was decrypted so far, from the first byte on, again and again while that
/// lies in the processor's cache. The last time it is everything.
pub(crate) fn decrypt_watched(
    key: &[u8; 32],
    iv: &[u8; 32],
    data: &mut [u8],
    done: impl FnMut(&[u8]),
) {
    let blocks = whole_blocks(data);
    #[cfg(target_arch = "x86_64")]
    if let Some(processor) = x86::Processor::detect() {
        return processor.single::<false>(key, iv, blocks, x86::STEP, done);
    }
    portable::decrypt(key, iv, blocks, portable::STEP, done);
}

/// As [`decrypt_batch`], each message watched as by [`decrypt_watched`]; `done` is told its number.
pub(crate) fn decrypt_batch_watched(jobs: &mut [Job<'_>], mut done: impl FnMut(usize, &[u8])) {
    #[cfg(target_arch = "x86_64")]
    if jobs.len() > 1
        && let Some(processor) = x86::Processor::detect()
    {
        return processor.batch::<false>(jobs, x86::STEP, done);
    }
    for (number, job) in jobs.iter_mut().enumerate() {
        decrypt_watched(job.key, job.iv, job.data, |data| done(number, data));
    }
}

fn whole_blocks(data: &mut [u8]) -> &mut Blocks {
    let (blocks, rest) = data.as_chunks_mut();
    assert!(rest.is_empty(), "IGE works on whole blocks of 16 bytes");
    blocks
}

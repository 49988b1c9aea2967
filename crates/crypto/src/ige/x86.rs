//! Up to eight messages side by side, by the instructions AES-NI and VAES.
#![allow(
    unsafe_code,
    reason = "instructions that not every processor has, and their loads and stores; nothing else is unsafe here"
)]

use core::arch::x86_64::{
    __m128i, __m512i, _mm_aesdec_si128, _mm_aesdeclast_si128, _mm_aesenc_si128,
    _mm_aesenclast_si128, _mm_aesimc_si128, _mm_aeskeygenassist_si128, _mm_loadu_si128,
    _mm_setzero_si128, _mm_shuffle_epi32, _mm_slli_si128, _mm_storeu_si128, _mm_xor_si128,
    _mm512_aesdec_epi128, _mm512_aesdeclast_epi128, _mm512_aesenc_epi128, _mm512_aesenclast_epi128,
    _mm512_castsi128_si512, _mm512_castsi512_si128, _mm512_extracti32x4_epi32, _mm512_inserti32x4,
    _mm512_setzero_si512, _mm512_xor_si512,
};

use zeroize::{Zeroize, ZeroizeOnDrop};

use super::{Blocks, Job, whole_blocks};

/// The most messages at a time: so many keep the processor's units busy.
const WIDEST: usize = 8;

/// Blocks between two looks at what is done: the 64 bytes that a hash takes at once. So few that the processor, which
/// looks some hundred instructions ahead, hashes while it waits for the cipher.
pub(super) const STEP: usize = 4;

const ROUNDS: usize = 14;

/// A processor that has AES-NI.
#[derive(Debug, Clone, Copy)]
pub(super) struct Processor {
    /// It has VAES on registers of 512 bits, too.
    wide: bool,
}

impl Processor {
    pub(super) fn detect() -> Option<Self> {
        is_x86_feature_detected!("aes").then(|| Self {
            wide: is_x86_feature_detected!("vaes") && is_x86_feature_detected!("avx512f"),
        })
    }

    /// This processor, and as if it had fewer instructions.
    #[cfg(test)]
    pub(super) fn detect_all() -> impl Iterator<Item = Self> {
        let without = Self::detect().map(|_| Self { wide: false });
        Self::detect().into_iter().chain(without)
    }

    /// One message. `done` is shown what is done after every `step` blocks and at the end.
    #[inline]
    pub(super) fn single<const ENCRYPT: bool>(
        self,
        key: &[u8; 32],
        iv: &[u8; 32],
        blocks: &mut Blocks,
        step: usize,
        done: impl FnMut(&[u8]),
    ) {
        // SAFETY: a `Processor` is only made where AES-NI was detected.
        unsafe { single::<ENCRYPT>(key, iv, blocks, step, done) }
    }

    /// Any number of messages. `done` is told the number of a message and shown what is done of it, after every `step`
    /// blocks at most and at the end.
    pub(super) fn batch<const ENCRYPT: bool>(
        self,
        jobs: &mut [Job<'_>],
        step: usize,
        mut done: impl FnMut(usize, &[u8]),
    ) {
        let mut jobs = jobs.iter_mut().enumerate();
        let mut lanes: Vec<Lane<'_>> = Vec::with_capacity(WIDEST);
        loop {
            while lanes.len() < WIDEST
                && let Some((number, job)) = jobs.next()
            {
                let blocks = whole_blocks(job.data);
                if !blocks.is_empty() {
                    // SAFETY: a `Processor` is only made where AES-NI was detected.
                    lanes.push(unsafe { Lane::new::<ENCRYPT>(number, job.key, job.iv, blocks) });
                }
            }
            let left = lanes.iter().map(|lane| lane.blocks.len() - lane.at).min();
            let Some(shortest) = left else { return };
            let rows = shortest.min(step);
            self.rows::<ENCRYPT>(&mut lanes, rows);
            for lane in &mut lanes {
                lane.at += rows;
                done(lane.number, lane.blocks[..lane.at].as_flattened());
            }
            if rows == shortest {
                lanes.retain(|lane| lane.at < lane.blocks.len());
            }
        }
    }

    /// So many blocks of each lane; each has them.
    fn rows<const ENCRYPT: bool>(self, lanes: &mut [Lane<'_>], count: usize) {
        macro_rules! with_width {
            ($($width:literal)*) => {
                match lanes.len() {
                    $($width => if let Some(lanes) = lanes.first_chunk_mut() {
                        // SAFETY: a `Processor` is only made where AES-NI was detected.
                        unsafe { rows::<$width, ENCRYPT>(lanes, count) }
                    },)*
                    other => unreachable!("{other} lanes; there are {WIDEST} at most"),
                }
            };
        }
        // Below that, setting up the wide registers costs more than they save.
        if self.wide
            && count >= 16
            && let Ok(lanes) = <&mut [_; WIDEST]>::try_from(&mut *lanes)
        {
            // SAFETY: `wide` says that VAES and AVX-512F were detected.
            return unsafe { wide_rows::<ENCRYPT>(lanes, count) };
        }
        with_width!(1 2 3 4 5 6 7 8);
    }
}

/// One message on its way. What of it is secret is wiped when it is dropped.
struct Lane<'a> {
    /// For decryption in reverse and with the columns unmixed, as `aesdec` wants it (FIPS 197, 5.3.5).
    schedule: [__m128i; ROUNDS + 1],
    /// The last block that came out, and the last one that went in.
    before_out: __m128i,
    before_in: __m128i,
    number: usize,
    blocks: &'a mut Blocks,
    at: usize,
}

impl Drop for Lane<'_> {
    fn drop(&mut self) {
        self.schedule.zeroize();
        self.before_out.zeroize();
        self.before_in.zeroize();
    }
}

impl ZeroizeOnDrop for Lane<'_> {}

impl<'a> Lane<'a> {
    #[inline]
    #[target_feature(enable = "aes")]
    fn new<const ENCRYPT: bool>(
        number: usize,
        key: &[u8; 32],
        iv: &[u8; 32],
        blocks: &'a mut Blocks,
    ) -> Self {
        let (first, second) = (load(half(iv, 0)), load(half(iv, 1)));
        let (before_out, before_in) = if ENCRYPT {
            (first, second)
        } else {
            (second, first)
        };
        let mut schedule = expand(key);
        if !ENCRYPT {
            schedule.reverse();
            for key in &mut schedule[1..ROUNDS] {
                *key = _mm_aesimc_si128(*key);
            }
        }
        Self {
            schedule,
            before_out,
            before_in,
            number,
            blocks,
            at: 0,
        }
    }
}

fn half(bytes: &[u8; 32], which: usize) -> &[u8; 16] {
    let (halves, _) = bytes.as_chunks();
    &halves[which]
}

#[inline(always)]
fn load(block: &[u8; 16]) -> __m128i {
    // SAFETY: reads the 16 bytes of the reference; the instruction asks for no alignment, and SSE2 is part of x86-64.
    unsafe { _mm_loadu_si128(block.as_ptr().cast()) }
}

#[inline(always)]
fn store(block: &mut [u8; 16], value: __m128i) {
    // SAFETY: writes the 16 bytes of the reference; the instruction asks for no alignment, and SSE2 is part of x86-64.
    unsafe { _mm_storeu_si128(block.as_mut_ptr().cast(), value) }
}

/// The key schedule of FIPS 197, 5.2: each half of the key in turn is summed up word by word, beginning with a word of the
/// other half, substituted.
#[inline]
#[target_feature(enable = "aes")]
fn expand(key: &[u8; 32]) -> [__m128i; ROUNDS + 1] {
    let mut schedule = [_mm_setzero_si128(); ROUNDS + 1];
    schedule[0] = load(half(key, 0));
    schedule[1] = load(half(key, 1));
    macro_rules! even {
        ($at:literal, $round:literal) => {
            let assist = _mm_aeskeygenassist_si128::<$round>(schedule[$at - 1]);
            schedule[$at] = sum_up(schedule[$at - 2], _mm_shuffle_epi32::<0xff>(assist));
        };
    }
    macro_rules! odd {
        ($at:literal) => {
            let assist = _mm_aeskeygenassist_si128::<0>(schedule[$at - 1]);
            schedule[$at] = sum_up(schedule[$at - 2], _mm_shuffle_epi32::<0xaa>(assist));
        };
    }
    even!(2, 0x01);
    odd!(3);
    even!(4, 0x02);
    odd!(5);
    even!(6, 0x04);
    odd!(7);
    even!(8, 0x08);
    odd!(9);
    even!(10, 0x10);
    odd!(11);
    even!(12, 0x20);
    odd!(13);
    even!(14, 0x40);
    schedule
}

#[inline]
#[target_feature(enable = "sse2")]
fn sum_up(mut words: __m128i, first: __m128i) -> __m128i {
    words = _mm_xor_si128(words, _mm_slli_si128::<4>(words));
    words = _mm_xor_si128(words, _mm_slli_si128::<8>(words));
    _mm_xor_si128(words, first)
}

#[inline]
#[target_feature(enable = "aes")]
fn single<const ENCRYPT: bool>(
    key: &[u8; 32],
    iv: &[u8; 32],
    blocks: &mut Blocks,
    step: usize,
    mut done: impl FnMut(&[u8]),
) {
    let mut lane = [Lane::new::<ENCRYPT>(0, key, iv, blocks)];
    while lane[0].at < lane[0].blocks.len() {
        let count = step.min(lane[0].blocks.len() - lane[0].at);
        rows::<1, ENCRYPT>(&mut lane, count);
        lane[0].at += count;
        done(lane[0].blocks[..lane[0].at].as_flattened());
    }
}

/// out = cipher(in ^ before_out) ^ before_in. The first `^` is joined to that of the first round's key and the second one
/// to that of the last, so that they do not lengthen the chain that everything waits for.
#[target_feature(enable = "aes")]
fn rows<const WIDTH: usize, const ENCRYPT: bool>(lanes: &mut [Lane<'_>; WIDTH], count: usize) {
    let mut before_out = [_mm_setzero_si128(); WIDTH];
    let mut before_in = [_mm_setzero_si128(); WIDTH];
    for (number, lane) in lanes.iter().enumerate() {
        before_out[number] = lane.before_out;
        before_in[number] = lane.before_in;
    }
    for row in 0..count {
        let mut state = [_mm_setzero_si128(); WIDTH];
        let mut last = [_mm_setzero_si128(); WIDTH];
        for (number, lane) in lanes.iter().enumerate() {
            let block = load(&lane.blocks[lane.at + row]);
            let fresh = _mm_xor_si128(block, lane.schedule[0]);
            state[number] = _mm_xor_si128(fresh, before_out[number]);
            last[number] = _mm_xor_si128(lane.schedule[ROUNDS], before_in[number]);
            before_in[number] = block;
        }
        for round in 1..ROUNDS {
            for (number, lane) in lanes.iter().enumerate() {
                state[number] = if ENCRYPT {
                    _mm_aesenc_si128(state[number], lane.schedule[round])
                } else {
                    _mm_aesdec_si128(state[number], lane.schedule[round])
                };
            }
        }
        for (number, lane) in lanes.iter_mut().enumerate() {
            before_out[number] = if ENCRYPT {
                _mm_aesenclast_si128(state[number], last[number])
            } else {
                _mm_aesdeclast_si128(state[number], last[number])
            };
            store(&mut lane.blocks[lane.at + row], before_out[number]);
        }
    }
    for (number, lane) in lanes.iter_mut().enumerate() {
        lane.before_out = before_out[number];
        lane.before_in = before_in[number];
    }
}

/// As [`rows`], four messages in each register.
#[target_feature(enable = "aes,vaes,avx512f")]
fn wide_rows<const ENCRYPT: bool>(lanes: &mut [Lane<'_>; WIDEST], count: usize) {
    const REGISTERS: usize = WIDEST / 4;
    let mut schedule = [[_mm512_setzero_si512(); ROUNDS + 1]; REGISTERS];
    let mut before_out = [_mm512_setzero_si512(); REGISTERS];
    let mut before_in = [_mm512_setzero_si512(); REGISTERS];
    for (number, four) in lanes.as_chunks::<4>().0.iter().enumerate() {
        for (round, joined) in schedule[number].iter_mut().enumerate() {
            let [a, b, c, d] = four.each_ref().map(|lane| lane.schedule[round]);
            *joined = join(a, b, c, d);
        }
        let [a, b, c, d] = four.each_ref().map(|lane| lane.before_out);
        before_out[number] = join(a, b, c, d);
        let [a, b, c, d] = four.each_ref().map(|lane| lane.before_in);
        before_in[number] = join(a, b, c, d);
    }
    for row in 0..count {
        let mut state = [_mm512_setzero_si512(); REGISTERS];
        let mut last = [_mm512_setzero_si512(); REGISTERS];
        for (number, four) in lanes.as_chunks::<4>().0.iter().enumerate() {
            let block = join(
                load(&four[0].blocks[four[0].at + row]),
                load(&four[1].blocks[four[1].at + row]),
                load(&four[2].blocks[four[2].at + row]),
                load(&four[3].blocks[four[3].at + row]),
            );
            let fresh = _mm512_xor_si512(block, schedule[number][0]);
            state[number] = _mm512_xor_si512(fresh, before_out[number]);
            last[number] = _mm512_xor_si512(schedule[number][ROUNDS], before_in[number]);
            before_in[number] = block;
        }
        for round in 1..ROUNDS {
            for (state, schedule) in state.iter_mut().zip(&schedule) {
                *state = if ENCRYPT {
                    _mm512_aesenc_epi128(*state, schedule[round])
                } else {
                    _mm512_aesdec_epi128(*state, schedule[round])
                };
            }
        }
        for (number, four) in lanes.as_chunks_mut::<4>().0.iter_mut().enumerate() {
            let out = if ENCRYPT {
                _mm512_aesenclast_epi128(state[number], last[number])
            } else {
                _mm512_aesdeclast_epi128(state[number], last[number])
            };
            before_out[number] = out;
            for (lane, value) in four.iter_mut().zip(split(out)) {
                store(&mut lane.blocks[lane.at + row], value);
            }
        }
    }
    for (number, four) in lanes.as_chunks_mut::<4>().0.iter_mut().enumerate() {
        let (outs, ins) = (split(before_out[number]), split(before_in[number]));
        for (lane, (out, input)) in four.iter_mut().zip(outs.into_iter().zip(ins)) {
            lane.before_out = out;
            lane.before_in = input;
        }
        schedule[number].zeroize();
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn join(a: __m128i, b: __m128i, c: __m128i, d: __m128i) -> __m512i {
    let joined = _mm512_inserti32x4::<1>(_mm512_castsi128_si512(a), b);
    let joined = _mm512_inserti32x4::<2>(joined, c);
    _mm512_inserti32x4::<3>(joined, d)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn split(joined: __m512i) -> [__m128i; 4] {
    [
        _mm512_castsi512_si128(joined),
        _mm512_extracti32x4_epi32::<1>(joined),
        _mm512_extracti32x4_epi32::<2>(joined),
        _mm512_extracti32x4_epi32::<3>(joined),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_are_wiped_when_dropped() {
        fn wiped<T: ZeroizeOnDrop>() {}
        wiped::<Lane<'static>>();
    }
}

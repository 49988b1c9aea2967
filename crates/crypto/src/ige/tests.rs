//! Messages side by side against each by itself, by the portable path.

use proptest::prelude::*;

use super::*;
use crate::random::{Random, SeededRandom};

struct Message {
    key: [u8; 32],
    iv: [u8; 32],
    data: Vec<u8>,
}

/// Messages of these lengths in blocks, every one with a key and an IV of its own.
fn messages(lengths: &[usize], seed: u64) -> Vec<Message> {
    let mut random = SeededRandom::from_seed(seed);
    let mut make = |blocks: usize| {
        let (mut key, mut iv, mut data) = ([0; 32], [0; 32], vec![0; 16 * blocks]);
        random.fill(&mut key);
        random.fill(&mut iv);
        random.fill(&mut data);
        Message { key, iv, data }
    };
    lengths.iter().map(|blocks| make(*blocks)).collect()
}

fn jobs(messages: &mut [Message]) -> Vec<Job<'_>> {
    let all = messages.iter_mut();
    all.map(|Message { key, iv, data }| Job { key, iv, data })
        .collect()
}

/// What the portable path makes of each.
fn one_by_one(lengths: &[usize], seed: u64, encrypting: bool) -> Vec<Vec<u8>> {
    let mut messages = messages(lengths, seed);
    for Message { key, iv, data } in &mut messages {
        let blocks = whole_blocks(data);
        if encrypting {
            portable::encrypt(key, iv, blocks);
        } else {
            portable::decrypt(key, iv, blocks, portable::STEP, |_| {});
        }
    }
    messages.into_iter().map(|message| message.data).collect()
}

fn check(lengths: &[usize], seed: u64, encrypting: bool, run: impl FnOnce(&mut [Job<'_>])) {
    let mut messages = messages(lengths, seed);
    run(&mut jobs(&mut messages));
    let expected = one_by_one(lengths, seed, encrypting);
    for (number, (message, expected)) in messages.iter().zip(expected).enumerate() {
        assert!(message.data == expected, "message {number} of {lengths:?}");
    }
}

/// Every way there is on this processor.
fn check_all_ways(lengths: &[usize], seed: u64) {
    check(lengths, seed, true, encrypt_batch);
    check(lengths, seed, false, decrypt_batch);
    check_watched(lengths, seed, |jobs, done| {
        decrypt_batch_watched(jobs, done)
    });
    #[cfg(target_arch = "x86_64")]
    for processor in x86::Processor::detect_all() {
        for step in [1, x86::STEP, 16, 17, usize::MAX] {
            let encrypt = |jobs: &mut [Job<'_>]| processor.batch::<true>(jobs, step, |_, _| {});
            check(lengths, seed, true, encrypt);
            check_watched(lengths, seed, |jobs, done| {
                processor.batch::<false>(jobs, step, done);
            });
        }
    }
}

/// What is shown is what was decrypted so far: it grows, its last showing is everything, and nothing of it changes after.
fn check_watched(
    lengths: &[usize],
    seed: u64,
    run: impl FnOnce(&mut [Job<'_>], &mut dyn FnMut(usize, &[u8])),
) {
    let expected = one_by_one(lengths, seed, false);
    let mut seen = vec![0; lengths.len()];
    check(lengths, seed, false, |jobs| {
        run(jobs, &mut |number, done| {
            assert!(done.len() > seen[number], "message {number} of {lengths:?}");
            assert!(*done == expected[number][..done.len()]);
            seen[number] = done.len();
        });
    });
    let all: Vec<_> = lengths.iter().map(|blocks| 16 * blocks).collect();
    assert_eq!(seen, all);
}

#[test]
fn every_width_and_lengths_around_a_step() {
    for width in 0..=17 {
        for blocks in [0, 1, 2, 3, 4, 5, 15, 16, 17, 33, 64, 257] {
            check_all_ways(&vec![blocks; width], 7 * width as u64 + blocks as u64);
        }
    }
}

#[test]
fn one_long_message_among_short_ones() {
    for at in 0..9 {
        let mut lengths = [3; 9];
        lengths[at] = 600;
        check_all_ways(&lengths, at as u64);
    }
}

/// Vectors of an implementation that is not ours, in every place of a batch.
#[test]
fn the_vectors_hold_on_every_path_and_in_every_place() {
    let vectors: serde_json::Value =
        serde_json::from_str(include_str!("../../../../tests/vectors.json")).unwrap();
    let bytes = |name: &str| -> Vec<u8> {
        let text = vectors["ige"][name].as_str().unwrap();
        let byte = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
        (0..text.len()).step_by(2).map(byte).collect()
    };
    let (key, iv) = (
        bytes("key").try_into().unwrap(),
        bytes("iv").try_into().unwrap(),
    );
    let mut data = bytes("pt");
    portable::encrypt(&key, &iv, whole_blocks(&mut data));
    assert_eq!(data, bytes("ct"));
    portable::decrypt(&key, &iv, whole_blocks(&mut data), 1, |_| {});
    assert_eq!(data, bytes("pt"));
    for width in 1..=9 {
        for place in 0..width {
            let mut batch = messages(&vec![20; width], width as u64);
            batch[place] = Message {
                key,
                iv,
                data: bytes("pt"),
            };
            encrypt_batch(&mut jobs(&mut batch));
            assert_eq!(batch[place].data, bytes("ct"));
            decrypt_batch(&mut jobs(&mut batch));
            assert_eq!(batch[place].data, bytes("pt"));
        }
    }
}

#[test]
#[should_panic(expected = "whole blocks")]
fn half_a_block_in_a_batch_is_a_bug_of_the_caller() {
    let mut messages = messages(&[2, 2, 2], 1);
    messages[1].data.pop();
    decrypt_batch(&mut jobs(&mut messages));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_lengths_in_any_order(lengths in prop::collection::vec(0usize..70, 0..20), seed: u64) {
        check_all_ways(&lengths, seed);
    }
}

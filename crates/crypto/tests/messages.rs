//! Ciphers and encrypted messages: round trips, and the attacks of rows S1 to S3.
#![allow(clippy::unwrap_used)]

use actogram_crypto::{
    AuthKey, Side,
    ctr::Ctr256,
    ige, kdf,
    message::{
        BadMessage, HEADER, Packet, decrypt, decrypt_batch, decrypt_v1, encrypt, encrypt_batch,
        encrypt_v1,
    },
    random::{self, Random, SeededRandom},
    sha::sha256,
};
use aes::Aes256;
use cipher::{Array, BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};
use proptest::prelude::*;

fn auth_key() -> AuthKey {
    AuthKey::new(random::array(&mut SeededRandom::from_seed(1)))
}

/// A packet of `blocks` blocks of plaintext from this sender, and that plaintext.
fn packet(from: Side, blocks: usize) -> (Vec<u8>, Vec<u8>) {
    let mut packet = vec![0; HEADER + 16 * blocks];
    SeededRandom::from_seed(blocks as u64).fill(&mut packet[HEADER..]);
    let plaintext = packet[HEADER..].to_vec();
    encrypt(&auth_key(), from, &mut packet);
    (packet, plaintext)
}

fn refused(from: Side, mut packet: Vec<u8>) -> bool {
    decrypt(&auth_key(), from, &mut packet) == Err(BadMessage)
}

/// IGE as its definition says, block by block: c = E(p ^ c') ^ p', where ' is the block before.
fn ige_by_definition(key: &[u8; 32], iv: &[u8; 32], data: &[u8], encrypting: bool) -> Vec<u8> {
    let cipher = Aes256::new(key.into());
    let (mut before_out, mut before_in) = (iv[..16].to_vec(), iv[16..].to_vec());
    if !encrypting {
        std::mem::swap(&mut before_out, &mut before_in);
    }
    let mut out = Vec::new();
    for block in data.chunks(16) {
        let mut state: [u8; 16] = std::array::from_fn(|at| block[at] ^ before_out[at]);
        let inner: &mut Array<u8, _> = (&mut state).into();
        if encrypting {
            cipher.encrypt_block(inner);
        } else {
            cipher.decrypt_block(inner);
        }
        let done: Vec<u8> = (0..16).map(|at| state[at] ^ before_in[at]).collect();
        before_in = block.to_vec();
        before_out = done.clone();
        out.extend(done);
    }
    out
}

#[test]
fn s1_twin_an_honest_message_opens() {
    for from in [Side::Client, Side::Server] {
        for blocks in [3, 4, 5, 64, 4096] {
            let (mut packet, plaintext) = packet(from, blocks);
            assert_eq!(packet[..8], auth_key().id().to_le_bytes());
            assert_ne!(packet[HEADER..], plaintext);
            assert!(decrypt(&auth_key(), from, &mut packet).is_ok());
            assert_eq!(packet[HEADER..], plaintext);
        }
    }
}

#[test]
fn s1_each_bit_of_the_msg_key() {
    for from in [Side::Client, Side::Server] {
        let (honest, _) = packet(from, 5);
        for bit in 0..128 {
            let mut packet = honest.clone();
            packet[8 + bit / 8] ^= 1 << (bit % 8);
            assert!(refused(from, packet), "bit {bit}");
        }
    }
}

#[test]
fn s1_one_bit_in_each_block_of_the_ciphertext() {
    let (honest, _) = packet(Side::Server, 70);
    for block in 0..70 {
        for bit in [0, 63, 127] {
            let mut packet = honest.clone();
            packet[HEADER + 16 * block + bit / 8] ^= 1 << (bit % 8);
            assert!(refused(Side::Server, packet), "block {block}, bit {bit}");
        }
    }
}

#[test]
fn s1_the_last_block_removed_doubled_or_followed_by_another() {
    let (honest, _) = packet(Side::Server, 8);
    assert!(refused(Side::Server, honest[..honest.len() - 16].to_vec()));
    let last = &honest[honest.len() - 16..];
    assert!(refused(Side::Server, [&honest[..], last].concat()));
    assert!(refused(Side::Server, [&honest[..], &[0; 16]].concat()));
}

#[test]
fn s1_any_two_blocks_swapped() {
    let (honest, _) = packet(Side::Server, 8);
    for a in 0..8 {
        for b in 0..a {
            let mut packet = honest.clone();
            for at in 0..16 {
                packet.swap(HEADER + 16 * a + at, HEADER + 16 * b + at);
            }
            assert!(refused(Side::Server, packet), "{a} and {b}");
        }
    }
}

/// In a batch as alone: the honest ones open, the others are refused, whatever their neighbours are.
#[test]
fn s1_to_s3_bad_messages_in_a_batch_disturb_no_others() {
    let key = auth_key();
    let lengths = [3, 40, 5, 700, 64, 9, 3, 17, 80, 33];
    for width in 1..=lengths.len() {
        for spoilt in 0..width {
            let mut made: Vec<_> = lengths[..width]
                .iter()
                .map(|blocks| packet(Side::Server, *blocks))
                .collect();
            let honest = made[spoilt].0.clone();
            let spoil: [fn(&mut Vec<u8>); 6] = [
                |packet| packet[HEADER] ^= 1,
                |packet| *packet.last_mut().unwrap() ^= 0x80,
                |packet| packet[8] ^= 4,
                |packet| packet[0] ^= 1,
                |packet| packet.truncate(HEADER + 32),
                |packet| packet.truncate(7),
            ];
            for spoil in spoil {
                made[spoilt].0 = honest.clone();
                spoil(&mut made[spoilt].0);
                let mut batch: Vec<_> = made.iter().map(|(packet, _)| packet.clone()).collect();
                let mut packets: Vec<_> = batch
                    .iter_mut()
                    .map(|packet| Packet {
                        key: &key,
                        from: Side::Server,
                        packet,
                    })
                    .collect();
                let outcomes = decrypt_batch(&mut packets);
                for (number, outcome) in outcomes.into_iter().enumerate() {
                    let mut alone = made[number].0.clone();
                    assert_eq!(outcome, decrypt(&key, Side::Server, &mut alone));
                    assert_eq!(outcome.is_err(), number == spoilt);
                    if number != spoilt {
                        assert_eq!(batch[number][HEADER..], made[number].1);
                    }
                }
            }
        }
    }
}

/// The padding is part of what is authenticated, other than in MTProto 1.0.
#[test]
fn s1_padding_is_authenticated() {
    let key = auth_key();
    let (mut packet, plaintext) = packet(Side::Server, 6);
    let (aes_key, iv) = derived(&key, &packet[8..HEADER], Side::Server);
    let mut forged = plaintext;
    *forged.last_mut().unwrap() ^= 1;
    ige::encrypt(&aes_key, &iv, &mut forged);
    packet[HEADER..].copy_from_slice(&forged);
    assert!(refused(Side::Server, packet));
}

/// The derivation of a message's key, written down a second time.
fn derived(key: &AuthKey, msg_key: &[u8], from: Side) -> ([u8; 32], [u8; 32]) {
    let x = if from == Side::Client { 0 } else { 8 };
    let k = key.as_bytes();
    let a = sha256(&[msg_key, &k[x..x + 36]].concat());
    let b = sha256(&[&k[40 + x..40 + x + 36], msg_key].concat());
    let aes_key = [&a[..8], &b[8..24], &a[24..]].concat();
    let iv = [&b[..8], &a[8..24], &b[24..]].concat();
    (aes_key.try_into().unwrap(), iv.try_into().unwrap())
}

#[test]
fn s1_a_message_sent_back_to_its_sender() {
    for (from, other) in [(Side::Client, Side::Server), (Side::Server, Side::Client)] {
        let (packet, _) = packet(from, 5);
        assert!(refused(other, packet));
    }
}

#[test]
fn s2_the_id_of_another_key() {
    let (honest, _) = packet(Side::Server, 5);
    for bit in 0..64 {
        let mut packet = honest.clone();
        packet[bit / 8] ^= 1 << (bit % 8);
        assert!(refused(Side::Server, packet), "bit {bit}");
    }
    let mut zero = honest.clone();
    zero[..8].fill(0);
    assert!(refused(Side::Server, zero));
    let another = AuthKey::new([9; 256]);
    let mut packet = honest;
    packet[..8].copy_from_slice(&another.id().to_le_bytes());
    assert_eq!(
        decrypt(&another, Side::Server, &mut packet),
        Err(BadMessage)
    );
}

/// A length no message has is refused, also with a `msg_key` that fits; the shortest honest one opens.
#[test]
fn s3_each_length_from_0_to_100_and_beyond() {
    let key = auth_key();
    for length in (0..=100).chain([1023, 1024 + 24, 1 << 20]) {
        let mut packet = vec![0x5a; length];
        assert_eq!(decrypt(&key, Side::Server, &mut packet), Err(BadMessage));
        let allowed = length >= 72 && (length - HEADER).is_multiple_of(16);
        if length < HEADER || !(length - HEADER).is_multiple_of(16) {
            continue;
        }
        packet.fill(0x5a);
        encrypt(&key, Side::Server, &mut packet);
        let result = decrypt(&key, Side::Server, &mut packet);
        assert_eq!(result.is_ok(), allowed, "length {length}");
    }
}

/// What was refused for its length was not decrypted.
#[test]
fn s3_a_refused_length_leaves_the_packet_alone() {
    let (honest, _) = packet(Side::Server, 5);
    for cut in [1, 8, 15, 33, 40] {
        let mut packet = honest[..honest.len() - cut].to_vec();
        let before = packet.clone();
        assert_eq!(
            decrypt(&auth_key(), Side::Server, &mut packet),
            Err(BadMessage)
        );
        assert_eq!(packet, before);
    }
}

#[test]
fn k18_keys_and_nonces_with_leading_zeros() {
    let mut bytes = [0; 256];
    bytes[9..].fill(7);
    let key = AuthKey::new(bytes);
    assert_eq!(key.as_bytes(), &bytes);
    let mut packet = vec![3; HEADER + 48];
    encrypt(&key, Side::Client, &mut packet);
    assert!(decrypt(&key, Side::Client, &mut packet).is_ok());
    assert_eq!(packet[HEADER..], [3; 48]);
    // A nonce that lost its leading zeros would give the keys of another one.
    let (mut nonce, mut shifted) = ([5; 32], [5; 32]);
    nonce[0] = 0;
    shifted[31] = 0;
    assert_ne!(
        kdf::tmp_aes(&nonce, &[1; 16]),
        kdf::tmp_aes(&shifted, &[1; 16])
    );
    let hash = |nonce: &[u8; 32]| kdf::new_nonce_hash(nonce, 1, key.aux_hash());
    assert_ne!(hash(&nonce), hash(&shifted));
}

/// Computed by another implementation of SHA-1. Clients that hash the key without its leading zeros find another hash, and
/// refuse one exchange of 256.
#[test]
fn k18_the_hash_of_the_nonce_is_over_the_key_with_its_leading_zeros() {
    let mut bytes: [u8; 256] = std::array::from_fn(|at| (at * 7 + 1) as u8);
    bytes[..3].fill(0);
    let key = AuthKey::new(bytes);
    assert_eq!(key.id().to_le_bytes(), *b"\x49\xe4\xee\xd5\xb4\xb9\x43\x86");
    let nonce = std::array::from_fn(|at| (at * 11 + 3) as u8);
    for (number, expected) in [
        (1, 0xd82d_d9ed_7807_8908_ab4b_a9cb_f8d0_2197),
        (2, 0x47bc_4be2_a0ba_1322_b689_84e2_6fa6_0d43),
        (3, 0x033c_da16_1b3d_0c6b_046b_5421_29ff_736b_u128),
    ] {
        let hash = kdf::new_nonce_hash(&nonce, number, key.aux_hash());
        assert_eq!(u128::from_be_bytes(hash), expected, "{number}");
    }
}

#[test]
fn bind_envelope_tampered_with() {
    let key = auth_key();
    let plaintext = [7; 72];
    let honest = encrypt_v1(&key, &plaintext, &[1; 8]);
    assert_eq!(honest.len(), 104);
    assert_eq!(decrypt_v1(&key, &honest, 72), Ok(plaintext.to_vec()));
    for bit in 0..(HEADER + 64) * 8 {
        let mut packet = honest.clone();
        packet[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(decrypt_v1(&key, &packet, 72), Err(BadMessage), "bit {bit}");
    }
    for length in 0..honest.len() {
        assert_eq!(
            decrypt_v1(&key, &honest[..length], 72),
            Err(BadMessage),
            "length {length}"
        );
    }
    let longer = [&honest[..], &[0; 16]].concat();
    assert_eq!(decrypt_v1(&key, &longer, 72), Err(BadMessage));
    for hashed in [0, 64, 71, 73, 80, 81, 1 << 20, usize::MAX] {
        assert_eq!(decrypt_v1(&key, &honest, hashed), Err(BadMessage));
    }
    assert_eq!(
        decrypt_v1(&AuthKey::new([1; 256]), &honest, 72),
        Err(BadMessage)
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn ige_does_what_its_definition_says(key: [u8; 32], iv: [u8; 32], blocks in 0usize..40, seed: u64) {
        let mut plain = vec![0; 16 * blocks];
        SeededRandom::from_seed(seed).fill(&mut plain);
        let mut data = plain.clone();
        ige::encrypt(&key, &iv, &mut data);
        prop_assert_eq!(&data, &ige_by_definition(&key, &iv, &plain, true));
        prop_assert_eq!(&ige_by_definition(&key, &iv, &data, false), &plain);
        ige::decrypt(&key, &iv, &mut data);
        prop_assert_eq!(data, plain);
    }

    /// However the stream is cut, it is the same stream; applied twice it is gone.
    #[test]
    fn ctr_is_one_stream(key: [u8; 32], iv: [u8; 16], data: Vec<u8>, cut in any::<prop::sample::Index>()) {
        let mut whole = data.clone();
        Ctr256::new(&key, &iv).apply(&mut whole);
        let mut parts = data.clone();
        let (head, tail) = parts.split_at_mut(cut.index(data.len() + 1));
        let mut stream = Ctr256::new(&key, &iv);
        stream.apply(head);
        stream.apply(tail);
        prop_assert_eq!(&parts, &whole);
        Ctr256::new(&key, &iv).apply(&mut whole);
        prop_assert_eq!(whole, data);
    }

    /// Of different keys, sides and lengths, in one batch: each as if it were alone.
    #[test]
    fn batches_come_back(seed: u64, lengths in prop::collection::vec(3usize..80, 0..12)) {
        let mut random = SeededRandom::from_seed(seed);
        let keys: Vec<_> = lengths.iter().map(|_| AuthKey::new(random::array(&mut random))).collect();
        let sides = [Side::Client, Side::Server];
        let plain: Vec<_> = lengths.iter().map(|blocks| {
            let mut packet = vec![0; HEADER + 16 * blocks];
            random.fill(&mut packet);
            packet
        }).collect();
        let mut sealed = plain.clone();
        let in_batch = |batch: &[AuthKey], packets: &mut Vec<Vec<u8>>, open: bool| {
            let mut packets: Vec<_> = packets.iter_mut().zip(batch).enumerate()
                .map(|(number, (packet, key))| Packet { key, from: sides[number % 2], packet })
                .collect();
            if open {
                decrypt_batch(&mut packets)
            } else {
                encrypt_batch(&mut packets).into_iter().map(Ok).collect()
            }
        };
        let tokens = in_batch(&keys, &mut sealed, false);
        for (number, plain) in plain.iter().enumerate() {
            let mut alone = plain.clone();
            let token = encrypt(&keys[number], sides[number % 2], &mut alone);
            prop_assert_eq!(tokens[number], Ok(token));
            prop_assert_eq!(&sealed[number], &alone);
        }
        prop_assert_eq!(in_batch(&keys, &mut sealed, true), tokens);
        for (plain, opened) in plain.iter().zip(&sealed) {
            prop_assert_eq!(&plain[HEADER..], &opened[HEADER..]);
        }
    }

    #[test]
    fn messages_come_back(seed: u64, blocks in 3usize..80, client: bool) {
        let mut random = SeededRandom::from_seed(seed);
        let key = AuthKey::new(random::array(&mut random));
        let from = if client { Side::Client } else { Side::Server };
        let mut packet = vec![0; HEADER + 16 * blocks];
        random.fill(&mut packet);
        let plaintext = packet[HEADER..].to_vec();
        let token = encrypt(&key, from, &mut packet);
        prop_assert_eq!(token >> 31, 1);
        let (aes_key, iv) = derived(&key, &packet[8..HEADER], from);
        prop_assert_eq!(&ige_by_definition(&aes_key, &iv, &packet[HEADER..], false), &plaintext);
        prop_assert_eq!(decrypt(&key, from, &mut packet), Ok(token));
        prop_assert_eq!(&packet[HEADER..], &plaintext[..]);
    }

    /// No bytes make it panic, and none pass.
    #[test]
    fn random_bytes_are_refused(mut bytes in prop::collection::vec(any::<u8>(), 0..300), named: bool) {
        let key = auth_key();
        if named && bytes.len() >= 8 {
            bytes[..8].copy_from_slice(&key.id().to_le_bytes());
        }
        prop_assert_eq!(decrypt(&key, Side::Server, &mut bytes), Err(BadMessage));
        prop_assert_eq!(decrypt_v1(&key, &bytes, 72), Err(BadMessage));
    }
}

//! Whole MTProto messages: `auth_key_id`, `msg_key`, and the encrypted rest
//! (<https://core.telegram.org/mtproto/description#encrypted-message>).
//!
//! The `msg_key` is a hash of the plaintext. To decrypt, it is computed while the cipher is at work and costs next to
//! nothing. To encrypt, it comes first: the cipher's key is derived from it. Messages of a batch go through the cipher side by
//! side, whatever their keys.

use crate::{
    AuthKey, Side,
    compare::constant_time_eq,
    ige,
    kdf::{self, MessageKey},
    sha::{Sha256After32, sha1},
};

/// Bytes before the encrypted part: `auth_key_id` and `msg_key`.
pub const HEADER: usize = 24;

/// The shortest encrypted part: a header of 32 bytes and at least 12 of padding, in whole blocks.
const SHORTEST: usize = 48;

/// The message is not what the holder of the key would have sent.
///
/// It does not say what was wrong: a peer must not learn that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an encrypted message was not made with this key; drop it and close the connection")]
pub struct BadMessage;

/// `msg_key_large`, of which the middle 128 bits are the `msg_key`, before it has taken the plaintext.
fn msg_key_large(key: &AuthKey, from: Side) -> Sha256After32<'_> {
    Sha256After32::new(&key.as_bytes()[88 + from.offset()..][..32])
}

/// These 16 bytes as an array: their length is then known where the key is derived, which short messages feel.
fn to_msg_key(bytes: &[u8]) -> [u8; 16] {
    let mut msg_key = [0; 16];
    msg_key.copy_from_slice(bytes);
    msg_key
}

/// Encrypts in place: `packet` holds [`HEADER`] bytes of room and then the plaintext with its padding.
///
/// Returns the quick-ack token, which a server that was asked for one sends back.
///
/// # Panics
/// If `packet` is shorter than the room, or what follows it is no multiple of 16: the caller pads.
pub fn encrypt(key: &AuthKey, from: Side, packet: &mut [u8]) -> u32 {
    let (token, derived) = begin_encrypting(key, from, packet);
    ige::encrypt(&derived.aes_key, &derived.iv, &mut packet[HEADER..]);
    token
}

/// Writes the header, and gives the token and what the rest is to be encrypted with. The hash comes before everything else:
/// the key depends on all of the plaintext, so nothing of one message can be encrypted meanwhile.
fn begin_encrypting(key: &AuthKey, from: Side, packet: &mut [u8]) -> (u32, MessageKey) {
    let (header, plaintext) = packet.split_at_mut(HEADER);
    let large = msg_key_large(key, from).finish(plaintext);
    let msg_key = to_msg_key(&large[8..24]);
    header[..8].copy_from_slice(&key.id().to_le_bytes());
    header[8..].copy_from_slice(&msg_key);
    (token(&large), kdf::message_key(key, &msg_key, from))
}

/// Decrypts in place and checks that the sender knew the key. Nothing of the plaintext may be used on an error.
///
/// Returns the quick-ack token of the message.
///
/// # Errors
/// [`BadMessage`] for a length no message has, the id of another key, or a `msg_key` that does not fit the whole
/// plaintext; the latter is compared in constant time.
pub fn decrypt(key: &AuthKey, from: Side, packet: &mut [u8]) -> Result<u32, BadMessage> {
    let (msg_key, derived) = begin_decrypting(key, from, packet)?;
    let data = &mut packet[HEADER..];
    let mut hash = msg_key_large(key, from);
    ige::decrypt_watched(&derived.aes_key, &derived.iv, data, |done| hash.take(done));
    check(&hash.finish(data), &msg_key)
}

/// The `msg_key`, and what the rest is to be decrypted with; an error if this cannot be a message for this key.
fn begin_decrypting(
    key: &AuthKey,
    from: Side,
    packet: &[u8],
) -> Result<([u8; 16], MessageKey), BadMessage> {
    let Some((header, ciphertext)) = packet.split_at_checked(HEADER) else {
        return Err(BadMessage);
    };
    if ciphertext.len() < SHORTEST
        || !ciphertext.len().is_multiple_of(16)
        || header[..8] != key.id().to_le_bytes()
    {
        return Err(BadMessage);
    }
    let msg_key = to_msg_key(&header[8..]);
    Ok((msg_key, kdf::message_key(key, &msg_key, from)))
}

/// The token, if the message was made by somebody who knew the key.
fn check(msg_key_large: &[u8; 32], msg_key: &[u8; 16]) -> Result<u32, BadMessage> {
    if constant_time_eq(&msg_key_large[8..24], msg_key) {
        Ok(token(msg_key_large))
    } else {
        Err(BadMessage)
    }
}

/// A message of a batch.
#[derive(Debug)]
pub struct Packet<'a> {
    /// The key it is or was made with.
    pub key: &'a AuthKey,
    /// Who makes it or made it.
    pub from: Side,
    /// As for [`encrypt`] and [`decrypt`]: the message, in place.
    pub packet: &'a mut [u8],
}

/// [`encrypt`] for independent messages, several at a time where the processor can. Returns their tokens, in their order.
///
/// # Panics
/// As [`encrypt`], for any of them.
pub fn encrypt_batch(packets: &mut [Packet<'_>]) -> Vec<u32> {
    let mut begun = Vec::with_capacity(packets.len());
    for Packet { key, from, packet } in &mut *packets {
        begun.push(begin_encrypting(key, *from, packet));
    }
    let mut jobs = Vec::with_capacity(packets.len());
    for (Packet { packet, .. }, (_, derived)) in packets.iter_mut().zip(&begun) {
        jobs.push(derived.job(&mut packet[HEADER..]));
    }
    ige::encrypt_batch(&mut jobs);
    begun.into_iter().map(|(token, _)| token).collect()
}

/// [`decrypt`] for independent messages, several at a time where the processor can. Returns for each, in their order, what
/// [`decrypt`] returns: one that is bad does not disturb the others.
pub fn decrypt_batch(packets: &mut [Packet<'_>]) -> Vec<Result<u32, BadMessage>> {
    let mut begun = Vec::with_capacity(packets.len());
    let mut hashes = Vec::with_capacity(packets.len());
    for Packet { key, from, packet } in &*packets {
        begun.push(begin_decrypting(key, *from, packet));
        hashes.push(msg_key_large(key, *from));
    }
    let (mut jobs, mut numbers) = (Vec::new(), Vec::new());
    for (number, (Packet { packet, .. }, begun)) in packets.iter_mut().zip(&begun).enumerate() {
        if let Ok((_, derived)) = begun {
            jobs.push(derived.job(&mut packet[HEADER..]));
            numbers.push(number);
        }
    }
    ige::decrypt_batch_watched(&mut jobs, |job, done| hashes[numbers[job]].take(done));
    let all = packets.iter().zip(begun).zip(hashes);
    all.map(|((Packet { packet, .. }, begun), hash)| {
        let (msg_key, _) = begun?;
        check(&hash.finish(&packet[HEADER..]), &msg_key)
    })
    .collect()
}

/// <https://core.telegram.org/mtproto/mtproto-transports#quick-ack>
fn token(msg_key_large: &[u8; 32]) -> u32 {
    let mut first = [0; 4];
    first.copy_from_slice(&msg_key_large[..4]);
    u32::from_le_bytes(first) | 0x8000_0000
}

/// Encrypts the inner message of `auth.bindTempAuthKey`, the one place that still takes MTProto 1.0
/// (<https://core.telegram.org/method/auth.bindTempAuthKey>).
///
/// `plaintext` is everything that is hashed; `padding` fills it up to whole blocks and is not hashed.
///
/// # Panics
/// If both together are no multiple of 16.
pub fn encrypt_v1(key: &AuthKey, plaintext: &[u8], padding: &[u8]) -> Vec<u8> {
    let hash = sha1(plaintext);
    let msg_key = to_msg_key(&hash[4..]);
    let derived = kdf::message_key_v1(key, &msg_key, Side::Client);
    let mut packet = Vec::with_capacity(HEADER + plaintext.len() + padding.len());
    packet.extend_from_slice(&key.id().to_le_bytes());
    packet.extend_from_slice(&msg_key);
    packet.extend_from_slice(plaintext);
    packet.extend_from_slice(padding);
    ige::encrypt(&derived.aes_key, &derived.iv, &mut packet[HEADER..]);
    packet
}

/// Decrypts the inner message of `auth.bindTempAuthKey`, of which the first `hashed` bytes are hashed.
///
/// # Errors
/// [`BadMessage`] as [`decrypt`].
pub fn decrypt_v1(key: &AuthKey, packet: &[u8], hashed: usize) -> Result<Vec<u8>, BadMessage> {
    let encrypted = packet.len().checked_sub(HEADER);
    let padding = encrypted.and_then(|length| length.checked_sub(hashed));
    let whole_blocks = encrypted.is_some_and(|length| length > 0 && length.is_multiple_of(16));
    if !whole_blocks
        || padding.is_none_or(|length| length >= 16)
        || packet[..8] != key.id().to_le_bytes()
    {
        return Err(BadMessage);
    }
    let msg_key = to_msg_key(&packet[8..HEADER]);
    let derived = kdf::message_key_v1(key, &msg_key, Side::Client);
    let mut plaintext = packet[HEADER..].to_vec();
    ige::decrypt(&derived.aes_key, &derived.iv, &mut plaintext);
    plaintext.truncate(hashed);
    if constant_time_eq(&sha1(&plaintext)[4..], &msg_key) {
        Ok(plaintext)
    } else {
        Err(BadMessage)
    }
}

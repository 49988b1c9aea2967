//! Whole MTProto messages: `auth_key_id`, `msg_key`, and the encrypted rest
//! (<https://core.telegram.org/mtproto/description#encrypted-message>).

use crate::{
    AuthKey, Side,
    compare::constant_time_eq,
    ige, kdf,
    sha::{sha1, sha256_after_32},
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

/// `msg_key_large`, of which the middle 128 bits are the `msg_key`.
fn msg_key_large(key: &AuthKey, from: Side, plaintext: &[u8]) -> [u8; 32] {
    sha256_after_32(&key.as_bytes()[88 + from.offset()..][..32], plaintext)
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
    let (header, plaintext) = packet.split_at_mut(HEADER);
    let large = msg_key_large(key, from, plaintext);
    let msg_key = to_msg_key(&large[8..24]);
    header[..8].copy_from_slice(&key.id().to_le_bytes());
    header[8..].copy_from_slice(&msg_key);
    let derived = kdf::message_key(key, &msg_key, from);
    ige::encrypt(&derived.aes_key, &derived.iv, plaintext);
    token(&large)
}

/// Decrypts in place and checks that the sender knew the key. Nothing of the plaintext may be used on an error.
///
/// Returns the quick-ack token of the message.
///
/// # Errors
/// [`BadMessage`] for a length no message has, the id of another key, or a `msg_key` that does not fit the whole
/// plaintext; the latter is compared in constant time.
pub fn decrypt(key: &AuthKey, from: Side, packet: &mut [u8]) -> Result<u32, BadMessage> {
    if packet.len() < HEADER + SHORTEST || !(packet.len() - HEADER).is_multiple_of(16) {
        return Err(BadMessage);
    }
    let (header, ciphertext) = packet.split_at_mut(HEADER);
    if header[..8] != key.id().to_le_bytes() {
        return Err(BadMessage);
    }
    let msg_key = to_msg_key(&header[8..]);
    let derived = kdf::message_key(key, &msg_key, from);
    ige::decrypt(&derived.aes_key, &derived.iv, ciphertext);
    let large = msg_key_large(key, from, ciphertext);
    if constant_time_eq(&large[8..24], &msg_key) {
        Ok(token(&large))
    } else {
        Err(BadMessage)
    }
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

//! What secret chats derive from their keys (<https://core.telegram.org/api/end-to-end>).
//!
//! A secret chat's key is an [`AuthKey`] as well: its fingerprint is [`AuthKey::id`], and its messages are sealed by
//! [`message`](crate::message) with [`Side::Client`](crate::Side::Client) for the chat's originator.

use md5::{Digest, Md5};

use crate::{
    AuthKey,
    sha::{sha1, sha256},
};

/// The 36 bytes that both users compare by eye: from the SHA-1 of the chat's first key and the SHA-256 of the one in
/// use (<https://core.telegram.org/api/end-to-end#key-visualization>).
pub fn visualization(first: &AuthKey, in_use: &AuthKey) -> [u8; 36] {
    let mut shown = [0; 36];
    shown[..16].copy_from_slice(&sha1(first.as_bytes())[..16]);
    shown[16..].copy_from_slice(&sha256(in_use.as_bytes())[..20]);
    shown
}

/// `key_fingerprint` of an encrypted file: the halves of the first 64 bits of MD5 over key and IV, combined by XOR
/// (<https://core.telegram.org/api/end-to-end#sending-encrypted-files>).
pub fn file_fingerprint(key: &[u8; 32], iv: &[u8; 32]) -> i32 {
    let digest = Md5::new().chain_update(key).chain_update(iv).finalize();
    i32::from_le_bytes(std::array::from_fn(|at| digest[at] ^ digest[at + 4]))
}

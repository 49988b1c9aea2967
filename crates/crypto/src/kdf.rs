//! Keys derived from other keys.

use zeroize::Zeroize;

use crate::{
    AuthKey, Side,
    ige::Job,
    sha::{sha1_of, sha256_of_52},
};

/// Key and IV of one message. Wiped when dropped.
pub(crate) struct MessageKey {
    pub(crate) aes_key: [u8; 32],
    pub(crate) iv: [u8; 32],
}

impl MessageKey {
    pub(crate) fn job<'a>(&'a self, data: &'a mut [u8]) -> Job<'a> {
        Job {
            key: &self.aes_key,
            iv: &self.iv,
            data,
        }
    }
}

impl Drop for MessageKey {
    fn drop(&mut self) {
        // As slices: arrays are wiped byte by byte, which a short message would feel.
        self.aes_key[..].zeroize();
        self.iv[..].zeroize();
    }
}

/// Key and IV of a message, by the SHA-256 derivation of MTProto 2.0
/// (<https://core.telegram.org/mtproto/description#defining-aes-key-and-initialization-vector>).
pub(crate) fn message_key(auth_key: &AuthKey, msg_key: &[u8; 16], from: Side) -> MessageKey {
    let (k, x) = (auth_key.as_bytes(), from.offset());
    let a = sha256_of_52(msg_key, &k[x..x + 36]);
    let b = sha256_of_52(&k[40 + x..76 + x], msg_key);
    let (mut aes_key, mut iv) = ([0; 32], [0; 32]);
    aes_key[..8].copy_from_slice(&a[..8]);
    aes_key[8..24].copy_from_slice(&b[8..24]);
    aes_key[24..].copy_from_slice(&a[24..]);
    iv[..8].copy_from_slice(&b[..8]);
    iv[8..24].copy_from_slice(&a[8..24]);
    iv[24..].copy_from_slice(&b[24..]);
    MessageKey { aes_key, iv }
}

/// Key and IV of a message, by the SHA-1 derivation of MTProto 1.0, which only `auth.bindTempAuthKey` still uses
/// (<https://core.telegram.org/mtproto/description_v1>).
pub(crate) fn message_key_v1(auth_key: &AuthKey, msg_key: &[u8; 16], from: Side) -> MessageKey {
    let (k, x) = (auth_key.as_bytes(), from.offset());
    let a = sha1_of(&[msg_key, &k[x..x + 32]]);
    let b = sha1_of(&[&k[32 + x..48 + x], msg_key, &k[48 + x..64 + x]]);
    let c = sha1_of(&[&k[64 + x..96 + x], msg_key]);
    let d = sha1_of(&[msg_key, &k[96 + x..128 + x]]);
    let (mut aes_key, mut iv) = ([0; 32], [0; 32]);
    aes_key[..8].copy_from_slice(&a[..8]);
    aes_key[8..20].copy_from_slice(&b[8..20]);
    aes_key[20..].copy_from_slice(&c[4..16]);
    iv[..12].copy_from_slice(&a[8..20]);
    iv[12..20].copy_from_slice(&b[..8]);
    iv[20..24].copy_from_slice(&c[16..20]);
    iv[24..].copy_from_slice(&d[..8]);
    MessageKey { aes_key, iv }
}

/// Key and IV of the encrypted halves of the key exchange
/// (<https://core.telegram.org/mtproto/auth_key#presenting-proof-of-work-server-authentication>).
///
/// Both nonces are hashed at their full width: one that lost its leading zeros fails once in 128 times.
pub fn tmp_aes(new_nonce: &[u8; 32], server_nonce: &[u8; 16]) -> ([u8; 32], [u8; 32]) {
    let new_server = sha1_of(&[new_nonce, server_nonce]);
    let server_new = sha1_of(&[server_nonce, new_nonce]);
    let new_new = sha1_of(&[new_nonce, new_nonce]);
    let (mut key, mut iv) = ([0; 32], [0; 32]);
    key[..20].copy_from_slice(&new_server);
    key[20..].copy_from_slice(&server_new[..12]);
    iv[..8].copy_from_slice(&server_new[12..]);
    iv[8..28].copy_from_slice(&new_new);
    iv[28..].copy_from_slice(&new_nonce[..4]);
    (key, iv)
}

/// `new_nonce_hash1`, `2` or `3`, which ends the key exchange: 1 for ok, 2 for retry, 3 for fail.
pub fn new_nonce_hash(new_nonce: &[u8; 32], number: u8, aux_hash: i64) -> [u8; 16] {
    let hash = sha1_of(&[new_nonce, &[number], &aux_hash.to_le_bytes()]);
    let mut last = [0; 16];
    last.copy_from_slice(&hash[4..]);
    last
}

/// The first server salt of a new key.
pub fn initial_salt(new_nonce: &[u8; 32], server_nonce: &[u8; 16]) -> i64 {
    i64::from_le_bytes(std::array::from_fn(|at| new_nonce[at] ^ server_nonce[at]))
}

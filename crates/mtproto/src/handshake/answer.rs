//! The encrypted halves of the Diffie-Hellman exchange: `server_DH_inner_data` and
//! `client_DH_inner_data`, framed as SHA1(data) + data + 0..15 random bytes and encrypted under keys
//! both sides derive from their nonces.
//! See <https://core.telegram.org/mtproto/auth_key#5-server-responds-with>.

use actogram_crypto::compare::constant_time_eq;
use actogram_crypto::random::Random;
use actogram_crypto::sha::sha1;
use actogram_crypto::{ige, kdf};
use actogram_tl::{Decode, DecodeError, Reader};
use bytes::Bytes;
use zeroize::Zeroizing;

/// Bytes of the SHA-1 before the data.
const HASH: usize = 20;

/// The largest encrypted half: the server's is 592 bytes with a 2048-bit prime.
const MAX_ENCRYPTED: usize = 4096;

/// The key and starting IV of one exchange. Both directions start from the same IV.
pub(super) struct TemporaryAes {
    key: Zeroizing<[u8; 32]>,
    iv: Zeroizing<[u8; 32]>,
}

/// Why an encrypted half was refused.
#[derive(Debug)]
pub(super) enum OpenError {
    /// No multiple of 16, too short for the hash, or above [`MAX_ENCRYPTED`].
    Length(usize),
    /// The data is not the TL object expected.
    Malformed(DecodeError),
    /// The SHA-1 is not that of the data.
    Hash,
    /// More than 15 bytes follow the data.
    Padding(usize),
}

impl TemporaryAes {
    pub(super) fn derive(new_nonce: &[u8; 32], server_nonce: &[u8; 16]) -> Self {
        let (key, iv) = kdf::tmp_aes(new_nonce, server_nonce);
        Self {
            key: Zeroizing::new(key),
            iv: Zeroizing::new(iv),
        }
    }

    /// Frames and encrypts one object.
    pub(super) fn seal(&self, data: &[u8], random: &mut dyn Random) -> Vec<u8> {
        let unpadded = HASH + data.len();
        let mut framed = vec![0; unpadded.next_multiple_of(16)];
        framed[..HASH].copy_from_slice(&sha1(data));
        framed[HASH..unpadded].copy_from_slice(data);
        random.fill(&mut framed[unpadded..]);
        ige::encrypt(&self.key, &self.iv, &mut framed);
        framed
    }

    /// Decrypts and checks one object.
    pub(super) fn open<T: Decode>(&self, encrypted: &[u8]) -> Result<T, OpenError> {
        let length = encrypted.len();
        if !length.is_multiple_of(16) || length <= HASH || length > MAX_ENCRYPTED {
            return Err(OpenError::Length(length));
        }
        let mut framed = encrypted.to_vec();
        ige::decrypt(&self.key, &self.iv, &mut framed);
        let framed = Bytes::from(framed);
        // The length of the data is only known by reading it; the reader is total on any input, and
        // nothing it read is used before the hash fits.
        let mut reader = Reader::new(framed.slice(HASH..));
        let value = T::decode(&mut reader).map_err(OpenError::Malformed)?;
        let padding = reader.remaining();
        let data = &framed[HASH..length - padding];
        if !constant_time_eq(&sha1(data), &framed[..HASH]) {
            return Err(OpenError::Hash);
        }
        if padding > 15 {
            return Err(OpenError::Padding(padding));
        }
        Ok(value)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use actogram_crypto::dh::{KNOWN_PRIME, Secret};
    use actogram_crypto::sha::sha256;
    use actogram_tl::Encode;
    use actogram_tl::mtproto::{enums, types};

    use super::*;

    /// Pads with zeros, as the vectors do.
    struct Zeros;

    impl Random for Zeros {
        fn fill(&mut self, out: &mut [u8]) {
            out.fill(0);
        }
    }

    fn hex<const N: usize>(text: &str) -> [u8; N] {
        std::array::from_fn(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap())
    }

    /// A number of 256 bytes from a rule, as the vectors give them.
    fn bytes(rule: impl Fn(usize) -> usize) -> [u8; 256] {
        std::array::from_fn(|i| rule(i) as u8)
    }

    #[test]
    fn both_encrypted_halves_match_the_vectors() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors.json");
        let all: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let text = |group: &str, name: &str| all[group][name].as_str().unwrap().to_owned();
        let nonce = hex(&text("fixed_inputs", "nonce"));
        let server_nonce = hex(&text("fixed_inputs", "server_nonce"));
        let aes = TemporaryAes::derive(&hex(&text("fixed_inputs", "new_nonce")), &server_nonce);
        let (a, b) = (
            Secret::from_bytes(bytes(|i| 5 * i + 2)),
            Secret::from_bytes(bytes(|i| 9 * i + 4)),
        );
        let server: enums::ServerDhInnerData = types::ServerDhInnerData {
            nonce,
            server_nonce,
            g: 3,
            dh_prime: Bytes::copy_from_slice(&KNOWN_PRIME),
            g_a: Bytes::copy_from_slice(&a.public(&KNOWN_PRIME, 3)),
            server_time: 1_707_425_616,
        }
        .into();
        let client: enums::ClientDhInnerData = types::ClientDhInnerData {
            nonce,
            server_nonce,
            retry_id: 0,
            g_b: Bytes::copy_from_slice(&b.public(&KNOWN_PRIME, 3)),
        }
        .into();
        let sealed = aes.seal(&server.to_bytes(), &mut Zeros);
        assert_eq!(sealed.len(), 592);
        assert_eq!(
            sha256(&sealed),
            hex(&text("server_DH_inner", "encrypted_answer_sha256"))
        );
        let opened: enums::ServerDhInnerData = aes.open(&sealed).unwrap();
        assert_eq!(opened.to_bytes(), server.to_bytes());
        let sealed = aes.seal(&client.to_bytes(), &mut Zeros);
        assert_eq!(sealed.len(), 336);
        assert_eq!(
            sha256(&sealed),
            hex(&text("client_DH_inner", "encrypted_data_sha256"))
        );
    }
}

//! Unencrypted messages: the envelope of the key exchange.
//!
//! `auth_key_id = 0` (8 bytes), message id (8), length of the body (4), body.
//! See <https://core.telegram.org/mtproto/description#unencrypted-message>.

use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// Bytes before the body.
const HEADER: usize = 20;

/// The largest body of the key exchange: its longest message is below 1 KiB, and clients in use pad
/// with a few hundred bytes.
pub const MAX_BODY: usize = 8192;

/// Bytes after the body that are let pass: the padding of a transport that does not remove it.
const MAX_TRAILING: usize = 15;

/// Whether a payload is an unencrypted message: its auth_key_id is zero.
#[must_use]
pub fn is_plain(payload: &[u8]) -> bool {
    payload.first_chunk::<8>() == Some(&[0; 8])
}

/// An unencrypted message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlainMessage {
    /// As the sender wrote it. Nothing authenticates it, and clients in use write zero: never trusted.
    pub msg_id: i64,
    /// One serialized TL object; some clients let random bytes follow it.
    pub body: Bytes,
}

impl PlainMessage {
    /// Reads the envelope of a payload.
    ///
    /// # Errors
    /// If the payload is encrypted, shorter than its header or its stated length, or longer than a
    /// message of the key exchange can be.
    pub fn parse(mut payload: Bytes) -> Result<Self, PlainMessageError> {
        if payload.len() < HEADER {
            return Err(PlainMessageError::TooShort {
                length: payload.len(),
            });
        }
        let auth_key_id = payload.get_i64_le();
        if auth_key_id != 0 {
            return Err(PlainMessageError::Encrypted);
        }
        let msg_id = payload.get_i64_le();
        let stated = payload.get_u32_le() as usize;
        if stated > MAX_BODY {
            return Err(PlainMessageError::TooLong { length: stated });
        }
        match payload.len().checked_sub(stated) {
            Some(0..=MAX_TRAILING) => {}
            _ => {
                return Err(PlainMessageError::Length {
                    stated,
                    present: payload.len(),
                });
            }
        }
        payload.truncate(stated);
        Ok(Self {
            msg_id,
            body: payload,
        })
    }

    /// The payload to hand to a transport.
    #[must_use]
    pub fn to_payload(&self) -> Bytes {
        let mut payload = BytesMut::with_capacity(HEADER + self.body.len());
        payload.put_i64_le(0);
        payload.put_i64_le(self.msg_id);
        payload.put_u32_le(self.body.len() as u32);
        payload.put_slice(&self.body);
        payload.freeze()
    }
}

/// Why a payload is no unencrypted message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlainMessageError {
    /// Shorter than the envelope.
    #[error("an unencrypted message has at least {HEADER} bytes, this payload has {length}")]
    TooShort {
        /// Bytes in the payload.
        length: usize,
    },
    /// The payload is encrypted with some auth key.
    #[error("an encrypted message where an unencrypted one was expected")]
    Encrypted,
    /// Longer than any message of the key exchange.
    #[error("an unencrypted message has at most {MAX_BODY} bytes, this one states {length}")]
    TooLong {
        /// The stated length of the body.
        length: usize,
    },
    /// The stated length is not the one of the bytes that came.
    #[error("an unencrypted message states a body of {stated} bytes, {present} are there")]
    Length {
        /// The length in the envelope.
        stated: usize,
        /// Bytes after the envelope.
        present: usize,
    },
}

/// Draws message ids for unencrypted messages: unix time times 2^32, strictly increasing, 0 mod 4 from
/// clients and 1 mod 4 from servers.
/// See <https://core.telegram.org/mtproto/description#message-identifier-msg-id>.
#[derive(Clone, Debug)]
pub struct PlainMessageIds {
    last: i64,
    remainder: i64,
}

impl PlainMessageIds {
    /// Ids a client may use.
    #[must_use]
    pub fn client() -> Self {
        Self {
            last: 0,
            remainder: 0,
        }
    }

    /// Ids a server may use.
    #[must_use]
    pub fn server() -> Self {
        Self {
            last: 0,
            remainder: 1,
        }
    }

    /// The next id, at a time since 1970.
    pub fn next(&mut self, unix: Duration) -> i64 {
        let seconds = (unix.as_secs() & 0x7fff_ffff) as i64;
        let fraction = ((u64::from(unix.subsec_nanos()) << 32) / 1_000_000_000) as i64;
        let timed = ((seconds << 32) | fraction) & !3 | self.remainder;
        // Past the largest id only a repetition is left; the exchange does not care.
        self.last = timed.max(self.last.saturating_add(4) & !3 | self.remainder);
        self.last
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_envelope_is_read_as_it_was_written() {
        let message = PlainMessage {
            msg_id: 4,
            body: Bytes::from_static(&[7; 20]),
        };
        let payload = message.to_payload();
        assert!(is_plain(&payload));
        assert_eq!(PlainMessage::parse(payload.clone()).unwrap(), message);
        let padded = [&payload[..], &[9; 15]].concat();
        assert_eq!(PlainMessage::parse(padded.into()).unwrap(), message);
    }

    #[test]
    fn wrong_lengths_are_named() {
        let payload = PlainMessage {
            msg_id: 4,
            body: Bytes::from_static(&[7; 20]),
        }
        .to_payload();
        for cut in 0..payload.len() {
            assert!(PlainMessage::parse(payload.slice(..cut)).is_err(), "{cut}");
        }
        let mut long = payload.to_vec();
        long.extend([0; 16]);
        assert_eq!(
            PlainMessage::parse(long.into()),
            Err(PlainMessageError::Length {
                stated: 20,
                present: 36
            })
        );
        let mut huge = payload.to_vec();
        huge[16..20].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(
            PlainMessage::parse(huge.into()),
            Err(PlainMessageError::TooLong {
                length: u32::MAX as usize
            })
        );
        let mut encrypted = payload.to_vec();
        encrypted[3] = 1;
        assert_eq!(
            PlainMessage::parse(encrypted.into()),
            Err(PlainMessageError::Encrypted)
        );
    }

    #[test]
    fn ids_increase_even_when_the_clock_does_not() {
        for (mut ids, remainder) in [
            (PlainMessageIds::client(), 0),
            (PlainMessageIds::server(), 1),
        ] {
            let mut last = 0;
            for unix in [
                1_700_000_000u64,
                1_700_000_000,
                1_600_000_000,
                0,
                u64::MAX,
                1_700_000_001,
            ] {
                let id = ids.next(Duration::new(unix, 999_999_999));
                assert!(id > last, "{unix}");
                assert_eq!(id & 3, remainder, "{unix}");
                last = id;
            }
        }
    }
}

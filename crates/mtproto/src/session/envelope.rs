//! One encrypted message: salt, session, id, sequence number, body and padding
//! (<https://core.telegram.org/mtproto/description#encrypted-message-encrypted-data>).

use actogram_crypto::{
    message::HEADER,
    random::{self, Random},
};
use bytes::{Bytes, BytesMut};

use super::Refused;
use crate::transport::MAX_FRAME;

/// Salt, session id, message id, sequence number, length.
const INNER_HEADER: usize = 32;
const LEAST_PADDING: usize = 12;
const MOST_PADDING: usize = 1024;

/// What [`Envelope::pad`] adds at most.
const MOST_OWN_PADDING: usize = LEAST_PADDING + 15 + 15 * 16;

/// The longest body that fits a frame whatever its padding.
pub(super) const MOST_BODY: usize = MAX_FRAME - HEADER - INNER_HEADER - MOST_OWN_PADDING;

#[derive(Debug, Clone)]
pub(super) struct Envelope {
    pub(super) salt: i64,
    pub(super) session_id: i64,
    pub(super) msg_id: i64,
    pub(super) seq_no: i32,
    pub(super) body: Bytes,
}

impl Envelope {
    /// Pads: what is to be encrypted, behind room for what stands before it then.
    ///
    /// The padding is the least that fits plus up to 15 random blocks, so that lengths tell little; at most 267 bytes.
    pub(super) fn pad(&self, random: &mut dyn Random) -> BytesMut {
        let unpadded = INNER_HEADER + self.body.len();
        let blocks = (random::u32(random) % 16) as usize;
        let padded = (unpadded + LEAST_PADDING).next_multiple_of(16) + 16 * blocks;
        let mut packet = BytesMut::with_capacity(HEADER + padded);
        packet.resize(HEADER, 0);
        packet.extend_from_slice(&self.salt.to_le_bytes());
        packet.extend_from_slice(&self.session_id.to_le_bytes());
        packet.extend_from_slice(&self.msg_id.to_le_bytes());
        packet.extend_from_slice(&self.seq_no.to_le_bytes());
        packet.extend_from_slice(&(self.body.len() as u32).to_le_bytes());
        packet.extend_from_slice(&self.body);
        packet.resize(HEADER + padded, 0);
        random.fill(&mut packet[HEADER + unpadded..]);
        packet
    }

    /// Reads a payload that was decrypted, and checks what does not depend on the state of a session. The body is a slice
    /// of `packet`.
    pub(super) fn parse(mut packet: Bytes) -> Result<Self, Refused> {
        let mut plaintext = packet.split_off(HEADER);
        let header = plaintext.split_to(INNER_HEADER);
        let long = |at: usize| i64::from_le_bytes(std::array::from_fn(|i| header[at + i]));
        let int = |at: usize| i32::from_le_bytes(std::array::from_fn(|i| header[at + i]));
        let length = usize::try_from(int(28)).map_err(|_| Refused::Payload)?;
        let padding = plaintext
            .len()
            .checked_sub(length)
            .ok_or(Refused::Payload)?;
        if length % 4 != 0 || !(LEAST_PADDING..=MOST_PADDING).contains(&padding) {
            return Err(Refused::Payload);
        }
        plaintext.truncate(length);
        Ok(Self {
            salt: long(0),
            session_id: long(8),
            msg_id: long(16),
            seq_no: int(24),
            body: plaintext,
        })
    }
}

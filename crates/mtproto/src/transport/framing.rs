//! Frames of the four transports, without obfuscation.

use actogram_crypto::random::Random;
use bytes::{Buf, BufMut, BytesMut};

use super::{Frame, FrameError, Kind, MAX_FRAME};

const QUICK_ACK_BIT: u32 = 0x8000_0000;
/// Bytes of length, sequence number and checksum around a payload of the full transport.
const FULL_OVERHEAD: usize = 12;
/// auth_key_id, msg_id and message_data_length before the body of an unencrypted message.
const PLAIN_HEADER: usize = 20;
/// auth_key_id and msg_key before the encrypted part, which is a multiple of 16 bytes.
const ENCRYPTED_HEADER: usize = 24;
/// No message is shorter than this: an unencrypted header and one TL constructor.
const SHORTEST_MESSAGE: usize = 24;

/// Which end of the connection this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Client,
    Server,
}

/// Framing state of one connection: only the full transport has any.
#[derive(Debug)]
pub(super) struct Framing {
    kind: Kind,
    end: End,
    sent: u32,
    received: u32,
}

/// A frame's header, once enough bytes are there to read it.
struct Header {
    /// Bytes before the payload.
    size: usize,
    /// Bytes of the payload.
    payload: usize,
    quick_ack: bool,
}

enum Parsed {
    Incomplete,
    QuickAck(u32),
    Header(Header),
}

impl Framing {
    pub(super) fn new(kind: Kind, end: End) -> Self {
        Self {
            kind,
            end,
            sent: 0,
            received: 0,
        }
    }

    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    /// Refuses what [`encode`](Self::encode) could not frame, before anything is written.
    pub(super) fn check(&self, payload: &[u8], quick_ack: bool) -> Result<(), FrameError> {
        let length = payload.len();
        if length == 0 {
            return Err(FrameError::Empty);
        }
        if length > MAX_FRAME {
            return Err(FrameError::TooLarge { length });
        }
        if !length.is_multiple_of(4) {
            return Err(FrameError::Misaligned {
                kind: self.kind,
                length,
            });
        }
        if quick_ack && !self.kind.supports_quick_ack() {
            return Err(FrameError::QuickAckUnsupported { kind: self.kind });
        }
        Ok(())
    }

    /// Appends the frame of a payload that passed [`check`](Self::check).
    pub(super) fn encode(
        &mut self,
        payload: &[u8],
        quick_ack: bool,
        random: &mut dyn Random,
        out: &mut BytesMut,
    ) {
        let padding_limit = (MAX_FRAME - payload.len()).min(15);
        self.encode_padded(payload, quick_ack, padding_limit, random, out);
    }

    fn encode_padded(
        &mut self,
        payload: &[u8],
        quick_ack: bool,
        padding_limit: usize,
        random: &mut dyn Random,
        out: &mut BytesMut,
    ) {
        out.reserve(payload.len() + 16 + 15);
        let flag = if quick_ack { QUICK_ACK_BIT } else { 0 };
        match self.kind {
            Kind::Abridged => {
                let words = payload.len() / 4;
                let bit = if quick_ack { 0x80 } else { 0 };
                if words < 0x7f {
                    out.put_u8(words as u8 | bit);
                } else {
                    out.put_u8(0x7f | bit);
                    out.put_uint_le(words as u64, 3);
                }
                out.put_slice(payload);
            }
            Kind::Intermediate => {
                out.put_u32_le(payload.len() as u32 | flag);
                out.put_slice(payload);
            }
            Kind::PaddedIntermediate => {
                let mut noise = [0; 16];
                random.fill(&mut noise);
                let padding = usize::from(noise[15]) % (padding_limit + 1);
                out.put_u32_le((payload.len() + padding) as u32 | flag);
                out.put_slice(payload);
                out.put_slice(&noise[..padding]);
            }
            Kind::Full => {
                let start = out.len();
                out.put_u32_le((payload.len() + FULL_OVERHEAD) as u32);
                out.put_u32_le(self.sent);
                out.put_slice(payload);
                let checksum = crc32fast::hash(&out[start..]);
                out.put_u32_le(checksum);
                self.sent = self.sent.wrapping_add(1);
            }
        }
    }

    /// Appends a transport error.
    pub(super) fn encode_error(&mut self, code: i32, random: &mut dyn Random, out: &mut BytesMut) {
        // Readers in use tell errors from messages by a length below 16 bytes.
        self.encode_padded(&code.to_le_bytes(), false, 11, random, out);
    }

    /// Appends a quick acknowledgement.
    pub(super) fn encode_quick_ack(
        &mut self,
        token: u32,
        random: &mut dyn Random,
        out: &mut BytesMut,
    ) -> Result<(), FrameError> {
        let token = token | QUICK_ACK_BIT;
        match self.kind {
            Kind::Abridged => out.put_u32(token),
            Kind::Intermediate => out.put_u32_le(token),
            Kind::PaddedIntermediate => {
                let mut payload = [0xff; 8];
                payload[4..].copy_from_slice(&token.to_le_bytes());
                self.encode_padded(&payload, false, 7, random, out);
            }
            Kind::Full => return Err(FrameError::QuickAckUnsupported { kind: self.kind }),
        }
        Ok(())
    }

    /// Takes the next frame out of `buffer`, or `None` if it is not complete yet.
    pub(super) fn decode(&mut self, buffer: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
        loop {
            let header = match self.parse_header(buffer)? {
                Parsed::Incomplete => return Ok(None),
                Parsed::QuickAck(token) => {
                    buffer.advance(4);
                    return Ok(Some(Frame::QuickAck(token)));
                }
                Parsed::Header(header) => header,
            };
            let total = self.total(&header);
            if buffer.len() < total {
                return Ok(None);
            }
            let mut frame = buffer.split_to(total);
            if self.kind == Kind::Full {
                self.check_full(&frame)?;
                frame.truncate(total - 4);
            }
            frame.advance(header.size);
            if let Some(frame) = self.classify(frame, header.quick_ack)? {
                return Ok(Some(frame));
            }
        }
    }

    fn total(&self, header: &Header) -> usize {
        let trailer = if self.kind == Kind::Full { 4 } else { 0 };
        header.size + header.payload + trailer
    }

    /// How many bytes the frame at the start of the buffer lacks, once enough of it is there to tell.
    pub(super) fn missing(&self, buffer: &[u8]) -> Option<usize> {
        match self.parse_header(buffer) {
            Ok(Parsed::Header(header)) => self.total(&header).checked_sub(buffer.len()),
            _ => None,
        }
    }

    fn parse_header(&self, buffer: &[u8]) -> Result<Parsed, FrameError> {
        let Some(&first) = buffer.first() else {
            return Ok(Parsed::Incomplete);
        };
        if self.kind == Kind::Abridged {
            return self.parse_abridged(first, buffer);
        }
        let Some((word, rest)) = buffer.split_first_chunk::<4>() else {
            return Ok(Parsed::Incomplete);
        };
        let word = u32::from_le_bytes(*word);
        let flagged = word & QUICK_ACK_BIT != 0;
        if flagged {
            match (self.kind, self.end) {
                (Kind::Intermediate, End::Client) => return Ok(Parsed::QuickAck(word)),
                (Kind::Intermediate | Kind::PaddedIntermediate, End::Server) => {}
                _ => return Err(FrameError::NegativeLength { length: word }),
            }
        }
        let length = (word & !QUICK_ACK_BIT) as usize;
        if self.kind == Kind::Full {
            let payload = length
                .checked_sub(FULL_OVERHEAD)
                .ok_or(FrameError::TooShort { length })?;
            self.check_length(payload)?;
            // The number is checked before the payload is waited for: a stream out of step would
            // otherwise be buffered up to the limit first.
            let Some(number) = rest.first_chunk::<4>() else {
                return Ok(Parsed::Incomplete);
            };
            let got = u32::from_le_bytes(*number);
            if got != self.received {
                return Err(FrameError::Sequence {
                    expected: self.received,
                    got,
                });
            }
            return Ok(Parsed::Header(Header {
                size: 8,
                payload,
                quick_ack: false,
            }));
        }
        self.check_length(length)?;
        Ok(Parsed::Header(Header {
            size: 4,
            payload: length,
            quick_ack: flagged,
        }))
    }

    fn parse_abridged(&self, first: u8, buffer: &[u8]) -> Result<Parsed, FrameError> {
        let flagged = first & 0x80 != 0;
        if flagged && self.end == End::Client {
            return Ok(match buffer.first_chunk::<4>() {
                Some(token) => Parsed::QuickAck(u32::from_be_bytes(*token)),
                None => Parsed::Incomplete,
            });
        }
        let (size, words) = match first & 0x7f {
            0x7f => match buffer.first_chunk::<4>() {
                Some(&[_, a, b, c]) => (4, u32::from_le_bytes([a, b, c, 0]) as usize),
                None => return Ok(Parsed::Incomplete),
            },
            short => (1, usize::from(short)),
        };
        self.check_length(words * 4)?;
        Ok(Parsed::Header(Header {
            size,
            payload: words * 4,
            quick_ack: flagged,
        }))
    }

    fn check_length(&self, length: usize) -> Result<(), FrameError> {
        if length == 0 {
            return Err(FrameError::Empty);
        }
        if length > MAX_FRAME {
            return Err(FrameError::TooLarge { length });
        }
        if !length.is_multiple_of(4) && self.kind != Kind::PaddedIntermediate {
            return Err(FrameError::Misaligned {
                kind: self.kind,
                length,
            });
        }
        Ok(())
    }

    fn check_full(&mut self, frame: &[u8]) -> Result<(), FrameError> {
        let Some((covered, checksum)) = frame.split_last_chunk::<4>() else {
            return Err(FrameError::TooShort {
                length: frame.len(),
            });
        };
        let computed = crc32fast::hash(covered);
        let received = u32::from_le_bytes(*checksum);
        if computed != received {
            return Err(FrameError::Checksum { computed, received });
        }
        self.received = self.received.wrapping_add(1);
        Ok(())
    }

    /// Tells messages from transport errors and quick acknowledgements, and removes padding. `None`:
    /// nothing to report (a server may send a zero word to keep a connection alive).
    fn classify(&self, mut bytes: BytesMut, quick_ack: bool) -> Result<Option<Frame>, FrameError> {
        let length = bytes.len();
        let padded = self.kind == Kind::PaddedIntermediate;
        if length < SHORTEST_MESSAGE {
            if self.end == End::Server || !(padded || length == 4) {
                return Err(FrameError::TooShort { length });
            }
            let Some(word) = bytes.first_chunk::<4>() else {
                return Err(FrameError::TooShort { length });
            };
            let code = i32::from_le_bytes(*word);
            if let (true, -1, Some(token)) = (padded, code, bytes[4..].first_chunk::<4>()) {
                return Ok(Some(Frame::QuickAck(u32::from_le_bytes(*token))));
            }
            return Ok((code != 0).then_some(Frame::Error(code)));
        }
        if padded {
            let message = unpadded_length(&bytes)?;
            bytes.truncate(message);
        }
        Ok(Some(Frame::Payload {
            bytes,
            quick_ack_requested: quick_ack,
        }))
    }
}

/// The length of the message at the start of a padded frame of at least 24 bytes.
///
/// The padded transport does not say where the payload ends. An encrypted message is 24 bytes and a
/// multiple of 16 more; an unencrypted one (its auth_key_id is zero) states the length of its body.
fn unpadded_length(frame: &[u8]) -> Result<usize, FrameError> {
    let length = frame.len();
    let (Some(auth_key_id), Some(&[a, b, c, d])) =
        (frame.first_chunk::<8>(), frame.get(16..PLAIN_HEADER))
    else {
        return Err(FrameError::TooShort { length });
    };
    if *auth_key_id != [0; 8] {
        return Ok(length - (length - ENCRYPTED_HEADER) % 16);
    }
    let body = u32::from_le_bytes([a, b, c, d]);
    if body & QUICK_ACK_BIT != 0 {
        return Err(FrameError::NegativeLength { length: body });
    }
    let message = PLAIN_HEADER + body as usize;
    match length.checked_sub(message) {
        None => Err(FrameError::TooShort { length }),
        Some(padding) if padding > 15 => Err(FrameError::ExcessPadding { padding }),
        Some(_) => Ok(message),
    }
}

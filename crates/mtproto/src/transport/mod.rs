//! Transports: how MTProto payloads are cut into frames on a byte stream.
//!
//! Four transports exist on TCP: abridged, intermediate, padded intermediate and full. The first three
//! can run inside a layer of obfuscation ("obfuscated2"), optionally keyed with a 16-byte proxy secret.
//! See <https://core.telegram.org/mtproto/mtproto-transports>.
//!
//! [`ClientTransport`] and [`ServerTransport`] hold the state of one connection. Both take raw bytes in
//! pieces of any size and give back whole [`Frame`]s; both are poisoned by the first malformed frame,
//! since nothing after it can be trusted to be aligned: close the connection.

mod client;
mod error;
mod framing;
mod obfuscation;
mod server;

pub use client::{ClientReceiver, ClientSender, ClientTransport};
pub use error::FrameError;
pub use obfuscation::{Obfuscation, ReplayGuard, Secret, SeenHeaders};
pub use server::{AcceptedObfuscation, ServerTransport};

use bytes::BytesMut;

/// The largest payload a frame may carry, in bytes: 4 MiB + 1 KiB, padding of the padded intermediate
/// transport included, length words and checksums excluded. Official clients refuse frames above the
/// same number.
pub const MAX_FRAME: usize = (4 << 20) + (1 << 10);

/// Transport errors a server may answer in place of a payload.
/// See <https://core.telegram.org/mtproto/mtproto-transports#transport-errors>.
pub mod error_code {
    /// The auth key is unknown, or a query of the key exchange was malformed.
    pub const AUTH_KEY_NOT_FOUND: i32 = -404;
    /// Too many connections or too many requests from this address.
    pub const FLOOD: i32 = -429;
    /// The datacenter id is not the one of this server.
    pub const INVALID_DC: i32 = -444;
}

/// How payloads are framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// One length byte for payloads below 508 bytes, four above. The smallest overhead.
    Abridged,
    /// A four-byte length.
    Intermediate,
    /// A four-byte length and 0 to 15 random bytes after the payload, against inspection of sizes.
    PaddedIntermediate,
    /// Length, sequence number and CRC-32 around the payload. Cannot be obfuscated and has no quick ack.
    Full,
}

impl Kind {
    /// Every transport.
    pub const ALL: [Kind; 4] = [
        Kind::Abridged,
        Kind::Intermediate,
        Kind::PaddedIntermediate,
        Kind::Full,
    ];

    /// Whether a quick acknowledgement can be asked for: in all transports but the full one.
    #[must_use]
    pub fn supports_quick_ack(self) -> bool {
        self != Kind::Full
    }

    /// Whether the transport can run inside obfuscation: all but the full one, which has no tag.
    #[must_use]
    pub fn supports_obfuscation(self) -> bool {
        self != Kind::Full
    }

    /// The byte whose repetition tells this transport to a server, if it announces itself at all.
    fn tag(self) -> Option<u8> {
        match self {
            Kind::Abridged => Some(0xef),
            Kind::Intermediate => Some(0xee),
            Kind::PaddedIntermediate => Some(0xdd),
            Kind::Full => None,
        }
    }

    fn from_protocol_id(id: [u8; 4]) -> Option<Kind> {
        match id {
            [0xef, 0xef, 0xef, 0xef] => Some(Kind::Abridged),
            [0xee, 0xee, 0xee, 0xee] => Some(Kind::Intermediate),
            [0xdd, 0xdd, 0xdd, 0xdd] => Some(Kind::PaddedIntermediate),
            _ => None,
        }
    }
}

/// What a decoder found on the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Frame {
    /// An MTProto message, encrypted or not.
    Payload {
        /// The message, transport padding removed. Mutable, so that it can be decrypted in place.
        bytes: BytesMut,
        /// The client asks for a quick acknowledgement of this message. Always false at a client.
        quick_ack_requested: bool,
    },
    /// A quick acknowledgement: the server has decrypted and queued the message with this token. Only
    /// at a client.
    QuickAck(u32),
    /// A transport error, negative (see [`error_code`]). Only at a client.
    Error(i32),
}

use super::{Kind, MAX_FRAME};

/// Why bytes could not be framed or unframed.
///
/// An error out of `decode` is final for the connection: close it. An error out of `encode` leaves the
/// stream untouched: the payload was refused before a byte of it was written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// The payload is larger than [`MAX_FRAME`].
    #[error(
        "a frame carries at most {MAX_FRAME} bytes, this one announces {length}: close the connection, or split the message"
    )]
    TooLarge {
        /// The announced length of the payload, in bytes.
        length: usize,
    },
    /// A frame without a payload.
    #[error("an empty frame: a frame carries at least one message; close the connection")]
    Empty,
    /// The payload is no multiple of four bytes.
    #[error("payloads of the {kind:?} transport are multiples of 4 bytes, this one has {length}")]
    Misaligned {
        /// The transport in use.
        kind: Kind,
        /// The length of the payload, in bytes.
        length: usize,
    },
    /// Too short for a message, and no transport error or quick acknowledgement either.
    #[error("a payload of {length} bytes is shorter than any MTProto message")]
    TooShort {
        /// The length of the payload, in bytes.
        length: usize,
    },
    /// The length word of a frame from the server has its highest bit set where no quick
    /// acknowledgement is possible, or a length field inside is negative.
    #[error("a negative length ({length:#010x}) where a frame was expected; close the connection")]
    NegativeLength {
        /// The length word as it came.
        length: u32,
    },
    /// More than 15 bytes follow the message inside a padded frame.
    #[error("a padded frame ends with at most 15 bytes of padding, this one with {padding}")]
    ExcessPadding {
        /// Bytes after the message.
        padding: usize,
    },
    /// A full frame out of sequence: bytes were lost, repeated or injected.
    #[error(
        "expected frame number {expected} of the full transport, got {got}; close the connection"
    )]
    Sequence {
        /// The number due.
        expected: u32,
        /// The number that came.
        got: u32,
    },
    /// The checksum of a full frame does not match its bytes.
    #[error(
        "the CRC-32 of a full frame is {computed:#010x}, but {received:#010x} was sent; close the connection"
    )]
    Checksum {
        /// Computed over length, number and payload.
        computed: u32,
        /// Sent in the frame.
        received: u32,
    },
    /// The first bytes of the connection are those of no transport in service here.
    #[error(
        "the connection starts as {looks_like}, not as an MTProto transport: abridged, intermediate, padded intermediate, full or obfuscated was expected"
    )]
    UnknownTransport {
        /// What the bytes look like.
        looks_like: &'static str,
    },
    /// The protocol id inside a 64-byte obfuscation header names no transport: random bytes, or the
    /// wrong proxy secret.
    #[error(
        "the obfuscation header names no known transport (wrong proxy secret?); close without an answer"
    )]
    UnknownProtocolId,
    /// The same obfuscation header was seen before: somebody replays a recorded connection.
    #[error("the obfuscation header was used before; close without an answer")]
    ReplayedHeader,
    /// A quick acknowledgement was asked of a transport that has none.
    #[error(
        "the {kind:?} transport has no quick acknowledgement: ask for none, or choose another transport"
    )]
    QuickAckUnsupported {
        /// The transport in use.
        kind: Kind,
    },
    /// The full transport cannot be obfuscated.
    #[error(
        "the {kind:?} transport cannot be obfuscated: choose abridged, intermediate or padded intermediate"
    )]
    ObfuscationUnsupported {
        /// The transport asked for.
        kind: Kind,
    },
    /// The server wants to send before the client's first bytes told the transport.
    #[error("the client has not announced its transport yet: nothing can be sent to it")]
    TransportUnknown,
}

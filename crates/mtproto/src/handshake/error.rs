use actogram_crypto::{dh, factor};
use actogram_tl::DecodeError;

use super::plain_message::PlainMessageError;

/// Where in the exchange a value was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Place {
    /// `resPQ`, the answer to the first query.
    ResPq,
    /// `server_DH_params_ok` or `_fail`, outside the encrypted part.
    ServerDhParams,
    /// `server_DH_inner_data`, inside the encrypted part.
    ServerDhInnerData,
    /// `dh_gen_ok`, `_retry` or `_fail`.
    DhGen,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Place::ResPq => "resPQ",
            Place::ServerDhParams => "server_DH_params",
            Place::ServerDhInnerData => "server_DH_inner_data",
            Place::DhGen => "the answer to set_client_DH_params",
        })
    }
}

/// Why a client gave up creating an auth key.
///
/// Each is final for this [`ClientHandshake`](super::client::ClientHandshake): close the connection and
/// begin anew with fresh nonces, after a pause.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HandshakeError {
    /// The envelope of a message is malformed, or the message is encrypted.
    #[error("key exchange: {0}")]
    Envelope(#[from] PlainMessageError),
    /// A message of the exchange, or its encrypted part, is no valid TL object of the type due.
    #[error("key exchange: expected {expected}, but {error}")]
    Malformed {
        /// The message due in this state.
        expected: &'static str,
        /// What is wrong with the one that came.
        error: DecodeError,
    },
    /// A well-formed message that is not due in this state.
    #[error("key exchange: an unexpected message while {state}")]
    Unexpected {
        /// What the client was doing.
        state: &'static str,
    },
    /// A message belongs to another exchange, or was tampered with.
    #[error("key exchange: {place} carries another nonce than ours")]
    Nonce {
        /// Where the nonce differs.
        place: Place,
    },
    /// A message carries another server nonce than the first answer did.
    #[error("key exchange: {place} carries another server nonce than resPQ")]
    ServerNonce {
        /// Where the server nonce differs.
        place: Place,
    },
    /// The server offers no RSA key of this client's key set.
    #[error(
        "key exchange: none of the {offered} RSA keys the server offers is in the key set of this datacenter ({known} keys); is the address that of the datacenter the keys belong to?"
    )]
    NoKnownKey {
        /// How many fingerprints the server sent.
        offered: usize,
        /// How many keys this client has.
        known: usize,
    },
    /// pq is no product of two odd primes below 2^63.
    #[error("key exchange: pq cannot be used: {0}")]
    Pq(factor::BadPq),
    /// pq is not 1 to 8 bytes long.
    #[error("key exchange: pq has {length} bytes, expected 1 to 8")]
    PqLength {
        /// Bytes in the field.
        length: usize,
    },
    /// The inner data could not be encrypted with the server's RSA key.
    #[error("key exchange: the RSA key {fingerprint:#018x} cannot encrypt the inner data")]
    Rsa {
        /// The fingerprint of the key.
        fingerprint: i64,
    },
    /// The encrypted part of server_DH_params_ok has an impossible length.
    #[error(
        "key exchange: the encrypted answer has {length} bytes, expected a multiple of 16 up to 4096"
    )]
    AnswerLength {
        /// Bytes in the field.
        length: usize,
    },
    /// The SHA-1 in the encrypted answer is not that of the data.
    #[error("key exchange: the hash of the decrypted answer does not fit")]
    AnswerHash,
    /// More than 15 bytes follow the data in the encrypted answer.
    #[error(
        "key exchange: the decrypted answer ends with {padding} bytes of padding, at most 15 are allowed"
    )]
    AnswerPadding {
        /// Bytes after the data.
        padding: usize,
    },
    /// The prime, the generator or the server's public value is unsafe.
    #[error("key exchange: the Diffie-Hellman parameters are unsafe: {0}")]
    Dh(dh::DhError),
    /// The server proves no knowledge of the shared secrets.
    #[error("key exchange: the nonce hash of {answer} does not fit")]
    NewNonceHash {
        /// The message with the wrong hash.
        answer: &'static str,
    },
    /// The server asked for another attempt too often.
    #[error("key exchange: dh_gen_retry after {attempts} attempts")]
    TooManyRetries {
        /// Attempts made.
        attempts: u32,
    },
    /// The server refuses, provably: `server_DH_params_fail` or `dh_gen_fail`.
    #[error("key exchange: the server answered {answer}")]
    Refused {
        /// The message it refused with.
        answer: &'static str,
    },
    /// The server answered a transport error.
    #[error(
        "key exchange: the server answered transport error {code} (-404: malformed query or unknown RSA key, -429: too many connections, -444: wrong datacenter id)"
    )]
    Transport {
        /// The negative code.
        code: i32,
    },
    /// The exchange took longer than its deadline.
    #[error("key exchange: not finished within {seconds} s while {state}")]
    Deadline {
        /// The deadline of the configuration, in whole seconds.
        seconds: u64,
        /// What the client was doing.
        state: &'static str,
    },
}

/// Why a server refuses a query. Only for its own logs: the client sees one uniform transport error.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Rejection {
    /// The envelope is malformed.
    #[error("key exchange: {0}")]
    Envelope(#[from] PlainMessageError),
    /// No query of the key exchange, or one that is not due.
    #[error("key exchange: an unexpected or malformed query while {state}")]
    Unexpected {
        /// What the server was doing.
        state: &'static str,
    },
    /// Something inside `req_DH_params` is wrong. Which part, is deliberately not told apart: an answer
    /// or a timing that depended on it would be an oracle on the RSA key.
    #[error("key exchange: req_DH_params does not fit resPQ")]
    DhQuery,
    /// The datacenter id inside the encrypted data is none of this server's.
    #[error("key exchange: the client wants datacenter {wanted}")]
    WrongDatacenter {
        /// The id the client asked for.
        wanted: i32,
    },
    /// Something inside `set_client_DH_params` is wrong: its hash, its nonces, its retry id, or a public
    /// value out of range.
    #[error("key exchange: set_client_DH_params does not fit")]
    ClientDh,
    /// The exchange was refused before, or has expired.
    #[error("key exchange: this exchange is over")]
    Over,
    /// Too many exchanges begun on this connection, or half open from this peer.
    #[error("key exchange: too many exchanges begun")]
    Flood,
}

impl Rejection {
    /// The transport error the client gets.
    #[must_use]
    pub fn transport_code(&self) -> i32 {
        use crate::transport::error_code;
        match self {
            Rejection::WrongDatacenter { .. } => error_code::INVALID_DC,
            Rejection::Flood => error_code::FLOOD,
            _ => error_code::AUTH_KEY_NOT_FOUND,
        }
    }
}

//! Encrypted sessions: what lies between transport payloads and the calls and updates inside them.
//!
//! * [`client::ClientSession`] numbers, packs and encrypts calls, and makes sure that each ends exactly once,
//!   whatever the connection does;
//! * [`server::ServerSession`] answers them, never carrying one out twice.
//!
//! Both are state machines without IO: they are handed payloads and the time, and give payloads and events.
//! Sources: <https://core.telegram.org/mtproto/description>, <https://core.telegram.org/mtproto/service_messages>,
//! <https://core.telegram.org/mtproto/service_messages_about_messages>.

pub mod client;
mod content;
mod envelope;
mod gzip;
mod message_id;
mod received;
mod salts;
mod sealed;
pub mod server;
mod wire;

pub use content::ContentError;
pub use gzip::{GzipError, MOST_INFLATED};
pub use salts::ServerSalts;
pub use sealed::{Opened, ToOpen, ToSeal};

/// The most messages a container may hold when it is read.
pub const MOST_IN_CONTAINER: usize = 1024;

/// The most message ids in one `msgs_ack`, `msgs_state_req` or `msg_resend_req`.
pub const MOST_IDS: usize = 8192;

/// How old a message may be when it arrives, in seconds.
pub const OLDEST: i64 = 300;

/// How far in the future a message may lie when it arrives, in seconds.
pub const NEWEST: i64 = 30;

/// Why a payload was refused. The connection it came over is to be closed, and nothing of it was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// The payload was not made with this key, or its length, padding or session is wrong. Which of these, the
    /// other side must not learn.
    #[error("an encrypted payload was refused; close the connection and open it again")]
    Payload,
}

//! Creating an auth key: the Diffie-Hellman exchange authenticated by the server's RSA key.
//! See <https://core.telegram.org/mtproto/auth_key>.
//!
//! [`client::ClientHandshake`] and [`server::ServerHandshake`] are the two ends, one per connection and
//! exchange. Neither reads a clock or a socket, and neither computes for long: what costs milliseconds
//! comes out as a [`Job`], to be run on whatever thread suits.
//!
//! ```text
//! client                                    server
//!   req_pq_multi ─────────────────────────►
//!                ◄───────────────────────── resPQ              (pq, RSA fingerprints)
//!   factor pq; p_q_inner_data under RSA
//!   req_DH_params ────────────────────────►
//!                ◄───────────────────────── server_DH_params   (g, prime, g^a, server time)
//!   check them all; g^b, key = g^ab
//!   set_client_DH_params ─────────────────►
//!                ◄───────────────────────── dh_gen_ok          (or _retry, or _fail)
//! ```

pub mod client;
pub mod plain_message;
pub mod server;

mod answer;
mod error;
mod inner_data;
mod job;
mod pq;
mod query;
mod slots;

pub use error::{HandshakeError, Place, Rejection};
pub use job::{Job, JobResult};
pub use slots::{HandshakeSlots, Slot};

/// How many keys are tried before an exchange is given up: a server asks for another one when the key
/// exists already, which is a matter of 2^-64 unless somebody cheats.
pub const MAX_ATTEMPTS: u32 = 5;

/// How long a key lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyKind {
    /// Until it is destroyed.
    Permanent,
    /// For perfect forward secrecy. See <https://core.telegram.org/api/pfs>.
    Temporary {
        /// Its lifetime in seconds, usually 86400.
        expires_in: i32,
    },
}

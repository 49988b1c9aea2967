//! The cryptography of MTProto 2.0 as pure functions over bytes.
//!
//! Nothing here does IO or knows a clock; the only state is a list of primes found good ([`dh::check_parameters`]).
//! Randomness is handed in
//! ([`random::Random`]), so that a simulation can repeat itself; production code hands in
//! [`random::OsRandom`]. Secrets are wiped when they are dropped and never shown by `Debug`.
//!
//! Sources: <https://core.telegram.org/mtproto/description>, <https://core.telegram.org/mtproto/auth_key>,
//! <https://core.telegram.org/api/srp>. Every construction is pinned by `tests/vectors.json`.

mod auth_key;
pub mod compare;
pub mod ctr;
pub mod dh;
pub mod factor;
pub mod ige;
pub mod kdf;
pub mod message;
pub mod random;
pub mod rsa;
pub mod secret_chat;
pub mod sha;
pub mod srp;

pub use auth_key::{AuthKey, Side};

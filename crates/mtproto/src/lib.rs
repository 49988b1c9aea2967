//! MTProto 2.0 without IO: transports, key exchange and encrypted sessions, for clients and servers.
//!
//! Every protocol here is a state machine fed with bytes and the time, as in quinn-proto: `handle_input`,
//! `handle_timeout`, `poll_transmit`, `poll_timeout`, `poll_event`. None of them opens a socket, reads a
//! clock or spawns a task; the actors and the local datacenter do that.
//!
//! * [`transport`]: payloads cut into frames, and obfuscation;
//! * [`handshake`]: how two sides that share nothing get an auth key;
//! * [`session`]: calls, answers and updates under an auth key;
//! * [`Now`]: the time, handed in;
//! * `pair` (feature `testing`): a client and a server wired to each other under virtual time.

pub mod handshake;
mod now;
#[cfg(feature = "testing")]
pub mod pair;
pub mod session;
pub mod transport;

pub use now::Now;

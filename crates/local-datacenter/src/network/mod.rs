//! What lies between TCP and the world: listeners, connections, key exchanges, sessions, and faults and attacks on
//! demand.

mod attack;
mod clock;
mod connection;
mod faults;
mod forge;
mod hub;
mod listener;
mod payloads;
mod sessions;
mod sharing;
mod site;

pub use attack::{Attack, Attacks, GzipAttack, When};
pub use clock::Clock;
pub(crate) use connection::serve;
pub use faults::{Direction, WireFault, WireFaults};
pub(crate) use hub::{Hub, HubConfig};
pub(crate) use listener::{Listener, accept};
pub use sharing::KeySharing;
pub(crate) use site::Site;

use actogram_crypto::random::{OsRandom, Random};

/// Where fresh randomness for each connection and session comes from.
pub(crate) type RandomSource = Box<dyn FnMut() -> Box<dyn Random> + Send>;

/// The operating system's generator, for every caller.
pub(crate) fn os_random() -> RandomSource {
    Box::new(|| Box::new(OsRandom))
}

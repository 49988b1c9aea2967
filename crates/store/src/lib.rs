//! What outlives a process, keyed by account: auth keys, salts, peers, update positions.
//!
//! A [`Store`] holds many accounts; an [`AccountStore`] is one of them. Both are handles, cheap to clone and usable
//! from any thread.
//!
//! ```
//! # fn main() -> Result<(), actogram_store::StoreError> {
//! use actogram_store::{Position, Store, Write};
//!
//! let store = Store::memory();
//! let account = store.account("bot");
//! account.write(Write::Position(Position { pts: 7, qts: 0, date: 1_700_000_000, seq: 1 }));
//! assert_eq!(account.load().wait()?.position.map(|at| at.pts), Some(7));
//! # Ok(()) }
//! ```
//!
//! # What is promised
//! - One file serves any number of accounts, through one connection and one thread.
//! - [`AccountStore::write`] is committed within [`GROUP_COMMIT`]; a kill loses at most what was written since. A group
//!   is committed whole or not at all.
//! - [`AccountStore::write_synced`] resolves once the write is on the disk (`fsync`): auth keys go this way *before*
//!   they are used.
//! - A write that fails is kept and tried again; [`Store::flush`] and [`Store::trouble`] tell of it.
//! - The file has mode 0600, belongs to one process at a time, and is never replaced by an empty one: whatever cannot
//!   be opened is a [`StoreError`] that names the file and what to do.

mod error;
#[cfg(feature = "failpoints")]
mod failpoints;
mod handle;
mod memory;
mod pending;
mod records;
mod sqlite;
mod storage;
mod writer;

pub use error::StoreError;
#[cfg(feature = "failpoints")]
pub use failpoints::{Failpoints, Failure};
pub use handle::{AccountStore, Answer, Store, StoreOptions};
pub use memory::MemoryStorage;
pub use records::{
    AccountRecord, AuthKeyRecord, ChannelPosition, DcOption, DialogueKey, DialogueState, KeyKind,
    PeerKey, PeerKind, PeerRecord, Position, SaltRecord, SeenIn, SelfUser, Stream, UploadRecord,
};
pub use sqlite::SqliteStorage;
pub use storage::{Durability, Storage, Write};
pub use writer::GROUP_COMMIT;

//! Where the journal is kept: in memory, or in SQLite.
//!
//! The state is a pure function of its journal, and the entries of one call are appended in one transaction before
//! its answer leaves. So a kill at any moment loses no answered call and leaves no half of one behind.

mod sqlite;

pub use sqlite::SqliteJournal;

use crate::model::Event;

/// Why the journal could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StorageError {
    /// SQLite refused.
    #[error(
        "the datacenter's state file {path}: {source}; check that the file is writable and the disk is not full"
    )]
    Sqlite {
        /// The state file.
        path: String,
        /// SQLite's reason.
        source: rusqlite::Error,
    },
    /// The file could not be opened.
    #[error("the datacenter's state file {path} cannot be opened: {source}")]
    Open {
        /// The state file.
        path: String,
        /// The system's reason.
        source: std::io::Error,
    },
    /// Another process has the file.
    #[error(
        "the datacenter's state file {path} is in use by another process; stop that one or choose another file"
    )]
    Locked {
        /// The state file.
        path: String,
    },
    /// An entry is not one this version knows.
    #[error(
        "entry {number} of the datacenter's state file {path} cannot be read ({reason}); it may be of a newer version"
    )]
    BadEntry {
        /// The state file.
        path: String,
        /// Which entry, from 1.
        number: i64,
        /// What is wrong with it.
        reason: String,
    },
}

/// An append-only list of [`Event`]s.
pub trait Journal: Send {
    /// Everything appended so far, in order.
    ///
    /// # Errors
    /// [`StorageError`] if the storage cannot be read.
    fn replay(&mut self) -> Result<Vec<Event>, StorageError>;

    /// Appends all of `events` or none of them.
    ///
    /// # Errors
    /// [`StorageError`] if the storage cannot be written.
    fn append(&mut self, events: &[Event]) -> Result<(), StorageError>;
}

/// Keeps nothing: the state ends with the process.
#[derive(Debug, Default)]
pub struct MemoryJournal;

impl Journal for MemoryJournal {
    fn replay(&mut self) -> Result<Vec<Event>, StorageError> {
        Ok(Vec::new())
    }

    fn append(&mut self, _events: &[Event]) -> Result<(), StorageError> {
        Ok(())
    }
}

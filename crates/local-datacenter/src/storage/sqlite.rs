//! The journal as a table of SQLite, one JSON text per entry.

use std::path::Path;

use rusqlite::{Connection, ErrorCode, params};
use zeroize::Zeroizing;

use super::{Journal, StorageError};
use crate::model::Event;

/// A journal in an SQLite file that only its owner may read, locked against a second process.
#[derive(Debug)]
pub struct SqliteJournal {
    connection: Connection,
    path: String,
}

impl SqliteJournal {
    /// Opens or creates the file.
    ///
    /// # Errors
    /// [`StorageError::Open`] if the file cannot be created, [`StorageError::Locked`] if another process has it,
    /// [`StorageError::Sqlite`] if it is not a database of ours.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StorageError> {
        let path = path.as_ref();
        let shown = path.display().to_string();
        create_private(path).map_err(|source| StorageError::Open {
            path: shown.clone(),
            source,
        })?;
        let connection = Connection::open(path).map_err(|e| classify(&shown, e))?;
        // Whoever has the file keeps it for as long as it runs: waiting would not help.
        connection
            .busy_timeout(std::time::Duration::ZERO)
            .map_err(|e| classify(&shown, e))?;
        connection
            .execute_batch(
                "PRAGMA locking_mode = EXCLUSIVE;
                 PRAGMA journal_mode = WAL;
                 PRAGMA synchronous = NORMAL;
                 BEGIN EXCLUSIVE;
                 CREATE TABLE IF NOT EXISTS journal (number INTEGER PRIMARY KEY AUTOINCREMENT, entry TEXT NOT NULL);
                 COMMIT;",
            )
            .map_err(|e| classify(&shown, e))?;
        Ok(Self {
            connection,
            path: shown,
        })
    }
}

fn classify(path: &str, source: rusqlite::Error) -> StorageError {
    let path = path.to_owned();
    match source.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StorageError::Locked { path },
        _ => StorageError::Sqlite { path, source },
    }
}

/// The file holds authorization keys: it is made readable by its owner only, before SQLite writes to it.
fn create_private(path: &Path) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options.open(path).map(drop)
}

impl Journal for SqliteJournal {
    fn replay(&mut self) -> Result<Vec<Event>, StorageError> {
        let fail = |e| classify(&self.path, e);
        let mut statement = self
            .connection
            .prepare("SELECT number, entry FROM journal ORDER BY number")
            .map_err(fail)?;
        let rows = statement
            .query_map([], |row| {
                Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?))
            })
            .map_err(fail)?;
        let mut events = Vec::new();
        for row in rows {
            let (number, entry) = row.map_err(fail)?;
            let entry = Zeroizing::new(entry);
            let event = serde_json::from_str(&entry).map_err(|e| StorageError::BadEntry {
                path: self.path.clone(),
                number,
                // The message of serde_json quotes the input, which may hold a key.
                reason: format!("line {} column {}", e.line(), e.column()),
            })?;
            events.push(event);
        }
        Ok(events)
    }

    fn append(&mut self, events: &[Event]) -> Result<(), StorageError> {
        let path = self.path.clone();
        let fail = |e| classify(&path, e);
        let transaction = self.connection.transaction().map_err(fail)?;
        {
            let mut insert = transaction
                .prepare_cached("INSERT INTO journal (entry) VALUES (?1)")
                .map_err(fail)?;
            for event in events {
                let entry = serde_json::to_string(event)
                    .map(Zeroizing::new)
                    .map_err(|e| StorageError::BadEntry {
                        path: path.clone(),
                        number: 0,
                        reason: e.to_string(),
                    })?;
                insert.execute(params![entry.as_str()]).map_err(fail)?;
            }
        }
        transaction.commit().map_err(fail)
    }
}

//! Tables, and what is done to a file before it is used.

use std::path::Path;

use rusqlite::Connection;

use super::failed;
use crate::{StoreError, storage::Durability};

/// Marks the file as ours: "actg".
const APPLICATION: i32 = 0x6163_7467;

/// The format this version writes: one more than the steps from the first.
pub(super) const FORMAT: i32 = 1 + STEPS.len() as i32;

/// What changed since the first format, a step for each. Steps are only ever added.
const STEPS: &[&str] = &[
    "ALTER TABLE channel ADD COLUMN behind INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE peer ADD COLUMN seen_kind INTEGER; ALTER TABLE peer ADD COLUMN seen_id INTEGER;
     ALTER TABLE peer ADD COLUMN seen_message INTEGER",
    "CREATE TABLE dialogue (
    account INTEGER NOT NULL REFERENCES account ON DELETE CASCADE, chat_kind INTEGER NOT NULL, chat INTEGER NOT NULL,
    person_kind INTEGER NOT NULL, person INTEGER NOT NULL, state BLOB NOT NULL,
    PRIMARY KEY (account, chat_kind, chat, person_kind, person)
) STRICT, WITHOUT ROWID",
    "CREATE TABLE upload (
    account INTEGER NOT NULL REFERENCES account ON DELETE CASCADE, path TEXT NOT NULL, file_id INTEGER NOT NULL,
    size INTEGER NOT NULL, modified INTEGER NOT NULL, touched INTEGER NOT NULL, process INTEGER NOT NULL,
    parts BLOB NOT NULL,
    PRIMARY KEY (account, path)
) STRICT, WITHOUT ROWID",
];

/// The bytes of any SQLite file's beginning.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// How long an SQLite file's header is; SQLite takes a shorter file for an empty one.
const HEADER: usize = 100;

/// The tables of the first format.
const TABLES: &str = "
CREATE TABLE account (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, main_dc INTEGER, self_id INTEGER, self_bot INTEGER,
    pts INTEGER, qts INTEGER, date INTEGER, seq INTEGER
) STRICT;
CREATE TABLE auth_key (
    account INTEGER NOT NULL REFERENCES account ON DELETE CASCADE, dc INTEGER NOT NULL, kind INTEGER NOT NULL,
    key_id INTEGER NOT NULL, key BLOB NOT NULL, created INTEGER NOT NULL, PRIMARY KEY (account, dc, kind)
) STRICT, WITHOUT ROWID;
CREATE TABLE salt (
    account INTEGER NOT NULL REFERENCES account ON DELETE CASCADE, dc INTEGER NOT NULL, valid_since INTEGER NOT NULL,
    valid_until INTEGER NOT NULL, salt INTEGER NOT NULL, PRIMARY KEY (account, dc, valid_since, salt)
) STRICT, WITHOUT ROWID;
CREATE TABLE time_offset (
    account INTEGER NOT NULL REFERENCES account ON DELETE CASCADE, dc INTEGER NOT NULL, seconds INTEGER NOT NULL,
    PRIMARY KEY (account, dc)
) STRICT, WITHOUT ROWID;
CREATE TABLE peer (
    account INTEGER NOT NULL REFERENCES account ON DELETE CASCADE, kind INTEGER NOT NULL, id INTEGER NOT NULL,
    access_hash INTEGER, min INTEGER NOT NULL, PRIMARY KEY (account, kind, id)
) STRICT, WITHOUT ROWID;
CREATE TABLE username (
    account INTEGER NOT NULL REFERENCES account ON DELETE CASCADE, username TEXT NOT NULL, kind INTEGER NOT NULL,
    id INTEGER NOT NULL, PRIMARY KEY (account, username)
) STRICT, WITHOUT ROWID;
CREATE INDEX username_peer ON username (account, kind, id);
CREATE TABLE channel (
    account INTEGER NOT NULL REFERENCES account ON DELETE CASCADE, channel INTEGER NOT NULL, pts INTEGER NOT NULL,
    PRIMARY KEY (account, channel)
) STRICT, WITHOUT ROWID;
CREATE TABLE handled (
    account INTEGER NOT NULL REFERENCES account ON DELETE CASCADE, stream INTEGER NOT NULL, channel INTEGER NOT NULL,
    number INTEGER NOT NULL, PRIMARY KEY (account, stream, channel, number)
) STRICT, WITHOUT ROWID;
CREATE TABLE dc_option (
    account INTEGER NOT NULL REFERENCES account ON DELETE CASCADE, place INTEGER NOT NULL, dc INTEGER NOT NULL,
    address TEXT NOT NULL, port INTEGER NOT NULL, flags INTEGER NOT NULL, secret BLOB, PRIMARY KEY (account, place)
) STRICT, WITHOUT ROWID;
";

/// Fills an empty file.
pub(super) fn create(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    connection
        .execute_batch(&format!(
            "PRAGMA synchronous = FULL; BEGIN IMMEDIATE; {TABLES} {};
             PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {FORMAT}; COMMIT;",
            STEPS.join("; ")
        ))
        .map_err(|source| failed(path, "creating tables in", source))
}

/// Brings a file of an older format up to this one, wholly or not at all.
pub(super) fn upgrade(connection: &Connection, path: &Path, from: i32) -> Result<(), StoreError> {
    let done = usize::try_from(from - 1).unwrap_or(0);
    let Some(steps) = STEPS.get(done..).filter(|steps| !steps.is_empty()) else {
        return Ok(());
    };
    tracing::info!(path = %path.display(), from, to = FORMAT, "the store's file is brought up to date");
    let upgraded = connection.execute_batch(&format!(
        "PRAGMA synchronous = FULL; BEGIN IMMEDIATE; {}; PRAGMA user_version = {FORMAT}; COMMIT;",
        steps.join("; ")
    ));
    upgraded.map_err(|source| {
        if !connection.is_autocommit() {
            // What it met is told of below; closing the file would undo it too.
            let _ = connection.execute_batch("ROLLBACK");
        }
        failed(path, "bringing up to date", source)
    })
}

/// Refuses what is not ours, newer, or damaged. Changes nothing; gives the file's format.
pub(super) fn check(connection: &Connection, path: &Path) -> Result<i32, StoreError> {
    let mut header = [0; HEADER];
    let read = std::fs::File::open(path)
        .and_then(|mut file| std::io::Read::read_exact(&mut file, &mut header));
    if read.is_err() || !header.starts_with(MAGIC) {
        return Err(StoreError::Damaged {
            path: path.to_path_buf(),
            what: "it does not begin as an SQLite file does".to_owned(),
        });
    }
    // Before the first read, so that no memory is shared with a process that ignores the lock.
    connection
        .pragma_update(None, "locking_mode", "EXCLUSIVE")
        .map_err(|source| failed(path, "locking", source))?;
    let number = |pragma: &str| {
        connection
            .pragma_query_value(None, pragma, |row| row.get::<_, i32>(0))
            .map_err(|source| failed(path, "reading", source))
    };
    if number("application_id")? != APPLICATION {
        return Err(StoreError::NotAStore {
            path: path.to_path_buf(),
        });
    }
    let format = number("user_version")?;
    match format {
        1..=FORMAT => {}
        found if found > FORMAT => {
            return Err(StoreError::Newer {
                path: path.to_path_buf(),
                found,
                known: FORMAT,
            });
        }
        found => {
            return Err(StoreError::Damaged {
                path: path.to_path_buf(),
                what: format!("its format is {found}, which never was"),
            });
        }
    }
    let verdict: String = connection
        .pragma_query_value(None, "quick_check", |row| row.get(0))
        .map_err(|source| failed(path, "checking", source))?;
    if verdict != "ok" {
        return Err(StoreError::Damaged {
            path: path.to_path_buf(),
            what: verdict,
        });
    }
    Ok(format)
}

/// Settings that hold for this connection, and the mode of the journal.
pub(super) fn configure(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    connection
        .execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA foreign_keys = ON; PRAGMA secure_delete = ON;
             PRAGMA synchronous = NORMAL; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -512;",
        )
        .map_err(|source| failed(path, "configuring", source))
}

/// How far the next commit must go. Only outside a transaction.
pub(super) fn set_durability(
    connection: &Connection,
    durability: Durability,
) -> rusqlite::Result<()> {
    connection.execute_batch(match durability {
        Durability::Process => "PRAGMA synchronous = NORMAL",
        Durability::Synced => "PRAGMA synchronous = FULL",
    })
}

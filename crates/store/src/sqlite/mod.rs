//! Accounts in one SQLite file.

mod file;
mod read;
mod schema;
mod write;

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use rusqlite::{Connection, OpenFlags};

#[cfg(feature = "failpoints")]
use crate::Failpoints;
use crate::{
    StoreError,
    records::{AccountRecord, DialogueKey, DialogueState, PeerKey, PeerRecord, UploadRecord},
    storage::{Durability, Storage, Write},
};
use file::Lock;

/// How many prepared statements are kept.
const STATEMENTS: usize = 64;

/// Accounts in one SQLite file, which is this value's alone as long as it lives.
///
/// The file is in WAL mode, so beside it lies a `-wal` file, and a `.lock` file that marks it as taken. All have
/// mode 0600.
pub struct SqliteStorage {
    // Before the lock: the file must be closed when the next process may open it.
    connection: Connection,
    path: PathBuf,
    #[cfg(feature = "failpoints")]
    failpoints: Failpoints,
    _lock: Lock,
}

impl SqliteStorage {
    /// Opens the file, or creates it (and its directory) if it is not there.
    ///
    /// # Errors
    /// [`StoreError`]: the file is in use, open to others, somebody else's, newer, or damaged. It is unchanged then.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        Self::open_inner(
            path.as_ref(),
            #[cfg(feature = "failpoints")]
            Failpoints::new(),
        )
    }

    /// As [`open`](Self::open), with a script of failures.
    ///
    /// # Errors
    /// Those of [`open`](Self::open), and those of the script.
    #[cfg(feature = "failpoints")]
    pub fn open_with_failpoints(
        path: impl AsRef<Path>,
        failpoints: Failpoints,
    ) -> Result<Self, StoreError> {
        Self::open_inner(path.as_ref(), failpoints)
    }

    fn open_inner(
        path: &Path,
        #[cfg(feature = "failpoints")] failpoints: Failpoints,
    ) -> Result<Self, StoreError> {
        let path = file::resolve(path)?;
        let lock = Lock::acquire(&path)?;
        if !file::exists(&path)? {
            Self::create(
                &path,
                #[cfg(feature = "failpoints")]
                &failpoints,
            )?;
        }
        file::check(&path)?;
        let connection = connect(&path)?;
        let format = schema::check(&connection, &path)?;
        schema::configure(&connection, &path)?;
        schema::upgrade(&connection, &path, format)?;
        Ok(Self {
            connection,
            path,
            #[cfg(feature = "failpoints")]
            failpoints,
            _lock: lock,
        })
    }

    /// Makes the file under another name and gives it its own only when it is whole: a file that bears the name is
    /// never half made, so an empty or short one is damage.
    fn create(
        path: &Path,
        #[cfg(feature = "failpoints")] failpoints: &Failpoints,
    ) -> Result<(), StoreError> {
        let fresh = file::beside(path, ".new");
        file::create_private(&fresh)?;
        #[cfg(feature = "failpoints")]
        failpoints.pass("create.before_schema")?;
        let connection = connect(&fresh)?;
        schema::create(&connection, &fresh)?;
        connection
            .close()
            .map_err(|(_, source)| StoreError::Sqlite {
                path: fresh.clone(),
                action: "closing",
                source,
            })?;
        #[cfg(feature = "failpoints")]
        failpoints.pass("create.before_link")?;
        file::give_name(&fresh, path)?;
        #[cfg(feature = "failpoints")]
        failpoints.pass("create.after_link")?;
        Ok(())
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

fn connect(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_NOFOLLOW
        | OpenFlags::SQLITE_OPEN_PRIVATE_CACHE;
    let connection = Connection::open_with_flags(path, flags)
        .map_err(|source| failed(path, "opening", source))?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(connection)
}

/// What an error of SQLite means for the file.
fn failed(path: &Path, action: &'static str, source: rusqlite::Error) -> StoreError {
    use rusqlite::ErrorCode;
    let path = path.to_path_buf();
    match source.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => StoreError::Damaged {
            path,
            what: source.to_string(),
        },
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            StoreError::Locked { path, holder: None }
        }
        _ => StoreError::Sqlite {
            path,
            action,
            source,
        },
    }
}

impl Storage for SqliteStorage {
    fn accounts(&mut self) -> Result<Vec<String>, StoreError> {
        read::accounts(&self.connection).map_err(|source| failed(&self.path, "reading", source))
    }

    fn load(&mut self, account: &str) -> Result<AccountRecord, StoreError> {
        read::load(&self.connection, account).map_err(|error| match error {
            read::ReadError::Sqlite(source) => failed(&self.path, "reading", source),
            read::ReadError::Damaged(what) => StoreError::Damaged {
                path: self.path.clone(),
                what,
            },
        })
    }

    fn peer(&mut self, account: &str, key: PeerKey) -> Result<Option<PeerRecord>, StoreError> {
        read::peer(&self.connection, account, key)
            .map_err(|source| failed(&self.path, "reading", source))
    }

    fn peer_by_username(
        &mut self,
        account: &str,
        username: &str,
    ) -> Result<Option<PeerRecord>, StoreError> {
        read::peer_by_username(&self.connection, account, username)
            .map_err(|source| failed(&self.path, "reading", source))
    }

    fn dialogue(
        &mut self,
        account: &str,
        key: DialogueKey,
    ) -> Result<Option<DialogueState>, StoreError> {
        read::dialogue(&self.connection, account, key)
            .map_err(|source| failed(&self.path, "reading", source))
    }

    fn upload(&mut self, account: &str, path: &str) -> Result<Option<UploadRecord>, StoreError> {
        read::upload(&self.connection, account, path)
            .map_err(|source| failed(&self.path, "reading", source))
    }

    fn commit(
        &mut self,
        writes: &[(Arc<str>, Write)],
        durability: Durability,
    ) -> Result<(), StoreError> {
        #[cfg(feature = "failpoints")]
        let failpoints = self.failpoints.clone();
        let pass = |name: &'static str| -> Result<(), StoreError> {
            #[cfg(feature = "failpoints")]
            failpoints.pass(name)?;
            let _ = name;
            Ok(())
        };
        schema::set_durability(&self.connection, durability)
            .map_err(|source| failed(&self.path, "preparing to write", source))?;
        let transaction = self
            .connection
            .transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)
            .map_err(|source| failed(&self.path, "writing", source))?;
        pass("commit.begun")?;
        for (index, (account, write)) in writes.iter().enumerate() {
            if index + 1 == writes.len() {
                pass("commit.before_last_write")?;
            }
            write::apply(&transaction, account, write)
                .map_err(|source| failed(&self.path, "writing", source))?;
        }
        pass("commit.before")?;
        transaction
            .commit()
            .map_err(|source| failed(&self.path, "committing", source))?;
        pass("commit.after")?;
        Ok(())
    }
}

impl fmt::Debug for SqliteStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStorage")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

//! Why the store cannot be used.

use std::path::PathBuf;

/// Why the store cannot be opened, read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another process, or this one through another handle, has the file open.
    #[error(
        "{} is in use{}; end that process, or use another file: one file serves one process at a time",
        path.display(),
        holder.map(|pid| format!(" by process {pid}")).unwrap_or_default()
    )]
    Locked {
        /// The store's file.
        path: PathBuf,
        /// The process that holds it, if it left its number.
        holder: Option<u32>,
    },
    /// Others than the owner may read or write the file, which holds the keys of accounts.
    #[error("{} may be opened by others (mode {mode:03o}); run: chmod 600 {}", path.display(), path.display())]
    Permissions {
        /// The store's file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file belongs to another user.
    #[error("{} belongs to user {owner}, this process runs as user {user}; run it as the owner", path.display())]
    Owner {
        /// The store's file.
        path: PathBuf,
        /// The file's user id.
        owner: u32,
        /// The process's user id.
        user: u32,
    },
    /// The path names a symbolic link, a directory or something else that is not a plain file.
    #[error("{} is {found}, not a plain file; give the path of the file itself", path.display())]
    NotAFile {
        /// The store's file.
        path: PathBuf,
        /// What it is.
        found: &'static str,
    },
    /// The file is something else's.
    #[error("{} is not a store of actogram; give another path", path.display())]
    NotAStore {
        /// The file.
        path: PathBuf,
    },
    /// A newer version of this program wrote the file.
    #[error("{} has format {found}, this version knows up to {known}; upgrade the program, or use another file", path.display())]
    Newer {
        /// The store's file.
        path: PathBuf,
        /// Its format.
        found: i32,
        /// The newest format that is known.
        known: i32,
    },
    /// The file is damaged. Nothing of it was changed.
    #[error("{} is damaged ({what}); it was left as it is: restore a backup, or move it away to log in anew", path.display())]
    Damaged {
        /// The store's file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The system refused an operation on the file.
    #[error("{action} {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was being done.
        action: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// SQLite refused an operation on the file.
    #[error("{action} {}: {source}", path.display())]
    Sqlite {
        /// The store's file.
        path: PathBuf,
        /// What was being done.
        action: &'static str,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// The store was closed, or its thread has ended.
    #[error("the store is closed; open it again")]
    Closed,
    /// A failpoint was set to fail here.
    #[cfg(feature = "failpoints")]
    #[error("failpoint {0}")]
    Failpoint(&'static str),
}

//! The file itself: its lock, its permissions, and how it comes into being.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read as _, Seek as _, Write as _},
    path::{Path, PathBuf},
};

use crate::StoreError;

fn io_error(path: &Path, action: &'static str) -> impl FnOnce(io::Error) -> StoreError {
    move |source| StoreError::Io {
        path: path.to_path_buf(),
        action,
        source,
    }
}

/// The path with a suffix behind its whole name.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path.as_os_str());
    name.push(suffix);
    PathBuf::from(name)
}

/// The path with links in its directory followed; its directory is made, for the owner only, if it is not there.
pub(super) fn resolve(path: &Path) -> Result<PathBuf, StoreError> {
    let Some(name) = path.file_name() else {
        return Err(StoreError::NotAFile {
            path: path.to_path_buf(),
            found: "not the path of a file",
        });
    };
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    if !directory.exists() {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder
            .create(directory)
            .map_err(io_error(directory, "creating the directory"))?;
    }
    let directory = directory
        .canonicalize()
        .map_err(io_error(directory, "looking up the directory"))?;
    Ok(directory.join(name))
}

/// Whether there is anything under this name.
pub(super) fn exists(path: &Path) -> Result<bool, StoreError> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(io_error(path, "looking up")(error)),
    }
}

/// Refuses what is not a plain file of the owner that nobody else may open.
pub(super) fn check(path: &Path) -> Result<(), StoreError> {
    let metadata = fs::symlink_metadata(path).map_err(io_error(path, "looking up"))?;
    if !metadata.is_file() {
        let found = if metadata.is_symlink() {
            "a symbolic link"
        } else if metadata.is_dir() {
            "a directory"
        } else {
            "a special file"
        };
        return Err(StoreError::NotAFile {
            path: path.to_path_buf(),
            found,
        });
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        let user = rustix::process::geteuid().as_raw();
        if metadata.uid() != user {
            return Err(StoreError::Owner {
                path: path.to_path_buf(),
                owner: metadata.uid(),
                user,
            });
        }
        let mode = metadata.mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(StoreError::Permissions {
                path: path.to_path_buf(),
                mode,
            });
        }
    }
    if metadata.len() == 0 {
        return Err(StoreError::Damaged {
            path: path.to_path_buf(),
            what: "it is empty".to_owned(),
        });
    }
    Ok(())
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
        options.custom_flags(rustix::fs::OFlags::NOFOLLOW.bits() as i32);
    }
    options
}

/// Makes an empty file for the owner only. What an earlier attempt left under this name is removed: the caller holds
/// the lock, so nobody else is at it.
pub(super) fn create_private(path: &Path) -> Result<(), StoreError> {
    for leftover in [
        path.to_path_buf(),
        beside(path, "-journal"),
        beside(path, "-wal"),
    ] {
        match fs::remove_file(&leftover) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(io_error(
                    &leftover,
                    "removing what an interrupted start left of",
                )(error));
            }
            _ => {}
        }
    }
    private()
        .create_new(true)
        .open(path)
        .map_err(io_error(path, "creating"))?;
    Ok(())
}

/// Gives the whole file its name. Fails if the name is taken, and survives a power cut once it returns.
pub(super) fn give_name(fresh: &Path, path: &Path) -> Result<(), StoreError> {
    File::open(fresh)
        .and_then(|file| file.sync_all())
        .map_err(io_error(fresh, "syncing"))?;
    // A link and not a rename: a rename would replace a file that somebody put there meanwhile.
    fs::hard_link(fresh, path).map_err(io_error(path, "naming"))?;
    fs::remove_file(fresh).map_err(io_error(fresh, "removing"))?;
    #[cfg(unix)]
    if let Some(directory) = path.parent() {
        File::open(directory)
            .and_then(|directory| directory.sync_all())
            .map_err(io_error(directory, "syncing the directory"))?;
    }
    Ok(())
}

/// The mark that the file is taken. The system removes it with the process, however that ends.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    pub(super) fn acquire(path: &Path) -> Result<Self, StoreError> {
        let name = beside(path, ".lock");
        let mut file = private()
            .create(true)
            .truncate(false)
            .open(&name)
            .map_err(io_error(&name, "opening the lock"))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // Only for the message: the holder may be about to write it.
                let _ = file.take(32).read_to_string(&mut holder);
                return Err(StoreError::Locked {
                    path: path.to_path_buf(),
                    holder: holder.trim().parse().ok(),
                });
            }
            Err(TryLockError::Error(error)) => return Err(io_error(&name, "locking")(error)),
        }
        let note = format!("{}\n", std::process::id());
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| file.write_all(note.as_bytes()))
            .map_err(io_error(&name, "writing the lock"))?;
        Ok(Self { _file: file })
    }
}

//! One upload: parts in any order, and the file they make.
//!
//! See <https://core.telegram.org/api/files#uploading-files>.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use super::{create, read_at, write_at};

/// The longest part, in bytes.
pub(crate) const MAX_PART: usize = 512 << 10;

/// Parts are multiples of this, the last one aside.
const UNIT: usize = 1 << 10;

/// By which method parts come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UploadKind {
    /// `upload.saveFilePart`: up to 10 MiB.
    Small,
    /// `upload.saveBigFilePart`, with how many parts there are, if it is known yet.
    Big {
        /// So many; nothing while the client does not know.
        total: Option<i32>,
    },
}

impl UploadKind {
    fn is_big(self) -> bool {
        matches!(self, Self::Big { .. })
    }
}

/// Why a part is refused, or no file can be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PartError {
    /// It has no bytes.
    #[error("a part of no bytes")]
    Empty,
    /// It has too many bytes.
    #[error("a part of more than 512 KiB")]
    TooBig,
    /// No size that parts may have.
    #[error("a part that is no divisor of 512 KiB in KiB")]
    BadSize,
    /// Another size than the parts before it.
    #[error("parts of different sizes")]
    SizeChanged,
    /// The parts are not those of such a file.
    #[error("parts that do not make a file")]
    Parts,
    /// One is not there.
    #[error("part {0} is missing")]
    Missing(i32),
    /// The disk.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Parts that came. Each has a slot of [`MAX_PART`] in a sparse file, because a part does not say where it belongs before
/// the size of the others is known.
#[derive(Debug)]
pub(super) struct Upload {
    path: PathBuf,
    file: File,
    big: bool,
    total: Option<i32>,
    sizes: BTreeMap<i32, u32>,
    pub(super) touched: Duration,
}

impl Drop for Upload {
    fn drop(&mut self) {
        // Gone already when a file was made of it.
        let _ = fs::remove_file(&self.path);
    }
}

fn slot(part: i32) -> u64 {
    u64::try_from(part).unwrap_or(0) * MAX_PART as u64
}

impl Upload {
    pub(super) fn begin(path: PathBuf, kind: UploadKind) -> io::Result<Self> {
        Ok(Self {
            file: create(&path)?,
            path,
            big: kind.is_big(),
            total: None,
            sizes: BTreeMap::new(),
            touched: Duration::ZERO,
        })
    }

    pub(super) fn save(
        &mut self,
        now: Duration,
        kind: UploadKind,
        part: i32,
        bytes: &[u8],
    ) -> Result<(), PartError> {
        if bytes.is_empty() {
            return Err(PartError::Empty);
        }
        if bytes.len() > MAX_PART {
            return Err(PartError::TooBig);
        }
        if self.big != kind.is_big() {
            return Err(PartError::Parts);
        }
        if let UploadKind::Big { total: Some(total) } = kind {
            if self.total.is_some_and(|before| before != total) {
                return Err(PartError::Parts);
            }
            self.total = Some(total);
        }
        self.check_size(part, bytes.len())?;
        let had = self.sizes.contains_key(&part);
        // A hole reads as zeros: what is sparse at the sender stays so.
        if had || bytes.iter().any(|byte| *byte != 0) {
            write_at(&self.file, bytes, slot(part))?;
        }
        self.sizes
            .insert(part, u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        self.touched = now;
        Ok(())
    }

    /// The last part may have any size up to that of the others; so one part may, while it is not known which is the last.
    fn check_size(&self, part: i32, size: usize) -> Result<(), PartError> {
        let regular = size.is_multiple_of(UNIT) && MAX_PART.is_multiple_of(size);
        let last = self.total.is_some_and(|total| part == total - 1);
        let may_be_last =
            last || self.total.is_none() && self.sizes.range(part + 1..).next().is_none();
        if !regular && !may_be_last {
            return Err(PartError::BadSize);
        }
        let others = self.sizes.iter().filter(|(other, _)| {
            **other != part && self.total.is_none_or(|total| **other != total - 1)
        });
        for (other, before) in others {
            let before = *before as usize;
            let fits = if *other > part {
                // This one is not the last.
                before <= size
            } else {
                size == before || may_be_last && size < before
            };
            if !fits {
                return Err(PartError::SizeChanged);
            }
        }
        Ok(())
    }

    /// Moves the parts together, and the file to `path`.
    pub(super) fn assemble(
        &mut self,
        kind: UploadKind,
        parts: i32,
        path: &Path,
    ) -> Result<u64, PartError> {
        if parts < 1 || self.big != kind.is_big() || self.total.is_some_and(|total| total != parts)
        {
            return Err(PartError::Parts);
        }
        for part in 0..parts {
            if !self.sizes.contains_key(&part) {
                return Err(PartError::Missing(part));
            }
        }
        if self.sizes.len() != usize::try_from(parts).unwrap_or(0) {
            return Err(PartError::Parts);
        }
        let size_of = |part| self.sizes.get(&part).copied().unwrap_or(0);
        let regular = size_of(0);
        for part in 0..parts {
            let size = size_of(part);
            if part < parts - 1 && size != regular || size > regular {
                return Err(PartError::SizeChanged);
            }
        }
        if parts > 1 && !MAX_PART.is_multiple_of(regular as usize) {
            return Err(PartError::BadSize);
        }
        let size = u64::from(regular) * u64::try_from(parts - 1).unwrap_or(0)
            + u64::from(size_of(parts - 1));
        if regular as usize != MAX_PART {
            let mut buffer = vec![0; regular as usize];
            for part in 1..parts {
                let bytes = &mut buffer[..size_of(part) as usize];
                // The file may end within the slot, where zeros were not written.
                bytes.fill(0);
                read_at(&self.file, bytes, slot(part))?;
                let to = u64::from(regular) * u64::try_from(part).unwrap_or(0);
                write_at(&self.file, bytes, to)?;
            }
        }
        self.file.set_len(size)?;
        fs::rename(&self.path, path)?;
        Ok(size)
    }
}

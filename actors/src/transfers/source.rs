//! Where uploaded bytes come from.

use std::{
    fs::{File, Metadata},
    future::ready,
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::{Disk, Io};

/// Gives the bytes of a file, in order.
pub trait Source: Send + 'static {
    /// How many bytes there are, if it is known.
    fn size(&self) -> Option<u64>;

    /// The bytes that follow: `length` of them, or what is left if that is less.
    fn read(&mut self, length: usize) -> Io<'_, Bytes>;

    /// Of a file that can be read again, by the next process too: its path, and when it was last written to, in nanoseconds
    /// since 1970.
    fn identity(&self) -> Option<(Arc<str>, i64)> {
        None
    }

    /// What has become different since the beginning, asked when everything was read.
    fn changed(&mut self) -> Io<'_, Option<&'static str>> {
        Box::pin(ready(Ok(None)))
    }
}

/// Bytes in memory.
#[derive(Debug, Clone)]
pub struct BytesSource {
    size: u64,
    left: Bytes,
}

impl BytesSource {
    /// These bytes.
    pub fn new(bytes: impl Into<Bytes>) -> Self {
        let left = bytes.into();
        Self {
            size: left.len() as u64,
            left,
        }
    }
}

impl Source for BytesSource {
    fn size(&self) -> Option<u64> {
        Some(self.size)
    }

    fn read(&mut self, length: usize) -> Io<'_, Bytes> {
        let length = length.min(self.left.len());
        Box::pin(ready(Ok(self.left.split_to(length))))
    }
}

/// Anything that can be read, of a length that may not be known.
#[derive(Debug)]
pub struct ReaderSource<R> {
    reader: R,
    size: Option<u64>,
}

impl<R: AsyncRead + Unpin + Send + 'static> ReaderSource<R> {
    /// What this reader gives until it ends; `size` bytes, if that is known.
    pub fn new(reader: R, size: Option<u64>) -> Self {
        Self { reader, size }
    }
}

impl<R: AsyncRead + Unpin + Send + 'static> Source for ReaderSource<R> {
    fn size(&self) -> Option<u64> {
        self.size
    }

    fn read(&mut self, length: usize) -> Io<'_, Bytes> {
        Box::pin(async move {
            let mut bytes = BytesMut::with_capacity(length);
            let mut rest = (&mut self.reader).take(length as u64);
            while bytes.len() < length && rest.read_buf(&mut bytes).await? > 0 {}
            Ok(bytes.freeze())
        })
    }

    fn changed(&mut self) -> Io<'_, Option<&'static str>> {
        Box::pin(async move {
            if self.size.is_none() {
                return Ok(None);
            }
            let more = self.reader.read(&mut [0]).await?;
            Ok((more > 0).then_some("and it goes on behind them"))
        })
    }
}

/// A file of this machine.
#[derive(Debug)]
pub struct FileSource {
    disk: Disk,
    file: Option<File>,
    path: PathBuf,
    size: u64,
    modified: Option<SystemTime>,
}

impl FileSource {
    pub(crate) async fn open(disk: Disk, path: &Path) -> io::Result<Self> {
        let opened = path.to_owned();
        let (file, metadata) = disk
            .run(move || {
                let file = File::open(opened)?;
                let metadata = file.metadata()?;
                Ok((file, metadata))
            })
            .await?;
        if !metadata.is_file() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "it is no file; of what else can be read, give a reader",
            ));
        }
        Ok(Self {
            disk,
            file: Some(file),
            path: path.to_owned(),
            size: metadata.len(),
            modified: metadata.modified().ok(),
        })
    }

    /// Its name, without directories.
    pub fn name(&self) -> String {
        let name = self.path.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    fn difference(&self, now: &Metadata) -> Option<&'static str> {
        if now.len() < self.size {
            return Some("and has fewer now");
        }
        if now.len() > self.size {
            return Some("and has more now");
        }
        let touched = now.modified().ok() != self.modified;
        touched.then_some("and was written to meanwhile")
    }
}

impl Source for FileSource {
    fn size(&self) -> Option<u64> {
        Some(self.size)
    }

    fn identity(&self) -> Option<(Arc<str>, i64)> {
        let path = std::path::absolute(&self.path).ok()?;
        let since = self.modified?.duration_since(SystemTime::UNIX_EPOCH).ok()?;
        let modified = i64::try_from(since.as_nanos()).ok()?;
        Some((path.to_str()?.into(), modified))
    }

    fn read(&mut self, length: usize) -> Io<'_, Bytes> {
        Box::pin(async move {
            let lost = || io::Error::other("the file was lost in a panic");
            let mut file = self.file.take().ok_or_else(lost)?;
            let read = self.disk.run(move || {
                let mut bytes = Vec::with_capacity(length);
                (&mut file).take(length as u64).read_to_end(&mut bytes)?;
                Ok((Bytes::from(bytes), file))
            });
            let (bytes, file) = read.await?;
            self.file = Some(file);
            Ok(bytes)
        })
    }

    fn changed(&mut self) -> Io<'_, Option<&'static str>> {
        Box::pin(async move {
            let path = self.path.clone();
            // The file that has this name now, not the one that was opened: it may have been replaced.
            let now = self.disk.run(move || std::fs::metadata(path)).await;
            Ok(match now {
                Ok(now) => self.difference(&now),
                Err(_) => Some("and is gone now"),
            })
        })
    }
}

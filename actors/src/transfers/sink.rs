//! Where downloaded bytes go.

use std::{
    fs::{self, File, OpenOptions},
    future::{Future, ready},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::{Bytes, BytesMut};
use tokio::{
    io::{AsyncWrite, AsyncWriteExt as _},
    sync::mpsc,
};

use super::Disk;

/// A future of a sink or source.
pub type Io<'a, T> = Pin<Box<dyn Future<Output = io::Result<T>> + Send + 'a>>;

/// Takes the bytes of a file, in order.
pub trait Sink: Send + 'static {
    /// Takes the bytes that follow. While it does, more parts are fetched, up to the budget.
    fn write(&mut self, bytes: Bytes) -> Io<'_, ()>;

    /// All bytes were written.
    fn finish(&mut self) -> Io<'_, ()>;

    /// Where this is true when the sink is dropped, the transfer was cancelled, and what was written is to be removed.
    fn discard_if(&mut self, _cancelled: Arc<AtomicBool>) {}

    /// How many bytes a former transfer has left here: the beginning of the file, to go on from.
    fn left_over(&self) -> u64 {
        0
    }

    /// Reads of what was left over, to compare it with what the datacenter has.
    fn read_back(&mut self, _offset: u64, _length: usize) -> Io<'_, Bytes> {
        Box::pin(ready(Err(io::ErrorKind::Unsupported.into())))
    }

    /// What was left over does not belong to this file.
    fn start_over(&mut self) -> Io<'_, ()> {
        Box::pin(ready(Ok(())))
    }
}

/// Takes everything and keeps nothing: to measure.
#[derive(Debug, Default)]
pub struct NullSink;

impl Sink for NullSink {
    fn write(&mut self, _: Bytes) -> Io<'_, ()> {
        Box::pin(ready(Ok(())))
    }

    fn finish(&mut self) -> Io<'_, ()> {
        Box::pin(ready(Ok(())))
    }
}

/// Keeps everything in memory.
#[derive(Debug, Default, Clone)]
pub struct MemorySink {
    bytes: Arc<Mutex<BytesMut>>,
}

impl MemorySink {
    /// Takes what was written.
    pub fn take(&self) -> Bytes {
        let mut bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *bytes).freeze()
    }
}

impl Sink for MemorySink {
    fn write(&mut self, bytes: Bytes) -> Io<'_, ()> {
        let mut kept = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend_from_slice(&bytes);
        Box::pin(ready(Ok(())))
    }

    fn finish(&mut self) -> Io<'_, ()> {
        Box::pin(ready(Ok(())))
    }
}

/// Hands bytes on to whoever reads the other end; waits for them.
#[derive(Debug)]
pub struct ChannelSink(pub mpsc::Sender<Bytes>);

impl Sink for ChannelSink {
    fn write(&mut self, bytes: Bytes) -> Io<'_, ()> {
        Box::pin(async move {
            let gone = || io::Error::new(io::ErrorKind::BrokenPipe, "the reader is gone");
            self.0.send(bytes).await.map_err(|_| gone())
        })
    }

    fn finish(&mut self) -> Io<'_, ()> {
        Box::pin(ready(Ok(())))
    }
}

/// Writes to anything that can be written to.
#[derive(Debug)]
pub struct WriterSink<W>(pub W);

impl<W: AsyncWrite + Unpin + Send + 'static> Sink for WriterSink<W> {
    fn write(&mut self, bytes: Bytes) -> Io<'_, ()> {
        Box::pin(async move { self.0.write_all(&bytes).await })
    }

    fn finish(&mut self) -> Io<'_, ()> {
        Box::pin(async move {
            self.0.flush().await?;
            self.0.shutdown().await
        })
    }
}

/// Writes to a file beside the one it is to become, and renames it when it is whole: nobody ever sees half a file under its
/// name.
#[derive(Debug)]
pub struct FileSink {
    disk: Disk,
    file: Option<File>,
    partial: PathBuf,
    path: PathBuf,
    left_over: u64,
    cancelled: Arc<AtomicBool>,
}

impl Drop for FileSink {
    fn drop(&mut self) {
        if self.cancelled.load(Ordering::Acquire) {
            // It may have been renamed already; then it is whole, and stays.
            let _ = fs::remove_file(&self.partial);
        }
    }
}

impl FileSink {
    /// A file that is to lie at `path`. `identity` tells files apart: what a former transfer of the same one has left is gone
    /// on from.
    pub(crate) async fn open(disk: Disk, path: PathBuf, identity: &str) -> io::Result<Self> {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{identity}.part"));
        let partial = path.with_file_name(name);
        let opened = partial.clone();
        let (file, left_over) = disk.run(move || open_locked(&opened)).await?;
        Ok(Self {
            disk,
            file: Some(file),
            partial,
            path,
            left_over,
            cancelled: Arc::default(),
        })
    }

    fn with_file<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut File) -> io::Result<T> + Send + 'static,
    ) -> Io<'_, T> {
        Box::pin(async move {
            let lost = || io::Error::other("the file was lost in a panic");
            let mut file = self.file.take().ok_or_else(lost)?;
            let done = self.disk.run(move || {
                let done = work(&mut file);
                Ok((done, file))
            });
            let (done, file) = done.await?;
            self.file = Some(file);
            done
        })
    }
}

/// Two transfers to one place would write over each other.
fn open_locked(path: &Path) -> io::Result<(File, u64)> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true);
    let mut file = options.open(path)?;
    match file.try_lock() {
        Ok(()) | Err(fs::TryLockError::Error(_)) => {}
        Err(fs::TryLockError::WouldBlock) => {
            return Err(io::Error::new(
                io::ErrorKind::ResourceBusy,
                "another transfer writes to this file",
            ));
        }
    }
    let end = file.seek(SeekFrom::End(0))?;
    Ok((file, end))
}

impl Sink for FileSink {
    fn write(&mut self, bytes: Bytes) -> Io<'_, ()> {
        self.with_file(move |file| write_sparse(file, &bytes))
    }

    fn finish(&mut self) -> Io<'_, ()> {
        Box::pin(async move {
            let (from, to) = (self.partial.clone(), self.path.clone());
            self.with_file(move |file| {
                // The last bytes may be zeros that were skipped.
                let end = file.stream_position()?;
                file.set_len(end)?;
                file.sync_data()?;
                fs::rename(from, to)
            })
            .await
        })
    }

    fn discard_if(&mut self, cancelled: Arc<AtomicBool>) {
        self.cancelled = cancelled;
    }

    fn left_over(&self) -> u64 {
        self.left_over
    }

    fn read_back(&mut self, offset: u64, length: usize) -> Io<'_, Bytes> {
        self.with_file(move |file| {
            file.seek(SeekFrom::Start(offset))?;
            let mut bytes = vec![0; length];
            file.read_exact(&mut bytes)?;
            file.seek(SeekFrom::End(0))?;
            Ok(bytes.into())
        })
    }

    fn start_over(&mut self) -> Io<'_, ()> {
        self.left_over = 0;
        self.with_file(|file| {
            file.set_len(0)?;
            file.rewind()
        })
    }
}

/// Blocks of zeros become holes, where the file system has them.
const BLOCK: usize = 64 << 10;

fn write_sparse(file: &mut File, bytes: &[u8]) -> io::Result<()> {
    let mut zeros = 0;
    for block in bytes.chunks(BLOCK) {
        if block.len() == BLOCK && block.iter().all(|byte| *byte == 0) {
            zeros += block.len() as i64;
            continue;
        }
        if zeros > 0 {
            file.seek(SeekFrom::Current(zeros))?;
            zeros = 0;
        }
        file.write_all(block)?;
    }
    if zeros > 0 {
        let end = file.seek(SeekFrom::Current(zeros))?;
        // What is left over after a kill is told from the length.
        file.set_len(end)?;
    }
    Ok(())
}

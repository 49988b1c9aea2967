//! Downloads.

use std::{
    ops::{Bound, RangeBounds},
    path::{Path, PathBuf},
    pin::Pin,
    task::{Context, Poll},
};

use actix::Recipient;
use actogram_actors::transfers::{
    ChannelSink, DownloadOptions, MemorySink, Sink, Transfer, TransferHandle, WriterSink,
};
use bytes::Bytes;
use futures_util::Stream;
use tokio::{io::AsyncWrite, sync::mpsc, task::JoinHandle};

use super::{Listener, Progress, ProgressReport, RemoteFile, Started, TransferError, tell};
use crate::{Api, Error, Result};

/// Numbers tried for a name that is taken.
const MOST_NAMES: u32 = 10_000;

/// A download that is about to be made; see [`Api::download`].
#[must_use = "nothing is downloaded until it is saved, read or written somewhere"]
pub struct Download {
    api: Api,
    file: RemoteFile,
    options: DownloadOptions,
    listeners: Vec<Listener>,
}

impl Download {
    pub(super) fn new(api: Api, file: RemoteFile) -> Self {
        Self {
            api,
            file,
            options: DownloadOptions::default(),
            listeners: Vec::new(),
        }
    }

    /// Only these bytes of it, counted from 0; those behind its end are passed over.
    pub fn range(mut self, range: impl RangeBounds<u64>) -> Self {
        let start = match range.start_bound() {
            Bound::Included(at) => *at,
            Bound::Excluded(at) => at.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(at) => at.saturating_add(1),
            Bound::Excluded(at) => *at,
            Bound::Unbounded => u64::MAX,
        };
        self.options.range = start..end.max(start);
        self
    }

    /// Bytes that may be on their way, or wait to be written, at once. Default 8 MiB. One part, of up to 1 MiB, always may.
    pub fn budget(mut self, bytes: u64) -> Self {
        self.options.budget = bytes;
        self
    }

    /// Compares all bytes with the hashes that the datacenter gives of them, at the price of one more call for each MiB.
    pub fn check_hashes(mut self) -> Self {
        self.options.check_hashes = true;
        self
    }

    /// Calls this with how far it is, each time that changes; a slow one is told the latest.
    pub fn on_progress(mut self, callback: impl FnMut(Progress) + Send + 'static) -> Self {
        self.listeners.push(Listener::Callback(Box::new(callback)));
        self
    }

    /// Tells an actor how far it is.
    pub fn report_to(mut self, recipient: Recipient<ProgressReport>) -> Self {
        self.listeners.push(Listener::Actor(recipient));
        self
    }

    async fn begin(self, sink: impl Sink) -> Result<Transfer<u64>> {
        let source = self.file.source_for(&self.api)?;
        let account = self.api.account();
        let transfer = account.download(source, sink, self.options).await?;
        tell(
            self.api.runtime(),
            transfer.handle().watch(),
            self.listeners,
        );
        Ok(transfer)
    }

    /// Starts to save it, without waiting for its end; see [`save`](Self::save).
    ///
    /// # Errors
    /// [`Error::Argument`] if there is no file; [`Error::Io`] if the place cannot be written to.
    pub async fn start(self, path: impl Into<PathBuf>) -> Result<Started<PathBuf>> {
        let place = path.into();
        // Before anything is made on the disk.
        self.file.source_for(&self.api)?;
        let mut identity = self.file.identity();
        let range = &self.options.range;
        if *range != (0..u64::MAX) {
            identity = format!("{identity}-{:x}-{:x}", range.start, range.end);
        }
        let (path, sink) = self.place(&place, &identity).await?;
        let transfer = self.begin(sink).await?;
        Ok(Started::new(transfer, |_| path))
    }

    /// The path of the file, and what writes to it.
    async fn place(&self, place: &Path, identity: &str) -> Result<(PathBuf, impl Sink + use<>)> {
        let account = self.api.account();
        let failed = |path: &Path, source| Error::io(format!("saving {}", path.display()), source);
        let named = place.as_os_str().to_string_lossy();
        let directory = named.ends_with(std::path::is_separator) || place.is_dir();
        if !directory {
            let sink = account.file_sink(place.to_owned(), identity).await;
            return Ok((
                place.to_owned(),
                sink.map_err(|error| failed(place, error))?,
            ));
        }
        let name = self.file.name();
        for number in 0..MOST_NAMES {
            let path = place.join(numbered(&name, number));
            // What lies there already is left alone, and so is what another transfer is about to write there.
            if path.exists() {
                continue;
            }
            match account.file_sink(path.clone(), identity).await {
                Ok(sink) => return Ok((path, sink)),
                Err(error) if error.kind() == std::io::ErrorKind::ResourceBusy => {}
                Err(error) => return Err(failed(&path, error)),
            }
        }
        let taken = std::io::Error::from(std::io::ErrorKind::AlreadyExists);
        Err(failed(&place.join(name), taken))
    }

    /// Saves it: at this path, or, where that is a directory or ends in a slash, in there under the name its sender gave it,
    /// made safe. A file that lies at the path is replaced; in a directory nothing is, and a number is added to the name.
    ///
    /// # Errors
    /// [`Error::Argument`] if there is no file; [`Error::Io`] if the place cannot be written to; [`Error::Transfer`].
    pub async fn save(self, path: impl Into<PathBuf>) -> Result<PathBuf> {
        self.start(path).await?.wait().await
    }

    /// Reads it into memory.
    ///
    /// # Errors
    /// As [`save`](Self::save).
    pub async fn bytes(self) -> Result<Bytes> {
        let sink = MemorySink::default();
        let transfer = self.begin(sink.clone()).await?;
        transfer.wait().await?;
        Ok(sink.take())
    }

    /// Writes it to anything that can be written to, in order; the answer is how many bytes it had. The writer is flushed and
    /// shut down at the end.
    ///
    /// # Errors
    /// As [`save`](Self::save).
    pub async fn write_to(self, writer: impl AsyncWrite + Unpin + Send + 'static) -> Result<u64> {
        let transfer = self.begin(WriterSink(writer)).await?;
        Ok(transfer.wait().await?)
    }

    /// Fetches it and keeps nothing: to measure. The answer is how many bytes it had.
    ///
    /// # Errors
    /// As [`save`](Self::save).
    pub async fn discard(self) -> Result<u64> {
        let transfer = self.begin(actogram_actors::transfers::NullSink).await?;
        Ok(transfer.wait().await?)
    }

    /// Its bytes as they come, in order. No more is fetched ahead than the [budget](Self::budget) allows. Dropping the stream
    /// ends the transfer.
    ///
    /// # Errors
    /// [`Error::Argument`] if there is no file. What happens later is the last item of the stream.
    pub async fn stream(self) -> Result<FileStream> {
        let (sender, bytes) = mpsc::channel(1);
        let runtime = self.api.runtime().clone();
        let transfer = self.begin(ChannelSink(sender)).await?;
        let handle = transfer.handle();
        let end = runtime.spawn(transfer.wait());
        Ok(FileStream {
            bytes,
            handle,
            end: Some(end),
        })
    }
}

/// `name.ext`, `name (1).ext`, and so on.
fn numbered(name: &str, number: u32) -> String {
    if number == 0 {
        return name.to_owned();
    }
    match name.rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() => format!("{stem} ({number}).{extension}"),
        _ => format!("{name} ({number})"),
    }
}

/// A file's bytes as they come; see [`Download::stream`].
#[must_use = "streams do nothing until they are polled"]
pub struct FileStream {
    bytes: mpsc::Receiver<Bytes>,
    handle: TransferHandle,
    end: Option<JoinHandle<Result<u64, TransferError>>>,
}

impl FileStream {
    /// To watch the transfer, pause it, resume it, cancel it.
    pub fn handle(&self) -> TransferHandle {
        self.handle.clone()
    }
}

impl Drop for FileStream {
    fn drop(&mut self) {
        self.handle.cancel();
    }
}

impl std::fmt::Debug for FileStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("FileStream").field(&self.handle).finish()
    }
}

impl Stream for FileStream {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(bytes) = std::task::ready!(self.bytes.poll_recv(cx)) {
            return Poll::Ready(Some(Ok(bytes)));
        }
        let Some(end) = &mut self.end else {
            return Poll::Ready(None);
        };
        let ended = std::task::ready!(Pin::new(end).poll(cx));
        self.end = None;
        Poll::Ready(match ended {
            Ok(Ok(_)) => None,
            Ok(Err(error)) => Some(Err(error.into())),
            Err(error) => Some(Err(Error::Engine(format!(
                "the transfer was given up: {error}"
            )))),
        })
    }
}

//! Transfers of files: each is an actor that can be watched, paused, resumed and cancelled by its address.
//!
//! A download asks for parts, several at once, and writes what came in order; an upload reads ahead and sends. What is asked
//! for next is decided by state machines without IO (`plan`); an actor carries their parts out and starts them
//! again when something in them panicked.
//!
//! See <https://core.telegram.org/api/files>.

mod actor;
mod call;
mod cdn;
mod disk;
mod download;
mod lanes;
mod plan;
mod resumption;
mod sink;
mod source;
mod upload;

use std::{fmt, future::Future, pin::Pin, sync::Arc};

use actix::Recipient;
use tokio::sync::{oneshot, watch};

pub(crate) use actor::{BeginTransfer, TransfersActor};
pub use actor::{CancelTransfer, GetProgress, PauseTransfer, ResumeTransfer};
pub(crate) use disk::Disk;
pub(crate) use download::DownloadJob;
pub use download::{DownloadOptions, DownloadSource, Refresh};
pub(crate) use lanes::Lanes;
pub use plan::{LARGEST_FILE, LARGEST_PART, PartFault};
pub(crate) use resumption::{Keeper, Uploads, forget as forget_upload};
pub use sink::{ChannelSink, FileSink, Io, MemorySink, NullSink, Sink, WriterSink};
pub use source::{BytesSource, FileSource, ReaderSource, Source};
pub(crate) use upload::UploadJob;
pub use upload::{UPLOAD_PART, UploadOptions, UploadedFile};

use crate::error::CallError;

/// Bytes that a transfer asks for, or holds, at once: eight of the largest parts.
pub const BUDGET: u64 = 8 << 20;

/// How far a transfer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// Bytes that were written, or that the datacenter has; what a former transfer has left included.
    pub done: u64,
    /// Bytes there are in all, if that is known.
    pub total: Option<u64>,
    /// What it does.
    pub state: TransferState,
}

/// What a transfer does.
///
/// ```text
/// Running ◄──► Paused
///    │            │
///    ▼            ▼
/// Done, Failed or Cancelled
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TransferState {
    /// It goes on.
    Running,
    /// It asks for nothing until it is resumed.
    Paused,
    /// All bytes are where they belong.
    Done,
    /// It was given up.
    Failed,
    /// Somebody wanted it to end.
    Cancelled,
}

impl TransferState {
    /// Whether nothing follows.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::Cancelled)
    }
}

/// Why a file was not transferred. What was written of it is not under its name.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransferError {
    /// The datacenter refused, or could not be asked.
    #[error("{method}: {source}")]
    Call {
        /// What was called.
        method: &'static str,
        /// Why there is no answer.
        source: CallError,
    },
    /// The datacenter's answer is none.
    #[error("{method} was answered by something that is not its result: {source}")]
    Answer {
        /// What was called.
        method: &'static str,
        /// What is wrong with it.
        source: actogram_tl::DecodeError,
    },
    /// The datacenter gave bytes that cannot be those of the file.
    #[error(
        "the datacenter gave no such file: {0}; ask for the message anew, or leave the file alone"
    )]
    Part(#[from] PartFault),
    /// The bytes are not those that the datacenter gave the hash of.
    #[error(
        "the bytes from {offset} on do not have the hash that the datacenter gave; nothing of them was written"
    )]
    Hash {
        /// Where the window begins.
        offset: u64,
    },
    /// The file's reference is too old, and there is nowhere to get another.
    #[error("the file's reference has expired ({name}); get the message it came with anew")]
    Reference {
        /// The datacenter's name for it.
        name: String,
    },
    /// The bytes could not be written.
    #[error("the file could not be written: {0}")]
    Sink(#[source] std::io::Error),
    /// The bytes could not be read.
    #[error("the file could not be read: {0}")]
    Source(#[source] std::io::Error),
    /// The file became another while it was read.
    #[error("the file changed while it was uploaded: it had {expected} bytes, {what}")]
    Changed {
        /// Its length at the beginning.
        expected: u64,
        /// What is different.
        what: &'static str,
    },
    /// Telegram takes no file of this length.
    #[error("{size} bytes are too many: this account can upload {most} in one file")]
    TooLarge {
        /// Its length, as far as it was read.
        size: u64,
        /// The most there may be.
        most: u64,
    },
    /// There is nothing to upload.
    #[error("the file is empty, and Telegram takes no empty file")]
    Empty,
    /// The datacenter answers what it was told not to.
    #[error("the datacenter answered {0}")]
    Unexpected(&'static str),
    /// Somebody wanted it to end.
    #[error("the transfer was cancelled")]
    Cancelled,
    /// The transfer panicked again and again, or its account has ended.
    #[error("the transfer ended without a result: {0}")]
    Lost(String),
}

/// A transfer under way. Dropping this leaves it running; [`cancel`](TransferHandle::cancel) ends it.
pub struct Transfer<T> {
    pub(crate) handle: TransferHandle,
    pub(crate) outcome: oneshot::Receiver<Result<T, TransferError>>,
}

/// What can be done to a transfer, whoever waits for it. Cheap to clone.
#[derive(Clone)]
pub struct TransferHandle {
    pub(crate) pause: Recipient<PauseTransfer>,
    pub(crate) resume: Recipient<ResumeTransfer>,
    pub(crate) cancel: Recipient<CancelTransfer>,
    pub(crate) ask: Recipient<GetProgress>,
    pub(crate) progress: watch::Receiver<Progress>,
}

impl fmt::Debug for TransferHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TransferHandle")
            .field("progress", &self.progress())
            .finish_non_exhaustive()
    }
}

impl TransferHandle {
    /// Asks for no further parts; those under way still come.
    pub fn pause(&self) {
        self.pause.do_send(PauseTransfer);
    }

    /// Goes on.
    pub fn resume(&self) {
        self.resume.do_send(ResumeTransfer);
    }

    /// Ends it; what a download has written is removed.
    pub fn cancel(&self) {
        self.cancel.do_send(CancelTransfer);
    }

    /// How far it is.
    pub fn progress(&self) -> Progress {
        *self.progress.borrow()
    }

    /// How far it is, told each time it changes; those who are slow see the latest.
    pub fn watch(&self) -> watch::Receiver<Progress> {
        self.progress.clone()
    }

    /// Where others can send [`PauseTransfer`] to.
    pub fn pauses(&self) -> Recipient<PauseTransfer> {
        self.pause.clone()
    }

    /// Where others can send [`ResumeTransfer`] to.
    pub fn resumes(&self) -> Recipient<ResumeTransfer> {
        self.resume.clone()
    }

    /// Where others can send [`GetProgress`] to.
    pub fn asks(&self) -> Recipient<GetProgress> {
        self.ask.clone()
    }

    /// Where others can send [`CancelTransfer`] to.
    pub fn cancels(&self) -> Recipient<CancelTransfer> {
        self.cancel.clone()
    }
}

impl<T> Transfer<T> {
    /// What can be done to it while somebody waits for it.
    pub fn handle(&self) -> TransferHandle {
        self.handle.clone()
    }

    /// Waits until it ends.
    ///
    /// # Errors
    /// [`TransferError`].
    pub async fn wait(self) -> Result<T, TransferError> {
        let lost = || Err(TransferError::Lost("its actor ended".to_owned()));
        self.outcome.await.unwrap_or_else(|_| lost())
    }
}

impl<T> fmt::Debug for Transfer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.handle.fmt(f)
    }
}

/// A part of a transfer that is under way.
pub(crate) type Flight<E> = Pin<Box<dyn Future<Output = E>>>;

/// What a transfer does, part by part.
pub(crate) trait Job: 'static {
    /// How a part ended.
    type Event: 'static;
    /// What the transfer gives.
    type Output: Send + 'static;

    /// The next part to carry out, if one may be now. While the transfer is `paused`, only what brings parts that are here
    /// to their place.
    fn next(&mut self, paused: bool) -> Option<Flight<Self::Event>>;

    /// A part ended.
    fn settle(&mut self, event: Self::Event) -> Result<(), TransferError>;

    /// What the transfer gives, when nothing is left to do.
    fn output(&mut self) -> Option<Self::Output>;

    /// How far it is.
    fn progress(&self) -> (u64, Option<u64>);

    /// Those who carried parts out are gone; they are to be carried out again.
    fn revive(&mut self);

    /// Whether no part that is under way has what takes or gives the bytes.
    fn is_home(&self) -> bool;

    /// It has ended: nobody writes or reads any more.
    fn close(&mut self);

    /// It was cancelled: what was written is of no use.
    fn cancel(&mut self);
}

/// Shares a job between the lives of what carries it out.
pub(crate) type SharedJob<J> = Arc<std::sync::Mutex<J>>;

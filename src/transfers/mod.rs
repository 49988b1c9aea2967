//! Files: downloaded and uploaded by actors that can be watched, paused, resumed and cancelled.
//!
//! [`Api::download`] takes a message, or media; what comes can be saved, read as a stream, or written anywhere.
//! [`Api::send_file`] takes a path, bytes, or a reader whose length may not be known. Both ask for several parts at once,
//! as many as go well ([`budget`](Download::budget) bounds the bytes in memory), sleep through the waits that the datacenter
//! asks for, and ask for a file's reference anew where it has expired.
//!
//! A file that is saved lies beside its place as `name.….part` until it is whole; nobody sees half of it. When a transfer
//! fails, or the process is killed, that part stays, and the next download of the same file to the same place goes on from it,
//! after comparing its end with what the datacenter has.
//!
//! ```no_run
//! # async fn act(api: actogram::Api, message: actogram::Msg) -> actogram::Result<()> {
//! let saved = api.download(&message).save("downloads/").await?;
//! let sent = api.send_file("me", saved).caption("and back again").await?;
//! # Ok(()) }
//! ```
//!
//! A transfer that is started rather than awaited can be watched and steered, from anywhere:
//!
//! ```no_run
//! # async fn act(api: actogram::Api, message: actogram::Msg) -> actogram::Result<()> {
//! let download = api.download(&message).start("downloads/").await?;
//! let handle = download.handle();      // cheap to clone; its recipients take actix messages
//! handle.pause();
//! println!("{:?}", handle.progress());
//! handle.resume();
//! let saved = download.wait().await?;
//! # Ok(()) }
//! ```

mod download;
mod file_id;
mod file_name;
mod preview;
mod remote;
mod send;
mod upload;
#[cfg(feature = "web")]
mod web;
#[cfg(feature = "http")]
mod web_source;

use std::{future::Future, pin::Pin};

use actix::{Message, Recipient};
use actogram_actors::transfers::Transfer;
pub use actogram_actors::transfers::{
    CancelTransfer, GetProgress, LARGEST_FILE, PartFault, PauseTransfer, Progress, ResumeTransfer,
    TransferError, TransferHandle, TransferState, UploadedFile,
};
pub use download::{Download, FileStream};
pub use file_id::{FileId, FileIdError, FileKind, FileTarget, Picture};
pub use file_name::sanitized;
pub use remote::RemoteFile;
pub use send::{AlbumItem, SendAlbum, SendFile};
use tokio::{runtime::Handle, sync::watch};
pub use upload::{Upload, UploadFrom};

use crate::{Api, Error, Result};

/// How far a transfer is, as a message to actors that asked for it.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct ProgressReport(pub Progress);

/// Whoever is told how far a transfer is.
enum Listener {
    Callback(Box<dyn FnMut(Progress) + Send>),
    Actor(Recipient<ProgressReport>),
}

/// Tells listeners of what is still to come; those who are slow are told the latest.
fn tell(runtime: &Handle, mut progress: watch::Receiver<Progress>, mut listeners: Vec<Listener>) {
    if listeners.is_empty() {
        return;
    }
    runtime.spawn(async move {
        loop {
            let now = *progress.borrow_and_update();
            for listener in &mut listeners {
                match listener {
                    Listener::Callback(callback) => callback(now),
                    Listener::Actor(recipient) => recipient.do_send(ProgressReport(now)),
                }
            }
            if now.state.is_final() || progress.changed().await.is_err() {
                return;
            }
        }
    });
}

type Then<T> = Pin<Box<dyn Future<Output = Result<T>> + Send>>;

/// A transfer that was started. Dropping this leaves it running.
#[must_use = "the transfer goes on without this; `wait` for its result, or keep its handle"]
pub struct Started<T> {
    handle: TransferHandle,
    result: Then<T>,
}

impl<T> std::fmt::Debug for Started<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.handle.fmt(f)
    }
}

impl<T: Send + 'static> Started<T> {
    fn new<R: Send + 'static>(
        transfer: Transfer<R>,
        then: impl FnOnce(R) -> T + Send + 'static,
    ) -> Self {
        let handle = transfer.handle();
        let result = Box::pin(async move { Ok(then(transfer.wait().await?)) });
        Self { handle, result }
    }

    /// To watch it, pause it, resume it, cancel it.
    pub fn handle(&self) -> TransferHandle {
        self.handle.clone()
    }

    /// Waits until it ends.
    ///
    /// # Errors
    /// The refusal of the datacenter; [`Error::Transfer`].
    pub async fn wait(self) -> Result<T> {
        self.result.await
    }
}

impl From<TransferError> for Error {
    fn from(error: TransferError) -> Self {
        match error {
            TransferError::Call { method, source } => Self::from_call(method, source),
            error => Self::Transfer(error),
        }
    }
}

impl Api {
    /// Downloads the photo or file of a message, of an update, or of media.
    ///
    /// ```no_run
    /// # async fn act(api: actogram::Api, message: actogram::Msg) -> actogram::Result<()> {
    /// let bytes = api.download(&message).bytes().await?;
    /// # Ok(()) }
    /// ```
    pub fn download(&self, file: impl Into<RemoteFile>) -> Download {
        Download::new(self.clone(), file.into())
    }

    /// Uploads a file without sending it: a path, bytes, or [anything that can be read](UploadFrom::reader). What comes is
    /// good for one message, for some hours.
    pub fn upload(&self, from: impl Into<UploadFrom>) -> Upload {
        Upload::new(self.clone(), from.into())
    }

    /// Uploads a file and sends it.
    ///
    /// ```no_run
    /// # async fn act(api: actogram::Api) -> actogram::Result<()> {
    /// api.send_file("me", std::path::Path::new("report.pdf")).caption("the report").await?;
    /// # Ok(()) }
    /// ```
    pub fn send_file(
        &self,
        peer: impl Into<crate::PeerRef>,
        from: impl Into<UploadFrom>,
    ) -> SendFile {
        SendFile::new(self.clone(), peer.into(), from.into())
    }

    /// Uploads up to ten files and sends them as one album: photos and videos, or files, or music.
    ///
    /// ```no_run
    /// # async fn act(api: actogram::Api) -> actogram::Result<()> {
    /// use actogram::transfers::AlbumItem;
    /// use std::path::Path;
    ///
    /// let pictures = ["a.jpg", "b.jpg"].map(|name| AlbumItem::photo(Path::new(name)));
    /// api.send_album("me", pictures).await?;
    /// # Ok(()) }
    /// ```
    pub fn send_album(
        &self,
        peer: impl Into<crate::PeerRef>,
        items: impl IntoIterator<Item = AlbumItem>,
    ) -> SendAlbum {
        SendAlbum::new(self.clone(), peer.into(), items.into_iter().collect())
    }
}

//! Uploads.

use std::{
    future::IntoFuture,
    path::{Path, PathBuf},
};

use actix::Recipient;
use actogram_actors::transfers::{
    BytesSource, ReaderSource, Source, Transfer, UPLOAD_PART, UploadOptions, UploadedFile,
};
use bytes::Bytes;
use tokio::io::AsyncRead;

use super::{Listener, Progress, ProgressReport, Started, tell};
use crate::{Api, Error, Result, calls::Pending};

/// Parts of a file that accounts with premium may upload (<https://core.telegram.org/api/config>).
const PREMIUM_PARTS: u32 = 8_000;

/// What is uploaded.
pub struct UploadFrom {
    kind: Kind,
    name: Option<String>,
}

enum Kind {
    Path(PathBuf),
    Bytes(Bytes),
    Reader(Box<dyn AsyncRead + Unpin + Send>, Option<u64>),
    #[cfg(feature = "http")]
    Url(String),
}

impl UploadFrom {
    /// What a reader gives until it ends; `size` bytes, if that is known. Of unknown length may be a pipe, or the body of an
    /// HTTP answer.
    pub fn reader(
        reader: impl AsyncRead + Unpin + Send + 'static,
        size: Option<u64>,
        name: impl Into<String>,
    ) -> Self {
        Self {
            kind: Kind::Reader(Box::new(reader), size),
            name: Some(name.into()),
        }
    }

    /// What is at this address of the web, as it comes: nothing but a few parts of it is held. It is asked for by the account's
    /// [HTTP client](Api::http), through its proxies. Feature `http`.
    ///
    /// Whoever lets others name addresses lets them reach everything that this machine reaches: check them first.
    #[cfg(feature = "http")]
    pub fn url(url: impl Into<String>) -> Self {
        Self {
            kind: Kind::Url(url.into()),
            name: None,
        }
    }

    /// What it is called at Telegram; by default the file's own name, or `file`.
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// What it is called.
    pub(super) fn name(&self) -> String {
        let own = match &self.kind {
            Kind::Path(path) => path.file_name().map(|it| it.to_string_lossy().into_owned()),
            #[cfg(feature = "http")]
            Kind::Url(url) => super::web_source::name_of(url),
            _ => None,
        };
        self.name
            .clone()
            .or(own)
            .unwrap_or_else(|| "file".to_owned())
    }

    /// The same once more; `None` for a reader, which cannot be read again.
    pub fn again(&self) -> Option<Self> {
        let kind = match &self.kind {
            Kind::Path(path) => Kind::Path(path.clone()),
            Kind::Bytes(bytes) => Kind::Bytes(bytes.clone()),
            #[cfg(feature = "http")]
            Kind::Url(url) => Kind::Url(url.clone()),
            Kind::Reader(..) => return None,
        };
        Some(Self {
            kind,
            name: self.name.clone(),
        })
    }
}

impl std::fmt::Debug for UploadFrom {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("UploadFrom").field(&self.name()).finish()
    }
}

impl From<PathBuf> for UploadFrom {
    fn from(path: PathBuf) -> Self {
        Self {
            kind: Kind::Path(path),
            name: None,
        }
    }
}

impl From<&Path> for UploadFrom {
    fn from(path: &Path) -> Self {
        Self::from(path.to_owned())
    }
}

impl From<Bytes> for UploadFrom {
    fn from(bytes: Bytes) -> Self {
        Self {
            kind: Kind::Bytes(bytes),
            name: None,
        }
    }
}

impl From<Vec<u8>> for UploadFrom {
    fn from(bytes: Vec<u8>) -> Self {
        Self::from(Bytes::from(bytes))
    }
}

/// An upload that is about to be made; see [`Api::upload`].
#[must_use = "nothing is uploaded until it is awaited or started"]
pub struct Upload {
    api: Api,
    from: UploadFrom,
    budget: Option<u64>,
    /// What is known of the former try.
    again: Option<Again>,
    listeners: Vec<Listener>,
}

/// An upload of which the datacenter lacks something.
#[derive(Debug, Clone)]
pub(super) enum Again {
    /// This part.
    Part(UploadedFile, i32),
    /// More than it is worth to ask for one by one.
    Anew,
}

impl Upload {
    pub(super) fn new(api: Api, from: UploadFrom) -> Self {
        Self {
            api,
            from,
            budget: None,
            again: None,
            listeners: Vec::new(),
        }
    }

    /// Bytes that may be read ahead or be on their way at once. Default 8 MiB. One part, of up to 512 KiB, always may.
    pub fn budget(mut self, bytes: u64) -> Self {
        self.budget = Some(bytes);
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

    pub(super) fn again(mut self, again: Again) -> Self {
        self.again = Some(again);
        self
    }

    pub(super) fn listeners(mut self, listeners: Vec<Listener>) -> Self {
        self.listeners.extend(listeners);
        self
    }

    /// Starts it, without waiting for its end.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be read, `Error::Http` if what is at an address cannot; [`Error::Transfer`] if it is empty
    /// or too large.
    pub async fn start(self) -> Result<Started<UploadedFile>> {
        let name = self.from.name();
        let mut options = UploadOptions::new(name.clone());
        if let Some(budget) = self.budget {
            options.budget = budget;
        }
        match self.again {
            Some(Again::Part(file, part)) => options.repair = Some((file, part)),
            Some(Again::Anew) => options.anew = true,
            None => {}
        }
        let account = self.api.account();
        let transfer = match self.from.kind {
            Kind::Path(path) => {
                let source = account.file_source(&path).await;
                let source = source
                    .map_err(|error| Error::io(format!("reading {}", path.display()), error))?;
                begin(&self.api, source, options).await?
            }
            Kind::Bytes(bytes) => begin(&self.api, BytesSource::new(bytes), options).await?,
            #[cfg(feature = "http")]
            Kind::Url(url) => {
                let source = super::web_source::WebSource::open(&self.api, &url).await?;
                begin(&self.api, source, options).await?
            }
            Kind::Reader(reader, size) => {
                begin(&self.api, ReaderSource::new(reader, size), options).await?
            }
        };
        tell(
            self.api.runtime(),
            transfer.handle().watch(),
            self.listeners,
        );
        Ok(Started::new(transfer, |file| file))
    }
}

async fn begin(
    api: &Api,
    source: impl Source,
    mut options: UploadOptions,
) -> Result<Transfer<UploadedFile>> {
    let usual = u64::from(options.most_parts) * UPLOAD_PART as u64;
    // Only who needs it is asked whether they have premium.
    if source.size().is_none_or(|size| size > usual) && api.get_me().await?.premium {
        options.most_parts = PREMIUM_PARTS;
    }
    Ok(api.account().upload(source, options).await?)
}

impl IntoFuture for Upload {
    type Output = Result<UploadedFile>;
    type IntoFuture = Pending<UploadedFile>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.start().await?.wait().await })
    }
}

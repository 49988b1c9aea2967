//! Downloads.

use std::{
    fmt,
    future::Future,
    io,
    ops::Range,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use actogram_crypto::sha::sha256;
use actogram_tl::{enums, functions, types};
use bytes::Bytes;

use super::{
    BUDGET, Flight, Job, Sink, TransferError,
    call::{call, wait_of},
    cdn::{CdnFault, CdnFile},
    plan::{DownloadPlan, LARGEST_PART, Part},
};
use crate::{
    error::{CallError, CallErrorClass},
    events::AccountEvent,
    shared::Shared,
};

/// Gets a new location for a file whose reference has expired.
pub type Refresh = Arc<
    dyn Fn() -> Pin<Box<dyn Future<Output = Option<enums::InputFileLocation>> + Send>>
        + Send
        + Sync,
>;

/// A file at the datacenters.
#[derive(Clone)]
#[non_exhaustive]
pub struct DownloadSource {
    /// How the datacenter finds it.
    pub location: enums::InputFileLocation,
    /// The datacenter that has it.
    pub dc: i32,
    /// How many bytes it has, if that is known.
    pub size: Option<u64>,
    /// Asks its origin for a new reference.
    pub refresh: Option<Refresh>,
}

impl DownloadSource {
    /// A file of `size` bytes, if that is known, without an origin to get a new reference from.
    pub fn new(location: enums::InputFileLocation, dc: i32, size: Option<u64>) -> Self {
        Self {
            location,
            dc,
            size,
            refresh: None,
        }
    }
}

impl fmt::Debug for DownloadSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the location: whoever has it, has the file.
        f.debug_struct("DownloadSource")
            .field("dc", &self.dc)
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

/// How a file is downloaded.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct DownloadOptions {
    /// The bytes that are wanted; those behind the file's end are passed over.
    pub range: Range<u64>,
    /// Bytes that may be asked for, or wait to be written, at once; one part is asked for in any case.
    pub budget: u64,
    /// Compares everything with the hashes that the datacenter gives (`upload.getFileHashes`), at the price of one more call
    /// for each MiB.
    pub check_hashes: bool,
}

impl Default for DownloadOptions {
    fn default() -> Self {
        Self {
            range: 0..u64::MAX,
            budget: BUDGET,
            check_hashes: false,
        }
    }
}

/// How often, in a row, a part is asked for again that the connection lost.
const MOST_TRIES: u32 = 5;

/// A file is looked for in so many other datacenters.
const MOST_MOVES: u32 = 3;

/// The pause before that.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// How a part of a download ended.
pub(crate) enum Event {
    /// A part, asked for by the reference of this number.
    Came(Part, u32, Result<Bytes, TransferError>),
    /// The file is to be had at a CDN, or there no more.
    Redirected(Part, Result<CdnFile, CdnFault>),
    Waited,
    Wrote(Box<dyn Sink>, u64, io::Result<()>),
    Refreshed(Option<enums::InputFileLocation>),
    Compared(Box<dyn Sink>, Result<bool, TransferError>),
    Finished(Box<dyn Sink>, io::Result<()>),
    Lost,
}

/// What is done with the sink.
///
/// ```text
/// LeftOver ─► Comparing ─► Open ─► Finishing ─► Finished
///     └── nothing there ────▲
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    LeftOver,
    Comparing,
    Open,
    Finishing,
    Finished,
}

/// Whether parts may be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hold {
    None,
    /// Not before this time has passed.
    For(Duration),
    /// The time passes.
    Waiting,
}

/// How good the file's reference is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reference {
    /// Nothing is known against it.
    Good,
    /// It has expired.
    Expired,
    /// It is being asked for anew, for all parts at once.
    Asking,
    /// It is new, and no part came by it yet.
    Fresh,
}

pub(crate) struct DownloadJob {
    shared: Arc<Shared>,
    source: DownloadSource,
    options: DownloadOptions,
    plan: DownloadPlan,
    sink: Option<Box<dyn Sink>>,
    stage: Stage,
    /// Bytes that are where they belong.
    done: u64,
    tries: u32,
    hold: Hold,
    reference: Reference,
    /// How often there was a new reference.
    references: u32,
    /// How often the datacenter said that the file is in another.
    moves: u32,
    cancelled: Arc<AtomicBool>,
    cdn: Cdn,
}

/// Whether parts come from a CDN.
enum Cdn {
    /// The datacenter may send us to one.
    Possible,
    /// It did.
    At(Arc<CdnFile>),
    /// One was wrong: everything comes from the datacenter.
    Never,
}

impl DownloadJob {
    pub(crate) fn new(
        shared: Arc<Shared>,
        source: DownloadSource,
        options: DownloadOptions,
        mut sink: Box<dyn Sink>,
    ) -> Self {
        let cancelled = Arc::new(AtomicBool::new(false));
        sink.discard_if(cancelled.clone());
        let left_over = sink.left_over();
        let mut job = Self {
            shared,
            plan: DownloadPlan::new(0..0, Some(0), 0, false),
            source,
            options,
            sink: Some(sink),
            stage: Stage::LeftOver,
            done: 0,
            tries: 0,
            hold: Hold::None,
            reference: Reference::Good,
            references: 0,
            moves: 0,
            cancelled,
            cdn: Cdn::Possible,
        };
        if left_over == 0 {
            job.open(0);
        } else {
            let wanted = job.wanted();
            // More than there can be is no beginning of this file.
            let fits = left_over <= wanted.end - wanted.start;
            job.done = if fits { left_over } else { 0 };
        }
        job
    }

    /// What is wanted of the file, as far as its end is known.
    fn wanted(&self) -> Range<u64> {
        let Range { start, end } = self.options.range;
        let end = self.source.size.map_or(end, |size| end.min(size));
        start.min(end)..end
    }

    /// Goes on behind what is there already.
    fn open(&mut self, there: u64) {
        let Range { start, end } = self.wanted();
        self.plan = DownloadPlan::new(
            start + there..end,
            self.source.size,
            self.options.budget,
            self.options.check_hashes,
        );
        self.done = there;
        self.stage = Stage::Open;
    }

    fn fetch(&self, part: Part) -> impl Future<Output = Result<Bytes, TransferError>> + use<> {
        let (shared, location) = (self.shared.clone(), self.source.location.clone());
        let (dc, check) = (self.source.dc, self.options.check_hashes);
        async move {
            let got = get_part(&shared, dc, location.clone(), part, false).await?;
            let Got::Bytes(bytes) = got else {
                return Err(TransferError::Unexpected(
                    "a redirect to a CDN, of which it was told that we know none",
                ));
            };
            if check && !bytes.is_empty() {
                compare(&shared, dc, location, part, bytes.clone()).await?;
            }
            Ok(bytes)
        }
    }

    /// Compares the end of what a former transfer has left with what the datacenter has there.
    fn compare_left_over(&mut self, mut sink: Box<dyn Sink>) -> Flight<Event> {
        self.stage = Stage::Comparing;
        let (there, begin) = (self.done, self.options.range.start);
        let unit = u64::from(LARGEST_PART);
        let offset = (begin + there).saturating_sub(1) / unit * unit;
        // Where that part begins in what was left.
        let from = offset.saturating_sub(begin);
        let skip = usize::try_from(begin.saturating_sub(offset)).unwrap_or(0);
        let length = usize::try_from(there - from).unwrap_or(0);
        let fetch = self.fetch(Part {
            offset,
            limit: LARGEST_PART,
        });
        Box::pin(async move {
            let same = async {
                if there == 0 {
                    return Ok(false);
                }
                let kept = sink.read_back(from, length).await;
                let kept = kept.map_err(TransferError::Sink)?;
                let found = fetch.await?;
                Ok(found.get(skip..skip + length) == Some(&kept[..]))
            };
            let mut same = same.await;
            if matches!(same, Ok(false))
                && let Err(error) = sink.start_over().await
            {
                same = Err(TransferError::Sink(error));
            }
            Event::Compared(sink, same)
        })
    }

    /// What follows a part that did not come.
    fn refused(
        &mut self,
        part: Part,
        asked_by: u32,
        error: TransferError,
    ) -> Result<(), TransferError> {
        let TransferError::Call { method, source } = error else {
            return Err(error);
        };
        match &source {
            CallError::Rpc { message, .. } if message.starts_with("FILE_REFERENCE_") => {
                if asked_by == self.references {
                    match self.reference {
                        Reference::Good if self.source.refresh.is_some() => {
                            self.reference = Reference::Expired;
                        }
                        Reference::Expired | Reference::Asking => {}
                        _ => {
                            let name = message.clone();
                            return Err(TransferError::Reference { name });
                        }
                    }
                }
            }
            CallError::Rpc { code, message } => match wait_of(method, *code, message) {
                Some(wait) => {
                    self.plan.slow_down();
                    if self.hold == Hold::None {
                        self.hold = Hold::For(wait);
                        self.shared.emit(AccountEvent::FloodWait { method, wait });
                    }
                }
                None => return Err(TransferError::Call { method, source }),
            },
            CallError::Migration { dc, .. } if self.moves < MOST_MOVES => {
                // Parts under way were sent there, too: that is one move.
                if *dc != self.source.dc {
                    self.moves += 1;
                    self.source.dc = *dc;
                }
            }
            other if other.class() == CallErrorClass::Retry && self.tries < MOST_TRIES => {
                self.tries += 1;
                if self.hold == Hold::None {
                    self.hold = Hold::For(TRY_AGAIN);
                }
            }
            _ => return Err(TransferError::Call { method, source }),
        }
        self.plan.failed(part);
        Ok(())
    }

    fn write(&mut self) -> Option<Flight<Event>> {
        let mut sink = self.sink.take()?;
        if let Some(bytes) = self.plan.take() {
            return Some(Box::pin(async move {
                let length = bytes.len() as u64;
                let wrote = sink.write(bytes).await;
                Event::Wrote(sink, length, wrote)
            }));
        }
        if self.plan.is_complete() {
            self.stage = Stage::Finishing;
            return Some(Box::pin(async move {
                let finished = sink.finish().await;
                Event::Finished(sink, finished)
            }));
        }
        self.sink = Some(sink);
        None
    }

    fn ask(&mut self) -> Option<Flight<Event>> {
        if let Hold::For(time) = self.hold {
            self.hold = Hold::Waiting;
            return Some(Box::pin(async move {
                tokio::time::sleep(time).await;
                Event::Waited
            }));
        }
        if self.reference == Reference::Expired
            && let Some(refresh) = &self.source.refresh
        {
            self.reference = Reference::Asking;
            let asked = refresh();
            return Some(Box::pin(async move { Event::Refreshed(asked.await) }));
        }
        if self.hold != Hold::None || self.reference == Reference::Asking {
            return None;
        }
        let part = self.plan.ask()?;
        let (shared, asked_by, dc) = (self.shared.clone(), self.references, self.source.dc);
        if let Cdn::At(file) = &self.cdn {
            let (file, limit) = (file.clone(), u64::from(part.limit));
            let size = self.source.size;
            let expected = size.map(|size| size.saturating_sub(part.offset).min(limit));
            return Some(Box::pin(async move {
                match file.part(&shared, dc, part, expected).await {
                    Ok(bytes) => Event::Came(part, asked_by, Ok(bytes)),
                    Err(fault) => Event::Redirected(part, Err(fault)),
                }
            }));
        }
        if let Cdn::Possible = self.cdn {
            let (location, check) = (self.source.location.clone(), self.options.check_hashes);
            return Some(Box::pin(async move {
                match get_part(&shared, dc, location.clone(), part, true).await {
                    Ok(Got::Redirect(redirect)) => Event::Redirected(part, CdnFile::of(*redirect)),
                    Ok(Got::Bytes(bytes)) => {
                        let checked = match check && !bytes.is_empty() {
                            true => compare(&shared, dc, location, part, bytes.clone()).await,
                            false => Ok(()),
                        };
                        Event::Came(part, asked_by, checked.map(|()| bytes))
                    }
                    Err(error) => Event::Came(part, asked_by, Err(error)),
                }
            }));
        }
        let fetch = self.fetch(part);
        Some(Box::pin(
            async move { Event::Came(part, asked_by, fetch.await) },
        ))
    }

    fn redirected(&mut self, part: Part, file: Result<CdnFile, CdnFault>) {
        self.plan.failed(part);
        match file {
            Ok(file) => {
                if matches!(self.cdn, Cdn::Possible) {
                    self.cdn = Cdn::At(Arc::new(file));
                }
            }
            Err(fault) => {
                if !matches!(self.cdn, Cdn::Never) {
                    tracing::warn!(%fault, "the file is fetched from its datacenter instead");
                }
                self.cdn = Cdn::Never;
            }
        }
    }
}

impl Job for DownloadJob {
    type Event = Event;
    type Output = u64;

    fn next(&mut self, paused: bool) -> Option<Flight<Event>> {
        match self.stage {
            Stage::LeftOver => {
                let flight: Flight<Event> = match self.sink.take() {
                    Some(sink) => self.compare_left_over(sink),
                    None => Box::pin(async { Event::Lost }),
                };
                // Once: nothing else is begun before it has ended.
                self.stage = Stage::Comparing;
                Some(flight)
            }
            Stage::Open => self.write().or_else(|| match paused {
                true => None,
                false => self.ask(),
            }),
            Stage::Comparing | Stage::Finishing | Stage::Finished => None,
        }
    }

    fn settle(&mut self, event: Event) -> Result<(), TransferError> {
        match event {
            Event::Came(part, _, Ok(bytes)) => {
                self.tries = 0;
                if self.reference == Reference::Fresh {
                    self.reference = Reference::Good;
                }
                self.plan.arrived(part, bytes)?;
            }
            Event::Came(part, asked_by, Err(error)) => self.refused(part, asked_by, error)?,
            Event::Redirected(part, file) => self.redirected(part, file),
            Event::Waited => self.hold = Hold::None,
            Event::Wrote(sink, length, wrote) => {
                self.sink = Some(sink);
                wrote.map_err(TransferError::Sink)?;
                self.done += length;
            }
            Event::Refreshed(Some(location)) => {
                self.source.location = location;
                self.reference = Reference::Fresh;
                self.references += 1;
            }
            Event::Refreshed(None) => {
                let name = "its origin is gone".to_owned();
                return Err(TransferError::Reference { name });
            }
            Event::Compared(sink, same) => {
                self.sink = Some(sink);
                let there = if same? { self.done } else { 0 };
                self.open(there);
            }
            Event::Finished(sink, finished) => {
                self.sink = Some(sink);
                finished.map_err(TransferError::Sink)?;
                self.stage = Stage::Finished;
            }
            Event::Lost => {
                let why = "what takes the bytes was lost in a panic".to_owned();
                return Err(TransferError::Lost(why));
            }
        }
        Ok(())
    }

    fn output(&mut self) -> Option<u64> {
        (self.stage == Stage::Finished).then_some(self.done)
    }

    fn progress(&self) -> (u64, Option<u64>) {
        let wanted = self.wanted();
        let total = match (self.source.size, self.plan.end()) {
            (Some(_), _) => Some(wanted.end - wanted.start),
            (None, Some(end)) if self.stage != Stage::LeftOver => {
                Some(end.saturating_sub(wanted.start))
            }
            _ => None,
        };
        (self.done, total)
    }

    fn revive(&mut self) {
        self.plan.forget_in_flight();
        self.hold = Hold::None;
        if self.reference == Reference::Asking {
            self.reference = Reference::Expired;
        }
        if self.sink.is_none() {
            self.stage = Stage::LeftOver;
        }
    }

    fn is_home(&self) -> bool {
        self.sink.is_some()
    }

    fn close(&mut self) {
        self.sink = None;
    }

    fn cancel(&mut self) {
        self.cancelled.store(true, Ordering::Release);
        self.sink = None;
    }
}

/// What the datacenter answers to whoever asks for a part.
enum Got {
    Bytes(Bytes),
    Redirect(Box<types::upload::FileCdnRedirect>),
}

/// A part as the datacenter has it.
async fn get_part(
    shared: &Arc<Shared>,
    dc: i32,
    location: enums::InputFileLocation,
    part: Part,
    cdn_supported: bool,
) -> Result<Got, TransferError> {
    let offset = i64::try_from(part.offset).unwrap_or(i64::MAX);
    let limit = i32::try_from(part.limit).unwrap_or(i32::MAX);
    let mut function = functions::upload::GetFile::new(location, offset, limit);
    function.cdn_supported = cdn_supported;
    Ok(match call(shared, dc, &function).await? {
        enums::upload::File::File(file) => Got::Bytes(file.bytes),
        enums::upload::File::FileCdnRedirect(redirect) => Got::Redirect(redirect),
    })
}

/// Compares a part with the hashes that the datacenter gives (<https://core.telegram.org/method/upload.getFileHashes>).
async fn compare(
    shared: &Arc<Shared>,
    dc: i32,
    location: enums::InputFileLocation,
    part: Part,
    bytes: Bytes,
) -> Result<(), TransferError> {
    let end = part.offset + bytes.len() as u64;
    let mut at = part.offset;
    while at < end {
        let function = functions::upload::GetFileHashes {
            location: location.clone(),
            offset: i64::try_from(at).unwrap_or(i64::MAX),
        };
        let wrong = TransferError::Hash { offset: at };
        let begun = at;
        for hash in call(shared, dc, &function).await? {
            let enums::FileHash::FileHash(hash) = hash;
            if at >= end || u64::try_from(hash.offset) != Ok(at) {
                break;
            }
            let from = usize::try_from(at - part.offset).unwrap_or(usize::MAX);
            let length = usize::try_from(hash.limit).unwrap_or(0);
            let window = bytes.get(from..from.saturating_add(length));
            let Some(window) = window.filter(|_| length > 0) else {
                return Err(TransferError::Hash { offset: at });
            };
            if sha256(window)[..] != hash.hash[..] {
                return Err(TransferError::Hash { offset: at });
            }
            at += length as u64;
        }
        if at == begun {
            return Err(wrong);
        }
    }
    Ok(())
}

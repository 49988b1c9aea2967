//! Uploads.

use std::{collections::VecDeque, io, sync::Arc, time::Duration};

use actogram_tl::{enums, functions, types};
use bytes::Bytes;
use md5::{Digest as _, Md5};

use super::{
    BUDGET, Flight, Job, Source, TransferError,
    call::{call, wait_of},
    resumption::{Keeper, Parts},
};
use crate::{
    error::{CallError, CallErrorClass},
    events::AccountEvent,
    shared::Shared,
};

/// The longest part, in bytes (<https://core.telegram.org/api/files#uploading-files>).
pub const UPLOAD_PART: usize = 512 << 10;

/// Longer files go by `upload.saveBigFilePart`, and without a sum.
const SMALL_FILE: u64 = 10 << 20;

/// Parts of one file, without premium.
const MOST_PARTS: u32 = 4000;

/// How often, in a row, a part is sent again that the connection lost.
const MOST_TRIES: u32 = 5;

/// The pause before that.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// How a file is uploaded.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct UploadOptions {
    /// What the file is called.
    pub name: String,
    /// Bytes that are read ahead or on their way at once; one part is in any case.
    pub budget: u64,
    /// How many parts of 512 KiB the account may upload in one file: 4,000, with premium 8,000.
    pub most_parts: u32,
    /// A file that was uploaded, of which the datacenter says that it lacks this part: that one alone is uploaded.
    pub repair: Option<(UploadedFile, i32)>,
    /// Nothing that was uploaded before is gone on with.
    pub anew: bool,
}

impl UploadOptions {
    /// A file of this name, everything else as usual.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            budget: BUDGET,
            most_parts: MOST_PARTS,
            repair: None,
            anew: false,
        }
    }

    /// The longest file there may be, in bytes.
    pub(crate) fn largest(&self) -> u64 {
        u64::from(self.most_parts) * UPLOAD_PART as u64
    }
}

/// A file that the datacenter has all parts of, for some hours. It can be sent once.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UploadedFile {
    /// The number its parts were uploaded under.
    pub id: i64,
    /// How many there are.
    pub parts: i32,
    /// What it is called.
    pub name: String,
    /// The MD5 of its bytes in hexadecimal, for small files.
    pub md5: Option<String>,
    /// Its length in bytes.
    pub size: u64,
    /// Under which path the store knows it.
    pub(crate) path: Option<Arc<str>>,
}

impl UploadedFile {
    /// How methods that send it name it.
    pub fn input(&self) -> enums::InputFile {
        match &self.md5 {
            Some(sum) => types::InputFile {
                id: self.id,
                parts: self.parts,
                name: self.name.clone(),
                md5_checksum: sum.clone(),
            }
            .into(),
            None => types::InputFileBig {
                id: self.id,
                parts: self.parts,
                name: self.name.clone(),
            }
            .into(),
        }
    }
}

/// How a part of an upload ended.
pub(crate) enum Event {
    Read(Box<dyn Source>, io::Result<Bytes>),
    Sent(Ready, Result<(), TransferError>),
    Waited,
    Looked(Box<dyn Source>, io::Result<Option<&'static str>>),
    Lost,
}

/// A part that was read.
#[derive(Debug, Clone)]
pub(crate) struct Ready {
    number: i32,
    bytes: Bytes,
}

/// What is done with the source.
///
/// ```text
/// Reading ─► Ended ─► Looking ─► Unchanged
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Reading,
    Ended,
    Looking,
    Unchanged,
}

pub(crate) struct UploadJob {
    shared: Arc<Shared>,
    options: UploadOptions,
    id: i64,
    source: Option<Box<dyn Source>>,
    /// The length that the source gave at the beginning.
    told: Option<u64>,
    stage: Stage,
    /// Parts that were read so far.
    parts: i32,
    read: u64,
    sum: Option<Md5>,
    /// What the datacenter has from before.
    have: Parts,
    keeper: Option<Keeper>,
    /// Read, and waiting for its turn.
    ready: VecDeque<Ready>,
    /// On its way, so that it can be sent again after a panic.
    flying: Vec<Ready>,
    window: usize,
    sent: u64,
    came: usize,
    tries: u32,
    hold: Option<Duration>,
    waiting: bool,
}

impl UploadJob {
    /// # Errors
    /// [`TransferError::TooLarge`] and [`TransferError::Empty`], where the length says so: nothing is sent then.
    pub(crate) fn new(
        shared: Arc<Shared>,
        options: UploadOptions,
        source: Box<dyn Source>,
        keeper: Option<Keeper>,
    ) -> Result<Self, TransferError> {
        let told = source.size();
        match told {
            Some(0) => return Err(TransferError::Empty),
            Some(size) if size > options.largest() => {
                return Err(TransferError::TooLarge {
                    size,
                    most: options.largest(),
                });
            }
            _ => {}
        }
        let (id, have) = match (&options.repair, &keeper) {
            (Some((file, part)), _) => (file.id, Parts::all_but(*part, file.parts)),
            (None, Some(keeper)) => (keeper.file_id, keeper.parts.clone()),
            (None, None) => (shared.random_id(), Parts::default()),
        };
        Ok(Self {
            id,
            have,
            keeper,
            shared,
            options,
            source: Some(source),
            told,
            stage: Stage::Reading,
            parts: 0,
            read: 0,
            sum: told.is_none_or(|size| size <= SMALL_FILE).then(Md5::new),
            ready: VecDeque::new(),
            flying: Vec::new(),
            window: 2,
            sent: 0,
            came: 0,
            tries: 0,
            hold: None,
            waiting: false,
        })
    }

    /// Whether parts go by `upload.saveBigFilePart`; not known before a second part of a file of unknown length was read.
    fn is_big(&self) -> bool {
        self.told.map_or(self.parts > 1, |size| size > SMALL_FILE)
    }

    /// How many parts there are, once that is known.
    fn total(&self) -> Option<i32> {
        match self.told {
            Some(size) => i32::try_from(size.div_ceil(UPLOAD_PART as u64)).ok(),
            None => (self.stage != Stage::Reading).then_some(self.parts),
        }
    }

    fn held(&self) -> u64 {
        let waiting = self.ready.iter().chain(&self.flying);
        waiting.map(|part| part.bytes.len() as u64).sum()
    }

    fn read_on(&mut self) -> Option<Flight<Event>> {
        let next = UPLOAD_PART as u64;
        // A part waits for the one behind it, where only that tells whether it is the last.
        let idle = self.flying.is_empty() && self.ready.len() < 2;
        if self.stage != Stage::Reading || !(idle || self.held() + next <= self.options.budget) {
            return None;
        }
        let mut source = self.source.take()?;
        let left = self.told.map_or(next, |size| next.min(size - self.read));
        let length = usize::try_from(left).unwrap_or(UPLOAD_PART);
        Some(Box::pin(async move {
            let read = source.read(length).await;
            Event::Read(source, read)
        }))
    }

    fn took(&mut self, bytes: Bytes) -> Result<(), TransferError> {
        if let Some(size) = self.told {
            let expected = (size - self.read).min(UPLOAD_PART as u64);
            if bytes.len() as u64 != expected {
                return Err(TransferError::Changed {
                    expected: size,
                    what: "and ended before them",
                });
            }
        }
        self.read += bytes.len() as u64;
        if self.read > self.options.largest() {
            return Err(TransferError::TooLarge {
                size: self.read,
                most: self.options.largest(),
            });
        }
        let ended = match self.told {
            Some(size) => self.read == size,
            None => bytes.len() < UPLOAD_PART,
        };
        if !bytes.is_empty() {
            if let Some(sum) = &mut self.sum {
                sum.update(&bytes);
            }
            let number = self.parts;
            self.parts += 1;
            if self.have.contains(number) {
                self.sent += bytes.len() as u64;
            } else {
                self.ready.push_back(Ready { number, bytes });
            }
        }
        if ended {
            if self.parts == 0 {
                return Err(TransferError::Empty);
            }
            self.stage = Stage::Ended;
        }
        Ok(())
    }

    fn send(&mut self) -> Option<Flight<Event>> {
        if let Some(time) = self.hold.take() {
            self.waiting = true;
            return Some(Box::pin(async move {
                tokio::time::sleep(time).await;
                Event::Waited
            }));
        }
        if self.waiting || self.flying.len() >= self.window {
            return None;
        }
        let total = self.total();
        let first = self.ready.front()?;
        // Whether it is the last decides how it is sent.
        if total.is_none() && first.number + 1 == self.parts {
            return None;
        }
        let part = self.ready.pop_front()?;
        self.flying.push(part.clone());
        let last = total.is_some_and(|total| part.number + 1 == total);
        let told = match self.told {
            Some(_) => total,
            None => total.filter(|_| last),
        };
        let (shared, id, big) = (self.shared.clone(), self.id, self.is_big());
        Some(Box::pin(async move {
            let saved = save(&shared, id, big, told, part.clone()).await;
            Event::Sent(part, saved)
        }))
    }

    fn refused(&mut self, part: Ready, error: TransferError) -> Result<(), TransferError> {
        let TransferError::Call { method, source } = error else {
            return Err(error);
        };
        match &source {
            CallError::Rpc { code, message } => match wait_of(method, *code, message) {
                Some(wait) => {
                    self.window = (self.window / 2).max(1);
                    if self.hold.is_none() && !self.waiting {
                        self.hold = Some(wait);
                        self.shared.emit(AccountEvent::FloodWait { method, wait });
                    }
                }
                None => return Err(TransferError::Call { method, source }),
            },
            // The same part may be saved twice, whatever became of the first time.
            other
                if matches!(
                    other.class(),
                    CallErrorClass::Retry | CallErrorClass::UnknownOutcome
                ) && self.tries < MOST_TRIES =>
            {
                self.tries += 1;
                self.hold.get_or_insert(TRY_AGAIN);
            }
            _ => return Err(TransferError::Call { method, source }),
        }
        self.ready.push_front(part);
        Ok(())
    }
}

impl Job for UploadJob {
    type Event = Event;
    type Output = UploadedFile;

    fn next(&mut self, paused: bool) -> Option<Flight<Event>> {
        if paused {
            return None;
        }
        if let Some(flight) = self.read_on().or_else(|| self.send()) {
            return Some(flight);
        }
        let all_sent =
            self.stage == Stage::Ended && self.ready.is_empty() && self.flying.is_empty();
        if !all_sent {
            return None;
        }
        self.stage = Stage::Looking;
        let Some(mut source) = self.source.take() else {
            return Some(Box::pin(async { Event::Lost }));
        };
        Some(Box::pin(async move {
            let changed = source.changed().await;
            Event::Looked(source, changed)
        }))
    }

    fn settle(&mut self, event: Event) -> Result<(), TransferError> {
        match event {
            Event::Read(source, read) => {
                self.source = Some(source);
                self.took(read.map_err(TransferError::Source)?)?;
            }
            Event::Sent(part, sent) => {
                self.flying.retain(|flying| flying.number != part.number);
                match sent {
                    Ok(()) => {
                        self.tries = 0;
                        self.sent += part.bytes.len() as u64;
                        if let Some(keeper) = &mut self.keeper {
                            keeper.note(part.number);
                        }
                        self.came += 1;
                        if self.came >= self.window {
                            self.came = 0;
                            self.window += 1;
                        }
                    }
                    Err(error) => self.refused(part, error)?,
                }
            }
            Event::Waited => self.waiting = false,
            Event::Looked(source, looked) => {
                self.source = Some(source);
                if let Some(what) = looked.map_err(TransferError::Source)? {
                    if let Some(keeper) = &self.keeper {
                        keeper.forget();
                    }
                    let expected = self.told.unwrap_or(self.read);
                    return Err(TransferError::Changed { expected, what });
                }
                self.stage = Stage::Unchanged;
            }
            Event::Lost => {
                let why = "what gives the bytes was lost in a panic".to_owned();
                return Err(TransferError::Lost(why));
            }
        }
        Ok(())
    }

    fn output(&mut self) -> Option<UploadedFile> {
        if self.stage != Stage::Unchanged {
            return None;
        }
        let sum = self.sum.take().filter(|_| !self.is_big());
        Some(UploadedFile {
            id: self.id,
            parts: self.parts,
            name: self.options.name.clone(),
            md5: sum.map(|sum| {
                let sum = sum.finalize();
                sum.iter().map(|byte| format!("{byte:02x}")).collect()
            }),
            size: self.read,
            path: match &self.options.repair {
                Some((file, _)) => file.path.clone(),
                None => self.keeper.as_ref().map(|keeper| keeper.path.clone()),
            },
        })
    }

    fn progress(&self) -> (u64, Option<u64>) {
        let ended = (self.stage != Stage::Reading).then_some(self.read);
        (self.sent, self.told.or(ended))
    }

    fn revive(&mut self) {
        for part in self.flying.drain(..) {
            self.ready.push_back(part);
        }
        self.ready
            .make_contiguous()
            .sort_unstable_by_key(|part| part.number);
        self.hold = None;
        self.waiting = false;
        if self.source.is_none() {
            // The next step says so.
            self.ready.clear();
            self.stage = Stage::Ended;
        }
    }

    fn is_home(&self) -> bool {
        self.source.is_some()
    }

    fn close(&mut self) {
        self.source = None;
    }

    fn cancel(&mut self) {
        self.source = None;
    }
}

async fn save(
    shared: &Arc<Shared>,
    id: i64,
    big: bool,
    total: Option<i32>,
    part: Ready,
) -> Result<(), TransferError> {
    let dc = shared.dc();
    let saved = if big {
        let function = functions::upload::SaveBigFilePart {
            file_id: id,
            file_part: part.number,
            file_total_parts: total.unwrap_or(-1),
            bytes: part.bytes,
        };
        call(shared, dc, &function).await?
    } else {
        let function = functions::upload::SaveFilePart {
            file_id: id,
            file_part: part.number,
            bytes: part.bytes,
        };
        call(shared, dc, &function).await?
    };
    if saved {
        return Ok(());
    }
    let why = format!("part {} was not saved", part.number);
    Err(TransferError::Lost(why))
}

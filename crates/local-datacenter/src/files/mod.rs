//! Bytes of files, on the disk: parts that are being uploaded, and whole files.
//!
//! What is known of a file (its name, size, who may have it) is in the journal; here are only its bytes. A whole file lies
//! under its final name before the journal speaks of it, so that no entry is without bytes; bytes without an entry, left by
//! a kill in between, are removed at the next start.

mod upload;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
    time::Duration,
};

use actogram_crypto::sha::sha256;
use sha2::Sha256;

use upload::Upload;
pub(crate) use upload::{PartError, UploadKind};

use crate::model::UserId;

/// Files kept open, so that each part does not open its file again.
const OPEN_FILES: usize = 64;

/// Uploads of one account that have not ended; the oldest makes room.
const UPLOADS_PER_ACCOUNT: usize = 64;

/// Parts that no file was made of are kept so long after the last one came.
pub(crate) const UPLOAD_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// The bytes whose hash `upload.getFileHashes` tells at once.
pub(crate) const HASH_WINDOW: u32 = 128 << 10;

/// What a stored file is called.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct BlobName(String);

impl BlobName {
    /// The file itself.
    pub(crate) fn of(id: i64) -> Self {
        Self(format!("{id}"))
    }

    /// A size of a photo, or a thumbnail of a document.
    pub(crate) fn sized(id: i64, size: &str) -> Self {
        Self(format!("{id}-{size}"))
    }
}

/// Where the bytes are.
#[derive(Debug)]
enum Directory {
    /// Beside the state file.
    Kept(PathBuf),
    /// Gone with the process; made when the first byte comes.
    Temporary(Option<tempfile::TempDir>),
}

/// The files of a datacenter.
#[derive(Debug)]
pub(crate) struct FileStore {
    directory: Directory,
    uploads: BTreeMap<(UserId, i64), Upload>,
    open: VecDeque<(BlobName, File)>,
}

impl FileStore {
    /// Files in this directory, or in one that ends with the process. Removes what is not among `known`.
    pub(crate) fn open(kept: Option<&Path>, known: &BTreeSet<BlobName>) -> io::Result<Self> {
        let directory = match kept {
            None => Directory::Temporary(None),
            Some(path) => {
                create_private(path)?;
                for entry in fs::read_dir(path)? {
                    let entry = entry?;
                    let name = BlobName(entry.file_name().to_string_lossy().into_owned());
                    if !known.contains(&name) {
                        fs::remove_file(entry.path())?;
                    }
                }
                Directory::Kept(path.to_owned())
            }
        };
        Ok(Self {
            directory,
            uploads: BTreeMap::new(),
            open: VecDeque::new(),
        })
    }

    fn directory(&mut self) -> io::Result<&Path> {
        match &mut self.directory {
            Directory::Kept(path) => Ok(path),
            Directory::Temporary(made) => {
                if made.is_none() {
                    *made = Some(
                        tempfile::Builder::new()
                            .prefix("actogram-files-")
                            .tempdir()?,
                    );
                }
                made.as_ref()
                    .map(tempfile::TempDir::path)
                    .ok_or_else(|| io::ErrorKind::NotFound.into())
            }
        }
    }

    /// Keeps one part of an upload. The same part may come again, and replaces what it was.
    pub(crate) fn save_part(
        &mut self,
        now: Duration,
        (owner, file_id): (UserId, i64),
        kind: UploadKind,
        part: i32,
        bytes: &[u8],
    ) -> Result<(), PartError> {
        self.uploads
            .retain(|_, upload| now.saturating_sub(upload.touched) < UPLOAD_LIFETIME);
        if !self.uploads.contains_key(&(owner, file_id)) {
            self.make_room(owner);
            let path = self.directory()?.join(format!("upload-{owner}-{file_id}"));
            self.uploads
                .insert((owner, file_id), Upload::begin(path, kind)?);
        }
        match self.uploads.get_mut(&(owner, file_id)) {
            Some(upload) => upload.save(now, kind, part, bytes),
            None => Err(PartError::Io(io::ErrorKind::NotFound.into())),
        }
    }

    fn make_room(&mut self, owner: UserId) {
        let own = self.uploads.range((owner, i64::MIN)..=(owner, i64::MAX));
        let own: Vec<_> = own.map(|(key, upload)| (upload.touched, *key)).collect();
        if own.len() >= UPLOADS_PER_ACCOUNT
            && let Some((_, oldest)) = own.iter().min()
        {
            self.uploads.remove(oldest);
        }
    }

    /// Makes a file of the parts that were uploaded, under its final name; the upload ends. Returns the file's size.
    pub(crate) fn assemble(
        &mut self,
        (owner, file_id): (UserId, i64),
        kind: UploadKind,
        parts: i32,
        name: &BlobName,
    ) -> Result<u64, PartError> {
        let path = self.directory()?.join(&name.0);
        let Some(upload) = self.uploads.get_mut(&(owner, file_id)) else {
            return Err(PartError::Missing(0));
        };
        let size = upload.assemble(kind, parts, &path)?;
        self.uploads.remove(&(owner, file_id));
        Ok(size)
    }

    /// Keeps a file made here.
    pub(crate) fn put(&mut self, name: &BlobName, bytes: &[u8]) -> io::Result<()> {
        let path = self.directory()?.join(&name.0);
        fs::write(path, bytes)
    }

    /// Makes a file that takes hardly any room: zeros, but for the number of each MiB at its beginning.
    pub(crate) fn put_sparse(&mut self, name: &BlobName, size: u64) -> io::Result<()> {
        const STEP: u64 = 1 << 20;
        let file = create(&self.directory()?.join(&name.0))?;
        let mut at = 0;
        while at < size {
            write_at(&file, &(at / STEP).to_le_bytes(), at)?;
            at += STEP;
        }
        file.set_len(size)
    }

    /// Removes a file, for what came of it was refused.
    pub(crate) fn remove(&mut self, name: &BlobName) -> io::Result<()> {
        self.open.retain(|(open, _)| open != name);
        let path = self.directory()?.join(&name.0);
        fs::remove_file(path)
    }

    fn file(&mut self, name: &BlobName) -> io::Result<&File> {
        if let Some(at) = self.open.iter().position(|(open, _)| open == name) {
            if at > 0
                && let Some(found) = self.open.remove(at)
            {
                self.open.push_front(found);
            }
        } else {
            let path = self.directory()?.join(&name.0);
            self.open.push_front((name.clone(), File::open(path)?));
            self.open.truncate(OPEN_FILES);
        }
        self.open
            .front()
            .map(|(_, file)| file)
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// At most `limit` bytes from `offset`: fewer at the end, none behind it.
    pub(crate) fn read(
        &mut self,
        name: &BlobName,
        offset: u64,
        limit: usize,
    ) -> io::Result<Vec<u8>> {
        let file = self.file(name)?;
        let mut bytes = vec![0; limit];
        let read = read_at(file, &mut bytes, offset)?;
        bytes.truncate(read);
        Ok(bytes)
    }

    /// The hashes of up to `count` windows, the one that holds `offset` first: where each begins, its length, its SHA-256.
    pub(crate) fn hashes(
        &mut self,
        name: &BlobName,
        offset: u64,
        count: usize,
    ) -> io::Result<Vec<(u64, u32, [u8; 32])>> {
        let window = u64::from(HASH_WINDOW);
        let mut at = offset / window * window;
        let mut hashes = Vec::new();
        while hashes.len() < count {
            let bytes = self.read(name, at, HASH_WINDOW as usize)?;
            if bytes.is_empty() {
                break;
            }
            hashes.push((
                at,
                u32::try_from(bytes.len()).unwrap_or(HASH_WINDOW),
                sha256(&bytes),
            ));
            at += window;
        }
        Ok(hashes)
    }

    /// The SHA-256 of a whole file.
    pub(crate) fn sha256(&mut self, name: &BlobName) -> io::Result<[u8; 32]> {
        Ok(self.digest::<Sha256>(name)?.into())
    }

    /// The MD5 of a whole file, as small uploads name it.
    pub(crate) fn md5(&mut self, name: &BlobName) -> io::Result<[u8; 16]> {
        Ok(self.digest::<md5::Md5>(name)?.into())
    }

    fn digest<D: sha2::Digest>(&mut self, name: &BlobName) -> io::Result<sha2::digest::Output<D>> {
        const STEP: usize = 1 << 20;
        let mut digest = D::new();
        let mut offset = 0;
        loop {
            let bytes = self.read(name, offset, STEP)?;
            if bytes.is_empty() {
                return Ok(digest.finalize());
            }
            digest.update(&bytes);
            offset += bytes.len() as u64;
        }
    }

    /// How many uploads have not ended.
    pub(crate) fn unfinished(&self) -> usize {
        self.uploads.len()
    }
}

/// Files of others are nobody else's business on this machine either.
fn create_private(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt as _;
        builder.mode(0o700);
    }
    builder.create(path)
}

/// A new file for writing and reading.
fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options.open(path)
}

/// Fills `bytes` from `offset` on, as far as the file goes; returns how far.
fn read_at(mut file: &File, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
    file.seek(SeekFrom::Start(offset))?;
    let mut read = 0;
    while read < bytes.len() {
        match file.read(&mut bytes[read..]) {
            Ok(0) => break,
            Ok(more) => read += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(read)
}

fn write_at(mut file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    file.seek(SeekFrom::Start(offset))?;
    io::Write::write_all(&mut file, bytes)
}

//! `upload.*`: parts of files, in both directions.
//!
//! See <https://core.telegram.org/api/files>.

use actogram_tl as tl;
use tl::{Function as _, enums, functions, types};

use super::call::Call;
use super::cdn;
use super::documents;
use super::errors::{RpcError, RpcResult, bad, internal};
use super::migration::files_home;
use super::photos;
use crate::files::{BlobName, PartError, UploadKind};

/// A file that is uploaded by `upload.saveFilePart` has at most so many bytes.
const SMALL_FILE: u64 = 10 << 20;
/// What one `upload.getFile` may ask for, and the boundary it may not cross.
const CHUNK: i64 = 1 << 20;
/// Offsets and limits are multiples of this.
const STEP: i64 = 4 << 10;
/// The same for `precise` calls.
const PRECISE_STEP: i64 = 1 << 10;
/// Windows whose hashes one call tells.
pub(super) const HASHES_AT_ONCE: usize = 8;

impl From<PartError> for RpcError {
    fn from(error: PartError) -> Self {
        match error {
            PartError::Empty => bad("FILE_PART_EMPTY"),
            PartError::TooBig => bad("FILE_PART_TOO_BIG"),
            PartError::BadSize => bad("FILE_PART_SIZE_INVALID"),
            PartError::SizeChanged => bad("FILE_PART_SIZE_CHANGED"),
            PartError::Parts => bad("FILE_PARTS_INVALID"),
            PartError::Missing(part) => RpcError::new(400, format!("FILE_PART_{part}_MISSING")),
            PartError::Io(error) => unkept(&error),
        }
    }
}

/// The disk refused.
pub(super) fn unkept(error: &std::io::Error) -> RpcError {
    tracing::error!(%error, "the datacenter's files cannot be read or written");
    internal("STORAGE_FAILED")
}

impl Call<'_> {
    fn most_parts(&self) -> i32 {
        let limits = &self.world.config.limits;
        let me = self.user.and_then(|me| self.world.state.users.get(&me));
        if me.is_some_and(|me| me.premium) {
            limits.upload_parts_premium
        } else {
            limits.upload_parts
        }
    }

    /// Makes a stored file of what was uploaded as `file`; returns its size and the name it was uploaded with.
    pub(super) fn take_upload(
        &mut self,
        file: &enums::InputFile,
        name: &BlobName,
    ) -> RpcResult<(u64, String)> {
        let me = self.me()?;
        let (id, parts, kind, title, checksum) = match file {
            enums::InputFile::InputFile(file) => {
                let checksum = Some(&file.md5_checksum).filter(|sum| !sum.is_empty());
                (file.id, file.parts, UploadKind::Small, &file.name, checksum)
            }
            enums::InputFile::InputFileBig(file) => {
                let kind = UploadKind::Big { total: None };
                (file.id, file.parts, kind, &file.name, None)
            }
            enums::InputFile::InputFileStoryDocument(_) => return Err(bad("FILE_PARTS_INVALID")),
        };
        if parts > self.most_parts() {
            return Err(bad("FILE_PARTS_INVALID"));
        }
        let files = &mut self.world.files;
        let size = files.assemble((me, id), kind, parts, name)?;
        let refusal = if kind == UploadKind::Small && size > SMALL_FILE {
            Some(bad("FILE_PARTS_INVALID"))
        } else {
            match checksum {
                None => None,
                Some(told) => {
                    let found = files.md5(name).map_err(|error| unkept(&error))?;
                    let found: String = found.iter().map(|byte| format!("{byte:02x}")).collect();
                    (found != told.to_lowercase()).then_some(bad("MD5_CHECKSUM_INVALID"))
                }
            }
        };
        match refusal {
            None => Ok((size, title.clone())),
            Some(error) => {
                files.remove(name).map_err(|error| unkept(&error))?;
                Err(error)
            }
        }
    }
}

/// `upload.saveFilePart`.
pub(super) fn save_file_part(
    call: &mut Call<'_>,
    request: functions::upload::SaveFilePart,
) -> RpcResult<bool> {
    let owner = (call.me()?, request.file_id);
    if !(0..call.most_parts()).contains(&request.file_part) {
        return Err(bad("FILE_PART_INVALID"));
    }
    let (now, kind) = (call.now, UploadKind::Small);
    let files = &mut call.world.files;
    files.save_part(now, owner, kind, request.file_part, &request.bytes)?;
    Ok(true)
}

/// `upload.saveBigFilePart`.
pub(super) fn save_big_file_part(
    call: &mut Call<'_>,
    request: functions::upload::SaveBigFilePart,
) -> RpcResult<bool> {
    let owner = (call.me()?, request.file_id);
    let most = call.most_parts();
    let total = (request.file_total_parts != -1).then_some(request.file_total_parts);
    if total.is_some_and(|total| !(1..=most).contains(&total)) {
        return Err(bad("FILE_PARTS_INVALID"));
    }
    if !(0..total.unwrap_or(most)).contains(&request.file_part) {
        return Err(bad("FILE_PART_INVALID"));
    }
    let (now, kind) = (call.now, UploadKind::Big { total });
    let files = &mut call.world.files;
    files.save_part(now, owner, kind, request.file_part, &request.bytes)?;
    Ok(true)
}

/// What a location leads to.
pub(super) struct Located {
    pub(super) name: BlobName,
    /// The datacenter that has it.
    pub(super) dc: i32,
    pub(super) date: i32,
    pub(super) kind: enums::storage::FileType,
}

fn locate(call: &Call<'_>, location: &enums::InputFileLocation) -> RpcResult<Located> {
    let located = match location {
        enums::InputFileLocation::InputDocumentFileLocation(location) => {
            documents::locate(call, location)?
        }
        enums::InputFileLocation::InputPhotoFileLocation(location) => {
            photos::locate(call, location)?
        }
        _ => {
            return Err(super::messages::parameter_not_built(
                functions::upload::GetFile::NAME,
                "locations other than documents and photos",
            ));
        }
    };
    files_home(call, located.dc)?;
    Ok(located)
}

/// What may be asked for at once: <https://core.telegram.org/api/files#downloading-files>.
pub(super) fn check_range(offset: i64, limit: i32, precise: bool) -> RpcResult<(u64, usize)> {
    let limit = i64::from(limit);
    let step = if precise { PRECISE_STEP } else { STEP };
    let start = u64::try_from(offset).map_err(|_| bad("OFFSET_INVALID"))?;
    if offset % step != 0 {
        return Err(bad("OFFSET_INVALID"));
    }
    let divides = precise || limit > 0 && CHUNK % limit == 0;
    if !(1..=CHUNK).contains(&limit)
        || limit % step != 0
        || !divides
        || offset / CHUNK != (offset + limit - 1) / CHUNK
    {
        return Err(bad("LIMIT_INVALID"));
    }
    Ok((start, usize::try_from(limit).unwrap_or(0)))
}

/// `upload.getFile`: a part, or the CDN that has it.
pub(super) fn get_file(
    call: &mut Call<'_>,
    request: functions::upload::GetFile,
) -> RpcResult<enums::upload::File> {
    let (offset, limit) = check_range(request.offset, request.limit, request.precise)?;
    let located = locate(call, &request.location)?;
    if request.cdn_supported
        && let Some(redirect) = cdn::redirect(call, &located, offset)?
    {
        return Ok(redirect);
    }
    let bytes = call.world.files.read(&located.name, offset, limit);
    let bytes = bytes.map_err(|error| unkept(&error))?;
    Ok(types::upload::File {
        type_: located.kind,
        mtime: located.date,
        bytes: bytes.into(),
    }
    .into())
}

/// `upload.getFileHashes`.
pub(super) fn get_file_hashes(
    call: &mut Call<'_>,
    request: functions::upload::GetFileHashes,
) -> RpcResult<Vec<enums::FileHash>> {
    let offset = u64::try_from(request.offset).map_err(|_| bad("OFFSET_INVALID"))?;
    let located = locate(call, &request.location)?;
    let hashes = call
        .world
        .files
        .hashes(&located.name, offset, HASHES_AT_ONCE);
    Ok(to_tl(hashes.map_err(|error| unkept(&error))?))
}

/// As clients are told the hashes of windows.
pub(super) fn to_tl(hashes: Vec<(u64, u32, [u8; 32])>) -> Vec<enums::FileHash> {
    let one = |(offset, limit, hash): (u64, u32, [u8; 32])| {
        types::FileHash {
            offset: i64::try_from(offset).unwrap_or(i64::MAX),
            limit: i32::try_from(limit).unwrap_or(i32::MAX),
            hash: hash.to_vec().into(),
        }
        .into()
    };
    hashes.into_iter().map(one).collect()
}

/// As clients are told what kind of file they get.
pub(super) fn file_type(mime_type: &str) -> enums::storage::FileType {
    use enums::storage::FileType;
    match mime_type {
        "image/jpeg" => FileType::FileJpeg,
        "image/gif" => FileType::FileGif,
        "image/png" => FileType::FilePng,
        "image/webp" => FileType::FileWebp,
        "application/pdf" => FileType::FilePdf,
        "audio/mpeg" => FileType::FileMp3,
        "video/quicktime" => FileType::FileMov,
        "video/mp4" => FileType::FileMp4,
        _ => FileType::FileUnknown,
    }
}

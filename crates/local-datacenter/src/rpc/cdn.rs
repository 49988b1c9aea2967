//! Files that are served by a CDN, and verified by hashes that the CDN cannot choose.
//!
//! See <https://core.telegram.org/cdn>.

use actogram_crypto::ctr::Ctr256;
use actogram_tl as tl;
use tl::{Function as _, enums, functions, types};

use super::call::{Call, CallContext};
use super::errors::{RpcError, RpcResult, bad};
use super::uploads::{self, HASHES_AT_ONCE, Located, check_range, unkept};
use crate::files::BlobName;
use crate::model::{CdnLie, Role, World};

const FILE_TOKEN_INVALID: RpcError = bad("FILE_TOKEN_INVALID");

/// What CDNs answer: nothing but `upload.getCdnFile`.
pub(super) fn check_method(context: &CallContext, id: u32) -> RpcResult<()> {
    let at_cdn = context.role == Role::Cdn;
    match (at_cdn, id == functions::upload::GetCdnFile::ID) {
        (true, false) => Err(bad("CDN_METHOD_INVALID")),
        (false, true) => Err(bad("METHOD_INVALID")),
        _ => Ok(()),
    }
}

impl World {
    /// Tells the world the RSA keys of its CDNs in PEM, by number.
    pub(crate) fn set_cdn_keys(&mut self, keys: Vec<(i32, String)>) {
        self.cdn.keys = keys;
    }

    /// Replaces one of them; tells whether there is such a CDN.
    pub(crate) fn renew_cdn_key(&mut self, dc_id: i32, pem: String) -> bool {
        let mut keys = self.cdn.keys.iter_mut();
        let known = keys.find(|(id, _)| *id == dc_id);
        known.map(|(_, told)| *told = pem).is_some()
    }
}

fn hashes(call: &mut Call<'_>, name: &BlobName, offset: u64) -> RpcResult<Vec<enums::FileHash>> {
    let copy = call.world.cdn.copies.get_mut(name);
    let lie = copy
        .and_then(|copy| copy.take_lie(|lie| matches!(lie, CdnLie::WrongHash | CdnLie::NoHash)));
    if lie == Some(CdnLie::NoHash) {
        return Ok(Vec::new());
    }
    let hashes = call.world.files.hashes(name, offset, HASHES_AT_ONCE);
    let mut hashes = hashes.map_err(|error| unkept(&error))?;
    if lie == Some(CdnLie::WrongHash) {
        for (_, _, hash) in &mut hashes {
            hash[0] ^= 1;
        }
    }
    Ok(uploads::to_tl(hashes))
}

/// Where the caller shall fetch a file instead, if a CDN has it.
pub(super) fn redirect(
    call: &mut Call<'_>,
    located: &Located,
    offset: u64,
) -> RpcResult<Option<enums::upload::File>> {
    let Some(copy) = call.world.cdn.copies.get_mut(&located.name) else {
        return Ok(None);
    };
    copy.told_by = Some(call.dc_id);
    let mut told = types::upload::FileCdnRedirect {
        dc_id: copy.dc_id,
        file_token: copy.token.clone().into(),
        encryption_key: copy.key.to_vec().into(),
        encryption_iv: copy.iv.to_vec().into(),
        file_hashes: Vec::new(),
    };
    let lie = copy.take_lie(|lie| {
        matches!(
            lie,
            CdnLie::ShortKey | CdnLie::ShortIv | CdnLie::RedirectTo(_)
        )
    });
    match lie {
        Some(CdnLie::ShortKey) => told.encryption_key.truncate(31),
        Some(CdnLie::ShortIv) => told.encryption_iv.truncate(15),
        Some(CdnLie::RedirectTo(dc_id)) => told.dc_id = dc_id,
        _ => {}
    }
    told.file_hashes = hashes(call, &located.name, offset)?;
    Ok(Some(told.into()))
}

/// `upload.getCdnFile`: a part, encrypted with the key that only the datacenter and the client know.
pub(super) fn get_cdn_file(
    call: &mut Call<'_>,
    request: functions::upload::GetCdnFile,
) -> RpcResult<enums::upload::CdnFile> {
    let (offset, limit) = check_range(request.offset, request.limit, false)?;
    let dc_id = call.dc_id;
    let World {
        cdn, files, random, ..
    } = &mut *call.world;
    let copy = cdn
        .by_token(&request.file_token)
        .filter(|copy| copy.dc_id == dc_id)
        .ok_or(FILE_TOKEN_INVALID)?;
    if !copy.is_there {
        return Ok(types::upload::CdnFileReuploadNeeded {
            request_token: copy.request(offset, &mut **random).into(),
        }
        .into());
    }
    let bytes = files.read(&copy.name, offset, limit);
    let mut bytes = bytes.map_err(|error| unkept(&error))?;
    let lie = copy.take_lie(|lie| {
        matches!(
            lie,
            CdnLie::WrongBytes | CdnLie::ShortPart | CdnLie::LongPart | CdnLie::EndlessFile
        )
    });
    match lie {
        Some(CdnLie::ShortPart) => bytes.truncate(bytes.len() / 2),
        Some(CdnLie::LongPart) => bytes.resize(limit + 16, 0),
        Some(CdnLie::EndlessFile) => bytes.resize(limit, 0),
        _ => {}
    }
    // Offsets of parts are multiples of 4 KiB, and files end before 2³² blocks.
    let block = u32::try_from(offset / 16).map_err(|_| bad("OFFSET_INVALID"))?;
    Ctr256::at_cdn_block(&copy.key, &copy.iv, block).apply(&mut bytes);
    if lie == Some(CdnLie::WrongBytes)
        && let Some(byte) = bytes.first_mut()
    {
        *byte ^= 1;
    }
    Ok(types::upload::CdnFile {
        bytes: bytes.into(),
    }
    .into())
}

/// The file of a token that was told at this datacenter.
fn named(call: &mut Call<'_>, token: &[u8]) -> RpcResult<BlobName> {
    call.me()?;
    let dc_id = call.dc_id;
    let copy = call.world.cdn.by_token(token);
    let copy = copy.filter(|copy| copy.told_by == Some(dc_id));
    Ok(copy.ok_or(FILE_TOKEN_INVALID)?.name.clone())
}

/// `upload.getCdnFileHashes`: asked at the datacenter that redirected, for a CDN vouches for nothing.
pub(super) fn get_cdn_file_hashes(
    call: &mut Call<'_>,
    request: functions::upload::GetCdnFileHashes,
) -> RpcResult<Vec<enums::FileHash>> {
    let offset = u64::try_from(request.offset).map_err(|_| bad("OFFSET_INVALID"))?;
    let name = named(call, &request.file_token)?;
    hashes(call, &name, offset)
}

/// `upload.reuploadCdnFile`: the CDN gets what it asked for; the answer is the hashes of that.
pub(super) fn reupload_cdn_file(
    call: &mut Call<'_>,
    request: functions::upload::ReuploadCdnFile,
) -> RpcResult<Vec<enums::FileHash>> {
    let name = named(call, &request.file_token)?;
    let copy = call.world.cdn.copies.get_mut(&name);
    let asked = copy.and_then(|copy| copy.upload(&request.request_token));
    let offset = asked.ok_or(bad("REQUEST_TOKEN_INVALID"))?;
    hashes(call, &name, offset)
}

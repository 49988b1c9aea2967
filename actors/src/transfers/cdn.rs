//! Files that the datacenter has put at a CDN, which is trusted with nothing: what comes from there is encrypted with a key
//! that it does not know, and compared with hashes that it cannot choose.
//!
//! See <https://core.telegram.org/cdn>.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use actogram_crypto::{ctr::Ctr256, sha::sha256};
use actogram_tl::{Function, enums, functions, types};
use bytes::{Bytes, BytesMut};
use tokio::time::timeout;

use super::{
    TransferError,
    call::{call, decode},
    plan::Part,
};
use crate::{
    api::CallPolicy,
    error::CallError,
    satellites::{Purpose, Site},
    shared::Shared,
};

/// How long a CDN may take to be reached and to answer. Its datacenter has the file, too.
const PATIENCE: Duration = Duration::from_secs(20);

/// A CDN that says again and again that it does not have the file is not asked any more.
const MOST_UPLOADS: u32 = 3;

/// A file at a CDN.
pub(crate) struct CdnFile {
    dc: i32,
    token: Bytes,
    key: [u8; 32],
    iv: [u8; 16],
    /// By where they begin: the length of a window, and its hash.
    hashes: Mutex<BTreeMap<u64, (u64, Bytes)>>,
}

/// Why a part does not come from the CDN. The datacenter itself has it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CdnFault {
    /// The redirect is none.
    #[error("the redirect has a {what} of {got} bytes")]
    Redirect {
        /// Which field.
        what: &'static str,
        /// Its length.
        got: usize,
    },
    /// What came has another hash, or none that would tell.
    #[error("what came from the CDN for {0} has another hash, or none")]
    Hash(u64),
    /// Fewer or more bytes than the file has there.
    #[error("the CDN gave {got} bytes where the file has {expected}")]
    Length {
        /// So many came.
        got: usize,
        /// So many there should be.
        expected: u64,
    },
    /// It does not answer.
    #[error("the CDN has not answered within {PATIENCE:?}")]
    Silent,
    /// It says so again and again.
    #[error("the CDN goes on to say that it does not have the file")]
    NotThere,
    /// A call failed.
    #[error(transparent)]
    Call(#[from] TransferError),
}

impl CdnFile {
    /// What a redirect tells.
    pub(super) fn of(redirect: types::upload::FileCdnRedirect) -> Result<Self, CdnFault> {
        let wrong = |what, bytes: &[u8]| CdnFault::Redirect {
            what,
            got: bytes.len(),
        };
        let key = &redirect.encryption_key[..];
        let iv = &redirect.encryption_iv[..];
        let file = Self {
            dc: redirect.dc_id,
            key: key.try_into().map_err(|_| wrong("key", key))?,
            iv: iv
                .try_into()
                .map_err(|_| wrong("initialization vector", iv))?,
            token: redirect.file_token,
            hashes: Mutex::default(),
        };
        file.note(redirect.file_hashes);
        Ok(file)
    }

    fn note(&self, hashes: Vec<enums::FileHash>) {
        let mut known = self.hashes.lock().unwrap_or_else(PoisonError::into_inner);
        for hash in hashes {
            let enums::FileHash::FileHash(hash) = hash;
            if let (Ok(offset), Ok(length)) =
                (u64::try_from(hash.offset), u64::try_from(hash.limit))
                && length > 0
            {
                known.insert(offset, (length, hash.hash));
            }
        }
    }

    fn hash_at(&self, offset: u64) -> Option<(u64, Bytes)> {
        let known = self.hashes.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&offset).cloned()
    }

    /// A part, as the file has it. `origin`: the datacenter that sent us here; `expected`: how many bytes there are, if that
    /// is known.
    pub(super) async fn part(
        &self,
        shared: &Arc<Shared>,
        origin: i32,
        part: Part,
        expected: Option<u64>,
    ) -> Result<Bytes, CdnFault> {
        for _ in 0..MOST_UPLOADS {
            let function = functions::upload::GetCdnFile {
                file_token: self.token.clone(),
                offset: i64::try_from(part.offset).unwrap_or(i64::MAX),
                limit: i32::try_from(part.limit).unwrap_or(i32::MAX),
            };
            let answer = timeout(PATIENCE, call_cdn(shared, self.dc, &function)).await;
            match answer.map_err(|_| CdnFault::Silent)?? {
                enums::upload::CdnFile::CdnFile(file) => {
                    let got = file.bytes.len();
                    let expected = expected.unwrap_or(got as u64);
                    if got as u64 != expected || expected > u64::from(part.limit) {
                        return Err(CdnFault::Length { got, expected });
                    }
                    let bytes = self.decrypted(part, &file.bytes)?;
                    self.compare(shared, origin, part, &bytes).await?;
                    return Ok(bytes);
                }
                enums::upload::CdnFile::CdnFileReuploadNeeded(needed) => {
                    let function = functions::upload::ReuploadCdnFile {
                        file_token: self.token.clone(),
                        request_token: needed.request_token,
                    };
                    self.note(call(shared, origin, &function).await?);
                }
            }
        }
        Err(CdnFault::NotThere)
    }

    fn decrypted(&self, part: Part, bytes: &[u8]) -> Result<Bytes, CdnFault> {
        let block = u32::try_from(part.offset / 16).map_err(|_| CdnFault::Hash(part.offset))?;
        let mut plain = BytesMut::from(bytes);
        Ctr256::at_cdn_block(&self.key, &self.iv, block).apply(&mut plain);
        Ok(plain.freeze())
    }

    /// Every byte must lie in a window whose hash is right.
    async fn compare(
        &self,
        shared: &Arc<Shared>,
        origin: i32,
        part: Part,
        bytes: &[u8],
    ) -> Result<(), CdnFault> {
        let end = part.offset + bytes.len() as u64;
        let mut at = part.offset;
        while at < end {
            let hash = match self.hash_at(at) {
                Some(hash) => Some(hash),
                None => {
                    let function = functions::upload::GetCdnFileHashes {
                        file_token: self.token.clone(),
                        offset: i64::try_from(at).unwrap_or(i64::MAX),
                    };
                    self.note(call(shared, origin, &function).await?);
                    self.hash_at(at)
                }
            };
            let (length, hash) = hash.ok_or(CdnFault::Hash(at))?;
            let from = usize::try_from(at - part.offset).unwrap_or(usize::MAX);
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            let window = bytes.get(from..from.saturating_add(length));
            let right = window.is_some_and(|window| sha256(window)[..] == hash[..]);
            if !right {
                return Err(CdnFault::Hash(at));
            }
            at += length as u64;
        }
        Ok(())
    }
}

async fn call_cdn<F: Function>(
    shared: &Arc<Shared>,
    dc: i32,
    function: &F,
) -> Result<F::Response, TransferError> {
    let failed = |source: CallError| TransferError::Call {
        method: F::NAME,
        source,
    };
    shared.learn_cdn_keys(dc).await.map_err(failed)?;
    let site = Site {
        dc,
        purpose: Purpose::Cdn,
    };
    let policy = CallPolicy::default().cancel_on_drop();
    let answer = shared.call_at(site, function.to_bytes(), policy).await;
    decode::<F>(answer)
}

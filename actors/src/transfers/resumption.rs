//! Uploads that are gone on with: by the next process after a kill, and where the datacenter has lost a part.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use actogram_store::{UploadRecord, Write};

use super::UPLOAD_PART;
use crate::shared::Shared;

/// Parts that nobody asks for stay with the datacenter for minutes to hours
/// (<https://core.telegram.org/api/files#uploading-files>): in seconds, how long they are believed to be there. Those that are
/// not are named by it when the file is sent.
const KEPT: i64 = 3600;

/// Which parts of a file the datacenter has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Parts(Vec<u8>);

impl Parts {
    /// All but this one, of so many.
    pub(super) fn all_but(missing: i32, total: i32) -> Self {
        let mut parts = Self::default();
        for part in (0..total).filter(|part| *part != missing) {
            parts.insert(part);
        }
        parts
    }

    fn place(part: i32) -> Option<(usize, u8)> {
        let part = usize::try_from(part).ok()?;
        Some((part / 8, 1 << (part % 8)))
    }

    pub(super) fn contains(&self, part: i32) -> bool {
        let bits = |(at, bit): (usize, u8)| self.0.get(at).is_some_and(|byte| byte & bit != 0);
        Self::place(part).is_some_and(bits)
    }

    pub(super) fn insert(&mut self, part: i32) {
        let Some((at, bit)) = Self::place(part) else {
            return;
        };
        if self.0.len() <= at {
            self.0.resize(at + 1, 0);
        }
        if let Some(byte) = self.0.get_mut(at) {
            *byte |= bit;
        }
    }

    fn count(&self) -> u32 {
        self.0.iter().map(|byte| byte.count_ones()).sum()
    }
}

/// Files whose uploads are under way: of two at once, the second is on its own.
#[derive(Debug, Clone, Default)]
pub(crate) struct Uploads(Arc<Mutex<BTreeSet<Arc<str>>>>);

impl Uploads {
    fn begin(&self, path: &Arc<str>) -> bool {
        let mut paths = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        paths.insert(path.clone())
    }

    fn end(&self, path: &str) {
        let mut paths = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        paths.remove(path);
    }
}

/// Keeps in the store which parts are uploaded, as long as it is there.
pub(crate) struct Keeper {
    shared: Arc<Shared>,
    pub(super) path: Arc<str>,
    pub(super) file_id: i64,
    size: u64,
    modified: i64,
    pub(super) parts: Parts,
}

impl Keeper {
    /// For a file that has a path and several parts, unless it is being uploaded already. What the store knows of it is gone
    /// on with, if the file is the same.
    pub(crate) async fn find(
        shared: &Arc<Shared>,
        identity: Option<(Arc<str>, i64)>,
        size: Option<u64>,
    ) -> Option<Self> {
        let (path, modified) = identity?;
        let size = size.filter(|size| *size > UPLOAD_PART as u64)?;
        if !shared.uploads.begin(&path) {
            return None;
        }
        let mut keeper = Self {
            shared: shared.clone(),
            path: path.clone(),
            file_id: shared.random_id(),
            size,
            modified,
            parts: Parts::default(),
        };
        // What the store cannot tell is not worth failing for.
        let record = shared.store.upload(path).await.ok().flatten();
        if let Some(record) = record.filter(|record| keeper.is_continued(record)) {
            keeper.file_id = record.file_id;
            keeper.parts = Parts(record.parts.to_vec());
            tracing::info!(parts = keeper.parts.count(), "an upload is gone on with");
        }
        Some(keeper)
    }

    fn is_continued(&self, record: &UploadRecord) -> bool {
        let same = (record.size, record.modified) == (self.size, self.modified);
        let age = self.shared.now().unix_seconds().abs_diff(record.touched);
        // What this process has uploaded as a whole may be sent by now, which can be done once.
        let total = self.size.div_ceil(UPLOAD_PART as u64);
        let whole = u64::from(Parts(record.parts.to_vec()).count()) >= total;
        let sent = whole && record.process == self.shared.process;
        same && age <= KEPT.unsigned_abs() && !sent
    }

    /// The datacenter has this part.
    pub(super) fn note(&mut self, part: i32) {
        self.parts.insert(part);
        let record = UploadRecord {
            file_id: self.file_id,
            size: self.size,
            modified: self.modified,
            touched: self.shared.now().unix_seconds(),
            process: self.shared.process,
            parts: self.parts.0.as_slice().into(),
        };
        self.shared.store.write(Write::Upload {
            path: self.path.clone(),
            record: Some(record),
        });
    }

    /// The file has changed: what was uploaded of it is of no use.
    pub(super) fn forget(&self) {
        forget(&self.shared, &self.path);
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.shared.uploads.end(&self.path);
    }
}

/// The file was sent, or is to be uploaded anew.
pub(crate) fn forget(shared: &Shared, path: &Arc<str>) {
    shared.store.write(Write::Upload {
        path: path.clone(),
        record: None,
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn parts_are_a_set(inserted in proptest::collection::btree_set(0_i32..8000, 0..50)) {
            let mut parts = Parts::default();
            for part in &inserted {
                parts.insert(*part);
                parts.insert(*part);
            }
            prop_assert_eq!(parts.count() as usize, inserted.len());
            for part in -3..8010 {
                prop_assert_eq!(parts.contains(part), inserted.contains(&part));
            }
        }

        #[test]
        fn all_but_one_lacks_one(total in 1_i32..8000, missing in 0_i32..8000) {
            let parts = Parts::all_but(missing, total);
            let lacks = (0..total).filter(|part| !parts.contains(*part)).collect::<Vec<_>>();
            prop_assert_eq!(lacks, (0..total).filter(|part| *part == missing).collect::<Vec<_>>());
        }
    }
}

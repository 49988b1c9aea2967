//! Orders about files at CDNs.

use super::{Operator, OperatorError};
use crate::files::BlobName;
use crate::model::{CdnCopy, CdnLie, Role, World};

/// The bytes that belong to a document or photo, its thumbnails aside.
fn names(world: &World, file: i64) -> Result<Vec<BlobName>, OperatorError> {
    let document = world.state.documents.get(&file);
    if document.is_some_and(|document| document.kept) {
        return Ok(vec![BlobName::of(file)]);
    }
    let photo = world.state.photos.get(&file);
    let photo = photo.ok_or(OperatorError::Unknown { id: file })?;
    let sizes = photo.sizes.iter();
    Ok(sizes
        .map(|size| BlobName::sized(file, &size.kind))
        .collect())
}

impl Operator {
    /// Lets a CDN serve a document or photo that has bytes: `upload.getFile` answers `fileCdnRedirect` to clients that
    /// support it. The CDN does not have the file before somebody asked for it and brought it there by
    /// `upload.reuploadCdnFile`. Ends with the process.
    ///
    /// # Errors
    /// [`OperatorError::Cdn`] if there is no such CDN, [`OperatorError::Unknown`].
    pub fn serve_by_cdn(&self, file: i64, dc_id: i32) -> Result<(), OperatorError> {
        self.act(|world, _| {
            let mut all = world.datacenters.iter().map(|address| address.endpoint);
            let is_one = all.any(|it| it.dc_id == dc_id && it.role == Role::Cdn);
            if !is_one {
                return Err(OperatorError::Cdn { dc_id });
            }
            for name in names(world, file)? {
                let copy = CdnCopy::new(dc_id, name.clone(), &mut *world.random);
                world.cdn.copies.insert(name, copy);
            }
            Ok(())
        })
    }

    /// Serves a file from its datacenter alone again: the tokens of clients under way get `FILE_TOKEN_INVALID`.
    ///
    /// # Errors
    /// [`OperatorError::Unknown`].
    pub fn serve_without_cdn(&self, file: i64) -> Result<(), OperatorError> {
        self.act(|world, _| {
            for name in names(world, file)? {
                world.cdn.copies.remove(&name);
            }
            Ok(())
        })
    }

    fn copies(
        &self,
        file: i64,
        order: impl Fn(&mut CdnCopy, &mut dyn actogram_crypto::random::Random),
    ) -> Result<(), OperatorError> {
        self.act(|world, _| {
            let names = names(world, file)?;
            let World { cdn, random, .. } = world;
            let mut found = false;
            for (_, copy) in cdn
                .copies
                .iter_mut()
                .filter(|(name, _)| names.contains(name))
            {
                order(copy, &mut **random);
                found = true;
            }
            found
                .then_some(())
                .ok_or(OperatorError::Unknown { id: file })
        })
    }

    /// Renames a file at its CDN: the token of clients under way gets `FILE_TOKEN_INVALID`, and a new redirect leads on.
    ///
    /// # Errors
    /// [`OperatorError::Unknown`] if no CDN serves it.
    pub fn renew_cdn_token(&self, file: i64) -> Result<(), OperatorError> {
        self.copies(file, |copy, random| copy.renew(random))
    }

    /// Lets the CDN forget a file: the next part that is asked for gets `cdnFileReuploadNeeded`.
    ///
    /// # Errors
    /// [`OperatorError::Unknown`] if no CDN serves it.
    pub fn forget_at_cdn(&self, file: i64) -> Result<(), OperatorError> {
        self.copies(file, |copy, _| copy.is_there = false)
    }

    /// The next `times` answers about a file at a CDN to which a lie belongs tell it.
    ///
    /// # Errors
    /// [`OperatorError::Unknown`] if no CDN serves it.
    pub fn lie_about_cdn_file(
        &self,
        file: i64,
        lie: CdnLie,
        times: u32,
    ) -> Result<(), OperatorError> {
        self.copies(file, |copy, _| copy.lie(lie, times))
    }
}

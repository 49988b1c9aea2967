//! Files by reference: everybody is told an access hash and a file reference of their own.
//!
//! See <https://core.telegram.org/api/file_reference>.

use actogram_tl as tl;
use tl::{enums, types};

use super::call::Call;
use super::errors::{RpcResult, bad};
use super::view::{View, hash, stored};
use crate::model::{Document, Message, State, UserId};

fn object(document: &Document) -> types::Document {
    let name = types::DocumentAttributeFilename {
        file_name: document.name.clone(),
    };
    types::Document::new(
        document.id,
        0,
        Vec::new().into(),
        document.date,
        document.mime_type.clone(),
        document.size,
        2,
        vec![name.into()],
    )
}

/// As it is kept with a message: without what differs from reader to reader.
pub(super) fn to_keep(document: &Document) -> enums::Document {
    object(document).into()
}

fn access_hash(state: &State, viewer: UserId, document: i64) -> i64 {
    hash(state, b"document", viewer, document)
}

/// Good until all references are declared void.
fn reference(state: &State, viewer: UserId, document: i64) -> Vec<u8> {
    let epoch = state.reference_epoch.to_le_bytes();
    let proof = hash(
        state,
        &[b"reference", &epoch[..]].concat(),
        viewer,
        document,
    );
    [&epoch[..], &proof.to_le_bytes()].concat()
}

/// How `viewer` names a file.
pub(crate) fn input_document(state: &State, viewer: UserId, document: i64) -> types::InputDocument {
    types::InputDocument {
        id: document,
        access_hash: access_hash(state, viewer, document),
        file_reference: reference(state, viewer, document).into(),
    }
}

/// The file that the caller names.
pub(super) fn named<'c>(
    call: &'c Call<'_>,
    input: &enums::InputDocument,
) -> RpcResult<&'c Document> {
    let me = call.me()?;
    let enums::InputDocument::InputDocument(input) = input else {
        return Err(bad("MEDIA_EMPTY"));
    };
    let state = &call.world.state;
    let document = state.documents.get(&input.id);
    let document = document
        .filter(|document| input.access_hash == access_hash(state, me, document.id))
        .ok_or(bad("DOCUMENT_INVALID"))?;
    if input.file_reference.is_empty() {
        return Err(bad("FILE_REFERENCE_EMPTY"));
    }
    if input.file_reference[..] != reference(state, me, document.id)[..] {
        return Err(bad("FILE_REFERENCE_EXPIRED"));
    }
    Ok(document)
}

impl View<'_> {
    /// A message's media as the viewer sees them.
    pub(super) fn media(&self, message: &Message) -> Option<enums::MessageMedia> {
        let mut media: enums::MessageMedia = stored(message.media.as_ref())?;
        if let enums::MessageMedia::MessageMediaDocument(media) = &mut media
            && let Some(enums::Document::Document(document)) = &mut media.document
        {
            let named = input_document(self.state(), self.viewer(), document.id);
            document.access_hash = named.access_hash;
            document.file_reference = named.file_reference;
        }
        Some(media)
    }
}

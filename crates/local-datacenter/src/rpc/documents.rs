//! Files by reference: everybody is told an access hash and a file reference of their own.
//!
//! See <https://core.telegram.org/api/file_reference>.

use actogram_tl as tl;
use tl::{enums, types};

use super::call::Call;
use super::errors::{RpcResult, bad};
use super::photos;
use super::uploads::{Located, file_type, unkept};
use super::view::{View, hash, stored, to_store};
use crate::files::BlobName;
use crate::model::{Document, Event, Message, Picture, State, UserId};

/// Attributes of one document; a client that sends more means no good.
const MAX_ATTRIBUTES: usize = 10;
/// Bytes of a file's name; the rest is cut off.
const MAX_NAME: usize = 255;
/// The thumbnail that a client uploads beside its file.
const OWN_THUMBNAIL: &str = "m";

pub(super) fn picture(picture: &Picture) -> enums::PhotoSize {
    types::PhotoSize {
        type_: picture.kind.clone(),
        w: picture.width,
        h: picture.height,
        size: picture.size,
    }
    .into()
}

fn object(document: &Document) -> types::Document {
    let mut attributes: Vec<enums::DocumentAttribute> =
        stored(document.attributes.as_ref()).unwrap_or_default();
    if !document.name.is_empty() {
        let name = types::DocumentAttributeFilename {
            file_name: document.name.clone(),
        };
        attributes.push(name.into());
    }
    let mut object = types::Document::new(
        document.id,
        0,
        Vec::new().into(),
        document.date,
        document.mime_type.clone(),
        document.size,
        document.dc,
        attributes,
    );
    if !document.thumbs.is_empty() {
        object.thumbs = Some(document.thumbs.iter().map(picture).collect());
    }
    object
}

/// As it is kept with a message: without what differs from reader to reader.
pub(super) fn to_keep(document: &Document) -> enums::Document {
    object(document).into()
}

fn access_hash(state: &State, viewer: UserId, document: i64) -> i64 {
    hash(state, b"document", viewer, document)
}

/// Good until all references are declared void.
pub(super) fn reference(state: &State, viewer: UserId, file: i64) -> Vec<u8> {
    let epoch = state.reference_epoch.to_le_bytes();
    let proof = hash(state, &[b"reference", &epoch[..]].concat(), viewer, file);
    [&epoch[..], &proof.to_le_bytes()].concat()
}

/// Whether a reference is the one this viewer was told last.
pub(super) fn check_reference(
    state: &State,
    viewer: UserId,
    file: i64,
    given: &[u8],
) -> RpcResult<()> {
    if given.is_empty() {
        return Err(bad("FILE_REFERENCE_EMPTY"));
    }
    if given != reference(state, viewer, file) {
        return Err(bad("FILE_REFERENCE_EXPIRED"));
    }
    Ok(())
}

/// How `viewer` names a file.
pub(crate) fn input_document(state: &State, viewer: UserId, document: i64) -> types::InputDocument {
    types::InputDocument {
        id: document,
        access_hash: access_hash(state, viewer, document),
        file_reference: reference(state, viewer, document).into(),
    }
}

fn known<'c>(call: &'c Call<'_>, id: i64, hash: i64) -> RpcResult<Option<&'c Document>> {
    let me = call.me()?;
    let state = &call.world.state;
    let document = state.documents.get(&id);
    Ok(document.filter(|document| hash == access_hash(state, me, document.id)))
}

/// The file that the caller names.
pub(super) fn named<'c>(
    call: &'c Call<'_>,
    input: &enums::InputDocument,
) -> RpcResult<&'c Document> {
    let enums::InputDocument::InputDocument(input) = input else {
        return Err(bad("MEDIA_EMPTY"));
    };
    let document = known(call, input.id, input.access_hash)?.ok_or(bad("DOCUMENT_INVALID"))?;
    check_reference(
        &call.world.state,
        call.me()?,
        document.id,
        &input.file_reference,
    )?;
    Ok(document)
}

/// Where the bytes are that the caller names.
pub(super) fn locate(
    call: &Call<'_>,
    location: &types::InputDocumentFileLocation,
) -> RpcResult<Located> {
    let document = known(call, location.id, location.access_hash)?.ok_or(bad("FILE_ID_INVALID"))?;
    check_reference(
        &call.world.state,
        call.me()?,
        document.id,
        &location.file_reference,
    )?;
    if !document.kept {
        return Err(bad("LOCATION_INVALID"));
    }
    let (name, kind) = if location.thumb_size.is_empty() {
        (BlobName::of(document.id), file_type(&document.mime_type))
    } else {
        let mut thumbs = document.thumbs.iter();
        thumbs
            .find(|thumb| thumb.kind == location.thumb_size)
            .ok_or(bad("LOCATION_INVALID"))?;
        let name = BlobName::sized(document.id, &location.thumb_size);
        (name, file_type("image/jpeg"))
    };
    Ok(Located {
        name,
        dc: document.dc,
        date: document.date,
        kind,
    })
}

/// A file of what a client has uploaded.
pub(super) fn uploaded(
    call: &mut Call<'_>,
    media: &types::InputMediaUploadedDocument,
) -> RpcResult<Document> {
    if media.attributes.len() > MAX_ATTRIBUTES || media.mime_type.len() > MAX_NAME {
        return Err(bad("MEDIA_INVALID"));
    }
    let id = call.world.state.next_file_id();
    let (size, title) = call.take_upload(&media.file, &BlobName::of(id))?;
    let thumbs = match &media.thumb {
        None => Vec::new(),
        Some(thumb) => {
            photos::thumbnail(call, thumb, id, OWN_THUMBNAIL).inspect_err(|_| forget(call, id))?
        }
    };
    let mut name = title;
    let mut attributes = Vec::new();
    for attribute in &media.attributes {
        match attribute {
            enums::DocumentAttribute::DocumentAttributeFilename(named) => {
                name.clone_from(&named.file_name);
            }
            other => attributes.push(other.clone()),
        }
    }
    let document = Document {
        id,
        name: base_name(&name),
        mime_type: media.mime_type.clone(),
        size: i64::try_from(size).unwrap_or(i64::MAX),
        date: call.date(),
        dc: call.dc_id,
        kept: true,
        attributes: (!attributes.is_empty()).then(|| to_store(&attributes)),
        thumbs,
    };
    call.world.commit(Event::DocumentPut(document.clone()));
    Ok(document)
}

fn forget(call: &mut Call<'_>, id: i64) {
    if let Err(error) = call.world.files.remove(&BlobName::of(id)) {
        let _ = unkept(&error);
    }
}

/// Without directories, and of a length that file systems take.
fn base_name(name: &str) -> String {
    let mut name = name
        .rsplit(['/', '\\'])
        .next()
        .unwrap_or_default()
        .to_owned();
    while name.len() > MAX_NAME {
        name.pop();
    }
    name
}

impl View<'_> {
    /// A document as the viewer sees it.
    pub(super) fn own_document(&self, document: &mut types::Document) {
        let named = input_document(self.state(), self.viewer(), document.id);
        document.access_hash = named.access_hash;
        document.file_reference = named.file_reference;
        // Where it was when it was sent may not be where it is now.
        if let Some(kept) = self.state().documents.get(&document.id) {
            document.dc_id = kept.dc;
        }
    }

    /// Media as the viewer sees them.
    pub(super) fn own_media(&self, media: &mut enums::MessageMedia) {
        match media {
            enums::MessageMedia::MessageMediaDocument(media) => {
                if let Some(enums::Document::Document(document)) = &mut media.document {
                    self.own_document(document);
                }
            }
            enums::MessageMedia::MessageMediaPhoto(media) => {
                if let Some(enums::Photo::Photo(photo)) = &mut media.photo {
                    self.own_photo(photo);
                }
            }
            _ => {}
        }
    }

    /// A message's media as the viewer sees them.
    pub(super) fn media(&self, message: &Message) -> Option<enums::MessageMedia> {
        let mut media: enums::MessageMedia = stored(message.media.as_ref())?;
        self.own_media(&mut media);
        Some(media)
    }
}

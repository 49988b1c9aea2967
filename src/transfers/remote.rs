//! Files at Telegram.

use std::sync::Arc;

use actogram_actors::transfers::{DownloadSource, Refresh};
use actogram_tl::{enums, types};
use bytes::Bytes;

use super::{FileId, FileKind, FileTarget, Picture, file_name::sanitized, preview};
use crate::{Api, Error, Msg, PeerId, Result, Update};

/// Which of a document's or photo's pictures is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Size {
    /// The document itself, or the largest size of a photo.
    Whole,
    /// This one (<https://core.telegram.org/api/files#image-thumbnail-types>).
    Letter(String),
}

/// A photo or file at Telegram: of a [`Msg`], of an [`Update`] that brings one, or of the schema.
///
/// Its reference is good for some hours. Where it came with a message, that message is asked for anew once the reference turns
/// out to be too old.
#[derive(Debug, Clone)]
pub struct RemoteFile {
    media: Result<Held, String>,
    size: Size,
    origin: Option<(PeerId, i32)>,
}

#[derive(Debug, Clone)]
enum Held {
    Document(Box<types::Document>),
    Photo(Box<types::Photo>),
    Named(Box<FileId>),
}

impl RemoteFile {
    fn held(media: Result<Held, String>) -> Self {
        Self {
            media,
            size: Size::Whole,
            origin: None,
        }
    }

    /// The document's thumbnail, or the photo's size, of this letter: `s`, `m`, `x`, `y`, …
    pub fn thumbnail(mut self, letter: impl Into<String>) -> Self {
        self.size = Size::Letter(letter.into());
        self
    }

    /// The smallest preview, a JPEG of at most 40 × 40, to be shown while the file comes: it came with the message and costs no
    /// call (<https://core.telegram.org/api/files#stripped-thumbnails>). `None` if there is none.
    pub fn preview(&self) -> Option<Bytes> {
        self.pictures().iter().find_map(|size| match size {
            enums::PhotoSize::PhotoStrippedSize(size) => preview::jpeg(&size.bytes),
            _ => None,
        })
    }

    /// The outline of a sticker, to be shown while it comes: the `d` of an SVG path in a square of 512
    /// (<https://core.telegram.org/api/files#vector-thumbnails>). `None` if there is none.
    pub fn outline(&self) -> Option<String> {
        self.pictures().iter().find_map(|size| match size {
            enums::PhotoSize::PhotoPathSize(size) => Some(preview::outline(&size.bytes)),
            _ => None,
        })
    }

    fn pictures(&self) -> &[enums::PhotoSize] {
        match &self.media {
            Ok(Held::Document(document)) => document.thumbs.as_deref().unwrap_or_default(),
            Ok(Held::Photo(photo)) => &photo.sizes,
            Ok(Held::Named(_)) | Err(_) => &[],
        }
    }

    /// Its name, as the sender gave it or made of its id; safe to be used as one on this machine.
    pub fn name(&self) -> String {
        let name = match &self.media {
            Ok(Held::Document(document)) if self.size == Size::Whole => {
                let given = document.attributes.iter().find_map(|it| match it {
                    enums::DocumentAttribute::DocumentAttributeFilename(it) => Some(&it.file_name),
                    _ => None,
                });
                let given = given.filter(|name| !name.trim().is_empty());
                given.cloned().unwrap_or_else(|| {
                    let extension = extension_of(&document.mime_type);
                    format!("{}{extension}", document.id)
                })
            }
            Ok(Held::Document(document)) => format!("{}.jpg", document.id),
            Ok(Held::Photo(photo)) => format!("{}.jpg", photo.id),
            Ok(Held::Named(named)) => {
                format!("{}.{}", id_of_file(named), extension_of_kind(named.kind))
            }
            Err(_) => String::new(),
        };
        sanitized(&name)
    }

    /// What kind of file it is, as the sender said: `image/jpeg`.
    pub fn mime_type(&self) -> &str {
        match &self.media {
            Ok(Held::Document(document)) if self.size == Size::Whole => &document.mime_type,
            Ok(Held::Named(named)) if !named.kind.is_picture() => UNKNOWN,
            _ => "image/jpeg",
        }
    }

    /// How many bytes it has, if that is known.
    pub fn size(&self) -> Option<u64> {
        self.source().ok()?.size
    }

    /// Tells it apart from all others: what was downloaded of one is no beginning of another.
    pub(super) fn identity(&self) -> String {
        let id = match &self.media {
            Ok(Held::Document(document)) => document.id,
            Ok(Held::Photo(photo)) => photo.id,
            // Which picture of several it is, too.
            Ok(Held::Named(named)) => {
                return named.unique().unwrap_or_else(|| named.to_string());
            }
            Err(_) => 0,
        };
        let size = self.size().unwrap_or(0);
        match &self.size {
            Size::Whole => format!("{id:x}-{size:x}"),
            Size::Letter(letter) => format!("{id:x}-{}-{size:x}", sanitized(letter)),
        }
    }

    /// Its id in the Bot API's way: of the file, or of the thumbnail that was [asked for](Self::thumbnail). `None` if there
    /// is no file.
    pub fn file_id(&self) -> Option<FileId> {
        let letter_of = |sizes: Option<&[enums::PhotoSize]>| {
            let wanted = match &self.size {
                Size::Whole => None,
                Size::Letter(letter) => Some(letter.as_str()),
            };
            picture(sizes, wanted)?.0.chars().next()
        };
        let (kind, dc, reference, id, access_hash, picture) = match self.media.as_ref().ok()? {
            Held::Named(named) => return Some((**named).clone()),
            Held::Document(document) => {
                let of = kind_of(document);
                let (kind, picture) = match &self.size {
                    Size::Whole => (of, None),
                    Size::Letter(_) => {
                        let letter = letter_of(document.thumbs.as_deref())?;
                        (FileKind::Thumbnail, Some(Picture::Size { of, letter }))
                    }
                };
                let reference = &document.file_reference;
                let (id, access_hash) = (document.id, document.access_hash);
                (kind, document.dc_id, reference, id, access_hash, picture)
            }
            Held::Photo(photo) => {
                let letter = letter_of(Some(&photo.sizes))?;
                let of = FileKind::Photo;
                let picture = Some(Picture::Size { of, letter });
                let reference = &photo.file_reference;
                let (id, access_hash) = (photo.id, photo.access_hash);
                (of, photo.dc_id, reference, id, access_hash, picture)
            }
        };
        Some(FileId {
            kind,
            dc,
            reference: reference.clone(),
            target: FileTarget::Stored {
                id,
                access_hash,
                picture,
            },
        })
    }

    /// How it is asked for.
    fn source(&self) -> Result<DownloadSource> {
        let missing = |why: String| Error::argument("download", why);
        let held = self.media.as_ref();
        match held.map_err(|why| missing(why.clone()))? {
            Held::Document(document) => {
                let (letter, size) = match &self.size {
                    Size::Whole => (String::new(), u64::try_from(document.size).ok()),
                    Size::Letter(letter) => {
                        let found = picture(document.thumbs.as_deref(), Some(letter));
                        let (letter, size) = found.ok_or_else(|| {
                            missing(format!("the file has no thumbnail {letter:?}"))
                        })?;
                        (letter, Some(size))
                    }
                };
                Ok(DownloadSource::new(
                    types::InputDocumentFileLocation {
                        id: document.id,
                        access_hash: document.access_hash,
                        file_reference: document.file_reference.clone(),
                        thumb_size: letter,
                    }
                    .into(),
                    document.dc_id,
                    size,
                ))
            }
            Held::Named(named) => {
                if self.size != Size::Whole {
                    let why = "a file id names one file: its thumbnails have ids of their own";
                    return Err(missing(why.to_owned()));
                }
                let location = named.location();
                let location = location.map_err(|why| missing(why.to_string()))?;
                Ok(DownloadSource::new(location, named.dc, None))
            }
            Held::Photo(photo) => {
                let wanted = match &self.size {
                    Size::Whole => None,
                    Size::Letter(letter) => Some(letter.as_str()),
                };
                let (letter, size) = picture(Some(&photo.sizes), wanted)
                    .ok_or_else(|| missing(format!("the photo has no size {wanted:?}")))?;
                Ok(DownloadSource::new(
                    types::InputPhotoFileLocation {
                        id: photo.id,
                        access_hash: photo.access_hash,
                        file_reference: photo.file_reference.clone(),
                        thumb_size: letter,
                    }
                    .into(),
                    photo.dc_id,
                    Some(size),
                ))
            }
        }
    }

    /// How it is asked for, and asked for anew.
    pub(super) fn source_for(&self, api: &Api) -> Result<DownloadSource> {
        let mut source = self.source()?;
        if let Some((chat, message)) = self.origin {
            let (api, size) = (api.clone(), self.size.clone());
            let refresh: Refresh = Arc::new(move || {
                let (api, size) = (api.clone(), size.clone());
                Box::pin(async move {
                    let found = api.get_messages(chat, [message]).await;
                    let found = found.inspect_err(|error| {
                        tracing::warn!(%error, "the message a file came with cannot be asked for");
                    });
                    let mut file = Self::from(found.ok()?.first()?);
                    file.size = size;
                    Some(file.source().ok()?.location)
                })
            });
            source.refresh = Some(refresh);
        }
        Ok(source)
    }
}

/// The picture of this letter, or the largest; its letter and its length.
fn picture(sizes: Option<&[enums::PhotoSize]>, letter: Option<&str>) -> Option<(String, u64)> {
    use enums::PhotoSize as P;
    let pictures = sizes.unwrap_or_default().iter().filter_map(|size| {
        let (kind, length, width, height) = match size {
            P::PhotoSize(size) => (&size.type_, size.size, size.w, size.h),
            P::PhotoSizeProgressive(size) => (&size.type_, *size.sizes.last()?, size.w, size.h),
            _ => return None,
        };
        let pixels = i64::from(width) * i64::from(height);
        Some((kind, u64::try_from(length).ok()?, pixels))
    });
    let found = match letter {
        Some(letter) => pictures.into_iter().find(|(kind, ..)| *kind == letter),
        None => pictures.max_by_key(|(_, _, pixels)| *pixels),
    };
    found.map(|(kind, length, _)| (kind.clone(), length))
}

/// What it is, by what its sender said of it.
fn kind_of(document: &types::Document) -> FileKind {
    use enums::DocumentAttribute as A;
    let mut kind = FileKind::Document;
    for attribute in &document.attributes {
        kind = match attribute {
            A::DocumentAttributeSticker(_) | A::DocumentAttributeCustomEmoji(_) => {
                return FileKind::Sticker;
            }
            A::DocumentAttributeAnimated => return FileKind::Animation,
            A::DocumentAttributeVideo(video) if video.round_message => FileKind::VideoNote,
            A::DocumentAttributeVideo(_) => FileKind::Video,
            A::DocumentAttributeAudio(audio) if audio.voice => FileKind::VoiceNote,
            A::DocumentAttributeAudio(_) => FileKind::Audio,
            _ => continue,
        };
    }
    kind
}

fn id_of_file(named: &FileId) -> i64 {
    match &named.target {
        FileTarget::Stored { id, .. } => *id,
        FileTarget::Web { access_hash, .. } => *access_hash,
    }
}

/// What such files usually are: the id does not tell.
fn extension_of_kind(kind: FileKind) -> &'static str {
    match kind {
        FileKind::Video
        | FileKind::VideoNote
        | FileKind::Animation
        | FileKind::VideoStory
        | FileKind::SelfDestructingVideo
        | FileKind::SelfDestructingVideoNote => "mp4",
        FileKind::VoiceNote | FileKind::SelfDestructingVoiceNote => "oga",
        FileKind::Audio | FileKind::Ringtone => "mp3",
        FileKind::Sticker => "webp",
        kind if kind.is_picture() => "jpg",
        _ => "bin",
    }
}

/// What a file is when nothing is said of it.
const UNKNOWN: &str = "application/octet-stream";

fn extension_of(mime_type: &str) -> String {
    let known = mime_guess::get_mime_extensions_str(mime_type);
    let first = known.and_then(|all| all.first());
    first.map(|it| format!(".{it}")).unwrap_or_default()
}

impl From<&enums::MessageMedia> for RemoteFile {
    fn from(media: &enums::MessageMedia) -> Self {
        use enums::MessageMedia as M;
        let held = match media {
            M::MessageMediaDocument(media) => match &media.document {
                Some(enums::Document::Document(document)) => Ok(Held::Document(document.clone())),
                _ => Err("the file is gone".to_owned()),
            },
            M::MessageMediaPhoto(media) => match &media.photo {
                Some(enums::Photo::Photo(photo)) => Ok(Held::Photo(photo.clone())),
                _ => Err("the photo is gone".to_owned()),
            },
            M::MessageMediaWebPage(media) => match &media.webpage {
                enums::WebPage::WebPage(page) => match (&page.document, &page.photo) {
                    (Some(enums::Document::Document(document)), _) => {
                        Ok(Held::Document(document.clone()))
                    }
                    (_, Some(enums::Photo::Photo(photo))) => Ok(Held::Photo(photo.clone())),
                    _ => Err("the preview has no photo or file".to_owned()),
                },
                _ => Err("the preview has no photo or file".to_owned()),
            },
            _ => Err("media of this kind have no photo or file".to_owned()),
        };
        Self::held(held)
    }
}

impl From<enums::MessageMedia> for RemoteFile {
    fn from(media: enums::MessageMedia) -> Self {
        Self::from(&media)
    }
}

impl From<FileId> for RemoteFile {
    fn from(named: FileId) -> Self {
        Self::held(Ok(Held::Named(Box::new(named))))
    }
}

impl From<types::Document> for RemoteFile {
    fn from(document: types::Document) -> Self {
        Self::held(Ok(Held::Document(Box::new(document))))
    }
}

impl From<types::Photo> for RemoteFile {
    fn from(photo: types::Photo) -> Self {
        Self::held(Ok(Held::Photo(Box::new(photo))))
    }
}

impl From<&Msg> for RemoteFile {
    fn from(message: &Msg) -> Self {
        let mut file = match message.media() {
            Some(media) => Self::from(media),
            None => {
                let why = format!("message {} has no photo or file", message.id());
                Self::held(Err(why))
            }
        };
        file.origin = Some((message.chat(), message.id()));
        file
    }
}

impl From<Msg> for RemoteFile {
    fn from(message: Msg) -> Self {
        Self::from(&message)
    }
}

impl From<&Update> for RemoteFile {
    fn from(update: &Update) -> Self {
        match update.message() {
            Some(message) => Self::from(&message),
            None => Self::held(Err("the update brings no message".to_owned())),
        }
    }
}

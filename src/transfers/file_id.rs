//! File ids of the Bot API, read and written: names of files that programs of every library give each other
//! (<https://core.telegram.org/bots/api#file>).
//!
//! The bytes within are not documented; what stands here is what TDLib, which the Bot API's server is built on, reads and
//! writes: a kind with flags, the datacenter, the file's reference, its id and access hash and, for pictures, which one of
//! several it is. Runs of zeros are packed, and everything is in base64 for URLs.

use std::{fmt, str::FromStr};

use actogram_tl::{DecodeError, Reader, Writer, enums, types};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;

use crate::{PeerId, peers::input_peer};

/// Flags beside the kind.
const WEB_LOCATION: i32 = 1 << 24;
const FILE_REFERENCE: i32 = 1 << 25;

/// The version that ids end with, and the one before it, whose steps are told by another byte.
const VERSION: u8 = 4;
const FORMER_VERSION: u8 = 2;

/// The step that is written, and those at which pictures began to be told otherwise.
const STEP: u8 = 54;
const WITH_SOURCE: u8 = 22;
const WITHOUT_VOLUME: u8 = 32;

/// No id is longer than this, packed or not.
const LONGEST: usize = 4096;

/// What kind of file an id is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the names are those of the Bot API and TDLib")]
pub enum FileKind {
    Thumbnail,
    ProfilePhoto,
    Photo,
    VoiceNote,
    Video,
    Document,
    Encrypted,
    Temporary,
    Sticker,
    Audio,
    Animation,
    EncryptedThumbnail,
    Wallpaper,
    VideoNote,
    SecureDecrypted,
    Secure,
    Background,
    DocumentAsFile,
    Ringtone,
    CallLog,
    PhotoStory,
    VideoStory,
    SelfDestructingPhoto,
    SelfDestructingVideo,
    SelfDestructingVideoNote,
    SelfDestructingVoiceNote,
}

/// In the order of their numbers.
const KINDS: [FileKind; 26] = [
    FileKind::Thumbnail,
    FileKind::ProfilePhoto,
    FileKind::Photo,
    FileKind::VoiceNote,
    FileKind::Video,
    FileKind::Document,
    FileKind::Encrypted,
    FileKind::Temporary,
    FileKind::Sticker,
    FileKind::Audio,
    FileKind::Animation,
    FileKind::EncryptedThumbnail,
    FileKind::Wallpaper,
    FileKind::VideoNote,
    FileKind::SecureDecrypted,
    FileKind::Secure,
    FileKind::Background,
    FileKind::DocumentAsFile,
    FileKind::Ringtone,
    FileKind::CallLog,
    FileKind::PhotoStory,
    FileKind::VideoStory,
    FileKind::SelfDestructingPhoto,
    FileKind::SelfDestructingVideo,
    FileKind::SelfDestructingVideoNote,
    FileKind::SelfDestructingVoiceNote,
];

impl FileKind {
    fn number(self) -> i32 {
        let at = KINDS.iter().position(|kind| *kind == self);
        at.and_then(|at| i32::try_from(at).ok()).unwrap_or(5)
    }

    fn of(number: i32) -> Option<Self> {
        KINDS.get(usize::try_from(number).ok()?).copied()
    }

    /// Whether it is a picture, of which there are several sizes; everything else is a document.
    pub fn is_picture(self) -> bool {
        matches!(
            self,
            Self::Thumbnail
                | Self::ProfilePhoto
                | Self::Photo
                | Self::EncryptedThumbnail
                | Self::Wallpaper
                | Self::PhotoStory
                | Self::SelfDestructingPhoto
        )
    }
}

/// Which picture it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Picture {
    /// By a secret, as until 2020. The datacenter gives none by it any more.
    Legacy {
        /// The secret.
        secret: i64,
        /// Volume and number in it.
        place: Option<(i64, i32)>,
    },
    /// A size of a photo, or a document's thumbnail.
    Size {
        /// What it is of.
        of: FileKind,
        /// Which one (<https://core.telegram.org/api/files#image-thumbnail-types>).
        letter: char,
    },
    /// A chat's or a person's photo.
    Dialog {
        /// Whose, as the Bot API numbers them.
        dialog: i64,
        /// Its access hash.
        access_hash: i64,
        /// The large one.
        big: bool,
        /// Volume and number in it, as until 2021.
        place: Option<(i64, i32)>,
    },
    /// A sticker set's thumbnail.
    StickerSet {
        /// The set.
        id: i64,
        /// Its access hash.
        access_hash: i64,
        /// Which version of it.
        version: Option<i32>,
        /// Volume and number in it, as until 2021.
        place: Option<(i64, i32)>,
    },
}

/// What an id names.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FileTarget {
    /// A file of the web.
    Web {
        /// Its address.
        url: String,
        /// The hash it may be asked for with.
        access_hash: i64,
    },
    /// A file at Telegram.
    Stored {
        /// Its id.
        id: i64,
        /// Its access hash. Each account has its own.
        access_hash: i64,
        /// Which picture; `None` for documents.
        picture: Option<Picture>,
    },
}

/// A file id of the Bot API.
///
/// It is good for the account that made it, and, for files that came with messages, as long as the datacenter takes the file
/// reference in it; then the message has to be asked for anew.
///
/// ```
/// use actogram::transfers::FileId;
///
/// let id: FileId = "BQACAgIAAwMBAgMB8gUqAQADs_________82BA".parse()?;
/// assert_eq!(id.to_string().parse::<FileId>()?, id);
/// # Ok::<(), actogram::transfers::FileIdError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct FileId {
    /// What kind of file.
    pub kind: FileKind,
    /// The datacenter that has it.
    pub dc: i32,
    /// The file reference (<https://core.telegram.org/api/file_reference>); empty if there is none.
    pub reference: Bytes,
    /// Which file.
    pub target: FileTarget,
}

/// Why a text is no file id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FileIdError {
    /// It is not in base64 for URLs, or too long.
    #[error("a file id is up to {LONGEST} characters A-Z, a-z, 0-9, - and _; this is none")]
    Encoding,
    /// It is of a version that is not known.
    #[error("file ids of version {0} are not known; 2 and 4 are")]
    Version(u8),
    /// It names a kind of file that is not known.
    #[error("kind {0} of files is not known")]
    Kind(i32),
    /// It ends too early, or what is in it makes no sense.
    #[error("the file id is cut off or damaged: {0}")]
    Damaged(String),
    /// What it names cannot be asked for so.
    #[error("{0}")]
    NotServed(&'static str),
}

impl From<DecodeError> for FileIdError {
    fn from(error: DecodeError) -> Self {
        Self::Damaged(error.to_string())
    }
}

fn pack(bytes: &[u8]) -> Vec<u8> {
    let mut packed = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((first, behind)) = rest.split_first() {
        if *first != 0 {
            packed.push(*first);
            rest = behind;
            continue;
        }
        let zeros = rest.iter().take(255).take_while(|byte| **byte == 0).count();
        packed.extend([0, zeros as u8]);
        rest = &rest[zeros..];
    }
    packed
}

fn unpack(packed: &[u8]) -> Result<Vec<u8>, FileIdError> {
    let mut bytes = Vec::with_capacity(packed.len() * 2);
    let mut packed = packed.iter();
    while let Some(byte) = packed.next() {
        if *byte != 0 {
            bytes.push(*byte);
            continue;
        }
        let zeros = packed.next().ok_or(FileIdError::Encoding)?;
        bytes.resize(bytes.len() + usize::from(*zeros), 0);
        if bytes.len() > LONGEST {
            return Err(FileIdError::Encoding);
        }
    }
    Ok(bytes)
}

impl FromStr for FileId {
    type Err = FileIdError;

    fn from_str(text: &str) -> Result<Self, FileIdError> {
        if text.len() > LONGEST {
            return Err(FileIdError::Encoding);
        }
        let packed = URL_SAFE_NO_PAD.decode(text.trim_end_matches('='));
        let bytes = unpack(&packed.map_err(|_| FileIdError::Encoding)?)?;
        let cut_off = || FileIdError::Damaged("there is no version".to_owned());
        let (version, bytes) = bytes.split_last().ok_or_else(cut_off)?;
        let (step, bytes) = match *version {
            FORMER_VERSION => (0, bytes),
            VERSION => {
                let (step, bytes) = bytes.split_last().ok_or_else(cut_off)?;
                (*step, bytes)
            }
            other => return Err(FileIdError::Version(other)),
        };
        Self::read(&mut Reader::new(Bytes::copy_from_slice(bytes)), step)
    }
}

impl FileId {
    fn read(reader: &mut Reader, step: u8) -> Result<Self, FileIdError> {
        let flagged = reader.get_i32()?;
        let number = flagged & !(WEB_LOCATION | FILE_REFERENCE);
        let kind = FileKind::of(number).ok_or(FileIdError::Kind(number))?;
        let dc = reader.get_i32()?;
        let reference = match flagged & FILE_REFERENCE {
            0 => Bytes::new(),
            _ => reader.get_bytes()?,
        };
        let target = if flagged & WEB_LOCATION != 0 {
            FileTarget::Web {
                url: reader.get_string()?,
                access_hash: reader.get_i64()?,
            }
        } else {
            let (id, access_hash) = (reader.get_i64()?, reader.get_i64()?);
            let picture = match kind.is_picture() {
                true => Some(Picture::read(reader, step)?),
                false => None,
            };
            FileTarget::Stored {
                id,
                access_hash,
                picture,
            }
        };
        Ok(Self {
            kind,
            dc,
            reference,
            target,
        })
    }

    /// What is equal for all accounts and at all times, and for nothing else: by it files can be told apart, but not asked
    /// for (`file_unique_id`). `None` for pictures of sticker sets.
    pub fn unique(&self) -> Option<String> {
        let mut writer = Writer::new();
        match &self.target {
            FileTarget::Web { url, .. } => {
                writer.put_i32(0);
                writer.put_bytes(url.as_bytes());
            }
            FileTarget::Stored {
                id,
                picture: Some(picture),
                ..
            } => {
                writer.put_i32(1);
                picture.put_unique(*id, &mut writer)?;
            }
            FileTarget::Stored { id, .. } => {
                let class = match self.kind {
                    FileKind::SecureDecrypted | FileKind::Secure => 3,
                    FileKind::Encrypted => 4,
                    FileKind::Temporary => 5,
                    _ => 2,
                };
                writer.put_i32(class);
                writer.put_i64(*id);
            }
        }
        Some(URL_SAFE_NO_PAD.encode(pack(writer.as_slice())))
    }

    /// How methods that give bytes name it.
    ///
    /// # Errors
    /// [`FileIdError::NotServed`] for what no method gives.
    pub fn location(&self) -> Result<enums::InputFileLocation, FileIdError> {
        let file_reference = self.reference.clone();
        let (id, access_hash, picture) = match &self.target {
            FileTarget::Stored {
                id,
                access_hash,
                picture,
            } => (*id, *access_hash, picture.as_ref()),
            FileTarget::Web { .. } => {
                let why = "files of the web are not fetched through Telegram (upload.getWebFile is not built)";
                return Err(FileIdError::NotServed(why));
            }
        };
        Ok(match (self.kind, picture) {
            (FileKind::Encrypted, _) => {
                types::InputEncryptedFileLocation { id, access_hash }.into()
            }
            (FileKind::Secure | FileKind::SecureDecrypted, _) => {
                types::InputSecureFileLocation { id, access_hash }.into()
            }
            (_, None) => types::InputDocumentFileLocation {
                id,
                access_hash,
                file_reference,
                thumb_size: String::new(),
            }
            .into(),
            (_, Some(Picture::Size { of, letter })) if of.is_picture() => {
                types::InputPhotoFileLocation {
                    id,
                    access_hash,
                    file_reference,
                    thumb_size: letter.to_string(),
                }
                .into()
            }
            (_, Some(Picture::Size { letter, .. })) => types::InputDocumentFileLocation {
                id,
                access_hash,
                file_reference,
                thumb_size: letter.to_string(),
            }
            .into(),
            (
                _,
                Some(Picture::Dialog {
                    dialog,
                    access_hash,
                    big,
                    ..
                }),
            ) => {
                let peer = PeerId::from_bot_api(*dialog).map_err(|_| {
                    FileIdError::NotServed("the file id names a chat that cannot be")
                })?;
                let peer = input_peer(peer, *access_hash);
                let mut location = types::InputPeerPhotoFileLocation::new(peer, id);
                location.big = *big;
                location.into()
            }
            (
                _,
                Some(Picture::StickerSet {
                    id,
                    access_hash,
                    version: Some(thumb_version),
                    ..
                }),
            ) => types::InputStickerSetThumb {
                stickerset: types::InputStickerSetId {
                    id: *id,
                    access_hash: *access_hash,
                }
                .into(),
                thumb_version: *thumb_version,
            }
            .into(),
            (_, Some(Picture::Legacy { .. } | Picture::StickerSet { .. })) => {
                let why =
                    "the file id is of an age whose pictures the datacenter does not give any more";
                return Err(FileIdError::NotServed(why));
            }
        })
    }

    /// How methods that send media name it.
    ///
    /// # Errors
    /// [`FileIdError::NotServed`] for what is no photo and no file of a message.
    pub fn media(&self) -> Result<enums::InputMedia, FileIdError> {
        let file_reference = self.reference.clone();
        match (&self.target, self.kind) {
            (
                FileTarget::Stored {
                    id,
                    access_hash,
                    picture: Some(_),
                },
                FileKind::Photo | FileKind::PhotoStory,
            ) => {
                let photo = types::InputPhoto {
                    id: *id,
                    access_hash: *access_hash,
                    file_reference,
                };
                Ok(types::InputMediaPhoto::new(photo.into()).into())
            }
            (
                FileTarget::Stored {
                    id,
                    access_hash,
                    picture: None,
                },
                kind,
            ) if !matches!(
                kind,
                FileKind::Encrypted | FileKind::Secure | FileKind::SecureDecrypted
            ) =>
            {
                let document = types::InputDocument {
                    id: *id,
                    access_hash: *access_hash,
                    file_reference,
                };
                Ok(types::InputMediaDocument::new(document.into()).into())
            }
            _ => Err(FileIdError::NotServed(
                "only photos and files of messages can be sent by their file ids",
            )),
        }
    }
}

impl fmt::Display for FileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut writer = Writer::new();
        let web = matches!(self.target, FileTarget::Web { .. });
        let flags = [
            (web, WEB_LOCATION),
            (!self.reference.is_empty(), FILE_REFERENCE),
        ];
        let flags = flags.iter().filter(|(set, _)| *set);
        writer.put_i32(flags.fold(self.kind.number(), |all, (_, flag)| all | flag));
        writer.put_i32(self.dc);
        if !self.reference.is_empty() {
            writer.put_bytes(&self.reference);
        }
        match &self.target {
            FileTarget::Web { url, access_hash } => {
                writer.put_bytes(url.as_bytes());
                writer.put_i64(*access_hash);
            }
            FileTarget::Stored {
                id,
                access_hash,
                picture,
            } => {
                writer.put_i64(*id);
                writer.put_i64(*access_hash);
                if let Some(picture) = picture {
                    picture.write(&mut writer);
                }
            }
        }
        let mut packed = pack(writer.as_slice());
        packed.extend([STEP, VERSION]);
        f.write_str(&URL_SAFE_NO_PAD.encode(packed))
    }
}

impl Picture {
    fn read(reader: &mut Reader, step: u8) -> Result<Self, FileIdError> {
        let volume = match step < WITHOUT_VOLUME {
            true => Some(reader.get_i64()?),
            false => None,
        };
        let source = match step < WITH_SOURCE {
            true => 0,
            false => reader.get_i32()?,
        };
        let mut picture = Self::read_source(reader, source)?;
        if let Some(volume) = volume {
            let at = (volume, reader.get_i32()?);
            match &mut picture {
                Self::Legacy { place, .. }
                | Self::Dialog { place, .. }
                | Self::StickerSet { place, .. } => *place = Some(at),
                Self::Size { .. } => {}
            }
        }
        Ok(picture)
    }

    fn read_source(reader: &mut Reader, source: i32) -> Result<Self, FileIdError> {
        let dialog = |reader: &mut Reader, big| -> Result<Self, FileIdError> {
            Ok(Self::Dialog {
                dialog: reader.get_i64()?,
                access_hash: reader.get_i64()?,
                big,
                place: None,
            })
        };
        let place = |reader: &mut Reader| -> Result<Option<(i64, i32)>, FileIdError> {
            Ok(Some((reader.get_i64()?, reader.get_i32()?)))
        };
        let set = |reader: &mut Reader| -> Result<(i64, i64), FileIdError> {
            Ok((reader.get_i64()?, reader.get_i64()?))
        };
        Ok(match source {
            0 => Self::Legacy {
                secret: reader.get_i64()?,
                place: None,
            },
            1 => {
                let number = reader.get_i32()?;
                let of = FileKind::of(number).ok_or(FileIdError::Kind(number))?;
                let letter = reader.get_u32()?;
                let letter = char::from_u32(letter).filter(char::is_ascii_graphic);
                let none = || FileIdError::Damaged("a size without a letter".to_owned());
                Self::Size {
                    of,
                    letter: letter.ok_or_else(none)?,
                }
            }
            2 | 3 => dialog(reader, source == 3)?,
            4 | 8 | 9 => {
                let (id, access_hash) = set(reader)?;
                Self::StickerSet {
                    id,
                    access_hash,
                    place: if source == 8 { place(reader)? } else { None },
                    version: if source == 9 {
                        Some(reader.get_i32()?)
                    } else {
                        None
                    },
                }
            }
            5 => {
                let (volume, secret) = set(reader)?;
                Self::Legacy {
                    secret,
                    place: Some((volume, reader.get_i32()?)),
                }
            }
            6 | 7 => {
                let mut picture = dialog(reader, source == 7)?;
                if let Self::Dialog { place: at, .. } = &mut picture {
                    *at = place(reader)?;
                }
                picture
            }
            other => {
                let why = format!("pictures of source {other} are not known");
                return Err(FileIdError::Damaged(why));
            }
        })
    }

    fn write(&self, writer: &mut Writer) {
        match self {
            Self::Legacy { secret, place } => match place {
                None => {
                    writer.put_i32(0);
                    writer.put_i64(*secret);
                }
                Some((volume, number)) => {
                    writer.put_i32(5);
                    writer.put_i64(*volume);
                    writer.put_i64(*secret);
                    writer.put_i32(*number);
                }
            },
            Self::Size { of, letter } => {
                writer.put_i32(1);
                writer.put_i32(of.number());
                writer.put_u32(u32::from(*letter));
            }
            Self::Dialog {
                dialog,
                access_hash,
                big,
                place,
            } => {
                writer.put_i32(if place.is_some() { 6 } else { 2 } + i32::from(*big));
                writer.put_i64(*dialog);
                writer.put_i64(*access_hash);
                put_place(*place, writer);
            }
            Self::StickerSet {
                id,
                access_hash,
                version,
                place,
            } => {
                let source = match (version, place) {
                    (Some(_), _) => 9,
                    (None, Some(_)) => 8,
                    (None, None) => 4,
                };
                writer.put_i32(source);
                writer.put_i64(*id);
                writer.put_i64(*access_hash);
                match version {
                    Some(version) => writer.put_i32(*version),
                    None => put_place(*place, writer),
                }
            }
        }
    }

    fn put_unique(&self, id: i64, writer: &mut Writer) -> Option<()> {
        match self {
            Self::Legacy { place, .. } | Self::Dialog { place, .. } if place.is_some() => {
                put_place(*place, writer);
            }
            Self::Size { letter, .. } => {
                writer.put_i64(id);
                let mark = match letter {
                    'a' => 0,
                    'c' => 1,
                    letter => u8::try_from(*letter).ok()?.checked_add(5)?,
                };
                writer.put_raw(&[mark]);
            }
            Self::Dialog { big, .. } => {
                writer.put_i64(id);
                writer.put_raw(&[u8::from(*big)]);
            }
            Self::Legacy { .. } | Self::StickerSet { .. } => return None,
        }
        Some(())
    }
}

fn put_place(place: Option<(i64, i32)>, writer: &mut Writer) {
    if let Some((volume, number)) = place {
        writer.put_i64(volume);
        writer.put_i32(number);
    }
}

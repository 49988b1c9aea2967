//! Photos: a picture that was uploaded, in the sizes Telegram makes of it.
//!
//! See <https://core.telegram.org/api/files#image-thumbnail-types>.

use std::io::Cursor;

use actogram_tl as tl;
use image::{
    DynamicImage, ImageFormat, ImageReader, codecs::jpeg::JpegEncoder, imageops::FilterType,
};
use tl::{enums, types};

use super::call::Call;
use super::documents::{check_reference, picture, reference};
use super::errors::{RpcResult, bad, internal};
use super::uploads::{Located, file_type, unkept};
use super::view::{View, hash};
use crate::files::BlobName;
use crate::model::{Event, Photo, Picture, State, TlBytes, UserId};

/// The letters of sizes that keep the whole picture, and the box each fits into.
const SIZES: [(&str, u32); 4] = [("s", 100), ("m", 320), ("x", 800), ("y", 1280)];
/// A photo is at most so many bytes, and its sides together so many pixels.
const MAX_BYTES: u64 = 10 << 20;
const MAX_SIDES: u32 = 10_000;
/// One side may be so many times the other.
const MAX_RATIO: u32 = 20;
/// The letter, the box and the quality of the smallest preview.
const STRIPPED: &str = "i";
const STRIPPED_SIDE: u32 = 40;
const STRIPPED_QUALITY: u8 = 20;
/// As Telegram compresses photos, nearly.
const QUALITY: u8 = 87;

fn access_hash(state: &State, viewer: UserId, photo: i64) -> i64 {
    hash(state, b"photo", viewer, photo)
}

fn object(photo: &Photo) -> types::Photo {
    let stripped = photo.stripped.iter().map(|bytes| {
        types::PhotoStrippedSize {
            type_: STRIPPED.to_owned(),
            bytes: bytes.0.clone(),
        }
        .into()
    });
    let sizes = stripped.chain(photo.sizes.iter().map(picture));
    types::Photo::new(
        photo.id,
        0,
        Vec::new().into(),
        photo.date,
        sizes.collect(),
        photo.dc,
    )
}

/// As it is kept with a message: without what differs from reader to reader.
pub(super) fn to_keep(photo: &Photo) -> enums::Photo {
    object(photo).into()
}

/// The photo that the caller names.
pub(super) fn named<'c>(call: &'c Call<'_>, input: &enums::InputPhoto) -> RpcResult<&'c Photo> {
    let enums::InputPhoto::InputPhoto(input) = input else {
        return Err(bad("MEDIA_EMPTY"));
    };
    let me = call.me()?;
    let state = &call.world.state;
    let photo = state.photos.get(&input.id);
    let photo = photo
        .filter(|photo| input.access_hash == access_hash(state, me, photo.id))
        .ok_or(bad("PHOTO_INVALID"))?;
    check_reference(state, me, photo.id, &input.file_reference)?;
    Ok(photo)
}

/// Where the bytes are that the caller names.
pub(super) fn locate(
    call: &Call<'_>,
    location: &types::InputPhotoFileLocation,
) -> RpcResult<Located> {
    let me = call.me()?;
    let state = &call.world.state;
    let photo = state.photos.get(&location.id);
    let photo = photo
        .filter(|photo| location.access_hash == access_hash(state, me, photo.id))
        .ok_or(bad("FILE_ID_INVALID"))?;
    check_reference(state, me, photo.id, &location.file_reference)?;
    let mut sizes = photo.sizes.iter();
    sizes
        .find(|size| size.kind == location.thumb_size)
        .ok_or(bad("LOCATION_INVALID"))?;
    Ok(Located {
        name: BlobName::sized(photo.id, &location.thumb_size),
        dc: photo.dc,
        date: photo.date,
        kind: file_type("image/jpeg"),
    })
}

/// A photo of what a client has uploaded.
pub(super) fn uploaded(call: &mut Call<'_>, file: &enums::InputFile) -> RpcResult<Photo> {
    let id = call.world.state.next_file_id();
    let image = opened(call, file, id)?;
    let mut sizes: Vec<Picture> = Vec::new();
    for (kind, side) in SIZES {
        sizes.push(sized(call, &image, id, kind, side)?);
        if image.width().max(image.height()) <= side {
            break;
        }
    }
    let photo = Photo {
        id,
        date: call.date(),
        dc: call.dc_id,
        sizes,
        stripped: stripped(&image),
    };
    call.world.commit(Event::PhotoPut(photo.clone()));
    Ok(photo)
}

/// The smallest preview: what a JPEG of libjpeg at quality 20 has behind its head, which all of them have in common
/// (<https://core.telegram.org/api/files#stripped-thumbnails>).
fn stripped(image: &DynamicImage) -> Option<TlBytes> {
    let scaled = image.resize(STRIPPED_SIDE, STRIPPED_SIDE, FilterType::Triangle);
    let scaled = scaled.to_rgb8();
    let (width, height) = (scaled.width(), scaled.height());
    let mut jpeg = Vec::new();
    let mut encoder = jpeg_encoder::Encoder::new(&mut jpeg, STRIPPED_QUALITY);
    encoder.set_sampling_factor(jpeg_encoder::SamplingFactor::F_2_2);
    let sides = (u16::try_from(width).ok()?, u16::try_from(height).ok()?);
    let encoded = encoder.encode(&scaled, sides.0, sides.1, jpeg_encoder::ColorType::Rgb);
    encoded.ok()?;
    // The only scan begins behind the head of that name, and ends before the last marker.
    let head = jpeg.windows(2).position(|pair| pair == [0xff, 0xda])? + 2;
    let length = usize::from(u16::from_be_bytes([*jpeg.get(head)?, *jpeg.get(head + 1)?]));
    let scan = jpeg.get(head + length..jpeg.len().checked_sub(2)?)?;
    let sides = [u8::try_from(height).ok()?, u8::try_from(width).ok()?];
    Some(TlBytes([&[1], &sides[..], scan].concat().into()))
}

/// The thumbnail a client gives its document.
pub(super) fn thumbnail(
    call: &mut Call<'_>,
    file: &enums::InputFile,
    document: i64,
    kind: &str,
) -> RpcResult<Vec<Picture>> {
    let image = opened(call, file, document)?;
    Ok(vec![sized(call, &image, document, kind, 320)?])
}

/// Reads the picture that was uploaded; its own bytes are not kept.
fn opened(call: &mut Call<'_>, file: &enums::InputFile, id: i64) -> RpcResult<DynamicImage> {
    let name = BlobName::sized(id, "original");
    let (size, _) = call.take_upload(file, &name)?;
    let files = &mut call.world.files;
    let bytes = if size <= MAX_BYTES {
        files.read(&name, 0, usize::try_from(size).unwrap_or(0))
    } else {
        Ok(Vec::new())
    };
    files.remove(&name).map_err(|error| unkept(&error))?;
    let bytes = bytes.map_err(|error| unkept(&error))?;
    if size > MAX_BYTES {
        return Err(bad("PHOTO_SAVE_FILE_INVALID"));
    }
    let reader = || {
        let reader = ImageReader::new(Cursor::new(&bytes)).with_guessed_format();
        reader.map_err(|_| bad("PHOTO_EXT_INVALID"))
    };
    if !matches!(
        reader()?.format(),
        Some(ImageFormat::Jpeg | ImageFormat::Png)
    ) {
        return Err(bad("PHOTO_EXT_INVALID"));
    }
    let sides = reader()?.into_dimensions();
    let (width, height) = sides.map_err(|_| bad("IMAGE_PROCESS_FAILED"))?;
    let (long, short) = (width.max(height), width.min(height));
    if short == 0 || width + height > MAX_SIDES || long > short.saturating_mul(MAX_RATIO) {
        return Err(bad("PHOTO_INVALID_DIMENSIONS"));
    }
    reader()?.decode().map_err(|_| bad("IMAGE_PROCESS_FAILED"))
}

/// Keeps the picture so that it fits into a box; never larger than it is.
fn sized(
    call: &mut Call<'_>,
    image: &DynamicImage,
    id: i64,
    kind: &str,
    side: u32,
) -> RpcResult<Picture> {
    let fits = image.width().max(image.height()) <= side;
    let scaled = if fits {
        image.to_rgb8()
    } else {
        image.resize(side, side, FilterType::Triangle).to_rgb8()
    };
    let mut jpeg = Vec::new();
    JpegEncoder::new_with_quality(&mut jpeg, QUALITY)
        .encode_image(&scaled)
        .map_err(|_| internal("IMAGE_PROCESS_FAILED"))?;
    let name = BlobName::sized(id, kind);
    call.world
        .files
        .put(&name, &jpeg)
        .map_err(|error| unkept(&error))?;
    let number = |value: u32| i32::try_from(value).unwrap_or(i32::MAX);
    Ok(Picture {
        kind: kind.to_owned(),
        width: number(scaled.width()),
        height: number(scaled.height()),
        size: i32::try_from(jpeg.len()).unwrap_or(i32::MAX),
    })
}

impl View<'_> {
    /// A photo as the viewer sees it.
    pub(super) fn own_photo(&self, photo: &mut types::Photo) {
        photo.access_hash = access_hash(self.state(), self.viewer(), photo.id);
        photo.file_reference = reference(self.state(), self.viewer(), photo.id).into();
    }
}

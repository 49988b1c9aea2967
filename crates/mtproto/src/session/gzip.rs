//! `gzip_packed`: bodies that travel compressed
//! (<https://core.telegram.org/mtproto/service_messages#packed-object>).

use std::io::{Read, Write};

use actogram_tl::{Constructor, Function, Reader, Writer, functions, mtproto::ids, types};
use bytes::Bytes;
use flate2::{
    Compression,
    bufread::{GzDecoder, ZlibDecoder},
    write::GzEncoder,
};

/// The most bytes all packed objects of one payload may unfold to. A container of small bombs is a bomb as well.
pub const MOST_INFLATED: usize = 16 * 1024 * 1024;

/// Bodies up to this many bytes are not worth packing.
const WORTHWHILE: usize = 512;

/// Why a packed object was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GzipError {
    /// It would unfold to more than what is left of [`MOST_INFLATED`] for its payload.
    #[error("the packed objects of a payload unfold to more than 16 MiB")]
    TooLarge,
    /// It is cut off, has a wrong checksum, or is no gzip.
    #[error("a packed object is no whole gzip: {0}")]
    Broken(String),
    /// Something follows the packed object.
    #[error("{0} bytes follow a packed object")]
    Trailing(usize),
    /// A packed object holds another one.
    #[error("a packed object holds a packed object")]
    Nested,
}

/// How much the packed objects of one payload may still unfold to.
#[derive(Debug)]
pub(super) struct Allowance {
    bytes: usize,
    /// A copy of a message is being read. None may be inside, however it is packed.
    pub(super) inside_copy: bool,
}

impl Allowance {
    pub(super) fn of_a_payload() -> Self {
        Self {
            bytes: MOST_INFLATED,
            inside_copy: false,
        }
    }
}

/// Unfolds `body` if it is packed, and gives it back as it is if not.
pub(super) fn unpack(body: Bytes, allowance: &mut Allowance) -> Result<Bytes, GzipError> {
    let mut reader = Reader::new(body.clone());
    if reader.peek_u32() != Some(ids::GZIP_PACKED) {
        return Ok(body);
    }
    let packed = reader
        .get_u32()
        .and_then(|_| reader.get_bytes())
        .map_err(|error| GzipError::Broken(error.to_string()))?;
    if reader.remaining() > 0 {
        return Err(GzipError::Trailing(reader.remaining()));
    }
    let unpacked = inflate(&packed, allowance.bytes)?;
    allowance.bytes -= unpacked.len();
    match Reader::new(unpacked.clone()).peek_u32() {
        Some(ids::GZIP_PACKED) => Err(GzipError::Nested),
        _ => Ok(unpacked),
    }
}

/// Unfolds gzip, and zlib as well, which clients in use send under the same name.
fn inflate(packed: &[u8], most: usize) -> Result<Bytes, GzipError> {
    if is_zlib(packed) {
        let mut decoder = ZlibDecoder::new(packed);
        let unpacked = read_bounded(&mut decoder, most)?;
        whole(decoder.into_inner(), unpacked)
    } else {
        let mut decoder = GzDecoder::new(packed);
        let unpacked = read_bounded(&mut decoder, most)?;
        whole(decoder.into_inner(), unpacked)
    }
}

/// The header of RFC 1950: method 8, and a checksum that gzip's header fails.
fn is_zlib(packed: &[u8]) -> bool {
    matches!(packed, [first, second, ..]
        if first & 0x0f == 8 && u16::from_be_bytes([*first, *second]) % 31 == 0)
}

fn read_bounded(decoder: &mut impl Read, most: usize) -> Result<Vec<u8>, GzipError> {
    let mut unpacked = Vec::new();
    let read = decoder
        .take(most as u64 + 1)
        .read_to_end(&mut unpacked)
        .map_err(|error| GzipError::Broken(error.to_string()))?;
    if read > most {
        Err(GzipError::TooLarge)
    } else {
        Ok(unpacked)
    }
}

fn whole(rest: &[u8], unpacked: Vec<u8>) -> Result<Bytes, GzipError> {
    match rest.len() {
        0 => Ok(unpacked.into()),
        left => Err(GzipError::Trailing(left)),
    }
}

/// Parts of files: to pack one takes ten times as long as to encrypt it, and nearly all files are packed by themselves.
const FILE_PARTS: [u32; 5] = [
    functions::upload::SaveFilePart::ID,
    functions::upload::SaveBigFilePart::ID,
    types::upload::File::ID,
    types::upload::CdnFile::ID,
    types::upload::WebFile::ID,
];

/// Packs `body` if it is large and gets smaller, and is no part of a file.
pub(super) fn pack(body: &Bytes) -> Option<Bytes> {
    if body.len() <= WORTHWHILE
        || Reader::new(body.clone())
            .peek_u32()
            .is_some_and(|kind| FILE_PARTS.contains(&kind))
    {
        return None;
    }
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 2), Compression::fast());
    encoder.write_all(body).ok()?;
    let packed = encoder.finish().ok()?;
    let mut writer = Writer::with_capacity(packed.len() + 12);
    writer.put_u32(ids::GZIP_PACKED);
    writer.put_bytes(&packed);
    (writer.len() < body.len()).then(|| writer.into_bytes())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use actogram_tl::{Encode, enums};

    use super::*;

    fn unpack(body: Bytes) -> Result<Bytes, GzipError> {
        super::unpack(body, &mut Allowance::of_a_payload())
    }

    #[test]
    fn s12_small_bombs_of_one_payload_are_counted_together() {
        let allowance = &mut Allowance::of_a_payload();
        let mebibyte = wrapped(&gzip(&vec![0; 1 << 20]));
        for _ in 0..16 {
            assert!(super::unpack(mebibyte.clone(), allowance).is_ok());
        }
        let refused = super::unpack(mebibyte, allowance);
        assert_eq!(refused, Err(GzipError::TooLarge));
    }

    fn wrapped(packed: &[u8]) -> Bytes {
        let mut writer = Writer::new();
        writer.put_u32(ids::GZIP_PACKED);
        writer.put_bytes(packed);
        writer.into_bytes()
    }

    fn gzip(data: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    /// Trap 14: small bodies and such as do not shrink go unpacked; the others come back as they were.
    #[test]
    fn trap_14_only_what_shrinks_is_packed() {
        assert_eq!(pack(&Bytes::from(vec![7; WORTHWHILE])), None);
        let noise: Vec<u8> = (0u32..2000)
            .map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8)
            .collect();
        assert!(pack(&Bytes::from(noise)).is_none_or(|packed| packed.len() < 2000));
        let body = Bytes::from(vec![7; 100_000]);
        let packed = pack(&body).unwrap();
        assert!(packed.len() < 1_000);
        assert_eq!(unpack(packed).unwrap(), body);
    }

    /// However well it would shrink.
    #[test]
    fn parts_of_files_are_not_packed() {
        let part = functions::upload::SaveFilePart {
            file_id: 1,
            file_part: 0,
            bytes: Bytes::from(vec![7; 100_000]),
        };
        assert_eq!(pack(&part.to_bytes()), None);
        let answer = types::upload::File {
            type_: enums::storage::FileType::FileUnknown,
            mtime: 0,
            bytes: part.bytes.clone(),
        };
        let answer = enums::upload::File::from(answer);
        assert_eq!(pack(&answer.to_bytes()), None);
        assert!(pack(&part.bytes).is_some());
    }

    fn zlib(data: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    /// mtcute packs this way; its bounds are those of gzip.
    #[test]
    fn zlib_unfolds_as_gzip_does() {
        let body = vec![7; 5000];
        let whole = zlib(&body);
        assert_eq!(unpack(wrapped(&whole)).unwrap(), body);
        for cut in 0..whole.len() {
            let refused = unpack(wrapped(&whole[..cut]));
            assert!(matches!(refused, Err(GzipError::Broken(_))), "cut at {cut}");
        }
        let twice = [zlib(&[1; 8]), zlib(&[2; 8])].concat();
        let refused = unpack(wrapped(&twice));
        assert!(matches!(refused, Err(GzipError::Trailing(_))));
        let bomb = zlib(&vec![0; MOST_INFLATED + 1]);
        assert_eq!(unpack(wrapped(&bomb)), Err(GzipError::TooLarge));
    }

    /// S12, and its disarmed twin: the same path with an honest object.
    #[test]
    fn s12_bombs_nesting_and_damage_are_refused() {
        assert_eq!(unpack(wrapped(&gzip(&[1; 1024]))).unwrap().len(), 1024);
        assert_eq!(
            unpack(wrapped(&gzip(&vec![0; MOST_INFLATED])))
                .unwrap()
                .len(),
            MOST_INFLATED
        );
        assert_eq!(
            unpack(wrapped(&gzip(&vec![0; MOST_INFLATED + 1]))),
            Err(GzipError::TooLarge)
        );
        assert_eq!(
            unpack(wrapped(&gzip(&wrapped(&gzip(&[1; 8]))))),
            Err(GzipError::Nested)
        );
        let whole = gzip(&[1; 1024]);
        for cut in 0..whole.len() {
            assert!(
                matches!(unpack(wrapped(&whole[..cut])), Err(GzipError::Broken(_))),
                "cut at {cut}"
            );
        }
        let twice = [gzip(&[1; 8]), gzip(&[2; 8])].concat();
        assert!(matches!(
            unpack(wrapped(&twice)),
            Err(GzipError::Trailing(_))
        ));
        let mut damaged = whole.clone();
        let crc = damaged.len() - 8;
        damaged[crc] ^= 1;
        assert!(matches!(
            unpack(wrapped(&damaged)),
            Err(GzipError::Broken(_))
        ));
        assert!(matches!(unpack(wrapped(&[])), Err(GzipError::Broken(_))));
    }
}

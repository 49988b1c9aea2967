//! Previews that come with a message: the smallest picture, without what all of them have in common
//! (<https://core.telegram.org/api/files#stripped-thumbnails>), and outlines of stickers
//! (<https://core.telegram.org/api/files#vector-thumbnails>).
//!
//! What is left out is the head of a JPEG as libjpeg writes it at quality 20, with the sample tables of ITU-T T.81, annex K.

use bytes::Bytes;

/// Annex K.1, by rows: of brightness and of colour.
const LUMINANCE: [u16; 64] = [
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56,
    14, 17, 22, 29, 51, 87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113,
    92, 49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
];
const CHROMINANCE: [u16; 64] = [
    17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99, 24, 26, 56, 99, 99, 99, 99, 99,
    47, 66, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99,
];

/// What tables are multiplied with at quality 20, in percent.
const SCALE: u16 = 250;

/// Annex K.3: how many codes there are of each length, and what they stand for.
struct Codes {
    class_and_number: u8,
    lengths: [u8; 16],
    values: &'static [u8],
}

const DC_VALUES: [u8; 12] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];

const CODES: [Codes; 4] = [
    Codes {
        class_and_number: 0x00,
        lengths: [0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0],
        values: &DC_VALUES,
    },
    Codes {
        class_and_number: 0x10,
        lengths: [0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 0x7d],
        values: &[
            0x01, 0x02, 0x03, 0x00, 0x04, 0x11, 0x05, 0x12, 0x21, 0x31, 0x41, 0x06, 0x13, 0x51,
            0x61, 0x07, 0x22, 0x71, 0x14, 0x32, 0x81, 0x91, 0xa1, 0x08, 0x23, 0x42, 0xb1, 0xc1,
            0x15, 0x52, 0xd1, 0xf0, 0x24, 0x33, 0x62, 0x72, 0x82, 0x09, 0x0a, 0x16, 0x17, 0x18,
            0x19, 0x1a, 0x25, 0x26, 0x27, 0x28, 0x29, 0x2a, 0x34, 0x35, 0x36, 0x37, 0x38, 0x39,
            0x3a, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4a, 0x53, 0x54, 0x55, 0x56, 0x57,
            0x58, 0x59, 0x5a, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x73, 0x74, 0x75,
            0x76, 0x77, 0x78, 0x79, 0x7a, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x92,
            0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9a, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7,
            0xa8, 0xa9, 0xaa, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7, 0xb8, 0xb9, 0xba, 0xc2, 0xc3,
            0xc4, 0xc5, 0xc6, 0xc7, 0xc8, 0xc9, 0xca, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8,
            0xd9, 0xda, 0xe1, 0xe2, 0xe3, 0xe4, 0xe5, 0xe6, 0xe7, 0xe8, 0xe9, 0xea, 0xf1, 0xf2,
            0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9, 0xfa,
        ],
    },
    Codes {
        class_and_number: 0x01,
        lengths: [0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0],
        values: &DC_VALUES,
    },
    Codes {
        class_and_number: 0x11,
        lengths: [0, 2, 1, 2, 4, 4, 3, 4, 7, 5, 4, 4, 0, 1, 2, 0x77],
        values: &[
            0x00, 0x01, 0x02, 0x03, 0x11, 0x04, 0x05, 0x21, 0x31, 0x06, 0x12, 0x41, 0x51, 0x07,
            0x61, 0x71, 0x13, 0x22, 0x32, 0x81, 0x08, 0x14, 0x42, 0x91, 0xa1, 0xb1, 0xc1, 0x09,
            0x23, 0x33, 0x52, 0xf0, 0x15, 0x62, 0x72, 0xd1, 0x0a, 0x16, 0x24, 0x34, 0xe1, 0x25,
            0xf1, 0x17, 0x18, 0x19, 0x1a, 0x26, 0x27, 0x28, 0x29, 0x2a, 0x35, 0x36, 0x37, 0x38,
            0x39, 0x3a, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4a, 0x53, 0x54, 0x55, 0x56,
            0x57, 0x58, 0x59, 0x5a, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x73, 0x74,
            0x75, 0x76, 0x77, 0x78, 0x79, 0x7a, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89,
            0x8a, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9a, 0xa2, 0xa3, 0xa4, 0xa5,
            0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7, 0xb8, 0xb9, 0xba,
            0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7, 0xc8, 0xc9, 0xca, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6,
            0xd7, 0xd8, 0xd9, 0xda, 0xe2, 0xe3, 0xe4, 0xe5, 0xe6, 0xe7, 0xe8, 0xe9, 0xea, 0xf2,
            0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9, 0xfa,
        ],
    },
];

/// What stripped bytes begin with.
const MARK: u8 = 1;

/// The picture as a JPEG; `None` if these are no stripped bytes.
pub(super) fn jpeg(stripped: &[u8]) -> Option<Bytes> {
    let [MARK, height, width, scan @ ..] = stripped else {
        return None;
    };
    if *height == 0 || *width == 0 || scan.is_empty() {
        return None;
    }
    let mut picture = Vec::with_capacity(640 + scan.len());
    picture.extend([0xff, 0xd8]);
    segment(&mut picture, 0xe0, b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0");
    for (number, table) in [(0, &LUMINANCE), (1, &CHROMINANCE)] {
        let mut body = vec![number];
        body.extend(zigzag().map(|at| {
            let scaled = (table.get(at).copied().unwrap_or(1) * SCALE + 50) / 100;
            u8::try_from(scaled.clamp(1, 255)).unwrap_or(255)
        }));
        segment(&mut picture, 0xdb, &body);
    }
    // 8 bits, three components, of which the colours have half of the width and height.
    let frame = [
        8, 0, *height, 0, *width, 3, 1, 0x22, 0, 2, 0x11, 1, 3, 0x11, 1,
    ];
    segment(&mut picture, 0xc0, &frame);
    for codes in &CODES {
        let body = [&[codes.class_and_number][..], &codes.lengths, codes.values];
        segment(&mut picture, 0xc4, &body.concat());
    }
    segment(
        &mut picture,
        0xda,
        &[3, 1, 0x00, 2, 0x11, 3, 0x11, 0, 63, 0],
    );
    picture.extend_from_slice(scan);
    picture.extend([0xff, 0xd9]);
    Some(picture.into())
}

fn segment(picture: &mut Vec<u8>, marker: u8, body: &[u8]) {
    let length = u16::try_from(body.len() + 2).unwrap_or(u16::MAX);
    picture.extend([0xff, marker]);
    picture.extend(length.to_be_bytes());
    picture.extend_from_slice(body);
}

/// The places of a table by rows, in the order in which a JPEG holds them: along the diagonals, up and down in turn.
fn zigzag() -> impl Iterator<Item = usize> {
    (0..15_usize).flat_map(|diagonal| {
        let rows = diagonal.saturating_sub(7)..=diagonal.min(7);
        let rows: Vec<usize> = if diagonal % 2 == 0 {
            rows.rev().collect()
        } else {
            rows.collect()
        };
        rows.into_iter().map(move |row| row * 8 + diagonal - row)
    })
}

/// The letters of packed paths, by number.
const LETTERS: &[u8; 64] = b"AACAAAAHAAALMAAAQASTAVAAAZaacaaaahaaalmaaaqastava.az0123456789-,";

/// The outline as the `d` of an SVG path, in a square of 512.
pub(super) fn outline(packed: &[u8]) -> String {
    let mut path = String::from("M");
    for byte in packed {
        let number = byte & 0x3f;
        match byte >> 6 {
            3 => path.extend(
                LETTERS
                    .get(usize::from(number))
                    .map(|letter| char::from(*letter)),
            ),
            marked => {
                path.push_str(match marked {
                    1 => "-",
                    2 => ",",
                    _ => "",
                });
                path.push_str(&number.to_string());
            }
        }
    }
    path.push('z');
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_diagonals_go_up_and_down() {
        let places: Vec<_> = zigzag().collect();
        assert_eq!(places[..10], [0, 1, 8, 16, 9, 2, 3, 10, 17, 24]);
        assert_eq!(places[60..], [47, 55, 62, 63]);
        let mut sorted = places;
        sorted.sort_unstable();
        assert!(sorted.into_iter().eq(0..64));
    }

    #[test]
    fn what_is_no_preview_is_none() {
        for bytes in [&[][..], &[1], &[1, 2, 3], &[2, 40, 40, 1], &[1, 0, 40, 1]] {
            assert_eq!(jpeg(bytes), None, "{bytes:?}");
        }
    }

    #[test]
    fn outlines_are_unpacked_by_the_documented_rule() {
        let packed = [
            0b1100_0000 + 2,
            5,
            0b0100_0000 + 7,
            0b1000_0000 + 9,
            0b1111_1111,
        ];
        assert_eq!(outline(&packed), "MC5-7,9,z");
        assert_eq!(outline(&[]), "Mz");
        for byte in 0..=255 {
            assert!(outline(&[byte]).is_ascii());
        }
    }
}

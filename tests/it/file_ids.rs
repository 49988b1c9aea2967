//! File ids of the Bot API, read and written, downloaded from and sent by.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use actogram::{
    tl::{enums, types},
    transfers::{FileId, FileIdError, FileKind, FileTarget, Picture, RemoteFile},
};
use bytes::Bytes;
use proptest::prelude::*;

use crate::support::files::{Place, content};

/// As other programs write it: packed, with a step and a version behind it.
fn written(fields: &[u8], end: &[u8]) -> String {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    let mut packed = Vec::new();
    let mut rest = fields;
    while let Some(first) = rest.first() {
        let zeros = rest.iter().take_while(|byte| **byte == 0).count();
        match zeros {
            0 => packed.push(*first),
            zeros => packed.extend([0, u8::try_from(zeros).unwrap()]),
        }
        rest = &rest[zeros.max(1)..];
    }
    URL_SAFE_NO_PAD.encode([&packed, end].concat())
}

fn little(values: &[i64], tail: &[i32]) -> Vec<u8> {
    let longs = values.iter().flat_map(|value| value.to_le_bytes());
    let ints = tail.iter().flat_map(|value| value.to_le_bytes());
    longs.chain(ints).collect()
}

fn head(kind: i32, dc: i32) -> Vec<u8> {
    [kind.to_le_bytes(), dc.to_le_bytes()].concat()
}

#[test]
fn each_age_of_ids_is_read() {
    let stored = |text: &str| match text.parse::<FileId>() {
        Ok(FileId {
            target:
                FileTarget::Stored {
                    id,
                    access_hash,
                    picture,
                    ..
                },
            dc: 4,
            ..
        }) => {
            assert_eq!((id, access_hash), (-7, i64::MAX), "{text}");
            picture
        }
        other => panic!("{text}: {other:?}"),
    };
    let ids = little(&[-7, i64::MAX], &[]);
    // A document without a reference, of the former version and of this one.
    for end in [&[2][..], &[22, 4], &[32, 4], &[54, 4]] {
        assert_eq!(
            stored(&written(&[head(5, 4), ids.clone()].concat(), end)),
            None
        );
    }
    // A photo: by volume and secret; then with its source between volume and number; then without them.
    let former = [head(2, 4), ids.clone(), little(&[11, 12], &[13])].concat();
    let legacy = Picture::Legacy {
        secret: 12,
        place: Some((11, 13)),
    };
    assert_eq!(stored(&written(&former, &[2])), Some(legacy.clone()));
    assert_eq!(stored(&written(&former, &[21, 4])), Some(legacy));
    let letter = i32::from(b'y');
    let size = Picture::Size {
        of: FileKind::Photo,
        letter: 'y',
    };
    let middle = [head(2, 4), ids.clone(), little(&[11], &[1, 2, letter, 13])].concat();
    assert_eq!(stored(&written(&middle, &[22, 4])), Some(size.clone()));
    assert_eq!(stored(&written(&middle, &[31, 4])), Some(size.clone()));
    let present = [head(2, 4), ids.clone(), little(&[], &[1, 2, letter])].concat();
    assert_eq!(stored(&written(&present, &[32, 4])), Some(size));
    let of_set = |source: i32, behind: Vec<u8>| {
        let fields = [
            head(0, 4),
            ids.clone(),
            source.to_le_bytes().to_vec(),
            little(&[1, 2], &[]),
        ];
        stored(&written(&[fields.concat(), behind].concat(), &[54, 4]))
    };
    let set = |version, place| {
        Some(Picture::StickerSet {
            id: 1,
            access_hash: 2,
            version,
            place,
        })
    };
    assert_eq!(of_set(4, Vec::new()), set(None, None));
    assert_eq!(of_set(8, little(&[3], &[4])), set(None, Some((3, 4))));
    assert_eq!(of_set(9, little(&[], &[5])), set(Some(5), None));
}

#[test]
fn what_is_no_file_id_is_an_error_that_says_why() {
    use FileIdError as E;
    let of = |text: &str| text.parse::<FileId>().unwrap_err();
    for text in ["!", "ä", "AA", &"A".repeat(5000)] {
        assert_eq!(of(text), E::Encoding, "{text}");
    }
    assert!(matches!(of(""), E::Damaged(_)));
    assert_eq!(of(&written(&head(5, 4), &[3])), E::Version(3));
    assert_eq!(of(&written(&head(99, 4), &[54, 4])), E::Kind(99));
    assert!(matches!(of(&written(&head(5, 4), &[54, 4])), E::Damaged(_)));
    // Zeros that unpack to more than there may be.
    let bomb = [0, 255].repeat(30);
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    assert_eq!(of(&URL_SAFE_NO_PAD.encode(bomb)), E::Encoding);
}

fn place() -> impl Strategy<Value = Option<(i64, i32)>> {
    proptest::option::of(any::<(i64, i32)>())
}

fn picture() -> impl Strategy<Value = Picture> {
    prop_oneof![
        (any::<i64>(), place()).prop_map(|(secret, place)| Picture::Legacy { secret, place }),
        ("[a-z]", any::<bool>()).prop_map(|(letter, document)| Picture::Size {
            of: if document {
                FileKind::Video
            } else {
                FileKind::Photo
            },
            letter: letter.chars().next().unwrap(),
        }),
        (any::<i64>(), any::<i64>(), any::<bool>(), place()).prop_map(
            |(dialog, access_hash, big, place)| Picture::Dialog {
                dialog,
                access_hash,
                big,
                place
            }
        ),
        (
            any::<i64>(),
            any::<i64>(),
            proptest::option::of(any::<i32>()),
            place()
        )
            .prop_map(|(id, access_hash, version, place)| Picture::StickerSet {
                id,
                access_hash,
                place: place.filter(|_| version.is_none()),
                version,
            }),
    ]
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(
        dc in any::<i32>(),
        reference in proptest::collection::vec(any::<u8>(), 0..300),
        id in prop_oneof![any::<i64>(), 0_i64..300],
        access_hash in any::<i64>(),
        picture in proptest::option::of(picture()),
    ) {
        let mut named: FileId = "BQACAgIAAwMBAgMB8gUqAQADs_________82BA".parse().unwrap();
        named.kind = if picture.is_some() { FileKind::Thumbnail } else { FileKind::VoiceNote };
        named.dc = dc;
        named.reference = Bytes::from(reference);
        named.target = FileTarget::Stored { id, access_hash, picture };
        let text = named.to_string();
        prop_assert_eq!(&text.parse::<FileId>().unwrap(), &named);
        named.target = FileTarget::Web { url: format!("https://example.org/{id}"), access_hash };
        prop_assert_eq!(named.to_string().parse::<FileId>().unwrap(), named);
    }

    #[test]
    fn no_text_makes_it_panic(text in "[A-Za-z0-9_-]{0,120}", bytes in proptest::collection::vec(any::<u8>(), 0..80), step in any::<u8>()) {
        for text in [text, written(&bytes, &[step, 4]), written(&bytes, &[2])] {
            if let Ok(named) = text.parse::<FileId>() {
                let _ = (named.unique(), named.location(), named.media());
                prop_assert_eq!(named.to_string().parse::<FileId>().unwrap(), named);
            }
        }
    }
}

fn png(side: u32) -> Vec<u8> {
    let picture = image::RgbImage::from_fn(side, side, |x, y| image::Rgb([x as u8, y as u8, 7]));
    let mut bytes = std::io::Cursor::new(Vec::new());
    picture
        .write_to(&mut bytes, image::ImageFormat::Png)
        .unwrap();
    bytes.into_inner()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_are_downloaded_and_sent_by_their_ids() {
    let place = Place::new("9996630050").await;
    let bytes = content(700_001);
    let sent = place
        .api
        .send_file("me", bytes.clone())
        .mime_type("video/mp4")
        .attribute(types::DocumentAttributeVideo::new(1.0, 10, 10))
        .await
        .unwrap();
    let named = RemoteFile::from(&sent).file_id().unwrap();
    assert_eq!(named.kind, FileKind::Video);
    let text = named.to_string();
    let again: FileId = text.parse().unwrap();
    assert_eq!(again, named);
    assert!(place.api.download(again.clone()).bytes().await.unwrap() == bytes);
    let copy = place
        .api
        .send_media("me", again)
        .caption("by id")
        .await
        .unwrap();
    let copied = RemoteFile::from(&copy).file_id().unwrap();
    assert_eq!(copied.unique(), named.unique(), "the same file");
    assert!(place.api.download(&copy).bytes().await.unwrap() == bytes);
    let document = place
        .api
        .download(RemoteFile::from(named.clone()).thumbnail("m"))
        .bytes()
        .await;
    assert!(
        document
            .unwrap_err()
            .to_string()
            .contains("ids of their own")
    );

    let photo = place.api.send_file("me", png(900)).photo().await.unwrap();
    let Some(enums::MessageMedia::MessageMediaPhoto(media)) = photo.media() else {
        panic!("{photo:?}")
    };
    let Some(enums::Photo::Photo(held)) = &media.photo else {
        panic!("{media:?}")
    };
    let mut uniques = BTreeSet::new();
    for size in &held.sizes {
        let enums::PhotoSize::PhotoSize(size) = size else {
            continue;
        };
        let file = RemoteFile::from(&photo).thumbnail(size.type_.as_str());
        let named = file.file_id().unwrap();
        uniques.insert(named.unique().unwrap());
        let by_id = place
            .api
            .download(named.to_string().parse::<FileId>().unwrap())
            .bytes()
            .await
            .unwrap();
        assert_eq!(by_id.len(), usize::try_from(size.size).unwrap());
        assert!(place.api.download(file).bytes().await.unwrap() == by_id);
    }
    assert!(uniques.len() >= 2, "each size has its own");
    let largest = RemoteFile::from(&photo).file_id().unwrap();
    let copy = place.api.send_media("me", largest).await.unwrap();
    assert!(matches!(
        copy.media(),
        Some(enums::MessageMedia::MessageMediaPhoto(_))
    ));
    // Another account's hash is no good.
    let mut stolen = named;
    if let FileTarget::Stored { access_hash, .. } = &mut stolen.target {
        *access_hash ^= 1;
    }
    assert!(place.api.download(stolen.clone()).bytes().await.is_err());
    assert!(place.api.send_media("me", stolen).await.is_err());
    place.end().await;
}

//! Uploads and downloads: parts, their rules, and the files they make.
#![allow(clippy::unwrap_used)]

use actogram_crypto::sha::sha256;
use actogram_local_datacenter::model::{Limits, WorldConfig};
use actogram_local_datacenter::storage::{MemoryJournal, SqliteJournal};
use actogram_tl as tl;
use proptest::prelude::*;
use tl::{enums, functions, types};

use crate::rpc_support::*;

const PART: usize = 512 << 10;

fn bytes(length: usize, seed: u32) -> Vec<u8> {
    (0..length as u32)
        .map(|at| (at.wrapping_add(seed).wrapping_mul(2_654_435_761) >> 16) as u8)
        .collect()
}

fn big_part(id: i64, part: i32, total: i32, bytes: &[u8]) -> functions::upload::SaveBigFilePart {
    functions::upload::SaveBigFilePart {
        file_id: id,
        file_part: part,
        file_total_parts: total,
        bytes: bytes.to_vec().into(),
    }
}

fn small_part(id: i64, part: i32, bytes: &[u8]) -> functions::upload::SaveFilePart {
    functions::upload::SaveFilePart {
        file_id: id,
        file_part: part,
        bytes: bytes.to_vec().into(),
    }
}

fn small_file(id: i64, parts: i32, sum: &str) -> enums::InputFile {
    types::InputFile {
        id,
        parts,
        name: "a/b\\c.txt".into(),
        md5_checksum: sum.into(),
    }
    .into()
}

fn big_file(id: i64, parts: i32) -> enums::InputFile {
    types::InputFileBig {
        id,
        parts,
        name: "big.bin".into(),
    }
    .into()
}

fn send(
    peer: &enums::InputPeer,
    file: enums::InputFile,
    random: i64,
) -> functions::messages::SendMedia {
    let media = types::InputMediaUploadedDocument::new(file, "text/plain".into(), Vec::new());
    functions::messages::SendMedia::new(peer.clone(), media.into(), String::new(), random)
}

fn sent_document(updates: &enums::Updates) -> types::Document {
    let enums::Updates::Updates(updates) = updates else {
        panic!("{updates:?}")
    };
    let message = updates
        .updates
        .iter()
        .find_map(|update| match update {
            enums::Update::UpdateNewMessage(new) => Some(&new.message),
            _ => None,
        })
        .unwrap();
    let Some(enums::MessageMedia::MessageMediaDocument(media)) =
        &crate::rpc_support::message(message).media
    else {
        panic!("{message:?}")
    };
    let Some(enums::Document::Document(document)) = &media.document else {
        panic!("{media:?}")
    };
    (**document).clone()
}

fn location(document: &types::Document, size: &str) -> enums::InputFileLocation {
    types::InputDocumentFileLocation {
        id: document.id,
        access_hash: document.access_hash,
        file_reference: document.file_reference.clone(),
        thumb_size: size.into(),
    }
    .into()
}

fn get(location: &enums::InputFileLocation, offset: i64, limit: i32) -> functions::upload::GetFile {
    functions::upload::GetFile::new(location.clone(), offset, limit)
}

fn part(file: enums::upload::File) -> Vec<u8> {
    match file {
        enums::upload::File::File(file) => file.bytes.to_vec(),
        other => panic!("{other:?}"),
    }
}

/// The whole file, piece by piece.
fn fetch(rig: &mut Rig, client: &mut Client, document: &types::Document, limit: i32) -> Vec<u8> {
    let location = location(document, "");
    let mut whole = Vec::new();
    loop {
        let piece = part(
            rig.call(client, &get(&location, whole.len() as i64, limit))
                .unwrap(),
        );
        let end = piece.len() < limit as usize;
        whole.extend(piece);
        if end {
            return whole;
        }
    }
}

#[test]
fn what_was_uploaded_is_what_is_downloaded_at_every_boundary() {
    let mut p = pair();
    let mut random = 0;
    for size in [
        1,
        1023,
        1024,
        1025,
        4095,
        4096,
        PART - 1,
        PART,
        PART + 1,
        2 * PART,
        3 * PART + 7,
    ] {
        for (part_size, big) in [
            (PART, false),
            (PART, true),
            (32 << 10, false),
            (1 << 10, true),
        ] {
            let parts = size.div_ceil(part_size);
            if parts > 600 {
                continue;
            }
            random += 1;
            let content = bytes(size, random as u32);
            // From behind, so that the last and shortest part comes first where its number tells that it is the last.
            let mut order: Vec<usize> = (0..parts).collect();
            if big {
                order.reverse();
            }
            for at in order {
                let piece = &content[at * part_size..(at * part_size + part_size).min(size)];
                let saved = if big {
                    p.rig.call(
                        &mut p.alice,
                        &big_part(random, at as i32, parts as i32, piece),
                    )
                } else {
                    p.rig
                        .call(&mut p.alice, &small_part(random, at as i32, piece))
                };
                assert!(saved.unwrap());
            }
            let file = if big {
                big_file(random, parts as i32)
            } else {
                small_file(random, parts as i32, "")
            };
            let to_bob = p.to_bob.clone();
            let updates = p
                .rig
                .call(&mut p.alice, &send(&to_bob, file, random))
                .unwrap();
            let document = sent_document(&updates);
            assert_eq!(document.size, size as i64);
            for limit in [4096, 1 << 20] {
                if size / limit as usize > 100 {
                    continue;
                }
                let got = fetch(&mut p.rig, &mut p.alice, &document, limit);
                assert!(got == content, "{size} in parts of {part_size}");
            }
            let hashes: Vec<enums::FileHash> = p
                .rig
                .call(
                    &mut p.alice,
                    &functions::upload::GetFileHashes {
                        location: location(&document, ""),
                        offset: 0,
                    },
                )
                .unwrap();
            let mut at = 0;
            for hash in hashes {
                let enums::FileHash::FileHash(hash) = hash;
                assert_eq!(hash.offset, at as i64);
                let end = at + hash.limit as usize;
                assert_eq!(hash.hash[..], sha256(&content[at..end]));
                at = end;
            }
            assert_eq!(at, size.min(1 << 20));
        }
    }
    assert_eq!(operate(&mut p.rig, |o| o.unfinished_uploads()), 0);
}

#[test]
fn parts_that_break_the_rules_are_refused_by_name() {
    let mut p = pair();
    let full = bytes(PART, 1);
    for (call, error) in [
        (big_part(1, 0, -1, &[]), "FILE_PART_EMPTY"),
        (big_part(1, 0, -1, &bytes(PART + 1, 1)), "FILE_PART_TOO_BIG"),
        (big_part(1, -1, -1, &full), "FILE_PART_INVALID"),
        (big_part(1, 4000, -1, &full), "FILE_PART_INVALID"),
        (big_part(1, 3, 3, &full), "FILE_PART_INVALID"),
        (big_part(1, 0, 4001, &full), "FILE_PARTS_INVALID"),
        (big_part(1, 0, 0, &full), "FILE_PARTS_INVALID"),
        (big_part(1, 0, 3, &full[..1000]), "FILE_PART_SIZE_INVALID"),
        (
            big_part(1, 0, 3, &full[..3 << 10]),
            "FILE_PART_SIZE_INVALID",
        ),
    ] {
        assert_eq!(p.rig.error(&mut p.alice, &call), format!("400 {error}"));
    }
    p.rig.call(&mut p.alice, &big_part(2, 0, 3, &full)).unwrap();
    for (call, error) in [
        (
            big_part(2, 1, 3, &full[..1 << 10]),
            "FILE_PART_SIZE_CHANGED",
        ),
        (big_part(2, 1, 4, &full), "FILE_PARTS_INVALID"),
    ] {
        assert_eq!(p.rig.error(&mut p.alice, &call), format!("400 {error}"));
    }
    assert_eq!(
        p.rig.error(&mut p.alice, &small_part(2, 1, &full)),
        "400 FILE_PARTS_INVALID"
    );
    p.rig
        .call(&mut p.alice, &big_part(2, 2, 3, &full[..9]))
        .unwrap();
    let to_bob = p.to_bob.clone();
    for (file, error) in [
        (big_file(2, 3), "FILE_PART_1_MISSING"),
        (big_file(2, 2), "FILE_PARTS_INVALID"),
        (small_file(2, 3, ""), "FILE_PARTS_INVALID"),
        (big_file(77, 1), "FILE_PART_0_MISSING"),
        (big_file(2, 4001), "FILE_PARTS_INVALID"),
    ] {
        let call = send(&to_bob, file, 5);
        assert_eq!(p.rig.error(&mut p.alice, &call), format!("400 {error}"));
    }
    // Whoever heard of the missing part sends it and asks again.
    p.rig.call(&mut p.alice, &big_part(2, 1, 3, &full)).unwrap();
    let sent = p
        .rig
        .call(&mut p.alice, &send(&to_bob, big_file(2, 3), 5))
        .unwrap();
    assert_eq!(sent_document(&sent).size, (2 * PART + 9) as i64);
    assert_eq!(sent_document(&sent).attributes.len(), 1);
    // A file is made once.
    assert_eq!(
        p.rig.error(&mut p.alice, &send(&to_bob, big_file(2, 3), 6)),
        "400 FILE_PART_0_MISSING"
    );
}

#[test]
fn the_sum_of_a_small_file_is_checked_and_its_size() {
    let mut p = pair();
    let to_bob = p.to_bob.clone();
    let sum = "900150983cd24fb0d6963f7d28e17f72";
    let tellings = [
        (sum.to_owned(), true),
        (sum.to_uppercase(), true),
        (sum.replace('9', "8"), false),
    ];
    for (random, (told, right)) in (1..).zip(tellings) {
        p.rig.call(&mut p.alice, &small_part(9, 0, b"abc")).unwrap();
        let call = send(&to_bob, small_file(9, 1, &told), random);
        if !right {
            assert_eq!(p.rig.error(&mut p.alice, &call), "400 MD5_CHECKSUM_INVALID");
            continue;
        }
        let document = sent_document(&p.rig.call(&mut p.alice, &call).unwrap());
        let enums::DocumentAttribute::DocumentAttributeFilename(name) = &document.attributes[0]
        else {
            panic!("{document:?}")
        };
        assert_eq!(name.file_name, "c.txt");
    }
    let full = bytes(PART, 3);
    for at in 0..21 {
        p.rig
            .call(&mut p.alice, &small_part(10, at, &full))
            .unwrap();
    }
    let call = send(&to_bob, small_file(10, 21, ""), 100);
    assert_eq!(p.rig.error(&mut p.alice, &call), "400 FILE_PARTS_INVALID");
}

#[test]
fn premium_doubles_how_many_parts_there_may_be() {
    let mut p = pair();
    let call = big_part(1, 7999, 8000, &[1]);
    assert_eq!(p.rig.error(&mut p.alice, &call), "400 FILE_PARTS_INVALID");
    let alice = p.alice_id;
    operate(&mut p.rig, |o| o.set_premium(alice, true)).unwrap();
    p.rig.call(&mut p.alice, &call).unwrap();
    let call = big_part(1, 8000, 8001, &[1]);
    assert_eq!(p.rig.error(&mut p.alice, &call), "400 FILE_PARTS_INVALID");
}

#[test]
fn offsets_and_limits_are_taken_as_documented_and_no_other() {
    let mut p = pair();
    let to_bob = p.to_bob.clone();
    p.rig
        .call(&mut p.alice, &small_part(1, 0, &bytes(5000, 1)))
        .unwrap();
    let sent = p
        .rig
        .call(&mut p.alice, &send(&to_bob, small_file(1, 1, ""), 1))
        .unwrap();
    let document = sent_document(&sent);
    let place = location(&document, "");
    let precise = |offset, limit| {
        let mut call = get(&place, offset, limit);
        call.precise = true;
        call
    };
    for call in [
        precise(1024, 3072),
        precise(0, 1 << 20),
        get(&place, 4096, 4096),
    ] {
        p.rig.call(&mut p.alice, &call).unwrap();
    }
    let behind = part(p.rig.call(&mut p.alice, &get(&place, 8192, 4096)).unwrap());
    assert!(behind.is_empty());
    for (call, error) in [
        (get(&place, 1, 4096), "OFFSET_INVALID"),
        (get(&place, -4096, 4096), "OFFSET_INVALID"),
        (get(&place, 1024, 4096), "OFFSET_INVALID"),
        (precise(512, 1024), "OFFSET_INVALID"),
        (get(&place, 0, 0), "LIMIT_INVALID"),
        (get(&place, 0, 5000), "LIMIT_INVALID"),
        (get(&place, 0, 12288), "LIMIT_INVALID"),
        (get(&place, 0, 2 << 20), "LIMIT_INVALID"),
        (get(&place, 4096, 1 << 20), "LIMIT_INVALID"),
        (precise(0, 1000), "LIMIT_INVALID"),
    ] {
        assert_eq!(p.rig.error(&mut p.alice, &call), format!("400 {error}"));
    }
    let with = |change: &dyn Fn(&mut types::Document)| {
        let mut other = document.clone();
        change(&mut other);
        get(&location(&other, ""), 0, 4096)
    };
    for (call, error) in [
        (with(&|it| it.access_hash += 1), "FILE_ID_INVALID"),
        (with(&|it| it.id += 1), "FILE_ID_INVALID"),
        (
            with(&|it| it.file_reference = Vec::new().into()),
            "FILE_REFERENCE_EMPTY",
        ),
        (
            with(&|it| it.file_reference = vec![1].into()),
            "FILE_REFERENCE_EXPIRED",
        ),
        (get(&location(&document, "m"), 0, 4096), "LOCATION_INVALID"),
    ] {
        assert_eq!(p.rig.error(&mut p.alice, &call), format!("400 {error}"));
    }
    let stranger = p.rig.error(&mut p.bob, &get(&place, 0, 4096));
    assert_eq!(stranger, "400 FILE_ID_INVALID");
}

#[test]
fn files_outlive_a_restart_and_what_belongs_to_nothing_does_not() {
    let directory = tempfile::tempdir().unwrap();
    let config = || WorldConfig {
        files: Some(directory.path().join("files")),
        limits: Limits::default(),
        ..WorldConfig::default()
    };
    let journal = || Box::new(SqliteJournal::open(directory.path().join("state")).unwrap());
    let content = bytes(PART + 5, 8);
    let (mut alice, document) = {
        let mut rig = Rig::with(config(), journal());
        let (mut alice, _) = rig.person("Alice");
        for (at, piece) in content.chunks(PART).enumerate() {
            rig.call(&mut alice, &big_part(1, at as i32, 2, piece))
                .unwrap();
        }
        let me = enums::InputPeer::InputPeerSelf;
        let sent = rig.call(&mut alice, &send(&me, big_file(1, 2), 1)).unwrap();
        rig.call(&mut alice, &big_part(2, 0, 2, &content[..PART]))
            .unwrap();
        (alice, sent_document(&sent))
    };
    std::fs::write(directory.path().join("files/12345"), b"left by a kill").unwrap();
    let mut rig = Rig::with(config(), journal());
    assert!(fetch(&mut rig, &mut alice, &document, 1 << 20) == content);
    let names: Vec<_> = std::fs::read_dir(directory.path().join("files"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(names, [document.id.to_string()]);
    let me = enums::InputPeer::InputPeerSelf;
    assert_eq!(
        rig.error(&mut alice, &send(&me, big_file(2, 2), 2)),
        "400 FILE_PART_0_MISSING"
    );
}

fn picture(width: u32, height: u32) -> Vec<u8> {
    let image = image::RgbImage::from_fn(width, height, |x, y| image::Rgb([x as u8, y as u8, 90]));
    let mut png = std::io::Cursor::new(Vec::new());
    image.write_to(&mut png, image::ImageFormat::Png).unwrap();
    png.into_inner()
}

fn upload_media(p: &mut Pair, media: enums::InputMedia) -> enums::MessageMedia {
    let call = functions::messages::UploadMedia::new(p.to_bob.clone(), media);
    p.rig.call(&mut p.alice, &call).unwrap()
}

fn input_photo(media: &enums::MessageMedia) -> (types::InputPhoto, Vec<types::PhotoSize>) {
    let enums::MessageMedia::MessageMediaPhoto(media) = media else {
        panic!("{media:?}")
    };
    let Some(enums::Photo::Photo(photo)) = &media.photo else {
        panic!("{media:?}")
    };
    let (enums::PhotoSize::PhotoStrippedSize(smallest), sizes) = photo.sizes.split_first().unwrap()
    else {
        panic!("the smallest preview comes first: {photo:?}")
    };
    assert_eq!((smallest.type_.as_str(), smallest.bytes[0]), ("i", 1));
    let sizes = sizes.iter().map(|size| match size {
        enums::PhotoSize::PhotoSize(size) => (**size).clone(),
        other => panic!("{other:?}"),
    });
    let input = types::InputPhoto {
        id: photo.id,
        access_hash: photo.access_hash,
        file_reference: photo.file_reference.clone(),
    };
    (input, sizes.collect())
}

#[test]
fn a_photo_has_sizes_and_an_album_one_number() {
    let mut p = pair();
    let png = picture(1000, 500);
    for (at, piece) in png.chunks(PART).enumerate() {
        p.rig
            .call(&mut p.alice, &small_part(1, at as i32, piece))
            .unwrap();
    }
    let parts = png.len().div_ceil(PART) as i32;
    let media = types::InputMediaUploadedPhoto::new(small_file(1, parts, ""));
    let media = upload_media(&mut p, media.into());
    let (photo, sizes) = input_photo(&media);
    let boxes: Vec<_> = sizes
        .iter()
        .map(|size| (size.type_.as_str(), size.w, size.h))
        .collect();
    assert_eq!(
        boxes,
        [
            ("s", 100, 50),
            ("m", 320, 160),
            ("x", 800, 400),
            ("y", 1000, 500)
        ]
    );
    for size in &sizes {
        let place = types::InputPhotoFileLocation {
            id: photo.id,
            access_hash: photo.access_hash,
            file_reference: photo.file_reference.clone(),
            thumb_size: size.type_.clone(),
        };
        let jpeg = part(
            p.rig
                .call(&mut p.alice, &get(&place.into(), 0, 1 << 20))
                .unwrap(),
        );
        assert_eq!(jpeg.len(), size.size as usize);
        let image = image::load_from_memory(&jpeg).unwrap();
        assert_eq!(
            (image.width(), image.height()),
            (size.w as u32, size.h as u32)
        );
    }
    let single = |random: i64| {
        let media = types::InputMediaPhoto::new(photo.clone().into());
        types::InputSingleMedia::new(media.into(), random, format!("number {random}")).into()
    };
    let album = |items: Vec<enums::InputSingleMedia>| {
        functions::messages::SendMultiMedia::new(p.to_bob.clone(), items)
    };
    let (good, long, twice) = (
        album((1..4).map(single).collect()),
        album((1..12).map(single).collect()),
        album(vec![single(7), single(7)]),
    );
    assert_eq!(p.rig.error(&mut p.alice, &long), "400 MULTI_MEDIA_TOO_LONG");
    assert_eq!(p.rig.error(&mut p.alice, &twice), "500 RANDOM_ID_DUPLICATE");
    p.rig.take_pushes(&p.bob);
    p.rig.call(&mut p.alice, &good).unwrap();
    let history = messages(p.rig.call(&mut p.bob, &get_history(&p.to_alice)).unwrap());
    let groups: Vec<_> = history.iter().map(|it| message(it).grouped_id).collect();
    assert_eq!(groups.len(), 3);
    assert!(groups[0].is_some() && groups.iter().all(|group| *group == groups[0]));
}

#[test]
fn what_is_no_picture_becomes_no_photo() {
    let mut p = pair();
    let to_bob = p.to_bob.clone();
    let mut cut = picture(64, 64);
    cut.truncate(cut.len() / 2);
    for (number, content, error) in [
        (1, b"no picture at all".to_vec(), "PHOTO_EXT_INVALID"),
        (2, cut, "IMAGE_PROCESS_FAILED"),
        (3, picture(2, 100), "PHOTO_INVALID_DIMENSIONS"),
    ] {
        p.rig
            .call(&mut p.alice, &small_part(number, 0, &content))
            .unwrap();
        let media = types::InputMediaUploadedPhoto::new(small_file(number, 1, ""));
        let call = functions::messages::SendMedia::new(
            to_bob.clone(),
            media.into(),
            String::new(),
            number,
        );
        assert_eq!(p.rig.error(&mut p.alice, &call), format!("400 {error}"));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever order parts come in, and however often, the file is what was sent.
    #[test]
    fn parts_may_come_in_any_order_and_again(
        (size, shift) in (1usize..200_000, 0u32..10),
        order in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
    ) {
        let mut rig = Rig::with(WorldConfig::default(), Box::new(MemoryJournal));
        let (mut alice, _) = rig.person("Alice");
        let part_size = 1024usize << shift;
        let parts = size.div_ceil(part_size);
        let content = bytes(size, 5);
        let wanted = order.iter().map(|index| index.index(parts)).chain((0..parts).rev());
        for at in wanted {
            let piece = &content[at * part_size..(at * part_size + part_size).min(size)];
            rig.call(&mut alice, &big_part(1, at as i32, parts as i32, piece)).unwrap();
        }
        let me = enums::InputPeer::InputPeerSelf;
        let sent = rig.call(&mut alice, &send(&me, big_file(1, parts as i32), 1)).unwrap();
        let document = sent_document(&sent);
        prop_assert_eq!(document.size, size as i64);
        prop_assert!(fetch(&mut rig, &mut alice, &document, 1 << 20) == content);
    }
}

//! Files, uploaded and downloaded end to end: every boundary, lengths not known, names, photos and albums.
#![allow(clippy::unwrap_used)]

use std::{io, sync::Arc};

use actogram::{
    prelude::*,
    tl::types,
    transfers::{
        AlbumItem, GetProgress, LARGEST_FILE, RemoteFile, TransferError, TransferState, UploadFrom,
    },
};
use bytes::Bytes;
use futures_util::StreamExt as _;
use sha2::{Digest as _, Sha256};

use crate::support::{
    HANG, bot,
    files::{PART, Place, content, document, parts_left_in, pause_at},
    until,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_arrive_as_they_left_at_every_boundary() {
    let place = Place::new("9996630001").await;
    let directory = tempfile::tempdir().unwrap();
    for length in [
        1,
        1023,
        4095,
        4096,
        4097,
        128 << 10,
        PART - 1,
        PART,
        PART + 1,
        2 * PART,
        2 * PART + 1,
        5 * PART - 1,
        10 << 20,
        (10 << 20) + 1,
    ] {
        let bytes = content(length);
        let path = directory.path().join(format!("{length}.bin"));
        std::fs::write(&path, &bytes).unwrap();
        let sent = place.api.send_file("me", path).await.unwrap();
        assert_eq!(document(&sent).size, length as i64);
        let found = place.operator().file_sha256(document(&sent).id).unwrap();
        assert_eq!(found, actogram_crypto::sha::sha256(&bytes));

        let got = place.api.download(&sent).bytes().await.unwrap();
        assert!(got == bytes, "{length} in memory");
        let saved = directory.path().join("saved/");
        let saved = place
            .api
            .download(&sent)
            .check_hashes()
            .save(&saved)
            .await
            .unwrap();
        assert_eq!(saved.file_name().unwrap(), format!("{length}.bin").as_str());
        assert!(
            std::fs::read(&saved).unwrap() == bytes,
            "{length} in a file"
        );
        assert!(parts_left_in(saved.parent().unwrap()).is_empty());
    }
    assert_eq!(place.operator().unfinished_uploads(), 0);
    place.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_length_that_is_not_known_is_found_out() {
    let place = Place::new("9996630002").await;
    for length in [1, 1000, PART - 1, PART, PART + 1, 3 * PART, 3 * PART + 9] {
        let bytes = content(length);
        // Gives a little at a time, as a pipe does.
        let reader = tokio_util::io::StreamReader::new(futures_util::stream::iter(
            bytes
                .chunks(70_000)
                .map(|piece| io::Result::Ok(Bytes::copy_from_slice(piece)))
                .collect::<Vec<_>>(),
        ));
        let from = UploadFrom::reader(reader, None, "pipe.bin");
        let sent = place.api.send_file("me", from).await.unwrap();
        assert_eq!(document(&sent).size, length as i64);
        // Nothing is said of its length to whoever downloads it, either.
        let mut unknown = document(&sent);
        let exact = unknown.size;
        unknown.size = -1;
        let got = place.api.download(unknown).bytes().await.unwrap();
        assert!(got == bytes, "{length} of {exact}");
    }
    let empty = UploadFrom::reader(tokio::io::empty(), None, "none");
    let error = place.api.send_file("me", empty).await.unwrap_err();
    assert!(
        matches!(error, Error::Transfer(TransferError::Empty)),
        "{error}"
    );
    place.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_byte_more_than_the_largest_is_refused_before_anything_is_sent() {
    let place = Place::new("9996630003").await;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("large");
    let file = std::fs::File::create(&path).unwrap();
    for (premium, most) in [(false, 4000u64 * PART as u64), (true, 8000 * PART as u64)] {
        place.operator().set_premium(place.me, premium).unwrap();
        file.set_len(most + 1).unwrap();
        let error = place.api.upload(path.clone()).await.unwrap_err();
        let Error::Transfer(TransferError::TooLarge { size, most: told }) = error else {
            panic!("{error}")
        };
        assert_eq!((size, told), (most + 1, most));
    }
    file.set_len(0).unwrap();
    let error = place.api.upload(path.clone()).await.unwrap_err();
    assert!(
        matches!(error, Error::Transfer(TransferError::Empty)),
        "{error}"
    );
    assert_eq!(place.count("upload.saveBigFilePart"), 0);
    assert_eq!(place.count("upload.saveFilePart"), 0);
    assert_eq!(place.operator().unfinished_uploads(), 0);
    place.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ranges_and_streams_give_what_was_asked_for() {
    let place = Place::new("9996630004").await;
    let bytes = content(3 * PART + 77);
    let message = place.message("r.bin", &bytes).await;
    let last = bytes.len() as u64;
    for range in [
        0..1,
        1..2,
        4095..4097,
        100..PART as u64 + 100,
        (1 << 20) - 1..(1 << 20) + 1,
        last - 1..last + 50,
        last..last + 1,
        5..5,
        last + 10..last + 20,
    ] {
        let got = place
            .api
            .download(&message)
            .range(range.clone())
            .bytes()
            .await
            .unwrap();
        let from = (range.start as usize).min(bytes.len());
        let to = (range.end as usize).clamp(from, bytes.len());
        assert!(got == bytes[from..to], "{range:?}");
    }
    let mut stream = place
        .api
        .download(&message)
        .budget(0)
        .stream()
        .await
        .unwrap();
    let mut got = Vec::new();
    while let Some(piece) = stream.next().await {
        got.extend_from_slice(&piece.unwrap());
    }
    assert!(got == bytes);
    // Whoever stops reading stops the transfer.
    let mut stream = place
        .api
        .download(&message)
        .budget(0)
        .stream()
        .await
        .unwrap();
    stream.next().await.unwrap().unwrap();
    let handle = stream.handle();
    drop(stream);
    until("the transfer ends", || handle.progress().state.is_final()).await;
    place.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transfer_is_paused_resumed_and_cancelled_by_its_handle() {
    let place = Place::new("9996630006").await;
    let directory = tempfile::tempdir().unwrap();
    let bytes = content(20 * PART);
    let message = place.message("p.bin", &bytes).await;
    let path = directory.path().join("p.bin");
    let start = || place.api.download(&message).budget(1 << 20);

    let download = start().start(&path).await.unwrap();
    let handle = download.handle();
    pause_at(&handle, 1 << 20).await;
    let paused = handle.progress();
    assert_eq!(paused.total, Some(bytes.len() as u64));
    // What was under way still comes; nothing else is asked for.
    let asked = place.count_at_rest("upload.getFile").await;
    assert_eq!(handle.progress().done, asked << 20);
    assert!(asked << 20 < bytes.len() as u64);
    assert!(!path.exists() && parts_left_in(directory.path()).len() == 1);
    let shown = format!("{:?}", place.client.snapshot());
    assert!(shown.contains("download 1"), "{shown}");
    // Two do not write to one place.
    let busy = start().start(&path).await.unwrap_err();
    assert!(matches!(busy, Error::Io { .. }), "{busy}");
    let asked_for = handle.asks().send(GetProgress).await.unwrap();
    assert_eq!(asked_for, handle.progress());
    handle
        .resumes()
        .do_send(actogram::transfers::ResumeTransfer);
    assert_eq!(download.wait().await.unwrap(), path);
    assert_eq!(handle.progress().state, TransferState::Done);
    assert!(std::fs::read(&path).unwrap() == bytes);

    std::fs::remove_file(&path).unwrap();
    let download = start().start(&path).await.unwrap();
    let handle = download.handle();
    pause_at(&handle, 1 << 20).await;
    handle.cancel();
    handle.resume();
    let error = download.wait().await.unwrap_err();
    assert!(
        matches!(error, Error::Transfer(TransferError::Cancelled)),
        "{error}"
    );
    assert_eq!(handle.progress().state, TransferState::Cancelled);
    until("nothing is left", || {
        parts_left_in(directory.path()).is_empty()
    })
    .await;
    assert!(!path.exists());

    let upload = place.api.upload(bytes).budget(0).start().await.unwrap();
    let handle = upload.handle();
    pause_at(&handle, 1).await;
    handle.cancel();
    let error = upload.wait().await.unwrap_err();
    assert!(
        matches!(error, Error::Transfer(TransferError::Cancelled)),
        "{error}"
    );
    place.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a7_names_from_outside_stay_in_their_directory() {
    let place = Place::new("9996630014").await;
    let directory = tempfile::tempdir().unwrap();
    let inside = directory.path().join("inside");
    std::fs::create_dir(&inside).unwrap();
    for (number, name) in ["../../up.txt", "/abs.txt", "a/../b.txt", "..", ".hidden"]
        .iter()
        .enumerate()
    {
        let bytes = content(100 + number);
        let message = place.message(name, &bytes).await;
        let saved = message.download(&inside).await.unwrap();
        assert_eq!(saved.parent().unwrap(), inside, "{name}");
        assert!(std::fs::read(saved).unwrap() == bytes);
    }
    let all: Vec<_> = std::fs::read_dir(directory.path()).unwrap().collect();
    assert_eq!(all.len(), 1, "{all:?}");
    // What lies there is left alone.
    let message = place.message("same.txt", b"one").await;
    let first = message.download(&inside).await.unwrap();
    let second = message.download(&inside).await.unwrap();
    assert_ne!(first, second);
    assert_eq!(second.file_name().unwrap(), "same (1).txt");
    let text = place.api.send_message("me", "no file").await.unwrap();
    let error = text.download(&inside).await.unwrap_err();
    assert!(matches!(error, Error::Argument { .. }), "{error}");
    place.end().await;
}

fn picture(width: u32, height: u32, shade: u8) -> Vec<u8> {
    let image =
        image::RgbImage::from_fn(width, height, |x, y| image::Rgb([x as u8, y as u8, shade]));
    let mut jpeg = io::Cursor::new(Vec::new());
    image.write_to(&mut jpeg, image::ImageFormat::Jpeg).unwrap();
    jpeg.into_inner()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn photos_thumbnails_and_albums() {
    let place = Place::new("9996630015").await;
    let sent = place
        .api
        .send_file("me", picture(900, 600, 1))
        .photo()
        .spoiler()
        .caption("seen")
        .await
        .unwrap();
    let whole = place.api.download(&sent).bytes().await.unwrap();
    let small = RemoteFile::from(&sent).thumbnail("m");
    assert_eq!(small.mime_type(), "image/jpeg");
    let small = place.api.download(small).bytes().await.unwrap();
    let sides = |bytes: &Bytes| {
        let image = image::load_from_memory(bytes).unwrap();
        (image.width(), image.height())
    };
    assert_eq!((sides(&whole), sides(&small)), ((900, 600), (320, 213)));

    let file = place
        .api
        .send_file("me", content(5000))
        .mime_type("video/mp4")
        .attribute(types::DocumentAttributeVideo::new(3.5, 640, 480))
        .thumbnail(picture(64, 48, 2))
        .await
        .unwrap();
    assert_eq!(document(&file).mime_type, "video/mp4");
    let thumbnail = RemoteFile::from(&file).thumbnail("m");
    assert_eq!(
        sides(&place.api.download(thumbnail).bytes().await.unwrap()),
        (64, 48)
    );
    let none = RemoteFile::from(&file).thumbnail("x");
    let error = place.api.download(none).bytes().await.unwrap_err();
    assert!(matches!(error, Error::Argument { .. }), "{error}");

    let items = (1..=3u8).map(|shade| {
        AlbumItem::photo(picture(50, 50, shade)).caption(html(format!("<b>{shade}</b>")))
    });
    let album = place.api.send_album("me", items).await.unwrap();
    let texts: Vec<_> = album.iter().map(Msg::text).collect();
    assert_eq!(texts, ["1", "2", "3"]);
    let groups: Vec<_> = album.iter().map(|it| it.raw().grouped_id).collect();
    assert!(
        groups[0].is_some() && groups.iter().all(|it| *it == groups[0]),
        "{groups:?}"
    );
    let files = (1..=2usize).map(|n| AlbumItem::file(content(n * 1000)));
    let album = place.api.send_album("me", files).await.unwrap();
    for (n, message) in (1..).zip(&album) {
        assert!(place.api.download(message).bytes().await.unwrap() == content(n * 1000));
    }
    let error = place.api.send_album("me", []).await.unwrap_err();
    assert!(matches!(error, Error::Argument { .. }), "{error}");
    place.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn progress_is_told_to_callbacks_and_actors() {
    let place = Place::new("9996630016").await;
    let (bot, _) = bot(&place.datacenter, "progress_bot").await;
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let listener = seen.clone();
    let bytes = content(9 * PART);
    let sent = place
        .api
        .send_file("me", bytes.clone())
        .on_progress(move |progress| listener.lock().unwrap().push(progress))
        .await
        .unwrap();
    let last = || seen.lock().unwrap().last().copied();
    until("the end is told", || {
        last().is_some_and(|it| it.state.is_final())
    })
    .await;
    let told = seen.lock().unwrap().clone();
    assert!(
        told.windows(2).all(|two| two[0].done <= two[1].done),
        "{told:?}"
    );
    let last = last().unwrap();
    assert_eq!(
        (last.state, last.done, last.total),
        (
            TransferState::Done,
            bytes.len() as u64,
            Some(bytes.len() as u64)
        )
    );
    // A file that another account may not see cannot be had by its location.
    let error = bot
        .api()
        .download(document(&sent))
        .bytes()
        .await
        .unwrap_err();
    assert!(error.is("FILE_ID_INVALID"), "{error}");
    bot.shutdown(HANG).await;
    place.end().await;
}

/// With `LONG_TESTS` it is the largest file there can be.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_file_goes_up_and_comes_back_with_its_hash() {
    let long = std::env::var_os("LONG_TESTS").is_some();
    let size = if long { LARGEST_FILE } else { 40 << 20 };
    let place = Place::new("9996630017").await;
    place.operator().set_premium(place.me, true).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("large.bin");
    let file = std::fs::File::create(&path).unwrap();
    // Sparse, but no part is like another.
    let mut expected = Sha256::new();
    let zeros = vec![0; PART - 8];
    for part in 0..size / PART as u64 {
        write_at(&file, &part.to_be_bytes(), part * PART as u64);
        expected.update(part.to_be_bytes());
        expected.update(&zeros);
    }
    file.set_len(size).unwrap();
    let expected: [u8; 32] = expected.finalize().into();
    let sent = place.api.send_file("me", path.clone()).await.unwrap();
    assert_eq!(document(&sent).size as u64, size);
    let mut found = Sha256::new();
    let mut stream = place.api.download(&sent).stream().await.unwrap();
    while let Some(piece) = stream.next().await {
        found.update(piece.unwrap());
    }
    let found: [u8; 32] = found.finalize().into();
    assert_eq!(found, expected);
    if long {
        file.set_len(size + 1).unwrap();
        let parts = place.count("upload.saveBigFilePart");
        let error = place.api.send_file("me", path).await.unwrap_err();
        assert!(
            matches!(error, Error::Transfer(TransferError::TooLarge { .. })),
            "{error}"
        );
        assert_eq!(place.count("upload.saveBigFilePart"), parts);
    }
    place.end().await;
}

fn write_at(mut file: &std::fs::File, bytes: &[u8], offset: u64) {
    use std::io::{Seek as _, Write as _};
    file.seek(io::SeekFrom::Start(offset)).unwrap();
    file.write_all(bytes).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn previews_that_come_with_a_photo_look_like_it() {
    let place = Place::new("9996630016").await;
    for (width, height) in [(900, 600), (333, 1000), (30, 30)] {
        let at = |x: u32, y: u32| {
            let share = |at: u32, of: u32| (at * 200 / of) as u8;
            image::Rgb([share(x, width), share(y, height), 90])
        };
        let picture = image::RgbImage::from_fn(width, height, at);
        let mut png = io::Cursor::new(Vec::new());
        picture.write_to(&mut png, image::ImageFormat::Png).unwrap();
        let sent = place.api.send_file("me", png.into_inner()).photo().await;
        let file = RemoteFile::from(&sent.unwrap());
        let before = place.count("upload.getFile");
        let preview = image::load_from_memory(&file.preview().unwrap()).unwrap();
        let preview = preview.to_rgb8();
        assert_eq!(place.count("upload.getFile"), before, "it was there");
        assert!(preview.width().max(preview.height()) <= 40);
        for (x, y, pixel) in preview.enumerate_pixels() {
            let expected = at(x * width / preview.width(), y * height / preview.height());
            for (told, wanted) in pixel.0.iter().zip(expected.0) {
                assert!(
                    told.abs_diff(wanted) < 40,
                    "{pixel:?} at {x}, {y}: {expected:?}"
                );
            }
        }
        assert_eq!(file.outline(), None);
    }
    let plain = place.api.send_file("me", content(10)).await.unwrap();
    assert_eq!(RemoteFile::from(&plain).preview(), None);
    place.end().await;
}

//! What can go wrong with a file on its way: cuts, kills, full disks, files that change, datacenters that lie.
#![allow(clippy::unwrap_used)]

use std::{
    future::IntoFuture as _,
    io,
    path::Path,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use actogram::{
    prelude::*,
    tl::{Decode as _, Encode as _, enums, types},
    transfers::{AlbumItem, TransferError, UploadFrom},
};
use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::support::{
    HANG,
    files::{PART, Place, content, document, parts_left_in, pause_at},
    until,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r4_a_cut_line_costs_time_and_no_byte() {
    let place = Place::new("9996630005").await;
    let bytes = content(24 * PART + 5);
    let cuts = Arc::new(AtomicUsize::new(0));
    let cut_at = |parts: Vec<u64>| {
        let (datacenter, cuts) = (&place.datacenter, cuts.clone());
        let operator = datacenter.operator();
        async move {
            for part in parts {
                let count = || {
                    let counters = operator.counters();
                    counters.executed("upload.getFile")
                        + counters.executed("upload.saveBigFilePart")
                };
                tokio::time::timeout(HANG, async {
                    while count() < part {
                        tokio::time::sleep(Duration::from_millis(1)).await;
                    }
                })
                .await
                .unwrap();
                cuts.fetch_add(datacenter.cut_connections(), Ordering::SeqCst);
            }
        }
    };
    let upload = place.api.send_file("me", bytes.clone());
    let (sent, ()) = tokio::join!(upload.into_future(), cut_at(vec![2, 9]));
    let sent = sent.unwrap();
    assert_eq!(
        place.operator().file_sha256(document(&sent).id).unwrap(),
        actogram_crypto::sha::sha256(&bytes)
    );
    let so_far = place.count("upload.saveBigFilePart") + place.count("upload.getFile");
    let download = place.api.download(&sent).bytes();
    let (got, ()) = tokio::join!(download, cut_at(vec![so_far + 1, so_far + 5]));
    assert!(got.unwrap() == bytes);
    assert!(cuts.load(Ordering::SeqCst) >= 2, "nothing was cut");
    place.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r4_what_a_dead_process_left_is_gone_on_from_if_it_is_right() {
    let place = Place::new("9996630007").await;
    let directory = tempfile::tempdir().unwrap();
    let bytes = content(12 * PART + 3);
    let message = place.message("k.bin", &bytes).await;
    let path = directory.path().join("k.bin");
    let part = || {
        let names = parts_left_in(directory.path());
        assert_eq!(names.len(), 1);
        directory.path().join(&names[0])
    };
    let leave = async |keep: usize| {
        let _ = std::fs::remove_file(&path);
        let download = place
            .api
            .download(&message)
            .budget(0)
            .start(&path)
            .await
            .unwrap();
        let handle = download.handle();
        pause_at(&handle, 2 << 20).await;
        let left = std::fs::read(part()).unwrap();
        assert!(bytes.starts_with(&left));
        handle.cancel();
        download.wait().await.unwrap_err();
        until("it is removed", || {
            parts_left_in(directory.path()).is_empty()
        })
        .await;
        // As a kill leaves it: cut anywhere.
        left[..keep.min(left.len())].to_vec()
    };
    let left = leave(usize::MAX).await;
    let name = {
        let download = place
            .api
            .download(&message)
            .budget(0)
            .start(&path)
            .await
            .unwrap();
        let name = part();
        download.handle().cancel();
        download.wait().await.unwrap_err();
        name
    };
    until("it is removed", || {
        parts_left_in(directory.path()).is_empty()
    })
    .await;
    let whole = bytes.len() as u64;
    let mut wrong = left.clone();
    let last = wrong.len() - 1;
    wrong[last] ^= 1;
    let longer = [&bytes[..], b"and more"].concat();
    // What is there already, and how many bytes must be fetched at most to go on.
    for (there, most) in [
        (left.clone(), whole - (1 << 20)),
        (left[..1_500_000].to_vec(), whole),
        (left[..10].to_vec(), whole + (1 << 20)),
        (bytes.to_vec(), 1 << 20),
        (wrong, whole + (2 << 20)),
        (longer, whole + (2 << 20)),
    ] {
        std::fs::write(&name, &there).unwrap();
        // Parts of the one before may still be on their way.
        let before = place.count_at_rest("upload.getFile").await;
        let saved = place.api.download(&message).save(&path).await.unwrap();
        assert!(
            std::fs::read(&saved).unwrap() == bytes,
            "{} were there",
            there.len()
        );
        let fetched = (place.count("upload.getFile") - before) << 20;
        assert!(
            fetched <= most + (1 << 20),
            "{fetched} of {most}: {} were there",
            there.len()
        );
        assert!(parts_left_in(directory.path()).is_empty());
        std::fs::remove_file(saved).unwrap();
    }
    place.end().await;
}

/// Gives or takes so many bytes, then fails.
struct Failing {
    room: usize,
    errno: i32,
}

impl AsyncRead for Failing {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.room == 0 {
            return Poll::Ready(Err(io::Error::from_raw_os_error(self.errno)));
        }
        let given = self.room.min(into.remaining());
        into.put_slice(&vec![7; given]);
        self.room -= given;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Failing {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.room == 0 {
            return Poll::Ready(Err(io::Error::from_raw_os_error(self.errno)));
        }
        let taken = self.room.min(bytes.len());
        self.room -= taken;
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r18_a_full_disk_is_an_error_that_says_so() {
    let place = Place::new("9996630008").await;
    let bytes = content(4 * PART);
    let message = place.message("f.bin", &bytes).await;
    let full = |room| Failing { room, errno: 28 };
    for room in [0, 1, PART, 4 * PART - 1] {
        let error = place
            .api
            .download(&message)
            .write_to(full(room))
            .await
            .unwrap_err();
        assert!(
            matches!(&error, Error::Transfer(TransferError::Sink(error)) if error.kind() == io::ErrorKind::StorageFull),
            "{error}"
        );
    }
    let written = place
        .api
        .download(&message)
        .write_to(full(4 * PART))
        .await
        .unwrap();
    assert_eq!(written, bytes.len() as u64);
    place.end().await;
}

/// What a disk says when it breaks, is made read-only, or is not to be written to any more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r18_what_a_disk_says_in_the_middle_is_told_and_what_was_there_stays() {
    let place = Place::new("9996630014").await;
    let bytes = content(6 * PART + 1);
    let message = place.message("f.bin", &bytes).await;
    for errno in [5, 13, 30, 122] {
        let expected = io::Error::from_raw_os_error(errno);
        let failing = |room| Failing { room, errno };
        for room in [0, PART, 6 * PART] {
            let saving = place.api.download(&message).write_to(failing(room));
            let error = saving.await.unwrap_err();
            assert!(
                matches!(&error, Error::Transfer(TransferError::Sink(error)) if error.raw_os_error() == Some(errno)),
                "{error}"
            );
            assert!(error.to_string().contains(&expected.to_string()), "{error}");
            let reader = UploadFrom::reader(failing(room), None, "broken");
            let error = place.api.send_file("me", reader).await.unwrap_err();
            assert!(
                matches!(&error, Error::Transfer(TransferError::Source(error)) if error.raw_os_error() == Some(errno)),
                "{error}"
            );
        }
    }
    assert_eq!(place.count("messages.sendMedia"), 0);
    place.end().await;
}

/// The place of a file is lost while it comes: its directory goes, or somebody puts a directory where it is to lie.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r18_a_place_that_is_lost_in_the_middle_is_an_error() {
    let place = Place::new("9996630015").await;
    let bytes = content(12 * PART);
    let message = place.message("f.bin", &bytes).await;
    type Loss = fn(&Path);
    let losses: [Loss; 2] = [
        |path| std::fs::remove_dir_all(path.parent().unwrap()).unwrap(),
        |path| {
            std::fs::remove_file(path).unwrap();
            std::fs::create_dir(path).unwrap();
        },
    ];
    for loss in losses {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("place").join("f.bin");
        std::fs::create_dir(path.parent().unwrap()).unwrap();
        std::fs::write(&path, b"the former version").unwrap();
        let saving = place.api.download(&message).budget(PART as u64);
        let started = saving.start(&path).await.unwrap();
        let handle = started.handle();
        pause_at(&handle, 3 * PART as u64).await;
        assert_eq!(std::fs::read(&path).unwrap(), b"the former version");
        loss(&path);
        handle.resume();
        let error = started.wait().await.unwrap_err();
        assert!(
            matches!(error, Error::Transfer(TransferError::Sink(_))),
            "{error}"
        );
        assert!(!path.is_file());
    }
    place.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_changes_while_it_is_uploaded_is_not_sent() {
    let place = Place::new("9996630009").await;
    let directory = tempfile::tempdir().unwrap();
    type Change = fn(&Path);
    let changes: [(&str, Change); 4] = [
        ("more", |path| {
            let mut file = std::fs::OpenOptions::new().append(true).open(path).unwrap();
            io::Write::write_all(&mut file, b"more").unwrap();
        }),
        ("less", |path| {
            let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
            file.set_len(5).unwrap();
        }),
        ("other", |path| {
            let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
            let long_ago = std::time::SystemTime::UNIX_EPOCH;
            file.set_modified(long_ago).unwrap();
        }),
        ("gone", |path| std::fs::remove_file(path).unwrap()),
    ];
    let before = place.operator().stored_messages();
    for (name, change) in changes {
        let path = directory.path().join(name);
        std::fs::write(&path, content(30 * PART)).unwrap();
        let upload = place
            .api
            .upload(path.clone())
            .budget(0)
            .start()
            .await
            .unwrap();
        let handle = upload.handle();
        pause_at(&handle, 1).await;
        change(&path);
        handle.resume();
        let error = upload.wait().await.unwrap_err();
        assert!(
            matches!(error, Error::Transfer(TransferError::Changed { .. })),
            "{name}: {error}"
        );
    }
    // A length that was promised and not kept.
    let from = UploadFrom::reader(&b"abc"[..], Some(4), "short");
    let error = place.api.send_file("me", from).await.unwrap_err();
    assert!(
        matches!(error, Error::Transfer(TransferError::Changed { .. })),
        "{error}"
    );
    let from = UploadFrom::reader(&b"abcde"[..], Some(4), "long");
    let error = place.api.send_file("me", from).await.unwrap_err();
    assert!(
        matches!(error, Error::Transfer(TransferError::Changed { .. })),
        "{error}"
    );
    assert_eq!(place.operator().stored_messages(), before);
    place.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a9_r4_a_reference_that_expires_on_the_way_is_asked_for_anew() {
    let place = Place::new("9996630010").await;
    let bytes = content(24 * PART);
    let message = place.message("e.bin", &bytes).await;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("e.bin");
    let download = place
        .api
        .download(&message)
        .budget(4 << 20)
        .start(&path)
        .await
        .unwrap();
    let handle = download.handle();
    pause_at(&handle, 1 << 20).await;
    place.operator().expire_file_references().unwrap();
    handle.resume();
    download.wait().await.unwrap();
    assert!(std::fs::read(&path).unwrap() == bytes);
    // One question for all parts that met it.
    assert_eq!(place.count("messages.getMessages"), 2);
    // Without the message it came with, there is nowhere to ask.
    place.operator().expire_file_references().unwrap();
    let error = place
        .api
        .download(document(&message))
        .bytes()
        .await
        .unwrap_err();
    assert!(
        matches!(error, Error::Transfer(TransferError::Reference { .. })),
        "{error}"
    );
    // A datacenter that takes no reference is not asked for ever.
    place
        .operator()
        .fail("upload.getFile", 400, "FILE_REFERENCE_EXPIRED", 50);
    let error = place.api.download(&message).bytes().await.unwrap_err();
    assert!(
        matches!(error, Error::Transfer(TransferError::Reference { .. })),
        "{error}"
    );
    place.operator().clear_faults();
    message.delete().await.unwrap();
    place.operator().expire_file_references().unwrap();
    let error = place.api.download(&message).bytes().await.unwrap_err();
    assert!(
        matches!(error, Error::Transfer(TransferError::Reference { .. })),
        "{error}"
    );
    place.end().await;
}

fn changed(answer: Bytes, change: impl FnOnce(&mut Vec<u8>)) -> Bytes {
    let Ok(enums::upload::File::File(mut file)) = enums::upload::File::from_bytes(answer.clone())
    else {
        return answer;
    };
    let mut bytes = file.bytes.to_vec();
    change(&mut bytes);
    file.bytes = bytes.into();
    enums::upload::File::File(file).to_bytes()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a7_a_datacenter_that_lies_about_a_file_is_found_out() {
    let place = Place::new("9996630011").await;
    let directory = tempfile::tempdir().unwrap();
    let bytes = content(4 * PART + 9);
    let message = place.message("l.bin", &bytes).await;
    let path = directory.path().join("l.bin");
    let operator = place.operator();
    type Lie = fn(Bytes) -> Bytes;
    let lies: [(&str, Lie); 5] = [
        ("short", |it| {
            changed(it, |bytes| {
                bytes.pop();
            })
        }),
        ("none", |it| changed(it, Vec::clear)),
        ("long", |it| changed(it, |bytes| bytes.push(0))),
        ("wrong", |it| changed(it, |bytes| bytes[7] ^= 1)),
        ("no file", |_| Bytes::from_static(&[1, 2, 3, 4])),
    ];
    for (name, lie) in lies {
        operator.rewrite_answers("upload.getFile", u32::MAX, lie);
        let mut download = place.api.download(&message);
        if name == "wrong" {
            download = download.check_hashes();
        }
        let error = download.save(&path).await.unwrap_err();
        let fits = match name {
            "wrong" => matches!(error, Error::Transfer(TransferError::Hash { .. })),
            "no file" => matches!(error, Error::Transfer(TransferError::Answer { .. })),
            _ => matches!(error, Error::Transfer(TransferError::Part(_))),
        };
        assert!(fits, "{name}: {error}");
        operator.clear_faults();
        assert!(!path.exists(), "{name}");
        // Nothing wrong was kept to go on from.
        let saved = place.api.download(&message).save(&path).await.unwrap();
        assert!(std::fs::read(&saved).unwrap() == bytes, "{name}");
        std::fs::remove_file(saved).unwrap();
    }
    // Hashes that are none, and lengths that are not the file's.
    operator.rewrite_answers("upload.getFileHashes", u32::MAX, |_| {
        Vec::<enums::FileHash>::new().to_bytes()
    });
    let error = place
        .api
        .download(&message)
        .check_hashes()
        .bytes()
        .await
        .unwrap_err();
    assert!(
        matches!(error, Error::Transfer(TransferError::Hash { .. })),
        "{error}"
    );
    operator.clear_faults();
    for wrong in [1, bytes.len() as i64 - 1, bytes.len() as i64 + 1, 40 << 20] {
        let mut lie = document(&message);
        lie.size = wrong;
        let error = place.api.download(lie).save(&path).await.unwrap_err();
        assert!(
            matches!(error, Error::Transfer(TransferError::Part(_))),
            "{wrong}: {error}"
        );
        assert!(!path.exists());
    }
    // A file that never ends, where nothing is said of its length.
    let full = content(1 << 20);
    let endless = enums::upload::File::File(Box::new(types::upload::File {
        type_: enums::storage::FileType::FileUnknown,
        mtime: 0,
        bytes: full,
    }))
    .to_bytes();
    operator.rewrite_answers("upload.getFile", u32::MAX, move |_| endless.clone());
    let mut unknown = document(&message);
    unknown.size = -1;
    let stream = place
        .api
        .download(unknown)
        .range(..8 << 20)
        .bytes()
        .await
        .unwrap();
    assert_eq!(stream.len(), 8 << 20, "what was asked for, and no more");
    place.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waits_the_datacenter_asks_for_are_waited_and_told() {
    let place = Place::new("9996630012").await;
    let bytes = content(6 * PART);
    let operator = place.operator();
    let mut events = place.client.events();
    operator.fail("upload.saveFilePart", 420, "FLOOD_PREMIUM_WAIT_1", 2);
    operator.fail("upload.getFile", 420, "FLOOD_WAIT_1", 1);
    let sent = place.api.send_file("me", bytes.clone()).await.unwrap();
    let got = place.api.download(&sent).bytes().await.unwrap();
    assert!(got == bytes);
    let told: Vec<_> = std::iter::from_fn(|| events.try_recv().ok())
        .filter_map(|event| match event {
            actogram::AccountEvent::FloodWait { method, wait } => Some((method, wait)),
            _ => None,
        })
        .collect();
    for method in ["upload.saveFilePart", "upload.getFile"] {
        assert!(told.contains(&(method, Duration::from_secs(1))), "{told:?}");
    }
    operator.fail("upload.getFile", 420, "FLOOD_WAIT_86400", 1);
    let error = place.api.download(&sent).bytes().await.unwrap_err();
    assert!(error.is("FLOOD_WAIT_86400"), "{error}");
    place.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r3_parts_the_datacenter_lost_are_uploaded_again() {
    let place = Place::new("9996630013").await;
    let operator = place.operator();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("lost.bin");
    // By a sum and without one; from memory and from the disk.
    for (method, parts) in [("upload.saveFilePart", 3), ("upload.saveBigFilePart", 24)] {
        let bytes = content(parts * PART - 1);
        tokio::fs::write(&path, &bytes).await.unwrap();
        for from in [
            UploadFrom::from(bytes.clone()),
            UploadFrom::from(path.clone()),
        ] {
            // How many times in a row it lacks a part, and how many go again for that: all, when it is too much.
            let parts = parts as u64;
            for (lacks, again) in [(0, 0), (1, 1), (3, 3), (4, 3 + parts)] {
                let from = from.again().unwrap();
                if lacks > 0 {
                    operator.fail("messages.sendMedia", 400, "FILE_PART_1_MISSING", lacks);
                }
                let before = place.count(method);
                let sent = place.api.send_file("me", from).caption("again").await;
                let sent = sent.unwrap();
                assert_eq!(sent.text(), "again");
                assert_eq!(place.count(method) - before, parts + again, "{lacks}");
                assert!(place.api.download(&sent).bytes().await.unwrap() == bytes);
            }
        }
    }
    // For ever is an error.
    let bytes = content(3 * PART);
    operator.fail("messages.sendMedia", 400, "FILE_PART_2_MISSING", 5);
    let error = place.api.send_file("me", bytes.clone()).await.unwrap_err();
    assert!(matches!(error, Error::Incomplete { .. }), "{error}");
    operator.clear_faults();
    // Albums are no different.
    operator.fail("messages.uploadMedia", 400, "FILE_PART_0_MISSING", 1);
    let before = place.count("upload.saveFilePart");
    let items = [bytes.clone(), bytes.clone()].map(AlbumItem::file);
    let sent = place.api.send_album("me", items).await.unwrap();
    assert_eq!(sent.len(), 2);
    assert_eq!(place.count("upload.saveFilePart") - before, 7);
    // A reader cannot be read again.
    operator.fail("messages.sendMedia", 400, "FILE_PART_0_MISSING", 1);
    let from = UploadFrom::reader(io::Cursor::new(bytes), None, "once");
    let error = place.api.send_file("me", from).await.unwrap_err();
    assert!(matches!(error, Error::Incomplete { .. }), "{error}");
    place.end().await;
}

//! Transfers under virtual time: parts that panic, connections that come and go, and the end of an account.
#![allow(clippy::unwrap_used)]

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use actogram_actors::{
    Account, CallPolicy,
    transfers::{
        BytesSource, DownloadOptions, DownloadSource, Io, MemorySink, NullSink, Sink,
        TransferError, TransferState, UploadOptions,
    },
};
use actogram_local_datacenter::{
    WireFault,
    model::{Endpoint, PeerKey},
};
use actogram_tl::{Decode as _, Encode as _, enums, functions, types};
use bytes::Bytes;

use crate::support::{World, call, config_call, virtual_time};

fn content(length: usize) -> Bytes {
    (0..length).map(|at| (at / 3 % 251) as u8).collect()
}

/// A file in somebody's Saved Messages, as that account finds it.
async fn file(world: &World, account: &Account, me: i64, bytes: &[u8]) -> DownloadSource {
    let operator = world.datacenter.operator();
    let id = operator
        .send_file(me, PeerKey::User(me), "file", "text/plain", bytes)
        .unwrap();
    locate(account, id).await
}

async fn locate(account: &Account, message: i32) -> DownloadSource {
    let id = vec![types::InputMessageId { id: message }.into()];
    let body = functions::messages::GetMessages { id }.to_bytes();
    let answer = account
        .invoke_raw(body, CallPolicy::default())
        .await
        .unwrap();
    let enums::messages::Messages::Messages(found) =
        enums::messages::Messages::from_bytes(answer).unwrap()
    else {
        panic!("no messages")
    };
    let enums::Message::Message(message) = &found.messages[0] else {
        panic!("{found:?}")
    };
    let Some(enums::MessageMedia::MessageMediaDocument(media)) = &message.media else {
        panic!("{message:?}")
    };
    let Some(enums::Document::Document(document)) = &media.document else {
        panic!("{media:?}")
    };
    let location = types::InputDocumentFileLocation {
        id: document.id,
        access_hash: document.access_hash,
        file_reference: document.file_reference.clone(),
        thumb_size: String::new(),
    };
    DownloadSource::new(
        location.into(),
        document.dc_id,
        u64::try_from(document.size).ok(),
    )
}

#[test]
fn parts_that_panic_are_carried_out_again_and_not_for_ever() {
    virtual_time(|| async {
        let world = World::new().await;
        let user = world.user("+9996680001").await;
        let bytes = content(3 << 20);
        for (panics, well) in [(1, true), (2, true), (9, false)] {
            let mut source = file(&world, &user.account, user.id, &bytes).await;
            let fresh = source.location.clone();
            let left = Arc::new(AtomicUsize::new(panics));
            source.refresh = Some(Arc::new(move || {
                let fresh = fresh.clone();
                let panics =
                    left.fetch_update(Ordering::AcqRel, Ordering::Acquire, |it| it.checked_sub(1));
                Box::pin(async move {
                    assert!(panics.is_err(), "as asked");
                    Some(fresh)
                })
            }));
            let operator = world.datacenter.operator();
            operator.fail("upload.getFile", 400, "FILE_REFERENCE_EXPIRED", 1);
            let sink = MemorySink::default();
            let options = DownloadOptions::default();
            let transfer = user
                .account
                .download(source, sink.clone(), options)
                .await
                .unwrap();
            let ended = transfer.wait().await;
            operator.clear_faults();
            if well {
                assert_eq!(ended.unwrap(), bytes.len() as u64);
                assert!(sink.take() == bytes);
            } else {
                assert!(matches!(ended, Err(TransferError::Lost(_))), "{ended:?}");
            }
        }
        assert!(user.account.stopped().is_none(), "the account goes on");
    });
}

/// Panics with the first bytes it is given.
struct Panics;

impl Sink for Panics {
    fn write(&mut self, _: Bytes) -> Io<'_, ()> {
        panic!("as asked")
    }

    fn finish(&mut self) -> Io<'_, ()> {
        Box::pin(std::future::ready(Ok(())))
    }
}

#[test]
fn a_sink_that_panics_ends_its_transfer_alone() {
    virtual_time(|| async {
        let world = World::new().await;
        let user = world.user("+9996680002").await;
        let source = file(&world, &user.account, user.id, &content(100)).await;
        let options = DownloadOptions::default;
        let other = user
            .account
            .download(source.clone(), NullSink, options())
            .await
            .unwrap();
        let transfer = user
            .account
            .download(source, Panics, options())
            .await
            .unwrap();
        let handle = transfer.handle();
        let ended = transfer.wait().await;
        assert!(matches!(ended, Err(TransferError::Lost(_))), "{ended:?}");
        assert_eq!(handle.progress().state, TransferState::Failed);
        assert_eq!(other.wait().await.unwrap(), 100);
    });
}

#[test]
fn connections_for_files_end_when_nobody_uses_them() {
    virtual_time(|| async {
        let world = World::new().await;
        let user = world.user("+9996680003").await;
        let source = file(&world, &user.account, user.id, &content(20 << 20)).await;
        let lanes = || {
            let shown = format!("{:?}", user.account.snapshot());
            (0..8)
                .filter(|lane| shown.contains(&format!("files at 2, {lane}")))
                .count()
        };
        let mut transfers = Vec::new();
        for _ in 0..4 {
            let options = DownloadOptions::default();
            transfers.push(
                user.account
                    .download(source.clone(), NullSink, options)
                    .await
                    .unwrap(),
            );
        }
        for transfer in transfers {
            transfer.wait().await.unwrap();
        }
        assert!(lanes() > 1, "the load was spread");
        tokio::time::sleep(Duration::from_secs(50)).await;
        assert!(lanes() > 1, "too early");
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(lanes(), 0);
        // And they come again, with the temporary keys they had: a heap of those would drive out the account's own.
        let keys = user.store.account("+9996680003").load().await.unwrap();
        let operator = world.datacenter.operator();
        let permanent = keys.auth_keys[0].key.id();
        let bound = || operator.inspect(|it| it.state().temporary_keys(permanent).to_vec());
        let before = bound();
        assert!(before.len() > 2, "one each");
        let options = DownloadOptions::default();
        let transfer = user
            .account
            .download(source, NullSink, options)
            .await
            .unwrap();
        assert_eq!(transfer.wait().await.unwrap(), 20 << 20);
        assert_eq!(bound(), before);
    });
}

#[test]
fn the_end_of_an_account_ends_its_transfers() {
    virtual_time(|| async {
        let world = World::new().await;
        let user = world.user("+9996680004").await;
        let source = file(&world, &user.account, user.id, &content(30 << 20)).await;
        world.datacenter.operator().delay_answers(
            "upload.getFile",
            Duration::from_secs(3600),
            1000,
        );
        world.datacenter.operator().delay_answers(
            "upload.saveBigFilePart",
            Duration::from_secs(3600),
            1000,
        );
        let account = user.account.clone();
        let options = DownloadOptions::default();
        let paused = account
            .download(source.clone(), NullSink, options.clone())
            .await
            .unwrap();
        paused.handle().pause();
        let running = account.download(source, NullSink, options).await.unwrap();
        let from = BytesSource::new(content(30 << 20));
        let upload = account
            .upload(from, UploadOptions::new("up"))
            .await
            .unwrap();
        tokio::time::sleep(Duration::from_secs(5)).await;
        account.shutdown(Duration::from_secs(5)).await;
        let ended = async {
            paused.wait().await.unwrap_err();
            running.wait().await.unwrap_err();
            upload.wait().await.unwrap_err();
        };
        tokio::time::timeout(Duration::from_secs(60), ended)
            .await
            .unwrap();
        let none = BytesSource::new(content(10));
        let error = account.upload(none, UploadOptions::new("late")).await;
        assert!(matches!(error, Err(TransferError::Lost(_))), "{error:?}");
    });
}

/// R9: anybody on the way can say that a key is unknown. A connection for files shares the account's key, and must not put
/// another one in its place.
#[test]
fn r9_a_forged_404_on_connections_for_files_leaves_the_accounts_key_alone() {
    virtual_time(|| async {
        let world = World::new().await;
        let user = world.user("+9996680005").await;
        let bytes = content(3 << 20);
        let source = file(&world, &user.account, user.id, &bytes).await;
        let options = DownloadOptions::default;
        let download = user.account.download(source.clone(), NullSink, options());
        download.await.unwrap().wait().await.unwrap();
        let name = user.account.name().to_owned();
        let keys = async || {
            let record = user.store.account(name.as_str()).load().await.unwrap();
            let keys = record.auth_keys.iter();
            keys.map(|key| (key.dc, key.key.id())).collect::<Vec<_>>()
        };
        let before = keys().await;
        for _ in 0..3 {
            // The connection for files meets some of them; the account, which stops at five, cannot meet enough.
            for _ in 0..4 {
                world
                    .datacenter
                    .faults()
                    .order(WireFault::TransportError(-404));
            }
            world.datacenter.cut_connections();
            let download = user.account.download(source.clone(), NullSink, options());
            // It may fail; another one is made later.
            let _ = download.await.unwrap().wait().await;
            world.datacenter.faults().clear();
            call(&user.account, &config_call()).await.unwrap();
            assert_eq!(keys().await, before);
            let download = user.account.download(source.clone(), NullSink, options());
            assert_eq!(
                download.await.unwrap().wait().await.unwrap(),
                bytes.len() as u64
            );
        }
    });
}

#[test]
fn a8_a_cdn_that_is_silent_is_left() {
    virtual_time(|| async {
        let world = World::with(|builder| builder.endpoint(Endpoint::cdn(203))).await;
        let user = world.user("+9996680006").await;
        let bytes = content(3 << 20);
        let operator = world.datacenter.operator();
        let source = file(&world, &user.account, user.id, &bytes).await;
        let enums::InputFileLocation::InputDocumentFileLocation(location) = &source.location else {
            panic!("{source:?}")
        };
        operator.serve_by_cdn(location.id, 203).unwrap();
        let download = async || {
            let sink = MemorySink::default();
            let options = DownloadOptions::default();
            let transfer = user.account.download(source.clone(), sink.clone(), options);
            transfer.await.unwrap().wait().await.unwrap();
            assert!(sink.take() == bytes);
            operator.counters().executed("upload.getCdnFile")
        };
        let parts = download().await;
        assert!(parts >= 3, "{parts}: the twin comes from the CDN");
        operator.delay_answers("upload.getCdnFile", Duration::from_secs(3600), 1000);
        assert!(download().await > parts, "it was asked");
    });
}

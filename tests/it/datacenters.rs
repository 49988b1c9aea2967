//! Accounts and files that are in another datacenter than the one that is asked.
#![allow(clippy::unwrap_used)]

use std::{future::IntoFuture as _, time::Duration};

use actogram::{
    AccountEvent, CallError,
    prelude::*,
    tl::{enums, functions, types},
};
use actogram_local_datacenter::{
    LocalDatacenter,
    model::{PeerKey, Revocation},
};

use crate::support::{
    HANG, Inbox, Prompts, builder,
    files::{content, document, pause_at},
    rsa_key, until,
};

const PHONE: &str = "9996640001";

async fn two() -> LocalDatacenter {
    LocalDatacenter::builder()
        .rsa_key(rsa_key())
        .datacenters([2, 4])
        .start()
        .await
        .unwrap()
}

fn prompts(datacenter: &LocalDatacenter, phone: &str) -> Prompts {
    Prompts {
        phone: phone.to_owned(),
        codes: datacenter.operator().login_codes(),
    }
}

/// A person whose home is datacenter 2.
async fn at_home(datacenter: &LocalDatacenter, phone: &str) -> Client {
    let client = builder(datacenter, phone).connect().await.unwrap();
    client
        .log_in(&mut prompts(datacenter, phone))
        .await
        .unwrap();
    client
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_whose_home_is_elsewhere_logs_in_there_and_stays() {
    let datacenter = two().await;
    let operator = datacenter.operator();
    let directory = tempfile::tempdir().unwrap();
    let session = directory.path().join("account.session");
    let connect = async || loop {
        let builder = Client::builder(&session)
            .account("a")
            .local_datacenter(&datacenter);
        match builder.connect().await {
            Ok(client) => return client,
            // The client before is about to let go of it.
            Err(Error::Store(_)) => tokio::time::sleep(Duration::from_millis(20)).await,
            Err(error) => panic!("{error}"),
        }
    };
    operator.create_user_at(4, PHONE, "Ann").unwrap();
    let client = connect().await;
    client
        .log_in(&mut prompts(&datacenter, PHONE))
        .await
        .unwrap();
    let me = client.api().get_me().await.unwrap();
    assert_eq!(operator.home(me.id).unwrap(), 4);
    client.start().await.unwrap();
    let inbox = Inbox::of(&client);
    let other = operator.create_user("9996640009", "Eve").unwrap();
    operator
        .send_message(other, PeerKey::User(me.id), "a note")
        .unwrap();
    assert_eq!(inbox.next().await.text(), "a note");
    client.shutdown(HANG).await;
    drop(inbox);
    // The next start goes there at once, though the settings still say the first.
    let refused = operator.counters().refused("auth.sendCode");
    let client = connect().await;
    assert_eq!(client.api().get_me().await.unwrap().id, me.id);
    client.api().send_message("me", "again").await.unwrap();
    assert_eq!(operator.counters().refused("auth.sendCode"), refused);
    client.shutdown(HANG).await;

    // Bots are told by another error.
    let bot = operator.create_bot_at(4, "far_bot", "Far").unwrap();
    let client = builder(&datacenter, "far_bot")
        .bot_token(bot.token.as_str())
        .connect()
        .await
        .unwrap();
    assert_eq!(client.api().get_me().await.unwrap().id, bot.id);
    client.shutdown(HANG).await;

    // A number that nobody has may have to register elsewhere.
    operator.register_new_phones_at(Some(4)).unwrap();
    let client = at_home(&datacenter, "9996640002").await;
    let me = client.api().me_id().unwrap();
    assert_eq!(operator.home(me).unwrap(), 4);
    client.shutdown(HANG).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r28_an_account_that_is_moved_takes_its_login_along() {
    let datacenter = two().await;
    let operator = datacenter.operator();
    let client = at_home(&datacenter, PHONE).await;
    let (api, me) = (client.api(), client.api().me_id().unwrap());
    client.start().await.unwrap();
    let inbox = Inbox::of(&client);
    let other = operator.create_user("9996640009", "Eve").unwrap();
    let says = |text: &str| {
        operator
            .send_message(other, PeerKey::User(me), text)
            .unwrap()
    };
    says("before");
    assert_eq!(inbox.next().await.text(), "before");
    let mut events = client.events();
    operator.move_home(me, 4).unwrap();
    // Several calls meet it at once, and somebody writes meanwhile.
    let calls = (0..5).map(|n| api.send_message("me", format!("after {n}")).into_future());
    says("meanwhile");
    for sent in futures_util::future::join_all(calls).await {
        sent.unwrap();
    }
    says("after");
    for text in ["meanwhile", "after"] {
        assert_eq!(inbox.next().await.text(), text);
    }
    assert_eq!(operator.history(me, PeerKey::User(me)).len(), 5);
    let logged_out = std::iter::from_fn(|| events.try_recv().ok())
        .any(|event| matches!(event, AccountEvent::LoggedOut { .. }));
    assert!(!logged_out);
    client.shutdown(HANG).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r4_files_are_fetched_from_where_they_are_even_if_they_move() {
    let datacenter = two().await;
    let operator = datacenter.operator();
    let client = at_home(&datacenter, PHONE).await;
    let api = client.api();
    let bytes = content((12 << 20) + 5);
    let sent = api.send_file("me", bytes.clone()).await.unwrap();
    let id = document(&sent).id;
    operator.keep_file_at(id, 4).unwrap();
    // What the message says is out of date.
    assert_eq!(document(&sent).dc_id, 2);
    assert!(api.download(&sent).bytes().await.unwrap() == bytes);
    let fresh = api.get_messages("me", [sent.id()]).await.unwrap().remove(0);
    assert_eq!(document(&fresh).dc_id, 4);
    let before = operator.counters().refused("upload.getFile");
    assert!(api.download(&fresh).bytes().await.unwrap() == bytes);
    assert_eq!(operator.counters().refused("upload.getFile"), before);
    assert_eq!(
        operator.counters().executed("auth.importAuthorization"),
        1,
        "one login for all connections"
    );

    // It moves while it is fetched, and the line is cut.
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("moved");
    let download = api
        .download(&fresh)
        .budget(2 << 20)
        .start(&path)
        .await
        .unwrap();
    let handle = download.handle();
    pause_at(&handle, 2 << 20).await;
    operator.keep_file_at(id, 2).unwrap();
    datacenter.cut_connections();
    handle.resume();
    download.wait().await.unwrap();
    assert!(std::fs::read(&path).unwrap() == bytes);

    // The other datacenter loses the login, or the key itself: both are made anew, and the account stays what it is.
    operator.keep_file_at(id, 4).unwrap();
    assert!(datacenter.lose_keys_of(4) > 0);
    assert!(api.download(&sent).bytes().await.unwrap() == bytes);
    api.send_message("me", "still here").await.unwrap();
    client.shutdown(HANG).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a4_a_login_that_is_revoked_elsewhere_is_carried_over_again() {
    let datacenter = two().await;
    let operator = datacenter.operator();
    let client = at_home(&datacenter, PHONE).await;
    let (api, me) = (client.api(), client.api().me_id().unwrap());
    let sent = api.send_file("me", content(2 << 20)).await.unwrap();
    operator.keep_file_at(document(&sent).id, 4).unwrap();
    api.download(&sent).discard().await.unwrap();
    for why in [
        Revocation::AuthKeyUnregistered,
        Revocation::SessionRevoked,
        Revocation::SessionExpired,
        Revocation::AuthKeyInvalid,
        Revocation::AuthKeyDuplicated,
    ] {
        let there = operator.brought_logins(me);
        assert_eq!(there.len(), 1, "{why:?}: one login for all connections");
        let there = there[0];
        operator.revoke(there, why).unwrap();
        let got = api.download(&sent).discard().await;
        assert_eq!(got.unwrap(), 2 << 20, "{why:?}");
    }
    assert_eq!(api.get_me().await.unwrap().id, me);
    client.shutdown(HANG).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a3_one_call_is_sent_elsewhere_and_no_call_for_ever() {
    let datacenter = two().await;
    let operator = datacenter.operator();
    let client = at_home(&datacenter, PHONE).await;
    let (api, me) = (client.api(), client.api().me_id().unwrap());
    let channel = operator.create_channel(me, &[], "News", true).unwrap();
    operator.keep_stats_at(channel, 4).unwrap();
    let peer = operator.invoke_as(
        me,
        &functions::messages::GetDialogs {
            exclude_pinned: false,
            folder_id: None,
            offset_date: 0,
            offset_id: 0,
            offset_peer: enums::InputPeer::InputPeerEmpty,
            limit: 100,
            hash: 0,
        },
    );
    let enums::messages::Dialogs::Dialogs(found) = peer.unwrap() else {
        panic!("no dialogs")
    };
    let peer = found.chats.iter().find_map(|chat| match chat {
        enums::Chat::Channel(found) if found.id == channel => Some(types::InputChannel {
            channel_id: found.id,
            access_hash: found.access_hash.unwrap(),
        }),
        _ => None,
    });
    let peer = peer.unwrap().into();
    let stats = api
        .invoke(functions::stats::GetBroadcastStats {
            dark: false,
            channel: peer,
        })
        .await
        .unwrap();
    let enums::stats::BroadcastStats::BroadcastStats(stats) = stats;
    let enums::StatsAbsValueAndPrev::StatsAbsValueAndPrev(followers) = stats.followers;
    assert_eq!(followers.current, 1.0);

    let history = || functions::messages::GetHistory {
        peer: enums::InputPeer::InputPeerSelf,
        offset_id: 0,
        offset_date: 0,
        add_offset: 0,
        limit: 1,
        max_id: 0,
        min_id: 0,
        hash: 0,
    };
    operator.fail("messages.getHistory", 303, "STATS_MIGRATE_4", 100);
    let error = api.invoke(history()).await.unwrap_err();
    assert!(
        matches!(
            &error,
            Error::Call {
                source: CallError::Migration { dc: 4, .. },
                ..
            }
        ),
        "{error}"
    );
    operator.clear_faults();
    for (number, name) in [(4, "USER_MIGRATE_4"), (2, "USER_MIGRATE_2")] {
        operator.fail("messages.getHistory", 303, name, 100);
        let error = api.invoke(history()).await.unwrap_err();
        assert!(
            matches!(&error, Error::Call { source: CallError::Migration { dc, .. }, .. } if *dc == number),
            "{error}"
        );
        operator.clear_faults();
    }
    // Datacenters that nobody knows.
    for name in ["USER_MIGRATE_99", "STATS_MIGRATE_0", "FILE_MIGRATE_99"] {
        operator.fail("messages.getHistory", 303, name, 1);
        let error = api.invoke(history()).await.unwrap_err();
        assert!(
            matches!(
                &error,
                Error::Call {
                    source: CallError::NoAddress { .. },
                    ..
                }
            ),
            "{error}"
        );
    }
    operator.fail("messages.getHistory", 303, "USER_MIGRATE_-1", 1);
    let error = api.invoke(history()).await.unwrap_err();
    assert!(error.is("USER_MIGRATE_-1"), "{error}");
    operator.fail("messages.getHistory", 303, "STATS_MIGRATE_77", 1);
    let error = api.invoke(history()).await.unwrap_err();
    assert!(
        matches!(
            &error,
            Error::Call {
                source: CallError::NoAddress { dc: 77 },
                ..
            }
        ),
        "{error}"
    );
    api.send_message("me", "no harm done").await.unwrap();
    client.shutdown(HANG).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_for_files_come_with_the_load() {
    let datacenter = two().await;
    let client = at_home(&datacenter, PHONE).await;
    let api = client.api();
    let lanes = || {
        let shown = format!("{:?}", client.snapshot());
        (0..8)
            .filter(|lane| shown.contains(&format!("files at 2, {lane}")))
            .count()
    };
    let small = api.send_file("me", content(1000)).await.unwrap();
    api.download(&small).bytes().await.unwrap();
    assert_eq!(lanes(), 1);
    let sent = api.send_file("me", content(30 << 20)).await.unwrap();
    let downloads = (0..4).map(|_| api.download(&sent).discard());
    for got in futures_util::future::join_all(downloads).await {
        assert_eq!(got.unwrap(), 30 << 20);
    }
    assert_eq!(lanes(), 4, "as many as there may be");
    // Calls are not in their way.
    api.send_message("me", "beside").await.unwrap();
    client.shutdown(HANG).await;
    until("all are closed", || datacenter.counts().0 == 0).await;
}

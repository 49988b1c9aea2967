//! One account against the local datacenter: key, login, calls, updates, shutdown.
#![allow(clippy::unwrap_used)]

use std::{sync::Arc, time::Duration};

use crate::support::{World, call, call_with, config_call, event, message, virtual_time};
use actix::Actor as _;
use actogram_actors::{
    Account, AccountConfig, AccountEvent, CallError, CallPolicy, DatacenterAddress, Engine,
    InitConnection, InvokeRaw, StopReason,
};
use actogram_local_datacenter::{LocalDatacenter, model::PeerKey};
use actogram_store::{KeyKind, Store};
use actogram_tl::{Encode as _, enums, functions};

#[test]
fn a_bot_logs_in_hears_and_answers() {
    virtual_time(|| async {
        let world = World::new().await;
        let mut bot = world.bot("echo_bot").await;
        assert_eq!(bot.account.me_id(), Some(bot.id));
        let ann = world.person();
        let operator = world.datacenter.operator();
        operator
            .send_message(ann, PeerKey::User(bot.id), "hello")
            .unwrap();
        let (text, _, done) = bot.inbox.next_text().await;
        assert_eq!(text, "hello");
        call(&bot.account, &message(&bot.account, ann, "hello yourself"))
            .await
            .unwrap();
        done.done();
        let history = operator.history(ann, PeerKey::User(bot.id));
        let mut texts: Vec<_> = history
            .iter()
            .map(|message| message.text.as_str())
            .collect();
        texts.sort_unstable();
        assert_eq!(texts, ["hello", "hello yourself"]);
        // The sender came along with the update and can be addressed.
        let peer = actogram_tl::types::PeerUser { user_id: ann }.into();
        assert!(bot.account.input_peer(&peer).await.unwrap().is_some());
        bot.account.shutdown(Duration::from_secs(5)).await;
    });
}

#[test]
fn a_second_start_needs_neither_key_nor_login() {
    virtual_time(|| async {
        let world = World::new().await;
        let mut bot = world.bot("again_bot").await;
        let ann = world.person();
        let operator = world.datacenter.operator();
        operator
            .send_message(ann, PeerKey::User(bot.id), "one")
            .unwrap();
        assert_eq!(bot.inbox.texts(1).await, ["one"]);
        bot.account.shutdown(Duration::from_secs(5)).await;
        assert_eq!(bot.account.ended().await, StopReason::ShutDown);
        let before = bot.store.account("again_bot").load().wait().unwrap();

        // Sent while nobody was there.
        operator
            .send_message(ann, PeerKey::User(bot.id), "two")
            .unwrap();
        let again = world.open("again_bot", &bot.store).await;
        let mut inbox = crate::support::Inbox::of(&again);
        assert_eq!(again.me_id(), Some(bot.id));
        again.start_updates().await.unwrap();
        assert_eq!(inbox.texts(1).await, ["two"]);
        assert!(
            inbox.is_quiet(Duration::from_secs(5)).await,
            "what was handled does not come again"
        );
        let after = bot.store.account("again_bot").load().wait().unwrap();
        assert_eq!(before.auth_keys[0].key.id(), after.auth_keys[0].key.id());
        assert_eq!(after.auth_keys[0].kind, KeyKind::Permanent);
        again.shutdown(Duration::from_secs(5)).await;
    });
}

#[test]
fn what_was_not_handled_comes_again_with_the_same_name() {
    virtual_time(|| async {
        let world = World::new().await;
        let mut bot = world.bot("kept_bot").await;
        let ann = world.person();
        let operator = world.datacenter.operator();
        for text in ["one", "two", "three"] {
            operator
                .send_message(ann, PeerKey::User(bot.id), text)
                .unwrap();
        }
        let (_, _, done) = bot.inbox.next_text().await;
        done.done();
        let (_, second, held) = bot.inbox.next_text().await;
        let (_, third, done) = bot.inbox.next_text().await;
        // The third is done, the second is not: the mark stays below the second.
        done.done();
        // As a kill would leave it.
        std::mem::forget(held);
        drop(bot.account);

        let again = world.open("kept_bot", &bot.store).await;
        let mut inbox = crate::support::Inbox::of(&again);
        again.start_updates().await.unwrap();
        let (text, name, done) = inbox.next_text().await;
        assert_eq!((text.as_str(), name), ("two", second));
        done.done();
        let (text, name, done) = inbox.next_text().await;
        assert_eq!((text.as_str(), name), ("three", third));
        done.done();
        assert!(inbox.is_quiet(Duration::from_secs(5)).await);
        again.shutdown(Duration::from_secs(5)).await;
    });
}

#[test]
fn errors_are_classed() {
    virtual_time(|| async {
        let world = World::new().await;
        let bot = world.bot("class_bot").await;
        let operator = world.datacenter.operator();
        let nobody = message(&bot.account, 999_999, "?");
        let error = call(&bot.account, &nobody).await.unwrap_err();
        assert!(
            matches!(&error, CallError::Rpc { code: 400, message } if message == "PEER_ID_INVALID"),
            "{error}"
        );

        operator.fail("help.getConfig", 303, "USER_MIGRATE_4", 1);
        let error = call(&bot.account, &config_call()).await.unwrap_err();
        assert!(
            matches!(&error, CallError::Migration { dc: 4, .. }),
            "{error}"
        );
        bot.account.shutdown(Duration::from_secs(5)).await;
        let error = call(&bot.account, &config_call()).await.unwrap_err();
        assert!(
            matches!(&error, CallError::ShutDown { body } if *body == config_call().to_bytes()),
            "{error}"
        );
    });
}

#[test]
fn flood_waits_are_slept_through_up_to_the_limit() {
    virtual_time(|| async {
        let world = World::new().await;
        let bot = world.bot("flood_bot").await;
        let mut events = bot.account.events();
        let operator = world.datacenter.operator();
        operator.flood_wait("help.getConfig", 7, 1);
        let began = tokio::time::Instant::now();
        call(&bot.account, &config_call()).await.unwrap();
        assert!(
            began.elapsed() >= Duration::from_secs(7),
            "{:?}",
            began.elapsed()
        );
        let told = event(&mut events, |event| {
            matches!(event, AccountEvent::FloodWait { .. })
        })
        .await;
        assert_eq!(
            told,
            AccountEvent::FloodWait {
                method: "help.getConfig",
                wait: Duration::from_secs(7)
            }
        );

        operator.flood_wait("help.getConfig", 31, 1);
        let executed = operator.counters().executed("help.getConfig");
        let error = call(&bot.account, &config_call()).await.unwrap_err();
        assert_eq!(
            error,
            CallError::Rpc {
                code: 420,
                message: "FLOOD_WAIT_31".to_owned()
            }
        );
        // Others do not ask in vain while the method is closed; they are told how long it still is.
        tokio::time::sleep(Duration::from_secs(20)).await;
        let policy = CallPolicy {
            flood_wait_limit: Duration::from_secs(5),
            ..CallPolicy::default()
        };
        let error = call_with(&bot.account, &config_call(), policy)
            .await
            .unwrap_err();
        assert_eq!(
            error,
            CallError::Rpc {
                code: 420,
                message: "FLOOD_WAIT_11".to_owned()
            }
        );
        assert_eq!(operator.counters().executed("help.getConfig"), executed);
        call(&bot.account, &config_call()).await.unwrap();
        bot.account.shutdown(Duration::from_secs(5)).await;
    });
}

#[test]
fn errors_of_the_datacenters_own_are_tried_again_with_growing_pauses() {
    virtual_time(|| async {
        let world = World::new().await;
        let bot = world.bot("retry_bot").await;
        let operator = world.datacenter.operator();
        operator.fail("help.getConfig", 500, "RPC_CALL_FAIL", 2);
        operator.fail("help.getConfig", -503, "Timeout", 1);
        let began = tokio::time::Instant::now();
        call(&bot.account, &config_call()).await.unwrap();
        let took = began.elapsed().as_secs_f64();
        assert!(
            (0.8 * 7.0..=1.2 * 7.0 + 0.1).contains(&took),
            "1 s, 2 s, 4 s, each give or take a fifth: {took}"
        );

        operator.fail("help.getConfig", 500, "RPC_CALL_FAIL", 3);
        let policy = CallPolicy {
            retries: 2,
            ..CallPolicy::default()
        };
        let error = call_with(&bot.account, &config_call(), policy)
            .await
            .unwrap_err();
        assert_eq!(
            error,
            CallError::Rpc {
                code: 500,
                message: "RPC_CALL_FAIL".to_owned()
            }
        );

        // What might be carried out twice is not tried again.
        operator.fail("messages.createChat", 500, "RPC_CALL_FAIL", 1);
        let create = functions::messages::CreateChat::new(Vec::new(), "group".to_owned());
        let error = call(&bot.account, &create).await.unwrap_err();
        assert_eq!(
            error,
            CallError::Rpc {
                code: 500,
                message: "RPC_CALL_FAIL".to_owned()
            }
        );
        bot.account.shutdown(Duration::from_secs(5)).await;
    });
}

#[test]
fn raw_messages_beyond_the_limit_are_given_back_and_others_wait() {
    virtual_time(|| async {
        let world = World::new().await;
        let mut config = world.config("limited", &Store::memory());
        config.limits.calls = 2;
        let account = world.engine.open(config).await.unwrap();
        call(&account, &config_call()).await.unwrap();
        world
            .datacenter
            .operator()
            .delay_answers("help.getConfig", Duration::from_secs(5), 3);
        let body = config_call().to_bytes();
        let raw = || InvokeRaw {
            body: body.clone(),
            policy: CallPolicy::default(),
        };
        let addr = account.addr();
        let (one, two, three) = (addr.send(raw()), addr.send(raw()), addr.send(raw()));
        // The actor takes them before anybody else comes.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let asked = config_call();
        let waiting = call(&account, &asked);
        let (one, two, three, waited) = tokio::join!(one, two, three, waiting);
        assert!(one.unwrap().is_ok() && two.unwrap().is_ok());
        assert_eq!(
            three.unwrap(),
            Err(CallError::Overloaded { body: body.clone() })
        );
        waited.unwrap();
        assert_eq!(account.calls_in_flight(), 0);
        account.shutdown(Duration::from_secs(5)).await;
    });
}

#[test]
fn a_call_at_once_is_sent_or_given_back_and_goes_on_without_its_waiter() {
    virtual_time(|| async {
        let world = World::new().await;
        let mut config = world.config("at_once", &Store::memory());
        config.limits.calls = 1;
        let account = world.engine.open(config).await.unwrap();
        let body = config_call().to_bytes();
        let at_once = |policy| account.invoke_at_once(body.clone(), policy);
        at_once(CallPolicy::default()).unwrap().await.unwrap();

        let operator = world.datacenter.operator();
        operator.delay_answers("help.getConfig", Duration::from_secs(5), 2);
        let answer = at_once(CallPolicy::default()).unwrap();
        let (given_back, _) = at_once(CallPolicy::default()).unwrap_err();
        assert_eq!(given_back, body, "the limit is reached");
        drop(answer);
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(account.calls_in_flight(), 1, "nobody waits, and it goes on");
        tokio::time::sleep(Duration::from_secs(10)).await;
        assert_eq!(account.calls_in_flight(), 0);

        let policy = CallPolicy {
            cancel_on_drop: true,
            ..CallPolicy::default()
        };
        drop(at_once(policy).unwrap());
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(account.calls_in_flight(), 0, "cancelled");
        account.shutdown(Duration::from_secs(5)).await;
        let late = at_once(CallPolicy::default());
        assert!(late.is_err(), "the account has ended");
    });
}

#[test]
fn r22_p10_dropped_calls_go_on_or_are_cancelled_and_nothing_leaks() {
    virtual_time(|| async {
        let world = World::new().await;
        let bot = world.bot("leak_bot").await;
        let ann = world.person();
        let operator = world.datacenter.operator();
        operator
            .send_message(ann, PeerKey::User(bot.id), "hello")
            .unwrap();
        // Detached: it is carried out although nobody waits.
        let send = message(&bot.account, ann, "detached").to_bytes();
        let mut detached = Box::pin(bot.account.invoke_raw(send, CallPolicy::default()));
        assert!(
            std::future::poll_fn(|cx| std::task::Poll::Ready(
                detached.as_mut().poll(cx).is_pending()
            ))
            .await
        );
        drop(detached);
        tokio::time::sleep(Duration::from_secs(1)).await;
        let history = operator.history(ann, PeerKey::User(bot.id));
        assert!(history.iter().any(|message| message.text == "detached"));

        // Ten thousand, half of them cancelled at some point of their way.
        let mut calls = tokio::task::JoinSet::new();
        for number in 0..10_000_u64 {
            let policy = CallPolicy {
                cancel_on_drop: number % 2 == 1,
                ..CallPolicy::default()
            };
            let invoked = bot.account.invoke_raw(config_call().to_bytes(), policy);
            calls.spawn_local(async move {
                if number % 2 == 1 {
                    tokio::time::timeout(Duration::from_millis(number % 40), invoked)
                        .await
                        .ok()
                } else {
                    Some(invoked.await)
                }
            });
        }
        let mut answered = 0;
        while let Some(ended) = calls.join_next().await {
            if let Some(answer) = ended.unwrap() {
                answer.unwrap();
                answered += 1;
            }
        }
        assert!(answered >= 5_000, "{answered}");
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(bot.account.calls_in_flight(), 0, "a call leaked");
        call(&bot.account, &config_call()).await.unwrap();
        bot.account.shutdown(Duration::from_secs(5)).await;
    });
}

#[test]
fn a_wrong_rsa_key_stops_the_account_with_the_reason() {
    virtual_time(|| async {
        let (world, other) = (World::new().await, World::new().await);
        let mut config = world.config("stranger", &Store::memory());
        config.rsa_keys = vec![other.datacenter.public_key().clone()];
        let account = world.engine.open(config).await.unwrap();
        let StopReason::NoTrustedKey(why) = account.ended().await else {
            panic!("another reason")
        };
        assert!(
            why.contains("is the address that of the datacenter"),
            "{why}"
        );
        let error = call(&account, &config_call()).await.unwrap_err();
        assert!(
            matches!(error, CallError::Stopped(StopReason::NoTrustedKey(_))),
            "{error}"
        );
    });
}

async fn over_tcp(engine: Engine) {
    let datacenter = LocalDatacenter::builder().start().await.unwrap();
    let token = datacenter
        .operator()
        .create_bot("tcp_bot", "TCP")
        .unwrap()
        .token;
    let address = DatacenterAddress::from((datacenter.dc_id(), datacenter.address().unwrap()));
    let key = datacenter.public_key().clone();
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path().join("store")).unwrap();
    let mut accounts = Vec::new();
    for number in 0..3 {
        let config = AccountConfig::new(
            format!("account {number}"),
            store.clone(),
            address.clone(),
            key.clone(),
            InitConnection::new(1),
        );
        accounts.push(engine.open(config).await.unwrap());
    }
    for account in &accounts {
        let user = crate::support::log_in_bot(account, token.as_str())
            .await
            .unwrap();
        account.logged_in(&user).await.unwrap();
        let enums::Config::Config(config) = call(account, &config_call()).await.unwrap();
        assert_eq!(config.this_dc, datacenter.dc_id());
    }
    for account in accounts {
        account.shutdown(Duration::from_secs(5)).await;
    }
    assert_eq!(
        store.accounts().await.unwrap().len(),
        3,
        "one file, three accounts"
    );
    datacenter.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_works_under_tokio_on_many_threads() {
    over_tcp(Engine::builder().arbiters(2).start().unwrap()).await;
}

#[test]
fn it_works_under_actix_beside_actors_of_the_users_own() {
    struct Bystander;
    impl actix::Actor for Bystander {
        type Context = actix::Context<Self>;
    }
    actix_rt::System::new().block_on(async {
        let bystander = Bystander.start();
        over_tcp(Engine::shared().unwrap()).await;
        assert!(bystander.connected());
    });
}

#[test]
fn accounts_and_engines_are_send_sync_and_clone() {
    fn check<T: Send + Sync + Clone + 'static>() {}
    check::<Account>();
    check::<Engine>();
    check::<Arc<Account>>();
}

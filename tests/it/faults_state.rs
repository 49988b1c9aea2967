//! What a datacenter may lose or set wrong: sessions, salts, keys, its clock, itself for a while.
#![allow(clippy::unwrap_used)]

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crate::support::{
    HANG, Inbox,
    accounts::{Bot, call, config, open, reader, received, stored_keys},
    datacenter, event, events_so_far, rsa_key, until,
};
use actogram::{AccountEvent, CallError, Error, Msg, prelude::*, tl::functions::help::GetConfig};
use actogram_actors::StopReason;
use actogram_local_datacenter::{Attack, LocalDatacenter, Lost, When, model::PeerKey};
use actogram_store::Store;

const SEND: &str = "messages.sendMessage";

async fn finishes<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(HANG, what)
        .await
        .expect("a call hangs")
}

fn numbered(count: usize) -> Vec<String> {
    (0..count)
        .map(|number| format!("message {number}"))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r5_a_lost_sessions_are_not_noticed_but_in_calls_that_may_not_happen_twice() {
    let datacenter = datacenter().await;
    let operator = datacenter.operator();
    let bot = operator.create_bot("lost_bot", "Lost").unwrap().id;
    let ann = crate::support::person(&datacenter, "9996625551").await;
    let me = ann.api().me_id().unwrap();
    let inbox = Inbox::of(&ann);
    ann.start().await.unwrap();
    finishes(ann.api().send_message("@lost_bot", "hello").into_future())
        .await
        .unwrap();
    for (round, restart) in [false, true, false, true].into_iter().enumerate() {
        // Under way and carried out when the session is lost, so that its answer is lost, too.
        operator.delay_answers("messages.createChat", Duration::from_millis(500), 1);
        let created = operator.counters().executed("messages.createChat");
        let user = operator.input_user(me, bot).unwrap();
        let create = actogram::tl::functions::messages::CreateChat::new(
            vec![user],
            format!("group {round}"),
        );
        let api = ann.api();
        let creating = tokio::spawn(async move { api.invoke(create).await });
        until("the group was made", || {
            operator.counters().executed("messages.createChat") > created
        })
        .await;
        if restart {
            datacenter.restart(Lost {
                sessions: true,
                ..Lost::default()
            });
        } else {
            datacenter.forget_sessions();
        }
        let text = format!("while you were away {round}");
        operator
            .send_message(bot, PeerKey::User(me), &text)
            .unwrap();
        // Whatever is sent next tells the client that its session is new.
        finishes(ann.api().get_me()).await.unwrap();
        assert_eq!(inbox.next().await.text(), text, "it came by the difference");
        let doubt = finishes(creating).await.unwrap().unwrap_err();
        assert!(
            matches!(
                doubt,
                Error::Call {
                    source: CallError::UnknownOutcome,
                    ..
                }
            ),
            "{doubt}"
        );
        assert_eq!(operator.group_titles().len(), round + 1, "none twice");
    }
    assert!(inbox.is_quiet().await);
    ann.shutdown(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r5_b_lost_salts_are_not_noticed() {
    let datacenter = datacenter().await;
    let (bot, bot_id) = crate::support::bot(&datacenter, "salt_bot").await;
    let reader = reader(&datacenter, bot_id);
    let mut events = bot.events();
    for text in numbered(30) {
        datacenter.forget_salts();
        finishes(bot.api().send_message(reader, text.as_str()).into_future())
            .await
            .unwrap();
    }
    assert_eq!(received(&datacenter, reader, bot_id), numbered(30));
    assert_eq!(
        events_so_far(&mut events, |_| true),
        [],
        "nobody was bothered, and no connection lost"
    );
    bot.shutdown(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r6_salts_that_change_with_every_call_cause_no_error() {
    let datacenter = Arc::new(datacenter().await);
    let (bot, bot_id) = crate::support::bot(&datacenter, "rotating_bot").await;
    let reader = reader(&datacenter, bot_id);
    let api = bot.api();
    for number in 0..100 {
        if number % 3 == 2 {
            datacenter.forget_salts();
        } else {
            datacenter.rotate_salts();
        }
        let text = format!("message {number}");
        finishes(api.send_message(reader, text).into_future())
            .await
            .unwrap();
    }
    assert_eq!(received(&datacenter, reader, bot_id), numbered(100));

    // And in the middle of many.
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..500 {
        let api = api.clone();
        calls.spawn(async move { api.get_me().await });
    }
    while let Some(done) = finishes(calls.join_next()).await {
        done.unwrap().unwrap();
        if calls.len() % 25 == 0 {
            datacenter.rotate_salts();
        }
    }
    bot.shutdown(Duration::from_secs(5)).await;
}

fn stopped(event: &AccountEvent) -> bool {
    matches!(event, AccountEvent::Stopped(_))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r5_c_r9_a_lost_key_stops_the_account_once_and_stays_where_it_is() {
    let datacenter = datacenter().await;
    let store = Store::memory();
    let token = datacenter
        .operator()
        .create_bot("forgotten_bot", "Forgotten")
        .unwrap()
        .token;
    let ahead = Arc::new(AtomicI64::new(0));
    let clock = ahead.clone();
    let bot = crate::support::builder(&datacenter, "forgotten")
        .clock(move || {
            let ahead = u64::try_from(clock.load(Ordering::Relaxed)).unwrap();
            SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + Duration::from_secs(ahead)
        })
        .store(store.clone())
        .bot_token(token.as_str())
        .connect()
        .await
        .unwrap();
    let other = Bot::new(&datacenter, "remembered_bot").await;
    let keys = stored_keys(&store, "forgotten").await;
    let mut events = bot.events();
    // A key that was made just now is given a minute to be known everywhere.
    ahead.store(61, Ordering::Relaxed);
    assert!(datacenter.lose_key(keys[0]));
    // Under way while it is found out.
    let error = finishes(bot.api().get_me()).await.unwrap_err();
    let reason = StopReason::AuthKeyUnknown {
        dc: datacenter.dc_id(),
    };
    let why = |error: &Error| match error {
        Error::Call {
            source: CallError::Stopped(reason),
            ..
        } => Some(reason.clone()),
        _ => None,
    };
    assert_eq!(why(&error).as_ref(), Some(&reason), "{error}");
    // And afterwards.
    let error = finishes(bot.api().get_me()).await.unwrap_err();
    assert_eq!(why(&error), Some(reason), "{error}");
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(events_so_far(&mut events, stopped).len(), 1, "told once");
    assert_eq!(
        stored_keys(&store, "forgotten").await,
        keys,
        "nothing authenticates the message, so the key stays, and none is made in its place"
    );
    other.send("I am still here").await.unwrap();
    bot.shutdown(Duration::from_secs(5)).await;
    other.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r9_somebody_who_only_says_so_does_not_stop_the_account() {
    let datacenter = datacenter().await;
    let bot = Bot::new(&datacenter, "lied_to_bot").await;
    let keys = stored_keys(&bot.store, "lied_to_bot").await;
    let mut events = bot.account.events();
    for number in 0..20 {
        datacenter
            .attacks()
            .order(When::Answer(1), Attack::TransportError(-404));
        bot.send(&format!("message {number}")).await.unwrap();
    }
    assert_eq!(datacenter.attacks().mounted(), 20);
    assert_eq!(events_so_far(&mut events, stopped), []);
    assert_eq!(stored_keys(&bot.store, "lied_to_bot").await, keys);
    assert_eq!(bot.received(&datacenter), numbered(20));
    bot.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r9_a_revoked_login_is_told_of_once() {
    let datacenter = datacenter().await;
    let (bot, _) = crate::support::bot(&datacenter, "revoked_bot").await;
    let mut events = bot.events();
    datacenter
        .operator()
        .fail("users.getUsers", 401, "SESSION_REVOKED", 5);
    for _ in 0..5 {
        let error = finishes(bot.api().get_me()).await.unwrap_err();
        assert!(error.is("SESSION_REVOKED"), "{error}");
    }
    assert!(!bot.is_logged_in());
    let logged_out = |event: &AccountEvent| matches!(event, AccountEvent::LoggedOut { .. });
    assert_eq!(events_so_far(&mut events, logged_out).len(), 1);
    // What needs no login goes on.
    finishes(bot.api().invoke(GetConfig).into_future())
        .await
        .unwrap();
    bot.shutdown(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r5_d_calls_wait_while_the_datacenter_is_down() {
    let datacenter = datacenter().await;
    let (bot, bot_id) = crate::support::bot(&datacenter, "waiting_bot").await;
    let reader = reader(&datacenter, bot_id);
    let mut events = bot.events();
    datacenter.faults().refuse_all(true);
    datacenter.cut_connections();
    until("it is down", || datacenter.counts().0 == 0).await;
    let mut calls = tokio::task::JoinSet::new();
    for text in numbered(200) {
        let api = bot.api();
        calls.spawn(async move { api.send_message(reader, text).await });
    }
    for _ in 0..3 {
        event(&mut events, |event| {
            matches!(event, AccountEvent::Disconnected { .. })
        })
        .await;
    }
    assert_eq!(received(&datacenter, reader, bot_id).len(), 0);
    datacenter.faults().refuse_all(false);
    while let Some(done) = finishes(calls.join_next()).await {
        done.unwrap().unwrap();
    }
    let mut texts = received(&datacenter, reader, bot_id);
    texts.sort();
    let mut expected = numbered(200);
    expected.sort();
    assert_eq!(texts, expected, "each once");
    bot.shutdown(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r5_d_a_datacenter_that_is_started_again_finds_its_clients() {
    let directory = tempfile::tempdir().unwrap();
    let start = async |listen| {
        LocalDatacenter::builder()
            .rsa_key(rsa_key())
            .state_file(directory.path().join("state"))
            .listen(listen)
            .start()
            .await
            .unwrap()
    };
    let datacenter = start("127.0.0.1:0".parse().unwrap()).await;
    let address = datacenter.address().unwrap();
    let (bot, bot_id) = crate::support::bot(&datacenter, "patient_bot").await;
    let reader = reader(&datacenter, bot_id);
    bot.on_message(async |_cx: Cx, message: Msg| {
        message
            .reply(format!("you said: {}", message.text()))
            .await
            .map(drop)
    });
    bot.start().await.unwrap();
    let mut events = bot.events();
    datacenter.shutdown().await;
    let api = bot.api();
    let waiting = tokio::spawn(async move { api.send_message(reader, "are you there?").await });
    // The system itself refuses connections now.
    event(&mut events, |event| {
        matches!(event, AccountEvent::ConnectFailed { .. })
    })
    .await;
    let datacenter = start(address).await;
    finishes(waiting).await.unwrap().unwrap();
    datacenter
        .operator()
        .send_message(reader, PeerKey::User(bot_id), "I am")
        .unwrap();
    until("the bot answered", || {
        let texts = received(&datacenter, reader, bot_id);
        texts.contains(&"you said: I am".to_owned())
    })
    .await;
    let texts = received(&datacenter, reader, bot_id);
    let asked = texts.iter().filter(|text| *text == "are you there?");
    assert_eq!(asked.count(), 1);
    bot.shutdown(Duration::from_secs(5)).await;
}

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

fn unix() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
}

/// The system's clock, wrong by so many seconds.
fn wrong_clock(skew: &Arc<AtomicI64>) -> impl Fn() -> Duration + Send + Sync + 'static {
    let skew = skew.clone();
    move || {
        let seconds = unix().as_secs_f64() + skew.load(Ordering::Relaxed) as f64;
        Duration::from_secs_f64(seconds.max(0.0))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r7_a_clients_clock_may_be_wrong_from_the_start_and_jump() {
    let datacenter = datacenter().await;
    let to_1970 = -i64::try_from(unix().as_secs()).unwrap();
    let beyond_2038 = 4_000_000_000 + to_1970;
    let skews = [HOUR, -HOUR, 5 * DAY, -5 * DAY, to_1970, beyond_2038];
    for (number, at_first) in skews.into_iter().enumerate() {
        let skew = Arc::new(AtomicI64::new(at_first));
        let name = format!("clock_{number}_bot");
        let mut config = config(&datacenter, &name, &Store::memory());
        config.clock = Arc::new(wrong_clock(&skew));
        let bot = Bot::with(&datacenter, config).await;
        bot.send("message 0").await.unwrap();
        // Jumps while it runs, and with a new connection each time.
        let jumps = [0, 2 * HOUR, -2 * HOUR, at_first];
        for (at, jump) in jumps.into_iter().enumerate() {
            skew.store(jump, Ordering::Relaxed);
            bot.send(&format!("message {}", 2 * at + 1))
                .await
                .unwrap_or_else(|error| panic!("{at_first} then {jump}: {error}"));
            datacenter.cut_connections();
            bot.send(&format!("message {}", 2 * at + 2))
                .await
                .unwrap_or_else(|error| panic!("{at_first} then {jump}, cut: {error}"));
        }
        assert_eq!(
            bot.received(&datacenter),
            numbered(2 * jumps.len() + 1),
            "each once and in order with {at_first}"
        );
        bot.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r7_r8_a_datacenters_clock_may_be_wrong_from_the_start_and_jump() {
    for at_first in [HOUR, -HOUR, 5 * DAY, -5 * DAY] {
        let datacenter = datacenter().await;
        datacenter.clock().set_skew(at_first);
        let bot = Bot::new(&datacenter, "server_clock_bot").await;
        bot.send("message 0").await.unwrap();
        let jumps = [0, HOUR, -HOUR, 5 * DAY, -5 * DAY, 0];
        for (at, jump) in jumps.into_iter().enumerate() {
            datacenter.clock().set_skew(jump);
            bot.send(&format!("message {}", at + 1))
                .await
                .unwrap_or_else(|error| panic!("{at_first} then {jump}: {error}"));
        }
        assert_eq!(
            bot.received(&datacenter),
            numbered(jumps.len() + 1),
            "each once and in order with {at_first}"
        );
        assert_eq!(
            datacenter.operator().counters().executed(SEND),
            1 + jumps.len() as u64
        );
        bot.end().await;
    }
}

/// Keys outlive the process: what was agreed on with a wrong clock is good with a right one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r7_a_stored_time_offset_may_be_wrong_at_the_next_start() {
    let datacenter = datacenter().await;
    let store = Store::memory();
    for skew in [5 * DAY, 0, -HOUR, HOUR] {
        let mut config = config(&datacenter, "again", &store);
        config.clock = Arc::new(wrong_clock(&Arc::new(AtomicI64::new(skew))));
        let account = open(config).await;
        call(&account, &GetConfig).await.unwrap();
        account.shutdown(Duration::from_secs(5)).await;
    }
    assert_eq!(stored_keys(&store, "again").await.len(), 1);
}

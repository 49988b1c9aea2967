//! R21: the datacenter asks to wait, whatever is called.
#![allow(clippy::unwrap_used)]

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use crate::support::{World, call, config_call, event, log_in_bot, message, text_of, virtual_time};
use actogram_actors::{AccountEvent, CallPolicy, Connecting, DatacenterAddress, Io};
use actogram_local_datacenter::{model::PeerKey, rpc::PushFault};
use actogram_store::Store;
use actogram_tl::Encode as _;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    task::JoinSet,
    time::Instant,
};

const END: Duration = Duration::from_secs(5);
const METHOD: &str = "help.getConfig";

#[test]
fn r21_a_login_sleeps_through_flood_waits() {
    virtual_time(|| async {
        let world = World::new().await;
        let operator = world.datacenter.operator();
        operator.flood_wait("auth.importBotAuthorization", 7, 2);
        operator.flood_wait("updates.getState", 5, 1);
        let begun = Instant::now();
        let mut bot = world.bot("patient_bot").await;
        let waited = begun.elapsed().as_secs();
        assert!((19..25).contains(&waited), "{waited}");
        let counters = operator.counters();
        assert_eq!(counters.refused("auth.importBotAuthorization"), 2);
        assert_eq!(counters.executed("auth.importBotAuthorization"), 1);
        operator
            .send_message(world.person(), PeerKey::User(bot.id), "hello")
            .unwrap();
        assert_eq!(bot.inbox.next_text().await.0, "hello");
        bot.account.shutdown(END).await;

        // One that is too long for it is told, and a later login goes through.
        operator.flood_wait("auth.importBotAuthorization", 600, 1);
        let token = operator.create_bot("late_bot", "Late").unwrap().token;
        let account = world.open("late_bot", &Store::memory()).await;
        let error = log_in_bot(&account, &token).await.unwrap_err();
        assert!(error.to_string().contains("FLOOD_WAIT_600"), "{error}");
        tokio::time::sleep(Duration::from_secs(600)).await;
        log_in_bot(&account, &token).await.unwrap();
        account.shutdown(END).await;
    });
}

/// Waits above what a call sleeps through too: asking for the difference has no caller who could be told.
#[test]
fn r21_a_difference_is_asked_for_through_flood_waits_and_nothing_is_lost() {
    const DIFFERENCE: &str = "updates.getDifference";
    virtual_time(|| async {
        let world = World::new().await;
        let mut bot = world.bot("patient_bot").await;
        let ann = world.person();
        let operator = world.datacenter.operator();
        let mut expected = Vec::new();
        for (nth, (seconds, times)) in [(7, 1), (25, 3), (90, 2)].into_iter().enumerate() {
            operator.flood_wait(DIFFERENCE, seconds, times);
            operator.disturb_updates(bot.id, PushFault::Withhold, 1);
            for half in ["withheld", "sent"] {
                let text = format!("{nth} {half}");
                operator
                    .send_message(ann, PeerKey::User(bot.id), &text)
                    .unwrap();
                expected.push(text);
            }
            let refused = operator.counters().refused(DIFFERENCE);
            let mut texts = Vec::new();
            while texts.len() < 2 {
                let (text, _, done) = bot.inbox.next_text().await;
                done.done();
                texts.push(text);
            }
            assert_eq!(texts, expected[expected.len() - 2..]);
            let refused = operator.counters().refused(DIFFERENCE) - refused;
            assert!(refused <= u64::from(times), "{refused} refusals");
        }
        assert!(bot.inbox.is_quiet(Duration::from_secs(600)).await);
        bot.account.shutdown(END).await;
    });
}

#[test]
fn r21_a_queue_keeps_its_order_through_flood_waits() {
    virtual_time(|| async {
        let world = World::new().await;
        let bot = world.bot("patient_bot").await;
        let ann = world.person();
        let operator = world.datacenter.operator();
        operator
            .send_message(ann, PeerKey::User(bot.id), "/start")
            .unwrap();
        operator.flood_wait("messages.sendMessage", 4, 30);
        let mut calls = JoinSet::new();
        for nth in 0..20 {
            let text = format!("{nth:02}");
            let place = bot.account.place_in_queue("poem").unwrap();
            let policy = CallPolicy {
                flood_wait_limit: Duration::from_secs(10_000),
                ..CallPolicy::default()
            };
            let body = message(&bot.account, ann, &text).to_bytes();
            calls.spawn_local(bot.account.invoke_in_queue(place, body, policy));
        }
        for end in calls.join_all().await {
            end.unwrap();
        }
        let history = operator.history(ann, PeerKey::User(bot.id));
        let texts: Vec<_> = history.into_iter().map(|message| message.text).collect();
        let expected: Vec<_> = (0..20).map(|nth| format!("{nth:02}")).collect();
        assert_eq!(texts[1..], expected);
        bot.account.shutdown(END).await;
    });
}

/// All are refused at once, and then none asks before the time, nor all of them together.
#[test]
fn r21_parallel_calls_that_were_refused_make_no_storm() {
    const CALLS: u64 = 300;
    virtual_time(|| async {
        let world = World::new().await;
        let bot = world.bot("patient_bot").await;
        let operator = world.datacenter.operator();
        operator.flood_wait(METHOD, 6, u32::try_from(CALLS).unwrap());
        let mut calls = JoinSet::new();
        for _ in 0..CALLS {
            let body = config_call().to_bytes();
            calls.spawn_local(bot.account.invoke_raw(body, CallPolicy::default()));
        }
        let mut executed = Vec::new();
        for _ in 0..60 {
            tokio::time::sleep(Duration::from_millis(500)).await;
            executed.push(operator.counters().executed(METHOD));
        }
        assert_eq!(operator.counters().refused(METHOD), CALLS);
        assert_eq!(executed[10], 0, "somebody asked before the time");
        assert_eq!(executed[59], CALLS);
        let most = executed.windows(3).map(|w| w[2] - w[0]).max().unwrap();
        assert!(most < CALLS / 4, "{most} in a second");
        for end in calls.join_all().await {
            end.unwrap();
        }
        bot.account.shutdown(END).await;
    });
}

/// `FLOOD_PREMIUM_WAIT_X` slows one transfer down: the others of the same method go on.
#[test]
fn r21_the_wait_of_a_transfer_is_no_other_calls() {
    virtual_time(|| async {
        let world = World::new().await;
        let bot = world.bot("patient_bot").await;
        let operator = world.datacenter.operator();
        let mut events = bot.account.events();
        operator.fail(METHOD, 420, "FLOOD_PREMIUM_WAIT_9", 1);
        let begun = Instant::now();
        let body = config_call().to_bytes();
        let slowed = bot.account.invoke_raw(body, CallPolicy::default());
        let slowed = tokio::task::spawn_local(slowed);
        event(
            &mut events,
            |event| matches!(event, AccountEvent::FloodWait { wait, .. } if wait.as_secs() == 9),
        )
        .await;
        for _ in 0..5 {
            call(&bot.account, &config_call()).await.unwrap();
        }
        assert!(begun.elapsed() < Duration::from_secs(2));
        slowed.await.unwrap().unwrap();
        assert!(begun.elapsed() >= Duration::from_secs(9));
        bot.account.shutdown(END).await;
    });
}

/// Transport error -429 (<https://core.telegram.org/mtproto/mtproto-transports#transport-errors>): the next attempts come ever
/// more rarely, and the account goes on where it was when one is let in.
#[test]
fn r21_a_datacenter_that_refuses_connections_is_not_stormed() {
    const REFUSED: usize = 12;
    virtual_time(|| async {
        let world = World::new().await;
        let mut bot = world.bot("patient_bot").await;
        let ann = world.person();
        bot.account.shutdown(END).await;
        let mut config = world.config("patient_bot", &bot.store);
        config.obfuscated = false;
        let attempts = Arc::new(AtomicUsize::new(0));
        let (counted, let_in) = (attempts.clone(), config.connector.clone());
        config.connector = Arc::new(move |address: &DatacenterAddress| -> Connecting {
            if counted.fetch_add(1, Ordering::Relaxed) >= REFUSED {
                return let_in.connect(address);
            }
            Box::pin(async {
                let (ours, mut theirs) = tokio::io::duplex(1 << 16);
                tokio::task::spawn_local(async move {
                    // The other side sends first what it has to.
                    let _ = theirs.read(&mut [0; 1024]).await;
                    let mut refusal = 4_i32.to_le_bytes().to_vec();
                    refusal.extend((-429_i32).to_le_bytes());
                    let _ = theirs.write_all(&refusal).await;
                });
                Ok(Box::new(ours) as Box<dyn Io>)
            })
        });
        let begun = Instant::now();
        let account = world.engine.open(config).await.unwrap();
        let mut events = account.events();
        let mut inbox = crate::support::Inbox::of(&account);
        let starting = account.clone();
        let started = tokio::task::spawn_local(async move { starting.start_updates().await });
        let told = event(&mut events, |event| {
            let why = match event {
                AccountEvent::ConnectFailed { why, .. }
                | AccountEvent::Disconnected { why, .. } => why,
                _ => return false,
            };
            why.contains("-429")
        })
        .await;
        drop(told);
        started.await.unwrap().unwrap();
        let took = begun.elapsed();
        // One for the temporary key, one with it.
        assert_eq!(attempts.load(Ordering::Relaxed), REFUSED + 2);
        // Three in 8 s at the most.
        assert!(took >= Duration::from_secs(24), "{took:?}");
        let text = "in at last";
        let operator = world.datacenter.operator();
        operator
            .send_message(ann, PeerKey::User(bot.id), text)
            .unwrap();
        let next = inbox.next().await;
        assert_eq!(text_of(&next.update).as_deref(), Some(text));
        bot.inbox = inbox;
        account.shutdown(END).await;
    });
}

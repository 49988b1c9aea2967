//! How often an account calls: its own rates, and what is made of flood waits of the datacenter.
#![allow(clippy::unwrap_used)]

use std::{cell::RefCell, collections::BTreeMap, rc::Rc, time::Duration};

use crate::support::{Bot, World, call, call_with, config_call, event, message, virtual_time};
use actogram_actors::{
    Account, AccountEvent, CallError, CallPolicy, InvokeRaw, Limits, Rate, Rates,
};
use actogram_local_datacenter::model::PeerKey;
use actogram_tl::{Encode as _, functions, types};
use tokio::{task::JoinSet, time::Instant};

const END: Duration = Duration::from_secs(5);

/// A patient call sleeps through any flood wait of these tests.
fn patient() -> CallPolicy {
    CallPolicy {
        flood_wait_limit: Duration::from_secs(10_000),
        ..CallPolicy::default()
    }
}

/// A bot that keeps within these rates, with few calls in flight.
async fn bot_with(world: &World, rates: Option<Rates>, calls: usize) -> Bot {
    let mut bot = world.bot("rated_bot").await;
    bot.account.shutdown(END).await;
    let mut config = world.config("rated_bot", &bot.store);
    config.rates = rates;
    config.limits = Limits {
        calls,
        ..Limits::default()
    };
    bot.account = world.engine.open(config).await.unwrap();
    bot
}

/// People who have written to the bot.
fn people(world: &World, bot: &Bot, count: usize) -> Vec<i64> {
    let operator = world.datacenter.operator();
    (0..count)
        .map(|nth| {
            let user = operator
                .create_user(&format!("+99966{nth:05}"), "Ann")
                .unwrap();
            let bot = PeerKey::User(bot.id);
            operator.send_message(user, bot, "/start").unwrap();
            user
        })
        .collect()
}

/// Makes the calls at once and tells, for each, after how many seconds it was answered.
async fn seconds_of(account: &Account, bodies: Vec<bytes::Bytes>) -> Vec<u64> {
    let begun = Instant::now();
    let mut calls = JoinSet::new();
    for (nth, body) in bodies.into_iter().enumerate() {
        let call = account.invoke_raw(body, patient());
        calls.spawn_local(async move {
            call.await.unwrap();
            (nth, begun.elapsed().as_secs())
        });
    }
    let mut ends = calls.join_all().await;
    ends.sort_unstable();
    ends.into_iter().map(|(_, seconds)| seconds).collect()
}

fn messages(account: &Account, to: i64, count: usize) -> Vec<bytes::Bytes> {
    (0..count)
        .map(|nth| message(account, to, &nth.to_string()).to_bytes())
        .collect()
}

fn waiting(account: &Account) -> String {
    let snapshot = account.snapshot();
    let api = (snapshot.root.children.iter()).find(|child| child.name == "api");
    api.unwrap().details["rate_limited"].clone()
}

/// Those above the rate wait outside of the calls in flight, in order; nobody else waits for them.
#[test]
fn messages_to_one_chat_keep_to_their_rate_and_hold_nobody_else_up() {
    virtual_time(|| async {
        let world = World::new().await;
        let bot = bot_with(&world, Some(Rates::default()), 2).await;
        let people = people(&world, &bot, 2);
        let mut events = bot.account.events();
        let (account, many) = (bot.account.clone(), messages(&bot.account, people[0], 18));
        let paced = tokio::task::spawn_local(async move { seconds_of(&account, many).await });
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(waiting(&bot.account), "13");
        let began = Instant::now();
        call(&bot.account, &config_call()).await.unwrap();
        call(&bot.account, &message(&bot.account, people[1], "you?"))
            .await
            .unwrap();
        assert!(began.elapsed() < Duration::from_millis(500));
        let seconds = paced.await.unwrap();
        let expected: Vec<u64> = (0..18).map(|nth| nth / 5 * 5).collect();
        assert_eq!(seconds, expected);
        assert_eq!(waiting(&bot.account), "0");
        let operator = world.datacenter.operator();
        let history = operator.history(people[0], PeerKey::User(bot.id));
        let texts: Vec<_> = history.into_iter().map(|message| message.text).collect();
        let sent: Vec<_> = (0..18).map(|nth| nth.to_string()).collect();
        assert_eq!(texts[1..], sent);
        let told = event(&mut events, |event| {
            matches!(event, AccountEvent::RateLimited { .. })
        })
        .await;
        let AccountEvent::RateLimited { method, wait } = told else {
            panic!("{told:?}")
        };
        assert_eq!(method, "messages.sendMessage");
        assert!(wait > Duration::from_secs(4), "{wait:?}");
        // Once for all of them.
        while let Ok(event) = events.try_recv() {
            assert!(!matches!(event, AccountEvent::RateLimited { .. }));
        }
        bot.account.shutdown(END).await;
    });
}

#[test]
fn a_group_and_all_chats_together_have_rates_of_their_own() {
    virtual_time(|| async {
        let world = World::new().await;
        let bot = bot_with(&world, Some(Rates::default()), 1024).await;
        let people = people(&world, &bot, 70);
        let operator = world.datacenter.operator();
        let chat = operator.create_chat(people[0], &[bot.id], "Group").unwrap();
        let to_group = |nth: i32| {
            let peer = types::InputPeerChat { chat_id: chat }.into();
            functions::messages::SendMessage::new(peer, nth.to_string(), bot.account.random_id())
                .to_bytes()
        };
        let seconds = seconds_of(&bot.account, (0..45).map(to_group).collect()).await;
        let expected: Vec<u64> = (0..45).map(|nth| nth / 20 * 60).collect();
        assert_eq!(seconds, expected);

        tokio::time::sleep(Duration::from_secs(1)).await;
        let to_all = people
            .iter()
            .map(|person| message(&bot.account, *person, "news"));
        let bodies = to_all.map(|message| message.to_bytes()).collect();
        let seconds = seconds_of(&bot.account, bodies).await;
        let expected: Vec<u64> = (0..70).map(|nth| nth / 30).collect();
        assert_eq!(seconds, expected);
        bot.account.shutdown(END).await;
    });
}

#[test]
fn forwarded_messages_count_each_and_go_as_one() {
    virtual_time(|| async {
        let world = World::new().await;
        let bot = bot_with(&world, Some(Rates::default()), 1024).await;
        let people = people(&world, &bot, 2);
        let texts = messages(&bot.account, people[0], 5);
        assert_eq!(seconds_of(&bot.account, texts).await, [0; 5]);
        let operator = world.datacenter.operator();
        let from = operator.input_peer(bot.id, PeerKey::User(people[0]));
        let to = operator.input_peer(bot.id, PeerKey::User(people[1]));
        let ids: Vec<i32> = operator
            .history(bot.id, PeerKey::User(people[0]))
            .iter()
            .map(|message| message.id)
            .collect();
        assert_eq!(ids.len(), 6);
        let random_ids = ids.iter().map(|_| bot.account.random_id()).collect();
        let forward =
            functions::messages::ForwardMessages::new(from.unwrap(), ids, random_ids, to.unwrap());
        let mut bodies = vec![forward.to_bytes()];
        bodies.extend(messages(&bot.account, people[1], 5));
        // Six count for five now and one in 5 s: four more may go then.
        assert_eq!(seconds_of(&bot.account, bodies).await, [0, 5, 5, 5, 5, 10]);
        bot.account.shutdown(END).await;
    });
}

#[test]
fn a_method_has_the_rate_it_is_given_and_none_is_no_rate() {
    virtual_time(|| async {
        let world = World::new().await;
        let mut rates = Rates::default();
        rates.methods = BTreeMap::from([(
            "help.getConfig".to_owned(),
            Rate::new(2, Duration::from_secs(3)),
        )]);
        let bot = bot_with(&world, Some(rates), 1024).await;
        let configs = vec![config_call().to_bytes(); 5];
        assert_eq!(seconds_of(&bot.account, configs).await, [0, 0, 3, 3, 6]);
        bot.account.shutdown(END).await;

        let world = World::new().await;
        let bot = bot_with(&world, None, 1024).await;
        let people = people(&world, &bot, 1);
        let seconds = seconds_of(&bot.account, messages(&bot.account, people[0], 50)).await;
        assert_eq!(seconds, [0; 50]);
        bot.account.shutdown(END).await;
    });
}

/// Who is no longer waited for gives its turn to the next.
#[test]
fn a_call_that_is_given_up_while_it_waits_uses_no_turn_and_a_shutdown_gives_it_back() {
    virtual_time(|| async {
        let world = World::new().await;
        let bot = bot_with(&world, Some(Rates::default()), 1024).await;
        let people = people(&world, &bot, 1);
        seconds_of(&bot.account, messages(&bot.account, people[0], 5)).await;
        for _ in 0..20 {
            let given_up = message(&bot.account, people[0], "late").to_bytes();
            let given_up = bot.account.invoke_raw(given_up, patient());
            let _ = tokio::time::timeout(Duration::from_millis(10), given_up)
                .await
                .unwrap_err();
        }
        let again = seconds_of(&bot.account, messages(&bot.account, people[0], 5)).await;
        assert!(again.iter().all(|seconds| *seconds <= 5), "{again:?}");

        let body = message(&bot.account, people[0], "never").to_bytes();
        let never = bot.account.invoke_raw(body.clone(), patient());
        let never = tokio::task::spawn_local(never);
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(waiting(&bot.account), "1");
        bot.account.shutdown(END).await;
        let error = never.await.unwrap().unwrap_err();
        assert!(
            matches!(&error, CallError::ShutDown { body: given } if *given == body),
            "{error}"
        );
    });
}

/// Raw messages to the actor keep within the rates too. They wait with their permits, for nobody else bounds them.
#[test]
fn calls_as_actor_messages_keep_within_the_rates() {
    virtual_time(|| async {
        let world = World::new().await;
        let bot = bot_with(&world, Some(Rates::default()), 8).await;
        let people = people(&world, &bot, 1);
        let begun = Instant::now();
        let mut calls = JoinSet::new();
        for body in messages(&bot.account, people[0], 10) {
            let request = bot.account.addr().send(InvokeRaw {
                body,
                policy: CallPolicy::default(),
            });
            calls.spawn_local(async move {
                let answer = request.await.unwrap();
                (begun.elapsed().as_secs(), answer.map(drop))
            });
        }
        let mut ends = calls.join_all().await;
        ends.sort_by_key(|(seconds, _)| *seconds);
        let overloaded =
            |end: &&(u64, _)| matches!(end, (0, Err::<(), _>(CallError::Overloaded { .. })));
        assert_eq!(ends.iter().filter(overloaded).count(), 2, "{ends:?}");
        let went: Vec<_> = (ends.iter())
            .filter(|(_, answer)| answer.is_ok())
            .map(|(seconds, _)| *seconds)
            .collect();
        assert_eq!(went, [0, 0, 0, 0, 0, 5, 5, 5]);
        bot.account.shutdown(END).await;
    });
}

/// A flood wait holds for the method, whatever becomes of the actor that was told.
#[test]
fn a_flood_wait_outlives_the_actor_that_was_told_of_it() {
    virtual_time(|| async {
        let world = World::new().await;
        let bot = world.bot("told_bot").await;
        let operator = world.datacenter.operator();
        operator.flood_wait("help.getConfig", 40, 1);
        let refused = call(&bot.account, &config_call()).await;
        refused.unwrap_err();
        let children = bot.account.supervisor().children();
        let api = (children.iter()).find(|child| child.name() == "api");
        let api = api.unwrap();
        let life = api.generation();
        api.restart();
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert!(api.generation() > life);
        let executed = operator.counters().executed("help.getConfig");
        let error = call(&bot.account, &config_call()).await.unwrap_err();
        assert_eq!(
            error,
            CallError::Rpc {
                code: 420,
                message: "FLOOD_WAIT_35".to_owned()
            }
        );
        assert_eq!(operator.counters().executed("help.getConfig"), executed);
        bot.account.shutdown(END).await;
    });
}

/// Slow mode is the chat's (<https://core.telegram.org/api/errors#420-flood>): other chats do not wait, and other methods
/// that send to this one do.
#[test]
fn slow_mode_holds_for_the_chat_and_not_for_the_method() {
    virtual_time(|| async {
        let world = World::new().await;
        let bot = bot_with(&world, None, 1024).await;
        let people = people(&world, &bot, 2);
        let operator = world.datacenter.operator();
        operator.fail("messages.sendMessage", 420, "SLOWMODE_WAIT_40", 1);
        let slow = message(&bot.account, people[0], "slow");
        call(&bot.account, &slow).await.unwrap_err();

        let begun = Instant::now();
        call(&bot.account, &message(&bot.account, people[1], "quick"))
            .await
            .unwrap();
        assert!(begun.elapsed() < Duration::from_secs(1));
        tokio::time::sleep_until(begun + Duration::from_secs(10)).await;

        let [from, to] =
            [people[1], people[0]].map(|of| operator.input_peer(bot.id, PeerKey::User(of)));
        let id = operator
            .history(bot.id, PeerKey::User(people[1]))
            .pop()
            .unwrap()
            .id;
        let forward = functions::messages::ForwardMessages::new(
            from.unwrap(),
            vec![id],
            vec![bot.account.random_id()],
            to.unwrap(),
        );
        let impatient = CallPolicy {
            flood_wait_limit: Duration::from_secs(5),
            ..CallPolicy::default()
        };
        let error = call_with(&bot.account, &forward, impatient).await;
        assert_eq!(
            error.unwrap_err(),
            CallError::Rpc {
                code: 420,
                message: "SLOWMODE_WAIT_30".to_owned()
            }
        );
        assert_eq!(operator.counters().refused("messages.forwardMessages"), 0);
        call_with(&bot.account, &forward, patient()).await.unwrap();
        assert!(begun.elapsed() >= Duration::from_secs(39));
        bot.account.shutdown(END).await;
    });
}

/// Those that one flood wait put to sleep come one after another.
#[test]
fn the_sleepers_of_a_flood_wait_do_not_wake_all_at_once() {
    const CALLS: u64 = 100;
    virtual_time(|| async {
        let world = World::new().await;
        let bot = world.bot("sleepy_bot").await;
        let operator = world.datacenter.operator();
        operator.flood_wait("help.getConfig", 7, 1);
        let begun = Instant::now();
        let ends = Rc::new(RefCell::new(Vec::new()));
        let mut calls = JoinSet::new();
        for nth in 0..CALLS {
            let (call, ends) = (
                bot.account.invoke_raw(config_call().to_bytes(), patient()),
                ends.clone(),
            );
            calls.spawn_local(async move {
                // The first is refused before the others are made.
                tokio::time::sleep(Duration::from_millis(if nth == 0 { 0 } else { 500 })).await;
                call.await.unwrap();
                ends.borrow_mut().push(begun.elapsed());
            });
        }
        calls.join_all().await;
        let ends = ends.take();
        assert!(ends[0] >= Duration::from_secs(7) && ends[0] < Duration::from_secs(8));
        let most = (ends.iter())
            .map(|first| {
                let within = *first..*first + Duration::from_secs(1);
                ends.iter().filter(|end| within.contains(*end)).count()
            })
            .max();
        assert!((10..=40).contains(&most.unwrap()), "{most:?}");
        let apart: Vec<_> = ends.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(apart.iter().any(|gap| *gap != apart[0]), "no jitter");
        bot.account.shutdown(END).await;
    });
}

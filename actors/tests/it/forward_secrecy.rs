//! Temporary keys: made, bound, renewed and replaced without anybody noticing (<https://core.telegram.org/api/pfs>).
#![allow(clippy::unwrap_used)]

use std::{sync::atomic::Ordering, time::Duration};

use crate::support::{Bot, Inbox, World, call, config_call, message, real_time, virtual_time};
use actogram_actors::{CallError, StopReason};
use actogram_local_datacenter::model::PeerKey;
use actogram_store::{AuthKeyRecord, Store};

const HOUR: Duration = Duration::from_secs(3600);
const END: Duration = Duration::from_secs(5);

/// The permanent key of an account.
async fn permanent(store: &Store, name: &str) -> AuthKeyRecord {
    let keys = store.account(name).load().await.unwrap().auth_keys;
    assert_eq!(keys.len(), 1, "the permanent key and no other");
    keys.into_iter().next().unwrap()
}

/// The temporary keys that speak for it at the datacenter, the oldest first.
fn temporary(world: &World, permanent: i64) -> Vec<i64> {
    let operator = world.datacenter.operator();
    operator.inspect(|world| world.state().temporary_keys(permanent).to_vec())
}

fn bound(world: &World) -> u64 {
    let operator = world.datacenter.operator();
    operator.counters().executed("auth.bindTempAuthKey")
}

async fn says_hello(bot: &Bot, to: i64, text: &str) {
    call(&bot.account, &message(&bot.account, to, text))
        .await
        .unwrap();
}

/// A bot that has heard of a person, so that it may write to it.
async fn acquainted(world: &World, name: &str) -> (Bot, i64) {
    let mut bot = world.bot(name).await;
    let ann = world.person();
    let operator = world.datacenter.operator();
    operator
        .send_message(ann, PeerKey::User(bot.id), "hello")
        .unwrap();
    bot.inbox.texts(1).await;
    (bot, ann)
}

#[test]
fn k19_temporary_keys_are_used_and_stand_in_no_store() {
    // Disks know no virtual time.
    real_time(|| async {
        let world = World::new().await;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret.session");
        let store = Store::open(&path).unwrap();
        let account = world.open("secret", &store).await;
        call(&account, &config_call()).await.unwrap();
        let key = permanent(&store, "secret").await.key;
        let keys = temporary(&world, key.id());
        assert_eq!(keys.len(), 1);
        let operator = world.datacenter.operator();
        let (used, served) = operator.inspect(|world| {
            let record = world.key(keys[0]).unwrap();
            let served = world.state().introduced().collect::<Vec<_>>();
            (record, served)
        });
        assert_eq!(
            served, keys,
            "nobody was introduced under the permanent key"
        );
        let lifetime = i64::from(used.expires_at.unwrap()) - i64::from(used.created);
        assert!((82_800..=86_400).contains(&lifetime), "{lifetime}");
        account.shutdown(END).await;
        store.flush().await.unwrap();
        let mut files = 0;
        for file in std::fs::read_dir(dir.path()).unwrap() {
            let bytes = std::fs::read(file.unwrap().path()).unwrap();
            let holds = |key: &[u8]| bytes.windows(key.len()).any(|window| window == key);
            files += usize::from(holds(&key.as_bytes()[..64]));
            assert!(!holds(&used.key.as_bytes()[..32]), "in no file");
        }
        assert!(files > 0, "where the permanent key is, it is found");
        // The next process makes another.
        let again = world.open("secret", &store).await;
        call(&again, &config_call()).await.unwrap();
        assert_eq!(permanent(&store, "secret").await.key.id(), key.id());
        assert_eq!(temporary(&world, key.id()).len(), 2);
        again.shutdown(END).await;
    });
}

#[test]
fn without_forward_secrecy_the_permanent_key_is_used() {
    virtual_time(|| async {
        let world = World::new().await;
        let store = Store::memory();
        let mut config = world.config("plain", &store);
        config.forward_secrecy = false;
        let account = world.engine.open(config).await.unwrap();
        call(&account, &config_call()).await.unwrap();
        let key = permanent(&store, "plain").await.key.id();
        assert!(temporary(&world, key).is_empty());
        assert_eq!(bound(&world), 0);
        account.shutdown(END).await;
    });
}

#[test]
fn keys_are_renewed_every_day_and_nothing_is_lost_at_it() {
    virtual_time(|| async {
        let world = World::new().await;
        let (mut bot, ann) = acquainted(&world, "renewed_bot").await;
        let key = permanent(&bot.store, "renewed_bot").await.key.id();
        let operator = world.datacenter.operator();
        let (mut sent, mut before) = (0, 0);
        // A quiet account: a word and an answer every half an hour, for five days.
        for round in 0..240 {
            operator
                .send_message(ann, PeerKey::User(bot.id), &format!("word {round}"))
                .unwrap();
            assert_eq!(bot.inbox.texts(1).await, [format!("word {round}")]);
            says_hello(&bot, ann, &format!("answer {round}")).await;
            sent += 1;
            let made = bound(&world);
            assert!(made <= before + 1, "one at a time");
            before = made;
            tokio::time::sleep(HOUR / 2).await;
        }
        let answers = operator.history(ann, PeerKey::User(bot.id)).into_iter();
        let answers = answers.filter(|it| it.text.starts_with("answer")).count();
        assert_eq!(answers, sent);
        // An hour before each of 23 to 24 hours ends.
        assert!((6..=7).contains(&bound(&world)), "{}", bound(&world));
        assert!(temporary(&world, key).len() <= 2);
        assert_eq!(permanent(&bot.store, "renewed_bot").await.key.id(), key);
        assert!(bot.inbox.is_quiet(HOUR).await);
        bot.account.shutdown(END).await;
    });
}

/// Answers that take long, one behind the other: there is no quiet moment until new calls wait.
#[test]
fn a_busy_account_renews_its_key_without_an_unknown_outcome() {
    virtual_time(|| async {
        let world = World::new().await;
        let (bot, ann) = acquainted(&world, "busy_bot").await;
        let operator = world.datacenter.operator();
        tokio::time::sleep(HOUR * 21).await;
        assert_eq!(bound(&world), 1);
        operator.delay_answers("messages.sendMessage", Duration::from_secs(20), u32::MAX);
        let until = tokio::time::Instant::now() + HOUR * 3;
        let mut tasks = Vec::new();
        for lane in 0..3_u64 {
            let (account, start) = (bot.account.clone(), Duration::from_secs(7 * lane));
            tasks.push(tokio::task::spawn_local(async move {
                tokio::time::sleep(start).await;
                let mut sent = 0;
                while tokio::time::Instant::now() < until {
                    let text = format!("{lane} {sent}");
                    call(&account, &message(&account, ann, &text))
                        .await
                        .unwrap();
                    sent += 1;
                }
                sent
            }));
        }
        let mut sent = 0;
        for task in tasks {
            sent += task.await.unwrap();
        }
        assert_eq!(bound(&world), 2, "the key was renewed under way");
        let stored = operator.history(ann, PeerKey::User(bot.id)).len();
        assert_eq!(stored, sent + 1, "with the hello; each once");
        operator.clear_faults();
        bot.account.shutdown(END).await;
    });
}

#[test]
fn r9_lost_temporary_keys_are_replaced_and_the_login_stays() {
    virtual_time(|| async {
        let world = World::new().await;
        let (mut bot, ann) = acquainted(&world, "careless_bot").await;
        let key = permanent(&bot.store, "careless_bot").await.key.id();
        let operator = world.datacenter.operator();
        for round in 0..5 {
            assert!(world.datacenter.lose_temporary_keys() > 0);
            let text = format!("round {round}");
            operator
                .send_message(ann, PeerKey::User(bot.id), &text)
                .unwrap();
            says_hello(&bot, ann, &text).await;
            assert_eq!(bot.inbox.texts(1).await, [text]);
        }
        assert_eq!(bot.account.stopped(), None);
        assert_eq!(permanent(&bot.store, "careless_bot").await.key.id(), key);
        assert_eq!(temporary(&world, key).len(), 1);
        bot.account.shutdown(END).await;
    });
}

#[test]
fn a_binding_that_is_lost_costs_another_key_and_no_login() {
    virtual_time(|| async {
        let world = World::new().await;
        let (mut bot, ann) = acquainted(&world, "unbound_bot").await;
        let operator = world.datacenter.operator();
        let before = bound(&world);
        operator.fail("messages.sendMessage", 401, "AUTH_KEY_PERM_EMPTY", 1);
        says_hello(&bot, ann, "bound again").await;
        assert_eq!(bound(&world), before + 1);
        let history = operator.history(ann, PeerKey::User(bot.id));
        let texts: Vec<_> = history.iter().map(|it| it.text.as_str()).collect();
        assert_eq!(texts.iter().filter(|it| **it == "bound again").count(), 1);
        operator
            .send_message(ann, PeerKey::User(bot.id), "still there?")
            .unwrap();
        assert_eq!(bot.inbox.texts(1).await, ["still there?"]);
        bot.account.shutdown(END).await;
    });
}

/// Each refusal of a binding but the one that means the permanent key is got over.
#[test]
fn refused_bindings_are_made_again() {
    virtual_time(|| async {
        let refusals = [
            (400, "EXPIRES_AT_INVALID", 1),
            (400, "TEMP_AUTH_KEY_EMPTY", 2),
            (400, "TEMP_AUTH_KEY_ALREADY_BOUND", 1),
            (400, "ENCRYPTED_MESSAGE_INVALID", 2),
            (420, "FLOOD_WAIT_40", 2),
            (500, "RPC_CALL_FAIL", 9),
            (-503, "Timeout", 3),
            (401, "AUTH_KEY_UNREGISTERED", 1),
        ];
        for (code, name, times) in refusals {
            let world = World::new().await;
            let operator = world.datacenter.operator();
            operator.fail("auth.bindTempAuthKey", code, name, times);
            let store = Store::memory();
            let account = world.open("patient", &store).await;
            call(&account, &config_call())
                .await
                .unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(account.stopped(), None, "{name}");
            assert_eq!(bound(&world), 1, "{name}");
            permanent(&store, "patient").await;
            account.shutdown(END).await;
        }
    });
}

/// The permanent key is lost: believed after three refusals, if it is old enough to be known everywhere.
#[test]
fn r9_a_permanent_key_that_is_unknown_stops_the_account_and_stays_in_the_store() {
    virtual_time(|| async {
        for age in [0, 3600] {
            let world = World::new().await;
            let (bot, _) = acquainted(&world, "orphaned_bot").await;
            let key = permanent(&bot.store, "orphaned_bot").await.key.id();
            tokio::time::sleep(Duration::from_secs(age)).await;
            let lost = tokio::time::Instant::now();
            assert!(world.datacenter.lose_key(key));
            let error = call(&bot.account, &config_call()).await.unwrap_err();
            let reason = StopReason::AuthKeyUnknown {
                dc: world.datacenter.dc_id(),
            };
            assert_eq!(error, CallError::Stopped(reason));
            let took = lost.elapsed();
            if age == 0 {
                assert!(took >= Duration::from_secs(50), "{took:?}");
            }
            assert!(world.connects.load(Ordering::Relaxed) >= 3);
            assert_eq!(permanent(&bot.store, "orphaned_bot").await.key.id(), key);
            bot.account.shutdown(END).await;
        }
    });
}

/// The actor that keeps the keys dies, and the one that makes them.
#[test]
fn keys_outlive_the_actors_that_keep_and_make_them() {
    virtual_time(|| async {
        let world = World::new().await;
        let (mut bot, ann) = acquainted(&world, "mortal_bot").await;
        let operator = world.datacenter.operator();
        let before = bound(&world);
        for name in ["datacenter 2", "auth key", "connection"] {
            let children = bot.account.supervisor().children();
            let child = children.into_iter().find(|child| child.name() == name);
            let child = child.unwrap_or_else(|| panic!("no {name}"));
            child.restart();
            tokio::time::sleep(Duration::from_secs(1)).await;
            assert!(child.generation() >= 2, "{name} has a new life");
            says_hello(&bot, ann, name).await;
            operator
                .send_message(ann, PeerKey::User(bot.id), name)
                .unwrap();
            assert_eq!(bot.inbox.texts(1).await, [name]);
        }
        assert_eq!(bound(&world), before, "what is bound stays bound");
        // Renewal is not forgotten with the life that was to see to it.
        tokio::time::sleep(HOUR * 24).await;
        says_hello(&bot, ann, "a day later").await;
        assert_eq!(bound(&world), before + 1);
        bot.account.shutdown(END).await;
        let again = world.open("mortal_bot", &bot.store).await;
        bot.inbox = Inbox::of(&again);
        call(&again, &config_call()).await.unwrap();
        again.shutdown(END).await;
    });
}

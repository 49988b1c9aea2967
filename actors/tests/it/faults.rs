//! Named faults of the wire, the datacenter and our own actors. What must hold is said in each test.
#![allow(clippy::unwrap_used)]

use std::{sync::atomic::Ordering, time::Duration};

use crate::support::{World, call, config_call, event, message, virtual_time};
use actogram_actors::{AccountEvent, CallError, StopReason};
use actogram_local_datacenter::{
    Attack, Direction, Lost, When, WireFault, model::PeerKey, rpc::PushFault,
};
use actogram_store::Store;
use actogram_tl::{Encode as _, functions};

/// Connects, makes a key and calls, with this fault on the first connection.
async fn first_call_with(fault: Option<WireFault>) {
    let world = World::new().await;
    let store = Store::memory();
    if let Some(fault) = fault.clone() {
        world.datacenter.faults().order(fault);
    }
    let account = world.open("first", &store).await;
    tokio::time::timeout(crate::support::HANG / 2, call(&account, &config_call()))
        .await
        .unwrap_or_else(|_| panic!("{fault:?}: the call hangs"))
        .unwrap_or_else(|error| panic!("{fault:?}: {error}"));
    let keys = store.account("first").load().wait().unwrap().auth_keys;
    assert_eq!(keys.len(), 1, "{fault:?}");
    account.shutdown(Duration::from_secs(5)).await;
}

#[test]
fn r1_cut_at_any_point_of_the_key_exchange() {
    virtual_time(|| async {
        first_call_with(None).await;
        for direction in [Direction::ToServer, Direction::ToClient] {
            for payloads in 0..4 {
                first_call_with(Some(WireFault::CutAfterPayloads {
                    direction,
                    payloads,
                }))
                .await;
            }
            // Within the obfuscation's header, at its end, within and between messages.
            for bytes in [0, 1, 63, 64, 65, 70, 100, 150, 250, 400, 600] {
                first_call_with(Some(WireFault::CutAfter { direction, bytes })).await;
            }
        }
        first_call_with(Some(WireFault::Refuse)).await;
        first_call_with(Some(WireFault::BlackHole {
            direction: Direction::ToClient,
            bytes: 0,
        }))
        .await;
    });
}

#[test]
fn r13_a_corrupt_byte_costs_a_connection_and_nothing_else() {
    virtual_time(|| async {
        for direction in [Direction::ToServer, Direction::ToClient] {
            for offset in [64, 68, 70, 80, 90, 120, 200, 300, 500, 700] {
                first_call_with(Some(WireFault::Corrupt { direction, offset })).await;
            }
        }
    });
}

#[test]
fn r2_cut_before_and_after_execution_a_message_is_stored_once() {
    virtual_time(|| async {
        let world = World::new().await;
        let mut bot = world.bot("once_bot").await;
        let ann = world.person();
        let operator = world.datacenter.operator();
        operator
            .send_message(ann, PeerKey::User(bot.id), "hello")
            .unwrap();
        bot.inbox.texts(1).await;
        let mut sent = 0;
        for direction in [Direction::ToServer, Direction::ToClient] {
            for payloads in 0..6 {
                // The connection that this cut opens has the fault.
                world
                    .datacenter
                    .faults()
                    .order(WireFault::CutAfterPayloads {
                        direction,
                        payloads,
                    });
                world.datacenter.cut_connections();
                for _ in 0..4 {
                    let text = format!("message {sent}");
                    call(&bot.account, &message(&bot.account, ann, &text))
                        .await
                        .unwrap();
                    sent += 1;
                }
            }
        }
        let mut texts: Vec<_> = operator
            .history(ann, PeerKey::User(bot.id))
            .into_iter()
            .map(|message| message.text)
            .filter(|text| text.starts_with("message"))
            .collect();
        assert_eq!(texts.len(), sent, "one message each");
        texts.sort();
        texts.dedup();
        assert_eq!(texts.len(), sent);
        bot.account.shutdown(Duration::from_secs(5)).await;
    });
}

#[test]
fn r2_a_call_that_may_not_happen_twice_is_in_doubt_only_when_its_session_is_lost() {
    virtual_time(|| async {
        let world = World::new().await;
        let bot = world.user("+9996655555").await;
        let ann = world.person();
        let operator = world.datacenter.operator();
        let create = |title: &str| {
            let input = operator.input_user(bot.id, ann).unwrap();
            functions::messages::CreateChat::new(vec![input], title.to_owned())
        };
        // The connection is cut while the answer is under way; the session stays, so the answer is fetched.
        operator.delay_answers("messages.createChat", Duration::from_secs(1), 1);
        let first = create("kept");
        let (created, ()) = tokio::join!(call(&bot.account, &first), async {
            tokio::time::sleep(Duration::from_millis(500)).await;
            world.datacenter.cut_connections();
        });
        created.unwrap();
        // The same, and the session is gone too.
        operator.delay_answers("messages.createChat", Duration::from_secs(1), 1);
        let second = create("doubtful");
        let (created, ()) = tokio::join!(call(&bot.account, &second), async {
            tokio::time::sleep(Duration::from_millis(500)).await;
            world.datacenter.restart(Lost {
                sessions: true,
                ..Lost::default()
            });
        });
        assert_eq!(created.unwrap_err(), CallError::UnknownOutcome);
        assert_eq!(operator.counters().executed("messages.createChat"), 2);
        bot.account.shutdown(Duration::from_secs(5)).await;
    });
}

#[test]
fn r5_restarts_that_lose_sessions_or_salts_are_not_noticed() {
    virtual_time(|| async {
        let world = World::new().await;
        let mut bot = world.bot("restart_bot").await;
        let ann = world.person();
        let operator = world.datacenter.operator();
        let losses = [
            Lost::default(),
            Lost {
                sessions: true,
                ..Lost::default()
            },
            Lost {
                salts: true,
                ..Lost::default()
            },
            Lost {
                sessions: true,
                salts: true,
                ..Lost::default()
            },
        ];
        for (number, lost) in losses.into_iter().cycle().take(8).enumerate() {
            let text = format!("during {number}");
            world.datacenter.restart(lost);
            // Sent while nobody is connected: only the difference has it.
            operator
                .send_message(ann, PeerKey::User(bot.id), &text)
                .unwrap();
            assert_eq!(bot.inbox.texts(1).await, [text]);
            call(&bot.account, &message(&bot.account, ann, "answer"))
                .await
                .unwrap();
        }
        assert!(bot.inbox.is_quiet(Duration::from_secs(5)).await);
        let answers = operator
            .history(ann, PeerKey::User(bot.id))
            .iter()
            .filter(|message| message.text == "answer")
            .count();
        assert_eq!(answers, 8);
        bot.account.shutdown(Duration::from_secs(5)).await;
    });
}

#[test]
fn r5_down_for_minutes_calls_wait_and_attempts_stay_few() {
    virtual_time(|| async {
        let world = World::new().await;
        let bot = world.bot("down_bot").await;
        world.unreachable.store(true, Ordering::Relaxed);
        world.datacenter.cut_connections();
        let before = world.connects.load(Ordering::Relaxed);
        let asked = config_call();
        let (answered, ()) = tokio::join!(call(&bot.account, &asked), async {
            tokio::time::sleep(Duration::from_secs(300)).await;
            let attempts = world.connects.load(Ordering::Relaxed) - before;
            assert!(
                (10..=20).contains(&attempts),
                "{attempts} attempts in five minutes"
            );
            world.unreachable.store(false, Ordering::Relaxed);
        });
        answered.unwrap();
        bot.account.shutdown(Duration::from_secs(5)).await;
    });
}

#[test]
fn r6_salts_that_change_all_the_time_are_not_noticed() {
    virtual_time(|| async {
        let world = World::new().await;
        let bot = world.bot("salt_bot").await;
        for round in 0..20 {
            if round % 2 == 0 {
                world.datacenter.rotate_salts();
            } else {
                world.datacenter.forget_salts();
            }
            call(&bot.account, &config_call()).await.unwrap();
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        bot.account.shutdown(Duration::from_secs(5)).await;
        // The salt that was good last is the one that is remembered.
        assert_eq!(
            bot.store
                .account("salt_bot")
                .load()
                .wait()
                .unwrap()
                .salts
                .len(),
            1
        );
    });
}

#[test]
fn r7_a_clock_that_is_wrong_or_jumps_is_not_noticed() {
    virtual_time(|| async {
        const DAY: i64 = 24 * 3600;
        let epoch = i64::try_from(crate::support::EPOCH).unwrap();
        for skew in [3600, -3600, 5 * DAY, -5 * DAY, -epoch, 40 * 365 * DAY] {
            let world = World::new().await;
            world.clock.skew.store(skew, Ordering::Relaxed);
            let bot = world.bot("clock_bot").await;
            call(&bot.account, &config_call()).await.unwrap();
            for jump in [7200, -7200, 0, -epoch] {
                world.clock.skew.store(skew + jump, Ordering::Relaxed);
                call(&bot.account, &config_call()).await.unwrap();
                world.datacenter.cut_connections();
                call(&bot.account, &config_call()).await.unwrap();
            }
            bot.account.shutdown(Duration::from_secs(5)).await;
            // And a start from the store with a clock that is wrong in another way.
            let again = world.open("clock_bot", &bot.store).await;
            call(&again, &config_call()).await.unwrap();
            again.shutdown(Duration::from_secs(5)).await;
        }
    });
}

#[test]
fn r9_a_lost_key_is_reported_once_and_kept() {
    virtual_time(|| async {
        let world = World::new().await;
        let bot = world.bot("lost_bot").await;
        let mut events = bot.account.events();
        let before = bot.store.account("lost_bot").load().wait().unwrap();
        let key = before.auth_keys[0].key.id();
        let connects = world.connects.load(Ordering::Relaxed);
        world.datacenter.restart(Lost {
            keys: true,
            ..Lost::default()
        });
        let error = call(&bot.account, &config_call()).await.unwrap_err();
        let reason = StopReason::AuthKeyUnknown {
            dc: world.datacenter.dc_id(),
        };
        assert_eq!(error, CallError::Stopped(reason.clone()));
        assert_eq!(bot.account.ended().await, reason);
        assert!(
            world.connects.load(Ordering::Relaxed) - connects >= 5,
            "one answer alone is not believed"
        );
        let tried = world.connects.load(Ordering::Relaxed);
        tokio::time::sleep(Duration::from_secs(3600)).await;
        assert_eq!(
            world.connects.load(Ordering::Relaxed),
            tried,
            "it does not go on trying"
        );
        let stops = std::iter::from_fn(|| events.try_recv().ok())
            .filter(|event| matches!(event, AccountEvent::Stopped(_)))
            .count();
        assert_eq!(stops, 1);
        let after = bot.store.account("lost_bot").load().wait().unwrap();
        assert_eq!(after.auth_keys[0].key.id(), key, "the key is still there");
        assert_eq!(after.self_user, before.self_user);

        // What the user decides then: forget, and log in anew.
        bot.account.forget().await.unwrap();
        let token = world
            .datacenter
            .operator()
            .create_bot("new_bot", "new")
            .unwrap()
            .token;
        let user = crate::support::log_in_bot(&bot.account, token.as_str())
            .await
            .unwrap();
        bot.account.logged_in(&user).await.unwrap();
        bot.account.shutdown(Duration::from_secs(5)).await;
    });
}

#[test]
fn r9_a_forged_404_alone_changes_nothing() {
    virtual_time(|| async {
        let world = World::new().await;
        let bot = world.bot("forged_bot").await;
        for _ in 0..12 {
            world
                .datacenter
                .attacks()
                .order(When::Answer(0), Attack::TransportError(-404));
            call(&bot.account, &config_call()).await.unwrap();
            tokio::time::sleep(Duration::from_secs(10)).await;
            call(&bot.account, &config_call()).await.unwrap();
        }
        assert!(world.datacenter.attacks().mounted() >= 12);
        bot.account.shutdown(Duration::from_secs(5)).await;
    });
}

#[test]
fn s24_a_datacenter_that_refuses_connections_is_given_time() {
    virtual_time(|| async {
        let world = World::new().await;
        let bot = world.bot("refused_bot").await;
        call(&bot.account, &config_call()).await.unwrap();
        let mut events = bot.account.events();
        world
            .datacenter
            .attacks()
            .order(When::Answer(0), Attack::TransportError(-429));
        call(&bot.account, &config_call()).await.unwrap();
        assert_eq!(world.datacenter.attacks().mounted(), 1);
        // The connection had worked before: that alone would have allowed another at once.
        let pauses: Vec<_> = std::iter::from_fn(|| events.try_recv().ok())
            .filter_map(|event| match event {
                AccountEvent::ConnectFailed { retry_in, .. } => Some(retry_in),
                _ => None,
            })
            .collect();
        assert_eq!(pauses.len(), 1, "{pauses:?}");
        assert!(pauses[0] >= Duration::from_millis(200), "{pauses:?}");
        bot.account.shutdown(Duration::from_secs(5)).await;
    });
}

#[test]
fn r9_a_login_that_is_ended_is_told_of_once() {
    virtual_time(|| async {
        let world = World::new().await;
        let bot = world.bot("ended_bot").await;
        let mut events = bot.account.events();
        world
            .datacenter
            .operator()
            .fail("users.getUsers", 401, "SESSION_REVOKED", 3);
        for _ in 0..3 {
            let ask = functions::users::GetUsers {
                id: vec![actogram_tl::enums::InputUser::InputUserSelf],
            };
            let error = call(&bot.account, &ask).await.unwrap_err();
            assert!(
                matches!(&error, CallError::Rpc { code: 401, .. }),
                "{error}"
            );
        }
        assert_eq!(bot.account.me_id(), None);
        tokio::time::sleep(Duration::from_secs(3600)).await;
        let told = std::iter::from_fn(|| events.try_recv().ok())
            .filter(|event| matches!(event, AccountEvent::LoggedOut { .. }))
            .count();
        assert_eq!(told, 1);
        bot.account.shutdown(Duration::from_secs(5)).await;
    });
}

#[test]
fn a5_r9_a_duplicated_key_stops_without_a_loop() {
    virtual_time(|| async {
        let world = World::new().await;
        let bot = world.bot("twice_bot").await;
        let connects = world.connects.load(Ordering::Relaxed);
        world
            .datacenter
            .operator()
            .fail("help.getConfig", 406, "AUTH_KEY_DUPLICATED", 1);
        let error = call(&bot.account, &config_call()).await.unwrap_err();
        assert_eq!(
            error,
            CallError::Rpc {
                code: 406,
                message: "AUTH_KEY_DUPLICATED".to_owned()
            }
        );
        assert_eq!(bot.account.ended().await, StopReason::AuthKeyDuplicated);
        let error = call(&bot.account, &config_call()).await.unwrap_err();
        assert_eq!(error, CallError::Stopped(StopReason::AuthKeyDuplicated));
        tokio::time::sleep(Duration::from_secs(3600)).await;
        assert_eq!(
            world.connects.load(Ordering::Relaxed),
            connects,
            "it was not tried again"
        );
        let record = bot.store.account("twice_bot").load().wait().unwrap();
        assert!(
            record.auth_keys.is_empty() && record.self_user.is_none(),
            "the key is worthless"
        );
    });
}

#[test]
fn r10_a_peer_that_vanishes_is_noticed_and_calls_go_on() {
    virtual_time(|| async {
        for direction in [Direction::ToServer, Direction::ToClient] {
            let world = World::new().await;
            let bot = world.bot("hole_bot").await;
            // Takes effect on the next connection, some way into it.
            world.datacenter.faults().order(WireFault::BlackHole {
                direction,
                bytes: 700,
            });
            world.datacenter.cut_connections();
            let began = tokio::time::Instant::now();
            for _ in 0..10 {
                call(&bot.account, &config_call()).await.unwrap();
            }
            assert!(
                began.elapsed() < Duration::from_secs(30),
                "{direction:?}: {:?}",
                began.elapsed()
            );
            bot.account.shutdown(Duration::from_secs(5)).await;
        }
    });
}

#[test]
fn r14_updates_that_come_twice_late_or_not_at_all_are_put_in_order() {
    virtual_time(|| async {
        let world = World::new().await;
        let mut bot = world.bot("order_bot").await;
        let ann = world.person();
        let operator = world.datacenter.operator();
        let mut expected = Vec::new();
        for (round, fault) in [
            None,
            Some(PushFault::Withhold),
            Some(PushFault::Duplicate),
            Some(PushFault::Swap),
        ]
        .into_iter()
        .cycle()
        .take(12)
        .enumerate()
        {
            if let Some(fault) = fault {
                operator.disturb_updates(bot.id, fault, 1);
            }
            for part in ["a", "b", "c"] {
                let text = format!("{round}{part}");
                operator
                    .send_message(ann, PeerKey::User(bot.id), &text)
                    .unwrap();
                expected.push(text);
            }
            tokio::time::sleep(Duration::from_millis(100 * u64::try_from(round).unwrap())).await;
        }
        assert_eq!(bot.inbox.texts(expected.len()).await, expected);
        assert!(bot.inbox.is_quiet(Duration::from_secs(5)).await);
        bot.account.shutdown(Duration::from_secs(5)).await;
    });
}

#[test]
fn r16_a_difference_that_fails_is_asked_for_again() {
    virtual_time(|| async {
        let world = World::new().await;
        let mut bot = world.bot("diff_bot").await;
        let ann = world.person();
        let operator = world.datacenter.operator();
        for (code, name) in [
            (500, "PERSISTENT_TIMESTAMP_OUTDATED"),
            (420, "FLOOD_WAIT_40"),
            (400, "SOMETHING_NEW"),
        ] {
            operator.fail("updates.getDifference", code, name, 8);
            operator.disturb_updates(bot.id, PushFault::Withhold, 1);
            operator
                .send_message(ann, PeerKey::User(bot.id), "withheld")
                .unwrap();
            operator
                .send_message(ann, PeerKey::User(bot.id), "after it")
                .unwrap();
            assert_eq!(bot.inbox.texts(2).await, ["withheld", "after it"], "{name}");
        }
        bot.account.shutdown(Duration::from_secs(5)).await;
    });
}

#[test]
fn own_calls_leave_no_gap() {
    virtual_time(|| async {
        let world = World::new().await;
        let mut bot = world.bot("own_bot").await;
        let ann = world.person();
        let operator = world.datacenter.operator();
        operator
            .send_message(ann, PeerKey::User(bot.id), "hello")
            .unwrap();
        bot.inbox.texts(1).await;
        let differences = operator.counters().executed("updates.getDifference");
        for _ in 0..10 {
            call(&bot.account, &message(&bot.account, ann, "mine"))
                .await
                .unwrap();
        }
        let ids: Vec<_> = operator
            .history(bot.id, PeerKey::User(ann))
            .iter()
            .map(|message| message.id)
            .take(3)
            .collect();
        call(
            &bot.account,
            &functions::messages::DeleteMessages {
                revoke: true,
                id: ids,
            },
        )
        .await
        .unwrap();
        operator
            .send_message(ann, PeerKey::User(bot.id), "right after")
            .unwrap();
        assert_eq!(bot.inbox.texts(1).await, ["right after"]);
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(
            operator.counters().executed("updates.getDifference"),
            differences,
            "nothing was missing"
        );
        bot.account.shutdown(Duration::from_secs(5)).await;
    });
}

#[test]
fn fifteen_silent_minutes_lead_to_a_look() {
    virtual_time(|| async {
        let world = World::new().await;
        let mut bot = world.bot("silent_bot").await;
        let ann = world.person();
        let operator = world.datacenter.operator();
        operator.disturb_updates(bot.id, PushFault::Withhold, 1);
        operator
            .send_message(ann, PeerKey::User(bot.id), "unheard")
            .unwrap();
        let began = tokio::time::Instant::now();
        assert_eq!(bot.inbox.texts(1).await, ["unheard"]);
        let minutes = began.elapsed().as_secs_f64() / 60.0;
        assert!((14.0..=15.5).contains(&minutes), "{minutes}");
        bot.account.shutdown(Duration::from_secs(5)).await;
    });
}

#[test]
fn p9_a_failed_actor_leaves_no_caller_waiting() {
    virtual_time(|| async {
        let world = World::new().await;
        let bot = world.bot("panic_bot").await;
        let ann = world.person();
        let operator = world.datacenter.operator();
        operator
            .send_message(ann, PeerKey::User(bot.id), "hello")
            .unwrap();
        for name in ["connection", "api", "updates", "datacenter 2", "auth key"] {
            operator.delay_answers("help.getConfig", Duration::from_secs(2), 500);
            let mut calls = tokio::task::JoinSet::new();
            for number in 0..1000 {
                let policy = actogram_actors::CallPolicy::default();
                let body = if number % 2 == 0 {
                    config_call().to_bytes()
                } else {
                    message(&bot.account, ann, &format!("{name} {number}")).to_bytes()
                };
                calls.spawn_local(bot.account.invoke_raw(body, policy));
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
            let child = bot
                .account
                .supervisor()
                .children()
                .into_iter()
                .find(|child| child.name() == name)
                .unwrap_or_else(|| panic!("no {name}"));
            child.restart();
            let mut ended = 0;
            while let Some(end) = calls.join_next().await {
                // Reads and messages may happen twice without harm, so every one of them comes to its answer.
                end.unwrap()
                    .unwrap_or_else(|error| panic!("{name}: {error}"));
                ended += 1;
            }
            assert_eq!(ended, 1000);
            assert!(child.generation() >= 2, "{name} has a new life");
        }
        let history = operator.history(ann, PeerKey::User(bot.id));
        let mut texts: Vec<_> = history
            .iter()
            .map(|message| message.text.clone())
            .filter(|text| text != "hello")
            .collect();
        assert_eq!(texts.len(), 2500, "every message once");
        texts.sort();
        texts.dedup();
        assert_eq!(texts.len(), 2500);
        assert_eq!(bot.account.calls_in_flight(), 0);
        bot.account.shutdown(Duration::from_secs(5)).await;
    });
}

#[test]
fn updates_go_on_after_their_actor_failed() {
    virtual_time(|| async {
        let world = World::new().await;
        let mut bot = world.bot("reborn_bot").await;
        let ann = world.person();
        let operator = world.datacenter.operator();
        operator
            .send_message(ann, PeerKey::User(bot.id), "before")
            .unwrap();
        assert_eq!(bot.inbox.texts(1).await, ["before"]);
        let children = bot.account.supervisor().children();
        children
            .into_iter()
            .find(|child| child.name() == "updates")
            .unwrap()
            .restart();
        operator
            .send_message(ann, PeerKey::User(bot.id), "after")
            .unwrap();
        assert_eq!(bot.inbox.texts(1).await, ["after"]);
        bot.account.shutdown(Duration::from_secs(5)).await;
    });
}

#[test]
fn a_shutdown_waits_for_calls_until_its_deadline() {
    virtual_time(|| async {
        let world = World::new().await;
        let bot = world.bot("drain_bot").await;
        let operator = world.datacenter.operator();
        let mut events = bot.account.events();
        operator.delay_answers("help.getConfig", Duration::from_secs(3), 1);
        let asked = config_call();
        let (answered, ()) = tokio::join!(call(&bot.account, &asked), async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            bot.account.shutdown(Duration::from_secs(10)).await;
        });
        answered.unwrap();
        event(&mut events, |event| {
            *event == AccountEvent::Stopped(StopReason::ShutDown)
        })
        .await;

        let bot = world.bot("hasty_bot").await;
        operator.delay_answers("help.getConfig", Duration::from_secs(60), 1);
        let began = tokio::time::Instant::now();
        let (answered, ()) = tokio::join!(call(&bot.account, &asked), async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            bot.account.shutdown(Duration::from_secs(2)).await;
        });
        let error = answered.unwrap_err();
        assert!(matches!(error, CallError::ShutDown { .. }), "{error}");
        assert!(
            began.elapsed() < Duration::from_secs(5),
            "{:?}",
            began.elapsed()
        );
    });
}

#[test]
fn p4_actors_that_fail_too_often_end_their_account_and_no_other() {
    virtual_time(|| async {
        let world = World::new().await;
        let other = world.bot("other_bot").await;
        let mut config = world.config("doomed", &Store::memory());
        config.connector = std::sync::Arc::new(
            |_: &actogram_actors::DatacenterAddress| -> actogram_actors::Connecting {
                panic!("a connector that panics")
            },
        );
        let account = world.engine.open(config).await.unwrap();
        let error = call(&account, &config_call()).await.unwrap_err();
        // It ends with its last holder; why that ended is known a moment later.
        assert!(
            matches!(
                &error,
                CallError::Retry(_) | CallError::Stopped(StopReason::Failed(_))
            ),
            "{error}"
        );
        assert!(matches!(account.ended().await, StopReason::Failed(_)));
        let error = call(&account, &config_call()).await.unwrap_err();
        assert!(
            matches!(&error, CallError::Stopped(_) | CallError::ShutDown { .. }),
            "{error}"
        );
        account.shutdown(Duration::from_secs(5)).await;
        call(&other.account, &config_call()).await.unwrap();
        other.account.shutdown(Duration::from_secs(5)).await;
    });
}

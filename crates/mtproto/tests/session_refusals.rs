//! What is refused: by which number, salt and time messages go out, and what becomes of those the server does not take.
#![allow(clippy::unwrap_used)]

mod session_support;

use std::time::Duration;

use actogram_mtproto::{
    pair::{Pair, PairConfig},
    session::client::{CallFailure, CallId, Event},
};
use actogram_tl::mtproto::types;
use bytes::Bytes;
use session_support::*;

#[test]
fn trap_05_ids_and_sequence_numbers_grow_by_the_rules_whatever_the_clock_does() {
    let mut pair = settled(5);
    let wire = Wire::tap(&mut pair);
    let mut clock = [0, 3600, -7200, 5, 400_000, -400_000, 0]
        .into_iter()
        .cycle();
    for number in 0..200 {
        pair.set_client_clock(clock.next().unwrap());
        for copy in 0..number % 5 {
            call(&mut pair, read(number * 10 + copy));
        }
        pair.push(&update(number as i32));
        pair.run_for(Duration::from_millis(300));
    }
    pair.run_for(SECOND * 20);
    assert_eq!(pair.client().unwrap().calls_in_flight(), 0);
    assert_eq!(pair.connections().lost, 0);
    let (mut last, mut content) = (i64::MIN, 0);
    let first_content = wire.sent()[0].messages[0].seq_no / 2;
    for packet in wire.sent() {
        for message in &packet.messages {
            assert_eq!(message.msg_id & 3, 0);
            assert!(message.msg_id > last, "ids grow");
            last = message.msg_id;
            let expected = (first_content + content) * 2;
            if message.seq_no & 1 == 1 {
                assert_eq!(message.seq_no, expected + 1);
                content += 1;
            } else {
                assert_eq!(message.seq_no, expected);
            }
        }
        if packet.is_container() {
            assert!(
                packet.outer.msg_id > last,
                "a container is younger than what it holds"
            );
            assert_eq!(packet.outer.msg_id & 3, 0);
            assert_eq!(packet.outer.seq_no & 1, 0);
            last = packet.outer.msg_id;
        }
    }
    assert_eq!(
        content, 400,
        "each call is content-related, nothing else is"
    );
}

#[test]
fn trap_05_ids_tell_the_servers_time() {
    for skew in [-400_000, -3600, 3600, 400_000] {
        let mut config = PairConfig::seeded(5);
        config.client_clock = (skew, 0);
        let mut pair = Pair::new(config);
        answered(&mut pair, read(1));
        let wire = Wire::tap(&mut pair);
        answered(&mut pair, read(2));
        let seconds = wire.copies(&read(2))[0].msg_id >> 32;
        let now = pair.server_now().unix.as_secs().cast_signed();
        assert!((seconds - now).abs() <= 2, "{skew}: {seconds} at {now}");
        let offsets = pair.take_events().into_iter();
        let offsets = offsets.filter(|event| matches!(event, Event::TimeOffset(_)));
        assert!(offsets.count() >= 1, "{skew}");
    }
}

/// Several calls that travel in one container.
fn several(pair: &mut Pair) -> (Vec<CallId>, [Bytes; 3]) {
    let bodies = [create(1), send(2), read(3)];
    let calls = bodies.iter().map(|body| call(pair, body.clone())).collect();
    (calls, bodies)
}

fn all_answered_once(pair: &mut Pair, calls: &[CallId], bodies: &[Bytes], what: &str) {
    for (id, body) in calls.iter().zip(bodies) {
        finished(pair, *id);
        assert_eq!(pair.server.ledger.executions(body), 1, "{what}");
        assert_eq!(pair.endings(*id), 1, "{what}");
    }
}

#[test]
fn trap_06_a_wrong_salt_costs_a_round_trip_and_no_error() {
    let mut pair = settled(6);
    pair.server.forget_salts();
    let wire = Wire::tap(&mut pair);
    let (calls, bodies) = several(&mut pair);
    all_answered_once(&mut pair, &calls, &bodies, "in a container");
    assert!(wire.sent()[0].is_container());
    for body in &bodies {
        let copies = wire.copies(body);
        assert_eq!(copies.len(), 2);
        assert_ne!(copies[0].msg_id, copies[1].msg_id, "under a new id");
    }
    let key_id = pair.client().unwrap().key_id();
    let now = pair.server_now();
    let salt = pair.server.salt(now, key_id).unwrap();
    assert!(pair.take_events().contains(&Event::Salt(salt)));
    assert_eq!(wire.sent().last().unwrap().salt, salt);

    // The same with a call alone.
    pair.server.forget_salts();
    answered(&mut pair, create(4));
    assert_eq!(pair.server.ledger.executions(&create(4)), 1);
    assert_eq!(pair.connections().lost, 0);
}

#[test]
fn trap_06_salts_that_are_wrong_again_and_again_end_in_an_error() {
    let mut pair = settled(6);
    let wire = Wire::tap(&mut pair);
    let id = call(&mut pair, create(1));
    for _ in 0..100_000 {
        pair.server.forget_salts();
        pair.run_for(Duration::from_millis(5));
        if pair.is_over(id) {
            break;
        }
    }
    assert!(
        matches!(
            pair.outcome(id),
            Some(Event::Failed {
                why: CallFailure::RefusedTooOften(6, 48),
                ..
            })
        ),
        "{:?}",
        pair.outcome(id)
    );
    assert_eq!(wire.copies(&create(1)).len(), 6);
    assert_eq!(pair.server.ledger.executions(&create(1)), 0);
}

fn bad_msg(bad_msg_id: i64, error_code: i32) -> Bytes {
    boxed(&types::BadMsgNotification {
        bad_msg_id,
        bad_msg_seqno: 1,
        error_code,
    })
}

/// Codes that say the message was not carried out, and whether a new session follows.
const REFUSALS: [(i32, bool); 9] = [
    (16, false),
    (17, true),
    (18, true),
    (32, true),
    (33, true),
    (34, true),
    (35, true),
    (64, false),
    // Of the future.
    (99, true),
];

#[test]
fn trap_07_every_code_has_its_reaction_and_calls_go_on() {
    for (code, new_session) in REFUSALS {
        for in_container in [false, true] {
            let what = format!("code {code}, in a container: {in_container}");
            let mut pair = settled(7);
            let session = pair.client().unwrap().session_id();
            let mut lost = 0;
            // The first copy never arrives: that it was refused, only the notification says.
            let wire = Wire::filter(&mut pair, move |packet| {
                let first = packet.holds(&create(1)) && lost == 0;
                lost += i32::from(first);
                !first
            });
            let (calls, bodies) = if in_container {
                several(&mut pair)
            } else {
                (
                    vec![call(&mut pair, create(1))],
                    [create(1), send(2), read(3)],
                )
            };
            let bodies = &bodies[..calls.len()];
            pair.run_for(SECOND);
            let first = wire
                .sent()
                .into_iter()
                .find(|packet| packet.holds(&create(1)));
            let first = first.unwrap();
            assert_eq!(first.is_container(), in_container);
            say_as(&mut pair, bad_msg(first.outer.msg_id, code), false);
            all_answered_once(&mut pair, &calls, bodies, &what);
            let changed = pair.client().unwrap().session_id() != session;
            assert_eq!(changed, new_session, "{what}");
            for body in bodies {
                let copies = wire.copies(body);
                assert_eq!(copies.len(), 2, "{what}");
                assert_ne!(copies[0].msg_id, copies[1].msg_id, "{what}");
            }
            // A container that was refused for what it is does not come again.
            let again = wire
                .sent()
                .into_iter()
                .rfind(|packet| packet.holds(&bodies[0]));
            assert!(code != 64 || !again.unwrap().is_container(), "{what}");
        }
    }
}

#[test]
fn trap_07_what_came_before_is_asked_for_and_what_is_too_old_is_in_doubt() {
    for code in [19, 20] {
        let mut pair = settled(7);
        let wire = Wire::filter(&mut pair, {
            let mut lost = 0;
            move |packet| {
                let first = packet.holds(&create(1)) && lost == 0;
                lost += i32::from(first);
                !first
            }
        });
        let (calls, bodies) = several(&mut pair);
        pair.run_for(SECOND);
        let first = wire
            .sent()
            .into_iter()
            .find(|packet| packet.holds(&create(1)));
        say_as(&mut pair, bad_msg(first.unwrap().outer.msg_id, code), false);
        for (id, body) in calls.iter().zip(&bodies).skip(1) {
            finished(&mut pair, *id);
            assert_eq!(pair.server.ledger.executions(body), 1, "{code}");
        }
        pair.run_for(SECOND * 60);
        // 19: the server is asked, and never saw it. 20: nobody can tell.
        let outcome = pair.outcome(calls[0]).unwrap();
        match code {
            19 => assert!(matches!(outcome, Event::Answer { .. }), "{outcome:?}"),
            _ => assert!(
                matches!(outcome, Event::UnknownOutcome { .. }),
                "{outcome:?}"
            ),
        }
        assert_eq!(pair.endings(calls[0]), 1);
        let executions = pair.server.ledger.executions(&create(1));
        assert_eq!(executions, u32::from(code == 19));
    }
}

#[test]
fn trap_07_a_notification_about_anything_else_changes_nothing() {
    for code in [16, 17, 18, 19, 20, 32, 33, 34, 35, 48, 64, 0, -1] {
        let mut pair = settled(7);
        let session = pair.client().unwrap().session_id();
        let wire = Wire::tap(&mut pair);
        pair.push(&update(1));
        let done = answered(&mut pair, read(1));
        pair.run_for(SECOND * 40);
        let acknowledgement = wire
            .sent_messages()
            .into_iter()
            .find(|message| message.seq_no & 1 == 0);
        let finished_call = wire.copies(&read(1))[0].msg_id;
        // Never sent; and sent by this side, but over.
        say_as(&mut pair, bad_msg(finished_call + 4, code), false);
        assert_eq!(ignored(&mut pair).unasked, 1, "{code}");
        assert_eq!(pair.client().unwrap().session_id(), session, "{code}");
        say_as(&mut pair, bad_msg(finished_call, code), false);
        say_as(
            &mut pair,
            bad_msg(acknowledgement.unwrap().msg_id, code),
            false,
        );
        pair.run_for(SECOND * 40);
        assert_eq!(pair.endings(done), 1, "{code}");
        answered(&mut pair, create(2));
        assert_eq!(pair.server.ledger.executions(&create(2)), 1, "{code}");
        assert_eq!(pair.server.ledger.executions(&read(1)), 1, "{code}");
    }
}

#[test]
fn trap_07_clocks_that_are_wrong_are_corrected_by_the_server() {
    for skew in [
        -100 * 365 * 86400,
        -86400,
        -301,
        31,
        86400,
        30 * 365 * 86400,
    ] {
        let mut config = PairConfig::seeded(7);
        config.client_clock = (skew.max(-1_600_000_000), 0);
        let mut pair = Pair::new(config);
        let (calls, bodies) = several(&mut pair);
        all_answered_once(&mut pair, &calls, &bodies, &format!("{skew} s"));
        assert_eq!(pair.connections().lost, 0, "{skew} s");
    }
}

#[test]
fn trap_09_a_new_session_begins_at_nothing_and_no_call_is_lost_to_it() {
    let mut pair = settled(9);
    for number in 10..30 {
        answered(&mut pair, read(number));
    }
    let mut lost = 0;
    let wire = Wire::filter(&mut pair, move |packet| {
        let first = packet.holds(&create(1)) && lost == 0;
        lost += i32::from(first);
        !first
    });
    let (calls, bodies) = several(&mut pair);
    pair.run_for(SECOND);
    pair.push(&update(1));
    pair.run_for(SECOND);
    let old = wire.sent()[0].session_id;
    let refused = wire.sent()[0].outer.msg_id;
    let heard: Vec<i64> = {
        let packets = wire.packets().into_iter();
        packets
            .flat_map(|packet| packet.messages)
            .map(|message| message.msg_id)
            .collect()
    };
    say_as(&mut pair, bad_msg(refused, 32), false);
    all_answered_once(&mut pair, &calls, &bodies, "in the new session");
    let packets = wire.sent().into_iter();
    let new: Vec<_> = packets.filter(|packet| packet.session_id != old).collect();
    let first = new[0].messages.iter().map(|message| message.seq_no).min();
    assert!(first.unwrap() <= 1, "numbering begins anew");
    for message in new.iter().flat_map(|packet| &packet.messages) {
        if message.body.starts_with(&0x62d6_b459_u32.to_le_bytes()) {
            let stale = message.ids().into_iter().any(|id| heard.contains(&id));
            assert!(
                !stale,
                "what the old session received is not acknowledged in the new one"
            );
        }
    }
    assert!(pair.take_events().contains(&Event::SessionLost));
}

//! What somebody on the way holds back and lets arrive later: it is authentic, and was true when it was said.
#![allow(clippy::unwrap_used)]

mod session_support;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use actogram_crypto::random::{self, SeededRandom};
use actogram_mtproto::{
    pair::{Direction, Pair, Reply, yes},
    session::{client::Event, server::Forged},
};
use actogram_tl::{Constructor, mtproto::types};
use bytes::Bytes;
use session_support::*;

/// What the server would say now, sealed, to be delivered at another time.
fn said_now(pair: &mut Pair, body: Bytes) -> Bytes {
    let now = pair.server_now();
    let session = pair.server.session().unwrap();
    let msg_id = session.fresh_id(now, true);
    session.forge(&Forged {
        msg_id,
        seq_no: 0,
        body,
        ..Forged::default()
    })
}

fn deliver(pair: &mut Pair, payload: Bytes) {
    pair.inject(Direction::Down, payload);
    pair.run_for(Duration::ZERO);
}

/// The call arrives late and is carried out; the answers to all questions are swallowed but for one that was given before
/// it arrived, and comes when the call's id is too old for the server. Sent under a new id, it would be carried out twice.
fn stale_state(asked_at: u64, told_at: u64) -> (u32, Pair) {
    let mut pair = settled(1);
    pair.server.serve(|_| Reply::Never);
    let wire = Wire::filter(&mut pair, |packet| {
        let state = packet.holds_kind(types::MsgsStateInfo::ID);
        let ack = packet.holds_kind(types::MsgsAck::ID);
        !(packet.direction == Direction::Down && (state || ack))
    });
    let lost = pair.connections().lost;
    call(&mut pair, create(1));
    pair.run_for(SECOND * u32::try_from(asked_at).unwrap());
    let question = wire
        .sent_messages()
        .into_iter()
        .rfind(|message| message.constructor() == types::MsgsStateReq::ID)
        .unwrap();
    let info = types::MsgsStateInfo {
        req_msg_id: question.msg_id,
        info: Bytes::from_static(&[3]),
    };
    let held_back = said_now(&mut pair, boxed(&info));
    pair.run_for(SECOND * u32::try_from(told_at - asked_at).unwrap());
    assert_eq!(pair.connections().lost, lost, "the connection holds");
    deliver(&mut pair, held_back);
    pair.run_for(SECOND * 30);
    (pair.server.ledger.executions(&create(1)), pair)
}

#[test]
fn a_state_that_was_told_before_a_call_arrived_does_not_have_it_carried_out_twice() {
    for (asked_at, told_at) in [(12, 100), (35, 333), (42, 338), (290, 335)] {
        let (executions, _) = stale_state(asked_at, told_at);
        assert_eq!(
            executions, 1,
            "asked after {asked_at} s, told after {told_at} s"
        );
    }
}

/// A message of ours that was said again too late is refused for its age. That tells nothing of our clock, least of all when
/// the notification itself was held back.
#[test]
fn s09_a_notification_that_was_held_back_does_not_set_the_clock_back() {
    for (code, held_for) in [(16, 20), (16, 250), (16, 3600)] {
        let mut pair = settled(9);
        let wire = Wire::tap(&mut pair);
        answered(&mut pair, read(1));
        let sent = wire.copies(&read(1))[0].clone();
        let body = boxed(&types::BadMsgNotification {
            bad_msg_id: sent.msg_id,
            bad_msg_seqno: sent.seq_no,
            error_code: code,
        });
        let held_back = said_now(&mut pair, body);
        pair.run_for(SECOND * held_for);
        let (before, lost) = (server_second(&mut pair), pair.connections().lost);
        pair.take_events();
        deliver(&mut pair, held_back);
        assert_eq!(server_second(&mut pair), before, "after {held_for} s");
        let id = call(&mut pair, read(2));
        pair.run_for(SECOND);
        assert!(pair.is_over(id), "after {held_for} s");
        assert_eq!(pair.connections().lost, lost);
        let events = pair.take_events();
        let moved = |event: &Event| matches!(event, Event::TimeOffset(_));
        assert!(!events.iter().any(moved), "{events:?}");
    }
}

fn server_second(pair: &mut Pair) -> i64 {
    let now = pair.client_now();
    pair.client().unwrap().server_second(now)
}

/// The twin: the same notification, of a clock that is behind, sets it right.
#[test]
fn s09_the_twin_a_clock_that_is_behind_is_put_forward() {
    let mut pair = settled(9);
    let wire = Wire::tap(&mut pair);
    answered(&mut pair, read(1));
    let sent = wire.copies(&read(1))[0].clone();
    pair.set_server_clock(400);
    say(
        &mut pair,
        boxed(&types::BadMsgNotification {
            bad_msg_id: sent.msg_id,
            bad_msg_seqno: sent.seq_no,
            error_code: 16,
        }),
    );
    let ahead = server_second(&mut pair) - pair.client_now().unix_seconds();
    assert!((399..=401).contains(&ahead), "{ahead}");
    answered(&mut pair, read(2));
}

/// A clock that is said to be ahead is put back at once, and to where it belongs by what the server says next.
#[test]
fn s09_a_clock_that_was_put_back_too_far_is_learned_anew() {
    let mut pair = settled(9);
    let wire = Wire::tap(&mut pair);
    answered(&mut pair, read(1));
    let sent = wire.copies(&read(1))[0].clone();
    let body = boxed(&types::BadMsgNotification {
        bad_msg_id: sent.msg_id,
        bad_msg_seqno: sent.seq_no,
        error_code: 17,
    });
    let held_back = said_now(&mut pair, body);
    pair.run_for(SECOND * 250);
    let (before, lost) = (server_second(&mut pair), pair.connections().lost);
    deliver(&mut pair, held_back);
    assert_eq!(server_second(&mut pair), before - 250);
    let id = call(&mut pair, create(2));
    pair.run_for(SECOND);
    assert!(pair.is_over(id));
    assert!((0..=1).contains(&(server_second(&mut pair) - before - 1)));
    assert_eq!(pair.connections().lost, lost);
}

/// Everything that went by, whether it arrived or not.
type Record = Arc<Mutex<Vec<(Direction, Bytes)>>>;

/// Swallows some of what is sent and remembers all of it.
fn overhear(pair: &mut Pair, mut random: SeededRandom, swallows: u32) -> Record {
    let record = Record::default();
    let heard = record.clone();
    pair.tamper(Some(Box::new(move |direction, payload| {
        heard.lock().unwrap().push((direction, payload.clone()));
        if random::u32(&mut random) % 100 < swallows {
            Vec::new()
        } else {
            vec![payload.clone()]
        }
    })));
    record
}

fn under_attack(seed: u64) -> u32 {
    let mut dice = SeededRandom::from_seed(seed ^ 0xa77ac4);
    let mut below = move |most: u32| random::u32(&mut dice) % most;
    let mut pair = settled(seed);
    let mut slow = SeededRandom::from_seed(seed ^ 0x510);
    pair.server
        .serve(move |_| match random::u32(&mut slow) % 4 {
            0 => Reply::After(SECOND * (random::u32(&mut slow) % 60), yes()),
            _ => Reply::Now(yes()),
        });
    let swallows = below(50);
    let record = overhear(&mut pair, SeededRandom::from_seed(seed), swallows);
    let mut made = Vec::new();
    for number in 0..400_i64 {
        if number % 10 == 0 {
            made.push((call(&mut pair, create(number)), create(number)));
        }
        let pause = [100, 1000, 5000, 20_000][below(4) as usize];
        pair.run_for(Duration::from_millis(u64::from(below(pause))));
        for _ in 0..below(4) {
            // The latest, or any.
            let heard = record.lock().unwrap();
            let length = u32::try_from(heard.len()).unwrap();
            let back = if below(2) == 0 {
                length.min(20)
            } else {
                length
            };
            let at = length - 1 - below(back);
            let (direction, payload) = heard[at as usize].clone();
            drop(heard);
            pair.inject(direction, payload);
        }
        match below(60) {
            0 => pair.cut(),
            1 => {
                let now = pair.server_now();
                pair.server.rotate_salts(now);
            }
            2 => pair.server.forget_salts(),
            _ => {}
        }
    }
    pair.tamper(None);
    let all = |pair: &mut Pair| made.iter().all(|(id, _)| pair.is_over(*id));
    assert!(pair.run_until(LIMIT, all), "seed {seed}: a call hangs");
    let mut answers = 0;
    for (id, body) in &made {
        let executions = pair.server.ledger.executions(body);
        let outcome = pair.outcome(*id);
        assert!(
            executions <= 1,
            "seed {seed}: {executions} times: {outcome:?}"
        );
        assert_eq!(pair.endings(*id), 1, "seed {seed}");
        if matches!(outcome, Some(Event::Answer { .. })) {
            assert_eq!(executions, 1, "seed {seed}");
            answers += 1;
        }
    }
    assert_eq!(pair.client().unwrap().calls_in_flight(), 0);
    answers
}

/// Somebody on the way who swallows, keeps, and says again at any time whatever either side said.
#[test]
fn whatever_is_held_back_or_said_again_nothing_is_carried_out_twice() {
    let answers: u32 = (0..150).map(under_attack).sum();
    assert!(answers > 4000, "{answers} of 6000 calls were answered");
}

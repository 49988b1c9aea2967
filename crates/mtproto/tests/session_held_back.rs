//! What somebody on the way holds back and lets arrive later: it is authentic, and was true when it was said.
#![allow(clippy::unwrap_used)]

mod session_support;

use std::time::Duration;

use actogram_mtproto::{
    pair::{Direction, Pair, Reply},
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

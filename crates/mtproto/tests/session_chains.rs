//! Calls that wait for others, copies of messages, and questions of this side that are refused.
#![allow(clippy::unwrap_used)]

mod session_support;

use std::time::Duration;

use actogram_mtproto::{
    pair::{Direction, Pair, Reply, rpc_error, yes},
    session::client::{CallFailure, CallId, CallRequest, Event},
};
use actogram_tl::{
    Constructor, Writer,
    mtproto::{ids, types},
};
use bytes::Bytes;
use session_support::*;

fn call_after(pair: &mut Pair, body: Bytes, before: CallId) -> CallId {
    let mut request = CallRequest::new(body);
    request.after = Some(before);
    pair.call(request)
}

/// A slow call, and one after it that the server is not willing to wait with.
fn impatient(error: &'static str, first: Reply) -> (Pair, Wire, CallId, CallId) {
    let mut pair = settled(1);
    let wire = Wire::tap(&mut pair);
    let mut refused = false;
    pair.server.serve(move |method| {
        if *method == create(1) {
            first.clone()
        } else if *method == create(2) && !refused {
            refused = true;
            Reply::Now(rpc_error(400, error))
        } else {
            Reply::Now(yes())
        }
    });
    let before = call(&mut pair, create(1));
    let after = call_after(&mut pair, create(2), before);
    (pair, wire, before, after)
}

#[test]
fn a_call_the_server_does_not_keep_waiting_waits_here() {
    for error in ["MSG_WAIT_TIMEOUT", "MSG_WAIT_FAILED"] {
        let (mut pair, wire, before, after) = impatient(error, Reply::After(SECOND * 20, yes()));
        pair.run_for(SECOND * 19);
        assert_eq!(
            pair.server.waited_for.iter().flatten().count(),
            1,
            "{error}"
        );
        assert!(!pair.is_over(after));
        assert!(
            wire.copies(&create(2)).is_empty(),
            "{error}: not before its turn"
        );
        pair.run_for(SECOND * 2);
        finished(&mut pair, before);
        finished(&mut pair, after);
        assert_eq!(
            wire.copies(&create(2)).len(),
            1,
            "{error}: without a predecessor"
        );
        assert_eq!(pair.endings(after), 1);
        assert_eq!(pair.client().unwrap().calls_in_flight(), 0);
    }
}

#[track_caller]
fn assert_came_back(pair: &mut Pair, id: CallId) {
    let why = match pair.outcome(id) {
        Some(Event::Failed { why, .. }) => why.clone(),
        other => panic!("{other:?}"),
    };
    let expected = CallFailure::PredecessorFailed {
        earlier_copy_lost: false,
    };
    assert_eq!(why, expected);
    assert_eq!(pair.endings(id), 1);
}

/// Whether it may go on without the one before is for its owner to say, who alone knows whether that one is made again.
#[test]
fn a_call_that_waits_comes_back_when_the_one_before_has_no_result() {
    // An error.
    let (mut pair, wire, before, after) = impatient(
        "MSG_WAIT_FAILED",
        Reply::After(SECOND * 5, rpc_error(400, "USERS_TOO_FEW")),
    );
    pair.run_for(SECOND * 6);
    assert!(matches!(pair.outcome(before), Some(Event::RpcError { .. })));
    assert_came_back(&mut pair, after);
    assert!(wire.copies(&create(2)).is_empty());
    // Its caller.
    let (mut pair, wire, before, after) = impatient("MSG_WAIT_TIMEOUT", Reply::Never);
    pair.run_for(SECOND * 5);
    pair.client().unwrap().cancel(before);
    pair.run_for(SECOND);
    assert_came_back(&mut pair, after);
    assert!(wire.copies(&create(2)).is_empty());
    assert_eq!(pair.client().unwrap().calls_in_flight(), 0);
}

/// The first of a chain fails: what the server had not begun with comes back, to the last one, in order; so does what was
/// not even sent.
#[test]
fn a_whole_chain_comes_back_when_its_first_call_fails() {
    for cut in [false, true] {
        let mut pair = settled(1);
        let wire = Wire::tap(&mut pair);
        pair.server.serve(move |method| {
            if *method == create(1) {
                Reply::After(SECOND, rpc_error(420, "FLOOD_WAIT_5"))
            } else {
                Reply::After(SECOND * 2, rpc_error(400, "MSG_WAIT_FAILED"))
            }
        });
        let first = call(&mut pair, create(1));
        let mut chain = vec![first];
        for number in 2..=5 {
            let before = chain[chain.len() - 1];
            chain.push(call_after(&mut pair, create(number), before));
        }
        pair.run_for(Duration::from_millis(500));
        if cut {
            pair.cut();
            let before = chain[chain.len() - 1];
            chain.push(call_after(&mut pair, create(6), before));
        }
        pair.run_for(SECOND * 30);
        assert!(matches!(pair.outcome(first), Some(Event::RpcError { .. })));
        for id in &chain[1..] {
            assert_came_back(&mut pair, *id);
        }
        for number in 2..=6 {
            assert!(
                wire.copies(&create(number)).is_empty(),
                "{number} went out unchained"
            );
        }
        assert_eq!(pair.client().unwrap().calls_in_flight(), 0);
    }
}

/// One that waits here cannot be named, and must not be overtaken.
#[test]
fn a_call_after_one_that_waits_here_waits_too() {
    let (mut pair, wire, before, second) =
        impatient("MSG_WAIT_TIMEOUT", Reply::After(SECOND * 20, yes()));
    pair.run_for(SECOND * 5);
    let third = call_after(&mut pair, create(3), second);
    let fourth = call_after(&mut pair, create(4), third);
    pair.run_for(SECOND * 5);
    assert!(wire.copies(&create(3)).is_empty());
    for id in [before, second, third, fourth] {
        finished(&mut pair, id);
    }
    let carried_out = pair.server.order.len() - 3;
    assert_eq!(
        pair.server.order[carried_out..],
        [create(2), create(3), create(4)]
    );
    // Chained again as soon as the one before is under way.
    let chained: Vec<_> = pair.server.waited_for[carried_out..]
        .iter()
        .map(Option::is_some)
        .collect();
    assert_eq!(chained, [false, true, true]);
}

#[test]
fn a_cancelled_call_that_waited_is_not_sent() {
    let (mut pair, wire, before, after) =
        impatient("MSG_WAIT_TIMEOUT", Reply::After(SECOND * 20, yes()));
    pair.run_for(SECOND * 5);
    pair.client().unwrap().cancel(after);
    finished(&mut pair, before);
    pair.run_for(SECOND * 20);
    assert!(wire.copies(&create(2)).is_empty());
    assert!(!pair.is_over(after));
    assert_eq!(pair.client().unwrap().calls_in_flight(), 0);
}

fn fresh(pair: &mut Pair) -> i64 {
    let now = pair.server_now();
    pair.server.session().unwrap().fresh_id(now, false)
}

fn copy_of(msg_id: i64, body: &Bytes, length: usize) -> Bytes {
    let mut writer = Writer::new();
    writer.put_u32(ids::MSG_COPY);
    writer.put_i64(msg_id);
    writer.put_i32(1);
    writer.put_u32(u32::try_from(length).unwrap());
    writer.put_raw(body);
    writer.into_bytes()
}

/// `msg_copy` stands for the message it holds, once, with all that is checked of one.
#[test]
fn a_copy_is_the_message_it_holds() {
    let mut pair = settled(1);
    let original = fresh(&mut pair);
    for _ in 0..3 {
        say_as(&mut pair, copy_of(original, &update(1), 12), false);
    }
    assert_eq!(updates(&pair.take_events()), [1]);
    let before = ignored(&mut pair);
    assert_eq!(before.replays, 2);
    // Even; of the future; of a wrong length; a copy of a copy; too old.
    let even = fresh(&mut pair) & !3;
    say_as(&mut pair, copy_of(even, &update(2), 12), false);
    let future = fresh(&mut pair) + (10 << 32);
    say_as(&mut pair, copy_of(future, &update(3), 12), false);
    let (inner, outer) = (fresh(&mut pair), fresh(&mut pair));
    say_as(&mut pair, copy_of(inner, &update(4), 8), false);
    let twice = copy_of(inner, &update(5), 12);
    say_as(&mut pair, copy_of(outer, &twice, twice.len()), false);
    let old = fresh(&mut pair) - (400 << 32);
    say_as(&mut pair, copy_of(old, &update(6), 12), false);
    assert!(updates(&pair.take_events()).is_empty());
    let after = ignored(&mut pair);
    assert_eq!(after.even_ids, before.even_ids + 1);
    assert_eq!(after.unreadable, before.unreadable + 3);
    assert_eq!(after.out_of_time, before.out_of_time + 1);
    // What was not taken from a copy is taken when it comes itself.
    say_as(&mut pair, copy_of(inner, &update(5), 12), false);
    assert_eq!(updates(&pair.take_events()), [5]);
}

/// A question about calls that the server refuses is asked again, and not for ever.
#[test]
fn a_question_that_is_refused_is_asked_again_and_not_for_ever() {
    let mut pair = settled(1);
    pair.server.serve(|_| Reply::Never);
    let wire = Wire::filter(&mut pair, |packet| {
        packet.direction == Direction::Down || !packet.holds_kind(types::MsgsStateReq::ID)
    });
    let id = call(&mut pair, create(1));
    pair.run_for(SECOND);
    pair.cut();
    let mut refused = 0;
    for _ in 0..100 {
        pair.run_for(Duration::from_millis(100));
        let asked: Vec<_> = wire
            .sent()
            .into_iter()
            .filter(|packet| packet.holds_kind(types::MsgsStateReq::ID))
            .collect();
        if let Some(packet) = asked.get(refused)
            && pair.server.session().is_some()
        {
            let notice = types::BadMsgNotification {
                bad_msg_id: packet.outer.msg_id,
                bad_msg_seqno: packet.outer.seq_no,
                error_code: 16,
            };
            say(&mut pair, boxed(&notice));
            refused += 1;
        }
    }
    // Within 10 s, which is when it would have been asked again without.
    assert_eq!(pair.outcome(id), Some(&Event::UnknownOutcome { call: id }));
    assert_eq!((refused, pair.endings(id)), (6, 1));
}

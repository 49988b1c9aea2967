//! Calls of a size or a fate that would keep a session busy for ever.
#![allow(clippy::unwrap_used)]

mod session_support;

use actogram_crypto::random::{Random, SeededRandom};
use actogram_mtproto::{
    pair::{Pair, Reply},
    session::client::{CallFailure, Event},
};
use actogram_tl::{Encode, functions, mtproto::types};
use bytes::Bytes;
use session_support::*;

/// A part of a file that nothing makes smaller.
fn part(number: i32, length: usize) -> Bytes {
    let mut bytes = vec![0; length];
    SeededRandom::from_seed(7).fill(&mut bytes);
    functions::upload::SaveFilePart {
        file_id: 1,
        file_part: number,
        bytes: bytes.into(),
    }
    .to_bytes()
}

/// No transport carries it: it ends at once, and takes neither the connection nor other calls with it.
#[test]
fn a_call_that_fits_no_frame_fails_alone() {
    let mut pair = settled(1);
    let before = call(&mut pair, read(1));
    let large = call(&mut pair, part(0, 5 << 20));
    let after = call(&mut pair, create(2));
    pair.run_for(SECOND);
    match pair.outcome(large) {
        Some(Event::Failed {
            why: CallFailure::TooLarge { length, most },
            ..
        }) => assert!(*length > 5 << 20 && *most > 4 << 20, "{length} {most}"),
        other => panic!("{other:?}"),
    }
    finished(&mut pair, before);
    finished(&mut pair, after);
    assert_eq!(pair.connections().lost, 0);
    assert_eq!(pair.client().unwrap().calls_in_flight(), 0);
}

/// The twin: what just fits is carried.
#[test]
fn a_call_that_just_fits_a_frame_is_carried() {
    let mut pair = settled(1);
    // Whatever the padding, which is random.
    for number in 0..20 {
        answered(&mut pair, part(number, 4 << 20));
    }
    assert_eq!(pair.connections().lost, 0);
}

/// A server that says again and again that it lost the session does not have calls sent for ever, even such as may be
/// carried out twice.
#[test]
fn a_session_that_is_lost_again_and_again_ends_its_calls() {
    let lose = |pair: &mut Pair, number: i64| {
        let created = types::NewSessionCreated {
            first_msg_id: i64::MAX - 3,
            unique_id: number,
            server_salt: 0,
        };
        let now = pair.server_now();
        let key = pair.client().unwrap().key_id();
        let server_salt = pair.server.salt(now, key).unwrap();
        let created = types::NewSessionCreated {
            server_salt,
            ..created
        };
        say_as(pair, boxed(&created), false);
        pair.run_for(SECOND);
    };
    let mut pair = settled(1);
    pair.server.serve(|_| Reply::Never);
    let wire = Wire::tap(&mut pair);
    let id = call(&mut pair, read(1));
    pair.run_for(SECOND);
    for number in 0..10 {
        lose(&mut pair, number);
    }
    assert!(!pair.is_over(id), "servers restart");
    for number in 10..100 {
        lose(&mut pair, number);
    }
    assert!(
        matches!(
            pair.outcome(id),
            Some(Event::Failed {
                why: CallFailure::LostTooOften(_),
                ..
            })
        ),
        "{:?}",
        pair.outcome(id)
    );
    assert!(wire.copies(&read(1)).len() < 20);
    assert_eq!(pair.client().unwrap().calls_in_flight(), 0);
}

/// The same, by states that nobody has to believe for ever.
#[test]
fn a_call_that_is_forgotten_again_and_again_ends() {
    let mut pair = settled(1);
    pair.server.serve(|_| Reply::Never);
    let wire = Wire::tap(&mut pair);
    let id = call(&mut pair, read(1));
    pair.run_for(SECOND);
    for _ in 0..100 {
        let Some(last) = wire.copies(&read(1)).pop() else {
            break;
        };
        let info = types::MsgsAllInfo {
            msg_ids: vec![last.msg_id],
            info: Bytes::from_static(&[1]),
        };
        say_as(&mut pair, boxed(&info), false);
        pair.run_for(SECOND);
    }
    assert!(pair.is_over(id));
    assert!(wire.copies(&read(1)).len() < 20);
}

/// An answer that no transport carries must not leave its call waiting.
#[test]
fn an_answer_that_fits_no_frame_is_an_error_of_its_call() {
    let mut pair = settled(1);
    pair.server.serve(|method| {
        let mut answer = vec![
            0;
            if *method == create(1) {
                5 << 20
            } else {
                4 << 20
            }
        ];
        SeededRandom::from_seed(7).fill(&mut answer);
        Reply::Now(answer.into())
    });
    let id = call(&mut pair, create(1));
    pair.run_for(SECOND);
    match pair.outcome(id) {
        Some(Event::RpcError { code, message, .. }) => {
            assert_eq!((*code, message.as_str()), (500, "RESPONSE_TOO_LARGE"));
        }
        other => panic!("{other:?}"),
    }
    // The twin: what just fits arrives.
    answered(&mut pair, create(2));
    assert_eq!(pair.connections().lost, 0);
}

/// A push that no transport carries is given up, and told to be; nothing behind it waits.
#[test]
fn a_push_that_fits_no_frame_is_lost_alone() {
    let mut pair = settled(1);
    pair.push(&part(0, 5 << 20));
    pair.push(&update(1));
    pair.run_for(SECOND);
    assert_eq!(updates(&pair.take_events()), [1]);
    pair.cut();
    answered(&mut pair, create(2));
    assert_eq!(pair.connections().lost, 1);
    let session = pair.server.session().unwrap();
    assert_eq!(session.counters().given_up, 1);
}

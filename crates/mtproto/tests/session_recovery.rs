//! What gets lost: packed, asked for, sent again, introduced again; each call ends once all the same.
#![allow(clippy::unwrap_used)]

mod session_support;

use std::time::Duration;

use actogram_crypto::random::{Random, SeededRandom};
use actogram_mtproto::{
    pair::{Direction, Pair, PairConfig, Reply, rpc_error, yes},
    session::client::{CallRequest, Event},
};
use actogram_tl::{
    Constructor, Encode, enums, functions,
    mtproto::{ids, types},
};
use bytes::Bytes;
use session_support::*;

#[test]
fn trap_08_a_server_that_lost_the_session_gets_every_safe_call_again() {
    let mut pair = settled(8);
    pair.server.serve(|_| Reply::Never);
    let bodies = [create(1), send(2), read(3)];
    let calls = bodies.each_ref().map(|body| call(&mut pair, body.clone()));
    pair.run_for(SECOND * 2);
    pair.take_events();
    pair.cut();
    pair.server.forget_sessions();
    pair.server.serve(|_| Reply::Now(yes()));
    finished(&mut pair, calls[1]);
    finished(&mut pair, calls[2]);
    let over = pair.run_until(LIMIT, |pair| pair.is_over(calls[0]));
    assert!(over);
    let outcome = pair.outcome(calls[0]).unwrap();
    assert!(
        matches!(outcome, Event::UnknownOutcome { .. }),
        "{outcome:?}"
    );
    assert_eq!(pair.server.ledger.executions(&bodies[0]), 1);
    assert_eq!(pair.server.ledger.effects[&bodies[1]], 1);
    let events = pair.take_events();
    assert!(
        events.contains(&Event::SessionLost),
        "updates may be missing: {events:?}"
    );
    assert!(events.iter().any(|event| matches!(event, Event::Salt(_))));
    // The notice is acknowledged, or the server would repeat it for ever.
    pair.run_for(SECOND * 60);
    assert_eq!(pair.server.session().unwrap().unread(), (0, 0));
}

#[test]
fn trap_08_only_what_is_older_than_the_new_session_goes_out_again() {
    let mut pair = settled(8);
    pair.server.serve(|_| Reply::Never);
    let wire = Wire::tap(&mut pair);
    // Two in a container, which is as old as they are; then one more.
    let old = [read(1), read(2)];
    for body in &old {
        call(&mut pair, body.clone());
    }
    pair.run_for(SECOND);
    let young = read(3);
    call(&mut pair, young.clone());
    pair.run_for(SECOND);
    assert!(wire.sent()[0].is_container());
    let first_msg_id = wire.copies(&young)[0].msg_id;
    let created = types::NewSessionCreated {
        first_msg_id,
        unique_id: 77,
        server_salt: wire.sent()[0].salt,
    };
    say_as(&mut pair, boxed(&created), false);
    say_as(&mut pair, boxed(&created), false);
    pair.run_for(SECOND);
    for body in &old {
        assert_eq!(wire.copies(body).len(), 2);
    }
    assert_eq!(wire.copies(&young).len(), 1);
}

/// A call whose body does not shrink.
fn dense(number: i64, length: usize) -> Bytes {
    let mut noise = vec![0; length];
    SeededRandom::from_seed(number as u64).fill(&mut noise);
    let text = noise
        .iter()
        .map(|byte| char::from(b'!' + byte % 90))
        .collect();
    functions::messages::SendMessage::new(enums::InputPeer::InputPeerSelf, text, number).to_bytes()
}

#[test]
fn trap_11_containers_are_bounded_flat_and_in_order() {
    let mut pair = settled(11);
    let wire = Wire::tap(&mut pair);
    let bodies: Vec<_> = (0..2500)
        .map(|number| match number % 500 {
            499 => dense(number, 100_000),
            n if n % 50 == 49 => dense(number, 9_000),
            _ => create(number),
        })
        .collect();
    let calls: Vec<_> = bodies
        .iter()
        .map(|body| call(&mut pair, body.clone()))
        .collect();
    for id in calls {
        finished(&mut pair, id);
    }
    assert!(pair.server.order == bodies || pair.server.order[1..] == bodies[..]);
    let (mut containers, mut alone) = (0, 0);
    for packet in wire.sent() {
        let bytes: usize = packet
            .messages
            .iter()
            .map(|message| message.body.len() + 16)
            .sum();
        if packet.is_container() {
            containers += 1;
            assert!(packet.messages.len() <= 1020);
            assert!(bytes <= (1 << 15) - 8, "{bytes}");
            for message in &packet.messages {
                assert_ne!(message.constructor(), ids::MSG_CONTAINER);
            }
        } else if bytes > 1 << 15 {
            alone += 1;
        }
    }
    assert!((25..500).contains(&containers), "{containers} containers");
    assert_eq!(alone, 5);
}

/// Loses packets of one direction for which this is true, `times` times.
fn losing(
    pair: &mut Pair,
    direction: Direction,
    times: u32,
    which: impl Fn(&Packet) -> bool + Send + 'static,
) -> Wire {
    let mut lost = 0;
    Wire::filter(pair, move |packet| {
        let loses = lost < times && packet.direction == direction && which(packet);
        lost += u32::from(loses);
        !loses
    })
}

#[test]
fn trap_12_a_call_that_never_arrived_is_found_out_and_sent_again_as_it_was() {
    let mut pair = settled(12);
    let wire = losing(&mut pair, Direction::Up, 2, |packet| {
        packet.holds(&create(1))
    });
    answered(&mut pair, create(1));
    let copies = wire.copies(&create(1));
    assert_eq!(copies.len(), 3);
    assert!(
        copies.iter().all(|copy| *copy == copies[0]),
        "the same message under the same id"
    );
    assert_eq!(pair.server.ledger.executions(&create(1)), 1);
    assert_eq!(pair.connections().lost, 0);
}

#[test]
fn trap_12_an_answer_that_got_lost_is_asked_for() {
    let mut pair = settled(12);
    let wire = losing(&mut pair, Direction::Down, 1, |packet| {
        packet.holds_kind(ids::RPC_RESULT)
    });
    answered(&mut pair, create(1));
    assert_eq!(
        wire.copies(&create(1)).len(),
        1,
        "the call itself is not repeated"
    );
    assert_eq!(pair.server.ledger.executions(&create(1)), 1);
    assert!(
        wire.sent()
            .iter()
            .any(|packet| packet.holds_kind(types::MsgsStateReq::ID)),
        "the server was asked"
    );
}

#[test]
fn trap_12_thousands_are_asked_for_in_lists_of_bounded_length() {
    let mut pair = settled(12);
    pair.server.serve(|_| Reply::Never);
    let wire = Wire::tap(&mut pair);
    for number in 0..9000 {
        call(&mut pair, read(number));
    }
    pair.run_for(SECOND * 11);
    let mut asked = 0;
    for packet in wire.sent() {
        let questions = packet
            .messages
            .iter()
            .filter(|message| message.constructor() == types::MsgsStateReq::ID);
        let questions: Vec<_> = questions.collect();
        assert!(questions.len() <= 1, "one to a packet");
        for question in questions {
            assert!(question.ids().len() <= 8192);
            asked += question.ids().len();
        }
    }
    assert!(asked >= 9000, "{asked}");
}

#[test]
fn trap_12_questions_of_the_server_are_answered_truthfully() {
    let mut pair = settled(12);
    let before = pair.server_now();
    let session = pair.server.session().unwrap();
    let never_sent = session.fresh_id(before, false);
    let came = say_as(&mut pair, update(1), false);
    let to_come = came + (20 << 32);
    let wire = Wire::tap(&mut pair);
    let question = types::MsgsStateReq {
        msg_ids: vec![came, never_sent, to_come],
    };
    let asked = say_as(&mut pair, boxed(&question), false);
    pair.run_for(SECOND);
    let answers = wire.sent_messages().into_iter();
    let mut answers = answers.filter(|message| message.constructor() == types::MsgsStateInfo::ID);
    let expected = boxed(&types::MsgsStateInfo {
        req_msg_id: asked,
        info: Bytes::from_static(&[4, 2, 3]),
    });
    assert_eq!(answers.next().unwrap().body, expected);
}

#[test]
fn trap_12_what_is_said_of_finished_calls_is_ignored() {
    let mut pair = settled(12);
    let wire = Wire::tap(&mut pair);
    let id = answered(&mut pair, create(1));
    let msg_id = wire.copies(&create(1))[0].msg_id;
    for state in [1, 2, 3, 4, 4 | 64, 0, 255] {
        say_as(
            &mut pair,
            boxed(&types::MsgsAllInfo {
                msg_ids: vec![msg_id],
                info: vec![state].into(),
            }),
            false,
        );
    }
    pair.run_for(SECOND * 60);
    assert_eq!(pair.endings(id), 1);
    assert_eq!(wire.copies(&create(1)).len(), 1);
    assert_eq!(pair.server.ledger.executions(&create(1)), 1);
}

#[test]
fn trap_13_within_a_session_a_call_in_doubt_keeps_its_id() {
    let mut pair = settled(13);
    let wire = losing(&mut pair, Direction::Up, 1, |packet| {
        packet.holds(&create(1))
    });
    let id = call(&mut pair, create(1));
    pair.run_for(SECOND);
    pair.cut();
    finished(&mut pair, id);
    let copies = wire.copies(&create(1));
    assert_eq!(copies.len(), 2);
    assert_eq!(copies[0], copies[1]);
    assert_eq!(pair.server.ledger.executions(&create(1)), 1);
}

#[test]
fn trap_13_across_sessions_a_random_id_stays() {
    let mut pair = settled(13);
    pair.server.serve(|_| Reply::Never);
    let wire = Wire::tap(&mut pair);
    let id = call(&mut pair, send(7));
    pair.run_for(SECOND);
    pair.cut();
    pair.server.forget_sessions();
    pair.server.serve(|_| Reply::Now(yes()));
    finished(&mut pair, id);
    let copies = wire.copies(&send(7));
    assert_eq!(copies.len(), 2, "the same body, its random_id in it");
    assert_ne!(copies[0].msg_id, copies[1].msg_id);
    assert_eq!(pair.server.ledger.effects[&send(7)], 1);
}

fn introducing(seed: u64) -> Pair {
    let mut config = PairConfig::seeded(seed);
    config.init = init();
    let mut pair = Pair::new(config);
    pair.server.wants_introduction = true;
    pair
}

#[test]
fn trap_15_a_client_introduces_itself_once_and_everything_else_waits() {
    let mut pair = introducing(15);
    let wire = Wire::tap(&mut pair);
    let calls: Vec<_> = (0..50)
        .map(|number| call(&mut pair, create(number)))
        .collect();
    for id in &calls {
        finished(&mut pair, *id);
    }
    assert_eq!(pair.server.introductions, 1);
    let sent = wire.sent_messages();
    let introductions = sent
        .iter()
        .filter(|message| message.body.starts_with(&init()));
    assert_eq!(introductions.count(), 1);
    let first_answer = wire.packets().iter().position(|packet| {
        packet.direction == Direction::Down && packet.holds_kind(ids::RPC_RESULT)
    });
    let second_call = wire
        .packets()
        .iter()
        .position(|packet| packet.holds(&create(1)));
    assert!(
        first_answer < second_call,
        "the others wait for the first answer"
    );
    // A reconnect is no new introduction.
    pair.cut();
    answered(&mut pair, create(50));
    assert_eq!(pair.server.introductions, 1);
}

#[test]
fn trap_15_a_refused_first_call_introduces_as_well() {
    let mut pair = introducing(15);
    let mut served = 0;
    pair.server.serve(move |_| {
        served += 1;
        Reply::Now(if served == 1 {
            rpc_error(400, "PEER_ID_INVALID")
        } else {
            yes()
        })
    });
    let first = call(&mut pair, create(1));
    assert!(pair.run_until(LIMIT, |pair| pair.is_over(first)));
    assert!(matches!(
        pair.outcome(first),
        Some(Event::RpcError { code: 400, .. })
    ));
    answered(&mut pair, create(2));
    assert_eq!(pair.server.introductions, 1);
}

#[test]
fn trap_15_it_introduces_itself_again_when_asked_to_and_when_it_changed() {
    let mut pair = introducing(15);
    answered(&mut pair, create(1));
    pair.server.forget_introductions();
    let calls = [create(2), create(3), create(4)].map(|body| call(&mut pair, body));
    for id in calls {
        finished(&mut pair, id);
    }
    assert_eq!(pair.server.introductions, 2);
    for number in 1..5 {
        assert_eq!(pair.server.ledger.executions(&create(number)), 1);
    }
    pair.client().unwrap().introduce_again(init());
    answered(&mut pair, create(5));
    assert_eq!(pair.server.introductions, 3);
}

#[test]
fn trap_20_a_transport_error_costs_the_connection_and_never_the_key() {
    for code in [-404, -429, -444, -1, i32::MIN, 404] {
        let mut pair = settled(20);
        let (key, session) = {
            let client = pair.client().unwrap();
            (client.key_id(), client.session_id())
        };
        let id = pair.call(CallRequest::new(create(1)));
        pair.inject_error(code);
        finished(&mut pair, id);
        assert_eq!(pair.connections().lost, 1, "{code}");
        let client = pair.client().unwrap();
        assert_eq!(
            (client.key_id(), client.session_id()),
            (key, session),
            "{code}"
        );
        assert_eq!(pair.server.ledger.executions(&create(1)), 1, "{code}");
    }
}

#[test]
fn trap_25_a_lost_connection_keeps_calls_and_loses_half_made_keys() {
    let rsa = {
        let mut random = SeededRandom::from_seed(25);
        std::sync::Arc::new(actogram_crypto::rsa::PrivateKey::generate(&mut random).unwrap())
    };
    // The exchange and the first call, cut ever later.
    for cut_at in (0..1600).step_by(160) {
        let mut config = PairConfig::seeded(25);
        config.rsa = Some(rsa.clone());
        let mut pair = Pair::new(config);
        pair.cut_after(Direction::Up, cut_at);
        let id = pair.call(CallRequest::new(send(1)));
        assert!(pair.run_until(Duration::from_secs(600), |pair| pair.is_over(id)));
        let outcome = pair.outcome(id);
        assert!(
            matches!(outcome, Some(Event::Answer { .. })),
            "{cut_at}: {outcome:?}"
        );
        assert_eq!(pair.server.ledger.effects[&send(1)], 1, "{cut_at}");
    }
}

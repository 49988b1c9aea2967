//! Attacks on a session by whoever is on the way, and what callers give up themselves (rows S20, S23, S25 and P10, R22 of
//! the security checklist), each beside what passes.
#![allow(clippy::unwrap_used)]

mod session_support;

use actogram_crypto::random::SeededRandom;
use actogram_mtproto::{
    pair::{Direction, Pair, PairConfig, Reply, yes},
    session::client::{CallRequest, CallState, Event},
};
use actogram_tl::{Function, mtproto::functions};
use bytes::Bytes;
use session_support::*;

/// S20: who overhears the same message twice learns nothing from comparing: the content is the same, the packets share no
/// msg_key, no block and not always their length.
#[test]
fn s20_a_message_sent_again_says_the_same_in_fresh_padding() {
    let (mut lengths, mut keys) = (
        std::collections::BTreeSet::new(),
        std::collections::BTreeSet::new(),
    );
    for seed in 0..40 {
        let mut pair = settled(seed);
        let mut lost = 0;
        let wire = Wire::filter(&mut pair, move |packet| {
            let first = packet.holds(&create(1)) && lost == 0;
            lost += i32::from(first);
            !first
        });
        let id = call(&mut pair, create(1));
        pair.run_for(SECOND);
        pair.cut();
        finished(&mut pair, id);
        let packets: Vec<_> = wire
            .sent()
            .into_iter()
            .filter(|packet| packet.holds(&create(1)))
            .collect();
        let copies = wire.copies(&create(1));
        assert_eq!(
            (packets.len(), &copies[0]),
            (2, &copies[1]),
            "the same message"
        );
        let [first, second] = [&packets[0].payload, &packets[1].payload];
        assert_ne!(first[8..24], second[8..24], "another msg_key");
        let blocks = |payload: &Bytes| {
            payload[24..]
                .chunks(16)
                .map(<[u8]>::to_vec)
                .collect::<Vec<_>>()
        };
        let seen = blocks(first);
        assert!(blocks(second).iter().all(|block| !seen.contains(block)));
        lengths.insert(first.len());
        keys.insert(first[8..24].to_vec());
        assert_eq!(pair.server.ledger.executions(&create(1)), 1);
    }
    assert!(
        lengths.len() > 3,
        "padding has no fixed length: {lengths:?}"
    );
    assert_eq!(keys.len(), 40);
}

fn with_quick_ack(body: Bytes) -> CallRequest {
    let mut request = CallRequest::new(body);
    request.quick_ack = true;
    request
}

/// S23: a quick acknowledgement is not authenticated: it may say that a message arrived, and never ends a call.
#[test]
fn s23_forged_quick_acknowledgements_end_no_call() {
    let mut pair = settled(23);
    pair.server.serve(|_| Reply::Never);
    pair.black_hole(Direction::Down, true);
    let id = pair.call(with_quick_ack(create(1)));
    pair.run_for(SECOND / 2);
    let client = pair.client().unwrap();
    let before = client.ignored().unasked;
    for token in (0..10_000).chain([u32::MAX, 1 << 31]) {
        client.handle_quick_ack(token);
    }
    assert_eq!(client.ignored().unasked, before + 10_002);
    assert_eq!(client.call_state(id), Some(CallState::Sent));
    pair.run_for(SECOND / 2);
    assert!(!pair.is_over(id));
    assert!(!pair.take_events().contains(&Event::Received { call: id }));
}

#[test]
fn s23_the_twin_tells_that_a_message_arrived_and_no_more() {
    let mut pair = settled(23);
    pair.server.serve(|_| Reply::Never);
    let id = pair.call(with_quick_ack(create(1)));
    pair.run_for(SECOND / 2);
    assert!(pair.take_events().contains(&Event::Received { call: id }));
    assert!(!pair.is_over(id));
}

/// `auth_key_id` 0, an id, a length, a body.
fn unencrypted(body: &Bytes) -> Bytes {
    let mut plain = vec![0; 8];
    plain.extend_from_slice(&((1_700_001_000_i64 << 32) | 1).to_le_bytes());
    plain.extend_from_slice(&u32::try_from(body.len()).unwrap().to_le_bytes());
    plain.extend_from_slice(body);
    plain.into()
}

/// S25: what is not encrypted is no update, neither under a key nor while one is agreed on.
#[test]
fn s25_updates_outside_of_the_encryption_are_none() {
    let mut pair = settled(25);
    pair.inject(Direction::Down, unencrypted(&update(1)));
    pair.run_for(SECOND);
    assert!(updates(&pair.take_events()).is_empty());
    assert_eq!(pair.connections().refused, 1);
    say_as(&mut pair, update(2), false);
    assert_eq!(updates(&pair.take_events()), [2], "the twin");

    let mut random = SeededRandom::from_seed(25);
    let rsa = actogram_crypto::rsa::PrivateKey::generate(&mut random).unwrap();
    let mut config = PairConfig::seeded(25);
    config.rsa = Some(std::sync::Arc::new(rsa));
    let mut pair = Pair::new(config);
    pair.run_for(SECOND / 40);
    pair.inject(Direction::Down, unencrypted(&update(1)));
    answered(&mut pair, send(1));
    assert!(updates(&pair.take_events()).is_empty());
    assert_eq!(pair.connections().refused, 1, "the exchange began anew");
}

/// P10, R22: a call that is given up is forgotten at once, and the server told not to answer; one that was not sent is not
/// sent any more.
#[test]
fn r22_p10_a_call_that_is_given_up_is_dropped_at_the_server() {
    let mut pair = settled(22);
    pair.server.serve(|_| Reply::After(SECOND * 30, yes()));
    let wire = Wire::tap(&mut pair);
    let calls: Vec<_> = (0..1000)
        .map(|number| call(&mut pair, create(number)))
        .collect();
    pair.run_for(SECOND);
    let given_up: Vec<_> = calls.iter().step_by(2).copied().collect();
    for id in &given_up {
        pair.client().unwrap().cancel(*id);
    }
    assert_eq!(pair.client().unwrap().calls_in_flight(), 500);
    for id in calls.iter().skip(1).step_by(2) {
        finished(&mut pair, *id);
    }
    assert_eq!(pair.client().unwrap().calls_in_flight(), 0);
    assert!(given_up.iter().all(|id| !pair.is_over(*id)));
    let dropped = wire.sent_messages().into_iter();
    let dropped: Vec<_> = dropped
        .filter(|message| message.constructor() == functions::RpcDropAnswer::ID)
        .map(|message| i64::from_le_bytes(message.body[4..].try_into().unwrap()))
        .collect();
    let expected: Vec<_> = (0..1000)
        .step_by(2)
        .map(|number| wire.copies(&create(number))[0].msg_id)
        .collect();
    assert_eq!(dropped, expected);

    // Without a connection there is nothing to drop.
    pair.cut();
    let id = call(&mut pair, create(2000));
    pair.client().unwrap().cancel(id);
    pair.run_for(SECOND * 60);
    assert!(wire.copies(&create(2000)).is_empty());
    assert_eq!(pair.server.ledger.executions(&create(2000)), 0);
}

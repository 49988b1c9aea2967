//! What arrives: checked before anything of it is used, taken once, acknowledged.
#![allow(clippy::unwrap_used)]

mod session_support;

use std::time::Duration;

use actogram_mtproto::pair::{Direction, Pair, Reply};
use actogram_mtproto::session::{client::CallState, server::Forged};
use actogram_tl::{Constructor, mtproto::types};
use bytes::Bytes;
use session_support::*;

/// A fresh id of the server for something that is no answer.
fn fresh(pair: &mut Pair) -> i64 {
    let now = pair.server_now();
    pair.server.session().unwrap().fresh_id(now, false)
}

/// An id of the server that is this many seconds away from its present.
fn away(pair: &mut Pair, seconds: i64) -> i64 {
    fresh(pair) + (seconds << 32)
}

fn plain(msg_id: i64, body: Bytes) -> Plain {
    Plain {
        msg_id,
        seq_no: 1,
        body,
    }
}

fn forged(pair: &mut Pair, msg_id: i64, body: Bytes) -> Bytes {
    pair.server.session().unwrap().forge(&Forged {
        msg_id,
        seq_no: 1,
        body,
        ..Forged::default()
    })
}

fn give(pair: &mut Pair, payload: Bytes) {
    pair.inject(Direction::Down, payload);
    pair.run_for(Duration::ZERO);
}

#[test]
fn trap_03_a_payload_that_fails_any_check_is_used_for_nothing_and_answered_by_nothing() {
    type Damage = fn(&mut Pair, &Wire, i64) -> Vec<u8>;
    let honest: Damage = |pair, wire, msg_id| {
        let session = pair.client().unwrap().session_id();
        wire.seal(session, &plain(msg_id, update(1)), 12, 20)
    };
    let cases: [(&str, bool, Damage); 14] = [
        ("the twin", true, honest),
        ("the most padding", true, |pair, wire, msg_id| {
            let session = pair.client().unwrap().session_id();
            wire.seal(session, &plain(msg_id, update(1)), 12, 1012)
        }),
        ("another key's id", false, |pair, wire, msg_id| {
            let session = pair.client().unwrap().session_id();
            let mut payload = wire.seal(session, &plain(msg_id, update(1)), 12, 20);
            payload[3] ^= 1;
            payload
        }),
        ("no key at all", false, |pair, wire, msg_id| {
            let session = pair.client().unwrap().session_id();
            let mut payload = wire.seal(session, &plain(msg_id, update(1)), 12, 20);
            payload[..8].fill(0);
            payload
        }),
        ("a bit of the msg_key", false, |pair, wire, msg_id| {
            let session = pair.client().unwrap().session_id();
            let mut payload = wire.seal(session, &plain(msg_id, update(1)), 12, 20);
            payload[20] ^= 0x80;
            payload
        }),
        ("a bit of the padding", false, |pair, wire, msg_id| {
            let session = pair.client().unwrap().session_id();
            let mut payload = wire.seal(session, &plain(msg_id, update(1)), 12, 20);
            *payload.last_mut().unwrap() ^= 1;
            payload
        }),
        ("a block less", false, |pair, wire, msg_id| {
            let session = pair.client().unwrap().session_id();
            let mut payload = wire.seal(session, &plain(msg_id, update(1)), 12, 20);
            payload.truncate(payload.len() - 16);
            payload
        }),
        ("half a block", false, |pair, wire, msg_id| {
            let session = pair.client().unwrap().session_id();
            let mut payload = wire.seal(session, &plain(msg_id, update(1)), 12, 20);
            payload.truncate(payload.len() - 8);
            payload
        }),
        ("another session", false, |pair, wire, msg_id| {
            let session = pair.client().unwrap().session_id() ^ 1;
            wire.seal(session, &plain(msg_id, update(1)), 12, 20)
        }),
        ("a negative length", false, |pair, wire, msg_id| {
            let session = pair.client().unwrap().session_id();
            wire.seal(session, &plain(msg_id, update(1)), -4, 20)
        }),
        ("a length past the end", false, |pair, wire, msg_id| {
            let session = pair.client().unwrap().session_id();
            wire.seal(session, &plain(msg_id, update(1)), 36, 20)
        }),
        (
            "a length that is no multiple of 4",
            false,
            |pair, wire, msg_id| {
                let session = pair.client().unwrap().session_id();
                wire.seal(session, &plain(msg_id, update(1)), 10, 20)
            },
        ),
        ("too little padding", false, |pair, wire, msg_id| {
            let session = pair.client().unwrap().session_id();
            wire.seal(session, &plain(msg_id, update(1)), 12, 4)
        }),
        ("too much padding", false, |pair, wire, msg_id| {
            let session = pair.client().unwrap().session_id();
            wire.seal(session, &plain(msg_id, update(1)), 12, 1028)
        }),
    ];
    for (what, taken, damage) in cases {
        let mut pair = settled(3);
        let wire = Wire::tap(&mut pair);
        let msg_id = fresh(&mut pair);
        let payload = damage(&mut pair, &wire, msg_id);
        give(&mut pair, payload.into());
        assert_eq!(updates(&pair.take_events()) == [1], taken, "{what}");
        assert_eq!(pair.is_connected(), taken, "{what}");
        assert!(taken || wire.sent().is_empty(), "{what} was answered");
        answered(&mut pair, read(1));
        let refused = u64::from(!taken);
        assert_eq!(pair.connections().refused, refused, "{what}");
    }
}

#[test]
fn trap_03_an_even_message_id_is_ignored() {
    let mut pair = settled(3);
    for low in [0, 2] {
        let msg_id = (fresh(&mut pair) & !3) | low;
        let payload = forged(&mut pair, msg_id, update(1));
        give(&mut pair, payload);
    }
    assert!(updates(&pair.take_events()).is_empty());
    assert_eq!(ignored(&mut pair).even_ids, 2);
    say_as(&mut pair, update(2), false);
    assert_eq!(updates(&pair.take_events()), [2]);
}

#[test]
fn trap_04_a_message_is_taken_once_however_late_its_copies_come() {
    let mut pair = settled(4);
    let first_id = fresh(&mut pair);
    let never_came = fresh(&mut pair);
    let first = forged(&mut pair, first_id, update(0));
    give(&mut pair, first.clone());
    for number in 1..2048 {
        say_as(&mut pair, update(number), false);
        if number % 100 == 1 {
            give(&mut pair, first.clone());
        }
    }
    let numbers = updates(&pair.take_events());
    assert_eq!(numbers, (0..2048).collect::<Vec<_>>());
    // Older than everything that is remembered: whether it came before, nobody can tell.
    for number in 2048..2100 {
        say_as(&mut pair, update(number), false);
    }
    let replays = ignored(&mut pair).replays;
    give(&mut pair, first);
    let late = forged(&mut pair, never_came, update(-1));
    give(&mut pair, late);
    assert_eq!(
        updates(&pair.take_events()),
        (2048..2100).collect::<Vec<_>>()
    );
    assert_eq!(ignored(&mut pair).replays, replays + 2);
}

#[test]
fn trap_04_a_message_too_far_from_the_servers_time_is_ignored() {
    for (seconds, taken) in [
        (-100_000, false),
        (-302, false),
        (-298, true),
        (0, true),
        (28, true),
        (32, false),
        (100_000, false),
    ] {
        let mut pair = settled(4);
        let msg_id = away(&mut pair, seconds);
        let payload = forged(&mut pair, msg_id, update(1));
        give(&mut pair, payload);
        assert_eq!(updates(&pair.take_events()) == [1], taken, "{seconds} s");
        assert_eq!(
            ignored(&mut pair).out_of_time,
            u64::from(!taken),
            "{seconds} s"
        );
    }
}

#[test]
fn trap_04_messages_in_a_container_are_older_than_it() {
    for (swapped, expected) in [(false, vec![1, 2]), (true, vec![])] {
        let mut pair = settled(4);
        let (first, second, outer) = (fresh(&mut pair), fresh(&mut pair), fresh(&mut pair));
        let (second, outer) = if swapped {
            (outer, second)
        } else {
            (second, outer)
        };
        let body = container(&[(first, 1, update(1)), (second, 3, update(2))]);
        let payload = forged(&mut pair, outer, body);
        give(&mut pair, payload);
        assert_eq!(updates(&pair.take_events()), expected);
        assert_eq!(ignored(&mut pair).containers, u64::from(swapped));
        answered(&mut pair, read(1));
    }
}

#[test]
fn trap_10_what_is_content_related_is_acknowledged_in_time_and_nothing_else() {
    let mut pair = settled(10);
    let wire = Wire::tap(&mut pair);
    // Alone, in a container, and packed.
    pair.push(&update(1));
    pair.run_for(SECOND);
    for number in 2..50 {
        pair.push(&update(number));
    }
    pair.push(&{
        let mut writer = actogram_tl::Writer::new();
        writer.put_u32(actogram_tl::mtproto::ids::GZIP_PACKED);
        writer.put_bytes(&zipped(&update(50)));
        writer.into_bytes()
    });
    pair.run_for(SECOND * 31);
    assert_eq!(updates(&pair.take_events()), (1..=50).collect::<Vec<_>>());
    assert_eq!(pair.server.session().unwrap().unread(), (0, 0));
    // An hour of pings later nothing else has been acknowledged: an acknowledgement of an acknowledgement would never end.
    pair.run_for(SECOND * 3600);
    let content: Vec<i64> = {
        let down = wire.packets().into_iter();
        let down = down.filter(|packet| packet.direction == Direction::Down);
        let messages = down.flat_map(|packet| packet.messages);
        messages
            .filter(|message| message.seq_no & 1 == 1)
            .map(|message| message.msg_id)
            .collect()
    };
    let mut acknowledged: Vec<i64> = Vec::new();
    for message in wire.sent_messages() {
        if message.constructor() == types::MsgsAck::ID {
            assert_eq!(
                message.seq_no & 1,
                0,
                "an acknowledgement is not content-related"
            );
            acknowledged.extend(message.ids());
        }
    }
    assert_eq!(acknowledged, content);
    assert_eq!(acknowledged.len(), 50);
}

fn zipped(body: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn trap_10_no_list_of_acknowledgements_is_longer_than_8192() {
    let mut pair = settled(10);
    let wire = Wire::tap(&mut pair);
    let now = pair.server_now();
    let session = pair.server.session().unwrap();
    let payloads: Vec<_> = (0..9000)
        .map(|number| {
            let msg_id = session.fresh_id(now, false);
            session.forge(&Forged {
                msg_id,
                seq_no: 1,
                body: update(number),
                ..Forged::default()
            })
        })
        .collect();
    for payload in payloads {
        pair.inject(Direction::Down, payload);
    }
    pair.run_for(SECOND * 31);
    let mut acknowledged = 0;
    for message in wire.sent_messages() {
        if message.constructor() == types::MsgsAck::ID {
            assert!(message.ids().len() <= 8192);
            acknowledged += message.ids().len();
        }
    }
    assert_eq!(acknowledged, 9000);
}

#[test]
fn trap_10_an_acknowledgement_is_no_answer() {
    let mut pair = settled(10);
    pair.server
        .serve(|_| Reply::After(Duration::from_secs(90), actogram_mtproto::pair::yes()));
    let wire = Wire::tap(&mut pair);
    let id = call(&mut pair, create(1));
    pair.run_for(SECOND);
    let msg_id = wire.copies(&create(1))[0].msg_id;
    let mut body = actogram_tl::Writer::new();
    body.put_u32(types::MsgsAck::ID);
    body.put_u32(actogram_tl::mtproto::ids::VECTOR);
    body.put_u32(1);
    body.put_i64(msg_id);
    say_as(&mut pair, body.into_bytes(), false);
    assert_eq!(
        pair.client().unwrap().call_state(id),
        Some(CallState::Acked)
    );
    assert!(!pair.is_over(id));
    // Its answer is lost with the connection, and comes all the same.
    pair.run_for(SECOND * 80);
    pair.cut();
    finished(&mut pair, id);
    assert_eq!(pair.server.ledger.executions(&create(1)), 1);
}

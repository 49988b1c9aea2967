//! Messages to a client that are wrong in one way each (rows S1 to S19 of the security checklist), beside the twin that is
//! right in all of them. What belongs to containers, packing and salts alone is tested beside their code.
#![allow(clippy::unwrap_used)]

mod session_support;

use std::time::Duration;

use actogram_mtproto::{
    pair::{Direction, Pair, Reply, yes},
    session::{
        client::{CallFailure, Event},
        server::Forged,
    },
};
use actogram_tl::{
    Constructor, Writer,
    mtproto::{ids, types},
};
use bytes::{Bytes, BytesMut};
use session_support::*;

/// Whoever knows the key and says what it likes to the client, with nothing between them.
struct Attacker {
    pair: Pair,
    wire: Wire,
    session: i64,
}

impl Attacker {
    fn new(seed: u64) -> Self {
        let mut pair = settled(seed);
        let wire = Wire::tap(&mut pair);
        let session = pair.client().unwrap().session_id();
        Self {
            pair,
            wire,
            session,
        }
    }

    fn fresh(&mut self) -> i64 {
        let now = self.pair.server_now();
        self.pair.server.session().unwrap().fresh_id(now, false)
    }

    fn sealed(&mut self, body: Bytes) -> Vec<u8> {
        let msg_id = self.fresh();
        let length = i32::try_from(body.len()).unwrap();
        // At least 12 bytes, to a multiple of 16.
        let padding = 12 + (16 - (body.len() + 12) % 16) % 16;
        self.seal(msg_id, body, length, padding)
    }

    fn seal(&self, msg_id: i64, body: Bytes, length: i32, padding: usize) -> Vec<u8> {
        let message = Plain {
            msg_id,
            seq_no: 1,
            body,
        };
        self.wire.seal(self.session, &message, length, padding)
    }

    /// Whether the client takes the payload; if not, nothing may have come of it.
    fn gives(&mut self, payload: &[u8]) -> bool {
        let now = self.pair.client_now();
        let client = self.pair.client().unwrap();
        let ignored = client.ignored();
        let taken = client.handle_input(now, BytesMut::from(payload)).is_ok();
        if !taken {
            assert_eq!(client.poll_event(), None);
            assert!(client.poll_transmit(now).is_none());
            assert_eq!(client.ignored(), ignored);
        }
        taken
    }

    /// The numbers of the updates the client took since this was asked last.
    fn updates(&mut self) -> Vec<i32> {
        self.pair.run_for(Duration::ZERO);
        updates(&self.pair.take_events())
    }

    fn forged(&mut self, msg_id: i64, seq_no: i32, body: Bytes) -> bool {
        let forged = Forged {
            msg_id,
            seq_no,
            body,
            ..Forged::default()
        };
        let payload = self.pair.server.session().unwrap().forge(&forged);
        self.gives(&payload)
    }

    /// The twin: after all of it, what is right is still taken.
    #[track_caller]
    fn still_hears(mut self) {
        let payload = self.sealed(update(77));
        assert!(self.gives(&payload));
        assert_eq!(self.updates(), [77]);
        answered(&mut self.pair, read(77));
        assert_eq!(self.pair.connections().lost, 0);
    }
}

#[test]
fn s01_each_bit_of_the_msg_key_and_of_each_block_counts() {
    let mut attacker = Attacker::new(1);
    let honest = attacker.sealed(update(1));
    for bit in 0..honest.len() * 8 {
        // All of the key's id and of the msg_key; of the rest one bit in each byte.
        if bit < 24 * 8 || bit % 8 == (bit / 8) % 8 {
            let mut damaged = honest.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(!attacker.gives(&damaged), "bit {bit}");
        }
    }
    for (one, other) in [(24, 40), (40, 56), (24, 72)] {
        let mut swapped = honest.clone();
        let (left, right) = swapped.split_at_mut(other);
        left[one..one + 16].swap_with_slice(&mut right[..16]);
        assert!(!attacker.gives(&swapped), "{one} {other}");
    }
    let mut twice = honest.clone();
    twice.extend_from_slice(&honest[honest.len() - 16..]);
    assert!(!attacker.gives(&twice));
    assert!(!attacker.gives(&honest[..honest.len() - 16]));
    assert!(attacker.gives(&honest));
    assert_eq!(attacker.updates(), [1]);
    attacker.still_hears();
}

#[test]
fn s02_only_the_key_at_hand_opens_anything() {
    let mut attacker = Attacker::new(2);
    let honest = attacker.sealed(update(1));
    for id in [0, 1, -1, i64::MIN] {
        let mut payload = honest.clone();
        payload[..8].copy_from_slice(&i64::to_le_bytes(id));
        assert!(!attacker.gives(&payload), "key {id}");
    }
    // Without a key at all: an id, a length, a body.
    let mut plain = vec![0; 8];
    plain.extend_from_slice(&attacker.fresh().to_le_bytes());
    plain.extend_from_slice(&12_i32.to_le_bytes());
    plain.extend_from_slice(&update(1));
    assert!(!attacker.gives(&plain));
    // The same session under another pair's key.
    let mut other = Attacker::new(3);
    other.session = attacker.session;
    let payload = other.sealed(update(1));
    assert!(!attacker.gives(&payload));
    assert!(attacker.updates().is_empty());
    attacker.still_hears();
}

#[test]
fn s03_payloads_of_every_wrong_length_are_refused() {
    let mut attacker = Attacker::new(3);
    let body: Vec<u8> = update(1).iter().copied().chain([0; 400]).collect();
    let long = attacker.sealed(body.into());
    for length in 0..long.len() {
        assert!(!attacker.gives(&long[..length]), "{length} bytes");
        assert!(
            !attacker.gives(&vec![0; length]),
            "{length} bytes of nothing"
        );
    }
    attacker.still_hears();
}

#[test]
fn s04_lengths_and_paddings_out_of_bounds_are_refused() {
    let mut attacker = Attacker::new(4);
    let body: Bytes = [&update(1)[..], &[0; 4]].concat().into();
    for (length, padding, taken) in [
        (16, 16, true),
        (12, 16, true),
        (20, 16, true),
        (16, 1024, true),
        (12, 1008, true),
        (16, 0, false),
        (24, 16, false),
        (16, 1040, false),
        (12, 1024, false),
        (-1, 16, false),
        (-4, 16, false),
        (i32::MIN, 16, false),
        (i32::MAX, 16, false),
        (i32::MAX - 3, 16, false),
        (36, 16, false),
        (32, 16, false),
        (3, 16, false),
        (15, 16, false),
        (0, 1024, false),
    ] {
        let msg_id = attacker.fresh();
        let payload = attacker.seal(msg_id, body.clone(), length, padding);
        let case = format!("length {length}, padding {padding}");
        assert_eq!(attacker.gives(&payload), taken, "{case}");
        assert_eq!(attacker.updates().len(), usize::from(taken), "{case}");
    }
    attacker.still_hears();
}

#[test]
fn s05_messages_of_other_sessions_are_none_of_this_one() {
    let mut attacker = Attacker::new(5);
    let session = attacker.session;
    for other in [0, -1, session ^ 1, session ^ i64::MIN, !session] {
        attacker.session = other;
        let payload = attacker.sealed(update(1));
        assert!(!attacker.gives(&payload), "session {other}");
    }
    attacker.session = session;
    // Another session begins; of the one before nothing is used, though it is no reason to leave.
    answered(&mut attacker.pair, read(1));
    let sent = attacker.wire.copies(&read(1))[0].msg_id;
    let notice = boxed(&types::BadMsgNotification {
        bad_msg_id: sent,
        bad_msg_seqno: 1,
        error_code: 32,
    });
    let of_before = attacker.sealed(update(2));
    let payload = attacker.sealed(notice);
    assert!(attacker.gives(&payload));
    let begun = attacker.pair.client().unwrap().session_id();
    assert_ne!(begun, session);
    assert!(attacker.gives(&of_before));
    assert!(attacker.updates().is_empty());
    assert_eq!(ignored(&mut attacker.pair).former_session, 1);
    attacker.session = begun;
    attacker.pair.run_for(SECOND);
    attacker.still_hears();
}

#[test]
fn s06_only_the_lowest_bit_of_an_id_is_vital() {
    let mut attacker = Attacker::new(6);
    for (low, taken) in [(0, false), (1, true), (2, false), (3, true)] {
        let msg_id = (attacker.fresh() & !3) | low;
        assert!(attacker.forged(msg_id, 1, update(1)));
        assert_eq!(attacker.updates().len(), usize::from(taken), "{low}");
    }
    assert_eq!(ignored(&mut attacker.pair).even_ids, 2);
    attacker.still_hears();
}

#[test]
fn s07_each_message_is_taken_once_at_every_distance_and_in_any_wrapping() {
    let mut attacker = Attacker::new(7);
    let mut payloads = Vec::new();
    for number in 0..1500 {
        let payload = attacker.sealed(update(number));
        assert!(attacker.gives(&payload));
        payloads.push(payload);
    }
    assert_eq!(attacker.updates(), (0..1500).collect::<Vec<_>>());
    for distance in [0, 1, 2, 500, 998, 999, 1000, 1001, 1499] {
        let payload = payloads[1499 - distance].clone();
        assert!(attacker.gives(&payload));
        assert!(attacker.updates().is_empty(), "{distance} back");
    }
    // Alone, then in a container; in a container, then alone, then in another one; a container as a whole.
    let (alone, inside) = (attacker.fresh(), attacker.fresh());
    let [first, second, third] = [(); 3].map(|()| attacker.fresh());
    assert!(attacker.forged(alone, 1, update(-1)));
    let one = container(&[(alone, 1, update(-1)), (inside, 3, update(-2))]);
    assert!(attacker.forged(first, 4, one.clone()));
    assert!(attacker.forged(inside, 3, update(-2)));
    let two = container(&[(inside, 3, update(-2)), (inside, 3, update(-2))]);
    assert!(attacker.forged(second, 4, two));
    assert!(attacker.forged(first, 4, one.clone()));
    assert!(attacker.forged(third, 4, one));
    assert_eq!(attacker.updates(), [-1, -2]);
    attacker.still_hears();
}

/// A session that holds one call, which is never answered, and the id it was sent under.
fn with_open_call(seed: u64) -> (Attacker, actogram_mtproto::session::client::CallId, i64) {
    let mut attacker = Attacker::new(seed);
    attacker.pair.server.serve(|_| Reply::Never);
    let id = call(&mut attacker.pair, create(1));
    attacker.pair.run_for(SECOND);
    let msg_id = attacker.wire.copies(&create(1))[0].msg_id;
    (attacker, id, msg_id)
}

#[test]
fn s08_nothing_out_of_time_is_used() {
    for (seconds, taken) in [
        (-301, false),
        (-299, true),
        (29, true),
        (31, false),
        (1 << 20, false),
    ] {
        let (mut attacker, id, sent) = with_open_call(8);
        let msg_id = attacker.fresh() + (seconds << 32);
        assert!(attacker.forged(msg_id, 1, result(sent, &yes())));
        attacker.pair.run_for(Duration::ZERO);
        assert_eq!(attacker.pair.is_over(id), taken, "{seconds} s");
    }
}

#[test]
fn s08_s09_notifications_about_what_was_never_sent_move_no_clock() {
    let mut attacker = Attacker::new(9);
    let session = attacker.session;
    let now = attacker.pair.client_now();
    let second = attacker.pair.client().unwrap().server_second(now);
    for (number, seconds) in [-400, 400, -100_000, 100_000, 20, -20]
        .into_iter()
        .enumerate()
    {
        for code in [16, 17, 32, 33, 48, 64] {
            let bad_msg_id = (second << 32) + (number as i64) * 4;
            let msg_id = attacker.fresh() + (seconds << 32);
            let body = if code == 48 {
                boxed(&types::BadServerSalt {
                    bad_msg_id,
                    bad_msg_seqno: 1,
                    error_code: code,
                    new_server_salt: 5,
                })
            } else {
                boxed(&types::BadMsgNotification {
                    bad_msg_id,
                    bad_msg_seqno: 1,
                    error_code: code,
                })
            };
            assert!(attacker.forged(msg_id, 0, body));
            let client = attacker.pair.client().unwrap();
            assert_eq!(client.session_id(), session);
            // A salt that was said in time tells the time; nothing else does.
            let moved = client.server_second(now) - second;
            assert!(
                (0..=30).contains(&moved),
                "{seconds} s, code {code}: {moved}"
            );
        }
    }
    let events = attacker.pair.take_events();
    assert!(!events.contains(&Event::Salt(5)), "{events:?}");
    answered(&mut attacker.pair, create(1));
    assert_eq!(attacker.pair.server.ledger.executions(&create(1)), 1);
}

#[test]
fn s10_sequence_numbers_of_the_server_decide_acknowledgements_and_no_more() {
    let mut attacker = Attacker::new(10);
    let (odd_ack, even_update) = (attacker.fresh(), attacker.fresh());
    let ack = {
        let mut writer = Writer::new();
        writer.put_u32(types::MsgsAck::ID);
        writer.put_u32(ids::VECTOR);
        writer.put_u32(0);
        writer.into_bytes()
    };
    assert!(attacker.forged(odd_ack, 1, ack));
    assert!(attacker.forged(even_update, 0, update(1)));
    assert_eq!(attacker.updates(), [1]);
    for (number, seq_no) in [i32::MAX, -1, i32::MIN, 1, 1, 0].into_iter().enumerate() {
        let msg_id = attacker.fresh();
        let number = i32::try_from(number).unwrap();
        assert!(attacker.forged(msg_id, seq_no, update(number)));
        assert_eq!(attacker.updates(), [number], "{seq_no}");
    }
    attacker.pair.run_for(SECOND * 30);
    let acknowledged: Vec<i64> = attacker
        .wire
        .sent_messages()
        .iter()
        .filter(|message| message.constructor() == types::MsgsAck::ID)
        .flat_map(Plain::ids)
        .collect();
    assert!(acknowledged.contains(&odd_ack) && !acknowledged.contains(&even_update));
    attacker.still_hears();
}

#[test]
fn s11_a_container_that_does_not_hold_together_is_dropped_whole() {
    type Breaks = fn(&[i64; 2]) -> Bytes;
    fn two(ids: &[i64; 2]) -> Vec<u8> {
        container(&[(ids[0], 1, update(1)), (ids[1], 3, update(2))]).to_vec()
    }
    fn with_u32(mut bytes: Vec<u8>, at: usize, value: u32) -> Bytes {
        bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
        bytes.into()
    }
    let cases: [(&str, usize, Breaks); 10] = [
        ("the twin", 2, |ids| two(ids).into()),
        ("a negative count", 0, |ids| with_u32(two(ids), 4, u32::MAX)),
        ("a huge count", 0, |ids| with_u32(two(ids), 4, 0x7fff_ffff)),
        ("a count too many", 0, |ids| with_u32(two(ids), 4, 3)),
        ("a count too few", 0, |ids| with_u32(two(ids), 4, 1)),
        ("a body past the end", 0, |ids| with_u32(two(ids), 48, 16)),
        ("a body too short", 0, |ids| with_u32(two(ids), 48, 8)),
        ("a length no multiple of 4", 0, |ids| {
            with_u32(two(ids), 20, 10)
        }),
        ("a container inside", 0, |ids| {
            let inner = container(&[(ids[0] - 8, 1, update(2))]);
            container(&[(ids[0], 1, update(1)), (ids[1], 3, inner)])
        }),
        ("1025 messages", 0, |ids| {
            let all: Vec<_> = (0..1025).map(|n| (ids[0] - n * 4, 1, update(3))).collect();
            container(&all)
        }),
    ];
    for (what, taken, breaks) in cases {
        let mut attacker = Attacker::new(11);
        let inner = [attacker.fresh(), attacker.fresh()];
        let msg_id = attacker.fresh();
        assert!(attacker.forged(msg_id, 4, breaks(&inner)));
        assert_eq!(attacker.updates().len(), taken, "{what}");
        let dropped = u64::from(taken == 0);
        assert_eq!(ignored(&mut attacker.pair).containers, dropped, "{what}");
        attacker.still_hears();
    }
}

fn packed(body: &[u8], damage: impl Fn(&mut Vec<u8>)) -> Bytes {
    use std::io::Write as _;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(body).unwrap();
    let mut bytes = encoder.finish().unwrap();
    damage(&mut bytes);
    let mut writer = Writer::new();
    writer.put_u32(ids::GZIP_PACKED);
    writer.put_bytes(&bytes);
    writer.into_bytes()
}

#[test]
fn s12_broken_packing_fails_its_call_alone() {
    let answers: [(&str, bool, Bytes); 6] = [
        ("the twin", true, packed(&yes(), |_| {})),
        (
            "cut short",
            false,
            packed(&yes(), |bytes| bytes.truncate(12)),
        ),
        (
            "a wrong checksum",
            false,
            packed(&yes(), |bytes| {
                let at = bytes.len() - 6;
                bytes[at] ^= 1;
            }),
        ),
        (
            "packed twice",
            false,
            packed(&packed(&yes(), |_| {}), |_| {}),
        ),
        ("nothing", false, packed(&yes(), Vec::clear)),
        ("a bomb", false, packed(&vec![0; 40 << 20], |_| {})),
    ];
    for (what, whole, answer) in answers {
        let (mut attacker, id, sent) = with_open_call(12);
        let other = call(&mut attacker.pair, create(2));
        attacker.pair.run_for(SECOND);
        let msg_id = attacker.fresh();
        assert!(attacker.forged(msg_id, 1, result(sent, &answer)));
        attacker.pair.run_for(Duration::ZERO);
        match attacker.pair.outcome(id) {
            Some(Event::Answer { body, .. }) => assert!(whole && *body == yes(), "{what}"),
            Some(Event::Failed { why, .. }) => {
                assert!(
                    !whole && matches!(why, CallFailure::Packing(_)),
                    "{what}: {why}"
                );
            }
            outcome => panic!("{what}: {outcome:?}"),
        }
        assert!(!attacker.pair.is_over(other), "{what}");
        assert_eq!(attacker.pair.connections().lost, 0);
    }
}

#[test]
fn s15_a_call_ends_with_its_own_first_answer() {
    let (mut attacker, id, sent) = with_open_call(15);
    let other = call(&mut attacker.pair, create(2));
    // Before it was sent, of something else, and of what never was.
    for wrong in [sent + 4, sent - 4, 0, -1, i64::MAX] {
        let msg_id = attacker.fresh();
        assert!(attacker.forged(msg_id, 1, result(wrong, &yes())));
    }
    attacker.pair.run_for(SECOND);
    assert!(!attacker.pair.is_over(id) && !attacker.pair.is_over(other));
    assert_eq!(ignored(&mut attacker.pair).unasked, 5);
    for answer in [1_u32, 2, 3] {
        let msg_id = attacker.fresh();
        assert!(attacker.forged(msg_id, 1, result(sent, &answer.to_le_bytes())));
    }
    attacker.pair.run_for(SECOND);
    assert_eq!(attacker.pair.endings(id), 1);
    let first = Event::Answer {
        call: id,
        body: Bytes::from_static(&[1, 0, 0, 0]),
    };
    assert_eq!(attacker.pair.outcome(id), Some(&first));
    assert!(!attacker.pair.is_over(other));
}

/// Every message is refused, whatever is done about it: calls end, and what was sent until then is little.
#[test]
fn s16_refusing_everything_ends_calls_and_causes_no_storm() {
    for code in [16, 17, 18, 19, 20, 32, 33, 34, 35, 48, 64, 99] {
        let mut attacker = Attacker::new(16);
        attacker.wire = Wire::filter(&mut attacker.pair, |packet| {
            packet.direction == Direction::Up
        });
        let calls: Vec<_> = (0..3)
            .map(|number| call(&mut attacker.pair, read(number)))
            .collect();
        let mut refused = 0;
        for _ in 0..600 {
            attacker.pair.run_for(SECOND / 10);
            let packets = attacker.wire.sent();
            for packet in &packets[refused..] {
                let now = attacker.pair.server_now();
                let Some(session) = attacker.pair.server.session() else {
                    continue;
                };
                let body = if code == 48 {
                    boxed(&types::BadServerSalt {
                        bad_msg_id: packet.outer.msg_id,
                        bad_msg_seqno: packet.outer.seq_no,
                        error_code: code,
                        new_server_salt: 5,
                    })
                } else {
                    boxed(&types::BadMsgNotification {
                        bad_msg_id: packet.outer.msg_id,
                        bad_msg_seqno: packet.outer.seq_no,
                        error_code: code,
                    })
                };
                let forged = Forged {
                    session_id: Some(packet.session_id),
                    msg_id: session.fresh_id(now, true),
                    body,
                    ..Forged::default()
                };
                let payload = session.forge(&forged);
                attacker.pair.inject(Direction::Down, payload);
            }
            refused = packets.len();
        }
        for id in calls {
            assert!(attacker.pair.is_over(id), "code {code}: {id:?} goes on");
            let outcome = attacker.pair.outcome(id);
            assert!(
                matches!(outcome, Some(Event::Failed { .. })),
                "{code}: {outcome:?}"
            );
        }
        for number in 0..3 {
            assert!(
                attacker.wire.copies(&read(number)).len() <= 6,
                "code {code}"
            );
        }
        let opened = attacker.pair.connections().opened;
        assert!(
            refused as u64 <= 20 * opened,
            "code {code}: {refused} packets over {opened} connections, each given up after a few"
        );
    }
}

#[test]
fn s17_long_lists_cost_no_more_than_they_say() {
    let mut attacker = Attacker::new(17);
    let many: Vec<i64> = (0..200_000).map(|number| number * 4 + 1).collect();
    let ids = |constructor: u32| {
        let mut writer = Writer::new();
        writer.put_u32(constructor);
        writer.put_u32(ids::VECTOR);
        writer.put_u32(u32::try_from(many.len()).unwrap());
        many.iter().for_each(|id| writer.put_i64(*id));
        writer.into_bytes()
    };
    let told = boxed(&types::MsgsAllInfo {
        msg_ids: many.clone(),
        info: vec![4 | 64; many.len()].into(),
    });
    let bodies = [
        ids(types::MsgsAck::ID),
        ids(types::MsgsStateReq::ID),
        ids(types::MsgResendReq::ID),
        told,
    ];
    for body in bodies {
        let before = attacker.pair.passed(Direction::Up);
        let msg_id = attacker.fresh();
        assert!(attacker.forged(msg_id, 1, body));
        attacker.pair.run_for(SECOND);
        let said = attacker.pair.passed(Direction::Up) - before;
        assert!(said < 10_000, "{said} bytes");
    }
    // Of answers that never were: each asked for once, and in one list.
    let infos: Vec<_> = (0..1000)
        .map(|number| {
            let info = types::MsgNewDetailedInfo {
                answer_msg_id: number * 4 + 1,
                bytes: 1,
                status: 0,
            };
            (attacker.fresh(), 0, boxed(&info))
        })
        .collect();
    let msg_id = attacker.fresh();
    let before = attacker.pair.passed(Direction::Up);
    assert!(attacker.forged(msg_id, 0, container(&infos)));
    attacker.pair.run_for(SECOND);
    let said = attacker.pair.passed(Direction::Up) - before;
    assert!((8_000..10_000).contains(&said), "{said} bytes");
    attacker.still_hears();
}

#[test]
fn s18_s19_salts_and_pongs_that_nobody_asked_for_have_no_effect() {
    let mut attacker = Attacker::new(18);
    answered(&mut attacker.pair, read(1));
    let salt = attacker.wire.sent().last().unwrap().salt;
    attacker.pair.take_events();
    let unasked = ignored(&mut attacker.pair).unasked;
    let req_msg_id = attacker.wire.copies(&read(1))[0].msg_id;
    for req_msg_id in [req_msg_id, 0, -1] {
        let salts = types::FutureSalts {
            req_msg_id,
            now: 0,
            salts: vec![types::FutureSalt {
                valid_since: 0,
                valid_until: i32::MAX,
                salt: 5,
            }],
        };
        let msg_id = attacker.fresh();
        assert!(attacker.forged(msg_id, 0, boxed(&salts)));
        let pong = types::Pong {
            msg_id: req_msg_id,
            ping_id: 5,
        };
        let msg_id = attacker.fresh();
        assert!(attacker.forged(msg_id, 0, boxed(&pong)));
    }
    attacker.pair.run_for(Duration::ZERO);
    assert_eq!(ignored(&mut attacker.pair).unasked, unasked + 6);
    let events = attacker.pair.take_events();
    let told = |event: &Event| matches!(event, Event::Salt(_) | Event::RoundTrip(_));
    assert!(!events.iter().any(told), "{events:?}");
    answered(&mut attacker.pair, read(2));
    assert_eq!(attacker.wire.sent().last().unwrap().salt, salt);
    attacker.still_hears();
}

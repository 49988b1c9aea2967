//! Whatever the other side says under a valid key, neither session panics, grows without bound or stops working (S10, S11,
//! S12, S17): messages that are almost right, packed and nested at random.
#![allow(clippy::unwrap_used)]

mod session_support;

use std::{io::Write as _, sync::Arc};

use actogram_crypto::{AuthKey, Side, message, random::SeededRandom};
use actogram_mtproto::{
    Now,
    pair::Direction,
    session::{
        Opened, ServerSalts,
        server::{Forged, ServerSession},
    },
};
use actogram_tl::{Writer, mtproto::ids};
use bytes::{Bytes, BytesMut};
use proptest::{collection::vec, prelude::*};
use session_support::*;

/// Every constructor that means something to one of the sides.
const KINDS: [u32; 28] = [
    0xf35c_6d01, // rpc_result
    0x2144_ca19, // rpc_error
    0x73f1_f8dc, // msg_container
    0x3072_cfa1, // gzip_packed
    0xe06046b2,  // msg_copy
    0x62d6_b459, // msgs_ack
    0xa7ef_f811, // bad_msg_notification
    0xedab_447b, // bad_server_salt
    0xda69_fb52, // msgs_state_req
    0x04de_b57d, // msgs_state_info
    0x8cc0_d131, // msgs_all_info
    0x276d_3ec6, // msg_detailed_info
    0x809d_b6df, // msg_new_detailed_info
    0x7d86_1a08, // msg_resend_req
    0x8610_baeb, // msg_resend_ans_req
    0x9ec2_0908, // new_session_created
    0xae50_0895, // future_salts
    0xb921_bd04, // get_future_salts
    0x3477_73c5, // pong
    0x7abe_77ec, // ping
    0xf342_7b8c, // ping_delay_disconnect
    0xe751_2126, // destroy_session
    0xe22b_0fcb, // destroy_session_ok
    0x62d3_50c9, // destroy_session_none
    0x58e4_a740, // rpc_drop_answer
    0x9299_359f, // http_wait
    0xd1435160,  // destroy_auth_key
    0x78d4_dec1, // updateShort
];

fn rest() -> impl Strategy<Value = Vec<u8>> {
    let ids = (0_u32..200, vec(any::<i64>(), 0..50)).prop_map(|(count, ids)| {
        let mut bytes = ids::VECTOR.to_le_bytes().to_vec();
        bytes.extend_from_slice(&count.to_le_bytes());
        for id in ids {
            bytes.extend_from_slice(&id.to_le_bytes());
        }
        bytes
    });
    prop_oneof![
        vec(any::<u8>(), 0..200),
        // Numbers whose bytes are mostly small, or nothing but ones.
        vec(prop_oneof![Just(0_u8), Just(1), Just(255), 0..8_u8], 0..80),
        ids,
    ]
}

fn simple() -> impl Strategy<Value = Bytes> {
    (proptest::sample::select(KINDS.to_vec()), rest()).prop_map(|(kind, mut rest)| {
        let mut body = kind.to_le_bytes().to_vec();
        body.append(&mut rest);
        body.truncate(body.len() & !3);
        body.into()
    })
}

fn body() -> impl Strategy<Value = Bytes> {
    simple().prop_recursive(4, 64, 8, |inner| {
        prop_oneof![
            3 => vec((any::<u8>(), 0..9_i32, inner.clone()), 0..8).prop_map(|messages| {
                let messages: Vec<_> = messages
                    .into_iter()
                    .map(|(at, seq_no, body)| (i64::from(at), seq_no, body))
                    .collect();
                container(&messages)
            }),
            2 => inner.clone().prop_map(|body| {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                encoder.write_all(&body).unwrap();
                let mut writer = Writer::new();
                writer.put_u32(ids::GZIP_PACKED);
                writer.put_bytes(&encoder.finish().unwrap());
                writer.into_bytes()
            }),
            1 => inner.prop_map(|body| result(i64::from_le_bytes([0, 0, 0, 0, 1, 2, 3, 4]), &body)),
        ]
    })
}

/// Turns the small numbers that stand for ids into ids of about now, made by this side.
fn with_ids(body: &Bytes, near: i64, low: i64) -> Bytes {
    if body.len() < 8 || body[..4] != ids::MSG_CONTAINER.to_le_bytes() {
        return body.clone();
    }
    let mut out = body.to_vec();
    let mut at = 8;
    while at + 16 <= out.len() {
        let number = i64::from_le_bytes(out[at..at + 8].try_into().unwrap());
        let id = near - ((number.rem_euclid(256) + 1) << 20);
        out[at..at + 8].copy_from_slice(&((id & !3) | low).to_le_bytes());
        let length = u32::from_le_bytes(out[at + 12..at + 16].try_into().unwrap());
        at = at.saturating_add(16).saturating_add(length as usize);
    }
    out.into()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn a_client_outlives_whatever_a_server_says(bodies in vec((body(), any::<bool>()), 1..30)) {
        let mut pair = settled(1);
        let open = call(&mut pair, read(1));
        for (body, answer) in bodies {
            let now = pair.server_now();
            let Some(session) = pair.server.session() else {
                pair.run_for(SECOND);
                continue;
            };
            let msg_id = session.fresh_id(now, answer);
            let forged = Forged {
                msg_id,
                seq_no: 1,
                body: with_ids(&body, msg_id, 1),
                ..Forged::default()
            };
            let payload = session.forge(&forged);
            let before = pair.passed(Direction::Up);
            pair.inject(Direction::Down, payload);
            pair.run_for(std::time::Duration::from_millis(30));
            prop_assert!(pair.passed(Direction::Up) - before < 100_000, "an answer out of proportion");
        }
        // It works as before, or after a while.
        prop_assert!(pair.run_until(LIMIT, |pair| pair.is_over(open)));
        let id = call(&mut pair, read(2));
        prop_assert!(pair.run_until(LIMIT, |pair| pair.is_over(id)));
        prop_assert_eq!(pair.endings(open), 1);
        prop_assert_eq!(pair.client().unwrap().calls_in_flight(), 0);
    }

    #[test]
    fn a_server_outlives_whatever_a_client_says(bodies in vec((body(), 0..9_i32), 1..60)) {
        let key = Arc::new(AuthKey::new([7; 256]));
        let mut salts = ServerSalts::new(1_700_000_000, 5);
        let mut session = ServerSession::new(key.clone(), 9, Box::new(SeededRandom::from_seed(1)));
        session.attached();
        let mut said = 0;
        for (number, (body, seq_no)) in bodies.iter().enumerate() {
            let now = Now {
                monotonic: SECOND * u32::try_from(number).unwrap(),
                unix: SECOND * u32::try_from(1_700_000_000 + number).unwrap(),
            };
            let msg_id = (1_700_000_000 + i64::try_from(number).unwrap()) << 32;
            let body = with_ids(body, msg_id, 0);
            let mut packet = vec![0; 24];
            packet.extend_from_slice(&5_i64.to_le_bytes());
            packet.extend_from_slice(&9_i64.to_le_bytes());
            packet.extend_from_slice(&msg_id.to_le_bytes());
            packet.extend_from_slice(&seq_no.to_le_bytes());
            packet.extend_from_slice(&u32::try_from(body.len()).unwrap().to_le_bytes());
            packet.extend_from_slice(&body);
            packet.resize(packet.len() + 12, 0);
            packet.resize(packet.len().next_multiple_of(16) + 8, 0);
            message::encrypt(&key, Side::Client, &mut packet);
            let opened = Opened::open(&key, Side::Client, BytesMut::from(&packet[..]));
            let Ok(opened) = opened else {
                return Err(TestCaseError::fail("a sealed packet must open"));
            };
            session.handle_input(now, opened, &mut salts);
            session.handle_timeout(now);
            while session.poll_event().is_some() {}
            while let Some(packet) = session.poll_transmit(now, &mut salts) {
                said += packet.len();
            }
        }
        prop_assert!(said < 1 << 20, "{} bytes in answer to {} messages", said, bodies.len());
        let (messages, bytes) = session.unread();
        prop_assert!(messages < 10_000 && bytes < 1 << 20);
    }
}

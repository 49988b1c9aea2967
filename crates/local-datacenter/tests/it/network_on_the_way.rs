//! Somebody on the way, who has no key: what he sees, and what he can put into the stream. Rows are those of the security
//! checklist.
#![allow(clippy::unwrap_used)]

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use crate::network_support::*;
use actogram_crypto::{AuthKey, Side, message};
use actogram_local_datacenter::{Attack, Direction, When, WireFault};
use actogram_mtproto::{session::client::CallRequest, transport::Kind};
use actogram_tl::{Encode, enums, functions, mtproto, types};
use bytes::Bytes;

const CONFIG: functions::help::GetConfig = functions::help::GetConfig;

/// Of a packet of the client, in the order of the wire (<https://core.telegram.org/mtproto/description#encrypted-message>):
/// what stands before the body's end, its padding, and its messages with their sequence numbers.
struct Read {
    messages: Vec<(i64, i32, Vec<u8>)>,
    padding: Vec<u8>,
}

fn long(bytes: &[u8]) -> i64 {
    i64::from_le_bytes(*bytes.first_chunk().unwrap())
}

fn int(bytes: &[u8]) -> i32 {
    i32::from_le_bytes(*bytes.first_chunk().unwrap())
}

fn read(key: &AuthKey, packet: &[u8]) -> Read {
    let mut packet = packet.to_vec();
    message::decrypt(key, Side::Client, &mut packet).unwrap();
    let plain = &packet[24..];
    let length = usize::try_from(int(&plain[28..])).unwrap();
    let (body, padding) = plain[32..].split_at(length);
    let mut messages = Vec::new();
    if int(body) as u32 == mtproto::ids::MSG_CONTAINER {
        let mut rest = &body[8..];
        while !rest.is_empty() {
            let length = usize::try_from(int(&rest[12..])).unwrap();
            let inner = rest[16..16 + length].to_vec();
            messages.push((long(rest), int(&rest[8..]), inner));
            rest = &rest[16 + length..];
        }
    } else {
        messages.push((long(&plain[16..]), int(&plain[24..]), body.to_vec()));
    }
    Read {
        messages,
        padding: padding.to_vec(),
    }
}

/// S20: a message that goes out again under its id says the same and looks like any other.
#[tokio::test]
async fn s20_what_is_sent_again_says_the_same_and_looks_different() {
    let datacenter = datacenter().await;
    let mut client = Client::connect(&datacenter).await;
    client.log_in(&datacenter, "again_bot").await;
    client.sent_payloads.clear();
    for round in 0..24 {
        // Lost on the way there, so that it has to go out again; or, as the twin, not.
        if round % 2 == 0 {
            datacenter.faults().order(WireFault::CutAfterPayloads {
                direction: Direction::ToServer,
                payloads: 0,
            });
        }
        client.reconnect().await;
        let call = client.start(&CONFIG);
        let (outcome, _) = client.finish_whatever_happens(call).await;
        assert!(matches!(outcome, Outcome::Answer(_)), "{outcome:?}");
    }
    let mut copies: BTreeMap<i64, Vec<(i32, Vec<u8>)>> = BTreeMap::new();
    let (mut blocks, mut paddings) = (BTreeSet::new(), BTreeSet::new());
    for packet in &client.sent_payloads {
        let read = read(&client.key, packet);
        assert!((12..=1024).contains(&read.padding.len()));
        assert!(paddings.insert(read.padding), "a padding came twice");
        assert!(blocks.insert(packet[8..24].to_vec()), "the message key");
        for block in packet[24..].chunks(16) {
            assert!(blocks.insert(block.to_vec()), "a block came twice");
        }
        for (msg_id, seq_no, body) in read.messages {
            copies.entry(msg_id).or_default().push((seq_no, body));
        }
    }
    let again: Vec<_> = copies.values().filter(|copies| copies.len() > 1).collect();
    assert_eq!(
        again.len(),
        12,
        "each lost call went out again, and no other"
    );
    for copies in again {
        assert!(copies.windows(2).all(|two| two[0] == two[1]), "{copies:?}");
    }
    let lengths: BTreeSet<_> = paddings.iter().map(Vec::len).collect();
    assert!(lengths.len() > 4, "paddings of {} lengths", lengths.len());
}

/// S23: a quick acknowledgement that somebody made up confirms nothing, and a real one ends no call.
#[tokio::test]
async fn s23_forged_quick_acknowledgements_end_no_call() {
    let datacenter = datacenter().await;
    let mut client = Client::connect_over(&datacenter, Kind::Intermediate, false).await;
    client.log_in(&datacenter, "quick_bot").await;
    let quick = || {
        let mut request = CallRequest::new(CONFIG.to_bytes());
        request.quick_ack = true;
        request
    };
    for token in [0x8000_0000_u32, 0xffff_ffff, 0x9a03_1282] {
        let (before, ignored) = (client.received.len(), client.session.ignored().unasked);
        let forged = Bytes::copy_from_slice(&token.to_le_bytes());
        datacenter
            .attacks()
            .order(When::Answer(1), Attack::RawBytes(forged));
        client.quick_acks.clear();
        let call = client.start_request(quick());
        let outcome = client.finish(call).await.unwrap();
        assert!(matches!(outcome, Outcome::Answer(_)), "{outcome:?}");
        // The real one and the forged one arrived; one of them was taken.
        assert!(client.quick_acks.contains(&token));
        assert_eq!(client.quick_acks.len(), 2);
        assert_eq!(client.session.ignored().unasked, ignored + 1);
        assert_eq!(client.received[before..], [call]);
    }
    // What was only acknowledged is not over: here the answer does not come before the connection is gone.
    datacenter
        .operator()
        .delay_answers("help.getConfig", Duration::from_secs(600), 1);
    let before = client.received.len();
    let call = client.start_request(quick());
    client
        .until(|client| client.received.len() > before)
        .await
        .unwrap();
    client.idle(Duration::from_millis(100)).await.unwrap();
    assert_eq!(client.outcome(call), None);
}

/// S25: an update in a message that nobody encrypted closes the connection and is none.
#[tokio::test]
async fn s25_updates_outside_of_the_session_are_none() {
    let datacenter = datacenter().await;
    let mut client = Client::connect_over(&datacenter, Kind::Intermediate, false).await;
    client.log_in(&datacenter, "plain_bot").await;
    let status = types::UpdateUserStatus {
        user_id: 1,
        status: enums::UserStatus::UserStatusEmpty,
    };
    let short = types::UpdateShort {
        update: status.into(),
        date: 1_700_000_000,
    };
    for body in [
        enums::Updates::from(short).to_bytes(),
        enums::Updates::UpdatesTooLong.to_bytes(),
    ] {
        let mut payload = vec![0; 8];
        payload.extend_from_slice(&0x6553_f100_0000_0001_i64.to_le_bytes());
        payload.extend_from_slice(&(body.len() as u32).to_le_bytes());
        payload.extend_from_slice(&body);
        let mut frame = (payload.len() as u32).to_le_bytes().to_vec();
        frame.extend_from_slice(&payload);
        datacenter
            .attacks()
            .order(When::Answer(1), Attack::RawBytes(frame.into()));
        let call = client.start(&CONFIG);
        let (outcome, ends) = client.finish_whatever_happens(call).await;
        assert!(matches!(outcome, Outcome::Answer(_)), "{outcome:?}");
        assert_eq!(ends, [End::Refused]);
        assert!(client.updates.is_empty());

        // The twin: the same inside the session is one.
        let attack = Attack::Body {
            body: body.clone(),
            content_related: true,
        };
        datacenter.attacks().order(When::Answer(1), attack);
        let call = client.start(&CONFIG);
        client.finish_whatever_happens(call).await;
        assert_eq!(std::mem::take(&mut client.updates), [body]);
    }
}

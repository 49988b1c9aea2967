//! No bytes, of whatever kind, panic either end of the key exchange or make both ends believe in
//! different keys.
#![allow(clippy::unwrap_used)]

mod support;

use actogram_mtproto::handshake::plain_message::PlainMessage;
use actogram_mtproto::handshake::server::Transmit;
use actogram_tl::Encode;
use actogram_tl::mtproto::enums;
use bytes::Bytes;
use proptest::prelude::*;
use support::exchange::*;
use support::raw_client::{Padding, RawClient, ask};

/// Runs an exchange in which the payload with this number (0 is the client's first) has its byte at
/// `offset` changed. True if both ends have a key at its end; they are compared here.
fn with_flip(message: usize, offset: usize) -> Option<bool> {
    let (mut client, mut server) = (client(7), server(8));
    let mut number = 0;
    let mut reached = false;
    let mut on_wire = |payload: Bytes| {
        let mut bytes = payload.to_vec();
        if number == message && offset < bytes.len() {
            bytes[offset] ^= 0x10;
            reached = true;
        }
        number += 1;
        Bytes::from(bytes)
    };
    let mut of_server = None;
    client.start(NOW);
    let of_client = loop {
        if client.run_jobs(NOW).is_err() {
            break None;
        }
        if let Some(created) = client.poll_output() {
            break Some(created);
        }
        let Some(query) = client.poll_transmit() else {
            break None;
        };
        let _ = server
            .handle_input(NOW, on_wire(query))
            .and_then(|()| server.run_jobs(NOW));
        of_server = server.poll_output().or(of_server);
        match server.poll_transmit() {
            Some(Transmit::Payload(answer)) => {
                if client.handle_input(NOW, on_wire(answer)).is_err() {
                    break None;
                }
            }
            _ => break None,
        }
    };
    if let Some(created) = &of_client {
        let new = of_server.expect("a client's key is the server's too");
        assert_eq!(
            created.key.as_bytes(),
            new.key.as_bytes(),
            "message {message}, byte {offset}"
        );
        assert_eq!(created.salt, new.salt, "message {message}, byte {offset}");
    }
    reached.then_some(of_client.is_some())
}

/// Every byte of the envelopes and nonces, and every 13th of the encrypted parts. Only bytes nobody reads
/// may be changed unnoticed: the message id of the envelope, and what fills up a TL string.
#[test]
fn a_changed_byte_never_leads_to_different_keys() {
    for message in 0..6 {
        let mut offset = 0;
        while let Some(succeeded) = with_flip(message, offset) {
            let unread = (8..16).contains(&offset) || (message == 2 && (61..64).contains(&offset));
            assert_eq!(succeeded, unread, "message {message}, byte {offset}");
            offset += if offset < 64 { 1 } else { 13 };
        }
        assert!(
            offset > 64 || message == 0,
            "message {message} has {offset} bytes"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_payloads_are_refused_by_a_client(
        steps in 0usize..3,
        payload in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..200),
            prop::collection::vec(any::<u8>(), 0..200).prop_map(|body| {
                PlainMessage { msg_id: 1, body: body.into() }.to_payload().to_vec()
            }),
        ],
    ) {
        let mut client = client(7);
        let mut server = ScriptedServer::new(Tampering::default(), 8);
        client.start(NOW);
        for _ in 0..steps {
            client.run_jobs(NOW).unwrap();
            let Some(Transmit::Payload(answer)) = server.answer(NOW, client.poll_transmit().unwrap())
            else { panic!("no answer") };
            client.handle_input(NOW, answer).unwrap();
            client.run_jobs(NOW).unwrap();
        }
        let done = client.poll_output().is_some();
        prop_assert_eq!(client.handle_input(NOW, payload.into()).is_ok(), done);
    }

    #[test]
    fn arbitrary_payloads_are_refused_by_a_server(
        begun in any::<bool>(),
        payload in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..200),
            (prop::sample::select(vec![0xbe7e_8ef1u32, 0x6046_9778, 0xd712_e4be, 0xf504_5f1f]),
             prop::collection::vec(any::<u8>(), 0..200)).prop_map(|(id, rest)| {
                let body = [&id.to_le_bytes()[..], &rest].concat();
                PlainMessage { msg_id: 0, body: body.into() }.to_payload().to_vec()
            }),
        ],
    ) {
        let mut server = server(1);
        if begun {
            RawClient::new(2).begin(&mut server);
        }
        let outcome = server.handle_input(NOW, payload.into()).and_then(|()| server.run_jobs(NOW));
        let code = outcome.err().map(|rejection| rejection.transport_code());
        match server.poll_transmit() {
            Some(Transmit::Error(sent)) => prop_assert_eq!(Some(sent), code),
            Some(Transmit::Payload(_)) => prop_assert_eq!(code, None),
            other => prop_assert!(false, "{:?}", other),
        }
        prop_assert!(server.poll_output().is_none());
    }
}

/// The old padding begins with a SHA-1; one in 256 begins with a zero, which must not be stripped.
#[test]
fn old_padding_whose_hash_begins_with_a_zero() {
    let mut server = server(1);
    let mut client = RawClient::new(2);
    client.padding = Padding::Legacy;
    client.begin(&mut server);
    let data = (0u32..)
        .find_map(|n| {
            client.new_nonce[..4].copy_from_slice(&n.to_le_bytes());
            let data = enums::PQInnerData::from(client.inner()).to_bytes();
            (actogram_crypto::sha::sha1(&data)[0] == 0).then_some(data)
        })
        .unwrap();
    let query = actogram_tl::mtproto::functions::ReqDhParams {
        encrypted_data: client.encrypt(&data),
        ..client.query()
    };
    let answer = ask(&mut server, query.to_bytes());
    assert_eq!(answer.outcome, Ok(()));
    client.open(answer.body());
}

//! Transports against byte strings of an independent implementation.
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::VecDeque;

use actogram_mtproto::transport::{
    AcceptedObfuscation, ClientTransport, Frame, Kind, Obfuscation, ServerTransport,
};
use bytes::BytesMut;
use support::{Scripted, frames, payload, server, vector, vectors};

fn scripted<const N: usize>(blocks: [Vec<u8>; N]) -> Box<Scripted> {
    Box::new(Scripted(VecDeque::from(blocks)))
}

/// The bytes a client writes for one payload, tag included.
fn written(kind: Kind, payload: &[u8], quick_ack: bool, random: Box<Scripted>) -> Vec<u8> {
    let mut client = ClientTransport::new(kind, None, random).unwrap();
    let mut out = BytesMut::new();
    client.encode(payload, quick_ack, &mut out).unwrap();
    out.to_vec()
}

#[test]
fn frames_of_all_transports_match_the_vectors() {
    let body = vector("transports", "payload");
    let mut noise = vec![0; 16];
    noise[..5].copy_from_slice(&[1, 2, 3, 4, 5]);
    noise[15] = 5;
    for (name, kind, quick_ack, tag) in [
        ("abridged", Kind::Abridged, false, &[0xef][..]),
        ("abridged_quick_ack", Kind::Abridged, true, &[0xef]),
        ("intermediate", Kind::Intermediate, false, &[0xee; 4]),
        (
            "intermediate_quick_ack",
            Kind::Intermediate,
            true,
            &[0xee; 4],
        ),
        (
            "padded_intermediate_pad5",
            Kind::PaddedIntermediate,
            false,
            &[0xdd; 4],
        ),
        ("full_seq0", Kind::Full, false, &[]),
    ] {
        let random = scripted([noise.clone()]);
        let expected = [tag, &vector("transports", name)].concat();
        assert_eq!(written(kind, &body, quick_ack, random), expected, "{name}");

        let mut server = server(support::Wrapping::Plain, 1);
        let got = frames(&mut server, &expected);
        assert_eq!(got.len(), 1, "{name}");
        assert_eq!(payload(&got[0]), (&body[..], quick_ack), "{name}");
        assert_eq!(server.kind(), Some(kind), "{name}");
    }
}

#[test]
fn abridged_changes_its_header_at_508_bytes() {
    let below = written(Kind::Abridged, &[9; 504], false, scripted([]));
    assert_eq!(
        below[1..2],
        vector("transports", "abridged_504_byte_header")
    );
    assert_eq!(below.len(), 1 + 1 + 504);
    let at = written(Kind::Abridged, &[9; 508], false, scripted([]));
    assert_eq!(at[1..5], vector("transports", "abridged_508_byte_header"));
    assert_eq!(at.len(), 1 + 4 + 508);
    let asked = written(Kind::Abridged, &[9; 508], true, scripted([]));
    assert_eq!(asked[1..5], [0xff, 0x7f, 0, 0]);
}

#[test]
fn transport_errors_match_the_vectors() {
    for (code, name) in [
        (-404, "error_404_payload"),
        (-429, "error_429_payload"),
        (-444, "error_444_payload"),
    ] {
        let mut server = server(support::Wrapping::Plain, 1);
        let hello = written(Kind::Intermediate, &[9; 24], false, scripted([]));
        frames(&mut server, &hello);
        let mut out = BytesMut::new();
        server.encode_error(code, &mut out).unwrap();
        assert_eq!(out[..4], [4, 0, 0, 0]);
        assert_eq!(out[4..], vector("transports", name));

        let mut client = ClientTransport::new(Kind::Intermediate, None, scripted([])).unwrap();
        assert_eq!(frames(&mut client, &out), [Frame::Error(code)]);
    }
}

#[test]
fn quick_ack_tokens_match_the_vectors() {
    let token = vectors()["quick_ack"]["token_le_u32"].as_u64().unwrap() as u32;
    for (kind, name) in [
        (Kind::Abridged, "abridged_wire"),
        (Kind::Intermediate, "intermediate_wire"),
        (
            Kind::PaddedIntermediate,
            "padded_intermediate_payload_prefix",
        ),
    ] {
        let expected = vector("quick_ack", name);
        let mut server = ServerTransport::new(AcceptedObfuscation::default(), scripted([]));
        frames(&mut server, &written(kind, &[9; 24], true, scripted([])));
        let mut out = BytesMut::new();
        server
            .encode_quick_ack(token & 0x7fff_ffff, &mut out)
            .unwrap();
        let wire = match kind {
            Kind::PaddedIntermediate => out[4..12].to_vec(),
            _ => out.to_vec(),
        };
        assert_eq!(wire, expected, "{kind:?}");

        let mut client = ClientTransport::new(kind, None, scripted([])).unwrap();
        assert_eq!(
            frames(&mut client, &out),
            [Frame::QuickAck(token)],
            "{kind:?}"
        );
    }
}

fn obfuscation_vectors(group: &str) {
    let secret: Option<[u8; 16]> = match vector(group, "secret") {
        empty if empty.is_empty() => None,
        bytes => Some(bytes.try_into().unwrap()),
    };
    // The vectors' header announces the padded transport; padding drawn from zeros has length 0.
    let body = vector("transports", "payload");
    let mut client = ClientTransport::new(
        Kind::PaddedIntermediate,
        Some(Obfuscation {
            dc_id: 2,
            secret: secret.map(Into::into),
        }),
        scripted([vector(group, "init")]),
    )
    .unwrap();
    let mut out = BytesMut::new();
    client.encode(&body, false, &mut out).unwrap();
    assert_eq!(out[..64], vector(group, "wire_header"), "{group}");
    assert_eq!(
        out[64..],
        vector(group, "client_first_frame(intermediate of payload)"),
        "{group}"
    );

    let accepted = AcceptedObfuscation {
        unkeyed: secret.is_none(),
        secrets: secret.map(Into::into).into_iter().collect(),
        replay_guard: None,
    };
    let mut server = ServerTransport::new(accepted, scripted([]));
    let got = frames(&mut server, &out);
    assert_eq!(got.len(), 1);
    assert_eq!(payload(&got[0]).0, body);
    assert_eq!(server.kind(), Some(Kind::PaddedIntermediate));
    assert!(server.is_obfuscated());
    assert_eq!(server.obfuscation_dc_id(), Some(2));

    let mut answer = BytesMut::new();
    server.encode(&body, &mut answer).unwrap();
    assert_eq!(answer, vector(group, "server_first_frame"), "{group}");
    let got = frames(&mut client, &answer);
    assert_eq!(payload(&got[0]).0, body);
}

#[test]
fn obfuscation_without_a_secret_matches_the_vectors() {
    obfuscation_vectors("obfuscated2_nosecret");
}

#[test]
fn obfuscation_with_a_secret_matches_the_vectors() {
    obfuscation_vectors("obfuscated2_secret");
}

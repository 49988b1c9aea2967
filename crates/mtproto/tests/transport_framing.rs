//! Limits and malformed frames: each is a typed error that ends the stream.
#![allow(clippy::unwrap_used)]

mod support;

use std::sync::{Arc, Mutex};

use actogram_mtproto::transport::{
    AcceptedObfuscation, ClientTransport, Frame, FrameError, Kind, MAX_FRAME, Obfuscation,
    SeenHeaders, ServerTransport,
};
use bytes::BytesMut;
use support::{
    Wrapping, all_connections, client, encrypted_like, feed, frames, payload, plain_like, seeded,
    server,
};

fn tag(kind: Kind) -> Vec<u8> {
    match kind {
        Kind::Abridged => vec![0xef],
        Kind::Intermediate => vec![0xee; 4],
        Kind::PaddedIntermediate => vec![0xdd; 4],
        _ => vec![],
    }
}

/// A frame header announcing a payload of `length` bytes, as far as the transport can say it.
fn header(kind: Kind, length: usize) -> Vec<u8> {
    match kind {
        Kind::Abridged => {
            let words = (length / 4) as u32;
            [&[0x7f][..], &words.to_le_bytes()[..3]].concat()
        }
        Kind::Full => [(length as u32 + 12).to_le_bytes(), [0; 4]].concat(),
        _ => (length as u32).to_le_bytes().to_vec(),
    }
}

fn server_error(stream: &[u8]) -> FrameError {
    let mut server = server(Wrapping::Plain, 1);
    let (_, error) = feed(&mut server, [stream]);
    let error = error.expect("the stream is malformed");
    let again = server.decode(&mut BytesMut::from(&encrypted_like(1, 1)[..]));
    assert_eq!(
        again,
        Err(error.clone()),
        "a malformed frame ends the stream"
    );
    error
}

#[test]
fn the_largest_frame_passes_and_the_next_larger_does_not() {
    assert_eq!(MAX_FRAME, 4 * 1024 * 1024 + 1024);
    for (kind, wrapping) in all_connections() {
        for length in [MAX_FRAME - 4, MAX_FRAME] {
            let message = plain_like(length - 20, 7);
            let mut client = client(kind, wrapping, 2);
            let mut server = server(wrapping, 3);
            let mut wire = BytesMut::new();
            client.encode(&message, false, &mut wire).unwrap();
            let got = frames(&mut server, &wire);
            assert!(
                payload(&got[0]).0 == message,
                "{kind:?} {wrapping:?} {length}"
            );

            let mut answer = BytesMut::new();
            server.encode(&message, &mut answer).unwrap();
            let got = frames(&mut client, &answer);
            assert!(
                payload(&got[0]).0 == message,
                "{kind:?} {wrapping:?} {length}"
            );
        }
        let above = vec![1; MAX_FRAME + 4];
        let refused = Err(FrameError::TooLarge {
            length: MAX_FRAME + 4,
        });
        let mut wire = BytesMut::new();
        let mut client = client(kind, wrapping, 2);
        assert_eq!(client.encode(&above, false, &mut wire), refused);
        assert!(wire.is_empty(), "nothing is written of a refused payload");
    }
}

#[test]
fn an_announced_length_is_refused_before_its_payload_is_waited_for() {
    for kind in Kind::ALL {
        let step = if kind == Kind::PaddedIntermediate {
            1
        } else {
            4
        };
        for length in [MAX_FRAME - step, MAX_FRAME] {
            let mut server = server(Wrapping::Plain, 1);
            let stream = [tag(kind), header(kind, length)].concat();
            assert_eq!(
                feed(&mut server, [&stream[..]]),
                (vec![], None),
                "{kind:?} {length}"
            );
            let mut client = client(kind, Wrapping::Plain, 1);
            assert_eq!(
                feed(&mut client, [&header(kind, length)[..]]),
                (vec![], None)
            );
        }
        let above = MAX_FRAME + step;
        let expected = match kind {
            Kind::Full => FrameError::UnknownTransport {
                looks_like: "a full frame of impossible length",
            },
            _ => FrameError::TooLarge { length: above },
        };
        assert_eq!(
            server_error(&[tag(kind), header(kind, above)].concat()),
            expected,
            "{kind:?}"
        );
        let mut client = client(kind, Wrapping::Plain, 1);
        let (_, error) = feed(&mut client, [&header(kind, above)[..]]);
        assert_eq!(
            error,
            Some(FrameError::TooLarge { length: above }),
            "{kind:?}"
        );
    }
}

#[test]
fn empty_frames_are_refused() {
    assert_eq!(server_error(&[0xef, 0x00]), FrameError::Empty);
    assert_eq!(server_error(&[0xef, 0x80]), FrameError::Empty);
    assert_eq!(server_error(&[0xef, 0x7f, 0, 0, 0]), FrameError::Empty);
    assert_eq!(
        server_error(&[0xee, 0xee, 0xee, 0xee, 0, 0, 0, 0]),
        FrameError::Empty
    );
    assert_eq!(
        server_error(&[0xdd, 0xdd, 0xdd, 0xdd, 0, 0, 0, 0x80]),
        FrameError::Empty
    );
    assert_eq!(server_error(&[12, 0, 0, 0, 0, 0, 0, 0]), FrameError::Empty);
    for (kind, wrapping) in all_connections() {
        let encoded = client(kind, wrapping, 2).encode(&[], false, &mut BytesMut::new());
        assert_eq!(encoded, Err(FrameError::Empty));
    }
}

#[test]
fn lengths_that_are_no_multiple_of_four_are_refused() {
    let misaligned = |kind, length| FrameError::Misaligned { kind, length };
    assert_eq!(
        server_error(&[0xee, 0xee, 0xee, 0xee, 41, 0, 0, 0]),
        misaligned(Kind::Intermediate, 41)
    );
    let first = [&[36, 0, 0, 0, 0, 0, 0, 0][..], &[1; 24]].concat();
    let mut stream = [
        first.clone(),
        crc32fast::hash(&first).to_le_bytes().to_vec(),
    ]
    .concat();
    stream.extend([41, 0, 0, 0, 1, 0, 0, 0]);
    assert_eq!(server_error(&stream), misaligned(Kind::Full, 29));
    for kind in Kind::ALL {
        for length in [25, 26, 27] {
            let encoded = client(kind, Wrapping::Plain, 2).encode(
                &vec![1; length],
                false,
                &mut BytesMut::new(),
            );
            assert_eq!(encoded, Err(misaligned(kind, length)));
        }
    }
}

#[test]
fn payloads_shorter_than_any_message_are_refused() {
    for length in (4..24).step_by(4) {
        let body = vec![1; length];
        for kind in [Kind::Abridged, Kind::Intermediate, Kind::PaddedIntermediate] {
            let prefix = match kind {
                Kind::Abridged => vec![(length / 4) as u8],
                _ => (length as u32).to_le_bytes().to_vec(),
            };
            let wire = [tag(kind), prefix, body.clone()].concat();
            assert_eq!(
                server_error(&wire),
                FrameError::TooShort { length },
                "{kind:?}"
            );
        }
        if length > 4 {
            let stream = [&(length as u32).to_le_bytes()[..], &body].concat();
            let mut client = client(Kind::Intermediate, Wrapping::Plain, 2);
            let (got, error) = feed(&mut client, [&stream[..]]);
            assert_eq!(
                (got, error),
                (vec![], Some(FrameError::TooShort { length }))
            );
        }
    }
}

/// A full frame made by hand.
fn full_frame(number: u32, body: &[u8]) -> Vec<u8> {
    let mut frame = (body.len() as u32 + 12).to_le_bytes().to_vec();
    frame.extend(number.to_le_bytes());
    frame.extend(body);
    frame.extend(crc32fast::hash(&frame).to_le_bytes());
    frame
}

#[test]
fn full_frames_out_of_sequence_are_refused() {
    let body = encrypted_like(1, 1);
    let good: Vec<u8> = (0..3).flat_map(|n| full_frame(n, &body)).collect();
    assert_eq!(frames(&mut server(Wrapping::Plain, 1), &good).len(), 3);
    for (numbers, expected, got) in [
        (vec![0, 2], 1, 2),
        (vec![0, 0], 1, 0),
        (vec![0, 1, 1], 2, 1),
        (vec![0, u32::MAX], 1, u32::MAX),
    ] {
        let stream: Vec<u8> = numbers.iter().flat_map(|&n| full_frame(n, &body)).collect();
        assert_eq!(
            server_error(&stream),
            FrameError::Sequence { expected, got },
            "{numbers:?}"
        );
    }
    let mut client = client(Kind::Full, Wrapping::Plain, 1);
    let (_, error) = feed(&mut client, [&full_frame(1, &body)[..]]);
    assert_eq!(
        error,
        Some(FrameError::Sequence {
            expected: 0,
            got: 1
        })
    );
}

#[test]
fn every_flipped_bit_of_a_full_frame_is_noticed() {
    let frame = full_frame(0, &encrypted_like(2, 1));
    for bit in 0..frame.len() * 8 {
        let mut flipped = frame.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let mut client = client(Kind::Full, Wrapping::Plain, 1);
        let (got, error) = feed(&mut client, [&flipped[..]]);
        assert_eq!(got, [], "bit {bit}");
        // A longer announced length waits for bytes that never come; all else is an error.
        assert!(error.is_some() || bit < 32, "bit {bit}");
    }
    let mut last = frame.clone();
    *last.last_mut().unwrap() ^= 1;
    let mut client = client(Kind::Full, Wrapping::Plain, 1);
    let (_, error) = feed(&mut client, [&last[..]]);
    assert!(matches!(error, Some(FrameError::Checksum { .. })));
}

#[test]
fn padding_is_removed_from_every_length_at_both_ends() {
    let tagged = |stream: &[u8]| [&[0xdd; 4][..], stream].concat();
    for padding in 0..=15usize {
        for message in [
            encrypted_like(0, 1),
            encrypted_like(7, 1),
            plain_like(4, 1),
            plain_like(88, 1),
        ] {
            let mut stream = ((message.len() + padding) as u32).to_le_bytes().to_vec();
            stream.extend(&message);
            stream.extend(std::iter::repeat_n(0xaa, padding));
            let got = frames(&mut server(Wrapping::Plain, 1), &tagged(&stream));
            assert_eq!(payload(&got[0]).0, message, "{padding}");
            let mut client = client(Kind::PaddedIntermediate, Wrapping::Plain, 1);
            assert_eq!(
                payload(&frames(&mut client, &stream)[0]).0,
                message,
                "{padding}"
            );
        }
        let mut error = ((4 + padding) as u32).to_le_bytes().to_vec();
        error.extend((-404i32).to_le_bytes());
        error.extend(std::iter::repeat_n(0xaa, padding));
        let mut client = client(Kind::PaddedIntermediate, Wrapping::Plain, 1);
        assert_eq!(
            frames(&mut client, &error),
            [Frame::Error(-404)],
            "{padding}"
        );
    }
}

#[test]
fn more_than_15_bytes_of_padding_are_refused() {
    for padding in [16usize, 17, 32, 1000] {
        let message = plain_like(40, 1);
        let mut stream = ((message.len() + padding) as u32).to_le_bytes().to_vec();
        stream.extend(&message);
        stream.extend(std::iter::repeat_n(0, padding));
        let expected = FrameError::ExcessPadding { padding };
        assert_eq!(server_error(&[&[0xdd; 4][..], &stream].concat()), expected);
        let mut client = client(Kind::PaddedIntermediate, Wrapping::Plain, 1);
        assert_eq!(feed(&mut client, [&stream[..]]), (vec![], Some(expected)));
    }
}

#[test]
fn a_padded_message_that_claims_more_than_its_frame_is_refused() {
    for (claimed, expected) in [
        (41u32, FrameError::TooShort { length: 60 }),
        (u32::MAX, FrameError::NegativeLength { length: u32::MAX }),
        (i32::MAX as u32, FrameError::TooShort { length: 60 }),
    ] {
        let mut message = plain_like(40, 1);
        message[16..20].copy_from_slice(&claimed.to_le_bytes());
        let stream = [&[0xdd; 4][..], &60u32.to_le_bytes(), &message].concat();
        assert_eq!(server_error(&stream), expected);
    }
}

#[test]
fn padding_written_varies_and_stays_below_16() {
    let mut seen = [false; 16];
    let mut client = client(Kind::PaddedIntermediate, Wrapping::Plain, 1);
    let mut wire = BytesMut::new();
    client
        .encode(&encrypted_like(1, 1), false, &mut wire)
        .unwrap();
    for _ in 0..2000 {
        let mut wire = BytesMut::new();
        client
            .encode(&encrypted_like(1, 1), false, &mut wire)
            .unwrap();
        let length = u32::from_le_bytes(*wire.first_chunk().unwrap()) as usize;
        assert_eq!(length + 4, wire.len());
        seen[length - 40] = true;
    }
    assert_eq!(seen, [true; 16]);
}

#[test]
fn quick_acks_are_told_from_frames_and_refused_where_there_are_none() {
    let mut wire = BytesMut::new();
    let refused = Err(FrameError::QuickAckUnsupported { kind: Kind::Full });
    assert_eq!(
        client(Kind::Full, Wrapping::Plain, 1).encode(&encrypted_like(1, 1), true, &mut wire),
        refused
    );
    assert!(wire.is_empty());
    client(Kind::Full, Wrapping::Plain, 1)
        .encode(&encrypted_like(1, 1), false, &mut wire)
        .unwrap();
    let mut full = server(Wrapping::Plain, 1);
    frames(&mut full, &wire);
    assert_eq!(full.encode_quick_ack(1, &mut BytesMut::new()), refused);

    let flagged = (0x8000_0000u32 | 40).to_le_bytes();
    let negative = FrameError::NegativeLength {
        length: 0x8000_0028,
    };
    for kind in [Kind::PaddedIntermediate, Kind::Full] {
        let (_, error) = feed(&mut client(kind, Wrapping::Plain, 1), [&flagged[..]]);
        assert_eq!(error, Some(negative.clone()), "{kind:?}");
    }
}

#[test]
fn a_zero_word_from_a_server_is_no_event() {
    for kind in [Kind::Abridged, Kind::Intermediate] {
        let zero = match kind {
            Kind::Abridged => vec![1, 0, 0, 0, 0],
            _ => vec![4, 0, 0, 0, 0, 0, 0, 0],
        };
        let mut server = server(Wrapping::Plain, 1);
        let mut hello = BytesMut::new();
        client(kind, Wrapping::Plain, 1)
            .encode(&encrypted_like(0, 1), false, &mut hello)
            .unwrap();
        frames(&mut server, &hello);
        let mut answer = BytesMut::from(&zero[..]);
        server.encode(&encrypted_like(1, 1), &mut answer).unwrap();
        let got = frames(&mut client(kind, Wrapping::Plain, 1), &answer);
        assert_eq!(got.len(), 1, "{kind:?}");
        assert_eq!(payload(&got[0]).0, encrypted_like(1, 1));
    }
}

#[test]
fn other_protocols_are_named_after_four_bytes() {
    for (start, name) in [
        (&b"GET "[..], "HTTP"),
        (b"POST", "HTTP"),
        (b"HEAD", "HTTP"),
        (b"OPTI", "HTTP"),
        (&[0x16, 0x03, 0x01, 0x02], "TLS"),
    ] {
        assert_eq!(
            server_error(start),
            FrameError::UnknownTransport { looks_like: name }
        );
    }
}

#[test]
fn a_server_cannot_send_before_it_knows_the_transport() {
    let mut server = server(Wrapping::Plain, 1);
    let mut out = BytesMut::new();
    assert_eq!(
        server.encode(&encrypted_like(1, 1), &mut out),
        Err(FrameError::TransportUnknown)
    );
    assert_eq!(
        server.encode_error(-404, &mut out),
        Err(FrameError::TransportUnknown)
    );
    assert_eq!(
        server.encode_quick_ack(1, &mut out),
        Err(FrameError::TransportUnknown)
    );
    assert!(out.is_empty());
}

#[test]
fn the_full_transport_refuses_obfuscation() {
    let made = ClientTransport::new(Kind::Full, Some(Obfuscation::default()), seeded(1));
    assert_eq!(
        made.err(),
        Some(FrameError::ObfuscationUnsupported { kind: Kind::Full })
    );
}

/// The first bytes of an obfuscated connection.
fn obfuscated_hello(wrapping: Wrapping) -> Vec<u8> {
    let mut wire = BytesMut::new();
    client(Kind::Intermediate, wrapping, 2)
        .encode(&encrypted_like(1, 1), false, &mut wire)
        .unwrap();
    wire.to_vec()
}

#[test]
fn t2_an_unknown_protocol_id_is_refused_and_its_disarmed_twin_is_not() {
    let hello = obfuscated_hello(Wrapping::Obfuscated);
    assert_eq!(
        frames(&mut server(Wrapping::Obfuscated, 1), &hello).len(),
        1,
        "disarmed"
    );
    for byte in 56..60 {
        let mut tampered = hello.clone();
        tampered[byte] ^= 1;
        assert_eq!(
            server_error(&tampered),
            FrameError::UnknownProtocolId,
            "byte {byte}"
        );
    }
    let random: Vec<u8> = (0..64u32).map(|i| (i * 37 + 11) as u8).collect();
    assert_eq!(server_error(&random), FrameError::UnknownProtocolId);
}

#[test]
fn t2_a_wrong_or_missing_secret_is_refused() {
    for (client_side, server_side) in [
        (Wrapping::Obfuscated, Wrapping::Keyed),
        (Wrapping::Keyed, Wrapping::Obfuscated),
    ] {
        let hello = obfuscated_hello(client_side);
        assert_eq!(
            frames(&mut server(client_side, 1), &hello).len(),
            1,
            "disarmed"
        );
        let (_, error) = feed(&mut server(server_side, 1), [&hello[..]]);
        assert_eq!(error, Some(FrameError::UnknownProtocolId));
    }
}

#[test]
fn t2_a_replayed_header_is_refused_by_the_listener_that_saw_it() {
    let seen = Arc::new(Mutex::new(SeenHeaders::new(1000)));
    let guarded = || {
        let accepted = AcceptedObfuscation {
            replay_guard: Some(Box::new(Arc::clone(&seen))),
            ..AcceptedObfuscation::default()
        };
        ServerTransport::new(accepted, seeded(1))
    };
    let hello = obfuscated_hello(Wrapping::Obfuscated);
    assert_eq!(
        frames(&mut guarded(), &hello).len(),
        1,
        "disarmed: the first use"
    );
    let (got, error) = feed(&mut guarded(), [&hello[..]]);
    assert_eq!((got, error), (vec![], Some(FrameError::ReplayedHeader)));
    assert_eq!(seen.lock().unwrap().len(), 1);
    let (_, error) = feed(&mut guarded(), hello.chunks(1));
    assert_eq!(error, Some(FrameError::ReplayedHeader), "byte by byte");
    let (_, error) = feed(&mut guarded(), [&[0x5a; 64][..]]);
    assert_eq!(error, Some(FrameError::UnknownProtocolId));
    assert_eq!(
        seen.lock().unwrap().len(),
        1,
        "noise does not fill the memory"
    );
}

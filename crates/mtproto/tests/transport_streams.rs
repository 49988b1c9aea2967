//! R12: the frames of a stream do not depend on how its bytes arrive.
#![allow(clippy::unwrap_used)]

mod support;

use actogram_mtproto::transport::{Frame, Kind};
use bytes::BytesMut;
use proptest::prelude::*;
use support::{
    Decoder, Wrapping, all_connections, client, encrypted_like, feed, plain_like, server,
};

/// What a client sends in these tests, and the frames a server must see.
fn upstream(kind: Kind, wrapping: Wrapping, messages: &[(Vec<u8>, bool)]) -> (Vec<u8>, Vec<Frame>) {
    let mut client = client(kind, wrapping, 5);
    let mut out = BytesMut::new();
    let mut expected = Vec::new();
    for (message, quick_ack) in messages {
        let quick_ack = *quick_ack && kind.supports_quick_ack();
        client.encode(message, quick_ack, &mut out).unwrap();
        expected.push(Frame::Payload {
            bytes: BytesMut::from(&message[..]),
            quick_ack_requested: quick_ack,
        });
    }
    (out.to_vec(), expected)
}

#[derive(Clone, Debug)]
enum Answer {
    Message(Vec<u8>),
    QuickAck(u32),
    Error(i32),
}

/// What a server sends, and the frames a client must see.
fn downstream(kind: Kind, wrapping: Wrapping, answers: &[Answer]) -> (Vec<u8>, Vec<Frame>) {
    let mut client = client(kind, wrapping, 5);
    let mut server = server(wrapping, 6);
    let mut hello = BytesMut::new();
    client
        .encode(&encrypted_like(1, 1), false, &mut hello)
        .unwrap();
    feed(&mut server, [&hello[..]]);
    let mut out = BytesMut::new();
    let mut expected = Vec::new();
    for answer in answers {
        match answer {
            Answer::Message(message) => {
                server.encode(message, &mut out).unwrap();
                expected.push(Frame::Payload {
                    bytes: BytesMut::from(&message[..]),
                    quick_ack_requested: false,
                });
            }
            Answer::QuickAck(token) if kind.supports_quick_ack() => {
                server.encode_quick_ack(*token, &mut out).unwrap();
                expected.push(Frame::QuickAck(*token | 0x8000_0000));
            }
            Answer::QuickAck(_) => {}
            Answer::Error(code) => {
                server.encode_error(*code, &mut out).unwrap();
                expected.push(Frame::Error(*code));
            }
        }
    }
    (out.to_vec(), expected)
}

/// A client that has sent its first frame, so that it can read answers.
fn listening_client(kind: Kind, wrapping: Wrapping) -> Box<dyn Decoder> {
    let mut client = client(kind, wrapping, 5);
    client
        .encode(&encrypted_like(1, 1), false, &mut BytesMut::new())
        .unwrap();
    Box::new(client)
}

/// Its receiving half by itself.
fn listening_half(kind: Kind, wrapping: Wrapping) -> Box<dyn Decoder> {
    let (mut sender, receiver) = client(kind, wrapping, 5).split();
    sender
        .encode(&encrypted_like(1, 1), false, &mut BytesMut::new())
        .unwrap();
    Box::new(receiver)
}

fn at_every_boundary(stream: &[u8], expected: &[Frame], decoder: &dyn Fn() -> Box<dyn Decoder>) {
    for cut in 0..=stream.len() {
        let (left, right) = stream.split_at(cut);
        let (got, error) = feed(&mut *decoder(), [left, right]);
        assert_eq!(error, None, "cut at {cut}");
        assert_eq!(got, expected, "cut at {cut}");
    }
    let (got, error) = feed(&mut *decoder(), stream.chunks(1));
    assert_eq!((got, error), (expected.to_vec(), None), "byte by byte");
    let (got, error) = feed(&mut *decoder(), [stream]);
    assert_eq!((got, error), (expected.to_vec(), None), "all at once");
}

#[test]
fn r12_client_streams_cut_at_every_byte_boundary() {
    let messages = [
        (encrypted_like(1, 0x11), false),
        (plain_like(20, 0x22), false),
        (encrypted_like(35, 0xff), true),
        (encrypted_like(0, 0x33), true),
        (plain_like(500, 0x44), true),
    ];
    for (kind, wrapping) in all_connections() {
        let (stream, expected) = upstream(kind, wrapping, &messages);
        at_every_boundary(&stream, &expected, &|| Box::new(server(wrapping, 9)));
    }
}

#[test]
fn r12_server_streams_cut_at_every_byte_boundary() {
    let answers = [
        Answer::QuickAck(0x1a03_1282),
        Answer::Message(encrypted_like(1, 0x11)),
        Answer::Message(plain_like(20, 0x22)),
        Answer::QuickAck(0x7fff_ffff),
        Answer::QuickAck(0),
        Answer::Message(encrypted_like(40, 0xff)),
        Answer::Error(-404),
        Answer::Message(encrypted_like(0, 0x33)),
    ];
    for (kind, wrapping) in all_connections() {
        let (stream, expected) = downstream(kind, wrapping, &answers);
        at_every_boundary(&stream, &expected, &|| listening_client(kind, wrapping));
        at_every_boundary(&stream, &expected, &|| listening_half(kind, wrapping));
    }
}

/// Of large frames, as answers with parts of files are, no more is moved than what was read together with the frame before:
/// the rest lies where the socket wrote it.
#[test]
fn large_frames_lie_where_they_were_read_to() {
    const BLOCKS: usize = 65_536;
    for (kind, wrapping) in all_connections() {
        for most_at_a_time in [1_000, 65_536, usize::MAX] {
            let answers = [(); 4].map(|()| Answer::Message(encrypted_like(BLOCKS, 7)));
            let (stream, expected) = downstream(kind, wrapping, &answers);
            let (mut sender, mut receiver) = client(kind, wrapping, 5).split();
            sender
                .encode(&encrypted_like(1, 1), false, &mut BytesMut::new())
                .unwrap();
            let (mut at, mut read_to, mut frames) = (0, Vec::new(), Vec::new());
            while at < stream.len() {
                let buffer = receiver.buffer(4096);
                let room = buffer.capacity() - buffer.len();
                let length = room.min(most_at_a_time).min(stream.len() - at);
                read_to.push((buffer.as_ptr() as usize + buffer.len(), length));
                buffer.extend_from_slice(&stream[at..at + length]);
                at += length;
                while let Some(frame) = receiver.decode().unwrap() {
                    frames.push(frame);
                }
            }
            assert_eq!(frames, expected);
            for frame in &frames {
                let Frame::Payload { bytes, .. } = frame else {
                    panic!("{frame:?}");
                };
                let payload = bytes.as_ptr() as usize..bytes.as_ptr() as usize + bytes.len();
                let in_place: usize = read_to
                    .iter()
                    .map(|(from, length)| {
                        let end = payload.end.min(from + length);
                        end.saturating_sub(payload.start.max(*from))
                    })
                    .sum();
                let moved = bytes.len() - in_place;
                assert!(
                    moved <= 8192,
                    "{kind:?}, {wrapping:?}: {moved} bytes were moved"
                );
            }
        }
    }
}

/// An idle connection holds little room, whatever came last.
#[test]
fn the_room_of_a_frame_goes_with_the_frame() {
    for (kind, wrapping) in all_connections() {
        let (stream, expected) = downstream(
            kind,
            wrapping,
            &[Answer::Message(encrypted_like(5 * 1024 / 16, 7))],
        );
        let (mut sender, mut receiver) = client(kind, wrapping, 5).split();
        sender
            .encode(&encrypted_like(1, 1), false, &mut BytesMut::new())
            .unwrap();
        let mut rest = &stream[..];
        while !rest.is_empty() {
            let buffer = receiver.buffer(1024);
            let room = buffer.capacity() - buffer.len();
            let (now, later) = rest.split_at(room.min(rest.len()));
            buffer.extend_from_slice(now);
            rest = later;
        }
        assert_eq!(receiver.decode().unwrap().as_ref(), expected.first());
        assert_eq!(receiver.decode().unwrap(), None);
        let room = receiver.buffer(1024).capacity();
        assert!(room < 2048, "{kind:?}, {wrapping:?}: {room} bytes are held");
    }
}

fn message() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        (0usize..80, any::<u8>()).prop_map(|(blocks, fill)| encrypted_like(blocks, fill)),
        (1usize..200, any::<u8>()).prop_map(|(words, fill)| plain_like(words * 4, fill)),
    ]
}

fn answer() -> impl Strategy<Value = Answer> {
    prop_oneof![
        4 => message().prop_map(Answer::Message),
        1 => any::<u32>().prop_map(Answer::QuickAck),
        1 => (-1000i32..-1).prop_map(Answer::Error),
    ]
}

fn connection() -> impl Strategy<Value = (Kind, Wrapping)> {
    proptest::sample::select(all_connections())
}

/// Cuts the stream into pieces of the given lengths, over and over.
fn pieces<'a>(stream: &'a [u8], lengths: &[usize]) -> Vec<&'a [u8]> {
    let mut rest = stream;
    let mut pieces = Vec::new();
    for &length in lengths.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, after) = rest.split_at(length.min(rest.len()));
        pieces.push(piece);
        rest = after;
    }
    pieces
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn r12_client_streams_in_arbitrary_pieces(
        (kind, wrapping) in connection(),
        messages in prop::collection::vec((message(), any::<bool>()), 1..12),
        lengths in prop::collection::vec(1usize..700, 1..8),
    ) {
        let (stream, expected) = upstream(kind, wrapping, &messages);
        let (got, error) = feed(&mut server(wrapping, 9), pieces(&stream, &lengths));
        prop_assert_eq!(error, None);
        prop_assert_eq!(got, expected);
    }

    #[test]
    fn r12_server_streams_in_arbitrary_pieces(
        (kind, wrapping) in connection(),
        answers in prop::collection::vec(answer(), 1..12),
        lengths in prop::collection::vec(1usize..700, 1..8),
    ) {
        let (stream, expected) = downstream(kind, wrapping, &answers);
        for mut client in [listening_client(kind, wrapping), listening_half(kind, wrapping)] {
            let (got, error) = feed(&mut *client, pieces(&stream, &lengths));
            prop_assert_eq!(error, None);
            prop_assert_eq!(&got, &expected);
        }
    }

    /// Whatever arrives, cutting changes neither the frames nor the error, and nothing panics.
    #[test]
    fn r12_hostile_streams_fail_alike_however_cut(
        start in prop_oneof![
            Just(vec![0xef]), Just(vec![0xee; 4]), Just(vec![0xdd; 4]), Just(vec![]),
            Just(vec![0x20, 0, 0, 0, 0, 0, 0, 0]),
        ],
        noise in prop::collection::vec(any::<u8>(), 0..400),
        small in any::<bool>(),
        lengths in prop::collection::vec(1usize..60, 1..8),
    ) {
        let mut stream = start;
        stream.extend(noise.iter().map(|b| if small { b & 0x0c } else { *b }));
        let whole = feed(&mut server(Wrapping::Plain, 9), [&stream[..]]);
        let cut = feed(&mut server(Wrapping::Plain, 9), pieces(&stream, &lengths));
        prop_assert_eq!(&whole, &cut);
        for kind in Kind::ALL {
            let whole = feed(&mut *listening_client(kind, Wrapping::Plain), [&stream[..]]);
            let cut = feed(&mut *listening_client(kind, Wrapping::Plain), pieces(&stream, &lengths));
            prop_assert_eq!(&whole, &cut);
            let half = feed(&mut *listening_half(kind, Wrapping::Plain), pieces(&stream, &lengths));
            prop_assert_eq!(&whole, &half);
        }
    }
}

//! What the tests of this crate share.
#![allow(dead_code, clippy::unwrap_used, unreachable_pub)]

pub mod exchange;
pub mod primes;
pub mod raw_client;

use std::collections::VecDeque;

use actogram_crypto::random::{Random, SeededRandom};
use actogram_mtproto::transport::{
    AcceptedObfuscation, ClientReceiver, ClientTransport, Frame, FrameError, Kind, Obfuscation,
    ServerTransport,
};
use bytes::BytesMut;

/// Randomness from a script, then zeros.
#[derive(Default)]
pub struct Scripted(pub VecDeque<Vec<u8>>);

impl Random for Scripted {
    fn fill(&mut self, out: &mut [u8]) {
        match self.0.pop_front() {
            Some(bytes) => out.copy_from_slice(&bytes),
            None => out.fill(0),
        }
    }
}

pub fn seeded(seed: u64) -> Box<dyn Random> {
    Box::new(SeededRandom::from_seed(seed))
}

pub fn unhex(text: &str) -> Vec<u8> {
    assert!(text.len().is_multiple_of(2), "{text}");
    (0..text.len())
        .step_by(2)
        .map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap())
        .collect()
}

/// The vectors computed by an independent implementation.
pub fn vectors() -> serde_json::Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

pub fn vector(group: &str, name: &str) -> Vec<u8> {
    let all = vectors();
    let value = all[group][name]
        .as_str()
        .unwrap_or_else(|| panic!("no vector {group}.{name}"));
    unhex(value)
}

/// How a connection of a test is wrapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrapping {
    Plain,
    Obfuscated,
    Keyed,
}

pub const SECRET: [u8; 16] = *b"sixteen bytes :)";

/// Every transport in every wrapping it supports.
pub fn all_connections() -> Vec<(Kind, Wrapping)> {
    let mut all = Vec::new();
    for kind in Kind::ALL {
        all.push((kind, Wrapping::Plain));
        if kind.supports_obfuscation() {
            all.push((kind, Wrapping::Obfuscated));
            all.push((kind, Wrapping::Keyed));
        }
    }
    all
}

pub fn client(kind: Kind, wrapping: Wrapping, seed: u64) -> ClientTransport {
    let obfuscation = match wrapping {
        Wrapping::Plain => None,
        Wrapping::Obfuscated => Some(Obfuscation {
            dc_id: 2,
            secret: None,
        }),
        Wrapping::Keyed => Some(Obfuscation {
            dc_id: -2,
            secret: Some(SECRET.into()),
        }),
    };
    ClientTransport::new(kind, obfuscation, seeded(seed)).unwrap()
}

pub fn server(wrapping: Wrapping, seed: u64) -> ServerTransport {
    let accepted = AcceptedObfuscation {
        unkeyed: wrapping != Wrapping::Keyed,
        secrets: match wrapping {
            Wrapping::Keyed => vec![[1; 16].into(), SECRET.into()],
            _ => vec![],
        },
        replay_guard: None,
    };
    ServerTransport::new(accepted, seeded(seed))
}

/// Either end, as far as reading is concerned.
pub trait Decoder {
    fn next_frame(&mut self, input: &mut BytesMut) -> Result<Option<Frame>, FrameError>;
}

impl Decoder for ClientTransport {
    fn next_frame(&mut self, input: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
        self.decode(input)
    }
}

/// The receiving half by itself, filled as a socket fills it.
impl Decoder for ClientReceiver {
    fn next_frame(&mut self, input: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
        loop {
            let frame = self.decode()?;
            if frame.is_some() || input.is_empty() {
                return Ok(frame);
            }
            let buffer = self.buffer(16);
            let room = buffer.capacity() - buffer.len();
            assert!(room > 0);
            buffer.extend_from_slice(&input.split_to(room.min(input.len())));
        }
    }
}

impl Decoder for ServerTransport {
    fn next_frame(&mut self, input: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
        self.decode(input)
    }
}

/// Feeds pieces one after the other; the frames, and the error that ended the stream if one did.
pub fn feed<'a>(
    decoder: &mut dyn Decoder,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> (Vec<Frame>, Option<FrameError>) {
    let mut frames = Vec::new();
    for piece in pieces {
        let mut input = BytesMut::from(piece);
        loop {
            match decoder.next_frame(&mut input) {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(error) => return (frames, Some(error)),
            }
        }
        assert!(input.is_empty(), "a transport keeps what it needs");
    }
    (frames, None)
}

/// All frames of a stream that must be well-formed.
pub fn frames(decoder: &mut dyn Decoder, stream: &[u8]) -> Vec<Frame> {
    let (frames, error) = feed(decoder, [stream]);
    assert_eq!(error, None);
    frames
}

/// A payload that looks like an encrypted message: 24 + 16 × blocks bytes, a key id that is not zero.
pub fn encrypted_like(blocks: usize, fill: u8) -> Vec<u8> {
    let mut payload = vec![fill; 24 + 16 * blocks];
    payload[0] = 1;
    payload
}

/// A payload that looks like an unencrypted message.
pub fn plain_like(body: usize, fill: u8) -> Vec<u8> {
    let mut payload = vec![0; 20];
    payload[8] = 1;
    payload[16..20].copy_from_slice(&(body as u32).to_le_bytes());
    payload.extend(std::iter::repeat_n(fill, body));
    payload
}

pub fn payload(frame: &Frame) -> (&[u8], bool) {
    match frame {
        Frame::Payload {
            bytes,
            quick_ack_requested,
        } => (&bytes[..], *quick_ack_requested),
        other => panic!("expected a payload, got {other:?}"),
    }
}

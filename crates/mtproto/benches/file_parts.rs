//! What a part of a file costs a client from the bytes of the stream to the answer of its call, beside `ige` and `sha2` over
//! the same bytes, run in turns so that a busy machine disturbs both alike: `cargo bench -p actogram-mtproto --bench
//! file_parts`. The copy that the system makes into the buffer is part of it; a ratio of 1 would be reached by who decrypts,
//! then hashes, and needs no time for anything else.
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]

use std::{
    hint::black_box,
    sync::Arc,
    time::{Duration, Instant},
};

use actogram_crypto::{
    AuthKey, Side,
    random::{Random, SeededRandom},
};
use actogram_mtproto::{
    Now,
    session::{
        Opened, ServerSalts, ToOpen,
        client::{CallRequest, ClientSession, ClientSessionConfig, Event},
        server::{self, ServerSession},
    },
    transport::{
        AcceptedObfuscation, ClientReceiver, ClientSender, ClientTransport, Frame, Kind,
        ServerTransport,
    },
};
use actogram_tl::{Decode, Encode, enums, functions, types};
use aes::Aes256Dec;
use bytes::{Bytes, BytesMut};
use cipher::{Array, BlockModeDecrypt, KeyIvInit};
use sha2::{Digest, Sha256};

/// Turns of a measurement; as a test, one shows that it works.
const TURNS: usize = 25;

/// Answers that come together, as they do when parts are asked for side by side.
const TOGETHER: usize = 4;

const NOW: Now = Now {
    monotonic: Duration::from_secs(10),
    unix: Duration::from_secs(1_700_000_000),
};

fn random() -> Box<SeededRandom> {
    Box::new(SeededRandom::from_seed(5))
}

/// A client and a datacenter in mid-session.
struct Line {
    key: Arc<AuthKey>,
    client: ClientSession,
    receiver: ClientReceiver,
    server: ServerSession,
    salts: ServerSalts,
    sender: ClientSender,
    accepted: ServerTransport,
}

impl Line {
    fn new() -> Self {
        let key = Arc::new(AuthKey::new(std::array::from_fn(|at| (7 * at + 3) as u8)));
        let config = ClientSessionConfig {
            key: key.clone(),
            salt: 5,
            time_offset: 0,
            init: Bytes::new(),
        };
        let mut client = ClientSession::new(config, NOW, random());
        client.connected(NOW);
        let transport = ClientTransport::new(Kind::Intermediate, None, random()).unwrap();
        let (sender, receiver) = transport.split();
        let mut server = ServerSession::new(key.clone(), client.session_id(), random());
        server.attached();
        Self {
            key,
            client,
            receiver,
            server,
            salts: ServerSalts::new(NOW.unix_seconds(), 5),
            sender,
            accepted: ServerTransport::new(AcceptedObfuscation::default(), random()),
        }
    }

    /// The datacenter's stream with answers of this part to as many calls.
    fn answers(&mut self, part: &Bytes) -> BytesMut {
        let mut stream = BytesMut::new();
        for _ in 0..TOGETHER {
            let call = functions::help::GetConfig {}.to_bytes();
            self.client.call(NOW, CallRequest::new(call));
            while let Some(transmit) = self.client.poll_transmit(NOW) {
                let mut bytes = BytesMut::new();
                self.sender
                    .encode(&transmit.payload, false, &mut bytes)
                    .unwrap();
                while let Some(frame) = self.accepted.decode(&mut bytes).unwrap() {
                    let Frame::Payload { bytes, .. } = frame else {
                        panic!("{frame:?}");
                    };
                    let opened = Opened::open(&self.key, Side::Client, bytes).unwrap();
                    self.server.handle_input(NOW, opened, &mut self.salts);
                }
            }
            while let Some(event) = self.server.poll_event() {
                if let server::Event::Call { msg_id, .. } = event {
                    let answer = types::upload::File {
                        type_: enums::storage::FileType::FileUnknown,
                        mtime: 0,
                        bytes: part.clone(),
                    };
                    let answer = enums::upload::File::from(answer);
                    self.server.answer(NOW, msg_id, &answer.to_bytes());
                }
            }
            while let Some(packet) = self.server.poll_transmit(NOW, &mut self.salts) {
                self.accepted.encode(&packet, &mut stream).unwrap();
            }
        }
        stream
    }

    /// Everything a client does with them; one at a time or all side by side.
    fn receive(&mut self, stream: &[u8], together: bool) -> usize {
        let (mut at, mut parts) = (0, 0);
        let mut messages = Vec::new();
        while at < stream.len() {
            let buffer = self.receiver.buffer(64 * 1024);
            let room = buffer.capacity() - buffer.len();
            let end = stream.len().min(at + room.min(256 * 1024));
            buffer.extend_from_slice(&stream[at..end]);
            at = end;
            while let Some(frame) = self.receiver.decode().unwrap() {
                let Frame::Payload { bytes, .. } = frame else {
                    panic!("{frame:?}");
                };
                if together {
                    messages.push(ToOpen::new(self.key.clone(), Side::Server, bytes));
                } else {
                    self.client.handle_input(NOW, bytes).unwrap();
                }
            }
        }
        for opened in ToOpen::open_all(messages) {
            self.client.handle_opened(NOW, opened.unwrap()).unwrap();
        }
        while let Some(event) = self.client.poll_event() {
            if let Event::Answer { body, .. } = event {
                let answer = enums::upload::File::from_bytes(body).unwrap();
                parts += usize::from(matches!(black_box(answer), enums::upload::File::File(_)));
            }
        }
        parts
    }
}

/// Decryption, then the hash, of as many messages of this length.
fn bare(data: &mut [u8]) {
    for _ in 0..TOGETHER {
        let (blocks, _) = Array::slice_as_chunks_mut(data);
        ige::Decryptor::<Aes256Dec>::new(&[1; 32].into(), &[2; 32].into()).decrypt_blocks(blocks);
        black_box(Sha256::digest(black_box(&*data)));
    }
}

fn main() {
    let measured = std::env::args().any(|argument| argument == "--bench");
    let turns = if measured { TURNS } else { 1 };
    println!("part, bytes  ige and sha2, us  one by one, us  ratio  four together, us  ratio");
    for size in [128 * 1024, 512 * 1024, 1024 * 1024] {
        let mut line = Line::new();
        let mut part = vec![0; size];
        random().fill(&mut part);
        let part = Bytes::from(part);
        let mut data = vec![0; size];
        let mut best = [f64::MAX; 3];
        for _ in 0..turns {
            let mut time = |which: usize, work: &mut dyn FnMut()| {
                let begun = Instant::now();
                work();
                let took = begun.elapsed().as_secs_f64() * 1e6 / TOGETHER as f64;
                best[which] = best[which].min(took);
            };
            time(0, &mut || bare(&mut data));
            for (which, together) in [(1, false), (2, true)] {
                let stream = line.answers(&part);
                time(which, &mut || {
                    assert_eq!(line.receive(&stream, together), TOGETHER);
                });
            }
        }
        let [bare, alone, together] = best;
        println!(
            "{size:>11}  {bare:>16.1}  {alone:>14.1}  {:>5.2}  {together:>17.1}  {:>5.2}",
            alone / bare,
            together / bare
        );
    }
}

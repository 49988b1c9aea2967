//! The order of what goes through the pool, both ways, and how much is read meanwhile.

use std::sync::atomic::{AtomicUsize, Ordering};

use actix::{Actor, Context, Handler};
use actogram_crypto::{
    message::{self, HEADER},
    random::{Random, SeededRandom},
};
use actogram_mtproto::{
    Now,
    session::client::{CallRequest, ClientSession, ClientSessionConfig},
    transport::{AcceptedObfuscation, ClientTransport, Kind, Obfuscation, ServerTransport},
};
use bytes::Bytes;
use tokio::{io::DuplexStream, task::LocalSet};

use super::*;

fn key() -> Arc<AuthKey> {
    Arc::new(AuthKey::new(std::array::from_fn(|at| at as u8)))
}

/// A message of the datacenter's whose session's number is this.
fn message(number: i64, body: usize) -> Vec<u8> {
    let body = body.next_multiple_of(4);
    let padded = (32 + body + 12).next_multiple_of(16);
    let mut packet = vec![0; HEADER + padded];
    packet[HEADER + 8..HEADER + 16].copy_from_slice(&number.to_le_bytes());
    packet[HEADER + 28..HEADER + 32].copy_from_slice(&(body as u32).to_le_bytes());
    message::encrypt(&key(), Side::Server, &mut packet);
    packet
}

/// Lengths from a few bytes to some times what goes to the pool.
fn length(number: i64) -> usize {
    let mixed = (number as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    match mixed % 4 {
        0 => 40_000 + (mixed % 90_000) as usize,
        1 => LARGE - 200 + (mixed % 400) as usize,
        _ => (mixed % 2_000) as usize,
    }
}

/// Hands on what the reader says.
struct Sink(mpsc::UnboundedSender<Input>);

impl Actor for Sink {
    type Context = Context<Self>;
}

impl Handler<Received> for Sink {
    type Result = ();

    fn handle(&mut self, received: Received, _: &mut Self::Context) {
        for input in received.inputs {
            self.0.send(input).unwrap();
        }
    }
}

/// Both ends of a stream, the transports at them, and a reader at the client's.
struct Rig {
    datacenter: DuplexStream,
    accepted: ServerTransport,
    to: WriteHalf<Box<dyn Io>>,
    sender: ClientSender,
    inputs: mpsc::UnboundedReceiver<Input>,
    reading: tokio::task::JoinHandle<String>,
}

async fn rig(crypto: CryptoPool) -> Rig {
    let random = || Box::new(SeededRandom::from_seed(3));
    let obfuscation = Some(Obfuscation {
        dc_id: 2,
        secret: None,
    });
    let transport = ClientTransport::new(Kind::Intermediate, obfuscation, random()).unwrap();
    let (mut sender, receiver) = transport.split();
    let mut hello = BytesMut::new();
    sender.encode(&[1; 56], false, &mut hello).unwrap();
    let mut accepted = ServerTransport::new(AcceptedObfuscation::default(), random());
    assert!(accepted.decode(&mut hello).unwrap().is_some());
    let (client, datacenter) = tokio::io::duplex(64 * 1024);
    let (from, to) = tokio::io::split(Box::new(client) as Box<dyn Io>);
    let (sink, inputs) = mpsc::unbounded_channel();
    let reader = Reader {
        from,
        transport: receiver,
        key: Some(key()),
        crypto,
        to: Sink(sink).start().recipient(),
        epoch: 1,
        pause: Box::new(|| None),
    };
    Rig {
        datacenter,
        accepted,
        to,
        sender,
        inputs,
        reading: tokio::task::spawn_local(read(Box::new(reader))),
    }
}

impl Rig {
    /// Everything the actor was told, and why the reader ended.
    async fn end(mut self) -> (Vec<Input>, String) {
        drop(self.datacenter);
        let why = self.reading.await.unwrap();
        let mut inputs = Vec::new();
        while let Some(input) = self.inputs.recv().await {
            inputs.push(input);
        }
        (inputs, why)
    }
}

/// The numbers in what came, and how many the pool had dealt with.
fn numbers(inputs: Vec<Input>) -> (Vec<i64>, usize) {
    let mut opened_before = 0;
    let opened = inputs.into_iter().map(|input| match input {
        Input::Payload(bytes) => Opened::open(&key(), Side::Server, bytes).unwrap(),
        Input::Opened(opened) => {
            opened_before += 1;
            opened.unwrap()
        }
        other => panic!("{other:?}"),
    });
    let numbers = opened.map(|opened| opened.session_id()).collect();
    (numbers, opened_before)
}

fn in_local_set<F: Future<Output = ()>>(paused: bool, test: impl FnOnce() -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(paused)
        .build()
        .unwrap();
    LocalSet::new().block_on(&runtime, test());
}

/// Small messages overtake no large ones, nor these each other, however many threads there are.
#[test]
fn what_comes_stays_in_order() {
    for threads in [0, 1, 3] {
        in_local_set(false, || async move {
            let crypto = match threads {
                0 => CryptoPool::Inline,
                threads => CryptoPool::start(threads).unwrap(),
            };
            let mut rig = rig(crypto).await;
            let mut stream = BytesMut::new();
            for number in 0..150 {
                let packet = message(number, length(number));
                rig.accepted.encode(&packet, &mut stream).unwrap();
            }
            rig.datacenter.write_all(&stream).await.unwrap();
            let (inputs, why) = rig.end().await;
            let (numbers, by_the_pool) = numbers(inputs);
            assert_eq!(numbers, (0..150).collect::<Vec<_>>());
            assert!((30..120).contains(&by_the_pool), "{by_the_pool}");
            assert!(why.contains("closed"), "{why}");
        });
    }
}

/// What came before the stream broke is handed on; then it is said how it broke.
#[test]
fn what_came_before_a_broken_frame_is_handed_on() {
    in_local_set(false, || async {
        let mut rig = rig(CryptoPool::start(2).unwrap()).await;
        let mut stream = BytesMut::new();
        for number in 0..4 {
            let packet = message(number, 100_000);
            rig.accepted.encode(&packet, &mut stream).unwrap();
        }
        rig.datacenter.write_all(&stream).await.unwrap();
        // No length that a frame may have, whatever the obfuscation makes of it.
        rig.datacenter.write_all(&[0xff; 64]).await.unwrap();
        let (inputs, why) = rig.end().await;
        assert_eq!(numbers(inputs).0, [0, 1, 2, 3]);
        assert!(!why.contains("closed"), "{why}");
    });
}

/// S1: one that was tampered with is told in its place; those behind it are the actor's to drop.
#[test]
fn s1_a_large_message_that_was_tampered_with_is_told_in_its_place() {
    in_local_set(false, || async {
        let mut rig = rig(CryptoPool::start(2).unwrap()).await;
        let mut stream = BytesMut::new();
        for number in 0..6 {
            let mut packet = message(number, 50_000);
            packet[40_000] ^= u8::from(number == 3);
            rig.accepted.encode(&packet, &mut stream).unwrap();
        }
        rig.datacenter.write_all(&stream).await.unwrap();
        let (inputs, _) = rig.end().await;
        let sound: Vec<_> = inputs
            .iter()
            .map(|input| matches!(input, Input::Opened(Ok(_))))
            .collect();
        assert_eq!(sound, [true, true, true, false, true, true]);
    });
}

/// While the pool has much to do, the rest stays in the datacenter's buffers, not in ours.
#[test]
fn no_more_is_read_than_the_pool_keeps_up_with() {
    in_local_set(true, || async {
        let crypto = CryptoPool::start(1).unwrap();
        let (release, wait) = std::sync::mpsc::channel::<()>();
        let busy = crypto.clone();
        let blocked = tokio::task::spawn_local(async move {
            busy.run(move || {
                let _ = wait.recv();
            })
            .await
        });
        tokio::task::yield_now().await;
        let mut rig = rig(crypto).await;
        const COUNT: i64 = 40;
        let mut stream = BytesMut::new();
        for number in 0..COUNT {
            let packet = message(number, 500_000);
            rig.accepted.encode(&packet, &mut stream).unwrap();
        }
        let total = stream.len();
        let written = Arc::new(AtomicUsize::new(0));
        let counted = written.clone();
        let (closing, mut datacenter) = tokio::io::duplex(1);
        std::mem::swap(&mut rig.datacenter, &mut datacenter);
        drop(closing);
        let writing = tokio::task::spawn_local(async move {
            for piece in stream.chunks(10_000) {
                datacenter.write_all(piece).await.unwrap();
                counted.fetch_add(piece.len(), Ordering::Relaxed);
            }
        });
        // Virtual time: this passes when nothing else can happen any more.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let read = written.load(Ordering::Relaxed);
        assert!(read > MOST_WAITING / 2, "{read} of {total}");
        assert!(read < MOST_WAITING + 1_200_000, "{read} of {total}");
        drop(release);
        writing.await.unwrap();
        blocked.await.unwrap();
        let (inputs, _) = rig.end().await;
        assert_eq!(numbers(inputs).0, (0..COUNT).collect::<Vec<_>>());
    });
}

/// As the session gives them, packets go out, whether they were encrypted before or are by the pool.
#[test]
fn what_goes_out_stays_in_order() {
    for threads in [0, 1, 3] {
        in_local_set(false, || async move {
            let crypto = match threads {
                0 => CryptoPool::Inline,
                threads => CryptoPool::start(threads).unwrap(),
            };
            let rig = rig(CryptoPool::Inline).await;
            let now = Now {
                monotonic: Duration::from_secs(1),
                unix: Duration::from_secs(1_700_000_000),
            };
            let config = ClientSessionConfig {
                key: key(),
                salt: 0,
                time_offset: 0,
                init: Bytes::new(),
            };
            let random = SeededRandom::from_seed(1);
            let mut session = ClientSession::new(config, now, Box::new(random));
            session.connected(now);
            let (out, packets) = mpsc::unbounded_channel();
            let (mut by_the_pool, mut all) = (0, 0);
            for number in 0..100 {
                // Not to be packed.
                let mut body = vec![0; length(number) / 4 * 4 + 8];
                SeededRandom::from_seed(number as u64).fill(&mut body);
                session.call(now, CallRequest::new(body.into()));
                while let Some(packet) = session.poll_outgoing(now, LARGE) {
                    by_the_pool += usize::from(matches!(packet, Outgoing::Unsealed(_)));
                    all += 1;
                    out.send(packet).unwrap();
                }
            }
            assert!((20..80).contains(&by_the_pool), "{by_the_pool} of {all}");
            drop(out);
            let (mut datacenter, mut accepted) = (rig.datacenter, rig.accepted);
            let writer = Writer {
                to: rig.to,
                transport: rig.sender,
                from: packets,
                crypto,
            };
            let writing = tokio::task::spawn_local(write(Box::new(writer)));
            let mut ids = Vec::new();
            let mut read = BytesMut::new();
            while datacenter.read_buf(&mut read).await.unwrap() > 0 {
                while let Some(frame) = accepted.decode(&mut read).unwrap() {
                    let Frame::Payload { bytes, .. } = frame else {
                        panic!("{frame:?}");
                    };
                    Opened::open(&key(), Side::Client, bytes.clone()).unwrap();
                    ids.push(msg_id(bytes));
                }
            }
            assert_eq!(ids.len(), all);
            assert!(ids.is_sorted(), "{ids:?}");
            assert!(writing.await.unwrap().contains("closed by this side"));
            drop((datacenter, rig.reading));
        });
    }
}

/// The id of a message to the datacenter.
fn msg_id(mut packet: BytesMut) -> i64 {
    message::decrypt(&key(), Side::Client, &mut packet).unwrap();
    i64::from_le_bytes(packet[HEADER + 16..HEADER + 24].try_into().unwrap())
}

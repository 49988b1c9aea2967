//! The two loops around a stream, and what large messages cost: they are encrypted and decrypted in the crypto pool, while
//! these loops keep the order.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use actix::Recipient;
use actogram_crypto::{AuthKey, Side};
use actogram_mtproto::{
    session::{
        Opened, Refused, ToOpen,
        client::{Outgoing, Transmit},
    },
    transport::{ClientReceiver, ClientSender, Frame, FrameError},
};
use bytes::BytesMut;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, WriteHalf},
    sync::{mpsc, oneshot},
};

use super::connection::Received;
use crate::{
    connector::Io,
    crypto_pool::{CryptoPool, Outcome},
};

/// How much is read at once: little while little comes, so that idle accounts cost little, and more each time that all of it
/// was there.
const LITTLE: usize = 1024;
const MUCH: usize = 64 * 1024;

/// From this size on, in bytes, what comes is not little.
const SOME: usize = 4 * 1024;

/// From this size on, in bytes, a message goes to the pool: it takes 15 µs there, two or three times what it costs to hand it
/// over.
pub(super) const LARGE: usize = 16 * 1024;

/// Bytes that wait for the pool, or behind what does, beyond which nothing more is read.
const MOST_WAITING: usize = 4 * 1024 * 1024;

/// The most packets that are made ready to be written together.
const MOST_PACKETS: usize = 16;

/// What came over a stream.
#[derive(Debug)]
pub(crate) enum Input {
    /// An encrypted payload.
    Payload(BytesMut),
    /// One that the pool has dealt with.
    Opened(Result<Opened, Refused>),
    /// A quick acknowledgement.
    QuickAck(u32),
    /// A transport error.
    Error(i32),
}

/// What came and was not handed on yet.
struct Waiting {
    input: Progress,
    size: usize,
}

enum Progress {
    Here(Input),
    InPool(oneshot::Receiver<Result<Opened, Refused>>),
}

/// The reading end of a stream.
pub(super) struct Reader {
    pub(super) from: ReadHalf<Box<dyn Io>>,
    pub(super) transport: ClientReceiver,
    /// The session's key.
    pub(super) key: Option<Arc<AuthKey>>,
    pub(super) crypto: CryptoPool,
    pub(super) to: Recipient<Received>,
    pub(super) epoch: u64,
    /// How long to wait after each read.
    pub(super) pause: Box<dyn Fn() -> Option<Duration>>,
}

/// Reads until the stream ends; says why it did. The next read waits until the actor has dealt with the last one, and a
/// little more while handlers do not keep up with queries, so that a fast server fills its own buffers and not ours.
///
/// The reader is in a box since a future has room for what it is given and once more for where that is moved to.
pub(super) async fn read(mut reader: Box<Reader>) -> String {
    let mut waiting = VecDeque::new();
    let (mut size, mut room) = (0, LITTLE);
    let mut ended = None;
    loop {
        tokio::select! {
            biased;
            here = first_of(&mut waiting), if !waiting.is_empty() => {
                if !here {
                    return "the crypto pool failed".to_owned();
                }
            }
            read = reader.from.read_buf(reader.transport.buffer(room)),
                if ended.is_none() && size < MOST_WAITING =>
            {
                match read {
                    Ok(0) => ended = Some("the other side closed the connection".to_owned()),
                    Ok(count) => room = room_after(count, room),
                    Err(error) => ended = Some(error.to_string()),
                }
                if let Err(error) = reader.sort(&mut waiting) {
                    ended.get_or_insert_with(|| error.to_string());
                }
            }
        }
        let mut inputs = Vec::new();
        while waiting.front().is_some_and(Waiting::is_here)
            && let Some(Waiting {
                input: Progress::Here(input),
                ..
            }) = waiting.pop_front()
        {
            inputs.push(input);
        }
        size = waiting.iter().map(|waiting| waiting.size).sum();
        let all = waiting.is_empty();
        // Nothing whole is news as well: something comes.
        if ended.is_none() || !inputs.is_empty() {
            let received = Received {
                epoch: reader.epoch,
                inputs,
            };
            if reader.to.send(received).await.is_err() {
                return "the connection's actor failed".to_owned();
            }
        }
        if all && let Some(why) = ended {
            return why;
        }
        if let Some(pause) = (reader.pause)() {
            room = LITTLE;
            tokio::time::sleep(pause).await;
        }
    }
}

/// How much to read at once after so many bytes came of those there was room for.
fn room_after(count: usize, room: usize) -> usize {
    if count >= room {
        (4 * room).min(MUCH)
    } else if count >= SOME {
        room
    } else {
        LITTLE
    }
}

/// Waits until the first is here; whether it came.
async fn first_of(waiting: &mut VecDeque<Waiting>) -> bool {
    let Some(first) = waiting.front_mut() else {
        return false;
    };
    if let Progress::InPool(outcome) = &mut first.input {
        match outcome.await {
            Ok(opened) => first.input = Progress::Here(Input::Opened(opened)),
            Err(_) => return false,
        }
    }
    true
}

impl Waiting {
    fn is_here(&self) -> bool {
        matches!(self.input, Progress::Here(_))
    }
}

impl Reader {
    /// Takes the frames out of what was read.
    fn sort(&mut self, waiting: &mut VecDeque<Waiting>) -> Result<(), FrameError> {
        while let Some(frame) = self.transport.decode()? {
            let (input, size) = match frame {
                Frame::Payload { bytes, .. } => {
                    let size = bytes.len();
                    (self.payload(bytes), size)
                }
                Frame::QuickAck(token) => (Progress::Here(Input::QuickAck(token)), 0),
                Frame::Error(code) => (Progress::Here(Input::Error(code)), 0),
                other => {
                    tracing::debug!(?other, "a frame of an unknown kind was ignored");
                    continue;
                }
            };
            waiting.push_back(Waiting { input, size });
        }
        Ok(())
    }

    fn payload(&self, bytes: BytesMut) -> Progress {
        let ours = |key: &&Arc<AuthKey>| bytes.starts_with(&key.id().to_le_bytes());
        let Some(key) = self
            .key
            .as_ref()
            .filter(ours)
            .filter(|_| bytes.len() >= LARGE)
        else {
            return Progress::Here(Input::Payload(bytes));
        };
        let message = ToOpen::new(key.clone(), Side::Server, bytes);
        match self.crypto.open(message) {
            Outcome::Ready(opened) => Progress::Here(Input::Opened(opened)),
            Outcome::Waiting(outcome) => Progress::InPool(outcome),
        }
    }
}

/// The writing end of a stream.
pub(super) struct Writer {
    pub(super) to: WriteHalf<Box<dyn Io>>,
    pub(super) transport: ClientSender,
    pub(super) from: mpsc::UnboundedReceiver<Outgoing>,
    pub(super) crypto: CryptoPool,
}

/// Writes what comes until the channel ends or the stream does; says why. In a box as the [reader](read).
pub(super) async fn write(mut writer: Box<Writer>) -> String {
    let Writer {
        to,
        transport,
        from,
        crypto,
    } = &mut *writer;
    while let Some(first) = from.recv().await {
        let mut packets = vec![first];
        while packets.len() < MOST_PACKETS
            && let Ok(next) = from.try_recv()
        {
            packets.push(next);
        }
        // The large ones are in the pool together.
        let payloads: Vec<_> = packets
            .into_iter()
            .map(|packet| match packet {
                Outgoing::Sealed(Transmit { payload, quick_ack }) => {
                    (Outcome::Ready(payload), quick_ack)
                }
                Outgoing::Unsealed(packet) => (crypto.seal(packet), false),
            })
            .collect();
        let mut out = BytesMut::new();
        for (payload, quick_ack) in payloads {
            let Some(payload) = payload.get().await else {
                return "the crypto pool failed".to_owned();
            };
            let quick_ack = quick_ack && transport.kind().supports_quick_ack();
            if let Err(error) = transport.encode(&payload, quick_ack, &mut out) {
                return error.to_string();
            }
            // Large ones one by one: while one is written, the pool is at the next.
            if out.len() >= MUCH {
                if let Err(error) = to.write_all(&out).await {
                    return error.to_string();
                }
                out.clear();
            }
        }
        if let Err(error) = to.write_all(&out).await {
            return error.to_string();
        }
        // Flushed when nothing more is waiting, so that many small packets become few segments.
        if from.is_empty()
            && let Err(error) = to.flush().await
        {
            return error.to_string();
        }
    }
    // The connection is being closed: what was written must still arrive.
    let _ = to.shutdown().await;
    "it was closed by this side".to_owned()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

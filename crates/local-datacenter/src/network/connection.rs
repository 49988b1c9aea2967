//! One connection of a client, from its first byte to its end.

use std::{net::IpAddr, sync::Arc, time::Duration};

use actogram_mtproto::{
    handshake::{
        Rejection,
        plain_message::is_plain,
        server::{ServerHandshake, ServerHandshakeConfig, Transmit},
    },
    transport::{AcceptedObfuscation, Frame, ServerTransport},
};
use bytes::{Buf, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    task::JoinHandle,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::{
    faults::{Direction, Passage, Wire, WireFault},
    hub::{Close, Hub, Opening},
};

/// Bytes waiting to be written beyond which nothing more is taken from the sessions.
const WRITE_BUFFER: usize = 512 * 1024;

/// A client that takes none of the waiting bytes for this long is cut.
const STALLED: Duration = Duration::from_secs(60);

/// A connection that is silent for this long is cut; clients ping every minute.
const SILENT: Duration = Duration::from_secs(15 * 60);

const READ_AT_A_TIME: usize = 64 * 1024;

/// Serves one connection until it ends.
pub(crate) async fn serve<S>(
    hub: Arc<Hub>,
    stream: S,
    dc_id: i32,
    address: IpAddr,
    parent: CancellationToken,
) where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let fault = hub.faults.take();
    if fault == Some(WireFault::Refuse) {
        return;
    }
    let opening = hub.open(&parent);
    let (id, cancel) = (opening.id, opening.cancel.clone());
    let mut connection = Served::new(hub.clone(), opening, dc_id, address, fault);
    tokio::select! {
        () = connection.run(stream) => {}
        () = cancel.cancelled() => {}
    }
    hub.close(id);
}

type Jobs = JoinHandle<actogram_mtproto::handshake::JobResult>;

struct Served {
    hub: Arc<Hub>,
    id: u64,
    dc_id: i32,
    address: IpAddr,
    wake: Arc<tokio::sync::Notify>,
    transport: ServerTransport,
    handshake: ServerHandshake,
    job: Option<Jobs>,
    wire: Wire,
    /// Ready to be written.
    out: BytesMut,
    /// The last thing to do is to write what is ready.
    closing: bool,
    deaf: bool,
    mute: bool,
}

impl Served {
    fn new(
        hub: Arc<Hub>,
        opening: Opening,
        dc_id: i32,
        address: IpAddr,
        fault: Option<WireFault>,
    ) -> Self {
        let accepted = AcceptedObfuscation {
            replay_guard: Some(Box::new(hub.seen_headers.clone())),
            ..AcceptedObfuscation::default()
        };
        let keys = hub.clone();
        let mut config =
            ServerHandshakeConfig::new(hub.keys.clone(), dc_id, move |key| keys.key_exists(key));
        // Test servers and media connections are other forms of the same number.
        config.dcs = vec![dc_id, -dc_id, dc_id + 10_000, -(dc_id + 10_000)];
        config.slots = Some((hub.slots.clone(), address));
        Self {
            transport: ServerTransport::new(accepted, opening.transport_random),
            handshake: ServerHandshake::new(config, opening.random),
            id: opening.id,
            wake: opening.wake,
            hub,
            dc_id,
            address,
            job: None,
            wire: Wire::new(fault),
            out: BytesMut::new(),
            closing: false,
            deaf: false,
            mute: false,
        }
    }

    async fn run<S: AsyncRead + AsyncWrite + Unpin>(&mut self, stream: S) {
        let (mut reader, mut writer) = tokio::io::split(stream);
        let mut read = BytesMut::with_capacity(READ_AT_A_TIME);
        let mut last_read = Instant::now();
        let mut last_write = Instant::now();
        loop {
            self.fill();
            if self.closing && self.out.is_empty() {
                break;
            }
            if self.out.is_empty() {
                last_write = Instant::now();
            }
            let (look, disconnect) = self.deadlines(last_read, last_write);
            tokio::select! {
                received = reader.read_buf(&mut read), if !self.closing => match received {
                    Ok(0) | Err(_) => break,
                    Ok(_) => {
                        last_read = Instant::now();
                        if !self.receive(&mut read) {
                            break;
                        }
                    }
                },
                written = write_some(&mut writer, &self.out, self.wire.throttle()), if !self.out.is_empty() => match written {
                    Ok(0) | Err(_) => break,
                    Ok(count) => {
                        last_write = Instant::now();
                        self.out.advance(count);
                    }
                },
                result = finished(&mut self.job), if self.job.is_some() => {
                    self.job = None;
                    let Some(result) = result else { break };
                    log_rejection(self.handshake.handle_job(self.hub.clock.now(), result));
                    self.advance_handshake();
                }
                () = self.wake.notified() => {}
                () = sleep_until(look) => {
                    self.handshake.handle_timeout(self.hub.clock.now());
                    self.advance_handshake();
                }
                () = sleep_until(disconnect) => break,
            }
        }
        // A client that closes its half may still read what was said last; one that is gone does not matter.
        let _ = writer.shutdown().await;
    }

    fn deadlines(&self, last_read: Instant, last_write: Instant) -> (Instant, Instant) {
        let (look, disconnect) = self.hub.deadline(self.id);
        let far = last_read + SILENT;
        let clock = &self.hub.clock;
        let look = [look, self.handshake.poll_timeout()]
            .into_iter()
            .flatten()
            .min();
        let mut end = disconnect.map_or(far, |at| clock.instant(at)).min(far);
        if !self.out.is_empty() {
            end = end.min(last_write + STALLED);
        }
        (look.map_or(far, |at| clock.instant(at)), end)
    }

    /// Takes what was read; `false` ends the connection.
    fn receive(&mut self, read: &mut BytesMut) -> bool {
        if self.deaf {
            read.clear();
            return true;
        }
        match self.wire.pass(Direction::ToServer, read) {
            Passage::All => {}
            Passage::ThenCut(left) => {
                read.truncate(left);
                self.decode(read);
                return false;
            }
            Passage::ThenNothing(left) => {
                read.truncate(left);
                self.deaf = true;
            }
        }
        self.decode(read)
    }

    fn decode(&mut self, read: &mut BytesMut) -> bool {
        loop {
            match self.transport.decode(read) {
                Ok(None) => return true,
                Ok(Some(Frame::Payload {
                    bytes,
                    quick_ack_requested,
                })) => {
                    if !self.handle_payload(bytes, quick_ack_requested) {
                        return true;
                    }
                }
                Ok(Some(_)) => {}
                Err(error) => {
                    tracing::debug!(%error, "a stream was no MTProto");
                    return false;
                }
            }
        }
    }

    /// `false`: nothing after this payload counts.
    fn handle_payload(&mut self, payload: BytesMut, quick_ack: bool) -> bool {
        if is_plain(&payload) {
            log_rejection(
                self.handshake
                    .handle_input(self.hub.clock.now(), payload.freeze()),
            );
            self.advance_handshake();
            return true;
        }
        match self
            .hub
            .handle_payload(self.id, self.dc_id, self.address, payload)
        {
            Ok(token) => {
                if quick_ack {
                    let mut encoded = BytesMut::new();
                    if self.transport.encode_quick_ack(token, &mut encoded).is_ok() {
                        self.send(encoded);
                    }
                }
                true
            }
            Err(close) => {
                if let Close::Error(code) = close {
                    let mut encoded = BytesMut::new();
                    if self.transport.encode_error(code, &mut encoded).is_ok() {
                        self.send(encoded);
                    }
                }
                self.closing = true;
                false
            }
        }
    }

    fn advance_handshake(&mut self) {
        if self.hub.inline_crypto {
            log_rejection(self.handshake.run_jobs(self.hub.clock.now()));
        } else if self.job.is_none()
            && let Some(job) = self.handshake.poll_job()
        {
            self.job = Some(tokio::task::spawn_blocking(move || job.run()));
        }
        while let Some(new) = self.handshake.poll_output() {
            if !self.hub.add_key(&new) {
                self.closing = true;
                return;
            }
        }
        while let Some(transmit) = self.handshake.poll_transmit() {
            let mut encoded = BytesMut::new();
            let done = match transmit {
                Transmit::Payload(payload) => self.transport.encode(&payload, &mut encoded),
                Transmit::Error(code) => self.transport.encode_error(code, &mut encoded),
                _ => Ok(()),
            };
            match done {
                Ok(()) => self.send(encoded),
                Err(error) => {
                    tracing::error!(%error, "an answer of the key exchange could not be framed")
                }
            }
        }
    }

    /// Takes packets from the sessions while there is room.
    fn fill(&mut self) {
        let room = WRITE_BUFFER.saturating_sub(self.out.len());
        if room == 0 || self.closing {
            return;
        }
        for packet in self.hub.transmit(self.id, room) {
            let mut encoded = BytesMut::new();
            match self.transport.encode(&packet, &mut encoded) {
                Ok(()) => self.send(encoded),
                Err(error) => tracing::error!(%error, "a packet could not be framed"),
            }
        }
    }

    fn send(&mut self, mut bytes: BytesMut) {
        if self.mute {
            return;
        }
        match self.wire.pass(Direction::ToClient, &mut bytes) {
            Passage::All => {}
            Passage::ThenCut(left) => {
                bytes.truncate(left);
                self.closing = true;
                self.mute = true;
            }
            Passage::ThenNothing(left) => {
                bytes.truncate(left);
                self.mute = true;
            }
        }
        self.out.unsplit(bytes);
    }
}

/// The client is told by a transport error that the exchange has queued already.
fn log_rejection(refused: Result<(), Rejection>) {
    if let Err(rejection) = refused {
        tracing::debug!(%rejection, "a key exchange was refused");
    }
}

async fn write_some<W: AsyncWrite + Unpin>(
    writer: &mut W,
    out: &BytesMut,
    throttle: Option<(usize, Duration)>,
) -> std::io::Result<usize> {
    match throttle {
        None => writer.write(out).await,
        Some((bytes, pause)) => {
            tokio::time::sleep(pause).await;
            writer.write(&out[..bytes.min(out.len())]).await
        }
    }
}

async fn finished(job: &mut Option<Jobs>) -> Option<actogram_mtproto::handshake::JobResult> {
    match job {
        Some(job) => job.await.ok(),
        None => std::future::pending().await,
    }
}

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
    time::{Instant, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    attack::Sent,
    faults::{Direction, Passage, Wire, WireFault},
    hub::{Close, Hub, Opening},
    payloads::{Payload, Payloads},
    site::Site,
};

/// Bytes waiting to be written beyond which nothing more is taken from the sessions.
const WRITE_BUFFER: usize = 512 * 1024;

/// Bytes waiting to be written beyond which nothing more is read: a client that does not listen may not ask.
const READ_NO_MORE: usize = 1024 * 1024;

/// A client that takes none of the waiting bytes for this long is cut.
const STALLED: Duration = Duration::from_secs(60);

/// A connection that is silent for this long is cut; clients ping every minute.
const SILENT: Duration = Duration::from_secs(15 * 60);

/// A connection over which nothing whole has come by then is cut.
const FIRST_PAYLOAD: Duration = Duration::from_secs(60);

/// How long the last bytes may take, and how long the client may then take to close its side.
const LAST_BYTES: Duration = Duration::from_secs(2);

const READ_AT_A_TIME: usize = 16 * 1024;

/// Serves one connection until it ends, or until `stop` ends it in order.
pub(crate) async fn serve<S>(
    hub: Arc<Hub>,
    stream: S,
    site: Arc<Site>,
    address: IpAddr,
    stop: CancellationToken,
) where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let fault = hub.faults.take();
    if fault == Some(WireFault::Refuse) {
        return;
    }
    let opening = hub.open(address, site.endpoint.role);
    let (id, cancel) = (opening.id, opening.cancel.clone());
    let mut connection = Served::new(hub.clone(), opening, site, address, fault);
    tokio::select! {
        () = connection.run(stream, stop) => {}
        () = cancel.cancelled() => {}
    }
    hub.close(id);
}

type Jobs = JoinHandle<actogram_mtproto::handshake::JobResult>;

struct Served {
    hub: Arc<Hub>,
    id: u64,
    site: Arc<Site>,
    address: IpAddr,
    wake: Arc<tokio::sync::Notify>,
    transport: ServerTransport,
    handshake: ServerHandshake,
    job: Option<Jobs>,
    wire: Wire,
    payloads: Payloads,
    /// Ready to be written.
    out: BytesMut,
    /// Throttled: when the next bytes may go.
    write_at: Instant,
    /// The last thing to do is to write what is ready, by then.
    closing: Option<Instant>,
    heard: bool,
    deaf: bool,
    mute: bool,
    /// The first payload is answered with this transport error.
    refusal: Option<i32>,
}

impl Served {
    fn new(
        hub: Arc<Hub>,
        opening: Opening,
        site: Arc<Site>,
        address: IpAddr,
        fault: Option<WireFault>,
    ) -> Self {
        let accepted = AcceptedObfuscation {
            replay_guard: Some(Box::new(hub.seen_headers.clone())),
            ..AcceptedObfuscation::default()
        };
        let keys = hub.clone();
        let mut config =
            ServerHandshakeConfig::new(vec![site.key()], site.endpoint.dc_id, move |key| {
                keys.key_exists(key)
            });
        config.dcs.clone_from(&site.dcs);
        config.slots = Some((hub.slots.clone(), address));
        Self {
            transport: ServerTransport::new(accepted, opening.transport_random),
            handshake: ServerHandshake::new(config, opening.random),
            id: opening.id,
            wake: opening.wake,
            refusal: match &fault {
                Some(WireFault::TransportError(code)) => Some(*code),
                _ => None,
            },
            hub,
            site,
            address,
            job: None,
            wire: Wire::new(fault.clone()),
            payloads: Payloads::new(fault),
            out: BytesMut::new(),
            write_at: Instant::now(),
            closing: None,
            heard: false,
            deaf: false,
            mute: false,
        }
    }

    async fn run<S: AsyncRead + AsyncWrite + Unpin>(&mut self, stream: S, stop: CancellationToken) {
        let (mut reader, mut writer) = tokio::io::split(stream);
        let mut read = BytesMut::with_capacity(READ_AT_A_TIME);
        let mut last_read = Instant::now();
        let mut last_write = Instant::now();
        let mut nothing_to_write = true;
        loop {
            self.fill();
            if self.closing.is_some() && self.out.is_empty() {
                break;
            }
            // Time that passed while there was nothing to write does not count as a stall.
            if nothing_to_write || self.out.is_empty() {
                last_write = Instant::now();
            }
            nothing_to_write = self.out.is_empty();
            let (look, disconnect) = self.deadlines(last_read, last_write);
            let listening = self.closing.is_none() && self.out.len() < READ_NO_MORE;
            read.reserve(READ_AT_A_TIME);
            tokio::select! {
                received = reader.read_buf(&mut read), if listening => match received {
                    Ok(0) | Err(_) => return,
                    Ok(_) => {
                        last_read = Instant::now();
                        self.receive(&mut read);
                    }
                },
                written = write_some(&mut writer, &self.out, self.write_at, self.wire.throttle()), if !self.out.is_empty() => match written {
                    Ok(0) | Err(_) => return,
                    Ok(count) => {
                        last_write = Instant::now();
                        if let Some((_, pause)) = self.wire.throttle() {
                            self.write_at = last_write + pause;
                        }
                        self.out.advance(count);
                    }
                },
                result = finished(&mut self.job), if self.job.is_some() => {
                    self.job = None;
                    let Some(result) = result else { return };
                    log_rejection(self.handshake.handle_job(self.hub.clock.now(), result));
                    self.advance_handshake();
                }
                () = self.wake.notified() => {}
                () = stop.cancelled(), if self.closing.is_none() => {
                    // What is answered already still goes out.
                    self.fill();
                    self.close();
                }
                () = sleep_until(look) => {
                    self.handshake.handle_timeout(self.hub.clock.now());
                    self.advance_handshake();
                    self.let_pass();
                }
                () = sleep_until(disconnect) => return,
            }
        }
        // Closing a socket with unread input takes back what the client has not read yet: its last bytes are awaited.
        if writer.shutdown().await.is_ok() && !self.mute {
            let until_closed = async {
                while reader
                    .read_buf(&mut read)
                    .await
                    .is_ok_and(|count| count > 0)
                {
                    read.clear();
                }
            };
            let _ = timeout(LAST_BYTES, until_closed).await;
        }
    }

    fn close(&mut self) {
        self.closing
            .get_or_insert_with(|| Instant::now() + LAST_BYTES);
    }

    fn deadlines(&self, last_read: Instant, last_write: Instant) -> (Instant, Instant) {
        let (look, disconnect) = self.hub.deadline(self.id);
        let silent = if self.heard { SILENT } else { FIRST_PAYLOAD };
        let far = last_read + silent;
        let clock = &self.hub.clock;
        let look = [look, self.handshake.poll_timeout()]
            .into_iter()
            .flatten()
            .map(|at| clock.instant(at))
            .chain(self.payloads.due())
            .min();
        let mut end = disconnect.map_or(far, |at| clock.instant(at)).min(far);
        if !self.out.is_empty() {
            end = end.min(last_write + STALLED);
        }
        if let Some(closing) = self.closing {
            end = end.min(closing);
        }
        (look.unwrap_or(far), end)
    }

    /// Takes what was read.
    fn receive(&mut self, read: &mut BytesMut) {
        if self.deaf {
            return read.clear();
        }
        let passage = self.wire.pass(Direction::ToServer, read);
        match passage {
            Passage::All => {}
            Passage::ThenCut(left) | Passage::ThenNothing(left) => {
                read.truncate(left);
                self.deaf = true;
            }
        }
        self.decode(read);
        if matches!(passage, Passage::ThenCut(_)) {
            self.cut();
        }
    }

    /// Ends the connection as if somebody had cut it: nothing more is said.
    fn cut(&mut self) {
        self.close();
        self.mute = true;
    }

    fn decode(&mut self, read: &mut BytesMut) {
        loop {
            match self.transport.decode(read) {
                Ok(None) => break,
                Ok(Some(Frame::Payload {
                    bytes,
                    quick_ack_requested,
                })) => {
                    if self.site.endpoint.tcpo_only && !self.transport.is_obfuscated() {
                        tracing::debug!(
                            "a stream that is not obfuscated came where only such are taken"
                        );
                        self.cut();
                        break;
                    }
                    self.heard = true;
                    let payload = Payload {
                        bytes,
                        quick_ack: quick_ack_requested,
                    };
                    self.payloads
                        .put(Direction::ToServer, payload, Instant::now());
                }
                Ok(Some(_)) => {}
                Err(error) => {
                    tracing::debug!(%error, "a stream was no MTProto");
                    // Nothing is said to whoever only tries.
                    self.out.clear();
                    self.cut();
                    break;
                }
            }
        }
        self.let_pass();
    }

    /// Lets payloads go whose time has come, in both directions.
    fn let_pass(&mut self) {
        let now = Instant::now();
        while self.closing.is_none()
            && let Some(payload) = self.payloads.next(Direction::ToServer, now)
        {
            self.handle_payload(payload);
        }
        while let Some(payload) = self.payloads.next(Direction::ToClient, now) {
            let mut encoded = BytesMut::new();
            match self.transport.encode(&payload.bytes, &mut encoded) {
                Ok(()) => self.send(encoded),
                Err(error) => tracing::error!(%error, "a payload could not be framed"),
            }
        }
        if self.payloads.is_cut() {
            self.cut();
        }
    }

    fn handle_payload(&mut self, payload: Payload) {
        let Payload { bytes, quick_ack } = payload;
        if let Some(code) = self.refusal {
            self.send_error(code);
            return self.close();
        }
        if is_plain(&bytes) {
            log_rejection(
                self.handshake
                    .handle_input(self.hub.clock.now(), bytes.freeze()),
            );
            return self.advance_handshake();
        }
        let handled = self
            .hub
            .handle_payload(self.id, self.site.endpoint, self.address, bytes);
        match handled {
            Ok(Some(token)) if quick_ack => {
                let mut encoded = BytesMut::new();
                if self.transport.encode_quick_ack(token, &mut encoded).is_ok() {
                    self.send(encoded);
                }
            }
            Ok(_) => {}
            Err(close) => {
                if let Close::Error(code) = close {
                    self.send_error(code);
                }
                self.close();
            }
        }
    }

    fn send_error(&mut self, code: i32) {
        let mut encoded = BytesMut::new();
        match self.transport.encode_error(code, &mut encoded) {
            Ok(()) => self.send(encoded),
            Err(error) => tracing::error!(%error, "a transport error could not be framed"),
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
            if !self.hub.add_key(self.site.endpoint.dc_id, &new) {
                return self.close();
            }
        }
        while let Some(transmit) = self.handshake.poll_transmit() {
            match transmit {
                Transmit::Payload(payload) => {
                    self.payloads.put(
                        Direction::ToClient,
                        Payload::from(BytesMut::from(payload)),
                        Instant::now(),
                    );
                    self.let_pass();
                }
                Transmit::Error(code) => self.send_error(code),
                _ => {}
            }
        }
    }

    /// Takes packets from the sessions while there is room.
    fn fill(&mut self) {
        let room = WRITE_BUFFER.saturating_sub(self.out.len());
        if room == 0 || self.closing.is_some() {
            return;
        }
        let (sent, last) = self.hub.transmit(self.id, room);
        for sent in sent {
            match sent {
                Sent::Packet(packet) => {
                    self.payloads.put(
                        Direction::ToClient,
                        Payload::from(BytesMut::from(packet)),
                        Instant::now(),
                    );
                }
                Sent::Error(code) => {
                    self.let_pass();
                    self.send_error(code);
                }
                Sent::Raw(bytes) => {
                    self.let_pass();
                    self.send(bytes.into());
                }
            }
        }
        self.let_pass();
        if last {
            self.close();
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
                self.cut();
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
    not_before: Instant,
    throttle: Option<(usize, Duration)>,
) -> std::io::Result<usize> {
    match throttle {
        None => writer.write(out).await,
        Some((bytes, _)) => {
            sleep_until(not_before).await;
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

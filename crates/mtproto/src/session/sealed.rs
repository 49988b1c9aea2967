//! Payloads apart from their sessions. To decrypt or encrypt a large one takes as long as hundreds of small ones, and needs
//! nothing of its session but the key: it can be done on another thread, and several of different sessions side by side.
//! Their order is kept by whoever moves them.

use std::{fmt, sync::Arc};

use actogram_crypto::{
    AuthKey, Side,
    message::{self, Packet},
};
use bytes::{Bytes, BytesMut};

use super::{Refused, envelope::Envelope};

/// A payload to be decrypted.
pub struct ToOpen {
    key: Arc<AuthKey>,
    from: Side,
    packet: BytesMut,
}

impl ToOpen {
    /// A payload of the transport, made by that side with this key.
    pub fn new(key: Arc<AuthKey>, from: Side, packet: BytesMut) -> Self {
        Self { key, from, packet }
    }

    /// Decrypts it and checks everything that does not depend on the state of a session.
    ///
    /// # Errors
    /// [`Refused`]: close the connection.
    pub fn open(self) -> Result<Opened, Refused> {
        Opened::open(&self.key, self.from, self.packet)
    }

    /// [`open`](Self::open) for any number of payloads, side by side where the processor can. The results are in their
    /// order; one that is refused does not disturb the others.
    pub fn open_all(mut payloads: Vec<Self>) -> Vec<Result<Opened, Refused>> {
        if payloads.len() < 2 {
            return payloads.into_iter().map(Self::open).collect();
        }
        let mut packets: Vec<_> = payloads
            .iter_mut()
            .map(|ToOpen { key, from, packet }| Packet {
                key,
                from: *from,
                packet,
            })
            .collect();
        let checked = message::decrypt_batch(&mut packets);
        let all = payloads.into_iter().zip(checked);
        all.map(|(ToOpen { key, from, packet }, checked)| {
            let quick_ack = checked.map_err(|_| Refused::Payload)?;
            Opened::new(&key, from, packet, quick_ack)
        })
        .collect()
    }
}

impl fmt::Debug for ToOpen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug(f, "ToOpen", &self.key, self.from, self.packet.len())
    }
}

/// A decrypted payload that somebody made who knew the key. What it says is not known to be new, or in time, or to belong to
/// a session: that is for its session to tell.
#[derive(Clone)]
pub struct Opened {
    pub(super) envelope: Envelope,
    pub(super) key_id: i64,
    pub(super) from: Side,
    quick_ack: u32,
}

impl Opened {
    /// Decrypts a payload that this side made with this key.
    ///
    /// # Errors
    /// [`Refused`]: close the connection, and tell the other side nothing.
    pub fn open(key: &AuthKey, from: Side, mut packet: BytesMut) -> Result<Self, Refused> {
        let quick_ack = message::decrypt(key, from, &mut packet).map_err(|_| Refused::Payload)?;
        Self::new(key, from, packet, quick_ack)
    }

    /// `packet` was decrypted, and its `msg_key` fits.
    fn new(key: &AuthKey, from: Side, packet: BytesMut, quick_ack: u32) -> Result<Self, Refused> {
        Ok(Self {
            envelope: Envelope::parse(packet.freeze())?,
            key_id: key.id(),
            from,
            quick_ack,
        })
    }

    /// The session it belongs to. To a server, one that is not known yet begins with it.
    pub fn session_id(&self) -> i64 {
        self.envelope.session_id
    }

    /// What a client that asked for a quick acknowledgement gets.
    pub fn quick_ack(&self) -> u32 {
        self.quick_ack
    }
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened")
            .field("from", &self.from)
            .field("session_id", &self.envelope.session_id)
            .field("msg_id", &self.envelope.msg_id)
            .field("length", &self.envelope.body.len())
            .finish_non_exhaustive()
    }
}

/// A payload to be encrypted: all of it is there, padding and room for the header included.
pub struct ToSeal {
    key: Arc<AuthKey>,
    from: Side,
    packet: BytesMut,
}

impl ToSeal {
    pub(super) fn new(key: Arc<AuthKey>, from: Side, packet: BytesMut) -> Self {
        Self { key, from, packet }
    }

    /// Bytes it takes in a frame.
    pub fn size(&self) -> usize {
        self.packet.len()
    }

    /// Encrypts it: the payload for the transport.
    pub fn seal(self) -> Bytes {
        self.seal_with_token().0
    }

    /// The payload, and the token by which it is acknowledged quickly.
    pub(super) fn seal_with_token(mut self) -> (Bytes, u32) {
        let token = message::encrypt(&self.key, self.from, &mut self.packet);
        (self.packet.freeze(), token)
    }

    /// [`seal`](Self::seal) for any number of payloads, side by side where the processor can. They stay in their order.
    pub fn seal_all(mut payloads: Vec<Self>) -> Vec<Bytes> {
        if payloads.len() < 2 {
            return payloads.into_iter().map(Self::seal).collect();
        }
        let mut packets: Vec<_> = payloads
            .iter_mut()
            .map(|ToSeal { key, from, packet }| Packet {
                key,
                from: *from,
                packet,
            })
            .collect();
        message::encrypt_batch(&mut packets);
        let sealed = payloads.into_iter().map(|payload| payload.packet.freeze());
        sealed.collect()
    }
}

impl fmt::Debug for ToSeal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug(f, "ToSeal", &self.key, self.from, self.packet.len())
    }
}

/// What is inside is nobody's business.
fn debug(
    f: &mut fmt::Formatter<'_>,
    name: &str,
    key: &AuthKey,
    from: Side,
    length: usize,
) -> fmt::Result {
    f.debug_struct(name)
        .field("key", key)
        .field("from", &from)
        .field("length", &length)
        .finish()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::Duration;

    use actogram_crypto::random::{Random, SeededRandom};
    use actogram_tl::{Decode, Encode, enums, types};

    use super::*;
    use crate::{
        Now,
        session::{
            ServerSalts,
            client::{CallRequest, ClientSession, ClientSessionConfig, Event, Outgoing},
            server::{self, ServerSession},
        },
        transport::{AcceptedObfuscation, ClientTransport, Frame, Kind, ServerTransport},
    };

    const NOW: Now = Now {
        monotonic: Duration::from_secs(10),
        unix: Duration::from_secs(1_700_000_000),
    };

    fn key(number: u8) -> Arc<AuthKey> {
        Arc::new(AuthKey::new(std::array::from_fn(|at| at as u8 ^ number)))
    }

    fn client(key: Arc<AuthKey>) -> ClientSession {
        let config = ClientSessionConfig {
            key,
            salt: 5,
            time_offset: 0,
            init: Bytes::new(),
        };
        let random = SeededRandom::from_seed(1);
        let mut session = ClientSession::new(config, NOW, Box::new(random));
        session.connected(NOW);
        session
    }

    fn noise(length: usize) -> Bytes {
        let mut bytes = vec![0; length];
        SeededRandom::from_seed(length as u64).fill(&mut bytes);
        bytes.into()
    }

    /// Calls large and small go out and are answered, all cryptography done outside of both sessions and in one batch.
    #[test]
    fn sessions_work_with_cryptography_done_elsewhere() {
        let key = key(1);
        let mut client = client(key.clone());
        let bodies = [noise(20_000), noise(64), noise(100_000), noise(16_384)];
        let mut packets = Vec::new();
        for body in &bodies {
            client.call(NOW, CallRequest::new(body.clone()));
            while let Some(outgoing) = client.poll_outgoing(NOW, 16 * 1024) {
                match outgoing {
                    Outgoing::Sealed(transmit) => {
                        assert!(transmit.payload.len() < 16 * 1024);
                        packets.push(BytesMut::from(transmit.payload));
                    }
                    Outgoing::Unsealed(packet) => {
                        let size = packet.size();
                        assert!(size >= 16 * 1024);
                        let sealed = ToSeal::seal_all(vec![packet]).remove(0);
                        assert_eq!(sealed.len(), size);
                        packets.push(BytesMut::from(sealed));
                    }
                }
            }
        }

        let to_open = packets.into_iter();
        let to_open = to_open.map(|packet| ToOpen::new(key.clone(), Side::Client, packet));
        let mut opened = ToOpen::open_all(to_open.collect())
            .into_iter()
            .map(Result::unwrap)
            .peekable();
        let id = opened.peek().unwrap().session_id();
        let random = SeededRandom::from_seed(2);
        let mut server = ServerSession::new(key.clone(), id, Box::new(random));
        let salts = &mut ServerSalts::new(NOW.unix_seconds(), 5);
        server.attached();
        for opened in opened {
            server.handle_input(NOW, opened, salts);
        }
        let mut carried_out = Vec::new();
        while let Some(event) = server.poll_event() {
            if let server::Event::Call { msg_id, body } = event {
                server.answer(NOW, msg_id, &body);
                carried_out.push(body);
            }
        }
        assert_eq!(carried_out, bodies);

        let unsealed = std::iter::from_fn(|| server.poll_unsealed(NOW, salts)).collect();
        for packet in ToSeal::seal_all(unsealed) {
            let packet = ToOpen::new(key.clone(), Side::Server, packet.into());
            client.handle_opened(NOW, packet.open().unwrap()).unwrap();
        }
        let mut answers = Vec::new();
        while let Some(event) = client.poll_event() {
            if let Event::Answer { body, .. } = event {
                answers.push(body);
            }
        }
        assert_eq!(answers, bodies);
    }

    /// A quick acknowledgement is known by a token that comes out of the encryption: such a packet is never left to others.
    #[test]
    fn a_packet_to_be_acknowledged_quickly_comes_encrypted() {
        let mut client = client(key(1));
        let mut request = CallRequest::new(noise(100_000));
        request.quick_ack = true;
        client.call(NOW, request);
        while let Some(outgoing) = client.poll_outgoing(NOW, 0) {
            if let Outgoing::Sealed(transmit) = outgoing {
                assert!(transmit.quick_ack);
                return;
            }
        }
        panic!("the call did not go out");
    }

    /// From the socket's buffer to the `bytes` of the decoded answer nothing is copied, but for what was read together with
    /// the frame's header: the part of the file lies where the socket wrote it, decrypted in place.
    #[test]
    fn a_part_of_a_file_stays_where_the_socket_wrote_it() {
        let key = key(1);
        let mut client = client(key.clone());
        let file = types::upload::File {
            type_: enums::storage::FileType::FileUnknown,
            mtime: 0,
            bytes: noise(1 << 20),
        };
        let call = client.call(NOW, CallRequest::new(noise(64)));
        let mut server = ServerSession::new(
            key.clone(),
            client.session_id(),
            Box::new(SeededRandom::from_seed(2)),
        );
        let salts = &mut ServerSalts::new(NOW.unix_seconds(), 5);
        server.attached();
        let random = || Box::new(SeededRandom::from_seed(3));
        let transport = ClientTransport::new(Kind::Intermediate, None, random()).unwrap();
        let (mut sender, mut receiver) = transport.split();
        let mut end = ServerTransport::new(AcceptedObfuscation::default(), random());
        let mut stream = BytesMut::new();
        while let Some(transmit) = client.poll_transmit(NOW) {
            sender
                .encode(&transmit.payload, false, &mut stream)
                .unwrap();
            while let Some(Frame::Payload { bytes, .. }) = end.decode(&mut stream).unwrap() {
                let opened = Opened::open(&key, Side::Client, bytes).unwrap();
                server.handle_input(NOW, opened, salts);
            }
        }
        while let Some(event) = server.poll_event() {
            if let server::Event::Call { msg_id, .. } = event {
                let answer = enums::upload::File::from(file.clone());
                server.answer(NOW, msg_id, &answer.to_bytes());
            }
        }
        while let Some(packet) = server.poll_transmit(NOW, salts) {
            end.encode(&packet, &mut stream).unwrap();
        }

        let mut read_to = Vec::new();
        let mut answer = None;
        while !stream.is_empty() {
            let buffer = receiver.buffer(4096);
            let room = buffer.capacity() - buffer.len();
            let read = stream.split_to(room.min(stream.len()));
            read_to.push((buffer.as_ptr() as usize + buffer.len(), read.len()));
            buffer.extend_from_slice(&read);
            while let Some(Frame::Payload { bytes, .. }) = receiver.decode().unwrap() {
                let packet = ToOpen::new(key.clone(), Side::Server, bytes);
                let opened = ToOpen::open_all(vec![packet]).remove(0).unwrap();
                client.handle_opened(NOW, opened).unwrap();
            }
            while let Some(event) = client.poll_event() {
                match event {
                    Event::Answer { call: of, body } if of == call => answer = Some(body),
                    _ => {}
                }
            }
        }
        let decoded = enums::upload::File::from_bytes(answer.unwrap()).unwrap();
        let enums::upload::File::File(decoded) = decoded else {
            panic!("{decoded:?}");
        };
        assert!(decoded.bytes == file.bytes);
        let start = decoded.bytes.as_ptr() as usize;
        let lies_there: usize = read_to
            .iter()
            .map(|(from, length)| {
                let end = (start + decoded.bytes.len()).min(from + length);
                end.saturating_sub(start.max(*from))
            })
            .sum();
        let copied = decoded.bytes.len() - lies_there;
        assert!(copied <= 4096, "{copied} bytes were copied");
    }

    fn packet(key: &Arc<AuthKey>, from: Side, session_id: i64) -> BytesMut {
        let envelope = Envelope {
            salt: 5,
            session_id,
            msg_id: NOW.unix_seconds() << 32 | 1,
            seq_no: 1,
            body: noise(20_000),
        };
        let padded = envelope.pad(&mut SeededRandom::from_seed(3));
        ToSeal::new(key.clone(), from, padded).seal().into()
    }

    /// S1, S2: what was refused elsewhere does not disturb its neighbours; what was opened for somebody else is not taken.
    #[test]
    fn s1_s2_what_is_for_others_is_refused() {
        let (ours, other) = (key(1), key(2));
        let mut client = client(ours.clone());
        let packet = |key, from| packet(key, from, client.session_id());
        let mut spoilt = packet(&ours, Side::Server);
        spoilt[19_000] ^= 1;
        let payloads = vec![
            ToOpen::new(ours.clone(), Side::Server, packet(&ours, Side::Server)),
            ToOpen::new(ours.clone(), Side::Server, spoilt),
            ToOpen::new(ours.clone(), Side::Server, packet(&other, Side::Server)),
            ToOpen::new(ours.clone(), Side::Server, packet(&ours, Side::Client)),
            ToOpen::new(other.clone(), Side::Server, packet(&other, Side::Server)),
            ToOpen::new(ours.clone(), Side::Client, packet(&ours, Side::Client)),
        ];
        let opened: Vec<_> = ToOpen::open_all(payloads);
        let sound: Vec<_> = opened.iter().map(Result::is_ok).collect();
        assert_eq!(sound, [true, false, false, false, true, true]);
        let mut taken = opened
            .into_iter()
            .map(|opened| client.handle_opened(NOW, opened?));
        assert_eq!(taken.next(), Some(Ok(())));
        assert!(taken.all(|refused| refused == Err(Refused::Payload)));
    }
}

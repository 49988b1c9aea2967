//! Key exchanges over whole connections: transports and handshakes together, cut where it hurts. Covers
//! R1 (a connection killed at any point of the exchange), trap 1 (the exchange to the letter) and the
//! part of trap 25 (reconnects) that concerns a half-made key.
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::HashSet;

use actogram_mtproto::handshake::client::{ClientHandshake, ClientHandshakeConfig, CreatedKey};
use actogram_mtproto::handshake::plain_message::{PlainMessage, is_plain};
use actogram_mtproto::handshake::server::{NewKey, ServerHandshake, Transmit};
use actogram_mtproto::transport::{ClientTransport, Frame, Kind, ServerTransport};
use actogram_tl::mtproto::functions;
use actogram_tl::{Function, Reader};
use bytes::BytesMut;
use support::exchange::*;
use support::{Wrapping, all_connections, seeded};

/// One connection: both transports, both handshakes, and how many bytes either direction still carries.
struct Connection {
    client: (ClientTransport, ClientHandshake),
    server: (ServerTransport, ServerHandshake),
    up: usize,
    down: usize,
    /// Bytes of either direction after each message.
    marks: (Vec<usize>, Vec<usize>),
}

impl Connection {
    fn new(kind: Kind, wrapping: Wrapping, seed: u64) -> Self {
        Self {
            client: (support::client(kind, wrapping, seed), client(seed)),
            server: (support::server(wrapping, seed), server(seed)),
            up: usize::MAX,
            down: usize::MAX,
            marks: (vec![], vec![]),
        }
    }

    /// Runs until the exchange ends or a direction runs dry; the keys either side holds then.
    fn run(&mut self) -> (Option<CreatedKey>, Option<NewKey>) {
        let mut of_server = None;
        let (mut sent, mut answered) = (0, 0);
        self.client.1.start(NOW);
        loop {
            self.client.1.run_jobs(NOW).unwrap();
            if let Some(created) = self.client.1.poll_output() {
                return (Some(created), of_server);
            }
            let Some(query) = self.client.1.poll_transmit() else {
                return (None, of_server);
            };
            let mut wire = BytesMut::new();
            self.client.0.encode(&query, false, &mut wire).unwrap();
            wire.truncate(self.up.saturating_sub(sent));
            sent += wire.len();
            self.marks.0.push(sent);
            while let Some(frame) = self.server.0.decode(&mut wire).unwrap() {
                let Frame::Payload { bytes, .. } = frame else {
                    panic!("{frame:?}")
                };
                assert!(is_plain(&bytes));
                self.server.1.handle_input(NOW, bytes.freeze()).unwrap();
                self.server.1.run_jobs(NOW).unwrap();
                of_server = self.server.1.poll_output().or(of_server);
                let Some(Transmit::Payload(answer)) = self.server.1.poll_transmit() else {
                    panic!("no answer");
                };
                let mut wire = BytesMut::new();
                self.server.0.encode(&answer, &mut wire).unwrap();
                wire.truncate(self.down.saturating_sub(answered));
                answered += wire.len();
                self.marks.1.push(answered);
                while let Some(frame) = self.client.0.decode(&mut wire).unwrap() {
                    let Frame::Payload { bytes, .. } = frame else {
                        panic!("{frame:?}")
                    };
                    self.client.1.handle_input(NOW, bytes.freeze()).unwrap();
                }
            }
        }
    }
}

#[test]
fn every_transport_carries_an_exchange() {
    for (seed, (kind, wrapping)) in (20..).zip(all_connections()) {
        let mut connection = Connection::new(kind, wrapping, seed);
        let (created, new) = connection.run();
        assert_eq!(
            created.unwrap().key.as_bytes(),
            new.unwrap().key.as_bytes(),
            "{kind:?} {wrapping:?}"
        );
        assert_eq!(connection.server.0.kind(), Some(kind));
        assert_eq!(
            connection.server.0.is_obfuscated(),
            wrapping != Wrapping::Plain
        );
    }
}

/// Where to cut a direction: around every message's end, and at every 61st byte.
fn cuts(marks: &[usize]) -> Vec<usize> {
    let total = *marks.last().unwrap();
    let around = marks
        .iter()
        .flat_map(|mark| [mark - 1, *mark])
        .filter(|cut| *cut < total);
    around.chain((0..total).step_by(61)).collect()
}

#[test]
fn r1_trap_25_a_connection_cut_anywhere_leaves_no_half_key() {
    let mut whole = Connection::new(Kind::Intermediate, Wrapping::Plain, 1);
    whole.run();
    let (up, down) = whole.marks.clone();
    assert_eq!((up.len(), down.len()), (3, 3));
    let up = cuts(&up).into_iter().map(|cut| (cut, usize::MAX));
    let down = cuts(&down).into_iter().map(|cut| (usize::MAX, cut));
    let mut nonces = HashSet::new();
    for (n, (up, down)) in up.chain(down).enumerate() {
        let seed = 100 + 2 * n as u64;
        let mut stored = Vec::new();
        let mut cut = Connection::new(Kind::Intermediate, Wrapping::Plain, seed);
        (cut.up, cut.down) = (up, down);
        let (created, new) = cut.run();
        assert!(
            created.is_none(),
            "cut after {up} up, {down} down: the last answer is not whole"
        );
        assert!(
            cut.client.1.poll_timeout().is_some(),
            "the client still waits, and not forever"
        );
        stored.extend(new);
        drop(cut);

        let mut again = Connection::new(Kind::Intermediate, Wrapping::Plain, seed + 1);
        let (created, new) = again.run();
        stored.extend(new);
        let created = created.unwrap();
        assert!(
            stored
                .iter()
                .any(|new| new.key.as_bytes() == created.key.as_bytes())
        );
        assert!(
            stored.len() <= 2,
            "at most one key nobody uses: that whose dh_gen_ok was lost"
        );
        assert!(
            nonces.insert(created.key.id()),
            "every attempt begins afresh"
        );
    }
}

/// `req_DH_params` of a client with this configuration, and its inner data decrypted.
fn dh_query(config: ClientHandshakeConfig) -> (Vec<u8>, Vec<u8>, Vec<u8>) {
    let mut client = ClientHandshake::new(config, seeded(1));
    let mut server = server(1);
    client.start(NOW);
    server
        .handle_input(NOW, client.poll_transmit().unwrap())
        .unwrap();
    let Some(Transmit::Payload(answer)) = server.poll_transmit() else {
        panic!("no answer")
    };
    client.handle_input(NOW, answer).unwrap();
    client.run_jobs(NOW).unwrap();
    let query = PlainMessage::parse(client.poll_transmit().unwrap()).unwrap();
    assert_eq!(query.msg_id & 3, 0, "a client's message id");
    assert_eq!(query.msg_id >> 32, NOW.unix_seconds(), "made of the time");
    let mut reader = Reader::new(query.body);
    assert_eq!(reader.get_u32().unwrap(), functions::ReqDhParams::ID);
    let _: [u8; 32] = reader.get_array().unwrap();
    let (p, q) = (reader.get_bytes().unwrap(), reader.get_bytes().unwrap());
    assert_eq!(reader.get_i64().unwrap(), rsa_key().public().fingerprint());
    let encrypted = reader.get_bytes().unwrap();
    assert_eq!((encrypted.len(), reader.remaining()), (256, 0));
    let inner = rsa_key().decrypt_padded(&encrypted).unwrap();
    (p.to_vec(), q.to_vec(), inner.to_vec())
}

#[test]
fn trap_1_factors_are_minimal_and_in_order() {
    let (p, q, inner) = dh_query(client_config());
    assert_eq!((p.len(), q.len()), (4, 4));
    assert!(p < q && p[0] != 0);
    // id, pq as a TL string of 8 bytes, then p and q as ones of 4.
    assert_eq!(inner[16..21], [&[4][..], &p].concat());
    assert_eq!(inner[24..29], [&[4][..], &q].concat());
}

#[test]
fn trap_1_the_inner_data_names_datacenter_and_lifetime() {
    let keys = || vec![rsa_key().public().clone()];
    // id, pq, p and q, both nonces, the new nonce.
    let (dc_at, expiry_at) = (4 + 12 + 8 + 8 + 32 + 32, 4 + 12 + 8 + 8 + 32 + 32 + 4);
    for dc in [2, 10_002, -2] {
        let (.., inner) = dh_query(ClientHandshakeConfig::permanent(keys(), dc));
        assert_eq!(
            inner[..4],
            0xa9f5_5f95_u32.to_le_bytes(),
            "p_q_inner_data_dc"
        );
        assert_eq!(inner[dc_at..expiry_at], dc.to_le_bytes());
        let (.., inner) = dh_query(ClientHandshakeConfig::temporary(keys(), dc, 86_400));
        assert_eq!(
            inner[..4],
            0x56fd_df88_u32.to_le_bytes(),
            "p_q_inner_data_temp_dc"
        );
        assert_eq!(inner[dc_at..expiry_at], dc.to_le_bytes());
        assert_eq!(inner[expiry_at..expiry_at + 4], 86_400i32.to_le_bytes());
    }
}

#[test]
fn trap_1_salt_and_time_come_out_of_the_exchange() {
    let mut server = ScriptedServer::new(Tampering::default(), 8);
    let created = run(&mut client(7), &mut server).unwrap();
    let secrets = &server.secrets;
    let salt: [u8; 8] = std::array::from_fn(|i| secrets.new_nonce[i] ^ secrets.server_nonce[i]);
    assert_eq!(created.salt.to_le_bytes(), salt);
    assert_eq!(created.time_offset, 0);
    assert_eq!(created.key.as_bytes().len(), 256);
}

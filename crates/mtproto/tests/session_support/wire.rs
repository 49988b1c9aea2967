//! Packets on their way, read with the key.

use std::sync::{Arc, Mutex};

use actogram_crypto::{AuthKey, Side, message};
use actogram_mtproto::pair::{Direction, Pair};
use actogram_tl::mtproto::ids;
use bytes::Bytes;

/// A message, alone or in a container.
#[derive(Debug, Clone, PartialEq)]
pub struct Plain {
    pub msg_id: i64,
    pub seq_no: i32,
    pub body: Bytes,
}

impl Plain {
    pub fn constructor(&self) -> u32 {
        u32::from_le_bytes(self.body[..4].try_into().unwrap())
    }

    /// The ids in a message that is nothing but a list of them.
    pub fn ids(&self) -> Vec<i64> {
        let (ids, rest) = self.body[12..].as_chunks();
        assert!(rest.is_empty());
        ids.iter().map(|id| i64::from_le_bytes(*id)).collect()
    }
}

/// A packet, decrypted.
#[derive(Debug, Clone)]
pub struct Packet {
    pub direction: Direction,
    pub payload: Bytes,
    pub salt: i64,
    pub session_id: i64,
    pub outer: Plain,
    /// What a container holds; else the message itself.
    pub messages: Vec<Plain>,
}

impl Packet {
    pub fn is_container(&self) -> bool {
        self.outer.constructor() == ids::MSG_CONTAINER
    }

    pub fn holds(&self, body: &Bytes) -> bool {
        self.messages.iter().any(|message| message.body == *body)
    }

    pub fn holds_kind(&self, constructor: u32) -> bool {
        self.messages
            .iter()
            .any(|message| message.constructor() == constructor)
    }

    fn open(key: &AuthKey, direction: Direction, payload: &Bytes) -> Self {
        let from = match direction {
            Direction::Up => Side::Client,
            Direction::Down => Side::Server,
        };
        let mut packet = payload.to_vec();
        message::decrypt(key, from, &mut packet).unwrap();
        let plain = Bytes::from(packet).slice(24..);
        let outer = Plain {
            msg_id: long(&plain, 16),
            seq_no: int(&plain, 24),
            body: plain.slice(32..32 + int(&plain, 28) as usize),
        };
        let mut packet = Self {
            direction,
            payload: payload.clone(),
            salt: long(&plain, 0),
            session_id: long(&plain, 8),
            messages: vec![outer.clone()],
            outer,
        };
        if packet.is_container() {
            packet.messages = contents(&packet.outer.body);
        }
        packet
    }
}

fn contents(container: &Bytes) -> Vec<Plain> {
    let mut rest = container.slice(8..);
    let messages = (0..int(container, 4))
        .map(|_| {
            let length = int(&rest, 12) as usize;
            let plain = Plain {
                msg_id: long(&rest, 0),
                seq_no: int(&rest, 8),
                body: rest.slice(16..16 + length),
            };
            rest = rest.slice(16 + length..);
            plain
        })
        .collect();
    assert!(rest.is_empty());
    messages
}

fn long(bytes: &[u8], at: usize) -> i64 {
    i64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}

fn int(bytes: &[u8], at: usize) -> i32 {
    i32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

/// Whoever hears every packet of a pair, and knows the key.
#[derive(Clone)]
pub struct Wire {
    key: Arc<AuthKey>,
    packets: Arc<Mutex<Vec<Packet>>>,
}

impl Wire {
    /// Lets everything pass.
    pub fn tap(pair: &mut Pair) -> Self {
        Self::filter(pair, |_| true)
    }

    /// Lets pass what this says; the rest is lost on its way.
    pub fn filter(
        pair: &mut Pair,
        mut passes: impl FnMut(&Packet) -> bool + Send + 'static,
    ) -> Self {
        let wire = Self {
            key: pair.client().unwrap().key(),
            packets: Arc::default(),
        };
        let (key, packets) = (wire.key.clone(), wire.packets.clone());
        pair.tamper(Some(Box::new(move |direction, payload| {
            let packet = Packet::open(&key, direction, payload);
            let passed = passes(&packet);
            packets.lock().unwrap().push(packet);
            if passed {
                vec![payload.clone()]
            } else {
                Vec::new()
            }
        })));
        wire
    }

    /// Everything heard so far, in order.
    pub fn packets(&self) -> Vec<Packet> {
        self.packets.lock().unwrap().clone()
    }

    /// What the client sent.
    pub fn sent(&self) -> Vec<Packet> {
        let mut packets = self.packets();
        packets.retain(|packet| packet.direction == Direction::Up);
        packets
    }

    /// All messages of the client, outside and inside of containers.
    pub fn sent_messages(&self) -> Vec<Plain> {
        let packets = self.sent();
        packets
            .into_iter()
            .flat_map(|packet| packet.messages)
            .collect()
    }

    /// The messages of the client with this body.
    pub fn copies(&self, body: &Bytes) -> Vec<Plain> {
        let mut messages = self.sent_messages();
        messages.retain(|message| message.body == *body);
        messages
    }

    /// A payload for the client, whatever is wrong with it.
    pub fn seal(&self, session_id: i64, message: &Plain, length: i32, padding: usize) -> Vec<u8> {
        let mut packet = vec![0; 24];
        packet.extend_from_slice(&[0; 8]);
        packet.extend_from_slice(&session_id.to_le_bytes());
        packet.extend_from_slice(&message.msg_id.to_le_bytes());
        packet.extend_from_slice(&message.seq_no.to_le_bytes());
        packet.extend_from_slice(&length.to_le_bytes());
        packet.extend_from_slice(&message.body);
        packet.resize(packet.len() + padding, 7);
        message::encrypt(&self.key, Side::Server, &mut packet);
        packet
    }
}

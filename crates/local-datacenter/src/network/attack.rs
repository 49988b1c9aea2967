//! Attacks on clients: what a hostile or broken server could send, each by name.
//!
//! An attack only adds to what is sent. Whatever a client must survive is followed by the packet it was ordered for; a
//! client that must close the connection gets that packet over the next one. So every attack has the same outcome if
//! the client is right: its calls are answered, each once.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use actogram_crypto::{AuthKey, random::Random};
use bytes::Bytes;

use super::{
    forge::{self, Seen},
    sessions::SessionId,
};

/// How many packets of a session are kept for replays.
const RECORDED: usize = 1200;

/// What is sent in addition to an honest packet. Unless said otherwise it is an `rpc_result` for a call that was never
/// made, in an envelope that is right but for what the name says, with a fresh message id.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Attack {
    /// Nothing is wrong with the envelope: the disarmed twin of the attacks on it.
    Harmless,
    /// One bit of the message key, 0 to 127, is flipped.
    FlipKeyBit(u8),
    /// One bit of this block of the ciphertext is flipped; counted from 0, modulo their number.
    FlipBlock(usize),
    /// The last block of the ciphertext is missing.
    DropLastBlock,
    /// The first and the last block of the ciphertext are exchanged.
    SwapBlocks,
    /// The packet names this key.
    KeyId(i64),
    /// The body is sent as if there were no key yet.
    Unencrypted,
    /// The payload is cut or filled up to this many bytes.
    PayloadLength(usize),
    /// The envelope says that its body has this many bytes.
    DeclaredLength(i32),
    /// The envelope has this many bytes of padding; 12 to 1024 are right. The length of the body is a multiple of 4
    /// exactly if this is.
    Padding(usize),
    /// The message is of this session.
    SessionId(i64),
    /// The two low bits of the message id; 1 is right for an answer.
    IdBits(u8),
    /// The message id is this many seconds old; negative: lies in the future. Up to 300 and down to -30 are right.
    IdAge(i64),
    /// An earlier packet of the session is sent again; 0 is the one the attack was ordered for, 1 the one before it.
    /// It follows the honest packet. Wants [`Attacks::record`]; without that nothing is sent unless it is 0.
    Replay(usize),
    /// As [`Attack::Replay`], inside a fresh container.
    ReplayInContainer(usize),
    /// Any body.
    Body {
        /// What the message holds.
        body: Bytes,
        /// Whether its sequence number is odd.
        content_related: bool,
    },
    /// `msgs_ack` with an odd sequence number, which clients must bear.
    OddAcknowledgement,
    /// A container of two messages that says it holds this many.
    ContainerCount(i32),
    /// A container inside a container.
    ContainerInContainer,
    /// A container that is packed and lies in a container.
    ContainerInGzip,
    /// The second message of a container says it has this many bytes more than it has.
    InnerLength(i32),
    /// A container that holds a message with an even id.
    InnerEvenId,
    /// A container that is older than what it holds.
    InnerNewerThanContainer,
    /// A container with the same message twice.
    InnerTwice,
    /// The result of the call that is being answered, packed, in this form.
    Gzip(GzipAttack),
    /// Another result of the call that is being answered, and after the honest one.
    SecondAnswer,
    /// `bad_server_salt` for the call that is being answered.
    BadSalt,
    /// `bad_server_salt` for a message that was never sent.
    BadSaltUnasked,
    /// `bad_msg_notification` with this code for the call that is being answered.
    BadMessage(i32),
    /// `bad_msg_notification` with this code for a message that was never sent.
    BadMessageUnasked(i32),
    /// `pong` for this ping.
    Pong(i64),
    /// This many salts, valid for ten years, that nobody asked for.
    FutureSalts(usize),
    /// `msgs_all_info` about this many messages that were never sent.
    AllInfo(usize),
    /// `msg_resend_req` for this many messages that were never sent.
    ResendRequest(usize),
    /// `msg_detailed_info` about an answer that does not exist, for a message that was never sent.
    DetailedInfo,
    /// A transport error, which anybody on the way could have made.
    TransportError(i32),
    /// Bytes that are put into the stream as they are; over an obfuscated transport they turn into noise.
    RawBytes(Bytes),
}

/// Forms of `gzip_packed`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum GzipAttack {
    /// Whole and right: the disarmed twin. The client takes it for the answer.
    Honest,
    /// Unfolds to this many MiB.
    Bomb(usize),
    /// Packed in itself as often.
    Nested(usize),
    /// Its second half is missing.
    Cut,
    /// Something follows it.
    Trailing,
    /// Two of them, one after the other.
    TwoMembers,
    /// No bytes at all.
    Empty,
    /// The checksum is wrong.
    Checksum,
}

/// Which packets an attack accompanies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum When {
    /// The nth packet from now, from 1.
    Packet(u64),
    /// The nth packet from now that answers a call, from 1.
    Answer(u64),
    /// Every packet.
    Always,
}

struct Order {
    key: Option<i64>,
    when: When,
    attack: Attack,
}

struct Orders {
    orders: Vec<Order>,
    recording: bool,
    recorded: BTreeMap<SessionId, VecDeque<Bytes>>,
    /// Everything a client sends is refused with this code.
    refusal: Option<i32>,
    mounted: u64,
    random: Box<dyn Random>,
}

/// Orders of attacks on the clients of a datacenter. Cheap to clone.
#[derive(Clone)]
pub struct Attacks(Arc<Mutex<Orders>>);

/// What goes over a connection.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Sent {
    Packet(Bytes),
    Error(i32),
    Raw(Bytes),
}

impl Attacks {
    pub(crate) fn new(random: Box<dyn Random>) -> Self {
        Self(Arc::new(Mutex::new(Orders {
            orders: Vec::new(),
            recording: false,
            recorded: BTreeMap::new(),
            refusal: None,
            mounted: 0,
            random,
        })))
    }

    fn orders(&self) -> MutexGuard<'_, Orders> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Mounts an attack on any client.
    pub fn order(&self, when: When, attack: Attack) {
        self.orders().orders.push(Order {
            key: None,
            when,
            attack,
        });
    }

    /// Mounts an attack on the client with this auth key.
    pub fn order_for(&self, auth_key_id: i64, when: When, attack: Attack) {
        self.orders().orders.push(Order {
            key: Some(auth_key_id),
            when,
            attack,
        });
    }

    /// Keeps the last 1200 packets of each session from now on, so that they can be replayed; `false` ends that.
    pub fn record(&self, record: bool) {
        let mut orders = self.orders();
        orders.recording = record;
        if !record {
            orders.recorded.clear();
        }
    }

    /// Refuses everything clients send, without carrying anything out: 48 by `bad_server_salt` with another salt each
    /// time, other codes by `bad_msg_notification`. `None` ends that.
    pub fn refuse_everything(&self, code: Option<i32>) {
        self.orders().refusal = code;
    }

    /// Takes back all orders.
    pub fn clear(&self) {
        let mut orders = self.orders();
        orders.orders.clear();
        orders.refusal = None;
    }

    /// How often an attack was sent so far: a test that mounts one checks that it was.
    pub fn mounted(&self) -> u64 {
        self.orders().mounted
    }

    pub(crate) fn are_ordered(&self) -> bool {
        let orders = self.orders();
        orders.recording || !orders.orders.is_empty()
    }

    /// Surrounds an honest packet with what was ordered for it.
    pub(crate) fn accompany(
        &self,
        session: SessionId,
        key: &AuthKey,
        packet: Bytes,
        unix: Duration,
    ) -> Vec<Sent> {
        let mut guard = self.orders();
        let orders = &mut *guard;
        if orders.recording {
            let recorded = orders.recorded.entry(session).or_default();
            recorded.push_front(packet.clone());
            recorded.truncate(RECORDED);
        }
        if orders.orders.is_empty() {
            return vec![Sent::Packet(packet)];
        }
        let Some(seen) = Seen::open(key, &packet) else {
            return vec![Sent::Packet(packet)];
        };
        let (mut before, mut after) = (Vec::new(), Vec::new());
        let none = VecDeque::new();
        let recorded = orders.recorded.get(&session).unwrap_or(&none);
        for attack in due(&mut orders.orders, session.0, seen.answers.is_some()) {
            let mut forger = forge::Forger {
                key,
                seen: &seen,
                unix,
                random: &mut *orders.random,
            };
            let sent = match &attack {
                Attack::Replay(0) => vec![Sent::Packet(packet.clone())],
                Attack::Replay(back) => recorded
                    .get(*back)
                    .cloned()
                    .map(Sent::Packet)
                    .into_iter()
                    .collect(),
                Attack::ReplayInContainer(back) => {
                    let earlier = if *back == 0 {
                        Some(&packet)
                    } else {
                        recorded.get(*back)
                    };
                    let earlier = earlier.and_then(|packet| Seen::open(key, packet));
                    earlier
                        .map(|earlier| forger.repeated(&earlier))
                        .into_iter()
                        .collect()
                }
                attack => forger.forge(attack),
            };
            orders.mounted += u64::from(!sent.is_empty());
            match attack {
                Attack::Replay(_) | Attack::ReplayInContainer(_) | Attack::SecondAnswer => {
                    after.extend(sent);
                }
                _ => before.extend(sent),
            }
        }
        before.push(Sent::Packet(packet));
        before.extend(after);
        before
    }

    /// What to send instead of carrying out what a client sent.
    pub(crate) fn refusal(&self, key: &AuthKey, payload: &[u8], unix: Duration) -> Option<Sent> {
        let mut guard = self.orders();
        let orders = &mut *guard;
        let code = orders.refusal?;
        let seen = Seen::open_from_client(key, payload)?;
        orders.mounted += 1;
        let mut forger = forge::Forger {
            key,
            seen: &seen,
            unix,
            random: &mut *orders.random,
        };
        Some(forger.refusal(code))
    }
}

/// Takes the attacks whose packet this is out of the orders.
fn due(orders: &mut Vec<Order>, key: i64, answers: bool) -> Vec<Attack> {
    let mut due = Vec::new();
    orders.retain_mut(|order| {
        if order.key.is_some_and(|of| of != key) {
            return true;
        }
        let left = match &mut order.when {
            When::Always => {
                due.push(order.attack.clone());
                return true;
            }
            When::Answer(_) if !answers => return true,
            When::Packet(left) | When::Answer(left) => left,
        };
        *left = left.saturating_sub(1);
        if *left == 0 {
            due.push(order.attack.clone());
        }
        *left > 0
    });
    due
}

impl fmt::Debug for Attacks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let orders = self.orders();
        f.debug_struct("Attacks")
            .field("ordered", &orders.orders.len())
            .field("mounted", &orders.mounted)
            .finish_non_exhaustive()
    }
}

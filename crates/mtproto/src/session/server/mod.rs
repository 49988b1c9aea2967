//! The server's side of a session: every call is carried out at most once, and its answer kept until it was read.
//!
//! A session belongs to an auth key and a session id. It outlives connections: whoever owns it hands it what arrives over
//! any of them, and sends what it gives over the one that was [attached](ServerSession::attached) last.
//!
//! ```text
//!               call          answer            msgs_ack
//!  (new id) ───────────► Running ─────► Answered ─────────► Acknowledged
//!                          │                │                   │
//!                          └── the same id again: ──────────────┘
//!                          nothing     the answer again     msg_detailed_info
//! ```
//!
//! Of the calls that are over, the ids of the latest 16,384 messages tell that they came before; an older one is answered with
//! code 20. A call that runs, or whose answer was not read, is remembered for as long as that is so.

mod handle_message;
mod handle_service;
mod outgoing;

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    fmt,
    sync::Arc,
    time::Duration,
};

use actogram_crypto::{
    AuthKey,
    random::{self, Random},
};
use bytes::Bytes;

use super::{
    Opened, ServerSalts, ToSeal,
    message_id::{MessageIds, order},
    received::{Arrival, REMEMBERED_BY_SERVER, Received},
};
use crate::Now;
use outgoing::Outgoing;

/// What a session has to tell its owner.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// A call to carry out, exactly once. Answer it with [`ServerSession::answer`].
    Call {
        /// Its message id, by which it is answered.
        msg_id: i64,
        /// The method, unpacked.
        body: Bytes,
    },
    /// The client no longer wants the answer of a call that runs. It may go on.
    Dropped {
        /// The call's message id.
        msg_id: i64,
    },
    /// Another session of the same key is to be forgotten. Answer with [`ServerSession::session_destroyed`].
    DestroySession {
        /// The session.
        session_id: i64,
    },
    /// The auth key is to be forgotten. Answer with [`ServerSession::key_destroyed`].
    DestroyKey {
        /// The request, by which it is answered.
        msg_id: i64,
    },
    /// Messages that were pushed were given up, as too many were unread or one was too large: the client's updates have a
    /// gap. Told once until the client reads again.
    PushesLost,
    /// Close the connection if nothing like this comes again within the time.
    DisconnectAfter(Duration),
}

/// What is known about a message that arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// Nothing is to be answered.
    Taken,
    Running,
    /// The id of the answer.
    Answered(i64),
    /// The answer was read and is gone.
    Acknowledged(i64),
}

/// How strict a session is beyond what every client keeps to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Strictness {
    /// Answers messages that break the parity rule of sequence numbers with errors 34 and 35. Clients in use break it
    /// for acknowledgements and containers, so by default it is only counted.
    pub sequence_parity: bool,
}

/// What a server counted in a session.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Messages whose sequence number has the wrong parity.
    pub wrong_parity: u64,
    /// Messages that arrived again.
    pub duplicates: u64,
    /// Messages that were refused with a notification.
    pub refused: u64,
    /// Bodies that are no known service message and nothing else either.
    pub unreadable: u64,
    /// Messages to the client that were given up because too many were unread.
    pub given_up: u64,
}

/// The server's side of a session. See the [module](self).
pub struct ServerSession {
    key: Arc<AuthKey>,
    random: Box<dyn Random>,
    session_id: i64,
    ids: MessageIds,
    content: i32,
    received: Received,
    /// What the client was told to be the session's first message.
    first_msg_id: Option<i64>,
    /// Up to this one, messages could have been carried out before this session's memory begins.
    forgotten: Option<i64>,
    containers: BTreeSet<u64>,
    /// What became of the received messages, and of all calls that are not over.
    fates: HashMap<i64, Fate>,
    highest_seq_no: Option<(i64, i32)>,
    /// Sent or to be sent, until the client acknowledges.
    unread: VecDeque<Outgoing>,
    unread_bytes: usize,
    /// Not content-related: sent once.
    services: VecDeque<(Bytes, bool)>,
    services_bytes: usize,
    running: usize,
    pushes_lost: bool,
    to_acknowledge: BTreeSet<i64>,
    acknowledge_at: Option<Duration>,
    strictness: Strictness,
    counters: Counters,
    events: VecDeque<Event>,
    attached: bool,
}

impl ServerSession {
    /// A session that begins with a client's first message.
    pub fn new(key: Arc<AuthKey>, session_id: i64, random: Box<dyn Random>) -> Self {
        Self {
            key,
            random,
            session_id,
            ids: MessageIds::default(),
            content: 0,
            received: Received::remembering(REMEMBERED_BY_SERVER),
            first_msg_id: None,
            forgotten: None,
            containers: BTreeSet::new(),
            fates: HashMap::new(),
            highest_seq_no: None,
            unread: VecDeque::new(),
            unread_bytes: 0,
            services: VecDeque::new(),
            services_bytes: 0,
            running: 0,
            pushes_lost: false,
            to_acknowledge: BTreeSet::new(),
            acknowledge_at: None,
            strictness: Strictness::default(),
            counters: Counters::default(),
            events: VecDeque::new(),
            attached: false,
        }
    }

    /// Sets how strict the session is.
    pub fn set_strictness(&mut self, strictness: Strictness) {
        self.strictness = strictness;
    }

    /// Refuses messages up to this id with code 20, "too old to tell": a session with the same number was forgotten that may
    /// have carried them out, and somebody on the way may have kept copies. Wants to be told of for as long as a message of
    /// that age would be taken, which is 300 s (<https://core.telegram.org/mtproto/description#message-identifier-msg-id>).
    pub fn refuse_up_to(&mut self, msg_id: i64) {
        let higher = |known: i64| order(known) >= order(msg_id);
        if !self.forgotten.is_some_and(higher) {
            self.forgotten = Some(msg_id);
        }
    }

    /// The highest id that was taken or is [refused](Self::refuse_up_to): what a session that follows this one must refuse.
    pub fn highest_msg_id(&self) -> Option<i64> {
        let container = self.containers.last().map(|id| *id as i64);
        [self.received.highest(), container, self.forgotten]
            .into_iter()
            .flatten()
            .max_by_key(|msg_id| order(*msg_id))
    }

    /// The session's number, chosen by the client.
    pub fn session_id(&self) -> i64 {
        self.session_id
    }

    /// The key it belongs to.
    pub fn key_id(&self) -> i64 {
        self.key.id()
    }

    /// What was counted.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Messages and bytes the client has not acknowledged.
    pub fn unread(&self) -> (usize, usize) {
        (self.unread.len(), self.unread_bytes)
    }

    /// A connection is there: what was not acknowledged goes out again.
    pub fn attached(&mut self) {
        self.attached = true;
        for message in &mut self.unread {
            message.sent = false;
        }
    }

    /// The connection is gone.
    pub fn detached(&mut self) {
        self.attached = false;
        self.services.clear();
        self.services_bytes = 0;
    }

    /// Whether this message came before, so that it says nothing about where the client is now: somebody on the way may
    /// have sent it again.
    pub fn is_replay(&self, opened: &Opened) -> bool {
        let msg_id = opened.envelope.msg_id;
        self.containers.contains(&order(msg_id))
            || self.fates.contains_key(&msg_id)
            || self.received.arrival(msg_id) != Arrival::New
            || self.is_forgotten(msg_id)
    }

    fn is_forgotten(&self, msg_id: i64) -> bool {
        self.forgotten
            .is_some_and(|forgotten| order(msg_id) <= order(forgotten))
    }

    /// Takes a message of this session.
    pub fn handle_input(&mut self, now: Now, opened: Opened, salts: &mut ServerSalts) {
        self.handle_envelope(now, opened.envelope, salts);
    }

    /// A deadline may have passed.
    pub fn handle_timeout(&mut self, now: Now) {
        if self.acknowledge_at.is_some_and(|at| at <= now.monotonic) {
            self.acknowledge_now();
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) is wanted, on the monotonic clock.
    pub fn poll_timeout(&self) -> Option<Duration> {
        self.acknowledge_at.filter(|_| self.attached)
    }

    /// What the client wants.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Answers a call; `result` is the encoded result or `rpc_error`. A second answer is dropped; one that no
    /// transport carries becomes the error 500 `RESPONSE_TOO_LARGE`.
    pub fn answer(&mut self, now: Now, req_msg_id: i64, result: &Bytes) {
        if self.fates.get(&req_msg_id) == Some(&Fate::Running) {
            self.running -= 1;
            let msg_id = self.send_result(now, req_msg_id, result);
            self.fates.insert(req_msg_id, Fate::Answered(msg_id));
        }
    }

    /// Sends something unasked, such as updates. What no transport carries is given up: [`Event::PushesLost`].
    pub fn push(&mut self, now: Now, body: &Bytes) {
        self.send_content(now, body);
    }

    /// Answers [`Event::DestroySession`].
    pub fn session_destroyed(&mut self, session_id: i64, existed: bool) {
        use actogram_tl::mtproto::types::{DestroySessionNone, DestroySessionOk};
        let body = if existed {
            super::wire::boxed(&DestroySessionOk { session_id })
        } else {
            super::wire::boxed(&DestroySessionNone { session_id })
        };
        self.say(body);
    }

    /// Answers [`Event::DestroyKey`].
    pub fn key_destroyed(&mut self, now: Now, msg_id: i64, existed: bool) {
        use actogram_tl::{Encode, mtproto::enums::DestroyAuthKeyRes as Answer};
        let answer = if existed {
            Answer::DestroyAuthKeyOk
        } else {
            Answer::DestroyAuthKeyNone
        };
        self.answer_service(now, msg_id, &answer.to_bytes());
    }

    /// The next packet for the connection, if there is one to send and one to send it over.
    pub fn poll_transmit(&mut self, now: Now, salts: &mut ServerSalts) -> Option<Bytes> {
        self.poll_unsealed(now, salts).map(ToSeal::seal)
    }

    /// As [`poll_transmit`](Self::poll_transmit), to be encrypted by the caller. Packets go out in the order in which they
    /// are given here.
    pub fn poll_unsealed(&mut self, now: Now, salts: &mut ServerSalts) -> Option<ToSeal> {
        if self.attached {
            self.next_packet(now, salts)
        } else {
            None
        }
    }

    /// Encrypts a message of this session as it is told to, breaking whatever rule the caller wants broken: for tests of
    /// clients, which must refuse it.
    #[cfg(feature = "testing")]
    pub fn forge(&mut self, forged: &Forged) -> Bytes {
        use super::envelope::Envelope;
        use actogram_crypto::Side;
        let envelope = Envelope {
            salt: forged.salt,
            session_id: forged.session_id.unwrap_or(self.session_id),
            msg_id: forged.msg_id,
            seq_no: forged.seq_no,
            body: forged.body.clone(),
        };
        let packet = envelope.pad(&mut *self.random);
        ToSeal::new(self.key.clone(), Side::Server, packet).seal()
    }

    /// A fresh id for a forged message.
    #[cfg(feature = "testing")]
    pub fn fresh_id(&mut self, now: Now, answer: bool) -> i64 {
        use super::message_id::Origin;
        let origin = if answer {
            Origin::ServerAnswer
        } else {
            Origin::ServerOther
        };
        self.ids.next(now.unix, origin, &mut *self.random)
    }

    /// Answers a request of the session's own as a call is answered.
    fn answer_service(&mut self, now: Now, msg_id: i64, result: &Bytes) {
        self.running += 1;
        self.fates.insert(msg_id, Fate::Running);
        self.answer(now, msg_id, result);
    }

    fn unique_id(&mut self) -> i64 {
        random::i64(&mut self.random)
    }
}

/// A message that breaks rules; see [`ServerSession::forge`].
#[cfg(feature = "testing")]
#[derive(Debug, Clone, Default)]
#[allow(missing_docs)]
pub struct Forged {
    pub salt: i64,
    pub session_id: Option<i64>,
    pub msg_id: i64,
    pub seq_no: i32,
    pub body: Bytes,
}

impl fmt::Debug for ServerSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerSession")
            .field("key", &self.key)
            .field("unread", &self.unread.len())
            .field("attached", &self.attached)
            .finish_non_exhaustive()
    }
}

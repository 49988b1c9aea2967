//! The client's side of a session: every call ends exactly once.
//!
//! What happens to a call when a connection is lost:
//!
//! ```text
//!            packed                 msgs_ack, state 4
//!  Queued ───────────► Sent ──────────────────────────► Acked
//!    ▲  ▲               │  │                              │
//!    │  │ bad_msg, salt │  │ connection lost              │ connection lost
//!    │  └───────────────┘  ▼                              │
//!    │                 Unknown ◄──────────────────────────┘
//!    │   never received  │ │
//!    └───────────────────┘ └─ received: Acked, wait for the answer
//! ```
//!
//! In every state the answer ends it. A call in `Unknown` is asked for with `msgs_state_req` once there is a connection;
//! what the server never received goes out again under the same id while the server would still take that. When the
//! session itself is lost, only calls that may safely happen twice go out again; the others end as
//! [`Event::UnknownOutcome`].
//!
//! A message that the server refuses was not carried out, and its call goes out again under a new id, five times at most.
//! That holds for the copy that was refused: where another copy may have arrived before (the call was acknowledged, or was
//! sent over an earlier connection, or so long ago that somebody must have held it back), the server is asked instead.

mod binding;
mod calls;
mod handle_acknowledgements;
mod handle_bad_message;
mod handle_message;
mod handle_new_session;
mod handle_rpc_result;
mod handle_salts;
mod handle_state;
mod liveness;
mod services;
mod transmit;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    fmt,
    sync::Arc,
    time::Duration,
};

use actogram_crypto::{
    AuthKey, Side,
    random::{self, Random},
};
use actogram_tl::{Encode, mtproto::functions, tables::ResendClass};
use bytes::{Bytes, BytesMut};

use super::{
    Opened, Refused,
    gzip::GzipError,
    message_id::{MessageIds, order, time},
    received::Received,
    salts::ClientSalts,
    wire,
};
use crate::Now;
pub use binding::BindRequest;
use binding::Binding;
use calls::Call;
pub use calls::{CallId, CallRequest, CallState};
use services::{Kind, Service};
pub use transmit::{Outgoing, Transmit};

/// What a session starts from.
#[derive(Debug)]
pub struct ClientSessionConfig {
    /// The key that both sides share.
    pub key: Arc<AuthKey>,
    /// The last known server salt; 0 if none is, which costs one round trip.
    pub salt: i64,
    /// The server's time less ours, in seconds, as last known.
    pub time_offset: i64,
    /// `invokeWithLayer` and `initConnection`, encoded up to their query: it goes before the first call of the session.
    /// Empty: no call is wrapped.
    pub init: Bytes,
}

/// What a session has to tell.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// The answer to a call, unpacked. It may be of any type; the call's method tells which.
    Answer {
        /// The call.
        call: CallId,
        /// The result's encoding.
        body: Bytes,
    },
    /// The server refused a call.
    RpcError {
        /// The call.
        call: CallId,
        /// The class of the error.
        code: i32,
        /// Its name; text from outside.
        message: String,
        /// This is about a later copy: the session that carried an earlier one was lost, and that one may have been carried
        /// out.
        earlier_copy_lost: bool,
    },
    /// The call ended without an answer: it was not carried out, or its answer is unreadable, or carrying it out again is
    /// no harm and it was lost again and again.
    Failed {
        /// The call.
        call: CallId,
        /// Why.
        why: CallFailure,
    },
    /// The call may or may not have been carried out, and carrying it out twice would not be the same.
    UnknownOutcome {
        /// The call.
        call: CallId,
    },
    /// The server has the call. This is not its answer.
    Received {
        /// The call.
        call: CallId,
    },
    /// Something the server sent by itself: an object of type `Updates`, unpacked but not decoded.
    Update(Bytes),
    /// The server lost the session, or this side began another: updates may be missing.
    SessionLost,
    /// The salt to remember for the next start.
    Salt(i64),
    /// The server's time less ours in seconds, to remember for the next start.
    TimeOffset(i64),
    /// A measured round trip.
    RoundTrip(Duration),
    /// Nothing was heard for too long, or everything that is said is refused: close the connection and open another, after
    /// a pause if this happens again and again.
    Dead,
}

/// Why a call ended without an answer.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CallFailure {
    /// The server refused the message itself again and again.
    #[error("the server refused the message {0} times; the last reason was code {1}")]
    RefusedTooOften(u32, i32),
    /// The server lost what it knew of the call, or its whole session, again and again.
    #[error("the server lost the call {0} times")]
    LostTooOften(u32),
    /// No transport carries a message of this size.
    #[error("the call takes {length} bytes, at most {most} can be sent; cut it into parts")]
    TooLarge {
        /// Bytes of the call with what must stand around it, packed if that made it smaller.
        length: usize,
        /// The most there may be.
        most: usize,
    },
    /// The call it was to come after ended without a result, and the server did not carry this one out. It may be made
    /// again.
    #[error("the call it was to come after has failed; this one was not carried out")]
    PredecessorFailed {
        /// This is about a later copy, as in [`Event::RpcError`].
        earlier_copy_lost: bool,
    },
    /// The answer's packing is broken.
    #[error("the answer could not be unpacked: {0}")]
    Packing(#[from] GzipError),
    /// The answer is not even an `rpc_error`.
    #[error("the answer could not be read: {0}")]
    Unreadable(String),
}

/// Messages that were ignored, by reason. None of these ends a connection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ignored {
    /// An even id, which only clients make.
    pub even_ids: u64,
    /// An id that came before, or is older than everything remembered.
    pub replays: u64,
    /// An id too far from the server's time.
    pub out_of_time: u64,
    /// A container that does not hold together.
    pub containers: u64,
    /// A body that is not what its constructor promises.
    pub unreadable: u64,
    /// An answer, notification or salt for something that was never sent.
    pub unasked: u64,
    /// A message of the session before this one.
    pub former_session: u64,
}

/// Deadlines of a session; see [`ClientSession::poll_timeout`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    /// Acknowledgements must go out even if nothing else does.
    Acknowledge,
    /// The server must be asked whether it is there.
    Ping,
    /// The server has been silent for too long.
    Silence,
    /// Calls without an answer must be asked for.
    AskState,
}

/// The client's side of a session. See the [module](self).
pub struct ClientSession {
    key: Arc<AuthKey>,
    random: Box<dyn Random>,
    session_id: i64,
    former_session_id: Option<i64>,
    ids: MessageIds,
    /// How many content-related messages were sent.
    content: i32,
    init: Bytes,
    initialized: bool,
    initializing: Option<CallId>,
    salts: ClientSalts,
    /// The server's clock less our monotonic one, in nanoseconds. Steps of the wall clock do not move it.
    server_time: i128,
    /// The server's clock less the wall's, in nanoseconds, when it was learned: tells whether this machine slept.
    wall_offset: i128,
    told_offset: Option<i64>,
    /// Whether an authenticated message confirmed it.
    time_confirmed: bool,
    connected: bool,
    received: Received,
    to_acknowledge: BTreeSet<i64>,
    to_ask_again: BTreeSet<i64>,
    services: VecDeque<Service>,
    sent_services: VecDeque<(i64, Service)>,
    /// Questions that wait for their answer, by message id.
    asked: BTreeMap<i64, Kind>,
    calls: HashMap<CallId, Call>,
    next_call: u64,
    /// Calls that go out under a new id.
    queue: VecDeque<CallId>,
    /// Calls that go out again as they were, by message id.
    repeat: BTreeMap<i64, CallId>,
    /// Calls that wait for another one to go out or to end, under that one's id.
    held: HashMap<CallId, Vec<CallId>>,
    /// Calls that come after others which have not ended.
    followers: HashMap<CallId, Vec<CallId>>,
    /// All others wait for it.
    binding: Option<Binding>,
    /// Which call an id was given to, for all ids of this session that still matter.
    by_msg_id: HashMap<i64, CallId>,
    containers: VecDeque<(i64, Vec<i64>)>,
    recent: VecDeque<i64>,
    quick: VecDeque<(u32, Vec<CallId>)>,
    last_unique_id: Option<i64>,
    salts_asked_at: Option<Duration>,
    /// How often in a row something was refused, and the last id that was given out when that was counted last.
    refusals_in_a_row: u32,
    refused_up_to: i64,
    ping: liveness::Ping,
    timers: BTreeMap<Timer, Duration>,
    events: VecDeque<Event>,
    ignored: Ignored,
}

/// How many sent ids and containers are remembered, to tell notifications about them from forgeries.
const REMEMBERED_SENT: usize = 4096;

/// How often in a row something new may be refused before the connection is given up.
const MOST_REFUSALS_IN_A_ROW: u32 = 10;

/// How far the wall clock and the monotonic one may drift apart before the server's time is no longer sure.
const DRIFT: i128 = 5_000_000_000;

impl ClientSession {
    /// A new session under a fresh random id.
    pub fn new(config: ClientSessionConfig, now: Now, mut random: Box<dyn Random>) -> Self {
        let server = nanoseconds(now.unix) + i128::from(config.time_offset) * 1_000_000_000;
        Self {
            session_id: random::i64(&mut random),
            former_session_id: None,
            key: config.key,
            random,
            ids: MessageIds::default(),
            content: 0,
            initialized: config.init.is_empty(),
            init: config.init,
            initializing: None,
            salts: ClientSalts::new(config.salt),
            server_time: server - nanoseconds(now.monotonic),
            wall_offset: server - nanoseconds(now.unix),
            told_offset: None,
            time_confirmed: false,
            connected: false,
            received: Received::default(),
            to_acknowledge: BTreeSet::new(),
            to_ask_again: BTreeSet::new(),
            services: VecDeque::new(),
            sent_services: VecDeque::new(),
            asked: BTreeMap::new(),
            calls: HashMap::new(),
            next_call: 0,
            queue: VecDeque::new(),
            repeat: BTreeMap::new(),
            held: HashMap::new(),
            followers: HashMap::new(),
            binding: None,
            by_msg_id: HashMap::new(),
            containers: VecDeque::new(),
            recent: VecDeque::new(),
            quick: VecDeque::new(),
            last_unique_id: None,
            salts_asked_at: None,
            refusals_in_a_row: 0,
            refused_up_to: 0,
            ping: liveness::Ping::default(),
            timers: BTreeMap::new(),
            events: VecDeque::new(),
            ignored: Ignored::default(),
        }
    }

    /// There is a connection: packets may be sent. The first one shows the server where the session is now, and what was
    /// under way is asked for.
    pub fn connected(&mut self, now: Now) {
        self.connected = true;
        self.refusals_in_a_row = 0;
        self.doubt_the_time(now);
        self.ping.reset(now.monotonic);
        self.send_ping(now);
        self.ask_for_unknown(now);
    }

    /// The connection is gone. Calls stay.
    pub fn disconnected(&mut self) {
        self.connected = false;
        self.timers.clear();
        // Their answers would have come over the connection that is gone.
        self.asked.clear();
        self.sent_services.clear();
        self.salts_asked_at = None;
        self.services.clear();
        self.lose_sight_of_calls();
    }

    /// What introduces the client from now on, beginning with the next call: the encoding of
    /// [`ClientSessionConfig::init`]. For when a parameter of it changed, or the key was bound anew.
    pub fn introduce_again(&mut self, init: Bytes) {
        self.initialized = init.is_empty();
        self.init = init;
        self.initializing = None;
    }

    /// Takes a payload of the transport.
    ///
    /// # Errors
    /// [`Refused`]: close the connection. Nothing of the payload was used.
    pub fn handle_input(&mut self, now: Now, payload: BytesMut) -> Result<(), Refused> {
        self.handle_payload(now, Opened::open(&self.key, Side::Server, payload)?)
    }

    /// Takes a payload that was decrypted elsewhere, see [`ToOpen`](super::ToOpen). Those of a connection are handed in in
    /// the order in which they came.
    ///
    /// # Errors
    /// [`Refused`]: it was opened with another key, or is not for this session. Close the connection; nothing of it was
    /// used.
    pub fn handle_opened(&mut self, now: Now, opened: Opened) -> Result<(), Refused> {
        self.handle_payload(now, opened)
    }

    /// Bytes arrived that are no whole payload yet. A large answer over a slow line is no silence; for how long, is bounded.
    pub fn bytes_arrived(&mut self, now: Now) {
        self.ping.bytes_arrived(now.monotonic);
        self.schedule_liveness(now);
    }

    /// A deadline of [`poll_timeout`](Self::poll_timeout) may have passed.
    pub fn handle_timeout(&mut self, now: Now) {
        while let Some((timer, _)) = self.next_timer().filter(|(_, at)| *at <= now.monotonic) {
            self.timers.remove(&timer);
            match timer {
                // The next packet takes them along; transmitting is asked for after every timeout.
                Timer::Acknowledge => self.acknowledge_now(),
                Timer::Ping => self.send_ping(now),
                Timer::Silence => self.events.push_back(Event::Dead),
                Timer::AskState => self.ask_for_overdue(now),
            }
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) is wanted, on the monotonic clock.
    pub fn poll_timeout(&self) -> Option<Duration> {
        self.next_timer().map(|(_, at)| at)
    }

    fn next_timer(&self) -> Option<(Timer, Duration)> {
        self.timers
            .iter()
            .map(|(timer, at)| (*timer, *at))
            .min_by_key(|(_, at)| *at)
    }

    /// What happened since the last call.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// The session's number, random and new for every process.
    pub fn session_id(&self) -> i64 {
        self.session_id
    }

    /// The key's number.
    pub fn key_id(&self) -> i64 {
        self.key.id()
    }

    /// The key itself.
    pub fn key(&self) -> Arc<AuthKey> {
        self.key.clone()
    }

    /// How many calls have not ended.
    pub fn calls_in_flight(&self) -> usize {
        self.calls.len()
    }

    /// What was ignored so far.
    pub fn ignored(&self) -> Ignored {
        self.ignored
    }

    /// The server's time, in whole seconds since 1970.
    pub fn server_second(&self, now: Now) -> i64 {
        (self.server_nanoseconds(now) / 1_000_000_000) as i64
    }

    fn server_nanoseconds(&self, now: Now) -> i128 {
        (nanoseconds(now.monotonic) + self.server_time).max(0)
    }

    fn server_duration(&self, now: Now) -> Duration {
        let nanoseconds = self.server_nanoseconds(now);
        let seconds = u64::try_from(nanoseconds / 1_000_000_000).unwrap_or(u64::MAX);
        Duration::new(seconds, (nanoseconds % 1_000_000_000) as u32)
    }

    /// Believes the server about its time: an id it made just now tells it.
    fn set_server_time(&mut self, now: Now, msg_id: i64) {
        let server = nanoseconds(time(msg_id));
        let moved = server - self.server_nanoseconds(now);
        self.server_time = server - nanoseconds(now.monotonic);
        self.wall_offset = server - nanoseconds(now.unix);
        self.time_confirmed = true;
        let offset = self.wall_offset.div_euclid(1_000_000_000) as i64;
        if self
            .told_offset
            .is_none_or(|told| told.abs_diff(offset) > 1)
        {
            tracing::debug!(
                offset,
                moved_ms = moved / 1_000_000,
                "the server's time was learned"
            );
            self.told_offset = Some(offset);
            self.events.push_back(Event::TimeOffset(offset));
        }
    }

    /// A machine that slept has a monotonic clock that stood still: the server will be believed about its time again.
    fn doubt_the_time(&mut self, now: Now) {
        let by_wall = nanoseconds(now.unix) + self.wall_offset;
        if (by_wall - self.server_nanoseconds(now)).abs() > DRIFT {
            self.time_confirmed = false;
        }
    }

    /// Something was refused. Refusals of what was sent before the last one was known are no news.
    fn count_refusal(&mut self, bad_msg_id: i64) {
        if order(bad_msg_id) <= order(self.refused_up_to) {
            return;
        }
        self.refused_up_to = self.ids.last();
        self.refusals_in_a_row += 1;
        if self.refusals_in_a_row > MOST_REFUSALS_IN_A_ROW {
            self.refusals_in_a_row = 0;
            self.events.push_back(Event::Dead);
        }
    }

    fn count_success(&mut self) {
        self.refusals_in_a_row = 0;
    }

    /// Begins another session under the same key. `rejected` calls were refused by the server and go out again; the
    /// others are treated as [`lost`](Self::lose_session).
    fn restart(&mut self, rejected: &[CallId]) {
        let old = self.session_id;
        self.former_session_id = Some(old);
        self.session_id = random::i64(&mut self.random);
        // Ids only grow within a session; after a clock that ran ahead they begin again at the right time.
        self.ids = MessageIds::default();
        self.content = 0;
        self.received.clear();
        self.to_acknowledge.clear();
        self.to_ask_again.clear();
        self.recent.clear();
        self.containers.clear();
        self.asked.clear();
        self.services.clear();
        self.sent_services.clear();
        self.refused_up_to = 0;
        self.quick.clear();
        self.last_unique_id = None;
        self.initialized = self.init.is_empty();
        self.initializing = None;
        let calls = self.calls_in_order();
        self.by_msg_id.clear();
        self.repeat.clear();
        self.held.clear();
        self.queue.clear();
        for id in calls {
            self.give_up_or_requeue(id, rejected.contains(&id));
        }
        let destroy = functions::DestroySession { session_id: old };
        self.say(destroy.to_bytes());
        self.events.push_back(Event::SessionLost);
    }

    fn may_happen_twice(class: ResendClass) -> bool {
        class != ResendClass::NotIdempotent
    }
}

impl fmt::Debug for ClientSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientSession")
            .field("key", &self.key)
            .field("calls", &self.calls.len())
            .field("connected", &self.connected)
            .finish_non_exhaustive()
    }
}

fn nanoseconds(duration: Duration) -> i128 {
    i128::try_from(duration.as_nanos()).unwrap_or(i128::MAX / 2)
}

fn list(id: u32, msg_ids: &[i64]) -> Bytes {
    wire::id_list(id, msg_ids)
}

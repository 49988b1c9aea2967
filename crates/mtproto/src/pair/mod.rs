//! A client and a server wired to each other under virtual time, without sockets: the `Pair` rig.
//!
//! Everything between the two ends is real: transports, key exchange, encryption, sessions. Only the network is not: it
//! loses, delays, duplicates, reorders, cuts and corrupts as its [`Faults`] say, or as a [`Tamper`] does, and one seed
//! decides everything.
//!
//! ```
//! use actogram_mtproto::pair::{Pair, PairConfig};
//! use actogram_mtproto::session::client::{CallRequest, Event};
//! use actogram_tl::{Encode, functions};
//! use std::time::Duration;
//!
//! let mut pair = Pair::new(PairConfig::seeded(1));
//! let call = pair.call(CallRequest::new(functions::help::GetConfig.to_bytes()));
//! assert!(pair.run_until(Duration::from_secs(5), |pair| pair.is_over(call)));
//! assert!(matches!(pair.outcome(call), Some(Event::Answer { .. })));
//! ```

mod network;
mod server;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use actogram_crypto::{
    AuthKey,
    random::{self, Random, SeededRandom},
    rsa::PrivateKey,
};
use bytes::{Bytes, BytesMut};

use crate::{
    Now,
    handshake::client::{ClientHandshake, ClientHandshakeConfig},
    session::client::{CallId, CallRequest, ClientSession, ClientSessionConfig, Event},
    transport::{ClientTransport, Frame, Kind, Obfuscation},
};
pub use network::{Direction, Faults, Tamper};
use network::{Flight, Load, Network};
pub use server::{Application, Ledger, PairServer, Reply, rpc_error, yes};
use server::{Output, fork};

/// The datacenter both ends agree on.
pub const DATACENTER: i32 = 2;

/// The server's time when a pair begins: 2023-11-14 22:13:20 UTC.
pub const EPOCH: Duration = Duration::from_secs(1_700_000_000);

/// How a pair is set up.
#[derive(Clone)]
pub struct PairConfig {
    /// Decides everything that is random.
    pub seed: u64,
    /// The transport, and whether it is obfuscated.
    pub transport: (Kind, bool),
    /// What the network does.
    pub faults: Faults,
    /// [`ClientSessionConfig::init`].
    pub init: Bytes,
    /// With one, the ends begin with a key exchange. Without, they share a key from the start.
    pub rsa: Option<Arc<PrivateKey>>,
    /// How far the client's clock is from the server's, in seconds, and what it believes about that.
    pub client_clock: (i64, i64),
    /// How long the client waits before it connects again.
    pub reconnect_after: Duration,
}

impl PairConfig {
    /// A shared key, right clocks, a faultless network, intermediate transport.
    pub fn seeded(seed: u64) -> Self {
        Self {
            seed,
            transport: (Kind::Intermediate, false),
            faults: Faults::default(),
            init: Bytes::new(),
            rsa: None,
            client_clock: (0, 0),
            reconnect_after: Duration::from_millis(250),
        }
    }
}

/// What a client's connection went through.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Connections {
    /// Opened so far.
    pub opened: u64,
    /// Lost, for whatever reason.
    pub lost: u64,
    /// Of these: the client refused what it received.
    pub refused: u64,
    /// Of these: the client gave it up as dead.
    pub dead: u64,
    /// Transport errors the client was told.
    pub errors: u64,
}

/// A client and a server, and the network between them. See the [module](self).
pub struct Pair {
    config: PairConfig,
    at: Duration,
    random: SeededRandom,
    network: Network,
    connection: Option<u64>,
    reconnect_at: Option<Duration>,
    transport: Option<ClientTransport>,
    handshake: Option<ClientHandshake>,
    session: Option<ClientSession>,
    /// Calls made before there is a session.
    early: Vec<CallRequest>,
    /// How the wall clock of the client differs from the virtual one, in seconds.
    client_skew: i64,
    server_skew: i64,
    /// Bytes until the connection is cut, either way.
    budget: [Option<usize>; 2],
    passed: [usize; 2],
    outcomes: BTreeMap<CallId, Vec<Event>>,
    events: Vec<Event>,
    connections: Connections,
    /// The server's end.
    pub server: PairServer,
}

impl Pair {
    /// Both ends, connecting.
    pub fn new(config: PairConfig) -> Self {
        let mut random = SeededRandom::from_seed(config.seed);
        let network = Network::new(config.faults, fork(&mut random));
        let server = PairServer::new(config.rsa.clone(), config.init.clone(), fork(&mut random));
        let mut pair = Self {
            at: Duration::from_secs(1000),
            network,
            connection: None,
            reconnect_at: None,
            transport: None,
            handshake: None,
            session: None,
            early: Vec::new(),
            client_skew: config.client_clock.0,
            server_skew: 0,
            budget: [None; 2],
            passed: [0; 2],
            outcomes: BTreeMap::new(),
            events: Vec::new(),
            connections: Connections::default(),
            server,
            random,
            config,
        };
        if pair.config.rsa.is_none() {
            let mut bytes = [0; 256];
            pair.random.fill(&mut bytes);
            let key = Arc::new(AuthKey::new(bytes));
            let salt = random::i64(&mut pair.random);
            let now = pair.server_now();
            pair.server.add_key(now, key.clone(), salt);
            let offset = pair.config.client_clock.1;
            pair.begin_session(key, salt, offset);
        }
        pair.connect();
        pair
    }

    fn begin_session(&mut self, key: Arc<AuthKey>, salt: i64, time_offset: i64) {
        let config = ClientSessionConfig {
            key,
            salt,
            time_offset,
            init: self.config.init.clone(),
        };
        let random = Box::new(fork(&mut self.random));
        let mut session = ClientSession::new(config, self.client_now(), random);
        for request in std::mem::take(&mut self.early) {
            session.call(self.client_now(), request);
        }
        self.session = Some(session);
    }

    /// A client process that starts anew with the same key: a new session.
    pub fn restart_client(&mut self, salt: i64, time_offset: i64) {
        self.cut();
        if let Some(key) = self.session.as_ref().map(ClientSession::key) {
            self.outcomes.clear();
            self.begin_session(key, salt, time_offset);
        }
    }

    /// The client's time.
    pub fn client_now(&self) -> Now {
        self.skewed(self.client_skew)
    }

    /// The server's time.
    pub fn server_now(&self) -> Now {
        self.skewed(self.server_skew)
    }

    fn skewed(&self, skew: i64) -> Now {
        let unix = EPOCH + self.at;
        let by = Duration::from_secs(skew.unsigned_abs());
        Now {
            monotonic: self.at,
            unix: if skew < 0 {
                unix.saturating_sub(by)
            } else {
                unix + by
            },
        }
    }

    /// Sets the client's wall clock this far from the true time, in seconds.
    pub fn set_client_clock(&mut self, skew: i64) {
        self.client_skew = skew;
    }

    /// Sets the server's clock this far from the true time, in seconds.
    pub fn set_server_clock(&mut self, skew: i64) {
        self.server_skew = skew;
    }

    /// What the network does from now on.
    pub fn faults(&mut self) -> &mut Faults {
        &mut self.network.faults
    }

    /// Puts a man in the middle, who has no key; `None` takes him away.
    pub fn tamper(&mut self, tamper: Option<Tamper>) {
        self.network.tamper = tamper;
    }

    /// Swallows everything in one direction, without a word.
    pub fn black_hole(&mut self, direction: Direction, swallows: bool) {
        self.network.black_hole[direction as usize] = swallows;
    }

    /// Lets a payload arrive now, as if the other end had sent it.
    pub fn inject(&mut self, direction: Direction, payload: Bytes) {
        if let Some(connection) = self.connection {
            let flight = Flight {
                direction,
                connection,
                load: Load::Payload {
                    bytes: payload,
                    quick_ack: false,
                },
                cut_at: None,
                corrupt: false,
            };
            self.network.put(self.at, flight);
        }
    }

    /// Lets the server's end say a transport error, which is not authenticated.
    pub fn inject_error(&mut self, code: i32) {
        if let Some(connection) = self.connection {
            let load = Load::Error(code);
            self.network
                .send(self.at, Direction::Down, connection, load);
        }
    }

    /// Cuts the connection after this many more bytes.
    pub fn cut_after(&mut self, direction: Direction, bytes: usize) {
        self.budget[direction as usize] = Some(bytes);
    }

    /// How many bytes passed so far.
    pub fn passed(&self, direction: Direction) -> usize {
        self.passed[direction as usize]
    }

    /// Cuts the connection. What is under way is lost.
    pub fn cut(&mut self) {
        let Some(connection) = self.connection.take() else {
            return;
        };
        self.connections.lost += 1;
        self.budget = [None; 2];
        self.network.drop_connection(connection);
        self.transport = None;
        self.handshake = None;
        if let Some(session) = &mut self.session {
            session.disconnected();
        }
        self.server.close();
        self.reconnect_at = Some(self.at + self.config.reconnect_after);
    }

    fn connect(&mut self) {
        self.reconnect_at = None;
        self.connections.opened += 1;
        let number = self.connections.opened;
        self.connection = Some(number);
        let (kind, obfuscated) = self.config.transport;
        let obfuscation = obfuscated.then_some(Obfuscation {
            dc_id: DATACENTER as i16,
            secret: None,
        });
        let random = Box::new(fork(&mut self.random));
        self.transport = ClientTransport::new(kind, obfuscation, random).ok();
        self.server.open(number);
        let now = self.client_now();
        match (&mut self.session, &self.config.rsa) {
            (Some(session), _) => session.connected(now),
            (None, Some(rsa)) => {
                let config =
                    ClientHandshakeConfig::permanent(vec![rsa.public().clone()], DATACENTER);
                let mut handshake = ClientHandshake::new(config, Box::new(fork(&mut self.random)));
                handshake.start(now);
                self.handshake = Some(handshake);
            }
            (None, None) => {}
        }
    }

    /// Makes a call. Before there is a key, it waits for one.
    pub fn call(&mut self, request: CallRequest) -> CallId {
        let now = self.client_now();
        match &mut self.session {
            Some(session) => session.call(now, request),
            None => {
                self.early.push(request);
                // A session numbers its calls from 0 on.
                CallId(self.early.len() as u64 - 1)
            }
        }
    }

    /// The client's session, once there is a key.
    pub fn client(&mut self) -> Option<&mut ClientSession> {
        self.session.as_mut()
    }

    /// Sends something unasked in every session of the server.
    pub fn push(&mut self, body: &Bytes) {
        let now = self.server_now();
        self.server.push(now, body);
    }

    /// How a call ended, once it has. A call that ends twice is a bug, which [`endings`](Self::endings) shows.
    pub fn outcome(&self, call: CallId) -> Option<&Event> {
        self.outcomes.get(&call).and_then(|all| all.first())
    }

    /// Whether a call has ended.
    pub fn is_over(&self, call: CallId) -> bool {
        self.outcomes.contains_key(&call)
    }

    /// How often a call ended: 1, sooner or later.
    pub fn endings(&self, call: CallId) -> usize {
        self.outcomes.get(&call).map_or(0, Vec::len)
    }

    /// Everything else the client said since this was asked last.
    pub fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// What the client's connections went through.
    pub fn connections(&self) -> Connections {
        self.connections
    }

    /// Whether there is a connection.
    pub fn is_connected(&self) -> bool {
        self.connection.is_some()
    }

    /// The time passed since the pair began.
    pub fn elapsed(&self) -> Duration {
        self.at.saturating_sub(Duration::from_secs(1000))
    }

    /// Whether nothing is under way and nothing will happen but by a timer.
    pub fn network_is_idle(&self) -> bool {
        self.network.is_idle()
    }

    /// Lets this much time pass.
    pub fn run_for(&mut self, time: Duration) {
        let until = self.at + time;
        self.pump();
        while self.step(until) {}
        self.at = until;
    }

    /// Lets time pass until `done`, or this much has passed; tells which it was.
    pub fn run_until(&mut self, limit: Duration, mut done: impl FnMut(&mut Self) -> bool) -> bool {
        let until = self.at + limit;
        self.pump();
        loop {
            if done(self) {
                return true;
            }
            if !self.step(until) {
                self.at = until;
                self.pump();
                return done(self);
            }
        }
    }

    /// The next thing that happens, if it happens by then.
    fn step(&mut self, until: Duration) -> bool {
        let session = self
            .session
            .as_ref()
            .filter(|_| self.connection.is_some())
            .and_then(ClientSession::poll_timeout);
        let handshake = self
            .handshake
            .as_ref()
            .and_then(ClientHandshake::poll_timeout);
        let next = [
            self.network.next_at(),
            self.reconnect_at,
            session,
            handshake,
            self.server.next_at(),
        ]
        .into_iter()
        .flatten()
        .min();
        let Some(next) = next.filter(|next| *next <= until) else {
            return false;
        };
        self.at = self.at.max(next);
        if self.reconnect_at.is_some_and(|at| at <= self.at) {
            self.connect();
        }
        if let Some(flight) = self.network.arrive(self.at) {
            self.arrive(&flight);
        }
        let now = self.client_now();
        if self.connection.is_some()
            && let Some(session) = &mut self.session
        {
            session.handle_timeout(now);
        }
        if let Some(handshake) = &mut self.handshake
            && handshake.handle_timeout(now).is_err()
        {
            self.cut();
        }
        self.pump();
        true
    }

    fn arrive(&mut self, flight: &Flight) {
        if self.connection != Some(flight.connection) {
            return;
        }
        let frame = match flight.direction {
            Direction::Up => self.transport.as_mut().and_then(|transport| {
                let Load::Payload { bytes, quick_ack } = &flight.load else {
                    return None;
                };
                let mut out = BytesMut::new();
                let quick_ack = *quick_ack && self.config.transport.0.supports_quick_ack();
                transport.encode(bytes, quick_ack, &mut out).ok()?;
                Some(out)
            }),
            Direction::Down => self.server.encode(&flight.load),
        };
        let Some(mut frame) = frame else {
            return;
        };
        if flight.corrupt && !frame.is_empty() {
            let at = self.network.below(frame.len());
            frame[at] ^= 1 << self.network.below(8);
        }
        let way = flight.direction as usize;
        let chance = flight
            .cut_at
            .map(|at| frame.len() * usize::from(at) / 65536);
        let budget = self.budget[way].filter(|budget| *budget < frame.len());
        let cut = chance.into_iter().chain(budget).min();
        if let Some(cut) = cut {
            frame.truncate(cut);
        }
        self.passed[way] += frame.len();
        if let Some(budget) = &mut self.budget[way] {
            *budget = budget.saturating_sub(frame.len());
        }
        while !frame.is_empty() && self.connection == Some(flight.connection) {
            let length = if self.network.faults.pieces {
                1 + self.network.below(frame.len())
            } else {
                frame.len()
            };
            let piece = frame.split_to(length);
            match flight.direction {
                Direction::Up => {
                    let now = self.server_now();
                    let outputs = self.server.receive(now, &piece);
                    self.give_out(outputs);
                }
                Direction::Down => self.receive(&piece),
            }
        }
        if cut.is_some() && self.connection == Some(flight.connection) {
            self.cut();
        }
    }

    fn give_out(&mut self, outputs: Vec<Output>) {
        for output in outputs {
            let Some(connection) = self.connection else {
                return;
            };
            let load = match output {
                Output::Payload(bytes) => Load::Payload {
                    bytes,
                    quick_ack: false,
                },
                Output::QuickAck(token) => Load::QuickAck(token),
                Output::Error(code) => Load::Error(code),
                Output::Close => {
                    // What was said before still arrives.
                    self.network_close();
                    return;
                }
            };
            self.network
                .send(self.at, Direction::Down, connection, load);
        }
    }

    /// The server closes the connection: the client learns of it behind everything that is under way.
    fn network_close(&mut self) {
        let Some(connection) = self.connection else {
            return;
        };
        let flight = Flight {
            direction: Direction::Down,
            connection,
            load: Load::Payload {
                bytes: Bytes::from_static(&[0; 24]),
                quick_ack: false,
            },
            cut_at: Some(0),
            corrupt: false,
        };
        self.network
            .put(self.at + self.network.faults.latency * 2, flight);
    }

    fn receive(&mut self, bytes: &[u8]) {
        let now = self.client_now();
        let mut input = BytesMut::from(bytes);
        loop {
            let Some(transport) = &mut self.transport else {
                return;
            };
            let whole = match transport.decode(&mut input) {
                Ok(Some(Frame::Payload { bytes, .. })) => self.payload(now, bytes),
                Ok(Some(Frame::QuickAck(token))) => {
                    if let Some(session) = &mut self.session {
                        session.handle_quick_ack(token);
                    }
                    true
                }
                Ok(Some(Frame::Error(_))) => {
                    self.connections.errors += 1;
                    false
                }
                Ok(None) => {
                    if let Some(session) = &mut self.session {
                        session.bytes_arrived(now);
                    }
                    return;
                }
                Err(_) => false,
            };
            if !whole {
                self.connections.refused += 1;
                self.cut();
                return;
            }
        }
    }

    fn payload(&mut self, now: Now, bytes: BytesMut) -> bool {
        if let Some(session) = &mut self.session {
            return session.handle_input(now, bytes).is_ok();
        }
        let Some(handshake) = &mut self.handshake else {
            return false;
        };
        let exchanged = handshake
            .handle_input(now, bytes.freeze())
            .and_then(|()| handshake.run_jobs(now));
        if exchanged.is_err() {
            return false;
        }
        if let Some(created) = handshake.poll_output() {
            self.handshake = None;
            self.begin_session(created.key, created.salt, created.time_offset);
            if let Some(session) = &mut self.session {
                session.connected(now);
            }
        }
        true
    }

    /// Hands what either end has to say to the network.
    fn pump(&mut self) {
        loop {
            let now = self.client_now();
            let mut dead = false;
            if let Some(session) = &mut self.session {
                while let Some(event) = session.poll_event() {
                    match &event {
                        Event::Answer { call, .. }
                        | Event::RpcError { call, .. }
                        | Event::Failed { call, .. }
                        | Event::UnknownOutcome { call } => {
                            self.outcomes.entry(*call).or_default().push(event);
                        }
                        Event::Dead => dead = true,
                        _ => self.events.push(event),
                    }
                }
            }
            if dead && self.connection.is_some() {
                self.connections.dead += 1;
                self.cut();
            }
            if let Some(handshake) = &mut self.handshake {
                // A failed job ends the exchange as a refused payload does.
                let _ = handshake.run_jobs(now);
                while let Some(bytes) = handshake.poll_transmit() {
                    if let Some(connection) = self.connection {
                        let load = Load::Payload {
                            bytes,
                            quick_ack: false,
                        };
                        self.network.send(self.at, Direction::Up, connection, load);
                    }
                }
            }
            let mut sent = false;
            while let (Some(connection), Some(session)) = (self.connection, &mut self.session) {
                let Some(transmit) = session.poll_transmit(now) else {
                    break;
                };
                sent = true;
                let load = Load::Payload {
                    bytes: transmit.payload,
                    quick_ack: transmit.quick_ack,
                };
                self.network.send(self.at, Direction::Up, connection, load);
            }
            let server_now = self.server_now();
            let outputs = self.server.pump(server_now);
            let idle = outputs.is_empty();
            self.give_out(outputs);
            if !sent && idle {
                return;
            }
        }
    }
}

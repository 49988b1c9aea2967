//! The server's end of a [`Pair`](super::Pair): keys, sessions, and an application that counts what it carries out.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use actogram_crypto::{
    AuthKey, Side,
    random::{self, SeededRandom},
    rsa::PrivateKey,
};
use actogram_tl::{
    Constructor, Function, Writer, functions,
    mtproto::types,
    tables::{self, ResendClass},
};
use bytes::{Bytes, BytesMut};

use crate::{
    Now,
    handshake::{
        plain_message::is_plain,
        server::{ServerHandshake, ServerHandshakeConfig, Transmit},
    },
    session::{
        Opened, ServerSalts,
        server::{Event, ServerSession},
    },
    transport::{AcceptedObfuscation, Frame, ServerTransport, error_code},
};

/// What the application answers, and when.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// At once.
    Now(Bytes),
    /// After a time.
    After(Duration, Bytes),
    /// Never.
    Never,
}

/// Carries out a call, told its method without wrappers.
pub type Application = Box<dyn FnMut(&Bytes) -> Reply + Send>;

/// What was carried out.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    /// How often each method was carried out, by its encoding without wrappers.
    pub executed: HashMap<Bytes, u32>,
    /// Effects that exist: methods with a `random_id` have theirs once, however often they are carried out.
    pub effects: BTreeMap<Bytes, u32>,
    random: BTreeSet<Bytes>,
}

impl Ledger {
    /// How often this method was carried out.
    pub fn executions(&self, method: &Bytes) -> u32 {
        self.executed.get(method).copied().unwrap_or_default()
    }

    fn enter(&mut self, method: &Bytes) {
        *self.executed.entry(method.clone()).or_default() += 1;
        let again = tables::resend_class(method) == ResendClass::RandomId
            && !self.random.insert(method.clone());
        if !again {
            *self.effects.entry(method.clone()).or_default() += 1;
        }
    }
}

struct Served {
    session: ServerSession,
    connection: Option<u64>,
}

pub(super) struct Connection {
    pub(super) number: u64,
    transport: ServerTransport,
    handshake: Option<ServerHandshake>,
    disconnect_at: Option<Duration>,
}

/// What the server's end wants of the network.
pub(super) enum Output {
    Payload(Bytes),
    QuickAck(u32),
    Error(i32),
    Close,
}

/// The server's end.
pub struct PairServer {
    keys: BTreeMap<i64, (Arc<AuthKey>, ServerSalts)>,
    sessions: BTreeMap<(i64, i64), Served>,
    rsa: Option<Arc<PrivateKey>>,
    init: Bytes,
    initialized: BTreeSet<i64>,
    random: SeededRandom,
    application: Application,
    later: BTreeMap<(Duration, u64), (i64, i64, i64, Bytes)>,
    scheduled: u64,
    pub(super) connection: Option<Connection>,
    /// What was carried out so far.
    pub ledger: Ledger,
    /// Calls are refused with `CONNECTION_NOT_INITED` until one came with the wrapper. Off: whatever comes is served.
    pub wants_introduction: bool,
    /// How often a call came inside `initConnection`.
    pub introductions: u32,
    /// The wrapper each call came in, `invokeAfterMsg` only, in the order of arrival: the id it waits for.
    pub waited_for: Vec<Option<i64>>,
    /// Methods in the order they were carried out.
    pub order: Vec<Bytes>,
}

impl PairServer {
    pub(super) fn new(rsa: Option<Arc<PrivateKey>>, init: Bytes, random: SeededRandom) -> Self {
        Self {
            keys: BTreeMap::new(),
            sessions: BTreeMap::new(),
            rsa,
            init,
            initialized: BTreeSet::new(),
            random,
            application: Box::new(|_| Reply::Now(yes())),
            later: BTreeMap::new(),
            scheduled: 0,
            connection: None,
            ledger: Ledger::default(),
            wants_introduction: false,
            introductions: 0,
            waited_for: Vec::new(),
            order: Vec::new(),
        }
    }

    /// Decides what calls are answered with. At first each gets `boolTrue` at once.
    pub fn serve(&mut self, application: impl FnMut(&Bytes) -> Reply + Send + 'static) {
        self.application = Box::new(application);
    }

    /// The server knows this key, and its first salt.
    pub fn add_key(&mut self, now: Now, key: Arc<AuthKey>, salt: i64) {
        let salts = ServerSalts::new(now.unix_seconds(), salt);
        self.keys.insert(key.id(), (key, salts));
    }

    /// A restart that keeps keys and salts, and loses everything else.
    pub fn forget_sessions(&mut self) {
        self.sessions.clear();
        self.later.clear();
        self.initialized.clear();
    }

    /// Whatever salt a client knows is wrong from now on.
    pub fn forget_salts(&mut self) {
        for (_, salts) in self.keys.values_mut() {
            salts.forget();
        }
    }

    /// Another salt is current from now on; the one before is still taken.
    pub fn rotate_salts(&mut self, now: Now) {
        for (_, salts) in self.keys.values_mut() {
            salts.rotate(now.unix_seconds(), &mut self.random);
        }
    }

    /// No key is known any more.
    pub fn forget_keys(&mut self) {
        self.keys.clear();
        self.forget_sessions();
    }

    /// Who was introduced is forgotten: the next call is refused unless it introduces its client.
    pub fn forget_introductions(&mut self) {
        self.initialized.clear();
    }

    /// The session whose client spoke last, to look at it or to forge messages with.
    pub fn session(&mut self) -> Option<&mut ServerSession> {
        let attached = self
            .sessions
            .values_mut()
            .find(|served| served.connection.is_some());
        attached.map(|served| &mut served.session)
    }

    /// How many sessions there are.
    pub fn sessions(&self) -> usize {
        self.sessions.len()
    }

    /// The salt that is current for this key.
    pub fn salt(&mut self, now: Now, key_id: i64) -> Option<i64> {
        let (_, salts) = self.keys.get_mut(&key_id)?;
        Some(salts.current(now.unix_seconds(), &mut self.random))
    }

    /// Sends something unasked in every session.
    pub(super) fn push(&mut self, now: Now, body: &Bytes) {
        for served in self.sessions.values_mut() {
            served.session.push(now, body);
        }
    }

    pub(super) fn open(&mut self, number: u64) {
        let handshake = self.rsa.as_ref().map(|rsa| {
            let known: Vec<i64> = self.keys.keys().copied().collect();
            let config =
                ServerHandshakeConfig::new(vec![rsa.clone()], super::DATACENTER, move |id| {
                    known.contains(&id)
                });
            ServerHandshake::new(config, Box::new(fork(&mut self.random)))
        });
        self.connection = Some(Connection {
            number,
            transport: ServerTransport::new(
                AcceptedObfuscation::default(),
                Box::new(fork(&mut self.random)),
            ),
            handshake,
            disconnect_at: None,
        });
    }

    pub(super) fn close(&mut self) {
        self.connection = None;
        for served in self.sessions.values_mut() {
            if served.connection.take().is_some() {
                served.session.detached();
            }
        }
    }

    /// Bytes that arrived.
    pub(super) fn receive(&mut self, now: Now, bytes: &[u8]) -> Vec<Output> {
        let mut input = BytesMut::from(bytes);
        let mut outputs = Vec::new();
        loop {
            let Some(connection) = &mut self.connection else {
                return outputs;
            };
            match connection.transport.decode(&mut input) {
                Ok(Some(Frame::Payload {
                    bytes,
                    quick_ack_requested,
                })) => self.payload(now, bytes, quick_ack_requested, &mut outputs),
                Ok(Some(_)) => {}
                Ok(None) => return outputs,
                Err(_) => {
                    outputs.push(Output::Close);
                    return outputs;
                }
            }
        }
    }

    fn payload(&mut self, now: Now, bytes: BytesMut, quick_ack: bool, outputs: &mut Vec<Output>) {
        if is_plain(&bytes) {
            return self.exchange_keys(now, bytes.freeze(), outputs);
        }
        let key_id = bytes
            .first_chunk()
            .map(|id| i64::from_le_bytes(*id))
            .unwrap_or_default();
        let Some((key, salts)) = self.keys.get_mut(&key_id) else {
            outputs.push(Output::Error(error_code::AUTH_KEY_NOT_FOUND));
            return outputs.push(Output::Close);
        };
        let Ok(opened) = Opened::open(key, Side::Client, bytes) else {
            outputs.push(Output::Error(error_code::AUTH_KEY_NOT_FOUND));
            return outputs.push(Output::Close);
        };
        if quick_ack {
            outputs.push(Output::QuickAck(opened.quick_ack()));
        }
        let id = (key_id, opened.session_id());
        let random = &mut self.random;
        let served = self.sessions.entry(id).or_insert_with(|| Served {
            session: ServerSession::new(key.clone(), id.1, Box::new(fork(random))),
            connection: None,
        });
        let number = self.connection.as_ref().map(|connection| connection.number);
        if served.connection != number && !served.session.is_replay(&opened) {
            served.connection = number;
            served.session.attached();
        }
        served.session.handle_input(now, opened, salts);
    }

    fn exchange_keys(&mut self, now: Now, bytes: Bytes, outputs: &mut Vec<Output>) {
        let Some(handshake) = self
            .connection
            .as_mut()
            .and_then(|connection| connection.handshake.as_mut())
        else {
            return outputs.push(Output::Close);
        };
        // What is refused is answered with a transport error, which is among the transmits.
        let _ = handshake
            .handle_input(now, bytes)
            .and_then(|()| handshake.run_jobs(now));
        let new = handshake.poll_output();
        while let Some(transmit) = handshake.poll_transmit() {
            outputs.push(match transmit {
                Transmit::Payload(bytes) => Output::Payload(bytes),
                Transmit::Error(code) => Output::Error(code),
            });
        }
        if let Some(new) = new {
            self.add_key(now, new.key, new.salt);
        }
    }

    /// Encodes something for the connection.
    pub(super) fn encode(&mut self, load: &super::network::Load) -> Option<BytesMut> {
        use super::network::Load;
        let transport = &mut self.connection.as_mut()?.transport;
        let mut out = BytesMut::new();
        match load {
            Load::Payload { bytes, .. } => transport.encode(bytes, &mut out),
            Load::QuickAck(token) => transport.encode_quick_ack(*token, &mut out),
            Load::Error(code) => transport.encode_error(*code, &mut out),
        }
        .ok()?;
        Some(out)
    }

    /// Deadlines that have passed, calls, and what is to be sent.
    pub(super) fn pump(&mut self, now: Now) -> Vec<Output> {
        let mut outputs = Vec::new();
        while let Some(first) = self.later.first_entry() {
            if first.key().0 > now.monotonic {
                break;
            }
            let (key_id, session_id, msg_id, body) = first.remove();
            if let Some(served) = self.sessions.get_mut(&(key_id, session_id)) {
                served.session.answer(now, msg_id, &body);
            }
        }
        let ids: Vec<_> = self.sessions.keys().copied().collect();
        for id in ids {
            self.pump_session(now, id, &mut outputs);
        }
        let timed_out = self.connection.as_mut().is_some_and(|connection| {
            connection
                .disconnect_at
                .take_if(|at| *at <= now.monotonic)
                .is_some()
        });
        if timed_out {
            outputs.push(Output::Close);
        }
        outputs
    }

    fn pump_session(&mut self, now: Now, id: (i64, i64), outputs: &mut Vec<Output>) {
        if let Some(served) = self.sessions.get_mut(&id) {
            served.session.handle_timeout(now);
        }
        while let Some(event) = self
            .sessions
            .get_mut(&id)
            .and_then(|served| served.session.poll_event())
        {
            self.handle_event(now, id, event);
        }
        let (Some(served), Some((_, salts))) =
            (self.sessions.get_mut(&id), self.keys.get_mut(&id.0))
        else {
            return;
        };
        while let Some(packet) = served.session.poll_transmit(now, salts) {
            outputs.push(Output::Payload(packet));
        }
    }

    fn handle_event(&mut self, now: Now, id: (i64, i64), event: Event) {
        match event {
            Event::Call { msg_id, body } => {
                let reply = self.carry_out(id.0, &body);
                let answer = match reply {
                    Reply::Now(answer) => (Duration::ZERO, answer),
                    Reply::After(time, answer) => (time, answer),
                    Reply::Never => return,
                };
                if answer.0.is_zero() {
                    if let Some(served) = self.sessions.get_mut(&id) {
                        served.session.answer(now, msg_id, &answer.1);
                    }
                } else {
                    self.scheduled += 1;
                    let at = (now.monotonic + answer.0, self.scheduled);
                    self.later.insert(at, (id.0, id.1, msg_id, answer.1));
                }
            }
            Event::DestroySession { session_id } => {
                let existed = self.sessions.remove(&(id.0, session_id)).is_some();
                if let Some(served) = self.sessions.get_mut(&id) {
                    served.session.session_destroyed(session_id, existed);
                }
            }
            Event::DestroyKey { msg_id } => {
                let existed = self.keys.contains_key(&id.0);
                if let Some(served) = self.sessions.get_mut(&id) {
                    served.session.key_destroyed(now, msg_id, existed);
                }
            }
            Event::DisconnectAfter(delay) => {
                if let Some(connection) = &mut self.connection {
                    connection.disconnect_at = Some(now.monotonic + delay);
                }
            }
            Event::Dropped { .. } | Event::PushesLost => {}
        }
    }

    fn carry_out(&mut self, key_id: i64, body: &Bytes) -> Reply {
        let mut method = body.clone();
        let mut waits_for = None;
        let mut introduced = false;
        loop {
            if !self.init.is_empty() && method.starts_with(&self.init) {
                method = method.slice(self.init.len()..);
                introduced = true;
            } else if method.starts_with(&functions::InvokeAfterMsg::ID.to_le_bytes())
                && let Some(id) = method.get(4..12).and_then(|id| id.try_into().ok())
            {
                waits_for = Some(i64::from_le_bytes(id));
                method = method.slice(12..);
            } else {
                break;
            }
        }
        if introduced {
            self.initialized.insert(key_id);
            self.introductions += 1;
        }
        if self.wants_introduction && !self.initialized.contains(&key_id) {
            return Reply::Now(rpc_error(400, "CONNECTION_NOT_INITED"));
        }
        self.waited_for.push(waits_for);
        self.order.push(method.clone());
        self.ledger.enter(&method);
        (self.application)(&method)
    }

    /// The next moment something is to be done without anything arriving.
    pub(super) fn next_at(&self) -> Option<Duration> {
        let sessions = self
            .sessions
            .values()
            .filter_map(|served| served.session.poll_timeout());
        let later = self.later.keys().map(|(at, _)| *at);
        let disconnect = self
            .connection
            .as_ref()
            .and_then(|connection| connection.disconnect_at);
        sessions.chain(later.take(1)).chain(disconnect).min()
    }
}

/// `boolTrue`.
pub fn yes() -> Bytes {
    let mut writer = Writer::new();
    writer.put_u32(0x9972_75b5);
    writer.into_bytes()
}

/// `rpc_error`.
pub fn rpc_error(code: i32, name: &str) -> Bytes {
    let error = types::RpcError {
        error_code: code,
        error_message: Bytes::copy_from_slice(name.as_bytes()),
    };
    let mut writer = Writer::new();
    writer.object(types::RpcError::ID, &error);
    writer.into_bytes()
}

pub(super) fn fork(random: &mut SeededRandom) -> SeededRandom {
    SeededRandom::from_seed(random::i64(random) as u64)
}

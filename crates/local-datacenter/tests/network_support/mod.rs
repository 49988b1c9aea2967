//! A client over real sockets, made of the state machines of `actogram-mtproto`, which tells everything that happens.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use std::{
    collections::HashMap,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, OnceLock},
    time::{Duration, SystemTime},
};

use actogram_crypto::{
    AuthKey,
    random::{OsRandom, Random, SeededRandom},
    rsa::PrivateKey,
};
use actogram_local_datacenter::{Builder, LocalDatacenter};
use actogram_mtproto::{
    Now,
    handshake::client::{ClientHandshake, ClientHandshakeConfig},
    session::client::{
        CallFailure, CallId, CallRequest, ClientSession, ClientSessionConfig, Event,
    },
    transport::{ClientTransport, Frame, Kind, Obfuscation},
};
use actogram_tl::{Decode, Encode, Function, RawQuery, functions};
use bytes::{Bytes, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::{Instant, timeout, timeout_at},
};

/// Nothing takes longer unless something hangs.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// One key for all datacenters of a test program: making one takes a second.
pub fn rsa_key() -> Arc<PrivateKey> {
    static KEY: OnceLock<Arc<PrivateKey>> = OnceLock::new();
    KEY.get_or_init(|| Arc::new(PrivateKey::generate(&mut SeededRandom::from_seed(7)).unwrap()))
        .clone()
}

pub fn builder() -> Builder {
    LocalDatacenter::builder().rsa_key(rsa_key())
}

pub async fn datacenter() -> LocalDatacenter {
    builder().start().await.unwrap()
}

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The other side closed it.
    Closed,
    /// The client closed it, as it must when a payload is not what it should be.
    Refused,
    /// A transport error came.
    Error(i32),
    /// The session found that the server is not there.
    Dead,
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    Answer(Bytes),
    Error(i32, String),
    Failed(CallFailure),
    Unknown,
}

pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// A new generator for each use.
pub type Randoms = Box<dyn FnMut() -> Box<dyn Random> + Send>;

struct Wire {
    obfuscated: bool,
    stream: Box<dyn Stream>,
    transport: ClientTransport,
    input: BytesMut,
}

impl Wire {
    async fn dial(address: SocketAddr, kind: Kind, obfuscated: bool) -> Self {
        Self::dial_from(Ipv4Addr::LOCALHOST, address, kind, obfuscated).await
    }

    async fn dial_from(from: Ipv4Addr, to: SocketAddr, kind: Kind, obfuscated: bool) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((from, 0).into()).unwrap();
        let stream = timeout(PATIENCE, socket.connect(to))
            .await
            .unwrap()
            .unwrap();
        stream.set_nodelay(true).unwrap();
        Self::over(Box::new(stream), kind, obfuscated, Box::new(OsRandom))
    }

    fn over(
        stream: Box<dyn Stream>,
        kind: Kind,
        obfuscated: bool,
        random: Box<dyn Random>,
    ) -> Self {
        let obfuscation = obfuscated.then_some(Obfuscation {
            dc_id: 2,
            secret: None,
        });
        Self {
            obfuscated,
            stream,
            transport: ClientTransport::new(kind, obfuscation, random).unwrap(),
            input: BytesMut::new(),
        }
    }

    async fn send(&mut self, payload: &[u8], quick_ack: bool) -> Result<(), End> {
        let mut out = BytesMut::new();
        self.transport.encode(payload, quick_ack, &mut out).unwrap();
        self.stream.write_all(&out).await.map_err(|_| End::Closed)
    }

    async fn frame(&mut self) -> Result<Frame, End> {
        loop {
            match self.transport.decode(&mut self.input) {
                Ok(Some(frame)) => return Ok(frame),
                Ok(None) => {}
                Err(_) => return Err(End::Refused),
            }
            match self.stream.read_buf(&mut self.input).await {
                Ok(0) | Err(_) => return Err(End::Closed),
                Ok(_) => {}
            }
        }
    }
}

pub struct Client {
    pub session: ClientSession,
    pub key: Arc<AuthKey>,
    pub updates: Vec<Bytes>,
    pub quick_acks: Vec<u32>,
    /// Calls of which a quick acknowledgement told that they arrived.
    pub received: Vec<CallId>,
    /// The server says so of the first one, too.
    pub sessions_begun: usize,
    outcomes: HashMap<CallId, Outcome>,
    twice: Vec<CallId>,
    pub sent_payloads: Vec<Bytes>,
    wire: Option<Wire>,
    address: SocketAddr,
    kind: Kind,
    obfuscated: bool,
    times: Times,
}

/// A client's clocks: the wall's goes on with tokio's, so that virtual time moves both.
#[derive(Clone, Copy)]
pub struct Times {
    pub origin: Instant,
    pub unix: Duration,
}

impl Times {
    fn of_the_system() -> Self {
        Self {
            origin: Instant::now(),
            unix: SystemTime::now()
                .duration_since(SystemTime::UNIX_EPOCH)
                .unwrap(),
        }
    }

    fn now(&self) -> Now {
        let monotonic = self.origin.elapsed();
        Now {
            monotonic,
            unix: self.unix + monotonic,
        }
    }
}

/// Makes an auth key over a connection of its own and tells how that went.
pub async fn exchange(
    address: SocketAddr,
    kind: Kind,
    obfuscated: bool,
) -> Result<(Arc<AuthKey>, i64), End> {
    exchange_with(address, kind, obfuscated, permanent(2)).await
}

/// As [`exchange`], for a key of another kind.
pub async fn exchange_with(
    address: SocketAddr,
    kind: Kind,
    obfuscated: bool,
    config: ClientHandshakeConfig,
) -> Result<(Arc<AuthKey>, i64), End> {
    let mut wire = Wire::dial(address, kind, obfuscated).await;
    let times = Times::of_the_system();
    exchange_over(&mut wire, times, Box::new(OsRandom), config).await
}

fn permanent(dc_id: i32) -> ClientHandshakeConfig {
    ClientHandshakeConfig::permanent(vec![rsa_key().public().clone()], dc_id)
}

async fn exchange_over(
    wire: &mut Wire,
    times: Times,
    random: Box<dyn Random>,
    config: ClientHandshakeConfig,
) -> Result<(Arc<AuthKey>, i64), End> {
    let mut handshake = ClientHandshake::new(config, random);
    handshake.start(times.now());
    loop {
        handshake.run_jobs(times.now()).map_err(|_| End::Refused)?;
        if let Some(created) = handshake.poll_output() {
            return Ok((created.key, created.salt));
        }
        while let Some(payload) = handshake.poll_transmit() {
            wire.send(&payload, false).await?;
        }
        match timeout(PATIENCE, wire.frame())
            .await
            .map_err(|_| End::Dead)??
        {
            Frame::Payload { bytes, .. } => handshake
                .handle_input(times.now(), bytes.freeze())
                .map_err(|_| End::Refused)?,
            Frame::Error(code) => return Err(End::Error(code)),
            _ => return Err(End::Refused),
        }
    }
}

pub fn init() -> Bytes {
    let strings = || String::from("test");
    let nothing = RawQuery(Bytes::new());
    let connection = functions::InitConnection::new(
        1,
        strings(),
        strings(),
        strings(),
        strings(),
        String::new(),
        strings(),
        nothing,
    );
    functions::InvokeWithLayer {
        layer: actogram_tl::LAYER,
        query: RawQuery::of(&connection),
    }
    .to_bytes()
}

fn session(key: &Arc<AuthKey>, salt: i64, now: Now, random: Box<dyn Random>) -> ClientSession {
    let config = ClientSessionConfig {
        key: key.clone(),
        salt,
        time_offset: 0,
        init: init(),
    };
    ClientSession::new(config, now, random)
}

impl Client {
    pub async fn connect(datacenter: &LocalDatacenter) -> Self {
        Self::connect_over(datacenter, Kind::Intermediate, false).await
    }

    pub async fn connect_over(datacenter: &LocalDatacenter, kind: Kind, obfuscated: bool) -> Self {
        Self::dial(datacenter.address().unwrap(), kind, obfuscated)
            .await
            .unwrap()
    }

    pub async fn dial(address: SocketAddr, kind: Kind, obfuscated: bool) -> Result<Self, End> {
        Self::dial_as(address, kind, obfuscated, 2).await
    }

    /// As [`Self::dial`], with a key for this datacenter.
    pub async fn dial_as(
        address: SocketAddr,
        kind: Kind,
        obfuscated: bool,
        dc_id: i32,
    ) -> Result<Self, End> {
        Self::dial_with(address, kind, obfuscated, permanent(dc_id)).await
    }

    /// As [`Self::dial`], with a key of another kind.
    pub async fn dial_with(
        address: SocketAddr,
        kind: Kind,
        obfuscated: bool,
        config: ClientHandshakeConfig,
    ) -> Result<Self, End> {
        let wire = Wire::dial(address, kind, obfuscated).await;
        let times = Times::of_the_system();
        let randoms: Randoms = Box::new(|| Box::new(OsRandom));
        Self::begin(wire, address, times, randoms, config).await
    }

    /// Over a stream that is no socket, under virtual time.
    pub async fn over(
        stream: impl Stream + 'static,
        unix: Duration,
        random: Randoms,
    ) -> Result<Self, End> {
        Self::over_as(stream, unix, random, 2).await
    }

    /// As [`Self::over`], with a key for this datacenter.
    pub async fn over_as(
        stream: impl Stream + 'static,
        unix: Duration,
        mut random: Randoms,
        dc_id: i32,
    ) -> Result<Self, End> {
        let times = Times {
            origin: Instant::now(),
            unix,
        };
        let wire = Wire::over(Box::new(stream), Kind::Intermediate, true, random());
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        Self::begin(wire, nowhere, times, random, permanent(dc_id)).await
    }

    async fn begin(
        mut wire: Wire,
        address: SocketAddr,
        times: Times,
        mut random: Randoms,
        handshake: ClientHandshakeConfig,
    ) -> Result<Self, End> {
        let wire_kind = wire.transport.kind();
        let (key, salt) = exchange_over(&mut wire, times, random(), handshake).await?;
        let mut session = session(&key, salt, times.now(), random());
        session.connected(times.now());
        Ok(Self {
            session,
            key,
            updates: Vec::new(),
            quick_acks: Vec::new(),
            received: Vec::new(),
            sessions_begun: 0,
            outcomes: HashMap::new(),
            twice: Vec::new(),
            sent_payloads: Vec::new(),
            address,
            kind: wire_kind,
            obfuscated: wire.obfuscated,
            wire: Some(wire),
            times,
        })
    }

    /// Somebody else with the same key, who comes from this address.
    pub async fn twin(&self, from: Ipv4Addr) -> Self {
        let wire = Wire::dial_from(from, self.address, self.kind, self.obfuscated).await;
        let mut twin = Self {
            session: session(&self.key, 0, self.now(), Box::new(OsRandom)),
            key: self.key.clone(),
            updates: Vec::new(),
            quick_acks: Vec::new(),
            received: Vec::new(),
            sessions_begun: 0,
            outcomes: HashMap::new(),
            twice: Vec::new(),
            sent_payloads: Vec::new(),
            address: self.address,
            kind: self.kind,
            obfuscated: self.obfuscated,
            wire: Some(wire),
            times: self.times,
        };
        twin.session.connected(self.now());
        twin
    }

    pub fn now(&self) -> Now {
        self.times.now()
    }

    /// Goes on over another stream, which is no socket.
    pub fn go_on_over(&mut self, stream: impl Stream + 'static) {
        self.go_on(stream, Box::new(OsRandom));
    }

    /// As [`Self::go_on_over`], with an obfuscation that the seed decides.
    pub fn go_on_over_seeded(&mut self, stream: impl Stream + 'static, seed: u64) {
        self.go_on(stream, Box::new(SeededRandom::from_seed(seed)));
    }

    fn go_on(&mut self, stream: impl Stream + 'static, random: Box<dyn Random>) {
        self.disconnect();
        self.wire = Some(Wire::over(
            Box::new(stream),
            self.kind,
            self.obfuscated,
            random,
        ));
        self.session.connected(self.now());
    }

    pub fn move_to(&mut self, datacenter: &LocalDatacenter) {
        self.address = datacenter.address().unwrap();
    }

    /// Begins another session with the same key.
    pub fn begin_session(&mut self, salt: i64) {
        self.session = session(&self.key, salt, self.now(), Box::new(OsRandom));
        self.session.connected(self.now());
        // Calls are numbered anew.
        self.outcomes.clear();
    }

    /// Hangs up.
    pub fn disconnect(&mut self) {
        self.wire = None;
        self.session.disconnected();
    }

    /// Goes on over a connection to another listener.
    pub async fn reconnect_to(&mut self, address: SocketAddr) {
        self.address = address;
        self.reconnect().await;
    }

    pub async fn reconnect(&mut self) {
        self.disconnect();
        self.wire = Some(Wire::dial(self.address, self.kind, self.obfuscated).await);
        self.session.connected(self.now());
    }

    pub fn start<F: Function>(&mut self, function: &F) -> CallId {
        self.session
            .call(self.now(), CallRequest::new(function.to_bytes()))
    }

    pub fn start_request(&mut self, request: CallRequest) -> CallId {
        self.session.call(self.now(), request)
    }

    pub fn outcome(&self, call: CallId) -> Option<&Outcome> {
        self.outcomes.get(&call)
    }

    /// Sends what is to be sent, then takes one frame or one timeout, at most until `end`.
    pub async fn step(&mut self, end: Instant) -> Result<(), End> {
        let result = self.step_inner(end).await;
        if result.is_err() {
            self.disconnect();
        }
        result
    }

    async fn step_inner(&mut self, end: Instant) -> Result<(), End> {
        let times = self.times;
        let Some(wire) = &mut self.wire else {
            return Err(End::Closed);
        };
        while let Some(transmit) = self.session.poll_transmit(times.now()) {
            self.sent_payloads.push(transmit.payload.clone());
            wire.send(&transmit.payload, transmit.quick_ack).await?;
        }
        let look = self
            .session
            .poll_timeout()
            .map_or(end, |at| (times.origin + at).min(end));
        match timeout_at(look, wire.frame()).await {
            Err(_) => self.session.handle_timeout(times.now()),
            Ok(Ok(Frame::Payload { bytes, .. })) => self
                .session
                .handle_input(times.now(), bytes)
                .map_err(|_| End::Refused)?,
            Ok(Ok(Frame::QuickAck(token))) => {
                self.quick_acks.push(token);
                self.session.handle_quick_ack(token);
            }
            Ok(Ok(Frame::Error(code))) => return Err(End::Error(code)),
            Ok(Ok(_)) => {}
            Ok(Err(ended)) => return Err(ended),
        }
        let mut dead = false;
        while let Some(event) = self.session.poll_event() {
            let (call, outcome) = match event {
                Event::Answer { call, body } => (call, Outcome::Answer(body)),
                Event::RpcError {
                    call,
                    code,
                    message,
                    ..
                } => (call, Outcome::Error(code, message)),
                Event::Failed { call, why } => (call, Outcome::Failed(why)),
                Event::UnknownOutcome { call } => (call, Outcome::Unknown),
                Event::Update(body) => {
                    self.updates.push(body);
                    continue;
                }
                Event::Received { call } => {
                    self.received.push(call);
                    continue;
                }
                Event::SessionLost => {
                    self.sessions_begun += 1;
                    continue;
                }
                Event::Dead => {
                    dead = true;
                    continue;
                }
                _ => continue,
            };
            if self.outcomes.insert(call, outcome).is_some() {
                self.twice.push(call);
            }
        }
        if dead { Err(End::Dead) } else { Ok(()) }
    }

    /// Goes on until the condition holds.
    pub async fn until(&mut self, condition: impl FnMut(&Self) -> bool) -> Result<(), End> {
        self.until_within(PATIENCE, condition).await
    }

    pub async fn until_within(
        &mut self,
        patience: Duration,
        mut condition: impl FnMut(&Self) -> bool,
    ) -> Result<(), End> {
        let end = Instant::now() + patience;
        while !condition(self) {
            assert!(
                Instant::now() < end,
                "nothing came of it within {patience:?}"
            );
            self.step(end).await?;
        }
        assert!(self.twice.is_empty(), "calls ended twice: {:?}", self.twice);
        Ok(())
    }

    /// Goes on for a while, whatever happens.
    pub async fn idle(&mut self, duration: Duration) -> Result<(), End> {
        let end = Instant::now() + duration;
        while Instant::now() < end {
            self.step(end).await?;
        }
        Ok(())
    }

    pub async fn finish(&mut self, call: CallId) -> Result<Outcome, End> {
        self.until(|client| client.outcomes.contains_key(&call))
            .await?;
        Ok(self.outcomes[&call].clone())
    }

    /// As [`Self::finish`], through as many connections as it takes; tells how the earlier ones ended.
    pub async fn finish_whatever_happens(&mut self, call: CallId) -> (Outcome, Vec<End>) {
        let mut ends = Vec::new();
        loop {
            match self.finish(call).await {
                Ok(outcome) => return (outcome, ends),
                Err(end) => ends.push(end),
            }
            assert!(
                ends.len() < 50,
                "the connection ends again and again: {ends:?}"
            );
            self.reconnect().await;
        }
    }

    /// Calls and expects an answer over the connection at hand.
    pub async fn invoke<F: Function>(&mut self, function: &F) -> Result<F::Response, End> {
        let call = self.start(function);
        match self.finish(call).await? {
            Outcome::Answer(body) => Ok(F::Response::from_bytes(body).unwrap()),
            other => panic!("{} ended in {other:?}", F::NAME),
        }
    }

    /// Logs in as a bot that is made for it.
    pub async fn log_in(&mut self, datacenter: &LocalDatacenter, username: &str) {
        let bot = datacenter
            .operator()
            .create_bot(username, username)
            .unwrap();
        self.log_in_with(&bot.token).await;
    }

    pub async fn log_in_with(&mut self, token: &str) {
        self.invoke(&functions::auth::ImportBotAuthorization {
            flags: 0,
            api_id: 1,
            api_hash: "test".into(),
            bot_auth_token: token.into(),
        })
        .await
        .unwrap();
    }

    /// Bytes put on the wire as they are.
    pub async fn send_raw(&mut self, bytes: &[u8]) -> Result<(), End> {
        self.wire
            .as_mut()
            .unwrap()
            .stream
            .write_all(bytes)
            .await
            .map_err(|_| End::Closed)
    }

    /// A payload, framed.
    pub async fn send_payload(&mut self, payload: &[u8]) -> Result<(), End> {
        self.wire.as_mut().unwrap().send(payload, false).await
    }
}

/// Reads until the other side closes, and gives what it said.
pub async fn read_to_end(stream: &mut TcpStream) -> Vec<u8> {
    let mut said = Vec::new();
    // A reset is an end as well.
    let _ = timeout(PATIENCE, stream.read_to_end(&mut said))
        .await
        .expect("the connection stays open");
    said
}

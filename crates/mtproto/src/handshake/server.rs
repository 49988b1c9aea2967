//! The server's side of creating an auth key.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use actogram_crypto::dh::{self, Secret};
use actogram_crypto::random::Random;
use actogram_crypto::rsa::PrivateKey;
use actogram_crypto::sha::sha256;
use actogram_crypto::{AuthKey, kdf};
use actogram_tl::Encode;
use actogram_tl::mtproto::{enums, types};
use bytes::Bytes;
use zeroize::Zeroizing;

use super::MAX_ATTEMPTS;
use super::answer::TemporaryAes;
use super::error::Rejection;
use super::inner_data::InnerData;
use super::job::{Job, JobResult, Outcome, Work};
use super::plain_message::{PlainMessage, PlainMessageIds};
use super::pq::Pq;
use super::query::Query;
use super::slots::{HandshakeSlots, Slot};
use crate::Now;

/// How long a server remembers an exchange: 10 minutes from its first query.
/// See <https://core.telegram.org/mtproto/auth_key>.
pub const EXCHANGE_LIFETIME: Duration = Duration::from_secs(600);

/// What a server needs to create keys with its clients.
pub struct ServerHandshakeConfig {
    /// The private keys it offers, all of them in every `resPQ`.
    pub keys: Vec<Arc<PrivateKey>>,
    /// The datacenter ids a client may ask for: the own one, and its test and media forms if served.
    pub dcs: Vec<i32>,
    /// Whether a key with this id exists already. A client that computed it is asked for another one.
    pub key_exists: Box<dyn Fn(i64) -> bool + Send>,
    /// The shared bound on half-open exchanges, and the address of this connection's peer.
    pub slots: Option<(HandshakeSlots, IpAddr)>,
    /// How many exchanges one connection may begin within [`EXCHANGE_LIFETIME`].
    pub max_begun: u32,
    /// After how many keys that exist already the exchange fails.
    pub max_attempts: u32,
    /// The 2048-bit safe prime, big-endian.
    pub prime: Arc<[u8; 256]>,
    /// The generator.
    pub g: i32,
}

impl ServerHandshakeConfig {
    /// A datacenter with one id: the well-known prime with generator 3, 64 exchanges per connection,
    /// no shared bound.
    #[must_use]
    pub fn new(
        keys: Vec<Arc<PrivateKey>>,
        dc: i32,
        key_exists: impl Fn(i64) -> bool + Send + 'static,
    ) -> Self {
        Self {
            keys,
            dcs: vec![dc],
            key_exists: Box::new(key_exists),
            slots: None,
            max_begun: 64,
            max_attempts: MAX_ATTEMPTS,
            prime: Arc::new(dh::KNOWN_PRIME),
            g: 3,
        }
    }
}

impl std::fmt::Debug for ServerHandshakeConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerHandshakeConfig")
            .field("keys", &self.keys.len())
            .field("dcs", &self.dcs)
            .field("max_begun", &self.max_begun)
            .field("max_attempts", &self.max_attempts)
            .finish_non_exhaustive()
    }
}

/// A key a client and this server agree on.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// The key.
    pub key: Arc<AuthKey>,
    /// The first server salt.
    pub salt: i64,
    /// When a temporary key expires, in unix seconds. `None` for a permanent key.
    pub temporary: Option<i32>,
    /// The datacenter id the client asked for; `None` from clients that name none.
    pub dc: Option<i32>,
}

/// What a server sends.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Transmit {
    /// A payload for the transport.
    Payload(Bytes),
    /// A transport error.
    Error(i32),
}

/// Creates auth keys with the client of one connection.
///
/// Hand it every unencrypted payload of the connection (see
/// [`is_plain`](super::plain_message::is_plain)). **Store what [`poll_output`](Self::poll_output) gives
/// before sending what [`poll_transmit`](Self::poll_transmit) gives**: once the client reads
/// `dh_gen_ok`, it uses the key.
///
/// A query that repeats an earlier one gets the same bytes again for [`EXCHANGE_LIFETIME`]. A refused
/// exchange stays refused; a new `req_pq_multi` with another nonce begins a new one.
pub struct ServerHandshake {
    config: ServerHandshakeConfig,
    random: Box<dyn Random>,
    ids: PlainMessageIds,
    state: State,
    /// When the exchange at hand is forgotten.
    expires: Option<Duration>,
    /// The query being worked on or answered last, and all answers of this exchange by the hash of
    /// their query. At most one per step and attempt.
    answers: Vec<([u8; 32], Transmit)>,
    pending: Option<[u8; 32]>,
    transmit: Option<Transmit>,
    job: Option<Job>,
    tickets: u64,
    output: Option<NewKey>,
    slot: Option<Slot>,
    begun: u32,
    begun_since: Duration,
}

/// ```text
///         req_pq_multi          req_DH_params         job, checks
/// Idle ────────────────► PqSent ─────────────► Opening ──────────► DhSent ◄───────────┐
///   ▲                                                                 │               │ dh_gen_retry
///   │ 10 minutes                                set_client_DH_params  ▼               │ (the key exists)
///   └─────────── any                                             Agreeing ────────────┤
///                                                                                     │ dh_gen_ok
/// any ── failed check, query not due, dh_gen_fail ──► Over                     Done ◄─┘
/// any ── req_pq_multi with another nonce ──► PqSent
/// ```
enum State {
    Idle,
    PqSent(Box<Offer>),
    Opening(Box<Offer>, Box<DhQuery>),
    DhSent(Box<Exchange>),
    Agreeing(Box<Exchange>),
    Done { nonce: [u8; 16] },
    Over { nonce: [u8; 16] },
}

impl State {
    fn name(&self) -> &'static str {
        match self {
            State::Idle => "idle",
            State::PqSent(_) => "waiting for req_DH_params",
            State::Opening(..) => "opening req_DH_params",
            State::DhSent(_) => "waiting for set_client_DH_params",
            State::Agreeing(_) => "computing the key",
            State::Done { .. } => "done",
            State::Over { .. } => "over",
        }
    }

    fn nonce(&self) -> Option<[u8; 16]> {
        match self {
            State::Idle => None,
            State::PqSent(offer) | State::Opening(offer, _) => Some(offer.nonce),
            State::DhSent(exchange) | State::Agreeing(exchange) => Some(exchange.nonce),
            State::Done { nonce } | State::Over { nonce } => Some(*nonce),
        }
    }
}

struct Offer {
    nonce: [u8; 16],
    server_nonce: [u8; 16],
    pq: Pq,
}

/// What `req_DH_params` says outside its encrypted part.
pub(super) struct DhQuery {
    pub(super) nonce: [u8; 16],
    pub(super) server_nonce: [u8; 16],
    pub(super) p: Bytes,
    pub(super) q: Bytes,
    pub(super) fingerprint: i64,
    pub(super) encrypted: Bytes,
}

struct Exchange {
    nonce: [u8; 16],
    server_nonce: [u8; 16],
    new_nonce: Zeroizing<[u8; 32]>,
    aes: TemporaryAes,
    secret: Arc<Secret>,
    dc: Option<i32>,
    expires_in: Option<i32>,
    retry_id: i64,
    attempts: u32,
}

impl ServerHandshake {
    /// A server's side that waits for a first query. `random` must be the operating system's outside
    /// tests.
    #[must_use]
    pub fn new(config: ServerHandshakeConfig, random: Box<dyn Random>) -> Self {
        Self {
            config,
            random,
            ids: PlainMessageIds::server(),
            state: State::Idle,
            expires: None,
            answers: Vec::new(),
            pending: None,
            transmit: None,
            job: None,
            tickets: 0,
            output: None,
            slot: None,
            begun: 0,
            begun_since: Duration::ZERO,
        }
    }

    /// Takes one unencrypted payload. After any outcome, look at all the `poll_*` functions: a refusal
    /// queues the transport error to send.
    ///
    /// # Errors
    /// Why the query was refused, for the server's own logs. The connection stays usable.
    pub fn handle_input(&mut self, now: Now, payload: Bytes) -> Result<(), Rejection> {
        self.expire(now);
        let outcome = self.dispatch(now, payload);
        outcome.inspect_err(|rejection| self.refuse(rejection))
    }

    fn dispatch(&mut self, now: Now, payload: Bytes) -> Result<(), Rejection> {
        let body = PlainMessage::parse(payload)?.body;
        let unexpected = Rejection::Unexpected {
            state: self.state.name(),
        };
        let (query, length) = Query::decode(&body).ok_or_else(|| unexpected.clone())?;
        let fingerprint = sha256(&body[..length]);
        if let Some((_, answer)) = self.answers.iter().find(|(query, _)| *query == fingerprint) {
            self.transmit = Some(answer.clone());
            return Ok(());
        }
        if self.pending == Some(fingerprint) {
            return Ok(());
        }
        if let Query::ReqPq { nonce } = query {
            return self.begin(now, nonce, fingerprint);
        }
        match (std::mem::replace(&mut self.state, State::Idle), query) {
            (State::PqSent(offer), Query::ReqDhParams(query)) => {
                self.pending = Some(fingerprint);
                self.open_inner(offer, query);
                Ok(())
            }
            (
                State::DhSent(exchange),
                Query::SetClientDhParams {
                    nonce,
                    server_nonce,
                    encrypted,
                },
            ) => {
                self.pending = Some(fingerprint);
                self.agree(exchange, nonce, server_nonce, &encrypted)
            }
            (State::Over { nonce }, _) => {
                self.state = State::Over { nonce };
                Err(Rejection::Over)
            }
            (state, _) => {
                self.state = state;
                Err(unexpected)
            }
        }
    }

    fn refuse(&mut self, rejection: &Rejection) {
        if let Some(nonce) = self.state.nonce() {
            self.end(State::Over { nonce });
        }
        self.transmit = Some(Transmit::Error(rejection.transport_code()));
    }

    /// Leaves the exchange: its secrets and its slot are gone, answers given stay until they expire.
    fn end(&mut self, state: State) {
        self.state = state;
        self.pending = None;
        self.job = None;
        self.slot = None;
        if matches!(self.state, State::Over { .. }) {
            self.answers.clear();
        }
    }

    fn begin(&mut self, now: Now, nonce: [u8; 16], fingerprint: [u8; 32]) -> Result<(), Rejection> {
        if matches!(self.state, State::Over { nonce: over } if over == nonce) {
            return Err(Rejection::Over);
        }
        if now.monotonic.saturating_sub(self.begun_since) >= EXCHANGE_LIFETIME {
            self.begun = 0;
            self.begun_since = now.monotonic;
        }
        if self.begun >= self.config.max_begun {
            return Err(Rejection::Flood);
        }
        if let (None, Some((slots, peer))) = (&self.slot, &self.config.slots) {
            self.slot = Some(slots.take(*peer).ok_or(Rejection::Flood)?);
        }
        self.begun += 1;
        self.answers.clear();
        self.pending = Some(fingerprint);
        self.job = None;
        self.expires = Some(now.monotonic.saturating_add(EXCHANGE_LIFETIME));
        let server_nonce = self.draw();
        let pq = Pq::generate(&mut *self.random);
        let answer: enums::ResPq = types::ResPq {
            nonce,
            server_nonce,
            pq: pq.product_bytes().into(),
            server_public_key_fingerprints: self
                .config
                .keys
                .iter()
                .map(|key| key.public().fingerprint())
                .collect(),
        }
        .into();
        self.answer(now, &answer);
        self.state = State::PqSent(Box::new(Offer {
            nonce,
            server_nonce,
            pq,
        }));
        Ok(())
    }

    fn draw<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.random.fill(&mut bytes);
        bytes
    }

    fn answer(&mut self, now: Now, answer: &impl Encode) {
        let message = PlainMessage {
            msg_id: self.ids.next(now.unix),
            body: answer.to_bytes(),
        };
        let transmit = Transmit::Payload(message.to_payload());
        if let Some(query) = self.pending.take() {
            self.answers.push((query, transmit.clone()));
        }
        self.transmit = Some(transmit);
    }

    fn queue(&mut self, work: Work) {
        self.tickets += 1;
        self.job = Some(Job {
            ticket: self.tickets,
            work,
        });
    }

    /// Hands `req_DH_params` to a job, whatever it looks like: a query refused before the RSA operation
    /// would be told from one refused after it by the time it takes.
    fn open_inner(&mut self, offer: Box<Offer>, query: Box<DhQuery>) {
        let secret = Arc::new(Secret::generate(&mut *self.random));
        let keys = &self.config.keys;
        let key = keys
            .iter()
            .find(|key| key.public().fingerprint() == query.fingerprint)
            .or(keys.first())
            .cloned();
        self.queue(Work::OpenInner {
            key,
            encrypted: query.encrypted.clone(),
            prime: Arc::clone(&self.config.prime),
            g: self.config.g,
            secret,
        });
        self.state = State::Opening(offer, query);
    }

    /// Takes the result of the job [`poll_job`](Self::poll_job) gave. Results of exchanges that are
    /// over are ignored.
    ///
    /// # Errors
    /// As [`handle_input`](Self::handle_input).
    pub fn handle_job(&mut self, now: Now, result: JobResult) -> Result<(), Rejection> {
        self.expire(now);
        if result.ticket != self.tickets {
            return Ok(());
        }
        let outcome = match (
            std::mem::replace(&mut self.state, State::Idle),
            result.outcome,
        ) {
            (State::Opening(offer, query), Outcome::Opened { inner, g_a, secret }) => {
                let nonce = offer.nonce;
                self.on_opened(now, &offer, &query, inner, g_a, secret)
                    .inspect_err(|_| self.state = State::Over { nonce })
            }
            (State::Agreeing(exchange), Outcome::Agreed(key)) => {
                let nonce = exchange.nonce;
                match key {
                    Some(key) => {
                        self.on_agreed(now, exchange, key);
                        Ok(())
                    }
                    None => {
                        self.state = State::Over { nonce };
                        Err(Rejection::ClientDh)
                    }
                }
            }
            (state, _) => {
                self.state = state;
                Ok(())
            }
        };
        outcome.inspect_err(|rejection| self.refuse(rejection))
    }

    fn on_opened(
        &mut self,
        now: Now,
        offer: &Offer,
        query: &DhQuery,
        inner: Option<Box<InnerData>>,
        g_a: Bytes,
        secret: Arc<Secret>,
    ) -> Result<(), Rejection> {
        let Some(inner) = inner else {
            return Err(Rejection::DhQuery);
        };
        // Every condition is computed, none is reported: see `Rejection::DhQuery`.
        let (p, q, pq) = (
            offer.pq.p_bytes(),
            offer.pq.q_bytes(),
            offer.pq.product_bytes(),
        );
        let fits = (query.nonce == offer.nonce)
            & (query.server_nonce == offer.server_nonce)
            & (inner.nonce == offer.nonce)
            & (inner.server_nonce == offer.server_nonce)
            & (inner.pq == pq)
            & (inner.p == p)
            & (inner.q == q)
            & (query.p == p)
            & (query.q == q)
            & self
                .config
                .keys
                .iter()
                .any(|key| key.public().fingerprint() == query.fingerprint)
            & inner.expires_in.is_none_or(|seconds| seconds > 0);
        if !fits {
            return Err(Rejection::DhQuery);
        }
        if let Some(wanted) = inner.dc
            && !self.config.dcs.contains(&wanted)
        {
            return Err(Rejection::WrongDatacenter { wanted });
        }
        let data: enums::ServerDhInnerData = types::ServerDhInnerData {
            nonce: offer.nonce,
            server_nonce: offer.server_nonce,
            g: self.config.g,
            dh_prime: Bytes::copy_from_slice(&self.config.prime[..]),
            g_a,
            server_time: unix_time(now),
        }
        .into();
        let aes = TemporaryAes::derive(&inner.new_nonce, &offer.server_nonce);
        let encrypted = aes.seal(&data.to_bytes(), &mut *self.random);
        let answer: enums::ServerDhParams = types::ServerDhParamsOk {
            nonce: offer.nonce,
            server_nonce: offer.server_nonce,
            encrypted_answer: encrypted.into(),
        }
        .into();
        self.answer(now, &answer);
        self.state = State::DhSent(Box::new(Exchange {
            nonce: offer.nonce,
            server_nonce: offer.server_nonce,
            new_nonce: inner.new_nonce,
            aes,
            secret,
            dc: inner.dc,
            expires_in: inner.expires_in,
            retry_id: 0,
            attempts: 0,
        }));
        Ok(())
    }

    fn agree(
        &mut self,
        exchange: Box<Exchange>,
        nonce: [u8; 16],
        server_nonce: [u8; 16],
        encrypted: &[u8],
    ) -> Result<(), Rejection> {
        let expected = (exchange.nonce, exchange.server_nonce, exchange.retry_id);
        let opened = exchange.aes.open(encrypted);
        let work = match opened {
            Ok(enums::ClientDhInnerData::ClientDhInnerData(inner))
                if (nonce, server_nonce) == (exchange.nonce, exchange.server_nonce)
                    && (inner.nonce, inner.server_nonce, inner.retry_id) == expected =>
            {
                Some(Work::Agree {
                    prime: Arc::clone(&self.config.prime),
                    g_b: inner.g_b.clone(),
                    secret: Arc::clone(&exchange.secret),
                })
            }
            _ => None,
        };
        self.state = State::Agreeing(exchange);
        match work {
            Some(work) => {
                self.queue(work);
                Ok(())
            }
            None => Err(Rejection::ClientDh),
        }
    }

    fn on_agreed(&mut self, now: Now, mut exchange: Box<Exchange>, key: Arc<AuthKey>) {
        use enums::SetClientDhParamsAnswer as Answer;
        let (nonce, server_nonce) = (exchange.nonce, exchange.server_nonce);
        let hash = |number| kdf::new_nonce_hash(&exchange.new_nonce, number, key.aux_hash());
        if !(self.config.key_exists)(key.id()) {
            let new_nonce_hash1 = hash(1);
            self.output = Some(NewKey {
                salt: kdf::initial_salt(&exchange.new_nonce, &server_nonce),
                temporary: exchange
                    .expires_in
                    .map(|lifetime| unix_time(now).saturating_add(lifetime)),
                dc: exchange.dc,
                key,
            });
            let answer: Answer = types::DhGenOk {
                nonce,
                server_nonce,
                new_nonce_hash1,
            }
            .into();
            self.answer(now, &answer);
            self.end(State::Done { nonce });
            return;
        }
        exchange.attempts += 1;
        if exchange.attempts < self.config.max_attempts {
            let answer: Answer = types::DhGenRetry {
                nonce,
                server_nonce,
                new_nonce_hash2: hash(2),
            }
            .into();
            exchange.retry_id = key.aux_hash();
            self.answer(now, &answer);
            self.state = State::DhSent(exchange);
        } else {
            let answer: Answer = types::DhGenFail {
                nonce,
                server_nonce,
                new_nonce_hash3: hash(3),
            }
            .into();
            self.answer(now, &answer);
            self.end(State::Done { nonce });
        }
    }

    /// What to send next, if anything.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transmit.take()
    }

    /// The next piece of heavy work, if any. Queries wait until its result is handed back.
    pub fn poll_job(&mut self) -> Option<Job> {
        self.job.take()
    }

    /// Runs all work due in place.
    ///
    /// # Errors
    /// As [`handle_job`](Self::handle_job).
    pub fn run_jobs(&mut self, now: Now) -> Result<(), Rejection> {
        while let Some(job) = self.poll_job() {
            self.handle_job(now, job.run())?;
        }
        Ok(())
    }

    /// When to call [`handle_timeout`](Self::handle_timeout), on the monotonic scale of [`Now`].
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        self.expires
    }

    /// Forgets an exchange that has expired. Later queries of it are refused.
    pub fn handle_timeout(&mut self, now: Now) {
        self.expire(now);
    }

    fn expire(&mut self, now: Now) {
        if self.expires.is_some_and(|expires| expires <= now.monotonic) {
            self.end(State::Idle);
            self.answers.clear();
            self.expires = None;
        }
    }

    /// A key just created. Given once, before its `dh_gen_ok`.
    pub fn poll_output(&mut self) -> Option<NewKey> {
        self.output.take()
    }
}

impl std::fmt::Debug for ServerHandshake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerHandshake")
            .field("config", &self.config)
            .field("state", &self.state.name())
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

/// Unix seconds as the protocol carries them; at its end in 2038 the clock of the protocol stops.
fn unix_time(now: Now) -> i32 {
    i32::try_from(now.unix.as_secs()).unwrap_or(i32::MAX)
}

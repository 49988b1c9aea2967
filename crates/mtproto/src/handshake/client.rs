//! The client's side of creating an auth key.

use std::sync::Arc;
use std::time::Duration;

use actogram_crypto::compare::constant_time_eq;
use actogram_crypto::dh::Secret;
use actogram_crypto::random::Random;
use actogram_crypto::rsa::PublicKey;
use actogram_crypto::sha::{sha1, sha256};
use actogram_crypto::{AuthKey, kdf};
use actogram_tl::mtproto::{enums, functions, types};
use actogram_tl::{Decode, DecodeError, Encode};
use bytes::Bytes;
use zeroize::Zeroizing;

use super::answer::{OpenError, TemporaryAes};
use super::error::{HandshakeError, Place};
use super::inner_data::InnerData;
use super::job::{ClientExponentiation, Job, JobError, JobResult, Outcome, Work};
use super::plain_message::{PlainMessage, PlainMessageIds};
use super::{KeyKind, MAX_ATTEMPTS};
use crate::Now;

/// What a client needs to know before it creates a key.
#[derive(Clone, Debug)]
pub struct ClientHandshakeConfig {
    /// The RSA keys of the datacenter set the address belongs to, and no others: a server is trusted
    /// because it owns one of these. Keys of production, of test datacenters, of CDN datacenters and of
    /// a local datacenter are different sets.
    pub keys: Vec<PublicKey>,
    /// The datacenter's id: +10000 for test datacenters, negative for media-only ones, plain for CDN
    /// ones.
    pub dc: i32,
    /// Whether the key lives for good.
    pub kind: KeyKind,
    /// How long the whole exchange may take. 20 s suits slow links; it starts with
    /// [`start`](ClientHandshake::start).
    pub timeout: Duration,
}

impl ClientHandshakeConfig {
    /// A permanent key of the datacenter `dc`, within 20 s.
    #[must_use]
    pub fn permanent(keys: Vec<PublicKey>, dc: i32) -> Self {
        Self {
            keys,
            dc,
            kind: KeyKind::Permanent,
            timeout: Duration::from_secs(20),
        }
    }

    /// A key that expires `expires_in` seconds after its creation, within 20 s.
    #[must_use]
    pub fn temporary(keys: Vec<PublicKey>, dc: i32, expires_in: i32) -> Self {
        Self {
            kind: KeyKind::Temporary { expires_in },
            ..Self::permanent(keys, dc)
        }
    }
}

/// A key both sides agree on.
#[derive(Clone, Debug)]
pub struct CreatedKey {
    /// The key.
    pub key: Arc<AuthKey>,
    /// The first server salt.
    pub salt: i64,
    /// Server time minus local unix time, in whole seconds; 0 if the server's time is absurd, to be
    /// corrected by the session later.
    pub time_offset: i64,
    /// When a temporary key expires, in unix seconds of the server. `None` for a permanent key.
    pub expires_at: Option<i32>,
}

/// Creates one auth key over one connection.
///
/// Hand it the payloads of the connection's transport and send what [`poll_transmit`] gives. Steps that
/// cost milliseconds of CPU come out of [`poll_job`]: run them where they disturb nobody and hand the
/// result to [`handle_job`], or call [`run_jobs`] to run them in place.
///
/// [`poll_transmit`]: Self::poll_transmit
/// [`poll_job`]: Self::poll_job
/// [`handle_job`]: Self::handle_job
/// [`run_jobs`]: Self::run_jobs
pub struct ClientHandshake {
    config: ClientHandshakeConfig,
    random: Box<dyn Random>,
    ids: PlainMessageIds,
    state: State,
    deadline: Option<Duration>,
    transmit: Option<Bytes>,
    job: Option<Job>,
    ticket: u64,
    output: Option<CreatedKey>,
    /// Hashes of the answers already used: a repetition of one is no error.
    processed: Vec<[u8; 32]>,
}

/// ```text
/// Idle ─start─► AwaitPq ─resPQ─► Factoring ─job─► AwaitDh ─server_DH_params_ok─► Exponentiating
///                                                                                 ▲       │ job
///                                                      dh_gen_retry, up to 5 times│       ▼
/// Done ◄──────────────────────────── dh_gen_ok ───────────────────────────────── AwaitGen
///
/// any but Done ── failed check, unexpected message, refusal, deadline ──► Failed
/// ```
enum State {
    Idle,
    AwaitPq { nonce: [u8; 16] },
    Factoring(Box<Factoring>),
    AwaitDh(Box<Exchange>),
    Exponentiating(Box<Exchange>, Box<ServerPart>),
    AwaitGen(Box<Exchange>, Box<ServerPart>, Arc<AuthKey>),
    Done,
    Failed(HandshakeError),
}

impl State {
    fn name(&self) -> &'static str {
        match self {
            State::Idle => "not started",
            State::AwaitPq { .. } => "waiting for resPQ",
            State::Factoring { .. } => "factoring pq",
            State::AwaitDh { .. } => "waiting for server_DH_params",
            State::Exponentiating { .. } => "computing the key",
            State::AwaitGen { .. } => "waiting for dh_gen_ok",
            State::Done => "done",
            State::Failed(_) => "failed",
        }
    }
}

struct Factoring {
    nonce: [u8; 16],
    server_nonce: [u8; 16],
    pq: Bytes,
    key: PublicKey,
}

struct Exchange {
    nonce: [u8; 16],
    server_nonce: [u8; 16],
    new_nonce: Zeroizing<[u8; 32]>,
    aes: TemporaryAes,
}

/// What the server chose, checked or about to be.
struct ServerPart {
    g: i32,
    prime: Bytes,
    g_a: Bytes,
    server_time: i32,
    time_offset: i64,
    attempts: u32,
    retry_id: i64,
}

impl Exchange {
    fn check(
        &self,
        place: Place,
        nonce: &[u8; 16],
        server_nonce: &[u8; 16],
    ) -> Result<(), HandshakeError> {
        if *nonce != self.nonce {
            return Err(HandshakeError::Nonce { place });
        }
        if *server_nonce != self.server_nonce {
            return Err(HandshakeError::ServerNonce { place });
        }
        Ok(())
    }
}

impl ClientHandshake {
    /// An exchange that has not begun. `random` must be the operating system's outside tests.
    #[must_use]
    pub fn new(config: ClientHandshakeConfig, mut random: Box<dyn Random>) -> Self {
        let mut ticket = [0; 8];
        random.fill(&mut ticket);
        Self {
            config,
            random,
            ids: PlainMessageIds::client(),
            state: State::Idle,
            deadline: None,
            transmit: None,
            job: None,
            ticket: u64::from_le_bytes(ticket),
            output: None,
            processed: Vec::new(),
        }
    }

    /// Sends the first query and starts the deadline. Does nothing if called again.
    pub fn start(&mut self, now: Now) {
        if !matches!(self.state, State::Idle) {
            return;
        }
        let nonce = self.draw();
        self.deadline = Some(now.monotonic.saturating_add(self.config.timeout));
        self.send(now, &functions::ReqPqMulti { nonce });
        self.state = State::AwaitPq { nonce };
    }

    fn draw<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.random.fill(&mut bytes);
        bytes
    }

    fn send(&mut self, now: Now, query: &impl Encode) {
        let message = PlainMessage {
            msg_id: self.ids.next(now.unix),
            body: query.to_bytes(),
        };
        self.transmit = Some(message.to_payload());
    }

    fn fail(&mut self, error: HandshakeError) -> HandshakeError {
        self.state = State::Failed(error.clone());
        self.deadline = None;
        self.transmit = None;
        self.job = None;
        error
    }

    /// Takes one payload received. After success, look at all the `poll_*` functions.
    ///
    /// # Errors
    /// If any check of the exchange fails. The exchange is over then: every later call answers the same
    /// error, no key comes out, and the connection is to be closed.
    pub fn handle_input(&mut self, now: Now, payload: Bytes) -> Result<(), HandshakeError> {
        match &self.state {
            State::Failed(error) => return Err(error.clone()),
            State::Done => return Ok(()),
            _ => {}
        }
        let body = match PlainMessage::parse(payload) {
            Ok(message) => message.body,
            Err(error) => return Err(self.fail(error.into())),
        };
        let fingerprint = sha256(&body);
        if self.processed.contains(&fingerprint) {
            return Ok(());
        }
        let state = std::mem::replace(&mut self.state, State::Idle);
        let name = state.name();
        let next = match state {
            State::AwaitPq { nonce } => self.on_res_pq(nonce, body),
            State::AwaitDh(exchange) => self.on_server_dh(now, exchange, body),
            State::AwaitGen(exchange, part, key) => self.on_dh_gen(exchange, part, key, body),
            _ => Err(HandshakeError::Unexpected { state: name }),
        };
        match next {
            Ok(next) => {
                self.state = next;
                self.processed.push(fingerprint);
                Ok(())
            }
            Err(error) => Err(self.fail(error)),
        }
    }

    fn on_res_pq(&mut self, nonce: [u8; 16], body: Bytes) -> Result<State, HandshakeError> {
        let enums::ResPq::ResPq(answer) = decode(body, "resPQ")?;
        if answer.nonce != nonce {
            return Err(HandshakeError::Nonce {
                place: Place::ResPq,
            });
        }
        let offered = &answer.server_public_key_fingerprints;
        let key = self
            .config
            .keys
            .iter()
            .find(|key| offered.contains(&key.fingerprint()))
            .ok_or(HandshakeError::NoKnownKey {
                offered: offered.len(),
                known: self.config.keys.len(),
            })?
            .clone();
        let length = answer.pq.len();
        if length == 0 || length > 8 {
            return Err(HandshakeError::PqLength { length });
        }
        let seed = self.draw();
        self.queue(Work::Factor {
            pq: answer.pq.clone(),
            seed,
        });
        Ok(State::Factoring(Box::new(Factoring {
            nonce,
            server_nonce: answer.server_nonce,
            pq: answer.pq.clone(),
            key,
        })))
    }

    fn queue(&mut self, work: Work) {
        self.job = Some(Job {
            ticket: self.ticket,
            work,
        });
    }

    /// Takes the result of the job [`poll_job`](Self::poll_job) gave. Results of other exchanges are
    /// ignored.
    ///
    /// # Errors
    /// As [`handle_input`](Self::handle_input).
    pub fn handle_job(&mut self, now: Now, result: JobResult) -> Result<(), HandshakeError> {
        if result.ticket != self.ticket {
            return Ok(());
        }
        let state = std::mem::replace(&mut self.state, State::Idle);
        let next = match (state, result.outcome) {
            (State::Factoring(step), Outcome::Factored(factors)) => match factors {
                Ok((p, q)) => self.send_dh_query(now, &step, p, q),
                Err(error) => Err(HandshakeError::Pq(error)),
            },
            (State::Exponentiating(exchange, part), Outcome::Exponentiated(outcome)) => {
                match outcome {
                    Ok(done) => self.send_client_dh(now, exchange, part, &done),
                    Err(JobError::OwnPublic) => {
                        self.queue_exponentiation(&part);
                        Ok(State::Exponentiating(exchange, part))
                    }
                    Err(JobError::Dh(error)) => Err(HandshakeError::Dh(error)),
                }
            }
            (state, _) => Ok(state),
        };
        match next {
            Ok(next) => {
                self.state = next;
                Ok(())
            }
            Err(error) => Err(self.fail(error)),
        }
    }

    fn send_dh_query(
        &mut self,
        now: Now,
        step: &Factoring,
        p: u64,
        q: u64,
    ) -> Result<State, HandshakeError> {
        let new_nonce = Zeroizing::new(self.draw());
        let data = InnerData {
            pq: step.pq.to_vec(),
            p: minimal(p),
            q: minimal(q),
            nonce: step.nonce,
            server_nonce: step.server_nonce,
            new_nonce: new_nonce.clone(),
            dc: Some(self.config.dc),
            expires_in: match self.config.kind {
                KeyKind::Permanent => None,
                KeyKind::Temporary { expires_in } => Some(expires_in),
            },
        };
        let fingerprint = step.key.fingerprint();
        let encrypted = step
            .key
            .encrypt_padded(&data.encode(), &mut *self.random)
            .map_err(|_| HandshakeError::Rsa { fingerprint })?;
        self.send(
            now,
            &functions::ReqDhParams {
                nonce: step.nonce,
                server_nonce: step.server_nonce,
                p: data.p.clone().into(),
                q: data.q.clone().into(),
                public_key_fingerprint: fingerprint,
                encrypted_data: Bytes::copy_from_slice(&encrypted[..]),
            },
        );
        let aes = TemporaryAes::derive(&new_nonce, &step.server_nonce);
        Ok(State::AwaitDh(Box::new(Exchange {
            nonce: step.nonce,
            server_nonce: step.server_nonce,
            new_nonce,
            aes,
        })))
    }

    fn on_server_dh(
        &mut self,
        now: Now,
        exchange: Box<Exchange>,
        body: Bytes,
    ) -> Result<State, HandshakeError> {
        let answer = match decode(body, "server_DH_params")? {
            enums::ServerDhParams::ServerDhParamsOk(answer) => answer,
            enums::ServerDhParams::ServerDhParamsFail(answer) => {
                exchange.check(Place::ServerDhParams, &answer.nonce, &answer.server_nonce)?;
                let expected = &sha1(&exchange.new_nonce[..])[4..];
                return Err(refusal(
                    expected,
                    &answer.new_nonce_hash,
                    "server_DH_params_fail",
                ));
            }
        };
        exchange.check(Place::ServerDhParams, &answer.nonce, &answer.server_nonce)?;
        let enums::ServerDhInnerData::ServerDhInnerData(inner) = exchange
            .aes
            .open(&answer.encrypted_answer)
            .map_err(|error| match error {
                OpenError::Length(length) => HandshakeError::AnswerLength { length },
                OpenError::Malformed(error) => HandshakeError::Malformed {
                    expected: "server_DH_inner_data",
                    error,
                },
                OpenError::Hash => HandshakeError::AnswerHash,
                OpenError::Padding(padding) => HandshakeError::AnswerPadding { padding },
            })?;
        exchange.check(Place::ServerDhInnerData, &inner.nonce, &inner.server_nonce)?;
        let part = Box::new(ServerPart {
            g: inner.g,
            prime: inner.dh_prime.clone(),
            g_a: inner.g_a.clone(),
            server_time: inner.server_time,
            time_offset: time_offset(inner.server_time, now),
            attempts: 1,
            retry_id: 0,
        });
        self.queue_exponentiation(&part);
        Ok(State::Exponentiating(exchange, part))
    }

    fn queue_exponentiation(&mut self, part: &ServerPart) {
        let secret = Box::new(Secret::generate(&mut *self.random));
        self.queue(Work::Exponentiate {
            prime: part.prime.clone(),
            g: part.g,
            g_a: part.g_a.clone(),
            secret,
        });
    }

    fn send_client_dh(
        &mut self,
        now: Now,
        exchange: Box<Exchange>,
        part: Box<ServerPart>,
        done: &ClientExponentiation,
    ) -> Result<State, HandshakeError> {
        let inner: enums::ClientDhInnerData = types::ClientDhInnerData {
            nonce: exchange.nonce,
            server_nonce: exchange.server_nonce,
            retry_id: part.retry_id,
            g_b: done.g_b.clone(),
        }
        .into();
        let encrypted = exchange.aes.seal(&inner.to_bytes(), &mut *self.random);
        self.send(
            now,
            &functions::SetClientDhParams {
                nonce: exchange.nonce,
                server_nonce: exchange.server_nonce,
                encrypted_data: encrypted.into(),
            },
        );
        Ok(State::AwaitGen(exchange, part, Arc::clone(&done.key)))
    }

    fn on_dh_gen(
        &mut self,
        exchange: Box<Exchange>,
        mut part: Box<ServerPart>,
        key: Arc<AuthKey>,
        body: Bytes,
    ) -> Result<State, HandshakeError> {
        use enums::SetClientDhParamsAnswer as Answer;
        let answer: Answer = decode(body, "the answer to set_client_DH_params")?;
        let (nonce, server_nonce, hash, number, name) = match &answer {
            Answer::DhGenOk(a) => (a.nonce, a.server_nonce, a.new_nonce_hash1, 1, "dh_gen_ok"),
            Answer::DhGenRetry(a) => (
                a.nonce,
                a.server_nonce,
                a.new_nonce_hash2,
                2,
                "dh_gen_retry",
            ),
            Answer::DhGenFail(a) => (a.nonce, a.server_nonce, a.new_nonce_hash3, 3, "dh_gen_fail"),
        };
        exchange.check(Place::DhGen, &nonce, &server_nonce)?;
        let expected = kdf::new_nonce_hash(&exchange.new_nonce, number, key.aux_hash());
        if !constant_time_eq(&expected, &hash) {
            return Err(HandshakeError::NewNonceHash { answer: name });
        }
        match answer {
            Answer::DhGenOk(_) => {
                let expires_at = match self.config.kind {
                    KeyKind::Permanent => None,
                    KeyKind::Temporary { expires_in } => {
                        Some(part.server_time.saturating_add(expires_in))
                    }
                };
                self.output = Some(CreatedKey {
                    key,
                    salt: kdf::initial_salt(&exchange.new_nonce, &exchange.server_nonce),
                    time_offset: part.time_offset,
                    expires_at,
                });
                self.deadline = None;
                Ok(State::Done)
            }
            Answer::DhGenRetry(_) => {
                if part.attempts >= MAX_ATTEMPTS {
                    return Err(HandshakeError::TooManyRetries {
                        attempts: part.attempts,
                    });
                }
                part.attempts += 1;
                part.retry_id = key.aux_hash();
                self.queue_exponentiation(&part);
                Ok(State::Exponentiating(exchange, part))
            }
            Answer::DhGenFail(_) => Err(HandshakeError::Refused { answer: name }),
        }
    }

    /// Takes a transport error the connection received instead of a payload. It ends the exchange.
    pub fn handle_transport_error(&mut self, code: i32) -> HandshakeError {
        match &self.state {
            State::Failed(error) => error.clone(),
            _ => self.fail(HandshakeError::Transport { code }),
        }
    }

    /// The next payload to send, if any.
    pub fn poll_transmit(&mut self) -> Option<Bytes> {
        self.transmit.take()
    }

    /// The next piece of heavy work, if any. The exchange waits until its result is handed back.
    pub fn poll_job(&mut self) -> Option<Job> {
        self.job.take()
    }

    /// Runs all work due in place: for tests and for threads that may block for some milliseconds.
    ///
    /// # Errors
    /// As [`handle_job`](Self::handle_job).
    pub fn run_jobs(&mut self, now: Now) -> Result<(), HandshakeError> {
        while let Some(job) = self.poll_job() {
            self.handle_job(now, job.run())?;
        }
        Ok(())
    }

    /// When to call [`handle_timeout`](Self::handle_timeout), on the monotonic scale of [`Now`].
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        self.deadline
    }

    /// Ends the exchange if its deadline has passed.
    ///
    /// # Errors
    /// [`HandshakeError::Deadline`] if it has.
    pub fn handle_timeout(&mut self, now: Now) -> Result<(), HandshakeError> {
        match self.deadline {
            Some(deadline) if deadline <= now.monotonic => {
                let state = self.state.name();
                let seconds = self.config.timeout.as_secs();
                Err(self.fail(HandshakeError::Deadline { seconds, state }))
            }
            _ => Ok(()),
        }
    }

    /// The key, once both sides have it. Given once.
    pub fn poll_output(&mut self) -> Option<CreatedKey> {
        self.output.take()
    }
}

impl std::fmt::Debug for ClientHandshake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientHandshake")
            .field("dc", &self.config.dc)
            .field("kind", &self.config.kind)
            .field("state", &self.state.name())
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}

fn decode<T: Decode>(body: Bytes, expected: &'static str) -> Result<T, HandshakeError> {
    T::from_bytes(body).map_err(|error: DecodeError| HandshakeError::Malformed { expected, error })
}

/// The outcome of a refusal that proves, or does not, to come from the server.
fn refusal(expected: &[u8], got: &[u8], answer: &'static str) -> HandshakeError {
    if constant_time_eq(expected, got) {
        HandshakeError::Refused { answer }
    } else {
        HandshakeError::NewNonceHash { answer }
    }
}

/// Big-endian without leading zeros: servers refuse any other form.
fn minimal(number: u64) -> Vec<u8> {
    let bytes = number.to_be_bytes();
    bytes[number.leading_zeros() as usize / 8..].to_vec()
}

/// Server time minus local time. A time no server can have (before 2013, when the protocol was
/// published, or within a year of the end of 32-bit time) teaches nothing: message ids made from it
/// would be unusable.
fn time_offset(server_time: i32, now: Now) -> i64 {
    const EARLIEST: i32 = 1_356_998_400;
    const LATEST: i32 = i32::MAX - 366 * 86_400;
    if (EARLIEST..=LATEST).contains(&server_time) {
        i64::from(server_time) - now.unix_seconds()
    } else {
        0
    }
}

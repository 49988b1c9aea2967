//! A client made by hand, which can say anything.
#![allow(dead_code, clippy::unwrap_used, unreachable_pub)]

use std::sync::Arc;

use actogram_crypto::dh::{KNOWN_PRIME, Secret};
use actogram_crypto::random::{Random, SeededRandom};
use actogram_crypto::rsa::PublicKey;
use actogram_crypto::sha::sha1;
use actogram_crypto::{AuthKey, factor};
use actogram_mtproto::Now;
use actogram_mtproto::handshake::Rejection;
use actogram_mtproto::handshake::plain_message::PlainMessage;
use actogram_mtproto::handshake::server::{NewKey, ServerHandshake, Transmit};
use actogram_tl::mtproto::{enums, functions, types};
use actogram_tl::{Decode, Encode, Reader};
use bytes::Bytes;

use super::exchange::{DC, NOW, Secrets, framed, rsa_key};

/// What one query led to.
#[derive(Debug)]
pub struct Answer {
    pub outcome: Result<(), Rejection>,
    /// Whether the server did heavy work for it.
    pub worked: bool,
    pub transmit: Option<Transmit>,
    pub created: Option<NewKey>,
}

impl Answer {
    pub fn body(&self) -> Bytes {
        match &self.transmit {
            Some(Transmit::Payload(payload)) => PlainMessage::parse(payload.clone()).unwrap().body,
            other => panic!("no payload but {other:?} ({:?})", self.outcome),
        }
    }

    /// The transport error the client gets.
    pub fn code(&self) -> i32 {
        assert!(self.created.is_none());
        match self.transmit {
            Some(Transmit::Error(code)) => code,
            ref other => panic!("no error but {other:?}"),
        }
    }
}

pub fn ask_at(server: &mut ServerHandshake, now: Now, body: Bytes) -> Answer {
    let mut outcome = server.handle_input(now, PlainMessage { msg_id: 0, body }.to_payload());
    let mut worked = false;
    while let Some(job) = server.poll_job() {
        worked = true;
        outcome = outcome.and(server.handle_job(now, job.run()));
    }
    let answer = Answer {
        outcome,
        worked,
        created: server.poll_output(),
        transmit: server.poll_transmit(),
    };
    assert!(server.poll_transmit().is_none(), "one answer to one query");
    answer
}

pub fn ask(server: &mut ServerHandshake, body: Bytes) -> Answer {
    ask_at(server, NOW, body)
}

/// How the inner data is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Padding {
    /// RSA_PAD.
    Current,
    /// SHA-1, data, random bytes.
    Legacy,
}

pub struct RawClient {
    pub random: SeededRandom,
    pub nonce: [u8; 16],
    pub server_nonce: [u8; 16],
    pub new_nonce: [u8; 32],
    pub pq: Bytes,
    pub p: Vec<u8>,
    pub q: Vec<u8>,
    pub fingerprint: i64,
    pub key: PublicKey,
    pub padding: Padding,
}

impl RawClient {
    pub fn new(seed: u64) -> Self {
        let mut random = SeededRandom::from_seed(seed);
        let mut nonce = [0; 16];
        let mut new_nonce = [0; 32];
        random.fill(&mut nonce);
        random.fill(&mut new_nonce);
        Self {
            random,
            nonce,
            new_nonce,
            server_nonce: [0; 16],
            pq: Bytes::new(),
            p: vec![],
            q: vec![],
            fingerprint: 0,
            key: rsa_key().public().clone(),
            padding: Padding::Current,
        }
    }

    pub fn req_pq(&self) -> Bytes {
        functions::ReqPqMulti { nonce: self.nonce }.to_bytes()
    }

    pub fn req_pq_legacy(&self) -> Bytes {
        functions::ReqPq { nonce: self.nonce }.to_bytes()
    }

    pub fn on_res_pq(&mut self, body: Bytes) {
        let enums::ResPq::ResPq(answer) = enums::ResPq::from_bytes(body).unwrap();
        assert_eq!(answer.nonce, self.nonce);
        self.server_nonce = answer.server_nonce;
        self.pq = answer.pq.clone();
        let (p, q) = factor::factorize(&self.pq, &mut self.random).unwrap();
        self.p = (p as u32).to_be_bytes().to_vec();
        self.q = (q as u32).to_be_bytes().to_vec();
        self.fingerprint = answer.server_public_key_fingerprints[0];
    }

    /// The first two messages.
    pub fn begin(&mut self, server: &mut ServerHandshake) {
        let answer = ask(server, self.req_pq());
        self.on_res_pq(answer.body());
    }

    pub fn inner(&self) -> types::PQInnerDataDc {
        types::PQInnerDataDc {
            pq: self.pq.clone(),
            p: self.p.clone().into(),
            q: self.q.clone().into(),
            nonce: self.nonce,
            server_nonce: self.server_nonce,
            new_nonce: self.new_nonce,
            dc: DC,
        }
    }

    pub fn encrypt(&mut self, data: &[u8]) -> Bytes {
        match self.padding {
            Padding::Current => {
                Bytes::copy_from_slice(&self.key.encrypt_padded(data, &mut self.random).unwrap())
            }
            Padding::Legacy => {
                let mut block = [0; 256];
                self.random.fill(&mut block[1..]);
                block[1..21].copy_from_slice(&sha1(data));
                block[21..21 + data.len()].copy_from_slice(data);
                Bytes::copy_from_slice(&rsa_raw(&self.key, &block))
            }
        }
    }

    pub fn query(&self) -> functions::ReqDhParams {
        functions::ReqDhParams {
            nonce: self.nonce,
            server_nonce: self.server_nonce,
            p: self.p.clone().into(),
            q: self.q.clone().into(),
            public_key_fingerprint: self.fingerprint,
            encrypted_data: Bytes::new(),
        }
    }

    /// `req_DH_params` around this inner data.
    pub fn req_dh(&mut self, inner: impl Into<enums::PQInnerData>) -> Bytes {
        let encrypted_data = self.encrypt(&inner.into().to_bytes());
        functions::ReqDhParams {
            encrypted_data,
            ..self.query()
        }
        .to_bytes()
    }

    pub fn secrets(&self) -> Secrets {
        Secrets {
            new_nonce: self.new_nonce,
            server_nonce: self.server_nonce,
            key: None,
        }
    }

    /// Opens `server_DH_params_ok`: the encrypted answer decrypted, and what it says.
    pub fn open(&self, body: Bytes) -> (Vec<u8>, Box<types::ServerDhInnerData>) {
        let answer = enums::ServerDhParams::from_bytes(body).unwrap();
        let enums::ServerDhParams::ServerDhParamsOk(answer) = answer else {
            panic!("{answer:?}");
        };
        let plain = self.secrets().decrypt(&answer.encrypted_answer);
        let mut reader = Reader::new(Bytes::copy_from_slice(&plain[20..]));
        let enums::ServerDhInnerData::ServerDhInnerData(inner) =
            enums::ServerDhInnerData::decode(&mut reader).unwrap();
        (
            plain,
            Box::new(types::ServerDhInnerData {
                nonce: inner.nonce,
                server_nonce: inner.server_nonce,
                g: inner.g,
                dh_prime: inner.dh_prime.clone(),
                g_a: inner.g_a.clone(),
                server_time: inner.server_time,
            }),
        )
    }

    pub fn client_inner(&self, g_b: &[u8]) -> types::ClientDhInnerData {
        types::ClientDhInnerData {
            nonce: self.nonce,
            server_nonce: self.server_nonce,
            retry_id: 0,
            g_b: Bytes::copy_from_slice(g_b),
        }
    }

    pub fn set_client_dh(&self, inner: types::ClientDhInnerData) -> Bytes {
        let inner: enums::ClientDhInnerData = inner.into();
        self.set_client_dh_framed(&framed(&inner.to_bytes()))
    }

    pub fn set_client_dh_framed(&self, framed: &[u8]) -> Bytes {
        functions::SetClientDhParams {
            nonce: self.nonce,
            server_nonce: self.server_nonce,
            encrypted_data: self.secrets().encrypt(framed).into(),
        }
        .to_bytes()
    }

    /// An exponent, its public value, and the key with this g_a.
    pub fn agree(&mut self, g_a: &[u8]) -> ([u8; 256], Arc<AuthKey>) {
        let secret = Secret::generate(&mut self.random);
        let shared = secret.shared(&KNOWN_PRIME, g_a).unwrap();
        (
            secret.public(&KNOWN_PRIME, 3),
            Arc::new(AuthKey::new(*shared)),
        )
    }
}

/// `block^65537 mod n`, without any padding.
pub fn rsa_raw(key: &PublicKey, block: &[u8; 256]) -> [u8; 256] {
    let n = Number::from_bytes(key.n_bytes());
    assert_eq!(key.e_bytes(), [1, 0, 1]);
    let base = Number::from_bytes(block);
    let mut power = base.clone();
    for _ in 0..16 {
        power = power.times(&power, &n);
    }
    power.times(&base, &n).to_bytes()
}

/// A number below 2^2048, slow and simple: 64 little-endian words.
#[derive(Clone)]
struct Number([u32; 64]);

impl Number {
    fn from_bytes(bytes: &[u8; 256]) -> Self {
        let mut words = [0; 64];
        for (word, bytes) in words.iter_mut().rev().zip(bytes.chunks_exact(4)) {
            *word = u32::from_be_bytes(bytes.try_into().unwrap());
        }
        Self(words)
    }

    fn to_bytes(&self) -> [u8; 256] {
        let mut bytes = [0; 256];
        for (bytes, word) in bytes.chunks_exact_mut(4).zip(self.0.iter().rev()) {
            bytes.copy_from_slice(&word.to_be_bytes());
        }
        bytes
    }

    /// `self * other mod n`, bit by bit; both below n.
    fn times(&self, other: &Self, n: &Self) -> Self {
        let mut result = Self([0; 64]);
        for i in (0..2048).rev() {
            result = result.plus(&result, n);
            if other.0[i / 32] >> (i % 32) & 1 == 1 {
                result = result.plus(self, n);
            }
        }
        result
    }

    fn plus(&self, other: &Self, n: &Self) -> Self {
        let mut sum = [0; 64];
        let mut carry = 0;
        for (i, word) in sum.iter_mut().enumerate() {
            let wide = u64::from(self.0[i]) + u64::from(other.0[i]) + carry;
            *word = wide as u32;
            carry = wide >> 32;
        }
        let mut less = [0; 64];
        let mut borrow = 0;
        for (i, word) in less.iter_mut().enumerate() {
            let wide = i64::from(sum[i]) - i64::from(n.0[i]) - borrow;
            *word = wide as u32;
            borrow = i64::from(wide < 0);
        }
        Self(if carry as i64 >= borrow { less } else { sum })
    }
}

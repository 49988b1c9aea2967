//! Both ends of a key exchange without a network, and a server that tampers at a chosen step.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::type_complexity,
    unreachable_pub
)]

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use actogram_crypto::rsa::PrivateKey;
use actogram_crypto::sha::sha1;
use actogram_crypto::{AuthKey, ige, kdf};
use actogram_mtproto::Now;
use actogram_mtproto::handshake::HandshakeError;
use actogram_mtproto::handshake::client::{ClientHandshake, ClientHandshakeConfig, CreatedKey};
use actogram_mtproto::handshake::plain_message::PlainMessage;
use actogram_mtproto::handshake::server::{
    NewKey, ServerHandshake, ServerHandshakeConfig, Transmit,
};
use actogram_tl::mtproto::{enums, functions, types};
use actogram_tl::{Decode, Encode, Function, Reader};
use bytes::Bytes;

use super::seeded;

pub const DC: i32 = 2;
pub const NOW: Now = Now {
    monotonic: Duration::from_secs(1000),
    unix: Duration::from_secs(1_700_000_000),
};

/// The RSA key of the tests: that of the vectors.
pub fn rsa_key() -> Arc<PrivateKey> {
    static KEY: OnceLock<Arc<PrivateKey>> = OnceLock::new();
    KEY.get_or_init(|| {
        let all = super::vectors();
        let prime = |name: &str| {
            super::unhex(
                all["rsa_pad"][name]
                    .as_str()
                    .unwrap()
                    .strip_prefix("0x")
                    .unwrap(),
            )
        };
        let key = PrivateKey::from_primes(&prime("test_rsa_p"), &prime("test_rsa_q")).unwrap();
        Arc::new(key)
    })
    .clone()
}

/// Another RSA key, of no server here.
pub fn other_rsa_key() -> Arc<PrivateKey> {
    static KEY: OnceLock<Arc<PrivateKey>> = OnceLock::new();
    KEY.get_or_init(|| Arc::new(PrivateKey::generate(&mut seeded(99)).unwrap()))
        .clone()
}

pub fn client_config() -> ClientHandshakeConfig {
    ClientHandshakeConfig::permanent(vec![rsa_key().public().clone()], DC)
}

pub fn client(seed: u64) -> ClientHandshake {
    ClientHandshake::new(client_config(), seeded(seed))
}

pub fn server_config() -> ServerHandshakeConfig {
    ServerHandshakeConfig::new(vec![rsa_key()], DC, |_| false)
}

pub fn server(seed: u64) -> ServerHandshake {
    ServerHandshake::new(server_config(), seeded(seed + 1_000_000))
}

/// What a party to the exchange knows once it has read `req_DH_params`.
#[derive(Clone, Debug, Default)]
pub struct Secrets {
    pub new_nonce: [u8; 32],
    pub server_nonce: [u8; 16],
    /// The key agreed on last, if the server has one.
    pub key: Option<Arc<AuthKey>>,
}

impl Secrets {
    pub fn nonce_hash(&self, number: u8) -> [u8; 16] {
        kdf::new_nonce_hash(
            &self.new_nonce,
            number,
            self.key.as_ref().unwrap().aux_hash(),
        )
    }

    pub fn decrypt(&self, encrypted: &[u8]) -> Vec<u8> {
        let (key, iv) = kdf::tmp_aes(&self.new_nonce, &self.server_nonce);
        let mut framed = encrypted.to_vec();
        ige::decrypt(&key, &iv, &mut framed);
        framed
    }

    pub fn encrypt(&self, framed: &[u8]) -> Vec<u8> {
        let (key, iv) = kdf::tmp_aes(&self.new_nonce, &self.server_nonce);
        let mut encrypted = framed.to_vec();
        ige::encrypt(&key, &iv, &mut encrypted);
        encrypted
    }
}

/// SHA1 + data + zeros up to a multiple of 16.
pub fn framed(data: &[u8]) -> Vec<u8> {
    let mut framed = sha1(data).to_vec();
    framed.extend(data);
    framed.resize(framed.len().next_multiple_of(16), 0);
    framed
}

type Change<T> = Option<Box<dyn FnMut(&mut T)>>;

/// What a dishonest server changes. Every step is decoded and encoded again even where nothing is
/// changed, so that a disarmed run takes the same path.
#[derive(Default)]
pub struct Tampering {
    pub res_pq: Change<types::ResPq>,
    pub dh_outer: Change<types::ServerDhParamsOk>,
    pub dh_inner: Change<types::ServerDhInnerData>,
    /// The decrypted answer, hash and padding included; what is left must be a multiple of 16 long.
    pub dh_framed: Option<Box<dyn FnMut(&[u8]) -> Vec<u8>>>,
    /// The whole body of the second answer.
    pub dh_body: Option<Box<dyn FnMut(&Secrets) -> Bytes>>,
    /// The whole body of the last answer.
    pub dh_gen: Option<Box<dyn FnMut(&Secrets, enums::SetClientDhParamsAnswer) -> Bytes>>,
}

/// A server that reads along and changes what it is told to.
pub struct ScriptedServer {
    pub inner: ServerHandshake,
    pub tampering: Tampering,
    pub secrets: Secrets,
    pub created: Vec<NewKey>,
    pub queries: Vec<Bytes>,
}

impl ScriptedServer {
    pub fn new(tampering: Tampering, seed: u64) -> Self {
        Self::with_config(tampering, server_config(), seed)
    }

    pub fn with_config(tampering: Tampering, config: ServerHandshakeConfig, seed: u64) -> Self {
        Self {
            inner: ServerHandshake::new(config, seeded(seed + 1_000_000)),
            tampering,
            secrets: Secrets::default(),
            created: Vec::new(),
            queries: Vec::new(),
        }
    }

    /// Answers one payload of the client.
    pub fn answer(&mut self, now: Now, payload: Bytes) -> Option<Transmit> {
        let query = PlainMessage::parse(payload.clone()).unwrap().body;
        self.queries.push(query.clone());
        self.eavesdrop(&query);
        // The refusal is queued as a transport error.
        let _ = self.inner.handle_input(now, payload);
        let _ = self.inner.run_jobs(now);
        if let Some(created) = self.inner.poll_output() {
            self.secrets.key = Some(created.key.clone());
            self.created.push(created);
        }
        match self.inner.poll_transmit()? {
            Transmit::Payload(payload) => {
                let message = PlainMessage::parse(payload).unwrap();
                let body = self.tamper(message.body);
                Some(Transmit::Payload(
                    PlainMessage {
                        msg_id: message.msg_id,
                        body,
                    }
                    .to_payload(),
                ))
            }
            other => Some(other),
        }
    }

    /// Learns the new nonce, as only the owner of the RSA key can.
    fn eavesdrop(&mut self, query: &Bytes) {
        let mut reader = Reader::new(query.clone());
        if reader.get_u32().unwrap() != functions::ReqDhParams::ID {
            return;
        }
        let _nonce: [u8; 16] = reader.get_array().unwrap();
        self.secrets.server_nonce = reader.get_array().unwrap();
        let _p = reader.get_bytes().unwrap();
        let _q = reader.get_bytes().unwrap();
        let _fingerprint = reader.get_i64().unwrap();
        let data = rsa_key()
            .decrypt_padded(&reader.get_bytes().unwrap())
            .unwrap();
        // id, pq (8 bytes), p and q (4 bytes each), two nonces.
        self.secrets
            .new_nonce
            .copy_from_slice(&data[4 + 12 + 8 + 8 + 32..][..32]);
    }

    fn tamper(&mut self, body: Bytes) -> Bytes {
        if let Ok(enums::ResPq::ResPq(mut answer)) = enums::ResPq::from_bytes(body.clone()) {
            if let Some(change) = &mut self.tampering.res_pq {
                change(&mut answer);
            }
            return enums::ResPq::ResPq(answer).to_bytes();
        }
        if let Ok(enums::ServerDhParams::ServerDhParamsOk(mut answer)) =
            enums::ServerDhParams::from_bytes(body.clone())
        {
            if let Some(replace) = &mut self.tampering.dh_body {
                return replace(&self.secrets);
            }
            let mut plain = self.secrets.decrypt(&answer.encrypted_answer);
            let mut reader = Reader::new(Bytes::copy_from_slice(&plain[20..]));
            let inner = enums::ServerDhInnerData::decode(&mut reader).unwrap();
            let enums::ServerDhInnerData::ServerDhInnerData(mut inner) = inner;
            if let Some(change) = &mut self.tampering.dh_inner {
                change(&mut inner);
                plain = framed(&enums::ServerDhInnerData::ServerDhInnerData(inner).to_bytes());
            }
            if let Some(change) = &mut self.tampering.dh_framed {
                plain = change(&plain);
            }
            answer.encrypted_answer = self.secrets.encrypt(&plain).into();
            if let Some(change) = &mut self.tampering.dh_outer {
                change(&mut answer);
            }
            return enums::ServerDhParams::ServerDhParamsOk(answer).to_bytes();
        }
        let answer = enums::SetClientDhParamsAnswer::from_bytes(body).unwrap();
        match &mut self.tampering.dh_gen {
            Some(replace) => replace(&self.secrets, answer),
            None => answer.to_bytes(),
        }
    }
}

/// Runs an exchange to its end.
pub fn run(
    client: &mut ClientHandshake,
    server: &mut ScriptedServer,
) -> Result<CreatedKey, HandshakeError> {
    client.start(NOW);
    for _ in 0..40 {
        client.run_jobs(NOW)?;
        if let Some(created) = client.poll_output() {
            return Ok(created);
        }
        let Some(query) = client.poll_transmit() else {
            panic!("the client neither sends nor ends: {client:?}");
        };
        match server.answer(NOW, query) {
            Some(Transmit::Payload(payload)) => client.handle_input(NOW, payload)?,
            Some(Transmit::Error(code)) => return Err(client.handle_transport_error(code)),
            other => panic!("the server answers {other:?}"),
        }
    }
    panic!("no end after 40 messages: {client:?}");
}

/// The same exchange with the change switched off (it must succeed) and on (it must fail); the error.
pub fn attack(name: &str, tampering: impl Fn(Armed) -> Tampering) -> HandshakeError {
    let mut twin = client(7);
    let created = run(
        &mut twin,
        &mut ScriptedServer::new(tampering(Armed(false)), 8),
    );
    assert!(created.is_ok(), "{name}, disarmed: {created:?}");

    let mut victim = client(7);
    let mut server = ScriptedServer::new(tampering(Armed(true)), 8);
    let error = match run(&mut victim, &mut server) {
        Ok(_) => panic!("{name}: the client did not notice"),
        Err(error) => error,
    };
    assert_over(name, &mut victim);
    error
}

/// Nothing comes out of a failed exchange any more.
pub fn assert_over(name: &str, client: &mut ClientHandshake) {
    assert!(client.poll_output().is_none(), "{name}: no key is given");
    assert!(
        client.poll_transmit().is_none(),
        "{name}: nothing is sent any more"
    );
    assert!(
        client.poll_job().is_none(),
        "{name}: nothing is computed any more"
    );
    assert_eq!(
        client.poll_timeout(),
        None,
        "{name}: no timer runs any more"
    );
    let valid = PlainMessage {
        msg_id: 1,
        body: Bytes::from_static(&[0; 20]),
    }
    .to_payload();
    assert!(
        client.handle_input(NOW, valid).is_err(),
        "{name}: the failure is final"
    );
}

/// Whether a change is made, or only its path taken.
#[derive(Clone, Copy)]
pub struct Armed(pub bool);

impl Armed {
    /// The change, or one that changes nothing.
    pub fn change<T>(self, mut change: impl FnMut(&mut T) + 'static) -> Change<T> {
        let armed = self.0;
        Some(Box::new(move |value: &mut T| {
            if armed {
                change(value);
            }
        }))
    }
}

/// Flips the lowest bit of the first byte.
pub fn flip(bytes: &mut [u8]) {
    bytes[0] ^= 1;
}

/// Runs an exchange between two honest ends.
pub fn run_honest(
    client: &mut ClientHandshake,
    server: &mut ServerHandshake,
) -> Result<(CreatedKey, NewKey), HandshakeError> {
    let mut new = None;
    client.start(NOW);
    loop {
        client.run_jobs(NOW)?;
        if let Some(created) = client.poll_output() {
            return Ok((
                created,
                new.expect("the server has the key before the client"),
            ));
        }
        let query = client.poll_transmit().expect("a client sends or ends");
        let taken = server
            .handle_input(NOW, query)
            .and_then(|()| server.run_jobs(NOW));
        new = server.poll_output().or(new);
        match server.poll_transmit() {
            Some(Transmit::Payload(payload)) => client.handle_input(NOW, payload)?,
            Some(Transmit::Error(code)) => return Err(client.handle_transport_error(code)),
            other => panic!("the server answers {other:?} ({taken:?})"),
        }
    }
}

//! A server of DNS over HTTPS (RFC 8484) on loopback, for tests.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "each test uses a part of it"
)]

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex},
};

use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, rustls};

/// What the server does with a question.
#[derive(Clone)]
pub enum Manner {
    /// Answers from these names, each with its addresses and how long they hold; others do not exist.
    Zone(HashMap<String, (Vec<IpAddr>, u32)>),
    /// Says that it failed.
    ServFail,
    /// Answers with something that is no DNS message.
    Garbage,
    /// Answers with an HTTP error.
    Refuses,
    /// Says nothing.
    Silent,
}

pub struct DohServer {
    pub address: SocketAddr,
    /// The certificate that has to be trusted, in DER.
    pub certificate: Vec<u8>,
    /// The same in PEM.
    pub pem: String,
    asked: Arc<Mutex<Vec<String>>>,
    manner: Arc<Mutex<Manner>>,
}

impl DohServer {
    pub async fn start(manner: Manner) -> Self {
        let issued = rcgen::generate_simple_self_signed(["dns.test.example".to_owned()]).unwrap();
        let certificate = issued.cert.der().to_vec();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![issued.cert.der().clone()],
                rustls::pki_types::PrivateKeyDer::try_from(issued.signing_key.serialize_der())
                    .unwrap(),
            )
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            address: listener.local_addr().unwrap(),
            certificate,
            pem: issued.cert.pem(),
            asked: Arc::default(),
            manner: Arc::new(Mutex::new(manner)),
        };
        let (asked, manner) = (server.asked.clone(), server.manner.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, asked, manner) = (acceptor.clone(), asked.clone(), manner.clone());
                tokio::spawn(async move { connection(stream, acceptor, asked, manner).await });
            }
        });
        server
    }

    /// A server of these names, whose answers hold for an hour.
    pub async fn of(names: &[(&str, IpAddr)]) -> Self {
        let zone = names
            .iter()
            .map(|(name, address)| ((*name).to_owned(), (vec![*address], 3600)));
        Self::start(Manner::Zone(zone.collect())).await
    }

    /// How clients name it.
    pub fn url(&self) -> String {
        format!("https://{}/dns-query#dns.test.example", self.address)
    }

    pub fn behave(&self, manner: Manner) {
        *self.manner.lock().unwrap() = manner;
    }

    /// The names it was asked for addresses of, IPv4 and IPv6 counted once.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

async fn connection(
    stream: TcpStream,
    acceptor: TlsAcceptor,
    asked: Arc<Mutex<Vec<String>>>,
    manner: Arc<Mutex<Manner>>,
) -> Option<()> {
    let stream = acceptor.accept(stream).await.ok()?;
    let mut requests = h2::server::handshake(stream).await.ok()?;
    while let Some(Ok((request, mut respond))) = requests.accept().await {
        let (asked, manner) = (asked.clone(), manner.clone());
        tokio::spawn(async move {
            let mut body = request.into_body();
            let mut question = Vec::new();
            while let Some(chunk) = body.data().await {
                let chunk = chunk.ok()?;
                body.flow_control().release_capacity(chunk.len()).ok()?;
                question.extend_from_slice(&chunk);
            }
            let (name, kind) = read_question(&question)?;
            if kind == A {
                asked.lock().unwrap().push(name.clone());
            }
            let manner = manner.lock().unwrap().clone();
            let (status, answer) = match manner {
                Manner::Zone(zone) => (200, answer(&question, kind, zone.get(&name))),
                Manner::ServFail => (200, reply(&question, 2, &[])),
                Manner::Garbage => (200, b"no DNS message".to_vec()),
                Manner::Refuses => (500, Vec::new()),
                Manner::Silent => {
                    std::future::pending::<()>().await;
                    return None;
                }
            };
            let head = http::Response::builder()
                .status(status)
                .header("content-type", "application/dns-message")
                .header("content-length", answer.len())
                .body(())
                .ok()?;
            let mut sending = respond.send_response(head, false).ok()?;
            sending.send_data(answer.into(), true).ok()
        });
    }
    Some(())
}

const A: u16 = 1;
const AAAA: u16 = 28;

/// The name and the type that are asked for; there is one question.
fn read_question(message: &[u8]) -> Option<(String, u16)> {
    let mut at = 12;
    let mut labels = Vec::new();
    while let length @ 1.. = usize::from(*message.get(at)?) {
        let label = message.get(at + 1..at + 1 + length)?;
        labels.push(String::from_utf8_lossy(label).to_ascii_lowercase());
        at += 1 + length;
    }
    let kind = u16::from_be_bytes(message.get(at + 1..at + 3)?.try_into().ok()?);
    Some((labels.join("."), kind))
}

fn question_end(message: &[u8]) -> usize {
    let mut at = 12;
    while message[at] != 0 {
        at += 1 + usize::from(message[at]);
    }
    at + 5
}

fn answer(question: &[u8], kind: u16, found: Option<&(Vec<IpAddr>, u32)>) -> Vec<u8> {
    let Some((addresses, ttl)) = found else {
        // NXDOMAIN
        return reply(question, 3, &[]);
    };
    let records: Vec<Vec<u8>> = addresses
        .iter()
        .filter_map(|address| match (address, kind) {
            (IpAddr::V4(address), A) => Some(record(A, *ttl, &address.octets())),
            (IpAddr::V6(address), AAAA) => Some(record(AAAA, *ttl, &address.octets())),
            _ => None,
        })
        .collect();
    reply(question, 0, &records)
}

fn record(kind: u16, ttl: u32, data: &[u8]) -> Vec<u8> {
    // The name is that of the question, at offset 12.
    let mut record = vec![0xc0, 12];
    record.extend_from_slice(&kind.to_be_bytes());
    record.extend_from_slice(&[0, 1]);
    record.extend_from_slice(&ttl.to_be_bytes());
    record.extend_from_slice(&u16::try_from(data.len()).unwrap().to_be_bytes());
    record.extend_from_slice(data);
    record
}

fn reply(question: &[u8], code: u8, records: &[Vec<u8>]) -> Vec<u8> {
    let mut message = question[..question_end(question)].to_vec();
    message[2] = 0x81;
    message[3] = 0x80 | code;
    message[4..12].copy_from_slice(&[0, 1, 0, u8::try_from(records.len()).unwrap(), 0, 0, 0, 0]);
    for record in records {
        message.extend_from_slice(record);
    }
    message
}

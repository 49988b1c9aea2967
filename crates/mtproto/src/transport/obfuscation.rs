//! Obfuscation ("obfuscated2"): AES-256-CTR around a transport, keyed by the connection's first 64 bytes.
//! See <https://core.telegram.org/mtproto/mtproto-transports#transport-obfuscation>.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use actogram_crypto::ctr::Ctr256;
use actogram_crypto::random::Random;
use actogram_crypto::sha::sha256;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::Kind;

/// Bytes of the header a client sends first.
pub(super) const HEADER: usize = 64;

/// First words that would be taken for another protocol: HTTP methods, TLS, the plain tags.
const FORBIDDEN_WORDS: [[u8; 4]; 7] = [
    *b"HEAD",
    *b"POST",
    *b"GET ",
    *b"OPTI",
    [0x16, 0x03, 0x01, 0x02],
    [0xdd; 4],
    [0xee; 4],
];

/// The 16 bytes a proxy and its clients share. Wiped when dropped, never printed.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct Secret([u8; 16]);

impl Secret {
    /// A secret from its key material, without the `dd` or `ee` tag of its text form.
    #[must_use]
    pub fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

impl From<[u8; 16]> for Secret {
    fn from(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// How a client obfuscates its connection.
#[derive(Clone, Debug, Default)]
pub struct Obfuscation {
    /// The datacenter wanted, read by proxies only: +10000 for test datacenters, negative for
    /// media-only ones.
    pub dc_id: i16,
    /// The proxy's secret; `None` for a datacenter.
    pub secret: Option<Secret>,
}

/// The two key streams of one connection.
pub(super) struct Streams {
    pub(super) send: Ctr256,
    pub(super) receive: Ctr256,
}

impl Streams {
    /// The streams of the client whose header starts as `init`; a server swaps them.
    fn of_client(init: &[u8; HEADER], secret: Option<&Secret>) -> Self {
        let mut reversed = *init;
        reversed.reverse();
        let streams = Self {
            send: stream(init, secret),
            receive: stream(&reversed, secret),
        };
        reversed.zeroize();
        streams
    }
}

fn stream(init: &[u8; HEADER], secret: Option<&Secret>) -> Ctr256 {
    let mut key = Zeroizing::new([0; 32]);
    key.copy_from_slice(&init[8..40]);
    let mut iv = [0; 16];
    iv.copy_from_slice(&init[40..56]);
    if let Some(secret) = secret {
        let mut both = Zeroizing::new([0; 48]);
        both[..32].copy_from_slice(&key[..]);
        both[32..].copy_from_slice(&secret.0);
        *key = sha256(&both[..]);
    }
    Ctr256::new(&key, &iv)
}

/// Whether a server could take these first 8 bytes for something else than an obfuscated connection.
fn is_forbidden(start: &[u8]) -> bool {
    start[0] == 0xef
        || FORBIDDEN_WORDS.iter().any(|word| start[..4] == word[..])
        || start[4..8] == [0; 4]
}

/// Draws a header: 64 bytes, tagged, whose start no other protocol uses.
fn draw_init(tag: u8, dc_id: i16, random: &mut dyn Random) -> [u8; HEADER] {
    let mut init = [0; HEADER];
    loop {
        random.fill(&mut init);
        if !is_forbidden(&init[..8]) {
            break;
        }
    }
    init[56..60].fill(tag);
    init[60..62].copy_from_slice(&dc_id.to_le_bytes());
    init
}

/// The header a client sends, and its key streams; the sending one stands behind the header.
pub(super) fn client_header(
    tag: u8,
    obfuscation: &Obfuscation,
    random: &mut dyn Random,
) -> ([u8; HEADER], Streams) {
    let mut header = draw_init(tag, obfuscation.dc_id, random);
    let mut streams = Streams::of_client(&header, obfuscation.secret.as_ref());
    let mut encrypted = header;
    streams.send.apply(&mut encrypted);
    header[56..].copy_from_slice(&encrypted[56..]);
    (header, streams)
}

/// What a server reads out of a header.
pub(super) struct Accepted {
    pub(super) kind: Kind,
    pub(super) dc_id: i16,
    pub(super) streams: Streams,
}

/// Opens a header with the first fitting secret; `None` if none fits.
pub(super) fn accept_header(
    header: &[u8; HEADER],
    unkeyed: bool,
    secrets: &[Secret],
) -> Option<Accepted> {
    let candidates = unkeyed
        .then_some(None)
        .into_iter()
        .chain(secrets.iter().map(Some));
    for secret in candidates {
        let client = Streams::of_client(header, secret);
        let mut streams = Streams {
            send: client.receive,
            receive: client.send,
        };
        let mut opened = *header;
        streams.receive.apply(&mut opened);
        let [.., p0, p1, p2, p3, d0, d1, _, _] = opened;
        if let Some(kind) = Kind::from_protocol_id([p0, p1, p2, p3]) {
            return Some(Accepted {
                kind,
                dc_id: i16::from_le_bytes([d0, d1]),
                streams,
            });
        }
    }
    None
}

/// The listener's memory of obfuscation headers, against replayed connections.
pub trait ReplayGuard: Send {
    /// Notes a header that opened correctly. False if it was noted before: the connection is then
    /// refused.
    fn is_new(&mut self, header: &[u8; 64]) -> bool;
}

/// A bounded memory of the headers seen last: the oldest is forgotten first.
///
/// One listener shares it among its connections as `Arc<Mutex<SeenHeaders>>`, which is a
/// [`ReplayGuard`] too.
#[derive(Debug)]
pub struct SeenHeaders {
    capacity: usize,
    known: HashSet<[u8; 48]>,
    order: VecDeque<[u8; 48]>,
}

impl SeenHeaders {
    /// Remembers at most `capacity` headers (at least one), 96 bytes each plus the overhead of a hash
    /// set.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity: capacity.max(1),
            known: HashSet::new(),
            order: VecDeque::new(),
        }
    }

    /// Headers remembered now.
    #[must_use]
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether no header is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }
}

impl ReplayGuard for SeenHeaders {
    fn is_new(&mut self, header: &[u8; 64]) -> bool {
        // Keys and IVs come from these 48 bytes alone: a replay that changes the rest still decrypts.
        let mut keyed = [0; 48];
        keyed.copy_from_slice(&header[8..56]);
        if !self.known.insert(keyed) {
            return false;
        }
        self.order.push_back(keyed);
        if self.order.len() > self.capacity
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }
}

impl<G: ReplayGuard> ReplayGuard for Arc<Mutex<G>> {
    fn is_new(&mut self, header: &[u8; 64]) -> bool {
        self.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_new(header)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds prepared blocks, then pseudo-random ones.
    struct Scripted {
        blocks: VecDeque<[u8; 64]>,
        state: u64,
    }

    impl Random for Scripted {
        fn fill(&mut self, out: &mut [u8]) {
            if let Some(block) = self.blocks.pop_front() {
                out.copy_from_slice(&block[..out.len()]);
                return;
            }
            for byte in out {
                self.state = self
                    .state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                *byte = (self.state >> 56) as u8;
            }
        }
    }

    /// 10^6 headers; the scripted prefixes make sure that every rule refuses at least once.
    #[test]
    fn t1_no_generated_header_collides_with_a_forbidden_prefix() {
        let mut starts: Vec<[u8; 8]> = FORBIDDEN_WORDS
            .iter()
            .map(|w| [w[0], w[1], w[2], w[3], 1, 2, 3, 4])
            .collect();
        starts.push([0xef, 1, 2, 3, 4, 5, 6, 7]);
        starts.push([1, 2, 3, 4, 0, 0, 0, 0]);
        let blocks = starts
            .iter()
            .map(|start| {
                let mut block = [9; 64];
                block[..8].copy_from_slice(start);
                block
            })
            .collect();
        let mut random = Scripted { blocks, state: 7 };
        for round in 0..1_000_000 {
            let init = draw_init(0xdd, 2, &mut random);
            assert!(
                random.blocks.is_empty(),
                "a forbidden start was accepted: {:?}",
                &init[..8]
            );
            let word = [init[0], init[1], init[2], init[3]];
            assert_ne!(init[0], 0xef, "round {round}");
            assert!(
                !matches!(&word, b"HEAD" | b"POST" | b"GET " | b"OPTI"),
                "round {round}: {word:?}"
            );
            assert!(
                !matches!(
                    u32::from_le_bytes(word),
                    0x0201_0316 | 0xdddd_dddd | 0xeeee_eeee
                ),
                "round {round}: {word:?}"
            );
            assert_ne!(init[4..8], [0; 4], "round {round}");
        }
    }

    #[test]
    fn t2_the_memory_of_headers_is_bounded_and_forgets_the_oldest() {
        let header = |n: u32| {
            let mut header = [0; 64];
            header[8..12].copy_from_slice(&n.to_le_bytes());
            header
        };
        let mut seen = SeenHeaders::new(100);
        for n in 0..10_000 {
            assert!(seen.is_new(&header(n)));
            assert!(seen.len() <= 100);
        }
        assert!(!seen.is_new(&header(9_999)));
        assert!(!seen.is_new(&header(9_900)));
        assert!(seen.is_new(&header(9_899)), "forgotten");
        let mut altered = header(9_999);
        altered[0] = 77;
        altered[63] = 77;
        assert!(
            !seen.is_new(&altered),
            "bytes outside the key material do not make it new"
        );
    }

    #[test]
    fn a_secret_is_not_printed() {
        let shown = format!(
            "{:?}",
            Obfuscation {
                dc_id: 2,
                secret: Some([0xab; 16].into())
            }
        );
        assert!(!shown.contains("171") && !shown.contains("ab,"), "{shown}");
    }
}

//! Copies of files at CDNs: what their names and keys are, and what they lie about.

use std::collections::BTreeMap;

use actogram_crypto::random::{self, Random};
use zeroize::Zeroizing;

use crate::files::BlobName;

/// What a datacenter or its CDN makes of a file that is served by a CDN, against the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CdnLie {
    /// A part from the CDN has one wrong bit.
    WrongBytes,
    /// A part from the CDN lacks its second half.
    ShortPart,
    /// A part from the CDN has 16 bytes more than were asked for.
    LongPart,
    /// A part from the CDN goes on behind the end of the file, up to what was asked for.
    EndlessFile,
    /// The hashes that the datacenter tells belong to other bytes.
    WrongHash,
    /// The datacenter tells no hashes where it should.
    NoHash,
    /// The redirect tells a key of 31 bytes.
    ShortKey,
    /// The redirect tells an initialization vector of 15 bytes.
    ShortIv,
    /// The redirect leads to this datacenter, which is no CDN.
    RedirectTo(i32),
}

/// A file at a CDN.
pub(crate) struct CdnCopy {
    /// Names it at the CDN.
    pub(crate) token: Vec<u8>,
    pub(crate) dc_id: i32,
    pub(crate) name: BlobName,
    /// The datacenter that told the token to clients.
    pub(crate) told_by: Option<i32>,
    pub(crate) key: Zeroizing<[u8; 32]>,
    pub(crate) iv: [u8; 16],
    /// Whether the CDN has it; until then it asks for it.
    pub(crate) is_there: bool,
    /// What the CDN asked for, by the token it asked with.
    requests: BTreeMap<Vec<u8>, u64>,
    lies: Vec<(CdnLie, u32)>,
}

/// Requests of a CDN that nobody answered; the oldest ones are forgotten.
const MOST_REQUESTS: usize = 1024;

impl CdnCopy {
    pub(crate) fn new(dc_id: i32, name: BlobName, random: &mut dyn Random) -> Self {
        let mut copy = Self {
            token: Vec::new(),
            dc_id,
            name,
            told_by: None,
            key: Zeroizing::new([0; 32]),
            iv: random::array(random),
            is_there: false,
            requests: BTreeMap::new(),
            lies: Vec::new(),
        };
        random.fill(&mut copy.key[..]);
        copy.renew(random);
        copy
    }

    /// Gives it another name; the CDN does not know it by that yet.
    pub(crate) fn renew(&mut self, random: &mut dyn Random) {
        self.token = random::array::<32>(random).to_vec();
        self.is_there = false;
        self.requests.clear();
    }

    /// The token with which the CDN asks for what lies at `offset`.
    pub(crate) fn request(&mut self, offset: u64, random: &mut dyn Random) -> Vec<u8> {
        if self.requests.len() >= MOST_REQUESTS {
            self.requests.clear();
        }
        let token = random::array::<32>(random).to_vec();
        self.requests.insert(token.clone(), offset);
        token
    }

    /// Brings what the CDN asked for; `None` if it did not.
    pub(crate) fn upload(&mut self, request: &[u8]) -> Option<u64> {
        let offset = self.requests.remove(request)?;
        self.is_there = true;
        Some(offset)
    }

    pub(crate) fn lie(&mut self, lie: CdnLie, times: u32) {
        self.lies.push((lie, times));
    }

    /// The first lie that was ordered for this occasion.
    pub(crate) fn take_lie(&mut self, wanted: impl Fn(CdnLie) -> bool) -> Option<CdnLie> {
        let (lie, times) = self
            .lies
            .iter_mut()
            .find(|(lie, times)| *times > 0 && wanted(*lie))?;
        *times -= 1;
        Some(*lie)
    }
}

/// What is served by CDNs. Gone with the process: tokens of before are no good after a restart, as at any time.
#[derive(Default)]
pub(crate) struct Cdn {
    pub(crate) copies: BTreeMap<BlobName, CdnCopy>,
    /// Number of the CDN and its key in PEM, as `help.getCdnConfig` tells them.
    pub(crate) keys: Vec<(i32, String)>,
}

impl Cdn {
    pub(crate) fn by_token(&mut self, token: &[u8]) -> Option<&mut CdnCopy> {
        self.copies.values_mut().find(|copy| copy.token == token)
    }
}

//! What a client encrypts for the server's RSA key: `p_q_inner_data` and its variants.
//!
//! Written and read here rather than by the generated types, because it holds `new_nonce`, from which
//! the keys of the exchange follow: every buffer it passes through is wiped.

use actogram_tl::Constructor;
use actogram_tl::mtproto::types;
use zeroize::Zeroizing;

/// `p_q_inner_data`, `_dc`, `_temp` or `_temp_dc`, depending on which optional fields are there.
pub(super) struct InnerData {
    pub(super) pq: Vec<u8>,
    pub(super) p: Vec<u8>,
    pub(super) q: Vec<u8>,
    pub(super) nonce: [u8; 16],
    pub(super) server_nonce: [u8; 16],
    pub(super) new_nonce: Zeroizing<[u8; 32]>,
    pub(super) dc: Option<i32>,
    pub(super) expires_in: Option<i32>,
}

impl InnerData {
    fn constructor(&self) -> u32 {
        match (self.dc, self.expires_in) {
            (None, None) => types::PQInnerData::ID,
            (Some(_), None) => types::PQInnerDataDc::ID,
            (None, Some(_)) => types::PQInnerDataTemp::ID,
            (Some(_), Some(_)) => types::PQInnerDataTempDc::ID,
        }
    }

    pub(super) fn encode(&self) -> Zeroizing<Vec<u8>> {
        // Large enough for all variants, so that growing leaves no copy behind.
        let mut out = Zeroizing::new(Vec::with_capacity(256));
        out.extend(self.constructor().to_le_bytes());
        for number in [&self.pq, &self.p, &self.q] {
            out.push(number.len() as u8);
            out.extend(number);
            while !out.len().is_multiple_of(4) {
                out.push(0);
            }
        }
        out.extend(self.nonce);
        out.extend(self.server_nonce);
        out.extend(&self.new_nonce[..]);
        for word in [self.dc, self.expires_in].into_iter().flatten() {
            out.extend(word.to_le_bytes());
        }
        out
    }

    /// The data at the start of `bytes`, and how many bytes it takes.
    pub(super) fn decode(bytes: &[u8]) -> Option<(Self, usize)> {
        let mut rest = bytes;
        let id = u32::from_le_bytes(take(&mut rest)?);
        let (has_dc, has_expiry) = match id {
            types::PQInnerData::ID => (false, false),
            types::PQInnerDataDc::ID => (true, false),
            types::PQInnerDataTemp::ID => (false, true),
            types::PQInnerDataTempDc::ID => (true, true),
            _ => return None,
        };
        let data = Self {
            pq: number(&mut rest)?,
            p: number(&mut rest)?,
            q: number(&mut rest)?,
            nonce: take(&mut rest)?,
            server_nonce: take(&mut rest)?,
            new_nonce: Zeroizing::new(take(&mut rest)?),
            dc: if has_dc {
                Some(i32::from_le_bytes(take(&mut rest)?))
            } else {
                None
            },
            expires_in: if has_expiry {
                Some(i32::from_le_bytes(take(&mut rest)?))
            } else {
                None
            },
        };
        Some((data, bytes.len() - rest.len()))
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_first_chunk::<N>()?;
    *rest = tail;
    Some(*head)
}

/// A TL string of at most 8 bytes, which pq and its factors never exceed.
fn number(rest: &mut &[u8]) -> Option<Vec<u8>> {
    let [length] = take::<1>(rest)?;
    let length = usize::from(length);
    let field = (1 + length).next_multiple_of(4) - 1;
    if length > 8 || rest.len() < field {
        return None;
    }
    let (field, tail) = rest.split_at(field);
    *rest = tail;
    Some(field[..length].to_vec())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_variant_is_read_as_it_was_written_and_cuts_are_refused() {
        for dc in [None, Some(-2)] {
            for expires_in in [None, Some(86400)] {
                let data = InnerData {
                    pq: vec![1; 8],
                    p: vec![2; 4],
                    q: vec![3; 4],
                    nonce: [4; 16],
                    server_nonce: [5; 16],
                    new_nonce: Zeroizing::new([6; 32]),
                    dc,
                    expires_in,
                };
                let mut bytes = data.encode().to_vec();
                for cut in 0..bytes.len() {
                    assert!(InnerData::decode(&bytes[..cut]).is_none(), "{cut}");
                }
                let length = bytes.len();
                assert!(length <= 144, "RSA_PAD takes at most 144 bytes");
                bytes.extend([0xaa; 30]);
                let (read, taken) = InnerData::decode(&bytes).unwrap();
                assert_eq!(taken, length);
                assert_eq!((read.dc, read.expires_in), (dc, expires_in));
                assert_eq!(read.encode()[..], bytes[..length]);
            }
        }
    }
}

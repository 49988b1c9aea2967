//! The three queries of the key exchange, as a server reads them.

use actogram_tl::mtproto::functions;
use actogram_tl::{Function, Reader};
use bytes::Bytes;

use super::server::DhQuery;

pub(super) enum Query {
    /// `req_pq_multi`, or the legacy `req_pq`: answered alike.
    ReqPq {
        nonce: [u8; 16],
    },
    ReqDhParams(Box<DhQuery>),
    SetClientDhParams {
        nonce: [u8; 16],
        server_nonce: [u8; 16],
        encrypted: Bytes,
    },
}

impl Query {
    /// The query at the start of `body`, and how many bytes it takes: some clients let random bytes
    /// follow, which do not make it another query.
    pub(super) fn decode(body: &Bytes) -> Option<(Self, usize)> {
        let mut reader = Reader::new(body.clone());
        let id = reader.get_u32().ok()?;
        let nonce = reader.get_array().ok()?;
        let query = match id {
            functions::ReqPq::ID | functions::ReqPqMulti::ID => Query::ReqPq { nonce },
            functions::ReqDhParams::ID => Query::ReqDhParams(Box::new(DhQuery {
                nonce,
                server_nonce: reader.get_array().ok()?,
                p: reader.get_bytes().ok()?,
                q: reader.get_bytes().ok()?,
                fingerprint: reader.get_i64().ok()?,
                encrypted: reader.get_bytes().ok()?,
            })),
            functions::SetClientDhParams::ID => Query::SetClientDhParams {
                nonce,
                server_nonce: reader.get_array().ok()?,
                encrypted: reader.get_bytes().ok()?,
            },
            _ => return None,
        };
        Some((query, body.len() - reader.remaining()))
    }
}

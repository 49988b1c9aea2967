//! Service schema of MTProto: key exchange and session messages.
//!
//! `string` is binary here and becomes [`Bytes`](crate::Bytes). `rpc_result`, `message`, `msg_container`, `msg_copy`
//! and `gzip_packed` hold whole objects and have no struct: a session reads them by hand, see
//! <https://core.telegram.org/mtproto/service_messages>.

/// Ids of what a session reads by hand.
pub mod ids {
    /// `rpc_result#f35c6d01 req_msg_id:long result:Object`.
    pub const RPC_RESULT: u32 = 0xf35c_6d01;
    /// `msg_container#73f1f8dc messages:vector<%Message>`, a bare vector.
    pub const MSG_CONTAINER: u32 = 0x73f1_f8dc;
    /// `msg_copy#e06046b2 orig_message:Message`.
    pub const MSG_COPY: u32 = 0xe060_46b2;
    /// `gzip_packed#3072cfa1 packed_data:bytes`.
    pub const GZIP_PACKED: u32 = 0x3072_cfa1;
    /// `vector#1cb5c415`.
    pub const VECTOR: u32 = crate::codec::VECTOR;
    /// `boolTrue#997275b5`.
    pub const BOOL_TRUE: u32 = crate::codec::TRUE;
    /// `boolFalse#bc799737`.
    pub const BOOL_FALSE: u32 = crate::codec::FALSE;
}

/// One struct per constructor that has fields.
#[allow(missing_docs, clippy::all)]
pub mod types {
    include!(concat!(env!("OUT_DIR"), "/mtproto_types.rs"));
}

/// One enum per boxed type.
#[allow(missing_docs, clippy::all)]
pub mod enums {
    include!(concat!(env!("OUT_DIR"), "/mtproto_enums.rs"));
}

/// One struct per method.
#[allow(missing_docs, clippy::all)]
pub mod functions {
    include!(concat!(env!("OUT_DIR"), "/mtproto_functions.rs"));
}

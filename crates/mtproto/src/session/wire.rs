//! Small helpers for service messages.

use actogram_tl::{Constructor, Decode, DecodeError, Encode, Reader, Writer, mtproto::ids};
use bytes::Bytes;

/// A bare object behind its constructor's id.
pub(super) fn boxed<T: Encode + Constructor>(object: &T) -> Bytes {
    let mut writer = Writer::new();
    writer.object(T::ID, object);
    writer.into_bytes()
}

/// Reads an object whose id was looked at already. Nothing may follow it.
pub(super) fn unboxed<T: Decode>(body: Bytes) -> Result<T, DecodeError> {
    T::from_bytes(body.slice(4.min(body.len())..))
}

/// `id msg_ids:Vector<long>`.
pub(super) fn id_list(id: u32, msg_ids: &[i64]) -> Bytes {
    let mut writer = Writer::with_capacity(12 + 8 * msg_ids.len());
    writer.put_u32(id);
    writer.put_u32(ids::VECTOR);
    writer.put_u32(msg_ids.len() as u32);
    for id in msg_ids {
        writer.put_i64(*id);
    }
    writer.into_bytes()
}

/// The constructor id a body starts with.
pub(super) fn constructor(body: &Bytes) -> Option<u32> {
    Reader::new(body.clone()).peek_u32()
}

pub(super) const MSG_RESEND_ANS_REQ: u32 = 0x8610_baeb;

//! What an encrypted message holds: one message, or a container of several
//! (<https://core.telegram.org/mtproto/service_messages#containers>).

use actogram_tl::{DecodeError, Reader, Writer, mtproto::ids};
use bytes::Bytes;

use super::{MOST_IN_CONTAINER, message_id::order, wire::constructor};

/// Why a container was refused, as a whole.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ContentError {
    /// More messages than a container may hold, or a negative count.
    #[error("a container says it holds {0} messages; at most 1024 were expected")]
    Count(i32),
    /// The length of an inner message is negative, no multiple of 4, or reaches beyond the container.
    #[error("an inner message says it has {0} bytes, which does not fit its container")]
    Length(i32),
    /// A container inside a container.
    #[error("a container holds a container")]
    Nested,
    /// An inner message is newer than its container.
    #[error("an inner message has a higher id than its container")]
    Order,
    /// Something follows the last message.
    #[error("{0} bytes follow the last message of a container")]
    Trailing(usize),
    /// The container ends too early.
    #[error("a container is cut off: {0}")]
    Cut(String),
}

/// One message, bare.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Inner {
    pub(super) msg_id: i64,
    pub(super) seq_no: i32,
    pub(super) body: Bytes,
}

/// Takes a container apart; `None` if the body is none.
pub(super) fn container(msg_id: i64, body: &Bytes) -> Result<Option<Vec<Inner>>, ContentError> {
    if constructor(body) != Some(ids::MSG_CONTAINER) {
        return Ok(None);
    }
    let mut reader = Reader::new(body.slice(4..));
    let count = reader.get_i32().map_err(cut)?;
    let count = usize::try_from(count)
        .ok()
        .filter(|count| *count <= MOST_IN_CONTAINER)
        .ok_or(ContentError::Count(count))?;
    // Each message takes at least its 16 bytes of header, so the body bounds what is reserved.
    let mut messages = Vec::with_capacity(count.min(body.len() / 16));
    for _ in 0..count {
        let inner_id = reader.get_i64().map_err(cut)?;
        let seq_no = reader.get_i32().map_err(cut)?;
        let length = reader.get_i32().map_err(cut)?;
        let fits = usize::try_from(length)
            .ok()
            .filter(|length| length % 4 == 0 && *length <= reader.remaining());
        let length = fits.ok_or(ContentError::Length(length))?;
        let mut rest = reader.rest();
        let inner = rest.split_to(length);
        reader = Reader::new(rest);
        if order(inner_id) >= order(msg_id) {
            return Err(ContentError::Order);
        }
        let first = constructor(&inner);
        if first == Some(ids::MSG_CONTAINER) {
            return Err(ContentError::Nested);
        }
        messages.push(Inner {
            msg_id: inner_id,
            seq_no,
            body: inner,
        });
    }
    match reader.remaining() {
        0 => Ok(Some(messages)),
        left => Err(ContentError::Trailing(left)),
    }
}

/// Bytes a message takes inside a container.
pub(super) fn size_in_container(body: &Bytes) -> usize {
    16 + body.len()
}

/// Packs messages into a container's body.
pub(super) fn pack(messages: &[Inner]) -> Bytes {
    let size: usize = messages
        .iter()
        .map(|message| size_in_container(&message.body))
        .sum();
    let mut writer = Writer::with_capacity(8 + size);
    writer.put_u32(ids::MSG_CONTAINER);
    writer.put_u32(messages.len() as u32);
    for message in messages {
        writer.put_i64(message.msg_id);
        writer.put_i32(message.seq_no);
        writer.put_u32(message.body.len() as u32);
        writer.put_raw(&message.body);
    }
    writer.into_bytes()
}

fn cut(error: DecodeError) -> ContentError {
    ContentError::Cut(error.to_string())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn inner(msg_id: i64, body: &[u8]) -> Inner {
        Inner {
            msg_id,
            seq_no: 1,
            body: Bytes::copy_from_slice(body),
        }
    }

    /// S11, disarmed: honest containers come back as they were.
    #[test]
    fn s11_honest_containers_are_taken() {
        for count in [0, 1, 2, MOST_IN_CONTAINER] {
            let messages: Vec<_> = (0..count).map(|n| inner(n as i64 * 4, &[1; 8])).collect();
            assert_eq!(
                container(1 << 40, &pack(&messages)).unwrap().unwrap(),
                messages
            );
        }
        assert_eq!(
            container(8, &Bytes::from_static(&[1, 2, 3, 4])).unwrap(),
            None
        );
        assert_eq!(container(8, &Bytes::new()).unwrap(), None);
    }

    #[test]
    fn s11_bad_containers_are_refused_as_a_whole() {
        let with_count = |count: i32| {
            let mut body = pack(&[inner(4, &[1; 8])]).to_vec();
            body[4..8].copy_from_slice(&count.to_le_bytes());
            container(1 << 40, &Bytes::from(body))
        };
        assert!(with_count(1).is_ok());
        assert_eq!(with_count(-1), Err(ContentError::Count(-1)));
        assert_eq!(with_count(i32::MAX), Err(ContentError::Count(i32::MAX)));
        assert_eq!(with_count(1025), Err(ContentError::Count(1025)));
        assert!(matches!(with_count(2), Err(ContentError::Cut(_))));
        assert_eq!(with_count(0), Err(ContentError::Trailing(24)));

        let with_length = |length: i32| {
            let mut body = pack(&[inner(4, &[1; 8])]).to_vec();
            body[20..24].copy_from_slice(&length.to_le_bytes());
            container(1 << 40, &Bytes::from(body))
        };
        for length in [-4, 3, 12, i32::MAX, i32::MIN] {
            assert_eq!(with_length(length), Err(ContentError::Length(length)));
        }
        assert_eq!(with_length(4), Err(ContentError::Trailing(4)));

        let nested = pack(&[inner(4, &pack(&[inner(0, &[1; 4])]))]);
        assert_eq!(container(8, &nested), Err(ContentError::Nested));
        assert_eq!(
            container(4, &pack(&[inner(4, &[1; 4])])),
            Err(ContentError::Order)
        );
    }

    proptest! {
        #[test]
        fn s11_no_bytes_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut framed = ids::MSG_CONTAINER.to_le_bytes().to_vec();
            framed.extend(body);
            let _ = container(i64::MAX, &Bytes::from(framed));
        }
    }
}

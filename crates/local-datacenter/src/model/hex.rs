//! Byte strings as hexadecimal text, the form they have in the journal.

use std::fmt::Write as _;

use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Lower-case hexadecimal digits of `bytes`.
pub(crate) fn encode(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

/// The bytes that `text` spells, or nothing if it is not hexadecimal.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) {
        return None;
    }
    text.as_bytes()
        .chunks(2)
        .map(|pair| {
            let high = (*pair.first()? as char).to_digit(16)?;
            let low = (*pair.get(1)? as char).to_digit(16)?;
            u8::try_from(high * 16 + low).ok()
        })
        .collect()
}

/// An encoded TL value kept as it came.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct TlBytes(pub Bytes);

impl Serialize for TlBytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for TlBytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = decode(&text).ok_or_else(|| {
            serde::de::Error::custom("expected an even number of hexadecimal digits")
        })?;
        Ok(Self(bytes.into()))
    }
}

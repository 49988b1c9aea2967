//! What several tests share.
#![allow(dead_code, clippy::unwrap_used)]

use crypto_bigint::U2048;

/// The bytes of a hex string.
pub(crate) fn hex(text: &str) -> Vec<u8> {
    assert_eq!(text.len() % 2, 0, "hex has an even number of digits");
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}

/// A number as 256 bytes, big-endian.
pub(crate) fn to_bytes(number: &U2048) -> [u8; 256] {
    number.to_be_bytes().as_ref().try_into().unwrap()
}

/// 256 bytes, big-endian, as a number.
pub(crate) fn number(bytes: &[u8; 256]) -> U2048 {
    U2048::from_be_slice(bytes)
}

/// 2^1984, the distance public values keep from 0 and from the prime.
pub(crate) fn margin() -> U2048 {
    U2048::ONE.shl_vartime(1984)
}

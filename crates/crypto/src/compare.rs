//! The one place where secrets are compared.

use subtle::ConstantTimeEq;

/// Whether both are equal, in a time that depends on their lengths only.
pub fn constant_time_eq(a: &[u8], b: &[u8]) -> bool {
    a.ct_eq(b).into()
}

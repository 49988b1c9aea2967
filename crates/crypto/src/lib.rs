//! The cryptography of MTProto 2.0 as pure functions over bytes.

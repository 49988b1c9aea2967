//! Schema of end-to-end encrypted chats, <https://core.telegram.org/schema/end-to-end>.

/// One struct per constructor that has fields.
#[allow(missing_docs, clippy::all)]
pub mod types {
    include!(concat!(env!("OUT_DIR"), "/secret_types.rs"));
}

/// One enum per boxed type.
#[allow(missing_docs, clippy::all)]
pub mod enums {
    include!(concat!(env!("OUT_DIR"), "/secret_enums.rs"));
}

//! Telegram's TL schema: types, binary codec, JSON codec and the table of methods.
//!
//! Everything under [`types`], [`enums`] and [`functions`] (and the same under [`mtproto`] and
//! [`secret`]) is generated from `schema/*.tl`:
//!
//! * [`types`]: one struct per constructor with fields. Encodes *bare*, without its id.
//! * [`enums`]: one enum per boxed type, its variants named after the constructors. Encodes with
//!   the id. Big or recursive payloads are boxed; `.into()` builds a variant either way.
//! * [`functions`]: one struct per method, which knows its [`Function::Response`].
//!
//! ```
//! use actogram_tl as tl;
//! use tl::{Decode, Encode};
//!
//! let peer: tl::enums::InputPeer = tl::types::InputPeerChat { chat_id: 7 }.into();
//! let bytes = peer.to_bytes();
//! assert_eq!(bytes.len(), 4 + 8);
//! let again = tl::enums::InputPeer::from_bytes(bytes)?;
//! assert_eq!(again, peer);
//! # Ok::<(), tl::DecodeError>(())
//! ```
//!
//! # Flags
//! Flag words are not fields: they are computed on encoding, and unknown bits are ignored on
//! decoding. Fields that share a bit travel together: the bit is set when every field with a value
//! is `Some`; a bare `true` beside such fields says the same and is not looked at.
//!
//! # Layers
//! Values are of layer [`LAYER`]. Layers 227 to 229 are spoken too: a boxed type reads the ids of
//! those layers, and a [`Writer::for_layer`] writes them. See `README.md` for what is lost.
//!
//! # Memory
//! [`Reader`] walks an owned [`Bytes`]: a `bytes` field of at least 4 KiB that is at least a
//! quarter of its buffer is a slice of it, every other one is a copy.

mod codec;
mod debug;
mod error;
pub mod json;
mod layers;
pub mod mtproto;
mod raw;
mod reader;
pub mod secret;
pub mod tables;
mod walk;
mod writer;

pub use bytes::Bytes;
pub use codec::{Constructor, Decode, Encode, Function, Shaped};
pub use error::{DecodeError, DecodeErrorKind};
pub use raw::{RawQuery, RawResponse};
pub use reader::{MAX_DEPTH, Reader};
pub use tables::LAYER;
pub use writer::Writer;

/// One struct per constructor of the API that has fields.
#[allow(missing_docs, clippy::all)]
pub mod types {
    include!(concat!(env!("OUT_DIR"), "/api_types.rs"));
}

/// One enum per boxed type of the API.
#[allow(missing_docs, clippy::all)]
pub mod enums {
    include!(concat!(env!("OUT_DIR"), "/api_enums.rs"));
}

/// One struct per method of the API.
#[allow(missing_docs, clippy::all)]
pub mod functions {
    include!(concat!(env!("OUT_DIR"), "/api_functions.rs"));
}

/// What every generated module imports.
mod generated_prelude {
    #[allow(unused_imports)]
    pub(crate) use crate::codec::{Constructor, Decode, Encode, Function, Shaped};
    #[allow(unused_imports)]
    pub(crate) use crate::{
        Bytes, DecodeError, Reader, Writer,
        tables::{SchemaId, Shape},
    };

    /// Equality by encoded bytes and `Debug` through the tables: derives on 2,500 types would cost
    /// a third of the build.
    macro_rules! by_bytes {
        ($name:ident) => {
            impl PartialEq for $name {
                #[inline]
                fn eq(&self, other: &Self) -> bool {
                    crate::codec::same(self, other)
                }
            }
            impl std::fmt::Debug for $name {
                #[inline]
                fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    crate::debug::fmt(self, Self::SCHEMA, Self::SHAPE, f)
                }
            }
        };
    }
    pub(crate) use by_bytes;
}

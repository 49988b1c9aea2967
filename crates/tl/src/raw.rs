//! Values whose type is not known here: carried as bytes.

use bytes::Bytes;

use crate::codec::{Decode, Encode, Function, Shaped};
use crate::error::DecodeError;
use crate::reader::Reader;
use crate::tables::{SchemaId, Shape};
use crate::writer::Writer;

/// An encoded method inside another one, as in `invokeWithLayer`. Decodes as the rest of the input.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct RawQuery(pub Bytes);

/// An answer whose type depends on the inner query. Decodes as the rest of the input.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct RawResponse(pub Bytes);

impl RawQuery {
    /// Encodes a method.
    pub fn of<F: Function>(function: &F) -> Self {
        RawQuery(function.to_bytes())
    }
}

macro_rules! raw {
    ($name:ident) => {
        impl Encode for $name {
            fn encode(&self, w: &mut Writer) {
                w.put_raw(&self.0);
            }
        }

        impl Shaped for $name {
            const SCHEMA: SchemaId = SchemaId::Api;
            const SHAPE: Shape = Shape::Raw;
            const MIN_SIZE: usize = 0;
        }

        impl Decode for $name {
            fn decode(r: &mut Reader) -> Result<Self, DecodeError> {
                Ok($name(r.rest()))
            }
        }

        impl From<Bytes> for $name {
            fn from(bytes: Bytes) -> Self {
                $name(bytes)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{}({} bytes)", stringify!($name), self.0.len())
            }
        }
    };
}

raw!(RawQuery);
raw!(RawResponse);

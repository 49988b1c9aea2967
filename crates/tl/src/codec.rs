//! The traits of encoding and decoding, and their implementations for built-in types.

use bytes::Bytes;

use crate::error::{DecodeError, DecodeErrorKind};
use crate::reader::Reader;
use crate::tables::{SchemaId, Shape};
use crate::walk;
use crate::writer::Writer;

pub(crate) const VECTOR: u32 = 0x1cb5_c415;
pub(crate) const TRUE: u32 = 0x9972_75b5;
pub(crate) const FALSE: u32 = 0xbc79_9737;

/// A value that can be written.
pub trait Encode {
    /// Appends the value, in the writer's layer.
    fn encode(&self, w: &mut Writer);

    /// The value in the current layer.
    fn to_bytes(&self) -> Bytes
    where
        Self: Sized,
    {
        let mut w = Writer::new();
        self.encode(&mut w);
        w.into_bytes()
    }

    /// The value as a client of `layer` reads it.
    fn to_bytes_for(&self, layer: i32) -> Bytes
    where
        Self: Sized,
    {
        let mut w = Writer::for_layer(layer);
        self.encode(&mut w);
        w.into_bytes()
    }
}

/// How a type looks in the tables.
pub trait Shaped {
    /// The schema the shape's indices refer to.
    const SCHEMA: SchemaId;
    /// Its shape.
    const SHAPE: Shape;
    /// Fewest bytes an encoded value takes.
    const MIN_SIZE: usize;
}

/// A value that can be read.
pub trait Decode: Shaped + Sized {
    /// Reads one value and leaves the reader after it.
    ///
    /// # Errors
    /// The bytes are not such a value; the error has the offset, not the path.
    fn decode(r: &mut Reader) -> Result<Self, DecodeError>;

    /// Reads a value that takes the whole of `bytes`.
    ///
    /// # Errors
    /// The bytes are not such a value, or more bytes follow it; the error has offset and path.
    fn from_bytes(bytes: Bytes) -> Result<Self, DecodeError> {
        let mut r = Reader::new(bytes.clone());
        match Self::decode(&mut r) {
            Ok(value) if r.remaining() == 0 => Ok(value),
            Ok(_) => Err(r.error(DecodeErrorKind::TrailingBytes {
                count: r.remaining(),
            })),
            Err(e) => Err(e),
        }
        .map_err(|e| walk::locate(e, Self::SCHEMA.tables(), Self::SHAPE, bytes))
    }
}

/// A constructor: what a struct of [`types`](crate::types) knows about itself.
pub trait Constructor {
    /// Its id in the current layer.
    const ID: u32;
    /// Its name in the schema.
    const NAME: &'static str;
}

/// A method.
pub trait Function: Encode + Shaped {
    /// Its id in the current layer.
    const ID: u32;
    /// Its name in the schema.
    const NAME: &'static str;
    /// What it answers.
    type Response: Encode + Decode;
}

/// Equality by encoded bytes.
pub(crate) fn same(a: &dyn Encode, b: &dyn Encode) -> bool {
    let (mut left, mut right) = (Writer::new(), Writer::new());
    a.encode(&mut left);
    b.encode(&mut right);
    left.as_slice() == right.as_slice()
}

macro_rules! built_in {
    ($ty:ty, $shape:expr, $min:expr, |$v:ident, $w:ident| $put:expr, |$r:ident| $get:expr) => {
        impl Shaped for $ty {
            const SCHEMA: SchemaId = SchemaId::Api;
            const SHAPE: Shape = $shape;
            const MIN_SIZE: usize = $min;
        }

        impl Encode for $ty {
            fn encode(&self, $w: &mut Writer) {
                let $v = self;
                $put
            }
        }

        impl Decode for $ty {
            fn decode($r: &mut Reader) -> Result<Self, DecodeError> {
                $get
            }
        }
    };
}

built_in!(i32, Shape::Int, 4, |v, w| w.put_i32(*v), |r| r.get_i32());
built_in!(i64, Shape::Long, 8, |v, w| w.put_i64(*v), |r| r.get_i64());
built_in!(f64, Shape::Double, 8, |v, w| w.put_f64(*v), |r| r.get_f64());
built_in!([u8; 16], Shape::Int128, 16, |v, w| w.put_raw(v), |r| r
    .get_array());
built_in!([u8; 32], Shape::Int256, 32, |v, w| w.put_raw(v), |r| r
    .get_array());
built_in!(
    String,
    Shape::String,
    4,
    |v, w| w.put_bytes(v.as_bytes()),
    |r| r.get_string()
);
built_in!(Bytes, Shape::Bytes, 4, |v, w| w.put_bytes(v), |r| r
    .get_bytes());
built_in!(
    bool,
    Shape::Bool,
    4,
    |v, w| w.put_u32(if *v { TRUE } else { FALSE }),
    |r| r.get_bool()
);

impl<T: Shaped> Shaped for Vec<T> {
    const SCHEMA: SchemaId = T::SCHEMA;
    const SHAPE: Shape = Shape::Vector(&T::SHAPE);
    const MIN_SIZE: usize = 8;
}

impl<T: Encode> Encode for Vec<T> {
    fn encode(&self, w: &mut Writer) {
        w.put_u32(VECTOR);
        w.put_u32(self.len() as u32);
        for value in self {
            value.encode(w);
        }
    }
}

impl<T: Decode> Decode for Vec<T> {
    fn decode(r: &mut Reader) -> Result<Self, DecodeError> {
        r.elements(true)
    }
}

impl<T: Shaped> Shaped for Box<T> {
    const SCHEMA: SchemaId = T::SCHEMA;
    const SHAPE: Shape = T::SHAPE;
    const MIN_SIZE: usize = T::MIN_SIZE;
}

impl<T: Encode> Encode for Box<T> {
    fn encode(&self, w: &mut Writer) {
        (**self).encode(w);
    }
}

impl<T: Decode> Decode for Box<T> {
    fn decode(r: &mut Reader) -> Result<Self, DecodeError> {
        r.boxed()
    }
}

//! Writing TL.

use bytes::Bytes;

use crate::codec::Encode;
use crate::tables::LAYER;

/// Room for most calls and service messages, so that writing them allocates once.
const TYPICAL: usize = 256;

/// Collects encoded values. Infallible: every value of the Rust types has an encoding.
#[derive(Debug)]
pub struct Writer {
    buffer: Vec<u8>,
    layer: i32,
}

impl Default for Writer {
    fn default() -> Self {
        Writer::new()
    }
}

impl Writer {
    /// Writes the current layer, [`LAYER`].
    pub fn new() -> Self {
        Writer::for_layer(LAYER)
    }

    /// Writes constructors as `layer` has them. Layers below 227 are written as 227.
    pub fn for_layer(layer: i32) -> Self {
        Writer {
            buffer: Vec::with_capacity(TYPICAL),
            layer,
        }
    }

    /// With room for `bytes` bytes.
    pub fn with_capacity(bytes: usize) -> Self {
        Writer {
            buffer: Vec::with_capacity(bytes),
            layer: LAYER,
        }
    }

    /// The layer written.
    pub fn layer(&self) -> i32 {
        self.layer
    }

    /// Bytes written so far.
    pub fn len(&self) -> usize {
        self.buffer.len()
    }

    /// Whether nothing was written yet.
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    /// What was written so far.
    pub fn as_slice(&self) -> &[u8] {
        &self.buffer
    }

    /// `#`, or a constructor id.
    pub fn put_u32(&mut self, value: u32) {
        self.buffer.extend_from_slice(&value.to_le_bytes());
    }

    /// `int`.
    pub fn put_i32(&mut self, value: i32) {
        self.buffer.extend_from_slice(&value.to_le_bytes());
    }

    /// `long`.
    pub fn put_i64(&mut self, value: i64) {
        self.buffer.extend_from_slice(&value.to_le_bytes());
    }

    /// `double`.
    pub fn put_f64(&mut self, value: f64) {
        self.buffer.extend_from_slice(&value.to_le_bytes());
    }

    /// Bytes as they are: `int128`, `int256`, an encoded object.
    pub fn put_raw(&mut self, value: &[u8]) {
        self.buffer.extend_from_slice(value);
    }

    /// `string` or `bytes`: length, content, padding to a multiple of four.
    ///
    /// Lengths below 254 take one byte, below 2^24 four, longer ones eight
    /// (<https://core.telegram.org/mtproto/serialize>; the last form is TDLib's).
    pub fn put_bytes(&mut self, value: &[u8]) {
        let len = value.len();
        self.buffer.reserve(len + 12);
        let head = if len < 254 {
            self.buffer.push(len as u8);
            1
        } else if len < 1 << 24 {
            self.put_u32(0xfe | (len as u32) << 8);
            4
        } else {
            self.buffer
                .extend_from_slice(&(0xff | (len as u64) << 8).to_le_bytes());
            8
        };
        self.buffer.extend_from_slice(value);
        let padding = (4 - (head + len) % 4) % 4;
        self.buffer.extend_from_slice(&[0; 3][..padding]);
    }

    /// The value if there is one. Its flag is written elsewhere.
    pub fn optional<T: Encode>(&mut self, value: &Option<T>) {
        if let Some(value) = value {
            value.encode(self);
        }
    }

    /// A vector without its id, as `future_salts` has one.
    pub fn bare_vector<T: Encode>(&mut self, values: &[T]) {
        self.put_u32(values.len() as u32);
        for value in values {
            value.encode(self);
        }
    }

    /// A bare value behind a constructor id.
    pub fn object(&mut self, id: u32, bare: &dyn Encode) {
        self.put_u32(id);
        bare.encode(self);
    }

    /// What was written.
    pub fn into_bytes(self) -> Bytes {
        self.buffer.into()
    }

    /// What was written.
    pub fn into_vec(self) -> Vec<u8> {
        self.buffer
    }
}

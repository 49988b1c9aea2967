//! Reading TL from an owned buffer.

use bytes::Bytes;

use crate::codec::{Decode, FALSE, TRUE, VECTOR};
use crate::error::{DecodeError, DecodeErrorKind};

/// Boxed objects inside each other that a reader follows before it gives up. Telegram's own
/// objects nest some twenty deep.
pub const MAX_DEPTH: u32 = 64;

/// A `bytes` field below this size is always copied.
const SHARE_FROM: usize = 4096;

/// A position in a buffer. Every `get_` checks that the buffer holds what it promises.
#[derive(Debug)]
pub struct Reader {
    buffer: Bytes,
    position: usize,
    depth: u32,
}

impl Reader {
    /// Starts at the beginning of `buffer`.
    pub fn new(buffer: Bytes) -> Self {
        Reader {
            buffer,
            position: 0,
            depth: 0,
        }
    }

    /// Bytes not read yet.
    pub fn remaining(&self) -> usize {
        self.buffer.len() - self.position
    }

    /// Bytes read.
    pub fn position(&self) -> usize {
        self.position
    }

    /// The next four bytes as an id, without reading them; `None` if there are fewer.
    pub fn peek_u32(&self) -> Option<u32> {
        let head = self.buffer.get(self.position..)?.first_chunk::<4>()?;
        Some(u32::from_le_bytes(*head))
    }

    /// Everything not read yet, as a slice of the buffer.
    pub fn rest(&mut self) -> Bytes {
        let rest = self.buffer.slice(self.position..);
        self.position = self.buffer.len();
        rest
    }

    /// An error at the current position.
    #[cold]
    pub fn error(&self, kind: DecodeErrorKind) -> DecodeError {
        DecodeError::new(kind, self.position)
    }

    /// The error for a constructor id that does not belong here; the id was just read.
    #[cold]
    pub fn unexpected(&self, id: u32, expected: &'static str) -> DecodeError {
        let offset = self.position.saturating_sub(4);
        DecodeError::new(DecodeErrorKind::UnknownConstructor { id, expected }, offset)
    }

    #[cold]
    fn short(&self, needed: u64) -> DecodeError {
        self.error(DecodeErrorKind::UnexpectedEnd {
            needed,
            remaining: self.remaining(),
        })
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        match self
            .buffer
            .get(self.position..)
            .and_then(|rest| rest.first_chunk::<N>())
        {
            Some(chunk) => {
                self.position += N;
                Ok(*chunk)
            }
            None => Err(self.short(N as u64)),
        }
    }

    /// `#`, or a constructor id.
    ///
    /// # Errors
    /// Fewer than four bytes are left.
    pub fn get_u32(&mut self) -> Result<u32, DecodeError> {
        Ok(u32::from_le_bytes(self.take()?))
    }

    /// `int`.
    ///
    /// # Errors
    /// Fewer than four bytes are left.
    pub fn get_i32(&mut self) -> Result<i32, DecodeError> {
        Ok(i32::from_le_bytes(self.take()?))
    }

    /// `long`.
    ///
    /// # Errors
    /// Fewer than eight bytes are left.
    pub fn get_i64(&mut self) -> Result<i64, DecodeError> {
        Ok(i64::from_le_bytes(self.take()?))
    }

    /// `double`.
    ///
    /// # Errors
    /// Fewer than eight bytes are left.
    pub fn get_f64(&mut self) -> Result<f64, DecodeError> {
        Ok(f64::from_le_bytes(self.take()?))
    }

    /// `int128` or `int256`.
    ///
    /// # Errors
    /// Fewer than `N` bytes are left.
    pub fn get_array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        self.take()
    }

    /// Boxed `Bool`.
    ///
    /// # Errors
    /// Fewer than four bytes are left, or they are neither of the two ids.
    pub fn get_bool(&mut self) -> Result<bool, DecodeError> {
        match self.get_u32()? {
            TRUE => Ok(true),
            FALSE => Ok(false),
            id => Err(self.unexpected(id, "Bool")),
        }
    }

    /// `bytes`: a slice of the buffer if it is at least 4 KiB and a quarter of it, else a copy.
    ///
    /// # Errors
    /// The length points past the end.
    pub fn get_bytes(&mut self) -> Result<Bytes, DecodeError> {
        let (start, len) = self.string_bounds()?;
        if len >= SHARE_FROM && len >= self.buffer.len() / 4 {
            return Ok(self.buffer.slice(start..start + len));
        }
        Ok(Bytes::copy_from_slice(&self.buffer[start..start + len]))
    }

    /// `string`.
    ///
    /// # Errors
    /// As [`Reader::get_bytes`], and text that is not UTF-8.
    pub fn get_string(&mut self) -> Result<String, DecodeError> {
        let before = self.position;
        let (start, len) = self.string_bounds()?;
        match std::str::from_utf8(&self.buffer[start..start + len]) {
            Ok(text) => Ok(text.to_owned()),
            Err(e) => {
                self.position = before;
                let at = start + e.valid_up_to();
                Err(DecodeError::new(DecodeErrorKind::InvalidUtf8, at))
            }
        }
    }

    /// Reads a length and skips content and padding; gives where the content is.
    fn string_bounds(&mut self) -> Result<(usize, usize), DecodeError> {
        let rest = &self.buffer[self.position..];
        let Some(first) = rest.first() else {
            return Err(self.short(4));
        };
        let (head, len) = match *first {
            0xff => match rest.first_chunk::<8>() {
                Some(chunk) => (8, u64::from_le_bytes(*chunk) >> 8),
                None => return Err(self.short(8)),
            },
            0xfe => match rest.first_chunk::<4>() {
                Some(chunk) => (4, u64::from(u32::from_le_bytes(*chunk) >> 8)),
                None => return Err(self.short(4)),
            },
            short => (1, u64::from(short)),
        };
        // Fits: a length is below 2^56.
        let whole = (head + len).next_multiple_of(4);
        if whole > rest.len() as u64 {
            return Err(self.short(whole));
        }
        let start = self.position + head as usize;
        self.position += whole as usize;
        Ok((start, len as usize))
    }

    /// The count of a vector whose elements take at least `min_size` bytes each. `boxed`: the id of
    /// `vector` comes first.
    ///
    /// # Errors
    /// Another id, or a count the rest of the input cannot hold.
    pub fn vector_len(&mut self, boxed: bool, min_size: usize) -> Result<usize, DecodeError> {
        if boxed {
            let id = self.get_u32()?;
            if id != VECTOR {
                return Err(self.unexpected(id, "Vector"));
            }
        }
        let count = self.get_u32()?;
        let possible = self.remaining() / min_size.max(1);
        if count as usize > possible {
            let at = self.position - 4;
            return Err(DecodeError::new(
                DecodeErrorKind::VectorTooLong { count, possible },
                at,
            ));
        }
        Ok(count as usize)
    }

    /// The elements of a vector. Reserves no more memory than the rest of the input takes.
    pub(crate) fn elements<T: Decode>(&mut self, boxed: bool) -> Result<Vec<T>, DecodeError> {
        let count = self.vector_len(boxed, T::MIN_SIZE)?;
        let affordable = self.remaining() / std::mem::size_of::<T>().max(1);
        let mut out = Vec::with_capacity(count.min(affordable));
        for _ in 0..count {
            out.push(T::decode(self)?);
        }
        Ok(out)
    }

    /// A value that is there if its flag is set.
    ///
    /// # Errors
    /// As the value.
    pub fn optional<T: Decode>(&mut self, flag: bool) -> Result<Option<T>, DecodeError> {
        if flag {
            Ok(Some(T::decode(self)?))
        } else {
            Ok(None)
        }
    }

    /// A value in a box.
    ///
    /// # Errors
    /// As the value.
    pub fn boxed<T: Decode>(&mut self) -> Result<Box<T>, DecodeError> {
        Ok(Box::new(T::decode(self)?))
    }

    /// Enters a boxed object: one level deeper, and its id. [`Reader::end`] leaves it.
    ///
    /// # Errors
    /// More than [`MAX_DEPTH`] levels, or fewer than four bytes are left.
    pub fn begin(&mut self) -> Result<u32, DecodeError> {
        if self.depth >= MAX_DEPTH {
            return Err(self.error(DecodeErrorKind::TooDeep));
        }
        let id = self.get_u32()?;
        self.depth += 1;
        Ok(id)
    }

    /// Leaves a boxed object.
    pub fn end(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }
}

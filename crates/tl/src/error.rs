//! What can be wrong with encoded bytes.

use std::fmt;

/// Bytes that are not the value they should be: what is wrong, where, and in which field.
#[derive(Clone, Debug)]
pub struct DecodeError {
    inner: Box<Inner>,
}

#[derive(Clone, Debug)]
struct Inner {
    kind: DecodeErrorKind,
    offset: usize,
    path: String,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeErrorKind {
    /// A value needs more bytes than there are.
    #[error("expected {needed} more bytes, only {remaining} are left")]
    UnexpectedEnd {
        /// Bytes the value takes.
        needed: u64,
        /// Bytes there are.
        remaining: usize,
    },
    /// An id that is no constructor of the expected type in any layer known here.
    #[error(
        "expected a constructor of {expected}, found id {id:#010x}; the peer may speak a newer layer"
    )]
    UnknownConstructor {
        /// The id found.
        id: u32,
        /// The type or method expected.
        expected: &'static str,
    },
    /// A vector that claims more elements than the rest of the input could hold.
    #[error("a vector claims {count} elements, the rest of the input holds at most {possible}")]
    VectorTooLong {
        /// Elements claimed.
        count: u32,
        /// Elements that would fit.
        possible: usize,
    },
    /// Objects inside each other beyond [`MAX_DEPTH`](crate::MAX_DEPTH).
    #[error("objects are nested deeper than 64 levels")]
    TooDeep,
    /// A string that is not UTF-8.
    #[error("a string is not valid UTF-8")]
    InvalidUtf8,
    /// Bytes after the end of the value.
    #[error("{count} bytes follow the end of the value")]
    TrailingBytes {
        /// How many.
        count: usize,
    },
}

impl DecodeError {
    #[cold]
    pub(crate) fn new(kind: DecodeErrorKind, offset: usize) -> Self {
        DecodeError {
            inner: Box::new(Inner {
                kind,
                offset,
                path: String::new(),
            }),
        }
    }

    pub(crate) fn with_path(mut self, path: String) -> Self {
        self.inner.path = path;
        self
    }

    /// What is wrong.
    pub fn kind(&self) -> &DecodeErrorKind {
        &self.inner.kind
    }

    /// Where, in bytes from the beginning of the input.
    pub fn offset(&self) -> usize {
        self.inner.offset
    }

    /// In which field, as `updates.updates[3].message`; empty if the input was read piecemeal
    /// through a [`Reader`](crate::Reader).
    pub fn path(&self) -> &str {
        &self.inner.path
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot decode at byte {}", self.inner.offset)?;
        if !self.inner.path.is_empty() {
            write!(f, " ({})", self.inner.path)?;
        }
        write!(f, ": {}", self.inner.kind)
    }
}

impl std::error::Error for DecodeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.inner.kind)
    }
}

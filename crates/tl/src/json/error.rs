//! What can be wrong with JSON.

use crate::error::DecodeError;

/// JSON that is not the value it should be. `path` names the place, as `reply_markup.rows[0]`;
/// `hint` is empty or reads ` (did you mean …?)`.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JsonError {
    /// No such method.
    #[error("there is no method `{name}`{hint}")]
    UnknownMethod {
        /// The name given.
        name: String,
        /// The nearest one.
        hint: String,
    },
    /// No such boxed type.
    #[error("there is no type `{name}`{hint}")]
    UnknownType {
        /// The name given.
        name: String,
        /// The nearest one.
        hint: String,
    },
    /// `_` names no constructor of the expected type.
    #[error("{path}: `{name}` is no constructor of {expected}{hint}")]
    UnknownConstructor {
        /// Where.
        path: String,
        /// The name given.
        name: String,
        /// The type expected.
        expected: String,
        /// The nearest one.
        hint: String,
    },
    /// An object without `_` where the type has several constructors.
    #[error("{path}: expected `_` to name a constructor of {expected}, as {example:?}")]
    MissingConstructor {
        /// Where.
        path: String,
        /// The type expected.
        expected: String,
        /// One of its constructors.
        example: String,
    },
    /// A field the constructor or method does not have.
    #[error("{path}: `{object}` has no field `{name}`{hint}")]
    UnknownField {
        /// Where.
        path: String,
        /// Constructor or method.
        object: String,
        /// The name given.
        name: String,
        /// The nearest one.
        hint: String,
    },
    /// A field that may not be left out.
    #[error("{path}: `{object}` needs the field `{name}` ({expected})")]
    MissingField {
        /// Where.
        path: String,
        /// Constructor or method.
        object: String,
        /// The field.
        name: String,
        /// Its type.
        expected: String,
    },
    /// Fields that travel together, of which only some were given.
    #[error("{path}: `{object}` needs all of {fields} or none of them: they share a flag")]
    SharedFlag {
        /// Where.
        path: String,
        /// Constructor or method.
        object: String,
        /// Their names.
        fields: String,
    },
    /// A value of another type, or a number out of range.
    #[error("{path}: expected {expected}, found {found}")]
    WrongType {
        /// Where.
        path: String,
        /// The type expected.
        expected: String,
        /// What came.
        found: String,
    },
    /// Objects inside each other beyond what a reader follows.
    #[error("{path}: objects are nested deeper than 64 levels")]
    TooDeep {
        /// Where.
        path: String,
    },
    /// Bytes that are not the value they should be.
    #[error(transparent)]
    Decode(#[from] DecodeError),
}

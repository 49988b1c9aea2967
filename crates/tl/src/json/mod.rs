//! JSON by the tables: any value of the API, and calls by name.
//!
//! * A boxed value is an object whose `_` names the constructor; `_` may be left out where the type
//!   has only one.
//! * Fields are in snake case. Optional ones that are absent, and a false `true` flag, are left
//!   out; `null` reads as absent. Flag words are computed and do not appear.
//! * `long` is written as a string, so that no reader rounds it beyond 2⁵³, and read from a string
//!   or a number. `int` is a number, and read from either.
//! * `bytes`, `int128` and `int256` are base64.
//! * A `double` that JSON has no number for is one of the strings `Infinity`, `-Infinity`,
//!   `NaN(bits)`.
//! * The query inside a wrapper is an object whose `_` names the method.
//!
//! ```
//! use actogram_tl::json;
//! use serde_json::json;
//!
//! let call = json!({"peer": {"_": "inputPeerSelf"}, "message": "hi", "random_id": "9007199254740993"});
//! let body = json::encode_call("messages.sendMessage", &call)?;
//! assert_eq!(json::decode_call(body)?["random_id"], "9007199254740993");
//!
//! let error = json::encode_call("messages.sendMesage", &call).unwrap_err();
//! assert!(error.to_string().contains("did you mean `messages.sendMessage`?"));
//! # Ok::<(), json::JsonError>(())
//! ```

mod decode;
mod encode;
mod error;
mod suggest;

use bytes::Bytes;
use serde_json::Value;

use crate::tables::{Schema, Shape};

pub use error::JsonError;

/// A call as the bytes of a method.
///
/// `method` may be written as `messages.sendMessage` or `messages.send_message`; `arguments` is an
/// object with its fields (`null` for none).
///
/// # Errors
/// An unknown method, a field that is missing, unknown or of another type; with the nearest name.
pub fn encode_call(method: &str, arguments: &Value) -> Result<Bytes, JsonError> {
    encode::call(method, arguments)
}

/// A method's bytes as JSON: its fields, and its name under `_`.
///
/// # Errors
/// The bytes are no method of the current layer.
pub fn decode_call(body: Bytes) -> Result<Value, JsonError> {
    decode::call(body, 0)
}

/// The answer to a method as JSON. The answer of a wrapper, whose type the inner query decides, is
/// base64: name the inner method instead.
///
/// # Errors
/// An unknown method, or bytes that are not its answer.
pub fn decode_response(method: &str, body: Bytes) -> Result<Value, JsonError> {
    let s = crate::tables::api();
    let function = s
        .function_by_name(method)
        .ok_or_else(|| suggest::method(s, method))?;
    decode::value(s, function.response, body)
}

/// The answer to a method from JSON: what a server or a test needs.
///
/// # Errors
/// An unknown method, or a value that is not its answer.
pub fn encode_response(method: &str, value: &Value) -> Result<Bytes, JsonError> {
    let s = crate::tables::api();
    let function = s
        .function_by_name(method)
        .ok_or_else(|| suggest::method(s, method))?;
    encode::value(s, function.response, value)
}

/// A value of a boxed type of the API, as `InputPeer`, from JSON.
///
/// # Errors
/// An unknown type, or a value that is not of it.
pub fn encode(type_name: &str, value: &Value) -> Result<Bytes, JsonError> {
    encode_in(crate::tables::api(), type_name, value)
}

/// A value of a boxed type of the API, as `InputPeer`, to JSON.
///
/// # Errors
/// An unknown type, or bytes that are not of it.
pub fn decode(type_name: &str, body: Bytes) -> Result<Value, JsonError> {
    decode_in(crate::tables::api(), type_name, body)
}

/// [`encode`] for another schema.
///
/// # Errors
/// As [`encode`].
pub fn encode_in(schema: &Schema, type_name: &str, value: &Value) -> Result<Bytes, JsonError> {
    encode::value(schema, boxed(schema, type_name)?, value)
}

/// [`decode`] for another schema.
///
/// # Errors
/// As [`decode`].
pub fn decode_in(schema: &Schema, type_name: &str, body: Bytes) -> Result<Value, JsonError> {
    decode::value(schema, boxed(schema, type_name)?, body)
}

fn boxed(schema: &Schema, name: &str) -> Result<Shape, JsonError> {
    match schema.types.binary_search_by_key(&name, |t| t.name) {
        Ok(i) => Ok(Shape::Boxed(i as u16)),
        Err(_) => Err(JsonError::UnknownType {
            name: name.to_owned(),
            hint: suggest::hint(name, schema.types.iter().map(|t| t.name)),
        }),
    }
}

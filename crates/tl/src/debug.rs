//! `Debug` of all types: encode, then print by the tables.

use std::fmt::{self, Write as _};

use bytes::Bytes;

use crate::codec::Encode;
use crate::reader::Reader;
use crate::tables::{SchemaId, Shape};
use crate::walk::{Visitor, walk};
use crate::writer::Writer;

/// Fields whose values stay out of logs, whatever type holds them.
const SECRET: &[&str] = &[
    "access_hash",
    "api_hash",
    "auth_key",
    "bot_auth_token",
    "code",
    "device_token",
    "email_code",
    "first_salt",
    "future_auth_token",
    "m1",
    "new_nonce",
    "new_password_hash",
    "new_server_salt",
    "password",
    "phone_code",
    "phone_code_hash",
    "phone_number",
    "phone",
    "recovery_code",
    "salt",
    "secret",
    "secure_secret",
    "server_salt",
    "srp_b",
    "token",
    "web_auth_token",
];

/// Prints a value as `name { field: value, … }`. Byte strings print their length only, secrets
/// not at all.
pub(crate) fn fmt(
    value: &dyn Encode,
    schema: SchemaId,
    shape: Shape,
    f: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    let mut w = Writer::new();
    value.encode(&mut w);
    let mut printer = Printer {
        out: String::new(),
        first: true,
        hide: Vec::new(),
    };
    match walk(
        &mut Reader::new(w.into_bytes()),
        schema.tables(),
        shape,
        &mut printer,
    ) {
        Ok(()) => f.write_str(&printer.out),
        // Only nesting beyond what can be decoded leads here.
        Err(e) => write!(f, "{} … ({})", printer.out, e.kind()),
    }
}

struct Printer {
    out: String,
    first: bool,
    hide: Vec<bool>,
}

impl Printer {
    fn put(&mut self, value: fmt::Arguments<'_>) {
        // Writing into a String does not fail.
        let _ = match self.hide.last() {
            Some(true) => self.out.write_str("<hidden>"),
            _ => self.out.write_fmt(value),
        };
    }
}

impl Visitor for Printer {
    fn int(&mut self, value: i32) {
        self.put(format_args!("{value}"));
    }
    fn long(&mut self, value: i64) {
        self.put(format_args!("{value}"));
    }
    fn double(&mut self, value: f64) {
        self.put(format_args!("{value:?}"));
    }
    fn bits(&mut self, value: &[u8]) {
        self.put(format_args!("<{} bytes>", value.len()));
    }
    fn string(&mut self, value: String) {
        self.put(format_args!("{value:?}"));
    }
    fn bytes(&mut self, value: Bytes) {
        self.put(format_args!("<{} bytes>", value.len()));
    }
    fn bool(&mut self, value: bool) {
        self.put(format_args!("{value}"));
    }
    fn raw(&mut self, value: Bytes) {
        self.put(format_args!("<{} bytes>", value.len()));
    }
    fn object(&mut self, name: &'static str) {
        self.out.push_str(name);
        self.first = true;
    }
    fn field(&mut self, name: &'static str) {
        if self.first {
            self.out.push_str(" { ");
            self.first = false;
        } else {
            self.out.push_str(", ");
        }
        self.out.push_str(name);
        self.out.push_str(": ");
        self.hide.push(SECRET.contains(&name));
    }
    fn end_field(&mut self) {
        self.hide.pop();
        self.first = false;
    }
    fn end_object(&mut self) {
        if !self.first {
            self.out.push_str(" }");
        }
        self.first = false;
    }
    fn vector(&mut self) {
        self.out.push('[');
        self.first = true;
    }
    fn element(&mut self, _: usize) {
        if !self.first {
            self.out.push_str(", ");
        }
        self.hide.push(self.hide.last().copied().unwrap_or(false));
    }
    fn end_element(&mut self) {
        self.hide.pop();
        self.first = false;
    }
    fn end_vector(&mut self) {
        self.out.push(']');
        self.first = false;
    }
}

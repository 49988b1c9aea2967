//! Bytes to JSON.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Map, Number, Value};

use super::JsonError;
use crate::error::DecodeErrorKind;
use crate::reader::Reader;
use crate::tables::{Schema, Shape, api};
use crate::walk::{Visitor, locate, walk};

/// Wrappers inside each other that are opened; what lies deeper stays base64.
const MAX_WRAPPERS: u32 = 16;

pub(super) fn value(s: &Schema, shape: Shape, body: Bytes) -> Result<Value, JsonError> {
    read(s, shape, body, MAX_WRAPPERS)
}

pub(super) fn call(body: Bytes, wrappers: u32) -> Result<Value, JsonError> {
    let s = api();
    let r = Reader::new(body.clone());
    let id = r.peek_u32().unwrap_or_default();
    let position = s.functions.iter().position(|f| f.id == id);
    match position {
        Some(i) => read(s, Shape::Function(i as u16), body, wrappers),
        None => {
            let mut r = r;
            let error = r
                .get_u32()
                .map_or_else(|e| e, |id| r.unexpected(id, "a method"));
            Err(error.into())
        }
    }
}

fn read(s: &Schema, shape: Shape, body: Bytes, wrappers: u32) -> Result<Value, JsonError> {
    let mut r = Reader::new(body.clone());
    let mut builder = Builder {
        frames: Vec::new(),
        done: Value::Null,
        wrappers,
    };
    let result = walk(&mut r, s, shape, &mut builder).and_then(|()| match r.remaining() {
        0 => Ok(()),
        count => Err(r.error(DecodeErrorKind::TrailingBytes { count })),
    });
    match result {
        Ok(()) => Ok(builder.done),
        Err(e) => Err(locate(e, s, shape, body).into()),
    }
}

enum Frame {
    Object(Map<String, Value>, &'static str),
    Vector(Vec<Value>),
}

struct Builder {
    frames: Vec<Frame>,
    done: Value,
    wrappers: u32,
}

impl Builder {
    fn put(&mut self, value: Value) {
        match self.frames.last_mut() {
            Some(Frame::Object(map, field)) => {
                map.insert((*field).to_owned(), value);
            }
            Some(Frame::Vector(values)) => values.push(value),
            None => self.done = value,
        }
    }

    fn close(&mut self) {
        match self.frames.pop() {
            Some(Frame::Object(map, _)) => self.put(Value::Object(map)),
            Some(Frame::Vector(values)) => self.put(Value::Array(values)),
            None => {}
        }
    }
}

impl Visitor for Builder {
    fn int(&mut self, value: i32) {
        self.put(value.into());
    }
    fn long(&mut self, value: i64) {
        self.put(value.to_string().into());
    }
    fn double(&mut self, value: f64) {
        self.put(match Number::from_f64(value) {
            Some(number) => number.into(),
            None if value == f64::INFINITY => "Infinity".into(),
            None if value == f64::NEG_INFINITY => "-Infinity".into(),
            None => format!("NaN({:016x})", value.to_bits()).into(),
        });
    }
    fn bits(&mut self, value: &[u8]) {
        self.put(STANDARD.encode(value).into());
    }
    fn string(&mut self, value: String) {
        self.put(value.into());
    }
    fn bytes(&mut self, value: Bytes) {
        self.put(STANDARD.encode(value).into());
    }
    fn bool(&mut self, value: bool) {
        self.put(value.into());
    }
    fn raw(&mut self, value: Bytes) {
        let opened = match self.wrappers {
            n if n < MAX_WRAPPERS => call(value.clone(), n + 1).ok(),
            _ => None,
        };
        self.put(opened.unwrap_or_else(|| STANDARD.encode(value).into()));
    }
    fn object(&mut self, name: &'static str) {
        let mut map = Map::new();
        map.insert("_".to_owned(), name.into());
        self.frames.push(Frame::Object(map, ""));
    }
    fn field(&mut self, name: &'static str) {
        if let Some(Frame::Object(_, field)) = self.frames.last_mut() {
            *field = name;
        }
    }
    fn end_field(&mut self) {}
    fn end_object(&mut self) {
        self.close();
    }
    fn vector(&mut self) {
        self.frames.push(Frame::Vector(Vec::new()));
    }
    fn element(&mut self, _: usize) {}
    fn end_element(&mut self) {}
    fn end_vector(&mut self) {
        self.close();
    }
}

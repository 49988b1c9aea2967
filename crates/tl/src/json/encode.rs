//! JSON to bytes.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use serde_json::{Map, Value};

use super::{JsonError, suggest};
use crate::codec::{FALSE, TRUE, VECTOR};
use crate::reader::MAX_DEPTH;
use crate::tables::{FieldInfo, FunctionInfo, Schema, Shape, api};
use crate::writer::Writer;

/// Reads base64 with or without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

pub(super) fn value(s: &Schema, shape: Shape, value: &Value) -> Result<Bytes, JsonError> {
    let mut e = Encoder {
        w: Writer::new(),
        s,
        path: Vec::new(),
        depth: 0,
    };
    e.value(shape, value)?;
    Ok(e.w.into_bytes())
}

pub(super) fn call(method: &str, arguments: &Value) -> Result<Bytes, JsonError> {
    let s = api();
    let function = s
        .function_by_name(method)
        .ok_or_else(|| suggest::method(s, method))?;
    let mut e = Encoder {
        w: Writer::new(),
        s,
        path: Vec::new(),
        depth: 0,
    };
    e.function(function, arguments)?;
    Ok(e.w.into_bytes())
}

enum Segment {
    Field(&'static str),
    Element(usize),
}

struct Encoder<'a> {
    w: Writer,
    s: &'a Schema,
    path: Vec<Segment>,
    depth: u32,
}

impl Encoder<'_> {
    #[cold]
    fn place(&self) -> String {
        let mut out = String::new();
        for segment in &self.path {
            match segment {
                Segment::Field(name) if out.is_empty() => out.push_str(name),
                Segment::Field(name) => {
                    out.push('.');
                    out.push_str(name);
                }
                Segment::Element(i) => out.push_str(&format!("[{i}]")),
            }
        }
        if out.is_empty() {
            "the value".to_owned()
        } else {
            out
        }
    }

    #[cold]
    fn wrong(&self, expected: impl Into<String>, value: &Value) -> JsonError {
        let found = match value {
            Value::Null => "null".to_owned(),
            Value::Bool(b) => b.to_string(),
            Value::Number(n) => format!("the number {n}"),
            Value::String(s) => format!("a string of {} bytes", s.len()),
            Value::Array(a) => format!("an array of {}", a.len()),
            Value::Object(_) => "an object".to_owned(),
        };
        JsonError::WrongType {
            path: self.place(),
            expected: expected.into(),
            found,
        }
    }

    fn enter(&mut self) -> Result<(), JsonError> {
        if self.depth >= MAX_DEPTH {
            return Err(JsonError::TooDeep { path: self.place() });
        }
        self.depth += 1;
        Ok(())
    }

    fn value(&mut self, shape: Shape, value: &Value) -> Result<(), JsonError> {
        match shape {
            // Computed by the object it stands in.
            Shape::Flags | Shape::True => {}
            Shape::Int => {
                let number = integer(value).and_then(|n| i32::try_from(n).ok());
                let number = number.ok_or_else(|| self.wrong("an int (32 bits)", value))?;
                self.w.put_i32(number);
            }
            Shape::Long => {
                let number = integer(value)
                    .ok_or_else(|| self.wrong("a long (64 bits, a string or a number)", value))?;
                self.w.put_i64(number);
            }
            Shape::Double => {
                let number = double(value).ok_or_else(|| self.wrong("a double", value))?;
                self.w.put_f64(number);
            }
            Shape::Int128 => self.bits(16, value)?,
            Shape::Int256 => self.bits(32, value)?,
            Shape::String => match value {
                Value::String(text) => self.w.put_bytes(text.as_bytes()),
                other => return Err(self.wrong("a string", other)),
            },
            Shape::Bytes => {
                let bytes = self.base64(value)?;
                self.w.put_bytes(&bytes);
            }
            Shape::Bool => match value {
                Value::Bool(b) => self.w.put_u32(if *b { TRUE } else { FALSE }),
                other => return Err(self.wrong("true or false", other)),
            },
            Shape::Boxed(t) => self.boxed(t, value)?,
            Shape::Bare(i) => {
                let c = &self.s.constructors[usize::from(i)];
                self.object(c.name, c.fields, value)?;
            }
            Shape::Function(i) => {
                let f = &self.s.functions[usize::from(i)];
                self.function(f, value)?;
            }
            Shape::Vector(inner) => {
                self.w.put_u32(VECTOR);
                self.vector(*inner, value)?;
            }
            Shape::BareVector(inner) => self.vector(*inner, value)?,
            Shape::Raw => self.raw(value)?,
        }
        Ok(())
    }

    fn base64(&self, value: &Value) -> Result<Vec<u8>, JsonError> {
        value
            .as_str()
            .and_then(|text| BASE64.decode(text).ok())
            .ok_or_else(|| self.wrong("bytes as base64", value))
    }

    fn bits(&mut self, len: usize, value: &Value) -> Result<(), JsonError> {
        let bytes = self.base64(value)?;
        if bytes.len() != len {
            return Err(self.wrong(format!("{len} bytes as base64"), value));
        }
        self.w.put_raw(&bytes);
        Ok(())
    }

    fn vector(&mut self, inner: Shape, value: &Value) -> Result<(), JsonError> {
        let Value::Array(values) = value else {
            return Err(self.wrong("an array", value));
        };
        self.w.put_u32(values.len() as u32);
        for (i, v) in values.iter().enumerate() {
            self.path.push(Segment::Element(i));
            self.value(inner, v)?;
            self.path.pop();
        }
        Ok(())
    }

    fn boxed(&mut self, t: u16, value: &Value) -> Result<(), JsonError> {
        let ty = &self.s.types[usize::from(t)];
        let Value::Object(map) = value else {
            return Err(self.wrong(format!("an object ({})", ty.name), value));
        };
        let named = |i: &u16| &self.s.constructors[usize::from(*i)];
        let constructor = match (map.get("_").and_then(Value::as_str), ty.constructors) {
            (Some(name), all) => {
                all.iter()
                    .map(named)
                    .find(|c| c.name == name)
                    .ok_or_else(|| JsonError::UnknownConstructor {
                        path: self.place(),
                        name: name.to_owned(),
                        expected: ty.name.to_owned(),
                        hint: suggest::hint(name, all.iter().map(|i| named(i).name)),
                    })?
            }
            (None, [only]) => named(only),
            (None, all) => {
                return Err(JsonError::MissingConstructor {
                    path: self.place(),
                    expected: ty.name.to_owned(),
                    example: all.first().map_or("", |i| named(i).name).to_owned(),
                });
            }
        };
        self.enter()?;
        self.w.put_u32(constructor.id);
        self.object(constructor.name, constructor.fields, value)?;
        self.depth -= 1;
        Ok(())
    }

    fn function(&mut self, f: &'static FunctionInfo, value: &Value) -> Result<(), JsonError> {
        self.enter()?;
        self.w.put_u32(f.id);
        self.object(f.name, f.fields, value)?;
        self.depth -= 1;
        Ok(())
    }

    fn raw(&mut self, value: &Value) -> Result<(), JsonError> {
        match value.get("_").and_then(Value::as_str) {
            Some(method) => {
                let f = self
                    .s
                    .function_by_name(method)
                    .ok_or_else(|| suggest::method(self.s, method))?;
                self.function(f, value)
            }
            None if value.is_string() => {
                let bytes = self.base64(value)?;
                self.w.put_raw(&bytes);
                Ok(())
            }
            None => Err(self.wrong("a method: an object with its name under `_`", value)),
        }
    }

    fn object(
        &mut self,
        name: &'static str,
        fields: &'static [FieldInfo],
        value: &Value,
    ) -> Result<(), JsonError> {
        let empty = Map::new();
        let map = match value {
            Value::Object(map) => map,
            Value::Null if self.path.is_empty() => &empty,
            other => return Err(self.wrong(format!("an object ({name})"), other)),
        };
        for key in map.keys().filter(|k| *k != "_") {
            let known = |f: &&FieldInfo| f.shape != Shape::Flags;
            if !fields.iter().filter(known).any(|f| f.name == key) {
                return Err(JsonError::UnknownField {
                    path: self.place(),
                    object: name.to_owned(),
                    name: key.clone(),
                    hint: match fields.iter().any(|f| f.name == key) {
                        true => " (flags are computed: leave them out)".to_owned(),
                        false => suggest::hint(key, fields.iter().filter(known).map(|f| f.name)),
                    },
                });
            }
        }
        let words = self.flag_words(name, fields, map)?;
        let mut word = 0;
        for f in fields {
            if f.shape == Shape::Flags {
                self.w.put_u32(words[word]);
                word += 1;
                continue;
            }
            let given = map.get(f.name).filter(|v| !v.is_null());
            match (given, f.flag) {
                (Some(v), _) => {
                    self.path.push(Segment::Field(f.name));
                    self.value(f.shape, v)?;
                    self.path.pop();
                }
                (None, Some(_)) => {}
                (None, None) => {
                    return Err(JsonError::MissingField {
                        path: self.place(),
                        object: name.to_owned(),
                        name: f.name.to_owned(),
                        expected: self.s.shape_name(f.shape),
                    });
                }
            }
        }
        Ok(())
    }

    /// The flag words: a bit is set by any field that is there. Fields with values on one bit must
    /// all be there or none.
    fn flag_words(
        &self,
        name: &str,
        fields: &[FieldInfo],
        map: &Map<String, Value>,
    ) -> Result<Vec<u32>, JsonError> {
        let mut words = vec![0; fields.iter().filter(|f| f.shape == Shape::Flags).count()];
        for f in fields {
            let Some((word, bit)) = f.flag else { continue };
            let there = match (map.get(f.name), f.shape) {
                (None | Some(Value::Null), _) => false,
                (Some(Value::Bool(b)), Shape::True) => *b,
                (Some(other), Shape::True) => {
                    return Err(self.wrong(format!("true or false for {}", f.name), other));
                }
                (Some(_), _) => true,
            };
            if there {
                if let Some(word) = words.get_mut(usize::from(word)) {
                    *word |= 1 << bit;
                }
            }
        }
        for f in fields {
            let Some((word, bit)) = f.flag else { continue };
            let set = words
                .get(usize::from(word))
                .is_some_and(|w| w & (1 << bit) != 0);
            let there = map.get(f.name).is_some_and(|v| !v.is_null());
            if set && !there && f.shape != Shape::True {
                let partners: Vec<_> = fields
                    .iter()
                    .filter(|g| g.flag == f.flag)
                    .map(|g| format!("`{}`", g.name))
                    .collect();
                return Err(JsonError::SharedFlag {
                    path: self.place(),
                    object: name.to_owned(),
                    fields: partners.join(", "),
                });
            }
        }
        Ok(words)
    }
}

fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Number(n) => n.as_i64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

fn double(value: &Value) -> Option<f64> {
    match value {
        Value::Number(n) => n.as_f64(),
        Value::String(text) => match text.as_str() {
            "Infinity" => Some(f64::INFINITY),
            "-Infinity" => Some(f64::NEG_INFINITY),
            other => {
                let bits = other.strip_prefix("NaN(")?.strip_suffix(')')?;
                Some(f64::from_bits(u64::from_str_radix(bits, 16).ok()?)).filter(|f| f.is_nan())
            }
        },
        _ => None,
    }
}

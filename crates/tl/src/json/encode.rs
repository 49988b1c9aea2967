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
use crate::tables::{ConstructorInfo, FieldInfo, FunctionInfo, Schema, Shape, api};
use crate::writer::Writer;

/// Reads base64 with or without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Boxed, so that the frames of the recursion stay small.
type Refusal = Box<JsonError>;

pub(super) fn value(s: &Schema, shape: Shape, value: &Value) -> Result<Bytes, JsonError> {
    let mut e = Encoder {
        w: Writer::new(),
        s,
        path: Vec::new(),
        depth: 0,
    };
    e.value(shape, value).map_err(|e| *e)?;
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
    e.function(function, arguments).map_err(|e| *e)?;
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
    fn wrong(&self, expected: &str, value: &Value) -> Refusal {
        let found = match value {
            Value::Null => "null".to_owned(),
            Value::Bool(b) => b.to_string(),
            Value::Number(n) => format!("the number {n}"),
            Value::String(s) => format!("a string of {} bytes", s.len()),
            Value::Array(a) => format!("an array of {}", a.len()),
            Value::Object(_) => "an object".to_owned(),
        };
        let expected = expected.to_owned();
        Box::new(JsonError::WrongType {
            path: self.place(),
            expected,
            found,
        })
    }

    fn enter(&mut self) -> Result<(), Refusal> {
        if self.depth >= MAX_DEPTH {
            return Err(Box::new(JsonError::TooDeep { path: self.place() }));
        }
        self.depth += 1;
        Ok(())
    }

    fn value(&mut self, shape: Shape, value: &Value) -> Result<(), Refusal> {
        match shape {
            Shape::Boxed(t) => self.boxed(t, value),
            Shape::Bare(i) => {
                let c = &self.s.constructors[usize::from(i)];
                self.object(c.name, c.fields, value)
            }
            Shape::Function(i) => self.function(&self.s.functions[usize::from(i)], value),
            Shape::Vector(inner) => {
                self.w.put_u32(VECTOR);
                self.vector(*inner, value)
            }
            Shape::BareVector(inner) => self.vector(*inner, value),
            Shape::Raw => self.raw(value),
            scalar => self.scalar(scalar, value),
        }
    }

    fn scalar(&mut self, shape: Shape, value: &Value) -> Result<(), Refusal> {
        match shape {
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
            // Flags are computed by the object they stand in; the rest is not scalar.
            _ => {}
        }
        Ok(())
    }

    fn base64(&self, value: &Value) -> Result<Vec<u8>, Refusal> {
        value
            .as_str()
            .and_then(|text| BASE64.decode(text).ok())
            .ok_or_else(|| self.wrong("bytes as base64", value))
    }

    fn bits(&mut self, len: usize, value: &Value) -> Result<(), Refusal> {
        let bytes = self.base64(value)?;
        if bytes.len() != len {
            return Err(self.wrong(&format!("{len} bytes as base64"), value));
        }
        self.w.put_raw(&bytes);
        Ok(())
    }

    fn vector(&mut self, inner: Shape, value: &Value) -> Result<(), Refusal> {
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

    fn boxed(&mut self, t: u16, value: &Value) -> Result<(), Refusal> {
        let c = self.constructor(t, value)?;
        self.enter()?;
        self.w.put_u32(c.id);
        self.object(c.name, c.fields, value)?;
        self.depth -= 1;
        Ok(())
    }

    /// The constructor an object names, or the only one there is.
    fn constructor(&self, t: u16, value: &Value) -> Result<&'static ConstructorInfo, Refusal> {
        let ty = &self.s.types[usize::from(t)];
        let Value::Object(map) = value else {
            return Err(self.wrong(&format!("an object ({})", ty.name), value));
        };
        let all = || {
            ty.constructors
                .iter()
                .map(|i| &self.s.constructors[usize::from(*i)])
        };
        match (map.get("_").and_then(Value::as_str), ty.constructors) {
            (Some(name), _) => all().find(|c| c.name == name).ok_or_else(|| {
                Box::new(JsonError::UnknownConstructor {
                    path: self.place(),
                    name: name.to_owned(),
                    expected: ty.name.to_owned(),
                    hint: suggest::hint(name, all().map(|c| c.name)),
                })
            }),
            (None, [only]) => Ok(&self.s.constructors[usize::from(*only)]),
            (None, _) => Err(Box::new(JsonError::MissingConstructor {
                path: self.place(),
                expected: ty.name.to_owned(),
                example: all().next().map_or("", |c| c.name).to_owned(),
            })),
        }
    }

    fn function(&mut self, f: &'static FunctionInfo, value: &Value) -> Result<(), Refusal> {
        self.enter()?;
        self.w.put_u32(f.id);
        self.object(f.name, f.fields, value)?;
        self.depth -= 1;
        Ok(())
    }

    fn raw(&mut self, value: &Value) -> Result<(), Refusal> {
        let Some(method) = value.get("_").and_then(Value::as_str) else {
            return self.raw_bytes(value);
        };
        match self.s.function_by_name(method) {
            Some(f) => self.function(f, value),
            None => Err(Box::new(suggest::method(self.s, method))),
        }
    }

    fn raw_bytes(&mut self, value: &Value) -> Result<(), Refusal> {
        if !value.is_string() {
            return Err(self.wrong("a method: an object with its name under `_`", value));
        }
        let bytes = self.base64(value)?;
        self.w.put_raw(&bytes);
        Ok(())
    }

    fn object(
        &mut self,
        name: &'static str,
        fields: &'static [FieldInfo],
        value: &Value,
    ) -> Result<(), Refusal> {
        let map = match value {
            Value::Object(map) => Some(map),
            Value::Null if self.path.is_empty() => None,
            other => return Err(self.wrong(&format!("an object ({name})"), other)),
        };
        self.check_names(name, fields, map)?;
        let mut words = self.flag_words(name, fields, map)?.into_iter();
        for f in fields {
            if f.shape == Shape::Flags {
                self.w.put_u32(words.next().unwrap_or_default());
                continue;
            }
            match (given(map, f), f.flag) {
                (Some(v), _) => {
                    self.path.push(Segment::Field(f.name));
                    self.value(f.shape, v)?;
                    self.path.pop();
                }
                (None, Some(_)) => {}
                (None, None) => return Err(self.missing(name, f)),
            }
        }
        Ok(())
    }

    #[cold]
    fn missing(&self, object: &str, f: &FieldInfo) -> Refusal {
        Box::new(JsonError::MissingField {
            path: self.place(),
            object: object.to_owned(),
            name: f.name.to_owned(),
            expected: self.s.shape_name(f.shape),
        })
    }

    fn check_names(
        &self,
        name: &str,
        fields: &[FieldInfo],
        map: Option<&Map<String, Value>>,
    ) -> Result<(), Refusal> {
        for key in map.into_iter().flat_map(Map::keys).filter(|k| *k != "_") {
            let field = fields.iter().find(|f| f.name == key);
            if field.is_some_and(|f| f.shape != Shape::Flags) {
                continue;
            }
            let known = fields
                .iter()
                .filter(|f| f.shape != Shape::Flags)
                .map(|f| f.name);
            return Err(Box::new(JsonError::UnknownField {
                path: self.place(),
                object: name.to_owned(),
                name: key.clone(),
                hint: match field {
                    Some(_) => " (flags are computed: leave them out)".to_owned(),
                    None => suggest::hint(key, known),
                },
            }));
        }
        Ok(())
    }

    /// The flag words: a bit is set by any field that is there. Fields with values on one bit must
    /// all be there or none.
    fn flag_words(
        &self,
        name: &str,
        fields: &[FieldInfo],
        map: Option<&Map<String, Value>>,
    ) -> Result<Vec<u32>, Refusal> {
        let mut words = vec![0_u32; fields.iter().filter(|f| f.shape == Shape::Flags).count()];
        for f in fields {
            let Some((word, bit)) = f.flag else { continue };
            let there = match (given(map, f), f.shape) {
                (None, _) => false,
                (Some(Value::Bool(b)), Shape::True) => *b,
                (Some(other), Shape::True) => {
                    return Err(self.wrong(&format!("true or false for {}", f.name), other));
                }
                (Some(_), _) => true,
            };
            if there && let Some(word) = words.get_mut(usize::from(word)) {
                *word |= 1 << bit;
            }
        }
        for f in fields {
            let Some((word, bit)) = f.flag else { continue };
            let set = words
                .get(usize::from(word))
                .is_some_and(|w| w & (1 << bit) != 0);
            if set && f.shape != Shape::True && given(map, f).is_none() {
                let partners: Vec<_> = fields
                    .iter()
                    .filter(|g| g.flag == f.flag)
                    .map(|g| format!("`{}`", g.name))
                    .collect();
                return Err(Box::new(JsonError::SharedFlag {
                    path: self.place(),
                    object: name.to_owned(),
                    fields: partners.join(", "),
                }));
            }
        }
        Ok(words)
    }
}

/// The value of a field, if it is there and not `null`.
fn given<'a>(map: Option<&'a Map<String, Value>>, f: &FieldInfo) -> Option<&'a Value> {
    map?.get(f.name).filter(|v| !v.is_null())
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

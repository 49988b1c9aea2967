//! One walk over encoded bytes by the tables. JSON, `Debug` and error paths are its visitors.
//!
//! It reads through the same [`Reader`] as the generated decoders, so both stop at the same byte.

use bytes::Bytes;

use crate::error::{DecodeError, DecodeErrorKind};
use crate::reader::Reader;
use crate::tables::{FieldInfo, Schema, Shape};

/// What is told of a walk.
pub(crate) trait Visitor {
    fn int(&mut self, value: i32);
    fn long(&mut self, value: i64);
    fn double(&mut self, value: f64);
    fn bits(&mut self, value: &[u8]);
    fn string(&mut self, value: String);
    fn bytes(&mut self, value: Bytes);
    fn bool(&mut self, value: bool);
    fn raw(&mut self, value: Bytes);
    fn object(&mut self, name: &'static str);
    fn field(&mut self, name: &'static str);
    fn end_field(&mut self);
    fn end_object(&mut self);
    fn vector(&mut self);
    fn element(&mut self, index: usize);
    fn end_element(&mut self);
    fn end_vector(&mut self);
}

/// Walks one value.
pub(crate) fn walk(
    r: &mut Reader,
    s: &Schema,
    shape: Shape,
    v: &mut dyn Visitor,
) -> Result<(), DecodeError> {
    match shape {
        Shape::Flags => {
            r.get_u32()?;
        }
        Shape::Int => v.int(r.get_i32()?),
        Shape::Long => v.long(r.get_i64()?),
        Shape::Double => v.double(r.get_f64()?),
        Shape::Int128 => v.bits(&r.get_array::<16>()?),
        Shape::Int256 => v.bits(&r.get_array::<32>()?),
        Shape::String => v.string(r.get_string()?),
        Shape::Bytes => v.bytes(r.get_bytes()?),
        Shape::Bool => v.bool(r.get_bool()?),
        Shape::True => v.bool(true),
        Shape::Raw => v.raw(r.rest()),
        Shape::Boxed(t) => {
            let ty = &s.types[usize::from(t)];
            let id = r.begin()?;
            match s.constructor_by_id(id) {
                Some(c) if c.type_index == t => object(r, s, c.name, c.fields, v)?,
                _ => return Err(r.unexpected(id, ty.name)),
            }
            r.end();
        }
        Shape::Bare(i) => {
            let c = &s.constructors[usize::from(i)];
            object(r, s, c.name, c.fields, v)?;
        }
        Shape::Function(i) => {
            let f = &s.functions[usize::from(i)];
            let id = r.get_u32()?;
            if id != f.id {
                return Err(r.unexpected(id, f.name));
            }
            object(r, s, f.name, f.fields, v)?;
        }
        Shape::Vector(inner) => vector(r, s, true, *inner, v)?,
        Shape::BareVector(inner) => vector(r, s, false, *inner, v)?,
    }
    Ok(())
}

fn vector(
    r: &mut Reader,
    s: &Schema,
    boxed: bool,
    inner: Shape,
    v: &mut dyn Visitor,
) -> Result<(), DecodeError> {
    let count = r.vector_len(boxed, s.min_size(inner))?;
    v.vector();
    for i in 0..count {
        v.element(i);
        walk(r, s, inner, v)?;
        v.end_element();
    }
    v.end_vector();
    Ok(())
}

fn object(
    r: &mut Reader,
    s: &Schema,
    name: &'static str,
    fields: &'static [FieldInfo],
    v: &mut dyn Visitor,
) -> Result<(), DecodeError> {
    v.object(name);
    let mut words = Vec::new();
    for f in fields {
        if f.shape == Shape::Flags {
            v.field(f.name);
            words.push(r.get_u32()?);
            v.end_field();
            continue;
        }
        if let Some((word, bit)) = f.flag {
            let set = words
                .get(usize::from(word))
                .is_some_and(|w| w & (1 << bit) != 0);
            if !set {
                continue;
            }
        }
        v.field(f.name);
        walk(r, s, f.shape, v)?;
        v.end_field();
    }
    v.end_object();
    Ok(())
}

/// Adds to an error in which field it happened, by walking the same bytes again.
#[cold]
pub(crate) fn locate(error: DecodeError, s: &Schema, shape: Shape, bytes: Bytes) -> DecodeError {
    let mut place = Place {
        segments: Vec::new(),
    };
    let mut r = Reader::new(bytes);
    match walk(&mut r, s, shape, &mut place) {
        Err(again) if again.offset() == error.offset() => {
            let mut path = s.shape_name(shape);
            for segment in &place.segments {
                match segment {
                    Segment::Field(name) => {
                        path.push('.');
                        path.push_str(name);
                    }
                    Segment::Element(i) => path.push_str(&format!("[{i}]")),
                }
            }
            error.with_path(path)
        }
        _ if matches!(error.kind(), DecodeErrorKind::TrailingBytes { .. }) => {
            error.with_path(s.shape_name(shape))
        }
        _ => error,
    }
}

enum Segment {
    Field(&'static str),
    Element(usize),
}

/// Remembers where a walk is.
struct Place {
    segments: Vec<Segment>,
}

impl Visitor for Place {
    fn int(&mut self, _: i32) {}
    fn long(&mut self, _: i64) {}
    fn double(&mut self, _: f64) {}
    fn bits(&mut self, _: &[u8]) {}
    fn string(&mut self, _: String) {}
    fn bytes(&mut self, _: Bytes) {}
    fn bool(&mut self, _: bool) {}
    fn raw(&mut self, _: Bytes) {}
    fn object(&mut self, _: &'static str) {}
    fn end_object(&mut self) {}
    fn vector(&mut self) {}
    fn end_vector(&mut self) {}

    fn field(&mut self, name: &'static str) {
        self.segments.push(Segment::Field(name));
    }

    fn end_field(&mut self) {
        self.segments.pop();
    }

    fn element(&mut self, index: usize) {
        self.segments.push(Segment::Element(index));
    }

    fn end_element(&mut self) {
        self.segments.pop();
    }
}

/// The query inside a wrapper such as `invokeWithLayer`; `None` if the call is none.
pub(crate) fn inner_query(body: Bytes) -> Option<Bytes> {
    let mut r = Reader::new(body);
    let id = r.get_u32().ok()?;
    let s = crate::tables::api();
    let f = s.function_by_id(id)?;
    if f.fields.last()?.shape != Shape::Raw {
        return None;
    }
    let mut words = Vec::new();
    let mut nowhere = Place {
        segments: Vec::new(),
    };
    for field in f.fields {
        match (field.shape, field.flag) {
            (Shape::Flags, _) => words.push(r.get_u32().ok()?),
            (Shape::Raw, _) => return Some(r.rest()),
            (_, Some((word, bit))) if words.get(usize::from(word))? & (1 << bit) == 0 => {}
            (shape, _) => walk(&mut r, s, shape, &mut nowhere).ok()?,
        }
    }
    None
}

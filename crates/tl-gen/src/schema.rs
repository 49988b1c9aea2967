//! A whole schema with its names resolved: what the emitters work from.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::names::camel;
use crate::parse::{Definition, Field, FieldType, Name, Section, Type};

/// Payloads of enum variants above this estimated size (bytes) live in a `Box`, so that a vector
/// of small values costs little more memory than its bytes on the wire.
const INLINE_LIMIT: usize = 24;
const INLINE_FIELDS: usize = 4;

/// Where the Rust of a schema lives and how it reads strings.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Path of the module that holds `types`, `enums` and `functions`.
    pub prefix: &'static str,
    /// Name of the static that describes the schema.
    pub table: &'static str,
    /// `string` is binary here: it becomes `Bytes`, not `String`.
    pub binary_strings: bool,
    /// Where a reader finds the documentation of a name; `None` if only the schema page exists.
    pub documented: bool,
}

/// A definition of an older layer.
#[derive(Clone, Debug)]
pub struct Older {
    /// The definition as that layer had it.
    pub def: Definition,
    /// The last layer it was in use.
    pub until: i32,
    /// Index of the constructor or function it became, if it kept its name.
    pub now: Option<usize>,
}

/// A resolved schema.
#[derive(Debug)]
pub struct Schema {
    /// Where it goes.
    pub place: Place,
    /// Constructors sorted by name.
    pub constructors: Vec<Definition>,
    /// Methods sorted by name.
    pub functions: Vec<Definition>,
    /// Boxed types sorted by name, with the indices of their constructors.
    pub types: Vec<(Name, Vec<usize>)>,
    /// Constructors of older layers.
    pub older: Vec<Older>,
    /// Methods of older layers.
    pub older_functions: Vec<Older>,
    /// Last layer that did not know a name yet.
    pub absent: HashMap<String, i32>,
    type_index: HashMap<Name, usize>,
    constructor_index: HashMap<Name, usize>,
    boxed: BTreeSet<usize>,
}

impl Schema {
    /// Resolves names and decides which payloads are boxed.
    ///
    /// # Errors
    /// Names a definition that occurs twice or a type that nothing constructs.
    pub fn new(place: Place, defs: Vec<Definition>) -> Result<Schema, String> {
        let (mut constructors, mut functions): (Vec<_>, Vec<_>) =
            defs.into_iter().partition(|d| d.section == Section::Types);
        constructors.sort_by_key(|d| d.name.to_string());
        functions.sort_by_key(|d| d.name.to_string());
        for pair in constructors.windows(2).chain(functions.windows(2)) {
            if pair[0].name == pair[1].name {
                return Err(format!("{} is defined twice", pair[0].name));
            }
        }
        let mut types: BTreeMap<String, (Name, Vec<usize>)> = BTreeMap::new();
        let mut constructor_index = HashMap::new();
        for (i, d) in constructors.iter().enumerate() {
            let Type::Named(name) = &d.result else {
                return Err(format!("{}: expected a plain result type", d.name));
            };
            types
                .entry(name.to_string())
                .or_insert_with(|| (name.clone(), Vec::new()))
                .1
                .push(i);
            constructor_index.insert(d.name.clone(), i);
        }
        let types: Vec<_> = types.into_values().collect();
        let type_index = types
            .iter()
            .enumerate()
            .map(|(i, (n, _))| (n.clone(), i))
            .collect();
        let mut schema = Schema {
            place,
            constructors,
            functions,
            types,
            older: Vec::new(),
            older_functions: Vec::new(),
            absent: HashMap::new(),
            type_index,
            constructor_index,
            boxed: BTreeSet::new(),
        };
        schema.check()?;
        schema.choose_boxes();
        Ok(schema)
    }

    /// Adds what an older layer says otherwise. Call from the newest to the oldest.
    ///
    /// # Errors
    /// Names a definition whose result type the current layer does not have.
    pub fn add_layer(
        &mut self,
        layer: i32,
        defs: Vec<Definition>,
        absent: Vec<String>,
    ) -> Result<(), String> {
        for def in defs {
            let constructor = def.section == Section::Types;
            let (list, current) = if constructor {
                (&mut self.older, &self.constructors)
            } else {
                (&mut self.older_functions, &self.functions)
            };
            if list.iter().any(|o| o.def.id == def.id) {
                continue;
            }
            if let (true, Type::Named(name)) = (constructor, &def.result)
                && !self.type_index.contains_key(name)
            {
                return Err(format!("layer {layer}: {} is of an unknown type", def.name));
            }
            let now = current.iter().position(|d| d.name == def.name);
            list.push(Older {
                def,
                until: layer,
                now,
            });
        }
        for name in absent {
            let last = self.absent.entry(name).or_insert(layer);
            *last = layer.max(*last);
        }
        Ok(())
    }

    fn check(&self) -> Result<(), String> {
        for d in self.constructors.iter().chain(&self.functions) {
            for f in &d.fields {
                let FieldType::Value { condition, ty } = &f.ty else {
                    continue;
                };
                if let Some((word, _)) = condition {
                    let known = d
                        .fields
                        .iter()
                        .any(|g| g.name == *word && g.ty == FieldType::Flags);
                    if !known {
                        return Err(format!(
                            "{}: {} depends on the unknown word {word}",
                            d.name, f.name
                        ));
                    }
                }
                if condition.is_some() && matches!(ty, Type::BareVector(_)) {
                    return Err(format!("{}: {}: an optional bare vector", d.name, f.name));
                }
                self.check_type(ty)
                    .map_err(|e| format!("{}: {}: {e}", d.name, f.name))?;
            }
        }
        Ok(())
    }

    fn check_type(&self, ty: &Type) -> Result<(), String> {
        match ty {
            Type::Vector(t) | Type::BareVector(t) => self.check_type(t),
            Type::Query(_) => Ok(()),
            Type::Bare(n) => self
                .type_index
                .get(n)
                .map(|_| ())
                .ok_or_else(|| format!("no type {n}")),
            Type::Named(n) => match self.resolve(n) {
                Some(_) => Ok(()),
                None => Err(format!("neither a built-in, a type nor a constructor: {n}")),
            },
        }
    }

    /// What a plain name means.
    pub fn resolve(&self, name: &Name) -> Option<Meaning> {
        if name.namespace.is_none() {
            let built_in = match name.ident.as_str() {
                "int" => Some(Meaning::Int),
                "long" => Some(Meaning::Long),
                "double" => Some(Meaning::Double),
                "string" => Some(Meaning::String),
                "bytes" => Some(Meaning::Bytes),
                "int128" => Some(Meaning::Int128),
                "int256" => Some(Meaning::Int256),
                "Bool" => Some(Meaning::Bool),
                "true" => Some(Meaning::True),
                _ => None,
            };
            if built_in.is_some() {
                return built_in;
            }
        }
        if let Some(i) = self.type_index.get(name) {
            return Some(Meaning::Boxed(*i));
        }
        self.constructor_index.get(name).map(|i| Meaning::Bare(*i))
    }

    /// What a type means, vectors and queries apart.
    pub fn meaning(&self, ty: &Type) -> Meaning {
        match ty {
            Type::Vector(_) => Meaning::Vector,
            Type::BareVector(_) => Meaning::BareVector,
            Type::Query(_) => Meaning::Raw,
            Type::Bare(n) => match self.type_index.get(n).map(|i| self.types[*i].1.as_slice()) {
                Some([only]) => Meaning::Bare(*only),
                _ => Meaning::Raw,
            },
            Type::Named(n) => self.resolve(n).unwrap_or(Meaning::Raw),
        }
    }

    /// The Rust type of a value.
    pub fn rust_type(&self, ty: &Type) -> String {
        let p = self.place.prefix;
        match (self.meaning(ty), ty) {
            (_, Type::Vector(t) | Type::BareVector(t)) => format!("Vec<{}>", self.rust_type(t)),
            (Meaning::Int, _) => "i32".into(),
            (Meaning::Long, _) => "i64".into(),
            (Meaning::Double, _) => "f64".into(),
            (Meaning::String, _) if !self.place.binary_strings => "String".into(),
            (Meaning::String | Meaning::Bytes, _) => "Bytes".into(),
            (Meaning::Int128, _) => "[u8; 16]".into(),
            (Meaning::Int256, _) => "[u8; 32]".into(),
            (Meaning::Bool | Meaning::True, _) => "bool".into(),
            (Meaning::Boxed(i), _) => path(p, "enums", &self.types[i].0),
            (Meaning::Bare(i), _) => path(p, "types", &self.constructors[i].name),
            (Meaning::Raw, Type::Query(_)) => "crate::RawQuery".into(),
            (Meaning::Raw, _) => "crate::RawResponse".into(),
            (Meaning::Vector | Meaning::BareVector, _) => "()".into(),
        }
    }

    /// Path of a constructor's struct.
    pub fn struct_path(&self, constructor: usize) -> String {
        path(
            self.place.prefix,
            "types",
            &self.constructors[constructor].name,
        )
    }

    /// Path of a boxed type's enum.
    pub fn enum_path(&self, ty: usize) -> String {
        path(self.place.prefix, "enums", &self.types[ty].0)
    }

    /// Path of a method's struct.
    pub fn function_path(&self, function: usize) -> String {
        path(
            self.place.prefix,
            "functions",
            &self.functions[function].name,
        )
    }

    /// Whether the payload of a constructor's variant is boxed.
    pub fn is_boxed(&self, constructor: usize) -> bool {
        self.boxed.contains(&constructor)
    }

    /// Fewest bytes a bare value of these fields takes.
    pub fn min_size(&self, fields: &[Field]) -> usize {
        fields
            .iter()
            .map(|f| match &f.ty {
                FieldType::Flags => 4,
                FieldType::Value {
                    condition: Some(_), ..
                } => 0,
                FieldType::Value {
                    condition: None,
                    ty,
                } => match self.meaning(ty) {
                    Meaning::Long | Meaning::Double => 8,
                    Meaning::Int128 => 16,
                    Meaning::Int256 => 32,
                    Meaning::True | Meaning::Raw => 0,
                    Meaning::Bare(i) => self.min_size(&self.constructors[i].fields),
                    _ => 4,
                },
            })
            .sum()
    }

    fn choose_boxes(&mut self) {
        // A payload that reaches its own enum without passing a vector must be boxed; a big one
        // should be. Boxing on any cycle keeps every field free of `Box`.
        let reach: Vec<BTreeSet<usize>> = (0..self.types.len()).map(|t| self.direct(t)).collect();
        for t in 0..self.types.len() {
            for c in self.types[t].1.clone() {
                let mut seen = BTreeSet::new();
                let mut todo: Vec<usize> = self.direct_of(c).into_iter().collect();
                while let Some(next) = todo.pop() {
                    if seen.insert(next) {
                        todo.extend(&reach[next]);
                    }
                }
                if seen.contains(&t) {
                    self.boxed.insert(c);
                }
            }
        }
        let mut memo = HashMap::new();
        for c in 0..self.constructors.len() {
            let values = self.constructors[c]
                .fields
                .iter()
                .filter(|f| f.ty != FieldType::Flags);
            if values.count() > INLINE_FIELDS || self.struct_size(c, &mut memo) > INLINE_LIMIT {
                self.boxed.insert(c);
            }
        }
    }

    fn direct_of(&self, constructor: usize) -> BTreeSet<usize> {
        let mut out = BTreeSet::new();
        for f in &self.constructors[constructor].fields {
            if let FieldType::Value { ty, .. } = &f.ty {
                match self.meaning(ty) {
                    Meaning::Boxed(i) => {
                        out.insert(i);
                    }
                    Meaning::Bare(i) => out.extend(self.direct_of(i)),
                    _ => {}
                }
            }
        }
        out
    }

    fn direct(&self, ty: usize) -> BTreeSet<usize> {
        self.types[ty]
            .1
            .iter()
            .flat_map(|c| self.direct_of(*c))
            .collect()
    }

    fn struct_size(&self, c: usize, memo: &mut HashMap<usize, usize>) -> usize {
        self.constructors[c]
            .fields
            .iter()
            .map(|f| match &f.ty {
                FieldType::Flags => 0,
                FieldType::Value { condition, ty } => {
                    let option = usize::from(condition.is_some());
                    match self.meaning(ty) {
                        Meaning::Int => 4 + 4 * option,
                        Meaning::Long | Meaning::Double => 8 + 8 * option,
                        Meaning::Int128 => 16,
                        Meaning::Int256 | Meaning::Bytes => 32,
                        Meaning::String if self.place.binary_strings => 32,
                        Meaning::String | Meaning::Vector | Meaning::BareVector => 24,
                        Meaning::Bool | Meaning::True => 1,
                        Meaning::Raw => 32,
                        Meaning::Bare(i) => self.struct_size(i, memo),
                        Meaning::Boxed(t) => self.enum_size(t, memo),
                    }
                }
            })
            .sum()
    }

    fn enum_size(&self, t: usize, memo: &mut HashMap<usize, usize>) -> usize {
        if let Some(size) = memo.get(&t) {
            return *size;
        }
        memo.insert(t, 16);
        let payload = self.types[t]
            .1
            .iter()
            .map(|c| match self.boxed.contains(c) {
                true => 8,
                false => match self.struct_size(*c, memo) {
                    size if size > INLINE_LIMIT => 8,
                    size => size,
                },
            })
            .max()
            .unwrap_or(0);
        let size = (payload + 8).next_multiple_of(8);
        memo.insert(t, size);
        size
    }
}

/// What a name in type position means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// 32-bit integer.
    Int,
    /// 64-bit integer.
    Long,
    /// 64-bit float.
    Double,
    /// 128 bits as they are.
    Int128,
    /// 256 bits as they are.
    Int256,
    /// Length-prefixed text.
    String,
    /// Length-prefixed bytes.
    Bytes,
    /// Boxed Bool.
    Bool,
    /// Nothing on the wire: only the flag.
    True,
    /// A boxed type, by index.
    Boxed(usize),
    /// A constructor without its id, by index.
    Bare(usize),
    /// A vector with its id.
    Vector,
    /// A vector without its id.
    BareVector,
    /// The rest of the input.
    Raw,
}

/// `prefix::kind::namespace::Name`.
fn path(prefix: &str, kind: &str, name: &Name) -> String {
    match &name.namespace {
        Some(ns) => format!(
            "{prefix}::{kind}::{}::{}",
            crate::names::snake(ns),
            camel(&name.ident)
        ),
        None => format!("{prefix}::{kind}::{}", camel(&name.ident)),
    }
}

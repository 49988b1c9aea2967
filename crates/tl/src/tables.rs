//! What the schema says, as static tables: constructors, methods, fields, who may call, errors.

include!(concat!(env!("OUT_DIR"), "/tables.rs"));

use self::{
    Availability as A, ConstructorInfo as C, ErrorInfo as E, FieldInfo as F, FunctionInfo as M,
    ResendClass as R, Shape as S, TypeInfo as T,
};

/// How a value looks on the wire. Numbers are indices into the tables of the same [`Schema`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// `#`: a word of flags.
    Flags,
    /// `int`.
    Int,
    /// `long`.
    Long,
    /// `double`.
    Double,
    /// `int128`.
    Int128,
    /// `int256`.
    Int256,
    /// `string`, UTF-8.
    String,
    /// `bytes`.
    Bytes,
    /// `Bool`.
    Bool,
    /// `true`: nothing but its flag.
    True,
    /// A boxed type.
    Boxed(u16),
    /// A constructor without its id.
    Bare(u16),
    /// A method with its id.
    Function(u16),
    /// A vector with its id.
    Vector(&'static Shape),
    /// A vector without its id.
    BareVector(&'static Shape),
    /// The rest of the input.
    Raw,
}

/// A field of a constructor or method.
#[derive(Clone, Copy, Debug)]
pub struct FieldInfo {
    /// Name in snake case, as in JSON.
    pub name: &'static str,
    /// Its shape.
    pub shape: Shape,
    /// Which flag word (counted from zero) and bit says that it is there.
    pub flag: Option<(u8, u8)>,
}

/// A constructor.
#[derive(Clone, Copy, Debug)]
pub struct ConstructorInfo {
    /// Its id.
    pub id: u32,
    /// Its name in the schema.
    pub name: &'static str,
    /// Index of its boxed type.
    pub type_index: u16,
    /// Fewest bytes it takes without its id.
    pub min_size: u16,
    /// First layer that knows it; 0 for "227 or before".
    pub since: i32,
    /// Last layer that uses this id.
    pub until: i32,
    /// Its fields in wire order, flag words included.
    pub fields: &'static [FieldInfo],
}

/// A boxed type.
#[derive(Clone, Copy, Debug)]
pub struct TypeInfo {
    /// Its name in the schema.
    pub name: &'static str,
    /// Indices of its constructors.
    pub constructors: &'static [u16],
    /// Indices of constructors that only older layers have.
    pub older: &'static [u16],
}

/// Who may call a method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Availability {
    /// Users and bots.
    Both,
    /// Users only.
    Users,
    /// Bots only.
    Bots,
    /// Not documented.
    Unknown,
}

/// What happens if a method that may have been executed is sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResendClass {
    /// Nothing: it only looks.
    Read,
    /// The server drops the second by its `random_id`, if that is kept.
    RandomId,
    /// The state is the same however often it is executed.
    Idempotent,
    /// It may happen twice.
    NotIdempotent,
}

/// An error documented for a method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorInfo {
    /// Code, as 400.
    pub code: i32,
    /// Name, as `PEER_ID_INVALID`; `%d` stands for a number.
    pub name: &'static str,
}

/// A method.
#[derive(Clone, Copy, Debug)]
pub struct FunctionInfo {
    /// Its id in the current layer.
    pub id: u32,
    /// Its ids in older layers.
    pub older_ids: &'static [u32],
    /// Its name in the schema.
    pub name: &'static str,
    /// First layer that knows it; 0 for "227 or before".
    pub since: i32,
    /// Its fields in wire order, flag words included.
    pub fields: &'static [FieldInfo],
    /// The shape of the answer.
    pub response: Shape,
    /// Who may call it.
    pub availability: Availability,
    /// Errors documented for it.
    pub errors: &'static [ErrorInfo],
    /// What a second execution would do.
    pub resend: ResendClass,
}

/// Which schema a type belongs to.
///
/// A name, not a reference: thousands of constants that refer to the tables take the compiler a
/// minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SchemaId {
    /// The API.
    Api,
    /// The service schema of MTProto.
    Mtproto,
    /// The schema of secret chats.
    Secret,
}

impl SchemaId {
    /// Its tables.
    pub fn tables(self) -> &'static Schema {
        match self {
            SchemaId::Api => &API,
            SchemaId::Mtproto => &MTPROTO,
            SchemaId::Secret => &SECRET,
        }
    }
}

/// All tables of one schema.
#[derive(Debug)]
pub struct Schema {
    current: usize,
    /// Constructors: those of the current layer sorted by name, then those of older layers.
    pub constructors: &'static [ConstructorInfo],
    /// Boxed types sorted by name.
    pub types: &'static [TypeInfo],
    /// Methods sorted by name.
    pub functions: &'static [FunctionInfo],
    by_id: &'static [(u32, u16)],
    functions_by_id: &'static [(u32, u16)],
}

impl Schema {
    /// Constructors of the current layer, sorted by name.
    pub fn current(&self) -> &'static [ConstructorInfo] {
        &self.constructors[..self.current]
    }

    /// The constructor of an id, of the current or an older layer.
    pub fn constructor_by_id(&self, id: u32) -> Option<&'static ConstructorInfo> {
        let at = self.by_id.binary_search_by_key(&id, |e| e.0).ok()?;
        self.constructors.get(usize::from(self.by_id[at].1))
    }

    /// The constructor of a name, as `inputPeerUser`.
    pub fn constructor_by_name(&self, name: &str) -> Option<&'static ConstructorInfo> {
        let current = self.current();
        current
            .binary_search_by_key(&name, |c| c.name)
            .ok()
            .map(|i| &current[i])
    }

    /// The boxed type of a name, as `messages.Dialogs`.
    pub fn type_by_name(&self, name: &str) -> Option<&'static TypeInfo> {
        self.types
            .binary_search_by_key(&name, |t| t.name)
            .ok()
            .map(|i| &self.types[i])
    }

    /// The method of an id, of the current or an older layer.
    pub fn function_by_id(&self, id: u32) -> Option<&'static FunctionInfo> {
        let at = self
            .functions_by_id
            .binary_search_by_key(&id, |e| e.0)
            .ok()?;
        self.functions.get(usize::from(self.functions_by_id[at].1))
    }

    /// The method of a name: `messages.sendMessage`, or `messages.send_message`.
    pub fn function_by_name(&self, name: &str) -> Option<&'static FunctionInfo> {
        let find = |name: &str| {
            let at = self
                .functions
                .binary_search_by_key(&name, |f| f.name)
                .ok()?;
            self.functions.get(at)
        };
        find(name).or_else(|| {
            let wanted = fold(name);
            self.functions.iter().find(|f| fold(f.name) == wanted)
        })
    }

    /// Fewest bytes a value of a shape takes.
    pub(crate) fn min_size(&self, shape: Shape) -> usize {
        match shape {
            Shape::Long | Shape::Double | Shape::Vector(_) => 8,
            Shape::Int128 => 16,
            Shape::Int256 => 32,
            Shape::True | Shape::Raw => 0,
            Shape::Bare(i) => usize::from(self.constructors[usize::from(i)].min_size),
            _ => 4,
        }
    }

    /// What a shape is called in the TL language.
    pub fn shape_name(&self, shape: Shape) -> String {
        match shape {
            Shape::Flags => "#".into(),
            Shape::Int => "int".into(),
            Shape::Long => "long".into(),
            Shape::Double => "double".into(),
            Shape::Int128 => "int128".into(),
            Shape::Int256 => "int256".into(),
            Shape::String => "string".into(),
            Shape::Bytes => "bytes".into(),
            Shape::Bool => "Bool".into(),
            Shape::True => "true".into(),
            Shape::Boxed(i) => self.types[usize::from(i)].name.into(),
            Shape::Bare(i) => self.constructors[usize::from(i)].name.into(),
            Shape::Function(i) => self.functions[usize::from(i)].name.into(),
            Shape::Vector(t) => format!("Vector<{}>", self.shape_name(*t)),
            Shape::BareVector(t) => format!("vector<{}>", self.shape_name(*t)),
            Shape::Raw => "X".into(),
        }
    }
}

/// A name without what tells camel case from snake case.
fn fold(name: &str) -> String {
    name.chars()
        .filter(|c| *c != '_')
        .map(|c| c.to_ascii_lowercase())
        .collect()
}

/// The API.
pub fn api() -> &'static Schema {
    &API
}

/// The service schema of MTProto.
pub fn mtproto() -> &'static Schema {
    &MTPROTO
}

/// The schema of secret chats.
pub fn secret() -> &'static Schema {
    &SECRET
}

/// The API's constructor of an id, of the current or an older layer.
pub fn constructor_by_id(id: u32) -> Option<&'static ConstructorInfo> {
    API.constructor_by_id(id)
}

/// The API's method of an id, of the current or an older layer; [`FunctionInfo::id`] is the current one.
pub fn function_by_id(id: u32) -> Option<&'static FunctionInfo> {
    API.function_by_id(id)
}

/// The API's method of a name, in camel or snake case.
pub fn function_by_name(name: &str) -> Option<&'static FunctionInfo> {
    API.function_by_name(name)
}

/// Whether a client of `layer` knows a constructor or method of this id.
pub fn known_in_layer(id: u32, layer: i32) -> bool {
    match (constructor_by_id(id), function_by_id(id)) {
        (Some(c), _) => c.since <= layer && layer <= c.until,
        (None, Some(f)) => f.since <= layer,
        (None, None) => false,
    }
}

/// The class of an encoded call. Wrappers such as `invokeWithLayer` are of the class of the query
/// inside; what is not known is [`ResendClass::NotIdempotent`].
pub fn resend_class(body: &bytes::Bytes) -> ResendClass {
    let mut body = body.clone();
    // A loop: wrappers may be nested as deep as the input is long.
    loop {
        let id = body.first_chunk().map(|id| u32::from_le_bytes(*id));
        let Some(function) = id.and_then(function_by_id) else {
            return ResendClass::NotIdempotent;
        };
        if function.fields.last().is_none_or(|f| f.shape != Shape::Raw) {
            return function.resend;
        }
        match crate::walk::inner_query(body) {
            Some(inner) => body = inner,
            None => return ResendClass::NotIdempotent,
        }
    }
}

//! Writes the structs of constructors and methods and the enums of boxed types.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::docs;
use crate::emit_layers::{custom, versions};
use crate::methods::Method;
use crate::names::{camel, field, snake};
use crate::parse::{Definition, Field, FieldType, Name, Type};
use crate::schema::{Meaning, Schema};

/// Names the generated modules import: a type called like one of them would shadow it.
const IMPORTED: &[&str] = &[
    "Bytes",
    "Reader",
    "Writer",
    "Encode",
    "Decode",
    "Constructor",
    "Function",
    "Shaped",
    "Shape",
    "SchemaId",
    "DecodeError",
    "Vec",
    "String",
    "Option",
    "Box",
    "Result",
    "From",
    "Some",
    "None",
    "Ok",
    "Err",
    "Clone",
    "PartialEq",
    "Debug",
    "Default",
];

/// Sorts items into one module per namespace and prints them.
struct Modules {
    items: BTreeMap<Option<String>, String>,
    kind: &'static str,
}

impl Modules {
    fn new(kind: &'static str) -> Self {
        Modules {
            items: BTreeMap::new(),
            kind,
        }
    }

    fn of(&mut self, name: &Name) -> &mut String {
        self.items.entry(name.namespace.clone()).or_default()
    }

    fn print(self) -> String {
        let mut out = "use crate::generated_prelude::*;\n".to_owned();
        for (namespace, items) in self.items {
            match namespace {
                None => out.push_str(&items),
                Some(ns) => {
                    let _ = writeln!(
                        out,
                        "/// {} of the namespace `{ns}`.\npub mod {} {{\nuse crate::generated_prelude::*;\n{items}}}",
                        self.kind,
                        snake(&ns)
                    );
                }
            }
        }
        out
    }
}

fn check_name(name: &str) -> Result<(), String> {
    if IMPORTED.contains(&name) {
        Err(format!("{name} shadows an imported name"))
    } else {
        Ok(())
    }
}

/// The structs of all constructors that have fields.
///
/// # Errors
/// A name that would shadow one the generated code relies on.
pub(crate) fn types(s: &Schema) -> Result<String, String> {
    let mut modules = Modules::new("Constructors");
    for (i, d) in s.constructors.iter().enumerate() {
        let name = camel(&d.name.ident);
        check_name(&name)?;
        if d.fields.is_empty() {
            continue;
        }
        let out = modules.of(&d.name);
        docs::constructor(out, s, d);
        structure(out, s, d, &name);
        let (id, table) = (d.id, camel(&s.place.table.to_lowercase()));
        let _ = writeln!(
            out,
            "impl Constructor for {name} {{ const ID: u32 = 0x{id:08x}; const NAME: &'static str = \"{}\"; }}\n\
             impl Shaped for {name} {{ const SCHEMA: SchemaId = SchemaId::{table}; const SHAPE: Shape = Shape::Bare({i}); const MIN_SIZE: usize = {}; }}",
            d.name,
            s.min_size(&d.fields),
        );
        let mut body = String::new();
        for version in versions(s, i) {
            let _ = writeln!(
                body,
                "if w.layer() <= {} {{ return crate::layers::generated::encode_{:08x}(self, w); }}",
                version.until, version.def.id
            );
        }
        body.push_str(&encode_fields(s, &d.fields));
        let _ = writeln!(
            out,
            "impl Encode for {name} {{ fn encode(&self, w: &mut Writer) {{ {body} }} }}"
        );
        let _ = writeln!(
            out,
            "impl Decode for {name} {{ fn decode(r: &mut Reader) -> Result<Self, DecodeError> {{ {} }} }}",
            decode_fields(s, &d.fields)
        );
        let Type::Named(result) = &d.result else {
            continue;
        };
        if let Some(Meaning::Boxed(t)) = s.resolve(result) {
            let value = if s.is_boxed(i) { "Box::new(x)" } else { "x" };
            let _ = writeln!(
                out,
                "impl From<{name}> for {e} {{ #[inline] fn from(x: {name}) -> Self {{ Self::{name}({value}) }} }}",
                e = s.enum_path(t)
            );
        }
        let _ = writeln!(out, "crate::generated_prelude::by_bytes!({name});");
    }
    Ok(modules.print())
}

fn structure(out: &mut String, s: &Schema, d: &Definition, name: &str) {
    let _ = writeln!(out, "#[derive(Clone)]\npub struct {name} {{");
    for f in &d.fields {
        let FieldType::Value { condition, ty } = &f.ty else {
            continue;
        };
        let mut rust = s.rust_type(ty);
        if condition.is_some() && s.meaning(ty) != Meaning::True {
            rust = format!("Option<{rust}>");
        }
        let _ = writeln!(out, "pub {}: {rust},", field(&f.name));
    }
    out.push_str("}\n");
    constructor(out, s, d, name);
}

/// `new` for structs with optional fields: the others are its parameters.
fn constructor(out: &mut String, s: &Schema, d: &Definition, name: &str) {
    let (mut parameters, mut values, mut optional) = (String::new(), String::new(), false);
    for f in &d.fields {
        let FieldType::Value { condition, ty } = &f.ty else {
            continue;
        };
        let (name, rust) = (field(&f.name), s.rust_type(ty));
        let _ = match (condition, s.meaning(ty)) {
            (None, _) => {
                write!(parameters, "{name}: {rust}, ").and_then(|()| write!(values, "{name}, "))
            }
            (Some(_), Meaning::True) => write!(values, "{name}: false, "),
            (Some(_), _) => write!(values, "{name}: None, "),
        };
        optional |= condition.is_some();
    }
    if optional {
        // Inline, so that only the crates that call it compile it.
        let _ = writeln!(
            out,
            "impl {name} {{ /// With these fields; everything optional is left out.\n\
             #[inline] pub fn new({parameters}) -> Self {{ Self {{ {values} }} }} }}"
        );
    }
}

/// The structs of all methods.
///
/// # Errors
/// A name that would shadow one the generated code relies on.
pub(crate) fn functions(
    s: &Schema,
    methods: &std::collections::HashMap<String, Method>,
) -> Result<String, String> {
    // Inline, so that a crate compiles the methods it calls and this one compiles none.
    let mut modules = Modules::new("Methods");
    for (i, d) in s.functions.iter().enumerate() {
        let name = camel(&d.name.ident);
        check_name(&name)?;
        let out = modules.of(&d.name);
        docs::function(out, s, d, methods.get(&d.name.to_string()));
        if d.fields.iter().all(|f| f.ty == FieldType::Flags) {
            let _ = writeln!(out, "#[derive(Clone)]\npub struct {name};");
        } else {
            structure(out, s, d, &name);
        }
        let response = if d.parameters.is_empty() {
            s.rust_type(&d.result)
        } else {
            "crate::RawResponse".into()
        };
        let (id, table) = (d.id, camel(&s.place.table.to_lowercase()));
        let _ = writeln!(
            out,
            "impl Function for {name} {{ const ID: u32 = 0x{id:08x}; const NAME: &'static str = \"{}\"; type Response = {response}; }}\n\
             impl Shaped for {name} {{ const SCHEMA: SchemaId = SchemaId::{table}; const SHAPE: Shape = Shape::Function({i}); const MIN_SIZE: usize = 4; }}\n\
             impl Encode for {name} {{ #[inline] fn encode(&self, w: &mut Writer) {{ w.put_u32(0x{id:08x}); {} }} }}",
            d.name,
            encode_fields(s, &d.fields)
        );
        let mut arms = String::new();
        for o in s.older_functions.iter().filter(|o| o.now == Some(i)) {
            let _ = write!(
                arms,
                "0x{0:08x} => crate::layers::generated::decode_{0:08x}(r), ",
                o.def.id
            );
        }
        let _ = writeln!(
            out,
            "#[cfg(feature = \"functions-decode\")]\nimpl Decode for {name} {{ #[inline] fn decode(r: &mut Reader) -> Result<Self, DecodeError> {{ match r.get_u32()? {{ \
             0x{id:08x} => {{ {} }} {arms} id => Err(r.unexpected(id, \"{}\")) }} }} }}\n\
             crate::generated_prelude::by_bytes!({name});",
            decode_fields(s, &d.fields),
            d.name
        );
    }
    Ok(modules.print())
}

/// The enums of all boxed types.
///
/// # Errors
/// A name that would shadow one the generated code relies on.
pub(crate) fn enums(s: &Schema) -> Result<String, String> {
    let mut modules = Modules::new("Boxed types");
    for (t, (type_name, constructors)) in s.types.iter().enumerate() {
        let name = camel(&type_name.ident);
        check_name(&name)?;
        let out = modules.of(type_name);
        docs::boxed(out, s, type_name);
        let (mut variants, mut encode, mut decode) = (String::new(), String::new(), String::new());
        for c in constructors {
            let d = &s.constructors[*c];
            let (variant, id) = (camel(&d.name.ident), d.id);
            if d.fields.is_empty() {
                let _ = writeln!(variants, "/// `{}`\n{variant},", d.name);
                let _ = writeln!(encode, "Self::{variant} => w.put_u32(0x{id:08x}),");
                let _ = writeln!(decode, "0x{id:08x} => Self::{variant},");
                continue;
            }
            let (payload, read) = if s.is_boxed(*c) {
                (format!("Box<{}>", s.struct_path(*c)), "r.boxed()?")
            } else {
                (s.struct_path(*c), "Decode::decode(r)?")
            };
            let _ = writeln!(variants, "/// `{}`\n{variant}({payload}),", d.name);
            let _ = writeln!(decode, "0x{id:08x} => Self::{variant}({read}),");
            let put = if s.is_boxed(*c) { "&**x" } else { "x" };
            let _ = write!(encode, "Self::{variant}(x) => ");
            let older = versions(s, *c);
            let special = custom(s, *c);
            if let Some(special) = special {
                let _ = write!(
                    encode,
                    "if w.layer() <= {} {{ crate::layers::custom::encode_{}(x, w) }} else {{ w.object(0x{id:08x}, {put}) }}",
                    special.until, special.hook
                );
            } else if older.is_empty() {
                let _ = write!(encode, "w.object(0x{id:08x}, {put})");
            } else {
                encode.push_str("{ let id = ");
                for o in &older {
                    let _ = write!(
                        encode,
                        "if w.layer() <= {} {{ 0x{:08x} }} else ",
                        o.until, o.def.id
                    );
                }
                let _ = write!(encode, "{{ 0x{id:08x} }}; w.object(id, {put}) }}");
            }
            encode.push_str(",\n");
            for o in &older {
                let into = if s.is_boxed(*c) { "Box::new" } else { "" };
                let _ = writeln!(
                    decode,
                    "0x{0:08x} => Self::{variant}({into}(crate::layers::generated::decode_{0:08x}(r)?)),",
                    o.def.id
                );
            }
            if let Some(special) = special {
                let ids: Vec<String> = special.ids.iter().map(|id| format!("0x{id:08x}")).collect();
                let into = if s.is_boxed(*c) { "Box::new" } else { "" };
                let _ = writeln!(
                    decode,
                    "id @ {} => Self::{variant}({into}(crate::layers::custom::decode_{}(id, r)?)),",
                    if ids.len() == 1 {
                        ids.concat()
                    } else {
                        format!("({})", ids.join(" | "))
                    },
                    special.hook
                );
            }
        }
        let table = camel(&s.place.table.to_lowercase());
        let _ = writeln!(
            out,
            "#[derive(Clone)]\npub enum {name} {{\n{variants}}}\n\
             impl Shaped for {name} {{ const SCHEMA: SchemaId = SchemaId::{table}; const SHAPE: Shape = Shape::Boxed({t}); const MIN_SIZE: usize = 4; }}\n\
             impl Encode for {name} {{ fn encode(&self, w: &mut Writer) {{ match self {{\n{encode}}} }} }}\n\
             impl Decode for {name} {{ fn decode(r: &mut Reader) -> Result<Self, DecodeError> {{ let id = r.begin()?; let value = match id {{\n{decode}\
             id => return Err(r.unexpected(id, \"{type_name}\")) }}; r.end(); Ok(value) }} }}\n\
             crate::generated_prelude::by_bytes!({name});"
        );
    }
    Ok(modules.print())
}

/// Fields that share one bit of one word with another field that has a value.
fn partners<'a>(s: &Schema, fields: &'a [Field], word: &str, bit: u8) -> Vec<&'a Field> {
    fields
        .iter()
        .filter(|f| match &f.ty {
            FieldType::Value {
                condition: Some((w, b)),
                ty,
            } => w == word && *b == bit && s.meaning(ty) != Meaning::True,
            _ => false,
        })
        .collect()
}

/// Name of the local that holds a flag word.
pub(crate) fn word_variable(word: &str) -> String {
    format!("word_{}", snake(word))
}

/// Statements that write the fields. A bit whose fields carry values is set when all of them are
/// there; a bit with a bare `true` only, when that is true.
pub(crate) fn encode_fields(s: &Schema, fields: &[Field]) -> String {
    let mut out = String::new();
    for f in fields {
        match &f.ty {
            FieldType::Flags => {
                let word = word_variable(&f.name);
                let mut parts = Vec::new();
                for bit in 0..32 {
                    let valued = partners(s, fields, &f.name, bit);
                    let test = if valued.is_empty() {
                        fields
                            .iter()
                            .find(|g| matches!(&g.ty, FieldType::Value { condition: Some((w, b)), .. } if *w == f.name && *b == bit))
                            .map(|g| format!("self.{}", field(&g.name)))
                    } else {
                        let all: Vec<String> = valued
                            .iter()
                            .map(|g| format!("self.{}.is_some()", field(&g.name)))
                            .collect();
                        Some(all.join(" && "))
                    };
                    if let Some(test) = test {
                        parts.push(format!("(({test}) as u32) << {bit}"));
                    }
                }
                let value = if parts.is_empty() {
                    "0".into()
                } else {
                    parts.join(" | ")
                };
                let _ = writeln!(out, "let {word}: u32 = {value}; w.put_u32({word});");
            }
            FieldType::Value {
                condition: None,
                ty,
            } => {
                let _ = writeln!(out, "{};", put(s, ty, &format!("self.{}", field(&f.name))));
            }
            FieldType::Value {
                condition: Some((word, bit)),
                ty,
            } => {
                let name = field(&f.name);
                match s.meaning(ty) {
                    Meaning::True => {}
                    _ if partners(s, fields, word, *bit).len() == 1 => {
                        let _ = writeln!(out, "w.optional(&self.{name});");
                    }
                    _ => {
                        let _ = writeln!(
                            out,
                            "if {} & (1 << {bit}) != 0 {{ w.optional(&self.{name}); }}",
                            word_variable(word)
                        );
                    }
                }
            }
        }
    }
    out
}

/// An expression that writes one value.
fn put(s: &Schema, ty: &Type, value: &str) -> String {
    match s.meaning(ty) {
        Meaning::Int => format!("w.put_i32({value})"),
        Meaning::Long => format!("w.put_i64({value})"),
        Meaning::Double => format!("w.put_f64({value})"),
        Meaning::String if !s.place.binary_strings => format!("w.put_bytes({value}.as_bytes())"),
        Meaning::String | Meaning::Bytes => format!("w.put_bytes(&{value})"),
        Meaning::BareVector => format!("w.bare_vector(&{value})"),
        _ => format!("{value}.encode(w)"),
    }
}

/// An expression that reads one value.
pub(crate) fn get(s: &Schema, ty: &Type) -> &'static str {
    match s.meaning(ty) {
        Meaning::Int => "r.get_i32()?",
        Meaning::Long => "r.get_i64()?",
        Meaning::Double => "r.get_f64()?",
        Meaning::String if !s.place.binary_strings => "r.get_string()?",
        Meaning::String | Meaning::Bytes => "r.get_bytes()?",
        Meaning::BareVector => "r.elements(false)?",
        _ => "Decode::decode(r)?",
    }
}

/// An expression for the value of a field, given the flag words read before it.
pub(crate) fn read_field(s: &Schema, condition: Option<&(String, u8)>, ty: &Type) -> String {
    match condition {
        None => get(s, ty).into(),
        Some((word, bit)) => {
            let word = word_variable(word);
            match s.meaning(ty) {
                Meaning::True => format!("{word} & (1 << {bit}) != 0"),
                _ => format!("r.optional({word} & (1 << {bit}) != 0)?"),
            }
        }
    }
}

/// The body of `decode` for a bare value.
fn decode_fields(s: &Schema, fields: &[Field]) -> String {
    let values = fields.iter().filter(|f| f.ty != FieldType::Flags).count();
    let words = fields.len() - values;
    let leading = fields.iter().take(words).all(|f| f.ty == FieldType::Flags);
    let mut out = String::new();
    let read_word = |out: &mut String, f: &Field| {
        let used = fields.iter().any(
            |g| matches!(&g.ty, FieldType::Value { condition: Some((w, _)), .. } if *w == f.name),
        );
        let _ = if used {
            write!(out, "let {} = r.get_u32()?; ", word_variable(&f.name))
        } else {
            write!(out, "r.get_u32()?; ")
        };
    };
    if values == 0 {
        for f in fields {
            read_word(&mut out, f);
        }
        out.push_str("Ok(Self {})");
        return out;
    }
    if leading {
        for f in &fields[..words] {
            read_word(&mut out, f);
        }
        out.push_str("Ok(Self {");
        for f in &fields[words..] {
            if let FieldType::Value { condition, ty } = &f.ty {
                let _ = write!(
                    out,
                    " {}: {},",
                    field(&f.name),
                    read_field(s, condition.as_ref(), ty)
                );
            }
        }
        out.push_str(" })");
        return out;
    }
    for f in fields {
        match &f.ty {
            FieldType::Flags => read_word(&mut out, f),
            FieldType::Value { condition, ty } => {
                let _ = write!(
                    out,
                    "let {} = {}; ",
                    field(&f.name),
                    read_field(s, condition.as_ref(), ty)
                );
            }
        }
    }
    out.push_str("Ok(Self {");
    for f in fields.iter().filter(|f| f.ty != FieldType::Flags) {
        let _ = write!(out, " {},", field(&f.name));
    }
    out.push_str(" })");
    out
}

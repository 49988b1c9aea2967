//! Writes the static tables that drive JSON, `Debug`, error paths and calls by name.

use std::collections::HashMap;
use std::fmt::Write as _;

use crate::methods::{Method, resend_class};
use crate::names::snake;
use crate::parse::{Field, FieldType, Type};
use crate::schema::{Meaning, Schema};

fn shape(s: &Schema, ty: &Type) -> String {
    match (s.meaning(ty), ty) {
        (_, Type::Vector(t)) => format!("S::Vector(&{})", shape(s, t)),
        (_, Type::BareVector(t)) => format!("S::BareVector(&{})", shape(s, t)),
        (Meaning::String, _) if s.place.binary_strings => "S::Bytes".into(),
        (Meaning::Boxed(i), _) => format!("S::Boxed({i})"),
        (Meaning::Bare(i), _) => format!("S::Bare({i})"),
        (other, _) => format!("S::{other:?}"),
    }
}

fn fields(s: &Schema, fields: &[Field]) -> String {
    let words: Vec<&str> = fields
        .iter()
        .filter(|f| f.ty == FieldType::Flags)
        .map(|f| f.name.as_str())
        .collect();
    let mut out = "&[".to_owned();
    for f in fields {
        let (shape, flag) = match &f.ty {
            FieldType::Flags => ("S::Flags".to_owned(), None),
            FieldType::Value { condition, ty } => (shape(s, ty), condition.as_ref()),
        };
        let flag = flag.and_then(|(word, bit)| {
            words
                .iter()
                .position(|w| w == word)
                .map(|i| format!("Some(({i}, {bit}))"))
        });
        let _ = write!(
            out,
            "F {{ name: \"{}\", shape: {shape}, flag: {} }}, ",
            snake(&f.name),
            flag.unwrap_or_else(|| "None".into())
        );
    }
    out.push(']');
    out
}

/// The static of one schema. `layer` is the newest layer there is.
pub(crate) fn emit(s: &Schema, methods: &HashMap<String, Method>, layer: i32) -> String {
    let mut type_of = vec![0; s.constructors.len()];
    for (t, (_, constructors)) in s.types.iter().enumerate() {
        for c in constructors {
            type_of[*c] = t;
        }
    }
    let since = |name: &str| s.absent.get(name).map_or(0, |last| last + 1);
    let mut constructors = String::new();
    for (i, d) in s.constructors.iter().enumerate() {
        let name = d.name.to_string();
        let _ = writeln!(
            constructors,
            "C {{ id: 0x{:08x}, name: \"{name}\", type_index: {}, min_size: {}, since: {}, until: {layer}, fields: {} }},",
            d.id,
            type_of[i],
            s.min_size(&d.fields),
            since(&name),
            fields(s, &d.fields)
        );
    }
    let mut ids: Vec<(u32, usize)> = s
        .constructors
        .iter()
        .enumerate()
        .map(|(i, d)| (d.id, i))
        .collect();
    let mut older_of: HashMap<usize, Vec<usize>> = HashMap::new();
    for (i, o) in s.older.iter().enumerate() {
        let index = s.constructors.len() + i;
        let ty = match &o.def.result {
            Type::Named(n) => s.types.iter().position(|(name, _)| name == n),
            _ => None,
        }
        .unwrap_or_default();
        older_of.entry(ty).or_default().push(index);
        ids.push((o.def.id, index));
        let _ = writeln!(
            constructors,
            "C {{ id: 0x{:08x}, name: \"{}\", type_index: {ty}, min_size: {}, since: 0, until: {}, fields: {} }},",
            o.def.id,
            o.def.name,
            s.min_size(&o.def.fields),
            o.until,
            fields(s, &o.def.fields)
        );
    }
    ids.sort_unstable();
    let mut types = String::new();
    for (t, (name, constructors)) in s.types.iter().enumerate() {
        let older = older_of.remove(&t).unwrap_or_default();
        let _ = writeln!(
            types,
            "T {{ name: \"{name}\", constructors: &{constructors:?}, older: &{older:?} }},"
        );
    }
    let mut functions = String::new();
    let mut function_ids = Vec::new();
    for (i, d) in s.functions.iter().enumerate() {
        let name = d.name.to_string();
        let unknown = Method::default();
        let method = methods.get(&name).unwrap_or(&unknown);
        let who = match method.who.as_str() {
            "both" => "Both",
            "users" => "Users",
            "bots" => "Bots",
            _ => "Unknown",
        };
        let mut errors = String::new();
        for (code, name) in &method.errors {
            let _ = write!(errors, "E {{ code: {code}, name: \"{name}\" }}, ");
        }
        let older: Vec<u32> = s
            .older_functions
            .iter()
            .filter(|o| o.now == Some(i))
            .map(|o| o.def.id)
            .collect();
        function_ids.push((d.id, i));
        function_ids.extend(older.iter().map(|id| (*id, i)));
        let response = if d.parameters.is_empty() {
            shape(s, &d.result)
        } else {
            "S::Raw".into()
        };
        let _ = writeln!(
            functions,
            "M {{ id: 0x{:08x}, older_ids: &{older:?}, name: \"{name}\", since: {}, fields: {}, response: {response}, availability: A::{who}, errors: &[{errors}], resend: R::{} }},",
            d.id,
            since(&name),
            fields(s, &d.fields),
            resend_class(d)
        );
    }
    function_ids.sort_unstable();
    format!(
        "pub(crate) static {}: Schema = Schema {{\ncurrent: {},\nconstructors: &[\n{constructors}],\ntypes: &[\n{types}],\nfunctions: &[\n{functions}],\nby_id: &{ids:?},\nfunctions_by_id: &{function_ids:?},\n}};\n",
        s.place.table,
        s.constructors.len()
    )
}

/// For tests only: one entry per boxed type, constructor and method that decodes and encodes again.
pub(crate) fn emit_round_trips(schemas: &[&Schema]) -> String {
    let mut out = String::new();
    for s in schemas {
        let table = s.place.table.to_lowercase();
        let mut boxed = String::new();
        for (t, (name, _)) in s.types.iter().enumerate() {
            let _ = writeln!(
                boxed,
                "(\"{name}\", again::<{}>),",
                s.enum_path(t).replacen("crate", "actogram_tl", 1)
            );
        }
        let mut functions = String::new();
        for (f, d) in s.functions.iter().enumerate() {
            let _ = writeln!(
                functions,
                "(\"{}\", again::<{}>),",
                d.name,
                s.function_path(f).replacen("crate", "actogram_tl", 1)
            );
        }
        let _ = writeln!(
            out,
            "pub(crate) const {0}_TYPES: &[(&str, Again)] = &[\n{boxed}];\n\
             #[cfg(feature = \"functions-decode\")]\npub(crate) const {0}_FUNCTIONS: &[(&str, Again)] = &[\n{functions}];",
            table.to_uppercase()
        );
    }
    out
}

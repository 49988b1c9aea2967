//! Writes the static tables that drive JSON, `Debug`, error paths and calls by name.

use std::collections::HashMap;
use std::fmt::Write as _;

use crate::methods::{Method, resend_class};
use crate::names::snake;
use crate::parse::{Field, FieldType, Type};
use crate::schema::{Meaning, Schema};

/// Statics of their own for every list and inner shape: one body of twenty thousand promoted
/// references takes the borrow checker a minute, twenty thousand small bodies a second.
struct Statics<'a> {
    s: &'a Schema,
    out: String,
    known: HashMap<String, String>,
}

impl Statics<'_> {
    /// The name of a static of this type and value.
    fn name(&mut self, ty: &str, value: &str) -> String {
        let key = format!("{ty} = {value}");
        if let Some(name) = self.known.get(&key) {
            return name.clone();
        }
        let name = format!("{}_{}", self.s.place.table, self.known.len());
        let _ = writeln!(self.out, "static {name}: {key};");
        self.known.insert(key, name.clone());
        name
    }

    fn list(&mut self, ty: &str, items: &[String]) -> String {
        if items.is_empty() {
            return "&[]".into();
        }
        let value = format!("[{}]", items.join(", "));
        format!(
            "&{}",
            self.name(&format!("[{ty}; {}]", items.len()), &value)
        )
    }

    fn shape(&mut self, ty: &Type) -> String {
        match (self.s.meaning(ty), ty) {
            (_, Type::Vector(t) | Type::BareVector(t)) => {
                let inner = self.shape(t);
                let inner = self.name("S", &inner);
                let kind = if matches!(ty, Type::Vector(_)) {
                    "Vector"
                } else {
                    "BareVector"
                };
                format!("S::{kind}(&{inner})")
            }
            (Meaning::String, _) if self.s.place.binary_strings => "S::Bytes".into(),
            (Meaning::Boxed(i), _) => format!("S::Boxed({i})"),
            (Meaning::Bare(i), _) => format!("S::Bare({i})"),
            (other, _) => format!("S::{other:?}"),
        }
    }

    fn fields(&mut self, fields: &[Field]) -> String {
        let words: Vec<&str> = fields
            .iter()
            .filter(|f| f.ty == FieldType::Flags)
            .map(|f| f.name.as_str())
            .collect();
        let mut items = Vec::new();
        for f in fields {
            let (shape, flag) = match &f.ty {
                FieldType::Flags => ("S::Flags".to_owned(), None),
                FieldType::Value { condition, ty } => (self.shape(ty), condition.as_ref()),
            };
            let flag = flag.and_then(|(word, bit)| {
                words
                    .iter()
                    .position(|w| w == word)
                    .map(|i| format!("Some(({i}, {bit}))"))
            });
            items.push(format!(
                "F {{ name: \"{}\", shape: {shape}, flag: {} }}",
                snake(&f.name),
                flag.unwrap_or_else(|| "None".into())
            ));
        }
        self.list("F", &items)
    }
}

/// The static of one schema. `layer` is the newest layer there is.
pub(crate) fn emit(s: &Schema, methods: &HashMap<String, Method>, layer: i32) -> String {
    let mut statics = Statics {
        s,
        out: String::new(),
        known: HashMap::new(),
    };
    let mut type_of = vec![0; s.constructors.len()];
    for (t, (_, constructors)) in s.types.iter().enumerate() {
        for c in constructors {
            type_of[*c] = t;
        }
    }
    let since = |name: &str| s.absent.get(name).map_or(0, |last| last + 1);
    let mut constructors = Vec::new();
    for (i, d) in s.constructors.iter().enumerate() {
        let name = d.name.to_string();
        constructors.push(format!(
            "C {{ id: 0x{:08x}, name: \"{name}\", type_index: {}, min_size: {}, since: {}, until: {layer}, fields: {} }}",
            d.id, type_of[i], s.min_size(&d.fields), since(&name), statics.fields(&d.fields)
        ));
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
        constructors.push(format!(
            "C {{ id: 0x{:08x}, name: \"{}\", type_index: {ty}, min_size: {}, since: 0, until: {}, fields: {} }}",
            o.def.id, o.def.name, s.min_size(&o.def.fields), o.until, statics.fields(&o.def.fields)
        ));
    }
    ids.sort_unstable();
    let mut types = Vec::new();
    let indices = |list: &[usize]| list.iter().map(usize::to_string).collect::<Vec<_>>();
    for (t, (name, all)) in s.types.iter().enumerate() {
        let older = older_of.remove(&t).unwrap_or_default();
        let (all, older) = (
            statics.list("u16", &indices(all)),
            statics.list("u16", &indices(&older)),
        );
        types.push(format!(
            "T {{ name: \"{name}\", constructors: {all}, older: {older} }}"
        ));
    }
    let mut functions = Vec::new();
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
        let errors: Vec<String> = method
            .errors
            .iter()
            .map(|(code, name)| format!("E {{ code: {code}, name: \"{name}\" }}"))
            .collect();
        let errors = statics.list("E", &errors);
        let older: Vec<String> = s
            .older_functions
            .iter()
            .filter(|o| o.now == Some(i))
            .map(|o| {
                function_ids.push((o.def.id, i));
                o.def.id.to_string()
            })
            .collect();
        let older = statics.list("u32", &older);
        function_ids.push((d.id, i));
        let response = if d.parameters.is_empty() {
            statics.shape(&d.result)
        } else {
            "S::Raw".into()
        };
        functions.push(format!(
            "M {{ id: 0x{:08x}, older_ids: {older}, name: \"{name}\", since: {}, fields: {}, response: {response}, availability: A::{who}, errors: {errors}, resend: R::{} }}",
            d.id, since(&name), statics.fields(&d.fields), resend_class(d)
        ));
    }
    function_ids.sort_unstable();
    let pairs = |list: &[(u32, usize)]| list.iter().map(|p| format!("{p:?}")).collect::<Vec<_>>();
    let constructors = statics.list("C", &constructors);
    let types = statics.list("T", &types);
    let functions = statics.list("M", &functions);
    let by_id = statics.list("(u32, u16)", &pairs(&ids));
    let functions_by_id = statics.list("(u32, u16)", &pairs(&function_ids));
    format!(
        "{}pub(crate) static {}: Schema = Schema {{ current: {}, constructors: {constructors}, types: {types}, functions: {functions}, by_id: {by_id}, functions_by_id: {functions_by_id} }};\n",
        statics.out,
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

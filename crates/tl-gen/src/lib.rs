//! Parser for the TL language and generator of the Rust types, used by the build script of actogram-tl.
//!
//! [`generate`] reads the schema files of a directory and writes Rust into another. What comes out
//! depends on the files alone, so equal inputs give equal bytes.

mod docs;
mod emit;
mod emit_layers;
mod emit_tables;
pub mod methods;
pub mod names;
pub mod parse;
pub mod schema;

use std::fs;
use std::path::Path;

use schema::{Place, Schema};

const API: Place = Place {
    prefix: "crate",
    table: "API",
    binary_strings: false,
    documented: true,
};
const MTPROTO: Place = Place {
    prefix: "crate::mtproto",
    table: "MTPROTO",
    binary_strings: true,
    documented: false,
};
const SECRET: Place = Place {
    prefix: "crate::secret",
    table: "SECRET",
    binary_strings: false,
    documented: false,
};

/// Layers there are older definitions for, newest first.
const OLDER_LAYERS: [i32; 3] = [229, 228, 227];

/// Writes the Rust of all schemas in `schema` into `out`.
///
/// # Errors
/// Names the file and what is wrong with it.
pub fn generate(schema: &Path, out: &Path) -> Result<(), String> {
    let read = |name: &str| {
        let path = schema.join(name);
        fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))
    };
    let definitions = |name: &str| {
        let text = read(name)?;
        let defs = parse::parse(&text).map_err(|e| format!("{name}: {e}"))?;
        Ok::<_, String>((text, defs))
    };
    let (text, defs) = definitions("api.tl")?;
    let layer = layer_of(&text).ok_or("api.tl: expected `// LAYER n` at the top")?;
    let mut api = Schema::new(API, defs)?;
    for old in OLDER_LAYERS {
        let name = format!("layers/{old}.tl");
        let (text, defs) = definitions(&name)?;
        if layer_of(&text) != Some(old) {
            return Err(format!("{name}: expected `// LAYER {old}` at the top"));
        }
        let absent = text
            .lines()
            .filter_map(|l| l.strip_prefix("//absent "))
            .map(str::to_owned);
        api.add_layer(old, defs, absent.collect())
            .map_err(|e| format!("{name}: {e}"))?;
    }
    let mtproto = Schema::new(MTPROTO, definitions("mtproto.tl")?.1)?;
    let secret = Schema::new(SECRET, definitions("secret.tl")?.1)?;
    let methods = methods::parse(&read("methods.tsv")?)?;

    let write = |name: String, text: String| {
        let path = out.join(name);
        fs::write(&path, text).map_err(|e| format!("{}: {e}", path.display()))
    };
    let mut tables = String::new();
    for (name, s) in [("api", &api), ("mtproto", &mtproto), ("secret", &secret)] {
        write(format!("{name}_types.rs"), emit::types(s)?)?;
        write(format!("{name}_enums.rs"), emit::enums(s)?)?;
        if !s.functions.is_empty() {
            write(
                format!("{name}_functions.rs"),
                emit::functions(s, &methods)?,
            )?;
        }
        tables.push_str(&emit_tables::emit(s, &methods, layer));
    }
    tables.push_str(&format!(
        "/// The layer the types are of.\npub const LAYER: i32 = {layer};\n"
    ));
    write("layers.rs".into(), emit_layers::emit(&api)?)?;
    write("tables.rs".into(), tables)?;
    write(
        "round_trips.rs".into(),
        emit_tables::emit_round_trips(&[&api, &mtproto, &secret]),
    )
}

fn layer_of(text: &str) -> Option<i32> {
    text.lines()
        .next()?
        .strip_prefix("// LAYER ")?
        .trim()
        .parse()
        .ok()
}

//! `cargo xtask schema`: imports the facts of Telegram's interface into `crates/tl/schema`.
//!
//! Names, ids and types only: descriptions stay where they are. The sources are fetched through
//! `cargo` and `npm` into `target/schema`, so the task needs the network; nothing else does.
//! `secret.tl` is kept by hand (its source is <https://core.telegram.org/schema/end-to-end>).

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use actogram_tl_gen::parse::{Definition, Section, parse};
use serde_json::Value;

/// The layer the types are generated for.
const LAYER: i32 = 230;
/// Where layers come from: crates with a `tl/api.tl`.
const CRATES: [(&str, &str, i32); 2] = [
    ("grammers-tl-types", "0.11.0", LAYER),
    ("ferogram-tl-types", "0.6.6", 229),
];
/// And npm packages with a `tl/api-schema.json`; the first also gives errors and availability.
const PACKAGES: [(&str, &str, i32); 2] = [
    ("@mtcute/core", "0.31.0", 228),
    ("@mtcute/core", "0.30.3", 227),
];
/// Constructors the codec knows by itself.
const BUILT_IN: [&str; 4] = ["boolFalse", "boolTrue", "true", "vector"];

/// Imports everything anew.
///
/// # Errors
/// Says which tool or file failed.
pub(crate) fn run() -> Result<(), String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let scratch = root.join("target/schema");
    let out = root.join("crates/tl/schema");
    fs::create_dir_all(out.join("layers")).map_err(|e| format!("{}: {e}", out.display()))?;
    let crates = fetch_crates(&scratch)?;
    let mut layers = BTreeMap::new();
    for ((name, version, layer), dir) in CRATES.iter().zip(&crates) {
        let defs = read_tl(&dir.join("tl/api.tl"))?;
        layers.insert(*layer, (defs, format!("{name} {version}, tl/api.tl")));
    }
    let mut facts = None;
    for (name, version, layer) in PACKAGES {
        let dir = fetch_npm(&scratch, name, version)?;
        let schema = read_json(&dir.join("tl/api-schema.json"))?;
        let source = format!("{name} {version}, tl/api-schema.json");
        layers.insert(layer, (definitions_of_json(&schema)?, source));
        if facts.is_none() {
            facts = Some((schema, read_json(&dir.join("tl/raw-errors.json"))?));
        }
    }
    let (current, source) = layers
        .remove(&LAYER)
        .ok_or("no source for the current layer")?;
    write(
        &out.join("api.tl"),
        &print(&current, &[], source_lines(&source, LAYER)),
    )?;
    let service = read_tl(&crates[0].join("tl/mtproto.tl"))?;
    let service_source = format!("{} {}, tl/mtproto.tl", CRATES[0].0, CRATES[0].1);
    let header = format!("// Service schema of MTProto.\n// Source: {service_source}\n");
    write(&out.join("mtproto.tl"), &print(&service, &[], header))?;
    for (layer, (old, source)) in &layers {
        let (defs, absent) = difference(old, &current);
        let text = print(&defs, &absent, source_lines(source, *layer));
        write(&out.join(format!("layers/{layer}.tl")), &text)?;
    }
    let (schema, errors) = facts.ok_or("no source for errors")?;
    let text = methods(&schema, &errors, &current)?;
    write(&out.join("methods.tsv"), &text)
}

fn source_lines(source: &str, layer: i32) -> String {
    let what = if layer == LAYER {
        "// The API.\n".to_owned()
    } else {
        format!(
            "// What differs from layer {LAYER}: definitions of another id, and names not yet there.\n"
        )
    };
    format!("// LAYER {layer}\n{what}// Source: {source}\n")
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|e| format!("{}: {e}", path.display()))
}

fn tool(command: &mut Command) -> Result<Vec<u8>, String> {
    let name = format!("{command:?}");
    let out = command.output().map_err(|e| format!("{name}: {e}"))?;
    if out.status.success() {
        Ok(out.stdout)
    } else {
        Err(format!(
            "{name}: {}\n{}",
            out.status,
            String::from_utf8_lossy(&out.stderr)
        ))
    }
}

fn fetch_crates(scratch: &Path) -> Result<Vec<PathBuf>, String> {
    let dir = scratch.join("crates");
    fs::create_dir_all(dir.join("src")).map_err(|e| e.to_string())?;
    let mut manifest =
        "[package]\nname = \"schema-sources\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\
         [workspace]\n[dependencies]\n"
            .to_owned();
    for (name, version, _) in CRATES {
        manifest.push_str(&format!("{name} = \"={version}\"\n"));
    }
    write(&dir.join("Cargo.toml"), &manifest)?;
    write(&dir.join("src/lib.rs"), "")?;
    let json = tool(
        Command::new("cargo")
            .args(["metadata", "--format-version", "1"])
            .current_dir(&dir),
    )?;
    let json: Value = serde_json::from_slice(&json).map_err(|e| e.to_string())?;
    CRATES
        .iter()
        .map(|(name, ..)| {
            let package = json["packages"]
                .as_array()
                .and_then(|all| all.iter().find(|p| p["name"] == *name))
                .and_then(|p| p["manifest_path"].as_str())
                .and_then(|p| Path::new(p).parent());
            package
                .map(Path::to_owned)
                .ok_or_else(|| format!("cargo metadata names no {name}"))
        })
        .collect()
}

fn fetch_npm(scratch: &Path, name: &str, version: &str) -> Result<PathBuf, String> {
    let dir = scratch.join(format!("npm-{version}"));
    fs::create_dir_all(&dir).map_err(|e| e.to_string())?;
    let file = tool(
        Command::new("npm")
            .args(["pack", "--silent", &format!("{name}@{version}")])
            .current_dir(&dir),
    )?;
    let file = String::from_utf8_lossy(&file).trim().to_owned();
    tool(Command::new("tar").args(["xzf", &file]).current_dir(&dir))?;
    Ok(dir.join("package"))
}

fn read_json(path: &Path) -> Result<Value, String> {
    let text = fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?;
    serde_json::from_slice(&text).map_err(|e| format!("{}: {e}", path.display()))
}

fn read_tl(path: &Path) -> Result<Vec<Definition>, String> {
    let text = fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
    let mut defs = parse(&text).map_err(|e| format!("{}: {e}", path.display()))?;
    // TDLib's description of a TLS hello rides along in some copies of the service schema.
    defs.retain(|d| !d.name.ident.starts_with("tls") && !BUILT_IN.contains(&d.name.ident.as_str()));
    Ok(defs)
}

/// The same definitions out of a JSON schema: by way of their text, so one parser judges both.
fn definitions_of_json(schema: &Value) -> Result<Vec<Definition>, String> {
    let mut text = String::new();
    let entries = schema["e"]
        .as_array()
        .ok_or("api-schema.json: expected a list under `e`")?;
    for section in ["class", "method"] {
        if section == "method" {
            text.push_str("---functions---\n");
        }
        for e in entries.iter().filter(|e| e["kind"] == section) {
            let name = e["name"].as_str().unwrap_or_default();
            if name.starts_with("mtcute.") || BUILT_IN.contains(&name) {
                continue;
            }
            text.push_str(&format!(
                "{name}#{:08x}",
                e["id"].as_u64().unwrap_or_default()
            ));
            for g in e["generics"].as_array().into_iter().flatten() {
                text.push_str(&format!(
                    " {{{}:Type}}",
                    g["name"].as_str().unwrap_or_default()
                ));
            }
            for a in e["arguments"].as_array().into_iter().flatten() {
                text.push_str(&format!(
                    " {}:{}",
                    a["name"].as_str().unwrap_or_default(),
                    json_type(a)
                ));
            }
            text.push_str(&format!(" = {};\n", json_type(e)));
        }
    }
    parse(&text).map_err(|e| format!("api-schema.json: {e}"))
}

fn json_type(of: &Value) -> String {
    // A JavaScript number holds 53 bits; on the wire such a field is a long.
    let base = match of["type"].as_str().unwrap_or_default() {
        "int53" => "long",
        other => other,
    };
    let modifiers = &of["typeModifiers"];
    let mut out = if modifiers["isVector"] == true {
        format!("Vector<{base}>")
    } else if modifiers["isBareVector"] == true {
        format!("vector<{base}>")
    } else {
        base.to_owned()
    };
    if let Some(condition) = modifiers["predicate"].as_str() {
        out = format!("{condition}?{out}");
    }
    out
}

/// What an old layer says otherwise: definitions of another id, the button constructors that were
/// folded into two, and the names it does not know yet.
fn difference(old: &[Definition], new: &[Definition]) -> (Vec<Definition>, Vec<String>) {
    let by_name: BTreeMap<_, _> = new.iter().map(|d| ((d.section, &d.name), d)).collect();
    let differs = |d: &&Definition| match by_name.get(&(d.section, &d.name)) {
        Some(now) => now.id != d.id,
        None => d.result.to_string() == "KeyboardButton",
    };
    let defs = old.iter().filter(differs).cloned().collect();
    let known: BTreeSet<_> = old.iter().map(|d| (d.section, &d.name)).collect();
    let absent = new
        .iter()
        .filter(|d| d.name.ident != "null" && !known.contains(&(d.section, &d.name)))
        .map(|d| d.name.to_string())
        .collect();
    (defs, absent)
}

fn print(defs: &[Definition], absent: &[String], header: String) -> String {
    let mut out = header;
    for section in [Section::Types, Section::Functions] {
        let mut lines: Vec<(String, String)> = defs
            .iter()
            .filter(|d| d.section == section)
            .map(|d| (d.name.to_string(), d.to_string()))
            .collect();
        lines.sort();
        out.push_str(match section {
            Section::Types => "\n---types---\n",
            Section::Functions => "\n---functions---\n",
        });
        for (_, line) in lines {
            out.push_str(&line);
            out.push('\n');
        }
    }
    if !absent.is_empty() {
        let mut absent = absent.to_vec();
        absent.sort();
        out.push('\n');
        for name in absent {
            out.push_str(&format!("//absent {name}\n"));
        }
    }
    out
}

/// `method`, who may call it, and its documented errors as `code:NAME`.
fn methods(schema: &Value, errors: &Value, current: &[Definition]) -> Result<String, String> {
    let mut who: BTreeMap<String, &str> = BTreeMap::new();
    let mut throws: BTreeMap<String, BTreeSet<(i64, String)>> = BTreeMap::new();
    for e in schema["e"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|e| e["kind"] == "method")
    {
        let name = e["name"].as_str().unwrap_or_default().to_owned();
        if let Some(available) = e["available"].as_str() {
            let available = match available {
                "user" => "users",
                "bot" => "bots",
                other => other,
            };
            who.insert(name.clone(), available);
        }
        for t in e["throws"].as_array().into_iter().flatten() {
            if let (Some(code), Some(error)) = (t["code"].as_i64(), t["name"].as_str()) {
                throws
                    .entry(name.clone())
                    .or_default()
                    .insert((code, error.to_owned()));
            }
        }
    }
    let list = errors["throws"]
        .as_object()
        .ok_or("raw-errors.json: expected `throws`")?;
    for (method, names) in list {
        for error in names
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
        {
            if let Some(code) = errors["errors"][error]["code"].as_i64() {
                throws
                    .entry(method.clone())
                    .or_default()
                    .insert((code, error.to_owned()));
            }
        }
    }
    let (_, version, layer) = PACKAGES[0];
    let mut out = format!(
        "# LAYER {layer}\n# Who may call a method (both, users, bots, unknown) and the errors documented for it.\n\
         # Source: @mtcute/core {version}, tl/api-schema.json and tl/raw-errors.json\n"
    );
    let names: BTreeSet<String> = current
        .iter()
        .filter(|d| d.section == Section::Functions)
        .map(|d| d.name.to_string())
        .collect();
    for name in names {
        let errors: Vec<String> = throws
            .remove(&name)
            .into_iter()
            .flatten()
            .map(|(c, e)| format!("{c}:{e}"))
            .collect();
        let who = who.get(&name).copied().unwrap_or("unknown");
        out.push_str(&format!("{name}\t{who}\t{}\n", errors.join(",")));
    }
    Ok(out)
}

//! Generates the types from `schema/`.

use std::path::Path;

fn main() -> Result<(), String> {
    println!("cargo::rerun-if-changed=schema");
    println!("cargo::rerun-if-changed=build.rs");
    let out = std::env::var_os("OUT_DIR").ok_or("OUT_DIR is not set: run through cargo")?;
    actogram_tl_gen::generate(Path::new("schema"), Path::new(&out))
}

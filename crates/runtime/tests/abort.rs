//! Programs built with `panic = "abort"` are told at start that supervision is off.
#![allow(clippy::unwrap_used)]

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// Where cargo puts what it builds; the other build gets a folder inside.
fn target() -> PathBuf {
    let test = env::current_exe().unwrap();
    test.ancestors()
        .find(|folder| folder.join("CACHEDIR.TAG").exists())
        .unwrap_or(Path::new(env!("CARGO_TARGET_TMPDIR")))
        .to_owned()
}

/// Builds the example with `panic = "abort"` and runs it.
fn aborting_example() -> Output {
    Command::new(env!("CARGO"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["run", "--quiet", "--offline", "--example", "supervised"])
        .args(["--config", "profile.dev.panic=\"abort\""])
        // Nothing of it runs for long: what counts is to have it built soon.
        .args(["--config", "profile.dev.debug=false"])
        .args(["--config", "profile.dev.package.\"*\".opt-level=0"])
        .arg("--target-dir")
        .arg(target().join("panic-abort"))
        .env_remove("RUST_LOG")
        .output()
        .unwrap()
}

#[test]
fn p15_a_program_that_aborts_on_panic_is_told_at_start() {
    let output = aborting_example();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        said.contains("panic = \"abort\": supervision is off"),
        "{output:?}"
    );
    assert!(said.contains("effective: false"), "{output:?}");
    // And so it is.
    assert!(said.contains("12 / 4 = Ok(3)"), "{output:?}");
    assert!(!said.contains("12 / 0"), "{output:?}");
    assert!(!output.status.success(), "{output:?}");
    // This very program is built the usual way.
    assert!(actogram_runtime::supervision_is_effective());
}

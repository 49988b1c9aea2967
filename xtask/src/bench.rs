//! `cargo xtask bench`: all benches, in release.

use crate::{command, root};

/// Runs them one after the other, so that none disturbs another; last, the same work done by other libraries, and how that
/// stands to the bars.
pub(crate) fn run() -> Result<(), String> {
    command::run(
        &root(),
        "cargo",
        &["bench", "--workspace", "--all-features", "--benches"],
        &[],
    )?;
    peers(&[])
}

/// Only what has bars; one that is missed is an error.
pub(crate) fn check() -> Result<(), String> {
    peers(&["--", "--check"])
}

fn peers(arguments: &[&str]) -> Result<(), String> {
    let arguments = [&["run", "--release"], arguments].concat();
    // A workspace of its own.
    command::run(&root().join("benches/peers"), "cargo", &arguments, &[])
}

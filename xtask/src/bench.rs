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
    side_by_side(&[])
}

/// Only what has bars; one that is missed is an error.
pub(crate) fn check() -> Result<(), String> {
    side_by_side(&["--", "--check"])
}

/// What is measured beside other libraries, each in a workspace of its own. All are run before a missed bar is reported.
fn side_by_side(arguments: &[&str]) -> Result<(), String> {
    let arguments = [&["run", "--release"], arguments].concat();
    let openssl = command::ensure(
        "pkg-config",
        &["--exists", "openssl"],
        &["pkg-config", "libssl-dev"],
    );
    let ciphers = openssl.and_then(|()| run_in("benches/ciphers", &arguments));
    let peers = run_in("benches/peers", &arguments);
    ciphers.and(peers)
}

fn run_in(workspace: &str, arguments: &[&str]) -> Result<(), String> {
    command::run(&root().join(workspace), "cargo", arguments, &[])
}

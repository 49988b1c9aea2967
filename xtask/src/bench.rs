//! `cargo xtask bench`: all benches, in release.

use crate::{command, root};

/// Runs them one after the other, so that none disturbs another.
pub(crate) fn run() -> Result<(), String> {
    command::run(
        &root(),
        "cargo",
        &["bench", "--workspace", "--all-features", "--benches"],
        &[],
    )
}

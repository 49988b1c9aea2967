//! Tasks of this repository.
//!
//! * `cargo xtask test [--long]`: installs what the tests need, runs them all, and lists what could not run and why;
//! * `cargo xtask tidy`: the rules of the house that no compiler knows;
//! * `cargo xtask schema`: imports the facts of Telegram's interface anew;
//! * `cargo xtask peers [--write | NAME…]`: the same work done by our client and by those of others, beside each other; with
//!   `--write` the table goes into README.md, with names only these clients are measured;
//! * `cargo xtask bench [--check]`: runs the benches; with `--check` those that have bars, and fails if one is missed.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a task talks to its terminal"
)]

mod bench;
mod command;
mod foreign;
mod peers;
mod schema;
mod test;
mod tidy;

use std::{path::PathBuf, process::ExitCode};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["test"] => test::run(false),
        ["test", "--long"] => test::run(true),
        ["tidy"] => tidy::run(),
        ["schema"] => schema::run(),
        ["bench"] => bench::run(),
        ["bench", "--check"] => bench::check(),
        ["peers", "--write"] => peers::run(&[], true),
        ["peers", names @ ..] => peers::run(names, false),
        _ => Err(
            "usage: cargo xtask test [--long] | tidy | schema | bench [--check] | peers [--write | NAME…]"
                .to_owned(),
        ),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The root of the repository.
fn root() -> PathBuf {
    let mut root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    root.pop();
    root
}

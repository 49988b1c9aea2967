//! One file per subcommand.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line talks to its terminal"
)]

pub(crate) mod account;
pub(crate) mod datacenter;
pub(crate) mod demo;
pub(crate) mod files;
pub(crate) mod top;
#[cfg(unix)]
mod tree;

/// What a subcommand ends with.
pub(crate) type Outcome = Result<(), Box<dyn std::error::Error>>;

/// Says what went wrong, with its causes.
pub(crate) fn say_error(error: &dyn std::error::Error) {
    eprintln!("error: {error}");
    let mut source = error.source();
    while let Some(cause) = source {
        eprintln!("  because: {cause}");
        source = cause.source();
    }
}

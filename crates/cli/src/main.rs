//! The command line of actogram.
fn main() {}

//! Supervised actors and loops on actix: restarts on the same address, control before data, combinators.
//!
//! This crate knows actix and nothing else of the project: any actix program can use it alone. It needs a tokio runtime with
//! a `LocalSet` or an actix arbiter, no actix `System`, and takes time from `tokio::time` only, so that all of it runs under
//! paused time.
//!
//! - [`supervision`]: actors that survive their failures, groups of them, what can be seen of them.
//! - [`loops`]: background loops with pause, resume, signals and a name.
//! - [`Failures`]: where errors go that nobody awaits.

mod failures;
pub mod loops;
pub mod supervision;

pub use failures::{Escalation, Failure, Failures};
pub use loops::*;
pub use supervision::*;

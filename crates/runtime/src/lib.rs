//! Supervised actors and loops on actix: restarts on the same address, control before data, combinators.
//!
//! This crate knows actix and nothing else of the project: any actix program can use it alone. It needs a tokio runtime with
//! a `LocalSet` or an actix arbiter, no actix `System`, and takes time from `tokio::time` only, so that all of it runs under
//! paused time.
//!
//! - [`supervision`]: actors that survive their failures, groups of them, what can be seen of them.
//! - [`loops`]: background loops with pause, resume, signals and a name.
//! - [`combine`]: futures combined: `all`, `any`, `some`, `first`, `timeout`, `timeout_opt`, `sleep`.
//! - [`call_fork`], [`call_fork_defer`], [`detach`]: strands that run beside.
//! - [`watchdog`]: who blocks a thread is named.
//! - [`Failures`]: where errors go that nobody awaits.

pub mod combine;
mod failures;
mod fork;
pub mod loops;
pub mod supervision;
pub mod watchdog;

pub use combine::{
    CombineError, Keyed, Reasons, Settled, TimeoutError, all, any, first, sleep, some, timeout,
    timeout_opt,
};
pub use failures::{Escalation, Failure, Failures};
pub use fork::{Strand, call_fork, call_fork_defer, call_fork_on, detach};
pub use loops::*;
pub use supervision::*;
pub use watchdog::{Blocked, Watchdog};

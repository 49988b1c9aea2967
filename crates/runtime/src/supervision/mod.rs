//! Supervised actors: restarts on the same address, control before data, groups, escalation.
//!
//! [`supervise`] starts an actor on [`SupervisedContext`]; [`supervise_plain`] one on `actix::Context`;
//! [`Supervisor`] groups them into a tree. What counts as a failure, and what follows, is said in the words of OTP:
//! [`RestartPolicy`], [`SupervisionStrategy`], [`RestartIntensity`], [`Backoff`], [`ExitReason`].
//!
//! # What survives a failure
//! - A panic in a handler, a spawned future, a timer, `started`, `stopping`, `stopped`, the factory, or the drop of the old
//!   value or of a message: the present life ends, the `Addr` and the queued messages stay, the next life begins after the
//!   back-off with a fresh value. The message being handled is lost: its sender gets `MailboxError::Closed`.
//! - Reply senders kept in the old value are dropped with it at once, so everyone who waited for one learns of it.
//! - A future that a handler returned as `ResponseFuture` is a task of its own in actix; it neither dies with the actor nor
//!   hurts it.
//!
//! # What does not
//! - `panic = "abort"`, a stack overflow, running out of memory: the process ends. [`supervision_is_effective`] tells, and a
//!   warning is logged at the first start.
//! - A handler that blocks its thread cannot be interrupted by anyone.
//! - A panic while a value is being dropped **during the unwinding of another panic of the same value** (a field's destructor
//!   panics because a method of it did) aborts the process; that is Rust's rule. A panic in `stopped` does not: it is never
//!   called while unwinding.

mod context;
mod controls;
pub(crate) mod driver;
mod group;
mod items;
mod keeper;
pub(crate) mod link;
mod plain;
pub(crate) mod policy;
mod queues;
mod snapshot;
mod supervise;

pub use context::{BodyError, Control, ControlMessage, SupervisedContext};
pub use driver::DATA_BUDGET;
pub use group::{Supervisor, SupervisorBuilder, SupervisorPanicked};
pub use link::{ChildHandle, ChildState, Events, Lifecycle, LifecycleEvent};
pub use plain::{SupervisePlain, supervise_plain};
pub use policy::{
    Backoff, ExitReason, RestartIntensity, RestartPolicy, RestartsExhausted, SharedError,
    SupervisionStrategy, supervision_is_effective,
};
pub use snapshot::{MessageStats, Snapshot, SnapshotNode, time_one_message_in};
pub use supervise::{Child, MakeFactory, Supervise, supervise, supervise_made, try_supervise};

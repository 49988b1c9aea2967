//! Background loops as actors: started, paused, resumed, signalled and stopped from anywhere, restarted when they fail.
//!
//! Implement [`Loop`] or [`SignalLoop`], or make a [`GenericLoop`] or [`PeriodicLoop`] of a closure; hand it to [`loop_of`],
//! [`loop_with`] or [`loop_once`]; talk to it through its [`LoopHandle`] or with actix messages ([`Start`], [`Stop`],
//! [`Pause`], [`Resume`], [`Signal`], [`SignalError`], [`Status`]) to its address.
//!
//! ```
//! # use actogram_runtime::*; use std::{time::Duration, sync::{Arc, atomic::{AtomicU32, Ordering::Relaxed}}};
//! # tokio::task::LocalSet::new().block_on(&tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap(), async {
//! let count = Arc::new(AtomicU32::new(0));
//! let counted = Arc::clone(&count);
//! let hello = loop_once(
//!     GenericLoop::new("hello", async move |_cx: &mut LoopCx<bool>| {
//!         counted.fetch_add(1, Relaxed);
//!         Ok(2.0)                                        // again in two seconds
//!     }),
//!     (),
//! )
//! .spawn();
//! tokio::time::sleep(Duration::from_secs(5)).await;
//! assert_eq!(count.load(Relaxed), 3);
//! assert_eq!(hello.stop().await, Ok(true));
//! # });
//! ```
//!
//! # Three differences from the loops of MadelineProto
//! 1. A signal sent while nobody waits is kept (bounded) for the next `wait_signal`, and its sender is told what became of it:
//!    [`SignalOutcome`].
//! 2. A pause that is over is [`Waited::Done`], never confused with a signal of value 0.
//! 3. The default policy is `Transient`: a normal end is final, an error or panic restarts with back-off, beyond the intensity
//!    it surfaces in [`Failures`](crate::Failures). `Temporary` is the older behaviour: the loop dies, the error surfaces, it
//!    can be started again. `stop` is final until `start`.

mod actor;
mod cx;
mod flow;
mod handle;
mod kinds;
mod registry;

pub use actor::{
    LoopActor, LoopReply, Pause, Resume, Signal, SignalError, Start, Status, Stop, UntilEnded,
    UntilPaused,
};
pub use cx::{LoopCx, LoopStatus, Nap, SignalOutcome, Waited};
pub use flow::{BadSeconds, Flow, IntoDone, IntoFlow, IntoPause, LoopError};
pub use handle::{
    Ack, LoopBuilder, LoopGone, LoopHandle, SIGNAL_CAPACITY, loop_of, loop_once, loop_with,
};
pub use kinds::{GenericLoop, Loop, NoSignal, PeriodicLoop, SignalLoop};
pub use registry::{AnyLoop, LoopRegistry, RegistryError};

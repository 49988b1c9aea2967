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
//! # Which kind
//! | | the body | signals | for |
//! |---|---|---|---|
//! | [`GenericLoop`] | a closure, again and again; says when next | `true` stops it, `false` runs it now | most things |
//! | [`PeriodicLoop`] | a closure, once per period, until it says it is done | the same | what is due every so often |
//! | [`Loop`] | a method, once per start | none | a body with pauses of its own |
//! | [`SignalLoop`] | a method, once per start | of a type of yours | what is told things from outside |
//!
//! # By name, by address, by message
//! A handle is not the only way to a loop. Its address is that of an actor, a [`LoopRegistry`] knows it by its name, and a
//! `Recipient<Signal<S>>` hides which loop it is.
//!
//! ```
//! # use actogram_runtime::*; use std::time::Duration;
//! # tokio::task::LocalSet::new().block_on(&tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap(), async {
//! let registry = LoopRegistry::default();
//! let mut left = 10;
//! let countdown = PeriodicLoop::new("countdown", Some(Duration::from_secs(60)), async move |_: &mut LoopCx<bool>| {
//!     left -= 1;
//!     left == 0                                          // whether it is done
//! });
//! let handle = loop_once(countdown, ()).register_in(&registry).spawn();
//! handle.until_paused().await.unwrap();
//! assert_eq!(handle.status().iterations, 1);             // the first is at once
//!
//! // By message: false runs it now.
//! assert_eq!(handle.addr().send(Signal(false)).await.unwrap(), SignalOutcome::Delivered);
//! tokio::time::sleep(Duration::from_secs(1)).await;
//! assert_eq!(handle.addr().send(Status).await.unwrap().iterations, 2);
//!
//! // By name: held for an hour, in which nothing happens.
//! let named = registry.get("countdown").unwrap();
//! assert_eq!(named.pause().await, Ok(true));
//! tokio::time::sleep(Duration::from_secs(3600)).await;
//! assert_eq!(named.status().iterations, 2);
//! assert_eq!(named.resume().await, Ok(true));
//!
//! // A misspelled name is told what there is; signals of another type are refused.
//! let unknown = registry.get("count").map(drop).unwrap_err();
//! assert_eq!(unknown.to_string(), "there is no loop named `count`; known: countdown");
//! assert!(registry.signals::<String>("countdown").is_err());
//!
//! handle.until_ended().await.unwrap();                   // eight minutes later
//! assert_eq!(handle.status().iterations, 10);
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

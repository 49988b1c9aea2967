//! Pages to read: how things are done, and why.
//!
//! - [`cookbook`]: one program per task; inside other programs; tests of your own bot.
//! - [`loops`]: background work that is paused, resumed, signalled and stopped from anywhere.
//! - [`combining`]: several calls at once; who is waited for, who goes on.
//! - [`forks`]: strands beside each other, and where their errors go.
//! - [`supervision`]: what a failure costs, and what starts again.
//! - [`coming_from_madelineproto`]: what programs written for MadelineProto say, and how it is said here.

// Their code runs against a datacenter of the feature `local`.
#[cfg_attr(any(not(doctest), feature = "local"), doc = include_str!("../docs/cookbook.md"))]
pub mod cookbook {}

#[cfg_attr(any(not(doctest), feature = "local"), doc = include_str!("../docs/loops.md"))]
pub mod loops {}

#[cfg_attr(any(not(doctest), feature = "local"), doc = include_str!("../docs/combining.md"))]
pub mod combining {}

#[cfg_attr(any(not(doctest), feature = "local"), doc = include_str!("../docs/forks.md"))]
pub mod forks {}

#[cfg_attr(any(not(doctest), feature = "local"), doc = include_str!("../docs/supervision.md"))]
pub mod supervision {}

#[cfg_attr(any(not(doctest), feature = "local"), doc = include_str!("../docs/coming-from-madelineproto.md"))]
pub mod coming_from_madelineproto {}

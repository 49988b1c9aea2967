//! The actors of an account: calls, connections, keys, updates.
//!
//! An [`Engine`] owns threads; [`Engine::open`] starts the actors of one account on one of them and gives an
//! [`Account`], which makes calls and hands updates to an [`UpdateSink`].
//!
//! # Who does what
//! - [`ApiActor`] takes calls, sleeps through flood waits, tries again what may be tried again;
//! - [`ConnectionActor`](datacenter::ConnectionActor) owns the session with the datacenter and every call in it,
//!   whatever happens to sockets;
//! - [`DatacenterActor`](datacenter::DatacenterActor) opens sockets, within limits, and keeps the auth key;
//! - [`AuthKeyActor`](datacenter::AuthKeyActor) creates that key;
//! - [`UpdatesActor`](sequencer::UpdatesActor) puts updates in order, remembers peers, and stores how far they were
//!   handled;
//! - a [transfer](transfers) is an actor of its own, and so is each channel in which something happens;
//! - other datacenters, and connections for files, each have the first four of these for themselves (`satellites.rs`).
//!
//! All of them are supervised: a panic in one costs what it was doing and no more, and every call still ends exactly
//! once.

mod account;
mod activity;
pub mod api;
pub mod channels;
mod clock;
mod config;
mod connector;
mod crypto_pool;
pub mod datacenter;
mod engine;
mod entities;
mod error;
mod events;
mod init;
mod satellites;
pub mod sequencer;
mod shared;
pub mod transfers;
pub mod updates;

pub use account::Account;
pub use api::{Answering, ApiActor, CallPolicy, InvokeRaw, Place, Rate, Rates, Wrapper};
pub use clock::{Clock, SystemClock};
pub use config::{AccountConfig, CatchUp, ConnectLimits, DatacenterAddress, Limits};
pub use connector::{Connecting, Connector, Io, NetworkConnector};
pub use engine::{Engine, EngineBuilder, OpenError};
pub use error::{CallError, CallErrorClass};
pub use events::{AccountEvent, ShutdownReport, ShutdownStep, StopReason};
pub use init::InitConnection;
pub use updates::{DedupeId, DeliveredUpdate, Done, UpdateSink};

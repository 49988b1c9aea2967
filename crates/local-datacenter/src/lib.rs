//! A strict MTProto datacenter for one machine: accounts, chats, updates, and faults on demand.

mod datacenter;
pub mod model;
mod network;
pub mod operator;
pub mod rpc;
pub mod storage;

pub use actogram_mtproto::session::server::Strictness;
pub use datacenter::{Builder, LocalDatacenter, Lost, StartError};
pub use network::{Attack, Attacks, Clock, Direction, GzipAttack, When, WireFault, WireFaults};

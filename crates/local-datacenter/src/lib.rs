//! A strict MTProto datacenter for one machine: accounts, chats, updates, and faults on demand.

mod datacenter;
pub mod model;
mod network;
pub mod operator;
pub mod rpc;
pub mod storage;

pub use datacenter::{Builder, LocalDatacenter, StartError};
pub use network::{Clock, Direction, WireFault, WireFaults};

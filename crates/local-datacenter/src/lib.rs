//! A strict MTProto datacenter for one machine: accounts, chats, updates, and faults on demand.

pub mod model;
pub mod operator;
pub mod rpc;
pub mod storage;

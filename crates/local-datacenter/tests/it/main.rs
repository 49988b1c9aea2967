//! One program for the tests that can share one: each of its own would link everything again.

#[path = "../channel_support/mod.rs"]
mod channel_support;
mod network_attacks;
mod network_cdn;
mod network_connections;
mod network_datacenters;
mod network_keys;
mod network_on_the_way;
mod network_state;
#[path = "../network_support/mod.rs"]
mod network_support;
mod network_virtual_time;
mod rpc_bots;
mod rpc_cdn;
mod rpc_channel_difference;
mod rpc_channels;
mod rpc_datacenters;
mod rpc_documents;
mod rpc_files;
mod rpc_gates;
mod rpc_groups;
mod rpc_hostile;
mod rpc_invites;
mod rpc_login;
mod rpc_logins_brought;
mod rpc_messages;
mod rpc_operator;
mod rpc_pins;
mod rpc_profiles;
mod rpc_reactions;
mod rpc_revocations;
mod rpc_storage;
#[path = "../rpc_support/mod.rs"]
mod rpc_support;
mod rpc_update_faults;
mod rpc_updates;

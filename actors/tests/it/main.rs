//! One program for the tests that can share one: each of its own would link everything again.

mod account;
mod addresses;
mod catch_up;
mod channels;
mod chat_histories;
mod faults;
mod flood_waits;
mod former_login;
mod forward_secrecy;
mod large_messages;
mod queue_deaths;
mod rates;
mod refusals;
mod size;
mod slow_line;
#[path = "../support/mod.rs"]
mod support;
mod transfers;
mod unknown_constructors;
mod updates_bounds;
mod updates_stream;

//! The key exchange under faults: whatever befalls a connection, the client gets in, with one key.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::time::Duration;

use crate::support::{
    accounts::{call, config, open, stored_keys},
    datacenter, events_so_far,
    lanes::{both_ways, in_lanes},
};
use actogram::tl::functions::help::GetConfig;
use actogram_actors::AccountEvent;
use actogram_local_datacenter::WireFault;
use actogram_store::Store;

/// Opens an account for each fault, whose first connection suffers it. Gives how many faults cost a connection.
async fn exchanges_under(faults: Vec<WireFault>) -> usize {
    let datacenter = datacenter().await;
    let mut felt = 0;
    for fault in faults {
        datacenter.faults().order(fault.clone());
        let store = Store::memory();
        let account = open(config(&datacenter, "one", &store)).await;
        let mut events = account.events();
        call(&account, &GetConfig).await.unwrap_or_else(|error| {
            panic!("{fault:?}: {error}");
        });
        assert_eq!(datacenter.faults().pending(), 0, "{fault:?} befell nobody");
        let keys = stored_keys(&store, "one").await;
        assert_eq!(keys.len(), 1, "{fault:?}: one key is stored");
        assert!(
            datacenter
                .operator()
                .inspect(|world| world.key(keys[0]).is_some()),
            "{fault:?}: it is the one that the datacenter knows"
        );
        let failed = |event: &AccountEvent| matches!(event, AccountEvent::ConnectFailed { .. });
        felt += usize::from(!events_so_far(&mut events, failed).is_empty());
        account.shutdown(Duration::from_secs(5)).await;
    }
    datacenter.shutdown().await;
    felt
}

async fn sweep(lanes: usize, faults: Vec<WireFault>) -> usize {
    in_lanes(lanes, faults, exchanges_under).await.iter().sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r1_a_key_exchange_cut_after_any_message_ends_in_one_key() {
    let faults = both_ways(0..3, |direction, payloads| WireFault::CutAfterPayloads {
        direction,
        payloads,
    });
    let felt = sweep(faults.len(), faults).await;
    assert!(felt >= 4, "{felt} of 6 cost an attempt");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r1_a_key_exchange_cut_at_any_byte_ends_in_one_key() {
    // The exchange takes more than 800 bytes in either direction.
    let faults = both_ways((0..800).step_by(7), |direction, bytes| {
        WireFault::CutAfter { direction, bytes }
    });
    let count = faults.len();
    let felt = sweep(8, faults).await;
    // An attempt may fail before anybody listens to the account's events.
    assert!(felt * 10 >= count * 9, "{felt} of {count} cost an attempt");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r1_the_twin_without_a_fault_takes_one_attempt() {
    let late = both_ways([1_000_000], |direction, bytes| WireFault::CutAfter {
        direction,
        bytes,
    });
    assert_eq!(sweep(1, late).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r13_a_corrupt_byte_anywhere_in_a_key_exchange_costs_an_attempt() {
    // Within the first eight bytes lies noise.
    let faults = both_ways((8..800).step_by(23), |direction, offset| {
        WireFault::Corrupt { direction, offset }
    });
    let count = faults.len();
    let felt = sweep(16, faults).await;
    println!("{felt} of {count} corrupt bytes cost an attempt");
    // Padding and the ids of unencrypted messages are not looked at.
    assert!(felt * 10 >= count * 8, "{felt} of {count}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r10_a_key_exchange_that_falls_silent_is_begun_again() {
    let faults = both_ways([0, 100, 500], |direction, bytes| WireFault::BlackHole {
        direction,
        bytes,
    });
    let count = faults.len();
    assert_eq!(sweep(count, faults).await, count);
}

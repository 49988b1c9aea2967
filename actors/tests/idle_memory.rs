//! What an idle account takes, with and without channels. Counts of the allocator, so they are the same on every machine.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod support;

use std::time::Duration;

use actogram_actors::Account;
use actogram_store::{ChannelPosition, Store, Write};
use support::World;
use tokio::task::LocalSet;

/// Bytes that stay allocated for an account that follows this many quiet channels: its actors, its connection, the
/// datacenter's end of it, and the store in memory.
fn idle(channels: i64) -> i64 {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    let local = LocalSet::new();
    let (world, store) = local.block_on(&runtime, async {
        let world = World::new().await;
        let bot = world.bot("idle_bot").await;
        bot.account.shutdown(Duration::from_secs(5)).await;
        drop(bot.account);
        tokio::time::sleep(Duration::from_secs(60)).await;
        (world, bot.store)
    });
    let mut kept: Option<Account> = None;
    let measured = allocation_counter::measure(|| {
        kept = Some(local.block_on(&runtime, open(&world, &store, channels)));
    });
    local.block_on(&runtime, async {
        kept.unwrap().shutdown(Duration::from_secs(5)).await;
    });
    measured.bytes_current
}

async fn open(world: &World, store: &Store, channels: i64) -> Account {
    let writes = store.account("idle_bot");
    for channel in 0..channels {
        writes.write(Write::ChannelPosition(ChannelPosition {
            channel_id: 1_000_000_000 + channel,
            pts: 7,
            behind: false,
        }));
    }
    let account = world.open("idle_bot", store).await;
    account.set_update_sink(std::sync::Arc::new(drop));
    account.start_updates().await.unwrap();
    tokio::time::sleep(Duration::from_secs(120)).await;
    account
}

#[test]
fn an_idle_account_is_small_and_a_quiet_channel_is_a_line_in_a_table() {
    let alone = idle(0);
    let few = idle(100);
    let many = idle(5_000);
    println!("{alone} B alone, {few} B with 100 channels, {many} B with 5,000");
    assert!(alone < 96 * 1024, "{alone} B");
    let each = (many - alone) / 5_000;
    assert!(each < 96, "{each} B for each channel");
}

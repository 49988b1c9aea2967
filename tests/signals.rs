//! SIGTERM ends a program in order, a second one at once. One test: signals are of the whole process.
#![cfg(unix)]
#![allow(clippy::unwrap_used)]

mod support;

use actogram::{AccountEvent, ShutdownStep, prelude::*};
use support::{HANG, bot, datacenter, event, events_so_far};

fn terminate() {
    let pid = std::process::id().to_string();
    let sent = std::process::Command::new("kill")
        .args(["-TERM", &pid])
        .status();
    assert!(sent.unwrap().success());
}

fn is_step(event: &AccountEvent) -> bool {
    matches!(event, AccountEvent::ShuttingDown(_))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signal_ends_a_program_in_order_and_a_second_one_at_once() {
    let datacenter = datacenter().await;
    // Asked to stop, it stops, step by step.
    let (client, _) = bot(&datacenter, "polite_bot").await;
    let mut events = client.events();
    let (ready, started) = tokio::sync::oneshot::channel();
    let running = tokio::spawn(client.run_until(async move {
        ready.send(()).unwrap();
        std::future::pending::<Result<()>>().await
    }));
    started.await.unwrap();
    terminate();
    let ended = tokio::time::timeout(HANG, running).await.unwrap().unwrap();
    assert!(matches!(ended, Ok(None)));
    let steps = events_so_far(&mut events, is_step);
    assert_eq!(
        steps.last(),
        Some(&AccountEvent::ShuttingDown(ShutdownStep::Stored))
    );

    // One with a loop that does not stop waits for it, until it is asked again.
    let (client, _) = bot(&datacenter, "busy_bot").await;
    let mut events = client.events();
    let (ready, started) = tokio::sync::oneshot::channel();
    let mut ready = Some(ready);
    client.generic_loop("deaf", async move |_: &mut LoopCx| {
        if let Some(ready) = ready.take() {
            ready.send(()).unwrap();
        }
        std::future::pending::<()>().await;
    });
    let running = tokio::spawn(client.run());
    started.await.unwrap();
    terminate();
    event(&mut events, is_step).await;
    terminate();
    let ended = tokio::time::timeout(HANG, running).await.unwrap().unwrap();
    assert!(ended.is_ok());
    // It went no further in order: neither the loop nor the deadline was waited for.
    assert_eq!(events_so_far(&mut events, is_step), []);
}

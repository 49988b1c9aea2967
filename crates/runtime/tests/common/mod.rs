//! What the tests of this crate share.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use std::{future::Future, sync::Once, time::Duration};

use actogram_runtime::Backoff;

/// Runs a test as a task on a `LocalSet` under paused time, without a `System`.
pub fn virtual_time<T: 'static>(test: impl Future<Output = T> + 'static) -> T {
    quiet_panics();
    actogram_runtime::time_one_message_in(1);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, async {
        // A task like the others, so that each of its yields lets every other task have one turn.
        match tokio::task::spawn_local(test).await {
            Ok(value) => value,
            Err(died) => std::panic::resume_unwind(died.into_panic()),
        }
    })
}

/// Panics raised on purpose start with "deliberate"; they would only clutter the output.
fn quiet_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let shown = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let payload = info.payload();
            let text = payload
                .downcast_ref::<&str>()
                .copied()
                .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
                .unwrap_or_default();
            if !text.starts_with("deliberate") {
                shown(info);
            }
        }));
    });
}

/// Lets everything run that can run without time passing.
pub async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

/// Lets each other task that can run have its turn. (`yield_now` also waits for the runtime to look at its timers.)
pub async fn next_turn() {
    let mut yielded = false;
    std::future::poll_fn(|task| {
        if std::mem::replace(&mut yielded, true) {
            return std::task::Poll::Ready(());
        }
        task.waker().wake_by_ref();
        std::task::Poll::Pending
    })
    .await;
}

pub const MS: Duration = Duration::from_millis(1);

/// 100 ms doubling to 1 s without jitter.
pub fn steady() -> Backoff {
    Backoff {
        initial: 100 * MS,
        max: 1000 * MS,
        jitter: 0.0,
        ..Backoff::default()
    }
}

/// Spawns onto a `LocalSet` that nobody runs: what is spawned exists but never gets a turn.
pub fn never_polled<T>(spawn: impl FnOnce() -> T) -> (T, tokio::task::LocalSet) {
    let idle = tokio::task::LocalSet::new();
    let made = {
        let _entered = idle.enter();
        spawn()
    };
    (made, idle)
}

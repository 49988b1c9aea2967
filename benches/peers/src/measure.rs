//! What all peers measure alike.

use std::{cell::Cell, fs, future::Future, time::Instant};

use allocation_counter::AllocationInfo;
use serde::{Deserialize, Serialize};
use tokio::{runtime::Builder, task::LocalSet};

/// One measurement, per operation or per loop.
#[derive(Serialize, Deserialize)]
pub struct Figure {
    pub ns: f64,
    /// Bytes that stay allocated; 0 if the work allocates nothing that stays.
    pub bytes: f64,
    /// Growth of the resident set.
    pub rss: f64,
}

pub const LOOPS: usize = 100_000;
pub const HOUR: std::time::Duration = std::time::Duration::from_secs(3600);
pub const BARRIER: usize = 1024;

/// Runs on one thread, as an arbiter does.
pub fn on_one_thread<T: 'static>(work: impl Future<Output = T> + 'static) -> T {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, async {
        tokio::task::spawn_local(work).await.unwrap()
    })
}

fn resident() -> f64 {
    let statm = fs::read_to_string("/proc/self/statm").unwrap();
    let pages: f64 = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096.0
}

thread_local! {
    static ARRIVED: Cell<usize> = const { Cell::new(0) };
}

/// A loop has come to its pause.
pub fn arrived() {
    ARRIVED.with(|n| n.set(n.get() + 1));
}

pub async fn all_arrived(wanted: usize) {
    while ARRIVED.with(Cell::get) < wanted {
        tokio::task::yield_now().await;
    }
}

/// Makes [`LOOPS`] of something and measures until all have [`arrived`]. Bytes are the most that was allocated at one time.
pub fn many<T: 'static, F>(make: fn() -> F) -> Figure
where
    F: Future<Output = Vec<T>> + 'static,
{
    let mut figure = Figure {
        ns: 0.0,
        bytes: 0.0,
        rss: 0.0,
    };
    let info: AllocationInfo = allocation_counter::measure(|| {
        figure = on_one_thread(async move {
            let before = resident();
            let from = Instant::now();
            let made = make().await;
            all_arrived(LOOPS).await;
            let ns = from.elapsed().as_nanos() as f64 / LOOPS as f64;
            let rss = (resident() - before) / LOOPS as f64;
            drop(made);
            Figure {
                ns,
                bytes: 0.0,
                rss,
            }
        });
    });
    figure.bytes = info.bytes_max as f64 / LOOPS as f64;
    figure
}

/// Runs an operation many times after a short warm-up.
pub async fn each(times: usize, mut operation: impl AsyncFnMut(usize)) -> Figure {
    for n in 0..times / 10 + 1 {
        operation(n).await;
    }
    let from = Instant::now();
    for n in 0..times {
        operation(n).await;
    }
    Figure {
        ns: from.elapsed().as_nanos() as f64 / times as f64,
        bytes: 0.0,
        rss: 0.0,
    }
}

/// As [`each`], where one operation is `size` of them.
pub async fn each_of(size: usize, times: usize, operation: impl AsyncFnMut(usize)) -> Figure {
    let mut figure = each(times / size, operation).await;
    figure.ns /= size as f64;
    figure
}

//! Many cases side by side: most of their time is spent waiting.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "each test uses a part of it"
)]

use std::future::Future;

use actogram_local_datacenter::{Direction, WireFault};
use tokio::task::JoinSet;

pub const DIRECTIONS: [Direction; 2] = [Direction::ToServer, Direction::ToClient];

/// Deals the cases out to so many lanes, which run side by side, and gives what they came to.
pub async fn in_lanes<T, R, F>(lanes: usize, cases: Vec<T>, lane: impl Fn(Vec<T>) -> F) -> Vec<R>
where
    R: Send + 'static,
    F: Future<Output = R> + Send + 'static,
{
    let mut dealt: Vec<Vec<T>> = std::iter::repeat_with(Vec::new).take(lanes).collect();
    for (place, case) in cases.into_iter().enumerate() {
        dealt[place % lanes].push(case);
    }
    let mut running = JoinSet::new();
    for cases in dealt.into_iter().filter(|cases| !cases.is_empty()) {
        running.spawn(lane(cases));
    }
    let mut results = Vec::new();
    while let Some(result) = running.join_next().await {
        match result {
            Ok(result) => results.push(result),
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
    results
}

/// One fault for each of these places in each direction.
pub fn both_ways(
    places: impl IntoIterator<Item = u64> + Clone,
    fault: impl Fn(Direction, u64) -> WireFault,
) -> Vec<WireFault> {
    DIRECTIONS
        .into_iter()
        .flat_map(|direction| {
            places
                .clone()
                .into_iter()
                .map(move |place| (direction, place))
        })
        .map(|(direction, place)| fault(direction, place))
        .collect()
}

//! Which way next: the order asked for, what worked, and what failed lately.

use std::time::Duration;

use tokio::time::Instant;

use crate::{
    error::Route,
    proxy::{Proxy, ProxyOrder},
};

/// The pause of a way after its first failure, and the longest. It doubles with every failure in a row.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// For how long the way that worked goes before the order asked for.
const REMEMBERED: Duration = Duration::from_secs(600);

/// The ways to a host, and how each fared.
///
/// ```text
///                    failed: pause doubled
///             ┌──────────────────────────────┐
///             ▼                              │
///  Fresh ── failed ──► Paused ── worked ──► Fresh, and remembered for ten minutes
/// ```
/// A paused way is not left out: it is tried after all others, the one whose pause ends first before the rest. So a
/// single way is always tried, and one that is back is found in the first round after it is.
#[derive(Debug, Clone)]
pub(crate) struct Routes {
    ways: Vec<Way>,
    remembered: Option<(usize, Instant)>,
}

#[derive(Debug, Clone)]
struct Way {
    route: Route,
    failures: u32,
    paused_until: Option<Instant>,
}

impl Routes {
    pub(crate) fn new(proxies: &[Proxy], order: ProxyOrder) -> Self {
        let mut routes: Vec<_> = proxies.iter().cloned().map(Route::Proxy).collect();
        match order {
            ProxyOrder::DirectFirst => routes.insert(0, Route::Direct),
            ProxyOrder::ProxyFirst => routes.push(Route::Direct),
            ProxyOrder::ProxyOnly => {}
        }
        let fresh = |route| Way {
            route,
            failures: 0,
            paused_until: None,
        };
        Self {
            ways: routes.into_iter().map(fresh).collect(),
            remembered: None,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.ways.len()
    }

    pub(crate) fn route(&self, way: usize) -> Option<&Route> {
        self.ways.get(way).map(|way| &way.route)
    }

    /// All ways, in the order in which they are to be tried now.
    pub(crate) fn plan(&self, now: Instant) -> Vec<usize> {
        let remembered = self
            .remembered
            .filter(|(_, until)| now < *until)
            .map(|(way, _)| way);
        let mut plan: Vec<usize> = (0..self.ways.len()).collect();
        // Stable: within a class the order asked for holds.
        plan.sort_by_key(|nth| {
            let paused = self.ways[*nth].paused_until.filter(|until| now < *until);
            (remembered != Some(*nth), paused)
        });
        plan
    }

    /// This way led to the host.
    pub(crate) fn worked(&mut self, way: usize, now: Instant) {
        if let Some(state) = self.ways.get_mut(way) {
            state.failures = 0;
            state.paused_until = None;
            self.remembered = Some((way, now + REMEMBERED));
        }
    }

    /// This way led to nothing.
    pub(crate) fn failed(&mut self, way: usize, now: Instant) {
        let Some(state) = self.ways.get_mut(way) else {
            return;
        };
        let pause = FIRST_PAUSE * 2_u32.pow(state.failures.min(16));
        state.failures = state.failures.saturating_add(1);
        state.paused_until = Some(now + pause.min(LONGEST_PAUSE));
        if self.remembered.is_some_and(|(other, _)| other == way) {
            self.remembered = None;
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn routes(proxies: usize, order: ProxyOrder) -> Routes {
        let proxies: Vec<Proxy> = (1..=proxies)
            .map(|nth| format!("socks5://p{nth}:1080").parse().unwrap())
            .collect();
        Routes::new(&proxies, order)
    }

    fn shown(routes: &Routes, now: Instant) -> Vec<String> {
        routes
            .plan(now)
            .into_iter()
            .map(|way| match routes.route(way).unwrap() {
                Route::Direct => "direct".to_owned(),
                Route::Proxy(proxy) => proxy.host().to_owned(),
            })
            .collect()
    }

    #[test]
    fn the_order_is_the_one_asked_for() {
        let now = Instant::now();
        let plan = |order| shown(&routes(2, order), now);
        assert_eq!(plan(ProxyOrder::DirectFirst), ["direct", "p1", "p2"]);
        assert_eq!(plan(ProxyOrder::ProxyFirst), ["p1", "p2", "direct"]);
        assert_eq!(plan(ProxyOrder::ProxyOnly), ["p1", "p2"]);
    }

    #[test]
    fn what_worked_goes_first_for_ten_minutes() {
        let now = Instant::now();
        let mut routes = routes(2, ProxyOrder::DirectFirst);
        routes.worked(2, now);
        let later = |seconds| now + Duration::from_secs(seconds);
        assert_eq!(shown(&routes, later(599)), ["p2", "direct", "p1"]);
        assert_eq!(shown(&routes, later(600)), ["direct", "p1", "p2"]);
        routes.worked(2, later(600));
        routes.failed(2, later(601));
        assert_eq!(shown(&routes, later(601)), ["direct", "p1", "p2"]);
    }

    #[test]
    fn what_failed_waits_longer_each_time_behind_what_did_not() {
        let now = Instant::now();
        let mut routes = routes(2, ProxyOrder::DirectFirst);
        let later = |seconds: f64| now + Duration::from_secs_f64(seconds);
        routes.failed(0, now);
        assert_eq!(shown(&routes, later(0.9)), ["p1", "p2", "direct"]);
        assert_eq!(shown(&routes, later(1.0)), ["direct", "p1", "p2"]);
        routes.failed(0, later(1.0));
        assert_eq!(shown(&routes, later(2.9)), ["p1", "p2", "direct"]);
        assert_eq!(shown(&routes, later(3.0)), ["direct", "p1", "p2"]);
        for _ in 0..50 {
            routes.failed(0, later(3.0));
        }
        assert_eq!(shown(&routes, later(302.9)), ["p1", "p2", "direct"]);
        assert_eq!(shown(&routes, later(303.0)), ["direct", "p1", "p2"]);
    }

    proptest! {
        /// Whatever happened: every way is in every plan once, what worked last comes first, and what is paused
        /// comes after what is not.
        #[test]
        fn no_way_is_ever_lost(
            count in 1_usize..6,
            events in prop::collection::vec((0_usize..6, any::<bool>(), 0_u64..400), 0..60),
        ) {
            let mut routes = routes(count, ProxyOrder::DirectFirst);
            let mut now = Instant::now();
            for (way, worked, seconds) in events {
                now += Duration::from_secs(seconds);
                let way = way % (count + 1);
                if worked {
                    routes.worked(way, now);
                    prop_assert_eq!(routes.plan(now)[0], way);
                } else {
                    routes.failed(way, now);
                    let plan = routes.plan(now);
                    let behind = plan.iter().skip_while(|other| **other != way).skip(1);
                    for other in behind {
                        prop_assert!(routes.ways[*other].paused_until.is_some_and(|until| now < until));
                    }
                }
                let mut plan = routes.plan(now);
                plan.sort_unstable();
                prop_assert_eq!(plan, (0..=count).collect::<Vec<_>>());
            }
        }
    }
}

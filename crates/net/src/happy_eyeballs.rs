//! Several addresses of one host: the preferred family first, the other soon after (RFC 8305, without its sorting by
//! RFC 6724).

use std::{
    future::Future,
    io,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use futures_util::stream::{FuturesUnordered, StreamExt as _};

/// How long an attempt is alone before the next begins (RFC 8305, section 8).
const HEAD_START: Duration = Duration::from_millis(250);

/// The most addresses that are tried: a name may have as many as its owner likes.
const MOST: usize = 16;

/// The addresses in the order in which they are tried: families take turns, the preferred one first, nothing twice.
pub(crate) fn order(addresses: Vec<IpAddr>, prefer_ipv6: bool) -> Vec<IpAddr> {
    let (preferred, other): (Vec<_>, Vec<_>) = addresses
        .into_iter()
        .partition(|address| address.is_ipv6() == prefer_ipv6);
    let (mut preferred, mut other) = (preferred.into_iter(), other.into_iter());
    let mut ordered = Vec::new();
    loop {
        let next = [preferred.next(), other.next()];
        if next.iter().all(Option::is_none) {
            ordered.truncate(MOST);
            return ordered;
        }
        for address in next.into_iter().flatten() {
            if !ordered.contains(&address) {
                ordered.push(address);
            }
        }
    }
}

/// Tries the addresses one after the other, the next as soon as one fails or has had its head start; the first that
/// succeeds wins, and the others are dropped.
///
/// # Errors
/// What each of them failed of, in the order in which they failed.
pub(crate) async fn race<T, F: Future<Output = io::Result<T>>>(
    addresses: &[SocketAddr],
    open: impl Fn(SocketAddr) -> F,
) -> Result<T, Vec<(SocketAddr, io::Error)>> {
    let mut waiting = addresses.iter().copied();
    let mut under_way = FuturesUnordered::new();
    let mut failed = Vec::new();
    let begin = |address: SocketAddr| {
        let opening = open(address);
        async move { opening.await.map_err(|error| (address, error)) }
    };
    under_way.extend(waiting.next().map(begin));
    loop {
        let ended = tokio::time::timeout(HEAD_START, under_way.next());
        let ended = if waiting.len() == 0 {
            Ok(under_way.next().await)
        } else {
            ended.await
        };
        match ended {
            Ok(Some(Ok(won))) => return Ok(won),
            Ok(Some(Err(error))) => failed.push(error),
            Ok(None) if waiting.len() == 0 => return Err(failed),
            Ok(None) | Err(_) => {}
        }
        under_way.extend(waiting.next().map(begin));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Mutex;

    use proptest::prelude::*;
    use tokio::time::Instant;

    use super::*;

    fn ips(texts: &[&str]) -> Vec<IpAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn families_take_turns_with_the_preferred_one_first() {
        let found = ips(&["::1", "::2", "::3", "10.0.0.1", "::1", "10.0.0.2"]);
        assert_eq!(
            order(found.clone(), false),
            ips(&["10.0.0.1", "::1", "10.0.0.2", "::2", "::3"])
        );
        assert_eq!(
            order(found, true),
            ips(&["::1", "10.0.0.1", "::2", "10.0.0.2", "::3"])
        );
        let many: Vec<IpAddr> = (0..=255)
            .map(|last| IpAddr::from([10, 0, 0, last]))
            .collect();
        assert_eq!(order(many, true).len(), MOST);
    }

    /// What an address does, and when.
    #[derive(Debug, Clone, Copy)]
    enum Fate {
        Opens(u64),
        Fails(u64),
        Hangs,
    }

    /// Races addresses of these fates; gives the outcome, how long it took, and when each attempt began.
    async fn race_of(fates: &[Fate]) -> (Result<usize, usize>, Duration, Vec<Duration>) {
        let addresses: Vec<SocketAddr> = (0..fates.len())
            .map(|nth| SocketAddr::from(([10, 0, 0, 1], u16::try_from(nth).unwrap())))
            .collect();
        let began = Instant::now();
        let begins = Mutex::new(Vec::new());
        let outcome = race(&addresses, |address| {
            begins.lock().unwrap().push(began.elapsed());
            let fate = fates[usize::from(address.port())];
            async move {
                match fate {
                    Fate::Hangs => std::future::pending().await,
                    Fate::Opens(after) => {
                        tokio::time::sleep(Duration::from_millis(after)).await;
                        Ok(usize::from(address.port()))
                    }
                    Fate::Fails(after) => {
                        tokio::time::sleep(Duration::from_millis(after)).await;
                        Err(io::Error::from(io::ErrorKind::ConnectionRefused))
                    }
                }
            }
        })
        .await
        .map_err(|failed| failed.len());
        (outcome, began.elapsed(), begins.into_inner().unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn r20_an_ipv6_black_hole_costs_a_head_start_only() {
        let (outcome, took, _) = race_of(&[Fate::Hangs, Fate::Opens(10)]).await;
        assert_eq!(outcome, Ok(1));
        assert_eq!(took, Duration::from_millis(260));
    }

    #[tokio::test(start_paused = true)]
    async fn the_next_begins_at_once_when_one_fails() {
        let fates = [Fate::Fails(0), Fate::Fails(20), Fate::Opens(5)];
        let (outcome, took, begins) = race_of(&fates).await;
        assert_eq!(outcome, Ok(2));
        assert_eq!(took, Duration::from_millis(25));
        assert_eq!(begins, [0, 0, 20].map(Duration::from_millis));
        assert_eq!(race_of(&[]).await.0, Err(0));
    }

    fn fate() -> impl Strategy<Value = Fate> {
        prop_oneof![
            (0_u64..2000).prop_map(Fate::Opens),
            (0_u64..2000).prop_map(Fate::Fails),
            Just(Fate::Hangs),
        ]
    }

    proptest! {
        /// Compared with a model that plays the rule through by hand.
        #[test]
        fn the_first_that_can_win_does(fates in prop::collection::vec(fate(), 0..8)) {
            let hopeless = !fates.iter().any(|fate| matches!(fate, Fate::Opens(_)));
            if hopeless && fates.iter().any(|fate| matches!(fate, Fate::Hangs)) {
                return Ok(());
            }
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .start_paused(true)
                .build()
                .unwrap();
            let (outcome, took, begins) = runtime.block_on(race_of(&fates));
            for pair in begins.windows(2) {
                prop_assert!(pair[1] - pair[0] <= HEAD_START);
            }
            let ends = |nth: usize| match fates[nth] {
                Fate::Opens(after) | Fate::Fails(after) => begins[nth] + Duration::from_millis(after),
                Fate::Hangs => Duration::MAX,
            };
            match outcome {
                Err(failed) => {
                    prop_assert!(hopeless);
                    prop_assert_eq!(failed, fates.len());
                }
                Ok(winner) => {
                    prop_assert_eq!(ends(winner), took);
                    for (nth, fate) in fates.iter().enumerate().take(begins.len()) {
                        if matches!(fate, Fate::Opens(_)) {
                            prop_assert!(ends(nth) >= took, "{nth} was ready before {winner}");
                        }
                    }
                }
            }
        }
    }
}

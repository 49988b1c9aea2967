//! What takes minutes, in no time: connections without sockets under a clock that is moved by hand.
#![allow(clippy::unwrap_used)]

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use crate::network_support::*;
use actogram_crypto::random::{Random, SeededRandom};
use actogram_local_datacenter::{
    Attack, Direction, LocalDatacenter, When, WireFault, model::PeerKey,
};
use actogram_mtproto::session::client::CallRequest;
use actogram_tl::{Encode, enums, functions, types};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Instant, sleep},
};

const START: Duration = Duration::from_secs(1_800_000_000);

fn me() -> functions::users::GetUsers {
    functions::users::GetUsers {
        id: vec![enums::InputUser::InputUserSelf],
    }
}

/// Generators that differ from each other and are the same in every run with the same seed.
fn randoms(seed: u64) -> Randoms {
    let used = AtomicU64::new(0);
    Box::new(move || {
        let number = used.fetch_add(1, Ordering::Relaxed);
        Box::new(SeededRandom::from_seed(
            seed.wrapping_mul(1_000_003) + number,
        )) as Box<dyn Random>
    })
}

async fn virtual_datacenter(seed: u64) -> LocalDatacenter {
    let origin = Instant::now();
    builder()
        .without_listener()
        .inline_crypto()
        .clock(move || START + origin.elapsed())
        .random(randoms(seed))
        .start()
        .await
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_says_nothing_whole_is_closed_within_a_minute() {
    let datacenter = virtual_datacenter(1).await;
    for said in [
        &b""[..],
        &[0xee; 4][..],
        &[0xee, 0xee, 0xee, 0xee, 64, 0, 0, 0, 1][..],
    ] {
        let started = Instant::now();
        let mut stream = datacenter.connect();
        stream.write_all(said).await.unwrap();
        assert_eq!(stream.read(&mut [0; 8]).await.unwrap(), 0);
        let took = started.elapsed();
        assert!(
            (Duration::from_secs(59)..Duration::from_secs(65)).contains(&took),
            "{took:?} after {said:?}"
        );
    }
    assert_eq!(datacenter.counts(), (0, 0));
}

/// R11: a client that does not read is evicted, and what waited for it was bounded.
#[tokio::test(start_paused = true)]
async fn r11_a_slow_reader_is_evicted_and_a_reading_one_is_not() {
    let datacenter = virtual_datacenter(2).await;
    let operator = datacenter.operator();
    let bot = operator.create_bot("slow_bot", "Slow").unwrap();
    let person = operator.create_user("19990000001", "Person").unwrap();
    let mut slow = Client::over(datacenter.connect(), START, randoms(20))
        .await
        .unwrap();
    slow.log_in_with(&bot.token).await;
    let mut quick = Client::over(datacenter.connect(), START, randoms(21))
        .await
        .unwrap();
    quick.log_in_with(&bot.token).await;
    let peer = || PeerKey::User(bot.id);
    // More than a stream holds, and not to be packed.
    let mut random = SeededRandom::from_seed(22);
    let mut noise = || -> String {
        let bytes: [u8; 3000] = actogram_crypto::random::array(&mut random);
        bytes
            .iter()
            .map(|byte| char::from(b' ' + byte % 90))
            .collect()
    };
    for number in 0..100 {
        operator
            .send_message(person, peer(), &format!("{number} {}", noise()))
            .unwrap();
        quick.idle(Duration::from_millis(1)).await.unwrap();
    }
    assert_eq!(datacenter.counts().0, 2);
    for _ in 0..70 {
        quick.idle(Duration::from_secs(1)).await.unwrap();
    }
    assert_eq!(quick.updates.len(), 100);
    assert_eq!(
        datacenter.counts(),
        (1, 2),
        "the slow one is cut, its session waits"
    );

    // It comes back, reads, and has missed nothing.
    slow.go_on_over(datacenter.connect());
    slow.updates.clear();
    slow.invoke(&me()).await.unwrap();
    slow.until(|client| client.updates.len() >= 100)
        .await
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_session_waits_a_quarter_of_an_hour_for_its_client() {
    let datacenter = virtual_datacenter(3).await;
    let mut client = Client::over(datacenter.connect(), START, randoms(30))
        .await
        .unwrap();
    client.log_in(&datacenter, "away_bot").await;
    for (away, sessions) in [(14 * 60, 1), (16 * 60, 0)] {
        client.disconnect();
        sleep(Duration::from_secs(away)).await;
        assert_eq!(datacenter.counts(), (0, sessions), "after {away} s");
        let begun = client.sessions_begun;
        client.go_on_over(datacenter.connect());
        client.invoke(&me()).await.unwrap();
        assert_eq!(client.sessions_begun - begun, 1 - sessions);
    }
}

/// A run repeats itself to the byte: keys, ids, paddings, faults and attacks come from the seed.
#[tokio::test(start_paused = true)]
async fn the_same_seed_gives_the_same_bytes() {
    async fn transcript(seed: u64) -> (i64, Vec<Vec<u8>>, Vec<End>) {
        let datacenter = virtual_datacenter(seed).await;
        let bot = datacenter
            .operator()
            .create_bot("seeded_bot", "Seeded")
            .unwrap();
        let mut client = Client::over(datacenter.connect(), START, randoms(seed + 1))
            .await
            .unwrap();
        client.log_in_with(&bot.token).await;
        let mut ends = Vec::new();
        for fault in 0..20 {
            datacenter
                .faults()
                .order(WireFault::from_seed(seed + fault));
            datacenter
                .attacks()
                .order(When::Answer(1), Attack::FlipKeyBit(fault as u8));
            client.go_on_over_seeded(datacenter.connect(), seed + 100 + fault);
            let call = client.start(&me());
            while let Err(end) = client.finish(call).await {
                ends.push(end);
                client.go_on_over_seeded(datacenter.connect(), seed + 200 + ends.len() as u64);
            }
        }
        let sent = client
            .sent_payloads
            .iter()
            .map(|payload| payload.to_vec())
            .collect();
        datacenter.shutdown().await;
        (client.key.id(), sent, ends)
    }
    let first = transcript(7).await;
    let again = transcript(7).await;
    assert_eq!(first.0, again.0);
    assert_eq!(first.2, again.2);
    assert_eq!(first.1.len(), again.1.len());
    assert!(first.1 == again.1, "the same payloads");
    assert!(!first.2.is_empty(), "the faults cost connections");
    assert_ne!(transcript(8).await.0, first.0);
}

/// Whatever befalls the wire, from many seeds: each call ends once, and every message is stored once.
#[tokio::test(start_paused = true)]
async fn faults_from_seeds_lose_and_repeat_no_message() {
    for seed in 0..30 {
        let datacenter = virtual_datacenter(seed).await;
        let operator = datacenter.operator();
        let bot = operator.create_bot("faulty_bot", "Faulty").unwrap();
        let person = operator.create_user("19990000001", "Person").unwrap();
        let peer = PeerKey::User(bot.id);
        operator.send_message(person, peer, "hello").unwrap();
        let mut client = Client::over(datacenter.connect(), START, randoms(seed + 1))
            .await
            .unwrap();
        client.log_in_with(&bot.token).await;
        datacenter.faults().order_from_seed(seed, 12);
        let mut calls = Vec::new();
        for number in 0..40_i64 {
            let to = actogram_tl::types::InputPeerUser {
                user_id: person,
                access_hash: 0,
            };
            let text = format!("message {number}");
            calls.push(client.start(&functions::messages::SendMessage::new(
                to.into(),
                text,
                number + 1,
            )));
            if number % 8 == 7 {
                client.go_on_over(datacenter.connect());
            }
            let _ = client.idle(Duration::from_millis(50)).await;
        }
        let mut connections = 0;
        while calls.iter().any(|call| client.outcome(*call).is_none()) {
            let end = client
                .until(|client| calls.iter().all(|call| client.outcome(*call).is_some()))
                .await;
            if end.is_err() {
                connections += 1;
                assert!(connections < 50, "seed {seed}");
                client.go_on_over(datacenter.connect());
            }
        }
        for call in &calls {
            assert!(
                matches!(client.outcome(*call), Some(Outcome::Answer(_))),
                "seed {seed}: {:?}",
                client.outcome(*call)
            );
        }
        let peer = PeerKey::User(bot.id);
        let mut stored: Vec<_> = operator
            .history(person, peer)
            .into_iter()
            .map(|message| message.text)
            .collect();
        assert_eq!(stored.remove(0), "hello");
        stored.sort_by_key(|text| {
            text.rsplit(' ')
                .next()
                .and_then(|number| number.parse::<i64>().ok())
        });
        let sent: Vec<_> = (0..40).map(|number| format!("message {number}")).collect();
        assert_eq!(stored, sent, "seed {seed}");
    }
}

/// R10: a peer that is gone without a word is found out, whichever direction fell silent, and calls go on elsewhere.
#[tokio::test(start_paused = true)]
async fn r10_a_connection_that_fell_silent_is_given_up_and_its_calls_resumed() {
    let datacenter = virtual_datacenter(5).await;
    let mut client = Client::over(datacenter.connect(), START, randoms(50))
        .await
        .unwrap();
    client.log_in(&datacenter, "silent_bot").await;
    for direction in [Direction::ToServer, Direction::ToClient] {
        datacenter.faults().order(WireFault::BlackHole {
            direction,
            bytes: 80,
        });
        client.go_on_over(datacenter.connect());
        let call = client.start(&me());
        let started = Instant::now();
        let end = client
            .until_within(Duration::from_secs(300), |client| {
                client.outcome(call).is_some()
            })
            .await;
        assert_eq!(end, Err(End::Dead), "{direction:?}");
        assert!(
            started.elapsed() < Duration::from_secs(120),
            "{direction:?}: {:?}",
            started.elapsed()
        );
        client.go_on_over(datacenter.connect());
        let outcome = client.finish(call).await.unwrap();
        assert!(
            matches!(outcome, Outcome::Answer(_)),
            "{direction:?}: {outcome:?}"
        );
    }
}

/// S21: somebody on the way who swaps packets changes nothing for calls that were chained.
#[tokio::test(start_paused = true)]
async fn s21_chained_calls_keep_their_order_when_packets_are_swapped() {
    let datacenter = virtual_datacenter(6).await;
    let operator = datacenter.operator();
    let bot = operator.create_bot("ordered_bot", "Ordered").unwrap();
    let person = operator.create_user("19990000001", "Person").unwrap();
    operator
        .send_message(person, PeerKey::User(bot.id), "hello")
        .unwrap();
    let mut client = Client::over(datacenter.connect(), START, randoms(60))
        .await
        .unwrap();
    client.log_in_with(&bot.token).await;
    for (round, chained) in [true, false].into_iter().enumerate() {
        let reorder = WireFault::Reorder {
            direction: Direction::ToServer,
            payload: 1,
        };
        datacenter.faults().order(reorder);
        client.go_on_over(datacenter.connect());
        client.invoke(&me()).await.unwrap();
        let request = |number: i64, after| {
            let to = types::InputPeerUser {
                user_id: person,
                access_hash: 0,
            };
            let random_id = 10 * round as i64 + number;
            let send = functions::messages::SendMessage::new(
                to.into(),
                format!("{round} {number}"),
                random_id,
            );
            let mut request = CallRequest::new(send.to_bytes());
            request.after = after;
            request
        };
        let first = client.start_request(request(1, None));
        client.idle(Duration::from_millis(1)).await.unwrap();
        let second = client.start_request(request(2, chained.then_some(first)));
        client
            .until(|client| client.outcome(first).is_some() && client.outcome(second).is_some())
            .await
            .unwrap();
        let history = operator.history(person, PeerKey::User(bot.id));
        let last: Vec<_> = history
            .iter()
            .rev()
            .take(2)
            .rev()
            .map(|message| message.text.clone())
            .collect();
        let expected = if chained {
            ["0 1", "0 2"]
        } else {
            ["1 2", "1 1"]
        };
        assert_eq!(
            last, expected,
            "chained: {chained}; the twin shows that they were swapped"
        );
    }
}

/// Every ping asks to be closed after 75 s without another: traffic of other kinds must not put the next one off.
#[tokio::test(start_paused = true)]
async fn a_client_keeps_its_connection_however_often_it_calls() {
    let datacenter = virtual_datacenter(9).await;
    let mut client = Client::over(datacenter.connect(), START, randoms(90))
        .await
        .unwrap();
    client.log_in(&datacenter, "steady_bot").await;
    for pause in [5, 20, 50, 59, 61, 100] {
        for _ in 0..300 / pause {
            let idle = client.idle(Duration::from_secs(pause)).await;
            assert_eq!(idle, Ok(()), "with a call every {pause} s");
            client.invoke(&me()).await.unwrap();
        }
    }
    assert_eq!(client.sessions_begun, 1);
    assert_eq!(datacenter.counts(), (1, 1));
}

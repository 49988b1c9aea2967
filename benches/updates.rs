//! Updates from the socket to a handler: how many a second, how late at 1,000 a second, and what each allocates on its way
//! through decoding and the sequences. Client and datacenter share the process; what the datacenter alone takes is shown
//! beside it.
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use actogram::{Client, filters::incoming, prelude::*, tl};
use actogram_actors::updates::UpdateStream;
use actogram_local_datacenter::{LocalDatacenter, model::PeerKey, operator::Operator};
use tl::{Decode as _, Encode as _, enums, types};

const PEOPLE: usize = 8;

fn main() {
    // Without the argument that cargo bench gives it is a test that the bench still runs.
    let measured = std::env::args().any(|argument| argument == "--bench");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(run(if measured { 20_000 } else { 40 }));
    println!(
        "allocations from bytes to delivery:   {:8.1} for each update",
        allocations(if measured { 1_000 } else { 10 })
    );
}

async fn run(updates: usize) {
    let datacenter = LocalDatacenter::builder().start().await.unwrap();
    let operator = datacenter.operator();
    let bot = operator.create_bot("bench_bot", "Bench").unwrap();
    let absent = operator.create_bot("absent_bot", "Absent").unwrap();
    let people: Vec<i64> = (0..PEOPLE)
        .map(|number| {
            let phone = format!("99966277{number:02}");
            operator.create_user(&phone, "Ann").unwrap()
        })
        .collect();
    let client = Client::builder(":memory:")
        .local_datacenter(&datacenter)
        .bot_token(bot.token)
        .connect()
        .await
        .unwrap();
    let begun = Instant::now();
    let handled = Arc::new(AtomicUsize::new(0));
    let late = Arc::new(Mutex::new(Vec::new()));
    let (counted, noted) = (handled.clone(), late.clone());
    client.on(incoming(), async move |_cx: Cx, message: Msg| {
        let sent: u64 = message.text().parse().unwrap_or_default();
        let took = begun.elapsed().saturating_sub(Duration::from_nanos(sent));
        noted
            .lock()
            .map_err(|_| Error::user("poisoned"))?
            .push(took);
        counted.fetch_add(1, Ordering::Release);
        Ok::<_, Error>(())
    });
    let running = tokio::spawn(async move { client.run().await });
    let say = |operator: &Operator, number: usize, to: i64| {
        let now = begun.elapsed().as_nanos().to_string();
        let from = people[number % PEOPLE];
        operator
            .send_message(from, PeerKey::User(to), &now)
            .unwrap();
    };
    // The first one waits for the login to settle.
    say(&operator, 0, bot.id);
    until(&handled, 1).await;

    let started = Instant::now();
    for number in 0..updates {
        say(&operator, number, absent.id);
    }
    let alone = started.elapsed();
    let started = Instant::now();
    for number in 0..updates {
        say(&operator, number, bot.id);
    }
    until(&handled, updates + 1).await;
    let rate = updates as f64 / started.elapsed().as_secs_f64();
    println!("updates, socket to handler:           {rate:8.0} /s");
    println!(
        "of the time, the datacenter alone:    {:8.2}",
        alone.as_secs_f64() * rate / updates as f64
    );

    late.lock().unwrap().clear();
    let mut tick = tokio::time::interval(Duration::from_millis(1));
    let some = updates / 4;
    for number in 0..some {
        tick.tick().await;
        say(&operator, number, bot.id);
    }
    until(&handled, updates + 1 + some).await;
    let mut late = std::mem::take(&mut *late.lock().unwrap());
    late.sort();
    let at = |share: usize| late[(late.len() - 1) * share / 100].as_secs_f64() * 1e6;
    println!(
        "late at 1,000 a second:               {:8.0} µs in the middle, {:.0} µs the 99th of 100",
        at(50),
        at(99)
    );
    running.abort();
}

async fn until(handled: &AtomicUsize, most: usize) {
    while handled.load(Ordering::Acquire) < most {
        tokio::time::sleep(Duration::from_micros(200)).await;
    }
}

/// What is allocated for each update of one message and its author.
fn allocations(updates: i32) -> f64 {
    let now = Duration::ZERO;
    let mut stream = UpdateStream::new();
    stream.start(now, 7, None);
    stream.poll_request(now);
    stream.handle_state(
        now,
        &types::updates::State {
            pts: 1,
            qts: 1,
            date: 1,
            seq: 0,
            unread_count: 0,
        },
    );
    let containers: Vec<_> = (0..updates)
        .map(|number| {
            let peer = types::PeerUser { user_id: 8 }.into();
            let message = types::Message::new(number + 1, peer, 1, "hello".to_owned());
            let update = types::UpdateNewMessage {
                message: message.into(),
                pts: number + 2,
                pts_count: 1,
            };
            let mut author = types::User::new(8);
            author.first_name = Some("Ann".to_owned());
            author.access_hash = Some(9);
            enums::Updates::from(types::Updates {
                updates: vec![update.into()],
                users: vec![author.into()],
                chats: Vec::new(),
                date: 1,
                seq: 0,
            })
            .to_bytes()
        })
        .collect();
    let mut delivered = 0;
    let measured = allocation_counter::measure(|| {
        for container in containers {
            let updates = enums::Updates::from_bytes(container).unwrap();
            stream.handle_updates(now, updates);
            while let Some(delivery) = stream.poll_delivery() {
                delivered += 1;
                drop(delivery);
            }
        }
    });
    assert!(delivered >= updates, "{delivered} of {updates}");
    measured.count_total as f64 / f64::from(updates)
}

//! Callers that go away, programs that end: nothing is lost, nothing leaks, nobody waits for ever.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

mod support;

use std::time::Duration;

use actogram::{CallError, Client, Error, Settings, tl::functions::help::GetConfig};
use support::{
    HANG,
    accounts::{reader, received},
    datacenter, until,
};

const SEND: &str = "messages.sendMessage";
const CONFIG: &str = "help.getConfig";

async fn finishes<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(HANG, what).await.expect("it hangs")
}

fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r22_ten_thousand_calls_half_of_them_cancelled_leave_nothing_behind() {
    const CALLS: usize = 10_000;
    const AT_ONCE: usize = 64;
    let datacenter = datacenter().await;
    let operator = datacenter.operator();
    let mut settings = Settings::default();
    settings.calls.in_flight = AT_ONCE;
    let client = Client::from_settings(settings)
        .session(":memory:")
        .local_datacenter(&datacenter)
        .connect()
        .await
        .unwrap();
    let api = client.api();
    finishes(api.invoke(GetConfig).into_future()).await.unwrap();
    let tasks = || {
        tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks()
    };
    let tasks_before = tasks();

    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..CALLS {
        let api = api.clone();
        let random = next(&mut state);
        calls.spawn(async move {
            if random.is_multiple_of(2) {
                api.invoke(GetConfig).await.map(|_| true)
            } else {
                let limit = Duration::from_micros(random / 2 % 1_000_000);
                let call = api.invoke(GetConfig).cancel_on_drop().into_future();
                match tokio::time::timeout(limit, call).await {
                    Ok(ended) => ended.map(|_| true),
                    Err(_) => Ok(false),
                }
            }
        });
    }
    let (mut answered, mut cancelled) = (0, 0);
    while let Some(ended) = finishes(calls.join_next()).await {
        if ended.unwrap().unwrap() {
            answered += 1;
        } else {
            cancelled += 1;
        }
    }
    println!("{answered} answered, {cancelled} cancelled");
    assert_eq!(answered + cancelled, CALLS);
    assert!(answered >= CALLS / 3 && cancelled >= CALLS / 100);
    until("the tasks of the calls have ended", || {
        tasks() <= tasks_before
    })
    .await;

    // Every place among the calls in flight is free again: so many are carried out before the first is answered.
    until("the last calls are through", {
        let operator = operator.clone();
        let last = std::cell::Cell::new(0);
        move || {
            let now = operator.counters().executed(CONFIG);
            last.replace(now) == now
        }
    })
    .await;
    let before = operator.counters().executed(CONFIG);
    operator.delay_answers(CONFIG, Duration::from_secs(3), 2 * AT_ONCE as u32);
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..2 * AT_ONCE {
        let api = api.clone();
        calls.spawn(async move { api.invoke(GetConfig).await });
    }
    let executed = || operator.counters().executed(CONFIG) - before;
    until("all places are taken", || executed() >= AT_ONCE as u64).await;
    assert_eq!(executed(), AT_ONCE as u64, "and no more than there are");
    assert_eq!(calls.len(), 2 * AT_ONCE, "none is answered yet");
    while let Some(ended) = finishes(calls.join_next()).await {
        ended.unwrap().unwrap();
    }
    client.shutdown(Duration::from_secs(5)).await;
    assert!(datacenter.counts().1 <= 1, "one session");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p10_a_call_whose_future_is_dropped_goes_on() {
    let datacenter = datacenter().await;
    let (bot, bot_id) = support::bot(&datacenter, "dropped_bot").await;
    let reader = reader(&datacenter, bot_id);
    let api = bot.api();
    datacenter
        .operator()
        .delay_answers(SEND, Duration::from_millis(500), 1);
    let call = api.send_message(reader, "goes on").into_future();
    let waited = tokio::time::timeout(Duration::from_millis(100), call).await;
    assert!(waited.is_err());
    until("it was carried out", || {
        received(&datacenter, reader, bot_id) == ["goes on"]
    })
    .await;
    // A future that nobody awaits does nothing.
    drop(api.send_message(reader, "never polled").into_future());
    // One that is detached needs nobody.
    api.send_message(reader, "detached").detach();
    until("the detached one was carried out", || {
        received(&datacenter, reader, bot_id) == ["goes on", "detached"]
    })
    .await;
    bot.shutdown(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r25_a_shutdown_waits_for_the_calls_under_way() {
    let datacenter = datacenter().await;
    let (bot, bot_id) = support::bot(&datacenter, "leaving_bot").await;
    let reader = reader(&datacenter, bot_id);
    let operator = datacenter.operator();
    let before = operator.counters().executed(SEND);
    operator.delay_answers(SEND, Duration::from_millis(600), 50);
    let mut calls = tokio::task::JoinSet::new();
    for number in 0..50 {
        let api = bot.api();
        calls.spawn(async move { api.send_message(reader, format!("{number}")).await });
    }
    until("they are under way", || {
        operator.counters().executed(SEND) == before + 50
    })
    .await;
    let api = bot.api();
    finishes(bot.shutdown(Duration::from_secs(30))).await;
    while let Some(ended) = finishes(calls.join_next()).await {
        ended.unwrap().unwrap();
    }
    assert_eq!(received(&datacenter, reader, bot_id).len(), 50);
    let late = finishes(api.get_me()).await.unwrap_err();
    assert!(
        matches!(
            late,
            Error::Call {
                source: CallError::ShutDown { .. },
                ..
            }
        ),
        "{late}"
    );
    until("the connection is closed", || datacenter.counts().0 == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r25_a_shutdown_past_its_deadline_ends_every_call() {
    let datacenter = datacenter().await;
    let (bot, bot_id) = support::bot(&datacenter, "hasty_bot").await;
    let reader = reader(&datacenter, bot_id);
    let operator = datacenter.operator();
    let before = operator.counters().executed(SEND);
    operator.delay_answers(SEND, HANG * 10, 50);
    let mut calls = tokio::task::JoinSet::new();
    for number in 0..50 {
        let api = bot.api();
        calls.spawn(async move { api.send_message(reader, format!("{number}")).await });
    }
    until("they are under way", || {
        operator.counters().executed(SEND) == before + 50
    })
    .await;
    finishes(bot.shutdown(Duration::from_millis(300))).await;
    while let Some(ended) = finishes(calls.join_next()).await {
        let error = ended.unwrap().unwrap_err();
        assert!(matches!(error, Error::Call { .. }), "{error}");
    }
}

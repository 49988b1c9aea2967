//! Calls over loopback: one after another, and a thousand in flight. Prints rates and their ratio within this run; client
//! and datacenter share the process, so neither rate is the client's alone.
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]

use std::time::Instant;

use actogram::{Client, tl};
use actogram_local_datacenter::LocalDatacenter;

const IN_FLIGHT: usize = 1_000;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(run());
}

async fn run() {
    // Without the argument that cargo bench gives it is a test that the bench still runs.
    let measured = std::env::args().any(|argument| argument == "--bench");
    let (sequential_calls, rounds) = if measured { (5_000, 50) } else { (10, 1) };
    let datacenter = LocalDatacenter::builder().start().await.unwrap();
    let bot = datacenter
        .operator()
        .create_bot("bench_bot", "Bench")
        .unwrap();
    let started = Instant::now();
    let client = Client::builder(":memory:")
        .local_datacenter(&datacenter)
        .bot_token(bot.token)
        .connect()
        .await
        .unwrap();
    println!(
        "auth key, login:              {:8.1} ms",
        started.elapsed().as_secs_f64() * 1e3
    );
    let api = client.api();

    let started = Instant::now();
    for _ in 0..sequential_calls {
        api.invoke(tl::functions::help::GetConfig).await.unwrap();
    }
    let sequential = f64::from(sequential_calls) / started.elapsed().as_secs_f64();
    println!("calls, one after another:     {sequential:8.0} /s");

    let started = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..IN_FLIGHT {
        let api = api.clone();
        tasks.spawn(async move {
            for _ in 0..rounds {
                api.invoke(tl::functions::help::GetConfig).await.unwrap();
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    let pipelined = (IN_FLIGHT * rounds) as f64 / started.elapsed().as_secs_f64();
    println!("calls, {IN_FLIGHT} in flight:        {pipelined:8.0} /s");
    println!(
        "ratio:                        {:8.1}",
        pipelined / sequential
    );
}

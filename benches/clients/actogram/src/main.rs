//! actogram under measurement.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use actogram::{
    Client, Engine, Settings,
    filters::incoming,
    prelude::*,
    tl::functions::{help::GetNearestDc, updates::GetState},
};
use actogram_store::Store;
use measure::{Failure, Outcome, Task, ready, resident, say, task};
use tokio::{
    sync::Notify,
    task::{JoinSet, LocalSet},
};

/// How many calls are in flight together.
const IN_FLIGHT: u64 = 1_000;

/// By this argument everything of the client runs on the thread that uses it.
const ONE_THREAD: &str = "one-thread";

fn main() -> Result<(), Failure> {
    if one_thread() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        return LocalSet::new().block_on(&runtime, work());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    runtime.block_on(work())
}

fn one_thread() -> bool {
    std::env::args().any(|argument| argument == ONE_THREAD)
}

async fn work() -> Result<(), Failure> {
    let task = task()?;
    let outcome = match task.scenario.as_str() {
        "handshake" => handshakes(&task).await,
        "calls" => calls(&task).await,
        "in_flight" => in_flight(&task).await,
        "updates" => updates(&task).await,
        "download" => download(&task).await,
        "upload" => upload(&task).await,
        "idle" => idle(&task).await,
        "auth_keys" => return auth_keys(&task).await,
        other => Err(format!("there is no scenario {other}").into()),
    };
    say(&outcome?)
}

/// A client of a store of its own, without a login unless it is given a token.
async fn connect(task: &Task, store: Store, token: &str) -> Result<Client, Failure> {
    let mut settings = Settings::default();
    settings.api_id = 1;
    settings.api_hash = "0123456789abcdef0123456789abcdef".into();
    settings.bot_token = token.into();
    settings.account = if token.is_empty() { "nobody" } else { token }.to_owned();
    settings.network.obfuscated = false;
    let mut builder = Client::from_settings(settings).store(store);
    if one_thread() {
        builder = builder.engine(Engine::on_local_set());
    }
    Ok(builder
        .datacenter(task.dc, &task.address, &task.public_key)?
        .connect()
        .await?)
}

async fn log_in(task: &Task) -> Result<Client, Failure> {
    connect(task, Store::memory(), &task.tokens[0]).await
}

async fn leave(client: Client) {
    client.shutdown(Duration::from_secs(5)).await;
}

/// A new client that agrees on a key and makes its first call, again and again.
async fn handshakes(task: &Task) -> Result<Outcome, Failure> {
    leave(log_in(task).await?).await;
    ready()?;
    let mut each = Vec::new();
    for _ in 0..task.amount {
        let watch = measure::Stopwatch::start();
        let client = connect(task, Store::memory(), "").await?;
        client.api().invoke(GetNearestDc).await?;
        each.push(watch.outcome(1));
        leave(client).await;
    }
    Ok(Outcome::together(&each))
}

async fn calls(task: &Task) -> Result<Outcome, Failure> {
    let client = log_in(task).await?;
    let api = client.api();
    api.invoke(GetState).await?;
    let watch = ready()?;
    for _ in 0..task.amount {
        api.invoke(GetState).await?;
    }
    let outcome = watch.outcome(task.amount);
    leave(client).await;
    Ok(outcome)
}

async fn in_flight(task: &Task) -> Result<Outcome, Failure> {
    let client = log_in(task).await?;
    let api = client.api();
    api.invoke(GetState).await?;
    let watch = ready()?;
    let rounds = task.amount / IN_FLIGHT;
    let mut callers = JoinSet::new();
    for _ in 0..IN_FLIGHT {
        let api = api.clone();
        callers.spawn(async move {
            for _ in 0..rounds {
                api.invoke(GetState).await?;
            }
            Ok::<_, Error>(())
        });
    }
    while let Some(done) = callers.join_next().await {
        done??;
    }
    let outcome = watch.outcome(rounds * IN_FLIGHT);
    leave(client).await;
    Ok(outcome)
}

async fn updates(task: &Task) -> Result<Outcome, Failure> {
    let client = log_in(task).await?;
    let (seen, all) = (Arc::new(AtomicU64::new(0)), Arc::new(Notify::new()));
    let (counted, last, amount) = (seen.clone(), all.clone(), task.amount);
    client.on(incoming(), async move |_cx: Cx, message: Msg| {
        // What was there before is not of the burst.
        if message.text().starts_with("message ")
            && counted.fetch_add(1, Ordering::AcqRel) + 1 == amount
        {
            last.notify_one();
        }
        Ok::<_, Error>(())
    });
    client.start().await?;
    client.api().invoke(GetState).await?;
    let watch = ready()?;
    all.notified().await;
    let outcome = watch.outcome(seen.load(Ordering::Acquire));
    leave(client).await;
    Ok(outcome)
}

async fn download(task: &Task) -> Result<Outcome, Failure> {
    let client = log_in(task).await?;
    let api = client.api();
    let found = api
        .get_messages(
            format!("@{}", task.person).as_str(),
            [task.small_file, task.file],
        )
        .await?;
    let [small, large] = found.as_slice() else {
        return Err(format!("2 messages were expected, {} came", found.len()).into());
    };
    api.download(small).discard().await?;
    let watch = ready()?;
    let came = api.download(large).discard().await?;
    let outcome = watch.outcome(came);
    leave(client).await;
    Ok(outcome)
}

async fn upload(task: &Task) -> Result<Outcome, Failure> {
    let client = log_in(task).await?;
    let api = client.api();
    let [large, small] = &task.paths;
    api.upload(Path::new(small)).await?;
    let watch = ready()?;
    api.upload(Path::new(large)).await?;
    let outcome = watch.outcome(task.amount);
    leave(client).await;
    Ok(outcome)
}

/// What each account but the first takes of this process's memory.
async fn idle(task: &Task) -> Result<Outcome, Failure> {
    let store = Store::memory();
    let watch = ready()?;
    let (mut clients, mut first) = (Vec::new(), 0);
    for token in &task.tokens {
        let client = connect(task, store.clone(), token).await?;
        client.on(
            incoming(),
            async |_cx: Cx, _message: Msg| Ok::<_, Error>(()),
        );
        client.start().await?;
        client.api().invoke(GetState).await?;
        clients.push(client);
        if clients.len() == 1 {
            first = settled().await;
        }
    }
    let more = clients.len().saturating_sub(1).max(1) as u64;
    let grown = settled().await.saturating_sub(first);
    let outcome = watch.outcome(more);
    Ok(Outcome {
        bytes: Some(grown / more),
        ..outcome
    })
}

/// Memory, when what was begun is over.
async fn settled() -> u64 {
    tokio::time::sleep(Duration::from_secs(3)).await;
    resident()
}

/// Keys that the datacenter knows, for clients that cannot make one with it: `amount` of them.
async fn auth_keys(task: &Task) -> Result<(), Failure> {
    let mut keys = Vec::new();
    for _ in 0..task.amount {
        let store = Store::memory();
        let client = connect(task, store.clone(), "").await?;
        client.api().invoke(GetNearestDc).await?;
        leave(client).await;
        let record = store.account("nobody").load().wait()?;
        let key = record.auth_keys.first().ok_or("the store holds no key")?;
        let digits = key.key.as_bytes().iter().map(|byte| format!("{byte:02x}"));
        keys.push(digits.collect::<String>());
    }
    say(&keys)
}

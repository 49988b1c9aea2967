//! grammers under measurement. The RSA keys of datacenters are compiled into it, so it is given auth keys that the local one
//! knows already.

use std::{
    net::{Ipv6Addr, SocketAddrV6},
    num::NonZeroUsize,
    sync::Arc,
    time::Duration,
};

use grammers_client::{
    Client,
    media::Media,
    sender::{ConnectionParams, SenderPool, UpdatesConfiguration},
    session::{SessionData, storages::MemorySession, types::DcOption, updates::UpdatesLike},
    tl::functions::updates::GetState,
    update::Update,
};
use measure::{Failure, Outcome, Task, ready, resident, say, task};
use tokio::{sync::mpsc::Receiver, task::JoinSet};

/// How many calls are in flight together.
const IN_FLIGHT: u64 = 1_000;

/// What fits into its channel of updates: beyond the usual hundred they are dropped, and fetched after that.
const UPDATES: NonZeroUsize = NonZeroUsize::new(1 << 20).unwrap();

fn main() -> Result<(), Failure> {
    // As its own examples do.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let task = task()?;
    let outcome = match task.scenario.as_str() {
        "calls" => runtime.block_on(calls(&task)),
        "in_flight" => runtime.block_on(in_flight(&task)),
        "updates" => runtime.block_on(updates(&task)),
        "download" => runtime.block_on(download(&task)),
        "upload" => runtime.block_on(upload(&task)),
        "idle" => runtime.block_on(idle(&task)),
        other => Err(format!("there is no scenario {other}").into()),
    };
    say(&outcome?)
}

/// A logged-in client, and the updates that come to it.
async fn log_in(task: &Task, account: usize) -> Result<(Client, Receiver<UpdatesLike>), Failure> {
    let (Some(key), Some(token)) = (task.auth_keys.get(account), task.tokens.get(account)) else {
        return Err(format!("there is no auth key or no bot for account {account}").into());
    };
    let mut data = SessionData {
        home_dc: task.dc,
        ..SessionData::default()
    };
    data.dc_options.insert(
        task.dc,
        DcOption {
            id: task.dc,
            ipv4: task.address.parse()?,
            ipv6: SocketAddrV6::new(Ipv6Addr::LOCALHOST, 0, 0, 0),
            auth_key: Some(decoded(key)?),
        },
    );
    let parameters = ConnectionParams {
        updates_channel_capacity: UPDATES,
        ..ConnectionParams::default()
    };
    let pool = SenderPool::with_configuration(Arc::new(MemorySession::from(data)), 1, parameters);
    let client = Client::new(pool.handle);
    tokio::spawn(pool.runner.run());
    client
        .bot_sign_in(token, "0123456789abcdef0123456789abcdef")
        .await?;
    Ok((client, pool.updates))
}

fn decoded(digits: &str) -> Result<[u8; 256], Failure> {
    let mut key = [0; 256];
    if digits.len() != 2 * key.len() || !digits.is_ascii() {
        return Err("an auth key has 512 hexadecimal digits".into());
    }
    for (at, byte) in key.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&digits[2 * at..2 * at + 2], 16)?;
    }
    Ok(key)
}

async fn calls(task: &Task) -> Result<Outcome, Failure> {
    let (client, _updates) = log_in(task, 0).await?;
    client.invoke(&GetState {}).await?;
    let watch = ready()?;
    for _ in 0..task.amount {
        client.invoke(&GetState {}).await?;
    }
    Ok(watch.outcome(task.amount))
}

async fn in_flight(task: &Task) -> Result<Outcome, Failure> {
    let (client, _updates) = log_in(task, 0).await?;
    client.invoke(&GetState {}).await?;
    let watch = ready()?;
    let rounds = task.amount / IN_FLIGHT;
    let mut callers = JoinSet::new();
    for _ in 0..IN_FLIGHT {
        let client = client.clone();
        callers.spawn(async move {
            for _ in 0..rounds {
                client.invoke(&GetState {}).await?;
            }
            Ok::<_, Failure>(())
        });
    }
    while let Some(done) = callers.join_next().await {
        done??;
    }
    Ok(watch.outcome(rounds * IN_FLIGHT))
}

async fn updates(task: &Task) -> Result<Outcome, Failure> {
    let (client, updates) = log_in(task, 0).await?;
    let mut updates = client
        .stream_updates(updates, UpdatesConfiguration::default())
        .await?;
    client.invoke(&GetState {}).await?;
    let watch = ready()?;
    let mut seen = 0;
    while seen < task.amount {
        if let Update::NewMessage(message) = updates.next().await?
            && message.text().starts_with("message ")
        {
            seen += 1;
        }
    }
    Ok(watch.outcome(seen))
}

async fn download(task: &Task) -> Result<Outcome, Failure> {
    let (client, _updates) = log_in(task, 0).await?;
    let person = client
        .resolve_username(&task.person)
        .await?
        .ok_or("nobody has that name")?;
    let person = person
        .to_ref()
        .await?
        .ok_or("the person cannot be referred to")?;
    let found = client
        .get_messages_by_id(person, &[task.small_file, task.file])
        .await?;
    let mut files = found.into_iter().filter_map(|message| message?.media());
    let (Some(small), Some(large)) = (files.next(), files.next()) else {
        return Err("2 messages with files were expected".into());
    };
    fetch(&client, &small).await?;
    let watch = ready()?;
    let came = fetch(&client, &large).await?;
    Ok(watch.outcome(came))
}

/// Fetches a file piece by piece: the way it has that needs no file to write to.
async fn fetch(client: &Client, file: &Media) -> Result<u64, Failure> {
    let (mut pieces, mut came) = (client.iter_download(file), 0);
    while let Some(piece) = pieces.next().await? {
        came += piece.len() as u64;
    }
    Ok(came)
}

async fn upload(task: &Task) -> Result<Outcome, Failure> {
    let (client, _updates) = log_in(task, 0).await?;
    let [large, small] = &task.paths;
    client.upload_file(small).await?;
    let watch = ready()?;
    client.upload_file(large).await?;
    Ok(watch.outcome(task.amount))
}

/// What each account but the first takes of this process's memory.
async fn idle(task: &Task) -> Result<Outcome, Failure> {
    let watch = ready()?;
    let mut first = 0;
    for account in 0..task.tokens.len() {
        let (client, updates) = log_in(task, account).await?;
        let mut updates = client
            .stream_updates(updates, UpdatesConfiguration::default())
            .await?;
        client.invoke(&GetState {}).await?;
        tokio::spawn(async move { while updates.next().await.is_ok() {} });
        if account == 0 {
            first = settled().await;
        }
    }
    let more = task.tokens.len().saturating_sub(1).max(1) as u64;
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

//! What a download costs a client: the CPU it takes in user mode, against AES-IGE and SHA-256 by the crates `ige` and `sha2`
//! over as many bytes, one after the other, in the same run; and how much memory it takes while the largest file there can be
//! comes. The datacenter is a process of its own, whose cost is shown beside it.
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use actogram::{Client, Settings, transfers::LARGEST_FILE};
use actogram_local_datacenter::{LocalDatacenter, model::PeerKey};
use aes::Aes256Dec;
use cipher::{Array, BlockModeDecrypt as _, KeyIvInit as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// Says that this process is the datacenter.
const DATACENTER: &str = "ACTOGRAM_BENCH_DATACENTER";

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    if let Ok(size) = std::env::var(DATACENTER) {
        runtime.block_on(serve(size.parse().unwrap()));
        return;
    }
    // Without the argument that cargo bench gives it is a test that the bench still runs.
    let measured = std::env::args().any(|argument| argument == "--bench");
    runtime.block_on(run(if measured { LARGEST_FILE } else { 3 << 20 }));
}

/// A datacenter with a file, until its input ends.
async fn serve(size: u64) {
    let datacenter = LocalDatacenter::builder().start().await.unwrap();
    let operator = datacenter.operator();
    let bot = operator.create_bot("bench_bot", "Bench").unwrap();
    let ann = operator.create_user("9996670001", "Ann").unwrap();
    operator
        .set_username(ann, Some("ann_of_the_bench"))
        .unwrap();
    operator
        .send_message(ann, PeerKey::User(bot.id), "/start")
        .unwrap();
    let message = operator
        .send_sparse_file(bot.id, PeerKey::User(ann), "large.bin", size)
        .unwrap();
    println!(
        "{}",
        json!({
            "address": datacenter.address().unwrap().to_string(),
            "key": datacenter.public_key_pem().unwrap(),
            "token": bot.token,
            "message": message,
        })
    );
    std::io::stdout().flush().unwrap();
    let ended = tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new()));
    ended.await.unwrap().unwrap();
    datacenter.shutdown().await;
}

struct Served(Child, Value);

impl Served {
    fn start(size: u64) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .env(DATACENTER, size.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let output = child.stdout.take().unwrap();
        BufReader::new(output).read_line(&mut line).unwrap();
        Self(child, serde_json::from_str(&line).unwrap())
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// CPU seconds of a process, in user mode and in all.
fn cpu(process: &str) -> (f64, f64) {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let fields: Vec<f64> = text
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse().ok())
        .collect();
    // Ticks of a hundredth of a second, on every Linux there is.
    match fields[..] {
        [user, system] => (user / 100.0, (user + system) / 100.0),
        _ => (f64::NAN, f64::NAN),
    }
}

fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = text
        .split_whitespace()
        .nth(1)
        .and_then(|it| it.parse().ok());
    pages.unwrap_or(0u64) * 4096
}

/// Seconds of CPU that the two crates take for so many bytes, a MiB at a time.
fn bare(size: u64) -> f64 {
    const PIECE: usize = 1 << 20;
    let mut piece = vec![7u8; PIECE];
    let begun = cpu("self").0;
    let mut done = 0;
    while done < size {
        let (blocks, _) = Array::slice_as_chunks_mut(&mut piece);
        ige::Decryptor::<Aes256Dec>::new(&[1; 32].into(), &[2; 32].into()).decrypt_blocks(blocks);
        std::hint::black_box(Sha256::digest(&piece));
        done += PIECE as u64;
    }
    cpu("self").0 - begun
}

async fn run(size: u64) {
    let served = Served::start(size);
    let text = |key: &str| served.1[key].as_str().unwrap().to_owned();
    let message = i32::try_from(served.1["message"].as_i64().unwrap()).unwrap();
    let mut settings = Settings::default();
    settings.api_id = 1;
    settings.api_hash = "hash".into();
    settings.session = ":memory:".into();
    settings.network.obfuscated = false;
    let client = Client::from_settings(settings)
        .datacenter(2, &text("address"), &text("key"))
        .unwrap()
        .bot_token(text("token"))
        .connect()
        .await
        .unwrap();
    let api = client.api();
    let found = api
        .get_messages("@ann_of_the_bench", [message])
        .await
        .unwrap();
    let message = &found[0];
    // Connections and buffers are there.
    api.download(message)
        .range(..2 << 20)
        .discard()
        .await
        .unwrap();

    let (ended, most) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU64::new(0)),
    );
    let idle = resident();
    let watcher = {
        let (ended, most) = (ended.clone(), most.clone());
        std::thread::spawn(move || {
            while !ended.load(Ordering::Acquire) {
                most.fetch_max(resident(), Ordering::AcqRel);
                std::thread::sleep(Duration::from_millis(5));
            }
        })
    };
    let theirs = served.0.id().to_string();
    let (before, server_before, begun) = (cpu("self"), cpu(&theirs), Instant::now());
    assert_eq!(api.download(message).discard().await.unwrap(), size);
    let took = begun.elapsed().as_secs_f64();
    let (after, server_after) = (cpu("self"), cpu(&theirs));
    ended.store(true, Ordering::Release);
    watcher.join().unwrap();
    client.shutdown(Duration::from_secs(5)).await;

    let gib = size as f64 / f64::from(1 << 30);
    let (user, all) = (after.0 - before.0, after.1 - before.1);
    let server = server_after.1 - server_before.1;
    let bare = bare(size);
    println!(
        "downloaded, plain intermediate transport:   {gib:8.2} GiB, {:.0} MB/s",
        size as f64 / took / 1e6
    );
    println!(
        "client CPU, user mode:                      {:8.2} s for each GiB (in all {:.2})",
        user / gib,
        all / gib
    );
    println!(
        "ige and sha2 over as many bytes:            {:8.2} s for each GiB",
        bare / gib
    );
    println!(
        "the client's user CPU against these:        {:8.2} (bar 1.3)",
        user / bare
    );
    println!(
        "the datacenter's CPU:                       {:8.2} s for each GiB",
        server / gib
    );
    let above = most.load(Ordering::Acquire).saturating_sub(idle) as f64 / f64::from(1 << 20);
    println!("memory above idle meanwhile:                {above:8.1} MiB (bar 32)");
}

//! How a client under measurement talks with `cargo xtask peers`: a [`Task`] comes as a line of JSON, the client makes ready and
//! says so, the line `go` comes, and an [`Outcome`] goes back as a line of JSON. Clients in other languages do the same.

use std::{
    io::{self, BufRead as _, Write as _},
    time::Instant,
};

use nix::sys::resource::{UsageWho, getrusage};
use serde::{Deserialize, Serialize};

/// What a client is to do, and with which datacenter.
#[derive(Clone, Debug, Deserialize)]
pub struct Task {
    /// `handshake`, `calls`, `in_flight`, `updates`, `download`, `upload`, `idle`, or what only this client knows.
    pub scenario: String,
    /// How many: handshakes, calls, updates, bytes, accounts.
    pub amount: u64,
    /// `host:port` of the datacenter.
    pub address: String,
    /// Its number.
    pub dc: i32,
    /// Its RSA key, in PEM.
    pub public_key: String,
    /// The bots to log in as: `idle` takes one for each account, everything else the first.
    pub tokens: Vec<String>,
    /// The person whose messages hold the files.
    pub person: String,
    /// The message with a small file, to warm up with.
    pub small_file: i32,
    /// The message with the file of `amount` bytes.
    pub file: i32,
    /// A file of `amount` bytes to upload, and a small one.
    pub paths: [String; 2],
    /// Auth keys that the datacenter knows, in hexadecimal, for clients that cannot make one with it.
    #[serde(default)]
    pub auth_keys: Vec<String>,
}

/// What was measured between `go` and the end.
#[derive(Debug, Default, Serialize)]
pub struct Outcome {
    /// How many of what was asked for were done.
    pub count: u64,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// The CPU time it took in user mode, in seconds.
    pub user: f64,
    /// The CPU time it took in all, in seconds.
    pub all: f64,
    /// How long the middle one of many took, in seconds, for `handshake`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub median: Option<f64>,
    /// Memory that each account but the first takes, for `idle`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
}

impl Outcome {
    /// What was measured each on its own, together.
    pub fn together(each: &[Self]) -> Self {
        let sum = |of: fn(&Self) -> f64| each.iter().map(of).sum();
        let mut seconds: Vec<f64> = each.iter().map(|one| one.seconds).collect();
        seconds.sort_by(f64::total_cmp);
        let at = |place: usize| seconds.get(place).copied();
        let middle = at(seconds.len().saturating_sub(1) / 2).zip(at(seconds.len() / 2));
        Self {
            count: each.iter().map(|one| one.count).sum(),
            seconds: sum(|one| one.seconds),
            user: sum(|one| one.user),
            all: sum(|one| one.all),
            median: middle.map(|(low, high)| (low + high) / 2.0),
            bytes: None,
        }
    }
}

/// What went wrong, in words.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The task of this process.
///
/// # Errors
/// Standard input holds no task.
pub fn task() -> Result<Task, Failure> {
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    Ok(serde_json::from_str(&line)?)
}

/// Says that everything is ready, and waits for `go`.
///
/// # Errors
/// Nobody is there to say it.
pub fn ready() -> Result<Stopwatch, Failure> {
    say(&serde_json::json!({"ready": true}))?;
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    if line.trim() != "go" {
        return Err(format!("`go` was expected, {line:?} came").into());
    }
    Ok(Stopwatch::start())
}

/// Writes a line of JSON.
///
/// # Errors
/// Nobody reads it.
pub fn say(value: &impl Serialize) -> Result<(), Failure> {
    let mut output = io::stdout().lock();
    serde_json::to_writer(&mut output, value)?;
    output.write_all(b"\n")?;
    Ok(output.flush()?)
}

/// Time and CPU time since it was started.
#[derive(Debug)]
pub struct Stopwatch {
    started: Instant,
    user: f64,
    all: f64,
}

impl Stopwatch {
    /// Starts now.
    pub fn start() -> Self {
        let (user, all) = cpu();
        Self {
            started: Instant::now(),
            user,
            all,
        }
    }

    /// What has been used since the start, for so many.
    pub fn outcome(&self, count: u64) -> Outcome {
        let (user, all) = cpu();
        Outcome {
            count,
            seconds: self.started.elapsed().as_secs_f64(),
            user: user - self.user,
            all: all - self.all,
            ..Outcome::default()
        }
    }
}

/// CPU seconds of this process, in user mode and in all.
fn cpu() -> (f64, f64) {
    getrusage(UsageWho::RUSAGE_SELF).map_or((f64::NAN, f64::NAN), |usage| {
        let seconds =
            |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
        let user = seconds(usage.user_time());
        (user, user + seconds(usage.system_time()))
    })
}

/// Bytes of this process that are in memory.
pub fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = text
        .split_whitespace()
        .nth(1)
        .and_then(|it| it.parse().ok());
    pages.unwrap_or(0u64) * 4096
}

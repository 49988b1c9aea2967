//! `cargo xtask peers`: the same work done by our client and by those of others, each against our datacenter in a process of its
//! own, in one run. With `--write` the table goes into README.md.

mod clients;
mod process;
mod report;

use std::{collections::BTreeMap, fs, io::Write as _, path::Path};

use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use crate::root;
use clients::{CLIENTS, Client};
use process::{Answering, Outcome, datacenter, measure, measure_on_one_core};
use report::Report;

/// Where everything is built and installed.
pub(crate) const PLACE: &str = "target/peers";

/// Between these lines of README.md stands the table.
const MARKS: [&str; 2] = ["<!-- cargo xtask peers -->", "<!-- end -->"];

/// How many accounts are idle in one process.
const ACCOUNTS: u64 = 100;

/// How often calls are measured.
pub(crate) const CALL_RUNS: usize = 3;

const MIB: u64 = 1 << 20;

/// The size of the file to warm up with.
const SMALL: u64 = 4 * MIB;

/// What is measured, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Scenario {
    Handshake,
    Calls,
    InFlight,
    Updates,
    Download,
    Upload,
    Idle,
}

impl Scenario {
    const ALL: [Self; 7] = [
        Self::Handshake,
        Self::Calls,
        Self::InFlight,
        Self::Updates,
        Self::Download,
        Self::Upload,
        Self::Idle,
    ];

    /// How often it is measured; the cheapest run counts, since what calls take depends on how threads happen to be scheduled.
    fn runs(self) -> usize {
        match self {
            Self::Calls | Self::InFlight => CALL_RUNS,
            _ => 1,
        }
    }

    /// Its name in a task.
    fn name(self) -> &'static str {
        match self {
            Self::Handshake => "handshake",
            Self::Calls => "calls",
            Self::InFlight => "in_flight",
            Self::Updates => "updates",
            Self::Download => "download",
            Self::Upload => "upload",
            Self::Idle => "idle",
        }
    }
}

/// What came of a client: an outcome for each scenario, or why there is none.
pub(crate) type Outcomes = BTreeMap<Scenario, Result<Outcome, String>>;

/// Measures the clients named, or all, prints the table and how it stands to the bars, and writes it into README.md if asked to.
pub(crate) fn run(names: &[&str], write: bool) -> Result<(), String> {
    let known: Vec<&str> = CLIENTS.iter().map(|client| client.name).collect();
    if let Some(name) = names.iter().find(|name| !known.contains(name)) {
        return Err(format!(
            "there is no client {name:?}, only {}",
            known.join(", ")
        ));
    }
    let root = root();
    fs::create_dir_all(root.join(PLACE)).map_err(|error| format!("{PLACE}: {error}"))?;
    clients::build_own(&root)?;
    let prepared: Vec<_> = CLIENTS
        .iter()
        .filter(|client| names.is_empty() || names.contains(&client.name))
        .map(|client| (client, (client.prepare)(&root)))
        .collect();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    // Told to stop, what was started ends with this future.
    let report = runtime.block_on(async {
        let listen = |kind| signal(kind).map_err(|error| error.to_string());
        let (mut terminate, mut interrupt) = (
            listen(SignalKind::terminate())?,
            listen(SignalKind::interrupt())?,
        );
        tokio::select! {
            report = measure_all(&root, prepared) => report,
            _ = terminate.recv() => Err("told to stop".to_owned()),
            _ = interrupt.recv() => Err("told to stop".to_owned()),
        }
    })?;
    let text = report.markdown();
    println!("\n{text}");
    if write {
        insert(&root.join("README.md"), &text)?;
    }
    Ok(())
}

async fn measure_all(
    root: &Path,
    prepared: Vec<(&'static Client, Result<(), String>)>,
) -> Result<Report, String> {
    let mut server = datacenter(root).await?;
    let mut report = Report::new();
    for scenario in [Scenario::Download, Scenario::Upload] {
        let task = json!({
            "scenario": scenario.name(), "amount": 1024 * MIB, "address": "", "dc": 0, "public_key": "",
            "tokens": [], "person": "", "small_file": 0, "file": 0, "paths": ["", ""],
        });
        let bare = measure(clients::bare(root), &task, None).await?;
        println!("ige and sha2, {}: {}", scenario.name(), bare.line());
        report.bare.insert(scenario, bare);
    }
    for (client, ready) in prepared {
        println!("\n== {}", client.name);
        let outcomes = match ready {
            Ok(()) => all_scenarios(root, &mut server, client).await?,
            Err(why) => {
                println!("cannot be measured here: {why}");
                let all = Scenario::ALL.into_iter();
                all.map(|scenario| (scenario, Err(why.clone()))).collect()
            }
        };
        report.add(root, client, outcomes);
    }
    server.end().await?;
    Ok(report)
}

/// What comes of one client. An error is the datacenter's; those of the client are in its outcomes.
async fn all_scenarios(
    root: &Path,
    server: &mut Answering,
    client: &Client,
) -> Result<Outcomes, String> {
    let bots = server.order(&json!({ "bots": ACCOUNTS })).await?;
    let tokens = bots["tokens"].clone();
    let token = tokens[0].clone();
    let small = send_file(server, &token, SMALL).await?;
    let large = send_file(server, &token, client.amounts.download * MIB).await?;
    let paths = [client.amounts.upload * MIB, SMALL]
        .map(|size| (root.join(PLACE).join(format!("upload-{size}")), size));
    for (path, size) in &paths {
        noise(path, *size).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    let mut task = server.told.clone();
    task["small_file"] = small;
    task["file"] = large;
    task["paths"] = json!([paths[0].0, paths[1].0]);
    if client.ready_keys {
        task["tokens"] = json!([]);
        task["scenario"] = json!("auth_keys");
        task["amount"] = json!(ACCOUNTS);
        task["auth_keys"] = process::auth_keys(clients::own(root), &task).await?;
    }
    let mut outcomes = Outcomes::new();
    for scenario in Scenario::ALL {
        if let Some((_, why)) = client
            .without
            .iter()
            .find(|(without, _)| *without == scenario)
        {
            outcomes.insert(scenario, Err((*why).to_owned()));
            continue;
        }
        task["scenario"] = json!(scenario.name());
        task["amount"] = json!(client.amounts.of(scenario));
        task["tokens"] = if scenario == Scenario::Idle {
            tokens.clone()
        } else {
            json!([token])
        };
        let burst = (scenario == Scenario::Updates)
            .then(|| json!({"messages": {"token": token, "count": client.amounts.updates}}));
        let mut outcome = Err("it was not measured".to_owned());
        for _ in 0..scenario.runs() {
            let command = (client.command)(root);
            let again = if scenario == Scenario::Calls {
                measure_on_one_core(command, &task, server).await
            } else {
                measure(command, &task, Some((&mut *server, burst.clone()))).await
            };
            outcome = Outcome::cheaper(outcome, again);
        }
        match &outcome {
            Ok(outcome) => println!("{:9} {}", scenario.name(), outcome.line()),
            Err(why) => println!("{:9} failed: {why}", scenario.name()),
        }
        if let Err(why) = server.alive() {
            return Err(format!(
                "the datacenter ended while {} was measured: {why}",
                client.name
            ));
        }
        outcomes.insert(scenario, outcome);
    }
    for (path, _) in &paths {
        // What cannot be removed is in the way of nothing.
        let _ = fs::remove_file(path);
    }
    Ok(outcomes)
}

async fn send_file(
    server: &mut Answering,
    token: &serde_json::Value,
    size: u64,
) -> Result<serde_json::Value, String> {
    let order = json!({"file": {"token": token, "size": size}});
    Ok(server.order(&order).await?["message"].clone())
}

/// A file that cannot be compressed, for there are clients that try.
fn noise(path: &Path, size: u64) -> std::io::Result<()> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut block = Vec::with_capacity(MIB as usize);
    while block.len() < MIB as usize {
        // xorshift64, by Marsaglia.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        block.extend_from_slice(&state.to_le_bytes());
    }
    let mut file = fs::File::create(path)?;
    for _ in 0..size / MIB {
        file.write_all(&block)?;
    }
    Ok(())
}

/// Puts the text between the marks.
fn insert(path: &Path, text: &str) -> Result<(), String> {
    let readme = fs::read_to_string(path).map_err(|error| format!("README.md: {error}"))?;
    let replaced = between_marks(&readme, text)?;
    fs::write(path, replaced).map_err(|error| format!("README.md: {error}"))
}

fn between_marks(readme: &str, text: &str) -> Result<String, String> {
    let [begin, end] = MARKS;
    let missing = || format!("README.md lacks the lines {begin} and {end}");
    let (before, rest) = readme.split_once(begin).ok_or_else(missing)?;
    let (_, after) = rest.split_once(end).ok_or_else(missing)?;
    Ok(format!("{before}{begin}\n{text}{end}{after}"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_between_the_marks_is_replaced() {
        let [begin, end] = MARKS;
        let readme = format!("before\n{begin}\nold\n{end}\nafter\n");
        let once = between_marks(&readme, "new\n").unwrap();
        assert_eq!(once, format!("before\n{begin}\nnew\n{end}\nafter\n"));
        assert_eq!(between_marks(&once, "new\n").unwrap(), once);
        assert!(between_marks("nothing", "new").is_err());
    }

    #[test]
    fn what_is_uploaded_cannot_be_compressed_within_a_part() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("noise");
        noise(&path, 2 * MIB).unwrap();
        let bytes = fs::read(&path).unwrap();
        assert_eq!(bytes.len() as u64, 2 * MIB);
        let mut counts = [0u32; 256];
        for byte in &bytes[..512 << 10] {
            counts[usize::from(*byte)] += 1;
        }
        let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
        assert!(*least > 1800 && *most < 2300, "{least} to {most} of 2048");
    }
}

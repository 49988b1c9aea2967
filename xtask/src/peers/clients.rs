//! The clients that are measured: how each is got, started, and how much it is given to do.

use std::path::Path;

use tokio::process::Command;

use super::{ACCOUNTS, PLACE, Scenario};
use crate::{command, foreign, test::LIMIT};

/// A client.
pub(crate) struct Client {
    pub(crate) name: &'static str,
    /// Whether it is of this repository.
    pub(crate) ours: bool,
    /// An error means that this machine cannot run it.
    pub(crate) prepare: fn(&Path) -> Result<(), String>,
    pub(crate) command: fn(&Path) -> Command,
    /// What was measured, with the versions of what it stands on.
    pub(crate) versions: fn(&Path) -> String,
    pub(crate) amounts: Amounts,
    /// It cannot be told the datacenter's RSA key, so it is given finished auth keys.
    pub(crate) ready_keys: bool,
    /// What it is not measured in, and why.
    pub(crate) without: &'static [(Scenario, &'static str)],
    /// What a reader has to know of how it was used.
    pub(crate) remark: &'static str,
}

/// How much a client is given: enough that it takes seconds. Files are in MiB.
pub(crate) struct Amounts {
    handshakes: u64,
    calls: u64,
    in_flight: u64,
    pub(crate) updates: u64,
    pub(crate) download: u64,
    pub(crate) upload: u64,
}

impl Amounts {
    pub(crate) fn of(&self, scenario: Scenario) -> u64 {
        match scenario {
            Scenario::Handshake => self.handshakes,
            Scenario::Calls => self.calls,
            Scenario::InFlight => self.in_flight,
            Scenario::Updates => self.updates,
            Scenario::Download => self.download << 20,
            Scenario::Upload => self.upload << 20,
            Scenario::Idle => ACCOUNTS,
        }
    }
}

const FAST: Amounts = Amounts {
    handshakes: 20,
    calls: 20_000,
    in_flight: 300_000,
    updates: 100_000,
    download: 1024,
    upload: 512,
};

const SLOW: Amounts = Amounts {
    handshakes: 20,
    calls: 3_000,
    in_flight: 20_000,
    updates: 10_000,
    download: 256,
    upload: 64,
};

pub(crate) const CLIENTS: &[Client] = &[
    Client {
        name: "actogram",
        ours: true,
        // Built already.
        prepare: |_| Ok(()),
        command: own,
        versions: |root| format!("actogram {} ({})", env!("CARGO_PKG_VERSION"), rust(root)),
        amounts: FAST,
        ready_keys: false,
        without: &[],
        remark: "",
    },
    Client {
        name: "actogram-one-thread",
        ours: true,
        prepare: |_| Ok(()),
        command: |root| {
            let mut command = own(root);
            command.arg("one-thread");
            command
        },
        versions: |_| "the same, on its caller's thread".to_owned(),
        amounts: FAST,
        ready_keys: false,
        without: &[],
        remark: "actogram's engine has threads of its own, so that a call goes to another thread and back; in the second line it is `Engine::on_local_set`.",
    },
    Client {
        name: "grammers",
        ours: false,
        prepare: |root| build(root, "grammers-client-measured"),
        command: |root| Command::new(built(root, "grammers-client-measured")),
        versions: |root| {
            format!(
                "grammers {} ({})",
                locked(root, "grammers-client"),
                rust(root)
            )
        },
        amounts: FAST,
        ready_keys: true,
        without: &[(
            Scenario::Handshake,
            "the RSA keys of datacenters are compiled in, so it cannot agree on an auth key with another; it is given finished ones",
        )],
        remark: "grammers runs on one thread, as in its examples, speaks the full transport, the only one it has, and downloads part after part, the only way that needs no file; its channel of updates is made large enough to drop none. It tries to pack each part it uploads, as Telethon does.",
    },
    Client {
        name: "gotd",
        ours: false,
        prepare: prepare_go,
        command: |root| Command::new(root.join(PLACE).join("gotd-client")),
        versions: |root| {
            let manifest = root.join("benches/clients/go/go.mod");
            let version = word_after(&manifest, "require github.com/gotd/td ");
            format!(
                "gotd/td {version} ({})",
                first_words("go", &["version"], 2, 1)
            )
        },
        amounts: FAST,
        ready_keys: false,
        without: &[],
        remark: "gotd moves files in 4 goroutines, parts of 512 KiB; its updates go to its dispatcher as they come, since its manager, which would fill gaps, stands still for seconds in such a burst.",
    },
    Client {
        name: "mtcute",
        ours: false,
        prepare: |root| {
            foreign::ensure_node()?;
            foreign::install_node(&root.join("benches/clients/node"))
        },
        command: |root| {
            let mut command = Command::new("node");
            command.args(["--expose-gc", "mtcute_client.mjs"]);
            command.current_dir(root.join("benches/clients/node"));
            command
        },
        versions: |root| {
            let manifest = root.join("benches/clients/node/package.json");
            let version = word_after(&manifest, "\"@mtcute/node\": ");
            format!(
                "mtcute {version} (Node {})",
                first_words("node", &["--version"], 0, 1)
            )
        },
        amounts: Amounts {
            calls: 5_000,
            in_flight: 50_000,
            updates: 20_000,
            upload: 128,
            ..SLOW
        },
        ready_keys: false,
        without: &[],
        remark: "",
    },
    Client {
        name: "Telethon",
        ours: false,
        prepare: prepare_python,
        command: |root| python(root, "telethon_client.py"),
        versions: |root| {
            let (version, cipher) = (required(root, "telethon"), required(root, "cryptg"));
            format!("Telethon {version}, cryptg {cipher} ({})", python_version())
        },
        amounts: SLOW,
        ready_keys: false,
        without: &[],
        remark: "Telethon and kurigram move files part after part, or with what their own methods do beside that.",
    },
    Client {
        name: "kurigram",
        ours: false,
        prepare: prepare_python,
        command: |root| python(root, "kurigram_client.py"),
        versions: |root| {
            let (version, cipher) = (required(root, "kurigram"), required(root, "tgcrypto"));
            format!(
                "kurigram {version}, tgcrypto {cipher} ({})",
                python_version()
            )
        },
        amounts: SLOW,
        ready_keys: false,
        without: &[],
        remark: "",
    },
];

const WORKSPACE: &str = "benches/clients";

/// Builds the datacenter, our client and the bare ciphers, without which there is nothing to measure.
pub(crate) fn build_own(root: &Path) -> Result<(), String> {
    ["clients-datacenter", "actogram-client", "bare"]
        .into_iter()
        .try_for_each(|package| build(root, package))
}

/// Our client.
pub(crate) fn own(root: &Path) -> Command {
    Command::new(built(root, "actogram-client"))
}

/// The crates `ige` and `sha2`, one after the other.
pub(crate) fn bare(root: &Path) -> Command {
    Command::new(built(root, "bare"))
}

/// The datacenter.
pub(crate) fn datacenter(root: &Path) -> Command {
    Command::new(built(root, "clients-datacenter"))
}

fn build(root: &Path, package: &str) -> Result<(), String> {
    let target = root.join(PLACE).display().to_string();
    let arguments = [
        "build",
        "--quiet",
        "--release",
        "--package",
        package,
        "--target-dir",
        &target,
    ];
    command::run_within(LIMIT, &root.join(WORKSPACE), "cargo", &arguments, &[])
}

fn built(root: &Path, program: &str) -> std::path::PathBuf {
    root.join(PLACE).join("release").join(program)
}

fn prepare_go(root: &Path) -> Result<(), String> {
    foreign::ensure_go()?;
    let program = root.join(PLACE).join("gotd-client").display().to_string();
    let arguments = ["build", "-o", &program, "."];
    let module = root.join(WORKSPACE).join("go");
    command::run_within(LIMIT, &module, "go", &arguments, &[])
}

const ENVIRONMENT: &str = "target/peers/python";
const REQUIREMENTS: &str = "benches/clients/python/requirements.txt";

fn prepare_python(root: &Path) -> Result<(), String> {
    foreign::install_python(root, ENVIRONMENT, REQUIREMENTS)
}

fn python(root: &Path, program: &str) -> Command {
    let mut command = Command::new(root.join(ENVIRONMENT).join("bin/python"));
    command.arg(program);
    command.current_dir(root.join(WORKSPACE).join("python"));
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

fn python_version() -> String {
    first_words("python3", &["--version"], 0, 2)
}

fn rust(_: &Path) -> String {
    first_words("rustc", &["--version"], 0, 2)
}

/// The version of a package in the lock file of the clients in Rust.
fn locked(root: &Path, package: &str) -> String {
    let read = || {
        let text = std::fs::read_to_string(root.join(WORKSPACE).join("Cargo.lock")).ok()?;
        let lock: toml::Table = text.parse().ok()?;
        let packages = lock.get("package")?.as_array()?;
        let named = |it: &&toml::Value| it.get("name").and_then(|it| it.as_str()) == Some(package);
        Some(
            packages
                .iter()
                .find(named)?
                .get("version")?
                .as_str()?
                .to_owned(),
        )
    };
    read().unwrap_or_else(unknown)
}

/// The version of a package that is asked for.
fn required(root: &Path, package: &str) -> String {
    word_after(&root.join(REQUIREMENTS), &format!("{package}=="))
}

fn word_after(file: &Path, before: &str) -> String {
    let read = || {
        let text = std::fs::read_to_string(file).ok()?;
        let (_, rest) = text.split_once(before)?;
        let word = rest.split_whitespace().next()?;
        Some(word.trim_matches(['"', ',']).to_owned())
    };
    read().unwrap_or_else(unknown)
}

/// Some words of the first line that a program prints.
fn first_words(program: &str, arguments: &[&str], skip: usize, take: usize) -> String {
    let read = || {
        let output = std::process::Command::new(program)
            .args(arguments)
            .output()
            .ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        let words: Vec<_> = text
            .lines()
            .next()?
            .split_whitespace()
            .skip(skip)
            .take(take)
            .collect();
        Some(words.join(" "))
    };
    read().unwrap_or_else(unknown)
}

fn unknown() -> String {
    "of unknown version".to_owned()
}

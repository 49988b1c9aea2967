//! Clients that are not ours, against our datacenter.

use std::path::Path;

use crate::{command, test::LIMIT};

/// A foreign client: how to get it, and how to run its tests.
pub(crate) struct Client {
    pub(crate) name: &'static str,
    /// An error means that this machine cannot run it.
    pub(crate) prepare: fn(&Path) -> Result<(), String>,
    pub(crate) run: fn(&Path) -> Result<(), String>,
}

pub(crate) const CLIENTS: &[Client] = &[
    Client {
        name: "Telethon and kurigram (Python) against the local datacenter",
        prepare: prepare_python,
        run: run_python,
    },
    Client {
        name: "mtcute (Node) against the local datacenter",
        prepare: prepare_node,
        run: run_node,
    },
    Client {
        name: "gotd (Go) against the local datacenter",
        prepare: prepare_go,
        run: run_go,
    },
];

const ENVIRONMENT: &str = "target/foreign/python";

const REQUIREMENTS: &str = "tests/foreign/python/requirements.txt";

fn prepare_python(root: &Path) -> Result<(), String> {
    install_python(root, ENVIRONMENT, REQUIREMENTS)
}

/// Makes a virtual environment that holds what a file of requirements asks for; both are told by their paths below the root.
pub(crate) fn install_python(
    root: &Path,
    environment: &str,
    requirements: &str,
) -> Result<(), String> {
    // ensurepip is what a Debian Python lacks without python3-venv.
    command::ensure(
        "python3",
        &["-c", "import venv, ensurepip"],
        &["python3", "python3-venv"],
    )?;
    let python = root.join(environment).join("bin/python");
    let python = python.display().to_string();
    // What is installed must be what is asked for, also after the versions there were changed.
    let wanted = std::fs::read_to_string(root.join(requirements))
        .map_err(|error| format!("{requirements}: {error}"))?;
    let installed = root.join(environment).join("installed.txt");
    if std::fs::read_to_string(&installed).ok().as_deref() != Some(wanted.as_str()) {
        command::run_within(
            LIMIT,
            root,
            "python3",
            &["-m", "venv", "--clear", environment],
            &[],
        )?;
        let install = [
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "-r",
        ];
        command::run_within(
            LIMIT,
            root,
            &python,
            &[&install[..], &[requirements]].concat(),
            &[],
        )?;
        std::fs::write(&installed, wanted)
            .map_err(|error| format!("{}: {error}", installed.display()))?;
    }
    Ok(())
}

fn run_python(root: &Path) -> Result<(), String> {
    let python = root
        .join(ENVIRONMENT)
        .join("bin/python")
        .display()
        .to_string();
    let binary = built(root, "actogram");
    let build = [
        "build",
        "--quiet",
        "--package",
        "actogram-text",
        "--example",
        "entities",
    ];
    command::run_within(LIMIT, root, "cargo", &build, &[])?;
    let entities = built(root, "examples/entities");
    let mirror_bot = build_mirror_bot(root)?;
    let file_id = build_example(root, "file_id")?;
    let arguments = [
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "tests/foreign/python",
    ];
    command::run_within(
        LIMIT,
        root,
        &python,
        &arguments,
        &[
            ("ACTOGRAM", &binary),
            ("TEXT_ENTITIES", &entities),
            ("MIRROR_BOT", &mirror_bot),
            ("FILE_ID", &file_id),
            ("PYTHONDONTWRITEBYTECODE", "1"),
        ],
    )
}

/// The bot of ours that foreign clients talk to.
fn build_mirror_bot(root: &Path) -> Result<String, String> {
    build_example(root, "mirror_bot")
}

fn build_example(root: &Path, name: &str) -> Result<String, String> {
    let build = ["build", "--quiet", "--example", name];
    command::run_within(LIMIT, root, "cargo", &build, &[])?;
    Ok(built(root, &format!("examples/{name}")))
}

/// Where cargo puts a program that it builds for development.
fn built(root: &Path, program: &str) -> String {
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    let program = root.join(target).join("debug").join(program);
    program.display().to_string()
}

fn prepare_node(root: &Path) -> Result<(), String> {
    ensure_node()?;
    install_node(&root.join("tests/foreign/node"))
}

/// Makes sure that Node and npm work.
pub(crate) fn ensure_node() -> Result<(), String> {
    command::ensure("node", &["--version"], &["nodejs"])?;
    command::ensure("npm", &["--version"], &["npm"])
}

/// Installs what the lock file of a Node package names.
pub(crate) fn install_node(package: &Path) -> Result<(), String> {
    // The only scripts there build a database that nobody opens.
    let install = ["ci", "--ignore-scripts", "--no-audit", "--no-fund"];
    command::run_within(LIMIT, package, "npm", &install, &[])
}

fn run_node(root: &Path) -> Result<(), String> {
    let mirror_bot = build_mirror_bot(root)?;
    let binary = built(root, "actogram");
    command::run_within(
        LIMIT,
        &root.join("tests/foreign/node"),
        "node",
        &["--test"],
        &[("ACTOGRAM", &binary), ("MIRROR_BOT", &mirror_bot)],
    )
}

const GO_MODULE: &str = "tests/foreign/go";

fn prepare_go(root: &Path) -> Result<(), String> {
    ensure_go()?;
    // Also says so when this Go is too old for it.
    command::run_within(
        LIMIT,
        &root.join(GO_MODULE),
        "go",
        &["mod", "download"],
        &[],
    )
}

/// Makes sure that Go works.
pub(crate) fn ensure_go() -> Result<(), String> {
    command::ensure("go", &["version"], &["golang-go"])
}

fn run_go(root: &Path) -> Result<(), String> {
    let mirror_bot = build_mirror_bot(root)?;
    let binary = built(root, "actogram");
    let module = root.join(GO_MODULE);
    let environment = [
        ("ACTOGRAM", binary.as_str()),
        ("MIRROR_BOT", mirror_bot.as_str()),
    ];
    command::run_within(LIMIT, &module, "go", &["vet", "."], &environment)?;
    let test = ["test", "-count=1", "-timeout=10m", "."];
    command::run_within(LIMIT, &module, "go", &test, &environment)
}

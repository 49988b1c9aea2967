//! `actogram top` beside a running `actogram run`.
#![cfg(unix)]
#![allow(clippy::unwrap_used)]

use std::{
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

/// Nothing here takes as long: a hang is a failure.
const HANG: Duration = Duration::from_secs(60);

fn actogram(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_actogram"));
    command.args(arguments).current_dir(directory);
    command
}

fn top(directory: &Path, arguments: &[&str]) -> Output {
    let all = [&["top"], arguments].concat();
    actogram(directory, &all).output().unwrap()
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Gone already, if the test went well.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(begun.elapsed() < HANG, "never: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_running_client_can_be_looked_into_by_its_own_user_and_no_longer_than_it_runs() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let socket = directory.join("bot.session.sock");
    // What a killed process leaves behind is in nobody's way.
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    let nobody = top(directory, &["--json", "--set", "session=bot.session"]);
    assert!(!nobody.status.success());
    let said = String::from_utf8(nobody.stderr).unwrap();
    assert!(
        said.contains("no client answers at bot.session.sock") && said.contains("`inspect`"),
        "{said}"
    );

    let settings = [
        "--set",
        "session=bot.session",
        "--set",
        "datacenter.embedded=true",
    ];
    let run = actogram(directory, &[&["run"], &settings[..]].concat())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let mut run = Running(run.unwrap());
    let seen: Value = until("it answers", || {
        let output = top(directory, &["--json", "--set", "session=bot.session"]);
        output
            .status
            .success()
            .then(|| serde_json::from_slice(&output.stdout).unwrap())
    });
    assert_eq!(seen["account"], "main");
    let names: Vec<_> = seen["tree"]["root"]["children"]
        .as_array()
        .unwrap()
        .iter()
        .map(|child| child["name"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(names, ["main", "dispatcher"]);
    let mode = std::fs::metadata(&socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "for its own user only");

    // A terminal is needed for the live view, and this is none.
    let live = top(directory, &["--socket", "bot.session.sock"]);
    assert!(!live.status.success());
    assert!(String::from_utf8(live.stderr).unwrap().contains("--json"));
    // A second client does not take the first one's place.
    let second = actogram(
        directory,
        &[
            "whoami",
            "--set",
            "datacenter.embedded=true",
            "--set",
            "session=:memory:",
            "--set",
            "inspect=bot.session.sock",
        ],
    );
    let second = { second }.output().unwrap();
    let said = String::from_utf8(second.stderr).unwrap();
    assert!(said.contains("another process answers there"), "{said}");

    let stopped = Command::new("kill")
        .args(["-TERM", &run.0.id().to_string()])
        .status();
    assert!(stopped.unwrap().success());
    until("it ends", || run.0.try_wait().unwrap());
    assert!(!socket.exists(), "its socket goes with it");
}

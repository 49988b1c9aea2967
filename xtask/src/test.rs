//! `cargo xtask test`: everything, with an honest list of what did not run.

use std::time::{Duration, Instant};

use crate::{command, foreign, root, tidy};

/// What one program of ours or of others may take, building included. Nothing is measured by it: what hangs shall end.
pub(crate) const LIMIT: Duration = Duration::from_secs(30 * 60);

/// A step that ran, failed, or could not run.
enum Outcome {
    Passed,
    Failed(String),
    NotRun(String),
}

/// Runs all tests; `long` gives those that may go on for ever more rounds.
pub(crate) fn run(long: bool) -> Result<(), String> {
    let root = root();
    let strict = std::env::var("CI").is_ok_and(|value| value == "true");
    let mut environment = Vec::new();
    if long {
        environment.extend([
            ("LONG_TESTS", "1"),
            ("LONG_HANDSHAKES", "4096"),
            ("LONG_SEEDS", "1000"),
        ]);
    }
    let mut outcomes = Vec::new();
    let mut step = |name: &str, outcome: &mut dyn FnMut() -> Outcome| {
        println!("\n== {name}");
        let started = Instant::now();
        let outcome = outcome();
        outcomes.push((name.to_owned(), outcome, started.elapsed()));
    };
    let done = |result: Result<(), String>| match result {
        Ok(()) => Outcome::Passed,
        Err(error) => Outcome::Failed(error),
    };

    step("rules of the house", &mut || done(tidy::run()));
    step("cargo test", &mut || {
        done(command::run(
            &root,
            "cargo",
            &["test", "--workspace", "--all-features", "--no-fail-fast"],
            &environment,
        ))
    });
    step("the main job: cargo run -- demo", &mut || {
        done(command::run_within(
            LIMIT,
            &root,
            "cargo",
            &["run", "--quiet", "--", "demo"],
            &[],
        ))
    });
    let built = command::run_within(
        LIMIT,
        &root,
        "cargo",
        &["build", "--quiet", "--package", "actogram-cli"],
        &[],
    );
    for client in foreign::CLIENTS {
        step(client.name, &mut || {
            if let Err(error) = &built {
                return Outcome::Failed(format!("the datacenter could not be built: {error}"));
            }
            match (client.prepare)(&root) {
                Ok(()) => done((client.run)(&root)),
                Err(error) => Outcome::NotRun(error),
            }
        });
    }

    println!("\n== what ran");
    let (mut failed, mut not_run) = (0, 0);
    for (name, outcome, took) in &outcomes {
        let seconds = took.as_secs();
        match outcome {
            Outcome::Passed => println!("passed   {name} ({seconds} s)"),
            Outcome::Failed(why) => {
                failed += 1;
                println!("FAILED   {name} ({seconds} s): {why}");
            }
            Outcome::NotRun(why) => {
                not_run += 1;
                println!("not run  {name}: {why}");
            }
        }
    }
    if !long {
        println!(
            "not run  the long forms (kill -9 500 times, 4096 key exchanges, 2000 chat histories, 200,000 updates, a file of 4,194,304,000 bytes; some minutes more): ask for them with --long"
        );
    }
    match (failed, not_run) {
        (0, 0) => Ok(()),
        (0, not_run) if !strict => {
            println!("{not_run} not run on this machine; with CI=true that is a failure");
            Ok(())
        }
        (failed, not_run) => Err(format!("{failed} failed, {not_run} not run")),
    }
}

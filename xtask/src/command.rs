//! Running other programs.

use std::{
    path::Path,
    process::{Command, ExitStatus, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::signal::unix::{SignalKind, signal};

/// What shells expect of a program that was interrupted.
const STOPPED: i32 = 130;

/// Runs a program in `directory`, its output going to ours.
pub(crate) fn run(
    directory: &Path,
    program: &str,
    arguments: &[&str],
    environment: &[(&str, &str)],
) -> Result<(), String> {
    println!("\n$ {program} {}", arguments.join(" "));
    let status = Command::new(program)
        .args(arguments)
        .envs(environment.iter().copied())
        .current_dir(directory)
        .status()
        .map_err(|error| not_started(program, &error))?;
    judge(program, arguments, status)
}

/// As [`run`], with an end: beyond the limit, when it ends by itself and when we are told to stop, whatever it started ends
/// with it. Told to stop, we do. It gets no input.
pub(crate) fn run_within(
    limit: Duration,
    directory: &Path,
    program: &str,
    arguments: &[&str],
    environment: &[(&str, &str)],
) -> Result<(), String> {
    println!("\n$ {program} {}", arguments.join(" "));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| not_started(program, &error))?;
    runtime.block_on(async {
        let failed = |error| not_started(program, &error);
        // Listened for before there is anything to end.
        let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
        let mut child = tokio::process::Command::new(program)
            .args(arguments)
            .envs(environment.iter().copied())
            .current_dir(directory)
            .stdin(Stdio::null())
            .process_group(0)
            .spawn()
            .map_err(failed)?;
        let group = Group(child.id().and_then(|id| Pid::from_raw(id as i32)));
        let told_to_stop = tokio::select! {
            ended = child.wait() => {
                return judge(program, arguments, ended.map_err(failed)?);
            }
            () = tokio::time::sleep(limit) => false,
            _ = terminate.recv() => true,
            _ = interrupt.recv() => true,
        };
        drop(group);
        child.wait().await.map_err(failed)?;
        if told_to_stop {
            println!("`{program}` was ended, and so is what would have followed");
            std::process::exit(STOPPED);
        }
        Err(format!(
            "`{program} {}` took longer than {} s",
            arguments.join(" "),
            limit.as_secs()
        ))
    })
}

/// The processes that a program started, and itself. They end with this value.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        // An error says that none is left.
        let _ = self
            .0
            .map(|leader| kill_process_group(leader, Signal::KILL));
    }
}

fn not_started(program: &str, error: &std::io::Error) -> String {
    format!("{program} could not be started: {error}")
}

fn judge(program: &str, arguments: &[&str], status: ExitStatus) -> Result<(), String> {
    if status.success() {
        Ok(())
    } else {
        Err(format!(
            "`{program} {}` ended with {status}",
            arguments.join(" ")
        ))
    }
}

/// Whether a program runs and succeeds, its output going nowhere.
pub(crate) fn works(program: &str, arguments: &[&str]) -> bool {
    Command::new(program)
        .args(arguments)
        .output()
        .is_ok_and(|output| output.status.success())
}

/// Makes sure that `program arguments` works, by installing Debian packages if it does not.
pub(crate) fn ensure(program: &str, arguments: &[&str], packages: &[&str]) -> Result<(), String> {
    if works(program, arguments) {
        return Ok(());
    }
    let root = Path::new("/");
    let noninteractive = [("DEBIAN_FRONTEND", "noninteractive")];
    run(root, "apt-get", &["update", "-qq"], &noninteractive)?;
    let install: Vec<_> = ["install", "-y", "-qq", "--no-install-recommends"]
        .iter()
        .chain(packages)
        .copied()
        .collect();
    run(root, "apt-get", &install, &noninteractive)?;
    if works(program, arguments) {
        Ok(())
    } else {
        Err(format!(
            "{program} does not work even with {} installed",
            packages.join(", ")
        ))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Runs a script that leaves its child's number in the file `$CHILD`; gives how that went, and whether the child lives.
    fn run_script(script: &str, limit: Duration) -> (Result<(), String>, bool) {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("child");
        let ended = run_within(
            limit,
            directory.path(),
            "sh",
            &["-c", script],
            &[("CHILD", &file.display().to_string())],
        );
        let child = std::fs::read_to_string(&file).unwrap();
        // What nobody has waited for yet is dead all the same. It may take a moment to be.
        let lives = || {
            let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.trim()));
            stat.is_ok_and(|stat| !stat.contains(") Z") && !stat.contains(") X"))
        };
        let mut looks = 0;
        while lives() && looks < 200 {
            std::thread::sleep(Duration::from_millis(10));
            looks += 1;
        }
        (ended, lives())
    }

    const START: &str = "sleep 600 & echo $! > \"$CHILD.new\"; mv \"$CHILD.new\" \"$CHILD\"";

    #[test]
    fn what_takes_too_long_ends_with_its_children() {
        let (ended, lives) = run_script(&format!("{START}; wait"), Duration::from_secs(2));
        assert_eq!(
            ended.unwrap_err().split("` ").last(),
            Some("took longer than 2 s")
        );
        assert!(!lives);
    }

    #[test]
    fn what_fails_leaves_no_children() {
        let (ended, lives) = run_script(&format!("{START}; exit 3"), Duration::from_secs(600));
        assert!(ended.unwrap_err().contains("exit status: 3"));
        assert!(!lives);
    }

    #[test]
    fn what_succeeds_in_time_is_told_to_have() {
        let (ended, lives) = run_script(START, Duration::from_secs(600));
        assert_eq!((ended, lives), (Ok(()), false));
    }
}

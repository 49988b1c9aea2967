//! Running other programs.

use std::{path::Path, process::Command};

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
        .map_err(|error| format!("{program} could not be started: {error}"))?;
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

//! The rules of the house that no compiler knows.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::root;

/// The longest file that is not generated, in lines.
const MOST_LINES: usize = 800;

/// Files that may be longer: data, and what tools write.
const MAY_BE_LONG: &[&str] = &["Cargo.lock", "crates/tl/schema/", "tests/vectors.json"];

/// The map of what is tested against which attack and fault.
const ROWS: &str = "tests/ROWS.md";

/// Checks everything and names all that is wrong.
pub(crate) fn run() -> Result<(), String> {
    let root = root();
    let files = tracked(&root)?;
    let mut wrong = Vec::new();
    for file in &files {
        if let Ok(text) = fs::read_to_string(root.join(file)) {
            wrong.extend(lines(file, &text));
            wrong.extend(unfinished(file, &text));
        }
    }
    for manifest in files.iter().filter(|file| file.ends_with("Cargo.toml")) {
        wrong.extend(dependencies(&root, manifest)?);
    }
    for needed in [
        "LICENSE-MIT",
        "LICENSE-APACHE",
        "README.md",
        "ARCHITECTURE.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        ".ci/run",
    ] {
        if !files.iter().any(|file| file == needed) {
            wrong.push(format!("{needed} is missing"));
        }
    }
    wrong.extend(rows(&root)?);
    if wrong.is_empty() {
        println!("{} files keep the rules", files.len());
        return Ok(());
    }
    for what in &wrong {
        println!("{what}");
    }
    Err(format!("{} rules of the house are broken", wrong.len()))
}

fn tracked(root: &Path) -> Result<Vec<String>, String> {
    let listed = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .map_err(|error| format!("git could not be started: {error}"))?;
    let text = String::from_utf8_lossy(&listed.stdout).into_owned();
    Ok(text
        .lines()
        .filter(|file| root.join(file).exists())
        .map(str::to_owned)
        .collect())
}

fn lines(file: &str, text: &str) -> Option<String> {
    let count = text.lines().count();
    let may = MAY_BE_LONG.iter().any(|prefix| file.starts_with(prefix));
    (count > MOST_LINES && !may)
        .then(|| format!("{file} has {count} lines; at most {MOST_LINES} were expected"))
}

/// Marks of work that is not done. The words are put together here so that this file does not find itself.
fn unfinished(file: &str, text: &str) -> Option<String> {
    if !file.ends_with(".rs") {
        return None;
    }
    let marks = [
        ["to", "do!("].concat(),
        ["unimple", "mented!("].concat(),
        ["#[ig", "nore"].concat(),
        ["// TO", "DO"].concat(),
    ];
    marks
        .iter()
        .find(|mark| text.contains(mark.as_str()))
        .map(|mark| format!("{file} holds {mark}"))
}

/// The map of attacks and faults names tests that exist: lines of the form ``- file: `test`, `test` ``.
fn rows(root: &Path) -> Result<Vec<String>, String> {
    let text = fs::read_to_string(root.join(ROWS)).map_err(|error| format!("{ROWS}: {error}"))?;
    let mut wrong = Vec::new();
    for line in text.lines().filter_map(|line| line.strip_prefix("- ")) {
        let Some((file, tests)) = line.split_once(": ") else {
            wrong.push(format!("{ROWS}: `{line}` is not `- file: tests`"));
            continue;
        };
        let Ok(source) = fs::read_to_string(root.join(file)) else {
            wrong.push(format!("{ROWS} names {file}, which does not exist"));
            continue;
        };
        wrong.extend(
            missing_tests(&source, tests)
                .map(|test| format!("{ROWS} names {test}, which {file} does not hold")),
        );
    }
    Ok(wrong)
}

fn missing_tests<'a>(source: &'a str, tests: &'a str) -> impl Iterator<Item = &'a str> {
    let named = tests.split(", ").map(|test| test.trim_matches('`'));
    named.filter(|test| !source.contains(&format!("fn {test}(")))
}

/// DEPS.md names exactly the direct dependencies, each with a reason.
fn dependencies(root: &Path, manifest: &str) -> Result<Vec<String>, String> {
    let path = root.join(manifest);
    let text = fs::read_to_string(&path).map_err(|error| format!("{manifest}: {error}"))?;
    let parsed: toml::Table = text
        .parse()
        .map_err(|error| format!("{manifest}: {error}"))?;
    let Some(package) = parsed
        .get("package")
        .and_then(|package| package.get("name"))
        .and_then(|name| name.as_str())
    else {
        return Ok(Vec::new());
    };
    let mut declared = BTreeSet::new();
    for table in ["dependencies", "dev-dependencies", "build-dependencies"] {
        if let Some(table) = parsed.get(table).and_then(|table| table.as_table()) {
            declared.extend(table.keys().filter(|name| *name != package).cloned());
        }
    }
    let deps = path
        .parent()
        .map(PathBuf::from)
        .unwrap_or_default()
        .join("DEPS.md");
    let shown = deps
        .strip_prefix(root)
        .unwrap_or(&deps)
        .display()
        .to_string();
    let Ok(text) = fs::read_to_string(&deps) else {
        return Ok(if declared.is_empty() {
            Vec::new()
        } else {
            vec![format!("{shown} is missing")]
        });
    };
    let mut explained = BTreeSet::new();
    let mut wrong = Vec::new();
    for line in text.lines().filter_map(|line| line.strip_prefix("- ")) {
        match line.split_once(':') {
            Some((name, reason)) if !reason.trim().is_empty() => {
                explained.insert(name.trim().trim_matches('`').to_owned());
            }
            _ => wrong.push(format!("{shown}: `{line}` is not `- name: reason`")),
        }
    }
    wrong.extend(
        declared
            .difference(&explained)
            .map(|name| format!("{shown} does not explain {name}")),
    );
    wrong.extend(
        explained
            .difference(&declared)
            .map(|name| format!("{shown} explains {name}, which is not used")),
    );
    Ok(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_files_and_unfinished_ones_are_found() {
        assert!(lines("src/a.rs", &"x\n".repeat(801)).is_some());
        assert!(lines("src/a.rs", &"x\n".repeat(800)).is_none());
        assert!(lines("Cargo.lock", &"x\n".repeat(8000)).is_none());
        assert!(unfinished("src/a.rs", &["to", "do!()"].concat()).is_some());
        assert!(unfinished("src/a.rs", "done()").is_none());
    }

    #[test]
    fn a_test_that_is_named_and_not_there_is_found() {
        let source = "async fn k1_here() {}\nfn k1_hereafter() {}";
        let missing = |tests| missing_tests(source, tests).collect::<Vec<_>>();
        assert_eq!(missing("`k1_here`, `k1_hereafter`"), [""; 0]);
        assert_eq!(missing("`k1_here`, `k1_her`"), ["k1_her"]);
    }

    #[test]
    fn the_repository_keeps_its_rules() {
        assert_eq!(run(), Ok(()));
    }
}

//! The examples: each is in the cookbook and is run by a test; those that no other test runs, here.
#![allow(clippy::unwrap_used)]

mod support;

use std::{fs, path::Path, process::Command};

use actogram_local_datacenter::model::PeerKey;
use support::{
    datacenter,
    processes::{Running, path_of_example},
    until,
};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The names of the files in this folder that end so.
fn files(folder: &str, end: &str) -> Vec<String> {
    let entries = fs::read_dir(root().join(folder)).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names
        .filter_map(|name| name.strip_suffix(end).map(str::to_owned))
        .collect();
    names.sort();
    names
}

#[test]
fn each_example_is_in_the_cookbook_and_in_a_test() {
    let cookbook = fs::read_to_string(root().join("docs/cookbook.md")).unwrap();
    // Some are run by foreign clients, on the other side.
    let tests: String = ["tests", "tests/it"]
        .iter()
        .flat_map(|folder| {
            let names = files(folder, ".rs").into_iter();
            names.map(move |name| format!("{folder}/{name}.rs"))
        })
        .chain(["xtask/src/foreign.rs".to_owned()])
        .map(|path| fs::read_to_string(root().join(path)).unwrap())
        .collect();
    let mut examples: Vec<_> = files("examples", ".rs");
    assert!(examples.len() >= 5, "{examples:?}");
    // A folder with a `main.rs` is an example, too.
    let folders = files("examples", "").into_iter();
    examples
        .extend(folders.filter(|name| root().join("examples").join(name).join("main.rs").exists()));
    for name in examples {
        let listed = [
            format!("`examples/{name}.rs`"),
            format!("`examples/{name}/"),
        ];
        let listed = listed.iter().any(|path| cookbook.contains(path));
        assert!(listed, "{name} is missing in docs/cookbook.md");
        let run = [format!("\"{name}\""), format!("examples/{name}")];
        let run = run.iter().any(|name| tests.contains(name));
        assert!(run, "no test runs {name}");
    }
}

#[test]
fn the_cookbook_lists_no_example_that_is_not_there() {
    let cookbook = fs::read_to_string(root().join("docs/cookbook.md")).unwrap();
    for named in cookbook.split("`examples/").skip(1) {
        let file = named.split('`').next().unwrap();
        assert!(root().join("examples").join(file).exists(), "{file}");
    }
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_echo_bot_answers_and_ends_when_it_is_told_to() {
    let datacenter = datacenter().await;
    let operator = datacenter.operator();
    let bot = operator.create_bot("echo_bot", "Echo").unwrap();
    let directory = tempfile::tempdir().unwrap();
    let key = directory.path().join("key.pem");
    fs::write(&key, datacenter.public_key_pem().unwrap()).unwrap();
    let address = datacenter.address().unwrap().to_string();
    let process = Running::start(
        Command::new(path_of_example("echo_bot"))
            .env("ACTOGRAM_API_ID", "1")
            .env("ACTOGRAM_API_HASH", "hash")
            .env("ACTOGRAM_CALLS__RATES__KEEP", "never")
            .env("ACTOGRAM_SESSION", directory.path().join("bot.session"))
            .env("ACTOGRAM_BOT_TOKEN", &bot.token)
            .env("ACTOGRAM_DATACENTER__ADDRESS", address)
            .env("ACTOGRAM_DATACENTER__PUBLIC_KEY", &key)
            .current_dir(directory.path()),
    );
    // A fresh login begins with the state of the moment: what came before is not missed.
    let counters = || operator.counters();
    until("it follows updates", || {
        counters().executed("updates.getState") > 0
    })
    .await;
    let ann = operator.create_user("9996621234", "Ann").unwrap();
    for text in ["hello", "<b>as it stands</b>"] {
        operator
            .send_message(ann, PeerKey::User(bot.id), text)
            .unwrap();
    }
    let received = || support::accounts::received(&datacenter, ann, bot.id);
    until("it answers", || received().len() == 2).await;
    assert_eq!(received(), ["hello", "<b>as it stands</b>"]);
    process.terminate();
    let (_, status, errors) = process.end();
    assert!(status.success(), "{status}: {errors}");
    datacenter.shutdown().await;
}

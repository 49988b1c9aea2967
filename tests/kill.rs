//! A bot that is killed with SIGKILL at random moments: no login again, no update lost, none handled twice except
//! those above the stored low-water mark, and those with equal dedupe ids. In a private chat and in supergroups, while
//! the datacenter withholds, doubles, delays and reorders what it pushes.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod support;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use actogram_local_datacenter::{
    LocalDatacenter,
    model::PeerKey,
    rpc::{UpdateFaultRates, UpdateFaultScope},
};
use support::HANG;

/// The example `journal_bot`, which cargo builds along with the tests.
fn journal_bot() -> PathBuf {
    let mut path = std::env::current_exe().unwrap();
    path.pop();
    path.pop();
    path.push("examples/journal_bot");
    assert!(
        path.exists(),
        "{} is not built: run the tests with cargo test",
        path.display()
    );
    path
}

/// A bot's process, which does not outlive its test.
struct Running(Child);

impl Running {
    /// SIGKILL; tells whether the process was still there.
    fn kill(mut self) -> bool {
        let there = self.0.try_wait().unwrap().is_none();
        self.0.kill().unwrap();
        self.0.wait().unwrap();
        there
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Already gone after `kill`; otherwise the test failed on the way.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Bot<'a> {
    datacenter: &'a LocalDatacenter,
    directory: &'a Path,
    token: Option<&'a str>,
}

impl Bot<'_> {
    fn start(&self) -> Running {
        let mut command = Command::new(journal_bot());
        command
            .arg(self.directory.join("journal"))
            .env("ACTOGRAM_API_ID", "1")
            .env("ACTOGRAM_API_HASH", "hash")
            .env("ACTOGRAM_SESSION", self.directory.join("bot.session"))
            .env(
                "ACTOGRAM_DATACENTER__ADDRESS",
                self.datacenter.address().unwrap().to_string(),
            )
            .env(
                "ACTOGRAM_DATACENTER__PUBLIC_KEY",
                self.directory.join("key.pem"),
            )
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .current_dir(self.directory);
        if let Some(token) = self.token {
            command.env("ACTOGRAM_BOT_TOKEN", token);
        }
        Running(command.spawn().unwrap())
    }

    /// Text and dedupe id of everything handled so far, in order. A line cut off by the kill does not count.
    fn journal(&self) -> Vec<(String, String)> {
        let text = std::fs::read_to_string(self.directory.join("journal")).unwrap_or_default();
        text.split_inclusive('\n')
            .filter(|line| line.ends_with('\n'))
            .map(|line| line.trim_end().split_once('\t').unwrap())
            .map(|(id, text)| (text.to_owned(), id.to_owned()))
            .collect()
    }

    async fn wait_until(&self, handled: impl Fn(&[(String, String)]) -> bool) {
        let waited = tokio::time::timeout(HANG, async {
            while !handled(&self.journal()) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        });
        assert!(
            waited.await.is_ok(),
            "the bot handled only {:?}",
            self.journal().len()
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r17_a_killed_bot_loses_no_update_and_doubles_only_with_equal_ids() {
    let rounds = if std::env::var_os("LONG_TESTS").is_some() {
        500
    } else {
        20
    };
    let datacenter = support::datacenter().await;
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(
        directory.path().join("key.pem"),
        datacenter.public_key_pem().unwrap(),
    )
    .unwrap();
    let operator = datacenter.operator();
    let account = operator.create_bot("journal_bot", "Journal").unwrap();
    let ann = operator.create_user("9996623333", "Ann").unwrap();

    // The first start logs in by the token; from then on the token is not given, so only the session file can.
    let first = Bot {
        datacenter: &datacenter,
        directory: directory.path(),
        token: Some(&account.token),
    };
    let child = first.start();
    // A fresh login begins with the state of the moment: what came before is not missed.
    first
        .wait_until(|_| operator.counters().executed("updates.getState") > 0)
        .await;
    let mut chats = vec![PeerKey::User(account.id)];
    for title in ["one", "two"] {
        let channel = operator.create_channel(ann, &[account.id], title, false);
        chats.push(PeerKey::Channel(channel.unwrap()));
    }
    let send = |number: usize| {
        let chat = chats[number % chats.len()];
        let text = format!("text {number}");
        operator.send_message(ann, chat, &text).unwrap();
    };
    // A channel is followed from the first update of it that is seen.
    (0..chats.len()).for_each(send);
    first
        .wait_until(|journal| journal.len() == chats.len())
        .await;
    child.kill();
    let logins = operator.counters().executed("auth.importBotAuthorization");

    let bot = Bot {
        token: None,
        ..first
    };
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let mut sent = chats.len();
    operator.update_faults(UpdateFaultScope::All, 17, UpdateFaultRates::STORM);
    for round in 0..rounds {
        let child = bot.start();
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        // Up to 400 ms: before the connection stands, while updates come in, or after.
        let until = Duration::from_millis(random % 400);
        let started = tokio::time::Instant::now();
        while started.elapsed() < until {
            send(sent);
            sent += 1;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!(
            child.kill(),
            "round {round}: the bot ended by itself before it was killed"
        );
    }
    let calm = UpdateFaultRates::default();
    operator.update_faults(UpdateFaultScope::All, 17, calm);
    let child = bot.start();
    for chat in &chats {
        operator.send_message(ann, *chat, "the last").unwrap();
    }
    bot.wait_until(|journal| {
        let last = journal.iter().filter(|(text, _)| text == "the last");
        last.map(|(_, id)| id).collect::<BTreeSet<_>>().len() == chats.len()
    })
    .await;
    child.kill();

    assert_eq!(
        operator.counters().executed("auth.importBotAuthorization"),
        logins,
        "it never logged in again"
    );
    let journal = bot.journal();
    let mut ids: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut orders = vec![Vec::new(); chats.len()];
    for (text, id) in journal.iter().filter(|(text, _)| text != "the last") {
        if ids.entry(text).or_default().insert(id) {
            let number: usize = text.strip_prefix("text ").unwrap().parse().unwrap();
            orders[number % chats.len()].push(number);
        }
    }
    for order in &orders {
        assert!(order.is_sorted(), "a chat is out of order: {order:?}");
    }
    let lost: Vec<_> = (0..sent)
        .map(|number| format!("text {number}"))
        .filter(|text| !ids.contains_key(text.as_str()))
        .collect();
    assert!(
        lost.is_empty(),
        "{} of {sent} were lost: {lost:?}",
        lost.len()
    );
    assert!(
        ids.values().all(|ids| ids.len() == 1),
        "an update that came again had another dedupe id"
    );
    let unique: BTreeSet<_> = ids.values().flatten().collect();
    assert_eq!(
        unique.len(),
        ids.len(),
        "two updates had the same dedupe id"
    );
    let again = journal.len() - ids.len() - chats.len();
    println!(
        "{rounds} kills, {} messages: none lost, {again} handled again under equal dedupe ids",
        ids.len()
    );
}

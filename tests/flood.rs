//! Far more updates than the handler can take, button presses among them: nothing is lost, no press waits for ever, and the
//! process stays small.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod support;

use std::{
    collections::BTreeSet,
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use actogram::{AccountEvent, InlineKeyboard, filters::*, prelude::*};
use actogram_local_datacenter::{
    LocalDatacenter,
    model::{Limits, PeerKey},
};

/// Set in the process that runs the bot.
const BOT: &str = "FLOOD_TEST_BOT";

/// No part may take longer: a hang is a failure.
const HANG: Duration = Duration::from_secs(600);

/// A bot whose handler takes a millisecond for each message, in a process of its own.
struct Bot(Child);

impl Bot {
    /// Its resident memory, in KiB.
    fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.unwrap().trim().trim_end_matches(" kB");
        number.parse().unwrap()
    }
}

impl Drop for Bot {
    fn drop(&mut self) {
        // Already gone where the test went well.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What the bot says of itself when it is asked: how many messages, how many of them twice, how many presses, how often
/// updates were dropped or lost, how often it was disconnected.
fn report(counts: &[u8], presses: usize, lost: u64, disconnected: u64) -> String {
    let seen = counts.iter().filter(|count| **count > 0).count();
    let twice = counts.iter().filter(|count| **count > 1).count();
    format!("seen {seen} twice {twice} presses {presses} lost {lost} disconnected {disconnected}")
}

/// The bot's process. Without the environment that the test below gives it, there is nothing to do.
#[test]
fn bot_process() {
    let Ok(most) = std::env::var(BOT) else { return };
    let most: usize = most.parse().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(run_bot(most)).unwrap();
}

async fn run_bot(most: usize) -> Result<()> {
    static LOST: AtomicU64 = AtomicU64::new(0);
    static DISCONNECTED: AtomicU64 = AtomicU64::new(0);
    let client = Client::from_env()?.connect().await?;
    let mut events = client.events();
    tokio::spawn(async move {
        while let Ok(event) = events.recv().await {
            match event {
                AccountEvent::UpdatesLost { .. } | AccountEvent::UpdatesDropped { .. } => {
                    LOST.fetch_add(1, Ordering::Relaxed);
                }
                AccountEvent::Disconnected { .. } => {
                    DISCONNECTED.fetch_add(1, Ordering::Relaxed);
                }
                _ => {}
            }
        }
    });
    client.on(
        command("button"),
        async |_cx: Cx, command: actogram::filters::Command| {
            let keyboard = InlineKeyboard::new().callback("Press me", "press");
            let offer = command.message().answer("here").buttons(keyboard);
            offer.await.map(drop)
        },
    );
    let counts = Arc::new(Mutex::new(vec![0_u8; most]));
    let counted = counts.clone();
    let presses = Arc::new(Mutex::new(BTreeSet::new()));
    let pressed = presses.clone();
    client.on(
        command("report"),
        async move |_cx: Cx, command: actogram::filters::Command| {
            let report = report(
                &counted.lock().unwrap(),
                pressed.lock().unwrap().len(),
                LOST.load(Ordering::Relaxed),
                DISCONNECTED.load(Ordering::Relaxed),
            );
            command.message().answer(report).await.map(drop)
        },
    );
    client.on(
        callback_queries(),
        async move |_cx: Cx, query: CallbackQuery| {
            assert!(
                presses.lock().unwrap().insert(query.id()),
                "a press came twice"
            );
            // Whoever pressed waits half a minute; on a slow machine the answer may come too late.
            query.answer("pressed").await
        },
    );
    client.on(incoming(), async move |_cx: Cx, message: Msg| {
        if let Ok(number) = message.text().parse::<usize>() {
            tokio::time::sleep(Duration::from_millis(1)).await;
            let mut counts = counts.lock().unwrap();
            counts[number] = counts[number].saturating_add(1);
        }
        Ok::<_, Error>(())
    });
    client.run().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_loses_no_message_and_no_button_press_and_takes_no_memory() {
    let most: usize = if std::env::var_os("LONG_TESTS").is_some() {
        200_000
    } else {
        60_000
    };
    // What waits at the datacenter is more than it keeps by default.
    let limits = Limits {
        difference_total: usize::MAX,
        channel_difference_total: usize::MAX,
        ..Limits::default()
    };
    let datacenter = LocalDatacenter::builder()
        .rsa_key(support::rsa_key())
        .limits(limits)
        .start()
        .await
        .unwrap();
    let directory = tempfile::tempdir().unwrap();
    let key = directory.path().join("key.pem");
    std::fs::write(&key, datacenter.public_key_pem().unwrap()).unwrap();
    let operator = datacenter.operator();
    let account = operator.create_bot("flooded_bot", "Flooded").unwrap();
    let people: Vec<_> = (0..8)
        .map(|number| {
            let phone = format!("99966288{number:02}");
            operator.create_user(&phone, "Ann").unwrap()
        })
        .collect();
    let ann = people[0];
    let private = PeerKey::User(account.id);
    let channel = operator
        .create_channel(ann, &[account.id], "room", false)
        .unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "bot_process", "--nocapture"])
        .env(BOT, most.to_string())
        .env("ACTOGRAM_API_ID", "1")
        .env("ACTOGRAM_API_HASH", "hash")
        .env("ACTOGRAM_SESSION", directory.path().join("bot.session"))
        .env("ACTOGRAM_BOT_TOKEN", account.token.as_str())
        .env(
            "ACTOGRAM_DATACENTER__ADDRESS",
            datacenter.address().unwrap().to_string(),
        )
        .env("ACTOGRAM_DATACENTER__PUBLIC_KEY", &key)
        .current_dir(directory.path())
        .stdout(Stdio::null());
    let bot = Bot(command.spawn().unwrap());
    let last_text = |viewer| {
        let history = operator.history(viewer, private);
        let answers = history.into_iter().filter(|it| it.from == account.id);
        answers.max_by_key(|it| it.id)
    };
    support::until("the bot follows updates", || {
        operator.counters().executed("updates.getState") > 0
    })
    .await;
    operator.send_message(ann, private, "/button").unwrap();
    support::until("there is a button", || last_text(ann).is_some()).await;
    let button = last_text(ann).unwrap().id;
    // The channel is followed from its first update on.
    operator
        .send_message(ann, PeerKey::Channel(channel), "hello")
        .unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;

    let before = bot.resident();
    let mut largest = before;
    let mut presses = BTreeSet::new();
    for number in 0..most {
        let chat = number % (people.len() + 1);
        let (from, to) = match people.get(chat) {
            Some(person) => (*person, private),
            None => (ann, PeerKey::Channel(channel)),
        };
        operator
            .send_message(from, to, &number.to_string())
            .unwrap();
        if number % 500 == 250 {
            presses.insert(
                operator
                    .press_button(ann, private, button, b"press")
                    .unwrap(),
            );
        }
        if number % 100 == 0 {
            largest = largest.max(bot.resident());
            tokio::task::yield_now().await;
        }
    }
    let pressed = presses.len();
    let asked = tokio::time::Instant::now();
    let told = loop {
        largest = largest.max(bot.resident());
        presses.retain(|query| operator.callback_answer(*query).is_none());
        operator.send_message(ann, private, "/report").unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        let told = last_text(ann).unwrap().text;
        let all = format!("seen {most} twice 0 presses {pressed} ");
        if told.starts_with(&all) {
            break told;
        }
        assert!(asked.elapsed() < HANG, "{told}");
    };
    presses.retain(|query| operator.callback_answer(*query).is_none());
    let answered = pressed - presses.len();
    println!(
        "{told}; {answered} presses answered in time; {before} KiB before, {largest} KiB at most"
    );
    assert!(told.ends_with(" lost 0 disconnected 0"), "{told}");
    assert!(
        largest < before + 30 * 1024,
        "{before} KiB before, {largest} KiB at most"
    );
}

//! `actogram demo`: the main job, told as it happens. Nothing leaves the machine.

use std::{
    cell::Cell,
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use actogram::{
    Error, LoginPrompts, SentCode,
    prelude::*,
    runtime::{Flow, LoopError},
};
use actogram_local_datacenter::{LocalDatacenter, operator::LoginCodes};
use tokio::time::{Instant, sleep, timeout};

use super::Outcome;

/// What the person says. Each must be answered once.
const LINES: [&str; 8] = [
    "hello",
    "how are you?",
    "cut the line",
    "still there?",
    "panic, please",
    "and now?",
    "thanks",
    "bye",
];

/// How long the person waits for one answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// The loop's beat.
const BEAT: Duration = Duration::from_secs(2);

/// How long the person thinks before a line.
const PAUSE: Duration = Duration::from_millis(400);

pub(crate) async fn run() -> Outcome {
    let started = Instant::now();
    let say = |who: &str, what: &str| {
        println!(
            "{:6.2} s  {who:<11} {what}",
            started.elapsed().as_secs_f64()
        )
    };

    // The panic to come is part of the story: a line instead of a backtrace.
    std::panic::set_hook(Box::new(|panic| {
        let text = panic
            .payload()
            .downcast_ref::<&str>()
            .copied()
            .unwrap_or_default();
        println!("          {:<11} panics: {text:?}", "a handler");
    }));

    let datacenter = LocalDatacenter::builder().start().await?;
    let address = datacenter
        .address()
        .map(|address| address.to_string())
        .unwrap_or_default();
    say(
        "datacenter",
        &format!("listens on {address} and speaks MTProto 2.0"),
    );

    let operator = datacenter.operator();
    let credentials = operator.create_bot("echo_bot", "Echo")?;
    let bot = Client::builder(":memory:")
        .account("bot")
        .local_datacenter(&datacenter)
        .bot_token(credentials.token.as_str())
        .connect()
        .await?;
    say(
        "bot",
        "made an auth key with the datacenter and logged in by its token",
    );
    let panics = Arc::new(Mutex::new(0));
    bot.event_handler(EchoBot {
        panicked: Cell::new(false),
        panics: panics.clone(),
    });

    let person = Client::builder(":memory:")
        .account("ann")
        .local_datacenter(&datacenter)
        .connect()
        .await?;
    let mut prompts = Prompts {
        phone: "9996621234".to_owned(),
        codes: operator.login_codes(),
    };
    let ann = person.log_in(&mut prompts).await?;
    say(
        "Ann",
        &format!("signed up by phone and login code; her id is {}", ann.id),
    );

    let heard = Arc::new(Heard::default());
    let inbox = heard.clone();
    person.on_message(async move |_cx: Cx, message: Msg| {
        inbox.note(message.text());
        Ok(())
    });
    person.start().await?;
    bot.start().await?;

    let mut beat = None;
    for line in LINES {
        sleep(PAUSE).await;
        say("Ann", &format!("writes: {line}"));
        let sending = tokio::spawn(person.api().send_message("@echo_bot", line).into_future());
        if line == "cut the line" {
            let cut = datacenter.cut_connections();
            say(
                "datacenter",
                &format!(
                    "cuts all {cut} connections meanwhile; both sides connect again by themselves"
                ),
            );
        }
        sending.await??;
        let answer = heard.wait_for(&format!("You said: {line}")).await?;
        say("bot", &format!("answers: {answer}"));
        if line == LINES[0] {
            // Now the bot knows her: bots may not write first.
            let mut beats = 0;
            beat = Some(bot.generic_loop("the beat", async move |cx: &mut LoopCx| {
                beats += 1;
                cx.api()
                    .send_message(ann.id, format!("beat {beats}"))
                    .await?;
                Ok::<_, LoopError>(Flow::Sleep(BEAT))
            }));
            say("loop", "starts: it writes to Ann every two seconds");
        }
    }
    let third = heard.wait_for("beat 3").await?;
    say("loop", &format!("has sent \"{third}\" and is told to stop"));
    if let Some(beat) = beat {
        beat.stop().await?;
    }

    let answers = heard.counts();
    let answered = LINES
        .iter()
        .filter(|line| answers.get(&format!("You said: {line}")) == Some(&1))
        .count();
    let panics = *panics.lock().unwrap_or_else(PoisonError::into_inner);
    let stored = operator.stored_messages();
    bot.shutdown(Duration::from_secs(5)).await;
    person.shutdown(Duration::from_secs(5)).await;
    datacenter.shutdown().await;

    println!();
    println!(
        "{answered} of {} lines were answered exactly once, over one cut and {panics} panic.",
        LINES.len()
    );
    println!(
        "The datacenter holds {stored} messages. Took {:.1} s.",
        started.elapsed().as_secs_f64()
    );
    if answered == LINES.len() && panics == 1 {
        Ok(())
    } else {
        Err("something was lost or came twice".into())
    }
}

/// Echoes, and panics once when asked to.
struct EchoBot {
    panicked: Cell<bool>,
    panics: Arc<Mutex<u32>>,
}

impl EventHandler for EchoBot {
    async fn on_message(&self, _cx: Cx, message: Msg) -> Result<()> {
        if message.text().starts_with("panic") && !self.panicked.replace(true) {
            panic!("as asked");
        }
        message
            .reply(format!("You said: {}", message.text()))
            .await
            .map(drop)
    }

    async fn on_error(&self, cx: Cx, update: Option<&Update>, error: &Error) {
        if matches!(error, Error::Panicked(_)) {
            *self.panics.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        }
        // The update is at hand: nothing of it is lost, so the bot can still do what it was asked to.
        if let Some(message) = update.and_then(Update::message)
            && let Err(error) = self.on_message(cx, message).await
        {
            eprintln!("answering after a panic failed: {error}");
        }
    }
}

/// What Ann's client got, by text.
#[derive(Default)]
struct Heard {
    texts: Mutex<BTreeMap<String, u32>>,
    news: tokio::sync::Notify,
}

impl Heard {
    fn note(&self, text: &str) {
        *self
            .texts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(text.to_owned())
            .or_default() += 1;
        self.news.notify_one();
    }

    fn counts(&self) -> BTreeMap<String, u32> {
        self.texts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    async fn wait_for(&self, text: &str) -> std::result::Result<String, String> {
        let waiting = async {
            while !self.counts().contains_key(text) {
                self.news.notified().await;
            }
        };
        timeout(PATIENCE, waiting)
            .await
            .map_err(|_| format!("no answer {text:?} within {PATIENCE:?}"))?;
        // A second copy would follow at once.
        sleep(Duration::from_millis(50)).await;
        Ok(text.to_owned())
    }
}

/// Answers what login asks, with the code the datacenter issued.
struct Prompts {
    phone: String,
    codes: LoginCodes,
}

impl LoginPrompts for Prompts {
    async fn phone(&mut self) -> Result<String> {
        Ok(self.phone.clone())
    }

    async fn code(&mut self, _sent: &SentCode, _wrong: bool) -> Result<String> {
        let code = self.codes.next().await;
        code.map(|code| code.code)
            .ok_or_else(|| Error::user("the datacenter issued no login code"))
    }

    async fn password(&mut self, _hint: Option<&str>, _wrong: bool) -> Result<actogram::Secret> {
        Err(Error::user("Ann has set no password"))
    }

    async fn name(&mut self) -> Result<(String, String)> {
        Ok(("Ann".to_owned(), String::new()))
    }
}

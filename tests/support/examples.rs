//! Examples, run as the programs they are.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "each test uses a part of it"
)]

use std::{
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use actogram::tl::functions;
use actogram_local_datacenter::{LocalDatacenter, model::PeerKey, operator::Operator};
use tempfile::TempDir;

use super::until;

/// An example, which cargo builds along with the tests.
fn example(name: &str) -> PathBuf {
    let mut path = std::env::current_exe().unwrap();
    path.pop();
    path.pop();
    path.push("examples");
    path.push(name);
    assert!(
        path.exists(),
        "{} is not built: run the tests with cargo test",
        path.display()
    );
    path
}

/// An example's process, which does not outlive its test.
pub struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may be gone already: then there is nothing to end.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A datacenter, an example that runs as a bot of it, and a person.
pub struct Scene {
    pub datacenter: LocalDatacenter,
    directory: TempDir,
    pub bot: i64,
    pub ann: i64,
    token: String,
}

impl Scene {
    pub async fn new(username: &str, phone: &str) -> Self {
        let datacenter = super::datacenter().await;
        let directory = tempfile::tempdir().unwrap();
        let key = datacenter.public_key_pem().unwrap();
        std::fs::write(directory.path().join("key.pem"), key).unwrap();
        let bot = datacenter.operator().create_bot(username, "Bot").unwrap();
        let ann = datacenter.operator().create_user(phone, "Ann").unwrap();
        Self {
            datacenter,
            directory,
            bot: bot.id,
            ann,
            token: bot.token,
        }
    }

    pub fn run(&self, name: &str, arguments: &[String]) -> Running {
        let path = self.directory.path();
        let address = self.datacenter.address().unwrap().to_string();
        let mut command = Command::new(example(name));
        command
            .args(arguments)
            .env("ACTOGRAM_API_ID", "1")
            .env("ACTOGRAM_API_HASH", "hash")
            .env("ACTOGRAM_CALLS__RATES__KEEP", "never")
            .env("ACTOGRAM_SESSION", path.join("bot.session"))
            .env("ACTOGRAM_DATACENTER__ADDRESS", address)
            .env("ACTOGRAM_DATACENTER__PUBLIC_KEY", path.join("key.pem"))
            .env("ACTOGRAM_BOT_TOKEN", &self.token)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .current_dir(path);
        Running(command.spawn().unwrap())
    }

    pub fn operator(&self) -> Operator {
        self.datacenter.operator()
    }

    pub fn say(&self, text: &str) -> i32 {
        let to = PeerKey::User(self.bot);
        self.operator().send_message(self.ann, to, text).unwrap()
    }

    pub fn answers(&self) -> Vec<String> {
        super::accounts::received(&self.datacenter, self.ann, self.bot)
    }

    /// Says this until the bot, which may only be on its way, answers; and then gives the answer.
    pub async fn begin(&self, text: &str) -> String {
        // What came while nobody was logged in is not an update of this login.
        for _ in 0..600 {
            self.say(text);
            for _ in 0..20 {
                if let Some(answer) = self.answers().pop() {
                    return answer;
                }
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        }
        panic!("the bot never answers");
    }

    /// Says this, and waits for this answer.
    pub async fn expect(&self, text: &str, answer: &str) {
        let before = self.answers().len();
        self.say(text);
        self.wait_for(before, answer).await;
    }

    pub async fn wait_for(&self, before: usize, answer: &str) {
        until(answer, || {
            self.answers()[before..].iter().any(|it| it == answer)
        })
        .await;
    }

    pub fn edit(&self, id: i32, text: &str) {
        let operator = self.operator();
        let to = operator.input_peer(self.ann, PeerKey::User(self.bot));
        let mut edit = functions::messages::EditMessage::new(to.unwrap(), id);
        edit.message = Some(text.to_owned());
        operator.invoke_as(self.ann, &edit).unwrap();
    }
}

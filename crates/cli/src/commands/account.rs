//! `actogram run`, `call`, `whoami`: an account from the settings.

use std::path::PathBuf;

use actogram::{Client, Error, LoginPrompts, Secret, SentCode, Settings, prelude::*};
use clap::Args;
use serde_json::Value;

use super::Outcome;

/// Where the settings come from.
#[derive(Args, Clone)]
pub(crate) struct Source {
    /// A configuration file in TOML. Without it, `actogram.toml` is read if it is there.
    #[arg(long)]
    config: Option<PathBuf>,
    /// One setting, above file and environment: `datacenter.address=127.0.0.1:4430`.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
}

impl Source {
    pub(super) fn settings(&self) -> Result<Settings> {
        let default = PathBuf::from("actogram.toml");
        let file = self
            .config
            .clone()
            .or_else(|| default.exists().then_some(default));
        let mut overrides = Vec::new();
        for given in &self.overrides {
            let (key, value) = given
                .split_once('=')
                .ok_or_else(|| Error::Settings(format!("--set {given}: expected KEY=VALUE")))?;
            overrides.push((key.to_owned(), value.to_owned()));
        }
        Settings::layered(file.as_deref(), std::env::vars().collect(), overrides)
    }

    /// Connects, and logs a user in on the terminal if nobody is.
    pub(super) async fn client(&self) -> Result<Client> {
        Self::connect(self.settings()?).await
    }

    async fn connect(settings: Settings) -> Result<Client> {
        let client = Client::from_settings(settings).connect().await?;
        if !client.is_logged_in() {
            client.log_in(&mut Terminal).await?;
        }
        Ok(client)
    }
}

#[derive(Args)]
pub(crate) struct Run {
    #[command(flatten)]
    source: Source,
}

/// Prints every update as a line of JSON until a signal. Meanwhile `actogram top` can look in.
pub(crate) async fn run(arguments: Run) -> Outcome {
    let mut settings = arguments.source.settings()?;
    settings.inspect = super::top::socket(&settings).unwrap_or_default();
    let client = Source::connect(settings).await?;
    client.on_update(async |_cx: Cx, update: Update| {
        println!("{}", update.to_json());
        Ok(())
    });
    Ok(client.run().await?)
}

#[derive(Args)]
pub(crate) struct Call {
    /// The method, such as messages.sendMessage.
    method: String,
    /// Its arguments as a JSON object; peers in any notation.
    #[arg(default_value = "{}")]
    arguments: String,
    #[command(flatten)]
    source: Source,
}

/// Calls a method and prints its result as JSON.
pub(crate) async fn call(arguments: Call) -> Outcome {
    let parsed: Value = serde_json::from_str(&arguments.arguments).map_err(|error| {
        format!("the arguments are no JSON: {error}; expected an object such as '{{\"id\": [1]}}'")
    })?;
    let client = arguments.source.client().await?;
    let answer = client.api().call(arguments.method, parsed).await;
    client.shutdown(std::time::Duration::from_secs(5)).await;
    println!("{:#}", answer?);
    Ok(())
}

#[derive(Args)]
pub(crate) struct WhoAmI {
    #[command(flatten)]
    source: Source,
}

/// Prints who is logged in.
pub(crate) async fn who_am_i(arguments: WhoAmI) -> Outcome {
    let client = arguments.source.client().await?;
    let me = client.api().get_me().await;
    client.shutdown(std::time::Duration::from_secs(5)).await;
    let me = me?;
    let kind = if me.bot { "bot" } else { "user" };
    let names = [
        me.first_name.unwrap_or_default(),
        me.last_name.unwrap_or_default(),
    ]
    .join(" ");
    let username = me
        .username
        .map(|name| format!(" @{name}"))
        .unwrap_or_default();
    println!("{kind} {} {}{username}", me.id, names.trim());
    Ok(())
}

/// Asks on the terminal; what is secret is not shown.
struct Terminal;

impl Terminal {
    fn ask(question: &str) -> Result<String> {
        use std::io::Write;
        let failed = |error| Error::user(format!("asking on the terminal: {error}"));
        eprint!("{question}: ");
        std::io::stderr().flush().map_err(failed)?;
        let mut answer = String::new();
        if std::io::stdin().read_line(&mut answer).map_err(failed)? == 0 {
            return Err(Error::user(
                "login needs answers, and standard input has ended",
            ));
        }
        Ok(answer.trim().to_owned())
    }
}

impl LoginPrompts for Terminal {
    async fn phone(&mut self) -> Result<String> {
        Self::ask("Phone number, with country code")
    }

    async fn code(&mut self, sent: &SentCode, wrong: bool) -> Result<String> {
        if wrong {
            eprintln!("That code was wrong.");
        }
        Self::ask(&format!("The code that was sent {}", sent.by))
    }

    async fn password(&mut self, hint: Option<&str>, wrong: bool) -> Result<Secret> {
        if wrong {
            eprintln!("That password was wrong.");
        }
        let hint = hint
            .map(|hint| format!(" (hint: {hint})"))
            .unwrap_or_default();
        let password = rpassword::prompt_password(format!("Two-step password{hint}: "));
        Ok(Secret::from(password.map_err(|error| {
            Error::user(format!("reading the password: {error}"))
        })?))
    }

    async fn name(&mut self) -> Result<(String, String)> {
        Ok((
            Self::ask("This number is new. First name")?,
            Self::ask("Last name (may be empty)")?,
        ))
    }
}

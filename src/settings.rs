//! Settings: defaults, then files, then the environment, then what the program sets.

use std::{
    collections::HashMap,
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

use actogram_actors::{Rate, Rates};
use config::{Config, File, FileFormat, Map, Value, ValueKind};
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::{
    error::{Error, Result},
    network::NetworkSettings,
};

/// The file read first: what holds where nobody says otherwise.
const DEFAULTS: &str = include_str!("../config/default.toml");

/// The prefix of every environment variable that is a setting.
const PREFIX: &str = "ACTOGRAM_";

/// A value that never shows itself: `Debug` prints `"***"`, and its memory is wiped when it goes.
#[derive(Clone, Default, Deserialize, PartialEq, Eq)]
#[serde(from = "String")]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// The value. Take care where it goes.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<String> for Secret {
    fn from(value: String) -> Self {
        Self(Zeroizing::new(value))
    }
}

impl From<&str> for Secret {
    fn from(value: &str) -> Self {
        Self(Zeroizing::new(value.to_owned()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"***\"")
    }
}

/// Everything that can be set from outside a program.
///
/// Each key can be given in a file (`api_id = 1`, `[datacenter] address = "…"`) or in the environment
/// (`ACTOGRAM_API_ID`, `ACTOGRAM_DATACENTER__ADDRESS`: upper case, two underscores between table and key).
/// A secret can be read from a file whose path the variable with `_FILE` behind it names
/// (`ACTOGRAM_BOT_TOKEN_FILE=/run/secrets/token`).
#[derive(Debug, Clone, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Settings {
    /// The application's number, from <https://my.telegram.org/apps>.
    pub api_id: i32,
    /// The application's hash, from the same page.
    pub api_hash: Secret,
    /// The bot's token from @BotFather. Empty: the account is a user's, who logs in by phone.
    pub bot_token: Secret,
    /// The file that keeps auth keys, peers and update positions. `:memory:` keeps them for the process only.
    pub session: PathBuf,
    /// Which of the accounts in the session file this is.
    pub account: String,
    /// A socket in the file system by which other processes of the same user may look into the client, as
    /// `actogram top` does. Empty: there is none.
    pub inspect: PathBuf,
    /// Where to connect.
    pub datacenter: DatacenterSettings,
    /// How hosts are reached.
    pub network: NetworkSettings,
    /// Limits for calls.
    pub calls: CallSettings,
}

/// The datacenter to connect to.
#[derive(Debug, Clone, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct DatacenterSettings {
    /// Starts a local datacenter inside the process and connects to it. For trying out and for tests.
    pub embedded: bool,
    /// The datacenter's number, 1 to 5 at Telegram.
    pub id: i32,
    /// `host:port` of the datacenter.
    pub address: String,
    /// The path of the datacenter's RSA public key (PEM, PKCS#1).
    pub public_key: PathBuf,
}

/// Limits for calls.
#[derive(Debug, Clone, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct CallSettings {
    /// How many calls may be in flight at once; further ones wait.
    pub in_flight: usize,
    /// How many calls may be in one call queue, under way or waiting; further ones are refused.
    pub queue: usize,
    /// The longest flood wait, in seconds, that is slept through instead of being returned as an error.
    pub flood_wait_limit: u64,
    /// How often messages are sent.
    pub rates: RateSettings,
}

/// How often messages are sent; what goes beyond waits for its turn, and nothing else does
/// ([`Rates`](crate::Rates)). Telegram states these rates for bots
/// (<https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this>); accounts of people get them too, for
/// nothing looser is stated for those.
#[derive(Debug, Clone, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct RateSettings {
    /// When the account keeps within them.
    pub keep: KeepRates,
    /// Messages to one user, within `private_seconds`.
    pub private: u32,
    /// The span of `private`.
    pub private_seconds: u64,
    /// Messages to one group, supergroup or channel, within `group_seconds`.
    pub group: u32,
    /// The span of `group`.
    pub group_seconds: u64,
    /// Messages to all chats together, within a second.
    pub all: u32,
}

/// When an account keeps within its [rates](RateSettings).
#[derive(Debug, Clone, Copy, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum KeepRates {
    /// With every datacenter but one of this process: a local one has no such rates, and tests are to be quick.
    Auto,
    /// With every datacenter.
    Always,
    /// Never: the datacenter's flood waits are all there is.
    Never,
}

impl RateSettings {
    /// What the account is to keep within, `local` being whether the datacenter is one of this process.
    pub(crate) fn rates(&self, local: bool) -> Option<Rates> {
        let keeps = match self.keep {
            KeepRates::Auto => !local,
            KeepRates::Always => true,
            KeepRates::Never => false,
        };
        let mut rates = Rates::default();
        rates.private = Rate::new(self.private, Duration::from_secs(self.private_seconds));
        rates.group = Rate::new(self.group, Duration::from_secs(self.group_seconds));
        rates.all = Rate::new(self.all, Duration::from_secs(1));
        keeps.then_some(rates)
    }
}

impl Default for Settings {
    /// What `config/default.toml` says, without reading anything: a test keeps both equal.
    fn default() -> Self {
        Self {
            api_id: 0,
            api_hash: Secret::default(),
            bot_token: Secret::default(),
            session: PathBuf::from("actogram.session"),
            account: "main".to_owned(),
            inspect: PathBuf::new(),
            datacenter: DatacenterSettings {
                embedded: false,
                id: 2,
                address: String::new(),
                public_key: PathBuf::new(),
            },
            network: NetworkSettings::default(),
            calls: CallSettings {
                in_flight: 1024,
                queue: 1024,
                flood_wait_limit: 30,
                rates: RateSettings {
                    keep: KeepRates::Auto,
                    private: 5,
                    private_seconds: 5,
                    group: 20,
                    group_seconds: 60,
                    all: 30,
                },
            },
        }
    }
}

impl Settings {
    /// Defaults, then `file` if there is one, then the process's environment.
    ///
    /// # Errors
    /// [`Error::Settings`], naming the setting and how to give it, if a file cannot be read, a value has the
    /// wrong type, or a key is unknown (with the nearest known one).
    pub fn load(file: Option<&Path>) -> Result<Self> {
        Self::layered(file, std::env::vars().collect(), [])
    }

    /// As [`Settings::load`], with an environment and overrides handed in.
    ///
    /// # Errors
    /// As [`Settings::load`].
    pub fn layered(
        file: Option<&Path>,
        environment: HashMap<String, String>,
        overrides: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self> {
        let defaults = File::from_str(DEFAULTS, FileFormat::Toml);
        let mut builder = Config::builder().add_source(defaults.clone());
        if let Some(path) = file {
            builder = builder.add_source(File::from(path).format(FileFormat::Toml));
        }
        let known = known_keys(
            Config::builder()
                .add_source(defaults)
                .build()
                .map_err(settings_error)?
                .cache,
        );
        for (key, value) in from_environment(environment, &known)?
            .into_iter()
            .chain(overrides)
        {
            builder = builder.set_override(&key, value).map_err(settings_error)?;
        }
        let merged = builder.build().map_err(settings_error)?;
        for key in known_keys(merged.cache.clone()) {
            if !known.contains(&key) {
                return Err(unknown_key(&key, &known));
            }
        }
        merged.try_deserialize().map_err(settings_error)
    }

    /// The settings a connection cannot do without.
    ///
    /// # Errors
    /// [`Error::Settings`] that names the first one missing and how to get it.
    pub fn require_credentials(&self) -> Result<()> {
        if self.datacenter.embedded {
            return Ok(());
        }
        let missing = |name: &str, remedy: &str| {
            Err(Error::Settings(format!(
                "`{name}` is not set; {remedy}. Give it in the configuration file or as {}",
                variable(name)
            )))
        };
        if self.api_id == 0 {
            return missing("api_id", "get one at https://my.telegram.org/apps");
        }
        if self.api_hash.is_empty() {
            return missing(
                "api_hash",
                "it stands beside api_id at https://my.telegram.org/apps",
            );
        }
        if self.datacenter.address.is_empty() {
            return missing(
                "datacenter.address",
                "name the datacenter as host:port, or set datacenter.embedded",
            );
        }
        if self.datacenter.public_key.as_os_str().is_empty() {
            return missing(
                "datacenter.public_key",
                "it is the path of the datacenter's RSA key in PEM",
            );
        }
        Ok(())
    }
}

fn variable(key: &str) -> String {
    format!("{PREFIX}{}", key.replace('.', "__").to_uppercase())
}

fn settings_error(error: impl fmt::Display) -> Error {
    Error::Settings(error.to_string())
}

fn known_keys(root: Value) -> Vec<String> {
    fn walk(prefix: &str, table: Map<String, Value>, found: &mut Vec<String>) {
        for (name, value) in table {
            let key = if prefix.is_empty() {
                name
            } else {
                format!("{prefix}.{name}")
            };
            match value.kind {
                ValueKind::Table(inner) => walk(&key, inner, found),
                _ => found.push(key),
            }
        }
    }
    let mut found = Vec::new();
    if let ValueKind::Table(table) = root.kind {
        walk("", table, &mut found);
    }
    found.sort();
    found
}

fn from_environment(
    environment: HashMap<String, String>,
    known: &[String],
) -> Result<Vec<(String, String)>> {
    let mut variables: Vec<_> = environment
        .into_iter()
        .filter(|(name, _)| name.starts_with(PREFIX))
        .collect();
    variables.sort();
    let mut found = Vec::new();
    for (name, value) in variables {
        let key = name[PREFIX.len()..].to_lowercase().replace("__", ".");
        if known.contains(&key) {
            found.push((key, value));
            continue;
        }
        match key
            .strip_suffix("_file")
            .filter(|key| known.iter().any(|k| k == key))
        {
            Some(key) => {
                let secret = std::fs::read_to_string(&value).map_err(|error| {
                    Error::Settings(format!(
                        "{name} names the file {value:?}, which cannot be read: {error}"
                    ))
                })?;
                found.push((key.to_owned(), secret.trim_end().to_owned()));
            }
            None => return Err(unknown_key(&key, known)),
        }
    }
    Ok(found)
}

fn unknown_key(key: &str, known: &[String]) -> Error {
    let nearest = known
        .iter()
        .min_by_key(|candidate| distance(key, candidate));
    let hint = nearest
        .map(|nearest| format!("; did you mean `{nearest}`?"))
        .unwrap_or_default();
    Error::Settings(format!(
        "unknown setting `{key}` (as a variable: {}){hint}",
        variable(key)
    ))
}

/// Levenshtein's distance, to name the nearest key.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn environment(pairs: &[(&str, &str)]) -> HashMap<String, String> {
        pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect()
    }

    #[test]
    fn the_default_file_and_the_default_value_say_the_same() {
        assert_eq!(
            Settings::layered(None, HashMap::new(), []).unwrap(),
            Settings::default()
        );
    }

    #[test]
    fn the_rates_are_those_of_the_actors_and_hold_beyond_this_process() {
        let mut settings = Settings::default().calls.rates;
        assert_eq!(settings.rates(false), Some(Rates::default()));
        assert_eq!(settings.rates(true), None);
        settings.keep = KeepRates::Always;
        settings.group = 7;
        let group = settings.rates(true).unwrap().group;
        assert_eq!(group, Rate::new(7, Duration::from_secs(60)));
        let vars = environment(&[("ACTOGRAM_CALLS__RATES__KEEP", "never")]);
        let settings = Settings::layered(None, vars, []).unwrap().calls.rates;
        assert_eq!(settings.keep, KeepRates::Never);
        assert_eq!(settings.rates(false), None);
        let vars = environment(&[("ACTOGRAM_CALLS__RATES__KEEP", "seldom")]);
        assert!(Settings::layered(None, vars, []).is_err());
    }

    #[test]
    fn later_layers_win_over_earlier_ones() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("bot.toml");
        std::fs::write(
            &file,
            "api_id = 1\naccount = \"file\"\n[datacenter]\nid = 4\n",
        )
        .unwrap();
        let vars = environment(&[
            ("ACTOGRAM_API_ID", "2"),
            ("ACTOGRAM_DATACENTER__ADDRESS", "127.0.0.1:4430"),
        ]);
        let settings =
            Settings::layered(Some(&file), vars, [("api_id".to_owned(), "3".to_owned())]).unwrap();
        assert_eq!(settings.api_id, 3);
        assert_eq!(settings.account, "file");
        assert_eq!(settings.datacenter.id, 4);
        assert_eq!(settings.datacenter.address, "127.0.0.1:4430");
    }

    #[test]
    fn an_unknown_key_is_refused_with_the_nearest_name() {
        let error =
            Settings::layered(None, environment(&[("ACTOGRAM_BOT_TOKN", "x")]), []).unwrap_err();
        assert!(
            error.to_string().contains("did you mean `bot_token`"),
            "{error}"
        );

        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("bot.toml");
        std::fs::write(&file, "[datacenter]\nadress = \"x\"\n").unwrap();
        let error = Settings::layered(Some(&file), HashMap::new(), []).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("did you mean `datacenter.address`"),
            "{error}"
        );
    }

    #[test]
    fn a_secret_is_read_from_the_file_a_variable_names_and_never_printed() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("token");
        std::fs::write(&file, "12345:very-secret\n").unwrap();
        let vars = environment(&[("ACTOGRAM_BOT_TOKEN_FILE", file.to_str().unwrap())]);
        let settings = Settings::layered(None, vars, []).unwrap();
        assert_eq!(settings.bot_token.expose(), "12345:very-secret");
        assert!(!format!("{settings:?}").contains("very-secret"));
    }

    #[test]
    fn what_is_missing_is_named_with_its_remedy() {
        let error = Settings::default()
            .require_credentials()
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("api_id")
                && error.contains("ACTOGRAM_API_ID")
                && error.contains("my.telegram.org")
        );
    }

    #[test]
    fn a_value_of_the_wrong_type_names_its_key() {
        let error = Settings::layered(None, environment(&[("ACTOGRAM_API_ID", "x")]), [])
            .unwrap_err()
            .to_string();
        assert!(error.contains("api_id"), "{error}");
    }
}

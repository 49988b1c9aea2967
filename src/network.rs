//! How hosts are reached: settings of proxies.

use std::{fmt, marker::PhantomData, path::PathBuf, str::FromStr, time::Duration};

use actogram_actors::NetworkConnector;
use actogram_net::{DialerConfig, DohServer, Proxy, ProxyOrder};
use serde::{
    Deserialize, Deserializer,
    de::{Error as _, SeqAccess, Visitor},
};

use crate::{Error, Result, Secret};

/// How hosts are reached.
///
/// ```toml
/// [network]
/// proxies = ["socks5://user:password@proxy.example:1080", "http://other.example:3128"]
/// proxy_order = "proxy_first"
/// ```
///
/// As variables: `ACTOGRAM_NETWORK__PROXIES`, separated by spaces, or `ACTOGRAM_NETWORK__PROXIES_FILE`, since
/// addresses of proxies hold passwords.
#[derive(Debug, Clone, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct NetworkSettings {
    /// The proxies, in the order in which they are tried. Their credentials are never shown.
    #[serde(deserialize_with = "words")]
    pub proxies: Vec<Proxy>,
    /// `direct_first` (proxies only if a direct connection fails), `proxy_first`, or `proxy_only`.
    #[serde(deserialize_with = "order")]
    pub proxy_order: ProxyOrder,
    /// Whether IPv6 addresses of a name are tried before IPv4 ones.
    pub prefer_ipv6: bool,
    /// Whether streams to datacenters are made to look random, so that they are not recognized on the way
    /// (<https://core.telegram.org/mtproto/mtproto-transports#transport-obfuscation>). Costs a second cipher.
    pub obfuscated: bool,
    /// Whether everything is encrypted with temporary keys that are made anew every day and kept nowhere, so that nobody who
    /// gets hold of the session file can read what was recorded before (<https://core.telegram.org/api/pfs>).
    pub forward_secrecy: bool,
    /// How long, in seconds, one attempt to connect may take. At least 1.
    pub connect_limit: u64,
    /// How long, in seconds, a request of the HTTP client may take in all: every attempt, and reading the answer. At
    /// least 1.
    pub request_limit: u64,
    /// Whether names are looked up by DNS over HTTPS, and by the system only if that gives nothing. Proxies look names up
    /// themselves; their own names are asked of the system. Needs the feature `doh`.
    pub doh: bool,
    /// The servers to ask, in order: `https://host[:port]/path`, with `#name` behind it if the host is an address.
    #[serde(deserialize_with = "words")]
    pub doh_servers: Vec<DohServer>,
    /// Files (PEM) with certificates of further authorities, besides Mozilla's, that servers of HTTP and of DNS over HTTPS
    /// may be certified by.
    #[serde(deserialize_with = "words")]
    pub trusted_certificates: Vec<PathBuf>,
}

/// Who is asked unless the settings say otherwise.
const DOH_SERVERS: [&str; 2] = [
    "https://1.1.1.1/dns-query#cloudflare-dns.com",
    "https://8.8.8.8/dns-query#dns.google",
];

impl Default for NetworkSettings {
    fn default() -> Self {
        Self {
            proxies: Vec::new(),
            proxy_order: ProxyOrder::default(),
            prefer_ipv6: false,
            obfuscated: true,
            forward_secrecy: true,
            connect_limit: 5,
            request_limit: 600,
            doh: false,
            // Constants, read by a test.
            doh_servers: DOH_SERVERS
                .iter()
                .flat_map(|server| server.parse())
                .collect(),
            trusted_certificates: Vec::new(),
        }
    }
}

impl NetworkSettings {
    /// What connects to datacenters by these settings.
    pub(crate) fn connector(&self) -> Result<NetworkConnector> {
        NetworkConnector::new(self.dialer_config()?)
            .map_err(|error| Error::Settings(format!("`network.proxies`: {error}")))
    }

    pub(crate) fn dialer_config(&self) -> Result<DialerConfig> {
        let mut config = DialerConfig::default();
        config.proxies.clone_from(&self.proxies);
        config.order = self.proxy_order;
        config.prefer_ipv6 = self.prefer_ipv6;
        config.connect_limit = Duration::from_secs(self.connect_limit.clamp(1, 3600));
        config.request_limit = Duration::from_secs(self.request_limit.max(1));
        if self.doh {
            self.use_doh(&mut config)?;
        }
        Ok(config)
    }

    #[cfg(feature = "doh")]
    fn use_doh(&self, config: &mut DialerConfig) -> Result<()> {
        let servers = self.doh_servers.clone();
        let doh = actogram_net::DohResolver::with_system(servers, &self.trusted()?)
            .map_err(|error| Error::Settings(format!("`network.doh_servers`: {error}")))?;
        config.resolver = std::sync::Arc::new(doh);
        Ok(())
    }

    #[cfg(not(feature = "doh"))]
    fn use_doh(&self, _: &mut DialerConfig) -> Result<()> {
        Err(Error::Settings(
            "`network.doh` is set, but this program was built without the feature `doh`".to_owned(),
        ))
    }

    /// The certificates in the files of `trusted_certificates`, in DER.
    #[cfg(any(feature = "doh", feature = "http"))]
    pub(crate) fn trusted(&self) -> Result<Vec<Vec<u8>>> {
        let mut trusted = Vec::new();
        for path in &self.trusted_certificates {
            let named = format!("`network.trusted_certificates`: {}", path.display());
            let pem = std::fs::read(path)
                .map_err(|error| Error::io(format!("reading {named}"), error))?;
            let found = actogram_net::certificates(&pem)
                .map_err(|error| Error::Settings(format!("{named}: {error}")))?;
            trusted.extend(found);
        }
        Ok(trusted)
    }
}

fn order<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ProxyOrder, D::Error> {
    String::deserialize(deserializer)?
        .parse()
        .map_err(D::Error::custom)
}

/// A list, or one text with spaces between: the environment knows no lists. Some hold passwords.
fn words<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: fmt::Display>,
{
    struct Words<T>(PhantomData<T>);

    impl<'de, T: FromStr<Err: fmt::Display>> Visitor<'de> for Words<T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list, or one text with spaces between its parts")
        }

        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
            text.split_whitespace()
                .map(|word| word.parse().map_err(E::custom))
                .collect()
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut words = Vec::new();
            while let Some(text) = list.next_element::<Secret>()? {
                words.push(text.expose().parse().map_err(A::Error::custom)?);
            }
            Ok(words)
        }
    }

    deserializer.deserialize_any(Words(PhantomData))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::HashMap;

    use crate::Settings;

    fn from_file(text: &str) -> crate::Result<Settings> {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("bot.toml");
        std::fs::write(&file, text).unwrap();
        Settings::layered(Some(&file), HashMap::new(), [])
    }

    fn from_environment(name: &str, value: &str) -> crate::Result<Settings> {
        let environment = [(name.to_owned(), value.to_owned())].into();
        Settings::layered(None, environment, [])
    }

    #[test]
    fn proxies_come_from_a_list_and_from_a_variable_and_are_never_shown() {
        let file = "[network]\nproxies = [\"socks5://ann:hunter2@p:1\", \"http://q:2\"]\nproxy_order = \"proxy_only\"";
        let variable = "socks5://ann:hunter2@p:1 http://q:2";
        for settings in [
            from_file(file).unwrap(),
            from_environment("ACTOGRAM_NETWORK__PROXIES", variable).unwrap(),
        ] {
            let shown: Vec<_> = settings
                .network
                .proxies
                .iter()
                .map(ToString::to_string)
                .collect();
            assert_eq!(shown, ["socks5://p:1", "http://q:2"]);
            assert!(!format!("{settings:?}").contains("hunter2"));
        }
    }

    #[test]
    fn what_is_wrong_is_named_without_the_password() {
        let wrong = [
            (
                "proxies = [\"socks4://ann:hunter2@p:1\"]",
                "did you mean `socks5`",
            ),
            ("proxies = [\"socks5://ann:hunter2@p\"]", "port"),
            ("proxies = [\"ann:hunter2@p:1\"]", "`://` is missing"),
            (
                "proxy_order = \"proxies_only\"",
                "did you mean `proxy_only`",
            ),
        ];
        for (line, expected) in wrong {
            let error = from_file(&format!("[network]\n{line}"))
                .unwrap_err()
                .to_string();
            assert!(
                error.contains(expected) && !error.contains("hunter2"),
                "{error}"
            );
        }
        let settings = from_environment("ACTOGRAM_NETWORK__PROXY_ORDER", "proxy_only").unwrap();
        let error = settings.network.connector().unwrap_err().to_string();
        assert!(error.contains("no proxies"), "{error}");
    }
}

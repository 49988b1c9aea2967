//! How hosts are reached: settings of proxies.

use std::{fmt, time::Duration};

use actogram_actors::NetworkConnector;
use actogram_net::{DialerConfig, Proxy, ProxyOrder};
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
    #[serde(deserialize_with = "proxies")]
    pub proxies: Vec<Proxy>,
    /// `direct_first` (proxies only if a direct connection fails), `proxy_first`, or `proxy_only`.
    #[serde(deserialize_with = "order")]
    pub proxy_order: ProxyOrder,
    /// Whether IPv6 addresses of a name are tried before IPv4 ones.
    pub prefer_ipv6: bool,
    /// How long, in seconds, one attempt to connect may take. At least 1.
    pub connect_limit: u64,
}

impl Default for NetworkSettings {
    fn default() -> Self {
        Self {
            proxies: Vec::new(),
            proxy_order: ProxyOrder::default(),
            prefer_ipv6: false,
            connect_limit: 5,
        }
    }
}

impl NetworkSettings {
    /// What connects to datacenters by these settings.
    pub(crate) fn connector(&self) -> Result<NetworkConnector> {
        NetworkConnector::new(self.dialer_config())
            .map_err(|error| Error::Settings(format!("`network.proxies`: {error}")))
    }

    pub(crate) fn dialer_config(&self) -> DialerConfig {
        let mut config = DialerConfig::default();
        config.proxies.clone_from(&self.proxies);
        config.order = self.proxy_order;
        config.prefer_ipv6 = self.prefer_ipv6;
        config.connect_limit = Duration::from_secs(self.connect_limit.clamp(1, 3600));
        config
    }
}

fn order<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ProxyOrder, D::Error> {
    String::deserialize(deserializer)?
        .parse()
        .map_err(D::Error::custom)
}

/// A list, or one text with spaces between: the environment knows no lists.
fn proxies<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Proxy>, D::Error> {
    struct Proxies;

    impl<'de> Visitor<'de> for Proxies {
        type Value = Vec<Proxy>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of proxies, or one text with spaces between them")
        }

        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
            text.split_whitespace()
                .map(|proxy| proxy.parse().map_err(E::custom))
                .collect()
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut proxies = Vec::new();
            while let Some(text) = list.next_element::<Secret>()? {
                proxies.push(text.expose().parse().map_err(A::Error::custom)?);
            }
            Ok(proxies)
        }
    }

    deserializer.deserialize_any(Proxies)
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

//! Which proxies there are, and in which order they are used.

use std::{fmt, str::FromStr};

use percent_encoding::percent_decode_str;
use zeroize::Zeroizing;

/// The schemes a proxy may have.
const SCHEMES: [(&str, ProxyScheme); 2] =
    [("socks5", ProxyScheme::Socks5), ("http", ProxyScheme::Http)];

/// How a proxy is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProxyScheme {
    /// SOCKS 5 (RFC 1928), with or without user name and password (RFC 1929). Names are resolved by the proxy.
    Socks5,
    /// HTTP/1.1 `CONNECT` (RFC 9110, 9.3.6), with or without `Basic` credentials. Names are resolved by the proxy.
    Http,
}

impl ProxyScheme {
    /// As it stands in an address.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Socks5 => "socks5",
            Self::Http => "http",
        }
    }
}

/// A user name and a password.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Credentials {
    pub(crate) user: Zeroizing<String>,
    pub(crate) password: Zeroizing<String>,
}

/// A proxy: `socks5://user:password@host:port` or `http://user:password@host:port`, the credentials being optional.
///
/// The host is a name, an IPv4 address, or an IPv6 address in brackets; what is special in an address (`@`, `:`, `/`,
/// `%`) is percent-encoded in the user name and the password. Neither of the two is ever shown. The password for an HTTP
/// proxy may be empty (`http://user:@host:port`); SOCKS 5 has no empty one (RFC 1929, 2).
///
/// ```
/// let proxy: actogram_net::Proxy = "socks5://ann:s%40fe@proxy.example:1080".parse()?;
/// assert_eq!(proxy.to_string(), "socks5://proxy.example:1080");
/// # Ok::<(), actogram_net::ParseProxyError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    pub(crate) scheme: ProxyScheme,
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) credentials: Option<Credentials>,
}

impl Proxy {
    /// How it is spoken to.
    pub fn scheme(&self) -> ProxyScheme {
        self.scheme
    }

    /// Its name or IP address, the latter without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether it is given a user name and a password.
    pub fn has_credentials(&self) -> bool {
        self.credentials.is_some()
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = self.scheme.as_str();
        if self.host.contains(':') {
            write!(f, "{scheme}://[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{scheme}://{}:{}", self.host, self.port)
        }
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let credentials = if self.has_credentials() {
            ", credentials ***"
        } else {
            ""
        };
        write!(f, "Proxy({self}{credentials})")
    }
}

/// Why a text is not the address of a proxy. Nothing of what may be a secret is repeated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseProxyError {
    /// There is no `://`.
    #[error("a proxy is written as socks5://user:password@host:port or http://…; `://` is missing")]
    NoScheme,
    /// The scheme is none that is built.
    #[error("proxies of the scheme `{given}` are not built; did you mean `{nearest}`?")]
    UnknownScheme {
        /// What was given, shortened.
        given: String,
        /// The nearest one that is built.
        nearest: &'static str,
    },
    /// The host is missing, or holds what no host does.
    #[error("the proxy's host is missing or malformed; host:port was expected behind the `@`")]
    Host,
    /// The port is missing, or is none.
    #[error("the proxy's port is missing or malformed; a number from 1 to 65535 was expected")]
    Port,
    /// The user name or password is not percent-encoded text, or one of them is missing or too long.
    #[error(
        "the proxy's user name and password are malformed: both were expected, of 1 to 255 bytes, percent-encoded; for no password, write `user:@`"
    )]
    Credentials,
    /// SOCKS 5 knows no empty password (RFC 1929, 2).
    #[error("a SOCKS5 proxy takes no empty password; 1 to 255 bytes were expected")]
    EmptyPassword,
    /// Something follows the port.
    #[error("nothing was expected behind the proxy's port")]
    Trailing,
}

impl FromStr for Proxy {
    type Err = ParseProxyError;

    fn from_str(text: &str) -> Result<Self, ParseProxyError> {
        let (scheme, rest) = text.split_once("://").ok_or(ParseProxyError::NoScheme)?;
        let scheme = parse_scheme(scheme)?;
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        // A password may hold anything but what ends it, so the last `@` counts.
        let (credentials, address) = match rest.rsplit_once('@') {
            Some((credentials, address)) => {
                (Some(parse_credentials(credentials, scheme)?), address)
            }
            None => (None, rest),
        };
        if address.contains(['/', '?', '#']) {
            return Err(ParseProxyError::Trailing);
        }
        let (host, port) = address.rsplit_once(':').ok_or(ParseProxyError::Port)?;
        let bracketed = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
        let valid = match bracketed {
            Some(host) => host.parse::<std::net::Ipv6Addr>().is_ok(),
            None => {
                (1..=253).contains(&host.len())
                    && host
                        .chars()
                        .all(|c| c.is_alphanumeric() || matches!(c, '-' | '.' | '_'))
            }
        };
        if !valid {
            return Err(ParseProxyError::Host);
        }
        let port = Some(port)
            .filter(|port| port.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|port| port.parse().ok())
            .filter(|port| *port != 0)
            .ok_or(ParseProxyError::Port)?;
        Ok(Self {
            scheme,
            host: bracketed.unwrap_or(host).to_owned(),
            port,
            credentials,
        })
    }
}

fn parse_scheme(given: &str) -> Result<ProxyScheme, ParseProxyError> {
    let given = given.to_ascii_lowercase();
    if let Some((_, scheme)) = SCHEMES.iter().find(|(name, _)| *name == given) {
        return Ok(*scheme);
    }
    let nearest = SCHEMES
        .iter()
        .map(|(name, _)| *name)
        .min_by_key(|name| strsim::levenshtein(&given, name))
        .unwrap_or("socks5");
    // What stands there may be a password in the wrong place: only what looks like a scheme is repeated.
    let shown = given.len() <= 12 && given.chars().all(|c| c.is_ascii_alphanumeric());
    Err(ParseProxyError::UnknownScheme {
        given: if shown { given } else { "…".to_owned() },
        nearest,
    })
}

fn parse_credentials(text: &str, scheme: ProxyScheme) -> Result<Credentials, ParseProxyError> {
    let (user, password) = text.split_once(':').ok_or(ParseProxyError::Credentials)?;
    let decode = |text: &str| {
        percent_decode_str(text)
            .decode_utf8()
            .ok()
            .map(|text| Zeroizing::new(text.into_owned()))
            .filter(|text| text.len() <= 255)
            .ok_or(ParseProxyError::Credentials)
    };
    let (user, password) = (decode(user)?, decode(password)?);
    if user.is_empty() {
        return Err(ParseProxyError::Credentials);
    }
    if password.is_empty() && scheme == ProxyScheme::Socks5 {
        return Err(ParseProxyError::EmptyPassword);
    }
    Ok(Credentials { user, password })
}

/// In which order a direct connection and the proxies are tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum ProxyOrder {
    /// Directly; by the proxies only if that fails. The default.
    #[default]
    DirectFirst,
    /// By the proxies; directly only if all of them fail.
    ProxyFirst,
    /// By the proxies, and never directly.
    ProxyOnly,
}

impl ProxyOrder {
    const NAMES: [(&'static str, Self); 3] = [
        ("direct_first", Self::DirectFirst),
        ("proxy_first", Self::ProxyFirst),
        ("proxy_only", Self::ProxyOnly),
    ];
}

/// A text that names no order of proxies.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{given:?} is no order of proxies; did you mean `{nearest}`?")]
pub struct UnknownProxyOrder {
    given: String,
    nearest: &'static str,
}

impl FromStr for ProxyOrder {
    type Err = UnknownProxyOrder;

    fn from_str(text: &str) -> Result<Self, UnknownProxyOrder> {
        if let Some((_, order)) = Self::NAMES.iter().find(|(name, _)| *name == text) {
            return Ok(*order);
        }
        let nearest = Self::NAMES
            .iter()
            .map(|(name, _)| *name)
            .min_by_key(|name| strsim::levenshtein(text, name))
            .unwrap_or("direct_first");
        Err(UnknownProxyOrder {
            given: text.chars().take(40).collect(),
            nearest,
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn addresses_are_read_in_all_their_forms() {
        let proxy: Proxy = "SOCKS5://a%3Ab:p%40ss%2F%25@[::1]:1080/".parse().unwrap();
        assert_eq!(proxy.scheme(), ProxyScheme::Socks5);
        assert_eq!((proxy.host(), proxy.port()), ("::1", 1080));
        let credentials = proxy.credentials.clone().unwrap();
        assert_eq!(credentials.user.as_str(), "a:b");
        assert_eq!(credentials.password.as_str(), "p@ss/%");
        assert_eq!(proxy.to_string(), "socks5://[::1]:1080");

        let proxy: Proxy = "http://proxy.example:3128".parse().unwrap();
        assert_eq!(proxy.scheme(), ProxyScheme::Http);
        assert!(!proxy.has_credentials());
    }

    #[test]
    fn what_is_no_proxy_is_refused_with_what_was_expected() {
        use ParseProxyError as E;
        let wrong = [
            ("localhost:1080", E::NoScheme),
            ("socks5://h", E::Port),
            ("socks5://h:", E::Port),
            ("socks5://h:0", E::Port),
            ("socks5://h:65536", E::Port),
            ("socks5://h:+80", E::Port),
            ("socks5://:1080", E::Host),
            ("socks5://a b:1080", E::Host),
            ("socks5://[::1:1080", E::Host),
            ("socks5://[nonsense]:1080", E::Host),
            ("socks5://user@h:1080", E::Credentials),
            ("socks5://user:@h:1080", E::EmptyPassword),
            ("http://user@h:1080", E::Credentials),
            ("http://:@h:1080", E::Credentials),
            ("socks5://:password@h:1080", E::Credentials),
            ("socks5://u:%ff@h:1080", E::Credentials),
            ("http://h:1080/path", E::Trailing),
        ];
        for (text, expected) in wrong {
            assert_eq!(text.parse::<Proxy>(), Err(expected), "{text}");
        }
    }

    #[test]
    fn an_unknown_scheme_is_refused_with_the_nearest() {
        for (text, nearest) in [
            ("socks://h:1", "socks5"),
            ("socks4://h:1", "socks5"),
            ("socks5h://h:1", "socks5"),
            ("https://h:1", "http"),
        ] {
            let error = text.parse::<Proxy>().unwrap_err().to_string();
            assert!(
                error.contains(&format!("did you mean `{nearest}`")),
                "{error}"
            );
        }
        let error = "hunter2 and more: a secret://h:1".parse::<Proxy>();
        assert!(!error.unwrap_err().to_string().contains("hunter2"));
    }

    #[test]
    fn an_unknown_order_is_refused_with_the_nearest() {
        assert_eq!("proxy_only".parse(), Ok(ProxyOrder::ProxyOnly));
        let error = "proxyfirst".parse::<ProxyOrder>().unwrap_err().to_string();
        assert!(error.contains("did you mean `proxy_first`"), "{error}");
    }

    proptest! {
        #[test]
        fn credentials_survive_encoding_and_are_never_shown(
            user in "\\PC{1,40}", password in "\\PC{1,40}", port in 1_u16..,
        ) {
            let encode = |text: &str| {
                percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC)
                    .to_string()
            };
            let text = format!("http://{}:{}@h.example:{port}", encode(&user), encode(&password));
            let proxy: Proxy = text.parse().unwrap();
            let credentials = proxy.credentials.clone().unwrap();
            prop_assert_eq!(credentials.user.as_str(), user.as_str());
            prop_assert_eq!(credentials.password.as_str(), password.as_str());
            prop_assert_eq!(proxy.to_string(), format!("http://h.example:{port}"));
            prop_assert_eq!(
                format!("{proxy:?}"),
                format!("Proxy(http://h.example:{port}, credentials ***)")
            );
        }

        #[test]
        fn no_text_makes_parsing_panic_and_no_error_repeats_a_password(text in "\\PC{0,60}") {
            let _ = text.parse::<Proxy>();
            let given = format!("socks5://user:hunter2hunter2@{text}");
            match given.parse::<Proxy>() {
                Ok(proxy) => {
                    let shown = format!("{proxy} {proxy:?}");
                    prop_assert!(!shown.contains("hunter2"), "{}", shown);
                }
                Err(error) => {
                    let shown = format!("{error} {error:?}");
                    prop_assert!(!shown.contains("hunter2"), "{}", shown);
                }
            }
        }
    }
}

//! Servers of DNS over HTTPS, as settings name them.

use std::{fmt, net::IpAddr, str::FromStr};

use crate::error::NetworkError;

/// A server of DNS over HTTPS: `https://host[:port]/path[#name]`.
///
/// The host may be an address, which needs nobody to look it up; the name behind `#` is then what its certificate is
/// expected to say (otherwise that is the host).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DohServer {
    host: String,
    port: u16,
    path: String,
    name: String,
}

impl DohServer {
    /// Where it is: a name or an address.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The path, with its leading slash.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What its certificate is expected to say.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl FromStr for DohServer {
    type Err = NetworkError;

    fn from_str(given: &str) -> Result<Self, NetworkError> {
        let wrong = || NetworkError::DohServer {
            given: given.to_owned(),
        };
        let rest = given.strip_prefix("https://").ok_or_else(wrong)?;
        let (rest, name) = match rest.split_once('#') {
            Some((rest, name)) => (rest, Some(name)),
            None => (rest, None),
        };
        let (authority, path) = rest.split_once('/').ok_or_else(wrong)?;
        let (host, port) = match authority.strip_prefix('[') {
            Some(bracketed) => {
                let (host, behind) = bracketed.split_once(']').ok_or_else(wrong)?;
                let _: IpAddr = host.parse().map_err(|_| wrong())?;
                (
                    host,
                    behind
                        .strip_prefix(':')
                        .or(behind.is_empty().then_some("443")),
                )
            }
            None => match authority.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (authority, Some("443")),
            },
        };
        let port = port.ok_or_else(wrong)?.parse().map_err(|_| wrong())?;
        let name = name.unwrap_or(host);
        let is_odd = |text: &str| {
            text.is_empty() || text.contains(|c: char| c.is_whitespace() || "@?/".contains(c))
        };
        if is_odd(host) || is_odd(name) || path.contains(char::is_whitespace) {
            return Err(wrong());
        }
        Ok(Self {
            host: host.to_owned(),
            port,
            path: format!("/{path}"),
            name: name.to_owned(),
        })
    }
}

impl fmt::Display for DohServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (open, close) = if self.host.contains(':') {
            ("[", "]")
        } else {
            ("", "")
        };
        write!(
            f,
            "https://{open}{}{close}:{}{}",
            self.host, self.port, self.path
        )?;
        if self.name != self.host {
            write!(f, "#{}", self.name)?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_read_and_what_is_none_is_named() {
        for (given, read) in [
            (
                "https://dns.example/dns-query",
                "https://dns.example:443/dns-query",
            ),
            (
                "https://192.0.2.1:8443/q#dns.example",
                "https://192.0.2.1:8443/q#dns.example",
            ),
            (
                "https://[2001:db8::1]/q#dns.example",
                "https://[2001:db8::1]:443/q#dns.example",
            ),
            ("https://dns.example/", "https://dns.example:443/"),
        ] {
            let server: DohServer = given.parse().unwrap();
            assert_eq!(server.to_string(), read);
            assert_eq!(server.to_string().parse::<DohServer>().unwrap(), server);
        }
        for odd in [
            "http://dns.example/q",
            "https://dns.example",
            "https://dns.example:x/q",
            "https://:443/q",
            "https://[dns.example]/q",
            "https://[::1/q",
            "https://[::1]443/q",
            "https://ann:secret@dns.example/q",
            "https://dns.example/q#",
            "",
        ] {
            let error = odd.parse::<DohServer>().unwrap_err().to_string();
            assert!(error.contains("was expected"), "{odd}: {error}");
        }
    }
}

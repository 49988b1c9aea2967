//! Tunnels through proxies, over a stream that leads to the proxy.

use std::io;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio_socks::tcp::Socks5Stream;
use zeroize::Zeroizing;

use crate::{
    error::ProxyError,
    proxy::{Credentials, Proxy, ProxyScheme},
};

/// The longest head of an answer to `CONNECT` that is read.
const LONGEST_HEAD: usize = 16 * 1024;

/// The most header fields of an answer to `CONNECT`.
const MOST_HEADERS: usize = 64;

/// Has the proxy open a tunnel to a host. Gives the stream, and what the host has already sent.
///
/// # Errors
/// [`ProxyError`]. It takes as long as the proxy likes: whoever calls sets a limit.
pub(crate) async fn open<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    proxy: &Proxy,
    host: &str,
    port: u16,
) -> Result<(S, Vec<u8>), ProxyError> {
    if !(1..=255).contains(&host.len()) || host.contains(|c: char| c.is_control() || c == ' ') {
        return Err(ProxyError::HostName);
    }
    match proxy.scheme {
        ProxyScheme::Socks5 => {
            let stream = socks5(stream, proxy.credentials.as_ref(), host, port).await?;
            Ok((stream, Vec::new()))
        }
        ProxyScheme::Http => connect(stream, proxy.credentials.as_ref(), host, port).await,
    }
}

async fn socks5<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    credentials: Option<&Credentials>,
    host: &str,
    port: u16,
) -> Result<S, ProxyError> {
    let opened = match credentials {
        None => Socks5Stream::connect_with_socket(stream, (host, port)).await,
        Some(Credentials { user, password }) => {
            Socks5Stream::connect_with_password_and_socket(stream, (host, port), user, password)
                .await
        }
    };
    opened.map(Socks5Stream::into_inner).map_err(|error| {
        use tokio_socks::Error as E;
        match error {
            E::Io(error) => ProxyError::Closed(error.kind()),
            E::InvalidResponseVersion => ProxyError::WrongProtocol,
            E::NoAcceptableAuthMethods | E::AuthorizationRequired if credentials.is_none() => {
                ProxyError::CredentialsWanted
            }
            E::NoAcceptableAuthMethods | E::AuthorizationRequired | E::PasswordAuthFailure(_) => {
                ProxyError::CredentialsRejected
            }
            E::GeneralSocksServerFailure
            | E::NetworkUnreachable
            | E::HostUnreachable
            | E::ConnectionRefused
            | E::TtlExpired => ProxyError::HostUnreachable(error.to_string()),
            E::ConnectionNotAllowedByRuleset
            | E::CommandNotSupported
            | E::AddressTypeNotSupported => ProxyError::Refused(error.to_string()),
            other => ProxyError::Malformed(other.to_string()),
        }
    })
}

async fn connect<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    credentials: Option<&Credentials>,
    host: &str,
    port: u16,
) -> Result<(S, Vec<u8>), ProxyError> {
    let closed = |error: io::Error| ProxyError::Closed(error.kind());
    let request = connect_request(credentials, host, port);
    stream.write_all(request.as_bytes()).await.map_err(closed)?;
    stream.flush().await.map_err(closed)?;
    let mut head = Vec::new();
    loop {
        if let Some(length) = read_head(&head, credentials.is_some())? {
            return Ok((stream, head.split_off(length)));
        }
        if head.len() >= LONGEST_HEAD {
            return Err(ProxyError::TooLong {
                limit: LONGEST_HEAD,
            });
        }
        let mut chunk = [0; 1024];
        match stream.read(&mut chunk).await.map_err(closed)? {
            0 => return Err(ProxyError::Closed(io::ErrorKind::UnexpectedEof)),
            count => head.extend_from_slice(&chunk[..count]),
        }
    }
}

fn connect_request(credentials: Option<&Credentials>, host: &str, port: u16) -> Zeroizing<String> {
    let host = if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    };
    let authorization = credentials.map_or_else(Zeroizing::default, |credentials| {
        let pair = Zeroizing::new(format!(
            "{}:{}",
            credentials.user.as_str(),
            credentials.password.as_str()
        ));
        let pair = Zeroizing::new(STANDARD.encode(pair.as_bytes()));
        Zeroizing::new(format!("Proxy-Authorization: Basic {}\r\n", pair.as_str()))
    });
    Zeroizing::new(format!(
        "CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n{}\r\n",
        authorization.as_str()
    ))
}

/// Reads answers of proxies as they are found, not only as they should be. No header field is used, so a malformed one
/// is no reason to go without the proxy.
fn parser() -> httparse::ParserConfig {
    let mut parser = httparse::ParserConfig::default();
    parser
        .allow_multiple_spaces_in_response_status_delimiters(true)
        .allow_obsolete_multiline_headers_in_responses(true)
        .allow_spaces_after_header_name_in_responses(true)
        .ignore_invalid_headers_in_responses(true);
    parser
}

/// The length of the answer's head once it is there, if it opens the tunnel. Interim answers are passed over.
fn read_head(bytes: &[u8], with_credentials: bool) -> Result<Option<usize>, ProxyError> {
    let parser = parser();
    let mut begin = 0;
    loop {
        let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
        let mut answer = httparse::Response::new(&mut headers);
        let parsed = parser.parse_response(&mut answer, &bytes[begin..]);
        let parsed = parsed.map_err(|error| match error {
            httparse::Error::Version | httparse::Error::Token if begin == 0 => {
                ProxyError::WrongProtocol
            }
            other => ProxyError::Malformed(other.to_string()),
        })?;
        let httparse::Status::Complete(length) = parsed else {
            return Ok(None);
        };
        begin += length;
        let reason = answer.reason.unwrap_or_default();
        let shown = |code: u16| {
            let reason: String = reason
                .chars()
                .take(80)
                .flat_map(char::escape_debug)
                .collect();
            format!("{code} {reason}").trim_end().to_owned()
        };
        match answer.code.unwrap_or_default() {
            100 | 102..=199 => {}
            200..=299 => return Ok(Some(begin)),
            407 if with_credentials => return Err(ProxyError::CredentialsRejected),
            407 => return Err(ProxyError::CredentialsWanted),
            code @ (502..=504) => return Err(ProxyError::HostUnreachable(shown(code))),
            code => return Err(ProxyError::Refused(shown(code))),
        }
    }
}

#[cfg(test)]
mod tests;

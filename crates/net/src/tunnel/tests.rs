#![allow(clippy::unwrap_used)]

use std::time::Duration;

use proptest::prelude::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

use super::*;

const PLAIN: &str = "p.example:1080";
const WITH_CREDENTIALS: &str = "ann:hunter2@p.example:1080";

/// What a hostile proxy does: reads that many bytes, writes these; then closes, or stays silent.
struct Script {
    steps: Vec<(usize, Vec<u8>)>,
    hangs: bool,
}

impl Script {
    fn closes<const N: usize>(steps: [(usize, &[u8]); N]) -> Self {
        let steps = steps.map(|(count, bytes)| (count, bytes.to_vec()));
        Self {
            steps: steps.into(),
            hangs: false,
        }
    }

    fn hangs<const N: usize>(steps: [(usize, &[u8]); N]) -> Self {
        Self {
            hangs: true,
            ..Self::closes(steps)
        }
    }
}

/// What the tunnel ends as, and all that the proxy was sent. `None`: it still waits after a minute of virtual time.
async fn play(
    proxy: &str,
    host: &str,
    script: Script,
) -> (Option<Result<Vec<u8>, ProxyError>>, Vec<u8>) {
    let (ours, mut theirs) = tokio::io::duplex(1024);
    let proxy: Proxy = proxy.parse().unwrap();
    let played = async {
        let mut heard = Vec::new();
        for (count, bytes) in script.steps {
            let mut request = vec![0; count];
            if theirs.read_exact(&mut request).await.is_err() {
                return heard;
            }
            heard.extend(request);
            if theirs.write_all(&bytes).await.is_err() {
                return heard;
            }
        }
        if script.hangs {
            std::future::pending::<()>().await;
        }
        drop(theirs);
        heard
    };
    let opened = tokio::time::timeout(Duration::from_secs(60), open(ours, &proxy, host, 443));
    if script.hangs {
        tokio::select! {
            opened = opened => (opened.ok().map(|opened| opened.map(|(_, rest)| rest)), Vec::new()),
            heard = played => (None, heard),
        }
    } else {
        let (opened, heard) = tokio::join!(opened, played);
        (
            opened.ok().map(|opened| opened.map(|(_, rest)| rest)),
            heard,
        )
    }
}

async fn socks(script: Script) -> Option<Result<Vec<u8>, ProxyError>> {
    play(&format!("socks5://{PLAIN}"), "dc.example", script)
        .await
        .0
}

async fn socks_with_credentials(script: Script) -> Option<Result<Vec<u8>, ProxyError>> {
    let proxy = format!("socks5://{WITH_CREDENTIALS}");
    play(&proxy, "dc.example", script).await.0
}

/// `CONNECT` answered by this.
async fn http(proxy: &str, answer: &[u8]) -> Option<Result<Vec<u8>, ProxyError>> {
    let proxy = format!("http://{proxy}");
    let script = Script::closes([(20, answer)]);
    play(&proxy, "dc.example", script).await.0
}

/// A request by name for `dc.example`.
const REQUEST: usize = 4 + 1 + 10 + 2;

#[tokio::test(start_paused = true)]
async fn t6_socks5_opens_with_an_address_of_each_kind_in_the_answer() {
    let domain = [&[5, 0, 0, 3, 255][..], &[b'a'; 255], &[1, 187]].concat();
    let empty_domain = [5, 0, 0, 3, 0, 1, 187].to_vec();
    let v4 = [5, 0, 0, 1, 127, 0, 0, 1, 1, 187].to_vec();
    let v6 = [&[5, 0, 0, 4][..], &[0; 16], &[1, 187]].concat();
    for answer in [domain, empty_domain, v4, v6] {
        let script = Script::closes([(3, &[5, 0]), (REQUEST, &answer)]);
        assert_eq!(socks(script).await, Some(Ok(Vec::new())), "{answer:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn t6_socks5_sends_what_rfc_1928_and_1929_say() {
    let proxy = format!("socks5://{WITH_CREDENTIALS}");
    let answer = [5, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    let steps = [(4, &[5, 2][..]), (13, &[1, 0]), (REQUEST, &answer)];
    let (opened, heard) = play(&proxy, "dc.example", Script::closes(steps)).await;
    assert_eq!(opened, Some(Ok(Vec::new())));
    let expected = [
        &[5, 2, 0, 2][..],
        b"\x01\x03ann\x07hunter2",
        b"\x05\x01\x00\x03\x0adc.example\x01\xbb",
    ];
    assert_eq!(heard, expected.concat());

    let steps = [(3, &[5, 0][..]), (10, &answer)];
    let proxy = format!("socks5://{PLAIN}");
    let (_, heard) = play(&proxy, "10.0.0.7", Script::closes(steps)).await;
    assert_eq!(heard[3..], [5, 1, 0, 1, 10, 0, 0, 7, 1, 187]);
}

#[tokio::test(start_paused = true)]
async fn t6_socks5_of_another_version_is_told() {
    for version in [0_u8, 4, 6, b'H'] {
        let ended = socks(Script::closes([(3, &[version, 0])])).await;
        assert_eq!(ended, Some(Err(ProxyError::WrongProtocol)));
        let ended = socks_with_credentials(Script::closes([(4, &[5, 2]), (13, &[version, 0])]));
        assert_eq!(ended.await, Some(Err(ProxyError::WrongProtocol)));
        let answer = [version, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        let ended = socks(Script::closes([(3, &[5, 0]), (REQUEST, &answer)])).await;
        assert_eq!(ended, Some(Err(ProxyError::WrongProtocol)));
    }
}

#[tokio::test(start_paused = true)]
async fn t6_socks5_credentials_wanted_and_rejected_are_told_apart() {
    for (method, expected) in [
        (0xff, ProxyError::CredentialsWanted),
        (2, ProxyError::CredentialsWanted),
        (1, ProxyError::Malformed("Unknown auth method".to_owned())),
    ] {
        let ended = socks(Script::closes([(3, &[5, method])])).await;
        assert_eq!(ended, Some(Err(expected)), "{method}");
    }
    let ended = socks_with_credentials(Script::closes([(4, &[5, 0xff])])).await;
    assert_eq!(ended, Some(Err(ProxyError::CredentialsRejected)));
    let ended = socks_with_credentials(Script::closes([(4, &[5, 2]), (13, &[1, 1])])).await;
    assert_eq!(ended, Some(Err(ProxyError::CredentialsRejected)));
}

#[tokio::test(start_paused = true)]
async fn t6_socks5_refusals_name_their_reason() {
    for code in 1..=255_u8 {
        let answer = [5, code, 0, 1, 0, 0, 0, 0, 0, 0];
        let ended = socks(Script::closes([(3, &[5, 0]), (REQUEST, &answer)])).await;
        let Some(Err(error)) = ended else {
            panic!("{code}: {ended:?}")
        };
        let fits = match code {
            1 | 3..=6 => matches!(error, ProxyError::HostUnreachable(_)),
            2 | 7 | 8 => matches!(error, ProxyError::Refused(_)),
            _ => matches!(error, ProxyError::Malformed(_)),
        };
        assert!(fits, "{code}: {error:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn t6_a_proxy_that_hangs_is_waited_for_by_who_set_the_limit() {
    let success = [5, 0, 0, 3, 9, b'a'];
    for script in [
        Script::hangs([(3, &[])]),
        Script::hangs([(3, &[5])]),
        Script::hangs([(3, &[5, 0]), (REQUEST, &[5, 0, 0])]),
        Script::hangs([(3, &[5, 0]), (REQUEST, &success)]),
    ] {
        assert_eq!(socks(script).await, None);
    }
    let proxy = format!("http://{PLAIN}");
    for answer in [&b""[..], b"HTTP/1.1 200 OK\r\n"] {
        let script = Script::hangs([(20, answer)]);
        assert_eq!(play(&proxy, "dc.example", script).await.0, None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_proxy_that_closes_is_told_at_every_byte() {
    let answer = [5, 0, 0, 3, 2, b'a', b'b', 0, 1];
    for length in 0..answer.len() {
        let script = Script::closes([(3, &[5, 0]), (REQUEST, &answer[..length])]);
        let ended = socks(script).await;
        assert!(
            matches!(ended, Some(Err(ProxyError::Closed(_)))),
            "{length}: {ended:?}"
        );
    }
    let answer = b"HTTP/1.1 200 OK\r\nVia: x\r\n\r\n";
    for length in 0..answer.len() {
        let ended = http(PLAIN, &answer[..length]).await;
        assert!(
            matches!(ended, Some(Err(ProxyError::Closed(_)))),
            "{length}: {ended:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn connect_sends_host_and_credentials_and_keeps_what_follows_the_head() {
    let (ours, mut theirs): (DuplexStream, DuplexStream) = tokio::io::duplex(4096);
    let proxy: Proxy = format!("http://{WITH_CREDENTIALS}").parse().unwrap();
    let answer = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.0 200\r\n\r\nwelcome";
    theirs.write_all(answer).await.unwrap();
    let (_, rest) = open(ours, &proxy, "::1", 443).await.unwrap();
    assert_eq!(rest, b"welcome");
    let mut heard = String::new();
    theirs.read_to_string(&mut heard).await.unwrap();
    assert_eq!(
        heard,
        "CONNECT [::1]:443 HTTP/1.1\r\nHost: [::1]:443\r\nProxy-Authorization: Basic YW5uOmh1bnRlcjI=\r\n\r\n"
    );
}

#[tokio::test(start_paused = true)]
async fn fields_that_nobody_reads_may_be_malformed() {
    for answer in [
        &b"HTTP/1.1 200 OK\r\nVia : x\r\n\r\nwelcome"[..],
        b"HTTP/1.1 200 OK\r\nVia: x\r\n y\r\n\r\nwelcome",
        b"HTTP/1.1 200 OK\r\nno field at all\r\n\r\nwelcome",
        b"HTTP/1.1 200 OK\r\n[Via]: x\r\n\r\nwelcome",
        b"HTTP/1.1  200  OK\r\n\r\nwelcome",
    ] {
        let opened = http(PLAIN, answer).await;
        assert_eq!(opened, Some(Ok(b"welcome".to_vec())), "{answer:?}");
    }
    let refused = http(PLAIN, b"HTTP/1.1 407 No\r\nVia : x\r\n\r\n").await;
    assert_eq!(refused, Some(Err(ProxyError::CredentialsWanted)));
}

#[tokio::test(start_paused = true)]
async fn t6_connect_refusals_name_their_reason() {
    let refused = |text: &str| ProxyError::Refused(text.to_owned());
    let unreachable = |text: &str| ProxyError::HostUnreachable(text.to_owned());
    let cases: [(&[u8], ProxyError); 8] = [
        (
            b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
            ProxyError::CredentialsWanted,
        ),
        (b"HTTP/1.1 403 No\r\n\r\n", refused("403 No")),
        (b"HTTP/1.1 101 Upgrade\r\n\r\n", refused("101 Upgrade")),
        (b"HTTP/1.1 302 Found\r\n\r\n", refused("302 Found")),
        (
            b"HTTP/1.1 502 Bad Gateway\r\n\r\n",
            unreachable("502 Bad Gateway"),
        ),
        (b"HTTP/1.1 504\r\n\r\n", unreachable("504")),
        (b"SSH-2.0-OpenSSH\r\n", ProxyError::WrongProtocol),
        (&[5, 0xff], ProxyError::WrongProtocol),
    ];
    for (answer, expected) in cases {
        assert_eq!(http(PLAIN, answer).await, Some(Err(expected)));
    }
    let rejected = http(WITH_CREDENTIALS, b"HTTP/1.1 407 No\r\n\r\n").await;
    assert_eq!(rejected, Some(Err(ProxyError::CredentialsRejected)));
}

#[tokio::test(start_paused = true)]
async fn t6_giant_answers_end() {
    let endless = [&b"HTTP/1.1 200 OK\r\nX: "[..], &vec![b'a'; 1 << 20]].concat();
    let limit = LONGEST_HEAD;
    assert_eq!(
        http(PLAIN, &endless).await,
        Some(Err(ProxyError::TooLong { limit }))
    );
    let many = [&b"HTTP/1.1 200 OK\r\n"[..], &b"X: y\r\n".repeat(10_000)].concat();
    assert_eq!(
        http(PLAIN, &many).await,
        Some(Err(ProxyError::Malformed("too many headers".to_owned())))
    );
    let interim = b"HTTP/1.1 100 Continue\r\n\r\n".repeat(10_000);
    assert_eq!(
        http(PLAIN, &interim).await,
        Some(Err(ProxyError::TooLong { limit }))
    );
}

#[tokio::test(start_paused = true)]
async fn a_host_that_no_proxy_can_be_told_is_refused_before_anything_is_sent() {
    for host in ["", "a b", "a\r\nX-Injected: yes", &"a".repeat(256)] {
        for scheme in ["socks5", "http"] {
            let proxy = format!("{scheme}://{PLAIN}");
            let (ended, heard) = play(&proxy, host, Script::closes([(1, &[])])).await;
            assert_eq!(ended, Some(Err(ProxyError::HostName)), "{host:?}");
            assert!(heard.is_empty());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn t6_no_failure_shows_credentials() {
    for answer in [
        &b"HTTP/1.1 407 ann:hunter2\r\n\r\n"[..],
        b"\x00ann hunter2",
        b"",
    ] {
        let shown = format!("{0:?}", http(WITH_CREDENTIALS, answer).await);
        assert!(!shown.contains("hunter2"), "{shown}");
        let ended = socks_with_credentials(Script::closes([(4, answer)])).await;
        let shown = format!("{ended:?}");
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}

proptest! {
    /// Any bytes: an end, never a panic, never more than the limit kept.
    #[test]
    fn any_answer_ends(
        scheme in prop_oneof![Just("socks5"), Just("http")],
        valid in prop_oneof![Just(&b""[..]), Just(&[5, 0][..]), Just(&[5, 2, 1, 0][..]), Just(&b"HTTP/1.1 "[..])],
        noise in prop::collection::vec(any::<u8>(), 0..600),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        let proxy = format!("{scheme}://{WITH_CREDENTIALS}");
        let answer = [valid, &noise].concat();
        let script = Script::closes([(1, &answer)]);
        let (ended, _) = runtime.block_on(play(&proxy, "dc.example", script));
        prop_assert!(ended.is_some());
    }
}

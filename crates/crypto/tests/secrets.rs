//! What keeps secrets secret: wiped on drop, never shown, compared in one place, never drawn from a seed in production.
#![allow(clippy::unwrap_used)]

use std::{
    fmt::Debug,
    fs,
    path::{Path, PathBuf},
};

use actogram_crypto::{
    AuthKey,
    compare::constant_time_eq,
    ctr::Ctr256,
    dh::{KNOWN_PRIME, Secret},
    random::{OsRandom, SeededRandom},
    rsa::PrivateKey,
    srp,
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The files below `folder` whose name ends so, without what a build leaves there.
fn files(folder: &Path, ending: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if path.is_dir() {
            if name != "target" && !name.starts_with('.') {
                files(&path, ending, found);
            }
        } else if name.ends_with(ending) {
            found.push(path);
        }
    }
}

#[test]
fn debug_shows_no_secret() {
    // 0xa7 = 167: neither form of it may be seen.
    let key = AuthKey::new([0xa7; 256]);
    let private = PrivateKey::generate(&mut SeededRandom::from_seed(3)).unwrap();
    let encrypted = private
        .public()
        .encrypt_padded(b"x", &mut OsRandom)
        .unwrap();
    let parameters = srp::Parameters {
        salt1: &[1; 40],
        salt2: &[2; 16],
        g: 3,
        p: &KNOWN_PRIME,
    };
    let server = srp::Server::new(&parameters, &[0xa7; 256], &mut OsRandom).unwrap();
    let proof = srp::prove(b"secret", &parameters, server.public(), &mut OsRandom).unwrap();
    let shown: Vec<(&dyn Debug, String)> = vec![
        (&key, format!("AuthKey(id={:016x})", key.id())),
        (&private, {
            let fingerprint = private.public().fingerprint();
            format!("PrivateKey(fingerprint={fingerprint:016x})")
        }),
    ];
    for (value, expected) in shown {
        assert_eq!(format!("{value:?}"), expected);
        assert_eq!(format!("{value:#?}"), expected);
    }
    let secret = Secret::from_bytes([0xa7; 256]);
    let cipher = Ctr256::new(&[0xa7; 32], &[0xa7; 16]);
    let opened = private.open(&encrypted);
    let seeded = SeededRandom::from_seed(0xa7a7);
    let silent: [&dyn Debug; 6] = [&secret, &cipher, &opened, &server, &proof, &seeded];
    for value in silent {
        let text = format!("{value:?}{value:#?}");
        assert!(!text.contains("a7") && !text.contains("167"), "{text}");
        assert!(text.len() < 64, "too long to say only what it is: {text}");
    }
}

#[test]
fn secrets_are_wiped_when_dropped() {
    fn wiped<T: zeroize::ZeroizeOnDrop>() {}
    wiped::<AuthKey>();
    wiped::<Secret>();
    wiped::<PrivateKey>();
    // Their cipher states are wiped by features of their crates; this does not compile without them.
    wiped::<aes::Aes256Enc>();
    wiped::<ige::Encryptor<aes::Aes256Enc>>();
    wiped::<ige::Decryptor<aes::Aes256Dec>>();
}

#[test]
fn comparison_is_by_value() {
    assert!(constant_time_eq(b"", b""));
    assert!(constant_time_eq(b"same", b"same"));
    for other in [&b"Same"[..], b"samE", b"sam", b"same ", b""] {
        assert!(!constant_time_eq(b"same", other));
    }
}

fn compares_a_secret(line: &str) -> bool {
    const SECRET: [&str; 5] = [
        "msg_key",
        "new_nonce_hash",
        "m1",
        "auth_key.as_bytes()",
        "password",
    ];
    let beside = |secret: &str, operator: &str| {
        let sides: Vec<&str> = line.split(operator).collect();
        sides.windows(2).any(|sides| {
            let right = sides[1].trim_start().trim_start_matches(['&', '*']);
            sides[0].trim_end().ends_with(secret)
                || right
                    .strip_prefix(secret)
                    .is_some_and(|rest| !rest.starts_with(['.', '_']))
        })
    };
    let code = !line.trim_start().starts_with("//");
    code && SECRET
        .iter()
        .any(|secret| beside(secret, "==") || beside(secret, "!="))
}

/// `==` leaves at the first byte that differs. Only the comparison in constant time may look at these.
#[test]
fn s1_no_secret_is_compared_with_an_operator() {
    for caught in [
        "if msg_key == computed[8..24] {",
        "if &large[8..24] != msg_key {",
        "if hash==*new_nonce_hash {",
        "proof.m1 == expected && a != b",
    ] {
        assert!(compares_a_secret(caught), "{caught}");
    }
    for fine in [
        "// msg_key == computed",
        "constant_time_eq(msg_key, &large)",
        "msg_key.len() == 16",
    ] {
        assert!(!compares_a_secret(fine), "{fine}");
    }
    let mut sources = Vec::new();
    for folder in ["crates", "actors", "src"] {
        files(&root().join(folder), ".rs", &mut sources);
    }
    sources.retain(|path| path.components().any(|part| part.as_os_str() == "src"));
    assert!(sources.len() > 20, "the sources are not where they were");
    let mut found = Vec::new();
    for path in &sources {
        let text = fs::read_to_string(path).unwrap();
        // Tests compare what they like.
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for (number, line) in code.lines().enumerate() {
            if compares_a_secret(line) {
                found.push(format!("{}:{}: {line}", path.display(), number + 1));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// A seed repeats itself, so what is drawn from one is no secret: nothing that is not a test may ask for it.
#[test]
fn seeded_randomness_is_for_tests_only() {
    let mut manifests = Vec::new();
    files(&root(), "Cargo.toml", &mut manifests);
    assert!(manifests.len() > 5, "the manifests are not where they were");
    for path in manifests {
        let text = fs::read_to_string(&path).unwrap();
        let mut section = String::new();
        for line in text.lines() {
            let line = line.trim();
            if line.starts_with('[') {
                section = line.to_owned();
            }
            let ours = line.starts_with("actogram-crypto") || line.starts_with("actogram-mtproto");
            let for_tests = section.contains("dev-dependencies");
            assert!(
                !ours || for_tests || !line.contains("testing"),
                "{} turns seeded randomness on outside tests: {line}",
                path.display()
            );
            assert!(
                !(section == "[features]"
                    && line.starts_with("default")
                    && line.contains("testing")),
                "{}: {line}",
                path.display()
            );
        }
    }
}

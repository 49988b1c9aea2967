//! Lengths of strings against the vectors, and the schema against what must not be in it.

#![allow(clippy::unwrap_used)]

use std::path::Path;

use actogram_tl::{Bytes, Decode, Encode, Reader};
use proptest::prelude::*;

#[test]
fn string_headers_match_the_vectors() {
    let vectors: serde_json::Value =
        serde_json::from_str(include_str!("../../../tests/vectors.json")).unwrap();
    let headers = vectors["tl_string_headers"].as_object().unwrap();
    assert!(headers.len() >= 11);
    for (len, expected) in headers {
        let len: usize = len.parse().unwrap();
        let expected = expected.as_str().unwrap();
        let (head, total) = match expected.split_once(" total ") {
            Some((head, total)) => (head, Some(total.parse::<usize>().unwrap())),
            None => (expected, None),
        };
        let encoded = Bytes::from(vec![b'a'; len]).to_bytes();
        let hex: String = encoded
            .iter()
            .take(head.len() / 2)
            .map(|b| format!("{b:02x}"))
            .collect();
        assert_eq!(hex, head, "{len}");
        assert!(total.is_none_or(|t| t == encoded.len()), "{len}");
        assert_eq!(Bytes::from_bytes(encoded).unwrap(), vec![b'a'; len]);
    }
}

proptest! {
    #[test]
    fn strings_of_any_length_survive(bytes in prop::collection::vec(any::<u8>(), 0..1024), text in ".{0,300}") {
        let encoded = Bytes::from(bytes.clone()).to_bytes();
        prop_assert_eq!(encoded.len() % 4, 0);
        prop_assert_eq!(Bytes::from_bytes(encoded).unwrap(), bytes);
        prop_assert_eq!(String::from_bytes(text.to_bytes()).unwrap(), text);
    }

    #[test]
    fn a_reader_never_moves_past_its_end(bytes in prop::collection::vec(any::<u8>(), 0..64), ops in prop::collection::vec(0..8u8, 0..20)) {
        let len = bytes.len();
        let mut r = Reader::new(bytes.into());
        for op in ops {
            let before = r.position();
            let failed = match op {
                0 => r.get_i32().is_err(),
                1 => r.get_i64().is_err(),
                2 => r.get_bytes().is_err(),
                3 => r.get_string().is_err(),
                4 => r.get_bool().is_err(),
                5 => r.get_array::<16>().is_err(),
                6 => r.vector_len(true, 4).is_err(),
                _ => r.begin().is_err(),
            };
            prop_assert!(r.position() >= before || failed);
            prop_assert_eq!(r.position() + r.remaining(), len);
        }
    }
}

/// A definition is names, numbers and punctuation. A sentence is not.
#[test]
fn no_description_reaches_the_schema() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema");
    let mut seen = 0;
    for name in [
        "api.tl",
        "mtproto.tl",
        "secret.tl",
        "layers/227.tl",
        "layers/228.tl",
        "layers/229.tl",
    ] {
        let text = std::fs::read_to_string(dir.join(name)).unwrap();
        let (head, body) = text.split_once("\n\n").unwrap();
        assert!(
            head.lines().count() <= 4 && head.lines().all(|l| l.starts_with("// ")),
            "{name}"
        );
        assert!(
            head.contains("// Source: "),
            "{name} does not name its source"
        );
        for line in body
            .lines()
            .filter(|l| !l.is_empty() && !l.starts_with("---"))
        {
            if let Some(absent) = line.strip_prefix("//absent ") {
                assert!(!absent.contains(' '), "{name}: {line}");
                continue;
            }
            let (left, right) = line.split_once(" = ").unwrap();
            assert!(
                right.ends_with(';') && !right.contains(' '),
                "{name}: {line}"
            );
            for word in left.split(' ').skip(1) {
                assert!(word.contains(':'), "{name}: `{word}` in {line}");
            }
            seen += 1;
        }
    }
    assert!(seen > 2700, "only {seen} definitions");
    let methods = std::fs::read_to_string(dir.join("methods.tsv")).unwrap();
    for line in methods.lines().skip(3) {
        let columns: Vec<_> = line.split('\t').collect();
        assert_eq!(columns.len(), 3, "{line}");
        let plain = |c: char| c.is_ascii_alphanumeric() || "_:,%-".contains(c);
        assert!(columns[2].chars().all(plain), "{line}");
    }
}

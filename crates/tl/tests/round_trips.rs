//! Every constructor and method, typed and as JSON: what was encoded comes back the same.

#![allow(clippy::unwrap_used)]

mod support;

use actogram_tl::tables::{LAYER, api};
use actogram_tl::{Bytes, json};
use support::{Generator, Optional, schemas, setting, typed};

const VARIANTS: [Optional; 5] = [
    Optional::None,
    Optional::All,
    Optional::Some,
    Optional::Some,
    Optional::Some,
];

fn hex(bytes: &Bytes) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[test]
fn every_constructor_survives_the_typed_codec() {
    let mut seen = 0;
    for (schema, types) in schemas() {
        let mut g = Generator::new(schema, LAYER, setting("ACTOGRAM_SEED", 1));
        for c in schema.current() {
            let name = schema.types[usize::from(c.type_index)].name;
            let again = typed(types, name);
            for optional in VARIANTS {
                let bytes = g.value_of(c, optional);
                let back =
                    again(bytes.clone(), LAYER).unwrap_or_else(|e| panic!("{}: {e}", c.name));
                assert_eq!(hex(&back), hex(&bytes), "{}", c.name);
            }
            seen += 1;
        }
    }
    assert!(seen > 1800, "only {seen} constructors");
}

#[test]
fn every_constructor_survives_json() {
    for (schema, _) in schemas() {
        let mut g = Generator::new(schema, LAYER, setting("ACTOGRAM_SEED", 2));
        for c in schema.current() {
            let name = schema.types[usize::from(c.type_index)].name;
            for optional in VARIANTS {
                let bytes = g.value_of(c, optional);
                let value = json::decode_in(schema, name, bytes.clone()).unwrap();
                // Through text, as a user would have it.
                let value = serde_json::from_str(&value.to_string()).unwrap();
                let back = json::encode_in(schema, name, &value);
                let back = back.unwrap_or_else(|e| panic!("{}: {e}\n{value}", c.name));
                // The text form of a finite double may lose nothing either.
                assert_eq!(hex(&back), hex(&bytes), "{}\n{value}", c.name);
            }
        }
    }
}

#[test]
fn every_call_survives_json() {
    let schema = api();
    let mut g = Generator::new(schema, LAYER, setting("ACTOGRAM_SEED", 3));
    for f in schema.functions {
        for optional in VARIANTS {
            let bytes = g.call_of(f, optional);
            let value = json::decode_call(bytes.clone()).unwrap();
            assert_eq!(value["_"], f.name);
            let back =
                json::encode_call(f.name, &value).unwrap_or_else(|e| panic!("{}: {e}", f.name));
            assert_eq!(hex(&back), hex(&bytes), "{}", f.name);
        }
    }
}

#[cfg(feature = "functions-decode")]
#[test]
fn every_method_survives_the_typed_codec() {
    for (schema, functions) in [
        (api(), support::API_FUNCTIONS),
        (actogram_tl::tables::mtproto(), support::MTPROTO_FUNCTIONS),
    ] {
        let mut g = Generator::new(schema, LAYER, setting("ACTOGRAM_SEED", 4));
        assert_eq!(functions.len(), schema.functions.len());
        for f in schema.functions {
            let again = typed(functions, f.name);
            for optional in VARIANTS {
                let bytes = g.call_of(f, optional);
                let back =
                    again(bytes.clone(), LAYER).unwrap_or_else(|e| panic!("{}: {e}", f.name));
                assert_eq!(hex(&back), hex(&bytes), "{}", f.name);
            }
        }
    }
}

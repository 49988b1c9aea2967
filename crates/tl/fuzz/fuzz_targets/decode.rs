//! Typed codec and tables on the same bytes: they must agree, and neither may panic.
//!
//! The stable smoke run of the same check is `tests/hostile.rs`.
#![no_main]

use actogram_tl::{Bytes, Decode, Encode, enums, json, mtproto, secret};
use libfuzzer_sys::fuzz_target;

fn both<T: Decode + Encode>(schema: &actogram_tl::tables::Schema, name: &str, bytes: &Bytes) {
    let typed = T::from_bytes(bytes.clone());
    let value = json::decode_in(schema, name, bytes.clone());
    match (typed, value) {
        (Ok(typed), Ok(value)) => {
            let again = json::encode_in(schema, name, &value);
            if let Ok(again) = again {
                assert_eq!(again, typed.to_bytes());
            }
        }
        (Err(a), Err(b)) => assert_eq!(a.to_string(), b.to_string()),
        (a, b) => panic!("typed {}, tables {}", a.is_ok(), b.is_ok()),
    }
}

fuzz_target!(|data: &[u8]| {
    use actogram_tl::tables;
    let bytes = Bytes::copy_from_slice(data);
    both::<enums::Updates>(tables::api(), "Updates", &bytes);
    both::<enums::messages::Dialogs>(tables::api(), "messages.Dialogs", &bytes);
    both::<enums::RichText>(tables::api(), "RichText", &bytes);
    both::<mtproto::enums::FutureSalts>(tables::mtproto(), "FutureSalts", &bytes);
    both::<secret::enums::DecryptedMessageLayer>(
        tables::secret(),
        "DecryptedMessageLayer",
        &bytes,
    );
    let _ = json::decode_call(bytes);
});

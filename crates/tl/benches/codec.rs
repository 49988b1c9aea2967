//! Encoding and decoding of what travels most, with the allocations counted: a message, a batch of updates, a part of
//! a file.
#![allow(clippy::unwrap_used, missing_docs)]

use actogram_tl::{Decode, Encode, enums, types};
use bytes::Bytes;
use divan::{AllocProfiler, Bencher, black_box, counter::BytesCount};

#[global_allocator]
static ALLOCATIONS: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

fn message(id: i32) -> enums::Message {
    let peer = types::PeerUser {
        user_id: 7_000_000_001,
    }
    .into();
    let mut message = types::Message::new(
        id,
        peer,
        1_700_000_000,
        "a message of some forty letters, as people write".into(),
    );
    message.entities = Some(vec![
        types::MessageEntityBold {
            offset: 2,
            length: 7,
        }
        .into(),
    ]);
    message.into()
}

fn updates(count: i32) -> enums::Updates {
    let list = (0..count)
        .map(|id| {
            types::UpdateNewMessage {
                message: message(id),
                pts: id,
                pts_count: 1,
            }
            .into()
        })
        .collect();
    types::Updates {
        updates: list,
        users: Vec::new(),
        chats: Vec::new(),
        date: 1_700_000_000,
        seq: 0,
    }
    .into()
}

fn file_part() -> enums::upload::File {
    let kind = enums::storage::FileType::FileJpeg;
    types::upload::File {
        type_: kind,
        mtime: 0,
        bytes: Bytes::from(vec![7; 1024 * 1024]),
    }
    .into()
}

fn encode<T: Encode>(bencher: Bencher<'_, '_>, value: &T) {
    bencher
        .counter(BytesCount::new(value.to_bytes().len()))
        .bench_local(|| black_box(value).to_bytes());
}

fn decode<T: Decode + Encode>(bencher: Bencher<'_, '_>, value: &T) {
    let bytes = value.to_bytes();
    bencher
        .counter(BytesCount::new(bytes.len()))
        .bench_local(|| T::from_bytes(black_box(bytes.clone())).unwrap());
}

#[divan::bench]
fn encode_message(bencher: Bencher<'_, '_>) {
    encode(bencher, &message(1));
}

#[divan::bench]
fn decode_message(bencher: Bencher<'_, '_>) {
    decode(bencher, &message(1));
}

#[divan::bench]
fn encode_100_updates(bencher: Bencher<'_, '_>) {
    encode(bencher, &updates(100));
}

#[divan::bench]
fn decode_100_updates(bencher: Bencher<'_, '_>) {
    decode(bencher, &updates(100));
}

#[divan::bench]
fn encode_file_part(bencher: Bencher<'_, '_>) {
    encode(bencher, &file_part());
}

#[divan::bench]
fn decode_file_part(bencher: Bencher<'_, '_>) {
    decode(bencher, &file_part());
}

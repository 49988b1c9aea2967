//! What decoding costs in memory, counted at the allocator.

#![allow(clippy::unwrap_used)]

mod support;

use actogram_tl::tables::LAYER;
use actogram_tl::{Bytes, Decode, Encode, Writer, enums, types};
use allocation_counter::measure;
use support::{Generator, Random, schemas, typed};

fn upload(len: usize) -> enums::upload::File {
    let bytes = Bytes::from((0..len).map(|i| i as u8).collect::<Vec<_>>());
    types::upload::File {
        type_: enums::storage::FileType::FileJpeg,
        mtime: 0,
        bytes,
    }
    .into()
}

#[test]
fn a_file_part_of_a_mebibyte_is_decoded_without_a_copy() {
    let packet = upload(1 << 20).to_bytes();
    let mut decoded = None;
    let cost = measure(|| decoded = Some(enums::upload::File::from_bytes(packet.clone()).unwrap()));
    let Some(enums::upload::File::File(file)) = decoded else {
        panic!("not a file")
    };
    let start = packet.as_ptr() as usize;
    let inside = start..start + packet.len();
    assert!(
        inside.contains(&(file.bytes.as_ptr() as usize)),
        "the bytes are a copy"
    );
    assert_eq!(file.bytes.len(), 1 << 20);
    assert!(
        cost.bytes_total < 1024,
        "{} bytes were allocated",
        cost.bytes_total
    );
}

#[test]
fn a_small_field_retains_no_large_buffer() {
    // Below 4 KiB, and 4 KiB that is less than a quarter of its buffer.
    for (small, large) in [(4000, 0), (5000, 100_000)] {
        let mut w = Writer::new();
        vec![Bytes::from(vec![1; small]), Bytes::from(vec![2; large])].encode(&mut w);
        let packet = w.into_bytes();
        let all = packet.as_ptr() as usize..packet.as_ptr() as usize + packet.len();
        let fields = Vec::<Bytes>::from_bytes(packet.clone()).unwrap();
        assert!(
            !all.contains(&(fields[0].as_ptr() as usize)),
            "{small} bytes share the buffer"
        );
        let kept = fields[0].clone();
        drop(fields);
        // Nobody else holds the buffer: it can be taken back whole.
        assert!(packet.try_into_mut().is_ok(), "the buffer is still held");
        assert_eq!(kept.len(), small);
    }
    let packet = Bytes::from(vec![3; 5000]).to_bytes();
    let field = Bytes::from_bytes(packet.clone()).unwrap();
    assert!(
        packet.try_into_mut().is_err(),
        "a field of the whole buffer shares it"
    );
    assert_eq!(field.len(), 5000);
}

/// Input that is refused costs at most this many times its size, plus a constant for what is small.
const LIMIT: u64 = 4;
const CONSTANT: u64 = 8192;

#[test]
fn claims_cost_no_memory() {
    let mut random = Random(11);
    let mut refused = 0;
    for (s, table) in schemas() {
        let mut g = Generator::new(s, LAYER, 11);
        for c in s.current().iter().filter(|c| !c.fields.is_empty()) {
            let again = typed(table, s.types[usize::from(c.type_index)].name);
            let mut bytes = g.value_of(c, support::Optional::Some).to_vec();
            bytes.truncate(1000);
            let head = bytes.len();
            bytes.resize(head + 60_000, 0xff);
            for _ in 0..4 {
                // A count or length somewhere becomes one the rest could just hold.
                let mut bytes = bytes.clone();
                let at = 4 + random.below((head - 4) / 4) * 4;
                let claim = [4_000_u32, 7_000, 15_000, 0x00c3_50fe][random.below(4)];
                bytes[at..at + 4].copy_from_slice(&claim.to_le_bytes());
                let bytes = Bytes::from(bytes);
                let limit = CONSTANT + LIMIT * bytes.len() as u64;
                let mut ok = false;
                let cost = measure(|| ok = again(bytes, LAYER).is_ok());
                assert!(
                    cost.bytes_max <= limit,
                    "{}: {} bytes",
                    c.name,
                    cost.bytes_max
                );
                refused += usize::from(!ok);
            }
        }
    }
    assert!(refused > 4000, "only {refused} inputs were refused");
}

#[test]
fn values_cost_what_they_hold() {
    // The worst there is: texts that are empty, four bytes each, and 24 in memory. Growing may
    // hold the old and the new array at once.
    let texts = vec![String::new(); 10_000].to_bytes();
    let cost = measure(|| drop(Vec::<String>::from_bytes(texts.clone()).unwrap()));
    assert!(
        cost.bytes_max <= 16 * texts.len() as u64,
        "{} bytes",
        cost.bytes_max
    );
    let peers = vec![enums::InputPeer::InputPeerSelf; 10_000].to_bytes();
    let cost = measure(|| drop(Vec::<enums::InputPeer>::from_bytes(peers.clone()).unwrap()));
    assert!(
        cost.bytes_max <= 16 * peers.len() as u64,
        "{} bytes",
        cost.bytes_max
    );
    let ids = vec![0_i64; 10_000].to_bytes();
    let cost = measure(|| drop(Vec::<i64>::from_bytes(ids.clone()).unwrap()));
    assert!(
        cost.bytes_max <= ids.len() as u64,
        "{} bytes",
        cost.bytes_max
    );
}

#[test]
fn a_message_takes_few_allocations() {
    let message = enums::Updates::UpdateShortMessage(Box::new(types::UpdateShortMessage {
        out: true,
        mentioned: false,
        media_unread: false,
        silent: false,
        id: 1,
        user_id: 2,
        message: "hello".into(),
        pts: 3,
        pts_count: 1,
        date: 4,
        fwd_from: None,
        via_bot_id: None,
        reply_to: None,
        entities: None,
        ttl_period: None,
    }));
    let bytes = message.to_bytes();
    // The box and the text.
    let cost = measure(|| drop(enums::Updates::from_bytes(bytes.clone()).unwrap()));
    assert_eq!(cost.count_total, 2);
    // The buffer, and the count of its owners.
    let cost = measure(|| drop(message.to_bytes()));
    assert!(cost.count_total <= 2, "{cost:?}");
}

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

/// A decoder may use at most this many times the input, plus a constant, for input that is refused
/// for what it claims.
const LIMIT: u64 = 4;
const CONSTANT: u64 = 2048;

#[test]
fn claims_cost_no_memory() {
    // A vector of the biggest objects that claims as many as its bytes could be at the least.
    let mut w = Writer::new();
    w.put_u32(0x1cb5_c415);
    w.put_u32(65_000);
    w.put_raw(&vec![0; 4 * 65_000]);
    let bytes = w.into_bytes();
    for (_, table) in schemas() {
        for (name, again) in table {
            let _ = name;
            let len = bytes.len() as u64;
            let cost = measure(|| assert!(again(bytes.clone(), LAYER).is_err()));
            assert!(cost.bytes_max <= CONSTANT + LIMIT * len);
        }
    }
    let cost = measure(|| assert!(Vec::<enums::Message>::from_bytes(bytes.clone()).is_err()));
    assert!(
        cost.bytes_max <= LIMIT * bytes.len() as u64,
        "{} bytes",
        cost.bytes_max
    );
    let cost = measure(|| assert!(Vec::<String>::from_bytes(bytes.slice(..40_000)).is_err()));
    assert!(cost.bytes_max <= 1024, "{} bytes", cost.bytes_max);
}

#[test]
fn broken_input_costs_no_more_than_its_size_justifies() {
    let mut random = Random(11);
    for (s, table) in schemas() {
        let mut g = Generator::new(s, LAYER, 11);
        for c in s.current() {
            let name = s.types[usize::from(c.type_index)].name;
            let again = typed(table, name);
            let mut bytes = g.value_of(c, support::Optional::Some).to_vec();
            let len = bytes.len();
            // A count or a length somewhere becomes huge.
            let at = random.below(len / 4) * 4;
            bytes[at..at + 4].copy_from_slice(&[0xff, 0xff, 0xff, 0x00]);
            let bytes = Bytes::from(bytes);
            let honest = measure(|| drop(again(g.value_of(c, support::Optional::None), LAYER)));
            let cost = measure(|| drop(again(bytes.clone(), LAYER)));
            // The structs of an object are paid for by its fixed part, not by what it claims.
            let allowed = honest.bytes_max + CONSTANT + 32 * len as u64;
            assert!(
                cost.bytes_max <= allowed,
                "{}: {} bytes for {len}",
                c.name,
                cost.bytes_max
            );
        }
    }
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
    assert!(cost.count_total <= 2, "{} allocations", cost.count_total);
}

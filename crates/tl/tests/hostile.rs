//! Bytes a server may send to hurt: each a typed error with offset and path, never a panic.

#![allow(clippy::unwrap_used)]

mod support;

use std::collections::{HashMap, VecDeque};

use actogram_tl::tables::{FieldInfo, LAYER, Schema, Shape};
use actogram_tl::{Bytes, Decode, DecodeError, DecodeErrorKind, Encode, MAX_DEPTH, Writer};
use actogram_tl::{enums, json, types};
use support::{Generator, Random, schemas, setting, typed};

fn error<T: Decode + std::fmt::Debug>(bytes: impl Into<Bytes>) -> DecodeError {
    T::from_bytes(bytes.into()).unwrap_err()
}

#[test]
fn a_length_past_the_end_names_its_field() {
    let mut w = Writer::new();
    w.put_u32(0xf52f_f27f); // inputFile id:long parts:int name:string md5_checksum:string
    w.put_i64(1);
    w.put_i32(2);
    w.put_u32(0xfffffe); // 254, then 65,535 bytes that are not there
    let e = error::<enums::InputFile>(w.into_bytes());
    assert_eq!((e.offset(), e.path()), (16, "InputFile.name"));
    assert_eq!(
        e.kind(),
        &DecodeErrorKind::UnexpectedEnd {
            needed: 65_540,
            remaining: 4
        }
    );
    assert_eq!(
        e.to_string(),
        "cannot decode at byte 16 (InputFile.name): expected 65540 more bytes, only 4 are left"
    );
}

#[test]
fn a_length_of_two_to_the_56_is_no_allocation() {
    let e = error::<Bytes>(vec![0xff; 64]);
    assert!(matches!(e.kind(), DecodeErrorKind::UnexpectedEnd { needed, .. } if *needed > 1 << 55));
}

#[test]
fn a_vector_that_cannot_fit_is_refused_before_reading_it() {
    let mut w = Writer::new();
    w.put_u32(0x1cb5_c415);
    w.put_u32(3);
    w.put_raw(&[0; 16]);
    let e = error::<Vec<i64>>(w.into_bytes());
    assert_eq!(
        e.kind(),
        &DecodeErrorKind::VectorTooLong {
            count: 3,
            possible: 2
        }
    );
    assert_eq!((e.offset(), e.path()), (4, "Vector<long>"));
    for count in [u32::MAX, i32::MAX as u32, 1] {
        let mut w = Writer::new();
        w.put_u32(0xae50_0895); // future_salts req_msg_id:long now:int salts:vector<future_salt>
        w.put_i64(1);
        w.put_i32(2);
        w.put_u32(count);
        w.put_raw(&[0; 15]);
        let e = error::<actogram_tl::mtproto::enums::FutureSalts>(w.into_bytes());
        assert_eq!(
            e.kind(),
            &DecodeErrorKind::VectorTooLong { count, possible: 0 }
        );
        assert_eq!((e.offset(), e.path()), (16, "FutureSalts.salts"));
    }
}

#[test]
fn an_unknown_constructor_names_type_and_place() {
    let mut w = Writer::new();
    w.put_u32(0x78d4_dec1); // updateShort update:Update date:int
    w.put_u32(0x1f2b_0afd); // updateNewMessage message:Message …
    w.put_u32(0xdead_beef);
    let e = error::<enums::Updates>(w.into_bytes());
    assert_eq!((e.offset(), e.path()), (8, "Updates.update.message"));
    assert_eq!(
        e.kind(),
        &DecodeErrorKind::UnknownConstructor {
            id: 0xdead_beef,
            expected: "Message"
        }
    );
    // A constructor of another type is as unknown.
    let e = error::<enums::InputPeer>(0xf21158c6_u32.to_le_bytes().to_vec());
    assert!(matches!(
        e.kind(),
        DecodeErrorKind::UnknownConstructor {
            expected: "InputPeer",
            ..
        }
    ));
    let e = error::<bool>(vec![0; 4]);
    assert!(matches!(
        e.kind(),
        DecodeErrorKind::UnknownConstructor {
            expected: "Bool",
            ..
        }
    ));
}

#[test]
fn trailing_bytes_and_broken_text_are_errors() {
    let peer: enums::InputPeer = types::InputPeerChat { chat_id: 1 }.into();
    let mut bytes = peer.to_bytes().to_vec();
    bytes.extend([0; 4]);
    let e = error::<enums::InputPeer>(bytes);
    assert_eq!(e.kind(), &DecodeErrorKind::TrailingBytes { count: 4 });
    assert_eq!((e.offset(), e.path()), (12, "InputPeer"));

    let mut w = Writer::new();
    w.put_u32(0x1cb5_c415);
    w.put_u32(2);
    w.put_bytes(b"fine");
    w.put_bytes(b"ok\xff\xfe");
    let e = error::<Vec<String>>(w.into_bytes());
    assert_eq!(e.kind(), &DecodeErrorKind::InvalidUtf8);
    assert_eq!((e.offset(), e.path()), (8 + 8 + 3, "Vector<string>[1]"));
    assert!(Vec::<Bytes>::from_bytes(vec![String::new()].to_bytes()).is_ok());
}

#[test]
fn unknown_flag_bits_are_ignored() {
    let mut w = Writer::new();
    w.put_u32(0x5f3b_8a00); // requestPeerTypeUser flags:# bot:flags.0?Bool premium:flags.1?Bool
    w.put_u32(0xffff_fffc);
    let value = enums::RequestPeerType::from_bytes(w.into_bytes()).unwrap();
    let none = types::RequestPeerTypeUser {
        bot: None,
        premium: None,
    };
    assert_eq!(value, none.into());
}

/// A way from a type back to itself: constructor and field, several times.
type Cycle = Vec<(u16, usize)>;

/// Boxed types a field leads to, through vectors and bare constructors too.
fn leads_to(shape: Shape) -> Option<u16> {
    match shape {
        Shape::Boxed(t) => Some(t),
        Shape::Vector(inner) | Shape::BareVector(inner) => leads_to(*inner),
        _ => None,
    }
}

/// For each field that can lead back to its own type, the shortest way round.
fn cycles(s: &'static Schema) -> Vec<Cycle> {
    let edges = |t: u16| {
        s.types[usize::from(t)]
            .constructors
            .iter()
            .flat_map(move |c| {
                let fields = s.constructors[usize::from(*c)].fields.iter().enumerate();
                fields.filter_map(move |(i, f)| Some(((*c, i), leads_to(f.shape)?)))
            })
    };
    let mut out = Vec::new();
    for t in 0..s.types.len() as u16 {
        for (first, next) in edges(t) {
            let mut came: HashMap<u16, (u16, (u16, usize))> = HashMap::new();
            let mut todo = VecDeque::from([next]);
            while let Some(at) = todo.pop_front() {
                if at == t {
                    break;
                }
                for (edge, to) in edges(at) {
                    if to != next && !came.contains_key(&to) {
                        came.insert(to, (at, edge));
                        todo.push_back(to);
                    }
                }
            }
            let mut way = Vec::new();
            let mut at = t;
            while at != next {
                let Some((from, edge)) = came.get(&at) else {
                    break;
                };
                way.push(*edge);
                at = *from;
            }
            if at == next {
                way.push(first);
                way.reverse();
                out.push(way);
            }
        }
    }
    out
}

/// Writes objects inside each other along a cycle, everything else as small as can be.
fn chain(g: &mut Generator, w: &mut Writer, cycle: &[(u16, usize)], level: usize, levels: usize) {
    let s = g.schema;
    let (c, through) = cycle[level % cycle.len()];
    let c = &s.constructors[usize::from(c)];
    w.put_u32(c.id);
    let mut words = 0;
    for (i, f) in c.fields.iter().enumerate() {
        if f.shape == Shape::Flags {
            let wanted = c.fields[through].flag;
            w.put_u32(
                wanted
                    .filter(|(word, _)| *word == words)
                    .map_or(0, |(_, bit)| 1 << bit),
            );
            words += 1;
        } else if i == through {
            link(g, w, f.shape, cycle, level, levels);
        } else if f.flag.is_none() || f.flag == c.fields[through].flag {
            least(g, w, f);
        }
    }
}

fn link(
    g: &mut Generator,
    w: &mut Writer,
    shape: Shape,
    cycle: &[(u16, usize)],
    level: usize,
    levels: usize,
) {
    match shape {
        Shape::Vector(inner) | Shape::BareVector(inner) => {
            if matches!(shape, Shape::Vector(_)) {
                w.put_u32(0x1cb5_c415);
            }
            w.put_u32(1);
            link(g, w, *inner, cycle, level, levels);
        }
        _ if level + 1 < levels => chain(g, w, cycle, level + 1, levels),
        other => least_of(g, w, other),
    }
}

fn least(g: &mut Generator, w: &mut Writer, f: &FieldInfo) {
    least_of(g, w, f.shape);
}

fn least_of(g: &mut Generator, w: &mut Writer, shape: Shape) {
    match shape {
        Shape::Vector(_) => w.put_raw(&[0x15, 0xc4, 0xb5, 0x1c, 0, 0, 0, 0]),
        Shape::BareVector(_) | Shape::Int | Shape::String | Shape::Bytes => w.put_u32(0),
        Shape::Long | Shape::Double => w.put_i64(0),
        Shape::Int128 => w.put_raw(&[0; 16]),
        Shape::Int256 => w.put_raw(&[0; 32]),
        Shape::Bool => w.put_u32(0xbc79_9737),
        Shape::Boxed(t) => {
            let bytes = g.least(usize::from(t));
            w.put_raw(&bytes);
        }
        _ => {}
    }
}

#[test]
fn recursion_ends_at_64_levels_on_a_stack_of_256_kib() {
    let mut inputs = Vec::new();
    for (s, table) in schemas() {
        let mut g = Generator::new(s, LAYER, 1);
        for cycle in cycles(s) {
            let first = &s.constructors[usize::from(cycle[0].0)];
            let name = s.types[usize::from(first.type_index)].name;
            for levels in [60, 500] {
                let mut w = Writer::new();
                chain(&mut g, &mut w, &cycle, 0, levels);
                inputs.push((s, name, typed(table, name), levels, w.into_bytes()));
            }
        }
    }
    assert!(inputs.len() > 100, "only {} inputs", inputs.len());
    let run = move || {
        for (s, name, again, levels, bytes) in inputs {
            let value = json::decode_in(s, name, bytes.clone());
            match again(bytes.clone(), LAYER) {
                Ok(back) => {
                    assert_eq!((levels, &back), (60, &bytes), "{name}");
                    assert_eq!(json::encode_in(s, name, &value.unwrap()).unwrap(), bytes);
                }
                Err(e) => {
                    assert_eq!(
                        (levels, e.kind()),
                        (500, &DecodeErrorKind::TooDeep),
                        "{name}"
                    );
                    assert!(e.path().starts_with(name), "{name}: {}", e.path());
                    assert_eq!(value.unwrap_err().to_string(), e.to_string());
                }
            }
        }
    };
    std::thread::Builder::new()
        .stack_size(256 << 10)
        .spawn(run)
        .unwrap()
        .join()
        .unwrap();
}

#[test]
fn exactly_64_levels_are_read() {
    let nested = |levels: u32| {
        let mut text = enums::RichText::TextEmpty;
        for _ in 1..levels {
            text = types::TextBold { text }.into();
        }
        text.to_bytes()
    };
    assert!(enums::RichText::from_bytes(nested(MAX_DEPTH)).is_ok());
    let e = error::<enums::RichText>(nested(MAX_DEPTH + 1));
    assert_eq!((e.kind(), e.offset()), (&DecodeErrorKind::TooDeep, 4 * 64));
    assert_eq!(e.path(), format!("RichText{}", ".text".repeat(64)));
}

#[test]
fn json_nested_too_deep_is_an_error() {
    let mut value = serde_json::json!({"_": "textEmpty"});
    for _ in 0..100 {
        value = serde_json::json!({"_": "textBold", "text": value});
    }
    let e = json::encode("RichText", &value).unwrap_err();
    assert!(matches!(e, json::JsonError::TooDeep { .. }), "{e}");
    // Wrappers too, which carry no boxed object but the next one.
    let mut call = serde_json::json!({"_": "help.getConfig"});
    for _ in 0..100 {
        call = serde_json::json!({"_": "invokeWithoutUpdates", "query": call});
    }
    let e = json::encode_call("invokeWithoutUpdates", &call).unwrap_err();
    assert!(matches!(e, json::JsonError::TooDeep { .. }), "{e}");
    let wrappers = Bytes::from(0xbf94_59b7_u32.to_le_bytes().repeat(100_000));
    assert!(json::decode_call(wrappers.clone()).is_ok());
    let class = actogram_tl::tables::resend_class(&wrappers);
    assert_eq!(class, actogram_tl::tables::ResendClass::NotIdempotent);
}

/// Typed codec and tables must agree on every input: which is good, and where a bad one ends.
fn agree(
    s: &'static Schema,
    table: &[(&'static str, support::Again)],
    name: &str,
    bytes: &Bytes,
) -> bool {
    let typed = typed(table, name)(bytes.clone(), LAYER);
    let tables = json::decode_in(s, name, bytes.clone());
    match (&typed, &tables) {
        (Ok(_), Ok(_)) => true,
        (Err(a), Err(json::JsonError::Decode(b))) => {
            assert_eq!(a.to_string(), b.to_string(), "{name}");
            assert!(
                a.offset() <= bytes.len() && !a.path().is_empty(),
                "{name}: {a}"
            );
            false
        }
        _ => panic!("{name}: {typed:?} but {tables:?}"),
    }
}

#[test]
fn a_value_cut_at_any_byte_is_an_error() {
    for (s, table) in schemas() {
        let mut g = Generator::new(s, LAYER, setting("ACTOGRAM_SEED", 7));
        for c in s.current().iter().step_by(3) {
            let name = s.types[usize::from(c.type_index)].name;
            let bytes = g.value_of(c, support::Optional::Some);
            let step = (bytes.len() / 200).max(1);
            for end in (0..bytes.len()).step_by(step) {
                assert!(
                    !agree(s, table, name, &bytes.slice(..end)),
                    "{} cut at {end}",
                    c.name
                );
            }
        }
    }
}

#[test]
fn flipped_bits_never_panic() {
    let mut random = Random(setting("ACTOGRAM_SEED", 8));
    let rounds = setting("ACTOGRAM_FUZZ_ROUNDS", 6000) as usize;
    for (s, table) in schemas() {
        let mut g = Generator::new(s, LAYER, random.next());
        for round in 0..rounds {
            let current = s.current();
            let c = &current[random.below(current.len())];
            let name = s.types[usize::from(c.type_index)].name;
            let mut bytes = g.value_of(c, support::Optional::Some).to_vec();
            for _ in 0..=random.below(4) {
                let at = random.below(bytes.len());
                match round % 3 {
                    0 => bytes[at] ^= 1 << random.below(8),
                    1 => bytes[at] = [0, 0xff, 0xfe, 0x7f][random.below(4)],
                    _ => {
                        let other = random.below(bytes.len());
                        bytes.swap(at, other);
                    }
                }
            }
            agree(s, table, name, &bytes.into());
        }
    }
}

#[test]
fn noise_never_panics() {
    let mut random = Random(setting("ACTOGRAM_SEED", 10));
    for (s, table) in schemas() {
        for ty in s.types {
            for _ in 0..8 {
                let ids = &s.types[s.types.binary_search_by_key(&ty.name, |t| t.name).unwrap()]
                    .constructors;
                let id = s.constructors[usize::from(ids[random.below(ids.len())])].id;
                let mut bytes = id.to_le_bytes().to_vec();
                let len = random.below(120);
                bytes.extend((0..len).map(|_| random.next() as u8 & [0xff, 0x03][random.below(2)]));
                agree(s, table, ty.name, &bytes.into());
            }
        }
    }
}

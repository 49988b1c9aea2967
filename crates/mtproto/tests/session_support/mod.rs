//! What the tests of sessions share.
#![allow(dead_code, unused_imports, clippy::unwrap_used, unreachable_pub)]

mod wire;

use std::time::Duration;

use actogram_mtproto::{
    pair::{Direction, Pair, PairConfig},
    session::{
        client::{CallId, CallRequest, Event, Ignored},
        server::Forged,
    },
};
use actogram_tl::{
    Constructor, Encode, Writer, enums, functions,
    mtproto::ids,
    tables::{self, ResendClass},
    types,
};
use bytes::Bytes;
pub use wire::{Packet, Plain, Wire};

pub const SECOND: Duration = Duration::from_secs(1);

/// Nothing here takes longer in virtual time.
pub const LIMIT: Duration = Duration::from_secs(3600);

fn user(n: i64) -> enums::InputUser {
    types::InputUser {
        user_id: n,
        access_hash: n,
    }
    .into()
}

/// A call that must not be carried out twice: a group with this number.
pub fn create(n: i64) -> Bytes {
    let body = functions::messages::CreateChat::new(vec![user(n)], format!("group {n}")).to_bytes();
    assert_eq!(tables::resend_class(&body), ResendClass::NotIdempotent);
    body
}

/// A call whose second execution has no effect, by its `random_id`.
pub fn send(n: i64) -> Bytes {
    let peer = enums::InputPeer::InputPeerSelf;
    let body = functions::messages::SendMessage::new(peer, format!("message {n}"), n).to_bytes();
    assert_eq!(tables::resend_class(&body), ResendClass::RandomId);
    body
}

/// A call that only looks.
pub fn read(n: i64) -> Bytes {
    let body = functions::users::GetUsers { id: vec![user(n)] }.to_bytes();
    assert_eq!(tables::resend_class(&body), ResendClass::Read);
    body
}

/// A large call that compresses well.
pub fn large(n: i64, length: usize) -> Bytes {
    let peer = enums::InputPeer::InputPeerSelf;
    functions::messages::SendMessage::new(peer, "a".repeat(length), n).to_bytes()
}

/// The start of `invokeWithLayer` and `initConnection`, as an application sends it.
pub fn init() -> Bytes {
    functions::InvokeWithLayer {
        layer: actogram_tl::LAYER,
        query: actogram_tl::RawQuery(
            functions::InitConnection::new(
                1,
                "device".into(),
                "system".into(),
                "1".into(),
                "en".into(),
                String::new(),
                "en".into(),
                actogram_tl::RawQuery(Bytes::new()),
            )
            .to_bytes(),
        ),
    }
    .to_bytes()
}

pub fn pair(seed: u64) -> Pair {
    Pair::new(PairConfig::seeded(seed))
}

/// A pair that has had its first exchange.
pub fn settled(seed: u64) -> Pair {
    let mut pair = pair(seed);
    answered(&mut pair, read(-1));
    pair.run_for(SECOND * 2);
    pair.take_events();
    pair
}

pub fn call(pair: &mut Pair, body: Bytes) -> CallId {
    pair.call(CallRequest::new(body))
}

/// Makes a call that must succeed, and gives its id.
#[track_caller]
pub fn answered(pair: &mut Pair, body: Bytes) -> CallId {
    let id = call(pair, body);
    finished(pair, id);
    id
}

#[track_caller]
pub fn finished(pair: &mut Pair, id: CallId) {
    assert!(
        pair.run_until(LIMIT, |pair| pair.is_over(id)),
        "{id:?} hangs"
    );
    assert!(
        matches!(pair.outcome(id), Some(Event::Answer { .. })),
        "{:?}",
        pair.outcome(id)
    );
}

/// A bare object behind its id.
pub fn boxed<T: Encode + Constructor>(object: &T) -> Bytes {
    let mut writer = Writer::new();
    writer.object(T::ID, object);
    writer.into_bytes()
}

/// `rpc_result`.
pub fn result(req_msg_id: i64, result: &[u8]) -> Bytes {
    let mut writer = Writer::new();
    writer.put_u32(ids::RPC_RESULT);
    writer.put_i64(req_msg_id);
    writer.put_raw(result);
    writer.into_bytes()
}

/// A container of these messages: id, sequence number, body.
pub fn container(messages: &[(i64, i32, Bytes)]) -> Bytes {
    let mut writer = Writer::new();
    writer.put_u32(ids::MSG_CONTAINER);
    writer.put_u32(messages.len() as u32);
    for (msg_id, seq_no, body) in messages {
        writer.put_i64(*msg_id);
        writer.put_i32(*seq_no);
        writer.put_u32(body.len() as u32);
        writer.put_raw(body);
    }
    writer.into_bytes()
}

/// An update that is told apart by its number: `updateShort` of `updatePtsChanged`.
pub fn update(n: i32) -> Bytes {
    let mut writer = Writer::new();
    writer.put_u32(0x78d4_dec1);
    writer.put_u32(0x3354_678f);
    writer.put_i32(n);
    writer.into_bytes()
}

/// The numbers of the updates among these events.
pub fn updates(events: &[Event]) -> Vec<i32> {
    events
        .iter()
        .filter_map(|event| match event {
            Event::Update(body) => Some(i32::from_le_bytes(body[8..12].try_into().unwrap())),
            _ => None,
        })
        .collect()
}

/// Lets the client receive this body in a message of its session, as if the server had said it; gives the message's id.
pub fn say(pair: &mut Pair, body: Bytes) -> i64 {
    say_as(pair, body, true)
}

/// The same; an answer or anything else, which the id tells.
pub fn say_as(pair: &mut Pair, body: Bytes, answer: bool) -> i64 {
    let now = pair.server_now();
    let session = pair.server.session().unwrap();
    let msg_id = session.fresh_id(now, answer);
    let forged = Forged {
        msg_id,
        seq_no: 1,
        body,
        ..Forged::default()
    };
    let payload = session.forge(&forged);
    pair.inject(Direction::Down, payload);
    pair.run_for(Duration::ZERO);
    msg_id
}

/// What this side ignored so far.
pub fn ignored(pair: &mut Pair) -> Ignored {
    pair.client().unwrap().ignored()
}

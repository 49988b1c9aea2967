//! A session under a temporary key binds it before anything else is called (<https://core.telegram.org/api/pfs>).
#![allow(clippy::unwrap_used)]

mod session_support;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use actogram_crypto::{AuthKey, message};
use actogram_mtproto::{
    pair::{Direction, Pair, PairConfig, Reply, rpc_error, yes},
    session::client::{BindRequest, CallId, Event},
};
use actogram_tl::{
    Constructor, Decode, Function, Reader, functions,
    mtproto::types::{self, BindAuthKeyInner},
};
use bytes::Bytes;
use proptest::prelude::*;
use session_support::*;

const EXPIRES_AT: i32 = 1_700_086_400;

fn permanent() -> Arc<AuthKey> {
    Arc::new(AuthKey::new(std::array::from_fn(|i| (7 * i + 3) as u8)))
}

/// A pair whose client binds its key, with everything that goes over the wire.
fn binding(config: PairConfig) -> (Pair, Wire, CallId) {
    let mut pair = Pair::new(config);
    let wire = Wire::tap(&mut pair);
    let bind = bind(&mut pair);
    (pair, wire, bind)
}

fn bind(pair: &mut Pair) -> CallId {
    let now = pair.client_now();
    let request = BindRequest {
        permanent: permanent(),
        expires_at: EXPIRES_AT,
    };
    pair.client().unwrap().bind(now, request)
}

fn is_bind(body: &[u8]) -> bool {
    body.starts_with(&functions::auth::BindTempAuthKey::ID.to_le_bytes())
}

/// What `auth.bindTempAuthKey` says must be true of the message that carries it.
#[track_caller]
fn verified(packet: &Packet, key: &AuthKey) -> i64 {
    assert!(!packet.is_container());
    let mut reader = Reader::new(packet.outer.body.clone());
    assert_eq!(
        reader.get_u32().unwrap(),
        functions::auth::BindTempAuthKey::ID,
        "neither wrapped nor packed"
    );
    let perm_auth_key_id = reader.get_i64().unwrap();
    let nonce = reader.get_i64().unwrap();
    let expires_at = reader.get_i32().unwrap();
    let encrypted_message = reader.get_bytes().unwrap();
    assert!(reader.rest().is_empty());
    assert_eq!(packet.outer.seq_no & 1, 1);
    assert_eq!(perm_auth_key_id, permanent().id());
    assert_eq!(expires_at, EXPIRES_AT);
    assert_eq!(encrypted_message.len(), 104);
    let plain = message::decrypt_v1(&permanent(), &encrypted_message, 72).unwrap();
    assert_eq!(plain[16..24], packet.outer.msg_id.to_le_bytes());
    assert_eq!(plain[24..28], 0i32.to_le_bytes());
    assert_eq!(plain[28..32], 40i32.to_le_bytes());
    let mut inner = Reader::new(Bytes::copy_from_slice(&plain[32..]));
    assert_eq!(inner.get_u32().unwrap(), BindAuthKeyInner::ID);
    let inner = BindAuthKeyInner::decode(&mut inner).unwrap();
    assert_eq!(inner.nonce, nonce);
    assert_eq!(inner.temp_auth_key_id, key.id());
    assert_eq!(inner.perm_auth_key_id, permanent().id());
    assert_eq!(inner.temp_session_id, packet.session_id);
    assert_eq!(inner.expires_at, EXPIRES_AT);
    packet.outer.msg_id
}

fn binds(wire: &Wire) -> Vec<Packet> {
    let sent = wire.sent().into_iter();
    sent.filter(|packet| packet.messages.iter().any(|plain| is_bind(&plain.body)))
        .collect()
}

#[test]
fn the_binding_goes_alone_and_everything_else_waits_for_it_and_is_then_introduced() {
    let mut config = PairConfig::seeded(1);
    config.init = init();
    let (mut pair, wire, bind) = binding(config);
    pair.server.wants_introduction = false;
    pair.server.serve(|method| match is_bind(method) {
        true => Reply::After(Duration::from_secs(3), yes()),
        false => Reply::Now(yes()),
    });
    let early: Vec<_> = (0..5).map(|n| call(&mut pair, read(n))).collect();
    pair.run_for(SECOND * 2);
    let late = call(&mut pair, create(7));
    pair.run_for(Duration::from_millis(500));
    assert!(pair.client().unwrap().is_binding());
    let key = pair.client().unwrap().key();
    let sent = binds(&wire);
    assert_eq!(sent.len(), 1);
    verified(&sent[0], &key);
    assert_eq!(pair.server.introductions, 0);
    assert_eq!(pair.server.order.len(), 1, "nothing but the binding");
    for id in early.into_iter().chain([late]) {
        finished(&mut pair, id);
    }
    assert!(matches!(pair.outcome(bind), Some(Event::Answer { .. })));
    assert!(!pair.client().unwrap().is_binding());
    assert_eq!(pair.server.introductions, 1, "by the first call after it");
    assert_eq!(binds(&wire).len(), 1);
}

#[test]
fn each_copy_names_the_id_and_the_session_it_goes_out_with() {
    // A wrong salt, a wrong clock and a numbering that the server does not take.
    let mut config = PairConfig::seeded(2);
    config.client_clock = (3600, 0);
    let (mut pair, wire, bind) = binding(config);
    pair.server.forget_salts();
    finished(&mut pair, bind);
    let key = pair.client().unwrap().key();
    let sent = binds(&wire);
    let ids: Vec<_> = sent.iter().map(|packet| verified(packet, &key)).collect();
    assert!(ids.len() >= 3, "salt, time and success: {ids:?}");
    assert!(
        ids.iter()
            .all(|id| ids.iter().filter(|it| *it == id).count() == 1)
    );
    let sessions: Vec<_> = sent.iter().map(|packet| packet.session_id).collect();
    assert!(sessions.iter().any(|id| *id != sessions[0]), "{sessions:?}");
    answered(&mut pair, read(1));
}

#[test]
fn after_a_cut_the_same_copy_goes_again_under_its_id() {
    let mut pair = Pair::new(PairConfig::seeded(3));
    let mut first = true;
    let wire = Wire::filter(&mut pair, move |packet| {
        let loses = packet.direction == Direction::Up && is_bind(&packet.outer.body);
        !(loses && std::mem::take(&mut first))
    });
    let bind = bind(&mut pair);
    pair.run_for(SECOND);
    pair.cut();
    finished(&mut pair, bind);
    let key = pair.client().unwrap().key();
    let ids: Vec<_> = binds(&wire)
        .iter()
        .map(|packet| verified(packet, &key))
        .collect();
    assert_eq!(ids.len(), 2);
    assert_eq!(ids[0], ids[1], "the server had never received it");
}

#[test]
fn a_refused_binding_keeps_the_others_until_another_succeeds() {
    let (mut pair, _, bind_id) = binding(PairConfig::seeded(4));
    let asked = Arc::new(AtomicU32::new(0));
    let count = asked.clone();
    pair.server.serve(move |method| {
        if is_bind(method) && count.fetch_add(1, Ordering::Relaxed) == 0 {
            return Reply::Now(rpc_error(400, "ENCRYPTED_MESSAGE_INVALID"));
        }
        Reply::Now(yes())
    });
    let waiting = call(&mut pair, create(1));
    pair.run_for(SECOND * 30);
    assert!(matches!(
        pair.outcome(bind_id),
        Some(Event::RpcError { code: 400, .. })
    ));
    assert!(!pair.is_over(waiting));
    assert_eq!(asked.load(Ordering::Relaxed), 1, "who asked decides");
    let again = bind(&mut pair);
    finished(&mut pair, again);
    finished(&mut pair, waiting);
    assert_eq!(pair.server.ledger.executions(&create(1)), 1);
}

#[test]
fn only_a_true_answer_binds() {
    let (mut pair, _, bind_id) = binding(PairConfig::seeded(5));
    let no = Bytes::copy_from_slice(&0xbc79_9737_u32.to_le_bytes());
    pair.server.serve(move |_| Reply::Now(no.clone()));
    let waiting = call(&mut pair, read(1));
    pair.run_for(SECOND * 30);
    assert!(matches!(pair.outcome(bind_id), Some(Event::Answer { .. })));
    assert!(pair.client().unwrap().is_binding());
    assert!(!pair.is_over(waiting));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever the network does, nothing is carried out before the binding, each call ends once, and each copy of the
    /// binding is one that the server's rules accept.
    #[test]
    fn nothing_is_carried_out_unbound_whatever_the_network_does(seed in any::<u64>(), cuts in prop::collection::vec(50u64..3000, 0..6)) {
        let mut config = PairConfig::seeded(seed);
        config.client_clock = ((seed % 7200) as i64 - 3600, 0);
        let (mut pair, wire, bind) = binding(config);
        let calls: Vec<_> = (0..4).map(|n| call(&mut pair, read(n))).collect();
        for (at, cut) in cuts.into_iter().enumerate() {
            if at % 2 == 0 {
                pair.server.forget_salts();
            }
            pair.run_for(Duration::from_millis(cut));
            pair.cut();
        }
        for id in calls.into_iter().chain([bind]) {
            finished(&mut pair, id);
        }
        let key = pair.client().unwrap().key();
        for packet in binds(&wire) {
            verified(&packet, &key);
        }
        prop_assert!(is_bind(&pair.server.order[0]));
    }
}

#[test]
fn the_inner_data_has_the_documented_length() {
    let inner = types::BindAuthKeyInner {
        nonce: 1,
        temp_auth_key_id: 2,
        perm_auth_key_id: 3,
        temp_session_id: 4,
        expires_at: 5,
    };
    assert_eq!(boxed(&inner).len(), 40);
}

//! KS1 to KS8: what a server refuses from a dishonest client, and what it takes from old ones. Each attack
//! has a disarmed twin on the same path.
#![allow(clippy::unwrap_used)]

mod support;

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use actogram_crypto::dh::KNOWN_PRIME;
use actogram_mtproto::handshake::server::{
    EXCHANGE_LIFETIME, ServerHandshake, ServerHandshakeConfig, Transmit,
};
use actogram_mtproto::handshake::{HandshakeSlots, Rejection};
use actogram_tl::mtproto::{enums, functions, types};
use actogram_tl::{Decode, Encode};
use bytes::Bytes;
use support::exchange::*;
use support::raw_client::{Answer, Padding, RawClient, ask, ask_at, rsa_raw};
use support::seeded;

type Inner = types::PQInnerDataDc;

/// The answer to a `req_DH_params` that was changed, inside or outside, before it was sent.
fn req_dh(change: impl FnOnce(&mut RawClient, &mut Inner, &mut functions::ReqDhParams)) -> Answer {
    let mut server = server(1);
    let mut client = RawClient::new(2);
    client.begin(&mut server);
    let (mut inner, mut query) = (client.inner(), client.query());
    change(&mut client, &mut inner, &mut query);
    if query.encrypted_data.is_empty() {
        let inner: enums::PQInnerData = inner.into();
        query.encrypted_data = client.encrypt(&inner.to_bytes());
    }
    ask(&mut server, query.to_bytes())
}

/// A refusal like all others, after the same work.
fn assert_uniform(name: &str, answer: &Answer) {
    assert_eq!(answer.outcome, Err(Rejection::DhQuery), "{name}");
    assert_eq!(answer.transmit, Some(Transmit::Error(-404)), "{name}");
    assert!(
        answer.worked,
        "{name}: the RSA operation is done for every query"
    );
    assert!(answer.created.is_none(), "{name}");
}

#[test]
fn ks1_the_disarmed_twin_is_answered() {
    let answer = req_dh(|_, _, _| {});
    assert_eq!(answer.outcome, Ok(()));
    enums::ServerDhParams::from_bytes(answer.body()).unwrap();
}

#[test]
fn ks1_blocks_that_were_not_encrypted_to_the_key() {
    let n = *rsa_key().public().n_bytes();
    let mut above = n;
    above[255] += 2;
    for (name, block) in [
        ("random", vec![0x5a; 256]),
        ("n", n.to_vec()),
        ("above n", above.to_vec()),
        ("zero", vec![0; 256]),
        ("all ones", vec![0xff; 256]),
        ("short", vec![0x5a; 255]),
        ("long", vec![0x5a; 257]),
        ("one byte", vec![1]),
    ] {
        assert_uniform(
            name,
            &req_dh(|_, _, query| query.encrypted_data = block.into()),
        );
    }
}

#[test]
fn ks1_a_wrong_hash_in_either_padding() {
    for padding in [Padding::Current, Padding::Legacy] {
        let answer = req_dh(|client, inner, query| {
            let data = enums::PQInnerData::from(clone(inner)).to_bytes();
            query.encrypted_data = match padding {
                // Any other block decrypts to something, whose hash does not fit.
                Padding::Current => {
                    let mut block = client.encrypt(&data).to_vec();
                    block[255] ^= 1;
                    block.into()
                }
                Padding::Legacy => {
                    let mut block = [0x11; 256];
                    block[0] = 0;
                    block[1..21].copy_from_slice(&actogram_crypto::sha::sha1(&data));
                    block[20] ^= 1;
                    block[21..21 + data.len()].copy_from_slice(&data);
                    Bytes::copy_from_slice(&rsa_raw(&client.key, &block))
                }
            };
        });
        assert_uniform("hash", &answer);
    }
}

fn clone(inner: &Inner) -> Inner {
    types::PQInnerDataDc {
        pq: inner.pq.clone(),
        p: inner.p.clone(),
        q: inner.q.clone(),
        nonce: inner.nonce,
        server_nonce: inner.server_nonce,
        new_nonce: inner.new_nonce,
        dc: inner.dc,
    }
}

#[test]
fn ks1_well_encrypted_data_that_is_no_inner_data() {
    for (name, data) in [
        ("empty", vec![]),
        ("zeros", vec![0; 100]),
        ("another object", vec![0x5a; 144]),
    ] {
        let answer = req_dh(|client, _, query| query.encrypted_data = client.encrypt(&data));
        assert_uniform(name, &answer);
    }
}

#[test]
fn ks1_an_unknown_fingerprint() {
    assert_uniform(
        "fingerprint",
        &req_dh(|_, _, query| query.public_key_fingerprint ^= 1),
    );
}

#[test]
fn ks1_a_wrong_datacenter_is_told_only_to_whom_knows_the_rest() {
    let answer = req_dh(|_, inner, _| inner.dc = 3);
    assert_eq!(
        answer.outcome,
        Err(Rejection::WrongDatacenter { wanted: 3 })
    );
    assert_eq!(answer.code(), -444);
    let answer = req_dh(|_, inner, _| {
        inner.dc = 3;
        inner.nonce[0] ^= 1;
    });
    assert_uniform("another datacenter and a wrong nonce", &answer);
}

#[test]
fn ks2_factors_must_be_the_two_primes_in_order_and_minimal() {
    fn set(inner: &mut Inner, query: &mut functions::ReqDhParams, p: Vec<u8>, q: Vec<u8>) {
        inner.p = p.clone().into();
        inner.q = q.clone().into();
        query.p = p.into();
        query.q = q.into();
    }
    let answer = req_dh(|client, inner, query| {
        let pq = client.pq.to_vec();
        set(inner, query, vec![1], pq);
    });
    assert_uniform("1 and pq", &answer);
    let answer = req_dh(|client, inner, query| {
        let (p, q) = (client.p.clone(), client.q.clone());
        set(inner, query, q, p);
    });
    assert_uniform("in the wrong order", &answer);
    let answer = req_dh(|client, inner, query| {
        let (p, q) = (client.p.clone(), client.q.clone());
        set(inner, query, [vec![0], p].concat(), q);
    });
    assert_uniform("a leading zero", &answer);
    let answer = req_dh(|client, inner, query| {
        let (p, q) = (client.p.clone(), client.q.clone());
        set(inner, query, p, [vec![0, 0], q].concat());
    });
    assert_uniform("two leading zeros", &answer);
    assert_uniform(
        "empty",
        &req_dh(|_, inner, query| set(inner, query, vec![], vec![])),
    );
}

#[test]
fn ks3_inner_and_outer_values_must_be_those_of_res_pq() {
    assert_uniform("nonce inside", &req_dh(|_, inner, _| inner.nonce[15] ^= 1));
    assert_uniform(
        "server nonce inside",
        &req_dh(|_, inner, _| inner.server_nonce[0] ^= 1),
    );
    assert_uniform(
        "pq inside",
        &req_dh(|_, inner, _| {
            let mut pq = inner.pq.to_vec();
            pq[7] ^= 2;
            inner.pq = pq.into();
        }),
    );
    assert_uniform("p inside", &req_dh(|_, inner, _| inner.p = vec![3].into()));
    assert_uniform("q inside", &req_dh(|_, inner, _| inner.q = vec![3].into()));
    assert_uniform("p outside", &req_dh(|_, _, query| query.p = vec![3].into()));
    assert_uniform("q outside", &req_dh(|_, _, query| query.q = vec![3].into()));
    assert_uniform("nonce outside", &req_dh(|_, _, query| query.nonce[0] ^= 1));
    assert_uniform(
        "server nonce outside",
        &req_dh(|_, _, query| query.server_nonce[0] ^= 1),
    );
}

#[test]
fn ks3_a_temporary_key_must_live_for_some_time() {
    for (expires_in, accepted) in [
        (0, false),
        (-1, false),
        (i32::MIN, false),
        (1, true),
        (i32::MAX, true),
    ] {
        let answer = req_dh(|client, inner, query| {
            let inner: enums::PQInnerData = types::PQInnerDataTempDc {
                pq: inner.pq.clone(),
                p: inner.p.clone(),
                q: inner.q.clone(),
                nonce: inner.nonce,
                server_nonce: inner.server_nonce,
                new_nonce: inner.new_nonce,
                dc: inner.dc,
                expires_in,
            }
            .into();
            query.encrypted_data = client.encrypt(&inner.to_bytes());
        });
        if accepted {
            assert_eq!(answer.outcome, Ok(()), "{expires_in}");
        } else {
            assert_uniform("expires_in", &answer);
        }
    }
}

/// An exchange up to `set_client_DH_params`.
fn half_way(server: &mut ServerHandshake) -> (RawClient, Box<types::ServerDhInnerData>) {
    let mut client = RawClient::new(2);
    client.begin(server);
    let inner = client.inner();
    let query = client.req_dh(inner);
    let (_, params) = client.open(ask(server, query).body());
    (client, params)
}

fn assert_refused(name: &str, answer: &Answer) {
    assert_eq!(answer.outcome, Err(Rejection::ClientDh), "{name}");
    assert_eq!(answer.code(), -404, "{name}");
}

#[test]
fn ks4_public_values_out_of_range() {
    let mut p_minus_1 = KNOWN_PRIME;
    p_minus_1[255] -= 1;
    let mut below = [0xff; 256];
    below[..8].fill(0);
    for (name, g_b) in [
        ("zero", vec![0; 256]),
        ("one", vec![1]),
        ("p - 1", p_minus_1.to_vec()),
        ("p", KNOWN_PRIME.to_vec()),
        ("2^1984 - 1", below.to_vec()),
        ("257 bytes", [&[0][..], &p_minus_1].concat()),
        ("empty", vec![]),
    ] {
        let mut server = server(1);
        let (client, _) = half_way(&mut server);
        assert_refused(
            name,
            &ask(&mut server, client.set_client_dh(client.client_inner(&g_b))),
        );
    }
    let mut server = server(1);
    let (mut client, params) = half_way(&mut server);
    let (g_b, key) = client.agree(&params.g_a);
    let answer = ask(&mut server, client.set_client_dh(client.client_inner(&g_b)));
    assert_eq!(
        answer.created.unwrap().key.as_bytes(),
        key.as_bytes(),
        "disarmed"
    );
}

#[test]
fn ks4_everything_else_in_set_client_dh_params_must_fit() {
    type Change = fn(&RawClient, types::ClientDhInnerData) -> Bytes;
    let changes: [(&str, Change); 7] = [
        ("nonce", |c, i| {
            c.set_client_dh(types::ClientDhInnerData {
                nonce: [0; 16],
                ..i
            })
        }),
        ("server nonce", |c, i| {
            c.set_client_dh(types::ClientDhInnerData {
                server_nonce: [0; 16],
                ..i
            })
        }),
        ("a counter as retry id", |c, i| {
            c.set_client_dh(types::ClientDhInnerData { retry_id: 1, ..i })
        }),
        ("hash", |c, i| {
            let mut framed = framed(&enums::ClientDhInnerData::from(i).to_bytes());
            framed[0] ^= 1;
            c.set_client_dh_framed(&framed)
        }),
        ("padding", |c, i| {
            let mut framed = framed(&enums::ClientDhInnerData::from(i).to_bytes());
            framed.extend([0; 16]);
            c.set_client_dh_framed(&framed)
        }),
        ("length", |c, _| c.set_client_dh_framed(&[])),
        ("garbage", |c, _| c.set_client_dh_framed(&[0x5a; 336])),
    ];
    for (name, change) in changes {
        let mut server = server(1);
        let (mut client, params) = half_way(&mut server);
        let (g_b, _) = client.agree(&params.g_a);
        let query = change(&client, client.client_inner(&g_b));
        assert_refused(name, &ask(&mut server, query));
    }
}

#[test]
fn ks5_a_refused_exchange_stays_refused_and_another_may_begin() {
    let mut server = server(1);
    let mut client = RawClient::new(2);
    client.begin(&mut server);
    let good = client.inner();
    let good = client.req_dh(good);
    assert_eq!(
        ask(
            &mut server,
            client.req_dh(Inner {
                dc: 3,
                ..clone(&client.inner())
            })
        )
        .code(),
        -444
    );
    for query in [good, client.req_pq(), client.req_pq_legacy()] {
        let answer = ask(&mut server, query);
        assert_eq!(
            (answer.outcome.as_ref().err(), answer.code()),
            (Some(&Rejection::Over), -404)
        );
    }
    run_honest(&mut support::exchange::client(3), &mut server).unwrap();
}

#[test]
fn ks5_queries_out_of_turn_and_garbage_are_refused() {
    let mut fresh = server(1);
    let client = RawClient::new(2);
    for body in [
        client.query().to_bytes(),
        client.set_client_dh_framed(&[0; 336]),
        Bytes::new(),
        Bytes::from_static(&[0x5a; 64]),
        client.req_pq().slice(..12),
    ] {
        let answer = ask(&mut fresh, body);
        assert!(
            matches!(answer.outcome, Err(Rejection::Unexpected { .. })),
            "{:?}",
            answer.outcome
        );
        assert_eq!(answer.code(), -404);
    }
    let mut begun = server(1);
    let (client, _) = half_way(&mut begun);
    let answer = ask(&mut begun, client.query().to_bytes());
    assert!(
        matches!(answer.outcome, Err(Rejection::Unexpected { .. })),
        "another req_DH_params"
    );
}

#[test]
fn ks5_an_exchange_expires_after_ten_minutes() {
    assert_eq!(EXCHANGE_LIFETIME, Duration::from_secs(600));
    for (seconds, alive) in [(599, true), (600, false)] {
        let later = NOW.advanced(Duration::from_secs(seconds));
        let mut server = server(1);
        assert_eq!(server.poll_timeout(), None);
        let mut client = RawClient::new(2);
        let first = ask(&mut server, client.req_pq());
        client.on_res_pq(first.body());
        assert_eq!(
            server.poll_timeout(),
            Some(NOW.monotonic + EXCHANGE_LIFETIME)
        );
        server.handle_timeout(later);
        let inner = client.inner();
        let query = client.req_dh(inner);
        let answer = ask_at(&mut server, later, query);
        assert_eq!(answer.outcome.is_ok(), alive, "after {seconds} s");
        if !alive {
            assert_eq!(answer.code(), -404);
            assert_eq!(server.poll_timeout(), None);
            let again = ask_at(&mut server, later, client.req_pq());
            assert_ne!(again.body(), first.body(), "the old answer is forgotten");
        }
    }
}

#[test]
fn ks5_100_000_first_queries_on_one_connection_are_bounded() {
    let mut server = server(1);
    let mut answered = 0;
    for n in 0..100_000u32 {
        let mut nonce = [0; 16];
        nonce[..4].copy_from_slice(&n.to_le_bytes());
        match ask(&mut server, functions::ReqPqMulti { nonce }.to_bytes()).transmit {
            Some(Transmit::Payload(_)) => answered += 1,
            Some(Transmit::Error(code)) => assert_eq!(code, -429),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(answered, 64);
    let later = NOW.advanced(EXCHANGE_LIFETIME);
    assert!(
        ask_at(&mut server, later, RawClient::new(2).req_pq())
            .outcome
            .is_ok(),
        "disarmed by time"
    );
}

#[test]
fn ks5_half_open_exchanges_per_peer_are_bounded() {
    let slots = HandshakeSlots::new(10, 15);
    let peer = |n: u8| IpAddr::V4(Ipv4Addr::new(127, 0, 0, n));
    let connect = |n: u8| {
        let config = ServerHandshakeConfig {
            slots: Some((slots.clone(), peer(n))),
            ..ServerHandshakeConfig::new(vec![rsa_key()], DC, |_| false)
        };
        ServerHandshake::new(config, seeded(u64::from(n)))
    };
    let mut open = Vec::new();
    for i in 0..1000u64 {
        let mut server = connect(1);
        let answer = ask(&mut server, RawClient::new(i).req_pq());
        assert_eq!(answer.outcome.is_ok(), i < 10, "{i}");
        if i >= 10 {
            assert_eq!(answer.code(), -429);
        }
        open.push(server);
    }
    assert_eq!(slots.open(), 10);
    for i in 0..6u64 {
        let mut server = connect(2);
        assert_eq!(
            ask(&mut server, RawClient::new(i).req_pq()).outcome.is_ok(),
            i < 5,
            "the total"
        );
        open.push(server);
    }
    assert_eq!(slots.open(), 15);
    // A place is free again when the exchange ends, expires, or its connection closes.
    run_honest(&mut support::exchange::client(3), &mut open[0]).unwrap();
    assert_eq!(slots.open(), 14);
    open[1].handle_timeout(NOW.advanced(EXCHANGE_LIFETIME));
    assert_eq!(slots.open(), 13);
    open.clear();
    assert_eq!(slots.open(), 0);
}

#[test]
fn ks6_a_repeated_query_gets_the_same_bytes() {
    let mut server = server(1);
    let mut client = RawClient::new(2);
    let first = ask(&mut server, client.req_pq());
    client.on_res_pq(first.body());
    let inner = client.inner();
    let dh = client.req_dh(inner);
    let second = ask(&mut server, dh.clone());
    let (_, params) = client.open(second.body());
    let (g_b, _) = client.agree(&params.g_a);
    let set = client.set_client_dh(client.client_inner(&g_b));
    let third = ask(&mut server, set.clone());
    assert!(third.created.is_some());
    let later = NOW.advanced(Duration::from_secs(599));
    for (query, answer) in [(client.req_pq(), first), (dh, second), (set, third)] {
        // Clients that fill up their messages draw other bytes for a repetition.
        let padded = Bytes::from([&query[..], &[9; 100]].concat());
        for repeated in [query, padded] {
            let again = ask_at(&mut server, later, repeated);
            assert_eq!(again.transmit, answer.transmit);
            assert!(!again.worked, "nothing is computed twice");
            assert!(again.created.is_none(), "no key is created twice");
        }
    }
}

#[test]
fn ks6_a_query_repeated_while_it_is_worked_on_is_answered_once() {
    let mut server = server(1);
    let mut client = RawClient::new(2);
    client.begin(&mut server);
    let inner = client.inner();
    let query = actogram_mtproto::handshake::plain_message::PlainMessage {
        msg_id: 4,
        body: client.req_dh(inner),
    }
    .to_payload();
    server.handle_input(NOW, query.clone()).unwrap();
    let job = server.poll_job().unwrap();
    server.handle_input(NOW, query).unwrap();
    assert!(server.poll_job().is_none());
    assert!(server.poll_transmit().is_none());
    server.handle_job(NOW, job.run()).unwrap();
    assert!(matches!(server.poll_transmit(), Some(Transmit::Payload(_))));
}

#[test]
fn ks6_another_nonce_begins_anew() {
    let mut server = server(1);
    let (_, _) = half_way(&mut server);
    let mut second = RawClient::new(3);
    second.begin(&mut server);
    let inner = second.inner();
    let query = second.req_dh(inner);
    assert!(ask(&mut server, query).outcome.is_ok());
}

#[test]
fn ks6_the_result_of_an_abandoned_exchange_is_ignored() {
    let mut server = server(1);
    let mut client = RawClient::new(2);
    client.begin(&mut server);
    let inner = client.inner();
    let body = client.req_dh(inner);
    let payload = actogram_mtproto::handshake::plain_message::PlainMessage { msg_id: 4, body };
    server.handle_input(NOW, payload.to_payload()).unwrap();
    let stale = server.poll_job().unwrap();
    let mut second = RawClient::new(3);
    second.begin(&mut server);
    server.handle_job(NOW, stale.run()).unwrap();
    assert!(server.poll_transmit().is_none());
    let inner = second.inner();
    let query = second.req_dh(inner);
    assert!(ask(&mut server, query).outcome.is_ok());
}

#[test]
fn ks7_a_key_that_exists_is_asked_for_again() {
    let mut server = ServerHandshake::new(
        ServerHandshakeConfig::new(vec![rsa_key()], DC, {
            let asked = std::sync::atomic::AtomicU32::new(0);
            move |_| asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 0
        }),
        seeded(1),
    );
    let (mut client, params) = half_way(&mut server);
    let (g_b, key) = client.agree(&params.g_a);
    let answer = ask(&mut server, client.set_client_dh(client.client_inner(&g_b)));
    assert!(answer.created.is_none());
    let secrets = Secrets {
        key: Some(key.clone()),
        ..client.secrets()
    };
    match enums::SetClientDhParamsAnswer::from_bytes(answer.body()).unwrap() {
        enums::SetClientDhParamsAnswer::DhGenRetry(retry) => {
            assert_eq!(retry.new_nonce_hash2, secrets.nonce_hash(2));
        }
        other => panic!("{other:?}"),
    }
    let (g_b, second) = client.agree(&params.g_a);
    let inner = types::ClientDhInnerData {
        retry_id: key.aux_hash(),
        ..client.client_inner(&g_b)
    };
    let answer = ask(&mut server, client.set_client_dh(inner));
    assert_eq!(answer.created.unwrap().key.id(), second.id());
}

#[test]
fn ks7_keys_that_always_exist_end_in_dh_gen_fail() {
    let config = ServerHandshakeConfig::new(vec![rsa_key()], DC, |_| true);
    let mut server = ServerHandshake::new(config, seeded(1));
    let (mut client, params) = half_way(&mut server);
    let mut retry_id = 0;
    for attempt in 1..=5 {
        let (g_b, key) = client.agree(&params.g_a);
        let inner = types::ClientDhInnerData {
            retry_id,
            ..client.client_inner(&g_b)
        };
        let answer = ask(&mut server, client.set_client_dh(inner));
        let secrets = Secrets {
            key: Some(key.clone()),
            ..client.secrets()
        };
        match enums::SetClientDhParamsAnswer::from_bytes(answer.body()).unwrap() {
            enums::SetClientDhParamsAnswer::DhGenRetry(_) => assert!(attempt < 5),
            enums::SetClientDhParamsAnswer::DhGenFail(fail) => {
                assert_eq!(attempt, 5);
                assert_eq!(fail.new_nonce_hash3, secrets.nonce_hash(3));
            }
            other => panic!("{other:?}"),
        }
        retry_id = key.aux_hash();
    }
}

#[test]
fn ks8_every_exchange_has_its_own_secret_and_padding() {
    // The same client twice, up to its randomness: only the server can make a difference.
    let mut seen = Vec::new();
    for seed in [1, 2] {
        let mut server = server(seed);
        let mut client = RawClient::new(2);
        client.begin(&mut server);
        let inner = client.inner();
        let query = client.req_dh(inner);
        let (plain, params) = client.open(ask(&mut server, query).body());
        assert_eq!(plain.len(), 592);
        seen.push((
            params.g_a.clone(),
            plain[plain.len() - 8..].to_vec(),
            client.server_nonce,
            client.pq,
        ));
    }
    assert_ne!(seen[0].0, seen[1].0, "a");
    assert_ne!(seen[0].1, seen[1].1, "padding");
    assert_ne!(seen[0].2, seen[1].2, "server nonce");
    assert_ne!(seen[0].3, seen[1].3, "pq");
}

#[test]
fn old_clients_create_keys() {
    for (req_pq_legacy, padding, with_dc) in [
        (true, Padding::Legacy, false),
        (false, Padding::Legacy, true),
        (false, Padding::Current, false),
        (true, Padding::Current, true),
    ] {
        let mut server = server(1);
        let mut client = RawClient::new(2);
        client.padding = padding;
        let first = if req_pq_legacy {
            client.req_pq_legacy()
        } else {
            client.req_pq()
        };
        let answer = ask(&mut server, first);
        client.on_res_pq(answer.body());
        let inner = client.inner();
        let inner: enums::PQInnerData = if with_dc {
            inner.into()
        } else {
            types::PQInnerData {
                pq: inner.pq,
                p: inner.p,
                q: inner.q,
                nonce: inner.nonce,
                server_nonce: inner.server_nonce,
                new_nonce: inner.new_nonce,
            }
            .into()
        };
        let query = client.req_dh(inner);
        let (_, params) = client.open(ask(&mut server, query).body());
        let (g_b, key) = client.agree(&params.g_a);
        let answer = ask(&mut server, client.set_client_dh(client.client_inner(&g_b)));
        let created = answer.created.unwrap();
        assert_eq!(created.key.as_bytes(), key.as_bytes());
        assert_eq!(created.dc, with_dc.then_some(DC));
        assert_eq!(created.temporary, None);
    }
}

#[test]
fn a_server_takes_every_datacenter_id_it_is_told_to() {
    let config = ServerHandshakeConfig {
        dcs: vec![2, 10_002, -2],
        ..ServerHandshakeConfig::new(vec![rsa_key()], DC, |_| false)
    };
    let mut server = ServerHandshake::new(config, seeded(1));
    for (seed, (dc, code)) in (2u64..).zip([(2, None), (10_002, None), (-2, None), (3, Some(-444))])
    {
        let mut client = RawClient::new(seed);
        client.begin(&mut server);
        let inner = Inner {
            dc,
            ..client.inner()
        };
        let query = client.req_dh(inner);
        let answer = ask(&mut server, query);
        match code {
            None => assert_eq!(answer.outcome, Ok(()), "{dc}"),
            Some(code) => assert_eq!(answer.code(), code, "{dc}"),
        }
    }
}

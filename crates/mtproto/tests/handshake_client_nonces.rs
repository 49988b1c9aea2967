//! K1 to K6 and K12 to K14: what a client refuses in the messages of a dishonest server. Each attack runs
//! disarmed too, by the same path, and must then succeed.
#![allow(clippy::unwrap_used)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use actogram_mtproto::handshake::plain_message::{PlainMessage, PlainMessageError};
use actogram_mtproto::handshake::server::{ServerHandshakeConfig, Transmit};
use actogram_mtproto::handshake::{HandshakeError, Place};
use actogram_tl::mtproto::{enums, functions, types};
use actogram_tl::{Decode, Encode, Function, Reader};
use bytes::Bytes;
use enums::SetClientDhParamsAnswer as DhGen;
use support::exchange::*;

/// Replaces the last answer, if armed.
fn dh_gen(
    armed: Armed,
    mut replace: impl FnMut(&Secrets, [u8; 16], [u8; 16]) -> DhGen + 'static,
) -> Tampering {
    Tampering {
        dh_gen: Some(Box::new(move |secrets, answer| {
            let DhGen::DhGenOk(ok) = &answer else {
                return answer.to_bytes();
            };
            if armed.0 {
                replace(secrets, ok.nonce, ok.server_nonce).to_bytes()
            } else {
                answer.to_bytes()
            }
        })),
        ..Tampering::default()
    }
}

fn ok(nonce: [u8; 16], server_nonce: [u8; 16], new_nonce_hash1: [u8; 16]) -> DhGen {
    types::DhGenOk {
        nonce,
        server_nonce,
        new_nonce_hash1,
    }
    .into()
}

fn retry(nonce: [u8; 16], server_nonce: [u8; 16], new_nonce_hash2: [u8; 16]) -> DhGen {
    types::DhGenRetry {
        nonce,
        server_nonce,
        new_nonce_hash2,
    }
    .into()
}

fn fail(nonce: [u8; 16], server_nonce: [u8; 16], new_nonce_hash3: [u8; 16]) -> DhGen {
    types::DhGenFail {
        nonce,
        server_nonce,
        new_nonce_hash3,
    }
    .into()
}

fn flipped(mut bytes: [u8; 16]) -> [u8; 16] {
    bytes[0] ^= 1;
    bytes
}

#[test]
fn k1_nonce_in_res_pq() {
    let error = attack("k1", |armed| Tampering {
        res_pq: armed.change(|answer: &mut types::ResPq| flip(&mut answer.nonce)),
        ..Tampering::default()
    });
    assert!(
        matches!(
            error,
            HandshakeError::Nonce {
                place: Place::ResPq
            }
        ),
        "{error}"
    );
}

#[test]
fn k1_nonce_in_server_dh_params() {
    let error = attack("k1", |armed| Tampering {
        dh_outer: armed.change(|answer: &mut types::ServerDhParamsOk| flip(&mut answer.nonce)),
        ..Tampering::default()
    });
    assert!(
        matches!(
            error,
            HandshakeError::Nonce {
                place: Place::ServerDhParams
            }
        ),
        "{error}"
    );
}

#[test]
fn k1_nonce_inside_the_encrypted_answer() {
    let error = attack("k1", |armed| Tampering {
        dh_inner: armed.change(|inner: &mut types::ServerDhInnerData| flip(&mut inner.nonce)),
        ..Tampering::default()
    });
    assert!(
        matches!(
            error,
            HandshakeError::Nonce {
                place: Place::ServerDhInnerData
            }
        ),
        "{error}"
    );
}

#[test]
fn k1_nonce_in_dh_gen() {
    let error = attack("k1", |armed| {
        dh_gen(armed, |secrets, nonce, server_nonce| {
            ok(flipped(nonce), server_nonce, secrets.nonce_hash(1))
        })
    });
    assert!(
        matches!(
            error,
            HandshakeError::Nonce {
                place: Place::DhGen
            }
        ),
        "{error}"
    );
}

#[test]
fn k1_an_aborted_exchange_is_followed_by_fresh_nonces() {
    let mut nonces = Vec::new();
    for seed in [1, 2] {
        let mut client = client(seed);
        client.start(NOW);
        let query = PlainMessage::parse(client.poll_transmit().unwrap())
            .unwrap()
            .body;
        nonces.push(query);
    }
    assert_ne!(nonces[0], nonces[1]);
}

#[test]
fn k2_server_nonce_in_server_dh_params() {
    let error = attack("k2", |armed| Tampering {
        dh_outer: armed
            .change(|answer: &mut types::ServerDhParamsOk| flip(&mut answer.server_nonce)),
        ..Tampering::default()
    });
    assert!(
        matches!(
            error,
            HandshakeError::ServerNonce {
                place: Place::ServerDhParams
            }
        ),
        "{error}"
    );
}

#[test]
fn k2_server_nonce_inside_the_encrypted_answer() {
    let error = attack("k2", |armed| Tampering {
        dh_inner: armed
            .change(|inner: &mut types::ServerDhInnerData| flip(&mut inner.server_nonce)),
        ..Tampering::default()
    });
    assert!(
        matches!(
            error,
            HandshakeError::ServerNonce {
                place: Place::ServerDhInnerData
            }
        ),
        "{error}"
    );
}

#[test]
fn k2_server_nonce_in_dh_gen() {
    let error = attack("k2", |armed| {
        dh_gen(armed, |secrets, nonce, server_nonce| {
            ok(nonce, flipped(server_nonce), secrets.nonce_hash(1))
        })
    });
    assert!(
        matches!(
            error,
            HandshakeError::ServerNonce {
                place: Place::DhGen
            }
        ),
        "{error}"
    );
}

fn offering(fingerprints: impl Fn() -> Vec<i64> + 'static) -> HandshakeError {
    let fingerprints = Arc::new(fingerprints);
    attack("k3", move |armed| {
        let fingerprints = Arc::clone(&fingerprints);
        Tampering {
            res_pq: armed.change(move |answer: &mut types::ResPq| {
                answer.server_public_key_fingerprints = fingerprints();
            }),
            ..Tampering::default()
        }
    })
}

#[test]
fn k3_no_fingerprint_offered() {
    let error = offering(Vec::new);
    assert!(
        matches!(
            error,
            HandshakeError::NoKnownKey {
                offered: 0,
                known: 1
            }
        ),
        "{error}"
    );
}

#[test]
fn k3_only_unknown_fingerprints_offered() {
    let error = offering(|| (1..900).collect());
    assert!(
        matches!(error, HandshakeError::NoKnownKey { offered: 899, .. }),
        "{error}"
    );
}

#[test]
fn k3_a_million_fingerprints_are_refused_unread() {
    let error = offering(|| (1..1_000_000).collect());
    assert!(
        matches!(
            error,
            HandshakeError::Envelope(PlainMessageError::TooLong { .. })
        ),
        "{error}"
    );
}

#[test]
fn k3_a_key_of_another_set_is_unknown() {
    let error = offering(|| vec![other_rsa_key().public().fingerprint()]);
    assert!(
        matches!(error, HandshakeError::NoKnownKey { offered: 1, .. }),
        "{error}"
    );
}

#[test]
fn k3_the_known_key_is_found_among_unknown_ones() {
    let tampering = Tampering {
        res_pq: Armed(true).change(|answer: &mut types::ResPq| {
            let known = answer.server_public_key_fingerprints[0];
            answer.server_public_key_fingerprints = vec![1, 2, known, 3];
        }),
        ..Tampering::default()
    };
    run(&mut client(7), &mut ScriptedServer::new(tampering, 8)).unwrap();
}

#[test]
fn k4_pq_that_cannot_be_factored_into_two_odd_primes() {
    let p: u64 = 1_073_741_827;
    let q: u64 = 1_073_741_831;
    let bad: [(&str, Vec<u8>); 11] = [
        ("prime", 2_305_843_009_213_693_951u64.to_be_bytes().to_vec()),
        ("above 2^63", ((1u64 << 63) + 3).to_be_bytes().to_vec()),
        ("2^64 - 1", vec![0xff; 8]),
        ("zero", vec![0]),
        ("one", vec![1]),
        ("four", vec![4]),
        ("even", (2 * p).to_be_bytes().to_vec()),
        ("a square", (p * p).to_be_bytes().to_vec()),
        ("nine bytes", [&[0][..], &(p * q).to_be_bytes()].concat()),
        ("64 bytes", vec![0x7f; 64]),
        ("empty", vec![]),
    ];
    for (name, pq) in bad {
        let expects_length = pq.is_empty() || pq.len() > 8;
        let error = attack(name, move |armed| {
            let pq = pq.clone();
            Tampering {
                res_pq: armed
                    .change(move |answer: &mut types::ResPq| answer.pq = pq.clone().into()),
                ..Tampering::default()
            }
        });
        match error {
            HandshakeError::PqLength { .. } => assert!(expects_length, "{name}"),
            HandshakeError::Pq(_) => assert!(!expects_length, "{name}"),
            other => panic!("{name}: {other}"),
        }
    }
}

#[test]
fn k5_encrypted_answers_of_impossible_length() {
    for length in [0, 15, 16, 17, 600, 4112, 1 << 20] {
        let error = attack("k5", move |armed| Tampering {
            dh_outer: armed.change(move |answer: &mut types::ServerDhParamsOk| {
                answer.encrypted_answer = vec![0x5a; length].into();
            }),
            ..Tampering::default()
        });
        match error {
            HandshakeError::AnswerLength { length: named } => assert_eq!(named, length),
            HandshakeError::Envelope(PlainMessageError::TooLong { .. }) => {
                assert_eq!(length, 1 << 20)
            }
            other => panic!("{length}: {other}"),
        }
    }
}

/// Rebuilds the framed answer from its data, if armed.
fn reframed(armed: Armed, frame: impl Fn(&[u8]) -> Vec<u8> + 'static) -> Tampering {
    Tampering {
        dh_framed: Some(Box::new(move |framed| {
            if !armed.0 {
                return framed.to_vec();
            }
            let mut reader = Reader::new(Bytes::copy_from_slice(&framed[20..]));
            enums::ServerDhInnerData::decode(&mut reader).unwrap();
            let frame = frame(&framed[20..framed.len() - reader.remaining()]);
            assert!(frame.len().is_multiple_of(16));
            frame
        })),
        ..Tampering::default()
    }
}

#[test]
fn k6_a_wrong_hash_of_the_answer() {
    let error = attack("k6", |armed| {
        reframed(armed, |data| {
            let mut framed = framed(data);
            framed[19] ^= 0x80;
            framed
        })
    });
    assert!(matches!(error, HandshakeError::AnswerHash), "{error}");
}

#[test]
fn k6_a_hash_over_the_padded_answer() {
    let error = attack("k6", |armed| {
        reframed(armed, |data| {
            let padded = framed(data);
            assert!(padded.len() > 20 + data.len(), "there is padding to hash");
            [
                &actogram_crypto::sha::sha1(&padded[20..])[..],
                &padded[20..],
            ]
            .concat()
        })
    });
    assert!(matches!(error, HandshakeError::AnswerHash), "{error}");
}

#[test]
fn k6_padding_of_16_bytes_or_more() {
    for extra in [16, 32] {
        let error = attack("k6", move |armed| {
            reframed(armed, move |data| {
                let mut framed = framed(data);
                framed.resize(framed.len() + extra, 0);
                framed
            })
        });
        assert!(
            matches!(error, HandshakeError::AnswerPadding { padding } if padding >= extra),
            "{error}"
        );
    }
}

#[test]
fn k6_an_answer_that_is_no_server_dh_inner_data() {
    let error = attack("k6", |armed| {
        reframed(armed, |data| {
            let mut other = data.to_vec();
            other[0] ^= 1;
            framed(&other)
        })
    });
    assert!(matches!(error, HandshakeError::Malformed { .. }), "{error}");
}

#[test]
fn k12_a_wrong_nonce_hash_in_every_answer() {
    for (name, make) in [
        ("dh_gen_ok", ok as fn([u8; 16], [u8; 16], [u8; 16]) -> DhGen),
        ("dh_gen_retry", retry),
        ("dh_gen_fail", fail),
    ] {
        let number = match name {
            "dh_gen_ok" => 1,
            "dh_gen_retry" => 2,
            _ => 3,
        };
        let error = attack(name, move |armed| {
            dh_gen(armed, move |secrets, nonce, server_nonce| {
                make(nonce, server_nonce, flipped(secrets.nonce_hash(number)))
            })
        });
        assert!(
            matches!(error, HandshakeError::NewNonceHash { answer } if answer == name),
            "{error}"
        );
        for other in (1..=3).filter(|&other| other != number) {
            let error = attack(name, move |armed| {
                dh_gen(armed, move |secrets, nonce, server_nonce| {
                    make(nonce, server_nonce, secrets.nonce_hash(other))
                })
            });
            assert!(
                matches!(error, HandshakeError::NewNonceHash { answer } if answer == name),
                "hash {other} in {name}: {error}"
            );
        }
    }
}

#[test]
fn k12_a_proven_dh_gen_fail_ends_the_exchange() {
    let error = attack("k12", |armed| {
        dh_gen(armed, |secrets, nonce, server_nonce| {
            fail(nonce, server_nonce, secrets.nonce_hash(3))
        })
    });
    assert!(
        matches!(
            error,
            HandshakeError::Refused {
                answer: "dh_gen_fail"
            }
        ),
        "{error}"
    );
}

/// A server to which the first `collisions` keys exist already.
fn colliding(collisions: u32, max_attempts: u32) -> ScriptedServer {
    let asked = AtomicU32::new(0);
    let config = ServerHandshakeConfig {
        max_attempts,
        ..ServerHandshakeConfig::new(vec![rsa_key()], DC, move |_| {
            asked.fetch_add(1, Ordering::Relaxed) < collisions
        })
    };
    ScriptedServer::with_config(Tampering::default(), config, 8)
}

/// The retry ids and public values of all `set_client_DH_params` a server saw.
fn client_values(server: &ScriptedServer) -> Vec<(i64, Bytes)> {
    let mut values = Vec::new();
    for query in &server.queries {
        let mut reader = Reader::new(query.clone());
        if reader.get_u32().unwrap() == functions::SetClientDhParams::ID {
            let _: [u8; 32] = reader.get_array().unwrap();
            let plain = server.secrets.decrypt(&reader.get_bytes().unwrap());
            let mut reader = Reader::new(Bytes::copy_from_slice(&plain[20..]));
            let enums::ClientDhInnerData::ClientDhInnerData(inner) =
                enums::ClientDhInnerData::decode(&mut reader).unwrap();
            values.push((inner.retry_id, inner.g_b.clone()));
        }
    }
    values
}

#[test]
fn k13_a_retry_is_followed_by_success() {
    for collisions in 0..4 {
        let mut server = colliding(collisions, 100);
        let created = run(&mut client(7), &mut server).unwrap();
        assert_eq!(created.key.as_bytes(), server.created[0].key.as_bytes());
        let values = client_values(&server);
        assert_eq!(values.len() as u32, collisions + 1);
        assert_eq!(values[0].0, 0, "the first retry id is zero");
        for (id, _) in &values[1..] {
            assert!(
                *id != 0 && *id != 1,
                "a retry id is the hash of the failed key, no counter"
            );
        }
    }
}

#[test]
fn k13_endless_retries_end_after_five_attempts() {
    let mut server = colliding(u32::MAX, 100);
    let mut client = client(7);
    let error = run(&mut client, &mut server).unwrap_err();
    assert!(
        matches!(error, HandshakeError::TooManyRetries { attempts: 5 }),
        "{error}"
    );
    assert_over("k13", &mut client);
    let values = client_values(&server);
    assert_eq!(values.len(), 5);
    for (i, (_, g_b)) in values.iter().enumerate() {
        assert!(
            values[..i].iter().all(|(_, other)| other != g_b),
            "k11: every attempt has its own b"
        );
    }
}

/// Runs an exchange in which the server sends every answer of `extra` after its own.
fn with_extra(extra: impl Fn(usize, &Bytes) -> Vec<Bytes>) -> Result<(), HandshakeError> {
    let mut client = client(7);
    let mut server = ScriptedServer::new(Tampering::default(), 8);
    client.start(NOW);
    for step in 0.. {
        client.run_jobs(NOW)?;
        if client.poll_output().is_some() {
            return Ok(());
        }
        let query = client.poll_transmit().unwrap();
        let Some(Transmit::Payload(answer)) = server.answer(NOW, query) else {
            panic!("no answer in step {step}");
        };
        client.handle_input(NOW, answer.clone())?;
        for payload in extra(step, &answer) {
            client.handle_input(NOW, payload)?;
        }
    }
    unreachable!("the exchange ends");
}

fn plain(object: &impl Encode) -> Bytes {
    PlainMessage {
        msg_id: 1,
        body: object.to_bytes(),
    }
    .to_payload()
}

#[test]
fn k14_repeated_answers_are_ignored() {
    with_extra(|_, answer| vec![answer.clone(), answer.clone()]).unwrap();
}

#[test]
fn k14_a_second_different_res_pq_aborts() {
    let error = with_extra(|step, answer| {
        let body = PlainMessage::parse(answer.clone()).unwrap().body;
        match enums::ResPq::from_bytes(body) {
            Ok(enums::ResPq::ResPq(mut other)) if step == 0 => {
                flip(&mut other.server_nonce);
                vec![plain(&enums::ResPq::ResPq(other))]
            }
            _ => vec![],
        }
    })
    .unwrap_err();
    assert!(
        matches!(error, HandshakeError::Unexpected { .. }),
        "{error}"
    );
}

#[test]
fn k14_an_encrypted_message_aborts_in_every_state() {
    for at in 0..2 {
        let error = with_extra(|step, _| {
            if step == at {
                vec![Bytes::from(support::encrypted_like(3, 9))]
            } else {
                vec![]
            }
        })
        .unwrap_err();
        assert!(
            matches!(
                error,
                HandshakeError::Envelope(PlainMessageError::Encrypted)
            ),
            "{error}"
        );
    }
    let mut client = client(7);
    client.start(NOW);
    let error = client
        .handle_input(NOW, support::encrypted_like(3, 9).into())
        .unwrap_err();
    assert!(
        matches!(
            error,
            HandshakeError::Envelope(PlainMessageError::Encrypted)
        ),
        "{error}"
    );
}

#[test]
fn k14_dh_gen_ok_before_its_turn_aborts() {
    let early = plain(&ok([0; 16], [0; 16], [0; 16]));
    let mut client = client(7);
    client.start(NOW);
    let error = client.handle_input(NOW, early.clone()).unwrap_err();
    assert!(
        matches!(
            error,
            HandshakeError::Malformed {
                expected: "resPQ",
                ..
            }
        ),
        "{error}"
    );
    let error = with_extra(|step, _| {
        if step == 0 {
            vec![early.clone()]
        } else {
            vec![]
        }
    })
    .unwrap_err();
    assert!(
        matches!(error, HandshakeError::Unexpected { .. }),
        "{error}"
    );
}

#[test]
fn k14_server_dh_params_fail_ends_the_exchange() {
    for (proven, armed) in [(true, true), (false, true)] {
        let tampering = Tampering {
            dh_body: armed.then(|| {
                Box::new(move |secrets: &Secrets| {
                    let mut hash = [0; 16];
                    hash.copy_from_slice(&actogram_crypto::sha::sha1(&secrets.new_nonce)[4..]);
                    if !proven {
                        flip(&mut hash);
                    }
                    let answer: enums::ServerDhParams = types::ServerDhParamsFail {
                        nonce: nonce_of(7),
                        server_nonce: secrets.server_nonce,
                        new_nonce_hash: hash,
                    }
                    .into();
                    answer.to_bytes()
                }) as Box<dyn FnMut(&Secrets) -> Bytes>
            }),
            ..Tampering::default()
        };
        let error = run(&mut client(7), &mut ScriptedServer::new(tampering, 8)).unwrap_err();
        match error {
            HandshakeError::Refused {
                answer: "server_DH_params_fail",
            } => assert!(proven),
            HandshakeError::NewNonceHash { .. } => assert!(!proven),
            other => panic!("{other}"),
        }
    }
}

/// The nonce the client with this seed begins with.
fn nonce_of(seed: u64) -> [u8; 16] {
    let mut client = client(seed);
    client.start(NOW);
    let query = PlainMessage::parse(client.poll_transmit().unwrap())
        .unwrap()
        .body;
    query[4..20].try_into().unwrap()
}

#[test]
fn k14_a_transport_error_ends_the_exchange() {
    let mut client = client(7);
    client.start(NOW);
    let error = client.handle_transport_error(-404);
    assert!(
        matches!(error, HandshakeError::Transport { code: -404 }),
        "{error}"
    );
    assert_over("k14", &mut client);
}

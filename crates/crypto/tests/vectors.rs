//! Every cryptographic group of `tests/vectors.json`, which an implementation that is not ours computed.
//!
//! Asserted elsewhere: `transports`, `obfuscated2_*` and the framing of `quick_ack` in crates/mtproto,
//! `tl_string_headers` in crates/tl, `peer_ids` in the façade (src). `fake_tls` belongs to a transport that is not
//! built (T3).
#![allow(clippy::unwrap_used)]

use actogram_crypto::{
    AuthKey, Side,
    ctr::Ctr256,
    dh, ige, kdf, message,
    random::Random,
    rsa::PrivateKey,
    secret_chat,
    sha::{sha1, sha256},
    srp,
};
use serde_json::Value;

fn vectors() -> Value {
    serde_json::from_str(include_str!("../../../tests/vectors.json")).unwrap()
}

fn hex(text: &str) -> Vec<u8> {
    let text = text.trim_start_matches("0x");
    let text = if text.len() % 2 == 1 {
        format!("0{text}")
    } else {
        text.to_owned()
    };
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes(group: &Value, key: &str) -> Vec<u8> {
    hex(group[key].as_str().unwrap_or_else(|| panic!("no {key}")))
}

fn array<const N: usize>(group: &Value, key: &str) -> [u8; N] {
    bytes(group, key).try_into().unwrap()
}

fn auth_key() -> AuthKey {
    AuthKey::new(std::array::from_fn(|i| (7 * i + 3) as u8))
}

/// Gives out the bytes it was made with.
struct Scripted(Vec<u8>);

impl Random for Scripted {
    fn fill(&mut self, out: &mut [u8]) {
        let rest = self.0.split_off(out.len());
        out.copy_from_slice(&std::mem::replace(&mut self.0, rest));
    }
}

/// The groups whose assertions are in this file.
const HERE: [&str; 19] = [
    "fixed_inputs",
    "auth_key",
    "tmp_aes",
    "tmp_aes_leading_zero_nonces",
    "ige",
    "mtproto2_client_to_server",
    "mtproto2_server_to_client",
    "quick_ack",
    "rsa_pad",
    "dh_prime_known",
    "server_DH_inner",
    "client_DH_inner",
    "bind_temp_auth_key",
    "srp",
    "secret_chat_from_originator",
    "secret_chat_from_acceptor",
    "secret_chat_visualization",
    "secret_file",
    "cdn",
];

/// The groups asserted by other crates, or by none yet: see the top of this file. `_selfcheck` only says how the file
/// was made.
const ELSEWHERE: [&str; 7] = [
    "_selfcheck",
    "fake_tls",
    "transports",
    "obfuscated2_nosecret",
    "obfuscated2_secret",
    "tl_string_headers",
    "peer_ids",
];

#[test]
fn no_group_is_overlooked() {
    let mut groups: Vec<String> = vectors().as_object().unwrap().keys().cloned().collect();
    let mut known: Vec<String> = [&HERE[..], &ELSEWHERE]
        .concat()
        .into_iter()
        .map(String::from)
        .collect();
    groups.sort();
    known.sort();
    assert_eq!(groups, known);
}

#[test]
fn auth_key_group() {
    let v = vectors();
    let (group, inputs) = (&v["auth_key"], &v["fixed_inputs"]);
    let key = auth_key();
    let (new_nonce, server_nonce) = (array(inputs, "new_nonce"), array(inputs, "server_nonce"));
    assert_eq!(
        key.id().to_le_bytes().to_vec(),
        bytes(group, "auth_key_id(bytes, wire order)")
    );
    assert_eq!(
        key.aux_hash().to_le_bytes().to_vec(),
        bytes(group, "auth_key_aux_hash")
    );
    for number in 1..=3 {
        let hash = kdf::new_nonce_hash(&new_nonce, number, key.aux_hash());
        assert_eq!(
            hash.to_vec(),
            bytes(group, &format!("new_nonce_hash{number}"))
        );
    }
    let salt = kdf::initial_salt(&new_nonce, &server_nonce);
    assert_eq!(
        salt.to_le_bytes().to_vec(),
        bytes(group, "server_salt(bytes)")
    );
    assert_eq!(format!("{key:?}"), format!("AuthKey(id={:016x})", key.id()));
}

#[test]
fn tmp_aes_groups() {
    let v = vectors();
    let inputs = &v["fixed_inputs"];
    let (key, iv) = kdf::tmp_aes(&array(inputs, "new_nonce"), &array(inputs, "server_nonce"));
    assert_eq!(
        (key.to_vec(), iv.to_vec()),
        (bytes(&v["tmp_aes"], "key"), bytes(&v["tmp_aes"], "iv"))
    );
    let zeros = &v["tmp_aes_leading_zero_nonces"];
    let (key, iv) = kdf::tmp_aes(&array(zeros, "new_nonce"), &array(zeros, "server_nonce"));
    assert_eq!(
        (key.to_vec(), iv.to_vec()),
        (bytes(zeros, "key"), bytes(zeros, "iv"))
    );
}

#[test]
fn ige_group() {
    let group = &vectors()["ige"];
    let (key, iv) = (array(group, "key"), array(group, "iv"));
    let mut data = bytes(group, "pt");
    ige::encrypt(&key, &iv, &mut data);
    assert_eq!(data, bytes(group, "ct"));
    ige::decrypt(&key, &iv, &mut data);
    assert_eq!(data, bytes(group, "pt"));
}

#[test]
fn mtproto2_groups_and_the_quick_ack_token() {
    let v = vectors();
    for (name, side) in [
        ("mtproto2_client_to_server", Side::Client),
        ("mtproto2_server_to_client", Side::Server),
    ] {
        let group = &v[name];
        let mut packet = vec![0; message::HEADER];
        packet.extend(bytes(group, "plaintext"));
        let token = message::encrypt(&auth_key(), side, &mut packet);
        assert_eq!(packet, bytes(group, "packet"), "{name}");
        assert_eq!(packet[8..24], bytes(group, "msg_key"));
        assert_eq!(message::decrypt(&auth_key(), side, &mut packet), Ok(token));
        assert_eq!(packet[message::HEADER..], bytes(group, "plaintext"));
        if side == Side::Client {
            assert_eq!(
                u64::from(token),
                v["quick_ack"]["token_le_u32"].as_u64().unwrap()
            );
        }
    }
}

#[test]
fn rsa_pad_group() {
    let group = &vectors()["rsa_pad"];
    let key =
        PrivateKey::from_primes(&bytes(group, "test_rsa_p"), &bytes(group, "test_rsa_q")).unwrap();
    assert_eq!(key.public().n_bytes().to_vec(), bytes(group, "n"));
    assert_eq!(
        key.public().fingerprint().to_le_bytes().to_vec(),
        bytes(group, "fingerprint(wire)")
    );
    let data = bytes(group, "data");
    let mut script = bytes(group, "random_padding_bytes");
    script.extend(bytes(group, "temp_key_used"));
    let encrypted = key
        .public()
        .encrypt_padded(&data, &mut Scripted(script))
        .unwrap();
    assert_eq!(
        to_hex(&encrypted),
        group["encrypted_data"].as_str().unwrap()
    );
    let padded = key.decrypt_padded(&encrypted).unwrap();
    assert_eq!(padded[..data.len()], data);
    assert_eq!(padded[data.len()..], bytes(group, "random_padding_bytes"));
}

#[test]
fn dh_groups() {
    let v = vectors();
    let group = &v["dh_prime_known"];
    let legal: Vec<i64> = group["valid_g"]
        .as_array()
        .unwrap()
        .iter()
        .map(|g| g.as_i64().unwrap())
        .collect();
    for g in -1..=8 {
        let result = dh::check_parameters(&dh::KNOWN_PRIME, g);
        assert_eq!(result.is_ok(), legal.contains(&i64::from(g)), "g = {g}");
    }
    let inner = &v["server_DH_inner"];
    let a = dh::Secret::from_bytes(std::array::from_fn(|i| (5 * i + 2) as u8));
    let b = dh::Secret::from_bytes(std::array::from_fn(|i| (9 * i + 4) as u8));
    let (g_a, g_b) = (a.public(&dh::KNOWN_PRIME, 3), b.public(&dh::KNOWN_PRIME, 3));
    assert_eq!(to_hex(&sha256(&g_a)), inner["g_a_sha256"].as_str().unwrap());
    assert_eq!(to_hex(&sha256(&g_b)), inner["g_b_sha256"].as_str().unwrap());
    let shared = a.shared(&dh::KNOWN_PRIME, &g_b).unwrap();
    assert_eq!(shared, b.shared(&dh::KNOWN_PRIME, &g_a).unwrap());
    assert_eq!(
        to_hex(&sha256(&shared[..])),
        inner["shared_key_sha256"].as_str().unwrap()
    );
    let key = AuthKey::new(*shared);
    assert_eq!(
        to_hex(&key.id().to_le_bytes()),
        inner["shared_auth_key_id"].as_str().unwrap()
    );
    let hash = kdf::new_nonce_hash(&array(&v["fixed_inputs"], "new_nonce"), 1, key.aux_hash());
    assert_eq!(to_hex(&hash), inner["new_nonce_hash1"].as_str().unwrap());
}

/// The encrypted halves of the exchange, framed as hash, data and zero padding, one after the other under the same IV.
#[test]
fn server_and_client_dh_inner_groups() {
    let v = vectors();
    let inputs = &v["fixed_inputs"];
    let (nonce, server_nonce): ([u8; 16], [u8; 16]) =
        (array(inputs, "nonce"), array(inputs, "server_nonce"));
    let (key, iv) = kdf::tmp_aes(&array(inputs, "new_nonce"), &server_nonce);
    let long = |data: &[u8]| [&[0xfe, 0, 1, 0], data].concat();
    let seal = |data: Vec<u8>| {
        let mut framed = [sha1(&data).to_vec(), data].concat();
        framed.resize(framed.len().next_multiple_of(16), 0);
        ige::encrypt(&key, &iv, &mut framed);
        framed
    };
    let a = dh::Secret::from_bytes(std::array::from_fn(|i| (5 * i + 2) as u8));
    let b = dh::Secret::from_bytes(std::array::from_fn(|i| (9 * i + 4) as u8));
    let server = seal(
        [
            &0xb589_0dba_u32.to_le_bytes()[..],
            &nonce,
            &server_nonce,
            &3i32.to_le_bytes(),
            &long(&dh::KNOWN_PRIME),
            &long(&a.public(&dh::KNOWN_PRIME, 3)),
            &1_707_425_616i32.to_le_bytes(),
        ]
        .concat(),
    );
    let group = &v["server_DH_inner"];
    assert_eq!(
        server.len() as u64,
        group["encrypted_answer_len"].as_u64().unwrap()
    );
    assert_eq!(
        to_hex(&sha256(&server)),
        group["encrypted_answer_sha256"].as_str().unwrap()
    );
    let client = seal(
        [
            &0x6643_b654_u32.to_le_bytes()[..],
            &nonce,
            &server_nonce,
            &0i64.to_le_bytes(),
            &long(&b.public(&dh::KNOWN_PRIME, 3)),
        ]
        .concat(),
    );
    let group = &v["client_DH_inner"];
    assert_eq!(client.len() as u64, group["len"].as_u64().unwrap());
    assert_eq!(
        to_hex(&sha256(&client)),
        group["encrypted_data_sha256"].as_str().unwrap()
    );
}

#[test]
fn bind_temp_auth_key_group() {
    let group = &vectors()["bind_temp_auth_key"];
    let inner = bytes(group, "inner");
    let plaintext = [
        bytes(group, "random16"),
        group["msg_id"].as_i64().unwrap().to_le_bytes().to_vec(),
        0i32.to_le_bytes().to_vec(),
        (inner.len() as i32).to_le_bytes().to_vec(),
        inner,
    ]
    .concat();
    let encrypted = message::encrypt_v1(&auth_key(), &plaintext, &bytes(group, "pad"));
    assert_eq!(
        to_hex(&encrypted),
        group["encrypted_message"].as_str().unwrap()
    );
    assert_eq!(
        message::decrypt_v1(&auth_key(), &encrypted, plaintext.len()),
        Ok(plaintext)
    );
}

#[test]
fn srp_group() {
    let group = &vectors()["srp"];
    let (salt1, salt2) = (bytes(group, "salt1"), bytes(group, "salt2"));
    let parameters = srp::Parameters {
        salt1: &salt1,
        salt2: &salt2,
        g: 3,
        p: &dh::KNOWN_PRIME,
    };
    let password = group["password"].as_str().unwrap().as_bytes();
    let verifier = srp::verifier(password, &parameters).unwrap();
    assert_eq!(
        to_hex(&sha256(&verifier)),
        group["v_sha256"].as_str().unwrap()
    );
    let server = srp::Server::with_secret(
        &parameters,
        &verifier,
        std::array::from_fn(|i| (9 * i + 4) as u8),
    )
    .unwrap();
    assert_eq!(
        to_hex(&sha256(server.public())),
        group["g_b(srp_B)_sha256"].as_str().unwrap()
    );
    let secret: Vec<u8> = (0..256).map(|i| (5 * i + 2) as u8).collect();
    let proof = srp::prove(
        password,
        &parameters,
        server.public(),
        &mut Scripted(secret),
    )
    .unwrap();
    assert_eq!(to_hex(&proof.m1), group["M1"].as_str().unwrap());
    assert_eq!(server.verify(&proof.a, &proof.m1), Ok(()));
    let wrong = srp::prove(
        b"another",
        &parameters,
        server.public(),
        &mut actogram_crypto::random::OsRandom,
    )
    .unwrap();
    assert_eq!(
        server.verify(&wrong.a, &wrong.m1),
        Err(srp::SrpError::Proof)
    );
}

#[test]
fn cdn_group() {
    let group = &vectors()["cdn"];
    let mut data = bytes(group, "pt");
    Ctr256::new(
        &array(group, "encryption_key"),
        &array(group, "effective_iv"),
    )
    .apply(&mut data);
    assert_eq!(data, bytes(group, "ct"));
    let offset = group["offset"].as_u64().unwrap();
    let mut by_block = bytes(group, "pt");
    Ctr256::at_cdn_block(
        &array(group, "encryption_key"),
        &array(group, "encryption_iv"),
        (offset / 16) as u32,
    )
    .apply(&mut by_block);
    assert_eq!(by_block, data);
    assert_eq!(
        to_hex(&sha256(&data)),
        group["sha256_of_ct_chunk"].as_str().unwrap()
    );
}

/// Secret chats encrypt as MTProto 2.0 does, under their own key.
#[test]
fn secret_chat_groups() {
    let v = vectors();
    let key = AuthKey::new(std::array::from_fn(|i| (31 * i + 8) as u8));
    for (name, side) in [
        ("secret_chat_from_originator", Side::Client),
        ("secret_chat_from_acceptor", Side::Server),
    ] {
        let group = &v[name];
        let object = bytes(group, "layer_object");
        assert_eq!(
            key.id().to_le_bytes().to_vec(),
            bytes(group, "key_fingerprint(wire)")
        );
        let mut packet = vec![0; message::HEADER];
        packet.extend((object.len() as i32).to_le_bytes());
        packet.extend(object);
        packet.extend(bytes(group, "padding"));
        message::encrypt(&key, side, &mut packet);
        assert_eq!(to_hex(&packet), group["data"].as_str().unwrap(), "{name}");
    }
    let shown = secret_chat::visualization(&key, &key);
    let expected = v["secret_chat_visualization"]["first128_sha1(key)+first160_sha256(key)"]
        .as_str()
        .unwrap();
    assert_eq!(to_hex(&shown), expected);
}

#[test]
fn secret_file_group() {
    let group = &vectors()["secret_file"];
    let fingerprint = secret_chat::file_fingerprint(&array(group, "key"), &array(group, "iv"));
    assert_eq!(i64::from(fingerprint), group["as_i32"].as_i64().unwrap());
    assert_eq!(
        to_hex(&fingerprint.to_le_bytes()),
        group["fingerprint(wire int)"].as_str().unwrap()
    );
}

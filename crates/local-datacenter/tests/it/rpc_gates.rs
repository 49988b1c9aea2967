//! What stands before every method: layers, `initConnection`, logins, order, and faults on demand.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use crate::rpc_support::*;
use actogram_crypto::{AuthKey, message::encrypt_v1};
use actogram_local_datacenter::model::{Limits, WorldConfig};
use actogram_local_datacenter::rpc::{
    BUILT, Delay, PREDECESSOR_PATIENCE, PushFault, RpcError, RpcFault, When,
};
use actogram_local_datacenter::storage::MemoryJournal;
use actogram_tl as tl;
use bytes::{BufMut, Bytes, BytesMut};
use tl::{Encode, RawQuery, enums, functions, types};

#[test]
fn a_connection_must_be_initialized_in_a_layer_in_use() {
    let mut rig = Rig::new();
    let mut client = rig.client();
    let id = rig.send(&mut client, functions::help::GetConfig.to_bytes());
    assert_eq!(
        result::<enums::Config>(rig.answer(id).unwrap())
            .unwrap_err()
            .to_string(),
        "400 CONNECTION_NOT_INITED"
    );
    for layer in [0, 226, 231, i32::MAX] {
        let id = rig.send(&mut client, wrap(layer, &functions::help::GetConfig));
        assert_eq!(
            result::<enums::Config>(rig.answer(id).unwrap())
                .unwrap_err()
                .to_string(),
            "400 CONNECTION_LAYER_INVALID",
            "{layer}"
        );
    }
    let without_layer = functions::InitConnection {
        api_id: 1,
        device_model: String::new(),
        system_version: String::new(),
        app_version: String::new(),
        system_lang_code: String::new(),
        lang_pack: String::new(),
        lang_code: String::new(),
        proxy: None,
        params: None,
        query: RawQuery::of(&functions::help::GetConfig),
    };
    let id = rig.send(&mut client, without_layer.to_bytes());
    assert_eq!(
        result::<enums::Config>(rig.answer(id).unwrap())
            .unwrap_err()
            .to_string(),
        "400 CONNECTION_LAYER_INVALID"
    );
    for layer in 227..=230 {
        let mut client = rig.client();
        client.layer = layer;
        let enums::Config::Config(config) =
            rig.call(&mut client, &functions::help::GetConfig).unwrap();
        let known: Vec<i32> = config
            .dc_options
            .iter()
            .map(|enums::DcOption::DcOption(option)| option.id)
            .collect();
        assert_eq!(known, [1, 2, 3, 4, 5]);
        assert_eq!(config.this_dc, 2);
        // Later calls on this key need no header.
        rig.call(&mut client, &functions::help::GetNearestDc)
            .unwrap();
    }
}

#[test]
fn unknown_truncated_and_unbuilt_methods_have_their_errors() {
    let mut rig = Rig::new();
    let (mut client, _) = rig.person("Alice");
    let mut raw = |rig: &mut Rig, body: &[u8]| {
        let id = rig.send(&mut client, Bytes::copy_from_slice(body));
        result::<bool>(rig.answer(id).unwrap())
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        raw(&mut rig, &[0xde, 0xad, 0xbe, 0xef]),
        "400 INPUT_METHOD_INVALID_efbeadde"
    );
    assert_eq!(raw(&mut rig, &[]), "400 INPUT_FETCH_ERROR");
    assert_eq!(raw(&mut rig, &[1, 2]), "400 INPUT_FETCH_ERROR");
    let mut trailing = functions::updates::GetState.to_bytes().to_vec();
    trailing.extend_from_slice(&[0; 4]);
    assert_eq!(raw(&mut rig, &trailing), "400 INPUT_FETCH_ERROR");
    let message = send_message(&enums::InputPeer::InputPeerSelf, "x", 1).to_bytes();
    for cut in 4..message.len() {
        assert_eq!(raw(&mut rig, &message[..cut]), "400 INPUT_FETCH_ERROR");
    }
    let mut nested = functions::help::GetConfig.to_bytes();
    for _ in 0..100 {
        nested = functions::InvokeWithoutUpdates {
            query: RawQuery(nested),
        }
        .to_bytes();
    }
    assert_eq!(raw(&mut rig, &nested), "400 INPUT_FETCH_ERROR");
    assert_eq!(
        raw(&mut rig, &functions::messages::ClearAllDrafts.to_bytes()),
        "400 METHOD_NOT_BUILT (messages.clearAllDrafts)"
    );
    let not_built: Vec<_> = rig.world.counters().not_built().collect();
    assert_eq!(not_built, [("messages.clearAllDrafts", 1)]);
    assert!(!BUILT.contains(&"messages.clearAllDrafts"));
}

#[test]
fn logins_and_kinds_of_account_are_checked() {
    let mut rig = Rig::new();
    let mut nobody = rig.client();
    assert_eq!(
        rig.error(&mut nobody, &functions::updates::GetState),
        "401 AUTH_KEY_UNREGISTERED"
    );
    rig.call(&mut nobody, &functions::help::GetNearestDc)
        .unwrap();
    let (mut person, _) = rig.person("Alice");
    assert_eq!(
        rig.error(
            &mut person,
            &functions::bots::SetBotCommands {
                scope: enums::BotCommandScope::BotCommandScopeDefault,
                lang_code: String::new(),
                commands: Vec::new(),
            }
        ),
        "400 USER_BOT_REQUIRED"
    );
}

#[test]
fn a_peer_is_taken_where_a_user_is_asked_for() {
    let mut rig = Rig::new();
    let (mut alice, id) = rig.person("Alice");
    rig.set_username(&mut alice, "alice_a");
    let peer = rig.input_peer(&mut alice, "alice_a");
    let mut body = BytesMut::new();
    body.put_u32_le(<functions::users::GetUsers as tl::Function>::ID);
    body.put_u32_le(0x1cb5_c415);
    body.put_u32_le(3);
    body.put_slice(&enums::InputPeer::InputPeerSelf.to_bytes());
    body.put_slice(&peer.to_bytes());
    body.put_slice(&enums::InputUser::InputUserSelf.to_bytes());
    let msg_id = rig.send(&mut alice, body.freeze());
    let users: Vec<enums::User> = result(rig.answer(msg_id).unwrap()).unwrap();
    assert_eq!(
        users.iter().map(|u| user(u).id).collect::<Vec<_>>(),
        [id, id, id]
    );
    // Not where something else is asked for, and not without its fields.
    let mut body = BytesMut::new();
    body.put_u32_le(<functions::users::GetUsers as tl::Function>::ID);
    body.put_u32_le(0x1cb5_c415);
    body.put_u32_le(1);
    body.put_slice(&peer.to_bytes()[..12]);
    let msg_id = rig.send(&mut alice, body.freeze());
    assert_eq!(
        result::<Vec<enums::User>>(rig.answer(msg_id).unwrap())
            .unwrap_err()
            .to_string(),
        "400 INPUT_FETCH_ERROR"
    );
}

fn after(msg_id: i64, query: Bytes) -> Bytes {
    functions::InvokeAfterMsg {
        msg_id,
        query: RawQuery(query),
    }
    .to_bytes()
}

#[test]
fn calls_wait_for_their_predecessors() {
    let mut rig = Rig::new();
    let (mut client, _) = rig.person("Alice");
    let me = enums::InputPeer::InputPeerSelf;
    let error = |body: Bytes| result::<enums::Updates>(body).unwrap_err().to_string();

    // The predecessor is done.
    let first = rig.send(&mut client, send_message(&me, "1", 1).to_bytes());
    let second = rig.send(
        &mut client,
        after(first, send_message(&me, "2", 2).to_bytes()),
    );
    result::<enums::Updates>(rig.answer(second).unwrap()).unwrap();

    // The predecessor failed.
    let failed = rig.send(&mut client, send_message(&me, "", 3).to_bytes());
    let next = rig.send(
        &mut client,
        after(failed, send_message(&me, "3", 4).to_bytes()),
    );
    assert_eq!(error(rig.answer(next).unwrap()), "400 MSG_WAIT_FAILED");

    // The predecessor comes later: then both are answered.
    let predecessor = client.last_msg_id + 8;
    let early = rig.send(
        &mut client,
        after(predecessor, send_message(&me, "5", 6).to_bytes()),
    );
    assert!(rig.answer(early).is_none());
    assert_eq!(
        rig.world.poll_timeout(),
        Some(rig.now + PREDECESSOR_PATIENCE)
    );
    let came = rig.send(&mut client, send_message(&me, "4", 5).to_bytes());
    assert_eq!(came, predecessor);
    result::<enums::Updates>(rig.answer(came).unwrap()).unwrap();
    result::<enums::Updates>(rig.answer(early).unwrap()).unwrap();
    assert_eq!(rig.world.poll_timeout(), None);

    // The predecessor never comes.
    let lonely = rig.send(&mut client, after(1, send_message(&me, "6", 7).to_bytes()));
    rig.now += PREDECESSOR_PATIENCE;
    let outcome = rig.world.handle_timeout(rig.now);
    rig.take(outcome);
    assert_eq!(error(rig.answer(lonely).unwrap()), "400 MSG_WAIT_TIMEOUT");
    assert_eq!(rig.world.counters().executed("messages.sendMessage"), 4);
    let history = messages(rig.call(&mut client, &get_history(&me)).unwrap());
    let texts: Vec<&str> = history
        .iter()
        .map(|m| message(m).message.as_str())
        .collect();
    assert_eq!(texts, ["5", "4", "2", "1"]);
}

#[test]
fn a_session_that_wants_no_updates_gets_none() {
    let mut rig = Rig::new();
    let (mut client, id) = rig.person("Alice");
    let mut quiet = client.sibling(77);
    let query = functions::InvokeWithoutUpdates {
        query: RawQuery::of(&functions::help::GetConfig),
    };
    rig.send(&mut quiet, query.to_bytes());
    let mut loud = client.sibling(78);
    rig.send(&mut loud, functions::help::GetConfig.to_bytes());
    rig.call(
        &mut client,
        &send_message(&enums::InputPeer::InputPeerSelf, "note", 1),
    )
    .unwrap();
    assert_eq!(rig.take_pushes(&quiet).len(), 0);
    assert_eq!(only_new_message(&rig.take_pushes(&loud)).message, "note");
    assert_eq!(
        rig.take_pushes(&client).len(),
        0,
        "the caller has it in its answer"
    );
    rig.world.session_closed(loud.key, loud.session);
    rig.call(
        &mut client,
        &send_message(&enums::InputPeer::InputPeerSelf, "again", 2),
    )
    .unwrap();
    assert_eq!(rig.take_pushes(&loud).len(), 0);
    assert_eq!(id, rig.world.state().account_of(client.key).unwrap());
}

#[test]
fn errors_come_on_demand_before_or_after_the_execution() {
    let mut rig = Rig::new();
    let (mut client, id) = rig.person("Alice");
    let me = enums::InputPeer::InputPeerSelf;
    let fault = |when, skip, error: RpcError| RpcFault {
        method: Some("messages.sendMessage".into()),
        user: Some(id),
        error,
        when,
        skip,
        times: 1,
    };
    let faults = rig.world.faults();
    faults.error(fault(When::Before, 1, RpcError::new(420, "FLOOD_WAIT_3")));
    faults.error(fault(When::After, 1, RpcError::new(500, "RPC_CALL_FAIL")));
    rig.call(&mut client, &send_message(&me, "1", 1)).unwrap();
    assert_eq!(
        rig.error(&mut client, &send_message(&me, "2", 2)),
        "420 FLOOD_WAIT_3"
    );
    assert_eq!(
        rig.error(&mut client, &send_message(&me, "3", 3)),
        "500 RPC_CALL_FAIL"
    );
    assert_eq!(
        rig.error(&mut client, &send_message(&me, "3", 3)),
        "500 RANDOM_ID_DUPLICATE",
        "it took effect"
    );
    rig.call(&mut client, &send_message(&me, "2", 2)).unwrap();
    assert_eq!(rig.world.state().message_count(), 3);
    assert_eq!(rig.world.counters().executed("messages.sendMessage"), 3);
    assert_eq!(rig.world.counters().refused("messages.sendMessage"), 3);
}

#[test]
fn answers_come_late_on_demand() {
    let mut rig = Rig::new();
    let (mut client, _) = rig.person("Alice");
    rig.world.faults().delay(Delay {
        method: Some("updates.getState".into()),
        by: Duration::from_secs(2),
        times: 1,
    });
    let late = rig.send(&mut client, functions::updates::GetState.to_bytes());
    assert!(rig.answer(late).is_none());
    assert_eq!(
        rig.world.poll_timeout(),
        Some(rig.now + Duration::from_secs(2))
    );
    let outcome = rig.world.handle_timeout(rig.now + Duration::from_secs(1));
    rig.take(outcome);
    assert!(rig.answer(late).is_none());
    let outcome = rig.world.handle_timeout(rig.now + Duration::from_secs(2));
    rig.take(outcome);
    result::<enums::updates::State>(rig.answer(late).unwrap()).unwrap();
}

#[test]
fn pushes_are_withheld_doubled_and_swapped_on_demand() {
    let mut rig = Rig::new();
    let (mut client, id) = rig.person("Alice");
    let mut other = client.sibling(5);
    rig.send(&mut other, functions::help::GetConfig.to_bytes());
    let me = enums::InputPeer::InputPeerSelf;
    for (fault, times) in [
        (PushFault::Withhold, 1),
        (PushFault::Duplicate, 1),
        (PushFault::Swap, 1),
    ] {
        rig.world.faults().push(id, fault, times);
    }
    for n in 1..=4 {
        rig.call(&mut client, &send_message(&me, &n.to_string(), n))
            .unwrap();
    }
    let texts: Vec<String> = rig
        .take_pushes(&other)
        .iter()
        .map(|push| only_new_message(std::slice::from_ref(push)).message)
        .collect();
    assert_eq!(texts, ["2", "2", "4", "3"]);
}

fn key(byte: u8) -> Arc<AuthKey> {
    Arc::new(AuthKey::new([byte; 256]))
}

fn bind_inner(nonce: i64, temporary: i64, permanent: i64, session: i64, expires: i32) -> Vec<u8> {
    let mut inner = BytesMut::new();
    inner.put_u32_le(0x75a3_f765);
    for long in [nonce, temporary, permanent, session] {
        inner.put_i64_le(long);
    }
    inner.put_i32_le(expires);
    inner.to_vec()
}

fn envelope(key: &AuthKey, msg_id: i64, inner: &[u8]) -> Bytes {
    let mut plain = BytesMut::new();
    plain.put_bytes(9, 16);
    plain.put_i64_le(msg_id);
    plain.put_i32_le(0);
    plain.put_i32_le(40);
    plain.put_slice(inner);
    encrypt_v1(key, &plain, &[1; 8]).into()
}

#[test]
fn a_temporary_key_serves_only_when_bound() {
    let limits = Limits {
        temporary_keys: 1,
        ..Limits::default()
    };
    let config = WorldConfig {
        limits,
        ..WorldConfig::default()
    };
    let mut rig = Rig::with(config, Box::new(MemoryJournal));
    let (permanent, temporary) = (key(1), key(2));
    let expires = i32::try_from(START.as_secs()).unwrap() + 86_400;
    rig.world
        .add_key(rig.now, 2, Arc::clone(&permanent), None)
        .unwrap();
    rig.world
        .add_key(rig.now, 2, Arc::clone(&temporary), Some(expires))
        .unwrap();
    let mut client = rig.client();
    client.key = temporary.id();
    rig.call(&mut client, &functions::help::GetConfig).unwrap();
    assert_eq!(
        rig.error(&mut client, &functions::updates::GetState),
        "401 AUTH_KEY_PERM_EMPTY"
    );
    let (t, p, s) = (temporary.id(), permanent.id(), client.session);
    let bind = |nonce, encrypted_message| functions::auth::BindTempAuthKey {
        perm_auth_key_id: p,
        nonce,
        expires_at: expires,
        encrypted_message,
    };
    let next = |client: &Client| client.last_msg_id + 4;
    let invalid = "400 ENCRYPTED_MESSAGE_INVALID";
    // Every field of the inner message must be the outer one's.
    for (nonce, temporary, permanent, session, expires) in [
        (8, t, p, s, expires),
        (7, t + 1, p, s, expires),
        (7, t, p + 1, s, expires),
        (7, t, p, s + 1, expires),
        (7, t, p, s, expires + 1),
    ] {
        let inner = bind_inner(nonce, temporary, permanent, session, expires);
        let message = envelope(&key(1), next(&client), &inner);
        assert_eq!(rig.error(&mut client, &bind(7, message)), invalid);
    }
    let inner = bind_inner(7, t, p, s, expires);
    let foreign_msg_id = envelope(&key(1), next(&client) + 4, &inner);
    assert_eq!(rig.error(&mut client, &bind(7, foreign_msg_id)), invalid);
    let foreign_key = envelope(&key(3), next(&client), &inner);
    assert_eq!(rig.error(&mut client, &bind(7, foreign_key)), invalid);
    for length in [0, 8, 24, 103] {
        let mut cut = envelope(&key(1), next(&client), &inner);
        cut.truncate(length);
        assert_eq!(rig.error(&mut client, &bind(7, cut)), invalid);
    }
    let mut wrong_expiry = bind(7, envelope(&key(1), next(&client), &inner));
    for wrong in [expires + 301, expires - 86_400, 0, -1, i32::MAX] {
        wrong_expiry.expires_at = wrong;
        let error = rig.error(&mut client, &wrong_expiry);
        assert_eq!(error, "400 EXPIRES_AT_INVALID", "{wrong}");
    }

    let message = envelope(&key(1), next(&client), &inner);
    assert!(rig.call(&mut client, &bind(7, message)).unwrap());
    assert_eq!(
        rig.world.key(t).unwrap().bound_to,
        Some(p),
        "the network sees it"
    );
    assert_eq!(
        rig.error(&mut client, &functions::help::GetConfig),
        "400 CONNECTION_NOT_INITED",
        "initConnection is repeated after each binding"
    );
    client.initialized = false;
    assert_eq!(
        rig.error(&mut client, &functions::updates::GetState),
        "401 AUTH_KEY_UNREGISTERED"
    );

    // A login under the temporary key belongs to the permanent one.
    let hash = rig.send_code(&mut client, "9996612345");
    rig.call(&mut client, &sign_in("9996612345", &hash, "11111"))
        .unwrap();
    rig.call(
        &mut client,
        &functions::auth::SignUp {
            no_joined_notifications: false,
            phone_number: "9996612345".into(),
            phone_code_hash: hash,
            first_name: "Pia".into(),
            last_name: String::new(),
        },
    )
    .unwrap();
    assert!(rig.world.state().account_of(p).is_some());
    assert!(rig.world.state().account_of(t).is_none());

    // A second temporary key takes the place of the first.
    let other = key(4);
    rig.world
        .add_key(rig.now, 2, Arc::clone(&other), Some(expires))
        .unwrap();
    let mut second = rig.client();
    second.key = other.id();
    let inner = bind_inner(1, other.id(), p, second.session, expires);
    let message = envelope(&key(1), next(&second), &inner);
    second.initialized = true;
    assert!(rig.call(&mut second, &bind(1, message)).unwrap());
    assert_eq!(
        rig.error(&mut client, &functions::updates::GetState),
        "401 AUTH_KEY_PERM_EMPTY"
    );
    second.initialized = false;
    rig.call(&mut second, &functions::updates::GetState)
        .unwrap();
    assert!(rig.world.remove_key(p).unwrap());
    assert!(rig.world.key(p).is_none() && rig.world.key(other.id()).is_none());
}

#[test]
fn a_temporary_key_is_bound_by_the_clock_of_its_client_to_a_key_of_its_datacenter() {
    let mut rig = Rig::new();
    let now = i32::try_from(START.as_secs()).unwrap();
    let (permanent, far, temporary) = (key(5), key(6), key(7));
    for (dc_id, key, expires) in [
        (2, &permanent, None),
        (4, &far, None),
        (2, &temporary, Some(now + 1000)),
    ] {
        rig.world
            .add_key(rig.now, dc_id, Arc::clone(key), expires)
            .unwrap();
    }
    let mut client = rig.client();
    client.key = temporary.id();
    client.initialized = true;
    let bind = |rig: &mut Rig, client: &mut Client, to: &Arc<AuthKey>, expires: i32| {
        let inner = bind_inner(1, temporary.id(), to.id(), client.session, expires);
        let request = functions::auth::BindTempAuthKey {
            perm_auth_key_id: to.id(),
            nonce: 1,
            expires_at: expires,
            encrypted_message: envelope(to, client.last_msg_id + 4, &inner),
        };
        rig.call(client, &request)
            .map_err(|error| error.to_string())
    };
    let invalid = Err("400 ENCRYPTED_MESSAGE_INVALID".to_owned());
    assert_eq!(bind(&mut rig, &mut client, &far, now + 1000), invalid);
    assert_eq!(bind(&mut rig, &mut client, &temporary, now + 1000), invalid);
    // The exchange ended later there, or its clock goes before ours or after it.
    for expires in [now + 1000, now + 1300, now + 1] {
        assert_eq!(bind(&mut rig, &mut client, &permanent, expires), Ok(true));
    }
    // A permanent key binds nothing.
    let mut plain = rig.client();
    plain.key = permanent.id();
    plain.initialized = true;
    let empty = Err("400 TEMP_AUTH_KEY_EMPTY".to_owned());
    assert_eq!(bind(&mut rig, &mut plain, &permanent, now + 1000), empty);
    // One that is bound is bound to that key for good.
    let other = key(8);
    rig.world
        .add_key(rig.now, 2, Arc::clone(&other), None)
        .unwrap();
    let bound = Err("400 TEMP_AUTH_KEY_ALREADY_BOUND".to_owned());
    assert_eq!(bind(&mut rig, &mut client, &other, now + 1000), bound);
}

/// A client with a temporary key that lives for 1000 s, bound to a permanent one that is made if it is not there.
fn bound(rig: &mut Rig, permanent: u8, temporary: u8) -> Client {
    let expires = i32::try_from(rig.now.as_secs()).unwrap() + 1000;
    let (permanent, temporary) = (key(permanent), key(temporary));
    if rig.world.key(permanent.id()).is_none() {
        let made = Arc::clone(&permanent);
        rig.world.add_key(rig.now, 2, made, None).unwrap();
    }
    let mut client = rig.client();
    client.key = temporary.id();
    client.initialized = true;
    rig.world
        .add_key(rig.now, 2, temporary, Some(expires))
        .unwrap();
    let inner = bind_inner(1, client.key, permanent.id(), client.session, expires);
    let request = functions::auth::BindTempAuthKey {
        perm_auth_key_id: permanent.id(),
        nonce: 1,
        expires_at: expires,
        encrypted_message: envelope(&permanent, client.last_msg_id + 4, &inner),
    };
    assert!(rig.call(&mut client, &request).unwrap());
    client.initialized = false;
    client
}

#[test]
fn several_temporary_keys_act_for_one_key_up_to_a_limit() {
    let mut rig = Rig::new();
    let permanent = key(20).id();
    let mut clients: Vec<Client> = (21..37).map(|at| bound(&mut rig, 20, at)).collect();
    for client in &mut clients {
        rig.call(client, &functions::help::GetConfig).unwrap();
    }
    // One more: the oldest is no longer bound, and can be bound again.
    let mut more = bound(&mut rig, 20, 37);
    rig.call(&mut more, &functions::help::GetConfig).unwrap();
    let state = rig.world.state();
    assert_eq!(state.temporary_keys(permanent).len(), 16);
    assert_eq!(rig.world.key(clients[0].key).unwrap().bound_to, None);
    assert_eq!(
        rig.error(&mut clients[0], &functions::updates::GetState),
        "401 AUTH_KEY_PERM_EMPTY"
    );
    rig.call(&mut clients[1], &functions::help::GetConfig)
        .unwrap();
    // Those that ended make room by themselves.
    rig.now += Duration::from_secs(1000);
    let last = bound(&mut rig, 20, 38);
    assert_eq!(rig.world.state().temporary_keys(permanent), [last.key]);
    assert!(rig.world.key(clients[1].key).is_none());
    // With the permanent key all are gone.
    assert!(rig.world.remove_key(permanent).unwrap());
    assert!(rig.world.key(last.key).is_none());
}

#[test]
fn an_account_drops_the_temporary_keys_of_its_logins() {
    let mut rig = Rig::new();
    let (mut here, there) = (bound(&mut rig, 11, 12), bound(&mut rig, 13, 14));
    let mut stranger = bound(&mut rig, 15, 16);
    let bot = operate(&mut rig, |operator| {
        operator.create_bot("pfs_bot", "Bot").unwrap()
    });
    let login = functions::auth::ImportBotAuthorization {
        flags: 0,
        api_id: 1,
        api_hash: "h".into(),
        bot_auth_token: bot.token,
    };
    for client in [&mut here, &mut there.clone()] {
        rig.call(client, &login).unwrap();
    }
    let drop_keys = |except_auth_keys| functions::auth::DropTempAuthKeys { except_auth_keys };
    assert_eq!(
        rig.error(&mut stranger, &drop_keys(Vec::new())),
        "401 AUTH_KEY_UNREGISTERED"
    );
    let but_this = drop_keys(vec![here.key]);
    assert!(rig.call(&mut here, &but_this).unwrap());
    assert_eq!(rig.revoked, [there.key]);
    assert!(rig.world.key(there.key).is_none() && rig.world.key(here.key).is_some());
    rig.call(&mut here, &functions::updates::GetState).unwrap();
    assert!(rig.world.key(stranger.key).is_some());
}

#[test]
fn answers_and_pushes_are_in_the_layer_of_their_session() {
    let mut rig = Rig::new();
    let (mut alice, id) = rig.person("Alice");
    let mut old = alice.sibling(9);
    old.layer = 227;
    let body = wrap(
        227,
        &functions::users::GetUsers {
            id: vec![enums::InputUser::InputUserSelf],
        },
    );
    let msg_id = rig.send(&mut old, body);
    let answer = rig.answer(msg_id).unwrap();
    let current = rig.world.state().user(id).unwrap().clone();
    let in_230 = rig
        .call(
            &mut alice,
            &functions::users::GetUsers {
                id: vec![enums::InputUser::InputUserSelf],
            },
        )
        .unwrap();
    assert_eq!(answer, in_230.to_bytes_for(227));
    assert_ne!(
        answer,
        in_230.to_bytes(),
        "the user changed after layer 227"
    );
    assert_eq!(current.id, id);
    rig.call(
        &mut alice,
        &send_message(&enums::InputPeer::InputPeerSelf, "old", 1),
    )
    .unwrap();
    let pushed = rig.pushed.remove(&(old.key, old.session)).unwrap();
    let decoded = <enums::Updates as tl::Decode>::from_bytes(pushed[0].clone()).unwrap();
    assert_eq!(pushed[0], decoded.to_bytes_for(227));
    assert_ne!(pushed[0], decoded.to_bytes());
    let _: types::Message = only_new_message(&[decoded]);
}

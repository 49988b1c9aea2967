//! Logins that are taken back: what their calls are told, and what can be done about it.
#![allow(clippy::unwrap_used)]

use crate::rpc_support::*;
use actogram_local_datacenter::model::{Revocation, WorldConfig};
use actogram_local_datacenter::operator::OperatorError;
use actogram_local_datacenter::storage::SqliteJournal;
use actogram_tl::functions;

const STATE: functions::updates::GetState = functions::updates::GetState;

fn phone_of(rig: &Rig, user: i64) -> String {
    rig.world.state().user(user).unwrap().phone.clone().unwrap()
}

fn log_in_again(rig: &mut Rig, client: &mut Client, phone: &str) {
    let hash = rig.send_code(client, phone);
    let code = rig.code_for(phone);
    rig.call(client, &sign_in(phone, &hash, &code)).unwrap();
}

#[test]
fn r9_a_revoked_login_is_told_why_and_may_be_made_again() {
    let mut rig = Rig::new();
    let (mut alice, id) = rig.person("Alice");
    let phone = phone_of(&rig, id);
    let mut other = rig.second_login(id);
    let reasons = [
        Revocation::AuthKeyUnregistered,
        Revocation::SessionRevoked,
        Revocation::SessionExpired,
        Revocation::UserDeactivated,
        Revocation::UserDeactivatedBan,
    ];
    for (random_id, why) in (1..).zip(reasons) {
        operate(&mut rig, |operator| operator.revoke(alice.key, why)).unwrap();
        let (code, message) = why.error();
        let told = format!("{code} {message}");
        assert_eq!(code, 401);
        assert_eq!(rig.error(&mut alice, &STATE), told);
        assert_eq!(rig.error(&mut alice, &functions::auth::LogOut), told);
        rig.call(&mut alice, &functions::help::GetConfig).unwrap();
        rig.take_pushes(&alice);
        rig.call(&mut other, &STATE).unwrap();
        let me = actogram_tl::enums::InputPeer::InputPeerSelf;
        rig.call(&mut other, &send_message(&me, "note", random_id))
            .unwrap();
        assert_eq!(rig.take_pushes(&alice).len(), 0);
        let twice = operate(&mut rig, |operator| operator.revoke(alice.key, why));
        assert_eq!(twice, Err(OperatorError::Unknown { id: alice.key }));
        log_in_again(&mut rig, &mut alice, &phone);
        rig.call(&mut alice, &STATE).unwrap();
    }
}

#[test]
fn r9_some_keys_are_of_no_use_any_more() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state");
    let open = || {
        let journal = Box::new(SqliteJournal::open(&path).unwrap());
        Rig::with(WorldConfig::default(), journal)
    };
    let mut rig = open();
    let mut gone = Vec::new();
    for why in [Revocation::AuthKeyDuplicated, Revocation::AuthKeyInvalid] {
        let (mut client, id) = rig.person("Alice");
        operate(&mut rig, |operator| operator.revoke_logins(id, why)).unwrap();
        let told = rig.error(&mut client, &STATE);
        assert_eq!(told, format!("{} {}", why.error().0, why.error().1));
        gone.push((client, told));
    }
    // A restart changes nothing about it.
    drop(rig);
    let mut rig = open();
    for (client, told) in &mut gone {
        assert_eq!(rig.error(client, &functions::help::GetConfig), *told);
        let login = functions::auth::ImportBotAuthorization {
            flags: 0,
            api_id: 1,
            api_hash: "h".into(),
            bot_auth_token: "1:a".into(),
        };
        assert_eq!(rig.error(client, &login), *told);
    }
}

#[test]
fn r9_a_login_that_was_brought_elsewhere_is_revoked_there_too() {
    let mut rig = Rig::new();
    let (mut alice, id) = rig.person("Alice");
    let export = functions::auth::ExportAuthorization { dc_id: 4 };
    let actogram_tl::enums::auth::ExportedAuthorization::ExportedAuthorization(ticket) =
        rig.call(&mut alice, &export).unwrap();
    let mut there = rig.client();
    let import = functions::auth::ImportAuthorization {
        id: ticket.id,
        bytes: ticket.bytes,
    };
    rig.call(&mut there, &import).unwrap();
    let logins = operate(&mut rig, |operator| operator.logins(id));
    assert_eq!(logins, [alice.key]);
    // By itself it can be revoked without the other.
    let why = Revocation::SessionRevoked;
    operate(&mut rig, |operator| operator.revoke(there.key, why)).unwrap();
    assert_eq!(rig.error(&mut there, &STATE), "401 SESSION_REVOKED");
    rig.call(&mut alice, &STATE).unwrap();
    // But not the other without it.
    let actogram_tl::enums::auth::ExportedAuthorization::ExportedAuthorization(ticket) =
        rig.call(&mut alice, &export).unwrap();
    let import = functions::auth::ImportAuthorization {
        id: ticket.id,
        bytes: ticket.bytes,
    };
    rig.call(&mut there, &import).unwrap();
    rig.call(&mut there, &STATE).unwrap();
    operate(&mut rig, |operator| operator.revoke_logins(id, why)).unwrap();
    assert_eq!(rig.error(&mut alice, &STATE), "401 SESSION_REVOKED");
    assert_eq!(rig.error(&mut there, &STATE), "401 AUTH_KEY_UNREGISTERED");
}

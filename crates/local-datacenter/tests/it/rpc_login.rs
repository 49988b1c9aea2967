//! Logins without a network: bots by token, people by code and password.
#![allow(clippy::unwrap_used)]

use std::sync::{Arc, Mutex};

use crate::rpc_support::*;
use actogram_crypto::dh::KNOWN_PRIME;
use actogram_crypto::random::{Random, SeededRandom};
use actogram_crypto::srp;
use actogram_local_datacenter::model::{LOGIN_CODE_LIFETIME, MAX_CODE_ATTEMPTS};
use actogram_local_datacenter::operator::Operator;
use actogram_tl as tl;
use tl::{enums, functions, types};

fn import(token: &str) -> functions::auth::ImportBotAuthorization {
    functions::auth::ImportBotAuthorization {
        flags: 0,
        api_id: 1,
        api_hash: "hash".into(),
        bot_auth_token: token.into(),
    }
}

fn operate<R>(rig: Rig, order: impl FnOnce(&Operator) -> R) -> (Rig, R) {
    let Rig { world, .. } = rig;
    let world = Arc::new(Mutex::new(world));
    let (outbox, _outcomes) = tokio::sync::mpsc::unbounded_channel();
    let operator = Operator::new(Arc::clone(&world), Arc::new(|| START), outbox);
    let result = order(&operator);
    drop(operator);
    let world = Arc::into_inner(world).unwrap().into_inner().unwrap();
    (Rig::around(world), result)
}

#[test]
fn a_bot_logs_in_by_its_token_only() {
    let (mut rig, bot) = operate(Rig::new(), |operator| {
        operator.create_bot("echo_bot", "Echo").unwrap()
    });
    let mut client = rig.client();
    for wrong in ["", "1:x", "7000000001:wrong", "nonsense"] {
        assert_eq!(
            rig.error(&mut client, &import(wrong)),
            "400 ACCESS_TOKEN_INVALID"
        );
    }
    let mut without_application = import(&bot.token);
    without_application.api_id = 0;
    assert_eq!(
        rig.error(&mut client, &without_application),
        "400 API_ID_INVALID"
    );
    let me = logged_in(rig.call(&mut client, &import(&bot.token)).unwrap());
    assert_eq!(me.id, bot.id);
    assert!(me.bot && me.self_);
    assert_eq!(me.username.as_deref(), Some("echo_bot"));
    assert!(me.bot_info_version.is_some());
    let users = rig
        .call(
            &mut client,
            &functions::users::GetUsers {
                id: vec![enums::InputUser::InputUserSelf],
            },
        )
        .unwrap();
    assert_eq!(user(&users[0]).id, bot.id);
}

#[test]
fn a_person_signs_up_then_signs_in_with_a_code() {
    let mut rig = Rig::new();
    let (mut client, id) = rig.person("Alice");
    let phone = rig.world.state().user(id).unwrap().phone.clone().unwrap();
    assert!(matches!(
        rig.call(&mut client, &functions::auth::LogOut).unwrap(),
        enums::auth::LoggedOut::LoggedOut(_)
    ));
    assert_eq!(
        rig.error(&mut client, &functions::updates::GetState),
        "401 AUTH_KEY_UNREGISTERED"
    );
    let hash = rig.send_code(&mut client, &format!("+{phone}"));
    let code = rig.code_for(&phone);
    assert_eq!(
        rig.error(&mut client, &sign_in(&phone, &hash, "")),
        "400 PHONE_CODE_EMPTY"
    );
    assert_eq!(
        rig.error(&mut client, &sign_in(&phone, &hash, "x")),
        "400 PHONE_CODE_INVALID"
    );
    assert_eq!(
        rig.error(&mut client, &sign_in(&phone, "other", &code)),
        "400 PHONE_CODE_EXPIRED"
    );
    assert_eq!(
        rig.error(&mut client, &sign_in("12", &hash, &code)),
        "400 PHONE_NUMBER_INVALID"
    );
    let me = logged_in(
        rig.call(&mut client, &sign_in(&phone, &hash, &code))
            .unwrap(),
    );
    assert_eq!(me.id, id);
    assert_eq!(me.phone.as_deref(), Some(phone.as_str()));
    assert_eq!(
        rig.error(&mut client, &sign_in(&phone, &hash, &code)),
        "400 PHONE_CODE_EXPIRED",
        "a code is good for one login"
    );
}

#[test]
fn test_numbers_have_their_fixed_code() {
    let mut rig = Rig::new();
    let mut client = rig.client();
    let hash = rig.send_code(&mut client, "9996621234");
    assert!(matches!(
        rig.call(&mut client, &sign_in("9996621234", &hash, "22222"))
            .unwrap(),
        enums::auth::Authorization::AuthorizationSignUpRequired(_)
    ));
}

#[test]
fn a_code_dies_of_age_wrong_answers_and_resending() {
    let mut rig = Rig::new();
    let mut client = rig.client();
    let phone = "4915100000001";
    let hash = rig.send_code(&mut client, phone);
    let code = rig.code_for(phone);
    rig.now += LOGIN_CODE_LIFETIME;
    assert_eq!(
        rig.error(&mut client, &sign_in(phone, &hash, &code)),
        "400 PHONE_CODE_EXPIRED"
    );
    let hash = rig.send_code(&mut client, phone);
    let code = rig.code_for(phone);
    for _ in 0..MAX_CODE_ATTEMPTS {
        assert_eq!(
            rig.error(&mut client, &sign_in(phone, &hash, "no")),
            "400 PHONE_CODE_INVALID"
        );
    }
    assert_eq!(
        rig.error(&mut client, &sign_in(phone, &hash, &code)),
        "400 PHONE_CODE_EXPIRED"
    );
    let hash = rig.send_code(&mut client, phone);
    let old = rig.code_for(phone);
    let again = rig
        .call(
            &mut client,
            &functions::auth::ResendCode {
                phone_number: phone.into(),
                phone_code_hash: hash.clone(),
                reason: None,
            },
        )
        .unwrap();
    let enums::auth::SentCode::SentCode(again) = again else {
        panic!("{again:?}")
    };
    let new = rig.code_for(phone);
    assert_eq!(
        rig.error(&mut client, &sign_in(phone, &hash, &old)),
        "400 PHONE_CODE_EXPIRED"
    );
    rig.call(&mut client, &sign_in(phone, &again.phone_code_hash, &new))
        .unwrap();
    assert!(
        rig.call(
            &mut client,
            &functions::auth::CancelCode {
                phone_number: phone.into(),
                phone_code_hash: again.phone_code_hash.clone(),
            },
        )
        .unwrap()
    );
    assert_eq!(
        rig.error(&mut client, &sign_in(phone, &again.phone_code_hash, &new)),
        "400 PHONE_CODE_EXPIRED"
    );
}

#[test]
fn sign_up_needs_the_code_and_a_name() {
    let mut rig = Rig::new();
    let mut client = rig.client();
    let phone = "4915100000002";
    let hash = rig.send_code(&mut client, phone);
    let mut sign_up = functions::auth::SignUp {
        no_joined_notifications: false,
        phone_number: phone.into(),
        phone_code_hash: hash.clone(),
        first_name: " ".into(),
        last_name: String::new(),
    };
    assert_eq!(
        rig.error(&mut client, &sign_up),
        "400 PHONE_CODE_EXPIRED",
        "without the code there is no sign-up"
    );
    let code = rig.code_for(phone);
    rig.call(&mut client, &sign_in(phone, &hash, &code))
        .unwrap();
    assert_eq!(rig.error(&mut client, &sign_up), "400 FIRSTNAME_INVALID");
    sign_up.first_name = "Bob".into();
    let me = logged_in(rig.call(&mut client, &sign_up).unwrap());
    assert_eq!(me.first_name.as_deref(), Some("Bob"));
    assert_eq!(rig.error(&mut client, &sign_up), "400 PHONE_CODE_EXPIRED");
}

fn get_password(rig: &mut Rig, client: &mut Client) -> Box<types::account::Password> {
    match rig.call(client, &functions::account::GetPassword).unwrap() {
        enums::account::Password::Password(password) => password,
    }
}

fn parts(algorithm: &enums::PasswordKdfAlgo) -> (Vec<u8>, Vec<u8>, i32) {
    match algorithm {
        enums::PasswordKdfAlgo::PasswordKdfAlgoSha256Sha256Pbkdf2Hmacsha512iter100000Sha256ModPow(a) => {
            assert_eq!(a.p, KNOWN_PRIME[..]);
            (a.salt1.to_vec(), a.salt2.to_vec(), a.g)
        }
        other => panic!("{other:?}"),
    }
}

fn prove(password: &types::account::Password, text: &str) -> enums::InputCheckPasswordSrp {
    let (salt1, salt2, g) = parts(password.current_algo.as_ref().unwrap());
    let parameters = srp::Parameters {
        salt1: &salt1,
        salt2: &salt2,
        g,
        p: &KNOWN_PRIME,
    };
    let mut random = SeededRandom::from_seed(9);
    let proof = srp::prove(
        text.as_bytes(),
        &parameters,
        password.srp_b.as_ref().unwrap(),
        &mut random,
    )
    .unwrap();
    types::InputCheckPasswordSrp {
        srp_id: password.srp_id.unwrap(),
        a: proof.a.to_vec().into(),
        m1: proof.m1.to_vec().into(),
    }
    .into()
}

fn check(password: enums::InputCheckPasswordSrp) -> functions::auth::CheckPassword {
    functions::auth::CheckPassword { password }
}

#[test]
fn a_two_step_password_stands_between_code_and_login() {
    let mut rig = Rig::new();
    let (mut first, id) = rig.person("Carol");
    let phone = rig.world.state().user(id).unwrap().phone.clone().unwrap();

    // Its owner sets it.
    let offer = get_password(&mut rig, &mut first);
    assert!(!offer.has_password);
    let (mut salt1, salt2, g) = parts(&offer.new_algo);
    let mut client_salt = [0; 32];
    SeededRandom::from_seed(3).fill(&mut client_salt);
    salt1.extend_from_slice(&client_salt);
    let parameters = srp::Parameters {
        salt1: &salt1,
        salt2: &salt2,
        g,
        p: &KNOWN_PRIME,
    };
    let verifier = srp::verifier("correct horse".as_bytes(), &parameters).unwrap();
    let settings = |salt1: &[u8]| functions::account::UpdatePasswordSettings {
        password: enums::InputCheckPasswordSrp::InputCheckPasswordEmpty,
        new_settings: types::account::PasswordInputSettings {
            new_algo: Some(
                types::PasswordKdfAlgoSha256Sha256Pbkdf2Hmacsha512iter100000Sha256ModPow {
                    salt1: salt1.to_vec().into(),
                    salt2: salt2.clone().into(),
                    g,
                    p: KNOWN_PRIME.to_vec().into(),
                }
                .into(),
            ),
            new_password_hash: Some(verifier.to_vec().into()),
            hint: Some("a battery".into()),
            email: None,
            new_secure_settings: None,
        }
        .into(),
    };
    assert_eq!(
        rig.error(&mut first, &settings(&client_salt)),
        "400 NEW_SALT_INVALID"
    );
    assert!(rig.call(&mut first, &settings(&salt1)).unwrap());
    assert_eq!(
        rig.error(&mut first, &settings(&salt1)),
        "400 PASSWORD_HASH_INVALID",
        "changing it needs it"
    );

    // A new login needs it.
    let mut second = rig.client();
    let hash = rig.send_code(&mut second, &phone);
    let code = rig.code_for(&phone);
    assert_eq!(
        rig.error(&mut second, &sign_in(&phone, &hash, &code)),
        "401 SESSION_PASSWORD_NEEDED"
    );
    assert_eq!(
        rig.error(&mut second, &functions::updates::GetState),
        "401 AUTH_KEY_UNREGISTERED"
    );
    let challenge = get_password(&mut rig, &mut second);
    assert_eq!(challenge.hint.as_deref(), Some("a battery"));
    let wrong = prove(&challenge, "incorrect horse");
    assert_eq!(
        rig.error(&mut second, &check(wrong)),
        "400 PASSWORD_HASH_INVALID"
    );
    let stale = prove(&challenge, "correct horse");
    assert_eq!(
        rig.error(&mut second, &check(stale)),
        "400 SRP_ID_INVALID",
        "a challenge is good for one answer"
    );
    let challenge = get_password(&mut rig, &mut second);
    let right = prove(&challenge, "correct horse");
    assert_eq!(
        logged_in(rig.call(&mut second, &check(right)).unwrap()).id,
        id
    );

    // A key that passed no code gets no challenge.
    let mut stranger = rig.client();
    assert_eq!(
        rig.error(&mut stranger, &functions::account::GetPassword),
        "401 AUTH_KEY_UNREGISTERED"
    );
}

#[test]
fn the_operator_sets_a_password_too() {
    let mut rig = Rig::new();
    let (_, id) = rig.person("Dave");
    let phone = rig.world.state().user(id).unwrap().phone.clone().unwrap();
    let (mut rig, ()) = operate(rig, |operator| {
        operator.set_two_step_password(id, Some("p"), "").unwrap();
    });
    let mut client = rig.client();
    let hash = rig.send_code(&mut client, &phone);
    let code = rig.code_for(&phone);
    assert_eq!(
        rig.error(&mut client, &sign_in(&phone, &hash, &code)),
        "401 SESSION_PASSWORD_NEEDED"
    );
    let challenge = get_password(&mut rig, &mut client);
    let proof = prove(&challenge, "p");
    assert_eq!(
        logged_in(rig.call(&mut client, &check(proof)).unwrap()).id,
        id
    );
}

#[test]
fn other_logins_are_listed_and_ended() {
    let mut rig = Rig::new();
    let (mut first, id) = rig.person("Erin");
    let second = rig.second_login(id);
    let pushes = rig.take_pushes(&first);
    assert!(
        pushes
            .iter()
            .flat_map(updates)
            .any(|update| matches!(update, enums::Update::UpdateNewAuthorization(_))),
        "{pushes:?}"
    );
    let list = |rig: &mut Rig, client: &mut Client| {
        let enums::account::Authorizations::Authorizations(list) = rig
            .call(client, &functions::account::GetAuthorizations)
            .unwrap();
        list.authorizations
    };
    let all = list(&mut rig, &mut first);
    assert_eq!(all.len(), 2);
    let other = all
        .iter()
        .map(|enums::Authorization::Authorization(a)| a)
        .find(|a| !a.current)
        .unwrap();
    assert_eq!(
        rig.error(
            &mut first,
            &functions::account::ResetAuthorization { hash: 1 }
        ),
        "400 HASH_INVALID"
    );
    let hash = other.hash;
    assert!(
        rig.call(&mut first, &functions::account::ResetAuthorization { hash })
            .unwrap()
    );
    assert_eq!(rig.revoked, [second.key]);
    assert_eq!(list(&mut rig, &mut first).len(), 1);
}

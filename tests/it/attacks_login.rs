//! A datacenter that lies while somebody logs in: it learns nothing about the password (A6).
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use crate::support::datacenter;
use actogram::{
    Error, LoginError, SignIn,
    tl::{Decode, Encode, enums, types},
};
use actogram_local_datacenter::LocalDatacenter;
use bytes::Bytes;

const PASSWORD: &str = "correct horse";

type Algorithm = types::PasswordKdfAlgoSha256Sha256Pbkdf2Hmacsha512iter100000Sha256ModPow;
type Lie = fn(&mut types::account::Password);

/// What a lie about the algorithm changes.
fn algorithm(password: &mut types::account::Password, change: impl FnOnce(&mut Algorithm)) {
    type Boxed = enums::PasswordKdfAlgo;
    let Some(Boxed::PasswordKdfAlgoSha256Sha256Pbkdf2Hmacsha512iter100000Sha256ModPow(algorithm)) =
        &mut password.current_algo
    else {
        panic!("an honest datacenter names an algorithm");
    };
    change(algorithm);
}

fn public(password: &mut types::account::Password, value: &[u8]) {
    password.srp_b = Some(Bytes::copy_from_slice(value));
}

const LIES: [(&str, Lie); 12] = [
    ("B is 0", |password| public(password, &[0; 256])),
    ("B is nothing", |password| public(password, &[])),
    ("B is 1", |password| public(password, &[1])),
    ("B is too large", |password| public(password, &[255; 256])),
    ("B is p", |password| {
        let mut value = Vec::new();
        algorithm(password, |algorithm| value = algorithm.p.to_vec());
        public(password, &value);
    }),
    ("an unknown algorithm", |password| {
        password.current_algo = Some(enums::PasswordKdfAlgo::PasswordKdfAlgoUnknown);
    }),
    ("p is composite", |password| {
        algorithm(password, |algorithm| {
            let mut p = algorithm.p.to_vec();
            p[255] ^= 2;
            algorithm.p = p.into();
        });
    }),
    ("p is short", |password| {
        algorithm(password, |algorithm| algorithm.p = algorithm.p.slice(128..));
    }),
    ("g generates little", |password| {
        algorithm(password, |algorithm| algorithm.g = 2);
    }),
    ("g is out of range", |password| {
        algorithm(password, |algorithm| algorithm.g = 8);
    }),
    ("no salt of the client's", |password| {
        algorithm(password, |algorithm| algorithm.salt1 = Bytes::new());
    }),
    ("no salt of the server's", |password| {
        algorithm(password, |algorithm| algorithm.salt2 = Bytes::new());
    }),
];

async fn owing_a_password(datacenter: &LocalDatacenter) -> actogram::Client {
    let operator = datacenter.operator();
    let id = operator.create_user("9996621114", "Carol").unwrap();
    operator
        .set_two_step_password(id, Some(PASSWORD), "")
        .unwrap();
    let client = crate::support::builder(datacenter, "carol")
        .connect()
        .await
        .unwrap();
    let mut codes = operator.login_codes();
    let sent = client.api().send_code("+9996621114").await.unwrap();
    let code = codes.next().await.unwrap().code;
    let state = client.api().sign_in(&sent, &code).await.unwrap();
    assert!(matches!(state, SignIn::PasswordRequired));
    client
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a6_unsafe_password_parameters_are_refused_and_nothing_is_proved() {
    let datacenter = datacenter().await;
    let operator = datacenter.operator();
    let client = owing_a_password(&datacenter).await;
    for (what, lie) in LIES {
        operator.rewrite_answers("account.getPassword", 1, move |honest| {
            let enums::account::Password::Password(mut password) =
                enums::account::Password::from_bytes(honest).unwrap();
            lie(&mut password);
            enums::account::Password::Password(password).to_bytes()
        });
        let refused = client.api().check_password(&PASSWORD.into()).await;
        let expected = matches!(
            refused,
            Err(Error::Login(
                LoginError::UnsafePasswordParameters(_) | LoginError::UnknownPasswordAlgorithm
            ))
        );
        assert!(expected, "{what}: {refused:?}");
        let counters = operator.counters();
        let proofs =
            counters.executed("auth.checkPassword") + counters.refused("auth.checkPassword");
        assert_eq!(proofs, 0, "{what}: a proof was sent");
    }
    client.shutdown(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a6_the_twin_that_does_not_lie_gets_its_proof() {
    let datacenter = datacenter().await;
    let client = owing_a_password(&datacenter).await;
    datacenter
        .operator()
        .rewrite_answers("account.getPassword", 1, |honest| honest);
    client.api().check_password(&PASSWORD.into()).await.unwrap();
    assert!(client.is_logged_in());
    client.shutdown(Duration::from_secs(5)).await;
}

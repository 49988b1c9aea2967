//! A6: what a hostile datacenter may send as parameters of the password, and a hostile client as its proof.
//!
//! A scrambling parameter of zero cannot be mounted: it needs a preimage of SHA-256.
#![allow(clippy::unwrap_used)]

mod support;

use actogram_crypto::{
    dh::{DhError, KNOWN_PRIME},
    random::OsRandom,
    sha::sha256,
    srp::{Parameters, Proof, Server, SrpError, prove, verifier},
};
use support::{hex, number, to_bytes};

const SALT1: &[u8] = b"a salt of the client, 32 and more bytes";
const SALT2: &[u8] = b"the other one";

fn parameters() -> Parameters<'static> {
    Parameters {
        salt1: SALT1,
        salt2: SALT2,
        g: 3,
        p: &KNOWN_PRIME,
    }
}

fn server(password: &[u8]) -> Server {
    let verifier = verifier(password, &parameters()).unwrap();
    Server::new(&parameters(), &verifier, &mut OsRandom).unwrap()
}

fn client(password: &[u8], parameters: &Parameters<'_>, b: &[u8]) -> Result<Proof, SrpError> {
    prove(password, parameters, b, &mut OsRandom)
}

#[test]
fn a6_twin_the_right_password_passes_and_others_do_not() {
    let server = server("пароль 🔑".as_bytes());
    let proof = |password: &str| client(password.as_bytes(), &parameters(), server.public());
    let honest = proof("пароль 🔑").unwrap();
    assert_eq!(server.verify(&honest.a, &honest.m1), Ok(()));
    for wrong in ["", "пароль", "пароль 🔑 "] {
        let wrong = proof(wrong).unwrap();
        assert_eq!(server.verify(&wrong.a, &wrong.m1), Err(SrpError::Proof));
    }
    let mut tampered = honest.m1;
    for at in [0, 31] {
        tampered[at] ^= 1;
        assert_eq!(server.verify(&honest.a, &tampered), Err(SrpError::Proof));
    }
    for length in [0, 31] {
        assert_eq!(
            server.verify(&honest.a, &honest.m1[..length]),
            Err(SrpError::Proof)
        );
    }
}

/// A proof answers one value of the server, once.
#[test]
fn a6_a_proof_made_for_another_attempt() {
    let (first, second) = (server(b"secret"), server(b"secret"));
    assert_ne!(first.public(), second.public());
    let proof = client(b"secret", &parameters(), first.public()).unwrap();
    assert_eq!(first.verify(&proof.a, &proof.m1), Ok(()));
    assert_eq!(second.verify(&proof.a, &proof.m1), Err(SrpError::Proof));
}

#[test]
fn a6_a_prime_that_is_none() {
    let mut composite = KNOWN_PRIME;
    composite[255] ^= 0b10;
    let unsafe_prime = hex(include_str!("support/unsafe_prime.hex").trim());
    for p in [&composite[..], &unsafe_prime] {
        let parameters = Parameters {
            p,
            g: 4,
            ..parameters()
        };
        let refusal = client(b"secret", &parameters, &[0x77; 256]).err();
        assert_eq!(refusal, Some(SrpError::Group(DhError::NotSafePrime)));
        assert_eq!(verifier(b"secret", &parameters).err(), refusal);
    }
    for p in [&[][..], &KNOWN_PRIME[1..], &[7]] {
        let parameters = Parameters { p, ..parameters() };
        assert!(matches!(
            client(b"secret", &parameters, &[0x77; 256]).err(),
            Some(SrpError::Group(DhError::PrimeSize { .. }))
        ));
    }
}

#[test]
fn a6_a_generator_that_is_none() {
    for g in [2, 5, 6, 0, 1, -3, 8] {
        let parameters = Parameters { g, ..parameters() };
        let refusal = client(b"secret", &parameters, &[0x77; 256]).err();
        assert_eq!(refusal, Some(SrpError::Group(DhError::Generator { g })));
    }
}

#[test]
fn a6_a_value_of_the_server_out_of_range() {
    let p = number(&KNOWN_PRIME);
    let above = to_bytes(&p.wrapping_add(&crypto_bigint::U2048::ONE));
    let good = *server(b"secret").public();
    let longer = [&[0][..], &good].concat();
    let cases: [&[u8]; 9] = [
        &[0; 256],
        &KNOWN_PRIME,
        &above,
        &[0xff; 256],
        &good[..247],
        &longer,
        &[],
        &[1],
        &[0; 248],
    ];
    for b in cases {
        assert_eq!(
            client(b"secret", &parameters(), b).err(),
            Some(SrpError::PublicValue),
            "{b:?}"
        );
    }
}

/// 248 bytes are the least that passes: shorter ones come once in 2^64 times.
#[test]
fn a6_twin_values_without_their_leading_zeros_pass() {
    for length in [248, 255] {
        assert!(client(b"secret", &parameters(), &vec![0x77; length]).is_ok());
    }
}

#[test]
fn a6_salts_too_short_to_be_honest() {
    for length in 0..8 {
        let short = vec![1; length];
        for parameters in [
            Parameters {
                salt1: &short,
                ..parameters()
            },
            Parameters {
                salt2: &short,
                ..parameters()
            },
        ] {
            assert_eq!(
                client(b"secret", &parameters, &[0x77; 256]).err(),
                Some(SrpError::Salt(length))
            );
        }
    }
}

/// With A = 0 modulo p the shared secret is 0 for everybody: a proof anyone can make.
#[test]
fn a6_a_client_that_knows_no_password() {
    let server = server(b"secret");
    let (hash_p, mut g) = (sha256(&KNOWN_PRIME), [0; 256]);
    g[255] = 3;
    let hash_g = sha256(&g);
    let mixed: Vec<u8> = (0..32).map(|at| hash_p[at] ^ hash_g[at]).collect();
    let twice = [&[1][..], &to_bytes(&number(&KNOWN_PRIME).shl_vartime(1))].concat();
    for a in [&[0; 256][..], &KNOWN_PRIME, &twice, &[]] {
        let m1 = sha256(
            &[
                &mixed,
                &sha256(SALT1)[..],
                &sha256(SALT2),
                a,
                server.public(),
                &sha256(&[0; 256]),
            ]
            .concat(),
        );
        assert_eq!(server.verify(a, &m1), Err(SrpError::PublicValue));
    }
}

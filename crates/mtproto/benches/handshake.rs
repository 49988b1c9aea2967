//! What a key exchange costs, both sides in one thread, and its costly steps by themselves.
#![allow(clippy::unwrap_used, missing_docs)]

use std::{sync::Arc, time::Duration};

use actogram_crypto::{dh, factor, random::SeededRandom, rsa::PrivateKey};
use actogram_mtproto::{
    Now,
    handshake::{
        client::{ClientHandshake, ClientHandshakeConfig},
        server::{ServerHandshake, ServerHandshakeConfig, Transmit},
    },
};
use bytes::Bytes;
use divan::{Bencher, black_box};

fn main() {
    divan::main();
}

fn now() -> Now {
    Now {
        monotonic: Duration::from_secs(1),
        unix: Duration::from_secs(1_700_000_000),
    }
}

fn random() -> SeededRandom {
    SeededRandom::from_seed(7)
}

#[divan::bench]
fn a_whole_exchange(bencher: Bencher<'_, '_>) {
    let key = Arc::new(PrivateKey::generate(&mut random()).unwrap());
    bencher.bench_local(|| {
        let config = ClientHandshakeConfig::permanent(vec![key.public().clone()], 2);
        let mut client = ClientHandshake::new(config, Box::new(random()));
        let config = ServerHandshakeConfig::new(vec![key.clone()], 2, |_| false);
        let mut server = ServerHandshake::new(config, Box::new(random()));
        client.start(now());
        loop {
            client.run_jobs(now()).unwrap();
            if let Some(created) = client.poll_output() {
                return created;
            }
            while let Some(payload) = client.poll_transmit() {
                server.handle_input(now(), payload).unwrap();
            }
            server.run_jobs(now()).unwrap();
            while let Some(transmit) = server.poll_transmit() {
                if let Transmit::Payload(payload) = transmit {
                    client
                        .handle_input(now(), Bytes::from(payload.to_vec()))
                        .unwrap();
                }
            }
        }
    });
}

#[divan::bench]
fn one_diffie_hellman_power(bencher: Bencher<'_, '_>) {
    let secret = dh::Secret::generate(&mut random());
    bencher.bench_local(|| black_box(&secret).public(&dh::KNOWN_PRIME, 3));
}

#[divan::bench]
fn factors_of_pq(bencher: Bencher<'_, '_>) {
    let pq = 0x17ED_4894_1A08_F981_u64.to_be_bytes();
    bencher.bench_local(|| factor::factorize(black_box(&pq), &mut random()).unwrap());
}

#[divan::bench]
fn rsa_pad(bencher: Bencher<'_, '_>) {
    let key = PrivateKey::generate(&mut random()).unwrap();
    bencher.bench_local(|| {
        key.public()
            .encrypt_padded(black_box(&[7; 120]), &mut random())
            .unwrap()
    });
}

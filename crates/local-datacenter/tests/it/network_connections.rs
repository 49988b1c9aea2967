//! What connections are let do, and what keeps a datacenter alive among bad ones.
#![allow(clippy::unwrap_used)]

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use crate::network_support::*;
use actogram_crypto::random::{OsRandom, Random, SeededRandom};
use actogram_mtproto::transport::Kind;
use actogram_tl::{Encode, functions, mtproto};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

const CONFIG: functions::help::GetConfig = functions::help::GetConfig;

#[tokio::test]
async fn every_transport_is_recognised_plain_and_obfuscated() {
    let datacenter = datacenter().await;
    let kinds = [
        Kind::Abridged,
        Kind::Intermediate,
        Kind::PaddedIntermediate,
        Kind::Full,
    ];
    for kind in kinds {
        for obfuscated in [false, true] {
            if obfuscated && kind == Kind::Full {
                continue;
            }
            let mut client = Client::connect_over(&datacenter, kind, obfuscated).await;
            let config = client.invoke(&CONFIG).await.unwrap();
            let actogram_tl::enums::Config::Config(config) = config;
            assert_eq!(config.this_dc, 2, "{kind:?} {obfuscated}");
            let actogram_tl::enums::DcOption::DcOption(option) = &config.dc_options[0];
            assert_eq!(option.port, i32::from(datacenter.address().unwrap().port()));
        }
    }
}

#[tokio::test]
async fn a_hundred_clients_at_once_get_their_own_answers() {
    let datacenter = datacenter().await;
    let clients = (0..100).map(|number| {
        let address = datacenter.address().unwrap();
        let bot = datacenter
            .operator()
            .create_bot(&format!("many_{number}_bot"), "Many")
            .unwrap();
        tokio::spawn(async move {
            let mut client = Client::dial(address, Kind::Abridged, false).await.unwrap();
            client.log_in_with(&bot.token).await;
            for _ in 0..5 {
                let me = functions::users::GetUsers {
                    id: vec![actogram_tl::enums::InputUser::InputUserSelf],
                };
                let users = client.invoke(&me).await.unwrap();
                let actogram_tl::enums::User::User(user) = &users[0] else {
                    panic!("{users:?}")
                };
                assert_eq!(user.id, bot.id);
            }
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.await.unwrap();
    }
}

/// Noise that is no client by chance. One in 256 begins with the byte that announces the abridged transport, and may wait for
/// more; the rarer starts of the others count as well, and so does a `full` frame whose length is right. What is left could
/// only be taken for an obfuscated client if its header decrypted to a tag, and the seed is one with which none does.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut random = SeededRandom::from_seed(seed);
    loop {
        let mut noise = vec![0; length];
        random.fill(&mut noise);
        let first = u32::from_le_bytes(*noise.first_chunk().unwrap());
        let announced = noise[0] == 0xef || [0xeeee_eeee, 0xdddd_dddd].contains(&first);
        let sequence = &noise[4..8];
        if !announced && sequence != [0; 4] {
            return noise;
        }
    }
}

/// T2: what is no MTProto, and a header that was seen before, is closed without a word.
#[tokio::test]
async fn t2_noise_and_replayed_headers_are_closed_without_a_word() {
    let datacenter = datacenter().await;
    let address = datacenter.address().unwrap();
    for (seed, length) in (0..).zip([64, 65, 200, 4096].into_iter().cycle().take(16)) {
        let noise = noise(seed, length);
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(&noise).await.unwrap();
        assert_eq!(
            read_to_end(&mut stream).await,
            b"",
            "{length} bytes of noise"
        );
    }

    // A whole first flight, recorded and played back.
    let ask = mtproto::functions::ReqPqMulti { nonce: [7; 16] };
    let mut plain = vec![0; 8];
    plain.extend_from_slice(&0x5000_0000_0000_0000_i64.to_le_bytes());
    plain.extend_from_slice(&(ask.to_bytes().len() as u32).to_le_bytes());
    plain.extend_from_slice(&ask.to_bytes());
    let mut transport = actogram_mtproto::transport::ClientTransport::new(
        Kind::Intermediate,
        Some(actogram_mtproto::transport::Obfuscation {
            dc_id: 2,
            secret: None,
        }),
        Box::new(OsRandom),
    )
    .unwrap();
    let mut flight = bytes::BytesMut::new();
    transport.encode(&plain, false, &mut flight).unwrap();

    let mut first = TcpStream::connect(address).await.unwrap();
    first.write_all(&flight).await.unwrap();
    let mut answer = [0; 4];
    timeout(PATIENCE, first.read_exact(&mut answer))
        .await
        .unwrap()
        .unwrap();
    let mut again = TcpStream::connect(address).await.unwrap();
    again.write_all(&flight).await.unwrap();
    assert_eq!(read_to_end(&mut again).await, b"", "a replayed header");

    // And a client that is one is served all the same.
    Client::connect_over(&datacenter, Kind::Abridged, true)
        .await
        .invoke(&CONFIG)
        .await
        .unwrap();
}

/// T7: unless told otherwise a datacenter is to be reached from its machine alone.
#[tokio::test]
async fn t7_only_this_machine_reaches_it() {
    let datacenter = datacenter().await;
    let address = datacenter.address().unwrap();
    assert!(address.ip().is_loopback());
    // Another address of the loopback network is another interface address as far as binding goes.
    let other = SocketAddr::new(IpAddr::from([127, 0, 0, 2]), address.port());
    let refused = TcpStream::connect(other).await.unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    // The twin: whoever asks for all interfaces gets them.
    let open = builder()
        .listen(SocketAddr::from(([0, 0, 0, 0], 0)))
        .start()
        .await
        .unwrap();
    let other = SocketAddr::new(IpAddr::from([127, 0, 0, 2]), open.address().unwrap().port());
    TcpStream::connect(other).await.unwrap();
}

/// KS5: half-open key exchanges of one peer are bounded; beyond them it gets -429, and room when others end.
#[tokio::test]
async fn ks5_half_open_exchanges_of_a_peer_are_bounded() {
    let datacenter = datacenter().await;
    let address = datacenter.address().unwrap();
    let mut open = Vec::new();
    let mut flooded = 0;
    for number in 0..300_u32 {
        let mut nonce = [0; 16];
        nonce[..4].copy_from_slice(&number.to_le_bytes());
        let ask = mtproto::functions::ReqPqMulti { nonce }.to_bytes();
        let mut frame = vec![0xee; 4];
        frame.extend_from_slice(&(20 + ask.len() as u32).to_le_bytes());
        frame.extend_from_slice(&[0; 8]);
        frame.extend_from_slice(&4_i64.to_le_bytes());
        frame.extend_from_slice(&(ask.len() as u32).to_le_bytes());
        frame.extend_from_slice(&ask);
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(&frame).await.unwrap();
        let mut length = [0; 4];
        timeout(PATIENCE, stream.read_exact(&mut length))
            .await
            .unwrap()
            .unwrap();
        if u32::from_le_bytes(length) == 4 {
            let mut code = [0; 4];
            stream.read_exact(&mut code).await.unwrap();
            assert_eq!(i32::from_le_bytes(code), -429);
            flooded += 1;
        } else {
            open.push(stream);
        }
    }
    assert_eq!((open.len(), flooded), (256, 44));
    assert_eq!(
        exchange(address, Kind::Abridged, false).await.err(),
        Some(End::Error(-429))
    );
    drop(open);
    for attempt in 0.. {
        match exchange(address, Kind::Abridged, false).await {
            Ok(_) => break,
            Err(end) => assert!(attempt < 100, "still {end:?}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_frame_beyond_the_limit_closes_at_its_header() {
    let datacenter = datacenter().await;
    let mut stream = TcpStream::connect(datacenter.address().unwrap())
        .await
        .unwrap();
    let mut header = vec![0xee; 4];
    header.extend_from_slice(&0x7fff_fff0_u32.to_le_bytes());
    stream.write_all(&header).await.unwrap();
    assert_eq!(read_to_end(&mut stream).await, b"");
}

/// A client that asks and never listens: what waits for it is bounded, and others do not notice.
#[tokio::test]
async fn a_client_that_does_not_read_is_not_read_either() {
    let datacenter = datacenter().await;
    let mut deaf = TcpStream::connect(datacenter.address().unwrap())
        .await
        .unwrap();
    deaf.write_all(&[0xee; 4]).await.unwrap();
    // Bytes that look encrypted, by a key that does not exist, would be closed. Key exchanges are not.
    let ask = mtproto::functions::ReqPqMulti { nonce: [9; 16] }.to_bytes();
    let mut frame = (20 + ask.len() as u32).to_le_bytes().to_vec();
    frame.extend_from_slice(&[0; 8]);
    frame.extend_from_slice(&4_i64.to_le_bytes());
    frame.extend_from_slice(&(ask.len() as u32).to_le_bytes());
    frame.extend_from_slice(&ask);
    let flood = frame.repeat(1000);
    let mut written = 0_usize;
    let stalled = loop {
        match timeout(Duration::from_secs(2), deaf.write_all(&flood)).await {
            Ok(Ok(())) => written += flood.len(),
            Ok(Err(_)) => break false,
            Err(_) => break true,
        }
        assert!(
            written < 512 * 1024 * 1024,
            "everything is taken, and kept somewhere"
        );
    };
    assert!(
        stalled,
        "it was closed after {written} bytes instead of being left to wait"
    );
    Client::connect(&datacenter)
        .await
        .invoke(&CONFIG)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_client_that_asked_for_it_is_closed_when_it_falls_silent() {
    let datacenter = datacenter().await;
    let mut client = Client::connect(&datacenter).await;
    // The first call of a session is wrapped, which a ping must not be.
    client.invoke(&CONFIG).await.unwrap();
    client.start(&mtproto::functions::PingDelayDisconnect {
        ping_id: 5,
        disconnect_delay: 1,
    });
    let started = tokio::time::Instant::now();
    let end = client.idle(Duration::from_secs(10)).await.unwrap_err();
    assert_eq!(end, End::Closed);
    let took = started.elapsed();
    assert!(
        (Duration::from_millis(900)..Duration::from_secs(9)).contains(&took),
        "{took:?}"
    );
}

#[tokio::test]
async fn stopping_answers_first_and_ends_all_connections() {
    let datacenter = datacenter().await;
    let mut clients = Vec::new();
    for _ in 0..5 {
        let mut client = Client::connect(&datacenter).await;
        client.invoke(&CONFIG).await.unwrap();
        clients.push(client);
    }
    assert_eq!(datacenter.counts(), (5, 5));
    let address = datacenter.address().unwrap();
    let clients: Vec<_> = clients
        .into_iter()
        .map(|mut client| tokio::spawn(async move { client.idle(PATIENCE).await }))
        .collect();
    timeout(Duration::from_secs(5), datacenter.shutdown())
        .await
        .unwrap();
    for client in clients {
        assert_eq!(client.await.unwrap(), Err(End::Closed));
    }
    let refused = TcpStream::connect(address).await.unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn several_datacenters_listen_on_their_own_ports_and_share_accounts() {
    let datacenter = builder().datacenters([1, 2, 4]).start().await.unwrap();
    let addresses = datacenter.addresses().to_vec();
    assert_eq!(
        addresses.iter().map(|(id, _)| *id).collect::<Vec<_>>(),
        [1, 2, 4]
    );
    let mut client = Client::dial(addresses[1].1, Kind::Full, false)
        .await
        .unwrap();
    let actogram_tl::enums::Config::Config(config) = client.invoke(&CONFIG).await.unwrap();
    assert_eq!(config.this_dc, 2);
    for (id, address) in addresses {
        let listed = config.dc_options.iter().any(|option| {
            let actogram_tl::enums::DcOption::DcOption(option) = option;
            option.id == id && option.port == i32::from(address.port())
        });
        assert!(listed, "datacenter {id} is missing in the configuration");
    }
}

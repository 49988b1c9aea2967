//! Somebody on the way who puts bytes into the stream, from the first message of the key exchange on.
#![allow(clippy::unwrap_used)]

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use crate::support::{
    accounts::{call, config, open, stored_keys},
    datacenter,
    lanes::in_lanes,
};
use actogram::tl::functions::help::GetConfig;
use actogram_actors::{Connecting, DatacenterAddress, Io};
use actogram_store::Store;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    net::TcpStream,
};

/// Hands on what the datacenter says, frame by frame (<https://core.telegram.org/mtproto/mtproto-transports#intermediate>),
/// and says something of its own before the nth.
async fn relay(server: TcpStream, client: DuplexStream, nth: usize, own: [u8; 4]) {
    let (mut from_server, mut to_server) = server.into_split();
    let (mut from_client, mut to_client) = tokio::io::split(client);
    let answers = async {
        for frame in 0.. {
            let length = from_server.read_u32_le().await?;
            let mut payload = vec![0; usize::try_from(length).unwrap()];
            from_server.read_exact(&mut payload).await?;
            if frame == nth {
                to_client.write_u32_le(4).await?;
                to_client.write_all(&own).await?;
            }
            to_client.write_u32_le(length).await?;
            to_client.write_all(&payload).await?;
        }
        std::io::Result::Ok(())
    };
    tokio::select! {
        _ = answers => {}
        _ = tokio::io::copy(&mut from_client, &mut to_server) => {}
    }
}

/// S24: a transport error is anybody's word. At every state it costs an attempt, and never a key.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s24_a_transport_error_at_any_state_costs_a_connection_and_no_key() {
    // Three answers over the first connection make a key, three over the second a temporary one, which is used over the
    // third. The last is the twin: nobody says so much.
    let places = [
        (0, 0),
        (0, 1),
        (0, 2),
        (1, 0),
        (1, 2),
        (2, 0),
        (2, 1),
        (0, 1_000),
    ];
    let cases = [-404, -444, -429]
        .into_iter()
        .flat_map(|code: i32| places.map(|place| (code, place)));
    in_lanes(6, cases.collect(), |cases| async move {
        for (code, place) in cases {
            let (connection, nth) = place;
            let datacenter = datacenter().await;
            let store = Store::memory();
            let mut config = config(&datacenter, "pestered", &store);
            config.obfuscated = false;
            let dialed = Arc::new(AtomicUsize::new(0));
            let count = dialed.clone();
            config.connector = Arc::new(move |to: &DatacenterAddress| -> Connecting {
                let this = count.fetch_add(1, Ordering::Relaxed);
                let nth = if this == connection { nth } else { usize::MAX };
                let address = (to.host.clone(), to.port);
                Box::pin(async move {
                    let server = TcpStream::connect(address).await?;
                    let (client, other_end) = tokio::io::duplex(64 * 1024);
                    tokio::spawn(relay(server, other_end, nth, code.to_le_bytes()));
                    Ok(Box::new(client) as Box<dyn Io>)
                })
            });
            let account = open(config).await;
            for _ in 0..4 {
                call(&account, &GetConfig)
                    .await
                    .unwrap_or_else(|error| panic!("{code} at {place:?}: {error}"));
            }
            let keys = stored_keys(&store, "pestered").await;
            assert_eq!(keys.len(), 1, "{code} at {place:?}");
            let known = |key| {
                datacenter
                    .operator()
                    .inspect(|world| world.key(key).is_some())
            };
            assert!(known(keys[0]), "{code} at {place:?}");
            let attempts = dialed.load(Ordering::Relaxed);
            if nth == 1_000 {
                assert_eq!(attempts, 3, "{code} at {place:?}");
            } else {
                assert!(attempts > 3, "{code} at {place:?} cost nothing");
            }
            account.shutdown(Duration::from_secs(5)).await;
        }
    })
    .await;
}

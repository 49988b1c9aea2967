//! Where an account connects to: the addresses it was given, whatever else it is told.

#![allow(clippy::unwrap_used)]

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use crate::support::{World, call, config_call, virtual_time};
use actogram_actors::{Connecting, DatacenterAddress, Io};
use actogram_store::{DcOption, Store, Write};
use actogram_tl::{Decode, Encode, enums, functions};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// S26: a configuration that names other machines opens no connection to them.
#[test]
fn s26_addresses_from_elsewhere_are_never_dialled() {
    virtual_time(|| async {
        let world = World::new().await;
        let mut config = world.config("careful", &Store::memory());
        let dialled: Arc<Mutex<Vec<DatacenterAddress>>> = Arc::default();
        let (seen, datacenter) = (dialled.clone(), world.datacenter.clone());
        config.connector = Arc::new(move |address: &DatacenterAddress| -> Connecting {
            seen.lock().unwrap().push(address.clone());
            let stream = datacenter.connect();
            Box::pin(async { Ok(Box::new(stream) as Box<dyn Io>) })
        });
        let given = config.addresses.clone();
        let same = |address: &DatacenterAddress| {
            let mut given = given.iter();
            given.any(|known| (&known.host, known.port) == (&address.host, address.port))
        };
        let account = world.engine.open(config).await.unwrap();
        for round in 1..5 {
            let asked = functions::help::GetConfig.to_bytes();
            let answer = account.invoke_raw(asked, Default::default()).await.unwrap();
            let enums::Config::Config(told) = enums::Config::from_bytes(answer).unwrap();
            let elsewhere = told.dc_options.iter().filter(|option| {
                let enums::DcOption::DcOption(option) = option;
                given.iter().all(|known| known.host != option.ip_address)
            });
            assert!(
                elsewhere.count() > 0,
                "the configuration names other machines"
            );
            world.datacenter.cut_connections();
            // Each cut costs a connection, which is opened to where the first one was.
            let again = functions::help::GetConfig.to_bytes();
            account.invoke_raw(again, Default::default()).await.unwrap();
            let dialled = dialled.lock().unwrap();
            assert!(dialled.len() > round);
            assert!(dialled.iter().all(same));
        }
        account.shutdown(std::time::Duration::from_secs(5)).await;
    });
}

/// Whoever runs for long is told of new addresses, and asks no more often than it is told to.
#[test]
fn where_datacenters_are_is_asked_again_as_long_as_an_account_runs() {
    virtual_time(|| async {
        let world = World::new().await;
        let bot = world.bot("old_bot").await;
        let operator = world.datacenter.operator();
        let asked = || operator.counters().executed("help.getConfig");
        let options = || async {
            let record = bot.store.account("old_bot").load().await.unwrap();
            record.dc_options.len()
        };
        assert_eq!((asked(), options().await), (0, 0), "not at once");
        tokio::time::sleep(Duration::from_secs(601)).await;
        assert_eq!(asked(), 1);
        assert!(options().await > 0);
        tokio::time::sleep(Duration::from_secs(86_400)).await;
        let day = asked();
        assert!((20..=26).contains(&day), "as often as it is good: {day}");
        // Where nobody answers, what is known stays.
        operator.fail("help.getConfig", 400, "NOBODY_KNOWS", u32::MAX);
        tokio::time::sleep(Duration::from_secs(7200)).await;
        assert!(options().await > 0);
        assert_eq!(bot.account.stopped(), None);
        bot.account.shutdown(Duration::from_secs(5)).await;
    });
}

/// Somebody on the way lets no stream pass that begins as the intermediate transport does.
#[test]
fn another_transport_is_tried_where_one_is_not_let_through() {
    const TAG: [u8; 4] = [0xee; 4];
    virtual_time(|| async {
        for gives_up in [false, true] {
            let world = World::new().await;
            let mut config = world.config("censored", &Store::memory());
            config.obfuscated = false;
            config.other_transports = !gives_up;
            let (datacenter, stopped) = (world.datacenter.clone(), Arc::new(AtomicUsize::new(0)));
            let count = stopped.clone();
            config.connector = Arc::new(move |_: &DatacenterAddress| -> Connecting {
                let (mut server, count) = (datacenter.connect(), count.clone());
                let (ours, mut theirs) = tokio::io::duplex(1 << 16);
                tokio::task::spawn_local(async move {
                    let mut tag = [0; 4];
                    let _ = theirs.read_exact(&mut tag).await;
                    if tag == TAG {
                        count.fetch_add(1, Ordering::Relaxed);
                        return;
                    }
                    let _ = server.write_all(&tag).await;
                    let _ = tokio::io::copy_bidirectional(&mut theirs, &mut server).await;
                });
                Box::pin(async { Ok(Box::new(ours) as Box<dyn Io>) })
            });
            let account = world.engine.open(config).await.unwrap();
            let question = config_call();
            let ask = call(&account, &question);
            let asked = tokio::time::timeout(Duration::from_secs(600), ask).await;
            let stopped = stopped.load(Ordering::Relaxed);
            if gives_up {
                assert!(asked.is_err(), "it is told to use this one alone");
                assert!(stopped > 10, "{stopped}");
            } else {
                asked.unwrap().unwrap();
                assert_eq!(stopped, 3, "and what works is kept");
            }
            account.shutdown(Duration::from_secs(5)).await;
        }
    });
}

/// S26: with a local datacenter, also where nothing answers and the store holds what somebody else's datacenter has told.
#[test]
fn s26_a_client_of_a_local_datacenter_stays_on_this_machine() {
    virtual_time(|| async {
        for stays in [true, false] {
            let world = World::new().await;
            let store = Store::memory();
            let told = DcOption {
                dc: world.datacenter.dc_id(),
                address: "203.0.113.7".parse().unwrap(),
                port: 443,
                media_only: false,
                tcpo_only: false,
                cdn: false,
                is_static: true,
                this_port_only: true,
                secret: None,
            };
            let account = store.account("told");
            account
                .write_synced(vec![Write::DcOptions(vec![told])])
                .await
                .unwrap();
            let mut config = world.config("told", &store);
            config.stays_on_this_machine = stays;
            let elsewhere = Arc::new(AtomicUsize::new(0));
            let (seen, datacenter) = (elsewhere.clone(), world.datacenter.clone());
            let failing = AtomicUsize::new(5);
            config.connector = Arc::new(move |address: &DatacenterAddress| -> Connecting {
                let foreign = address.host == "203.0.113.7";
                seen.fetch_add(usize::from(foreign), Ordering::Relaxed);
                let fails = failing.load(Ordering::Relaxed) > 0;
                if fails || foreign {
                    failing.fetch_sub(usize::from(fails), Ordering::Relaxed);
                    return Box::pin(async { Err(std::io::ErrorKind::TimedOut.into()) });
                }
                let stream = datacenter.connect();
                Box::pin(async { Ok(Box::new(stream) as Box<dyn Io>) })
            });
            let account = world.engine.open(config).await.unwrap();
            call(&account, &config_call()).await.unwrap();
            let elsewhere = elsewhere.load(Ordering::Relaxed);
            assert_eq!(elsewhere == 0, stays, "the twin does dial there");
            account.shutdown(Duration::from_secs(5)).await;
        }
    });
}

//! Where an account connects to: the addresses it was given, whatever else it is told.

#![allow(clippy::unwrap_used)]

use std::sync::{Arc, Mutex};

use crate::support::{World, virtual_time};
use actogram_actors::{Connecting, DatacenterAddress, Io};
use actogram_store::Store;
use actogram_tl::{Decode, Encode, enums, functions};

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

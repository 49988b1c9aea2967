//! Several datacenters over sockets: their keys, their listeners, and moving between them.
#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;

use crate::network_support::*;
use actogram_local_datacenter::{
    LocalDatacenter, StartError, WireFault,
    model::{Endpoint, Role},
};
use actogram_mtproto::{
    handshake::client::ClientHandshakeConfig,
    transport::{Kind, error_code},
};
use actogram_tl::{enums, functions};

fn address(datacenter: &LocalDatacenter, dc_id: i32, role: Role) -> SocketAddr {
    let mut all = datacenter.endpoints();
    all.find(|(endpoint, _)| endpoint.dc_id == dc_id && endpoint.role == role)
        .unwrap()
        .1
}

#[tokio::test]
async fn a_key_is_good_at_the_datacenter_that_made_it_alone() {
    let datacenter = builder()
        .datacenters([2, 4])
        .endpoint(Endpoint::media_only(2))
        .start()
        .await
        .unwrap();
    let (two, four) = (datacenter.addresses()[0].1, datacenter.addresses()[1].1);
    let mut client = Client::dial(two, Kind::Intermediate, false).await.unwrap();
    client.log_in(&datacenter, "roaming_bot").await;
    client.reconnect_to(four).await;
    let call = client.start(&functions::help::GetConfig);
    assert_eq!(
        client.finish(call).await,
        Err(End::Error(error_code::AUTH_KEY_NOT_FOUND))
    );
    // Nothing is lost by it: the same key goes on where it was made, and at the listener for files.
    client.reconnect_to(two).await;
    client.finish(call).await.unwrap();
    client
        .reconnect_to(address(&datacenter, 2, Role::MediaOnly))
        .await;
    let enums::Config::Config(config) = client.invoke(&functions::help::GetConfig).await.unwrap();
    assert_eq!(config.this_dc, 2);
}

#[tokio::test]
async fn key_exchanges_name_the_datacenter_as_its_listener_wants() {
    let datacenter = builder()
        .datacenters([2, 4])
        .endpoint(Endpoint::media_only(4))
        .start()
        .await
        .unwrap();
    let lone = builder().start().await.unwrap();
    let exchange = async |address: SocketAddr, dc_id: i32| {
        let keys = vec![rsa_key().public().clone()];
        let config = ClientHandshakeConfig::permanent(keys, dc_id);
        exchange_with(address, Kind::Intermediate, false, config)
            .await
            .map(|_| ())
    };
    let wrong = Err(End::Error(error_code::INVALID_DC));
    let (main, media) = (
        address(&datacenter, 4, Role::Main),
        address(&datacenter, 4, Role::MediaOnly),
    );
    for (address, dc_id, expected) in [
        (main, 4, Ok(())),
        (main, -4, Ok(())),
        (main, 10_004, Ok(())),
        (main, 2, wrong),
        (media, -4, Ok(())),
        (media, 4, wrong),
        (media, -2, wrong),
        (lone.address().unwrap(), 5, Ok(())),
        (lone.address().unwrap(), 6, wrong),
    ] {
        assert_eq!(exchange(address, dc_id).await, expected, "{dc_id}");
    }
}

#[tokio::test]
async fn connections_that_are_not_obfuscated_are_closed_where_such_are_not_taken() {
    let datacenter = builder()
        .endpoint(Endpoint::main(2).obfuscated_only())
        .start()
        .await
        .unwrap();
    let strict = datacenter
        .endpoints()
        .find(|(endpoint, _)| endpoint.tcpo_only)
        .unwrap()
        .1;
    for kind in [Kind::Abridged, Kind::Intermediate, Kind::Full] {
        let refused = Client::dial(strict, kind, false).await.err();
        assert_eq!(refused, Some(End::Closed), "{kind:?}");
    }
    let mut client = Client::dial(strict, Kind::Intermediate, true)
        .await
        .unwrap();
    client.invoke(&functions::help::GetConfig).await.unwrap();
}

#[tokio::test]
async fn r21_a_connection_is_turned_away_with_429_on_demand() {
    let datacenter = datacenter().await;
    let mut client = Client::connect(&datacenter).await;
    datacenter.faults().order(WireFault::TransportError(-429));
    client.reconnect().await;
    let call = client.start(&functions::help::GetConfig);
    assert_eq!(client.finish(call).await, Err(End::Error(-429)));
    client.reconnect().await;
    client.finish(call).await.unwrap();
}

#[tokio::test]
async fn a_login_follows_its_account_to_another_datacenter() {
    let datacenter = builder().datacenters([2, 4]).start().await.unwrap();
    let (two, four) = (datacenter.addresses()[0].1, datacenter.addresses()[1].1);
    let operator = datacenter.operator();
    let bot = operator.create_bot("moving_bot", "Moving").unwrap();
    let mut old = Client::dial(two, Kind::Intermediate, false).await.unwrap();
    old.log_in_with(&bot.token).await;
    operator.move_home(bot.id, 4).unwrap();
    let call = old.start(&functions::updates::GetState);
    assert_eq!(
        old.finish(call).await.unwrap(),
        Outcome::Error(303, "USER_MIGRATE_4".into())
    );
    let export = functions::auth::ExportAuthorization { dc_id: 4 };
    let enums::auth::ExportedAuthorization::ExportedAuthorization(ticket) =
        old.invoke(&export).await.unwrap();
    let mut new = Client::dial_as(four, Kind::Intermediate, false, 4)
        .await
        .unwrap();
    new.invoke(&functions::auth::ImportAuthorization {
        id: ticket.id,
        bytes: ticket.bytes,
    })
    .await
    .unwrap();
    new.invoke(&functions::updates::GetState).await.unwrap();
    let ann = operator.create_user("9996620001", "Ann").unwrap();
    let peer = actogram_local_datacenter::model::PeerKey::User(bot.id);
    operator.send_message(ann, peer, "hello").unwrap();
    new.until(|client| !client.updates.is_empty())
        .await
        .unwrap();
    assert!(old.updates.is_empty());
}

#[tokio::test]
async fn numbers_that_cannot_be_are_refused_at_the_start() {
    let refused = |builder: actogram_local_datacenter::Builder| async {
        builder.start().await.map(|_| ()).unwrap_err()
    };
    let nothing = refused(builder().datacenters([])).await;
    assert!(matches!(nothing, StartError::NoDatacenter), "{nothing}");
    let only_cdn = builder().datacenters([]).endpoint(Endpoint::cdn(203));
    let only_cdn = refused(only_cdn.cdn_rsa_key(203, rsa_key())).await;
    assert!(matches!(only_cdn, StartError::NoDatacenter), "{only_cdn}");
    for wrong in [0, -2, 10_000] {
        let error = refused(builder().datacenters([wrong])).await;
        assert!(
            matches!(error, StartError::DatacenterNumber { dc_id } if dc_id == wrong),
            "{error}"
        );
    }
    let both = refused(builder().endpoint(Endpoint::cdn(2))).await;
    assert!(
        matches!(both, StartError::DatacenterNumber { dc_id: 2 }),
        "{both}"
    );
}

#[tokio::test]
async fn datacenters_without_sockets_are_reached_by_number_and_role() {
    let datacenter = builder()
        .without_listener()
        .datacenters([2, 4])
        .endpoint(Endpoint::media_only(4))
        .start()
        .await
        .unwrap();
    assert_eq!(datacenter.endpoints().count(), 0);
    assert!(datacenter.connector_to(5, Role::Main).is_none());
    let connect = datacenter.connector_to(4, Role::Main).unwrap();
    let unix = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
    let randoms = || -> Randoms { Box::new(|| Box::new(actogram_crypto::random::OsRandom)) };
    let mut client = Client::over_as(connect(), unix, randoms(), 4)
        .await
        .unwrap();
    let enums::Config::Config(config) = client.invoke(&functions::help::GetConfig).await.unwrap();
    assert_eq!(config.this_dc, 4);
    let told: Vec<_> = config
        .dc_options
        .iter()
        .map(|enums::DcOption::DcOption(option)| (option.id, option.media_only))
        .collect();
    assert_eq!(told, [(2, false), (4, false), (4, true)]);
}

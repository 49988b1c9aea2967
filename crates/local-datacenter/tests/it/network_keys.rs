//! Keys that end, are lost, or turn up at two places.
#![allow(clippy::unwrap_used)]

use std::{net::Ipv4Addr, time::Duration};

use crate::network_support::*;
use actogram_local_datacenter::{
    KeySharing, LocalDatacenter,
    model::{Endpoint, Role},
};
use actogram_mtproto::{
    handshake::client::ClientHandshakeConfig,
    session::client::CallId,
    transport::{Kind, error_code},
};
use actogram_tl::functions;

const GONE: Result<Outcome, End> = Err(End::Error(error_code::AUTH_KEY_NOT_FOUND));
const CONFIG: functions::help::GetConfig = functions::help::GetConfig;
const STATE: functions::updates::GetState = functions::updates::GetState;

async fn with_temporary_key(datacenter: &LocalDatacenter, seconds: i32) -> Client {
    let keys = vec![rsa_key().public().clone()];
    let config = ClientHandshakeConfig::temporary(keys, 2, seconds);
    let address = datacenter.address().unwrap();
    Client::dial_with(address, Kind::Intermediate, false, config)
        .await
        .unwrap()
}

#[tokio::test]
async fn r9_a_temporary_key_that_ended_is_told_by_a_transport_error() {
    let datacenter = datacenter().await;
    let mut client = with_temporary_key(&datacenter, 1000).await;
    client.invoke(&CONFIG).await.unwrap();
    let call = client.start(&STATE);
    let refused = Outcome::Error(401, "AUTH_KEY_PERM_EMPTY".into());
    assert_eq!(client.finish(call).await, Ok(refused));

    // Whether it is used by the client …
    let operator = datacenter.operator();
    let before = operator.counters().executed("help.getConfig");
    datacenter.clock().set_skew(1000);
    let call = client.start(&CONFIG);
    assert_eq!(client.finish(call).await, GONE);
    assert_eq!(operator.counters().executed("help.getConfig"), before);
    // … or by the datacenter.
    datacenter.clock().set_skew(0);
    client.reconnect().await;
    client.finish(call).await.unwrap();
    let late = Duration::from_secs(500);
    operator.delay_answers("help.getConfig", late, 1);
    let before = operator.counters().executed("help.getConfig");
    let call = client.start(&CONFIG);
    while operator.counters().executed("help.getConfig") == before {
        client.idle(Duration::from_millis(10)).await.unwrap();
    }
    datacenter.clock().set_skew(1000);
    // Whoever makes a key now lets the datacenter see what time it is.
    let mut other = Client::connect(&datacenter).await;
    other.invoke(&CONFIG).await.unwrap();
    let said = client.sent_payloads.len();
    assert_eq!(client.finish(call).await, GONE);
    assert_eq!(
        client.sent_payloads.len(),
        said,
        "it is told without having asked"
    );
}

#[tokio::test]
async fn r9_temporary_keys_are_lost_on_demand_and_permanent_ones_stay() {
    let datacenter = datacenter().await;
    let mut temporary = with_temporary_key(&datacenter, 1000).await;
    let mut permanent = Client::connect(&datacenter).await;
    assert_eq!(datacenter.lose_temporary_keys(), 1);
    temporary.reconnect().await;
    let call = temporary.start(&CONFIG);
    assert_eq!(temporary.finish(call).await, GONE);
    permanent.invoke(&CONFIG).await.unwrap();
    assert_eq!(datacenter.lose_keys_of(4), 0);
    assert_eq!(datacenter.lose_keys_of(2), 1);
    permanent.reconnect().await;
    let call = permanent.start(&CONFIG);
    assert_eq!(permanent.finish(call).await, GONE);
}

fn duplicated() -> Outcome {
    Outcome::Error(406, "AUTH_KEY_DUPLICATED".into())
}

async fn answered(client: &mut Client, call: CallId) -> Outcome {
    client.finish_whatever_happens(call).await.0
}

#[tokio::test]
async fn r9_a_key_at_two_addresses_is_told_that_it_was_copied() {
    let datacenter = datacenter().await;
    let mut first = Client::connect(&datacenter).await;
    first.log_in(&datacenter, "copied_bot").await;
    // Nothing is taken for a copy unless it is ordered.
    let mut second = first.twin(Ipv4Addr::new(127, 0, 0, 2)).await;
    second.invoke(&STATE).await.unwrap();
    second.disconnect();
    datacenter.set_key_sharing(KeySharing::OneAddress);

    // Another connection from the same place is none, nor is one after the other.
    let mut same_place = first.twin(Ipv4Addr::LOCALHOST).await;
    same_place.invoke(&STATE).await.unwrap();
    first.invoke(&STATE).await.unwrap();
    let mut other_place = first.twin(Ipv4Addr::new(127, 0, 0, 2)).await;
    let call = other_place.start(&STATE);
    assert_eq!(answered(&mut other_place, call).await, duplicated());
    // Nobody has the login now, and nobody gets another with this key.
    for (client, cut) in [
        (&mut first, &[End::Closed][..]),
        (&mut same_place, &[End::Closed]),
        (&mut other_place, &[]),
    ] {
        let call = client.start(&CONFIG);
        let (outcome, ends) = client.finish_whatever_happens(call).await;
        assert_eq!((outcome, &ends[..]), (duplicated(), cut));
    }
}

#[tokio::test]
async fn listeners_for_files_are_used_from_anywhere() {
    let builder = builder().endpoint(Endpoint::media_only(2));
    let datacenter = builder.start().await.unwrap();
    let mut all = datacenter.endpoints();
    let media = all.find(|(endpoint, _)| endpoint.role == Role::MediaOnly);
    let media = media.unwrap().1;
    datacenter.set_key_sharing(KeySharing::OneAddress);
    let mut main = Client::connect(&datacenter).await;
    main.log_in(&datacenter, "reading_bot").await;
    let mut elsewhere = main.twin(Ipv4Addr::new(127, 0, 0, 2)).await;
    main.reconnect_to(media).await;
    for _ in 0..2 {
        main.invoke(&CONFIG).await.unwrap();
        elsewhere.invoke(&CONFIG).await.unwrap();
    }
}

#[tokio::test]
async fn r9_a_key_in_two_sessions_that_take_updates_is_told_that_it_was_copied() {
    let datacenter = datacenter().await;
    let mut first = Client::connect(&datacenter).await;
    first.log_in(&datacenter, "shared_bot").await;
    datacenter.set_key_sharing(KeySharing::OneMainSession);
    // Sessions that take no updates are for files.
    let mut files = first.twin(Ipv4Addr::LOCALHOST).await;
    let quiet = functions::InvokeWithoutUpdates {
        query: actogram_tl::RawQuery::of(&STATE),
    };
    for client in [&mut files, &mut first] {
        let call = client.start(&quiet);
        assert!(matches!(answered(client, call).await, Outcome::Answer(_)));
    }
    let mut second = first.twin(Ipv4Addr::LOCALHOST).await;
    second.invoke(&CONFIG).await.unwrap();
    let call = second.start(&STATE);
    assert_eq!(answered(&mut second, call).await, duplicated());
    let call = first.start(&STATE);
    assert_eq!(answered(&mut first, call).await, duplicated());
}

#[tokio::test]
async fn a_session_that_moves_to_another_connection_is_no_copy() {
    let datacenter = datacenter().await;
    let mut client = Client::connect(&datacenter).await;
    client.log_in(&datacenter, "moving_bot").await;
    for sharing in [KeySharing::OneMainSession, KeySharing::OneAddress] {
        datacenter.set_key_sharing(sharing);
        for _ in 0..3 {
            client.reconnect().await;
            client.invoke(&STATE).await.unwrap();
        }
    }
}

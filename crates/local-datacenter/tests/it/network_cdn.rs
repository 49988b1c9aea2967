//! A CDN over sockets: its keys, and what its clients see when it loses them.
#![allow(clippy::unwrap_used)]

use std::{
    net::SocketAddr,
    sync::{Arc, OnceLock},
};

use crate::network_support::*;
use actogram_crypto::{
    ctr::Ctr256,
    random::SeededRandom,
    rsa::{PrivateKey, PublicKey},
};
use actogram_local_datacenter::{
    LocalDatacenter,
    model::{Endpoint, PeerKey, Role},
};
use actogram_mtproto::{
    handshake::client::ClientHandshakeConfig,
    transport::{Kind, error_code},
};
use actogram_tl::{enums, functions, types};

const CDN: i32 = 203;

fn cdn_key() -> Arc<PrivateKey> {
    static KEY: OnceLock<Arc<PrivateKey>> = OnceLock::new();
    let make = || Arc::new(PrivateKey::generate(&mut SeededRandom::from_seed(11)).unwrap());
    KEY.get_or_init(make).clone()
}

async fn with_cdn() -> (LocalDatacenter, SocketAddr) {
    let datacenter = builder()
        .endpoint(Endpoint::cdn(CDN))
        .cdn_rsa_key(CDN, cdn_key())
        .start()
        .await
        .unwrap();
    let mut all = datacenter.endpoints();
    let address = all
        .find(|(endpoint, _)| endpoint.role == Role::Cdn)
        .unwrap()
        .1;
    drop(all);
    (datacenter, address)
}

async fn dial(address: SocketAddr, key: &PublicKey, dc_id: i32) -> Result<Client, End> {
    let config = ClientHandshakeConfig::permanent(vec![key.clone()], dc_id);
    Client::dial_with(address, Kind::Intermediate, true, config).await
}

#[tokio::test]
async fn key_exchanges_with_a_cdn_are_under_its_own_rsa_key_alone() {
    let (datacenter, cdn) = with_cdn().await;
    let main = datacenter.address().unwrap();
    assert_eq!(datacenter.addresses().len(), 1, "nobody logs in at a CDN");
    // Clients learn the key from the datacenter.
    let mut client = Client::connect(&datacenter).await;
    client.log_in(&datacenter, "reader_bot").await;
    let enums::CdnConfig::CdnConfig(told) =
        client.invoke(&functions::help::GetCdnConfig).await.unwrap();
    let [enums::CdnPublicKey::CdnPublicKey(told)] = &told.public_keys[..] else {
        panic!("{told:?}")
    };
    assert_eq!(told.dc_id, CDN);
    let learned = PublicKey::from_pem(&told.public_key).unwrap();
    let of_cdn = datacenter.cdn_public_key(CDN).unwrap();
    assert_eq!(learned.fingerprint(), of_cdn.fingerprint());
    assert_ne!(learned.fingerprint(), datacenter.public_key().fingerprint());
    assert!(datacenter.cdn_public_key(2).is_none());

    // It may change at any time; who asks again learns it.
    let renewed = Arc::new(PrivateKey::generate(&mut SeededRandom::from_seed(12)).unwrap());
    assert!(!datacenter.renew_cdn_key(204, &renewed).unwrap());
    assert!(datacenter.renew_cdn_key(CDN, &renewed).unwrap());
    let refused = dial(cdn, &learned, CDN).await.err();
    assert_eq!(refused, Some(End::Refused));
    let enums::CdnConfig::CdnConfig(told) =
        client.invoke(&functions::help::GetCdnConfig).await.unwrap();
    let [enums::CdnPublicKey::CdnPublicKey(told)] = &told.public_keys[..] else {
        panic!("{told:?}")
    };
    let learned = PublicKey::from_pem(&told.public_key).unwrap();
    assert_eq!(learned.fingerprint(), renewed.public().fingerprint());

    let of_main = datacenter.public_key();
    let wrong_dc = Some(End::Error(error_code::INVALID_DC));
    for (address, key, dc_id, expected) in [
        (cdn, &learned, CDN, None),
        (cdn, of_main, CDN, Some(End::Refused)),
        (cdn, &learned, 2, wrong_dc),
        (cdn, &learned, -CDN, wrong_dc),
        (main, &learned, 2, Some(End::Refused)),
        (main, of_main, CDN, wrong_dc),
    ] {
        let ended = dial(address, key, dc_id).await.err();
        assert_eq!(ended, expected, "{dc_id}");
    }
}

/// The file that a bot was sent, as it names it.
fn received(datacenter: &LocalDatacenter, bot: i64, from: i64) -> types::Document {
    let operator = datacenter.operator();
    let history = functions::messages::GetHistory {
        peer: operator.input_peer(bot, PeerKey::User(from)).unwrap(),
        offset_id: 0,
        offset_date: 0,
        add_offset: 0,
        limit: 1,
        max_id: 0,
        min_id: 0,
        hash: 0,
    };
    let answer = operator.invoke_as(bot, &history).unwrap();
    let enums::messages::Messages::Messages(answer) = answer else {
        panic!("{answer:?}")
    };
    let enums::Message::Message(message) = &answer.messages[0] else {
        panic!("{answer:?}")
    };
    let Some(enums::MessageMedia::MessageMediaDocument(media)) = &message.media else {
        panic!("{message:?}")
    };
    match &media.document {
        Some(enums::Document::Document(document)) => (**document).clone(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn r4_a_file_comes_from_a_cdn_that_loses_its_keys_in_the_middle() {
    let (datacenter, cdn) = with_cdn().await;
    let operator = datacenter.operator();
    let ann = operator.create_user("9996620001", "Ann").unwrap();
    let bot = operator.create_bot("reader_bot", "Reader").unwrap();
    let bytes: Vec<u8> = (0..8000_u32).map(|at| (at % 251) as u8).collect();
    let to = PeerKey::User(bot.id);
    operator
        .send_file(ann, to, "a.bin", "text/plain", &bytes)
        .unwrap();
    let document = received(&datacenter, bot.id, ann);
    operator.serve_by_cdn(document.id, CDN).unwrap();

    let mut reader = Client::connect(&datacenter).await;
    reader.log_in_with(&bot.token).await;
    let request = functions::upload::GetFile {
        precise: false,
        cdn_supported: true,
        location: types::InputDocumentFileLocation {
            id: document.id,
            access_hash: document.access_hash,
            file_reference: document.file_reference,
            thumb_size: String::new(),
        }
        .into(),
        offset: 0,
        limit: 4096,
    };
    let answer = reader.invoke(&request).await.unwrap();
    let enums::upload::File::FileCdnRedirect(redirect) = answer else {
        panic!("{answer:?}")
    };
    let part = |offset| functions::upload::GetCdnFile {
        file_token: redirect.file_token.clone(),
        offset,
        limit: 4096,
    };
    let key = datacenter.cdn_public_key(redirect.dc_id).unwrap();
    let mut edge = dial(cdn, &key, CDN).await.unwrap();
    let answer = edge.invoke(&part(0)).await.unwrap();
    let enums::upload::CdnFile::CdnFileReuploadNeeded(needed) = answer else {
        panic!("{answer:?}")
    };
    let bring = functions::upload::ReuploadCdnFile {
        file_token: redirect.file_token.clone(),
        request_token: needed.request_token,
    };
    assert_eq!(reader.invoke(&bring).await.unwrap().len(), 1);
    let open = |answer, block| {
        let enums::upload::CdnFile::CdnFile(file) = answer else {
            panic!("{answer:?}")
        };
        let mut bytes = file.bytes.to_vec();
        let key = redirect.encryption_key[..].try_into().unwrap();
        let iv = redirect.encryption_iv[..].try_into().unwrap();
        Ctr256::at_cdn_block(&key, &iv, block).apply(&mut bytes);
        bytes
    };
    let mut got = open(edge.invoke(&part(0)).await.unwrap(), 0);

    assert_eq!(datacenter.lose_keys_of(CDN), 1);
    edge.reconnect().await;
    let call = edge.start(&part(4096));
    let gone = Err(End::Error(error_code::AUTH_KEY_NOT_FOUND));
    assert_eq!(edge.finish(call).await, gone);
    let mut edge = dial(cdn, &key, CDN).await.unwrap();
    got.extend(open(edge.invoke(&part(4096)).await.unwrap(), 256));
    assert_eq!(got, bytes);
    // The datacenter has nothing to do with it.
    reader.invoke(&functions::updates::GetState).await.unwrap();
}

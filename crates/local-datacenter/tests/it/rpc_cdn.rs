//! Files at a CDN: redirects, keys, hashes, and what a CDN that cannot be trusted does.
#![allow(clippy::unwrap_used)]

use std::net::Ipv4Addr;

use crate::rpc_support::*;
use actogram_crypto::{ctr::Ctr256, sha::sha256};
use actogram_local_datacenter::model::{CdnLie, DatacenterAddress, Endpoint, PeerKey, Role};
use actogram_local_datacenter::operator::OperatorError;
use actogram_tl as tl;
use tl::{enums, functions, types};

const CDN: i32 = 203;
const WINDOW: usize = 128 << 10;

/// A person at datacenter 2 who has sent themselves a file that a CDN serves.
struct Scene {
    rig: Rig,
    alice: Client,
    edge: Client,
    document: types::Document,
    bytes: Vec<u8>,
}

fn scene(length: usize) -> Scene {
    let mut rig = Rig::new();
    let at = |endpoint| DatacenterAddress {
        endpoint,
        ip: Ipv4Addr::LOCALHOST.into(),
        port: 1,
    };
    rig.world.set_datacenters(vec![
        at(Endpoint::main(2)),
        at(Endpoint::main(4)),
        at(Endpoint::cdn(CDN)),
        at(Endpoint::cdn(CDN + 1)),
    ]);
    let (mut alice, id) = rig.person("Alice");
    let bytes: Vec<u8> = (0..length as u32)
        .map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    operate(&mut rig, |operator| {
        operator.send_file(id, PeerKey::User(id), "a.bin", "text/plain", &bytes)
    })
    .unwrap();
    let me = enums::InputPeer::InputPeerSelf;
    let all = messages(rig.call(&mut alice, &get_history(&me)).unwrap());
    let Some(enums::MessageMedia::MessageMediaDocument(media)) = &message(&all[0]).media else {
        panic!("{all:?}")
    };
    let Some(enums::Document::Document(document)) = &media.document else {
        panic!("{media:?}")
    };
    let document = (**document).clone();
    operate(&mut rig, |operator| operator.serve_by_cdn(document.id, CDN)).unwrap();
    let mut edge = rig.client_at(CDN);
    edge.role = Role::Cdn;
    Scene {
        rig,
        alice,
        edge,
        document,
        bytes,
    }
}

fn get_file(document: &types::Document, offset: i64, limit: i32) -> functions::upload::GetFile {
    functions::upload::GetFile {
        precise: false,
        cdn_supported: true,
        location: types::InputDocumentFileLocation {
            id: document.id,
            access_hash: document.access_hash,
            file_reference: document.file_reference.clone(),
            thumb_size: String::new(),
        }
        .into(),
        offset,
        limit,
    }
}

fn flat(hashes: &[enums::FileHash]) -> Vec<(i64, i32, Vec<u8>)> {
    let one =
        |enums::FileHash::FileHash(it): &enums::FileHash| (it.offset, it.limit, it.hash.to_vec());
    hashes.iter().map(one).collect()
}

impl Scene {
    fn redirect(&mut self, offset: i64) -> types::upload::FileCdnRedirect {
        let request = get_file(&self.document, offset, 4096);
        match self.rig.call(&mut self.alice, &request).unwrap() {
            enums::upload::File::FileCdnRedirect(redirect) => (*redirect).clone(),
            other => panic!("{other:?}"),
        }
    }

    fn ask(
        &mut self,
        token: &[u8],
        offset: i64,
        limit: i32,
    ) -> Result<enums::upload::CdnFile, String> {
        let request = functions::upload::GetCdnFile {
            file_token: token.to_vec().into(),
            offset,
            limit,
        };
        let answer = self.rig.call(&mut self.edge, &request);
        answer.map_err(|error| error.to_string())
    }

    /// A part as it comes from the CDN, decrypted.
    fn part(
        &mut self,
        redirect: &types::upload::FileCdnRedirect,
        offset: i64,
        limit: i32,
    ) -> Vec<u8> {
        match self.ask(&redirect.file_token, offset, limit).unwrap() {
            enums::upload::CdnFile::CdnFile(file) => {
                let mut bytes = file.bytes.to_vec();
                let key = redirect.encryption_key[..].try_into().unwrap();
                let iv = redirect.encryption_iv[..].try_into().unwrap();
                let block = u32::try_from(offset / 16).unwrap();
                Ctr256::at_cdn_block(&key, &iv, block).apply(&mut bytes);
                bytes
            }
            other => panic!("{other:?}"),
        }
    }

    fn request_token(&mut self, token: &[u8], offset: i64) -> Vec<u8> {
        match self.ask(token, offset, 4096).unwrap() {
            enums::upload::CdnFile::CdnFileReuploadNeeded(needed) => needed.request_token.to_vec(),
            other => panic!("{other:?}"),
        }
    }

    fn reupload(&mut self, token: &[u8], request: &[u8]) -> Result<Vec<enums::FileHash>, String> {
        let request = functions::upload::ReuploadCdnFile {
            file_token: token.to_vec().into(),
            request_token: request.to_vec().into(),
        };
        let answer = self.rig.call(&mut self.alice, &request);
        answer.map_err(|error| error.to_string())
    }

    /// A redirect to a CDN that has the file.
    fn ready(&mut self) -> types::upload::FileCdnRedirect {
        let redirect = self.redirect(0);
        let request = self.request_token(&redirect.file_token, 0);
        self.reupload(&redirect.file_token, &request).unwrap();
        redirect
    }

    fn hashes(&mut self, token: &[u8], offset: i64) -> Result<Vec<enums::FileHash>, String> {
        let request = functions::upload::GetCdnFileHashes {
            file_token: token.to_vec().into(),
            offset,
        };
        let answer = self.rig.call(&mut self.alice, &request);
        answer.map_err(|error| error.to_string())
    }

    fn lie(&mut self, lie: CdnLie) {
        let id = self.document.id;
        operate(&mut self.rig, |operator| {
            operator.lie_about_cdn_file(id, lie, 1)
        })
        .unwrap();
    }
}

fn windows(bytes: &[u8], from: usize, count: usize) -> Vec<(i64, i32, Vec<u8>)> {
    bytes
        .chunks(WINDOW)
        .enumerate()
        .skip(from / WINDOW)
        .take(count)
        .map(|(at, window)| {
            let start = i64::try_from(at * WINDOW).unwrap();
            (
                start,
                i32::try_from(window.len()).unwrap(),
                sha256(window).to_vec(),
            )
        })
        .collect()
}

#[test]
fn a_file_comes_from_the_cdn_and_its_hashes_from_the_datacenter() {
    let mut scene = scene(9 * WINDOW + 1000);
    let redirect = scene.redirect(0);
    assert_eq!(redirect.dc_id, CDN);
    assert_eq!(
        (redirect.encryption_key.len(), redirect.encryption_iv.len()),
        (32, 16)
    );
    assert_eq!(flat(&redirect.file_hashes), windows(&scene.bytes, 0, 8));

    // The CDN gets the file from the datacenter when somebody asks for it.
    let request = scene.request_token(&redirect.file_token, (3 * WINDOW) as i64);
    let hashes = scene.reupload(&redirect.file_token, &request).unwrap();
    assert_eq!(flat(&hashes), windows(&scene.bytes, 3 * WINDOW, 8));

    for size in [4096, 128 << 10, 1 << 20] {
        let mut got = Vec::new();
        loop {
            let part = scene.part(&redirect, i64::try_from(got.len()).unwrap(), size);
            got.extend_from_slice(&part);
            if part.len() < size as usize {
                break;
            }
        }
        assert!(got == scene.bytes, "in parts of {size}");
    }
    let late = scene
        .hashes(&redirect.file_token, (8 * WINDOW + 1) as i64)
        .unwrap();
    assert_eq!(flat(&late), windows(&scene.bytes, 8 * WINDOW, 8));
    let after = i64::try_from(scene.bytes.len() + WINDOW).unwrap();
    assert_eq!(scene.hashes(&redirect.file_token, after), Ok(Vec::new()));
    // What the CDN has is not the file.
    let enums::upload::CdnFile::CdnFile(raw) = scene.ask(&redirect.file_token, 0, 4096).unwrap()
    else {
        panic!("a part")
    };
    assert_ne!(raw.bytes[..], scene.bytes[..4096]);
    // Who cannot use a CDN is served as ever.
    let mut plain = get_file(&scene.document, 0, 4096);
    plain.cdn_supported = false;
    let answer = scene.rig.call(&mut scene.alice, &plain).unwrap();
    let enums::upload::File::File(file) = answer else {
        panic!("{answer:?}")
    };
    assert_eq!(file.bytes[..], scene.bytes[..4096]);
}

#[test]
fn tokens_are_good_for_one_file_at_one_place() {
    let mut scene = scene(10_000);
    let redirect = scene.redirect(0);
    let token = redirect.file_token.to_vec();
    let invalid = || "400 FILE_TOKEN_INVALID".to_owned();
    assert_eq!(scene.ask(b"?", 0, 4096).unwrap_err(), invalid());
    assert_eq!(scene.hashes(b"?", 0).unwrap_err(), invalid());
    scene.edge.dc_id = CDN + 1;
    assert_eq!(scene.ask(&token, 0, 4096).unwrap_err(), invalid());
    scene.edge.dc_id = CDN;
    let request = scene.request_token(&token, 0);
    assert_eq!(scene.reupload(b"?", &request).unwrap_err(), invalid());
    for wrong in [b"?".to_vec(), Vec::new(), token.clone()] {
        let refused = scene.reupload(&token, &wrong).unwrap_err();
        assert_eq!(refused, "400 REQUEST_TOKEN_INVALID");
    }
    scene.reupload(&token, &request).unwrap();
    assert_eq!(
        scene.reupload(&token, &request).unwrap_err(),
        "400 REQUEST_TOKEN_INVALID",
        "once"
    );
    for (offset, limit, error) in [
        (-4096, 4096, "400 OFFSET_INVALID"),
        (1024, 4096, "400 OFFSET_INVALID"),
        (0, 0, "400 LIMIT_INVALID"),
        (0, 12_288, "400 LIMIT_INVALID"),
        (0, 2 << 20, "400 LIMIT_INVALID"),
        (4096, 1 << 20, "400 LIMIT_INVALID"),
        (1 << 40, 4096, "400 OFFSET_INVALID"),
    ] {
        let refused = scene.ask(&token, offset, limit).unwrap_err();
        assert_eq!(refused, error, "{offset} {limit}");
    }
    assert_eq!(scene.hashes(&token, -1).unwrap_err(), "400 OFFSET_INVALID");
    // Hashes come from the datacenter that redirected.
    let export = functions::auth::ExportAuthorization { dc_id: 4 };
    let enums::auth::ExportedAuthorization::ExportedAuthorization(ticket) =
        scene.rig.call(&mut scene.alice, &export).unwrap();
    let import = functions::auth::ImportAuthorization {
        id: ticket.id,
        bytes: ticket.bytes,
    };
    let mut elsewhere = scene.rig.client_at(4);
    scene.rig.call(&mut elsewhere, &import).unwrap();
    let home = std::mem::replace(&mut scene.alice, elsewhere);
    assert_eq!(scene.hashes(&token, 0).unwrap_err(), invalid());
    scene.alice = home;
    scene.hashes(&token, 0).unwrap();

    // On demand the CDN forgets the file, or its name.
    let id = scene.document.id;
    operate(&mut scene.rig, |operator| operator.forget_at_cdn(id)).unwrap();
    let request = scene.request_token(&token, 0);
    scene.reupload(&token, &request).unwrap();
    assert_eq!(scene.part(&redirect, 0, 4096), scene.bytes[..4096]);
    operate(&mut scene.rig, |operator| operator.forget_at_cdn(id)).unwrap();
    let before = scene.request_token(&token, 0);
    operate(&mut scene.rig, |operator| operator.renew_cdn_token(id)).unwrap();
    assert_eq!(scene.ask(&token, 0, 4096).unwrap_err(), invalid());
    assert_eq!(scene.hashes(&token, 0).unwrap_err(), invalid());
    let renewed = scene.redirect(0);
    let stale = scene.reupload(&renewed.file_token, &before).unwrap_err();
    assert_eq!(stale, "400 REQUEST_TOKEN_INVALID");
    let renewed = scene.ready();
    assert_ne!(renewed.file_token[..], token[..]);
    assert_eq!(scene.part(&renewed, 8192, 4096), scene.bytes[8192..]);
    operate(&mut scene.rig, |operator| operator.serve_without_cdn(id)).unwrap();
    assert_eq!(
        scene.ask(&renewed.file_token, 0, 4096).unwrap_err(),
        invalid()
    );
    let request = get_file(&scene.document, 0, 4096);
    let answer = scene.rig.call(&mut scene.alice, &request).unwrap();
    assert!(matches!(answer, enums::upload::File::File(_)), "{answer:?}");
}

#[test]
fn a_cdn_serves_parts_alone_and_nobody_else_does() {
    let mut scene = scene(10_000);
    let redirect = scene.ready();
    let rig = &mut scene.rig;
    assert_eq!(
        rig.error(&mut scene.edge, &functions::help::GetConfig),
        "400 CDN_METHOD_INVALID"
    );
    let hashes = functions::upload::GetCdnFileHashes {
        file_token: redirect.file_token.clone(),
        offset: 0,
    };
    assert_eq!(
        rig.error(&mut scene.edge, &hashes),
        "400 CDN_METHOD_INVALID"
    );
    assert_eq!(
        rig.error(&mut scene.edge, &get_file(&scene.document, 0, 4096)),
        "400 CDN_METHOD_INVALID"
    );
    let part = functions::upload::GetCdnFile {
        file_token: redirect.file_token.clone(),
        offset: 0,
        limit: 4096,
    };
    assert_eq!(rig.error(&mut scene.alice, &part), "400 METHOD_INVALID");
    let mut uninitialized = rig.client_at(CDN);
    uninitialized.role = Role::Cdn;
    uninitialized.initialized = true;
    assert_eq!(
        rig.error(&mut uninitialized, &part),
        "400 CONNECTION_NOT_INITED"
    );
    let mut stranger = rig.client();
    assert_eq!(
        rig.error(&mut stranger, &hashes),
        "401 AUTH_KEY_UNREGISTERED"
    );

    let (document, unknown) = (scene.document.id, OperatorError::Unknown { id: 1 });
    operate(rig, |operator| {
        assert_eq!(operator.serve_by_cdn(1, CDN), Err(unknown.clone()));
        assert_eq!(operator.forget_at_cdn(1), Err(unknown));
        for dc_id in [2, 205] {
            let no_cdn = Err(OperatorError::Cdn { dc_id });
            assert_eq!(operator.serve_by_cdn(document, dc_id), no_cdn);
        }
        operator.serve_without_cdn(document).unwrap();
        let unserved = Err(OperatorError::Unknown { id: document });
        assert_eq!(operator.renew_cdn_token(document), unserved);
    });
}

#[test]
fn a8_every_lie_about_a_file_is_told_as_often_as_it_is_ordered() {
    let mut scene = scene(WINDOW + 5000);
    let redirect = scene.ready();
    let honest = scene.bytes.clone();
    let told = |scene: &mut Scene| scene.part(&redirect, 0, 4096);

    scene.lie(CdnLie::WrongBytes);
    let wrong = told(&mut scene);
    assert_eq!((wrong.len(), &wrong[1..]), (4096, &honest[1..4096]));
    assert_ne!(wrong[0], honest[0]);
    scene.lie(CdnLie::ShortPart);
    assert_eq!(told(&mut scene), honest[..2048]);
    scene.lie(CdnLie::LongPart);
    let long = told(&mut scene);
    assert_eq!((long.len(), &long[..4096]), (4112, &honest[..4096]));
    scene.lie(CdnLie::EndlessFile);
    let behind = i64::try_from(2 * WINDOW).unwrap();
    assert_eq!(scene.part(&redirect, behind, 4096).len(), 4096);
    assert_eq!(scene.part(&redirect, behind, 4096).len(), 0);
    assert_eq!(told(&mut scene), honest[..4096], "each lie was told once");

    let right = windows(&honest, 0, 8);
    let token = redirect.file_token.to_vec();
    scene.lie(CdnLie::WrongHash);
    let hashes = flat(&scene.hashes(&token, 0).unwrap());
    for ((at, length, hash), wrong) in right.iter().zip(&hashes) {
        assert_eq!((at, length), (&wrong.0, &wrong.1));
        assert_ne!(*hash, wrong.2);
    }
    scene.lie(CdnLie::NoHash);
    assert_eq!(scene.redirect(0).file_hashes, []);
    assert_eq!(flat(&scene.redirect(0).file_hashes), right);
    scene.lie(CdnLie::ShortKey);
    assert_eq!(scene.redirect(0).encryption_key.len(), 31);
    scene.lie(CdnLie::ShortIv);
    assert_eq!(scene.redirect(0).encryption_iv.len(), 15);
    scene.lie(CdnLie::RedirectTo(1));
    assert_eq!(scene.redirect(0).dc_id, 1);
    assert_eq!(scene.redirect(0), redirect);
}

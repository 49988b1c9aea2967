//! Files by reference.
#![allow(clippy::unwrap_used)]

use crate::rpc_support::*;
use actogram_local_datacenter::model::PeerKey;
use actogram_tl as tl;
use tl::{enums, functions, types};

fn document(message: &types::Message) -> types::InputDocument {
    let Some(enums::MessageMedia::MessageMediaDocument(media)) = &message.media else {
        panic!("{message:?}")
    };
    let Some(enums::Document::Document(document)) = &media.document else {
        panic!("{media:?}")
    };
    assert_eq!(
        (document.size, document.mime_type.as_str()),
        (9, "text/plain")
    );
    types::InputDocument {
        id: document.id,
        access_hash: document.access_hash,
        file_reference: document.file_reference.clone(),
    }
}

#[test]
fn a_file_is_named_by_its_reader_alone_and_for_a_time() {
    let mut p = pair();
    let (alice, bob) = (p.alice_id, p.bob_id);
    operate(&mut p.rig, |o| {
        o.send_document(alice, PeerKey::User(bob), "a.txt", "text/plain", 9)
    })
    .unwrap();
    let bobs = document(&only_new_message(&p.rig.take_pushes(&p.bob)));
    let history = messages(p.rig.call(&mut p.alice, &get_history(&p.to_bob)).unwrap());
    let alices = document(message(&history[0]));
    assert_eq!(alices.id, bobs.id);
    assert_ne!(alices.access_hash, bobs.access_hash);
    assert_ne!(alices.file_reference, bobs.file_reference);

    let mut number = 100;
    let mut send = |peer: &enums::InputPeer, document: &types::InputDocument| {
        number += 1;
        let media = types::InputMediaDocument::new(document.clone().into());
        functions::messages::SendMedia::new(peer.clone(), media.into(), String::new(), number)
    };
    let to_alice = p.to_alice.clone();
    p.rig.take_pushes(&p.alice);
    p.rig.call(&mut p.bob, &send(&to_alice, &bobs)).unwrap();
    let got = document(&only_new_message(&p.rig.take_pushes(&p.alice)));
    assert_eq!(got, alices);

    let with = |change: &dyn Fn(&mut types::InputDocument)| {
        let mut document = bobs.clone();
        change(&mut document);
        document
    };
    for (wrong, error) in [
        (alices.clone(), "400 DOCUMENT_INVALID"),
        (with(&|it| it.id += 1), "400 DOCUMENT_INVALID"),
        (with(&|it| it.access_hash = 0), "400 DOCUMENT_INVALID"),
        (
            with(&|it| it.file_reference = Vec::new().into()),
            "400 FILE_REFERENCE_EMPTY",
        ),
        (
            with(&|it| it.file_reference = vec![0; 12].into()),
            "400 FILE_REFERENCE_EXPIRED",
        ),
        (
            with(&|it| it.file_reference = alices.file_reference.clone()),
            "400 FILE_REFERENCE_EXPIRED",
        ),
    ] {
        assert_eq!(p.rig.error(&mut p.bob, &send(&to_alice, &wrong)), error);
    }
    operate(&mut p.rig, |o| o.expire_file_references()).unwrap();
    assert_eq!(
        p.rig.error(&mut p.bob, &send(&to_alice, &bobs)),
        "400 FILE_REFERENCE_EXPIRED"
    );
    let history = messages(p.rig.call(&mut p.bob, &get_history(&p.to_alice)).unwrap());
    let fresh = document(message(&history[0]));
    assert_eq!(fresh.access_hash, bobs.access_hash);
    p.rig.call(&mut p.bob, &send(&to_alice, &fresh)).unwrap();
}

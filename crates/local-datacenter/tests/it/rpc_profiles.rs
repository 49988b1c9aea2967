//! Address books, profiles, presence, and what a client asks for when it starts.
#![allow(clippy::unwrap_used)]

use crate::rpc_support::*;
use actogram_tl as tl;
use tl::{enums, functions, types};

#[test]
fn an_address_book_is_one_sided_until_both_have_it() {
    let mut p = pair();
    let phone = |p: &Pair, id| p.rig.world.state().user(id).unwrap().phone.clone().unwrap();
    let (alice_phone, bob_phone) = (phone(&p, p.alice_id), phone(&p, p.bob_id));
    let import = |phone: &str| functions::contacts::ImportContacts {
        contacts: ["+1000000000", phone]
            .iter()
            .enumerate()
            .map(|(n, phone)| {
                types::InputPhoneContact {
                    client_id: n as i64,
                    phone: (*phone).to_owned(),
                    first_name: "Bobby".into(),
                    last_name: "B".into(),
                    note: None,
                }
                .into()
            })
            .collect(),
    };
    let enums::contacts::ImportedContacts::ImportedContacts(imported) =
        p.rig.call(&mut p.alice, &import(&bob_phone)).unwrap();
    let enums::ImportedContact::ImportedContact(one) = &imported.imported[0];
    assert_eq!(
        (imported.imported.len(), one.user_id, one.client_id),
        (1, p.bob_id, 1)
    );
    let bob = user(&imported.users[0]);
    assert!(bob.contact && !bob.mutual_contact);
    assert_eq!(bob.first_name.as_deref(), Some("Bobby"));
    assert_eq!(bob.phone.as_deref(), Some(bob_phone.as_str()));
    p.rig.call(&mut p.bob, &import(&alice_phone)).unwrap();
    let list = |p: &mut Pair| {
        let enums::contacts::Contacts::Contacts(list) = p
            .rig
            .call(&mut p.alice, &functions::contacts::GetContacts { hash: 0 })
            .unwrap()
        else {
            panic!("a list")
        };
        list
    };
    let all = list(&mut p);
    let enums::Contact::Contact(one) = &all.contacts[0];
    assert!(one.mutual);
    let to_bob = input_user(&p.to_bob);
    let search = functions::contacts::Search {
        broadcasts: false,
        bots: false,
        q: "bob".into(),
        limit: 10,
    };
    let enums::contacts::Found::Found(found) = p.rig.call(&mut p.alice, &search).unwrap();
    assert_eq!((found.my_results.len(), found.results.len()), (1, 0));
    p.rig
        .call(
            &mut p.alice,
            &functions::contacts::DeleteContacts {
                id: vec![to_bob.clone()],
            },
        )
        .unwrap();
    assert_eq!(list(&mut p).contacts.len(), 0);
    let enums::contacts::Found::Found(found) = p.rig.call(&mut p.alice, &search).unwrap();
    assert_eq!((found.my_results.len(), found.results.len()), (0, 1));
    let mut add = functions::contacts::AddContact {
        add_phone_privacy_exception: false,
        id: to_bob,
        first_name: " ".into(),
        last_name: String::new(),
        phone: String::new(),
        note: None,
    };
    assert_eq!(p.rig.error(&mut p.alice, &add), "400 CONTACT_NAME_EMPTY");
    add.first_name = "B.".into();
    p.rig.call(&mut p.alice, &add).unwrap();
    assert_eq!(list(&mut p).contacts.len(), 1);
    let resolve = functions::contacts::ResolvePhone { phone: bob_phone };
    let enums::contacts::ResolvedPeer::ResolvedPeer(found) =
        p.rig.call(&mut p.alice, &resolve).unwrap();
    assert_eq!(user(&found.users[0]).first_name.as_deref(), Some("B."));
    let nobody = functions::contacts::ResolvePhone {
        phone: "4900000000".into(),
    };
    assert_eq!(p.rig.error(&mut p.alice, &nobody), "400 PHONE_NOT_OCCUPIED");
}

#[test]
fn usernames_resolve_in_any_case_or_with_a_documented_error() {
    let mut p = pair();
    let resolve = |username: &str| functions::contacts::ResolveUsername {
        username: username.into(),
        referer: None,
    };
    for (username, expected) in [
        ("", "400 USERNAME_INVALID"),
        ("b", "400 USERNAME_INVALID"),
        ("bob bob", "400 USERNAME_INVALID"),
        ("nobody_here", "400 USERNAME_NOT_OCCUPIED"),
    ] {
        assert_eq!(p.rig.error(&mut p.alice, &resolve(username)), expected);
    }
    p.rig.call(&mut p.alice, &resolve("BOB_bob")).unwrap();
    let update = |username: &str| functions::account::UpdateUsername {
        username: username.into(),
    };
    assert_eq!(
        p.rig.error(&mut p.alice, &update("Bob_Bob")),
        "400 USERNAME_OCCUPIED"
    );
    assert_eq!(
        p.rig.error(&mut p.alice, &update("alice_a")),
        "400 USERNAME_NOT_MODIFIED"
    );
    assert_eq!(
        p.rig.error(&mut p.alice, &update("no")),
        "400 USERNAME_INVALID"
    );
    let check = |username: &str| functions::account::CheckUsername {
        username: username.into(),
    };
    assert!(!p.rig.call(&mut p.alice, &check("bob_bob")).unwrap());
    assert!(p.rig.call(&mut p.alice, &check("free_name")).unwrap());
    p.rig.call(&mut p.alice, &update("")).unwrap();
    assert_eq!(
        p.rig.error(&mut p.bob, &resolve("alice_a")),
        "400 USERNAME_NOT_OCCUPIED"
    );
}

#[test]
fn profiles_and_presence_are_told_to_acquaintances() {
    let mut p = pair();
    p.rig
        .call(&mut p.alice, &send_message(&p.to_bob, "hi", 1))
        .unwrap();
    p.rig.pushed.clear();
    let mut profile = functions::account::UpdateProfile {
        first_name: Some("Alicia".into()),
        last_name: None,
        about: Some("reads".into()),
    };
    p.rig.call(&mut p.alice, &profile).unwrap();
    let pushes = p.rig.take_pushes(&p.bob);
    assert!(
        pushes
            .iter()
            .flat_map(updates)
            .any(|u| matches!(&u, enums::Update::UpdateUserName(u) if u.first_name == "Alicia")),
        "{pushes:?}"
    );
    profile.first_name = Some(" ".into());
    assert_eq!(p.rig.error(&mut p.alice, &profile), "400 FIRSTNAME_INVALID");
    profile.first_name = None;
    profile.about = Some("x".repeat(71));
    assert_eq!(p.rig.error(&mut p.alice, &profile), "400 ABOUT_TOO_LONG");
    let id = input_user(&p.to_alice);
    let enums::users::UserFull::UserFull(full) = p
        .rig
        .call(&mut p.bob, &functions::users::GetFullUser { id })
        .unwrap();
    let enums::UserFull::UserFull(full) = &full.full_user;
    assert_eq!(full.about.as_deref(), Some("reads"));

    for (offline, online) in [(false, true), (true, false)] {
        p.rig
            .call(&mut p.alice, &functions::account::UpdateStatus { offline })
            .unwrap();
        let pushes = p.rig.take_pushes(&p.bob);
        let [enums::Updates::UpdateShort(short)] = &pushes[..] else {
            panic!("{pushes:?}")
        };
        let enums::Update::UpdateUserStatus(status) = &short.update else {
            panic!("{short:?}")
        };
        assert_eq!(status.user_id, p.alice_id);
        assert_eq!(
            matches!(status.status, enums::UserStatus::UserStatusOnline(_)),
            online
        );
    }
}

#[test]
fn an_authorization_is_carried_to_another_datacenter_once() {
    let mut p = pair();
    let export = |dc_id| functions::auth::ExportAuthorization { dc_id };
    for wrong in [0, 2, 6] {
        assert_eq!(
            p.rig.error(&mut p.alice, &export(wrong)),
            "400 DC_ID_INVALID"
        );
    }
    let import = |p: &mut Pair, late: u64| {
        let enums::auth::ExportedAuthorization::ExportedAuthorization(ticket) =
            p.rig.call(&mut p.alice, &export(4)).unwrap();
        p.rig.now += std::time::Duration::from_secs(late);
        let mut other = p.rig.client();
        let request = functions::auth::ImportAuthorization {
            id: ticket.id,
            bytes: ticket.bytes,
        };
        let result = p.rig.call(&mut other, &request);
        (other, request, result)
    };
    let (mut other, request, result) = import(&mut p, 0);
    assert_eq!(logged_in(result.unwrap()).id, p.alice_id);
    p.rig
        .call(&mut other, &functions::updates::GetState)
        .unwrap();
    p.rig
        .call(&mut p.bob, &send_message(&p.to_alice, "hi", 1))
        .unwrap();
    assert_eq!(p.rig.take_pushes(&p.alice).len(), 1);
    assert_eq!(
        p.rig.take_pushes(&other).len(),
        0,
        "updates go to the main datacenter"
    );
    let mut third = p.rig.client();
    assert_eq!(p.rig.error(&mut third, &request), "400 AUTH_BYTES_INVALID");
    let (_, _, result) = import(&mut p, 60);
    assert_eq!(result.unwrap_err().to_string(), "400 AUTH_BYTES_INVALID");
}

#[test]
fn what_clients_ask_at_the_start_is_answered() {
    let mut p = pair();
    let rig = &mut p.rig;
    let app = functions::help::GetAppConfig { hash: 0 };
    let enums::help::AppConfig::AppConfig(config) = rig.call(&mut p.alice, &app).unwrap() else {
        panic!("a configuration")
    };
    let again = functions::help::GetAppConfig { hash: config.hash };
    assert!(matches!(
        rig.call(&mut p.alice, &again).unwrap(),
        enums::help::AppConfig::AppConfigNotModified
    ));
    rig.call(&mut p.alice, &functions::help::GetTermsOfServiceUpdate)
        .unwrap();
    rig.call(&mut p.alice, &functions::help::GetCdnConfig)
        .unwrap();
    rig.call(&mut p.alice, &functions::help::GetPromoData)
        .unwrap();
    let pack = functions::langpack::GetStrings {
        lang_pack: "android".into(),
        lang_code: "en".into(),
        keys: vec!["Title".into()],
    };
    let strings = rig.call(&mut p.alice, &pack).unwrap();
    assert!(matches!(
        &strings[..],
        [enums::LangPackString::LangPackStringDeleted(s)] if s.key == "Title"
    ));
    let pinned = rig
        .call(
            &mut p.alice,
            &functions::messages::GetPinnedDialogs { folder_id: 0 },
        )
        .unwrap();
    let enums::messages::PeerDialogs::PeerDialogs(pinned) = pinned;
    assert_eq!(pinned.dialogs.len(), 0);
    let none = functions::messages::GetPeerDialogs { peers: Vec::new() };
    assert_eq!(rig.error(&mut p.alice, &none), "400 INPUT_PEERS_EMPTY");
    let one = functions::messages::GetPeerDialogs {
        peers: vec![
            types::InputDialogPeer {
                peer: p.to_bob.clone(),
            }
            .into(),
        ],
    };
    let enums::messages::PeerDialogs::PeerDialogs(one) = rig.call(&mut p.alice, &one).unwrap();
    assert_eq!(
        (one.dialogs.len(), one.messages.len(), one.users.len()),
        (1, 0, 1)
    );
}

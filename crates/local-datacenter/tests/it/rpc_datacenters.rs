//! Several datacenters: where accounts are at home, what the others say, and how logins are brought to them.
#![allow(clippy::unwrap_used)]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use crate::channel_support::*;
use crate::rpc_support::*;
use actogram_crypto::random::SeededRandom;
use actogram_local_datacenter::model::{
    DatacenterAddress, Endpoint, PeerKey, Role, UserId, World, WorldConfig,
};
use actogram_local_datacenter::operator::OperatorError;
use actogram_local_datacenter::storage::{MemoryJournal, SqliteJournal};
use actogram_tl as tl;
use bytes::Bytes;
use tl::{Encode, RawQuery, enums, functions, types};

fn at(endpoint: Endpoint, port: u16) -> DatacenterAddress {
    DatacenterAddress {
        endpoint,
        ip: if endpoint.ipv6 {
            IpAddr::V6(Ipv6Addr::LOCALHOST)
        } else {
            IpAddr::V4(Ipv4Addr::LOCALHOST)
        },
        port,
    }
}

fn datacenters(world: &mut World) {
    world.set_datacenters(vec![
        at(Endpoint::main(2), 1),
        at(Endpoint::main(4), 2),
        at(Endpoint::main(5).over_ipv6().movable(), 3),
        at(Endpoint::media_only(4), 4),
        at(Endpoint::main(4).obfuscated_only(), 5),
        at(Endpoint::cdn(203), 6),
    ]);
}

/// Datacenters 2, 4 and 5; who makes an account is at home at 2.
fn rig() -> Rig {
    let mut rig = Rig::new();
    datacenters(&mut rig.world);
    rig
}

fn options(rig: &mut Rig, client: &mut Client) -> (i32, Vec<types::DcOption>) {
    let enums::Config::Config(config) = rig.call(client, &functions::help::GetConfig).unwrap();
    let options = config.dc_options.iter().map(|option| match option {
        enums::DcOption::DcOption(option) => (**option).clone(),
    });
    (config.this_dc, options.collect())
}

#[test]
fn the_configuration_names_every_listener_with_its_role() {
    let mut rig = rig();
    let mut client = rig.client_at(4);
    let (this_dc, options) = options(&mut rig, &mut client);
    assert_eq!(this_dc, 4);
    let told: Vec<_> = options
        .iter()
        .map(|o| {
            let flags = [
                (o.ipv6, "ipv6"),
                (o.media_only, "media_only"),
                (o.tcpo_only, "tcpo_only"),
                (o.cdn, "cdn"),
                (o.static_, "static"),
                (o.this_port_only, "this_port_only"),
            ];
            let set: Vec<_> = flags
                .iter()
                .filter(|(set, _)| *set)
                .map(|(_, n)| *n)
                .collect();
            (o.id, o.port, o.ip_address.as_str(), set.join(" "))
        })
        .collect();
    let fixed = |more: &str| format!("{more}static this_port_only");
    assert_eq!(
        told,
        [
            (2, 1, "127.0.0.1", fixed("")),
            (4, 2, "127.0.0.1", fixed("")),
            (4, 4, "127.0.0.1", fixed("media_only ")),
            (4, 5, "127.0.0.1", fixed("tcpo_only ")),
            (5, 3, "::1", "ipv6".into()),
            (203, 6, "127.0.0.1", fixed("cdn ")),
        ],
        "numbers without a datacenter are not told where there are several"
    );
}

#[test]
fn other_addresses_are_told_and_pushed_on_demand() {
    let mut rig = rig();
    let (mut alice, _) = rig.person("Alice");
    let truth = options(&mut rig, &mut alice).1;
    rig.pushed.clear();
    let nobody = vec![at(Endpoint::main(2), 9), at(Endpoint::main(2), 1)];
    operate(&mut rig, |operator| operator.advertise(Some(nobody))).unwrap();
    let pushes = rig.take_pushes(&alice);
    let [enums::Update::UpdateDcOptions(pushed)] = &updates(&pushes[0])[..] else {
        panic!("{pushes:?}")
    };
    let pushed = pushed.dc_options.iter().map(|option| match option {
        enums::DcOption::DcOption(option) => (**option).clone(),
    });
    let told = options(&mut rig, &mut alice).1;
    assert_eq!(pushed.collect::<Vec<_>>(), told);
    let ports: Vec<_> = told.iter().map(|option| (option.id, option.port)).collect();
    assert_eq!(ports, [(2, 9), (2, 1)]);
    // Who is at home where does not change by what is told.
    assert_eq!(rig.world.home(1), 2);
    operate(&mut rig, |operator| operator.advertise(None)).unwrap();
    assert_eq!(options(&mut rig, &mut alice).1, truth);
}

#[test]
fn a_lone_datacenter_stands_for_all_numbers() {
    let mut rig = Rig::new();
    rig.world.set_datacenters(vec![
        at(Endpoint::main(3), 7),
        at(Endpoint::media_only(3), 8),
    ]);
    let mut client = rig.client_at(3);
    let (_, options) = options(&mut rig, &mut client);
    let told: Vec<_> = options
        .iter()
        .map(|o| (o.id, o.port, o.media_only))
        .collect();
    let expected: Vec<_> = (1..=5)
        .flat_map(|id| [(id, 7, false), (id, 8, true)])
        .collect();
    assert_eq!(told, expected);
}

fn send_code(phone: &str) -> functions::auth::SendCode {
    functions::auth::SendCode {
        phone_number: phone.into(),
        api_id: 1,
        api_hash: "hash".into(),
        settings: code_settings(),
    }
}

fn import_bot(token: &str) -> functions::auth::ImportBotAuthorization {
    functions::auth::ImportBotAuthorization {
        flags: 0,
        api_id: 1,
        api_hash: "h".into(),
        bot_auth_token: token.into(),
    }
}

#[test]
fn logins_are_sent_to_the_home_of_the_account() {
    let mut rig = rig();
    let phone = "4915100000001";
    let (bot, ann) = operate(&mut rig, |operator| {
        let bot = operator.create_bot_at(5, "far_bot", "Far").unwrap();
        let ann = operator.create_user_at(4, phone, "Ann").unwrap();
        assert_eq!(operator.home(ann), Ok(4));
        assert_eq!(
            operator.move_home(ann, 203),
            Err(OperatorError::Datacenter { dc_id: 203 }),
            "nobody is at home at a CDN"
        );
        assert_eq!(
            operator.move_home(1, 4),
            Err(OperatorError::Unknown { id: 1 })
        );
        (bot, ann)
    });
    for dc_id in [2, 5] {
        let mut client = rig.client_at(dc_id);
        assert_eq!(
            rig.error(&mut client, &send_code(phone)),
            "303 PHONE_MIGRATE_4"
        );
        let early = sign_in(phone, "hash", "12345");
        assert_eq!(rig.error(&mut client, &early), "303 PHONE_MIGRATE_4");
        assert_eq!(rig.issued(), 0, "no code is sent in vain");
    }
    let mut client = rig.client_at(4);
    let hash = rig.send_code(&mut client, phone);
    let code = rig.code_for(phone);
    let answer = rig
        .call(&mut client, &sign_in(phone, &hash, &code))
        .unwrap();
    assert_eq!(logged_in(answer).id, ann);

    let mut near = rig.client_at(2);
    assert_eq!(
        rig.error(&mut near, &import_bot(&bot.token)),
        "303 USER_MIGRATE_5"
    );
    assert_eq!(
        rig.error(&mut near, &import_bot("1:wrong")),
        "400 ACCESS_TOKEN_INVALID",
        "who has no token learns nothing"
    );
    let mut far = rig.client_at(5);
    let answer = rig.call(&mut far, &import_bot(&bot.token)).unwrap();
    assert_eq!(logged_in(answer).id, bot.id);
}

#[test]
fn new_numbers_register_where_they_are_told_to() {
    let mut rig = rig();
    operate(&mut rig, |operator| {
        operator.register_new_phones_at(Some(5))
    })
    .unwrap();
    let phone = "4915100000002";
    let mut client = rig.client_at(2);
    assert_eq!(
        rig.error(&mut client, &send_code(phone)),
        "303 NETWORK_MIGRATE_5"
    );
    let mut client = rig.client_at(5);
    let hash = rig.send_code(&mut client, phone);
    let code = rig.code_for(phone);
    rig.call(&mut client, &sign_in(phone, &hash, &code))
        .unwrap();
    let sign_up = functions::auth::SignUp {
        no_joined_notifications: false,
        phone_number: phone.into(),
        phone_code_hash: hash,
        first_name: "Eve".into(),
        last_name: String::new(),
    };
    let eve = logged_in(rig.call(&mut client, &sign_up).unwrap()).id;
    assert_eq!(
        rig.world.home(eve),
        5,
        "who registered there is at home there"
    );
    operate(&mut rig, |operator| operator.register_new_phones_at(None)).unwrap();
    let mut client = rig.client_at(2);
    rig.send_code(&mut client, "4915100000003");
    assert_eq!(
        rig.error(&mut client, &send_code(phone)),
        "303 PHONE_MIGRATE_5"
    );
}

fn ticket(rig: &mut Rig, from: &mut Client, dc_id: i32) -> functions::auth::ImportAuthorization {
    let export = functions::auth::ExportAuthorization { dc_id };
    let enums::auth::ExportedAuthorization::ExportedAuthorization(ticket) =
        rig.call(from, &export).unwrap();
    functions::auth::ImportAuthorization {
        id: ticket.id,
        bytes: ticket.bytes,
    }
}

/// Brings a login to another datacenter.
fn bring(rig: &mut Rig, from: &mut Client, dc_id: i32) -> Client {
    let ticket = ticket(rig, from, dc_id);
    let mut there = rig.client_at(dc_id);
    rig.call(&mut there, &ticket).unwrap();
    there
}

#[test]
fn a_ticket_is_taken_once_in_time_and_where_it_is_for() {
    let mut rig = rig();
    let (mut alice, id) = rig.person("Alice");
    for wrong in [-4, 0, 1, 2, 3, 203, 10_004] {
        let export = functions::auth::ExportAuthorization { dc_id: wrong };
        assert_eq!(
            rig.error(&mut alice, &export),
            "400 DC_ID_INVALID",
            "{wrong}"
        );
    }
    let refused = |rig: &mut Rig, dc_id: i32, ticket: &functions::auth::ImportAuthorization| {
        let mut client = rig.client_at(dc_id);
        assert_eq!(rig.error(&mut client, ticket), "400 AUTH_BYTES_INVALID");
    };
    // Where it is for another.
    let wrong_place = ticket(&mut rig, &mut alice, 4);
    refused(&mut rig, 5, &wrong_place);
    refused(&mut rig, 4, &wrong_place);
    // Of another account, or changed.
    let mut of_another = ticket(&mut rig, &mut alice, 4);
    of_another.id += 1;
    refused(&mut rig, 4, &of_another);
    let mut changed = ticket(&mut rig, &mut alice, 4);
    let mut bytes = changed.bytes.to_vec();
    bytes[0] ^= 1;
    changed.bytes = Bytes::from(bytes);
    refused(&mut rig, 4, &changed);
    // Too late.
    let late = ticket(&mut rig, &mut alice, 4);
    rig.now += Duration::from_secs(60);
    refused(&mut rig, 4, &late);
    // Of a login that has ended.
    let mut second = rig.second_login(id);
    let ended = ticket(&mut rig, &mut second, 4);
    rig.call(&mut second, &functions::auth::LogOut).unwrap();
    refused(&mut rig, 4, &ended);
    // By the login itself.
    let own = ticket(&mut rig, &mut alice, 4);
    let mut itself = Client {
        dc_id: 4,
        ..alice.clone()
    };
    assert_eq!(rig.error(&mut itself, &own), "400 AUTH_BYTES_INVALID");
    rig.call(&mut alice, &functions::updates::GetState).unwrap();
    // And once as it should be.
    let right = ticket(&mut rig, &mut alice, 4);
    let mut there = rig.client_at(4);
    let answer = rig.call(&mut there, &right).unwrap();
    assert_eq!(logged_in(answer).id, id);
    refused(&mut rig, 4, &right);
}

fn listed(rig: &mut Rig, client: &mut Client) -> Vec<(bool, i64)> {
    let request = functions::account::GetAuthorizations;
    let enums::account::Authorizations::Authorizations(list) = rig.call(client, &request).unwrap();
    let one = |enums::Authorization::Authorization(a): &enums::Authorization| (a.current, a.hash);
    list.authorizations.iter().map(one).collect()
}

#[test]
fn a_brought_login_serves_files_alone_and_ends_with_its_origin() {
    let mut rig = rig();
    let (mut alice, id) = rig.person("Alice");
    let mut there = bring(&mut rig, &mut alice, 4);
    assert_eq!(
        rig.error(&mut there, &functions::updates::GetState),
        "303 USER_MIGRATE_2"
    );
    let again = functions::auth::ExportAuthorization { dc_id: 5 };
    assert_eq!(rig.error(&mut there, &again), "303 USER_MIGRATE_2");
    rig.call(&mut there, &functions::help::GetConfig).unwrap();
    assert_eq!(
        listed(&mut rig, &mut alice),
        [(true, 0)],
        "one login, not two"
    );

    // It gets no updates, and says nothing about new logins.
    let mut second = rig.second_login(id);
    rig.take_pushes(&second);
    let me = enums::InputPeer::InputPeerSelf;
    rig.call(&mut second, &send_message(&me, "note", 1))
        .unwrap();
    assert_eq!(rig.take_pushes(&there).len(), 0);
    assert!(!rig.take_pushes(&alice).is_empty());

    // The other login ends this one, and what was brought from it.
    let other = listed(&mut rig, &mut second);
    let hash = other.iter().find(|(current, _)| !current).unwrap().1;
    let reset = functions::account::ResetAuthorization { hash };
    assert!(rig.call(&mut second, &reset).unwrap());
    assert_eq!(rig.revoked, [there.key, alice.key]);
    assert_eq!(
        rig.error(&mut there, &functions::auth::LogOut),
        "401 AUTH_KEY_UNREGISTERED"
    );

    // A brought login that is ended by itself takes nothing with it; a main one takes the brought.
    let mut brought = [4, 5].map(|dc_id| bring(&mut rig, &mut second, dc_id));
    rig.call(&mut brought[0], &functions::auth::LogOut).unwrap();
    rig.call(&mut second, &functions::updates::GetState)
        .unwrap();
    rig.call(&mut second, &functions::auth::LogOut).unwrap();
    assert_eq!(
        rig.error(&mut brought[1], &functions::auth::LogOut),
        "401 AUTH_KEY_UNREGISTERED"
    );
}

#[test]
fn other_logins_are_reset_but_not_what_was_brought_from_this_one() {
    let mut rig = rig();
    let (mut alice, id) = rig.person("Alice");
    let mut there = bring(&mut rig, &mut alice, 4);
    let mut second = rig.second_login(id);
    let second_there = bring(&mut rig, &mut second, 5);
    assert!(
        rig.call(&mut alice, &functions::auth::ResetAuthorizations)
            .unwrap()
    );
    assert_eq!(rig.revoked, [second_there.key, second.key]);
    rig.call(&mut there, &functions::auth::LogOut).unwrap();
    rig.call(&mut alice, &functions::updates::GetState).unwrap();
}

#[test]
fn r28_an_account_that_moves_takes_its_login_and_its_updates_with_it() {
    let mut rig = rig();
    let (mut alice, id) = rig.person("Alice");
    let (mut bob, bob_id) = rig.person("Bob");
    let mut file_login = bring(&mut rig, &mut alice, 5);
    rig.set_username(&mut alice, "alice_a");
    let to_alice = rig.input_peer(&mut bob, "alice_a");
    rig.pushed.clear();
    operate(&mut rig, |operator| operator.move_home(id, 4)).unwrap();
    assert_eq!(
        rig.error(&mut alice, &functions::updates::GetState),
        "303 USER_MIGRATE_4"
    );
    rig.call(&mut bob, &send_message(&to_alice, "where are you?", 1))
        .unwrap();
    assert_eq!(rig.take_pushes(&alice).len(), 0, "updates come from home");

    let mut at_home = bring(&mut rig, &mut alice, 4);
    rig.call(&mut at_home, &functions::updates::GetState)
        .unwrap();
    rig.call(&mut bob, &send_message(&to_alice, "there you are", 2))
        .unwrap();
    let pushes = rig.take_pushes(&at_home);
    assert_eq!(only_new_message(&pushes).message, "there you are");
    assert_eq!(rig.take_pushes(&alice).len(), 0);
    assert_eq!(
        listed(&mut rig, &mut at_home),
        [(true, 0)],
        "it is one login still"
    );

    // What was brought from the old login is of the new one now, and so is the old one.
    rig.call(&mut file_login, &functions::help::GetConfig)
        .unwrap();
    assert_eq!(
        rig.error(
            &mut alice,
            &functions::auth::ExportAuthorization { dc_id: 5 }
        ),
        "303 USER_MIGRATE_4",
        "it is brought no further"
    );
    rig.call(&mut at_home, &functions::auth::LogOut).unwrap();
    for gone in [&mut alice, &mut file_login] {
        assert_eq!(
            rig.error(gone, &functions::auth::LogOut),
            "401 AUTH_KEY_UNREGISTERED"
        );
    }
    assert_eq!(rig.world.home(bob_id), 2);
}

#[test]
fn only_main_listeners_push() {
    let mut rig = rig();
    let (mut alice, _) = rig.person("Alice");
    let sibling = |role, session| Client {
        role,
        ..alice.sibling(session)
    };
    let (mut media, mut main) = (sibling(Role::MediaOnly, 71), sibling(Role::Main, 72));
    for session in [&mut media, &mut main] {
        rig.call(session, &functions::updates::GetState).unwrap();
    }
    let me = enums::InputPeer::InputPeerSelf;
    rig.call(&mut alice, &send_message(&me, "note", 1)).unwrap();
    assert_eq!(rig.take_pushes(&media).len(), 0);
    assert_eq!(only_new_message(&rig.take_pushes(&main)).message, "note");
}

#[test]
fn a_call_that_waits_and_wants_no_updates_begins_none() {
    let mut rig = rig();
    let (mut alice, _) = rig.person("Alice");
    let mut quiet = alice.sibling(71);
    let inner = functions::InvokeWithoutUpdates {
        query: RawQuery::of(&functions::help::GetConfig),
    };
    let predecessor = quiet.last_msg_id + 8;
    let query = functions::InvokeAfterMsg {
        msg_id: predecessor,
        query: RawQuery::of(&inner),
    };
    let waits = rig.send(&mut quiet, query.to_bytes());
    assert!(rig.answer(waits).is_none());
    let me = enums::InputPeer::InputPeerSelf;
    rig.call(&mut alice, &send_message(&me, "note", 1)).unwrap();
    assert_eq!(rig.take_pushes(&quiet).len(), 0);
    let came = rig.send(&mut quiet, inner.to_bytes());
    assert_eq!(came, predecessor);
    assert!(rig.answer(came).is_some() && rig.answer(waits).is_some());
    rig.call(&mut alice, &send_message(&me, "note", 2)).unwrap();
    assert_eq!(rig.take_pushes(&quiet).len(), 0);
}

#[test]
fn statistics_are_at_their_datacenter() {
    let mut rig = rig();
    let (mut alice, _) = rig.person("Alice");
    let news = create(&mut rig, &mut alice, "News", true);
    let request = functions::stats::GetBroadcastStats {
        dark: false,
        channel: news.input(),
    };
    let followers = |answer: enums::stats::BroadcastStats| {
        let enums::stats::BroadcastStats::BroadcastStats(stats) = answer;
        let enums::StatsAbsValueAndPrev::StatsAbsValueAndPrev(followers) = stats.followers.clone();
        (followers.current, followers.previous)
    };
    let answer = rig.call(&mut alice, &request).unwrap();
    assert_eq!(followers(answer), (1.0, 0.0));
    operate(&mut rig, |operator| operator.keep_stats_at(news.id, 5)).unwrap();
    assert_eq!(rig.error(&mut alice, &request), "303 STATS_MIGRATE_5");
    let full = functions::channels::GetFullChannel {
        channel: news.input(),
    };
    let enums::messages::ChatFull::ChatFull(full) = rig.call(&mut alice, &full).unwrap();
    let enums::ChatFull::ChannelFull(full) = &full.full_chat else {
        panic!("{full:?}")
    };
    assert!(full.can_view_stats);
    assert_eq!(full.stats_dc, Some(5));
    let mut there = bring(&mut rig, &mut alice, 5);
    rig.now += Duration::from_secs(8 * 24 * 60 * 60);
    let answer = rig.call(&mut there, &request).unwrap();
    assert_eq!(followers(answer), (1.0, 1.0));
    // Not for everybody, and not of groups.
    let group = create(&mut rig, &mut alice, "Talk", false);
    let of_group = functions::stats::GetBroadcastStats {
        dark: false,
        channel: group.input(),
    };
    assert_eq!(rig.error(&mut alice, &of_group), "400 BROADCAST_REQUIRED");
    publish(&mut rig, &mut alice, &news, "the_news");
    let (mut bob, _) = rig.person("Bob");
    let seen = resolve(&mut rig, &mut bob, "the_news");
    let of_bob = functions::stats::GetBroadcastStats {
        dark: false,
        channel: seen.input(),
    };
    assert_eq!(rig.error(&mut bob, &of_bob), "400 CHAT_ADMIN_REQUIRED");
}

#[test]
fn r4_files_are_where_they_are_told_to_be_and_move_between_two_parts() {
    let mut rig = rig();
    let (mut alice, id) = rig.person("Alice");
    operate(&mut rig, |operator| operator.move_home(id, 4)).unwrap();
    let mut alice = bring(&mut rig, &mut alice, 4);
    let told = |rig: &mut Rig, alice: &mut Client| {
        let all = rig.call(alice, &get_history(&enums::InputPeer::InputPeerSelf));
        let all = messages(all.unwrap());
        let Some(enums::MessageMedia::MessageMediaDocument(media)) = &message(&all[0]).media else {
            panic!("{all:?}")
        };
        match &media.document {
            Some(enums::Document::Document(document)) => document.clone(),
            other => panic!("{other:?}"),
        }
    };
    let bytes: Vec<u8> = (0..8192_u32).map(|at| (at % 251) as u8).collect();
    operate(&mut rig, |operator| {
        operator.send_file(id, PeerKey::User(id), "a.bin", "text/plain", &bytes)
    })
    .unwrap();
    let document = told(&mut rig, &mut alice);
    assert_eq!(document.dc_id, 4, "where its sender is at home");
    let part = |offset: i64| functions::upload::GetFile {
        precise: false,
        cdn_supported: false,
        location: types::InputDocumentFileLocation {
            id: document.id,
            access_hash: document.access_hash,
            file_reference: document.file_reference.clone(),
            thumb_size: String::new(),
        }
        .into(),
        offset,
        limit: 4096,
    };
    let read = |answer: enums::upload::File| match answer {
        enums::upload::File::File(file) => file.bytes.to_vec(),
        other => panic!("{other:?}"),
    };
    let first = read(rig.call(&mut alice, &part(0)).unwrap());
    operate(&mut rig, |operator| {
        operator.keep_file_at(document.id, 5).unwrap();
        let unknown = Err(OperatorError::Unknown { id: 1 });
        assert_eq!(operator.keep_file_at(1, 5), unknown);
    });
    assert_eq!(rig.error(&mut alice, &part(4096)), "303 FILE_MIGRATE_5");
    let hashes = functions::upload::GetFileHashes {
        location: part(0).location,
        offset: 0,
    };
    assert_eq!(rig.error(&mut alice, &hashes), "303 FILE_MIGRATE_5");
    assert_eq!(told(&mut rig, &mut alice).dc_id, 5);
    let mut there = bring(&mut rig, &mut alice, 5);
    there.role = Role::MediaOnly;
    let second = read(rig.call(&mut there, &part(4096)).unwrap());
    assert_eq!([first, second].concat(), bytes);
    // One number stands for all where there is one datacenter.
    rig.world.set_datacenters(vec![at(Endpoint::main(4), 1)]);
    rig.call(&mut alice, &part(0)).unwrap();
}

#[test]
fn homes_and_brought_logins_outlive_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state");
    let open = || {
        let journal = Box::new(SqliteJournal::open(&path).unwrap());
        let mut rig = Rig::with(WorldConfig::default(), journal);
        datacenters(&mut rig.world);
        rig
    };
    let mut rig = open();
    let (mut alice, id): (Client, UserId) = rig.person("Alice");
    operate(&mut rig, |operator| operator.move_home(id, 4)).unwrap();
    let home = bring(&mut rig, &mut alice, 4);
    drop(rig);
    let mut rig = open();
    assert_eq!(rig.world.home(id), 4);
    let mut home = home;
    rig.call(&mut home, &functions::updates::GetState).unwrap();
    assert_eq!(
        rig.error(&mut alice, &functions::updates::GetState),
        "303 USER_MIGRATE_4"
    );
    // A world that was never told of datacenters has one, with the number 2.
    let random = Box::new(SeededRandom::from_seed(1));
    let world = World::open(WorldConfig::default(), Box::new(MemoryJournal), random).unwrap();
    assert_eq!(world.home(1), 2);
}

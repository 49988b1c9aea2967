//! Both storages hold what was written, by the same rules.

#![allow(clippy::unwrap_used)]

use std::{collections::BTreeMap, sync::Arc};

use actogram_crypto::AuthKey;
use actogram_store::{
    AuthKeyRecord, ChannelPosition, DcOption, DialogueKey, DialogueState, Durability, KeyKind,
    MemoryStorage, PeerKey, PeerKind, PeerRecord, Position, SaltRecord, SeenIn, SelfUser,
    SqliteStorage, Storage, Store, StoreOptions, Stream, UploadRecord, Write,
};
use proptest::prelude::*;

fn key(seed: u8) -> Arc<AuthKey> {
    Arc::new(AuthKey::new([seed; 256]))
}

fn peer(id: i64, access_hash: i64, min: bool, usernames: &[&str]) -> PeerRecord {
    PeerRecord {
        key: PeerKey {
            kind: PeerKind::User,
            id,
        },
        access_hash: Some(access_hash),
        min,
        usernames: usernames.iter().map(|name| (*name).to_owned()).collect(),
        seen_in: None,
    }
}

fn upload(part: u8, touched: i64) -> UploadRecord {
    UploadRecord {
        file_id: i64::MIN + i64::from(part),
        size: 4_194_304_000,
        modified: -1,
        touched,
        process: i64::MAX,
        parts: [part, 0xff][..].into(),
    }
}

fn dialogue(kind: PeerKind, person: i64) -> DialogueKey {
    DialogueKey {
        chat: PeerKey { kind, id: 77 },
        person: PeerKey {
            kind: PeerKind::User,
            id: person,
        },
    }
}

fn some_of_everything() -> Vec<Write> {
    vec![
        Write::AuthKey(AuthKeyRecord {
            dc: 2,
            kind: KeyKind::Permanent,
            key: key(7),
            created: 1_700_000_000,
        }),
        Write::Salts {
            dc: 2,
            salts: vec![
                SaltRecord {
                    valid_since: 20,
                    valid_until: 30,
                    salt: -5,
                },
                SaltRecord {
                    valid_since: 10,
                    valid_until: 20,
                    salt: i64::MIN,
                },
            ],
        },
        Write::TimeOffset {
            dc: 2,
            seconds: -3600,
        },
        Write::Peer(peer(5, i64::MAX, false, &["Durov"])),
        Write::Position(Position {
            pts: 10,
            qts: 3,
            date: 1_700_000_000,
            seq: 4,
        }),
        Write::ChannelPosition(ChannelPosition {
            channel_id: 1_234_567_890_123,
            pts: 9,
            behind: true,
        }),
        Write::Handled {
            stream: Stream::Common,
            number: 12,
        },
        Write::Handled {
            stream: Stream::Common,
            number: 10,
        },
        Write::DcOptions(vec![DcOption {
            dc: 2,
            address: "2001:67c:4e8:f002::a".parse().unwrap(),
            port: 443,
            media_only: true,
            tcpo_only: false,
            cdn: true,
            is_static: false,
            this_port_only: true,
            secret: Some(vec![1, 2, 3].into()),
        }]),
        Write::Dialogue {
            key: dialogue(PeerKind::Channel, 5),
            state: Some(DialogueState([0; 3][..].into())),
        },
        Write::Dialogue {
            key: dialogue(PeerKind::Channel, 5),
            state: Some(DialogueState([7, 8][..].into())),
        },
        Write::Dialogue {
            key: dialogue(PeerKind::User, 5),
            state: None,
        },
        Write::Upload {
            path: "/tmp/ä b".into(),
            record: Some(upload(1, 100_000)),
        },
        Write::Upload {
            path: "/tmp/ä b".into(),
            record: Some(upload(7, 100_001)),
        },
        Write::Upload {
            path: "/gone".into(),
            record: Some(upload(3, 100_000)),
        },
        Write::Upload {
            path: "/gone".into(),
            record: None,
        },
        Write::MainDc(2),
        Write::SelfUser(Some(SelfUser { id: 42, bot: true })),
    ]
}

fn check_everything(store: &Store) {
    let record = store.account("a").load().wait().unwrap();
    assert_eq!(record.auth_keys.len(), 1);
    assert_eq!(record.auth_keys[0].key.as_bytes(), key(7).as_bytes());
    assert_eq!(record.auth_keys[0].created, 1_700_000_000);
    let salts: Vec<_> = record.salts[&2].iter().map(|salt| salt.salt).collect();
    assert_eq!(salts, [i64::MIN, -5], "in the order of their validity");
    assert_eq!(record.time_offsets, BTreeMap::from([(2, -3600)]));
    assert_eq!(
        record.position,
        Some(Position {
            pts: 10,
            qts: 3,
            date: 1_700_000_000,
            seq: 4
        })
    );
    assert_eq!(
        record.channels,
        [ChannelPosition {
            channel_id: 1_234_567_890_123,
            pts: 9,
            behind: true,
        }]
    );
    assert!(record.handled.contains(&(Stream::Common, 12)));
    let state = |account: &str, kind, person| {
        let answer = store.account(account).dialogue(dialogue(kind, person));
        answer.wait().unwrap().map(|state| state.0.to_vec())
    };
    assert_eq!(state("a", PeerKind::Channel, 5), Some(vec![7, 8]));
    for (account, kind, person) in [
        ("a", PeerKind::User, 5),
        ("a", PeerKind::Channel, 6),
        ("b", PeerKind::Channel, 5),
    ] {
        assert_eq!(state(account, kind, person), None);
    }
    let uploaded = |account: &str, path: &str| {
        let answer = store.account(account).upload(path.into());
        answer.wait().unwrap()
    };
    assert_eq!(uploaded("a", "/tmp/ä b"), Some(upload(7, 100_001)));
    assert_eq!(uploaded("a", "/gone"), None);
    assert_eq!(uploaded("b", "/tmp/ä b"), None);
    let option = &record.dc_options[0];
    assert_eq!(option.address.to_string(), "2001:67c:4e8:f002::a");
    assert!(
        option.media_only
            && option.cdn
            && option.this_port_only
            && !option.tcpo_only
            && !option.is_static
    );
    assert_eq!(option.secret.as_ref().unwrap().as_slice(), [1, 2, 3]);
    assert_eq!(
        (record.main_dc, record.self_user),
        (Some(2), Some(SelfUser { id: 42, bot: true }))
    );
    let found = store
        .account("a")
        .peer_by_username("@dUROV")
        .wait()
        .unwrap()
        .unwrap();
    assert_eq!((found.key.id, found.access_hash), (5, Some(i64::MAX)));
    assert!(
        store
            .account("b")
            .load()
            .wait()
            .unwrap()
            .auth_keys
            .is_empty(),
        "accounts do not mix"
    );
    assert!(
        store
            .account("b")
            .peer_by_username("durov")
            .wait()
            .unwrap()
            .is_none()
    );
}

#[test]
fn everything_comes_back_after_closing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    for options in [StoreOptions::new(), StoreOptions::new().inline()] {
        let path = path.with_extension(format!("{options:?}").len().to_string());
        let store = options.clone().open(&path).unwrap();
        for write in some_of_everything() {
            store.account("a").write(write);
        }
        check_everything(&store);
        drop(store);
        let store = options.open(&path).unwrap();
        check_everything(&store);
        assert_eq!(store.accounts().wait().unwrap(), ["a"]);
        store.account("a").write(Write::Forget);
        assert!(store.accounts().wait().unwrap().is_empty());
    }
    let store = Store::memory();
    store
        .account("a")
        .write_synced(some_of_everything())
        .wait()
        .unwrap();
    check_everything(&store);
}

#[test]
fn a_min_peer_never_replaces_a_full_one() {
    let directory = tempfile::tempdir().unwrap();
    for store in [
        Store::memory(),
        Store::open(directory.path().join("store")).unwrap(),
    ] {
        let account = store.account("a");
        account.write(Write::Peer(peer(1, 10, true, &["first"])));
        account.write(Write::Peer(peer(1, 11, true, &["second"])));
        let known = account
            .peer(PeerKey {
                kind: PeerKind::User,
                id: 1,
            })
            .wait()
            .unwrap()
            .unwrap();
        assert_eq!((known.access_hash, known.min), (Some(11), true));
        account.write(Write::Peer(peer(1, 20, false, &["third"])));
        // Within one group and after it has been committed.
        account.write(Write::Peer(peer(1, 30, true, &["fourth"])));
        store.flush().wait().unwrap();
        account.write(Write::Peer(peer(1, 40, true, &["fifth"])));
        let known = account
            .peer(PeerKey {
                kind: PeerKind::User,
                id: 1,
            })
            .wait()
            .unwrap()
            .unwrap();
        assert_eq!(
            (known.access_hash, known.min, known.usernames),
            (Some(20), false, vec!["third".to_owned()])
        );
        for gone in ["first", "second", "fourth", "fifth"] {
            assert!(
                account.peer_by_username(gone).wait().unwrap().is_none(),
                "{gone}"
            );
        }
    }
}

#[test]
fn a_min_peer_keeps_where_it_was_seen_until_it_is_known_in_full() {
    let directory = tempfile::tempdir().unwrap();
    let key = PeerKey {
        kind: PeerKind::User,
        id: 1,
    };
    let chat = PeerKey {
        kind: PeerKind::Channel,
        id: 5,
    };
    let seen = |message| Some(SeenIn { chat, message });
    for store in [
        Store::memory(),
        Store::open(directory.path().join("store")).unwrap(),
    ] {
        let account = store.account("a");
        let put = |min, message: Option<i32>| {
            let mut record = peer(1, 10, min, &[]);
            record.seen_in = message.and_then(seen);
            account.write(Write::Peer(record));
        };
        let known = || account.peer(key).wait().unwrap().unwrap().seen_in;
        put(true, Some(7));
        put(true, None);
        assert_eq!(known(), seen(7), "within one group");
        store.flush().wait().unwrap();
        put(true, None);
        assert_eq!(known(), seen(7), "after it has been committed");
        put(true, Some(8));
        assert_eq!(known(), seen(8));
        put(false, Some(9));
        assert_eq!(known(), None, "it is not needed any more");
        store.flush().wait().unwrap();
        put(true, Some(10));
        assert_eq!(known(), None);
        assert!(
            store.account("b").peer(key).wait().unwrap().is_none(),
            "other accounts know nothing of it"
        );
    }
}

#[test]
fn usernames_change_without_the_rest_of_a_peer() {
    let directory = tempfile::tempdir().unwrap();
    for store in [
        Store::memory(),
        Store::open(directory.path().join("store")).unwrap(),
    ] {
        let account = store.account("a");
        let rename = |id, names: &[&str]| {
            account.write(Write::Usernames {
                key: PeerKey {
                    kind: PeerKind::User,
                    id,
                },
                usernames: names.iter().map(|name| (*name).to_owned()).collect(),
            });
        };
        let owner = |name| {
            let found = account.peer_by_username(name).wait().unwrap();
            found.map(|peer| (peer.key.id, peer.access_hash))
        };
        account.write(Write::Peer(peer(1, 10, false, &["first"])));
        rename(1, &["Second", "third"]);
        rename(9, &["nobody"]);
        assert_eq!(owner("first"), None);
        assert_eq!(owner("second"), Some((1, Some(10))));
        assert_eq!(owner("nobody"), None, "that peer is not known");
        account.write(Write::Peer(peer(2, 20, false, &["fourth"])));
        rename(2, &["third"]);
        assert_eq!(owner("third"), Some((2, Some(20))));
        account.write(Write::Peer(peer(1, 10, false, &["fourth"])));
        assert_eq!(owner("second"), None);
        assert_eq!(owner("fourth"), Some((1, Some(10))));
    }
}

#[test]
fn a_username_moves_to_its_new_owner() {
    let directory = tempfile::tempdir().unwrap();
    for store in [
        Store::memory(),
        Store::open(directory.path().join("store")).unwrap(),
    ] {
        let account = store.account("a");
        account.write(Write::Peer(peer(1, 10, false, &["Name", "other"])));
        account.write(Write::Peer(peer(2, 20, false, &["nAME"])));
        assert_eq!(
            account
                .peer_by_username("name")
                .wait()
                .unwrap()
                .unwrap()
                .key
                .id,
            2
        );
        let first = account
            .peer(PeerKey {
                kind: PeerKind::User,
                id: 1,
            })
            .wait()
            .unwrap()
            .unwrap();
        assert_eq!(first.usernames, ["other"]);
    }
}

#[test]
fn a_position_forgets_what_it_covers() {
    let directory = tempfile::tempdir().unwrap();
    for store in [
        Store::memory(),
        Store::open(directory.path().join("store")).unwrap(),
    ] {
        let account = store.account("a");
        for number in [5, 6, 8] {
            account.write(Write::Handled {
                stream: Stream::Common,
                number,
            });
            account.write(Write::Handled {
                stream: Stream::Channel(1),
                number,
            });
        }
        store.flush().wait().unwrap();
        account.write(Write::Position(Position {
            pts: 6,
            ..Position::default()
        }));
        account.write(Write::ChannelPosition(ChannelPosition {
            channel_id: 1,
            pts: 5,
            behind: false,
        }));
        let handled = account.load().wait().unwrap().handled;
        assert_eq!(
            handled,
            [
                (Stream::Common, 8),
                (Stream::Channel(1), 6),
                (Stream::Channel(1), 8)
            ]
        );
    }
}

#[tokio::test]
async fn answers_can_be_awaited_from_async_code() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path().join("store")).unwrap();
    store
        .account("a")
        .write_synced(some_of_everything())
        .await
        .unwrap();
    assert_eq!(store.account("a").load().await.unwrap().main_dc, Some(2));
}

fn any_write() -> impl Strategy<Value = Write> {
    let stream = prop_oneof![
        Just(Stream::Common),
        Just(Stream::Secret),
        (1_i64..3).prop_map(Stream::Channel)
    ];
    prop_oneof![
        (1..3, any::<u8>(), any::<i64>()).prop_map(|(dc, seed, created)| {
            Write::AuthKey(AuthKeyRecord {
                dc,
                kind: KeyKind::Permanent,
                key: key(seed),
                created,
            })
        }),
        (1..3).prop_map(|dc| Write::DropAuthKey {
            dc,
            kind: KeyKind::Permanent
        }),
        (1..3, any::<i64>()).prop_map(|(dc, seconds)| Write::TimeOffset { dc, seconds }),
        (
            1_i64..4,
            any::<i64>(),
            any::<bool>(),
            proptest::collection::vec("[aAbB]{1,2}", 0..3),
            proptest::option::of(0..9)
        )
            .prop_map(|(id, hash, min, names, seen)| {
                Write::Peer(PeerRecord {
                    key: PeerKey {
                        kind: PeerKind::Channel,
                        id,
                    },
                    access_hash: Some(hash),
                    min,
                    usernames: names,
                    seen_in: seen.map(|message| SeenIn {
                        chat: PeerKey {
                            kind: PeerKind::Chat,
                            id,
                        },
                        message,
                    }),
                })
            }),
        (1_i64..4, proptest::collection::vec("[aAbB]{1,2}", 0..3)).prop_map(|(id, usernames)| {
            Write::Usernames {
                key: PeerKey {
                    kind: PeerKind::Channel,
                    id,
                },
                usernames,
            }
        }),
        (0..9, 0..9).prop_map(|(pts, qts)| Write::Position(Position {
            pts,
            qts,
            date: 1,
            seq: 0
        })),
        (1_i64..3, 0..9, any::<bool>()).prop_map(|(channel_id, pts, behind)| {
            Write::ChannelPosition(ChannelPosition {
                channel_id,
                pts,
                behind,
            })
        }),
        (1_i64..3).prop_map(Write::ForgetChannel),
        (1_i64..3, any::<Option<u8>>()).prop_map(|(person, state)| Write::Dialogue {
            key: dialogue(PeerKind::User, person),
            state: state.map(|byte| DialogueState([byte][..].into())),
        }),
        (0_u8..2, any::<Option<u8>>(), 0_i64..200_000).prop_map(|(path, part, touched)| {
            Write::Upload {
                path: format!("/file {path}").into(),
                record: part.map(|part| upload(part, touched)),
            }
        }),
        (stream, 0..9).prop_map(|(stream, number)| Write::Handled { stream, number }),
        any::<Option<bool>>()
            .prop_map(|bot| Write::SelfUser(bot.map(|bot| SelfUser { id: 3, bot }))),
        Just(Write::Forget),
    ]
}

/// What can be asked of a storage, as text.
fn seen(storage: &mut dyn Storage) -> String {
    let mut out = String::new();
    for account in ["x", "y"] {
        for path in ["/file 0", "/file 1"] {
            let record = storage.upload(account, path).unwrap();
            out.push_str(&format!("{account} {path}: {record:?}\n"));
        }
        for person in 1..3 {
            let state = storage.dialogue(account, dialogue(PeerKind::User, person));
            out += &format!("{:?}\n", state.unwrap().map(|state| state.0));
        }
        let record = storage.load(account).unwrap();
        let keys: Vec<_> = record
            .auth_keys
            .iter()
            .map(|key| (key.dc, key.key.id(), key.created))
            .collect();
        out += &format!(
            "{account} {keys:?} {:?} {:?} {:?} {:?} {:?}\n",
            record.time_offsets, record.position, record.channels, record.handled, record.self_user
        );
        for id in 1..4 {
            out += &format!(
                "{:?}\n",
                storage
                    .peer(
                        account,
                        PeerKey {
                            kind: PeerKind::Channel,
                            id
                        }
                    )
                    .unwrap()
            );
        }
        for name in ["a", "b", "aa", "ab", "ba", "bb"] {
            out += &format!(
                "{name} {:?}\n",
                storage.peer_by_username(account, name).unwrap()
            );
        }
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Memory is the model; SQLite must not differ from it after any writes in any groups.
    #[test]
    fn sqlite_is_as_memory(groups in proptest::collection::vec(
        proptest::collection::vec((prop_oneof![Just("x"), Just("y")], any_write()), 1..12), 1..6))
    {
        let directory = tempfile::tempdir().unwrap();
        let mut sqlite = SqliteStorage::open(directory.path().join("store")).unwrap();
        let mut memory = MemoryStorage::new();
        for group in groups {
            let group: Vec<_> = group.into_iter().map(|(name, write)| (Arc::from(name), write)).collect();
            sqlite.commit(&group, Durability::Process).unwrap();
            memory.commit(&group, Durability::Process).unwrap();
            prop_assert_eq!(seen(&mut sqlite), seen(&mut memory));
        }
    }

    /// Merging writes of a group changes nothing: one writer thread, and one storage written to at once.
    #[test]
    fn a_group_is_as_its_writes(writes in proptest::collection::vec(any_write(), 1..40)) {
        let mut plain = MemoryStorage::new();
        let grouped = Store::threaded(Box::new(MemoryStorage::new())).unwrap();
        for write in writes {
            plain.commit(&[(Arc::from("x"), write.clone())], Durability::Process).unwrap();
            grouped.account("x").write(write);
        }
        let account = grouped.account("x");
        for id in 1..4 {
            let key = PeerKey { kind: PeerKind::Channel, id };
            prop_assert_eq!(account.peer(key).wait().unwrap(), plain.peer("x", key).unwrap());
        }
        let (merged, plain) = (account.load().wait().unwrap(), plain.load("x").unwrap());
        prop_assert_eq!(merged.position, plain.position);
        prop_assert_eq!(merged.self_user, plain.self_user);
        prop_assert_eq!(merged.time_offsets, plain.time_offsets);
        prop_assert_eq!(merged.channels, plain.channels);
    }
}

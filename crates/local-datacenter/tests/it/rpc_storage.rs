//! What the datacenter knows survives it: state in SQLite, private and locked.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use crate::rpc_support::*;
use actogram_crypto::AuthKey;
use actogram_crypto::random::SeededRandom;
use actogram_local_datacenter::model::{World, WorldConfig};
use actogram_local_datacenter::storage::{SqliteJournal, StorageError};
use actogram_tl as tl;
use tl::{enums, functions};

fn open(path: &std::path::Path) -> World {
    World::open(
        WorldConfig::default(),
        Box::new(SqliteJournal::open(path).unwrap()),
        Box::new(SeededRandom::from_seed(1)),
    )
    .unwrap()
}

#[test]
fn a_restart_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("datacenter.sqlite");
    let mut rig = Rig::around(open(&path));
    let key = Arc::new(AuthKey::new([5; 256]));
    rig.world
        .add_key(rig.now, 2, Arc::clone(&key), None)
        .unwrap();
    let (mut alice, _) = rig.person("Alice");
    let (mut bob, _) = rig.person("Bob");
    rig.set_username(&mut bob, "bob_bob");
    let to_bob = rig.input_peer(&mut alice, "bob_bob");
    for n in 1..=5 {
        let mut request = send_message(&to_bob, &format!("hello {n} #tag"), n);
        request.reply_to = (n > 1).then(|| reply_to(1));
        rig.call(&mut alice, &request).unwrap();
    }
    rig.call(&mut alice, &edit_message(&to_bob, 2, "edited"))
        .unwrap();
    rig.call(
        &mut alice,
        &functions::messages::DeleteMessages {
            revoke: true,
            id: vec![3],
        },
    )
    .unwrap();
    rig.call(
        &mut alice,
        &functions::messages::CreateChat {
            users: vec![match &to_bob {
                enums::InputPeer::InputPeerUser(peer) => tl::types::InputUser {
                    user_id: peer.user_id,
                    access_hash: peer.access_hash,
                }
                .into(),
                other => panic!("{other:?}"),
            }],
            title: "Club".into(),
            ttl_period: None,
        },
    )
    .unwrap();
    let history = rig.call(&mut alice, &get_history(&to_bob)).unwrap();
    let state = rig.call(&mut alice, &functions::updates::GetState).unwrap();
    let Rig { world, now, .. } = rig;

    // Nothing is flushed at the end: what was answered is on disk already, as after a kill.
    let copy = dir.path().join("copy.sqlite");
    std::fs::copy(&path, &copy).unwrap();
    let wal = |path: &std::path::Path| {
        let mut name = path.as_os_str().to_owned();
        name.push("-wal");
        std::path::PathBuf::from(name)
    };
    std::fs::copy(wal(&path), wal(&copy)).unwrap();
    let reopened = open(&copy);
    assert_eq!(reopened.state(), world.state());
    drop(world);
    drop(reopened);

    let mut rig = Rig::around(open(&path));
    rig.now = now;
    assert_eq!(
        rig.world.key(key.id()).unwrap().key.as_bytes(),
        key.as_bytes()
    );
    // The client goes on without login and without initConnection, with the same access hashes.
    assert_eq!(
        rig.call(&mut alice, &get_history(&to_bob)).unwrap(),
        history
    );
    assert_eq!(
        rig.call(&mut alice, &functions::updates::GetState).unwrap(),
        state
    );
    assert_eq!(
        rig.error(&mut alice, &send_message(&to_bob, "again", 5)),
        "500 RANDOM_ID_DUPLICATE"
    );
    rig.call(&mut alice, &send_message(&to_bob, "new", 6))
        .unwrap();
}

#[test]
fn the_file_is_private_and_locked() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("datacenter.sqlite");
    let first = open(&path);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        for entry in std::fs::read_dir(dir.path()).unwrap() {
            let entry = entry.unwrap();
            let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, 0o600, "{:?}", entry.file_name());
        }
    }
    assert!(matches!(
        SqliteJournal::open(&path),
        Err(StorageError::Locked { .. })
    ));
    drop(first);
    SqliteJournal::open(&path).unwrap();
    let missing = dir.path().join("no/such/dir/file");
    assert!(matches!(
        SqliteJournal::open(&missing),
        Err(StorageError::Open { .. })
    ));
    let nonsense = dir.path().join("nonsense");
    std::fs::write(
        &nonsense,
        "this is no database, but long enough to be read as one".repeat(20),
    )
    .unwrap();
    assert!(matches!(
        SqliteJournal::open(&nonsense),
        Err(StorageError::Sqlite { .. })
    ));
}

#[test]
fn an_unreadable_entry_is_named_without_its_content() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("datacenter.sqlite");
    drop(open(&path));
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection
        .execute(
            "INSERT INTO journal (entry) VALUES ('{\"FromTheFuture\":\"secret\"}')",
            [],
        )
        .unwrap();
    drop(connection);
    let error = World::open(
        WorldConfig::default(),
        Box::new(SqliteJournal::open(&path).unwrap()),
        Box::new(SeededRandom::from_seed(1)),
    )
    .unwrap_err()
    .to_string();
    assert!(error.contains("entry 2"), "{error}");
    assert!(!error.contains("secret"), "{error}");
}

#[test]
fn secrets_are_not_printed() {
    let mut rig = Rig::new();
    let key = Arc::new(AuthKey::new([0xa7; 256]));
    rig.world.add_key(rig.now, 2, key, None).unwrap();
    let shown = format!("{:?} {:?}", rig.world, rig.world.state());
    assert!(!shown.contains("167, 167"), "{shown}");
    assert!(!shown.contains("a7a7"), "{shown}");
}

/// A journal whose writes fail from some moment on.
#[derive(Debug)]
struct Failing {
    left: u32,
}

impl actogram_local_datacenter::storage::Journal for Failing {
    fn replay(&mut self) -> Result<Vec<actogram_local_datacenter::model::Event>, StorageError> {
        Ok(Vec::new())
    }

    fn append(
        &mut self,
        _: &[actogram_local_datacenter::model::Event],
    ) -> Result<(), StorageError> {
        if self.left == 0 {
            return Err(StorageError::Locked {
                path: "nowhere".into(),
            });
        }
        self.left -= 1;
        Ok(())
    }
}

#[test]
fn nothing_is_confirmed_that_was_not_stored() {
    let mut rig = Rig::with(WorldConfig::default(), Box::new(Failing { left: 5 }));
    let mut client = rig.client();
    let hash = rig.send_code(&mut client, "9996612345");
    rig.call(&mut client, &sign_in("9996612345", &hash, "11111"))
        .unwrap();
    let sign_up = functions::auth::SignUp {
        no_joined_notifications: false,
        phone_number: "9996612345".into(),
        phone_code_hash: hash,
        first_name: "Ada".into(),
        last_name: String::new(),
    };
    rig.call(&mut client, &sign_up).unwrap();
    let mut listener = client.sibling(8);
    rig.call(&mut listener, &functions::updates::GetState)
        .unwrap();
    let mut failed = false;
    for n in 1..10 {
        let note = send_message(&enums::InputPeer::InputPeerSelf, "note", n);
        match rig.call(&mut client, &note) {
            Ok(_) => {
                assert!(!failed, "nothing succeeds after a failure");
                assert_eq!(rig.take_pushes(&listener).len(), 1);
            }
            Err(error) => {
                failed = true;
                assert_eq!(error.to_string(), "500 STORAGE_FAILED");
                assert_eq!(
                    rig.take_pushes(&listener).len(),
                    0,
                    "nobody hears of what was not stored"
                );
            }
        }
    }
    assert!(failed);
}

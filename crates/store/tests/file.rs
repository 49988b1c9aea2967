//! The file: who may open it, and what happens to one that is not as it should be.

#![cfg(unix)]
#![allow(clippy::unwrap_used)]

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
};

use actogram_crypto::AuthKey;
use actogram_store::{
    AuthKeyRecord, ChannelPosition, DialogueKey, DialogueState, KeyKind, PeerKey, PeerKind,
    PeerRecord, Position, SeenIn, Store, StoreError, Write,
};

const PATH: &str = "ACTOGRAM_STORE_TEST_PATH";

/// Runs one test of this file in a process of its own, through a shell line.
fn child(test: &str, path: &Path, before: &str) -> Command {
    let mut command = Command::new("sh");
    command
        .arg("-c")
        .arg(format!("{before} exec \"$0\" --exact {test} --nocapture"))
        .arg(std::env::current_exe().unwrap())
        .env(PATH, path)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

fn child_path() -> Option<PathBuf> {
    std::env::var_os(PATH).map(PathBuf::from)
}

fn with_key(path: &Path) {
    let store = Store::open(path).unwrap();
    let key = Arc::new(AuthKey::new([9; 256]));
    let record = AuthKeyRecord {
        dc: 2,
        kind: KeyKind::Permanent,
        key,
        created: 1,
    };
    store
        .account("a")
        .write_synced(vec![Write::AuthKey(record)])
        .wait()
        .unwrap();
}

#[test]
fn child_creates_under_umask_000() {
    if let Some(path) = child_path() {
        with_key(&path);
        // Everything that lies there while the store is open.
        let _store = Store::open(&path).unwrap();
        for entry in fs::read_dir(path.parent().unwrap()).unwrap() {
            let entry = entry.unwrap();
            let mode = entry.metadata().unwrap().mode() & 0o777;
            assert_eq!(mode, 0o600, "{}", entry.path().display());
        }
    }
}

#[test]
fn l1_files_are_private_whatever_the_umask() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("fresh").join("store");
    let status = child("child_creates_under_umask_000", &path, "umask 000;")
        .status()
        .unwrap();
    assert!(status.success(), "a file is open to others");
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    assert_eq!(
        fs::metadata(path.parent().unwrap()).unwrap().mode() & 0o777,
        0o700
    );
}

#[test]
fn l1_a_file_open_to_others_is_refused_with_the_remedy() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    with_key(&path);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let error = Store::open(&path).unwrap_err();
    assert!(
        matches!(error, StoreError::Permissions { mode: 0o644, .. }),
        "{error}"
    );
    assert!(error.to_string().contains("chmod 600"), "{error}");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(
        Store::open(&path)
            .unwrap()
            .account("a")
            .load()
            .wait()
            .unwrap()
            .auth_keys
            .len(),
        1
    );
}

#[test]
fn l1_links_are_not_followed() {
    let directory = tempfile::tempdir().unwrap();
    let victim = directory.path().join("victim");
    fs::write(&victim, "precious").unwrap();
    for name in ["store", "store.lock", "store.new"] {
        let here = tempfile::tempdir().unwrap();
        symlink(&victim, here.path().join(name)).unwrap();
        let outcome = Store::open(here.path().join("store"));
        // A leftover of creation is simply replaced; the others are refused.
        assert_eq!(outcome.is_ok(), name == "store.new", "{name}: {outcome:?}");
        assert_eq!(fs::read_to_string(&victim).unwrap(), "precious", "{name}");
    }
}

#[test]
fn child_holds_the_store() {
    if let Some(path) = child_path() {
        let store = Store::open(&path).unwrap();
        store
            .account("a")
            .write_synced(vec![Write::MainDc(4)])
            .wait()
            .unwrap();
        fs::write(path.with_extension("ready"), "").unwrap();
        // Until the parent kills this process.
        std::thread::sleep(std::time::Duration::from_secs(60));
    }
}

#[test]
fn a_second_process_is_told_who_holds_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let mut holder = child("child_holds_the_store", &path, "").spawn().unwrap();
    while !path.with_extension("ready").exists() {
        assert!(holder.try_wait().unwrap().is_none(), "the child ended");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let error = Store::open(&path).unwrap_err();
    let StoreError::Locked {
        holder: Some(pid), ..
    } = error
    else {
        panic!("{error}")
    };
    assert_eq!(pid, holder.id());
    assert!(error.to_string().contains("in use by process"), "{error}");
    holder.kill().unwrap();
    holder.wait().unwrap();
    // The lock goes with the process, and what was synced is there.
    let store = Store::open(&path).unwrap();
    assert_eq!(store.account("a").load().wait().unwrap().main_dc, Some(4));
    assert!(
        matches!(Store::open(&path), Err(StoreError::Locked { .. })),
        "nor twice in one process"
    );
}

#[test]
fn damage_is_an_error_and_the_file_stays_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let good = directory.path().join("good");
    with_key(&good);
    let bytes = fs::read(&good).unwrap();
    let key = bytes
        .windows(64)
        .position(|window| window == [9; 64])
        .expect("the key is in the file");
    let flipped = |at: usize| {
        let mut bytes = bytes.clone();
        bytes[at] ^= 0x10;
        bytes
    };
    let cases = [
        ("empty", Vec::new()),
        ("cut", bytes[..bytes.len() / 3].to_vec()),
        ("cut in the header", bytes[..50].to_vec()),
        ("text", b"not a database, and longer than the header of one is, which has one hundred bytes: so".to_vec()),
        ("magic", flipped(3)),
        ("a bit of the key", flipped(key)),
        ("zeros", vec![0; bytes.len()]),
    ];
    for (name, content) in cases {
        let path = directory
            .path()
            .join(format!("bad-{}", name.replace(' ', "-")));
        fs::write(&path, &content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let error = match Store::open(&path) {
            Err(error) => error,
            Ok(store) => store.account("a").load().wait().expect_err(name),
        };
        assert!(
            matches!(error, StoreError::Damaged { .. }),
            "{name}: {error}"
        );
        assert!(
            error.to_string().contains("restore a backup"),
            "{name}: {error}"
        );
        assert_eq!(fs::read(&path).unwrap(), content, "{name} was changed");
    }
}

#[test]
fn r26_newer_and_foreign_files_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    with_key(&path);
    let change = |sql: &str| {
        rusqlite::Connection::open(&path)
            .unwrap()
            .execute_batch(sql)
            .unwrap()
    };
    change("PRAGMA user_version = 1000");
    let error = Store::open(&path).unwrap_err();
    assert!(
        matches!(error, StoreError::Newer { found: 1000, .. }),
        "{error}"
    );
    assert!(error.to_string().contains("upgrade the program"), "{error}");
    change("PRAGMA user_version = 1; PRAGMA application_id = 1");
    let error = Store::open(&path).unwrap_err();
    assert!(matches!(error, StoreError::NotAStore { .. }), "{error}");
}

#[test]
fn a_file_of_the_first_format_is_brought_up_to_date() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let at = ChannelPosition {
        channel_id: 7,
        pts: 9,
        behind: false,
    };
    {
        let store = Store::open(&path).unwrap();
        store.account("a").write(Write::ChannelPosition(at));
        store.flush().wait().unwrap();
    }
    rusqlite::Connection::open(&path)
        .unwrap()
        .execute_batch(&format!(
            "{WITHOUT_SEEN_IN} ALTER TABLE channel DROP COLUMN behind; PRAGMA user_version = 1;"
        ))
        .unwrap();
    for _ in 0..2 {
        let store = Store::open(&path).unwrap();
        let account = store.account("a");
        assert_eq!(account.load().wait().unwrap().channels, [at]);
        let user = |id| PeerKey {
            kind: PeerKind::User,
            id,
        };
        let key = DialogueKey {
            chat: user(1),
            person: user(2),
        };
        let state = Some(DialogueState([1, 2][..].into()));
        account.write(Write::Dialogue {
            key,
            state: state.clone(),
        });
        assert_eq!(account.dialogue(key).wait().unwrap(), state);
    }
}

const WITHOUT_SEEN_IN: &str =
    "ALTER TABLE peer DROP COLUMN seen_kind; ALTER TABLE peer DROP COLUMN seen_id;
    ALTER TABLE peer DROP COLUMN seen_message; DROP TABLE dialogue; DROP TABLE upload;";

#[test]
fn peers_of_the_second_format_are_kept() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let key = PeerKey {
        kind: PeerKind::User,
        id: 5,
    };
    let mut peer = PeerRecord {
        key,
        access_hash: Some(9),
        min: true,
        usernames: vec!["name".to_owned()],
        seen_in: None,
    };
    {
        let store = Store::open(&path).unwrap();
        store.account("a").write(Write::Peer(peer.clone()));
        store.flush().wait().unwrap();
    }
    rusqlite::Connection::open(&path)
        .unwrap()
        .execute_batch(&format!("{WITHOUT_SEEN_IN} PRAGMA user_version = 2;"))
        .unwrap();
    let store = Store::open(&path).unwrap();
    let account = store.account("a");
    assert_eq!(account.peer(key).wait().unwrap(), Some(peer.clone()));
    peer.seen_in = Some(SeenIn {
        chat: key,
        message: 7,
    });
    account.write(Write::Peer(peer.clone()));
    store.flush().wait().unwrap();
    assert_eq!(account.peer(key).wait().unwrap(), Some(peer));
}

#[test]
fn a_directory_is_not_a_store() {
    let directory = tempfile::tempdir().unwrap();
    let error = Store::open(directory.path()).unwrap_err();
    assert!(matches!(error, StoreError::NotAFile { .. }), "{error}");
    assert!(matches!(Store::open("/"), Err(StoreError::NotAFile { .. })));
}

#[test]
fn no_secret_shows_in_debug() {
    let store = Store::memory();
    let key = Arc::new(AuthKey::new([0xab; 256]));
    let write = Write::AuthKey(AuthKeyRecord {
        dc: 2,
        kind: KeyKind::Permanent,
        key,
        created: 1,
    });
    let shown = format!("{write:?}");
    assert!(shown.contains("AuthKey(id="), "{shown}");
    assert!(
        !shown.contains("171, 171") && !shown.contains("abab"),
        "{shown}"
    );
    store.account("a").write(write);
    let shown = format!("{:?}", store.account("a").load().wait().unwrap());
    assert!(
        !shown.contains("171, 171") && !shown.contains("abab"),
        "{shown}"
    );
}

#[test]
fn child_writes_until_killed() {
    if let Some(path) = child_path() {
        let store = Store::open(&path).unwrap();
        let from = store
            .account("a")
            .load()
            .wait()
            .unwrap()
            .position
            .map_or(0, |at| at.pts);
        for pts in from + 1.. {
            store.account("a").write(Write::Position(Position {
                pts,
                qts: pts,
                date: pts,
                seq: pts,
            }));
            store.account("b").write(Write::Position(Position {
                pts,
                qts: pts,
                date: pts,
                seq: pts,
            }));
            if pts % 64 == 0 {
                store
                    .account("a")
                    .write_synced(vec![Write::MainDc(pts)])
                    .wait()
                    .unwrap();
                fs::write(path.with_extension("synced"), pts.to_string()).unwrap();
            }
        }
    }
}

#[test]
fn r17_killed_while_writing_it_opens_again_with_whole_groups() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let mut last = 0;
    for round in 0..10_u64 {
        let mut child = child("child_writes_until_killed", &path, "")
            .spawn()
            .unwrap();
        std::thread::sleep(std::time::Duration::from_millis(60 + 23 * (round % 5)));
        child.kill().unwrap();
        child.wait().unwrap();
        let store = Store::open(&path).unwrap();
        let record = store.account("a").load().wait().unwrap();
        let synced: i32 = fs::read_to_string(path.with_extension("synced"))
            .ok()
            .and_then(|text| text.parse().ok())
            .unwrap_or(0);
        let at = record.position.unwrap_or_default();
        assert!(
            record.main_dc.unwrap_or(0) >= synced,
            "what was synced is gone"
        );
        assert!(
            at.pts >= synced && at.pts >= last,
            "a position went back: {at:?}"
        );
        assert!(
            at.qts == at.pts && at.seq == at.pts,
            "a write was torn: {at:?}"
        );
        last = at.pts;
    }
    assert!(
        last > 64,
        "the children wrote nothing worth killing them for: {last}"
    );
}

//! Failures of our own writes, one at every named point.

#![cfg(unix)]
#![allow(clippy::unwrap_used)]

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
};

use actogram_crypto::AuthKey;
use actogram_store::{
    AuthKeyRecord, Failpoints, Failure, KeyKind, Position, Store, StoreError, StoreOptions, Write,
};

const PATH: &str = "ACTOGRAM_STORE_FAILPOINT_PATH";
const NAME: &str = "ACTOGRAM_STORE_FAILPOINT";

fn key_write(seed: u8) -> Write {
    let key = Arc::new(AuthKey::new([seed; 256]));
    Write::AuthKey(AuthKeyRecord {
        dc: 2,
        kind: KeyKind::Permanent,
        key,
        created: 1,
    })
}

fn at(pts: i32) -> Write {
    Write::Position(Position {
        pts,
        ..Position::default()
    })
}

/// A process that another test starts at this moment holds our locks until it has become its own program.
fn open(path: &Path, script: &Failpoints) -> Result<Store, StoreError> {
    for _ in 0..500 {
        match StoreOptions::new().failpoints(script.clone()).open(path) {
            Err(StoreError::Locked { .. }) => {
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
            opened => return opened,
        }
    }
    panic!("the store stays locked")
}

#[test]
fn a_failed_creation_leaves_no_store_and_can_be_repeated() {
    for name in &Failpoints::NAMES[..2] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store");
        let script = Failpoints::new();
        script.fail(name, 0, 1, Failure::Error);
        assert!(
            matches!(open(&path, &script), Err(StoreError::Failpoint(_))),
            "{name}"
        );
        assert!(!path.exists(), "{name}: half a store bears the name");
        open(&path, &script)
            .unwrap()
            .account("a")
            .write_synced(vec![key_write(1)])
            .wait()
            .unwrap();
    }
}

#[test]
fn a_key_that_was_not_stored_is_not_reported_as_stored() {
    for name in &Failpoints::NAMES[3..6] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store");
        let script = Failpoints::new();
        let store = open(&path, &script).unwrap();
        script.fail(name, 0, 1, Failure::Error);
        let outcome = store
            .account("a")
            .write_synced(vec![Write::MainDc(2), key_write(1)])
            .wait();
        assert!(
            matches!(outcome, Err(StoreError::Failpoint(_))),
            "{name}: {outcome:?}"
        );
        drop(store);
        let record = open(&path, &script)
            .unwrap()
            .account("a")
            .load()
            .wait()
            .unwrap();
        assert!(
            record.auth_keys.is_empty() && record.main_dc.is_none(),
            "{name}: half of it was stored"
        );
    }
}

#[test]
fn a_failed_group_is_kept_and_written_later() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let script = Failpoints::new();
    let store = open(&path, &script).unwrap();
    script.fail("commit.before", 0, 2, Failure::Error);
    store.account("a").write(at(5));
    assert!(store.flush().wait().is_err());
    assert_eq!(store.trouble(), 1);
    store.account("a").write(at(6));
    assert!(store.flush().wait().is_err());
    assert_eq!(store.trouble(), 2);
    // No more is asked of it: it tries again by itself.
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while store.trouble() > 0 {
        assert!(std::time::Instant::now() < deadline, "it never tried again");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    drop(store);
    let store = open(&path, &script).unwrap();
    assert_eq!(
        store
            .account("a")
            .load()
            .wait()
            .unwrap()
            .position
            .unwrap()
            .pts,
        6
    );
}

#[test]
fn each_store_has_a_script_of_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let script = Failpoints::new();
    script.fail("commit.begun", 0, u32::MAX, Failure::Error);
    let failing = open(&directory.path().join("one"), &script).unwrap();
    let other = open(&directory.path().join("two"), &Failpoints::new()).unwrap();
    assert!(
        failing
            .account("a")
            .write_synced(vec![at(1)])
            .wait()
            .is_err()
    );
    other.account("a").write_synced(vec![at(1)]).wait().unwrap();
}

#[test]
fn child_aborts_at_the_point() {
    let (Some(path), Ok(name)) = (
        std::env::var_os(PATH).map(PathBuf::from),
        std::env::var(NAME),
    ) else {
        return;
    };
    let script = Failpoints::new();
    if name.starts_with("create") {
        script.fail(&name, 0, 1, Failure::Abort);
        let _ = open(&path, &script);
    } else {
        let store = open(&path, &script).unwrap();
        store
            .account("a")
            .write_synced(vec![key_write(1), at(1)])
            .wait()
            .unwrap();
        script.fail(&name, 0, 1, Failure::Abort);
        let _ = store
            .account("a")
            .write_synced(vec![key_write(2), at(2)])
            .wait();
    }
    unreachable!("the process was to end at {name}");
}

#[test]
fn r17_killed_at_any_point_it_opens_with_the_old_or_the_new() {
    for name in Failpoints::NAMES {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store");
        let status = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child_aborts_at_the_point"])
            .env(PATH, &path)
            .env(NAME, name)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(
            std::os::unix::process::ExitStatusExt::signal(&status).is_some(),
            "{name}: the child was not killed"
        );
        let record = Store::open(&path)
            .unwrap()
            .account("a")
            .load()
            .wait()
            .unwrap();
        let found = (
            record.auth_keys.first().map(|key| key.key.as_bytes()[0]),
            record.position.map(|at| at.pts),
        );
        let expected = match name {
            "commit.after" => (Some(2), Some(2)),
            name if name.starts_with("commit") => (Some(1), Some(1)),
            _ => (None, None),
        };
        assert_eq!(found, expected, "{name}");
    }
}

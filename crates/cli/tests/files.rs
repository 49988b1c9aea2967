//! `actogram upload` and `download`, as programs, at a datacenter of the test.
#![allow(clippy::unwrap_used)]

use std::{path::Path, process::Stdio, time::Duration};

use actogram_local_datacenter::{
    LocalDatacenter,
    model::PeerKey,
    operator::Operator,
    rpc::{RpcError, RpcFault, When},
};
use serde_json::Value;
use tokio::process::Command;

async fn actogram(directory: &Path, arguments: &[&str]) -> (bool, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_actogram"))
        .args(arguments)
        .current_dir(directory)
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.success(),
        text(output.stdout),
        text(output.stderr),
    )
}

/// A datacenter, Ann, and a directory where a bot that may write to her is at home.
async fn courier() -> (LocalDatacenter, i64, tempfile::TempDir) {
    let datacenter = LocalDatacenter::builder().start().await.unwrap();
    let operator = datacenter.operator();
    let bot = operator.create_bot("courier_bot", "Courier").unwrap();
    let ann = operator.create_user("9996660001", "Ann").unwrap();
    operator.set_username(ann, Some("ann_gets_files")).unwrap();
    operator
        .send_message(ann, PeerKey::User(bot.id), "/start")
        .unwrap();
    let directory = tempfile::tempdir().unwrap();
    let key = datacenter.public_key_pem().unwrap();
    std::fs::write(directory.path().join("key.pem"), key).unwrap();
    let settings = format!(
        "api_id = 1\napi_hash = \"0123456789abcdef0123456789abcdef\"\nbot_token = \"{}\"\nsession = \"bot.session\"\n\
         [datacenter]\naddress = \"{}\"\npublic_key = \"key.pem\"\n",
        bot.token,
        datacenter.address().unwrap()
    );
    std::fs::write(directory.path().join("actogram.toml"), settings).unwrap();
    (datacenter, ann, directory)
}

fn content(length: u32) -> Vec<u8> {
    (0..length).map(|at| ((at / 7) ^ (at >> 9)) as u8).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_is_sent_and_saved_and_what_is_wrong_is_said() {
    let (datacenter, ann, directory) = courier().await;
    let directory = directory.path();
    let bytes = content(3_000_000);
    std::fs::write(directory.join("data.bin"), &bytes).unwrap();

    let upload = [
        "upload",
        "@ann_gets_files",
        "data.bin",
        "--caption",
        "for you",
    ];
    let (well, sent, said) = actogram(directory, &upload).await;
    assert!(well, "{said}");
    let sent: Value = serde_json::from_str(&sent).unwrap();
    assert_eq!(sent["chat"], ann);
    let id = sent["id"].to_string();
    let (well, saved, said) = actogram(
        directory,
        &[
            "download",
            "@ann_gets_files",
            &id,
            "--to",
            "saved/",
            "--check",
        ],
    )
    .await;
    assert!(well, "{said}");
    assert_eq!(saved.trim(), "saved/data.bin");
    assert!(std::fs::read(directory.join("saved/data.bin")).unwrap() == bytes);

    for (arguments, expected) in [
        (
            &["download", "@ann_gets_files", "999"][..],
            "there is no message 999",
        ),
        (
            &["upload", "@ann_gets_files", "nothing.bin"],
            "reading nothing.bin",
        ),
    ] {
        let (well, _, said) = actogram(directory, arguments).await;
        assert!(!well && said.contains(expected), "{said}");
    }
    datacenter.shutdown().await;
}

/// Starts to send the file and kills the process where the datacenter asks for patience: after so many calls of this method.
async fn killed_after(directory: &Path, operator: &Operator, method: &str, calls: u64) {
    let refused = || operator.counters().refused(method);
    let before = refused();
    operator.order_fault(RpcFault {
        method: Some(method.to_owned()),
        user: None,
        error: RpcError::new(420, "FLOOD_WAIT_300"),
        when: When::Before,
        skip: u32::try_from(calls).unwrap(),
        times: u32::MAX,
    });
    let mut child = Command::new(env!("CARGO_BIN_EXE_actogram"))
        .args(UPLOAD)
        .current_dir(directory)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    while refused() == before {
        assert!(child.try_wait().unwrap().is_none(), "it ended before");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // What is known is stored a moment after it is.
    tokio::time::sleep(Duration::from_secs(1)).await;
    // SIGKILL: nothing is stored by the way.
    child.kill().await.unwrap();
    operator.clear_faults();
}

const UPLOAD: [&str; 3] = ["upload", "@ann_gets_files", "data.bin"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r3_killed_uploads_go_on_with_the_parts_that_are_missing() {
    // The first goes by `upload.saveFilePart` with a sum, the second by `upload.saveBigFilePart`.
    for (method, length) in [
        ("upload.saveFilePart", 9_500_000),
        ("upload.saveBigFilePart", 20_000_000),
    ] {
        let (datacenter, _, directory) = courier().await;
        let directory = directory.path();
        let operator = datacenter.operator();
        let bytes = content(length);
        std::fs::write(directory.join("data.bin"), &bytes).unwrap();
        let parts = u64::from(length.div_ceil(512 << 10));
        let saved = || operator.counters().executed(method);
        for calls in [3, parts / 2] {
            killed_after(directory, &operator, method, calls).await;
        }
        // Between the last part and the message.
        killed_after(directory, &operator, "messages.sendMedia", 0).await;
        let before = saved();
        assert_eq!(before, parts, "each part went once");
        let (well, sent, said) = actogram(directory, &UPLOAD).await;
        assert!(well, "{said}");
        assert_eq!(saved(), before, "nothing was missing");
        let sent: Value = serde_json::from_str(&sent).unwrap();
        let id = sent["id"].to_string();
        let save = [
            "download",
            "@ann_gets_files",
            &id,
            "--to",
            "saved/",
            "--check",
        ];
        let (well, _, said) = actogram(directory, &save).await;
        assert!(well, "{said}");
        assert!(std::fs::read(directory.join("saved/data.bin")).unwrap() == bytes);
        // What was sent is uploaded anew the next time, and so is what has changed since.
        let (well, _, said) = actogram(directory, &UPLOAD).await;
        assert!(well, "{said}");
        assert_eq!(saved(), before + parts);
        killed_after(directory, &operator, method, parts / 2).await;
        std::fs::write(directory.join("data.bin"), content(length - 1)).unwrap();
        let so_far = saved();
        let (well, _, said) = actogram(directory, &UPLOAD).await;
        assert!(well, "{said}");
        assert_eq!(saved(), so_far + parts);
        datacenter.shutdown().await;
    }
}

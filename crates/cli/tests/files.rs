//! `actogram upload` and `download`, as programs, at a datacenter of the test.
#![allow(clippy::unwrap_used)]

use std::{path::Path, process::Stdio};

use actogram_local_datacenter::{LocalDatacenter, model::PeerKey};
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_is_sent_and_saved_and_what_is_wrong_is_said() {
    let datacenter = LocalDatacenter::builder().start().await.unwrap();
    let operator = datacenter.operator();
    let bot = operator.create_bot("courier_bot", "Courier").unwrap();
    let ann = operator.create_user("9996660001", "Ann").unwrap();
    operator.set_username(ann, Some("ann_gets_files")).unwrap();
    operator
        .send_message(ann, PeerKey::User(bot.id), "/start")
        .unwrap();
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let key = datacenter.public_key_pem().unwrap();
    std::fs::write(directory.join("key.pem"), key).unwrap();
    let settings = format!(
        "api_id = 1\napi_hash = \"0123456789abcdef0123456789abcdef\"\nbot_token = \"{}\"\nsession = \"bot.session\"\n\
         [datacenter]\naddress = \"{}\"\npublic_key = \"key.pem\"\n",
        bot.token,
        datacenter.address().unwrap()
    );
    std::fs::write(directory.join("actogram.toml"), settings).unwrap();
    let bytes: Vec<u8> = (0..3_000_000u32).map(|at| (at / 7) as u8).collect();
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

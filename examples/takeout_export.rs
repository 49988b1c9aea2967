//! An account's data, exported: every message as a line of JSON, and the files beside them.
//!
//! `cargo run --example takeout_export -- folder` does it as a person at a datacenter in this process.
#![allow(clippy::print_stdout, reason = "it prints what it exports")]

use std::{path::PathBuf, time::Duration};

use actogram::{LocalPerson, prelude::*, tl::enums::MessageMedia as Media, transfers::UploadFrom};
use actogram_local_datacenter::{LocalDatacenter, model::PeerKey};

/// Writes the chats down: one line for each message, oldest first. How many there were.
async fn export(api: &Api, folder: &std::path::Path) -> Result<usize> {
    let mut exported = 0;
    let mut dialogs = api.dialogs();
    while let Some(dialog) = dialogs.next().await? {
        let mut messages = api.history(dialog.peer).collect().await?;
        messages.reverse();
        for message in messages {
            let file = match message.media() {
                Some(Media::MessageMediaDocument(_) | Media::MessageMediaPhoto(_)) => {
                    Some(message.download(folder).await?)
                }
                _ => None,
            };
            let line = serde_json::json!({
                "chat": dialog.title,
                "id": message.id(),
                "date": message.date(),
                "text": message.text(),
                "file": file.as_ref().and_then(|it| it.file_name()).and_then(|it| it.to_str()),
            });
            println!("{line}");
            exported += 1;
        }
    }
    Ok(exported)
}

#[tokio::main]
async fn main() -> Result<()> {
    let folder = PathBuf::from(std::env::args().nth(1).unwrap_or_else(|| ".".to_owned()));
    let datacenter = LocalDatacenter::builder().start().await;
    let datacenter = datacenter.map_err(Error::user)?;
    let operator = datacenter.operator();
    let builder = Client::builder(":memory:").local_datacenter(&datacenter);
    let client = builder.connect().await?;
    let mut ann = LocalPerson::new(&datacenter, "9996621121").named("Ann");
    let me = client.log_in(&mut ann).await?;
    let bob = operator.create_user("9996621122", "Bob");
    let bob = bob.map_err(Error::user)?;
    let named = operator.set_username(bob, Some("bob_the_writer"));
    named.map_err(Error::user)?;
    for number in 1..=3 {
        let text = format!("page {number}");
        let sent = operator.send_message(bob, PeerKey::User(me.id), &text);
        sent.map_err(Error::user)?;
    }
    let book = UploadFrom::from(vec![b'a'; 1000]).named("book.txt");
    client.api().send_file("@bob_the_writer", book).await?;

    // All that its `api()` does is a part of the export, for which the limits are looser.
    let takeout = client.api().takeout().private_chats().files(1 << 20);
    let takeout = takeout.await?;
    match export(&takeout.api(), &folder).await {
        Ok(exported) => {
            takeout.finish().await?;
            println!("{exported} messages");
        }
        Err(error) => {
            takeout.give_up().await?;
            return Err(error);
        }
    }
    client.shutdown(Duration::from_secs(10)).await;
    datacenter.shutdown().await;
    Ok(())
}

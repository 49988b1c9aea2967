//! Reading an account's chats: lists page by page, peers in several notations, an invite link, media sent again.
//!
//! `cargo run --example reader` does it as a person at a datacenter in this process.
#![allow(clippy::print_stdout, reason = "it prints what it reads")]

use std::time::Duration;

use actogram::{LocalPerson, prelude::*};
use actogram_local_datacenter::{LocalDatacenter, model::PeerKey};

#[tokio::main]
async fn main() -> Result<()> {
    let datacenter = LocalDatacenter::builder().start().await;
    let datacenter = datacenter.map_err(Error::user)?;
    let operator = datacenter.operator();
    let builder = Client::builder(":memory:").local_datacenter(&datacenter);
    let client = builder.connect().await?;
    let mut ann = LocalPerson::new(&datacenter, "9996621111").named("Ann");
    let me = client.log_in(&mut ann).await?;
    // Somebody to read about: Bob, his group of 250 messages and one that says who came, and a file.
    let bob = operator
        .create_user("9996621112", "Bob")
        .map_err(Error::user)?;
    operator
        .set_username(bob, Some("bob_the_writer"))
        .map_err(Error::user)?;
    let club = operator.create_channel(bob, &[me.id], "Club", false);
    let club = PeerKey::Channel(club.map_err(Error::user)?);
    for number in 1..=250 {
        let text = format!("page {number}");
        operator
            .send_message(bob, club, &text)
            .map_err(Error::user)?;
    }
    let to_ann = PeerKey::User(me.id);
    let file = operator.send_document(bob, to_ann, "book.txt", "text/plain", 1000);
    file.map_err(Error::user)?;

    let api = client.api();
    let mut dialogs = api.dialogs();
    while let Some(dialog) = dialogs.next().await? {
        println!("{}: {} unread", dialog.title, dialog.unread);
        // Newest first; a page of 100 is asked for when it is needed.
        let mut history = api.history(dialog.peer).limit(120);
        while history.next().await?.is_some() {}
        let progress = history.progress();
        println!("  {} of {:?} read", progress.given, progress.total);
        if dialog.title == "Club" {
            let found = api.search(dialog.peer, "page 24").collect().await?;
            println!("  {} found", found.len());
            let members = api.participants(dialog.peer).collect().await?;
            for member in members {
                println!(
                    "  {}: {}",
                    member.name(),
                    if member.is_admin() { "admin" } else { "member" }
                );
            }
        }
    }

    // Names, links and ids are the same to every call.
    for notation in [
        "@bob_the_writer",
        "https://t.me/bob_the_writer",
        &bob.to_string(),
    ] {
        println!("{notation} is {}", api.get_info(notation).await?.title);
    }
    let file = api.history("@bob_the_writer").limit(1).next().await?;
    if let Some(file) = file {
        let kept = api
            .send_media("me", &file)
            .caption(html("a <b>book</b>"))
            .await?;
        println!("kept with {:?}", kept.text());
    }
    client.shutdown(Duration::from_secs(10)).await;
    datacenter.shutdown().await;
    Ok(())
}

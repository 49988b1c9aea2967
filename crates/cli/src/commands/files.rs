//! `actogram download`, `upload`: files, with a bar that shows how far they are.

use std::{path::PathBuf, time::Duration};

use actogram::{
    prelude::*,
    transfers::{Progress, TransferState},
};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::{Outcome, account::Source};

/// How long the end of an account may take.
const SHUTDOWN: Duration = Duration::from_secs(5);

#[derive(Args)]
pub(crate) struct Download {
    /// The chat, in any notation: @name, an id, a link, me.
    chat: String,
    /// The number of the message that has the file.
    message: i32,
    /// Where it is saved: a path, or a directory, where it gets the name its sender gave it.
    #[arg(long, default_value = "./")]
    to: PathBuf,
    /// Compares everything with the hashes that the datacenter gives.
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    source: Source,
}

#[derive(Args)]
pub(crate) struct Upload {
    /// The chat, in any notation: @name, an id, a link, me.
    chat: String,
    /// The file.
    file: PathBuf,
    /// The text below it.
    #[arg(long, default_value = "")]
    caption: String,
    /// Sends it as a photo.
    #[arg(long)]
    photo: bool,
    #[command(flatten)]
    source: Source,
}

/// A bar on the error output, where that is a terminal.
fn bar() -> (ProgressBar, impl FnMut(Progress) + Send + 'static) {
    let style = "{bar:40} {bytes}/{total_bytes} {bytes_per_sec} {eta} {msg}";
    let style =
        ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::new(0).with_style(style);
    let shown = bar.clone();
    (bar, move |progress: Progress| {
        shown.set_length(progress.total.unwrap_or(progress.done));
        shown.set_position(progress.done);
        if progress.state == TransferState::Paused {
            shown.set_message("paused");
        }
    })
}

/// Saves the file of a message and prints where.
pub(crate) async fn download(arguments: Download) -> Outcome {
    let client = arguments.source.client().await?;
    let saved = save(&client, &arguments).await;
    client.shutdown(SHUTDOWN).await;
    println!("{}", saved?.display());
    Ok(())
}

async fn save(client: &Client, arguments: &Download) -> Result<PathBuf> {
    let api = client.api();
    let found = api
        .get_messages(arguments.chat.as_str(), [arguments.message])
        .await?;
    let message = found.into_iter().next().ok_or_else(|| {
        let (chat, message) = (&arguments.chat, arguments.message);
        Error::user(format!("there is no message {message} in {chat}"))
    })?;
    let (bar, show) = bar();
    let mut download = api.download(&message).on_progress(show);
    if arguments.check {
        download = download.check_hashes();
    }
    let started = download.start(&arguments.to).await?;
    let handle = started.handle();
    let saved = tokio::select! {
        saved = started.wait() => saved,
        _ = tokio::signal::ctrl_c() => {
            // What is there stays, and the next download goes on from it.
            handle.pause();
            Err(Error::user("interrupted: the same command goes on where this one ended"))
        }
    };
    bar.finish_and_clear();
    saved
}

/// Uploads and sends a file, and prints the message as JSON.
pub(crate) async fn upload(arguments: Upload) -> Outcome {
    let client = arguments.source.client().await?;
    let (bar, show) = bar();
    let mut sending = client
        .api()
        .send_file(arguments.chat.as_str(), arguments.file)
        .caption(arguments.caption)
        .on_progress(show);
    if arguments.photo {
        sending = sending.photo();
    }
    let sent = sending.await;
    bar.finish_and_clear();
    client.shutdown(SHUTDOWN).await;
    let sent = sent?;
    println!(
        "{}",
        json!({ "chat": sent.chat().to_bot_api(), "id": sent.id() })
    );
    Ok(())
}

//! A bot with commands, a router per file, a middleware, and failures that are told to its admins.
//!
//! `cargo run --example commands_bot -- ADMIN_ID…`, with the settings of `actogram.toml` or `ACTOGRAM_…`.

mod admin;
mod greeting;

use actogram::{PeerId, filters::*, prelude::*};

#[tokio::main]
async fn main() -> Result<()> {
    let admins = std::env::args().skip(1).map(|id| id.parse());
    let admins: Vec<i64> = admins.collect::<Result<_, _>>().map_err(Error::user)?;
    let admins: Vec<_> = admins.into_iter().map(PeerId::User).collect();
    let client = Client::from_env()?.connect().await?;
    for admin in &admins {
        client.report_errors_to(*admin);
    }
    // Around everything: who writes in capitals is not heard.
    client.wrap(async |cx: Cx, update: Update, next: Next| {
        let shouts = update.message().is_some_and(|message| {
            message.text().chars().any(char::is_alphabetic)
                && message.text().to_uppercase() == message.text()
        });
        match shouts {
            true => Ok(Propagation::Stop),
            false => next.run(cx, update).await,
        }
    });
    // The first that fits handles it, so what fits everything comes last.
    client.router(admin::router(&admins));
    client.router(greeting::router());
    client.on(
        private() & any_command(),
        async |_cx: Cx, command: Command| {
            command
                .reply(format!("There is no /{}.", command.name()))
                .await
        },
    );
    client.run().await
}

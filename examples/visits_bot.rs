//! A bot that remembers, across restarts and kills, how often each person has written.
//!
//! `cargo run --example visits_bot`, with the settings of `actogram.toml` or `ACTOGRAM_…`.

use actogram::{filters::*, prelude::*};

#[tokio::main]
async fn main() -> Result<()> {
    let client = Client::from_env()?.connect().await?;
    client.on(command("forget"), async |cx: Cx, command: Command| {
        cx.state::<u64>().clear()?;
        command.reply("Who are you?").await
    });
    client.on(
        private() & state(|visits: &u64| *visits > 0),
        async |cx: Cx, message: Msg| {
            let visits = cx.state::<u64>();
            let number = visits.get().await?.unwrap_or_default() + 1;
            // Before anything that may take long: what is not handled to its end is counted again.
            visits.set(&number)?;
            message
                .reply(format!("That was number {number}."))
                .await
                .map(drop)
        },
    );
    client.on(private() & messages(), async |cx: Cx, message: Msg| {
        cx.state().set(&1_u64)?;
        message.reply("Welcome.").await
    });
    client.run().await
}

//! A bot that asks questions and waits for the answers, each person's for themselves.
//!
//! `cargo run --example survey_bot`, with the settings of `actogram.toml` or `ACTOGRAM_…`.

use std::time::Duration;

use actogram::{AskError, filters::*, prelude::*};

#[tokio::main]
async fn main() -> Result<()> {
    let client = Client::from_env()?.connect().await?;
    client.on(
        private() & command("start"),
        async |cx: Cx, start: Command| match survey(&cx, &start).await {
            Ok(()) => Ok(()),
            // `/cancel` has a handler of its own.
            Err(Error::Ask(AskError::Cancelled)) => Ok(()),
            Err(Error::Ask(AskError::Timeout { .. })) => {
                start.answer("Another time, then.").await.map(drop)
            }
            Err(error) => Err(error),
        },
    );
    client.on(command("cancel"), async |_cx: Cx, command: Command| {
        command.answer("Never mind.").await
    });
    client.on(private() & messages(), async |_cx: Cx, message: Msg| {
        message.answer("Write /start.").await
    });
    client.run().await
}

async fn survey(cx: &Cx, chat: &Msg) -> Result<()> {
    let patience = Duration::from_secs(120);
    let name = cx.ask(chat, "What is your name?").text();
    let name = name.timeout(patience).await?;
    let mut question = format!("How old are you, {name}? In digits, please.");
    let age = loop {
        let answer = cx.ask(chat, question).timeout(patience).await?;
        match answer.text().parse::<u8>() {
            Ok(age) => break age,
            Err(_) => question = "In digits, please.".to_owned(),
        }
    };
    chat.answer(format!("{name}, {age}. Thank you."))
        .await
        .map(drop)
}

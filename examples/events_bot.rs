//! A bot as one value, with a method for each kind of update. Needs ACTOGRAM_BOT_TOKEN and friends.

#![allow(clippy::print_stdout, reason = "a program says what it does")]

use std::{cell::Cell, time::Duration};

use actix::{Handler, Message};
use actogram::prelude::*;

#[derive(Default)]
struct Bot {
    /// Handlers stay on one thread, so a plain cell will do.
    handled: Cell<u32>,
}

impl EventHandler for Bot {
    async fn on_start(&self, cx: Cx) -> Result<()> {
        let me = cx.get_me().await?;
        println!("started as @{}", me.username.unwrap_or_default());
        Ok(())
    }

    async fn on_message(&self, _cx: Cx, message: Msg) -> Result<()> {
        self.handled.set(self.handled.get() + 1);
        if message.text() == "fail" {
            return Err(Error::user("as asked"));
        }
        message
            .reply(format!("That was number {}.", self.handled.get()))
            .await?;
        Ok(())
    }

    async fn on_edited(&self, _cx: Cx, message: Msg) -> Result<()> {
        message.reply("I saw that.").await?;
        Ok(())
    }

    async fn on_deleted(&self, _cx: Cx, deleted: Deleted) -> Result<()> {
        println!("deleted: {:?}", deleted.ids);
        Ok(())
    }

    async fn on_error(&self, cx: Cx, update: Option<&Update>, error: &Error) {
        println!("failed: {error}");
        if let Some(update) = update {
            cx.send_message(update, "Something went wrong.").detach();
        }
    }
}

/// Asks the bot how many messages it has handled. It is an actor, so anybody who has its address may.
#[derive(Message)]
#[rtype(result = "u32")]
struct Handled;

impl Handler<Handled> for EventActor<Bot> {
    type Result = u32;

    fn handle(&mut self, Handled: Handled, _: &mut Self::Context) -> u32 {
        self.handler().handled.get()
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let client = Client::from_env()?.connect().await?;
    let bot = client.event_handler(Bot::default());
    let addr = bot.addr().clone();
    tokio::spawn(async move {
        while let Ok(handled) = addr.send(Handled).await {
            println!("{handled} handled so far");
            tokio::time::sleep(Duration::from_secs(60)).await;
        }
    });
    client.run().await
}

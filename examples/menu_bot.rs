//! A bot whose commands are an enum: parsed, explained by `/help`, and shown in its menu.
//!
//! `cargo run --example menu_bot`, with the settings of `actogram.toml` or `ACTOGRAM_…`.

use actogram::{filters::*, prelude::*};

#[derive(Commands)]
enum Task {
    /// Show what there is
    Help,
    #[command(description = "Repeat a text so many times")]
    Repeat { times: u8, text: String },
    #[command(
        name = "dice",
        description = "Throw a die of so many sides, 6 if not said"
    )]
    ThrowDice { sides: Option<u32> },
}

#[tokio::main]
async fn main() -> Result<()> {
    let client = Client::from_env()?.connect().await?;
    client.api().set_my_commands::<Task>().await?;
    client.on(command_of::<Task>(), async |_cx: Cx, given: Given<Task>| {
        let answer = match &given.parsed {
            Ok(Task::Help) => Task::help(),
            Ok(Task::Repeat { times, text }) => text.repeat(usize::from(*times)),
            Ok(Task::ThrowDice { sides }) => {
                let sides = sides.unwrap_or(6).max(1);
                // Chance enough for a game: when it was asked for.
                format!("{}", given.date() % i64::from(sides) + 1)
            }
            Err(error) => error.to_string(),
        };
        given.reply(answer).await
    });
    client.on(any_command(), async |_cx: Cx, command: Command| {
        command.reply("No such command; see /help.").await
    });
    client.run().await
}

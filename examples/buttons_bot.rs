//! A bot with a button that counts, and with inline results. Needs ACTOGRAM_BOT_TOKEN and friends.

use actogram::{InlineKeyboard, article, filters::*, prelude::*};

/// A keyboard of one button, which carries how often it was pressed.
fn keyboard(presses: u32) -> InlineKeyboard {
    InlineKeyboard::new().callback("Press me", format!("count:{}", presses + 1))
}

#[tokio::main]
async fn main() -> Result<()> {
    let client = Client::from_env()?.connect().await?;
    client.on(command("start"), async |cx: Cx, command: Command| {
        let offer = cx.send_message(command.message(), "Nobody pressed it yet.");
        offer.buttons(keyboard(0)).await.map(drop)
    });
    let count = regex(r"^count:(\d{1,6})$")?;
    client.on(count, async |_cx: Cx, press: Captures<CallbackQuery>| {
        let presses: u32 = press
            .get(1)
            .and_then(|digits| digits.parse().ok())
            .unwrap_or(1);
        if let Some(edit) = press.edit(format!("Pressed {presses} times.")) {
            edit.buttons(keyboard(presses)).await?;
        }
        press.answer(format!("That was number {presses}.")).await
    });
    // Data may come that the bot never made: the query is answered, so that the button stops waiting.
    client.on(callback_queries(), async |_cx: Cx, query: CallbackQuery| {
        query.answer("I do not know that button.").alert().await
    });
    client.on(inline_queries(), async |_cx: Cx, query: InlineQuery| {
        let text = query.text();
        query
            .answer([
                article("loud", "Loud", text.to_uppercase()),
                article(
                    "bold",
                    "Bold",
                    html(format!("<b>{}</b>", escape_html(text))),
                ),
            ])
            .await
    });
    client.run().await
}

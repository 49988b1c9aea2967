//! A bot with a button that counts, and with inline results. Needs ACTOGRAM_BOT_TOKEN and friends.

use actogram::{
    article,
    filters::*,
    prelude::*,
    tl::{enums, functions, types},
};

/// A keyboard of one button, which carries how often it was pressed.
fn keyboard(presses: u32) -> enums::ReplyMarkup {
    let data = format!("count:{}", presses + 1).into_bytes();
    let callback = types::InlineButtonTypeCallback::new(data.into());
    let button = types::KeyboardInlineButton::new("Press me".to_owned(), callback.into());
    let row = types::KeyboardInlineButtonRow {
        buttons: vec![button.into()],
    };
    types::ReplyInlineMarkup::new(vec![row.into()]).into()
}

#[tokio::main]
async fn main() -> Result<()> {
    let client = Client::from_env()?.connect().await?;
    client.on(command("start"), async |cx: Cx, command: Command| {
        let peer = cx.resolve(command.message()).await?;
        let text = "Nobody pressed it yet.".to_owned();
        let mut offer = functions::messages::SendMessage::new(peer, text, rand_id(&command));
        offer.reply_markup = Some(keyboard(0));
        cx.invoke(offer).await.map(drop)
    });
    let count = regex(r"^count:(\d{1,6})$")?;
    client.on(count, async |cx: Cx, press: Captures<CallbackQuery>| {
        let presses: u32 = press
            .get(1)
            .and_then(|digits| digits.parse().ok())
            .unwrap_or(1);
        if let (Some(chat), Some(id)) = (press.chat(), press.message_id()) {
            let mut edit = functions::messages::EditMessage::new(cx.resolve(chat).await?, id);
            edit.message = Some(format!("Pressed {presses} times."));
            edit.reply_markup = Some(keyboard(presses));
            cx.invoke(edit).await?;
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

/// A message of the same number for the same command: should it be handled again after a crash, it is sent once.
fn rand_id(command: &Command) -> i64 {
    (i64::from(command.id()) << 32) | i64::from(command.raw().date)
}

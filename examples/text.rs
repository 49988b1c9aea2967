//! A bot that shows how the formatting of a message is written, and formats what it is told to:
//! `/html <b>so</b>` or `/markdown *so*`. Needs ACTOGRAM_BOT_TOKEN and friends, as `echo_bot`.

use actogram::{
    prelude::*,
    text::{ParseError, ParseMode},
};

#[tokio::main]
async fn main() -> Result<()> {
    let client = Client::from_env()?.connect().await?;
    client.on_message(async |_cx: Cx, msg: Msg| msg.reply(answer(&msg)).await.map(drop));
    client.run().await
}

fn answer(msg: &Msg) -> Text {
    if let Some(source) = msg.text().strip_prefix("/html ") {
        formatted(ParseMode::Html.parse_strict(source))
    } else if let Some(source) = msg.text().strip_prefix("/markdown ") {
        formatted(ParseMode::MarkdownV2.parse_strict(source))
    } else {
        let text = msg.formatted();
        Text::bold("HTML\n")
            + Text::pre(text.to_html(), "html")
            + Text::bold("\nMarkdownV2\n")
            + Text::pre(text.to_markdown_v2(), "markdown")
    }
}

fn formatted(read: Result<Text, ParseError>) -> Text {
    match read {
        Ok(text) if text.is_empty() => Text::plain("There is nothing to show."),
        Ok(text) => text,
        // What people typed is put together with markup without being read as markup.
        Err(error) => Text::italic("Not so: ") + error.to_string(),
    }
}

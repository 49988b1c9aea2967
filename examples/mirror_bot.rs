//! A bot that keeps a mirror of its chats: every message, edit, deletion and press as a line of JSON. Offers a button when
//! it is told `/button`, and gives back files. `cargo run --example mirror_bot -- FILE`, with the settings of `actogram.toml` or `ACTOGRAM_…`.

use std::{cell::RefCell, fs::File, io::Write};

use actogram::{
    InlineKeyboard, PeerId,
    prelude::*,
    transfers::{RemoteFile, UploadFrom},
};
use serde_json::{Value, json};

struct Mirror(RefCell<File>);

impl Mirror {
    fn keep(&self, what: &str, chat: Option<PeerId>, ids: &[i32], text: &str) -> Result<()> {
        let line: Value = json!({
            "what": what,
            "chat": chat.map(PeerId::to_bot_api),
            "ids": ids,
            "text": text,
        });
        // One write: a kill leaves a whole line or none.
        self.0
            .borrow_mut()
            .write_all(format!("{line}\n").as_bytes())
            .map_err(Error::user)
    }
}

impl EventHandler for Mirror {
    async fn on_start(&self, cx: Cx) -> Result<()> {
        let me = cx.get_me().await?;
        self.keep("start", None, &[], &me.username.unwrap_or_default())
    }

    async fn on_message(&self, cx: Cx, message: Msg) -> Result<()> {
        if message.outgoing() {
            return Ok(());
        }
        self.keep("new", Some(message.chat()), &[message.id()], message.text())?;
        if message.media().is_some() {
            let file = RemoteFile::from(&message);
            let name = file.name();
            let bytes = cx.download(file).check_hashes().bytes().await?;
            let back = cx.send_file(&message, UploadFrom::from(bytes).named(name));
            return back.reply_to(message.id()).await.map(drop);
        }
        match message.text() {
            "/button" => {
                let keyboard = InlineKeyboard::new().callback("Press me", "press");
                message.answer("a button").buttons(keyboard).await.map(drop)
            }
            text if text.starts_with("echo ") => message.reply(text).await.map(drop),
            _ => Ok(()),
        }
    }

    async fn on_edited(&self, _cx: Cx, message: Msg) -> Result<()> {
        self.keep(
            "edit",
            Some(message.chat()),
            &[message.id()],
            message.text(),
        )
    }

    async fn on_deleted(&self, _cx: Cx, deleted: Deleted) -> Result<()> {
        self.keep("delete", deleted.channel, &deleted.ids, "")
    }

    async fn on_callback_query(&self, _cx: Cx, query: CallbackQuery) -> Result<()> {
        let ids: Vec<_> = query.message_id().into_iter().collect();
        self.keep("press", query.chat(), &ids, "")?;
        query.answer("pressed").await
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let path = std::env::args()
        .nth(1)
        .ok_or_else(|| Error::user("usage: mirror_bot FILE"))?;
    let file = File::options()
        .create(true)
        .append(true)
        .open(path)
        .map_err(Error::user)?;
    let client = Client::from_env()?.connect().await?;
    client.event_handler(Mirror(RefCell::new(file)));
    client.run().await
}

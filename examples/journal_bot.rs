//! A bot that writes every message it handles into a file, with the update's dedupe id.
//!
//! After a crash only updates come again that were not yet handled, with equal dedupe ids: who keeps the ids, as here,
//! can tell. `cargo run --example journal_bot -- JOURNAL`, with the settings of `actogram.toml` or `ACTOGRAM_…`.

use std::{cell::RefCell, fs::File, io::Write};

use actogram::prelude::*;

struct Journal(RefCell<File>);

impl EventHandler for Journal {
    async fn on_any(&self, _cx: Cx, update: Update) -> Result<()> {
        let Some(message) = update.message().filter(|message| !message.outgoing()) else {
            return Ok(());
        };
        let line = format!("{}\t{}\n", update.dedupe_id(), message.text());
        // One write: a kill leaves a whole line or none.
        self.0
            .borrow_mut()
            .write_all(line.as_bytes())
            .map_err(Error::user)
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let path = std::env::args()
        .nth(1)
        .ok_or_else(|| Error::user("usage: journal_bot JOURNAL"))?;
    let journal = File::options()
        .create(true)
        .append(true)
        .open(path)
        .map_err(Error::user)?;
    let client = Client::from_env()?.connect().await?;
    client.event_handler(Journal(RefCell::new(journal)));
    client.run().await
}

//! Tells what is in file ids of the Bot API: reads one from each line, writes a line of JSON for it.
//! `echo BQACAgIAAwMBAgMB8gUqAQADs_________82BA | cargo run --example file_id`

use std::io::{BufRead, Write, stdin, stdout};

use actogram::transfers::{FileId, FileTarget};
use serde_json::json;

fn main() -> std::io::Result<()> {
    for line in stdin().lock().lines() {
        let told = match line?.trim().parse::<FileId>() {
            Ok(id) => {
                let (stored, access_hash) = match &id.target {
                    FileTarget::Stored {
                        id, access_hash, ..
                    } => (Some(*id), *access_hash),
                    FileTarget::Web { access_hash, .. } => (None, *access_hash),
                    _ => (None, 0),
                };
                json!({
                    "kind": format!("{:?}", id.kind),
                    "datacenter": id.dc,
                    "reference": id.reference.to_vec(),
                    "id": stored,
                    "access_hash": access_hash,
                    "target": format!("{:?}", id.target),
                    "unique": id.unique(),
                    "written": id.to_string(),
                })
            }
            Err(error) => json!({ "error": error.to_string() }),
        };
        writeln!(stdout(), "{told}")?;
    }
    Ok(())
}

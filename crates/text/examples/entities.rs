//! A filter from markup to entities: a line of JSON in, a line of JSON out.
//!
//! ```text
//! $ echo '{"mode": "html", "source": "a <b>b</b>"}' | cargo run -q -p actogram-text --example entities
//! {"entities":[{"kind":"bold","length":1,"offset":2}],"html":"a <b>b</b>","markdown_v2":"a *b*","text":"a b"}
//! ```
//! `mode` is `html`, `markdown_v2` or `markdown` (the old one); with `"strict": true` an invalid source gives its error. With
//! `"normalized": true` the entities come in their canonical form.

use std::io::{self, BufRead, Write};

use actogram_text::{Entity, EntityKind, ParseMode, Text};
use serde_json::{Map, Value, json};

fn main() -> io::Result<()> {
    let mut out = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let answer = match serde_json::from_str(&line?) {
            Ok(asked) => answer(&asked),
            Err(error) => json!({ "error": format!("expected a line of JSON: {error}") }),
        };
        writeln!(out, "{answer}")?;
        out.flush()?;
    }
    Ok(())
}

fn answer(asked: &Value) -> Value {
    let mode = match asked["mode"].as_str() {
        Some("html") => ParseMode::Html,
        Some("markdown_v2") => ParseMode::MarkdownV2,
        Some("markdown") => ParseMode::MarkdownLegacy,
        _ => return json!({ "error": "expected a mode: html, markdown_v2 or markdown" }),
    };
    let Some(source) = asked["source"].as_str() else {
        return json!({ "error": "expected a source" });
    };
    let mut text = if asked["strict"] == true {
        match mode.parse_strict(source) {
            Ok(text) => text,
            Err(error) => return json!({ "error": error.to_string(), "offset": error.offset }),
        }
    } else {
        mode.parse(source)
    };
    if asked["normalized"] == true {
        text = text.normalized();
    }
    json!({
        "text": text.as_str(),
        "entities": text.entities().iter().map(entity).collect::<Vec<_>>(),
        "html": text.to_html(),
        "markdown_v2": Text::to_markdown_v2(&text),
    })
}

fn entity(entity: &Entity) -> Value {
    let mut fields = Map::new();
    let mut set = |name: &str, value: Value| fields.insert(name.to_owned(), value);
    set("offset", entity.offset.into());
    set("length", entity.length.into());
    let kind = match &entity.kind {
        EntityKind::Bold => "bold",
        EntityKind::Italic => "italic",
        EntityKind::Underline => "underline",
        EntityKind::Strike => "strike",
        EntityKind::Spoiler => "spoiler",
        EntityKind::Code => "code",
        EntityKind::Pre { language } => {
            set("language", language.as_str().into());
            "pre"
        }
        EntityKind::Blockquote { collapsed } => {
            set("collapsed", (*collapsed).into());
            "blockquote"
        }
        EntityKind::TextUrl { url } => {
            set("url", url.as_str().into());
            "text_url"
        }
        EntityKind::MentionName { user_id } => {
            set("user_id", (*user_id).into());
            "mention_name"
        }
        EntityKind::CustomEmoji { document_id } => {
            set("document_id", (*document_id).into());
            "custom_emoji"
        }
        EntityKind::FormattedDate { date, format } => {
            set("date", (*date).into());
            set("format", format.to_string().into());
            "formatted_date"
        }
        _ => "other",
    };
    set("kind", kind.into());
    Value::Object(fields)
}

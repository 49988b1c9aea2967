#![doc = include_str!("../README.md")]

mod draft;
mod entity;
mod error;
mod html;
mod link;
mod markdown;
mod mode;
mod normalize;
mod ranges;
mod render;
mod split;
mod steps;
mod text;

pub use entity::{BadDateFormat, DateFormat, Entity, EntityKind, Precision};
pub use error::{ParseError, ParseErrorReason};
pub use html::{escape_html, html, html_strict};
pub use markdown::{
    escape_markdown, escape_markdown_v2, markdown, markdown_legacy, markdown_legacy_strict,
    markdown_strict,
};
pub use mode::ParseMode;
pub use split::{CAPTION_LENGTH, MESSAGE_LENGTH, MOST_ENTITIES};
pub use text::Text;

/// The length of a text in UTF-16 code units, in which Telegram counts.
pub(crate) fn utf16_length(text: &str) -> usize {
    // A byte begins a character unless it continues one; characters of four bytes are two units.
    text.bytes()
        .map(|byte| usize::from(byte & 0xc0 != 0x80) + usize::from(byte >= 0xf0))
        .sum()
}

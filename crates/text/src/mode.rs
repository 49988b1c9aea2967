//! A dialect chosen when the program runs.

use crate::{
    ParseError, Text, html, html_strict, markdown, markdown_legacy, markdown_legacy_strict,
    markdown_strict,
};

/// A dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ParseMode {
    /// [`html`].
    Html,
    /// [`markdown`].
    MarkdownV2,
    /// [`markdown_legacy`].
    MarkdownLegacy,
}

impl ParseMode {
    /// The dialect a `parse_mode` names as MadelineProto reads it: whatever contains `html` or `markdown`, in any case.
    /// Markdown is MarkdownV2.
    ///
    /// ```
    /// use actogram_text::ParseMode;
    /// assert_eq!(ParseMode::named("HTML"), Some(ParseMode::Html));
    /// assert_eq!(ParseMode::named("markdown"), Some(ParseMode::MarkdownV2));
    /// assert_eq!(ParseMode::named("none"), None);
    /// ```
    pub fn named(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        if name.contains("html") {
            Some(Self::Html)
        } else if name.contains("markdown") {
            Some(Self::MarkdownV2)
        } else {
            None
        }
    }

    /// Reads whatever it is, and loses none of its text.
    pub fn parse(self, source: &str) -> Text {
        match self {
            Self::Html => html(source),
            Self::MarkdownV2 => markdown(source),
            Self::MarkdownLegacy => markdown_legacy(source),
        }
    }

    /// Reads what the Bot API would read.
    ///
    /// # Errors
    /// [`ParseError`] with the place in the source.
    pub fn parse_strict(self, source: &str) -> Result<Text, ParseError> {
        match self {
            Self::Html => html_strict(source),
            Self::MarkdownV2 => markdown_strict(source),
            Self::MarkdownLegacy => markdown_legacy_strict(source),
        }
    }
}

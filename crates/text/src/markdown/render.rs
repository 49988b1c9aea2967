//! Text and entities into Markdown.

use crate::{
    Entity, EntityKind, Text,
    entity::Class,
    link,
    render::{Sink, walk},
};

use super::{RESERVED, escape_into};

impl Text {
    /// The text as MarkdownV2 that [`markdown_strict`](crate::markdown_strict) reads back: it gives the
    /// [normalized](Self::normalized) text, less what Telegram finds by itself.
    ///
    /// MarkdownV2 quotes whole lines only: a quotation of less becomes one of the lines it touches.
    ///
    /// ```
    /// use actogram_text::Text;
    /// let text = Text::quote(Text::bold("a") + ".\nb") + "\nc";
    /// assert_eq!(text.to_markdown_v2(), ">*a*\\.\n>b\nc");
    /// ```
    pub fn to_markdown_v2(&self) -> String {
        let text = self.normalized().with_quotes_of_whole_lines();
        let mut writer = Writer {
            out: String::with_capacity(text.as_str().len() + text.as_str().len() / 8),
            ..Writer::default()
        };
        let has_markup = |entity: &Entity| entity.kind.class() != Class::Found;
        walk(&text, has_markup, &mut writer);
        writer.out
    }

    /// The text as the Bot API's old Markdown, with as much of its formatting as that has: bold, italic, code and links,
    /// nothing within another. The text itself is kept whole.
    ///
    /// ```
    /// use actogram_text::Text;
    /// let text = Text::bold("a*b") + Text::underline("c");
    /// assert_eq!(text.to_markdown_legacy(), "*a*\\**b*c");
    /// ```
    pub fn to_markdown_legacy(&self) -> String {
        let mut writer = LegacyWriter::default();
        let has_markup = |entity: &Entity| LegacyWriter::markers(&entity.kind).is_some();
        walk(&self.normalized(), has_markup, &mut writer);
        writer.out
    }
}

#[derive(Default)]
struct Writer {
    out: String,
    /// Whether an `_` was written last that is no part of a `__`: together with a following one it would be.
    underscore: bool,
    fixed: bool,
    /// A block has begun and nothing of its text is written.
    block_begins: bool,
    in_quote: bool,
    last_quote_end: Option<usize>,
}

impl Writer {
    fn marker(&mut self, marker: &str) {
        if self.underscore && marker.starts_with('_') {
            // An empty bold text keeps them apart.
            self.out.push_str("**");
        }
        self.out.push_str(marker);
        self.underscore = marker == "_";
    }

    fn address(&mut self, url: &str) {
        self.out.push_str("](");
        escape_into(&mut self.out, url, b")\\");
        self.out.push(')');
        self.underscore = false;
    }

    fn style(kind: &EntityKind) -> &'static str {
        match kind {
            EntityKind::Bold => "*",
            EntityKind::Italic => "_",
            EntityKind::Underline => "__",
            EntityKind::Strike => "~",
            EntityKind::Spoiler => "||",
            EntityKind::Code => "`",
            EntityKind::Pre { .. } => "```",
            EntityKind::CustomEmoji { .. } | EntityKind::FormattedDate { .. } => "![",
            EntityKind::TextUrl { .. } | EntityKind::MentionName { .. } => "[",
            _ => "",
        }
    }
}

impl Sink for Writer {
    fn open(&mut self, entity: &Entity) {
        match &entity.kind {
            EntityKind::Blockquote { .. } => {
                // Two that follow each other are one, unless something stands between them.
                if self
                    .last_quote_end
                    .is_some_and(|end| end + 1 == entity.offset)
                {
                    self.marker("**");
                }
                self.marker(">");
                self.in_quote = true;
            }
            kind => {
                self.marker(Self::style(kind));
                self.fixed = kind.class() == Class::Fixed;
                if let EntityKind::Pre { language } = kind {
                    self.out.push_str(language);
                    self.out.push('\n');
                    self.block_begins = true;
                }
            }
        }
    }

    fn close(&mut self, entity: &Entity) {
        match &entity.kind {
            EntityKind::Blockquote { collapsed } => {
                if *collapsed {
                    self.marker("||");
                }
                self.in_quote = false;
                self.last_quote_end = Some(entity.end());
            }
            kind => {
                self.fixed = false;
                match link::url_of(kind) {
                    Some(url) => self.address(&url),
                    None => self.marker(Self::style(kind)),
                }
            }
        }
    }

    fn text(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        self.underscore = false;
        if self.fixed {
            // With the line break that begins the block, this one would be taken for a single one.
            if std::mem::take(&mut self.block_begins) && text.starts_with('\r') {
                self.out.push('\\');
            }
            escape_into(&mut self.out, text, b"`\\");
            return;
        }
        if !self.in_quote {
            escape_into(&mut self.out, text, RESERVED);
            return;
        }
        for (number, line) in text.split('\n').enumerate() {
            if number > 0 {
                self.out.push_str("\n>");
            }
            escape_into(&mut self.out, line, RESERVED);
        }
    }
}

#[derive(Default)]
struct LegacyWriter {
    out: String,
    /// What is open: only the outermost is written.
    open: Vec<EntityKind>,
}

impl LegacyWriter {
    /// What opens and what closes an entity, and what may not stand in it.
    fn markers(kind: &EntityKind) -> Option<(String, String, &'static str)> {
        let same = |marker: &'static str| Some((marker.to_owned(), marker.to_owned(), marker));
        match kind {
            EntityKind::Bold => same("*"),
            EntityKind::Italic => same("_"),
            EntityKind::Code => same("`"),
            EntityKind::Pre { language } => {
                Some((format!("```{language}\n"), "```".to_owned(), "`"))
            }
            EntityKind::TextUrl { .. } | EntityKind::MentionName { .. } => {
                let url = link::url_of(kind)?.replace(')', "%29");
                Some(("[".to_owned(), format!("]({url})"), "]"))
            }
            _ => None,
        }
    }
}

impl Sink for LegacyWriter {
    fn open(&mut self, entity: &Entity) {
        self.open.push(entity.kind.clone());
    }

    fn close(&mut self, _: &Entity) {
        self.open.pop();
    }

    fn text(&mut self, text: &str) {
        let Some((open, close, forbidden)) = self.open.first().and_then(Self::markers) else {
            escape_into(&mut self.out, text, b"_*`[");
            return;
        };
        // Nothing can be escaped within an entity: what must not stand in it stands between two.
        let mut rest = text;
        while !rest.is_empty() {
            let inside = rest.find(forbidden).unwrap_or(rest.len());
            if inside > 0 {
                // A backslash before a marker would escape it, and has no escape of its own: it joins what it precedes.
                let before = self.out.trim_end_matches('\\').len();
                let backslashes = self.out.split_off(before);
                match open
                    .strip_suffix('\n')
                    .filter(|_| backslashes.is_empty() && rest.starts_with('\r'))
                {
                    // Behind another line break it would be taken for a part of that one.
                    Some(marker) => self.out.extend([marker, "\r"]),
                    None => self.out.push_str(&open),
                }
                self.out.push_str(&backslashes);
                self.out.push_str(&rest[..inside]);
                self.out.push_str(&close);
            }
            rest = &rest[inside..];
            let outside = rest.len() - rest.trim_start_matches(forbidden).len();
            escape_into(&mut self.out, &rest[..outside], b"_*`[");
            rest = &rest[outside..];
        }
    }
}

//! Text and entities into HTML.

use crate::{
    Entity, EntityKind, Text,
    entity::Class,
    link,
    render::{Sink, walk},
};

impl Text {
    /// The text as HTML that [`html_strict`](crate::html_strict) reads back: it gives the
    /// [normalized](Self::normalized) text, less what Telegram finds by itself (hashtags and the like), which needs no
    /// markup.
    ///
    /// ```
    /// use actogram_text::html;
    /// let source = "<b>a &amp; <i>b</i></b>";
    /// assert_eq!(html(source).to_html(), source);
    /// ```
    pub fn to_html(&self) -> String {
        let mut writer = Writer(String::with_capacity(self.as_str().len()));
        let has_markup = |entity: &Entity| entity.kind.class() != Class::Found;
        walk(&self.normalized(), has_markup, &mut writer);
        writer.0
    }
}

struct Writer(String);

impl Sink for Writer {
    fn open(&mut self, entity: &Entity) {
        match &entity.kind {
            EntityKind::Pre { language } if !language.is_empty() => {
                self.0.push_str("<pre>");
                self.attribute("<code class", &format!("language-{language}"));
            }
            EntityKind::Blockquote { collapsed: true } => {
                self.0.push_str("<blockquote expandable>")
            }
            EntityKind::CustomEmoji { document_id } => {
                self.attribute("<tg-emoji emoji-id", &document_id.to_string());
            }
            EntityKind::FormattedDate { date, format } if *format == Default::default() => {
                self.attribute("<tg-time unix", &date.to_string());
            }
            EntityKind::FormattedDate { date, format } => {
                self.0.push_str(&format!("<tg-time unix=\"{date}\""));
                self.attribute(" format", &format.to_string());
            }
            other => match link::url_of(other) {
                Some(url) => self.attribute("<a href", &url),
                None => {
                    self.0.push('<');
                    self.0.push_str(name(other));
                    self.0.push('>');
                }
            },
        }
    }

    fn close(&mut self, entity: &Entity) {
        if matches!(&entity.kind, EntityKind::Pre { language } if !language.is_empty()) {
            self.0.push_str("</code>");
        }
        self.0.push_str("</");
        self.0.push_str(name(&entity.kind));
        self.0.push('>');
    }

    fn text(&mut self, text: &str) {
        escape_into(&mut self.0, text);
    }
}

impl Writer {
    /// Ends a tag with its last attribute.
    fn attribute(&mut self, begin: &str, value: &str) {
        self.0.push_str(begin);
        self.0.push_str("=\"");
        escape_into(&mut self.0, value);
        self.0.push_str("\">");
    }
}

fn name(kind: &EntityKind) -> &'static str {
    match kind {
        EntityKind::Bold => "b",
        EntityKind::Italic => "i",
        EntityKind::Underline => "u",
        EntityKind::Strike => "s",
        EntityKind::Spoiler => "tg-spoiler",
        EntityKind::Code => "code",
        EntityKind::Pre { .. } => "pre",
        EntityKind::Blockquote { .. } => "blockquote",
        EntityKind::CustomEmoji { .. } => "tg-emoji",
        EntityKind::FormattedDate { .. } => "tg-time",
        _ => "a",
    }
}

pub(super) fn escape_into(escaped: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("&quot;"),
            other => escaped.push(other),
        }
    }
}

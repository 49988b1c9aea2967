//! The HTML dialect of the Bot API, read into entities.

use actogram_tl::{enums::MessageEntity, types};

/// What an open tag will become once it is closed.
enum Style {
    Bold,
    Italic,
    Underline,
    Strike,
    Spoiler,
    Code { language: Option<String> },
    Pre { language: String },
    Quote { collapsed: bool },
    Link { url: String },
    CustomEmoji { document_id: i64 },
    Ignored,
}

struct Open {
    name: String,
    style: Style,
    offset: i32,
}

struct Tag<'a> {
    name: String,
    closing: bool,
    attributes: &'a str,
}

pub(super) fn parse(source: &str) -> (String, Vec<MessageEntity>) {
    let mut reader = Reader::default();
    let mut rest = source;
    while let Some(at) = rest.find(['<', '&']) {
        reader.push(&rest[..at]);
        rest = &rest[at..];
        if rest.starts_with('&') {
            let (character, length) = character_reference(rest).unwrap_or(('&', 1));
            reader.push_char(character);
            rest = &rest[length..];
        } else if let Some((tag, length)) = tag(rest) {
            reader.tag(&tag);
            rest = &rest[length..];
        } else {
            reader.push_char('<');
            rest = &rest[1..];
        }
    }
    reader.push(rest);
    reader.finish()
}

#[derive(Default)]
struct Reader {
    text: String,
    /// Length of `text` in UTF-16 code units.
    length: i32,
    open: Vec<Open>,
    entities: Vec<MessageEntity>,
}

impl Reader {
    fn push(&mut self, text: &str) {
        self.text.push_str(text);
        self.length = self
            .length
            .saturating_add(i32::try_from(text.encode_utf16().count()).unwrap_or(i32::MAX));
    }

    fn push_char(&mut self, character: char) {
        self.push(character.encode_utf8(&mut [0; 4]));
    }

    fn tag(&mut self, tag: &Tag<'_>) {
        if tag.name == "br" {
            return self.push_char('\n');
        }
        if tag.closing {
            // A close that matches nothing is left out; one that skips inner tags closes those too.
            if let Some(at) = self.open.iter().rposition(|open| open.name == tag.name) {
                while self.open.len() > at {
                    self.close_last();
                }
            }
            return;
        }
        let style = self.style(tag);
        self.open.push(Open {
            name: tag.name.clone(),
            style,
            offset: self.length,
        });
    }

    fn style(&mut self, tag: &Tag<'_>) -> Style {
        let attribute = |name| attribute(tag.attributes, name);
        match tag.name.as_str() {
            "b" | "strong" => Style::Bold,
            "i" | "em" => Style::Italic,
            "u" | "ins" => Style::Underline,
            "s" | "strike" | "del" => Style::Strike,
            "tg-spoiler" => Style::Spoiler,
            "span" if attribute("class").as_deref() == Some("tg-spoiler") => Style::Spoiler,
            "pre" => Style::Pre {
                language: attribute("language").unwrap_or_default(),
            },
            "code" => Style::Code {
                language: attribute("class")
                    .and_then(|c| c.strip_prefix("language-").map(str::to_owned)),
            },
            "blockquote" => Style::Quote {
                collapsed: tag
                    .attributes
                    .split_ascii_whitespace()
                    .any(|word| word.eq_ignore_ascii_case("expandable")),
            },
            "a" => attribute("href").map_or(Style::Ignored, |url| Style::Link { url }),
            "tg-emoji" => attribute("emoji-id")
                .and_then(|id| id.parse().ok())
                .map_or(Style::Ignored, |document_id| Style::CustomEmoji {
                    document_id,
                }),
            _ => Style::Ignored,
        }
    }

    fn close_last(&mut self) {
        let Some(Open { style, offset, .. }) = self.open.pop() else {
            return;
        };
        let length = self.length - offset;
        // `<pre><code class="language-x">` is one entity: the code gives its language to the pre around it.
        if let Style::Code { language } = &style
            && let Some(Open {
                style: Style::Pre { language: of_pre },
                offset: at,
                ..
            }) = self.open.last_mut()
            && *at == offset
        {
            if let Some(language) = language {
                of_pre.clone_from(language);
            }
            return;
        }
        if length == 0 {
            return;
        }
        let entity = match style {
            Style::Bold => types::MessageEntityBold { offset, length }.into(),
            Style::Italic => types::MessageEntityItalic { offset, length }.into(),
            Style::Underline => types::MessageEntityUnderline { offset, length }.into(),
            Style::Strike => types::MessageEntityStrike { offset, length }.into(),
            Style::Spoiler => types::MessageEntitySpoiler { offset, length }.into(),
            Style::Code { .. } => types::MessageEntityCode { offset, length }.into(),
            Style::Pre { language } => types::MessageEntityPre {
                offset,
                length,
                language,
            }
            .into(),
            Style::Quote { collapsed } => types::MessageEntityBlockquote {
                collapsed,
                offset,
                length,
            }
            .into(),
            Style::Link { url } => link(url, offset, length),
            Style::CustomEmoji { document_id } => types::MessageEntityCustomEmoji {
                offset,
                length,
                document_id,
            }
            .into(),
            Style::Ignored => return,
        };
        self.entities.push(entity);
    }

    fn finish(mut self) -> (String, Vec<MessageEntity>) {
        while !self.open.is_empty() {
            self.close_last();
        }
        // Telegram wants outer entities before the ones they hold.
        self.entities.sort_by_key(|entity| {
            let (offset, length) = range(entity);
            (offset, -length)
        });
        (self.text, self.entities)
    }
}

fn link(url: String, offset: i32, length: i32) -> MessageEntity {
    match url
        .strip_prefix("tg://user?id=")
        .and_then(|id| id.parse().ok())
    {
        Some(user_id) => types::MessageEntityMentionName {
            offset,
            length,
            user_id,
        }
        .into(),
        None => types::MessageEntityTextUrl {
            offset,
            length,
            url,
        }
        .into(),
    }
}

fn range(entity: &MessageEntity) -> (i32, i32) {
    match entity {
        MessageEntity::MessageEntityBold(e) => (e.offset, e.length),
        MessageEntity::MessageEntityItalic(e) => (e.offset, e.length),
        MessageEntity::MessageEntityUnderline(e) => (e.offset, e.length),
        MessageEntity::MessageEntityStrike(e) => (e.offset, e.length),
        MessageEntity::MessageEntitySpoiler(e) => (e.offset, e.length),
        MessageEntity::MessageEntityCode(e) => (e.offset, e.length),
        MessageEntity::MessageEntityPre(e) => (e.offset, e.length),
        MessageEntity::MessageEntityBlockquote(e) => (e.offset, e.length),
        MessageEntity::MessageEntityTextUrl(e) => (e.offset, e.length),
        MessageEntity::MessageEntityMentionName(e) => (e.offset, e.length),
        MessageEntity::MessageEntityCustomEmoji(e) => (e.offset, e.length),
        _ => (0, 0),
    }
}

/// Reads `<name attributes>` or `</name>` at the start of `text`; `None` if what stands there is no tag.
fn tag(text: &str) -> Option<(Tag<'_>, usize)> {
    let inner = text.strip_prefix('<')?;
    let closing = inner.starts_with('/');
    let body = if closing { &inner[1..] } else { inner };
    if !body.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return None;
    }
    let mut quote = None;
    let end = body
        .char_indices()
        .find_map(|(at, character)| match (quote, character) {
            (Some(open), c) if c == open => {
                quote = None;
                None
            }
            (Some(_), _) => None,
            (None, '"' | '\'') => {
                quote = Some(character);
                None
            }
            (None, '>') => Some(at),
            (None, _) => None,
        })?;
    let content = body[..end].trim_end_matches('/');
    let name_end = content
        .find(|c: char| c.is_ascii_whitespace())
        .unwrap_or(content.len());
    let (name, attributes) = content.split_at(name_end);
    let length = 1 + usize::from(closing) + end + 1;
    Some((
        Tag {
            name: name.to_ascii_lowercase(),
            closing,
            attributes,
        },
        length,
    ))
}

/// The value of an attribute, with its character references resolved.
fn attribute(attributes: &str, name: &str) -> Option<String> {
    let mut rest = attributes.trim_start();
    while !rest.is_empty() {
        let key_end = rest
            .find(|c: char| c == '=' || c.is_ascii_whitespace())
            .unwrap_or(rest.len());
        let key = &rest[..key_end];
        rest = rest[key_end..].trim_start();
        let mut value = "";
        if let Some(after) = rest.strip_prefix('=') {
            let after = after.trim_start();
            let quoted = after.chars().next().filter(|c| matches!(c, '"' | '\''));
            let (found, remaining) = match quoted {
                Some(quote) => after[1..].split_once(quote).unwrap_or((&after[1..], "")),
                None => after.split_at(
                    after
                        .find(|c: char| c.is_ascii_whitespace())
                        .unwrap_or(after.len()),
                ),
            };
            value = found;
            rest = remaining.trim_start();
        }
        if key.eq_ignore_ascii_case(name) {
            return Some(resolve_references(value));
        }
    }
    None
}

fn resolve_references(text: &str) -> String {
    let mut resolved = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        resolved.push_str(&rest[..at]);
        rest = &rest[at..];
        let (character, length) = character_reference(rest).unwrap_or(('&', 1));
        resolved.push(character);
        rest = &rest[length..];
    }
    resolved.push_str(rest);
    resolved
}

/// Reads `&name;` or `&#number;` at the start of `text`.
fn character_reference(text: &str) -> Option<(char, usize)> {
    // The longest one known is `&#x10FFFF;`.
    let end = text.bytes().take(11).position(|byte| byte == b';')?;
    let name = text.get(1..end)?;
    let character = match name {
        "lt" => '<',
        "gt" => '>',
        "amp" => '&',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => '\u{a0}',
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hexadecimal) => u32::from_str_radix(hexadecimal, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)?
        }
    };
    Some((character, end + 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn offsets_count_utf16_code_units() {
        let (text, entities) = parse("😀<b>é</b>");
        assert_eq!(text, "😀é");
        assert_eq!(
            entities,
            [types::MessageEntityBold {
                offset: 2,
                length: 1
            }
            .into()]
        );
    }

    #[test]
    fn nested_tags_come_outer_first() {
        let (text, entities) = parse("<i>a<b>b</b></i>");
        assert_eq!(text, "ab");
        assert_eq!(
            entities,
            [
                types::MessageEntityItalic {
                    offset: 0,
                    length: 2
                }
                .into(),
                types::MessageEntityBold {
                    offset: 1,
                    length: 1
                }
                .into()
            ]
        );
    }

    #[test]
    fn a_code_block_takes_the_language_of_its_code() {
        let (text, entities) = parse("<pre><code class=\"language-rust\">fn</code></pre>");
        assert_eq!(text, "fn");
        assert_eq!(
            entities,
            [types::MessageEntityPre {
                offset: 0,
                length: 2,
                language: "rust".into()
            }
            .into()]
        );
    }

    #[test]
    fn links_and_mentions() {
        let (_, entities) =
            parse("<a href='https://a.example/?x=1&amp;y=2'>x</a><a href=\"tg://user?id=7\">y</a>");
        assert_eq!(
            entities,
            [
                types::MessageEntityTextUrl {
                    offset: 0,
                    length: 1,
                    url: "https://a.example/?x=1&y=2".into()
                }
                .into(),
                types::MessageEntityMentionName {
                    offset: 1,
                    length: 1,
                    user_id: 7
                }
                .into()
            ]
        );
    }

    #[test]
    fn what_is_no_tag_stands_for_itself() {
        for source in [
            "1 < 2",
            "a <3 b",
            "x & y",
            "&unknown;",
            "<",
            "</",
            "a<b",
            "&#xFFFFFFFF;",
        ] {
            assert_eq!(parse(source).0, source, "{source}");
        }
    }

    #[test]
    fn unknown_unclosed_and_crossed_tags_keep_their_text() {
        assert_eq!(parse("<blink>a</blink><b>b<i>c</b>d</i>").0, "abcd");
        assert_eq!(parse("</b>a<b>").0, "a");
    }

    proptest! {
        #[test]
        fn any_input_gives_entities_inside_the_text(source in ".{0,200}") {
            let (text, entities) = parse(&source);
            let length = text.encode_utf16().count() as i32;
            for entity in &entities {
                let (offset, count) = range(entity);
                prop_assert!(offset >= 0 && count > 0 && offset + count <= length);
            }
        }

        #[test]
        fn escaped_text_comes_back_unchanged(text in ".{0,200}") {
            prop_assert_eq!(parse(&super::super::escape_html(&text)).0, text);
        }

        #[test]
        fn tags_lose_no_text(words in proptest::collection::vec("[a-z]{1,8}", 0..20), tags in proptest::collection::vec("</?(b|i|pre|a|zz)( x=\"y\")?>", 20)) {
            let source: String = words.iter().zip(&tags).map(|(word, tag)| format!("{tag}{word}")).collect();
            prop_assert_eq!(parse(&source).0, words.concat());
        }
    }
}

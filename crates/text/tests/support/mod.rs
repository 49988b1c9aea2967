//! Texts at random, and short ways to say what an entity is.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "each test uses a part of it"
)]

use actogram_text::{DateFormat, Entity, EntityKind, Precision, Text};
use proptest::prelude::*;

pub use EntityKind::{Bold, Code, Italic, Spoiler, Strike, Underline};

pub fn e(kind: EntityKind, offset: usize, length: usize) -> Entity {
    Entity::new(kind, offset, length)
}

pub fn url(url: &str) -> EntityKind {
    EntityKind::TextUrl { url: url.into() }
}

pub fn mention(user_id: i64) -> EntityKind {
    EntityKind::MentionName { user_id }
}

pub fn emoji(document_id: i64) -> EntityKind {
    EntityKind::CustomEmoji { document_id }
}

pub fn pre(language: &str) -> EntityKind {
    EntityKind::Pre {
        language: language.into(),
    }
}

pub fn quote() -> EntityKind {
    EntityKind::Blockquote { collapsed: false }
}

pub fn expandable() -> EntityKind {
    EntityKind::Blockquote { collapsed: true }
}

pub fn date(date: i32, format: &str) -> EntityKind {
    EntityKind::FormattedDate {
        date,
        format: format.parse().unwrap(),
    }
}

/// Text with all that is special to some dialect, characters of one, two, three and four bytes, and clusters.
pub fn any_plain() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => "[a-z]{1,4}",
        3 => proptest::sample::select(vec![" ", "\n", "\r", "\t", "\u{a0}", "\0", "\n\n", "\r\n"]).prop_map(String::from),
        4 => proptest::sample::select(vec![
            "_", "*", "[", "]", "(", ")", "~", "`", "```", ">", "#", "+", "-", "=", "|", "||", "{", "}", ".", "!", "![", "\\",
            "<", "&", "&lt;", "&amp", "\"", "'", "</b>", "<b>", "__", "**", "\\\\", "](", "<!--", "/", ":",
        ]).prop_map(String::from),
        3 => proptest::sample::select(vec!["é", "ы", "€", "🏟", "🇺🇦", "👨‍👩‍👧", "e\u{301}", "\u{200b}", "👍🏽"]).prop_map(String::from),
        1 => any::<char>().prop_map(String::from),
    ];
    proptest::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

pub fn any_kind() -> impl Strategy<Value = EntityKind> {
    let precision = || {
        proptest::option::of(proptest::sample::select(vec![
            Precision::Short,
            Precision::Long,
        ]))
    };
    prop_oneof![
        Just(Bold),
        Just(Italic),
        Just(Underline),
        Just(Strike),
        Just(Spoiler),
        Just(Code),
        "[a-z+ `]{0,4}".prop_map(|language| pre(&language)),
        any::<bool>().prop_map(|collapsed| EntityKind::Blockquote { collapsed }),
        any_plain().prop_map(|address| url(&address)),
        "https?://[a-z.]{1,9}/[()a-z\\\\&=?\"'<>]{0,6}".prop_map(|address| url(&address)),
        Just(url("tg://user?id=5")),
        any::<i64>().prop_map(mention),
        (1..i64::MAX).prop_map(mention),
        any::<i64>().prop_map(emoji),
        (any::<i32>(), any::<[bool; 2]>(), precision(), precision()).prop_map(
            |(date, [relative, day_of_week], day, time)| EntityKind::FormattedDate {
                date,
                format: DateFormat {
                    relative,
                    day_of_week,
                    date: day,
                    time
                },
            }
        ),
        Just(EntityKind::Hashtag),
    ]
}

/// A text with entities anywhere, also where none can be.
pub fn any_text() -> impl Strategy<Value = Text> {
    let entity = (any_kind(), 0usize..40, 0usize..30);
    (any_plain(), proptest::collection::vec(entity, 0..8)).prop_map(|(text, entities)| {
        let entities = entities
            .into_iter()
            .map(|(kind, offset, length)| e(kind, offset, length));
        Text::with_entities(text, entities.collect())
    })
}

pub fn is_quote(entity: &Entity) -> bool {
    matches!(entity.kind, EntityKind::Blockquote { .. })
}

/// A text of which some lines are quoted, and other entities anywhere.
pub fn any_text_with_quoted_lines() -> impl Strategy<Value = Text> {
    let quotes = proptest::collection::vec((0usize..3, 1usize..4, any::<bool>()), 0..4);
    (any_text(), quotes).prop_map(|(text, quotes)| {
        let mut ends = vec![];
        let mut starts = vec![0];
        for (at, unit) in text.as_str().encode_utf16().enumerate() {
            if unit == u16::from(b'\n') {
                ends.push(at);
                starts.push(at + 1);
            }
        }
        ends.push(text.utf16_len());
        let others = text.entities().iter().filter(|entity| !is_quote(entity));
        let mut entities: Vec<Entity> = others.cloned().collect();
        let mut line = 0;
        for (skipped, quoted, collapsed) in quotes {
            line += skipped;
            let Some(start) = starts.get(line) else { break };
            line = (line + quoted).min(ends.len());
            let kind = EntityKind::Blockquote { collapsed };
            entities.push(e(kind, *start, ends[line - 1] - start));
        }
        Text::with_entities(text.as_str(), entities)
    })
}

/// The same without entities that have no markup.
pub fn rendered_kinds(text: &Text) -> Text {
    let kept = text
        .entities()
        .iter()
        .filter(|entity| entity.kind != EntityKind::Hashtag);
    Text::with_entities(text.as_str(), kept.cloned().collect())
}

/// A source of any dialect, mostly markup.
pub fn any_source() -> impl Strategy<Value = String> {
    let markup = proptest::sample::select(vec![
        "*",
        "_",
        "__",
        "~",
        "||",
        "`",
        "```",
        "```rs\n",
        "[",
        "![",
        "](",
        ")",
        "](https://a.b)",
        "](tg://user?id=1)",
        "](tg://emoji?id=1)",
        "\n>",
        ">",
        "**>",
        "||\n",
        "\\",
        "<b>",
        "</b>",
        "<i>",
        "</i>",
        "<u>",
        "</>",
        "<a href=\"x\">",
        "</a>",
        "<pre>",
        "</pre>",
        "<code class=\"language-x\">",
        "</code>",
        "<blockquote expandable>",
        "</blockquote>",
        "<br>",
        "<tg-emoji emoji-id=\"1\">",
        "</tg-emoji>",
        "<span class='tg-spoiler'>",
        "</span>",
        "<nothing>",
        "<a href='",
        "&lt;",
        "&#60;",
        "&#xDFDF;",
        "&",
        "<",
        ">",
        "\"",
        "\n",
        "\r",
    ]);
    let piece = prop_oneof![
        5 => markup.prop_map(String::from),
        4 => "[a-z]{1,3}",
        1 => any_plain(),
    ];
    proptest::collection::vec(piece, 0..30).prop_map(|pieces| pieces.concat())
}

/// Whether every entity lies in the text, is not empty, and begins and ends on boundaries of characters.
pub fn is_sound(text: &Text) -> bool {
    let units: Vec<u16> = text.as_str().encode_utf16().collect();
    let boundary = |at: usize| {
        units
            .get(at)
            .is_none_or(|unit| !(0xdc00..0xe000).contains(unit))
    };
    text.utf16_len() == units.len()
        && text.entities().iter().all(|entity| {
            entity.length > 0
                && entity.end() <= units.len()
                && boundary(entity.offset)
                && boundary(entity.end())
        })
}

/// What people read: letters and digits in their order.
pub fn letters(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).collect()
}

//! One tag: its name and its attributes.

use crate::{EntityKind, link};

use super::parse::unescape;

/// The tags that mean something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Name {
    B,
    Strong,
    I,
    Em,
    U,
    Ins,
    S,
    Strike,
    Del,
    TgSpoiler,
    Spoiler,
    Span,
    Code,
    Pre,
    Blockquote,
    A,
    TgEmoji,
    Emoji,
    TgTime,
    Br,
}

const NAMES: [(&str, Name); Name::COUNT] = [
    ("b", Name::B),
    ("strong", Name::Strong),
    ("i", Name::I),
    ("em", Name::Em),
    ("u", Name::U),
    ("ins", Name::Ins),
    ("s", Name::S),
    ("strike", Name::Strike),
    ("del", Name::Del),
    ("tg-spoiler", Name::TgSpoiler),
    ("spoiler", Name::Spoiler),
    ("span", Name::Span),
    ("code", Name::Code),
    ("pre", Name::Pre),
    ("blockquote", Name::Blockquote),
    ("a", Name::A),
    ("tg-emoji", Name::TgEmoji),
    ("emoji", Name::Emoji),
    ("tg-time", Name::TgTime),
    ("br", Name::Br),
];

impl Name {
    pub(super) const COUNT: usize = 20;

    pub(super) fn of(name: &str) -> Option<Self> {
        NAMES
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, name)| *name)
    }

    pub(super) fn text(self) -> &'static str {
        NAMES
            .iter()
            .find(|(_, name)| *name == self)
            .map_or("", |(text, _)| text)
    }

    /// Whether the Bot API knows it too.
    pub(super) fn is_of_the_bot_api(self) -> bool {
        !matches!(self, Self::Spoiler | Self::Emoji | Self::Br)
    }
}

/// An attribute as it stands in the source; `None` without `=`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Attribute<'s> {
    pub(super) name: &'s str,
    pub(super) value: Option<&'s str>,
}

#[derive(Debug)]
pub(super) struct Tag<'s> {
    pub(super) name: Name,
    pub(super) attributes: Vec<Attribute<'s>>,
}

impl Tag<'_> {
    fn attribute(&self, name: &str) -> Option<String> {
        self.attributes
            .iter()
            .find(|attribute| attribute.name.eq_ignore_ascii_case(name))
            .map(|attribute| unescape(attribute.value.unwrap_or_default()))
    }

    /// The language a `code` gives to the `pre` around it.
    pub(super) fn language_of_code(&self) -> Option<String> {
        if self.name != Name::Code {
            return None;
        }
        let class = self.attribute("class")?;
        let language = class.strip_prefix("language-")?;
        (!language.is_empty()).then(|| language.to_owned())
    }

    /// What it makes of what it holds.
    pub(super) fn kind(&self) -> Option<EntityKind> {
        Some(match self.name {
            Name::B | Name::Strong => EntityKind::Bold,
            Name::I | Name::Em => EntityKind::Italic,
            Name::U | Name::Ins => EntityKind::Underline,
            Name::S | Name::Strike | Name::Del => EntityKind::Strike,
            Name::TgSpoiler | Name::Spoiler => EntityKind::Spoiler,
            Name::Span => {
                let class = self.attribute("class")?;
                class
                    .split_ascii_whitespace()
                    .find(|class| *class == "tg-spoiler")?;
                EntityKind::Spoiler
            }
            Name::Code => EntityKind::Code,
            Name::Pre => EntityKind::Pre {
                language: self.attribute("language").unwrap_or_default(),
            },
            Name::Blockquote => EntityKind::Blockquote {
                collapsed: self.attribute("expandable").is_some(),
            },
            Name::A => link::kind_of(&self.attribute("href")?)?,
            Name::TgEmoji | Name::Emoji => {
                let attribute = if self.name == Name::Emoji {
                    "id"
                } else {
                    "emoji-id"
                };
                let document_id = link::number(&self.attribute(attribute)?)?;
                EntityKind::CustomEmoji { document_id }
            }
            Name::TgTime => EntityKind::FormattedDate {
                date: link::number(&self.attribute("unix")?)?,
                format: self.attribute("format").unwrap_or_default().parse().ok()?,
            },
            Name::Br => return None,
        })
    }
}

//! A text and its formatting, and how texts are put together.

use std::ops::{Add, AddAssign};

use crate::{Entity, EntityKind, utf16_length};

/// A message's text and its formatting.
///
/// Made from a `&str` or `String` (plain), by a parser such as [`html`](crate::html), or piece by piece:
///
/// ```
/// use actogram_text::Text;
/// let text = Text::bold("Total: ") + "1 < 2 " + Text::link("why", "https://example.org");
/// assert_eq!(text.as_str(), "Total: 1 < 2 why");
/// assert_eq!(
///     text.to_html(),
///     "<b>Total: </b>1 &lt; 2 <a href=\"https://example.org\">why</a>"
/// );
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Text {
    plain: String,
    /// Of `plain`, in UTF-16 code units.
    length: usize,
    entities: Vec<Entity>,
}

impl Text {
    /// Text without formatting. Nothing in it is interpreted.
    pub fn plain(text: impl Into<String>) -> Self {
        Self::with_entities(text, Vec::new())
    }

    /// Text with entities made elsewhere. Nothing is checked: [`normalized`](Self::normalized) brings entities into
    /// bounds.
    pub fn with_entities(text: impl Into<String>, entities: Vec<Entity>) -> Self {
        let plain = text.into();
        Self {
            length: utf16_length(&plain),
            plain,
            entities,
        }
    }

    pub(crate) fn from_built(plain: String, length: usize, entities: Vec<Entity>) -> Self {
        Self {
            plain,
            length,
            entities,
        }
    }

    /// The text without its formatting.
    pub fn as_str(&self) -> &str {
        &self.plain
    }

    /// The formatting. From parsers it comes in order of offset, outer entities before those they hold.
    pub fn entities(&self) -> &[Entity] {
        &self.entities
    }

    /// The length in UTF-16 code units, in which Telegram counts.
    pub fn utf16_len(&self) -> usize {
        self.length
    }

    /// Whether there is no text.
    pub fn is_empty(&self) -> bool {
        self.plain.is_empty()
    }

    /// The text and its entities.
    pub fn into_parts(self) -> (String, Vec<Entity>) {
        (self.plain, self.entities)
    }

    /// The whole text as one entity, around those it has.
    ///
    /// ```
    /// use actogram_text::{EntityKind, Text};
    /// let text = (Text::plain("a") + Text::italic("b")).formatted(EntityKind::Underline);
    /// assert_eq!(text.to_html(), "<u>a<i>b</i></u>");
    /// ```
    pub fn formatted(mut self, kind: EntityKind) -> Self {
        if self.length > 0 {
            self.entities.insert(0, Entity::new(kind, 0, self.length));
        }
        self
    }

    /// Bold.
    pub fn bold(text: impl Into<Self>) -> Self {
        text.into().formatted(EntityKind::Bold)
    }

    /// Italic.
    pub fn italic(text: impl Into<Self>) -> Self {
        text.into().formatted(EntityKind::Italic)
    }

    /// Underlined.
    pub fn underline(text: impl Into<Self>) -> Self {
        text.into().formatted(EntityKind::Underline)
    }

    /// Struck through.
    pub fn strike(text: impl Into<Self>) -> Self {
        text.into().formatted(EntityKind::Strike)
    }

    /// Hidden until tapped.
    pub fn spoiler(text: impl Into<Self>) -> Self {
        text.into().formatted(EntityKind::Spoiler)
    }

    /// Fixed width, within a line.
    pub fn code(text: impl Into<Self>) -> Self {
        text.into().formatted(EntityKind::Code)
    }

    /// A block of fixed width, highlighted as `language` unless that is empty.
    pub fn pre(text: impl Into<Self>, language: impl Into<String>) -> Self {
        text.into().formatted(EntityKind::Pre {
            language: language.into(),
        })
    }

    /// A quotation.
    pub fn quote(text: impl Into<Self>) -> Self {
        text.into()
            .formatted(EntityKind::Blockquote { collapsed: false })
    }

    /// A quotation that is shown shortened until tapped.
    pub fn expandable_quote(text: impl Into<Self>) -> Self {
        text.into()
            .formatted(EntityKind::Blockquote { collapsed: true })
    }

    /// A link.
    pub fn link(text: impl Into<Self>, url: impl Into<String>) -> Self {
        text.into()
            .formatted(EntityKind::TextUrl { url: url.into() })
    }

    /// A mention of the user with this id.
    pub fn mention(text: impl Into<Self>, user_id: i64) -> Self {
        text.into().formatted(EntityKind::MentionName { user_id })
    }

    /// A custom emoji by the id of its document, in place of the ordinary emoji `alternative`.
    pub fn custom_emoji(alternative: impl Into<Self>, document_id: i64) -> Self {
        alternative
            .into()
            .formatted(EntityKind::CustomEmoji { document_id })
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self::plain(text)
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self::plain(text)
    }
}

impl From<&String> for Text {
    fn from(text: &String) -> Self {
        Self::plain(text.as_str())
    }
}

impl<T: Into<Text>> AddAssign<T> for Text {
    fn add_assign(&mut self, more: T) {
        let more = more.into();
        let moved = self.length;
        self.plain.push_str(&more.plain);
        self.length += more.length;
        self.entities
            .extend(more.entities.into_iter().map(|mut entity| {
                entity.offset = entity.offset.saturating_add(moved);
                entity
            }));
    }
}

impl<T: Into<Text>> Add<T> for Text {
    type Output = Self;

    fn add(mut self, more: T) -> Self {
        self += more;
        self
    }
}

impl<T: Into<Text>> Extend<T> for Text {
    fn extend<I: IntoIterator<Item = T>>(&mut self, pieces: I) {
        for piece in pieces {
            *self += piece;
        }
    }
}

impl<T: Into<Text>> FromIterator<T> for Text {
    fn from_iter<I: IntoIterator<Item = T>>(pieces: I) -> Self {
        let mut text = Self::default();
        text.extend(pieces);
        text
    }
}

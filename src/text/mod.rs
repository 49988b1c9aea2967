//! Message text with formatting: plain, HTML, or text with ready entities.
//!
//! Telegram carries formatting beside the text as *entities*: ranges counted in UTF-16 code units
//! (<https://core.telegram.org/api/entities>). [`html`] turns the Bot API's HTML dialect into such entities.

mod html;

use actogram_tl as tl;

/// A message's text and its formatting.
///
/// Made from a `&str` or `String` (plain), by [`html`], or by [`Text::with_entities`].
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Text {
    plain: String,
    entities: Vec<tl::enums::MessageEntity>,
}

impl Text {
    /// Text without formatting. Nothing in it is interpreted.
    pub fn plain(text: impl Into<String>) -> Self {
        Self {
            plain: text.into(),
            entities: Vec::new(),
        }
    }

    /// Text with entities made elsewhere. Offsets and lengths are in UTF-16 code units.
    pub fn with_entities(text: impl Into<String>, entities: Vec<tl::enums::MessageEntity>) -> Self {
        Self {
            plain: text.into(),
            entities,
        }
    }

    /// The text without its formatting.
    pub fn as_str(&self) -> &str {
        &self.plain
    }

    /// The formatting, in order of offset.
    pub fn entities(&self) -> &[tl::enums::MessageEntity] {
        &self.entities
    }

    pub(crate) fn into_parts(self) -> (String, Vec<tl::enums::MessageEntity>) {
        (self.plain, self.entities)
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

/// Reads the Bot API's HTML dialect (<https://core.telegram.org/bots/api#html-style>).
///
/// Known: `<b> <strong> <i> <em> <u> <ins> <s> <strike> <del> <code> <pre>` (with
/// `<code class="language-…">` inside), `<tg-spoiler>`, `<span class="tg-spoiler">`, `<blockquote>`
/// (also `expandable`), `<a href="…">`, `<tg-emoji emoji-id="…">`, `<br>`, and the entities `&lt; &gt; &amp;
/// &quot; &apos; &#39; &#x27;`.
///
/// Any input is accepted and none of its text is lost: an unknown tag is left out and what it holds is
/// kept, a `<` that starts no tag stands for itself, and what is left open ends with the text.
///
/// ```
/// use actogram::html;
/// let text = html("Hello <b>world</b>, 1 < 2");
/// assert_eq!(text.as_str(), "Hello world, 1 < 2");
/// assert_eq!(text.entities().len(), 1);
/// ```
pub fn html(source: impl AsRef<str>) -> Text {
    let (plain, entities) = html::parse(source.as_ref());
    Text { plain, entities }
}

/// Makes any text safe inside [`html`]: `<`, `>`, `&` and `"` become entities.
///
/// ```
/// assert_eq!(actogram::escape_html("a<b & \"c\""), "a&lt;b &amp; &quot;c&quot;");
/// ```
pub fn escape_html(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("&quot;"),
            other => escaped.push(other),
        }
    }
    escaped
}

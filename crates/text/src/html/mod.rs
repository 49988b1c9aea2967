//! The HTML dialect of the Bot API, and MadelineProto's additions.

mod parse;
mod render;
mod tag;

use crate::{ParseError, Text};

/// Reads HTML, whatever it is, and loses none of its text.
///
/// The dialect is that of the Bot API (<https://core.telegram.org/bots/api#html-style>): `<b> <strong> <i> <em> <u>
/// <ins> <s> <strike> <del> <tg-spoiler> <span class="tg-spoiler"> <code> <pre>` (with `<code class="language-…">`
/// inside), `<blockquote>` (also `expandable`), `<a href="…">`, `<tg-emoji emoji-id="…">`, `<tg-time unix="…"
/// format="…">`; and MadelineProto's `<spoiler>`, `<emoji id="…">`, `<pre language="…">`, `<br>` and links to
/// `mention:…`. A valid source gives what [`html_strict`] gives.
///
/// Of others nothing is lost: a tag that is not known stands for itself (`Vec<String>` is not markup), as does a `<`
/// that begins no tag and an `&` that begins no character; what is left open ends with the text; tags may cross; a
/// close that closes nothing is left out.
///
/// ```
/// use actogram_text::html;
/// let text = html("Hello <b>world</b>, 1 < 2 in a Vec<String>");
/// assert_eq!(text.as_str(), "Hello world, 1 < 2 in a Vec<String>");
/// assert_eq!(text.entities().len(), 1);
/// ```
pub fn html(source: impl AsRef<str>) -> Text {
    let source = source.as_ref();
    parse::strict(source).unwrap_or_else(|_| parse::lenient(source))
}

/// Reads HTML as the Bot API does: what it would refuse is an error that says where.
///
/// Differences: an `<a>` without `href` is no link (the Bot API takes its text for the address if it can be one), and
/// addresses are not checked.
///
/// # Errors
/// [`ParseError`] with the place in the source.
///
/// ```
/// use actogram_text::html_strict;
/// let error = html_strict("a <b>b").unwrap_err();
/// assert_eq!(error.offset, 2);
/// ```
pub fn html_strict(source: impl AsRef<str>) -> Result<Text, ParseError> {
    parse::strict(source.as_ref())
}

/// Makes any text safe inside [`html`]: `<`, `>`, `&` and `"` become entities.
///
/// ```
/// assert_eq!(
///     actogram_text::escape_html("a<b & \"c\""),
///     "a&lt;b &amp; &quot;c&quot;"
/// );
/// ```
pub fn escape_html(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    render::escape_into(&mut escaped, text);
    escaped
}

//! The Markdown dialects of the Bot API.

mod legacy;
mod render;
mod v2;

use crate::{ParseError, Text};

/// The characters that [`escape_markdown_v2`] escapes.
const RESERVED: &[u8] = b"_*[]()~`>#+-=|{}.!\\";

/// Reads MarkdownV2, whatever it is, and loses none of its text.
///
/// The dialect is that of the Bot API (<https://core.telegram.org/bots/api#markdownv2-style>), which MadelineProto's is
/// a part of: `*bold*`, `_italic_`, `__underline__`, `~strike~`, `||spoiler||`, `` `code` ``, code blocks between
/// ```` ``` ```` with a language, `[text](address)`, `![👍](tg://emoji?id=…)`, `![text](tg://time?unix=…&format=…)`, lines
/// that begin with `>` as quotations (a last `||` makes one expandable, `**>` begins another). A backslash makes any
/// ASCII character ordinary. A valid source gives what [`markdown_strict`] gives.
///
/// Of others nothing is lost: reserved characters that need not be escaped to be understood stand for themselves, and so
/// does a marker that nothing closes.
///
/// A quotation ends before the line break behind it, which belongs to what follows.
///
/// ```
/// use actogram_text::markdown;
/// let text = markdown("*bold*, 2 * 3 = 6. _unclosed");
/// assert_eq!(text.as_str(), "bold, 2 * 3 = 6. _unclosed");
/// assert_eq!(text.entities().len(), 1);
/// ```
pub fn markdown(source: impl AsRef<str>) -> Text {
    let source = source.as_ref();
    v2::strict(source).unwrap_or_else(|_| v2::lenient(source))
}

/// Reads MarkdownV2 as the Bot API does: what it would refuse is an error that says where.
///
/// Differences: `[text]` without an address and `[](address)` are errors (the Bot API takes the text for the address, and
/// loses an empty link); so is a lone backtick within a block; addresses are not checked; a quotation does not hold the
/// line break behind it; a block that would hold nothing but a language holds that as its text.
///
/// # Errors
/// [`ParseError`] with the place in the source.
///
/// ```
/// use actogram_text::{ParseErrorReason, markdown_strict};
/// let error = markdown_strict("1. one").unwrap_err();
/// assert_eq!((error.offset, error.reason), (1, ParseErrorReason::Reserved('.')));
/// ```
pub fn markdown_strict(source: impl AsRef<str>) -> Result<Text, ParseError> {
    v2::strict(source.as_ref())
}

/// Reads the Bot API's old Markdown (<https://core.telegram.org/bots/api#markdown-style>), whatever it is, and loses none
/// of its text: `*bold*`, `_italic_`, `` `code` ``, code blocks, `[text](address)`, nothing within another, and
/// backslashes before `_`, `*`, `` ` `` and `[` outside of them only. A marker that nothing closes stands for itself.
///
/// ```
/// use actogram_text::markdown_legacy;
/// let text = markdown_legacy("_snake_\\__case_ 2*3");
/// assert_eq!(text.as_str(), "snake_case 2*3");
/// ```
pub fn markdown_legacy(source: impl AsRef<str>) -> Text {
    let source = source.as_ref();
    legacy::lenient(source)
}

/// Reads the Bot API's old Markdown as it does: a marker that nothing closes is an error that says where.
///
/// Differences: those of [`markdown_strict`] about links and blocks.
///
/// # Errors
/// [`ParseError`] with the place in the source.
pub fn markdown_legacy_strict(source: impl AsRef<str>) -> Result<Text, ParseError> {
    legacy::strict(source.as_ref())
}

/// Makes any text safe inside [`markdown`], outside of code and of addresses: all that is reserved there gets a backslash.
///
/// ```
/// assert_eq!(actogram_text::escape_markdown_v2("1. a_b"), "1\\. a\\_b");
/// ```
pub fn escape_markdown_v2(text: &str) -> String {
    escape(text, RESERVED)
}

/// Makes any text safe inside [`markdown_legacy`], outside of entities.
///
/// ```
/// assert_eq!(actogram_text::escape_markdown("1. a_b"), "1. a\\_b");
/// ```
pub fn escape_markdown(text: &str) -> String {
    escape(text, b"_*`[")
}

fn escape(text: &str, reserved: &[u8]) -> String {
    let mut escaped = String::with_capacity(text.len());
    escape_into(&mut escaped, text, reserved);
    escaped
}

fn escape_into(escaped: &mut String, text: &str, reserved: &[u8]) {
    for character in text.chars() {
        if u8::try_from(character).is_ok_and(|byte| reserved.contains(&byte)) {
            escaped.push('\\');
        }
        escaped.push(character);
    }
}

/// Skips the one line break behind the first line of a code block.
fn line_break_length(bytes: &[u8]) -> usize {
    match bytes {
        [b'\n', b'\r', ..] | [b'\r', b'\n', ..] => 2,
        [b'\n' | b'\r', ..] => 1,
        _ => 0,
    }
}

/// How long the language is that a code block begins with, given what follows its opening marker.
fn language_length(bytes: &[u8]) -> usize {
    let end = bytes
        .iter()
        .position(|byte| matches!(byte, 0 | b'\t'..=b'\r' | b' ' | b'`'));
    crate::steps::count(end.unwrap_or(bytes.len()) + 1);
    match end {
        Some(end) if bytes[end] != b'`' => end,
        _ => 0,
    }
}

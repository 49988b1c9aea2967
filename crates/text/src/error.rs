//! Why a source is not of a dialect.

/// Why a strict parser refused a source, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}, at byte {offset} of the source")]
#[non_exhaustive]
pub struct ParseError {
    /// Where, in bytes from the beginning of the source. Always on the boundary of a character.
    pub offset: usize,
    /// What was expected and what stands there.
    pub reason: ParseErrorReason,
}

impl ParseError {
    pub(crate) fn new(offset: usize, reason: ParseErrorReason) -> Self {
        Self { offset, reason }
    }
}

/// What a strict parser found wrong. The Bot API refuses the same sources, but where the docs of a function say
/// otherwise.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseErrorReason {
    /// A character of the markup that means nothing where it stands.
    #[error("{0:?} is reserved: write a backslash before it")]
    Reserved(char),
    /// A marker that nothing closes.
    #[error("{0} is opened here and never closed: close it, or escape the marker")]
    Unclosed(&'static str),
    /// `(` after `[text]` without a `)`.
    #[error("the address of a link has no closing parenthesis")]
    UnclosedUrl,
    /// `[text]` without an address.
    #[error("a link needs an address: write [text](address), or escape the brackets")]
    MissingUrl,
    /// `[](address)`.
    #[error("a link around nothing would vanish: write a text between the brackets")]
    EmptyLink,
    /// `![text](address)` with an address that names neither an emoji nor a moment.
    #[error("expected tg://emoji?id=… or tg://time?unix=…, found {0:?}")]
    NotEmojiOrTime(String),
    /// A tag that does not end.
    #[error("a tag begins here and does not end: write &lt; for a less-than sign")]
    UnclosedTag,
    /// A tag the dialect does not know.
    #[error("the tag {0:?} is not supported: write &lt; for a less-than sign")]
    UnsupportedTag(String),
    /// An attribute that is not `name="value"`.
    #[error("expected an attribute as name=\"value\" in the tag {0:?}")]
    BadAttribute(String),
    /// A closing tag of something that is not open.
    #[error("</{found}> closes nothing: {}", expected.as_ref().map_or_else(|| "no tag is open".to_owned(), |tag| format!("</{tag}> was expected")))]
    UnexpectedEndTag {
        /// What is closed.
        found: String,
        /// What is open.
        expected: Option<String>,
    },
    /// A number that names no character.
    #[error("&#{0}; names no character")]
    NoCharacter(String),
}

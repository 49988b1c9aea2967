//! What formatting a range of a text has.

use std::{fmt, ops::Range, str::FromStr};

/// A range of a text and what it is (<https://core.telegram.org/api/entities>).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Entity {
    /// Where it begins, in UTF-16 code units from the beginning of the text.
    pub offset: usize,
    /// How long it is, in UTF-16 code units.
    pub length: usize,
    /// What it is.
    pub kind: EntityKind,
}

impl Entity {
    /// An entity over `length` UTF-16 code units from `offset` on.
    pub fn new(kind: EntityKind, offset: usize, length: usize) -> Self {
        Self {
            offset,
            length,
            kind,
        }
    }

    /// Where it ends, in UTF-16 code units.
    pub fn end(&self) -> usize {
        self.offset.saturating_add(self.length)
    }

    pub(crate) fn range(&self) -> Range<usize> {
        self.offset..self.end()
    }

    pub(crate) fn over(kind: EntityKind, range: Range<usize>) -> Self {
        Self::new(kind, range.start, range.end.saturating_sub(range.start))
    }
}

/// What an entity makes of its range. The names are those of the schema's `MessageEntity`.
///
/// Those from [`Mention`](Self::Mention) on have no markup: Telegram finds them by itself. They are kept wherever a
/// text is composed or split, and left out where it is rendered.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EntityKind {
    /// Bold.
    Bold,
    /// Italic.
    Italic,
    /// Underlined.
    Underline,
    /// Struck through.
    Strike,
    /// Hidden until tapped.
    Spoiler,
    /// Fixed width, within a line.
    Code,
    /// A block of fixed width.
    Pre {
        /// What it is highlighted as; empty for nothing.
        language: String,
    },
    /// A quotation.
    Blockquote {
        /// Whether it is shown shortened until tapped ("expandable" in the Bot API).
        collapsed: bool,
    },
    /// A link.
    TextUrl {
        /// Where it leads.
        url: String,
    },
    /// A mention of somebody by id, who need not have a username.
    MentionName {
        /// The user's id.
        user_id: i64,
    },
    /// A custom emoji in place of the emoji in the text.
    CustomEmoji {
        /// The id of its document.
        document_id: i64,
    },
    /// A moment, shown in the reader's time zone and language.
    FormattedDate {
        /// Seconds since 1970.
        date: i32,
        /// How it is shown.
        format: DateFormat,
    },
    /// `@username`.
    Mention,
    /// `#hashtag`.
    Hashtag,
    /// `$USD`.
    Cashtag,
    /// `/command`.
    BotCommand,
    /// A URL that stands in the text.
    Url,
    /// An e-mail address.
    Email,
    /// A phone number.
    Phone,
    /// The number of a bank card.
    BankCard,
    /// Anything else.
    Unknown,
}

/// What an entity excludes: see [`Text::normalized`](crate::Text::normalized).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Class {
    Quote,
    Wrap,
    Fixed,
    Style,
    /// What Telegram finds by itself.
    Found,
}

impl EntityKind {
    /// The five kinds that may lie over each other and over most others.
    pub(crate) const STYLES: [Self; 5] = [
        Self::Bold,
        Self::Italic,
        Self::Underline,
        Self::Strike,
        Self::Spoiler,
    ];

    pub(crate) fn class(&self) -> Class {
        match self {
            Self::Blockquote { .. } => Class::Quote,
            Self::TextUrl { .. }
            | Self::MentionName { .. }
            | Self::CustomEmoji { .. }
            | Self::FormattedDate { .. } => Class::Wrap,
            Self::Code | Self::Pre { .. } => Class::Fixed,
            Self::Bold | Self::Italic | Self::Underline | Self::Strike | Self::Spoiler => {
                Class::Style
            }
            _ => Class::Found,
        }
    }

    /// Its place among [`STYLES`](Self::STYLES).
    pub(crate) fn style(&self) -> Option<usize> {
        Self::STYLES.iter().position(|style| style == self)
    }
}

/// How a date is shown, by the control characters of the Bot API's date-time format `r|w?[dD]?[tT]?`
/// (<https://core.telegram.org/bots/api#date-time-entity-formatting>).
///
/// ```
/// use actogram_text::{DateFormat, Precision};
/// let format: DateFormat = "wD".parse()?;
/// assert!(format.day_of_week);
/// assert_eq!(format.date, Some(Precision::Long));
/// assert_eq!(format.to_string(), "wD");
/// assert!("rw".parse::<DateFormat>().is_err());
/// # Ok::<(), actogram_text::BadDateFormat>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct DateFormat {
    /// Relative to now (`r`); excludes all others.
    pub relative: bool,
    /// The day of the week (`w`).
    pub day_of_week: bool,
    /// The date (`d`, `D`).
    pub date: Option<Precision>,
    /// The time (`t`, `T`).
    pub time: Option<Precision>,
}

/// How long a date or a time is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Precision {
    /// `17.03.22`, `22:45`.
    Short,
    /// `March 17, 2022`, `22:45:00`.
    Long,
}

/// A date format that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a date format `r` or `w?[dD]?[tT]?`, found {0:?}")]
pub struct BadDateFormat(pub String);

impl FromStr for DateFormat {
    type Err = BadDateFormat;

    fn from_str(text: &str) -> Result<Self, BadDateFormat> {
        let mut format = Self::default();
        let mut rest = text;
        let mut take = |letter: char| {
            let after = rest.strip_prefix(letter);
            rest = after.unwrap_or(rest);
            after.is_some()
        };
        format.relative = take('r');
        if !format.relative {
            format.day_of_week = take('w');
            let mut precision = |short, long| match (take(short), take(long)) {
                (true, false) => Some(Precision::Short),
                (false, true) => Some(Precision::Long),
                _ => None,
            };
            format.date = precision('d', 'D');
            format.time = precision('t', 'T');
        }
        // What is left over, or was taken in a place where it does not belong, shows here.
        if format.to_string() == text {
            Ok(format)
        } else {
            Err(BadDateFormat(text.to_owned()))
        }
    }
}

impl fmt::Display for DateFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.relative {
            return f.write_str("r");
        }
        if self.day_of_week {
            f.write_str("w")?;
        }
        match self.date {
            Some(Precision::Short) => f.write_str("d")?,
            Some(Precision::Long) => f.write_str("D")?,
            None => {}
        }
        match self.time {
            Some(Precision::Short) => f.write_str("t"),
            Some(Precision::Long) => f.write_str("T"),
            None => Ok(()),
        }
    }
}

//! MarkdownV2 into text and entities, strictly and leniently.
//!
//! Strictly, a marker closes what was opened last or opens something. Leniently, it closes what it can, markers in
//! between coming to stand for themselves, and a source of which the strict reading makes sense is read strictly: so both
//! agree wherever the Bot API has an answer.

use std::ops::Range;

use crate::{
    EntityKind, ParseError, ParseErrorReason as Reason, Text,
    draft::{Draft, MarkId},
    link, steps,
};

use super::{language_length, line_break_length};

pub(super) fn strict(source: &str) -> Result<Text, ParseError> {
    Parser::new(source, true).run()
}

pub(super) fn lenient(source: &str) -> Text {
    // Nothing is an error in this mode; should that ever be wrong, the source itself loses nothing either.
    Parser::new(source, false)
        .run()
        .unwrap_or_else(|_| Text::plain(source))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Marker {
    Bold,
    Italic,
    Underline,
    Strike,
    Spoiler,
    Link,
    /// `![`.
    Emoji,
}

impl Marker {
    const COUNT: usize = 7;

    fn name(self) -> &'static str {
        match self {
            Self::Bold => "bold text",
            Self::Italic => "italic text",
            Self::Underline => "underlined text",
            Self::Strike => "struck text",
            Self::Spoiler => "a spoiler",
            Self::Link => "a link",
            Self::Emoji => "a custom emoji",
        }
    }

    fn kind(self) -> Option<EntityKind> {
        Some(match self {
            Self::Bold => EntityKind::Bold,
            Self::Italic => EntityKind::Italic,
            Self::Underline => EntityKind::Underline,
            Self::Strike => EntityKind::Strike,
            Self::Spoiler => EntityKind::Spoiler,
            Self::Link | Self::Emoji => return None,
        })
    }
}

struct Open {
    marker: Marker,
    mark: MarkId,
    /// Where it begins in the source.
    at: usize,
    /// How much text there was before it.
    written: usize,
    at_line_start: bool,
}

struct Quote {
    mark: MarkId,
    /// What was open before it stays open below this depth, out of reach until the quotation ends.
    floor: usize,
    counts: [usize; Marker::COUNT],
}

struct Parser<'s> {
    source: &'s str,
    bytes: &'s [u8],
    strict: bool,
    at: usize,
    draft: Draft<'s>,
    open: Vec<Open>,
    /// How often each marker is open above the quotation.
    counts: [usize; Marker::COUNT],
    quote: Option<Quote>,
    /// Whether nothing but markup was since the beginning of the line.
    at_line_start: bool,
    /// Whether it is known that no parenthesis closes any more: none is looked for twice.
    no_address: bool,
}

impl<'s> Parser<'s> {
    fn new(source: &'s str, strict: bool) -> Self {
        Self {
            source,
            bytes: source.as_bytes(),
            strict,
            at: 0,
            draft: Draft::new(source),
            open: Vec::new(),
            counts: [0; Marker::COUNT],
            quote: None,
            at_line_start: true,
            no_address: false,
        }
    }

    fn byte(&self, at: usize) -> u8 {
        self.bytes.get(at).copied().unwrap_or(0)
    }

    fn run(mut self) -> Result<Text, ParseError> {
        while let Some(byte) = self.bytes.get(self.at).copied() {
            steps::count(1);
            match byte {
                b'\\' if matches!(self.byte(self.at + 1), 1..=126) => {
                    let escaped = self.byte(self.at + 1);
                    self.draft.text(self.at + 1..self.at + 2);
                    self.at += 2;
                    if escaped != b'\r' {
                        self.at_line_start = escaped == b'\n';
                    }
                }
                b'\n' => self.line_break()?,
                b'>' => self.quote()?,
                b'_' if self.byte(self.at + 1) == b'_' => self.style(Marker::Underline, 2)?,
                b'_' => self.style(Marker::Italic, 1)?,
                b'*' => self.style(Marker::Bold, 1)?,
                b'~' => self.style(Marker::Strike, 1)?,
                b'|' if self.byte(self.at + 1) == b'|' => self.style(Marker::Spoiler, 2)?,
                b'[' => self.start(Marker::Link, 1),
                b'!' if self.byte(self.at + 1) == b'[' => self.start(Marker::Emoji, 2),
                b']' => self.bracket()?,
                b'`' if self.bytes[self.at..].starts_with(b"```") => self.block()?,
                b'`' => self.code()?,
                b'|' | b'!' | b'(' | b')' | b'#' | b'+' | b'-' | b'=' | b'{' | b'}' | b'.' => {
                    self.reserved(1)?;
                }
                _ => {
                    if byte != b'\r' {
                        self.at_line_start = false;
                    }
                    self.draft.text(self.at..self.at + 1);
                    self.at += 1;
                }
            }
        }
        self.end_quote()?;
        if let (true, Some(open)) = (self.strict, self.open.last()) {
            return Err(unclosed(open));
        }
        Ok(self.draft.finish())
    }

    /// What is reserved stands for itself, or is an error.
    fn reserved(&mut self, length: usize) -> Result<(), ParseError> {
        if self.strict {
            let reason = Reason::Reserved(char::from(self.byte(self.at)));
            return Err(ParseError::new(self.at, reason));
        }
        self.at_line_start = false;
        self.draft.text(self.at..self.at + length);
        self.at += length;
        Ok(())
    }

    fn style(&mut self, marker: Marker, length: usize) -> Result<(), ParseError> {
        let closes = if self.strict {
            self.last().is_some_and(|open| open.marker == marker)
        } else {
            self.counts[marker as usize] > 0
        };
        if !closes {
            self.start(marker, length);
            return Ok(());
        }
        let mut skipped = false;
        while let Some(open) = self.pop() {
            if open.marker != marker {
                skipped = true;
                continue;
            }
            if !skipped && self.draft.written() == open.written {
                self.at_line_start |= open.at_line_start;
            }
            self.draft.close(open.mark);
            break;
        }
        self.at += length;
        Ok(())
    }

    fn start(&mut self, marker: Marker, length: usize) {
        let mark = self.draft.open(marker.kind(), self.at..self.at + length);
        self.counts[marker as usize] += 1;
        self.open.push(Open {
            marker,
            mark,
            at: self.at,
            written: self.draft.written(),
            at_line_start: self.at_line_start,
        });
        // Leniently, it may come to stand for itself.
        self.at_line_start &= self.strict;
        self.at += length;
    }

    fn floor(&self) -> usize {
        self.quote.as_ref().map_or(0, |quote| quote.floor)
    }

    /// What was opened last within the quotation.
    fn last(&self) -> Option<&Open> {
        self.open[self.floor()..].last()
    }

    fn pop(&mut self) -> Option<Open> {
        if self.open.len() <= self.floor() {
            return None;
        }
        steps::count(1);
        let open = self.open.pop()?;
        self.counts[open.marker as usize] -= 1;
        Some(open)
    }

    /// `]`.
    fn bracket(&mut self) -> Result<(), ParseError> {
        let brackets = |open: &Open| matches!(open.marker, Marker::Link | Marker::Emoji);
        let found = if self.strict {
            self.last().filter(|open| brackets(open)).is_some()
        } else {
            self.counts[Marker::Link as usize] + self.counts[Marker::Emoji as usize] > 0
        };
        let Some(depth) = self.open.iter().rposition(brackets).filter(|_| found) else {
            return self.reserved(1);
        };
        steps::count(self.open.len() - depth);
        let (marker, mark, start) = {
            let open = &self.open[depth];
            (open.marker, open.mark, open.at)
        };
        let empty = self.draft.written() == self.open[depth].written;
        let address = self.at + 2;
        let read = if empty {
            Err(ParseError::new(start, Reason::EmptyLink))
        } else {
            self.address().map_err(|reason| {
                let missing = reason == Reason::MissingUrl;
                ParseError::new(if missing { start } else { address }, reason)
            })
        };
        let read = read.and_then(|(url, end)| match (marker, link::emoji_or_time(&url)) {
            (Marker::Emoji, None) if self.strict => {
                Err(ParseError::new(address, Reason::NotEmojiOrTime(url)))
            }
            (Marker::Emoji, None) => {
                // An exclamation mark, and a link behind it.
                self.draft.keep_before(mark, 1);
                Ok((link::kind_of(&url), end))
            }
            (_, Some(kind)) => Ok((Some(kind), end)),
            (_, None) => Ok((link::kind_of(&url), end)),
        });
        match read {
            Ok((kind, end)) => {
                while self.open.len() > depth {
                    self.pop();
                }
                self.draft.set_kind(mark, kind);
                self.draft.close(mark);
                self.at = end;
                Ok(())
            }
            Err(error) if self.strict => Err(error),
            Err(_) => {
                let literal = self.open.remove(depth);
                self.counts[literal.marker as usize] -= 1;
                self.reserved(1)
            }
        }
    }

    /// The address that follows the `]` at hand, and where it ends.
    fn address(&mut self) -> Result<(String, usize), Reason> {
        if self.byte(self.at + 1) != b'(' {
            return Err(Reason::MissingUrl);
        }
        let start = self.at + 2;
        if self.no_address {
            return Err(Reason::UnclosedUrl);
        }
        match self.unescaped(start, b")") {
            Some(end) => {
                let pieces = self.pieces(start, end).into_iter();
                let url = pieces.map(|piece| &self.source[piece]).collect();
                Ok((url, end + 1))
            }
            None => {
                self.no_address = true;
                Err(Reason::UnclosedUrl)
            }
        }
    }

    /// Where `closing` stands next without a backslash before it.
    fn unescaped(&self, start: usize, closing: &[u8]) -> Option<usize> {
        let mut at = start;
        let found = loop {
            match self.bytes.get(at) {
                None => break None,
                Some(b'\\') if matches!(self.byte(at + 1), 1..=126) => at += 2,
                Some(_) if self.bytes[at..].starts_with(closing) => break Some(at),
                Some(_) => at += 1,
            }
        };
        steps::count(at - start);
        found
    }

    /// The pieces of a part of the source between its escaping backslashes.
    fn pieces(&self, start: usize, end: usize) -> Vec<Range<usize>> {
        let mut pieces = Vec::new();
        let mut from = start;
        let mut at = start;
        while at < end {
            if self.bytes[at] == b'\\' && matches!(self.byte(at + 1), 1..=126) {
                pieces.push(from..at);
                from = at + 1;
                at += 2;
            } else {
                at += 1;
            }
        }
        pieces.push(from..end);
        pieces
    }

    fn code(&mut self) -> Result<(), ParseError> {
        let start = self.at;
        // Where none is found, none follows to look from: backslashes are read alike everywhere.
        let Some(end) = self.unescaped(start + 1, b"`") else {
            return self.unclosed_code("code", 1);
        };
        let mark = self.draft.open(Some(EntityKind::Code), start..start + 1);
        self.verbatim(start + 1, end);
        self.draft.close(mark);
        self.at = end + 1;
        Ok(())
    }

    fn block(&mut self) -> Result<(), ParseError> {
        let start = self.at;
        let Some(end) = self.unescaped(start + 3, b"```") else {
            return self.unclosed_code("a block of code", 3);
        };
        // The closing marker ends a language too.
        let mut content = start + 3 + language_length(&self.bytes[start + 3..end + 1]);
        let mut language = &self.source[start + 3..content];
        content += line_break_length(&self.bytes[content..end]);
        if content == end && !language.is_empty() {
            // A block of nothing but a language: it shall not vanish.
            content = start + 3;
            language = "";
        }
        if self.strict
            && let Some(lone) = self.unescaped(content, b"`").filter(|at| *at < end)
        {
            return Err(ParseError::new(lone, Reason::Reserved('`')));
        }
        let kind = EntityKind::Pre {
            language: language.to_owned(),
        };
        let mark = self.draft.open(Some(kind), start..start + 3);
        self.verbatim(content, end);
        self.draft.close(mark);
        self.at = end + 3;
        Ok(())
    }

    fn unclosed_code(&mut self, what: &'static str, length: usize) -> Result<(), ParseError> {
        if self.strict {
            return Err(ParseError::new(self.at, Reason::Unclosed(what)));
        }
        self.reserved(length)
    }

    /// Text in which only backslashes mean something.
    fn verbatim(&mut self, start: usize, end: usize) {
        for piece in self.pieces(start, end) {
            self.draft.text(piece);
        }
        if start < end {
            self.at_line_start = false;
        }
    }

    /// `>`.
    fn quote(&mut self) -> Result<(), ParseError> {
        if !self.at_line_start {
            return self.reserved(1);
        }
        if self.quote.is_none() {
            let kind = EntityKind::Blockquote { collapsed: false };
            let mark = self.draft.open(Some(kind), self.at..self.at + 1);
            self.quote = Some(Quote {
                mark,
                floor: self.open.len(),
                counts: std::mem::take(&mut self.counts),
            });
        }
        self.at += 1;
        Ok(())
    }

    fn line_break(&mut self) -> Result<(), ParseError> {
        if self.byte(self.at + 1) != b'>' {
            self.end_quote()?;
        }
        self.draft.text(self.at..self.at + 1);
        self.at += 1;
        self.at_line_start = true;
        Ok(())
    }

    /// Ends the quotation, if there is one, with the line that ends here.
    fn end_quote(&mut self) -> Result<(), ParseError> {
        if self.quote.is_none() {
            return Ok(());
        }
        let mut collapsed = false;
        if let Some(last) = self.last() {
            let behind = &self.source[last.at..self.at];
            if last.marker == Marker::Spoiler && matches!(behind, "||" | "||\r") {
                let mark = last.mark;
                self.draft.forget(mark);
                self.pop();
                collapsed = true;
            }
        }
        if let (true, Some(open)) = (self.strict, self.last()) {
            return Err(unclosed(open));
        }
        if let Some(quote) = self.quote.take() {
            self.open.truncate(quote.floor);
            self.counts = quote.counts;
            let kind = EntityKind::Blockquote { collapsed };
            self.draft.set_kind(quote.mark, Some(kind));
            self.draft.close(quote.mark);
        }
        Ok(())
    }
}

fn unclosed(open: &Open) -> ParseError {
    ParseError::new(open.at, Reason::Unclosed(open.marker.name()))
}

//! HTML into text and entities, strictly and leniently.

use crate::{
    ParseError, ParseErrorReason as Reason, Text,
    draft::{Draft, MarkId},
    steps,
};

use super::tag::{Attribute, Name, Tag};

struct Open {
    name: Name,
    mark: MarkId,
    /// Where its tag begins in the source.
    at: usize,
    /// Leniently, a tag may be closed while ones within it are open; it leaves when they do.
    closed: bool,
}

/// Whether a source that the Bot API would refuse is an error or read all the same.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Strict,
    Lenient,
}

struct Parser<'s> {
    source: &'s str,
    mode: Mode,
    at: usize,
    draft: Draft<'s>,
    open: Vec<Open>,
    /// Where each name is in `open`, those that are closed left out.
    by_name: [Vec<usize>; Name::COUNT],
}

pub(super) fn strict(source: &str) -> Result<Text, ParseError> {
    Parser::new(source, Mode::Strict).run()
}

pub(super) fn lenient(source: &str) -> Text {
    // Nothing is an error in this mode; should that ever be wrong, the source itself loses nothing either.
    Parser::new(source, Mode::Lenient)
        .run()
        .unwrap_or_else(|_| Text::plain(source))
}

impl<'s> Parser<'s> {
    fn new(source: &'s str, mode: Mode) -> Self {
        Self {
            source,
            mode,
            at: 0,
            draft: Draft::new(source),
            open: Vec::new(),
            by_name: Default::default(),
        }
    }

    fn run(mut self) -> Result<Text, ParseError> {
        while let Some(ahead) = self.source[self.at..].find(['<', '&']) {
            steps::count(ahead + 1);
            self.draft.text(self.at..self.at + ahead);
            self.at += ahead;
            if self.source.as_bytes()[self.at] == b'&' {
                self.reference()?;
            } else if self.source[self.at + 1..].starts_with('/') {
                self.end_tag()?;
            } else {
                self.start_tag()?;
            }
        }
        self.draft.text(self.at..self.source.len());
        if let (Mode::Strict, Some(open)) = (self.mode, self.open.last()) {
            return Err(ParseError::new(open.at, Reason::Unclosed(open.name.text())));
        }
        while !self.open.is_empty() {
            self.close(self.open.len() - 1);
        }
        Ok(self.draft.finish())
    }

    fn reference(&mut self) -> Result<(), ParseError> {
        match reference(&self.source[self.at..]) {
            Reference::Character(character, length) => {
                self.draft.character(character);
                self.at += length;
            }
            Reference::Surrogate(number) if self.mode == Mode::Strict => {
                return Err(ParseError::new(
                    self.at,
                    Reason::NoCharacter(number.to_owned()),
                ));
            }
            _ => self.literal(),
        }
        Ok(())
    }

    /// The character at hand stands for itself.
    fn literal(&mut self) {
        self.draft.text(self.at..self.at + 1);
        self.at += 1;
    }

    fn start_tag(&mut self) -> Result<(), ParseError> {
        let scanned = scan(self.source, self.at, self.mode);
        let (tag, end) = match (scanned, self.mode) {
            (Ok(found), _) => found,
            (Err(error), Mode::Strict) => return Err(error),
            (Err(_), Mode::Lenient) => {
                self.literal();
                return Ok(());
            }
        };
        let start = std::mem::replace(&mut self.at, end);
        if tag.name == Name::Br {
            self.draft.character('\n');
            return Ok(());
        }
        let mark = self.draft.open(tag.kind(), start..end);
        if let Some(language) = tag.language_of_code() {
            self.draft.set_language(mark, language);
        }
        self.by_name[tag.name as usize].push(self.open.len());
        self.open.push(Open {
            name: tag.name,
            mark,
            at: start,
            closed: false,
        });
        Ok(())
    }

    fn end_tag(&mut self) -> Result<(), ParseError> {
        let start = self.at;
        let body = &self.source[start + 2..];
        let name_length = name_length(body);
        let name = &body[..name_length];
        let blank = body[name_length..].len() - body[name_length..].trim_start().len();
        steps::count(name_length + blank);
        let end = start + 2 + name_length + blank;
        if !self.source[end..].starts_with('>') {
            if self.mode == Mode::Strict {
                return Err(ParseError::new(start, Reason::UnclosedTag));
            }
            self.literal();
            return Ok(());
        }
        let last = self.open.last().map(|open| open.name);
        let known = Name::of(name);
        let unexpected = |found: &str| {
            ParseError::new(
                start,
                Reason::UnexpectedEndTag {
                    found: found.to_owned(),
                    expected: last.map(|name| name.text().to_owned()),
                },
            )
        };
        if name.is_empty() || known.is_some_and(|known| Some(known) == last) {
            if last.is_none() {
                if self.mode == Mode::Strict {
                    return Err(unexpected(name));
                }
                self.literal();
                return Ok(());
            }
            // `</>` closes whatever is open last.
            self.close(self.open.len() - 1);
        } else if self.mode == Mode::Strict {
            return Err(unexpected(name));
        } else if let Some(known) = known {
            // One that closes nothing is left out; one that crosses another closes its own only, as in browsers.
            if let Some(at) = self.by_name[known as usize].last() {
                self.close(*at);
            }
        } else {
            self.literal();
            return Ok(());
        }
        self.at = end + 1;
        Ok(())
    }

    /// Closes the tag at this depth, which is open.
    fn close(&mut self, depth: usize) {
        let open = &mut self.open[depth];
        open.closed = true;
        self.draft.close(open.mark);
        self.by_name[open.name as usize].pop();
        while self.open.last().is_some_and(|open| open.closed) {
            steps::count(1);
            self.open.pop();
        }
    }
}

fn name_length(text: &str) -> usize {
    text.find(|c: char| !c.is_ascii_alphanumeric() && c != '-')
        .unwrap_or(text.len())
}

/// Reads the start tag that begins at `start`, where a `<` is, and says where it ends.
///
/// Leniently, no `<` may stand in it: so no place of the source is looked at twice.
fn scan(source: &str, start: usize, mode: Mode) -> Result<(Tag<'_>, usize), ParseError> {
    let mut at = start + 1;
    let name_text = &source[at..at + name_length(&source[at..])];
    at += name_text.len();
    steps::count(name_text.len() + 1);
    let unclosed = || ParseError::new(start, Reason::UnclosedTag);
    let bad = || ParseError::new(start, Reason::BadAttribute(name_text.to_owned()));
    if at == source.len() {
        return Err(unclosed());
    }
    let name = Name::of(name_text)
        .filter(|name| mode == Mode::Lenient || name.is_of_the_bot_api())
        .ok_or_else(|| ParseError::new(start, Reason::UnsupportedTag(name_text.to_owned())))?;
    let mut attributes = Vec::new();
    loop {
        at += blank(&source[at..]);
        let rest = &source[at..];
        let mut characters = rest.chars();
        match characters.next() {
            None => return Err(unclosed()),
            Some('>') => return Ok((Tag { name, attributes }, at + 1)),
            Some('/') if mode == Mode::Lenient => {
                at += 1;
                continue;
            }
            Some(_) => {}
        }
        let key_length = rest
            .find(|c: char| c.is_ascii_whitespace() || "=>/\"'<".contains(c))
            .unwrap_or(rest.len());
        steps::count(key_length + 1);
        if key_length == 0 {
            return Err(bad());
        }
        let key = &rest[..key_length];
        at += key_length;
        at += blank(&source[at..]);
        if !source[at..].starts_with('=') {
            let expandable = name == Name::Blockquote && key.eq_ignore_ascii_case("expandable");
            if mode == Mode::Strict && !expandable {
                return Err(bad());
            }
            attributes.push(Attribute {
                name: key,
                value: None,
            });
            continue;
        }
        at += 1;
        at += blank(&source[at..]);
        let rest = &source[at..];
        let value = match rest.chars().next() {
            None => return Err(unclosed()),
            Some(quote @ ('"' | '\'')) => {
                let inside = &rest[1..];
                let stop = inside
                    .find(|c| c == quote || (c == '<' && mode == Mode::Lenient))
                    .filter(|stop| inside[*stop..].starts_with(quote));
                let Some(length) = stop else {
                    steps::count(inside.find('<').unwrap_or(inside.len()));
                    return Err(unclosed());
                };
                at += length + 2;
                &inside[..length]
            }
            Some(_) => {
                let length = rest
                    .find(|c: char| c.is_ascii_whitespace() || "<>\"'".contains(c))
                    .unwrap_or(rest.len());
                at += length;
                &rest[..length]
            }
        };
        steps::count(value.len());
        attributes.push(Attribute {
            name: key,
            value: Some(value),
        });
    }
}

fn blank(text: &str) -> usize {
    let length = text.len()
        - text
            .trim_start_matches(|c: char| c.is_ascii_whitespace())
            .len();
    steps::count(length);
    length
}

enum Reference<'s> {
    /// A character, and how many bytes stand for it.
    Character(char, usize),
    /// The number of half a surrogate pair.
    Surrogate(&'s str),
    None,
}

/// Reads `&name;` or `&#number;` at the start of `text`. As in HTML, the semicolon may be missing.
fn reference(text: &str) -> Reference<'_> {
    // The longest that means something is `&#x0010FFFF;` and the like; zeros beyond that are not worth a scan.
    const LONGEST: usize = 16;
    let Some(body) = text.strip_prefix('&') else {
        return Reference::None;
    };
    let numeric = body.starts_with('#');
    let length = body
        .bytes()
        .take(LONGEST)
        .enumerate()
        .take_while(|(at, byte)| byte.is_ascii_alphanumeric() || (*at == 0 && *byte == b'#'))
        .count();
    steps::count(length + 1);
    let name = &body[..length];
    let character = if numeric {
        let digits = &name[1..];
        let code = match digits.strip_prefix(['x', 'X']) {
            Some(hexadecimal) => u32::from_str_radix(hexadecimal, 16),
            None => digits.parse(),
        };
        match code {
            Ok(code @ 1..) => match char::from_u32(code) {
                Some(character) => character,
                None if code <= 0xdfff => return Reference::Surrogate(digits),
                None => return Reference::None,
            },
            _ => return Reference::None,
        }
    } else {
        match name {
            "lt" => '<',
            "gt" => '>',
            "amp" => '&',
            "quot" => '"',
            "apos" => '\'',
            "nbsp" => '\u{a0}',
            _ => return Reference::None,
        }
    };
    let semicolon = usize::from(body[length..].starts_with(';'));
    Reference::Character(character, 1 + length + semicolon)
}

/// A text with its references resolved.
pub(super) fn unescape(text: &str) -> String {
    let mut resolved = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        resolved.push_str(&rest[..at]);
        rest = &rest[at..];
        match reference(rest) {
            Reference::Character(character, length) => {
                resolved.push(character);
                rest = &rest[length..];
            }
            _ => {
                resolved.push('&');
                rest = &rest[1..];
            }
        }
    }
    resolved.push_str(rest);
    resolved
}

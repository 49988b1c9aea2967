//! The old Markdown into text and entities, strictly and leniently.

use crate::{EntityKind, ParseError, ParseErrorReason as Reason, Text, draft::Draft, link, steps};

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

/// What closes an entity.
#[derive(Debug, Clone, Copy)]
enum Closing {
    Star,
    Underscore,
    Backtick,
    Block,
    Bracket,
    Parenthesis,
}

impl Closing {
    const COUNT: usize = 6;

    fn text(self) -> &'static str {
        match self {
            Self::Star => "*",
            Self::Underscore => "_",
            Self::Backtick => "`",
            Self::Block => "```",
            Self::Bracket => "]",
            Self::Parenthesis => ")",
        }
    }
}

struct Parser<'s> {
    source: &'s str,
    strict: bool,
    at: usize,
    draft: Draft<'s>,
    /// Where each closing is next, as far as it was looked for: nothing is looked for twice.
    next: [Option<usize>; Closing::COUNT],
}

impl<'s> Parser<'s> {
    fn new(source: &'s str, strict: bool) -> Self {
        Self {
            source,
            strict,
            at: 0,
            draft: Draft::new(source),
            next: [None; Closing::COUNT],
        }
    }

    fn run(mut self) -> Result<Text, ParseError> {
        const MARKERS: [char; 4] = ['_', '*', '`', '['];
        while let Some(ahead) = self.source[self.at..].find(['_', '*', '`', '[', '\\']) {
            steps::count(ahead + 1);
            self.draft.text(self.at..self.at + ahead);
            self.at += ahead;
            let rest = &self.source[self.at..];
            let done = if let Some(escaped) = rest.strip_prefix('\\') {
                // A backslash before anything else is a backslash.
                let escapes = escaped.starts_with(MARKERS);
                let literal = self.at + usize::from(escapes);
                self.draft.text(literal..literal + 1);
                self.at = literal + 1;
                Ok(())
            } else if rest.starts_with('*') {
                self.style("bold text", Closing::Star, EntityKind::Bold)
            } else if rest.starts_with('_') {
                self.style("italic text", Closing::Underscore, EntityKind::Italic)
            } else if rest.starts_with("```") {
                self.block()
            } else if rest.starts_with('`') {
                self.style("code", Closing::Backtick, EntityKind::Code)
            } else {
                self.link()
            };
            if let Err(reason) = done {
                if self.strict {
                    return Err(ParseError::new(self.at, reason));
                }
                let length = if rest.starts_with("```") { 3 } else { 1 };
                self.draft.text(self.at..self.at + length);
                self.at += length;
            }
        }
        self.draft.text(self.at..self.source.len());
        Ok(self.draft.finish())
    }

    /// Where this stands next.
    fn find(&mut self, start: usize, closing: Closing) -> Option<usize> {
        let next = &mut self.next[closing as usize];
        let known = next.filter(|at| *at >= start);
        let at = known.unwrap_or_else(|| {
            let rest = &self.source[start..];
            let ahead = rest.find(closing.text()).unwrap_or(rest.len());
            steps::count(ahead + 1);
            start + ahead
        });
        *next = Some(at);
        (at < self.source.len()).then_some(at)
    }

    fn style(
        &mut self,
        name: &'static str,
        closing: Closing,
        kind: EntityKind,
    ) -> Result<(), Reason> {
        let start = self.at + 1;
        let end = self.find(start, closing).ok_or(Reason::Unclosed(name))?;
        self.entity(Some(kind), start, end);
        self.at = end + 1;
        Ok(())
    }

    fn block(&mut self) -> Result<(), Reason> {
        let start = self.at + 3;
        let end = self
            .find(start, Closing::Block)
            .ok_or(Reason::Unclosed("a block of code"))?;
        let bytes = self.source.as_bytes();
        let mut content = start + language_length(&bytes[start..end + 1]);
        let mut language = &self.source[start..content];
        content += line_break_length(&bytes[content..end]);
        if content == end && !language.is_empty() {
            // A block of nothing but a language: it shall not vanish.
            content = start;
            language = "";
        }
        let kind = EntityKind::Pre {
            language: language.to_owned(),
        };
        self.entity(Some(kind), content, end);
        self.at = end + 3;
        Ok(())
    }

    fn link(&mut self) -> Result<(), Reason> {
        let start = self.at + 1;
        let end = self
            .find(start, Closing::Bracket)
            .ok_or(Reason::Unclosed("a link"))?;
        if !self.source[end + 1..].starts_with('(') {
            return Err(Reason::MissingUrl);
        }
        if start == end {
            return Err(Reason::EmptyLink);
        }
        let address = end + 2;
        let after = self
            .find(address, Closing::Parenthesis)
            .ok_or(Reason::UnclosedUrl)?;
        let kind = link::kind_of(&self.source[address..after]);
        self.entity(kind, start, end);
        self.at = after + 1;
        Ok(())
    }

    fn entity(&mut self, kind: Option<EntityKind>, start: usize, end: usize) {
        let mark = self.draft.open(kind, start..start);
        self.draft.text(start..end);
        self.draft.close(mark);
    }
}

//! A text under construction: pieces of the source and the marks around them.
//!
//! Whether a mark means anything is known only when it is closed. One that never is stands for itself in the text, so
//! that nothing is lost and nothing has to be moved.

use std::{cmp::Reverse, collections::VecDeque, ops::Range};

use crate::{Entity, EntityKind, Text, steps};

/// A mark of a [`Draft`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MarkId(usize);

#[derive(Debug)]
struct Mark {
    /// What stands in the text if it is never closed.
    literal: Range<usize>,
    /// What stands before it in the text if it is.
    before: Range<usize>,
    /// `None` for markup that makes no entity.
    kind: Option<EntityKind>,
    /// Of a `code` that may give it to the `pre` around it.
    language: Option<String>,
    closed: bool,
}

#[derive(Debug)]
enum Event {
    Source(Range<usize>),
    Character(char),
    Open(MarkId),
    Close(MarkId),
}

#[derive(Debug)]
pub(crate) struct Draft<'s> {
    source: &'s str,
    events: Vec<Event>,
    marks: Vec<Mark>,
    /// Bytes of text so far, marks that may come to stand for themselves not counted.
    written: usize,
}

impl<'s> Draft<'s> {
    pub(crate) fn new(source: &'s str) -> Self {
        Self {
            source,
            events: Vec::new(),
            marks: Vec::new(),
            written: 0,
        }
    }

    pub(crate) fn written(&self) -> usize {
        self.written
    }

    /// Text as it stands in the source.
    pub(crate) fn text(&mut self, range: Range<usize>) {
        if range.is_empty() {
            return;
        }
        self.written += range.len();
        match self.events.last_mut() {
            Some(Event::Source(last)) if last.end == range.start => last.end = range.end,
            _ => self.events.push(Event::Source(range)),
        }
    }

    pub(crate) fn character(&mut self, character: char) {
        self.written += character.len_utf8();
        self.events.push(Event::Character(character));
    }

    /// A mark that stands for itself, as `literal`, until it is closed.
    pub(crate) fn open(&mut self, kind: Option<EntityKind>, literal: Range<usize>) -> MarkId {
        let id = MarkId(self.marks.len());
        self.marks.push(Mark {
            before: literal.start..literal.start,
            literal,
            kind,
            language: None,
            closed: false,
        });
        self.events.push(Event::Open(id));
        id
    }

    pub(crate) fn set_kind(&mut self, mark: MarkId, kind: Option<EntityKind>) {
        self.marks[mark.0].kind = kind;
    }

    pub(crate) fn set_language(&mut self, mark: MarkId, language: String) {
        self.marks[mark.0].language = Some(language);
    }

    /// Keeps the first `bytes` of the mark as text in front of what it opens.
    pub(crate) fn keep_before(&mut self, mark: MarkId, bytes: usize) {
        let literal = &self.marks[mark.0].literal;
        let before = literal.start..(literal.start + bytes).min(literal.end);
        self.written += before.len();
        self.marks[mark.0].before = before;
    }

    /// Takes the mark out of the text, though nothing closes it.
    pub(crate) fn forget(&mut self, mark: MarkId) {
        let mark = &mut self.marks[mark.0];
        mark.literal.end = mark.literal.start;
    }

    pub(crate) fn close(&mut self, mark: MarkId) {
        self.marks[mark.0].closed = true;
        self.events.push(Event::Close(mark));
    }

    pub(crate) fn finish(mut self) -> Text {
        steps::count(self.events.len() + self.source.len());
        let mut built = Builder::default();
        let mut slots: Vec<Option<usize>> = vec![None; self.marks.len()];
        for event in &self.events {
            match *event {
                Event::Source(ref range) => built.push(&self.source[range.clone()]),
                Event::Character(character) => {
                    built.push(character.encode_utf8(&mut [0; 4]));
                }
                Event::Open(id) => {
                    let mark = &mut self.marks[id.0];
                    if mark.closed {
                        built.push(&self.source[mark.before.clone()]);
                        slots[id.0] = built.open(mark.kind.take(), mark.language.take());
                    } else {
                        built.push(&self.source[mark.literal.clone()]);
                    }
                }
                Event::Close(id) => {
                    if let Some(slot) = slots[id.0] {
                        built.close(slot);
                    }
                }
            }
        }
        built.finish()
    }
}

#[derive(Debug, Default)]
struct Builder {
    text: String,
    length: usize,
    /// In the order in which they were opened: outer ones before those they hold.
    slots: Vec<(Entity, Option<String>)>,
    /// Which slots of each style are open, and in between some that are not any more.
    open_styles: [VecDeque<usize>; EntityKind::STYLES.len()],
    closed: Vec<bool>,
}

impl Builder {
    fn push(&mut self, text: &str) {
        self.text.push_str(text);
        self.length += crate::utf16_length(text);
    }

    fn open(&mut self, kind: Option<EntityKind>, language: Option<String>) -> Option<usize> {
        let kind = kind?;
        let slot = self.slots.len();
        if let Some(style) = kind.style() {
            self.open_styles[style].push_back(slot);
        }
        self.slots
            .push((Entity::new(kind, self.length, 0), language));
        self.closed.push(false);
        Some(slot)
    }

    fn close(&mut self, slot: usize) {
        let entity = &mut self.slots[slot].0;
        entity.length = self.length - entity.offset;
        self.closed[slot] = true;
        if let Some(style) = entity.kind.style() {
            let open = &mut self.open_styles[style];
            // A style within itself adds nothing.
            if open.front() != Some(&slot) {
                entity.length = 0;
            }
            while open.front().is_some_and(|slot| self.closed[*slot]) {
                open.pop_front();
            }
        }
        self.join_code_and_pre(slot);
    }

    /// `<pre><code class="language-x">` and the other way round are one block.
    fn join_code_and_pre(&mut self, slot: usize) {
        let Some((outer, [inner, ..])) = self.slots[slot..].split_first_mut() else {
            return;
        };
        if outer.0.range() != inner.0.range() {
            return;
        }
        match (&mut outer.0.kind, &mut inner.0.kind) {
            (EntityKind::Pre { language }, EntityKind::Code) => {
                if let Some(of_code) = inner.1.take() {
                    *language = of_code;
                }
                inner.0.length = 0;
            }
            (EntityKind::Code, EntityKind::Pre { language }) if outer.1.is_some() => {
                if let Some(of_code) = outer.1.take() {
                    *language = of_code;
                }
                outer.0.length = 0;
            }
            _ => {}
        }
    }

    fn finish(self) -> Text {
        let entities = self.slots.into_iter().map(|(entity, _)| entity);
        let mut kept: Vec<Entity> = entities.filter(|entity| entity.length > 0).collect();
        // As they were opened they stand already, but for those that cross.
        kept.sort_by_key(|entity| (entity.offset, Reverse(entity.length)));
        Text::from_built(self.text, self.length, kept)
    }
}

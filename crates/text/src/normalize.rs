//! The one form in which a text's formatting says what it says.

use std::ops::Range;

use crate::{
    Entity, EntityKind, Text,
    entity::Class,
    link,
    ranges::{cut, subtract, unite},
};

impl Text {
    /// The same text with its entities in one canonical form, by the rules of
    /// <https://core.telegram.org/bots/api#formatting-options>:
    ///
    /// * every entity lies within the text, on the boundaries of characters, and is not empty;
    /// * bold, italic, underline, strike and spoiler are sets of positions: what overlaps or touches is one;
    /// * nothing lies within `code` and `pre` or around them, quotations apart; where two of them overlap, the first
    ///   stays whole;
    /// * links, mentions, custom emoji and dates do not overlap either, by the same rule;
    /// * quotations do not overlap; all else is cut at their borders, and a line break before or behind one
    ///   has no formatting;
    /// * a link to `tg://user?id=…` is a mention (and so on), a language is one word, and what leads nowhere is gone;
    /// * they are sorted: by offset, longer ones first.
    ///
    /// Parsing a rendered text gives the normalized text, in HTML for any text and in MarkdownV2 for any whose
    /// quotations are whole lines.
    ///
    /// ```
    /// use actogram_text::html;
    /// let text = html("<b>a</b><b>b<i></i></b>");
    /// assert_eq!(text.normalized(), html("<b>ab</b>"));
    /// ```
    pub fn normalized(&self) -> Text {
        let units: Vec<u16> = self.as_str().encode_utf16().collect();
        let entities: Vec<Entity> = self
            .entities()
            .iter()
            .filter_map(|entity| {
                let range = within(&units, entity.range());
                let kind = canonical(&entity.kind)?;
                (!range.is_empty()).then(|| Entity::over(kind, range))
            })
            .collect();
        let of = |class: Class| {
            entities
                .iter()
                .filter(move |entity| entity.kind.class() == class)
        };

        let quotes = exclusive(of(Class::Quote));
        let mut borders: Vec<usize> = quotes
            .iter()
            .flat_map(|quote| [quote.offset, quote.end()])
            .collect();
        borders.dedup();
        let is_line_break = |at: &usize| units.get(*at) == Some(&u16::from(b'\n'));
        let is_quoted = |at: &usize| {
            let before = quotes.partition_point(|quote| quote.offset <= *at);
            before > 0 && quotes[before - 1].end() > *at
        };
        let edges = quotes
            .iter()
            .flat_map(|quote| [quote.offset.checked_sub(1), Some(quote.end())])
            .flatten()
            .filter(|at| is_line_break(at) && !is_quoted(at))
            .map(|at| at..at + 1);
        let edges = unite(edges.collect());

        let fixed = pieces(exclusive(of(Class::Fixed)), &borders, &edges);
        let fixed_ranges = fixed.iter().map(Entity::range);
        let taken = unite(fixed_ranges.chain(edges).collect());
        let wraps = pieces(exclusive(of(Class::Wrap)), &borders, &taken);

        let mut all = quotes;
        all.extend(fixed);
        all.extend(wraps);
        for style in EntityKind::STYLES {
            let ranges = of(Class::Style).filter(|entity| entity.kind == style);
            let united = unite(ranges.map(Entity::range).collect());
            let kept = subtract(&united, &taken);
            all.extend(
                kept.into_iter()
                    .map(|range| Entity::over(style.clone(), range)),
            );
        }
        all.extend(of(Class::Found).cloned());
        all.sort_by_key(|entity| {
            (
                entity.offset,
                std::cmp::Reverse(entity.length),
                entity.kind.class(),
                entity.kind.style(),
            )
        });
        Text::from_built(self.as_str().to_owned(), units.len(), all)
    }

    /// Quotations as whole lines, which is all that MarkdownV2 has.
    pub(crate) fn with_quotes_of_whole_lines(&self) -> Text {
        let units: Vec<u16> = self.as_str().encode_utf16().collect();
        let line_break = u16::from(b'\n');
        let mut aligned = Vec::with_capacity(self.entities().len());
        // Where the line begins that the last quotation is in, how far was looked for it, and where the last one ends.
        let mut line = 0;
        let mut looked = 0;
        let mut covered = None;
        for entity in self.entities() {
            if entity.kind.class() != Class::Quote {
                aligned.push(entity.clone());
                continue;
            }
            while looked < entity.offset.min(units.len()) {
                if units[looked] == line_break {
                    line = looked + 1;
                }
                looked += 1;
            }
            // What another one in the same line has taken is not taken again.
            let start = match covered {
                Some(covered) if line <= covered => covered + 1,
                _ => line,
            };
            let mut end = entity.end().min(units.len());
            if start > end {
                continue;
            }
            if units.get(end).is_some_and(|unit| *unit != line_break) {
                if end > start && units[end - 1] == line_break {
                    end -= 1;
                } else {
                    let rest = &units[end..];
                    let to_line_end = rest.iter().position(|unit| *unit == line_break);
                    end += to_line_end.unwrap_or(rest.len());
                }
            }
            covered = Some(end);
            aligned.push(Entity::over(entity.kind.clone(), start..end));
        }
        Text::from_built(self.as_str().to_owned(), units.len(), aligned).normalized()
    }
}

/// The part of a range that lies within the text, widened to whole characters.
fn within(units: &[u16], range: Range<usize>) -> Range<usize> {
    let inside_a_pair = |at: usize| {
        units
            .get(at)
            .is_some_and(|unit| (0xdc00..0xe000).contains(unit))
    };
    let mut start = range.start.min(units.len());
    let mut end = range.end.min(units.len());
    if start >= end {
        return 0..0;
    }
    start -= usize::from(inside_a_pair(start));
    end += usize::from(inside_a_pair(end));
    start..end
}

fn canonical(kind: &EntityKind) -> Option<EntityKind> {
    match kind {
        EntityKind::Pre { language } => Some(EntityKind::Pre {
            language: one_word(language).to_owned(),
        }),
        wrap if wrap.class() == Class::Wrap => link::url_of(wrap).and_then(|url| {
            // An id that cannot be is no link to anything.
            let kind = link::kind_of(&url)?;
            let is_url = matches!(wrap, EntityKind::TextUrl { .. });
            (is_url || std::mem::discriminant(&kind) == std::mem::discriminant(wrap))
                .then_some(kind)
        }),
        other => Some(other.clone()),
    }
}

fn one_word(language: &str) -> &str {
    let end = language.find(|c: char| c.is_whitespace() || c.is_control() || c == '`');
    &language[..end.unwrap_or(language.len())]
}

/// Entities of which the first at any place wins, sorted.
fn exclusive<'e>(entities: impl Iterator<Item = &'e Entity>) -> Vec<Entity> {
    let mut sorted: Vec<&Entity> = entities.collect();
    sorted.sort_by_key(|entity| {
        let inner = matches!(entity.kind, EntityKind::Code);
        (entity.offset, std::cmp::Reverse(entity.length), inner)
    });
    let mut taken_to = 0;
    let mut kept = Vec::with_capacity(sorted.len());
    for entity in sorted {
        let range = entity.offset.max(taken_to)..entity.end();
        if !range.is_empty() {
            taken_to = range.end;
            kept.push(Entity::over(entity.kind.clone(), range));
        }
    }
    kept
}

/// Sorted entities that do not overlap, cut at these borders, without what lies in `without`.
fn pieces(entities: Vec<Entity>, borders: &[usize], without: &[Range<usize>]) -> Vec<Entity> {
    let mut kept = Vec::with_capacity(entities.len());
    for entity in entities {
        for part in cut(entity.range(), borders) {
            let parts = subtract(std::slice::from_ref(&part), without);
            kept.extend(
                parts
                    .into_iter()
                    .map(|part| Entity::over(entity.kind.clone(), part)),
            );
        }
    }
    kept
}

//! Texts that are too long for one message.

use unicode_segmentation::GraphemeCursor;

use crate::{Entity, Text, steps};

/// UTF-16 code units that a message may hold without asking `help.getConfig` (`message_length_max`,
/// <https://core.telegram.org/constructor/config>).
pub const MESSAGE_LENGTH: usize = 4096;

/// UTF-16 code units that the caption of a file may hold (`caption_length_max`), for accounts without Premium.
pub const CAPTION_LENGTH: usize = 1024;

/// Entities that a message may hold. Telegram ignores or refuses more.
pub const MOST_ENTITIES: usize = 100;

impl Text {
    /// The text in parts of at most `limit` UTF-16 code units and [`MOST_ENTITIES`] entities each, in order.
    ///
    /// A part ends at the last line break that leaves it short enough, else at the last blank, else between two grapheme
    /// clusters (between two characters if one cluster alone is too long). Entities are cut at the borders and go on in the
    /// next part. Blanks at the end of a part are left out, as Telegram would, and so is a part of nothing but blanks;
    /// nothing else is. A text that is short enough is returned as it is.
    ///
    /// A part holds at least one character, however small `limit` is.
    ///
    /// ```
    /// use actogram_text::Text;
    /// let parts = Text::bold("one two\nthree").split(9);
    /// let parts: Vec<String> = parts.iter().map(Text::to_html).collect();
    /// assert_eq!(parts, ["<b>one two</b>", "<b>three</b>"]);
    /// ```
    pub fn split(&self, limit: usize) -> Vec<Text> {
        if self.utf16_len() <= limit && self.entities().len() <= MOST_ENTITIES {
            return vec![self.clone()];
        }
        let mut entities: Vec<&Entity> = self.entities().iter().collect();
        entities.sort_by_key(|entity| entity.offset);
        let mut cutter = Cutter {
            text: self.as_str(),
            byte: 0,
            unit: 0,
            coming: entities.into(),
            open: Vec::new(),
        };
        let mut parts = Vec::new();
        while let Some(part) = cutter.next(limit.max(1)) {
            if !part.is_empty() {
                parts.push(part);
            }
        }
        if parts.is_empty() {
            // Nothing but blanks: what Telegram says to that is for it to say.
            parts.push(self.clone());
        }
        parts
    }
}

struct Cutter<'t> {
    text: &'t str,
    /// Where the next part begins, in bytes and in UTF-16 code units.
    byte: usize,
    unit: usize,
    coming: std::collections::VecDeque<&'t Entity>,
    /// Those that began in an earlier part and go on.
    open: Vec<&'t Entity>,
}

impl Cutter<'_> {
    fn next(&mut self, limit: usize) -> Option<Text> {
        let rest = &self.text[self.byte..];
        if rest.is_empty() {
            return None;
        }
        let bytes = self.length_of_part(rest, limit);
        let part = &rest[..bytes];
        let units = crate::utf16_length(part);
        steps::count(bytes);

        let start = self.unit;
        let end = start + units;
        while self.coming.front().is_some_and(|next| next.offset < end) {
            self.open.extend(self.coming.pop_front());
        }
        let kept = part.trim_end();
        let kept_end = start + crate::utf16_length(kept);
        let entities = self
            .open
            .iter()
            .take(MOST_ENTITIES)
            .filter_map(|entity| {
                let range = entity.offset.max(start)..entity.end().min(kept_end);
                let moved = range.start.saturating_sub(start)..range.end.saturating_sub(start);
                (!moved.is_empty()).then(|| Entity::over(entity.kind.clone(), moved))
            })
            .collect();
        steps::count(self.open.len());
        self.open.retain(|entity| entity.end() > end);
        self.byte += bytes;
        self.unit = end;
        Some(Text::with_entities(kept, entities))
    }

    /// How many bytes of `rest` the next part takes.
    fn length_of_part(&self, rest: &str, limit: usize) -> usize {
        let units = limit.min(self.units_of_most_entities());
        let mut taken = 0;
        let mut fits = 0;
        for (at, character) in rest.char_indices() {
            taken += character.len_utf16();
            if taken > units && at > 0 {
                break;
            }
            fits = at + character.len_utf8();
        }
        if fits == rest.len() {
            return fits;
        }
        let window = &rest[..fits];
        // A blank just behind the window ends it as well as one within; it goes with the part, which loses it.
        let behind = rest[fits..].chars().next().filter(|c| is_blank(*c));
        let with_behind = fits + behind.map_or(0, char::len_utf8);
        if behind == Some('\n') {
            return with_behind;
        }
        let line = window.rfind('\n').map(|at| at + 1);
        let word = || {
            let mut characters = window.char_indices().rev();
            let (at, blank) = characters.find(|(_, character)| is_blank(*character))?;
            Some(at + blank.len_utf8())
        };
        line.filter(|at| has_text(&window[..*at]))
            .or_else(|| behind.map(|_| with_behind))
            .or_else(|| word().filter(|at| has_text(&window[..*at])))
            .unwrap_or_else(|| between_clusters(rest, fits))
    }

    /// How many units can be taken before there are too many entities.
    fn units_of_most_entities(&self) -> usize {
        let room = MOST_ENTITIES.saturating_sub(self.open.len());
        self.coming.get(room).map_or(usize::MAX, |first_too_many| {
            first_too_many.offset.saturating_sub(self.unit).max(1)
        })
    }
}

/// Whether words end here. A no-break space is part of its word.
fn is_blank(character: char) -> bool {
    character.is_whitespace() && character != '\u{a0}'
}

fn has_text(part: &str) -> bool {
    !part.trim().is_empty()
}

/// The last border between two grapheme clusters up to `most`, or `most` if there is none.
fn between_clusters(rest: &str, most: usize) -> usize {
    let mut cursor = GraphemeCursor::new(most, rest.len(), true);
    match cursor.is_boundary(rest, 0) {
        Ok(false) => match cursor.prev_boundary(rest, 0) {
            Ok(Some(at)) if at > 0 => at,
            _ => most,
        },
        _ => most,
    }
}

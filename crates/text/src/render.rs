//! Walks a normalized text from mark to mark, so that what is opened last is closed first.

use crate::{Entity, Text, entity::Class, steps, utf16_length};

/// What a dialect writes.
pub(crate) trait Sink {
    fn open(&mut self, entity: &Entity);
    fn close(&mut self, entity: &Entity);
    fn text(&mut self, text: &str);
}

/// Tells `sink` what stands where. Styles that cross other entities are closed and opened again.
pub(crate) fn walk(text: &Text, wanted: impl Fn(&Entity) -> bool, sink: &mut impl Sink) {
    let entities: Vec<&Entity> = text.entities().iter().filter(|e| wanted(e)).collect();
    let mut coming = entities.into_iter().peekable();
    let mut open: Vec<&Entity> = Vec::new();
    let mut rest = text.as_str();
    let mut at = 0;
    loop {
        let next_end = open.iter().map(|entity| entity.end()).min();
        let next_start = coming.peek().map(|entity| entity.offset);
        let Some(stop) = next_end.into_iter().chain(next_start).min() else {
            sink.text(rest);
            return;
        };
        let piece = take(&mut rest, stop - at);
        if !piece.is_empty() {
            sink.text(piece);
        }
        at = stop;

        let mut again = Vec::new();
        if let Some(depth) = open.iter().position(|entity| entity.end() == at) {
            close_from(&mut open, depth, at, &mut again, sink);
        }
        while let Some(entity) = coming.next_if(|entity| entity.offset == at) {
            let style = entity.kind.class() == Class::Style;
            // What ends within it has to be opened within it.
            let outer = |other: &&Entity| {
                !style && (entity.kind.class() == Class::Quote || other.end() < entity.end())
            };
            if let Some(depth) = open.iter().position(outer) {
                close_from(&mut open, depth, at, &mut again, sink);
            }
            again.push(entity);
        }
        again.sort_by_key(|entity| {
            let class = entity.kind.class();
            (
                class != Class::Quote,
                std::cmp::Reverse(entity.end()),
                class,
                entity.kind.style(),
            )
        });
        steps::count(again.len() + open.len() + 1);
        for entity in again {
            sink.open(entity);
            open.push(entity);
        }
    }
}

/// Closes all from `depth` on; those that go on after `at` are to be opened again.
fn close_from<'e>(
    open: &mut Vec<&'e Entity>,
    depth: usize,
    at: usize,
    again: &mut Vec<&'e Entity>,
    sink: &mut impl Sink,
) {
    for entity in open.drain(depth..).rev() {
        sink.close(entity);
        if entity.end() > at {
            again.push(entity);
        }
    }
}

/// Takes so many UTF-16 code units from the front.
fn take<'t>(rest: &mut &'t str, units: usize) -> &'t str {
    let mut taken = 0;
    let end = rest
        .char_indices()
        .find(|(_, character)| {
            let enough = taken >= units;
            taken += character.len_utf16();
            enough
        })
        .map_or(rest.len(), |(at, _)| at);
    debug_assert!(utf16_length(&rest[..end]) == units);
    steps::count(end);
    let (piece, after) = rest.split_at(end);
    *rest = after;
    piece
}

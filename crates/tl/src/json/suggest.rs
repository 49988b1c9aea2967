//! "Did you mean …?"

use super::JsonError;
use crate::tables::Schema;

/// The error for an unknown method.
#[cold]
pub(super) fn method(s: &Schema, name: &str) -> JsonError {
    JsonError::UnknownMethod {
        name: name.to_owned(),
        hint: hint(name, s.functions.iter().map(|f| f.name)),
    }
}

/// ` (did you mean …?)`, or nothing if no candidate is near. A candidate whose part after the
/// namespace is what was written counts as near.
#[cold]
pub(super) fn hint<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> String {
    let wanted = fold(name);
    // Guards the quadratic comparison against a name that is no name.
    if wanted.len() > 80 {
        return String::new();
    }
    let limit = (wanted.len() / 3).max(2);
    let best = candidates
        .map(|c| {
            let whole = distance(&wanted, &fold(c));
            let tail = c
                .split_once('.')
                .map_or(whole, |(_, t)| 1 + distance(&wanted, &fold(t)));
            (whole.min(tail), c)
        })
        .min();
    match best {
        Some((d, c)) if d <= limit => format!(" (did you mean `{c}`?)"),
        _ => String::new(),
    }
}

fn fold(name: &str) -> Vec<char> {
    name.chars()
        .filter(|c| *c != '_')
        .flat_map(char::to_lowercase)
        .collect()
}

/// Edits (insert, delete, replace) between two names.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

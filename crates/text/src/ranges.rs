//! Sets of positions as sorted ranges that neither overlap nor touch.

use std::ops::Range;

use crate::steps;

/// All positions of any of these ranges.
pub(crate) fn unite(mut ranges: Vec<Range<usize>>) -> Vec<Range<usize>> {
    ranges.retain(|range| !range.is_empty());
    ranges.sort_by_key(|range| range.start);
    let mut united: Vec<Range<usize>> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match united.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => united.push(range),
        }
    }
    united
}

/// The positions of `from` that are not in `what`; both sorted.
pub(crate) fn subtract(from: &[Range<usize>], what: &[Range<usize>]) -> Vec<Range<usize>> {
    let mut left = Vec::with_capacity(from.len());
    let mut first = from.first().map_or(0, |range| {
        what.partition_point(|taken| taken.end <= range.start)
    });
    for range in from {
        let mut start = range.start;
        while let Some(taken) = what.get(first).filter(|taken| taken.start < range.end) {
            steps::count(1);
            if start < taken.start {
                left.push(start..taken.start);
            }
            start = start.max(taken.end);
            if taken.end > range.end {
                break;
            }
            first += 1;
        }
        if start < range.end {
            left.push(start..range.end);
        }
    }
    left
}

/// A range, in pieces that end at these sorted borders.
pub(crate) fn cut(range: Range<usize>, borders: &[usize]) -> Vec<Range<usize>> {
    let inner = borders.partition_point(|border| *border <= range.start);
    let mut pieces = Vec::new();
    let mut start = range.start;
    for border in borders[inner..]
        .iter()
        .take_while(|border| **border < range.end)
    {
        steps::count(1);
        pieces.push(start..*border);
        start = *border;
    }
    pieces.push(start..range.end);
    pieces
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn members(ranges: &[Range<usize>]) -> Vec<bool> {
        (0..40)
            .map(|at| ranges.iter().any(|range| range.contains(&at)))
            .collect()
    }

    fn some() -> impl Strategy<Value = Vec<Range<usize>>> {
        proptest::collection::vec((0usize..32, 0usize..8), 0..8)
            .prop_map(|ranges| ranges.into_iter().map(|(at, len)| at..at + len).collect())
    }

    proptest! {
        #[test]
        fn sets_behave_as_sets(a in some(), b in some(), mut borders in proptest::collection::vec(0usize..40, 0..6)) {
            let (all, without) = (unite(a.clone()), unite(b));
            prop_assert_eq!(members(&all), members(&a));
            prop_assert!(all.windows(2).all(|pair| pair[0].end < pair[1].start));
            let left = subtract(&all, &without);
            for at in 0..40 {
                prop_assert_eq!(members(&left)[at], members(&all)[at] && !members(&without)[at]);
            }
            prop_assert!(left.iter().all(|range| !range.is_empty()));
            borders.sort_unstable();
            borders.dedup();
            for range in all {
                let pieces = cut(range.clone(), &borders);
                prop_assert_eq!(unite(pieces.clone()), [range]);
                let straddles = |piece: &Range<usize>| borders.iter().any(|b| piece.start < *b && *b < piece.end);
                prop_assert!(!pieces.iter().any(straddles));
            }
        }
    }
}

//! Filters, and how they are put together.

use std::{
    fmt,
    ops::{BitAnd, BitOr, Not},
    sync::Arc,
};

use super::Subject;
use crate::Update;

/// What a filter names, and therefore is shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Names {
    pub(super) edits: bool,
    pub(super) outgoing: bool,
    pub(super) state: bool,
}

impl Names {
    fn and_of(self, other: Self) -> Self {
        Self {
            edits: self.edits || other.edits,
            outgoing: self.outgoing || other.outgoing,
            state: self.state || other.state,
        }
    }

    fn admit(self, subject: &impl Subject) -> bool {
        (self.edits || !subject.is_edit()) && (self.outgoing || !subject.outgoing())
    }
}

type Check<S> = Arc<dyn Fn(&S) -> bool + Send + Sync>;
type Find<S, T> = Arc<dyn Fn(&S) -> Option<T> + Send + Sync>;

/// Passes some subjects and not others; see [`filters`](crate::filters). Cheap to clone.
#[must_use = "a filter does nothing until it is given to a handler"]
pub struct Filter<S> {
    check: Check<S>,
    names: Names,
}

/// Passes some subjects, and gives something of each; see [`filters`](crate::filters). Cheap to clone.
#[must_use = "a filter does nothing until it is given to a handler"]
pub struct Extract<S, T> {
    find: Find<S, T>,
    names: Names,
}

/// A filter of the program's own.
///
/// ```
/// use actogram::{Msg, filters::*};
/// let long = filter(|message: &Msg| message.text().len() > 1000);
/// # let _ = long & private();
/// ```
pub fn filter<S: Subject>(check: impl Fn(&S) -> bool + Send + Sync + 'static) -> Filter<S> {
    Filter::new(check)
}

/// A filter of the program's own that gives something.
///
/// ```
/// use actogram::{Msg, filters::*};
/// let number = extract(|message: &Msg| message.text().parse::<u64>().ok());
/// # let _ = number & private();
/// ```
pub fn extract<S: Subject, T: 'static>(
    find: impl Fn(&S) -> Option<T> + Send + Sync + 'static,
) -> Extract<S, T> {
    Extract::new(find)
}

impl<S: 'static> Filter<S> {
    pub(super) fn new(check: impl Fn(&S) -> bool + Send + Sync + 'static) -> Self {
        Self {
            check: Arc::new(check),
            names: Names::default(),
        }
    }

    /// As [`new`](Self::new), for a filter that is to see what others are not shown.
    pub(super) fn naming(self, names: Names) -> Self {
        Self { names, ..self }
    }

    /// Whether it goes by the state of dialogues.
    pub(crate) fn needs_state(&self) -> bool {
        self.names.state
    }

    /// Whether it passes this one. What is left out unless it is named is not looked at here.
    pub fn passes(&self, subject: &S) -> bool {
        (self.check)(subject)
    }
}

impl<S: 'static, T: 'static> Extract<S, T> {
    pub(super) fn new(find: impl Fn(&S) -> Option<T> + Send + Sync + 'static) -> Self {
        Self {
            find: Arc::new(find),
            names: Names::default(),
        }
    }

    /// As [`new`](Self::new), for one that is to see what others are not shown.
    pub(super) fn naming(self, names: Names) -> Self {
        Self { names, ..self }
    }

    /// What it gives of this one, if it passes. What is left out unless it is named is not looked at here.
    pub fn find(&self, subject: &S) -> Option<T> {
        (self.find)(subject)
    }

    /// Makes something else of what it gives.
    pub fn map<U: 'static>(self, map: impl Fn(T) -> U + Send + Sync + 'static) -> Extract<S, U> {
        let names = self.names;
        Extract {
            names,
            ..Extract::new(move |subject| self.find(subject).map(&map))
        }
    }

    /// As [`map`](Self::map); where `map` gives nothing, it does not pass.
    pub fn filter_map<U: 'static>(
        self,
        map: impl Fn(T) -> Option<U> + Send + Sync + 'static,
    ) -> Extract<S, U> {
        let names = self.names;
        Extract {
            names,
            ..Extract::new(move |subject| self.find(subject).and_then(&map))
        }
    }

    /// The same without what it gives: to be put beside filters by `|`.
    pub fn only_check(self) -> Filter<S> {
        let names = self.names;
        Filter::new(move |subject| self.find(subject).is_some()).naming(names)
    }
}

impl<S: 'static> BitAnd for Filter<S> {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        let names = self.names.and_of(other.names);
        Self::new(move |subject| self.passes(subject) && other.passes(subject)).naming(names)
    }
}

impl<S: 'static, T: 'static> BitAnd<Extract<S, T>> for Filter<S> {
    type Output = Extract<S, T>;

    fn bitand(self, other: Extract<S, T>) -> Extract<S, T> {
        Extract {
            names: self.names.and_of(other.names),
            find: Arc::new(move |subject| {
                self.passes(subject).then(|| other.find(subject)).flatten()
            }),
        }
    }
}

impl<S: 'static, T: 'static> BitAnd<Filter<S>> for Extract<S, T> {
    type Output = Self;

    fn bitand(self, other: Filter<S>) -> Self {
        other & self
    }
}

impl<S: 'static, T: 'static, U: 'static> BitAnd<Extract<S, U>> for Extract<S, T> {
    type Output = Extract<S, (T, U)>;

    fn bitand(self, other: Extract<S, U>) -> Extract<S, (T, U)> {
        Extract {
            names: self.names.and_of(other.names),
            find: Arc::new(move |subject| self.find(subject).zip(other.find(subject))),
        }
    }
}

impl<S: 'static> BitOr for Filter<S> {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        let names = self.names.and_of(other.names);
        Self::new(move |subject| self.passes(subject) || other.passes(subject)).naming(names)
    }
}

impl<S: 'static, T: 'static> BitOr for Extract<S, T> {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self {
            names: self.names.and_of(other.names),
            find: Arc::new(move |subject| self.find(subject).or_else(|| other.find(subject))),
        }
    }
}

impl<S: 'static> Not for Filter<S> {
    type Output = Self;

    fn not(self) -> Self {
        let names = self.names;
        Self::new(move |subject| !self.passes(subject)).naming(names)
    }
}

impl<S: 'static, T: 'static> Not for Extract<S, T> {
    type Output = Filter<S>;

    fn not(self) -> Filter<S> {
        !self.only_check()
    }
}

impl<S> Clone for Filter<S> {
    fn clone(&self) -> Self {
        Self {
            check: self.check.clone(),
            names: self.names,
        }
    }
}

impl<S, T> Clone for Extract<S, T> {
    fn clone(&self) -> Self {
        Self {
            find: self.find.clone(),
            names: self.names,
        }
    }
}

impl<S> fmt::Debug for Filter<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Filter").finish_non_exhaustive()
    }
}

impl<S, T> fmt::Debug for Extract<S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Extract").finish_non_exhaustive()
    }
}

/// A [`Filter`] or an [`Extract`]: what [`Client::on`](crate::Client::on) takes.
pub trait Matcher: sealed::Sealed + Send + 'static {
    /// What the handler is given.
    type Output: 'static;

    /// What the handler is given of this update, if the update is for it.
    fn matched(&self, update: &Update) -> Option<Self::Output>;

    /// Whether it goes by the state of dialogues, which then is read beforehand.
    #[doc(hidden)]
    fn needs_state(&self) -> bool;
}

impl<S: Subject> Matcher for Filter<S> {
    type Output = S;

    fn matched(&self, update: &Update) -> Option<S> {
        S::of(update).filter(|subject| self.names.admit(subject) && self.passes(subject))
    }

    fn needs_state(&self) -> bool {
        self.names.state
    }
}

impl<S: Subject, T: 'static> Matcher for Extract<S, T> {
    type Output = T;

    fn matched(&self, update: &Update) -> Option<T> {
        let subject = S::of(update).filter(|subject| self.names.admit(subject))?;
        self.find(&subject)
    }

    fn needs_state(&self) -> bool {
        self.names.state
    }
}

mod sealed {
    pub trait Sealed {}
    impl<S> Sealed for super::Filter<S> {}
    impl<S, T> Sealed for super::Extract<S, T> {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bit(number: u8) -> Filter<u8> {
        Filter::new(move |subject: &u8| subject & (1 << (number % 8)) != 0)
    }

    fn high(bits: u8) -> Extract<u8, u8> {
        Extract::new(move |subject: &u8| {
            (subject >> (bits % 8) != 0).then(|| subject >> (bits % 8))
        })
    }

    /// An expression, and what it should say.
    #[derive(Debug, Clone)]
    enum Tree {
        Bit(u8),
        High(u8),
        And(Box<Tree>, Box<Tree>),
        Or(Box<Tree>, Box<Tree>),
        Not(Box<Tree>),
    }

    impl Tree {
        fn filter(&self) -> Filter<u8> {
            match self {
                Self::Bit(number) => bit(*number),
                Self::High(bits) => high(*bits).only_check(),
                Self::And(left, right) => left.filter() & right.filter(),
                Self::Or(left, right) => left.filter() | right.filter(),
                Self::Not(inner) => !inner.filter(),
            }
        }

        fn holds(&self, subject: u8) -> bool {
            match self {
                Self::Bit(number) => subject & (1 << (number % 8)) != 0,
                Self::High(bits) => subject >> (bits % 8) != 0,
                Self::And(left, right) => left.holds(subject) && right.holds(subject),
                Self::Or(left, right) => left.holds(subject) || right.holds(subject),
                Self::Not(inner) => !inner.holds(subject),
            }
        }
    }

    fn tree() -> impl Strategy<Value = Tree> {
        let leaf = prop_oneof![
            any::<u8>().prop_map(Tree::Bit),
            any::<u8>().prop_map(Tree::High)
        ];
        leaf.prop_recursive(5, 32, 2, |inner| {
            let two = (inner.clone(), inner.clone());
            prop_oneof![
                two.clone().prop_map(|(a, b)| Tree::And(a.into(), b.into())),
                two.prop_map(|(a, b)| Tree::Or(a.into(), b.into())),
                inner.prop_map(|a| Tree::Not(a.into())),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_filter_says_what_its_parts_say(tree in tree(), subject: u8) {
            prop_assert_eq!(tree.filter().passes(&subject), tree.holds(subject));
        }

        #[test]
        fn what_is_given_is_what_the_parts_give(tree in tree(), one: u8, other: u8, subject: u8) {
            let (given, also) = (high(one).find(&subject), high(other).find(&subject));
            let held = tree.holds(subject);
            let expected = given.filter(|_| held);
            prop_assert_eq!((tree.filter() & high(one)).find(&subject), expected);
            prop_assert_eq!((high(one) & tree.filter()).find(&subject), expected);
            prop_assert_eq!((high(one) & high(other)).find(&subject), given.zip(also));
            prop_assert_eq!((high(one) | high(other)).find(&subject), given.or(also));
            prop_assert_eq!((!high(one)).passes(&subject), given.is_none());
            let doubled = high(one).map(|found| u16::from(found) * 2).find(&subject);
            prop_assert_eq!(doubled, given.map(|found| u16::from(found) * 2));
        }

        #[test]
        fn what_is_named_anywhere_stays_named(edits: bool, outgoing: bool, state: bool) {
            let names = Names { edits, outgoing, state };
            let naming = || bit(0).naming(names);
            for put in [naming() & bit(1), bit(1) & naming(), naming() | bit(1), !naming()] {
                prop_assert_eq!(put.names, names);
            }
            for put in [naming() & high(1), high(1) & naming(), (naming() & high(1)) | high(2)] {
                prop_assert_eq!(put.names, names);
            }
            let both = (naming() & high(1)) & high(2);
            prop_assert_eq!(both.clone().map(|_| ()).names, names);
            prop_assert_eq!((!both).names, names);
        }
    }
}

//! What a text says.

use std::{fmt, ops::Deref};

use super::{Extract, Filter, Textual};
use crate::Msg;

/// The text is this one.
pub fn text<S: Textual>(text: impl Into<String>) -> Filter<S> {
    let text = text.into();
    Filter::new(move |subject: &S| subject.text() == Some(&text))
}

/// The text begins so.
pub fn starts_with<S: Textual>(start: impl Into<String>) -> Filter<S> {
    let start = start.into();
    Filter::new(move |subject: &S| subject.text().is_some_and(|text| text.starts_with(&start)))
}

/// The text has this in it.
pub fn contains<S: Textual>(part: impl Into<String>) -> Filter<S> {
    let part = part.into();
    Filter::new(move |subject: &S| subject.text().is_some_and(|text| text.contains(&part)))
}

/// The text fits a regular expression, in the notation of the crate [`regex`](https://docs.rs/regex/#syntax), anywhere
/// unless it is anchored. It takes time in proportion to the text, whatever the expression.
///
/// # Errors
/// [`FilterError::Regex`] if the expression is malformed.
pub fn regex<S: Textual>(expression: &str) -> Result<Extract<S, Captures<S>>, FilterError> {
    let regex = regex::Regex::new(expression)?;
    Ok(Extract::new(move |subject: &S| {
        let found = regex.captures(subject.text()?)?;
        let names = regex.capture_names();
        let groups = names.zip(found.iter());
        Some(Captures {
            groups: groups
                .map(|(name, group)| Group {
                    name: name.map(str::to_owned),
                    text: group.map(|group| group.as_str().to_owned()),
                })
                .collect(),
            subject: subject.clone(),
        })
    }))
}

/// Why a filter could not be made.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FilterError {
    /// The regular expression is malformed; the text shows where.
    #[error("the filter's regular expression is malformed: {0}")]
    Regex(#[from] regex::Error),
}

#[derive(Debug, Clone)]
struct Group {
    name: Option<String>,
    text: Option<String>,
}

/// What a regular expression captured, and of what: all methods of the message are here, too.
#[derive(Clone)]
pub struct Captures<S = Msg> {
    groups: Vec<Group>,
    subject: S,
}

impl<S> Captures<S> {
    /// The group of this number, if it took part; 0 is everything that fitted.
    pub fn get(&self, number: usize) -> Option<&str> {
        self.groups.get(number)?.text.as_deref()
    }

    /// The group of this name (`(?<name>…)`), if it took part.
    pub fn name(&self, name: &str) -> Option<&str> {
        let group = self.groups.iter();
        let mut group = group.filter(|group| group.name.as_deref() == Some(name));
        group.next()?.text.as_deref()
    }

    /// What the text stood in.
    pub fn subject(&self) -> &S {
        &self.subject
    }
}

impl<S> Deref for Captures<S> {
    type Target = S;

    fn deref(&self) -> &S {
        &self.subject
    }
}

impl<S> fmt::Debug for Captures<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.groups.iter().map(|group| &group.text))
            .finish()
    }
}

//! What the bot remembers of a dialogue.

use serde::de::DeserializeOwned;

use super::{Extract, Filter, Subject, algebra::Names};
use crate::dispatcher::current_state;

const STATE: Names = Names {
    edits: false,
    outgoing: false,
    state: true,
};

/// The bot remembers something of this dialogue, of this type, and this holds of it: see [`Cx::state`](crate::Cx::state).
/// It is the state as it was when the turn of the update came, whatever handlers have set since. What is of another type
/// does not pass; nor does anything outside of the handling of an update, such as in [`Ask::matching`](crate::Ask::matching).
///
/// ```no_run
/// use actogram::{filters::*, prelude::*};
///
/// # #[derive(serde::Serialize, serde::Deserialize)]
/// enum Form {
///     Name,
///     Age { name: String },
/// }
///
/// # fn register(client: Client) {
/// client.on(private() & state(|form: &Form| matches!(form, Form::Name)), async |cx: Cx, message: Msg| {
///     cx.state().set(&Form::Age { name: message.text().to_owned() })?;
///     message.answer("And your age?").await
/// });
/// # }
/// ```
pub fn state<S: Subject, T: DeserializeOwned>(
    holds: impl Fn(&T) -> bool + Send + Sync + 'static,
) -> Filter<S> {
    Filter::new(move |_: &S| current_state().is_some_and(|state| holds(&state))).naming(STATE)
}

/// As [`state`], and gives what the bot remembers.
pub fn state_value<S: Subject, T: DeserializeOwned + 'static>() -> Extract<S, T> {
    Extract::new(|_: &S| current_state()).naming(STATE)
}

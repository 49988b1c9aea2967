//! Whether an update goes on to further handlers.

use crate::Msg;

/// What becomes of an update after a handler, as the handler says. One that gives `()` or a message says
/// [`Handled`](Self::Handled).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Propagation {
    /// This group has handled it; the next group sees it.
    #[default]
    Handled,
    /// The next handler of this group that it fits sees it, too.
    Continue,
    /// No other handler of a filter sees it, in no group. Those that see everything still do: `on_update`,
    /// `on_message`, event handlers, webhooks.
    Stop,
}

/// What handlers may give: a [`Propagation`], nothing, or the message they sent.
pub trait IntoPropagation {
    /// What it says.
    fn into_propagation(self) -> Propagation;
}

impl IntoPropagation for Propagation {
    fn into_propagation(self) -> Propagation {
        self
    }
}

impl IntoPropagation for () {
    fn into_propagation(self) -> Propagation {
        Propagation::Handled
    }
}

impl IntoPropagation for Msg {
    fn into_propagation(self) -> Propagation {
        Propagation::Handled
    }
}

//! Which messages of an actor are control messages.

use std::{
    any::TypeId,
    cell::RefCell,
    collections::{BTreeMap, btree_map::Entry},
    sync::Arc,
};

use super::context::Control;

/// A type of control message, its class, and whether it ends the actor between two lives.
pub(super) type Registered = (TypeId, Control, bool);

/// The control messages of an actor; one table for all actors of a type on a thread.
#[derive(Clone)]
pub(super) struct Controls(Option<Arc<Vec<Registered>>>);

impl Controls {
    pub(super) fn shared<A: 'static>(controls: Vec<Registered>) -> Self {
        thread_local! {
            static KNOWN: RefCell<BTreeMap<TypeId, Arc<Vec<Registered>>>> =
                const { RefCell::new(BTreeMap::new()) };
        }
        if controls.is_empty() {
            return Self(None);
        }
        Self(Some(KNOWN.with_borrow_mut(|known| {
            match known.entry(TypeId::of::<A>()) {
                Entry::Occupied(entry) if **entry.get() == controls => Arc::clone(entry.get()),
                // The same type with other control messages: a table of its own.
                Entry::Occupied(_) => Arc::new(controls),
                Entry::Vacant(entry) => Arc::clone(entry.insert(Arc::new(controls))),
            }
        })))
    }

    /// Whether there are any.
    pub(super) fn any(&self) -> bool {
        self.0.is_some()
    }

    pub(super) fn class(&self, id: TypeId) -> Option<(Control, bool)> {
        let (_, class, stops) = self.0.as_ref()?.iter().find(|(known, ..)| *known == id)?;
        Some((*class, *stops))
    }
}

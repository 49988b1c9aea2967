//! Loops by name.

use std::{
    any::{Any, type_name},
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use actix::Recipient;

use super::{
    actor::Signal,
    cx::LoopStatus,
    handle::{Ack, LoopHandle},
    kinds::SignalLoop,
};
use crate::{ChildHandle, ChildState};

/// A loop of whatever type, as the registry gives it out.
pub trait AnyLoop: Send + Sync {
    /// See [`LoopHandle::start`].
    fn start(&self) -> Ack<bool>;
    /// See [`LoopHandle::stop`].
    fn stop(&self) -> Ack<bool>;
    /// See [`LoopHandle::pause`].
    fn pause(&self) -> Ack<bool>;
    /// See [`LoopHandle::resume`].
    fn resume(&self) -> Ack<bool>;
    /// See [`LoopHandle::until_ended`].
    fn until_ended(&self) -> Ack<bool>;
    /// See [`LoopHandle::status`].
    fn status(&self) -> LoopStatus;
    /// See [`LoopHandle::actor`].
    fn actor(&self) -> ChildHandle;
    /// Whether its actor has ended.
    fn is_gone(&self) -> bool;
    /// Its `Recipient<Signal<S>>`.
    #[doc(hidden)]
    fn signals_any(&self) -> Box<dyn Any>;
    /// The name of its signals' type.
    fn signal_type(&self) -> &'static str;
}

impl<L, E> AnyLoop for LoopHandle<L, E>
where
    L: SignalLoop<E>,
    E: Clone + Send + 'static,
    Self: Send + Sync,
{
    fn start(&self) -> Ack<bool> {
        LoopHandle::start(self)
    }
    fn stop(&self) -> Ack<bool> {
        LoopHandle::stop(self)
    }
    fn pause(&self) -> Ack<bool> {
        LoopHandle::pause(self)
    }
    fn resume(&self) -> Ack<bool> {
        LoopHandle::resume(self)
    }
    fn until_ended(&self) -> Ack<bool> {
        LoopHandle::until_ended(self)
    }
    fn status(&self) -> LoopStatus {
        LoopHandle::status(self)
    }
    fn actor(&self) -> ChildHandle {
        LoopHandle::actor(self)
    }
    fn is_gone(&self) -> bool {
        self.actor().state() == ChildState::Finished
    }
    fn signals_any(&self) -> Box<dyn Any> {
        Box::new(self.signals())
    }
    fn signal_type(&self) -> &'static str {
        type_name::<L::Signal>()
    }
}

/// Why a loop could not be reached by name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// There is none of this name.
    #[error("there is no loop named `{name}`; known: {known}")]
    Unknown {
        /// The name asked for.
        name: String,
        /// The names there are, separated by commas.
        known: String,
    },
    /// Several loops have this name.
    #[error(
        "{count} loops are named `{name}`, so the name says nothing; give each a name of its own, or keep their handles"
    )]
    Ambiguous {
        /// The name asked for.
        name: String,
        /// How many there are.
        count: usize,
    },
    /// Its signals are of another type.
    #[error("the loop `{name}` takes signals of type {takes}, not {given}")]
    OtherSignal {
        /// The loop.
        name: String,
        /// What it takes.
        takes: &'static str,
        /// What was given.
        given: &'static str,
    },
}

/// Loops by name; cheap to clone, one per program or per client.
///
/// Several may share a name, which is then good for logs only: asking by it is [`RegistryError::Ambiguous`]. A loop is
/// forgotten when its actor has ended.
#[derive(Clone, Default)]
pub struct LoopRegistry {
    loops: Arc<Mutex<Loops>>,
}

#[derive(Default)]
struct Loops {
    by_name: BTreeMap<String, Vec<Arc<dyn AnyLoop>>>,
    entered: usize,
    /// At how many entries those that are gone are looked for.
    look_at: usize,
}

impl Loops {
    fn forget_the_gone(&mut self) {
        self.entered = 0;
        self.by_name.retain(|_, loops| {
            loops.retain(|entry| !entry.is_gone());
            self.entered += loops.len();
            !loops.is_empty()
        });
        self.look_at = (self.entered * 2).max(64);
    }
}

impl std::fmt::Debug for LoopRegistry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.lock().by_name.keys()).finish()
    }
}

impl LoopRegistry {
    fn lock(&self) -> MutexGuard<'_, Loops> {
        self.loops.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters a loop under its name.
    pub fn insert<L, E>(&self, handle: &LoopHandle<L, E>)
    where
        L: SignalLoop<E> + Send,
        E: Clone + Send + 'static,
    {
        let mut loops = self.lock();
        if loops.entered >= loops.look_at {
            loops.forget_the_gone();
        }
        loops.entered += 1;
        let named = loops.by_name.entry(handle.name()).or_default();
        named.push(Arc::new(handle.clone()));
    }

    /// The loop of this name.
    ///
    /// # Errors
    /// [`RegistryError::Unknown`], [`RegistryError::Ambiguous`].
    pub fn get(&self, name: &str) -> Result<Arc<dyn AnyLoop>, RegistryError> {
        let mut loops = self.lock();
        loops.forget_the_gone();
        match loops.by_name.get(name).map(Vec::as_slice) {
            Some([only]) => Ok(Arc::clone(only)),
            Some(several) => Err(RegistryError::Ambiguous {
                name: name.to_owned(),
                count: several.len(),
            }),
            None => Err(RegistryError::Unknown {
                name: name.to_owned(),
                known: (loops.by_name.keys().cloned().collect::<Vec<_>>()).join(", "),
            }),
        }
    }

    /// All loops whose actors live, by name.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<dyn AnyLoop>> {
        let mut loops = self.lock();
        loops.forget_the_gone();
        loops.by_name.values().flatten().cloned().collect()
    }

    /// Where to send signals of type `S` for the loop of this name.
    ///
    /// # Errors
    /// [`RegistryError::Unknown`], [`RegistryError::Ambiguous`], [`RegistryError::OtherSignal`].
    pub fn signals<S: Send + 'static>(
        &self,
        name: &str,
    ) -> Result<Recipient<Signal<S>>, RegistryError> {
        let found = self.get(name)?;
        found
            .signals_any()
            .downcast::<Recipient<Signal<S>>>()
            .map(|recipient| *recipient)
            .map_err(|_| RegistryError::OtherSignal {
                name: name.to_owned(),
                takes: found.signal_type(),
                given: type_name::<S>(),
            })
    }

    /// All loops whose actors live, by name.
    #[must_use]
    pub fn statuses(&self) -> Vec<LoopStatus> {
        self.all().iter().map(|entry| entry.status()).collect()
    }
}

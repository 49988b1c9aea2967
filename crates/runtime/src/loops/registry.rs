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
use crate::ChildState;

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
    /// See [`LoopHandle::status`].
    fn status(&self) -> LoopStatus;
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
    fn status(&self) -> LoopStatus {
        LoopHandle::status(self)
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

/// Loops by name; cheap to clone, one per program or per client. A loop that is entered under a taken name replaces that one.
#[derive(Clone, Default)]
pub struct LoopRegistry {
    loops: Arc<Mutex<BTreeMap<String, Arc<dyn AnyLoop>>>>,
}

impl std::fmt::Debug for LoopRegistry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.lock().keys()).finish()
    }
}

impl LoopRegistry {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Arc<dyn AnyLoop>>> {
        self.loops.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters a loop under its name.
    pub fn insert<L, E>(&self, handle: &LoopHandle<L, E>)
    where
        L: SignalLoop<E> + Send,
        E: Clone + Send + 'static,
    {
        self.lock().insert(handle.name(), Arc::new(handle.clone()));
    }

    /// The loop of this name.
    ///
    /// # Errors
    /// [`RegistryError::Unknown`].
    pub fn get(&self, name: &str) -> Result<Arc<dyn AnyLoop>, RegistryError> {
        let mut loops = self.lock();
        loops.retain(|_, entry| !entry.is_gone());
        loops
            .get(name)
            .cloned()
            .ok_or_else(|| RegistryError::Unknown {
                name: name.to_owned(),
                known: loops.keys().cloned().collect::<Vec<_>>().join(", "),
            })
    }

    /// Where to send signals of type `S` for the loop of this name.
    ///
    /// # Errors
    /// [`RegistryError::Unknown`], [`RegistryError::OtherSignal`].
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
        let mut loops = self.lock();
        loops.retain(|_, entry| !entry.is_gone());
        loops.values().map(|entry| entry.status()).collect()
    }
}

//! Named points at which a write can be made to fail, scripted per store.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use crate::StoreError;

/// What happens at a failpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The write fails with [`StoreError::Failpoint`].
    Error,
    /// The process ends at once, as by `kill -9`.
    Abort,
}

/// The failpoints of one store. Cheap to clone: clones share the script.
///
/// The points are listed in [`Failpoints::NAMES`].
#[derive(Clone, Default)]
pub struct Failpoints {
    script: Arc<Mutex<HashMap<&'static str, Vec<Step>>>>,
}

/// Passes to let through, failures after that, and what kind they are.
type Step = (u32, u32, Failure);

impl Failpoints {
    /// Every point there is, in the order a store meets them.
    pub const NAMES: [&'static str; 7] = [
        "create.before_schema",
        "create.before_link",
        "create.after_link",
        "commit.begun",
        "commit.before_last_write",
        "commit.before",
        "commit.after",
    ];

    /// A script without failures.
    pub fn new() -> Self {
        Self::default()
    }

    /// Passes the point `skip` times, then fails `times` times.
    ///
    /// # Panics
    /// If there is no such point: the script would test nothing.
    pub fn fail(&self, name: &str, skip: u32, times: u32, failure: Failure) -> &Self {
        let Some(name) = Self::NAMES.into_iter().find(|known| *known == name) else {
            panic!("there is no failpoint {name}; there are {:?}", Self::NAMES);
        };
        let mut script = self.script.lock().unwrap_or_else(PoisonError::into_inner);
        script.entry(name).or_default().push((skip, times, failure));
        self
    }

    pub(crate) fn pass(&self, name: &'static str) -> Result<(), StoreError> {
        let mut script = self.script.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((skip, times, failure)) = script.get_mut(name).and_then(|plan| {
            plan.iter_mut()
                .find(|(skip, times, _)| *skip > 0 || *times > 0)
        }) else {
            return Ok(());
        };
        if *skip > 0 {
            *skip -= 1;
            return Ok(());
        }
        *times -= 1;
        match failure {
            Failure::Error => Err(StoreError::Failpoint(name)),
            Failure::Abort => std::process::abort(),
        }
    }
}

impl fmt::Debug for Failpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Failpoints")
    }
}

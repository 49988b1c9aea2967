//! What a loop's turn says about the next one, and the error of loops.

use std::{error::Error, fmt, sync::Arc, time::Duration};

use crate::SharedError;

/// What follows one turn of a [`GenericLoop`](super::GenericLoop).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// The next turn, as soon as others have had theirs.
    Continue,
    /// Wait until the loop is resumed.
    Pause,
    /// The next turn after this time, or when the loop is resumed.
    Sleep(Duration),
    /// The loop ends.
    Stop,
}

/// The error that ends a loop. Every error converts into it with `?`.
///
/// Like other such types it is not itself a [`std::error::Error`]; [`LoopError::shared`] gives the one inside.
#[derive(Clone)]
pub struct LoopError(SharedError);

impl LoopError {
    /// An error that is only a text.
    pub fn msg(text: impl Into<String>) -> Self {
        Self(Arc::from(Box::<dyn Error + Send + Sync>::from(text.into())))
    }

    /// Wraps an error that is already shared.
    #[must_use]
    pub fn from_shared(error: SharedError) -> Self {
        Self(error)
    }

    /// The error inside.
    #[must_use]
    pub fn shared(&self) -> SharedError {
        Arc::clone(&self.0)
    }

    /// The error inside, if it is of this type.
    #[must_use]
    pub fn downcast_ref<E: Error + 'static>(&self) -> Option<&E> {
        self.0.downcast_ref()
    }
}

impl fmt::Debug for LoopError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for LoopError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl<E: Error + Send + Sync + 'static> From<E> for LoopError {
    fn from(error: E) -> Self {
        Self(Arc::new(error))
    }
}

impl From<LoopError> for Box<dyn Error + Send + Sync> {
    fn from(error: LoopError) -> Self {
        Box::new(Shared(error.0))
    }
}

/// A shared error as one of its own.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct Shared(SharedError);

/// A number of seconds that is no time: NaN, or more than a `Duration` can hold.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error(
    "{0} is no number of seconds to pause: expected a finite number, or `Flow::Pause` to wait until resumed"
)]
pub struct BadSeconds(pub f64);

fn seconds(value: f64) -> Result<Duration, BadSeconds> {
    Duration::try_from_secs_f64(value).map_err(|_| BadSeconds(value))
}

/// What a turn of a [`GenericLoop`](super::GenericLoop) may return.
///
/// A [`Flow`]; a `Duration`; seconds as `f64` (−1 stops, 0 and other negative numbers go on at once, as in the seed); nothing,
/// which pauses; or a `Result` of these.
pub trait IntoFlow {
    /// The flow it stands for.
    ///
    /// # Errors
    /// The turn's own error, or [`BadSeconds`].
    fn into_flow(self) -> Result<Flow, LoopError>;
}

impl IntoFlow for Flow {
    fn into_flow(self) -> Result<Flow, LoopError> {
        Ok(self)
    }
}

impl IntoFlow for () {
    fn into_flow(self) -> Result<Flow, LoopError> {
        Ok(Flow::Pause)
    }
}

impl IntoFlow for Duration {
    fn into_flow(self) -> Result<Flow, LoopError> {
        Ok(if self.is_zero() {
            Flow::Continue
        } else {
            Flow::Sleep(self)
        })
    }
}

impl IntoFlow for f64 {
    #[allow(clippy::float_cmp)]
    fn into_flow(self) -> Result<Flow, LoopError> {
        if self == -1.0 {
            Ok(Flow::Stop)
        } else if self <= 0.0 {
            Ok(Flow::Continue)
        } else {
            Ok(Flow::Sleep(seconds(self)?))
        }
    }
}

impl<T: IntoFlow> IntoFlow for Result<T, LoopError> {
    fn into_flow(self) -> Result<Flow, LoopError> {
        self.and_then(IntoFlow::into_flow)
    }
}

/// What a turn of a [`PeriodicLoop`](super::PeriodicLoop) may return: whether it is done, nothing (it is not), or a `Result`.
pub trait IntoDone {
    /// Whether the loop is done.
    ///
    /// # Errors
    /// The turn's own error.
    fn into_done(self) -> Result<bool, LoopError>;
}

impl IntoDone for bool {
    fn into_done(self) -> Result<bool, LoopError> {
        Ok(self)
    }
}

impl IntoDone for () {
    fn into_done(self) -> Result<bool, LoopError> {
        Ok(false)
    }
}

impl<T: IntoDone> IntoDone for Result<T, LoopError> {
    fn into_done(self) -> Result<bool, LoopError> {
        self.and_then(IntoDone::into_done)
    }
}

/// How long to pause: a `Duration`, seconds as `f64` (nothing and negative do not suspend), or `None` until resumed.
pub trait IntoPause {
    /// `None` is until resumed.
    fn into_pause(self) -> Option<Duration>;
}

impl IntoPause for Duration {
    fn into_pause(self) -> Option<Duration> {
        Some(self)
    }
}

impl IntoPause for f64 {
    /// A number too large for a `Duration`, or NaN, counts as until resumed.
    fn into_pause(self) -> Option<Duration> {
        if self <= 0.0 {
            Some(Duration::ZERO)
        } else {
            seconds(self).ok()
        }
    }
}

impl<T: IntoPause> IntoPause for Option<T> {
    fn into_pause(self) -> Option<Duration> {
        self.and_then(IntoPause::into_pause)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn numbers_mean_what_they_mean_in_the_seed() {
        assert_eq!((-1.0).into_flow().unwrap(), Flow::Stop);
        assert_eq!(0.0.into_flow().unwrap(), Flow::Continue);
        assert_eq!((-7.5).into_flow().unwrap(), Flow::Continue);
        assert_eq!(
            0.25.into_flow().unwrap(),
            Flow::Sleep(Duration::from_millis(250))
        );
        assert!(f64::NAN.into_flow().is_err());
        assert!(f64::INFINITY.into_flow().is_err());
    }

    #[test]
    fn any_error_becomes_a_loop_error() {
        fn turn() -> Result<f64, LoopError> {
            let n: f64 = "x".parse()?;
            Ok(n)
        }
        let error = turn().into_flow().unwrap_err();
        assert!(error.downcast_ref::<std::num::ParseFloatError>().is_some());
    }
}

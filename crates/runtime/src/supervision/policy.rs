//! The vocabulary of supervision: why an actor ended, when it is started again, and how long it waits before that.

use std::{
    borrow::Cow,
    collections::VecDeque,
    error::Error,
    fmt,
    hash::{BuildHasher, Hasher, RandomState},
    num::NonZeroU64,
    sync::Arc,
    time::Duration,
};

use tokio::time::Instant;

/// An error that several parties may hold: the supervisor, its parent, and everyone who reads the exit.
pub type SharedError = Arc<dyn Error + Send + Sync + 'static>;

/// Why one life of an actor ended.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum ExitReason {
    /// It ended by itself: `ctx.stop()`, or nothing is left that could reach it.
    Normal,
    /// It was told to stop by its handle, its supervisor or a control message of class [`Control::Stop`](super::Control::Stop).
    Stopped,
    /// It reported an error with [`SupervisedContext::fail`](super::SupervisedContext::fail), or its factory returned one.
    Error(SharedError),
    /// Something of it panicked; the text is the panic's message.
    Panicked(Arc<str>),
    /// It was dropped without being asked: `kill`, or its arbiter ended.
    Killed,
}

impl ExitReason {
    /// Whether this counts as a failure: an error or a panic.
    #[must_use]
    pub fn is_failure(&self) -> bool {
        matches!(self, Self::Error(_) | Self::Panicked(_))
    }

    /// Whether it panicked.
    #[must_use]
    pub fn is_panic(&self) -> bool {
        matches!(self, Self::Panicked(_))
    }

    /// A reason of kind `Error` from any error.
    pub fn error(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Error(Arc::from(error.into()))
    }

    /// A short word for logs and snapshots: `normal`, `stopped`, `error`, `panicked`, `killed`.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Stopped => "stopped",
            Self::Error(_) => "error",
            Self::Panicked(_) => "panicked",
            Self::Killed => "killed",
        }
    }
}

impl fmt::Display for ExitReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Error(error) => write!(f, "error: {error}"),
            Self::Panicked(message) => write!(f, "panicked: {message}"),
            other => f.write_str(other.word()),
        }
    }
}

impl Error for ExitReason {
    /// The error that was reported, to be looked at as its own type.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Error(error) => Some(&**error),
            _ => None,
        }
    }
}

/// Which exits lead to a restart, as in OTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub enum RestartPolicy {
    /// Always, unless it was stopped or killed from outside.
    Permanent,
    /// After an error or a panic; a normal end is final.
    #[default]
    Transient,
    /// Never.
    Temporary,
}

impl RestartPolicy {
    /// Whether an exit for this reason is followed by a restart.
    #[must_use]
    pub fn restarts(self, reason: &ExitReason) -> bool {
        match self {
            Self::Permanent => reason.is_failure() || matches!(reason, ExitReason::Normal),
            Self::Transient => reason.is_failure(),
            Self::Temporary => false,
        }
    }
}

/// Who is restarted when one child of a group fails, as in OTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub enum SupervisionStrategy {
    /// Only the child that failed.
    #[default]
    OneForOne,
    /// The child that failed and those started after it.
    RestForOne,
    /// Every child of the group.
    OneForAll,
}

/// How many restarts are tolerated: more than `max` within `within` escalate to the parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RestartIntensity {
    /// Restarts tolerated inside the window. Zero escalates the first failure.
    pub max: u32,
    /// Length of the sliding window.
    pub within: Duration,
}

impl RestartIntensity {
    /// Never escalates; only the back-off brakes.
    pub const UNLIMITED: Self = Self {
        max: u32::MAX,
        within: Duration::ZERO,
    };

    /// At most `max` restarts within `within`.
    #[must_use]
    pub const fn new(max: u32, within: Duration) -> Self {
        Self { max, within }
    }
}

impl Default for RestartIntensity {
    /// Five restarts within a minute.
    fn default() -> Self {
        Self::new(5, Duration::from_secs(60))
    }
}

/// Delay before a restart: exponential with jitter.
///
/// The n-th restart in a row waits `initial * factor^(n-1)`, at most `max`, and that is spread by `jitter` to both sides.
/// The row ends once the actor has lived for `reset_after`.
///
/// ```
/// use actogram_runtime::Backoff;
/// use std::time::Duration;
///
/// let backoff = Backoff { jitter: 0.0, ..Backoff::default() };
/// assert_eq!(backoff.base(1), Duration::from_millis(200));
/// assert_eq!(backoff.base(3), Duration::from_millis(800));
/// assert_eq!(backoff.base(40), Duration::from_secs(30));
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Backoff {
    /// Delay before the first restart of a row.
    pub initial: Duration,
    /// Largest delay before jitter.
    pub max: Duration,
    /// Growth from one restart to the next; values below 1 count as 1.
    pub factor: f64,
    /// Part of the delay, from 0 to 1, by which it may be shorter or longer.
    pub jitter: f64,
    /// A life of this length ends the row.
    pub reset_after: Duration,
}

impl Default for Backoff {
    /// 0.2 s doubling to 30 s, ± 20 %, a new row after 60 s of health.
    fn default() -> Self {
        Self {
            initial: Duration::from_millis(200),
            max: Duration::from_secs(30),
            factor: 2.0,
            jitter: 0.2,
            reset_after: Duration::from_secs(60),
        }
    }
}

impl Backoff {
    /// Restart without any delay (the actor still yields to its arbiter in between).
    pub const NONE: Self = Self {
        initial: Duration::ZERO,
        max: Duration::ZERO,
        factor: 1.0,
        jitter: 0.0,
        reset_after: Duration::ZERO,
    };

    /// The same delay each time, without jitter.
    #[must_use]
    pub const fn constant(delay: Duration) -> Self {
        Self {
            initial: delay,
            max: delay,
            factor: 1.0,
            jitter: 0.0,
            reset_after: Duration::ZERO,
        }
    }

    /// The delay before the `nth` restart of a row (counted from 1), without jitter.
    #[must_use]
    pub fn base(&self, nth: u32) -> Duration {
        let growth = self
            .factor
            .max(1.0)
            .powi(i32::try_from(nth.saturating_sub(1)).unwrap_or(i32::MAX));
        let seconds = (self.initial.as_secs_f64() * growth).min(self.max.as_secs_f64());
        Duration::try_from_secs_f64(seconds).unwrap_or(self.max)
    }

    fn jittered(&self, nth: u32, random: &mut Jitter) -> Duration {
        let share = if self.jitter.is_nan() {
            0.0
        } else {
            self.jitter.clamp(0.0, 1.0)
        };
        let spread = share * random.symmetric();
        let base = self.base(nth);
        Duration::try_from_secs_f64(base.as_secs_f64() * (1.0 + spread)).unwrap_or(base)
    }
}

/// The small generator behind jitter (SplitMix64). Not for secrets.
#[derive(Debug, Clone)]
pub(crate) struct Jitter(u64);

impl Jitter {
    pub(crate) fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    /// Differs from process to process, so that restarts of many processes do not fall together.
    pub(crate) fn from_process() -> Self {
        Self(RandomState::new().build_hasher().finish())
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform in [-1, 1].
    fn symmetric(&mut self) -> f64 {
        #[allow(clippy::cast_precision_loss)]
        let unit = (self.next() >> 11) as f64 / (1u64 << 53) as f64;
        unit * 2.0 - 1.0
    }
}

/// An actor, or the children of a group, failed more often than its [`RestartIntensity`] tolerates.
#[derive(Debug, Clone, thiserror::Error)]
#[error(
    "{who} failed {failures} times within {within:?}, more than its restart intensity tolerates; the last time: {last}"
)]
#[non_exhaustive]
pub struct RestartsExhausted {
    /// Name of the actor or group.
    pub who: String,
    /// Failures inside the window, the last one included.
    pub failures: u32,
    /// Length of the window.
    pub within: Duration,
    /// How it ended the last time.
    pub last: ExitReason,
}

/// Counts restarts in the sliding window and knows the next delay. What never failed and has the usual limits costs three
/// words.
#[derive(Debug)]
pub(crate) struct Brake {
    limits: Option<Box<(RestartIntensity, Backoff)>>,
    seed: Option<NonZeroU64>,
    row: Option<Box<Row>>,
}

#[derive(Debug)]
struct Row {
    window: VecDeque<Instant>,
    /// Restarts in a row.
    length: u32,
    born: Option<Instant>,
    random: Jitter,
}

impl Brake {
    /// Without a seed, jitter differs from process to process.
    pub(crate) fn new(intensity: RestartIntensity, backoff: Backoff, seed: Option<u64>) -> Self {
        let usual = intensity == RestartIntensity::default() && backoff == Backoff::default();
        Self {
            limits: (!usual).then(|| Box::new((intensity, backoff))),
            seed: seed.map(|seed| NonZeroU64::new(seed).unwrap_or(NonZeroU64::MAX)),
            row: None,
        }
    }

    fn limits(&self) -> (RestartIntensity, Backoff) {
        self.limits.as_deref().copied().unwrap_or_default()
    }

    fn row(&mut self) -> &mut Row {
        let seed = self.seed;
        self.row.get_or_insert_with(|| {
            Box::new(Row {
                window: VecDeque::new(),
                length: 0,
                born: None,
                random: seed.map_or_else(Jitter::from_process, |seed| Jitter::seeded(seed.get())),
            })
        })
    }

    /// A life has begun. Of the first one nothing needs to be known: a row of restarts begins with a failure.
    pub(crate) fn alive(&mut self) {
        if let Some(row) = &mut self.row {
            row.born = Some(Instant::now());
        }
    }

    /// Records a failure; an error if the intensity is exceeded.
    pub(crate) fn record(&mut self, who: &str, last: &ExitReason) -> Result<(), RestartsExhausted> {
        let (intensity, _) = self.limits();
        if intensity.max == u32::MAX {
            return Ok(());
        }
        let now = Instant::now();
        let window = &mut self.row().window;
        window.push_back(now);
        while let Some(first) = window.front() {
            if now.duration_since(*first) > intensity.within {
                window.pop_front();
            } else {
                break;
            }
        }
        let failures = u32::try_from(window.len()).unwrap_or(u32::MAX);
        if failures > intensity.max {
            return Err(RestartsExhausted {
                who: who.to_owned(),
                failures,
                within: intensity.within,
                last: last.clone(),
            });
        }
        Ok(())
    }

    /// The delay before the restart that comes now.
    pub(crate) fn delay(&mut self) -> Duration {
        let (_, backoff) = self.limits();
        let row = self.row();
        let healthy = row
            .born
            .take()
            .is_some_and(|born| born.elapsed() >= backoff.reset_after);
        if healthy && !backoff.reset_after.is_zero() {
            row.length = 0;
        }
        row.length = row.length.saturating_add(1);
        backoff.jittered(row.length, &mut row.random)
    }

    pub(crate) fn reset(&mut self) {
        if let Some(row) = &mut self.row {
            row.window.clear();
            row.length = 0;
        }
    }
}

/// The message of a panic. A payload that is no text is named as such.
pub(crate) fn panic_message(payload: Box<dyn std::any::Any + Send>) -> Arc<str> {
    let text: Cow<'static, str> = if let Some(text) = payload.downcast_ref::<&'static str>() {
        Cow::Borrowed(text)
    } else if let Some(text) = payload.downcast_ref::<String>() {
        Cow::Owned(text.clone())
    } else {
        Cow::Borrowed("a panic whose payload is not text")
    };
    // A payload may itself panic when dropped.
    let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || drop(payload)));
    Arc::from(&*text)
}

/// Whether this build can recover from panics. Under `panic = "abort"` it cannot: the process ends at the first one.
#[must_use]
pub const fn supervision_is_effective() -> bool {
    cfg!(panic = "unwind")
}

pub(crate) fn warn_if_ineffective() {
    use std::sync::Once;
    static ONCE: Once = Once::new();
    if !supervision_is_effective() {
        ONCE.call_once(|| {
            tracing::warn!(
                "this program is built with panic = \"abort\": supervision is off, the first panic ends the process; \
                 set panic = \"unwind\" in the profile"
            );
        });
    }
}

/// The last part of each path in a type's name: `a::b::Loop<c::D>` becomes `Loop<D>`.
pub(crate) fn without_paths(full: &str) -> String {
    let mut out = String::with_capacity(full.len());
    let mut word = String::new();
    for c in full.chars() {
        if c.is_alphanumeric() || c == '_' {
            word.push(c);
        } else if c == ':' {
            word.clear();
        } else {
            out.push_str(&word);
            word.clear();
            out.push(c);
        }
    }
    out.push_str(&word);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn type_names_lose_their_paths() {
        let full = std::any::type_name::<Vec<std::string::String>>();
        assert_eq!(without_paths(full), "Vec<String>");
    }

    #[test]
    fn jitter_stays_within_its_share_and_follows_its_seed() {
        let backoff = Backoff::default();
        let (mut a, mut b) = (Jitter::seeded(7), Jitter::seeded(7));
        for nth in 1..50 {
            let delay = backoff.jittered(nth, &mut a);
            assert_eq!(delay, backoff.jittered(nth, &mut b));
            let base = backoff.base(nth).as_secs_f64();
            assert!(delay.as_secs_f64() >= base * 0.799 && delay.as_secs_f64() <= base * 1.201);
        }
    }

    #[test]
    fn a_payload_that_is_no_text_is_named() {
        assert!(panic_message(Box::new(5u8)).contains("not text"));
    }
}

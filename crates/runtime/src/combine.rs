//! Combining futures: `all`, `any`, `some`, `first`, `timeout`, `timeout_opt`, `sleep`.
//!
//! They take futures, and builders that turn into futures, whose output is a `Result`; a plain value is
//! `std::future::ready(Ok::<_, E>(value))`. Inputs are arrays, vectors or `BTreeMap`s, results are keyed like the input.
//!
//! | | waits for | gives | fails |
//! |---|---|---|---|
//! | [`all`] | all, or the first failure | every value | with the first failure, at once |
//! | [`any`] | all | values and errors | never |
//! | [`some`] | all | values and errors | if fewer than that many succeeded, with every error |
//! | [`first`] | the first success | that value | if all failed, with every error |
//! | [`timeout`] | the future, or the time | its value | with its error, or when the time is over |
//! | [`timeout_opt`] | the same | its value, or `None` when the time is over | with its error |
//!
//! Those that need a number of futures ([`first`] one, [`some`] as many as have to succeed) refuse fewer as a mistake of the
//! program, before anything runs. Without any future [`all`] and [`any`] give nothing at once.
//!
//! # What becomes of the losers
//! In Rust a future that nobody polls does not run. When a combinator returns early, the futures it was given are dropped. A
//! call of a client goes on all the same, because dropping its waiter detaches it; a foreign future goes on only if it was
//! spawned (give the combinator its `JoinHandle`, or a [`call_fork`](crate::call_fork)).
//!
//! ```
//! # use actogram_runtime::*; use std::{cell::Cell, rc::Rc};
//! # tokio::task::LocalSet::new().block_on(&tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap(), async {
//! let done = Rc::new(Cell::new(0));
//! let work = |done: Rc<Cell<i32>>| async move {
//!     sleep(1.0).await;
//!     done.set(done.get() + 1);
//!     Ok::<_, String>(())
//! };
//! // Dropped after half a second, and with it what it would have done.
//! assert!(timeout(work(Rc::clone(&done)), 0.5).await.is_err());
//! sleep(10.0).await;
//! assert_eq!(done.get(), 0);
//!
//! // A strand of its own goes on.
//! let strand = call_fork(&Failures::default(), work(Rc::clone(&done)));
//! assert!(timeout(strand, 0.5).await.is_err());
//! sleep(10.0).await;
//! assert_eq!(done.get(), 1);
//! # });
//! ```
//!
//! # Combined again
//! What they return are futures with a `Result`, so they nest:
//!
//! ```
//! # use actogram_runtime::*; use std::{future::ready, pin::Pin};
//! # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap().block_on(async {
//! type Part = Pin<Box<dyn Future<Output = Result<Vec<i32>, String>>>>;
//! let mirrors: Part = Box::pin(async {
//!     first([ready(Err("mirror 1 is down".to_owned())), ready(Ok(vec![1, 2]))])
//!         .await
//!         .map_err(|error| error.to_string())
//! });
//! let own: Part = Box::pin(ready(Ok(vec![3])));
//! assert_eq!(all([mirrors, own]).await.unwrap().concat(), [1, 2, 3]);
//! # });
//! ```

use std::{
    collections::BTreeMap,
    error::Error,
    fmt,
    future::{Future, IntoFuture, pending},
    time::Duration,
};

use futures_util::{StreamExt, stream::FuturesUnordered};

use crate::IntoPause;

/// A collection of futures whose results can be given back keyed as they came.
pub trait Keyed: Sized {
    /// What tells the members apart.
    type Key: Ord + Clone;
    /// A member.
    type Item;
    /// The same collection of something else.
    type Of<V>;

    /// The members with their keys, in order.
    fn into_pairs(self) -> Vec<(Self::Key, Self::Item)>;

    /// Back from values for every key, in order.
    fn rebuild<V>(values: BTreeMap<Self::Key, V>) -> Self::Of<V>;
}

impl<T> Keyed for Vec<T> {
    type Key = usize;
    type Item = T;
    type Of<V> = Vec<V>;

    fn into_pairs(self) -> Vec<(usize, T)> {
        self.into_iter().enumerate().collect()
    }

    fn rebuild<V>(values: BTreeMap<usize, V>) -> Vec<V> {
        values.into_values().collect()
    }
}

impl<T, const N: usize> Keyed for [T; N] {
    type Key = usize;
    type Item = T;
    type Of<V> = [V; N];

    fn into_pairs(self) -> Vec<(usize, T)> {
        self.into_iter().enumerate().collect()
    }

    fn rebuild<V>(values: BTreeMap<usize, V>) -> [V; N] {
        match <[V; N]>::try_from(Vec::from_iter(values.into_values())) {
            Ok(values) => values,
            Err(_) => unreachable!("one value for each of the {N} keys"),
        }
    }
}

impl<K: Ord + Clone, T> Keyed for BTreeMap<K, T> {
    type Key = K;
    type Item = T;
    type Of<V> = BTreeMap<K, V>;

    fn into_pairs(self) -> Vec<(K, T)> {
        self.into_iter().collect()
    }

    fn rebuild<V>(values: BTreeMap<K, V>) -> BTreeMap<K, V> {
        values
    }
}

/// Several errors, keyed like the input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reasons<K, E>(pub BTreeMap<K, E>);

impl<K: fmt::Debug, E: fmt::Display> fmt::Display for Reasons<K, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, (key, error)) in self.0.iter().enumerate() {
            if n > 0 {
                f.write_str("; ")?;
            }
            write!(f, "{key:?}: {error}")?;
        }
        Ok(())
    }
}

impl<K: fmt::Debug, E: Error> Error for Reasons<K, E> {}

/// Why [`first`] or [`some`] gave no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CombineError<K: fmt::Debug, E: fmt::Display> {
    /// Fewer futures were given than have to succeed: a mistake in the program.
    #[error("too few futures: {required} have to succeed, {given} were given")]
    TooFew {
        /// How many have to succeed.
        required: usize,
        /// How many there are.
        given: usize,
    },
    /// Too many failed; the errors of all that did.
    #[error("too many failed: {0}")]
    Failed(Reasons<K, E>),
}

/// What became of each future; every key is in exactly one of the two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled<K, T, E> {
    /// Those that failed.
    pub errors: BTreeMap<K, E>,
    /// Those that succeeded.
    pub values: BTreeMap<K, T>,
}

type Running<K, F> = FuturesUnordered<
    futures_util::future::Map<
        F,
        Box<dyn FnOnce(<F as Future>::Output) -> (K, <F as Future>::Output)>,
    >,
>;

fn run<C>(inputs: C) -> Running<C::Key, <C::Item as IntoFuture>::IntoFuture>
where
    C: Keyed,
    C::Key: 'static,
    C::Item: IntoFuture,
{
    use futures_util::FutureExt;
    inputs
        .into_pairs()
        .into_iter()
        .map(|(key, item)| {
            let keyed: Box<dyn FnOnce(_) -> _> = Box::new(move |output| (key, output));
            item.into_future().map(keyed)
        })
        .collect()
}

/// Waits for all; the values keyed and ordered as the input. Fails at once with the first failure's own error; the results
/// and later failures of the others are dropped.
///
/// ```
/// # use actogram_runtime::all; use std::future::ready;
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let [a, b] = all([ready(Ok::<_, String>(1)), ready(Ok(2))]).await?;
/// assert_eq!((a, b), (1, 2));
/// assert_eq!(all([ready(Ok(1)), ready(Err("no".to_owned()))]).await, Err("no".to_owned()));
/// # Ok::<_, String>(()) }).unwrap();
/// ```
///
/// # Errors
/// That of the first future that failed.
pub async fn all<C, T, E>(inputs: C) -> Result<C::Of<T>, E>
where
    C: Keyed,
    C::Key: 'static,
    C::Item: IntoFuture<Output = Result<T, E>>,
{
    let mut running = run(inputs);
    let mut values = BTreeMap::new();
    while let Some((key, result)) = running.next().await {
        values.insert(key, result?);
    }
    Ok(C::rebuild(values))
}

/// Waits for all and never fails: what became of each.
///
/// ```
/// # use actogram_runtime::any; use std::future::ready;
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let settled = any([ready(Ok::<_, &str>("yes")), ready(Err("no"))]).await;
/// assert_eq!((settled.values[&0], settled.errors[&1]), ("yes", "no"));
/// # });
/// ```
pub async fn any<C, T, E>(inputs: C) -> Settled<C::Key, T, E>
where
    C: Keyed,
    C::Key: 'static,
    C::Item: IntoFuture<Output = Result<T, E>>,
{
    let mut running = run(inputs);
    let mut settled = Settled {
        errors: BTreeMap::new(),
        values: BTreeMap::new(),
    };
    while let Some((key, result)) = running.next().await {
        match result {
            Ok(value) => {
                settled.values.insert(key, value);
            }
            Err(error) => {
                settled.errors.insert(key, error);
            }
        }
    }
    settled
}

/// As [`any`], but an error unless at least `required` succeeded.
///
/// ```
/// # use actogram_runtime::{CombineError, some}; use std::future::ready;
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let inputs = || [ready(Ok::<_, &str>("yes")), ready(Err("no"))];
/// assert_eq!(some(inputs(), 1).await.unwrap().values[&0], "yes");
/// let Err(CombineError::Failed(reasons)) = some(inputs(), 2).await else { panic!() };
/// assert_eq!(reasons.0[&1], "no");
/// assert_eq!(some(inputs(), 3).await.unwrap_err(), CombineError::TooFew { required: 3, given: 2 });
/// # });
/// ```
///
/// # Errors
/// [`CombineError::TooFew`] if fewer than `required` were given (nothing is run then), [`CombineError::Failed`] with every
/// error otherwise.
pub async fn some<C, T, E>(
    inputs: C,
    required: usize,
) -> Result<Settled<C::Key, T, E>, CombineError<C::Key, E>>
where
    C: Keyed,
    C::Key: fmt::Debug + 'static,
    C::Item: IntoFuture<Output = Result<T, E>>,
    E: fmt::Display,
{
    let pairs = inputs.into_pairs();
    if pairs.len() < required {
        return Err(CombineError::TooFew {
            required,
            given: pairs.len(),
        });
    }
    let settled = any(Pairs(pairs)).await;
    if settled.values.len() < required {
        return Err(CombineError::Failed(Reasons(settled.errors)));
    }
    Ok(settled)
}

/// The first success. Failures are ignored while any is pending.
///
/// ```
/// # use actogram_runtime::{first, sleep};
/// # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap().block_on(async {
/// let after = |time, result| async move { sleep(time).await; result };
/// let won = first([after(3.0, Ok("slow")), after(2.0, Ok("fast")), after(1.0, Err("broken"))]).await;
/// assert_eq!(won, Ok("fast"));
/// # });
/// ```
///
/// # Errors
/// [`CombineError::TooFew`] if there is no future at all, [`CombineError::Failed`] with every error if all failed.
pub async fn first<C, T, E>(inputs: C) -> Result<T, CombineError<C::Key, E>>
where
    C: Keyed,
    C::Key: fmt::Debug + 'static,
    C::Item: IntoFuture<Output = Result<T, E>>,
    E: fmt::Display,
{
    let mut running = run(inputs);
    if running.is_empty() {
        return Err(CombineError::TooFew {
            required: 1,
            given: 0,
        });
    }
    let mut errors = BTreeMap::new();
    while let Some((key, result)) = running.next().await {
        match result {
            Ok(value) => return Ok(value),
            Err(error) => {
                errors.insert(key, error);
            }
        }
    }
    Err(CombineError::Failed(Reasons(errors)))
}

/// Members taken out of their collection once already.
struct Pairs<K, T>(Vec<(K, T)>);

impl<K: Ord + Clone, T> Keyed for Pairs<K, T> {
    type Key = K;
    type Item = T;
    type Of<V> = BTreeMap<K, V>;

    fn into_pairs(self) -> Vec<(K, T)> {
        self.0
    }

    fn rebuild<V>(values: BTreeMap<K, V>) -> BTreeMap<K, V> {
        values
    }
}

/// Why [`timeout`] gave no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TimeoutError<E> {
    /// It was not done within this time.
    #[error("not done within {0:?}")]
    Elapsed(Duration),
    /// It failed in time.
    #[error(transparent)]
    Failed(E),
}

/// A future's result if it is there within a time: a `Duration`, or seconds with fractions.
///
/// ```
/// # use actogram_runtime::{TimeoutError, sleep, timeout}; use std::time::Duration;
/// # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap().block_on(async {
/// let after = |time| async move { sleep(time).await; Ok::<_, String>("done") };
/// assert_eq!(timeout(after(1.0), 1.5).await, Ok("done"));
/// assert_eq!(timeout(after(2.0), 1.5).await, Err(TimeoutError::Elapsed(Duration::from_millis(1500))));
/// # });
/// ```
///
/// # Errors
/// [`TimeoutError::Elapsed`], or the future's own error.
pub async fn timeout<F, T, E>(future: F, time: impl IntoPause) -> Result<T, TimeoutError<E>>
where
    F: IntoFuture<Output = Result<T, E>>,
{
    match limited(future, time).await {
        Ok(result) => result.map_err(TimeoutError::Failed),
        Err(time) => Err(TimeoutError::Elapsed(time)),
    }
}

/// As [`timeout`], but `None` if the time is over.
///
/// ```
/// # use actogram_runtime::{sleep, timeout_opt};
/// # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap().block_on(async {
/// let slow = async { sleep(60.0).await; Ok::<_, String>("late") };
/// assert_eq!(timeout_opt(slow, 2.0).await.unwrap().unwrap_or("a default"), "a default");
/// # });
/// ```
///
/// # Errors
/// The future's own error.
pub async fn timeout_opt<F, T, E>(future: F, time: impl IntoPause) -> Result<Option<T>, E>
where
    F: IntoFuture<Output = Result<T, E>>,
{
    limited(future, time)
        .await
        .map_or(Ok(None), |result| result.map(Some))
}

async fn limited<F: IntoFuture>(future: F, time: impl IntoPause) -> Result<F::Output, Duration> {
    match time.into_pause() {
        Some(time) => tokio::time::timeout(time, future.into_future())
            .await
            .map_err(|_| time),
        None => Ok(future.await),
    }
}

/// Waits: a `Duration`, seconds with fractions (nothing or less does not wait), or `None`, for ever.
///
/// ```
/// # use actogram_runtime::sleep; use tokio::time::Instant; use std::time::Duration;
/// # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap().block_on(async {
/// let begun = Instant::now();
/// sleep(0.25).await;
/// sleep(-1.0).await;
/// assert_eq!(begun.elapsed(), Duration::from_millis(250));
/// # });
/// ```
pub async fn sleep(time: impl IntoPause) {
    match time.into_pause() {
        Some(time) if time.is_zero() => {}
        Some(time) => tokio::time::sleep(time).await,
        None => pending().await,
    }
}

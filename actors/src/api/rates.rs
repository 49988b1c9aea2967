//! How often an account calls, so that the datacenter need not tell it to wait.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    fmt,
    sync::{Arc, Mutex as StdMutex, PoisonError},
    time::Duration,
};

use actogram_tl::tables;
use bytes::Bytes;
use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::{
    entities::{self, ChatKey, Sending},
    error::CallError,
    events::AccountEvent,
    shared::Shared,
};

/// At most `count` within every span of this length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How many; 0 counts as 1.
    pub count: u32,
    /// Within which time; at most a year.
    pub within: Duration,
}

impl Rate {
    /// At most `count` within every span of this length.
    pub const fn new(count: u32, within: Duration) -> Self {
        Self { count, within }
    }

    /// The end of the span that began then.
    fn after(self, began: Duration) -> Duration {
        began.saturating_add(self.within.min(LONGEST_SPAN))
    }
}

/// A year: of what is longer, the end cannot be computed everywhere.
const LONGEST_SPAN: Duration = Duration::from_secs(365 * 86_400);

/// How often an account sends messages and calls methods. What goes beyond waits for its turn, before it takes a place among
/// the calls in flight: other methods and other chats do not wait for it.
///
/// The numbers of [`Rates::default`] are those that Telegram states for bots
/// (<https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this>). An album counts once for each of its
/// messages, and goes as one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rates {
    /// Messages to one user. "More than one message per second" is to be avoided, "short bursts" are allowed: by default 5
    /// within 5 s.
    pub private: Rate,
    /// Messages to one group, supergroup or channel. Default 20 within 60 s.
    pub group: Rate,
    /// Messages to all chats together. Default 30 within 1 s.
    pub all: Rate,
    /// Calls of methods, by name (`contacts.resolveUsername`). Default: none, for none are stated.
    pub methods: BTreeMap<String, Rate>,
}

impl Default for Rates {
    fn default() -> Self {
        Self {
            private: Rate::new(5, Duration::from_secs(5)),
            group: Rate::new(20, Duration::from_secs(60)),
            all: Rate::new(30, Duration::from_secs(1)),
            methods: BTreeMap::new(),
        }
    }
}

/// What a rate holds for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Scope {
    Method(u32),
    Chat(ChatKey),
    All,
}

/// When the latest went, or will have gone.
#[derive(Debug, Default)]
struct Window {
    times: VecDeque<Duration>,
    /// It was told of that calls wait here, and they still do.
    told: bool,
}

impl Window {
    /// When the next one may go.
    fn next(&self, now: Duration, rate: Rate) -> Duration {
        let count = usize::try_from(rate.count.max(1)).unwrap_or(usize::MAX);
        let nth = self.times.len().checked_sub(count);
        let nth = nth.and_then(|nth| self.times.get(nth));
        nth.map_or(now, |went| now.max(rate.after(*went)))
    }

    /// So many go now; for what is above the rate, later ones wait longer.
    fn went(&mut self, now: Duration, rate: Rate, weight: u32) {
        let count = usize::try_from(rate.count.max(1)).unwrap_or(usize::MAX);
        for _ in 0..weight.max(1) {
            let at = self.next(now, rate);
            self.times.push_back(at);
            if self.times.len() > count {
                self.times.pop_front();
            }
        }
    }

    fn is_over(&self, now: Duration, rate: Rate) -> bool {
        self.times
            .back()
            .is_none_or(|last| rate.after(*last) <= now)
    }
}

/// How many windows there may be before those that are over are looked for.
const MANY_WINDOWS: usize = 256;

/// Keeps an account within its rates. It outlives the lives of the actors.
#[derive(Default)]
pub(crate) struct Limiter {
    windows: StdMutex<Windows>,
}

#[derive(Default)]
struct Windows {
    /// Who waits for a scope waits for its lock, which is fair.
    by_scope: HashMap<Scope, Arc<Mutex<Window>>>,
    sweep_at: usize,
}

impl fmt::Debug for Limiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limiter").finish_non_exhaustive()
    }
}

impl Limiter {
    fn window(&self, scope: Scope, now: Duration, rates: &Rates) -> Arc<Mutex<Window>> {
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        if windows.by_scope.len() >= windows.sweep_at.max(MANY_WINDOWS) {
            windows.by_scope.retain(|scope, window| {
                let over = |window: &Window| {
                    rate_of(*scope, rates).is_none_or(|rate| window.is_over(now, rate))
                };
                Arc::strong_count(window) > 1 || !window.try_lock().is_ok_and(|held| over(&held))
            });
            windows.sweep_at = windows.by_scope.len() * 2;
        }
        windows.by_scope.entry(scope).or_default().clone()
    }
}

fn rate_of(scope: Scope, rates: &Rates) -> Option<Rate> {
    match scope {
        Scope::Method(id) => {
            let function = tables::function_by_id(id)?;
            rates.methods.get(function.name).copied()
        }
        Scope::Chat(ChatKey::User(_) | ChatKey::Own) => Some(rates.private),
        Scope::Chat(_) => Some(rates.group),
        Scope::All => Some(rates.all),
    }
}

/// What a call has to wait for.
#[derive(Debug)]
pub(crate) struct Pace {
    method: &'static str,
    scopes: Vec<(Scope, Rate)>,
    weight: u32,
}

impl Pace {
    /// `None` if no rate holds for the call.
    pub(crate) fn of(body: &Bytes, rates: Option<&Rates>) -> Option<Self> {
        let rates = rates?;
        let (function, body) = entities::innermost(body);
        let function = function?;
        let sending = entities::sending(function, &body);
        if sending.is_none() && rates.methods.is_empty() {
            return None;
        }
        let mut scopes = vec![Scope::Method(function.id)];
        if let Some(Sending { to, .. }) = sending {
            scopes.extend([Scope::Chat(to), Scope::All]);
        }
        let scopes: Vec<_> = (scopes.into_iter())
            .filter_map(|scope| Some((scope, rate_of(scope, rates)?)))
            .collect();
        (!scopes.is_empty()).then_some(Self {
            method: function.name,
            scopes,
            weight: sending.map_or(1, |sending| sending.messages),
        })
    }

    /// Resolves when it is the call's turn. Dropping it gives the turn to the next.
    ///
    /// # Errors
    /// The account ends.
    pub(crate) async fn turn(self, shared: &Shared) -> Result<(), Option<CallError>> {
        let Some(rates) = &shared.config.rates else {
            return Ok(());
        };
        let _waiting = Waiting::of(shared);
        for (scope, rate) in self.scopes {
            let window = shared.limiter.window(scope, shared.monotonic(), rates);
            let mut window = tokio::select! {
                biased;
                window = window.lock_owned() => window,
                ended = shared.ended() => return Err(ended),
            };
            let now = shared.monotonic();
            let at = window.next(now, rate);
            if at <= now {
                // Those that wait hold it too, besides the table and this call.
                window.told &= Arc::strong_count(OwnedMutexGuard::mutex(&window)) > 2;
            } else {
                if !std::mem::replace(&mut window.told, true) {
                    shared.emit(AccountEvent::RateLimited {
                        method: self.method,
                        wait: at - now,
                    });
                }
                tokio::select! {
                    biased;
                    ended = shared.ended() => return Err(ended),
                    () = shared.sleep_until(at) => {}
                }
            }
            window.went(shared.monotonic(), rate, self.weight);
        }
        Ok(())
    }
}

/// Counts the calls that wait for their turn.
struct Waiting<'a>(&'a Shared);

impl<'a> Waiting<'a> {
    fn of(shared: &'a Shared) -> Self {
        shared.activity.note_paced(1);
        Self(shared)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.activity.note_paced(-1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate::new(3, Duration::from_secs(3));

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_burst_goes_at_once_and_what_follows_at_the_rate() {
        let mut window = Window::default();
        let mut now = Duration::ZERO;
        let mut went = Vec::new();
        for _ in 0..9 {
            now = window.next(now, RATE);
            window.went(now, RATE, 1);
            went.push(now.as_secs());
        }
        assert_eq!(went, [0, 0, 0, 3, 3, 3, 6, 6, 6]);
        assert!(!window.is_over(seconds(8), RATE));
        assert!(window.is_over(seconds(9), RATE));
    }

    #[test]
    fn an_album_goes_as_one_and_those_after_it_wait_for_all_of_it() {
        let mut window = Window::default();
        window.went(seconds(1), RATE, 7);
        // Three at 1, three at 4, one at 7: two more at 7.
        assert_eq!(window.next(seconds(1), RATE), seconds(7));
        window.went(seconds(7), RATE, 2);
        assert_eq!(window.next(seconds(7), RATE), seconds(10));
    }

    #[test]
    fn no_count_is_one_and_a_time_of_nothing_is_no_limit() {
        let mut window = Window::default();
        window.went(seconds(1), Rate::new(0, seconds(1)), 1);
        assert_eq!(
            window.next(seconds(1), Rate::new(0, seconds(1))),
            seconds(2)
        );
        assert_eq!(
            window.next(seconds(1), Rate::new(1, Duration::ZERO)),
            seconds(1)
        );
        let for_ever = Rate::new(1, Duration::MAX);
        assert_eq!(window.next(seconds(1), for_ever), seconds(1) + LONGEST_SPAN);
        assert!(!window.is_over(LONGEST_SPAN, for_ever));
    }
}

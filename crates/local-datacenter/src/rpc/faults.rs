//! Faults on demand above the wire, and counters of what was executed.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;

use super::errors::RpcError;
use super::update_faults::{UpdateFaultPlan, UpdateFaultRates, UpdateFaultScope};
use crate::model::{ChannelId, UserId};

/// When an ordered error is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Instead of executing the call.
    Before,
    /// After executing it: the caller cannot know that it took effect.
    After,
}

/// An error that calls get on demand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RpcFault {
    /// Only calls of this method, as `messages.sendMessage`; all calls otherwise.
    pub method: Option<String>,
    /// Only calls of this account; of everybody otherwise.
    pub user: Option<UserId>,
    /// What they get.
    pub error: RpcError,
    /// Instead of or after the execution.
    pub when: When,
    /// So many matching calls pass untouched first.
    pub skip: u32,
    /// Then so many get the error.
    pub times: u32,
}

/// An answer that comes late.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delay {
    /// Only answers to this method; all answers otherwise.
    pub method: Option<String>,
    /// How late.
    pub by: Duration,
    /// How many answers.
    pub times: u32,
}

/// What happens to pushed updates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PushFault {
    /// They are not sent: the receiver finds a gap.
    Withhold,
    /// They are sent without the users and chats they speak of.
    Unaccompanied,
    /// They are sent twice.
    Duplicate,
    /// They are held until the next one and sent after it.
    Swap,
    /// They are sent so much later.
    Delay(Duration),
}

/// Answers that are replaced on their way out.
struct Rewrite {
    method: String,
    times: u32,
    with: Box<dyn FnMut(Bytes) -> Bytes + Send>,
}

impl fmt::Debug for Rewrite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rewrite")
            .field("method", &self.method)
            .field("times", &self.times)
            .finish_non_exhaustive()
    }
}

/// Faults waiting for their call.
#[derive(Debug, Default)]
pub struct Faults {
    errors: Vec<RpcFault>,
    delays: Vec<Delay>,
    rewrites: Vec<Rewrite>,
    pushes: BTreeMap<UserId, Vec<(PushFault, u32)>>,
    plans: BTreeMap<UpdateFaultScope, UpdateFaultPlan>,
}

fn matches(wanted: &Option<String>, method: &str) -> bool {
    wanted.as_deref().is_none_or(|wanted| wanted == method)
}

impl Faults {
    /// Orders an error.
    pub fn error(&mut self, fault: RpcFault) {
        self.errors.push(fault);
    }

    /// Orders a late answer. The call is executed at once.
    pub fn delay(&mut self, delay: Delay) {
        self.delays.push(delay);
    }

    /// Orders that the next `times` answers to `method` are replaced by what `with` makes of them.
    pub fn rewrite(
        &mut self,
        method: impl Into<String>,
        times: u32,
        with: impl FnMut(Bytes) -> Bytes + Send + 'static,
    ) {
        self.rewrites.push(Rewrite {
            method: method.into(),
            times,
            with: Box::new(with),
        });
    }

    pub(crate) fn rewritten(&mut self, method: &str, body: Bytes) -> Bytes {
        let mut rewrites = self.rewrites.iter_mut();
        let Some(rewrite) = rewrites.find(|rewrite| rewrite.method == method) else {
            return body;
        };
        rewrite.times = rewrite.times.saturating_sub(1);
        let body = (rewrite.with)(body);
        self.rewrites.retain(|rewrite| rewrite.times > 0);
        body
    }

    /// Orders that the next `times` pushes to an account suffer `fault`.
    pub fn push(&mut self, user: UserId, fault: PushFault, times: u32) {
        self.pushes.entry(user).or_default().push((fault, times));
    }

    /// From now on recorded updates in `scope` suffer faults drawn from `seed`; the narrowest scope decides: channel,
    /// account, all. Rates of zero spare a scope; they replace what was ordered for it before.
    pub fn updates(&mut self, scope: UpdateFaultScope, seed: u64, rates: UpdateFaultRates) {
        self.plans.insert(scope, UpdateFaultPlan::new(seed, rates));
    }

    /// What a recorded push suffers.
    pub(super) fn draw(&mut self, user: UserId, channel: Option<ChannelId>) -> Option<PushFault> {
        let scopes = [
            channel.map(UpdateFaultScope::Channel),
            Some(UpdateFaultScope::Account(user)),
            Some(UpdateFaultScope::All),
        ];
        let scope = scopes
            .into_iter()
            .flatten()
            .find(|scope| self.plans.contains_key(scope))?;
        self.plans.get_mut(&scope)?.draw()
    }

    /// Takes everything back that is still waiting.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    pub(crate) fn take_error(
        &mut self,
        when: When,
        method: &str,
        user: Option<UserId>,
    ) -> Option<RpcError> {
        let fault = self.errors.iter_mut().find(|fault| {
            fault.when == when
                && matches(&fault.method, method)
                && (fault.user.is_none() || fault.user == user)
        })?;
        if fault.skip > 0 {
            fault.skip -= 1;
            return None;
        }
        fault.times = fault.times.saturating_sub(1);
        let error = fault.error.clone();
        self.errors.retain(|fault| fault.times > 0);
        Some(error)
    }

    pub(crate) fn take_delay(&mut self, method: &str) -> Option<Duration> {
        let delay = self
            .delays
            .iter_mut()
            .find(|delay| matches(&delay.method, method))?;
        delay.times = delay.times.saturating_sub(1);
        let by = delay.by;
        self.delays.retain(|delay| delay.times > 0);
        Some(by)
    }

    pub(crate) fn take_push(&mut self, user: UserId) -> Option<PushFault> {
        let waiting = self.pushes.get_mut(&user)?;
        let first = waiting.first_mut()?;
        let fault = first.0;
        first.1 = first.1.saturating_sub(1);
        waiting.retain(|(_, times)| *times > 0);
        Some(fault)
    }
}

/// How often methods were called and executed since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    executed: BTreeMap<String, u64>,
    refused: BTreeMap<String, u64>,
    not_built: BTreeMap<String, u64>,
    pushes: u64,
}

impl Counters {
    /// Calls of `method` (as `messages.sendMessage`) that took effect, those included whose caller got an ordered
    /// error all the same.
    pub fn executed(&self, method: &str) -> u64 {
        self.executed.get(method).copied().unwrap_or(0)
    }

    /// Calls of `method` that were answered with an error, ordered ones included.
    pub fn refused(&self, method: &str) -> u64 {
        self.refused.get(method).copied().unwrap_or(0)
    }

    /// Methods that were called but are not built, with how often.
    pub fn not_built(&self) -> impl Iterator<Item = (&str, u64)> {
        self.not_built.iter().map(|(name, n)| (name.as_str(), *n))
    }

    /// All executed methods, with how often.
    pub fn all_executed(&self) -> impl Iterator<Item = (&str, u64)> {
        self.executed.iter().map(|(name, n)| (name.as_str(), *n))
    }

    /// Pushes handed to sessions.
    pub fn pushes(&self) -> u64 {
        self.pushes
    }

    pub(crate) fn count_executed(&mut self, method: &str) {
        *self.executed.entry(method.to_owned()).or_default() += 1;
    }

    pub(crate) fn count_refused(&mut self, method: &str) {
        *self.refused.entry(method.to_owned()).or_default() += 1;
    }

    pub(crate) fn count_not_built(&mut self, method: &str) {
        *self.not_built.entry(method.to_owned()).or_default() += 1;
    }

    pub(crate) fn count_push(&mut self) {
        self.pushes += 1;
    }
}

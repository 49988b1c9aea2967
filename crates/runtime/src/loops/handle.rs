//! Starting loops, and handles on them.

use std::{
    any::type_name,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use actix::{
    Addr, Handler, MailboxError, Message, Recipient, WeakAddr,
    dev::{ToEnvelope, channel::channel},
};
use actix_rt::ArbiterHandle;

use super::{
    actor::{
        Core, LoopActor, Pause, Renew, Resume, Settings, Signal, SignalError, Start, Status, Stop,
        Store, UntilEnded, UntilPaused,
    },
    cx::{Board, LoopStatus, SignalOutcome},
    flow::LoopError,
    kinds::SignalLoop,
    registry::LoopRegistry,
};
use crate::{
    Backoff, ChildHandle, Failures, RestartIntensity, RestartPolicy, Supervisor, supervise,
    supervision::{driver::guard, policy::without_paths},
};

/// Signals kept while nobody waits for one, unless [`LoopBuilder::signal_capacity`] says otherwise.
pub const SIGNAL_CAPACITY: usize = 64;

/// A loop from a value. Every restart after a failure begins with a copy of the value as it was given here; a start after a
/// normal end or a stop goes on with the value as it is.
pub fn loop_of<L, E>(value: L, env: E) -> LoopBuilder<L, E>
where
    L: SignalLoop<E> + Clone + Send,
    E: Clone + Send + 'static,
{
    let name = SignalLoop::name(&value);
    let pristine = value.clone();
    LoopBuilder::new(name, Some(value), Renew::Pristine(pristine, L::clone), env)
}

/// A loop from a factory, called for the first start and for each restart after a failure. Its panic counts as a failure.
pub fn loop_with<L, E>(mut factory: impl FnMut() -> L + Send + 'static, env: E) -> LoopBuilder<L, E>
where
    L: SignalLoop<E> + Send,
    E: Clone + Send + 'static,
{
    let first = guard(&mut factory).ok();
    let name = first.as_ref().map_or_else(
        || without_paths(type_name::<L>()),
        |value| SignalLoop::name(value),
    );
    LoopBuilder::new(name, first, Renew::Factory(Box::new(factory)), env)
}

/// A loop from a value of which there is only one, such as one made of a closure: it goes on after failures too.
pub fn loop_once<L, E>(value: L, env: E) -> LoopBuilder<L, E>
where
    L: SignalLoop<E> + Send,
    E: Clone + Send + 'static,
{
    LoopBuilder::new(SignalLoop::name(&value), Some(value), Renew::Keep, env)
}

/// A loop about to be made, see [`loop_of`].
#[must_use = "nothing runs before `spawn`"]
pub struct LoopBuilder<L, E = ()> {
    name: String,
    value: Option<L>,
    renew: Renew<L>,
    env: E,
    settings: Settings,
    failures: Option<Failures>,
    parent: Option<Supervisor>,
    registry: Option<LoopRegistry>,
}

impl<L, E> LoopBuilder<L, E>
where
    L: SignalLoop<E> + Send,
    E: Clone + Send + 'static,
{
    fn new(name: String, value: Option<L>, renew: Renew<L>, env: E) -> Self {
        Self {
            name,
            value,
            renew,
            env,
            settings: Settings::default(),
            failures: None,
            parent: None,
            registry: None,
        }
    }

    /// What follows when its body ends. Default: [`RestartPolicy::Transient`].
    pub fn policy(mut self, policy: RestartPolicy) -> Self {
        self.settings.policy = policy;
        self
    }

    /// How many restarts it may need before its failure surfaces.
    pub fn intensity(mut self, intensity: RestartIntensity) -> Self {
        self.settings.intensity = intensity;
        self
    }

    /// The delay before a restart.
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.settings.backoff = backoff;
        self
    }

    /// Seeds the jitter of its back-off.
    pub fn seed(mut self, seed: u64) -> Self {
        self.settings.seed = Some(seed);
        self
    }

    /// Where its failure surfaces: under `Temporary` each one, else the one beyond the intensity. Default: it is logged.
    pub fn failures(mut self, failures: &Failures) -> Self {
        self.failures = Some(failures.clone());
        self
    }

    /// How many signals are kept while nobody waits for one. Default: [`SIGNAL_CAPACITY`]. At least 1.
    pub fn signal_capacity(mut self, capacity: usize) -> Self {
        self.settings.capacity = capacity.max(1);
        self
    }

    /// Does not start it: that is left to [`LoopHandle::start`].
    pub fn idle(mut self) -> Self {
        self.settings.started = false;
        self
    }

    /// Puts it under a group.
    pub fn under(mut self, group: &Supervisor) -> Self {
        self.parent = Some(group.clone());
        self
    }

    /// Makes it known by its name.
    pub fn register_in(mut self, registry: &LoopRegistry) -> Self {
        self.registry = Some(registry.clone());
        self
    }

    /// Makes its actor on the current arbiter, or on the caller's `LocalSet`.
    ///
    /// # Panics
    /// Outside of both.
    #[track_caller]
    pub fn spawn(self) -> LoopHandle<L, E> {
        self.make(None)
    }

    /// Makes its actor on another arbiter.
    pub fn spawn_in(self, arbiter: &ArbiterHandle) -> LoopHandle<L, E> {
        self.make(Some(arbiter))
    }

    #[track_caller]
    fn make(self, arbiter: Option<&ArbiterHandle>) -> LoopHandle<L, E> {
        let board = Arc::new(Board::new(Arc::from(self.name)));
        let core = Arc::new(Core {
            board: Arc::clone(&board),
            settings: (self.settings != Settings::default()).then(|| Box::new(self.settings)),
            failures: self.failures,
            store: Mutex::new(Store {
                home: self.value,
                renew: self.renew,
                env: self.env,
            }),
        });
        let mut actor = supervise(move |_| LoopActor::new(Arc::clone(&core)))
            .shared_name(Arc::clone(&board.name))
            // The most frequent first: it is the order in which a message is looked up.
            .control::<Signal<L::Signal>>()
            .control::<Start>()
            .control::<Stop>()
            .control::<Pause>()
            .control::<Resume>()
            .control::<Status>()
            .control::<UntilPaused>()
            .control::<UntilEnded>()
            .control::<SignalError>();
        if let Some(parent) = &self.parent {
            actor = actor.under(parent);
        }
        let child = match arbiter {
            Some(arbiter) => actor.spawn_in(arbiter),
            None => actor.spawn(),
        };
        let handle = LoopHandle {
            mailbox: child.addr().downgrade(),
            actor: child.handle(),
            board,
        };
        if let Some(registry) = &self.registry {
            registry.insert(&handle);
        }
        handle
    }
}

/// The loop's actor has ended, so nobody can answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the actor of the loop `{0}` has ended")]
pub struct LoopGone(pub String);

/// The acknowledgement of something asked of a loop.
///
/// The request is on its way whether this is awaited or dropped.
pub struct Ack<T> {
    name: Arc<str>,
    reply: Pin<Box<dyn Future<Output = Result<T, MailboxError>> + Send>>,
}

impl<T> std::fmt::Debug for Ack<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ack")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl<T> Future for Ack<T> {
    type Output = Result<T, LoopGone>;

    fn poll(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Self::Output> {
        let reply = self.reply.as_mut().poll(task);
        reply.map_err(|_| LoopGone(self.name.to_string()))
    }
}

/// A handle on a loop: `Send + Sync`, cheap to clone, dropping it ends nothing.
///
/// Each method sends its message at once; awaiting the [`Ack`] waits for the loop to have taken it.
pub struct LoopHandle<L: SignalLoop<E>, E: Clone + 'static = ()> {
    /// Weak, since that is smaller: the loop's actor lives until it is stopped.
    mailbox: WeakAddr<LoopActor<L, E>>,
    actor: ChildHandle,
    board: Arc<Board<L::Signal>>,
}

impl<L: SignalLoop<E>, E: Clone + 'static> Clone for LoopHandle<L, E> {
    fn clone(&self) -> Self {
        Self {
            mailbox: self.mailbox.clone(),
            actor: self.actor.clone(),
            board: Arc::clone(&self.board),
        }
    }
}

impl<L: SignalLoop<E>, E: Clone + 'static> std::fmt::Debug for LoopHandle<L, E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LoopHandle")
            .field("status", &self.status())
            .finish()
    }
}

impl<L: SignalLoop<E>, E: Clone + 'static> LoopHandle<L, E> {
    fn ask<M>(&self, message: M) -> Ack<M::Result>
    where
        M: Message + Send + 'static,
        M::Result: Send,
        LoopActor<L, E>: Handler<M>,
        <LoopActor<L, E> as actix::Actor>::Context: ToEnvelope<LoopActor<L, E>, M>,
    {
        Ack {
            name: Arc::clone(&self.board.name),
            reply: Box::pin(self.addr().send(message)),
        }
    }

    /// The loop's name.
    #[must_use]
    pub fn name(&self) -> String {
        self.board.name.to_string()
    }

    /// See [`Start`].
    pub fn start(&self) -> Ack<bool> {
        self.ask(Start)
    }

    /// See [`Stop`].
    pub fn stop(&self) -> Ack<bool> {
        self.ask(Stop)
    }

    /// See [`Pause`].
    pub fn pause(&self) -> Ack<bool> {
        self.ask(Pause)
    }

    /// See [`Resume`].
    pub fn resume(&self) -> Ack<bool> {
        self.ask(Resume { postpone: false })
    }

    /// See [`Resume::postpone`].
    pub fn resume_later(&self) -> Ack<bool> {
        self.ask(Resume { postpone: true })
    }

    /// Sends a signal and tells what became of it.
    pub fn signal(&self, signal: L::Signal) -> Ack<SignalOutcome> {
        self.ask(Signal(signal))
    }

    /// Raises an error where the loop waits for a signal.
    pub fn signal_error(&self, error: impl Into<LoopError>) -> Ack<SignalOutcome> {
        self.ask(SignalError(error.into()))
    }

    /// See [`UntilPaused`].
    pub fn until_paused(&self) -> Ack<bool> {
        self.ask(UntilPaused)
    }

    /// See [`UntilEnded`].
    pub fn until_ended(&self) -> Ack<bool> {
        self.ask(UntilEnded)
    }

    /// The loop at this moment, as last written by it.
    #[must_use]
    pub fn status(&self) -> LoopStatus {
        self.board.read()
    }

    /// Whether it was started and has neither ended nor been stopped.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.board.is_running()
    }

    /// Whether it is in a pause or not running.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.board.is_paused()
    }

    /// The address of its actor.
    #[must_use]
    pub fn addr(&self) -> Addr<LoopActor<L, E>> {
        let gone = || Addr::new(channel(0).0);
        self.mailbox.upgrade().unwrap_or_else(gone)
    }

    /// Where to send signals, without the loop's type.
    #[must_use]
    pub fn signals(&self) -> Recipient<Signal<L::Signal>> {
        self.addr().recipient()
    }

    /// The handle of its actor; to stop that ends the loop for good.
    #[must_use]
    pub fn actor(&self) -> ChildHandle {
        self.actor.clone()
    }
}

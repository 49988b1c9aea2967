//! Builders that start supervised actors.

use std::{
    any::{TypeId, type_name},
    error::Error,
    ops::Deref,
    sync::Arc,
    time::Duration,
};

use actix::{Actor, Addr, Handler, Message, dev::ToEnvelope, dev::channel::channel};
use actix_rt::ArbiterHandle;

use super::{
    context::{ControlMessage, SupervisedContext},
    controls::{Controls, Registered},
    driver::{Driver, MakeError},
    group::Supervisor,
    keeper::Keeper,
    link::{ChildHandle, Kind, Link, NewLink},
    policy::{
        Backoff, ExitReason, RestartIntensity, RestartPolicy, warn_if_ineffective, without_paths,
    },
};

/// What all kinds of supervised actors are started with.
#[derive(Debug, Clone)]
pub(super) struct Options {
    pub(super) name: Option<Arc<str>>,
    pub(super) policy: RestartPolicy,
    pub(super) intensity: Option<RestartIntensity>,
    pub(super) backoff: Backoff,
    pub(super) shutdown: Duration,
    pub(super) seed: Option<u64>,
    pub(super) parent: Option<Supervisor>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            name: None,
            policy: RestartPolicy::default(),
            intensity: None,
            backoff: Backoff::default(),
            shutdown: Duration::from_secs(5),
            seed: None,
            parent: None,
        }
    }
}

impl Options {
    /// The link and the keeper of a new member; in a group it is entered there.
    pub(super) fn enter(self, kind: Kind) -> (Arc<Link>, Keeper) {
        warn_if_ineffective();
        let link = Link::new(NewLink {
            name: self
                .name
                .unwrap_or_else(|| Arc::from(without_paths(kind()))),
            kind,
            policy: self.policy,
            shutdown: self.shutdown,
            parent: self.parent.as_ref().map(Supervisor::link),
            reports: self.parent.as_ref().map(Supervisor::reports),
        });
        let seed = self
            .seed
            .or_else(|| self.parent.as_ref().map(Supervisor::next_seed));
        let strategy = self.parent.as_ref().map(Supervisor::strategy);
        if let Some(parent) = &self.parent {
            parent.enter(Arc::clone(&link));
        }
        (
            link,
            Keeper::new(self.intensity, self.backoff, seed, strategy),
        )
    }
}

macro_rules! options {
    () => {
        /// Names it in logs, events and snapshots. Default: the name of its type.
        pub fn name(mut self, name: impl Into<String>) -> Self {
            self.options.name = Some(std::sync::Arc::from(name.into()));
            self
        }

        /// Which exits lead to a restart. Default: [`RestartPolicy::Transient`].
        pub fn policy(mut self, policy: RestartPolicy) -> Self {
            self.options.policy = policy;
            self
        }

        /// How many restarts it may need before it escalates. Default: the default of [`RestartIntensity`] if it stands
        /// alone; in a group each failure counts towards the group's intensity instead.
        pub fn intensity(mut self, intensity: RestartIntensity) -> Self {
            self.options.intensity = Some(intensity);
            self
        }

        /// The delay before a restart.
        pub fn backoff(mut self, backoff: Backoff) -> Self {
            self.options.backoff = backoff;
            self
        }

        /// How long a group waits for its orderly stop before it is killed. Default: 5 s.
        pub fn shutdown(mut self, within: Duration) -> Self {
            self.options.shutdown = within;
            self
        }

        /// Seeds the jitter of its back-off. Default: derived from its group's seed, or else different in each process.
        pub fn seed(mut self, seed: u64) -> Self {
            self.options.seed = Some(seed);
            self
        }

        /// Makes it a child of a group.
        pub fn under(mut self, group: &Supervisor) -> Self {
            self.options.parent = Some(group.clone());
            self
        }
    };
}
pub(super) use options;

/// Supervises an actor on [`SupervisedContext`], made anew by `factory` for each of its lives.
///
/// ```
/// # use actix::prelude::*; use actogram_runtime::{SupervisedContext, supervise, RestartPolicy, Backoff};
/// struct Counter(u32);
/// impl Actor for Counter { type Context = SupervisedContext<Self>; }
///
/// #[derive(Message)] #[rtype(result = "u32")] struct Add(u32);
/// impl Handler<Add> for Counter {
///     type Result = u32;
///     fn handle(&mut self, Add(n): Add, _: &mut Self::Context) -> u32 {
///         self.0 = self.0.checked_add(n).expect("overflow");
///         self.0
///     }
/// }
/// # tokio::task::LocalSet::new().block_on(&tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap(), async {
/// # std::panic::set_hook(Box::new(|_| {}));
/// let counter = supervise(|_| Counter(0)).name("counter").policy(RestartPolicy::Permanent).start();
/// assert_eq!(counter.send(Add(2)).await, Ok(2));
/// assert!(counter.send(Add(u32::MAX)).await.is_err());       // it panics; this reply is lost
/// assert_eq!(counter.send(Add(3)).await, Ok(3));             // same address, fresh value
/// # });
/// ```
pub fn supervise<A, F>(mut factory: F) -> Supervise<A, impl MakeFactory<A> + use<A, F>>
where
    A: Actor<Context = SupervisedContext<A>>,
    F: FnMut(&mut SupervisedContext<A>) -> A + 'static,
{
    Supervise::new(move || move |ctx: &mut SupervisedContext<A>| Ok(factory(ctx)))
}

/// As [`supervise`], with a factory that is made on the actor's thread. So it may keep what must not leave that thread, such as
/// an `Rc` that all lives share.
///
/// ```
/// # use std::{cell::Cell, rc::Rc}; use actix::prelude::*; use actogram_runtime::{SupervisedContext, supervise_made};
/// /// Counts what it was told in all its lives.
/// struct Told(Rc<Cell<u32>>);
/// impl Actor for Told { type Context = SupervisedContext<Self>; }
///
/// #[derive(Message)] #[rtype(result = "u32")] struct Tell { fail: bool }
/// impl Handler<Tell> for Told {
///     type Result = u32;
///     fn handle(&mut self, Tell { fail }: Tell, _: &mut Self::Context) -> u32 {
///         self.0.set(self.0.get() + 1);
///         assert!(!fail);
///         self.0.get()
///     }
/// }
/// # actix_rt::System::new().block_on(async {
/// # std::panic::set_hook(Box::new(|_| {}));
/// let arbiter = actix_rt::Arbiter::new();
/// let told = supervise_made(|| {
///     let count = Rc::default();
///     move |_: &mut SupervisedContext<Told>| Told(Rc::clone(&count))
/// })
/// .spawn_in(&arbiter.handle());
/// assert!(told.send(Tell { fail: true }).await.is_err());
/// assert_eq!(told.send(Tell { fail: false }).await, Ok(2));
/// # });
/// ```
pub fn supervise_made<A, M, F>(make: M) -> Supervise<A, impl MakeFactory<A> + use<A, M, F>>
where
    A: Actor<Context = SupervisedContext<A>>,
    M: FnOnce() -> F + 'static,
    F: FnMut(&mut SupervisedContext<A>) -> A + 'static,
{
    Supervise::new(move || {
        let mut factory = make();
        move |ctx: &mut SupervisedContext<A>| Ok(factory(ctx))
    })
}

/// As [`supervise`], with a factory that may fail; its error counts as a failed life.
pub fn try_supervise<A, E, F>(mut factory: F) -> Supervise<A, impl MakeFactory<A> + use<A, E, F>>
where
    A: Actor<Context = SupervisedContext<A>>,
    E: Into<Box<dyn Error + Send + Sync>>,
    F: FnMut(&mut SupervisedContext<A>) -> Result<A, E> + 'static,
{
    Supervise::new(move || move |ctx: &mut SupervisedContext<A>| factory(ctx).map_err(Into::into))
}

/// Makes the factory of an actor, on the thread where the actor is to live. It is sealed: closures that give a factory are it.
pub trait MakeFactory<A: Actor<Context = SupervisedContext<A>>>: sealed::Make<A> {}

impl<A: Actor<Context = SupervisedContext<A>>, M: sealed::Make<A>> MakeFactory<A> for M {}

mod sealed {
    use super::{Actor, MakeError, SupervisedContext};

    pub trait Make<A: Actor<Context = SupervisedContext<A>>>: 'static {
        type Factory: FnMut(&mut SupervisedContext<A>) -> Result<A, MakeError> + 'static;

        fn make(self) -> Self::Factory;
    }

    impl<A, M, F> Make<A> for M
    where
        A: Actor<Context = SupervisedContext<A>>,
        M: FnOnce() -> F + 'static,
        F: FnMut(&mut SupervisedContext<A>) -> Result<A, MakeError> + 'static,
    {
        type Factory = F;

        fn make(self) -> F {
            self()
        }
    }
}

/// A supervised actor about to be started, see [`supervise`].
#[must_use = "nothing runs before `start`"]
pub struct Supervise<A, M> {
    make: M,
    options: Options,
    controls: Vec<Registered>,
    actor: std::marker::PhantomData<fn() -> A>,
}

impl<A, M> Supervise<A, M>
where
    A: Actor<Context = SupervisedContext<A>>,
    M: MakeFactory<A>,
{
    fn new(make: M) -> Self {
        Self {
            make,
            options: Options::default(),
            controls: Vec::new(),
            actor: std::marker::PhantomData,
        }
    }

    options!();

    pub(crate) fn shared_name(mut self, name: Arc<str>) -> Self {
        self.options.name = Some(name);
        self
    }

    /// Has messages of type `C` handled before data.
    pub fn control<C>(mut self) -> Self
    where
        C: ControlMessage + Send,
        C::Result: Send,
        A: Handler<C>,
        A::Context: ToEnvelope<A, C>,
    {
        self.controls
            .push((TypeId::of::<C>(), C::CLASS, C::STOPS_WHILE_DOWN));
        self
    }

    /// Starts it on the current arbiter, or on the caller's `LocalSet`.
    ///
    /// # Panics
    /// Outside of both.
    #[track_caller]
    pub fn start(self) -> Addr<A> {
        self.spawn().addr().clone()
    }

    /// As [`start`](Self::start), for those who want to stop it, join it or watch it.
    #[track_caller]
    pub fn spawn(self) -> Child<A> {
        let (child, driver) = self.build();
        tokio::task::spawn_local(driver());
        child
    }

    /// Starts it on another arbiter. If that arbiter has ended, the child is [`Finished`](super::ChildState::Finished) at once.
    pub fn spawn_in(self, arbiter: &ArbiterHandle) -> Child<A>
    where
        M: Send,
    {
        let (child, driver) = self.build();
        let link = Arc::clone(&child.handle.link);
        let unlaunched = Unlaunched(Some(link));
        arbiter.spawn_fn(move || {
            unlaunched.launched();
            tokio::task::spawn_local(driver());
        });
        child
    }

    /// The child and what makes its driver on the thread it will live on.
    fn build(self) -> (Child<A>, impl FnOnce() -> Driver<A, M::Factory>) {
        let Self {
            make,
            options,
            controls,
            ..
        } = self;
        let keep = options.policy != RestartPolicy::Temporary;
        let (link, keeper) = options.enter(type_name::<A>);
        // Capacity 0 is unbounded: past a bound, actix inverts the order of messages.
        let (sender, receiver) = channel::<A>(0);
        let child = Child {
            addr: Addr::new(sender),
            handle: ChildHandle {
                link: Arc::clone(&link),
            },
        };
        let driver = move || {
            Driver::new(
                SupervisedContext::new(receiver, link),
                make.make(),
                keeper,
                Controls::shared::<A>(controls),
                keep,
            )
        };
        (child, driver)
    }
}

/// Says that an actor will never run when the arbiter it was sent to ends before it gets there.
struct Unlaunched(Option<Arc<Link>>);

impl Unlaunched {
    fn launched(mut self) {
        self.0 = None;
    }
}

impl Drop for Unlaunched {
    fn drop(&mut self) {
        if let Some(link) = self.0.take() {
            link.finish(ExitReason::Killed);
        }
    }
}

/// A started actor: its address and, by `Deref`, its [`ChildHandle`].
pub struct Child<A: Actor> {
    pub(super) addr: Addr<A>,
    pub(super) handle: ChildHandle,
}

impl<A: Actor> Child<A> {
    /// Its address: the same through all restarts.
    #[must_use]
    pub fn addr(&self) -> &Addr<A> {
        &self.addr
    }

    /// A handle without the actor's type.
    #[must_use]
    pub fn handle(&self) -> ChildHandle {
        self.handle.clone()
    }

    /// Sends a message; see [`Addr::send`].
    pub fn send<M>(&self, message: M) -> actix::dev::Request<A, M>
    where
        M: Message + Send + 'static,
        M::Result: Send,
        A: Handler<M>,
        A::Context: ToEnvelope<A, M>,
    {
        self.addr.send(message)
    }
}

impl<A: Actor> Clone for Child<A> {
    fn clone(&self) -> Self {
        Self {
            addr: self.addr.clone(),
            handle: self.handle.clone(),
        }
    }
}

impl<A: Actor> Deref for Child<A> {
    type Target = ChildHandle;

    fn deref(&self) -> &ChildHandle {
        &self.handle
    }
}

impl<A: Actor> std::fmt::Debug for Child<A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.handle.fmt(f)
    }
}

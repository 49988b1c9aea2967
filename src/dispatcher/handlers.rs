//! The handlers an account has, of whatever form, behind one face.

use std::{
    any::Any,
    cell::{Cell, RefCell},
    future::Future,
    marker::PhantomData,
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    sync::atomic::{AtomicU64, Ordering},
};

use actix::Recipient;
use futures_util::FutureExt;

use super::{
    Cx, EventHandler, IntoPropagation, LocalFuture, NewUpdate, Next, Propagation,
    event_actor::Events,
    failure::{Failure, OnError},
    middleware::{Middleware, run_inside},
    reports::Reports,
    router::{Router, Scope},
};
use crate::{
    Album, Error, Msg, Result, Update,
    filters::{Matcher, mentioned_bot},
};

/// Names what was registered at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HandlerId(u64);

impl HandlerId {
    pub(crate) fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// What a handler was registered as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HandlerKind {
    /// [`Client::on_update`](crate::Client::on_update).
    Update,
    /// [`Client::on_message`](crate::Client::on_message).
    Message,
    /// [`Client::on_album`](crate::Client::on_album).
    Album,
    /// [`Client::event_handler`](crate::Client::event_handler).
    Events,
    /// [`Client::on`](crate::Client::on), alone or in a [`Router`].
    Filter,
    /// A webhook.
    Webhook,
}

/// A handler, whatever it was registered as.
pub(super) trait Handle {
    fn kind(&self) -> HandlerKind;

    fn start<'a>(&'a self, _cx: Cx) -> LocalFuture<'a, Result<()>> {
        Box::pin(async { Ok(()) })
    }

    /// `None`: the update is not for it.
    fn handle<'a>(
        &'a self,
        cx: Cx,
        update: &Update,
    ) -> Option<LocalFuture<'a, Result<Propagation>>>;

    /// `None`: it takes no albums.
    fn handle_album<'a>(
        &'a self,
        _cx: Cx,
        _album: &Album,
    ) -> Option<LocalFuture<'a, Result<Propagation>>> {
        None
    }

    /// Whether it takes albums.
    fn wants_albums(&self) -> bool {
        false
    }

    /// Whether it is chosen by the state of dialogues.
    fn needs_state(&self) -> bool {
        false
    }

    /// Whether it stands beside the groups: it sees every update, and whether others handled it is none of its business.
    fn sees_everything(&self) -> bool {
        true
    }

    /// `None`: it leaves errors to the client.
    fn failed<'a>(&'a self, _cx: Cx, _failure: &'a Failure) -> Option<LocalFuture<'a, ()>> {
        None
    }

    /// It was taken away, though what it is at goes on.
    fn removed(&self) {}
}

pub(super) struct OnUpdate<F>(pub(super) F);

impl<F: AsyncFn(Cx, Update) -> Result<()>> Handle for OnUpdate<F> {
    fn kind(&self) -> HandlerKind {
        HandlerKind::Update
    }

    fn handle<'a>(
        &'a self,
        cx: Cx,
        update: &Update,
    ) -> Option<LocalFuture<'a, Result<Propagation>>> {
        Some(handled((self.0)(cx, update.clone())))
    }
}

pub(super) struct OnMessage<F>(pub(super) F);

impl<F: AsyncFn(Cx, Msg) -> Result<()>> Handle for OnMessage<F> {
    fn kind(&self) -> HandlerKind {
        HandlerKind::Message
    }

    fn handle<'a>(
        &'a self,
        cx: Cx,
        update: &Update,
    ) -> Option<LocalFuture<'a, Result<Propagation>>> {
        let message = update.message()?;
        let of_others = !message.outgoing() && !message.is_edit();
        of_others.then(|| handled((self.0)(cx, message)))
    }
}

pub(super) struct OnAlbum<F>(pub(super) F);

impl<F: AsyncFn(Cx, Album) -> Result<()>> Handle for OnAlbum<F> {
    fn kind(&self) -> HandlerKind {
        HandlerKind::Album
    }

    fn handle<'a>(&'a self, _: Cx, _: &Update) -> Option<LocalFuture<'a, Result<Propagation>>> {
        None
    }

    fn handle_album<'a>(
        &'a self,
        cx: Cx,
        album: &Album,
    ) -> Option<LocalFuture<'a, Result<Propagation>>> {
        Some(handled((self.0)(cx, album.clone())))
    }

    fn wants_albums(&self) -> bool {
        true
    }
}

/// A handler of a router.
pub(super) struct OnFilter<M, F, R> {
    filter: M,
    handler: F,
    gives: PhantomData<fn() -> R>,
}

impl<M, F, R> OnFilter<M, F, R> {
    pub(super) fn new(filter: M, handler: F) -> Self {
        Self {
            filter,
            handler,
            gives: PhantomData,
        }
    }
}

impl<M, F, R> Handle for OnFilter<M, F, R>
where
    M: Matcher,
    F: AsyncFn(Cx, M::Output) -> Result<R>,
    R: IntoPropagation,
{
    fn kind(&self) -> HandlerKind {
        HandlerKind::Filter
    }

    fn handle<'a>(
        &'a self,
        cx: Cx,
        update: &Update,
    ) -> Option<LocalFuture<'a, Result<Propagation>>> {
        let matched = self.filter.matched(update)?;
        Some(handled(async { (self.handler)(cx, matched).await }))
    }

    fn needs_state(&self) -> bool {
        self.filter.needs_state()
    }

    fn sees_everything(&self) -> bool {
        false
    }
}

pub(super) fn handled<'a>(
    handling: impl Future<Output = Result<impl IntoPropagation>> + 'a,
) -> LocalFuture<'a, Result<Propagation>> {
    Box::pin(async move { handling.await.map(IntoPropagation::into_propagation) })
}

/// A handler and where it stands.
pub(super) struct Entry {
    id: HandlerId,
    group: i32,
    handler: Rc<dyn Handle>,
    scope: Rc<Scope>,
    removed: Cell<bool>,
}

impl Entry {
    pub(super) fn new(
        id: HandlerId,
        group: i32,
        handler: Rc<dyn Handle>,
        scope: Rc<Scope>,
    ) -> Rc<Self> {
        Rc::new(Self {
            id,
            group,
            handler,
            scope,
            removed: Cell::new(false),
        })
    }

    fn needs_state(&self) -> bool {
        self.handler.needs_state() || self.scope.needs_state()
    }

    /// `None`: the update is not for it.
    fn handle<'a>(
        &'a self,
        cx: Cx,
        update: &Update,
    ) -> Option<LocalFuture<'a, Result<Propagation>>> {
        if !self.scope.admits(update) {
            return None;
        }
        let handling = self.handler.handle(cx.clone(), update)?;
        if self.scope.middlewares.is_empty() {
            return Some(handling);
        }
        // Nothing has run yet. The middleware may go on with another update than this one, so it is matched anew.
        drop(handling);
        let handler = self.handler.clone();
        let last = Next::new(move |cx, update| {
            Box::pin(async move {
                match handler.handle(cx, &update) {
                    Some(handling) => handling.await,
                    None => Ok(Propagation::Continue),
                }
            })
        });
        Some(run_inside(
            &self.scope.middlewares,
            cx,
            update.clone(),
            last,
        ))
    }
}

/// A handler in a list.
pub(super) struct Listed {
    pub(super) id: HandlerId,
    pub(super) kind: HandlerKind,
    pub(super) group: i32,
    pub(super) starting: bool,
}

type Install = Box<dyn FnOnce(HandlerId, &mut Vec<Rc<Entry>>) + Send>;

/// One registration, on its way to the thread where handlers run.
pub(crate) struct Registration {
    pub(super) id: HandlerId,
    install: Install,
    /// Whether it has something to do before its first update.
    pub(super) starts: bool,
}

impl Registration {
    fn of<H: Handle + 'static>(make: impl FnOnce() -> H + Send + 'static, starts: bool) -> Self {
        Self {
            id: HandlerId::next(),
            install: Box::new(move |id, into| {
                into.push(Entry::new(id, 0, Rc::new(make()), Rc::default()));
            }),
            starts,
        }
    }

    pub(super) fn on_update(
        handler: impl AsyncFn(Cx, Update) -> Result<()> + Send + 'static,
    ) -> Self {
        Self::of(move || OnUpdate(handler), false)
    }

    pub(super) fn on_message(
        handler: impl AsyncFn(Cx, Msg) -> Result<()> + Send + 'static,
    ) -> Self {
        Self::of(move || OnMessage(handler), false)
    }

    pub(super) fn on_album(
        handler: impl AsyncFn(Cx, Album) -> Result<()> + Send + 'static,
    ) -> Self {
        Self::of(move || OnAlbum(handler), false)
    }

    pub(super) fn events<H: EventHandler>(id: HandlerId, events: Events<H>) -> Self {
        Self {
            id,
            ..Self::of(move || events, true)
        }
    }

    #[cfg(feature = "http")]
    pub(super) fn webhook(webhook: super::Webhook) -> Self {
        Self::of(move || webhook, false)
    }

    pub(super) fn router(router: Router) -> Self {
        Self {
            id: HandlerId::next(),
            install: Box::new(move |id, into| router.install(id, None, into)),
            starts: false,
        }
    }

    /// On the handlers' thread.
    pub(super) fn install(self) -> Vec<Rc<Entry>> {
        let mut entries = Vec::new();
        (self.install)(self.id, &mut entries);
        entries
    }
}

/// The handlers and subscribers of one account. It lives on the handlers' thread and outlives restarts of its actor.
#[derive(Default)]
pub(crate) struct Handlers {
    /// By group, then in the order of registration. Replaced as a whole: who walks them keeps what it began with.
    entries: RefCell<Rc<Vec<Rc<Entry>>>>,
    /// Those that are not through with their start.
    starting: RefCell<Vec<Rc<Entry>>>,
    middlewares: RefCell<Vec<Rc<dyn Middleware>>>,
    on_error: RefCell<Vec<Rc<dyn OnError>>>,
    subscribers: RefCell<Vec<Recipient<NewUpdate>>>,
    pub(super) reports: RefCell<Reports>,
}

impl Handlers {
    pub(super) fn add(&self, new: Vec<Rc<Entry>>) {
        let mut entries = self.entries.borrow().to_vec();
        entries.extend(new.into_iter().filter(|entry| !entry.removed.get()));
        // Stable: within a group the order of registration stays.
        entries.sort_by_key(|entry| entry.group);
        *self.entries.borrow_mut() = Rc::new(entries);
    }

    /// They will be added when they have started.
    pub(super) fn announce(&self, new: &[Rc<Entry>]) {
        self.starting.borrow_mut().extend_from_slice(new);
    }

    /// One of those there are, started or not.
    pub(super) fn find(&self, id: HandlerId) -> Option<Rc<Entry>> {
        let (entries, starting) = (self.entries.borrow(), self.starting.borrow());
        let found = entries.iter().chain(starting.iter()).find(|it| it.id == id);
        found.cloned()
    }

    /// Runs what is to come before the first update, and adds them.
    pub(super) async fn start_and_add(&self, new: Vec<Rc<Entry>>, cx: Cx) {
        for entry in &new {
            let started = guarded(async { entry.handler.start(cx.clone()).await }).await;
            if let Err(error) = started {
                self.failed(Some(entry), &cx, None, error).await;
            }
        }
        self.starting
            .borrow_mut()
            .retain(|entry| new.iter().all(|it| it.id != entry.id));
        self.add(new);
    }

    pub(super) fn remove(&self, id: HandlerId) {
        let (gone, stay): (Vec<_>, Vec<_>) = {
            let entries = self.entries.borrow();
            entries.iter().cloned().partition(|entry| entry.id == id)
        };
        let starting = self.starting.borrow();
        for entry in gone
            .iter()
            .chain(starting.iter().filter(|entry| entry.id == id))
        {
            entry.removed.set(true);
            entry.handler.removed();
        }
        *self.entries.borrow_mut() = Rc::new(stay);
    }

    /// Those there are, in the order in which they are asked, then those that have not started.
    pub(super) fn list(&self) -> Vec<Listed> {
        let listed = |entry: &Rc<Entry>, starting| Listed {
            id: entry.id,
            kind: entry.handler.kind(),
            group: entry.group,
            starting,
        };
        let entries = self.entries.borrow();
        let starting = self.starting.borrow();
        let starting = starting.iter().filter(|entry| !entry.removed.get());
        let started = entries.iter().map(|entry| listed(entry, false));
        started
            .chain(starting.map(|entry| listed(entry, true)))
            .collect()
    }

    pub(super) fn wrap(&self, middleware: Rc<dyn Middleware>) {
        self.middlewares.borrow_mut().push(middleware);
    }

    pub(super) fn on_error(&self, handler: Rc<dyn OnError>) {
        self.on_error.borrow_mut().push(handler);
    }

    pub(super) fn subscribe(&self, recipient: Recipient<NewUpdate>) {
        self.subscribers.borrow_mut().push(recipient);
    }

    /// Tells subscribers of it, whoever handles it.
    pub(super) fn tell(&self, update: &Update) {
        self.subscribers
            .borrow_mut()
            .retain(|subscriber| subscriber.connected());
        let subscribers = self.subscribers.borrow().clone();
        for subscriber in subscribers {
            subscriber.do_send(NewUpdate(update.clone()));
        }
    }

    /// Hands the update to all handlers, one after the other. A failure of one stops nobody else.
    pub(super) async fn handle(self: &Rc<Self>, cx: &Cx, update: Update) {
        let message = update.message();
        if let Some(bot) = message.as_ref().and_then(|it| mentioned_bot(it.text())) {
            cx.api().learn_own_name(bot).await;
        }
        let handlers = self.clone();
        let walk = Next::new(move |cx, update| {
            Box::pin(async move { Ok(handlers.walk(&cx, &update).await) })
        });
        let middlewares = self.middlewares.borrow().clone();
        let handling = async { run_inside(&middlewares, cx.clone(), update.clone(), walk).await };
        let by_state = self.entries.borrow().iter().any(|it| it.needs_state());
        let outcome = match by_state {
            true => cx.with_state(guarded(handling)).await,
            false => guarded(handling).await,
        };
        if let Err(error) = outcome {
            self.failed(None, cx, Some(&update), error).await;
        }
    }

    /// Whether somebody takes albums.
    pub(super) fn want_albums(&self) -> bool {
        self.entries
            .borrow()
            .iter()
            .any(|it| it.handler.wants_albums())
    }

    /// Hands an album to all who take them, inside of what is put around the handling of updates, which is shown the first of
    /// its updates. A failure is told with that one, too.
    pub(super) async fn handle_album(self: &Rc<Self>, cx: &Cx, album: Album, first: Update) {
        let handlers = self.clone();
        let walk = Next::new(move |cx, update| {
            Box::pin(async move {
                handlers.walk_album(&cx, &album, &update).await;
                Ok(Propagation::Continue)
            })
        });
        let middlewares = self.middlewares.borrow().clone();
        let handling = async { run_inside(&middlewares, cx.clone(), first.clone(), walk).await };
        if let Err(error) = guarded(handling).await {
            self.failed(None, cx, Some(&first), error).await;
        }
    }

    async fn walk_album(&self, cx: &Cx, album: &Album, first: &Update) {
        let entries = self.entries.borrow().clone();
        for entry in entries.iter().filter(|entry| !entry.removed.get()) {
            let Some(handling) = entry.handler.handle_album(cx.clone(), album) else {
                continue;
            };
            if let Err(error) = guarded(handling).await {
                self.failed(Some(entry), cx, Some(first), error).await;
            }
        }
    }

    async fn walk(&self, cx: &Cx, update: &Update) -> Propagation {
        let entries = self.entries.borrow().clone();
        let mut handled_in = None;
        let mut outcome = Propagation::Continue;
        for entry in entries.iter() {
            let apart = entry.handler.sees_everything();
            let over = outcome == Propagation::Stop || handled_in == Some(entry.group);
            // Looked at anew each time: a handler may take away another one.
            if entry.removed.get() || (over && !apart) {
                continue;
            }
            let said = self.run(entry, cx, update).await;
            match said {
                None | Some(Propagation::Continue) => {}
                Some(said) if outcome != Propagation::Stop => outcome = said,
                Some(_) => {}
            }
            if said == Some(Propagation::Handled) && !apart {
                handled_in = Some(entry.group);
            }
        }
        outcome
    }

    /// `None`: the update is not for it.
    async fn run(&self, entry: &Entry, cx: &Cx, update: &Update) -> Option<Propagation> {
        // Filters are the program's own code, too.
        let begun = catch_unwind(AssertUnwindSafe(|| entry.handle(cx.clone(), update)));
        let outcome = match begun {
            Ok(None) => return None,
            Ok(Some(handling)) => guarded(handling).await,
            Err(panic) => Err(Error::Panicked(panic_text(&*panic).to_owned())),
        };
        Some(match outcome {
            Ok(propagation) => propagation,
            Err(error) => {
                self.failed(Some(entry), cx, Some(update), error).await;
                Propagation::Handled
            }
        })
    }

    /// Tells whoever wants to know of a failure: the handler itself, else the client's `on_error`, else the log; and the
    /// admins.
    pub(super) async fn failed(
        &self,
        entry: Option<&Entry>,
        cx: &Cx,
        update: Option<&Update>,
        error: Error,
    ) {
        let failure = Failure::new(update.cloned(), error);
        self.reports.borrow_mut().report(cx, &failure);
        let told = async {
            if let Some(telling) = entry.and_then(|it| it.handler.failed(cx.clone(), &failure)) {
                return telling.await;
            }
            let handlers = self.on_error.borrow().clone();
            if handlers.is_empty() {
                failure.log();
            }
            for handler in handlers {
                handler.call(cx.clone(), failure.clone()).await;
            }
        };
        if let Err(panic) = AssertUnwindSafe(told).catch_unwind().await {
            tracing::error!(panic = panic_text(&*panic), "on_error panicked");
        }
    }
}

pub(super) async fn guarded<T>(handling: impl Future<Output = Result<T>>) -> Result<T> {
    AssertUnwindSafe(handling)
        .catch_unwind()
        .await
        .unwrap_or_else(|panic| Err(Error::Panicked(panic_text(&*panic).to_owned())))
}

pub(super) fn panic_text(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic without a text")
}

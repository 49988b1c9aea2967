//! Handlers of one file or one subject, registered as one.

use std::{fmt, rc::Rc};

use super::{
    Cx, IntoPropagation, Next,
    handlers::{Entry, Handle, HandlerId, OnFilter},
    middleware::{Closure, Middleware},
};
use crate::{
    Result, Update,
    filters::{Filter, Matcher, Subject},
};

type Make<T> = Box<dyn FnOnce() -> Rc<T> + Send>;
type Guard = Box<dyn Fn(&Update) -> bool + Send>;

/// Handlers that belong together: one router per file, or per part of a bot. Register it by
/// [`Client::router`](crate::Client::router).
///
/// ```no_run
/// use actogram::{PeerId, filters::*, prelude::*};
///
/// // admin.rs
/// fn admin(admins: &[PeerId]) -> Router {
///     Router::new()
///         .only(sender::<Msg>(admins.iter().copied()))
///         .on(command("ban"), async |_cx: Cx, command: Command| {
///             command.reply(format!("{} is banned", command.args())).await
///         })
///         .on(any_command(), async |_cx: Cx, command: Command| {
///             command.reply("no such command").await
///         })
/// }
///
/// // main.rs
/// # fn main_rs(client: Client) {
/// let handle = client.router(admin(&[PeerId::User(7)]));
/// // Later, if at all:
/// handle.remove();
/// # }
/// ```
///
/// Of the handlers of one [group](Self::group), the first that an update fits handles it, in the order of
/// registration, over all routers. Then the groups with higher numbers have their turn. A handler may say otherwise by
/// a [`Propagation`](crate::Propagation). One that fails has handled it.
#[must_use = "a router does nothing until it is registered"]
#[derive(Default)]
pub struct Router {
    group: i32,
    items: Vec<Item>,
    guards: Vec<Guard>,
    needs_state: bool,
    middlewares: Vec<Make<dyn Middleware>>,
}

enum Item {
    Handler(i32, Make<dyn Handle>),
    Router(Router),
}

/// What holds for all handlers of a router.
#[derive(Default)]
pub(super) struct Scope {
    outer: Option<Rc<Scope>>,
    guards: Vec<Guard>,
    needs_state: bool,
    /// Those of the outer scopes come first.
    pub(super) middlewares: Vec<Rc<dyn Middleware>>,
}

impl Scope {
    /// Whether what it admits goes by the state of dialogues.
    pub(super) fn needs_state(&self) -> bool {
        self.needs_state || self.outer.as_ref().is_some_and(|outer| outer.needs_state())
    }

    pub(super) fn admits(&self, update: &Update) -> bool {
        self.outer.as_ref().is_none_or(|outer| outer.admits(update))
            && self.guards.iter().all(|guard| guard(update))
    }
}

impl Router {
    /// A router without handlers, in group 0.
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts the handlers that are added from here on into this group. Groups have their turn in the order of their
    /// numbers; negative ones are before 0.
    pub fn group(mut self, group: i32) -> Self {
        self.group = group;
        self
    }

    /// Adds a handler for what this filter passes; see [`filters`](crate::filters).
    pub fn on<M: Matcher, R: IntoPropagation + 'static>(
        mut self,
        filter: M,
        handler: impl AsyncFn(Cx, M::Output) -> Result<R> + Send + 'static,
    ) -> Self {
        let make = move || Rc::new(OnFilter::new(filter, handler)) as Rc<dyn Handle>;
        self.items.push(Item::Handler(self.group, Box::new(make)));
        self
    }

    /// Adds the handlers of another router, in their groups, behind those that are here. What the other one shows its
    /// handlers, and what it is wrapped in, holds for them alone; what this one shows and is wrapped in, for them too.
    pub fn router(mut self, other: Self) -> Self {
        self.items.push(Item::Router(other));
        self
    }

    /// Shows the handlers of this router only what this filter passes, and nothing of another kind than it is about.
    /// Where it stands among the handlers makes no difference. Of several, all must pass.
    pub fn only<S: Subject>(mut self, filter: Filter<S>) -> Self {
        self.needs_state |= filter.needs_state();
        // Edits and own messages are left out by each handler's own filter, or are named there.
        let guard = move |update: &Update| S::of(update).is_some_and(|it| filter.passes(&it));
        self.guards.push(Box::new(guard));
        self
    }

    /// Puts this around every handler of this router, inside of what was put there before. `next.run(cx, update)` runs
    /// the handler and gives what it gave, errors as well. Without it the handler does not run.
    pub fn wrap<R: IntoPropagation + 'static>(
        mut self,
        middleware: impl AsyncFn(Cx, Update, Next) -> Result<R> + Send + 'static,
    ) -> Self {
        let make = move || Rc::new(Closure::new(middleware)) as Rc<dyn Middleware>;
        self.middlewares.push(Box::new(make));
        self
    }

    /// On the handlers' thread.
    pub(super) fn install(
        self,
        id: HandlerId,
        outer: Option<Rc<Scope>>,
        into: &mut Vec<Rc<Entry>>,
    ) {
        let mut middlewares = outer
            .as_ref()
            .map(|outer| outer.middlewares.clone())
            .unwrap_or_default();
        middlewares.extend(self.middlewares.into_iter().map(|make| make()));
        let scope = Rc::new(Scope {
            outer,
            guards: self.guards,
            needs_state: self.needs_state,
            middlewares,
        });
        for item in self.items {
            match item {
                Item::Handler(group, make) => {
                    into.push(Entry::new(id, group, make(), scope.clone()));
                }
                Item::Router(router) => router.install(id, Some(scope.clone()), into),
            }
        }
    }
}

impl fmt::Debug for Router {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Router")
            .field("handlers_and_routers", &self.items.len())
            .field("guards", &self.guards.len())
            .field("middlewares", &self.middlewares.len())
            .finish_non_exhaustive()
    }
}

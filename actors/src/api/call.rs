//! One call, from the permit to the answer.

use std::{
    fmt,
    sync::{Arc, Weak},
    time::Duration,
};

use actogram_tl::{
    Encode as _, RawQuery, functions,
    tables::{self, FunctionInfo, ResendClass},
};
use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::{QueueMoved, Submit};
use crate::{
    entities::{self, ChatKey, Content},
    error::CallError,
    events::StopReason,
    shared::Shared,
};

/// How a call is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallPolicy {
    /// How often it is made again after an error of the datacenter's own (class 500). Default 5. Calls that might be
    /// carried out twice are never made again.
    pub retries: u32,
    /// How long it may sleep, in all, because the datacenter asks for it (`FLOOD_WAIT_X`). A longer wait is returned as
    /// the error it is. Default 30 s.
    pub flood_wait_limit: Duration,
    /// Dropping the future cancels the call. It may have been carried out by then. Default: it goes on.
    pub cancel_on_drop: bool,
    /// What happens if it is carried out twice, where the schema's own answer is wrong.
    pub resend: Option<ResendClass>,
    /// In whose name it is made.
    pub wrapper: Wrapper,
}

/// What stands around a call and says in whose name it is made (<https://core.telegram.org/api/invoking>).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Wrapper {
    /// The account's own, as usual.
    #[default]
    None,
    /// As a part of the takeout with this id (<https://core.telegram.org/api/takeout>).
    Takeout(i64),
    /// In the name of whoever has connected the bot (<https://core.telegram.org/api/business#connected-bots>).
    Business(Arc<str>),
}

impl Wrapper {
    pub(crate) fn around(&self, body: Bytes) -> Bytes {
        match self {
            Self::None => body,
            Self::Takeout(takeout_id) => functions::InvokeWithTakeout {
                takeout_id: *takeout_id,
                query: RawQuery(body),
            }
            .to_bytes(),
            Self::Business(connection_id) => functions::InvokeWithBusinessConnection {
                connection_id: connection_id.to_string(),
                query: RawQuery(body),
            }
            .to_bytes(),
        }
    }
}

impl Default for CallPolicy {
    fn default() -> Self {
        Self {
            retries: 5,
            flood_wait_limit: Duration::from_secs(30),
            cancel_on_drop: false,
            resend: None,
            wrapper: Wrapper::None,
        }
    }
}

impl CallPolicy {
    /// Cancels the call when its future is dropped.
    pub fn cancel_on_drop(mut self) -> Self {
        self.cancel_on_drop = true;
        self
    }
}

/// What bounds the calls in flight. Travels with the call.
#[derive(Debug)]
pub(crate) struct Permits {
    pub(crate) _call: OwnedSemaphorePermit,
    pub(crate) _bytes: OwnedSemaphorePermit,
}

/// How often a call may lose the actor that holds it. A call that brings its actor down each time ends.
const MOST_LIVES: u32 = 3;

/// A call that has not ended. Whoever holds it is to answer it; dropping it does too.
pub(crate) struct Call {
    pub(crate) id: u64,
    pub(crate) body: Bytes,
    pub(crate) function: Option<&'static FunctionInfo>,
    pub(crate) content: Content,
    pub(crate) resend: ResendClass,
    pub(crate) policy: CallPolicy,
    /// How often it was refused with an error of class 500.
    pub(crate) failures: u32,
    /// How long it has slept in flood waits.
    pub(crate) slept: Duration,
    /// How often it was sent to another datacenter.
    pub(crate) hops: u32,
    /// The flood wait it has slept through, by its end: it need not wait for that one again.
    pub(crate) slept_through: Option<Duration>,
    /// The chat it sends messages to.
    pub(crate) chat: Option<ChatKey>,
    /// It was given to a session and may have been sent.
    pub(crate) given_to_session: bool,
    /// A copy of it may have been carried out, and its answer was lost.
    pub(crate) copy_lost: bool,
    /// The call queue it is in.
    pub(crate) queue: Option<Arc<str>>,
    lives: u32,
    reply: Option<oneshot::Sender<Result<Bytes, CallError>>>,
    permits: Option<Permits>,
    shared: Weak<Shared>,
}

impl Call {
    pub(crate) fn new(
        shared: &Arc<Shared>,
        body: Bytes,
        policy: CallPolicy,
        permits: Option<Permits>,
        queue: Option<Arc<str>>,
    ) -> (Self, oneshot::Receiver<Result<Bytes, CallError>>) {
        let (reply, answer) = oneshot::channel();
        let (function, inner) = entities::innermost(&body);
        let sending = function.and_then(|function| entities::sending(function, &inner));
        shared.call_began();
        let id = shared.next_call();
        if let Some(queue) = &queue {
            shared.queues.enter(queue, id);
        }
        let call = Self {
            id,
            function,
            content: function.map_or(Content::Plain, entities::content_of),
            resend: policy.resend.unwrap_or_else(|| tables::resend_class(&body)),
            body,
            policy,
            failures: 0,
            slept: Duration::ZERO,
            hops: 0,
            slept_through: None,
            chat: sending.map(|sending| sending.to),
            given_to_session: false,
            copy_lost: false,
            queue,
            lives: 0,
            reply: Some(reply),
            permits,
            shared: Arc::downgrade(shared),
        };
        (call, answer)
    }

    pub(crate) fn method(&self) -> &'static str {
        self.function
            .map_or("an unknown method", |function| function.name)
    }

    /// Whether it may be carried out twice without harm.
    pub(crate) fn may_happen_twice(&self) -> bool {
        self.resend != ResendClass::NotIdempotent
    }

    /// Ends it. The permits go first, so that whoever is told of the answer finds them free.
    pub(crate) fn settle(mut self, answer: Result<Bytes, CallError>) {
        self.end(answer);
    }

    /// Ends it with a refusal. If a copy may have been carried out before, the refusal of another one says nothing of that;
    /// but that the datacenter has its `random_id` already does.
    pub(crate) fn settle_refused(self, code: i32, message: String) {
        let known =
            !self.copy_lost || self.resend == ResendClass::Read || message == "RANDOM_ID_DUPLICATE";
        if known {
            self.settle(Err(CallError::Rpc { code, message }));
        } else {
            tracing::info!(
                method = self.method(),
                code,
                %message,
                "a copy of a call was refused whose first may have been carried out"
            );
            self.settle(Err(CallError::UnknownOutcome));
        }
    }

    /// Ends a call that never reached a session, or is known not to have been carried out.
    pub(crate) fn give_back(self, error: impl FnOnce(Bytes) -> CallError) {
        let error = error(self.body.clone());
        self.settle(Err(error));
    }

    fn end(&mut self, answer: Result<Bytes, CallError>) {
        let Some(reply) = self.reply.take() else {
            return;
        };
        self.permits = None;
        let shared = self.shared.upgrade();
        if let Some(shared) = &shared
            && let Some(queue) = self.queue.take()
            && shared.queues.leave(&queue, self.id)
            && let Some(addresses) = shared.addresses()
        {
            addresses.api.do_send(QueueMoved(queue));
        }
        // The waiter may be gone; the call was made all the same.
        let _ = reply.send(answer);
        if let Some(shared) = shared {
            shared.call_ended();
        }
    }

    /// The same call for another actor to carry on with, if that can do no harm.
    fn next_life(&mut self, shared: &Arc<Shared>) -> Option<Self> {
        if self.lives >= MOST_LIVES
            || shared.is_closing()
            || (self.given_to_session && !self.may_happen_twice())
        {
            return None;
        }
        if let Some(queue) = &self.queue {
            shared.queues.enter(queue, self.id);
        }
        Some(Self {
            id: self.id,
            body: self.body.clone(),
            function: self.function,
            content: self.content,
            resend: self.resend,
            policy: self.policy.clone(),
            failures: self.failures,
            slept: self.slept,
            hops: self.hops,
            slept_through: self.slept_through,
            chat: self.chat,
            given_to_session: false,
            copy_lost: self.copy_lost || self.given_to_session,
            queue: self.queue.take(),
            lives: self.lives + 1,
            reply: self.reply.take(),
            permits: self.permits.take(),
            shared: self.shared.clone(),
        })
    }
}

impl Drop for Call {
    /// Whoever held it failed. It is carried on with where that is safe, and ends otherwise: nobody waits for ever.
    fn drop(&mut self) {
        if self.reply.is_none() {
            return;
        }
        if let Some(shared) = self.shared.upgrade()
            && let Some(addresses) = shared.addresses()
            && addresses.api.connected()
            && let Some(next) = self.next_life(&shared)
        {
            tracing::warn!(
                call = next.id,
                method = next.method(),
                "a call lost its actor and is made again"
            );
            addresses.api.do_send(Submit(next));
            return;
        }
        let shared = self.shared.upgrade();
        let error = if self.given_to_session && !self.may_happen_twice() {
            CallError::UnknownOutcome
        } else {
            match shared.map(|shared| (shared.stopped(), shared.is_closing())) {
                Some((Some(reason), _)) if reason != StopReason::ShutDown => {
                    CallError::Stopped(reason)
                }
                Some((None, false)) => CallError::Retry("the actor that held it failed".to_owned()),
                _ => CallError::ShutDown {
                    body: self.body.clone(),
                },
            }
        };
        self.end(Err(error));
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the body: it may hold a code or a password.
        f.debug_struct("Call")
            .field("id", &self.id)
            .field("method", &self.method())
            .finish_non_exhaustive()
    }
}

//! How a session under a temporary key begins, and how it is left for the next one
//! (<https://core.telegram.org/api/pfs>).
//!
//! ```text
//!            boolTrue            an hour before it expires
//!  Binding ───────────► Bound ────────────────────────────► Renewing ── no call under way ──► the next key's Binding
//!     │                   │                                     │
//!     └─ refused          └─ -404, AUTH_KEY_PERM_EMPTY          └─ half an hour: new calls wait; a minute more: at once
//!        another key         another key
//! ```

use std::time::Duration;

use actix::{AsyncContext as _, Handler, Message};
use actogram_mtproto::{
    Now,
    session::client::{BindRequest, CallId, CallState, ClientSession, Event},
};
use actogram_runtime::SupervisedContext;

use super::{
    BindingEnded, ConnectionActor, ForwardSecrecy, TemporaryKeyUseless, UseKey, connection::Link,
};
use crate::{
    api::{Refusal, classify},
    error::CallError,
};

/// For so long it is waited for a moment without calls under way.
const QUIET: Duration = Duration::from_secs(30 * 60);

/// For so long after that, new calls wait for those under way.
const HOLD: Duration = Duration::from_secs(60);

/// How often a datacenter that is at fault is asked again to bind a key, and after which pause.
const MOST_FAULTS: u32 = 5;
const PAUSE: Duration = Duration::from_secs(1);

/// What is known of the temporary key of a session.
pub(super) struct Temporary {
    bind: BindRequest,
    /// While it is being bound.
    asked: Option<CallId>,
    faults: u32,
    next: Option<Next>,
}

/// The key to go on with.
struct Next {
    key: UseKey,
    holds_calls: bool,
}

impl Temporary {
    pub(super) fn begin(secrecy: ForwardSecrecy, session: &mut ClientSession, now: Now) -> Self {
        let ForwardSecrecy { bind, bound } = secrecy;
        let asked = (!bound).then(|| session.bind(now, bind.clone()));
        Self {
            bind,
            asked,
            faults: 0,
            next: None,
        }
    }

    /// Whether new calls are for the next session.
    pub(super) fn holds_calls(&self) -> bool {
        self.next.as_ref().is_some_and(|next| next.holds_calls)
    }
}

impl ConnectionActor {
    /// Takes what concerns the binding. Tells whether the connection is still there; gives back what is not about it.
    pub(super) fn on_binding_event(
        &mut self,
        event: Event,
        ctx: &mut SupervisedContext<Self>,
    ) -> Result<bool, Event> {
        let Some(temporary) = &self.temporary else {
            return Err(event);
        };
        let about = match &event {
            Event::Answer { call, .. }
            | Event::RpcError { call, .. }
            | Event::Failed { call, .. }
            | Event::UnknownOutcome { call }
            | Event::Received { call } => *call,
            _ => return Err(event),
        };
        if temporary.asked != Some(about) {
            if !matches!(&event, Event::RpcError { code: 401, message, .. } if message == "AUTH_KEY_PERM_EMPTY")
            {
                return Err(event);
            }
            if let Some(call) = self.take(about) {
                // It was refused, so it was not carried out.
                self.take_back(call);
            }
            self.leave_temporary_key("the temporary key is bound to nothing any more", ctx);
            return Ok(false);
        }
        let bound = !self.session.as_ref().is_some_and(ClientSession::is_binding);
        match event {
            Event::Received { .. } => return Ok(true),
            Event::Answer { .. } if bound => {
                self.bound();
                return Ok(true);
            }
            Event::RpcError { code, message, .. } => {
                return Ok(self.binding_refused(code, &message, ctx));
            }
            _ => {}
        }
        self.leave_temporary_key("the temporary key could not be bound", ctx);
        Ok(false)
    }

    fn bound(&mut self) {
        if let Some(temporary) = &mut self.temporary {
            temporary.asked = None;
            temporary.faults = 0;
        }
        if let Some(key) = self.session.as_ref().map(ClientSession::key_id) {
            let keys = self.shared.temporary_keys();
            keys.note_bound(self.shared.site(), key);
            self.tell_binding_ended(key, false);
        }
    }

    fn tell_binding_ended(&self, key: i64, refused: bool) {
        if let Some(addresses) = self.shared.addresses() {
            addresses.datacenter.do_send(BindingEnded { key, refused });
        }
    }

    fn binding_refused(
        &mut self,
        code: i32,
        message: &str,
        ctx: &mut SupervisedContext<Self>,
    ) -> bool {
        tracing::debug!(code, message, "a temporary key was not bound");
        let again = match classify("auth.bindTempAuthKey", code, message) {
            Refusal::Flood { wait, .. } => Some(wait),
            Refusal::Internal => self.temporary.as_mut().and_then(|temporary| {
                temporary.faults += 1;
                (temporary.faults <= MOST_FAULTS).then_some(PAUSE)
            }),
            _ => None,
        };
        if let Some(pause) = again {
            self.bind_again_in(pause, ctx);
            return true;
        }
        // The permanent key is what the datacenter does not know.
        if message == "ENCRYPTED_MESSAGE_INVALID"
            && let Some(key) = self.session.as_ref().map(ClientSession::key_id)
        {
            self.leave_session("the temporary key was not bound", false, ctx);
            self.tell_binding_ended(key, true);
            return false;
        }
        self.leave_temporary_key("the temporary key was not bound", ctx);
        false
    }

    fn bind_again_in(&mut self, pause: Duration, ctx: &mut SupervisedContext<Self>) {
        let key = self.session.as_ref().map(ClientSession::key_id);
        ctx.run_later(pause, move |actor, ctx| {
            let now = actor.shared.now();
            if let (Some(session), Some(temporary)) = (&mut actor.session, &mut actor.temporary)
                && Some(session.key_id()) == key
                && session.is_binding()
            {
                temporary.asked = Some(session.bind(now, temporary.bind.clone()));
                actor.pump(ctx);
            }
        });
    }

    /// The datacenter does not take the temporary key: its session is left, and another key asked for.
    pub(super) fn leave_temporary_key(&mut self, why: &str, ctx: &mut SupervisedContext<Self>) {
        let key = self.session.as_ref().map(ClientSession::key_id);
        let next = self.temporary.as_mut().and_then(|it| it.next.take());
        self.leave_session(why, false, ctx);
        match next {
            Some(next) => self.begin(next.key, ctx),
            None => {
                if let (Some(key), Some(addresses)) = (key, self.shared.addresses()) {
                    addresses.datacenter.do_send(TemporaryKeyUseless(key));
                }
            }
        }
    }

    /// Whether this key is the next one of a session that is under way: it goes on with it when nothing is lost by that.
    pub(super) fn is_renewed_by(
        &mut self,
        key: &UseKey,
        ctx: &mut SupervisedContext<Self>,
    ) -> bool {
        let Some(temporary) = self.temporary.as_mut().filter(|_| self.session.is_some()) else {
            return false;
        };
        let permanent = |bind: &BindRequest| bind.permanent.id();
        let same = key.forward_secrecy.as_ref().map(|it| permanent(&it.bind));
        if same != Some(permanent(&temporary.bind)) {
            return false;
        }
        let (key, id) = (key.clone(), key.key.id());
        temporary.next = Some(Next {
            key,
            holds_calls: false,
        });
        ctx.run_later(QUIET, move |actor, ctx| {
            if let Some(next) = actor.next_with(id) {
                next.holds_calls = true;
                actor.renew_if_quiet(ctx);
                ctx.run_later(HOLD, move |actor, ctx| {
                    if actor.next_with(id).is_some() {
                        actor.renew(ctx);
                    }
                });
            }
        });
        self.renew_if_quiet(ctx);
        true
    }

    fn next_with(&mut self, id: i64) -> Option<&mut Next> {
        let next = self.temporary.as_mut()?.next.as_mut()?;
        (next.key.key.id() == id).then_some(next)
    }

    /// Goes on with the next key, if there is one and no call would notice.
    pub(super) fn renew_if_quiet(&mut self, ctx: &mut SupervisedContext<Self>) {
        if self.temporary.as_ref().is_none_or(|it| it.next.is_none()) {
            return;
        }
        let is_queued = |id| {
            let session = self.session.as_ref();
            session.and_then(|session| session.call_state(id)) == Some(CallState::Queued)
        };
        if self.calls.keys().all(|id| is_queued(*id)) {
            self.renew(ctx);
        }
    }

    fn renew(&mut self, ctx: &mut SupervisedContext<Self>) {
        let next = self.temporary.as_mut().and_then(|it| it.next.take());
        if let Some(next) = next {
            self.leave_session("the next temporary key is used from now on", true, ctx);
            self.begin(next.key, ctx);
        }
    }

    /// Leaves the session for another, with another key: what was under way is made again there, where that can do no harm.
    fn leave_session(&mut self, why: &str, in_order: bool, ctx: &mut SupervisedContext<Self>) {
        self.close(why, in_order, ctx);
        self.link = Link::Stopped;
        self.epoch += 1;
        self.temporary = None;
        let session = self.session.take();
        let mut calls: Vec<_> = std::mem::take(&mut self.calls).into_iter().collect();
        calls.sort_unstable_by_key(|(id, _)| *id);
        self.ids.clear();
        for (id, mut call) in calls {
            let never_sent = session.as_ref().and_then(|session| session.call_state(id))
                == Some(CallState::Queued);
            if !never_sent && !call.may_happen_twice() {
                call.settle(Err(CallError::UnknownOutcome));
                continue;
            }
            call.copy_lost |= !never_sent;
            self.take_back(call);
        }
    }
}

/// The session is left for another, with another key.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct LeaveSession;

impl Handler<LeaveSession> for ConnectionActor {
    type Result = ();

    fn handle(&mut self, LeaveSession: LeaveSession, ctx: &mut Self::Context) {
        self.leave_session("another key is used from now on", true, ctx);
    }
}

//! The actor that owns calls until they are with a session.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use actix::{Actor, AsyncContext as _, Handler, Message, ResponseFuture, SpawnHandle};
use actogram_runtime::SupervisedContext;
use actogram_store::{KeyKind, Write};
use bytes::Bytes;

use super::{Call, CallPolicy, Pace, Permits, Refusal, Turn, classify, floods::Flood};
use crate::{
    datacenter::{CancelCall, SendCall, move_to},
    error::CallError,
    events::{AccountEvent, StopReason},
    satellites::{Purpose, Site},
    shared::Shared,
};

/// The longest pause between tries after errors of the datacenter's own.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// A call is sent from datacenter to datacenter so often at most.
const MOST_HOPS: u32 = 3;

/// What is called in the course of a move. To follow these would be to wait for oneself.
const MOVING: [&str; 3] = [
    "help.getConfig",
    "auth.exportAuthorization",
    "auth.importAuthorization",
];

/// Takes calls and decides what follows from refusals.
///
/// It sleeps through flood waits, tries again what failed on the datacenter's side, and tells of logouts. Calls that are
/// under way are held by the [`ConnectionActor`](crate::datacenter::ConnectionActor), whose answers go straight to
/// those who wait.
///
/// Any actor may send it [`InvokeRaw`].
pub struct ApiActor {
    shared: Arc<Shared>,
    /// Calls that sleep, by when they go on.
    sleeping: BTreeMap<(Duration, u64), Call>,
    /// Calls of queues that wait for the one before.
    held: HashMap<u64, Call>,
    timer: Option<(Duration, SpawnHandle)>,
}

impl ApiActor {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            sleeping: BTreeMap::new(),
            held: HashMap::new(),
            timer: None,
        }
    }

    /// Sends a call, and those of its queue that waited for it.
    fn submit(&mut self, call: Call, ctx: &mut SupervisedContext<Self>) {
        let queue = call.queue.clone();
        self.send(call, ctx);
        if let Some(queue) = queue {
            self.queue_moved(&queue, ctx);
        }
    }

    /// Sends the calls of a queue whose turn has come.
    fn queue_moved(&mut self, queue: &str, ctx: &mut SupervisedContext<Self>) {
        while let Some(next) = self.shared.queues.first_waiting(queue)
            && let Some(call) = self.held.remove(&next)
        {
            self.send(call, ctx);
        }
        self.note();
    }

    fn send(&mut self, mut call: Call, ctx: &mut SupervisedContext<Self>) {
        if let Some(reason) = self.shared.stopped() {
            call.settle(Err(CallError::Stopped(reason)));
            return;
        }
        if let Some(queue) = &call.queue
            && self.shared.queues.depart(queue, call.id) == Turn::Wait
        {
            self.held.insert(call.id, call);
            self.note();
            return;
        }
        let now = self.shared.monotonic();
        if let Some(flood) = self.shared.floods.of(&call, now) {
            let wait = flood.until.saturating_sub(now);
            if call.slept + wait > call.policy.flood_wait_limit {
                let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
                call.settle_refused(420, format!("{}{seconds}", flood.error));
            } else {
                call.slept += wait;
                self.sleep_through_flood(call, &flood, ctx);
            }
            return;
        }
        let Some(addresses) = self.shared.addresses() else {
            call.settle(Err(CallError::Bug(
                "a call came before its account was put together".to_owned(),
            )));
            return;
        };
        addresses.connection.do_send(SendCall(call));
    }

    /// Those that one flood wait put to sleep do not go all at once.
    fn sleep_through_flood(
        &mut self,
        mut call: Call,
        flood: &Flood,
        ctx: &mut SupervisedContext<Self>,
    ) {
        let jitter = self.shared.jitter();
        let at = self.shared.floods.turn(&mut call, flood, jitter);
        let wait = at.saturating_sub(self.shared.monotonic());
        self.sleep(call, wait, ctx);
    }

    fn sleep(&mut self, call: Call, wait: Duration, ctx: &mut SupervisedContext<Self>) {
        if let Some(queue) = &call.queue {
            self.shared.queues.enter(queue, call.id);
        }
        let until = self.shared.monotonic() + wait;
        self.sleeping.insert((until, call.id), call);
        self.note();
        self.arm(ctx);
    }

    /// One timer, for the call that goes on first.
    fn arm(&mut self, ctx: &mut SupervisedContext<Self>) {
        let Some((until, _)) = self.sleeping.keys().next().copied() else {
            return;
        };
        match self.timer {
            Some((armed, _)) if armed <= until => return,
            Some((_, handle)) => drop(ctx.cancel_future(handle)),
            None => {}
        }
        let wait = until.saturating_sub(self.shared.monotonic());
        let handle = ctx.run_later(wait, |actor, ctx| {
            actor.timer = None;
            actor.wake(ctx);
        });
        self.timer = Some((until, handle));
    }

    fn wake(&mut self, ctx: &mut SupervisedContext<Self>) {
        let now = self.shared.monotonic();
        self.shared.floods.forget_past(now);
        while let Some(entry) = self.sleeping.first_entry() {
            if entry.key().0 > now {
                break;
            }
            let call = entry.remove();
            self.submit(call, ctx);
        }
        self.note();
        self.arm(ctx);
    }

    fn refused(
        &mut self,
        mut call: Call,
        code: i32,
        message: String,
        ctx: &mut SupervisedContext<Self>,
    ) {
        match classify(call.method(), code, &message) {
            Refusal::Final => call.settle_refused(code, message),
            Refusal::Flood { wait, scope } => {
                let until = self.shared.monotonic() + wait;
                let flood = self.shared.floods.note(&call, scope, until);
                if call.slept + wait > call.policy.flood_wait_limit {
                    call.settle_refused(code, message);
                    return;
                }
                call.slept += wait;
                self.shared.emit(AccountEvent::FloodWait {
                    method: call.method(),
                    wait,
                });
                match flood {
                    Some(flood) => self.sleep_through_flood(call, &flood, ctx),
                    None => self.sleep(call, wait, ctx),
                }
            }
            Refusal::Internal => {
                if call.failures >= call.policy.retries || !call.may_happen_twice() {
                    call.settle_refused(code, message);
                    return;
                }
                let pause = Duration::from_secs(1 << call.failures.min(6)).min(LONGEST_PAUSE);
                let pause = pause.mul_f64(0.8 + 0.4 * self.shared.jitter());
                call.failures += 1;
                tracing::info!(method = call.method(), code, %message, ?pause, "the datacenter failed; trying again");
                self.sleep(call, pause, ctx);
            }
            Refusal::Migrate(dc) => self.migrate(call, dc, message, ctx),
            Refusal::LoggedOut => {
                if !self.shared.is_satellite() {
                    self.shared.logged_out(&message);
                }
                call.settle_refused(code, message);
            }
            Refusal::Duplicated => {
                self.duplicated();
                call.settle_refused(code, message);
            }
        }
    }

    /// Another datacenter is responsible: for this call alone, or for the account
    /// (<https://core.telegram.org/api/errors#303-see-other>).
    fn migrate(
        &mut self,
        mut call: Call,
        dc: i32,
        message: String,
        ctx: &mut SupervisedContext<Self>,
    ) {
        call.hops += 1;
        let of_a_move = MOVING.contains(&call.method());
        if self.shared.is_satellite() || of_a_move || call.hops > MOST_HOPS {
            call.settle(Err(CallError::Migration { dc, message }));
            return;
        }
        let alone = message.starts_with("FILE_") || message.starts_with("STATS_");
        let shared = self.shared.clone();
        if alone {
            let (body, policy) = (call.body.clone(), call.policy.clone());
            let purpose = Purpose::Calls;
            let there = async move { shared.call_at(Site { dc, purpose }, body, policy).await };
            ctx.spawn_body(there, |_, answer, _| match answer {
                Ok(answer) => call.settle(answer),
                // Its drop sees to it.
                Err(error) => tracing::warn!(%error, "a call at another datacenter died"),
            });
            return;
        }
        tracing::info!(dc, %message, "the account moves");
        ctx.spawn_body(move_to(shared, dc), move |actor, moved, ctx| match moved {
            Ok(Ok(())) => actor.submit(call, ctx),
            Ok(Err(error)) => call.settle(Err(error)),
            Err(error) => tracing::warn!(%error, "a move to another datacenter died"),
        });
    }

    fn note(&self) {
        let (asleep, held) = (self.sleeping.len(), self.held.len());
        self.shared.activity.note_calls(asleep, held);
    }

    /// All calls that are here, in the order they were made.
    fn take_all(&mut self) -> Vec<Call> {
        let sleeping = std::mem::take(&mut self.sleeping).into_values();
        let mut calls: Vec<_> = sleeping
            .chain(self.held.drain().map(|(_, call)| call))
            .collect();
        calls.sort_unstable_by_key(|call| call.id);
        self.note();
        calls
    }

    /// The server has destroyed the session already: connecting again with this key could only repeat it.
    fn duplicated(&mut self) {
        if self.shared.is_satellite() {
            // Another key does here, whoever called sees to it; the account's own is not touched.
            return;
        }
        self.shared.set_me(None);
        let dc = self.shared.dc();
        self.shared.store.write(Write::DropAuthKey {
            dc,
            kind: KeyKind::Permanent,
        });
        self.shared.store.write(Write::SelfUser(None));
        self.shared.stop(StopReason::AuthKeyDuplicated);
    }
}

impl Actor for ApiActor {
    type Context = SupervisedContext<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let shared = self.shared.clone();
        ctx.report_details(move || shared.activity.of_calls(shared.monotonic()));
    }
}

/// A call that waits to be sent.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Submit(pub(crate) Call);

impl Handler<Submit> for ApiActor {
    type Result = ();

    fn handle(&mut self, Submit(call): Submit, ctx: &mut Self::Context) {
        self.submit(call, ctx);
    }
}

/// A call of this queue has ended, and others wait.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct QueueMoved(pub(crate) Arc<str>);

impl Handler<QueueMoved> for ApiActor {
    type Result = ();

    fn handle(&mut self, QueueMoved(queue): QueueMoved, ctx: &mut Self::Context) {
        self.queue_moved(&queue, ctx);
    }
}

/// A call that the datacenter refused, for a reason that is not simply the caller's.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Refused {
    pub(crate) call: Call,
    pub(crate) code: i32,
    pub(crate) message: String,
}

impl Handler<Refused> for ApiActor {
    type Result = ();

    fn handle(&mut self, refused: Refused, ctx: &mut Self::Context) {
        self.refused(refused.call, refused.code, refused.message, ctx);
    }
}

/// Whoever waited for this call has gone and wants it gone too.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Cancel(pub(crate) u64);

impl Handler<Cancel> for ApiActor {
    type Result = ();

    fn handle(&mut self, Cancel(id): Cancel, _: &mut Self::Context) {
        let key = self
            .sleeping
            .keys()
            .find(|(_, sleeping)| *sleeping == id)
            .copied();
        let here = key
            .and_then(|key| self.sleeping.remove(&key))
            .or_else(|| self.held.remove(&id));
        self.note();
        match here {
            Some(call) => call.settle(Err(CallError::Cancelled)),
            None => {
                if let Some(addresses) = self.shared.addresses() {
                    addresses.connection.do_send(CancelCall(id));
                }
            }
        }
    }
}

/// The account cannot go on: whatever sleeps learns of it.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Halt;

impl Handler<Halt> for ApiActor {
    type Result = ();

    fn handle(&mut self, Halt: Halt, _: &mut Self::Context) {
        let Some(reason) = self.shared.stopped() else {
            return;
        };
        for call in self.take_all() {
            call.settle(Err(CallError::Stopped(reason.clone())));
        }
    }
}

/// The time to end by oneself is over: whatever sleeps is given back.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Abort;

impl Handler<Abort> for ApiActor {
    type Result = ();

    fn handle(&mut self, Abort: Abort, _: &mut Self::Context) {
        for call in self.take_all() {
            call.give_back(|body| CallError::ShutDown { body });
        }
    }
}

/// Calls a method, encoded, from any actor.
///
/// Beyond the account's [`Limits`](crate::Limits) it is refused at once with [`CallError::Overloaded`], which gives the
/// call back; [`Account::invoke_raw`](crate::Account::invoke_raw) waits instead.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<Bytes, CallError>")]
pub struct InvokeRaw {
    /// The encoded method.
    pub body: Bytes,
    /// How it is made.
    pub policy: CallPolicy,
}

impl Handler<InvokeRaw> for ApiActor {
    type Result = ResponseFuture<Result<Bytes, CallError>>;

    fn handle(
        &mut self,
        InvokeRaw { body, policy }: InvokeRaw,
        ctx: &mut Self::Context,
    ) -> Self::Result {
        if self.shared.is_closing() {
            return Box::pin(async { Err(CallError::ShutDown { body }) });
        }
        let weight = self.shared.weight(&body);
        let permits = (self.shared.calls.clone().try_acquire_owned()).and_then(|call| {
            Ok((
                call,
                self.shared.bytes.clone().try_acquire_many_owned(weight)?,
            ))
        });
        let Ok((call, bytes)) = permits else {
            return Box::pin(async { Err(CallError::Overloaded { body }) });
        };
        let permits = Some(Permits {
            _call: call,
            _bytes: bytes,
        });
        if let Some(pace) = Pace::of(&body, self.shared.config.rates.as_ref()) {
            let (shared, api) = (self.shared.clone(), ctx.address());
            return Box::pin(async move {
                if let Err(ended) = pace.turn(&shared).await {
                    return Err(ended.unwrap_or(CallError::ShutDown { body }));
                }
                let (call, answer) = Call::new(&shared, body, policy, permits, None);
                api.do_send(Submit(call));
                answer.await.unwrap_or_else(|_| Err(lost_reply()))
            });
        }
        let (call, answer) = Call::new(&self.shared, body, policy, permits, None);
        self.submit(call, ctx);
        Box::pin(async move { answer.await.unwrap_or_else(|_| Err(lost_reply())) })
    }
}

/// What is said when a call's reply was dropped unanswered, which its `Drop` rules out.
pub(crate) fn lost_reply() -> CallError {
    CallError::Bug("a call ended without an answer".to_owned())
}

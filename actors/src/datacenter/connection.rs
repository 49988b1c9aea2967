//! The actor that owns a session and the calls in it.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use actix::{Actor, AsyncContext as _, Handler, Message, SpawnHandle};
use actogram_crypto::AuthKey;
use actogram_mtproto::{
    session::client::{
        CallFailure, CallId, CallRequest, CallState, ClientSession, ClientSessionConfig, Event,
        Outgoing,
    },
    transport::error_code,
};
use actogram_runtime::SupervisedContext;
use actogram_store::{SaltRecord, Write};
use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use super::{
    ConnectionLost, ConnectionWorked, Dial, ForwardSecrecy, KeyUnknown, WantKey,
    actor::Dialed,
    auth_key,
    binding::Temporary,
    socket::{self, Input, LARGE},
};
use crate::{
    api::{Call, Refusal, Refused, Submit, Turn, classify, plain},
    entities::Content,
    error::CallError,
    events::AccountEvent,
    sequencer::{Answered, Connected, RawUpdates, SessionLost},
    shared::Shared,
};

/// Connections in a row that must be answered "no such key" before it is believed.
const KEY_UNKNOWN: u32 = 5;

/// The same where another key costs nothing but a key exchange.
const NEW_KEY_IS_CHEAP: u32 = 2;

/// Owns the session with a datacenter and every call in it. Sockets come and go; the session stays.
///
/// ```text
///           a key                 a stream               lost
///  NoKey ───────────► Dialing ──────────────► Open ───────────┐
///                        ▲                                     │
///                        └─────────────────────────────────────┘
///  any ── StopConnection ──► Stopped ── UseKey ──► Dialing
/// ```
pub struct ConnectionActor {
    pub(super) shared: Arc<Shared>,
    pub(super) session: Option<ClientSession>,
    pub(super) link: Link,
    /// Counts streams, so that what an old one still says is not taken for the present one's.
    pub(super) epoch: u64,
    /// Calls that came before there was a key.
    pub(super) early: VecDeque<Call>,
    pub(super) calls: HashMap<CallId, Call>,
    pub(super) ids: HashMap<u64, CallId>,
    timer: Option<(Duration, SpawnHandle)>,
    pub(super) keys_unknown: u32,
    /// While the key is a temporary one.
    pub(super) temporary: Option<Temporary>,
    /// Who waits for the last bytes to be written.
    closing: Option<oneshot::Sender<()>>,
    /// A [`Pump`] is on its way.
    will_pump: bool,
}

pub(super) enum Link {
    /// There is no key yet.
    NoKey,
    /// A stream was asked for.
    Dialing,
    /// There is a stream.
    Open(Box<Open>),
    /// No further attempt is made.
    Stopped,
}

pub(super) struct Open {
    out: mpsc::UnboundedSender<Outgoing>,
    bodies: [SpawnHandle; 2],
    address: String,
    /// Something came that only the other holder of the key can have made.
    worked: bool,
}

impl ConnectionActor {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            session: None,
            link: Link::NoKey,
            epoch: 0,
            early: VecDeque::new(),
            calls: HashMap::new(),
            ids: HashMap::new(),
            timer: None,
            keys_unknown: 0,
            temporary: None,
            closing: None,
            will_pump: false,
        }
    }

    pub(super) fn dial(&mut self, ctx: &mut SupervisedContext<Self>) {
        let Some(addresses) = self.shared.addresses() else {
            return;
        };
        let (wish, dialed) = oneshot::channel();
        addresses.datacenter.do_send(Dial(wish));
        self.link = Link::Dialing;
        self.epoch += 1;
        let epoch = self.epoch;
        ctx.spawn_body(dialed, move |actor, dialed, ctx| {
            if actor.epoch != epoch || !matches!(actor.link, Link::Dialing) {
                return;
            }
            match dialed {
                Ok(Ok(dialed)) => actor.open(dialed, ctx),
                // The datacenter's actor has a new life: it is asked again, once that has begun.
                Ok(Err(_)) if actor.shared.stopped().is_none() => {
                    ctx.run_later(Duration::from_millis(50), move |actor, ctx| {
                        if actor.epoch == epoch && matches!(actor.link, Link::Dialing) {
                            actor.dial(ctx);
                        }
                    });
                }
                Ok(Err(_)) => {}
                Err(error) => ctx.fail(error),
            }
        });
    }

    fn open(&mut self, dialed: Dialed, ctx: &mut SupervisedContext<Self>) {
        let transport = match auth_key::transport(dialed.way, &dialed.address, self.shared.random())
        {
            Ok(transport) => transport,
            Err(error) => {
                ctx.fail(error);
                return;
            }
        };
        let (from, to) = tokio::io::split(dialed.io);
        let (sender, receiver) = transport.split();
        let (out, packets) = mpsc::unbounded_channel();
        let epoch = self.epoch;
        let reader = socket::Reader {
            from,
            transport: receiver,
            key: self.session.as_ref().map(ClientSession::key),
            crypto: self.shared.crypto.clone(),
            to: ctx.address().recipient(),
            epoch,
            pause: {
                let shared = self.shared.clone();
                Box::new(move || shared.pause_between_reads())
            },
        };
        let ended =
            move |actor: &mut Self, why: Result<String, _>, ctx: &mut SupervisedContext<Self>| {
                // After an orderly close only the writer goes on, to write the last bytes.
                actor.closing = None;
                if actor.epoch == epoch {
                    let why =
                        why.unwrap_or_else(|error: actogram_runtime::BodyError| error.to_string());
                    actor.lost(why, ctx);
                }
            };
        let writer = socket::Writer {
            to,
            transport: sender,
            from: packets,
            crypto: self.shared.crypto.clone(),
        };
        let bodies = [
            ctx.spawn_body(socket::read(Box::new(reader)), ended),
            ctx.spawn_body(socket::write(Box::new(writer)), ended),
        ];
        self.link = Link::Open(Box::new(Open {
            out,
            bodies,
            address: dialed.address.to_string(),
            worked: false,
        }));
        let now = self.shared.now();
        if let Some(session) = &mut self.session {
            session.connected(now);
        }
        self.shared.emit(AccountEvent::Connected {
            dc: dialed.address.dc,
        });
        self.tell_followers(Connected);
        self.pump(ctx);
    }

    /// The stream is gone, or is given up: nothing more is written to it.
    fn lost(&mut self, why: String, ctx: &mut SupervisedContext<Self>) {
        if !matches!(self.link, Link::Open(_)) {
            return;
        }
        self.close(&why, false, ctx);
        self.dial(ctx);
    }

    /// Closes the stream. In order: what was given to it is still written.
    pub(super) fn close(&mut self, why: &str, in_order: bool, ctx: &mut SupervisedContext<Self>) {
        let Link::Open(open) = std::mem::replace(&mut self.link, Link::NoKey) else {
            return;
        };
        self.epoch += 1;
        let [read, write] = open.bodies;
        ctx.cancel_future(read);
        // A writer that nobody gives anything any more ends by itself, once it has written what it has. To a peer that has
        // vanished it would write for ever.
        if !in_order {
            ctx.cancel_future(write);
            self.closing = None;
        }
        drop(open.out);
        if let Some(session) = &mut self.session {
            session.disconnected();
        }
        self.shared.emit(AccountEvent::Disconnected {
            dc: self.shared.dc(),
            why: why.to_owned(),
        });
        if !open.worked
            && !in_order
            && let Some(addresses) = self.shared.addresses()
        {
            addresses.datacenter.do_send(ConnectionLost {
                address: open.address,
                why: why.to_owned(),
            });
        }
    }

    fn received(&mut self, inputs: Vec<Input>, ctx: &mut SupervisedContext<Self>) {
        let now = self.shared.now();
        let whole = |input: &Input| matches!(input, Input::Payload(_) | Input::Opened(_));
        if !inputs.iter().any(whole)
            && let Some(session) = &mut self.session
        {
            session.bytes_arrived(now);
        }
        for input in inputs {
            let (Link::Open(open), Some(session)) = (&mut self.link, &mut self.session) else {
                return;
            };
            let taken = match input {
                Input::Payload(bytes) => session.handle_input(now, bytes),
                Input::Opened(opened) => {
                    opened.and_then(|opened| session.handle_opened(now, opened))
                }
                Input::QuickAck(token) => {
                    session.handle_quick_ack(token);
                    continue;
                }
                Input::Error(code) => return self.transport_error(code, ctx),
            };
            if let Err(refused) = taken {
                return self.lost(refused.to_string(), ctx);
            }
            self.keys_unknown = 0;
            if !std::mem::replace(&mut open.worked, true)
                && let Some(addresses) = self.shared.addresses()
            {
                addresses.datacenter.do_send(ConnectionWorked);
            }
        }
        self.pump(ctx);
    }

    /// Nothing authenticates these: they end the connection and, alone, prove nothing.
    fn transport_error(&mut self, code: i32, ctx: &mut SupervisedContext<Self>) {
        let why = match code {
            error_code::AUTH_KEY_NOT_FOUND => {
                // Over a connection on which the key was good a moment ago it says nothing about the key.
                if matches!(&self.link, Link::Open(open) if !open.worked) {
                    self.keys_unknown += 1;
                }
                "the datacenter says it does not know the auth key (-404)".to_owned()
            }
            error_code::FLOOD => {
                // However good the connection was: another at once would only be one more of too many.
                if let Link::Open(open) = &mut self.link {
                    open.worked = false;
                }
                "the datacenter refuses more connections (-429)".to_owned()
            }
            error_code::INVALID_DC => "this address is not of that datacenter (-444)".to_owned(),
            other => format!("transport error {other}"),
        };
        let enough = match self.shared.is_satellite() || self.temporary.is_some() {
            true => NEW_KEY_IS_CHEAP,
            false => KEY_UNKNOWN,
        };
        if self.keys_unknown >= enough {
            if self.temporary.is_some() {
                return self.leave_temporary_key(&why, ctx);
            }
            if let Some(addresses) = self.shared.addresses() {
                addresses.datacenter.do_send(KeyUnknown);
            }
            // Until the datacenter's actor has told everybody, nothing more is tried.
            self.close(&why, false, ctx);
            self.link = Link::Stopped;
            return;
        }
        self.lost(why, ctx);
    }

    /// Moves everything that can move: packets out, events on, the timer.
    pub(super) fn pump(&mut self, ctx: &mut SupervisedContext<Self>) {
        loop {
            let now = self.shared.now();
            let Some(session) = &mut self.session else {
                return;
            };
            let mut idle = true;
            if let Link::Open(open) = &mut self.link {
                while let Some(packet) = session.poll_outgoing(now, LARGE) {
                    idle = false;
                    // A writer that has ended says so through its own end.
                    let _ = open.out.send(packet);
                }
            }
            while let Some(session) = &mut self.session
                && let Some(event) = session.poll_event()
            {
                idle = false;
                if !self.on_event(event, ctx) {
                    return;
                }
            }
            if idle {
                break;
            }
        }
        self.renew_if_quiet(ctx);
        self.arm(ctx);
    }

    /// Returns whether the connection is still there.
    fn on_event(&mut self, event: Event, ctx: &mut SupervisedContext<Self>) -> bool {
        let dc = self.shared.dc();
        let event = match self.on_binding_event(event, ctx) {
            Ok(here) => return here,
            Err(event) => event,
        };
        match event {
            Event::Answer { call, body } => self.answered(call, body),
            Event::RpcError {
                call,
                code,
                message,
                earlier_copy_lost,
            } => {
                if let Some(call) = self.calls.get_mut(&call) {
                    call.copy_lost |= earlier_copy_lost;
                }
                self.refused(call, code, plain(message));
            }
            Event::Failed { call, why } => {
                if let CallFailure::PredecessorFailed { earlier_copy_lost } = why {
                    self.forsaken(call, earlier_copy_lost);
                } else if let Some(call) = self.take(call) {
                    let error = match why {
                        CallFailure::RefusedTooOften(..) => CallError::Retry(why.to_string()),
                        CallFailure::LostTooOften(_) => CallError::UnknownOutcome,
                        CallFailure::TooLarge { length, most } => {
                            CallError::TooLarge { length, most }
                        }
                        other => CallError::Bug(other.to_string()),
                    };
                    call.settle(Err(error));
                }
            }
            Event::UnknownOutcome { call } => {
                if let Some(call) = self.take(call) {
                    call.settle(Err(CallError::UnknownOutcome));
                }
            }
            Event::Update(body) => self.tell_followers(RawUpdates(body)),
            Event::SessionLost => self.tell_followers(SessionLost),
            // A temporary key has salts of its own.
            Event::Salt(_) if self.temporary.is_some() => {}
            Event::Salt(salt) => {
                let valid_since = self.server_second();
                let salts = vec![SaltRecord {
                    valid_since,
                    valid_until: valid_since.saturating_add(1800),
                    salt,
                }];
                self.shared.store.write(Write::Salts { dc, salts });
            }
            Event::TimeOffset(seconds) => {
                self.shared.store.write(Write::TimeOffset { dc, seconds })
            }
            Event::Dead => {
                self.lost("the other side has fallen silent".to_owned(), ctx);
                return false;
            }
            Event::RoundTrip(round_trip) => tracing::trace!(?round_trip, "measured"),
            _ => {}
        }
        true
    }

    fn server_second(&self) -> i64 {
        let now = self.shared.now();
        self.session
            .as_ref()
            .map_or_else(|| now.unix_seconds(), |session| session.server_second(now))
    }

    fn tell_updates<M>(&self, message: M)
    where
        M: Message<Result = ()> + Send + 'static,
        crate::sequencer::UpdatesActor: Handler<M>,
    {
        if let Some(addresses) = self.shared.addresses() {
            addresses.updates.do_send(message);
        }
    }

    /// Tells what concerns the account's updates, which only its own datacenter sends.
    fn tell_followers<M>(&self, message: M)
    where
        M: Message<Result = ()> + Send + 'static,
        crate::sequencer::UpdatesActor: Handler<M>,
    {
        if !self.shared.is_satellite() {
            self.tell_updates(message);
        }
    }

    fn answered(&mut self, id: CallId, body: Bytes) {
        let Some(call) = self.take(id) else { return };
        // What others must see first goes by way of the sequencer; the rest straight to whoever waits.
        if call.content == Content::Plain {
            call.settle(Ok(body));
        } else {
            self.tell_updates(Answered { call, body });
        }
    }

    fn refused(&mut self, id: CallId, code: i32, message: String) {
        let Some(mut call) = self.take(id) else {
            return;
        };
        // It was refused, so it was not carried out: whoever holds it now may make it again.
        call.given_to_session = false;
        match self.shared.addresses() {
            Some(addresses) if classify(call.method(), code, &message) != Refusal::Final => {
                // From now on those behind it do not go to the session, until it is there again.
                if let Some(queue) = &call.queue {
                    self.shared.queues.enter(queue, call.id);
                }
                addresses.api.do_send(Refused {
                    call,
                    code,
                    message,
                });
            }
            _ => call.settle_refused(code, message),
        }
    }

    /// A call of a queue was not carried out, since the one before it was not: it takes its turn again.
    fn forsaken(&mut self, id: CallId, copy_lost: bool) {
        let Some(mut call) = self.take(id) else {
            return;
        };
        call.copy_lost |= copy_lost;
        self.take_back(call);
    }

    /// The call is not with the session any more: whoever holds it now may make it again.
    pub(super) fn take_back(&self, mut call: Call) {
        call.given_to_session = false;
        // From now on those behind it do not go to the session, until it is there again.
        if let Some(queue) = &call.queue {
            self.shared.queues.enter(queue, call.id);
        }
        self.submit_again(call);
    }

    fn submit_again(&self, call: Call) {
        match self.shared.addresses() {
            Some(addresses) => addresses.api.do_send(Submit(call)),
            None => call.settle(Err(CallError::Retry(
                "the call before it failed".to_owned(),
            ))),
        }
    }

    pub(super) fn take(&mut self, id: CallId) -> Option<Call> {
        let call = self.calls.remove(&id)?;
        self.ids.remove(&call.id);
        Some(call)
    }

    pub(super) fn give_to_session(&mut self, mut call: Call) {
        let now = self.shared.now();
        let turn = (call.queue.as_deref()).map(|queue| self.shared.queues.arrive(queue, call.id));
        let before = match turn {
            // The one before has come back while this one was on its way here, or comes behind it.
            Some(Turn::Wait) => return self.submit_again(call),
            Some(Turn::Go(before)) => before,
            None => None,
        };
        let Some(session) = &mut self.session else {
            self.early.push_back(call);
            return;
        };
        if self.temporary.as_ref().is_some_and(Temporary::holds_calls) {
            self.early.push_back(call);
            return;
        }
        let mut request = CallRequest::new(call.policy.wrapper.around(call.body.clone()));
        request.resend = call.resend;
        // One that is not with the session any more, though its queue has it there, has been carried out.
        request.after = before.and_then(|before| self.ids.get(&before)).copied();
        let id = session.call(now, request);
        call.given_to_session = true;
        self.ids.insert(call.id, id);
        self.calls.insert(id, call);
    }

    /// Begins a session with this key.
    pub(super) fn begin(&mut self, key: UseKey, ctx: &mut SupervisedContext<Self>) {
        let config = ClientSessionConfig {
            key: key.key,
            salt: key.salt,
            time_offset: key.time_offset,
            init: self.shared.config.init.prefix(),
        };
        let now = self.shared.now();
        let mut session = ClientSession::new(config, now, self.shared.random());
        self.temporary = key
            .forward_secrecy
            .map(|secrecy| Temporary::begin(secrecy, &mut session, now));
        self.session = Some(session);
        self.keys_unknown = 0;
        for call in std::mem::take(&mut self.early) {
            self.give_to_session(call);
        }
        self.dial(ctx);
    }

    /// One timer for all deadlines of the session. One that is armed too early costs a look; re-arming it for every packet
    /// would cost more.
    fn arm(&mut self, ctx: &mut SupervisedContext<Self>) {
        let Some(at) = self.session.as_ref().and_then(ClientSession::poll_timeout) else {
            return;
        };
        match self.timer {
            Some((armed, _)) if armed <= at => return,
            Some((_, handle)) => drop(ctx.cancel_future(handle)),
            None => {}
        }
        let wait = at.saturating_sub(self.shared.monotonic());
        let handle = ctx.run_later(wait, |actor, ctx| {
            actor.timer = None;
            let now = actor.shared.now();
            if let Some(session) = &mut actor.session {
                session.handle_timeout(now);
            }
            actor.pump(ctx);
        });
        self.timer = Some((at, handle));
    }

    /// Ends every call; those that may have been carried out, as such.
    fn end_calls(&mut self, error: impl Fn(&Call) -> CallError) {
        let session = self.session.take();
        self.temporary = None;
        let mut calls: Vec<_> = std::mem::take(&mut self.calls).into_iter().collect();
        calls.sort_unstable_by_key(|(id, _)| *id);
        self.ids.clear();
        for (id, call) in calls {
            let never_sent = session.as_ref().and_then(|session| session.call_state(id))
                == Some(CallState::Queued);
            let error = if never_sent || call.may_happen_twice() {
                error(&call)
            } else {
                CallError::UnknownOutcome
            };
            call.settle(Err(error));
        }
        for call in std::mem::take(&mut self.early) {
            let error = error(&call);
            call.settle(Err(error));
        }
    }
}

impl Actor for ConnectionActor {
    type Context = SupervisedContext<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let shared = self.shared.clone();
        ctx.report_details(move || shared.activity.of_connection());
        if let Some(addresses) = self.shared.addresses()
            && self.shared.stopped().is_none()
        {
            addresses.datacenter.do_send(WantKey);
        }
    }
}

/// The key to begin a session with.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub(crate) struct UseKey {
    pub(crate) key: Arc<AuthKey>,
    pub(crate) salt: i64,
    pub(crate) time_offset: i64,
    /// For a temporary key.
    pub(crate) forward_secrecy: Option<ForwardSecrecy>,
}

impl Handler<UseKey> for ConnectionActor {
    type Result = ();

    fn handle(&mut self, key: UseKey, ctx: &mut Self::Context) {
        let same = |session: &ClientSession| session.key_id() == key.key.id();
        if self.session.as_ref().is_some_and(same) || self.is_renewed_by(&key, ctx) {
            return;
        }
        self.close("another key is used from now on", true, ctx);
        if self.session.is_some() {
            self.end_calls(|_| CallError::Retry("the key was replaced".to_owned()));
        }
        self.begin(key, ctx);
    }
}

/// A call to send.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct SendCall(pub(crate) Call);

impl Handler<SendCall> for ConnectionActor {
    type Result = ();

    fn handle(&mut self, SendCall(call): SendCall, ctx: &mut Self::Context) {
        if let Some(reason) = self.shared.stopped() {
            call.settle(Err(CallError::Stopped(reason)));
            return;
        }
        self.give_to_session(call);
        // Those that wait in the mailbox now go out in the same packet.
        if !std::mem::replace(&mut self.will_pump, true) {
            ctx.address().do_send(Pump);
        }
    }
}

/// Everything that was here when this was sent is with the session.
#[derive(Message)]
#[rtype(result = "()")]
struct Pump;

impl Handler<Pump> for ConnectionActor {
    type Result = ();

    fn handle(&mut self, Pump: Pump, ctx: &mut Self::Context) {
        self.will_pump = false;
        self.pump(ctx);
    }
}

/// Nobody wants the answer to this call.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct CancelCall(pub(crate) u64);

impl Handler<CancelCall> for ConnectionActor {
    type Result = ();

    fn handle(&mut self, CancelCall(number): CancelCall, ctx: &mut Self::Context) {
        if let Some(at) = self.early.iter().position(|call| call.id == number) {
            if let Some(call) = self.early.remove(at) {
                call.settle(Err(CallError::Cancelled));
            }
            return;
        }
        let Some(id) = self.ids.get(&number).copied() else {
            return;
        };
        if let Some(session) = &mut self.session {
            session.cancel(id);
        }
        if let Some(call) = self.take(id) {
            call.settle(Err(CallError::Cancelled));
        }
        self.pump(ctx);
    }
}

/// What came over the stream with this number; nothing, if no payload is whole yet.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Received {
    pub(crate) epoch: u64,
    pub(crate) inputs: Vec<Input>,
}

impl Handler<Received> for ConnectionActor {
    type Result = ();

    fn handle(&mut self, received: Received, ctx: &mut Self::Context) {
        if received.epoch == self.epoch {
            self.received(received.inputs, ctx);
        }
    }
}

/// The account cannot go on, for the reason that `Shared` knows. A new key lets it.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct StopConnection;

impl Handler<StopConnection> for ConnectionActor {
    type Result = ();

    fn handle(&mut self, StopConnection: StopConnection, ctx: &mut Self::Context) {
        self.close("the account has stopped", true, ctx);
        self.link = Link::Stopped;
        self.epoch += 1;
        let reason = self.shared.stopped();
        self.end_calls(|_| match &reason {
            Some(reason) => CallError::Stopped(reason.clone()),
            None => CallError::Retry("the session was given up".to_owned()),
        });
    }
}

/// The end: what is still under way is given back, and the connection closed. The sender goes when the last bytes are
/// written.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct CloseConnection(pub(crate) oneshot::Sender<()>);

impl Handler<CloseConnection> for ConnectionActor {
    type Result = ();

    fn handle(&mut self, CloseConnection(closed): CloseConnection, ctx: &mut Self::Context) {
        self.pump(ctx);
        if matches!(self.link, Link::Open(_)) {
            self.closing = Some(closed);
        }
        self.close("the account was shut down", true, ctx);
        self.link = Link::Stopped;
        self.epoch += 1;
        self.end_calls(|call| CallError::ShutDown {
            body: call.body.clone(),
        });
    }
}

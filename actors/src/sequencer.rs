//! The actor around the update stream: peers, order, delivery, and how far things were handled.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use actix::{Actor, AsyncContext as _, Handler, Message, SpawnHandle};
use actogram_runtime::SupervisedContext;
use actogram_store::{PeerKey, PeerRecord, Position, Write};
use actogram_tl::{Decode, Encode as _, enums, functions};
use bytes::Bytes;
use tokio::sync::oneshot;

use crate::{
    api::{Call, CallPolicy, Submit},
    entities::{self, Content},
    error::CallError,
    events::AccountEvent,
    shared::Shared,
    updates::{
        ChannelInput, DeliveredUpdate, Delivery, Done, FEW, Ledger, Passing, Request, UpdateSink,
        UpdateStream, unaccompanied, without_unknown,
    },
};

/// Puts updates in order and hands them to the account's [`UpdateSink`].
///
/// Answers that bring users, chats or updates come by here too, before those who wait for them are told: a message of
/// our own would otherwise look like a gap, and a peer would be unknown in the next call.
pub struct UpdatesActor {
    shared: Arc<Shared>,
    stream: UpdateStream,
    ledger: Arc<Ledger<Position>>,
    inbox: VecDeque<Incoming>,
    /// The first of the inbox waits for the store to say whether its sender is known.
    looking_up: bool,
    /// Where to begin, if something is stored; read anew in later lives.
    from: From,
    starting: Vec<oneshot::Sender<Result<(), CallError>>>,
    settling: Vec<oneshot::Sender<()>>,
    /// How few updates must be left with handlers for it to be told.
    waits_for: Option<usize>,
    timer: Option<(Duration, SpawnHandle)>,
}

enum From {
    /// What was read when the account was opened.
    Read(Option<Position>),
    /// It must be read from the store first.
    Unread,
    Reading,
}

/// What waits for its turn.
enum Incoming {
    Updates(enums::Updates),
    Affected {
        pts: i32,
        count: i32,
    },
    ChannelAffected(ChannelInput),
    /// The account is no longer in this channel.
    Left(i64),
    /// Says that a call is through, in its turn.
    Answer(Call, Bytes),
}

impl UpdatesActor {
    pub(crate) fn new(shared: Arc<Shared>, first: Option<Option<Position>>) -> Self {
        let from = first.map_or(From::Unread, From::Read);
        let mark = match from {
            From::Read(at) => at,
            _ => None,
        };
        Self {
            ledger: ledger(&shared, mark),
            shared,
            stream: UpdateStream::new(),
            inbox: VecDeque::new(),
            looking_up: false,
            from,
            starting: Vec::new(),
            settling: Vec::new(),
            waits_for: None,
            timer: None,
        }
    }

    fn now(&self) -> Duration {
        self.shared.monotonic()
    }

    /// What snapshots show.
    fn report(&self, ctx: &mut SupervisedContext<Self>) {
        let ledger = self.ledger.clone();
        ctx.report_details(move || {
            ledger.details(|at: Position| format!("pts {} qts {}", at.pts, at.qts))
        });
    }

    /// Begins if somebody is logged in and it is known from where.
    fn start(&mut self, ctx: &mut SupervisedContext<Self>) {
        if self.stream.is_started() {
            return;
        }
        let Some(me) = self.shared.me() else { return };
        match self.from {
            From::Read(at) => {
                let now = self.now();
                self.stream.start(now, me.id, at);
                self.ledger = ledger(&self.shared, at);
                self.report(ctx);
                self.shared.channels.catch_up(&self.shared);
                self.pump(ctx);
            }
            From::Reading => {}
            From::Unread => {
                self.from = From::Reading;
                let (store, load) = (self.shared.store.clone(), self.shared.store.load());
                ctx.spawn_body(
                    async move { (store, load.await).1 },
                    |actor, record, ctx| match record {
                        Ok(Ok(record)) => {
                            actor.from = From::Read(record.position);
                            actor.start(ctx);
                        }
                        Ok(Err(error)) => ctx.fail(error),
                        Err(error) => ctx.fail(error),
                    },
                );
            }
        }
    }

    /// Moves everything that can move.
    fn pump(&mut self, ctx: &mut SupervisedContext<Self>) {
        self.take_in(ctx);
        self.hand_out();
        self.wait_for_room();
        let now = self.now();
        if let Some(request) = self.stream.poll_request(now) {
            self.ask(request, ctx);
        }
        if self.stream.is_following() {
            for waiting in self.starting.drain(..) {
                // Whoever asked may have gone.
                let _ = waiting.send(Ok(()));
            }
        }
        if self.shared.room.taken() == 0 && self.inbox.is_empty() {
            for waiting in self.settling.drain(..) {
                let _ = waiting.send(());
            }
        }
        self.arm(ctx);
    }

    fn take_in(&mut self, ctx: &mut SupervisedContext<Self>) {
        while !self.looking_up
            && let Some(incoming) = self.inbox.pop_front()
        {
            let now = self.now();
            match incoming {
                Incoming::Updates(updates) => {
                    let wanted = unaccompanied(&updates);
                    if wanted.is_empty() || !self.stream.is_started() {
                        self.stream.handle_updates(now, updates);
                        self.route();
                    } else {
                        self.look_up(wanted, updates, ctx);
                    }
                }
                Incoming::ChannelAffected(input) if self.stream.is_started() => {
                    self.shared.channels.route(&self.shared, input);
                }
                Incoming::ChannelAffected(_) => {}
                Incoming::Left(channel) => self.shared.channels.left(&self.shared, channel),
                Incoming::Affected { pts, count } => self.stream.handle_affected(now, pts, count),
                Incoming::Answer(call, body) => call.settle(Ok(body)),
            }
        }
    }

    /// Whether those who did not come along are known. Nothing after these updates is looked at before.
    fn look_up(
        &mut self,
        wanted: BTreeSet<PeerKey>,
        updates: enums::Updates,
        ctx: &mut SupervisedContext<Self>,
    ) {
        self.looking_up = true;
        let store = self.shared.store.clone();
        let unknown = async move {
            let mut unknown = BTreeSet::new();
            for peer in wanted {
                let known = store.peer(peer).await;
                if !matches!(known, Ok(Some(PeerRecord { min: false, .. }))) {
                    unknown.insert(peer);
                }
            }
            (unknown, updates)
        };
        ctx.spawn_body(unknown, |actor, looked_up, ctx| {
            actor.looking_up = false;
            let now = actor.now();
            match looked_up {
                Ok((unknown, updates)) if unknown.is_empty() => {
                    actor.stream.handle_updates(now, updates);
                }
                Ok((unknown, updates)) => {
                    let (left, lost) = without_unknown(updates, &unknown);
                    if let Some(left) = left {
                        actor.stream.handle_updates(now, left);
                    }
                    if lost {
                        // The difference brings them along.
                        actor.stream.lost();
                    }
                }
                Err(_) => actor.stream.lost(),
            }
            actor.route();
            actor.pump(ctx);
        });
    }

    /// Before anything is handed out: what channels are behind by is to be stored before any position after it.
    fn route(&mut self) {
        while let Some(input) = self.stream.poll_channel_input() {
            self.shared.channels.route(&self.shared, input);
        }
    }

    /// Asks to be told when there is something to do again.
    fn wait_for_room(&mut self) {
        let few = if !self.settling.is_empty() && self.shared.room.taken() > 0 {
            0
        } else if !self.shared.room.is_there() {
            FEW
        } else {
            return;
        };
        if self.waits_for.is_some_and(|waits| waits <= few) {
            return;
        }
        self.waits_for = Some(few);
        let shared = self.shared.clone();
        self.shared.room.wait(few, move || {
            if let Some(addresses) = shared.addresses() {
                addresses.updates.do_send(CaughtUp);
            }
        });
    }

    fn hand_out(&mut self) {
        let Some(sink) = self.shared.sink() else {
            return;
        };
        while self.shared.room.is_there_for_passing()
            && let Some(Passing {
                update,
                entities,
                id,
            }) = self.stream.poll_passing()
        {
            sink.deliver(DeliveredUpdate {
                update,
                users: entities.users,
                chats: entities.chats,
                id,
                done: Done::of_passing(&self.shared.room),
            });
        }
        self.shared.note_queries(self.stream.waiting_queries());
        while self.shared.room.is_there()
            && let Some(delivery) = self.stream.poll_delivery()
        {
            match delivery {
                Delivery::Update {
                    update,
                    entities,
                    id,
                    after,
                } => sink.deliver(DeliveredUpdate {
                    update,
                    users: entities.users,
                    chats: entities.chats,
                    id,
                    done: self.ledger.out(after),
                }),
                Delivery::Moved(after) => self.ledger.moved(after),
                Delivery::Lost(after) => {
                    self.ledger.moved(after);
                    self.shared.emit(AccountEvent::UpdatesLost {
                        stream: "private chats and groups".to_owned(),
                    });
                }
                Delivery::Dropped(count) => {
                    self.shared.emit(AccountEvent::UpdatesDropped { count });
                }
            }
        }
    }

    fn ask(&mut self, request: Request, ctx: &mut SupervisedContext<Self>) {
        let body = match request {
            Request::State => functions::updates::GetState {}.to_bytes(),
            // Without `pts_total_limit`: what the datacenter still has is wanted, however much it is.
            Request::Difference(from) => {
                functions::updates::GetDifference::new(from.pts, from.date, from.qts).to_bytes()
            }
        };
        // Outside of the permits: calls that wait for updates must not keep updates from coming.
        let (call, answer) = Call::new(&self.shared, body, CallPolicy::default(), None, None);
        if let Some(addresses) = self.shared.addresses() {
            addresses.api.do_send(Submit(call));
        }
        ctx.spawn_body(answer, move |actor, answer, ctx| {
            let answer = match answer {
                Ok(Ok(answer)) => answer,
                _ => Err(CallError::Retry("the call was lost".to_owned())),
            };
            actor.answered(request, answer, ctx);
        });
    }

    fn answered(
        &mut self,
        request: Request,
        answer: Result<Bytes, CallError>,
        ctx: &mut SupervisedContext<Self>,
    ) {
        let now = self.now();
        let understood = answer.and_then(|answer| match request {
            Request::State => {
                let enums::updates::State::State(state) = decode(answer)?;
                self.begin_at(state, ctx);
                Ok(())
            }
            Request::Difference(_) => {
                let difference: enums::updates::Difference = decode(answer)?;
                self.stream.handle_difference(now, difference);
                self.route();
                Ok(())
            }
        });
        if let Err(error) = understood {
            tracing::warn!(%error, ?request, "updates could not be asked for");
            // Without a login there is nothing to follow; everything else may pass.
            if matches!(&error, CallError::Rpc { code: 401, .. }) {
                self.stream.stop();
            } else {
                self.stream.request_failed(now);
            }
            for waiting in self.starting.drain(..) {
                let _ = waiting.send(Err(error.clone()));
            }
        }
        self.pump(ctx);
    }

    /// Follows from a first position, once it is on the disk: without it a kill would skip what came meanwhile.
    fn begin_at(
        &mut self,
        state: Box<actogram_tl::types::updates::State>,
        ctx: &mut SupervisedContext<Self>,
    ) {
        let first = Position {
            pts: state.pts,
            qts: state.qts,
            date: state.date,
            seq: state.seq,
        };
        let stored = self.shared.store.write_synced(vec![Write::Position(first)]);
        ctx.spawn_body(stored, move |actor, stored, ctx| {
            let now = actor.now();
            match stored {
                Ok(Ok(())) => actor.stream.handle_state(now, &state),
                Ok(Err(error)) => {
                    actor.shared.emit(AccountEvent::StoreFailed {
                        why: error.to_string(),
                    });
                    actor.stream.request_failed(now);
                }
                Err(_) => actor.stream.request_failed(now),
            }
            actor.pump(ctx);
        });
    }

    fn arm(&mut self, ctx: &mut SupervisedContext<Self>) {
        let Some(at) = self.stream.poll_timeout() else {
            return;
        };
        match self.timer {
            Some((armed, _)) if armed <= at => return,
            Some((_, handle)) => drop(ctx.cancel_future(handle)),
            None => {}
        }
        let wait = at.saturating_sub(self.now());
        let handle = ctx.run_later(wait, |actor, ctx| {
            actor.timer = None;
            let now = actor.now();
            actor.stream.handle_timeout(now);
            actor.pump(ctx);
        });
        self.timer = Some((at, handle));
    }

    fn remember(&self, peers: impl IntoIterator<Item = PeerRecord>) {
        for peer in peers {
            // A record without a hash teaches nothing about users and channels, unless it says where they were seen.
            if peer.access_hash.is_some()
                || peer.seen_in.is_some()
                || peer.key.kind == actogram_store::PeerKind::Chat
            {
                self.shared.store.write(Write::Peer(peer));
            }
        }
    }

    /// Peers, and what moves sequences, in an answer.
    fn learn(&mut self, call: &Call, body: &Bytes) {
        let Some(function) = call.function else {
            return;
        };
        match call.content {
            Content::Plain => {}
            Content::Entities => self.remember(entities::peers_in_answer(function, body)),
            Content::Updates => {
                if let Ok(updates) = enums::Updates::from_bytes(body.clone()) {
                    self.learn_updates(updates);
                }
            }
            Content::Affected => {
                let Some((pts, count)) = affected(function.name, body) else {
                    return;
                };
                self.inbox
                    .push_back(match entities::channel_of(&call.body) {
                        Some(channel_id) => Incoming::ChannelAffected(ChannelInput::Affected {
                            channel_id,
                            at: (pts, count),
                        }),
                        None => Incoming::Affected { pts, count },
                    });
            }
        }
    }

    fn learn_updates(&mut self, updates: enums::Updates) {
        self.remember(entities::peers_in_updates(&updates));
        for (key, usernames) in entities::renamed(&updates) {
            self.shared.store.write(Write::Usernames { key, usernames });
        }
        let left = entities::left_channels(&updates);
        self.inbox.push_back(Incoming::Updates(updates));
        self.inbox.extend(left.into_iter().map(Incoming::Left));
    }
}

/// The ledger that stores positions, and wakes the actor when handlers have caught up.
fn ledger(shared: &Arc<Shared>, mark: Option<Position>) -> Arc<Ledger<Position>> {
    let room = shared.room.clone();
    let shared = shared.clone();
    let number = shared.next_ledger();
    Ledger::new(
        room,
        mark,
        Box::new(move |mark, _| {
            if let Some(mark) = mark
                && shared.me().is_some()
                && shared.present_ledger() == number
            {
                shared.store.write(Write::Position(mark));
            }
        }),
    )
}

fn decode<T: Decode>(answer: Bytes) -> Result<T, CallError> {
    T::from_bytes(answer).map_err(|error| {
        CallError::Bug(format!("updates were answered by something else: {error}"))
    })
}

/// `pts` and `pts_count` of an answer of that kind.
fn affected(method: &str, body: &Bytes) -> Option<(i32, i32)> {
    if let Ok(enums::messages::AffectedMessages::AffectedMessages(it)) =
        Decode::from_bytes(body.clone())
    {
        return Some((it.pts, it.pts_count));
    }
    if let Ok(enums::messages::AffectedHistory::AffectedHistory(it)) =
        Decode::from_bytes(body.clone())
    {
        return Some((it.pts, it.pts_count));
    }
    if let Ok(enums::messages::AffectedFoundMessages::AffectedFoundMessages(it)) =
        Decode::from_bytes(body.clone())
    {
        return Some((it.pts, it.pts_count));
    }
    tracing::warn!(
        method,
        "an answer that should move a sequence could not be read"
    );
    None
}

impl Actor for UpdatesActor {
    type Context = SupervisedContext<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.report(ctx);
        // In a later life: what was with handlers and not done when the last one failed comes again.
        if self.shared.is_following() {
            self.start(ctx);
        }
    }
}

/// An object of type `Updates` that the datacenter sent by itself.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct RawUpdates(pub(crate) Bytes);

impl Handler<RawUpdates> for UpdatesActor {
    type Result = ();

    fn handle(&mut self, RawUpdates(body): RawUpdates, ctx: &mut Self::Context) {
        match enums::Updates::from_bytes(body) {
            Ok(updates) => self.learn_updates(updates),
            Err(error) => {
                // Something newer than this version, or broken: what it was about comes with the difference.
                tracing::warn!(%error, "an update could not be read");
                self.stream.lost();
            }
        }
        self.pump(ctx);
    }
}

/// A call was answered, with something that others must see before whoever waits for it.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Answered {
    pub(crate) call: Call,
    pub(crate) body: Bytes,
}

impl Handler<Answered> for UpdatesActor {
    type Result = ();

    fn handle(&mut self, Answered { call, body }: Answered, ctx: &mut Self::Context) {
        self.learn(&call, &body);
        self.inbox.push_back(Incoming::Answer(call, body));
        self.pump(ctx);
    }
}

/// There is a connection again.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Connected;

impl Handler<Connected> for UpdatesActor {
    type Result = ();

    fn handle(&mut self, Connected: Connected, ctx: &mut Self::Context) {
        self.stream.lost();
        self.pump(ctx);
    }
}

/// The datacenter has lost the session, and with it what it was about to send.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct SessionLost;

impl Handler<SessionLost> for UpdatesActor {
    type Result = ();

    fn handle(&mut self, SessionLost: SessionLost, ctx: &mut Self::Context) {
        self.stream.lost();
        self.pump(ctx);
    }
}

/// Begin, and say when what was missed has been told.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct StartUpdates(pub(crate) oneshot::Sender<Result<(), CallError>>);

impl Handler<StartUpdates> for UpdatesActor {
    type Result = ();

    fn handle(&mut self, StartUpdates(told): StartUpdates, ctx: &mut Self::Context) {
        if self.shared.me().is_none() {
            let error = CallError::Rpc {
                code: 401,
                message: "AUTH_KEY_UNREGISTERED".to_owned(),
            };
            let _ = told.send(Err(error));
            return;
        }
        self.starting.push(told);
        self.shared.set_following(true);
        self.start(ctx);
        self.pump(ctx);
    }
}

/// Where updates go from now on.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct SetSink(pub(crate) Arc<dyn UpdateSink>);

impl Handler<SetSink> for UpdatesActor {
    type Result = ();

    fn handle(&mut self, SetSink(sink): SetSink, ctx: &mut Self::Context) {
        self.shared.set_sink(Some(sink));
        self.shared.channels.wake();
        self.pump(ctx);
    }
}

/// Nobody is logged in any more.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct LoggedOut;

impl Handler<LoggedOut> for UpdatesActor {
    type Result = ();

    fn handle(&mut self, LoggedOut: LoggedOut, ctx: &mut Self::Context) {
        self.stream.stop();
        self.shared.channels.clear();
        self.shared.set_following(false);
        // The next login is somebody else's, perhaps: it begins from its own state.
        self.from = From::Read(None);
        self.pump(ctx);
    }
}

/// Say when everything that is with handlers has been handled. Nothing new is handed out.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Settle(pub(crate) oneshot::Sender<()>);

impl Handler<Settle> for UpdatesActor {
    type Result = ();

    fn handle(&mut self, Settle(told): Settle, ctx: &mut Self::Context) {
        self.shared.set_sink(None);
        self.settling.push(told);
        self.pump(ctx);
    }
}

/// Say how many updates are with handlers.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct CountUndone(pub(crate) oneshot::Sender<usize>);

impl Handler<CountUndone> for UpdatesActor {
    type Result = ();

    fn handle(&mut self, CountUndone(tell): CountUndone, _: &mut Self::Context) {
        // Whoever asked may have gone.
        let _ = tell.send(self.shared.room.taken());
    }
}

/// Handlers have caught up.
#[derive(Message)]
#[rtype(result = "()")]
struct CaughtUp;

impl Handler<CaughtUp> for UpdatesActor {
    type Result = ();

    fn handle(&mut self, CaughtUp: CaughtUp, ctx: &mut Self::Context) {
        self.waits_for = None;
        self.pump(ctx);
    }
}

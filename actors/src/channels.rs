//! The actors around the sequences of channels: one for each channel in which something happens.
//!
//! A channel at rest is a line in a table: where it is. Its actor begins with the first update and ends after a quiet
//! minute, or when the account may not see the channel any more.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use actix::{Actor, ActorContext as _, Addr, AsyncContext as _, Handler, Message, SpawnHandle};
use actogram_runtime::{ChildHandle, RestartPolicy, SupervisedContext, Supervisor, supervise};
use actogram_store::{ChannelPosition, PeerKey, PeerKind, Write};
use actogram_tl::{Decode as _, Encode as _, enums, functions, types};
use bytes::Bytes;
use tokio::sync::Semaphore;

use crate::{
    api::{Call, CallPolicy, Submit},
    error::CallError,
    events::AccountEvent,
    shared::Shared,
    updates::{
        ChannelDelivery, ChannelInput, ChannelRequest, ChannelStream, DeliveredUpdate, FEW, Ledger,
    },
};

/// How many differences of channels may be under way at a time: after a long absence, thousands are wanted at once.
const MOST_DIFFERENCES: usize = 10;

/// How many updates may wait in the actors of all channels. Beyond, those in a sequence are asked for later.
const MOST_WAITING: usize = 8192;

/// How long a channel's actor lives on when nothing happens.
const REST: Duration = Duration::from_secs(60);

/// Where an account's channels are, and their actors.
pub(crate) struct Channels {
    table: Mutex<BTreeMap<i64, Entry>>,
    group: Supervisor,
    /// Lives of all actors have numbers of their own: what a channel that was left still has with handlers must not
    /// be taken for what is handed out after it was joined again.
    lives: AtomicU64,
    waiting: AtomicUsize,
    differences: Semaphore,
}

#[derive(Default)]
struct Entry {
    /// Everything up to here has been handled.
    mark: Option<i32>,
    /// Something beyond is known of; the store says so too.
    behind: bool,
    /// Which life of the actor may move the mark.
    life: u64,
    live: Option<Box<Live>>,
}

struct Live {
    addr: Addr<ChannelActor>,
    child: ChildHandle,
    /// It is about to end, unless something comes.
    resting: bool,
}

impl Channels {
    pub(crate) fn new(group: Supervisor, known: &[ChannelPosition]) -> Self {
        let table = known.iter().map(|at| {
            let entry = Entry {
                mark: Some(at.pts),
                behind: at.behind,
                ..Entry::default()
            };
            (at.channel_id, entry)
        });
        Self {
            table: Mutex::new(table.collect()),
            group,
            lives: AtomicU64::new(0),
            waiting: AtomicUsize::new(0),
            differences: Semaphore::new(MOST_DIFFERENCES),
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<i64, Entry>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands something to the channel's actor, on the account's thread. What is to come is in the store before anything
    /// after it can be.
    pub(crate) fn route(&self, shared: &Arc<Shared>, input: ChannelInput) {
        let id = input.channel_id();
        let mut table = self.lock();
        let mark = table.get(&id).and_then(|entry| entry.mark);
        let begins = match &input {
            ChannelInput::Update {
                at: (pts, count), ..
            }
            | ChannelInput::Affected {
                at: (pts, count), ..
            } => {
                if mark.is_some_and(|mark| *pts <= mark && *count > 0) {
                    tracing::trace!(channel = id, pts, "an update came again");
                    return;
                }
                Some(pts.saturating_sub((*count).max(0)))
            }
            ChannelInput::TooLong { pts, .. } => {
                if matches!((pts, mark), (Some(pts), Some(mark)) if *pts <= mark) {
                    return;
                }
                None
            }
        };
        if mark.is_none() && matches!(input, ChannelInput::Affected { .. }) {
            return;
        }
        let entry = table.entry(id).or_default();
        if !entry.behind {
            entry.behind = true;
            if let Some(pts) = mark.or(begins) {
                store(shared, id, pts, true);
            }
        }
        match &mut entry.live {
            Some(live) => {
                live.resting = false;
                live.addr.do_send(Input(input));
            }
            None => self.begin(shared, id, entry).do_send(Input(input)),
        }
    }

    fn begin(&self, shared: &Arc<Shared>, id: i64, entry: &mut Entry) -> Addr<ChannelActor> {
        let shared = shared.clone();
        let child = supervise(move |_| ChannelActor::new(shared.clone(), id))
            .name(format!("channel {id}"))
            .policy(RestartPolicy::Transient)
            .under(&self.group)
            .spawn();
        let addr = child.addr().clone();
        entry.live = Some(Box::new(Live {
            addr: addr.clone(),
            child: child.handle(),
            resting: false,
        }));
        addr
    }

    /// Asks about those that were behind when the account was last closed.
    pub(crate) fn catch_up(&self, shared: &Arc<Shared>) {
        for (id, entry) in self.lock().iter_mut() {
            if entry.behind && entry.live.is_none() {
                self.begin(shared, *id, entry).do_send(AskNow);
            }
        }
    }

    /// Somebody takes updates again.
    pub(crate) fn wake(&self) {
        for entry in self.lock().values() {
            if let Some(live) = &entry.live {
                live.addr.do_send(CaughtUp);
            }
        }
    }

    /// How many updates wait in the actors of all channels.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Acquire)
    }

    /// The account has left the channel.
    pub(crate) fn left(&self, shared: &Shared, id: i64) {
        let mut table = self.lock();
        match table.get(&id).map(|entry| &entry.live) {
            Some(Some(live)) => live.addr.do_send(Left),
            Some(None) => {
                table.remove(&id);
                shared.store.write(Write::ForgetChannel(id));
            }
            None => {}
        }
    }

    /// Nobody is logged in any more.
    pub(crate) fn clear(&self) {
        for entry in std::mem::take(&mut *self.lock()).into_values() {
            if let Some(live) = entry.live {
                live.child.stop();
            }
        }
    }

    /// A new life of the channel's actor: its number, and where it begins.
    fn begin_life(&self, id: i64) -> (u64, Option<i32>) {
        let mut table = self.lock();
        let entry = table.entry(id).or_default();
        entry.life = self.lives.fetch_add(1, Ordering::Relaxed) + 1;
        (entry.life, entry.mark)
    }

    fn with_life(&self, id: i64, life: u64, act: impl FnOnce(&mut Entry)) {
        if let Some(entry) = self.lock().get_mut(&id)
            && entry.life == life
        {
            act(entry);
        }
    }

    fn handled(&self, shared: &Shared, id: i64, life: u64, mark: i32) {
        self.with_life(id, life, |entry| {
            entry.mark = Some(mark);
            store(shared, id, mark, entry.behind);
        });
    }

    /// Everything known of has been handled.
    fn caught_up(&self, shared: &Shared, id: i64, life: u64) {
        self.with_life(id, life, |entry| {
            if std::mem::take(&mut entry.behind)
                && let Some(mark) = entry.mark
            {
                store(shared, id, mark, false);
            }
        });
    }

    fn addr(&self, id: i64) -> Option<Addr<ChannelActor>> {
        let table = self.lock();
        Some(table.get(&id)?.live.as_ref()?.addr.clone())
    }

    /// The actor wants to end, once it has seen what is on its way to it.
    fn rest(&self, id: i64, life: u64) {
        self.with_life(id, life, |entry| {
            if let Some(live) = &mut entry.live {
                live.resting = true;
            }
        });
    }

    /// Whether it may.
    fn may_end(&self, id: i64, life: u64) -> bool {
        let mut ends = false;
        self.with_life(id, life, |entry| {
            ends = entry.live.as_ref().is_some_and(|live| live.resting);
            if ends {
                entry.live = None;
            }
        });
        ends
    }

    fn remove(&self, shared: &Shared, id: i64, life: u64) {
        let mut table = self.lock();
        if table.get(&id).is_some_and(|entry| entry.life == life) {
            table.remove(&id);
            shared.store.write(Write::ForgetChannel(id));
        }
    }
}

impl fmt::Debug for Channels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channels")
            .field("known", &self.lock().len())
            .field("waiting", &self.waiting())
            .finish_non_exhaustive()
    }
}

fn store(shared: &Shared, channel_id: i64, pts: i32, behind: bool) {
    if shared.me().is_some() {
        let at = ChannelPosition {
            channel_id,
            pts,
            behind,
        };
        shared.store.write(Write::ChannelPosition(at));
    }
}

/// Puts one channel's updates in order and hands them to the account's [`UpdateSink`](crate::UpdateSink).
pub struct ChannelActor {
    shared: Arc<Shared>,
    id: i64,
    life: u64,
    stream: ChannelStream,
    ledger: Arc<Ledger<i32>>,
    /// How many updates it has been counted for in [`Channels::waiting`].
    counted: usize,
    waits_for_room: bool,
    /// Why it ends once what it has is handed out.
    closing: Option<String>,
    idle_since: Option<Duration>,
    timer: Option<(Duration, SpawnHandle)>,
}

impl ChannelActor {
    fn new(shared: Arc<Shared>, id: i64) -> Self {
        let (life, mark) = shared.channels.begin_life(id);
        Self {
            ledger: ledger(&shared, id, life, mark),
            shared,
            id,
            life,
            stream: ChannelStream::new(mark),
            counted: 0,
            waits_for_room: false,
            closing: None,
            idle_since: None,
            timer: None,
        }
    }

    fn pump(&mut self, ctx: &mut SupervisedContext<Self>) {
        self.hand_out(ctx);
        let now = self.shared.monotonic();
        if self.closing.is_none()
            && let Some(request) = self.stream.poll_request(now)
        {
            self.ask(request, ctx);
        }
        self.count(self.stream.waiting());
        if self.closing.is_some() {
            self.close_when_empty(ctx);
            return;
        }
        if self.stream.is_idle() && self.ledger.undone() == 0 {
            self.idle_since.get_or_insert(now);
            (self.shared.channels).caught_up(&self.shared, self.id, self.life);
        } else {
            self.idle_since = None;
        }
        self.arm(now, ctx);
    }

    /// Says how many updates wait here.
    fn count(&mut self, waiting: usize) {
        let all = &self.shared.channels.waiting;
        all.fetch_add(waiting, Ordering::AcqRel);
        all.fetch_sub(self.counted, Ordering::AcqRel);
        self.counted = waiting;
    }

    fn hand_out(&mut self, ctx: &mut SupervisedContext<Self>) {
        let Some(sink) = self.shared.sink() else {
            return;
        };
        loop {
            if !self.shared.room.is_there() {
                if !std::mem::replace(&mut self.waits_for_room, true) {
                    let addr = ctx.address();
                    self.shared.room.wait(FEW, move || addr.do_send(HasRoom));
                }
                return;
            }
            match self.stream.poll_delivery() {
                Some(ChannelDelivery::Update {
                    update,
                    entities,
                    id,
                    after,
                }) => sink.deliver(DeliveredUpdate {
                    update,
                    users: entities.users,
                    chats: entities.chats,
                    id,
                    done: self.ledger.out(after),
                }),
                Some(ChannelDelivery::Moved(after)) => self.ledger.moved(after),
                Some(ChannelDelivery::Lost(after)) => {
                    self.ledger.moved(after);
                    self.tell_of_loss();
                }
                None => return,
            }
        }
    }

    fn tell_of_loss(&self) {
        self.shared.emit(AccountEvent::UpdatesLost {
            stream: format!("channel {}", self.id),
        });
    }

    fn ask(&self, request: ChannelRequest, ctx: &mut SupervisedContext<Self>) {
        let (shared, id) = (self.shared.clone(), self.id);
        let answer = async move {
            // It is never closed.
            let permit = shared.channels.differences.acquire().await;
            let key = PeerKey {
                kind: PeerKind::Channel,
                id,
            };
            let known = (shared.store.peer(key).await).map_err(|error| {
                Unasked::Failed(CallError::Retry(format!(
                    "the channel could not be looked up: {error}"
                )))
            })?;
            let hash = known
                .filter(|peer| !peer.min)
                .and_then(|peer| peer.access_hash);
            let access_hash = hash.ok_or(Unasked::Unknown)?;
            let channel = types::InputChannel {
                channel_id: id,
                access_hash,
            };
            let body = functions::updates::GetChannelDifference {
                force: false,
                channel: channel.into(),
                filter: enums::ChannelMessagesFilter::ChannelMessagesFilterEmpty,
                pts: request.pts,
                limit: request.limit,
            };
            // Outside of the permits: calls that wait for updates must not keep updates from coming.
            let (call, answer) =
                Call::new(&shared, body.to_bytes(), CallPolicy::default(), None, None);
            if let Some(addresses) = shared.addresses() {
                addresses.api.do_send(Submit(call));
            }
            let answer = match answer.await {
                Ok(answer) => answer.map_err(Unasked::Failed),
                Err(_) => Err(lost()),
            };
            drop(permit);
            answer
        };
        ctx.spawn_body(answer, |actor, answer, ctx| {
            actor.answered(answer.unwrap_or_else(|_| Err(lost())), ctx);
        });
    }

    fn answered(&mut self, answer: Result<Bytes, Unasked>, ctx: &mut SupervisedContext<Self>) {
        let now = self.shared.monotonic();
        let difference = answer.and_then(|answer| {
            enums::updates::ChannelDifference::from_bytes(answer).map_err(|error| {
                Unasked::Failed(CallError::Bug(format!(
                    "a channel's difference was answered by something else: {error}"
                )))
            })
        });
        match difference {
            Ok(difference) => self.stream.handle_difference(now, difference),
            Err(Unasked::Unknown) => {
                tracing::warn!(
                    channel = self.id,
                    "a channel without access hash cannot be asked about"
                );
                self.begin_anew();
            }
            Err(Unasked::Failed(error)) => self.refused(now, &error),
        }
        self.pump(ctx);
    }

    fn refused(&mut self, now: Duration, error: &CallError) {
        tracing::warn!(channel = self.id, %error, "a channel's updates could not be asked for");
        let name = match error {
            CallError::Rpc { message, .. } => message.as_str(),
            _ => "",
        };
        match name {
            "CHANNEL_PRIVATE" | "CHANNEL_INVALID" | "CHANNEL_PUBLIC_GROUP_NA" => {
                self.closing = Some(name.to_owned());
            }
            "PERSISTENT_TIMESTAMP_EMPTY" | "PERSISTENT_TIMESTAMP_INVALID" => self.begin_anew(),
            _ => self.stream.request_failed(now),
        }
    }

    /// What was missed cannot be asked for: it goes on with what comes next.
    fn begin_anew(&mut self) {
        self.stream.begin_anew();
        self.tell_of_loss();
    }

    fn close_when_empty(&mut self, ctx: &mut SupervisedContext<Self>) {
        if self.stream.has_ready() && self.shared.sink().is_some() {
            return;
        }
        if let Some(why) = self.closing.take() {
            self.shared
                .channels
                .remove(&self.shared, self.id, self.life);
            self.shared.emit(AccountEvent::ChannelClosed {
                channel_id: self.id,
                why,
            });
            ctx.stop();
        }
    }

    fn arm(&mut self, now: Duration, ctx: &mut SupervisedContext<Self>) {
        let rest = self.idle_since.map(|since| since + REST);
        let Some(at) = rest.or(self.stream.poll_timeout()) else {
            return;
        };
        match self.timer {
            Some((armed, _)) if armed <= at => return,
            Some((_, handle)) => drop(ctx.cancel_future(handle)),
            None => {}
        }
        let handle = ctx.run_later(at.saturating_sub(now), |actor, ctx| {
            actor.timer = None;
            let now = actor.shared.monotonic();
            actor.stream.handle_timeout(now);
            if actor.idle_since.is_some_and(|since| since + REST <= now) {
                actor.shared.channels.rest(actor.id, actor.life);
                ctx.address().do_send(EndOfRest);
                return;
            }
            actor.pump(ctx);
        });
        self.timer = Some((at, handle));
    }

    fn report(&self, ctx: &mut SupervisedContext<Self>) {
        let ledger = self.ledger.clone();
        ctx.report_details(move || ledger.details(|pts| format!("pts {pts}")));
    }
}

impl Drop for ChannelActor {
    fn drop(&mut self) {
        self.count(0);
    }
}

impl fmt::Debug for ChannelActor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChannelActor")
            .field("id", &self.id)
            .field("stream", &self.stream)
            .finish_non_exhaustive()
    }
}

/// Why there is no difference.
enum Unasked {
    /// The account has no access hash for the channel.
    Unknown,
    Failed(CallError),
}

fn lost() -> Unasked {
    Unasked::Failed(CallError::Retry("the call was lost".to_owned()))
}

/// The ledger that stores the channel's position, and tells the actor when handlers are through.
fn ledger(shared: &Arc<Shared>, id: i64, life: u64, mark: Option<i32>) -> Arc<Ledger<i32>> {
    let room = shared.room.clone();
    let shared = shared.clone();
    Ledger::new(
        room,
        mark,
        Box::new(move |mark, undone| {
            if let Some(mark) = mark {
                shared.channels.handled(&shared, id, life, mark);
            }
            if undone == 0
                && let Some(addr) = shared.channels.addr(id)
            {
                addr.do_send(CaughtUp);
            }
        }),
    )
}

impl Actor for ChannelActor {
    type Context = SupervisedContext<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.report(ctx);
        // In a later life: what was with handlers and not done when the last one failed comes again.
        if ctx.generation() > 1 {
            self.stream.lost();
        }
        self.pump(ctx);
    }
}

/// Updates were missed.
#[derive(Message)]
#[rtype(result = "()")]
struct AskNow;

impl Handler<AskNow> for ChannelActor {
    type Result = ();

    fn handle(&mut self, AskNow: AskNow, ctx: &mut Self::Context) {
        self.stream.lost();
        self.pump(ctx);
    }
}

/// Something for the channel's sequence.
#[derive(Message)]
#[rtype(result = "()")]
struct Input(ChannelInput);

impl Handler<Input> for ChannelActor {
    type Result = ();

    fn handle(&mut self, Input(input): Input, ctx: &mut Self::Context) {
        let now = self.shared.monotonic();
        let room = self.counted == 0 || self.shared.channels.waiting() < MOST_WAITING;
        self.stream.handle(now, input, room);
        self.pump(ctx);
    }
}

/// Handlers are through, or there is somebody to hand updates to.
#[derive(Message)]
#[rtype(result = "()")]
struct CaughtUp;

impl Handler<CaughtUp> for ChannelActor {
    type Result = ();

    fn handle(&mut self, CaughtUp: CaughtUp, ctx: &mut Self::Context) {
        self.pump(ctx);
    }
}

/// More may go to handlers.
#[derive(Message)]
#[rtype(result = "()")]
struct HasRoom;

impl Handler<HasRoom> for ChannelActor {
    type Result = ();

    fn handle(&mut self, HasRoom: HasRoom, ctx: &mut Self::Context) {
        self.waits_for_room = false;
        self.pump(ctx);
    }
}

/// The account has left the channel.
#[derive(Message)]
#[rtype(result = "()")]
struct Left;

impl Handler<Left> for ChannelActor {
    type Result = ();

    fn handle(&mut self, Left: Left, ctx: &mut Self::Context) {
        self.closing = Some("the account has left it".to_owned());
        self.pump(ctx);
    }
}

/// What was on its way when it wanted to end has come.
#[derive(Message)]
#[rtype(result = "()")]
struct EndOfRest;

impl Handler<EndOfRest> for ChannelActor {
    type Result = ();

    fn handle(&mut self, EndOfRest: EndOfRest, ctx: &mut Self::Context) {
        if self.shared.channels.may_end(self.id, self.life) {
            ctx.stop();
        } else {
            self.pump(ctx);
        }
    }
}

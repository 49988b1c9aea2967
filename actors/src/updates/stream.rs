//! The common update sequences as a state machine (<https://core.telegram.org/api/updates>).

use std::{
    collections::{BTreeMap, HashSet, VecDeque},
    time::Duration,
};

use actogram_store::Position;
use actogram_tl::{enums, types};

use super::{
    channel_stream::ChannelInput,
    classify::{Place, dedupe_id, into_owned, place},
    delivery::{DedupeId, Entities},
    gap::{Gap, Held, Offered},
    passing::{Passing, PassingUpdates, Taken},
    retry::Retry,
    short,
};

/// This long after it was last asked, the datacenter is asked whether anything was missed: of a sequence in which
/// nothing else happens, nothing else would tell.
const CHECK: Duration = Duration::from_secs(15 * 60);

/// How many containers may wait for a difference to end, and updates for a gap to close. Beyond, the datacenter is
/// asked for them instead.
const MOST_WAITING: usize = 1024;

/// How many updates may wait to be taken. Beyond, those in a sequence are dropped and asked for later.
const MOST_READY: usize = 4096;

/// What the stream gives.
#[derive(Debug, Clone)]
pub enum Delivery {
    /// An update whose turn it is.
    Update {
        /// The update.
        update: enums::Update,
        /// What came with it.
        entities: Entities,
        /// What names it.
        id: DedupeId,
        /// The position once this and everything before it has been handled.
        after: Position,
    },
    /// The position moved and there is nothing to handle.
    Moved(Position),
    /// The datacenter no longer has the updates up to this position: they are lost for good.
    Lost(Position),
    /// So many updates outside of all sequences were dropped because nobody took them.
    Dropped(u64),
}

/// What the stream asks the datacenter for. There is at most one at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// `updates.getState`.
    State,
    /// `updates.getDifference` from here.
    Difference(Position),
}

/// A container whose updates wait.
#[derive(Debug, Clone)]
struct Container {
    updates: Vec<enums::Update>,
    entities: Entities,
    date: i32,
    seq_start: i32,
    seq: i32,
}

/// What the stream is doing.
///
/// ```text
///            start: position unknown          known
///  Idle ──────────► Asking(State) ◄─┐   ┌────────────► Asking(Difference)
///   ▲                    │ state    │   │ gap 0.5 s, silence, lost, too long  ▲ │
///   │                    ▼          │   │                                     │ │ last part
///   └── logged out ── Following ────┴───┴─────────────────────────────────────┘ │
///                        ▲                                                      │
///                        └──────────────────────────────────────────────────────┘
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doing {
    /// Nobody is logged in, or nobody has asked for updates.
    Idle,
    /// A request is wanted (`sent: false`) or under way.
    Asking { request: Request, sent: bool },
    /// Live.
    Following,
}

/// Puts the common sequences in order. It is handed the time, as a duration since any fixed origin.
#[derive(Debug)]
pub struct UpdateStream {
    me: i64,
    doing: Doing,
    at: Position,
    held_pts: Held,
    held_qts: BTreeMap<i32, (enums::Update, Entities)>,
    held_seq: BTreeMap<i32, Container>,
    gap: Gap,
    /// What came while a request was under way.
    postponed: VecDeque<Container>,
    /// Something was dropped or announced that only another difference brings.
    again: bool,
    retry: Retry,
    checked_at: Duration,
    ready: VecDeque<Delivery>,
    passing: PassingUpdates,
    channel_inputs: VecDeque<ChannelInput>,
    dropped: u64,
}

impl UpdateStream {
    /// A stream that waits to be [started](Self::start).
    pub fn new() -> Self {
        Self {
            me: 0,
            doing: Doing::Idle,
            at: Position::default(),
            held_pts: Held::default(),
            held_qts: BTreeMap::new(),
            held_seq: BTreeMap::new(),
            gap: Gap::default(),
            postponed: VecDeque::new(),
            again: false,
            retry: Retry::default(),
            checked_at: Duration::ZERO,
            ready: VecDeque::new(),
            passing: PassingUpdates::default(),
            channel_inputs: VecDeque::new(),
            dropped: 0,
        }
    }

    /// Begins for the account `me`: from where it left off, or from now.
    pub fn start(&mut self, now: Duration, me: i64, from: Option<Position>) {
        *self = Self {
            me,
            checked_at: now,
            ..Self::new()
        };
        let request = match from {
            Some(at) => {
                self.at = at;
                Request::Difference(at)
            }
            None => Request::State,
        };
        self.doing = Doing::Asking {
            request,
            sent: false,
        };
    }

    /// Nobody is logged in any more.
    pub fn stop(&mut self) {
        *self = Self::new();
    }

    /// Whether it has begun.
    pub fn is_started(&self) -> bool {
        self.doing != Doing::Idle
    }

    /// Whether nothing is being asked for: what was missed has been told, as far as is known.
    pub fn is_following(&self) -> bool {
        self.doing == Doing::Following
    }

    /// The position of what has been given out, whether or not it has been handled.
    pub fn position(&self) -> Position {
        self.at
    }

    /// What to ask the datacenter for. Each is given once; answer it with [`handle_state`](Self::handle_state),
    /// [`handle_difference`](Self::handle_difference) or [`request_failed`](Self::request_failed).
    pub fn poll_request(&mut self, now: Duration) -> Option<Request> {
        let Doing::Asking {
            request,
            sent: false,
        } = self.doing
        else {
            return None;
        };
        // What is asked for must find room.
        if !self.retry.may(now) || self.ready.len() >= MOST_READY / 2 {
            return None;
        }
        self.doing = Doing::Asking {
            request,
            sent: true,
        };
        Some(request)
    }

    /// What to hand on before anything in a sequence.
    pub fn poll_passing(&mut self) -> Option<Passing> {
        self.passing.next()
    }

    /// How many queries wait to be handed on.
    pub fn waiting_queries(&self) -> usize {
        self.passing.queries()
    }

    /// What to hand on next.
    pub fn poll_delivery(&mut self) -> Option<Delivery> {
        if self.dropped > 0 {
            return Some(Delivery::Dropped(std::mem::take(&mut self.dropped)));
        }
        let delivery = self.ready.pop_front();
        if delivery.is_none() && self.again && self.doing == Doing::Following {
            self.ask();
        }
        delivery
    }

    /// What to hand to the sequences of channels. To be emptied after each turn.
    pub fn poll_channel_input(&mut self) -> Option<ChannelInput> {
        self.channel_inputs.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is wanted.
    pub fn poll_timeout(&self) -> Option<Duration> {
        match self.doing {
            Doing::Idle => None,
            Doing::Asking { sent: true, .. } => None,
            Doing::Asking { sent: false, .. } => self.retry.at(),
            Doing::Following => {
                let check = self.checked_at + CHECK;
                Some(self.gap.deadline().map_or(check, |gap| gap.min(check)))
            }
        }
    }

    /// A deadline may have passed.
    pub fn handle_timeout(&mut self, now: Duration) {
        if self.doing == Doing::Following && self.poll_timeout().is_some_and(|at| at <= now) {
            self.checked_at = now;
            self.ask();
        }
    }

    /// Updates may be missing: the session was lost, or the connection was another one for a while.
    pub fn lost(&mut self) {
        match self.doing {
            Doing::Following => self.ask(),
            Doing::Asking { sent: true, .. } => self.again = true,
            _ => {}
        }
    }

    fn ask(&mut self) {
        self.again = false;
        self.gap.asked();
        self.doing = Doing::Asking {
            request: Request::Difference(self.at),
            sent: false,
        };
    }

    /// Something came from the datacenter, by itself or as the answer to a call of ours.
    pub fn handle_updates(&mut self, now: Duration, updates: enums::Updates) {
        if self.doing == Doing::Idle {
            return;
        }
        let mut container = match updates {
            enums::Updates::UpdatesTooLong => {
                self.lost();
                return;
            }
            enums::Updates::UpdateShort(short) => {
                let short: types::UpdateShort = into_owned(short);
                Container::unnumbered(short.update, short.date)
            }
            enums::Updates::UpdateShortMessage(short) => {
                let date = short.date;
                Container::unnumbered(short::private(*short, self.me), date)
            }
            enums::Updates::UpdateShortChatMessage(short) => {
                let date = short.date;
                Container::unnumbered(short::group(*short), date)
            }
            // Only an answer has this form, and whoever called knows what was sent.
            enums::Updates::UpdateShortSentMessage(short) => {
                self.handle_affected(now, short.pts, short.pts_count);
                return;
            }
            enums::Updates::Updates(updates) => {
                let updates: types::Updates = into_owned(updates);
                Container {
                    entities: Entities::new(updates.users, updates.chats),
                    updates: updates.updates,
                    date: updates.date,
                    seq_start: updates.seq,
                    seq: updates.seq,
                }
            }
            enums::Updates::UpdatesCombined(updates) => {
                let updates: types::UpdatesCombined = into_owned(updates);
                Container {
                    entities: Entities::new(updates.users, updates.chats),
                    updates: updates.updates,
                    date: updates.date,
                    seq_start: updates.seq_start,
                    seq: updates.seq,
                }
            }
        };
        self.hand_to_channels(&mut container.updates, &container.entities);
        self.handle_container(now, container);
    }

    /// Takes out of these what has its place in a channel.
    fn hand_to_channels(&mut self, updates: &mut Vec<enums::Update>, entities: &Entities) {
        let since = self.at.date;
        let of_channels = |update: &mut enums::Update| {
            matches!(update, enums::Update::UpdateChannelTooLong(_))
                || matches!(place(update), Place::Channel { .. })
        };
        for update in updates.extract_if(.., of_channels) {
            self.channel_inputs
                .push_back(match (place(&update), update) {
                    (_, enums::Update::UpdateChannelTooLong(update)) => ChannelInput::TooLong {
                        channel_id: update.channel_id,
                        pts: update.pts,
                        since,
                    },
                    (
                        Place::Channel {
                            channel_id,
                            pts,
                            count,
                        },
                        update,
                    ) => ChannelInput::Update {
                        channel_id,
                        at: (pts, count),
                        update,
                        entities: entities.clone(),
                    },
                    // The filter above lets nothing else through.
                    _ => continue,
                });
        }
    }

    /// A call of ours moved the common sequence (`messages.affectedMessages` and its kin).
    pub fn handle_affected(&mut self, now: Duration, pts: i32, count: i32) {
        // An update that says the same without anything to see.
        let update = types::UpdateDeleteMessages {
            messages: Vec::new(),
            pts,
            pts_count: count,
        }
        .into();
        match self.doing {
            Doing::Idle => {}
            Doing::Asking { .. } => self.postpone(Container::unnumbered(update, 0)),
            Doing::Following => {
                self.offer_pts(now, pts, count, update, Entities::none());
                self.drain(now);
            }
        }
    }

    fn postpone(&mut self, container: Container) {
        self.postponed.push_back(container);
        if self.postponed.len() > MOST_WAITING
            && let Some(oldest) = self.postponed.pop_front()
        {
            self.give_up_ordered(oldest);
        }
    }

    /// Keeps of a container what no difference brings.
    fn give_up_ordered(&mut self, container: Container) {
        self.again = true;
        for update in container.updates {
            if place(&update) == Place::Unordered {
                self.deliver(update, container.entities.clone());
            }
        }
    }

    fn handle_container(&mut self, now: Duration, container: Container) {
        match self.doing {
            Doing::Idle => {}
            Doing::Asking { .. } => self.postpone(container),
            Doing::Following if self.ready.len() >= MOST_READY => self.give_up_ordered(container),
            Doing::Following => {
                self.apply(now, container);
                self.drain(now);
            }
        }
    }

    /// Ordered updates go by their own numbers; the rest by the container's.
    fn apply(&mut self, now: Duration, mut container: Container) {
        let mut rest = Vec::new();
        for update in std::mem::take(&mut container.updates) {
            match place(&update) {
                Place::Common { pts, count } => {
                    self.offer_pts(now, pts, count, update, container.entities.clone());
                }
                Place::Secret { qts } => {
                    self.offer_qts(now, qts, update, container.entities.clone())
                }
                Place::Channel { .. } | Place::Unordered => rest.push(update),
            }
        }
        container.updates = rest;
        self.offer_seq(now, container);
    }

    fn offer_pts(
        &mut self,
        now: Duration,
        pts: i32,
        count: i32,
        update: enums::Update,
        entities: Entities,
    ) {
        let most = MOST_WAITING.saturating_sub(self.held_qts.len() + self.held_seq.len());
        let offered =
            (self.held_pts).offer(&mut self.at.pts, (pts, count), (update, entities), most);
        match offered {
            Offered::Now(update, entities) => self.deliver(update, entities),
            Offered::Seen => {}
            Offered::Held => self.gap.open(now),
        }
    }

    fn offer_qts(&mut self, now: Duration, qts: i32, update: enums::Update, entities: Entities) {
        if qts <= self.at.qts {
            tracing::trace!(qts, at = self.at.qts, "an update came again");
        } else if qts == self.at.qts.saturating_add(1) {
            self.at.qts = qts;
            self.deliver(update, entities);
        } else {
            if self.holds_few() {
                self.held_qts.insert(qts, (update, entities));
            }
            self.gap.open(now);
        }
    }

    fn offer_seq(&mut self, now: Duration, container: Container) {
        if container.seq_start == 0 {
            self.deliver_all(container);
        } else if container.seq_start == self.at.seq.saturating_add(1) {
            self.at.seq = container.seq.max(container.seq_start);
            self.at.date = self.at.date.max(container.date);
            if container.updates.is_empty() {
                self.moved(self.at);
            }
            self.deliver_all(container);
        } else if container.seq_start > self.at.seq {
            self.gap.open(now);
            if self.holds_few() {
                self.held_seq.insert(container.seq_start, container);
            } else {
                self.give_up_ordered(container);
            }
        }
    }

    /// Whether more may wait for a gap to close. What may not is asked for with the gap.
    fn holds_few(&self) -> bool {
        self.held_pts.len() + self.held_qts.len() + self.held_seq.len() < MOST_WAITING
    }

    /// What was held and now fits goes out; what was seen meanwhile goes away.
    fn drain(&mut self, now: Duration) {
        if self.doing != Doing::Following {
            return;
        }
        while let Some((update, entities)) = self.held_pts.next(&mut self.at.pts) {
            self.deliver(update, entities);
        }
        while let Some((qts, _)) = self.held_qts.first_key_value() {
            if *qts > self.at.qts.saturating_add(1) {
                break;
            }
            if let Some((qts, (update, entities))) = self.held_qts.pop_first() {
                self.offer_qts(now, qts, update, entities);
            }
        }
        while let Some((seq_start, _)) = self.held_seq.first_key_value() {
            if *seq_start > self.at.seq.saturating_add(1) {
                break;
            }
            if let Some((_, container)) = self.held_seq.pop_first() {
                self.offer_seq(now, container);
            }
        }
        if self.held_pts.is_empty() && self.held_qts.is_empty() && self.held_seq.is_empty() {
            self.gap.close();
        }
    }

    fn deliver_all(&mut self, container: Container) {
        for update in container.updates {
            self.deliver(update, container.entities.clone());
        }
    }

    /// One move says as much as many: so they take no room when nobody takes them.
    fn moved(&mut self, to: Position) {
        match self.ready.back_mut() {
            Some(Delivery::Moved(at)) => *at = to,
            _ => self.ready.push_back(Delivery::Moved(to)),
        }
    }

    fn deliver(&mut self, update: enums::Update, entities: Entities) {
        // What `handle_affected` made.
        if matches!(&update, enums::Update::UpdateDeleteMessages(update) if update.messages.is_empty())
        {
            self.moved(self.at);
            return;
        }
        let (update, entities) = match self.passing.offer(update, entities) {
            Taken::Kept => return,
            Taken::Dropped => {
                self.dropped += 1;
                return;
            }
            Taken::NotPassing(update, entities) => (update, entities),
        };
        // Those in a sequence never come here when there is no room: they are asked for later.
        if self.ready.len() >= 2 * MOST_READY && place(&update) == Place::Unordered {
            self.dropped += 1;
            return;
        }
        let id = dedupe_id(&update);
        self.ready.push_back(Delivery::Update {
            update,
            entities,
            id,
            after: self.at,
        });
    }

    /// The answer to [`Request::State`].
    pub fn handle_state(&mut self, now: Duration, state: &types::updates::State) {
        if !matches!(
            self.doing,
            Doing::Asking {
                request: Request::State,
                sent: true
            }
        ) {
            return;
        }
        self.at = position(state);
        self.moved(self.at);
        self.follow(now, &HashSet::new());
    }

    /// The answer to [`Request::Difference`].
    pub fn handle_difference(&mut self, now: Duration, difference: enums::updates::Difference) {
        use enums::updates::Difference as D;
        let Doing::Asking {
            request: Request::Difference(from),
            sent: true,
        } = self.doing
        else {
            return;
        };
        self.checked_at = now;
        match difference {
            D::DifferenceEmpty(empty) => {
                self.at.date = self.at.date.max(empty.date);
                self.at.seq = empty.seq;
                self.moved(self.at);
                self.follow(now, &HashSet::new());
            }
            D::Difference(difference) => {
                let difference: types::updates::Difference = into_owned(difference);
                let enums::updates::State::State(state) = difference.state;
                let seen = self.take_part(
                    difference.new_messages,
                    difference.new_encrypted_messages,
                    difference.other_updates,
                    Entities::new(difference.users, difference.chats),
                    position(&state),
                );
                self.follow(now, &seen);
            }
            D::DifferenceSlice(slice) => {
                let slice: types::updates::DifferenceSlice = into_owned(slice);
                let enums::updates::State::State(state) = slice.intermediate_state;
                let to = position(&state);
                self.take_part(
                    slice.new_messages,
                    slice.new_encrypted_messages,
                    slice.other_updates,
                    Entities::new(slice.users, slice.chats),
                    to,
                );
                if to == from {
                    // It would give the same part for ever.
                    self.doing = Doing::Asking {
                        request: Request::Difference(to),
                        sent: true,
                    };
                    self.request_failed(now);
                    return;
                }
                self.retry.over();
                self.doing = Doing::Asking {
                    request: Request::Difference(to),
                    sent: false,
                };
            }
            D::DifferenceTooLong(too_long) => {
                self.at.pts = too_long.pts;
                self.ready.push_back(Delivery::Lost(self.at));
                self.doing = Doing::Asking {
                    request: Request::Difference(self.at),
                    sent: false,
                };
                if self.at == from {
                    self.doing = Doing::Asking {
                        request: Request::Difference(from),
                        sent: true,
                    };
                    self.request_failed(now);
                }
            }
        }
    }

    /// Hands on a part of a difference. Only its last update carries the new position: a kill in between brings the
    /// whole part again.
    fn take_part(
        &mut self,
        new_messages: Vec<enums::Message>,
        new_encrypted: Vec<enums::EncryptedMessage>,
        mut others: Vec<enums::Update>,
        entities: Entities,
        to: Position,
    ) -> HashSet<DedupeId> {
        let messages = new_messages.into_iter().map(|message| {
            types::UpdateNewMessage {
                message,
                pts: to.pts,
                pts_count: 0,
            }
            .into()
        });
        let encrypted = new_encrypted.into_iter().map(|message| {
            types::UpdateNewEncryptedMessage {
                message,
                qts: to.qts,
            }
            .into()
        });
        self.hand_to_channels(&mut others, &entities);
        let mut seen = HashSet::new();
        for update in messages.chain(encrypted).chain(others) {
            seen.insert(dedupe_id(&update));
            self.deliver(update, entities.clone());
        }
        self.at = to;
        match self.ready.back_mut() {
            Some(Delivery::Update { after, .. }) if !seen.is_empty() => *after = to,
            _ => self.moved(to),
        }
        seen
    }

    /// The request is over: what came meanwhile is looked at again.
    fn follow(&mut self, now: Duration, seen: &HashSet<DedupeId>) {
        self.doing = Doing::Following;
        self.retry.over();
        // What was held lies below the new position, or was held against one that is no longer true.
        let held_pts = self.held_pts.take();
        let held_qts = std::mem::take(&mut self.held_qts);
        for ((pts, count), (update, entities)) in held_pts {
            self.offer_pts(now, pts, count, update, entities);
        }
        for (qts, (update, entities)) in held_qts {
            self.offer_qts(now, qts, update, entities);
        }
        for (_, mut container) in std::mem::take(&mut self.held_seq) {
            self.without_seen(&mut container, seen);
            self.pass_seq(now, container);
        }
        for mut container in std::mem::take(&mut self.postponed) {
            self.without_seen(&mut container, seen);
            let numbered = container.seq_start != 0 && container.seq_start <= self.at.seq;
            if numbered {
                // Its number is covered, but what stands in no sequence is in no difference either.
                container.seq_start = 0;
            }
            if self.doing == Doing::Following {
                self.apply(now, container);
            } else {
                self.postpone(container);
            }
        }
        self.drain(now);
        if self.again && self.doing == Doing::Following {
            self.ask();
        }
    }

    fn without_seen(&self, container: &mut Container, seen: &HashSet<DedupeId>) {
        container.updates.retain(|update| {
            place(update) != Place::Unordered || !seen.contains(&dedupe_id(update))
        });
    }

    fn pass_seq(&mut self, now: Duration, mut container: Container) {
        if container.seq_start <= self.at.seq {
            container.seq_start = 0;
        }
        self.offer_seq(now, container);
    }

    /// The request was refused or lost: it is made again after a pause.
    pub fn request_failed(&mut self, now: Duration) {
        if let Doing::Asking {
            request,
            sent: true,
        } = self.doing
        {
            self.retry.failed(now);
            self.doing = Doing::Asking {
                request,
                sent: false,
            };
        }
    }
}

impl Default for UpdateStream {
    fn default() -> Self {
        Self::new()
    }
}

impl Container {
    fn unnumbered(update: enums::Update, date: i32) -> Self {
        Self {
            updates: vec![update],
            entities: Entities::none(),
            date,
            seq_start: 0,
            seq: 0,
        }
    }
}

fn position(state: &types::updates::State) -> Position {
    Position {
        pts: state.pts,
        qts: state.qts,
        date: state.date,
        seq: state.seq,
    }
}

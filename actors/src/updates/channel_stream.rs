//! One channel's sequence of updates as a state machine (<https://core.telegram.org/api/updates>).

use std::{
    collections::{HashSet, VecDeque},
    time::Duration,
};

use actogram_tl::{enums, types};

use super::{
    classify::{dedupe_id, into_owned, message_date, message_id},
    delivery::{DedupeId, Entities},
    gap::{Gap, Held, Offered},
    retry::Retry,
};

/// How many updates may wait for a gap to close or a difference to end, and how many to be taken. Beyond, the datacenter
/// is asked for them instead. An account has thousands of channels, so each may keep little.
const MOST_WAITING: usize = 256;

/// How many changes a difference is asked for at a time
/// (<https://core.telegram.org/method/updates.getChannelDifference>: 10 to 100 for people).
const LIMIT: i32 = 100;

/// The first position there is.
const FIRST: i32 = 1;

/// Something for the sequence of a channel.
#[derive(Debug, Clone)]
pub enum ChannelInput {
    /// An update with its place in the channel's sequence.
    Update {
        /// The channel's bare id.
        channel_id: i64,
        /// Its `pts` and `pts_count`.
        at: (i32, i32),
        /// The update.
        update: enums::Update,
        /// What came with it.
        entities: Entities,
    },
    /// More happened than the datacenter tells by itself (<https://core.telegram.org/constructor/updateChannelTooLong>).
    TooLong {
        /// The channel's bare id.
        channel_id: i64,
        /// Where the channel is now, if the datacenter says so.
        pts: Option<i32>,
        /// The date up to which the account has seen what happened, in seconds since 1970.
        since: i32,
    },
    /// A call of ours moved the sequence (`messages.affectedMessages` and its kin).
    Affected {
        /// The channel's bare id.
        channel_id: i64,
        /// `pts` and `pts_count`.
        at: (i32, i32),
    },
}

impl ChannelInput {
    /// Which channel it is for.
    pub fn channel_id(&self) -> i64 {
        match self {
            Self::Update { channel_id, .. }
            | Self::TooLong { channel_id, .. }
            | Self::Affected { channel_id, .. } => *channel_id,
        }
    }
}

/// What the stream gives.
#[derive(Debug, Clone)]
pub enum ChannelDelivery {
    /// An update whose turn it is.
    Update {
        /// The update.
        update: enums::Update,
        /// What came with it.
        entities: Entities,
        /// What names it.
        id: DedupeId,
        /// The channel's `pts` once this and everything before it has been handled.
        after: i32,
    },
    /// The position moved and there is nothing to handle.
    Moved(i32),
    /// The datacenter no longer tells the updates up to this position one by one: they are lost for good.
    Lost(i32),
}

/// What the stream asks for: `updates.getChannelDifference`. There is at most one at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChannelRequest {
    /// From here.
    pub pts: i32,
    /// At most so many changes.
    pub limit: i32,
}

/// What the stream is doing.
///
/// ```text
///           first update, half a second later
///  Unknown ───────────────────────────────────► Following ◄──────────────┐
///     │                                             │ gap 0.5 s, too long │ last part
///     └── too long ──────────► Asking ◄─────────────┘                     │
///                                 └───────────────────────────────────────┘
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doing {
    /// Nothing is known of the channel yet.
    Unknown,
    /// A difference is wanted (`sent: false`) or under way.
    Asking { from: i32, sent: bool },
    /// Live.
    Following,
}

/// Puts one channel's updates in order. It is handed the time, as a duration since any fixed origin.
#[derive(Debug)]
pub struct ChannelStream {
    doing: Doing,
    at: i32,
    /// The channel is new to the account: of what a difference brings, only messages since this date are news.
    since: Option<i32>,
    /// Above a gap, or come while a difference was under way.
    held: Held,
    gap: Gap,
    /// Something was dropped or announced that only another difference brings.
    again: bool,
    /// The datacenter has said that it is this far.
    announced: i32,
    retry: Retry,
    ready: VecDeque<ChannelDelivery>,
}

impl ChannelStream {
    /// Follows from where the account left off, or from what comes first.
    pub fn new(from: Option<i32>) -> Self {
        Self {
            doing: from.map_or(Doing::Unknown, |_| Doing::Following),
            at: from.unwrap_or_default(),
            since: None,
            held: Held::default(),
            gap: Gap::default(),
            again: false,
            announced: 0,
            retry: Retry::default(),
            ready: VecDeque::new(),
        }
    }

    /// The position of what has been given out; `None` before the first.
    pub fn position(&self) -> Option<i32> {
        (self.doing != Doing::Unknown && self.since.is_none()).then_some(self.at)
    }

    /// Whether nothing waits, here or at the datacenter.
    pub fn is_idle(&self) -> bool {
        self.doing == Doing::Following
            && !self.again
            && self.held.is_empty()
            && self.ready.is_empty()
    }

    /// How many updates it keeps.
    pub fn waiting(&self) -> usize {
        self.held.len() + self.ready.len()
    }

    /// Whether there is something to hand on.
    pub fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// What to ask the datacenter for. Each is given once; answer it with
    /// [`handle_difference`](Self::handle_difference) or [`request_failed`](Self::request_failed).
    pub fn poll_request(&mut self, now: Duration) -> Option<ChannelRequest> {
        let Doing::Asking { from, sent: false } = self.doing else {
            return None;
        };
        // What is asked for must find room.
        if !self.retry.may(now) || self.ready.len() >= MOST_WAITING / 2 {
            return None;
        }
        self.doing = Doing::Asking { from, sent: true };
        Some(ChannelRequest {
            pts: from,
            limit: LIMIT,
        })
    }

    /// What to hand on next.
    pub fn poll_delivery(&mut self) -> Option<ChannelDelivery> {
        let delivery = self.ready.pop_front();
        if delivery.is_none() && self.again && self.doing == Doing::Following {
            self.ask();
        }
        delivery
    }

    /// When [`handle_timeout`](Self::handle_timeout) is wanted.
    pub fn poll_timeout(&self) -> Option<Duration> {
        match self.doing {
            Doing::Asking { sent: true, .. } => None,
            Doing::Asking { sent: false, .. } => self.retry.at(),
            Doing::Unknown | Doing::Following => self.gap.deadline(),
        }
    }

    /// A deadline may have passed.
    pub fn handle_timeout(&mut self, now: Duration) {
        if self.gap.deadline().is_none_or(|at| at > now) {
            return;
        }
        match self.doing {
            Doing::Unknown => self.begin(),
            Doing::Following => self.ask(),
            Doing::Asking { .. } => {}
        }
    }

    /// The first updates have had time to come in order: what was before them is not followed.
    fn begin(&mut self) {
        self.at = self.held.lowest().unwrap_or(self.at);
        self.doing = Doing::Following;
        self.moved();
        self.drain();
    }

    /// Updates may be missing.
    pub fn lost(&mut self) {
        match self.doing {
            Doing::Following => self.ask(),
            Doing::Asking { sent: true, .. } => self.again = true,
            _ => {}
        }
    }

    fn ask(&mut self) {
        self.again = false;
        self.announced = 0;
        self.gap.asked();
        self.doing = Doing::Asking {
            from: self.at,
            sent: false,
        };
    }

    /// Something came. Without `room` it is not kept, but asked for when there is room again.
    pub fn handle(&mut self, now: Duration, input: ChannelInput, room: bool) {
        match input {
            ChannelInput::Update {
                at,
                update,
                entities,
                ..
            } => self.handle_update(now, at, (update, entities), room),
            ChannelInput::Affected { at, channel_id } => {
                if self.doing == Doing::Unknown {
                    return;
                }
                // An update that says the same without anything to see.
                let update = types::UpdateDeleteChannelMessages {
                    channel_id,
                    messages: Vec::new(),
                    pts: at.0,
                    pts_count: at.1,
                };
                self.handle_update(now, at, (update.into(), Entities::none()), room);
            }
            ChannelInput::TooLong { pts, since, .. } => match self.doing {
                Doing::Unknown => {
                    self.at = FIRST;
                    self.since = Some(since);
                    self.gap.close();
                    self.ask();
                }
                // The difference that is under way may bring it all.
                Doing::Asking { .. } if let Some(pts) = pts => {
                    self.announced = self.announced.max(pts);
                }
                Doing::Following if pts.is_some_and(|pts| pts <= self.at) => {}
                _ => self.lost(),
            },
        }
    }

    fn handle_update(
        &mut self,
        now: Duration,
        at: (i32, i32),
        update: (enums::Update, Entities),
        room: bool,
    ) {
        if !room || self.ready.len() >= MOST_WAITING {
            self.again = true;
            if self.doing == Doing::Unknown {
                // There is no position yet to ask from: this is where it begins.
                self.at = at.0.saturating_sub(at.1.max(0));
                self.doing = Doing::Following;
                self.moved();
            }
            return;
        }
        match self.doing {
            Doing::Following => {
                self.offer(now, at, update);
                self.drain();
            }
            Doing::Unknown => {
                self.held.hold(at, update, MOST_WAITING);
                self.gap.open(now);
            }
            Doing::Asking { .. } => self.again |= !self.held.hold(at, update, MOST_WAITING),
        }
    }

    fn offer(&mut self, now: Duration, at: (i32, i32), update: (enums::Update, Entities)) {
        match self.held.offer(&mut self.at, at, update, MOST_WAITING) {
            Offered::Now(update, entities) => self.deliver(update, entities),
            Offered::Seen => {}
            Offered::Held => self.gap.open(now),
        }
    }

    /// What was held and now fits goes out.
    fn drain(&mut self) {
        while let Some((update, entities)) = self.held.next(&mut self.at) {
            self.deliver(update, entities);
        }
        if self.held.is_empty() {
            self.gap.close();
        }
    }

    fn moved(&mut self) {
        match self.ready.back_mut() {
            Some(ChannelDelivery::Moved(at)) => *at = self.at,
            _ => self.ready.push_back(ChannelDelivery::Moved(self.at)),
        }
    }

    fn deliver(&mut self, update: enums::Update, entities: Entities) {
        // What `Affected` made.
        if matches!(&update, enums::Update::UpdateDeleteChannelMessages(it) if it.messages.is_empty())
        {
            self.moved();
            return;
        }
        let id = dedupe_id(&update);
        self.ready.push_back(ChannelDelivery::Update {
            update,
            entities,
            id,
            after: self.at,
        });
    }

    /// The answer to a [`ChannelRequest`].
    pub fn handle_difference(
        &mut self,
        now: Duration,
        difference: enums::updates::ChannelDifference,
    ) {
        use enums::updates::ChannelDifference as D;
        let Doing::Asking { from, sent: true } = self.doing else {
            return;
        };
        match difference {
            D::ChannelDifferenceEmpty(empty) if empty.pts >= from => {
                self.at = empty.pts;
                self.since = None;
                self.moved();
                self.follow(now, &HashSet::new());
            }
            D::ChannelDifference(difference)
                if difference.pts > from || (difference.pts == from && difference.final_) =>
            {
                let difference: types::updates::ChannelDifference = into_owned(difference);
                let seen = self.take_part(
                    difference.new_messages,
                    difference.other_updates,
                    &Entities::new(difference.users, difference.chats),
                    difference.pts,
                );
                if difference.final_ {
                    self.since = None;
                    self.follow(now, &seen);
                } else {
                    self.retry.over();
                    self.doing = Doing::Asking {
                        from: self.at,
                        sent: false,
                    };
                }
            }
            D::ChannelDifferenceTooLong(too_long) => match &too_long.dialog {
                enums::Dialog::Dialog(dialog) if dialog.pts.is_some_and(|pts| pts >= from) => {
                    let to = dialog.pts.unwrap_or(from);
                    let too_long: types::updates::ChannelDifferenceTooLong = into_owned(too_long);
                    self.skip(too_long, to);
                    self.follow(now, &HashSet::new());
                }
                _ => self.request_failed(now),
            },
            // It goes backwards, or would give the same part for ever.
            _ => self.request_failed(now),
        }
    }

    /// Hands on a part of a difference. Only its last update carries the new position: a kill in between brings the
    /// whole part again.
    fn take_part(
        &mut self,
        new_messages: Vec<enums::Message>,
        others: Vec<enums::Update>,
        entities: &Entities,
        to: i32,
    ) -> HashSet<DedupeId> {
        let since = self.since;
        let messages = (new_messages.into_iter())
            .filter(|message| since.is_none_or(|since| message_date(message) >= since))
            .map(|message| new_message(message, to));
        let others = others.into_iter().filter(|_| since.is_none());
        let mut seen = HashSet::new();
        for update in messages.chain(others) {
            seen.insert(dedupe_id(&update));
            self.deliver(update, entities.clone());
        }
        self.at = to;
        match self.ready.back_mut() {
            Some(ChannelDelivery::Update { after, .. }) if !seen.is_empty() => *after = to,
            _ => self.moved(),
        }
        seen
    }

    /// What is between the position and `to` is not to be had, but for the newest messages of a channel that is new.
    fn skip(&mut self, too_long: types::updates::ChannelDifferenceTooLong, to: i32) {
        let is_all = match self.since.take() {
            // Those that come along may be all there are.
            Some(since) => {
                let (mut new, old): (Vec<_>, Vec<_>) = (too_long.messages.into_iter())
                    .partition(|message| message_date(message) >= since);
                new.sort_by_key(message_id);
                let entities = Entities::new(too_long.users, too_long.chats);
                for message in new {
                    self.deliver(new_message(message, to), entities.clone());
                }
                !old.is_empty()
            }
            None => false,
        };
        self.at = to;
        if is_all {
            self.moved();
        } else {
            self.ready.push_back(ChannelDelivery::Lost(to));
        }
    }

    /// The difference is over: what came meanwhile is looked at again.
    fn follow(&mut self, now: Duration, seen: &HashSet<DedupeId>) {
        self.doing = Doing::Following;
        self.retry.over();
        for (at, held) in self.held.take() {
            let (_, count) = at;
            // One that moves nothing is not told from others by its position.
            if count > 0 || !seen.contains(&dedupe_id(&held.0)) {
                self.offer(now, at, held);
            }
        }
        self.drain();
        self.again |= self.announced > self.at;
        if self.again && self.ready.len() < MOST_WAITING / 2 {
            self.ask();
        }
    }

    /// The datacenter does not know the position, or cannot be asked: the sequence goes on with what comes next.
    pub fn begin_anew(&mut self) {
        let ready = std::mem::take(&mut self.ready);
        let (held, gap) = (std::mem::take(&mut self.held), self.gap);
        *self = Self {
            held,
            gap,
            ready,
            ..Self::new(None)
        };
        if !self.held.is_empty() {
            self.begin();
        }
    }

    /// The request was refused or lost: it is made again after a pause.
    pub fn request_failed(&mut self, now: Duration) {
        if let Doing::Asking { from, sent: true } = self.doing {
            self.retry.failed(now);
            self.doing = Doing::Asking { from, sent: false };
        }
    }
}

fn new_message(message: enums::Message, pts: i32) -> enums::Update {
    types::UpdateNewChannelMessage {
        message,
        pts,
        pts_count: 0,
    }
    .into()
}

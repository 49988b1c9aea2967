//! Calls and what is known about each.

use std::{collections::HashSet, time::Duration};

use actogram_tl::{
    Constructor, Encode,
    mtproto::{functions, types},
    tables::{self, ResendClass},
};
use bytes::Bytes;

use super::{CallFailure, ClientSession, Event, Kind, list};
use crate::{
    Now,
    session::{MOST_IDS, NEWEST, OLDEST, gzip, message_id::seconds},
};

/// Names a call within its session object. Never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallId(pub u64);

/// A call to make.
#[derive(Debug, Clone)]
pub struct CallRequest {
    /// The encoded method.
    pub body: Bytes,
    /// What happens if it is carried out twice. [`CallRequest::new`] reads it from the method.
    pub resend: ResendClass,
    /// Carry it out only after this call, in the server's own order (`invokeAfterMsg`). If that one ends without a result
    /// before the server has begun with this one, this one ends with [`CallFailure::PredecessorFailed`]. A call that has
    /// ended by now holds nobody back.
    pub after: Option<CallId>,
    /// Ask for a quick acknowledgement. Not every transport can.
    pub quick_ack: bool,
}

impl CallRequest {
    /// A call of this method, its class looked up.
    pub fn new(body: Bytes) -> Self {
        let resend = tables::resend_class(&body);
        Self {
            body,
            resend,
            after: None,
            quick_ack: false,
        }
    }
}

/// How far a call is. See the diagram of the [module](super).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CallState {
    /// Not sent.
    Queued,
    /// Sent over the connection at hand.
    Sent,
    /// The server has it.
    Acked,
    /// Sent over a connection that is gone.
    Unknown,
}

#[derive(Debug)]
pub(super) struct Call {
    pub(super) request: CallRequest,
    pub(super) state: CallState,
    /// The ids it was sent under in this session, the last one being the present one.
    pub(super) msg_ids: Vec<i64>,
    pub(super) seq_no: i32,
    /// What was sent last, to the byte, so that it can be sent again under the same id.
    pub(super) wire: Bytes,
    packed: Option<Bytes>,
    /// The id of the message it travelled in last: a container's, or its own.
    pub(super) carrier: i64,
    /// Whether it went out more than once under its present id.
    pub(super) repeated: bool,
    pub(super) asked_at: Duration,
    refusals: u32,
    /// How often the server was asked in vain: for the answer that it says it has, or what became of the call.
    asked_in_vain: u32,
    /// How often the server lost it, or the session it was sent in.
    losses: u32,
    /// Never in a container: the server refused one that held it, or it is a binding.
    pub(super) alone: bool,
    /// The call it was to come after has ended without a result.
    pub(super) forsaken: bool,
}

impl Call {
    /// What travels if nothing stands around it.
    pub(super) fn packed(&self) -> &Bytes {
        self.packed.as_ref().unwrap_or(&self.request.body)
    }

    pub(super) fn msg_id(&self) -> Option<i64> {
        self.msg_ids.last().copied()
    }
}

/// How often a message may be refused before its call fails.
const MOST_REFUSALS: u32 = 5;

/// How often the server may be asked in vain about a call.
const MOST_ASKED_IN_VAIN: u32 = 5;

/// How often the server may lose a call that may be carried out twice.
const MOST_LOSSES: u32 = 15;

/// A call unanswered for this long is asked for.
const OVERDUE: Duration = Duration::from_secs(10);

impl ClientSession {
    /// Takes a call. It ends with exactly one [`Event::Answer`], [`Event::RpcError`], [`Event::Failed`] or
    /// [`Event::UnknownOutcome`], unless it is [cancelled](Self::cancel).
    pub fn call(&mut self, now: Now, request: CallRequest) -> CallId {
        let id = CallId(self.next_call);
        self.next_call += 1;
        let packed = gzip::pack(&request.body);
        let call = Call {
            request,
            state: CallState::Queued,
            msg_ids: Vec::new(),
            seq_no: 0,
            wire: Bytes::new(),
            packed,
            carrier: 0,
            repeated: false,
            asked_at: now.monotonic,
            refusals: 0,
            asked_in_vain: 0,
            losses: 0,
            alone: false,
            forsaken: false,
        };
        if let Some(before) = call.request.after.filter(|id| self.calls.contains_key(id)) {
            self.followers.entry(before).or_default().push(id);
        }
        self.calls.insert(id, call);
        self.queue.push_back(id);
        self.schedule_liveness(now);
        id
    }

    /// Forgets a call. If it was sent, the server is asked to drop its answer; it may be carried out all the same.
    pub fn cancel(&mut self, id: CallId) {
        let Some(call) = self.calls.get(&id) else {
            return;
        };
        let sent = call.msg_id().filter(|_| call.state != CallState::Queued);
        self.forget(id);
        if let Some(req_msg_id) = sent.filter(|_| self.connected) {
            self.say(functions::RpcDropAnswer { req_msg_id }.to_bytes());
        }
    }

    /// How far a call is; `None` once it has ended.
    pub fn call_state(&self, id: CallId) -> Option<CallState> {
        self.calls.get(&id).map(|call| call.state)
    }

    /// Lets go of a call that has ended. Unless [`has_result`](Self::has_result) was told first, calls that were to come
    /// after it are forsaken.
    pub(super) fn forget(&mut self, id: CallId) -> Option<Call> {
        let call = self.calls.remove(&id)?;
        if let Some(before) = call.request.after
            && let Some(followers) = self.followers.get_mut(&before)
        {
            followers.retain(|follower| *follower != id);
        }
        for follower in self.followers.remove(&id).unwrap_or_default() {
            if let Some(follower) = self.calls.get_mut(&follower) {
                follower.forsaken = true;
            }
        }
        if self.initializing == Some(id) {
            self.initializing = None;
        }
        for msg_id in &call.msg_ids {
            self.by_msg_id.remove(msg_id);
            self.repeat.remove(msg_id);
        }
        if let Ok(at) = self.queue.binary_search(&id) {
            self.queue.remove(at);
        }
        self.release(id);
        Some(call)
    }

    /// Those that wait here for a call go out: it has ended, or is under way so that they can name it.
    pub(super) fn release(&mut self, id: CallId) {
        for waiting in self.held.remove(&id).unwrap_or_default() {
            self.enqueue(waiting);
        }
    }

    /// Whether the session that carried a copy was lost.
    pub(super) fn earlier_copy_lost(&self, id: CallId) -> bool {
        self.calls.get(&id).is_some_and(|call| call.losses > 0)
    }

    /// A call succeeded: those that were to come after it may go on.
    pub(super) fn has_result(&mut self, id: CallId) {
        self.followers.remove(&id);
    }

    /// Ends a call that would otherwise go out although the one before it has no result.
    pub(super) fn fail_forsaken(&mut self, id: CallId) {
        let earlier_copy_lost = self.earlier_copy_lost(id);
        self.forget(id);
        self.events.push_back(Event::Failed {
            call: id,
            why: CallFailure::PredecessorFailed { earlier_copy_lost },
        });
    }

    /// In the order of the calls, so that a chain stays one.
    fn enqueue(&mut self, id: CallId) {
        if self.calls.contains_key(&id)
            && let Err(at) = self.queue.binary_search(&id)
        {
            self.queue.insert(at, id);
        }
    }

    /// The server would not wait for the predecessor any longer, or it failed: the call waits for it here. If that one has a
    /// result then, it goes out without naming it.
    pub(super) fn hold(&mut self, id: CallId, code: i32) {
        let Some(call) = self.calls.get(&id) else {
            return;
        };
        let (before, forsaken) = (call.request.after, call.forsaken);
        match before.filter(|before| self.calls.contains_key(before)) {
            Some(before) => {
                self.unsend(id);
                self.held.entry(before).or_default().push(id);
            }
            None if forsaken => self.fail_forsaken(id),
            None => self.refuse(id, code),
        }
    }

    /// Back to where it was before it was sent; it is not in the queue yet.
    fn unsend(&mut self, id: CallId) {
        if self.initializing == Some(id) {
            self.initializing = None;
        }
        if let Some(call) = self.calls.get_mut(&id) {
            call.state = CallState::Queued;
            if let Some(msg_id) = call.msg_id() {
                self.repeat.remove(&msg_id);
            }
        }
    }

    pub(super) fn calls_in_order(&self) -> Vec<CallId> {
        let mut ids: Vec<_> = self.calls.keys().copied().collect();
        ids.sort_unstable();
        ids
    }

    /// Puts a call back into the queue, to be sent under a new id. Too many refusals end it.
    pub(super) fn refuse(&mut self, id: CallId, code: i32) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        call.refusals += 1;
        if call.refusals > MOST_REFUSALS {
            let refusals = call.refusals;
            self.forget(id);
            self.events.push_back(Event::Failed {
                call: id,
                why: CallFailure::RefusedTooOften(refusals, code),
            });
            return;
        }
        self.requeue(id);
    }

    pub(super) fn requeue(&mut self, id: CallId) {
        if self
            .calls
            .get(&id)
            .is_some_and(|call| call.state != CallState::Queued)
        {
            self.unsend(id);
            self.enqueue(id);
        }
    }

    /// The session that carried the call is gone.
    pub(super) fn give_up_or_requeue(&mut self, id: CallId, rejected: bool) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        call.msg_ids.clear();
        let never_sent = call.state == CallState::Queued;
        if (rejected || never_sent || self.may_be_lost_again(id))
            && let Some(call) = self.calls.get_mut(&id)
        {
            call.state = CallState::Queued;
            self.queue.push_back(id);
        }
    }

    /// The server no longer knows a call that it may have carried out. Tells whether it may go out under a new id; if not,
    /// it ended.
    fn may_be_lost_again(&mut self, id: CallId) -> bool {
        let Some(call) = self.calls.get_mut(&id) else {
            return false;
        };
        call.losses += 1;
        let losses = call.losses;
        let event = if !Self::may_happen_twice(call.request.resend) {
            Event::UnknownOutcome { call: id }
        } else if losses > MOST_LOSSES {
            Event::Failed {
                call: id,
                why: CallFailure::LostTooOften(losses),
            }
        } else {
            return true;
        };
        self.forget(id);
        self.events.push_back(event);
        false
    }

    pub(super) fn lose_sight_of_calls(&mut self) {
        self.repeat.clear();
        for call in self.calls.values_mut() {
            if call.state != CallState::Queued {
                call.state = CallState::Unknown;
            }
        }
    }

    /// Asks the server about every call whose fate is open.
    pub(super) fn ask_for_unknown(&mut self, now: Now) {
        let mut open: Vec<_> = self
            .calls
            .values_mut()
            .filter(|call| call.state == CallState::Unknown)
            .filter_map(|call| {
                call.asked_at = now.monotonic;
                call.msg_id()
            })
            .collect();
        open.sort_unstable();
        self.ask_for(&open);
    }

    /// Asks about calls that have waited long for their answer.
    pub(super) fn ask_for_overdue(&mut self, now: Now) {
        let mut overdue: Vec<_> = self
            .calls
            .values_mut()
            .filter(|call| {
                call.state != CallState::Queued && call.asked_at + OVERDUE <= now.monotonic
            })
            .filter_map(|call| {
                call.asked_at = now.monotonic;
                call.msg_id()
            })
            .collect();
        overdue.sort_unstable();
        self.ask_for(&overdue);
        self.schedule_liveness(now);
    }

    fn ask_for(&mut self, msg_ids: &[i64]) {
        for chunk in msg_ids.chunks(MOST_IDS) {
            let body = list(types::MsgsStateReq::ID, chunk);
            self.queue_service(body, Kind::State(chunk.to_vec()));
        }
    }

    /// The server had never received this message when it made `told`, the id of the message that says so: it goes out
    /// again as it was. If the server took no message that old even then, the first copy, which may still be under way
    /// somewhere, was not carried out since, and a new id is safe. The present time says nothing of that: `told` may have
    /// been held back on its way while the copy was not.
    pub(super) fn never_received(&mut self, told: i64, msg_id: i64) {
        let Some(id) = self.sent_as(msg_id) else {
            return;
        };
        if seconds(told) - seconds(msg_id) <= OLDEST + NEWEST {
            self.repeat.insert(msg_id, id);
        } else {
            self.requeue(id);
        }
    }

    /// The call whose present id this is, unless it waits to be sent.
    pub(super) fn sent_as(&self, msg_id: i64) -> Option<CallId> {
        let id = *self.by_msg_id.get(&msg_id)?;
        let call = self.calls.get(&id)?;
        (call.state != CallState::Queued && call.msg_id() == Some(msg_id)).then_some(id)
    }

    /// Whether it makes sense to ask once more about a message, or for its answer, which may have been given up there. If
    /// not, the call ends.
    pub(super) fn may_ask_again(&mut self, msg_id: i64) -> bool {
        let call = self.sent_as(msg_id).and_then(|id| self.calls.get_mut(&id));
        let Some(call) = call else {
            return false;
        };
        call.asked_in_vain += 1;
        if call.asked_in_vain > MOST_ASKED_IN_VAIN {
            self.untraceable(msg_id);
            return false;
        }
        true
    }

    /// Nothing is known of this message any more: only what may happen twice goes out again.
    pub(super) fn untraceable(&mut self, msg_id: i64) {
        let Some(id) = self.sent_as(msg_id) else {
            return;
        };
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        call.asked_in_vain = 0;
        if self.may_be_lost_again(id) {
            self.requeue(id);
        }
    }

    /// The calls among those an id names of which the refusal shows that they were not carried out. About those of which it
    /// does not, the server is asked.
    pub(super) fn refused(&mut self, now: Now, bad_msg_id: i64) -> Vec<CallId> {
        let (mut refused, mut doubtful) = (Vec::new(), Vec::new());
        for id in self.named(bad_msg_id) {
            let Some(call) = self.calls.get(&id) else {
                continue;
            };
            let Some(msg_id) = call.msg_id() else {
                continue;
            };
            // Of another copy, or of one that was given up already.
            if call.state != CallState::Sent || (msg_id != bad_msg_id && call.carrier != bad_msg_id)
            {
                continue;
            }
            // The refusal may be of another copy than the one that was carried out since.
            let another_copy = call.repeated && !Self::may_happen_twice(call.request.resend);
            // It took longer than the server takes messages: somebody held it back, or sent it twice.
            let late = self.time_confirmed && self.server_second(now) - seconds(msg_id) > OLDEST;
            if another_copy || late {
                doubtful.push(msg_id);
            } else {
                refused.push(id);
            }
        }
        self.doubt(now, &doubtful);
        refused
    }

    /// What became of these messages is no longer sure.
    pub(super) fn doubt(&mut self, now: Now, msg_ids: &[i64]) {
        for msg_id in msg_ids {
            if let Some(call) = self.sent_as(*msg_id).and_then(|id| self.calls.get_mut(&id)) {
                call.state = CallState::Unknown;
                call.asked_at = now.monotonic;
            }
        }
        self.ask_for(msg_ids);
    }

    /// The calls an id names: one, or all of a container.
    pub(super) fn named(&self, msg_id: i64) -> Vec<CallId> {
        let inner = self
            .containers
            .iter()
            .find(|(id, _)| *id == msg_id)
            .map(|(_, inner)| inner.as_slice());
        let mut seen = HashSet::new();
        inner
            .unwrap_or(&[msg_id])
            .iter()
            .filter_map(|id| self.by_msg_id.get(id))
            .filter(|id| seen.insert(**id))
            .copied()
            .collect()
    }

    /// Whether this side sent a message under this id lately: only then a notification about it is believed.
    pub(super) fn sent_lately(&self, msg_id: i64) -> bool {
        self.recent.contains(&msg_id)
    }
}

//! Calls and what is known about each.

use std::{collections::HashSet, time::Duration};

use actogram_tl::{
    Constructor, Encode,
    mtproto::{functions, types},
    tables::{self, ResendClass},
};
use bytes::Bytes;

use super::{CallFailure, ClientSession, Event, list};
use crate::{
    Now,
    session::{MOST_IDS, OLDEST, gzip, message_id::seconds},
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
    /// Carry it out only after this call, in the server's own order (`invokeAfterMsg`).
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
    pub(super) asked_at: Duration,
    refusals: u32,
    /// Never in a container again: the server refused one that held it.
    pub(super) alone: bool,
}

impl Call {
    pub(super) fn body(&self) -> &Bytes {
        self.packed.as_ref().unwrap_or(&self.request.body)
    }

    pub(super) fn msg_id(&self) -> Option<i64> {
        self.msg_ids.last().copied()
    }
}

/// How often a message may be refused before its call fails.
const MOST_REFUSALS: u32 = 5;

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
            asked_at: now.monotonic,
            refusals: 0,
            alone: false,
        };
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
        if self.initializing == Some(id) {
            self.initializing = None;
        }
        self.forget(id);
        if let Some(req_msg_id) = sent.filter(|_| self.connected) {
            self.services
                .push_back((functions::RpcDropAnswer { req_msg_id }.to_bytes(), None));
        }
    }

    /// How far a call is; `None` once it has ended.
    pub fn call_state(&self, id: CallId) -> Option<CallState> {
        self.calls.get(&id).map(|call| call.state)
    }

    pub(super) fn forget(&mut self, id: CallId) -> Option<Call> {
        let call = self.calls.remove(&id)?;
        for msg_id in &call.msg_ids {
            self.by_msg_id.remove(msg_id);
        }
        if call.state == CallState::Queued {
            self.queue.retain(|queued| *queued != id);
        }
        Some(call)
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
        if self.initializing == Some(id) {
            self.initializing = None;
        }
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        if call.state != CallState::Queued {
            call.state = CallState::Queued;
            self.repeat.retain(|other| *other != id);
            // In the order of the calls, so that a chain stays one.
            let at = self.queue.partition_point(|queued| *queued < id);
            self.queue.insert(at, id);
        }
    }

    /// The session that carried the call is gone.
    pub(super) fn give_up_or_requeue(&mut self, id: CallId, rejected: bool) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        call.msg_ids.clear();
        let never_sent = call.state == CallState::Queued;
        if rejected || never_sent || Self::may_happen_twice(call.request.resend) {
            call.state = CallState::Queued;
            self.queue.push_back(id);
        } else {
            self.forget(id);
            self.events.push_back(Event::UnknownOutcome { call: id });
        }
    }

    pub(super) fn lose_sight_of_calls(&mut self) {
        self.repeat.clear();
        for call in self.calls.values_mut() {
            if call.state != CallState::Queued {
                call.state = CallState::Unknown;
            }
        }
        if let Some(id) = self.initializing {
            // Whether it arrived is asked for like everything else; until then others still wait for it.
            tracing::trace!(call = id.0, "the connection was lost while initializing");
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
            self.services
                .push_back((body, Some(super::Asked::State(chunk.to_vec()))));
        }
    }

    /// The server never received this message: it goes out again as it was, or under a new id if that has aged.
    pub(super) fn never_received(&mut self, now: Now, msg_id: i64) {
        let Some(id) = self.by_msg_id.get(&msg_id).copied() else {
            return;
        };
        let second = self.server_second(now);
        let Some(call) = self
            .calls
            .get_mut(&id)
            .filter(|call| call.state != CallState::Queued)
        else {
            return;
        };
        if call.msg_id() != Some(msg_id) {
            return;
        }
        if second - seconds(msg_id) < OLDEST / 2 && !call.wire.is_empty() {
            if !self.repeat.contains(&id) {
                self.repeat.push_back(id);
            }
        } else {
            self.requeue(id);
        }
    }

    /// Nothing is known of this message any more: only what may happen twice goes out again.
    pub(super) fn untraceable(&mut self, msg_id: i64) {
        let Some(id) = self.by_msg_id.get(&msg_id).copied() else {
            return;
        };
        let Some(call) = self
            .calls
            .get(&id)
            .filter(|call| call.state != CallState::Queued)
        else {
            return;
        };
        if Self::may_happen_twice(call.request.resend) {
            self.requeue(id);
        } else {
            self.forget(id);
            self.events.push_back(Event::UnknownOutcome { call: id });
        }
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

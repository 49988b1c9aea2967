//! What goes to the client: kept until it is acknowledged, packed and encrypted.

use std::{collections::VecDeque, time::Duration};

use actogram_crypto::Side;
use actogram_tl::{
    Constructor, Writer,
    mtproto::{ids, types},
};
use bytes::Bytes;

use super::{Event, Fate, ServerSession};
use crate::{
    Now,
    session::{
        MOST_IDS, OLDEST, ServerSalts, ToSeal,
        content::{self, Inner, size_in_container},
        envelope::{Envelope, MOST_BODY},
        gzip,
        message_id::{Origin, order, seconds},
        wire,
    },
};

/// The most unread messages and bytes of a session. Beyond them the oldest are given up: a client that comes back
/// after that long finds updates by difference and asks for answers anew.
const MOST_UNREAD: usize = 4096;
const MOST_UNREAD_BYTES: usize = 32 * 1024 * 1024;

/// The most service messages, and their bytes, that wait to be sent. Beyond them the oldest are dropped: a client that asks
/// and does not read gets no answers.
const MOST_SERVICES: usize = 4096;
const MOST_SERVICES_BYTES: usize = 4 * 1024 * 1024;

/// A message of this age, in seconds, would be refused by the client when it arrives: it goes out under a new id.
const AGED: i64 = OLDEST - 60;

/// The most messages and bytes of one container.
const MOST_MESSAGES: usize = 100;
const MOST_BYTES: usize = 256 * 1024;

/// What stands before a result: `rpc_result` and the id of its call.
const RESULT_HEADER: usize = 12;

/// How long an acknowledgement waits for something to travel with.
const ACKNOWLEDGE_AFTER: Duration = Duration::from_millis(500);

/// A content-related message to the client.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) inner: Inner,
    /// The call it answers.
    pub(super) answers: Option<i64>,
    pub(super) sent: bool,
}

impl ServerSession {
    pub(super) fn send_result(&mut self, now: Now, req_msg_id: i64, result: &Bytes) -> i64 {
        let packed = gzip::pack(result);
        let mut result = packed.as_ref().unwrap_or(result);
        let error;
        if RESULT_HEADER + result.len() > MOST_BODY {
            self.counters.given_up += 1;
            error = wire::boxed(&types::RpcError {
                error_code: 500,
                error_message: Bytes::from_static(b"RESPONSE_TOO_LARGE"),
            });
            result = &error;
        }
        let mut writer = Writer::with_capacity(RESULT_HEADER + result.len());
        writer.put_u32(ids::RPC_RESULT);
        writer.put_i64(req_msg_id);
        writer.put_raw(result);
        // The answer says that the call arrived.
        self.to_acknowledge.remove(&req_msg_id);
        let msg_id = self.queue(now, writer.into_bytes(), true);
        if let Some(last) = self.unread.back_mut() {
            last.answers = Some(req_msg_id);
        }
        msg_id
    }

    pub(super) fn send_content(&mut self, now: Now, body: &Bytes) {
        let packed = gzip::pack(body);
        let body = packed.unwrap_or_else(|| body.clone());
        if body.len() > MOST_BODY {
            self.counters.given_up += 1;
            self.lose_a_push();
        } else {
            self.queue(now, body, false);
        }
    }

    fn lose_a_push(&mut self) {
        if !self.pushes_lost {
            self.pushes_lost = true;
            self.events.push_back(Event::PushesLost);
        }
    }

    fn queue(&mut self, now: Now, body: Bytes, answer: bool) -> i64 {
        let origin = if answer {
            Origin::ServerAnswer
        } else {
            Origin::ServerOther
        };
        let msg_id = self.ids.next(now.unix, origin, &mut *self.random);
        let seq_no = self.content * 2 + 1;
        self.content = self.content.wrapping_add(1) & 0x3fff_ffff;
        self.unread_bytes += body.len();
        self.unread.push_back(Outgoing {
            inner: Inner {
                msg_id,
                seq_no,
                body,
            },
            answers: None,
            sent: false,
        });
        while self.unread.len() > MOST_UNREAD || self.unread_bytes > MOST_UNREAD_BYTES {
            let Some(oldest) = self.unread.pop_front() else {
                break;
            };
            self.unread_bytes -= oldest.inner.body.len();
            self.counters.given_up += 1;
            match oldest.answers {
                Some(call) => self.is_over(call, oldest.inner.msg_id),
                None => self.lose_a_push(),
            }
        }
        msg_id
    }

    fn is_over(&mut self, call: i64, answer: i64) {
        self.fates.insert(call, Fate::Acknowledged(answer));
        self.forget_if_over(call);
    }

    /// Queues a service message that answers something.
    pub(super) fn say(&mut self, body: Bytes) {
        self.queue_service(body, true);
    }

    fn queue_service(&mut self, body: Bytes, answer: bool) {
        self.services_bytes += body.len();
        self.services.push_back((body, answer));
        while self.services.len() > MOST_SERVICES || self.services_bytes > MOST_SERVICES_BYTES {
            let Some((dropped, _)) = self.services.pop_front() else {
                break;
            };
            self.services_bytes -= dropped.len();
            self.counters.given_up += 1;
        }
    }

    fn find(&self, msg_id: i64) -> Option<usize> {
        self.unread
            .binary_search_by_key(&order(msg_id), |message| order(message.inner.msg_id))
            .ok()
    }

    /// The unread message with this id.
    pub(super) fn unread_message(&self, msg_id: i64) -> Option<&Inner> {
        self.find(msg_id).map(|at| &self.unread[at].inner)
    }

    /// What is to be sent and was made so long ago that the client would refuse it gets a new id.
    fn renew_aged(&mut self, now: Now) {
        let second = now.unix_seconds();
        let aged = |message: &Outgoing| second - seconds(message.inner.msg_id) > AGED;
        if !self.unread.front().is_some_and(aged) {
            return;
        }
        let (renewed, kept): (VecDeque<_>, _) = std::mem::take(&mut self.unread)
            .into_iter()
            .partition(|message| !message.sent && aged(message));
        self.unread = kept;
        for message in renewed {
            self.unread_bytes -= message.inner.body.len();
            let msg_id = self.queue(now, message.inner.body, message.answers.is_some());
            if let Some(last) = self.unread.back_mut() {
                last.answers = message.answers;
            }
            if let Some(call) = message.answers {
                self.fates.insert(call, Fate::Answered(msg_id));
            }
        }
    }

    /// The client has these: they need not be kept.
    pub(super) fn forget_read(&mut self, msg_ids: &[i64]) {
        for msg_id in msg_ids.iter().take(MOST_IDS) {
            let Some(at) = self.find(*msg_id) else {
                continue;
            };
            if let Some(read) = self.unread.remove(at) {
                self.unread_bytes -= read.inner.body.len();
                self.pushes_lost = false;
                if let Some(call) = read.answers {
                    self.is_over(call, *msg_id);
                }
            }
        }
    }

    /// Sends unread messages again; tells whether all were there.
    pub(super) fn send_again(&mut self, msg_ids: &[i64]) -> bool {
        let mut all = true;
        for msg_id in msg_ids.iter().take(MOST_IDS) {
            match self.find(*msg_id) {
                Some(at) => self.unread[at].sent = false,
                None => all = false,
            }
        }
        all
    }

    pub(super) fn acknowledge(&mut self, now: Now, msg_id: i64) {
        self.to_acknowledge.insert(msg_id);
        self.acknowledge_at
            .get_or_insert(now.monotonic + ACKNOWLEDGE_AFTER);
        if self.to_acknowledge.len() >= MOST_IDS {
            self.acknowledge_now();
        }
    }

    pub(super) fn acknowledge_now(&mut self) {
        self.acknowledge_at = None;
        let waiting: Vec<_> = std::mem::take(&mut self.to_acknowledge)
            .into_iter()
            .collect();
        for chunk in waiting.chunks(MOST_IDS) {
            self.queue_service(wire::id_list(types::MsgsAck::ID, chunk), false);
        }
    }

    pub(super) fn next_packet(&mut self, now: Now, salts: &mut ServerSalts) -> Option<ToSeal> {
        self.renew_aged(now);
        let mut messages = Vec::new();
        let mut bytes = 0;
        let fits = |messages: &Vec<Inner>, bytes: usize, body: &Bytes| {
            messages.is_empty()
                || (messages.len() < MOST_MESSAGES && bytes + size_in_container(body) <= MOST_BYTES)
        };
        // In the order of their ids: a repeated message is older than any service message made now.
        for message in self.unread.iter_mut().filter(|message| !message.sent) {
            if !fits(&messages, bytes, &message.inner.body) {
                break;
            }
            message.sent = true;
            bytes += size_in_container(&message.inner.body);
            messages.push(message.inner.clone());
        }
        while let Some((body, _)) = self.services.front() {
            if !fits(&messages, bytes, body) {
                break;
            }
            let Some((body, answer)) = self.services.pop_front() else {
                break;
            };
            self.services_bytes -= body.len();
            let origin = if answer {
                Origin::ServerAnswer
            } else {
                Origin::ServerOther
            };
            let msg_id = self.ids.next(now.unix, origin, &mut *self.random);
            bytes += size_in_container(&body);
            messages.push(Inner {
                msg_id,
                seq_no: self.content * 2,
                body,
            });
        }
        let inner = match <[Inner; 1]>::try_from(messages) {
            Ok([single]) => single,
            Err(messages) if messages.is_empty() => return None,
            Err(messages) => {
                let msg_id = self
                    .ids
                    .next(now.unix, Origin::ServerOther, &mut *self.random);
                Inner {
                    msg_id,
                    seq_no: self.content * 2,
                    body: content::pack(&messages),
                }
            }
        };
        let envelope = Envelope {
            salt: salts.current(now.unix_seconds(), &mut *self.random),
            session_id: self.session_id,
            msg_id: inner.msg_id,
            seq_no: inner.seq_no,
            body: inner.body,
        };
        let packet = envelope.pad(&mut *self.random);
        Some(ToSeal::new(self.key.clone(), Side::Server, packet))
    }
}

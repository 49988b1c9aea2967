//! Every message of a client: checked, taken apart, and carried out at most once.

use actogram_tl::{Constructor, mtproto::types};
use bytes::Bytes;

use super::{Counters, Event, Fate, ServerSession};
use crate::{
    Now,
    session::{
        NEWEST, OLDEST, ServerSalts,
        content::{self, Inner},
        envelope::Envelope,
        gzip::{self, Allowance},
        message_id::{order, seconds},
        received::Arrival,
        wire::{self, MSG_RESEND_ANS_REQ, constructor},
    },
};

/// Error codes of `bad_msg_notification`.
pub(super) mod code {
    pub(crate) const TOO_LOW: i32 = 16;
    pub(crate) const TOO_HIGH: i32 = 17;
    pub(crate) const NOT_A_CLIENTS: i32 = 18;
    pub(crate) const CONTAINER_TWICE: i32 = 19;
    pub(crate) const TOO_OLD: i32 = 20;
    pub(crate) const SEQUENCE_TOO_LOW: i32 = 32;
    pub(crate) const SEQUENCE_TOO_HIGH: i32 = 33;
    pub(crate) const EVEN_EXPECTED: i32 = 34;
    pub(crate) const ODD_EXPECTED: i32 = 35;
    pub(crate) const SALT: i32 = 48;
    pub(crate) const CONTAINER: i32 = 64;
}

/// How many calls may run at once.
const MOST_RUNNING: usize = 16_384;

impl ServerSession {
    pub(super) fn handle_envelope(
        &mut self,
        now: Now,
        envelope: Envelope,
        salts: &mut ServerSalts,
    ) {
        let Envelope {
            salt,
            msg_id,
            seq_no,
            body,
            ..
        } = envelope;
        let second = now.unix_seconds();
        let outer = Inner {
            msg_id,
            seq_no,
            body,
        };
        if let Some(code) = self.refusal(second, msg_id) {
            return self.refuse(&outer, code);
        }
        // What came before was not refused, whatever became of its salt since: to say so of a copy would have the client
        // send it once more.
        if !self.came_before(msg_id) && !salts.accepts(second, salt, &mut *self.random) {
            self.counters.refused += 1;
            let bad = types::BadServerSalt {
                bad_msg_id: msg_id,
                bad_msg_seqno: seq_no,
                error_code: code::SALT,
                new_server_salt: salts.current(second, &mut *self.random),
            };
            self.say(wire::boxed(&bad));
            return;
        }
        let container = match content::container(msg_id, &outer.body) {
            Ok(container) => container,
            Err(error) => {
                tracing::debug!(%error, "a container was refused");
                return self.refuse(&outer, code::CONTAINER);
            }
        };
        let allowance = &mut Allowance::of_a_payload();
        match container {
            None => {
                self.begin(now, outer.msg_id, salts);
                self.handle_inner(now, outer, salts, allowance);
            }
            Some(messages) => self.handle_container(now, &outer, messages, salts, allowance),
        }
        if self.to_acknowledge.is_empty() {
            self.acknowledge_at = None;
        }
    }

    fn handle_container(
        &mut self,
        now: Now,
        outer: &Inner,
        messages: Vec<Inner>,
        salts: &mut ServerSalts,
        allowance: &mut Allowance,
    ) {
        // The same packet again, which is nobody's fault but the network's, holds nothing new; another one may not bear its id.
        let replayed = self.containers.contains(&order(outer.msg_id))
            && messages.iter().all(|message| self.is_known(message.msg_id));
        let taken = self.containers.contains(&order(outer.msg_id)) || self.is_known(outer.msg_id);
        if taken && !replayed {
            return self.refuse(outer, code::CONTAINER_TWICE);
        }
        if outer.seq_no & 1 == 1 && self.wrong_parity(outer, code::EVEN_EXPECTED) {
            return;
        }
        self.containers.insert(order(outer.msg_id));
        if self.containers.len() > crate::session::received::REMEMBERED_BY_SERVER {
            self.containers.pop_first();
        }
        let first = messages.iter().map(|message| message.msg_id);
        if let Some(first) = first.min_by_key(|msg_id| order(*msg_id)) {
            self.begin(now, first, salts);
        }
        for message in messages {
            match self.refusal(now.unix_seconds(), message.msg_id) {
                // What is inside a container may be older than it: a message sent again keeps its id.
                Some(code::TOO_HIGH | code::NOT_A_CLIENTS) => {
                    self.refuse(&message, code::CONTAINER)
                }
                Some(code) => self.refuse(&message, code),
                None => self.handle_inner(now, message, salts, allowance),
            }
        }
    }

    fn came_before(&self, msg_id: i64) -> bool {
        self.containers.contains(&order(msg_id))
            || self.fates.contains_key(&msg_id)
            || self.received.arrival(msg_id) == Arrival::Duplicate
    }

    fn is_known(&self, msg_id: i64) -> bool {
        self.fates.contains_key(&msg_id) || self.received.arrival(msg_id) != Arrival::New
    }

    fn refusal(&self, second: i64, msg_id: i64) -> Option<i32> {
        if msg_id & 3 != 0 {
            return Some(code::NOT_A_CLIENTS);
        }
        match second - seconds(msg_id) {
            age if age > OLDEST => Some(code::TOO_LOW),
            age if age < -NEWEST => Some(code::TOO_HIGH),
            _ if self.is_forgotten(msg_id) => Some(code::TOO_OLD),
            _ => None,
        }
    }

    pub(super) fn refuse(&mut self, message: &Inner, error_code: i32) {
        self.counters.refused += 1;
        let bad = types::BadMsgNotification {
            bad_msg_id: message.msg_id,
            bad_msg_seqno: message.seq_no,
            error_code,
        };
        self.say(wire::boxed(&bad));
    }

    /// The first message of a session tells the client since when there is one; an even older one moves that back.
    fn begin(&mut self, now: Now, msg_id: i64, salts: &mut ServerSalts) {
        if self
            .first_msg_id
            .is_some_and(|first| order(first) <= order(msg_id))
            || self.is_known(msg_id)
        {
            return;
        }
        self.first_msg_id = Some(msg_id);
        let created = types::NewSessionCreated {
            first_msg_id: msg_id,
            unique_id: self.unique_id(),
            server_salt: salts.current(now.unix_seconds(), &mut *self.random),
        };
        self.send_content(now, &wire::boxed(&created));
    }

    fn handle_inner(
        &mut self,
        now: Now,
        message: Inner,
        salts: &mut ServerSalts,
        allowance: &mut Allowance,
    ) {
        let content_related = message.seq_no & 1 == 1;
        if self.fates.contains_key(&message.msg_id) {
            return self.handle_duplicate(now, &message);
        }
        match self.received.arrival(message.msg_id) {
            Arrival::New => {}
            Arrival::Duplicate => return self.handle_duplicate(now, &message),
            Arrival::TooOld => return self.refuse(&message, code::TOO_OLD),
        }
        if let Some((msg_id, seq_no)) = self.highest_seq_no
            && !self.in_order(&message, msg_id, seq_no)
        {
            return;
        }
        let body = match gzip::unpack(message.body.clone(), allowance) {
            Ok(body) => body,
            Err(error) => {
                tracing::debug!(%error, "a message was refused");
                self.counters.unreadable += 1;
                return self.refuse(&message, code::CONTAINER);
            }
        };
        let kind = constructor(&body);
        if kind == Some(actogram_tl::mtproto::ids::MSG_CONTAINER) {
            // Only packed can one come here, and then it is a container in something.
            return self.refuse(&message, code::CONTAINER);
        }
        let must_be_even = matches!(
            kind,
            Some(types::MsgsAck::ID | actogram_tl::mtproto::ids::MSG_COPY)
        );
        if must_be_even && content_related && self.wrong_parity(&message, code::EVEN_EXPECTED) {
            return;
        }
        let service = kind.is_some_and(is_service);
        if !service && !content_related && self.wrong_parity(&message, code::ODD_EXPECTED) {
            return;
        }
        self.remember(message.msg_id);
        if self
            .highest_seq_no
            .is_none_or(|(msg_id, _)| order(msg_id) < order(message.msg_id))
        {
            self.highest_seq_no = Some((message.msg_id, message.seq_no));
        }
        if content_related {
            self.acknowledge(now, message.msg_id);
        }
        if service {
            self.handle_service(now, message.msg_id, body, salts);
        } else {
            self.run(now, message.msg_id, body);
        }
    }

    /// Sequence numbers grow with ids, and no two content-related messages have the same one. Compared with the message of
    /// the highest id only, as messages that are sent again arrive in any order.
    fn in_order(&mut self, message: &Inner, msg_id: i64, seq_no: i32) -> bool {
        let same = message.seq_no == seq_no && seq_no & 1 == 1;
        let later = order(message.msg_id) > order(msg_id);
        if later && (message.seq_no < seq_no & !1 || same) {
            self.refuse(message, code::SEQUENCE_TOO_LOW);
            return false;
        }
        if !later && (message.seq_no > seq_no | 1 || same) {
            self.refuse(message, code::SEQUENCE_TOO_HIGH);
            return false;
        }
        true
    }

    /// Counts a wrong parity, and refuses the message for it if that is asked for.
    fn wrong_parity(&mut self, message: &Inner, code: i32) -> bool {
        self.counters.wrong_parity += 1;
        if self.strictness.sequence_parity {
            self.refuse(message, code);
        }
        self.strictness.sequence_parity
    }

    fn remember(&mut self, msg_id: i64) {
        if let Some(forgotten) = self.received.insert(msg_id) {
            self.forget_if_over(forgotten);
        }
        self.fates.insert(msg_id, Fate::Taken);
    }

    /// A message that is too old to be told from others by its id is remembered while its call is not over.
    pub(super) fn forget_if_over(&mut self, msg_id: i64) {
        let over = matches!(
            self.fates.get(&msg_id),
            Some(Fate::Taken | Fate::Acknowledged(_))
        );
        if over && self.received.arrival(msg_id) != Arrival::Duplicate {
            self.fates.remove(&msg_id);
        }
    }

    fn run(&mut self, now: Now, msg_id: i64, body: Bytes) {
        if self.running >= MOST_RUNNING {
            let error = types::RpcError {
                error_code: 420,
                error_message: Bytes::from_static(b"FLOOD_WAIT_1"),
            };
            return self.answer_service(now, msg_id, &wire::boxed(&error));
        }
        self.running += 1;
        self.fates.insert(msg_id, Fate::Running);
        self.events.push_back(Event::Call { msg_id, body });
    }

    fn handle_duplicate(&mut self, now: Now, message: &Inner) {
        let Counters { duplicates, .. } = &mut self.counters;
        *duplicates += 1;
        if message.seq_no & 1 == 1 {
            self.acknowledge(now, message.msg_id);
        }
        match self.fates.get(&message.msg_id) {
            Some(Fate::Answered(answer)) => {
                let answer = *answer;
                self.send_again(&[answer]);
            }
            Some(Fate::Acknowledged(answer)) => {
                let info = types::MsgDetailedInfo {
                    msg_id: message.msg_id,
                    answer_msg_id: *answer,
                    bytes: 0,
                    status: 0,
                };
                self.say(wire::boxed(&info));
            }
            Some(Fate::Taken | Fate::Running) | None => {}
        }
    }

    /// The state byte of a message of the client
    /// (<https://core.telegram.org/mtproto/service_messages_about_messages#informational-message-regarding-status-of-messages>).
    pub(super) fn state_of(&self, msg_id: i64) -> u8 {
        match self.fates.get(&msg_id) {
            Some(Fate::Taken) => 4 | 8 | 16,
            Some(Fate::Running) => 4 | 8 | 32,
            Some(Fate::Answered(_)) => 4 | 8 | 32 | 64,
            Some(Fate::Acknowledged(_)) => 4 | 8 | 32 | 64 | 128,
            None => {
                let before = |other: i64| order(msg_id) < order(other);
                if self.first_msg_id.is_none_or(before)
                    || self.received.lowest().is_some_and(before)
                {
                    1
                } else if self.received.highest().is_some_and(before) {
                    2
                } else {
                    3
                }
            }
        }
    }
}

/// Whether a body is about the session itself and not a call.
fn is_service(constructor: u32) -> bool {
    use actogram_tl::{Function, mtproto::functions as f};
    matches!(
        constructor,
        types::MsgsAck::ID
            | types::MsgsStateReq::ID
            | types::MsgsStateInfo::ID
            | types::MsgsAllInfo::ID
            | types::MsgDetailedInfo::ID
            | types::MsgNewDetailedInfo::ID
            | types::MsgResendReq::ID
            | MSG_RESEND_ANS_REQ
            | f::Ping::ID
            | f::PingDelayDisconnect::ID
            | f::GetFutureSalts::ID
            | f::DestroySession::ID
            | f::DestroyAuthKey::ID
            | f::RpcDropAnswer::ID
            | types::HttpWait::ID
            // Obsolete, and never sent by clients: not carried out.
            | actogram_tl::mtproto::ids::MSG_COPY
    )
}

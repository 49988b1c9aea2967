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
        gzip,
        message_id::seconds,
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
        if !salts.accepts(second, salt, &mut *self.random) {
            self.counters.refused += 1;
            let bad = types::BadServerSalt {
                bad_msg_id: msg_id,
                bad_msg_seqno: seq_no,
                error_code: code::SALT,
                new_server_salt: salts.current(second, &mut *self.random),
            };
            self.services.push_back((wire::boxed(&bad), true));
            return;
        }
        let container = match content::container(msg_id, &outer.body) {
            Ok(container) => container,
            Err(error) => {
                tracing::debug!(%error, "a container was refused");
                return self.refuse(&outer, code::CONTAINER);
            }
        };
        match container {
            None => {
                self.begin(outer.msg_id, salts, second);
                self.handle_inner(now, outer, salts);
            }
            Some(messages) => self.handle_container(now, &outer, messages, salts),
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
    ) {
        if self.containers.contains(&outer.msg_id)
            || self.received.arrival(outer.msg_id) != Arrival::New
        {
            return self.refuse(outer, code::CONTAINER_TWICE);
        }
        if outer.seq_no & 1 == 1 && self.wrong_parity(outer, code::EVEN_EXPECTED) {
            return;
        }
        self.containers.insert(outer.msg_id);
        if self.containers.len() > crate::session::received::REMEMBERED {
            self.containers.pop_first();
        }
        if let Some(first) = messages.iter().map(|message| message.msg_id).min() {
            self.begin(first, salts, now.unix_seconds());
        }
        for message in messages {
            match self.refusal(now.unix_seconds(), message.msg_id) {
                // What is inside a container may be older than it: a message sent again keeps its id.
                Some(code::TOO_HIGH | code::NOT_A_CLIENTS) => {
                    self.refuse(&message, code::CONTAINER)
                }
                Some(code) => self.refuse(&message, code),
                None => self.handle_inner(now, message, salts),
            }
        }
    }

    fn refusal(&self, second: i64, msg_id: i64) -> Option<i32> {
        if msg_id & 3 != 0 {
            return Some(code::NOT_A_CLIENTS);
        }
        match second - seconds(msg_id) {
            age if age > OLDEST => Some(code::TOO_LOW),
            age if age < -NEWEST => Some(code::TOO_HIGH),
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
        self.services.push_back((wire::boxed(&bad), true));
    }

    /// The first message of a session tells the client since when there is one; an even older one moves that back.
    fn begin(&mut self, msg_id: i64, salts: &mut ServerSalts, second: i64) {
        if self.first_msg_id.is_some_and(|first| first <= msg_id)
            || self.received.arrival(msg_id) != Arrival::New
        {
            return;
        }
        self.first_msg_id = Some(msg_id);
        let created = types::NewSessionCreated {
            first_msg_id: msg_id,
            unique_id: self.unique_id(),
            server_salt: salts.current(second, &mut *self.random),
        };
        let now = Now {
            monotonic: std::time::Duration::ZERO,
            unix: std::time::Duration::from_secs(second.max(0) as u64),
        };
        self.send_content(now, &wire::boxed(&created), false);
    }

    fn handle_inner(&mut self, now: Now, message: Inner, salts: &mut ServerSalts) {
        let content_related = message.seq_no & 1 == 1;
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
        let body = match gzip::unpack(message.body.clone()) {
            Ok(body) => body,
            Err(error) => {
                tracing::debug!(%error, "a message was refused");
                self.counters.unreadable += 1;
                return self.refuse(&message, code::CONTAINER);
            }
        };
        let kind = constructor(&body);
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
            .is_none_or(|(msg_id, _)| msg_id < message.msg_id)
        {
            self.highest_seq_no = Some((message.msg_id, message.seq_no));
        }
        if content_related {
            self.acknowledge(now, message.msg_id);
        }
        if service {
            self.handle_service(now, message.msg_id, body, salts);
        } else {
            self.run(message.msg_id, body);
        }
    }

    /// Sequence numbers grow with ids. Only messages that are out of step by far are refused, as containers and
    /// repeated messages arrive in any order.
    fn in_order(&mut self, message: &Inner, msg_id: i64, seq_no: i32) -> bool {
        if message.msg_id > msg_id && message.seq_no < seq_no & !1 {
            self.refuse(message, code::SEQUENCE_TOO_LOW);
            return false;
        }
        if message.msg_id < msg_id && message.seq_no > seq_no | 1 {
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
            self.fates.remove(&forgotten);
        }
        self.fates.insert(msg_id, Fate::Taken);
    }

    fn run(&mut self, msg_id: i64, body: Bytes) {
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
                self.services.push_back((wire::boxed(&info), true));
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
            None if self.first_msg_id.is_none_or(|first| msg_id < first) => 1,
            None if self.received.lowest().is_some_and(|lowest| msg_id < lowest) => 1,
            None if self
                .received
                .highest()
                .is_some_and(|highest| msg_id < highest) =>
            {
                2
            }
            None => 3,
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
    )
}

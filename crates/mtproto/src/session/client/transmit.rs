//! What goes out: numbered, packed into containers, encrypted.

use actogram_crypto::Side;
use actogram_tl::{Encode, RawQuery, functions};
use bytes::{Bytes, BytesMut};

use super::{CallFailure, CallId, CallState, ClientSession, Event, REMEMBERED_SENT, binding::Next};
use crate::{
    Now,
    session::{
        ToSeal,
        content::{self, Inner, size_in_container},
        envelope::{Envelope, MOST_BODY},
        gzip,
        message_id::Origin,
    },
};

/// The most messages of one container, and bytes: what other clients send, far below what servers take.
const MOST_MESSAGES: usize = 100;
const MOST_BYTES: usize = 32 * 1024 - 8;

/// How many packets with a wish for a quick acknowledgement are remembered.
const MOST_QUICK: usize = 64;

/// A payload for the transport.
#[derive(Debug, Clone)]
pub struct Transmit {
    /// The encrypted payload.
    pub payload: Bytes,
    /// Whether to ask for a quick acknowledgement, where the transport can.
    pub quick_ack: bool,
}

/// The next packet, see [`ClientSession::poll_outgoing`].
#[derive(Debug)]
pub enum Outgoing {
    /// It can go out.
    Sealed(Transmit),
    /// It is to be encrypted first.
    Unsealed(ToSeal),
}

/// A packet being put together.
#[derive(Default)]
pub(super) struct Packet {
    pub(super) messages: Vec<Inner>,
    bytes: usize,
    calls: Vec<CallId>,
    quick_ack: bool,
    pub(super) full: bool,
}

impl Packet {
    fn has_room_for(&self, body: &Bytes) -> bool {
        self.messages.is_empty()
            || (self.messages.len() < MOST_MESSAGES
                && self.bytes + size_in_container(body) <= MOST_BYTES)
    }

    fn push(&mut self, message: Inner) {
        self.bytes += size_in_container(&message.body);
        self.messages.push(message);
    }
}

impl ClientSession {
    /// The next packet, if something is to be sent and there is a connection.
    pub fn poll_transmit(&mut self, now: Now) -> Option<Transmit> {
        match self.poll_outgoing(now, usize::MAX)? {
            Outgoing::Sealed(transmit) => Some(transmit),
            Outgoing::Unsealed(packet) => Some(Transmit {
                payload: packet.seal(),
                quick_ack: false,
            }),
        }
    }

    /// As [`poll_transmit`](Self::poll_transmit), but packets of this many bytes and more are left for the caller to encrypt,
    /// if no quick acknowledgement is wanted for them. All go out in the order in which they are given here.
    pub fn poll_outgoing(&mut self, now: Now, large: usize) -> Option<Outgoing> {
        if !self.connected {
            return None;
        }
        // Whatever goes out takes the acknowledgements along.
        if !(self.services.is_empty() && self.repeat.is_empty() && self.queue.is_empty()) {
            self.acknowledge_now();
        }
        let mut packet = Packet::default();
        self.pack_services(now, &mut packet);
        self.pack_repeats(&mut packet);
        self.pack_calls(now, &mut packet);
        if packet.messages.is_empty() {
            return None;
        }
        Some(self.pad(now, packet, large))
    }

    fn pack_services(&mut self, now: Now, packet: &mut Packet) {
        let mut questions = Vec::new();
        while let Some(service) = self.services.front() {
            let question = service.is_alone_of_its_kind();
            if !packet.has_room_for(&service.body)
                || question.is_some_and(|question| questions.contains(&question))
            {
                packet.full = true;
                return;
            }
            questions.extend(question);
            let Some(service) = self.services.pop_front() else {
                return;
            };
            let msg_id = self.next_id(now);
            packet.push(Inner {
                msg_id,
                seq_no: self.content * 2,
                body: service.body.clone(),
            });
            self.service_is_sent(msg_id, service);
        }
    }

    /// Again as they were, under their old ids.
    fn pack_repeats(&mut self, packet: &mut Packet) {
        while !packet.full {
            let Some((msg_id, id)) = self.repeat.first_key_value().map(|(at, id)| (*at, *id))
            else {
                return;
            };
            let Some(call) = self.calls.get_mut(&id) else {
                self.repeat.remove(&msg_id);
                continue;
            };
            if !packet.has_room_for(&call.wire) || (call.alone && !packet.messages.is_empty()) {
                packet.full = true;
                return;
            }
            self.repeat.remove(&msg_id);
            call.state = CallState::Sent;
            call.repeated = true;
            packet.full |= call.alone;
            packet.push(Inner {
                msg_id,
                seq_no: call.seq_no,
                body: call.wire.clone(),
            });
            packet.calls.push(id);
        }
    }

    fn pack_calls(&mut self, now: Now, packet: &mut Packet) {
        while !packet.full {
            match self.next_by_binding() {
                Next::Any => {}
                Next::Bind(id) => return self.pack_bind(now, id, packet),
                Next::Nothing => return,
            }
            let Some(id) = self.queue.front().copied() else {
                return;
            };
            // The first call introduces the client; the others wait until that was read.
            if !self.initialized && self.initializing.is_some_and(|other| other != id) {
                return;
            }
            let Some(call) = self.calls.get(&id) else {
                self.queue.pop_front();
                continue;
            };
            if call.forsaken {
                self.fail_forsaken(id);
                continue;
            }
            if let Some(before) = self.unsent_predecessor(id) {
                self.queue.pop_front();
                self.held.entry(before).or_default().push(id);
                continue;
            }
            let wire = self.wrap(id);
            if wire.len() > MOST_BODY {
                self.forget(id);
                self.events.push_back(Event::Failed {
                    call: id,
                    why: CallFailure::TooLarge {
                        length: wire.len(),
                        most: MOST_BODY,
                    },
                });
                continue;
            }
            if !packet.has_room_for(&wire) || (call.alone && !packet.messages.is_empty()) {
                packet.full = true;
                return;
            }
            self.queue.pop_front();
            let msg_id = self.next_id(now);
            if !self.initialized {
                self.initializing = Some(id);
            }
            self.call_is_packed(now, id, msg_id, wire, packet);
        }
    }

    /// The call goes out under this id.
    pub(super) fn call_is_packed(
        &mut self,
        now: Now,
        id: CallId,
        msg_id: i64,
        wire: Bytes,
        packet: &mut Packet,
    ) {
        let seq_no = self.content * 2 + 1;
        self.content = self.content.wrapping_add(1) & 0x3fff_ffff;
        self.by_msg_id.insert(msg_id, id);
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        call.state = CallState::Sent;
        call.repeated = false;
        call.msg_ids.push(msg_id);
        call.seq_no = seq_no;
        call.wire = wire.clone();
        call.asked_at = now.monotonic;
        packet.quick_ack |= call.request.quick_ack;
        packet.full |= call.alone;
        packet.calls.push(id);
        packet.push(Inner {
            msg_id,
            seq_no,
            body: wire,
        });
        // They can name it now.
        self.release(id);
    }

    /// The call that this one is to come after, if that one waits here: only one that is under way can be named.
    fn unsent_predecessor(&self, id: CallId) -> Option<CallId> {
        let before = self.calls.get(&id)?.request.after?;
        let waits = self.calls.get(&before)?.state == CallState::Queued;
        waits.then_some(before)
    }

    /// The call's body with what must stand around it now, packed if that is worth it.
    fn wrap(&self, id: CallId) -> Bytes {
        let Some(call) = self.calls.get(&id) else {
            return Bytes::new();
        };
        // One that has ended holds nobody back.
        let before = call
            .request
            .after
            .and_then(|before| self.calls.get(&before))
            .and_then(super::Call::msg_id);
        if self.initialized && before.is_none() {
            return call.packed().clone();
        }
        let mut body = call.request.body.clone();
        if !self.initialized {
            let mut wrapped = BytesMut::with_capacity(self.init.len() + body.len());
            wrapped.extend_from_slice(&self.init);
            wrapped.extend_from_slice(&body);
            body = wrapped.freeze();
        }
        if let Some(msg_id) = before {
            body = functions::InvokeAfterMsg {
                msg_id,
                query: RawQuery(body),
            }
            .to_bytes();
        }
        gzip::pack(&body).unwrap_or(body)
    }

    pub(super) fn next_id(&mut self, now: Now) -> i64 {
        let time = self.server_duration(now);
        let id = self.ids.next(time, Origin::Client, &mut *self.random);
        self.remember_sent(id);
        id
    }

    fn remember_sent(&mut self, id: i64) {
        self.recent.push_back(id);
        if self.recent.len() > REMEMBERED_SENT {
            self.recent.pop_front();
        }
    }

    fn pad(&mut self, now: Now, packet: Packet, large: usize) -> Outgoing {
        let inner = match <[Inner; 1]>::try_from(packet.messages) {
            Ok([single]) => single,
            Err(messages) => {
                let msg_id = self.next_id(now);
                self.containers.push_back((
                    msg_id,
                    messages.iter().map(|message| message.msg_id).collect(),
                ));
                if self.containers.len() > REMEMBERED_SENT / 16 {
                    self.containers.pop_front();
                }
                Inner {
                    msg_id,
                    seq_no: self.content * 2,
                    body: content::pack(&messages),
                }
            }
        };
        for id in &packet.calls {
            if let Some(call) = self.calls.get_mut(id) {
                call.carrier = inner.msg_id;
            }
        }
        let second = self.server_second(now);
        let envelope = Envelope {
            salt: self.salts.at(second),
            session_id: self.session_id,
            msg_id: inner.msg_id,
            seq_no: inner.seq_no,
            body: inner.body,
        };
        let padded = envelope.pad(&mut *self.random);
        self.schedule_liveness(now);
        let unsealed = ToSeal::new(self.key.clone(), Side::Client, padded);
        if unsealed.size() >= large && !packet.quick_ack {
            return Outgoing::Unsealed(unsealed);
        }
        let (payload, token) = unsealed.seal_with_token();
        if packet.quick_ack {
            self.quick.push_back((token, packet.calls));
            if self.quick.len() > MOST_QUICK {
                self.quick.pop_front();
            }
        }
        Outgoing::Sealed(Transmit {
            payload,
            quick_ack: packet.quick_ack,
        })
    }
}

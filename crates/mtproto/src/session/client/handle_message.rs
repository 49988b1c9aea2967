//! Every payload: decrypted, checked, taken apart, and handed to the room for its kind.

use actogram_crypto::Side;
use actogram_tl::{
    Constructor, Decode, Function, Reader,
    mtproto::{functions, ids, types},
};
use bytes::Bytes;

use super::{ClientSession, Event, handle_rpc_result::is_rpc_result};
use crate::{
    Now,
    session::{
        NEWEST, OLDEST, Opened, Refused,
        content::{self, Inner},
        envelope::Envelope,
        gzip::{self, Allowance},
        message_id::{order, seconds, time},
        received::Arrival,
        wire::{constructor, unboxed},
    },
};

impl ClientSession {
    pub(super) fn handle_payload(&mut self, now: Now, opened: Opened) -> Result<(), Refused> {
        if opened.key_id != self.key.id() || opened.from != Side::Server {
            return Err(Refused::Payload);
        }
        let envelope = opened.envelope;
        if Some(envelope.session_id) == self.former_session_id {
            // What was still under way when this side began another session.
            self.ignored.former_session += 1;
            return Ok(());
        }
        if envelope.session_id != self.session_id {
            return Err(Refused::Payload);
        }
        let Envelope {
            msg_id,
            seq_no,
            body,
            ..
        } = envelope;
        let session_id = self.session_id;
        let allowance = &mut Allowance::of_a_payload();
        match content::container(msg_id, &body) {
            Ok(None) => self.handle_inner(
                now,
                Inner {
                    msg_id,
                    seq_no,
                    body,
                },
                allowance,
            ),
            Ok(Some(messages)) => {
                if self.admit_container(now, msg_id) {
                    for message in messages {
                        // A notification can end the session it came in.
                        if self.session_id == session_id {
                            self.handle_inner(now, message, allowance);
                        }
                    }
                }
            }
            Err(error) => {
                tracing::debug!(%error, "a container was dropped");
                self.ignored.containers += 1;
            }
        }
        if !self.to_ask_again.is_empty() {
            self.ask_again();
        }
        self.ask_for_salts(now);
        self.schedule_liveness(now);
        Ok(())
    }

    /// The time of a container is not looked at: what is inside has times of its own, and may be about a wrong clock.
    fn admit_container(&mut self, now: Now, msg_id: i64) -> bool {
        let new = self.admit(now, msg_id, true) == Some(Arrival::New);
        if new && self.is_timely(now, msg_id) {
            self.received.insert(msg_id);
        }
        new
    }

    fn is_timely(&self, now: Now, msg_id: i64) -> bool {
        let age = self.server_second(now) - seconds(msg_id);
        !self.time_confirmed || (-NEWEST..=OLDEST).contains(&age)
    }

    /// Whether a message with this id may be looked at; `None` if not, and it is counted why.
    fn admit(&mut self, now: Now, msg_id: i64, at_any_time: bool) -> Option<Arrival> {
        if msg_id & 1 == 0 {
            self.ignored.even_ids += 1;
            return None;
        }
        if !at_any_time && !self.is_timely(now, msg_id) {
            self.ignored.out_of_time += 1;
            return None;
        }
        let arrival = self.received.arrival(msg_id);
        if arrival != Arrival::New {
            self.ignored.replays += 1;
        }
        Some(arrival)
    }

    /// Notifications about our clock must come through when our clock is what is wrong: about something that was really
    /// sent, and no others.
    fn is_about_our_clock(&self, body: &Bytes) -> bool {
        let mut reader = Reader::new(body.clone());
        let read = (|| {
            let kind = reader.get_u32()?;
            let (bad_msg_id, _, code) = (reader.get_i64()?, reader.get_i32()?, reader.get_i32()?);
            Ok::<_, actogram_tl::DecodeError>((kind, bad_msg_id, code))
        })();
        match read {
            Ok((types::BadServerSalt::ID, bad_msg_id, _))
            | Ok((types::BadMsgNotification::ID, bad_msg_id, 16 | 17)) => {
                self.sent_lately(bad_msg_id)
            }
            _ => false,
        }
    }

    fn handle_inner(&mut self, now: Now, message: Inner, allowance: &mut Allowance) {
        let content_related = message.seq_no & 1 == 1;
        let at_any_time = self.is_about_our_clock(&message.body);
        match self.admit(now, message.msg_id, at_any_time) {
            Some(Arrival::New) => {}
            Some(Arrival::Duplicate) => {
                // The server sends it again because it saw no acknowledgement.
                if content_related {
                    self.acknowledge(now, message.msg_id);
                }
                return;
            }
            Some(Arrival::TooOld) | None => return,
        }
        self.received.insert(message.msg_id);
        self.heard(now);
        self.learn_time(now, &message);
        if content_related {
            self.acknowledge(now, message.msg_id);
        }
        match gzip::unpack(message.body, allowance) {
            Ok(body) => self.dispatch(now, message.msg_id, body, allowance),
            Err(error) => {
                tracing::debug!(%error, "a message was dropped");
                self.ignored.unreadable += 1;
            }
        }
    }

    /// Of what the server says at once and not again later, the id tells its time. A clock that was confirmed is only put
    /// forward by it: what comes late says nothing.
    fn learn_time(&mut self, now: Now, message: &Inner) {
        let said_at_once = matches!(
            constructor(&message.body),
            Some(
                types::Pong::ID
                    | types::MsgsAck::ID
                    | types::NewSessionCreated::ID
                    | types::MsgsStateInfo::ID
                    | types::FutureSalts::ID
                    | types::BadServerSalt::ID
            )
        );
        if said_at_once
            && (!self.time_confirmed || time(message.msg_id) > self.server_duration(now))
        {
            self.set_server_time(now, message.msg_id);
        }
    }

    fn dispatch(&mut self, now: Now, msg_id: i64, body: Bytes, allowance: &mut Allowance) {
        let Some(kind) = constructor(&body) else {
            self.ignored.unreadable += 1;
            return;
        };
        match kind {
            kind if is_rpc_result(kind) => self.handle_rpc_result(body, allowance),
            types::MsgsAck::ID => {
                self.read(body, |session, message| session.handle_msgs_ack(&message))
            }
            types::Pong::ID => self.read(body, |session, pong| session.handle_pong(now, &pong)),
            types::BadServerSalt::ID => self.read(body, |session, bad| {
                session.handle_bad_server_salt(now, &bad)
            }),
            types::BadMsgNotification::ID => self.read(body, |session, bad| {
                session.handle_bad_msg(now, msg_id, &bad)
            }),
            types::NewSessionCreated::ID => self.read(body, |session, created| {
                session.handle_new_session(msg_id, &created)
            }),
            types::FutureSalts::ID => self.read(body, |session, salts| {
                session.handle_future_salts(now, salts)
            }),
            types::MsgsStateInfo::ID => self.read(body, |session, info| {
                session.handle_msgs_state_info(msg_id, &info)
            }),
            types::MsgsAllInfo::ID => self.read(body, |session, info| {
                session.handle_msgs_all_info(msg_id, &info)
            }),
            types::MsgsStateReq::ID => self.read(body, |session, asked| {
                session.handle_msgs_state_req(msg_id, &asked)
            }),
            types::MsgResendReq::ID => self.read(body, |session, asked| {
                session.handle_msg_resend_req(msg_id, &asked)
            }),
            types::MsgDetailedInfo::ID => {
                self.read(body, |session, info: types::MsgDetailedInfo| {
                    session.handle_detailed_info(now, info.answer_msg_id);
                });
            }
            types::MsgNewDetailedInfo::ID => {
                self.read(body, |session, info: types::MsgNewDetailedInfo| {
                    session.handle_detailed_info(now, info.answer_msg_id);
                });
            }
            // Answers to what is sent without waiting for an answer.
            types::DestroySessionOk::ID | types::DestroySessionNone::ID => {}
            ids::MSG_COPY => self.handle_copy(now, msg_id, body, allowance),
            // Only this side asks for these, or they never come inside encryption.
            ids::MSG_CONTAINER | ids::GZIP_PACKED => self.ignored.unreadable += 1,
            functions::Ping::ID | functions::PingDelayDisconnect::ID => {
                self.ignored.unreadable += 1
            }
            _ => self.events.push_back(Event::Update(body)),
        }
    }

    /// A copy of another message stands for that message, with all that is checked of it.
    fn handle_copy(&mut self, now: Now, msg_id: i64, body: Bytes, allowance: &mut Allowance) {
        let mut reader = Reader::new(body);
        let read = (|| {
            reader.get_u32()?;
            let (copied, seq_no) = (reader.get_i64()?, reader.get_i32()?);
            Ok::<_, actogram_tl::DecodeError>((copied, seq_no, reader.get_i32()?))
        })();
        let fits = read.ok().filter(|(copied, _, length)| {
            usize::try_from(*length) == Ok(reader.remaining()) && order(*copied) < order(msg_id)
        });
        let original = fits.map(|(msg_id, seq_no, _)| Inner {
            msg_id,
            seq_no,
            body: reader.rest(),
        });
        match original {
            Some(original) if !allowance.inside_copy => {
                allowance.inside_copy = true;
                self.handle_inner(now, original, allowance);
                allowance.inside_copy = false;
            }
            _ => self.ignored.unreadable += 1,
        }
    }

    fn read<T: Decode>(&mut self, body: Bytes, handle: impl FnOnce(&mut Self, T)) {
        match unboxed(body) {
            Ok(message) => handle(self, message),
            Err(error) => {
                tracing::debug!(%error, "a service message was dropped");
                self.ignored.unreadable += 1;
            }
        }
    }
}

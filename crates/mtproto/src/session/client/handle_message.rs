//! Every payload: decrypted, checked, taken apart, and handed to the room for its kind.

use actogram_crypto::Side;
use actogram_tl::{
    Constructor, Decode, Function, Reader,
    mtproto::{functions, ids, types},
};
use bytes::{Bytes, BytesMut};

use super::{ClientSession, Event, handle_rpc_result::is_rpc_result};
use crate::{
    Now,
    session::{
        NEWEST, OLDEST, Refused,
        content::{self, Inner},
        envelope::Envelope,
        gzip,
        message_id::seconds,
        received::Arrival,
        wire::{constructor, unboxed},
    },
};

impl ClientSession {
    pub(super) fn handle_payload(&mut self, now: Now, payload: BytesMut) -> Result<(), Refused> {
        let (envelope, _) = Envelope::open(&self.key, Side::Server, payload)?;
        if envelope.session_id != self.session_id {
            return Err(Refused::Payload);
        }
        self.heard(now);
        let Envelope {
            msg_id,
            seq_no,
            body,
            ..
        } = envelope;
        match content::container(msg_id, &body) {
            Ok(None) => self.handle_inner(
                now,
                Inner {
                    msg_id,
                    seq_no,
                    body,
                },
            ),
            Ok(Some(messages)) => {
                if self.admit(now, msg_id, None) == Some(Arrival::New) {
                    self.received.insert(msg_id);
                    for message in messages {
                        self.handle_inner(now, message);
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

    /// Whether a message with this id may be looked at; `None` if not, and it is counted why.
    fn admit(&mut self, now: Now, msg_id: i64, kind: Option<u32>) -> Option<Arrival> {
        if msg_id & 1 == 0 {
            self.ignored.even_ids += 1;
            return None;
        }
        // Notifications about our clock must come through when our clock is what is wrong. Each is believed only about
        // something that was really sent.
        let about_time = matches!(
            kind,
            Some(types::BadServerSalt::ID | types::BadMsgNotification::ID)
        );
        let age = self.server_second(now) - seconds(msg_id);
        if self.time_confirmed && !about_time && !(-NEWEST..=OLDEST).contains(&age) {
            self.ignored.out_of_time += 1;
            return None;
        }
        let arrival = self.received.arrival(msg_id);
        if arrival != Arrival::New {
            self.ignored.replays += 1;
        }
        Some(arrival)
    }

    fn handle_inner(&mut self, now: Now, message: Inner) {
        let kind = constructor(&message.body);
        let content_related = message.seq_no & 1 == 1;
        match self.admit(now, message.msg_id, kind) {
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
        if !self.time_confirmed {
            self.set_server_second(now, seconds(message.msg_id));
        }
        if content_related {
            self.acknowledge(now, message.msg_id);
        }
        match gzip::unpack(message.body) {
            Ok(body) => self.dispatch(now, message.msg_id, body, true),
            Err(error) => {
                tracing::debug!(%error, "a message was dropped");
                self.ignored.unreadable += 1;
            }
        }
    }

    fn dispatch(&mut self, now: Now, msg_id: i64, body: Bytes, may_copy: bool) {
        let Some(kind) = constructor(&body) else {
            self.ignored.unreadable += 1;
            return;
        };
        match kind {
            kind if is_rpc_result(kind) => self.handle_rpc_result(body),
            types::MsgsAck::ID => {
                self.read(body, |session, message| session.handle_msgs_ack(&message))
            }
            types::Pong::ID => self.read(body, |session, pong| session.handle_pong(now, &pong)),
            types::BadServerSalt::ID => {
                self.read(body, |session, bad| session.handle_bad_server_salt(&bad))
            }
            types::BadMsgNotification::ID => self.read(body, |session, bad| {
                session.handle_bad_msg(now, msg_id, &bad)
            }),
            types::NewSessionCreated::ID => self.read(body, |session, created| {
                session.handle_new_session(&created)
            }),
            types::FutureSalts::ID => self.read(body, |session, salts| {
                session.handle_future_salts(now, salts)
            }),
            types::MsgsStateInfo::ID => self.read(body, |session, info| {
                session.handle_msgs_state_info(now, &info)
            }),
            types::MsgsAllInfo::ID => self.read(body, |session, info| {
                session.handle_msgs_all_info(now, &info)
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
            ids::MSG_COPY if may_copy => self.handle_copy(now, body),
            // Only this side asks for these, or they never come inside encryption.
            ids::MSG_CONTAINER | ids::GZIP_PACKED | ids::MSG_COPY => self.ignored.unreadable += 1,
            functions::Ping::ID | functions::PingDelayDisconnect::ID => {
                self.ignored.unreadable += 1
            }
            _ => self.events.push_back(Event::Update(body)),
        }
    }

    /// A copy of another message stands for that message, whose id must be new as well.
    fn handle_copy(&mut self, now: Now, body: Bytes) {
        let mut reader = Reader::new(body);
        let read = (|| {
            reader.get_u32()?;
            let (msg_id, _seq_no, _length) =
                (reader.get_i64()?, reader.get_i32()?, reader.get_i32()?);
            Ok::<_, actogram_tl::DecodeError>(msg_id)
        })();
        let Ok(msg_id) = read else {
            self.ignored.unreadable += 1;
            return;
        };
        if self.admit(now, msg_id, None) == Some(Arrival::New) {
            self.received.insert(msg_id);
            self.dispatch(now, msg_id, reader.rest(), false);
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

//! Service messages of a client, one arm each
//! (<https://core.telegram.org/mtproto/service_messages>, <https://core.telegram.org/mtproto/service_messages_about_messages>).

use std::time::Duration;

use actogram_tl::{
    Constructor, Decode, DecodeError, Encode, Function, Reader,
    mtproto::{enums, functions as f, types},
};
use bytes::Bytes;

use super::{Event, Fate, ServerSession};
use crate::{
    Now,
    session::{
        MOST_IDS, ServerSalts,
        wire::{self, MSG_RESEND_ANS_REQ, constructor, unboxed},
    },
};

impl ServerSession {
    pub(super) fn handle_service(
        &mut self,
        now: Now,
        msg_id: i64,
        body: Bytes,
        salts: &mut ServerSalts,
    ) {
        let handled = match constructor(&body) {
            Some(types::MsgsAck::ID) => read::<types::MsgsAck>(body)
                .map(|acknowledged| self.forget_read(&acknowledged.msg_ids)),
            Some(types::MsgsStateReq::ID) => read::<types::MsgsStateReq>(body)
                .map(|asked| self.tell_states(msg_id, &asked.msg_ids)),
            Some(types::MsgResendReq::ID) => read::<types::MsgResendReq>(body).map(|asked| {
                if !self.send_again(&asked.msg_ids) {
                    self.tell_own_states(msg_id, &asked.msg_ids);
                }
            }),
            Some(MSG_RESEND_ANS_REQ) => read::<types::MsgResendReq>(body)
                .map(|asked| self.answer_again(msg_id, &asked.msg_ids)),
            Some(f::Ping::ID) => long(body).map(|ping_id| self.pong(msg_id, ping_id)),
            Some(f::PingDelayDisconnect::ID) => long_and_int(body).map(|(ping_id, delay)| {
                self.pong(msg_id, ping_id);
                let delay = Duration::from_secs(u64::try_from(delay).unwrap_or(0));
                self.events.push_back(Event::DisconnectAfter(delay));
            }),
            Some(f::GetFutureSalts::ID) => {
                int(body).map(|count| self.tell_salts(now, msg_id, count, salts))
            }
            Some(f::DestroySession::ID) => long(body)
                .map(|session_id| self.events.push_back(Event::DestroySession { session_id })),
            Some(f::DestroyAuthKey::ID) => {
                self.events.push_back(Event::DestroyKey { msg_id });
                Ok(())
            }
            Some(f::RpcDropAnswer::ID) => {
                long(body).map(|call| self.drop_answer(now, msg_id, call))
            }
            // Of no consequence over a connection that can be written to at any time, or nothing that was asked for.
            _ => Ok(()),
        };
        if let Err(error) = handled {
            tracing::debug!(%error, "a service message was dropped");
            self.counters.unreadable += 1;
        }
    }

    fn pong(&mut self, msg_id: i64, ping_id: i64) {
        self.to_acknowledge.remove(&msg_id);
        self.say(wire::boxed(&types::Pong { msg_id, ping_id }));
    }

    fn tell_salts(&mut self, now: Now, req_msg_id: i64, count: i32, salts: &mut ServerSalts) {
        self.to_acknowledge.remove(&req_msg_id);
        let count = usize::try_from(count).unwrap_or(1);
        let second = now.unix_seconds();
        let salts = salts.future(second, count, &mut *self.random);
        let answer = types::FutureSalts {
            req_msg_id,
            now: second as i32,
            salts,
        };
        self.say(wire::boxed(&answer));
    }

    fn tell_states(&mut self, req_msg_id: i64, msg_ids: &[i64]) {
        let info: Vec<u8> = msg_ids
            .iter()
            .take(MOST_IDS)
            .map(|id| self.state_of(*id))
            .collect();
        self.say(wire::boxed(&types::MsgsStateInfo {
            req_msg_id,
            info: info.into(),
        }));
    }

    /// What became of messages of ours that cannot be sent again.
    fn tell_own_states(&mut self, req_msg_id: i64, msg_ids: &[i64]) {
        let known = |id: &i64| self.unread_message(*id).is_some();
        let info: Vec<u8> = msg_ids
            .iter()
            .take(MOST_IDS)
            .map(|id| if known(id) { 4 } else { 1 })
            .collect();
        self.say(wire::boxed(&types::MsgsStateInfo {
            req_msg_id,
            info: info.into(),
        }));
    }

    fn answer_again(&mut self, req_msg_id: i64, calls: &[i64]) {
        let mut lost = false;
        for call in calls.iter().take(MOST_IDS) {
            match self.fates.get(call) {
                Some(Fate::Answered(answer)) => {
                    let answer = *answer;
                    self.send_again(&[answer]);
                }
                Some(Fate::Running) => {}
                _ => lost = true,
            }
        }
        if lost {
            self.tell_states(req_msg_id, calls);
        }
    }

    fn drop_answer(&mut self, now: Now, msg_id: i64, call: i64) {
        let answer = match self.fates.get(&call).copied() {
            Some(Fate::Running) => {
                self.events.push_back(Event::Dropped { msg_id: call });
                // Said twice: as the answer to this request and as the result of the call itself.
                let dropped = enums::RpcDropAnswer::RpcAnswerDroppedRunning;
                self.answer(now, call, &dropped.to_bytes());
                dropped
            }
            Some(Fate::Answered(answer)) => match self.unread_message(answer) {
                Some(inner) => {
                    let dropped = types::RpcAnswerDropped {
                        msg_id: inner.msg_id,
                        seq_no: inner.seq_no,
                        bytes: i32::try_from(inner.body.len()).unwrap_or(i32::MAX),
                    };
                    self.forget_read(&[answer]);
                    dropped.into()
                }
                None => enums::RpcDropAnswer::RpcAnswerUnknown,
            },
            _ => enums::RpcDropAnswer::RpcAnswerUnknown,
        };
        self.answer_service(now, msg_id, &answer.to_bytes());
    }
}

fn read<T: Decode>(body: Bytes) -> Result<T, DecodeError> {
    unboxed(body)
}

fn long(body: Bytes) -> Result<i64, DecodeError> {
    let mut reader = Reader::new(body);
    reader.get_u32()?;
    reader.get_i64()
}

fn int(body: Bytes) -> Result<i32, DecodeError> {
    let mut reader = Reader::new(body);
    reader.get_u32()?;
    reader.get_i32()
}

fn long_and_int(body: Bytes) -> Result<(i64, i32), DecodeError> {
    let mut reader = Reader::new(body);
    reader.get_u32()?;
    Ok((reader.get_i64()?, reader.get_i32()?))
}

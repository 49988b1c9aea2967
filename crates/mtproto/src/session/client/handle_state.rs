//! Questions about messages: states, resends, detailed infos
//! (<https://core.telegram.org/mtproto/service_messages_about_messages>).

use actogram_tl::{Constructor, mtproto::types};

use super::{ClientSession, Kind, list};
use crate::{
    Now,
    session::{
        MOST_IDS,
        received::Arrival,
        wire::{self, MSG_RESEND_ANS_REQ},
    },
};

/// How many answers may be waiting to be asked for again.
const MOST_WANTED: usize = 8192;

impl ClientSession {
    /// One byte for each id that was asked for, by position. `told` is the id of the message that says so.
    pub(super) fn handle_msgs_state_info(&mut self, told: i64, info: &types::MsgsStateInfo) {
        let Some(Kind::State(msg_ids)) = self.asked.get(&info.req_msg_id) else {
            self.ignored.unasked += 1;
            return;
        };
        let msg_ids = msg_ids.clone();
        self.asked.remove(&info.req_msg_id);
        self.count_success();
        self.take_states(told, &msg_ids, &info.info);
    }

    /// The same, told without being asked.
    pub(super) fn handle_msgs_all_info(&mut self, told: i64, info: &types::MsgsAllInfo) {
        self.take_states(
            told,
            &info.msg_ids[..info.msg_ids.len().min(MOST_IDS)],
            &info.info,
        );
    }

    fn take_states(&mut self, told: i64, msg_ids: &[i64], states: &[u8]) {
        let mut answered = Vec::new();
        for (msg_id, state) in msg_ids.iter().zip(states) {
            match state & 7 {
                // Nothing is known of it any more.
                1 => self.untraceable(*msg_id),
                2 | 3 => self.never_received(told, *msg_id),
                4 => {
                    self.mark_received(*msg_id);
                    if state & 64 != 0 && self.may_ask_again(*msg_id) {
                        answered.push(*msg_id);
                    }
                }
                _ => self.ignored.unreadable += 1,
            }
        }
        // The answer exists but has not come: it was lost on its way.
        for chunk in answered.chunks(MOST_IDS) {
            self.say(list(MSG_RESEND_ANS_REQ, chunk));
        }
    }

    /// The server asks what became of its messages.
    pub(super) fn handle_msgs_state_req(&mut self, req_msg_id: i64, request: &types::MsgsStateReq) {
        let highest = self.received.highest();
        let states: Vec<u8> = request
            .msg_ids
            .iter()
            .take(MOST_IDS)
            .map(|id| match self.received.arrival(*id) {
                Arrival::Duplicate => 4,
                Arrival::TooOld => 1,
                Arrival::New if highest.is_some_and(|highest| *id < highest) => 2,
                Arrival::New => 3,
            })
            .collect();
        let info = types::MsgsStateInfo {
            req_msg_id,
            info: states.into(),
        };
        self.say(wire::boxed(&info));
    }

    /// The server wants messages of ours again.
    pub(super) fn handle_msg_resend_req(&mut self, req_msg_id: i64, request: &types::MsgResendReq) {
        let mut unknown = false;
        for msg_id in request.msg_ids.iter().take(MOST_IDS) {
            match self.sent_as(*msg_id) {
                Some(id) => drop(self.repeat.insert(*msg_id, id)),
                None => unknown = true,
            }
        }
        if unknown {
            let states = request.msg_ids.iter().take(MOST_IDS).map(|id| {
                if self.by_msg_id.contains_key(id) {
                    4
                } else {
                    1
                }
            });
            let info = types::MsgsStateInfo {
                req_msg_id,
                info: states.collect::<Vec<u8>>().into(),
            };
            self.say(wire::boxed(&info));
        }
    }

    /// The server says it answered already. What did not arrive is asked for again.
    pub(super) fn handle_detailed_info(&mut self, now: Now, answer_msg_id: i64) {
        if self.received.arrival(answer_msg_id) == Arrival::Duplicate {
            self.acknowledge(now, answer_msg_id);
        } else if self.to_ask_again.len() < MOST_WANTED {
            self.to_ask_again.insert(answer_msg_id);
        }
    }

    pub(super) fn ask_again(&mut self) {
        let wanted: Vec<_> = std::mem::take(&mut self.to_ask_again).into_iter().collect();
        for chunk in wanted.chunks(MOST_IDS) {
            self.say(list(types::MsgResendReq::ID, chunk));
        }
    }
}

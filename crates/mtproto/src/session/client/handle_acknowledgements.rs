//! `msgs_ack`, both ways (<https://core.telegram.org/mtproto/service_messages_about_messages#acknowledgment-of-receipt>).

use std::time::Duration;

use actogram_tl::{Constructor, mtproto::types};

use super::{CallState, ClientSession, Event, Timer, list};
use crate::{Now, session::MOST_IDS};

/// How long an acknowledgement may wait for something to travel with.
pub(super) const DELAY: Duration = Duration::from_secs(15);

/// How many may wait.
const MOST_WAITING: usize = 64;

impl ClientSession {
    pub(super) fn acknowledge(&mut self, now: Now, msg_id: i64) {
        self.to_acknowledge.insert(msg_id);
        if self.to_acknowledge.len() >= MOST_WAITING {
            self.acknowledge_now();
        } else {
            self.timers
                .entry(Timer::Acknowledge)
                .or_insert(now.monotonic + DELAY);
        }
    }

    /// Turns what waits into a message of its own.
    pub(super) fn acknowledge_now(&mut self) {
        self.timers.remove(&Timer::Acknowledge);
        let waiting: Vec<_> = std::mem::take(&mut self.to_acknowledge)
            .into_iter()
            .collect();
        for chunk in waiting.chunks(MOST_IDS) {
            self.say(list(types::MsgsAck::ID, chunk));
        }
    }

    /// The server has these. That is no answer.
    pub(super) fn handle_msgs_ack(&mut self, acknowledged: &types::MsgsAck) {
        for msg_id in acknowledged.msg_ids.iter().take(MOST_IDS) {
            self.mark_received(*msg_id);
        }
    }

    pub(super) fn mark_received(&mut self, msg_id: i64) {
        for id in self.named(msg_id) {
            // An id that was given up says nothing of the one in use.
            if let Some(call) = self.calls.get_mut(&id)
                && (call.msg_id() == Some(msg_id) || call.carrier == msg_id)
                && matches!(call.state, CallState::Sent | CallState::Unknown)
            {
                call.state = CallState::Acked;
                if let Some(msg_id) = call.msg_id() {
                    self.repeat.remove(&msg_id);
                }
                self.events.push_back(Event::Received { call: id });
            }
        }
    }

    /// The token of a quick acknowledgement: the server has what was in that packet. It is not authenticated, so it
    /// changes nothing but what the caller is told.
    pub fn handle_quick_ack(&mut self, token: u32) {
        let Some(at) = self.quick.iter().position(|(known, _)| *known == token) else {
            self.ignored.unasked += 1;
            return;
        };
        if let Some((_, calls)) = self.quick.remove(at) {
            let open = calls
                .into_iter()
                .filter(|call| self.calls.contains_key(call));
            self.events
                .extend(open.map(|call| Event::Received { call }));
        }
    }
}

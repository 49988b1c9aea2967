//! `get_future_salts` and its answer (<https://core.telegram.org/mtproto/service_messages#request-for-several-future-salts>).

use std::time::Duration;

use actogram_tl::{
    Encode,
    mtproto::{functions, types},
};

use super::{ClientSession, Event, Kind};
use crate::Now;

/// How many are asked for, and how often at most.
const COUNT: i32 = 64;
const PAUSE: Duration = Duration::from_secs(60);

impl ClientSession {
    pub(super) fn ask_for_salts(&mut self, now: Now) {
        let paused = self
            .salts_asked_at
            .is_some_and(|at| now.monotonic < at + PAUSE);
        // Not before the server has spoken: the first packet of a session should be as small as it can.
        if self.time_confirmed && self.salts.is_running_out() && !paused {
            self.salts_asked_at = Some(now.monotonic);
            let question = functions::GetFutureSalts { num: COUNT };
            self.queue_service(question.to_bytes(), Kind::Salts);
        }
    }

    pub(super) fn handle_future_salts(&mut self, now: Now, salts: types::FutureSalts) {
        if !matches!(self.asked.get(&salts.req_msg_id), Some(Kind::Salts)) {
            self.ignored.unasked += 1;
            return;
        }
        self.asked.remove(&salts.req_msg_id);
        self.count_success();
        self.salts.promise(salts.salts);
        let current = self.salts.at(self.server_second(now));
        self.events.push_back(Event::Salt(current));
    }
}

//! `get_future_salts` and its answer (<https://core.telegram.org/mtproto/service_messages#request-for-several-future-salts>).

use std::time::Duration;

use actogram_tl::{
    Encode,
    mtproto::{functions, types},
};

use super::{Asked, ClientSession, Event};
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
            self.services.push_back((
                functions::GetFutureSalts { num: COUNT }.to_bytes(),
                Some(Asked::Salts),
            ));
        }
    }

    pub(super) fn handle_future_salts(&mut self, now: Now, salts: types::FutureSalts) {
        if !matches!(self.asked.remove(&salts.req_msg_id), Some(Asked::Salts)) {
            self.ignored.unasked += 1;
            return;
        }
        self.salts.promise(salts.salts);
        let current = self.salts.at(self.server_second(now));
        self.events.push_back(Event::Salt(current));
    }
}

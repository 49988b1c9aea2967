//! `bad_msg_notification` and `bad_server_salt`
//! (<https://core.telegram.org/mtproto/service_messages_about_messages#notice-of-ignored-error-message>).
//!
//! | code | means | what is done |
//! | --- | --- | --- |
//! | 16 | id too low | a clock that is behind the notification's is put forward, the call goes out under a new id |
//! | 17 | id too high | the clock is set, and again by what comes next; as ids only grow, a new session begins |
//! | 18, 34, 35 | one of the two sides is wrong | new session |
//! | 19 | a container with this id came before | again what may happen twice; about the others the server is asked |
//! | 20 | too old to tell whether it came before | again only what may happen twice |
//! | 32, 33 | numbering is out of step | new session |
//! | 48 | wrong salt | the right one is used, the call goes out under a new id |
//! | 64 | the container does not hold together | its calls go out one by one |
//!
//! Calls that go out again are counted, and so are refusals in a row.

use actogram_tl::mtproto::types;

use super::{CallId, CallState, ClientSession, Event};
use crate::{Now, session::message_id::time};

impl ClientSession {
    pub(super) fn handle_bad_server_salt(&mut self, now: Now, bad: &types::BadServerSalt) {
        if !self.sent_lately(bad.bad_msg_id) {
            self.ignored.unasked += 1;
            return;
        }
        self.salts.correct(bad.new_server_salt);
        self.events.push_back(Event::Salt(bad.new_server_salt));
        for id in self.refused(now, bad.bad_msg_id) {
            self.refuse(id, bad.error_code);
        }
        self.say_again(bad.bad_msg_id);
        self.count_refusal(bad.bad_msg_id);
    }

    /// `notification` is the id of the notification itself, which carries the server's time.
    pub(super) fn handle_bad_msg(
        &mut self,
        now: Now,
        notification: i64,
        bad: &types::BadMsgNotification,
    ) {
        if !self.sent_lately(bad.bad_msg_id) {
            self.ignored.unasked += 1;
            return;
        }
        tracing::debug!(code = bad.error_code, "the server refused a message");
        self.count_refusal(bad.bad_msg_id);
        match bad.error_code {
            16 => {
                let refused = self.refused(now, bad.bad_msg_id);
                // A clock that is too low is behind. If ours is not, somebody held our message back, or this one.
                if time(notification) > self.server_duration(now) {
                    self.set_server_time(now, notification);
                }
                self.refuse_all(&refused, 16);
                self.say_again(bad.bad_msg_id);
            }
            17 => {
                let refused = self.refused(now, bad.bad_msg_id);
                self.set_server_time(now, notification);
                // It may have been held back on its way: the first message of the new session knows better.
                self.time_confirmed = false;
                self.restart_refusing(&refused, 17);
            }
            // Not that it was refused: it is there already. Somebody on the way may have sent it twice.
            19 => {
                self.ask_or_repeat(now, bad.bad_msg_id);
                self.say_again(bad.bad_msg_id);
            }
            20 => {
                self.untraceable_all(bad.bad_msg_id);
                self.say_again(bad.bad_msg_id);
            }
            64 => {
                let refused = self.refused(now, bad.bad_msg_id);
                for id in &refused {
                    if let Some(call) = self.calls.get_mut(id) {
                        call.alone = true;
                    }
                }
                self.refuse_all(&refused, 64);
                self.say_again(bad.bad_msg_id);
            }
            code => {
                let refused = self.refused(now, bad.bad_msg_id);
                self.restart_refusing(&refused, code);
            }
        }
    }

    fn refuse_all(&mut self, calls: &[CallId], code: i32) {
        for id in calls {
            self.refuse(*id, code);
        }
    }

    fn restart_refusing(&mut self, calls: &[CallId], code: i32) {
        self.refuse_all(calls, code);
        self.restart(calls);
    }

    /// Calls that the server says to have seen before: what may happen twice goes out again, about the others it is asked.
    fn ask_or_repeat(&mut self, now: Now, bad_msg_id: i64) {
        let (mut doubtful, mut repeated) = (Vec::new(), Vec::new());
        for id in self.named(bad_msg_id) {
            let Some(call) = self.calls.get(&id) else {
                continue;
            };
            if call.state != CallState::Sent {
                continue;
            }
            if Self::may_happen_twice(call.request.resend) {
                repeated.push(id);
            } else {
                doubtful.extend(call.msg_id());
            }
        }
        self.refuse_all(&repeated, 19);
        doubtful.sort_unstable();
        self.doubt(now, &doubtful);
    }

    fn untraceable_all(&mut self, bad_msg_id: i64) {
        for id in self.named(bad_msg_id) {
            let Some(call) = self.calls.get(&id) else {
                continue;
            };
            if !matches!(call.state, CallState::Sent | CallState::Unknown) {
                continue;
            }
            if Self::may_happen_twice(call.request.resend) {
                // Counted: a server that says so of everything must not keep a call going for ever.
                self.refuse(id, 20);
            } else if let Some(msg_id) = call.msg_id() {
                self.untraceable(msg_id);
            }
        }
    }
}

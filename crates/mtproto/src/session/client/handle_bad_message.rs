//! `bad_msg_notification` and `bad_server_salt`
//! (<https://core.telegram.org/mtproto/service_messages_about_messages#notice-of-ignored-error-message>).

use actogram_tl::mtproto::types;

use super::{ClientSession, Event};
use crate::{Now, session::message_id::seconds};

impl ClientSession {
    pub(super) fn handle_bad_server_salt(&mut self, bad: &types::BadServerSalt) {
        if !self.sent_lately(bad.bad_msg_id) {
            self.ignored.unasked += 1;
            return;
        }
        self.salts.correct(bad.new_server_salt);
        self.events.push_back(Event::Salt(bad.new_server_salt));
        for id in self.named(bad.bad_msg_id) {
            self.refuse(id, bad.error_code);
        }
        self.ask_lost_services(bad.bad_msg_id);
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
        let named = self.named(bad.bad_msg_id);
        tracing::debug!(
            code = bad.error_code,
            calls = named.len(),
            "the server refused a message"
        );
        match bad.error_code {
            // Too low: only our clock was behind.
            16 => {
                self.set_server_second(now, seconds(notification));
                self.refuse_all(&named, 16);
            }
            // Too high: ids already given out lie in the future, so the session cannot go on.
            17 => {
                self.set_server_second(now, seconds(notification));
                self.restart_refusing(&named, 17);
            }
            // Too old for the server to know: it may have been carried out.
            20 => self.untraceable_all(&named),
            // The container did not hold together for the server: its messages go one by one.
            64 => {
                for id in &named {
                    if let Some(call) = self.calls.get_mut(id) {
                        call.alone = true;
                    }
                }
                self.refuse_all(&named, 64);
            }
            // Numbering is out of step, or (18, 19, 34, 35 and unknown ones) one of us is wrong: begin anew.
            code => self.restart_refusing(&named, code),
        }
        self.ask_lost_services(bad.bad_msg_id);
    }

    fn refuse_all(&mut self, calls: &[super::CallId], code: i32) {
        for id in calls {
            self.refuse(*id, code);
        }
    }

    fn restart_refusing(&mut self, calls: &[super::CallId], code: i32) {
        self.refuse_all(calls, code);
        self.restart(calls);
    }

    fn untraceable_all(&mut self, calls: &[super::CallId]) {
        for id in calls {
            let Some(call) = self.calls.get(id) else {
                continue;
            };
            if Self::may_happen_twice(call.request.resend) {
                // Counted: a server that says so of everything must not keep a call going for ever.
                self.refuse(*id, 20);
            } else if let Some(msg_id) = call.msg_id() {
                self.untraceable(msg_id);
            }
        }
    }

    /// Questions of ours that were in the refused message are asked again.
    fn ask_lost_services(&mut self, msg_id: i64) {
        let inner = self
            .containers
            .iter()
            .find(|(id, _)| *id == msg_id)
            .map(|(_, inner)| inner.clone());
        for lost in inner.unwrap_or_else(|| vec![msg_id]) {
            match self.asked.remove(&lost) {
                Some(super::Asked::State(msg_ids)) => {
                    let open: Vec<_> = msg_ids
                        .into_iter()
                        .filter(|id| self.by_msg_id.contains_key(id))
                        .collect();
                    if !open.is_empty() {
                        let body = super::list(
                            <types::MsgsStateReq as actogram_tl::Constructor>::ID,
                            &open,
                        );
                        self.services
                            .push_back((body, Some(super::Asked::State(open))));
                    }
                }
                Some(super::Asked::Salts) => self.salts_asked_at = None,
                None => {}
            }
        }
    }
}

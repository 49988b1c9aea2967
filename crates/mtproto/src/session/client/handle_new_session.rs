//! `new_session_created` (<https://core.telegram.org/mtproto/service_messages#new-session-creation-notification>).

use actogram_tl::mtproto::types;

use super::{CallState, ClientSession, Event};

impl ClientSession {
    pub(super) fn handle_new_session(&mut self, created: &types::NewSessionCreated) {
        self.salts.correct(created.server_salt);
        self.events.push_back(Event::Salt(created.server_salt));
        if self.last_unique_id == Some(created.unique_id) {
            return;
        }
        let first = self.last_unique_id.replace(created.unique_id).is_none();
        // The server has not seen what is older than its session. A message inside a container counts by its own id.
        for id in self.calls_in_order() {
            let Some(call) = self.calls.get(&id) else {
                continue;
            };
            let Some(msg_id) = call
                .msg_id()
                .filter(|msg_id| *msg_id < created.first_msg_id)
            else {
                continue;
            };
            match call.state {
                CallState::Queued => {}
                // Sent over this very connection, before the session began: never seen.
                CallState::Sent => self.requeue(id),
                // Over an earlier one: the session that may have seen it is gone.
                CallState::Acked | CallState::Unknown => self.untraceable(msg_id),
            }
        }
        if !first {
            // The session was there and is another one now: the server restarted or dropped it.
            self.initialized = self.init.is_empty();
            self.initializing = None;
        }
        self.events.push_back(Event::SessionLost);
    }
}
